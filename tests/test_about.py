"""What is this? What it promises must be true of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WordEncoder
from fastapi import FastAPI
from starlette.testclient import TestClient
from test_ui import Shown

from bot import texts
from bot.bot import Bot
from bot.config import Clinic, Config, CorpusRules, Keeping, Numbers
from bot.corpus import read_corpus
from bot.index import Index
from bot.ui import about


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text(
        "---\ntitle: Going <b>home</b>\nreviewed: 2020-03-01\nnext_review: 2021-01-01\n---\nRest on the first day.\n"
    )
    (tmp_path / "es.txt").write_text(
        "Descanse el primer día y beba agua. No conduzca hasta el día siguiente, por favor.\n"
    )
    return tmp_path


def a_bot(corpus: Path, config: Config) -> Bot:
    encoder = WordEncoder(window=256)
    return Bot(Index.build(read_corpus(corpus, config.corpus), corpus, encoder, config), encoder, config)


def visiting(bot: Bot) -> TestClient:
    app = FastAPI()
    about.add_routes(app, bot)
    return TestClient(app)


@pytest.fixture
def visit(corpus: Path) -> Iterator[TestClient]:
    clinic = Clinic(name="Elm <Clinic>", phone="555 01 00", hours="9 to 5")
    with visiting(a_bot(corpus, Config(clinic=clinic, numbers=Numbers(region="UK")))) as client:
        yield client


def test_it_tells_what_is_promised_and_whom_to_call(visit: TestClient) -> None:
    got = visit.get("/about")
    assert got.status_code == 200
    page = Shown(got.text)
    for told in ("word for word", "call 999", "Elm <Clinic>", "555 01 00", "9 to 5", "Your privacy"):
        assert told in page.text
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert "clinic" not in page.tags
    assert "b" not in page.tags


def test_every_document_is_listed_with_its_dates_and_can_be_read(visit: TestClient) -> None:
    page = visit.get("/about").text
    assert re.findall(r'<a href="source\?document=([^"]*)">', page) == ["a.md", "es.txt"]
    shown = Shown(page).text
    for known in ("Going <b>home</b>", "2020-03-01", "2021-01-01"):
        assert known in shown
    assert '<bdi lang="es">' in page


def test_many_documents_are_listed_in_parts(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(about, "AT_ONCE", 1)
    with visiting(a_bot(corpus, Config())) as client:
        first = client.get("/about").text
        assert "a.md" in first
        assert "es.txt" not in first
        assert 'href="about?list=2#about_documents"' in first
        assert "es.txt" in client.get("/about?list=2").text
        assert "es.txt" in client.get("/about?list=99").text
        assert "a.md" in client.get("/about?list=x").text


@pytest.mark.parametrize(
    ("kept", "ids"),
    [
        (Keeping(), {"privacy_question_not_kept", "privacy_shown_kept", "privacy_deleted"}),
        (Keeping(keep_questions=True), {"privacy_question_kept", "privacy_shown_kept", "privacy_deleted"}),
        (Keeping(url=""), {"privacy_nothing_kept", "privacy_in_the_page", "privacy_ask"}),
        (Keeping(url="", keep_questions=True), {"privacy_nothing_kept", "privacy_in_the_page", "privacy_ask"}),
    ],
)
def test_privacy_is_told_in_five_sentences_that_are_true_of_the_settings(kept: Keeping, ids: set[str]) -> None:
    config = Config(store=replace(kept, retention_days=41))
    told = about.privacy(config)
    assert set(told) == ids | {"privacy_nobody", "privacy_here"}
    words = " ".join(texts.notice(id, config).text for id in told)
    assert len(re.findall(r"[.!?](?:\s|$)", words)) == 5
    assert ("41 days" in words) == bool(kept.url)


def test_unverified_sources_are_not_promised(corpus: Path) -> None:
    unverified = Config(corpus=CorpusRules(verify_sources=False))
    for config, promised in ((Config(), True), (unverified, False)):
        with visiting(a_bot(corpus, config)) as client:
            assert (texts.notice("about_changed", config).text in client.get("/about").text) == promised
