"""What a reader was shown and what they thought of it, as values: nothing in them tells who it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from bot.errors import UsageError

Outcome = Literal["answered", "not_found", "emergency", "fault"]
Reason = Literal["wrong_passage", "unclear", "out_of_date", "other"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class ShownQuote:
    """A quote by its range: with the document whose text has this hash it gives the same words again."""

    rank: int
    document: str
    start: int
    end: int
    sha256: str
    highlights: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ShownNotice:
    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer, or a fault, as it was shown. at: UTC, to the second. category and level: what triage said of it.
    generation: of the index. question: redacted, where questions are kept. fault: the kind of error."""

    id: str
    at: datetime
    outcome: Outcome
    category: str | None
    level: str | None
    confidence: float | None
    generation: str
    quotes: tuple[ShownQuote, ...]
    notices: tuple[ShownNotice, ...]
    milliseconds: float
    question: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a reader thought of an answer; the reason is of one whom it did not help, if given at all."""

    helped: bool
    reason: Reason | None
    at: datetime

    def __post_init__(self) -> None:
        if not isinstance(self.helped, bool):
            raise UsageError(f"helped is {self.helped!r}", remedy="Give true or false.")
        if self.reason is not None and (self.helped or self.reason not in REASONS):
            raise UsageError(
                f"the reason is {self.reason!r}", remedy=f"Give one of {', '.join(REASONS)}, and none if it helped."
            )


@dataclass(frozen=True, slots=True)
class Kept:
    """A row for staff."""

    shown: Shown
    feedback: Feedback | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON, with times in ISO 8601."""
        shown = asdict(self.shown) | {"at": self.shown.at.isoformat()}
        return shown | {
            "feedback": asdict(self.feedback) | {"at": self.feedback.at.isoformat()} if self.feedback else None
        }
