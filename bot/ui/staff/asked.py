"""What patients ask: how it went by day, what was asked in vain, what did not help; from there into the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response, StreamingResponse
from markupsafe import Markup
from starlette.exceptions import HTTPException

from bot import asked
from bot.asked import Nearest, NoticeAgain, Period, QuoteAgain, Vectors
from bot.charts import Bar, bars
from bot.errors import PlainquoteError, UsageError
from bot.evaluation import editing
from bot.evaluation.datasets import Question, Range
from bot.redact import MARKS
from bot.shown import Kept, Outcome
from bot.ui.staff.desk import Desk, Editor, LoggedIn
from bot.ui.staff.jobs import Report

HOME = "/staff/asked"
DAYS = (7, 30, 90)
USUAL = 30
GROUPS = 8
"""Groups of questions on a page; for each its nearest passages are searched."""
ROWS = 50
ANSWERS = 10
"""Answers on a page that shows them whole."""
PATIENCE = 0.25
"""Seconds that a page may spend on comparing questions; a job does the rest."""
COMPARING = "comparing questions"
"""The kind of that job."""
CHOICES = 5
"""Passages from which the answer to a test question is chosen."""
OUTCOMES: Mapping[Outcome, str] = {
    "answered": "Answered",
    "not_found": "Nothing found",
    "emergency": "Emergency",
    "fault": "Fault",
}
KINDS = {
    "not_covered": "On our subject, but our documents do not cover it",
    "off_topic": "On another subject",
    "adversarial": "Looks as if it were covered, but is not",
}
REASONS = {
    "wrong_passage": "Not the right passage",
    "unclear": "Hard to understand",
    "out_of_date": "Out of date",
    "other": "Something else",
    None: "No reason given",
}
assert set(OUTCOMES) == set(get_args(Outcome))  # noqa: S101  # or a row would have no name
_PLOTS = (
    ("answered", "Answered", "Quotes were shown."),
    ("refused", "Nothing found", "The documents had no answer."),
    ("emergencies", "Emergencies", "A card said whom to call."),
    ("faults", "Faults", "The question could not be answered for a technical reason."),
)


@dataclass(frozen=True, slots=True)
class Days:
    """The days that a page is about, UTC, both included. problem: why they are not those that were asked for."""

    since: date
    until: date
    problem: str | None = None

    @classmethod
    def read(cls, query: Mapping[str, str], today: date, kept: int) -> Days:
        """From the parameters ``from`` and ``to``; what is not kept any more is not asked for."""
        first = today - timedelta(days=min(kept, (today - date.min).days))
        usual = cls(max(first, today - timedelta(days=USUAL - 1)), today)

        def within(day: date) -> date:
            return min(max(day, first), today)

        try:
            until = date.fromisoformat(query["to"]) if query.get("to") else usual.until
            since = date.fromisoformat(query["from"]) if query.get("from") else until - timedelta(days=USUAL - 1)
        except (ValueError, OverflowError):
            return cls(usual.since, usual.until, "Those are no dates such as 2026-03-31: here are the last 30 days.")
        if since > until:
            return cls(usual.since, usual.until, "The first day comes after the last one: here are the last 30 days.")
        return cls(within(since), within(until))

    def url(self, path: str = "", **more: object) -> str:
        query = {"from": self.since, "to": self.until} | {name: value for name, value in more.items() if value}
        return f"{HOME}{path}?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class AnswerAgain:
    """An answer as it was shown, as far as it can be shown again."""

    kept: Kept
    quotes: list[QuoteAgain]
    notices: list[NoticeAgain]
    same_generation: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form for a test question holds. places: as the page's boxes name them."""

    answer: str
    question: str
    verdict: str = ""
    places: tuple[str, ...] = ()
    search: str = ""


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(prefix=HOME)
    store, bot = desk.store, desk.bot
    vectors = Vectors(bot.encoder)
    keeping = desk.config.store
    tests = question_file(Path(desk.config.staff.tests))

    def days_of(request: Request) -> Days:
        return Days.read(request.query_params, datetime.now(UTC).date(), keeping.retention_days)

    def page(request: Request, template: str, tab: str, days: Days, **values: Any) -> Response:
        today = datetime.now(UTC).date()
        quick = {days: Days(today - timedelta(days=days - 1), today) for days in DAYS}
        own: dict[str, Any] = {
            "tab": tab,
            "days": days,
            "quick": quick,
            "keeps": keeping.keep_questions,
            "outcomes": OUTCOMES,
        }
        return desk.page(request, template, **own | values)

    def again(rows: Sequence[Kept]) -> list[AnswerAgain]:
        in_use = bot.index.generation or ""
        quotes = asked.quotes_again([kept.shown for kept in rows], bot)
        return [
            AnswerAgain(
                kept, own, asked.notices_again(kept.shown.notices, desk.config), kept.shown.generation == in_use
            )
            for kept, own in zip(rows, quotes, strict=True)
        ]

    @routes.get("")
    def overview(request: Request, user: LoggedIn) -> Response:
        days = days_of(request)
        periods = asked.over_time(store, days.since, days.until)
        opinions = store.opinions(days.since, days.until)
        return page(
            request,
            "asked.html",
            "",
            days,
            periods=periods,
            plots=[_plot(name, title, about, periods) for name, title, about in _PLOTS],
            turns=sum(period.turns for period in periods),
            emergencies=store.emergencies(days.since, days.until),
            helped=sum(one.count for one in opinions if one.helped),
            told=sum(one.count for one in opinions),
            reasons=[(REASONS[one.reason], one.count) for one in opinions if not one.helped],
        )

    @routes.get("/unanswered")
    def unanswered(request: Request, user: LoggedIn, page_number: PageNumber) -> Response:
        days = days_of(request)
        questions = store.unanswered_words(days.since, days.until, limit=asked.NEWEST)
        found = asked.grouped(questions, vectors, PATIENCE)
        first = (page_number - 1) * GROUPS
        shown = found.groups[first : first + GROUPS]
        return page(
            request,
            "asked_unanswered.html",
            "/unanswered",
            days,
            count=store.unanswered_count(days.since, days.until),
            read=len(questions),
            most=asked.NEWEST,
            found=found,
            first=first,
            groups=[(group, asked.nearest(bot, group.typical)) for group in shown],
            before=days.url("/unanswered", page=page_number - 1) if page_number > 1 else None,
            after=days.url("/unanswered", page=page_number + 1) if first + GROUPS < len(found.groups) else None,
            retention_days=keeping.retention_days,
        )

    @routes.post("/unanswered")
    def compare(request: Request, user: LoggedIn) -> Response:
        """Compares all those questions that a page had no time for."""
        days = days_of(request)

        def work(report: Report) -> str:
            questions = store.unanswered_words(days.since, days.until, limit=asked.NEWEST)
            for done, one in enumerate(questions):
                report(done / len(questions), f"{done} of {len(questions)} questions are compared.")
                vectors.of([words] if (words := asked.words_of(one.text)) else [])
            return days.url("/unanswered")

        running = desk.jobs.running(COMPARING) or desk.jobs.start(COMPARING, "Comparing questions", work)
        return desk.leave(request, f"/staff/jobs/{running.id}")

    @routes.get("/unhelpful")
    def unhelpful(request: Request, user: LoggedIn, older: str | None = None) -> Response:
        days = days_of(request)
        found = store.not_helpful(days.since, days.until, older=older, limit=ANSWERS)
        return page(
            request,
            "asked_unhelpful.html",
            "/unhelpful",
            days,
            answers=again(found.rows),
            reasons=REASONS,
            newest=days.url("/unhelpful") if older else None,
            after=days.url("/unhelpful", older=found.older) if found.older else None,
        )

    @routes.get("/answers")
    def answers(request: Request, user: LoggedIn, outcome: str = "", older: str | None = None) -> Response:
        days = days_of(request)
        wanted = next((known for known in OUTCOMES if known == outcome), None)
        found = store.answers(days.since, days.until, outcome=wanted, older=older, limit=ROWS)
        return page(
            request,
            "asked_answers.html",
            "/answers",
            days,
            rows=found.rows,
            outcome=wanted,
            newest=days.url("/answers", outcome=wanted) if older else None,
            after=days.url("/answers", outcome=wanted, older=found.older) if found.older else None,
        )

    @routes.get("/answers/{id}")
    def answer(request: Request, user: LoggedIn, id: str) -> Response:
        return page(
            request,
            "asked_answer.html",
            "/answers",
            days_of(request),
            answer=again([_kept(id)])[0],
            reasons=REASONS,
        )

    @routes.get("/export.csv")
    def export(request: Request, user: LoggedIn) -> Response:
        days = days_of(request)
        rows = store.export(days.since, days.until)
        begun = list(islice(rows, 1))  # a store that is down is told as a page
        return StreamingResponse(
            asked.as_csv(chain(begun, rows)),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="answers-{days.since}-to-{days.until}.csv"'},
        )

    @routes.get("/add")
    def add(request: Request, user: Editor, answer: str = "", question: str = "", search: str = "") -> Response:
        if answer and not question:
            question = _kept(answer).shown.question or ""
        return _form(request, Chosen(answer, question, search=search))

    @routes.post("/add")
    def add_it(
        request: Request,
        user: Editor,
        answer: Annotated[str, Form()] = "",
        question: Annotated[str, Form()] = "",
        verdict: Annotated[str, Form()] = "",
        search: Annotated[str, Form()] = "",
        place: Annotated[list[str] | None, Form()] = None,
        find: Annotated[str, Form()] = "",
    ) -> Response:
        chosen = Chosen(answer, question, verdict, tuple(place or ()), search)
        if find:
            return _form(request, chosen)
        documents = bot.index.documents
        try:
            _check_words(question, desk.config.answer.max_question_chars)
            if verdict == "answered":
                places = [read_place(one) for one in chosen.places]
                for range_, sha256 in places:
                    if range_.document not in documents or documents[range_.document].sha256 != sha256:
                        raise UsageError(f"{range_.document} has changed", remedy="Choose the place once more.")
                id = editing.add_answerable(tests, question, [range_ for range_, _ in places], documents)
            elif verdict in KINDS:
                id = editing.add_unanswerable(tests, question, verdict, documents)
            else:
                raise UsageError("it is not said what is right", remedy="Choose one of the answers below.")
        except UsageError as error:
            return _form(request, chosen, error)
        back = f"{HOME}/answers/{answer}" if answer and store.get(answer) else HOME
        return desk.leave(request, back, f"The question is in the test set now, as {id} of {tests.name}.")

    def _form(request: Request, chosen: Chosen, error: PlainquoteError | None = None) -> Response:
        near: Nearest | None = None
        same: list[Question] = []
        words = chosen.search or chosen.question
        if words.strip():
            near = asked.nearest(bot, words, CHOICES)
        sentences = [(one.hit, _sentences(one)) for one in near.passages] if near else []
        shown = {value for _, places in sentences for _, value in places}
        elsewhere = [
            (text, value) for value in chosen.places if value not in shown and (text := _words_at(value)) is not None
        ]
        try:
            same = editing.alike(tests, chosen.question)
        except UsageError as unreadable:
            error = error or unreadable
        return desk.page(
            request,
            "asked_add.html",
            status=422 if error else 200,
            chosen=chosen,
            near=near,
            same=same,
            error=error,
            kinds=KINDS,
            marks=[mark for mark in MARKS if mark in chosen.question],
            file=tests.name,
            sentences=sentences,
            elsewhere=elsewhere,
        )

    def _words_at(value: str) -> str | None:
        """The words of a place that was chosen before; None where it is none now."""
        try:
            place, sha256 = read_place(value)
        except UsageError:
            return None
        document = bot.index.documents.get(place.document)
        return document.text[place.start : place.end] if document and document.sha256 == sha256 else None

    def _kept(id: str) -> Kept:
        found = store.get(id)
        if found is None:
            raise HTTPException(404)
        return found

    return routes


def question_file(path: Path) -> Path:
    """Where test questions are added, of what `[staff] tests` names: a folder or a file."""
    return path if path.suffix == ".jsonl" else path / "questions.jsonl"


def name_place(place: Range, sha256: str) -> str:
    """As a value of a form; `sha256`: of the document's text."""
    return f"{place.start}-{place.end}-{sha256}-{place.document}"


def read_place(value: str) -> tuple[Range, str]:
    start, end, sha256, document = (value.split("-", 3) + [""] * 3)[:4]
    if not (start.isascii() and start.isdecimal() and end.isascii() and end.isdecimal() and len(start + end) < 24):
        raise UsageError("that is no place in a document", remedy="Choose the place once more.")
    return Range(document, int(start), int(end)), sha256


def _page_number(page: str = "1") -> int:
    return max(1, int(page)) if page.isascii() and page.isdecimal() and len(page) < 9 else 1


PageNumber = Annotated[int, Depends(_page_number)]


def _check_words(question: str, most: int) -> None:
    if any(mark in question for mark in MARKS):
        raise UsageError(
            "the question still holds marks such as [name], which stand for what was not kept",
            remedy="Put other words in their places, made up ones.",
        )
    if len(question) > most:
        raise UsageError(f"the question is longer than {most} characters", remedy="Make it shorter.")


def _sentences(near: asked.Near) -> list[tuple[str, str]]:
    """Each sentence of a passage, with the value that names its place."""
    hit = near.hit
    made = []
    for start, end in hit.passage.sentences:
        words = hit.origin.text[start:end]
        first = start + len(words) - len(words.lstrip())
        words = words.strip()
        if words:
            made.append((words, name_place(Range(hit.document, first, first + len(words)), hit.origin.sha256)))
    return made


def _plot(name: str, title: str, about: str, periods: list[Period]) -> dict[str, object]:
    counts = [Bar(period.label, f"{period.since:%d %b}", getattr(period, name)) for period in periods]
    unit = "day" if all(period.since == period.until for period in periods) else "period"
    svg = Markup(bars(f"plot-{name}", f"{title} by {unit}", counts))  # noqa: S704  # it escapes what it is given
    return {"name": name, "title": title, "about": about, "total": sum(bar.value for bar in counts), "svg": svg}
