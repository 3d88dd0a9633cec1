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


def highlight(
    spans: Sequence[Span], hits: Hits, encoder: Encoder, lexical: Lexical
) -> list[tuple[tuple[int, int], ...]]:
    """For each span the sentences in it that answer, in order, as (start, end) in its document.

    A sentence's score is its cosine with the question, plus the idf-weighted share of the question's words
    that it holds, plus a little for standing early. A sentence that leans on the one before it takes that one
    along, so that no condition or negation is lost. Headings are never highlighted.
    """
    inside = [_sentences(span) for span in spans]
    texts = [span.document.text[s:e] for span, within in zip(spans, inside, strict=True) for s, e in within]
    scores = _scores(texts, hits, encoder, lexical)
    borders = np.cumsum([len(within) for within in inside])[:-1]
    parts = zip(spans, inside, np.split(scores, borders), strict=True)
    return [_choose(span.document.text, within, own) for span, within, own in parts]


def _sentences(span: Span) -> list[tuple[int, int]]:
    """The sentences of a span that are not headings; all, if there are no others."""
    text = span.document.text
    headings = {span.document.title, *span.document.sections[span.section].headings}
    found = sentences(text, span.start, span.end)
    return [(start, end) for start, end in found if text[start:end].strip("#=-~* \t\r\n") not in headings] or found


def _scores(texts: Sequence[str], hits: Hits, encoder: Encoder, lexical: Lexical) -> np.ndarray:
    """(n,) float64: cosine plus weighted share of words."""
    weights = {term: lexical.idf(term) for term in hits.terms}
    total = sum(weights.values()) or 1.0
    cosines = encoder.encode_passages(texts).astype(np.float64) @ hits.vector.astype(np.float64)
    shares = [sum(weights[term] for term in sorted(weights.keys() & set(terms(text)))) / total for text in texts]
    scores: np.ndarray = cosines + LEXICAL_WEIGHT * np.array(shares)
    return scores


def _choose(text: str, sentences: Sequence[tuple[int, int]], scores: np.ndarray) -> tuple[tuple[int, int], ...]:
    scores = np.round(scores - POSITION_WEIGHT * np.linspace(0, 1, len(sentences)), 6)
    best = [int(row) for row in np.argsort(-scores, kind="stable")[:MOST] if scores[row] >= scores.max() - MARGIN]
    rows = set(best)
    for row in best:
        while row > 0 and _LEANS_ON_THE_ONE_BEFORE.match(text, sentences[row][0]):
            row -= 1
            rows.add(row)
    return tuple(sentences[row] for row in sorted(rows))
