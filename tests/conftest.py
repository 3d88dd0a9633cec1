"""What tests share: the shipped corpus, the real model loaded once, and a small one for properties."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import expect
from starlette.types import ASGIApp

from bot import export
from bot.bot import Bot
from bot.config import Config, ModelChoice, Searching
from bot.embed import Encoder, SentenceTransformerEncoder, load_encoder
from bot.index import Index

expect.set_options(timeout=60_000)  # milliseconds; a busy machine may be slow

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "corpus"
KETAMINE = CORPUS / "ketamine-for-chronic-pain.txt"


class WordEncoder:
    """A tiny encoder without a model: a text is the sum of its words' own random directions.

    Its tokens are pieces of up to three characters, so that any text has some and a whole may have fewer or
    more of them than its parts.
    """

    name = "words"
    weights_sha256 = "0" * 64
    dimension = 24

    def __init__(self, window: int = 96) -> None:
        self.window = window
        self.embedded: list[str] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(re.findall(r"\w{1,3}|[^\w\s]", text)) for text in texts]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        self.embedded.extend(texts)
        return np.array([self.encode_query(text) for text in texts], dtype=np.float32).reshape(-1, self.dimension)

    def encode_query(self, text: str) -> np.ndarray:
        total = sum((_direction(word, self.dimension) for word in re.findall(r"\w+", text.lower())), np.zeros(1))
        vector = total if total.any() else _direction("", self.dimension)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def _direction(word: str, dimension: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
    return np.random.default_rng(seed).normal(size=dimension)


@contextlib.contextmanager
def serving(corpus: Path, folder: Path, encoder: Encoder, **environment: str) -> Iterator[str]:
    """`app.py` over an index of `corpus` in `folder`, in a process of its own; its address."""
    settings = {"PLAINQUOTE_STORE_URL": f"sqlite:///{folder.parent / 'store.db'}", **environment}
    Index.update(folder, corpus, encoder, Config.load(environment=settings))
    command = [sys.executable, ROOT / "app.py", "--index", folder, "--port", "0"]
    log = folder.parent / "app.log"
    surroundings = os.environ | settings
    with log.open("w") as errors, subprocess.Popen(command, cwd=ROOT, stderr=errors, env=surroundings) as app:
        try:
            while "The documents are open" not in log.read_text():
                assert app.poll() is None, log.read_text()
                time.sleep(0.1)
            site = next(line for line in log.read_text().splitlines() if "Plainquote is at" in line).split()[-1]
            httpx.get(f"{site}/config", timeout=600)  # Gradio's endpoints come last
            yield site
        finally:
            app.terminate()


class MilvusServer:
    """Milvus Lite in a process of its own, which can be ended and started again over the same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        where = ["--data-dir", str(self._folder), "--host", "127.0.0.1", "--port", str(self._port)]
        log = self._folder.with_suffix(".log")
        with log.open("w") as output:
            command = [sys.executable, "-u", "-m", "milvus_lite", "server", *where]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        while "listening" not in log.read_text():
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def milvus_serving(folder: Path) -> Iterator[MilvusServer]:
    server = MilvusServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def milvus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Milvus server that all tests share."""
    with milvus_serving(tmp_path_factory.mktemp("milvus") / "data") as server:
        yield server.url


@pytest.fixture(params=["local", "milvus"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test with each engine: `CONFIG` of its module names it."""
    if request.param == "milvus":
        choice = Searching(engine="milvus", url=request.getfixturevalue("milvus_url"))
        monkeypatch.setattr(request.module, "CONFIG", dataclasses.replace(request.module.CONFIG, index=choice))
    return str(request.param)


@contextlib.contextmanager
def listening(app: ASGIApp, **settings: Any) -> Iterator[str]:
    """The address of a server for `app` in a thread of this process; `settings` are uvicorn's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3, **settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def words() -> WordEncoder:
    return WordEncoder()


@pytest.fixture(scope="session", autouse=True)
def exported_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A model is exported and compared once for all the tests that build an index with it."""
    really, made = export.export, {}

    def once(encoder: SentenceTransformerEncoder, choice: ModelChoice, folder: Path) -> dict[str, Any]:
        key = (encoder.weights_sha256, choice.query_prompt, choice.document_prompt)
        if key not in made:
            kept = tmp_path_factory.mktemp("exported")
            made[key] = kept, really(encoder, choice, kept)
        kept, facts = made[key]
        shutil.copytree(kept, folder, copy_function=os.link, dirs_exist_ok=True)
        return facts

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "export", once)
        yield


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder(ModelChoice())


@pytest.fixture(scope="session")
def bot(encoder: Encoder) -> Bot:
    """The real thing over the shipped corpus, in memory."""
    return Bot.from_corpus(CORPUS, config=Config())


@pytest.fixture(scope="session")
def site(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the web app over the shipped corpus."""
    with serving(CORPUS, tmp_path_factory.mktemp("site") / "index", encoder) as address:
        yield address
