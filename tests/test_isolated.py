"""The process that loads a file apart: its limits, its end, and what comes back from it."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.loaders import LOADERS, Anchor, Extracted, Heading, Note, Unreadable, isolated
from bot.loaders.isolated import Limits, Reader

GENEROUS = Limits(seconds=120, megabytes=1024)
BRIEF = Limits(seconds=1, megabytes=1024)
SMALL = Limits(seconds=120, megabytes=300)

MISBEHAVING = f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
from bot.loaders import LOADERS, Anchor, Extracted, Heading, Note, Unreadable, worker

def loader(act):
    def load(data, **options):
        yield Note("begun")
        yield Extracted(str(act(data, **options)))
    return load

def recurse(data):
    return recurse(data)

def write(data):
    with open(data.decode(), "w") as file:
        file.write("written")

def chatter(data):
    print("a line in between")
    os.write(1, b"and one past Python")
    return os.system("echo and one from a process")

def everything(data):
    text = "Dose\\ud83d\\ude00\\ud800\\n\\n50 kg"
    yield Note("a note")
    yield Unreadable("a record")
    yield Extracted(
        text, "an id", "A title", (Heading(0, 4, 1, "Dose"),), (0, 9), {{"author": "A"}}, (((0, 4), (9, 14)),),
        (Anchor(9, 12, 2, 0), Anchor(12, 14, 2, -1, (0.1, 0.2, 0.3, 1 / 3))), {{3: "scanned"}}, (2,),
    )

LOADERS |= {{
    ".hang": loader(lambda data: time.sleep(600)),
    ".eat": loader(lambda data: len(bytearray(2**40))),
    ".grow": loader(lambda data: [bytearray(2**20) for _ in range(2**20)]),
    ".many": lambda data: (Extracted("x" * 2**20) for _ in range(2**20)),
    ".segfault": loader(lambda data: os.kill(os.getpid(), signal.SIGSEGV)),
    ".abort": loader(lambda data: os.abort()),
    ".killed": loader(lambda data: os.kill(os.getpid(), signal.SIGKILL)),
    ".leave": loader(lambda data: os._exit(0)),
    ".fault": loader(lambda data: 1 / 0),
    ".recurse": loader(recurse),
    ".write": loader(write),
    ".chatter": loader(chatter),
    ".environment": loader(lambda data: " ".join(sorted(os.environ))),
    ".options": loader(lambda data, **options: options),
    ".everything": everything,
}}
worker.main(int(sys.argv[1]), int(sys.argv[2]))
"""

Run = Callable[[str, Limits], Reader]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A Reader whose process is the given program."""
    readers: list[Reader] = []

    def start(program: str, limits: Limits) -> Reader:
        script = tmp_path / f"worker{len(readers)}.py"
        script.write_text(program)
        monkeypatch.setattr(isolated, "_WORKER", (str(script),))
        readers.append(Reader(limits))
        return readers[-1]

    yield start
    for reader in readers:
        reader.close()


def refusal(reader: Reader, suffix: str, data: bytes = b"x") -> str:
    with pytest.raises(Unreadable) as refused:
        reader.load(suffix, data)
    return refused.value.reason


def reads_on(reader: Reader) -> bool:
    return reader.load(".txt", b"Take one tablet.") == [Extracted("Take one tablet.")]


def outcome(load: Callable[[], list[isolated.Found]]) -> list[str]:
    try:
        return [repr(found) for found in load()]
    except Unreadable as error:
        return [error.reason]


@pytest.fixture(scope="module")
def plain() -> Iterator[Reader]:
    with Reader(GENEROUS) as reader:
        yield reader


@given(
    st.sampled_from([".txt", ".md", ".jsonl", ".html"]),
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.just(b'{"_id": "1", "text": "Dose\\ud800"}\nno'),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_reader_finds_what_the_loader_finds(plain: Reader, suffix: str, data: bytes) -> None:
    assert outcome(lambda: plain.load(suffix, data)) == outcome(lambda: list(LOADERS[suffix](data)))


def test_every_field_comes_back_as_it_was(run: Run) -> None:
    note, record, extracted = run(MISBEHAVING, GENEROUS).load(".everything", b"")
    assert note == Note("a note")
    assert isinstance(record, Unreadable)
    assert record.reason == "a record"
    assert extracted == Extracted(
        text="Dose\ud83d\ude00\ud800\n\n50 kg",  # two halves of a pair stay two
        id="an id",
        title="A title",
        headings=(Heading(0, 4, 1, "Dose"),),
        pages=(0, 9),
        metadata={"author": "A"},
        tables=(((0, 4), (9, 14)),),
        anchors=(Anchor(9, 12, 2, 0), Anchor(12, 14, 2, -1, (0.1, 0.2, 0.3, 1 / 3))),
        unread={3: "scanned"},
        recognised=(2,),
    )


def test_options_reach_the_loader(run: Run) -> None:
    assert run(MISBEHAVING, GENEROUS).load(".options", b"", ocr="eng")[1] == Extracted("{'ocr': 'eng'}")


def test_one_process_reads_one_file_after_the_other(plain: Reader) -> None:
    assert reads_on(plain)
    first = plain.pid
    assert refusal(plain, ".txt", b"\0") == "binary (it holds NUL bytes)"
    assert reads_on(plain)
    assert plain.pid == first


def test_a_file_that_takes_too_long_is_ended(run: Run) -> None:
    reader = run(MISBEHAVING, BRIEF)
    assert refusal(reader, ".hang") == "takes too long to read: the limit is 1 s"
    assert reader.pid is None


@pytest.mark.parametrize("suffix", [".eat", ".grow", ".many"])
def test_a_file_that_needs_too_much_memory_is_refused(run: Run, suffix: str) -> None:
    reader = run(MISBEHAVING, SMALL)
    assert refusal(reader, suffix) == "needs too much memory to read: the limit is 300 MB"
    assert reads_on(reader)


def test_a_file_that_does_not_fit_into_the_memory_is_refused(run: Run) -> None:
    reader = run(MISBEHAVING, SMALL)
    assert refusal(reader, ".txt", bytes(2**29)) == "needs too much memory to read: the limit is 300 MB"
    assert reads_on(reader)


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        (".segfault", "breaks the program that reads it (SIGSEGV), or needs more than 1024 MB of memory"),
        (".abort", "breaks the program that reads it (SIGABRT), or needs more than 1024 MB of memory"),
        (".fault", "breaks the program that reads it (exit status 1), or needs more than 1024 MB of memory"),
        (".leave", "breaks the program that reads it (exit status 0), or needs more than 1024 MB of memory"),
        (".killed", "needs too much memory to read: the limit is 1024 MB"),
        (".recurse", "nested too deeply"),
    ],
)
def test_a_file_that_breaks_its_loader_is_refused_and_the_next_is_read(run: Run, suffix: str, reason: str) -> None:
    reader = run(MISBEHAVING, GENEROUS)
    assert refusal(reader, suffix) == reason
    assert reads_on(reader)
    assert refusal(reader, suffix) == reason


def test_a_process_that_is_ended_between_two_files_is_started_anew(plain: Reader) -> None:
    assert reads_on(plain)
    pid = plain.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert reads_on(plain)
    assert plain.pid != pid


def test_the_process_writes_into_no_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert "exit status 1" in refusal(run(MISBEHAVING, GENEROUS), ".write", os.fsencode(file))
    assert not file.exists() or not file.read_bytes()


def test_what_a_library_prints_is_no_answer(run: Run) -> None:
    reader = run(MISBEHAVING, GENEROUS)
    assert reader.load(".chatter", b"") == [Note("begun"), Extracted("0")]
    assert reads_on(reader)


def test_the_process_is_told_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINIC_PASSWORD", "secret")
    _, names = run(MISBEHAVING, GENEROUS).load(".environment", b"")
    assert isinstance(names, Extracted)
    assert set(names.text.split()) <= {*isolated._ENVIRONMENT, "LC_CTYPE"}  # Python itself sets the last


def answering(body: bytes, length: int | None = None) -> str:
    """A program that answers every file with one frame."""
    frame = struct.pack(">I", len(body) if length is None else length) + body
    return f"import sys; sys.stdout.buffer.write({frame!r}); sys.stdout.flush(); sys.stdin.read()"


def frame(**changes: object) -> bytes:
    values = {"text": "Dose 5 mg", "id": None, "title": None, "headings": [], "pages": [], "metadata": {}}
    values |= {"tables": [], "anchors": [], "unread": {}, "recognised": []} | changes
    return json.dumps({"found": [{"extracted": values}]}).encode()


def test_a_sound_frame_is_an_answer(run: Run) -> None:
    assert run(answering(frame()), GENEROUS).load(".txt", b"x") == [Extracted("Dose 5 mg")]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff\xfe", b"[]", b"3", b"{}", b'{"found": 3}', b'{"found": [3]}', b'{"found": [{}]}'),
        *(b'{"refused": 3}', b'{"found": [{"note": null}]}', b'{"found": [{"unreadable": 1}]}', b"[" * 100_000),
        *(frame(text=3), frame(text=None), frame(title=["x"]), frame(id=1), frame(headings=[[0, 4, 1]])),
        *(frame(headings=[[0, 10, 1, "Dose"]]), frame(headings=[[-1, 4, 1, "Dose"]]), frame(headings=[[4, 0, 1, ""]])),
        *(frame(headings=[[0, 4.0, 1, "Dose"]]), frame(headings=[[0, True, 1, "Dose"]]), frame(tables=[[[0, 10]]])),
        *(frame(tables=[[0]]), frame(anchors=[[0, 4, 1]]), frame(anchors=[[0, 99, 1, 0]]), frame(pages=["1"])),
        *(frame(metadata=[]), frame(metadata={"title": 3}), frame(unread={"x": "empty"}), frame(unread={"1": 2})),
        *(frame(recognised=[None]), frame(anchors=[[0, 4, 1, -1, 0.5]]), frame(anchors=[[0, 4, 1, -1, 0, 0, 1, "1"]])),
        *(frame(anchors=[[0, 4, 1, -1, 0, 0, 1, 2]]), frame(anchors=[[0, 4, 1, -1, 0, 0, float("nan"), 1]])),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(run: Run, body: bytes) -> None:
    reader = run(answering(body), GENEROUS)
    assert refusal(reader, ".txt").startswith("breaks the program that reads it")
    assert reader.pid is None


def test_an_answer_that_is_too_long_is_refused(run: Run) -> None:
    reader = run(answering(b"{}", length=2**32 - 1), GENEROUS)
    assert refusal(reader, ".txt").startswith("breaks the program that reads it")


def test_an_answer_that_breaks_off_is_refused(run: Run) -> None:
    program = answering(b'{"found": []}', length=99).replace("sys.stdin.read()", "")
    assert refusal(run(program, GENEROUS), ".txt").startswith("breaks the program that reads it (exit status 0)")


def test_a_program_that_only_chatters_is_ended(run: Run) -> None:
    reader = run("while True: print('x' * 4096)", GENEROUS)  # four letters as a length are 2 GB
    assert refusal(reader, ".txt").startswith("breaks the program that reads it")


def test_the_answer_to_a_file_given_up_is_not_taken_for_the_next(
    plain: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(isolated, "read_frame", interrupted)
        with pytest.raises(KeyboardInterrupt):
            plain.load(".txt", b"The file before.")
    assert reads_on(plain)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def gone(pid: int) -> bool:
    """Whether there is no such process, but for what is left of it until its parent asks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")


@needs_proc
def test_nothing_is_left_of_a_closed_reader(run: Run) -> None:
    before = open_files()
    pids = []
    for suffix in (".txt", ".segfault", ".hang"):
        with run(MISBEHAVING, BRIEF if suffix == ".hang" else GENEROUS) as reader:
            if suffix != ".hang":
                assert reads_on(reader)
                pids.append(reader.pid)
            if suffix != ".txt":
                refusal(reader, suffix)
        reader.close()  # once more does no harm
    assert open_files() == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@needs_proc
def test_the_process_ends_with_the_one_that_started_it() -> None:
    program = f"""
import sys, time; sys.path.insert(0, {str(ROOT)!r})
from bot.loaders.isolated import Limits, Reader
reader = Reader(Limits()); reader.load(".txt", b"x"); print(reader.pid, flush=True); time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    waited_until = time.monotonic() + 60
    while not gone(pid):
        assert time.monotonic() < waited_until
        time.sleep(0.05)


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="no alarm")
def test_the_process_ends_itself_where_nobody_does(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(MISBEHAVING)
    request = json.dumps({"suffix": ".hang", "bytes": 0, "options": {}}).encode()
    with subprocess.Popen([sys.executable, script, "1024", "1"], stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(struct.pack(">I", len(request)) + request)
        process.stdin.flush()
        assert process.wait() == -signal.SIGALRM
