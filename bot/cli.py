"""The commands: ``bot index | ask | search | show | triage | check | generations | rollback | consistency
| eval | calibrate | user | serve``.

Results go to standard output, everything else to standard error. Exit status: 0 done (a refusal is
done), 2 a problem that the user can mend, 1 a defect of ours (with its traceback). Nothing heavy is imported
before a command runs, so ``bot --help`` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot import __version__
from bot.errors import IndexUnusable, PlainquoteError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from bot.accounts import Accounts
    from bot.answer import Answer, Quote
    from bot.bot import Bot
    from bot.config import Config
    from bot.consistency import Finding
    from bot.documents import Document
    from bot.explain import Explanation, Why
    from bot.index import Index, Report
    from bot.retrieve import Hits

DEFAULT_CORPUS = Path("corpus")
DEFAULT_INDEX = Path("index")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    options = _parser().parse_args(arguments)
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("httpx", "faiss", "bm25s", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except PlainquoteError as error:
        _print_error(error)
        return 2
    except BrokenPipeError:
        # The reader of our output has gone (`bot show … | head`): nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--corpus", type=Path, metavar="DIR", help="the documents (default: corpus/)")
    common.add_argument("--index", type=Path, metavar="DIR", default=DEFAULT_INDEX, help="the index (default: index/)")
    common.add_argument("--config", type=Path, metavar="FILE", help="the settings (default: bot.toml)")
    common.add_argument("--json", action="store_true", help="print JSON and nothing else on standard output")

    parser = argparse.ArgumentParser(
        prog="bot", description="Answers questions from a clinic's own documents, word for word."
    )
    parser.add_argument("--version", action="version", version=f"plainquote {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=summary, description=summary)
        made.set_defaults(run=run)
        return made

    index = command("index", _index, "build the index from the corpus, or bring it up to date")
    index.add_argument("--rebuild", action="store_true", help="use nothing of an index that is there")
    index.add_argument("--report", type=Path, metavar="FILE", help="write what came of each file as an HTML page")
    index.add_argument("--watch", action="store_true", help="go on and follow every change, until Ctrl-C or SIGTERM")

    ask = command("ask", _ask, "answer a question, or a file of questions")
    ask.add_argument("question", nargs="?", metavar="QUESTION")
    ask.add_argument("--history", type=Path, metavar="FILE", help="a JSON list of earlier questions")
    ask.add_argument(
        "--input", type=Path, metavar="FILE", help='JSON Lines: {"id", "question", "history"?}; "-" is standard input'
    )
    ask.add_argument("--output", type=Path, metavar="FILE", help="where the answers to --input go, in its order")

    search = command("search", _search, "rank passages for a query; never refuses")
    search.add_argument("query", metavar="QUERY")
    search.add_argument("-k", type=int, default=10, help="how many passages (default: 10)")

    why = command("why", _why, "say why passages are quoted for a question, or what keeps them out")
    why.add_argument("question", metavar="QUESTION")
    why.add_argument("--history", type=Path, metavar="FILE", help="a JSON list of earlier questions")
    why.add_argument("--own-words", action="store_true", help="search the question as it is")
    why.add_argument("--document", metavar="ID", help="only passages of this document, however they rank")
    why.add_argument("--start", type=int, metavar="N", help="of these, those from this character on")
    why.add_argument("--end", type=int, metavar="N", help="and before this one")
    why.add_argument("-k", type=int, default=10, help="how many of the best passages (default: 10)")

    show = command("show", _show, "print a document's text, or a slice of it, byte for byte")
    show.add_argument("document", metavar="DOCUMENT", help="its id: the path in the corpus, or the record's _id")
    show.add_argument("--start", type=int, metavar="N", help="first character, from 0")
    show.add_argument("--end", type=int, metavar="N", help="the character after the last one")

    triage = command("triage", _triage, "what the emergency and personal-question rules say of a text")
    triage.add_argument("text", nargs="?", metavar="TEXT")
    triage.add_argument(
        "--input", type=Path, metavar="FILE", help='JSON Lines: {"text", "history"?}, answered line by line'
    )

    command("check", _check, "verify the index: hashes, slices, model, settings and source files")

    command("generations", _generations, "list the generations of the index that are kept")
    rollback = command("rollback", _rollback, "make an earlier generation current again, and its files the corpus's")
    rollback.add_argument("generation", nargs="?", metavar="GENERATION", help="default: the one before the current one")

    consistency = command("consistency", _consistency, "list sentences of different documents that may contradict")
    consistency.add_argument("-n", type=int, default=50, metavar="N", help="how many pairs to print (default: 50)")

    evaluate = command("eval", _eval, "measure retrieval, refusal and highlights over a dataset")
    evaluate.add_argument("dataset", type=Path, metavar="DATASET", help="its folder, or your own questions.jsonl")
    evaluate.add_argument("--queries", type=Path, metavar="FILE", help="other questions with the same ids")
    evaluate.add_argument("--run", type=Path, metavar="FILE", dest="run_file", help="write the rankings as a TREC run")
    evaluate.add_argument("--qrels", type=Path, metavar="FILE", help="write the judgements as TREC qrels")
    evaluate.add_argument("--compare", type=Path, metavar="RUN", help="an earlier run: what changed, and by chance?")
    evaluate.add_argument("--html", type=Path, metavar="FILE", help="write a report, complete in one file")
    calibrate = command("calibrate", _calibrate, "fit the confidence to datasets")
    calibrate.add_argument("datasets", type=Path, nargs="+", metavar="DATASET")
    calibrate.add_argument("--output", type=Path, metavar="FILE", help="where the calibration goes")
    calibrate.add_argument(
        "--without", action="append", default=[], metavar="KIND", help="leave out unanswerable questions of this kind"
    )
    for measuring in (evaluate, calibrate):
        measuring.add_argument(
            "--unanswerable",
            type=Path,
            metavar="FILE",
            action="append",
            default=[],
            help="more questions that the documents cannot answer; may be given again",
        )
        measuring.add_argument("--cache", type=Path, metavar="DIR", help="keeps indexes (default: .cache/plainquote/)")

    user = commands.add_parser("user", help="the accounts of the staff's desk", description="The accounts of the desk.")
    actions = user.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, run: Callable[[argparse.Namespace], int], summary: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary)
        made.add_argument("--config", type=Path, metavar="FILE", help="the settings (default: bot.toml)")
        made.add_argument("--json", action="store_true", help="print JSON and nothing else on standard output")
        made.set_defaults(run=run)
        return made

    added = action("add", _user_add, "make an account; its password is asked for")
    added.add_argument("--role", choices=["editor", "viewer"], default="editor", help="default: editor")
    action("list", _user_list, "list the accounts")
    renewed = action("password", _user_password, "give an account another password; it is logged out everywhere")
    removed = action("remove", _user_remove, "remove an account; it is logged out everywhere")
    unlocked = action("unlock", _user_unlock, "let an account log in again after too many wrong passwords")
    for named in (added, renewed, removed, unlocked):
        named.add_argument("name", metavar="NAME")
    for asking in (added, renewed):
        asking.add_argument("--password-stdin", action="store_true", help="read it from standard input, one line")

    serve = command("serve", _serve, "serve the web chat")
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    serve.add_argument("--port", type=int, help="port to listen on (default: 7860; 0 takes a free one)")
    serve.add_argument("--log-format", choices=("text", "json"), help="how to log (default: text)")
    return parser


def _index(options: argparse.Namespace) -> int:
    _check_folder(options.report)
    if options.watch:
        return _watch(options)
    _tell(options, _updater(options)())
    return 0


def _watch(options: argparse.Namespace) -> int:
    """SIGTERM ends it wherever it is, as Ctrl-C does, but is no failure: so services are stopped."""
    import logging
    import signal
    import threading

    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        from bot.watch import watch

        corpus = options.corpus or DEFAULT_CORPUS
        logging.getLogger("bot.index").setLevel(logging.ERROR)  # the reports say it, and only what is new
        watch(corpus, _updater(options), lambda report: _tell(options, report), _print_error, ended)
    except KeyboardInterrupt:
        if not ended.is_set():
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _updater(options: argparse.Namespace) -> Callable[[], Report]:
    """Brings the index up to date whenever it is called; only the first time, `--rebuild` counts."""
    from bot.index import Index, encoder_for

    config = _config(options)
    encoder = encoder_for(options.index, config.model, rebuild=options.rebuild)
    corpus = options.corpus or DEFAULT_CORPUS
    rebuild = iter([options.rebuild])
    return lambda: Index.update(options.index, corpus, encoder, config, rebuild=next(rebuild, False))


def _tell(options: argparse.Namespace, report: Report) -> None:
    if options.report:
        from bot import ingest_report

        with _writer(options.report) as write:
            write(ingest_report.html(_inventory(report)))
    if options.json:
        _print_json(_inventory(report))
    else:
        _print(
            f"{len(report.added)} added, {len(report.changed)} changed, {len(report.removed)} removed, "
            f"{report.unchanged} unchanged, {len(report.skipped)} skipped; "
            f"{report.passages} passages, {report.embedded} of them embedded now; {report.seconds:.1f} s"
        )
        for skipped in report.skipped:
            _print(f"skipped {skipped.path}: {skipped.reason}")
        for caution in report.cautions:
            _print(f"note {caution.path}: {caution.message}")
    sys.stdout.flush()  # whoever reads along must not wait for the next round


def _inventory(report: Report) -> dict[str, Any]:
    from datetime import date

    from bot.inventory import inventory

    return inventory(report, date.today())


def _ask(options: argparse.Namespace) -> int:
    if (options.question is None) == (options.input is None):
        raise UsageError("there is no question, or two", remedy='Give either "QUESTION" or --input FILE.')
    if options.input is not None:
        if options.history is not None:
            raise UsageError(
                "--history does not go with --input", remedy='Give each line of the input its own "history".'
            )
        return _ask_batch(options)
    if options.output is not None:
        raise UsageError("--output goes with --input", remedy="Give --input FILE, or redirect the output.")
    history = _read_history(options.history) if options.history else []
    answer = _open(options).ask(options.question, history)
    if options.json:
        _print_json(answer.to_dict())
    else:
        _print_answer(answer)
    return 0


def _ask_batch(options: argparse.Namespace) -> int:
    """Answers line by line. A line that cannot be asked gives a line with its error, and the rest goes on;
    the exit status is then 2."""
    bot = _open(options)
    failed = False
    with _lines(options.input) as lines, _writer(options.output) as write:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            record: Any = None
            try:
                record = _read_record(line, f"{options.input} line {number}")
                result = bot.ask(record["question"], record.get("history") or []).to_dict()
            except PlainquoteError as error:
                failed = True
                result = {"error": error.to_dict()}
            write(json.dumps({"id": record.get("id") if isinstance(record, dict) else None, **result}) + "\n")
    return 2 if failed else 0


def _read_record(line: str, where: str, key: str = "question") -> dict[str, Any]:
    remedy = f'Write one JSON object a line: {{"{key}": "…"}}.'
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: {error}", remedy=remedy) from error
    if not isinstance(record, dict) or key not in record:
        raise UsageError(f"{where} has no {key}", remedy=remedy)
    return record


def _read_history(path: Path) -> list[str]:
    remedy = 'Give a JSON list of earlier questions, oldest first: ["…", "…"].'
    with _lines(path) as lines:
        text = "".join(lines)
    try:
        history = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", remedy=remedy) from error
    if not isinstance(history, list):
        raise UsageError(f"{path} is not a list", remedy=remedy)
    return history


def _search(options: argparse.Namespace) -> int:
    hits = _open(options).search(options.query, options.k)
    if options.json:
        _print_json(hits.to_dict())
    else:
        _print_hits(hits)
    return 0


def _why(options: argparse.Namespace) -> int:
    from bot.explain import explain, rows_at

    if options.document is None and (options.start, options.end) != (None, None):
        raise UsageError("--start and --end are of no document", remedy="Give its --document.")
    bot = _open(options)
    history = _read_history(options.history) if options.history else []
    found = explain(bot, options.question, history, own_words=options.own_words)
    if options.document is None:
        passages = found.best(options.k)
    else:
        start, end = _slice(found.index.document(options.document), options.start, options.end)
        passages = [found.why(row) for row in rows_at(found.index, options.document, start, end)]
    if options.json:
        _print_json({**found.to_dict(), "passages": [why.to_dict() for why in passages]})
    else:
        _print_reasons(found, passages)
    return 0


def _show(options: argparse.Namespace) -> int:
    from bot.index import Index

    document = Index.load(options.index, choice=_config(options).index).document(options.document)
    start, end = _slice(document, options.start, options.end)
    text = document.text[start:end]
    if options.json:
        _print_json({"document": document.id, "start": start, "end": end, "text": text, "sha256": document.sha256})
    elif sys.stdout.isatty():
        _print(text)
    else:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    return 0


def _slice(document: Document, start: int | None, end: int | None) -> tuple[int, int]:
    """The range that is asked for; None is the document's own beginning or end."""
    first = 0 if start is None else start
    last = len(document.text) if end is None else end
    if not 0 <= first <= last <= len(document.text):
        raise UsageError(
            f"there is no slice {first} to {last}",
            remedy=f"The document has {len(document.text)} characters: give 0 ≤ start ≤ end ≤ that.",
        )
    return first, last


def _triage(options: argparse.Namespace) -> int:
    from bot.triage import triage

    if (options.text is None) == (options.input is None):
        raise UsageError("there is no text, or two", remedy='Give either "TEXT" or --input FILE.')
    if options.input is None:
        found = triage(options.text).to_dict()
        if options.json:
            _print_json(found)
        else:
            _print("\n".join(f"{name}: {value or '–'}" for name, value in found.items()))
        return 0
    failed = False
    with _lines(options.input) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = _read_record(line, f"{options.input} line {number}", "text")
                _print_json(triage(record["text"], record.get("history") or []).to_dict())
            except PlainquoteError as error:
                failed = True
                _print_json({"error": error.to_dict()})
    return 2 if failed else 0


def _generations(options: argparse.Namespace) -> int:
    from bot import generations

    in_use = generations.in_use_now(options.index)
    listed = [
        {
            "generation": kept.id,
            "current": kept.id == in_use,
            "documents": kept.manifest["counts"]["documents"],
            "published": kept.manifest.get("published"),
        }
        for kept in generations.kept(options.index)
    ]
    if options.json:
        _print_json({"generations": listed})
        return 0
    for one in listed:
        made = one["published"]
        by = f", made {made['at']} by {made['who']}" if made else ""
        _print(f"{'*' if one['current'] else ' '} {one['generation']}  {one['documents']} documents{by}")
    return 0


def _rollback(options: argparse.Namespace) -> int:
    from bot.embed import load_encoder
    from bot.publishing import roll_back

    config = _config(options)
    encoder = load_encoder(config.model)
    done = roll_back(options.index, options.corpus, encoder, config, who="command line", generation=options.generation)
    if options.json:
        _print_json(done.to_dict())
    else:
        counts = done.counts
        _print(
            f"generation {done.generation} is current again: {counts['added']} documents added, "
            f"{counts['changed']} changed, {counts['removed']} removed"
        )
    return 0


def _check(options: argparse.Namespace) -> int:
    from bot.check import check

    result = check(options.index, options.corpus, _config(options))
    if options.json:
        _print_json(result.to_dict())
    else:
        for problem in result.problems:
            _print(f"problem: {problem}")
        _print(
            f"{result.documents} documents, {result.passages} passages, {len(result.problems)} problems"
            + ("" if result.problems else ": all is as it should be")
        )
    if result.problems:
        raise IndexUnusable(f"{len(result.problems)} problems in the index", remedy="Build it again: bot index")
    return 0


def _consistency(options: argparse.Namespace) -> int:
    """What the desk shows: pairs that were judged to be fine are left out."""
    from bot import surveys
    from bot.consistency import survey
    from bot.index import Index

    index = Index.load(options.index, choice=_config(options).index)
    made = surveys.load(options.index)
    if made is None or made.generation != index.generation:
        made = survey(index)
        surveys.save(options.index, made)
    fine = surveys.judged(options.index)
    found = [finding for finding in made.findings if finding.key not in fine]
    if options.json:
        _print_json({**made.to_dict(), "findings": [_with_texts(finding, index) for finding in found]})
        return 0
    for number, finding in enumerate(found[: options.n], start=1):
        _print(f"\n{number}. {', '.join(finding.kinds)} ({finding.suspicion:.2f})")
        for place in (finding.first, finding.second):
            _print(f"  [{place.document} {place.start}-{place.end}] {index.documents[place.document].title}")
            _print(f"    {' '.join(index.documents[place.document].text[place.start : place.end].split())}")
    _print(f"\n{len(found)} pairs to look at, {len(made.findings) - len(found)} judged to be fine")
    return 0


def _with_texts(finding: Finding, index: Index) -> dict[str, Any]:
    found: dict[str, Any] = finding.to_dict()
    for side in ("first", "second"):
        place = found[side]
        place["text"] = index.documents[place["document"]].text[place["start"] : place["end"]]
    return found


def _eval(options: argparse.Namespace) -> int:
    from bot import report
    from bot.evaluate import evaluate
    from bot.evaluation.alarms import alarms, is_labelled
    from bot.evaluation.trec import write_qrels, write_run

    _check_folder(options.run_file, options.qrels, options.html)
    if is_labelled(options.dataset):
        found = alarms(options.dataset).to_dict()
        _print(json.dumps(found) if options.json else report.alarms(found))
        return 0
    result = evaluate(
        options.dataset,
        _config(options),
        corpus=options.corpus or DEFAULT_CORPUS,
        cache=options.cache,
        queries=options.queries,
        unanswerable=options.unanswerable,
        run=options.compare,
    )
    if options.run_file:
        write_run(options.run_file, result.rankings)
    if options.qrels:
        write_qrels(options.qrels, result.dataset.judgements)
    if options.html:
        with _writer(options.html) as write:
            write(report.html(result))
    if options.json:
        _print_json(result.to_dict())
    else:
        _print(report.text(result))
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from bot import report
    from bot.evaluation.calibrate import calibrate

    result = calibrate(
        options.datasets,
        _config(options),
        corpus=options.corpus or DEFAULT_CORPUS,
        cache=options.cache,
        unanswerable=options.unanswerable,
        without=options.without,
    ).to_dict()
    if options.output:
        with _writer(options.output) as write:
            write(json.dumps(result, indent=2) + "\n")
    if options.json:
        _print_json(result)
    else:
        _print(report.calibration(result))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from bot.ui import logs
    from bot.ui.server import serve

    config = _config(options)
    logs.configure(replace(config.log, format=options.log_format or config.log.format))

    def opened() -> Bot:
        from bot.bot import Bot

        bot = Bot.open(options.index, corpus=options.corpus, config=config)
        bot.warm_up()
        return bot

    web = config.web
    serve(
        opened,
        config,
        host=web.host if options.host is None else options.host,
        port=web.port if options.port is None else options.port,
    )
    return 0


def _user_add(options: argparse.Namespace) -> int:
    with _accounts(options) as accounts:
        user = accounts.add(options.name, options.role, _new_password(options))
    _tell_user(options, f"{user.name} may log in now, as {user.role}", {"name": user.name, "role": user.role})
    return 0


def _user_list(options: argparse.Namespace) -> int:
    with _accounts(options) as accounts:
        found = accounts.everyone()
    if options.json:
        listed = [
            {
                "name": account.user.name,
                "role": account.user.role,
                "created": account.created.isoformat(),
                "used": account.used.isoformat() if account.used else None,
                "locked": account.locked,
            }
            for account in found
        ]
        _print_json({"accounts": listed})
        return 0
    for account in found:
        used = f"logged in, last used {account.used:%Y-%m-%d %H:%M} UTC" if account.used else "not logged in"
        _print(f"{account.user.name}: {account.user.role}, {used}{', locked' if account.locked else ''}")
    if not found:
        _print("There is no account yet. Make one: bot user add NAME")
    return 0


def _user_password(options: argparse.Namespace) -> int:
    with _accounts(options) as accounts:
        accounts.set_password(options.name, _new_password(options))
    _tell_user(options, f"{options.name} has a new password, and is logged out everywhere", {"name": options.name})
    return 0


def _user_remove(options: argparse.Namespace) -> int:
    with _accounts(options) as accounts:
        accounts.remove(options.name)
    _tell_user(options, f"{options.name} is removed, and logged out everywhere", {"name": options.name})
    return 0


def _user_unlock(options: argparse.Namespace) -> int:
    with _accounts(options) as accounts:
        accounts.unlock(options.name)
    _tell_user(options, f"{options.name} may try again", {"name": options.name})
    return 0


def _tell_user(options: argparse.Namespace, words: str, value: dict[str, Any]) -> None:
    if options.json:
        _print_json(value)
    else:
        _print(words)


@contextmanager
def _accounts(options: argparse.Namespace) -> Iterator[Accounts]:
    from bot.accounts import Accounts

    config = _config(options)
    accounts = Accounts(config.store, config.staff)
    try:
        yield accounts
    finally:
        accounts.close()


def _new_password(options: argparse.Namespace) -> str:
    """Never an argument: those can be seen in the list of processes, and stay in the shell's history."""
    if options.password_stdin:
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password", remedy="Pipe it in with --password-stdin.")
    import getpass

    first = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != first:
        raise UsageError("the two passwords are not the same", remedy="Type the same one twice.")
    return first


def _config(options: argparse.Namespace) -> Config:
    from bot.config import Config

    return Config.load(options.config)


def _open(options: argparse.Namespace) -> Bot:
    from bot.bot import Bot

    return Bot.open(options.index, corpus=options.corpus, config=_config(options))


# Reading and printing


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a UTF-8 file, or of standard input for ``-``."""
    try:
        if str(path) == "-":
            yield iter(sys.stdin)
            return
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            yield iter(file)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error}", remedy="Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy="Check the path.") from error


def _check_folder(*paths: Path | None) -> None:
    """Raises UsageError where a file has no folder to go to, before minutes are spent on what it is to hold."""
    for path in filter(None, paths):
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", remedy="Check the path, or create the folder.")


@contextmanager
def _writer(path: Path | None) -> Iterator[Callable[[str], Any]]:
    """Writes to `path` through a file beside it, so that an old file stays whole until the new one is; to
    standard output without a path."""
    if path is None:
        yield sys.stdout.write
        return
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("w", encoding="utf-8") as file:
            yield file.write
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", remedy="Check the path.") from error


def _print_json(value: dict[str, Any]) -> None:
    """ASCII, so that no character of a document reaches a terminal as a command."""
    _print(json.dumps(value))


def _print(text: str) -> None:
    sys.stdout.write(_visible(text) + "\n")


def _visible(text: str) -> str:
    """`text` with control characters drawn as symbols, so that a document cannot command a terminal."""
    return "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    if character in "\n\t":
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    # C1 controls, and the marks that turn the direction of writing round.
    if 0x80 <= code < 0xA0 or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069:
        return f"<U+{code:04X}>"
    return character


def _print_error(error: PlainquoteError) -> None:
    sys.stderr.write(_visible(f"error: {error.problem}\nto fix: {error.remedy}\n"))


def _print_answer(answer: Answer) -> None:
    for notice in answer.notices:
        _print(notice.text)
    for suggestion in answer.suggestions:
        _print(f"  - {suggestion.text}")
    for quote in answer.quotes:
        _print(f"\n{quote.rank}. {_citation(quote)}\n")
        _print(quote.text)


def _print_reasons(found: Explanation, passages: Sequence[Why]) -> None:
    _print(f"searched for: {found.query.searched_for}")
    _print(f"shown: {found.shown.replace('_', ' ')}")
    for why in passages:
        hit = why.hit
        _print(f"\n{' > '.join((hit.title, *hit.section))} [{hit.document} {hit.start}-{hit.end}]")
        _print(f"    {' '.join(hit.text.split())[:100]}")
        rank = f"rank {why.rank}" if why.rank else "no candidate"
        _print(
            f"    {rank}, {why.place} of all; score {hit.score:.4f} (cosine {hit.dense:.4f}, best sentence "
            f"{hit.sentence:.4f}, BM25 {hit.lexical:.2f}: {', '.join(word.words for word in why.words) or 'no words'})"
        )
        _print(f"    confidence {why.confidence:.3f}, threshold {why.threshold:.3f}, margin {why.margin:+.3f}")
        for reason in why.reasons:
            _print(f"    not quoted: {reason.text}")
        if why.is_quoted:
            _print(f"    quoted in quote {why.quote}")


def _citation(quote: Quote) -> str:
    parts = [quote.title, *quote.section]
    if quote.page is not None:
        parts.append(f"page {quote.page}")
    return f"{' > '.join(parts)} [{quote.document} {quote.start}-{quote.end}]"


def _print_hits(hits: Hits) -> None:
    for hit in hits:
        _print(
            f"{hit.rank:3} {hit.score:.4f} (cosine {hit.dense:.4f}, BM25 {hit.lexical:.2f}) "
            f"{hit.document} {hit.start}-{hit.end}\n    {' '.join(hit.text.split())[:100]}"
        )
