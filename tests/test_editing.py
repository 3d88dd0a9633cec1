"""Changing a test set: what is written can be read again, and a failure leaves the file as it was."""

from __future__ import annotations

import json
import threading
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from bot.documents import Document, Section
from bot.errors import UsageError
from bot.evaluation import editing
from bot.evaluation.datasets import Range, read_dataset
from bot.evaluation.editing import add_answerable, add_unanswerable, alike, remove

TEXT = "Rest at home. Drink water. Call us if it hurts. Drink water."
DOCUMENTS = {"a.txt": Document("a.txt", TEXT, "A", (Section(0, len(TEXT), ()),), "a.txt")}
REST, WATER = Range("a.txt", 0, 13), Range("a.txt", 14, 26)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tests" / "questions.jsonl"


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_question_is_added_as_it_is_evaluated(file: Path) -> None:
    assert add_answerable(file, "  what do I do\nat home? ", [REST, WATER, REST], DOCUMENTS) == "s001"
    assert add_unanswerable(file, "can I fly?", "not_covered", DOCUMENTS) == "s002"
    assert lines(file) == [
        {
            "_id": "s001",
            "question": "what do I do at home?",
            "document": "a.txt",
            "quote": "Rest at home.",
            "also": [{"document": "a.txt", "start": 14, "end": 26, "sha256": DOCUMENTS["a.txt"].sha256}],
        },
        {"_id": "s002", "question": "can I fly?", "unanswerable": True, "kind": "not_covered"},
    ]
    dataset = read_dataset(file.parent).resolve(DOCUMENTS)
    assert dataset.ranges == {"s001": (REST, WATER)}
    assert [(one.text, one.kind) for one in dataset.unanswerable] == [("can I fly?", "not_covered")]
    assert sorted(path.name for path in file.parent.iterdir() if path.suffix == ".new") == []


def test_what_stands_in_the_file_stays_byte_for_byte(file: Path) -> None:
    before = (
        '{"_id": "s041",  "question": "É?", "document": "gone.txt", "quote": "x", "note": 1}\r\n\n'
        '{"_id":"k","text":"y","unanswerable":true}'
    )
    file.parent.mkdir()
    file.write_bytes(before.encode())
    file.chmod(0o640)
    assert add_answerable(file, "what do I do at home?", [REST], DOCUMENTS) == "s042"
    assert file.read_bytes().startswith(f"{before}\n".encode())
    assert len(file.read_bytes().splitlines()) == 4
    assert file.stat().st_mode & 0o777 == 0o640
    remove(file, "s042")
    assert file.read_bytes() == f"{before}\n".encode()
    remove(file, "k")
    assert file.read_bytes() == before.partition('{"_id":"k"')[0].encode()


@pytest.mark.parametrize(
    ("text", "places", "kind", "problem"),
    [
        ("What do I do, at HOME", [REST], "", "asks the same"),
        (" \n", [REST], "", "is empty"),
        ("new", [], "", "no place"),
        ("new", [Range("b.txt", 0, 3)], "", "no such place in b.txt"),
        ("new", [Range("a.txt", 0, 999)], "", "no such place"),
        ("new", [Range("a.txt", 13, 14)], "", "no such place"),
        ("new", None, "unknown", "the kind is"),
    ],
)
def test_what_would_be_wrong_is_refused(
    file: Path, text: str, places: list[Range] | None, kind: str, problem: str
) -> None:
    add_answerable(file, "what do I do at home?", [REST], DOCUMENTS)
    before = file.read_bytes()
    add = partial(add_unanswerable, file, text, kind) if places is None else partial(add_answerable, file, text, places)
    with pytest.raises(UsageError, match=problem):
        add(DOCUMENTS)
    assert file.read_bytes() == before


def test_a_follow_up_in_the_same_words_is_another_question(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(
        '{"_id": "1", "question": "and at home?", "history": ["x"], "document": "a.txt", "quote": "Rest"}\n'
    )
    assert add_answerable(file, "And at home?", [REST], DOCUMENTS) == "s001"


def test_a_set_needs_a_question_with_an_answer(file: Path) -> None:
    with pytest.raises(UsageError, match=r"tests/questions\.jsonl holds no question with an answer"):
        add_unanswerable(file, "can I fly?", "off_topic", DOCUMENTS)
    assert not file.exists()
    add_answerable(file, "what do I do at home?", [REST], DOCUMENTS)
    with pytest.raises(UsageError, match="holds no question with an answer"):
        remove(file, "s001")
    assert len(lines(file)) == 1


def test_a_file_that_cannot_be_read_is_not_changed(file: Path) -> None:
    file.parent.mkdir()
    for content in (b"{", b"\xff", b"[]\n", b'{"_id": "1", "question": "x"}\n'):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=r"questions\.jsonl"):
            add_answerable(file, "what?", [REST], DOCUMENTS)
        assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir() if path.name.endswith(".new")] == []


def test_an_unknown_question_cannot_be_removed(file: Path) -> None:
    add_answerable(file, "what do I do at home?", [REST], DOCUMENTS)
    with pytest.raises(UsageError, match="no question 'x'"):
        remove(file, "x")


def test_a_failing_disk_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_answerable(file, "what do I do at home?", [REST], DOCUMENTS)
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(editing, "_flush", fail)
    with pytest.raises(UsageError, match="No space left"):
        add_unanswerable(file, "can I fly?", "off_topic", DOCUMENTS)
    assert file.read_bytes() == before


def test_two_at_once_both_get_in(file: Path) -> None:
    threads = [
        threading.Thread(target=add_answerable, args=(file, f"question number {n}?", [REST], DOCUMENTS))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(line["_id"]) for line in lines(file)) == [f"s{n:03}" for n in range(1, 9)]


def test_one_who_holds_the_file_for_long_is_not_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "PATIENCE", 0.01)
    file.parent.mkdir()
    with (
        FileLock(file.with_name(".questions.jsonl.lock"), is_singleton=False),
        pytest.raises(UsageError, match="somebody else"),
    ):
        add_answerable(file, "what?", [REST], DOCUMENTS)


def test_like_questions_are_found(file: Path) -> None:
    assert alike(file, "what do I drink?") == []
    add_answerable(file, "what shall I drink at home?", [WATER], DOCUMENTS)
    add_unanswerable(file, "is flying safe?", "off_topic", DOCUMENTS)
    assert [one.id for one in alike(file, "drinking at home")] == ["s001"]
    assert [one.id for one in alike(file, "flying")] == []
    assert [one.id for one in alike(file, "safe to fly?")] == ["s002"]
    assert alike(file, "is it?") == []
