"""The statistics behind the figures; each is seeded, so that the same questions give the same numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEED = 20240229
RESAMPLES = 2_000
FLIPS = 10_000
BINS = 15
SMALLEST_BIN = 20
_LEVELS = (2.5, 97.5)
_AT_ONCE = 500

Interval = tuple[float, float]


def bootstrap(values: np.ndarray) -> list[Interval]:
    """The 95% percentile interval of each metric's mean over questions.

    values: (questions, metrics). Each resample draws as many questions with
    replacement. Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13.
    """
    counts = _resamples(len(values), np.random.default_rng(SEED))
    means = counts @ values / len(values)
    return _intervals(means)


def bootstrap_share(part: np.ndarray, whole: np.ndarray) -> Interval:
    """The 95% interval of ``Σ part / Σ whole`` over questions; both (questions,) of 0 and 1."""
    counts = _resamples(len(whole), np.random.default_rng(SEED))
    wholes = counts @ whole
    some = wholes > 0
    return _intervals((counts @ part)[some, None] / wholes[some, None])[0] if some.any() else (0.0, 0.0)


def wilson(successes: int, trials: int) -> Interval:
    """The 95% score interval of a share, `trials` being 1 or more. Source: Wilson, JASA 22 (1927)."""
    z = 1.959964
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    reach = z * ((share * (1 - share) + weight / 4) / trials) ** 0.5 / (1 + weight)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The probability that a positive's score is above a negative's, a tie counting half: exact, by ranks.
    Source: Hanley & McNeil, Radiology 143, 1982."""
    below, level = _below(positive, negative)
    return float(np.mean(below + 0.5 * level) / len(negative))


def bootstrap_auroc(positive: np.ndarray, negative: np.ndarray) -> Interval:
    """Its 95% interval; positives and negatives are resampled apart."""
    generator = np.random.default_rng(SEED)
    ordered = np.sort(negative)
    left = np.searchsorted(ordered, positive, "left")
    right = np.searchsorted(ordered, positive, "right")
    values = []
    for size in _chunks(RESAMPLES):
        counts = _resamples(len(positive), generator, size)
        drawn = np.cumsum(_resamples(len(negative), generator, size), axis=1)
        before = np.concatenate([np.zeros((size, 1)), drawn], axis=1)
        won = (before[:, left] + before[:, right]) / 2
        values.append((counts * won).sum(axis=1) / (len(positive) * len(negative)))
    return _intervals(np.concatenate(values)[:, None])[0]


def randomisation(differences: np.ndarray) -> np.ndarray:
    """Two-sided p-values of the mean differences, (questions, metrics) → (metrics,).

    Under the null hypothesis the two systems' results on a question could be swapped: the sign of each
    question's difference is flipped at random, `FLIPS` times, the same flips for all metrics. Source:
    Smucker, Allan & Carterette, CIKM 2007. The observed difference is counted in, so p is never 0 (Phipson &
    Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010).
    """
    generator = np.random.default_rng(SEED)
    observed = np.abs(differences.sum(axis=0))
    extreme = np.zeros(differences.shape[1])
    for size in _chunks(FLIPS):
        signs = generator.integers(0, 2, size=(size, len(differences)), dtype=np.int8).astype(np.float64) * 2 - 1
        extreme += (np.abs(signs @ differences) >= observed - 1e-9).sum(axis=0)
    p: np.ndarray = (1 + extreme) / (1 + FLIPS)
    return p


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions of like confidence: how sure the bot was on average, and how often rightly (0 to 1)."""

    questions: int
    confidence: float
    correct: float


def reliability(confidence: np.ndarray, correct: np.ndarray) -> tuple[Bin, ...]:
    """Bins of equal numbers of questions, by confidence: `BINS`, or fewer where one would hold less than
    `SMALLEST_BIN`, since a small bin is off by chance alone."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, max(1, min(BINS, len(order) // SMALLEST_BIN)))
    return tuple(Bin(len(p), float(confidence[p].mean()), float(correct[p].mean())) for p in parts if len(p))


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Expected calibration error, 0 to 1: the mean gap between confidence and share correct over the bins of
    `reliability`, by their size. Bins of equal mass are the less biased ones: Roelofs et al., AISTATS 2022."""
    bins = reliability(confidence, correct)
    return sum(b.questions * abs(b.confidence - b.correct) for b in bins) / max(1, sum(b.questions for b in bins))


def calibration_error_by_chance(confidence: np.ndarray) -> float:
    """The mean calibration error that perfect confidences would show over as many questions: what is left
    of a measured one below this is no fault of the calibration."""
    generator = np.random.default_rng(SEED)
    worlds = generator.random((200, len(confidence))) < confidence
    return float(np.mean([calibration_error(confidence, world) for world in worlds]))


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> list[tuple[float, float, float]]:
    """(threshold, coverage, risk) for every threshold that changes something, the strictest first: of all
    questions the share at or above it, and of those the share that is wrong. Source: El-Yaniv & Wiener, JMLR
    11, 2010."""
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    wrong = np.cumsum(~correct[order].astype(bool))
    return [(float(ordered[at]), (at + 1) / len(order), float(wrong[at] / (at + 1))) for at in last.tolist()]


def _below(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive, how many negatives score less and how many the same."""
    ordered = np.sort(negative)
    left = np.searchsorted(ordered, positive, "left")
    return left, np.searchsorted(ordered, positive, "right") - left


def _resamples(questions: int, generator: np.random.Generator, size: int = RESAMPLES) -> np.ndarray:
    """(size, questions) float64: how often each question is drawn."""
    drawn: np.ndarray = generator.multinomial(questions, np.full(questions, 1 / questions), size=size)
    return drawn.astype(np.float64)


def _chunks(total: int) -> list[int]:
    return [_AT_ONCE] * (total // _AT_ONCE)


def _intervals(samples: np.ndarray) -> list[Interval]:
    """One for each column."""
    return [(float(low), float(high)) for low, high in np.percentile(samples, _LEVELS, axis=0).T]


def rounded(value: float) -> float:
    """A figure as reports give it: six digits after the point."""
    return round(value, 6)
