"""What programs may ask, whichever way they come. Gradio's named endpoints, plain HTTP and MCP all go through here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import date
from typing import Any, Literal, TypeVar

import anyio

from bot.bot import Bot
from bot.errors import IndexUnreachable, IndexUnusable, PlainquoteError, UsageError
from bot.ui.feedback import Recorder
from bot.ui.told import BUSY, FAULT, Refusal

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Questions that are answered at the same time, of all that come from programs or from the page; others wait."""
WAITING = 64

Result = TypeVar("Result")
Reason = Literal["opening", "no_documents", "documents_changed", "search_failed"]


UNUSABLE = Refusal(
    503,
    "the documents changed and are not indexed yet, or the index is damaged",
    "Try again later, or tell the clinic.",
)
UNREACHABLE = Refusal(
    503, "the server of the index does not answer", "Try again in a minute; if it goes on, tell the clinic."
)


def refusal(error: Exception) -> Refusal:
    """For a program. What it cannot mend is logged for staff, without the question."""
    if isinstance(error, UsageError):
        return Refusal(422, error.problem, error.remedy)
    if isinstance(error, IndexUnusable):
        log.error("%s: %s. To fix: %s", type(error).__name__, error.problem, error.remedy)
        return UNREACHABLE if isinstance(error, IndexUnreachable) else UNUSABLE
    log.error("a program's question could not be answered", exc_info=error)
    return FAULT


def _milliseconds(began: float) -> float:
    return (time.perf_counter() - began) * 1000


class Busy(PlainquoteError):
    """Too many questions wait already."""

    def __init__(self) -> None:
        super().__init__(BUSY.error, remedy=BUSY.remedy)


class Turns:
    """Few questions at once; the others wait, and where too many wait it says so."""

    def __init__(self) -> None:
        self._limit: anyio.CapacityLimiter | None = None

    async def take(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """`work` in a thread. Raises Busy."""
        if self._limit is None:  # it belongs to the loop that is running by then
            self._limit = anyio.CapacityLimiter(AT_ONCE)
        if self._limit.statistics().tasks_waiting >= WAITING:
            raise Busy
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limit)


class Service:
    """The bot's answers as JSON. recorder: is told each answer that was given, and each question that got none."""

    def __init__(self, bot: Bot, recorder: Recorder | None = None) -> None:
        self.bot = bot
        self._recorder = recorder
        self.in_turn = Turns().take

    def ask(self, question: str, history: list[str], own_words: bool) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            answer = self.bot.ask(question, history, own_words=own_words)
        except UsageError:
            raise  # there was no question
        except Exception as error:
            if self._recorder:
                self._recorder.fault(question, error, _milliseconds(began))
            raise
        if self._recorder:
            self._recorder.answer(answer, _milliseconds(began))
        return answer.to_dict()

    def search(self, query: str, k: int) -> dict[str, Any]:
        return self.bot.search(query, k).to_dict()

    def document(self, id: str, start: int | None, end: int | None) -> dict[str, Any] | Refusal:
        """The document, or a slice of it, if its file is as it was when it was indexed."""
        try:
            document = self.bot.document(id)
        except UsageError:
            return Refusal(404, "there is no such document", "The answers name the documents that there are.")
        if not self.bot.is_current(document):
            return Refusal(409, "the document has changed since it was indexed", "Try again later.")
        first, last = start or 0, len(document.text) if end is None else end
        if not 0 <= first <= last <= len(document.text):
            return Refusal(
                404,
                f"the document has no characters {first} to {last}",
                f"It has {len(document.text)}: give 0 ≤ start ≤ end ≤ that.",
            )
        whole = document.to_dict()
        return {
            **{name: whole[name] for name in ("id", "title", "sha256", "sections", "pages", "metadata")},
            "length": len(document.text),
            "start": first,
            "end": last,
            "text": document.text[first:last],
            "overdue": document.is_overdue(date.today()),
        }

    def unready(self) -> list[Reason]:
        """Why no question can be answered with a quote now; empty: it can."""
        documents = list(self.bot.documents())
        if not documents:
            return ["no_documents"]
        if not any(self.bot.is_current(document) for document in documents):
            return ["documents_changed"]
        try:
            self.bot.search("is it ready", 1)
        except Exception as error:  # noqa: BLE001 - whatever it is, it would meet every question
            refusal(error)
            return ["search_failed"]
        return []
