"""The door of the desk: who comes in, how, and what no one gets past."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from staff import PASSWORD, SITE, a_desk, app_of, log_in, send, token, visiting
from starlette.testclient import TestClient

from bot.accounts import KNOWN_FOR
from bot.bot import Bot
from bot.config import Config, CorpusRules, Keeping, Web
from bot.embed import Encoder
from bot.errors import UsageError
from bot.index import Index
from bot.store import Status
from bot.ui.app import create_app
from bot.ui.http import Beside
from bot.ui.staff.desk import LOGIN, SAFE, UPLOAD, Desk
from bot.ui.staff.door import COOKIE, DEVICE, own_address
from bot.ui.staff.jobs import REMEMBERED, Jobs

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
OPEN = {LOGIN, "/staff/static/{name}"}
"""What is reached without a login."""
ANYBODY = {LOGIN, "/staff/logout", "/staff/account/password", "/staff/asked/unanswered"}
"""What a viewer may send too: it changes nothing but their own login, or only has something worked out."""
LONG = 60
"""Seconds after which something that should have happened never will."""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("Rest after the infusion.\n")
    return folder


@pytest.fixture
def desk(tmp_path: Path, corpus: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, corpus) as made:
        yield made


def own_routes(app: FastAPI) -> list[tuple[str, set[str]]]:
    """Every address of the desk in `app`, with its methods."""
    found: list[tuple[str, set[str]]] = []
    inside: list[Any] = [app]
    while inside:
        for route in getattr(inside.pop(), "routes", []):
            if isinstance(route, APIRoute):
                found.append((route.path, set(route.methods or ())))
            elif isinstance(route, Beside):
                inside.append(route.app)
            else:
                inside.append(getattr(route, "original_router", route))
    return [(path, methods) for path, methods in found if path.startswith("/staff")]


def address(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x", path)


# Without a login


@pytest.fixture(scope="module")
def whole(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The app as it is served."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "corpus").mkdir()
    (folder / "corpus" / "a.txt").write_text("Rest after the infusion.\n")
    config = Config(store=Keeping(url=f"sqlite:///{folder / 'store.db'}"), web=Web(requests_per_minute=0))
    Index.update(folder / "index", folder / "corpus", encoder, config)
    return create_app(Bot.open(folder / "index", config=config))


@pytest.fixture(scope="module")
def stranger(whole: FastAPI) -> Iterator[TestClient]:
    with TestClient(whole, SITE, follow_redirects=False) as client:
        yield client


def test_every_address_of_the_desk_wants_a_login(whole: FastAPI, stranger: TestClient) -> None:
    routes = own_routes(whole)
    assert {path for path, _ in routes} >= {"/staff", "/staff/account", "/staff/jobs/{id}", "/staff/logout", LOGIN}
    guarded = [path for path, _ in routes if path not in OPEN]
    for path in [*guarded, "/staff/", "/staff/nothing", "/staff//", "/staff/login/", UPLOAD]:
        for method in METHODS:
            for cookie in ("", f"{COOKIE}=", f"{COOKIE}={'A' * 43}", "\x00;=;,", f'{COOKIE}="'):
                answer = stranger.request(method, address(path), headers={"Cookie": cookie})
                if answer.status_code == 303:
                    assert method == "GET"
                    assert answer.headers["location"].startswith(LOGIN)
                else:
                    assert answer.status_code == 401, (method, path)
                assert "Rest after" not in answer.text
                assert "set-cookie" not in answer.headers


def test_what_is_open_is_the_login_and_the_looks(stranger: TestClient) -> None:
    assert stranger.get(LOGIN).status_code == 200
    assert stranger.get("/staff/static/staff.css").headers["content-type"].startswith("text/css")
    assert stranger.get("/staff/static/job.js").headers["content-type"].startswith("text/javascript")
    for name in ("desk.py", "..%2fdesk.py", "%2e%2e/desk.py", "templates%2flogin.html", "x", "staff.css/"):
        assert stranger.get(f"/staff/static/{name}").status_code in (303, 404)
    assert stranger.post("/staff/static/staff.css").status_code == 405


def test_the_desk_is_framed_by_nobody_and_kept_by_no_browser(stranger: TestClient) -> None:
    for path in (LOGIN, "/staff", "/staff/account", "/staff/static/staff.css"):
        headers = stranger.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"


def test_the_chat_is_served_beside_it(stranger: TestClient) -> None:
    assert stranger.get("/health").json() == {"status": "ok"}
    assert "frame-ancestors 'self'" in stranger.get("/").headers["content-security-policy"]


def test_programs_are_told_in_json(stranger: TestClient) -> None:
    answer = stranger.get("/staff/jobs/x/json")
    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "remedy"}


def test_a_body_is_not_read_before_the_login(desk: Desk) -> None:
    """Nor is that of an upload before it is known to come from an editor."""

    def sent(headers: dict[str, str]) -> int:
        statuses: list[int] = []

        async def receive() -> Any:
            raise AssertionError("it reads the body")

        async def send_out(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": UPLOAD,
            "raw_path": UPLOAD.encode(),
            "root_path": "",
            "query_string": b"",
            "client": ("192.0.2.1", 1234),
            "server": ("testserver", 80),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        asyncio.run(app_of(desk).middleware_stack(scope, receive, send_out))  # type: ignore[misc,arg-type]
        return statuses[0]

    large = {"content-type": "multipart/form-data; boundary=x", "transfer-encoding": "chunked", "host": "testserver"}
    assert sent(large) == 401
    vic = desk.accounts.log_in("Vic", PASSWORD, "")
    assert sent({**large, "cookie": f"{COOKIE}={vic}"}) == 403
    erin = desk.accounts.log_in("Erin", PASSWORD, "")
    assert sent({**large, "cookie": f"{COOKIE}={erin}", "origin": "http://evil.example"}) == 403


def test_an_upload_may_be_as_large_as_a_document_and_nothing_else_may(tmp_path: Path, corpus: Path) -> None:
    with a_desk(tmp_path, corpus, corpus=CorpusRules(max_file_mb=1), web=Web(max_body_kb=16)) as desk:
        client = visiting(desk)
        big = b"x" * 1_000_000
        for path in ("/staff/account/password", "/staff/logout", LOGIN):
            for headers in ({}, {"Transfer-Encoding": "chunked"}):
                body = big if not headers else (big[n : n + 1000] for n in range(0, len(big), 1000))
                answer = client.post(path, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
                assert answer.status_code == 413, path
                assert "too large" in answer.text
        form = {"csrf": token(client)}
        assert client.post(UPLOAD, data=form, files={"file": big}).status_code != 413
        assert client.post(UPLOAD, data=form, files={"file": big + big}).status_code == 413


# Logging in


def test_a_login_leads_to_the_page_that_was_wanted(desk: Desk) -> None:
    client = visiting(desk, None)
    asked = client.get("/staff/account?a=1&b=%22%3E")
    assert asked.status_code == 303
    page = client.get(asked.headers["location"])
    assert 'value="/staff/account?a=1&amp;b=%22%3E"' in page.text
    answer = client.post(LOGIN, data={"name": "erin", "password": PASSWORD, "next": "/staff/account?a=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/account?a=1")
    page = client.get("/staff/account").text
    assert "Erin" in page
    assert PASSWORD not in page
    assert client.get(LOGIN).headers["location"] == "/staff"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/staff",
        "/\\evil.example",
        "\\\\evil.example",
        "/staff/../../evil",
        "/staffroom",
        "javascript:alert(1)",
        "/staff\r\nSet-Cookie: a=b",
        " /staff",
        "http:/staff",
        "http://[",
        "/staff/login?next=/staff/login",
        "",
    ],
)
def test_nobody_is_led_elsewhere(desk: Desk, elsewhere: str) -> None:
    client = visiting(desk, None)
    answer = client.post(LOGIN, data={"name": "erin", "password": PASSWORD, "next": elsewhere})
    assert answer.headers["location"] == "/staff"


@given(
    st.text(st.characters(categories=None))
    | st.from_regex(r"(/staff)?[/\\]{0,3}[a-z.:@]*[/\\?#]?[a-z.]*", fullmatch=True)
)
def test_an_own_address_stays_here(wanted: str) -> None:
    assert re.fullmatch(r"/staff(?:[/?#].*)?", own_address(wanted), re.DOTALL)


def cookie(answer: Any, name: str = COOKIE) -> Any:
    jar: SimpleCookie = SimpleCookie()
    for one in answer.headers.get_list("set-cookie"):
        jar.load(one)
    return jar[name]


def test_the_cookie_is_for_this_desk_alone(desk: Desk) -> None:
    client = visiting(desk, None)
    form = {"name": "erin", "password": PASSWORD}
    kept = cookie(client.post(LOGIN, data=form))
    assert (kept["path"], kept["httponly"], kept["samesite"], kept["secure"]) == ("/staff", True, "Strict", "")
    assert not kept["max-age"]
    forwarded = client.post(LOGIN, data=form, headers={"X-Forwarded-Proto": "https"})
    assert not cookie(forwarded)["secure"]  # anyone can say so
    with TestClient(app_of(desk), "https://testserver", follow_redirects=False) as safe:
        assert cookie(safe.post(LOGIN, data=form))["secure"]


def test_a_token_counts_in_the_cookie_alone(desk: Desk) -> None:
    kept = visiting(desk).cookies[COOKIE]
    client = visiting(desk, None)
    assert client.get(f"/staff?{COOKIE}={kept}").status_code == 303
    assert client.get("/staff", headers={"Authorization": f"Bearer {kept}"}).status_code == 303
    client.cookies.set(COOKIE, kept, path="/staff")
    assert client.get("/staff").status_code == 200
    assert kept not in client.get("/staff").text


def test_behind_a_trusted_proxy_its_word_counts(tmp_path: Path, corpus: Path) -> None:
    with a_desk(tmp_path, corpus, web=Web(proxies=1)) as desk:
        client = visiting(desk, None)
        form = {"name": "erin", "password": PASSWORD}
        assert cookie(client.post(LOGIN, data=form, headers={"X-Forwarded-Proto": "https"}))["secure"]
        assert not cookie(client.post(LOGIN, data=form, headers={"X-Forwarded-Proto": "https, http"}))["secure"]
        own = {"Origin": "https://desk.example", "X-Forwarded-Host": "desk.example"}
        assert client.post(LOGIN, data=form, headers=own).status_code == 303
        client.cookies.clear()
        for _ in range(5):  # each address has its own count
            wrong = {"name": "erin", "password": "x"}
            assert client.post(LOGIN, data=wrong, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
        assert client.post(LOGIN, data=form, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 429
        assert client.post(LOGIN, data=form, headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 303


def test_a_login_gives_another_token_and_ends_the_one_before(desk: Desk) -> None:
    client = visiting(desk, None)
    client.cookies.set(COOKIE, "planted" * 7, path="/staff")
    log_in(client, "Erin")
    first = [kept.value for kept in client.cookies.jar if kept.name == COOKIE][-1]
    assert first != "planted" * 7
    client.cookies.clear()
    client.cookies.set(COOKIE, str(first), path="/staff")
    log_in(client, "Vic")
    assert desk.accounts.session(str(first)) is None


def test_a_wrong_login_says_the_same_of_every_name(desk: Desk) -> None:
    client = visiting(desk, None)
    pages = []
    for name in ("Erin", "Nobody"):
        answer = client.post(LOGIN, data={"name": name, "password": "not the password"})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        pages.append(answer.text.replace(name, ""))
    assert pages[0] == pages[1]
    assert "name or the password is not right" in pages[0]
    assert "not the password" not in pages[0]


def test_too_many_are_locked_out(desk: Desk) -> None:
    client = visiting(desk, None)
    for _ in range(desk.config.staff.attempts):
        assert client.post(LOGIN, data={"name": "erin", "password": "x"}).status_code == 401
    answer = client.post(LOGIN, data={"name": "erin", "password": PASSWORD})
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.text


def test_a_browser_in_which_one_logged_in_is_not_locked_out_by_strangers(desk: Desk) -> None:
    client = visiting(desk)
    send(client, "/staff/logout")
    stranger = visiting(desk, None)
    for _ in range(desk.config.staff.attempts):
        assert stranger.post(LOGIN, data={"name": "erin", "password": "x"}).status_code == 401
    form = {"name": "erin", "password": PASSWORD}
    assert stranger.post(LOGIN, data=form).status_code == 429  # both come from one address here
    answer = client.post(LOGIN, data=form)
    assert answer.status_code == 303
    kept = cookie(answer, DEVICE)
    assert (kept["path"], kept["httponly"], kept["samesite"]) == ("/staff", True, "Strict")
    assert int(kept["max-age"]) == KNOWN_FOR
    stranger.cookies.set(DEVICE, kept.value, path="/staff")
    assert stranger.get("/staff").status_code == 303  # it opens nothing


def test_names_are_shown_as_text(desk: Desk) -> None:
    client = visiting(desk, None)
    hostile = '"><script>alert(1)</script>'
    page = client.post(LOGIN, data={"name": hostile, "password": "x", "next": hostile}).text
    assert "<script>alert" not in page
    assert "&#34;&gt;&lt;script&gt;alert(1)" in page


def test_logging_out(desk: Desk) -> None:
    client = visiting(desk)
    kept = client.cookies[COOKIE]
    assert send(client, "/staff/logout").headers["location"] == LOGIN
    assert COOKIE not in client.cookies
    assert desk.accounts.session(kept) is None


def test_changing_the_password(desk: Desk) -> None:
    client, other = visiting(desk, "Vic"), visiting(desk, "Vic")
    new = "a pond of tall reeds"
    for form, status, words in (
        ({"old": PASSWORD, "new": new, "again": "another"}, 422, "not the same"),
        ({"old": "wrong", "new": new, "again": new}, 401, "not right"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, 422, "fewer than 12"),
    ):
        answer = send(client, "/staff/account/password", form)
        assert (answer.status_code, words in answer.text) == (status, True)
    answer = send(client, "/staff/account/password", {"old": PASSWORD, "new": new, "again": new})
    assert answer.status_code == 303
    assert "The password is changed" in client.get("/staff/account").text
    assert "The password is changed" not in client.get("/staff/account").text  # it is said once
    assert other.get("/staff/account").status_code == 303
    log_in(visiting(desk, None), "Vic", new)


# What is sent from elsewhere


def changing(desk: Desk) -> list[tuple[str, str]]:
    return [
        (method, address(path))
        for path, methods in own_routes(app_of(desk))
        for method in methods - SAFE
        if path != LOGIN
    ]


def test_what_changes_something_needs_the_token_of_the_form(desk: Desk) -> None:
    client, other = visiting(desk), visiting(desk)
    routes = changing(desk)
    assert ("POST", "/staff/logout") in routes
    foreign = token(other)
    assert foreign != token(client)
    for method, path in routes:
        for form in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "ä"}, {"csrf": foreign}):
            assert client.request(method, path, data=form).status_code == 403, path
        assert client.request(method, path, files={"csrf": foreign.encode()}).status_code == 403, path
        assert client.request(method, path, json={"csrf": token(client)}).status_code == 403, path
        assert client.request(method, path, headers={"X-CSRF-Token": foreign}).status_code == 403, path
    assert client.get("/staff").status_code == 200


def test_what_changes_something_comes_from_a_page_of_this_site(desk: Desk) -> None:
    client = visiting(desk)
    form = {"csrf": token(client)}
    foreign: list[dict[str, str]] = [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": SITE},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"},
    ]
    for headers in foreign:
        assert client.post("/staff/logout", data=form, headers=headers).status_code == 403, headers
        login = client.post(LOGIN, data={"name": "Vic", "password": PASSWORD}, headers=headers)
        assert login.status_code == 403  # or a browser could be logged in as someone else
        assert "set-cookie" not in login.headers
    assert client.get("/staff").status_code == 200
    own = {"Sec-Fetch-Site": "same-origin", "Origin": SITE}
    assert client.post("/staff/logout", data=form, headers=own).status_code == 303


def test_a_viewer_changes_nothing(desk: Desk) -> None:
    client = visiting(desk, "Vic")
    right = token(client)
    allowed = {address(path) for path in ANYBODY}
    for method, path in changing(desk):
        if path not in allowed:
            answer = client.request(method, path, data={"csrf": right})
            assert answer.status_code == 403, f"{method} {path}: give it a parameter `user: Editor`"
    assert client.get("/staff").status_code == 200


def test_the_token_may_come_from_a_script(desk: Desk) -> None:
    client = visiting(desk)
    assert client.post("/staff/logout", headers={"X-CSRF-Token": token(client)}).status_code == 303


# Where the database is not there


def test_without_a_database_there_is_no_desk(bot: Bot) -> None:
    without = Bot(bot.index, bot.encoder, Config(store=Keeping(url="")))
    client = TestClient(create_app(without))
    for path in ("/staff", LOGIN, UPLOAD, "/staff/account"):
        answer = client.post(path) if path == UPLOAD else client.get(path)
        assert answer.status_code == 503
        assert "The desk cannot be used: it needs a database" in answer.text


def test_an_index_in_memory_has_no_desk(bot: Bot, tmp_path: Path) -> None:
    config = Config(store=Keeping(url=f"sqlite:///{tmp_path / 'store.db'}"))
    with TestClient(create_app(Bot(bot.index, bot.encoder, config))) as client:
        assert "the index is not on disk" in client.get("/staff").text


def test_while_the_database_is_down_nobody_comes_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visiting(desk)

    def down(*_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("no route to host"))

    monkeypatch.setattr("bot.database.upgrade", down)
    monkeypatch.setattr(desk.accounts._database, "_ready", False)
    page = client.get("/staff")
    assert page.status_code == 503
    assert "The database of the accounts cannot be used" in page.text
    assert "Erin" not in page.text
    assert client.get("/staff/jobs/x/json").status_code == 503
    answer = client.post(LOGIN, data={"name": "erin", "password": PASSWORD})
    assert answer.status_code == 503
    assert "cannot be used" in answer.text
    monkeypatch.undo()
    assert client.get("/staff").status_code == 200


def test_staff_see_that_the_store_is_down(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visiting(desk)
    assert 'class="warning"' not in client.get("/staff").text
    monkeypatch.setattr(desk.store, "status", lambda: Status("down", None, "<b>disk full</b>", waiting=3, lost=2))
    page = client.get("/staff").text
    assert "The database cannot be used: &lt;b&gt;disk full&lt;/b&gt;. 3 answers wait to be written." in page
    assert "2 answers were lost" in page


def test_a_removed_account_is_out_at_once(desk: Desk) -> None:
    client = visiting(desk)
    desk.accounts.remove("Erin")
    assert client.get("/staff").headers["location"] == LOGIN


def test_what_goes_wrong_is_told_on_a_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visiting(desk)
    assert client.get("/staff/<script>").status_code == 404
    assert client.get("/staff/account/password").status_code == 405

    def defect(*_: Any) -> Any:
        raise ValueError("<b>secret</b>")

    monkeypatch.setattr(desk.accounts, "log_out", defect)
    answer = send(client, "/staff/logout")
    assert answer.status_code == 500
    assert "The server failed" in answer.text
    assert "secret" not in answer.text


# Jobs


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    def waits(reached: Callable[[], bool]) -> None:
        for _ in range(LONG * 100):
            if reached():
                return
            threading.Event().wait(0.01)
        raise AssertionError("it was never reached")

    return waits


def test_a_job_shows_how_far_it_is_and_leads_to_its_result(desk: Desk, until: Callable[..., None]) -> None:
    client = visiting(desk)
    told, go_on = threading.Event(), threading.Event()

    def work(report: Callable[[float, str], None]) -> str:
        report(0.25, "<b>reading</b>")
        told.set()
        assert go_on.wait(LONG)
        return "/staff/account"

    job = desk.jobs.start("publish", "Publishing", work)
    assert told.wait(LONG)
    page = client.get(f"/staff/jobs/{job.id}").text
    assert '<progress id="done" max="1" value="0.25">' in page
    assert "&lt;b&gt;reading&lt;/b&gt;" in page
    assert client.get(f"/staff/jobs/{job.id}/json").json() == {
        "state": "running",
        "done": 0.25,
        "words": "<b>reading</b>",
        "url": None,
    }
    with pytest.raises(UsageError, match="under way already"):
        desk.jobs.start("publish", "Publishing", work)
    assert desk.jobs.running("publish") == desk.jobs.get(job.id)
    other = desk.jobs.start("test", "Testing", lambda report: None)
    until(lambda: desk.jobs.get(other.id).state == "done")  # type: ignore[union-attr]
    assert "Done." in client.get(f"/staff/jobs/{other.id}").text
    go_on.set()
    until(lambda: desk.jobs.get(job.id).state == "done")  # type: ignore[union-attr]
    assert client.get(f"/staff/jobs/{job.id}").headers["location"] == "/staff/account"
    assert desk.jobs.running("publish") is None


def test_a_job_that_fails_says_why(desk: Desk, until: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    client = visiting(desk)

    def ours(report: Any) -> str:
        raise UsageError("the file is <empty>", remedy="Give another one.")

    def defect(report: Any) -> str:
        raise ValueError("secret")

    told = desk.jobs.start("a", "Reading", ours)
    broken = desk.jobs.start("b", "Counting", defect)
    until(lambda: desk.jobs.get(told.id).state == desk.jobs.get(broken.id).state == "failed")  # type: ignore[union-attr]
    page = client.get(f"/staff/jobs/{told.id}").text
    assert "It failed: the file is &lt;empty&gt;." in page
    assert "Give another one." in page
    page = client.get(f"/staff/jobs/{broken.id}").text
    assert "The server failed" in page
    assert "secret" not in page
    until(lambda: "Counting failed" in caplog.text)
    assert "secret" in caplog.text


def test_jobs_end_with_the_server(until: Callable[..., None]) -> None:
    jobs = Jobs()
    began = threading.Event()

    def work(report: Callable[[float, str], None]) -> None:
        while True:
            report(0.5, "on and on")
            began.set()

    job = jobs.start("a", "Work", work)
    assert began.wait(LONG)
    jobs.close()
    until(lambda: jobs.get(job.id).state == "failed")  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="being stopped"):
        jobs.start("a", "Work", work)


def test_old_jobs_are_forgotten(until: Callable[..., None]) -> None:
    jobs = Jobs()
    first = None
    for _ in range(REMEMBERED + 2):
        job = jobs.start("a", "Work", lambda report: None)
        first = first or job
        until(lambda: jobs.running("a") is None)
    assert first
    assert jobs.get(first.id) is None
    assert len(jobs._jobs) == REMEMBERED
    jobs.close()
