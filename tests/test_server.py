"""What the server does before all is open, and with clients that keep it waiting."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import ROOT, listening
from fastapi import FastAPI
from gradio.context import Context
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from bot.bot import Bot
from bot.config import Config, Keeping, Web
from bot.errors import IndexMissing
from bot.ui import create_app
from bot.ui.headers import SecurityHeaders
from bot.ui.later import Later
from bot.ui.opening import Opening
from bot.ui.server import WAITS, Front, _listen, _protocol, serve

HTML = {"accept": "text/html"}
LONG = 60.0
"""Seconds after which something that should have happened never will."""


def over(bot: Bot, **web: int) -> FastAPI:
    return create_app(Bot(bot.index, bot.encoder, Config(web=Web(**web), store=Keeping(url=""))))


def opening(make: Callable[[], FastAPI], failed: Callable[[Exception], None] = lambda error: None) -> Front:
    return Front(Later(make, failed), SecurityHeaders(Opening(Config())))


def test_while_it_opens_the_page_is_there_and_questions_wait(bot: Bot) -> None:
    may, asked = threading.Event(), threading.Event()
    part = Context.id + 1  # of the next Blocks: the first of a process, unless tests have made some
    answers: list[httpx.Response] = []

    def make() -> FastAPI:
        assert may.wait(LONG)
        return over(bot)

    def ask(site: str) -> None:
        asked.set()
        given = {"question": "What are the side effects of ketamine?", "history": []}
        body = {"session_hash": "x", "component_id": part, "fn_name": "ask", "data": given}
        answers.append(httpx.post(f"{site}{WAITS}", json=body, timeout=LONG))

    with listening(opening(make)) as site:
        page = httpx.get(site)
        assert page.status_code == 200
        assert "Our leaflets are being opened." in page.text
        assert httpx.get(f"{site}/style.css").status_code == httpx.get(f"{site}/clinic.css").status_code == 200
        assert httpx.get(f"{site}/health").json() == {"status": "ok"}
        ready = httpx.get(f"{site}/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["opening"])
        for method, path in (("POST", "/api/ask"), ("GET", "/config"), ("POST", "/mcp"), ("GET", "/staff")):
            told = httpx.request(method, f"{site}{path}")
            assert (told.status_code, set(told.json())) == (503, {"error", "remedy"})
            assert int(told.headers["retry-after"]) > 0
            assert "default-src 'self'" in told.headers["content-security-policy"]
        shown = httpx.get(f"{site}/source?document=a.txt", headers=HTML)
        assert (shown.status_code, shown.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "Our leaflets are being opened." in shown.text
        waiting = threading.Thread(target=ask, args=(site,))
        waiting.start()
        assert asked.wait(LONG)
        assert not answers
        may.set()
        waiting.join(LONG)
        assert "hallucinations" in answers[0].json()["html"]
        assert httpx.get(f"{site}/ready").status_code == 200
        page = httpx.get(site)
        assert "leaflets are being opened" not in page.text
        assert "gradio-app" in page.text


def test_what_cannot_be_opened_ends_whoever_waits() -> None:
    may, failures = threading.Event(), list[Exception]()

    def make() -> FastAPI:
        assert may.wait(LONG)
        raise IndexMissing("there is no index", remedy="bot index")

    with listening(opening(make, failures.append)) as site:
        waiting: list[int] = []
        thread = threading.Thread(
            target=lambda: waiting.append(httpx.post(f"{site}{WAITS}", json={}, timeout=LONG).status_code)
        )
        thread.start()
        may.set()
        thread.join(LONG)
        assert waiting == [503]
        assert [type(error) for error in failures] == [IndexMissing]
        assert httpx.get(f"{site}/health").status_code == 200


def test_too_many_that_wait_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.ui.later.MOST_WAITING", 0)
    may = threading.Event()

    def make() -> FastAPI:
        may.wait(LONG)
        return FastAPI()

    with listening(opening(make)) as site:
        assert httpx.post(f"{site}{WAITS}", json={}).status_code == 503
        may.set()


def test_what_is_opened_ends_with_the_server() -> None:
    told: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        told.append("begun")
        yield
        told.append("ended")

    async def run() -> None:
        later = Later(lambda: FastAPI(lifespan=lifespan), lambda error: told.append("failed"))
        async with later.running():
            while not later.is_there:
                await asyncio.sleep(0.01)
            assert told == ["begun"]
        assert not later.is_there

    asyncio.run(run())
    assert told == ["begun", "ended"]


def test_serving_raises_what_opening_raises() -> None:
    def opened() -> Bot:
        raise IndexMissing("there is no index", remedy="bot index")

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(IndexMissing):
        serve(opened, Config(), "127.0.0.1", 0)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_without_an_index_the_command_ends_with_its_remedy(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "serve", "--index", str(tmp_path / "none"), "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONG * 2, check=False)
    assert done.returncode == 2
    assert "to fix: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "questions are answered" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_opens(number: signal.Signals) -> None:
    code = (
        "import threading\nfrom bot.config import Config\nfrom bot.ui import server\n"
        "server.serve(threading.Event().wait, Config(), '127.0.0.1', 0)"
    )
    command = [sys.executable, "-c", "import logging; logging.basicConfig(level=20)\n" + code]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stderr
        site = next(line for line in server.stderr if "Plainquote is at" in line).split()[-1]
        assert httpx.get(f"{site}/health", timeout=LONG).status_code == 200
        server.send_signal(number)
        assert server.wait(LONG) == -number


def test_nothing_heavy_is_imported_before_it_listens() -> None:
    heavy = "{'gradio', 'fastapi', 'numpy', 'faiss', 'onnxruntime', 'sqlalchemy', 'mcp', 'pydantic', 'torch'}"
    code = f"import bot.cli, bot.ui.server, sys; print(sorted({heavy} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# Clients that keep it waiting


def talk(site: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server says to a client that sends these parts, and then nothing more, until it closes."""
    address = urlsplit(site)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=LONG) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except ConnectionError:
                break
            time.sleep(pause)
        said = b""
        try:
            while more := connection.recv(65536):
                said += more
        except ConnectionError:
            pass
        return said


HEAD = b"POST /api/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"


def test_a_body_that_does_not_come_is_not_waited_for(bot: Bot) -> None:
    with listening(over(bot, request_seconds=1), http=_protocol(1)) as site:
        said = talk(site, HEAD, b'{"question"')
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in said.lower()
        assert b'"remedy"' in said
        trickled = talk(site, HEAD, *[b"x"] * 8, pause=0.4)
        assert trickled.startswith(b"HTTP/1.1 408 "), "a letter now and then is no body either"
        assert httpx.get(f"{site}/health").status_code == 200


def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    with listening(PlainTextResponse("here"), http=_protocol(1), lifespan="off") as site:
        assert talk(site) == b""
        assert talk(site, b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 8, pause=0.3) == b"", "nor one that trickles"
        once = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        assert talk(site, once, b"GET /").count(b"here") == 1, "nor the second of a connection"
        assert talk(site, once, once, pause=0.1).count(b"here") == 2
        assert httpx.get(site).text == "here"


def test_a_slow_answer_is_no_slow_request() -> None:
    async def slow(scope: object, receive: object, send: object) -> None:
        await asyncio.sleep(2)
        await PlainTextResponse("here")(scope, receive, send)  # type: ignore[arg-type]

    app: ASGIApp = slow
    with listening(app, http=_protocol(1), lifespan="off") as site:
        assert httpx.get(site, timeout=LONG).text == "here"


def test_an_answer_is_sent_as_soon_as_it_is_there() -> None:
    """A server that lets small packets wait for each other (Nagle) costs a browser some 40 ms an answer."""

    async def waits() -> bool:
        served: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sent = writer.get_extra_info("socket")
            served.set_result(sent.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with _listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(serve, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                writer.close()
                return not await served

    assert not asyncio.run(waits())


def test_an_address_that_is_taken_is_said_before_anything_is_opened() -> None:
    def opened() -> Bot:
        pytest.fail("it was opened")

    with _listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(Exception, match="cannot be used"):
            serve(opened, Config(), "127.0.0.1", taken.getsockname()[1])
