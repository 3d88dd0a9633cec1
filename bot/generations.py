"""A folder of generations on disk: written beside the one in use, checked, swapped in one step.

    index/CURRENT                    names a generation and the SHA-256 of its manifest
    index/generations/000007/…       its files
    index/generations/000007/manifest.json   written last; SHA-256 and size of every other file

A reader that is killed or a writer that dies at any moment leaves `CURRENT` naming a whole generation.
The one before it is kept, so that a reader who has just looked up its name still finds its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bot.errors import IndexCorrupt, IndexLocked, IndexMissing, IndexStale, IndexTooNew, IndexUnusable

FORMAT = 2
REBUILD = "Build it again: bot index --rebuild"
_POINTER = "CURRENT"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation, every byte of it checked against its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.folder.name


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Holds the folder for one writer; raises IndexLocked if there is another one already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise IndexLocked(
            f"another process is writing the index in {folder}",
            remedy="Wait until it has finished, then try again.",
        ) from None
    except OSError as error:
        raise IndexUnusable(
            f"the index in {folder} cannot be written: {error.strerror or error}",
            remedy="Check the folder's permissions and the space left on the disk.",
        ) from error


def publish(folder: Path, fill: Callable[[Path], Mapping[str, Any]]) -> Generation:
    """Writes a new generation with `fill`, which puts its files into the folder it is given and returns
    what else the manifest says; then makes it the current one. Call it within `writing`."""
    generations = folder / "generations"
    generations.mkdir(exist_ok=True)
    before = sorted(path.name for path in generations.iterdir() if path.name.isdecimal())
    new = generations / f"{int(before[-1]) + 1 if before else 1:06d}"
    new.mkdir()
    try:
        manifest = _write(new, fill)
        in_use = _in_use(folder)
        _point(folder, new)
    except BaseException:
        if _in_use(folder) != new.name:  # the swap itself may have been done
            shutil.rmtree(new, ignore_errors=True)
        raise
    for name in before:
        if name != in_use:
            shutil.rmtree(generations / name, ignore_errors=True)
    return Generation(new, manifest)


def _write(new: Path, fill: Callable[[Path], Mapping[str, Any]]) -> Mapping[str, Any]:
    said = fill(new)
    files = {}
    for path in sorted(path for path in new.rglob("*") if path.is_file()):
        _sync(path)
        files[path.relative_to(new).as_posix()] = {"sha256": _sha256(path), "bytes": path.stat().st_size}
    manifest = {"format": FORMAT, **said, "files": files}
    (new / _MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    for path in (new / _MANIFEST, *(path for path in new.rglob("*") if path.is_dir()), new, new.parent):
        _sync(path)
    return manifest


def _in_use(folder: Path) -> str | None:
    try:
        return _pointer(folder)["generation"]
    except (IndexCorrupt, IndexMissing):
        return None


def _point(folder: Path, new: Path) -> None:
    pointer = {"generation": new.name, "manifest_sha256": _sha256(new / _MANIFEST)}
    temporary = folder / f"{_POINTER}.new"
    temporary.write_text(json.dumps(pointer), encoding="utf-8")
    _sync(temporary)
    os.replace(temporary, folder / _POINTER)
    _sync(folder)


def identity(folder: Path) -> str | None:
    """What tells the generation in use from every other; None if there is none. Cheap: looks at no file of it."""
    try:
        pointer = _pointer(folder)
    except (IndexCorrupt, IndexMissing):
        return None
    return f"{pointer['generation']} {pointer['manifest_sha256']}"


def current(folder: Path) -> Generation:
    """The generation in use, its format and every file checked.

    Raises IndexMissing, IndexTooNew or IndexCorrupt.
    """
    pointer = _pointer(folder)
    try:
        return _checked(folder / "generations" / pointer["generation"], pointer["manifest_sha256"])
    except IndexCorrupt:
        # Two builds may have finished since the pointer was read; then this generation is gone.
        if _pointer(folder) != pointer:
            return current(folder)
        raise


def _pointer(folder: Path) -> dict[str, str]:
    path = folder / _POINTER
    try:
        pointer = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IndexMissing(f"there is no index in {folder}", remedy="Build it: bot index") from None
    except (ValueError, OSError) as error:
        raise IndexCorrupt(f"{path} is damaged", remedy=REBUILD) from error
    if not (
        isinstance(pointer, dict)
        and pointer.keys() == {"generation", "manifest_sha256"}
        and all(isinstance(value, str) and value.isalnum() for value in pointer.values())
    ):
        raise IndexCorrupt(f"{path} is damaged", remedy=REBUILD)
    return pointer


def _checked(folder: Path, manifest_sha256: str) -> Generation:
    try:
        data = (folder / _MANIFEST).read_bytes()
    except OSError as error:
        raise IndexCorrupt(f"{folder / _MANIFEST} is missing", remedy=REBUILD) from error
    try:
        manifest = json.loads(data)
        written = int(manifest["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise IndexCorrupt(f"{folder / _MANIFEST} is damaged", remedy=REBUILD) from error
    if written > FORMAT:
        raise IndexTooNew(
            f"the index has format {written}; this version reads up to {FORMAT}",
            remedy=f"Upgrade Plainquote, or build the index again with this version. {REBUILD}",
        )
    if written < FORMAT:
        raise IndexStale(
            f"the index has format {written}, of an earlier version; this one writes {FORMAT}",
            remedy="Build it again: bot index",
        )
    if hashlib.sha256(data).hexdigest() != manifest_sha256:
        raise IndexCorrupt(f"{folder / _MANIFEST} is damaged", remedy=REBUILD)
    for name, expected in manifest["files"].items():
        path = folder / name
        try:
            whole = path.stat().st_size == expected["bytes"] and _sha256(path) == expected["sha256"]
        except OSError as error:  # never written, or two builds have finished since the pointer was read
            raise IndexCorrupt(f"{path} is missing", remedy=REBUILD) from error
        if not whole:
            raise IndexCorrupt(f"{path} is damaged", remedy=REBUILD)
    return Generation(folder, manifest)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
