"""Pages of PDFs as pictures, each drawn in a process of its own: no file can do harm, or forge another's page."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from bot.config import CorpusRules
from bot.documents import Document
from bot.loaders import Unreadable
from bot.loaders.isolated import Limits, Reader

if TYPE_CHECKING:
    from bot.loaders.pdf import Drawing

AT_ONCE = 2
"""Pages that are drawn at the same time."""
WAITING = 6
"""Requests that may wait for that; more are sent away."""
SECONDS = 20
"""For one page; only one that is made to be slow takes as long."""
PICTURES_BYTES = 48 * 1024 * 1024
DRAWINGS = 2000

Kept = TypeVar("Kept")


class Busy(Exception):
    """Too many pages are being drawn."""


class NoPicture(Exception):
    """The page cannot be drawn; `reason` is for staff to read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def has_pages(document: Document) -> bool:
    """Whether its pages can be drawn."""
    return bool(document.pages) and document.source.lower().endswith(".pdf")


class Pictures:
    """Draws pages and keeps some of them. Safe to call from several threads.

    What could not be drawn is remembered too: a page that is made to be slow costs its time once.
    """

    def __init__(self, rules: CorpusRules) -> None:
        self._limits = Limits(min(SECONDS, rules.max_seconds), rules.max_memory_mb)
        self._pictures = _Cache[bytes](PICTURES_BYTES)
        self._drawings = _Cache["Drawing"](DRAWINGS)
        self._failed = _Cache[str](DRAWINGS)
        self._free = threading.Semaphore(AT_ONCE)
        self._places = threading.Semaphore(AT_ONCE + WAITING)

    def picture(self, document: Document, file: bytes, page: int) -> bytes:
        """The page, from 1, as a WebP. `file` is the PDF that `document` was read from.

        Raises NoPicture, or Busy.
        """
        kept = self._pictures.get((_hash(file), page))
        return kept if kept is not None else self._draw(document, file, page, None)[1]

    def drawing(self, document: Document, file: bytes, page: int, quoted: tuple[int, int] | None) -> Drawing:
        """The size of the page and where the characters `quoted` (start, end) of the document stand on it; its own
        picture is left out. Raises NoPicture, or Busy."""
        kept = self._drawings.get((_hash(file), page, quoted))
        return kept if kept is not None else self._draw(document, file, page, quoted)[0]

    def _draw(
        self, document: Document, file: bytes, page: int, quoted: tuple[int, int] | None
    ) -> tuple[Drawing, bytes]:
        key = (_hash(file), page)
        with self._turn():
            drawing = self._drawings.get((*key, quoted))
            picture = self._pictures.get(key)
            if drawing is None or picture is None:
                if (reason := self._failed.get(key)) is not None:
                    raise NoPicture(reason)
                anchors = document.anchors_of(*quoted) if quoted else ()
                try:
                    with Reader(self._limits) as reader:
                        drawn = reader.draw(file, page, anchors, picture=picture is None)
                except Unreadable as error:
                    self._failed.put(key, error.reason, 1)
                    raise NoPicture(error.reason) from None
                drawing, picture = replace(drawn, picture=b""), picture or drawn.picture
                self._drawings.put((*key, quoted), drawing, 1)
                self._pictures.put(key, picture, len(picture))
            return drawing, picture

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            with self._free:
                yield
        finally:
            self._places.release()


def _hash(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()


class _Cache(Generic[Kept]):
    """What was used last, as much of it as weighs `most` together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._kept: OrderedDict[object, tuple[Kept, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> Kept | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: object, value: Kept, weight: int) -> None:
        with self._lock:
            if key in self._kept:
                self._weight -= self._kept.pop(key)[1]
            if weight > self._most:
                return
            self._kept[key] = value, weight
            self._weight += weight
            while self._weight > self._most:
                self._weight -= self._kept.popitem(last=False)[1][1]
