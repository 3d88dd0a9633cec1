"""A real headless Chromium asks as a patient would. SCREENSHOTS: a folder for pictures of every state."""

import contextlib
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import axe_playwright_python
import pytest
from conftest import CORPUS, listening, serving
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Route, expect, sync_playwright
from test_ui import HOSTILE

from bot.bot import Bot
from bot.config import Config, Keeping
from bot.embed import Encoder
from bot.store import Store
from bot.ui import create_app
from bot.ui.headers import SecurityHeaders
from bot.ui.later import Later
from bot.ui.opening import Opening
from bot.ui.server import Front

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
SIZES = {"desktop": (1280, 900), "phone": (390, 844), "small": (320, 640)}
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIDE_EFFECTS = "What are the side effects of ketamine?"
CONDITIONS = "Which conditions can it be used for?"
PASTA = "How do I cook pasta?"


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


def visit(browser: Browser, *sites: str, **how: Any) -> Iterator[BrowserContext]:
    context = browser.new_context(**how)
    requests: list[str] = []
    errors: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    own = {urlsplit(site).netloc for site in sites}
    foreign = [url for url in requests if urlsplit(url).scheme not in ("data", "blob", "about")]
    assert requests
    assert [url for url in foreign if urlsplit(url).netloc not in own] == []
    assert errors == []


@pytest.fixture(scope="module")
def clinic(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Keeping]]:
    """The address of the web app of a clinic that has all there is to set, and its store."""
    folder = tmp_path_factory.mktemp("clinic")
    url = f"sqlite:///{folder / 'kept.db'}"
    (folder / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 44 44"><script>document.title="owned"</script>'
        '<circle cx="22" cy="22" r="22" fill="#7a2e55"/>'
        '<path d="M8 25q7-7 14 0t14 0v5q-7 7-14 0t-14 0z" fill="#fff"/></svg>'
    )
    settings = {
        "CLINIC_NAME": "Harbour Pain Clinic",
        "CLINIC_PHONE": "555 010 20",
        "CLINIC_HOURS": "Monday to Friday, 9 to 5",
        "CLINIC_LOGO": str(folder / "logo.svg"),
        "CLINIC_COLOUR": "#7a2e55",
        "STORE_URL": url,
        "WEB_REQUESTS_PER_MINUTE": "0",
    }
    environment = {f"PLAINQUOTE_{name}": value for name, value in settings.items()}
    with serving(CORPUS, folder / "index", encoder, **environment) as address:
        yield address, Keeping(url=url)


def open_chat(context: BrowserContext, site: str, width: int = 1280, height: int = 900) -> Page:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.goto(site)
    expect(page.get_by_label("Your question")).to_be_visible()
    return page


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def answered(page: Page, question: str) -> Locator:
    """Asks, waits, and returns the turn."""
    turns = page.locator(".turn")
    before = turns.count()
    ask(page, question)
    turn = turns.nth(before)
    expect(turn.locator(".reply")).to_be_visible()
    return turn


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(700)  # until it has scrolled
        page.screenshot(path=Path(folder) / f"{name}.png")


# Asking


def test_a_patient_asks_and_reads(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    ask(page, SIDE_EFFECTS)
    log = page.get_by_role("log")
    expect(log.locator("figure.quote").first).to_be_visible()
    expect(log).to_contain_text("These are the exact words of our leaflets.")
    expect(log.locator("mark").filter(has_text="hallucinations, vivid dreams")).to_be_visible()
    expect(log.locator("figcaption").first).to_contain_text("Details about Ketamine Treatment for Chronic Pain")
    expect(log.locator("blockquote").first).to_have_attribute("lang", "en")
    expect(page.get_by_label("Your question")).to_be_focused()
    expect(page.get_by_label("Your question")).to_have_value("")
    assert page.title() == "Ask our clinic"


def test_what_the_documents_do_not_say_is_refused(browser: Browser, clinic: tuple[str, Keeping]) -> None:
    for context in visit(browser, clinic[0]):
        page = open_chat(context, clinic[0])
        ask(page, PASTA)
        reply = page.locator(".reply.not_found")
        expect(reply).to_contain_text("Our leaflets do not seem to answer this.")
        expect(reply).to_contain_text("We are here: Monday to Friday, 9 to 5.")
        expect(reply.get_by_role("link", name="Call us: 555 010 20")).to_have_attribute("href", "tel:55501020")
        expect(page.locator("figure.quote")).to_have_count(0)
        reply.get_by_role("button", name="Using Ketamine for Chronic Pain").click()
        expect(page.locator("figure.quote").first).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
def test_an_emergency_comes_first(visits: BrowserContext, site: str, size: str) -> None:
    page = open_chat(visits, site, *SIZES[size])
    turn = answered(page, "I took too many pills and cannot stay awake")
    card = turn.get_by_role("alert")
    expect(card).to_be_in_viewport()
    expect(turn.locator(".reply > *").first).to_have_class("card immediate")
    expect(turn.get_by_role("link", name="Call 911")).to_have_attribute("href", "tel:911")
    expect(turn.locator("figure.quote, .feedback")).to_have_count(0)


def test_a_starter_asks_its_words_and_start_again_clears(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    page.get_by_role("button", name="Using Ketamine for Chronic Pain").first.click()
    expect(page.locator("h2.question")).to_have_text("Using Ketamine for Chronic Pain")
    expect(page.locator("figure.quote").first).to_be_visible()
    expect(page.get_by_text("You can ask about:")).to_be_hidden()
    page.get_by_role("button", name="Start again").click()
    expect(page.locator("h2.question")).to_have_count(0)
    expect(page.get_by_text("You can ask about:")).to_be_visible()
    expect(page.get_by_label("Your question")).to_be_focused()


def test_what_is_searched_instead_is_shown_and_can_be_undone(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    answered(page, "What is ketamine used for?")
    turn = answered(page, "Does it have side effects?")
    expect(turn.locator(".searched")).to_contain_text("Searched for:")
    turn.get_by_role("button", name="search my words only").click()
    expect(page.locator(".turn .reply")).to_have_count(3)
    expect(page.locator(".turn").nth(2).locator(".searched")).to_have_count(0)


def test_a_question_that_is_too_long_is_kept(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    question = "pain " * 450
    ask(page, question)
    expect(page.get_by_role("alert")).to_contain_text("at most 2000 letters")
    expect(page.get_by_label("Your question")).to_have_value(question)
    expect(page.locator("h2.question")).to_have_count(0)
    ask(page, "  ")
    expect(page.get_by_role("alert")).to_contain_text("Please write your question")


def test_two_visits_never_see_each_other(browser: Browser, site: str) -> None:
    for one in visit(browser, site):
        for other in visit(browser, site):
            first, second = open_chat(one, site), open_chat(other, site)
            sent: list[Any] = []
            second.on("request", lambda request, sent=sent: sent.append(request.post_data or ""))
            answered(first, "Does a secret of mine help against pain?")
            expect(second.locator(".turn")).to_have_count(0)
            answered(second, CONDITIONS)
            expect(second.locator("h2.question")).to_have_text(CONDITIONS)
            expect(first.locator("h2.question")).to_have_count(1)
            assert "secret" not in "".join(sent)
            second.reload()
            expect(second.get_by_label("Your question")).to_be_visible()
            expect(second.locator(".turn")).to_have_count(0)


# Before all is open


@pytest.mark.parametrize(
    ("size", "how"),
    [("desktop", {}), ("phone", {}), ("desktop", {"color_scheme": "dark"}), ("phone", {"color_scheme": "dark"})],
    ids=["desktop", "phone", "desktop-dark", "phone-dark"],
)
def test_the_page_is_there_while_the_leaflets_are_opened(
    browser: Browser, bot: Bot, size: str, how: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    config, may = Config(store=Keeping(url="")), threading.Event()

    def make() -> FastAPI:
        may.wait(60)
        return create_app(Bot(bot.index, bot.encoder, config))

    front = Front(Later(make, lambda error: None), SecurityHeaders(Opening(config)))
    with listening(front) as site:
        for context in visit(browser, site, **how):
            page = open_chat(context, site, *SIZES[size])
            says = page.get_by_text("Our leaflets are being opened.")
            expect(says).to_be_visible()
            look_at(page, name, "opening")
            page.goto(f"{site}/about")
            expect(page.get_by_role("alert")).to_contain_text("are being opened")
            look_at(page, name, "opening-about")
            page.goto(site)
            ask(page, SIDE_EFFECTS)
            expect(page.locator("h2.question")).to_have_text(SIDE_EFFECTS)
            expect(page.locator(".working")).to_contain_text("being opened")
            look_at(page, name, "opening-asked")
            page.get_by_label("Your question").press_sequentially("and wh")
            may.set()
            expect(page.locator("figure.quote").first).to_be_visible()
            expect(page.locator("gradio-app .chat")).to_be_visible()
            expect(page.get_by_label("Your question")).to_have_value("and wh")
            expect(page.get_by_label("Your question")).to_be_focused()
            page.keyboard.type("y?")
            expect(page.get_by_label("Your question")).to_have_value("and why?")
            expect(says).to_have_count(0)
            page.get_by_role("button", name="Start again").click()
            expect(page.get_by_role("button", name="Using Ketamine for Chronic Pain")).to_be_visible()


def test_nobody_is_interrupted_who_types_while_the_leaflets_are_opened(browser: Browser, bot: Bot) -> None:
    config, may = Config(store=Keeping(url="")), threading.Event()

    def make() -> FastAPI:
        may.wait(60)
        return create_app(Bot(bot.index, bot.encoder, config))

    front = Front(Later(make, lambda error: None), SecurityHeaders(Opening(config)))
    with listening(front) as site:
        for context in visit(browser, site):
            page = open_chat(context, site)
            box = page.get_by_label("Your question")
            box.focus()
            may.set()
            while not page.request.get(f"{site}/ready").ok:
                page.keyboard.type("a ", delay=20)
            typed = box.input_value() + SIDE_EFFECTS
            page.keyboard.type(SIDE_EFFECTS, delay=100)
            assert box.input_value() == typed
            expect(page.locator("gradio-app .chat")).to_be_visible()
            expect(box).to_have_value(typed)
            expect(box).to_be_focused()
            assert box.evaluate("box => box.selectionStart") == len(typed)


SLOW = {"offline": False, "latency": 150, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
"""A telephone with a poor signal: milliseconds, and bytes a second. Gradio takes seconds to come."""


def slowly(context: BrowserContext) -> Page:
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", SLOW)
    return page


def test_one_can_ask_before_gradio_has_come(visits: BrowserContext, site: str) -> None:
    page = slowly(visits)
    page.goto(site, wait_until="commit")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    ask(page, SIDE_EFFECTS)
    expect(page.locator("h2.question")).to_have_text(SIDE_EFFECTS)
    expect(page.get_by_label("Your question")).to_have_value("")
    assert page.locator("gradio-app .chat").count() == 0
    expect(page.locator("figure.quote").first).to_be_visible(timeout=60_000)
    assert page.locator("gradio-app .chat").count() == 1
    expect(page.locator("h2.question")).to_have_count(1)


def test_what_is_typed_while_gradio_comes_is_kept(visits: BrowserContext, site: str) -> None:
    page = slowly(visits)
    page.goto(site, wait_until="commit")
    box = page.get_by_label("Your question")
    box.focus()
    typed = ""
    while not page.locator("gradio-app .chat").count():
        typed += "pain "
        page.keyboard.type("pain ", delay=10)
        assert len(typed) < 20_000
    page.keyboard.type("more", delay=50)
    expect(box).to_have_value(f"{typed}more")
    expect(box).to_be_focused()
    expect(page.get_by_role("main")).to_have_count(1)


def test_a_browser_that_cannot_move_what_has_the_focus_keeps_it(visits: BrowserContext, site: str) -> None:
    visits.add_init_script("delete Element.prototype.moveBefore")
    test_what_is_typed_while_gradio_comes_is_kept(visits, site)


def test_a_question_does_not_wait_for_gradio_in_vain(visits: BrowserContext, site: str) -> None:
    visits.route("**/assets/index-*.js", lambda route: route.abort())
    page = visits.new_page()
    page.clock.install()
    page.goto(site)
    ask(page, SIDE_EFFECTS)
    expect(page.locator(".working")).to_be_visible()
    page.clock.run_for(31_000)
    expect(page.get_by_role("alert")).to_contain_text("does not mean that our leaflets have no answer")
    expect(page.get_by_label("Your question")).to_have_value(SIDE_EFFECTS)


LOOK = """() => [...document.querySelectorAll(".top, .top *, .chat, .chat *")]
  .filter((one) => !one.closest("template, script"))
  .map((one) => {
    const style = getComputedStyle(one);
    const shown = ["display", "color", "backgroundColor", "fontFamily", "fontSize", "fontWeight", "lineHeight"];
    const sides = ["Top", "Right", "Bottom", "Left"].flatMap((side) =>
      [`margin${side}`, `padding${side}`, `border${side}Width`]);
    return [one.outerHTML.slice(0, 60), ...[...shown, ...sides].map((name) => `${name}: ${style[name]}`)];
  })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_looks_otherwise_once_gradio_is_there(browser: Browser, site: str, scheme: Any) -> None:
    for context in visit(browser, site, color_scheme=scheme, reduced_motion="reduce"):
        context.route("**/assets/index-*.js", lambda route: route.abort())
        page = open_chat(context, site)
        page.get_by_label("Your question").focus()
        before = page.evaluate(LOOK)
        context.unroute("**/assets/index-*.js")
        page = open_chat(context, site)
        expect(page.locator("gradio-app .chat")).to_be_visible()
        page.get_by_label("Your question").focus()
        for was, now in zip(before, page.evaluate(LOOK), strict=True):
            assert now == was


def test_all_that_gradio_loads_is_asked_for_at_once(visits: BrowserContext, site: str) -> None:
    page = visits.new_page()
    early: list[str] = []
    page.goto(site)
    expect(page.locator("gradio-app .chat")).to_be_visible()
    early += page.evaluate("[...document.querySelectorAll('link[rel$=preload]')].map((one) => one.href)")
    loaded = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    modules = {address for address in loaded if "/assets/" in address or "/theme.css" in address}
    named = {*early, *page.evaluate("[...document.querySelectorAll('link[rel=stylesheet]')].map((one) => one.href)")}
    assert len(modules) > 20
    assert modules <= named
    assert set(early) <= modules, "and nothing is asked for in vain"


def test_a_later_visit_loads_next_to_nothing(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    expect(page.locator("gradio-app .chat")).to_be_visible()
    page.goto(site)
    expect(page.locator("gradio-app .chat")).to_be_visible()
    sizes = "performance.getEntriesByType('resource').map(one => [new URL(one.name).pathname, one.transferSize])"
    fetched = [path for path, size in page.evaluate(sizes) if size]
    assert set(fetched) <= {"/theme.css", "/static/js/iframeResizer.contentWindow.min.js"}


# When something is wrong


@pytest.mark.parametrize("path", ["nothing", "staff-room/plan.html", "gradio_api/file=x"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_mistyped_address_leads_to_the_chat(browser: Browser, site: str, path: str, scheme: Any, size: str) -> None:
    for context in visit(browser, site, color_scheme=scheme):
        page = context.new_page()
        page.set_viewport_size(dict(zip(("width", "height"), SIZES[size], strict=True)))
        told = page.goto(f"{site}/{path}")
        assert told
        assert told.status == 404
        expect(page.get_by_role("alert")).to_contain_text("There is no page here.")
        assert page.evaluate("[...document.styleSheets].length") == 3
        look_at(page, f"{size}-{scheme}", f"404-{path.partition('/')[0]}")
        with context.expect_page() as opened:
            page.get_by_role("link", name="Back to the questions").click()
        expect(opened.value.get_by_label("Your question")).to_be_visible()


def test_a_server_that_cannot_be_reached_is_a_fault_and_costs_nothing(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    answered(page, CONDITIONS)
    loads: list[str] = []
    page.on("load", lambda: loads.append(page.url))
    visits.route("**/*", lambda route: route.abort())
    ask(page, PASTA)
    expect(page.get_by_role("alert")).to_contain_text("does not mean that our leaflets have no answer")
    expect(page.get_by_label("Your question")).to_have_value(PASTA)
    expect(page.locator("h2.question")).to_have_text(CONDITIONS)
    page.wait_for_timeout(3000)  # Gradio would look for the server each two seconds, then load the page anew
    visits.unroute("**/*")
    page.wait_for_timeout(3000)
    page.get_by_label("Your question").press("Enter")
    expect(page.locator(".reply.not_found")).to_be_visible()
    expect(page.locator("h2.question")).to_have_count(2)
    assert loads == []


def test_a_server_that_is_full_is_a_fault(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    visits.route("**/component_server/", lambda route: route.fulfill(status=429, body="{}"))
    ask(page, CONDITIONS)
    expect(page.get_by_role("alert")).to_contain_text("does not mean that our leaflets have no answer")
    expect(page.locator(".turn")).to_have_count(0)


def test_without_scripts_the_page_says_how_to_reach_the_clinic(browser: Browser, clinic: tuple[str, Keeping]) -> None:
    for context in visit(browser, clinic[0], java_script_enabled=False):
        page = context.new_page()
        page.goto(clinic[0])
        expect(page.get_by_role("heading", name="Ask Harbour Pain Clinic")).to_be_visible()
        shown = page.locator("noscript")  # roles are not told of it
        expect(shown.locator("p").first).to_contain_text("please switch on JavaScript")
        expect(shown.locator("a[href='tel:55501020']")).to_have_text("Call us: 555 010 20")
        expect(page.locator("#composer")).to_be_hidden()
        keep(page, "without-scripts")


# The document beside the chat, or over it


def test_the_document_is_read_beside_the_chat(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    turn = answered(page, SIDE_EFFECTS)
    quoted = turn.locator("blockquote").first.text_content()
    link = turn.get_by_role("link", name="Read it in the leaflet").first
    link.press("Enter")
    panel = page.get_by_role("dialog", name="The leaflet")
    expect(panel).to_be_visible()
    leaflet = page.frame_locator("#panel iframe")
    expect(leaflet.locator("#quote")).to_be_in_viewport()
    assert (leaflet.locator("body").text_content() or "").count((quoted or "").split("\n")[0]) >= 1
    box, chat = panel.bounding_box(), page.locator(".chat").bounding_box()
    assert box
    assert chat
    assert box["x"] == pytest.approx(640, abs=1)
    assert chat["x"] + chat["width"] <= box["x"]
    keep(page, "desktop-source")

    answered(page, CONDITIONS)  # the chat is not out of reach
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(link).to_be_focused()
    expect(page.locator(".turn")).to_have_count(2)


SHOWN = """(start) => {
  const shown = document.querySelector("#panel iframe").contentWindow;
  return new URL(shown.location).searchParams.get("start") === start && shown.document.readyState === "complete";
}"""
"""Whether the panel shows the quote that begins there."""


def test_a_second_document_takes_the_place_of_the_first(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    links = answered(page, SIDE_EFFECTS).locator("a.open")
    before = page.evaluate("history.length")
    for link in (links.first, links.last):
        link.click()
        page.wait_for_function(SHOWN, arg=parse_qs(urlsplit(link.get_attribute("href") or "").query)["start"][0])
        expect(page.frame_locator("#panel iframe").locator("#quote")).to_be_in_viewport()
    assert page.evaluate("history.length") == before + 1
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    expect(links.last).to_be_focused()
    expect(page.locator(".turn")).to_have_count(1)


@pytest.mark.parametrize("way", ["escape", "back", "button"])
def test_a_document_that_comes_late_takes_no_focus(visits: BrowserContext, site: str, way: str) -> None:
    page = open_chat(visits, site)
    links = answered(page, SIDE_EFFECTS).locator("a.open")
    coming: list[Route] = []
    visits.route("**/source?*", lambda route: coming.append(route))
    links.first.click()
    links.last.click()
    expect(page.locator("#panel iframe")).to_have_count(1)
    if way == "escape":
        page.keyboard.press("Escape")
    elif way == "button":
        page.get_by_role("button", name="Close").click()
    else:
        page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    for late in coming:
        with contextlib.suppress(Error):  # nobody waits for it any longer
            late.continue_()
    expect(links.last).to_be_focused()
    page.wait_for_timeout(500)
    expect(links.last).to_be_focused()
    expect(page.locator("#panel iframe")).to_have_count(0)


@pytest.mark.parametrize("size", ["phone", "small"])
@pytest.mark.parametrize("way", ["button", "escape", "escape in the document", "back"])
def test_on_a_phone_the_document_covers_the_chat(visits: BrowserContext, site: str, size: str, way: str) -> None:
    width, height = SIZES[size]
    page = open_chat(visits, site, width, height)
    link = answered(page, SIDE_EFFECTS).locator("a.open").first
    link.click()
    panel = page.get_by_role("dialog", name="The leaflet")
    assert panel.bounding_box() == {"x": 0, "y": 0, "width": width, "height": height}
    quote = page.frame_locator("#panel iframe").locator("#quote")
    expect(quote).to_be_in_viewport()
    for _ in range(12):  # the focus goes round within it
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement.closest('#panel') !== null || document.activeElement === document.body"
        )
    if way == "button":
        panel.get_by_role("button", name="Close").click()
    elif way == "escape":
        panel.get_by_role("button", name="Close").focus()
        page.keyboard.press("Escape")
    elif way == "escape in the document":
        page.frame_locator("#panel iframe").locator("body").press("Escape")
    else:
        page.go_back()
    expect(panel).to_be_hidden()
    expect(link).to_be_focused()
    expect(page.locator(".turn")).to_have_count(1)


def test_the_link_to_a_document_works_without_the_panel(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    link = answered(page, SIDE_EFFECTS).locator("a.open").first
    with visits.expect_page() as opened:
        link.click(modifiers=["Control"])
    expect(opened.value.locator("#quote")).to_be_in_viewport()
    expect(page.locator("#panel")).to_be_hidden()


# Taking an answer along


@pytest.mark.parametrize("allowed", [True, False])
def test_a_copy_has_the_exact_words_and_their_source(browser: Browser, site: str, bot: Bot, allowed: bool) -> None:
    for context in visit(browser, site):
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
        page = open_chat(context, site)
        if not allowed:
            page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new DOMException('no')); }")
        answered(page, PASTA)
        turn = answered(page, SIDE_EFFECTS)
        turn.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_attached()
        copied = page.evaluate("navigator.clipboard.readText()")
        answer = bot.ask(SIDE_EFFECTS, [PASTA])
        assert copied.startswith(SIDE_EFFECTS + "\n")
        for quoted in answer.quotes:
            assert quoted.text in copied
            assert quoted.title in copied
            assert f"{site}/source?document={quote(quoted.document)}&start={quoted.start}&end={quoted.end}" in copied
        assert PASTA not in copied
        assert "Did this help" not in copied


def test_one_answer_or_all_can_be_printed(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    page.evaluate("window.print = () => { window.printed = document.documentElement.className }")
    first, second = answered(page, PASTA), answered(page, SIDE_EFFECTS)
    page.emulate_media(media="print")
    second.locator("button.print").evaluate("button => button.click()")
    expect(second).to_be_visible()
    expect(first).to_be_hidden()
    expect(second.locator("blockquote").first).to_be_visible()
    expect(page.locator("#composer")).to_be_hidden()
    keep(page, "print")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.locator("#print-all").evaluate("button => button.click()")
    expect(first).to_be_visible()
    expect(second).to_be_visible()


# Feedback


def test_a_reader_says_whether_it_helped_and_changes_their_mind(browser: Browser, clinic: tuple[str, Keeping]) -> None:
    site, keeping = clinic
    for context in visit(browser, site):
        page = open_chat(context, site)
        feedback = answered(page, SIDE_EFFECTS).locator(".feedback")
        id = feedback.get_attribute("data-answer") or ""
        no = feedback.get_by_role("group", name="Did this help?").get_by_role("button", name="No")
        no.press("Enter")
        expect(feedback).to_contain_text("Thank you.")
        expect(no).to_have_attribute("aria-pressed", "true")
        outdated = feedback.get_by_role("group", name="What was wrong?").get_by_role("button", name="Out of date")
        for press, pressed in ((outdated, (False, "out_of_date")), (no, (False, None))):
            press.press("Space")
            expect(press).to_have_attribute("aria-pressed", "true")
            assert thought_of(keeping, id, pressed)
        yes = feedback.get_by_role("button", name="Yes")
        yes.click()
        expect(feedback.get_by_text("What was wrong?")).to_be_hidden()
        expect(no).to_have_attribute("aria-pressed", "false")
        assert thought_of(keeping, id, (True, None))


def thought_of(keeping: Keeping, id: str, wanted: tuple[bool, str | None]) -> bool:
    """Whether the store comes to hold this of the answer."""
    store = Store.open(keeping)
    try:
        for _ in range(100):
            kept = store.get(id)
            if kept and kept.feedback and (kept.feedback.helped, kept.feedback.reason) == wanted:
                return True
            threading.Event().wait(0.05)
        return False
    finally:
        store.close()


def test_a_store_that_is_down_stops_no_answer(browser: Browser, encoder: Encoder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none' / 'store.db'}"
    with serving(CORPUS, tmp_path / "index", encoder, PLAINQUOTE_STORE_URL=url) as site:
        for context in visit(browser, site):
            page = open_chat(context, site)
            turn = answered(page, SIDE_EFFECTS)
            expect(turn.locator("figure.quote").first).to_be_visible()
            turn.get_by_role("button", name="Yes").click()
            expect(turn.locator(".feedback")).to_contain_text("we could not keep this")


# Accessible


def findings(page: Page) -> list[str]:
    """What axe finds; at the page's end, where nothing lies under the box where one types."""
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.evaluate(AXE)
    found = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [f"{rule['id']}: {node['html']}" for rule in found["violations"] for node in rule["nodes"]]


def look_at(page: Page, name: str, state: str) -> None:
    keep(page, f"{name}-{state}")
    assert findings(page) == [], state
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state


@pytest.mark.parametrize(
    ("size", "how"),
    [
        ("desktop", {}),
        ("phone", {}),
        ("small", {"color_scheme": "dark", "reduced_motion": "reduce"}),
        ("desktop", {"color_scheme": "dark"}),
        ("phone", {"forced_colors": "active"}),
    ],
    ids=["desktop", "phone", "small-dark", "desktop-dark", "phone-forced-colours"],
)
def test_axe_finds_nothing_in_any_state(
    browser: Browser, clinic: tuple[str, Keeping], size: str, how: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    site = clinic[0]
    name = request.node.callspec.id
    for context in visit(browser, site, **how):
        page = open_chat(context, site, *SIZES[size])

        look = partial(look_at, page, name)
        look("empty")
        link = answered(page, SIDE_EFFECTS).locator("a.open").first
        look("answered")
        link.click()
        expect(page.frame_locator("#panel iframe").locator("#quote")).to_be_in_viewport()
        look("source")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="No", exact=True).click()
        expect(page.get_by_text("What was wrong?")).to_be_visible()
        page.get_by_role("button", name="Copy").click()
        look("feedback")
        for state, question in (
            ("refused", PASTA),
            ("personal", "Should I stop taking my ketamine?"),
            ("other-language", "¿Cuáles son los efectos secundarios de la ketamina?"),
            ("greeting", "Hello!"),
            ("emergency", "I took too many pills and cannot stay awake"),
        ):
            page.get_by_role("button", name="Start again").click()
            answered(page, question)
            look(state)
        ask(page, "pain " * 450)
        expect(page.get_by_role("alert").filter(has_text="2000")).to_be_visible()
        look("too-long")
        context.route("**/component_server/", lambda route: route.abort())
        ask(page, PASTA)
        expect(page.get_by_role("alert").filter(has_text="did not work")).to_be_visible()
        look("fault")


def test_landmarks_and_headings(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    answered(page, SIDE_EFFECTS)
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    log = page.get_by_role("log", name="Questions and answers")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(log.get_by_role("heading", level=2)).to_have_text(SIDE_EFFECTS)
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_keyboard_alone_is_enough(visits: BrowserContext, site: str) -> None:
    page = open_chat(visits, site)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Go to the question box")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type("a line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type(SIDE_EFFECTS)
    page.keyboard.press("Enter")
    expect(page.locator("figure.quote").first).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Shift+Tab")  # past "start again" and "print all"
    reached = []
    for _ in range(8):
        page.keyboard.press("Shift+Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        overlap = """() => {
          const box = document.activeElement.getBoundingClientRect();
          return box.bottom - document.querySelector("#composer").getBoundingClientRect().top;
        }"""
        assert page.evaluate(overlap) <= 0, f"{reached[-1]} is hidden"
    assert reached[:4] == ["No", "Yes", "Print", "Copy"]


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (640, 450), (320, 256)])
def test_it_fits_a_phone_and_an_enlarged_page(visits: BrowserContext, site: str, width: int, height: int) -> None:
    page = open_chat(visits, site, width, height)
    answered(page, CONDITIONS)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if height < 480:  # 1280 x 900 at 200 and 400 per cent: the box does not stay in the way
        assert page.locator("#composer").evaluate("box => getComputedStyle(box).position") == "static"


def test_motion_and_colours_follow_the_reader(browser: Browser, site: str) -> None:
    for context in visit(browser, site, color_scheme="dark", reduced_motion="reduce"):
        page = open_chat(context, site)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 24, 26)"
        context.route("**/component_server/", lambda route: None)  # never answered
        ask(page, CONDITIONS)
        moving = "getComputedStyle(document.querySelector('.working'), '::before').animationName"
        assert page.evaluate(moving) == "none"


def test_the_page_has_the_clinics_look(browser: Browser, clinic: tuple[str, Keeping]) -> None:
    site = clinic[0]
    for context in visit(browser, site):
        page = open_chat(context, site)
        expect(page.get_by_role("heading", level=1)).to_have_text("Ask Harbour Pain Clinic")
        assert page.locator("img.logo").evaluate("image => image.complete && image.naturalWidth > 0")
        assert page.locator("#send").evaluate("send => getComputedStyle(send).backgroundColor") == "rgb(122, 46, 85)"
        page.goto(f"{site}/logo")
        assert page.title() != "owned"
        for place in ("logo/../logo.svg", "logo.svg", "logo/x"):
            assert (context.request.get(f"{site}/{place}")).status == 404


# In another site's frame


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A clinic's own site, with the chat in a frame."""

    framed = ""

    def do_GET(self) -> None:
        page = f'<title>Clinic</title><iframe title="Ask us" width="400" height="700" src="{self.framed}"></iframe>'
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *told: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_another_site_shows_the_chat_in_a_frame_only_where_it_may(
    browser: Browser, site: str, encoder: Encoder, tmp_path: Path, elsewhere: http.server.ThreadingHTTPServer
) -> None:
    outside = f"http://127.0.0.1:{elsewhere.server_port}"
    Elsewhere.framed = site
    for context in visit(browser, site, outside):
        page = context.new_page()
        page.goto(outside)
        expect(page.frame_locator("iframe").get_by_label("Your question")).to_have_count(0)
        assert all(urlsplit(frame.url).netloc != urlsplit(site).netloc for frame in page.frames)
    with serving(CORPUS, tmp_path / "index", encoder, PLAINQUOTE_WEB_FRAME_ANCESTORS=outside) as allowed:
        Elsewhere.framed = allowed
        for context in visit(browser, allowed, outside):
            page = context.new_page()
            page.goto(outside)
            chat = page.frame_locator("iframe")
            chat.get_by_label("Your question").fill(SIDE_EFFECTS)
            chat.get_by_label("Your question").press("Enter")
            chat.locator("a.open").first.click()
            expect(chat.frame_locator("#panel iframe").locator("#quote")).to_be_in_viewport()
            chat.get_by_role("button", name="Close").click()
            expect(chat.locator("figure.quote").first).to_be_visible()
            keep(page, "framed")


# Texts that try to break out

ATTACK = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def hostile(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A corpus that tries to break out of the page, and the address of the web app over it."""
    folder = tmp_path_factory.mktemp("hostile")
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_bytes(HOSTILE.encode())
    (corpus / "b.txt").write_text("x" * 10_000_000)
    (corpus / "c.txt").write_text("Rest after the infusion and drink water.")
    named = corpus / "d <img src=x onerror=alert(1)> & '\"${1}.md"
    title = f"T {ATTACK}".replace("'", "''")
    text = f"# H {{{{7*7}}}} {ATTACK}\n\nZebras like clover <img src=x onerror=alert(1)> most.\n"
    named.write_text(f"---\ntitle: '{title}'\n---\n{text}")
    named.with_name(named.name + ".meta.toml").write_text(
        f"author = '''{ATTACK}'''\nsource = 'javascript:alert(1)'\nreviewed = 2026-01-31\n"
        f"licence = '''</details>{ATTACK}'''\n"
    )
    (folder / "glossary.toml").write_text('["clover <img src=x onerror=alert(1)>"]\nlay = ["trefoil"]\n')
    settings = {
        "PLAINQUOTE_ANSWER_ANSWER_ABOVE": "0",
        "PLAINQUOTE_PASSAGES_MAX_TOKENS": "230",
        "PLAINQUOTE_WEB_REQUESTS_PER_MINUTE": "0",
        "PLAINQUOTE_QUERY_GLOSSARY": str(folder / "glossary.toml"),
        "PLAINQUOTE_CLINIC_NAME": f"A {ATTACK} ${{1+1}} clinic",
    }
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
        assert "owned" not in page.title().partition("clinic")[2]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ask(page, "x" * 40)
        link = page.locator("figure.quote").filter(has_text="xxxxxxxxxx").locator("a.open").first
        page.goto(f"{site}/{link.get_attribute('href')}")
        expect(page.locator("#quote")).to_be_in_viewport()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_metadata_headings_and_questions_are_plain_text(browser: Browser, hostile: tuple[Path, str]) -> None:
    site = hostile[1]
    for context in visit(browser, site):
        page = open_chat(context, site)
        title = page.title()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Ask A {ATTACK} ${{1+1}} clinic")
        turn = answered(page, f"What do zebras like? {ATTACK} ${{2+2}}")
        expect(turn.locator("h2.question")).to_have_text(f"What do zebras like? {ATTACK} ${{2+2}}")
        expect(answered(page, "Is trefoil liked?").locator(".searched bdi")).to_contain_text("clover <img src=x")
        figure = turn.locator("figure.quote").filter(has_text="Zebras like clover")
        expect(figure.locator("cite")).to_have_text(f"T {ATTACK}")
        figure.locator("summary").click()
        expect(figure.locator("dl")).to_contain_text(f"</details>{ATTACK}")
        expect(figure.locator("dl")).to_contain_text("javascript:alert(1)")
        assert page.locator(".chat").locator("img, script, a[href^='javascript']").count() == 0
        figure.locator("a.open").click()
        expect(page.frame_locator("#panel iframe").locator("#quote")).to_be_in_viewport()
        assert page.frame_locator("#panel iframe").locator("img[src='x'], body script:not([src])").count() == 0
        assert page.title() == title


def test_a_changed_document_is_not_shown(browser: Browser, hostile: tuple[Path, str]) -> None:
    corpus, site = hostile
    for context in visit(browser, site):
        page = open_chat(context, site)
        ask(page, "What should I drink after the infusion?")
        link = page.locator("figure.quote").filter(has_text="Rest after").locator("a.open").first.get_attribute("href")
        (corpus / "c.txt").write_text("Run after the infusion and drink wine.")
        opened = page.goto(f"{site}/{link}")
        assert opened is not None
        assert opened.status == 409
        expect(page.get_by_role("alert")).to_contain_text("was changed since it was quoted")
        page = open_chat(context, site)
        ask(page, "What should I drink after the infusion?")
        expect(page.get_by_role("alert")).to_contain_text("this chat has not read the new ones yet")
        expect(page.locator("figure.quote, .reply")).to_have_count(0)
