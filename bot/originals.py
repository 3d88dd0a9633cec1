"""The files that documents were read from, kept beside the index by their hash, and how those of a generation come
into the corpus when it is made current.

    index/files/<SHA-256>            a copy of each source of each generation that is kept
    index/SWAP                       while a publication is under way: what it is, and the files that it changes

A publication writes `SWAP`, makes its generation current, then changes the files of the corpus one by one, and removes
`SWAP`. Until a file has its turn, the copy stands for it: at no moment is a quote withheld for the swap's sake. Whoever
writes next finishes what was cut short (`settle`); a `SWAP` whose generation never became current counts for nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bot import generations
from bot.corpus import SourceFile, read_source, recheck
from bot.generations import Publication

_FILES = "files"
_SWAP = "SWAP"


@dataclass(frozen=True, slots=True)
class Step:
    """What a publication does to the file at `path` of the corpus; None: it is not there before, or not after."""

    path: str
    before: SourceFile | None
    after: SourceFile | None


@dataclass(frozen=True, slots=True)
class Swap:
    """`corpus`: the folder whose files are changed. `draft`: whether the draft ends with it."""

    publication: Publication
    corpus: Path
    steps: tuple[Step, ...]
    draft: bool


def keep(home: Path, folder: Path, sources: Iterable[SourceFile]) -> None:
    """Copies those of `sources` in `folder` that are not kept yet. One that is no longer as it was read is passed over:
    it cannot be quoted anyway."""
    files = home / _FILES
    files.mkdir(exist_ok=True)
    fresh = {source.sha256: source for source in sources if not _is_kept(files / source.sha256, source)}
    for source in fresh.values():
        data = read_source(folder, source)
        if data is not None:
            _write(files / source.sha256, data, source.mtime_ns)
    if fresh:
        _sync(files)


def missing(home: Path, sources: Iterable[SourceFile]) -> list[str]:
    """The paths of those of `sources` that are not kept whole."""
    return [source.path for source in sources if read_source(home / _FILES, _copy(source)) is None]


def link(home: Path, source: SourceFile, place: Path) -> bool:
    """Puts the copy of `source` at `place`, as the same file; False where there is none or it cannot be linked."""
    try:
        os.link(home / _FILES / source.sha256, place)
    except OSError:
        return False
    return True


def clear(home: Path, used: Collection[str]) -> None:
    """Removes the copies whose hash is not among `used`."""
    files = home / _FILES
    for path in files.iterdir() if files.is_dir() else ():
        if path.name not in used:
            path.unlink(missing_ok=True)


def begin(home: Path, swap: Swap) -> None:
    """From here on the publication is done as soon as its generation is current, even if this process dies."""
    values = {
        "publication": swap.publication.to_dict(),
        "corpus": os.path.relpath(swap.corpus.resolve(), home.resolve()),
        "steps": [asdict(step) for step in swap.steps],
        "draft": swap.draft,
    }
    _write(home / _SWAP, json.dumps(values).encode(), None)
    _sync(home)


def under_way(home: Path) -> Swap | None:
    """The publication that was begun and has not ended, whether its generation is current yet or not."""
    try:
        values = json.loads((home / _SWAP).read_bytes())
        steps = (
            Step(step["path"], *(SourceFile(**step[when]) if step[when] else None for when in ("before", "after")))
            for step in values["steps"]
        )
        publication = Publication.from_dict(values["publication"])
        return Swap(publication, home / values["corpus"], tuple(steps), values["draft"])
    except (OSError, ValueError, KeyError, TypeError):  # written in one step: damaged only by someone else
        return None


def settle(home: Path, ended: Callable[[Swap], object] = lambda swap: None) -> None:
    """Ends a publication that was begun, if its generation is current; `ended` is told of it. One whose generation is
    not is forgotten. Call it within `generations.writing`."""
    generations.settle(home)
    swap = under_way(home)
    if swap is not None and generations.in_use_now(home) == swap.publication.generation:
        recorded = generations.publications(home)
        if not recorded or recorded[0].to_dict() | {"before": None} != swap.publication.to_dict() | {"before": None}:
            generations.record(home, swap.publication)
        for step in swap.steps:
            _take(home, swap.corpus, step)
        for folder in {(swap.corpus / step.path).parent for step in swap.steps if step.after}:
            _sync(folder)
        ended(swap)
    (home / _SWAP).unlink(missing_ok=True)


def instead(home: Path, generation: str | None, corpus: Path, source: SourceFile) -> SourceFile | None:
    """The copy that stands for `source` of `generation`, its path being below `copies`; None unless a publication of
    that generation is under way, has not come to this file yet, and nobody else has changed the file."""
    swap = under_way(home)
    if swap is None or swap.publication.generation != generation:
        return None
    step = next((step for step in swap.steps if step.path == source.path), None)
    if step is None or step.after is None or step.after.sha256 != source.sha256 or not _untouched(corpus, step):
        return None
    copy = _copy(source)
    return copy if recheck(copies(home), copy) else None


def copies(home: Path) -> Path:
    """The folder of the copies."""
    return home / _FILES


def state(corpus: Path, path: str) -> SourceFile | None:
    """The file at `path` of the corpus as it is now; None if there is none. Raises OSError."""
    if not (corpus / path).is_file():
        return None
    try:
        with (corpus / path).open("rb") as file:
            status = os.fstat(file.fileno())
            return SourceFile(path, status.st_size, status.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _untouched(corpus: Path, step: Step) -> bool:
    """Whether the file is as it was before the publication."""
    if step.before is None:
        return not os.path.lexists(corpus / step.path)
    return recheck(corpus, step.before) is not None


def _take(home: Path, corpus: Path, step: Step) -> None:
    """Does a step, unless it is done already or somebody else has changed the file since."""
    place = corpus / step.path
    if not _untouched(corpus, step):
        return
    if step.after is None:
        place.unlink(missing_ok=True)
        return
    data = read_source(copies(home), _copy(step.after))
    if data is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, data, step.after.mtime_ns)


def _copy(source: SourceFile) -> SourceFile:
    return replace(source, path=source.sha256)


def _is_kept(path: Path, source: SourceFile) -> bool:
    try:
        return path.stat().st_size == source.size
    except OSError:
        return False


def _write(path: Path, data: bytes, mtime_ns: int | None) -> None:
    """Whole or not at all. The name beside it is hidden: no reader of a corpus takes it for a document."""
    beside = path.with_name(f".{hashlib.sha256(path.name.encode()).hexdigest()[:16]}.part")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if mtime_ns is not None:
        os.utime(beside, ns=(mtime_ns, mtime_ns))
    os.replace(beside, path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
