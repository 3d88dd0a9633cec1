"""An app that takes seconds to be made, while the server that it belongs to runs already."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from bot.ui.told import BUSY, FAULT, Refusal

MOST_WAITING = 64


class Later:
    """An ASGI app that is made in a thread. Until it is there, its requests wait.

    failed: is told why it cannot be made, or fails as it ends. then: is called once it is there.
    """

    def __init__(
        self,
        make: Callable[[], Starlette],
        failed: Callable[[Exception], None],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._make, self._failed, self._then = make, failed, then
        self._app: Starlette | None = None
        self._settled: asyncio.Event | None = None
        self._waiting = 0

    @property
    def is_there(self) -> bool:
        return self._app is not None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Begins to make it; ends it, once it is made: Python may not end while a thread is within a library."""
        self._settled, ended = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(self._run(self._settled, ended))
        try:
            yield
        finally:
            ended.set()
            await task

    async def _run(self, settled: asyncio.Event, ended: asyncio.Event) -> None:
        before = self._app  # where it runs twice at once
        try:
            app = await asyncio.to_thread(self._make)
            async with app.router.lifespan_context(app):
                self._app = app
                settled.set()
                self._then()
                await ended.wait()
        except Exception as error:  # noqa: BLE001 - it is handed on
            self._failed(error)
        finally:
            self._app = before
            settled.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None and self._settled is not None:
            if self._waiting >= MOST_WAITING:
                await _refused(BUSY)(scope, receive, send)
                return
            self._waiting += 1
            try:
                await self._settled.wait()
            finally:
                self._waiting -= 1
        await (self._app or _refused(FAULT))(scope, receive, send)


def _refused(refusal: Refusal) -> JSONResponse:
    return JSONResponse({"error": refusal.error, "remedy": refusal.remedy}, 503, {"Retry-After": "5"})
