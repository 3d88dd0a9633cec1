"""Test sets: run one, see its figures, and what changed since the last time, question by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from bot.bot import Bot
from bot.documents import Document
from bot.errors import PlainquoteError, UsageError
from bot.evaluate import Evaluation, measure
from bot.evaluation import editing, history
from bot.evaluation.alarms import is_labelled
from bot.evaluation.datasets import Dataset, read_dataset
from bot.evaluation.history import Move, Outcome, Run
from bot.evaluation.opening import open_bot
from bot.ui.staff.desk import Desk, Editor, LoggedIn
from bot.ui.staff.jobs import Report

HOME = "/staff/tests"
ROWS = 50
"""Questions on a page."""
MOVES: Mapping[Move, str] = {
    "worse": "Was right",
    "better": "Was not right",
    "other_quote": "Other first quote",
    "new": "New question",
    "": "",
}
_ORDER: tuple[Move, ...] = ("worse", "other_quote", "better", "new", "")
_ABOUT = {
    "nDCG@10": "How well the first ten are ordered",
    "R@10": "Share of what answers that is among the first ten",
    "R@100": "Share of what answers that is among the first hundred",
    "RR@10": "One over the place of the first that answers",
    "Success@1": "Questions whose first passage answers",
    "Success@3": "Questions with an answer among the first three",
    "AUROC": "Ranks an answerable question above an unanswerable one",
    "answered_when_answerable": "Answerable questions that got quotes",
    "answered_when_unanswerable": "Unanswerable questions that got quotes",
    "correct_when_answered": "First quote right, of the answerable ones that got quotes",
}


@dataclass(frozen=True, slots=True)
class TestSet:
    """name: its path within the folder of all. is_own: its questions are about the desk's own documents."""

    __test__ = False  # it is none of pytest's

    name: str
    path: Path
    is_own: bool

    @property
    def file(self) -> Path:
        return self.path if self.path.is_file() else self.path / "questions.jsonl"


@dataclass(frozen=True, slots=True)
class Figure:
    """change: against the run before, over the same questions where `p` is known."""

    name: str
    about: str
    value: float
    low: float | None
    high: float | None
    change: float | None = None
    p: float | None = None
    better: int = 0
    worse: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A set in the list. problem: why it cannot be read; right: the share of its questions, of the last run."""

    of: TestSet
    dataset: Dataset | None
    problem: PlainquoteError | None
    last: Run | None
    right: float | None


@dataclass(frozen=True, slots=True)
class Row:
    outcome: Outcome
    verdict: str
    move: str
    before: Outcome | None
    check: str


def test_sets(root: Path) -> list[TestSet]:
    """What `[staff] tests` holds: the folder or file itself, the folders in it and its other files of questions."""
    if root.is_file():
        return [TestSet(root.name, root, True)]
    if not root.is_dir():
        return []
    places = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    found = [
        TestSet("." if place == root else place.name, place, not _has_corpus(place))
        for place in places
        if (place / "questions.jsonl").is_file() or _has_corpus(place)
    ]
    if not _has_corpus(root):
        files = (path for path in sorted(root.glob("*.jsonl")) if path.is_file() and not path.name.startswith("."))
        others = (path for path in files if path.name not in ("questions.jsonl", "spans.jsonl"))
        found += [TestSet(path.name, path, True) for path in others if not _is_labelled(path)]
    return found


def own_sets(root: Path) -> tuple[dict[str, Dataset], list[tuple[str, PlainquoteError]]]:
    """The sets about the desk's own documents, by title, and those that cannot be read, with what is wrong."""
    found: dict[str, Dataset] = {}
    problems = []
    for one in test_sets(root):
        dataset, problem = _read(one) if one.is_own else (None, None)
        if problem:
            problems.append((title_of(one), problem))
        elif dataset:
            found[title_of(one)] = dataset
    return found, problems


def _has_corpus(folder: Path) -> bool:
    return (folder / "queries.jsonl").is_file() and (folder / "corpus.jsonl").is_file()


def _is_labelled(path: Path) -> bool:
    try:
        return is_labelled(path)
    except UsageError:
        return False  # it is listed, and reading it says what is wrong


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix=HOME)
    root = Path(desk.config.staff.tests)
    kept = desk.index / "evaluations"

    def find(name: str) -> TestSet:
        found = next((one for one in test_sets(root) if one.name == name), None)
        if found is None:
            raise UsageError(f"there is no test set {name!r}", remedy="Choose one of the list.")
        return found

    def last_runs(name: str, most: int = 2) -> Iterator[Run]:
        for id in history.runs(kept, name)[:most]:
            yield history.load(kept, name, id)

    @routes.get("")
    def listed(request: Request, user: LoggedIn) -> Response:
        rows = []
        for one in test_sets(root):
            dataset, problem = _read(one)
            last = next(last_runs(one.name, 1), None)
            right = sum(o.verdict == "right" for o in last.outcomes) / max(1, len(last.outcomes)) if last else None
            rows.append(Listed(one, dataset, problem, last, right))
        return desk.page(request, "testsets.html", rows=rows, title=title_of, address=_address)

    @routes.get("/set")
    def one(
        request: Request,
        user: LoggedIn,
        name: str,
        run: str | None = None,
        show: Literal["all", "changed", "wrong"] = "all",
        page: int = 1,
    ) -> Response:
        test_set = find(name)
        dataset, problem = _read(test_set)
        ids = history.runs(kept, name)
        now = history.load(kept, name, run or ids[0]) if ids else None
        earlier = [id for id in ids if now and ids.index(id) > ids.index(now.id)]
        before = history.load(kept, name, earlier[0]) if earlier else None
        rows = _rows(now, before) if now else []
        chosen = [row for row in rows if _is_shown(row, show)]
        first = (min(max(page, 1), 1 + max(0, len(chosen) - 1) // ROWS) - 1) * ROWS

        def url(**change: Any) -> str:
            return _address(name, **{"run": run, "show": None if show == "all" else show} | change)

        return desk.page(
            request,
            "testset.html",
            set=test_set,
            title=title_of(test_set),
            dataset=dataset,
            problem_of_set=problem,
            unfit=_unfit(dataset, desk.bot.index.documents) if dataset and test_set.is_own else [],
            running=desk.jobs.running("evaluation"),
            run=now,
            before=before,
            runs=ids,
            figures=_figures(now, before) if now else [],
            moved=Counter(row.move for row in rows if row.move),
            wrong=sum(row.outcome.verdict != "right" for row in rows),
            rows=chosen[first : first + ROWS],
            editable=_editable(test_set, dataset),
            first=first,
            total=len(chosen),
            show=show,
            url=url,
            here=url(page=first // ROWS + 1 if first else None),
            previous=url(page=first // ROWS) if first else None,
            following=url(page=first // ROWS + 2) if first + ROWS < len(chosen) else None,
            is_current=now is not None and now.generation in ("", desk.bot.index.generation),
        )

    @routes.post("/run")
    def start(request: Request, user: Editor, name: Annotated[str, Form()]) -> Response:
        test_set = find(name)

        def work(report: Report) -> str:
            made, generation = _run(desk, test_set, kept / "indexes", report)
            outcomes = tuple(map(Outcome.of, made.asked))
            figures = made.to_dict()
            run = history.keep(kept, name, Run("", history.now(), user.name, generation, figures, outcomes))
            right = sum(one.verdict == "right" for one in run.outcomes)
            report(1.0, f"{right} of {len(run.outcomes)} questions were met rightly.")
            return _address(name)

        job = desk.jobs.start("evaluation", f"Running the test set {title_of(test_set)}", work)
        return desk.leave(request, f"/staff/jobs/{job.id}")

    @routes.get("/remove")
    def ask(request: Request, user: LoggedIn, name: str, id: str, back: str = "") -> Response:
        test_set = find(name)
        dataset, problem = _read(test_set)
        questions = (*dataset.questions, *dataset.unanswerable) if dataset else ()
        question = next((one for one in questions if one.id == id), None)
        if question is None or id not in _editable(test_set, dataset):
            raise problem or UsageError(f"there is no question {id!r} in this set", remedy="Go back to its list.")
        return desk.page(
            request, "testset_remove.html", set=test_set, question=question, back=_own(back, _address(name))
        )

    @routes.post("/remove")
    def remove(
        request: Request,
        user: Editor,
        name: Annotated[str, Form()],
        id: Annotated[str, Form()],
        back: Annotated[str, Form()] = "",
    ) -> Response:
        test_set = find(name)
        if not test_set.is_own:
            raise UsageError("the questions of this set are not edited here", remedy="Edit its files.")
        editing.remove(test_set.file, id)
        return desk.leave(request, _own(back, _address(name)), f"The question {id} was removed from the test set.")

    return routes


def _own(back: str, otherwise: str) -> str:
    return back if back.startswith(f"{HOME}/set?") else otherwise


def _address(name: str, **more: Any) -> str:
    return f"{HOME}/set?" + urlencode({"name": name} | {key: value for key, value in more.items() if value})


def title_of(test_set: TestSet) -> str:
    return test_set.path.resolve().name if test_set.name == "." else test_set.name


def _read(test_set: TestSet) -> tuple[Dataset | None, PlainquoteError | None]:
    try:
        return read_dataset(test_set.path), None
    except UsageError as error:
        return None, error


def _editable(test_set: TestSet, dataset: Dataset | None) -> frozenset[str]:
    """The ids of the questions that can be removed here."""
    if not test_set.is_own or dataset is None:
        return frozenset()
    return frozenset(question.id for question in (*dataset.questions, *dataset.unanswerable))


def _unfit(dataset: Dataset, documents: Mapping[str, Document]) -> list[tuple[str, UsageError]]:
    """Questions whose place is no longer in the documents, with what is wrong: they keep the set from being run."""
    found = []
    for id, golds in dataset.gold.items():
        try:
            for gold in golds:
                gold.resolve(id, documents)
        except UsageError as error:
            found.append((id, error))
    return found


def _run(desk: Desk, test_set: TestSet, indexes: Path, report: Report) -> tuple[Evaluation, str]:
    """Asks one index from the first question to the last, whatever is published meanwhile; and its generation, where
    it is the desk's own."""
    dataset = read_dataset(test_set.path)
    if not dataset.questions:
        raise UsageError(f"{test_set.name} has no questions to ask", remedy="Choose another set.")
    report(0.0, "Opening the index")
    bot, generation = desk.bot, ""
    if test_set.is_own:
        bot = Bot(bot.index, bot.encoder, bot.config)
        generation = bot.index.generation or ""
    else:
        bot = open_bot(dataset, bot.encoder, bot.config, corpus=desk.corpus, cache=indexes)
    return measure(bot, dataset.resolve(bot.index.documents), report=report), generation


def _figures(now: Run, before: Run | None) -> list[Figure]:
    changed = history.changes(before, now) if before else {}
    metrics: Mapping[str, float] = now.figures["metrics"] or {}
    intervals = now.figures["intervals"] or {}
    found = []
    for name, value in metrics.items():
        change = changed.get(name)
        low, high = intervals[name]
        made = Figure(name, _ABOUT.get(name, ""), value, low, high)
        if change:
            made = Figure(name, made.about, value, low, high, change.difference, change.p, change.better, change.worse)
        found.append(made)
    refusal = now.figures["abstention"]
    earlier = (before.figures["abstention"] if before else None) or {}
    for name, (low, high) in (refusal["intervals"] if refusal else {}).items():
        difference = refusal[name] - earlier[name] if name in earlier else None
        found.append(Figure(name, _ABOUT.get(name, ""), refusal[name], low, high, difference))
    return found


def _rows(now: Run, before: Run | None) -> list[Row]:
    """What got worse first, then what else changed, then what is not right; else in the set's order."""
    moved = history.moves(before, now) if before else {}
    earlier = {one.id: one for one in before.outcomes} if before else {}
    ordered = sorted(now.outcomes, key=lambda one: (_ORDER.index(moved.get(one.id, "")), one.verdict == "right"))
    return [
        Row(
            one,
            _verdict(one),
            MOVES[moved.get(one.id, "")],
            earlier.get(one.id),
            "/staff/check?" + urlencode({"question": one.question}),
        )
        for one in ordered
    ]


def _verdict(one: Outcome) -> str:
    if one.answerable:
        return {"right": "Right", "wrong": "Wrong quote", "refused": "Refused"}[one.verdict]
    return "Rightly refused" if one.verdict == "right" else "Quoted, has no answer"


def _is_shown(row: Row, show: str) -> bool:
    return show == "all" or (bool(row.move) if show == "changed" else row.outcome.verdict != "right")
