"""What other documents would do to the answers to test questions: both the present index and the other are asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bot.answer import Answer
from bot.bot import Bot
from bot.documents import Document
from bot.errors import QuestionError, UsageError
from bot.evaluation.datasets import Dataset, Question

Report = Callable[[float, str], None]
Move = Literal["refused", "other", "quoted", ""]
"""Of the answer: quotes before and none now, another first quote, none before and quotes now, or no change."""

MOST = 200
"""Questions whose answers change that are kept."""
_ORDER: tuple[Move, ...] = ("refused", "other", "quoted")
_SHOWN = 600
"""Characters of a quote that are kept."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a question gets. document, title, quote: of the first quote, empty where there is none. right: whether the
    quote is from where the question is answered or, of one that is answered nowhere, that there is none; None where its
    place is not in these documents."""

    document: str
    title: str
    quote: str
    right: bool | None


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A question of the test set `set`. answerable: whether the set says that it is answered. unfit: why it does not
    fit the new documents, empty if it does."""

    set: str
    id: str
    question: str
    history: tuple[str, ...]
    answerable: bool
    before: Given
    now: Given
    unfit: str = ""

    @property
    def move(self) -> Move:
        before, now = ((one.document, one.quote) for one in (self.before, self.now))
        if before == now:
            return ""
        return "refused" if not self.now.document else "other" if self.before.document else "quoted"


@dataclass(frozen=True, slots=True)
class Figure:
    """How many questions, of `of`."""

    name: str
    before: int
    now: int
    of: int


def rehearse(sets: Mapping[str, Dataset], before: Bot, now: Bot, report: Report) -> list[Rehearsed]:
    """Every question of the sets, in their order, asked of both. The sets are about the documents of `before`."""
    found: list[Rehearsed] = []
    asked = [
        (name, dataset, question)
        for name, dataset in sets.items()
        for question in (*dataset.questions, *dataset.unanswerable)
    ]
    for name, dataset, question in asked:
        report(len(found) / len(asked), f"Asking test question {len(found) + 1} of {len(asked)}")
        givens, unfit = [], ""
        for bot in (before, now):
            resolved, unfit = _resolved(dataset, question, bot.index.documents)
            givens.append(_given(bot, question, resolved))
        answerable = question.id in dataset.gold
        found.append(
            Rehearsed(name, question.id, question.text, question.history, answerable, givens[0], givens[1], unfit)
        )
    return found


def figures(found: Sequence[Rehearsed]) -> list[Figure]:
    """Over all questions, and over those of which both documents tell what is right."""
    judged = [one for one in found if one.before.right is not None and one.now.right is not None]

    def count(name: str, of: Sequence[Rehearsed], holds: Callable[[Given], bool]) -> Figure:
        return Figure(name, sum(holds(one.before) for one in of), sum(holds(one.now) for one in of), len(of))

    return [
        count("Answered with quotes", found, lambda given: bool(given.document)),
        count("Without a quote", found, lambda given: not given.document),
        count("Met rightly", judged, lambda given: bool(given.right)),
    ]


def to_dict(found: Sequence[Rehearsed]) -> dict[str, Any]:
    """As JSON: the figures, the questions whose answers change, those that lose their quotes first, and those that no
    longer fit the documents."""
    changed = sorted(
        (one for one in found if one.move), key=lambda one: (_ORDER.index(one.move), one.now.right is True)
    )
    return {
        "questions": len(found),
        "figures": [asdict(figure) for figure in figures(found)],
        "moves": {move: sum(one.move == move for one in changed) for move in _ORDER},
        "changed": [asdict(one) | {"move": one.move} for one in changed[:MOST]],
        "unfit": [{"set": one.set, "id": one.id, "why": one.unfit} for one in found if one.unfit][:MOST],
    }


def _resolved(dataset: Dataset, question: Question, documents: Mapping[str, Document]) -> tuple[Dataset | None, str]:
    """The set as far as it is about this question, over these documents; None, and why not, where it does not fit."""
    golds = dataset.gold.get(question.id, ())
    try:
        return dataclasses.replace(dataset, gold={question.id: golds} if golds else {}).resolve(documents), ""
    except UsageError as error:
        return None, error.problem


def _given(bot: Bot, question: Question, resolved: Dataset | None) -> Given:
    try:
        answer: Answer | None = bot.ask(question.text, question.history)
    except QuestionError:
        answer = None
    first = answer.quotes[0] if answer and answer.quotes else None
    right = None
    if resolved is not None:
        places = (first, *first.also_in) if first else ()
        right = any(resolved.relevant(question.id, place) for place in places) if resolved.gold else first is None
    if first is None:
        return Given("", "", "", right)
    return Given(first.document, first.title, first.text[:_SHOWN], right)
