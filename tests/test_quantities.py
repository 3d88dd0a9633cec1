"""Amounts in sentences: what is read, and which are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quantities import Quantity, conflicts, negated_limits, quantities


def read(sentence: str) -> list[tuple[str, str, float, float]]:
    return [(sentence[q.start : q.end], q.kind, round(q.low, 6), round(q.high, 6)) for q in quantities(sentence)]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Take 0.5 g twice a day.", [("0.5 g", "mass", 0.5, 0.5), ("twice a day", "rate", 2, 2)]),
        ("Take 500 mg 2 times daily.", [("500 mg", "mass", 0.5, 0.5), ("2 times daily", "rate", 2, 2)]),
        ("usually once or twice a day", [("once or twice a day", "rate", 1, 2)]),
        ("every other day", [("every other day", "rate", 0.5, 0.5)]),
        ("every 4 to 6 hours", [("4 to 6 hours", "rate", 4, 6)]),
        ("10 mg to 20 mg", [("10 mg to 20 mg", "mass", 0.01, 0.02)]),
        ("between 2 and 3 weeks", [("2 and 3 weeks", "time", 336, 504)]),
        ("for twenty-four hours", [("twenty-four hours", "time", 24, 24)]),
        ("one and a half hours", [("one and a half hours", "time", 1.5, 1.5)]),
        ("½ hour, then 1 1/2 hours", [("½ hour", "time", 0.5, 0.5), ("1 1/2 hours", "time", 1.5, 1.5)]),
        ("1,200 ml", [("1,200 ml", "volume", 1200, 1200)]),
        ("100.4 °F", [("100.4 °F", "temperature", 38, 38)]),
        ("2 mg/kg", [("2 mg/kg", "mass/mass", 0.000002, 0.000002)]),
        ("20 mg/day", [("20 mg", "mass", 0.02, 0.02), ("/day", "rate", 1, 1)]),
        ("25% of them", [("25%", "share", 25, 25)]),
        ("from 8 am to 5:30 p.m.", [("8 am", "clock", 480, 480), ("5:30 p.m", "clock", 1050, 1050)]),
        ("on (555) 555-0100", [("(555) 555-0100", "phone", 5555550100, 5555550100)]),
        ("call 911", [("911", "phone", 911, 911)]),
        ("in 2014", [("2014", "calendar", 2014, 2014)]),
        ("type 2 diabetes, COVID-19, vitamin B12 and H1N1 [5]", []),
        ("one of them, another one of which", []),
        ("1. Wash your hands.", []),
        ("Rest for a day.", []),
        ("Once you feel better, stop.", []),
    ],
)
def test_amounts_are_read(sentence: str, expected: list[tuple[str, str, float, float]]) -> None:
    assert read(sentence) == expected


@pytest.mark.parametrize(
    ("sentence", "limit"),
    [
        ("at least 6 hours", "least"),
        ("up to 6 hours", "most"),
        ("no more than 6 hours", "most"),
        ("Do not wait more than 6 hours", "most"),
        ("Never wait less than 6 hours", "least"),
        ("aged 6 years or older", "least"),
        ("for 6 hours", ""),
    ],
)
def test_limits_are_told(sentence: str, limit: str) -> None:
    [amount] = quantities(sentence)
    assert amount.limit == limit


def test_a_negation_that_belongs_to_a_limit_is_found() -> None:
    sentence = "Do not take more than 4 tablets, and don't drive."
    assert [sentence[start:end] for start, end in negated_limits(sentence)] == ["not"]


def differ(first: str, second: str) -> list[tuple[str, str]]:
    return [
        (first[one.start : one.end], second[other.start : other.end])
        for one, other in conflicts(quantities(first), quantities(second))
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0.5 g", "500 mg"),
        ("twice a day", "2 times daily"),
        ("every 12 hours", "twice a day"),
        ("3 months", "12 weeks"),
        ("38 °C", "100.4 °F"),
        ("20 mg once a day", "10 mg twice a day"),
        ("1 tablet, then 2 tablets", "2 tablets"),
        ("5 tablets", "5 hours"),
    ],
)
def test_what_is_the_same_or_not_comparable_does_not_conflict(first: str, second: str) -> None:
    assert differ(first, second) == differ(second, first) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("5 mg", "5 mcg"),
        ("5 mg", "5 ml"),
        ("2 tablets", "three tablets"),
        ("once a day", "twice a day"),
        ("8 am", "8:30 am"),
        ("555-0100", "555-0101"),
        ("at least 2 hours", "at most 2 hours"),
    ],
)
def test_other_amounts_conflict(first: str, second: str) -> None:
    [(one, other)] = differ(first, second)
    assert one in first
    assert other in second


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    for amount in quantities(text):
        assert 0 <= amount.start < amount.end <= len(text)
        assert amount.low <= amount.high
        assert text[amount.start : amount.end].strip()


@given(st.floats(0.001, 9999).map(lambda value: round(value, 3)))
def test_grams_are_milligrams(value: float) -> None:
    [grams], [milligrams] = quantities(f"{value:.3f} g"), quantities(f"{value * 1000:.0f} mg")
    assert isinstance(grams, Quantity)
    assert grams.equals(milligrams)
    assert not grams.equals(quantities(f"{value * 2:.3f} g")[0])
