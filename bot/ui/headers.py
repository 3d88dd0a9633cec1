"""What every response tells the browser: load nothing from elsewhere, run nothing that is not ours, show it in no
frame but those of the clinic's own sites, and let no other site read it.

Strict-Transport-Security is left to the proxy that ends TLS: the app itself speaks plain HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_OURS = "script-src 'self'"
_POLICY = (
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            "accelerometer",
            "camera",
            "display-capture",
            "geolocation",
            "gyroscope",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "usb",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}
"""Cross-Origin-Resource-Policy does not keep a page out of a frame: only a frame whose own page demands an embedder
policy looks at it."""
_FROM_OTHERS = ("server", "x-powered-by")
_DESK = {"X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
"""Of the staff's pages, which no site may frame, whoever may frame the chat, and which no browser keeps. With no
referrer at all a form would not say that it comes from here."""
_DESK_POLICY = (
    *(part for part in _POLICY if not part.startswith("style-src")),
    "style-src 'self'",
    _OURS,
)


class SecurityHeaders:
    """ASGI middleware that adds the headers to every response.

    No page but the chat's has a script that is no file, and none evaluates anything: see `of_chat`. frame_ancestors:
    the sites, with spaces between, that may show the pages in a frame, beside their own. Cross-origin reading is
    allowed to none, whatever Gradio says, and a cookie is sent along by the site's own pages alone.
    """

    def __init__(self, app: ASGIApp, frame_ancestors: str = "") -> None:
        self.app = app
        self._frames = frame_ancestors
        self._own = {} if frame_ancestors.split() else {"X-Frame-Options": "SAMEORIGIN"}  # it can name no other site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(message["headers"])}  # one that is sent again keeps its own
                self._protect(MutableHeaders(raw=message["headers"]), scope["path"])
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _protect(self, headers: MutableHeaders, path: str) -> None:
        cookies = headers.getlist("set-cookie")
        for name in {name for name in headers if name.startswith("access-control-") or name in _FROM_OTHERS}:
            del headers[name]
        if cookies:
            del headers["set-cookie"]
            for cookie in cookies:
                headers.append("set-cookie", _closed(cookie))
        if path == "/staff" or path.startswith("/staff/"):
            headers.update(_ALWAYS | _DESK)
            headers.setdefault("Content-Security-Policy", "; ".join((*_DESK_POLICY, "frame-ancestors 'none'")))
            return
        headers.update(_ALWAYS | self._own)
        # A page may set a policy of its own: a picture that may hold scripts is served in a sandbox.
        headers.setdefault("Content-Security-Policy", _policy(_OURS, self._frames))


def _policy(scripts: str, frame_ancestors: str, *more: str) -> str:
    return "; ".join((*_POLICY, *more, scripts, " ".join(("frame-ancestors 'self'", *frame_ancestors.split()))))


def of_chat(page: str, frame_ancestors: str, *, gradio: bool) -> str:
    """The policy of the chat's page, which has inline scripts. Each is allowed by its hash, so that a script or an
    event handler which got into the page in any other way does not run. `gradio`: it is Gradio's, which evaluates its
    templates and the script of its part; that lets no inline script run."""
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in _INLINE_SCRIPT.findall(page)]
    scripts = " ".join((_OURS, *(["'unsafe-eval'"] if gradio else []), *(f"'sha256-{one}'" for one in hashes)))
    return _policy(scripts, frame_ancestors, *(["img-src 'self' data:", "font-src 'self' data:"] if gradio else []))


def _closed(value: str) -> str:
    """A cookie that scripts cannot read and that no other site's page sends along; where it is meant for our own
    pages alone, no link from elsewhere either."""
    name, *attributes = (part.strip() for part in value.split(";"))
    kept = [one for one in attributes if one.partition("=")[0].lower() not in ("samesite", "httponly")]
    strict = any(one.lower() == "samesite=strict" for one in attributes)
    return "; ".join((name, *kept, "HttpOnly", "SameSite=Strict" if strict else "SameSite=Lax"))
