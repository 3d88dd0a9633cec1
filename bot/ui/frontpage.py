"""The chat's page: complete in its first bytes, so that one can read and type before any script has come."""

from __future__ import annotations

from collections.abc import Sequence

from bot.config import Config
from bot.ui.files import File, link
from bot.ui.leaf import of_language
from bot.ui.render import chat, sayer, top


def page(config: Config, starters: Sequence[str] = (), *, opening: bool = False) -> File:
    """`opening`: the documents are not open yet; the page finds out by itself when they are."""
    say = sayer(config)
    title, description = say("page_title"), say("page_description")
    markup = (
        f'<!doctype html><html {of_language(config.clinic.language)}><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><meta name="description" content="{description}">'
        f'<meta property="og:title" content="{title}"><meta property="og:description" content="{description}">'
        f'<meta property="og:type" content="website"><link rel="icon" href="{link("icon.svg")}" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{link("style.css")}"><link rel="stylesheet" href="clinic.css">'
        f'<script type="module" src="{link("chat.js")}"></script></head>'
        f"<body>{top(config, has_logo=bool(config.clinic.logo))}{chat(config, starters, opening=opening)}</body></html>"
    )
    return File(markup.encode(), "text/html")
