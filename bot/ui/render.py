"""Values → HTML. Pure functions; whatever comes from a document or a person is escaped, character by character.

Text that stands in a document may be anything: HTML, Markdown, a script, an override of the reading
direction. Here it is never more than characters: every foreign text goes through `escape` once, into an element
that isolates its direction.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bot.config import Config
from bot.regions import LINES, lines
from bot.shown import REASONS
from bot.texts import Notice, catalogue, contact, notice

if TYPE_CHECKING:  # the page is shown before what answers has been imported
    from bot.answer import Answer, Place, Quote, Suggestion

CHAT_WINDOW = "plainquote-chat"
"""The name that `call.js` gives the chat's window: a link to it shows the conversation that is there."""

Say = Callable[[str], str]
"""The id of a fixed text → that text, escaped."""
LanguageOf = Callable[[str], str | None]
"""The id of a document → the tag of its language, if it is known."""

_DETAILS = ("next_review", "version", "created", "modified", "source", "author", "licence")
"""What is known of a document beyond what stands under each of its quotes."""

_NUMBER = re.compile(r"\s*(\+?[\d\s().\-/]*)")


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


# The page


def top(config: Config, *, has_logo: bool) -> str:
    """What stands above the chat, from the first moment on."""
    say = sayer(config)
    logo = '<img class="logo" src="logo" alt="">' if has_logo else ""
    return (
        f'<a class="skip" href="#question">{say("skip_to_question")}</a>'
        f'<header class="room top">{logo}<h1>{say("page_title")}</h1>'
        f'<a class="about" href="about" target="_blank" rel="opener">{say("page_about")}</a></header>'
    )


def chat(config: Config, starters: Sequence[str], *, opening: bool) -> str:
    """The chat before the first question. The scripts fill its log from its template, and move it into Gradio's part of
    the page once that is there. `opening`: the documents are not open yet, and `opening.js` waits for them."""
    say = sayer(config)
    waits = f'<p class="opening" role="status">{say("opening")}</p>' if opening else ""
    return (
        f'<main id="early"><div class="room chat"><div class="welcome"><p>{say("page_intro")}</p>'
        f'<p class="emergency">{say("page_emergency")}</p></div>{_without_scripts(config)}{waits}'
        f'<div class="log" role="log" aria-live="polite" aria-label="{say("chat_label")}"></div>'
        f'{_composer(say)}<div class="starters">{_starters(starters, say)}</div>{_panel(say)}'
        f'<p class="aside" id="told" role="status"></p>'
        f'<template id="turn"><article class="turn"><h2 class="question"><bdi></bdi></h2>'
        f'<p class="working">{say("working")}</p></article></template>'
        f'<template id="fault">{problem(notice("fault", config))}</template></div></main>'
    )


def _starters(starters: Sequence[str], say: Say) -> str:
    return f'<h2 class="asks-title">{say("page_starters")}</h2>{_asks(starters)}' if starters else ""


def _without_scripts(config: Config) -> str:
    return (
        f"<noscript><p>{sayer(config)('page_no_script')}</p>"
        f"<p>{escape(contact(config).text)}</p>{phone_link(config)}</noscript>"
    )


def _composer(say: Say) -> str:
    """Where one types. What is wrong with a question is told right above it."""
    return (
        '<form id="composer"><div id="problem"></div>'
        f'<div class="label"><label for="question">{say("input_label")}</label>'
        f'<span class="tools"><button type="button" id="print-all" hidden>{say("print_all")}</button>'
        f'<button type="button" id="clear">{say("clear")}</button></span></div>'
        f'<div class="asking"><textarea id="question" rows="1" autocomplete="off" enterkeyhint="send" '
        f'placeholder="{say("input_placeholder")}"></textarea>'
        f'<button id="send" disabled>{say("send")}</button></div></form>'
    )


def _panel(say: Say) -> str:
    """Where a document is read: beside the chat or, on a narrow window, over it (`panel.js`)."""
    return (
        '<dialog id="panel" aria-labelledby="panel-title"><div class="bar">'
        f'<h2 id="panel-title">{say("panel_label")}</h2>'
        f'<a class="window" href="about" target="_blank" rel="opener">{say("panel_window")}</a>'
        f'<button type="button" class="close" autofocus>{say("panel_close")}</button></div>'
        f'<iframe title="{say("panel_label")}"></iframe></dialog>'
    )


def problem(shown: Notice) -> str:
    """Why there is no reply. Never part of the conversation, so that a fault cannot pass for an answer."""
    return f'<p class="problem" role="alert" data-notice="{escape(shown.id)}">{escape(shown.text)}</p>'


# What is replied to a question


def answer(
    answer: Answer, config: Config, id: str | None = None, language_of: LanguageOf = lambda document: None
) -> str:
    """`id`: under which its reader can say what they think of it; None: they are not asked."""
    say = sayer(config)
    notices = "".join(_notice(shown, answer, config) for shown in answer.notices)
    quotes = "".join(_quote(quote, say, language_of(quote.document)) for quote in answer.quotes)
    call = phone_link(config) if any(shown.id.startswith("contact") for shown in answer.notices) else ""
    return (
        f'<div class="reply {escape(answer.outcome)}">{notices}{call}{_searched(answer, say)}{quotes}'
        f"{_suggestions(answer.suggestions, say)}{_tools(say)}{_feedback(answer, id, say)}</div>"
    )


def source_url(place: Place) -> str:
    """Where the document is shown with this place marked, relative to the page."""
    query = {"document": place.document, "start": place.start, "end": place.end, "sha256": place.sha256}
    return f"source?{urlencode(query)}#quote"


def _notice(shown: Notice, answer: Answer, config: Config) -> str:
    """The card of a live emergency is read out at once, whatever else is being read."""
    if not (answer.outcome == "emergency" and answer.triage is not None and answer.triage.card == shown.id):
        return f'<p class="notice {escape(shown.id)}">{escape(shown.text)}</p>'
    return (
        f'<div class="card {escape(answer.triage.level or "")}" role="alert"><p>{escape(shown.text)}</p></div>'
        f"{_calls(shown.id, config)}"
    )


def _calls(card: str, config: Config) -> str:
    """A link to call each of the numbers that a card names."""
    numbers = {name: number for name, number in asdict(config.numbers).items() if name != "region"}
    filled = lines(config.numbers.region, numbers)
    named = re.findall(r"{(\w+)}", catalogue(config.clinic.language)[card].text)
    by_number = {filled[name]: name for name in reversed(named) if name in LINES}
    links = [_call(f"call_{name}", number, config) for number, name in reversed(by_number.items())]
    if "clinic" in named:
        links.append(phone_link(config))
    return f'<div class="calls">{"".join(links)}</div>' if any(links) else ""


def phone_link(config: Config) -> str:
    """A link to call the clinic; nothing where its number cannot be dialled."""
    return _call("call_clinic", config.clinic.phone, config)


def _call(id: str, number: str, config: Config) -> str:
    dialled = dialling(number)
    return f'<a class="call" href="tel:{dialled}">{sayer(config)(id)}</a>' if dialled else ""


def dialling(number: str) -> str:
    """The digits to dial for a number as people write it, such as ``+44 (0)20 7946 0000``; empty if there are too
    few. What follows the number, an extension or a name, is left out."""
    found = _NUMBER.match(number)
    written = found[1] if found else ""
    digits = re.sub(r"\D", "", written.replace("(0)", "") if written.startswith("+") else written)
    return ("+" if written.startswith("+") else "") + digits if len(digits) >= 3 else ""


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
    return f'<p class="asks-title">{say("ask_about")}</p>{_asks([suggestion.text for suggestion in suggestions])}'


def _asks(questions: Sequence[str]) -> str:
    """Buttons, each of which asks its own words (`chat.js`)."""
    items = (
        f'<li><button type="button" data-ask="{escape(q)}"><bdi>{escape(q)}</bdi></button></li>' for q in questions
    )
    return f'<ul class="asks">{"".join(items)}</ul>'


def _tools(say: Say) -> str:
    """To take an answer along (`share.js`)."""
    return (
        f'<p class="tools"><button type="button" class="copy" data-done="{say("copied")}" '
        f'data-failed="{say("copy_failed")}">{say("copy")}</button>'
        f'<button type="button" class="print">{say("print")}</button></p>'
    )


def _feedback(answer: Answer, id: str | None, say: Say) -> str:
    """Nobody in an emergency is asked, nor is anyone of a greeting."""
    is_turn = answer.triage is not None and answer.triage.category == "turn"
    if id is None or answer.outcome == "emergency" or is_turn:
        return ""
    yes, no = (_choice(f"feedback_{word}", f'data-helped="{word}"', say) for word in ("yes", "no"))
    reasons = (_choice(f"feedback_{reason}", f'data-helped="no" data-reason="{reason}"', say) for reason in REASONS)
    return (
        f'<div class="feedback" data-answer="{escape(id)}" data-failed="{say("feedback_fault")}">'
        f'<div class="ask" role="group" aria-label="{say("feedback_question")}"><span>{say("feedback_question")}</span>'
        f"{yes}{no}</div>"
        f'<div class="why" role="group" aria-label="{say("feedback_why")}" hidden><span>{say("feedback_why")}</span>'
        f'{"".join(reasons)}</div><p class="thanks"></p></div>'
    )


def _choice(id: str, data: str, say: Say) -> str:
    return f'<button type="button" aria-pressed="false" {data}>{say(id)}</button>'


def _quote(quote: Quote, say: Say, language: str | None = None) -> str:
    spoken = f' lang="{escape(language)}"' if language else ""
    highlights = ((start - quote.start, end - quote.start) for start, end in quote.highlights)
    return (
        f'<figure class="quote"><blockquote dir="auto"{spoken}>{marked(quote.text, highlights)}</blockquote>'
        f"<figcaption>{_citation(quote, say)}</figcaption></figure>"
    )


def _citation(quote: Quote, say: Say) -> str:
    facts = [("cite_page", str(quote.page))] if quote.page is not None else []
    facts += [("cite_reviewed", quote.metadata["reviewed"])] if quote.metadata.get("reviewed") else []
    told = "".join(f"<span>{say(id)} <bdi>{escape(value)}</bdi></span>" for id, value in facts)
    warnings = [("cite_overdue", quote.overdue), ("cite_recognised", quote.recognised)]
    warned = "".join(f'<p class="warning">{say(id)}</p>' for id, holds in warnings if holds)
    hidden = f'<span class="aside">: {escape(quote.title)}</span>'
    return (
        f"{warned}<p><cite><bdi>{escape(quote.title)}</bdi></cite></p>"
        + (f'<p class="section">{_path(quote.section)}</p>' if quote.section else "")
        + (f'<p class="facts">{told}</p>' if told else "")
        + f'<p class="read">{_link(quote, say("open_document") + hidden, style="open")}</p>'
        + _details(quote, say)
    )


def _details(quote: Quote, say: Say) -> str:
    rows = [(f"cite_{key}", f"<bdi>{escape(quote.metadata[key])}</bdi>") for key in _DETAILS if quote.metadata.get(key)]
    if quote.also_in:
        places = "".join(f"<li>{_link(place, _place(place))}</li>" for place in quote.also_in)
        rows.append(("cite_also_in", f"<ul>{places}</ul>"))
    if not rows:
        return ""
    cited = "".join(f"<div><dt>{say(label)}</dt><dd>{value}</dd></div>" for label, value in rows)
    return f"<details><summary>{say('cite_more')}</summary><dl>{cited}</dl></details>"


def _link(place: Place, words: str, style: str = "") -> str:
    """Read beside the chat (`panel.js`), or in a tab of its own, so that the conversation is not lost."""
    url = escape(source_url(place))
    return f'<a class="{style}" href="{url}" target="_blank" rel="opener" data-source>{words}</a>'


def _place(place: Place) -> str:
    return f"<bdi>{escape(place.title)}</bdi>" + (f" › {_path(place.section)}" if place.section else "")


def _path(headings: Sequence[str]) -> str:
    return " › ".join(f"<bdi>{escape(heading)}</bdi>" for heading in headings)
