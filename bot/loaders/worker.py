"""The process that reads what may be hostile: started and fed by `isolated.Reader`, never by hand.

``python -m bot.loaders.worker MEGABYTES SECONDS`` reads requests from its standard input and writes what the loaders
find to its standard output, as frames: four bytes of length, then JSON; a request's file follows its frame. It
can write no file, leaves no core behind, and ends itself if a file takes too long, even with nobody left to end it.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, BinaryIO

from bot.loaders import LOADERS, Extracted, Note, Unreadable

LENGTH = struct.Struct(">I")


def main(megabytes: int, seconds: int) -> None:
    _limit(megabytes)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not become a frame
    while request := read_frame(requests):
        data = requests.read(request["bytes"])
        _alarm(seconds)
        for answer in _answers(request["suffix"], data, request["options"]):
            write_frame(answers, answer)
        _alarm(0)
        answers.flush()


def read_frame(stream: BinaryIO, most: int = 2**32) -> dict[str, Any] | None:
    """The next frame; None at the end of the stream. Raises ValueError for one of more than `most` bytes."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    if length > most:
        raise ValueError(f"a frame of {length} bytes")
    body = stream.read(length)
    if len(body) < length:
        return None
    frame: dict[str, Any] = json.loads(body)
    return frame


def write_frame(stream: BinaryIO, frame: dict[str, Any]) -> None:
    body = json.dumps(frame).encode()
    stream.write(LENGTH.pack(len(body)) + body)


def _answers(suffix: str, data: bytes, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        for found in LOADERS[suffix](data, **options):
            if isinstance(found, Extracted):
                yield {"extracted": _plain(found)}
            elif isinstance(found, Note):
                yield {"note": found.message}
            else:
                yield {"unreadable": found.reason}
    except Unreadable as error:
        yield {"refused": error.reason}
    except MemoryError:
        yield {"exhausted": True}
        return
    except RecursionError:
        yield {"refused": "nested too deeply"}
    yield {"done": True}


def _plain(found: Extracted) -> dict[str, Any]:
    """Its fields; headings and anchors, of which there are many, as lists of theirs."""
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    values["headings"] = [(h.start, h.end, h.level, h.text) for h in found.headings]
    values["anchors"] = [(a.start, a.end, a.page, a.at) for a in found.anchors]
    return values


def _limit(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits: there time alone is limited
        return
    for limited, most in (
        (resource.RLIMIT_AS, megabytes * 1024 * 1024),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limited)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limited, (least, least))


def _alarm(seconds: int) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
