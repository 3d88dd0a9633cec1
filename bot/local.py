"""The engine of an index on this machine: vectors by FAISS, words by BM25, all in files that are mapped into memory.

vectors.npy       (passages, d) float32
sentences.npy     (sentences, d) float16, passage after passage
sentences_at.npy  (passages + 1,) int64: where each passage's sentences begin
bm25/             `bot.lexical`
lists.faiss       the vectors in lists that are searched in part, where there are too many to look at all of them
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.config import Searching
from bot.engine import DECIMALS, Block, Scores, Within
from bot.errors import IndexCorrupt, IndexUnusable
from bot.generations import REBUILD
from bot.lexical import POSTINGS, Lexical, LexicalBuilder, Wanted
from bot.tables import Rows, mapped, rows_of
from bot.vectors import Lists, nearest

_ROWS = 4096
"""Passages that are scored at a time, to bound the memory."""

_CANDIDATES = 2
"""Times as many passages as are wanted are taken from the lists, and scored exactly."""
_LEAST_CANDIDATES = 200
"""So many are taken where recall is measured; a question with the usual [ranking] candidates takes as many."""
_SAMPLED, _NEAREST = 256, 10
"""Passages that recall is measured with, and of how many neighbours."""
_NEAR_MOST = 1000
"""Where more are wanted, so that somebody looks through them, all vectors are looked at."""

WORDS = "bm25"
_VECTORS, _SENTENCES, _STARTS = "vectors.npy", "sentences.npy", "sentences_at.npy"
_LISTS = "lists.faiss"


@dataclass(frozen=True, slots=True)
class Near:
    """How the lists are searched: the nearest `probes` of them, which gave this recall@10 when it was measured."""

    lists: Lists
    probes: int
    recall: float


class LocalEngine:
    """A `bot.engine.Engine`. Its scores are exact; what is nearest is looked for among all vectors or, with `near`,
    among those of some lists, enough for the recall that was asked for."""

    kind = "local"

    def __init__(
        self, vectors: np.ndarray, sentences: np.ndarray, starts: np.ndarray, words: Lexical, near: Near | None = None
    ) -> None:
        """The arrays as the module describes them. Raises IndexCorrupt if they do not belong together."""
        if len({len(vectors), len(starts) - 1, words.passages}) != 1 or starts[-1] != len(sentences):
            raise IndexCorrupt(
                f"{len(vectors)} vectors of passages, {len(sentences)} of sentences of {len(starts) - 1} passages and "
                f"{words.passages} rows of words do not belong together",
                remedy=REBUILD,
            )
        self._vectors = vectors
        self._sentences = sentences
        self._starts = starts
        if near and near.lists.vectors != len(vectors):
            raise IndexCorrupt(
                f"{near.lists.vectors} vectors in lists are not the {len(vectors)} of the passages", remedy=REBUILD
            )
        self.words = words
        self.passages = len(vectors)
        self._near = near

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, Any]) -> LocalEngine:
        """facts: what `save` gave. Raises KeyError, ValueError, RuntimeError or OSError for files that cannot be read,
        IndexCorrupt."""
        vectors, sentences, starts = (mapped(folder / name) for name in (_VECTORS, _SENTENCES, _STARTS))
        near = Near(Lists(folder / _LISTS), **facts["near"]) if facts["near"] else None
        return cls(vectors, sentences, starts, Lexical(folder / WORDS), near)

    def check(self) -> Iterator[str]:
        yield from ()

    def save(self, generation: Path) -> dict[str, Any]:
        near = self._near
        return {"kind": "local", "near": {"probes": near.probes, "recall": near.recall} if near else None}

    @property
    def recall(self) -> float:
        """Of the ten nearest passages, the share that `nearest` finds on average, as it was measured."""
        return self._near.recall if self._near else 1.0

    def nearest(self, vector: np.ndarray, k: int, within: Within | None = None) -> tuple[np.ndarray, np.ndarray]:
        if within is not None:
            rows = _rows(within)
            cosines = self._cosines(vector, rows)
            order = np.lexsort((rows, -cosines))[:k]
            return rows[order], cosines[order]
        wanted = min(k, self.passages)
        if self._near and k <= _NEAR_MOST:
            candidates = np.sort(self._near.lists.search(vector, wanted * _CANDIDATES, self._near.probes))
            cosines = self._cosines(vector, candidates)
            order = np.lexsort((candidates, -cosines))[:wanted]
            return candidates[order], cosines[order]
        asked = min(wanted + 1, self.passages)
        while True:  # reads on while the last one may be tied
            [rows], [products] = nearest(self._vectors, vector[None, :], asked)
            cosines = np.round(products.astype(np.float64), DECIMALS)
            if asked == self.passages or cosines[-1] < cosines[wanted - 1]:
                order = np.lexsort((rows, -cosines))[:wanted]
                return rows[order], cosines[order]
            asked = min(asked * 2, self.passages)

    def matching(self, wanted: Wanted, k: int, within: Within | None = None) -> tuple[np.ndarray, np.ndarray]:
        return self.words.best(wanted, k, None if within is None else _rows(within))

    def score(self, vector: np.ndarray, wanted: Wanted, rows: np.ndarray) -> Scores:
        return Scores(self._cosines(vector, rows), self._best_sentences(vector, rows), self.words.scores(wanted, rows))

    def parts(self, wanted: Wanted, row: int) -> dict[str, float]:
        return self.words.parts(wanted, row)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._vectors[rows]
        return found

    def sentences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = self._starts[rows]
        counts = self._starts[rows + 1] - first
        return self._sentences[rows_of(first, counts)], counts

    def sentence_cosines(self, vector: np.ndarray, row: int) -> np.ndarray:
        own = self._sentences[self._starts[row] : self._starts[row + 1]]
        cosines: np.ndarray = own.astype(np.float64) @ vector.astype(np.float64)
        return np.round(cosines, DECIMALS)

    def _cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        wide = vector.astype(np.float64)
        blocks = [self._vectors[block].astype(np.float64) @ wide for block in _blocks(rows)]
        return np.round(np.concatenate([np.empty(0), *blocks]), DECIMALS)

    def _best_sentences(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        wide, best = vector.astype(np.float64), [np.empty(0)]
        for block in _blocks(rows):
            own, counts = self.sentences(block)
            best.append(np.maximum.reduceat(own.astype(np.float64) @ wide, np.cumsum(counts) - counts))
        return np.round(np.concatenate(best), DECIMALS)


def strip(generation: Path) -> None:
    """Removes the files of an engine but for its `bot.lexical.Terms`, once another engine has what is in them."""
    for name in (_VECTORS, _SENTENCES, _STARTS, *(f"{WORDS}/{postings}" for postings in POSTINGS)):
        (generation / name).unlink()


class LocalBuilder:
    """A `bot.engine.Builder` of a `LocalEngine` in `folder`. k1, b: of BM25. questions: (q, dimension) float32, with
    which recall is measured, beside passages of the index."""

    def __init__(
        self, folder: Path, *, dimension: int, k1: float, b: float, searching: Searching, questions: np.ndarray
    ) -> None:
        self._folder = folder
        self._searching = searching
        self._questions = questions
        self._vectors = Rows(folder / _VECTORS, np.float32, dimension)
        self._sentences = Rows(folder / _SENTENCES, np.float16, dimension)
        self._starts = array("q", [0])
        self._words = LexicalBuilder(folder / WORDS, k1=k1, b=b)

    def add(self, block: Block) -> None:
        self._vectors.add(block.vectors)
        self._sentences.add(block.sentences)
        self._starts.extend((self._starts[-1] + np.cumsum(block.counts)).tolist())
        self._words.add(block.terms)

    def flush(self) -> None:
        self._vectors.flush()
        self._sentences.flush()

    def close(self) -> None:
        for writer in (self._vectors, self._sentences, self._words):
            writer.close()

    def finish(self) -> LocalEngine:
        self.close()
        np.save(self._folder / _STARTS, np.frombuffer(self._starts, dtype=np.int64), allow_pickle=False)
        self._words.finish()
        exact = LocalEngine.load(self._folder, {"near": None})
        if exact.passages <= self._searching.exact_up_to or self._searching.engine != "local":
            return exact
        vectors = mapped(self._folder / _VECTORS)
        Lists.write(self._folder / _LISTS, vectors)
        near = _measured(Lists(self._folder / _LISTS), vectors, self._questions, self._searching.recall)
        return LocalEngine.load(self._folder, {"near": {"probes": near.probes, "recall": near.recall}})


def _measured(lists: Lists, vectors: np.ndarray, questions: np.ndarray, recall: float) -> Near:
    """The fewest lists to search, in steps of two, that find a share of `recall` of the `_NEAREST` passages that an
    exact search finds, on average over the questions and passages of the index, themselves left out.

    Raises IndexUnusable if no number does.
    """
    sample = np.sort(np.random.default_rng(0).choice(len(vectors), min(len(vectors), _SAMPLED), replace=False))
    wanted = np.concatenate([vectors[sample], questions])
    own = np.concatenate([sample, np.full(len(questions), -1)])
    exact = _exact(vectors, wanted, own)
    probes, found = min(8, lists.lists), 0.0
    while True:
        shares = []
        for vector, row, rows in zip(wanted, own, exact, strict=True):
            candidates = lists.search(vector, _LEAST_CANDIDATES, probes)
            candidates = candidates[candidates != row]
            cosines = vectors[candidates] @ vector
            kept = candidates[np.argsort(-cosines, kind="stable")[: len(rows)]]
            # A passage that is as near as the last one of the ten is as good.
            least = (vectors[rows[-1]] @ vector) - 10.0**-DECIMALS
            shares.append(np.mean(vectors[kept] @ vector >= least) * len(kept) / len(rows))
        found = float(np.mean(shares))
        if found >= recall:
            return Near(lists, probes, round(found, 4))
        if probes == lists.lists:
            break
        probes = min(2 * probes, lists.lists)
    raise IndexUnusable(
        f"a search of all lists finds {found:.4f} of the nearest passages, less than [index] recall = {recall}",
        remedy="Set [index] recall lower, or exact_up_to to the number of passages or more.",
    )


def _exact(vectors: np.ndarray, wanted: np.ndarray, own: np.ndarray) -> list[np.ndarray]:
    """The rows of the `_NEAREST` passages of each of `wanted`, best first; `own`: the row to leave out."""
    k = min(_NEAREST + 1, len(vectors))
    rows, _ = nearest(vectors, wanted, k)
    return [found[found != row][:_NEAREST] for found, row in zip(rows, own.tolist(), strict=True)]


def _rows(within: Within) -> np.ndarray:
    """(rows,) int64."""
    return np.concatenate([np.arange(0), *(np.arange(rows.start, rows.stop) for rows in within)])


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    """`rows` in order, at most `_ROWS` at a time."""
    return [rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS)]
