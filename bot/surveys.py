"""What `bot.consistency` found, kept beside the index, and which pairs a person has looked at and found to be fine.

index/consistency.json          the last survey
index/consistency_judged.jsonl  a line a judgement, oldest first; the last one of a pair holds
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bot.consistency import Survey
from bot.errors import IndexUnusable

_FORMAT = 1
_SURVEY = "consistency.json"
_JUDGED = "consistency_judged.jsonl"
_LOCK = ".consistency.lock"
_PATIENCE = 10
"""Seconds to wait for another who writes."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`who` found the pair `key` to be fine at `at`, or took that back. `key` is of both sentences' words: should one
    change, the pair is another one, and open again."""

    key: str
    fine: bool
    who: str
    at: datetime


def save(folder: Path, survey: Survey) -> None:
    """Keeps `survey` in place of the one before, whole or not at all. Raises IndexUnusable."""
    beside = folder / f"{_SURVEY}.new"
    with _writing(folder):
        beside.write_text(json.dumps({"format": _FORMAT, **survey.to_dict()}), encoding="utf-8")
        os.replace(beside, folder / _SURVEY)


def load(folder: Path) -> Survey | None:
    """The last one; None if there is none, or none that can be read: it is made again."""
    try:
        values = json.loads((folder / _SURVEY).read_text(encoding="utf-8"))
        return Survey.from_dict(values) if values.pop("format") == _FORMAT else None
    except FileNotFoundError:
        return None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def judge(folder: Path, key: str, fine: bool, who: str) -> Judgement:
    """Notes what `who` says of a pair. Raises IndexUnusable."""
    made = Judgement(key, fine, who, datetime.now(UTC).replace(microsecond=0))
    line = json.dumps({**asdict(made), "at": made.at.isoformat()})
    with _writing(folder), (folder / _JUDGED).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    return made


def judged(folder: Path) -> dict[str, Judgement]:
    """Of each pair that was found to be fine the judgement, by its key. Raises IndexUnusable if they are damaged."""
    found: dict[str, Judgement] = {}
    for line in _lines(folder / _JUDGED):
        judgement = Judgement(**{**line, "at": datetime.fromisoformat(line["at"])})
        found.pop(judgement.key, None)
        if judgement.fine:
            found[judgement.key] = judgement
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")  # a line that was cut off says nothing
        yield from map(json.loads, filter(None, whole.split("\n")))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise IndexUnusable(f"{path} is damaged: {error}", remedy="Mend that line, or take it out.") from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / _LOCK, timeout=_PATIENCE):
            yield
    except (OSError, Timeout) as error:
        raise IndexUnusable(
            f"{folder} cannot be written: {error}",
            remedy="Check the folder's permissions and the space left on the disk, then try again.",
        ) from error
