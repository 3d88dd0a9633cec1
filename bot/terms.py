"""The terms of an index on disk, in order, with how many passages hold each; what is read of it is mapped.

terms.txt      UTF-8, one after the other without a separator, in the order of their bytes
ends.npy       (terms,) int64: where each ends
holders.npy    (terms,) int64: in how many passages it is, 1 or more
passages.json  how many passages there are
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bot.lexical import Words

_TEXT, _ENDS, _HOLDERS, _PASSAGES = "terms.txt", "ends.npy", "holders.npy", "passages.json"


class Terms(Words):
    """Words and, as two words with a space between, pairs of neighbours."""

    def __init__(self, text: np.ndarray, ends: np.ndarray, holders: np.ndarray, passages: int) -> None:
        """text: uint8, the others as the module says. Raises ValueError if they do not belong together."""
        if len(ends) != len(holders) or len(text) != (ends[-1] if len(ends) else 0):
            raise ValueError(f"{len(text)} bytes, {len(ends)} terms and {len(holders)} counts")
        self._text, self._ends, self._holders = text, ends, holders
        self.passages = passages

    @staticmethod
    def write(folder: Path, terms: Iterable[tuple[bytes, int]], passages: int) -> None:
        """terms: UTF-8 and holders of each, in order."""
        folder.mkdir()
        ends, holders, end = [], [], 0
        with (folder / _TEXT).open("wb") as file:
            for term, count in terms:
                file.write(term)
                end += len(term)
                ends.append(end)
                holders.append(count)
        np.save(folder / _ENDS, np.array(ends, dtype=np.int64), allow_pickle=False)
        np.save(folder / _HOLDERS, np.array(holders, dtype=np.int64), allow_pickle=False)
        (folder / _PASSAGES).write_text(json.dumps(passages), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Terms:
        """Raises OSError or ValueError."""
        path = folder / _TEXT
        text = np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size else np.empty(0, dtype=np.uint8)
        ends, holders = (
            np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False)) for name in (_ENDS, _HOLDERS)
        )
        return cls(text, ends, holders, int((folder / _PASSAGES).read_text(encoding="utf-8")))

    def holders(self, terms: Sequence[str]) -> list[int]:
        places = [self.place(term) for term in terms]
        return [0 if place is None else int(self._holders[place]) for place in places]

    def place(self, term: str) -> int | None:
        """Where `term` stands in the order, from 0; None if no passage holds it."""
        sought = term.encode(errors="surrogatepass")
        place = bisect_left(range(len(self._ends)), sought, key=self._at)
        return place if place < len(self._ends) and self._at(place) == sought else None

    def _at(self, place: int) -> bytes:
        start = int(self._ends[place - 1]) if place else 0
        return self._text[start : int(self._ends[place])].tobytes()
