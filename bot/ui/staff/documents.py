"""The documents as staff see them: what state each is in, and its text with the borders of its passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from bot.documents import Document
from bot.errors import UsageError
from bot.explain import rows_at
from bot.index import Index
from bot.inventory import facts, warnings
from bot.texts import TAG
from bot.ui.staff.desk import UPLOAD, Desk, Editor, LoggedIn

HOME = "/staff/documents"
DRAFT = "/staff/documents/draft"
HISTORY = "/staff/documents/history"
CHECK = "/staff/check"
ROWS = 50
"""Documents on a page of the list."""
PASSAGES = 30
"""Passages on a page of a document."""

Status = Literal["current", "overdue", "changed", "skipped"]
STATUSES: Mapping[Status, str] = {
    "current": "Up to date",
    "overdue": "Past its review",
    "changed": "File changed since",
    "skipped": "Not indexed",
}
SORTS = {
    "title": "Title",
    "path": "File",
    "reviewed": "Reviewed",
    "next_review": "Next review",
    "passages": "Passages",
    "words": "Words",
    "language": "Language",
    "warnings": "Warnings",
}
_MOST_FIRST = frozenset({"reviewed", "passages", "words", "warnings"})


@dataclass(frozen=True, slots=True)
class Row:
    """A document, or a file of which there is none. `warnings`: of its file."""

    id: str | None
    title: str
    path: str
    reviewed: str
    next_review: str
    passages: int
    words: int
    language: str
    warnings: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents a page lists: whose title, id or file holds `words`, in this `status`, in this order."""

    words: str = ""
    status: str = ""
    sort: str = "title"
    turned: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wanted:
        sort, status = query.get("sort", ""), query.get("status", "")
        return cls(
            words=query.get("words", "").strip()[:200],
            status=status if status in STATUSES or status == "warned" else "",
            sort=sort if sort in SORTS else "title",
            turned="1" if query.get("turned") else "",
            page=number(query.get("page"), 1),
        )

    def url(self, **changes: object) -> str:
        """The list, with some of what is wanted changed; from its first page unless a page is named."""
        values: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        query = values | {"page": 1} | changes
        usual = {field.name: field.default for field in fields(self)}
        kept = {name: value for name, value in query.items() if value != usual[name]}
        return HOME + (f"?{urlencode(kept)}" if kept else "")

    def sorted_by(self, sort: str) -> str:
        """The list in this order, the other way round if it is in it already."""
        return self.url(sort=sort, turned="" if self.sort != sort or self.turned else "1")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a document's text: a passage with its `number` and its row, or what is between two of them. `labels`
    say what begins with it: a section, a page, a table."""

    text: str
    number: int | None = None
    row: int | None = None
    start: int = 0
    end: int = 0
    labels: tuple[str, ...] = ()
    picked: bool = False


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix=HOME)
    listing = _Listing()

    @routes.get("")
    def documents(request: Request, user: LoggedIn) -> Response:
        wanted = Wanted.read(request.query_params)
        index = desk.bot.index
        states = _States(desk, index)
        rows = [row for row in listing.of(index) if _fits(row, wanted, states)]
        rows.sort(key=lambda row: (row.title.casefold(), row.path, row.id or ""))
        if wanted.sort != "title":
            # What has no value comes last, whichever way round.
            backwards = (wanted.sort in _MOST_FIRST) != bool(wanted.turned)
            rows.sort(key=lambda row: _value(row, wanted.sort), reverse=backwards)
            rows.sort(key=lambda row: not _value(row, wanted.sort))
        elif wanted.turned:
            rows.reverse()
        first = (wanted.page - 1) * ROWS
        shown = rows[first : first + ROWS]
        return desk.page(
            request,
            "documents.html",
            wanted=wanted,
            rows=[(row, states.of(row)) for row in shown],
            total=len(rows),
            first=first,
            sorts=SORTS,
            statuses=STATUSES,
            before=wanted.url(page=wanted.page - 1) if first > 0 else None,
            after=wanted.url(page=wanted.page + 1) if first + ROWS < len(rows) else None,
            generation=index.generation,
            read=reading,
            upload=UPLOAD,
            draft=DRAFT,
            history=HISTORY,
        )

    @routes.get("/read")
    def read(request: Request, user: LoggedIn, document: str = "", question: str = "") -> Response:
        index = desk.bot.index
        found = _document(index, document)
        row = next(row for row in listing.of(index) if row.id == found.id)
        picked = _picked(request.query_params, found, index)
        page = number(request.query_params.get("page"), 0)
        rows = index.rows[found.id]
        pages = max(1, -(-len(rows) // PASSAGES))
        page = min(page or (((picked[0] - rows.start) // PASSAGES) + 1 if picked else 1), pages)
        shown = rows[(page - 1) * PASSAGES : page * PASSAGES]
        states = _States(desk, index)
        language = index.language(found) or ""

        def turn(to: int) -> str | None:
            return reading(found.id, page=to, question=question) if 1 <= to <= pages else None

        return desk.page(
            request,
            "document.html",
            document=found,
            row=row,
            state=states.of(row),
            statuses=STATUSES,
            language=language if TAG.fullmatch(language) else "",
            pieces=_pieces(found, index, shown, frozenset(picked)),
            page=page,
            pages=pages,
            before=turn(page - 1),
            after=turn(page + 1),
            question=question,
            why=lambda piece: why(found.id, piece.start, piece.end, question),
            search=lambda piece: searching(piece.text[: desk.config.answer.max_question_chars]),
            file=f"{HOME}/file?{urlencode({'document': found.id})}" if user.role == "editor" else None,
        )

    @routes.get("/file")
    def file(user: Editor, document: str = "") -> Response:
        """The file itself, as it was indexed: saved, never shown, as it may hold anything."""
        index = desk.bot.index
        found = _document(index, document)
        data = index.file_of(found)
        if data is None:
            raise HTTPException(409, "The file is not as it was when it was indexed, or gone.")
        name = PurePosixPath(found.source).name
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in name)
        return Response(
            data,
            media_type="application/octet-stream",
            headers={
                "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "sandbox; default-src 'none'",
                "Cache-Control": "no-store",
            },
        )

    return routes


# Addresses of this page and of the search, for all parts of the desk


def reading(document: str, **more: object) -> str:
    """Where a document is read; with `start` and `end` from the passage on that holds them."""
    return f"{HOME}/read?{urlencode({'document': document, **{n: v for n, v in more.items() if v not in (None, '')}})}"


def searching(question: str) -> str:
    return f"{CHECK}?{urlencode({'question': question})}"


def why(document: str, start: int, end: int, question: str = "") -> str:
    """Why a passage is quoted for a question or not."""
    return f"{CHECK}/why?{urlencode({'question': question, 'document': document, 'start': start, 'end': end})}"


def number(text: str | None, usual: int) -> int:
    """A whole number from 1 to a million that came with an address; `usual` where it is none."""
    return int(text) if text and text.isascii() and text.isdigit() and 1 <= int(text[:8]) <= 10**6 else usual


# The list


class _Listing:
    """What is known of an index's documents, gathered once: it takes a while for thousands of them."""

    def __init__(self) -> None:
        self._known: tuple[Index, Sequence[Row]] | None = None

    def of(self, index: Index) -> Sequence[Row]:
        if self._known is None or self._known[0] is not index:
            self._known = (index, _rows(index))
        return self._known[1]


def _rows(index: Index) -> Sequence[Row]:
    of_file = {entry["path"]: entry for entry in facts(index, date.today())}
    rows = []
    for document in index.documents.values():
        entry = of_file.get(document.source, {})
        rows.append(
            Row(
                id=document.id,
                title=document.title or document.id,
                path=document.source,
                reviewed=document.metadata.get("reviewed", ""),
                next_review=document.metadata.get("next_review", ""),
                passages=len(index.rows[document.id]),
                words=entry["words"] if entry.get("documents") == 1 else len(document.text.split()),
                language=index.language(document) or "",
                warnings=tuple(warnings(entry)),
            )
        )
    for path, entry in of_file.items():
        if entry["status"] == "skipped":
            rows.append(
                Row(None, PurePosixPath(path).name, path, "", "", 0, 0, "", tuple(warnings(entry)), entry["reason"])
            )
    return rows


class _States:
    """The state that documents are in now; each file is looked at once a page."""

    def __init__(self, desk: Desk, index: Index) -> None:
        self._desk, self._index, self._today = desk, index, date.today()
        self._fresh: dict[str, bool] = {}

    def of(self, row: Row) -> Status:
        if row.id is None:
            return "skipped"
        document = self._index.documents[row.id]
        if self._desk.config.corpus.verify_sources:
            if document.source not in self._fresh:
                self._fresh[document.source] = self._index.is_current(document)
            if not self._fresh[document.source]:
                return "changed"
        return "overdue" if document.is_overdue(self._today) else "current"


def _fits(row: Row, wanted: Wanted, states: _States) -> bool:
    if wanted.words and wanted.words.casefold() not in f"{row.title}\n{row.id}\n{row.path}".casefold():
        return False
    if wanted.status == "warned":
        return bool(row.warnings)
    return not wanted.status or states.of(row) == wanted.status


def _value(row: Row, sort: str) -> Any:
    value = getattr(row, sort)
    return len(value) if isinstance(value, tuple) else value


# A document


def _document(index: Index, id: str) -> Document:
    try:
        return index.document(id)
    except UsageError:
        raise HTTPException(404) from None


def _picked(query: Mapping[str, str], document: Document, index: Index) -> Sequence[int]:
    """The passages that the address names by a range of characters."""
    given = [query.get(name, "") for name in ("start", "end")]
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in given):
        return []
    start, end = map(int, given)
    return rows_at(index, document.id, start, end) if start < end <= len(document.text) else []


def _pieces(document: Document, index: Index, rows: range, picked: frozenset[int]) -> Sequence[Piece]:
    """The text from the first of these passages to the last, with nothing left out."""
    own = index.rows[document.id]
    if not rows:
        return [Piece(document.text)]
    pieces: list[Piece] = []
    at = index.passages[rows.start - 1].end if rows.start > own.start else 0
    for row in rows:
        passage = index.passages[row]
        if at < passage.start:
            pieces.append(Piece(document.text[at : passage.start]))
        pieces.append(
            Piece(
                text=document.text[passage.start : passage.end],
                number=row - own.start + 1,
                row=row,
                start=passage.start,
                end=passage.end,
                labels=tuple(_labels(document, index, row, row == rows.start)),
                picked=row in picked,
            )
        )
        at = passage.end
    if rows.stop == own.stop and at < len(document.text):
        pieces.append(Piece(document.text[at:]))
    return pieces


def _labels(document: Document, index: Index, row: int, is_first: bool) -> Sequence[str]:
    """What begins with a passage or, at the top of a page, holds it."""
    passage = index.passages[row]
    before = None if is_first or row == index.rows[document.id].start else index.passages[row - 1]
    labels = []
    headings = document.sections[passage.section].headings
    if headings and (before is None or before.section != passage.section):
        labels.append(" › ".join(headings))
    pages = document.page_at(passage.start), document.page_at(passage.end - 1)
    if pages[0] is not None and (before is None or document.page_at(before.end - 1) != pages[1]):
        labels.append(f"Page {pages[0]}" if pages[0] == pages[1] else f"Pages {pages[0]} to {pages[1]}")
    for number_, table in enumerate(document.tables, start=1):
        if table and table[0][0] < passage.end and passage.start < table[-1][1]:
            labels.append(f"Table {number_}")
    return labels
