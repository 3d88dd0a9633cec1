"""A folder of generations on disk: written beside the one in use, checked, swapped in one step.

    index/CURRENT                    names a generation and the SHA-256 of its manifest
    index/generations/000007/…       its files
    index/generations/000007/manifest.json   written last; SHA-256 and size of every other file
    index/publications.jsonl         a line for each time that another one was made current: when, by whom, what changed

A reader that is killed or a writer that dies at any moment leaves `CURRENT` naming a whole generation.
Earlier ones are kept to go back to, and so that a reader who has just looked up a name still finds its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from bot.errors import (
    IndexCorrupt,
    IndexLocked,
    IndexMissing,
    IndexStale,
    IndexTooNew,
    IndexUnusable,
    UsageError,
)

FORMAT = 3
REBUILD = "Build it again: bot index --rebuild"
_POINTER = "CURRENT"
_MANIFEST = "manifest.json"
_LOG = "publications.jsonl"
NAMED = 100
"""So many documents of each kind does the record of a publication name; the numbers count them all."""


HASHED = 256 << 20
"""Bytes of a generation that are hashed whenever it is opened, beside the files that its manifest names as `shown`: the
smaller files come first, and what is larger is checked by its size. Half a second's work at most."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation, checked against its manifest: the files that it names as `shown` byte by byte, the others as far
    as `HASHED` goes, or all of them if it was thorough."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.folder.name


@dataclass(frozen=True, slots=True)
class Publication:
    """That a generation was made current. `added`, `changed`, `removed`: ids of documents, at most `NAMED` of each, of
    `counts` ("added", "changed", "removed"; "documents" in all). `before`: the generation that was current then."""

    at: datetime
    who: str
    kind: Literal["build", "publish", "roll back"]
    generation: str
    before: str | None
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    counts: Mapping[str, int]

    @classmethod
    def of(
        cls,
        who: str,
        kind: Literal["build", "publish", "roll back"],
        added: Sequence[str],
        changed: Sequence[str],
        removed: Sequence[str],
        documents: int,
    ) -> Publication:
        """One that is about to be; its generations are not known yet."""
        counts = {"added": len(added), "changed": len(changed), "removed": len(removed), "documents": documents}
        return cls(
            at=datetime.now(UTC).replace(microsecond=0),
            who=who,
            kind=kind,
            generation="",
            before=None,
            added=tuple(added[:NAMED]),
            changed=tuple(changed[:NAMED]),
            removed=tuple(removed[:NAMED]),
            counts=counts,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "who": self.who,
            "kind": self.kind,
            "generation": self.generation,
            "before": self.before,
            "added": list(self.added),
            "changed": list(self.changed),
            "removed": list(self.removed),
            "counts": dict(self.counts),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Publication:
        """The inverse of `to_dict`. Raises KeyError, TypeError or ValueError for anything else."""
        named = {name: tuple(values[name]) for name in ("added", "changed", "removed")}
        return cls(**{**values, **named, "at": datetime.fromisoformat(values["at"])})


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


def publish(
    folder: Path,
    fill: Callable[[Path], Mapping[str, Any]],
    about: Publication,
    *,
    keep: int,
    ready: Callable[[str], None] = lambda generation: None,
) -> Generation:
    """Writes a new generation with `fill`, which puts its files into the folder it is given and returns
    what else the manifest says; then makes it the current one. Call it within `writing`.

    `ready` is told its name when it is whole and not yet current. The newest `keep` are kept, and the one before.
    """
    generations = folder / "generations"
    generations.mkdir(exist_ok=True)
    before = sorted(path.name for path in generations.iterdir() if path.name.isdecimal())
    new = generations / f"{int(before[-1]) + 1 if before else 1:06d}"
    new.mkdir()
    in_use = in_use_now(folder)
    about = replace(about, generation=new.name, before=in_use)
    try:
        manifest = _write(new, lambda to: {**fill(to), "published": about.to_dict()})
        ready(new.name)
        _point(folder, new)
    except BaseException:
        if in_use_now(folder) != new.name:  # the swap itself may have been done
            shutil.rmtree(new, ignore_errors=True)
        raise
    record(folder, about)
    _clear(folder, keep, in_use)
    return Generation(new, manifest)


def go_back(folder: Path, about: Publication, *, keep: int) -> None:
    """Makes the generation that `about` names current again; it was checked before. Call it within `writing`."""
    in_use = in_use_now(folder)
    _point(folder, folder / "generations" / about.generation)
    record(folder, replace(about, before=in_use))
    _clear(folder, keep, in_use)


def kept(folder: Path) -> list[Generation]:
    """Those that were current once and can be so again, the newest first; their files are not looked at."""
    in_use = in_use_now(folder)
    published = {in_use, *(publication.generation for publication in publications(folder))}
    found = []
    for path in sorted((folder / "generations").glob("[0-9]*"), reverse=True):
        manifest = _manifest(path)
        if path.name in published and manifest is not None and manifest.get("format") == FORMAT:
            found.append(Generation(path, manifest))
    return found


def one_of(folder: Path, id: str, thorough: bool = False) -> Generation:
    """The generation with this id, checked. Raises UsageError if it is not kept, or IndexUnusable."""
    found = next((generation for generation in kept(folder) if generation.id == id), None)
    if found is None:
        raise UsageError(f"there is no generation {id!r}", remedy="`bot generations` lists those that are kept.")
    return _checked(found.folder, _sha256(found.folder / _MANIFEST), thorough)


def publications(folder: Path) -> list[Publication]:
    """All that were recorded, the latest first. A line that a crash cut short is passed over."""
    try:
        lines = (folder / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in reversed(lines):
        try:
            found.append(Publication.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def settle(folder: Path) -> None:
    """Records the publication whose writer died between the swap and its record. Call it within `writing`."""
    in_use, recorded = in_use_now(folder), publications(folder)
    if in_use is None or (recorded and recorded[0].generation == in_use):
        return
    manifest = _manifest(folder / "generations" / in_use) or {}
    if "published" in manifest and not any(publication.generation == in_use for publication in recorded):
        record(folder, Publication.from_dict(manifest["published"]))


def record(folder: Path, publication: Publication) -> None:
    path = folder / _LOG
    with path.open("a+b") as file:
        if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":  # a crash cut the last line short
            file.write(b"\n")
        file.write(json.dumps(publication.to_dict()).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _clear(folder: Path, keep: int, in_use: str | None) -> None:
    """Removes what was never current, and of the others all but the newest, the current one and the one before it."""
    stay = {generation.id for generation in kept(folder)[:keep]} | {in_use, in_use_now(folder)}
    for path in (folder / "generations").iterdir():
        if path.name.isdecimal() and path.name not in stay:
            shutil.rmtree(path, ignore_errors=True)


def _manifest(generation: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((generation / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


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


def in_use_now(folder: Path) -> str | None:
    """The id of the generation that `CURRENT` names; None if there is none."""
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


def current(folder: Path, thorough: bool = False) -> Generation:
    """The generation in use, its format and files checked; every byte of them if `thorough`.

    Raises IndexMissing, IndexTooNew or IndexCorrupt.
    """
    pointer = _pointer(folder)
    try:
        return _checked(folder / "generations" / pointer["generation"], pointer["manifest_sha256"], thorough)
    except IndexCorrupt:
        # Two builds may have finished since the pointer was read; then this generation is gone.
        if _pointer(folder) != pointer:
            return current(folder, thorough)
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


def _checked(folder: Path, manifest_sha256: str, thorough: bool = False) -> Generation:
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
    hashed = 0
    for name, expected in sorted(manifest["files"].items(), key=lambda file: int(file[1]["bytes"])):
        path = folder / name
        hashed += expected["bytes"]
        look = thorough or hashed <= HASHED or name in manifest.get("shown", ())
        try:
            whole = path.stat().st_size == expected["bytes"] and (not look or _sha256(path) == expected["sha256"])
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
