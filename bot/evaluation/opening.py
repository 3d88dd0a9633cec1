"""A bot over the documents of a dataset, its index kept for the next time."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from bot.bot import Bot
from bot.config import Config
from bot.embed import Encoder
from bot.errors import IndexUnreachable, IndexUnusable, UsageError
from bot.evaluation.datasets import Dataset
from bot.index import Index

_T = TypeVar("_T")


def open_bot(dataset: Dataset, encoder: Encoder, config: Config, *, corpus: Path, cache: Path | None) -> Bot:
    """A bot over the dataset's documents. Its index is kept in `cache`, by the documents' content, the
    settings and the model, so that it is made once; the dataset's folder is not written to."""
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, backend="torch"))  # it has `encoder`
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME") or ".cache") / "plainquote"
    if dataset.corpus:  # a clinic's limit on the size of a file is not meant for a dataset
        size = 1 + dataset.corpus.stat().st_size // 1024**2
        rules = dataclasses.replace(config.corpus, max_file_mb=max(size, config.corpus.max_file_mb))
        config = dataclasses.replace(config, corpus=rules)
    content = sha256(dataset.corpus) if dataset.corpus else str(corpus.resolve())
    key = hashlib.sha256("\n".join([content, config.fingerprint(), encoder.weights_sha256]).encode()).hexdigest()
    place = cache / key[:16]
    try:
        return Bot(_open_index(place, dataset.corpus, corpus, encoder, config), encoder, config)
    except OSError as error:
        raise UsageError(
            f"the cache {cache} cannot be written: {error.strerror}", remedy="Give another folder with --cache."
        ) from error


def _open_index(place: Path, dataset: Path | None, corpus: Path, encoder: Encoder, config: Config) -> Index:
    place.mkdir(parents=True, exist_ok=True)
    (place.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    if dataset is None:
        Index.update(place / "index", corpus, encoder, config)
        return Index.load(place / "index", choice=config.index)
    try:
        index = Index.load(place / "index", choice=config.index)
        index.check_made_by(encoder, config)
        return index
    except IndexUnreachable:
        raise
    except IndexUnusable:
        # A copy, in a folder of its own: beside the questions it would be indexed with them.
        alone = place / "corpus"
        alone.mkdir(exist_ok=True)
        shutil.copyfile(dataset, alone / "corpus.jsonl")
        Index.update(place / "index", alone, encoder, config, rebuild=True)
        return Index.load(place / "index", choice=config.index)


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def progress(items: Sequence[_T], what: str) -> Iterable[_T]:
    """`items`, with a bar on standard error if that is a terminal."""
    bar: Iterable[_T] = tqdm(items, desc=what, unit="", leave=False, disable=not sys.stderr.isatty())
    return bar
