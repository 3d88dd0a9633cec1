"""Who may use the desk: accounts, logins and their sessions, in the store's database.

A password is kept as its Argon2id hash, a session's token as its SHA-256: whoever reads the database can use neither.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Connection, Engine, case, delete, func, or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from bot.config import Keeping, Staff
from bot.database import accounts, attempts, connect, insert, sessions, upgrade, writing
from bot.errors import LoginFailed, LoginLocked, StoreUnavailable, UsageError

Role = Literal["editor", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)
SHORTEST, LONGEST = 12, 1000
"""Characters of a password."""
LOCKED_FOR = 15 * 60
"""Seconds after the latest wrong password until the count begins anew."""
AT_MOST = 7 * 24 * 3600
"""Seconds that a session lasts, however much it is used."""
NOTED_EVERY = 60
"""Seconds between two notes that a session is in use, so that most requests only read."""
HASHED_AT_ONCE = 2
"""Each takes 64 MiB and a processor."""

_NAME = re.compile(r"[^\W_](?:[\w .@'’-]{0,62}[\w.])?")


@dataclass(frozen=True, slots=True)
class User:
    """An editor may change documents, test sets and the like; a viewer only looks. Names are unique whatever their
    case."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Account:
    """used: when it was last used, as far as a session is still kept. locked: by too many wrong passwords."""

    user: User
    created: datetime
    used: datetime | None
    locked: bool


@dataclass(frozen=True, slots=True)
class Session:
    """id: the SHA-256 of its token. csrf: what the forms of its pages carry; from it the token cannot be told."""

    id: str
    user: User
    csrf: str


class Accounts:
    """Safe to call from several threads; several processes may use the same database. Everything here raises
    StoreUnavailable where the database cannot be used."""

    def __init__(self, keeping: Keeping, staff: Staff, hasher: PasswordHasher | None = None) -> None:
        """Raises ConfigError for a URL that cannot be meant; the database is opened when it is first needed. The
        costs of the default `hasher` are those of RFC 9106 for where memory is short."""
        self._engine = connect(keeping.url) if keeping.url else None
        self._idle = staff.session_hours * 3600
        self._attempts = staff.attempts
        self._ready = False
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHED_AT_ONCE)
        self._nobody = self._hash(secrets.token_urlsafe(16))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()

    # Accounts

    def add(self, name: str, role: str, password: str) -> User:
        """Raises UsageError for a name that is taken or cannot be one, an unknown role, or a poor password."""
        shown = _checked_name(name)
        if role not in ROLES:
            raise UsageError(f"there is no role {role}", remedy=f"Give one of: {', '.join(ROLES)}.")
        values = {"name": _key(shown), "shown": shown, "role": role, "created": _now()}
        values["password"] = self._checked_hash(shown, password)
        taken = UsageError(f"there is an account {shown} already", remedy="Choose another name.")
        with self._writing() as connection:
            new = insert(self._database, accounts).values(values).on_conflict_do_nothing()
            if connection.scalar(new.returning(accounts.c.name)) is None:
                raise taken
        return User(shown, role)

    def remove(self, name: str) -> None:
        """Ends its sessions too. Raises UsageError if there is no such account."""
        with self._writing() as connection:
            if connection.execute(delete(accounts).where(accounts.c.name == _key(name))).rowcount < 1:
                raise _unknown(name)
            connection.execute(delete(attempts).where(attempts.c.subject == _subject("name", _key(name))))

    def everyone(self) -> list[Account]:
        """Every account, by name."""
        used = select(sessions.c.account, func.max(sessions.c.used).label("used")).group_by(sessions.c.account)
        latest = used.subquery()
        query = select(accounts, latest.c.used).outerjoin(latest, latest.c.account == accounts.c.name)
        with self._reading() as connection:
            found = connection.execute(query.order_by(accounts.c.name)).all()
            locked = set(
                connection.scalars(
                    select(attempts.c.subject).where(
                        attempts.c.failures >= self._attempts, attempts.c.at > _now() - LOCKED_FOR
                    )
                )
            )
        return [
            Account(
                User(row.shown, row.role),
                _time(row.created),
                _time(row.used) if row.used is not None else None,
                _subject("name", row.name) in locked,
            )
            for row in found
        ]

    def set_password(self, name: str, password: str) -> None:
        """Ends all its sessions. Raises UsageError for an unknown account or a poor password."""
        with self._reading() as connection:
            shown = connection.scalar(select(accounts.c.shown).where(accounts.c.name == _key(name)))
        if shown is None:
            raise _unknown(name)
        self._replace_password(_key(name), self._checked_hash(shown, password))

    def change_password(self, user: User, old: str, new: str, client: str) -> str:
        """The token of a new session; all others of `user` end, the present one too. Wrong old passwords count as at
        the login. Raises LoginFailed, or UsageError for a poor password."""
        self._verify(user.name, old, client)
        self._replace_password(_key(user.name), self._checked_hash(user.name, new))
        return self._begin(_key(user.name))

    def unlock(self, name: str) -> None:
        """Raises UsageError if there is no such account."""
        with self._writing() as connection:
            if connection.scalar(select(accounts.c.name).where(accounts.c.name == _key(name))) is None:
                raise _unknown(name)
            connection.execute(delete(attempts).where(attempts.c.subject == _subject("name", _key(name))))

    # Sessions

    def log_in(self, name: str, password: str, client: str) -> str:
        """The token of a new session. `client`: the address that asks. Raises LoginFailed, which does not tell whether
        there is such an account, or LoginLocked."""
        return self._begin(self._verify(name, password, client))

    def session(self, token: str) -> Session | None:
        """The session of this token, and notes that it was used; None once it has ended."""
        digest, now = _digest(token), _now()
        query = (
            select(sessions.c.used, accounts.c.shown, accounts.c.role)
            .join(accounts, accounts.c.name == sessions.c.account)
            .where(sessions.c.digest == digest, sessions.c.used > now - self._idle, sessions.c.began > now - AT_MOST)
        )
        with self._reading() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        if found.used <= now - NOTED_EVERY:
            with self._writing() as connection:
                connection.execute(update(sessions).where(sessions.c.digest == digest).values(used=now))
        return Session(digest, User(found.shown, found.role), _csrf(token))

    def log_out(self, session: Session) -> None:
        with self._writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == session.id))

    def _begin(self, account: str) -> str:
        token, now = secrets.token_urlsafe(32), _now()
        over = or_(sessions.c.used <= now - self._idle, sessions.c.began <= now - AT_MOST)
        try:
            with self._writing() as connection:
                connection.execute(delete(sessions).where(over))
                connection.execute(
                    sessions.insert().values(digest=_digest(token), account=account, began=now, used=now)
                )
        except IntegrityError:  # it was removed in this very moment
            raise _failed() from None
        return token

    def _verify(self, name: str, password: str, client: str) -> str:
        """The key of the account. An attempt is counted before its password is looked at, so that many at once are no
        more than one after the other; an unknown name takes as long as a known one."""
        key = _key(name)
        by_name, by_client = _subject("name", key), _subject("client", client)
        self._count(by_name, by_client)
        with self._reading() as connection:
            known = connection.scalar(select(accounts.c.password).where(accounts.c.name == key))
        right = self._is_right(known or self._nobody, password)
        if known is None or not right:
            raise _failed()
        with self._writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.subject == by_name))
            # What this client got wrong before stays counted, or an account of one's own would do away with it.
            connection.execute(
                update(attempts).where(attempts.c.subject == by_client).values(failures=attempts.c.failures - 1)
            )
        if self._hasher.check_needs_rehash(known):
            values = {"password": self._hash(password)}
            with self._writing() as connection:
                same = (accounts.c.name == key) & (accounts.c.password == known)
                connection.execute(update(accounts).where(same).values(values))
        return key

    def _count(self, *subjects: str) -> None:
        """Raises LoginLocked, and counts nothing, where one of them has had its attempts."""
        now, failures = _now(), attempts.c.failures + 1
        changed = {"failures": failures, "at": case((failures >= self._attempts, now), else_=attempts.c.at)}
        with self._writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.at <= now - LOCKED_FOR))
            for subject in sorted(subjects):  # two that wait for each other's rows would wait for ever
                counted = connection.scalar(
                    insert(self._database, attempts)
                    .values(subject=subject, failures=1, at=now)
                    .on_conflict_do_update(index_elements=["subject"], set_=changed)
                    .returning(attempts.c.failures)
                )
                if counted > self._attempts:
                    raise LoginLocked(
                        "too many attempts",
                        remedy=f"Wait {LOCKED_FOR // 60} minutes, or have your account unlocked: bot user unlock NAME",
                    )

    # Passwords

    def _checked_hash(self, name: str, password: str) -> str:
        """Raises UsageError for a password that is easily guessed."""
        length = len(unicodedata.normalize("NFKC", password))
        if length < SHORTEST:
            raise UsageError(
                f"the password has fewer than {SHORTEST} characters", remedy="Take a longer one: a few words do well."
            )
        if length > LONGEST:
            raise UsageError(f"the password has more than {LONGEST} characters", remedy="Take a shorter one.")
        named = len(name) > 3 and _folded(name) in _folded(password)
        if named or len(set(password)) < 5:
            raise UsageError(
                "the password is easily guessed",
                remedy="Take one of at least five different characters, without the name in it.",
            )
        return self._hash(password)

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(_bytes(password))

    def _is_right(self, known: str, password: str) -> bool:
        if len(password) > LONGEST:
            password = ""  # takes as long, and is never right
        with self._hashing:
            try:
                return self._hasher.verify(known, _bytes(password))
            except VerificationError:
                return False

    def _replace_password(self, key: str, hashed: str) -> None:
        with self._writing() as connection:
            connection.execute(update(accounts).where(accounts.c.name == key).values(password=hashed))
            connection.execute(delete(sessions).where(sessions.c.account == key))
            connection.execute(delete(attempts).where(attempts.c.subject == _subject("name", key)))

    # The database

    @property
    def _database(self) -> Engine:
        if self._engine is None:
            raise StoreUnavailable("there is no database for accounts", remedy="Name one in [store] url.")
        return self._engine

    @contextmanager
    def _available(self) -> Iterator[Engine]:
        try:
            if not self._ready:
                upgrade(self._database)
                self._ready = True
            yield self._database
        except IntegrityError:
            raise
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._ready = False  # another database may be there when it comes back
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            raise StoreUnavailable(
                f"the database of the accounts cannot be used: {type(cause).__name__}",
                remedy="Check that the database of [store] url is up, has room on its disk and may be written.",
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._available() as engine, writing(engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._available() as engine, engine.connect() as connection:
            yield connection


def _checked_name(name: str) -> str:
    shown = unicodedata.normalize("NFC", name.strip())
    if not _NAME.fullmatch(shown) or len(_folded(shown)) > 200:
        raise UsageError(
            "this cannot be the name of an account",
            remedy="Begin with a letter or digit, and use letters, digits, spaces and . _ @ ' - : at most 64.",
        )
    return shown


def _key(name: str) -> str:
    """The same of two names that people take for the same; empty, as no account's is, of what cannot be a name."""
    shown = unicodedata.normalize("NFC", name.strip())
    return _folded(shown) if _NAME.fullmatch(shown) else ""


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _unknown(name: str) -> UsageError:
    return UsageError(f"there is no account {name}", remedy="See which there are: bot user list")


def _failed() -> LoginFailed:
    return LoginFailed("the name or the password is not right", remedy="Check both, and try again.")


def _bytes(password: str) -> bytes:
    """The same of one password on every keyboard."""
    return _encoded(unicodedata.normalize("NFKC", password))


def _encoded(text: str) -> bytes:
    """Of any text: what is sent may hold half of a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")


def _subject(kind: str, value: str) -> str:
    return hashlib.sha256(_encoded(f"{kind}:{value}")).hexdigest()


def _digest(token: str) -> str:
    return hashlib.sha256(_encoded(token)).hexdigest()


def _csrf(token: str) -> str:
    return hmac.digest(_encoded(token), b"the forms of this session", "sha256").hex()


def _now() -> int:
    return int(time.time())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
