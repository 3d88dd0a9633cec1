"""Why a passage is quoted for a question, and what keeps one out: the answer's own numbers, for staff."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import SequenceMatcher
from typing import Any, Literal

from bot.answer import CONSIDERED, Fate
from bot.bot import Bot, Trace
from bot.confidence import features, shipped
from bot.documents import Document
from bot.errors import UsageError
from bot.highlights import highlight
from bot.index import Index
from bot.lexical import content_words, stem, terms
from bot.query import Query
from bot.retrieve import Hit, retrieve, wanted
from bot.timings import Timings

Shown = Literal["quotes", "not_found", "card", "fixed_text", "fault"]
"""What a patient is shown: quotes; that nothing was found; an emergency's card alone; the fixed text for a turn that is
no question; or an error, since the best hit's source changed."""

NEAREST = 10
"""Passages among which the one most like a pasted text is looked for."""
MOST_COMPARED = 4_000
"""Characters of a pasted text."""


@dataclass(frozen=True, slots=True)
class Word:
    """Words of the question that a passage holds, and what they add to its BM25 score."""

    words: str
    share: float


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a passage out of the answer; `text` is a sentence for staff."""

    kind: Fate | Literal["not_candidate", "not_searched", "fault"]
    text: str


@dataclass(frozen=True, slots=True)
class Why:
    """What a passage is worth for a question, and what becomes of it.

    rank: among the candidates of the answer; None if it is none of them. place: by the same score among all passages
    of the index, if they were ranked. words: those of the question that it holds, the weightiest first; lacking: those
    that it doesn't. highlights: the sentences that answer best. quote: the rank of the quote that it is in; joined: the
    range of that quote where it is longer than the passage. reasons: all that keep it out, the deciding one first.
    """

    hit: Hit
    rank: int | None
    place: int | None
    confidence: float
    threshold: float
    features: Mapping[str, float]
    words: tuple[Word, ...]
    lacking: tuple[str, ...]
    highlights: tuple[tuple[int, int], ...]
    quote: int | None
    joined: tuple[int, int] | None
    reasons: tuple[Reason, ...]

    @property
    def is_quoted(self) -> bool:
        return self.quote is not None

    @property
    def margin(self) -> float:
        """How far the confidence is above the threshold, below 0 where it is not."""
        return round(self.confidence - self.threshold, 4)

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.hit.to_dict(),
            "rank": self.rank,
            "place": self.place,
            "confidence": self.confidence,
            "threshold": self.threshold,
            "margin": self.margin,
            "words": [{"words": word.words, "bm25": word.share} for word in self.words],
            "lacking": list(self.lacking),
            "highlights": [list(span) for span in self.highlights],
            "quoted": self.is_quoted,
            "quote": self.quote,
            "joined": list(self.joined) if self.joined else None,
            "reasons": [{"kind": reason.kind, "text": reason.text} for reason in self.reasons],
        }


class Explanation:
    """What becomes of each passage for one question."""

    def __init__(self, bot: Bot, trace: Trace, today: date) -> None:
        self.trace = trace
        self.index = trace.index
        self._bot = bot
        self._today = today
        self._rank = {hit.row: hit for hit in trace.hits}
        self._place = {hit.row: hit for hit in trace.every or ()}
        query = trace.hits.query
        self._wanted = wanted(query)
        asked = content_words(f"{query.completed if query.context else query.text} {query.expansion}")
        self._surface = {stem(word): word for word in reversed(asked)}

    @property
    def query(self) -> Query:
        return self.trace.hits.query

    @property
    def shown(self) -> Shown:
        reading, choice = self.trace.reading, self.trace.choice
        if reading.emergency and (reading.emergency.level == "immediate" or choice.is_stale):
            return "card"
        if reading.turn:
            return "fixed_text"
        if choice.is_stale:
            return "fault"
        return "quotes" if choice.sure else "not_found"

    @property
    def ranked(self) -> Sequence[Hit]:
        """All passages, best first, where they were ranked; else the candidates."""
        return self.trace.hits if self.trace.every is None else self.trace.every

    def to_dict(self) -> dict[str, Any]:
        query = self.query
        return {
            "question": query.question,
            "searched_for": query.searched_for,
            "changes": [change.to_dict() for change in query.changes],
            "shown": self.shown,
            "triage": {
                name: found.to_dict() if found else None
                for name in ("emergency", "about", "personal", "turn")
                for found in [getattr(self.trace.reading, name)]
            },
            "threshold": self.trace.choice.threshold,
        }

    def best(self, k: int, keep: Callable[[Hit], bool] = lambda hit: True) -> list[Why]:
        """The best `k` passages that are to be kept."""
        found: list[Why] = []
        for hit in self.ranked:
            if len(found) == k:
                break
            if keep(hit):
                found.append(self.why(hit.row))
        return found

    def why(self, row: int) -> Why:
        """The passage at this row of the index. Raises UsageError for one that was not ranked."""
        among = self._rank.get(row)
        placed = self._place.get(row)
        hit = among or placed
        if hit is None:
            raise UsageError(f"there is no ranked passage {row}", remedy="Have all passages ranked.")
        if among and placed:  # the same scores; its ranks in the whole of both lists
            hit = replace(among, dense_rank=placed.dense_rank, lexical_rank=placed.lexical_rank)
        hits, choice = self.trace.hits, self.trace.choice
        [found] = features(replace(hits, found=(hit,)), self.index, self._bot.encoder, 1)
        quoted = among is not None and self.shown == "quotes" and choice.fate(among) == "quoted"
        run = next((run for run in choice.runs if among in run), (hit,)) if quoted else (hit,)
        spans = highlight(run, hits, self.index)
        whole = (run[0].start, run[-1].end)
        confidence = shipped().confidence(found)
        held = set(terms(f"{hit.title}\n{' '.join(hit.section)}\n{hit.text}"))
        return Why(
            hit=hit,
            rank=among.rank if among else None,
            place=placed.rank if placed else None,
            confidence=confidence,
            threshold=choice.threshold,
            features=found,
            words=self._words(row),
            lacking=tuple(dict.fromkeys(word for word in content_words(self.query.text) if stem(word) not in held)),
            highlights=tuple(span for span in spans if hit.start <= span[0] and span[1] <= hit.end),
            quote=choice.quote_of(among) if quoted and among else None,
            joined=whole if len(run) > 1 else None,
            reasons=() if quoted else tuple(self._reasons(hit, among, confidence)),
        )

    def _words(self, row: int) -> tuple[Word, ...]:
        named = (
            Word(" ".join(self._surface.get(term, term) for term in part.split(" ")), round(share, 4))
            for part, share in self.index.engine.parts(self._wanted, row).items()
        )
        return tuple(sorted(named, key=lambda word: (-word.share, word.words)))

    def _reasons(self, hit: Hit, among: Hit | None, confidence: float) -> Iterator[Reason]:
        """All that keep a passage out: first what stands above the search, then in the order of the answer's steps."""
        choice, config = self.trace.choice, self._bot.config
        if self.shown == "card":
            yield Reason("not_searched", "The question is read as an emergency: its card is shown alone.")
        if self.shown == "fixed_text":
            yield Reason("not_searched", "The question is read as no question: a fixed text is shown.")
        fate = choice.fate(among) if among else "not_candidate"
        if among is None:
            yield Reason("not_candidate", _not_a_candidate(hit, config.ranking.candidates))
        elif fate == "not_considered":
            yield Reason(
                "not_considered",
                f"It ranks {among.rank}; only the best {min(CONSIDERED, len(self.trace.hits))} are considered.",
            )
        if confidence < choice.threshold:
            yield Reason(
                "unlikely",
                f"Its confidence {confidence:.3f} is {choice.threshold - confidence:.3f} below the threshold "
                f"{choice.threshold:.3f}.",
            )
        if config.answer.overdue == "withhold" and hit.origin.is_overdue(self._today):
            due = hit.origin.metadata.get("next_review", "")
            yield Reason("overdue", f"Its document was due for review on {due}, and overdue documents are withheld.")
        if config.corpus.verify_sources and not self.index.is_current(hit.origin):
            yield Reason("changed", f"The file {hit.origin.source} is not as it was when it was indexed.")
        if fate == "copy":
            yield Reason("copy", self._copy(hit))
        if fate == "enough":
            yield Reason(
                "enough",
                f"Better passages are quoted already, as many as [answer] quotes allows: {config.answer.quotes}.",
            )
        if self.shown == "fault":
            best = choice.sure[0]
            yield Reason(
                "fault",
                f"Nothing is quoted: the best passage's file {best.origin.source} changed since it was indexed.",
            )

    def _copy(self, hit: Hit) -> str:
        choice = self.trace.choice
        twin = next(one for one in choice.chosen if one.text == hit.text)
        named = " which names this one as well" if choice.quote_of(twin) else ""
        return f"The same words stand in {twin.document}, {twin.start} to {twin.end},{named} and ranks {twin.rank}."


def _not_a_candidate(hit: Hit, most: int) -> str:
    words = f"number {hit.lexical_rank} by words" if hit.lexical_rank else "shares no word with the question"
    return (
        f"It is no candidate: number {hit.dense_rank} by meaning and {words}, and only the best {most} of either are."
    )


def explain(
    bot: Bot, question: str, history: Sequence[str] = (), *, own_words: bool = False, every: bool = True
) -> Explanation:
    """What becomes of each passage for `question`; without `every`, of the candidates alone. Raises QuestionError."""
    return Explanation(bot, bot.trace(question, history, own_words=own_words, every=every), date.today())


# Places


def pattern(words: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Finds exactly these words; white space between them may differ, as lines break anywhere."""
    return re.compile(r"\s+".join(map(re.escape, words.split())), re.IGNORECASE if ignore_case else 0)


def find(
    documents: Iterable[Document], words: str, *, ignore_case: bool = False
) -> Iterator[tuple[Document, int, int]]:
    """Where these words stand, in order, as `pattern` finds them."""
    looked_for = pattern(words, ignore_case=ignore_case)
    for document in documents if words.strip() else ():
        for match in looked_for.finditer(document.text):
            yield document, match.start(), match.end()


def rows_at(index: Index, document: str, start: int, end: int) -> Sequence[int]:
    """The rows of the passages that hold any of ``text[start:end]`` of a document; the one next to it if none does."""
    rows = index.rows.get(document, range(0))
    held = [row for row in rows if index.passages[row].start < end and start < index.passages[row].end]
    if held or not rows:
        return held
    after = bisect_right(rows, start, key=lambda row: index.passages[row].end)
    return [rows[min(after, len(rows) - 1)]]


@dataclass(frozen=True, slots=True)
class Near:
    """The passage most like a text that is in no document. likeness: 0 to 1. differences: the passage's text and the
    other as pieces, in order: ``both``, ``passage`` or ``pasted``."""

    row: int
    likeness: float
    differences: tuple[tuple[str, str], ...]


def nearest(bot: Bot, index: Index, text: str) -> Near:
    """The passage most like `text`, of those that are nearest to it in meaning and in words."""
    hits = retrieve(Query.plain(text[:MOST_COMPARED]), index, bot.encoder, bot.config, NEAREST, Timings())
    pasted = _pieces(text[:MOST_COMPARED])
    compared = []
    for hit in hits:
        own = _pieces(hit.text)
        matcher = SequenceMatcher(None, _folded(own), _folded(pasted), autojunk=False)
        compared.append((round(matcher.ratio(), 4), -hit.rank, hit, own, matcher))
    likeness, _, hit, own, matcher = max(compared, key=lambda one: one[:2])
    differences: list[tuple[str, str]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            differences.append(("both", "".join(own[a:b])))
        else:
            sides = (("passage", "".join(own[a:b])), ("pasted", "".join(pasted[c:d])))
            differences += [side for side in sides if side[1]]
    return Near(hit.row, likeness, tuple(differences))


def _pieces(text: str) -> list[str]:
    """Words and marks, each with the white space behind it."""
    return re.findall(r"(?:\w+|[^\w\s])\s*|\s+", text)


def _folded(pieces: Sequence[str]) -> list[str]:
    return [piece.strip() for piece in pieces]


def matched(text: str, words: Iterable[Word]) -> Iterator[tuple[int, int]]:
    """Which words of `text` are among these, as ranges, in order."""
    wanted = {term for word in words for term in terms(word.words)}
    for match in re.finditer(r"[^\W_]+(?:[.,:/'’][^\W_]+)*", text):
        if wanted.intersection(terms(match.group())):
            yield match.span()
