"""Plain HTTP: ``/api/ask``, ``/api/search``, ``/api/documents/{id}``, ``/health`` and ``/ready``, described by
OpenAPI at ``/api/openapi.json`` and, for people, at ``/api``."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.responses import JSONResponse as AnyJSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.errors import PlainquoteError
from bot.ui import models, reference
from bot.ui.api import UNUSABLE, Busy, Reason, Service, refusal
from bot.ui.told import FAULT, NOT_SO, NOTHING, UNREADABLE, Refusal

READY_FOR = 1.0
"""Seconds for which `/ready` repeats what it found, so that asking it costs nothing."""
TOLD = {
    400: "The body could not be read",
    404: "There is no such document, no such slice of it, or no such address",
    405: "The address takes another method",
    409: "The document has changed since it was indexed",
    413: "The request is too large",
    422: "The request is not as it should be",
    429: "Too many requests",
    500: "The server failed",
    503: "The index cannot be used, or too many questions are waiting",
}
Number = Annotated[int | None, Query(ge=0, le=10**12)]


def create_api(service: Service) -> FastAPI:
    """The routes, under their full paths. Whatever goes wrong below them is told as ``{"error", "remedy"}``."""
    app = FastAPI(
        title="Plainquote",
        version="1",
        description="Answers from a clinic's own documents, word for word, each with its source. Every other text in "
        "an answer is a notice of a reviewed catalogue. Show both as they are: a quote that is reworded is no quote.",
        openapi_url=None,
        redirect_slashes=False,
    )

    @app.post("/api/ask", summary="Ask a question", responses=_told(models.Answer, 400, 413, 422, 429, 500, 503))
    async def ask(body: models.Ask) -> Response:
        return JSONResponse(await service.in_turn(service.ask, body.question, body.history, body.own_words))

    @app.post("/api/search", summary="Search passages", responses=_told(models.Hits, 400, 413, 422, 429, 500, 503))
    async def search(body: models.Search) -> Response:
        """Ranked passages with all their scores. Never refuses, and judges nothing: a hit is no answer."""
        return JSONResponse(await service.in_turn(service.search, body.query, body.k))

    @app.get(
        "/api/documents/{id:path}",
        summary="Read a document",
        responses=_told(models.Document, 404, 409, 413, 422, 429, 500),
    )
    async def document(
        id: Annotated[str, Path(description="As answers name it; it may hold slashes.")],
        start: Number = None,
        end: Number = None,
    ) -> Response:
        """The text that was indexed, whole or from character `start` to before `end`, byte for byte."""
        found = await anyio.to_thread.run_sync(service.document, id, start, end)
        return _refuse(found) if isinstance(found, Refusal) else JSONResponse(found)

    @app.get("/health", summary="Does the process live?", responses=_told(models.Health, 413, 500))
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    ready = _Ready(service)

    @app.get(
        "/ready",
        summary="Can questions be answered?",
        responses={
            **_told(models.Ready, 413, 429, 500),
            503: {"model": models.NotReady, "description": "Not now, for these reasons"},
        },
    )
    async def is_ready() -> Response:
        reasons = await anyio.to_thread.run_sync(ready.reasons)
        if reasons:
            return JSONResponse({"error": UNUSABLE.error, "remedy": UNUSABLE.remedy, "reasons": reasons}, 503)
        return JSONResponse({"status": "ready", "documents": len(list(service.bot.documents()))})

    @app.get("/api/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return JSONResponse(schema)

    @app.get("/api", include_in_schema=False)
    @app.get("/api/", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(reference.page(schema))

    app.exception_handler(HTTPException)(_told_http)
    app.exception_handler(RequestValidationError)(_told_invalid)
    app.exception_handler(PlainquoteError)(_told_problem)
    app.exception_handler(Exception)(told_fault)
    schema = _schema(app, service.bot.config.answer.max_question_chars)
    return app


class JSONResponse(AnyJSONResponse):
    """In ASCII: half of a surrogate pair, which a question may hold, has no UTF-8."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


class Beside(BaseRoute):
    """Hands `paths`, and all below those that end in a slash, to an app, whatever the method."""

    def __init__(self, app: ASGIApp, *paths: str) -> None:
        self.app = app
        self.paths = paths

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        ours = scope["type"] == "http" and any(
            path == own or (own.endswith("/") and path.startswith(own)) for own in self.paths
        )
        return (Match.FULL if ours else Match.NONE), {"route": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


PATHS = ("/api", "/api/", "/health", "/ready")


class _Ready:
    """What `Service.unready` found within the last second."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._found: list[Reason] = []
        self._until = 0.0

    def reasons(self) -> list[Reason]:
        if time.monotonic() >= self._until:
            self._found = self._service.unready()
            self._until = time.monotonic() + READY_FOR
        return self._found


def _told(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    answer: dict[int | str, dict[str, Any]] = {200: {"model": model, "description": "Done"}}
    return answer | {status: {"model": models.Problem, "description": TOLD[status]} for status in statuses}


def _refuse(told: Refusal, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": told.error, "remedy": told.remedy}, told.status, headers)


_NAMES = {*models.Ask.model_fields, *models.Search.model_fields, "start", "end"}


async def _told_http(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            return _refuse(NOTHING, headers)
        case 405:
            return _refuse(NOT_SO, headers)
        case status if status < 500:
            return _refuse(replace(UNREADABLE, status=status), headers)
        case _:
            return _refuse(FAULT, headers)


async def _told_invalid(request: Request, error: RequestValidationError) -> Response:
    """Names the first fault and its place, and repeats nothing of what was sent."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _refuse(Refusal(422, "the body is not JSON", "Send one JSON object."))
    place = ".".join(str(part) for part in first["loc"][1:] if isinstance(part, int) or part in _NAMES)
    return _refuse(
        Refusal(
            422,
            f"{place or 'the body'} is not as it should be: {first['type'].replace('_', ' ')}",
            "Send application/json with the names and kinds of values that GET /api lists.",
        )
    )


async def _told_problem(request: Request, error: PlainquoteError) -> Response:
    if isinstance(error, Busy):
        return _refuse(Refusal(503, error.problem, error.remedy), {"Retry-After": "5"})
    return _refuse(refusal(error))


async def told_fault(request: Request, error: Exception) -> Response:
    """The server logs the error itself, with its traceback."""
    return _refuse(FAULT)


def _schema(app: FastAPI, longest: int) -> dict[str, Any]:
    """The OpenAPI document, with what `Bot` asks of a question, and without FastAPI's own shape of errors."""
    schema = FastAPI.openapi(app)
    for name, field in (("Ask", "question"), ("Search", "query")):
        schema["components"]["schemas"][name]["properties"][field] |= {"pattern": r"[\p{L}\p{N}]", "maxLength": longest}
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
    return schema
