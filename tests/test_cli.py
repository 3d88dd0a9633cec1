import contextlib
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CORPUS, KETAMINE

from bot.bot import Bot
from bot.cli import main

DOCUMENT = "ketamine-for-chronic-pain.txt"
HOSTILE = (
    "Hello\x1b[31m red \x1b]0;owned\x07 \u202eback \x9b2J pain\r\nrelief <b>x</b> ![i](http://evil.example/x.png)\n"
)


@pytest.fixture(scope="session")
def index(bot: Bot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index on disk of the shipped corpus (`bot` loads the model first)."""
    folder = tmp_path_factory.mktemp("cli") / "index"
    assert main(["index", "--corpus", str(CORPUS), "--index", str(folder), "--json"]) == 0
    return folder


@pytest.fixture
def run(index: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command over that index in this process: exit status, standard output, standard error."""

    def ran(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([*map(str, arguments), "--index", str(index)])
        out, err = capsys.readouterr()
        return status, out, err

    return ran


Run = Callable[..., tuple[int, str, str]]


def test_index_reports_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.txt").write_text("Rest after the infusion.")
    (tmp_path / "c" / "b.txt").write_bytes(b"")
    arguments = ["index", "--corpus", str(tmp_path / "c"), "--index", str(tmp_path / "i")]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {name: report[name] for name in ("added", "changed", "removed", "unchanged", "skipped")} == {
        "added": 1,
        "changed": 0,
        "removed": 0,
        "unchanged": 0,
        "skipped": [{"path": "b.txt", "reason": "empty"}],
    }
    assert report["seconds"] > 0
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "0 added, 0 changed, 0 removed, 1 unchanged, 1 skipped" in out
    assert "skipped b.txt: empty" in out


def test_ask_prints_the_contract_and_nothing_else(run: Run) -> None:
    status, out, _ = run("ask", "What are the side effects of ketamine?", "--json")
    answer = json.loads(out)
    assert status == 0
    assert out.count("\n") == 1
    names = ["question", "searched_for", "changes", "outcome", "triage", "confidence", "notices", "quotes"]
    assert list(answer) == [*names, "suggestions", "timings_ms"]
    assert list(answer["quotes"][0]) == [
        *("rank", "document", "title", "section", "page", "start", "end", "sha256"),
        *("text", "highlights", "score", "metadata", "also_in", "overdue", "recognised", "boxes"),
    ]
    assert list(answer["timings_ms"]) == ["query", "embed", "search", "highlight", "total"]
    assert answer["notices"][0].keys() == {"id", "version", "text"}


def test_every_quote_is_what_show_prints_byte_for_byte(index: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for question in ("side effects", "Which conditions can it be used for?", "How long does the relief last?"):
        main(["ask", question, "--json", "--index", str(index)])
        quotes = json.loads(capfdbinary.readouterr().out)["quotes"]
        assert quotes
        for quote in quotes:
            arguments = ["--start", str(quote["start"]), "--end", str(quote["end"]), "--index", str(index)]
            assert main(["show", quote["document"], *arguments]) == 0
            assert capfdbinary.readouterr().out == quote["text"].encode()


def test_show_prints_the_whole_document(index: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["show", DOCUMENT, "--index", str(index)]) == 0
    assert capfdbinary.readouterr().out == KETAMINE.read_bytes()


def test_a_refusal_is_done(run: Run) -> None:
    status, out, _ = run("ask", "How do I cook pasta?")
    assert status == 0
    assert out.startswith("Our leaflets do not seem to answer this.")


def test_answers_for_people_have_their_citation(run: Run) -> None:
    _, out, _ = run("ask", "Which conditions can it be used for?")
    assert "Details about Ketamine Treatment for Chronic Pain > Using Ketamine for Chronic Pain" in out
    assert "sickle cell disease" in out


def test_search_ranks_and_never_refuses(run: Run) -> None:
    status, out, _ = run("search", "pasta", "-k", "2", "--json")
    found = json.loads(out)
    assert status == 0
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    assert "ketamine-for-chronic-pain.txt" in run("search", "pasta")[1]


def test_a_batch_answers_in_order_line_by_line(run: Run, tmp_path: Path) -> None:
    lines = [
        {"id": "a", "question": "How do I cook pasta?"},
        {"id": 2, "question": "What are the side effects?", "history": ["What is ketamine?"]},
        {"id": "bad", "question": "   "},
        {"id": "last", "question": "Does it help with CRPS?"},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\nno json\n", encoding="utf-8")
    status, out, _ = run("ask", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl", "--json")
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (status, out) == (2, "")
    assert [line["id"] for line in made] == ["a", 2, "bad", "last", None]
    assert [line.get("outcome") for line in made] == ["not_found", "answered", None, "answered", None]
    assert made[2]["error"]["problem"] == "the question is empty"
    assert "is not JSON" in made[4]["error"]["problem"]

    single = json.loads(run("ask", "Does it help with CRPS?", "--json")[1])
    for answer in (single, made[3]):
        answer.pop("timings_ms")
    assert {"id": "last", **single} == made[3]


def test_a_batch_reads_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"id": "1", "question": "pain"}\n'))
    status, out, _ = run("ask", "--input", "-")
    assert (status, json.loads(out)["id"]) == (0, "1")


def test_history_comes_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "h.json").write_text('["what is ketamine used for?"]')
    assert run("ask", "does it help with CRPS?", "--history", tmp_path / "h.json")[0] == 0
    (tmp_path / "h.json").write_text('{"a": 1}')
    status, _, err = run("ask", "does it help?", "--history", tmp_path / "h.json")
    assert (status, "is not a list" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["ask"], "there is no question, or two"),
        (["ask", "a", "--input", "f"], "there is no question, or two"),
        (["ask", "--input", "absent.jsonl"], "cannot be read"),
        (["ask", "a", "--output", "f"], "--output goes with --input"),
        (["ask", "a", "--history", "absent"], "cannot be read"),
        (["ask", "?"], "the question is empty"),
        (["ask", "pain " * 500], "the question has 2500 characters"),
        (["search", "pain", "-k", "0"], "k is 0"),
        (["show", "nothing.txt"], "there is no document 'nothing.txt'"),
        (["show", DOCUMENT, "--start", "5", "--end", "2"], "there is no slice 5 to 2"),
        (["show", DOCUMENT, "--end", "99999"], "there is no slice 0 to 99999"),
        (["check", "--config", "absent.toml"], "there is no configuration file"),
    ],
)
def test_a_problem_that_the_user_can_mend(run: Run, arguments: list[str], problem: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    error, fix = err.strip().splitlines()[-2:]
    assert error.startswith("error: ")
    assert problem in error
    assert fix.startswith("to fix: ")
    assert "Traceback" not in err


def test_no_index_is_a_problem_that_the_user_can_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["ask", "pain"], ["search", "pain"], ["show", "a"], ["check"], ["serve"]):
        assert main([*command, "--index", str(tmp_path / "none")]) == 2
        assert "to fix: Build it: bot index" in capsys.readouterr().err


def test_check_finds_nothing_wrong_and_then_what_changed(
    tmp_path: Path, bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "c"
    corpus.mkdir()
    (corpus / "a.txt").write_text("Rest after the infusion.")
    places = ["--corpus", str(corpus), "--index", str(tmp_path / "i")]
    main(["index", *places])
    capsys.readouterr()

    def check(*more: str) -> dict[str, Any]:
        status = main(["check", *places, *more, "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (status == 0) == found["ok"] == (not found["problems"])
        return found

    assert check() == {"ok": True, "documents": 1, "passages": 1, "problems": []}
    (corpus / "a.txt").write_text("Run after the infusion!")
    (corpus / "b.txt").write_text("New.")
    assert check()["problems"] == [
        "a.txt changed or went since the index was built",
        "b.txt came since the index was built",
    ]
    (tmp_path / "bot.toml").write_text("[passages]\nmax_tokens = 50\n")
    assert "other settings" in check("--config", str(tmp_path / "bot.toml"))["problems"][0]


def test_a_hostile_document_cannot_command_a_terminal(
    tmp_path: Path, bot: Bot, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.txt").write_bytes(HOSTILE.encode())
    places = ["--index", str(tmp_path / "i")]
    main(["index", "--corpus", str(tmp_path / "c"), *places])
    capfdbinary.readouterr()
    for command in (["ask", "red pain relief"], ["search", "pain"], ["ask", "red pain relief", "--json"]):
        main([*command, *places])
        printed = capfdbinary.readouterr().out.decode()
        assert "red" in printed
        assert not set("\x1b\x07\x9b\r\u202e") & set(printed), command
    main(["show", "a.txt", *places])
    assert capfdbinary.readouterr().out == HOSTILE.encode()


def test_show_on_a_terminal_draws_control_characters(tmp_path: Path, bot: Bot) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.txt").write_bytes(HOSTILE.encode())
    main(["index", "--corpus", str(tmp_path / "c"), "--index", str(tmp_path / "i")])
    terminal, screen = pty.openpty()
    command = [sys.executable, "-m", "bot", "show", "a.txt", "--index", str(tmp_path / "i")]
    with subprocess.Popen(command, stdout=screen, stderr=subprocess.DEVNULL) as shown:
        assert shown.wait() == 0
    os.close(screen)
    printed = os.read(terminal, 4096).decode()
    os.close(terminal)
    assert "Hello␛[31m red" in printed
    assert not set("\x1b\x07\x9b\u202e") & set(printed)


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'sentence_transformers', 'faiss', 'gradio', 'numpy', 'bm25s'}"
    code = f"import sys, bot.cli\ntry: bot.cli.main(['--help'])\nexcept SystemExit: print({heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("set()\n")
    assert "ask" in ran.stdout


def test_a_reader_that_stops_reading_is_no_error(index: Path) -> None:
    command = f"{sys.executable} -m bot show {DOCUMENT} --index '{index}' | head -c 5"
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "Detai", "")


def test_a_defect_of_ours_ends_with_1_and_its_traceback() -> None:
    code = "import bot.cli\nbot.cli._ask = lambda options: 1 / 0\nraise SystemExit(bot.cli.main(['ask', 'a']))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "ZeroDivisionError" in ran.stderr


# Accounts


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "bot.toml"
    path.write_text(f'[store]\nurl = "sqlite:///{tmp_path / "store.db"}"\n')
    return path


def test_accounts_are_made_listed_and_removed(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def user(*arguments: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        status = main(["user", *arguments, "--config", str(settings)])
        return status, *capsys.readouterr()

    assert "There is no account yet" in user("list")[1]
    assert user("add", "Lee", "--password-stdin", given="seven grey herons\r\nand more") == (
        0,
        "Lee may log in now, as editor\n",
        "",
    )
    added = user("add", "Vic", "--role", "viewer", "--password-stdin", "--json", given="nine tall reeds")
    assert json.loads(added[1]) == {"name": "Vic", "role": "viewer"}
    assert user("list")[1] == "Lee: editor, not logged in\nVic: viewer, not logged in\n"
    listed = json.loads(user("list", "--json")[1])["accounts"]
    assert [(one["name"], one["role"], one["used"], one["locked"]) for one in listed] == [
        ("Lee", "editor", None, False),
        ("Vic", "viewer", None, False),
    ]
    for arguments, given, problem in (
        (("add", "LEE", "--password-stdin"), "seven grey herons", "already"),
        (("add", "x", "--password-stdin"), "short", "fewer than 12"),
        (("add", "x"), "", "no terminal"),
        (("add", "\x1b[31m", "--password-stdin"), "seven grey herons", "cannot be the name"),
        (("remove", "nobody"), "", "no account nobody"),
        (("unlock", "\x1b[31m"), "", "no account ␛[31m"),
        (("password", "nobody", "--password-stdin"), "seven grey herons", "no account"),
    ):
        status, out, err = user(*arguments, given=given)
        assert (status, out) == (2, "")
        assert problem in err
    assert user("password", "lee", "--password-stdin", given="another long word")[0] == 0
    assert user("unlock", "lee")[0] == 0
    assert user("remove", "VIC")[0] == 0
    assert user("list")[1] == "Lee: editor, not logged in\n"


def test_a_password_is_asked_for_without_echo(settings: Path) -> None:
    command = [sys.executable, "-m", "bot", "user", "add", "Lee", "--config", str(settings)]

    def asked(*typed: str) -> tuple[int, str]:
        terminal, theirs = pty.openpty()
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        seen = ""
        for prompt, words in zip(("New password: ", "Once more: "), typed, strict=True):
            while prompt not in seen:
                seen += os.read(terminal, 1024).decode()
            os.write(terminal, f"{words}\n".encode())
        with contextlib.suppress(OSError):  # the end of a terminal
            while more := os.read(terminal, 1024):
                seen += more.decode()
        os.close(terminal)
        return process.wait(), seen

    status, seen = asked("seven grey herons", "seven grey heron")
    assert status == 2
    assert "the two passwords are not the same" in seen
    status, seen = asked("seven grey herons", "seven grey herons")
    assert status == 0, seen
    assert "Lee may log in now" in seen
    assert "herons" not in seen
