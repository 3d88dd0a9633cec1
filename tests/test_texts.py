import re
import tomllib
from pathlib import Path

import pytest

from bot import regions, texts
from bot.config import Clinic, Config, Numbers

GOLDEN = Path(__file__).parent / "data" / "texts_en.toml"
PLACEHOLDERS = {"clinic", "phone", "hours", "max_question_chars", "languages", *regions.LINES}


def test_the_wording_is_the_reviewed_one() -> None:
    """A change of wording must be made twice, here and in the catalogue, and raises the version."""
    golden = tomllib.loads(GOLDEN.read_text(encoding="utf-8"))
    assert {id: [entry.version, entry.text] for id, entry in texts.catalogue().items()} == golden


@pytest.mark.parametrize("entry", texts.catalogue().values(), ids=lambda entry: entry.id)
def test_each_text_is_reviewed_and_plain(entry: texts.Entry) -> None:
    assert entry.reviewer
    assert entry.version >= 1
    assert set(re.findall(r"{(\w*)}", entry.text)) <= PLACEHOLDERS
    assert reading_age(entry.text) <= 11, "too hard for a child of eleven"


def reading_age(text: str) -> float:
    """Years: the Flesch-Kincaid grade (Kincaid et al. 1975), plus five; labels of under six words are exempt."""
    words = re.findall(r"[A-Za-z']+", text)
    sentences = max(1, len(re.findall(r"[.!?…:]", text)))
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", re.sub(r"e\b", "", word.lower())))) for word in words)
    if len(words) < 6:
        return 0
    return 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59 + 5


def test_placeholders_are_filled_from_the_configuration() -> None:
    config = Config(clinic=Clinic(name="St. Anne", phone="555 01 00", hours="Mon to Fri, 9 to 5"))
    assert texts.contact(config).text == "Please ask St. Anne. Phone: 555 01 00. We are here: Mon to Fri, 9 to 5."
    assert texts.contact(Config(clinic=Clinic(phone="5"))).id == "contact_phone"
    assert texts.contact(Config()).text == "Please ask the clinic."


def test_a_brace_in_the_configuration_stays_a_brace() -> None:
    assert "{phone}" in texts.contact(Config(clinic=Clinic(name="{phone}", phone="5"))).text


def test_numbers_come_from_the_region_unless_the_clinic_has_its_own() -> None:
    card = "card_overdose_poisoning_immediate"
    assert "call 1-800-222-1222 (Poison Help)" in texts.notice(card, Config()).text
    british = Config(numbers=Numbers(region="UK", poison="0300 555"))
    assert "Call 999 now" in texts.notice(card, british).text
    assert "call 0300 555 now" in texts.notice(card, british).text
    elsewhere = Config(numbers=Numbers(region="Atlantis", emergency="1"))
    assert "call 1 now" in texts.notice(card, elsewhere).text


def test_no_text_is_left_with_an_open_placeholder() -> None:
    for id in texts.catalogue():
        assert "{" not in texts.notice(id, Config(), ["en", "xx"]).text


def test_languages_have_names() -> None:
    assert "Our leaflets are in: English, Spanish." in texts.notice("turn_other_language", Config(), ["en", "es"]).text
