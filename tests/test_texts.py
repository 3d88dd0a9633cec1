import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from bot import regions, texts
from bot.bot import Bot
from bot.config import Clinic, Config, Numbers
from bot.errors import ConfigError

GOLDEN = Path(__file__).parent / "data" / "texts_en.toml"
PLACEHOLDERS = {"clinic", "phone", "hours", "max_question_chars", "retention_days", "languages", *regions.LINES}


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


# Other languages


def write(folder: Path, language: str, entries: dict[str, texts.Entry], **changed: str | None) -> Config:
    """Writes a catalogue with some texts changed or, where None, left out; settings that choose it."""
    lines = []
    for entry in entries.values():
        text = changed.pop(entry.id, entry.text)
        if text is not None:
            lines.append(f"[{entry.id}]\nversion = 1\nreviewer = 'R'\ntext = {json.dumps(text, ensure_ascii=False)}\n")
    lines += [f"[{id}]\nversion = 1\nreviewer = 'R'\ntext = {json.dumps(text)}\n" for id, text in changed.items()]
    (folder / f"{language}.toml").write_text("\n".join(lines), encoding="utf-8")
    return Config(clinic=Clinic(language=language))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of catalogues of our own, with the English one in it."""
    shutil.copy(texts.FOLDER / "en.toml", tmp_path)
    shutil.copy(texts.FOLDER / "languages.toml", tmp_path)
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    return tmp_path


def test_another_language_is_one_more_file(folder: Path) -> None:
    config = write(folder, "de-CH", dict(texts.catalogue()), send="Fragen")
    assert texts.notice("send", config).text == "Fragen"
    assert texts.notice("send", Config()).text == "Ask"
    assert texts.notice("card_self_harm_immediate", config).text.count("911") == 1


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"send": None}, "lacks [send]"),
        ({"sned": "Fragen"}, "has [sned], which is no text of ours"),
        ({"send": "Fragen {phone}"}, "has {phone} in [send], which does not belong there"),
        ({"send": "Fragen {nothing}"}, "has {nothing} in [send]"),
        ({"about_call": "Rufen Sie {emergency} an."}, "lacks {crisis} in [about_call]"),
        ({"send": "Fragen {clinic.name}"}, "no placeholder's name"),
        ({"send": "Fragen {clinic!r}"}, "no placeholder's name"),
        ({"send": "Fragen {clinic:>9}"}, "no placeholder's name"),
        ({"send": "Fragen {}"}, "no placeholder's name"),
        ({"send": "Fragen {"}, "[send]"),
        ({"send": "  "}, "empty reviewer or text"),
    ],
)
def test_a_catalogue_that_is_not_whole_is_named_at_the_start(
    folder: Path, bot: Bot, changed: dict[str, str | None], problem: str
) -> None:
    config = write(folder, "de", dict(texts.catalogue()), **changed)
    with pytest.raises(ConfigError, match=re.escape(problem)) as caught:
        Bot(bot.index, bot.encoder, config)
    assert "de.toml" in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    "content", ["[send", "send = 3", "[send]\ntext = 'x'", "[send]\nversion='1'\nreviewer='R'\ntext='x'"]
)
def test_a_file_that_is_no_catalogue_is_named(folder: Path, content: str) -> None:
    (folder / "de.toml").write_text(content)
    with pytest.raises(ConfigError, match=r"de\.toml is no catalogue of texts"):
        texts.catalogue("de")


@pytest.mark.parametrize("language", ["xx", "", "../en", "en.toml", "/etc/passwd", "languages"])
def test_a_language_without_texts_is_a_problem_with_a_remedy(bot: Bot, language: str) -> None:
    with pytest.raises(ConfigError, match="there are no texts in the language") as caught:
        Bot(bot.index, bot.encoder, Config(clinic=Clinic(language=language)))
    assert "one of: en" in caught.value.remedy
