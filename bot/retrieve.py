"""A query → the passages that match it best: both rankings fused into one score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from bot.config import Config
from bot.documents import Document
from bot.embed import Encoder
from bot.index import Candidates, Index
from bot.lexical import Wanted, terms
from bot.passages import Passage
from bot.query import Query
from bot.timings import Timings

CONTEXT_WEIGHT = 1.0
CONTEXT_PLACES = 10
EXPANSION_WEIGHT = 0.3
MOST_RANKED = 20_000
"""Passages of each list that are ranked where all are wanted: what a person may look through, and a page waits for."""
_AT_ONCE = 16
"""Hits that are made together: a few more than an answer considers."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, and why.

    rank: from 1. row: of the passage in the index. documents: those of the index. score: the fused one, comparable
    across questions. dense: cosine. sentence: that of its best sentence. lexical: BM25. The ranks are
    None where the passage is not among that list's best.
    """

    rank: int
    row: int
    passage: Passage
    score: float
    dense: float
    sentence: float
    lexical: float
    dense_rank: int | None
    lexical_rank: int | None
    documents: Mapping[str, Document] = field(repr=False, compare=False)

    @property
    def origin(self) -> Document:
        """The document that the passage is a slice of, read when it is asked for."""
        return self.documents[self.passage.document]

    @property
    def document(self) -> str:
        return self.passage.document

    @property
    def title(self) -> str:
        return self.origin.title

    @property
    def section(self) -> tuple[str, ...]:
        return self.origin.sections[self.passage.section].headings

    @property
    def page(self) -> int | None:
        return self.origin.page_at(self.passage.start)

    @property
    def start(self) -> int:
        return self.passage.start

    @property
    def end(self) -> int:
        return self.passage.end

    @property
    def text(self) -> str:
        return self.origin.text[self.start : self.end]

    def to_dict(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "document": self.document,
            "title": self.title,
            "section": list(self.section),
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "score": self.score,
            "dense": self.dense,
            "sentence": self.sentence,
            "lexical": self.lexical,
            "dense_rank": self.dense_rank,
            "lexical_rank": self.lexical_rank,
        }


@dataclass(frozen=True, slots=True)
class Hits(Sequence[Hit]):
    """The hits of one query, best first; equal scores are ordered by row.

    vector: of the question's own words, (d,) float32, unit length. terms: their content words, stemmed, repeats kept.
    lengths: of each passage, in characters, (n,).
    """

    query: Query
    vector: np.ndarray
    terms: tuple[str, ...]
    found: Sequence[Hit]
    lengths: np.ndarray
    timings: Timings

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Hit]: ...
    def __getitem__(self, at: int | slice) -> Hit | Sequence[Hit]:
        return self.found[at]

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.found)

    def to_dict(self) -> dict[str, Any]:
        return {
            "query": self.query.question,
            "searched_for": self.query.searched_for,
            "hits": [hit.to_dict() for hit in self.found],
            "timings_ms": self.timings.to_dict(),
        }


def retrieve(
    query: Query, index: Index, encoder: Encoder, config: Config, k: int, timings: Timings, *, every: bool = False
) -> Hits:
    """The best `k` passages, or fewer if there are not as many candidates. Never refuses. With `every`, all passages
    of the index with the same scores, and their ranks in the whole of both lists; in an index of more than
    `MOST_RANKED` the best so many of each list.

    What a follow-up refers to is a bonus: ``(S(question) + w · min(S(context), limit)) / (1 + w)``, S being the fused
    score and `limit` that of the context's tenth best passage. Without the limit, what answered the question before
    would be found again. The hits carry the cosines and words of question and context as one text.
    """
    most = max(k, config.ranking.candidates)
    listed = max(most, min(len(index.passages), MOST_RANKED)) if every else most
    context = query.context if terms(query.text) else ""  # "why?" says nothing without it
    alone = _ask(
        query.text if context or not query.context else query.completed, query.expansion, index, encoder, timings
    )
    with timings.of("search"):
        candidates = index.search(alone.vector, alone.wanted, listed)
        scores = fuse(candidates, alone.known_terms, config)
    whole = alone
    if context:
        about = _ask(context, "", index, encoder, timings)
        whole = _ask(query.completed, query.expansion, index, encoder, timings)
        with timings.of("search"):
            found = index.search(about.vector, about.wanted, most)
            best = np.sort(fuse(found, about.known_terms, config))
            limit = best[-min(CONTEXT_PLACES, len(best))]
            rows = np.union1d(candidates.rows, found.rows)
            own, other = (
                fuse(index.score(part.vector, part.wanted, rows), part.known_terms, config) for part in (alone, about)
            )
            scores = np.round((own + CONTEXT_WEIGHT * np.minimum(other, limit)) / (1 + CONTEXT_WEIGHT), 6)
            candidates = index.search(whole.vector, whole.wanted, listed, rows)
    order = np.lexsort((candidates.rows, -scores))[: None if every else k]
    columns = (
        scores,
        candidates.dense,
        candidates.sentence,
        candidates.lexical.astype(np.float64),
        candidates.dense_rank,
        candidates.lexical_rank,
    )
    ranked = _Ranked(candidates.rows[order], [column[order] for column in columns], index)
    return Hits(query, alone.vector, alone.terms, ranked, index.passages.lengths(ranked.rows), timings)


class _Ranked(Sequence[Hit]):
    """The hits of these rows, made some at a time when they are looked at: most never are."""

    def __init__(self, rows: np.ndarray, columns: Sequence[np.ndarray], index: Index) -> None:
        """columns: of each row the score, the cosines, BM25 and the ranks, as `Hit` has them."""
        self.rows = rows
        self._columns = columns
        self._index = index
        self._made: dict[int, list[Hit]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Hit]: ...
    def __getitem__(self, at: int | slice) -> Hit | Sequence[Hit]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        block, place = divmod(range(len(self))[at], _AT_ONCE)
        if block not in self._made:
            self._made[block] = self._make(block * _AT_ONCE)
        return self._made[block][place]

    def _make(self, first: int) -> list[Hit]:
        some = slice(first, first + _AT_ONCE)
        rows = self.rows[some]
        columns = (column[some].tolist() for column in self._columns)
        made = zip(self._index.passages.at(rows), rows.tolist(), *columns, strict=True)
        return [
            Hit(
                rank=rank,
                row=row,
                passage=passage,
                score=score,
                dense=dense,
                sentence=sentence,
                lexical=round(lexical, 6),
                dense_rank=dense_rank or None,
                lexical_rank=lexical_rank or None,
                documents=self._index.documents,
            )
            for rank, (passage, row, score, dense, sentence, lexical, dense_rank, lexical_rank) in enumerate(
                made, start=first + 1
            )
        ]


def wanted(query: Query) -> Wanted:
    """The terms whose BM25 is `Hit.lexical`."""
    return _wanted(query.completed if query.context else query.text, query.expansion)


def _wanted(text: str, expansion: str) -> Wanted:
    return Wanted.of(terms(text), terms(expansion), EXPANSION_WEIGHT)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A text to search for. known_terms: how many of its distinct terms the index has."""

    vector: np.ndarray
    terms: tuple[str, ...]
    wanted: Wanted
    known_terms: int


def _ask(text: str, expansion: str, index: Index, encoder: Encoder, timings: Timings) -> _Asked:
    """`expansion`: other words for the same, which count less."""
    own = tuple(terms(text))
    with timings.of("embed"):
        vector = encoder.encode_query(text)
        if expansion:
            vector = vector + EXPANSION_WEIGHT * encoder.encode_query(expansion)
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    with timings.of("search"):
        known = len(index.words.known(own))
    return _Asked(vector, own, _wanted(text, expansion), known)


def fuse(candidates: Candidates, known_terms: int, config: Config) -> np.ndarray:
    """``(passage + s · sentence) / (1 + s) + w · BM25 · min(1, cap / n)``: float64, in the order given.

    The cosine of the best sentence finds what a passage on several things says in passing. BM25 grows with the
    number of terms that are matched; the cap on `n`, the query's distinct known terms, keeps a long message from
    drowning the cosines. Rounded, so that equal passages tie.
    """
    ranking = config.ranking
    weight = ranking.sentence_weight
    meaning = (candidates.dense + weight * candidates.sentence) / (1 + weight)
    words = ranking.lexical_weight * min(1.0, ranking.lexical_terms / max(known_terms, 1)) * candidates.lexical
    fused: np.ndarray = np.round(meaning + words.astype(np.float64), 6)
    return fused
