from pathlib import Path

import pytest

from bot.bot import Bot
from bot.config import Keeping
from bot.store import Store
from bot.texts import catalogue
from bot.ui.feedback import Recorder


def test_an_answer_and_what_was_thought_of_it_are_kept(bot: Bot, tmp_path: Path) -> None:
    store = Store.open(Keeping(url=f"sqlite:///{tmp_path / 'store.db'}"))
    recorder = Recorder(store, bot)
    id = recorder.answer(bot.ask("What are the side effects of ketamine?"), 7.0)
    assert id
    assert recorder.feedback(id, False) == "feedback_thanks"
    assert recorder.feedback(id, False, "unclear") == "feedback_thanks"
    recorder.fault("why?", ZeroDivisionError(), 1.0)
    kept = store.get(id)
    assert kept
    assert kept.feedback
    assert (kept.feedback.helped, kept.feedback.reason) == (False, "unclear")
    store.close()


@pytest.mark.parametrize(
    ("id", "helped", "reason"),
    [("x" * 22, True, None), ("x", True, None), (None, True, None), (7, "yes", None), ({}, [], {}), ("x", False, 5)],
)
def test_feedback_that_cannot_be_meant_is_refused(
    bot: Bot, tmp_path: Path, id: object, helped: object, reason: object
) -> None:
    store = Store.open(Keeping(url=f"sqlite:///{tmp_path / 'store.db'}"))
    assert Recorder(store, bot).feedback(id, helped, reason) == "feedback_fault"
    store.close()


def test_a_store_that_is_down_stops_no_answer(bot: Bot, tmp_path: Path) -> None:
    store = Store.open(Keeping(url=f"sqlite:///{tmp_path / 'none' / 'store.db'}"))
    recorder = Recorder(store, bot)
    id = recorder.answer(bot.ask("What are the side effects of ketamine?"), 7.0)
    assert id
    assert recorder.feedback(id, True) == "feedback_fault"
    store.close(seconds=0.1)


def test_where_nothing_is_kept_nobody_is_asked(bot: Bot) -> None:
    recorder = Recorder(Store.open(Keeping(url="")), bot)
    assert recorder.answer(bot.ask("What are the side effects of ketamine?"), 7.0) is None


def test_each_outcome_has_its_text() -> None:
    assert {"feedback_thanks", "feedback_fault"} <= set(catalogue())
