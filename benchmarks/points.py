"""Makes ``bot/rules/points.toml`` from labelled messages.

    python benchmarks/points.py QUESTIONS.jsonl [QUESTIONS.jsonl …] [--across [--misses]]

The messages are those of the development half in ``tests/triage``, and files of ordinary questions (``text``) that do
not come with the project: points need to know how people ask who are in no danger. Each phrase's points are its
weight in a logistic regression, danger against none, as a whole number; the strongest `MOST` are kept and fitted again.
A level's limit is the number of points that only a given share of ordinary questions reaches, among questions which the
points were not made from (five-fold). A text is calm below the points that nearly all emergencies reach, each writer's
with points made from the others'.

--across writes nothing: for each writer it shows the share of their emergencies that is recognised with points (and
with points or rules) made from the other writers' messages alone.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from bot import spelling
from bot.patterns import Phrases, Spelling, Words
from bot.points import Points, phrases
from bot.triage import FOLDER, LEVELS, compile_rules, read

MESSAGES = Path(__file__).parent.parent / "tests" / "triage"
MOST = 4000
FEWEST = 2
"""In so many messages a phrase must be."""
SCALE = 10
STRENGTH = 1.0
"""The inverse of the regularisation, chosen across writers."""
NEAR = 2
"""How much a harmless message of a writer weighs, beside an ordinary question."""
URGENT, IMMEDIATE = 0.09, 0.004
"""Which share of ordinary questions may reach a level."""
CALM = 0.002
"""Which share of emergencies may have fewer points than what makes a text calm."""
ENOUGH = 15
"""Points for danger that a text must have, whatever speaks against it; chosen on questions about other things."""
FOLDS = 5
WORD_LISTS = ("common", "usual", "health", "drugs", "modern")
RULES = compile_rules(Points({}, 1, 1, -1))
"""Without points."""
KNOWN_FROM = 4
"""A word in so many live messages is known, so that its misspellings are."""


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    kind: str
    """A category, or empty if nobody is in danger."""
    writer: str
    history: tuple[str, ...]


def messages(files: Iterable[Path]) -> list[Message]:
    return [
        Message(row["text"], row.get("category", ""), row.get("writer", "ordinary"), tuple(row.get("history", ())))
        for file in files
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]


def english() -> set[str]:
    return {word for name in WORD_LISTS for word in (spelling.FOLDER / f"{name}.txt").read_text("utf-8").split()}


def reader(live: Sequence[Message]) -> Phrases:
    """Reads texts with the words of the rules and those that are frequent in emergencies."""
    shipped = RULES.phrases
    counts = Counter(word for message in live for word in set(re.findall("[a-z]{4,}", message.text.casefold())))
    words = english() - shipped.spelling._written.keys()
    known = shipped.spelling._known | {word for word, count in counts.items() if count >= KNOWN_FROM and word in words}
    reading = Phrases.__new__(Phrases)
    reading.__dict__.update(shipped.__dict__)
    reading.spelling = Spelling(
        known, shipped.spelling._written, frozenset(word for word in words - known if word.isascii() and word.isalpha())
    )
    return reading


class Fit:
    """The points of some messages. score: (messages,) of others."""

    def __init__(self, messages: Sequence[Message], found: Sequence[Collection[str]]) -> None:
        kinds = [message.kind for message in messages]
        harmless = np.array([0 if m.kind else 1 if m.writer == "ordinary" else NEAR for m in messages])
        live = np.array([bool(kind) for kind in kinds])
        self._weight = np.where(live, harmless.sum() / live.sum(), harmless) * len(live) / (2 * harmless.sum())
        counts = Counter(phrase for phrases in found for phrase in phrases)
        often = sorted(phrase for phrase, count in counts.items() if count >= FEWEST)
        weights = self._weights(found, kinds, often)
        strength = [abs(weight) * math.sqrt(counts[phrase]) for phrase, weight in zip(often, weights, strict=True)]
        best = sorted(range(len(often)), key=lambda at: (-strength[at], often[at]))[:MOST]
        kept = sorted(often[at] for at in best)
        points = (round(SCALE * weight) for weight in self._weights(found, kinds, kept))
        self.points = {phrase: worth for phrase, worth in zip(kept, points, strict=True) if worth}

    def _weights(self, found: Sequence[Collection[str]], kinds: Sequence[str], kept: Sequence[str]) -> np.ndarray:
        at = {phrase: column for column, phrase in enumerate(kept)}
        columns = [[at[phrase] for phrase in sorted(phrases) if phrase in at] for phrases in found]
        rows = np.repeat(np.arange(len(columns)), [len(row) for row in columns])
        flat = np.concatenate([np.array(row, dtype=int) for row in columns])
        matrix = csr_matrix((np.ones(len(flat)), (rows, flat)), (len(found), len(kept)))
        model = LogisticRegression(C=STRENGTH, solver="liblinear", max_iter=1000, random_state=0)
        return model.fit(matrix, [bool(kind) for kind in kinds], self._weight).coef_[0]

    def score(self, found: Sequence[Collection[str]]) -> np.ndarray:
        return np.array([sum(self.points.get(phrase, 0) for phrase in phrases) for phrases in found])


def threshold(scores: np.ndarray, share: float) -> int:
    """The fewest points that at most this share of `scores` reaches."""
    return int(np.sort(scores)[::-1][int(len(scores) * share)]) + 1


def found_in(texts: Iterable[Words]) -> list[frozenset[str]]:
    return [frozenset(phrase for phrase, _, _ in phrases(words)) for words in texts]


def write(points: Points) -> None:
    ordered = sorted(points.worth, key=lambda phrase: (-points.worth[phrase], phrase))
    lines = [
        "# Made by benchmarks/points.py; docs/emergencies.md says how. How many points a phrase adds to a text:",
        "# above 0 it speaks for an emergency, below 0 against one. _ stands for any one word.",
        "",
        "# From how many points on a text is",
        f"urgent = {points.urgent}",
        f"immediate = {points.immediate}",
        "# and so few make it calm, whatever rule it fits:",
        f"calm = {points.calm}",
        "# An alarm needs so many above 0:",
        f"enough = {points.enough}",
        "",
        "[points]",
        *(f"{json.dumps(phrase, ensure_ascii=False)} = {points.worth[phrase]}" for phrase in ordered),
    ]
    (FOLDER / "points.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_ruled(message: Message) -> bool:
    emergency = read(message.text, message.history, RULES).emergency
    return emergency is not None and emergency.level in LEVELS[:2]


def across(every: Sequence[Message], found: Sequence[Collection[str]], show: bool) -> None:
    ordinary = [at for at, message in enumerate(every) if message.writer == "ordinary"]
    for writer in sorted({message.writer for message in every if message.kind}):
        fold = set(ordinary[::FOLDS])
        rest = [at for at, message in enumerate(every) if message.writer != writer and at not in fold]
        fit = Fit([every[at] for at in rest], [found[at] for at in rest])
        urgent = threshold(fit.score([found[at] for at in fold]), URGENT)
        theirs = [at for at, message in enumerate(every) if message.writer == writer]
        live = [at for at in theirs if every[at].kind]
        harmless = [at for at in theirs if not every[at].kind]
        reached = fit.score([found[at] for at in live]) >= urgent
        ruled = np.array([is_ruled(every[at]) for at in live])
        false = fit.score([found[at] for at in harmless]) >= urgent if harmless else np.zeros(1)
        print(
            f"{writer:<4} {len(live):>4} live   points {reached.mean():.3f}   rules {ruled.mean():.3f}"
            f"   either {(reached | ruled).mean():.3f}   harmless with points {false.mean():.3f}"
        )
        for at, hit in zip(live, reached | ruled, strict=True):
            if show and not hit:
                print("      ", every[at].kind, "|", every[at].text, "|", " / ".join(every[at].history))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="+", type=Path)
    parser.add_argument("--across", action="store_true")
    parser.add_argument("--misses", action="store_true", help="with --across: list them")
    options = parser.parse_args()
    every = messages([MESSAGES / "live.jsonl", MESSAGES / "harmless.jsonl", *options.questions])
    reading = reader([message for message in every if message.kind])
    found = found_in(reading.words(message.text) for message in every)
    if options.across:
        across(every, found, options.misses)
        return
    ordinary = [at for at, message in enumerate(every) if message.writer == "ordinary"]
    questions = left_out(every, found, [set(ordinary[start::FOLDS]) for start in range(FOLDS)])
    writers = sorted({message.writer for message in every if message.kind})
    live = [{at for at, m in enumerate(every) if m.writer == writer and m.kind} for writer in writers]
    emergencies = left_out(every, found, live)
    calm = int(np.quantile(emergencies, CALM, method="lower"))
    fit = Fit(every, found)
    write(Points(fit.points, threshold(questions, URGENT), threshold(questions, IMMEDIATE), calm, ENOUGH))


def left_out(
    every: Sequence[Message], found: Sequence[Collection[str]], folds: Iterable[Collection[int]]
) -> np.ndarray:
    """The scores of each fold's messages, with points made from all others."""
    scores = []
    for fold in folds:
        rest = [at for at in range(len(every)) if at not in fold]
        fit = Fit([every[at] for at in rest], [found[at] for at in rest])
        scores.append(fit.score([found[at] for at in sorted(fold)]))
    return np.concatenate(scores)


if __name__ == "__main__":
    main()
