"""The glossary: what is loaded, what a question is expanded with, and what that is worth."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bot.errors import ConfigError
from bot.glossary import MOST_FORMS, MOST_PHRASES, SHIPPED, Entry, Expansion, Glossary
from bot.lexical import Lexical, Wanted, terms

LEAFLETS = {
    "crps": "Complex regional pain syndrome follows an injury or operation on a limb. The skin may change colour.",
    "neuropathy": "Peripheral neuropathy begins in the toes. Allodynia and paraesthesia are its usual symptoms.",
    "zoster": "Postherpetic neuralgia lasts for more than three months after herpes zoster has healed.",
    "pressure": "Hypertension: an infusion is put off while the systolic value is above 160. Take antihypertensives.",
    "low": "Hypotension is more likely in the first hour. Stand up slowly.",
    "heart": "A myocardial infarction in the last six months rules an infusion out. So does an unstable arrhythmia.",
    "nausea": "Nausea and vomiting are common on the day. An antiemetic is given before it starts.",
    "mind": "Dissociation and hallucinations end within two hours of the end. A calm room helps.",
    "eyes": "Diplopia and nystagmus pass within hours. Glaucoma must be controlled first.",
    "bladder": "Dysuria or haematuria should be reported at once: ketamine can inflame the bladder.",
    "driving": "Drowsiness lasts until the next morning. Nobody drives before that.",
    "fast": "Fasting: six hours before a general anaesthetic, two hours for clear fluids.",
    "cannula": "The cannula goes into the back of the hand. It stays in for the whole intravenous treatment.",
    "injection": "An injection into the muscle of the shoulder takes five minutes. It may ache for a day.",
    "analgesics": "Analgesics are continued on the day. Paracetamol may be taken up to four times.",
    "nsaid": "A non-steroidal anti-inflammatory drug can harm the stomach. Ibuprofen and naproxen belong to them.",
    "blood": "Anticoagulants such as warfarin are stopped five days before a nerve block, if the doctor agrees.",
    "water": "Diuretics are taken as usual, but not within two hours of the appointment.",
    "opioid": "Opioids bring tolerance. Addiction is watched for with a questionnaire.",
    "benzo": "Benzodiazepines weaken the effect. Lorazepam and diazepam are left out that morning if possible.",
    "baby": "Breastfeeding: milk is thrown away for twelve hours. Contraception is needed during the course.",
    "physio": "Physiotherapy follows within the week. Transcutaneous electrical nerve stimulation can be added.",
    "ecg": "An electrocardiogram and blood glucose are checked at the first visit.",
    "licence": "Ketamine is used off-label for pain. The emergency department is open at night.",
}
LAY = {
    "What is RSD?": "crps",
    "I have CRPS in my foot": "crps",
    "pins and needles in my feet": "neuropathy",
    "damaged nerves and light touch hurts": "neuropathy",
    "is it good for pain after shingles": "zoster",
    "Can I come with high blood pressure?": "pressure",
    "do I take my blood pressure tablets": "pressure",
    "what if I get low blood pressure": "low",
    "I had a heart attack in spring": "heart",
    "irregular heartbeat": "heart",
    "will I be throwing up": "nausea",
    "do you give anti-sickness tablets": "nausea",
    "I feel queasy": "nausea",
    "out of body feeling, how long": "mind",
    "seeing things that are not there": "mind",
    "I am spaced out after it": "mind",
    "seeing double": "eyes",
    "I have raised eye pressure": "eyes",
    "burning when I pee": "bladder",
    "blood in my urine": "bladder",
    "how long am I sleepy": "driving",
    "still groggy the next day": "driving",
    "do I come with an empty stomach": "fast",
    "where does the needle in my arm go": "cannula",
    "is it given through a vein": "cannula",
    "does the jab hurt": "injection",
    "how long does a shot take": "injection",
    "can I keep taking my painkillers": "analgesics",
    "is Tylenol allowed": "analgesics",
    "are anti-inflammatories bad for me": "nsaid",
    "I take a blood thinner": "blood",
    "when do I take my water pills": "water",
    "is it addictive": "opioid",
    "do I skip my benzos": "benzo",
    "can I take Valium": "benzo",
    "nursing my baby": "baby",
    "is birth control needed": "baby",
    "when does physical therapy start": "physio",
    "does a TENS machine help": "physio",
    "do I get an EKG": "ecg",
    "will you test my blood sugar": "ecg",
    "is it unlicensed": "licence",
    "which emergency room do I go to": "licence",
}


@pytest.fixture(scope="module")
def glossary() -> Glossary:
    return Glossary.load()


def holding(*texts: str) -> Callable[[str], bool]:
    """Whether one of the texts has the words of a phrase side by side."""
    held = [f" {' '.join(terms(text))} " for text in texts]
    return lambda phrase: bool(terms(phrase)) and any(f" {' '.join(terms(phrase))} " in text for text in held)


def all_but(question: str) -> Callable[[str], bool]:
    """Documents that hold every phrase except those of the question."""
    return lambda phrase: phrase not in question


def after(glossary: Glossary, question: str, known: Callable[[str], bool] | None = None) -> list[str]:
    return [expansion.after for expansion in glossary.expansions(question, known or all_but(question))]


def written(folder: Path, text: str) -> Path:
    path = folder / "glossary.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_glossary_is_small_and_whole(glossary: Glossary) -> None:
    assert 60 <= len(glossary.entries) <= 150
    assert all(len(entry.forms) > 1 for entry in glossary.entries), "an entry of one form expands nothing"


@pytest.mark.parametrize("entry", Glossary.load().entries, ids=lambda entry: entry.term)
def test_every_form_of_the_shipped_glossary_finds_its_term(glossary: Glossary, entry: Entry) -> None:
    held = holding(entry.term)
    for form in entry.forms[1:]:
        assert held(form) or entry.term in after(glossary, f"what about {form} then", held), form


def test_a_phrase_is_expanded_with_what_the_documents_hold_and_nothing_else(glossary: Glossary) -> None:
    question = "Are pins and needles normal?"
    assert glossary.expansions(question, holding("Paraesthesia passes.")) == [
        Expansion(4, 20, "pins and needles", "paraesthesia")
    ]
    assert glossary.expansions(question, holding("Tingling passes.")) == [
        Expansion(4, 20, "pins and needles", "tingling")
    ]
    assert glossary.expansions(question, holding("Pins and needles pass.")) == []


def test_endings_and_hyphens_do_not_matter(glossary: Glossary) -> None:
    assert "analgesic" in after(glossary, "which painkillers")
    assert "dissociation" in after(glossary, "an out-of-body feeling")
    assert "dissociation" in after(glossary, "an out of body feeling")


def test_a_phrase_within_a_longer_one_is_left_alone(glossary: Glossary) -> None:
    pressure = after(glossary, "my high blood pressure tablets", holding("antihypertensive", "hypertension"))
    assert pressure == ["hypertension"]
    assert after(glossary, "a post nasal drip") == []
    assert after(glossary, "is it worth a shot") == []
    assert after(glossary, "tired of anabolic steroids", holding("corticosteroid")) == []


def test_words_are_matched_whole(glossary: Glossary) -> None:
    assert after(glossary, "a gunshot and a jabot") == []


def test_short_abbreviations_count_only_as_they_are_written(glossary: Glossary) -> None:
    assert after(glossary, "I have MS", holding("multiple sclerosis")) == ["multiple sclerosis"]
    assert after(glossary, "ms Jones, er, what is the pt iv tens") == []
    assert after(glossary, "WHAT ER DO I GO TO") == []
    assert after(glossary, "crps", holding("complex regional pain syndrome")) == ["complex regional pain syndrome"]


def test_a_question_that_has_both_forms_is_left_alone(glossary: Glossary) -> None:
    assert after(glossary, "is hypertension the same as high blood pressure?") == []


def test_no_more_than_a_few_forms_are_added(glossary: Glossary) -> None:
    question = "jab, drip, painkiller, queasy, hives, jab and puffy ankles"
    found = glossary.expansions(question, all_but(question))
    assert len({expansion.before for expansion in found}) == MOST_PHRASES
    assert len(found) <= MOST_PHRASES * MOST_FORMS


def test_expansions_are_slices_of_the_question_in_order(glossary: Glossary) -> None:
    for question in LAY:
        found = glossary.expansions(question, all_but(question))
        assert all(question[one.start : one.end] == one.before for one in found)
        assert found == sorted(found, key=lambda one: one.start)


def test_an_own_glossary_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    own = Glossary.load(written(tmp_path, '["Ward 7"]\nlay = ["the pain ward"]\nabbreviations = ["W7"]\n'))
    assert own.entries == (Entry("Ward 7", ("the pain ward",), ("W7",)),)
    assert after(own, "Where is the pain ward?") == ["Ward 7", "W7"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lay = ", "not valid TOML"),
        ('lay = ["drip"]', "no entry"),
        ('["infusion"]\nlay = "drip"', "not a list"),
        ('["infusion"]\nlay = [1]', "not a list"),
        ('["infusion"]\nword = ["drip"]', "unknown key"),
        ('["infusion"]\nlay = ["…"]', "has '…'"),
        ('["infusion"]\nlay = ["drip"]\n["tap"]\nlay = ["drips"]', "in two entries"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        Glossary.load(written(tmp_path, text))
    assert caught.value.remedy


def test_a_glossary_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Glossary.load(tmp_path / "none.toml")


def test_the_glossary_defines_nothing() -> None:
    """A definition may only be a quote; here are words alone."""
    assert all(len(form.split()) <= 7 for entry in Glossary.load(SHIPPED).entries for form in entry.forms)


def test_lay_questions_share_words_with_what_answers_them_once_expanded(glossary: Glossary) -> None:
    lexical = Lexical.build(LEAFLETS.values(), k1=1.2, b=0.75)
    known, names = holding(*LEAFLETS.values()), list(LEAFLETS)

    def shared(question: str, leaflet: str, *more: str) -> bool:
        words = {term for text in (question, *more) for term in terms(text)}
        return bool(lexical.scores(Wanted.of(sorted(words)), np.array([names.index(leaflet)]))[0])

    before = sum(shared(question, meant) for question, meant in LAY.items())
    now = sum(shared(question, meant, *after(glossary, question, known)) for question, meant in LAY.items())
    assert now == len(LAY) >= 40
    assert before < len(LAY) / 2


def test_a_phrase_that_the_documents_hold_is_left_alone_unless_it_is_an_abbreviation(glossary: Glossary) -> None:
    assert after(glossary, "painkillers", holding("a painkiller", "an analgesic")) == []
    assert after(glossary, "CRPS", holding("CRPS", "complex regional pain syndrome")) == [
        "complex regional pain syndrome"
    ]
