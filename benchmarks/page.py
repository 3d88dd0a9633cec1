"""How long until the page can be used once the server is up, and what an answer in the browser costs beside `bot.ask`.

Run from the root of the repository: ``python benchmarks/page.py`` (needs Chromium; about half a minute).
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

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


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("error: Chromium is not installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        config = Config(web=Web(requests_per_minute=0), store=Keeping(url=""))
        Index.update(Path(folder) / "index", ROOT / "corpus", load_encoder(config.model), config)
        (Path(folder) / "bot.toml").write_text('[web]\nrequests_per_minute = 0\n[store]\nurl = ""\n')
        bot = Bot.open(Path(folder) / "index", config=config)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        paths = ("--index", f"{folder}/index", "--config", f"{folder}/bot.toml")
        command = [sys.executable, str(ROOT / "app.py"), *paths, "--port", "0"]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr
            site = next(line for line in server.stderr if "Plainquote is at" in line).split()[-1]
            try:
                began = time.perf_counter()
                page.goto(site, wait_until="commit")
                page.get_by_label("Your question").wait_for()
                first = time.perf_counter() - began
                began = time.perf_counter()
                page.reload(wait_until="commit")
                page.get_by_label("Your question").wait_for()
                again = time.perf_counter() - began
                compare(bot, page)
            finally:
                server.terminate()
        print(f"usable after the server is up: {first * 1000:.0f} ms, on a later visit {again * 1000:.0f} ms")


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
