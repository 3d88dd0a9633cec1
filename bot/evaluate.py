"""Measures what everybody uses: retrieval, refusal and highlights of a `Bot` over questions with known answers.

The bot is asked as any reader asks it; there is no retrieval path of its own here.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.answer import Answer
from bot.bot import Bot
from bot.config import Config
from bot.embed import Encoder, load_encoder
from bot.errors import QuestionError, UsageError
from bot.evaluation import statistics
from bot.evaluation.abstention import Abstention, Asked, Excerpt, abstention, confidences
from bot.evaluation.comparison import Comparison, compare
from bot.evaluation.datasets import Dataset, Question, read_dataset
from bot.evaluation.highlighting import Highlights, highlights
from bot.evaluation.opening import open_bot, progress
from bot.evaluation.ranking import METRICS, judge, table
from bot.evaluation.statistics import Bin, Interval, rounded
from bot.evaluation.trec import Ranking, ordered, read_run

DEPTH = 100
"""Items in a ranking."""
PASSAGES = 1000
"""Passages that are searched to fill it; a document has many."""

Report = Callable[[float, str], None]
"""Is told how far the work is, from 0 to 1, and in words what it does."""


@dataclass(frozen=True)
class Evaluation:
    """All figures of one dataset. asked: every question, the answerable ones first, in the files' order."""

    dataset: Dataset
    model: str
    documents: int
    passages: int
    asked: tuple[Asked, ...]
    metrics: Mapping[str, float] | None
    intervals: Mapping[str, Interval] | None
    abstention: Abstention | None
    highlights: Highlights | None
    bins: tuple[Bin, ...]
    index_seconds: float
    query_seconds: float
    comparison: Comparison | None = None

    @property
    def rankings(self) -> dict[str, Ranking]:
        return {asked.question.id: asked.ranking for asked in self.asked if asked.answerable}

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `bot eval`; ``unjudged`` questions were left out."""
        latency = np.percentile([asked.milliseconds for asked in self.asked], [50, 95]) if self.asked else None
        made: dict[str, Any] = {
            "dataset": self.dataset.name,
            "documents": self.documents,
            "passages": self.passages,
            "queries": len(self.dataset.questions),
            "unjudged": self.dataset.unjudged,
            "model": self.model,
            "metrics": self.metrics and {name: rounded(value) for name, value in self.metrics.items()},
            "intervals": self.intervals and {name: [rounded(a), rounded(b)] for name, (a, b) in self.intervals.items()},
            "abstention": self.abstention and self.abstention.to_dict(),
            "highlights": self.highlights and self.highlights.to_dict(),
            "seconds": {"index": round(self.index_seconds, 2), "queries": round(self.query_seconds, 2)},
            "latency_ms": None if latency is None else {"p50": round(latency[0], 1), "p95": round(latency[1], 1)},
        }
        return {**made, "comparison": self.comparison.to_dict()} if self.comparison else made


def evaluate(
    path: Path,
    config: Config,
    *,
    corpus: Path = Path("corpus"),
    cache: Path | None = None,
    queries: Path | None = None,
    unanswerable: Sequence[Path] = (),
    run: Path | None = None,
    report: Report | None = None,
) -> Evaluation:
    """All figures of the dataset in `path`; `corpus` is what an own test set asks; `run` is an earlier run to
    compare with; `report` is told how far it is. Raises UsageError."""
    dataset = read_dataset(path, queries=queries, unanswerable=unanswerable)
    before = read_run(run) if run else None
    encoder = load_encoder(config.model)
    if not dataset.questions:
        if before is not None or unanswerable:
            raise UsageError(f"{path} has no documents to ask", remedy="Leave --compare and --unanswerable out.")
        return _only_highlights(dataset, encoder, config)
    began = time.perf_counter()
    if report:
        report(0.0, "Opening the index")
    bot = open_bot(dataset, encoder, config, corpus=corpus, cache=cache)
    dataset = dataset.resolve(bot.index.documents)
    result = measure(bot, dataset, index_seconds=time.perf_counter() - began, report=report)
    if before is None:
        return result
    values = {one.question.id: one.values for one in result.asked if one.answerable}
    return dataclasses.replace(result, comparison=compare(str(run), dataset, before, result.rankings, values))


def measure(bot: Bot, dataset: Dataset, *, index_seconds: float = 0.0, report: Report | None = None) -> Evaluation:
    """All figures of `bot` over a dataset that was resolved against its documents; `report` as in `evaluate`."""
    began = time.perf_counter()
    total = len(dataset.questions) + len(dataset.unanswerable)

    def told(done: int) -> None:
        if report:
            report(done / total, f"Question {done + 1} of {total}")

    asked: list[Asked] = []
    for question in progress(dataset.questions, "questions"):
        told(len(asked))
        asked.append(_ask(bot, dataset, question))
    for question in progress(dataset.unanswerable, "unanswerable"):
        told(len(asked))
        asked.append(_ask_hopeless(bot, question))
    seconds = time.perf_counter() - began
    values = judge(dataset, {one.question.id: one.ranking for one in asked if one.answerable})
    asked = [dataclasses.replace(one, values=values[one.question.id]) if one.answerable else one for one in asked]
    rows = table(dataset, values)
    confidence, correct = confidences(asked)
    return Evaluation(
        dataset=dataset,
        model=bot.encoder.name,
        documents=len(bot.index.documents),
        passages=len(bot.index.passages),
        asked=tuple(asked),
        metrics=dict(zip(METRICS, rows.mean(axis=0).tolist(), strict=True)),
        intervals=dict(zip(METRICS, statistics.bootstrap(rows), strict=True)),
        abstention=abstention(asked) if dataset.unanswerable else None,
        highlights=highlights(dataset.labelled, bot.encoder, bot.config) if dataset.labelled else None,
        bins=statistics.reliability(confidence, correct),
        index_seconds=index_seconds,
        query_seconds=seconds,
    )


# Asking


def _ask(bot: Bot, dataset: Dataset, question: Question) -> Asked:
    id = question.id
    expected = tuple(_expected(bot, dataset, id))
    answer, milliseconds = _timed(bot, question)
    if answer is None:
        return Asked(question, True, False, 0.0, False, (), None, expected, milliseconds)
    hits = bot.search(question.text, PASSAGES, history=question.history)
    scores: dict[str, float] = {}
    for hit in hits:  # best first, so an item's first passage is its best one
        scores.setdefault(dataset.item(id, hit), hit.score)
    first = answer.quotes[0] if answer.quotes else hits[0] if hits else None
    same = answer.quotes[0].also_in if answer.quotes else ()
    return Asked(
        question,
        answerable=True,
        answered=bool(answer.quotes),
        confidence=answer.confidence,
        correct=first is not None and any(dataset.relevant(id, place) for place in (first, *same)),
        ranking=ordered(scores, DEPTH),
        found=Excerpt(dataset.item(id, first), first.title, first.text) if first else None,
        expected=expected,
        milliseconds=milliseconds,
    )


def _ask_hopeless(bot: Bot, question: Question) -> Asked:
    answer, milliseconds = _timed(bot, question)
    quotes = answer.quotes if answer else ()
    return Asked(
        question,
        answerable=False,
        answered=bool(quotes),
        confidence=answer.confidence if answer else 0.0,
        correct=False,
        ranking=(),
        found=Excerpt(quotes[0].document, quotes[0].title, quotes[0].text) if quotes else None,
        expected=(),
        milliseconds=milliseconds,
    )


def _timed(bot: Bot, question: Question) -> tuple[Answer | None, float]:
    """The answer, None to a question that cannot be asked (too long, say): it has no result and counts 0."""
    began = time.perf_counter()
    try:
        answer = bot.ask(question.text, question.history)
    except QuestionError:
        answer = None
    return answer, (time.perf_counter() - began) * 1000


def _expected(bot: Bot, dataset: Dataset, id: str) -> Iterator[Excerpt]:
    documents = bot.index.documents
    if dataset.gold:
        for found in dataset.ranges[id]:
            document = documents[found.document]
            yield Excerpt(found.document, document.title, document.text[found.start : found.end])
        return
    for item, grade in dataset.judgements[id].items():
        if grade > 0 and item in documents:
            yield Excerpt(item, documents[item].title, documents[item].text)


def _only_highlights(dataset: Dataset, encoder: Encoder, config: Config) -> Evaluation:
    began = time.perf_counter()
    found = highlights(dataset.labelled, encoder, config)
    seconds = time.perf_counter() - began
    return Evaluation(dataset, encoder.name, 0, 0, (), None, None, None, found, (), 0.0, seconds)
