"""The documents and passages of an index as they lie on disk, each read when it is asked for.

documents.jsonl, documents_at.npy, documents_sha256.npy     a document a line, and the hash of its line
ids.bin, ids_at.npy, ids_row.npy      the documents' ids in order, and the row of each
first_passage.npy      (documents + 1,) int64: where each document's passages begin
passages.npy           (passages, 4) int32: row of the document, start, end, section
spans.npy, spans_at.npy     (sentences, 2) int32: start and end in the document; where each passage's begin
keys.npy               (passages, 32) uint8: SHA-256 of what a passage's vectors depend on
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np

from bot.documents import Document
from bot.errors import IndexCorrupt
from bot.generations import REBUILD
from bot.passages import Passage
from bot.tables import Lines, LinesWriter, Recent, Rows, Strings, mapped, rows_of

SHOWN = (
    "documents_at.npy",
    "documents_sha256.npy",
    "ids.bin",
    "ids_at.npy",
    "ids_row.npy",
    "first_passage.npy",
    "passages.npy",
    "spans.npy",
    "spans_at.npy",
)
"""The files that decide what a reader is shown: they are hashed whenever an index is opened, and `documents.jsonl` line
by line as it is read."""

_AT_ONCE = 1024
"""Passages that are made at a time where all are gone through."""
_MEMORY = 64 << 20
"""Bytes of documents, as they lie on disk, that are kept made."""


class Documents(Mapping[str, Document]):
    """By id, in the order of the corpus."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ValueError for files that cannot be read."""
        self._lines = Lines(folder, "documents", Document.from_dict)
        self._hashes = mapped(folder / "documents_sha256.npy")
        self._ids = Strings(folder, "ids")
        self._row_of = mapped(folder / "ids_row.npy")
        if len({len(self._lines), len(self._hashes), len(self._ids), len(self._row_of)}) != 1:
            raise ValueError("the documents and their ids do not belong together")
        self._place_of = np.empty(len(self._row_of), dtype=np.int32)
        self._place_of[self._row_of] = np.arange(len(self._row_of), dtype=np.int32)
        self._recent: Recent[str, Document] = Recent(_MEMORY)

    def __getitem__(self, id: str) -> Document:
        if (found := self._recent.get(id)) is not None:  # its row need not be looked for
            return found
        row = self.row(id)
        if row < 0:
            raise KeyError(id)
        return self._made(id, row)

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.row(id) >= 0

    def __iter__(self) -> Iterator[str]:
        return (self.id(row) for row in range(len(self)))

    def __len__(self) -> int:
        return len(self._lines)

    def at(self, row: int) -> Document:
        """The document of a row. Raises IndexCorrupt if it is not as it was written."""
        id = self.id(row)
        found = self._recent.get(id)
        return self._made(id, row) if found is None else found

    def _made(self, id: str, row: int) -> Document:
        line = self._lines.line(row)
        if hashlib.sha256(line).digest() != self._hashes[row].tobytes():
            raise IndexCorrupt(f"the document {id} in the index is damaged", remedy=REBUILD)
        made = Document.from_dict(json.loads(line))
        self._recent.put(id, made, len(line))
        return made

    def id(self, row: int) -> str:
        return self._ids[int(self._place_of[row])]

    def row(self, id: str) -> int:
        """-1 for one that is not there."""
        place = self._ids.find(id)
        return place if place < 0 else int(self._row_of[place])


class Passages(Sequence[Passage]):
    """By row, in the order of the documents."""

    def __init__(self, folder: Path, documents: Documents) -> None:
        """Raises OSError or ValueError for files that cannot be read."""
        self._documents = documents
        self._first = mapped(folder / "first_passage.npy")
        self._rows = mapped(folder / "passages.npy")
        self._spans = mapped(folder / "spans.npy")
        self._spans_at = mapped(folder / "spans_at.npy")
        self.keys = Keys(mapped(folder / "keys.npy"))
        own = (len(self._rows), len(self.keys), len(self._spans_at) - 1, int(self._first[-1]))
        if len(set(own)) != 1 or len(self._first) != len(documents) + 1 or self._spans_at[-1] != len(self._spans):
            raise ValueError("the passages, their keys, sentences and documents do not belong together")

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | Sequence[Passage]:
        if isinstance(row, slice):
            return self.at(np.arange(*row.indices(len(self))))
        return self.at(np.array([range(len(self))[row]]))[0]

    def __iter__(self) -> Iterator[Passage]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self.at(np.arange(first, min(first + _AT_ONCE, len(self))))

    def at(self, rows: np.ndarray) -> list[Passage]:
        """Those of several rows, in their order."""
        documents = {row: self._documents.id(row) for row in np.unique(self._rows[rows, 0]).tolist()}
        counts = self._spans_at[rows + 1] - self._spans_at[rows]
        spans = map(tuple, self._spans[rows_of(self._spans_at[rows], counts)].tolist())
        return [
            Passage(documents[document], start, end, section, tuple(islice(spans, count)))
            for (document, start, end, section), count in zip(self._rows[rows].tolist(), counts.tolist(), strict=True)
        ]

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """In characters: (rows,)."""
        found: np.ndarray = self._rows[rows, 2] - self._rows[rows, 1]
        return found

    def of(self, document: str) -> range:
        """The rows of a document's passages. Raises KeyError if there is no such document."""
        row = self._documents.row(document)
        if row < 0:
            raise KeyError(document)
        return range(int(self._first[row]), int(self._first[row + 1]))

    def sentences(self) -> int:
        """Of all passages together."""
        return len(self._spans)


class Ranges(Mapping[str, range]):
    """The rows of each document's passages, which are neighbours in its order; of one without any, none."""

    def __init__(self, documents: Documents, passages: Passages) -> None:
        self._documents, self._passages = documents, passages

    def __getitem__(self, id: str) -> range:
        return self._passages.of(id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._documents)

    def __len__(self) -> int:
        return len(self._documents)


class Keys:
    """SHA-256s, (n, 32) uint8, to be found among themselves."""

    def __init__(self, keys: np.ndarray) -> None:
        self.array = keys
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.array)

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """(w,) int64: a row of each of the keys (w, 32), -1 for one that is not there."""
        if not len(self.array):
            return np.full(len(wanted), -1, dtype=np.int64)
        heads = _heads(self.array)
        if self._order is None:
            self._order = np.argsort(heads, kind="stable")
        found = np.full(len(wanted), -1, dtype=np.int64)
        first = np.searchsorted(heads, _heads(wanted), sorter=self._order)
        for place, at in enumerate(first.tolist()):
            while at < len(self._order) and heads[row := self._order[at]] == _heads(wanted[place : place + 1])[0]:
                if np.array_equal(self.array[row], wanted[place]):
                    found[place] = row
                    break
                at += 1
        return found


def _heads(keys: np.ndarray) -> np.ndarray:
    """(n,) uint64: the first eight bytes of each."""
    heads: np.ndarray = np.ascontiguousarray(keys[:, :8]).view(np.uint64)[:, 0]
    return heads


class RecordsWriter:
    """Writes documents, each with its passages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents = LinesWriter(folder, "documents", hashed=True)
        self._ids: list[bytes] = []
        self._passages = Rows(folder / "passages.npy", np.int32, 4)
        self._spans = Rows(folder / "spans.npy", np.int32, 2)
        self._keys = Rows(folder / "keys.npy", np.uint8, 32)
        self._first = array("q", [0])
        self._spans_at = array("q", [0])

    def add(self, document: Document, passages: Sequence[Passage]) -> None:
        """The keys of the passages follow with `add_keys`."""
        row = len(self._ids)
        self._ids.append(document.id.encode("utf-8", "surrogatepass"))
        self._documents.add(document.to_dict())
        self._first.append(self._first[-1] + len(passages))
        for passage in passages:
            self._passages.add(np.array([[row, passage.start, passage.end, passage.section]]))
            self._spans.add(np.array(passage.sentences))
            self._spans_at.append(self._spans_at[-1] + len(passage.sentences))

    def add_keys(self, keys: np.ndarray) -> None:
        self._keys.add(keys)

    def flush(self) -> None:
        """The keys, that is: what an unfinished build is looked through for."""
        self._keys.flush()

    def close(self) -> None:
        for writer in (self._documents, self._passages, self._spans, self._keys):
            writer.close()
        order = sorted(range(len(self._ids)), key=self._ids.__getitem__)
        Strings.write(self._folder, "ids", (self._ids[row] for row in order))
        for name, values in (
            ("ids_row", np.array(order, dtype=np.int32)),
            ("first_passage", np.frombuffer(self._first, dtype=np.int64)),
            ("spans_at", np.frombuffer(self._spans_at, dtype=np.int64)),
        ):
            np.save(self._folder / f"{name}.npy", values, allow_pickle=False)
