"""A newer index takes the place of the one in use while questions are answered."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from conftest import WordEncoder, serving
from gradio_client import Client

from bot import bot as bots
from bot.answer import Answer
from bot.bot import Bot
from bot.config import Answering, Config, CorpusRules, PassageSize, Staff
from bot.embed import Encoder
from bot.errors import IndexCorrupt
from bot.generations import FORMAT
from bot.index import Index
from bot.retrieve import Hits
from bot.ui import create_app

LONG = 60
"""Seconds after which something that should have happened never will."""
CONFIG = Config(
    passages=PassageSize(60),
    answer=Answering(answer_above=0.0, quotes=3),
    corpus=CorpusRules(verify_sources=False),
    staff=Staff(generations=2),
)
TOPICS = ("infusion", "nausea", "driving", "sleep", "pain")
Build = Callable[[int], None]


def write(corpus: Path, version: int) -> None:
    """Documents that all say which version they are of, and one that only this version has."""
    corpus.mkdir(exist_ok=True)
    for old in corpus.iterdir():
        old.unlink()
    for topic in (*TOPICS, f"only{version}"):
        (corpus / f"{topic}.md").write_text(f"# About {topic} {version}\n\nThe {topic} is told in version {version}.\n")


@pytest.fixture
def build(tmp_path: Path, words: WordEncoder, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Writes a version of the corpus and its index into `tmp_path`."""
    monkeypatch.setattr(bots, "load_encoder", lambda choice: words)

    def build(version: int) -> None:
        write(tmp_path / "corpus", version)
        Index.update(tmp_path / "index", tmp_path / "corpus", words, CONFIG)

    build(1)
    return build


@pytest.fixture
def opened(tmp_path: Path, build: Build) -> Bot:
    return Bot.open(tmp_path / "index", config=CONFIG)


def versions(found: Answer | Hits) -> set[str]:
    texts = [quote.text for quote in found.quotes] if isinstance(found, Answer) else [hit.text for hit in found]
    assert texts
    return {version for text in texts for version in re.findall(r"version (\d+)", text)}


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("engine")
def test_a_newer_index_is_taken_once(opened: Bot, build: Build) -> None:
    assert not opened.refresh()
    build(2)
    assert versions(opened.ask("infusion")) == {"1"}
    assert opened.refresh()
    assert not opened.refresh()
    assert versions(opened.ask("infusion")) == {"2"}
    assert opened.document("only2.md").title == "About only2 2"


@pytest.mark.usefixtures("engine")
def test_an_answer_is_of_one_index(opened: Bot, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    retrieve, answer = bots.retrieve, bots.answers.answer

    def with_a_change_after_it(*arguments: Any) -> Hits:
        hits = retrieve(*arguments)
        build(2)
        assert opened.refresh()
        return hits

    def of_the_index_that_was_searched(hits: Hits, index: Index, *others: Any) -> Answer:
        assert all(hit.documents is index.documents for hit in hits)
        return answer(hits, index, *others)

    monkeypatch.setattr(bots, "retrieve", with_a_change_after_it)
    monkeypatch.setattr(bots.answers, "answer", of_the_index_that_was_searched)
    assert versions(opened.ask("driving")) == {"1"}


def test_a_document_of_the_index_before_is_current_only_if_its_text_stayed(
    tmp_path: Path, opened: Bot, words: WordEncoder
) -> None:
    stays, changes, goes = (opened.document(f"{topic}.md") for topic in ("sleep", "pain", "only1"))
    (tmp_path / "corpus" / "pain.md").write_text("# Pain\n\nNothing is as it was.\n")
    (tmp_path / "corpus" / "only1.md").unlink()
    Index.update(tmp_path / "index", tmp_path / "corpus", words, CONFIG)
    assert [opened.is_current(document) for document in (stays, changes, goes)] == [True, True, True]
    assert opened.refresh()
    assert [opened.is_current(document) for document in (stays, changes, goes)] == [True, False, False]


def test_a_corpus_that_moved_stays_where_it_was_said_to_be(tmp_path: Path, build: Build) -> None:
    moved = Bot.open(tmp_path / "index", corpus=tmp_path / "elsewhere", config=CONFIG)
    build(2)
    assert moved.refresh()
    assert moved.index.corpus == tmp_path / "elsewhere"


def test_an_index_in_memory_stays(tmp_path: Path, build: Build) -> None:
    own = Bot.from_corpus(tmp_path / "corpus", config=CONFIG)
    build(2)
    assert not own.refresh()
    assert versions(own.search("infusion")) == {"1"}


def test_two_builds_in_a_row_take_nothing_from_a_reader(tmp_path: Path, opened: Bot, build: Build) -> None:
    assert opened.index.generation
    build(2)
    build(3)
    assert not (tmp_path / "index" / "generations" / opened.index.generation).exists()
    for topic in TOPICS:
        assert versions(opened.ask(topic)) == {"1"}
    assert opened.refresh()
    assert versions(opened.ask("infusion")) == {"3"}


def test_an_index_that_goes_while_it_is_read_is_no_problem(
    opened: Bot, build: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(folder: Path, **_: object) -> Index:
        build(3)
        raise IndexCorrupt("a file is missing", remedy="none")

    build(2)
    with monkeypatch.context() as patched:
        patched.setattr(Index, "load", gone)
        assert not opened.refresh()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert opened.refresh()
    assert versions(opened.ask("infusion")) == {"3"}


def damage(folder: Path) -> None:
    *_, newest = sorted(folder.glob("generations/*/documents.jsonl"))  # the one before is being read
    newest.write_bytes(newest.read_bytes().replace(b"0", b"1"))


def of_other_settings(folder: Path) -> None:
    Index.update(folder, folder.parent / "corpus", WordEncoder(), Config(passages=PassageSize(50)))


def of_a_later_format(folder: Path) -> None:
    for path in folder.glob("generations/*/manifest.json"):
        path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 99'))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (damage, "damaged"),
        (of_other_settings, "other settings"),
        (of_a_later_format, "format 99"),
        (lambda folder: (folder / "CURRENT").write_text("{"), "damaged"),
        (shutil.rmtree, "no index"),
    ],
)
def test_an_index_that_cannot_be_used_is_told_once_and_the_old_one_stays(
    tmp_path: Path,
    opened: Bot,
    build: Build,
    spoil: Callable[[Path], None],
    problem: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    build(2)
    spoil(tmp_path / "index")
    assert [opened.refresh() for _ in range(3)] == [False] * 3
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert problem in told
    assert "To fix: " in told
    assert versions(opened.ask("infusion")) == {"1"}
    shutil.rmtree(tmp_path / "index", ignore_errors=True)
    build(3)
    assert opened.refresh()
    assert versions(opened.ask("infusion")) == {"3"}


def test_no_search_fails_or_mixes_while_indexes_come_and_go(opened: Bot, build: Build) -> None:
    done = threading.Event()

    def ask() -> set[str]:
        seen = set()
        while not done.is_set():
            for topic in TOPICS:
                for found in (opened.ask(topic), opened.search(topic)):
                    [version] = versions(found)
                    seen.add(version)
        return seen

    def follow() -> None:
        while not done.is_set():
            opened.refresh()

    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(ask) for _ in range(3)]
        followed = threads.submit(follow)
        try:
            for version in range(2, 8):
                build(version)
                eventually(lambda version=version: versions(opened.search("pain")) == {str(version)})
        finally:
            done.set()
        followed.result(LONG)
        for future in asked:
            assert future.result(LONG) <= set("1234567")
    assert opened.search("only7")[0].document == "only7.md"


# The web app


def test_the_app_follows_only_while_it_runs(opened: Bot) -> None:
    def followers() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "follow"]

    app = create_app(opened)
    assert not followers()

    async def run() -> None:
        async with app.router.lifespan_context(app):
            assert followers()

    asyncio.run(run())
    assert not followers()


@pytest.fixture
def app(tmp_path: Path, encoder: Encoder) -> Iterator[str]:
    write(tmp_path / "corpus", 1)
    with serving(tmp_path / "corpus", tmp_path / "index", encoder, PLAINQUOTE_CORPUS_VERIFY_SOURCES="false") as address:
        yield address


def test_no_request_fails_while_the_index_is_built_anew(tmp_path: Path, app: str, encoder: Encoder) -> None:
    done = threading.Event()
    config = Config(corpus=CorpusRules(verify_sources=False))

    def ask(until: Callable[[], bool]) -> str:
        """Asks in every way, and again until told otherwise; the version that answered last."""
        client = Client(app, verbose=False)
        try:
            while True:
                hits = client.predict("How is the infusion told?", 5, api_name="/search")["hits"]
                [version] = {version for hit in hits for version in re.findall(r"version (\d+)", hit["text"])}
                assert client.predict("infusion", [], api_name="/ask")["outcome"] in ("answered", "not_found")
                assert httpx.get(app).status_code == 200
                if until():
                    return version
        finally:
            client.close()

    old = Index.load(tmp_path / "index").document("pain.md")
    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(ask, done.is_set) for _ in range(2)]
        try:
            for version in (2, 3, 4):
                write(tmp_path / "corpus", version)
                Index.update(tmp_path / "index", tmp_path / "corpus", encoder, config)
                eventually(lambda version=version: f"About only{version} {version}" in httpx.get(app).text)
        finally:
            done.set()
        for future in asked:
            assert future.result(LONG) in "1234"
    assert ask(lambda: True) == "4"
    place = {"document": old.id, "start": 0, "end": 5, "sha256": old.sha256}
    assert httpx.get(f"{app}/source?{urlencode(place)}").status_code == 409
