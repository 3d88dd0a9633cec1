"""The door of the desk: nothing behind it is reached, and no body is read, before it is known who asks."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.errors import StoreUnavailable
from bot.ui.staff.desk import HOME, LOGIN, SAFE, STATIC, UPLOAD, Desk, remember

COOKIE = "plainquote_staff"
DEVICE = "plainquote_device"
"""The cookie that tells a browser in which somebody has logged in before: it opens nothing."""


class Door:
    """ASGI middleware around the pages of the desk. What it lets through has its session in the scope, unless it
    is the login or a file of the pages' looks."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        turned_away = await self._look(scope)
        await (turned_away or self.app)(scope, receive, send)

    async def _look(self, scope: Scope) -> Response | None:
        request = Request(scope)
        unsafe = scope["method"] not in SAFE
        if unsafe and not _is_own(request, self._desk.config.web.proxies):
            return self._refused(request, 403, "This was sent from another site", "Open the page here, and try again.")
        if scope["path"].startswith(STATIC):
            return None
        token = cookie_of(request)
        if token:
            try:
                session = await anyio.to_thread.run_sync(self._desk.accounts.session, token)
            except StoreUnavailable as error:
                return None if _is_login(scope) else self._refused(request, 503, error.problem, error.remedy)
            if session:
                remember(scope, session)
                if unsafe and scope["path"] == UPLOAD and session.user.role != "editor":
                    return self._refused(request, 403, "Your account may change nothing", "Ask an editor to do it.")
                return None
        return None if _is_login(scope) else self._to_login(request)

    def _to_login(self, request: Request) -> Response:
        """A person who opens a page goes to the login and from there on to it; whatever else it was is lost."""
        if request.method == "GET" and not _wants_json(request):
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(LOGIN if wanted == HOME else f"{LOGIN}?next={quote(wanted, safe='')}", 303)
        return self._refused(request, 401, "You are not logged in, or no longer", "Log in, and do it again.")

    def _refused(self, request: Request, status: int, problem: str, remedy: str) -> Response:
        if _wants_json(request):
            response: Response = JSONResponse({"error": problem, "remedy": remedy}, status)
        else:
            response = self._desk.page(request, "error.html", status=status, problem=problem, remedy=remedy)
        if request.method not in SAFE:
            response.headers["Connection"] = "close"  # its body is not read
        return response


def cookie_of(request: Request, name: str = COOKIE) -> str:
    """The token that the browser keeps under this name; empty without one. What is no cookie at all must not become a
    fault."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""


def is_secure(request: Request, proxies: int) -> bool:
    """Whether the browser came by https. Only a proxy that is trusted is believed."""
    forwarded = request.headers.get("x-forwarded-proto", "") if proxies else ""
    return (forwarded.split(",")[-1].strip().lower() or request.url.scheme) == "https"


def own_address(wanted: str | None) -> str:
    """`wanted` if it is an address of the desk, else that of its home: nobody is led elsewhere after the login."""
    if not wanted or "\\" in wanted or any(ord(character) <= 0x20 for character in wanted):
        return HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    ours = not parts.scheme and not parts.netloc and (parts.path == HOME or parts.path.startswith(HOME + "/"))
    return wanted if ours and ".." not in parts.path and not parts.path.startswith(LOGIN) else HOME


def _is_login(scope: Scope) -> bool:
    return bool(scope["path"] == LOGIN)


def _wants_json(request: Request) -> bool:
    return request.url.path.endswith("/json")


def _is_own(request: Request, proxies: int) -> bool:
    """Whether a page of this very site sent it, as far as the browser tells. Where it tells nothing it is no browser
    of today; a form's token is asked for besides."""
    headers: Headers = request.headers
    told = headers.get("sec-fetch-site")
    if told is not None:
        return told in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    hosts = {headers.get("host", "")} | ({headers.get("x-forwarded-host", "")} if proxies else set())
    return origin.partition("://")[2].lower() in {host.lower() for host in hosts if host}
