"""How an index is written: documents are cut, embedded and counted some hundred passages at a time, into files.

What is embedded is written down at once with its hash (`blocks.jsonl`), so that a build that was killed costs the next
one only the block that it was at. No more texts and vectors than those of a block are in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bot.config import Config
from bot.corpus import Corpus
from bot.documents import Document
from bot.embed import Encoder
from bot.engine import DECIMALS, Block, Builder
from bot.errors import CorpusError
from bot.lexical import terms
from bot.passages import Passage, cut, indexed_texts
from bot.records import Keys, RecordsWriter
from bot.spelling import vocabulary, words_of
from bot.tables import write_lines

logger = logging.getLogger(__name__)

BLOCK = 128
"""Passages that are embedded together: enough that texts of like length meet, few enough that a kill loses little."""
AT_ONCE = 256
"""Texts that are embedded between two reports."""
REMEMBERED = 8192
"""Texts whose vectors are kept at hand: titles and headings come again with every passage of their section."""
_UNFINISHED, _LEFT = ".building", ".left"
_BLOCKS, _ABOUT = "blocks.jsonl", "about.json"


class Embedded(Protocol):
    """Where vectors can be taken from: `bot.engine.Engine` is one."""

    def vectors(self, rows: np.ndarray) -> np.ndarray: ...

    def sentences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Vectors that were made before, by what they depend on."""

    keys: Keys
    vectors: Embedded


class Before(Protocol):
    """The index before this one, from which what did not change is taken."""

    @property
    def documents(self) -> Mapping[str, Document]: ...

    def passages_of(self, id: str) -> Sequence[Passage]: ...

    def source(self) -> Source: ...


def describe(encoder: Encoder) -> dict[str, Any]:
    """What the manifest says of a model: two indexes with the same can share vectors."""
    return {
        "name": encoder.name,
        "weights_sha256": encoder.weights_sha256,
        "dimension": encoder.dimension,
        "window": encoder.window,
    }


@cache
def common_questions() -> tuple[str, ...]:
    """Health questions as people ask them anywhere, one a line; they ship with the package."""
    return tuple((Path(__file__).parent / "common_questions.txt").read_text(encoding="utf-8").splitlines())


Report = Callable[[float, int], None]
"""Told how far a build is, 0 to 1, and how many passages that are."""


def questions(encoder: Encoder) -> np.ndarray:
    """(q, d) float32: the common questions."""
    return np.stack([encoder.encode_query(question) for question in common_questions()])


def write(
    corpus: Corpus,
    encoder: Encoder,
    config: Config,
    known: Before | None,
    folder: Path,
    builder: Builder,
    questions: np.ndarray,
    report: Report | None = None,
) -> dict[str, Any]:
    """Writes documents, passages and what is known of their words into `folder`, and feeds `builder`; what the
    manifest says of them. Vectors that `known`, or a build that did not finish, has already are taken from there.
    questions: (q, d) float32, the common ones. `report`: instead of standard error.

    Raises CorpusError if there is no passage at all.
    """
    about = {"model": describe(encoder), "fingerprint": config.fingerprint()}
    sources = [known.source()] if known else []
    sources += _left(folder, about)
    (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
    embedding = _Embedding(encoder, config.ranking.heading_weight, sources)
    background = _Background(questions)
    records = RecordsWriter(folder)
    passages = characters = 0
    total = sum(len(document.text) for document in corpus.documents)
    with (
        contextlib.closing(records),
        _on_terminal() as told,
        (folder / _BLOCKS).open("w", encoding="utf-8") as journal,
    ):
        for cuts in _blocks(corpus.documents, encoder, config, known, records):
            length = sum(passage.end - passage.start for passage, _, _ in cuts)
            span = ((characters / total, (characters + length) / total), (passages, passages + len(cuts)))
            keys, block = embedding.block(cuts, partial(_tell, report or told, *span))
            records.add_keys(keys)
            builder.add(block)
            background.add(block)
            records.flush()
            builder.flush()
            journal.write(json.dumps({"counts": block.counts.tolist(), "sha256": _hash(keys, block)}) + "\n")
            journal.flush()
            passages += len(keys)
            characters += length
    if not passages:
        raise CorpusError(
            "there is nothing to index in the corpus",
            remedy="Put a document with text into it: PDF, Word, HTML, Markdown or plain text.",
        )
    write_lines(folder, "sources", (asdict(source) for source in corpus.sources))
    write_lines(folder, "files", (asdict(file) for file in corpus.files))
    counts = vocabulary(text for document in corpus.documents for text in (document.text, *names(document)))
    named = sorted({word for document in corpus.documents for name in names(document) for word in words_of(name)})
    words = {"counts": counts, "named": named}
    (folder / "vocabulary.json").write_text(json.dumps(words, sort_keys=True), encoding="utf-8")
    for name in (_BLOCKS, _ABOUT):
        (folder / name).unlink()
    return {
        **about,
        "searching": config.index.shape(),
        "background": background.means(),
        "counts": {"documents": len(corpus.documents), "passages": passages},
    }


def names(document: Document) -> Iterator[str]:
    """Its title and headings."""
    yield document.title
    for section in document.sections:
        yield from section.headings[-1:]


def _tell(report: Report, done: tuple[float, float], passages: tuple[int, int], part: float) -> None:
    """Reports that so much of a block is made. done, passages: before it and after."""
    of_all, count = (first + part * (last - first) for first, last in (done, passages))
    report(min(1.0, of_all), int(count))


# Where a build works


@contextlib.contextmanager
def unfinished(home: Path) -> Iterator[Path]:
    """A folder in `home` to build in; what an earlier build left there is beside it. When all is well it is removed in
    the end, with what is in it by then; otherwise it stays, for the next build to go on from. Call it within
    `generations.writing`."""
    folder, left = home / _UNFINISHED, home / _LEFT
    if folder.exists():
        # Of two that were left, the later one took over what the earlier had, as far as it came.
        earlier = [path for path in left.iterdir() if path.is_dir()] if left.exists() else []
        left.mkdir(exist_ok=True)
        os.replace(folder, left / f"{len(earlier):06d}")
    folder.mkdir(parents=True)
    yield folder
    clear(home)


def clear(home: Path) -> None:
    """Removes what builds that did not finish left in `home`. Call it within `generations.writing`."""
    for name in (_UNFINISHED, _LEFT):
        shutil.rmtree(home / name, ignore_errors=True)


def _left(folder: Path, about: Mapping[str, Any]) -> list[Source]:
    """What builds that did not finish left beside `folder`, if it is of this model and these settings."""
    found = []
    left = folder.parent / _LEFT
    for path in sorted(left.iterdir()) if left.is_dir() else ():
        try:
            if json.loads((path / _ABOUT).read_text(encoding="utf-8")) == about:
                found.append(_read_left(path))
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.info("nothing of an unfinished build can be used: %s", error)
    return [source for source in found if len(source.keys)]


class _Left:
    """The vectors of whole blocks."""

    def __init__(self, vectors: np.ndarray, sentences: np.ndarray, counts: np.ndarray) -> None:
        self._vectors, self._sentences = vectors, sentences
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._vectors[rows]
        return found

    def sentences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = [self._sentences[self._starts[row] : self._starts[row + 1]] for row in rows.tolist()]
        return np.concatenate(own), np.array([len(one) for one in own])


def _read_left(folder: Path) -> Source:
    """As far as the blocks are as they were written: a kill can come between any two bytes."""
    keys, vectors, sentences = (_unclosed(folder / f"{name}.npy") for name in ("keys", "vectors", "sentences"))
    counts: list[int] = []
    of_sentences = 0
    for line in (folder / _BLOCKS).read_text(encoding="utf-8").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            break
        rows = slice(len(counts), len(counts) + len(told["counts"]))
        own = slice(of_sentences, of_sentences + sum(told["counts"]))
        block = Block(vectors[rows], sentences[own], np.array(told["counts"], dtype=np.int64), ())
        if _hash(keys[rows], block) != told["sha256"]:
            break
        counts += told["counts"]
        of_sentences = own.stop
    return Source(Keys(keys[: len(counts)]), _Left(vectors, sentences, np.array(counts, dtype=np.int64)))


def _unclosed(path: Path) -> np.ndarray:
    """The rows of a .npy file whose head may not say yet how many they are."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        (_, *columns), _, dtype = np.lib.format.read_array_header_1_0(file)
        begin = file.tell()
    size = int(np.prod(columns)) * dtype.itemsize
    rows = (path.stat().st_size - begin) // size
    if not rows:
        return np.empty((0, *columns), dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=begin, shape=(rows, *columns))


def _hash(keys: np.ndarray, block: Block) -> str:
    sha256 = hashlib.sha256()
    for part in (keys, block.vectors.astype(np.float32), block.sentences.astype(np.float16)):
        sha256.update(np.ascontiguousarray(part).tobytes())
    return sha256.hexdigest()


# Passages and their vectors

_Cut = tuple[Passage, str, str]
"""A passage, the text that is indexed for it, and the text of its document."""


def _blocks(
    documents: Iterable[Document], encoder: Encoder, config: Config, known: Before | None, records: RecordsWriter
) -> Iterator[list[_Cut]]:
    """The passages of the documents, written down on the way, `BLOCK` or some more at a time; those of unchanged
    documents are taken from `known`."""
    block: list[_Cut] = []
    for document in documents:
        if known and known.documents.get(document.id) == document:
            passages = known.passages_of(document.id)
            texts: Sequence[str] = indexed_texts(document, passages, encoder, config.passages)
        else:
            cuts = cut(document, encoder, config.passages)
            passages, texts = [passage for passage, _ in cuts], [text for _, text in cuts]
        records.add(document, passages)
        block += ((passage, text, document.text) for passage, text in zip(passages, texts, strict=True))
        while len(block) >= BLOCK:
            yield block[:BLOCK]
            block = block[BLOCK:]
    if block:
        yield block


def _key(passage: Passage, text: str) -> bytes:
    """SHA-256 of all that the vectors of a passage and of its sentences depend on."""
    borders = [(start - passage.start, end - passage.start) for start, end in passage.sentences]
    return hashlib.sha256(json.dumps([text, borders]).encode()).digest()


class _Embedding:
    """Makes blocks: vectors that are there already are taken over, texts that come again embedded once.

    A passage's vector is of unit length: its indexed text's plus `heading_weight` times that of title and section
    alone, which say what the passage is about.
    """

    def __init__(self, encoder: Encoder, heading_weight: float, sources: Sequence[Source]) -> None:
        self._encoder = encoder
        self._heading_weight = heading_weight
        self._sources = sources
        self._made: OrderedDict[str, np.ndarray] = OrderedDict()

    def block(self, cuts: Sequence[_Cut], tell: Callable[[float], None]) -> tuple[np.ndarray, Block]:
        """The keys, (n, 32) uint8, and the block. tell: is told how much of it is done, 0 to 1."""
        raw = b"".join(_key(passage, text) for passage, text, _ in cuts)
        keys = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 32)
        counts = np.array([len(passage.sentences) for passage, _, _ in cuts], dtype=np.int64)
        vectors = np.empty((len(cuts), self._encoder.dimension), dtype=np.float32)
        sentences = np.empty((int(counts.sum()), self._encoder.dimension), dtype=np.float16)
        first = np.cumsum(counts) - counts
        missing = np.arange(len(cuts))
        for source in self._sources:
            found = source.keys.find(keys[missing])
            held, rows = missing[found >= 0], found[found >= 0]
            if len(held):
                vectors[held] = source.vectors.vectors(rows)
                own, lengths = source.vectors.sentences(rows)
                at = np.repeat(first[held] - (np.cumsum(lengths) - lengths), lengths) + np.arange(len(own))
                sentences[at] = own
            missing = missing[found < 0]
        self._embed((text for row in missing.tolist() for text in _texts(*cuts[row])), tell)
        for row in missing.tolist():
            text, heading, *own_sentences = _texts(*cuts[row])
            vector = self._made[text] + (self._heading_weight * self._made[heading] if heading else 0)
            vectors[row] = vector / np.linalg.norm(vector)
            for place, sentence in enumerate(own_sentences, start=int(first[row])):
                sentences[place] = self._made[sentence]
        while len(self._made) > REMEMBERED:
            self._made.popitem(last=False)
        return keys, Block(vectors, sentences, counts, [terms(text) for _, text, _ in cuts])

    def _embed(self, texts: Iterable[str], tell: Callable[[float], None]) -> None:
        fresh = []
        for text in dict.fromkeys(texts):
            if text in self._made:
                self._made.move_to_end(text)
            elif text:
                fresh.append(text)
        fresh.sort(key=len)  # like lengths together, so that hardly any padding is computed
        for at in range(0, len(fresh), AT_ONCE):
            tell(at / len(fresh))
            some = fresh[at : at + AT_ONCE]
            self._made.update(zip(some, self._encoder.encode_passages(some), strict=True))
        tell(1.0)


def _texts(passage: Passage, text: str, document: str) -> list[str]:
    """The indexed text, title and section alone, and the sentences."""
    return [
        text,
        text[: passage.start - passage.end].strip(),
        *(document[start:end] for start, end in passage.sentences),
    ]


class _Background:
    """The mean cosine of the common questions with the passage nearest to each, and with the nearest sentence."""

    def __init__(self, questions: np.ndarray) -> None:
        self._questions = questions
        self._best = np.full((2, len(self._questions)), -1.0)

    def add(self, block: Block) -> None:
        for best, vectors in zip(self._best, (block.vectors, block.sentences), strict=True):
            np.maximum(best, (vectors.astype(np.float32) @ self._questions.T).max(axis=0), out=best)

    def means(self) -> tuple[float, float]:
        first, second = self._best.mean(axis=1).tolist()
        return round(first, DECIMALS), round(second, DECIMALS)


@contextlib.contextmanager
def _on_terminal() -> Iterator[Report]:
    """Says on standard error, if that is a terminal, how many passages there are, how fast they come, and how long it
    takes yet."""
    began = last = time.monotonic()
    shown = sys.stderr.isatty()

    def tell(done: float, passages: int) -> None:
        nonlocal last
        now = time.monotonic()
        if shown and now - last > 0.2 and done:
            last, took = now, now - began
            left = int(took * (1 / done - 1))
            sys.stderr.write(
                f"\r\x1b[K{passages} passages, {passages / took:.0f} a second, {done:.0%}, "
                f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
            )
            sys.stderr.flush()

    try:
        yield tell
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
