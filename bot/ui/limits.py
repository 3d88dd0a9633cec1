"""How much one client may ask: so many requests a minute, so many bytes in each, and so long to send them."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.ui.told import Refusal, as_json

CLIENTS = 10_000
"""So many are remembered; beyond, those that have asked nothing for longest are forgotten."""
COUNTED = (
    "/api",
    "/mcp",
    "/source",
    "/page",
    "/ready",
    "/staff/login",
    "/gradio_api/component_server",
    "/gradio_api/queue/join",
    "/gradio_api/call",
)
"""What costs the server something: these paths and all below them."""


class Buckets:
    """Token buckets: each client may ask `per_minute` times at once, and gets one back every ``60 / per_minute``
    seconds. Not for several threads: the event loop alone uses it."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic, clients: int = CLIENTS) -> None:
        self._size, self._per_second = float(per_minute), per_minute / 60
        self._clock, self._clients = clock, clients
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when; latest last

    def __len__(self) -> int:
        return len(self._left)

    def take(self, client: str) -> float:
        """Takes a token of `client`'s. Seconds until there is one; 0: it was taken."""
        now = self._clock()
        left, since = self._left.pop(client, (self._size, now))
        left = min(self._size, left + (now - since) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._left[client] = (left if wait else left - 1, now)
        self._forget(now)
        return wait

    def _forget(self, now: float) -> None:
        full_again = self._size / self._per_second
        for client, (_, since) in list(self._left.items())[:2]:  # two for one that came: it never grows for nothing
            if now - since >= full_again or len(self._left) > self._clients:
                del self._left[client]


class Limits:
    """ASGI middleware. per_minute: requests of one client, 0: any number. proxies: how many trusted proxies stand
    before the app. A body is read whole before anything looks at it, and no further than `max_body` bytes, whatever
    its Content-Length says. metered: of a path whose body is handed on as it comes, so that it can be refused before
    it is read, how many bytes it may have; None for all others. seconds: within which a body must have come, or, of
    one that is handed on as it comes, the next part of it. tell: makes the response to whoever is refused."""

    def __init__(
        self,
        app: ASGIApp,
        per_minute: int,
        max_body: int,
        proxies: int,
        metered: Callable[[str], int | None] = lambda path: None,
        seconds: float = 30.0,
        tell: Callable[[Request, Refusal, dict[str, str]], Response] = as_json,
    ) -> None:
        self.app = app
        self._seconds, self._tell = seconds, tell
        self._metered = metered
        self._buckets = Buckets(per_minute) if per_minute else None
        self._max_body, self._proxies = max_body, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._buckets is not None and _is_counted(scope["path"]):
            wait = self._buckets.take(client_of(scope, self._proxies))
            if wait:
                await self._tell(Request(scope), *_too_many(math.ceil(wait)))(scope, receive, send)
                return
        declared = headers.get("content-length", "0")
        most = self._metered(scope["path"])
        if most is not None:
            await self.app(scope, _counted(receive, most, declared, self._seconds), send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = None if _is_more(declared, self._max_body) else await self._read(receive)
        except TimeoutError:
            await self._tell(Request(scope), *_TOO_SLOW)(scope, receive, send)
            return
        if body is None:
            await self._tell(Request(scope), *_too_large(self._max_body))(scope, receive, send)
            return
        await self.app(scope, _again(body, receive), send)

    async def _read(self, receive: Receive) -> list[Message] | None:
        """The messages of the body as one, with a disconnection after it if there was one; None: it is too large."""
        read = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return [message]
            read += message.get("body", b"")
            if len(read) > self._max_body:
                return None
            if not message.get("more_body"):
                return [{"type": "http.request", "body": bytes(read), "more_body": False}]


def _again(messages: list[Message], receive: Receive) -> Receive:
    async def replay() -> Message:
        return messages.pop(0) if messages else await receive()

    return replay


def _counted(receive: Receive, most: int, declared: str, seconds: float) -> Receive:
    """The body as it comes; reading further than allowed fails, at once where it says that it is too large, and so does
    waiting longer than allowed."""
    read = 0
    whole = False

    async def counted() -> Message:
        nonlocal read, whole
        if whole:  # what comes now is that the client has gone, whenever that is
            return await receive()
        if not _is_more(declared, most):
            try:
                async with asyncio.timeout(seconds):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The request came too slowly: send it again.", _CLOSE) from None
            read += len(message.get("body", b""))
            whole = not message.get("more_body")
            if read <= most:
                return message
        raise HTTPException(413, f"The request is too large: send at most {most} bytes.", _CLOSE)

    return counted


def _is_more(declared: str, most: int) -> bool:
    return declared.isdecimal() and (len(declared) > 15 or int(declared) > most)


def _is_counted(path: str) -> bool:
    return any(path == counted or path.startswith(counted + "/") for counted in COUNTED)


def client_of(scope: Scope, proxies: int) -> str:
    """The address that asked: the peer's, or, behind `proxies` proxies, the one that the outermost of them saw. What
    stands further left in X-Forwarded-For is the client's own claim. Of IPv6 the network alone counts, since one
    client has as many addresses in it as it wants."""
    peer = str(scope["client"][0]) if scope.get("client") else ""
    if proxies:
        lines = Headers(scope=scope).getlist("x-forwarded-for")
        forwarded = [address.strip() for line in lines for address in line.split(",")]
        if len(forwarded) >= proxies:
            peer = _address(forwarded[-proxies]) or peer
    return _network(peer)


def _address(text: str) -> str | None:
    """An address as proxies write it, perhaps with a port."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return None


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)


_CLOSE = {"Connection": "close"}
"""The rest of its body is not read."""
_TOO_SLOW = Refusal(408, "the request came too slowly", "Send it again."), _CLOSE


def _too_many(seconds: int) -> tuple[Refusal, dict[str, str]]:
    return Refusal(429, "too many requests", f"Wait {seconds} seconds."), {"Retry-After": str(seconds)}


def _too_large(limit: int) -> tuple[Refusal, dict[str, str]]:
    return Refusal(413, "the request is too large", f"Send at most {limit} bytes."), _CLOSE
