"""`bot index --watch`: keeps an index current while the files of its corpus change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import watchfiles

from bot.errors import CorpusError, PlainquoteError
from bot.index import Report

QUIET = 1.0
"""Seconds without a change before the corpus is read, so that a file that is being copied is whole by then."""
PATIENCE = 120
"""So often that is waited for; then the corpus is read all the same, lest one busy file keep every other one out."""
LOOK_EVERY = 10
"""Seconds after which the files are compared without any notice, for notices can be lost, and what failed is tried
again."""

State = dict[str, tuple[int, ...]]
"""The files of a corpus by path, each with all that tells whether it changed."""


def watch(
    corpus: Path,
    update: Callable[[], Report],
    tell: Callable[[Report], None],
    fail: Callable[[PlainquoteError], None],
    stopped: Event,
) -> None:
    """Calls `update`, and calls it again whenever files of `corpus` have changed, until `stopped` is set.

    `tell` gets the first report, and later ones where something is new. An error of the first `update` is raised;
    a later PlainquoteError goes to `fail`, equal ones in a row once, and `update` is tried again.
    Raises CorpusError where the folder cannot be watched.
    """
    indexed = _look(corpus)  # before it is read: a change from now on is a change to come
    report = update()
    tell(report)
    told, problem = _news(report), ""
    for _ in _notices(corpus, stopped):
        if _look(corpus) == indexed and not problem:
            continue
        found = _at_rest(corpus, stopped)
        if stopped.is_set():
            return
        try:
            report = update()
        except PlainquoteError as error:
            if error.problem != problem:
                fail(error)
            problem = error.problem
            continue
        if _news(report) != told:
            tell(report)
        indexed, told, problem = found, _news(report), ""


def _news(report: Report) -> tuple[object, ...]:
    """Two reports are equal in this if nothing that staff must know happened between them."""
    return report.generation, report.skipped, report.cautions


def _notices(corpus: Path, stopped: Event) -> Iterator[None]:
    """Yields as soon as no change can escape, then whenever something may have changed, and now and then."""
    while not stopped.is_set():
        folder = _identity(corpus)
        if folder is None:
            yield
            while _identity(corpus) is None and not stopped.wait(1):
                pass
            continue
        for seconds, changed in enumerate(_changes(corpus, stopped)):
            # The change may be that of the folder itself for another: then nothing more would be heard of it.
            again = changed or _identity(corpus) != folder
            if again or seconds % LOOK_EVERY == 0:
                yield
            if again:
                break


def _changes(corpus: Path, stopped: Event) -> Iterator[bool]:
    """Whether something below the folder changed, within a second or as soon as it did."""
    try:
        for changes in watchfiles.watch(
            corpus,
            watch_filter=None,  # a visible link may lead to a hidden file
            rust_timeout=1000,
            yield_on_timeout=True,
            stop_event=stopped,
            ignore_permission_denied=True,
        ):
            yield bool(changes)
    except FileNotFoundError:
        return  # it went just now
    except (OSError, RuntimeError) as error:  # the second for what the library has no name for
        raise CorpusError(
            f"{corpus} cannot be watched: {error}",
            remedy="Allow this user more inotify watches, or set WATCHFILES_FORCE_POLLING=1 to do without them.",
        ) from error


def _at_rest(corpus: Path, stopped: Event) -> State:
    """The files once they stand still, or once patience is at its end."""
    found = _look(corpus)
    for _ in range(PATIENCE):
        if stopped.wait(QUIET):
            break
        before, found = found, _look(corpus)
        if found == before:
            break
    return found


def _look(corpus: Path) -> State:
    """The files that are not hidden; none where there is no folder. Links to folders are not followed."""
    state: State = {}
    folders = [str(corpus)]
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                for entry in found:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        state[entry.path] = _status(entry)
        except OSError:
            continue  # it went, or it is closed to us: reading the corpus tells
    return state


def _status(entry: os.DirEntry[str]) -> tuple[int, ...]:
    try:
        status = entry.stat()
    except OSError:  # a link that leads nowhere
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _identity(folder: Path) -> tuple[int, ...] | None:
    """Tells a folder from another one of its name, and from itself before anything in it came or went: a new folder
    may have the number of the old one. None if there is none."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns
