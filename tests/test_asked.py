"""What patients ask: counts over time, groups of like questions, answers shown again, and what is taken along."""

from __future__ import annotations

import csv
import io
import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

import numpy as np
import pytest
from conftest import WordEncoder
from hypothesis import given
from hypothesis import strategies as st

from bot import asked
from bot.asked import (
    Period,
    Vectors,
    as_csv,
    grouped,
    nearest,
    notices_again,
    over_time,
    quotes_again,
    words_of,
)
from bot.bot import Bot
from bot.config import Answering, Config, Keeping
from bot.shown import Feedback, Kept, Shown, ShownNotice, ShownQuote
from bot.store import Asked, DayCount, Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def questions(*texts: str) -> list[Asked]:
    """Newest first."""
    return [Asked(f"id{at}", NOON - timedelta(hours=at), text) for at, text in enumerate(texts)]


def shown(**values: object) -> Shown:
    fields: dict[str, object] = {
        "id": "A" * 22,
        "at": NOON,
        "outcome": "not_found",
        "category": None,
        "level": None,
        "confidence": 0.125,
        "generation": "000007",
        "quotes": (),
        "notices": (),
        "milliseconds": 12.5,
    }
    return Shown(**fields | values)  # type: ignore[arg-type]


# Over time


class Counted(Store):
    """Has these counts of each day."""

    def __init__(self, counts: dict[date, dict[str, int]]) -> None:
        super().__init__(Keeping(url=""))
        self.counts = counts

    def outcomes(self, since: date | None = None, until: date | None = None) -> list[DayCount]:
        return [
            DayCount(day, outcome, count)  # type: ignore[arg-type]
            for day, counts in self.counts.items()
            if since <= day <= until  # type: ignore[operator]
            for outcome, count in counts.items()
            if outcome != "turn"
        ]

    def turns(self, since: date | None = None, until: date | None = None) -> dict[date, int]:
        return {
            day: counts["turn"]
            for day, counts in self.counts.items()
            if since <= day <= until and "turn" in counts  # type: ignore[operator]
        }


def test_each_day_is_counted_also_one_on_which_nothing_was() -> None:
    day = date(2026, 3, 1)
    counts = {
        day: {"answered": 5, "not_found": 4, "turn": 3, "emergency": 2, "fault": 1},
        day + timedelta(days=2): {"not_found": 2},
    }
    assert over_time(Counted(counts), day, day + timedelta(days=2)) == [
        Period(day, day, answered=5, refused=1, emergencies=2, faults=1, turns=3),
        Period(day + timedelta(days=1), day + timedelta(days=1)),
        Period(day + timedelta(days=2), day + timedelta(days=2), refused=2),
    ]


@given(st.dates(date(2020, 1, 1), date(2026, 1, 1)), st.integers(0, 4000))
def test_periods_are_few_and_hold_each_day_once(since: date, days: int) -> None:
    until = since + timedelta(days=days)
    random = Random(days)
    every = {since + timedelta(days=random.randrange(days + 1)): {"answered": random.randrange(9)} for _ in range(5)}
    found = over_time(Counted(every), since, until)
    assert len(found) <= 62
    assert found[0].since == since
    assert found[-1].until == until
    assert all(one.until + timedelta(days=1) == next_.since for one, next_ in itertools.pairwise(found))
    lengths = {(one.until - one.since).days for one in found[1:]}
    assert len(lengths) <= 1
    assert sum(one.answered for one in found) == sum(one["answered"] for one in every.values())


# In vain


def test_what_redaction_left_is_compared() -> None:
    assert words_of("can [name] come at [number] ?") == "can come at ?"
    assert words_of("[name], [date] [number]?") == ""
    vectors = Vectors(WordEncoder())
    found = grouped(questions("when can [name] come", "when can come", "[word] [number]!"), vectors)
    assert found.wordless == 1
    assert [[one.id for one in group.questions] for group in found.groups] == [["id0", "id1"]]


def test_like_questions_stand_together_the_most_asked_first() -> None:
    found = grouped(
        questions(
            "is there food",
            "may my dog come along",
            "where do i park my car",
            "where do i park my car please",
            "where do i park the car",
            "may my dog come",
        ),
        Vectors(WordEncoder()),
    )
    assert [[one.id for one in group.questions] for group in found.groups] == [
        ["id2", "id3", "id4"],
        ["id1", "id5"],
        ["id0"],
    ]
    assert found.groups[0].typical == "where do i park my car"
    twice = grouped(questions("may my dog come", "may my dog come along", "may my dog come"), Vectors(WordEncoder()))
    assert [(one.id, count) for one, count in twice.groups[0].wordings] == [("id0", 2), ("id1", 1)]
    assert found.waiting == ()


def test_the_same_questions_give_the_same_groups_in_whatever_order_they_were_embedded() -> None:
    random = Random(3)
    words = "pain sleep food drive work rest cost wait".split()
    texts = [" ".join(random.choice(words) for _ in range(3)) for _ in range(80)]
    asked_ = questions(*texts)
    whole = grouped(asked_, Vectors(WordEncoder()))
    piecemeal = Vectors(WordEncoder())
    for text in sorted(texts):
        piecemeal.of([text])
    assert grouped(asked_, piecemeal) == whole
    together = [one for group in whole.groups for one in group.questions]
    assert sorted(together, key=lambda one: one.id) == sorted(asked_, key=lambda one: one.id)
    sizes = [len(group.questions) for group in whole.groups]
    assert sizes == sorted(sizes, reverse=True)
    of_text = {one.text: at for at, group in enumerate(whole.groups) for one in group.questions}
    assert all(of_text[one.text] == at for at, group in enumerate(whole.groups) for one in group.questions)


def test_groups_are_as_far_apart_as_is_said() -> None:
    encoder = WordEncoder()
    random = Random(5)
    words = "pain sleep food drive work".split()
    found = grouped(questions(*(" ".join(random.choice(words) for _ in range(3)) for _ in range(60))), Vectors(encoder))
    rows = [
        np.array([encoder.encode_query(text) for text in sorted({one.text for one in g.questions})])
        for g in found.groups
    ]
    for at, one in enumerate(rows):
        for other in rows[at + 1 :]:
            assert 1 - float((one @ other.T).mean()) > asked.APART - 1e-5


def test_the_newest_are_compared_first_and_the_rest_waits() -> None:
    class Slow(WordEncoder):
        def encode_query(self, text: str) -> np.ndarray:
            time.sleep(0.02)
            return super().encode_query(text)

    vectors = Vectors(Slow())
    asked_ = questions(*(f"question of the kind {n}" for n in range(40)))
    found = grouped(asked_, vectors, 0.1)
    assert found.waiting
    assert found.groups
    assert {one.id for group in found.groups for one in group.questions} == {
        one.id for one in asked_[: len(asked_) - len(found.waiting)]
    }
    vectors.of([one.text for one in asked_])
    assert grouped(asked_, vectors, 0.0).waiting == ()
    assert grouped([], vectors).groups == ()


def test_vectors_are_kept_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Counting(WordEncoder):
        def encode_query(self, text: str) -> np.ndarray:
            calls.append(text)
            return super().encode_query(text)

    monkeypatch.setattr(asked, "_REMEMBERED", 3)
    vectors = Vectors(Counting())
    vectors.of("abc")
    vectors.of("abcd")
    assert calls == list("abcd")
    vectors.of("a")
    assert calls == list("abcda")


def test_what_is_nearest_is_what_the_answer_rests_on(bot: Bot) -> None:
    for question in ("What are the side effects of ketamine?", "how much does parking cost", "can [name] have it"):
        near = nearest(bot, question, 10)
        answer = bot.ask(words_of(question))
        assert near is not None
        assert near.is_answered == bool(answer.quotes)
        assert (near.margin >= 0) == bool(answer.quotes)
        assert [one.hit.rank for one in near.passages] == list(range(1, len(near.passages) + 1))
        assert near.confidence == max(one.confidence for one in near.passages)
        if not answer.quotes:
            assert near.confidence == answer.confidence
    assert nearest(bot, "[name] [date]") is None
    assert nearest(bot, "x" * 3000) is None


def test_an_own_threshold_is_heeded(bot: Bot) -> None:
    sure = Bot(bot.index, bot.encoder, replace(bot.config, answer=Answering(answer_above=1.0)))
    near = nearest(sure, "What are the side effects of ketamine?", 2)
    assert near is not None
    assert near.threshold == 1.0
    assert not near.is_answered
    assert len(near.passages) == 2


# As it was shown


def test_quotes_come_back_as_they_were_shown(bot: Bot) -> None:
    answer = bot.ask("What are the side effects of ketamine?")
    quotes = [ShownQuote(q.rank, q.document, q.start, q.end, q.sha256, q.highlights) for q in answer.quotes]
    [found] = quotes_again([shown(quotes=quotes)], bot)
    assert len(found) == len(answer.quotes) > 0
    for quote, again in zip(answer.quotes, found, strict=True):
        assert "".join(text for text, _ in again.pieces) == quote.text
        marked = [text for text, marked in again.pieces if marked]
        assert marked == [quote.text[a - quote.start : b - quote.start] for a, b in quote.highlights if a < b]
        assert again.document is not None
        assert (again.document.title, again.section, again.page) == (quote.title, quote.section, quote.page)


def test_of_another_text_nothing_is_shown(bot: Bot) -> None:
    document = next(iter(bot.documents()))
    end = len(document.text)
    for changed in (
        ShownQuote(1, document.id, 0, 5, "0" * 64, ()),
        ShownQuote(1, "gone.txt", 0, 5, document.sha256, ()),
        ShownQuote(1, document.id, 0, end + 1, document.sha256, ()),
    ):
        assert [(one.document, one.pieces) for one in quotes_again([shown(quotes=[changed])], bot)[0]] == [(None, ())]


def test_fixed_texts_are_shown_in_the_version_that_was_shown_only() -> None:
    config = Config()
    now, older, gone = notices_again(
        [ShownNotice("sources_only", 1), ShownNotice("sources_only", 99), ShownNotice("no_such_text", 1)], config
    )
    assert now.text is not None
    assert now.text.startswith("These are the exact words")
    assert (older.text, older.now) == (None, 1)
    assert (gone.text, gone.now) == (None, None)
    (languages,) = notices_again([ShownNotice("turn_other_language", now_version("turn_other_language"))], config)
    assert "…" in (languages.text or "")


def now_version(id: str) -> int:
    return notices_again([ShownNotice(id, 0)], Config())[0].now or 0


# To take along


def read(rows: Sequence[Kept]) -> list[dict[str, str]]:
    text = "".join(as_csv(rows))
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


def test_each_row_is_exported_with_all_that_is_kept() -> None:
    quote = ShownQuote(1, "é.txt", 3, 9, "ab" * 32, ((3, 5),))
    one = Kept(
        shown(
            outcome="answered",
            quotes=(quote, quote),
            notices=(ShownNotice("a", 2), ShownNotice("b", 1)),
            question='x "y", z',
        ),
        Feedback(False, "unclear", NOON),
    )
    two = Kept(shown(outcome="fault", confidence=None, fault="OSError"), None)
    first, second = read([one, two])
    assert first == {
        "id": "A" * 22,
        "time": "2026-03-01T12:00:00+00:00",
        "outcome": "answered",
        "category": "",
        "level": "",
        "confidence": "0.125",
        "generation": "000007",
        "milliseconds": "12.5",
        "question": 'x "y", z',
        "quotes": f"é.txt 3-9 {'ab' * 32}; é.txt 3-9 {'ab' * 32}",
        "notices": "a 2; b 1",
        "fault": "",
        "helped": "no",
        "reason": "unclear",
        "feedback_time": "2026-03-01T12:00:00+00:00",
    }
    assert (second["fault"], second["confidence"], second["helped"]) == ("OSError", "", "")
    assert "".join(as_csv([])).count("\r\n") == 1


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_no_cell_is_a_formula_and_none_is_lost(text: str) -> None:
    (row,) = read([Kept(shown(question=text, quotes=(ShownQuote(1, text, 0, 1, "a", ()),)), None)])
    assert row["question"] in (text, f"'{text}")
    for cell in row.values():
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    (row,) = read([Kept(shown(question=text, id="-" * 22), None)])
    assert row["question"] == f"'{text}"
    assert row["id"] == "'" + "-" * 22
