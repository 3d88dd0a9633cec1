"""The store, over SQLite and, where TEST_POSTGRES names a server, over PostgreSQL."""

from __future__ import annotations

import logging
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy
from conftest import ROOT
from sqlalchemy.engine import make_url

from bot import database, store
from bot.answer import Answer, Quote
from bot.config import Keeping
from bot.database import MIGRATIONS, connect, metadata, upgrade
from bot.errors import ConfigError, StoreTooNew, StoreUnavailable, UsageError
from bot.query import Change
from bot.shown import REASONS, Feedback, Kept, Shown, ShownNotice, ShownQuote
from bot.store import FeedbackCount, Store
from bot.texts import Notice
from bot.triage import Triage

LONG = 60
"""Seconds after which something that should have happened never will."""
NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
POSTGRES = os.environ.get("TEST_POSTGRES", "")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[str]:
    """An empty database of its own."""
    if request.param == "sqlite":
        yield sqlite_url
        return
    if not POSTGRES:
        pytest.skip("TEST_POSTGRES names no server")
    server, name = make_url(POSTGRES).set(drivername="postgresql+psycopg"), f"test_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """Opens stores that are closed at the end."""
    stores: list[Store] = []

    def open_store(url: str, **keeping: Any) -> Store:
        stores.append(Store.open(Keeping(url=url, **keeping)))
        return stores[-1]

    yield open_store
    for one in stores:
        one.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SOONEST", 0.05)
    monkeypatch.setattr(store, "LATEST", 0.1)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def written(one: Store) -> Store:
    until(lambda: one.status().waiting == 0)
    return one


def answer(question: str = "Does it help?", **values: Any) -> Answer:
    fields: dict[str, Any] = {
        "question": question,
        "searched_for": question,
        "changes": (),
        "outcome": "not_found",
        "confidence": 0.125,
        "notices": (Notice("not_found", 3, "Our materials do not say."), Notice("contact", 1, "Ask us.")),
        "quotes": (),
        "suggestions": (),
        "timings_ms": {},
    }
    return Answer(**fields | values)


def quote(rank: int, start: int, end: int, *highlights: tuple[int, int]) -> Quote:
    return Quote(
        document="ketamine ‘é’.txt",
        title="Ketamine",
        section=("Uses",),
        page=None,
        start=start,
        end=end,
        sha256="ab" * 32,
        rank=rank,
        text="x" * (end - start),
        highlights=highlights,
        score=0.5,
        metadata={},
        also_in=(),
        overdue=False,
        recognised=False,
    )


def record(one: Store, shown: Answer | None = None) -> str:
    return one.record(shown or answer(), generation="000007", milliseconds=12.5)


def at(monkeypatch: pytest.MonkeyPatch, when: datetime) -> None:
    monkeypatch.setattr(store, "_now", lambda: when)


def rename(url: str, table: str, to: str) -> None:
    engine = connect(url)
    with database.writing(engine) as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {to}")
    engine.dispose()


# What is kept


def test_an_answer_is_kept_exactly_as_it_was_shown(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, NOON)
    kept = opened(url)
    shown = answer(
        outcome="answered",
        confidence=0.1 + 0.2,
        quotes=(quote(1, 10, 90, (12, 30), (40, 90)), quote(2, 200, 210)),
        triage=Triage("ask_clinic", "personal", "personal", "personal.dose", "my dose"),
    )
    id = record(kept, shown)
    found = written(kept).get(id)
    assert found == Kept(
        Shown(
            id=id,
            at=NOON,
            outcome="answered",
            category="personal",
            level="ask_clinic",
            confidence=0.1 + 0.2,
            generation="000007",
            quotes=(
                ShownQuote(1, "ketamine ‘é’.txt", 10, 90, "ab" * 32, ((12, 30), (40, 90))),
                ShownQuote(2, "ketamine ‘é’.txt", 200, 210, "ab" * 32, ()),
            ),
            notices=(ShownNotice("not_found", 3), ShownNotice("contact", 1)),
            milliseconds=12.5,
        ),
        None,
    )
    assert found.to_dict()["at"] == "2026-03-01T12:00:00+00:00"
    assert kept.get("not there") is None


def test_a_fault_is_kept(url: str, opened: Callable[..., Store]) -> None:
    kept = opened(url)
    notices = (Notice("fault", 1, "Something went wrong."),)
    id = kept.record_fault("why", ValueError("why"), generation="000007", milliseconds=1.0, notices=notices)
    found = written(kept).get(id)
    assert found
    assert (found.shown.outcome, found.shown.fault, found.shown.confidence) == ("fault", "ValueError", None)
    assert found.shown.notices == (ShownNotice("fault", 1),)


def test_a_question_is_kept_only_where_that_is_switched_on_and_redacted(url: str, opened: Callable[..., Store]) -> None:
    asked = answer(
        "My name is Ann Lee, does ketamin\x00 help? \ud800", changes=(Change("spelling", "ketamin", "ketamine"),)
    )
    kept = opened(url)
    silent = record(kept, asked)
    kept = opened(url, keep_questions=True)
    spoken = record(kept, asked)
    written(kept)
    until(lambda: kept.get(silent) is not None)
    found = [kept.get(silent), kept.get(spoken)]
    assert [one.shown.question for one in found if one] == [None, "My name is [name], does ketamine help?"]


def test_there_is_no_place_for_anything_about_the_reader() -> None:
    assert {column.name for column in database.answers.c} == {
        *("id", "at", "outcome", "category", "level", "confidence", "generation"),
        *("quotes", "notices", "milliseconds", "question", "fault"),
    }
    assert {column.name for column in database.feedback.c} == {"answer", "at", "helped", "reason"}


def test_ids_cannot_be_guessed_and_fit_into_an_address(opened: Callable[..., Store], sqlite_url: str) -> None:
    kept = opened(sqlite_url)
    ids = {record(kept) for _ in range(500)}
    assert len(ids) == 500
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", id) for id in ids)  # 128 random bits
    assert {row.shown.id for row in written(kept).export()} == ids


def test_nobody_else_can_read_the_file(opened: Callable[..., Store], sqlite_url: str, tmp_path: Path) -> None:
    record(opened(sqlite_url))
    for path in tmp_path.glob("store.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# Feedback


def test_a_reader_can_change_their_mind(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = opened(url)
    id = record(kept)
    at(monkeypatch, NOON)
    for helped, reason in ((True, None), (False, None), (False, "unclear")):
        kept.feedback(id, helped, reason)
        found = kept.get(id)
        assert found
        assert found.feedback == Feedback(helped, reason, NOON)  # type: ignore[arg-type]
    assert kept.opinions() == [FeedbackCount(False, "unclear", 1)]


@pytest.mark.parametrize("id", ["A" * 22, "", "x", "'; DROP TABLE answers; --", "\x00" * 22, None, 7])
def test_feedback_to_an_unknown_answer_is_refused(url: str, opened: Callable[..., Store], id: Any) -> None:
    with pytest.raises(UsageError, match="no answer with this id"):
        opened(url).feedback(id, True)


@pytest.mark.parametrize(
    ("helped", "reason"), [(True, "unclear"), (False, "because"), (False, ""), (1, None), ("yes", None), (False, 3)]
)
def test_feedback_is_one_of_a_few_words(
    opened: Callable[..., Store], sqlite_url: str, helped: Any, reason: Any
) -> None:
    kept = opened(sqlite_url)
    id = record(kept)
    with pytest.raises(UsageError):
        kept.feedback(id, helped, reason)


def test_feedback_can_come_before_its_answer_is_written(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = opened(url)
    free, insert = threading.Event(), kept._insert
    monkeypatch.setattr(kept, "_insert", lambda batch: (free.wait(LONG), insert(batch)))
    ids = [record(kept) for _ in range(3)]
    kept.feedback(ids[1], False, "other")
    assert kept.status().waiting == 3
    found = kept.get(ids[1])
    assert found
    assert found.feedback
    free.set()
    assert sorted(row.shown.id for row in written(kept).export()) == sorted(ids)
    assert kept.opinions() == [FeedbackCount(False, "other", 1)]
    assert kept.status().lost == 0


# Outages


def test_an_outage_stops_nobody_and_what_waits_is_written_after_it(
    url: str, opened: Callable[..., Store], caplog: pytest.LogCaptureFixture
) -> None:
    kept = opened(url, keep_questions=True)
    first = record(kept)
    written(kept)
    rename(url, "answers", "away")
    with caplog.at_level(logging.INFO, "bot.store"):
        ids = [record(kept, answer("secret words")) for _ in range(5)]
        until(lambda: kept.status().state == "down")
        time.sleep(0.5)  # it has been tried again by now
        down = kept.status()
        assert (down.waiting, down.lost) == (5, 0)
        assert down.since is not None
        assert abs(down.since - datetime.now(UTC)) < timedelta(seconds=LONG)
        assert down.problem
        with pytest.raises(StoreUnavailable):
            kept.feedback(ids[0], True)
        with pytest.raises(StoreUnavailable):
            kept.answers()
        rename(url, "away", "answers")
        written(kept)
        until(lambda: len(caplog.records) == 2)
    assert kept.status().state == "ok"
    assert {row.shown.id for row in kept.export()} == {first, *ids}
    assert [line.levelname for line in caplog.records] == ["ERROR", "WARNING"]
    assert "secret" not in caplog.text
    kept.feedback(ids[0], True)


def test_it_can_be_down_from_the_beginning(opened: Callable[..., Store], tmp_path: Path) -> None:
    kept = opened(f"sqlite:///{tmp_path / 'later' / 'store.db'}")
    assert kept.status().state == "down"
    id = record(kept)
    (tmp_path / "later").mkdir()
    until(lambda: kept.status().state == "ok")
    assert written(kept).get(id)


def test_a_server_that_is_not_there_is_an_outage(
    opened: Callable[..., Store], caplog: pytest.LogCaptureFixture
) -> None:
    kept = opened("postgresql://someone:password7@127.0.0.1:1/nowhere")
    record(kept)
    with pytest.raises(StoreUnavailable) as raised:
        kept.feedback("A" * 22, True)
    assert kept.status().state == "down"
    kept.close(0.1)
    assert kept.status().lost == 1
    assert "password7" not in caplog.text + raised.value.problem


def test_a_file_that_is_no_database_is_an_outage(opened: Callable[..., Store], sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("These are not the tables that you are looking for.\n" * 100)
    kept = opened(sqlite_url)
    record(kept)
    assert kept.status().state == "down"
    assert (tmp_path / "store.db").read_text().startswith("These are not")
    kept.close(0.1)


def test_a_full_disk_is_an_outage(opened: Callable[..., Store], sqlite_url: str) -> None:
    kept = opened(sqlite_url)
    pages: list[int] = [60]

    @sqlalchemy.event.listens_for(kept._database.engine, "checkout")
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages[0]}")

    many = answer(outcome="answered", quotes=tuple(quote(rank, 0, 5, (0, 5)) for rank in range(1, 20)))
    ids = []
    while kept.status().state == "ok":
        ids.append(record(kept, many))
        time.sleep(0.001)
        assert len(ids) < 3000, "the disk never got full"
    assert "full" in (kept.status().problem or "")
    assert kept.status().waiting
    pages[0] = 1_000_000
    assert {row.shown.id for row in written(kept).export()} == set(ids)


def test_who_gives_feedback_does_not_wait_for_ever(
    opened: Callable[..., Store], sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    kept = opened(sqlite_url)
    id = record(kept)
    written(kept)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        kept.feedback(id, True)
    assert kept.answers().rows  # who only reads does not wait at all
    other.execute("ROLLBACK")
    other.close()
    kept.feedback(id, True)


def test_only_so_many_answers_wait(
    opened: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WAITING", 3)
    kept = opened(f"sqlite:///{tmp_path / 'later' / 'store.db'}")
    ids = [record(kept) for _ in range(5)]
    assert (kept.status().waiting, kept.status().lost) == (3, 2)
    (tmp_path / "later").mkdir()
    assert {row.shown.id for row in written(kept).export()} == set(ids[:3])


def test_an_answer_that_the_database_refuses_holds_up_no_other(url: str, opened: Callable[..., Store]) -> None:
    kept = opened(url)
    first = record(kept)
    kept.record(answer(), generation=None, milliseconds=1.0)  # type: ignore[arg-type]
    last = record(kept)
    assert {row.shown.id for row in written(kept).export()} == {first, last}
    assert kept.status() == store.Status("ok", lost=1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_ended_is_told(
    opened: Callable[..., Store], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(batch: object) -> None:
        raise RuntimeError("a defect")

    kept = opened(sqlite_url)
    monkeypatch.setattr(kept, "_insert", defect)
    record(kept)
    until(lambda: kept.status().state == "down")
    assert kept.status().waiting == 1


def test_closing_writes_what_waits(url: str, opened: Callable[..., Store]) -> None:
    kept = opened(url)
    ids = [record(kept) for _ in range(1000)]
    kept.close(LONG)
    assert kept.status() == store.Status("ok")
    record(kept)
    assert kept.status().lost == 1
    kept.close()
    assert {row.shown.id for row in opened(url).export()} == set(ids)


def test_where_nothing_is_kept_all_the_same_can_be_asked(opened: Callable[..., Store]) -> None:
    nothing = opened("")
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", record(nothing))
    assert nothing.status() == store.Status("off")
    with pytest.raises(StoreUnavailable, match="nothing is kept"):
        nothing.feedback("A" * 22, True)
    with pytest.raises(StoreUnavailable):
        nothing.outcomes()


# Many at once


def test_many_threads(url: str, opened: Callable[..., Store]) -> None:
    kept = opened(url)
    ids: list[str] = []

    def ask() -> None:
        for turn in range(25):
            ids.append(record(kept))
            kept.feedback(ids[-1], bool(turn % 2))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = list(written(kept).export())
    assert sorted(row.shown.id for row in rows) == sorted(ids)
    assert sum(one.count for one in kept.opinions()) == 200


WRITER = """
import sys
from bot.config import Keeping
from bot.store import Store

store = Store.open(Keeping(url=sys.argv[1]))
for _ in range(int(sys.argv[2])):
    store.record_fault("", ValueError(), generation="1", milliseconds=1.0)
    if sys.argv[3:]:
        while store.status().waiting:
            pass
        print("one", flush=True)
store.close(60)
"""


def writer(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_several_processes_use_one_database(url: str, opened: Callable[..., Store]) -> None:
    processes = [writer(url, "200") for _ in range(3)]
    for process in processes:
        process.communicate(timeout=LONG)
        assert process.returncode == 0
    assert len(list(opened(url).export())) == 600


def test_a_killed_process_leaves_a_whole_database(
    opened: Callable[..., Store], sqlite_url: str, tmp_path: Path
) -> None:
    with writer(sqlite_url, "1000", "tell") as process:
        assert process.stdout
        told = 0
        while told < 50:
            told += process.stdout.readline() == "one\n"
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().count("one\n")
    rows = list(opened(sqlite_url).export())
    assert told <= len(rows) < 1000  # what was said to be written is there
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


# Retention


def test_what_is_too_old_is_deleted_for_good(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(store, "AT_ONCE", 3)
    kept = opened(url, keep_questions=True, retention_days=30)
    until(lambda: kept._expire_at > 0)
    at(monkeypatch, NOON)
    old = [record(kept, answer("peculiar pineapple")) for _ in range(10)]
    kept.feedback(old[0], True)
    written(kept)
    at(monkeypatch, NOON + timedelta(seconds=1))
    young = record(kept)
    written(kept)
    assert kept.expire(NOON + timedelta(days=30)) == 0
    assert kept.expire(NOON + timedelta(days=30, seconds=1)) == 10
    assert [row.shown.id for row in kept.export()] == [young]
    assert kept.opinions() == []
    assert all(b"pineapple" not in path.read_bytes() for path in tmp_path.glob("store.db*"))


def test_it_is_deleted_at_the_start_and_every_hour(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "EXPIRY", 0.05)
    at(monkeypatch, NOON)
    kept = opened(url, retention_days=1)
    first = record(kept)
    written(kept)
    at(monkeypatch, NOON + timedelta(days=2))
    until(lambda: kept.get(first) is None)
    at(monkeypatch, NOON + timedelta(days=3))
    second = record(kept)
    kept.close()
    at(monkeypatch, NOON + timedelta(days=5))
    kept = opened(url, retention_days=1)
    until(lambda: kept.get(second) is None)


# For staff


def filled(url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> tuple[Store, list[Kept]]:
    """A store with rows of many kinds, and the same rows as one would expect them."""
    random = Random(7)
    kept = opened(url, keep_questions=True, retention_days=100_000)
    until(lambda: kept._expire_at > 0)
    told: dict[str, Feedback] = {}
    for _ in range(120):
        moment = NOON + timedelta(hours=random.randrange(240))
        at(monkeypatch, moment)
        outcome = random.choice(["answered", "not_found", "emergency", "fault"])
        if outcome == "fault":
            id = kept.record_fault("why", OSError(), generation="1", milliseconds=1.0)
        else:
            category = {"emergency": random.choice(["stroke", "self_harm"])}.get(
                outcome, random.choice([None, "turn", "personal"])
            )
            triage = Triage("urgent", category, "card") if category else None
            id = record(kept, answer(outcome=outcome, triage=triage))
        if random.random() < 0.5:
            helped = random.random() < 0.4
            reason = None if helped else random.choice([None, *REASONS])
            later = moment + timedelta(hours=random.randrange(48))
            at(monkeypatch, later)
            kept.feedback(id, helped, reason)
            told[id] = Feedback(helped, reason, later)
    rows = list(written(kept).export())
    assert [row.feedback for row in rows] == [told.get(row.shown.id) for row in rows]
    return kept, rows


PERIODS = [(None, None), (date(2026, 3, 3), None), (None, date(2026, 3, 4)), (date(2026, 3, 3), date(2026, 3, 3))]


def test_counts_and_lists_are_those_of_the_rows(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, rows = filled(url, opened, monkeypatch)
    for since, until_ in PERIODS:

        def within(moment: datetime, since: date | None = since, until_: date | None = until_) -> bool:
            return (since or date.min) <= moment.date() <= (until_ or date.max)

        shown = [row.shown for row in rows if within(row.shown.at)]
        outcomes = Counter((one.at.date(), one.outcome) for one in shown)
        assert kept.outcomes(since, until_) == [
            store.DayCount(day, outcome, count) for (day, outcome), count in sorted(outcomes.items())
        ]
        emergencies = Counter((one.category, one.level) for one in shown if one.outcome == "emergency")
        found_ = kept.emergencies(since, until_)
        assert {(one.category, one.level): one.count for one in found_} == emergencies
        assert [one.count for one in found_] == sorted(emergencies.values(), reverse=True)
        turns = Counter(one.at.date() for one in shown if one.outcome == "not_found" and one.category == "turn")
        assert kept.turns(since, until_) == turns
        told = [(row, row.feedback) for row in rows if row.feedback and within(row.feedback.at)]
        assert {(one.helped, one.reason): one.count for one in kept.opinions(since, until_)} == Counter(
            (one.helped, one.reason) for _, one in told
        )
        assert list(kept.export(since, until_)) == [row for row in rows if within(row.shown.at)]
        unanswered = [one for one in shown if one.outcome == "not_found" and one.category != "turn"]
        assert [row.shown for row in kept.unanswered(since, until_, limit=1000).rows] == unanswered
        assert kept.unanswered_count(since, until_) == len(unanswered)
        with_words = [store.Asked(one.id, one.at, one.question) for one in unanswered if one.question]
        assert kept.unanswered_words(since, until_, limit=1000) == with_words
        assert kept.unanswered_words(since, until_, limit=3) == with_words[:3]
        against = sorted((one.at, row.shown.id) for row, one in told if not one.helped)
        found = kept.not_helpful(since, until_, limit=1000).rows
        assert [row.shown.id for row in found] == [id for _, id in reversed(against)]
        for outcome in ("answered", "fault"):
            page = kept.answers(since, until_, outcome=outcome, limit=1000)  # type: ignore[arg-type]
            assert [row.shown for row in page.rows] == [one for one in shown if one.outcome == outcome]


@pytest.mark.parametrize("list_name", ["answers", "unanswered", "not_helpful"])
def test_pages_hold_each_row_once_newest_first(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, list_name: str
) -> None:
    kept, _ = filled(url, opened, monkeypatch)
    pages = getattr(kept, list_name)
    whole = pages(limit=1000)
    at(monkeypatch, NOON + timedelta(days=30))
    assert whole.older is None
    paged: list[Kept] = []
    older = None
    while True:
        page = pages(limit=7, older=older)
        paged += page.rows
        record(kept)  # a newer one moves no border
        written(kept)
        if page.older is None:
            break
        assert len(page.rows) == 7
        older = page.older
    assert tuple(paged) == whole.rows


def test_no_question_of_staff_reads_or_sorts_the_whole_table(opened: Callable[..., Store], sqlite_url: str) -> None:
    kept = opened(sqlite_url)
    id = record(kept)
    asked: list[tuple[str, Any]] = []

    @sqlalchemy.event.listens_for(kept._database.engine, "before_cursor_execute")
    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "DELETE")):
            asked.append((statement, parameters))

    day, older = date(2026, 3, 1), f"1.{'A' * 22}"
    kept.get(id)
    for page in (kept.unanswered, kept.not_helpful, kept.answers):
        page(day, day, older=older)
        page()
    kept.answers(outcome="fault", older=older)
    kept.emergencies(day, day)
    kept.turns(day, day)
    kept.unanswered_count(day, day)
    kept.unanswered_words(day, day, limit=5)
    kept.outcomes(day, day)
    kept.expire(NOON)
    assert len(asked) > 9
    with kept._database.engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
            steps = " ".join(step[3] for step in plan)
            assert not re.search(r"SCAN \w+(?!\w| USING)", steps), (statement, steps)
            assert "FOR ORDER BY" not in steps or "GROUP BY" in statement, (statement, steps)


@pytest.mark.parametrize("older", ["x", "1", "1.", "١.a", "1.a.b; DROP", "99999999999999999999.a"])
def test_a_page_that_cannot_be_meant_is_refused(opened: Callable[..., Store], sqlite_url: str, older: str) -> None:
    with pytest.raises(UsageError):
        opened(sqlite_url).answers(older=older)


# Versions


def test_the_migrations_make_the_tables_that_the_code_knows(url: str) -> None:
    def found(engine: sqlalchemy.Engine) -> dict[str, Any]:
        inspector = sqlalchemy.inspect(engine)
        return {
            table: (
                {  # SQLite reads our words for it as the first
                    column["name"]: (str(column["type"]).replace("REAL", "DOUBLE"), column["nullable"])
                    for column in inspector.get_columns(table)
                },
                inspector.get_pk_constraint(table)["constrained_columns"],
                {index["name"]: index["column_names"] for index in inspector.get_indexes(table)},
                [(key["referred_table"], key["options"]) for key in inspector.get_foreign_keys(table)],
            )
            for table in ("answers", "feedback")
        }

    engine = connect(url)
    upgrade(engine)
    migrated = found(engine)
    with database.writing(engine) as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    declared = found(engine)
    engine.dispose()
    assert migrated == declared


NEXT = (*MIGRATIONS, ("ALTER TABLE answers ADD COLUMN colour VARCHAR(8)", "UPDATE answers SET colour = 'blue'"))


def test_a_database_is_upgraded_in_place(
    url: str, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = opened(url)
    id = record(kept)
    kept.feedback(id, True)
    before = list(written(kept).export())
    kept.close()
    engine = connect(url)
    upgrade(engine, NEXT)
    upgrade(engine, NEXT)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version FROM schema_version").all() == [(len(NEXT),)]
        assert connection.exec_driver_sql("SELECT id, colour FROM answers").all() == [(id, "blue")]
    with pytest.raises(StoreTooNew, match=rf"version {len(NEXT)}.*up to {len(NEXT) - 1}"):
        Store.open(Keeping(url=url))
    monkeypatch.setattr(upgrade, "__defaults__", (NEXT,))
    assert list(opened(url).export()) == before
    engine.dispose()


def test_an_upgrade_that_fails_leaves_all_as_it_was(url: str, opened: Callable[..., Store]) -> None:
    id = record(opened(url))
    engine = connect(url)
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        upgrade(engine, (*NEXT, ("CREATE TABLE more (id INTEGER)", "SELECT nonsense FROM nowhere")))
    engine.dispose()
    kept = opened(url)
    assert kept.status().state == "ok"
    until(lambda: kept.get(id) is not None)
    engine = connect(url)
    upgrade(engine, NEXT)
    engine.dispose()


def test_several_can_upgrade_at_once(url: str) -> None:
    engines = [connect(url) for _ in range(6)]
    errors: list[Exception] = []

    def work(engine: sqlalchemy.Engine) -> None:
        try:
            upgrade(engine, NEXT)
        except Exception as error:  # noqa: BLE001 - the thread's, told to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert errors == []


# The URL


@pytest.mark.parametrize(
    "wrong",
    [
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://a:password7@host/b",
        "postgresql+asyncpg://a:password7@h/b",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"\[store\] url") as raised:
        Store.open(Keeping(url=wrong))
    assert "password7" not in raised.value.problem + raised.value.remedy
