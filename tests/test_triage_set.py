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
HARMLESS = ("harmless", "harmless_heldout")
ORDINARY = "ordinary_heldout"
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
        row.keys() - {"history"} == {"text", "category", "level", "person", "misspelt", "writer"}
        and row["category"] in CATEGORIES
        and row["level"] in {"immediate", "urgent"}
        and row["person"] in {"first", "third"}
        and isinstance(row["misspelt"], bool)
    )


def has_harmless_fields(row: dict) -> bool:
    return row.keys() - {"history"} == {"text", "label", "writer"} and row["label"] in LABELS


def has_sound_texts(row: dict) -> bool:
    texts = [row["text"], *row.get("history", ["no history"])]
    return len(texts) > 1 and all(isinstance(text, str) and text and text == text.strip() for text in texts)


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower().replace("'", "").replace("’", "")))


@pytest.mark.parametrize("name", HALVES)
def test_every_live_line_has_its_fields(name):
    assert misfits(name, has_live_fields) == []


@pytest.mark.parametrize("name", [*HARMLESS, ORDINARY])
def test_every_harmless_line_has_a_text_and_a_label(name):
    assert misfits(name, has_harmless_fields) == []


@pytest.mark.parametrize("name", [*HALVES, *HARMLESS, ORDINARY])
def test_texts_and_histories_are_not_blank(name):
    assert misfits(name, has_sound_texts) == []


@pytest.mark.parametrize("name", HALVES)
def test_live_messages_have_2_to_120_words(name):
    assert misfits(name, lambda row: 2 <= len(row["text"].split()) <= 120) == []


@pytest.mark.parametrize("name", HALVES)
def test_each_half_holds_enough_of_every_category(name):
    counts = Counter(row["category"] for row in read(name))
    assert counts.total() >= 400
    assert counts.keys() == CATEGORIES
    assert min(counts.values()) >= 60


@pytest.mark.parametrize("name", HALVES)
def test_a_third_is_in_the_third_person_and_many_are_misspelt(name):
    assert 1 / 3 <= share(name, "person", "third") <= 1 / 2
    assert 1 / 5 <= share(name, "misspelt", True) <= 1 / 2


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_every_category_has_both_persons_both_levels_and_misspelt_lines(name, category):
    assert 1 / 5 <= share(name, "person", "third", {category}) <= 3 / 4
    assert share(name, "misspelt", True, {category}) >= 1 / 8
    assert 0 < share(name, "level", "urgent", {category}) < 2 / 3


@pytest.mark.parametrize("name", [*HALVES, *HARMLESS, ORDINARY])
def test_some_are_follow_up_turns(name):
    follow_ups = [row for row in read(name) if "history" in row]
    assert len(follow_ups) >= 0.04 * len(read(name))


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_lines_have_every_label(name):
    counts = Counter(row["label"] for row in read(name))
    assert min(counts[label] for label in LABELS) >= 40


def test_the_halves_are_by_other_writers():
    writers = [{row["writer"] for name in names for row in read(name)} for names in zip(HALVES, HARMLESS, strict=True)]
    assert not writers[0] & (writers[1] | {row["writer"] for row in read(ORDINARY)})


def test_no_message_occurs_twice():
    """The same words with another history are another message."""
    places: dict[tuple[str, ...], list[str]] = {}
    for name in (*HALVES, *HARMLESS, ORDINARY):
        for number, row in enumerate(read(name), start=1):
            said = tuple(map(normal, (row["text"], *row.get("history", []))))
            places.setdefault(said, []).append(f"{name}:{number}")
    assert [where for where in places.values() if len(where) > 1] == []
