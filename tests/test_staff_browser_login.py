"""The frame of the desk in a real headless Chromium: logging in and out, one's own account, and work that goes on."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect
from staff import PASSWORD, a_desk, app_of
from test_browser import browser, visit  # noqa: F401 - a fixture

from bot.errors import UsageError
from bot.ui import files
from bot.ui.http import Beside
from bot.ui.staff import PATHS
from bot.ui.staff.desk import Desk

SIZES = {1280: 900, 390: 844, 320: 640}
LONG = 60
"""Seconds after which something that should have happened never will."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "corpus").mkdir()
    (folder / "corpus" / "a.txt").write_text("Rest after the infusion.\n")
    with a_desk(folder, folder / "corpus") as made:
        yield made


@pytest.fixture(scope="module")
def site(desk: Desk) -> Iterator[str]:
    """The address of a server with the desk and the styles that it shares."""
    app = FastAPI()
    files.add_routes(app, desk.config)
    app.router.routes.append(Beside(app_of(desk), *PATHS))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def context(browser: Browser, site: str) -> Iterator[BrowserContext]:  # noqa: F811
    yield from visit(browser, site)


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def at_the_desk(context: BrowserContext, site: str, path: str = "/staff", width: int = 1280) -> Page:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.goto(site + path)
    log_in(page, "Erin")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    return page


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"staff-{name}.png", full_page=True)


def sound(page: Page) -> None:
    """Nothing that axe finds, and nothing wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_someone_logs_in_works_and_logs_out(context: BrowserContext, site: str) -> None:
    page = context.new_page()
    page.goto(f"{site}/staff/account")
    expect(page).to_have_title("Log in – the clinic")
    expect(page.get_by_label("Name")).to_be_focused()
    log_in(page, "erin", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is not right.")
    expect(page.get_by_label("Name")).to_have_value("erin")
    expect(page.get_by_label("Password")).to_be_focused()
    log_in(page, "erin")
    expect(page).to_have_url(f"{site}/staff/account")
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("link", name="Staff desk").click()
    expect(page.get_by_role("heading", name="Staff desk")).to_be_visible()
    for name in ("Check", "Documents", "What patients ask", "Test sets", "Consistency"):
        link = page.get_by_role("navigation", name="Staff desk").get_by_role("link", name=name, exact=True)
        expect(link).to_be_visible()
        link.click()
        expect(page.get_by_role("navigation", name="Staff desk").locator("[aria-current]")).to_have_text(name)
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{site}/staff/login")
    page.go_back()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_the_password_is_changed(context: BrowserContext, site: str, desk: Desk) -> None:
    desk.accounts.add("Ola", "viewer", PASSWORD)
    page = context.new_page()
    page.goto(f"{site}/staff/account")
    log_in(page, "Ola")
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill("a pond of tall reeds")
    page.get_by_label("The new one once more").fill("a pond of tall reed")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_contain_text("The new passwords are not the same.")
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill("a pond of tall reeds")
    page.get_by_label("The new one once more").fill("a pond of tall reeds")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status")).to_contain_text("The password is changed")
    page.reload()
    expect(page.get_by_role("status")).to_have_count(0)


def a_job(desk: Desk, go_on: threading.Event) -> str:
    began = threading.Event()

    def work(report: Callable[[float, str], None]) -> str:
        report(0.4, "Reading documents: 4 of 10.")
        began.set()
        assert go_on.wait(LONG)
        return "/staff/account"

    job = desk.jobs.start("browser", "Publishing", work)
    assert began.wait(LONG)
    return f"/staff/jobs/{job.id}"


@pytest.mark.parametrize("scripts", [True, False])
def test_work_that_goes_on_leads_to_its_result(
    browser: Browser,  # noqa: F811
    site: str,
    desk: Desk,
    scripts: bool,
) -> None:
    go_on = threading.Event()
    try:
        for context in visit(browser, site, java_script_enabled=scripts):
            page = at_the_desk(context, site, a_job(desk, go_on))
            expect(page.get_by_text("Reading documents: 4 of 10.")).to_be_visible()
            expect(page.get_by_role("progressbar")).to_be_visible()
            go_on.set()
            expect(page).to_have_url(f"{site}/staff/account")
    finally:
        go_on.set()


@pytest.mark.parametrize("width", SIZES)
def test_every_page_of_the_frame_can_be_used_by_everyone(
    context: BrowserContext, site: str, desk: Desk, width: int
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.goto(f"{site}/staff")
    sound(page)
    keep(page, f"login-{width}")
    log_in(page, "erin", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    sound(page)
    keep(page, f"login-wrong-{width}")
    log_in(page, "Erin")
    expect(page.get_by_role("heading", name="Staff desk")).to_be_visible()
    sound(page)
    keep(page, f"home-{width}")
    for path in ("account", "nothing"):
        page.goto(f"{site}/staff/{path}")
        sound(page)
        keep(page, f"{path}-{width}")
    go_on = threading.Event()
    try:
        page.goto(site + a_job(desk, go_on))
        expect(page.get_by_text("4 of 10")).to_be_visible()
        sound(page)
        keep(page, f"job-{width}")
    finally:
        go_on.set()

    def fails(report: Callable[[float, str], None]) -> str:
        raise UsageError("the file is empty", remedy="Give another one.")

    job = desk.jobs.start(f"fails-{width}", "Reading a file", fails)
    page.goto(f"{site}/staff/jobs/{job.id}")
    expect(page.get_by_role("alert")).to_contain_text("It failed: the file is empty. Give another one.")
    sound(page)
    keep(page, f"failed-{width}")


def test_a_keyboard_comes_to_the_content_at_once(context: BrowserContext, site: str) -> None:
    page = at_the_desk(context, site)
    page.goto(f"{site}/staff/account")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Present password")).to_be_focused()


def test_a_page_of_another_site_sends_nothing(browser: Browser, site: str) -> None:  # noqa: F811
    """The session's cookie does not go along, and what would be sent is refused."""
    elsewhere = site.replace("127.0.0.1", "localhost")
    for context in visit(browser, site, elsewhere):
        page = at_the_desk(context, site)
        other = context.new_page()
        other.route(
            f"{elsewhere}/**",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<form method="post" action="{site}/staff/logout"><button>Win a prize</button></form>',
            ),
        )
        other.goto(f"{elsewhere}/")
        with other.expect_response("**/staff/logout") as answered:
            other.get_by_role("button").click()
        assert answered.value.status == 403
        page.reload()
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
