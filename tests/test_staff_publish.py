"""Adding, replacing and removing documents on the desk: drafts, previews, publications, roll-backs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from conftest import WordEncoder
from filelock import FileLock
from staff import a_desk, send, visiting
from starlette.testclient import TestClient

from bot import generations, surveys
from bot.config import Answering, CorpusRules, Staff
from bot.drafts import Draft, file_name
from bot.errors import UsageError
from bot.generations import Publication
from bot.index import Index
from bot.ui.staff.desk import Desk

HOME = "/staff/documents"
LONG = 60
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    corpus = tmp_path / "corpus"
    (corpus / "sheets").mkdir(parents=True)
    (corpus / "nausea.md").write_text("# Nausea\n\nDrink water. Take one tablet.\n")
    (corpus / "parking.txt").write_text("Park behind the house.\n")
    (corpus / "parking.txt.meta.toml").write_text('title = "Parking"\nreviewed = "2025-01-01"\n')
    (corpus / "sheets" / "driving.txt").write_text("Do not drive home.\n")
    rules = CorpusRules(max_file_mb=1)
    with a_desk(tmp_path, corpus, corpus=rules, answer=Answering(answer_above=0.0)) as made:
        yield made


@pytest.fixture
def browser(desk: Desk) -> TestClient:
    return visiting(desk)


def text(page: Any) -> str:
    """What a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


def finished(desk: Desk, answer: Any) -> Any:
    """The job that this answer leads to, when it has ended."""
    assert answer.status_code == 303, text(answer)
    assert answer.headers["location"].startswith("/staff/jobs/"), answer.headers["location"]
    deadline = time.monotonic() + LONG
    while (job := desk.jobs.get(answer.headers["location"].rpartition("/")[2])) and job.state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert job
    return job


def upload(client: TestClient, name: str, content: bytes, **fields: str) -> Any:
    return send(client, f"{HOME}/upload", fields, files={"file": (name, content)})


def publish(desk: Desk, client: TestClient) -> Any:
    page = client.get(f"{HOME}/draft")
    [revision] = re.findall(r'name="revision" value="([0-9a-f]+)"', page.text)
    return finished(desk, send(client, f"{HOME}/draft/publish", {"revision": revision}))


def corpus_of(desk: Desk) -> dict[str, bytes]:
    return {str(path.relative_to(desk.corpus)): path.read_bytes() for path in desk.corpus.rglob("*") if path.is_file()}


def test_from_an_upload_to_an_answer_and_back(desk: Desk, browser: TestClient) -> None:
    before = corpus_of(desk)
    form = browser.get(f"{HOME}/upload")
    assert "At most 1 MB" in text(form)
    assert '<option value="sheets">' in form.text
    job = finished(desk, upload(browser, "Café  sheet.TXT", b"Coffee is fine after it.\n", folder="sheets"))
    assert (job.state, job.url) == ("done", f"{HOME}/draft")
    seen = text(browser.get(f"{HOME}/draft"))
    assert "sheets/Café sheet.TXT" in seen
    assert "1 added, 0 changed, 0 removed, 3 unchanged" in seen
    assert "Its text, as it was read Coffee is fine after it." in seen
    assert corpus_of(desk) == before
    assert "Coffee" not in {d.text for d in desk.bot.documents()}

    job = publish(desk, browser)
    assert (job.state, job.url) == ("done", f"{HOME}/history")
    assert corpus_of(desk).keys() - before.keys() == {"sheets/Café sheet.TXT"}
    assert desk.bot.index.generation == "000002"
    assert desk.bot.ask("coffee").quotes[0].text.startswith("Coffee is fine")
    assert "The draft is empty" in text(browser.get(f"{HOME}/draft"))
    done = browser.get(f"/staff/jobs/{job.id}")
    assert done.headers["location"] == f"{HOME}/history"
    history = text(browser.get(f"{HOME}/history"))
    assert "Published. Answers come from generation 000002 now." in history
    assert "published 000002 , from 000001" in history or "published 000002, from 000001" in history
    assert "Erin" in history

    job = finished(desk, send(browser, f"{HOME}/history/back", {"generation": "000001"}))
    assert (job.state, job.url) == ("done", f"{HOME}/history")
    assert corpus_of(desk) == before
    assert desk.bot.index.generation == "000001"
    assert "went back to 000001" in text(browser.get(f"{HOME}/history"))


def test_after_a_publication_the_documents_are_compared(desk: Desk, browser: TestClient) -> None:
    assert "not been compared yet" in text(browser.get("/staff/consistency"))
    finished(desk, upload(browser, "sheet.txt", b"Drive home after 2 hours.\n"))
    job = publish(desk, browser)
    assert job.state == "done"
    deadline = time.monotonic() + LONG
    while (found := surveys.load(desk.index)) is None or found.generation != "000002":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "Compared" in text(browser.get("/staff/consistency"))
    assert "published anew" not in text(browser.get("/staff/consistency"))
    (desk.corpus / "more.txt").write_text("Rest.\n")
    Index.update(desk.index, desk.corpus, desk.bot.encoder, desk.config)
    desk.bot.refresh()
    page = browser.get("/staff/consistency")
    assert "about an earlier generation" in text(page)
    assert "Compare again" in text(page)


def test_the_draft_says_which_answers_to_test_questions_would_change(tmp_path: Path) -> None:
    corpus, tests = tmp_path / "corpus", tmp_path / "tests"
    corpus.mkdir()
    tests.mkdir()
    (corpus / "nausea.md").write_text("# Nausea\n\nDrink water. Take one tablet.\n")
    (corpus / "parking.txt").write_text("Park behind the house.\n")
    with a_desk(tmp_path, corpus, staff=Staff(tests=str(tests)), answer=Answering(answer_above=0.0)) as desk:
        browser = visiting(desk)
        new = f"# Nausea\n\nDrink water. Take two tablets. {HOSTILE}\n".encode()
        finished(desk, upload(browser, "v2.md", new, replace="nausea.md"))
        assert "no test set yet" in text(browser.get(f"{HOME}/draft"))
        questions = [
            {"_id": "q1", "question": "take tablet drink water", "document": "nausea.md", "quote": "Take one tablet."},
            {
                "_id": "q2",
                "question": "park behind house",
                "document": "parking.txt",
                "quote": "Park behind",
            },
        ]
        (tests / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in questions))
        (tests / "broken.jsonl").write_text("no json\n")
        before = text(browser.get(f"{HOME}/draft"))
        assert "The 2 test questions have not been asked of this draft" in before
        assert "broken.jsonl cannot be read" in before
        assert "Ask the test questions" not in text(visiting(desk, "Vic").get(f"{HOME}/draft"))

        job = finished(desk, send(browser, f"{HOME}/draft/answers"))
        assert (job.state, job.url) == ("done", f"{HOME}/draft#answers")
        page = browser.get(f"{HOME}/draft")
        seen = text(page)
        assert "The answers to 1 of 2 test questions would change. Another first quote: 1." in seen
        assert "Answered with quotes of 2 2 2" in seen
        assert "Met rightly of 1 1 1" in seen
        assert "For 1 of them the sentence that answers it is no longer in the documents" in seen
        now, draft = seen.index("Drink water. Take one tablet."), seen.rindex("Drink water. Take two tablets.")
        assert seen.index("Another first quote", seen.index("Met rightly")) < now < draft
        assert HOSTILE not in page.text
        assert desk.bot.index.generation == "000001"  # nothing was published
        assert not list((desk.index / "draft").glob("stage*"))

        finished(desk, upload(browser, "more.txt", b"Rest."))
        assert "have not been asked of this draft" in text(browser.get(f"{HOME}/draft"))
        finished(desk, upload(browser, "empty.txt", b"   "))
        assert "Ask the test questions" not in text(browser.get(f"{HOME}/draft"))  # it cannot be published
        job = finished(desk, send(browser, f"{HOME}/draft/answers"))
        assert (job.state, "empty.txt cannot be published" in job.problem) == ("failed", True)


def test_replace_describe_remove_undo_discard(desk: Desk, browser: TestClient) -> None:
    assert f"{HOME}/upload?replace=nausea.md" in browser.get(f"{HOME}/change?document=nausea.md").text
    page = browser.get(f"{HOME}/upload?replace=parking.txt")
    assert "What is said beside it stays" in text(page)
    finished(desk, upload(browser, "v2.md", b"# Nausea\n\nDrink water. Take two tablets.\n", replace="nausea.md"))
    finished(desk, send(browser, f"{HOME}/details", {"path": "nausea.md", "title": "Feeling sick", "next_review": ""}))
    finished(desk, send(browser, f"{HOME}/remove", {"path": "parking.txt"}))
    seen = text(browser.get(f"{HOME}/draft"))
    assert "0 added, 1 changed, 1 removed, 1 unchanged" in seen
    assert "Before: Take one tablet." in seen
    assert "Now: Take two tablets." in seen
    assert "Title: Nausea → Feeling sick" in seen
    assert 'value="Feeling sick"' in browser.get(f"{HOME}/change?document=nausea.md").text
    draft = Draft(desk.index, desk.corpus, desk.config.corpus)
    assert [(c.path, c.kind, c.who) for c in draft.changes()] == [
        ("nausea.md", "replace", "Erin"),
        ("nausea.md.meta.toml", "details", "Erin"),
        ("parking.txt", "remove", "Erin"),
        ("parking.txt.meta.toml", "remove", "Erin"),
    ]
    finished(desk, send(browser, f"{HOME}/draft/undo", {"path": "parking.txt"}))
    assert [change.path for change in draft.changes()] == ["nausea.md", "nausea.md.meta.toml"]
    answer = send(browser, f"{HOME}/draft/discard")
    assert answer.headers["location"] == f"{HOME}/draft"
    assert draft.changes() == ()


def test_a_draft_survives_a_restart(desk: Desk, browser: TestClient) -> None:
    finished(desk, upload(browser, "new.txt", b"Rest."))
    again = visiting(desk, "Vic")
    assert "new.txt" in text(again.get(f"{HOME}/draft"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("setup.exe", b"MZ", "setup.exe: unsupported format (.exe)"),
        ("README", b"text", "README: unsupported format (no suffix)"),
        ("big.txt", b"x" * (1024 * 1024 + 1), "Too large: the limit is 1 MB"),
        ("empty.txt", b"", "The file is empty"),
        (".txt", b"x", "txt: unsupported format (no suffix)"),
        ("?.txt", b"x", "unsupported format (no suffix)"),
        ("Parking.TXT", b"x", "There is a file parking.txt already"),
        ("x" * 300 + ".txt", b"x", "cannot be a file's name"),
    ],
)
def test_what_is_refused_at_once(desk: Desk, browser: TestClient, name: str, content: bytes, reason: str) -> None:
    answer = upload(browser, name, content)
    assert answer.status_code == 422
    assert reason.lower() in text(answer).lower()
    assert Draft(desk.index, desk.corpus, desk.config.corpus).changes() == ()
    assert not list(desk.index.glob("draft/files/*"))


def test_a_file_that_cannot_be_read_is_named_with_its_reason(desk: Desk, browser: TestClient) -> None:
    finished(desk, upload(browser, "broken.pdf", b"no PDF"))
    page = browser.get(f"{HOME}/draft")
    assert "These files cannot be published" in text(page)
    assert 'name="revision"' not in page.text
    report = Index.update(desk.index.parent / "other", _folder(desk, b"no PDF"), WordEncoder(256), desk.config)
    [skipped] = report.skipped
    assert f"broken.pdf : {skipped.reason}" in text(page) or f"broken.pdf: {skipped.reason}" in text(page)


def _folder(desk: Desk, data: bytes) -> Path:
    folder = desk.index.parent / "elsewhere"
    folder.mkdir()
    (folder / "broken.pdf").write_bytes(data)
    (folder / "good.txt").write_text("Rest.")
    return folder


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\ann\\Leaflet 1.PDF", "Leaflet 1.PDF"),
        ("..hidden.md", "hidden.md"),
        ("Cafe\u0301.txt", "Caf\u00e9.txt"),
        ("a\x00b\u202ec\n.txt", "abc.txt"),
        ('what: "is" <it>?.html', "what is it.html"),
        ("nausea.pdf.meta.toml", "nausea.pdf.meta.toml"),
    ],
)
def test_names_are_made_safe(given: str, name: str) -> None:
    assert file_name(given) == name


@pytest.mark.parametrize("given", ["", "/", "..", ".pdf", ". .pdf", "é" * 120 + ".txt", ".meta.toml"])
def test_names_that_cannot_be(given: str) -> None:
    with pytest.raises(UsageError):
        file_name(given)


def test_another_format_does_not_replace(desk: Desk, browser: TestClient) -> None:
    answer = upload(browser, "nausea.txt", b"Other.", replace="nausea.md")
    assert answer.status_code == 422
    assert "another format" in text(answer)


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/passwd", ".git/config", "nothing.txt", "sheets"])
def test_only_documents_that_are_there_can_be_changed(desk: Desk, browser: TestClient, path: str) -> None:
    (desk.corpus.parent / "outside.txt").write_text("Not ours.")
    assert browser.get(f"{HOME}/change", params={"document": path}).status_code == 422
    assert browser.get(f"{HOME}/upload", params={"replace": path}).status_code == 422
    assert upload(browser, "a.txt", b"x", replace=path).status_code == 422
    assert upload(browser, "a.txt", b"x", folder=path).status_code == (303 if path == "sheets" else 422)
    assert send(browser, f"{HOME}/remove", {"path": path}).status_code == 422
    assert send(browser, f"{HOME}/details", {"path": path, "title": "x"}).status_code == 422
    assert (desk.corpus.parent / "outside.txt").read_text() == "Not ours."


def test_dates_are_checked(desk: Desk, browser: TestClient) -> None:
    answer = send(browser, f"{HOME}/details", {"path": "nausea.md", "title": "T", "reviewed": "soon"})
    assert answer.status_code == 422
    assert "reviewed is not a date" in text(answer).lower()
    assert 'value="soon"' in answer.text
    answer = send(browser, f"{HOME}/details", {"path": "nausea.md", "title": "x" * 301})
    assert answer.status_code == 422


def test_what_is_said_beside_a_document_survives_any_text(desk: Desk, browser: TestClient) -> None:
    title = 'A "quoted" \\ title – ü 😀'
    finished(desk, send(browser, f"{HOME}/details", {"path": "nausea.md", "title": title, "author": HOSTILE}))
    assert publish(desk, browser).state == "done"
    document = desk.bot.document("nausea.md")
    assert (document.title, document.metadata["author"]) == (title, HOSTILE)
    finished(desk, send(browser, f"{HOME}/details", {"path": "nausea.md"}))
    assert publish(desk, browser).state == "done"
    assert not (desk.corpus / "nausea.md.meta.toml").exists()
    assert desk.bot.document("nausea.md").title == "Nausea"


def test_what_is_uploaded_shows_as_text(desk: Desk, browser: TestClient) -> None:
    finished(desk, upload(browser, "new.md", f"# {HOSTILE}\n\nRest {HOSTILE} first.\n".encode()))
    finished(desk, upload(browser, "v2.md", f"# Nausea\n\nDrink {HOSTILE}.\n".encode(), replace="nausea.md"))
    finished(desk, send(browser, f"{HOME}/details", {"path": "nausea.md", "title": HOSTILE}))
    for page in ("draft", "change?document=nausea.md", "upload?replace=nausea.md"):
        shown = browser.get(f"{HOME}/{page}").text
        assert HOSTILE not in shown
        assert "&lt;img src=x" in shown
    answer = upload(browser, f"{HOSTILE}.exe", b"x")
    assert HOSTILE not in answer.text
    publish(desk, browser)
    generations.record(
        desk.index, Publication.of(HOSTILE, "publish", [HOSTILE], [], [], 1)
    )  # whoever can write the file could do more
    shown = browser.get(f"{HOME}/history").text
    assert HOSTILE not in shown
    assert "&lt;img src=x" in shown


def test_only_what_was_seen_is_published(desk: Desk, browser: TestClient) -> None:
    finished(desk, upload(browser, "new.txt", b"Rest."))
    [revision] = re.findall(r'name="revision" value="([0-9a-f]+)"', browser.get(f"{HOME}/draft").text)
    (desk.corpus / "parking.txt").write_text("Park elsewhere.")
    assert "has not been checked" in text(browser.get(f"{HOME}/draft"))
    answer = send(browser, f"{HOME}/draft/publish", {"revision": revision})
    assert answer.status_code == 422
    finished(desk, send(browser, f"{HOME}/draft/check"))
    page = browser.get(f"{HOME}/draft")
    assert "changed in the folder, outside the desk" in text(page)
    assert publish(desk, browser).state == "done"


def test_the_command_line_and_the_desk_do_not_fight(desk: Desk, browser: TestClient) -> None:
    finished(desk, upload(browser, "new.txt", b"Rest."))
    with FileLock(desk.index / ".lock"):
        job = publish(desk, browser)
        assert job.state == "failed"
        assert "another process is writing the index" in job.problem
        job = finished(desk, send(browser, f"{HOME}/history/back", {"generation": "000001"}))
        assert job.state == "failed"
    assert publish(desk, browser).state == "done"


def test_a_viewer_sees_and_changes_nothing(desk: Desk, browser: TestClient) -> None:
    finished(desk, upload(browser, "new.txt", b"Rest."))
    viewer = visiting(desk, "Vic")
    for page in ("draft", "upload", "change?document=nausea.md", "history"):
        shown = viewer.get(f"{HOME}/{page}")
        assert shown.status_code == 200
        forms = re.findall(r'action="(/staff/documents[^"]*)"', shown.text)
        assert forms == [], page
    for path in ("upload", "details", "remove", "draft/undo", "draft/check", "draft/publish", "draft/discard"):
        assert send(viewer, f"{HOME}/{path}", {"path": "new.txt", "revision": "x"}).status_code == 403
    assert send(viewer, f"{HOME}/history/back", {"generation": "000001"}).status_code == 403
    assert "new.txt" in text(viewer.get(f"{HOME}/draft"))


def test_the_record_is_paged(desk: Desk, browser: TestClient) -> None:
    for number in range(60):
        generations.record(desk.index, Publication.of(f"Who{number}.", "build", [], [], [], number))
    first = browser.get(f"{HOME}/history")
    assert "Who59." in first.text
    assert "Who20." not in first.text
    assert f"{HOME}/history?page=2" in first.text
    assert "Who20." in browser.get(f"{HOME}/history?page=2").text
    assert "Who0." in browser.get(f"{HOME}/history?page=3").text
    assert browser.get(f"{HOME}/history?page=0").status_code == 422


@pytest.mark.parametrize("generation", ["000099", "", "../000001", "x"])
def test_what_is_not_kept_is_not_gone_back_to(desk: Desk, browser: TestClient, generation: str) -> None:
    answer = send(browser, f"{HOME}/history/back", {"generation": generation})
    assert answer.status_code == 422 or finished(desk, answer).state == "failed"
    assert desk.bot.index.generation == "000001"
