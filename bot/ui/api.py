"""What programs may ask, whichever way they come. Gradio's named endpoints, plain HTTP and MCP all go through here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeVar

import anyio
import gradio as gr
from gradio.events import api

from bot.bot import Bot
from bot.errors import IndexUnreachable, IndexUnusable, PlainquoteError, UsageError
from bot.ui.feedback import Recorder

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Questions that are answered at the same time, of all that come over HTTP and MCP; others wait."""
WAITING = 64

Result = TypeVar("Result")
Reason = Literal["no_documents", "documents_changed", "search_failed"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a program is told where there is no result. It names no file of the server: `log` has the details."""

    status: int
    error: str
    remedy: str

    @property
    def text(self) -> str:
        return f"{self.error}. To fix: {self.remedy}"


FAULT = Refusal(500, "the server failed", "Try again later; if it goes on, tell the clinic. The server's log says why.")
BUSY = Refusal(503, "too many questions are waiting", "Try again in a few seconds.")
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


class Service:
    """The bot's answers as JSON. recorder: is told each answer that was given, and each question that got none."""

    def __init__(self, bot: Bot, recorder: Recorder | None = None) -> None:
        self.bot = bot
        self._recorder = recorder
        self._limit: anyio.CapacityLimiter | None = None

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

    async def in_turn(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """`work` in a thread, of which there are few. Raises Busy where too many wait."""
        if self._limit is None:
            self._limit = anyio.CapacityLimiter(AT_ONCE)
        if self._limit.statistics().tasks_waiting >= WAITING:
            raise Busy
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limit)

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


def add_endpoints(bot: Bot, recorder: Recorder | None = None) -> None:
    """Adds `/ask` and `/search` for gradio_client to the Blocks that are being built."""
    service = Service(bot, recorder)

    def ask(question: str, history: list[str] | None = None, own_words: bool = False) -> dict[str, Any]:
        """Answers a question with quotes of the clinic's documents; history: earlier questions, oldest first;
        own_words: search it as it is."""
        return _told(lambda: service.ask(question, _texts(history), bool(own_words)))

    def search(query: str, k: int = 10) -> dict[str, Any]:
        """The k passages that match best, with their scores, best first. Never refuses."""
        return _told(lambda: service.search(query, k))

    api(ask, api_name="ask", concurrency_id="ask")
    api(search, api_name="search", concurrency_id="ask")


def _texts(history: object) -> list[str]:
    """Gradio hands on whatever JSON came; Bot looks at the items."""
    if history is None:
        return []
    if not isinstance(history, list):
        raise UsageError("the history is not a list", remedy="Give a list of earlier questions, oldest first.")
    return history


def _told(result: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return result()
    except Exception as error:  # Gradio would print any other, with what was asked
        raise gr.Error(refusal(error).text, print_exception=False) from error
