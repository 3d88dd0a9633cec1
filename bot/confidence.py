"""How likely a hit answers the question: a small calibrated logistic regression."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.lexical import Lexical, terms
from bot.retrieve import Hit, Hits

_SHIPPED = Path(__file__).parent / "calibration.json"


@dataclass(frozen=True, slots=True)
class Calibration:
    """``confidence = 1 / (1 + exp(-(intercept + Σ coefficient · feature)))``, in 0..1.

    No coefficient is negative: a better match never lowers the confidence.
    """

    intercept: float
    coefficients: Mapping[str, float]

    def __post_init__(self) -> None:
        if any(coefficient < 0 for coefficient in self.coefficients.values()):
            raise ValueError(f"a coefficient is negative: {dict(self.coefficients)}")

    def confidence(self, features: Mapping[str, float]) -> float:
        evidence = self.intercept + sum(c * features[name] for name, c in self.coefficients.items())
        return round(1 / (1 + math.exp(-evidence)), 4)


@cache
def shipped() -> Calibration:
    """The calibration that comes with the package."""
    values = json.loads(_SHIPPED.read_text(encoding="utf-8"))
    return Calibration(values["intercept"], values["coefficients"])


def features(hit: Hit, hits: Hits, lexical: Lexical) -> dict[str, float]:
    """What the confidence rests on; each in 0..1 or so, and higher is better.

    dense: cosine of question and passage. coverage: the share of the question's content words, weighted by
    their idf, that the passage, its title or its section holds. known: the share that any passage holds.
    A question without content words has no evidence there: both are 0.
    """
    weights = {term: lexical.idf(term) for term in hits.terms}
    total = sum(weights.values())
    held = set(terms(f"{hit.title}\n{' '.join(hit.section)}\n{hit.text}"))
    known = set(lexical.known(hits.terms))
    return {
        "dense": hit.dense,
        "coverage": sum(w for term, w in weights.items() if term in held) / total if total else 0.0,
        "known": sum(w for term, w in weights.items() if term in known) / total if total else 0.0,
    }
