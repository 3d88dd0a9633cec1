"""What is told where there is no result: JSON for programs, a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.config import Config
from bot.ui import leaf
from bot.ui.render import sayer


@dataclass(frozen=True, slots=True)
class Refusal:
    """It names no file of the server: the log has the details."""

    status: int
    error: str
    remedy: str

    @property
    def text(self) -> str:
        return f"{self.error}. To fix: {self.remedy}"


FAULT = Refusal(500, "the server failed", "Try again later; if it goes on, tell the clinic. The server's log says why.")
NOTHING = Refusal(404, "there is nothing at this address", "GET /api says what there is.")
NOT_SO = Refusal(405, "this address takes another method", "GET /api says which one.")
UNREADABLE = Refusal(400, "the body could not be read", "Send one JSON object.")
OPENING = Refusal(503, "the documents are being opened", "Try again in a few seconds.")
BUSY = Refusal(503, "too many questions are waiting", "Try again in a few seconds.")

_TEXTS = {404: "error_not_found", 429: "error_too_many", 500: "error_fault", 503: "error_opening"}
_OTHER = "error_refused"


def as_json(request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": refusal.error, "remedy": refusal.remedy}, refusal.status, headers)


class Teller:
    """Makes the responses, in the language and the look that `config` gives."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def told(self, request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
        """A page for whoever takes one, as browsers do where a person goes to an address; JSON for all others."""
        if "text/html" not in request.headers.get("accept", ""):
            return as_json(request, refusal, headers)
        response = leaf.answered(self._page(request, _TEXTS.get(refusal.status, _OTHER)), refusal.status)
        response.headers.update(headers or {})
        return response

    def _page(self, request: Request, text_id: str) -> str:
        say = sayer(self._config)
        folders = request.url.path.removeprefix(request.scope.get("root_path", "")).count("/") - 1
        return leaf.page(
            f'<h1>{say("source_not_shown")}</h1><p class="problem" role="alert">{say(text_id)}</p>',
            self._config,
            base="../" * folders,
        )
