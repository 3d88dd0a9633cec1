"""Checking what the materials say and reading documents at the desk, in a real headless Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import serving
from playwright.sync_api import Browser, BrowserContext, Page, expect
from staff import PASSWORD
from test_browser import browser, visit  # noqa: F401 - a fixture
from test_staff_documents import DOSE, a_library

from bot.accounts import Accounts
from bot.config import Keeping, Staff
from bot.embed import Encoder

SIZES = [(1280, 900, "light"), (390, 844, "light"), (390, 844, "dark"), (320, 640, "light")]
ASKED = "How many tabletts may I take in a day?"


@pytest.fixture(scope="module")
def site(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("desk")
    accounts = Accounts(Keeping(url=f"sqlite:///{folder / 'store.db'}"), Staff())
    accounts.add("Erin", "editor", PASSWORD)
    accounts.close()
    with serving(a_library(folder), folder / "index", encoder, PLAINQUOTE_WEB_REQUESTS_PER_MINUTE="0") as address:
        yield address


@pytest.fixture
def staff(browser: Browser, site: str) -> Iterator[BrowserContext]:  # noqa: F811
    """A browser in which Erin is logged in."""
    for context in visit(browser, site):
        page = context.new_page()
        page.goto(f"{site}/staff/login")
        page.get_by_label("Name").fill("Erin")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        page.close()
        yield context


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{broken['id']}: {[node['target'] for node in broken['nodes']]}" for broken in found]


def photograph(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def states(site: str) -> dict[str, str]:
    found = {
        "check": {},
        "check-question": {"question": ASKED},
        "check-filtered": {"question": ASKED, "document": "tablets", "history": "What are tablets?"},
        "check-phrase": {"question": '"how to rest"'},
        "check-emergency": {"question": "I took all my tablets at once and can't stay awake"},
        "check-problem": {"question": "?!"},
        "why": {},
        "why-pasted": {"question": ASKED, "text": DOSE.replace("two tablets", "nine tablets")},
        "why-picked": {"question": ASKED, "document": "late.md", "start": 0, "end": 70},
        "documents": {},
        "documents-none": {"words": "no such"},
        "document": {"document": "dose.md", "question": ASKED},
        "document-picked": {"document": "long.txt", "start": 30000, "end": 30100},
        "document-pdf": {"document": "a.pdf"},
        "document-hostile": {"document": "deep/<img src=x onerror=alert(1)>.txt"},
    }
    paths = {"check": "check", "why": "check/why", "documents": "documents", "document": "documents/read"}
    return {name: f"{site}/staff/{paths[name.split('-')[0]]}?{urlencode(query)}" for name, query in found.items()}


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_every_page_is_accessible_and_fits(
    staff: BrowserContext, site: str, width: int, height: int, scheme: str
) -> None:
    page = staff.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": height})
    for name, url in states(site).items():
        page.goto(url)
        for details in page.locator("details").all():
            details.evaluate("element => { element.open = true; }")
        photograph(page, f"{name}-{width}-{scheme}")
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        expect(page.get_by_role("heading", level=1)).to_have_count(1)


def test_a_nurse_checks_a_question_and_reads_on(staff: BrowserContext, site: str) -> None:
    page = staff.new_page()
    page.goto(f"{site}/staff/check")
    page.get_by_label("Question, or").fill(ASKED)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="A patient is shown quotes")).to_be_visible()
    first = page.get_by_role("article").first
    expect(first).to_contain_text("Quoted in quote 1")
    expect(first.locator("mark").first).to_be_visible()
    first.get_by_role("link", name="Read in the document").click()
    expect(page.locator("#picked")).to_be_in_viewport()
    expect(page.get_by_label("Question to ask")).to_have_value(ASKED.replace("tabletts", "tabletts"))
    page.get_by_role("link", name="Why not?").last.click()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("article")).to_contain_text("uoted")
    page.get_by_role("link", name="Search with this text").click()
    expect(page.get_by_role("article").first).to_be_visible()


def test_a_pasted_passage_is_compared(staff: BrowserContext, site: str) -> None:
    page = staff.new_page()
    page.goto(f"{site}/staff/check/why")
    page.get_by_label("Question", exact=True).fill(ASKED)
    page.get_by_label("Passage, pasted").fill(DOSE.replace("two tablets", "nine tablets"))
    page.get_by_role("button", name="Say why").click()
    expect(page.get_by_role("heading", name="What was pasted is in no document")).to_be_visible()
    expect(page.locator(".check-differences ins")).to_have_text("nine ")


def test_a_document_is_found_read_and_saved(staff: BrowserContext, site: str) -> None:
    page = staff.new_page()
    page.goto(f"{site}/staff/documents")
    page.get_by_label("Title or file").fill("tablets")
    page.get_by_label("Order").select_option("Words")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Your tablets").click()
    expect(page.get_by_label("Passage 1", exact=True)).to_contain_text("Take one tablet twice a day")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download the file").click()
    assert DOSE in Path(saved.value.path()).read_text(encoding="utf-8")
    assert saved.value.suggested_filename == "dose.md"


def test_what_is_hostile_does_nothing(staff: BrowserContext, site: str) -> None:
    page = staff.new_page()
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    for name in ("document-hostile", "documents"):
        page.goto(states(site)[name])
        assert page.locator("main img, main script").count() == 0
    page.goto(f"{site}/staff/check?{urlencode({'question': '<img src=x onerror=alert(1)> script alert'})}")
    expect(page.get_by_role("article").first).to_be_visible()
    assert page.locator("main img, main script").count() == 0
    assert asked == []
