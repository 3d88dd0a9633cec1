"""What a question costs beside the bare encoder call: alone, with several clients, while both cores are busy, and from
a cold start, with what each import takes of that.

    python benchmarks/query.py QUESTIONS.jsonl [--index index] [--questions 200] [--rounds 3] [--only PART …]

QUESTIONS.jsonl: an object a line with "text" or "question". The index is one with a compiled encoder.
All rows of a table are measured in turns, so that whatever else the machine does slows all of them. "CPU" is what the
thread itself computed, which other programs disturb less.
"""

import argparse
import dataclasses
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bot.bot import Bot
from bot.compiled import CompiledEncoder
from bot.config import Config

ROOT = Path(__file__).parent.parent
PARTS = ("alone", "busy", "together", "batches", "cold", "imports")
CLIENTS = (1, 4, 16)
BATCHES = (1, 2, 4, 8, 16)
SHOWN = 15
"""Imports."""
SECONDS = 4.0
"""For each number of clients."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="QUESTIONS.jsonl")
    parser.add_argument("--index", type=Path, default=Path("index"))
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="of cold starts")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    questions = list(itertools.islice(read(options.file), options.questions))
    config = Config.load()
    fast, reference = (
        Bot.open(
            options.index, config=dataclasses.replace(config, model=dataclasses.replace(config.model, backend=name))
        )
        for name in ("onnx", "torch")
    )
    assert isinstance(fast.encoder, CompiledEncoder)
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "torch", "sentence-transformers"))
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, {packages}")
    print(f"load {os.getloadavg()[0]:.1f}; {len(fast.index.passages)} passages, {len(questions)} questions\n")
    parts: dict[str, Callable[[], None]] = {
        "alone": lambda: alone(fast, reference, questions),
        "busy": lambda: busy(fast, questions),
        "together": lambda: together(fast, reference, questions),
        "batches": lambda: in_batches(fast.encoder, questions),
        "cold": lambda: cold(options.index, questions[0], options.rounds),
        "imports": lambda: imports(options.index, questions[0]),
    }
    for name in PARTS:
        if name in options.only:
            parts[name]()


def read(file: Path) -> Sequence[str]:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [line.get("text") or line["question"] for line in lines]


def alone(fast: Bot, reference: Bot, questions: Sequence[str]) -> None:
    rows: dict[str, Callable[[str], object]] = {
        "bare encoder call": fast.encoder.encode_query,
        "sentence-transformers call": reference.encoder.encode_query,
        "ask": fast.ask,
        "ask through sentence-transformers": reference.ask,
    }
    wall: dict[str, list[float]] = {name: [] for name in rows}
    cpu: dict[str, list[float]] = {name: [] for name in rows}
    for number, question in enumerate([*questions[:5], *questions]):
        for name, call in rows.items():
            began, ran = time.perf_counter(), time.thread_time()
            call(question)
            if number >= 5:  # the first are to warm up
                wall[name].append(time.perf_counter() - began)
                cpu[name].append(time.thread_time() - ran)
    head = ("p50 ms", "p95 ms", "p50, × bare", "CPU p50 ms", "CPU p50, × bare")
    print(f"{'one client':36}" + "".join(f"{title:>16}" for title in head))
    bare, bare_cpu = (statistics.median(times["bare encoder call"]) for times in (wall, cpu))
    for name in rows:
        p50, p95 = np.percentile(wall[name], (50, 95))
        own = statistics.median(cpu[name])
        print(f"{name:36}{p50 * 1e3:16.1f}{p95 * 1e3:16.1f}{p50 / bare:16.2f}{own * 1e3:16.1f}{own / bare_cpu:16.2f}")
    print()


def busy(fast: Bot, questions: Sequence[str]) -> None:
    """Quiet and busy in turns; a busy core runs a program that does nothing but count."""
    wall: dict[str, list[float]] = {"quiet": [], "every core busy": []}
    for part in np.array_split(np.array(questions), 4):
        for name, times in wall.items():
            others = [
                subprocess.Popen([sys.executable, "-c", "while True: pass"])
                for _ in range(os.cpu_count() or 1)
                if name != "quiet"
            ]
            try:
                for question in [str(part[0]), *part.tolist()]:
                    began = time.perf_counter()
                    fast.ask(question)
                    times.append(time.perf_counter() - began)
            finally:
                for other in others:
                    other.kill()
                    other.wait()
    print(f"{'ask beside a busy program':36}{'p50 ms':>16}{'p95 ms':>16}{'p95, × quiet':>16}")
    quiet = np.percentile(wall["quiet"], 95)
    for name, times in wall.items():
        p50, p95 = np.percentile(times, (50, 95))
        print(f"{name:36}{p50 * 1e3:16.1f}{p95 * 1e3:16.1f}{p95 / quiet:16.2f}")
    print()


def in_batches(encoder: CompiledEncoder, questions: Sequence[str]) -> None:
    """What one encoder call for several questions would gain, at best: they are all equally long here."""
    lengths = encoder.count_tokens(questions)
    usual = int(np.median(lengths))
    one = questions[lengths.index(min(lengths, key=lambda length: abs(length - usual)))]
    wall: dict[tuple[int, int], list[float]] = {(size, workers): [] for size in BATCHES for workers in (1, 2)}
    for _ in range(5):
        for (size, workers), times in wall.items():
            with ThreadPoolExecutor(workers) as pool:
                tokens = [encoder._tokens(one)] * size
                calls = 32 * workers // size
                began = time.perf_counter()
                list(pool.map(lambda _, tokens=tokens: encoder._run(tokens), range(calls)))  # type: ignore[misc]
                times.append((time.perf_counter() - began) / calls / size)
    print(f"{f'questions of {usual} tokens a call':36}{'questions/s':>16}{'with 2 threads':>16}")
    for size in BATCHES:
        print(f"{size:<36}" + "".join(f"{1 / statistics.median(wall[size, workers]):16.0f}" for workers in (1, 2)))
    print()


def together(fast: Bot, reference: Bot, questions: Sequence[str]) -> None:
    print(f"{'clients at once':36}{'questions/s':>16}{'p50 ms':>16}{'p95 ms':>16}")
    for clients in CLIENTS:
        for name, bot in (("ask", fast), ("ask through sentence-transformers", reference)):
            times: list[float] = []
            turns = itertools.cycle(questions)
            end = time.perf_counter() + SECONDS

            def client(bot: Bot = bot, times: list[float] = times, end: float = end, turns: object = turns) -> None:
                while (began := time.perf_counter()) < end:
                    bot.ask(next(turns))  # type: ignore[call-overload]
                    times.append(time.perf_counter() - began)

            began = time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                for future in [pool.submit(client) for _ in range(clients)]:
                    future.result()
            rate = len(times) / (time.perf_counter() - began)
            p50, p95 = np.percentile(times, (50, 95))
            print(f"{f'{clients}: {name}':36}{rate:16.1f}{p50 * 1e3:16.1f}{p95 * 1e3:16.1f}")
    print()


def cold(index: Path, question: str, rounds: int) -> None:
    ask = [sys.executable, "-m", "bot", "ask", question, "--index", str(index.resolve())]
    rows = {
        "python -c pass": ([sys.executable, "-c", "pass"], "auto"),
        "bot --help": ([sys.executable, "-m", "bot", "--help"], "auto"),
        "bot ask": (ask, "onnx"),
        "bot ask through sentence-transformers": (ask, "torch"),
    }
    wall: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, (command, backend) in rows.items():
            began = time.perf_counter()
            environment = {**os.environ, "PLAINQUOTE_MODEL_BACKEND": backend, "PYTHONDONTWRITEBYTECODE": ""}
            subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
            wall[name].append(time.perf_counter() - began)
    least = {name: min(times) for name, times in wall.items()}
    print(f"{'cold start':40}{'p50 s':>12}{'least s':>12}")
    for name, times in wall.items():
        print(f"{name:40}{statistics.median(times):12.2f}{least[name]:12.2f}")
    print()
    for name, beside in (("bot --help", "python -c pass"), ("bot ask", "bot ask through sentence-transformers")):
        ratio = statistics.median(wall[name]) / statistics.median(wall[beside])
        print(f"{name} takes {ratio:.2f} × {beside} (p50), {least[name] / least[beside]:.2f} × (least)")


def imports(index: Path, question: str) -> None:
    """What each import of `bot ask` takes of a cold start, without what it imports in turn."""
    command = [sys.executable, "-X", "importtime", "-m", "bot", "ask", question, "--index", str(index.resolve())]
    environment = {**os.environ, "PLAINQUOTE_MODEL_BACKEND": "onnx"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    own: Counter[str] = Counter()
    for line in ran.stderr.splitlines():
        if found := re.fullmatch(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)", line):
            module = found[2].split(".")
            own[".".join(module[: 2 if module[0] == "bot" else 1])] += int(found[1])
    print(f"{'imports of bot ask':36}{'ms':>16}{'share':>16}")
    total = own.total()
    for name, took in (("all", total), *own.most_common(SHOWN)):
        print(f"{name:36}{took / 1e3:16.1f}{took / total:16.0%}")


if __name__ == "__main__":
    main()
