"""Who may use the desk: accounts, logins and their sessions, in the store's database.

A password is kept as its Argon2id hash, the token of a session or of a device as its SHA-256: whoever reads the
database can use none of them.

Guesses are limited so that a stranger cannot keep a person out (OWASP, "Slow Down Online Guessing Attacks with Device
Cookies"): a device that an account was logged in from before has a count of its own, and is held by no other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from zxcvbn import zxcvbn

from bot.config import Keeping, Staff
from bot.database import Database, accounts, attempts, devices, insert, sessions
from bot.errors import LoginFailed, LoginLocked, UsageError

Role = Literal["editor", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)
SHORTEST, LONGEST = 12, 1000
"""Characters of a password."""
LEAST_SCORE = 3
"""Of zxcvbn's 0 to 4."""
LOOKED_AT = 72
"""Characters of it that are compared with what is common: the work grows with their square."""
LOCKED_FOR = 15 * 60
"""Seconds after the latest wrong password until the count begins anew; for a name, whoever tries it:"""
NAME_LOCKED_FOR = 60 * 60
SEVERAL = 5
"""So many times the attempts at one name from one address are those from that address, and those at that name."""
KNOWN_FOR = 180 * 24 * 3600
"""Seconds that a device is known after the latest login from it."""
MOST_DEVICES = 20
"""Devices of an account, those of the latest logins."""
AT_MOST = 7 * 24 * 3600
"""Seconds that a session lasts, however much it is used."""
NOTED_EVERY = 60
"""Seconds between two notes that a session is in use, so that most requests only read."""
HASHED_AT_ONCE = 2
"""Each takes 64 MiB and a processor."""

_ESTIMATING = threading.Lock()  # zxcvbn keeps what it was told of the user in a global
_NAME = re.compile(r"[^\W_](?:[\w .@'’-]{0,62}[\w.])?")


@dataclass(frozen=True, slots=True)
class User:
    """An editor may change documents, test sets and the like; a viewer only looks. Names are unique whatever their
    case."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Account:
    """used: when it was last used, as far as a session is still kept. locked: for devices that it was never used on, by
    too many wrong passwords."""

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


@dataclass(frozen=True, slots=True)
class _Count:
    """Of wrong passwords. subject: what they are counted for. most: so many, then none is looked at for `seconds` after
    the latest. name: SHA-256 of the one name that they were tried for, if it is one."""

    subject: str
    most: int
    seconds: int
    name: str | None = None


class Accounts:
    """Safe to call from several threads; several processes may use the same database. Everything here raises
    StoreUnavailable where the database cannot be used."""

    def __init__(self, keeping: Keeping, staff: Staff, hasher: PasswordHasher | None = None) -> None:
        """Raises ConfigError for a URL that cannot be meant; the database is opened when it is first needed. The
        costs of the default `hasher` are those of RFC 9106 for where memory is short."""
        self._database = Database(keeping.url, "the database of the accounts", terse=True)
        self._idle = staff.session_hours * 3600
        self._attempts = staff.attempts
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHED_AT_ONCE)
        self._nobody = self._hash(secrets.token_urlsafe(16))

    def close(self) -> None:
        self._database.close()

    # Accounts

    def add(self, name: str, role: str, password: str) -> User:
        """Raises UsageError for a name that is taken or cannot be one, an unknown role, or a poor password."""
        shown = _checked_name(name)
        if role not in ROLES:
            raise UsageError(f"there is no role {role}", remedy=f"Give one of: {', '.join(ROLES)}.")
        values = {"name": _key(shown), "shown": shown, "role": role, "created": _now()}
        values["password"] = self._checked_hash(shown, password)
        taken = UsageError(f"there is an account {shown} already", remedy="Choose another name.")
        with self._database.writing() as connection:
            new = insert(self._database.engine, accounts).values(values).on_conflict_do_nothing()
            if connection.scalar(new.returning(accounts.c.name)) is None:
                raise taken
        return User(shown, role)

    def remove(self, name: str) -> None:
        """Ends its sessions too. Raises UsageError if there is no such account."""
        with self._database.writing() as connection:
            if connection.execute(delete(accounts).where(accounts.c.name == _key(name))).rowcount < 1:
                raise _unknown(name)
            connection.execute(delete(attempts).where(attempts.c.name == _subject("name", _key(name))))

    def everyone(self) -> list[Account]:
        """Every account, by name."""
        used = select(sessions.c.account, func.max(sessions.c.used).label("used")).group_by(sessions.c.account)
        latest = used.subquery()
        query = select(accounts, latest.c.used).outerjoin(latest, latest.c.account == accounts.c.name)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(accounts.c.name)).all()
            locked = set(
                connection.scalars(
                    select(attempts.c.subject).where(
                        attempts.c.failures >= SEVERAL * self._attempts, attempts.c.until > _now()
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
        """Ends all its sessions, forgets its devices. Raises UsageError for an unknown account or a poor password."""
        with self._database.reading() as connection:
            shown = connection.scalar(select(accounts.c.shown).where(accounts.c.name == _key(name)))
        if shown is None:
            raise _unknown(name)
        self._replace_password(_key(name), self._checked_hash(shown, password))

    def change_password(self, user: User, old: str, new: str, client: str, device: str = "") -> str:
        """The token of a new session; all others of `user` end, the present one too, and its devices are forgotten.
        Wrong old passwords count as at the login. Raises LoginFailed, or UsageError for a poor password."""
        self._verify(user.name, old, client, device)
        self._replace_password(_key(user.name), self._checked_hash(user.name, new))
        return self._begin(_key(user.name))

    def unlock(self, name: str) -> None:
        """Raises UsageError if there is no such account."""
        with self._database.writing() as connection:
            if connection.scalar(select(accounts.c.name).where(accounts.c.name == _key(name))) is None:
                raise _unknown(name)
            connection.execute(delete(attempts).where(attempts.c.name == _subject("name", _key(name))))

    # Sessions

    def log_in(self, name: str, password: str, client: str, device: str = "") -> str:
        """The token of a new session. `client`: the address that asks. `device`: the token that it was given by
        `know_device`. Raises LoginFailed, which does not tell whether there is such an account, or LoginLocked."""
        return self._begin(self._verify(name, password, client, device))

    def know_device(self, user: User, device: str = "") -> str:
        """A new token for the device that `user` has just logged in from, in place of the one that it has: also for
        the others who use it."""
        token, key, now = secrets.token_urlsafe(32), _key(user.name), _now()
        new = insert(self._database.engine, devices).values(digest=_digest(token), account=key, used=now)
        newest = select(devices.c.used).where(devices.c.account == key).order_by(devices.c.used.desc())
        with self._database.writing() as connection:
            connection.execute(delete(devices).where(devices.c.used <= now - KNOWN_FOR))
            connection.execute(update(devices).where(devices.c.digest == _digest(device)).values(digest=_digest(token)))
            try:
                connection.execute(new.on_conflict_do_update(index_elements=["digest", "account"], set_={"used": now}))
            except IntegrityError:  # the account was removed in this very moment
                raise _failed() from None
            oldest = connection.scalar(newest.offset(MOST_DEVICES - 1).limit(1))
            if oldest is not None:
                connection.execute(delete(devices).where(devices.c.account == key, devices.c.used < oldest))
        return token

    def session(self, token: str) -> Session | None:
        """The session of this token, and notes that it was used; None once it has ended."""
        digest, now = _digest(token), _now()
        query = (
            select(sessions.c.used, accounts.c.shown, accounts.c.role)
            .join(accounts, accounts.c.name == sessions.c.account)
            .where(sessions.c.digest == digest, sessions.c.used > now - self._idle, sessions.c.began > now - AT_MOST)
        )
        with self._database.reading() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return None
        if found.used <= now - NOTED_EVERY:
            with self._database.writing() as connection:
                connection.execute(update(sessions).where(sessions.c.digest == digest).values(used=now))
        return Session(digest, User(found.shown, found.role), _csrf(token))

    def log_out(self, session: Session) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == session.id))

    def _begin(self, account: str) -> str:
        token, now = secrets.token_urlsafe(32), _now()
        over = or_(sessions.c.used <= now - self._idle, sessions.c.began <= now - AT_MOST)
        values = {"digest": _digest(token), "account": account, "began": now, "used": now}
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(over))
            try:
                connection.execute(sessions.insert().values(values))
            except IntegrityError:  # it was removed in this very moment
                raise _failed() from None
        return token

    def _verify(self, name: str, password: str, client: str, device: str) -> str:
        """The key of the account. An attempt is counted before its password is looked at, so that many at once are no
        more than one after the other; an unknown name takes as long as a known one."""
        key = _key(name)
        own, shared = self._counts(key, client, device)
        self._count(*own, *shared)
        with self._database.reading() as connection:
            known = connection.scalar(select(accounts.c.password).where(accounts.c.name == key))
        right = self._is_right(known or self._nobody, password)
        if known is None or not right:
            raise _failed()
        with self._database.writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.subject.in_([count.subject for count in own])))
            # What this client got wrong before stays counted, or an account of one's own would do away with it.
            connection.execute(
                update(attempts)
                .where(attempts.c.subject.in_([count.subject for count in shared]))
                .values(failures=attempts.c.failures - 1)
            )
        if self._hasher.check_needs_rehash(known):
            values = {"password": self._hash(password)}
            with self._database.writing() as connection:
                same = (accounts.c.name == key) & (accounts.c.password == known)
                connection.execute(update(accounts).where(same).values(values))
        return key

    def _counts(self, key: str, client: str, device: str) -> tuple[list[_Count], list[_Count]]:
        """Where an attempt counts: those that the right password ends, and those that it leaves."""
        name, most = _subject("name", key), self._attempts
        digest = _digest(device)
        with self._database.reading() as connection:
            known = connection.scalar(
                select(devices.c.digest).where(
                    devices.c.digest == digest, devices.c.account == key, devices.c.used > _now() - KNOWN_FOR
                )
            )
        if known is not None:
            return [_Count(_subject("device", f"{digest} {key}"), most, LOCKED_FOR, name)], []
        pair = _Count(_subject("pair", f"{client} {key}"), most, LOCKED_FOR, name)
        anyone = _Count(name, SEVERAL * most, NAME_LOCKED_FOR, name)
        return [pair, anyone], [_Count(_subject("client", client), SEVERAL * most, LOCKED_FOR)]

    def _count(self, *counts: _Count) -> None:
        """Raises LoginLocked, and counts nothing, where one of them has had its attempts."""
        now, failures = _now(), attempts.c.failures + 1
        with self._database.writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.until <= now))
            for count in sorted(counts, key=lambda one: one.subject):  # two that wait for each other would for ever
                until = now + count.seconds
                new = insert(self._database.engine, attempts).values(
                    subject=count.subject, name=count.name, failures=1, until=until
                )
                changed = {"failures": failures, "until": case((failures >= count.most, until), else_=attempts.c.until)}
                counted = connection.scalar(
                    new.on_conflict_do_update(index_elements=["subject"], set_=changed).returning(attempts.c.failures)
                )
                if counted > count.most:
                    raise LoginLocked(
                        "too many attempts",
                        remedy=f"Wait {count.seconds // 60} minutes, log in on a device that you have logged in on "
                        "before, or have your account unlocked: bot user unlock NAME",
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
        why = _weakness(name, password)
        if why is not None:
            raise UsageError(
                f"the password is easily guessed{why}",
                remedy="Take a few words that have nothing to do with each other, with you or with this place.",
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
        with self._database.writing() as connection:
            connection.execute(update(accounts).where(accounts.c.name == key).values(password=hashed))
            connection.execute(delete(sessions).where(sessions.c.account == key))
            connection.execute(delete(devices).where(devices.c.account == key))
            connection.execute(delete(attempts).where(attempts.c.name == _subject("name", key)))


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


def _weakness(name: str, password: str) -> str | None:
    """Why the password is soon guessed, as words to add, maybe none; None if it is not.

    Guesses are estimated by zxcvbn (Wheeler 2016) from lists of common passwords, names and words, keyboards, dates and
    repetitions; at least `LEAST_SCORE` means 10⁸ of them and more.
    """
    text = unicodedata.normalize("NFKC", password)
    if len(name) > 3 and _folded(name) in _folded(text):
        return ": it holds the name"
    with _ESTIMATING:
        found = zxcvbn(text[:LOOKED_AT], user_inputs=[name, *name.split(), "plainquote"], max_length=LOOKED_AT)
    if found["score"] >= LEAST_SCORE:
        return None
    warning = found["feedback"]["warning"].rstrip(".")
    return f": {warning[:1].lower()}{warning[1:]}" if warning else ""


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
