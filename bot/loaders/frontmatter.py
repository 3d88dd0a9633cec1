"""What a Markdown file says of itself above its text: YAML between lines of ``---``, or TOML between ``+++``.

Values are taken as they are written (``version: 1.10`` is 1.10); what is no single value is passed over.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import yaml

from bot.loaders import DATES, METADATA, Note, printable
from bot.loaders.writing import one_line

_MAX_CHARACTERS = 65_536
_MAX_DEPTH = 20
_MAX_VALUE = 500
_BREAK = r"(?:\r\n|\r|\n)"
_BLOCK = re.compile(
    rf"(?P<mark>---|\+\+\+)[ \t]*{_BREAK}(?P<block>.*?(?:\r|\n))??(?:(?P=mark)|\.\.\.)[ \t]*(?:{_BREAK}|\Z)", re.DOTALL
)
_SYNONYMS = {
    "date": "created",
    "published": "created",
    "updated": "modified",
    "lastmod": "modified",
    "last_modified": "modified",
    "lang": "language",
    "last_reviewed": "reviewed",
    "review_date": "reviewed",
    "next_review_date": "next_review",
    "license": "licence",
    "url": "source",
}
_DATES_ARE = " (dates are YYYY-MM-DD)"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """`end`: where the text begins, 0 if there is no front matter. `metadata`: any of `METADATA`."""

    end: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def read(text: str) -> FrontMatter:
    """The front matter at the very start. One that is not valid belongs to the text, and a note says so."""
    found = _BLOCK.match(text, 0, _MAX_CHARACTERS)
    if not found or not found["block"]:
        return FrontMatter()
    try:
        entries = dict(_toml(found["block"]) if found["mark"] == "+++" else _yaml(found["block"]))
    except _NoMapping:  # text between two lines that are drawn across the page
        return FrontMatter()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return FrontMatter(notes=(Note(f"its front matter is not valid and was left in the text ({reason})"),))
    metadata: dict[str, str] = {}
    notes: list[Note] = []
    for name, value in entries.items():
        key = name.strip().lower().replace("-", "_").replace(" ", "_")
        key = _SYNONYMS.get(key, key)
        if key in METADATA and one_line(value):
            if checked := valid(key, value):
                metadata.setdefault(key, checked)
            else:
                notes.append(Note(f"{name} in its front matter is not understood{_DATES_ARE if key in DATES else ''}"))
    return FrontMatter(found.end(), metadata, tuple(notes))


def valid(key: str, value: str) -> str:
    """`value` as the values of this key are written: dates as YYYY-MM-DD; empty where it is none."""
    value = one_line(value)
    if key in DATES:
        day = _DATE.match(value)
        try:
            return date.fromisoformat(day[0]).isoformat() if day else ""
        except ValueError:
            return ""
    if key == "language":
        return value if _LANGUAGE.fullmatch(value) else ""
    return value if len(value) <= _MAX_VALUE and printable(value) else ""


class _NoMapping(Exception):
    """Valid, but no list of keys and values."""


def _yaml(block: str) -> Iterator[tuple[str, str]]:
    depth = 0
    for event in yaml.parse(block, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):  # a few of them can stand for billions of values
            raise ValueError("it repeats values by reference")
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
    root = yaml.compose(block, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise _NoMapping
    for key, value in root.value:
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode) and not value.tag.endswith(":null"):
            yield key.value, value.value


def _toml(block: str) -> Iterator[tuple[str, str]]:
    for key, value in tomllib.loads(block.replace("\r\n", "\n").replace("\r", "\n"), parse_float=str).items():
        if isinstance(value, date | datetime):
            yield key, value.isoformat()
        elif isinstance(value, str | int):
            yield key, str(value)
