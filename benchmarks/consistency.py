"""How long a comparison of all sentences takes, and how many made-up contradictions each limit of likeness misses.

python benchmarks/consistency.py INDEX [INDEX …]
"""

from __future__ import annotations

import argparse
import time
import tomllib
from pathlib import Path

from bot import consistency
from bot.config import ModelChoice
from bot.embed import load_encoder
from bot.index import Index

PAIRS = Path(__file__).parent.parent / "tests" / "data" / "consistency.toml"
LIMITS = (0.6, 0.7, 0.8, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("indexes", type=Path, nargs="+", metavar="INDEX")
    options = parser.parse_args()
    encoder = load_encoder(ModelChoice())
    pairs = tomllib.loads(PAIRS.read_text(encoding="utf-8"))["differ"]
    cosines = []
    for pair in pairs:
        first, second = encoder.encode_passages([pair["first"], pair["second"]])
        cosines.append(float(first @ second))
    for limit in LIMITS:
        print(f"of {len(pairs)} made-up contradictions {sum(cosine < limit for cosine in cosines)} are below {limit}")
    for folder in options.indexes:
        index = Index.load(folder)
        began, worked = time.perf_counter(), time.process_time()
        made = consistency.survey(index)
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
        print(
            f"{folder}: {len(index.passages)} passages, {made.sentences} sentences, {made.compared} pairs compared, "
            f"{len(made.findings)} found; {seconds:.1f} s, {processor:.1f} s of the processors"
        )


if __name__ == "__main__":
    main()
