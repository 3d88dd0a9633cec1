"""The pages beside the chat in a real headless Chromium: what is seen, what is in focus, and what axe finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import serving
from playwright.sync_api import Browser, BrowserContext, Page, expect
from test_browser import browser, visit  # noqa: F401 - a fixture
from test_source import OTHER, WORDS, pdf
from test_ui import HOSTILE

from bot.embed import Encoder
from bot.index import Index

SIZES = [(1280, 900), (390, 844), (320, 640)]


@pytest.fixture(scope="module")
def library(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Index]]:
    """The address of the app over documents of several formats, and their index."""
    folder = tmp_path_factory.mktemp("library")
    corpus = folder / "corpus"
    corpus.mkdir()
    lines = [f"Line {number} of what to know before you come." for number in range(30)]
    (corpus / "a.pdf").write_bytes(
        pdf([*lines, WORDS], [OTHER, "Drink water and sleep."], title="A <b>bold</b> leaflet")
    )
    parts = "".join(
        f"## Part {n}\n\n{'Drink some water and rest. ' * 30}\n\n### Detail\n\n{OTHER}\n\n" for n in range(8)
    )
    (corpus / "home.md").write_text(
        f"---\ntitle: Going home\nreviewed: 2020-03-01\nnext_review: 2021-01-01\nauthor: Lee\n---\n"
        f"{parts}## Last\n\n{WORDS}\n"
    )
    (corpus / "hostile.txt").write_bytes(HOSTILE.encode())
    with serving(corpus, folder / "index", encoder, PLAINQUOTE_WEB_REQUESTS_PER_MINUTE="0") as address:
        yield address, Index.load(folder / "index")


@pytest.fixture
def context(browser: Browser, library: tuple[str, Index]) -> Iterator[BrowserContext]:  # noqa: F811
    yield from visit(browser, library[0])


def address(library: tuple[str, Index], id: str, words: str = "", **more: object) -> str:
    site, index = library
    document = index.documents[id]
    asked: dict[str, object] = {"document": id}
    if words:
        start = document.text.index(words)
        asked |= {"start": start, "end": start + len(words)}
    asked["sha256"] = document.sha256
    return f"{site}/source?{urlencode(asked | more)}{'#quote' if words else ''}"


def opened(context: BrowserContext, url: str, size: tuple[int, int] = SIZES[0]) -> Page:
    page = context.new_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return page


def photograph(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{broken['id']}: {[node['target'] for node in broken['nodes']]}" for broken in found]


def states(library: tuple[str, Index]) -> dict[str, str]:
    site = library[0]
    return {
        "about": f"{site}/about",
        "text": address(library, "home.md", WORDS),
        "whole": address(library, "home.md"),
        "panel": address(library, "home.md", WORDS, panel=1),
        "picture": address(library, "a.pdf", WORDS),
        "picture-panel": address(library, "a.pdf", WORDS, panel=1),
        "other-page": address(library, "a.pdf", WORDS, page=2),
        "pdf-text": address(library, "a.pdf", WORDS, view="text"),
        "hostile": address(library, "hostile.txt", HOSTILE),
        "changed": address(library, "home.md", WORDS).replace("sha256=", "sha256=0"),
        "unknown": f"{site}/source?document=none",
    }


@pytest.mark.parametrize(("size", "scheme"), list(zip(SIZES, ["light", "dark", "light"], strict=True)))
def test_every_page_is_accessible_and_fits(
    context: BrowserContext, library: tuple[str, Index], size: tuple[int, int], scheme: str
) -> None:
    for name, url in states(library).items():
        page = context.new_page()
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(url)
        page.wait_for_load_state("networkidle")
        photograph(page, f"{name}-{size[0]}-{scheme}")
        for details in page.locator("details").all():
            details.evaluate("element => { element.open = true; }")
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        page.close()


def test_at_twice_the_size_nothing_is_lost(context: BrowserContext, library: tuple[str, Index]) -> None:
    for name, url in states(library).items():
        page = opened(context, url)
        page.add_style_tag(content="html { font-size: 200%; }")
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[0][0], name
        page.close()


def test_with_forced_colours_and_on_paper_the_quote_is_marked(
    context: BrowserContext, library: tuple[str, Index]
) -> None:
    for id in ("home.md", "a.pdf"):
        page = opened(context, address(library, id, WORDS))
        mark = page.locator("#quote" if id == "home.md" else ".box").first
        page.emulate_media(forced_colors="active")
        photograph(page, f"forced-{id}")
        assert violations(page) == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert mark.evaluate("element => getComputedStyle(element).backgroundColor") != ground
        page.emulate_media(forced_colors="none", media="print")
        photograph(page, f"print-{id}")
        expect(page.locator(".trace")).to_contain_text(library[1].documents[id].sha256)
        expect(page.locator(".trace")).to_be_visible()
        expect(page.locator(".bar")).to_be_hidden()
        assert mark.evaluate("element => getComputedStyle(element).backgroundColor") not in ("rgba(0, 0, 0, 0)", ground)
        page.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_quote_is_seen_and_in_focus(
    context: BrowserContext, library: tuple[str, Index], size: tuple[int, int]
) -> None:
    for id, more in (("home.md", {}), ("a.pdf", {}), ("a.pdf", {"view": "text"}), ("home.md", {"panel": 1})):
        page = opened(context, address(library, id, WORDS, **more), size)
        expect(page.locator("#quote")).to_be_in_viewport()
        expect(page.locator("#quote")).to_be_focused()
        assert page.locator("#quote").text_content() == WORDS
        page.close()


def test_boxes_stay_on_the_words_when_the_page_is_enlarged(context: BrowserContext, library: tuple[str, Index]) -> None:
    page = opened(context, address(library, "a.pdf", WORDS), (390, 844))

    def place() -> list[float]:
        """Where the box is in the picture, and how wide that is."""
        return page.evaluate(
            """() => {
              const [box, paper] = [".box", ".paper img"].map((s) => document.querySelector(s).getBoundingClientRect());
              return [(box.x - paper.x) / paper.width, (box.y - paper.y) / paper.height, paper.width];
            }"""
        )

    before = place()
    page.get_by_role("button", name="Larger").click()
    after = place()
    assert after[2] > 2 * before[2]
    assert after[:2] == pytest.approx(before[:2], abs=0.002)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []
    expect(page.get_by_role("button", name="Smaller")).to_be_visible()


def test_a_link_is_copied(context: BrowserContext, library: tuple[str, Index]) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    url = address(library, "home.md", WORDS)
    page = opened(context, url.replace("#", "&panel=1#"))
    page.get_by_role("button", name="Copy a link").click()
    expect(page.get_by_role("status")).to_have_text("The link is copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    page.goto(copied)
    assert page.locator("#quote").text_content() == WORDS
    expect(page.get_by_role("link", name="Back to the questions")).to_be_visible()


def test_a_link_that_cannot_be_copied_is_shown(context: BrowserContext, library: tuple[str, Index]) -> None:
    page = opened(context, address(library, "home.md", WORDS))
    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false; }"
    )
    page.get_by_role("button", name="Copy a link").click()
    expect(page.get_by_role("status")).to_have_text("Please copy this link:")
    expect(page.get_by_role("textbox", name="Copy a link")).to_have_value(address(library, "home.md", WORDS))
    assert violations(page) == []


def test_a_document_is_read_by_keyboard(context: BrowserContext, library: tuple[str, Index]) -> None:
    page = opened(context, address(library, "home.md"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Go to the leaflet")).to_be_focused()
    expect(page.get_by_role("link", name="Go to the leaflet")).to_be_in_viewport()
    page.locator(".contents summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Part 6").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Part 6")).to_be_in_viewport()


def test_without_scripts_all_can_be_read(browser: Browser, library: tuple[str, Index]) -> None:  # noqa: F811
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(library, "a.pdf", WORDS))
    expect(page.locator("#quote")).to_be_in_viewport()
    expect(page.get_by_role("button")).to_have_count(0)
    page.get_by_role("link", name="Text only").click()
    assert page.locator("#quote").text_content() == WORDS
    context.close()
