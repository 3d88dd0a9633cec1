"""What is logged: each line on its own, with the id of its request, and never what somebody asked."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import CORPUS, ROOT
from starlette.testclient import TestClient

from bot.bot import Bot
from bot.config import Config, Keeping, Logging
from bot.embed import Encoder
from bot.errors import ConfigError, IndexStale, UsageError
from bot.index import Index
from bot.ui import create_app, logs
from bot.ui.served import Served

SECRET = "marzipan"
QUESTION = f"Does {SECRET} help with pain?"
SERVED = Served("abc", "GET", "/api/documents/{id}", 200, 0.01234, "9.9.9.9")


@pytest.fixture
def log() -> logging.Logger:
    return logging.getLogger("bot.test")


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged in either way."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logs.Lines() if request.param == "json" else logs.Text())
    handler.addFilter(lambda record: not record.name.startswith("httpx"))  # the test's own client
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


def line(record: logging.LogRecord) -> dict[str, Any]:
    text = logs.Lines().format(record)
    assert "\n" not in text
    told: dict[str, Any] = json.loads(text)
    return told


def raised(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except Exception:  # noqa: BLE001 - it is ours
        return logging.LogRecord("bot.test", logging.ERROR, "", 0, "it failed", (), sys.exc_info())


def test_a_line_says_when_where_and_what() -> None:
    record = logging.LogRecord("bot.store", logging.WARNING, "", 0, "%d were lost\n", (5,), None)
    told = line(record)
    assert told == {
        "time": told["time"],
        "level": "warning",
        "logger": "bot.store",
        "message": "5 were lost",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", told["time"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(QUESTION), None),
        (KeyError(QUESTION), None),
        (UsageError(f"there is no document {SECRET}", remedy="Look."), None),
        (IndexStale("a.txt has changed", remedy="bot index"), "a.txt has changed"),
        (OSError(28, "No space left on device", f"/tmp/{SECRET}"), "No space left on device"),
    ],
)
def test_an_error_is_told_by_its_kind_and_place_and_repeats_no_question(error: Exception, said: str | None) -> None:
    record = raised(error)
    [told] = line(record)["errors"]
    assert told["type"] == type(error).__name__
    assert told.get("said") == said
    assert re.search(r"test_logs\.py:\d+ raised$", told["frames"][-1])
    text = logs.Text().format(record)
    assert type(error).__name__ in text
    assert told["frames"][-1] in text
    assert SECRET not in text + json.dumps(told)


def test_what_an_error_came_from_is_told_too() -> None:
    try:
        try:
            raise OSError(5, "Input/output error")
        except OSError as cause:
            raise ValueError(SECRET) from cause
    except ValueError as error:
        record = raised(error)
    assert [told["type"] for told in line(record)["errors"]] == ["ValueError", "OSError"]


def test_errors_that_came_from_each_other_end() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert [told["type"] for told in line(raised(one))["errors"]] == ["ValueError", "KeyError"]


def test_no_line_can_pass_for_another(written: io.StringIO, log: logging.Logger) -> None:
    log.error("skipped %s", "a\n2026 all is well\r\x1b[2K\u2028b\u202e")
    lines = written.getvalue().splitlines()
    assert sum(not one.startswith("  ") for one in lines) == 1, lines
    assert not set("\r\x1b\u2028\u202e") & set(written.getvalue())


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (Logging(), None),
        (
            Logging(requests=True),
            {"method": "GET", "route": "/api/documents/{id}", "status": 200, "milliseconds": 12.3},
        ),
        (
            Logging(requests=True, addresses=True),
            {
                "method": "GET",
                "route": "/api/documents/{id}",
                "status": 200,
                "milliseconds": 12.3,
                "client": "9.9.9.9",
            },
        ),
        (Logging(addresses=True), None),
    ],
)
def test_a_request_is_logged_as_far_as_the_operator_wants(
    settings: Logging, fields: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    logs.served(settings)(SERVED)
    if fields is None:
        assert not caplog.records
        return
    [record] = caplog.records
    told = line(record)
    assert {name: told[name] for name in fields} == fields
    assert ("9.9.9.9" in json.dumps(told)) == settings.addresses
    assert logs.Text().format(record) == " ".join(str(value) for value in fields.values())


def test_an_unknown_format_is_told() -> None:
    with pytest.raises(ConfigError, match=r"\[log\] format"):
        Config(log=Logging(format="xml"))


def test_a_thread_that_fails_and_a_warning_are_logged(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    shown = warnings.showwarning
    logging.captureWarnings(False)  # a server in this process may have taken them over before
    logs.take_over()
    try:
        thread = threading.Thread(target=lambda: int(SECRET), name="follow")
        thread.start()
        thread.join()
        warnings.warn("this will change", stacklevel=1)
    finally:
        logging.captureWarnings(False)
        warnings.showwarning = shown
    assert "follow" in written.getvalue()
    assert "ValueError" in written.getvalue()
    assert "this will change" in written.getvalue()
    assert SECRET not in written.getvalue()


def test_no_fault_of_any_front_writes_the_question(
    bot: Bot, written: io.StringIO, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ask(self: Bot, question: str, *rest: object, **how: object) -> None:
        raise ValueError(f"cannot parse {question!r}")

    settings = Config(store=Keeping(url=""), log=Logging(requests=True))
    app = create_app(Bot(bot.index, bot.encoder, settings))
    monkeypatch.setattr(Bot, "ask", ask)
    monkeypatch.setattr(logging.getLogger("httpx2"), "disabled", True)  # the client's
    with TestClient(app, base_url="http://localhost:7860", raise_server_exceptions=False) as client:
        failed = client.post("/api/ask", json={"question": QUESTION})
        assert failed.status_code == 500
        event = client.post("/gradio_api/call/ask", json={"data": [QUESTION, [], False]}).json()["event_id"]
        told = client.get(f"/gradio_api/call/ask/{event}")
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        call["params"] = {"name": "ask", "arguments": {"question": QUESTION}}
        client.post("/mcp", json=call, headers={"Accept": "application/json, text/event-stream"})
        client.get(f"/source?document={SECRET}")
    assert "event: error" in told.text
    assert "ValueError" in written.getvalue()
    assert "/api/ask" in written.getvalue()
    out, err = capfd.readouterr()
    assert SECRET not in written.getvalue() + out + err
    if written.getvalue().startswith("{"):
        lines = [json.loads(one) for one in written.getvalue().splitlines()]
        of_one = [one for one in lines if one.get("request") == failed.headers["x-request-id"]]
        assert [one["logger"] for one in of_one] == ["bot.requests"]
        assert {one.get("request") for one in lines if one["logger"] == "bot.ui.api"} != {None}, "that of MCP"


def test_all_that_the_server_writes_is_json_without_questions(encoder: Encoder, tmp_path: Path) -> None:
    corpus, folder, store = tmp_path / "corpus", tmp_path / "index", tmp_path / "store.db"
    shutil.copytree(CORPUS, corpus)
    Index.update(folder, corpus, encoder, Config())
    settings = tmp_path / "bot.toml"
    settings.write_text(f'[store]\nurl = "sqlite:///{store}"\n[log]\nrequests = true\n')
    command = [sys.executable, "-m", "bot", "serve", "--index", folder, "--config", settings]
    output = tmp_path / "log"
    with output.open("w") as errors:
        server = subprocess.Popen([*command, "--port", "0", "--log-format", "json"], cwd=ROOT, stderr=errors)
    try:
        while "The documents are open" not in output.read_text():
            assert server.poll() is None, output.read_text()
            time.sleep(0.1)
        [start] = [json.loads(one) for one in output.read_text().splitlines() if "Plainquote is at" in one]
        site = start["message"].split()[-1]
        assert httpx.post(f"{site}/api/ask", json={"question": QUESTION}).status_code == 200
        for document in corpus.glob("*.txt"):
            document.write_text("Another text.")
        asked = {"question": "What are the side effects of ketamine?"}
        stale = httpx.post(f"{site}/api/ask", json=asked)
    finally:
        server.terminate()
        server.wait()
    lines = [json.loads(one) for one in output.read_text().splitlines()]
    assert stale.status_code == 503
    [error] = [one for one in lines if one["level"] == "error"]
    assert error["message"].startswith("IndexStale")
    assert error["request"] == stale.headers["x-request-id"]
    assert [one["status"] for one in lines if one["logger"] == "bot.requests"] == [200, 503]
    for word in (SECRET, "side effects", "127.0.0.1:5"):
        assert word not in output.read_text()
