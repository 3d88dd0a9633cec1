"""`bot index --watch`, over real files that come, change and go."""

from __future__ import annotations

import itertools
import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ROOT, WordEncoder

from bot import generations, watch
from bot.config import Config, PassageSize
from bot.corpus import Skipped
from bot.errors import CorpusError, PlainquoteError
from bot.index import Index, Report

LONG = 60
"""Seconds after which something that should have happened never will."""
KETAMINE = "Ketamine is given as a slow infusion.\n"
NAUSEA = "Some people feel sick after it.\n"


@dataclass
class Watched:
    """A corpus with one document, its index, and what the watch of it said so far."""

    corpus: Path
    index: Path
    reports: queue.Queue[Report] = field(default_factory=queue.Queue)
    errors: queue.Queue[PlainquoteError] = field(default_factory=queue.Queue)
    stopped: threading.Event = field(default_factory=threading.Event)
    rounds: int = 0

    def update(self) -> Report:
        self.rounds += 1
        return Index.update(self.index, self.corpus, WordEncoder(), Config(passages=PassageSize(60)))

    def report(self) -> Report:
        return self.reports.get(timeout=LONG)

    def texts(self) -> dict[str, str]:
        return {id: document.text for id, document in Index.load(self.index).documents.items()}

    def run(self) -> None:
        watch.watch(self.corpus, self.update, self.reports.put, self.errors.put, self.stopped)


@pytest.fixture
def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Not begun yet. It looks around without a notice so rarely that no test can lean on that."""
    monkeypatch.setattr(watch, "QUIET", 0.1)
    monkeypatch.setattr(watch, "LOOK_EVERY", 10**6)
    (tmp_path / "corpus").mkdir()
    put(tmp_path / "corpus" / "a.txt", KETAMINE)
    return Watched(tmp_path / "corpus", tmp_path / "index")


@pytest.fixture
def watched(idle: Watched) -> Iterator[Watched]:
    """Begun: the first report is told, and any change from now on must be found."""
    thread = threading.Thread(target=idle.run)
    thread.start()
    try:
        assert idle.report().added == ("a.txt",)
        yield idle
    finally:
        idle.stopped.set()
        thread.join(LONG)
        assert not thread.is_alive()


def put(path: Path, text: str) -> None:
    """Writes it at one stroke: nobody finds a file with half of its text."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text)
    beside.replace(path)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_files_that_come_change_move_and_go_are_followed(watched: Watched) -> None:
    new = watched.corpus / "new" / "b.txt"
    new.parent.mkdir()
    put(new, NAUSEA)
    assert watched.report().added == ("new/b.txt",)
    put(new, KETAMINE + NAUSEA)
    assert watched.report().changed == ("new/b.txt",)
    new.rename(watched.corpus / "c.txt")
    moved = watched.report()
    assert (moved.added, moved.removed, moved.embedded) == (("c.txt",), ("new/b.txt",), 0)
    (watched.corpus / "c.txt").unlink()
    assert watched.report().removed == ("c.txt",)
    assert watched.texts() == {"a.txt": KETAMINE}


def test_a_new_file_in_the_place_of_an_old_one_is_followed(watched: Watched) -> None:
    put(watched.corpus / "a.txt", KETAMINE.replace("slow", "fast"))  # as editors do it; as long as the old text
    assert watched.report().changed == ("a.txt",)
    assert watched.texts() == {"a.txt": KETAMINE.replace("slow", "fast")}


def test_a_sidecar_is_followed(watched: Watched) -> None:
    put(watched.corpus / "a.meta.toml", 'title = "About it"')
    assert watched.report().changed == ("a.txt",)
    assert Index.load(watched.index).document("a.txt").title == "About it"


def test_what_a_link_leads_to_is_followed(watched: Watched) -> None:
    hidden = watched.corpus / ".versions"
    hidden.mkdir()
    put(hidden / "1.txt", NAUSEA)
    (watched.corpus / "b.txt").symlink_to(".versions/1.txt")
    assert watched.report().added == ("b.txt",)
    put(hidden / "1.txt", "Nobody feels sick.\n")
    assert watched.report().changed == ("b.txt",)


def test_a_file_that_is_not_read_is_told_once(watched: Watched) -> None:
    (watched.corpus / "x.zip").write_bytes(b"PK")
    told = watched.report()
    assert (told.added, told.skipped) == ((), (Skipped("x.zip", "unsupported format (.zip)"),))


def test_nothing_is_told_where_nothing_changed(watched: Watched) -> None:
    rounds = watched.rounds
    put(watched.corpus / ".hidden.txt", "none of our business")
    (watched.corpus / "a.txt").touch()
    eventually(lambda: watched.rounds > rounds)
    put(watched.corpus / "b.txt", NAUSEA)
    assert watched.report().added == ("b.txt",)
    assert watched.reports.empty()


def test_the_corpus_is_read_when_its_files_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    growing: Iterator[watch.State] = iter([{"a": (1,)}, {"a": (2,)}, {"a": (2,), "b": (1,)}, {"a": (2,), "b": (1,)}])
    monkeypatch.setattr(watch, "QUIET", 0)
    monkeypatch.setattr(watch, "_look", lambda corpus: next(growing))
    assert watch._at_rest(Path(), threading.Event()) == {"a": (2,), "b": (1,)}
    assert not list(growing)


def test_a_file_that_never_stands_still_keeps_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.count()
    monkeypatch.setattr(watch, "QUIET", 0)
    monkeypatch.setattr(watch, "_look", lambda corpus: {"busy.log": (next(looks),)})
    assert watch._at_rest(Path(), threading.Event()) == {"busy.log": (watch.PATIENCE,)}


def test_another_writer_is_told_once_and_outlasted(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY", 1)
    with generations.writing(watched.index):
        rounds = watched.rounds
        put(watched.corpus / "b.txt", NAUSEA)
        assert "another process" in watched.errors.get(timeout=LONG).problem
        eventually(lambda: watched.rounds > rounds + 2)
    assert watched.report().added == ("b.txt",)
    assert watched.errors.empty()


@pytest.mark.parametrize("how", [shutil.rmtree, lambda corpus: corpus.rename(corpus.with_name("old"))])
def test_a_corpus_that_goes_and_comes_back_is_followed(watched: Watched, how: Callable[[Path], object]) -> None:
    how(watched.corpus)
    assert isinstance(watched.errors.get(timeout=LONG), CorpusError)
    assert watched.texts() == {"a.txt": KETAMINE}, "the index stays"
    watched.corpus.mkdir()
    put(watched.corpus / "b.txt", NAUSEA)
    back = watched.report()
    assert (back.added, back.removed) == (("b.txt",), ("a.txt",))
    put(watched.corpus / "b.txt", KETAMINE + NAUSEA)
    assert watched.report().changed == ("b.txt",)


def test_a_corpus_that_another_one_replaces_at_once_is_followed(watched: Watched) -> None:
    shutil.rmtree(watched.corpus)
    watched.corpus.mkdir()  # may well get the number of the old one
    put(watched.corpus / "b.txt", NAUSEA)
    eventually(lambda: watched.texts() == {"b.txt": NAUSEA})
    put(watched.corpus / "b.txt", KETAMINE)
    eventually(lambda: watched.texts() == {"b.txt": KETAMINE})


def test_a_link_to_the_corpus_that_is_turned_to_another_folder_is_followed(tmp_path: Path, idle: Watched) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(idle.corpus)
    other.mkdir()
    put(other / "b.txt", NAUSEA)
    idle.corpus = link
    thread = threading.Thread(target=idle.run)
    thread.start()
    try:
        idle.report()
        (tmp_path / "link.new").symlink_to(other)
        (tmp_path / "link.new").replace(link)
        assert idle.report().added == ("b.txt",)
        put(other / "c.txt", KETAMINE)
        assert idle.report().added == ("c.txt",)
    finally:
        idle.stopped.set()
        thread.join(LONG)


def test_what_changes_during_the_first_build_is_not_lost(idle: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    build = idle.update

    def slow() -> Report:
        report = build()
        if idle.rounds == 1:
            put(idle.corpus / "b.txt", NAUSEA)  # after it was read, before anything is watched
        return report

    monkeypatch.setattr(idle, "update", slow)
    thread = threading.Thread(target=idle.run)
    thread.start()
    try:
        assert idle.report().added == ("a.txt",)
        assert idle.report().added == ("b.txt",)
    finally:
        idle.stopped.set()
        thread.join(LONG)


def test_a_lost_notice_is_made_up_for(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY", 1)
    monkeypatch.setattr(watch, "_changes", lambda corpus, stopped: iter(lambda: stopped.wait(0.1), True))
    put(watched.corpus / "b.txt", NAUSEA)  # ends the watch that still gets notices
    assert watched.report().added == ("b.txt",)
    put(watched.corpus / "c.txt", KETAMINE + NAUSEA)
    assert watched.report().added == ("c.txt",)


def test_the_first_problem_ends_it(tmp_path: Path) -> None:
    nowhere = Watched(tmp_path / "nowhere", tmp_path / "index")
    with pytest.raises(CorpusError, match="does not exist"):
        nowhere.run()


def test_a_folder_that_cannot_be_watched_is_a_problem_with_a_remedy(
    idle: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*paths: Path, **options: object) -> Iterator[set[object]]:
        raise OSError(28, "OS file watch limit reached.")

    monkeypatch.setattr(watch.watchfiles, "watch", fail)
    with pytest.raises(CorpusError, match="cannot be watched") as caught:
        idle.run()
    assert "WATCHFILES_FORCE_POLLING" in caught.value.remedy


# The command


def command(corpus: Path, index: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "bot", "index", "--watch", "--corpus", str(corpus), "--index", str(index), *options]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_command_reports_each_round_until_a_signal(tmp_path: Path, number: int, status: int) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    put(corpus / "a.txt", KETAMINE)
    (corpus / "x.zip").write_bytes(b"PK")
    with subprocess.Popen(
        command(corpus, tmp_path / "index", "--json"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stderr
            assert json.loads(process.stdout.readline())["added_documents"] == ["a.txt"]
            (corpus / "a.txt").touch()
            put(corpus / "b.txt", NAUSEA)
            assert json.loads(process.stdout.readline())["added_documents"] == ["b.txt"]
            process.send_signal(number)
            assert process.wait(LONG) == status
            assert (process.stdout.read(), process.stderr.read()) == ("", "")
        finally:
            process.kill()
    assert set(Index.load(tmp_path / "index").documents) == {"a.txt", "b.txt"}


def test_a_build_is_ended_by_sigterm_and_leaves_no_remains(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    put(corpus / "a.txt", KETAMINE)
    code = (
        "import sys, time, bot.cli, bot.embed\n"
        "def embed(self, texts, progress=False): print('embedding', flush=True); time.sleep(600)\n"
        "bot.embed.SentenceTransformerEncoder.encode_passages = embed\n"
        "sys.exit(bot.cli.main(sys.argv[1:]))"
    )
    arguments = command(corpus, tmp_path / "index")[3:]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"embedding\n"
            process.terminate()
            assert process.wait(LONG) == 0
        finally:
            process.kill()
    assert not list((tmp_path / "index").rglob("manifest.json"))
    with generations.writing(tmp_path / "index"):
        pass
