"""Publishing on the desk in a real headless Chromium: upload, look, publish, go back. SCREENSHOTS: a folder."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import serving
from playwright.sync_api import Browser, BrowserContext, Page, expect
from staff import PASSWORD
from test_browser import RULES, browser, visit  # noqa: F401 - a fixture

from bot.accounts import Accounts
from bot.config import Keeping
from bot.config import Staff as StaffSettings
from bot.embed import Encoder
from bot.index import Index

HOME = "/staff/documents"
SIZES = {1280: 900, 390: 844}
NAUSEA = """# Nausea after the infusion

Feeling sick is common on the first day. Drink water in small sips. Take one tablet of ondansetron if you need it.
Call us if you are still sick after two days.
"""


@pytest.fixture(scope="module")
def site(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the app over a small corpus, and the folder of that corpus."""
    folder = tmp_path_factory.mktemp("publish")
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "nausea.md").write_text(NAUSEA)
    (corpus / "parking.txt").write_text("Parking\n\nPark behind the house. It costs two dollars an hour.\n")
    accounts = Accounts(Keeping(url=f"sqlite:///{folder / 'store.db'}"), StaffSettings())
    accounts.add("Erin", "editor", PASSWORD)
    accounts.close()
    with serving(corpus, folder / "index", encoder, PLAINQUOTE_WEB_REQUESTS_PER_MINUTE="0") as address:
        yield address, corpus


@pytest.fixture(params=SIZES)
def desk(request: pytest.FixtureRequest, browser: Browser, site: tuple[str, Path]) -> Iterator[Page]:  # noqa: F811
    """Logged in, in a window of each size."""
    size = {"width": request.param, "height": SIZES[request.param]}
    for context in visit(browser, site[0], viewport=size):
        yield _logged_in(context, site[0])


def _logged_in(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(f"{address}{HOME}/draft")
    page.get_by_label("Name").fill("Erin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Draft")
    return page


def _look(page: Page, name: str) -> None:
    """Nothing to scroll sideways for, nothing that axe finds fault with, and a picture."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/publish-{name}-{width}.png", full_page=True)


def test_from_an_upload_to_an_answer_and_back(desk: Page, site: tuple[str, Path], tmp_path: Path) -> None:
    address, corpus = site
    before = {path.name: path.read_bytes() for path in corpus.iterdir()}
    _look(desk, "empty")
    desk.get_by_role("link", name="Add a document").click()
    _look(desk, "upload")
    new = tmp_path / "Driving <b>home.txt"
    new.write_text("Driving\n\nDo not drive for a day. Have somebody take you home.\n")
    desk.get_by_label("File").set_input_files(new)
    desk.get_by_role("button", name="Put it into the draft").click()
    desk.wait_for_url(f"{address}{HOME}/draft", timeout=60_000)
    expect(desk.get_by_text("1 added, 0 changed, 0 removed")).to_be_visible()

    desk.goto(f"{address}{HOME}/change?document=nausea.md")
    _look(desk, "change")
    desk.get_by_label("Next review").fill("2020-01-31")
    desk.get_by_role("button", name="Put it into the draft").click()
    desk.wait_for_url(f"{address}{HOME}/draft", timeout=60_000)
    desk.goto(f"{address}{HOME}/change?document=nausea.md")
    desk.get_by_role("link", name="Upload a new version").click()
    _look(desk, "replace")
    version = tmp_path / "v2.md"
    version.write_text(NAUSEA.replace("one tablet", "two tablets"))
    desk.get_by_label("File").set_input_files(version)
    desk.get_by_role("button", name="Put it into the draft").click()
    desk.wait_for_url(f"{address}{HOME}/draft", timeout=60_000)
    desk.goto(f"{address}{HOME}/change?document=parking.txt")
    desk.get_by_text("Remove this document").click()
    desk.get_by_role("button", name="Remove it").click()
    desk.wait_for_url(f"{address}{HOME}/draft", timeout=60_000)
    expect(desk.get_by_text("1 added, 1 changed, 1 removed")).to_be_visible()
    expect(desk.locator("del", has_text="Take one tablet")).to_be_visible()
    expect(desk.locator("ins", has_text="Take two tablets")).to_be_visible()
    expect(desk.get_by_text("its review was due on 2020-01-31")).to_be_visible()
    _look(desk, "draft")

    desk.get_by_role("button", name="Publish").click()
    desk.wait_for_url(f"{address}{HOME}/history", timeout=120_000)
    assert "two tablets" in (corpus / "nausea.md").read_text()
    assert not (corpus / "parking.txt").exists()
    _look(desk, "history")
    desk.get_by_text("Go back to 000001").first.click()
    desk.get_by_role("button", name="Go back to 000001").click()
    expect(desk.get_by_text("went back to 000001").first).to_be_visible(timeout=120_000)
    assert {path.name: path.read_bytes() for path in corpus.iterdir()} == before


def test_no_question_fails_while_the_desk_publishes(site: tuple[str, Path]) -> None:
    """Ten people ask the running app while an editor publishes and goes back; each answer is of one generation."""
    address, corpus = site
    home, done = corpus.parent / "index", threading.Event()
    first = Index.load(home).generation

    def ask(question: str) -> list[frozenset[tuple[str, str]]]:
        seen = []
        with httpx.Client(base_url=address, timeout=60) as client:
            while not done.wait(0.05):
                answer = client.post("/api/ask", json={"question": question})
                assert answer.status_code == 200, answer.text
                said = answer.json()
                assert said["outcome"] == "answered", said
                assert "out_of_date" not in {notice["id"] for notice in said["notices"]}
                seen.append(frozenset((quote["document"], quote["sha256"]) for quote in said["quotes"]))
        return seen

    with httpx.Client(base_url=address, timeout=60) as desk, ThreadPoolExecutor(10) as people:
        assert desk.post("/staff/login", data={"name": "Erin", "password": PASSWORD}).status_code == 303
        [csrf] = set(re.findall(r'name="csrf" value="([0-9a-f]{64})"', desk.get("/staff/account").text))

        def finish(answer: httpx.Response) -> None:
            job = answer.headers["location"]
            while (state := desk.get(f"{job}/json").json())["state"] == "running":
                time.sleep(0.1)
            assert state["state"] == "done", state

        questions = ["What should I take for nausea after the infusion?", "Where can I park, and what does it cost?"]
        asked = [people.submit(ask, questions[number % 2]) for number in range(10)]
        try:
            for path, old, new in (("nausea.md", "one tablet", "two tablets"), ("parking.txt", "two", "three")):
                content = (corpus / path).read_text().replace(old, new).encode()
                form = {"csrf": csrf, "replace": path}
                finish(desk.post(f"{HOME}/upload", data=form, files={"file": (path, content)}))
            [revision] = re.findall(r'name="revision" value="([0-9a-f]+)"', desk.get(f"{HOME}/draft").text)
            finish(desk.post(f"{HOME}/draft/publish", data={"csrf": csrf, "revision": revision}))
            second = Index.load(home).generation
            newer = desk.post("/api/ask", json={"question": questions[0]}).json()["quotes"]
            assert "two tablets" in newer[0]["text"]
            finish(desk.post(f"{HOME}/history/back", data={"csrf": csrf, "generation": first or ""}))
        finally:
            done.set()
        answers = [places for future in asked for places in future.result(120)]
    assert first != second
    made = [{(d.id, d.sha256) for d in Index.load(home, id).documents.values()} for id in (first, second)]
    assert all(any(places <= documents for documents in made) for places in answers)


def test_what_cannot_be_published_is_said(desk: Page, site: tuple[str, Path], tmp_path: Path) -> None:
    address, _ = site
    (tmp_path / "setup.exe").write_bytes(b"MZ")
    (tmp_path / "broken.pdf").write_bytes(b"no PDF")
    desk.goto(f"{address}{HOME}/upload")
    desk.get_by_label("File").set_input_files(tmp_path / "setup.exe")
    desk.get_by_role("button", name="Put it into the draft").click()
    expect(desk.get_by_role("alert")).to_contain_text("unsupported format (.exe)")
    _look(desk, "refused")
    desk.get_by_label("File").set_input_files(tmp_path / "broken.pdf")
    desk.get_by_role("button", name="Put it into the draft").click()
    desk.wait_for_url(f"{address}{HOME}/draft", timeout=60_000)
    expect(desk.get_by_role("alert")).to_contain_text("broken.pdf")
    expect(desk.get_by_role("button", name="Publish")).to_have_count(0)
    _look(desk, "broken")
    desk.get_by_text("Discard the draft").first.click()
    desk.get_by_role("button", name="Discard the draft").click()
    expect(desk.get_by_role("status").filter(has_text="discarded")).to_be_visible()
