"""What of Gradio is served: what the chat's page and gradio_client use, and nothing that reads files or fetches.

Gradio has addresses for uploads, for files of the disk, for fetching other sites and for its own development. None is
of any use here, so none is reachable, whatever a later version adds.
"""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READ = re.compile(
    r"/config|/theme\.css|/(?:assets|static)/.+"
    r"|/gradio_api/(?:info|queue/data|queue/status|heartbeat/[^/]+|call/(?:ask|search)/[^/]+)"
)
_WRITTEN = re.compile(r"/gradio_api/(?:queue/join|component_server/|cancel|reset|call/(?:ask|search))")

INPUTS = {"ask": 3, "search": 2}
"""The endpoints in Gradio's order, and how many values each takes. Of any other number Gradio would log the values."""


class Gate:
    """ASGI middleware around Gradio's app, for requests of HTTP alone. part: the id of the conversation's part, and
    functions: the names of what it may call. Raises HTTPException for what is closed."""

    def __init__(self, app: ASGIApp, part: int, functions: frozenset[str]) -> None:
        self.app = app
        self._part, self._functions = part, functions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] in ("GET", "HEAD") and _READ.fullmatch(path):
            await self.app(scope, receive, send)
        elif scope["method"] == "POST" and _WRITTEN.fullmatch(path):
            await self._write(path, scope, receive, send)
        else:
            raise HTTPException(404)

    async def _write(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A body that names files would have Gradio look for them, or fetch them. Only JSON that says so is read:
        another site's form, which a browser sends unasked, cannot say it."""
        message = await receive()  # whole: the limits come before
        try:
            body = json.loads(message["body"]) if message["type"] == "http.request" else None
        except (ValueError, RecursionError):
            body = None
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if (
            kind != "application/json"
            or not isinstance(body, dict)
            or _names_a_file(body)
            or not self._fits(path, body)
        ):
            await _REFUSED(scope, receive, send)
            return
        messages = [message]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self.app(scope, replay, send)

    def _fits(self, path: str, body: dict[str, Any]) -> bool:
        """Whether what is sent there is what Gradio takes there. Of anything else it would log what was sent."""
        last, data = path.rstrip("/").rpartition("/")[2], body.get("data")
        if last in ("cancel", "reset"):
            return True
        if last == "component_server":
            part, name, session = body.get("component_id"), body.get("fn_name"), body.get("session_hash")
            known = type(part) is int and part == self._part and isinstance(name, str) and name in self._functions
            return known and isinstance(session, str) and isinstance(data, dict)
        index = body.get("fn_index")
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
