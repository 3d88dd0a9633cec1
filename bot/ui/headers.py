"""What every response tells the browser: load nothing from elsewhere, run nothing that is not ours."""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)

_POLICY = (
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'self'",
)


class SecurityHeaders:
    """ASGI middleware that adds the headers to every response.

    The chat page has inline scripts of Gradio's own. Each is allowed by its hash, so that a script or an
    event handler which got into the page in any other way does not run. Gradio evaluates its templates, which
    needs ``unsafe-eval``; that lets no inline script run.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        page = b""

        async def send_with_headers(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start":
                start = message
                if not _is_page(message):
                    _protect(start, b"")
                    await send(start)
            elif message["type"] == "http.response.body" and _is_page(start):
                page += message.get("body", b"")
                if not message.get("more_body"):
                    _protect(start, page)
                    await send(start)
                    await send({"type": "http.response.body", "body": page})
            else:
                await send(message)

        await self.app(scope, receive, send_with_headers)


def _is_page(start: Message) -> bool:
    return MutableHeaders(raw=start["headers"]).get("content-type", "").startswith("text/html")


def _protect(start: Message, page: bytes) -> None:
    headers = MutableHeaders(raw=start["headers"])
    headers["Content-Security-Policy"] = "; ".join((*_POLICY, _script_policy(page)))
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"


def _script_policy(page: bytes) -> str:
    scripts = _INLINE_SCRIPT.findall(page)
    if not scripts:
        return "script-src 'self'"
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    return " ".join(("script-src 'self' 'unsafe-eval'", *(f"'sha256-{digest}'" for digest in hashes)))
