"""Questions that were asked, and how well the bot knew when it had no answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot.evaluation import statistics
from bot.evaluation.datasets import Question
from bot.evaluation.statistics import Interval, rounded
from bot.evaluation.trec import Ranking

ANSWERABLE = "answerable"
UNLABELLED = "unlabelled"
"""The kind of an unanswerable question whose file names none."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Where a text stands, and its beginning."""

    item: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what the bot did.

    ranking: items by their best passage; empty for an unanswerable question. correct: the first quote or, of
    a refusal, the best passage comes from a relevant item; never so if unanswerable. values: by metric.
    found: the first quote or best passage. milliseconds: of `Bot.ask`.
    """

    question: Question
    answerable: bool
    answered: bool
    confidence: float
    correct: bool
    ranking: Ranking
    found: Excerpt | None
    expected: tuple[Excerpt, ...]
    milliseconds: float
    values: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """How unanswerable questions of one kind were met."""

    questions: int
    auroc: float
    answered: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "unanswerable": self.questions,
            "AUROC": rounded(self.auroc),
            "answered_when_unanswerable": rounded(self.answered),
        }


@dataclass(frozen=True, slots=True)
class Abstention:
    """How well the bot knows when it has no answer.

    auroc: of confidence, answerable against unanswerable. Shares: of the answerable (unanswerable) questions
    that got quotes; of the answerable ones that did, those whose first quote is from a relevant item. ece: over
    all questions, see `Asked.correct`; ece_by_chance: what perfect confidences would show.
    """

    answerable: int
    unanswerable: int
    auroc: float
    answered_when_answerable: float
    answered_when_unanswerable: float
    correct_when_answered: float
    ece: float
    ece_by_chance: float
    intervals: Mapping[str, Interval]
    kinds: Mapping[str, Kind]

    def to_dict(self) -> dict[str, Any]:
        return {
            "answerable": self.answerable,
            "unanswerable": self.unanswerable,
            "AUROC": rounded(self.auroc),
            "answered_when_answerable": rounded(self.answered_when_answerable),
            "answered_when_unanswerable": rounded(self.answered_when_unanswerable),
            "correct_when_answered": rounded(self.correct_when_answered),
            "ECE": rounded(self.ece),
            "ECE_by_chance": rounded(self.ece_by_chance),
            "intervals": {name: [rounded(low), rounded(high)] for name, (low, high) in self.intervals.items()},
            "kinds": {kind: found.to_dict() for kind, found in self.kinds.items()},
        }


def confidences(asked: Sequence[Asked]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([one.confidence for one in asked]), np.array([one.correct for one in asked], dtype=bool)


def abstention(asked: Sequence[Asked]) -> Abstention:
    answerable = [one for one in asked if one.answerable]
    unanswerable = [one for one in asked if not one.answerable]
    positive, right = confidences(answerable)
    negative, _ = confidences(unanswerable)
    answered, wrongly = _answered(answerable), _answered(unanswerable)
    confidence, correct = confidences(asked)
    return Abstention(
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        auroc=statistics.auroc(positive, negative),
        answered_when_answerable=float(answered.mean()),
        answered_when_unanswerable=float(wrongly.mean()),
        correct_when_answered=float((answered * right).sum() / max(1, answered.sum())),
        ece=statistics.calibration_error(confidence, correct),
        ece_by_chance=statistics.calibration_error_by_chance(confidence),
        intervals={
            "AUROC": statistics.bootstrap_auroc(positive, negative),
            "answered_when_answerable": statistics.bootstrap_share(answered, np.ones_like(answered)),
            "answered_when_unanswerable": statistics.bootstrap_share(wrongly, np.ones_like(wrongly)),
            "correct_when_answered": statistics.bootstrap_share(answered * right, answered),
        },
        kinds=_kinds(positive, unanswerable),
    )


def _answered(asked: Sequence[Asked]) -> np.ndarray:
    return np.array([one.answered for one in asked], dtype=np.float64)


def _kinds(positive: np.ndarray, unanswerable: Sequence[Asked]) -> dict[str, Kind]:
    kinds: dict[str, list[Asked]] = {}
    for one in unanswerable:
        kinds.setdefault(one.question.kind or UNLABELLED, []).append(one)
    return {
        kind: Kind(len(of), statistics.auroc(positive, confidences(of)[0]), float(_answered(of).mean()))
        for kind, of in kinds.items()
    }
