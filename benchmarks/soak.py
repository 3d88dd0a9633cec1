"""Hours of use in miniature: eight clients, an index that is swapped, a server that is killed and must not grow.

    python benchmarks/soak.py [--minutes 10] [--clients 8] [--swap 30] [--json FILE]

Starts `bot serve` over an index in a temporary folder and asks it over HTTP: questions with and without an answer,
emergencies, follow-ups, typos, long messages, bad input. Every `--swap` seconds another of three editions of the
documents is published, each in a folder of its own, with other words in every section. At a tenth and at a quarter of
the time the server is killed (SIGKILL), and started again at once, as a service manager would.

Every response is compared with what a `Bot` over one edition says. It must be that answer, every word, offset and hash
the same and the scores within `APART` (a passage that is embedded again, among others, has another last digit; timings
are left out), of an edition that was in use while it was asked or within `LAG` seconds before. A request whose
connection was refused or broke while no server was up, or that was told that the documents are being opened, is asked
again and counted as cut off; any other failure is an
error. The exit status is 1 for an error, a wrong answer, or memory that grew by more than `GROWTH_MB` between the
first and the last third of the last server's life.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import httpx
import numpy as np

from bot import Bot
from bot.config import Config
from bot.embed import load_encoder
from bot.index import Index

ROOT = Path(__file__).parent.parent
EDITIONS = 3
KILLS = (0.1, 0.25)
"""Shares of the time: early, so that the last server lives long enough to show what it gathers."""
LAG = 10.0
"""Seconds that a server may take to go over to another edition; it looks every second, and loads before it swaps."""
APART = 1e-5
WARM = 30.0
"""Seconds of a server's life that its memory is not judged by."""
GROWTH_MB = 15.0
FILLER = 100
"""Leaflets that no question is about: so that an index which is never let go of weighs something."""

TOPICS = "driving alcohol nausea sleep parking breathing swallowing itching work travel exercise breastfeeding".split()
LINES = (
    "After your infusion you should wait {hours} hours before {topic} is safe again.",
    "If {topic} worries you, ring the ward on extension {extension} and ask for the nurse in charge.",
    "Most people find that {topic} is back to normal within {days} days.",
)
ANSWERED = (
    "How long should I wait before {topic} is safe again?",
    "who do I ring if {topic} worries me",
    "When is {topic} back to normal?",
)
MISSPELT = ("how long shuold I wiat before {topic} is saef again", "whne is {topic} bakc to normall")
THEN = ("and what about {topic}?", "who do I ring about it", "how many days is that for {topic}?")
REFUSED = (
    "Who won the world cup?",
    "What is the capital of Mongolia?",
    "How do I repot an orchid?",
    "Can you recommend a laptop?",
)
EMERGENCIES = (
    "I have crushing chest pain and cannot breathe",
    "my face is drooping and my speech is slurred",
    "I want to kill myself tonight",
    "she took all her tablets and won't wake up",
)
BAD: tuple[tuple[bytes, int], ...] = (
    (b'{"question": ""}', 422),
    (b'{"question": 7}', 422),
    (b'{"question": "is it safe", "history": "none"}', 422),
    (b'{"question": "is it safe", "colour": "red"}', 422),
    (json.dumps({"question": "pain " * 500}).encode(), 422),
    (b'{"question": ', 422),
    (b"\xff\xfe", 422),
)


@dataclass(frozen=True, slots=True)
class Request:
    """status: that of the response. answers: of each edition, as JSON without timings; none for bad input."""

    kind: str
    body: bytes
    status: int = 200
    answers: tuple[dict[str, Any], ...] = ()

    @property
    def telling(self) -> bool:
        return bool(self.answers) and not any(itertools.starmap(alike, itertools.combinations(self.answers, 2)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """began, ended: seconds since the start. wrong: what is wrong with it; "" for nothing. telling: the editions answer
    this question each in its own words, so that a mixture would show."""

    kind: str
    began: float
    ended: float
    wrong: str
    telling: bool


@dataclass
class Swap:
    """The publication of an edition, in seconds since the start; `ended` is None while it is under way."""

    edition: int
    began: float
    ended: float | None = None


@dataclass
class Life:
    """Of one process of the server: when it was started, ready and gone (seconds since the start), and its memory as
    (seconds since the start, MB), sampled every second."""

    started: float
    ready: float | None = None
    gone: float | None = None
    memory: list[tuple[float, float]] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--swap", type=float, default=30, help="seconds between two editions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), options.minutes * 60, options.swap)
        soak.run(options.clients)
    found = soak.figures()
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    show(found)
    return 0 if found["passed"] else 1


class Soak:
    def __init__(self, folder: Path, seconds: float, swap: float) -> None:
        self.folder, self.seconds, self.swap = folder, seconds, swap
        self.index = folder / "index"
        self.encoder, self.config = load_encoder(Config().model), Config()
        for edition in range(EDITIONS):
            write(folder / f"edition{edition}", edition)
        self.requests = self._requests()
        self.outcomes: list[Outcome] = []
        self.cut_off = 0
        self.swaps = [Swap(EDITIONS - 1, -LAG, -LAG)]
        self.lives: list[Life] = []
        self.server: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.over = threading.Event()
        """No more questions."""
        self.asked = threading.Event()
        """All were answered: the server may go."""
        self.load: list[float] = []
        self._born = time.perf_counter()

    def now(self) -> float:
        return time.perf_counter() - self._born

    def publish(self, edition: int) -> None:
        Index.update(self.index, self.folder / f"edition{edition}", self.encoder, self.config)

    def _requests(self) -> Sequence[Request]:
        asked = list(questions())
        answers: list[list[dict[str, Any]]] = []
        for edition in range(EDITIONS):
            self.publish(edition)
            bot = Bot.open(self.index, config=self.config)
            answers.append([without_time(bot.ask(question, history).to_dict()) for _, question, history in asked])
        bodies = [json.dumps({"question": question, "history": history}).encode() for _, question, history in asked]
        told = zip(*answers, strict=True)
        return [
            *(Request(kind, body, answers=one) for (kind, _, _), body, one in zip(asked, bodies, told, strict=True)),
            *(Request("bad input", body, status) for body, status in BAD),
        ]

    def run(self, clients: int) -> None:
        self._born = time.perf_counter()
        with (self.folder / "log").open("w") as log:
            supervisor = threading.Thread(target=self._supervise, args=(log,))
            supervisor.start()
            try:
                while not self.lives or self.lives[0].ready is None:
                    assert len(self.lives) < 2, (self.folder / "log").read_text()
                    time.sleep(0.05)
                self._born += self.now()  # the time begins when the server is up
                self.lives[0].started, self.lives[0].ready = 0.0, 0.0
                self.lives[0].memory.clear()
                with ThreadPoolExecutor(clients + 2) as pool:
                    work = [pool.submit(self._client, number) for number in range(clients)]
                    work += [pool.submit(self._swap), pool.submit(self._watch)]
                    self._kill_and_wait()
                    self.over.set()
                for one in work:
                    one.result()
            finally:
                self.over.set()
                self.asked.set()
                supervisor.join()
        lines = (self.folder / "log").read_text().splitlines(keepends=True)
        sys.stderr.writelines(line for line in lines if "answers come from generation" not in line)

    def _kill_and_wait(self) -> None:
        for share in KILLS:
            self.over.wait(share * self.seconds - self.now())
            while self.lives[-1].ready is None:  # it is a server at work that is to be killed
                time.sleep(0.1)
            assert self.server
            self.server.send_signal(signal.SIGKILL)
        self.over.wait(self.seconds - self.now())

    def _supervise(self, log: Any) -> None:
        """Keeps a server running, as a service manager does."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PLAINQUOTE_WEB_REQUESTS_PER_MINUTE": "0",
            "PLAINQUOTE_STORE_URL": f"sqlite:///{self.folder / 'store.db'}",
        }
        command = [sys.executable, "-m", "bot", "serve", "--index", str(self.index), "--port", str(self.port)]
        while not self.asked.is_set():
            life = Life(self.now())
            self.server = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)
            self.lives.append(life)
            while self.server.poll() is None and not self.asked.wait(0.02):
                if life.ready is None and self._is_up():
                    life.ready = self.now()
            if self.server.poll() is not None:
                life.gone = self.now()
        if self.server and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(30)

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _swap(self) -> None:
        edition = EDITIONS - 1
        while not self.over.wait(self.swap):
            edition = (edition + 1) % EDITIONS
            self.swaps.append(Swap(edition, self.now()))
            self.publish(edition)
            self.swaps[-1].ended = self.now()

    def _watch(self) -> None:
        while not self.over.wait(1):
            self.load.append(os.getloadavg()[0])
            life = self.lives[-1]
            if life.ready is not None and self.server and (held := memory_mb(self.server.pid)):
                life.memory.append((self.now(), held))

    def _client(self, number: int) -> None:
        chance = random.Random(number)
        kinds = sorted({request.kind for request in self.requests})
        of_kind = {kind: [one for one in self.requests if one.kind == kind] for kind in kinds}
        weights = [1 if kind == "bad input" else 4 if kind == "answered" else 2 for kind in kinds]
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60) as web:
            while not self.over.is_set():
                kind = chance.choices(kinds, weights)[0]
                outcome = self._ask(web, chance.choice(of_kind[kind]))
                if outcome:
                    self.outcomes.append(outcome)
                self.over.wait(chance.uniform(0, 0.2))

    def _ask(self, web: httpx.Client, request: Request) -> Outcome | None:
        """None where the run ended before the request could be asked again."""
        while not self.over.is_set():
            began = self.now()
            try:
                told = web.post("/api/ask", content=request.body, headers={"Content-Type": "application/json"})
            except httpx.TransportError as error:
                time.sleep(0.2)  # the supervisor is told by then that the server is gone
                if self._was_down(began, self.now()):
                    self.cut_off += 1
                    continue
                wrong = f"{type(error).__name__} while the server was up"
                return Outcome(request.kind, began, self.now(), wrong, request.telling)
            ended = self.now()
            if told.status_code == 503 and self._was_down(began, ended):  # the documents are being opened
                self.cut_off += 1
                time.sleep(0.2)
                continue
            return Outcome(request.kind, began, ended, self._wrong(request, told, began, ended), request.telling)
        return None

    def _was_down(self, began: float, ended: float) -> bool:
        """Whether between these moments there was one at which a killed server had no successor yet."""
        lives = list(self.lives)
        return any(
            life.gone is not None
            and life.gone <= ended
            and (after is None or after.ready is None or began <= after.ready)
            for life, after in zip(lives, [*lives[1:], None], strict=True)
        )

    def _wrong(self, request: Request, told: httpx.Response, began: float, ended: float) -> str:
        if told.status_code != request.status:
            return f"status {told.status_code} for {request.kind}: {told.text[:200]}"
        try:
            answer = without_time(told.json())
        except ValueError:
            return f"no JSON: {told.text[:200]}"
        if not request.answers:
            return "" if {"error", "remedy"} <= set(answer) else f"odd refusal: {told.text[:200]}"
        same = {edition for edition, right in enumerate(request.answers) if alike(right, answer)}
        if not same:
            return f"no edition's answer: {json.dumps(answer)}"
        return "" if same & self._in_use(began, ended) else f"of edition {same}, which was not in use"

    def _in_use(self, began: float, ended: float) -> set[int]:
        """The editions that an answer may come from: since their publication began, until the next one was done and
        `LAG` seconds longer."""
        swaps = list(self.swaps)
        return {
            swap.edition
            for swap, after in zip(swaps, [*swaps[1:], None], strict=True)
            if swap.began <= ended and (after is None or after.ended is None or began <= after.ended + LAG)
        }

    def figures(self) -> dict[str, Any]:
        wrong = [outcome for outcome in self.outcomes if outcome.wrong]
        life = max(self.lives, key=lambda one: len(one.memory))
        times = np.array([outcome.ended - outcome.began for outcome in self.outcomes]) * 1000
        by_kind = Counter(outcome.kind for outcome in self.outcomes)
        memory = growth(life, self.outcomes)
        downs = [
            round(after.ready - life.gone, 1)
            for life, after in zip(self.lives, self.lives[1:], strict=False)
            if life.gone is not None and after.ready is not None
        ]
        return {
            "machine": f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}",
            "load": [round(statistics.median(self.load), 1), round(max(self.load), 1)],
            "minutes": round(self.seconds / 60, 2),
            "responses": len(self.outcomes),
            "by_kind": dict(sorted(by_kind.items())),
            "telling": sum(outcome.telling for outcome in self.outcomes),
            "p50_ms": round(float(np.percentile(times, 50)), 1),
            "p95_ms": round(float(np.percentile(times, 95)), 1),
            "swaps": len(self.swaps) - 1,
            "kills": len(self.lives) - 1,
            "down_seconds": downs,
            "cut_off": self.cut_off,
            "wrong": len(wrong),
            "wrong_examples": [f"{outcome.began:.1f} s: {outcome.wrong}" for outcome in wrong[:10]],
            "memory": memory,
            "passed": not wrong and len(self.lives) - 1 == len(KILLS) and memory["grown_mb"] <= GROWTH_MB,
        }


def growth(life: Life, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Of the longest life: the median memory of its first and of its last third, after it is warm."""
    begins = life.memory[0][0] + WARM if life.memory[-1][0] - life.memory[0][0] > 3 * WARM else life.memory[0][0]
    warm = [sample for sample in life.memory if sample[0] >= begins]
    third = max(1, len(warm) // 3)
    first, last = (statistics.median(mb for _, mb in part) for part in (warm[:third], warm[-third:]))
    apart = warm[-third:][third // 2][0] - warm[third // 2][0]
    return {
        "seconds": round(warm[-1][0] - warm[0][0]),
        "responses": sum(warm[0][0] <= outcome.ended <= warm[-1][0] for outcome in outcomes),
        "first_third_mb": round(first, 1),
        "last_third_mb": round(last, 1),
        "most_mb": round(max(mb for _, mb in life.memory), 1),
        "grown_mb": round(last - first, 1),
        "mb_a_minute": round((last - first) / max(apart, 1) * 60, 2),
        "allowed_mb": GROWTH_MB,
        "samples": [[round(at), round(mb, 1)] for at, mb in life.memory[:: max(1, len(life.memory) // 60)]],
    }


def questions() -> Sequence[tuple[str, str, list[str]]]:
    """Kind, question, earlier questions."""
    found: list[tuple[str, str, list[str]]] = []
    for topic, after in zip(TOPICS, (*TOPICS[1:], TOPICS[0]), strict=True):
        found += [("answered", line.format(topic=topic), []) for line in ANSWERED]
        found += [("typos", line.format(topic=topic), []) for line in MISSPELT]
        found += [("follow-up", line.format(topic=after), [ANSWERED[0].format(topic=topic)]) for line in THEN]
        story = (
            "I had my infusion this morning and my sister drove me home, and I slept for most of the afternoon. " * 8
        )
        found.append(("long", f"{story} {ANSWERED[0].format(topic=topic)}", []))
    found += [("refused", question, []) for question in REFUSED]
    return [*found, *(("emergency", question, []) for question in EMERGENCIES)]


def write(folder: Path, edition: int) -> None:
    """A leaflet a topic, each sentence with numbers of this edition; and those that no question is about."""
    folder.mkdir()
    for at, topic in enumerate(TOPICS):
        numbers = {"hours": 6 + 12 * edition + at, "extension": 1000 * (edition + 1) + at, "days": 2 + 9 * edition + at}
        parts = [
            f"## {topic.title()}: part {part}\n\n{line.format(topic=topic, **numbers)}\n"
            for part, line in enumerate(LINES, 1)
        ]
        (folder / f"{topic}.md").write_text(
            f"# {topic.title()} after an infusion\n\n" + "\n".join(parts), encoding="utf-8"
        )
    for number in range(FILLER):
        text = f"# Stock list {number}\n\nShelf {number} holds {number + 7} boxes of gauze, size {number % 9}.\n"
        (folder / f"stock{number:04}.md").write_text(text, encoding="utf-8")


def without_time(answer: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({**answer, "timings_ms": None}))  # type: ignore[no-any-return]


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same but for the last digits of fractions."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= APART
    return type(one) is type(other) and bool(one == other)


def memory_mb(pid: int) -> float | None:
    """Resident memory of a process; None if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def show(found: Mapping[str, Any]) -> None:
    memory = found["memory"]
    print(f"{found['machine']}; load {found['load'][0]} (most {found['load'][1]})\n")
    rows = {
        "minutes": found["minutes"],
        "responses": f"{found['responses']} ({', '.join(f'{n} {kind}' for kind, n in found['by_kind'].items())})",
        "p50, p95 ms": f"{found['p50_ms']}, {found['p95_ms']}",
        "index swaps": found["swaps"],
        "kills, seconds until it answered again": f"{found['kills']}: {', '.join(map(str, found['down_seconds']))}",
        "requests cut off by a kill, asked again": found["cut_off"],
        "of them, answers whose words tell their edition": found["telling"],
        "errors, wrong answers, wrong editions": found["wrong"],
        "memory, first → last third, MB": f"{memory['first_third_mb']} → {memory['last_third_mb']}",
        "growth, MB (allowed)": f"{memory['grown_mb']} ({memory['allowed_mb']}), {memory['mb_a_minute']} a minute",
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    for example in found["wrong_examples"]:
        print(f"  {example}")


if __name__ == "__main__":
    sys.exit(main())
