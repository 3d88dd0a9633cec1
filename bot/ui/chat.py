"""What the chat's page calls, and what one can begin with. The conversation lives in the reader's browser: the server
keeps no question of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import islice, zip_longest
from typing import Any, TypedDict

from bot.bot import Bot
from bot.documents import Document
from bot.errors import IndexUnreachable, IndexUnusable, QuestionError
from bot.index import Index
from bot.texts import Notice, notice
from bot.ui import render
from bot.ui.api import Busy, Turns
from bot.ui.feedback import Recorder
from bot.ui.source import language_of

log = logging.getLogger(__name__)

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


def functions(bot: Bot, recorder: Recorder) -> list[Callable[[Any], Awaitable[Reply | Told]]]:
    """What the page's script calls, by these names, with a JSON object each."""
    turns = Turns()

    async def ask(asked: Asked) -> Reply:
        try:
            return await turns.take(reply, bot, recorder, asked)
        except Busy:
            return _problem(notice("fault", bot.config))

    async def feedback(given: Given) -> Told:
        try:
            return await turns.take(told, bot, recorder, given)
        except Busy:
            return Told(text=notice("feedback_fault", bot.config).text)

    return [ask, feedback]


def told(bot: Bot, recorder: Recorder, given: Given) -> Told:
    id = recorder.feedback(given.get("id"), given.get("helped"), given.get("reason"))
    return Told(text=notice(id, bot.config).text)


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


class Starters:
    """Those of the index in use."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._found: tuple[Index, tuple[str, ...]] | None = None

    def now(self) -> tuple[str, ...]:
        index = self._bot.index
        if self._found is None or self._found[0] is not index:
            self._found = index, starters(index.documents.values())
        return self._found[1]


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
