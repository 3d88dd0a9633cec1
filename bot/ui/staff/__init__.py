"""The staff's desk: pages behind a login, under ``/staff``."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from bot.config import Config
from bot.errors import IndexLocked, PlainquoteError, StoreUnavailable, UsageError
from bot.ui.staff import asked, consistency, documents, jobs, login, publish, search, testsets
from bot.ui.staff.desk import HOME, UPLOAD, Desk, check_token
from bot.ui.staff.door import Door

PATHS = (HOME, HOME + "/")
"""What is the desk's: for `bot.ui.http.Beside`."""
PARTS = (login, jobs, search, publish, documents, asked, testsets, consistency)
"""Each has a function `router`."""


def create_staff(desk: Desk) -> FastAPI:
    """The desk as an app, under its full paths. Every request to it goes through the door."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, dependencies=[Depends(check_token)])
    for part in PARTS:
        app.include_router(part.router(desk))
    app.add_middleware(Door, desk=desk)
    _tell_errors(app, desk)
    return app


def body_limit(config: Config) -> Callable[[str], int | None]:
    """How many bytes may be sent to an address of the desk: an upload brings one file as large as the corpus takes,
    and a form around it. None for what is none of its addresses."""
    usual = config.web.max_body_kb * 1024

    def limit(path: str) -> int | None:
        if path == UPLOAD:
            return config.corpus.max_file_mb * 2**20 + usual
        return usual if path == HOME or path.startswith(HOME + "/") else None

    return limit


def unavailable(problem: str, remedy: str) -> ASGIApp:
    """Stands in its place where there is nothing to stand on."""
    return Response(f"The desk cannot be used: {problem}.\n{remedy}\n", 503, media_type="text/plain")


def _tell_errors(app: FastAPI, desk: Desk) -> None:
    def told(request: Request, status: int, problem: str, remedy: str = "") -> Response:
        if request.url.path.endswith("/json"):
            return JSONResponse({"error": problem, "remedy": remedy}, status)
        return desk.page(request, "error.html", status=status, problem=problem, remedy=remedy)

    @app.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return told(request, 404, "There is nothing at this address", "Go on from the list above.")
        response = told(request, error.status_code, error.detail or HTTPStatus(error.status_code).phrase)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    def of_values(request: Request, error: RequestValidationError) -> Response:
        place = ".".join(str(part) for part in error.errors()[0]["loc"][1:])
        return told(request, 422, f"{place or 'What was sent'} is not as it should be", "Go back, and change it.")

    @app.exception_handler(PlainquoteError)
    def of_ours(request: Request, error: PlainquoteError) -> Response:
        kinds = {UsageError: 422, IndexLocked: 409, StoreUnavailable: 503}
        status = next((status for kind, status in kinds.items() if isinstance(error, kind)), 500)
        return told(request, status, error.problem, error.remedy)

    @app.exception_handler(Exception)
    def of_defects(request: Request, error: Exception) -> Response:
        """The server logs the error itself, with its traceback."""
        return told(request, 500, "The server failed", "Try again; if it goes on, the server's log says why.")
