"""The chat page. The conversation lives in the reader's browser: the server keeps no question."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from bot.bot import Bot
from bot.documents import Document
from bot.errors import IndexUnusable, QuestionError
from bot.texts import notice
from bot.ui import render
from bot.ui.api import add_endpoints

log = logging.getLogger(__name__)

LOG_JS = (Path(__file__).parent / "log.js").read_text(encoding="utf-8")
AT_ONCE = 8
"""Questions that are answered at the same time; others wait."""
WAITING = 64
STARTERS = 5
_LONGEST_STARTER = 70
_DOCUMENTS = 50
"""So many documents, spread over the corpus, are looked through for starters."""


class Turn(TypedDict):
    """A question, and the HTML that shows it with its reply; `pending` until there is one."""

    question: str
    html: str
    pending: bool


class Conversation(TypedDict):
    """The value of the page's log, oldest turn first."""

    turns: list[Turn]


Update = tuple[Any, Any, str]
"""New values of the log, the input and the line for problems; gr.skip() leaves one as it is."""


def build(bot: Bot) -> tuple[gr.Blocks, Callable[[], None]]:
    """The page, and what gives it the starters of the index that is in use by then."""
    say = render.sayer(bot.config)
    text = {
        id: notice(id, bot.config).text for id in ("page_title", "input_label", "input_placeholder", "send", "clear")
    }
    fault = render.problem(notice("fault", bot.config))

    def top() -> str:
        return render.header(starters(bot.documents()), say)

    def renew() -> None:
        header.value = top()
        page.config = page.get_config_file()  # what Gradio writes into the page of the next visit

    def ask(question: str, conversation: Conversation) -> Iterator[Update]:
        yield from replies(bot, question, conversation)

    def ask_words(conversation: Conversation, clicked: gr.EventData) -> Iterator[Update]:
        yield from replies(bot, clicked.question, conversation, own_words=clicked.own_words)

    page: gr.Blocks
    with gr.Blocks(title=text["page_title"], analytics_enabled=False, fill_width=True) as page:
        header = gr.HTML(top(), js_on_load=LOG_JS, apply_default_css=False)
        turns = gr.HTML(
            Conversation(turns=[]),
            html_template=_template(notice("chat_label", bot.config).text),
            js_on_load=LOG_JS,
            apply_default_css=False,
            elem_id="log",
        )
        with gr.Column(elem_id="composer"):
            gr.HTML(fault, apply_default_css=False, elem_id="lost")  # shown by the style alone
            problem = gr.HTML("", apply_default_css=False, elem_id="problem")
            with gr.Row(elem_id="asking"):
                box = gr.Textbox(
                    label=text["input_label"],
                    placeholder=text["input_placeholder"],
                    lines=1,
                    max_lines=4,
                    elem_id="question",
                )
                send = gr.Button(text["send"], variant="primary", elem_id="send")
                clear = gr.Button(text["clear"], elem_id="clear")
        outputs = [turns, box, problem]
        how: dict[str, Any] = {
            "outputs": outputs,
            "api_visibility": "private",
            "api_name": "chat",  # or Gradio would take "ask" away from the endpoint for programs
            "show_progress": "hidden",
            "concurrency_limit": AT_ONCE,
            "concurrency_id": "ask",
        }
        asked: list[Any] = [
            box.submit(ask, [box, turns], **how),
            send.click(ask, [box, turns], js=_FOCUS, **how),
            turns.submit(ask_words, [turns], **how),
            header.submit(ask_words, [turns], **how),
        ]
        for event in asked:
            event.failure(
                None, [turns, box], outputs, js=_FAILED.replace("FAULT", json.dumps(fault)), show_progress="hidden"
            )
        clear.click(None, None, outputs, js=_CLEAR, cancels=asked, show_progress="hidden")
        add_endpoints(bot)
    page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING)
    return page, renew


_FOCUS = """(...values) => {
  if (matchMedia("(pointer: fine)").matches) document.querySelector("#question textarea")?.focus();
  return values;
}"""
_CLEAR = """() => {
  document.querySelector("#question textarea")?.focus();
  return [{ turns: [] }, "", ""];
}"""
_FAILED = """({ turns }, typed) => {
  const last = turns[turns.length - 1];
  return last?.pending ? [{ turns: turns.slice(0, -1) }, last.question, FAULT] : [{ turns }, typed, FAULT];
}"""
"""The server could not be reached, or was full: as any other fault, without the server's help."""


def _template(label: str) -> str:
    """Gradio evaluates a template as JavaScript and never what it puts into it; `label` is a fixed text."""
    return (
        f'<section class="log" role="log" aria-live="polite" aria-label="{render.escape(label)}">'
        '${value.turns.map((turn) => turn.html).join("")}</section>'
    )


def replies(bot: Bot, question: str, conversation: Conversation, *, own_words: bool = False) -> Iterator[Update]:
    """First the question with a sign that it is being worked on, then the reply.

    Where there is no reply, the conversation is as it was, the problem is told beside the input, and the
    question is back in it.
    """
    earlier = conversation["turns"]
    history = [turn["question"] for turn in earlier]
    say = render.sayer(bot.config)
    try:
        bot.accepts(question, history)  # what cannot be asked never enters the conversation
    except QuestionError as error:
        yield gr.skip(), question, render.problem(notice(error.text_id, bot.config))
        return
    waiting = Turn(question=question, html=render.turn(question, render.working(say)), pending=True)
    yield Conversation(turns=[*earlier, waiting]), "", ""
    try:
        answer = bot.ask(question, history, own_words=own_words)
    except Exception as error:  # noqa: BLE001 - a patient must see every fault, and see it as one
        yield Conversation(turns=earlier), question, render.problem(notice(_fault(error), bot.config))
        return
    done = Turn(question=question, html=render.turn(question, render.answer(answer, say)), pending=False)
    yield Conversation(turns=[*earlier, done]), gr.skip(), ""


def _fault(error: Exception) -> str:
    """The id of the fixed text for an error. What a patient cannot mend is logged for staff, without the question."""
    if isinstance(error, IndexUnusable):
        log.error("%s: %s. To fix: %s", type(error).__name__, error.problem, error.remedy)
        return "index_out_of_date"
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
