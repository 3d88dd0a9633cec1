"""Hits → an answer: quotes and fixed notices, or an honest "our materials don't say"."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bot import texts
from bot.confidence import Calibration, features
from bot.config import Config
from bot.documents import Document
from bot.embed import Encoder
from bot.errors import IndexCorrupt, IndexStale
from bot.generations import REBUILD
from bot.highlights import highlight
from bot.index import Index
from bot.query import Change
from bot.retrieve import Hit, Hits
from bot.texts import Notice
from bot.triage import Reading, Triage

if TYPE_CHECKING:
    from bot.loaders.pdf import Box

Outcome = Literal["answered", "not_found", "emergency"]

CONSIDERED = 10
"""The best hits among which quotes are looked for."""
SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class _Span:
    """A slice of a document that becomes a quote; `section` is a row of ``document.sections``."""

    document: Document
    section: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: characters ``start`` to ``end`` of a document whose text has the hash `sha256`."""

    document: str
    title: str
    section: tuple[str, ...]
    page: int | None
    start: int
    end: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "document": self.document,
            "title": self.title,
            "section": list(self.section),
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class Quote(Place):
    """A verbatim slice of a document, with its citation.

    text: exactly the document's characters from `start` to `end`. highlights: (start, end) in the document,
    ascending, disjoint, within the quote. score: of its best passage. also_in: where else the same words stand.
    overdue: the document is past its next review. recognised: words of it were read off a picture of their page.
    boxes: where on its pages it stands, for a document with pages whose file is at hand.
    """

    rank: int
    text: str
    highlights: tuple[tuple[int, int], ...]
    score: float
    metadata: Mapping[str, str]
    also_in: tuple[Place, ...]
    overdue: bool
    recognised: bool
    boxes: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        if len(self.text) != self.end - self.start:
            raise ValueError("the text of a quote is not as long as its range")
        borders = [at for highlight in self.highlights for at in highlight]
        if borders != sorted(borders) or any(not self.start <= at <= self.end for at in borders):
            raise ValueError("the highlights of a quote are out of order or outside it")

    def to_dict(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            **Place.to_dict(self),
            "text": self.text,
            "highlights": [list(highlight) for highlight in self.highlights],
            "score": self.score,
            "metadata": dict(self.metadata),
            "also_in": [place.to_dict() for place in self.also_in],
            "overdue": self.overdue,
            "recognised": self.recognised,
            "boxes": [asdict(box) for box in self.boxes],
        }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A heading or title, in the document's own words, that one could ask about."""

    document: str
    text: str

    def to_dict(self) -> dict[str, str]:
        return {"document": self.document, "text": self.text}


Fate = Literal["quoted", "not_considered", "unlikely", "overdue", "changed", "copy", "enough"]
"""What becomes of a hit: quoted; not among the best `CONSIDERED`; below the threshold; withheld as its document is
overdue, or as its source changed; said by a better hit already; or there are enough better ones."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which hits become quotes, and what keeps out the others.

    confidences: of the best `CONSIDERED` hits. sure: those that reach the `threshold` and are not withheld; withheld:
    those that reach it and are. fresh: the rows of those hits, sure or as long as one that is, whose source is as it
    was indexed. same: of these, those that say the same words, by text. chosen: one sure and fresh hit a text, best
    first. runs: the hits of each quote, neighbours in the order of the text, the best quote first.
    """

    threshold: float
    confidences: tuple[float, ...]
    sure: tuple[Hit, ...]
    withheld: tuple[Hit, ...]
    fresh: frozenset[int]
    same: Mapping[str, Sequence[Hit]]
    chosen: tuple[Hit, ...]
    runs: tuple[tuple[Hit, ...], ...]

    @property
    def is_stale(self) -> bool:
        """Whether nothing may be quoted, since the source of the best hit changed."""
        return bool(self.sure) and self.sure[0].row not in self.fresh

    def quote_of(self, hit: Hit) -> int | None:
        """The rank of the quote that this hit is in."""
        return next((rank for rank, run in enumerate(self.runs, start=1) if hit in run), None)

    def fate(self, hit: Hit) -> Fate:
        """What becomes of one of the hits, were the answer not stale."""
        if hit.rank > len(self.confidences):
            return "not_considered"
        if self.confidences[hit.rank - 1] < self.threshold:
            return "unlikely"
        if hit in self.withheld:
            return "overdue"
        if hit.row not in self.fresh:
            return "changed"
        if hit not in self.chosen:
            return "copy"
        return "quoted" if self.quote_of(hit) else "enough"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader is shown. confidence: calibrated probability, 0 to 1, that the first quote answers.
    suggestions: only where there is no quote. triage: what the rules for emergencies and personal questions say."""

    question: str
    searched_for: str
    changes: tuple[Change, ...]
    outcome: Outcome
    confidence: float
    notices: tuple[Notice, ...]
    quotes: tuple[Quote, ...]
    suggestions: tuple[Suggestion, ...]
    timings_ms: Mapping[str, float]
    triage: Triage | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON; docs/interfaces.md describes it."""
        return {
            "question": self.question,
            "searched_for": self.searched_for,
            "changes": [change.to_dict() for change in self.changes],
            "outcome": self.outcome,
            "triage": self.triage.to_dict() if self.triage else None,
            "confidence": self.confidence,
            "notices": [notice.to_dict() for notice in self.notices],
            "quotes": [quote.to_dict() for quote in self.quotes],
            "suggestions": [suggestion.to_dict() for suggestion in self.suggestions],
            "timings_ms": dict(self.timings_ms),
        }


def choose(hits: Hits, index: Index, encoder: Encoder, config: Config, calibration: Calibration, today: date) -> Choice:
    """Which hits are likely enough to answer, may be shown, and are not said by a better one already.

    today: a document whose next review was due before is overdue.
    """
    confidences = [calibration.confidence(found) for found in features(hits, index, encoder, CONSIDERED)]
    threshold = config.answer.answer_above
    if threshold < 0:
        threshold = calibration.thresholds[config.answer.most_wrong]
    likely = [hit for hit, own in zip(hits, confidences, strict=False) if own >= threshold]
    sure: list[Hit] = []
    withheld: list[Hit] = []
    for hit in likely:
        (withheld if _is_withheld(hit, config, today) else sure).append(hit)
    # Of the others only those can say the same words that are as long: their documents alone are read.
    as_long = np.isin(hits.lengths, [hit.end - hit.start for hit in sure])
    fresh = _fresh([hits[at] for at in np.flatnonzero(as_long).tolist()], index, config)
    same = _by_text([hit for hit in fresh if not _is_withheld(hit, config, today)])
    first = {text: next((hit for hit in twins if hit in sure), None) for text, twins in same.items()}
    chosen = [hit for hit in sure if first.get(hit.text) is hit]
    return Choice(
        threshold=threshold,
        confidences=tuple(confidences),
        sure=tuple(sure),
        withheld=tuple(withheld),
        fresh=frozenset(hit.row for hit in fresh),
        same=same,
        chosen=tuple(chosen),
        runs=tuple(tuple(run) for run in _runs(chosen[: config.answer.quotes])),
    )


def answer(hits: Hits, index: Index, encoder: Encoder, config: Config, calibration: Calibration, today: date) -> Answer:
    """Quotes of the hits that are likely enough to answer, or the outcome ``not_found``.

    today: a document whose next review was due before is overdue. Raises IndexStale if the best hit's source is no
    longer as it was indexed: nothing is quoted then.
    """
    choice = choose(hits, index, encoder, config, calibration, today)
    if not choice.sure:
        confidence = max(choice.confidences, default=0.0)
        refusal = (
            texts.notice("overdue_withheld" if choice.withheld else "not_found", config),
            texts.contact(config),
        )
        return _answer(hits, "not_found", confidence, refusal, suggestions=_suggestions(hits))
    best = choice.sure[0]
    if choice.is_stale:
        raise IndexStale(
            f"{best.origin.source} is not as it was when the index was built",
            remedy="Bring the index up to date: bot index",
        )
    with hits.timings.of("highlight"):
        quotes = tuple(
            _quote(rank, run, highlight(run, hits, index), choice.same, index, today)
            for rank, run in enumerate(choice.runs, start=1)
        )
    ids = {
        "out_of_date": any(hit.row not in choice.fresh for hit in choice.sure),
        "overdue_withheld": bool(choice.withheld),
        "overdue": any(quote.overdue for quote in quotes),
        "recognised": any(quote.recognised for quote in quotes),
        "sources_only": True,
    }
    notices = tuple(texts.notice(id, config) for id, holds in ids.items() if holds)
    return _answer(hits, "answered", choice.confidences[best.rank - 1], notices, quotes=quotes)


def emergency(question: str, found: Triage, config: Config) -> Answer:
    """The card of a live emergency, and nothing beside it."""
    return _without_search(question, "emergency", (texts.notice(found.card or "", config),), found)


def turn(question: str, found: Triage, config: Config) -> Answer:
    """The fixed text for a turn that is no question."""
    return _without_search(question, "not_found", (texts.notice(found.card or "", config),), found)


def in_another_language(found: Answer, spoken: Sequence[str], config: Config) -> Answer:
    """An answer that found nothing, for a question in another language than the documents' `spoken` ones (tags)."""
    return replace(found, notices=(texts.notice("turn_other_language", config, spoken), *found.notices))


def with_reading(found: Answer, reading: Reading, config: Config) -> Answer:
    """The answer with the cards and notices that go before it."""
    first = reading.emergency or reading.about
    ids = [one.card for one in (first, reading.personal) if one and one.card]
    if reading.personal and reading.asks_dose and found.quotes:
        ids.append("personal_dose")
    notices = tuple(texts.notice(id, config) for id in dict.fromkeys(ids))
    return replace(
        found,
        outcome="emergency" if reading.emergency else found.outcome,
        notices=(*notices, *found.notices),
        triage=reading.emergency or reading.personal or reading.about,
    )


def _without_search(question: str, outcome: Outcome, notices: tuple[Notice, ...], found: Triage) -> Answer:
    return Answer(question, question.strip(), (), outcome, 0.0, notices, (), (), {}, found)


def _answer(
    hits: Hits,
    outcome: Outcome,
    confidence: float,
    notices: tuple[Notice, ...],
    quotes: tuple[Quote, ...] = (),
    suggestions: tuple[Suggestion, ...] = (),
) -> Answer:
    query = hits.query
    return Answer(
        question=query.question,
        searched_for=query.searched_for,
        changes=query.changes,
        outcome=outcome,
        confidence=confidence,
        notices=notices,
        quotes=quotes,
        suggestions=suggestions,
        timings_ms=hits.timings.to_dict(),
    )


def _is_withheld(hit: Hit, config: Config, today: date) -> bool:
    return config.answer.overdue == "withhold" and hit.origin.is_overdue(today)


def _fresh(hits: Sequence[Hit], index: Index, config: Config) -> list[Hit]:
    """The hits whose source is as it was when it was indexed."""
    if not config.corpus.verify_sources:
        return list(hits)
    sources = {hit.origin.source: hit.origin for hit in hits}
    fresh = {source for source, document in sources.items() if index.is_current(document)}
    return [hit for hit in hits if hit.origin.source in fresh]


def _by_text(hits: Sequence[Hit]) -> dict[str, list[Hit]]:
    """The hits that say the same words, best first."""
    same: dict[str, list[Hit]] = {}
    for hit in hits:
        same.setdefault(hit.text, []).append(hit)
    return same


def _runs(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Neighbouring passages of one section together, in the order of the text; the best run first."""
    runs: list[list[Hit]] = []
    for hit in sorted(hits, key=lambda hit: hit.row):
        before = runs[-1][-1] if runs else None
        if before and hit.row == before.row + 1 and _section(hit) == _section(before) and _whole_rows(before, hit):
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return sorted(runs, key=lambda run: min(hit.rank for hit in run))


def _whole_rows(before: Hit, hit: Hit) -> bool:
    """Whether neither is a part of a table's row, unless both are of the same one: cells of different rows must not
    be joined."""
    torn = [row for row in hit.origin.rows if any(row[0] < at < row[1] for at in (before.end, hit.start, hit.end))]
    torn += [row for row in hit.origin.rows if row[0] < before.start < row[1]]
    return not torn or any(row[0] <= before.start and hit.end <= row[1] for row in torn)


def _section(hit: Hit) -> tuple[str, int]:
    return hit.document, hit.passage.section


def _span(run: Sequence[Hit]) -> _Span:
    first, last = run[0].passage, run[-1].passage
    return _Span(run[0].origin, first.section, first.start, last.end)


def _quote(
    rank: int,
    run: Sequence[Hit],
    highlights: tuple[tuple[int, int], ...],
    same: Mapping[str, Sequence[Hit]],
    index: Index,
    today: date,
) -> Quote:
    span = _span(run)
    text = _slice(span)
    copies = [copy for twin in same[run[0].text] if twin is not run[0] and _slice(copy := _at(twin, len(text))) == text]
    return Quote(
        **_whereabouts(span),
        rank=rank,
        text=text,
        highlights=highlights,
        score=max(hit.score for hit in run),
        metadata=span.document.metadata,
        also_in=tuple(Place(**_whereabouts(copy)) for copy in copies),
        overdue=span.document.is_overdue(today),
        recognised=_is_recognised(span),
        boxes=index.boxes(span.document, span.start, span.end),
    )


def _is_recognised(span: _Span) -> bool:
    first, last = span.document.page_at(span.start), span.document.page_at(span.end - 1)
    return first is not None and last is not None and any(first <= page <= last for page in span.document.recognised)


def _at(hit: Hit, length: int) -> _Span:
    return _Span(hit.origin, hit.passage.section, hit.start, hit.start + length)


def _slice(span: _Span) -> str:
    """The words of a range; raises IndexCorrupt if the document's text is not the one that was hashed."""
    document = span.document
    if hashlib.sha256(document.text.encode()).hexdigest() != document.sha256:
        raise IndexCorrupt(f"the text of {document.id} does not match its hash", remedy=REBUILD)
    return document.text[span.start : span.end]


def _whereabouts(span: _Span) -> dict[str, Any]:
    document = span.document
    return {
        "document": document.id,
        "title": document.title,
        "section": document.sections[span.section].headings,
        "page": document.page_at(span.start),
        "start": span.start,
        "end": span.end,
        "sha256": document.sha256,
    }


def _suggestions(hits: Sequence[Hit]) -> tuple[Suggestion, ...]:
    """The headings of the closest passages, or the titles where there is none, each once."""
    distinct: dict[str, Suggestion] = {}
    for hit in hits:
        text = hit.section[-1] if hit.section else hit.title
        if text.strip() and text not in distinct:
            distinct[text] = Suggestion(hit.document, text)
        if len(distinct) == SUGGESTIONS:
            break
    return tuple(distinct.values())
