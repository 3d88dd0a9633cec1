"""The process that reads what may be hostile: started and fed by `isolated.Reader`, never by hand.

``python -m bot.loaders.worker MEGABYTES SECONDS`` reads requests from its standard input and answers each on its
standard output, in frames: four bytes of length, then JSON. A request's file follows its frame. The process can
write into no file, leaves no core behind, and ends itself if a file takes too long, even with nobody left to end it.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import struct
import sys
from dataclasses import fields
from typing import Any, BinaryIO

from bot.loaders import LOADERS, Anchor, Extracted, Note, Unreadable

EXHAUSTED = 3
"""The exit status of a process that met its limit of memory."""
_LENGTH = struct.Struct(">I")


def main(megabytes: int, seconds: int) -> None:
    _limit(megabytes)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not become a frame
    try:
        while request := read_frame(requests):
            data = requests.read(request["bytes"])
            _alarm(seconds)
            drawing = request.get("draw")
            write_frame(
                answers, _drawn(data, **drawing) if drawing else _answer(request["suffix"], data, request["options"])
            )
            _alarm(0)
    except MemoryError:
        sys.exit(EXHAUSTED)


def read_frame(stream: BinaryIO, most: int = 2**32) -> dict[str, Any] | None:
    """The next frame; None where the stream ends first. Raises ValueError for one of more than `most` bytes and for
    what is no JSON object."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > most:
        raise ValueError(f"a frame of {length} bytes")
    body = stream.read(length)
    if len(body) < length:
        return None
    try:
        frame = json.loads(body)
    except RecursionError:
        raise ValueError("a frame nested too deeply") from None
    if not isinstance(frame, dict):
        raise ValueError("a frame that is no object")
    return frame


def write_frame(stream: BinaryIO, frame: dict[str, Any]) -> None:
    # Escaped, two halves of a surrogate pair would come back as one character, and offsets would shift.
    body = json.dumps(frame, ensure_ascii=False).encode("utf-8", "surrogatepass")
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def _answer(suffix: str, data: bytes, options: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"found": [_plain(found) for found in LOADERS[suffix](data, **options)]}
    except Unreadable as error:
        return {"refused": error.reason}
    except RecursionError:
        return {"refused": "nested too deeply"}


def _drawn(data: bytes, page: int, anchors: list[list[Any]], picture: bool) -> dict[str, Any]:
    from bot.loaders import pdf

    try:
        drawing = pdf.draw(data, page, (_anchor(*anchor) for anchor in anchors), picture=picture)
    except Unreadable as error:
        return {"refused": error.reason}
    return {
        "size": [drawing.width, drawing.height],
        "boxes": [[box.x0, box.y0, box.x1, box.y1] for box in drawing.boxes],
        "picture": base64.b64encode(drawing.picture).decode(),
    }


def _anchor(start: int, end: int, page: int, at: int, *box: float) -> Anchor:
    return Anchor(start, end, page, at, (box[0], box[1], box[2], box[3]) if box else None)


def _plain(found: Extracted | Unreadable | Note) -> dict[str, Any]:
    """Its fields; headings and anchors, of which there are many, as lists of theirs."""
    if isinstance(found, Note):
        return {"note": found.message}
    if isinstance(found, Unreadable):
        return {"unreadable": found.reason}
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    values["headings"] = [(h.start, h.end, h.level, h.text) for h in found.headings]
    values["anchors"] = [(a.start, a.end, a.page, a.at, *(a.box or ())) for a in found.anchors]
    return {"extracted": values}


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
