"""Points for the words of a text: how much they speak for somebody being in danger.

The rules name the signs of an emergency one by one. People find other words for them, and no single one of those tells
enough: "won't wake", "grey", "what do I do". So words and short phrases have points, for danger or against it, which
add up. They are in ``bot/rules/points.toml``, for staff to read; ``benchmarks/points.py`` makes them from labelled
messages.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.patterns import Words

ANY = "_"
"""Stands for one word between two others."""


@dataclass(frozen=True, slots=True)
class Tally:
    """points: of a text. alarming: those above 0 alone. start, end: the phrase that has most, in its words."""

    points: int
    alarming: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Points:
    """worth: of each phrase. urgent, immediate: from how many points on a text has that level, if at least `enough` of
    them are for danger: a text of other words has few either way. calm: with fewer, a text has no level that it would
    have by a rule, or the next lower one."""

    worth: Mapping[str, int]
    urgent: int
    immediate: int
    calm: int
    enough: int = 0

    @classmethod
    def read(cls, path: Path) -> Points:
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(file["points"], file["urgent"], file["immediate"], file["calm"], file["enough"])

    def words(self) -> Iterator[str]:
        """The words of all phrases, so that a misspelt one is known."""
        return (word for phrase in self.worth for word in phrase.split() if word.isalpha())

    def tally(self, words: Words) -> Tally:
        """Every phrase of the text counts once."""
        first = {phrase: (start, end) for phrase, start, end in reversed(list(phrases(words))) if phrase in self.worth}
        most = max(first, key=lambda phrase: (self.worth[phrase], -first[phrase][0]), default="")
        worth = [self.worth[phrase] for phrase in first]
        return Tally(sum(worth), sum(points for points in worth if points > 0), *first.get(most, (0, 0)))


def phrases(words: Words) -> Iterator[tuple[str, int, int]]:
    """One, two and three words next to each other, and two with any one between, with their place; each within one
    sentence."""
    text = words.words
    for start, word in enumerate(text):
        left = words.stops[start] - start
        yield word, start, start + 1
        if left > 1:
            yield f"{word} {text[start + 1]}", start, start + 2
        if left > 2:
            yield f"{word} {text[start + 1]} {text[start + 2]}", start, start + 3
            yield f"{word} {ANY} {text[start + 2]}", start, start + 3
