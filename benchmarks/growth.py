"""How the cost of an index grows with its passages: build, disk, memory, search, ask, recall.

    python benchmarks/growth.py CORPUS.jsonl QUESTIONS.jsonl [--sizes 10000 100000] [--real 300] [--folder DIR]
                                [--vectors VECTORS.npy]

CORPUS.jsonl, QUESTIONS.jsonl: an object a line with "text". First the first `--real` documents are indexed as they are,
with the compiled encoder, beside the bare encoder over the same texts. Then, for each size, passages are made up: the
sentences of real ones put together anew, and vectors simulated: real ones with noise of as much as a real one is apart
from its nearest neighbour. They are written by the code of a build, but neither cut nor embedded. VECTORS.npy: real
ones to start from, (n, d); otherwise those of the first index. What is in DIR already is used as it is.

Each index is made, then opened and asked, in a process of its own. "build's MB": the most memory that making it took,
files that were mapped included; "own MB" and "mapped MB": after the questions; "bare": the encoder's call alone for the
same question, in turns with `search` and `ask`.
"""

import argparse
import dataclasses
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from bot import building, generations
from bot.bot import Bot
from bot.compiled import CompiledEncoder
from bot.config import Config
from bot.corpus import SourceFile, read_corpus
from bot.documents import Document, Section
from bot.embed import load_encoder
from bot.engine import Block
from bot.generations import Publication
from bot.index import Index
from bot.lexical import terms
from bot.local import LocalBuilder
from bot.passages import Passage
from bot.records import RecordsWriter
from bot.spelling import vocabulary
from bot.tables import write_lines

ASKED, BLOCK = 200, 2000
CONFIG = Config(corpus=dataclasses.replace(Config().corpus, verify_sources=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, metavar="CORPUS.jsonl")
    parser.add_argument("questions", type=Path, metavar="QUESTIONS.jsonl")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--real", type=int, default=300, help="documents")
    parser.add_argument("--folder", type=Path, help="where the indexes stay; otherwise they are removed")
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, questions_in(options.questions))
        return
    if options.make:
        make(options, Path(options.make[0]), int(options.make[1]))
        return
    packages = ", ".join(f"{name} {version(name)}" for name in ("faiss-cpu", "onnxruntime", "numpy"))
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        built(options.corpus, folder / "real", options.real)
        heads = ("passages", "build s", "MB of disk", "build's MB", "own MB", "mapped MB", "open s")
        heads += ("bare ms", "search p50", "p95", "ask p50", "p95", "ask × bare", "recall@10", "load")
        print("".join(f"{head:>12}" for head in heads), flush=True)
        for size in options.sizes:
            home = folder / str(size)
            made = {} if (home / "CURRENT").exists() else told("--make", str(home), str(size))
            asked = told("--ask", str(home))["figures"]
            here = generations.current(home)
            disk = sum(path.stat().st_size for path in here.folder.rglob("*") if path.is_file()) / 1e6
            near = here.manifest["engine"]["near"]
            recall = near["recall"] if near else 1.0
            figures = [made.get("seconds", 0.0), disk, made.get("peak", 0.0), *asked, recall, os.getloadavg()[0]]
            print(f"{size:12}" + "".join(f"{figure:12.2f}" for figure in figures), flush=True)


def told(*arguments: str) -> dict[str, Any]:
    """What a process of this program's own says in the last line of its output."""
    done = subprocess.run([sys.executable, *sys.argv, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def questions_in(file: Path) -> list[str]:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[:ASKED]]
    return [line["text"] for line in lines]


def built(corpus: Path, home: Path, documents: int) -> None:
    """An index of real documents by the real encoder, and how fast that was beside the encoder alone."""
    if (home / "done").exists():
        return
    folder = home / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    lines = corpus.read_text(encoding="utf-8").splitlines()[:documents]
    (folder / "corpus.jsonl").write_text("\n".join(lines[:2]), encoding="utf-8")
    Index.update(home / "index", folder, load_encoder(CONFIG.model), CONFIG)  # exports the model
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    encoder = Noting(compiled_of(home))
    read = read_corpus(folder, CONFIG.corpus)
    began = time.perf_counter()
    made = Index.build(read, folder, encoder, CONFIG)
    took = time.perf_counter() - began
    began = time.perf_counter()
    encoder.encoder.encode_passages(encoder.texts)
    alone = time.perf_counter() - began
    print(
        f"real: {len(made.passages)} passages, {len(encoder.texts)} texts in {took:.1f} s, "
        f"{len(made.passages) / took:.1f} passages/s; the encoder alone {alone:.1f} s: {alone / took:.2f} × its speed; "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    Index.update(home / "index", folder, compiled_of(home), CONFIG)
    (home / "done").touch()


def compiled_of(home: Path) -> CompiledEncoder:
    compiled = Index.load(home / "index").compiled
    assert compiled
    assert compiled.folder
    return CompiledEncoder(compiled.folder, CONFIG.model)


class Noting:
    """An encoder that notes the passages' texts."""

    def __init__(self, encoder: CompiledEncoder) -> None:
        self.encoder = encoder
        self.name, self.weights_sha256 = encoder.name, encoder.weights_sha256
        self.dimension, self.window = encoder.dimension, encoder.window
        self.count_tokens, self.encode_query = encoder.count_tokens, encoder.encode_query
        self.texts: list[str] = []

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        self.texts.extend(texts)
        return self.encoder.encode_passages(texts)


def make(options: argparse.Namespace, home: Path, size: int) -> None:
    began = time.perf_counter()
    real = Index.load(home.parent / "real" / "index")
    pool = (
        np.load(options.vectors, mmap_mode="r")
        if options.vectors
        else real.engine.sentences(np.arange(len(real.passages)))[0]
    )
    simulated(options.corpus, real, compiled_of(home.parent / "real"), pool, home, size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"seconds": time.perf_counter() - began, "peak": peak}))


def simulated(corpus: Path, real: Index, encoder: CompiledEncoder, pool: np.ndarray, home: Path, size: int) -> None:
    """An index of `size` made-up passages in `home`."""
    asked = building.questions(encoder)
    ranking = CONFIG.ranking
    with generations.writing(home), building.unfinished(home) as stage:
        builder = LocalBuilder(
            stage, dimension=encoder.dimension, k1=ranking.k1, b=ranking.b, searching=CONFIG.index, questions=asked
        )
        records = RecordsWriter(stage)
        random = np.random.default_rng(0)
        spread = apart(pool)
        for number, (documents, words) in enumerate(made_up(corpus, random, size)):
            counts = np.array([len(passage.sentences) for _, passage in documents])
            for document, passage in documents:
                records.add(document, [passage])
            records.add_keys(random.integers(0, 256, (len(documents), 32), dtype=np.uint8))
            vectors, sentences = (noisy(pool, spread, count, random) for count in (len(documents), counts.sum()))
            builder.add(Block(vectors, sentences.astype(np.float16), counts, words))
            if number % 50 == 0:
                print(f"{number * BLOCK} of {size}", end="\r", file=sys.stderr, flush=True)
        records.close()
        write_lines(stage, "sources", [dataclasses.asdict(SourceFile("made-up.jsonl", 0, 0, "0" * 64))])
        write_lines(stage, "files", [])
        lines = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
        counts = vocabulary(text for line in lines for text in (line["text"], line.get("title", "")))
        shown = {"counts": counts, "named": [line["title"] for line in lines if line.get("title")]}
        (stage / "vocabulary.json").write_text(json.dumps(shown), encoding="utf-8")
        facts = {
            "model": building.describe(encoder),
            "fingerprint": CONFIG.fingerprint(),
            "searching": CONFIG.index.shape(),
            "background": real.background,
        }
        index = Index._of(stage, facts, builder.finish(), corpus=None, compiled=real.compiled, scratch=None)
        about = Publication.of("benchmark", "build", (), (), (), documents=size)
        generations.publish(home, lambda new: index._write(new, home, CONFIG.index), about, keep=2)


def made_up(
    corpus: Path, random: np.random.Generator, size: int
) -> Iterator[tuple[list[tuple[Document, Passage]], list[list[str]]]]:
    """Documents of one passage each: a real title, and real sentences put together anew."""
    lines = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    pieces = [piece for line in lines for piece in line["text"].replace("\n", " ").split(". ") if 20 < len(piece) < 300]
    own = [terms(piece) for piece in pieces]
    titles = [line.get("title") or line["text"][:60].split(". ")[0] for line in lines]
    named = [terms(title) for title in titles]
    for first in range(0, size, BLOCK):
        some, words = [], []
        for number in range(first, min(first + BLOCK, size)):
            chosen = random.integers(0, len(pieces), int(random.integers(3, 8))).tolist()
            title = int(random.integers(0, len(titles)))
            ends = np.cumsum([len(pieces[one]) + 2 for one in chosen]).tolist()
            text = "".join(f"{pieces[one]}. " for one in chosen)[:-1]
            ends[-1] -= 1
            document = Document(f"d{number}", text, titles[title], (Section(0, len(text), ()),), "made-up.jsonl")
            spans = tuple(zip([0, *ends[:-1]], [*(end - 1 for end in ends[:-1]), ends[-1]], strict=True))
            some.append((document, Passage(document.id, 0, len(text), 0, spans)))
            words.append([*named[title], *(word for one in chosen for word in own[one])])
        yield some, words


def apart(pool: np.ndarray) -> float:
    """How far a vector is from its nearest other one, by the median of some."""
    some = np.ascontiguousarray(np.unique(pool[:20_000], axis=0), dtype=np.float32)
    near, _ = faiss.knn(some[:200], some, 2, faiss.METRIC_INNER_PRODUCT)
    return float(np.sqrt(np.maximum(0, 2 - 2 * np.median(near[:, 1]))))


def noisy(pool: np.ndarray, spread: float, count: int, random: np.random.Generator) -> np.ndarray:
    made = np.asarray(pool[random.integers(0, len(pool), count)], dtype=np.float32)
    made += random.standard_normal(made.shape, dtype=np.float32) * np.float32(spread / made.shape[1] ** 0.5)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def ask(home: Path, questions: list[str]) -> None:
    began = time.perf_counter()
    bot = Bot.open(home, config=CONFIG)
    opened = time.perf_counter() - began
    bot.warm_up()
    times: dict[str, list[float]] = {"bare": [], "search": [], "ask": []}
    for number, question in enumerate([*questions[:20], *questions]):
        for name, call in (("bare", bot.encoder.encode_query), ("search", bot.search), ("ask", bot.ask)):
            began = time.perf_counter()
            call(question)
            if number >= 20:
                times[name].append((time.perf_counter() - began) * 1e3)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    own, mapped = (int(status.split(name)[1].split()[0]) / 1e3 for name in ("RssAnon:", "RssFile:"))
    bare = float(np.median(times["bare"]))
    figures = [
        own,
        mapped,
        opened,
        bare,
        *np.percentile(times["search"], (50, 95)),
        *np.percentile(times["ask"], (50, 95)),
    ]
    print(json.dumps({"figures": [*map(float, figures), float(np.median(times["ask"])) / bare]}))


if __name__ == "__main__":
    main()
