"""Accounts, logins and sessions, over SQLite and, where TEST_POSTGRES names a server, over PostgreSQL."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from staff import CHEAP
from test_store import sqlite_url, url  # noqa: F401

from bot import accounts
from bot.accounts import AT_MOST, KNOWN_FOR, LOCKED_FOR, LONGEST, MOST_DEVICES, NAME_LOCKED_FOR, Accounts, User
from bot.config import Keeping, Staff
from bot.database import MIGRATIONS, connect, upgrade
from bot.errors import LoginFailed, LoginLocked, StoreUnavailable, UsageError

PASSWORD = "seven grey herons wade"
OTHER = "nine tall reeds and a pond"
HERE, THERE = "192.0.2.1", "198.51.100.7"
HOUR = 3600


@pytest.fixture
def known(url: str) -> Iterator[Accounts]:  # noqa: F811
    """Nurse Lee, an editor, and Vic, a viewer."""
    made = Accounts(Keeping(url=url), Staff(attempts=3, session_hours=2), CHEAP)
    made.add("Nurse Lee", "editor", PASSWORD)
    made.add("vic", "viewer", OTHER)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets so many seconds pass."""
    now = [1_800_000_000]
    monkeypatch.setattr(accounts, "_now", lambda: now[0])

    def passes(seconds: int) -> None:
        now[0] += seconds

    return passes


def test_accounts_are_made_listed_and_removed(known: Accounts) -> None:
    assert [(one.user, one.used, one.locked) for one in known.everyone()] == [
        (User("Nurse Lee", "editor"), None, False),
        (User("vic", "viewer"), None, False),
    ]
    known.remove("NURSE LEE")
    assert [one.user.name for one in known.everyone()] == ["vic"]
    with pytest.raises(UsageError, match="there is no account Nurse Lee"):
        known.remove("Nurse Lee")


@pytest.mark.parametrize("name", ["nurse lee", "NURSE LEE", " Nurse Lee ", "Ｎurse Lee"])
def test_a_name_is_given_once_whatever_its_case(known: Accounts, name: str) -> None:
    with pytest.raises(UsageError, match="already"):
        known.add(name, "viewer", PASSWORD)
    assert known.session(known.log_in(name, PASSWORD, HERE)).user.name == "Nurse Lee"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "-a", "a/b", "<b>", "a\u202eb", "a\0b", "\ud800", "x" * 65, "ﷺ" * 20]
)
def test_what_is_no_name_is_refused(known: Accounts, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        known.add(name, "viewer", PASSWORD)
    with pytest.raises(UsageError, match="there is no account"):
        known.unlock(name)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("eleven char", "fewer than 12"),
        ("a" * 12, "easily guessed: repeats like"),
        ("abcdefghijkl", "easily guessed: sequences like"),
        ("Nurse Lee Nurse Lee", "easily guessed: it holds the name"),
        ("password1234", "easily guessed: this is a very common password"),
        ("P@ssw0rd1234", "easily guessed: this is similar to a commonly used password"),
        ("Ｐassword1234", "easily guessed: this is similar"),
        ("qwertyuiop123", "easily guessed: this is a very common password"),
        ("administrator1", "easily guessed"),
        ("plainquote2026", "easily guessed"),
        ("p@$$w0rd1!" * 90, "easily guessed: repeats like"),
        ("x y z 1 2" * 200, "more than 1000"),
    ],
)
def test_poor_passwords_are_refused(known: Accounts, password: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        known.set_password("nurse lee", password)
    assert refused.value.remedy.startswith("Take a")
    assert password not in str(refused.value)
    with pytest.raises(UsageError, match="no role"):
        known.add("new", "admin", PASSWORD)
    assert known.log_in("Nurse Lee", PASSWORD, HERE)


def test_a_login_gives_a_session_with_its_user(known: Accounts) -> None:
    one, other = known.log_in("nurse lee", PASSWORD, HERE), known.log_in("Nurse Lee", PASSWORD, HERE)
    assert one != other
    assert len(one) >= 43  # 256 bits
    session = known.session(one)
    assert session is not None
    assert session.user == User("Nurse Lee", "editor")
    assert session.csrf != known.session(other).csrf  # type: ignore[union-attr]
    assert one not in (session.id, session.csrf)
    for token in ("", "x", one[:-1], session.id, session.csrf, "\ud800", "\0"):
        assert known.session(token) is None


def test_a_password_may_be_typed_on_any_keyboard(known: Accounts) -> None:
    known.set_password("vic", "Zoë naïve café 1")
    assert known.log_in("vic", "Zoe\u0308 nai\u0308ve cafe\u0301 1", HERE)


def test_no_character_of_a_long_password_is_left_out(known: Accounts) -> None:
    long = f"{PASSWORD} {OTHER} " * 18
    assert 800 < len(long) <= LONGEST
    known.set_password("vic", long)
    for near in (long[:-1], long[:72], long.lower().replace("e", "E", 1)):
        with pytest.raises(LoginFailed):
            known.log_in("vic", near, THERE)
        known.unlock("vic")
    assert known.log_in("vic", long, HERE)


def test_which_was_wrong_is_not_told(known: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    verify = known._is_right
    monkeypatch.setattr(known, "_is_right", lambda hashed, given: looked.append(hashed) or verify(hashed, given))
    told = []
    for name in ("Nurse Lee", "nobody", "a\0b"):
        with pytest.raises(LoginFailed) as failed:
            known.log_in(name, "not the password", f"{HERE}{name}")
        told.append(failed.value.to_dict())
    assert told[0] == told[1] == told[2]
    assert [hashed.split("$")[:4] for hashed in looked] == [looked[0].split("$")[:4]] * 3  # as much work each


def test_nobody_logs_in_by_the_password_of_nobody(known: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_is_right", lambda hashed, given: True)
    with pytest.raises(LoginFailed):
        known.log_in("nobody", PASSWORD, HERE)


def fail(known: Accounts, name: str, client: str, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(LoginFailed) as failed:
            known.log_in(name, "not the password", client)
        assert type(failed.value) is LoginFailed


def locked(known: Accounts, name: str, password: str, client: str, device: str = "") -> bool:
    """Whether not even the right password helps."""
    try:
        known.log_in(name, password, client, device)
    except LoginLocked:
        return True
    return False


def test_wrong_passwords_lock_the_name_for_one_address(known: Accounts, clock: Callable[[int], None]) -> None:
    fail(known, "NURSE lee", HERE, 3)
    assert locked(known, "Nurse Lee", PASSWORD, HERE)
    assert not locked(known, "vic", OTHER, HERE)
    clock(LOCKED_FOR - 1)
    assert locked(known, "Nurse Lee", PASSWORD, HERE)
    clock(1)
    assert not locked(known, "Nurse Lee", PASSWORD, HERE)


def test_a_stranger_locks_out_nobody_elsewhere(known: Accounts) -> None:
    fail(known, "Nurse Lee", THERE, 3)
    assert locked(known, "Nurse Lee", PASSWORD, THERE)
    assert not locked(known, "Nurse Lee", PASSWORD, HERE)
    assert not any(one.locked for one in known.everyone())


def fail_everywhere(known: Accounts, name: str, times: int = 15) -> None:
    for number in range(times):
        fail(known, name, f"192.0.2.{100 + number}")


@pytest.mark.parametrize("name", ["Nurse Lee", "nobody"])
def test_wrong_passwords_from_many_addresses_lock_the_name(
    known: Accounts, clock: Callable[[int], None], name: str
) -> None:
    fail_everywhere(known, name)
    assert locked(known, name, PASSWORD, THERE)
    assert [one.locked for one in known.everyone()] == [name == "Nurse Lee", False]
    assert not locked(known, "vic", OTHER, THERE)
    clock(NAME_LOCKED_FOR - 1)
    assert locked(known, name, PASSWORD, HERE)
    clock(1)
    if name != "nobody":
        assert not locked(known, name, PASSWORD, HERE)
    assert not any(one.locked for one in known.everyone())


def test_a_device_that_is_known_is_locked_by_nobody_else(known: Accounts) -> None:
    device = known.know_device(User("Nurse Lee", "editor"))
    fail_everywhere(known, "Nurse Lee")
    for number in range(5):  # and whoever shares its address
        fail(known, f"another {number}", HERE, 3)
    assert locked(known, "vic", OTHER, HERE)
    assert locked(known, "Nurse Lee", PASSWORD, HERE)
    assert not locked(known, "Nurse Lee", PASSWORD, HERE, device)
    assert locked(known, "vic", OTHER, HERE, device)  # who never logged in on it
    assert locked(known, "Nurse Lee", PASSWORD, THERE, device[:-1])


def test_guesses_on_a_known_device_are_limited_too(known: Accounts, clock: Callable[[int], None]) -> None:
    device = known.know_device(User("Nurse Lee", "editor"))
    for number in range(3):
        with pytest.raises(LoginFailed):
            known.log_in("Nurse Lee", "not the password", f"192.0.2.{number}", device)
    assert locked(known, "Nurse Lee", PASSWORD, THERE, device)
    clock(LOCKED_FOR)
    assert not locked(known, "Nurse Lee", PASSWORD, THERE, device)


def test_a_device_may_have_several_who_use_it(known: Accounts) -> None:
    first = known.know_device(User("vic", "viewer"))
    second = known.know_device(User("Nurse Lee", "editor"), first)
    assert second != first
    fail_everywhere(known, "vic")
    fail_everywhere(known, "nurse lee")
    assert locked(known, "vic", OTHER, HERE, first)  # it has another token now
    assert not locked(known, "vic", OTHER, HERE, second)
    assert not locked(known, "Nurse Lee", PASSWORD, HERE, second)


def test_a_device_is_forgotten_in_time_and_with_the_password(known: Accounts, clock: Callable[[int], None]) -> None:
    def is_known(device: str) -> bool:
        known.unlock("vic")
        fail_everywhere(known, "vic")
        return not locked(known, "vic", OTHER, HERE, device)

    vic = User("vic", "viewer")
    device = known.know_device(vic)
    assert is_known(device)
    clock(KNOWN_FOR)
    assert not is_known(device)
    device = known.know_device(vic)
    known.set_password("vic", OTHER)
    assert not is_known(device)
    device = known.know_device(vic)
    for _ in range(MOST_DEVICES):
        clock(1)
        known.know_device(vic)
    assert not is_known(device)
    with known._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM devices").scalar() == MOST_DEVICES
    known.remove("vic")
    with known._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM devices").scalar() == 0


def test_wrong_passwords_lock_the_client(known: Accounts) -> None:
    for number in range(5):
        fail(known, f"name {number}", HERE, 3)
    assert locked(known, "vic", OTHER, HERE)
    assert not locked(known, "vic", OTHER, THERE)


def test_an_account_of_ones_own_does_not_do_away_with_the_count_of_a_client(known: Accounts) -> None:
    for number in range(5):
        fail(known, f"name {number}", HERE, 2)
        known.log_in("vic", OTHER, HERE)
        fail(known, f"name {number}", HERE)
    assert locked(known, "vic", OTHER, HERE)


def test_many_logins_lock_nobody(known: Accounts) -> None:
    for number in range(10):
        fail(known, "vic", f"192.0.2.{number}")
        assert known.log_in("vic", OTHER, THERE)


def test_old_attempts_do_not_count(known: Accounts, clock: Callable[[int], None]) -> None:
    fail(known, "vic", HERE, 2)
    clock(LOCKED_FOR)
    fail(known, "vic", HERE, 2)
    assert known.log_in("vic", OTHER, HERE)


def test_unlocking(known: Accounts) -> None:
    fail_everywhere(known, "vic", 12)
    fail(known, "vic", HERE, 3)
    assert locked(known, "vic", OTHER, HERE)
    known.unlock("VIC")
    assert known.log_in("vic", OTHER, HERE)


def test_guesses_at_once_are_no_more_than_one_after_the_other(known: Accounts) -> None:
    met: list[str] = []

    def guess(number: int) -> None:
        try:
            known.log_in("vic", "not the password", HERE)
        except LoginFailed as error:
            met.append(type(error).__name__)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(met) == {"LoginFailed": 3, "LoginLocked": 5}


def test_a_session_ends_when_it_is_not_used(known: Accounts, clock: Callable[[int], None]) -> None:
    token = known.log_in("vic", OTHER, HERE)
    for _ in range(5):
        clock(2 * HOUR - 1)
        assert known.session(token)
    clock(2 * HOUR)
    assert known.session(token) is None


def test_a_session_ends_however_much_it_is_used(known: Accounts, clock: Callable[[int], None]) -> None:
    token = known.log_in("vic", OTHER, HERE)
    for _ in range(AT_MOST // HOUR - 1):
        clock(HOUR)
        assert known.session(token)
    clock(HOUR)
    assert known.session(token) is None
    known.log_in("vic", OTHER, HERE)
    with known._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 1  # what is over is deleted


def test_use_is_listed(known: Accounts, clock: Callable[[int], None]) -> None:
    token = known.log_in("vic", OTHER, HERE)
    clock(HOUR)
    known.session(token)
    assert known.everyone()[1].used == accounts._time(accounts._now())


def test_logging_out_ends_one_session(known: Accounts) -> None:
    one, other = known.log_in("vic", OTHER, HERE), known.log_in("vic", OTHER, HERE)
    session = known.session(one)
    assert session
    known.log_out(session)
    assert known.session(one) is None
    assert known.session(other)


@pytest.mark.parametrize("how", ["remove", "password", "change"])
def test_sessions_end_with_their_password_and_their_account(known: Accounts, how: str) -> None:
    mine, other = known.log_in("vic", OTHER, HERE), known.log_in("Nurse Lee", PASSWORD, HERE)
    if how == "remove":
        known.remove("Vic")
    elif how == "password":
        known.set_password("Vic", PASSWORD)
        assert known.log_in("vic", PASSWORD, HERE)
    else:
        new = known.change_password(User("vic", "viewer"), OTHER, PASSWORD, HERE)
        assert known.session(new)
    assert known.session(mine) is None
    assert known.session(other)


def test_changing_a_password_needs_the_old_one_and_counts_as_a_login(known: Accounts) -> None:
    user = User("vic", "viewer")
    token = known.log_in("vic", OTHER, HERE)
    for _ in range(3):
        with pytest.raises(LoginFailed):
            known.change_password(user, "not the password", PASSWORD, HERE)
    with pytest.raises(LoginLocked):
        known.change_password(user, OTHER, PASSWORD, HERE)
    assert known.session(token)
    known.unlock("vic")
    with pytest.raises(UsageError, match="fewer than"):
        known.change_password(user, OTHER, "short", THERE)
    assert known.session(token)
    assert known.log_in("vic", OTHER, THERE)


def test_a_hash_of_old_costs_is_renewed(known: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept() -> str:
        with known._database.reading() as connection:
            return str(connection.exec_driver_sql("SELECT password FROM accounts WHERE name = 'vic'").scalar())

    assert "$m=8,t=1,p=1$" in kept()
    monkeypatch.setattr(known, "_hasher", PasswordHasher())
    known.log_in("vic", OTHER, HERE)
    assert kept().startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert known.log_in("vic", OTHER, HERE)


def test_the_database_holds_neither_passwords_nor_tokens(sqlite_url: str, tmp_path: Path) -> None:  # noqa: F811
    made = Accounts(Keeping(url=sqlite_url), Staff())
    made.add("vic", "viewer", PASSWORD)
    token = made.log_in("vic", PASSWORD, HERE)
    with pytest.raises(LoginFailed):
        made.log_in("vic", "a wrong password", HERE)
    session = made.session(token)
    assert session
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert session.id.encode() in written
    device = made.know_device(session.user)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (PASSWORD, token, device, session.csrf, "a wrong password", HERE):
        assert secret.encode() not in written
    made.close()


def test_two_processes_share_accounts_and_sessions(known: Accounts, url: str) -> None:  # noqa: F811
    other = Accounts(Keeping(url=url), Staff(), CHEAP)
    assert other.session(known.log_in("vic", OTHER, HERE))
    other.close()


def test_a_store_of_the_version_before_gets_accounts(url: str) -> None:  # noqa: F811
    engine = connect(url)
    upgrade(engine, MIGRATIONS[:1])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO answers (id, at, outcome, generation, quotes, notices, milliseconds) "
            "VALUES ('x', 1, 'answered', '000001', '[]', '[]', 1.5)"
        )
    made = Accounts(Keeping(url=url), Staff(), CHEAP)
    made.add("vic", "viewer", PASSWORD)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id FROM answers").scalar() == "x"
    engine.dispose()
    made.close()


def test_a_store_of_the_second_version_keeps_its_accounts(url: str) -> None:  # noqa: F811
    engine = connect(url)
    upgrade(engine, MIGRATIONS[:2])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO accounts (name, shown, role, password, created) VALUES ('vic', 'Vic', 'viewer', 'x', 1)"
        )
        connection.exec_driver_sql("INSERT INTO login_attempts (subject, failures, at) VALUES ('x', 5, 1)")
    engine.dispose()
    made = Accounts(Keeping(url=url), Staff(), CHEAP)
    assert [one.user.name for one in made.everyone()] == ["Vic"]
    assert made.know_device(User("Vic", "viewer"))
    made.close()


def test_without_a_database_there_is_nobody(tmp_path: Path) -> None:
    nowhere = Accounts(Keeping(url=f"sqlite:///{tmp_path / 'no' / 'store.db'}"), Staff(), CHEAP)
    for asked in (lambda: nowhere.log_in("vic", OTHER, HERE), lambda: nowhere.session("x"), nowhere.everyone):
        with pytest.raises(StoreUnavailable, match="cannot be used"):
            asked()
    (tmp_path / "no").mkdir()
    assert nowhere.everyone() == []  # it is there by now
    nowhere.close()
    with pytest.raises(StoreUnavailable, match="there is no database"):
        Accounts(Keeping(url=""), Staff()).everyone()


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    """One that locks nobody, so that anything can be tried."""
    folder = tmp_path_factory.mktemp("roomy")
    made = Accounts(Keeping(url=f"sqlite:///{folder / 'store.db'}"), Staff(attempts=10**6), CHEAP)
    made.add("vic", "viewer", PASSWORD)
    yield made
    made.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(categories=None), max_size=80) | st.just("vic"),
    st.text(st.characters(categories=None), max_size=LONGEST + 5),
)
def test_whatever_is_typed_is_refused_in_the_same_way(roomy: Accounts, name: str, password: str) -> None:
    with pytest.raises(LoginFailed):
        roomy.log_in(name, password, name)
