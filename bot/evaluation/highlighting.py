"""How well the right sentences of a text are found."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot.config import Config
from bot.embed import Encoder
from bot.evaluation.datasets import Labelled
from bot.evaluation.opening import progress
from bot.evaluation.statistics import rounded
from bot.highlights import choose, score
from bot.lexical import Lexical, terms
from bot.sentences import sentences


@dataclass(frozen=True, slots=True)
class Highlights:
    """How well the right sentences of a context are found. precision_at_1: the best one is right. f1: of the
    highlighted set, mean over questions. average_precision: of all its sentences ranked, mean (MAP)."""

    questions: int
    precision_at_1: float
    f1: float
    average_precision: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "questions": self.questions,
            "sentence_P@1": rounded(self.precision_at_1),
            "sentence_F1": rounded(self.f1),
            "MAP": rounded(self.average_precision),
        }


def highlights(labelled: Sequence[Labelled], encoder: Encoder, config: Config) -> Highlights:
    """Over all questions; a word's weight comes from the contexts, as from a corpus."""
    contexts = sorted({one.context for one in labelled})
    lexical = Lexical.build(contexts, k1=config.ranking.k1, b=config.ranking.b)
    texts = list(dict.fromkeys(one.context[start:end] for one in labelled for start, end in _borders(one)))
    vectors = dict(zip(texts, encoder.encode_passages(texts, progress=sys.stderr.isatty()), strict=True))
    figures = [_figures(one, encoder, vectors, lexical) for one in progress(labelled, "highlights")]
    means = np.array(figures).reshape(-1, 3).mean(axis=0) if figures else np.zeros(3)
    return Highlights(len(figures), *means.tolist())


def _borders(labelled: Labelled) -> Sequence[tuple[int, int]]:
    return sentences(labelled.context) if labelled.sentences is None else labelled.sentences


def _figures(
    labelled: Labelled, encoder: Encoder, vectors: Mapping[str, np.ndarray], lexical: Lexical
) -> tuple[float, float, float]:
    """Precision at 1, F1 of the chosen set, and average precision of all sentences, equal ones in order."""
    borders = _borders(labelled)
    texts = [labelled.context[start:end] for start, end in borders]
    right = np.array([any(s < end and start < e for s, e in labelled.answers) for start, end in borders])
    # As an index keeps and compares them: half floats, rounded cosines.
    stored = np.stack([vectors[text] for text in texts]).astype(np.float16).astype(np.float64)
    cosines = np.round(stored @ encoder.encode_query(labelled.question).astype(np.float64), 6)
    scores = score(texts, cosines, terms(labelled.question), lexical)
    chosen_borders = set(choose(labelled.context, borders, scores))
    chosen = np.array([border in chosen_borders for border in borders])
    ranked = right[np.argsort(-scores, kind="stable")]
    precisions = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    f1 = 2 * (chosen & right).sum() / (chosen.sum() + right.sum())
    return float(ranked[0]), float(f1), float(precisions[ranked].mean()) if ranked.any() else 0.0
