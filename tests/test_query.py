"""A question becomes what is searched, every change listed and undone at will."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from bot.config import Answering, Config
from bot.errors import QuestionError
from bot.glossary import Entry, Glossary
from bot.query import Change, Knowledge, Query, check, understand
from bot.spelling import Speller, vocabulary

TEXTS = ("Ketamine infusions may cause nausea and vivid dreams. The infusion takes an hour.",)
HOLDS = {"nausea", "infusion", "ketamine", "dreams"}


def knowledge() -> Knowledge:
    glossary = Glossary((Entry("nausea", ("throwing up", "feeling sick")),))
    return Knowledge.of(Speller(vocabulary(TEXTS), ("Ketamine",)), glossary, HOLDS.__contains__)


def nothing(earlier: str) -> Sequence[str]:
    return ()


def test_a_plain_question_is_searched_as_it_is() -> None:
    assert understand("  vivid dreams? ", [], knowledge(), nothing) == Query.plain("  vivid dreams? ")


def test_every_change_is_listed_and_shown() -> None:
    query = understand("what about throwing up after ketamin", [], knowledge(), nothing)
    assert query.text == "what about throwing up after ketamine"
    assert query.expansion == "nausea"
    assert query.searched_for == "what about throwing up after ketamine [nausea]"
    assert query.changes == (Change("spelling", "ketamin", "ketamine"), Change("synonym", "throwing up", "nausea"))


def test_a_follow_up_is_completed_with_the_words_of_an_earlier_question() -> None:
    query = understand("how long does it last?", ["what is a ketamine infusion?"], knowledge(), nothing)
    assert query.text == "how long does it last?"
    assert query.context == "ketamine infusion"
    assert query.searched_for == query.completed == "how long does it last? (ketamine infusion)"
    assert [change.kind for change in query.changes] == ["follow_up"]


def test_another_subject_stands_alone() -> None:
    query = understand("where can visitors park?", ["what is a ketamine infusion?"], knowledge(), nothing)
    assert query == Query.plain("where can visitors park?")


def test_own_words_are_left_alone() -> None:
    asked = "does it make me throw up, ketamin"
    assert understand(asked, ["infusions"], knowledge(), nothing, own_words=True) == Query.plain(asked)


def test_a_change_is_json() -> None:
    assert Change("spelling", "a", "b").to_dict() == {"kind": "spelling", "from": "a", "to": "b"}


@pytest.mark.parametrize(
    ("question", "history", "text_id"),
    [
        (None, [], "question_not_text"),
        ("\ud800", [], "question_not_text"),
        (" ?! ", [], "question_empty"),
        ("x" * 21, [], "question_too_long"),
        ("x", "y", "question_not_text"),
        ("x", [1], "question_not_text"),
        ("x", None, "question_not_text"),
    ],
)
def test_what_cannot_be_asked(question: object, history: object, text_id: str) -> None:
    with pytest.raises(QuestionError) as caught:
        check(question, history, Config(answer=Answering(max_question_chars=20)))
    assert caught.value.text_id == text_id
    check("x" * 20, ["y"], Config(answer=Answering(max_question_chars=20)))


def test_topics_are_asked_for_only_where_earlier_questions_name_nothing() -> None:
    asked: list[str] = []

    def topics(earlier: str) -> Sequence[str]:
        asked.append(earlier)
        return ["Ketamine Treatment"]

    ask: Callable[[str, list[str]], Query] = lambda q, h: understand(q, h, knowledge(), topics)  # noqa: E731
    ask("how long does it last?", ["what is a ketamine infusion?"])
    assert asked == []
    assert ask("how long does it last?", ["is it safe?"]).context == "Ketamine Treatment"
    assert asked == ["is it safe?"]
