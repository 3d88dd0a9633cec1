"""Arrays, records and strings in files, read where they are asked for: no more is in memory than is in use.

NAME.npy                    an array, mapped
NAME.jsonl, NAME_at.npy     a record a line, and where each begins
NAME.bin, NAME_at.npy       strings in the order of their UTF-8 bytes, and where each begins
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np

K = TypeVar("K")
T = TypeVar("T")


def mapped(path: Path) -> np.ndarray:
    """The array in a .npy file, read only. Raises OSError, or ValueError for a file that is none."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def rows_of(first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The rows of several ranges, one range after the other: (sum of counts,). first, counts: (n,)."""
    found: np.ndarray = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    return found


class Rows:
    """Writes a .npy file row after row: the shape is put in at the end, for which its head has room."""

    def __init__(self, path: Path, dtype: Any, *columns: int) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._columns = columns
        self._written = 0
        self._head()

    def add(self, rows: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).data)
        self._written += len(rows)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        if not self._file.closed:
            self._file.seek(0)
            self._head()
            self._file.close()

    def _head(self) -> None:
        shape = (self._written, *self._columns)
        said = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, said)


class LinesWriter:
    """Writes records, a line each, with where they begin and, if wanted, the SHA-256 of each line."""

    def __init__(self, folder: Path, name: str, *, hashed: bool = False) -> None:
        self._folder, self._name = folder, name
        self._file = (folder / f"{name}.jsonl").open("wb")
        self._at = array("q", [0])
        self._hashes = Rows(folder / f"{name}_sha256.npy", np.uint8, 32) if hashed else None

    def add(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=True).encode() + b"\n"
        self._file.write(line)
        self._at.append(self._at[-1] + len(line))
        if self._hashes:
            self._hashes.add(np.frombuffer(hashlib.sha256(line).digest(), dtype=np.uint8)[None])

    def close(self) -> None:
        self._file.close()
        if self._hashes:
            self._hashes.close()
        np.save(self._folder / f"{self._name}_at.npy", np.frombuffer(self._at, dtype=np.int64), allow_pickle=False)


def write_lines(folder: Path, name: str, records: Iterable[Mapping[str, Any]]) -> None:
    writer = LinesWriter(folder, name)
    try:
        for record in records:
            writer.add(record)
    finally:
        writer.close()


class Lines(Sequence[T], Generic[T]):
    """Records of a file by row, made when they are asked for. `decode` may raise ValueError, TypeError or KeyError."""

    def __init__(self, folder: Path, name: str, decode: Callable[[Mapping[str, Any]], T]) -> None:
        self._bytes = mapped_bytes(folder / f"{name}.jsonl")
        self._at = mapped(folder / f"{name}_at.npy")
        self._decode = decode
        if not len(self._at) or self._at[-1] != len(self._bytes):
            raise ValueError(f"{name}.jsonl and where its lines begin do not belong together")

    def __len__(self) -> int:
        return len(self._at) - 1

    @overload
    def __getitem__(self, row: int) -> T: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[T]: ...
    def __getitem__(self, row: int | slice) -> T | Sequence[T]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        return self._decode(json.loads(self.line(range(len(self))[row])))

    def __iter__(self) -> Iterator[T]:
        return (self[row] for row in range(len(self)))

    def line(self, row: int) -> bytes:
        """The line as it was written."""
        return bytes(self._bytes[self._at[row] : self._at[row + 1]])


def mapped_bytes(path: Path) -> bytes | mmap.mmap:
    with path.open("rb") as file:
        if not file.seek(0, io.SEEK_END):
            return b""  # nothing can be mapped
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Strings(Sequence[str]):
    """Distinct strings in the order of their UTF-8 bytes, found by halving."""

    def __init__(self, folder: Path, name: str) -> None:
        self._bytes = mapped_bytes(folder / f"{name}.bin")
        self._at = mapped(folder / f"{name}_at.npy")
        if not len(self._at) or self._at[-1] != len(self._bytes):
            raise ValueError(f"{name}.bin and where its strings begin do not belong together")
        self._begin = self._at.data  # a memoryview gives a number faster than an array does

    @staticmethod
    def write(folder: Path, name: str, strings: Iterable[bytes]) -> None:
        """strings: ascending, none twice."""
        at = array("q", [0])
        with (folder / f"{name}.bin").open("wb") as file:
            for string in strings:
                file.write(string)
                at.append(at[-1] + len(string))
        np.save(folder / f"{name}_at.npy", np.frombuffer(at, dtype=np.int64), allow_pickle=False)

    def __len__(self) -> int:
        return len(self._at) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        return self._raw(range(len(self))[row]).decode("utf-8", "surrogatepass")

    def find(self, string: str) -> int:
        """The row of `string`; -1 if it is not there."""
        wanted = string.encode("utf-8", "surrogatepass")
        row = bisect_left(range(len(self)), wanted, key=self._raw)
        return row if row < len(self) and self._raw(row) == wanted else -1

    def _raw(self, row: int) -> bytes:
        return self._bytes[self._begin[row] : self._begin[row + 1]]


class Recent(Generic[K, T]):
    """What was made lately, by its key, the oldest forgotten first; at most so many bytes of it. Safe for threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, tuple[T, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: K) -> T | None:
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: K, made: T, size: int) -> None:
        with self._lock:
            if key in self._held:
                return
            self._held[key] = made, size
            self._bytes += size
            while self._bytes > self._most and len(self._held) > 1:
                _, (_, gone) = self._held.popitem(last=False)
                self._bytes -= gone
