"""What is this? The guarantees, whom to call, privacy, and every document with its dates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import Response

from bot.bot import Bot
from bot.config import Config
from bot.documents import Document
from bot.texts import contact, notice
from bot.ui import leaf
from bot.ui.render import escape, sayer
from bot.ui.source import language_of

AT_ONCE = 200
"""Documents that are listed on one page."""


def add_routes(app: FastAPI, bot: Bot) -> None:
    @app.get("/about", include_in_schema=False)
    def about(request: Request) -> Response:
        number = request.query_params.get("list", "1")
        pages = max(1, -(-len(list(bot.documents())) // AT_ONCE))
        page = int(number) if number.isascii() and number.isdecimal() and len(number) < 6 else 1
        return leaf.answered(about_page(bot, min(max(1, page), pages), pages))


def about_page(bot: Bot, page: int, pages: int) -> str:
    """The page, with the documents of the list's page number `page` of `pages`."""
    config = bot.config
    say = sayer(config)

    def part(heading: str, ids: Sequence[str], more: str = "") -> str:
        items = "".join(f"<li>{say(id)}</li>" for id in ids)
        return f'<section><h2 id="{heading}">{say(heading)}</h2>{f"<ul>{items}</ul>" if items else ""}{more}</section>'

    sure = ["about_word_for_word", "about_source", "about_no_answer"]
    if config.corpus.verify_sources:
        sure.append("about_changed")
    documents = islice(bot.documents(), (page - 1) * AT_ONCE, page * AT_ONCE)
    listed = "".join(_document(document, bot) for document in documents)
    turns = [(n, id) for n, id in ((page - 1, "about_list_before"), (page + 1, "about_list_after")) if 1 <= n <= pages]
    turning = "".join(f'<a href="about?list={n}#about_documents">{say(id)}</a>' for n, id in turns)
    body = (
        f"<h1>{say('about_title')}</h1><p>{say('about_intro')}</p>"
        + part("about_sure", sure)
        + part("about_limits", ["about_not_you", "about_may_miss", "about_old"])
        + part("about_emergency", ["about_call", "about_cards"], f"<p>{escape(contact(config).text)}</p>")
        + part("about_privacy", privacy(config))
        + part(
            "about_documents",
            [],
            f'<ul class="leaflets">{listed}</ul>'
            + (f'<nav class="turning" aria-label="{say("about_documents")}">{turning}</nav>' if turning else ""),
        )
    )
    return leaf.page(
        f'<div id="text" tabindex="-1">{body}</div>',
        config,
        title=notice("about_title", config).text,
        skip=("text", "about_skip"),
    )


def privacy(config: Config) -> tuple[str, ...]:
    """The ids of the sentences that are true of these settings."""
    kept = config.store
    always = ("privacy_nobody", "privacy_here")
    if not kept.url:
        return (*always, "privacy_nothing_kept", "privacy_in_the_page", "privacy_ask")
    question = "privacy_question_kept" if kept.keep_questions else "privacy_question_not_kept"
    return (*always, question, "privacy_shown_kept", "privacy_deleted")


def _document(document: Document, bot: Bot) -> str:
    say = sayer(bot.config)
    tag = language_of(bot, document.id)
    lang = f' lang="{escape(tag)}"' if tag else ""
    url = escape("source?" + urlencode({"document": document.id}))
    dates = "".join(
        f"<div><dt>{say(f'cite_{key}')}</dt><dd><time>{escape(when)}</time></dd></div>"
        for key in ("reviewed", "next_review")
        if (when := document.metadata.get(key))
    )
    facts = f'<dl class="known">{dates}</dl>' if dates else ""
    return f'<li><a href="{url}"><bdi{lang}>{escape(document.title)}</bdi></a>{facts}</li>'
