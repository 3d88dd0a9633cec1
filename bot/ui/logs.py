"""What `bot serve` logs: text, or JSON a line, with the id of the request. No question is in it.

Of an error, the log has its kind, its place in the code and, where that is about the machine or a file, what it says.
What any other error says is left out: it may repeat a question.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from bot.config import Logging
from bot.errors import PlainquoteError, UsageError
from bot.ui.served import Served, current

requests = logging.getLogger("bot.requests")

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def configure(settings: Logging) -> None:
    """Has everything that is logged go to standard error in this way, in place of how commands do it."""
    root = logging.getLogger()
    for before in [handler for handler in root.handlers if type(handler) in (logging.StreamHandler, _Errors)]:
        root.removeHandler(before)
    handler = _Errors()
    handler.setFormatter(Lines() if settings.format == "json" else Text())
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def take_over() -> None:
    """Has warnings, and threads that fail, logged too."""
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed


def served(settings: Logging) -> Callable[[Served], None]:
    """Logs a request, if that is wanted."""

    def tell(served: Served) -> None:
        if settings.requests:
            fields: dict[str, Any] = {
                "method": served.method,
                "route": served.route,
                "status": served.status,
                "milliseconds": round(served.seconds * 1000, 1),
            }
            if settings.addresses:
                fields["client"] = served.client
            words = " ".join(str(value) for value in fields.values())
            requests.info("%s", words, extra={"fields": fields})

    return tell


class Text(logging.Formatter):
    """The message, and the error's place below it. No line can pass for another: what is in one cannot end it."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [_message(record).replace("\n", "\n  ")]
        for error in _errors(record):
            lines.append(f"  {error['type']}: {error['said']}" if "said" in error else f"  {error['type']}")
            lines += [f"    {frame}" for frame in error["frames"]]
        return _CONTROL.sub(lambda found: f"<U+{ord(found[0]):04X}>", "\n".join(lines))


class Lines(logging.Formatter):
    """A JSON object a line: time, level, logger, message, request, errors, and what a request line has of its own."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if (request := current.get()) is not None:
            told["request"] = request
        if errors := list(_errors(record)):
            told["errors"] = errors
        return json.dumps(told | getattr(record, "fields", {}))


class _Errors(logging.StreamHandler[TextIO]):
    """To what standard error is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _message(record: logging.LogRecord) -> str:
    return record.getMessage().strip()


def _errors(record: logging.LogRecord) -> Iterator[dict[str, Any]]:
    """The error that was logged, then what it came from, and so on."""
    error = record.exc_info[1] if record.exc_info else None
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        told: dict[str, Any] = {"type": type(error).__name__}
        if isinstance(error, PlainquoteError) and not isinstance(error, UsageError):
            told["said"] = error.problem
        elif isinstance(error, OSError) and error.strerror:
            told["said"] = error.strerror
        frames = traceback.extract_tb(error.__traceback__)
        yield told | {"frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "?"
    error = failure.exc_value or failure.exc_type()
    logging.getLogger("bot.threads").error("the thread %s ended by a defect", name, exc_info=error)
