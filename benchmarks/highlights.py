"""Ways of scoring the sentences of a passage, compared on labelled sentences: P@1 and MAP, as a Markdown table.

    python benchmarks/highlights.py FOLDER_WITH_SPANS [FOLDER …]

A sentence is right if it overlaps an answer or has label 1, as in `bot eval`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.config import Config
from bot.embed import load_encoder
from bot.evaluation.datasets import Labelled, read_dataset
from bot.highlights import LENGTH_WEIGHT, LEXICAL_WEIGHT, POSITION_WEIGHT
from bot.lexical import Lexical, terms
from bot.sentences import sentences


@dataclass(frozen=True)
class Evidence:
    """Of each sentence of a context: (n,) arrays."""

    right: np.ndarray
    cosine: np.ndarray
    pooled: np.ndarray
    words: np.ndarray
    position: np.ndarray
    length: np.ndarray


Score = Callable[[Evidence], np.ndarray]

SCORES: dict[str, Score] = {
    "document order": lambda e: -e.position,
    "words (idf-weighted share)": lambda e: e.words,
    "sentence cosine": lambda e: e.cosine,
    "pooled from the passage's token vectors": lambda e: e.pooled,
    "cosine + pooled": lambda e: e.cosine + e.pooled,
    "cosine + 0.5 words": lambda e: e.cosine + 0.5 * e.words,
    "cosine + pooled + 0.5 words - 0.1 position": lambda e: e.cosine + e.pooled + 0.5 * e.words - 0.1 * e.position,
    "cosine + 0.3 words - 0.1 position": lambda e: e.cosine + 0.3 * e.words - 0.1 * e.position,
    "cosine + 0.06 ln(length)": lambda e: e.cosine + LENGTH_WEIGHT * e.length,
    "**shipped**: cosine + 0.3 words + 0.06 ln(length) - 0.1 position": lambda e: (
        e.cosine + LEXICAL_WEIGHT * e.words + LENGTH_WEIGHT * e.length - POSITION_WEIGHT * e.position
    ),
    "shipped + 0.5 pooled": lambda e: (
        e.cosine + 0.5 * e.pooled + LEXICAL_WEIGHT * e.words + LENGTH_WEIGHT * e.length - POSITION_WEIGHT * e.position
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    config = Config()
    encoder = load_encoder(config.model)
    names, found = [], []
    for folder in parser.parse_args().folders:
        labelled = read_dataset(folder).labelled
        contexts = sorted({one.context for one in labelled})
        lexical = Lexical.build(contexts, k1=config.ranking.k1, b=config.ranking.b)
        names.append(folder.resolve().name)
        found.append([evidence(one, encoder, lexical) for one in labelled])
    print("| score | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for name, score in SCORES.items():
        figures = (np.mean([quality(e, score(e)) for e in every], axis=0) for every in found)
        print(f"| {name} | " + " | ".join(f"{p:.3f} / {m:.3f}" for p, m in figures) + " |", flush=True)


def evidence(one: Labelled, encoder: Any, lexical: Lexical) -> Evidence:
    borders = one.sentences or tuple(sentences(one.context))
    texts = [one.context[start:end] for start, end in borders]
    question = encoder.encode_query(one.question)
    weights = lexical.weights(terms(one.question))
    shares = [sum(w for term, w in weights.items() if term in set(terms(text))) for text in texts]
    return Evidence(
        right=np.array([any(s < end and start < e for s, e in one.answers) for start, end in borders]),
        cosine=encoder.encode_passages(texts) @ question,
        pooled=pooled(one.context, borders, encoder) @ question,
        words=np.array(shares) / (sum(weights.values()) or 1.0),
        position=np.linspace(0, 1, len(texts)),
        length=np.log([max(1, len(text)) for text in texts]),
    )


def pooled(context: str, borders: Sequence[tuple[int, int]], encoder: Any) -> np.ndarray:
    """(n, d): the mean of each sentence's token vectors, as the model gives them in the passage around it."""
    vectors = []
    first = 0
    while first < len(borders):
        last = first + 1
        while last < len(borders) and encoder.count_tokens([context[borders[first][0] : borders[last][1]]])[0] <= 250:
            last += 1
        begin, end = borders[first][0], borders[last - 1][1]
        tokens = encoder._model.encode([context[begin:end]], output_value="token_embeddings")[0].cpu().numpy()
        offsets = encoder._model.tokenizer(
            context[begin:end], return_offsets_mapping=True, truncation=True, max_length=len(tokens)
        )["offset_mapping"]
        for start, stop in borders[first:last]:
            own = [at for at, (s, e) in enumerate(offsets) if e > s and start <= begin + s < stop]
            mean = tokens[own].mean(axis=0) if own else np.zeros(encoder.dimension)
            vectors.append(mean / max(1e-9, np.linalg.norm(mean)))
        first = last
    return np.stack(vectors)


def quality(found: Evidence, scores: np.ndarray) -> tuple[float, float]:
    """Precision at 1, and average precision."""
    ranked = found.right[np.argsort(-np.round(scores, 6), kind="stable")]
    precisions = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(ranked[0]), float(precisions[ranked].mean()) if ranked.any() else 0.0


if __name__ == "__main__":
    main()
