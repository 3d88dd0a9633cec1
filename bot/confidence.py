"""How likely a hit answers the question: a small calibrated logistic regression."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.embed import Encoder
from bot.index import Index
from bot.lexical import content_words, stem, terms
from bot.retrieve import Hit, Hits

_SHIPPED = Path(__file__).parent / "calibration.json"

MOST_PIECES = 4
"""A word in so many of the model's word pieces, or more, is as unusual as a word can be."""
_PRONOUN = re.compile(r"\b(?:it|its|this|that|these|those|they|them|their)\b", re.IGNORECASE)
ALIKE = 0.55
"""Two words whose trigrams overlap by this much (Dice coefficient) may be one word with a typing mistake."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """``confidence = 1 / (1 + exp(-(intercept + Σ coefficient · feature)))``, in 0..1.

    No coefficient is negative: a better match never lowers the confidence. thresholds: by how many of 100
    questions that the documents don't answer may get quotes; see `bot.evaluation.calibrate`.
    """

    intercept: float
    coefficients: Mapping[str, float]
    thresholds: Mapping[int, float]

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
    thresholds = {row["target_percent"]: row["threshold"] for row in values["thresholds"]}
    return Calibration(values["intercept"], values["coefficients"], thresholds)


def features(hits: Hits, index: Index, encoder: Encoder, most: int) -> list[dict[str, float]]:
    """What the confidence of each of the best `most` hits rests on; for each feature a higher value is better.

    dense: cosine of question and passage, above what this index gives to any health question
    (`Index.background`): in a small corpus the best match of a good question may be weak, and in a large one the
    best match of a question that it doesn't answer strong.
    sentence: the same for the best sentence of the passage.
    lexical: BM25 divided by the sum of the idf of the question's content words, in 0..1 or so.
    title: the share of the question's content words, weighted by idf, that title and section hold.
    names: the share of the question's unusual words, weighted by how unusual they are, that the passage
    holds, small typing mistakes allowed; 1 if it has none. A drug or a condition is such a word, and the model
    cuts an unusual word into several pieces.
    unnamed: 1 if the question has a pronoun for what it is about ("it", "this"): such a question is less near to
    the passage that answers it than one that names its subject.
    """
    question = hits.query.completed
    weights = index.words.weights(terms(question))
    unusual = _unusual(question, encoder)
    unnamed = float(_PRONOUN.search(question) is not None)
    return [{**_match(hit, index, weights, unusual), "unnamed": unnamed} for hit in hits[:most]]


def _unusual(question: str, encoder: Encoder) -> dict[str, int]:
    """The question's unusual words, each with how unusual it is: the model's pieces of it beyond the first."""
    words = sorted({word for word in content_words(question) if word.isalpha()})
    pieces = zip(words, encoder.count_tokens(words), strict=True)
    return {word: min(count, MOST_PIECES) - 1 for word, count in pieces}


def _match(hit: Hit, index: Index, weights: Mapping[str, float], unusual: Mapping[str, int]) -> dict[str, float]:
    total = sum(weights.values()) or 1.0
    heading = f"{hit.title}\n{' '.join(hit.section)}"
    title = set(terms(heading))
    names = sum(unusual.values())
    found = sum(unusual[word] for word in _held(unusual, f"{heading}\n{hit.text}")) if names else 0
    return {
        "dense": hit.dense - index.background[0],
        "sentence": hit.sentence - index.background[1],
        "lexical": hit.lexical / total,
        "title": sum(weight for term, weight in weights.items() if _holds(title, term)) / total,
        "names": found / names if names else 1.0,
    }


def _held(unusual: Mapping[str, int], text: str) -> Iterator[str]:
    """Which of the unusual words `text` holds. Only its words with the same first letters are looked at: no stem and no
    typing mistake that `_holds` allows has another one."""
    wanted = {word: stem(word) for word, count in unusual.items() if count}
    first = {term[0] for term in wanted.values()}
    held = {stem(word) for word in content_words(text) if word[:1] in first}
    return (word for word, term in wanted.items() if _holds(held, term))


def _holds(terms: set[str], term: str) -> bool:
    """Whether `terms` hold `term`, or one that is `term` but for a typing mistake."""
    if term in terms:
        return True
    if len(term) <= 4:
        return False
    first, length = term[0], len(term)
    near = [other for other in terms if other[0] == first and len(other) > 4 and abs(len(other) - length) <= 2]
    return any(_dice(other, term) >= ALIKE for other in near)


def _dice(one: str, other: str) -> float:
    """``2 · shared / (n + m)`` over the sets of trigrams, word borders included (Dice 1945)."""
    a, b = _trigrams(one), _trigrams(other)
    return 2 * len(a & b) / (len(a) + len(b))


def _trigrams(word: str) -> set[str]:
    bordered = f"^{word}$"
    return {bordered[at : at + 3] for at in range(len(bordered) - 2)}
