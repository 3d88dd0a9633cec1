"""Loads a file in a process of its own, under limits of time and memory.

The libraries that read PDF, Word and web pages are large, and a file may be made to break them. What comes
back from the process is JSON and is checked like any other input; a process that crashes, hangs or wants too much is
ended, its file is refused with the reason, and the next file gets a new one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from bot.loaders import Anchor, Extracted, Heading, Note, Unreadable
from bot.loaders.worker import read_frame, write_frame

_PACKAGE = Path(__file__).parents[2]
_LONGEST_FRAME = 512 * 1024 * 1024
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "TESSDATA_PREFIX")
"""What the process is told of ours; nothing else, so no secret of ours can get into it."""


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

    def load(self, suffix: str, data: bytes, **options: Any) -> list[Extracted | Unreadable | Note]:
        """What the loader of `suffix` finds in `data`. Raises Unreadable as it does, and where a limit is met or
        the process crashes."""
        process = self._process
        if process is None or process.poll() is not None:  # it may have been ended from outside since the last file
            self.close()
            process = self._start()
        timer = threading.Timer(self._limits.seconds, process.kill)
        timer.start()
        try:
            return self._exchange(process, suffix, data, options)
        except (BrokenPipeError, ValueError):  # ValueError: what came back is no answer
            raise Unreadable(self._obituary(process, timer)) from None
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends the process."""
        if process := self._process:
            self._process = None
            process.kill()
            process.wait()
            cast(BinaryIO, process.stdout).close()
            with contextlib.suppress(BrokenPipeError):  # what was not yet sent has nobody to go to
                cast(BinaryIO, process.stdin).close()

    def _start(self) -> subprocess.Popen[bytes]:
        limits = (str(self._limits.megabytes), str(self._limits.seconds + 5))
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "bot.loaders.worker", *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_PACKAGE,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        return self._process

    def _exchange(
        self, process: subprocess.Popen[bytes], suffix: str, data: bytes, options: dict[str, Any]
    ) -> list[Extracted | Unreadable | Note]:
        requests, answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        write_frame(requests, {"suffix": suffix, "bytes": len(data), "options": options})
        requests.write(data)
        requests.flush()
        found: list[Extracted | Unreadable | Note] = []
        while frame := read_frame(answers, _LONGEST_FRAME):
            if "done" in frame:
                return found
            if "refused" in frame:
                read_frame(answers)  # done
                raise Unreadable(str(frame["refused"]))
            if "exhausted" in frame:
                self.close()
                raise Unreadable(self._too_much_memory())
            found.append(_found(frame))
        raise BrokenPipeError

    def _obituary(self, process: subprocess.Popen[bytes], timer: threading.Timer) -> str:
        timed_out = not timer.is_alive()
        self.close()
        if timed_out:
            return f"takes too long to read: the limit is {self._limits.seconds} s"
        code = process.returncode
        if code == -signal.SIGKILL:
            return self._too_much_memory()
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"breaks the program that reads it ({name}), or needs more than {self._limits.megabytes} MB of memory"

    def _too_much_memory(self) -> str:
        return f"needs too much memory to read: the limit is {self._limits.megabytes} MB"


def _found(frame: dict[str, Any]) -> Extracted | Unreadable | Note:
    """A frame as what it was made from; ValueError for anything else."""
    try:
        if "note" in frame:
            return Note(str(frame["note"]))
        if "unreadable" in frame:
            return Unreadable(str(frame["unreadable"]))
        values = frame["extracted"]
        return Extracted(
            text=values["text"],
            id=values["id"],
            title=values["title"],
            headings=tuple(Heading(*heading) for heading in values["headings"]),
            pages=tuple(values["pages"]),
            metadata=dict(values["metadata"]),
            tables=tuple(tuple((start, end) for start, end in table) for table in values["tables"]),
            anchors=tuple(Anchor(*anchor) for anchor in values["anchors"]),
            unread={int(page): why for page, why in values["unread"].items()},
            recognised=tuple(values["recognised"]),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not an answer: {error!r}") from error
