"""The engine of an index on this machine: vectors by FAISS, words by BM25, all in files that are mapped into memory.

vectors.npy       (passages, d) float32
sentences.npy     (sentences, d) float16, passage after passage
sentences_at.npy  (passages + 1,) int64: where each passage's sentences begin
bm25/             `bot.lexical`
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bot import vectors
from bot.engine import DECIMALS, Block, Scores, Within
from bot.errors import IndexCorrupt
from bot.generations import REBUILD
from bot.lexical import POSTINGS, Lexical, LexicalBuilder, Wanted
from bot.tables import Rows, mapped

_ROWS = 4096
"""Passages that are scored at a time, to bound the memory."""

WORDS = "bm25"
_VECTORS, _SENTENCES, _STARTS = "vectors.npy", "sentences.npy", "sentences_at.npy"


class LocalEngine:
    """A `bot.engine.Engine`: exact."""

    kind = "local"

    def __init__(self, vectors: np.ndarray, sentences: np.ndarray, starts: np.ndarray, words: Lexical) -> None:
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
        self.words = words
        self.passages = len(vectors)

    @classmethod
    def load(cls, folder: Path) -> LocalEngine:
        """Raises ValueError or OSError for files that cannot be read, IndexCorrupt."""
        vectors, sentences, starts = (mapped(folder / name) for name in (_VECTORS, _SENTENCES, _STARTS))
        return cls(vectors, sentences, starts, Lexical(folder / WORDS))

    def check(self) -> Iterator[str]:
        yield from ()

    def save(self, generation: Path) -> dict[str, Any]:
        return {"kind": "local"}

    def nearest(self, vector: np.ndarray, k: int, within: Within | None = None) -> tuple[np.ndarray, np.ndarray]:
        if within is not None:
            rows = _rows(within)
            cosines = self._cosines(vector, rows)
            order = np.lexsort((rows, -cosines))[:k]
            return rows[order], cosines[order]
        wanted = min(k, self.passages)
        asked = min(wanted + 1, self.passages)
        while True:  # reads on while the last one may be tied
            [rows], [products] = vectors.nearest(self._vectors, vector[None, :], asked)
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
        starts = np.cumsum(counts) - counts
        at = np.repeat(first - starts, counts) + np.arange(counts.sum())
        return self._sentences[at], counts

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
    """A `bot.engine.Builder` of a `LocalEngine` in `folder`. k1, b: of BM25."""

    def __init__(self, folder: Path, *, dimension: int, k1: float, b: float) -> None:
        self._folder = folder
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
        return LocalEngine.load(self._folder)


def _rows(within: Within) -> np.ndarray:
    """(rows,) int64."""
    return np.concatenate([np.arange(0), *(np.arange(rows.start, rows.stop) for rows in within)])


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    """`rows` in order, at most `_ROWS` at a time."""
    return [rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS)]
