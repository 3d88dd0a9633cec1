"""Values → HTML. Pure functions; whatever comes from a document or a person is escaped, character by character.

Text that stands in a document may be anything: HTML, Markdown, a script, an override of the reading
direction. Here it is never more than characters: every foreign text goes through `escape` once, into an element
that isolates its direction.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlencode

from bot.answer import Answer, Place, Quote, Suggestion
from bot.config import Config
from bot.documents import Document
from bot.texts import Notice, notice

Say = Callable[[str], str]
"""The id of a fixed text → that text, escaped."""

AROUND = 20_000
"""How many characters of a long document are shown on each side of a quote: a phone survives it."""
_BORDER = 400
"""Within how many characters a line or a word must end for the shown part to begin or end there."""

CHAT_WINDOW = "plainquote-chat"
"""The name that `page.js` gives the chat's window: a link to it shows the conversation that is there."""

_METADATA = ("reviewed", "next_review", "version", "created", "modified", "source", "author", "licence")


def sayer(config: Config) -> Say:
    return lambda id: escape(notice(id, config).text)


def escape(text: str) -> str:
    """HTML that shows exactly the characters of `text`, in an element or in a quoted attribute.

    HTML turns a raw carriage return into a line feed, so it is written as a reference. It has no way to write
    U+0000; the replacement character shows that something stood there.
    """
    return html.escape(text).replace("\r", "&#13;").replace("\0", "�")


def marked(text: str, ranges: Iterable[tuple[int, int]], *, id: str = "") -> str:
    """`text` with a <mark> around each of `ranges`: (start, end) in `text`, ascending and disjoint."""
    pieces, at = [], 0
    tag = f'<mark id="{id}">' if id else "<mark>"
    for start, end in ranges:
        pieces += [escape(text[at:start]), tag, escape(text[start:end]), "</mark>"]
        at = end
    return "".join((*pieces, escape(text[at:])))


# The chat


def header(starters: Sequence[str], say: Say) -> str:
    """The top of the page: what this is, what to do in an emergency, what can be asked."""
    asks = f"<h2>{say('page_starters')}</h2>{_asks(starters)}" if starters else ""
    return (
        f'<header class="top"><h1>{say("page_title")}</h1><p>{say("page_intro")}</p>'
        f'<p class="emergency" role="note">{say("page_emergency")}</p>{asks}</header>'
    )


def turn(question: str, reply: str) -> str:
    """One question of a person and what was replied to it."""
    return f'<article class="turn"><h2 class="question"><bdi>{escape(question)}</bdi></h2>{reply}</article>'


def working(say: Say) -> str:
    return f'<p class="working">{say("working")}</p>'


def problem(shown: Notice) -> str:
    """Why there is no reply. Never part of the conversation, so that a fault cannot pass for an answer."""
    return f'<p class="problem" role="alert" data-notice="{escape(shown.id)}">{escape(shown.text)}</p>'


def answer(answer: Answer, say: Say) -> str:
    notices = "".join(_notice(shown, answer) for shown in answer.notices)
    quotes = "".join(_quote(quote, say) for quote in answer.quotes)
    return (
        f'<div class="reply {escape(answer.outcome)}">{notices}{_searched(answer, say)}{quotes}'
        f"{_suggestions(answer.suggestions, say)}</div>"
    )


def source_url(place: Place) -> str:
    """Where the document is shown with this place marked, relative to the page."""
    query = {"document": place.document, "start": place.start, "end": place.end, "sha256": place.sha256}
    return f"source?{urlencode(query)}#quote"


def _notice(shown: Notice, answer: Answer) -> str:
    """The card of a live emergency is read out at once, whatever else is being read."""
    is_card = answer.outcome == "emergency" and answer.triage is not None and answer.triage.card == shown.id
    kind = f'card {answer.triage.level}" role="alert' if is_card and answer.triage else f"notice {escape(shown.id)}"
    return f'<p class="{kind}">{escape(shown.text)}</p>'


def _searched(answer: Answer, say: Say) -> str:
    """What was searched where it is not what was typed, and a way to have the typed words searched."""
    if not answer.changes:
        return ""
    return (
        f'<p class="searched">{say("searched_for")} <bdi>{escape(answer.searched_for)}</bdi> '
        f'<button type="button" data-ask="{escape(answer.question)}" data-own>{say("own_words")}</button></p>'
    )


def _suggestions(suggestions: Sequence[Suggestion], say: Say) -> str:
    if not suggestions:
        return ""
    return f'<p class="ask-about">{say("ask_about")}</p>{_asks([suggestion.text for suggestion in suggestions])}'


def _asks(questions: Sequence[str]) -> str:
    """Buttons, each of which asks its own words (`log.js`)."""
    items = (
        f'<li><button type="button" data-ask="{escape(q)}"><bdi>{escape(q)}</bdi></button></li>' for q in questions
    )
    return f'<ul class="asks">{"".join(items)}</ul>'


def _quote(quote: Quote, say: Say) -> str:
    highlights = ((start - quote.start, end - quote.start) for start, end in quote.highlights)
    return (
        f'<figure class="quote"><blockquote dir="auto">{marked(quote.text, highlights)}</blockquote>'
        f"<figcaption>{_citation(quote, say)}</figcaption></figure>"
    )


def _citation(quote: Quote, say: Say) -> str:
    rows = [("cite_document", f"<bdi>{escape(quote.title)}</bdi>")]
    if quote.section:
        rows.append(("cite_section", _path(quote.section)))
    if quote.page is not None:
        rows.append(("cite_page", str(quote.page)))
    rows += [
        (f"cite_{key}", f"<bdi>{escape(quote.metadata[key])}</bdi>") for key in _METADATA if quote.metadata.get(key)
    ]
    if quote.also_in:
        places = "".join(f"<li>{_link(place, _place(place))}</li>" for place in quote.also_in)
        rows.append(("cite_also_in", f"<ul>{places}</ul>"))
    cited = "".join(f"<div><dt>{say(label)}</dt><dd>{value}</dd></div>" for label, value in rows)
    warnings = [("cite_overdue", quote.overdue), ("cite_recognised", quote.recognised)]
    warned = "".join(f'<p class="warning">{say(id)}</p>' for id, holds in warnings if holds)
    hidden = f'<span class="aside">: {escape(quote.title)}</span>'
    return f"{warned}<dl>{cited}</dl>{_link(quote, say('open_document') + hidden, style='open')}"


def _link(place: Place, words: str, style: str = "") -> str:
    """Opens beside the chat, so that the conversation is not lost; `_page` leads back to it by its name."""
    return f'<a class="{style}" href="{escape(source_url(place))}" target="_blank" rel="opener">{words}</a>'


def _place(place: Place) -> str:
    return f"<bdi>{escape(place.title)}</bdi>" + (f" › {_path(place.section)}" if place.section else "")


def _path(headings: Sequence[str]) -> str:
    return " › ".join(f"<bdi>{escape(heading)}</bdi>" for heading in headings)


# The page of a document


def source_page(document: Document, start: int, end: int, say: Say) -> str:
    """The document with characters `start` to `end` marked, all of it or, if it is long, what is around them."""
    first, last = shown_part(document.text, start, end)
    headings = next((s.headings for s in document.sections if s.start <= start < s.end), ())
    page = document.page_at(start)
    where = [_path(headings)] if headings else []
    where += [f"{say('cite_page')} {page}"] if page is not None else []
    notes = [say("source_quoted")]
    if (first, last) != (0, len(document.text)):
        notes.append(say("source_part"))
    text = marked(document.text[first:last], [(start - first, end - first)], id="quote")
    body = (
        f'<h1 dir="auto">{escape(document.title)}</h1>'
        + "".join(f'<p class="where">{words}</p>' for words in where)
        + "".join(f'<p class="notice">{words}</p>' for words in notes)
        + f'<div class="document" dir="auto">{text}</div>'
    )
    return _page(document.title, body, say)


def message_page(id: str, say: Say) -> str:
    """A page that only says why a document is not shown."""
    return _page(None, f'<p class="problem" role="alert">{say(id)}</p>', say)


def shown_part(text: str, start: int, end: int) -> tuple[int, int]:
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


def _page(title: str | None, body: str, say: Say) -> str:
    named = f"{escape(title)} – {say('page_title')}" if title else say("page_title")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{named}</title><link rel="stylesheet" href="style.css"></head>'
        f'<body class="leaflet"><main>{body}'
        f'<p><a class="back" href="./#here" target="{CHAT_WINDOW}">{say("back_to_chat")}</a></p></main></body></html>'
    )
