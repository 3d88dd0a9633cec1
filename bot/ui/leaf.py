"""What the pages beside the chat have in common: their head, their top and their style."""

from __future__ import annotations

from starlette.responses import HTMLResponse

from bot.config import Config
from bot.ui.files import link
from bot.ui.render import CHAT_WINDOW, escape, sayer

_FROM_THE_RIGHT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


def page(
    body: str,
    config: Config,
    *,
    title: str = "",
    foot: str = "",
    panel: bool = False,
    skip: tuple[str, str] | None = None,
    base: str = "",
) -> str:
    """A whole page around `body`, which is markup, as `foot` is. `panel`: to be shown in a frame of the chat, without
    the ways to other pages. `skip`: the id of a place in it that can be gone to at once, and the text that says so.
    `base`: from the page's address to the start page, where that is not in the same folder."""
    say = sayer(config)
    named = f"{escape(title)} – {say('page_title')}" if title else say("page_title")
    top = (
        f'<header class="bar"><nav aria-label="{say("nav_label")}">'
        f'<a class="back" href="./#here" target="{CHAT_WINDOW}">{say("back_to_chat")}</a>'
        f'<a href="about">{say("about_title")}</a></nav></header>'
    )
    based = f'<base href="{base}">' if base else ""
    skipping = f'<a class="skip" href="#{skip[0]}">{say(skip[1])}</a>' if skip else ""
    return (
        f'<!doctype html><html {of_language(config.clinic.language)}><head><meta charset="utf-8">'
        f'{based}<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{named}</title><link rel="stylesheet" href="{link("style.css")}">'
        f'<link rel="stylesheet" href="clinic.css"><link rel="stylesheet" href="{link("pages.css")}">'
        f'<link rel="icon" href="{link("icon.svg")}"><script src="{link("source.js")}" defer></script></head>'
        f'<body class="leaf{" panel" if panel else ""}">{skipping}{"" if panel else top}<main>{body}</main>{foot}'
        "</body></html>"
    )


def of_language(tag: str) -> str:
    """The attributes of an element whose own words are in the language of this tag."""
    side = "rtl" if tag.partition("-")[0].lower() in _FROM_THE_RIGHT else "ltr"
    return f'lang="{escape(tag)}" dir="{side}"'


def answered(page: str, status: int = 200) -> HTMLResponse:
    """The page as a response that a browser asks for anew: what it shows may have changed."""
    return HTMLResponse(page, status, {"Cache-Control": "no-cache"})
