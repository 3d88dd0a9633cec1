"""What of Gradio is served: what gradio_client uses, and nothing that reads files or fetches.

Gradio has addresses for uploads, for files of the disk, for fetching other sites and for its own development. None is
of any use here, so none is reachable, whatever a later version adds.
"""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READ = re.compile(r"/config|/gradio_api/(?:info|queue/data|queue/status|heartbeat/[^/]+|call/(?:ask|search)/[^/]+)")
_WRITTEN = re.compile(r"/gradio_api/(?:queue/join|cancel|reset|call/(?:ask|search))")


INPUTS = {"ask": 3, "search": 2}
"""The endpoints in Gradio's order, and how many values each takes. Of any other number Gradio would log the values."""


class Gate:
    """ASGI middleware around Gradio's app, for requests of HTTP alone. Raises HTTPException for what is closed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] in ("GET", "HEAD") and _READ.fullmatch(path):
            await self.app(scope, receive, send)
        elif scope["method"] == "POST" and _WRITTEN.fullmatch(path):
            await self._write(path, scope, receive, send)
        else:
            raise HTTPException(404)

    async def _write(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A body that names files would have Gradio look for them, or fetch them."""
        message = await receive()  # whole: the limits come before
        try:
            body = json.loads(message["body"]) if message["type"] == "http.request" else None
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or _names_a_file(body) or not _fits(path.rpartition("/")[2], body):
            await _REFUSED(scope, receive, send)
            return
        messages = [message]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)


def _fits(last: str, body: dict[str, Any]) -> bool:
    """Whether what is sent to an address that ends so is a call of one of the endpoints, or none at all."""
    if last in ("cancel", "reset"):
        return True
    index, data = body.get("fn_index"), body.get("data")
    if last == "join":
        last = list(INPUTS)[index] if type(index) is int and 0 <= index < len(INPUTS) else ""
    return isinstance(data, list) and len(data) == INPUTS.get(last)


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


_REFUSED = JSONResponse({"error": "the body could not be read", "remedy": "Send JSON without files."}, 400)
