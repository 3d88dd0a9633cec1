"""What searches the passages of an index, wherever their vectors and words are: the protocol of an engine.

An index knows its passages by row, 0 to ``passages - 1`` in the order of its documents; so does its engine. Nothing but
an engine holds an array over all passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bot.lexical import Wanted, Words

DECIMALS = 6
"""Cosines are rounded to this, so that equal texts have equal scores however they were computed."""

Within = Sequence[range]
"""Rows to search alone: those of some documents. Ascending, apart, none empty."""


@dataclass(frozen=True, slots=True)
class Block:
    """Passages that follow one another, to be searched: n of them, with m sentences in all.

    vectors: (n, d) float32, unit length. sentences: (m, d) float16, those of each passage in order, passage after
    passage. counts: (n,) int64, how many of them are each passage's, 1 or more. terms: `lexical.terms` of the text that
    is indexed for each passage.
    """

    vectors: np.ndarray
    sentences: np.ndarray
    counts: np.ndarray
    terms: Sequence[list[str]]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of the passages that were asked for, in their order. dense: float64, cosine in [-1, 1]. sentence: float64, that
    of the passage's best sentence. lexical: float32, BM25, 0 or more."""

    dense: np.ndarray
    sentence: np.ndarray
    lexical: np.ndarray


class Engine(Protocol):
    """Safe to use from several threads. `vector` is (d,) float32, unit length; rows are int64.

    The same index and question give the same rows and scores every time. Raises IndexUnusable where the engine cannot
    be asked.
    """

    @property
    def kind(self) -> str:
        """What `[index] engine` calls it."""

    @property
    def passages(self) -> int: ...

    @property
    def words(self) -> Words:
        """What the passages' words tell without looking at a passage."""

    def nearest(self, vector: np.ndarray, k: int, within: Within | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The `k` passages with the highest cosines (fewer if there are not as many), and these, best first; rounded
        to `DECIMALS`, and equal ones by row."""

    def matching(self, wanted: Wanted, k: int, within: Within | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The `k` passages with the highest BM25 over 0, and these, best first, equal ones by row."""

    def score(self, vector: np.ndarray, wanted: Wanted, rows: np.ndarray) -> Scores:
        """Of these passages, exactly, whatever `nearest` and `matching` leave out. rows: ascending."""

    def parts(self, wanted: Wanted, row: int) -> dict[str, float]:
        """What the BM25 score of a passage is the sum of: each of the terms that it holds, weighted."""

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """(rows, d) float32, in this order: as they were added."""

    def sentences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) float16, those of the first passage in order, then those of the next; and (rows,) int64, how many
        are each one's. As they were added."""

    def sentence_cosines(self, vector: np.ndarray, row: int) -> np.ndarray:
        """(n,) float64: the cosine of each sentence of a passage, in order, rounded to `DECIMALS`."""

    def check(self) -> Iterator[str]:
        """What is no longer as it was saved, for a person to read, as far as opening it does not look at that."""

    def save(self, generation: Path) -> dict[str, Any]:
        """What the manifest of a new generation says of it. All files of the folder that it was built in are in
        `generation` already; an engine may put more beside them."""


class Builder(Protocol):
    """Makes an engine from the passages of an index, in their order."""

    def add(self, block: Block) -> None: ...

    def flush(self) -> None:
        """Has what was added written to where it outlives this process."""

    def finish(self) -> Engine: ...

    def close(self) -> None:
        """Lets go of what is open, finished or not."""
