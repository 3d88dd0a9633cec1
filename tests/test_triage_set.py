"""The make-up of the labelled emergencies.

What is asserted on is a number, so that a failure shows no line of the held-out half.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "triage"
HALVES = ("live", "live_heldout")
LABELS = {"none", "about", "past"}
CATEGORIES = {
    "self_harm",
    "overdose_poisoning",
    "stroke_heart",
    "breathing_anaphylaxis",
    "bleeding",
    "unconscious_seizure",
    "reaction_after_infusion",
    "pregnancy_baby",
    "violence_abuse",
}


def read(name: str) -> list[dict]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def misfits(name: str, fits: Callable[[dict], bool]) -> list[int]:
    """Line numbers, from 1, of the rows that do not fit."""
    return [number for number, row in enumerate(read(name), start=1) if not fits(row)]


def share(name: str, field: str, value: object, categories: set[str] = CATEGORIES) -> float:
    """The part, 0 to 1, of the rows of these categories that have this value."""
    values = [row[field] for row in read(name) if row["category"] in categories]
    return values.count(value) / len(values)


def has_live_fields(row: dict) -> bool:
    return (
        row.keys() - {"history"} == {"text", "category", "level", "person", "misspelt"}
        and row["category"] in CATEGORIES
        and row["level"] in {"immediate", "urgent"}
        and row["person"] in {"first", "third"}
        and isinstance(row["misspelt"], bool)
    )


def has_harmless_fields(row: dict) -> bool:
    return row.keys() - {"history"} == {"text", "label"} and row["label"] in LABELS


def has_sound_texts(row: dict) -> bool:
    texts = [row["text"], *row.get("history", ["no history"])]
    return len(texts) > 1 and all(isinstance(text, str) and text and text == text.strip() for text in texts)


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower().replace("'", "").replace("’", "")))


@pytest.mark.parametrize("name", HALVES)
def test_every_live_line_has_its_fields(name):
    assert misfits(name, has_live_fields) == []


def test_every_harmless_line_has_a_text_and_a_label():
    assert misfits("harmless", has_harmless_fields) == []


@pytest.mark.parametrize("name", [*HALVES, "harmless"])
def test_texts_and_histories_are_not_blank(name):
    assert misfits(name, has_sound_texts) == []


@pytest.mark.parametrize("name", HALVES)
def test_live_messages_have_2_to_60_words(name):
    assert misfits(name, lambda row: 2 <= len(row["text"].split()) <= 60) == []


@pytest.mark.parametrize("name", HALVES)
def test_each_half_holds_at_least_230_emergencies_spread_evenly(name):
    counts = Counter(row["category"] for row in read(name))
    assert counts.total() >= 230
    assert counts.keys() == CATEGORIES
    assert max(counts.values()) <= 1.2 * min(counts.values())


@pytest.mark.parametrize("name", HALVES)
def test_a_third_is_in_the_third_person_and_a_third_misspelt(name):
    assert 1 / 3 <= share(name, "person", "third") <= 1 / 2
    assert 1 / 3 <= share(name, "misspelt", True) <= 1 / 2


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_every_category_has_both_persons_both_levels_and_misspelt_lines(name, category):
    assert 1 / 4 <= share(name, "person", "third", {category}) <= 3 / 4
    assert 1 / 4 <= share(name, "misspelt", True, {category}) <= 1 / 2
    assert 0 < share(name, "level", "urgent", {category}) < 2 / 3


@pytest.mark.parametrize("name", HALVES)
def test_about_one_in_twenty_is_a_follow_up_turn(name):
    first_turns = misfits(name, lambda row: "history" in row)
    part = len(first_turns) / len(read(name))
    assert 0.92 <= part <= 0.96


def test_harmless_holds_at_least_230_lines_and_50_of_each_label():
    counts = Counter(row["label"] for row in read("harmless"))
    assert counts.total() >= 230
    assert min(counts.values()) >= 50


def test_no_message_occurs_twice_in_the_three_files():
    places: dict[str, list[str]] = {}
    for name in (*HALVES, "harmless"):
        for number, row in enumerate(read(name), start=1):
            places.setdefault(normal(row["text"]), []).append(f"{name}:{number}")
    repeated = [where for where in places.values() if len(where) > 1]
    assert repeated == []
