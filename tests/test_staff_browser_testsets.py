"""Test sets and consistency in a real headless Chromium: run, compare, judge, remove."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import serving
from playwright.sync_api import Browser, Page, expect
from staff import PASSWORD
from test_browser import browser, visit  # noqa: F401 - a fixture
from test_consistency import ALCOHOL, FASTING, FASTING_TOO, NO_ALCOHOL

from bot.accounts import Accounts
from bot.config import Keeping
from bot.config import Staff as StaffSettings
from bot.embed import Encoder

SIZES = {1280: 900, 390: 844}
XSS = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def site(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sets")
    corpus, tests = folder / "corpus", folder / "tests"
    corpus.mkdir()
    tests.mkdir()
    (corpus / "before.txt").write_text(f"Before your infusion\n\n{FASTING}\n\nTake 5 mg of {XSS} at night.\n")
    (corpus / "day.txt").write_text(
        f"The day of your infusion\n\n{FASTING_TOO}\n\n{ALCOHOL}\n\nTake 5 ml of {XSS} at night.\n"
    )
    (corpus / "after.txt").write_text(f"After your infusion\n\n{NO_ALCOHOL}\n\nAsk somebody to drive you home.\n")
    questions = [
        {"_id": "q1", "question": "who drives me home", "document": "after.txt", "quote": "Ask somebody to drive"},
        {"_id": "q2", "question": f"what about {XSS}", "document": "before.txt", "quote": "Take 5 mg"},
        {"_id": "q3", "question": "is there a car park", "unanswerable": True, "kind": "not_covered"},
    ]
    (tests / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in questions))
    environment = {"PLAINQUOTE_STAFF_TESTS": str(tests), "PLAINQUOTE_WEB_REQUESTS_PER_MINUTE": "0"}
    with serving(corpus, folder / "index", encoder, **environment) as address:
        accounts = Accounts(Keeping(url=f"sqlite:///{folder / 'store.db'}"), StaffSettings())
        accounts.add("Erin", "editor", PASSWORD)
        accounts.close()
        yield address


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:  # noqa: F811
    for context in visit(browser, site):
        page = context.new_page()
        page.on("dialog", lambda dialog: pytest.fail("a script of a question or a document ran"))
        page.goto(f"{site}/staff/login")
        page.get_by_label("Name").fill("Erin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{site}/staff")
        yield page


def look(page: Page, name: str) -> None:
    """Whether the page is accessible and fits, wide and narrow; a picture where SCREENSHOTS names a folder."""
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)
        found = Axe().run(page).response["violations"]
        assert [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found] == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_set_is_run_looked_at_and_mended(page: Page, site: str) -> None:
    page.goto(f"{site}/staff/tests")
    look(page, "testsets")
    page.get_by_role("rowheader").get_by_role("link").first.click()
    for label in ("Run it now", "Run it again"):
        page.get_by_role("button", name=label).click()
        page.wait_for_url("**/staff/tests/set?name=.", timeout=60_000)
    expect(page.get_by_text("Nothing changed since the run before")).to_be_visible()
    expect(page.get_by_role("heading", name=f"what about {XSS}")).to_be_visible()
    page.get_by_text("What was found").first.click()
    look(page, "testset")
    page.get_by_role("link", name="Remove").last.click()
    look(page, "testset-remove")
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("status")).to_contain_text("removed from the test set")
    page.get_by_role("link", name="Check it").first.click()
    page.wait_for_url("**/staff/check?question=*")


def test_pairs_are_compared_and_judged(page: Page, site: str) -> None:
    page.goto(f"{site}/staff/consistency")
    look(page, "consistency-none")
    page.get_by_role("button", name="Compare now").click()
    page.wait_for_url("**/staff/consistency", timeout=60_000)
    pairs = page.locator(".pairs > li")
    expect(pairs).to_have_count(3)
    expect(page.locator("mark", has_text="eight hours")).to_be_visible()
    look(page, "consistency")
    pair = pairs.filter(has_text="eight hours")
    pair.get_by_role("button").click()
    expect(page.get_by_role("status").first).to_contain_text("Noted as fine")
    expect(pairs).to_have_count(2)
    page.get_by_role("link", name="Judged to be fine (1)").click()
    expect(page.get_by_text("Judged to be fine by Erin")).to_be_visible()
    look(page, "consistency-fine")
    pairs.get_by_role("heading", level=3).get_by_role("link").first.click()
    expect(page.locator("#quote")).to_contain_text("before")
