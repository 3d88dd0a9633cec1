import math

import pytest
from conftest import WordEncoder

from bot.bot import Bot
from bot.confidence import Calibration, _dice, features, shipped
from bot.config import MOST_WRONG

CALIBRATION = Calibration(-1.0, {"dense": 2.0, "title": 0.5}, {})


def test_confidence_follows_the_formula() -> None:
    found = CALIBRATION.confidence({"dense": 0.3, "title": 1.0, "unused": 9.0})
    assert found == pytest.approx(1 / (1 + math.exp(1 - 0.6 - 0.5)), abs=1e-4)


def test_a_better_match_never_lowers_it() -> None:
    with pytest.raises(ValueError, match="negative"):
        Calibration(0.0, {"dense": -1.0}, {})
    assert all(coefficient >= 0 for coefficient in shipped().coefficients.values())


def test_the_shipped_calibration_has_every_feature(bot: Bot) -> None:
    hits = bot.search("What are the side effects of ketamine?", k=1)
    assert features(hits, bot.index, bot.encoder, 1)[0].keys() == shipped().coefficients.keys()


def test_the_fewer_wrong_answers_the_higher_the_threshold() -> None:
    thresholds = [shipped().thresholds[percent] for percent in MOST_WRONG]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(0 < threshold < 1 for threshold in thresholds)


def test_names_count_as_held_in_spite_of_a_typing_mistake(bot: Bot) -> None:
    def names(question: str) -> float:
        hits = bot.search(question, k=1)
        return features(hits, bot.index, bot.encoder, 1)[0]["names"]

    assert names("ketamine side effects") == 1
    assert names("ketamin side effects") == 1
    assert names("spironolactone side effects") == 0
    assert 0 < names("ketamine or spironolactone") < 1
    assert names("how does it feel") == 1, "no unusual word, nothing to miss"


def test_a_question_of_stop_words_alone_has_features_too(bot: Bot) -> None:
    hits = bot.search("is it?", k=1)
    assert all(math.isfinite(value) for value in features(hits, bot.index, bot.encoder, 1)[0].values())


def test_dice_by_hand() -> None:
    # ^pain$ has ^pa pai ain in$; ^pains$ has ^pa pai ain ins ns$: three are shared.
    assert _dice("pain", "pains") == pytest.approx(2 * 3 / (4 + 5))
    assert _dice("pain", "pain") == 1
    assert WordEncoder().count_tokens(["pain"]) == [2]
