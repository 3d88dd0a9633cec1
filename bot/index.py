"""Documents and passages with the engine that searches them: in memory, and as generations on disk."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bot import building, drafts, export, generations, milvus, originals
from bot.compiled import Compiled, CompiledEncoder, link
from bot.config import LOCAL, Config, ModelChoice, Searching
from bot.corpus import Caution, Corpus, ReadFile, Skipped, SourceFile, boxes, read_corpus, read_source, recheck
from bot.documents import Document
from bot.embed import Encoder, find_model, hash_weights, load_encoder
from bot.engine import Engine, Within
from bot.errors import (
    IndexCorrupt,
    IndexMissing,
    IndexStale,
    IndexTooNew,
    IndexUnreachable,
    IndexUnusable,
    UsageError,
)
from bot.generations import Publication
from bot.lexical import Wanted, Words
from bot.local import LocalBuilder, LocalEngine
from bot.passages import Passage
from bot.records import SHOWN, Documents, Keys, Passages, Ranges
from bot.tables import Lines

if TYPE_CHECKING:
    from bot.loaders.pdf import Box

logger = logging.getLogger(__name__)

_ROWS = 65536
"""Keys that are compared at a time, to bound the memory."""


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
    """Documents, the passages cut from them in order, and what searches them; all of it is read from `files_in` where
    it is asked for.

    `engine`: holds a vector for each passage and each sentence, and the passages' words.
    `corpus`: the folder that was read, to check that a source is still as it was; None if there is none. `home`: the
    folder that it was loaded from.
    `vocabulary`: the words of all texts, titles and headings, folded, with their counts; `named`: those of titles and
    headings. `searching`: the settings of ``[index]`` that it was built with.
    `background`: the mean cosine of common health questions with the passage nearest to each, and likewise with
    the nearest sentence: what a match of the right field but the wrong subject is worth in this index.
    `compiled`: the encoder that questions can be embedded with.
    """

    documents: Documents
    passages: Passages
    engine: Engine
    sources: Sequence[SourceFile]
    files: Sequence[ReadFile]
    corpus: Path | None
    model: Mapping[str, Any]
    fingerprint: str
    background: tuple[float, float]
    vocabulary: Mapping[str, int]
    named: Sequence[str]
    searching: Mapping[str, Any]
    files_in: Path
    scratch: object
    compiled: Compiled | None = field(default=None)
    generation: str | None = field(default=None)
    home: Path | None = field(default=None)

    def __post_init__(self) -> None:
        if len(self.passages) != self.engine.passages:
            raise IndexCorrupt(
                f"{len(self.passages)} passages and {self.engine.passages} rows of the engine do not belong together",
                remedy=generations.REBUILD,
            )

    @property
    def words(self) -> Words:
        """What the passages' words tell: which are known, and how rare they are."""
        return self.engine.words

    # Building

    @classmethod
    def build(
        cls,
        corpus: Corpus,
        folder: Path | None,
        encoder: Encoder,
        config: Config,
        known: Index | None = None,
        *,
        into: Path | None = None,
        report: building.Report | None = None,
    ) -> Index:
        """Cuts, embeds and indexes the documents; vectors of passages that `known` has are taken from it. `into`: an
        empty folder to write to, of `building.unfinished`; without it, one that is gone when nothing uses the index any
        more. `report`: see `building.write`.

        Raises CorpusError if there is no passage at all.
        """
        scratch = None
        if into is None:
            scratch = _Scratch()
            into = scratch.folder
        ranking = config.ranking
        questions = building.questions(encoder)
        with closing(
            LocalBuilder(
                into,
                dimension=encoder.dimension,
                k1=ranking.k1,
                b=ranking.b,
                searching=config.index,
                questions=questions,
            )
        ) as builder:
            facts = building.write(corpus, encoder, config, known, into, builder, questions, report)
            engine = builder.finish()
        return cls._of(
            into,
            facts,
            engine,
            corpus=folder,
            compiled=known.compiled if known else None,
            scratch=scratch,
        )

    @classmethod
    def _of(cls, folder: Path, facts: Mapping[str, Any], engine: Engine, **more: Any) -> Index:
        """The index whose files are in `folder` and of which a manifest says `facts`. Raises OSError, KeyError,
        TypeError or ValueError where they are not as they were written."""
        documents = Documents(folder)
        words = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        return cls(
            documents=documents,
            passages=Passages(folder, documents),
            engine=engine,
            sources=Lines(folder, "sources", lambda line: SourceFile(**line)),
            files=Lines(folder, "files", ReadFile.from_dict),
            model=facts["model"],
            fingerprint=facts["fingerprint"],
            background=(facts["background"][0], facts["background"][1]),
            vocabulary=words["counts"],
            named=words["named"],
            searching=facts["searching"],
            files_in=folder,
            **more,
        )

    def passages_of(self, id: str) -> Sequence[Passage]:
        """Those of a document, in order. Raises KeyError if there is none with this id."""
        rows = self.passages.of(id)
        return self.passages[rows.start : rows.stop]

    def source(self) -> building.Source:
        """Its vectors, to be taken over."""
        return building.Source(self.passages.keys, self.engine)

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
            same = known and known.is_of(corpus, corpus_folder) and known.searching == config.index.shape()
            if known and same and not compiles:
                index, embedded = known, 0
                originals.keep(folder, corpus_folder, known.sources)
                building.clear(folder)
            else:
                with ExitStack() as until_written:
                    compiled = known.compiled if known else None
                    if compiles:
                        compiled = until_written.enter_context(export.compiled(encoder, config.model, folder))
                    embeds = _embeds(encoder, compiled, config.model)
                    stage = until_written.enter_context(building.unfinished(folder))
                    built = replace(
                        cls.build(corpus, corpus_folder, embeds, config, known, into=stage), compiled=compiled
                    )
                    embedded = _fresh(built.passages.keys, known.passages.keys if known else None)
                    about = built.publication("command line", "build", known)
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
            and len(self.documents) == len(corpus.documents)
            and all(mine == theirs for mine, theirs in zip(self.documents.values(), corpus.documents, strict=True))
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

    def _write(self, new: Path, folder: Path, choice: Searching) -> dict[str, Any]:
        for file in sorted(self.files_in.rglob("*")):
            to = new / file.relative_to(self.files_in)
            if file.is_dir():
                to.mkdir()
            else:
                link(file, to)
        corpus = os.path.relpath(self.corpus.resolve(), folder.resolve()) if self.corpus else None
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "background": self.background,
            "engine": self._save(new, folder, choice),
            "corpus": corpus,
            "counts": {"documents": len(self.documents), "passages": len(self.passages)},
            "searching": self.searching,
            "shown": SHOWN,
            **({"compiled": self.compiled.write(new)} if self.compiled else {}),
        }

    def _save(self, new: Path, folder: Path, choice: Searching) -> dict[str, Any]:
        if choice.engine == "milvus" and isinstance(self.engine, LocalEngine):
            return milvus.write(self.engine, folder, new, choice)
        return self.engine.save(new)

    @classmethod
    def load(cls, folder: Path, id: str | None = None, choice: Searching = LOCAL, *, thorough: bool = False) -> Index:
        """The index in use in `folder`, or the generation with this `id`; its files checked as `generations` describes,
        every byte of them where `thorough`. `choice`: where the server is, if it is searched on one.

        Raises IndexMissing, IndexCorrupt or IndexTooNew, ConfigError if that server is not named, and UsageError for an
        `id` that is not kept. `check_made_by` tells whether it fits a model.
        """
        generation = generations.current(folder, thorough) if id is None else generations.one_of(folder, id, thorough)
        here, manifest = generation.folder, generation.manifest
        try:
            return cls._of(
                here,
                manifest,
                _engine(here, manifest["engine"], choice),
                corpus=folder / manifest["corpus"] if manifest["corpus"] else None,
                compiled=Compiled.of(here, manifest),
                generation=generation.id,
                home=folder,
                scratch=None,
            )
        except (KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
            problem = f"the index in {here} is damaged: {error}"
            raise IndexCorrupt(problem, remedy=generations.REBUILD) from error

    def check_made_by(self, encoder: Encoder, config: Config) -> None:
        """Raises IndexStale if the index was made by another model or with other settings."""
        if self.model != building.describe(encoder):
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
        return Ranges(self.documents, self.passages)

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
        with path.open("rb") as lines:
            return tuple(SourceFile(**json.loads(line)) for line in lines)
    except (OSError, ValueError, TypeError) as error:
        raise IndexCorrupt(f"{path} is damaged: {error}", remedy=generations.REBUILD) from error


def documents_in(generation: generations.Generation, ids: Collection[str]) -> dict[str, Document]:
    """Those of `ids` that a generation holds, read from its documents alone. Raises IndexCorrupt."""
    try:
        documents = Documents(generation.folder)
    except (OSError, ValueError) as error:
        raise IndexCorrupt(
            f"the index in {generation.folder} is damaged: {error}", remedy=generations.REBUILD
        ) from error
    return {id: documents[id] for id in ids if id in documents}


def _engine(generation: Path, manifest: Mapping[str, Any], choice: Searching) -> Engine:
    if manifest["kind"] == "milvus":
        return milvus.MilvusEngine.load(generation, manifest, choice)
    return LocalEngine.load(generation, manifest)


def tidy(folder: Path, choice: Searching) -> None:
    """Removes the copies of files that no kept generation was made from and no publication under way puts into the
    corpus; none where that cannot be told. And what no kept generation has on a server. Call it within
    `generations.writing`."""
    in_use = generations.in_use_now(folder)
    kept = sorted(generations.kept(folder), key=lambda generation: generation.id != in_use)  # the others stay in order
    milvus.tidy(folder, [generation.manifest["engine"] for generation in kept], choice)
    swap = originals.under_way(folder)
    used = {step.after.sha256 for step in swap.steps if step.after} if swap else set()
    try:
        for generation in generations.kept(folder):
            used |= {source.sha256 for source in sources_of(generation)}
    except IndexCorrupt as error:
        logger.warning("%s", error.problem)
        return
    originals.clear(folder, used)


def usable(folder: Path, encoder: Encoder, config: Config) -> Index | None:
    """The index in `folder` if its vectors can be used again."""
    try:
        index = Index.load(folder, choice=config.index, thorough=True)
        index.check_made_by(encoder, config)
    except (IndexTooNew, IndexUnreachable):
        raise
    except IndexUnusable as error:
        logger.info("building from the start: %s", error.problem)
        return None
    return index


def encoder_for(folder: Path, choice: ModelChoice, *, rebuild: bool = False) -> Encoder:
    """What documents are embedded with: the compiled encoder of the index in `folder`, if it has one of this model as
    it is now, which needs no torch; else the model itself. With `rebuild`, nothing of the index is used.

    Raises ModelError or IndexTooNew.
    """
    if choice.backend != "torch" and not rebuild:
        with suppress(IndexMissing, IndexCorrupt, IndexStale):
            generation = generations.current(folder)
            compiled = Compiled.of(generation.folder, generation.manifest)
            if compiled and compiled.folder and generation.manifest["model"]["name"] == choice.name:
                made = CompiledEncoder(compiled.folder, choice)
                if made.weights_sha256 == hash_weights(find_model(choice.name)):
                    return made
    return load_encoder(choice)


def _embeds(encoder: Encoder, compiled: Compiled | None, choice: ModelChoice) -> Encoder:
    """The compiled encoder, which is faster, where there is one and it is wanted."""
    if compiled is None or compiled.folder is None or choice.backend == "torch":
        return encoder
    made = CompiledEncoder(compiled.folder, choice)
    return made if building.describe(made) == building.describe(encoder) else encoder


def _fresh(keys: Keys, known: Keys | None) -> int:
    """How many of the distinct keys are not among the known ones."""
    fresh = [np.empty((0, 32), dtype=np.uint8)]
    for at in range(0, len(keys), _ROWS):
        own = np.asarray(keys.array[at : at + _ROWS])
        fresh.append(own if known is None else own[known.find(own) < 0])
    return len(np.unique(np.concatenate(fresh), axis=0))


class _Scratch:
    """A folder that is there as long as this is."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="plainquote-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def _renamed(removed: Iterable[Document], added: Iterable[Document]) -> tuple[tuple[str, str], ...]:
    gone: dict[str, list[str]] = {}
    for document in removed:
        gone.setdefault(document.sha256, []).append(document.id)
    return tuple((gone[new.sha256].pop(0), new.id) for new in added if gone.get(new.sha256))


def _ranks(rows: np.ndarray, ranking: np.ndarray) -> np.ndarray:
    """The place of each of `rows`, ascending, in a ranking, from 1; 0 for one that is not in it."""
    ranks = np.zeros(len(rows), dtype=np.int64)
    if not len(rows):
        return ranks
    at = np.minimum(np.searchsorted(rows, ranking), len(rows) - 1)
    here = rows[at] == ranking
    ranks[at[here]] = np.flatnonzero(here) + 1
    return ranks
