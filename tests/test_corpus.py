"""A folder becomes documents; every file is accounted for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bot.corpus
from bot.config import CorpusRules
from bot.corpus import Corpus, ReadFile, SourceFile, read_corpus, recheck
from bot.errors import CorpusError

RULES = CorpusRules(max_file_mb=1)
LINES = st.lists(st.sampled_from(["# A", "## B", "### C", "body", "", " ", "Title", "\r", "=====", "```"]), max_size=20)


def write(folder: Path, files: dict[str, str | bytes]) -> Corpus:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_corpus(folder, RULES)


def skipped(corpus: Corpus) -> dict[str, str]:
    return {skip.path: skip.reason for skip in corpus.skipped}


def ids(corpus: Corpus) -> list[str]:
    return [document.id for document in corpus.documents]


def record(identifier: object, text: object = "text", **more: object) -> str:
    return json.dumps({"_id": identifier, "text": text, **more}) + "\n"


@settings(deadline=None)
@given(LINES, st.sampled_from(["a.txt", "a.md"]))
def test_every_text_file_is_kept_whole(tmp_path_factory: pytest.TempPathFactory, lines: list[str], name: str) -> None:
    text = "\n".join(lines)
    corpus = write(tmp_path_factory.mktemp("corpus"), {name: text})
    if text.strip():
        assert [d.text for d in corpus.documents] == [text]
    else:
        assert skipped(corpus) == {name: "empty"}


# Reading a folder


def test_documents_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    corpus = write(
        tmp_path,
        {
            "b.txt": "two",
            "a/z.md": "# one",
            "a.txt": "three",
            "a/b/c.TXT": "four",
            "r.jsonl": record("z", "five") + record("a", "six"),
        },
    )
    assert ids(corpus) == ["a.txt", "a/b/c.TXT", "a/z.md", "b.txt", "z", "a"]
    assert [s.path for s in corpus.sources] == ["a.txt", "a/b/c.TXT", "a/z.md", "b.txt", "r.jsonl"]
    assert (corpus.skipped, corpus.cautions) == ((), ())
    assert read_corpus(str(tmp_path), RULES) == corpus


def test_the_shipped_corpus() -> None:
    (document,) = read_corpus(Path(__file__).parent.parent / "corpus", CorpusRules()).documents
    assert document.title == "Details about Ketamine Treatment for Chronic Pain"
    assert [s.headings for s in document.sections] == [
        (),
        ("Using Ketamine for Chronic Pain",),
        ("What makes it Special?",),
    ]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, problem in {"nowhere": "does not exist", "file": "is not a folder"}.items():
        with pytest.raises(CorpusError, match=problem) as caught:
            read_corpus(tmp_path / name, RULES)
        assert caught.value.remedy


def test_an_empty_folder_is_an_empty_corpus(tmp_path: Path) -> None:
    assert read_corpus(tmp_path, RULES) == Corpus(())


def test_each_file_without_a_document_has_its_reason(tmp_path: Path) -> None:
    corpus = write(
        tmp_path,
        {
            "a.txt": "same",
            "b.md": "same",
            "binary.txt": b"\x89PNG\r\n\x1a\n\0",
            "blank.md": " \r\n\t",
            "big.txt": b"x" * (1024 * 1024 + 1),
            "full.txt": b"x" * (1024 * 1024),
            "none": "text",
            "none.jsonl": "\n\n",
            "none.txt": "",
            "page.xyz": "text",
            "bad.jsonl": "{}\n" + record("r"),
            ".hidden.txt": "text",
            ".git/config.txt": "text",
        },
    )
    reasons = skipped(corpus)
    assert ids(corpus) == ["a.txt", "r", "full.txt"]
    assert reasons.pop("binary.txt").startswith("binary")
    assert reasons == {
        "b.md": "duplicate of a.txt",
        "bad.jsonl": "line 1: _id is missing",
        "big.txt": "too large: 1.0 MB, the limit is 1 MB",
        "blank.md": "empty",
        "none": "unsupported format (no suffix)",
        "none.jsonl": "empty",
        "none.txt": "empty",
        "page.xyz": "unsupported format (.xyz)",
    }
    assert [s.path for s in corpus.sources] == ["a.txt", "bad.jsonl", "full.txt"]


def test_a_file_that_may_not_be_read_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("secret.txt"):
            raise PermissionError(13, "Permission denied")
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    corpus = write(tmp_path, {"a.txt": "text", "secret.txt": "text"})
    assert ids(corpus) == ["a.txt"]
    assert skipped(corpus) == {"secret.txt": "unreadable: Permission denied"}


def test_a_folder_that_may_not_be_read_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_scan = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return really_scan(path)

    (tmp_path / "secret").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    corpus = write(tmp_path, {"a.txt": "text"})
    assert ids(corpus) == ["a.txt"]
    assert skipped(corpus) == {"secret": "unreadable: Permission denied"}


def test_a_file_that_grows_while_it_is_read_stays_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_stat = os.fstat

    def small(descriptor: int) -> os.stat_result:
        status = really_stat(descriptor)
        return os.stat_result((*status[:6], 10, *status[7:]), {"st_mtime_ns": status.st_mtime_ns})

    monkeypatch.setattr(os, "fstat", small)
    corpus = write(tmp_path, {"a.txt": b"x" * (1024 * 1024 + 1)})
    assert skipped(corpus) == {"a.txt": "too large: it grew beyond 1 MB while it was read"}


def test_links(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.txt", tmp_path / "corpus"
    outside.write_text("secret")
    (folder / "sub").mkdir(parents=True)
    (folder / "a-link.txt").symlink_to("z.txt")
    (folder / "a-records.jsonl").symlink_to("z.jsonl")
    (folder / "dangling.txt").symlink_to("nowhere.txt")
    (folder / "folder").symlink_to("sub")
    (folder / "loop.txt").symlink_to("loop.txt")
    (folder / "out.txt").symlink_to(outside)
    (folder / "out-folder").symlink_to(tmp_path)
    (folder / "to-hidden.txt").symlink_to(".hidden.txt")
    corpus = write(folder, {"z.txt": "text", "z.jsonl": record("r"), "sub/b.txt": "other", ".hidden.txt": "hidden"})
    assert ids(corpus) == ["sub/b.txt", "to-hidden.txt", "r", "z.txt"]
    assert skipped(corpus) == {
        "a-link.txt": "duplicate of z.txt",
        "a-records.jsonl": "duplicate of z.jsonl",
        "dangling.txt": "a symbolic link that leads nowhere",
        "folder": "a symbolic link to a folder: not followed",
        "loop.txt": "a symbolic link that leads nowhere",
        "out-folder": "a symbolic link to a folder: not followed",
        "out.txt": "a symbolic link that leaves the corpus: refused",
    }


def test_the_corpus_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "real", {"a.txt": "text"})
    (tmp_path / "link").symlink_to("real")
    corpus = read_corpus(tmp_path / "link", RULES)
    assert ids(corpus) == ["a.txt"]
    assert recheck(tmp_path / "link", corpus.sources[0])


def test_pipes_and_sockets_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.txt")
        corpus = read_corpus(tmp_path, RULES)
    reason = "not a regular file (a pipe, socket or device)"
    assert skipped(corpus) == {"pipe.txt": reason, "socket.txt": reason}
    with pytest.raises(bot.corpus.Unreadable):  # nor does it hang if the file is replaced in between
        bot.corpus._open(tmp_path / "pipe.txt")


def test_names_that_cannot_be_ids(tmp_path: Path) -> None:
    corpus = write(tmp_path, {"a\nb.txt": "1", "\x1b[31m.txt": "2", "ok é.txt": "3", "x\u2028.txt": "4"})
    (tmp_path / os.fsdecode(b"\xff.txt")).write_text("5")
    corpus = read_corpus(tmp_path, RULES)
    assert ids(corpus) == ["ok é.txt"]
    assert set(skipped(corpus)) == {"a\\nb.txt", "\\x1b[31m.txt", "\\udcff.txt", "x\\u2028.txt"}
    assert all("rename" in reason for reason in skipped(corpus).values())


def test_ids_stay_apart(tmp_path: Path) -> None:
    corpus = write(
        tmp_path,
        {"a.jsonl": record("x") + record("x#2") + record("x") + record("x", "other"), "b.jsonl": record("x"), "x": ""},
    )
    assert ids(corpus) == ["x", "x#2", "x#3", "x#4", "x#5"]
    assert [caution.path for caution in corpus.cautions] == ["a.jsonl", "a.jsonl", "b.jsonl"]
    assert "x#3" in corpus.cautions[0].message


def test_a_guessed_encoding_is_a_caution(tmp_path: Path) -> None:
    corpus = write(tmp_path, {"a.txt": "Dose: 25 µg".encode("cp1252")})
    assert [d.text for d in corpus.documents] == ["Dose: 25 µg"]
    assert ["windows-1252" in caution.message for caution in corpus.cautions] == [True]


# Titles and metadata


@pytest.mark.parametrize(
    ("files", "title"),
    [
        ({"leaflet.md": "text\n\n# The  heading\n\nmore"}, "The heading"),
        ({"leaflet.txt": "\n\n The first line. \r\nmore"}, "The first line."),
        ({"leaflet.txt": "x" * 120}, "x" * 120),
        ({"leaflet.txt": "x" * 121}, "leaflet"),
        ({"r.jsonl": record("1", "text", title="Its\ntitle")}, "Its title"),
        ({"r.jsonl": record("1", "The line.\nmore", title=" ")}, "The line."),
        ({"r.jsonl": record("1", "text", title="T"), "r.jsonl.meta.toml": "title = 'S'"}, "T"),
        ({"leaflet.md": "# Heading\n\nx", "leaflet.meta.toml": "title = ' Given '"}, "Given"),
    ],
)
def test_titles(tmp_path: Path, files: dict[str, str | bytes], title: str) -> None:
    assert [d.title for d in write(tmp_path, files).documents] == [title]


def test_a_sidecar_gives_metadata(tmp_path: Path) -> None:
    sidecar = "title = 'T'\nsource = 'NHS'\nauthor = 'Dr A'\nlicence = 'OGL'\n"
    sidecar += "reviewed = 2024-05-01\nnext_review = '2026-05-01'"
    corpus = write(tmp_path, {"a.txt": "text", "a.txt.meta.toml": sidecar})
    (document,) = corpus.documents
    assert document.title == "T"
    assert document.metadata == {
        "source": "NHS",
        "author": "Dr A",
        "licence": "OGL",
        "reviewed": "2024-05-01",
        "next_review": "2026-05-01",
    }
    assert [s.path for s in corpus.sources] == ["a.txt", "a.txt.meta.toml"]
    assert (corpus.skipped, corpus.cautions) == ((), ())


@pytest.mark.parametrize(
    ("sidecar", "kept", "caution"),
    [
        ("source = 'NHS'\ncolour = 'red'", {"source": "NHS"}, "unknown key 'colour'"),
        ("source = 'NHS'\nauthor = 3", {"source": "NHS"}, "author is not text"),
        ("source = 'NHS'\nauthor = ' '", {"source": "NHS"}, "author is not text"),
        ("source = 'NHS'\nreviewed = 'May 2024'", {"source": "NHS"}, "reviewed is not a date"),
        ("source = 'NHS'\nreviewed = 2024-05-01T10:00:00", {"source": "NHS"}, "reviewed is not"),
        ("source = 'NHS'\n[reviewed]\nx = 1", {"source": "NHS"}, "reviewed is not"),
        ("source = NHS", {}, "not valid TOML"),
        (b"source = '\xff'", {}, "not valid TOML"),
        ("x = " + "[" * 5000, {}, "not valid TOML"),
        (b"#" * (1024 * 1024 + 1), {}, "too large"),
    ],
)
def test_a_wrong_sidecar_is_a_caution(tmp_path: Path, sidecar: str | bytes, kept: dict[str, str], caution: str) -> None:
    corpus = write(tmp_path, {"a.txt": "text", "a.meta.toml": sidecar})
    assert [d.metadata for d in corpus.documents] == [kept]
    assert [c.path for c in corpus.cautions] == ["a.meta.toml"]
    assert caution in corpus.cautions[0].message


def test_which_sidecar_is_used(tmp_path: Path) -> None:
    corpus = write(
        tmp_path,
        {
            "a.txt": "text",
            "a.txt.meta.toml": "source = 'first'",
            "a.meta.toml": "source = 'second'",
            "b.txt": "b",
            "b.md": "b, too",
            "b.meta.toml": "source = 'both'",
            "gone.txt.meta.toml": "",
        },
    )
    assert {d.id: d.metadata["source"] for d in corpus.documents} == {"a.txt": "first", "b.md": "both", "b.txt": "both"}
    assert skipped(corpus) == {
        "a.meta.toml": "another sidecar of the same file is used",
        "gone.txt.meta.toml": "sidecar without its file",
    }
    assert [s.path for s in corpus.sources if s.path.endswith("toml")] == ["a.txt.meta.toml", "b.meta.toml"]


def test_a_record_speaks_before_its_sidecar(tmp_path: Path) -> None:
    metadata = {"source": "own", "reviewed": "soon", "url": "x", "title": "no"}
    corpus = write(
        tmp_path,
        {"r.jsonl": record("1", metadata=metadata) + record("2"), "r.meta.toml": "source = 'all'\nlicence = 'OGL'"},
    )
    assert [d.metadata for d in corpus.documents] == [
        {"source": "own", "licence": "OGL"},
        {"source": "all", "licence": "OGL"},
    ]
    assert ["reviewed" in c.message and "1" in c.message for c in corpus.cautions] == [True]


# Sources


def test_a_source_is_unchanged_until_its_bytes_are_not(tmp_path: Path) -> None:
    (source,) = write(tmp_path, {"sub/a.txt": "text"}).sources
    path = tmp_path / "sub" / "a.txt"
    assert source == SourceFile("sub/a.txt", 4, path.stat().st_mtime_ns, hashlib.sha256(b"text").hexdigest())
    assert recheck(tmp_path, source)
    os.utime(path, ns=(0, 0))
    assert recheck(tmp_path, source)
    path.write_text("text!")
    assert not recheck(tmp_path, source)
    path.write_text("TEXT")
    os.utime(path, ns=(0, 0))
    assert not recheck(tmp_path, source)
    path.unlink()
    assert not recheck(tmp_path, source)
    os.mkfifo(path)
    assert not recheck(tmp_path, source)


def test_a_source_outside_the_corpus_is_not_looked_at(tmp_path: Path) -> None:
    (source,) = write(tmp_path / "corpus", {"a.txt": "text"}).sources
    (tmp_path / "corpus" / "a.txt").rename(tmp_path / "b.txt")
    (tmp_path / "corpus" / "a.txt").symlink_to(tmp_path / "b.txt")
    assert not recheck(tmp_path / "corpus", source)
    for path in ("../b.txt", str(tmp_path / "b.txt"), "a\0.txt", ""):
        outside = SourceFile(path, source.size, source.mtime_ns, source.sha256)
        assert not recheck(tmp_path / "corpus", outside)


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'markdown_it', 'charset_normalizer', 'numpy', 'torch'}"
    code = f"import sys, bot.corpus; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


# Reading again


CONTENTS = [
    "# A\n\nBody.",
    "# B\n\nOther body.",
    "",
    '{"_id": "x", "text": "One."}\n',
    '{"_id": "y", "text": "Two."}\nno',
]
NAMES = ["a.txt", "b.md", "c.txt", "r.jsonl", "s.jsonl", "d.exe", "a.txt.meta.toml", "b.meta.toml"]
EDITS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([None, *CONTENTS, 'title = "T"'])), max_size=8)


@settings(deadline=None, max_examples=60)
@given(EDITS, EDITS)
def test_reading_again_is_the_same_as_reading_for_the_first_time(
    tmp_path_factory: pytest.TempPathFactory, before: list[tuple[str, str | None]], after: list[tuple[str, str | None]]
) -> None:
    folder = tmp_path_factory.mktemp("corpus")

    def edit(edits: list[tuple[str, str | None]]) -> None:
        for name, content in edits:
            if content is None:
                (folder / name).unlink(missing_ok=True)
            else:
                (folder / name).write_text(content, encoding="utf-8")

    edit(before)
    first = read_corpus(folder, RULES)
    edit(after)
    known = {document.id: document for document in first.documents}
    assert read_corpus(folder, RULES, known, first.files) == read_corpus(folder, RULES)


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path, {"a.txt": "One.", "bad.jsonl": "no", "b.txt": "Two.", "c.txt": "Three."})
    (tmp_path / "b.txt").write_text("Changed.", encoding="utf-8")
    os.utime(tmp_path / "c.txt", ns=(0, 0))  # touched, and still the same
    loaded: list[bytes] = []
    load_here = bot.corpus._load_here

    def load(suffix: str, data: bytes) -> object:
        loaded.append(data)
        return load_here(suffix, data)

    monkeypatch.setattr(bot.corpus, "_load_here", load)
    known = {document.id: document for document in first.documents}
    second = read_corpus(tmp_path, RULES, known, first.files)
    assert loaded == [b"Changed."]
    assert [document.text for document in second.documents] == ["One.", "Changed.", "Three."]
    assert second.skipped == first.skipped
    # With other rules, everything is.
    read_corpus(tmp_path, CorpusRules(max_file_mb=2), known, first.files)
    assert len(loaded) == 5


def test_what_came_of_a_file_survives_json(tmp_path: Path) -> None:
    corpus = write(tmp_path, {"a.txt": "One.", "a.txt.meta.toml": 'author = "Lee"', "r.jsonl": "no"})
    again = [ReadFile.from_dict(json.loads(json.dumps(dataclasses.asdict(file)))) for file in corpus.files]
    assert again == list(corpus.files)


def test_facts_are_gathered_for_each_file(tmp_path: Path) -> None:
    english = "Drink water before the infusion and bring a friend who can drive you home afterwards. " * 9
    [file] = write(tmp_path, {"a.txt": english}).files
    assert (file.words, file.pages, file.tables) == (135, None, 0)
    assert file.facts["language"] == "en"
    assert 5 < file.facts["reading_age"] < 18
    assert not file.facts["garbling"]["suspected"]


@pytest.mark.parametrize("name", ["page.html", "page.htm", "page.xhtml"])
def test_rich_formats_are_read_in_a_process_of_their_own(tmp_path: Path, name: str) -> None:
    page = b"<html lang=en><title>Parking</title><main><h1>Parking</h1><p>Park behind the house.</p></main>"
    [document] = write(tmp_path, {name: page}).documents
    assert document.text == "Parking\n\nPark behind the house."
    assert (document.title, document.metadata) == ("Parking", {"language": "en"})


def test_a_sidecar_speaks_before_the_files_own_properties(tmp_path: Path) -> None:
    page = "---\ntitle: Own\nauthor: Own author\nreviewed: 2026-01-01\n---\nBody."
    sidecar = 'author = "Nurse Lee"\nversion = "3"\ncreated = 2025-05-05\nlanguage = "en"\n'
    [document] = write(tmp_path, {"a.md": page, "a.meta.toml": sidecar}).documents
    assert document.title == "Own"
    assert document.metadata == {
        "author": "Nurse Lee",
        "reviewed": "2026-01-01",
        "version": "3",
        "created": "2025-05-05",
        "language": "en",
    }
