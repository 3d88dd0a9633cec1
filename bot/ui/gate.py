"""What of Gradio is served: what gradio_client uses, and nothing that reads files or fetches.

Gradio has addresses for uploads, for files of the disk, for fetching other sites and for its own development. None is
of any use here, so none is reachable, whatever a later version adds.
"""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READ = re.compile(r"/config|/gradio_api/(?:info|queue/data|queue/status|heartbeat/[^/]+|call/(?:ask|search)/[^/]+)")
_WRITTEN = re.compile(r"/gradio_api/(?:queue/join|cancel|reset|call/(?:ask|search))")


class Gate:
    """ASGI middleware around Gradio's app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and _READ.fullmatch(path):
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "POST" and _WRITTEN.fullmatch(path):
            await self._write(scope, receive, send)
        elif scope["type"] == "http":
            await _NOTHING(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A body that names files would have Gradio look for them, or fetch them."""
        message = await receive()  # whole: the limits come before
        try:
            named = message["type"] == "http.request" and _names_a_file(json.loads(message["body"]))
        except (ValueError, RecursionError):
            named = True
        if named:
            await _REFUSED(scope, receive, send)
            return
        messages = [message]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)


def _names_a_file(value: Any) -> bool:
    """Whether Gradio would take an object within `value` for a file."""
    inside = [value]
    while inside:
        one = inside.pop()
        if isinstance(one, dict):
            if "path" in one:
                return True
            inside.extend(one.values())
        elif isinstance(one, list):
            inside.extend(one)
    return False


_NOTHING = JSONResponse({"error": "there is nothing at this address", "remedy": "Go to the start page: /"}, 404)
_REFUSED = JSONResponse({"error": "the body could not be read", "remedy": "Send JSON without files."}, 400)
