"""Sentence borders: cases from clinic leaflets, what holds for any text, and the growth of the time taken."""

import json
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sentences import sentences

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "sentence_cases.jsonl").read_text("utf-8").split("\n")
    if line
]
BREAKS = ["\n", "\r\n", "\r", "\f", "\v", "\x85", "\u2028", "\u2029"]
MARKS = ' .!?…。؟"“”()[]*#|-•>\t\ufeff'
WORDS = "1. /(ii) /a) /Dr./e.g./a.m./St./No. /The/not/pH/2.5/mg/WARD/Fax: /Monday/病/بيت/🙂/e\u0301/---/\n\n/   "
PIECES = st.sampled_from([*BREAKS, *MARKS, *WORDS.split("/")])
TEXTS = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=80)


def split(text: str) -> list[str]:
    return [text[first:last] for first, last in sentences(text)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["sentences"][0][:40])
def test_case(case):
    assert split(case.get("join", " ").join(case["sentences"])) == case["sentences"]


@given(TEXTS, st.integers(-90, 90), st.none() | st.integers(-90, 90))
def test_spans_ascend_and_cover_every_character_but_space(text, start, end):
    spans = sentences(text, start, end)
    borders = [border for span in spans for border in span]
    window = range(len(text))[start:end]
    assert borders == sorted(borders)
    assert all(text[first:last] and text[first:last] == text[first:last].strip() for first, last in spans)
    covered = [i for first, last in spans for i in range(first, last) if not text[i].isspace()]
    assert covered == [i for i in window if not text[i].isspace()]
    assert all(window[0] <= first and last <= window[-1] + 1 for first, last in spans)


@given(TEXTS, TEXTS, TEXTS)
def test_a_window_on_paragraph_borders_gives_what_the_whole_text_gives(before, inside, after):
    text = f"{before}\n\n{inside}\n\n{after}"
    start, end = len(before) + 2, len(before) + 2 + len(inside)
    assert sentences(text, start, end) == [span for span in sentences(text) if start <= span[0] < end]


@given(TEXTS, TEXTS, TEXTS)
def test_nothing_outside_the_window_counts(before, inside, after):
    shift = len(before)
    text = before + inside + after
    expected = [(first + shift, last + shift) for first, last in sentences(inside)]
    assert sentences(text, shift, shift + len(inside)) == expected


@given(TEXTS, TEXTS)
def test_a_blank_line_always_ends_a_sentence(before, after):
    assert split(f"{before}\n\n{after}") == split(before) + split(after)


PROSE = ["The nurse", "will", "not", "give", "you", "Ibuprofen.", "e.g.", "at 9 a.m.", "if", "eGFR", "Dr.", "or"]


@given(st.lists(st.sampled_from(PROSE), min_size=8, max_size=60).map(" ".join), st.integers(30, 80))
def test_wrapping_prose_moves_no_border(prose, width):
    assert sentences("\n".join(textwrap.wrap(prose, width))) == sentences(prose)


@pytest.mark.parametrize("line_break", [b for b in BREAKS if b != "\u2029"], ids=ascii)
def test_every_line_break_reads_as_one(line_break):
    text = f"Do not take this{line_break}with milk.{line_break}- Drink water{line_break}{line_break}Rest"
    assert split(text) == [f"Do not take this{line_break}with milk.", "- Drink water", "Rest"]


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "a",
            ".",
            "\n",
            "\r",
            " ",
            "🙂",
            "ש",
            "(",
            ")",
            '"',
            "“",
            "[1",
            "[1]",
            "*",
            "- ",
            "1.",
            "1. ",
            "\n1. a",
            "\n(i) a",
        ),
        *(
            "A. ",
            ".)",
            ". (",
            "! ",
            "。",
            "... ",
            "a.m. ",
            "Dr. ",
            ".[1]",
            "a\t",
            "a   ",
            "A: ",
            "\nA: b",
            "(a. ",
            '."A ',
        ),
        *("Do not stop. ", "Monday 9 to 5\n", "| a |\n", "===\n", "“Aa. ”", "don't ", "AB\nab ", "[1, 2"),
    ],
    ids=ascii,
)
def test_time_grows_with_length_and_no_faster(unit):
    """Eight times the text may take 24 times as long: a quadratic rule would take 64."""

    def seconds(characters: int) -> float:
        text = "Aa. " + unit * (characters // len(unit)) + " Bb."
        taken = []
        for _ in range(3):
            begun = time.process_time()
            sentences(text)
            taken.append(time.process_time() - begun)
        return min(taken)

    assert seconds(160_000) < 24 * seconds(20_000) + 0.02
