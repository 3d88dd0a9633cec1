"""Gradio's page as ours: its title, language, icon and styles, and what it says to a browser without scripts."""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.config import Config
from bot.texts import contact
from bot.ui.render import escape, phone_link, sayer, top

_THEIRS = re.compile(r'\s*<meta\s+(?:property="og|name="twitter)[^>]*>|\s*<link rel="manifest"[^>]*>')
_LANGUAGE = re.compile(r'(<html\s+)lang="[^"]*"')
_BODY = re.compile(r"<body[^>]*>")


class FrontPage:
    """ASGI middleware that rewrites the page at ``/``."""

    def __init__(self, app: ASGIApp, config: Config, has_logo: bool) -> None:
        self.app = app
        self._config, self._has_logo = config, has_logo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        page = b""

        async def send_rewritten(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body":  # an extension of the server's
                await send(message)
                return
            page += message.get("body", b"")
            if not message.get("more_body"):
                headers = MutableHeaders(raw=start["headers"])
                if headers.get("content-type", "").startswith("text/html") and page:
                    page = rewritten(page.decode(), self._config, has_logo=self._has_logo).encode()
                    headers["content-length"] = str(len(page))
                await send(start)
                await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, send_rewritten)


def rewritten(page: str, config: Config, *, has_logo: bool) -> str:
    say = sayer(config)
    title, description = say("page_title"), say("page_description")
    own = (
        f'<title>{title}</title><meta name="description" content="{description}">'
        f'<meta property="og:title" content="{title}"><meta property="og:description" content="{description}">'
        '<meta property="og:type" content="website"><link rel="icon" href="icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="style.css"><link rel="stylesheet" href="clinic.css">'
    )
    plain = (
        f'<noscript><main class="room without"><p>{say("page_no_script")}</p>'
        f"<p>{escape(contact(config).text)}</p>{phone_link(config)}"
        f'<p class="emergency">{say("page_emergency")}</p></main></noscript>'
    )
    page = _THEIRS.sub("", page)
    page = _LANGUAGE.sub(lambda tag: f'{tag[1]}lang="{escape(config.clinic.language)}"', page, count=1)
    page = page.replace("</head>", f"{own}</head>", 1)
    return _BODY.sub(lambda tag: tag[0] + top(config, has_logo=has_logo) + plain, page, count=1)
