"""A folder of files becomes documents.

Every file below the folder ends as documents, as skipped with a reason, or, if it is hidden or a sidecar in use, is
passed over. One bad file never stops the rest. A file that is as it was when it was last read is not read again.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import stat
import threading
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cache
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bot.config import CorpusRules
from bot.documents import Document, one_line, sections
from bot.errors import CorpusError
from bot.loaders import DATES, ISOLATED, LOADERS, METADATA, Extracted, Note, Unreadable, printable
from bot.loaders.isolated import Limits, Reader

if TYPE_CHECKING:
    from bot.loaders.pdf import Box

SIDECAR = ".meta.toml"
OCR_TAKES = 10
"""So many times as long a file may take where pages are read off their picture: about a second and a half a page."""
_MAX_TITLE_LINE = 120
_SAMPLE = 200_000
"""Characters of a file from which its language, reading age and garbling are told."""


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
class ReadFile:
    """What came of a file.

    `documents`: their ids. `skipped` and `cautions`: reasons, of the file or of its records. `rules`: the settings
    that it was read with. `alone`: what came of it depends on no other file, so that it need not be read again while
    it and its sidecar are unchanged. `pages`: how many it has, None for a format without; `unread`: those without
    text, and why ("empty" or "scanned"); `recognised`: those read off their picture. `facts`: what `bot.quality` says
    of its text.
    """

    source: SourceFile
    sidecar: SourceFile | None
    rules: str
    documents: tuple[str, ...]
    skipped: tuple[str, ...]
    cautions: tuple[str, ...]
    alone: bool
    pages: int | None
    unread: Mapping[int, str]
    recognised: tuple[int, ...]
    tables: int
    words: int
    facts: Mapping[str, Any]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReadFile:
        """The inverse of ``dataclasses.asdict`` and JSON. Raises TypeError or KeyError for other fields."""
        return cls(
            **{
                **values,
                "source": SourceFile(**values["source"]),
                "sidecar": SourceFile(**values["sidecar"]) if values["sidecar"] else None,
                **{key: tuple(values[key]) for key in ("documents", "skipped", "cautions", "recognised")},
                "unread": {int(page): why for page, why in values["unread"].items()},
            }
        )


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents by path, then in record order; the rest by path. `files`: those that could be read as bytes;
    `sources`: those, and their sidecars, that documents were made from."""

    documents: tuple[Document, ...]
    sources: tuple[SourceFile, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    cautions: tuple[Caution, ...] = ()
    files: tuple[ReadFile, ...] = ()


def read_corpus(
    folder: Path | str,
    rules: CorpusRules,
    known: Mapping[str, Document] | None = None,
    files: Iterable[ReadFile] = (),
) -> Corpus:
    """Reads every file below `folder`; those of `files` that are unchanged give their documents in `known` again.

    Raises CorpusError only where there is no such folder.
    """
    root = Path(folder)
    if not os.path.isdir(root):
        problem = "is not a folder" if os.path.exists(root) else "does not exist"
        raise CorpusError(
            f"the corpus {folder} {problem}",
            remedy="Give the folder that holds the documents with --corpus, or create it.",
        )
    return _Reading(root, rules, known or {}, files).corpus()


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


def read_source(folder: Path, source: SourceFile) -> bytes | None:
    """The bytes of the source, if the file is still as it was indexed; else None."""
    try:
        with _open(_regular(folder, source.path)) as file:
            data = file.read(source.size + 1)
    except (OSError, ValueError, Unreadable):  # ValueError: a path with a NUL
        return None
    return data if hashlib.sha256(data).hexdigest() == source.sha256 else None


def boxes(folder: Path, source: SourceFile, document: Document, start: int, end: int) -> tuple[Box, ...]:
    """Where on its pages ``document.text[start:end]`` stands, a box for each run of characters on a line, in order.

    Empty for a format without pages, and where the file in `folder` is no longer as it was indexed.
    """
    anchors = list(document.anchors_of(start, end))
    if not anchors or not recheck(folder, source):
        return ()
    from bot.loaders import pdf

    with _open(_regular(folder, source.path)) as file:
        data = file.read()
    with _PDFIUM:
        return tuple(pdf.boxes(data, anchors))


_PDFIUM = threading.Lock()
"""The library may not be called from two threads at once."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A file's bytes and what its loader found in them, or why it could not; or what came of it before."""

    source: SourceFile | None = None
    found: Sequence[Extracted | Unreadable | Note] = ()
    failed: str | None = None
    before: ReadFile | None = None


class _Reading:
    """One reading of a corpus: what was found so far."""

    def __init__(
        self, root: Path, rules: CorpusRules, known: Mapping[str, Document], files: Iterable[ReadFile]
    ) -> None:
        self.root = root
        self.rules = rules
        self.rules_key = "|".join(map(str, (rules.max_file_mb, rules.max_seconds, rules.max_memory_mb, rules.ocr)))
        self.known = known
        self.before = {file.source.path: file for file in files}
        self.documents: list[Document] = []
        self.sources: dict[str, SourceFile] = {}
        self.skipped: list[Skipped] = []
        self.cautions: list[Caution] = []
        self.files: list[ReadFile] = []
        self.ids: set[str] = set()
        self.copies: dict[str, int] = {}  # of an id: the highest number given
        self.texts: dict[str, str] = {}  # hash of a file's text: the file's path
        self.sidecar = cache(self._read_sidecar)

    def corpus(self) -> Corpus:
        is_link = dict(self._walk())
        sidecars = {path for path in is_link if path.endswith(SIDECAR)}
        files = is_link.keys() - sidecars
        self._skip_unused(sidecars, files)
        about = {path: self._about(path, sidecars) for path in files}
        # Links last: of a file and a link to it, the file is the document and the link its duplicate.
        plain, links = sorted(path for path in files if not is_link[path]), sorted(filter(is_link.get, files))
        with _Loading(self.rules) as loading:
            for path, loaded in loading.all(plain, lambda path, reader: self._load(path, about[path], reader)):
                self._take(path, loaded, about[path])
            for path in links:
                loaded = self._load_link(path, about[path], loading)
                self._take(path, loaded, about[path])
        return Corpus(
            documents=tuple(sorted(self.documents, key=lambda document: document.source)),
            sources=tuple(self.sources[path] for path in sorted(self.sources)),
            skipped=tuple(sorted(self.skipped, key=lambda skipped: skipped.path)),
            cautions=tuple(sorted(self.cautions, key=lambda caution: caution.path)),
            files=tuple(sorted(self.files, key=lambda file: file.source.path)),
        )

    # What there is

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
        names = [[name for name in sidecar_names(path) if name in sidecars] for path in files]
        used = {first for first, *_ in filter(None, names)}
        second = {name for found in names for name in found[1:]}
        for path in sorted(set(sidecars) - used):
            beside = "another sidecar of the same file is used" if path in second else "sidecar without its file"
            self._skip(path, beside)

    def _about(self, path: str, sidecars: set[str]) -> _Sidecar:
        name = next((name for name in sidecar_names(path) if name in sidecars), None)
        return self.sidecar(name) if name else _Sidecar()

    # Loading, in several threads: changes nothing here

    def _load(self, path: str, about: _Sidecar, reader: Reader) -> _Loaded:
        try:
            real = _regular(self.root, path)
            if unchanged := self._unchanged(path, about):
                return unchanged
            suffix = PurePosixPath(path).suffix.lower()
            if suffix not in LOADERS:
                raise Unreadable(f"unsupported format ({suffix or 'no suffix'})")
            data, source = self._read(real, path)
        except Unreadable as error:
            return _Loaded(failed=error.reason)
        except OSError as error:
            return _Loaded(failed=_unreadable(error))
        try:
            if not data:
                raise Unreadable("empty")
            options = {"ocr": self.rules.ocr} if suffix == ".pdf" and self.rules.ocr else {}
            load = reader.load if suffix in ISOLATED else _load_here
            return _Loaded(source, load(suffix, data, **options))
        except Unreadable as error:
            return _Loaded(source, failed=error.reason)

    def _load_link(self, path: str, about: _Sidecar, loading: _Loading) -> _Loaded:
        try:
            target = _regular(self.root, path).relative_to(os.path.realpath(self.root)).as_posix()
        except Unreadable as error:
            return _Loaded(failed=error.reason)
        except OSError as error:
            return _Loaded(failed=_unreadable(error))
        if target in self.sources:
            return _Loaded(failed=f"duplicate of {target}")
        return self._load(path, about, loading.reader)

    def _unchanged(self, path: str, about: _Sidecar) -> _Loaded | None:
        before = self.before.get(path)
        if not before or not before.alone or before.rules != self.rules_key:
            return None
        if (before.sidecar and before.sidecar.sha256) != (about.source and about.source.sha256):
            return None
        if (before.sidecar and before.sidecar.path) != (about.source and about.source.path):
            return None
        if any(id not in self.known for id in before.documents):
            return None
        source = recheck(self.root, before.source)
        return _Loaded(source, before=before) if source else None

    def _read(self, real: Path, path: str) -> tuple[bytes, SourceFile]:
        limit = self.rules.max_file_mb * 1024 * 1024
        with _open(real) as file:
            status = os.fstat(file.fileno())
            if status.st_size > limit:
                size = status.st_size / 1024 / 1024
                raise Unreadable(f"too large: {size:.1f} MB, the limit is {self.rules.max_file_mb} MB")
            data = file.read(limit + 1)
        if len(data) > limit:
            raise Unreadable(f"too large: it grew beyond {self.rules.max_file_mb} MB while it was read")
        digest = hashlib.sha256(data).hexdigest()
        return data, SourceFile(path, status.st_size, status.st_mtime_ns, digest)

    # Taking what was loaded, in the order of the paths

    def _take(self, path: str, loaded: _Loaded, about: _Sidecar) -> None:
        if loaded.source is None:
            self._skip(path, loaded.failed or "")
            return
        if loaded.before:
            result = self._again(loaded.before, loaded.source, about)
        else:
            result = self._made(loaded.source, loaded, about)
        self.files.append(result)
        for reason in result.skipped:
            self._skip(path, reason)
        self.cautions += [Caution(path, message) for message in result.cautions]
        if result.documents:
            self.sources[path] = result.source
            if about.source:
                self.sources[about.source.path] = about.source

    def _again(self, before: ReadFile, source: SourceFile, about: _Sidecar) -> ReadFile:
        """What came of an unchanged file before; only other files can have made a difference."""
        outcome = _Outcome()
        for id in before.documents:
            self._keep(self.known[id], outcome, is_file=id == before.source.path)
        return replace(
            before,
            source=source,
            sidecar=about.source,
            documents=tuple(outcome.documents),
            skipped=(*before.skipped, *outcome.skipped),
            cautions=(*before.cautions, *outcome.cautions),
            alone=outcome.alone,
        )

    def _made(self, source: SourceFile, loaded: _Loaded, about: _Sidecar) -> ReadFile:
        outcome = _Outcome()
        if loaded.failed is not None:
            outcome.skipped.append(loaded.failed)
        read = [found for found in loaded.found if isinstance(found, Extracted)]
        for found in loaded.found:
            if isinstance(found, Note):
                outcome.cautions.append(found.message)
            elif isinstance(found, Unreadable):
                outcome.skipped.append(found.reason)
            else:
                self._add(source.path, found, about.values, outcome)
        if loaded.failed is None and all(isinstance(found, Note) for found in loaded.found):
            outcome.skipped.append("empty")
        return ReadFile(
            source=source,
            sidecar=about.source,
            rules=self.rules_key,
            documents=tuple(outcome.documents),
            skipped=tuple(outcome.skipped),
            cautions=tuple(outcome.cautions),
            alone=outcome.alone,
            pages=sum(len(found.pages) for found in read) or None,
            unread={page: why for found in read for page, why in found.unread.items()},
            recognised=tuple(page for found in read for page in found.recognised),
            tables=sum(len(found.tables) for found in read),
            words=sum(len(found.text.split()) for found in read),
            facts=_facts([found.text for found in read]),
        )

    def _add(self, path: str, found: Extracted, about: Mapping[str, str], outcome: _Outcome) -> None:
        if not found.text.strip():
            outcome.skipped.append("empty")
            return
        is_file = found.id is None
        own = _known_metadata(found.metadata, outcome.cautions.append, strict=False)
        title = (about.get("title") if is_file else None) or _title(found, path)
        values = {**own, **about} if is_file else {**about, **own}
        try:
            document = Document(
                id=path if found.id is None else found.id,
                text=found.text,
                title=title,
                sections=sections(found.text, found.headings, title),
                source=path,
                pages=found.pages,
                metadata={key: value for key, value in values.items() if key != "title"},
                tables=found.tables,
                anchors=found.anchors,
                recognised=found.recognised,
            )
        except UnicodeEncodeError:
            outcome.skipped.append("not valid Unicode (half of a surrogate pair)")
            return
        self._keep(document, outcome, is_file=is_file)

    def _keep(self, document: Document, outcome: _Outcome, *, is_file: bool) -> None:
        if is_file and (earlier := self.texts.setdefault(document.sha256, document.source)) != document.source:
            outcome.skipped.append(f"duplicate of {earlier}")
            outcome.alone = False
            return
        kept = self._with_own_id(document, outcome)
        self.documents.append(kept)
        outcome.documents.append(kept.id)

    def _with_own_id(self, document: Document, outcome: _Outcome) -> Document:
        if document.id not in self.ids:
            self.ids.add(document.id)
            return document
        number = self.copies.get(document.id, 1) + 1
        while (new := f"{document.id}#{number}") in self.ids:
            number += 1
        self.copies[document.id] = number
        self.ids.add(new)
        outcome.cautions.append(f"the id {document.id} is taken already: this one is kept as {new}")
        outcome.alone = False
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

    def _skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(_escaped(path), reason))

    def _caution(self, path: str, message: str) -> None:
        self.cautions.append(Caution(path, message))


@dataclass(slots=True)
class _Outcome:
    """What comes of one file, as it is found out; the fields are those of `ReadFile`."""

    documents: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    alone: bool = True


@dataclass(frozen=True, slots=True)
class _Sidecar:
    """What a sidecar says, and the file that says it: None where it could not be read."""

    values: Mapping[str, str] = field(default_factory=dict)
    source: SourceFile | None = None


class _Loading:
    """Loads files in as many threads as there are processors, each with a `Reader` of its own."""

    def __init__(self, rules: CorpusRules) -> None:
        seconds = rules.max_seconds * (OCR_TAKES if rules.ocr else 1)
        self._limits = Limits(seconds, rules.max_memory_mb)
        self._undo = ExitStack()
        self._idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()

    def __enter__(self) -> _Loading:
        count = os.cpu_count() or 1
        for _ in range(count):
            self._idle.put(self._undo.enter_context(Reader(self._limits)))
        self.reader = self._undo.enter_context(Reader(self._limits))
        self._pool = self._undo.enter_context(ThreadPoolExecutor(count))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._undo.close()

    def all(self, paths: Sequence[str], load: Callable[[str, Reader], _Loaded]) -> Iterator[tuple[str, _Loaded]]:
        """Each path with what came of it, in their order."""

        def one(path: str) -> _Loaded:
            reader = self._idle.get()
            try:
                return load(path, reader)
            finally:
                self._idle.put(reader)

        return zip(paths, self._pool.map(one, paths), strict=True)


def _load_here(suffix: str, data: bytes) -> list[Extracted | Unreadable | Note]:
    return list(LOADERS[suffix](data))


def _facts(texts: Sequence[str]) -> dict[str, Any]:
    """What `quality` says of the beginning of a file's text."""
    from bot import quality  # its model of languages takes half a second to load

    text = "\n\n".join(texts[:_SAMPLE])[:_SAMPLE]
    if not text.strip():
        return {}
    language = quality.language(text)
    return {
        "language": language,
        "reading_age": quality.reading_age(text, language),
        "garbling": asdict(quality.garbling(text)),
    }


def sidecar_names(path: str) -> tuple[str, str]:
    return path + SIDECAR, path.removesuffix(PurePosixPath(path).suffix) + SIDECAR


def _known_metadata(
    values: Mapping[str, Any], caution: Callable[[str], None], *, strict: bool = True
) -> dict[str, str]:
    """The good ones of the known entries, dates as YYYY-MM-DD; a caution for each of the others. A record's
    metadata may hold what other programs need: unless `strict`, unknown keys pass in silence."""
    good: dict[str, str] = {}
    for key, value in values.items():
        if key not in METADATA:
            if strict:
                caution(f"unknown key {key!r}; known are {', '.join(METADATA)}")
        elif type(value) is date:
            good[key] = value.isoformat()
        elif not isinstance(value, str) or not value.strip():
            caution(f"{key} is not text: {value!r:.80}")
        elif key not in DATES:
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
    return one_line(found.title or "") or one_line(heading or (line if len(line) <= _MAX_TITLE_LINE else name))


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
