"""The desk over a small corpus, for the tests of its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from conftest import WordEncoder
from fastapi import FastAPI
from starlette.testclient import TestClient

from bot import generations
from bot.accounts import Accounts
from bot.bot import Bot
from bot.config import Config, Keeping
from bot.embed import Encoder
from bot.index import Index
from bot.store import Store
from bot.ui.headers import SecurityHeaders
from bot.ui.limits import Limits
from bot.ui.staff import body_limit, create_staff
from bot.ui.staff.desk import Desk
from bot.ui.staff.jobs import Jobs

PASSWORD = "seven grey herons wade"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""For tests that log in often."""
SITE = "http://testserver"


@contextmanager
def a_desk(folder: Path, corpus: Path, /, encoder: Encoder | None = None, **settings: Any) -> Iterator[Desk]:
    """One with the accounts ``Erin`` (editor) and ``Vic`` (viewer), whose password is PASSWORD. `settings`: sections
    of the configuration."""
    settings.setdefault("store", Keeping(url=f"sqlite:///{folder / 'store.db'}", keep_questions=True))
    config, encoder = Config(**settings), encoder or WordEncoder(window=256)
    Index.update(folder / "index", corpus, encoder, config)
    bot = Bot(Index.load(folder / "index"), encoder, config)
    bot._folder, bot._seen = folder / "index", generations.identity(folder / "index")
    store, accounts, jobs = Store.open(config.store), Accounts(config.store, config.staff, CHEAP), Jobs()
    accounts.add("Erin", "editor", PASSWORD)
    accounts.add("Vic", "viewer", PASSWORD)
    try:
        yield Desk(bot, store, accounts, jobs, config, corpus, folder / "index")
    finally:
        jobs.close()
        store.close()
        accounts.close()


def app_of(desk: Desk) -> FastAPI:
    """With what stands before it in the whole app."""
    app = create_staff(desk)
    web = desk.config.web
    limited = Limits(app.build_middleware_stack(), 0, web.max_body_kb * 1024, web.proxies, body_limit(desk.config))
    app.middleware_stack = SecurityHeaders(limited)
    return app


def visiting(desk: Desk, name: str | None = "Erin") -> TestClient:
    """A browser at the desk, where `name` is logged in. It does not follow redirects by itself, and a defect of the
    server comes as an answer with the status 500."""
    client = TestClient(app_of(desk), SITE, follow_redirects=False, raise_server_exceptions=False)
    if name is not None:
        log_in(client, name)
    return client


def log_in(client: TestClient, name: str, password: str = PASSWORD) -> None:
    answer = client.post("/staff/login", data={"name": name, "password": password})
    assert answer.status_code == 303, answer.text


def token(client: TestClient) -> str:
    """What the forms of this browser's session carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/staff/account").text)
    assert found
    return found[1]


def send(client: TestClient, path: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
    """A form as a page of the desk sends it."""
    return client.post(path, data={**(data or {}), "csrf": token(client)}, **more)
