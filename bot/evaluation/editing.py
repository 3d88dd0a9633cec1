"""Changing an own test set: whole or not at all, and never into one that cannot be read."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bot.documents import Document
from bot.errors import UsageError
from bot.evaluation.datasets import CHANGED, Question, Range, read_dataset, records
from bot.lexical import terms

KINDS = ("off_topic", "not_covered", "adversarial")
"""Why a question cannot be answered."""
PATIENCE = 5.0
"""Seconds to wait for another who changes the same file."""
ALIKE = 0.6
"""Two questions are alike if they share so much of their stemmed words (Jaccard 1901)."""
_MINE = re.compile(r"s([0-9]{1,9})")


def add_answerable(file: Path, text: str, places: Sequence[Range], documents: Mapping[str, Document]) -> str:
    """Adds a question that is answered at each of `places`; its new id.

    A place is kept as its words where they stand only once in their document, else as a range with the hash of the
    text. Raises UsageError for a place that is not there, a question that is there already, a file that cannot be read
    or written.
    """
    if not places:
        raise UsageError("no place is chosen", remedy="Choose where the question is answered, or say that it is not.")
    first, *also = (_place(place, documents) for place in dict.fromkeys(places))
    return _add(file, text, first | ({"also": also} if also else {}), documents)


def add_unanswerable(file: Path, text: str, kind: str, documents: Mapping[str, Document]) -> str:
    """Adds a question that the documents do not answer; `kind`: one of `KINDS`. The rest as above."""
    if kind not in KINDS:
        raise UsageError(f"the kind is {kind!r}", remedy=f"Give one of {', '.join(KINDS)}.")
    return _add(file, text, {"unanswerable": True, "kind": kind}, documents)


def remove(file: Path, id: str) -> None:
    """Takes a question out. Raises UsageError if there is none with this id, or it is the last one with an answer."""

    def without(lines: list[str]) -> list[str]:
        left = [line for line in lines if not line.strip() or _id(json.loads(line)) != id]
        if len(left) == len(lines):
            raise UsageError(f"there is no question {id!r} in {file.name}", remedy="It may have been removed already.")
        return left

    _change(file, without)


def alike(file: Path, text: str, most: int = 3) -> list[Question]:
    """Questions of the test set in nearly the same words, the most alike first; none if there is no file yet."""
    if not file.exists():
        return []
    dataset, own = read_dataset(file), set(terms(text))
    near = []
    for question in (*dataset.questions, *dataset.unanswerable):
        other = set(terms(question.text))
        if own and len(own & other) / len(own | other) >= ALIKE:
            near.append((-len(own & other) / len(own | other), question.id, question))
    return [question for _, _, question in sorted(near, key=lambda one: one[:2])[:most]]


def _add(file: Path, text: str, answer: Mapping[str, Any], documents: Mapping[str, Document]) -> str:
    text = " ".join(text.split())
    if not text:
        raise UsageError("the question is empty", remedy="Write what a patient would ask.")
    made: list[str] = []

    def with_it(lines: list[str]) -> list[str]:
        there = [json.loads(line) for line in lines if line.strip()]
        for record in there:
            asked = record.get("text", record.get("question"))
            if isinstance(asked, str) and _folded(asked) == _folded(text) and not record.get("history"):
                raise UsageError(
                    f"question {_id(record)} of the test set asks the same: {asked}",
                    remedy="Change that one in the file, or word this one differently.",
                )
        taken = [int(found[1]) for record in there if (found := _MINE.fullmatch(_id(record)))]
        made.append(f"s{max(taken, default=0) + 1:03}")
        return [*lines, json.dumps({"_id": made[0], "question": text, **answer}, ensure_ascii=False) + "\n"]

    def check(new: Path) -> None:
        for gold in read_dataset(new).gold.get(made[0], ()):
            gold.resolve(made[0], documents)

    _change(file, with_it, check)
    return made[0]


def _place(place: Range, documents: Mapping[str, Document]) -> dict[str, Any]:
    document = documents.get(place.document)
    words = document.text[place.start : place.end] if document else ""
    if document is None or not 0 <= place.start < place.end <= len(document.text) or not words.strip():
        raise UsageError(f"there is no such place in {place.document}", remedy=CHANGED)
    where = {"document": place.document}
    if document.text.find(words, document.text.find(words) + 1) < 0:
        return {**where, "quote": words}
    return {**where, "start": place.start, "end": place.end, "sha256": document.sha256}


def _change(file: Path, edit: Callable[[list[str]], list[str]], check: Callable[[Path], object] = read_dataset) -> None:
    """Puts what `edit` makes of the lines in place of the file, if `check` reads it without an error."""
    named, file = file, file.resolve()
    new = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=PATIENCE):
            try:
                new.write_bytes("".join(edit(_lines(file))).encode())
                if file.exists():
                    shutil.copymode(file, new)
                check(new)
                _flush(new)
                new.replace(file)
                _flush(file.parent)
            finally:
                new.unlink(missing_ok=True)
    except Timeout:
        raise UsageError(f"{file.name} is being changed by somebody else", remedy="Try again in a moment.") from None
    except OSError as error:
        raise UsageError(
            f"{named} cannot be written: {error.strerror or error}", remedy="Check the rights of [staff] tests."
        ) from error
    except UsageError as error:  # it names the file as it is known
        raise UsageError(error.problem.replace(str(new), str(named)), remedy=error.remedy) from error


def _lines(file: Path) -> list[str]:
    """The lines with their ends, each of which is an object or empty."""
    if not file.exists():
        return []
    list(records(file))  # it says which line is malformed
    lines = file.read_bytes().decode("utf-8-sig").split("\n")
    return [f"{line}\n" for line in (lines if lines[-1] else lines[:-1])]


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _id(record: Mapping[str, Any]) -> str:
    return str(record.get("_id", record.get("id")))


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
