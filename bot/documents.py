"""A folder of files becomes documents: text, title, sections, pages, metadata and a hash.

Every file below the folder ends as a document, as skipped with a reason, or, if it is hidden or a sidecar in
use, is passed over. One bad file never stops the rest.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from bot.config import CorpusRules
from bot.errors import CorpusError
from bot.loaders import LOADERS, Extracted, Heading, Note, Unreadable, printable

SIDECAR = ".meta.toml"
_DATES = ("reviewed", "next_review")
_KEYS = ("title", "source", "author", *_DATES, "licence")
_MAX_TITLE_LINE = 120


@dataclass(frozen=True, slots=True)
class Section:
    """``text[start:end]`` of its document, under `headings`, the outermost first, in the document's own words."""

    start: int
    end: int
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A text to quote from, exactly as its file has it.

    `id` is the file's path in the corpus or a record's own id; `source` is always the path. Sections partition
    the text in order; `pages` holds the offset at which each page begins (empty: the format has none). `sha256` is
    of the text as UTF-8, in hex. Raises ValueError for sections or pages that do not fit, and for a text that is
    not valid Unicode.
    """

    id: str
    text: str
    title: str
    sections: tuple[Section, ...]
    source: str
    pages: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        end = 0
        for section in self.sections:
            if section.start != end or section.end <= section.start:
                raise ValueError(f"{self.id}: the section at {section.start} does not begin where the last ends")
            end = section.end
        if end != len(self.text):
            raise ValueError(f"{self.id}: the sections end at {end}, the text at {len(self.text)}")
        if list(self.pages) != sorted(self.pages) or any(not 0 <= page <= end for page in self.pages):
            raise ValueError(f"{self.id}: the pages are out of order or outside the text")
        object.__setattr__(self, "sha256", hashlib.sha256(self.text.encode()).hexdigest())

    def page_at(self, offset: int) -> int | None:
        """The page, from 1, that holds the character at `offset`; None in a format without pages."""
        return max(1, bisect_right(self.pages, offset)) if self.pages else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "title": self.title,
            "sections": [{"start": s.start, "end": s.end, "headings": list(s.headings)} for s in self.sections],
            "source": self.source,
            "pages": list(self.pages),
            "metadata": dict(self.metadata),
            "sha256": self.sha256,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Document:
        """The inverse of `to_dict`. Raises ValueError where a field is missing or the text is not as hashed."""
        try:
            document = cls(
                id=values["id"],
                text=values["text"],
                title=values["title"],
                sections=tuple(Section(s["start"], s["end"], tuple(s["headings"])) for s in values["sections"]),
                source=values["source"],
                pages=tuple(values["pages"]),
                metadata=dict(values["metadata"]),
            )
            stored = values["sha256"]
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a document: {error!r}") from error
        if stored != document.sha256:
            raise ValueError(f"{document.id}: the text is not the one that was hashed")
        return document


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or one line of it, that gave no document. `path` is printable: odd characters are escaped."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Caution:
    """Something for staff to look at in a file that was read all the same."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file, sidecars included, that documents were made from, as it was then. `sha256` is of its bytes."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents by path, then in record order; the rest by path."""

    documents: tuple[Document, ...]
    sources: tuple[SourceFile, ...]
    skipped: tuple[Skipped, ...]
    cautions: tuple[Caution, ...]


def read_corpus(folder: Path | str, rules: CorpusRules) -> Corpus:
    """Reads every file below `folder`. Raises CorpusError only where there is no such folder."""
    root = Path(folder)
    if not os.path.isdir(root):
        problem = "is not a folder" if os.path.exists(root) else "does not exist"
        raise CorpusError(
            f"the corpus {folder} {problem}",
            remedy="Give the folder that holds the documents with --corpus, or create it.",
        )
    return _Reading(root, rules).corpus()


def recheck(folder: Path, source: SourceFile) -> SourceFile | None:
    """The source, with its modification time as it is now, if the file is still as it was indexed; else None.

    Equal size and modification time are taken as proof: to hash every source at every answer would cost too much, and
    who can set back a file's time can alter the index too. Otherwise the bytes decide. None for a file
    that is missing, unreadable or no longer a regular file inside the corpus.
    """
    try:
        with _open(_regular(folder, source.path)) as file:
            now = os.fstat(file.fileno())
            if now.st_size != source.size:
                return None
            if now.st_mtime_ns == source.mtime_ns:
                return source
            same = hashlib.file_digest(file, "sha256").hexdigest() == source.sha256
            return replace(source, mtime_ns=now.st_mtime_ns) if same else None
    except (OSError, ValueError, Unreadable):  # ValueError: a path with a NUL
        return None


def sections(text: str, headings: Iterable[Heading], title: str) -> tuple[Section, ...]:
    """Partitions `text` at its headings (in order, apart); they nest by level.

    A heading with nothing but white space below it belongs to the section that follows, or, at the end, to
    the one before. An outermost heading that only repeats the title is left out of the paths.
    """
    made: list[Section] = []
    start = 0  # where the next section begins: at the first heading without a body of its own
    path: tuple[Heading, ...] = ()
    body = 0
    end = Heading(len(text), len(text), 0, "")
    for heading in (*headings, end):
        if text[body : heading.start].strip():
            made.append(Section(start, heading.start, _words(path, title)))
            start = heading.start
        body = heading.end
        if heading is not end:
            path = (*(outer for outer in path if outer.level < heading.level), heading)
    if start < len(text):
        last = made.pop() if made else Section(start, len(text), _words(path, title))
        made.append(Section(last.start, len(text), last.headings))
    return tuple(made)


def _words(path: tuple[Heading, ...], title: str) -> tuple[str, ...]:
    words = tuple(heading.text for heading in path)
    return words[1:] if words and _one_line(words[0]) == _one_line(title) else words


def _one_line(text: str) -> str:
    return " ".join(text.split())


class _Reading:
    """One reading of a corpus: what was found so far."""

    def __init__(self, root: Path, rules: CorpusRules) -> None:
        self.root = root
        self.max_mb = rules.max_file_mb
        self.documents: list[Document] = []
        self.sources: dict[str, SourceFile] = {}
        self.skipped: list[Skipped] = []
        self.cautions: list[Caution] = []
        self.ids: set[str] = set()
        self.copies: dict[str, int] = {}  # of an id: the highest number given
        self.texts: dict[str, str] = {}  # hash of a file's text: the file's path
        self.sidecar = cache(self._read_sidecar)

    def corpus(self) -> Corpus:
        is_link = dict(self._walk())
        sidecars = {path for path in is_link if path.endswith(SIDECAR)}
        files = is_link.keys() - sidecars
        self._skip_unused(sidecars, files)
        # Links last: of a file and a link to it, the file is the document and the link its duplicate.
        for path in sorted(files, key=lambda path: (is_link[path], path)):
            sidecar = next((name for name in _sidecar_names(path) if name in sidecars), None)
            try:
                self._read_file(path, sidecar)
            except Unreadable as error:
                self._skip(path, error.reason)
            except OSError as error:
                self._skip(path, _unreadable(error))
        return Corpus(
            documents=tuple(sorted(self.documents, key=lambda document: document.source)),
            sources=tuple(self.sources[path] for path in sorted(self.sources)),
            skipped=tuple(sorted(self.skipped, key=lambda skipped: skipped.path)),
            cautions=tuple(sorted(self.cautions, key=lambda caution: caution.path)),
        )

    def _walk(self) -> Iterator[tuple[str, bool]]:
        """Each file that is not hidden, and whether it is a link. No link is followed."""
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(self.root / folder) as found:
                    entries = [entry for entry in found if not entry.name.startswith(".")]
            except OSError as error:
                self._skip(folder or ".", _unreadable(error))
                continue
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not printable(entry.name):
                    self._skip(path, "its name holds control characters or is not valid UTF-8: rename it")
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    yield path, entry.is_symlink()

    def _skip_unused(self, sidecars: Iterable[str], files: Iterable[str]) -> None:
        names = [[name for name in _sidecar_names(path) if name in sidecars] for path in files]
        used = {first for first, *_ in filter(None, names)}
        second = {name for found in names for name in found[1:]}
        for path in sorted(set(sidecars) - used):
            beside = "another sidecar of the same file is used" if path in second else "sidecar without its file"
            self._skip(path, beside)

    def _read_file(self, path: str, sidecar: str | None) -> None:
        real = _regular(self.root, path)
        target = real.relative_to(os.path.realpath(self.root)).as_posix()
        if target != path and target in self.sources:
            raise Unreadable(f"duplicate of {target}")
        suffix = PurePosixPath(path).suffix.lower()
        if suffix not in LOADERS:
            raise Unreadable(f"unsupported format ({suffix or 'no suffix'})")
        data, source = self._read(real, path)
        about = self.sidecar(sidecar) if sidecar else _Sidecar()
        if not data:
            raise Unreadable("empty")
        nothing = True
        for found in LOADERS[suffix](data):
            nothing = nothing and isinstance(found, Note)
            if isinstance(found, Note):
                self._caution(path, found.message)
            elif isinstance(found, Unreadable):
                self._skip(path, found.reason)
            else:
                self._add(path, found, about.values)
                self.sources[path] = source
                if about.source:
                    self.sources[about.source.path] = about.source
        if nothing:
            raise Unreadable("empty")

    def _add(self, path: str, found: Extracted, about: Mapping[str, str]) -> None:
        if not found.text.strip():
            raise Unreadable("empty")
        is_file = found.id is None
        own = _known_metadata(found.metadata, lambda message: self._caution(path, message), strict=False)
        title = (about.get("title") if is_file else None) or _title(found, path)
        values = {key: value for key, value in {**about, **own}.items() if key != "title"}
        try:
            document = Document(
                id=path if found.id is None else found.id,
                text=found.text,
                title=title,
                sections=sections(found.text, found.headings, title),
                source=path,
                pages=found.pages,
                metadata=values,
            )
        except UnicodeEncodeError:
            raise Unreadable("not valid Unicode (half of a surrogate pair)") from None
        if is_file and (earlier := self.texts.setdefault(document.sha256, path)) != path:
            raise Unreadable(f"duplicate of {earlier}")
        self.documents.append(self._with_own_id(document))

    def _with_own_id(self, document: Document) -> Document:
        if document.id not in self.ids:
            self.ids.add(document.id)
            return document
        number = self.copies.get(document.id, 1) + 1
        while (new := f"{document.id}#{number}") in self.ids:
            number += 1
        self.copies[document.id] = number
        self.ids.add(new)
        self._caution(document.source, f"the id {document.id} is taken already: this one is kept as {new}")
        return replace(document, id=new)

    def _read_sidecar(self, path: str) -> _Sidecar:
        try:
            data, source = self._read(_regular(self.root, path), path)
        except Unreadable as error:
            self._caution(path, f"not used: {error.reason}")
            return _Sidecar()
        except OSError as error:
            self._caution(path, f"not used: {_unreadable(error)}")
            return _Sidecar()
        try:
            values = tomllib.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
            self._caution(path, f"not used: not valid TOML ({error})")
            values = {}
        return _Sidecar(_known_metadata(values, lambda message: self._caution(path, message)), source)

    def _read(self, real: Path, path: str) -> tuple[bytes, SourceFile]:
        limit = self.max_mb * 1024 * 1024
        with _open(real) as file:
            status = os.fstat(file.fileno())
            if status.st_size > limit:
                size = status.st_size / 1024 / 1024
                raise Unreadable(f"too large: {size:.1f} MB, the limit is {self.max_mb} MB")
            data = file.read(limit + 1)
        if len(data) > limit:
            raise Unreadable(f"too large: it grew beyond {self.max_mb} MB while it was read")
        digest = hashlib.sha256(data).hexdigest()
        return data, SourceFile(path, status.st_size, status.st_mtime_ns, digest)

    def _skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(_escaped(path), reason))

    def _caution(self, path: str, message: str) -> None:
        self.cautions.append(Caution(path, message))


@dataclass(frozen=True, slots=True)
class _Sidecar:
    """What a sidecar says, and the file that says it: None where it could not be read."""

    values: Mapping[str, str] = field(default_factory=dict)
    source: SourceFile | None = None


def _sidecar_names(path: str) -> tuple[str, str]:
    return path + SIDECAR, path.removesuffix(PurePosixPath(path).suffix) + SIDECAR


def _known_metadata(
    values: Mapping[str, Any], caution: Callable[[str], None], *, strict: bool = True
) -> dict[str, str]:
    """The good ones of the known entries, dates as YYYY-MM-DD; a caution for each of the others. A record's
    metadata may hold what other programs need: unless `strict`, unknown keys pass in silence."""
    good: dict[str, str] = {}
    for key, value in values.items():
        if key not in _KEYS:
            if strict:
                caution(f"unknown key {key!r}; known are {', '.join(_KEYS)}")
        elif type(value) is date:
            good[key] = value.isoformat()
        elif not isinstance(value, str) or not value.strip():
            caution(f"{key} is not text: {value!r:.80}")
        elif key not in _DATES:
            good[key] = value.strip()
        else:
            try:
                good[key] = date.fromisoformat(value.strip()).isoformat()
            except ValueError:
                caution(f"{key} is not a date such as 2025-12-31: {value!r:.80}")
    return good


def _title(found: Extracted, path: str) -> str:
    """The file's own title, else its first heading, else its first line if short, else the file's name."""
    heading = found.headings[0].text if found.headings else ""
    line = re.split("[\r\n]", found.text.lstrip(), maxsplit=1)[0].rstrip()
    name = PurePosixPath(path).stem
    return _one_line(found.title or "") or _one_line(heading or (line if len(line) <= _MAX_TITLE_LINE else name))


def _regular(root: Path, path: str) -> Path:
    """The real path of a regular file inside `root`; Unreadable for anything else. Opens nothing."""
    here = root / path
    real = Path(os.path.realpath(here))
    if not here.exists() and here.is_symlink():
        raise Unreadable("a symbolic link that leads nowhere")
    if here.is_symlink() and real.is_dir():
        raise Unreadable("a symbolic link to a folder: not followed")
    if not real.is_relative_to(os.path.realpath(root)):
        raise Unreadable("a symbolic link that leaves the corpus: refused")
    if not stat.S_ISREG(os.stat(real, follow_symlinks=False).st_mode):
        raise Unreadable("not a regular file (a pipe, socket or device)")
    return real


def _open(real: Path) -> BufferedReader:
    """Follows no link and waits for no pipe, should the file have been replaced since it was looked at."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(real, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable("not a regular file (a pipe, socket or device)")
    return os.fdopen(descriptor, "rb")


def _unreadable(error: OSError) -> str:
    return f"unreadable: {error.strerror or error}"


def _escaped(path: str) -> str:
    return "".join(c if printable(c) else c.encode("unicode_escape").decode() for c in path)
