"""What staff have changed and not published yet: kept on disk, laid over the corpus as it is.

    index/draft/draft.json           the changes, a file at most once each: what, by whom and when
    index/draft/files/<SHA-256>      what was uploaded
    index/draft/preview.json         what they would change, as it was found last
    index/draft/answers.json         what they would do to the answers to the test questions
    index/draft/stage…/              the corpus with the changes made, while it is read

There is one draft for all; publishing or discarding it ends it. Nothing in it can be quoted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from filelock import FileLock, Timeout

from bot import originals
from bot.config import CorpusRules
from bot.corpus import SIDECAR, SourceFile, recheck, sidecar_names
from bot.errors import CorpusError, IndexLocked, IndexUnusable, UsageError
from bot.loaders import DATES, LOADERS, METADATA, printable
from bot.originals import Step

Remembered = Literal["preview", "answers"]

MOST_CHANGES = 1000
LONGEST_NAME = 200
"""Bytes of a file's name."""
LONGEST_VALUE = 300
"""Characters of a title, an author and so on."""

_FOLDER = "draft"
_CHUNK = 1 << 20
_NOT_IN_NAMES = frozenset('<>:"|?*')
"""Beside what is not printable: names that some system cannot hold."""


@dataclass(frozen=True, slots=True)
class Change:
    """`path`: of a file of the corpus, or of a sidecar. `file`: as it is to be, kept in the draft; None: it goes.
    `given`: under which name it was uploaded; empty for what was typed in."""

    path: str
    kind: Literal["add", "replace", "remove", "details"]
    file: SourceFile | None
    given: str
    who: str
    at: datetime

    @property
    def document(self) -> str:
        """The path that staff know it by: of a sidecar written here, that of its file."""
        return self.path.removesuffix(SIDECAR) if self.kind == "details" else self.path

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Change:
        file = SourceFile(**values["file"]) if values["file"] else None
        return cls(**{**values, "file": file, "at": datetime.fromisoformat(values["at"])})

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


class Draft:
    """The draft for `corpus`, kept in `home`, the folder of the index. Safe for several threads and processes."""

    def __init__(self, home: Path, corpus: Path, rules: CorpusRules) -> None:
        self.home, self.corpus, self._rules = home, corpus, rules
        self._folder = home / _FOLDER

    # What is in it

    def changes(self) -> tuple[Change, ...]:
        """By path."""
        try:
            values = json.loads((self._folder / "draft.json").read_bytes())
            return tuple(Change.from_dict(change) for change in values)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexUnusable(
                f"the draft in {self._folder} is damaged",
                remedy="Discard it: remove that folder, and make the changes again.",
            ) from error

    def revision(self) -> str:
        """Tells the draft and the files that it is laid over from all others."""
        told = hashlib.sha256(repr([change.to_dict() for change in self.changes()]).encode())
        for path in sorted(self._files()):
            try:
                status = os.lstat(self.corpus / path)
            except OSError:
                continue
            told.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
        return told.hexdigest()

    def paths(self) -> list[str]:
        """The files that there would be, sidecars among them, in order."""
        changes = {change.path: change for change in self.changes()}
        files = {path for path in self._files() if path not in changes}
        return sorted(files | {path for path, change in changes.items() if change.file})

    def folders(self) -> list[str]:
        """Those of the corpus that documents can be put into; "" is the corpus itself."""
        return ["", *sorted(self._walk(self.corpus)[1])]

    def details(self, path: str) -> dict[str, str]:
        """What the sidecar of the document at `path` says, as it would be."""
        name = self._sidecar(path)
        change = next((change for change in self.changes() if change.path == name), None)
        place = self._kept(change.file) if change and change.file else self.corpus / name
        try:
            values = tomllib.loads(place.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            return {}
        return {key: str(value) for key, value in values.items() if key in METADATA}

    # Changing it

    def add(self, given: str, folder: str, content: BinaryIO, who: str) -> str:
        """A new file under a safe form of the name that it was `given`; its path.

        Raises UsageError for a name that cannot be or is taken, a format that cannot be read, a file that is too large.
        """
        if folder not in self.folders():
            raise UsageError(f"there is no folder {folder!r}", remedy="Choose one of the folders that are there.")
        name = file_name(given)
        path = f"{folder}/{name}" if folder else name
        alike = next((other for other in self.paths() if _alike(other) == _alike(path)), None)
        if alike is not None:
            raise UsageError(
                f"there is a file {alike} already",
                remedy="Replace it if this is its new version, or give your file another name.",
            )
        self._put(path, "replace" if path in self._files() else "add", given, content, who)
        return path

    def replace(self, path: str, given: str, content: BinaryIO, who: str) -> None:
        """A new version of the file at `path`. Raises UsageError as `add` does."""
        self._must_have(path)
        if PurePosixPath(file_name(given)).suffix.lower() != PurePosixPath(path).suffix.lower():
            raise UsageError(
                f"{given} has another format than {path}",
                remedy="Remove the old document, and add the new one.",
            )
        self._put(path, "replace" if path in self._files() else "add", given, content, who)

    def remove(self, path: str, who: str) -> None:
        """Takes the file at `path` out, and what is said beside it."""
        self._must_have(path)
        there = self._files()
        with self._changing() as changes:
            for name in (path, *sidecar_names(path)):
                if name != path and not self._belongs(name, path):
                    continue
                changes.pop(name, None)
                if name in there:
                    changes[name] = Change(name, "remove", None, "", who, _now())

    def describe(self, path: str, values: Mapping[str, str], who: str) -> None:
        """Says `values`, of the names in `METADATA`, beside the document at `path`; empty ones are left to its file.

        Raises UsageError for a date or a text that cannot be.
        """
        self._must_have(path)
        said = {name: _value(name, values.get(name, "")) for name in METADATA}
        lines = [f"{name} = {_toml(value)}\n" for name, value in said.items() if value]
        name = self._sidecar(path)
        with self._changing() as changes:
            changes.pop(name, None)
            if lines:
                data = "".join(lines).encode()
                changes[name] = Change(name, "details", self._store(name, iter([data])), "", who, _now())
            elif name in self._files():
                changes[name] = Change(name, "remove", None, "", who, _now())

    def undo(self, path: str) -> None:
        """Forgets what was changed at `path`, and beside it if it came or went."""
        with self._changing() as changes:
            change = changes.pop(path, None)
            if change and change.kind in ("add", "remove"):
                for name in sidecar_names(path):
                    changes.pop(name, None)

    def discard(self) -> None:
        with self._locked():
            self._forget()

    def published(self, steps: Iterable[Step]) -> None:
        """Forgets the changes that these steps have made; what was changed meanwhile stays."""
        done = {step.path: step.after.sha256 if step.after else None for step in steps}
        with self._changing() as changes:
            for path, change in list(changes.items()):
                if path in done and done[path] == (change.file.sha256 if change.file else None):
                    del changes[path]
        if not self.changes():
            self.discard()

    def _forget(self) -> None:
        """Removes all of it, `draft.json` first: what is left of a draft without it is nothing."""
        (self._folder / "draft.json").unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    # Reading it

    @contextmanager
    def staged(self, sources: Mapping[str, SourceFile]) -> Iterator[Path]:
        """A folder that holds the corpus with the changes made. `sources`: by path, those of which the index keeps
        copies, which are used where the corpus still holds the same."""
        self._folder.mkdir(exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix="stage", dir=self._folder))
        try:
            changes = {change.path: change for change in self.changes()}
            for path in self._files():
                if path not in changes:
                    self._lay(path, stage / path, sources.get(path))
            for change in changes.values():
                if change.file:
                    place = stage / change.path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        os.link(self._kept(change.file), place)
                    except FileNotFoundError:
                        raise UsageError(
                            f"what was uploaded for {change.path} is no longer there", remedy="Upload it again."
                        ) from None
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def remembered(self, what: Remembered) -> dict[str, Any] | None:
        """What `remember` was given for the draft as it is now."""
        try:
            found = json.loads((self._folder / f"{what}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("revision") == self.revision() else None

    def remember(self, what: Remembered, told: Mapping[str, Any]) -> None:
        """`told`: with the "revision" that it is about."""
        with self._locked():
            if self._folder.is_dir():
                _write(self._folder / f"{what}.json", json.dumps(told).encode())

    # Files

    def _files(self) -> set[str]:
        return self._walk(self.corpus)[0]

    def _walk(self, root: Path) -> tuple[set[str], set[str]]:
        """The files below `root` that are not hidden, links among them, and the folders."""
        files: set[str] = set()
        found: set[str] = set()
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(root / folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or not printable(entry.name):
                            continue
                        path = f"{folder}/{entry.name}" if folder else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(path)
                            found.add(path)
                        elif entry.is_symlink() or entry.is_file():
                            files.add(path)
            except OSError as error:
                if not folder:
                    raise CorpusError(
                        f"the corpus {root} cannot be read: {error.strerror}",
                        remedy="Check that the folder is there, and its permissions.",
                    ) from error
        return files, found

    def _must_have(self, path: str) -> None:
        if path not in self.paths():
            raise UsageError(f"there is no document {path!r}", remedy="Open the list of documents again.")

    def _sidecar(self, path: str) -> str:
        """The name of its sidecar: of the one that is there, or of a new one."""
        there = set(self.paths())
        return next((name for name in sidecar_names(path) if name in there), path + SIDECAR)

    def _belongs(self, sidecar: str, path: str) -> bool:
        """Whether it is `path`'s alone: a name without the format's suffix may serve several files."""
        return not any(other != path and sidecar in sidecar_names(other) for other in self.paths())

    def _lay(self, path: str, place: Path, source: SourceFile | None) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        here = self.corpus / path
        if here.is_symlink():
            target, root = Path(os.path.realpath(here)), Path(os.path.realpath(self.corpus))
            inside = target.is_relative_to(root)
            place.symlink_to(os.path.relpath(target, root / Path(path).parent) if inside else target)
        elif source is None or not recheck(self.corpus, source) or not originals.link(self.home, source, place):
            try:
                shutil.copy2(here, place)
            except FileNotFoundError:
                return  # it went just now
            except PermissionError:
                place.touch(mode=0)  # it cannot be read there either, and says so

    def _put(self, path: str, kind: Literal["add", "replace"], given: str, content: BinaryIO, who: str) -> None:
        with self._changing() as changes:
            if len(changes) >= MOST_CHANGES:
                raise UsageError("the draft is full", remedy="Publish it, or undo some of its changes.")
            chunks = iter(lambda: content.read(_CHUNK), b"")
            changes[path] = Change(path, kind, self._store(path, chunks), given[:LONGEST_VALUE], who, _now())

    def _store(self, path: str, chunks: Iterator[bytes]) -> SourceFile:
        """Writes it to the disk as it comes, and no more than the limit."""
        limit = self._rules.max_file_mb * 1024 * 1024
        files = self._folder / "files"
        files.mkdir(parents=True, exist_ok=True)
        coming, digest, size = files / ".coming", hashlib.sha256(), 0
        with coming.open("wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    coming.unlink()
                    raise UsageError(
                        f"too large: the limit is {self._rules.max_file_mb} MB",
                        remedy="Make the file smaller, or have [corpus] max_file_mb raised.",
                    )
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if not size:
            coming.unlink()
            raise UsageError("the file is empty", remedy="Choose a file with text in it.")
        stored = SourceFile(path, size, coming.stat().st_mtime_ns, digest.hexdigest())
        os.replace(coming, self._kept(stored))
        return stored

    def _kept(self, file: SourceFile) -> Path:
        # Two files with the same bytes have times of their own, and the index knows files by their times.
        return self._folder / "files" / f"{file.sha256}.{file.mtime_ns}"

    # Writing

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with FileLock(self.home / ".draft.lock", timeout=10):
                yield
        except Timeout:
            raise IndexLocked("someone else is changing the draft", remedy="Try again in a moment.") from None
        except OSError as error:
            raise IndexUnusable(
                f"the draft in {self._folder} cannot be written: {error.strerror or error}",
                remedy="Check the folder's permissions and the space left on the disk.",
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Change]]:
        """The changes by path, written back as they are left."""
        with self._locked():
            changes = {change.path: change for change in self.changes()}
            yield changes
            self._folder.mkdir(exist_ok=True)
            values = [changes[path].to_dict() for path in sorted(changes)]
            _write(self._folder / "draft.json", json.dumps(values).encode())
            used = {self._kept(change.file) for change in changes.values() if change.file}
            for path in (self._folder / "files").glob("*"):
                if path not in used:
                    path.unlink()


def settle(home: Path, rules: CorpusRules) -> None:
    """Ends a publication that was cut short, as `originals.settle` does, and the draft that it was made from."""
    originals.settle(home, lambda swap: Draft(home, swap.corpus, rules).published(swap.steps) if swap.draft else None)


def file_name(given: str) -> str:
    """A name for a file of the corpus, made from the one that a browser gave.

    Raises UsageError for one that cannot be, or of a format that cannot be read.
    """
    name = unicodedata.normalize("NFC", given.replace("\\", "/").rpartition("/")[2])
    name = "".join(character for character in name if printable(character) and character not in _NOT_IN_NAMES)
    name = " ".join(name.split()).lstrip(". ")
    suffix = SIDECAR if name.lower().endswith(SIDECAR) else PurePosixPath(name).suffix.lower()
    if not name or len(name.encode()) > LONGEST_NAME or not name[: -len(suffix) or None].strip(". "):
        raise UsageError(
            f"{given[:LONGEST_VALUE]!r} cannot be a file's name",
            remedy=f"Give it one of letters and digits, at most {LONGEST_NAME} bytes, that does not begin with a dot.",
        )
    if suffix != SIDECAR and suffix not in LOADERS:
        raise UsageError(
            f"{name}: unsupported format ({suffix or 'no suffix'})",
            remedy=f"Save it as one of these: {', '.join(LOADERS)}.",
        )
    return name


def _alike(path: str) -> str:
    """Equal for paths that some system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _value(name: str, given: str) -> str:
    value = " ".join(given.split())
    if len(value) > LONGEST_VALUE or not printable(value):
        raise UsageError(
            f"{name} is too long, or holds characters that cannot be shown",
            remedy=f"Give at most {LONGEST_VALUE} characters on one line.",
        )
    if value and name in DATES:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise UsageError(
                f"{name} is not a date: {value}", remedy="Give year, month and day, such as 2025-12-31."
            ) from None
    return value


def _toml(value: str) -> str:
    """A basic string of TOML: JSON's, but for one character that only TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
