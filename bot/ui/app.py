"""The web app: the chat at `/`, a document at `/source`, and the style they share."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from bot.bot import Bot
from bot.errors import UsageError
from bot.ui import chat, render
from bot.ui.headers import SecurityHeaders

STYLE = Path(__file__).parent / "style.css"
PAGE_JS = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
MOST_MARKED = 100_000
"""Characters that may be marked in a document; no quote comes near."""
LOOK_EVERY = 1.0
"""Seconds between two looks for a newer index."""


def create_app(bot: Bot) -> FastAPI:
    """The app over `bot`. While it runs, from its startup to its shutdown, it follows the index on disk.

    Not to be called from within an event loop.
    """
    with asyncio.Runner() as loop:  # outside of a loop Gradio opens one for each lock, and closes none
        return loop.run(_create_app(bot))


async def _create_app(bot: Bot) -> FastAPI:
    page, renew = chat.build(bot)

    def follow(stopped: threading.Event) -> None:
        while not stopped.wait(LOOK_EVERY):
            if bot.refresh():
                renew()

    @contextlib.asynccontextmanager
    async def following(app: FastAPI) -> AsyncIterator[None]:
        stopped = threading.Event()
        thread = threading.Thread(target=follow, args=(stopped,), name="follow", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            await asyncio.to_thread(thread.join)  # Python may not end while a thread is within a library

    app = FastAPI(openapi_url=None, lifespan=following)
    say = render.sayer(bot.config)

    @app.get("/style.css")
    def style() -> Response:
        return FileResponse(STYLE, media_type="text/css")

    @app.get("/source")
    def source(request: Request) -> HTMLResponse:
        asked = request.query_params
        place = _range(asked.get("start"), asked.get("end"))
        try:
            document = bot.document(asked.get("document", ""))
        except UsageError:
            return HTMLResponse(render.message_page("source_unknown", say), 404)
        if asked.get("sha256") != document.sha256 or not bot.is_current(document):
            return HTMLResponse(render.message_page("source_changed", say), 409)
        if place is None or place[1] > len(document.text):
            return HTMLResponse(render.message_page("source_unknown", say), 400)
        return HTMLResponse(render.source_page(document, *place, say))

    app.add_middleware(SecurityHeaders)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        js=PAGE_JS,
        head='<link rel="stylesheet" href="style.css">',
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        show_error=False,
        max_file_size=1,  # nobody uploads anything here
    )
    return mounted


def _range(start: str | None, end: str | None) -> tuple[int, int] | None:
    """Two numbers of a URL as a range of a text; None for anything else."""
    if not all(number and number.isascii() and number.isdecimal() and len(number) < 12 for number in (start, end)):
        return None
    first, last = int(start or 0), int(end or 0)
    return (first, last) if first < last <= first + MOST_MARKED else None


def serve(bot: Bot, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM. Raises UsageError if the address cannot be had."""
    app = create_app(bot)
    with _listen(host, port) as listener:
        address = listener.getsockname()
        shown = f"[{address[0]}]" if listener.family == socket.AF_INET6 else address[0]
        print(f"Plainquote is at http://{shown}:{address[1]}", file=sys.stderr, flush=True)  # noqa: T201
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=3))
        # uvicorn stops on a signal, then raises it again for the handler that stood before it.
        before = {number: signal.signal(number, _done) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            server.run(sockets=[listener])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _done(number: int, frame: FrameType | None) -> None:
    """The server has stopped by then: nothing is left to do."""


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(socket.socket(family))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            undo.pop_all()
            return listener
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be used: {error.strerror}", remedy="Give another one with --host and --port."
        ) from error
