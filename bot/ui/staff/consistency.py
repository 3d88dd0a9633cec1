"""Sentences that may contradict each other, side by side, and what staff found them to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from bot import surveys
from bot.consistency import Finding, Kind, Place, survey
from bot.errors import UsageError
from bot.index import Index
from bot.sentences import Span
from bot.surveys import Judgement
from bot.ui.staff.desk import Desk, Editor, LoggedIn
from bot.ui.staff.jobs import Job, Report

HOME = "/staff/consistency"
KIND = "consistency"
"""Of its job."""
ROWS = 20
"""Pairs on a page."""
KINDS: dict[Kind, str] = {
    "number": "Another number",
    "unit": "Another unit",
    "negation": "One says it, one denies it",
    "opposite": "Opposite words",
}


@dataclass(frozen=True, slots=True)
class Side:
    """A sentence as the page shows it. pieces: its text in order, each with whether it is what differs; empty where the
    document is no longer as it was compared. address: of the document, at the sentence."""

    place: Place
    pieces: tuple[tuple[str, bool], ...]
    address: str


@dataclass(frozen=True, slots=True)
class Row:
    finding: Finding
    labels: tuple[str, ...]
    sides: tuple[Side, Side]
    judgement: Judgement | None


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix=HOME)

    @routes.get("")
    def pairs(
        request: Request,
        user: LoggedIn,
        kind: Kind | None = None,
        show: Literal["open", "fine"] = "open",
        page: int = 1,
    ) -> Response:
        index, kept = desk.bot.index, surveys.load(desk.index)
        fine = surveys.judged(desk.index)
        found = kept.findings if kept else ()
        counts = {
            "open": sum(one.key not in fine for one in found),
            "fine": sum(one.key in fine for one in found),
        }
        chosen = [one for one in found if (one.key in fine) == (show == "fine") and (not kind or kind in one.kinds)]
        first = (min(max(page, 1), 1 + max(0, len(chosen) - 1) // ROWS) - 1) * ROWS

        def url(**change: object) -> str:
            values = {"kind": kind, "show": show if show == "fine" else None} | change
            query = urlencode({name: value for name, value in values.items() if value})
            return f"{HOME}?{query}" if query else HOME

        return desk.page(
            request,
            "consistency.html",
            survey=kept,
            is_current=kept is not None and kept.generation == index.generation,
            running=desk.jobs.running(KIND),
            rows=[_row(index, one, fine.get(one.key)) for one in chosen[first : first + ROWS]],
            first=first,
            total=len(chosen),
            counts=counts,
            kinds=KINDS,
            kind=kind,
            show=show,
            here=url(page=first // ROWS + 1 if first else None),
            url=url,
            before=url(page=first // ROWS) if first else None,
            after=url(page=first // ROWS + 2) if first + ROWS < len(chosen) else None,
        )

    @routes.post("")
    def compare(request: Request, user: Editor) -> Response:
        return desk.leave(request, f"/staff/jobs/{begin(desk).id}")

    @routes.post("/judge")
    def judge(
        request: Request,
        user: Editor,
        key: Annotated[str, Form()],
        fine: Annotated[bool, Form()],
        back: Annotated[str, Form()] = HOME,
    ) -> Response:
        kept = surveys.load(desk.index)
        if kept is None or all(one.key != key for one in kept.findings):
            raise UsageError("this pair is no longer listed", remedy="Open the list again.")
        surveys.judge(desk.index, key, fine, user.name)
        words = (
            "Noted as fine. A change in either sentence brings the pair back." if fine else "The pair is open again."
        )
        return desk.leave(request, back if back == HOME or back.startswith(HOME + "?") else HOME, words)

    return routes


def begin(desk: Desk) -> Job:
    """The job that compares the documents; the one that is under way goes on until it has seen the present ones. Raises
    UsageError while the server is being stopped."""

    def work(report: Report) -> str:
        while True:
            index = desk.bot.index
            made = survey(index, report)
            surveys.save(desk.index, made)
            if index is desk.bot.index:  # or they were published anew meanwhile
                report(1.0, f"Compared: {len(made.findings)} pairs to look at.")
                return HOME

    return desk.jobs.running(KIND) or desk.jobs.start(KIND, "Comparing the documents with each other", work)


def _row(index: Index, finding: Finding, judgement: Judgement | None) -> Row:
    sides = (
        _side(index, finding.first, [one.first for one in finding.differences]),
        _side(index, finding.second, [one.second for one in finding.differences]),
    )
    return Row(finding, tuple(KINDS[kind] for kind in finding.kinds), sides, judgement)


def _side(index: Index, place: Place, marked: Sequence[Span]) -> Side:
    document = index.documents.get(place.document)
    whole = document is not None and document.sha256 == place.sha256
    query = {"document": place.document, "start": place.start, "end": place.end, "sha256": place.sha256}
    return Side(
        place,
        _pieces(document.text, place.start, place.end, marked) if document and whole else (),
        f"/source?{urlencode(query)}#quote",
    )


def _pieces(text: str, start: int, end: int, marked: Sequence[Span]) -> tuple[tuple[str, bool], ...]:
    """``text[start:end]`` cut at the borders of what is marked."""
    borders = sorted({start, end, *(min(max(edge, start), end) for span in marked for edge in span)})
    return tuple(
        (text[first:last], any(begin <= first and last <= stop for begin, stop in marked))
        for first, last in pairwise(borders)
    )
