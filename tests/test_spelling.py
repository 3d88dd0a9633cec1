"""Spelling: what is corrected, and all that is not."""

import itertools
import string
import subprocess
import sys

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from bot.lexical import stem
from bot.spelling import FOLDER, Correction, Speller, apply, distance, vocabulary

TEXTS = [
    "Ketamine infusions for chronic pain. Ketamine is an anesthetic; infusions take 40 minutes.",
    "Neuropathic pain, neuropathic conditions and sickle cell disease. Opioid alternatives; opioids are addictive.",
    "Side effects: hallucinations, nausea, high blood pressure. The side effects pass. An infusion is safe.",
    "Treatment with lidocaine, gabapentin or prednisolone. Hydroxyzine helps with itching. Hypertension is treated.",
]
PAIRS = {("sickl", "cell"), ("side", "effect")}


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(
        vocabulary(TEXTS),
        ["Ketamine for chronic pain", "Side effects"],
        lambda first, second: (stem(first), stem(second)) in PAIRS,
    )


def mended(speller: Speller, question: str) -> str:
    return apply(question, speller.corrections(question))


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("does ketamin help", "does ketamine help"),
        ("infusons", "infusions"),
        ("neuropathik pain", "neuropathic pain"),
        ("an opiod", "an opioid"),
        ("some opiods", "some opioids"),
        ("sicle cell", "sickle cell"),
        ("is it adictive?", "is it addictive?"),
        ("morfine or lidocane", "morphine or lidocaine"),  # a drug that the documents don't hold
        ("gabapentine dose", "gabapentin dose"),
        ("any sideeffects", "any side effects"),
        ("neuro pathic pain", "neuropathic pain"),
        ("hallucinatoins", "hallucinations"),
        ("imfusion, ketaminne", "infusion, ketamine"),
        ("depresion", "depression"),
        ("is it ok to go on ketamin or is it bad", "is it ok to go on ketamine or is it bad"),
        ("ketamin's dose", "ketamine's dose"),
        ("ketamin infusons neuropathik", "ketamine infusions neuropathic"),
    ],
)
def test_a_misspelt_word_is_corrected(speller: Speller, question: str, meant: str) -> None:
    assert mended(speller, question) == meant


@pytest.mark.parametrize(
    "question",
    [
        "paste, pasta, past, pest",
        "anaesthetic, anesthetic, haemorrhage, hemorrhage, colour, color, analyse, paediatrician",
        "infusing, infused, infuser, ketamines, sickly, painless, opioid-free, patients' lidocaine's",
        "prednisone, hydralazine, esketamine, norketamine, hypotension, nephropathy, neurosis",
        "Paris, Nintendo, Netflix, uber, google, covid",
        "5mg ketamin5 0.5mg/kg B12 covid-19x",
        "IV, CRPS, OTC, KTMN, NSAIDs",
        "write to ketamin@infuson.org, see www.ketamin.com or https://infuson.org/opiod or ketamin.co.uk",
        "кетамин 氯胺酮 κεταμίνη قيتامين",
        "isnt, dont, they've, y'all, ain't",
        "my doctor is Anna Infusone, from Sicle in Italy",
        "el tratamiento con ketamina para el dolor cronico es seguro",
        "",
        "?!",
        "zxqv qqqqqqq a b c",
    ],
)
def test_what_is_no_misspelling_is_left_alone(speller: Speller, question: str) -> None:
    assert speller.corrections(question) == []


def test_a_correct_english_word_is_never_corrected(speller: Speller) -> None:
    words = [word for path in sorted(FOLDER.glob("*.txt")) for word in path.read_text(encoding="utf-8").split()]
    assert len(words) > 100_000
    for some in _batched(words[::7], 20):
        assert speller.corrections(". ".join(some)) == []


def _batched(words: list[str], size: int) -> list[list[str]]:
    return [words[at : at + size] for at in range(0, len(words), size)]


def test_a_word_of_the_documents_is_never_corrected() -> None:
    speller = Speller(vocabulary(["Ketamin ketamine ketamine"]))
    assert speller.corrections("ketamin") == []


def test_nobody_is_told_that_a_coarse_word_was_meant() -> None:
    coarse = (FOLDER / "coarse.txt").read_text(encoding="utf-8").split()
    speller = Speller({})
    for word in coarse:
        for typo in (word[:-1] + word[-1] * 2, word[0] * 2 + word[1:], word[:1] + word[2:]):
            assert mended(speller, typo).lower() not in coarse or typo in coarse


def test_an_inflection_of_a_word_of_the_documents_is_known() -> None:
    speller = Speller(vocabulary(["zorplax", "a frobnicator", "to blorfe"]))
    assert speller.corrections("zorplaxes, frobnicators, blorfed, blorfing") == []


def test_a_doubtful_word_is_left_alone() -> None:
    speller = Speller(vocabulary(["Blomazine and blonazine are two drugs. Blomazine. Blonazine."]))
    assert speller.corrections("blokazine") == []
    assert mended(speller, "blomasine") == "blomazine"


def test_high_and_low_are_not_taken_for_each_other(speller: Speller) -> None:
    assert speller.corrections("hypetension") == []


def test_a_term_with_its_ending_right_is_not_changed_by_two_errors() -> None:
    speller = Speller(vocabulary(["Frotuzumab. Frotuzumab."]), ["Frotuzumab"])
    assert speller.corrections("flotizumab") == []
    assert mended(speller, "frotuzunab") == "frotuzumab"


def test_capitals_are_kept(speller: Speller) -> None:
    assert mended(speller, "Ketamin") == "Ketamine"
    assert mended(speller, "WHAT IS KETAMIN?") == "WHAT IS KETAMINE?"
    assert mended(speller, "Is Ketamin Safe For Chronic Pain") == "Is Ketamine Safe For Chronic Pain"


def test_a_name_within_a_sentence_needs_to_be_very_near(speller: Speller) -> None:
    assert mended(speller, "is Ketamin safe") == "is Ketamine safe"
    assert speller.corrections("is Kitamune safe") == []


def test_corrections_are_in_order_and_say_where(speller: Speller) -> None:
    assert speller.corrections("Ketamin infusons") == [
        Correction(0, 7, "Ketamin", "Ketamine"),
        Correction(8, 16, "infusons", "infusions"),
    ]


def test_the_vocabulary_counts_folded_words() -> None:
    assert vocabulary(["Ketamine's KETAMINE 50 mg", "Crohn’s"]) == {"ketamine": 2, "mg": 1, "crohn": 1}


def test_an_index_without_words_corrects_to_english() -> None:
    assert mended(Speller({}), "ketamin depresion") == "ketamine depression"


@given(st.text(alphabet=string.ascii_letters + "éß ’'.-5@\n\u0301", max_size=60))
def test_any_text_has_corrections_that_are_its_slices_apart_and_settled(text: str) -> None:
    speller = Speller(vocabulary(TEXTS))
    found = speller.corrections(text)
    assert all(text[one.start : one.end] == one.before != one.after for one in found)
    assert all(first.end <= second.start for first, second in itertools.pairwise(found))
    assert speller.corrections(text) == found


@given(st.text(alphabet="abcehpkz", min_size=1, max_size=9), st.text(alphabet="abcehpkz", min_size=1, max_size=9))
def test_the_distance_is_that_of_the_likeliest_edits(one: str, other: str) -> None:
    """Compared with the plain distance: each error costs 0.5 to 1.3, and ph for f is one."""
    plain = _plain(one, other)
    found = distance(one, other, 100.0)
    assert (found == 0) == (one == other)
    assert found <= 1.3 * plain + 1e-9
    assert found >= 0.3 * plain - 1e-9


def _plain(one: str, other: str) -> int:
    """Optimal string alignment, by the book."""
    cost = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i, j in itertools.product(range(1, len(one) + 1), range(1, len(other) + 1)):
        change = one[i - 1] != other[j - 1]
        cost[i, j] = min(cost[i - 1, j] + 1, cost[i, j - 1] + 1, cost[i - 1, j - 1] + change)
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            cost[i, j] = min(cost[i, j], cost[i - 2, j - 2] + 1)
    return cost[len(one), len(other)]


@pytest.mark.parametrize(
    ("likely", "unlikely"),
    [
        (("ketsmine", "ketamine"), ("ketqmine", "ketbmine")),  # a neighbouring key
        (("neuropathik", "neuropathic"), ("neuropathid", "neuropathig")),  # the same sound
        (("ketaminne", "ketamine"), ("ketamixne", "ketamine")),  # a letter twice
        (("keatmine", "ketamine"), ("katemine", "ketamine")),  # two letters swapped
        (("morfine", "morphine"), ("mortine", "morphine")),
        (("ketamune", "ketamine"), ("letamune", "ketamine")),  # the first letter is usually right
    ],
)
def test_likely_errors_are_nearer(likely: tuple[str, str], unlikely: tuple[str, str]) -> None:
    assert distance(*likely, 9.0) < distance(*unlikely, 9.0)


def test_the_word_lists_are_sorted_folded_and_apart() -> None:
    lists = {path.stem: path.read_text(encoding="utf-8").split() for path in sorted(FOLDER.glob("*.txt"))}
    assert set(lists) == {"coarse", "common", "drugs", "health", "modern", "proper", "rare", "usual"}
    for name, words in lists.items():
        assert words == sorted(set(words)), name
        assert all(word == word.casefold() for word in words), name
    for one, other in itertools.combinations(lists, 2):
        assert {one, other} & {"proper", "coarse"} or not set(lists[one]) & set(lists[other]), (one, other)


def test_the_word_lists_are_not_read_before_they_are_needed() -> None:
    code = "import bot.spelling as s; assert s._english.cache_info().currsize == 0"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
