"""How fast passages are embedded: beside the bare encoder on the same batches, and beside sentence-transformers.

    python benchmarks/encode.py [--index index] [--texts 2000] [--rounds 3]

The texts are the passages of an index, and their sentences, a sample of each. "Bare" is nothing but the calls of ONNX
Runtime that `encode_passages` makes, their inputs ready in memory, on as many threads. All rows of a table are measured
in turns, so that whatever else the machine does slows all of them. "CPU" is what all threads computed.
"""

import argparse
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bot.compiled import CompiledEncoder
from bot.config import ModelChoice
from bot.embed import SentenceTransformerEncoder
from bot.export import export
from bot.index import Index


class Recorder:
    """A session that keeps what it was given."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, outputs: None, given: dict[str, np.ndarray]) -> Any:
        self.given.append(given)
        return self.session.run(outputs, given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, default=Path("index"))
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    reference = SentenceTransformerEncoder(ModelChoice())
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "torch", "sentence-transformers"))
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory() as folder:
        export(reference, ModelChoice(), Path(folder))
        made = CompiledEncoder(Path(folder), ModelChoice())
        for what, texts in read(options.index, options.texts).items():
            compare(what, texts, made, reference, options.rounds)


def read(folder: Path, most: int) -> dict[str, Sequence[str]]:
    index = Index.load(folder)
    ranges = {
        "passages": [(p.document, p.start, p.end) for p in index.passages],
        "sentences": [(p.document, *span) for p in index.passages for span in p.sentences],
    }
    drawn = {what: random.Random(1).sample(rows, min(most, len(rows))) for what, rows in ranges.items()}
    return {
        what: [index.documents[document].text[start:end] for document, start, end in rows]
        for what, rows in drawn.items()
    }


def compare(
    what: str, texts: Sequence[str], made: CompiledEncoder, reference: SentenceTransformerEncoder, rounds: int
) -> None:
    session = made._session
    made._session = recorder = Recorder(session)
    found = made.encode_passages(texts)
    made._session = session

    def bare() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            list(workers.map(lambda given: session.run(None, given), recorder.given))

    def others(threads: int) -> np.ndarray:
        torch.set_num_threads(threads)
        return reference.encode_passages(texts)

    rows: dict[str, Callable[[], object]] = {
        "bare encoder, the same batches": bare,
        "encode_passages": lambda: made.encode_passages(texts),
        "sentence-transformers, one thread": lambda: others(1),
        "sentence-transformers, all cores": lambda: others(os.cpu_count() or 1),
    }
    apart = float(np.abs(found - others(1)).max())
    wall: dict[str, list[float]] = {name: [] for name in rows}
    cpu: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, call in rows.items():
            began, ran = time.perf_counter(), time.process_time()
            call()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - ran)
    sizes = [given["input_ids"].size for given in recorder.given]
    tokens = statistics.mean(made.count_tokens(texts))
    print(
        f"\n{len(texts)} {what} of {tokens:.0f} tokens, {len(sizes)} batches of {statistics.mean(sizes):.0f};", end=" "
    )
    print(f"load {os.getloadavg()[0]:.1f}; at most {apart:.0e} apart from sentence-transformers")
    head = (f"{what}/s", "tokens/s", "rate, × bare", "CPU s", "CPU, × bare")
    print(f"{'':36}" + "".join(f"{title:>16}" for title in head))
    bare_wall, bare_cpu = (statistics.median(next(iter(times.values()))) for times in (wall, cpu))
    for name in rows:
        took, own = statistics.median(wall[name]), statistics.median(cpu[name])
        print(f"{name:36}{len(texts) / took:16.1f}{sum(sizes) / took:16.0f}{bare_wall / took:16.2f}", end="")
        print(f"{own:16.2f}{own / bare_cpu:16.2f}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
