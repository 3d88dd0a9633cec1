"""One library in a process of its own: does what comes in over standard input, a line of JSON for a line of JSON.

    python worker.py LIBRARY MODEL

    {"build": FOLDER, "passages": FILE, "vectors": FILE or null}
    {"open": FOLDER}
    {"ask": QUESTION, "k": 10}
    {"rank": [[QUESTION, [EARLIER QUESTION, …]], …], "k": 100}
    {"clients": 4, "lock": false, "seconds": 4, "questions": […], "k": 10}

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


def build(library, order: dict) -> dict:
    texts = [json.loads(line)["text"] for line in Path(order["passages"]).read_text(encoding="utf-8").splitlines()]
    given = None
    if order["vectors"]:
        import numpy as np

        given = np.load(order["vectors"])
    if hasattr(library, "load"):
        library.load()
    before = peak_mb()
    began, ran = time.perf_counter(), time.process_time()
    library.build(Path(order["build"]), texts, given)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - ran,
        "passages": len(texts),
        "peak_mb": peak_mb(),
        "peak_mb_before": before,
    }


def answer(library, order: dict) -> dict:
    if "build" in order:
        return build(library, order)
    if "open" in order:
        library.open(Path(order["open"]))
        return {}
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
    name, model = sys.argv[1:]
    module = importlib.import_module(f"with_{name}")
    library = module.Library(model)
    used = False
    for line in sys.stdin:
        order = json.loads(line)
        if "build" in order and used:
            library = module.Library(model)  # nothing of the index before
        used = True
        out.write(json.dumps(answer(library, order)) + "\n")


if __name__ == "__main__":
    main()
