"""Which FAISS index is the fastest that still finds what an exact search finds, over the vectors of real passages.

    python benchmarks/approximate.py VECTORS.npy [--sizes 100000 1000000] [--kinds Flat HNSW32 …]

VECTORS.npy: (n, d), unit length, such as `vectors.npy` or `sentences.npy` of an index. The last ones are the questions.
Where a size is larger than the file, the rest is simulated: real vectors with noise of as much as a real one is apart
from its nearest neighbour. One thread. All but Flat give 200 candidates, which are scored again exactly, as the engine
does: recall@10 and recall@100 of what is left, and p50 of one question with that.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np

QUESTIONS, CANDIDATES, WANTED = 300, 200, 100
KINDS = ("Flat", "SQ8", "HNSW32", "HNSW32_SQ8", "IVF,Flat", "IVF,SQ8", "IVF,PQ96x4fs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="VECTORS.npy")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000])
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, faiss {faiss.__version__}, load {os.getloadavg()[0]:.1f}")
    real = np.load(options.file, mmap_mode="r")
    questions = np.ascontiguousarray(real[-QUESTIONS:], dtype=np.float32)
    for size in options.sizes:
        vectors = simulated(real[:-QUESTIONS], size)
        exact, _ = faiss.knn(questions, vectors, WANTED, faiss.METRIC_INNER_PRODUCT)
        print(f"\n{size} vectors ({min(size, len(real) - QUESTIONS)} of them real)")
        heads = zip(
            ("search", "build s", "MB", "p50 ms", "recall@10", "recall@100"), (14, 10, 8, 9, 11, 12), strict=True
        )
        print(f"{'kind':16}" + "".join(f"{head:>{width}}" for head, width in heads), flush=True)
        for kind in options.kinds:
            began = time.perf_counter()
            index = made(kind, vectors)
            took = time.perf_counter() - began
            with tempfile.NamedTemporaryFile() as file:
                faiss.write_index(index, file.name)
                megabytes = os.path.getsize(file.name) / 1e6
            for name, parameters in searches(kind):
                found, p50 = timed(lambda one, i=index, p=parameters: search(i, p, vectors, one), questions)  # noqa: B023
                at_10, at_100 = (recall(found, exact, vectors, questions, k) for k in (10, WANTED))
                figures = f"{took:10.1f}{megabytes:8.0f}{p50 * 1e3:9.2f}{at_10:11.4f}{at_100:12.4f}"
                print(f"{kind:16}{name:>14}{figures}", flush=True)
            del index


def simulated(real: np.ndarray, size: int) -> np.ndarray:
    if size <= len(real):
        return np.ascontiguousarray(real[:size], dtype=np.float32)
    made = np.empty((size, real.shape[1]), dtype=np.float32)
    made[: len(real)] = real
    random = np.random.default_rng(0)
    sample = np.ascontiguousarray(real[random.choice(len(real), 200, replace=False)], dtype=np.float32)
    near, _ = faiss.knn(sample, np.ascontiguousarray(real, dtype=np.float32), 2, faiss.METRIC_INNER_PRODUCT)
    apart = float(np.sqrt(np.maximum(0, 2 - 2 * np.median(near[:, 1]))))
    for first in range(len(real), size, 50_000):
        end = min(first + 50_000, size)
        noise = random.standard_normal((end - first, real.shape[1]), dtype=np.float32) * (apart / real.shape[1] ** 0.5)
        some = np.asarray(real[random.integers(0, len(real), end - first)], dtype=np.float32) + noise
        made[first:end] = some / np.linalg.norm(some, axis=1, keepdims=True)
    return made


def made(kind: str, vectors: np.ndarray) -> faiss.Index:
    lists = min(8192, 2 ** round(np.log2(4 * np.sqrt(len(vectors)))))
    index = faiss.index_factory(vectors.shape[1], kind.replace("IVF,", f"IVF{lists},"), faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(1).choice(len(vectors), min(len(vectors), 40 * lists), replace=False)
    index.train(vectors[np.sort(sample)])
    index.add(vectors)
    return index


def searches(kind: str) -> Iterator[tuple[str, faiss.SearchParameters | None]]:
    if kind.startswith("HNSW"):
        for ef in (200, 400):
            yield f"ef {ef}", faiss.SearchParametersHNSW(efSearch=ef)
    elif kind.startswith("IVF"):
        for probes in (8, 16, 32, 64, 128):
            yield f"probes {probes}", faiss.SearchParametersIVF(nprobe=probes)
    else:
        yield "", None


def search(index: faiss.Index, parameters: object, vectors: np.ndarray, question: np.ndarray) -> np.ndarray:
    [rows] = index.search(question[None], CANDIDATES, params=parameters)[1]
    rows = np.sort(rows[rows >= 0])
    return rows[np.argsort(-(vectors[rows] @ question), kind="stable")[:WANTED]]


def timed(search: Callable[[np.ndarray], np.ndarray], questions: np.ndarray) -> tuple[list[np.ndarray], float]:
    found, times = [], []
    for question in questions:
        began = time.perf_counter()
        found.append(search(question))
        times.append(time.perf_counter() - began)
    return found, statistics.median(times)


def recall(found: list[np.ndarray], exact: np.ndarray, vectors: np.ndarray, questions: np.ndarray, k: int) -> float:
    """Of the `k` best, how many are as near as the `k`-th of an exact search: equal ones are as good."""
    pairs = zip(found, exact, questions, strict=True)
    return float(np.mean([np.sum(vectors[rows[:k]] @ one >= best[k - 1] - 1e-6) / k for rows, best, one in pairs]))


if __name__ == "__main__":
    main()
