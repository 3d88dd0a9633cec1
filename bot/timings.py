"""How long each part of an answer took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timings:
    """Milliseconds by part; a part that is measured twice is added up."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._parts: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._parts[part] = self._parts.get(part, 0.0) + (time.perf_counter() - began) * 1000

    def to_dict(self) -> dict[str, float]:
        """Each part in the order measured, and ``total`` since this object was made; 0.1 ms steps."""
        total = (time.perf_counter() - self._began) * 1000
        return {part: round(ms, 1) for part, ms in {**self._parts, "total": total}.items()}
