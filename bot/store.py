"""What was shown to readers and what they thought of it, for staff: kept in a database, never needed to answer.

An answer is handed over to a thread that writes it, so that a slow or broken database costs no reader anything.
Nothing is kept of who asked; the words of a question only where the operator wants it, and redacted.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    delete,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.exc import DataError, IntegrityError

from bot.config import Keeping
from bot.database import Database, answers, empty_journal, feedback, insert, writing
from bot.errors import StoreTooNew, StoreUnavailable, UsageError
from bot.redact import redact
from bot.shown import Feedback, Kept, Outcome, Reason, Shown, ShownNotice, ShownQuote
from bot.texts import Notice

if TYPE_CHECKING:
    from bot.answer import Answer

log = logging.getLogger(__name__)

WAITING = 5000
"""Answers that may wait to be written; more are lost."""
AT_ONCE = 200
"""Answers that are written, or deleted, in one transaction."""
SOONEST, LATEST = 1.0, 60.0
"""Seconds until a database that is down is tried again: twice as long after each time."""
EXPIRY = 3600.0
"""Seconds between two looks for what is too old to be kept."""

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_OLDER = re.compile(r"[0-9]{1,12}\.[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first; `older` is what to ask the next page with, None on the last one."""

    rows: tuple[Kept, ...]
    older: str | None


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many answers of an outcome there were on a day (UTC)."""

    day: date
    outcome: Outcome
    count: int


@dataclass(frozen=True, slots=True)
class EmergencyCount:
    category: str
    level: str
    count: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of a question as they were kept, and the answer `id` that it got."""

    id: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class FeedbackCount:
    helped: bool
    reason: Reason | None
    count: int


@dataclass(frozen=True, slots=True)
class Status:
    """state: ``ok``, ``down``, or ``off`` where nothing is kept. since, problem: of what it is down for.
    waiting: answers that are not written yet. lost: answers that never will be, since the store was opened."""

    state: Literal["ok", "down", "off"]
    since: datetime | None = None
    problem: str | None = None
    waiting: int = 0
    lost: int = 0


class Store:
    """Safe to call from several threads; several processes may use the same database.

    The methods for staff take whole days, UTC, both included, and raise StoreUnavailable.
    """

    def __init__(self, keeping: Keeping) -> None:
        self._database = Database(keeping.url, "the store")
        self._keeping = keeping
        self._changed = threading.Condition()  # guards all below
        self._waiting: dict[str, Shown] = {}  # by id, in order
        self._lost = 0
        self._down: tuple[datetime, str] | None = None
        self._deadline: float | None = None  # once it is being closed
        self._expire_at = 0.0
        if keeping.url and keeping.keep_questions:
            redact("words")  # so that the first question need not wait until the word lists are read
        self._writer = threading.Thread(target=self._write_all, name="store", daemon=True)

    @classmethod
    def open(cls, keeping: Keeping) -> Store:
        """A store that is being written to from now on, also while its database is down.

        Raises ConfigError for a URL that cannot be meant, StoreTooNew for a database of a later version.
        """
        store = cls(keeping)
        if store._database.exists:
            try:
                store._database.open()
            except StoreTooNew:
                store._database.close()
                raise
            except StoreUnavailable as error:
                store._failed(error)
            store._writer.start()
        return store

    def close(self, seconds: float = 5.0) -> None:
        """Writes what is still waiting, as far as it can in so many seconds."""
        if not self._database.exists:
            return
        with self._changed:
            if self._deadline is not None:
                return
            self._deadline = time.monotonic() + seconds
            self._changed.notify_all()
        self._writer.join(seconds + 0.1)
        with self._changed:
            lost, self._waiting = len(self._waiting), {}
            self._lost += lost
        if lost:
            log.error("%d answers were not written to the store before it was closed", lost)
        self._database.close()

    def status(self) -> Status:
        if not self._database.exists:
            return Status("off")
        with self._changed:
            if self._deadline is None and not self._writer.is_alive():
                return Status("down", None, "the writer ended by a defect", len(self._waiting), self._lost)
            since, problem = self._down or (None, None)
            return Status("down" if self._down else "ok", since, problem, len(self._waiting), self._lost)

    # For the fronts that patients use

    def record(self, answer: Answer, *, generation: str, milliseconds: float) -> str:
        """Hands `answer` over to be written; its new public id, at once and whatever the database does."""
        shown = Shown(
            id=_new_id(),
            at=_now(),
            outcome=answer.outcome,
            category=answer.triage.category if answer.triage else None,
            level=answer.triage.level if answer.triage else None,
            confidence=float(answer.confidence),
            generation=generation,
            quotes=tuple(
                ShownQuote(quote.rank, quote.document, quote.start, quote.end, quote.sha256, quote.highlights)
                for quote in answer.quotes
            ),
            notices=_shown(answer.notices),
            milliseconds=float(milliseconds),
            question=self._words(_spelt(answer)),
        )
        return self._hand_over(shown)

    def record_fault(
        self, question: str, fault: Exception, *, generation: str, milliseconds: float, notices: Sequence[Notice] = ()
    ) -> str:
        """The same for a question that could not be answered; `notices`: what was shown instead."""
        shown = Shown(
            id=_new_id(),
            at=_now(),
            outcome="fault",
            category=None,
            level=None,
            confidence=None,
            generation=generation,
            quotes=(),
            notices=_shown(notices),
            milliseconds=float(milliseconds),
            question=self._words(question),
            fault=type(fault).__name__,
        )
        return self._hand_over(shown)

    def feedback(self, id: str, helped: bool, reason: str | None = None) -> None:
        """Writes what a reader thinks of the answer `id`, in place of what they thought before.

        Raises UsageError for an unknown id or reason, StoreUnavailable if it cannot be written now.
        """
        given = Feedback(helped, reason, _now())  # type: ignore[arg-type]  # it looks at the reason
        values = {"helped": given.helped, "reason": given.reason, "at": int(given.at.timestamp())}
        unknown = UsageError("there is no answer with this id", remedy="Give the id of an answer that was shown.")
        if not isinstance(id, str) or not _ID.fullmatch(id):
            raise unknown
        with self._database.writing() as connection:
            if not self._is_there(connection, id):
                raise unknown
            connection.execute(
                insert(self._database.engine, feedback)
                .values(answer=id, **values)
                .on_conflict_do_update(index_elements=["answer"], set_=values)
            )

    # For staff

    def get(self, id: str) -> Kept | None:
        with self._database.reading() as connection:
            found = connection.execute(_rows().where(answers.c.id == id)).one_or_none()
        return _kept(found) if found else None

    def answers(
        self,
        since: date | None = None,
        until: date | None = None,
        *,
        outcome: Outcome | None = None,
        older: str | None = None,
        limit: int = 50,
    ) -> Page:
        """What was shown, of one outcome or all."""
        chosen = _rows().where(answers.c.outcome == outcome) if outcome else _rows()
        return self._page(chosen, _SHOWN_AT, since, until, older, limit)

    def unanswered(
        self, since: date | None = None, until: date | None = None, *, older: str | None = None, limit: int = 50
    ) -> Page:
        """Questions to which the documents had no answer; a greeting and the like is no question."""
        return self._page(_rows().where(_UNANSWERED), _SHOWN_AT, since, until, older, limit)

    def unanswered_count(self, since: date | None = None, until: date | None = None) -> int:
        query = select(func.count()).select_from(answers).where(_UNANSWERED, _between(answers.c.at, since, until))
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def unanswered_words(self, since: date | None = None, until: date | None = None, *, limit: int) -> list[Asked]:
        """The newest `limit` of them whose words were kept."""
        query = select(answers.c.id, answers.c.at, answers.c.question).where(
            _UNANSWERED, answers.c.question.is_not(None), _between(answers.c.at, since, until)
        )
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(answers.c.at.desc(), answers.c.id.desc()).limit(limit))
            return [Asked(id, _time(at), text) for id, at, text in found]

    def not_helpful(
        self, since: date | None = None, until: date | None = None, *, older: str | None = None, limit: int = 50
    ) -> Page:
        """Answers that did not help, by the time when that was said."""
        return self._page(_rows().where(feedback.c.helped == false()), _TOLD_AT, since, until, older, limit)

    def outcomes(self, since: date | None = None, until: date | None = None) -> list[DayCount]:
        """Counts by day and outcome, in order; what did not happen is left out."""
        day = (answers.c.at // _DAY).label("day")
        query = select(day, answers.c.outcome, func.count()).where(_between(answers.c.at, since, until))
        with self._database.reading() as connection:
            found = connection.execute(query.group_by(day, answers.c.outcome).order_by(day, answers.c.outcome))
            return [DayCount(_EPOCH + timedelta(days=day), outcome, count) for day, outcome, count in found]

    def turns(self, since: date | None = None, until: date | None = None) -> dict[date, int]:
        """How many of each day's ``not_found`` were no question, but a greeting and the like."""
        day = (answers.c.at // _DAY).label("day")
        query = select(day, func.count()).where(
            answers.c.outcome == "not_found", answers.c.category == "turn", _between(answers.c.at, since, until)
        )
        with self._database.reading() as connection:
            found = connection.execute(query.group_by(day).order_by(day))
            return {_EPOCH + timedelta(days=day): count for day, count in found}

    def emergencies(self, since: date | None = None, until: date | None = None) -> list[EmergencyCount]:
        """Counts by category and level, most first."""
        what = (answers.c.category, answers.c.level)
        query = select(*what, func.count()).where(
            answers.c.outcome == "emergency", _between(answers.c.at, since, until)
        )
        with self._database.reading() as connection:
            found = connection.execute(query.group_by(*what).order_by(func.count().desc(), *what))
            return [EmergencyCount(category or "", level or "", count) for category, level, count in found]

    def opinions(self, since: date | None = None, until: date | None = None) -> list[FeedbackCount]:
        """Counts of feedback, by the time when it was given."""
        what = (feedback.c.helped, feedback.c.reason)
        query = select(*what, func.count()).where(_between(feedback.c.at, since, until))
        with self._database.reading() as connection:
            found = connection.execute(query.group_by(*what).order_by(feedback.c.helped.desc(), func.count().desc()))
            return [FeedbackCount(helped, reason, count) for helped, reason, count in found]

    def export(self, since: date | None = None, until: date | None = None) -> Iterator[Kept]:
        """Every row, newest first, a page at a time: what is written meanwhile is newer, and so left out."""
        older: str | None = None
        while True:
            page = self.answers(since, until, older=older, limit=1000)
            yield from page.rows
            older = page.older
            if older is None:
                return

    def expire(self, now: datetime) -> int:
        """Deletes what is older than it may be kept; how many answers that were."""
        limit = int(now.timestamp()) - self._keeping.retention_days * _DAY
        old = select(answers.c.id).where(answers.c.at < limit).limit(AT_ONCE)
        deleted = 0
        while True:  # a few at a time, so that nobody waits long for the right to write
            with self._database.writing() as connection:
                count = connection.execute(delete(answers).where(answers.c.id.in_(old))).rowcount
            deleted += count
            if count < AT_ONCE:
                break
        if deleted:
            with self._database.available() as engine:
                empty_journal(engine)
        return deleted

    def _page(
        self,
        chosen: Select[Any],
        order: tuple[ColumnElement[int], ColumnElement[str]],
        since: date | None,
        until: date | None,
        older: str | None,
        limit: int,
    ) -> Page:
        at, id = order  # of one table, or an index on it would be of no use
        query = chosen.add_columns(at.label("key")).where(_between(at, since, until))
        if older is not None:
            if not _OLDER.fullmatch(older):
                raise UsageError("there is no such page", remedy="Begin with the first one.")
            second, _, last_id = older.partition(".")
            query = query.where(tuple_(at, id) < (int(second), last_id))
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(at.desc(), id.desc()).limit(limit + 1)).all()
        last = found[limit - 1] if len(found) > limit else None
        return Page(tuple(_kept(row) for row in found[:limit]), f"{last.key}.{last.id}" if last else None)

    # Writing

    def _words(self, question: str) -> str | None:
        keeps = self._database.exists and self._keeping.keep_questions
        return redact(question) if keeps else None

    def _hand_over(self, shown: Shown) -> str:
        if self._database.exists:
            with self._changed:
                if self._deadline is not None or len(self._waiting) >= WAITING:
                    self._lost += 1
                else:
                    self._waiting[shown.id] = shown
                    self._changed.notify_all()
        return shown.id

    def _is_there(self, connection: Connection, id: str) -> bool:
        """Whether feedback can name this answer: one that still waits is written here and now."""
        with self._changed:
            waiting = self._waiting.get(id)
        if waiting:
            connection.execute(_insert_answers(self._database.engine), _values(waiting))
            return True
        return connection.scalar(select(answers.c.id).where(answers.c.id == id)) is not None

    def _write_all(self) -> None:
        """What the writer's thread does."""
        pause = 0.0
        while self._has_more(pause):
            try:
                self._database.open()
                self._write_some()
                self._expire_if_due()
            except StoreUnavailable as error:
                self._failed(error)
                pause = min(max(SOONEST, 2 * pause), LATEST)
            else:
                self._recovered()
                pause = 0.0

    def _has_more(self, pause: float) -> bool:
        """Waits until there is something to write or to expire, after a failure for `pause` seconds; False: no more."""
        with self._changed:
            if self._deadline is not None:
                self._changed.wait(min(pause, max(0.0, self._deadline - time.monotonic())))
            elif pause:
                self._changed.wait_for(lambda: self._deadline is not None, pause)
            else:
                until_expiry = max(0.0, self._expire_at - time.monotonic())
                self._changed.wait_for(lambda: self._waiting or self._deadline is not None, until_expiry)
            return self._deadline is None or (bool(self._waiting) and time.monotonic() < self._deadline)

    def _write_some(self) -> None:
        with self._changed:
            batch = list(islice(self._waiting.values(), AT_ONCE))
        if batch:
            with self._database.available():
                self._insert(batch)
            with self._changed:
                for shown in batch:
                    self._waiting.pop(shown.id, None)

    def _insert(self, batch: Sequence[Shown]) -> None:
        """One that the database refuses must not hold up the others for ever."""
        engine = self._database.engine
        try:
            with writing(engine) as connection:
                connection.execute(_insert_answers(engine), [_values(shown) for shown in batch])
        except (DataError, IntegrityError) as error:
            if len(batch) > 1:
                for shown in batch:
                    self._insert([shown])
                return
            log.error("the store refused an answer: %s", type(error).__name__)
            with self._changed:
                self._lost += 1

    def _expire_if_due(self) -> None:
        if time.monotonic() >= self._expire_at and self._deadline is None:
            self.expire(_now())
            self._expire_at = time.monotonic() + EXPIRY

    def _failed(self, error: StoreUnavailable) -> None:
        with self._changed:
            news = self._down is None
            self._down = (self._down[0] if self._down else _now(), error.problem)
        if news:
            log.error("%s. Answers go on, and wait to be written. To fix: %s", error.problem, error.remedy)

    def _recovered(self) -> None:
        with self._changed:
            was_down, self._down = self._down is not None, None
            lost = self._lost
        if was_down:
            log.warning("the store is up again; %d answers were lost since it was opened", lost)


_SHOWN_AT = (answers.c.at, answers.c.id)
_TOLD_AT = (feedback.c.at, feedback.c.answer)
_UNANSWERED = and_(answers.c.outcome == "not_found", or_(answers.c.category.is_(None), answers.c.category != "turn"))
_DAY = 86400
_EPOCH = date(1970, 1, 1)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _new_id() -> str:
    return secrets.token_urlsafe(16)


def _spelt(answer: Answer) -> str:
    """The question as it was understood: of a misspelt word, redaction would leave nothing."""
    question = answer.question
    for change in answer.changes:
        if change.kind == "spelling":
            question = question.replace(change.before, change.after)
    return question


def _shown(notices: Sequence[Notice]) -> tuple[ShownNotice, ...]:
    return tuple(ShownNotice(notice.id, notice.version) for notice in notices)


def _values(shown: Shown) -> dict[str, Any]:
    return asdict(shown) | {"at": int(shown.at.timestamp())}


def _insert_answers(engine: Engine) -> Any:
    return insert(engine, answers).on_conflict_do_nothing()  # feedback may have written it already


def _rows() -> Select[Any]:
    told = (feedback.c.helped, feedback.c.reason, feedback.c.at.label("told_at"))
    return select(answers, *told).select_from(answers.outerjoin(feedback))


def _kept(row: Row[Any]) -> Kept:
    shown = {column.name: getattr(row, column.name) for column in answers.c} | {
        "at": _time(row.at),
        "quotes": tuple(
            ShownQuote(**quote | {"highlights": tuple((start, end) for start, end in quote["highlights"])})
            for quote in row.quotes
        ),
        "notices": tuple(ShownNotice(**notice) for notice in row.notices),
    }
    told = Feedback(row.helped, row.reason, _time(row.told_at)) if row.told_at is not None else None
    return Kept(Shown(**shown), told)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _between(at: ColumnElement[int], since: date | None, until: date | None) -> ColumnElement[bool]:
    """Whole days, both included."""
    parts = []
    if since:
        parts.append(at >= (since - _EPOCH).days * _DAY)
    if until:
        parts.append(at < ((until - _EPOCH).days + 1) * _DAY)
    return and_(true(), *parts)
