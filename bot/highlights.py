"""Which sentences of a quote answer the question: whole sentences, as character ranges."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bot.index import Index
from bot.lexical import Words, terms
from bot.retrieve import Hit, Hits

LEXICAL_WEIGHT = 0.3
LENGTH_WEIGHT = 0.06
POSITION_WEIGHT = 0.1
MARGIN = 0.1
"""A sentence that scores this much less than the best one of its quote is not highlighted."""
MOST = 3

_LEANS_ON_THE_ONE_BEFORE = re.compile(
    r"(?:however|but|and|or|so|yet|also|besides|therefore|thus|then|otherwise|instead|it|its|they|their|them"
    r"|this|that|these|those|he|she|his|her|such|if so|if not|in that case|for example|for instance)\b",
    re.IGNORECASE,
)


def highlight(run: Sequence[Hit], hits: Hits, index: Index) -> tuple[tuple[int, int], ...]:
    """The sentences that answer, of neighbouring passages, in order, as (start, end) in their document.

    Headings are never highlighted, unless there is nothing else.
    """
    document = run[0].origin
    spans = [span for hit in run for span in hit.passage.sentences]
    cosines = np.concatenate([index.engine.sentence_cosines(hits.vector, hit.row) for hit in run])
    headings = {document.title, *run[0].section}
    body = [row for row, (s, e) in enumerate(spans) if document.text[s:e].strip("#=-~* \t\r\n") not in headings]
    rows = body or list(range(len(spans)))
    spans = [spans[row] for row in rows]
    texts = [document.text[start:end] for start, end in spans]
    return choose(document.text, spans, score(texts, cosines[rows], hits.terms, index.words))


def score(texts: Sequence[str], cosines: np.ndarray, question_terms: Sequence[str], words: Words) -> np.ndarray:
    """How well each sentence of a passage answers: (n,) float64, higher is better.

    Its cosine with the question, (n,), plus the idf-weighted share of the question's words that it holds, plus a
    little for saying more (the logarithm of its characters) and for standing early. docs/evaluation.md compares.
    """
    weights = words.weights(question_terms)
    total = sum(weights.values()) or 1.0
    held = [set(terms(text)) for text in texts]
    shares = np.array([sum(weight for term, weight in weights.items() if term in own) for own in held]) / total
    early = -POSITION_WEIGHT * np.linspace(0, 1, len(texts))
    length = LENGTH_WEIGHT * np.log([max(1, len(text)) for text in texts])
    scores: np.ndarray = np.round(cosines + LEXICAL_WEIGHT * shares + length + early, 6)
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
