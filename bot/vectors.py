"""Which vectors are nearest to one. The only module that imports faiss."""

from __future__ import annotations

import faiss
import numpy as np

faiss.omp_set_num_threads(1)  # on shared cores one thread a question is several times faster than two


def nearest(vectors: np.ndarray, wanted: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the `k` highest inner products with each of `wanted`, and these: (q, k) int64 and float32, the highest
    first. vectors: (n, d), wanted: (q, d), float32; `k` is at most n."""
    products, rows = faiss.knn(wanted, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return rows, products
