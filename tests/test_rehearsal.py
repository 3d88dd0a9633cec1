"""What other documents would do to the answers to test questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import WordEncoder

from bot.bot import Bot
from bot.config import Config
from bot.corpus import read_corpus
from bot.evaluation.datasets import read_dataset
from bot.evaluation.rehearsal import Figure, figures, rehearse, to_dict
from bot.index import Index

SHEETS = {
    "nausea.txt": "Feeling sick after the infusion is common. Drink water in small sips.\n",
    "driving.txt": "Do not drive a car for one day after the infusion.\n",
    "food.txt": "Eat nothing for six hours before the infusion.\n",
}
CHANGED = {
    "nausea.txt": "Feeling sick after the infusion is rare. Drink water in small sips.\n",
    "food.txt": SHEETS["food.txt"],
    "parking.txt": "Park your bicycle behind the house.\n",
}
QUESTIONS = [
    {
        "_id": "q1",
        "question": "feeling sick drink water in small sips",
        "document": "nausea.txt",
        "quote": "is common.",
    },
    {"_id": "q2", "question": "drive a car one day", "document": "driving.txt", "quote": "Do not drive a car"},
    {"_id": "q3", "question": "eat nothing six hours", "document": "food.txt", "quote": "Eat nothing for six hours"},
    {"_id": "q4", "question": "park bicycle behind house", "unanswerable": True, "kind": "not_covered"},
    {"_id": "q5", "question": "x" * 3000, "unanswerable": True, "kind": "off_topic"},
]


def bot(folder: Path, sheets: dict[str, str]) -> Bot:
    folder.mkdir()
    for name, text in sheets.items():
        (folder / name).write_text(text)
    config, encoder = Config(), WordEncoder(window=256)
    return Bot(Index.build(read_corpus(folder, config.corpus), folder, encoder, config), encoder, config)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bot, Bot]:
    folder = tmp_path_factory.mktemp("rehearsal")
    return bot(folder / "before", SHEETS), bot(folder / "now", CHANGED)


def test_every_question_is_asked_of_both(both: tuple[Bot, Bot], tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS))
    told: list[tuple[float, str]] = []
    found = rehearse({"mine": read_dataset(tmp_path)}, *both, lambda done, words: told.append((done, words)))
    assert [(one.id, one.move) for one in found] == [
        ("q1", "other"),
        ("q2", "refused"),
        ("q3", ""),
        ("q4", "quoted"),
        ("q5", ""),
    ]
    assert [(one.before.right, one.now.right) for one in found] == [
        (True, None),
        (True, None),
        (True, True),
        (True, False),
        (True, True),
    ]
    sick = found[0]
    assert (sick.before.quote, sick.now.quote) == (SHEETS["nausea.txt"].strip(), CHANGED["nausea.txt"].strip())
    assert "its quote is not in nausea.txt" in sick.unfit
    assert "there is no document 'driving.txt'" in found[1].unfit
    assert told[0] == (0.0, "Asking test question 1 of 5")
    assert figures(found) == [
        Figure("Answered with quotes", 3, 3, 5),
        Figure("Without a quote", 2, 2, 5),
        Figure("Met rightly", 3, 2, 3),
    ]
    made = json.loads(json.dumps(to_dict(found)))
    assert [one["id"] for one in made["changed"]] == ["q2", "q1", "q4"]  # what is refused now comes first
    assert made["moves"] == {"refused": 1, "other": 1, "quoted": 1}
    assert [one["id"] for one in made["unfit"]] == ["q1", "q2"]


def test_the_same_documents_change_nothing(both: tuple[Bot, Bot], tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS))
    found = rehearse({"mine": read_dataset(tmp_path)}, both[0], both[0], lambda done, words: None)
    made = to_dict(found)
    assert (made["changed"], made["unfit"], made["questions"]) == ([], [], 5)
    assert all(figure["before"] == figure["now"] for figure in made["figures"])
    assert rehearse({}, *both, lambda done, words: None) == []
