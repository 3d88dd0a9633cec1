"""What an update of the index costs beside a build from the start, when one file of many has changed.

    python benchmarks/incremental.py [--files 1000]

Makes that many leaflets, builds their index, and brings it up to date after nothing changed, one file changed, one was
renamed, one went and one came. Each row also says how many passages were embedded.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bot.config import Config
from bot.embed import load_encoder
from bot.index import Index

TOPICS = "ketamine infusion nausea driving sleep parking food water pain nurse blood pressure alcohol visit".split()
SENTENCES = (
    "Tell the nurse about {} before you sit down.",
    "Most people find that {} gets easier after two days.",
    "Do not plan anything that has to do with {} on the same day.",
    "If {} worries you, call us in the morning.",
)


def leaflet(number: int, chance: random.Random) -> str:
    parts = [
        f"## About {topic} {number}\n\n" + " ".join(line.format(f"{topic} {number}") for line in SENTENCES)
        for topic in chance.sample(TOPICS, 2)
    ]
    return f"# Leaflet {number}\n\n" + "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    files = parser.parse_args().files
    config = Config()
    encoder = load_encoder(config.model)
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        corpus, index = Path(folder) / "corpus", Path(folder) / "index"
        corpus.mkdir()
        for number in range(files):
            (corpus / f"{number:05}.md").write_text(leaflet(number, chance), encoding="utf-8")
        steps: dict[str, Callable[[], object]] = {
            "build": lambda: None,
            "nothing changed": lambda: None,
            "one changed": lambda: (corpus / "00000.md").write_text(leaflet(files, chance), encoding="utf-8"),
            "one renamed": lambda: (corpus / "00001.md").rename(corpus / "renamed.md"),
            "one went": (corpus / "00002.md").unlink,
            "one came": lambda: (corpus / "new.md").write_text(leaflet(files + 1, chance), encoding="utf-8"),
        }
        whole = 0.0
        print(f"{files} files\n\n{'':16} {'seconds':>8} {'of a build':>10} {'embedded':>9} {'passages':>9}")
        for name, step in steps.items():
            step()
            began = time.perf_counter()
            report = Index.update(index, corpus, encoder, config)
            seconds = time.perf_counter() - began
            whole = whole or seconds
            print(f"{name:16} {seconds:8.2f} {seconds / whole:10.1%} {report.embedded:9} {report.passages:9}")


if __name__ == "__main__":
    main()
