"""A document: a text to quote from, with its sections, pages, tables, and what is known about it."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from datetime import date
from itertools import chain
from operator import gt
from typing import Any

from bot.loaders import Anchor, Heading, Span


@dataclass(frozen=True, slots=True)
class Section:
    """``text[start:end]`` of its document, under `headings`, the outermost first, in the document's own words."""

    start: int
    end: int
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A text to quote from, exactly as its loader has read it.

    `id` is the file's path in the corpus or a record's own id; `source` is always the path. Sections partition
    the text in order; `pages` holds the offset at which each page begins (empty: the format has none); `recognised`
    the numbers of those that were read off their picture. `tables`: of each table the spans of its rows. `anchors`:
    where on its pages the text stands. `sha256` is of the text as UTF-8, in hex. Raises ValueError for sections,
    pages, rows or anchors that do not fit, and for a text that is not valid Unicode.
    """

    id: str
    text: str
    title: str
    sections: tuple[Section, ...]
    source: str
    pages: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    tables: tuple[tuple[Span, ...], ...] = ()
    anchors: tuple[Anchor, ...] = ()
    recognised: tuple[int, ...] = ()
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        end = 0
        for section in self.sections:
            if section.start != end or section.end <= section.start:
                raise ValueError(f"{self.id}: the section at {section.start} does not begin where the last ends")
            end = section.end
        if end != len(self.text):
            raise ValueError(f"{self.id}: the sections end at {end}, the text at {len(self.text)}")
        if list(self.pages) != sorted(self.pages) or any(not 0 <= page <= end for page in self.pages):
            raise ValueError(f"{self.id}: the pages are out of order or outside the text")
        for what, spans in (("rows", self.rows), ("anchors", [(anchor.start, anchor.end) for anchor in self.anchors])):
            borders = [0, *chain.from_iterable(spans), end]
            if any(map(gt, borders, borders[1:])):
                raise ValueError(f"{self.id}: the {what} are out of order or outside the text")
        object.__setattr__(self, "sha256", hashlib.sha256(self.text.encode()).hexdigest())

    def page_at(self, offset: int) -> int | None:
        """The page, from 1, that holds the character at `offset`; None in a format without pages."""
        return max(1, bisect_right(self.pages, offset)) if self.pages else None

    def is_overdue(self, today: date) -> bool:
        """Whether its next review was due before `today`."""
        due = self.metadata.get("next_review")
        return due is not None and date.fromisoformat(due) < today

    @property
    def rows(self) -> tuple[Span, ...]:
        """The rows of all tables, in order."""
        return tuple(chain.from_iterable(self.tables))

    def anchors_of(self, start: int, end: int) -> Iterator[Anchor]:
        """Where on its pages ``text[start:end]`` stands, cut to just these characters."""
        for anchor in self.anchors[bisect_right(self.anchors, start, key=lambda anchor: anchor.end) :]:
            if anchor.start >= end:
                break
            first, last = max(start, anchor.start), min(end, anchor.end)
            if first < last:
                at = anchor.at if anchor.box else anchor.at + first - anchor.start
                yield replace(anchor, start=first, end=last, at=at)

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "title": self.title,
            "sections": [{"start": s.start, "end": s.end, "headings": list(s.headings)} for s in self.sections],
            "source": self.source,
            "pages": list(self.pages),
            "metadata": dict(self.metadata),
            "tables": [[list(row) for row in table] for table in self.tables],
            "anchors": [astuple(anchor) for anchor in self.anchors],
            "recognised": list(self.recognised),
            "sha256": self.sha256,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Document:
        """The inverse of `to_dict`. Raises ValueError where a field is missing or the text is not as hashed."""
        try:
            document = cls(
                id=values["id"],
                text=values["text"],
                title=values["title"],
                sections=tuple(Section(s["start"], s["end"], tuple(s["headings"])) for s in values["sections"]),
                source=values["source"],
                pages=tuple(values["pages"]),
                metadata=dict(values["metadata"]),
                tables=tuple(tuple((start, end) for start, end in table) for table in values["tables"]),
                anchors=tuple(Anchor(*anchor) for anchor in values["anchors"]),
                recognised=tuple(values["recognised"]),
            )
            stored = values["sha256"]
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a document: {error!r}") from error
        if stored != document.sha256:
            raise ValueError(f"{document.id}: the text is not the one that was hashed")
        return document


def sections(text: str, headings: Iterable[Heading], title: str) -> tuple[Section, ...]:
    """Partitions `text` at its headings (in order, apart); they nest by level.

    A heading with nothing but white space below it belongs to the section that follows, or, at the end, to
    the one before. An outermost heading that only repeats the title is left out of the paths.
    """
    made: list[Section] = []
    start = 0  # where the next section begins: at the first heading without a body of its own
    path: tuple[Heading, ...] = ()
    body = 0
    end = Heading(len(text), len(text), 0, "")
    for heading in (*headings, end):
        if text[body : heading.start].strip():
            made.append(Section(start, heading.start, _words(path, title)))
            start = heading.start
        body = heading.end
        if heading is not end:
            path = (*(outer for outer in path if outer.level < heading.level), heading)
    if start < len(text):
        last = made.pop() if made else Section(start, len(text), _words(path, title))
        made.append(Section(last.start, len(text), last.headings))
    return tuple(made)


def _words(path: tuple[Heading, ...], title: str) -> tuple[str, ...]:
    words = tuple(heading.text for heading in path)
    return words[1:] if words and one_line(words[0]) == one_line(title) else words


def one_line(text: str) -> str:
    """`text` with each run of white space as one space."""
    return " ".join(text.split())
