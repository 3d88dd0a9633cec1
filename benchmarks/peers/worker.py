"""One library in a process of its own: builds an index, or answers questions that come in over standard input.

    python worker.py LIBRARY build FOLDER MODEL PASSAGES.jsonl [VECTORS.npy]   → one line of JSON
    python worker.py LIBRARY serve FOLDER MODEL                                → a line of JSON for each line of JSON

Started by `python benchmarks/peers` in the environment that the library lives in. LIBRARY is the module
``with_LIBRARY`` beside this file; its class ``Library`` has `build`, `open` and `search`.
"""

import importlib
import itertools
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

LOCAL = ("127.", "::1", "localhost")


def refuse_network(event: str, arguments: tuple) -> None:
    """An audit hook: a library that would reach out, for telemetry or a model, fails instead."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not str(arguments[1][0]).startswith(LOCAL):
        raise ConnectionRefusedError(f"no network in this benchmark: {arguments[1]}")


def peak_mb() -> float:
    """The most memory that this process ever held (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def build(library, folder: Path, passages: Path, vectors: Path | None) -> dict:
    texts = [json.loads(line)["text"] for line in passages.read_text(encoding="utf-8").splitlines()]
    given = None
    if vectors:
        import numpy as np

        given = np.load(vectors)
    if hasattr(library, "load"):
        library.load()
    before = peak_mb()
    began, ran = time.perf_counter(), time.process_time()
    library.build(folder, texts, given)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - ran,
        "passages": len(texts),
        "peak_mb": peak_mb(),
        "peak_mb_before": before,
    }


def answer(library, order: dict) -> dict:
    if "rank" in order:  # all questions, for the quality
        follows = getattr(library, "follows", False)  # whether it takes the earlier questions of a conversation
        return {
            "rankings": [
                library.search(text, order["k"], history) if follows else library.search(text, order["k"])
                for text, history in order["rank"]
            ]
        }
    if "clients" in order:
        return load(library, order)
    began, ran = time.perf_counter(), time.process_time()
    found = library.search(order["ask"], order["k"])
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "cpu_seconds": time.process_time() - ran, "found": found, "peak_mb": peak_mb()}


def load(library, order: dict) -> dict:
    """Questions/s of several threads that share the library; with a lock around it where it cannot be shared."""
    if not order["lock"]:
        try:
            return together(library, order, nullcontext())
        except Exception as error:  # noqa: BLE001 - whatever a library raises when two threads meet in it
            return {"failed": f"{type(error).__name__}: {error}"[:200]}
    return together(library, order, threading.Lock())


def together(library, order: dict, lock) -> dict:
    turns, times = itertools.cycle(order["questions"]), []
    end = time.perf_counter() + order["seconds"]

    def client() -> None:
        while (began := time.perf_counter()) < end:
            question = next(turns)
            with lock:
                library.search(question, order["k"])
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    with ThreadPoolExecutor(order["clients"]) as pool:
        for future in [pool.submit(client) for _ in range(order["clients"])]:
            future.result()
    return {"answers": len(times), "seconds": time.perf_counter() - began, "peak_mb": peak_mb()}


def main() -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    sys.addaudithook(refuse_network)
    name, what, folder, model, *files = sys.argv[1:]
    library = importlib.import_module(f"with_{name}").Library(model)
    if what == "build":
        passages, vectors = Path(files[0]), Path(files[1]) if files[1:] else None
        out.write(json.dumps(build(library, Path(folder), passages, vectors)) + "\n")
        return
    library.open(Path(folder))
    for line in sys.stdin:
        out.write(json.dumps(answer(library, json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
