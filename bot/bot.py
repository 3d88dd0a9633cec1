"""`Bot`: what every front, script and evaluation asks."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from bot import answer as answers
from bot import generations
from bot.answer import Answer
from bot.confidence import shipped
from bot.config import Config
from bot.corpus import read_corpus
from bot.documents import Document
from bot.embed import Encoder, load_encoder
from bot.errors import IndexUnusable, UsageError
from bot.index import Index
from bot.query import understand
from bot.retrieve import Hits, retrieve
from bot.timings import Timings

log = logging.getLogger(__name__)


class Bot:
    """Answers from one index at a time, with one encoder. Safe to call from several threads.

    `refresh` may put a newer index in place of `index` at any moment, so each answer takes it once and keeps to it.
    """

    def __init__(self, index: Index, encoder: Encoder, config: Config) -> None:
        """Raises IndexStale if the index was made by another model or with other settings."""
        index.check_made_by(encoder, config)
        self.index = index
        self.encoder = encoder
        self.config = config
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
        bot = cls(_load(folder, moved_to), load_encoder(config.model), config)
        bot._folder, bot._moved_to, bot._seen = folder, moved_to, seen
        return bot

    @classmethod
    def from_corpus(cls, corpus: Path | str = "corpus", *, config: Config | None = None) -> Bot:
        """Indexes a folder of documents in memory; nothing is written. Raises CorpusError or ModelError."""
        config = config or Config.load()
        encoder = load_encoder(config.model)
        read = read_corpus(corpus, config.corpus)
        return cls(Index.build(read, Path(corpus), encoder, config), encoder, config)

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
                newer = _load(self._folder, self._moved_to)
                newer.check_made_by(self.encoder, self.config)
            except IndexUnusable as error:
                # Where yet another one is in use by now, this one may have gone while it was read.
                if generations.identity(self._folder) == found:
                    self._seen = found
                    log.error(_NOT_USED, error.problem, error.remedy)
                return False
            self.index, self._seen = newer, found
        log.info("answers come from generation %s of the index now", newer.generation)
        return True

    def ask(self, question: str, history: Sequence[str] = ()) -> Answer:
        """The answer to `question`, the earlier questions of the conversation being `history`, oldest first.

        Raises QuestionError for a question that cannot be asked, IndexStale if the documents changed.
        """
        index = self.index
        hits = self._find(index, question, history, self.config.ranking.candidates)
        return answers.answer(hits, index, self.encoder, self.config, shipped(), date.today())

    def search(self, query: str, k: int = 10, *, history: Sequence[str] = ()) -> Hits:
        """The best `k` passages with all their scores, best first; never refuses. `history` as in `ask`.

        Raises QuestionError, or UsageError if `k` is not between 1 and 1000.
        """
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= 1000:
            raise UsageError(f"k is {k!r}", remedy="Give a whole number from 1 to 1000.")
        return self._find(self.index, query, history, k)

    def documents(self) -> Iterable[Document]:
        """Every document of the index, in the corpus's order."""
        return self.index.documents.values()

    def document(self, id: str) -> Document:
        """The document with this id. Raises UsageError if there is none."""
        return self.index.document(id)

    def is_current(self, document: Document) -> bool:
        """Whether `document` may be shown: the index holds this text, and its source is as it was then."""
        index = self.index
        held = index.documents.get(document.id)  # `document` may come from the index before this one
        if held is None or held.sha256 != document.sha256:
            return False
        return not self.config.corpus.verify_sources or index.is_current(held)

    def _find(self, index: Index, question: str, history: Sequence[str], k: int) -> Hits:
        timings = Timings()
        with timings.of("query"):
            query = understand(question, history, self.config)
        return retrieve(query, index, self.encoder, self.config, k, timings)


_NOT_USED = "the new index is not used, answers go on from the one before: %s. To fix: %s"


def _load(folder: Path, corpus: Path | None) -> Index:
    """The index in use in `folder`; `corpus` is where its documents are, if they moved."""
    index = Index.load(folder)
    return dataclasses.replace(index, corpus=corpus) if corpus is not None else index
