"""What became of each request, told to those who count or log it. Nothing of what was asked is in it: of an address,
only its pattern."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.ui.limits import client_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ELSEWHERE = "other"
"""Whatever no route of ours answers; a method that HTTP does not know."""
current: ContextVar[str | None] = ContextVar("request", default=None)
"""The id of the request that is being answered, for what is logged meanwhile."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Served:
    """route: its pattern, such as ``/api/documents/{id}``: there are only so many. seconds: until the last byte.
    client: the address that asked."""

    id: str
    method: str
    route: str
    status: int
    seconds: float
    client: str


class Watched:
    """ASGI middleware, to be put around all others. A request keeps the id that a trusted proxy gave it, and every
    response names it."""

    def __init__(self, app: ASGIApp, proxies: int, *tell: Callable[[Served], None]) -> None:
        self.app = app
        self._proxies = proxies
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        id = self._id(scope)
        status = 500  # of what fails before it says anything
        began = time.perf_counter()

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": list(message.get("headers", ()))}
                MutableHeaders(raw=message["headers"])["X-Request-ID"] = id
            await send(message)

        before = current.set(id)
        try:
            await self.app(scope, receive, send_named)
        finally:
            served = Served(
                id=id,
                method=scope["method"] if scope["method"] in METHODS else ELSEWHERE,
                route=route_of(scope),
                status=status,
                seconds=time.perf_counter() - began,
                client=client_of(scope, self._proxies),
            )
            for tell in self._tell:
                tell(served)
        current.reset(before)  # but not after a failure: whoever catches it will log it for this request

    def _id(self, scope: Scope) -> str:
        given = Headers(scope=scope).get("x-request-id", "") if self._proxies else ""
        return given if _ID.fullmatch(given) else secrets.token_hex(8)


def route_of(scope: Scope) -> str:
    """The pattern of the route that answered. To be called afterwards: routing writes it into the scope."""
    route = scope.get("route")
    if scope["path"] in getattr(route, "paths", ()):
        return str(scope["path"])
    return getattr(route, "path", "") or ELSEWHERE
