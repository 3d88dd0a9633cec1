"""A document to read: its text, or a picture of its page, with what was quoted marked in it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from bot.bot import Bot
from bot.config import Config
from bot.documents import Document
from bot.errors import UsageError
from bot.loaders import Span
from bot.pictures import Busy, NoPicture, Pictures, has_pages
from bot.texts import TAG, notice
from bot.ui import leaf
from bot.ui.render import escape, sayer

if TYPE_CHECKING:
    from bot.loaders.pdf import Box, Drawing

log = logging.getLogger(__name__)

MOST_MARKED = 100_000
"""Characters that may be marked in a document; no quote comes near."""
AROUND = 20_000
"""How many characters of a long document are shown on each side of a quote: a phone survives it."""
_BORDER = 400
"""Within how many characters a line or a word must end for the shown part to begin or end there."""
_LONG = 4_000
"""Characters from which on a document has a table of contents."""
_FEWEST_PARTS = 4
_MOST_PARTS = 200
_BEFORE_HEADING = 40
"""Marks such as ``##`` that may stand between a section's start and its heading's words."""
_ABOUT = ("version", "created", "modified", "source", "author", "licence")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a document is to be shown: with `quoted` marked, from about the character `at` on or at the page `page`;
    as text or as a picture; by itself or in a panel of the chat."""

    document: Document
    quoted: Span | None
    at: int
    page: int | None
    as_text: bool
    panel: bool

    def url(self, **changes: object) -> str:
        """This page, relative, with some of its parameters changed; None leaves one out."""
        start, end = self.quoted or (None, None)
        query: dict[str, object] = {
            "document": self.document.id,
            "start": start,
            "end": end,
            "sha256": self.document.sha256,
            "view": "text" if self.as_text and has_pages(self.document) else None,
            "panel": 1 if self.panel else None,
        }
        return "source?" + urlencode({name: value for name, value in (query | changes).items() if value is not None})


@dataclass(frozen=True, slots=True)
class Title:
    """``text[start:end]`` is a heading's words; `depth` from 1; it heads the section of that `number`."""

    start: int
    end: int
    depth: int
    number: int


class Refused(Exception):
    """Why a document is not shown: an HTTP status, a fixed text, and the document if it can be read as it is now."""

    def __init__(self, status: int, text_id: str, now: Document | None = None) -> None:
        super().__init__(text_id)
        self.status = status
        self.text_id = text_id
        self.now = now


def add_routes(app: FastAPI, bot: Bot) -> None:
    """`/source`, a document to read, and `/page`, the picture of one of its pages."""
    pictures = Pictures(bot.config.corpus)

    @app.get("/source", include_in_schema=False)
    def source(request: Request) -> Response:
        panel = "panel" in request.query_params
        try:
            asked = read(request.query_params, bot)
        except Refused as refused:
            return leaf.answered(message_page(refused, bot.config, panel=panel), refused.status)
        drawing = None
        if has_pages(asked.document) and not asked.as_text:
            drawing = _drawing(asked, bot, pictures)
        return leaf.answered(source_page(asked, bot, str(request.base_url), drawing))

    @app.get("/page", include_in_schema=False)
    def page(request: Request) -> Response:
        try:
            asked = read(request.query_params, bot)
            file = bot.file_of(asked.document)
            if not has_pages(asked.document) or asked.page is None or file is None:
                raise Refused(404, "source_unknown")
            drawn = pictures.picture(asked.document, file, asked.page)
        except Refused as refused:
            return PlainTextResponse(notice(refused.text_id, bot.config).text, refused.status)
        except NoPicture:
            return PlainTextResponse(notice("source_no_picture", bot.config).text, 404)
        except Busy:
            return PlainTextResponse(notice("source_busy", bot.config).text, 503, {"Retry-After": "5"})
        return Response(drawn, media_type="image/webp", headers={"Cache-Control": "private, no-cache"})


def language_of(bot: Bot, document: str) -> str | None:
    """The language of the document with this id, for its words' `lang`; None where it is not known."""
    tag = bot.language(document)
    return tag if tag and TAG.fullmatch(tag) else None


def read(query: Mapping[str, str], bot: Bot) -> Asked:
    """What the parameters of a URL ask for. Raises Refused."""
    try:
        document = bot.document(query.get("document", ""))
    except UsageError:
        raise Refused(404, "source_unknown") from None
    whole = not {"start", "end", "sha256"} & set(query)
    if not bot.is_current(document):
        raise Refused(409, "source_changed")
    if not whole and query.get("sha256") != document.sha256:
        raise Refused(409, "source_changed", document)
    quoted = None
    if {"start", "end"} & set(query):
        quoted = _range(query.get("start"), query.get("end"))
        if quoted is None or quoted[1] > len(document.text):
            raise Refused(400, "source_bad_link")
    at = _number(query.get("at", "0"))
    page = _number(query["page"]) if "page" in query else document.page_at(quoted[0] if quoted else at or 0)
    if at is None or at > len(document.text) or ("page" in query and not 1 <= (page or 0) <= len(document.pages)):
        raise Refused(400, "source_bad_link")
    return Asked(document, quoted, at, page, query.get("view") == "text", "panel" in query)


def _range(start: str | None, end: str | None) -> Span | None:
    """Two numbers of a URL as a range of a text; None for anything else."""
    first, last = _number(start), _number(end)
    return (first, last) if first is not None and last is not None and first < last <= first + MOST_MARKED else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 12 else None


def _drawing(asked: Asked, bot: Bot, pictures: Pictures) -> Drawing | None:
    """The page that is asked for; None where it cannot be drawn now: then its text is shown."""
    file = bot.file_of(asked.document)
    if file is None or asked.page is None:
        return None
    try:
        return pictures.drawing(asked.document, file, asked.page, asked.quoted)
    except NoPicture as error:
        log.warning("page %d of %s cannot be drawn: %s", asked.page, asked.document.id, error.reason)
    except Busy:
        log.warning("too many pages are being drawn")
    return None


# Markup


def source_page(asked: Asked, bot: Bot, base: str, drawing: Drawing | None) -> str:
    """The page of a document; `base`: the URL that its own is relative to. `drawing`: of its page, to be shown instead
    of its text."""
    say = sayer(bot.config)
    document = asked.document
    tag = language_of(bot, document.id)
    lang = f' lang="{escape(tag)}"' if tag else ""
    wants_picture = has_pages(document) and not asked.as_text
    notes = [say("source_quoted")] if asked.quoted else []
    if wants_picture and drawing is None:
        notes.append(say("source_no_picture"))
    first, last = _part(asked)
    if drawing is None and (first, last) != (0, len(document.text)):
        notes.append(say("source_part" if asked.quoted else "source_part_only"))
    titles = list(headings(document))
    contents = _contents(asked, titles, drawing is not None, (first, last), lang, bot.config)
    shown = (
        _picture(asked, drawing, lang, bot.config) if drawing else _text(asked, titles, (first, last), lang, bot.config)
    )
    body = (
        f'<h1 dir="auto"{lang}>{escape(document.title)}</h1>{_facts(asked, drawing, lang, bot.config)}'
        + "".join(f'<p class="notice">{words}</p>' for words in notes)
        + f"{_ways(asked, wants_picture, bot.config)}{contents}{shown}"
    )
    skip = ("quote", "source_skip_to_quote") if _marks(asked, drawing) else ("text", "source_skip")
    foot = _foot(base + asked.url(view=None, panel=None), document, bot.config)
    return leaf.page(body, bot.config, title=document.title, foot=foot, panel=asked.panel, skip=skip)


def message_page(refused: Refused, config: Config, *, panel: bool = False) -> str:
    """A page that only says why a document is not shown."""
    say = sayer(config)
    now = ""
    if refused.now:
        url = "source?" + urlencode({"document": refused.now.id} | ({"panel": 1} if panel else {}))
        now = f'<p><a href="{escape(url)}">{say("source_now")}</a></p>'
    body = f'<h1>{say("source_not_shown")}</h1><p class="problem" role="alert">{say(refused.text_id)}</p>{now}'
    return leaf.page(body, config, panel=panel)


def _facts(asked: Asked, drawing: Drawing | None, lang: str, config: Config) -> str:
    """Where in the document one is, and what is known about it."""
    say = sayer(config)
    document = asked.document
    rows: list[tuple[str, str]] = []
    if asked.quoted:
        path = next((s.headings for s in document.sections if s.start <= asked.quoted[0] < s.end), ())
        if path:
            steps = " › ".join(f"<bdi{lang}>{escape(heading)}</bdi>" for heading in path)
            rows.append(("cite_section", steps))
        if document.pages:
            rows.append(("cite_page", str(document.page_at(asked.quoted[0]))))
    for key in ("reviewed", "next_review"):
        if when := document.metadata.get(key):
            rows.append((f"cite_{key}", f"<time>{escape(when)}</time>"))
    more = [
        (f"cite_{key}", f"<bdi>{escape(document.metadata[key])}</bdi>") for key in _ABOUT if document.metadata.get(key)
    ]
    warnings = ["cite_overdue"] if document.is_overdue(date.today()) else []
    if document.recognised and (not drawing or asked.page in document.recognised):
        warnings.append("source_recognised")
    warned = "".join(f'<p class="warning">{say(id)}</p>' for id in warnings)
    hidden = f"<details><summary>{say('source_more')}</summary>{_list(more, config)}</details>" if more else ""
    return warned + _list(rows, config) + hidden


def _list(rows: Sequence[tuple[str, str]], config: Config) -> str:
    say = sayer(config)
    cells = "".join(f"<div><dt>{say(label)}</dt><dd>{value}</dd></div>" for label, value in rows)
    return f'<dl class="known">{cells}</dl>' if cells else ""


def _ways(asked: Asked, as_picture: bool, config: Config) -> str:
    """Between text and picture, to the quote, and to the page by itself; and the link that can be sent."""
    say = sayer(config)
    anchor = "#quote" if asked.quoted else ""
    ways = []
    if has_pages(asked.document):
        page = asked.page if as_picture or not asked.quoted else None
        at = asked.document.pages[page - 1] if page and page <= len(asked.document.pages) else None
        views = (
            (False, "source_picture", {"view": None, "page": page}),
            (True, "source_text", {"view": "text", "at": at}),
        )
        for as_text, id, changes in views:
            here = ' aria-current="true"' if as_text != as_picture else ""
            ways.append(f'<a href="{escape(asked.url(**changes))}{anchor}"{here}>{say(id)}</a>')
    links = f'<nav aria-label="{say("source_ways")}">{"".join(ways)}</nav>' if ways else ""
    link = escape(asked.url(view=None, panel=None)) + anchor
    return (
        f'<div class="ways">{links}<div class="share" data-link="{link}" hidden>'
        f'<button type="button">{say("copy_link")}</button>'
        f'<span role="status" data-done="{say("link_copied")}" data-failed="{say("link_not_copied")}"></span>'
        f'<input type="text" readonly hidden aria-label="{say("copy_link")}"></div></div>'
    )


def _contents(asked: Asked, titles: Sequence[Title], as_picture: bool, shown: Span, lang: str, config: Config) -> str:
    """Links to the sections of a long document."""
    text = asked.document.text
    if len(text) < _LONG or len(titles) < _FEWEST_PARTS:
        return ""
    outer = titles if len(titles) <= _MOST_PARTS else [t for t in titles if t.depth == 1]
    items = []
    for title in outer[:_MOST_PARTS]:
        if as_picture:
            url = asked.url(page=asked.document.page_at(title.start))
        elif shown[0] <= title.start < shown[1]:
            url = f"#s{title.number}"
        else:
            url = f"{asked.url(start=None, end=None, at=title.start)}#s{title.number}"
        words = " ".join(text[title.start : title.end].split())
        items.append(
            f'<li class="d{min(title.depth, 4)}"><a href="{escape(url)}"><bdi{lang}>{escape(words)}</bdi></a></li>'
        )
    name = sayer(config)("source_contents")
    return (
        f'<nav class="contents" aria-label="{name}"><details><summary>{name}</summary>'
        f"<ol>{''.join(items)}</ol></details></nav>"
    )


def _text(asked: Asked, titles: Iterable[Title], shown: Span, lang: str, config: Config) -> str:
    say = sayer(config)
    first, last = shown
    turns = []
    if first > 0:
        turns.append((asked.url(start=None, end=None, at=max(0, first - 2 * AROUND)), "source_earlier"))
    if last < len(asked.document.text):
        turns.append((asked.url(start=None, end=None, at=last), "source_later"))
    links = "".join(f'<a href="{escape(url)}#text">{say(id)}</a>' for url, id in turns)
    turning = f'<nav class="turning" aria-label="{say("source_parts")}">{links}</nav>' if links else ""
    words = marked(asked.document, titles, shown, asked.quoted)
    return f'<div id="text" class="document" dir="auto"{lang} tabindex="-1">{words}</div>{turning}'


def _picture(asked: Asked, drawing: Drawing, lang: str, config: Config) -> str:
    say = sayer(config)
    document, page = asked.document, asked.page or 1
    name = f"{say('cite_page')} {page}"
    query = {"document": document.id, "page": page, "sha256": document.sha256}
    boxes = "".join(f'<span class="box" style="{_place(box)}"></span>' for box in drawing.boxes)
    quote = ""
    if asked.quoted and _marks(asked, drawing):
        place = _place(drawing.boxes[0]) if drawing.boxes else "left:0;top:0;width:100%;height:0"
        words = escape(document.text[slice(*asked.quoted)])
        quote = (
            f'<mark id="quote" tabindex="-1" style="{place}"><span class="aside" dir="auto"{lang}>{words}</span></mark>'
        )
    turns = [
        (asked.url(page=number), id)
        for number, id in ((page - 1, "source_page_before"), (page + 1, "source_page_after"))
        if 1 <= number <= len(document.pages)
    ]
    if asked.quoted and not quote:
        turns.append((asked.url() + "#quote", "source_back_to_quote"))
    links = "".join(f'<a href="{escape(url)}">{say(id)}</a>' for url, id in turns)
    where = f"<span>{name} / {len(document.pages)}</span>"
    return (
        f'<div class="turning"><nav aria-label="{say("source_pages")}">{where}{links}</nav>'
        f'<button type="button" class="larger" data-larger="{say("source_larger")}" '
        f'data-smaller="{say("source_smaller")}" hidden>{say("source_larger")}</button></div>'
        f'<div id="text" class="scan" role="region" aria-label="{name}" tabindex="0"><div class="paper">'
        f'<img src="{escape("page?" + urlencode(query))}" alt="{name}. {say("source_picture_alt")}" '
        f'width="{round(drawing.width)}" height="{round(drawing.height)}">{boxes}{quote}</div></div>'
    )


def _marks(asked: Asked, drawing: Drawing | None) -> bool:
    """Whether what was quoted is on the page that is shown."""
    if not asked.quoted or not drawing:
        return asked.quoted is not None
    start, end = asked.quoted
    pages = asked.document.page_at(start), asked.document.page_at(end - 1)
    return (pages[0] or 0) <= (asked.page or 0) <= (pages[1] or 0)


def _place(box: Box) -> str:
    """In percent, so that it stays where it is however large the page is shown."""
    return f"left:{box.x0:.3%};top:{box.y0:.3%};width:{box.x1 - box.x0:.3%};height:{box.y1 - box.y0:.3%}"


def _foot(url: str, document: Document, config: Config) -> str:
    """What a sheet of paper must say to be traced back."""
    say = sayer(config)
    return (
        f'<footer class="trace"><p>{say("source_address")} <span class="url">{escape(url)}</span></p>'
        f'<p>{say("source_hash")} <span class="url">{document.sha256}</span></p></footer>'
    )


# The text


def headings(document: Document) -> Iterator[Title]:
    """The headings' words in the text. Each stands at its section's start, behind marks at most; one that does not is
    left out, as it would be in a section without a heading."""
    before: tuple[str, ...] = ()
    for number, section in enumerate(document.sections):
        path = section.headings
        shared = next((n for n, (one, other) in enumerate(zip(path, before, strict=False)) if one != other), None)
        shared = min(len(path), len(before)) if shared is None else shared
        before = path
        for outer in dict.fromkeys((min(shared, len(path) - 1), 0)):  # an outer heading may be said once more
            if path and (found := list(_titles(document.text, section.start, section.end, path, outer, number))):
                yield from found
                break


def _titles(text: str, at: int, end: int, path: Sequence[str], outer: int, number: int) -> Iterator[Title]:
    for depth, words in enumerate(path[outer:], start=outer + 1):
        start = text.find(words, at, min(end, at + _BEFORE_HEADING + len(words))) if words.strip() else -1
        if start < 0 or any(map(str.isalpha, text[at:start])):
            return
        at = start + len(words)
        yield Title(start, at, depth, number)


def marked(document: Document, titles: Iterable[Title], shown: Span, quoted: Span | None) -> str:
    """The shown part of the text, character by character, its headings told as such and the quote marked."""
    first, last = shown
    elements: list[tuple[int, int, str, str]] = []
    if quoted:
        start, end = max(first, quoted[0]), min(last, quoted[1])
        if start < end:
            elements.append((start, end, '<mark id="quote" tabindex="-1">', "</mark>"))
    level, numbered = 1, set()
    for title in titles:
        within = first <= title.start and title.end <= last
        crosses = (
            quoted
            and (title.start < quoted[0] < title.end or title.start < quoted[1] < title.end)
            and not (title.start <= quoted[0] and quoted[1] <= title.end)
        )
        if within and not crosses:
            level = min(title.depth + 1, level + 1)  # no level is left out
            id = "" if title.number in numbered else f' id="s{title.number}"'
            numbered.add(title.number)
            opening = f'<span role="heading" aria-level="{level}" class="h{min(level, 4)}"{id}>'
            elements.append((title.start, title.end, opening, "</span>"))
    pieces: list[str] = []
    opened: list[tuple[int, str]] = []
    at = first

    def close(until: int) -> None:
        nonlocal at
        while opened and opened[-1][0] <= until:
            end, closing = opened.pop()
            pieces.extend((escape(document.text[at:end]), closing))
            at = end

    for start, end, opening, closing in sorted(elements, key=lambda element: (element[0], -element[1])):
        close(start)
        pieces.extend((escape(document.text[at:start]), opening))
        at = start
        opened.append((end, closing))
    close(last)
    pieces.append(escape(document.text[at:last]))
    return "".join(pieces)


def _part(asked: Asked) -> Span:
    """Which characters to show: all, or what is around the quote, or follows the place that is asked for."""
    text = asked.document.text
    if asked.quoted:
        return shown_part(text, *asked.quoted)
    if len(text) <= 2 * AROUND:
        return 0, len(text)
    middle = min(len(text), asked.at + AROUND - _BORDER)  # from a little before, so that the place itself is shown
    return shown_part(text, middle, middle)


def shown_part(text: str, start: int, end: int) -> Span:
    """Which characters of `text` to show so that `start` to `end` is seen in its surroundings.

    Begins and ends with a line or a word where one does so near enough.
    """
    first, last = max(0, start - AROUND), min(len(text), end + AROUND)
    if first > 0:
        border = min(start, first + _BORDER)
        first = next((at + 1 for mark in "\n " if (at := text.find(mark, first, border)) >= 0), first)
    if last < len(text):
        border = max(end, last - _BORDER)
        last = next((at for mark in "\n " if (at := text.rfind(mark, border, last)) >= 0), last)
    return first, last
