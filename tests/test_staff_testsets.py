"""Test sets on the desk: run, compared with the last time, question by question, and mended."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from staff import a_desk, send, visiting
from starlette.testclient import TestClient

from bot.config import Staff
from bot.errors import UsageError
from bot.evaluation import history
from bot.evaluation.history import Outcome, Run
from bot.ui.staff import testsets
from bot.ui.staff.desk import Desk

HOME = "/staff/tests"
XSS = "<script>alert('owned')</script>"
QUESTIONS: list[dict[str, Any]] = [
    {"_id": "q1", "question": "may I drink water", "document": "a.txt", "quote": "Drink water and sleep."},
    {"_id": "q2", "question": f"whom to call {XSS}", "document": "a.txt", "quote": "Call us if it hurts."},
    {"_id": "q3", "question": "can I park", "unanswerable": True, "kind": "not_covered"},
]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    corpus, tests = tmp_path / "corpus", tmp_path / "tests"
    corpus.mkdir()
    tests.mkdir()
    (corpus / "a.txt").write_text("Rest at home after it.\n\nDrink water and sleep.\n\nCall us if it hurts.\n")
    write(tests / "questions.jsonl", QUESTIONS)
    with a_desk(tmp_path, corpus, staff=Staff(tests=str(tests))) as made:
        yield made


def write(file: Path, records: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def run(client: TestClient, name: str = ".") -> dict[str, Any]:
    answer = send(client, f"{HOME}/run", {"name": name})
    assert answer.status_code == 303, answer.text
    while (state := client.get(f"{answer.headers['location']}/json").json())["state"] == "running":
        time.sleep(0.05)
    return {**state, "page": client.get(answer.headers["location"]).text}


def test_a_set_is_listed_run_and_shown(desk: Desk) -> None:
    client = visiting(desk)
    assert "never" in client.get(HOME).text
    assert "not been run yet" in client.get(f"{HOME}/set?name=.").text
    state = run(client)
    assert (state["state"], state["url"]) == ("done", f"{HOME}/set?name=.")
    page = client.get(state["url"]).text
    assert "Success@1" in page
    assert re.search(r"\d\.\d{3} to \d\.\d{3}", page)
    assert "may I drink water" in page
    assert XSS not in page
    assert XSS in unescape(page)
    assert "/staff/check?question=may+I+drink+water" in page
    assert "by Erin" in words(page)
    assert "never" not in client.get(HOME).text


def test_a_second_run_is_compared_with_the_first(desk: Desk) -> None:
    client = visiting(desk)
    run(client)
    run(client)
    page = client.get(f"{HOME}/set?name=.").text
    assert "Nothing changed since the run before" in page
    assert "Better / worse" in page
    assert "All runs" in page
    older = history.runs(desk.index / "evaluations", ".")[1]
    assert "changes are against" not in client.get(f"{HOME}/set?name=.&run={older}").text
    assert client.get(f"{HOME}/set?name=.&run=../../x").status_code == 422


def test_what_got_worse_is_told_first(desk: Desk) -> None:
    client = visiting(desk)
    run(client)
    kept = desk.index / "evaluations"
    last = history.load(kept, ".", history.runs(kept, ".")[0])
    worse = tuple(
        replace(one, verdict="wrong") if one.id == "q3" else replace(one, quote="Other words.") for one in last.outcomes
    )
    before = replace(last, outcomes=tuple(replace(one, verdict="right") for one in last.outcomes))
    history.keep(kept, ".", replace(before, at=last.at + timedelta(days=1)))
    history.keep(kept, ".", replace(last, at=last.at + timedelta(days=2), outcomes=worse))
    page = words(client.get(f"{HOME}/set?name=.").text)
    assert "Was right" in page
    assert page.index("can I park") < page.index("may I drink water")
    assert "can I park" in words(client.get(f"{HOME}/set?name=.&show=changed").text)
    assert "can I park" in words(client.get(f"{HOME}/set?name=.&show=wrong").text)


def test_a_question_that_no_longer_fits_is_named_and_can_be_removed(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "tests" / "questions.jsonl"
    write(file, [*QUESTIONS, {"_id": "q4", "question": "gone?", "document": "a.txt", "quote": "No such sentence."}])
    client = visiting(desk)
    page = client.get(f"{HOME}/set?name=.").text
    assert "no longer fit the documents" in page
    state = run(client)
    assert state["state"] == "failed"
    assert "q4" in state["page"]
    asked = client.get(f"{HOME}/remove?name=.&id=q4")
    assert "gone?" in asked.text
    assert send(client, f"{HOME}/remove", {"name": ".", "id": "q4", "back": "//elsewhere.example"}).headers[
        "location"
    ] == (f"{HOME}/set?name=.")
    assert [json.loads(line)["_id"] for line in file.read_text().splitlines()] == ["q1", "q2", "q3"]
    assert run(client)["state"] == "done"


def test_a_viewer_looks_and_changes_nothing(desk: Desk) -> None:
    viewer = visiting(desk, "Vic")
    page = viewer.get(f"{HOME}/set?name=.").text
    assert "Run it" not in page
    assert send(viewer, f"{HOME}/run", {"name": "."}).status_code == 403
    assert send(viewer, f"{HOME}/remove", {"name": ".", "id": "q1"}).status_code == 403


@pytest.mark.parametrize("name", ["..", "/etc", "none", "../corpus", ""])
def test_no_name_leads_out_of_the_folder(desk: Desk, name: str) -> None:
    client = visiting(desk)
    assert client.get(f"{HOME}/set", params={"name": name}).status_code == 422
    assert send(client, f"{HOME}/run", {"name": name}).status_code == 422


def test_a_malformed_set_is_told_and_the_others_listed(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "tests" / "bad.jsonl").write_text("{\n")
    page = words(visiting(desk).get(HOME).text)
    assert "is malformed" in page
    assert visiting(desk).get(f"{HOME}/set?name=bad.jsonl").status_code == 200


def test_a_set_with_documents_of_its_own_is_run(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "beir"
    (folder / "qrels").mkdir(parents=True)
    write(folder / "corpus.jsonl", [{"_id": "d1", "title": "Rest", "text": "Rest at home."}])
    write(folder / "queries.jsonl", [{"_id": "q1", "text": "rest at home"}])
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    client = visiting(desk)
    assert "documents of its own" in client.get(HOME).text
    assert run(client, "beir")["state"] == "done"
    page = client.get(f"{HOME}/set?name=beir").text
    assert "Remove" not in page
    assert "rest at home" in page


def test_many_questions_are_paged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testsets, "ROWS", 2)
    client = visiting(desk)
    run(client)
    assert 'rel="next"' in client.get(f"{HOME}/set?name=.").text
    assert 'rel="next"' not in client.get(f"{HOME}/set?name=.&page=2").text


# What is kept

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def outcome(id: str = "q1", **change: Any) -> Outcome:
    values: dict[str, Any] = {
        "id": id, "question": f"{id}?", "history": (), "kind": "", "answerable": True, "verdict": "right",
        "confidence": 0.5, "item": "a.txt:1-2", "title": "A", "quote": "words", "expected": "words",
        "values": {"Success@1": 1.0},
    }  # fmt: skip
    return Outcome(**values | change)


def made(*outcomes: Outcome, at: datetime = NOW) -> Run:
    return Run("", at, "Erin", "000001", {"metrics": {}}, outcomes)


def test_runs_are_kept_newest_first_and_only_so_many(tmp_path: Path) -> None:
    kept = [history.keep(tmp_path, "set", made(outcome(), at=NOW + timedelta(days=day))) for day in range(25)]
    assert history.runs(tmp_path, "set") == [run.id for run in reversed(kept)][: history.MOST]
    assert history.load(tmp_path, "set", kept[-1].id) == kept[-1]
    with pytest.raises(UsageError):
        history.load(tmp_path, "set", kept[0].id)


def test_runs_of_one_second_are_all_kept_in_order(tmp_path: Path) -> None:
    ids = [history.keep(tmp_path, "set", made(outcome())).id for _ in range(12)]
    assert len(set(ids)) == 12
    assert history.runs(tmp_path, "set") == ids[::-1]


def test_a_damaged_run_is_told(tmp_path: Path) -> None:
    run = history.keep(tmp_path, "set", made(outcome()))
    [file] = tmp_path.rglob("*.json")
    file.write_text("{")
    with pytest.raises(UsageError):
        history.load(tmp_path, "set", run.id)


def test_moves_are_told_by_verdict_and_quote() -> None:
    before = made(*map(outcome, ("same", "down", "quote")), outcome("up", verdict="refused"), outcome("worded"))
    now = made(
        outcome("same"), outcome("down", verdict="refused"), outcome("quote", quote="other"), outcome("up"),
        outcome("worded", question="other?"), outcome("new"),
    )  # fmt: skip
    assert history.moves(before, now) == {
        "same": "", "down": "worse", "quote": "other_quote", "up": "better", "worded": "new", "new": "new",
    }  # fmt: skip


def test_the_passage_of_a_refusal_is_no_quote() -> None:
    before, now = (made(outcome(verdict="refused", quote=quote)) for quote in ("one", "other"))
    assert history.moves(before, now) == {"q1": ""}


def test_changes_are_over_the_questions_that_both_have() -> None:
    before = made(outcome("a", values={"Success@1": 0.0}), outcome("b"), outcome("gone"))
    now = made(outcome("a"), outcome("b"), outcome("new", values={"Success@1": 0.0}))
    change = history.changes(before, now)["Success@1"]
    assert (change.questions, change.difference, change.better, change.worse) == (2, 0.5, 1, 0)
    assert 0 < change.p <= 1
    assert history.changes(made(), now) == {}
