"""How well and how fast emergencies are told apart.

    python benchmarks/triage.py tests/triage/live.jsonl tests/triage/harmless.jsonl [--quiet] [--no-timings]

Each file is JSON Lines with ``text`` and, where there is one, ``history``. Lines with a ``category`` are live
emergencies: their recall is the share that gets a card of the level immediate or urgent. All other lines call for no
immediate card; their ``label`` sets them apart. Intervals are Wilson's, 95%. Without --quiet the misses and the false
cards are listed.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bot.triage import load_rules, triage

CARDS = ("immediate", "urgent")
LENGTHS = (50, 100, 200, 500, 1000, 2000)
REPEATS = 5


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share (Wilson, "Probable inference", 1927)."""
    if not of:
        return 0.0, 1.0
    share, spread = hits / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    reach = z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def line(name: str, hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"  {name:<32} {hits:>5}/{of:<5} {hits / max(1, of):.3f}  [{low:.3f}, {high:.3f}]"


def recall(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    found: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        level = triage(row["text"], row.get("history", ()))["level"]
        names = ["all", row["category"], f"person: {row.get('person')}", f"labelled {row.get('level')}"]
        names += ["misspelt"] * bool(row.get("misspelt")) + ["with history"] * bool(row.get("history"))
        for name in names:
            found[name].append(level in CARDS)
        if row.get("level") == "immediate":
            found["the immediate card"].append(level == "immediate")
    for name, hits in found.items():
        yield line(name, sum(hits), len(hits))


def false_cards(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    levels: dict[str, list[str | None]] = defaultdict(list)
    for row in rows:
        level = triage(row["text"], row.get("history", ()))["level"]
        for name in {"all", row.get("label", "no label")}:
            levels[name].append(level)
    for name, given in sorted(levels.items()):
        for level in CARDS:
            yield line(f"{name}: false {level}", given.count(level), len(given))


def exceptions(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        found = triage(row["text"], row.get("history", ()))
        if row.get("category") and found["level"] not in CARDS:
            history = f"  after {row['history']}" if row.get("history") else ""
            yield f"  missed  {row['category']}: {row['text']}{history}"
        elif not row.get("category") and found["level"] in CARDS:
            yield f"  {found['level']:<9} {found['rule']} [{found['matched']}]: {row['text'][:300]}"


def timings(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    groups: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        groups[next((length for length in LENGTHS if len(row["text"]) <= length), LENGTHS[-1])].append(row["text"])
    for length, texts in sorted(groups.items()):
        times = sorted(min(_milliseconds(text) for _ in range(REPEATS)) for text in texts)
        p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
        middle = statistics.median(times)
        yield f"  up to {length:>5} characters  {len(texts):>5} texts   p50 {middle:.2f} ms   p95 {p95:.2f} ms"
    together = " ".join(row["text"] for row in rows).split()
    for size in (100, 300, 1000, 3000):
        letter = " ".join((together * (1 + size // len(together)))[:size])
        took = min(_milliseconds(letter) for _ in range(3))
        yield f"  a letter of {size:>5} words   {took:.1f} ms   {1000 * took / size:.1f} µs a word"


def _milliseconds(text: str) -> float:
    start = time.perf_counter()
    triage(text)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--quiet", action="store_true", help="counts only, no texts")
    parser.add_argument("--no-timings", action="store_true")
    options = parser.parse_args()
    start = time.perf_counter()
    load_rules()
    print(f"rules loaded in {time.perf_counter() - start:.2f} s")
    for path in options.files:
        rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]
        live = [row for row in rows if row.get("category")]
        print(f"\n{path.name}")
        for report in (recall(live), false_cards([row for row in rows if not row.get("category")])):
            print(*report, sep="\n")
        if not options.quiet:
            print(*exceptions(rows), sep="\n")
        if not options.no_timings:
            print(*timings(rows), sep="\n")


if __name__ == "__main__":
    main()
