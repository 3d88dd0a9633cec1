"""Logging in and out, one's own account, and the page where the desk begins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from bot.accounts import KNOWN_FOR
from bot.errors import LoginFailed, LoginLocked, StoreUnavailable, UsageError
from bot.ui.limits import client_of
from bot.ui.staff.desk import FOLDER, HOME, LOGIN, Desk, LoggedIn, remember, session_of
from bot.ui.staff.door import COOKIE, DEVICE, cookie_of, is_secure, own_address

_KINDS = {".css": "text/css", ".js": "text/javascript"}
Text = Annotated[str, Form()]


def router(desk: Desk) -> APIRouter:
    routes = APIRouter()
    files = {path.name: path for path in FOLDER.iterdir() if path.suffix in _KINDS}
    proxies = desk.config.web.proxies

    def form(request: Request, error: LoginFailed | StoreUnavailable | None, wanted: str, name: str = "") -> Response:
        status = 503 if isinstance(error, StoreUnavailable) else _status(error) if error else 200
        return desk.page(request, "login.html", status=status, error=error, next=wanted, name=name)

    def enter(request: Request, token: str, url: str, words: str | None = None) -> Response:
        """Leads to `url`, logged in, in a browser that its user is known to have from now on."""
        session = desk.accounts.session(token)
        if session is None:  # the account was removed in this very moment
            return RedirectResponse(LOGIN, 303)
        device = desk.accounts.know_device(session.user, cookie_of(request, DEVICE))
        remember(request.scope, session)
        response = desk.leave(request, url, words)
        secure = is_secure(request, proxies)
        response.set_cookie(COOKIE, token, path=HOME, secure=secure, httponly=True, samesite="strict")
        response.set_cookie(DEVICE, device, KNOWN_FOR, path=HOME, secure=secure, httponly=True, samesite="strict")
        return response

    @routes.get(LOGIN)
    def login(request: Request, next: str = "") -> Response:  # noqa: A002  # the address says it so
        if session_of(request.scope):
            return RedirectResponse(own_address(next), 303)
        return form(request, None, own_address(next))

    @routes.post(LOGIN)
    def log_in(request: Request, name: Text = "", password: Text = "", next: Text = "") -> Response:  # noqa: A002
        wanted = own_address(next)
        try:
            token = desk.accounts.log_in(name, password, *_whence(request, proxies))
            before = session_of(request.scope)
            if before:  # a browser has one session, and the new one a new token
                desk.accounts.log_out(before)
            return enter(request, token, wanted)
        except (LoginFailed, StoreUnavailable) as error:
            return form(request, error, wanted, name)

    @routes.post("/staff/logout")
    def log_out(request: Request, user: LoggedIn) -> Response:
        session = session_of(request.scope)
        if session:
            desk.accounts.log_out(session)
        response = RedirectResponse(LOGIN, 303)
        response.delete_cookie(COOKIE, path=HOME, httponly=True, samesite="strict")
        return response

    @routes.get("/staff/account")
    def account(request: Request, user: LoggedIn) -> Response:
        return desk.page(request, "account.html", error=None)

    @routes.post("/staff/account/password")
    def change_password(
        request: Request,
        user: LoggedIn,
        old: Text = "",
        new: Text = "",
        again: Text = "",
    ) -> Response:
        try:
            if new != again:
                raise UsageError("the new passwords are not the same", remedy="Type the new one twice.")
            token = desk.accounts.change_password(user, old, new, *_whence(request, proxies))
        except (LoginFailed, UsageError) as error:
            status = _status(error) if isinstance(error, LoginFailed) else 422
            return desk.page(request, "account.html", status=status, error=error)
        words = "The password is changed, and you are logged in here alone."
        return enter(request, token, "/staff/account", words)

    @routes.get(HOME)
    @routes.get(HOME + "/")
    def home(request: Request, user: LoggedIn) -> Response:
        index = desk.bot.index
        return desk.page(request, "home.html", documents=len(index.documents), generation=index.generation)

    @routes.get("/staff/static/{name}")
    def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return FileResponse(files[name], media_type=_KINDS[files[name].suffix])

    return routes


def _whence(request: Request, proxies: int) -> tuple[str, str]:
    """The address that asks, and what tells a browser in which somebody logged in before."""
    return client_of(request.scope, proxies), cookie_of(request, DEVICE)


def _status(error: LoginFailed) -> int:
    return 429 if isinstance(error, LoginLocked) else 401
