"""Plainquote: `Index.update`, which is `bot index`, and `Bot.search`. It reads and cuts the documents itself."""

import dataclasses

from bot import Bot
from bot.config import Config
from bot.embed import load_encoder
from bot.index import Index

LARGEST_MB = 4096


class Library:
    follows = True

    def __init__(self, model):
        """It brings the model with it: `model` is the same one, of another environment."""
        config = Config()
        self.config = dataclasses.replace(config, corpus=dataclasses.replace(config.corpus, max_file_mb=LARGEST_MB))

    def load(self):
        """The encoder for an index to build; the time that this takes is not the index's."""
        self.encoder = load_encoder(self.config.model)

    def build(self, folder, texts, vectors):
        # An index that is there already was embedded before: it lacks nothing but the compiled encoder.
        report = Index.update(folder, folder.parent / "corpus", self.encoder, self.config)
        assert report.passages == len(texts)

    def open(self, folder):
        self.bot = Bot.open(folder, config=self.config)

    def search(self, question, k, history=()):
        return [(hit.row, hit.score) for hit in self.bot.search(question, k, history=history)]
