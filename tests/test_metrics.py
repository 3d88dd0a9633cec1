"""Figures for Prometheus: what is counted, who may read it, and that nothing of a question is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CORPUS, WordEncoder
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from bot.bot import Bot
from bot.config import Config, Keeping, Web
from bot.errors import ConfigError, IndexStale
from bot.index import Index
from bot.store import Store
from bot.ui import create_app
from bot.ui.feedback import Recorder
from bot.ui.metrics import DEFECT, Metrics

SECRET = "marzipan"
Figures = dict[tuple[str, tuple[str, ...]], float]


def figures(text: str) -> Figures:
    """By name and values of the labels, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(metrics: Metrics) -> Figures:
    return figures(metrics.text()[0].decode())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(Keeping(url=f"sqlite:///{tmp_path / 'store.db'}"))
    yield store
    store.close()


def test_answers_are_counted_by_outcome_and_emergencies_by_kind(bot: Bot, store: Store) -> None:
    metrics = Metrics(bot, store)
    recorder = Recorder(store, bot, metrics)
    assert of(metrics)["plainquote_answers_total", ("answered",)] == 0, "the first one is seen to be one more"
    for question in ("What are the side effects of ketamine?", "Who won the world cup?", "I can't breathe"):
        recorder.answer(bot.ask(question), 20.0)
    recorder.fault(SECRET, IndexStale("it changed", remedy="bot index"), 5.0)
    recorder.fault(SECRET, ValueError(SECRET), 5.0)
    found = of(metrics)
    for outcome, count in (("answered", 1), ("not_found", 1), ("emergency", 1), ("fault", 2)):
        assert found["plainquote_answers_total", (outcome,)] == count
    assert found["plainquote_emergencies_total", ("breathing_anaphylaxis", "immediate")] == 1
    assert sum(value for (name, _), value in found.items() if name == "plainquote_emergencies_total") == 1
    assert found["plainquote_faults_total", ("IndexStale",)] == 1
    assert found["plainquote_faults_total", (DEFECT,)] == 1
    assert found["plainquote_answer_seconds_count", ()] == 5
    assert found["plainquote_answer_seconds_sum", ()] == pytest.approx(0.07)
    for part in ("query", "embed", "search"):
        assert found["plainquote_answer_part_seconds_count", (part,)] == 2
    assert SECRET not in metrics.text()[0].decode()


def test_feedback_that_is_kept_is_counted(bot: Bot, store: Store) -> None:
    metrics = Metrics(bot, store)
    recorder = Recorder(store, bot, metrics)
    id = recorder.answer(bot.ask("What are the side effects of ketamine?"), 20.0)
    assert recorder.feedback(id, False, "unclear") == "feedback_thanks"
    recorder.feedback(id, True)
    recorder.feedback("made up", True)
    recorder.feedback(id, False, SECRET)
    found = of(metrics)
    assert found["plainquote_feedback_total", ("no", "unclear")] == 1
    assert found["plainquote_feedback_total", ("yes", "")] == 1
    assert sum(value for (name, _), value in found.items() if name == "plainquote_feedback_total") == 2


def test_the_state_of_the_store_is_told(bot: Bot, store: Store, tmp_path: Path) -> None:
    def state(store: Store) -> dict[str, float]:
        found = of(Metrics(bot, store))
        assert found["plainquote_store_waiting", ()] == 0
        assert found["plainquote_store_lost_total", ()] == 0
        return {label[0]: value for (name, label), value in found.items() if name == "plainquote_store_state"}

    assert state(store) == {"ok": 1, "down": 0, "off": 0}
    assert state(Store.open(Keeping(url=""))) == {"ok": 0, "down": 0, "off": 1}
    down = Store.open(Keeping(url=f"sqlite:///{tmp_path / 'none' / 'store.db'}"))
    assert state(down) == {"ok": 0, "down": 1, "off": 0}
    down.close()


def test_the_index_in_use_is_told(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, folder = tmp_path / "corpus", tmp_path / "index"
    corpus.mkdir()
    (corpus / "a.md").write_text("---\nnext_review: 2020-01-01\n---\nDrink water after the infusion.")
    words = WordEncoder(window=256)
    Index.update(folder, corpus, words, Config())
    monkeypatch.setattr("bot.bot.load_encoder", lambda choice: words)
    metrics = Metrics(Bot.open(folder, config=Config()), store)
    found = of(metrics)
    assert found["plainquote_index_documents", ()] == 1
    assert found["plainquote_index_overdue_documents", ()] == 1
    assert found["plainquote_index_passages", ()] == 1
    assert found["plainquote_index_generation", ()] == 1
    manifest = folder / "generations" / "000001" / "manifest.json"
    assert found["plainquote_index_built_timestamp_seconds", ()] == pytest.approx(manifest.stat().st_mtime)
    manifest.unlink()
    assert ("plainquote_index_built_timestamp_seconds", ()) not in of(metrics), "it is told what is known"


def test_an_index_in_memory_has_no_generation(bot: Bot, store: Store) -> None:
    assert ("plainquote_index_generation", ()) not in of(Metrics(bot, store))


# Over HTTP


def app_over(bot: Bot, **web: Any) -> FastAPI:
    return create_app(Bot(bot.index, bot.encoder, Config(web=Web(**web), store=Keeping(url=""))))


def client_at(app: FastAPI, address: str) -> TestClient:
    return TestClient(app, base_url="http://localhost:7860", client=(address, 1), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def app(bot: Bot) -> FastAPI:
    return app_over(bot, metrics="127.0.0.1 10.0.0.0/8 fd00::/8", requests_per_minute=20)


def test_nobody_reads_the_figures_unless_the_operator_says_who(bot: Bot) -> None:
    assert client_at(app_over(bot), "127.0.0.1").get("/metrics").status_code == 404


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("fd00::5", 200),
        ("9.9.9.9", 403),
        ("127.0.0.2", 403),
        ("2001:db8::1", 403),
        ("not an address", 403),
    ],
)
def test_only_named_networks_read_the_figures(app: FastAPI, address: str, status: int) -> None:
    told = client_at(app, address).get("/metrics")
    assert told.status_code == status
    assert ("plainquote_answers_total" in told.text) == (status == 200)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_nobody_reads_the_figures_through_a_proxy(app: FastAPI, header: str) -> None:
    client = client_at(app, "127.0.0.1")
    assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize("metrics", ["localhost", "10.0.0.0/99", "*"])
def test_what_is_no_network_is_told(metrics: str) -> None:
    with pytest.raises(ConfigError, match=r"\[web\] metrics"):
        Config(web=Web(metrics=metrics))


def test_both_formats_are_spoken(app: FastAPI) -> None:
    client = client_at(app, "127.0.0.1")
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    openmetrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.rstrip().endswith("# EOF")


def test_requests_are_counted_by_pattern_and_nothing_asked_is_a_label(app: FastAPI) -> None:
    with client_at(app, "10.0.0.7") as client:
        before = len(figures(client.get("/metrics").text))
        client.post("/api/ask", json={"question": f"Does {SECRET} help with pain?"})
        client.post(f"/api/ask?question={SECRET}", json={"question": SECRET})
        for path in (f"/{SECRET}", f"/api/documents/{SECRET}", f"/source?document={SECRET}", f"/api/{SECRET}"):
            client.get(path)
        client.request(SECRET.upper(), f"/{SECRET}")
        client.get("/")
        client.get("/style.css", headers={"User-Agent": SECRET, "Referer": SECRET, "X-Request-ID": SECRET})
        statuses = [client.get(f"/api/documents/{number}").status_code for number in range(40)]
        text = client.get("/metrics").text
    found = figures(text)
    assert found["plainquote_http_requests_total", ("POST", "/api/ask", "200")] == 2
    assert found["plainquote_http_requests_total", ("GET", "/style.css", "200")] == 1
    assert found["plainquote_http_requests_total", ("GET", "/", "200")] == 1
    assert found["plainquote_http_requests_total", ("other", "other", "404")] == 1
    assert 429 in statuses
    limited = [value for (name, labels), value in found.items() if name.endswith("requests_total") and "429" in labels]
    assert sum(limited) == statuses.count(429)
    assert SECRET not in text.lower()
    assert len(found) < before + 200, "a hundred addresses are not a hundred labels"
    assert not re.search(r"\d+\.\d+\.\d+\.\d+", text.replace("127.0.0.1", "")), "no address of a client"


def test_an_answer_is_counted_whichever_way_it_was_asked(app: FastAPI) -> None:
    with client_at(app, "10.0.0.8") as client:
        before = figures(client.get("/metrics").text)["plainquote_answers_total", ("not_found",)]
        client.post("/api/ask", json={"question": "Who won the world cup in 1998?"})
        after = figures(client.get("/metrics").text)["plainquote_answers_total", ("not_found",)]
    assert after == before + 1


def test_the_shipped_corpus_is_counted(app: FastAPI) -> None:
    found = figures(client_at(app, "127.0.0.1").get("/metrics").text)
    assert found["plainquote_index_documents", ()] == len([*CORPUS.glob("*.txt")])
