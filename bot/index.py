"""Documents and passages with the engine that searches them: in memory, and as generations on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bot import drafts, export, generations, milvus, originals
from bot.compiled import Compiled
from bot.config import LOCAL, Config, Indexing
from bot.corpus import Caution, Corpus, ReadFile, Skipped, SourceFile, boxes, read_corpus, read_source, recheck
from bot.documents import Document
from bot.embed import Encoder
from bot.engine import DECIMALS, Block, Engine, Within
from bot.errors import (
    CorpusError,
    IndexCorrupt,
    IndexStale,
    IndexTooNew,
    IndexUnreachable,
    IndexUnusable,
    UsageError,
)
from bot.generations import Publication
from bot.lexical import Wanted, Words, terms
from bot.local import LocalBuilder, LocalEngine
from bot.passages import Passage, cut, indexed_texts
from bot.spelling import vocabulary

if TYPE_CHECKING:
    from bot.loaders.pdf import Box

logger = logging.getLogger(__name__)

_BLOCK = 65536
"""Vectors that are compared at a time, to bound the memory."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The union of both lists' best passages, by row. All arrays have the same length.

    rows: int64, ascending. dense, sentence, lexical: as `bot.engine.Scores`. ranks: from 1 within each list, 0 for a
    passage that is not in it.
    """

    rows: np.ndarray
    dense: np.ndarray
    sentence: np.ndarray
    lexical: np.ndarray
    dense_rank: np.ndarray
    lexical_rank: np.ndarray


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did: documents by id, files by path, passages by number. `renamed`: the old and the new id of
    documents whose text came back under another; they count as removed and added too. `index`: the one in use now."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    skipped: tuple[Skipped, ...]
    cautions: tuple[Caution, ...]
    passages: int
    embedded: int
    generation: str
    seconds: float
    renamed: tuple[tuple[str, str], ...] = ()
    index: Index | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "added": len(self.added),
            "changed": len(self.changed),
            "removed": len(self.removed),
            "unchanged": self.unchanged,
            "skipped": [asdict(skipped) for skipped in self.skipped],
            "cautions": [asdict(caution) for caution in self.cautions],
            "added_documents": list(self.added),
            "changed_documents": list(self.changed),
            "removed_documents": list(self.removed),
            "renamed": [{"from": before, "to": after} for before, after in self.renamed],
            "passages": self.passages,
            "embedded": self.embedded,
            "generation": self.generation,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Index:
    """Documents, the passages cut from them in order, and what searches them.

    `engine`: holds a vector for each passage and each sentence, and the passages' words.
    `keys`: SHA-256 of what a passage's vectors depend on; two passages with the same key have the same ones.
    `corpus`: the folder that was read, to check that a source is still as it was; None if there is none. `home`: the
    folder that it was loaded from.
    `vocabulary`: the words of all texts, titles and headings, folded, with their counts.
    `background`: the mean cosine of common health questions with the passage nearest to each, and likewise with
    the nearest sentence: what a match of the right field but the wrong subject is worth in this index.
    `compiled`: the encoder that questions can be embedded with.
    """

    documents: Mapping[str, Document]
    passages: Sequence[Passage]
    keys: Sequence[str]
    engine: Engine
    sources: Sequence[SourceFile]
    files: Sequence[ReadFile]
    corpus: Path | None
    model: Mapping[str, Any]
    fingerprint: str
    background: tuple[float, float]
    vocabulary: Mapping[str, int]
    compiled: Compiled | None = field(default=None)
    generation: str | None = field(default=None)
    home: Path | None = field(default=None)

    def __post_init__(self) -> None:
        if len({len(self.passages), len(self.keys), self.engine.passages}) != 1:
            raise IndexCorrupt(
                f"{len(self.passages)} passages, {len(self.keys)} keys and {self.engine.passages} rows of the engine "
                "do not belong together",
                remedy=generations.REBUILD,
            )

    @property
    def words(self) -> Words:
        """What the passages' words tell: which are known, and how rare they are."""
        return self.engine.words

    # Building

    @classmethod
    def build(
        cls, corpus: Corpus, folder: Path | None, encoder: Encoder, config: Config, known: Index | None = None
    ) -> Index:
        """Cuts, embeds and indexes the documents; vectors of passages that `known` has are taken from it.

        Raises CorpusError if there is no passage at all.
        """
        cuts = list(_cuts(corpus.documents, encoder, config, known))
        if not cuts:
            raise CorpusError(
                f"there is nothing to index in {folder or 'the corpus'}",
                remedy="Put a document with text into it: PDF, Word, HTML, Markdown or plain text.",
            )
        documents = {document.id: document for document in corpus.documents}
        passages = tuple(passage for passage, _ in cuts)
        keys = tuple(_key(passage, text) for passage, text in cuts)
        kept = {key: row for row, key in enumerate(known.keys)} if known else {}
        counts = np.array([len(passage.sentences) for passage in passages], dtype=np.int64)
        block = Block(
            vectors=_passage_vectors(keys, cuts, encoder, config.ranking.heading_weight, known, kept),
            sentences=_sentence_vectors(keys, passages, documents, encoder, known, kept),
            counts=counts,
            terms=[terms(text) for _, text in cuts],
        )
        builder = LocalBuilder(config.ranking.k1, config.ranking.b)
        builder.add(block)
        return cls(
            documents=documents,
            passages=passages,
            keys=keys,
            engine=builder.finish(),
            sources=corpus.sources,
            files=corpus.files,
            corpus=folder,
            model=describe(encoder),
            fingerprint=config.fingerprint(),
            background=_background(block, encoder),
            vocabulary=vocabulary(
                text for document in documents.values() for text in (document.text, *_names(document))
            ),
            compiled=known.compiled if known else None,
        )

    @classmethod
    def update(
        cls, folder: Path, corpus_folder: Path, encoder: Encoder, config: Config, *, rebuild: bool = False
    ) -> Report:
        """Brings the index in `folder` up to the corpus: embeds what is new, publishes a generation.

        If nothing changed, nothing is written. With `rebuild`, nothing of an index that is there is used.
        An index that is damaged or of other settings is replaced; one of a later format only with `rebuild`.
        Raises CorpusError, IndexLocked, IndexTooNew, IndexUnreachable.
        """
        began = time.perf_counter()
        with generations.writing(folder):
            if config.index.engine == "milvus":
                milvus.Milvus(config.index).reach()  # not only after everything was embedded
            drafts.settle(folder, config.corpus)
            known = None if rebuild else usable(folder, encoder, config)
            known_files = known.files if known and known.is_in(corpus_folder) else ()
            corpus = read_corpus(corpus_folder, config.corpus, known.documents if known else None, known_files)
            for skipped in corpus.skipped:
                logger.warning("skipped %s: %s", skipped.path, skipped.reason)
            before = known.documents if known else {}
            after = {document.id: document for document in corpus.documents}
            compiles = export.can(encoder, config.model) and not (known and known.compiled)
            moves = known is not None and known.engine.kind != config.index.engine
            if known and known.is_of(corpus, corpus_folder) and not compiles and not moves:
                index, embedded = known, 0
                originals.keep(folder, corpus_folder, known.sources)
            else:
                built = cls.build(corpus, corpus_folder, encoder, config, known)
                embedded = len(set(built.keys).difference(known.keys if known else ()))
                about = built.publication("command line", "build", known)
                with contextlib.ExitStack() as until_written:
                    if compiles:
                        compiled = until_written.enter_context(export.compiled(encoder, config.model, folder))
                        built = replace(built, compiled=compiled)
                    index = built.publish(folder, corpus_folder, about, config)
        added, changed, removed = differences(before, after)
        return Report(
            added=added,
            changed=changed,
            removed=removed,
            unchanged=len(after) - len(added) - len(changed),
            skipped=corpus.skipped,
            cautions=corpus.cautions,
            passages=len(index.passages),
            embedded=embedded,
            generation=index.generation or "",
            seconds=time.perf_counter() - began,
            renamed=_renamed([before[id] for id in removed], [after[id] for id in added]),
            index=index,
        )

    def is_of(self, corpus: Corpus, folder: Path) -> bool:
        """Whether this index was built from these documents in this folder."""

        def files(files: Iterable[ReadFile]) -> list[tuple[Any, ...]]:
            return [(file.source.path, file.source.sha256, file.rules, file.skipped, file.cautions) for file in files]

        def sources(sources: Iterable[SourceFile]) -> list[tuple[str, str]]:
            return sorted((source.path, source.sha256) for source in sources)

        return (
            self.is_in(folder)
            and list(self.documents.values()) == list(corpus.documents)
            and sources(self.sources) == sources(corpus.sources)
            and files(self.files) == files(corpus.files)
        )

    def is_in(self, folder: Path) -> bool:
        """Whether this index was built from what was in this folder."""
        return self.corpus is not None and self.corpus.resolve() == folder.resolve()

    # On disk

    def publication(
        self, who: str, kind: Literal["build", "publish", "roll back"], before: Index | None
    ) -> Publication:
        """The record of putting this index in the place of `before`."""
        changes = differences(before.documents if before else {}, self.documents)
        return Publication.of(who, kind, *changes, documents=len(self.documents))

    def publish(
        self,
        folder: Path,
        read: Path,
        about: Publication,
        config: Config,
        ready: Callable[[str], None] = lambda generation: None,
    ) -> Index:
        """Makes this the current index of `folder`, and returns it as it is loaded from there. `read`: where its
        sources are now, to be copied. `ready` as for `generations.publish`. Call it within `writing`."""
        originals.keep(folder, read, self.sources)
        keep = config.staff.generations
        generations.publish(folder, lambda new: self._write(new, folder, config.index), about, keep=keep, ready=ready)
        tidy(folder, config.index)
        return Index.load(folder, choice=config.index)

    def _write(self, new: Path, folder: Path, choice: Indexing) -> dict[str, Any]:
        _write_lines(new / "documents.jsonl", (document.to_dict() for document in self.documents.values()))
        rows = zip(self.passages, self.keys, strict=True)
        _write_lines(new / "passages.jsonl", ({**asdict(passage), "key": key} for passage, key in rows))
        _write_lines(new / "sources.jsonl", (asdict(source) for source in self.sources))
        _write_lines(new / "files.jsonl", (asdict(file) for file in self.files))
        (new / "vocabulary.json").write_text(json.dumps(self.vocabulary, sort_keys=True), encoding="utf-8")
        corpus = os.path.relpath(self.corpus.resolve(), folder.resolve()) if self.corpus else None
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "background": self.background,
            "engine": self._write_engine(new, folder, choice),
            "corpus": corpus,
            "counts": {"documents": len(self.documents), "passages": len(self.passages)},
            **({"compiled": self.compiled.write(new)} if self.compiled else {}),
        }

    def _write_engine(self, new: Path, folder: Path, choice: Indexing) -> dict[str, Any]:
        if choice.engine == "milvus" and isinstance(self.engine, LocalEngine):
            return milvus.write(self.engine, folder, new, choice)
        return self.engine.save(new)

    @classmethod
    def load(cls, folder: Path, id: str | None = None, choice: Indexing = LOCAL) -> Index:
        """The index in use in `folder`, or the generation with this `id`; every file checked against its hash.
        `choice`: where the server is, if it is searched on one.

        Raises IndexMissing, IndexCorrupt, IndexTooNew or IndexUnreachable, and UsageError for an `id` that is not kept.
        `check_made_by` tells whether it fits a model.
        """
        generation = generations.current(folder) if id is None else generations.one_of(folder, id)
        here, manifest = generation.folder, generation.manifest
        try:
            documents = [Document.from_dict(line) for line in _read_lines(here / "documents.jsonl")]
            passages = list(_read_lines(here / "passages.jsonl"))
            return cls(
                documents={document.id: document for document in documents},
                keys=tuple(line.pop("key") for line in passages),
                passages=tuple(
                    Passage(**{**line, "sentences": tuple((start, end) for start, end in line["sentences"])})
                    for line in passages
                ),
                engine=_engine(here, manifest["engine"], choice),
                sources=tuple(SourceFile(**line) for line in _read_lines(here / "sources.jsonl")),
                files=tuple(ReadFile.from_dict(line) for line in _read_lines(here / "files.jsonl")),
                corpus=folder / manifest["corpus"] if manifest["corpus"] else None,
                model=manifest["model"],
                fingerprint=manifest["fingerprint"],
                background=(manifest["background"][0], manifest["background"][1]),
                vocabulary=json.loads((here / "vocabulary.json").read_text(encoding="utf-8")),
                compiled=Compiled.of(here, manifest),
                generation=generation.id,
                home=folder,
            )
        except (KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
            problem = f"the index in {here} is damaged: {error}"
            raise IndexCorrupt(problem, remedy=generations.REBUILD) from error

    def check_made_by(self, encoder: Encoder, config: Config) -> None:
        """Raises IndexStale if the index was made by another model or with other settings."""
        if self.model != describe(encoder):
            raise IndexStale(
                f"the index was built with the model {self.model['name']}, not with {encoder.name}, "
                "or with other weights of that name",
                remedy="Build it again with this model: bot index",
            )
        if self.fingerprint != config.fingerprint():
            raise IndexStale(
                "the index was built with other settings of [passages], [model] or [ranking]",
                remedy="Build it again with these settings: bot index",
            )

    # Searching

    def search(
        self,
        vector: np.ndarray,
        wanted: Wanted,
        k: int,
        rows: np.ndarray | None = None,
        *,
        within: Within | None = None,
    ) -> Candidates:
        """The best `k` passages by cosine together with the best `k` by BM25 over 0; with `rows`, these instead.

        vector: (d,) float32, unit length. rows: int64, ascending. within: of these rows alone, see `rows_of`. Equal
        scores are ordered by row, so the same question finds the same passages in the same order.
        """
        nearest, _ = self.engine.nearest(vector, k, within)
        matching, _ = self.engine.matching(wanted, k, within)
        if rows is None:
            rows = np.union1d(nearest, matching)
        ranks = {"dense_rank": _ranks(rows, nearest), "lexical_rank": _ranks(rows, matching)}
        return replace(self.score(vector, wanted, rows), **ranks)

    def score(self, vector: np.ndarray, wanted: Wanted, rows: np.ndarray) -> Candidates:
        """The passages `rows` with their scores and without ranks (0); the arguments are those of `search`."""
        unranked = np.zeros(len(rows), dtype=np.int64)
        scores = self.engine.score(vector, wanted, rows)
        return Candidates(rows, scores.dense, scores.sentence, scores.lexical, unranked, unranked)

    def rows_of(self, documents: Iterable[str]) -> Within:
        """The rows of the passages of these documents, to search them alone."""
        return sorted((self.rows[id] for id in documents if self.rows.get(id)), key=lambda rows: rows.start)

    # Documents

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The titles and headings of all documents, each once."""
        return tuple(dict.fromkeys(name for document in self.documents.values() for name in _names(document)))

    def document(self, id: str) -> Document:
        """The document with this id. Raises UsageError if there is none."""
        if id not in self.documents:
            raise UsageError(
                f"there is no document {id!r} in the index",
                remedy="An id is the path in the corpus or the record's _id, as `bot search` prints it.",
            )
        return self.documents[id]

    @cached_property
    def rows(self) -> Mapping[str, range]:
        """The rows of each document's passages, which are neighbours in its order; of one without any, none."""
        firsts: dict[str, int] = {}
        for row, passage in enumerate(self.passages):
            firsts.setdefault(passage.document, row)
        ends = [*firsts.values(), len(self.passages)][1:]
        found = {id: range(first, end) for (id, first), end in zip(firsts.items(), ends, strict=True)}
        return {id: found.get(id, range(0)) for id in self.documents}

    @cached_property
    def _source_of(self) -> dict[str, SourceFile]:
        return {source.path: source for source in self.sources}

    def boxes(self, document: Document, start: int, end: int) -> tuple[Box, ...]:
        """Where on its pages ``document.text[start:end]`` stands; empty where there are none, or the file went."""
        held = self._held(document)
        return boxes(*held, document, start, end) if held else ()

    def file_of(self, document: Document) -> bytes | None:
        """The file that `document` came from; None unless it is still as it was when it was indexed."""
        held = self._held(document)
        return read_source(*held) if held else None

    def _held(self, document: Document) -> tuple[Path, SourceFile] | None:
        """The folder and the file in it that `document` came from, as it was when it was indexed: in the corpus or,
        where a publication has yet to put it there, its copy."""
        source = self._source_of.get(document.source)
        if source is None or self.corpus is None:
            return None
        now = recheck(self.corpus, source)
        if now is None and self.home:
            if copy := originals.instead(self.home, self.generation, self.corpus, source):
                return originals.copies(self.home), copy
            now = recheck(self.corpus, source)  # a publication may have put it there between the two looks
        if now is None:
            return None
        self._source_of[document.source] = now  # so that a file that was only touched is hashed once
        return self.corpus, now

    @cached_property
    def _language_of(self) -> dict[str, str]:
        """The languages of files, by path, as far as they could be told from their texts."""
        return {file.source.path: told for file in self.files if (told := file.facts.get("language"))}

    def language(self, document: Document) -> str | None:
        """The language of `document` as a BCP 47 tag: what it says itself, else what its file's text looks like."""
        return document.metadata.get("language") or self._language_of.get(document.source)

    def is_current(self, document: Document) -> bool:
        """Whether the file that `document` came from is still as it was when it was indexed."""
        return self._held(document) is not None


def differences(
    before: Mapping[str, Document], after: Mapping[str, Document]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The ids of the documents that were added, changed and removed."""
    return (
        tuple(id for id in after if id not in before),
        tuple(id for id in after if id in before and after[id] != before[id]),
        tuple(id for id in before if id not in after),
    )


def sources_of(generation: generations.Generation) -> tuple[SourceFile, ...]:
    """The files that the documents of a generation were made from. Raises IndexCorrupt."""
    path = generation.folder / "sources.jsonl"
    try:
        return tuple(SourceFile(**line) for line in _read_lines(path))
    except (OSError, ValueError, TypeError) as error:
        raise IndexCorrupt(f"{path} is damaged: {error}", remedy=generations.REBUILD) from error


def _engine(generation: Path, manifest: Mapping[str, Any], choice: Indexing) -> Engine:
    if manifest["kind"] == "milvus":
        return milvus.MilvusEngine.load(generation, manifest, choice)
    return LocalEngine.load(generation)


def tidy(folder: Path, choice: Indexing) -> None:
    """Removes the copies of files that no kept generation was made from and no publication under way puts into the
    corpus; none where that cannot be told. And what no kept generation has on a server. Call it within
    `generations.writing`."""
    milvus.tidy(folder, (generation.manifest["engine"] for generation in generations.kept(folder)), choice)
    swap = originals.under_way(folder)
    used = {step.after.sha256 for step in swap.steps if step.after} if swap else set()
    try:
        for generation in generations.kept(folder):
            used |= {source.sha256 for source in sources_of(generation)}
    except IndexCorrupt as error:
        logger.warning("%s", error.problem)
        return
    originals.clear(folder, used)


@cache
def common_questions() -> tuple[str, ...]:
    """Health questions as people ask them anywhere, one a line; they ship with the package."""
    return tuple((Path(__file__).parent / "common_questions.txt").read_text(encoding="utf-8").splitlines())


def describe(encoder: Encoder) -> dict[str, Any]:
    """What the manifest says of a model: two indexes with the same can share vectors."""
    return {
        "name": encoder.name,
        "weights_sha256": encoder.weights_sha256,
        "dimension": encoder.dimension,
        "window": encoder.window,
    }


def usable(folder: Path, encoder: Encoder, config: Config) -> Index | None:
    """The index in `folder` if its vectors can be used again."""
    try:
        index = Index.load(folder, choice=config.index)
        index.check_made_by(encoder, config)
    except (IndexTooNew, IndexUnreachable):
        raise
    except IndexUnusable as error:
        logger.info("building from the start: %s", error.problem)
        return None
    return index


def _cuts(
    documents: Iterable[Document], encoder: Encoder, config: Config, known: Index | None
) -> Iterator[tuple[Passage, str]]:
    """The passages of the documents with their indexed texts; those of unchanged documents are taken from `known`."""
    before: dict[str, list[Passage]] = {}
    for passage in known.passages if known else ():
        before.setdefault(passage.document, []).append(passage)
    for document in documents:
        if known and known.documents.get(document.id) == document:
            passages = before.get(document.id, [])
            yield from zip(passages, indexed_texts(document, passages, encoder, config.passages), strict=True)
        else:
            yield from cut(document, encoder, config.passages)


def _names(document: Document) -> Iterator[str]:
    yield document.title
    for section in document.sections:
        yield from section.headings[-1:]


def _renamed(removed: Iterable[Document], added: Iterable[Document]) -> tuple[tuple[str, str], ...]:
    gone: dict[str, list[str]] = {}
    for document in removed:
        gone.setdefault(document.sha256, []).append(document.id)
    return tuple((gone[new.sha256].pop(0), new.id) for new in added if gone.get(new.sha256))


def _key(passage: Passage, text: str) -> str:
    """SHA-256 of all that the vectors of a passage and of its sentences depend on."""
    borders = [(start - passage.start, end - passage.start) for start, end in passage.sentences]
    return hashlib.sha256(json.dumps([text, borders]).encode()).hexdigest()


def _passage_vectors(
    keys: Sequence[str],
    cuts: Sequence[tuple[Passage, str]],
    encoder: Encoder,
    heading_weight: float,
    known: Index | None,
    kept: Mapping[str, int],
) -> np.ndarray:
    """(passages, d) float32, unit length: the indexed text's vector plus `heading_weight` times that of title and
    section alone, which say what the passage is about. Those of `known` at the rows `kept` are taken from it.
    """
    texts = [text for _, text in cuts]
    headings = [text[: passage.start - passage.end].strip() for passage, text in cuts]
    fresh = [row for row, key in enumerate(keys) if key not in kept]
    made = _embed((text for row in fresh for text in (texts[row], headings[row]) if text), encoder)
    vectors = np.empty((len(keys), encoder.dimension), dtype=np.float32)
    for row, key in enumerate(keys):
        if known and key in kept:
            vectors[row] = known.engine.vectors(np.array([kept[key]]))[0]
        else:
            blended = made[texts[row]] + (heading_weight * made[headings[row]] if headings[row] else 0)
            vectors[row] = blended / np.linalg.norm(blended)
    return vectors


def _sentence_vectors(
    keys: Sequence[str],
    passages: Sequence[Passage],
    documents: Mapping[str, Document],
    encoder: Encoder,
    known: Index | None,
    kept: Mapping[str, int],
) -> np.ndarray:
    """(sentences, d) float16; those of `known` at the rows `kept` are taken from it."""
    blocks = [[documents[p.document].text[start:end] for start, end in p.sentences] for p in passages]
    made = _embed((text for key, block in zip(keys, blocks, strict=True) if key not in kept for text in block), encoder)
    rows = [
        known.engine.sentences(np.array([kept[key]]))[0]
        if known and key in kept
        else np.stack([made[text] for text in block])
        for key, block in zip(keys, blocks, strict=True)
    ]
    return np.concatenate(rows).astype(np.float16)


def _embed(texts: Iterable[str], encoder: Encoder) -> dict[str, np.ndarray]:
    """Each distinct text with its vector."""
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, encoder.encode_passages(distinct, progress=sys.stderr.isatty()), strict=True))


def _background(block: Block, encoder: Encoder) -> tuple[float, float]:
    questions = np.stack([encoder.encode_query(question) for question in common_questions()])
    best = []
    for vectors in (block.vectors, block.sentences):
        highest = np.full(len(questions), -1.0)
        for first in range(0, len(vectors), _BLOCK):
            cosines = vectors[first : first + _BLOCK].astype(np.float32) @ questions.T
            highest = np.maximum(highest, cosines.max(axis=0))
        best.append(round(float(highest.mean()), DECIMALS))
    return best[0], best[1]


def _ranks(rows: np.ndarray, ranking: np.ndarray) -> np.ndarray:
    """The place of each of `rows`, ascending, in a ranking, from 1; 0 for one that is not in it."""
    ranks = np.zeros(len(rows), dtype=np.int64)
    if not len(rows):
        return ranks
    at = np.minimum(np.searchsorted(rows, ranking), len(rows) - 1)
    here = rows[at] == ranking
    ranks[at[here]] = np.flatnonzero(here) + 1
    return ranks


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(json.dumps(record, ensure_ascii=True) + "\n" for record in records)


def _read_lines(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)
