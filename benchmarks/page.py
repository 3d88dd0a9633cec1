"""How long after the command the server listens, until its page can be used on a first and on a later visit, until
questions are answered, and what an answer in the browser costs beside `bot.ask`.

Run from the root of the repository: ``python benchmarks/page.py`` (needs Chromium; about two minutes). With ``--beside
FOLDER``, the root of another version, both are started in turns, and the ratio to that one is shown.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from bot.bot import Bot
from bot.config import Config, Keeping, Web
from bot.embed import load_encoder
from bot.index import Index

ROOT = Path(__file__).parent.parent
QUESTIONS = (
    "What are the side effects of ketamine?",
    "Which conditions can it be used for?",
    "How do I cook pasta?",
    "Does it help with CRPS?",
)
ROUNDS = 5


STARTS = 3
MEASURED = ("listens", "answers", "first visit", "first visit, Gradio there", "later visit")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--beside", type=Path, metavar="FOLDER", help="another version to compare with")
    beside = options.parse_args().beside
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("error: Chromium is not installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        config = Config(web=Web(requests_per_minute=0), store=Keeping(url=""))
        Index.update(Path(folder) / "index", ROOT / "corpus", load_encoder(config.model), config)
        (Path(folder) / "bot.toml").write_text('[web]\nrequests_per_minute = 0\n[store]\nurl = ""\n')
        bot = Bot.open(Path(folder) / "index", config=config)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        versions = [ROOT, *([beside.resolve()] if beside else [])]
        found: dict[Path, list[list[float]]] = {version: [] for version in versions}
        for turn in range(STARTS):
            for version in versions:
                last = bot if version == ROOT and turn == STARTS - 1 else None
                found[version].append(start(version, Path(folder), browser, last))
        show(found)


def start(root: Path, folder: Path, browser: Browser, bot: Bot | None) -> list[float]:
    """Seconds, as MEASURED names them; the visits from their own beginning, the rest from the command's."""
    paths = ("--index", str(folder / "index"), "--config", str(folder / "bot.toml"))
    command = [sys.executable, str(root / "app.py"), *paths, "--corpus", str(ROOT / "corpus"), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        try:
            site = next(line for line in server.stderr if "Plainquote is at" in line).split()[-1]
            client = httpx.Client(base_url=site, timeout=60)
            client.get("/health")
            listens = time.perf_counter() - began
            while client.get("/ready").status_code != 200:
                time.sleep(0.2)
            answers = time.perf_counter() - began
            with browser.new_context() as context:  # with an empty cache
                context.add_init_script(PAINTED)
                page = context.new_page()
                first, whole = visit(page, site)
                later, _ = visit(page, site)
                if bot is not None:
                    compare(bot, page)
        finally:
            server.terminate()
    return [listens, answers, first, whole, later]


def visit(page: Page, site: str) -> tuple[float, float]:
    """Seconds from the beginning of the navigation, by the browser's own clock, until the form is painted, so that one
    can type and send, and until Gradio is there, which sends it."""
    page.goto(site, wait_until="commit")
    page.locator("gradio-app #send:enabled").wait_for()
    usable, whole = page.evaluate(MARKS)
    return usable / 1000, whole / 1000


MARKS = """async () => {
  const marks = ["usable", "whole"].map((name) => () => performance.getEntriesByName(name)[0]);
  while (!marks.every((mark) => mark())) await new Promise((resolve) => setTimeout(resolve, 50));
  return marks.map((mark) => mark().startTime);
}"""
PAINTED = """
for (const [name, form] of [["usable", "#send:enabled"], ["whole", "gradio-app #send:enabled"]]) {
  const look = () => {
    if (!document.querySelector(form)) requestAnimationFrame(look);
    else requestAnimationFrame(() => setTimeout(() => performance.mark(name)));
  };
  look();
}
"""


def show(found: dict[Path, list[list[float]]]) -> None:
    medians = {
        version: [statistics.median(column) for column in zip(*rows, strict=True)] for version, rows in found.items()
    }
    for number, name in enumerate(MEASURED):
        own, *other = (values[number] for values in medians.values())
        against = f", there {other[0] * 1000:.0f} ms: {own / other[0]:.2f} times as long" if other else ""
        print(f"{name}: {own * 1000:.0f} ms{against} (medians of {STARTS})")
    print(f"load: {', '.join(f'{one:.1f}' for one in os.getloadavg())}")


def compare(bot: Bot, page: Page) -> None:
    """Both in turns, so that a busy machine slows both."""
    process, browser = [], []
    for turn in range(ROUNDS + 1):
        for question in QUESTIONS:
            began = time.perf_counter()
            bot.ask(question)
            here = time.perf_counter() - began
            there = page.evaluate(ASKED, question) / 1000
            if turn:  # the first is to warm up
                process.append(here)
                browser.append(there)
    own, shown = statistics.median(process), statistics.median(browser)
    added = statistics.median(there - here for here, there in zip(process, browser, strict=True))
    print(f"bot.ask {own * 1000:.1f} ms, from the key to the answer shown {shown * 1000:.1f} ms (medians)")
    print(f"added {added * 1000:.1f} ms, {shown / own:.1f} times as long")


ASKED = """async (question) => {
  document.querySelector("#clear").click();
  const box = document.querySelector("#question");
  box.value = question;
  const began = performance.now();
  box.form.requestSubmit();
  while (!document.querySelector(".reply")) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
"""Milliseconds until the frame after the one in which the reply is there."""


if __name__ == "__main__":
    main()
