"""Emergencies, personal questions and other turns: the rules' own examples, and what holds for any text."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import regions, spelling, texts
from bot.patterns import Phrases, Spelling
from bot.points import Points, phrases
from bot.triage import FOLDER, LEVELS, Rule, Rules, Triage, compile_rules, load_rules, read, triage

DATA = Path(__file__).parent / "triage"
RULES = load_rules().rules
EMERGENCIES = [rule for rule in RULES if rule.category not in ("personal", "turn")]
ALONE = compile_rules(Points({}, 1, 1, -1))
"""The rules without points."""
RANK = {"immediate": 0, "urgent": 1, "ask_clinic": 2, None: 3}


def of_kind(rule: Rule, text: str, rules: Rules | None = None) -> Triage:
    reading = read(text, rules=rules)
    kinds = {"personal": reading.personal, "turn": reading.turn}
    return kinds.get(rule.category, reading.emergency) or Triage()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_finds_its_examples_and_not_its_counter_examples(rule: Rule) -> None:
    assert rule.examples
    assert rule.counter
    for text in rule.examples:
        assert of_kind(rule, text, ALONE).rule, text
        found = of_kind(rule, text)
        assert found.rule, text
        assert RANK[found.level] <= RANK[rule.level], text
        if rule.category in ("personal", "turn"):
            assert found.category == rule.category, text
    for text in rule.counter:
        assert of_kind(rule, text, ALONE).rule is None, text


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("he took too many pills", "immediate"),
        ("my sister had a stroke in 2010", None),
        ("my sister is having a stroke", "immediate"),
        ("no chest pain", None),
        ("I have no chest pain, but my left arm is weak and my speech is slurred", "immediate"),
        ("I'd die for a coffee", None),
        ("this queue is killing me", None),
        ("cant breath", "immediate"),
        ("sucide is all i think about", "immediate"),
        ("I W4NT T0 D1E", "immediate"),
        ("k!ll myself", "immediate"),
        ("s u i c i d e is on my mind", "immediate"),
        ("i want to diiiiie", "immediate"),
        ("what are the signs of an overdose?", None),
        ("which tablets work fastest", "immediate"),
        ("I CAN’T BREATHE!!!", "immediate"),
        ("my chest hurts", "urgent"),
        ("should I stop my tablets?", "ask_clinic"),
        ("what is the usual dose?", None),
        ("what should I wear?", None),
    ],
)
def test_tense_negation_idiom_and_spelling_are_told_apart(text: str, level: str | None) -> None:
    assert triage(text).level == level


def test_a_question_about_an_emergency_names_it_and_its_small_card() -> None:
    found = triage("what are the signs of an overdose?")
    assert (found.level, found.category, found.card) == (None, "overdose_poisoning", "card_overdose_poisoning_about")
    assert found.matched == "overdose"
    reading = read("what are the signs of an overdose?")
    assert reading.about == found
    assert reading.emergency is None


def test_a_live_emergency_stays_live_while_one_goes_on_about_it() -> None:
    history = ["my dad took 30 tablets"]
    assert triage("what should I do?", history).level == "immediate"
    assert triage("what are your opening hours?", history).level is None
    assert triage("now he won't wake up", ["how long does it last?"]).level == "immediate"
    assert triage("and now there's blood", ["is it ok to take codeine when pregnant"]).level in LEVELS[:2]


def test_the_result_is_the_object_of_the_contract() -> None:
    found = triage("I can't breathe")
    assert list(found) == ["level", "category", "card", "rule", "matched"]
    assert json.loads(json.dumps(dict(found))) == found.to_dict()
    assert found["level"] == found.level == "immediate"
    assert found["matched"] == "can't breathe"
    assert dict(triage("hello there")) == dict.fromkeys(found)


def test_a_dose_that_is_asked_for_is_marked() -> None:
    assert read("what dose for me at 80 kg?").asks_dose
    assert not read("is it safe with my lithium?").asks_dose


def test_every_card_is_in_the_catalogue() -> None:
    cards = {rule.card for rule in RULES}
    for category in {rule.category for rule in EMERGENCIES}:
        cards |= {f"card_{category}_{level}" for level in (*LEVELS, "about")}
    assert cards | {"card_in_doubt_immediate", "card_in_doubt_urgent"} <= set(texts.catalogue())
    assert {"personal_advice", "personal_dose", "turn_other_language"} <= set(texts.catalogue())


@pytest.mark.parametrize("region", regions.regions())
def test_no_card_has_an_unfilled_placeholder(region: str) -> None:
    lines = regions.lines(region)
    for id, entry in texts.catalogue().items():
        if id.startswith("card_"):
            text = entry.text.format_map({**lines, "clinic": "the clinic"})
            assert "{" not in text
            assert "()" not in text
            assert re.search(r"\d", text)


def test_a_line_that_a_region_lacks_is_its_emergency_number() -> None:
    assert regions.lines("EU")["poison"] == "112"
    assert regions.lines("UK", {"crisis": "555", "poison": ""})["crisis"] == "555"
    assert regions.lines("Mars", {"emergency": "1"})["abuse"] == "1"
    with pytest.raises(ValueError, match="no emergency number"):
        regions.lines("Mars")
    with pytest.raises(ValueError, match="unknown lines"):
        regions.lines("US", {"fire": "1"})


def shares(name: str) -> list[bool]:
    rows = [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    return [triage(row["text"], row.get("history", ())).level in LEVELS[:2] for row in rows]


def test_live_emergencies_get_a_card() -> None:
    hits = shares("live.jsonl")
    assert sum(hits) >= 0.97 * len(hits)


def test_harmless_texts_rarely_get_one() -> None:
    """Most of them were written to be mistaken."""
    hits = shares("harmless.jsonl")
    assert sum(hits) <= 0.22 * len(hits)


def test_points_tell_what_no_rule_names_and_calm_what_one_does() -> None:
    points = Points({"pale": 4, "not _ up": 3, "my": 1, "thank you": -9}, urgent=8, immediate=20, calm=-5)
    rules = compile_rules(points)
    told = read("my son is pale and will not sit up", rules=rules).emergency
    assert told == Triage("urgent", "in_doubt", "card_in_doubt_urgent", "points", "pale")
    assert read("my son is pale", rules=rules).emergency is None
    assert triage("my chest hurts").level == "urgent"
    assert read("my chest hurts, thank you", rules=rules).emergency is None
    lower = read("he is not breathing, thank you", rules=rules).emergency
    assert lower is not None
    assert lower.card == "card_breathing_anaphylaxis_urgent"


def test_a_phrase_counts_once_and_within_its_sentence() -> None:
    points = Points({"pale": 4, "not _ up": 3}, urgent=8, immediate=20, calm=-5)
    words = ALONE.phrases.words("Pale, pale. He is not. Sit up")
    assert points.tally(words).points == 4
    assert {"he is not", "is not", "not"} <= {phrase for phrase, _, _ in phrases(words)}
    assert "not _ up" not in {phrase for phrase, _, _ in phrases(words)}


def test_every_phrase_with_points_is_as_a_text_is_read() -> None:
    shipped = load_rules()
    words = {word for phrase in shipped.points.worth for word in phrase.split() if word != "_"}
    assert [word for word in words if shipped.phrases.words(word).words != (word,)] == []


def test_one_who_wants_to_die_is_not_taken_for_one_who_threatens() -> None:
    assert triage("I want to kill myself").category == "self_harm"
    assert triage("I want to kill my neighbour").category == "violence_abuse"


ALARMING = st.sampled_from(
    "i he my took can't not no breathe chest pain tablets 30 kill die want to ... what is . , blood baby 38.5".split()
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ALARMING | st.text(max_size=12), max_size=60).map(" ".join))
def test_any_text_is_read_and_what_matched_is_a_slice_of_it(text: str) -> None:
    found = triage(text, [text])
    assert found.matched is None or found.matched in text
    assert found.level is None or found.rule in {"points", *(rule.id for rule in RULES)}


@pytest.mark.parametrize(
    "unit",
    ["a", "took 30 ", "can not ", "i want to ", "chest pain ", "!", "s u ", "aaaa ", "1", "'", "$@!", "no or "],
)  # fmt: skip
def test_the_work_grows_with_the_length_and_with_nothing_else(unit: str) -> None:
    """What the parser finds is counted, not time: each of it costs the same, however long the text."""
    phrases = load_rules().phrases
    found = [len(phrases.find(phrases.words(unit * times))) for times in (200, 400, 800)]
    assert found[2] - found[1] <= 2.5 * max(1, found[1] - found[0]) + 10


def test_a_phrase_may_have_gaps_choices_lists_and_parts_that_are_missing() -> None:
    phrases = Phrases(
        {"animal": ["cat", "big dog"], "bite": ["{animal} ... bit|has_bitten my? hand"]}, {"doggo": "dog"}
    )
    text = phrases.words("A BIG DOGGO once again bit my hand. The cat has bitten hand")
    assert [(match.name, text.words[match.start : match.end][-1]) for match in phrases.find(text)] == [
        ("animal", "dog"),
        ("bite", "hand"),
        ("animal", "cat"),
        ("bite", "hand"),
    ]


@pytest.mark.parametrize("phrase", ["... cat", "cat ...", "", "{dog}"])
def test_a_phrase_that_cannot_be_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="list: "):
        Phrases({"list": [phrase]}, {})


REAL_WORDS = FOLDER / "real_words.txt"
LISTS = ("common", "usual", "health", "drugs", "modern")


def real_words() -> list[str]:
    """English words and drugs that would be read as a misspelt alarming word, were they not known."""
    shipped = load_rules().phrases.spelling
    reading = Spelling(shipped._known, shipped._written, frozenset())
    words = {word for name in LISTS for word in (spelling.FOLDER / f"{name}.txt").read_text(encoding="utf-8").split()}
    plain = (word for word in words if re.fullmatch("[a-z]{5,24}", word))
    return sorted(word for word in plain if reading.read(word) != (word,) and word not in reading._written)


def test_no_english_word_is_taken_for_a_misspelt_alarm() -> None:
    """To renew the list after a change of the rules: python tests/test_triage.py"""
    assert REAL_WORDS.read_text(encoding="utf-8").split() == real_words()


if __name__ == "__main__":
    REAL_WORDS.write_text("\n".join(real_words()) + "\n", encoding="utf-8")
