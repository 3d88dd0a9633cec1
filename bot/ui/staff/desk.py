"""What the staff's pages have in common: who asks, what they may do, and the frame around each page."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jinja2
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.types import Scope

from bot.accounts import Accounts, Session, User
from bot.bot import Bot
from bot.config import Config
from bot.store import Store
from bot.ui.staff.jobs import Jobs

HOME = "/staff"
LOGIN = "/staff/login"
UPLOAD = "/staff/documents/upload"
"""The one address that takes a body as large as a document."""
STATIC = "/staff/static/"
FOLDER = Path(__file__).parent
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing."""

_SESSION = "plainquote.session"
_MESSAGES = 1000


class Item(NamedTuple):
    """A part of the desk as the navigation names it."""

    label: str
    path: str
    about: str


NAVIGATION = (
    Item("Check", "/staff/check", "Search the documents, and see why a passage is quoted or not."),
    Item("Documents", "/staff/documents", "Read, add, replace and remove documents; publish; go back."),
    Item("What patients ask", "/staff/asked", "Answers by day, questions in vain, and feedback."),
    Item("Test sets", "/staff/tests", "Measure the answers, and see what changed since last time."),
    Item("Consistency", "/staff/consistency", "Passages that may contradict each other."),
)


def session_of(scope: Scope) -> Session | None:
    """The session that the door has found for this request."""
    found = scope.get(_SESSION)
    return found if isinstance(found, Session) else None


def remember(scope: Scope, session: Session) -> None:
    scope[_SESSION] = session


def _user(request: Request) -> User:
    """Who is logged in. The door has sent everyone else to the login before; this is the second lock."""
    session = session_of(request.scope)
    if session is None:
        raise HTTPException(401)
    return session.user


def _editor(request: Request) -> User:
    user = _user(request)
    if user.role != "editor":
        raise HTTPException(403, "Your account may look at everything and change nothing.")
    return user


LoggedIn = Annotated[User, Depends(_user)]
"""A route's parameter: the user. The form's token is checked of every POST anyway."""
Editor = Annotated[User, Depends(_editor)]
"""The same on each route that changes what is kept: a user who may; others get 403."""


async def check_token(request: Request) -> AsyncIterator[None]:
    """A dependency of every route: what is sent from a page carries the token of the session that page was made for,
    as the field ``csrf`` of the form or, from a script, as the header ``X-CSRF-Token``."""
    session = session_of(request.scope)
    # Without a session only the login is reachable, which has no page of a session to come from.
    exempt = request.method in SAFE or session is None or request.url.path == LOGIN
    try:
        if not exempt and session and not hmac.compare_digest(await _token(request), session.csrf.encode()):
            raise HTTPException(403, "This form is no longer valid: open the page again, and send it once more.")
        yield
    finally:
        await request.close()  # the files that came with it


async def _token(request: Request) -> bytes:
    given = request.headers.get("x-csrf-token") or (await request.form()).get("csrf")
    return given.encode("utf-8", "surrogatepass") if isinstance(given, str) else b""


@dataclass(frozen=True)
class Desk:
    """`corpus`: the folder of documents. `index`: the folder of its generations."""

    bot: Bot
    store: Store
    accounts: Accounts
    jobs: Jobs
    config: Config
    corpus: Path
    index: Path
    _messages: OrderedDict[str, str] = field(default_factory=OrderedDict, repr=False)

    user = staticmethod(_user)
    """A dependency: ``user: User = Depends(desk.user)``; the same as ``user: LoggedIn``."""
    changes = staticmethod(_editor)
    """The dependency of every route that changes something; the same as ``user: Editor``."""

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """`template`, of ``bot/ui/staff/templates``, with `values` and what the frame needs: `user` (None before the
        login), `csrf`, `flash`, `problem_of_store`, `navigation`, `path`, `config`."""
        session = session_of(request.scope)
        own = {
            "user": session.user if session else None,
            "csrf": session.csrf if session else "",
            "flash": self._messages.pop(session.id, None) if session else None,
            "problem_of_store": self._problem_of_store() if session else None,
            "navigation": NAVIGATION,
            "path": request.url.path,
            "config": self.config,
        }
        return HTMLResponse(_TEMPLATES.get_template(template).render(own | values), status)

    def leave(self, request: Request, url: str, words: str | None = None) -> RedirectResponse:
        """What a POST ends with: the browser goes to `url`, an own address, and the next page says `words`, once."""
        session = session_of(request.scope)
        if words is not None and session is not None:
            self._messages[session.id] = words
            while len(self._messages) > _MESSAGES:
                self._messages.popitem(last=False)
        return RedirectResponse(url, 303)

    def _problem_of_store(self) -> str | None:
        """What staff should know of the database; None where all is well."""
        status = self.store.status()
        parts = []
        if status.state == "down":
            since = f" since {moment(status.since)}" if status.since else ""
            waits = f" {status.waiting} answers wait to be written." if status.waiting else ""
            parts.append(f"The database cannot be used{since}: {status.problem}.{waits}")
        if status.lost:
            parts.append(f"{status.lost} answers were lost since the server started: figures are too low by as many.")
        return " ".join(parts) or None


def moment(when: datetime) -> str:
    """In UTC, as everything that is counted by day is."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _time(when: datetime | date) -> Markup:
    shown = moment(when) if isinstance(when, datetime) else when.isoformat()
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(), shown)


def _count(number: int) -> str:
    """With thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"time": _time, "count": _count}
