"""The web app: the chat at `/`, a document at `/source`, and the style they share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from bot.accounts import Accounts
from bot.bot import Bot
from bot.errors import UsageError
from bot.store import Store
from bot.ui import about, chat, leaf, logs, metrics, source, staff, theme
from bot.ui.api import Service
from bot.ui.feedback import Recorder
from bot.ui.frontpage import FrontPage
from bot.ui.gate import Gate
from bot.ui.headers import SecurityHeaders
from bot.ui.http import PATHS, Beside, create_api, told_fault
from bot.ui.limits import Limits
from bot.ui.mcp import Tools
from bot.ui.metrics import Metrics
from bot.ui.served import Watched
from bot.ui.staff.desk import Desk
from bot.ui.staff.jobs import Jobs

log = logging.getLogger(__name__)

STYLE = Path(__file__).parent / "style.css"
PAGE_JS = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
LOOK_EVERY = 1.0
"""Seconds between two looks for a newer index."""


def create_app(bot: Bot) -> FastAPI:
    """The app over `bot`. While it runs, from its startup to its shutdown, it follows the index on disk.

    Not to be called from within an event loop.
    """
    with asyncio.Runner() as loop:  # outside of a loop Gradio opens one for each lock, and closes none
        return loop.run(_create_app(bot))


async def _create_app(bot: Bot) -> FastAPI:
    colours, logo = theme.css(bot.config.clinic), theme.logo(bot.config.clinic)
    store = Store.open(bot.config.store)
    figures = Metrics(bot, store)
    recorder = Recorder(store, bot, figures)
    page, renew = chat.build(bot, recorder)
    web = bot.config.web
    service = Service(bot, recorder)
    accounts, jobs = Accounts(bot.config.store, bot.config.staff), Jobs()
    tools = Tools(service, web)

    def follow(stopped: threading.Event) -> None:
        shown = bot.index
        while not stopped.wait(LOOK_EVERY):
            bot.refresh()
            if bot.index is not shown:  # a publication or a question may have gone over to it before
                shown = bot.index
                renew()

    @contextlib.asynccontextmanager
    async def following(app: FastAPI) -> AsyncIterator[None]:
        stopped = threading.Event()
        thread = threading.Thread(target=follow, args=(stopped,), name="follow", daemon=True)
        thread.start()
        try:
            async with tools.running():
                yield
        finally:
            stopped.set()
            await asyncio.to_thread(thread.join)  # Python may not end while a thread is within a library
            await asyncio.to_thread(jobs.close)
            await asyncio.to_thread(store.close)
            accounts.close()

    app = FastAPI(openapi_url=None, lifespan=following)
    app.add_middleware(FrontPage, config=bot.config, has_logo=logo is not None)

    @app.get("/style.css")
    def style() -> Response:
        return FileResponse(STYLE, media_type="text/css")

    theme.add_routes(app, colours, logo)

    leaf.add_files(app)
    source.add_routes(app, bot)
    about.add_routes(app, bot)
    metrics.add_routes(app, figures, web)

    app.add_exception_handler(Exception, told_fault)
    app.router.routes += [Beside(create_api(service), *PATHS), Beside(tools, "/mcp")]
    app.router.routes += [Beside(_desk(bot, store, accounts, jobs), *staff.PATHS)]
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        js=PAGE_JS,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        show_error=False,
        max_file_size=1,  # nobody uploads anything here
    )
    for route in mounted.routes:
        if isinstance(route, Mount):
            route.app = Gate(route.app)
    # Around everything, so that what is told of a fault has the headers too.
    limited = Limits(
        mounted.build_middleware_stack(),
        web.requests_per_minute,
        web.max_body_kb * 1024,
        web.proxies,
        staff.body_limit(bot.config),
    )
    headed = SecurityHeaders(limited, web.frame_ancestors)
    mounted.middleware_stack = Watched(headed, web.proxies, figures.served, logs.served(bot.config.log))
    return mounted


def _desk(bot: Bot, store: Store, accounts: Accounts, jobs: Jobs) -> ASGIApp:
    if not bot.config.store.url:
        return staff.unavailable("it needs a database for its accounts", "Name one in bot.toml: [store] url")
    if bot.folder is None or bot.index.corpus is None:
        return staff.unavailable("the index is not on disk", "Build it with bot index, and open it from there.")
    return staff.create_staff(Desk(bot, store, accounts, jobs, bot.config, bot.index.corpus, bot.folder))


def serve(bot: Bot, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM. Raises UsageError if the address cannot be had."""
    logs.take_over()
    app = create_app(bot)
    with _listen(host, port) as listener:
        address = listener.getsockname()
        shown = f"[{address[0]}]" if listener.family == socket.AF_INET6 else address[0]
        log.info("Plainquote is at http://%s:%d", shown, address[1])
        settings = uvicorn.Config(
            app,
            log_config=None,  # its loggers hand on to ours
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `[web] proxies` says whom to believe
            timeout_graceful_shutdown=3,
        )
        server = uvicorn.Server(settings)
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
            listener.listen()  # who comes from now on waits for the server instead of being turned away
            undo.pop_all()
            return listener
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be used: {error.strerror}", remedy="Give another one with --host and --port."
        ) from error
