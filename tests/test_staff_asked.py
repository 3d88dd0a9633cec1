"""The pages on what patients ask, as staff open them."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from staff import a_desk, send, visiting
from starlette.testclient import TestClient

from bot.config import Keeping, Staff
from bot.errors import StoreUnavailable
from bot.evaluation.datasets import Range
from bot.index import Index
from bot.shown import Shown, ShownNotice, ShownQuote
from bot.store import Store
from bot.ui.staff import asked
from bot.ui.staff.asked import Days, name_place, question_file, read_place
from bot.ui.staff.desk import Desk

XSS = "<script>alert('owned')</script><img src=x onerror=alert(1)>"
TODAY = datetime.now(UTC).date()
LEAFLET = f"Rest at home after it.\n\nDrink water {XSS} and sleep.\n\nCall us if it hurts.\n"
LONG = 60


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from opened(tmp_path)


def opened(folder: Path, **keeping: Any) -> Iterator[Desk]:
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text(LEAFLET)
    keeping = {"url": f"sqlite:///{folder / 'store.db'}", "keep_questions": True} | keeping
    with a_desk(folder, corpus, store=Keeping(**keeping), staff=Staff(tests=str(folder / "tests"))) as made:
        yield made


def keep(desk: Desk, **values: Any) -> str:
    """A row, written by the time this returns; its id."""
    fields: dict[str, Any] = {
        "id": f"{len(list(desk.store.export())):022}",
        "at": datetime.now(UTC).replace(microsecond=0),
        "outcome": "not_found",
        "category": None,
        "level": None,
        "confidence": 0.125,
        "generation": desk.bot.index.generation,
        "quotes": (),
        "notices": (ShownNotice("not_found", 1),),
        "milliseconds": 12.5,
        "question": None,
    }
    one = Shown(**fields | values)
    desk.store._insert([one])
    return one.id


def quote(desk: Desk, words: str, *, sha256: str = "") -> ShownQuote:
    document = desk.bot.document("a.txt")
    start = document.text.index(words)
    end = start + len(words)
    return ShownQuote(1, "a.txt", start, end, sha256 or document.sha256, ((start, start + 5),))


def text_of(html: str) -> str:
    """What a person reads of the page's main part."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.split("<main", 1)[1])).split())


def get(client: TestClient, path: str) -> str:
    response = client.get(f"/staff/asked{path}")
    assert response.status_code == 200, response.text
    return text_of(response.text)


# By day


def test_days_are_counted_and_drawn(desk: Desk) -> None:
    before = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    for outcome, count in (("answered", 4), ("not_found", 3), ("emergency", 2), ("fault", 1)):
        for _ in range(count):
            category = "stroke_heart" if outcome == "emergency" else None
            keep(desk, outcome=outcome, category=category, level="immediate" if category else None, at=before)
    keep(desk, category="turn")
    client = visiting(desk)
    page = client.get("/staff/asked").text
    assert page.count("<svg") == 4
    text = text_of(page)
    for words in ("Answered: 4", "Nothing found: 3", "Emergencies: 2", "Faults: 1"):
        assert words in text
    assert f"{before.date()} 4 3 2 1 0" in text
    assert f"{TODAY} 0 0 0 0 1" in text
    assert "stroke heart immediate 2" in text
    assert "Nobody said anything" in text
    other = get(client, f"?from={TODAY}&to={TODAY}")
    assert "Answered: 0" in other
    assert "None in these days." in other


def test_feedback_is_told_as_a_share_with_its_reasons(desk: Desk) -> None:
    for helped, reason in ((True, None), (True, None), (False, "unclear"), (False, None)):
        desk.store.feedback(keep(desk, outcome="answered"), helped, reason)
    text = get(visiting(desk), "")
    assert "50 of 100 said that it helped: 2 of 4 who said something" in text
    assert "Hard to understand 1" in text
    assert "No reason given 1" in text


@pytest.mark.parametrize(
    ("query", "since", "until", "problem"),
    [
        ({}, -29, 0, False),
        ({"from": "2026-03-02", "to": "2026-03-04"}, date(2026, 3, 2), date(2026, 3, 4), False),
        ({"to": "2026-03-04"}, date(2026, 2, 3), date(2026, 3, 4), False),
        ({"from": "2026-03-05", "to": "2026-03-04"}, -29, 0, True),
        ({"from": "yesterday"}, -29, 0, True),
        ({"from": "2026-02-31"}, -29, 0, True),
        ({"from": "0001-01-01", "to": "9999-12-31"}, -365, 0, False),
        ({"from": "9999-12-30", "to": "9999-12-31"}, 0, 0, False),
        ({"to": "0001-01-01"}, -29, 0, True),
    ],
)
def test_days_are_those_asked_for_as_far_as_they_are_kept(
    query: dict[str, str], since: date | int, until: date | int, problem: bool
) -> None:
    today = date(2026, 4, 1)
    found = Days.read(query, today, 365)
    first, last = (today + timedelta(days=day) if isinstance(day, int) else day for day in (since, until))
    assert (found.since, found.until, found.problem is not None) == (first, last, problem)


def test_what_is_no_date_is_told(desk: Desk) -> None:
    text = get(visiting(desk), f"?from={XSS}")
    assert "Those are no dates" in text


# In vain


def test_questions_in_vain_stand_in_groups_with_what_is_nearest(desk: Desk) -> None:
    for words in ("where do i park my car", "where do i park the car", "what about water and sleep"):
        keep(desk, question=words)
    keep(desk, question="hello there", category="turn")
    keep(desk, question="thanks", outcome="answered")
    client = visiting(desk)
    text = get(client, "/unanswered")
    assert "In these days 3 questions found nothing" in text
    assert "2 questions , last asked" in text
    assert "Nearest passages" in text
    assert re.search(r"margin [+-]0\.\d\d", text)
    assert "hello there" not in text
    assert text.index("park") < text.index("what about water")


def test_the_words_of_questions_are_said_not_to_be_kept(tmp_path: Path) -> None:
    for desk in opened(tmp_path, keep_questions=False, retention_days=77):
        keep(desk)
        text = get(visiting(desk), "/unanswered")
        assert "In these days 1 question found nothing" in text
        assert "The words of questions are not kept" in text
        assert "keep_questions = true" in text
        assert "after 77 days" in text


def test_old_words_are_shown_though_none_are_kept_any_more(tmp_path: Path) -> None:
    for desk in opened(tmp_path, keep_questions=False):
        keep(desk, question="where do i park")
        text = get(visiting(desk), "/unanswered")
        assert "The words of questions are not kept" in text
        assert "where do i park" in text


def test_groups_are_paged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "GROUPS", 2)
    words = ["cat", "dog", "sun", "rain", "tree"]
    for one in words:
        keep(desk, question=one)
    client = visiting(desk)
    seen, path = [], "/unanswered"
    while path:
        page = client.get(f"/staff/asked{path}").text
        seen += re.findall(r'<section class="card group">\s*<h2><bdi>(\w+)<', page)
        link = re.search(r'rel="next" href="/staff/asked([^"]+)"', page)
        path = unescape(link[1]) if link else ""
    assert sorted(seen) == sorted(words)
    assert "There is" not in get(client, "/unanswered?page=99")
    assert client.get("/staff/asked/unanswered?page=x").status_code == 200


def test_what_a_page_has_no_time_for_is_compared_by_a_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "PATIENCE", 0.0)
    for one in ("cat", "dog", "[name]"):
        keep(desk, question=one)
    client = visiting(desk, "Vic")
    assert "2 older questions have not been compared yet" in get(client, "/unanswered")
    answer = send(client, "/staff/asked/unanswered")
    assert answer.status_code == 303
    state = until_done(client, answer.headers["location"])
    assert state["state"] == "done"
    assert "not been compared" not in text_of(client.get(state["url"]).text)


def until_done(client: TestClient, job: str) -> dict[str, Any]:
    end = time.monotonic() + LONG
    while (state := client.get(f"{job}/json").json())["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.02)
    return dict(state)


# As it was shown


def test_an_answer_that_did_not_help_is_shown_as_it_was(desk: Desk) -> None:
    words = f"Drink water {XSS}"
    id = keep(
        desk,
        outcome="answered",
        question="what now",
        quotes=(quote(desk, words),),
        notices=(ShownNotice("sources_only", 1), ShownNotice("not_found", 98), ShownNotice("gone", 3)),
    )
    desk.store.feedback(id, False, "wrong_passage")
    client = visiting(desk)
    for path in ("/unhelpful", f"/answers/{id}"):
        html = client.get(f"/staff/asked{path}").text
        assert "<script>alert" not in html
        assert "<img" not in html
        assert "<mark>Drink</mark>" in html
        text = text_of(html)
        assert " ".join(words[5:].split()) in text
        assert "These are the exact words of our leaflets" in text
        assert "version 98 was shown" in text
        assert "no longer in the catalogue" in text
        assert "It did not help: not the right passage" in text
        assert f"Generation {desk.bot.index.generation} of the index." in text


def test_of_a_text_that_changed_only_the_place_is_told(desk: Desk) -> None:
    sha256 = "ab" * 32
    id = keep(desk, outcome="answered", generation="000099", quotes=(quote(desk, "Rest at home", sha256=sha256),))
    text = get(visiting(desk), f"/answers/{id}")
    assert "The words of this quote cannot be shown" in text
    assert f"a.txt , characters 0 to 12 of the text with the SHA-256 {sha256}" in text
    assert "Rest at home" not in text
    assert "Generation 000099 of the index, which is not the one in use" in text


def test_of_a_text_that_changed_the_words_are_those_of_a_generation_that_is_kept(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    old, bot = quote(desk, "Drink water"), desk.bot
    generation = bot.index.generation or ""
    id = keep(desk, outcome="answered", generation=generation, quotes=(old,))
    gone = keep(desk, outcome="answered", generation=generation, quotes=(replace(old, sha256="ab" * 32),))
    desk.store.feedback(id, False, "out_of_date")
    (desk.corpus / "a.txt").write_text("Nothing of it is left.\n")
    Index.update(desk.index, desk.corpus, bot.encoder, desk.config)
    assert bot.refresh()
    client = visiting(desk)
    for path in ("/unhelpful", f"/answers/{id}"):
        html = client.get(f"/staff/asked{path}").text
        assert "<mark>Drink</mark>" in html
        assert f"from generation {generation}, which is kept" in text_of(html)
        assert "read?document=a.txt" not in html
    assert "cannot be shown" in get(client, f"/answers/{gone}")
    kept = desk.index / "generations" / generation / "documents.jsonl"
    kept.write_text(kept.read_text().replace("Drink water", "Drink honey"))
    assert "cannot be shown" in get(client, f"/answers/{id}")
    assert "the document a.txt in the index is damaged" in caplog.text


def test_an_unknown_answer_is_not_found(desk: Desk) -> None:
    client = visiting(desk)
    for id in ("A" * 22, "x", "../x", "%00"):
        assert client.get(f"/staff/asked/answers/{id}").status_code == 404


def test_all_answers_are_listed_by_outcome_and_paged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "ROWS", 3)
    ids = [keep(desk, outcome=("answered", "fault")[n % 2], question=f"{XSS} {n}") for n in range(7)]
    client = visiting(desk)
    for query, wanted in (("", ids), ("?outcome=fault", ids[1::2]), ("?outcome=none", ids)):
        seen, path = [], f"/answers{query}"
        while path:
            page = client.get(f"/staff/asked{path}").text
            assert "<script>alert" not in page
            seen += re.findall(r'scope="row"><a href="/staff/asked/answers/(\w+)"', page)
            link = re.search(r'rel="next" href="/staff/asked([^"]+)"', page)
            path = unescape(link[1]) if link else ""
        assert sorted(seen) == wanted
    assert client.get("/staff/asked/answers?older=x").status_code == 422


# To take along


def test_the_export_has_every_row_of_the_days(desk: Desk) -> None:
    old = keep(desk, at=datetime.now(UTC).replace(microsecond=0) - timedelta(days=50))
    new = keep(desk, question="=cmd()")
    client = visiting(desk)
    response = client.get(f"/staff/asked/export.csv?from={TODAY - timedelta(days=60)}&to={TODAY}")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["content-disposition"]
    assert response.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))
    assert [(row["id"], row["question"]) for row in rows] == [(new, "'=cmd()"), (old, "")]
    month = client.get("/staff/asked/export.csv").content.decode("utf-8-sig")
    assert [row["id"] for row in csv.DictReader(io.StringIO(month, newline=""))] == [new]


def test_a_store_that_is_down_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visiting(desk)

    def down(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store cannot be used: gone", remedy="Start it.")

    for name in ("_page", "outcomes", "unanswered_words", "get"):
        monkeypatch.setattr(Store, name, down)
    for path in ("", "/unanswered", "/unhelpful", "/answers", "/answers/x", "/export.csv"):
        response = client.get(f"/staff/asked{path}")
        assert response.status_code == 503, path
        assert "The store cannot be used: gone" in response.text.replace("the store", "The store")


# Into the test set


def places(html: str) -> dict[str, str]:
    """The boxes of the form: what each names, by its words."""
    found = re.findall(r'name="place" value="([^"]+)"[^>]*> <span dir="auto">(.*?)</span>', html, re.DOTALL)
    return {unescape(words): unescape(value) for value, words in found}


def test_a_question_becomes_a_test_question(desk: Desk, tmp_path: Path) -> None:
    id = keep(desk, question="what about [name] and water")
    client = visiting(desk)
    link = re.search(r'href="(/staff/asked/add\?answer=\w+)"', client.get("/staff/asked/answers").text)
    assert link
    html = client.get(link[1]).text
    assert "[name] stands for words that were not kept" in text_of(html)
    boxes = places(html)
    assert boxes
    filled = {"answer": id, "question": "what about Ann and water", "verdict": "answered"}
    chosen = next(value for words, value in boxes.items() if words.startswith("Call us"))
    answer = send(client, "/staff/asked/add", {**filled, "place": [chosen]})
    assert answer.status_code == 303, text_of(answer.text)
    assert answer.headers["location"] == f"/staff/asked/answers/{id}"
    assert "in the test set now, as s001" in get(client, f"/answers/{id}")
    (line,) = (tmp_path / "tests" / "questions.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "_id": "s001",
        "question": "what about Ann and water",
        "document": "a.txt",
        "quote": "Call us if it hurts.",
    }
    again = send(client, "/staff/asked/add", {**filled, "place": [chosen]})
    assert again.status_code == 422
    assert "Question s001 of the test set asks the same" in text_of(again.text)
    assert "nearly the same words" in text_of(again.text)
    answer = send(client, "/staff/asked/add", {"question": "can I fly?", "verdict": "not_covered"})
    assert answer.status_code == 303
    assert len((tmp_path / "tests" / "questions.jsonl").read_text().splitlines()) == 2


def test_places_found_with_other_words_are_added_to_those_marked_before(desk: Desk) -> None:
    client = visiting(desk)
    document = desk.bot.document("a.txt")
    before = name_place(Range("a.txt", 0, 4), document.sha256)
    filled = {"question": "x?", "verdict": "answered", "search": "hurts", "find": "1"}
    html = send(client, "/staff/asked/add", {**filled, "place": [before, "nonsense", f"0-4-{'0' * 64}-a.txt"]}).text
    boxes = places(html)
    assert boxes["Rest"] == before
    assert any(words.startswith("Call us") for words in boxes)
    assert "nonsense" not in html
    assert 'value="answered" required checked' in html


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"question": "", "verdict": "not_covered"}, "The question is empty"),
        ({"question": "ask [name]", "verdict": "not_covered"}, "still holds marks"),
        ({"question": "why", "verdict": ""}, "not said what is right"),
        ({"question": "why", "verdict": XSS}, "not said what is right"),
        ({"question": "why", "verdict": "answered"}, "No place is chosen"),
        ({"question": "why", "verdict": "answered", "place": ["x"]}, "no place in a document"),
        ({"question": "why", "verdict": "answered", "place": [f"0-4-{'0' * 64}-a.txt"]}, "A.txt has changed"),
        ({"question": "why", "verdict": "answered", "place": ["0-4-0-b.txt"]}, "B.txt has changed"),
        ({"question": "y" * 2001, "verdict": "not_covered"}, "longer than 2000"),
        ({"question": XSS, "verdict": "off_topic"}, "holds no question with an answer"),
    ],
)
def test_a_form_that_is_not_right_comes_back_as_it_was_filled(
    desk: Desk, tmp_path: Path, form: dict[str, Any], problem: str
) -> None:
    answer = send(visiting(desk), "/staff/asked/add", form)
    assert answer.status_code == 422
    assert problem in text_of(answer.text)
    assert "<script>alert" not in answer.text
    assert unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", answer.text, re.DOTALL)[1]) == form["question"]  # type: ignore[index]
    assert not (tmp_path / "tests" / "questions.jsonl").exists()


def test_only_editors_add(desk: Desk, tmp_path: Path) -> None:
    id = keep(desk, question="why")
    viewer = visiting(desk, "Vic")
    for path in ("/answers", "/unanswered", f"/answers/{id}"):
        assert "Add as a test question" not in get(viewer, path)
    assert viewer.get(f"/staff/asked/add?answer={id}").status_code == 403
    assert send(viewer, "/staff/asked/add", {"question": "why", "verdict": "off_topic"}).status_code == 403
    editor = visiting(desk)
    assert editor.post("/staff/asked/add", data={"question": "why", "verdict": "off_topic"}).status_code == 403
    assert editor.post("/staff/asked/unanswered").status_code == 403
    stranger = visiting(desk, None)
    for path in ("", "/unanswered", "/unhelpful", "/answers", f"/answers/{id}", "/export.csv", "/add"):
        answer = stranger.get(f"/staff/asked{path}")
        assert answer.status_code in (303, 401)
        assert urlsplit(answer.headers.get("location", "/staff/login")).path == "/staff/login"
    assert not (tmp_path / "tests").exists()


def test_a_place_survives_being_named() -> None:
    place = Range("a-b/c-1.txt", 3, 14)
    assert read_place(name_place(place, "f" * 64)) == (place, "f" * 64)


def test_the_test_set_may_be_a_folder_or_a_file() -> None:
    assert question_file(Path("tests/eval")) == Path("tests/eval/questions.jsonl")
    assert question_file(Path("own.jsonl")) == Path("own.jsonl")
