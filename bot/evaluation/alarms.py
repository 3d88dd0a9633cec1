"""How well emergencies are recognised: the rules of `bot.triage` over texts that people have labelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import UsageError
from bot.evaluation.datasets import records
from bot.evaluation.statistics import Interval, rounded, wilson
from bot.triage import Level, triage

HARMLESS = frozenset({"none", "about", "past", "harmless", "ordinary", "benign"})
"""Labels of texts in which nobody is in danger; every other label is an emergency's level or category."""
LIVE = ("immediate", "urgent")


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled text, and what the rules made of it."""

    text: str
    label: str
    level: Level | None
    category: str | None
    rule: str | None

    @property
    def harmless(self) -> bool:
        return self.label in HARMLESS

    @property
    def alarmed(self) -> bool:
        return self.level in LIVE

    def to_dict(self) -> dict[str, str | None]:
        return {"text": self.text, "label": self.label, "level": self.level, "rule": self.rule}


@dataclass(frozen=True, slots=True)
class Alarms:
    """All labelled texts of one file, in its order."""

    name: str
    judged: tuple[Judged, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `bot eval` for a labelled file. Shares with their Wilson 95% intervals; null where there is
        nothing to share."""
        live = [one for one in self.judged if not one.harmless]
        harmless = [one for one in self.judged if one.harmless]
        return {
            "dataset": self.name,
            "texts": len(self.judged),
            "triage": {
                "emergencies": len(live),
                "recall": _share([one.alarmed for one in live]),
                "recall_by_label": {label: _share(alarmed) for label, alarmed in _by_label(live)},
                "harmless": len(harmless),
                "false_immediate": _share([one.level == "immediate" for one in harmless]),
                "false_alarms": _share([one.alarmed for one in harmless]),
            },
            "misses": [one.to_dict() for one in live if not one.alarmed],
            "false": [one.to_dict() for one in harmless if one.alarmed],
        }


def is_labelled(path: Path) -> bool:
    """Whether `path` is a file of labelled texts: its first record has a `text` and a `label` or `level`."""
    if not path.is_file() or path.suffix != ".jsonl":
        return False
    first = next((record for _, record in records(path)), {})
    return isinstance(first.get("text"), str) and isinstance(_label(first), str)


def alarms(path: Path) -> Alarms:
    """Raises UsageError for a file or a line that is not as it should be."""
    return Alarms(path.name, tuple(_judged(path)))


def _judged(path: Path) -> Iterator[Judged]:
    for where, record in records(path):
        text, label, history = record.get("text"), _label(record), record.get("history") or []
        if not isinstance(text, str) or not isinstance(label, str) or not isinstance(history, list):
            raise UsageError(
                f"{where} has no text and label", remedy='Write one a line: {"text": "…", "label": "none"}.'
            )
        found = triage(text, history)
        yield Judged(text, label, found.level, found.category, found.rule)


def _label(record: Any) -> object:
    return record.get("label", record.get("level"))


def _by_label(judged: Sequence[Judged]) -> Iterator[tuple[str, list[bool]]]:
    for label in sorted({one.label for one in judged}):
        yield label, [one.alarmed for one in judged if one.label == label]


def _share(found: Sequence[bool]) -> dict[str, Any] | None:
    if not found:
        return None
    interval: Interval = wilson(sum(found), len(found))
    return {"share": rounded(sum(found) / len(found)), "interval": [rounded(end) for end in interval], "of": len(found)}
