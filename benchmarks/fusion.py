"""Ways of fusing both rankings, compared on datasets: nDCG@10 and Success@1, as a Markdown table.

    python benchmarks/fusion.py DATASET [DATASET …] [--cache DIR] [--rebuild-variants]

The candidates come from `Index.search`, as in every answer; only their fusion differs. ``--rebuild-variants`` adds
other passage sizes and heading weights, each of which embeds the datasets anew.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import Success, nDCG

from bot.bot import Bot
from bot.config import Config, PassageSize, Ranking
from bot.corpus import Corpus
from bot.embed import Encoder, load_encoder
from bot.evaluation.datasets import Dataset, read_dataset
from bot.evaluation.opening import open_bot
from bot.index import Candidates, Index
from bot.lexical import Wanted, terms
from bot.retrieve import fuse

Fusion = Callable[[Candidates, int], np.ndarray]
"""Candidates, and the number of the question's known terms → a score for each."""

K = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--rebuild-variants", action="store_true")
    options = parser.parse_args()
    config = Config()
    datasets = [read_dataset(path) for path in options.datasets]
    encoder = load_encoder(config.model)
    bots = [open_bot(data, encoder, config, corpus=Path("corpus"), cache=options.cache) for data in datasets]
    print("| fusion | " + " | ".join(data.name for data in datasets) + " | mean nDCG@10 |")
    print("|---|" + "---|" * (len(datasets) + 1))
    for name, fusion in fusions(config):
        row(name, [measure(bot, data, fusion) for bot, data in zip(bots, datasets, strict=True)])
    shipped: Fusion = lambda candidates, known: fuse(candidates, known, config)  # noqa: E731
    row(
        "shipped, a document by the sum of its best 3",
        [measure(b, d, shipped, most=3) for b, d in pairs(bots, datasets)],
    )
    for k in (20, 500):
        row(f"shipped, {k} candidates of each list", [measure(b, d, shipped, k=k) for b, d in pairs(bots, datasets)])
    for k1, b in ((0.9, 0.4), (1.5, 0.75), (1.2, 0.4)):
        others = [with_bm25(bot, k1, b) for bot in bots]
        row(f"shipped, BM25 k1 = {k1}, b = {b}", [measure(o, d, shipped) for o, d in pairs(others, datasets)])
    if options.rebuild_variants:
        for name, other in rebuilt(config):
            opened = [open_bot(data, encoder, other, corpus=Path("corpus"), cache=options.cache) for data in datasets]
            row(name, [measure(o, d, shipped) for o, d in pairs(opened, datasets)])


def pairs(bots: list[Bot], datasets: list[Dataset]) -> Iterator[tuple[Bot, Dataset]]:
    return zip(bots, datasets, strict=True)


def fusions(config: Config) -> Iterator[tuple[str, Fusion]]:
    def ranked(**changes: float) -> Fusion:
        other = dataclasses.replace(config, ranking=dataclasses.replace(config.ranking, **changes))
        return lambda candidates, known: fuse(candidates, known, other)

    yield "BM25", lambda c, n: c.lexical
    yield "dense", lambda c, n: c.dense
    yield "best sentence", lambda c, n: c.sentence
    yield "reciprocal rank fusion (60)", lambda c, n: reciprocal(c.dense, 60) + reciprocal(c.lexical, 60)
    for alpha in (0.7, 0.8, 0.9):
        yield f"convex combination, theoretical min-max, {alpha}", lambda c, n, a=alpha: convex(c, a)
    yield "dense + 0.04 · BM25, no cap", ranked(sentence_weight=0.0, lexical_terms=1_000_000)
    yield "dense + 0.04 · BM25, cap 3", ranked(sentence_weight=0.0)
    yield "dense and sentence, no BM25", ranked(lexical_weight=0.0)
    for weight in (0.02, 0.06):
        yield f"shipped, lexical weight {weight}", ranked(lexical_weight=weight)
    for cap in (2, 5):
        yield f"shipped, cap {cap}", ranked(lexical_terms=cap)
    for weight in (0.2, 0.8):
        yield f"shipped, sentence weight {weight}", ranked(sentence_weight=weight)
    yield "**shipped**", ranked()


def reciprocal(scores: np.ndarray, k: int) -> np.ndarray:
    """Cormack, Clarke and Büttcher, SIGIR 2009."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return 1 / (k + ranks)


def convex(candidates: Candidates, alpha: float) -> np.ndarray:
    """TM2C2 of Bruch, Gai and Ingber, TOIS 2023: the least score is the theoretical one, -1 and 0."""
    dense = (candidates.dense + 1) / max(1e-9, candidates.dense.max() + 1)
    lexical = candidates.lexical / max(1e-9, candidates.lexical.max())
    return alpha * dense + (1 - alpha) * lexical


def rebuilt(config: Config) -> Iterator[tuple[str, Config]]:
    for tokens in (90, 230):
        yield f"shipped, passages of {tokens} tokens", dataclasses.replace(config, passages=PassageSize(tokens))
    for weight in (0.0, 0.8):
        ranking: Ranking = dataclasses.replace(config.ranking, heading_weight=weight)
        yield f"shipped, heading weight {weight}", dataclasses.replace(config, ranking=ranking)


def with_bm25(bot: Bot, k1: float, b: float) -> Bot:
    config = dataclasses.replace(bot.config, ranking=dataclasses.replace(bot.config.ranking, k1=k1, b=b))
    corpus = Corpus(tuple(bot.index.documents.values()))
    return Bot(Index.build(corpus, None, bot.encoder, config, bot.index), bot.encoder, config)


def measure(bot: Bot, dataset: Dataset, fusion: Fusion, most: int = 1, k: int = K) -> tuple[float, float]:
    resolved = dataset.resolve(bot.index.documents)
    run = []
    for question in resolved.questions:
        words = terms(question.text)
        candidates = bot.index.search(embedded(bot.encoder, question.text), Wanted.of(words), k)
        scores = fusion(candidates, len(bot.index.words.known(words)))
        documents: dict[str, list[float]] = {}
        for at, row_ in enumerate(candidates.rows):
            documents.setdefault(bot.index.passages[row_].document, []).append(float(scores[at]))
        for id, found in documents.items():
            run.append(ir_measures.ScoredDoc(question.id, id, sum(sorted(found, reverse=True)[:most])))
    found = ir_measures.calc_aggregate([nDCG @ 10, Success @ 1], list(qrels(resolved)), run)
    return found[nDCG @ 10], found[Success @ 1]


@cache
def embedded(encoder: Encoder, question: str) -> np.ndarray:
    return encoder.encode_query(question)


def qrels(dataset: Dataset) -> Iterator[ir_measures.Qrel]:
    for question, judged in dataset.judgements.items():
        for document, relevance in judged.items():
            yield ir_measures.Qrel(question, document, relevance)


def row(name: str, figures: list[tuple[float, float]]) -> None:
    shown = [f"{ndcg:.3f} / {success:.3f}" for ndcg, success in figures]
    print(f"| {name} | " + " | ".join(shown) + f" | {np.mean([ndcg for ndcg, _ in figures]):.4f} |", flush=True)


if __name__ == "__main__":
    main()
