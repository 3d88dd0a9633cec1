"""Twenty people at once: does each get the right answer, and what does the server add to what answering takes?

    python benchmarks/load.py [--people 20] [--questions 5] [--corpus corpus]

Starts the real server over the corpus. Every person holds a conversation of their own, over HTTP or, every fourth of
them, over Gradio's endpoint; every answer is compared with `Bot.ask` for the same question and history in this process.
Then one person alone asks over HTTP and in process by turns, which gives the cost of the server itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import httpx
from gradio_client import Client

from bot import Bot
from bot.cli import main as command

ROOT = Path(__file__).parent.parent
FIRST = (
    "What are the side effects of ketamine?",
    "Does it help with CRPS?",
    "Which conditions can it be used for?",
    "Is ketamine addictive?",
    "Who won the world cup?",
)
THEN = (
    "and what about {}?",
    "is {} a reason not to have it?",
    "how long does it last with {}?",
    "does {} change that?",
)
WORDS = ("sleep", "cancer", "surgery", "opioids", "back pain", "dreams", "doctors", "knee pain", "an infusion", "doses")
ALONE = 60


@dataclass
class Talk:
    questions: list[str]
    answers: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    over_gradio: bool = False


def talks(people: int, questions: int) -> list[Talk]:
    """No two are alike."""
    return [
        Talk(
            [
                f"{FIRST[n % len(FIRST)]}",
                *(THEN[q % len(THEN)].format(WORDS[(n + q) % len(WORDS)]) for q in range(questions - 1)),
            ],
            over_gradio=n % 4 == 3,
        )
        for n in range(people)
    ]


def hold(talk: Talk, address: str) -> None:
    with httpx.Client(base_url=address, timeout=120) as web:
        gradio = Client(address, verbose=False) if talk.over_gradio else None
        for n, question in enumerate(talk.questions):
            began = time.perf_counter()
            if gradio:
                answer = gradio.predict(question, talk.questions[:n], api_name="/ask")
            else:
                told = web.post("/api/ask", json={"question": question, "history": talk.questions[:n]})
                told.raise_for_status()
                answer = told.json()
            talk.seconds.append(time.perf_counter() - began)
            talk.answers.append(answer)
        if gradio:
            gradio.close()


def wrong(talk: Talk, bot: Bot) -> list[str]:
    own = [bot.ask(question, talk.questions[:n]).to_dict() for n, question in enumerate(talk.questions)]
    lost = talk.questions[len(talk.answers) :]
    return lost + [
        question
        for question, answer, right in zip(talk.questions, talk.answers, own, strict=False)
        if {**answer, "timings_ms": None} != {**right, "timings_ms": None}
    ]


def alone(address: str, bot: Bot) -> tuple[list[float], list[float]]:
    """Seconds over HTTP and in process, by turns."""
    http: list[float] = []
    own: list[float] = []
    with httpx.Client(base_url=address, timeout=60) as web:
        for n in range(ALONE):
            question = f"{FIRST[n % len(FIRST)]} {WORDS[n % len(WORDS)]}"
            began = time.perf_counter()
            web.post("/api/ask", json={"question": question}).raise_for_status()
            middle = time.perf_counter()
            bot.ask(question)
            http.append(middle - began)
            own.append(time.perf_counter() - middle)
    return http, own


def show(name: str, seconds: list[float]) -> None:
    p50, p95 = (1000 * statistics.quantiles(seconds, n=20)[at] for at in (9, 18))
    print(f"{name:34}{len(seconds):6} answers   p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=20)
    options.add_argument("--questions", type=int, default=5)
    options.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index, log = Path(folder) / "index", Path(folder) / "log"
        assert command(["index", "--corpus", str(given.corpus), "--index", str(index)]) == 0
        bot = Bot.open(index)
        environment = {**os.environ, "PLAINQUOTE_WEB_REQUESTS_PER_MINUTE": "0", "PLAINQUOTE_STORE_URL": ""}
        serve = [sys.executable, "-m", "bot", "serve", "--index", str(index), "--port", "0"]
        with log.open("w") as errors, subprocess.Popen(serve, cwd=ROOT, stderr=errors, env=environment) as server:
            try:
                while "The documents are open" not in log.read_text():
                    assert server.poll() is None, log.read_text()
                    time.sleep(0.1)
                address = next(line for line in log.read_text().splitlines() if "Plainquote is at" in line).split()[-1]
                httpx.get(f"{address}/config", timeout=600)  # Gradio's endpoints come last
                http, own = alone(address, bot)
                everyone = talks(given.people, given.questions)
                began = time.perf_counter()
                with ThreadPoolExecutor(given.people) as people:
                    list(people.map(lambda talk: hold(talk, address), everyone))
                took = time.perf_counter() - began
            finally:
                server.terminate()
                print(log.read_text().partition("\n")[2], end="", file=sys.stderr)
    bad = [question for talk in everyone for question in wrong(talk, bot)]
    show("one person, in process", own)
    show("one person, HTTP", http)
    ratio, added = statistics.median(http) / statistics.median(own), statistics.median(http) - statistics.median(own)
    print(f"HTTP to in process: {ratio:.2f} times, {1000 * added:+.1f} ms")
    show(f"{given.people} people, HTTP", [s for talk in everyone if not talk.over_gradio for s in talk.seconds])
    show(f"{given.people} people, Gradio", [s for talk in everyone if talk.over_gradio for s in talk.seconds])
    asked = sum(len(talk.questions) for talk in everyone)
    print(f"{asked} questions in {took:.1f} s, {asked / took:.0f} a second; wrong, lost or another's: {len(bad)}")
    for question in bad:
        print(f"  {question}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
