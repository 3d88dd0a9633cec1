"""One run against another, question by question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot.errors import UsageError
from bot.evaluation import statistics
from bot.evaluation.datasets import Dataset, Question
from bot.evaluation.ranking import MAIN, METRICS, Values, judge, table
from bot.evaluation.statistics import rounded
from bot.evaluation.trec import Ranking

CHANGED_MOST = 10
_OTHER = "Compare with a run over the same questions, written by: bot eval DATASET --run FILE"


@dataclass(frozen=True, slots=True)
class Change:
    """One metric against an earlier run: mean difference (now less before), two-sided p-value, questions."""

    before: float
    difference: float
    p: float
    wins: int
    ties: int
    losses: int

    def to_dict(self) -> dict[str, Any]:
        figures = {
            "before": rounded(self.before),
            "difference": rounded(self.difference),
            "p": rounded(self.p),
        }
        return {**figures, "wins": self.wins, "ties": self.ties, "losses": self.losses}


@dataclass(frozen=True, slots=True)
class Moved:
    """A question whose result changed much; first_*: the item that stood first, None if there was none."""

    question: Question
    before: float
    now: float
    first_before: str | None
    first_now: str | None

    def to_dict(self) -> dict[str, Any]:
        values = {"before": rounded(self.before), "now": rounded(self.now)}
        first = {"first_before": self.first_before, "first_now": self.first_now}
        return {"id": self.question.id, "text": self.question.text, **values, **first}


@dataclass(frozen=True, slots=True)
class Comparison:
    run: str
    metrics: Mapping[str, Change]
    changed_most: tuple[Moved, ...]

    def to_dict(self) -> dict[str, Any]:
        metrics = {name: change.to_dict() for name, change in self.metrics.items()}
        return {"run": self.run, "metrics": metrics, "changed_most": [moved.to_dict() for moved in self.changed_most]}


def compare(
    name: str,
    dataset: Dataset,
    before: Mapping[str, Ranking],
    now: Mapping[str, Ranking],
    values: Mapping[str, Values],
) -> Comparison:
    """`now`, whose questions have `values`, against the run `before`, which is called `name`.

    Raises UsageError if that run has a question that the dataset has not.
    """
    known = {question.id for question in dataset.questions}
    for id in before:
        if id not in known:
            raise UsageError(f"{name} ranks the question {id!r}, which the dataset does not hold", remedy=_OTHER)
    earlier = judge(dataset, before)
    old = table(dataset, earlier)
    differences = np.round(table(dataset, values) - old, 9)
    rows = zip(METRICS, old.T, differences.T, statistics.randomisation(differences), strict=True)
    changes = {
        metric: Change(
            before=float(was.mean()),
            difference=float(difference.mean()),
            p=float(p),
            wins=int((difference > 0).sum()),
            ties=int((difference == 0).sum()),
            losses=int((difference < 0).sum()),
        )
        for metric, was, difference, p in rows
    }
    moved = [
        Moved(question, earlier[id][MAIN], values[id][MAIN], _first(before.get(id, ())), _first(now[id]))
        for question in dataset.questions
        if values[id := question.id][MAIN] != earlier[id][MAIN]
    ]
    most = sorted(moved, key=lambda one: -abs(one.now - one.before))  # equal ones stay in the file's order
    return Comparison(name, changes, tuple(most[:CHANGED_MOST]))


def _first(ranking: Ranking) -> str | None:
    return ranking[0][0] if ranking else None
