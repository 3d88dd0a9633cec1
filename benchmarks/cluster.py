"""What a search costs on a Milvus server, beside the same one on this machine, and what an index is made of.

    python benchmarks/cluster.py INDEX [--url URL] [--questions N]

INDEX: a folder with a local index. Its vectors and words are written to a collection of the server at URL, which is
dropped in the end; without URL, Milvus Lite is started on this machine (pip install milvus-lite): its figures are those
of a program in Python for trying things out, not those of a cluster. Both engines are asked the same common questions
in turns; rows that one question read are not kept for the next. Prints Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bot import building, milvus
from bot.compiled import CompiledEncoder
from bot.config import ModelChoice, Searching
from bot.embed import load_encoder
from bot.index import Index
from bot.lexical import Wanted, terms
from bot.tables import Recent

PARTS = {
    "vectors": ("vectors.npy",),
    "vectors of sentences": ("sentences.npy", "sentences_at.npy"),
    "postings": tuple(f"bm25/{name}_{part}.npy" for name in ("words", "pairs") for part in ("passages", "scores")),
    "terms": tuple(
        f"bm25/{name}"
        for name in ("words.bin", "words_at.npy", "words_postings_at.npy", "pairs.npy", "pairs_postings_at.npy")
    ),
    "documents": ("documents.jsonl",),
}
CANDIDATES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--url", default="")
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    index = Index.load(options.index)
    passages = len(index.passages)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]}"
    )
    print(f"\n| of {passages} passages | bytes a passage |\n|---|---|")
    for part, files in PARTS.items():
        print(f"| {part} | {sum((index.files_in / name).stat().st_size for name in files) / passages:.0f} |")
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = options.url or stack.enter_context(lite(home / "data"))
        token = os.environ.get("PLAINQUOTE_INDEX_TOKEN", "")
        choice = Searching(engine="milvus", url=url, token=token, timeout=120.0)
        shutil.copytree(index.files_in, home / "000001", copy_function=os.link)
        began = time.perf_counter()
        facts = milvus.write(index.engine, home, home / "000001", choice)  # type: ignore[arg-type]
        seconds = time.perf_counter() - began
        print(
            f"\nWritten to Milvus in {seconds:.1f} s, {passages / seconds:.0f} passages/s; {facts['place']['kind']}.\n"
        )
        engine = milvus.MilvusEngine.load(home / "000001", facts, choice)
        try:
            compare(index, engine, options.questions)
        finally:
            milvus.tidy(home, [], choice)


STEPS = ("nearest", "matching", "score", "together")


def compare(index: Index, engine: milvus.MilvusEngine, count: int) -> None:
    compiled = index.compiled
    choice = ModelChoice()
    encoder = CompiledEncoder(compiled.folder, choice) if compiled and compiled.folder else load_encoder(choice)
    times: dict[str, list[list[float]]] = {"local": [], "milvus": []}
    same = 0
    questions = building.common_questions()[:count]
    for question in questions:
        vector, wanted = encoder.encode_query(question), Wanted.of(terms(question))
        found = []
        for name, one in (("local", index.engine), ("milvus", engine)):
            engine._kept = Recent(milvus._MEMORY)
            at = [time.perf_counter()]
            nearest, _ = one.nearest(vector, CANDIDATES)
            at.append(time.perf_counter())
            matching, _ = one.matching(wanted, CANDIDATES)
            at.append(time.perf_counter())
            scores = one.score(vector, wanted, np.union1d(nearest, matching))
            at.append(time.perf_counter())
            times[name].append([*np.diff(at) * 1000, (at[-1] - at[0]) * 1000])
            found.append([part.tolist() for part in (nearest, matching, scores.dense, scores.sentence, scores.lexical)])
        same += found[0] == found[1]
    print("| ms | local p50 | p95 | Milvus p50 | p95 |\n|---|---|---|---|---|")
    for step, name in enumerate(STEPS):
        cells = [f"{np.percentile(np.array(of)[:, step], at):.1f}" for of in times.values() for at in (50, 95)]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n{same} of {len(questions)} questions: the same passages in the same order, with the same scores.")


@contextlib.contextmanager
def lite(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
