"""Follow-ups: how much of a person's rewriting is made up for, and what questions that stand alone lose.

    python benchmarks/followup.py DATASET [DATASET …] [--rewritten FILE] [--turns FILE] [--cache DIR]

A dataset with ``history`` gives the questions as typed, as completed (in two ways of searching) and, from
``queries_resolved.jsonl`` or --rewritten, as a person worded them; completing those should change nothing. One without
gives its questions alone and after another of its questions, which is a change of subject. --turns: JSON Lines with
``history`` (questions and answers in turn), ``question``, ``resolved``, ``needs_context``, ``title``; no documents.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bot.bot import Bot
from bot.config import Config
from bot.embed import load_encoder
from bot.evaluation.datasets import Dataset, Question, read_dataset
from bot.evaluation.opening import open_bot
from bot.evaluation.ranking import METRICS, judge, table
from bot.evaluation.statistics import bootstrap
from bot.followup import Completion, complete
from bot.lexical import Wanted, terms
from bot.retrieve import fuse

WEIGHT = 1.0
PLACES = 10
SHOWN = ("nDCG@10", "R@10")

Ask = Callable[[Question], np.ndarray]
"""A question → the score of every passage."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", type=Path)
    parser.add_argument("--rewritten", type=Path)
    parser.add_argument("--turns", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    config = Config()
    encoder = load_encoder(config.model)
    for path in options.datasets:
        dataset = read_dataset(path)
        bot = open_bot(dataset, encoder, config, corpus=Path("corpus"), cache=options.cache)
        dataset = dataset.resolve(bot.index.documents)
        if any(question.history for question in dataset.questions):
            conversations(bot, dataset, texts(options.rewritten or path / "queries_resolved.jsonl"))
        else:
            changes_of_subject(bot, dataset)
    if options.turns:
        turns(options.turns)


def conversations(bot: Bot, dataset: Dataset, rewritten: Mapping[str, str]) -> None:
    score = scorer(bot)
    by_person = {q.id: Question(q.id, rewritten[q.id], q.history) for q in dataset.questions}
    raw = measure(bot, dataset, lambda q: score(q.text))
    human = measure(bot, dataset, lambda q: score(rewritten[q.id]))
    print(f"\n{dataset.name}: {len(dataset.questions)} questions\n")
    print("| searched | " + " | ".join(f"{name} | share of the gap" for name in SHOWN) + " |")
    print("|---|" + "---|---|" * len(SHOWN))
    rows = {
        "as typed": raw,
        "completed, one text": measure(bot, dataset, lambda q: one_text(q, score)),
        "completed, the context as a bonus": measure(bot, dataset, lambda q: bonus(q, score)),
        "by a person": human,
        "by a person, completed, one text": measure(bot, dataset, lambda q: one_text(by_person[q.id], score)),
        "by a person, completed, a bonus": measure(bot, dataset, lambda q: bonus(by_person[q.id], score)),
    }
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(shown(values, raw, human, METRICS.index(m)) for m in SHOWN) + " |")


def changes_of_subject(bot: Bot, dataset: Dataset) -> None:
    """Each question after another one, the order of the file being arbitrary but fixed."""
    score = scorer(bot)
    others = [dataset.questions[-1], *dataset.questions[:-1]]
    after = {q.id: Question(q.id, q.text, (o.text,)) for q, o in zip(dataset.questions, others, strict=True)}
    completed = sum(completion(question) is not None for question in after.values())
    print(f"\n{dataset.name}: {completed} of {len(after)} questions completed after another subject\n")
    print("| searched | " + " | ".join(SHOWN) + " |\n|---|" + "---|" * len(SHOWN))
    for name, values in {
        "alone": measure(bot, dataset, lambda q: score(q.text)),
        "after another subject, one text": measure(bot, dataset, lambda q: one_text(after[q.id], score)),
        "after another subject, a bonus": measure(bot, dataset, lambda q: bonus(after[q.id], score)),
    }.items():
        print(f"| {name} | " + " | ".join(f"{values[:, METRICS.index(m)].mean():.4f}" for m in SHOWN) + " |")


def turns(file: Path) -> None:
    """Is what needs completing completed, and with the words that a person added?"""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["history"]]
    done = [complete(r["question"], r["history"][::2], lambda _, r=r: r["title"].split(" / ")) for r in rows]  # type: ignore[misc]
    needed = np.array([row["needs_context"] for row in rows])
    given = np.array([one is not None for one in done])
    wanted = [added(row["question"], row["resolved"]) for row in rows]
    got = [added(row["question"], one.text if one else "") for row, one in zip(rows, done, strict=True)]
    right = sum(len(w & g) for w, g, n in zip(wanted, got, needed, strict=True) if n)
    print(f"\n{file.parent.name}: {len(rows)} turns, {needed.sum()} of which need completing")
    print(f"precision {(given & needed).sum() / given.sum():.3f}, recall {(given & needed).sum() / needed.sum():.3f}")
    print(
        f"of a person's added words, added: {right / sum(len(w) for w, n in zip(wanted, needed, strict=True) if n):.3f}"
    )
    print(f"of the added words, right: {right / sum(len(g) for g, n in zip(got, needed, strict=True) if n):.3f}")


def added(question: str, text: str) -> set[str]:
    return set(terms(text)) - set(terms(question))


def completion(question: Question) -> Completion | None:
    return complete(question.text, question.history, lambda _: ())


def one_text(question: Question, score: Callable[[str], np.ndarray]) -> np.ndarray:
    found = completion(question)
    return score(found.text if found else question.text)


def bonus(question: Question, score: Callable[[str], np.ndarray]) -> np.ndarray:
    """``question + w · min(context, the tenth best passage's)``: what is on the subject is as good as all else on it.

    Without the limit, what answers the earlier question is found again.
    """
    found = completion(question)
    if found is None:
        return score(question.text)
    if not terms(question.text):
        return score(found.text)
    context = score(found.context)
    limit = np.sort(context)[-min(PLACES, len(context))]
    return score(question.text) + WEIGHT * np.minimum(context, limit)


def scorer(bot: Bot) -> Callable[[str], np.ndarray]:
    @cache
    def score(text: str) -> np.ndarray:
        words = tuple(terms(text))
        candidates = bot.index.search(bot.encoder.encode_query(text), Wanted.of(words), len(bot.index.passages))
        return fuse(candidates, len(bot.index.words.known(words)), bot.config)

    return score


def measure(bot: Bot, dataset: Dataset, ask: Ask) -> np.ndarray:
    """(questions, metrics)."""
    return table(dataset, judge(dataset, {q.id: ranking(bot, dataset, q.id, ask(q)) for q in dataset.questions}))


def ranking(bot: Bot, dataset: Dataset, question: str, scores: np.ndarray) -> tuple[tuple[str, float], ...]:
    best: dict[str, float] = {}
    for row in np.lexsort((np.arange(len(scores)), -np.round(scores, 6))):
        best.setdefault(dataset.item(question, bot.index.passages[row]), float(scores[row]))
    return tuple(best.items())[:100]


def shown(values: np.ndarray, raw: np.ndarray, human: np.ndarray, metric: int) -> str:
    """A mean with its interval, and the share of the gap between `raw` and `human` that it closes."""
    low, high = bootstrap(values[:, [metric]])[0]
    gap = (human - raw)[:, metric].mean()
    share = (values - raw)[:, metric].mean() / gap if gap else 1.0
    return f"{values[:, metric].mean():.4f} ({low:.3f} to {high:.3f}) | {share:.0%}"


def texts(file: Path) -> dict[str, str]:
    records: list[Any] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {record["_id"]: record["text"] for record in records}


if __name__ == "__main__":
    main()
