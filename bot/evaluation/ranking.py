"""How good a ranking is: each question's value by metric, from ir-measures."""

from __future__ import annotations

from collections.abc import Mapping

import ir_measures
import numpy as np
from ir_measures import RR, R, Success, nDCG

from bot.evaluation.datasets import Dataset
from bot.evaluation.trec import Ranking

MEASURES = (nDCG @ 10, R @ 10, R @ 100, RR @ 10, Success @ 1, Success @ 3)
METRICS = tuple(str(measure) for measure in MEASURES)
MAIN = "nDCG@10"

Values = Mapping[str, float]
"""Of one question, by metric."""


def judge(dataset: Dataset, rankings: Mapping[str, Ranking]) -> dict[str, dict[str, float]]:
    """Each question's value by metric; 0 where there is no result. By ir-measures; the place in the ranking is
    what it is given as a score, so that all its tools order ties alike."""
    values = {question.id: dict.fromkeys(METRICS, 0.0) for question in dataset.questions}
    qrels = [
        ir_measures.Qrel(id, item, grade) for id, judged in dataset.judgements.items() for item, grade in judged.items()
    ]
    run = [
        ir_measures.ScoredDoc(id, item, -float(place))
        for id, ranking in rankings.items()
        for place, (item, _) in enumerate(ranking)
    ]
    for found in ir_measures.iter_calc(list(MEASURES), qrels, run):
        values[found.query_id][str(found.measure)] = float(found.value)
    return values


def table(dataset: Dataset, values: Mapping[str, Values]) -> np.ndarray:
    """(questions, metrics)."""
    return np.array([[values[question.id][name] for name in METRICS] for question in dataset.questions])
