"""What is served while the documents are being opened: the chat's page, and word that the rest is not there yet."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bot.config import Config
from bot.ui import files, frontpage
from bot.ui.told import OPENING, Teller

AGAIN = {"Retry-After": "2"}


class Opening:
    """An ASGI app. Raises ConfigError where the look that `config` names will not do."""

    def __init__(self, config: Config) -> None:
        self._files = files.of(config) | {"/": frontpage.before(config)}
        self._teller = Teller(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(Request(scope))(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    def _answer(self, request: Request) -> Response:
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        if request.method in ("GET", "HEAD") and path in self._files:
            return self._files[path].answer(request)
        if path == "/health":
            return JSONResponse({"status": "ok"})
        if path == "/ready":
            told = {"error": OPENING.error, "remedy": OPENING.remedy, "reasons": ["opening"]}
            return JSONResponse(told, OPENING.status, AGAIN)
        return self._teller.told(request, OPENING, AGAIN)
