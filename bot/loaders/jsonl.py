"""JSON Lines as in BEIR: one record, one document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bot.loaders import Extracted, Note, Unreadable, printable
from bot.loaders.encoding import decode, guess_note
from bot.loaders.text import headings


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    """``{"_id", "text", "title"?, "metadata"?}`` a line. A line that is no such record is yielded as Unreadable
    with its number, and the rest goes on."""
    text, encoding, guessed = decode(data)
    if guessed:
        yield guess_note(encoding)
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines: U+2028 may stand in a string
        if line.strip():
            try:
                yield _record(line)
            except Unreadable as error:
                yield Unreadable(f"line {number}: {error.reason}")


def _record(line: str) -> Extracted:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON ({error.msg}, column {error.colno})") from None
    except RecursionError:
        raise Unreadable("JSON nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise Unreadable(f"not JSON ({error})") from None
    if not isinstance(record, dict):
        raise Unreadable("not a JSON object")
    identifier = record.get("_id")
    if type(identifier) is int:
        identifier = str(identifier)
    identifier = _text(identifier, "_id")
    if not printable(identifier):
        raise Unreadable("_id holds control characters")
    return Extracted(
        text := _text(record.get("text"), "text"),
        id=identifier,
        title=_text(record["title"], "title", may_be_empty=True) if record.get("title") is not None else None,
        headings=tuple(headings(text)),
        metadata=_metadata(record.get("metadata")),
    )


def _text(value: Any, key: str, *, may_be_empty: bool = False) -> str:
    if value is None:
        raise Unreadable(f"{key} is missing")
    if not isinstance(value, str):
        raise Unreadable(f"{key} is not text")
    if not may_be_empty and not value.strip():
        raise Unreadable(f"{key} is empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unreadable(f"{key} holds half of a surrogate pair") from None
    return value


def _metadata(value: Any) -> dict[str, str]:
    """The texts among the entries; a record may carry others for other programs."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable("metadata is not an object")
    return {
        _text(key, "metadata"): _text(entry, f"metadata {key}", may_be_empty=True)
        for key, entry in value.items()
        if isinstance(entry, str)
    }
