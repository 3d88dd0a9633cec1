"""The named endpoints `/ask` and `/search` for gradio_client. The only module that imports Gradio.

Gradio takes seconds to import, and the page does not need it: see `bot.ui.later`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio.events import api

from bot.errors import UsageError
from bot.ui.api import AT_ONCE, WAITING, Service, refusal

_MAKING = threading.Lock()
"""Gradio knows of one thing that is being built, whichever thread builds it."""


def create_endpoints(service: Service) -> FastAPI:
    """Gradio's app, to be put behind `Gate`. Not to be called from within an event loop."""
    with _MAKING, asyncio.Runner() as loop:  # outside of a loop Gradio opens one for each lock, and closes none
        return loop.run(_create(service))


async def _create(service: Service) -> FastAPI:
    with gr.Blocks(analytics_enabled=False) as blocks:
        _add(service)
    blocks.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING)
    app: FastAPI = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        show_error=False,
        max_file_size=1,  # nobody uploads anything here
    )
    return app


def _add(service: Service) -> None:
    """To the Blocks that are being built."""

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
