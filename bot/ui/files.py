"""The files that pages load: kept in memory and compressed once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.config import Config
from bot.ui import theme

if TYPE_CHECKING:
    from fastapi import FastAPI

_FOLDER = Path(__file__).parent
_CHAT = ("call.js", "panel.js", "share.js", "feedback.js", "chat.js", "opening.js")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_SANDBOX = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""Of a picture, which may hold scripts."""


class File:
    """Whoever names its version in the address, as `link` does, may keep it for good, as all may where it is `lasting`:
    its own name has its version in it. Others ask each time whether it has changed."""

    def __init__(
        self, content: bytes, media_type: str, headers: Mapping[str, str] = _NO_HEADERS, *, lasting: bool = False
    ) -> None:
        self.version = hashlib.sha256(content).hexdigest()[:16]
        self._plain, self._packed = content, gzip.compress(content, 9, mtime=0)
        self._media_type, self._headers, self._lasting = media_type, headers, lasting

    def answer(self, request: Request) -> Response:
        tag = f'"{self.version}"'
        lasting = self._lasting or request.query_params.get("v") == self.version
        headers = {
            "ETag": tag,
            "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache",
            "Vary": "Accept-Encoding",
            **self._headers,
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if len(self._packed) < len(self._plain) and _takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(self._packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=self._media_type)
        return Response(self._plain, headers=headers, media_type=self._media_type)


def _takes_gzip(accepted: str) -> bool:
    for one in accepted.split(","):
        name, _, weight = one.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _read(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


CHAT = "\n".join(("(() => {", *(_read(name).decode() for name in _CHAT), "})();"))
"""The scripts of the chat, which run as one, in this order. They stand in the page, to be there with its form."""
STYLE = _read("style.css").decode()

FIXED: Mapping[str, File] = MappingProxyType(
    {
        "style.css": File(STYLE.encode(), "text/css"),
        "pages.css": File(_read("pages.css"), "text/css"),
        "source.js": File(_read("source.js"), "text/javascript"),
        "icon.svg": File(_read("icon.svg"), "image/svg+xml", _SANDBOX),
    }
)
"""By name; the same for every clinic."""


def link(name: str) -> str:
    """The address, relative to a page, of one of `FIXED` as it is now."""
    return f"{name}?v={FIXED[name].version}"


def of(config: Config) -> dict[str, File]:
    """All of them by path, with those that the settings name. Raises ConfigError for a colour or a logo that will
    not do."""
    found = {f"/{name}": file for name, file in FIXED.items()}
    found["/clinic.css"] = File(theme.css(config.clinic).encode(), "text/css")
    if (logo := theme.logo(config.clinic)) is not None:
        found["/logo"] = File(logo.data, logo.media_type, _SANDBOX)
    return found


def add_routes(app: FastAPI, config: Config) -> None:
    for path, file in of(config).items():
        app.add_api_route(path, file.answer, methods=["GET", "HEAD"], include_in_schema=False)


class Kept:
    """ASGI middleware that answers with `files`, by path, for requests of HTTP alone."""

    def __init__(self, files: Mapping[str, File], app: ASGIApp) -> None:
        self._files, self.app = files, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] in ("GET", "HEAD") and path in self._files:
            await self._files[path].answer(Request(scope))(scope, receive, send)
        else:
            await self.app(scope, receive, send)
