"""Which sentences of a quote answer the question: whole sentences, as character ranges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.documents import Document
from bot.embed import Encoder
from bot.lexical import Lexical, terms
from bot.retrieve import Hits
from bot.sentences import sentences

LEXICAL_WEIGHT = 0.5
POSITION_WEIGHT = 0.05
MARGIN = 0.1
"""A sentence that scores this much less than the best one of its quote is not highlighted."""
MOST = 3

_LEANS_ON_THE_ONE_BEFORE = re.compile(
    r"(?:however|but|and|or|so|yet|also|besides|therefore|thus|then|otherwise|instead|it|its|they|their|them"
    r"|this|that|these|those|he|she|his|her|such|if so|if not|in that case|for example|for instance)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A verbatim slice of a document that becomes a quote; `section` is a row of ``document.sections``."""

    document: Document
    section: int
    start: int
    end: int


def highlight(span: Span, hits: Hits, encoder: Encoder, lexical: Lexical) -> tuple[tuple[int, int], ...]:
    """The sentences of `span` that answer, in order, as (start, end) in its document. Headings are never
    highlighted."""
    text, inside = span.document.text, _sentences(span)
    return choose(text, inside, score(text, inside, hits.vector, hits.terms, encoder, lexical))


def _sentences(span: Span) -> list[tuple[int, int]]:
    """The sentences of a span that are not headings; all, if there are no others."""
    text = span.document.text
    headings = {span.document.title, *span.document.sections[span.section].headings}
    found = sentences(text, span.start, span.end)
    return [(start, end) for start, end in found if text[start:end].strip("#=-~* \t\r\n") not in headings] or found


def score(
    text: str,
    sentences: Sequence[tuple[int, int]],
    vector: np.ndarray,
    question_terms: Sequence[str],
    encoder: Encoder,
    lexical: Lexical,
) -> np.ndarray:
    """How well each sentence, (start, end) in `text`, answers: (n,) float64, higher is better.

    Its cosine with the question, plus the idf-weighted share of the question's words that it holds, plus a
    little for standing early.
    """
    texts = [text[start:end] for start, end in sentences]
    weights = {term: lexical.idf(term) for term in sorted(set(question_terms))}
    total = sum(weights.values()) or 1.0
    cosines = encoder.encode_passages(texts).astype(np.float64) @ vector.astype(np.float64)
    held = [set(terms(sentence)) for sentence in texts]
    shares = np.array([sum(weight for term, weight in weights.items() if term in own) for own in held]) / total
    early = -POSITION_WEIGHT * np.linspace(0, 1, len(texts))
    scores: np.ndarray = np.round(cosines + LEXICAL_WEIGHT * shares + early, 6)
    return scores


def choose(text: str, sentences: Sequence[tuple[int, int]], scores: np.ndarray) -> tuple[tuple[int, int], ...]:
    """The best sentences, in order: the best one and those within `MARGIN` of it, at most `MOST`.

    A sentence that leans on the one before it takes that one along, so that no condition or negation is lost.
    """
    best = [int(row) for row in np.argsort(-scores, kind="stable")[:MOST] if scores[row] >= scores.max() - MARGIN]
    rows = set(best)
    for row in best:
        while row > 0 and _LEANS_ON_THE_ONE_BEFORE.match(text, sentences[row][0]):
            row -= 1
            rows.add(row)
    return tuple(sentences[row] for row in sorted(rows))
