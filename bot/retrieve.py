"""A query → the passages that match it best: both rankings fused into one score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from bot.config import Config
from bot.documents import Document
from bot.embed import Encoder
from bot.index import Candidates, Index
from bot.lexical import terms
from bot.passages import Passage
from bot.query import Query
from bot.timings import Timings


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, and why.

    rank: from 1. row: of the passage in the index. origin: the document it is a slice of. score: the fused one,
    comparable across questions. dense: cosine. sentence: that of its best sentence. lexical: BM25. The ranks are
    None where the passage is not among that list's best.
    """

    rank: int
    row: int
    passage: Passage
    origin: Document
    score: float
    dense: float
    sentence: float
    lexical: float
    dense_rank: int | None
    lexical_rank: int | None

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

    vector: the query's, (d,) float32, unit length. terms: its content words, stemmed, repeats kept.
    """

    query: Query
    vector: np.ndarray
    terms: tuple[str, ...]
    found: tuple[Hit, ...]
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


def retrieve(query: Query, index: Index, encoder: Encoder, config: Config, k: int, timings: Timings) -> Hits:
    """The best `k` passages, or fewer if there are not as many candidates. Never refuses."""
    with timings.of("embed"):
        vector = encoder.encode_query(query.searched_for)
    with timings.of("search"):
        words = tuple(terms(query.searched_for))
        candidates = index.search(vector, words, max(k, config.ranking.candidates))
        scores = fuse(candidates, len(index.lexical.known(words)), config)
        order = np.lexsort((candidates.rows, -scores))[:k]
        found = tuple(
            Hit(
                rank=rank,
                row=int(candidates.rows[at]),
                passage=(passage := index.passages[candidates.rows[at]]),
                origin=index.documents[passage.document],
                score=float(scores[at]),
                dense=float(candidates.dense[at]),
                sentence=float(candidates.sentence[at]),
                lexical=round(float(candidates.lexical[at]), 6),
                dense_rank=int(candidates.dense_rank[at]) or None,
                lexical_rank=int(candidates.lexical_rank[at]) or None,
            )
            for rank, at in enumerate(order, start=1)
        )
    return Hits(query, vector, words, found, timings)


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
