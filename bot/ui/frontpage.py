"""The chat's page. The form stands in its first bytes, so that one can type and ask at once: while the documents are
being opened, and while the browser loads Gradio, within whose part the conversation then goes on (`call.js`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope

from bot.config import Config
from bot.ui import assets, headers, theme
from bot.ui.files import CHAT, STYLE, File, link
from bot.ui.leaf import of_language
from bot.ui.render import chat, sayer, top

_THEIRS = re.compile(r'\s*<meta\s+(?:property="og|name="(?:twitter|viewport))[^>]*>|\s*<link rel="manifest"[^>]*>')
_MANY = 8
"""Pages that are kept: Gradio makes another one for each address under which the server is reached."""
_STYLE = re.compile(r'<link rel="stylesheet"[^>]* href="(\./[\w./-]+)"[^>]*>')
_ENTRY = re.compile(r'<script type="module"[^>]* src="(\./[\w./-]+)"></script>')
_AFTERWARDS = (
    "<script>requestAnimationFrame(() => setTimeout(() => document.head.prepend("
    "...%s.map(([tag, about]) => Object.assign(document.createElement(tag), about)))));</script>"
)
"""Gradio's style and script come once the form has been painted: a browser shows nothing that stands behind a style
which is not there yet. The style comes before ours, which has the last word. The script never runs before its element
has been read to its end: it would then not know the element's attributes."""
_LANGUAGE = re.compile(r'(<html\s+)lang="[^"]*"')
_BODY = re.compile(r"<body[^>]*>")


class FrontPage:
    """What is served at ``/``. gradio: its app. starters: what one can begin with now. loads: addresses of what
    Gradio's page loads."""

    def __init__(
        self, gradio: ASGIApp, config: Config, starters: Callable[[], Sequence[str]], loads: Sequence[str]
    ) -> None:
        self._gradio, self._starters = gradio, starters
        self._made = lru_cache(_MANY)(lambda page, starters: around(page, config, starters, loads))

    async def answer(self, request: Request) -> Response:
        page = await _body_of(self._gradio, request.scope)
        return self._made(page, tuple(self._starters())).answer(request)


async def _body_of(app: ASGIApp, scope: Scope) -> str:
    """What the app gives for the address alone, without its query."""
    body = b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal body
        body += message.get("body", b"")

    await app({**scope, "method": "GET", "query_string": b""}, receive, send)
    return body.decode()


def before(config: Config) -> File:
    """The page while the documents are being opened; it finds out by itself when they are."""
    page = (
        f'<!doctype html><html {of_language(config.clinic.language)}><head><meta charset="utf-8">{_head(config)}</head>'
        f"<body>{_body(config, (), opening=True)}</body></html>"
    )
    return _file(page, config, gradio=False)


def around(page: str, config: Config, starters: Sequence[str], loads: Sequence[str] = ()) -> File:
    """Gradio's page as ours: its title, language, icon and styles, and the form. `loads`: what it loads, to be fetched
    at once."""
    page = _LANGUAGE.sub(lambda tag: tag[1] + of_language(config.clinic.language), _THEIRS.sub("", page), count=1)
    theirs = [("link", {"rel": "stylesheet", "href": style, "crossOrigin": ""}) for style in _STYLE.findall(page)]
    theirs += [("script", {"type": "module", "src": entry}) for entry in _ENTRY.findall(page)]
    page = _ENTRY.sub("", _STYLE.sub("", page)).replace("</head>", f"{_head(config)}</head>", 1)
    page = page.replace("</body>", f"{_AFTERWARDS % json.dumps(theirs)}</body>", 1)
    body = _body(config, starters, opening=False) + "".join(map(_preload, loads)) + _theme(page)
    return _file(_BODY.sub(lambda tag: tag[0] + body, page, count=1), config, gradio=True)


def _head(config: Config) -> str:
    say = sayer(config)
    title, description = say("page_title"), say("page_description")
    return (
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><meta name="description" content="{description}">'
        f'<meta property="og:title" content="{title}"><meta property="og:description" content="{description}">'
        f'<meta property="og:type" content="website"><link rel="icon" href="{link("icon.svg")}" type="image/svg+xml">'
        f"<style>{STYLE}{theme.css(config.clinic)}</style>"
    )


def _body(config: Config, starters: Sequence[str], *, opening: bool) -> str:
    shown = top(config, has_logo=bool(config.clinic.logo)) + chat(config, starters, opening=opening)
    return f"{shown}<script>{CHAT}</script>"


def _preload(address: str) -> str:
    if address.endswith(".js"):
        return f'<link rel="modulepreload" href="{address}" fetchpriority="low">'
    return f'<link rel="preload" as="style" href="{address}" fetchpriority="low" crossorigin>'


def _theme(page: str) -> str:
    address = assets.theme(page)
    return f'<link rel="preload" as="style" href="{address}" fetchpriority="low">' if address else ""


def _file(page: str, config: Config, *, gradio: bool) -> File:
    policy = headers.of_chat(page, config.web.frame_ancestors, gradio=gradio)
    return File(page.encode(), "text/html", {"Content-Security-Policy": policy})
