"""The server: it listens at once, and opens what answers meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import h11
import uvicorn
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.config import Config
from bot.errors import UsageError
from bot.ui import logs
from bot.ui.headers import SecurityHeaders
from bot.ui.later import Later
from bot.ui.opening import Opening
from bot.ui.served import Watched

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from bot.bot import Bot

log = logging.getLogger(__name__)

WAITS = "/gradio_api/component_server/"
"""What a page asks for that was there before the server was started anew: it waits until it can be answered. Everything
else is told to come again."""
IDLE = 5
"""Seconds after which a connection is closed that asks for nothing more."""
CLOSING = 3
"""Seconds that requests have to end once the server is stopped."""


def serve(opened: Callable[[], Bot], config: Config, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM. Raises UsageError if the address cannot be had, ConfigError for a look that will
    not do, and whatever `opened` raises."""
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    def make() -> Starlette:
        from bot.ui import create_app

        return create_app(opened())

    logs.take_over()
    later = Later(make, failed, lambda: log.info("The documents are open: questions are answered now"))
    meanwhile = SecurityHeaders(Opening(config), config.web.frame_ancestors)
    front = Front(later, Watched(meanwhile, config.web.proxies, logs.served(config.log)))
    with _listen(host, port) as listener:
        address = listener.getsockname()
        shown = f"[{address[0]}]" if listener.family == socket.AF_INET6 else address[0]
        log.info("Plainquote is at http://%s:%d", shown, address[1])
        server = _Server(
            uvicorn.Config(
                front,
                http=_protocol(config.web.request_seconds),
                log_config=None,  # its loggers hand on to ours
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # `[web] proxies` says whom to believe
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=CLOSING,
            ),
            later,
        )
        # uvicorn stops on a signal, then raises it again for the handler that stood before it.
        before = {number: signal.signal(number, _done) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            server.run(sockets=[listener])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if failures:
        raise failures[0]


class Front:
    """Hands requests to `later`, once it is there or where they can wait for it; until then to `meanwhile`."""

    def __init__(self, later: Later, meanwhile: ASGIApp) -> None:
        self._later, self._meanwhile = later, meanwhile
        self._lifespan = Router(lifespan=lambda _: later.running())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif self._later.is_there or scope["path"].startswith(WAITS):
            await self._later(scope, receive, send)
        else:
            await self._meanwhile(scope, receive, send)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, later: Later) -> None:
        super().__init__(config)
        self._later = later

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """While the documents are being opened, a signal ends the process at once: nothing is lost, and the thread
        that opens them cannot be ended in any other way."""
        if not self._later.is_there and not self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        super().handle_exit(sig, frame)


def _protocol(seconds: int) -> type[H11Protocol]:
    """HTTP as uvicorn speaks it, but a connection is closed on which the head of a request has not come whole within
    so many seconds. (`Limits` sees to the body.)"""

    class Protocol(H11Protocol):
        _head: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE:
                self._wait()
            elif self._head is not None:
                self._head.cancel()
                self._head = None

        def connection_lost(self, exc: Exception | None) -> None:
            if self._head is not None:
                self._head.cancel()
            super().connection_lost(exc)

        def _wait(self) -> None:
            if self._head is None:
                self._head = self.loop.call_later(seconds, self.transport.close)

    return Protocol


def _done(number: int, frame: FrameType | None) -> None:
    """The server has stopped by then: nothing is left to do."""


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        with contextlib.ExitStack() as undo:
            # asyncio sends at once (TCP_NODELAY) only from a socket that names its protocol.
            listener = undo.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()  # who comes from now on waits for the server instead of being turned away
            undo.pop_all()
            return listener
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be used: {error.strerror}", remedy="Give another one with --host and --port."
        ) from error
