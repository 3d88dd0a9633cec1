"""What the materials say to a question or a phrase, why a passage is quoted, and why another is not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import pairwise
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from bot.documents import Document
from bot.errors import QuestionError, UsageError
from bot.explain import Explanation, Why, explain, find, matched, nearest, pattern, rows_at
from bot.retrieve import Hit
from bot.triage import Triage
from bot.ui.staff.desk import Desk, LoggedIn
from bot.ui.staff.documents import number, reading, searching, why

HOME = "/staff/check"
BEST = (10, 25, 50, 100)
PLACES = 25
"""Places of a phrase on a page."""
AROUND = 160
"""Characters shown on each side of a phrase."""
PASTED = 2_000
"""Characters of a pasted passage."""
FEW = 5
"""Passages that are explained for one range or pasted text."""
_MOST_EARLIER = 20
_PHRASE = re.compile(r'"([^"]*)"|“([^”]*)”')
SHOWN = {
    "quotes": "A patient is shown quotes",
    "not_found": "A patient is told that nothing was found",
    "card": "A patient is shown the emergency card, and nothing else",
    "fixed_text": "A patient is shown a fixed text: this is read as no question",
    "fault": "A patient is told of a fault: the best passage’s file changed since it was indexed",
}
CHANGES = {"spelling": "Spelling", "follow_up": "Follow-up", "synonym": "Other words from the glossary"}
_READINGS = {
    "emergency": "Emergency",
    "about": "Asks about an emergency",
    "personal": "About one’s own treatment",
    "turn": "No question",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. question: as typed, with phrases in quotation marks. since, until: when the document was
    reviewed, both included. own: in the question's own words; case: phrases with their capitals as typed."""

    question: str = ""
    history: str = ""
    document: str = ""
    section: str = ""
    since: str = ""
    until: str = ""
    k: int = 10
    own: str = ""
    case: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Wanted:
        k = number(query.get("k"), BEST[0])
        texts = {name: query.get(name, "").strip() for name in ("question", "history", "document", "section")}
        return cls(
            **texts,
            since=query.get("since", "").strip(),
            until=query.get("until", "").strip(),
            k=k if k in BEST else BEST[0],
            own="1" if query.get("own") else "",
            case="1" if query.get("case") else "",
            page=number(query.get("page"), 1),
        )

    @property
    def phrases(self) -> tuple[str, ...]:
        """What must stand in the text word for word."""
        found = ((one or other).strip() for one, other in _PHRASE.findall(self.question))
        return tuple(phrase for phrase in found if phrase)

    @property
    def words(self) -> str:
        """The question without quotation marks around phrases, but empty if there is nothing beside them."""
        beside = _PHRASE.sub(" ", self.question)
        if self.phrases and not any(map(str.isalnum, beside)):
            return ""
        return _PHRASE.sub(lambda match: match[1] or match[2] or "", self.question)

    @property
    def earlier(self) -> list[str]:
        return [line.strip() for line in self.history.splitlines() if line.strip()][-_MOST_EARLIER:]

    @property
    def is_filtered(self) -> bool:
        return bool(self.document or self.section or self.since or self.until)

    def url(self, **changes: object) -> str:
        values: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = {field.name: field.default for field in fields(self)}
        kept = {name: value for name, value in (values | {"page": 1} | changes).items() if value != usual[name]}
        return HOME + (f"?{urlencode(kept)}" if kept else "")

    def check(self) -> None:
        """Raises UsageError for dates that are none."""
        for text in filter(None, (self.since, self.until)):
            try:
                date.fromisoformat(text)
            except ValueError:
                raise UsageError(f"{text!r} is no date", remedy="Write it as 2026-01-31.") from None

    def takes(self, document: Document) -> bool:
        """Whether documents and dates are those that are wanted; one without a date is of no date."""
        if self.document and self.document.casefold() not in f"{document.id}\n{document.title}".casefold():
            return False
        reviewed = document.metadata.get("reviewed", "")
        if (self.since or self.until) and not reviewed:
            return False
        return (not self.since or reviewed >= self.since) and (not self.until or reviewed <= self.until)

    def takes_section(self, headings: Sequence[str]) -> bool:
        return not self.section or self.section.casefold() in " > ".join(headings).casefold()


@dataclass(frozen=True, slots=True)
class Bit:
    """A run of characters: within a sentence that answers best, and a word of the question, or not."""

    text: str
    marked: bool
    matched: bool


@dataclass(frozen=True, slots=True)
class PhraseAt:
    """A place where a phrase stands, with what is around it."""

    document: Document
    start: int
    end: int
    before: str
    text: str
    after: str

    @property
    def section(self) -> tuple[str, ...]:
        return _headings(self.document, self.start)

    @property
    def page(self) -> int | None:
        return self.document.page_at(self.start)


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix=HOME)

    @routes.get("")
    def check(request: Request, user: LoggedIn) -> Response:
        wanted = Wanted.read(request.query_params)
        values: dict[str, object] = {"found": None, "passages": (), "own": None, "places": None, "problem": None}
        status = 200
        try:
            wanted.check()
            if wanted.words:
                values |= _ranked(wanted)
            elif wanted.phrases:
                values |= _phrases(wanted)
            elif wanted.question:
                desk.bot.search(wanted.question, 1)  # says what is wrong with it
        except (QuestionError, UsageError) as error:
            values["problem"], status = error, 422
        return desk.page(request, "search.html", status=status, wanted=wanted, best=BEST, **_common(), **values)

    @routes.get("/why")
    def why_not(request: Request, user: LoggedIn) -> Response:
        query = request.query_params
        wanted = Wanted.read(query)
        pasted = query.get("text", "").strip()[:PASTED]
        values: dict[str, object] = {"found": None, "passages": (), "near": None, "more": 0, "problem": None}
        values |= {"place": None, "pasted": pasted}
        status = 200
        try:
            place = _place(query)
            values["place"] = place
            if wanted.question:
                found = explain(desk.bot, wanted.question, wanted.earlier, own_words=bool(wanted.own))
                rows: Sequence[int] = ()
                if place:
                    rows = rows_at(found.index, *place)
                elif pasted:
                    stands = next(find(found.index.documents.values(), pasted, ignore_case=True), None)
                    if stands:
                        rows = rows_at(found.index, stands[0].id, stands[1], stands[2])
                    elif any(map(str.isalnum, pasted)):
                        near = nearest(desk.bot, found.index, pasted)
                        rows, values["near"] = [near.row], near
                    else:
                        raise UsageError("there are no words in what was pasted", remedy="Paste a sentence or more.")
                values |= {"found": found, "passages": [found.why(row) for row in rows[:FEW]]}
                values["more"] = max(0, len(rows) - FEW)
        except (QuestionError, UsageError) as error:
            values["problem"], status = error, 422
        return desk.page(request, "search_why.html", status=status, wanted=wanted, most=PASTED, **_common(), **values)

    def _common() -> dict[str, object]:
        return {
            "shown": SHOWN,
            "changes": CHANGES,
            "readings": readings,
            "bits": bits,
            "read": reading,
            "why": why,
            "search": lambda text: searching(text[: desk.config.answer.max_question_chars]),
            "limit": desk.config.answer.max_question_chars,
            "settings": desk.config,
        }

    def _ranked(wanted: Wanted) -> dict[str, object]:
        """The passages for a question, best first."""
        phrases = [pattern(phrase, ignore_case=not wanted.case) for phrase in wanted.phrases]
        every = wanted.is_filtered or bool(phrases)
        found = explain(desk.bot, wanted.words, wanted.earlier, own_words=bool(wanted.own), every=every)

        def keep(hit: Hit) -> bool:
            return (
                wanted.takes(hit.origin)
                and wanted.takes_section(hit.section)
                and all(phrase.search(hit.text) for phrase in phrases)
            )

        own = None
        if found.query.changes:
            own = explain(desk.bot, wanted.words, wanted.earlier, own_words=True, every=False)
        return {"found": found, "passages": found.best(wanted.k, keep), "own": own}

    def _phrases(wanted: Wanted) -> dict[str, object]:
        """The places of the first phrase, of which the others must be nearby; counted to the last."""
        index = desk.bot.index
        documents = [document for document in index.documents.values() if wanted.takes(document)]
        others = [pattern(phrase, ignore_case=not wanted.case) for phrase in wanted.phrases[1:]]

        def all_there(document: Document, start: int, end: int) -> bool:
            if not wanted.takes_section(_headings(document, start)):
                return False
            texts = [
                document.text[index.passages[row].start : index.passages[row].end]
                for row in (rows_at(index, document.id, start, end) if others else ())
            ]
            return all(any(other.search(text) for text in texts) for other in others)

        every = [
            place for place in find(documents, wanted.phrases[0], ignore_case=not wanted.case) if all_there(*place)
        ]
        first = (wanted.page - 1) * PLACES
        return {
            "places": [_around(*place) for place in every[first : first + PLACES]],
            "total": len(every),
            "in_documents": len({document.id for document, _, _ in every}),
            "first": first,
            "before": wanted.url(page=wanted.page - 1) if first else None,
            "after": wanted.url(page=wanted.page + 1) if first + PLACES < len(every) else None,
        }

    def _place(query: Mapping[str, str]) -> tuple[str, int, int] | None:
        """The passage that is asked about, if it was picked in a document."""
        if not query.get("document") or query.get("text", "").strip():
            return None
        document = desk.bot.index.documents.get(query["document"])
        if document is None:
            raise HTTPException(404)
        given = [query.get(name, "") for name in ("start", "end")]
        if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in given):
            raise UsageError("no passage is picked", remedy="Pick one in the document, or paste its text.")
        start, end = map(int, given)
        if not start < end <= len(document.text):
            raise UsageError(
                "there is no such place in the document", remedy="It may have changed: pick the passage again."
            )
        return document.id, start, end

    return routes


def readings(found: Explanation) -> Sequence[tuple[str, Triage]]:
    """All that the rules say of the question."""
    said = ((name, getattr(found.trace.reading, part)) for part, name in _READINGS.items())
    return [(name, one) for name, one in said if one]


def bits(one: Why) -> Sequence[Bit]:
    """A passage's text in runs, for its best sentences and the question's words to be marked."""
    text, start = one.hit.text, one.hit.start
    marked = [(first - start, last - start) for first, last in one.highlights]
    words = list(matched(text, one.words))
    borders = sorted({0, len(text), *(at for span in (*marked, *words) for at in span)})
    return list(_runs(text, borders, marked, words))


def _runs(
    text: str, borders: Sequence[int], marked: Sequence[tuple[int, int]], words: Sequence[tuple[int, int]]
) -> Iterator[Bit]:
    for first, last in pairwise(borders):
        yield Bit(
            text[first:last],
            any(start <= first and last <= end for start, end in marked),
            any(start <= first and last <= end for start, end in words),
        )


def _headings(document: Document, at: int) -> tuple[str, ...]:
    return next((s.headings for s in document.sections if s.start <= at < s.end), ())


def _around(document: Document, start: int, end: int) -> PhraseAt:
    text = document.text
    first, last = max(0, start - AROUND), min(len(text), end + AROUND)
    before, after = text[first:start], text[end:last]
    if first and " " in before:
        before = "…" + before.split(" ", 1)[1]
    if last < len(text) and " " in after:
        after = after.rsplit(" ", 1)[0] + "…"
    return PhraseAt(document, start, end, before, text[start:end], after)
