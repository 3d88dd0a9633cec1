"""Fits the confidence's logistic regression to questions with known answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from bot.answer import CONSIDERED
from bot.bot import Bot
from bot.confidence import features
from bot.config import MOST_WRONG, Config
from bot.embed import load_encoder
from bot.errors import QuestionError, UsageError
from bot.evaluation import statistics
from bot.evaluation.abstention import ANSWERABLE, UNLABELLED
from bot.evaluation.datasets import Dataset, Question, read_dataset
from bot.evaluation.opening import open_bot, progress, sha256

RIDGE = 1e-3
"""On the coefficients, not on the intercept: keeps two features that say the same from running away."""
_DIGITS = 4
"""Of a confidence and a threshold, as `Calibration.confidence` rounds."""


@dataclass(frozen=True)
class Sample:
    """The questions of one dataset.

    features: (questions, CONSIDERED, features), those of the best hits, NaN where there are fewer. correct:
    (questions,) bool, the best hit comes from a relevant item. kinds: of each question, `ANSWERABLE` or why it is
    not. sha256: of the files that were read.
    """

    name: str
    sha256: Mapping[str, str]
    names: tuple[str, ...]
    features: np.ndarray
    correct: np.ndarray
    kinds: tuple[str, ...]

    @property
    def answerable(self) -> np.ndarray:
        return np.array([kind == ANSWERABLE for kind in self.kinds])

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """The rows of each kind."""
        kinds = np.array(self.kinds)
        return {kind: np.flatnonzero(kinds == kind) for kind in dict.fromkeys(self.kinds)}

    @property
    def weights(self) -> np.ndarray:
        """(questions,), sum 1: each kind weighs the same, so that 1,500 easy questions don't decide all."""
        weights = np.zeros(len(self.kinds))
        for rows in self.groups.values():
            weights[rows] = 1 / (len(self.groups) * len(rows))
        return weights


@dataclass(frozen=True)
class Fit:
    """``confidence = 1 / (1 + exp(-(intercept + Σ coefficient · feature)))``; no coefficient is negative."""

    intercept: float
    coefficients: Mapping[str, float]

    def hits(self, sample: Sample) -> np.ndarray:
        """(questions, CONSIDERED): each hit's confidence; 0 where there is no hit."""
        evidence = self.intercept + sample.features @ np.array([self.coefficients[name] for name in sample.names])
        confidences: np.ndarray = np.nan_to_num(np.round(1 / (1 + np.exp(-evidence)), _DIGITS))
        return confidences

    def first(self, sample: Sample) -> np.ndarray:
        """(questions,): the confidence of the best hit, which is what is fitted."""
        first: np.ndarray = self.hits(sample)[:, 0]
        return first

    def surest(self, sample: Sample) -> np.ndarray:
        """(questions,): a question gets quotes where this reaches the threshold."""
        surest: np.ndarray = self.hits(sample).max(axis=1)
        return surest


@dataclass(frozen=True)
class Calibrated:
    fit: Fit
    samples: tuple[Sample, ...]

    def to_dict(self) -> dict[str, Any]:
        """The file that `bot.confidence` reads, with what it rests on."""
        made: dict[str, Any] = {
            "intercept": round(self.fit.intercept, 4),
            "coefficients": {name: round(value, 4) for name, value in self.fit.coefficients.items()},
            "fitted_on": [
                {
                    "dataset": sample.name,
                    "sha256": dict(sample.sha256),
                    "questions": {kind: len(rows) for kind, rows in sample.groups.items()},
                    **figures(self.fit, sample),
                }
                for sample in self.samples
            ],
            "thresholds": [threshold(self.fit, self.samples, target) for target in MOST_WRONG],
        }
        if len(self.samples) > 1:
            made["left_out"] = list(left_out(self.samples))
        return made


def calibrate(
    paths: Sequence[Path],
    config: Config,
    *,
    corpus: Path = Path("corpus"),
    cache: Path | None = None,
    unanswerable: Sequence[Path] = (),
    without: Sequence[str] = (),
) -> Calibrated:
    """A fit to all these datasets; `unanswerable` files are asked of each, and the unanswerable questions of the
    kinds `without` of none. Raises UsageError."""
    samples = tuple(_sample(path, config, corpus, cache, unanswerable, without) for path in paths)
    return Calibrated(fit(samples), samples)


def _sample(
    path: Path,
    config: Config,
    corpus: Path,
    cache: Path | None,
    unanswerable: Sequence[Path],
    without: Sequence[str],
) -> Sample:
    dataset = read_dataset(path, unanswerable=unanswerable)
    kept = tuple(question for question in dataset.unanswerable if question.kind not in without)
    dataset = replace(dataset, unanswerable=kept)
    if not dataset.questions:
        raise UsageError(f"{path} has no documents to ask", remedy="Give a dataset with questions and judgements.")
    bot = open_bot(dataset, load_encoder(config.model), config, corpus=corpus, cache=cache)
    return sample(bot, dataset.resolve(bot.index.documents), _hashes(path, unanswerable))


def _hashes(path: Path, unanswerable: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each file that a dataset is made of, by its name."""
    names = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "queries_unanswerable.jsonl", "questions.jsonl")
    files = {name: path / name for name in names} if path.is_dir() else {path.name: path}
    more = {f"{file.parent.name}/{file.name}": file for file in map(Path.absolute, unanswerable)}
    return {name: sha256(file) for name, file in {**files, **more}.items() if file.is_file()}


def sample(bot: Bot, dataset: Dataset, hashes: Mapping[str, str]) -> Sample:
    """The features and events of a dataset that was resolved against the bot's documents. A question that
    cannot be asked (too long, say) is left out."""
    kinds, correct, rows = [], [], []
    for question, kind in progress([*_with_kinds(dataset)], dataset.name):
        try:
            hits = bot.search(question.text, bot.config.ranking.candidates, history=question.history)
        except QuestionError:
            continue
        kinds.append(kind)
        correct.append(kind == ANSWERABLE and len(hits) > 0 and dataset.relevant(question.id, hits[0]))
        rows.append(features(hits, bot.index, bot.encoder, CONSIDERED))
    names = tuple(next((found for row in rows for found in row), {}))
    table = np.full((len(rows), CONSIDERED, len(names)), np.nan)
    for at, row in enumerate(rows):
        for rank, found in enumerate(row):
            table[at, rank] = [found[name] for name in names]
    return Sample(dataset.name, hashes, names, table, np.array(correct), tuple(kinds))


def _with_kinds(dataset: Dataset) -> Iterator[tuple[Question, str]]:
    for question in dataset.questions:
        yield question, ANSWERABLE
    for question in dataset.unanswerable:
        yield question, question.kind or UNLABELLED


def fit(samples: Sequence[Sample]) -> Fit:
    """The most likely coefficients, none negative, with each dataset and in it each kind weighing the same."""
    names = samples[0].names
    rows = np.concatenate([sample.features[:, 0] for sample in samples])
    correct = np.concatenate([sample.correct for sample in samples]).astype(np.float64)
    weights = np.concatenate([sample.weights for sample in samples]) / len(samples)
    found = ~np.isnan(rows).any(axis=1)
    rows, correct, weights = rows[found], correct[found], weights[found]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Weighted log loss with the ridge, and its gradient; the intercept comes first."""
        coefficients = parameters[1:]
        evidence = parameters[0] + rows @ coefficients
        value = weights @ (np.logaddexp(0, evidence) - correct * evidence) + RIDGE / 2 * coefficients @ coefficients
        error = weights * (1 / (1 + np.exp(-evidence)) - correct)
        return float(value), np.append(error.sum(), rows.T @ error + RIDGE * coefficients)

    bounds = [(None, None)] + [(0, None)] * len(names)
    solved = minimize(loss, np.zeros(1 + len(names)), jac=True, method="L-BFGS-B", bounds=bounds)
    return Fit(float(solved.x[0]), dict(zip(names, solved.x[1:].tolist(), strict=True)))


def figures(fit: Fit, sample: Sample) -> dict[str, Any]:
    """How well a fit does on a sample. ECE: over all questions alike, and with each kind weighing the same."""
    confidence, answerable = fit.first(sample), sample.answerable
    made = {
        "accuracy_of_best_hit": float(sample.correct[answerable].mean()),
        "AUROC_correct": _auroc(confidence[sample.correct], confidence[~sample.correct]),
        "AUROC": _auroc(fit.surest(sample)[answerable], fit.surest(sample)[~answerable]),
        "ECE": statistics.calibration_error(confidence, sample.correct),
        "ECE_by_chance": statistics.calibration_error_by_chance(confidence),
    }
    return {name: value if value is None else round(value, 4) for name, value in made.items()}


def _auroc(positive: np.ndarray, negative: np.ndarray) -> float | None:
    return statistics.auroc(positive, negative) if len(positive) and len(negative) else None


def left_out(samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    """Each dataset's figures under a fit to the others."""
    for sample in samples:
        others = fit([other for other in samples if other is not sample])
        yield {"dataset": sample.name, **figures(others, sample)}


def threshold(fit: Fit, samples: Sequence[Sample], target: int) -> dict[str, Any]:
    """The least threshold at which at most `target` of 100 unanswerable questions of each kind get quotes, the
    datasets that have the kind weighing the same, and the shares that it gives. None of them, if there are no
    such questions."""
    surest = [(sample, fit.surest(sample)) for sample in samples]
    kinds: dict[str, list[np.ndarray]] = {}
    for sample, found in surest:
        for kind, rows in sample.groups.items():
            if kind != ANSWERABLE:
                kinds.setdefault(kind, []).append(found[rows])
    made: dict[str, Any] = {"target_percent": target, "threshold": None}
    if not kinds:
        return made
    steps = np.arange(10**_DIGITS + 1) / 10**_DIGITS
    shares_at = [
        np.mean([1 - np.searchsorted(np.sort(found), steps) / len(found) for found in groups], axis=0)
        for groups in kinds.values()
    ]
    fitting = steps[np.max(shares_at, axis=0) <= target / 100 + 1e-9]
    least = float(fitting[0]) if len(fitting) else 1.0
    shares = {
        sample.name: {kind: round(float((found[rows] >= least).mean()), 4) for kind, rows in sample.groups.items()}
        for sample, found in surest
    }
    return {**made, "threshold": least, "answered": shares}
