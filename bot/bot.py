"""`Bot`: what every front, script and evaluation asks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot import answer as answers
from bot.answer import Answer
from bot.confidence import shipped
from bot.config import Config
from bot.documents import Document, read_corpus
from bot.embed import Encoder, load_encoder
from bot.errors import UsageError
from bot.index import Index
from bot.query import understand
from bot.retrieve import Hits, retrieve
from bot.timings import Timings


class Bot:
    """Answers from one index, with one encoder. Safe to call from several threads."""

    def __init__(self, index: Index, encoder: Encoder, config: Config) -> None:
        """Raises IndexStale if the index was made by another model or with other settings."""
        index.check_made_by(encoder, config)
        self.index = index
        self.encoder = encoder
        self.config = config

    @classmethod
    def open(
        cls, index: Path | str = "index", *, corpus: Path | str | None = None, config: Config | None = None
    ) -> Bot:
        """Opens an index on disk. `corpus` is where its documents are now, if they moved since it was built;
        `config` defaults to ``bot.toml``.

        Raises IndexMissing, IndexCorrupt, IndexTooNew, IndexStale, ModelError or ConfigError.
        """
        config = config or Config.load()
        opened = Index.load(Path(index))
        if corpus is not None:
            opened = dataclasses.replace(opened, corpus=Path(corpus))
        return cls(opened, load_encoder(config.model), config)

    @classmethod
    def from_corpus(cls, corpus: Path | str = "corpus", *, config: Config | None = None) -> Bot:
        """Indexes a folder of documents in memory; nothing is written. Raises CorpusError or ModelError."""
        config = config or Config.load()
        encoder = load_encoder(config.model)
        read = read_corpus(corpus, config.corpus)
        return cls(Index.build(read, Path(corpus), encoder, config), encoder, config)

    def ask(self, question: str, history: Sequence[str] = ()) -> Answer:
        """The answer to `question`, the earlier questions of the conversation being `history`, oldest first.

        Raises QuestionError for a question that cannot be asked, IndexStale if the documents changed.
        """
        hits = self._find(question, history, self.config.ranking.candidates)
        return answers.answer(hits, self.index, self.encoder, self.config, shipped())

    def search(self, query: str, k: int = 10, *, history: Sequence[str] = ()) -> Hits:
        """The best `k` passages with all their scores, best first; never refuses. `history` as in `ask`.

        Raises QuestionError, or UsageError if `k` is not between 1 and 1000.
        """
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= 1000:
            raise UsageError(f"k is {k!r}", remedy="Give a whole number from 1 to 1000.")
        return self._find(query, history, k)

    def documents(self) -> Iterable[Document]:
        """Every document of the index, in the corpus's order."""
        return self.index.documents.values()

    def document(self, id: str) -> Document:
        """The document with this id. Raises UsageError if there is none."""
        return self.index.document(id)

    def is_current(self, document: Document) -> bool:
        """Whether `document` may be shown: its source is as it was when it was indexed."""
        return not self.config.corpus.verify_sources or self.index.is_current(document)

    def _find(self, question: str, history: Sequence[str], k: int) -> Hits:
        timings = Timings()
        with timings.of("query"):
            query = understand(question, history, self.config)
        return retrieve(query, self.index, self.encoder, self.config, k, timings)
