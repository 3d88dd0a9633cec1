"""Evaluations that are kept: their figures, what came of each question, and what changed from one to the next.

FOLDER/<set>/<run>.json     the newest `MOST` runs of each test set
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bot.errors import UsageError
from bot.evaluation import statistics
from bot.evaluation.abstention import Asked

Verdict = Literal["right", "wrong", "refused"]
"""Of an answerable question: the first quote is right, is not, or there is none. Of an unanswerable one ``right`` is
that there is no quote, ``wrong`` that there is one."""
Move = Literal["worse", "better", "other_quote", "new", ""]

MOST = 20
"""Runs of each set that are kept."""
_FORMAT = 1
_SHOWN = 400
"""Characters of a quote that are kept."""
_RUN = re.compile(r"\d{8}T\d{6}(?:-\d+)?")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question. item, title, quote: of the first quote or, of a refusal, the best passage. values: by
    metric, of an answerable question."""

    id: str
    question: str
    history: tuple[str, ...]
    kind: str
    answerable: bool
    verdict: Verdict
    confidence: float
    item: str
    title: str
    quote: str
    expected: str
    values: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: Asked) -> Outcome:
        right = asked.correct if asked.answered else not asked.answerable
        found = asked.found
        return cls(
            id=asked.question.id,
            question=asked.question.text,
            history=asked.question.history,
            kind=asked.question.kind,
            answerable=asked.answerable,
            verdict="right" if right else "wrong" if asked.answered else "refused",
            confidence=round(asked.confidence, 4),
            item=found.item if found else "",
            title=found.title if found else "",
            quote=found.text[:_SHOWN] if found else "",
            expected=asked.expected[0].text[:_SHOWN] if asked.expected else "",
            values={name: statistics.rounded(value) for name, value in asked.values.items()},
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation. id: sorts by time. figures: as `bot eval --json` gives them. generation: of the index that was
    asked, empty where the set has documents of its own."""

    id: str
    at: datetime
    who: str
    generation: str
    figures: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A metric's mean over the questions that both runs have: the difference (now less before), its two-sided
    p-value, and how many questions went up and down."""

    questions: int
    difference: float
    p: float
    better: int
    worse: int


def keep(folder: Path, name: str, made: Run) -> Run:
    """Keeps a run of the set `name`, and forgets the oldest beyond `MOST`; the run with its id. Raises UsageError."""
    place = folder / _key(name)
    try:
        place.mkdir(parents=True, exist_ok=True)
        taken = {path.stem for path in place.glob("*.json")}
        stem = f"{made.at:%Y%m%dT%H%M%S}"
        id = next(id for id in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if id not in taken)
        values = {"format": _FORMAT, **asdict(made), "id": id, "at": made.at.isoformat()}
        beside = place / f"{id}.new"
        beside.write_text(json.dumps(values), encoding="utf-8")
        os.replace(beside, place / f"{id}.json")
        for old in runs(folder, name)[MOST:]:
            (place / f"{old}.json").unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{place} cannot be written: {error.strerror}", remedy="Check the rights of the index's folder."
        ) from error
    return load(folder, name, id)


def runs(folder: Path, name: str) -> list[str]:
    """The ids of the runs of a set that are kept, newest first."""
    found = [path.stem for path in (folder / _key(name)).glob("*.json") if _RUN.fullmatch(path.stem)]
    return sorted(found, key=lambda id: (id[:15], int(id[16:] or 1)), reverse=True)


def load(folder: Path, name: str, id: str) -> Run:
    """One of them. Raises UsageError if there is none with this id, or it cannot be read."""
    gone = UsageError(f"there is no run {id!r} of {name}", remedy="Choose another one, or run it again.")
    if not _RUN.fullmatch(id):
        raise gone
    try:
        values = json.loads((folder / _key(name) / f"{id}.json").read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT:
            raise gone
        outcomes = tuple(Outcome(**{**one, "history": tuple(one["history"])}) for one in values["outcomes"])
        return Run(**{**values, "at": datetime.fromisoformat(values["at"]), "outcomes": outcomes})
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise gone from error


def _key(name: str) -> str:
    """A folder's name for any name of a set."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


# Two runs


def moves(before: Run, now: Run) -> dict[str, Move]:
    """What became of each question of `now` since `before`."""
    earlier = {one.id: one for one in before.outcomes}
    return {one.id: _move(earlier.get(one.id), one) for one in now.outcomes}


def _move(before: Outcome | None, now: Outcome) -> Move:
    if before is None or (before.question, before.answerable) != (now.question, now.answerable):
        return "new"
    if (before.verdict == "right") != (now.verdict == "right"):
        return "better" if now.verdict == "right" else "worse"
    shown = [(one.item, one.quote) if _quoted(one) else None for one in (before, now)]
    return "" if shown[0] == shown[1] else "other_quote"


def _quoted(one: Outcome) -> bool:
    return one.verdict == "wrong" or (one.verdict == "right" and one.answerable)


def changes(before: Run, now: Run) -> dict[str, Change]:
    """By metric, over the answerable questions that both have in the same words; empty if there is none."""
    earlier = {one.id: one for one in before.outcomes if one.answerable}
    both = [
        (earlier[one.id], one)
        for one in now.outcomes
        if one.answerable and one.id in earlier and earlier[one.id].question == one.question
    ]
    names = [name for name in both[0][1].values if name in both[0][0].values] if both else []
    if not names:
        return {}
    return dict(zip(names, _changes(names, both), strict=True))


def _changes(names: Sequence[str], both: Sequence[tuple[Outcome, Outcome]]) -> list[Change]:
    differences = np.array([[now.values[name] - before.values[name] for name in names] for before, now in both])
    return [
        Change(len(both), float(column.mean()), float(p), int((column > 0).sum()), int((column < 0).sum()))
        for column, p in zip(differences.T, statistics.randomisation(differences), strict=True)
    ]
