"""Loads a file in a process of its own, under limits of time and memory.

The libraries that read PDF, Word and web pages are large, and a file may be made to break them. What comes
back from the process is JSON and is checked like any other input; a process that crashes, hangs or wants too much is
ended, its file is refused with the reason, and the next file gets a new one.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from math import inf
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar, cast

from bot.loaders import Anchor, Extracted, Heading, Note, Unreadable
from bot.loaders.worker import EXHAUSTED, read_frame, write_frame

if TYPE_CHECKING:
    from bot.loaders.pdf import Drawing

_PACKAGE = Path(__file__).parents[2]
_WORKER = ("-m", "bot.loaders.worker")
_LONGEST_ANSWER = 256 * 1024 * 1024
_GRACE = 5
"""Seconds after which a process that nobody ended ends itself."""
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "TESSDATA_PREFIX")
"""What the process is told of ours; nothing else, so no secret of ours can get into it."""

Found: TypeAlias = Extracted | Unreadable | Note
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Limits:
    """For one file: `seconds` of time, and `megabytes` of address space for the process that reads it."""

    seconds: int = 60
    megabytes: int = 1024


class Reader:
    """One process that loads one file after the other. Not to be shared between threads; close it after use."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process's number; None where none runs: it is started with the first file."""
        return self._process.pid if self._process else None

    def load(self, suffix: str, data: bytes, **options: Any) -> list[Found]:
        """What the loader of `suffix` finds in `data`. Raises Unreadable as it does, and where a limit is met or
        the process crashes."""
        return self._ask({"suffix": suffix, "options": options}, data, lambda frame: [*map(_found, frame["found"])])

    def draw(self, data: bytes, page: int, anchors: Iterable[Anchor], *, picture: bool) -> Drawing:
        """As `pdf.draw`, of the PDF `data`. Raises Unreadable as `load` does."""
        places = [(a.start, a.end, a.page, a.at, *(a.box or ())) for a in anchors if a.page == page]
        wanted = {"page": page, "anchors": places, "picture": picture}
        return self._ask({"draw": wanted}, data, lambda frame: _drawing(frame, page))

    def _ask(self, request: dict[str, Any], data: bytes, read: Callable[[dict[str, Any]], Answer]) -> Answer:
        process = self._running()
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(self._limits.seconds, expire)
        timer.start()
        answer: Answer | Unreadable | None = None
        try:
            answer = _exchange(process, {**request, "bytes": len(data)}, data, read)
        finally:
            timer.cancel()
            timer.join()
            if answer is None or expired.is_set():  # what it may still say belongs to no other file
                self.close()
        if answer is None:
            raise Unreadable(self._obituary(process.returncode, expired.is_set()))
        if isinstance(answer, Unreadable):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the process."""
        if process := self._process:
            self._process = None
            process.kill()
            process.wait()
            cast(BinaryIO, process.stdout).close()
            with contextlib.suppress(BrokenPipeError):  # what was not yet sent has nobody to go to
                cast(BinaryIO, process.stdin).close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process and self._process.poll() is not None:  # ended from outside since the last file
            self.close()
        if not self._process:
            limits = (str(self._limits.megabytes), str(self._limits.seconds + _GRACE))
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *_WORKER, *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_PACKAGE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        return self._process

    def _obituary(self, code: int, timed_out: bool) -> str:
        if timed_out:
            return f"takes too long to read: the limit is {self._limits.seconds} s"
        if code in (EXHAUSTED, -signal.SIGKILL):  # the system kills what it has no memory for
            return f"needs too much memory to read: the limit is {self._limits.megabytes} MB"
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"breaks the program that reads it ({name}), or needs more than {self._limits.megabytes} MB of memory"


def _exchange(
    process: subprocess.Popen[bytes], request: dict[str, Any], data: bytes, read: Callable[[dict[str, Any]], Answer]
) -> Answer | Unreadable | None:
    """What the process finds in `data`, or why it refuses it; None if it ends instead. Raises Unreadable for an answer
    that is none."""
    requests, answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
    with contextlib.suppress(BrokenPipeError):
        write_frame(requests, request)
        requests.write(data)
        requests.flush()
        try:
            if (frame := read_frame(answers, _LONGEST_ANSWER)) is not None:
                return Unreadable(_string(frame["refused"])) if "refused" in frame else read(frame)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Unreadable("breaks the program that reads it (its answer makes no sense)") from None
    process.wait()
    return None


def _drawing(frame: dict[str, Any], page: int) -> Drawing:
    """As `_found`, of a page that was drawn."""
    from bot.loaders.pdf import Box, Drawing

    width, height = frame["size"]
    if type(width) is not float or type(height) is not float or not (0 < width < inf and 0 < height < inf):
        raise ValueError("a page without a size")
    boxes = tuple(Box(page, *map(_share, box)) for box in frame["boxes"])
    picture = base64.b64decode(_string(frame["picture"]), validate=True)
    if picture and (picture[:4], picture[8:12]) != (b"RIFF", b"WEBP"):
        raise ValueError("a picture that is no WebP")
    return Drawing(width, height, boxes, picture)


def _found(values: dict[str, Any]) -> Found:
    """The inverse of the process's own; AttributeError, KeyError, TypeError or ValueError for anything else."""
    if "note" in values:
        return Note(_string(values["note"]))
    if "unreadable" in values:
        return Unreadable(_string(values["unreadable"]))
    values = values["extracted"]
    found = Extracted(
        text=_string(values["text"]),
        id=None if values["id"] is None else _string(values["id"]),
        title=None if values["title"] is None else _string(values["title"]),
        headings=tuple(
            Heading(_whole(start), _whole(end), _whole(level), _string(words))
            for start, end, level, words in values["headings"]
        ),
        pages=tuple(map(_whole, values["pages"])),
        metadata={key: _string(value) for key, value in values["metadata"].items()},
        tables=tuple(tuple((_whole(start), _whole(end)) for start, end in rows) for rows in values["tables"]),
        anchors=tuple(map(_anchor, values["anchors"])),
        unread={int(page): _string(why) for page, why in values["unread"].items()},
        recognised=tuple(map(_whole, values["recognised"])),
    )
    headings = ((heading.start, heading.end) for heading in found.headings)
    anchors = ((anchor.start, anchor.end) for anchor in found.anchors)
    if not all(0 <= start <= end <= len(found.text) for start, end in chain(headings, anchors, *found.tables)):
        raise ValueError("a place outside of the text")
    return found


def _anchor(values: list[Any]) -> Anchor:
    start, end, page, at, *box = values
    if not box:
        return Anchor(_whole(start), _whole(end), _whole(page), _whole(at))
    x0, y0, x1, y1 = map(_share, box)
    return Anchor(_whole(start), _whole(end), _whole(page), _whole(at), (x0, y0, x1, y1))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _share(value: object) -> float:
    if type(value) is not float or not 0.0 <= value <= 1.0:
        raise TypeError(f"{value!r} is no share")
    return value
