"""Which vectors are nearest to one: exactly, or nearly and much faster. The only module that imports faiss."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np

faiss.omp_set_num_threads(1)  # on shared cores one thread a question is several times faster than two

MOST_LISTS = 8192
_SAMPLE = 40
"""Vectors a list from which the lists are learnt."""
_BLOCK = 1 << 16
"""Vectors that are added at a time."""


def nearest(vectors: np.ndarray, wanted: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the `k` highest inner products with each of `wanted`, and these: (q, k) int64 and float32, the highest
    first. vectors: (n, d), wanted: (q, d), float32; `k` is at most n."""
    products, rows = faiss.knn(wanted, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return rows, products


class Lists:
    """An inverted file: vectors in lists around centres that were learnt from them, each number in a byte. A search
    looks through the lists whose centres are nearest. It gives candidates: their products are not exact.

    Source: Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", 2011 (the inverted file).
    docs/performance.md compares it, FAISS's ``IVF…,SQ8``, with others.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError or RuntimeError for a file that cannot be read. It is mapped into memory."""
        index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        stored: Any = faiss.downcast_InvertedLists(index.invlists)
        stored.prefetch_nthread = 0  # starting threads takes longer than the search
        self._index = index
        self.vectors: int = index.ntotal
        self.lists: int = index.nlist

    @staticmethod
    def write(path: Path, vectors: np.ndarray) -> None:
        """Learns the lists and writes them with all `vectors`, (n, d) float32; the same ones give the same file."""
        lists = min(MOST_LISTS, 2 ** round(math.log2(4 * math.sqrt(len(vectors)))), max(1, len(vectors) // _SAMPLE))
        index = faiss.index_factory(vectors.shape[1], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(0).choice(len(vectors), min(len(vectors), _SAMPLE * lists), replace=False)
        with _all_cores():
            index.train(vectors[np.sort(sample)])
            for first in range(0, len(vectors), _BLOCK):
                index.add(np.ascontiguousarray(vectors[first : first + _BLOCK]))
        faiss.write_index(index, str(path))

    def search(self, vector: np.ndarray, k: int, probes: int) -> np.ndarray:
        """(k or fewer,) int64, the best first: rows of candidates from the `probes` nearest lists."""
        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = probes
        [rows] = self._index.search(vector[None, :], k, params=parameters)[1]
        found: np.ndarray = rows[rows >= 0]
        return found


@contextmanager
def _all_cores() -> Iterator[None]:
    """While something is learnt; it is a setting of the thread that calls."""
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(1)
