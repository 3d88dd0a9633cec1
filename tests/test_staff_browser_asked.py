"""What patients ask, in a real headless Chromium: from the plots to a question in vain, and into the test set."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import CORPUS, serving
from playwright.sync_api import Browser, BrowserContext, Page, expect
from staff import PASSWORD
from test_browser import browser, visit  # noqa: F401 - a fixture

from bot.accounts import Accounts
from bot.config import Keeping
from bot.config import Staff as StaffSettings
from bot.embed import Encoder
from bot.index import Index
from bot.shown import Shown, ShownNotice, ShownQuote
from bot.store import Store

SIZES = [(1280, 900, False), (390, 844, True)]
XSS = "<img src=x onerror=alert(1)> what about parking"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def site(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the app with some answers in its store, and the folder of its test set."""
    folder = tmp_path_factory.mktemp("asked")
    keeping, tests = Keeping(url=f"sqlite:///{folder / 'store.db'}", keep_questions=True), folder / "tests"
    settings = {
        "STORE_KEEP_QUESTIONS": "true",
        "STAFF_TESTS": str(tests),
        "WEB_REQUESTS_PER_MINUTE": "0",
    }
    environment = {f"PLAINQUOTE_{name}": value for name, value in settings.items()}
    with serving(CORPUS, folder / "index", encoder, **environment) as address:
        accounts = Accounts(keeping, StaffSettings())
        accounts.add("Erin", "editor", PASSWORD)
        accounts.close()
        fill(keeping, Index.load(folder / "index"))
        yield address, tests


def fill(keeping: Keeping, index: Index) -> None:
    (document,) = index.documents.values()
    start = document.text.index("Ketamine comes with some side effects")
    quote = ShownQuote(1, document.id, start, start + 100, document.sha256, ((start, start + 60),))
    gone = ShownQuote(2, "old-leaflet.txt", 10, 90, "ab" * 32, ())
    rows = []
    for day in range(30):
        for outcome, count in (("answered", 9 + day % 5), ("not_found", day % 4), ("emergency", day % 9 == 0)):
            rows += [row(outcome, day, f"what about {('coffee', 'my dog')[day % 2]} and pain") for _ in range(count)]
    rows += [
        row("fault", 2, None),
        row("not_found", 1, XSS),
        row("not_found", 0, "is there parking for my car"),
        row("not_found", 0, "where is parking for a car"),
    ]
    helpless = row("answered", 0, f"{XSS} and its side effects", quotes=(quote, gone))
    store = Store.open(keeping)
    store._insert([*rows, helpless])
    store.feedback(helpless.id, False, "out_of_date")
    for one in rows[:12]:
        store.feedback(one.id, True)
    store.close()


def row(outcome: object, day: int, question: str | None, quotes: tuple[ShownQuote, ...] = ()) -> Shown:
    emergency = outcome == "emergency"
    return Shown(
        id=os.urandom(11).hex(),
        at=NOW - timedelta(days=day),
        outcome=outcome,  # type: ignore[arg-type]
        category="stroke_heart" if emergency else None,
        level="immediate" if emergency else None,
        confidence=0.25,
        generation="000001",
        quotes=quotes,
        notices=(ShownNotice("sources_only" if quotes else "not_found", 1),),
        milliseconds=12.0,
        question=question,
    )


@pytest.fixture
def page(browser: Browser, site: tuple[str, Path]) -> Iterator[Page]:  # noqa: F811
    """A window of an editor who is logged in, and to whom nobody else's script speaks."""
    for context in visit(browser, site[0]):
        yield logged_in(context, site[0])


def logged_in(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.on("dialog", lambda dialog: pytest.fail("a script of a question ran"))
    page.goto(f"{address}/staff/login")
    page.get_by_label("Name").fill("Erin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{address}/staff")
    return page


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{broken['id']}: {[node['target'] for node in broken['nodes']]}" for broken in found]


def photograph(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"asked-{name}.png", full_page=True)


def test_every_page_is_accessible_and_fits(page: Page, site: tuple[str, Path]) -> None:
    page.goto(f"{site[0]}/staff/asked/unhelpful")
    answer = page.get_by_role("link", name="All about this answer").get_attribute("href")
    assert answer
    paths = {
        "days": "/staff/asked",
        "in-vain": "/staff/asked/unanswered",
        "did-not-help": "/staff/asked/unhelpful",
        "answers": "/staff/asked/answers",
        "answer": answer,
        "add": f"/staff/asked/add?answer={answer.rpartition('/')[2]}",
    }
    for width, height, dark in SIZES:
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_viewport_size({"width": width, "height": height})
        for name, path in paths.items():
            page.goto(site[0] + path)
            for details in page.locator("main details").all():
                details.evaluate("element => { element.open = true; }")
            photograph(page, f"{name}-{width}")
            assert violations(page) == [], (name, width)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)


def test_from_the_plots_to_a_question_in_vain_and_into_the_test_set(page: Page, site: tuple[str, Path]) -> None:
    address, tests = site
    page.goto(f"{address}/staff")
    page.get_by_role("navigation").get_by_role("link", name="What patients ask").click()
    expect(page.get_by_role("img", name="Answered by day")).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("table", name="Answers by day")).to_be_visible()
    page.get_by_role("link", name="Last 7 days").click()
    expect(page.locator(".numbers tbody tr")).to_have_count(7)
    page.get_by_role("link", name="Asked in vain").click()
    if page.get_by_role("button", name="Compare them").count():
        page.get_by_role("button", name="Compare them").click()
        page.get_by_role("link", name="See the result").click()
    group = page.locator(".group", has=page.get_by_role("heading", name="parking for my car"))
    expect(group).to_contain_text("Still without an answer")
    group.get_by_text("The questions").click()
    group.get_by_role("link", name=re.compile("Add as a test question ?: where is parking")).click()
    expect(page.get_by_label("The question, as a patient would ask it")).to_have_value("where is parking for a car")
    page.get_by_label("Look with other words").fill("side effects of ketamine")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.get_by_label("Look with other words")).to_have_value("side effects of ketamine")
    page.get_by_label("Our documents answer it").check()
    page.get_by_label("Ketamine comes with some side effects").check()
    page.get_by_role("button", name="Add to the test set").click()
    expect(page.get_by_text("The question is in the test set now, as s001")).to_be_visible()
    (line,) = (tests / "questions.jsonl").read_text().splitlines()
    assert json.loads(line)["quote"].startswith("Ketamine comes with some side effects")


def test_an_answer_is_read_as_it_was_shown(page: Page, site: tuple[str, Path]) -> None:
    page.goto(f"{site[0]}/staff/asked/unhelpful")
    answer = page.get_by_role("article")
    expect(answer.get_by_role("heading")).to_have_text(f"{XSS} and its side effects")
    expect(answer.locator("mark")).to_have_text(re.compile("Ketamine comes with some side effects"))
    expect(answer).to_contain_text("The words of this quote cannot be shown")
    expect(answer).to_contain_text("out of date")
    assert page.locator("main img").count() == 0


def test_the_export_is_a_file(page: Page, site: tuple[str, Path]) -> None:
    page.goto(f"{site[0]}/staff/asked")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export these days as CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    assert download.value.path().read_bytes().startswith(b"\xef\xbb\xbfid,time,")
