"""The store with many rows beside the same with few: the rate of writing, and the time of each question of staff.

    python benchmarks/store.py [--rows 100000] [--few 100] [--url postgresql://…/empty_database]

Without a URL: SQLite, in a temporary folder. The tables of a database that is named are dropped first.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from random import Random

from bot import store as module
from bot.config import Keeping
from bot.database import connect, metadata, writing
from bot.shown import Shown, ShownNotice, ShownQuote
from bot.store import Store

QUOTE = ShownQuote(1, "ketamine-for-chronic-pain.txt", 2310, 2541, "ab" * 32, ((2310, 2402), (2450, 2541)))
OUTCOMES = ("answered",) * 70 + ("not_found",) * 25 + ("emergency",) * 4 + ("fault",)
DAYS = 365
TIMES = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'store.db'}"
        few, _ = measure(url, options.few)
        many, rate = measure(url, options.rows)
    print(f"Written: {rate:,.0f} answers a second, {module.AT_ONCE} in a transaction\n")
    print(f"| question | {options.few:,} rows, ms | {options.rows:,} rows, ms |\n|---|---|---|")
    for name in few:
        print(f"| {name} | {few[name]:.1f} | {many[name]:.1f} |")


def measure(url: str, count: int) -> tuple[dict[str, float], float]:
    """Median milliseconds of each question, and the rows written a second."""
    engine = connect(url)
    with writing(engine) as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE IF EXISTS schema_version")
    engine.dispose()
    store = Store.open(Keeping(url=url, keep_questions=True, retention_days=2 * DAYS))
    try:
        rate = fill(store, count)
        return {name: median(question) for name, question in questions(store).items()}, rate
    finally:
        store.close()


def fill(store: Store, count: int) -> float:
    random, now = Random(1), module._now()
    rows = []
    for _ in range(count):
        outcome = random.choice(OUTCOMES)
        rows.append(
            Shown(
                id=module._new_id(),
                at=now - timedelta(seconds=random.randrange(DAYS * 86400)),
                outcome=outcome,
                category=random.choice(("stroke", "overdose", "self_harm")) if outcome == "emergency" else None,
                level="immediate" if outcome == "emergency" else None,
                confidence=random.random(),
                generation="000007",
                quotes=tuple(replace(QUOTE, rank=rank) for rank in (1, 2, 3)) if outcome == "answered" else (),
                notices=(ShownNotice("sources_only", 2),),
                milliseconds=12.5,
                question="does ketamine help with nerve pain after [number] years",
            )
        )
    start = time.perf_counter()
    for shown in rows:
        while store.status().waiting >= module.WAITING - 1:
            time.sleep(0.001)
        store._hand_over(shown)
    while store.status().waiting:
        time.sleep(0.001)
    rate = count / (time.perf_counter() - start)
    assert store.status().lost == 0
    told = [shown for shown in rows if random.random() < 0.1]
    with writing(store._database.engine) as connection:
        connection.execute(
            module.feedback.insert(),
            [
                {
                    "answer": shown.id,
                    "at": int(shown.at.timestamp()) + 60,
                    "helped": random.random() < 0.7,
                    "reason": None,
                }
                for shown in told
            ],
        )
    return rate


def questions(store: Store) -> dict[str, Callable[[], object]]:
    until = date.today()
    month = until - timedelta(days=30)
    middle = store.answers(until=until - timedelta(days=DAYS // 2), limit=1).older
    one = store.answers(limit=1).rows[0].shown.id
    return {
        "counts by day and outcome, all": store.outcomes,
        "counts by day and outcome, 30 days": lambda: store.outcomes(month, until),
        "emergencies by category and level, all": store.emergencies,
        "turns by day, all": store.turns,
        "unanswered, count": store.unanswered_count,
        "the newest 1,000 unanswered words": lambda: store.unanswered_words(limit=1000),
        "feedback counts, all": store.opinions,
        "newest page": store.answers,
        "a page in the middle": lambda: store.answers(older=middle),
        "newest page of one outcome": lambda: store.answers(outcome="fault"),
        "unanswered, newest page": store.unanswered,
        "unanswered, 30 days": lambda: store.unanswered(month, until),
        "did not help, newest page": store.not_helpful,
        "did not help, 30 days": lambda: store.not_helpful(month, until),
        "one answer": lambda: store.get(one),
        "export, first 1,000": lambda: list(islice(store.export(), 1000)),
        "feedback": lambda: store.feedback(one, False, "unclear"),
        "expire, nothing due": lambda: store.expire(module._now()),
    }


def median(question: Callable[[], object]) -> float:
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        question()
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    main()
