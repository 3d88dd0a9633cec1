"""The Gradio app: the chat's part of the page, and the named endpoints `/ask` and `/search` for gradio_client. The only
module that imports Gradio, which takes seconds: see `bot.ui.later`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio.events import api

from bot.errors import UsageError
from bot.texts import notice
from bot.ui.api import AT_ONCE, WAITING, Service, refusal

Function = Callable[[Any], Awaitable[Any]]

ENTER = (Path(__file__).parent / "enter.js").read_text(encoding="utf-8")
FRONTEND = Path(gr.__file__).parent / "templates" / "frontend"
"""The files of Gradio's page, as it is built."""
_MAKING = threading.Lock()
"""Gradio knows of one thing that is being built, whichever thread builds it."""


@dataclass(frozen=True, slots=True)
class Made:
    """`app`: to be put behind `Gate`; `part`: the id of the conversation's part; `types`: of all the parts."""

    app: FastAPI
    part: int
    types: frozenset[str]


def create_blocks(service: Service, functions: list[Function]) -> Made:
    """`functions`: what the page's script calls, under their names. Not to be called from within an event loop."""
    with _MAKING, asyncio.Runner() as loop:  # outside of a loop Gradio opens one for each lock, and closes none
        return loop.run(_create(service, functions))


async def _create(service: Service, functions: list[Function]) -> Made:
    title = notice("page_title", service.bot.config).text
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as blocks:
        # The conversation's own part: no queue, no connection kept open, nothing that Gradio would load anew, and so
        # lose, when the server was away for a moment. It is empty: what stands on the page already enters it.
        part = gr.HTML("", js_on_load=ENTER, apply_default_css=False, server_functions=functions, elem_id="chat")
        _add(service)
    blocks.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING)
    app: FastAPI = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        blocks,
        path="/",
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        show_error=False,
        max_file_size=1,  # nobody uploads anything here
    )
    return Made(app, part._id, frozenset(one["type"] for one in blocks.config["components"]))


def _add(service: Service) -> None:
    """The endpoints, to the Blocks that are being built."""

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
