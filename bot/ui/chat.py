"""The chat page. The conversation lives in the reader's browser: the server keeps no question of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from bot.bot import Bot
from bot.documents import Document
from bot.errors import IndexUnreachable, IndexUnusable, QuestionError
from bot.texts import Notice, notice
from bot.ui import render
from bot.ui.api import add_endpoints
from bot.ui.feedback import Recorder
from bot.ui.source import language_of

log = logging.getLogger(__name__)

_SCRIPTS = ("call.js", "panel.js", "share.js", "feedback.js", "chat.js")
SCRIPT = "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in _SCRIPTS)
AT_ONCE = 8
"""Questions that are answered at the same time; others wait."""
WAITING = 64
STARTERS = 5
_LONGEST_STARTER = 70
_DOCUMENTS = 50
"""So many documents, spread over the corpus, are looked through for starters."""


class Asked(TypedDict, total=False):
    """What the page's script sends: whatever a browser likes, so `Bot` looks at each part."""

    question: Any
    history: Any
    own_words: Any


class Reply(TypedDict):
    """`html`: of the reply, empty where there is none; `problem`: then, why not, beside the input."""

    html: str
    problem: str


class Given(TypedDict, total=False):
    """Feedback, as the page's script sends it."""

    id: Any
    helped: Any
    reason: Any


class Told(TypedDict):
    text: str


def build(bot: Bot, recorder: Recorder) -> tuple[gr.Blocks, Callable[[], None]]:
    """The page, and what gives it the starters of the index that is in use by then."""
    answering = threading.BoundedSemaphore(AT_ONCE)

    def ask(asked: Asked) -> Reply:
        with answering:
            return reply(bot, recorder, asked)

    def feedback(given: Given) -> Told:
        id = recorder.feedback(given.get("id"), given.get("helped"), given.get("reason"))
        return Told(text=notice(id, bot.config).text)

    def top() -> str:
        return render.page(starters(bot.documents()), bot.config)

    def renew() -> None:
        chat.value = top()
        page.config = page.get_config_file()  # what Gradio writes into the page of the next visit

    page: gr.Blocks
    title = notice("page_title", bot.config).text
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
        # One part of our own, whose script calls these two functions: no queue, no connection kept open, nothing that
        # Gradio would load anew, and so lose, when the server was away for a moment.
        chat = gr.HTML(
            top(), js_on_load=SCRIPT, apply_default_css=False, server_functions=[ask, feedback], elem_id="chat"
        )
        add_endpoints(bot, recorder)
    page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING)
    return page, renew


def reply(bot: Bot, recorder: Recorder, asked: Asked) -> Reply:
    """The HTML of the answer, or why there is none."""
    question: Any = asked.get("question")
    history: Any = asked.get("history", [])
    began = time.perf_counter()
    try:
        earlier: list[Any] = history if isinstance(history, list) else [None]  # which no question is
        answer = bot.ask(question, earlier, own_words=bool(asked.get("own_words")))
    except QuestionError as error:
        return _problem(notice(error.text_id, bot.config))
    except Exception as error:  # noqa: BLE001 - a patient must see every fault, and see it as one
        shown = notice(_fault(error), bot.config)
        recorder.fault(str(question), error, _milliseconds(began), (shown,))
        return _problem(shown)
    id = recorder.answer(answer, _milliseconds(began))
    return Reply(html=render.answer(answer, bot.config, id, partial(language_of, bot)), problem="")


def _problem(shown: Notice) -> Reply:
    return Reply(html="", problem=render.problem(shown))


def _milliseconds(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _fault(error: Exception) -> str:
    """The id of the fixed text for an error. What a patient cannot mend is logged for staff, without the question."""
    if isinstance(error, IndexUnusable):
        log.error("%s: %s. To fix: %s", type(error).__name__, error.problem, error.remedy)
        return "fault" if isinstance(error, IndexUnreachable) else "index_out_of_date"
    log.error("a question could not be answered", exc_info=error)
    return "fault"


def starters(documents: Iterable[Document]) -> tuple[str, ...]:
    """A few headings of the documents, in their own words, taken from all over the corpus; titles where there are
    too few. Always the same ones for the same documents."""
    every = list(documents)
    spread = every[:: max(1, len(every) // _DOCUMENTS)][:_DOCUMENTS]
    headings = [[section.headings[-1] for section in document.sections if section.headings] for document in spread]
    in_turn = (heading for row in zip_longest(*headings) for heading in row if heading)
    words = (_one_line(text) for text in (*in_turn, *(document.title for document in spread)))
    return tuple(islice(dict.fromkeys(text for text in words if _can_be_asked(text)), STARTERS))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _can_be_asked(text: str) -> bool:
    return len(text) <= _LONGEST_STARTER and any(character.isalpha() for character in text)
