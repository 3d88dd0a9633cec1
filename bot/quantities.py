"""Amounts as sentences give them: numbers in digits and words, ranges, limits, and units that can be compared."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from math import inf, isclose
from pathlib import Path
from typing import Any, Literal

from bot.lexical import STOP_WORDS, stem
from bot.sentences import Span

Limit = Literal["", "least", "most"]

_HOURS = {"hour": 1, "day": 24, "night": 24, "morning": 24, "evening": 24, "week": 168, "month": 730.5, "year": 8766}
_ADVERBS = {
    "hourly": 1, "daily": 24, "nightly": 24, "weekly": 168, "fortnightly": 336, "monthly": 730.5, "yearly": 8766,
    "annually": 8766,
}  # fmt: skip
_FRACTIONS = {"¼": 0.25, "½": 0.5, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3, "⅛": 0.125}
_CALENDAR = 0.1
"""How far amounts of time in different units may be apart: 3 months and 12 weeks are the same."""
_CONVERTED = 0.02
"""How far other amounts in different units may be apart: they are rounded when they are converted."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount at ``sentence[start:end]``: `low` to `high` of what its `kind` is counted in.

    kind: ``mass`` and so on, ``mass/volume``, ``rate`` (times a day), ``temperature`` (°C), ``clock`` (minutes),
    ``phone``, ``calendar`` (a year), or ``count``, of which `of` holds the stems of what is counted. unit: as written.
    written: the numbers as they stand there. limit: whether it is the least or the most.
    """

    start: int
    end: int
    kind: str
    low: float
    high: float
    unit: str = ""
    written: tuple[float, float] = (0.0, 0.0)
    of: frozenset[str] = frozenset()
    limit: Limit = ""

    def is_like(self, other: Quantity) -> bool:
        """Whether the two measure the same sort of thing, so that they can differ."""
        if self.kind != other.kind:
            return False
        return self.kind != "count" or bool(self.of & other.of) or not (self.of or other.of)

    def equals(self, other: Quantity) -> bool:
        """Whether they are the same amount, be it in other units, `limit` aside."""
        if not self.is_like(other):
            return False
        if self.kind in ("phone", "calendar"):
            return self.low == other.low
        converted = self.unit != other.unit
        if self.kind == "temperature" and converted:
            return all(abs(a - b) <= 0.3 for a, b in self._ends(other))
        share = (_CALENDAR if self.kind in ("time", "rate") else _CONVERTED) if converted else 1e-6
        return all(isclose(a, b, rel_tol=share, abs_tol=1e-12) for a, b in self._ends(other))

    def overlaps(self, other: Quantity) -> bool:
        return self.low <= other.high and other.low <= self.high

    def _ends(self, other: Quantity) -> tuple[tuple[float, float], tuple[float, float]]:
        return (self.low, other.low), (self.high, other.high)


def quantities(sentence: str) -> tuple[Quantity, ...]:
    """The amounts in `sentence`, in order. A number that is part of a name ("type 2", "B12"), a reference mark or the
    number of a list item is none."""
    if not _NUMERIC.search(sentence):  # most sentences, and the patterns below are slow
        return ()
    found = list(_special(sentence))
    taken = [(quantity.start, quantity.end) for quantity in found]
    taken += [match.span() for match in _MARK.finditer(sentence)]
    plain = sorted(_amounts(sentence, taken), key=lambda quantity: quantity.start)
    found += _with_rates(sentence, plain)
    return tuple(sorted(found, key=lambda quantity: (quantity.start, quantity.end)))


def negated_limits(sentence: str) -> list[Span]:
    """Where a negation belongs to a limit, as in "do not take more than 4 tablets": nothing is forbidden but more."""
    if "than" not in sentence.casefold() and "exceed" not in sentence.casefold():
        return []
    return [match.span() for match in _negated_limit().finditer(sentence)]


def conflicts(first: Sequence[Quantity], second: Sequence[Quantity]) -> list[tuple[Quantity, Quantity]]:
    """The amounts of one sentence that those of another contradict: what both have is left out, and what only one
    has. Of amounts that can be paired in several ways, they are in order."""
    rest = list(second)
    left = []
    for one in first:
        same = next((other for other in rest if one.equals(other) and not _turned(one, other)), None)
        if same is None:
            left.append(one)
        else:
            rest.remove(same)
    if _same_daily(left, rest):
        return []
    pairs = []
    for alike in (Quantity.is_like, _same_number):
        for one in tuple(left):
            other = next((other for other in rest if alike(one, other)), None)
            if other is not None:
                pairs.append((one, other))
                left.remove(one)
                rest.remove(other)
    return sorted(pairs, key=lambda pair: pair[0].start)


def _turned(one: Quantity, other: Quantity) -> bool:
    """At least so much, and at most."""
    return bool(one.limit) and bool(other.limit) and one.limit != other.limit


def _same_number(one: Quantity, other: Quantity) -> bool:
    """The same number of another unit: 5 mg and 5 ml."""
    measured = {*_words()["units"], "temperature"}
    return one.written == other.written and {one.kind, other.kind} <= measured and one.kind != other.kind


def _same_daily(left: Sequence[Quantity], rest: Sequence[Quantity]) -> bool:
    """One dose and one rate on each side, that come to the same: 20 mg once a day and 10 mg twice a day."""
    if len(left) != 2 or len(rest) != 2:
        return False
    doses = [one for side in (left, rest) for one in side if one.kind != "rate"]
    rates = [one for side in (left, rest) for one in side if one.kind == "rate"]
    if len(doses) != 2 or len(rates) != 2 or not doses[0].is_like(doses[1]):
        return False
    totals = [dose.high * rate.high for dose, rate in zip(doses, rates, strict=True)]
    return isclose(*totals, rel_tol=_CONVERTED)


# Reading


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "quantities.toml").read_text(encoding="utf-8"))


@cache
def _units() -> Mapping[str, tuple[str, float]]:
    """Each way to write a unit, with what it measures and how much of the first one it is."""
    return {
        name: (kind, factor)
        for kind, rows in _words()["units"].items()
        for factor, names in rows
        for name in names.split()
    }


@cache
def _number_words() -> Mapping[str, float]:
    small = {word: float(value) for value, word in enumerate(_words()["numbers"]["words"].split())}
    tens = {
        word: float(value) for value, word in zip(range(20, 100, 10), _words()["numbers"]["tens"].split(), strict=True)
    }
    both = {f"{ten}-{one}": tens[ten] + small[one] for ten in tens for one in small if 0 < small[one] < 10}
    hundreds = {f"{word} hundred": 100 * value for word, value in small.items() if 0 < value < 10}
    return (
        {"half": 0.5, "half a": 0.5, "half an": 0.5, "a hundred": 100.0, "hundred": 100.0}
        | hundreds
        | both
        | tens
        | small
    )


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(words, key=len, reverse=True))


@cache
def _number() -> re.Pattern[str]:
    words = _any_of(list(_number_words())).replace(r"\-", "[- ]")
    digits = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
    fraction = r"(?:\d+[ -]?)?[¼½¾⅓⅔⅛]|(?:\d+[ -])?[1-9]/[2-8](?![\d/])"
    return re.compile(
        rf"(?<![\w.,/])(?<![^\W\d_]-)(?:{fraction}|{digits}|(?:{words})(?![\w-]))(?:\s+and\s+a\s+half\b)?",
        re.IGNORECASE,
    )


@cache
def _unit() -> re.Pattern[str]:
    names = _any_of([name for name in _units() if name != "%"])
    temperature = r"°\s?[CF]\b|degrees?\s+(?:celsius|fahrenheit|[CF])\b|celsius\b|fahrenheit\b|[CF]\b"
    one = rf"(?:%|(?:{names})\b)"
    return re.compile(
        rf"[\s-]?(?:(?P<degree>{temperature})|(?P<name>{one})(?:\s?(?:/|per\s)\s?(?P<per>{one}))?)", re.IGNORECASE
    )


@cache
def _negated_limit() -> re.Pattern[str]:
    more = r"(?:(?:more|longer|higher|greater|later|less|fewer|lower|shorter|sooner|earlier)\s+than|exceed)"
    return re.compile(rf"(?:\b(?:not|never|no|cannot)\b|n['’]t\b)(?=(?:\W+\w+){{0,5}}?\W+{more}\b)", re.IGNORECASE)


_NUMERIC = re.compile(
    r"[\d¼½¾⅓⅔⅛]|\b(?:zero|one|two|three|four|five|fif|six|seven|eight|nine|ten|eleven|twel|twent|thirt|fort|half|hundred|"
    r"once|twice|thrice|every|each|per|daily|nightly|hourly|weekly|monthly|yearly|annually)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s*(?:-|–|—|\bto\b|\bor\b)\s*", re.IGNORECASE)
_AND = re.compile(r"\s*\band\b\s*", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween\s*$", re.IGNORECASE)
_MARK = re.compile(r"\[[\d, –-]{1,12}\]|^\s*\(?\d{1,3}[.)](?=\s)|\b\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w.])(?:\+\d{1,3}[\s.-]?)?"
    r"(?:\(\d{2,4}\)[\s.-]?\d{3,4}[\s.-]?\d{3,4}|(?:\d{2,4}[\s.-]){1,3}\d{3,4}[.-]\d{3,4}|\d{3}-\d{4}"
    r"|0\d{2,4}\s\d{3,4}\s\d{3,4}|\d[–-]\d[–-]\d)(?![\w-])"
)
_CALLED = re.compile(r"(?:\b(?:call|dial|phone|ring|text)\s+)(\d{3,6})\b", re.IGNORECASE)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)(?:uary|ruary|ch|il|ust|ember|ober)?"
_DATE = re.compile(
    rf"\b(?:{_MONTH}\.?\s+\d{{1,2}}(?:,?\s+\d{{4}})?|(?:\d{{1,2}}|\d{{4}})\s+{_MONTH}(?:\s+\d{{1,4}})?)\b"
)
_CLOCK = re.compile(
    r"(?<![\w:.])(\d{1,2})(?:[:.](\d\d))?\s?([ap])\.?m\b|(?<![\w:.])(\d{1,2}):(\d\d)(?![\w:])", re.IGNORECASE
)
_TIMES = re.compile(
    r"\b(?:(?P<least>once)\s+(?:or|to)\s+twice|(?P<once>once)|(?P<twice>twice)|thrice)\b", re.IGNORECASE
)
_TIMES_AFTER = re.compile(r"\s*(?:times\b|x\b)", re.IGNORECASE)
_PERIOD = re.compile(
    rf"\b(?P<every>every|each|per|an?)\s+(?P<other>other\s+)?(?P<period>{'|'.join(_HOURS)})\b"
    rf"|/\s?(?P<slash>{'|'.join(_HOURS)})\b|\b(?P<adverb>{'|'.join(_ADVERBS)})\b",
    re.IGNORECASE,
)  # fmt: skip
_EVERY = re.compile(r"\b(?:every|each)\s*$", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_BEFORE = re.compile(r"([^\W\d_]+)[\s#-]*$")
_ONE_OF = re.compile(r"\s+(?:of|another|or\s+more\s+of|who|that|which|day)\b", re.IGNORECASE)


def _value(written: str) -> float:
    folded = " ".join(written.casefold().split())
    folded, half, _ = folded.partition(" and a half")
    added = 0.5 if half else 0.0
    word = _number_words().get(folded, _number_words().get(folded.replace(" ", "-")))
    if word is not None:
        return word + added
    whole, _, last = folded.replace(",", "").replace("-", " ").rpartition(" ")
    if last[-1] in _FRACTIONS:
        return (float(whole or last[:-1] or 0)) + _FRACTIONS[last[-1]]
    if "/" in last:
        upper, lower = last.split("/")
        return float(whole or 0) + float(upper) / float(lower)
    return float(last) + added


def _special(sentence: str) -> Iterator[Quantity]:
    """Telephone numbers and times of day."""
    for match in _PHONE.finditer(sentence):
        digits = re.sub(r"\D", "", match.group())
        if len(digits) == 3 or len(digits) >= 7:
            yield Quantity(*match.span(), "phone", float(digits), float(digits))
    for match in _CALLED.finditer(sentence):
        yield Quantity(*match.span(1), "phone", float(match[1]), float(match[1]))
    for match in _DATE.finditer(sentence):
        number = float(int.from_bytes(match.group().casefold().encode()) % 2**48)  # as written: it is only compared
        yield Quantity(*match.span(), "calendar", number, number)
    for match in _CLOCK.finditer(sentence):
        hour, minute, half, other_hour, other_minute = match.groups()
        hours = int(hour or other_hour)
        if half:
            hours = hours % 12 + (12 if half in "pP" else 0)
        minutes = float(60 * hours + int(minute or other_minute or 0))
        yield Quantity(*match.span(), "clock", minutes, minutes)


def _amounts(sentence: str, taken: Sequence[Span]) -> Iterator[Quantity]:
    numbers = [
        match
        for match in _number().finditer(sentence)
        if not any(start < match.end() and match.start() < end for start, end in taken)
    ]
    used = 0
    for at, number in enumerate(numbers):
        if number.start() < used or _is_name(sentence, number):
            continue
        last, unit = number, _unit().match(sentence, number.end())
        following = numbers[at + 1] if at + 1 < len(numbers) else None
        between = _BETWEEN.search(sentence, 0, number.start())
        joint = (_AND if between else _RANGE).match(sentence, unit.end() if unit else number.end())
        if following and joint and joint.end() == following.start():
            later = _unit().match(sentence, following.end())
            if later or not unit:
                last, unit = following, later
        used = last.end()
        made = _quantity(sentence, number, last, unit)
        if made:
            used = made.end
            yield _limited(sentence, made)


def _is_name(sentence: str, number: re.Match[str]) -> bool:
    if sentence[number.end() : number.end() + 1].isalpha() and not _unit().match(sentence, number.end()):
        return True
    before = _BEFORE.search(sentence, max(0, number.start() - 30), number.start())
    if before and before.group(1).casefold() in _names():
        return True
    return number.group().casefold() == "one" and _ONE_OF.match(sentence, number.end()) is not None


@cache
def _names() -> frozenset[str]:
    return frozenset(_words()["names"]["before"].split())


def _quantity(sentence: str, number: re.Match[str], last: re.Match[str], unit: re.Match[str] | None) -> Quantity | None:
    written = (_value(number.group()), _value(last.group()))
    low, high = min(written), max(written)
    start, end = number.start(), unit.end() if unit else last.end()
    if unit and unit["degree"]:
        fahrenheit = unit["degree"].casefold().strip().endswith(("f", "fahrenheit"))
        if fahrenheit:
            low, high = (low - 32) / 1.8, (high - 32) / 1.8
        return Quantity(start, end, "temperature", low, high, "F" if fahrenheit else "C", written)
    if unit:
        name, per = unit["name"].casefold(), (unit["per"] or "").casefold()
        kind, factor = _units()[name]
        if per and _units()[per][0] != "time":
            kind, factor = f"{kind}/{_units()[per][0]}", factor / _units()[per][1]
            name = f"{name}/{per}"
        else:
            end = unit.end("name")  # "mg/day" is a dose and a rate
        if kind == "time" and _EVERY.search(sentence, 0, start):
            low, high = (24 / (factor * value) if value else inf for value in (high, low))
            return Quantity(start, end, "rate", low, high, f"every {name}", written)
        return Quantity(start, end, kind, low * factor, high * factor, name, written)
    times = _TIMES_AFTER.match(sentence, end)
    if times:
        return Quantity(start, times.end(), "times", low, high, "times", written)
    if number is last and number.group().isdigit() and 1900 <= low <= 2099 and len(number.group()) == 4:
        return Quantity(start, end, "calendar", low, high, "", written)
    if number.group().casefold() == "half":
        return None
    return Quantity(start, end, "count", low, high, "", written, _counted(sentence, start, end))


def _counted(sentence: str, start: int, end: int) -> frozenset[str]:
    """The stems of the two words behind a number or, where none follows, of the one before."""
    behind = sentence[end : end + 60]
    close = re.search(r"[.,;:()]", behind)
    words = list(takewhile(_is_content, _WORD.findall(behind[: close.start()] if close else behind)))[:2]
    if not words:
        words = list(filter(_is_content, _WORD.findall(sentence[max(0, start - 30) : start])[-1:]))
    return frozenset(stem(word.casefold()) for word in words)


def _is_content(word: str) -> bool:
    return word.casefold() not in STOP_WORDS and word.casefold() != "every"


def _limited(sentence: str, quantity: Quantity) -> Quantity:
    limits = _words()["limits"]
    before = " ".join(sentence[max(0, quantity.start - 60) : quantity.start].casefold().split())
    behind = " ".join(sentence[quantity.end : quantity.end + 40].casefold().split())
    most = any(before.endswith(words) for words in limits["most"]) or any(map(behind.startswith, limits["most_after"]))
    least = any(before.endswith(words) for words in limits["least"]) or any(
        map(behind.startswith, limits["least_after"])
    )
    limit: Limit = "most" if most else "least" if least else ""
    turned = bool(limit) and any(
        start < quantity.start and len(sentence[end : quantity.start].split()) <= 7
        for start, end in negated_limits(sentence)
    )
    direct = any(before.endswith(words) for words in limits["most"] if words.startswith(("no ", "not ", "never ")))
    if turned and not direct:
        limit = "most" if limit == "least" else "least"
    return replace(quantity, limit=limit)


def _with_rates(sentence: str, amounts: Sequence[Quantity]) -> list[Quantity]:
    """The amounts, with how often: a number of times joined with its period, and doses a day beside the dose."""
    found = list(amounts)
    for match in _TIMES.finditer(sentence):
        count = 1.0 if match["once"] else 2.0 if match["twice"] or match["least"] else 3.0
        least = 1.0 if match["least"] else count
        found.append(Quantity(*match.span(), "times", least, count, "times", (least, count)))
    found.sort(key=lambda quantity: quantity.start)
    for match in _PERIOD.finditer(sentence):
        word = (match["period"] or match["slash"] or match["adverb"]).casefold()
        hours = (_HOURS | _ADVERBS)[word] * (2 if match["other"] else 1)
        at = bisect_left(found, match.start(), key=lambda quantity: quantity.start)
        before = found[at - 1] if at else None
        gap = sentence[before.end : match.start()] if before else ""
        if before and before.kind == "times" and len(gap.split()) <= 1:
            low, high = before.low * 24 / hours, before.high * 24 / hours
            found[at - 1] = replace(before, end=match.end(), kind="rate", low=low, high=high)
        elif (match["every"] or "").casefold() not in ("a", "an") or (before and _is_dose(before, gap)):
            found.insert(at, Quantity(*match.span(), "rate", 24 / hours, 24 / hours, "times", (1.0, 1.0)))
    return [one for one in found if not (one.kind == "times" and sentence[one.start : one.end].casefold() == "once")]


def _is_dose(before: Quantity, gap: str) -> bool:
    """Whether "a day" so soon after an amount says how often: "2 tablets a day", not "for a day"."""
    return before.kind != "time" and len(gap.split()) <= 2 and not {"for", "in", "within"} & set(gap.split())
