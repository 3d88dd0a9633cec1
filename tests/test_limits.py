import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from bot.ui.limits import Buckets, Limits, client_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_may_ask_so_often_at_once_and_then_at_that_rate() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0, "another client has its own"
    clock.now += 0.5
    assert buckets.take("a") == pytest.approx(0.5), "being refused costs nothing more"
    clock.now += 0.5
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0


@settings(deadline=None)
@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=30))
def test_in_no_minute_more_than_twice_the_number_gets_through(per_minute: int, pauses: list[float]) -> None:
    clock = Clock()
    buckets = Buckets(per_minute, clock)
    let_in: list[float] = []
    for pause in pauses:
        clock.now += pause
        for _ in range(per_minute):
            if buckets.take("a"):
                break
            let_in.append(clock.now)
    for first in let_in:
        assert sum(first <= one < first + 60 for one in let_in) <= 2 * per_minute + 1


def test_clients_are_forgotten() -> None:
    clock = Clock()
    buckets = Buckets(10, clock, clients=100)
    for number in range(1000):
        buckets.take(str(number))
        assert len(buckets) <= 100
    clock.now += 60
    for _ in range(60):
        buckets.take("one")
    assert len(buckets) == 1, "those whose bucket is full again are forgotten too"


def scope(peer: str | None, *forwarded: str) -> Scope:
    return {
        "type": "http",
        "client": (peer, 1) if peer else None,
        "headers": [(b"x-forwarded-for", line.encode()) for line in forwarded],
    }


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (0, ["6.6.6.6"], "9.9.9.9"),
        (1, ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        (1, ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        (2, ["6.6.6.6, 1.2.3.4, 10.0.0.1"], "1.2.3.4"),
        (2, ["1.2.3.4"], "9.9.9.9"),
        (1, ["1.2.3.4:5000"], "1.2.3.4"),
        (1, ["[2001:db8::1]:5000"], "2001:db8::/64"),
        (1, ["2001:db8::ffff"], "2001:db8::/64"),
        (1, ["::ffff:1.2.3.4"], "1.2.3.4"),
        (1, ["not an address"], "9.9.9.9"),
        (1, [""], "9.9.9.9"),
        (1, [], "9.9.9.9"),
    ],
)
def test_who_asks_is_what_the_trusted_proxies_say(proxies: int, forwarded: list[str], client: str) -> None:
    assert client_of(scope("9.9.9.9", *forwarded), proxies) == client


def test_a_peer_without_an_address_is_one_client() -> None:
    assert client_of(scope(None), 0) == client_of(scope(None), 0)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def ask(
    app: Limits, path: str, *parts: bytes, headers: dict[str, str] | None = None, peer: str = "1.1.1.1"
) -> tuple[int, dict[str, str], bytes, int]:
    """Status, headers and body of the answer, and how many parts of the request's body were read."""
    sent: list[Message] = []
    waiting = list(parts)

    async def receive() -> Message:
        part = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    asked: dict[str, Any] = {
        "type": "http",
        "path": path,
        "client": (peer, 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "method": "POST",
    }
    asyncio.run(app(asked, receive, send))
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, sent[1]["body"], len(parts) - len(waiting)


def test_a_body_is_counted_whatever_its_length_is_said_to_be() -> None:
    app = Limits(echo, 0, 100, 0)
    assert ask(app, "/", b"x" * 60, b"y" * 40)[::2] == (200, b"x" * 60 + b"y" * 40)
    for headers in ({}, {"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}):
        status, _, body, read = ask(app, "/", *[b"x" * 60] * 50, headers=headers)
        assert (status, read) == (413, 2), "no more is read than must be"
        assert b"remedy" in body
    for length in ("101", "9" * 30, "9" * 5000):
        assert ask(app, "/", b"x", headers={"Content-Length": length})[3] == 0, "nothing is read"


def test_a_body_that_is_metered_is_handed_on_as_it_comes() -> None:
    app = Limits(echo, 0, 10, 0, {"/large": 100}.get)
    assert ask(app, "/large", b"x" * 60, b"y" * 40)[::2] == (200, b"x" * 60 + b"y" * 40)
    assert ask(app, "/", b"x" * 60)[0] == 413

    async def unread(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert ask(Limits(unread, 0, 10, 0, {"/large": 100}.get), "/large", b"x" * 60)[3] == 0, "nothing is read"
    for headers in ({}, {"Content-Length": "5"}, {"Content-Length": "101"}, {"Transfer-Encoding": "chunked"}):
        with pytest.raises(HTTPException) as refused:
            ask(app, "/large", *[b"x" * 60] * 50, headers=headers)
        assert refused.value.status_code == 413


def test_questions_are_counted_and_the_page_is_not() -> None:
    app = Limits(echo, 3, 100, 0)
    counted = (
        "/api/ask",
        "/gradio_api/queue/join",
        "/source",
        "/mcp",
        "/gradio_api/call/ask",
        "/api",
        "/page",
        "/ready",
        "/staff/login",
    )
    for number, path in enumerate(counted):
        peer = f"1.1.1.{number}"
        assert [ask(app, path, peer=peer)[0] for _ in range(4)] == [200, 200, 200, 429], path
        assert ask(app, "/", peer=peer)[0] == 200
        assert ask(app, "/health", peer=peer)[0] == 200
    status, headers, body, _ = ask(app, "/api/ask", peer="1.1.1.0")
    assert status == 429
    assert 1 <= int(headers["retry-after"]) <= 20
    assert b'"remedy"' in body


def test_zero_is_any_number() -> None:
    app = Limits(echo, 0, 100, 0)
    assert {ask(app, "/api/ask")[0] for _ in range(300)} == {200}


def test_a_client_cannot_pass_for_another() -> None:
    app = Limits(echo, 2, 100, 0)
    answers = [ask(app, "/api/ask", headers={"X-Forwarded-For": f"8.8.8.{n}"})[0] for n in range(5)]
    assert answers == [200, 200, 429, 429, 429]
    behind = Limits(echo, 2, 100, 1)
    forged = [ask(behind, "/api/ask", headers={"X-Forwarded-For": f"8.8.8.{n}, 5.5.5.5"})[0] for n in range(5)]
    assert forged == [200, 200, 429, 429, 429]
