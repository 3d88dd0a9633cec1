"""One loader a format: a file's bytes in, extracted texts out.

A loader decides what the text of a document *is*. From then on nothing changes it: every quote is a
slice of that text. To add a format, write a module with a function ``load`` of the type `Loader` and name
its suffixes in `LOADERS`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias, cast

DATES = ("created", "modified", "reviewed", "next_review")
METADATA = ("title", "source", "author", "version", "language", "licence", *DATES)
"""What a file, its front matter or a sidecar may say of a document. Dates are YYYY-MM-DD; `language` is a BCP 47
tag such as ``en`` or ``de-CH``; `source` is where the document is published."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """``text[start:end]`` is what the page, from 1, shows from its character `at` on, one for one; `at` counts as the
    format's library does. Where the text was read off a picture, `at` is -1 and `box` is the place of all of it: x0,
    y0, x1, y1 in shares of the page, from its upper left."""

    start: int
    end: int
    page: int
    at: int
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """``text[start:end]`` is the heading's whole lines with their marks, without the last line's break;
    `text` is its words alone, a slice of the same. `level` is 1 for the outermost, and only its order counts."""

    start: int
    end: int
    level: int
    text: str


Span: TypeAlias = tuple[int, int]
"""(start, end) in characters of a text, ``text[start:end]``."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """One document's text and what its file says about it.

    `id`: a record's own; None where the file's path is the id. `pages`: the offset at which each page begins,
    empty for a format without pages. `headings` are in order and do not overlap. `tables`: of each table its rows,
    spans of whole lines, so that no quote begins or ends within one. `metadata`: any of `METADATA`. `anchors`: where
    on its pages the text stands, in order, for formats with pages. `unread`: pages without text, by number, and why:
    "empty" or "scanned". `recognised`: numbers of the pages whose text was read off their picture.
    """

    text: str
    id: str | None = None
    title: str | None = None
    headings: tuple[Heading, ...] = ()
    pages: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[tuple[Span, ...], ...] = ()
    anchors: tuple[Anchor, ...] = ()
    unread: Mapping[int, str] = field(default_factory=dict)
    recognised: tuple[int, ...] = ()


class Unreadable(Exception):
    """A file, or one record of it, that cannot become a document; `reason` is for a person to read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Note:
    """Something that staff should know about a file which is loaded all the same."""

    message: str


_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Loader: TypeAlias = Callable[..., Iterator[Extracted | Unreadable | Note]]
"""``load(data: bytes, **options)``; which options there are is the format's own matter. Raises Unreadable where the
file as a whole is no document, yields it where one record is none."""


def printable(text: str) -> bool:
    """Whether `text` can stand as an id: valid Unicode on one line without control characters, nor such as turn the
    direction of what follows them."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _TURNS for character in text
    )


def _lazy(module: str) -> Loader:
    """Imports the loader's module, and with it the format's library, when its first file is met."""

    def load(data: bytes, **options: Any) -> Iterator[Extracted | Unreadable | Note]:
        loader = cast(Loader, import_module(f"bot.loaders.{module}").load)
        yield from loader(data, **options)

    return load


LOADERS: Mapping[str, Loader] = {
    ".txt": _lazy("text"),
    ".text": _lazy("text"),
    ".md": _lazy("markdown"),
    ".markdown": _lazy("markdown"),
    ".jsonl": _lazy("jsonl"),
    ".pdf": _lazy("pdf"),
    ".docx": _lazy("docx"),
    ".odt": _lazy("odt"),
    ".html": _lazy("html"),
    ".htm": _lazy("html"),
    ".xhtml": _lazy("html"),
}
"""By suffix, in lower case."""

ISOLATED = frozenset({".md", ".markdown", ".pdf", ".docx", ".odt", ".html", ".htm", ".xhtml"})
"""Formats that a hostile file can make a library choke on: read in a process of their own."""
