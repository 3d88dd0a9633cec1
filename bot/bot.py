"""`Bot`: what every front, script and evaluation asks."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from bot import answer as answers
from bot import generations, quality, texts
from bot.answer import Answer
from bot.compiled import CompiledEncoder
from bot.confidence import shipped
from bot.config import Config, ModelChoice
from bot.corpus import read_corpus
from bot.documents import Document
from bot.embed import Encoder, Once, load_encoder
from bot.errors import IndexStale, IndexUnusable, UsageError
from bot.glossary import Glossary
from bot.index import Index
from bot.query import Knowledge, Query, check, understand
from bot.retrieve import Hits, retrieve
from bot.spelling import Speller, apply
from bot.timings import Timings
from bot.triage import Reading, read

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Trace:
    """What an answer is based on. hits: the candidates. every: all passages of the index, ranked, if asked for."""

    index: Index
    reading: Reading
    hits: Hits
    choice: answers.Choice
    every: Hits | None


class Bot:
    """Answers from one index at a time, with one encoder. Safe to call from several threads.

    `refresh` may put a newer index in place of `index` at any moment, so each answer takes it once and keeps to it.
    """

    def __init__(self, index: Index, encoder: Encoder, config: Config) -> None:
        """Raises IndexStale if the index was made by another model or with other settings, ConfigError for a language
        without its texts."""
        texts.catalogue(config.clinic.language)
        index.check_made_by(encoder, config)
        self.encoder = encoder
        self.config = config
        self._glossary = Glossary.load(Path(config.query.glossary) if config.query.glossary else None)
        self._current = (index, self._knowledge(index))
        self._folder: Path | None = None
        self._moved_to: Path | None = None
        self._seen: str | None = None
        self._refreshing = threading.Lock()

    @classmethod
    def open(
        cls, index: Path | str = "index", *, corpus: Path | str | None = None, config: Config | None = None
    ) -> Bot:
        """Opens an index on disk. `corpus` is where its documents are now, if they moved since it was built;
        `config` defaults to ``bot.toml``.

        Raises IndexMissing, IndexCorrupt, IndexTooNew, IndexStale, ModelError or ConfigError.
        """
        config = config or Config.load()
        folder, moved_to = Path(index), None if corpus is None else Path(corpus)
        seen = generations.identity(folder)  # before loading: should another one come meanwhile, `refresh` finds it
        loaded = _load(folder, moved_to, config)
        bot = cls(loaded, _encoder_for(loaded, config.model), config)
        bot._folder, bot._moved_to, bot._seen = folder, moved_to, seen
        return bot

    @classmethod
    def from_corpus(cls, corpus: Path | str = "corpus", *, config: Config | None = None) -> Bot:
        """Indexes a folder of documents in memory; nothing is written. Raises CorpusError or ModelError."""
        config = config or Config.load()
        encoder = load_encoder(config.model)
        read = read_corpus(corpus, config.corpus)
        return cls(Index.build(read, Path(corpus), encoder, config), encoder, config)

    def warm_up(self) -> None:
        """Does what the first question would otherwise wait for: the rules are compiled, the encoder is run once."""
        read("")
        self.encoder.encode_query("")

    @property
    def index(self) -> Index:
        """The one that answers come from now."""
        return self._current[0]

    @property
    def folder(self) -> Path | None:
        """Where the index is on disk; None if it was made in memory."""
        return self._folder

    def refresh(self) -> bool:
        """Goes over to the index that is in use on disk now, if it is another one; whether it did.

        Cheap while there is none. Answers go on from the index before until the new one is loaded and checked, and
        for good where it cannot be used: that is logged once. A bot that was not opened from disk stays as it is.
        """
        if self._folder is None:
            return False
        with self._refreshing:
            found = generations.identity(self._folder)
            if found == self._seen:
                return False
            try:
                newer = _load(self._folder, self._moved_to, self.config)
                newer.check_made_by(self.encoder, self.config)
            except IndexUnusable as error:
                # Where yet another one is in use by now, this one may have gone while it was read.
                if generations.identity(self._folder) == found:
                    self._seen = found
                    log.error(_NOT_USED, error.problem, error.remedy)
                return False
            self._current, self._seen = (newer, self._knowledge(newer)), found
        log.info("answers come from generation %s of the index now", newer.generation)
        return True

    def ask(self, question: str, history: Sequence[str] = (), *, own_words: bool = False) -> Answer:
        """The answer to `question`, the earlier questions of the conversation being `history`, oldest first.

        An emergency comes before everything else: it is answered whatever is wrong with the question's length or
        the index. With `own_words` the question is searched as it is. Raises QuestionError for a question that cannot
        be asked, IndexStale if the documents changed.
        """
        index, knowledge = self._current[0], self._current[1].for_one_question()
        reading = self._read(question, history, knowledge)
        if reading.emergency and reading.emergency.level == "immediate":
            return answers.emergency(question, reading.emergency, self.config)
        check(question, history, self.config)
        if reading.turn:
            return answers.turn(question, reading.turn, self.config)
        try:
            hits = self._find(index, knowledge, question, history, self.config.ranking.candidates, own_words)
            found = answers.answer(hits, index, self.encoder, self.config, shipped(), date.today())
        except IndexUnusable as error:
            if self._moved_on(index):
                return self.ask(question, history, own_words=own_words)
            if not reading.emergency:
                raise
            log.error("%s. To fix: %s", error.problem, error.remedy)
            return answers.emergency(question, reading.emergency, self.config)
        if any(notice.id == "out_of_date" for notice in found.notices) and self._moved_on(index):
            return self.ask(question, history, own_words=own_words)
        if found.outcome == "not_found" and knowledge.speller.is_foreign(question):
            spoken = _languages(index)
            if spoken and quality.language(question) not in (None, *spoken):
                found = answers.in_another_language(found, spoken, self.config)
        return answers.with_reading(found, reading, self.config)

    def trace(
        self, question: str, history: Sequence[str] = (), *, own_words: bool = False, every: bool = False
    ) -> Trace:
        """What `ask` bases its answer on; searched even where the rules answer alone. With `every`, all passages are
        ranked too. Raises QuestionError, also for a question that is too long and gets a card all the same."""
        index, knowledge = self._current[0], self._current[1].for_one_question()
        reading = self._read(question, history, knowledge)
        check(question, history, self.config)
        candidates = self.config.ranking.candidates
        hits = self._find(index, knowledge, question, history, candidates, own_words)
        return Trace(
            index=index,
            reading=reading,
            hits=hits,
            choice=answers.choose(hits, index, self.encoder, self.config, shipped(), date.today()),
            every=retrieve(hits.query, index, self.encoder, self.config, candidates, hits.timings, every=True)
            if every
            else None,
        )

    def _moved_on(self, index: Index) -> bool:
        """Whether answers come from another index than this one by now: then the files of this one may have been
        replaced because they were published anew, and the question is asked again."""
        return self.refresh() or self.index is not index

    def search(self, query: str, k: int = 10, *, history: Sequence[str] = (), own_words: bool = False) -> Hits:
        """The best `k` passages with all their scores, best first; never refuses. The rest as in `ask`.

        Raises QuestionError, or UsageError if `k` is not between 1 and 1000.
        """
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= 1000:
            raise UsageError(f"k is {k!r}", remedy="Give a whole number from 1 to 1000.")
        check(query, history, self.config)
        return self._find(*self._current, query, history, k, own_words)

    def documents(self) -> Iterable[Document]:
        """Every document of the index, in the corpus's order."""
        return self.index.documents.values()

    def document(self, id: str) -> Document:
        """The document with this id. Raises UsageError if there is none."""
        return self.index.document(id)

    def file_of(self, document: Document) -> bytes | None:
        """The file that `document` came from; None unless it is still as it was when it was indexed."""
        return self.index.file_of(document)

    def language(self, id: str) -> str | None:
        """The language of the document with this id as a BCP 47 tag; None where it is unknown, as is the id."""
        index = self.index
        document = index.documents.get(id)
        return index.language(document) if document else None

    def is_current(self, document: Document) -> bool:
        """Whether `document` may be shown: the index holds this text, and its source is as it was then."""
        index = self.index
        held = index.documents.get(document.id)  # `document` may come from the index before this one
        if held is None or held.sha256 != document.sha256:
            return False
        return not self.config.corpus.verify_sources or index.is_current(held)

    def accepts(self, question: object, history: object) -> None:
        """Raises QuestionError as `ask` would, without asking."""
        if not (isinstance(question, str) and read(question).emergency):
            check(question, history, self.config)

    def _read(self, question: str, history: Sequence[str], knowledge: Knowledge) -> Reading:
        """What the rules say of the question as it was typed or, if that calls for no card, of it spelt rightly."""
        if not isinstance(question, str) or not all(isinstance(earlier, str) for earlier in history):
            return Reading()  # `check` says what is wrong with it
        reading = read(question, history)
        if not reading.emergency and len(question) <= self.config.answer.max_question_chars:
            asked = question.strip()
            corrected = apply(asked, knowledge.corrections(asked))
            if corrected != asked and (again := read(corrected, history)).emergency:
                return again
        return reading

    def _find(
        self, index: Index, knowledge: Knowledge, question: str, history: Sequence[str], k: int, own_words: bool
    ) -> Hits:
        timings, encoder = Timings(), Once(self.encoder)

        def topics(earlier: str) -> Sequence[str]:
            hits = retrieve(Query.plain(earlier), index, encoder, self.config, 1, timings)
            return [name for hit in hits for name in (*reversed(hit.section), hit.title)]

        with timings.of("query"):
            query = understand(question, history, knowledge, topics, own_words=own_words)
        return retrieve(query, index, encoder, self.config, k, timings)

    def _knowledge(self, index: Index) -> Knowledge:
        speller = Speller(index.vocabulary, index.named, index.words.together)
        return Knowledge.of(speller, self._glossary, index.words.holds)


def _languages(index: Index) -> tuple[str, ...]:
    """The languages of the documents' files, as far as they could be told, the most frequent first."""
    told = Counter(language for file in index.files if (language := file.facts.get("language")))
    return tuple(language for language, _ in told.most_common())


def _encoder_for(index: Index, choice: ModelChoice) -> Encoder:
    """What embeds the questions: the compiled encoder of the index, or the one that made its vectors."""
    compiled = index.compiled
    if choice.backend != "torch" and choice.name == index.model["name"] and compiled and compiled.folder:
        return CompiledEncoder(compiled.folder, choice)
    if choice.backend == "onnx":
        raise IndexStale("the index holds no compiled encoder of this model", remedy="Bring it up to date: bot index")
    return load_encoder(choice)


_NOT_USED = "the new index is not used, answers go on from the one before: %s. To fix: %s"


def _load(folder: Path, corpus: Path | None, config: Config) -> Index:
    """The index in use in `folder`; `corpus` is where its documents are, if they moved."""
    index = Index.load(folder, choice=config.index)
    return dataclasses.replace(index, corpus=corpus) if corpus is not None else index
