"""Pairs of sentences that may contradict each other: which are found, how they are marked, what is kept of them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from bot import cli, surveys
from bot.config import Config
from bot.consistency import NEAR, Survey, compare, key_of, read, survey
from bot.embed import Encoder
from bot.errors import IndexUnusable
from bot.index import Index

PAIRS = tomllib.loads((ROOT / "tests" / "data" / "consistency.toml").read_text(encoding="utf-8"))
FASTING = "Do not eat for 6 hours before your infusion."
FASTING_TOO = "Do not eat anything for eight hours before the infusion."
ALCOHOL = "You can drink alcohol the evening after your infusion."
NO_ALCOHOL = "You must not drink alcohol the evening after your infusion."


@pytest.mark.parametrize("pair", PAIRS["differ"], ids=lambda pair: pair["second"])
def test_what_differs_is_found_from_either_side(pair: dict[str, str], encoder: Encoder) -> None:
    first, second = read(pair["first"]), read(pair["second"])
    agreement, differences = compare(first, second)
    assert pair["kind"] in {difference.kind for difference in differences}
    assert agreement > 0.6
    turned, back = compare(second, first)
    assert turned == pytest.approx(agreement)
    assert {(one.second, one.first) for one in back} == {(one.first, one.second) for one in differences}
    one, other = encoder.encode_passages([pair["first"], pair["second"]])
    assert one @ other > NEAR


@pytest.mark.parametrize("pair", PAIRS["agree"], ids=lambda pair: pair["second"])
def test_what_says_the_same_is_not_suspected(pair: dict[str, str]) -> None:
    assert compare(read(pair["first"]), read(pair["second"])) == (0.0, ())


def test_differences_are_marked_where_they_are() -> None:
    first, second = "Take 5 mg of it. You may not, however, smoke.", "Take 7 mg of it."
    _, [difference] = compare(read(first), read(second))
    assert first[slice(*difference.first)] == "5 mg"
    assert second[slice(*difference.second)] == "7 mg"
    _, [denied] = compare(read(ALCOHOL), read(NO_ALCOHOL))
    assert ALCOHOL[slice(*denied.first)] == "alcohol"
    assert NO_ALCOHOL[slice(*denied.second)] == "not drink alcohol"


def test_other_subjects_agree_less() -> None:
    same, _ = compare(read("Take aspirin for 5 days."), read("Take aspirin for 7 days."))
    other, _ = compare(read("Take aspirin for 5 days."), read("Take warfarin for 7 days."))
    assert other < same


@given(st.text(max_size=120), st.text(max_size=120))
def test_any_two_texts_can_be_compared(first: str, second: str) -> None:
    agreement, differences = compare(read(first), read(second))
    assert 0 <= agreement <= 1
    for difference in differences:
        assert first[slice(*difference.first)].strip()
        assert second[slice(*difference.second)].strip()


@given(st.text(max_size=200))
def test_no_sentence_contradicts_itself(text: str) -> None:
    assert compare(read(text), read(text)) == (0.0, ())


# A corpus


def leaflets(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def build(tmp_path: Path, encoder: Encoder) -> Index:
    config = Config()
    Index.update(tmp_path / "index", tmp_path / "corpus", encoder, config)
    return Index.load(tmp_path / "index")


@pytest.fixture
def index(tmp_path: Path, encoder: Encoder) -> Index:
    leaflets(
        tmp_path / "corpus",
        before=f"Before your infusion\n\n{FASTING} Bring your list of medicines with you.\n",
        day=f"The day of your infusion\n\n{FASTING_TOO} Bring your list of medicines with you.\n\n{ALCOHOL}\n",
        after=f"After your infusion\n\n{NO_ALCOHOL} Ask somebody to drive you home.\n",
        garden="The garden\n\nThe roses are watered twice a week. Please do not pick them.\n",
    )
    return build(tmp_path, encoder)


def texts(index: Index, made: Survey) -> list[set[str]]:
    return [
        {index.documents[place.document].text[place.start : place.end] for place in (one.first, one.second)}
        for one in made.findings
    ]


def test_contradictions_between_documents_are_found_and_nothing_else(index: Index) -> None:
    made = survey(index)
    assert texts(index, made) == [{ALCOHOL, NO_ALCOHOL}, {FASTING, FASTING_TOO}]
    assert [one.suspicion for one in made.findings] == sorted((one.suspicion for one in made.findings), reverse=True)
    for one in made.findings:
        for place, spans in (
            (one.first, [d.first for d in one.differences]),
            (one.second, [d.second for d in one.differences]),
        ):
            document = index.documents[place.document]
            assert place.sha256 == document.sha256
            assert all(place.start <= start < end <= place.end for start, end in spans)
        words = [index.documents[p.document].text[p.start : p.end] for p in (one.first, one.second)]
        assert one.key == key_of(*words) == key_of(*reversed(words))


def test_a_survey_is_the_same_each_time_and_tells_how_far_it_is(index: Index) -> None:
    told: list[float] = []
    first = survey(index, lambda done, words: told.append(done))
    assert first.findings == survey(index).findings
    assert told[0] == 0
    assert all(0 <= done <= 1 for done in told)
    assert told == sorted(told)


def test_one_document_that_says_both_is_not_suspected(tmp_path: Path, encoder: Encoder) -> None:
    leaflets(tmp_path / "corpus", both=f"Infusions\n\n{FASTING} {FASTING_TOO}\n", one=f"Infusions\n\n{FASTING}\n")
    assert survey(build(tmp_path, encoder)).findings == ()


def test_words_that_many_documents_share_are_one_finding(tmp_path: Path, encoder: Encoder) -> None:
    shared = {f"copy{number}": f"Infusions\n\n{FASTING} This is room {number}.\n" for number in range(12)}
    leaflets(tmp_path / "corpus", other=f"Infusions\n\n{FASTING_TOO}\n", **shared)
    [found] = survey(build(tmp_path, encoder)).findings
    assert sorted(len(place.also) for place in (found.first, found.second)) == [0, 11]


def test_a_corpus_without_sentences_has_no_findings(tmp_path: Path, encoder: Encoder) -> None:
    leaflets(tmp_path / "corpus", one="Hello.\n")
    made = survey(build(tmp_path, encoder))
    assert (made.sentences, made.compared, made.findings) == (0, 0, ())


# What is kept


def test_a_survey_is_kept_as_it_was(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    assert surveys.load(folder) is None
    made = survey(index)
    surveys.save(folder, made)
    kept = surveys.load(folder)
    assert kept is not None
    assert kept.to_dict() == made.to_dict()
    assert kept.findings == made.findings


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1, "findings": [{}]}'])
def test_a_damaged_survey_is_made_again(tmp_path: Path, damage: str) -> None:
    (tmp_path / "consistency.json").write_text(damage)
    assert surveys.load(tmp_path) is None


def test_a_judgement_is_kept_until_it_is_taken_back(tmp_path: Path) -> None:
    first, second = key_of("a", "b"), key_of("a", "c")
    assert surveys.judged(tmp_path) == {}
    made = surveys.judge(tmp_path, first, True, "Erin <b>")
    surveys.judge(tmp_path, second, True, "Vic")
    assert surveys.judged(tmp_path)[first] == made
    surveys.judge(tmp_path, first, False, "Vic")
    assert set(surveys.judged(tmp_path)) == {second}
    with (tmp_path / "consistency_judged.jsonl").open("a") as file:
        file.write('{"key": "cut o')  # the power went
    assert set(surveys.judged(tmp_path)) == {second}


def test_damaged_judgements_are_told(tmp_path: Path) -> None:
    (tmp_path / "consistency_judged.jsonl").write_text("nothing\n")
    with pytest.raises(IndexUnusable):
        surveys.judged(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "consistency_judged.jsonl").mkdir()
    with pytest.raises(IndexUnusable):
        surveys.judge(tmp_path, "key", True, "Erin")


def test_a_changed_sentence_makes_another_pair(tmp_path: Path, encoder: Encoder, index: Index) -> None:
    before = {one.key for one in survey(index).findings}
    leaflets(tmp_path / "corpus", before=f"Before your infusion\n\n{FASTING.replace('6', '4')}\n")
    after = {one.key for one in survey(build(tmp_path, encoder)).findings}
    assert len(before & after) == 1
    assert len(after - before) == 1


def test_the_command_lists_what_is_open(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*more: str) -> str:
        assert cli.main(["consistency", "--index", str(tmp_path / "index"), *more]) == 0
        return capsys.readouterr().out

    shown = run()
    assert "2 pairs to look at, 0 judged to be fine" in shown
    assert FASTING in shown
    found: dict[str, Any] = json.loads(run("--json"))
    assert {side["text"] for one in found["findings"] for side in (one["first"], one["second"])} == {
        FASTING, FASTING_TOO, ALCOHOL, NO_ALCOHOL,
    }  # fmt: skip
    surveys.judge(tmp_path / "index", found["findings"][0]["key"], True, "Erin")
    assert "1 pairs to look at, 1 judged to be fine" in run("-n", "1")
