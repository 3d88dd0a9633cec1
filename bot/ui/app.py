"""The web app: the chat at `/`, the pages beside it, what programs ask, and the desk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from bot.accounts import Accounts
from bot.bot import Bot
from bot.store import Store
from bot.ui import about, assets, blocks, chat, files, logs, metrics, source, staff
from bot.ui.api import Service
from bot.ui.chat import Starters
from bot.ui.feedback import Recorder
from bot.ui.files import Kept
from bot.ui.frontpage import FrontPage
from bot.ui.gate import Gate
from bot.ui.headers import SecurityHeaders
from bot.ui.http import PATHS, Beside, create_api
from bot.ui.limits import Limits
from bot.ui.mcp import Tools
from bot.ui.metrics import Metrics
from bot.ui.served import Watched
from bot.ui.staff.desk import Desk
from bot.ui.staff.jobs import Jobs
from bot.ui.told import FAULT, NOTHING, Refusal, Teller

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks for a newer index."""
GRADIO = ("/config", "/theme.css", "/gradio_api/", "/assets/", "/static/")
"""What is Gradio's, as far as `Gate` serves it."""


def create_app(bot: Bot) -> FastAPI:
    """The app over `bot`. While it runs, from its startup to its shutdown, it follows the index on disk.

    Not to be called from within an event loop.
    """
    config, web = bot.config, bot.config.web
    store = Store.open(config.store)
    figures = Metrics(bot, store)
    recorder = Recorder(store, bot, figures)
    service = Service(bot, recorder)
    accounts, jobs = Accounts(config.store, config.staff), Jobs()
    tools = Tools(service, web)
    called = chat.functions(bot, recorder)
    made = blocks.create_blocks(service, called)
    loaded = assets.found(blocks.FRONTEND, made.types)
    page = FrontPage(made.app, config, Starters(bot).now, loaded)
    gate = Gate(made.app, made.part, frozenset(one.__name__ for one in called))
    teller = Teller(config)

    def follow(stopped: threading.Event) -> None:
        while not stopped.wait(LOOK_EVERY):
            bot.refresh()

    @contextlib.asynccontextmanager
    async def following(app: FastAPI) -> AsyncIterator[None]:
        stopped = threading.Event()
        thread = threading.Thread(target=follow, args=(stopped,), name="follow", daemon=True)
        thread.start()
        try:
            async with tools.running(), made.app.router.lifespan_context(made.app):
                yield
        finally:
            stopped.set()
            await asyncio.to_thread(thread.join)  # Python may not end while a thread is within a library
            await asyncio.to_thread(jobs.close)
            await asyncio.to_thread(store.close)
            accounts.close()

    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=following)
    files.add_routes(app, config)
    app.add_api_route("/", page.answer, methods=["GET", "HEAD"], include_in_schema=False)
    source.add_routes(app, bot)
    about.add_routes(app, bot)
    metrics.add_routes(app, figures, web)
    app.router.routes += [
        Beside(create_api(service), *PATHS),
        Beside(tools, "/mcp"),
        Beside(Kept(assets.kept(blocks.FRONTEND, loaded), gate), *GRADIO),
    ]
    app.router.routes += [Beside(_desk(bot, store, accounts, jobs), *staff.PATHS)]
    _tell_errors(app, teller)
    # Around everything, so that what is told of a fault has the headers too.
    limited = Limits(
        app.build_middleware_stack(),
        web.requests_per_minute,
        web.max_body_kb * 1024,
        web.proxies,
        staff.body_limit(config),
        web.request_seconds,
        teller.told,
    )
    headed = SecurityHeaders(limited, web.frame_ancestors)
    app.middleware_stack = Watched(headed, web.proxies, figures.served, logs.served(config.log))
    return app


def _desk(bot: Bot, store: Store, accounts: Accounts, jobs: Jobs) -> ASGIApp:
    if not bot.config.store.url:
        return staff.unavailable("it needs a database for its accounts", "Name one in bot.toml: [store] url")
    if bot.folder is None or bot.index.corpus is None:
        return staff.unavailable("the index is not on disk", "Build it with bot index, and open it from there.")
    return staff.create_staff(Desk(bot, store, accounts, jobs, bot.config, bot.index.corpus, bot.folder))


def _tell_errors(app: FastAPI, teller: Teller) -> None:
    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            refusal = NOTHING
        elif error.status_code == 405:
            refusal = Refusal(405, "this address takes another method", "Open it in a browser.")
        else:
            refusal = Refusal(error.status_code, error.detail, "Look at what was sent.")
        return teller.told(request, refusal, error.headers)

    @app.exception_handler(Exception)
    async def of_defects(request: Request, error: Exception) -> Response:
        """The server logs the error itself, with its traceback."""
        return teller.told(request, FAULT)
