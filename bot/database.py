"""The database under the store: its tables, their versions, and what SQLite and PostgreSQL each need."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError

from bot.errors import ConfigError, StoreTooNew, StoreUnavailable

PATIENCE = 2
"""Seconds that a reader who gives feedback may wait for a database that is busy or gone."""

metadata = MetaData()
answers = Table(
    "answers",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("at", BigInteger, nullable=False),  # seconds since 1970, UTC
    Column("outcome", String(16), nullable=False),
    Column("category", String(64)),
    Column("level", String(16)),
    Column("confidence", Double),
    Column("generation", String(64), nullable=False),
    Column("quotes", JSON, nullable=False),
    Column("notices", JSON, nullable=False),
    Column("milliseconds", Double, nullable=False),
    Column("question", Text),
    Column("fault", String(64)),
    Index("answers_by_time", "at", "id", "outcome"),
    Index("answers_by_outcome", "outcome", "at", "id", "category"),
)
feedback = Table(
    "feedback",
    metadata,
    Column("answer", String(22), ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("helped", Boolean, nullable=False),
    Column("reason", String(16)),
    Index("feedback_by_time", "helped", "at", "answer", "reason"),
)
accounts = Table(
    "accounts",
    metadata,
    Column("name", String(200), primary_key=True),  # case folded
    Column("shown", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password", String(255), nullable=False),  # argon2's own text: the method, its costs, the salt, the hash
    Column("created", BigInteger, nullable=False),
)
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the token, which is kept nowhere
    Column("account", String(200), ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False),
    Column("began", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Index("sessions_by_account", "account"),
)
attempts = Table(
    "login_attempts",
    metadata,
    Column("subject", String(64), primary_key=True),  # SHA-256 of what is counted: see bot/accounts.py
    Column("name", String(64)),  # SHA-256 of the name that was tried, where it is one name's count
    Column("failures", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),  # then the count begins anew
)
devices = Table(
    "devices",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the token in its cookie, which is kept nowhere
    Column("account", String(200), ForeignKey("accounts.name", ondelete="CASCADE"), primary_key=True),
    Column("used", BigInteger, nullable=False),  # for the latest login
    Index("devices_by_account", "account"),
)
_version = Table("schema_version", MetaData(), Column("version", Integer, nullable=False))

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE answers (
            id VARCHAR(22) NOT NULL PRIMARY KEY, at BIGINT NOT NULL, outcome VARCHAR(16) NOT NULL,
            category VARCHAR(64), level VARCHAR(16), confidence DOUBLE PRECISION, generation VARCHAR(64) NOT NULL,
            quotes JSON NOT NULL, notices JSON NOT NULL, milliseconds DOUBLE PRECISION NOT NULL,
            question TEXT, fault VARCHAR(64))""",
        "CREATE INDEX answers_by_time ON answers (at, id, outcome)",
        "CREATE INDEX answers_by_outcome ON answers (outcome, at, id, category)",
        """CREATE TABLE feedback (
            answer VARCHAR(22) NOT NULL PRIMARY KEY, at BIGINT NOT NULL, helped BOOLEAN NOT NULL, reason VARCHAR(16),
            FOREIGN KEY (answer) REFERENCES answers (id) ON DELETE CASCADE)""",
        "CREATE INDEX feedback_by_time ON feedback (helped, at, answer, reason)",
    ),
    (
        """CREATE TABLE accounts (
            name VARCHAR(200) NOT NULL PRIMARY KEY, shown VARCHAR(64) NOT NULL, role VARCHAR(16) NOT NULL,
            password VARCHAR(255) NOT NULL, created BIGINT NOT NULL)""",
        """CREATE TABLE sessions (
            digest VARCHAR(64) NOT NULL PRIMARY KEY, account VARCHAR(200) NOT NULL, began BIGINT NOT NULL,
            used BIGINT NOT NULL, FOREIGN KEY (account) REFERENCES accounts (name) ON DELETE CASCADE)""",
        "CREATE INDEX sessions_by_account ON sessions (account)",
        """CREATE TABLE login_attempts (
            subject VARCHAR(64) NOT NULL PRIMARY KEY, failures INTEGER NOT NULL, at BIGINT NOT NULL)""",
    ),
    (
        "DROP TABLE login_attempts",  # of a quarter of an hour
        """CREATE TABLE login_attempts (
            subject VARCHAR(64) NOT NULL PRIMARY KEY, name VARCHAR(64), failures INTEGER NOT NULL,
            until BIGINT NOT NULL)""",
        """CREATE TABLE devices (
            digest VARCHAR(64) NOT NULL, account VARCHAR(200) NOT NULL, used BIGINT NOT NULL,
            PRIMARY KEY (digest, account), FOREIGN KEY (account) REFERENCES accounts (name) ON DELETE CASCADE)""",
        "CREATE INDEX devices_by_account ON devices (account)",
    ),
)
"""The statements that lead from each version to the next, the first from an empty database; each is in words that both
databases know, and never changed once it was released."""
_UPGRADING = 0x706C6169  # any number, the same in every process: PostgreSQL's lock for one upgrade at a time


def connect(url: str) -> Engine:
    """The database at `url`, not yet opened. Raises ConfigError for a URL that cannot be meant."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise _not_usable("is not the URL of a database") from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return _postgresql(parsed.set(drivername="postgresql+psycopg"))
    raise _not_usable(f"names {parsed.drivername}, which is not supported")


def _not_usable(problem: str) -> ConfigError:
    return ConfigError(
        f"[store] url {problem}",
        remedy="Give one such as sqlite:///plainquote.db or postgresql://user:password@host/name, or leave it empty.",
    )


def _sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise _not_usable("names no file")
    engine = create_engine(url, hide_parameters=True, pool_timeout=PATIENCE, connect_args={"timeout": PATIENCE})

    @event.listens_for(engine, "connect")
    def settle(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver begins too late by itself: see `begin`
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # what is expired is overwritten

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # One that reads first and asks for the lock later would fail at once where another has written meanwhile.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns at each attempt; the store tells once
    milliseconds = 1000 * PATIENCE
    patience = {
        "connect_timeout": PATIENCE,
        "tcp_user_timeout": milliseconds,
        "options": f"-c lock_timeout={milliseconds} -c statement_timeout={10 * milliseconds}",
    }
    try:
        return create_engine(
            url, hide_parameters=True, pool_timeout=PATIENCE, pool_pre_ping=True, connect_args=patience
        )
    except ImportError:
        raise ConfigError(
            "[store] url names PostgreSQL, whose driver is not installed",
            remedy='Install it: pip install "plainquote[postgresql]"',
        ) from None


class Database:
    """One that may be down: it is opened when it is first needed, and each fault of it is a StoreUnavailable."""

    def __init__(self, url: str, name: str, *, terse: bool = False) -> None:
        """`url`: empty where there is none. `name`: what errors call it. `terse`: they tell the kind of a fault alone,
        since anybody may read them. Raises ConfigError for a URL that cannot be meant."""
        self._engine = connect(url) if url else None
        self._name, self._terse = name, terse
        self._ready = False

    @property
    def exists(self) -> bool:
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            raise StoreUnavailable("there is no database, so nothing is kept", remedy="Name one in [store] url.")
        return self._engine

    def open(self) -> None:
        """Looks whether it is there, and brings its tables up to date. Raises StoreUnavailable, StoreTooNew."""
        with self.available():
            pass

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()

    @contextmanager
    def available(self) -> Iterator[Engine]:
        """Its tables are there, and what it does not do is told as StoreUnavailable."""
        try:
            if not self._ready:
                upgrade(self.engine)
                self._ready = True
            yield self.engine
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._ready = False  # another database may be there when it comes back
            raise StoreUnavailable(
                f"{self._name} cannot be used: {_told(error, self._terse)}",
                remedy="Check that the database of [store] url is up, has room on its disk and may be written.",
            ) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self.available() as engine, writing(engine) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.available() as engine, engine.connect() as connection:
            yield connection


def _told(error: Exception, terse: bool) -> str:
    """What went wrong, in one line and without any value that was to be written."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if terse or isinstance(error, DataError | IntegrityError):
        return type(cause).__name__
    return " ".join(str(cause).partition("\n")[0].split()) or type(cause).__name__


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that holds the right to write from its beginning."""
    with engine.execution_options(writes=True).begin() as connection:
        yield connection


def upgrade(engine: Engine, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Brings the database to the newest version, whole or not at all; one that is there needs nothing.

    Raises StoreTooNew where a later version of Plainquote has been at work.
    """
    if engine.dialect.name == "sqlite":
        _make_private(engine.url)
    with engine.connect() as connection:  # of one that is there nobody need wait for the right to write
        if inspect(connection).has_table(_version.name) and connection.scalar(_version.select()) == len(migrations):
            return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADING})
        _version.create(connection, checkfirst=True)
        found = connection.scalar(_version.select()) or 0
        if found > len(migrations):
            raise StoreTooNew(
                f"the store has version {found} of its tables, this Plainquote knows up to {len(migrations)}",
                remedy="Use the version of Plainquote that it was last used with, or a later one.",
            )
        for statements in migrations[found:]:
            for statement in statements:
                connection.exec_driver_sql(statement)
        if found < len(migrations):
            connection.execute(_version.delete())
            connection.execute(_version.insert().values(version=len(migrations)))


def _make_private(url: URL) -> None:
    """Makes the file, for its owner alone to read; the files beside it get the same rights from SQLite."""
    path = url.database or ""
    if not path.startswith("file:"):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def insert(engine: Engine, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT: both dialects have it, in the same words."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


def empty_journal(engine: Engine) -> None:
    """Takes what was deleted out of SQLite's journal too; PostgreSQL sees to that itself."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.rollback()  # what was begun stands in its way
            cursor = connection.connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.close()
