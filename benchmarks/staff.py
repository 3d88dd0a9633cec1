"""How long each view of the staff's desk takes with many stored answers, beside the same with few, in one run.

    python benchmarks/staff.py [--rows 100000] [--few 100] [--corpus corpus]

The words of questions are kept, and made up of common ones. First: the first visit after the server's start, when no
question is compared yet; then the median of the next ones. Store: SQLite, in a temporary folder.
"""

from __future__ import annotations

import argparse
import logging
import re
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from starlette.testclient import TestClient

from bot.accounts import Accounts
from bot.bot import Bot
from bot.config import Config, Keeping, Staff
from bot.database import feedback, writing
from bot.embed import Encoder, load_encoder
from bot.index import Index
from bot.shown import Shown, ShownNotice, ShownQuote
from bot.store import Store, _new_id
from bot.ui.staff import create_staff
from bot.ui.staff.desk import NAVIGATION, Desk
from bot.ui.staff.jobs import Jobs

DAYS = 365
TIMES = 5
PASSWORD = "seven grey herons wade"
OUTCOMES = ("answered",) * 70 + ("not_found",) * 25 + ("emergency",) * 4 + ("fault",)
ASKING = ("can i have", "what about", "how long until", "is it safe to have", "who pays for", "where do i get")
ABOUT = (
    "parking",
    "a shower",
    "insulin",
    "coffee",
    "my dog",
    "alcohol",
    "a flight",
    "metformin",
    "physiotherapy",
    "sex",
)
WHEN = (
    "before it",
    "after the infusion",
    "with a cold",
    "at night",
    "in pregnancy",
    "at work",
    "for a child",
    "abroad",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--corpus", type=Path, default=Path("corpus"))
    options = parser.parse_args()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    config = Config()
    encoder = load_encoder(config.model)
    encoder.encode_query("what a server does before its first question")
    few, many = (measure(count, options.corpus, encoder) for count in (options.few, options.rows))
    heads = (f"{options.few:,} rows: first, then ms", f"{options.rows:,} rows: first, then ms", "more ms")
    print(f"| view | {' | '.join(heads)} |\n|---|---|---|---|")
    for view, (first, then) in few.items():
        first_many, then_many = many[view]
        worse = max(first_many - first, then_many - then)
        print(f"| {view} | {first:.0f}, {then:.0f} | {first_many:.0f}, {then_many:.0f} | {worse:+.0f} |")


def measure(count: int, corpus: Path, encoder: Encoder) -> dict[str, tuple[float, float]]:
    """Milliseconds of the first visit of each view, and of those after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keeping = Keeping(url=f"sqlite:///{folder / 'store.db'}", keep_questions=True, retention_days=2 * DAYS)
        config = Config(store=keeping, staff=Staff(tests=str(folder / "tests")))
        Index.update(folder / "index", corpus, encoder, config)
        bot = Bot(Index.load(folder / "index"), encoder, config)
        store, accounts, jobs = Store.open(keeping), Accounts(keeping, config.staff), Jobs()
        try:
            fill(store, bot, count)
            accounts.add("Erin", "editor", PASSWORD)
            desk = Desk(bot, store, accounts, jobs, config, corpus, folder / "index")
            return visit(desk)
        finally:
            jobs.close()
            store.close()
            accounts.close()


def fill(store: Store, bot: Bot, count: int) -> None:
    random, now = Random(1), datetime.now(UTC).replace(microsecond=0)
    found = bot.ask("What are the side effects of ketamine?").quotes
    quotes = tuple(ShownQuote(q.rank, q.document, q.start, q.end, q.sha256, q.highlights) for q in found)
    rows = []
    for _ in range(count):
        outcome = random.choice(OUTCOMES)
        rows.append(
            Shown(
                id=_new_id(),
                at=now - timedelta(seconds=random.randrange(DAYS * 86400)),
                outcome=outcome,
                category=random.choice(("stroke_heart", "bleeding", "self_harm")) if outcome == "emergency" else None,
                level="immediate" if outcome == "emergency" else None,
                confidence=random.random(),
                generation=bot.index.generation or "",
                quotes=quotes if outcome == "answered" else (),
                notices=(ShownNotice("sources_only", 1),),
                milliseconds=12.5,
                question=" ".join(random.choice(words) for words in (ASKING, ABOUT, WHEN, ASKING, ABOUT, WHEN)),
            )
        )
    for first in range(0, count, 1000):
        store._insert(rows[first : first + 1000])
    told = [
        {"answer": one.id, "at": int(one.at.timestamp()) + 60, "helped": random.random() < 0.7, "reason": None}
        for one in rows
        if random.random() < 0.1
    ]
    with writing(store._database.engine) as connection:
        connection.execute(feedback.insert(), told)


def visit(desk: Desk) -> dict[str, tuple[float, float]]:
    client = TestClient(create_staff(desk), follow_redirects=False)
    assert client.post("/staff/login", data={"name": "Erin", "password": PASSWORD}).status_code == 303
    one = next(iter(desk.store.export())).shown.id
    span = f"from={datetime.now(UTC).date() - timedelta(days=DAYS)}"
    views = {
        "home": "/staff",
        "by day": "/staff/asked",
        "by day, a year": f"/staff/asked?{span}",
        "in vain, groups": "/staff/asked/unanswered",
        "in vain, groups, a year": f"/staff/asked/unanswered?{span}",
        "did not help": "/staff/asked/unhelpful",
        "did not help, a year": f"/staff/asked/unhelpful?{span}",
        "all answers": "/staff/asked/answers",
        "all answers, faults of a year": f"/staff/asked/answers?outcome=fault&{span}",
        "one answer": f"/staff/asked/answers/{one}",
        "add as a test question": f"/staff/asked/add?answer={one}",
    }
    views |= {item.label.lower(): item.path for item in NAVIGATION if item.path not in views.values()}
    taken = {}
    for view, path in views.items():
        times = [timed(client, path) for _ in range(1 + TIMES)]
        if None not in times:
            taken[view] = (times[0], statistics.median(times[1:]))
    page = client.get(f"/staff/asked/answers?{span}").text
    older = re.search(r'rel="next" href="([^"]+)"', page)
    if older:
        times = [timed(client, older[1].replace("&amp;", "&")) for _ in range(1 + TIMES)]
        taken["all answers, next page"] = (times[0], statistics.median(times[1:]))
    return taken


def timed(client: TestClient, path: str) -> float | None:
    """Milliseconds; None for a view that is not there."""
    began = time.perf_counter()
    response = client.get(path)
    taken = 1000 * (time.perf_counter() - began)
    return taken if response.status_code == 200 else None


if __name__ == "__main__":
    main()
