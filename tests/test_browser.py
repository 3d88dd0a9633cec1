"""A real headless Chromium asks as a patient would."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import serving
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from test_ui import HOSTILE

from bot.embed import Encoder

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONES = [320, 390]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed: .ci/run installs it")
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def visits(browser: Browser, site: str) -> Iterator[BrowserContext]:
    """A visit that must send every request to the site itself, and must not see an error of a script."""
    yield from visit(browser, site)


def visit(browser: Browser, site: str) -> Iterator[BrowserContext]:
    context = browser.new_context()
    requests: list[str] = []
    errors: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    own = urlsplit(site).netloc
    foreign = [url for url in requests if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != own]
    assert requests
    assert foreign == []
    assert errors == []


def open_chat(context: BrowserContext, site: str, width: int = 1280, height: int = 900) -> Page:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.goto(site)
    expect(page.get_by_label("Your question")).to_be_visible()
    return page


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def test_a_patient_asks_reads_and_follows_the_citation(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    ask(page, "What are the side effects of ketamine?")
    log = page.get_by_role("log")
    expect(log.locator("figure.quote").first).to_be_visible()
    expect(log).to_contain_text("These are the exact words of our leaflets.")
    expect(log.locator("mark").filter(has_text="hallucinations, vivid dreams")).to_be_visible()
    expect(log.locator("figcaption").first).to_contain_text("Details about Ketamine Treatment for Chronic Pain")
    expect(page.get_by_label("Your question")).to_be_focused()
    expect(page.get_by_label("Your question")).to_have_value("")

    quoted = log.locator("blockquote").first.text_content()
    with visits.expect_page() as opened:
        log.get_by_role("link", name="Read it in the leaflet").first.click()
    leaflet = opened.value
    expect(leaflet.locator("#quote")).to_be_in_viewport()
    assert leaflet.locator("#quote").text_content() == quoted
    expect(leaflet.locator("h1")).to_have_text("Details about Ketamine Treatment for Chronic Pain")
    expect(page.get_by_role("log").locator("figure.quote").first).to_be_attached()


def test_what_the_documents_do_not_say_is_refused(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    ask(page, "How do I cook pasta?")
    reply = page.locator(".reply.not_found")
    expect(reply).to_contain_text("Our leaflets do not seem to answer this.")
    expect(page.locator("figure.quote")).to_have_count(0)
    reply.get_by_role("button", name="Using Ketamine for Chronic Pain").click()
    expect(page.locator("figure.quote").first).to_be_visible()


def test_a_starter_asks_its_words_and_start_again_clears(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    page.get_by_role("button", name="Using Ketamine for Chronic Pain").first.click()
    expect(page.locator("h2.question")).to_have_text("Using Ketamine for Chronic Pain")
    expect(page.locator("figure.quote").first).to_be_visible()
    page.get_by_role("button", name="Start again").click()
    expect(page.locator("h2.question")).to_have_count(0)


def test_a_question_that_is_too_long_is_kept(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    question = "pain " * 450
    ask(page, question)
    expect(page.get_by_role("alert")).to_contain_text("at most 2000 letters")
    expect(page.get_by_label("Your question")).to_have_value(question)
    expect(page.locator("h2.question")).to_have_count(0)


def test_a_server_that_cannot_be_reached_is_a_fault_and_costs_nothing(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    ask(page, "Which conditions can it be used for?")
    expect(page.locator("figure.quote").first).to_be_visible()
    visits.route("**/queue/join*", lambda route: route.abort())
    ask(page, "How do I cook pasta?")
    expect(page.get_by_role("alert")).to_contain_text("does not mean that our leaflets have no answer")
    expect(page.get_by_label("Your question")).to_have_value("How do I cook pasta?")
    expect(page.locator("h2.question")).to_have_text("Which conditions can it be used for?")
    visits.unroute("**/queue/join*")
    page.get_by_label("Your question").press("Enter")
    expect(page.locator(".reply.not_found")).to_be_visible()
    expect(page.locator("h2.question")).to_have_count(2)


def test_a_connection_that_breaks_is_a_fault(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    visits.route("**/queue/data*", lambda route: route.abort())
    visits.route("**/app_id*", lambda route: route.abort())
    ask(page, "Which conditions can it be used for?")
    expect(page.get_by_role("alert")).to_contain_text("does not mean that our leaflets have no answer")
    expect(page.locator(".reply")).to_have_count(0)


@pytest.mark.parametrize("width", PHONES)
def test_it_fits_a_phone(visits: BrowserContext, site: str, width: int) -> None:
    page = open_chat(visits, site, width, 640)
    ask(page, "Which conditions can it be used for?")
    expect(page.locator("figure.quote").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(site + "/" + (page.locator("a.open").first.get_attribute("href") or ""))
    expect(page.locator("#quote")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def hostile(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A corpus that tries to break out of the page, and the address of the web app over it."""
    folder = tmp_path_factory.mktemp("hostile")
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_bytes(HOSTILE.encode())
    (corpus / "b.txt").write_text("x" * 10_000_000)
    (corpus / "c.txt").write_text("Rest after the infusion and drink water.")
    settings = {"PLAINQUOTE_ANSWER_ANSWER_ABOVE": "0", "PLAINQUOTE_PASSAGES_MAX_TOKENS": "230"}
    with serving(corpus, folder / "index", encoder, **settings) as address:
        yield corpus, address


@pytest.mark.parametrize("width", [320, 1280])
def test_a_hostile_document_is_plain_text(browser: Browser, hostile: tuple[Path, str], width: int) -> None:
    site = hostile[1]
    for context in visit(browser, site):
        page = open_chat(context, site, width)
        ask(page, "Hello bold pain relief")
        quote = page.locator("blockquote").filter(has_text="Hello <script>")
        expect(quote).to_be_visible()
        assert quote.text_content() == HOSTILE
        assert quote.locator("img, script, a, b, code").count() == 0
        assert "owned" not in page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ask(page, "x" * 40)
        link = page.locator("figure.quote").filter(has_text="xxxxxxxxxx").locator("a.open").first
        page.goto(f"{site}/{link.get_attribute('href')}")
        expect(page.locator("#quote")).to_be_in_viewport()
        assert len(page.locator(".document").text_content() or "") < 60_000
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_changed_document_is_not_shown(browser: Browser, hostile: tuple[Path, str]) -> None:
    corpus, site = hostile
    for context in visit(browser, site):
        page = open_chat(context, site)
        ask(page, "What should I drink after the infusion?")
        link = page.locator("figure.quote").filter(has_text="Rest after").locator("a.open").first.get_attribute("href")
        (corpus / "c.txt").write_text("Run after the infusion and drink wine.")
        answered = page.goto(f"{site}/{link}")
        assert answered is not None
        assert answered.status == 409
        expect(page.get_by_role("alert")).to_contain_text("was changed since it was quoted")
        page = open_chat(context, site)
        ask(page, "What should I drink after the infusion?")
        expect(page.get_by_role("alert")).to_contain_text("this chat has not read the new ones yet")
        expect(page.locator("figure.quote, .reply")).to_have_count(0)
