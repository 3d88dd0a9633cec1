"""The named endpoints `/ask` and `/search`, for programs. They return the same JSON as the commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr
from gradio.events import api

from bot.answer import Answer
from bot.bot import Bot
from bot.errors import PlainquoteError, UsageError
from bot.retrieve import Hits

Result = TypeVar("Result", Answer, Hits)


def add_endpoints(bot: Bot) -> None:
    """Adds both to the Blocks that are being built."""

    def ask(question: str, history: list[str] | None = None, own_words: bool = False) -> dict[str, Any]:
        """Answers a question with quotes of the clinic's documents; history: earlier questions, oldest first;
        own_words: search it as it is."""
        return _told(lambda: bot.ask(question, _texts(history), own_words=bool(own_words)))

    def search(query: str, k: int = 10) -> dict[str, Any]:
        """The k passages that match best, with their scores, best first. Never refuses."""
        return _told(lambda: bot.search(query, k))

    api(ask, api_name="ask", concurrency_id="ask")
    api(search, api_name="search", concurrency_id="ask")


def _texts(history: object) -> list[str]:
    """Gradio hands on whatever JSON came; Bot looks at the items."""
    if history is None:
        return []
    if not isinstance(history, list):
        raise UsageError("the history is not a list", remedy="Give a list of earlier questions, oldest first.")
    return history


def _told(result: Callable[[], Result]) -> dict[str, Any]:
    try:
        return result().to_dict()
    except PlainquoteError as error:
        raise gr.Error(f"{error.problem}. To fix: {error.remedy}", print_exception=False) from error
