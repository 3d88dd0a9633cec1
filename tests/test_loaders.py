"""What each format's loader takes for text, title, headings and records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.loaders import LOADERS, Extracted, Heading, Note, Unreadable, markdown, printable, text

Headings = Callable[[str], Iterator[Heading]]

WORDS = st.sampled_from(
    [
        *("Before your visit", "# Dose", "Dose\n===", "Dose\r\n---\r\n", "body text here.", "- item", "> ", "```"),
        *("\n", "\r\n", "\r", "\n\n", "\0", " ", "\t", "\f", "\u2028", "\x85", "SIDE EFFECTS", "1. x", "<!--", "---"),
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=5), max_size=30).map("".join)


def load(suffix: str, data: bytes | str) -> list[Extracted | Unreadable | Note]:
    return list(LOADERS[suffix](data.encode() if isinstance(data, str) else data))


def only(found: list[Extracted | Unreadable | Note]) -> Extracted:
    (extracted,) = found
    assert isinstance(extracted, Extracted)
    return extracted


def found(headings: Headings, source: str) -> list[tuple[int, str]]:
    return [(heading.level, heading.text) for heading in headings(source)]


@given(TEXTS, st.sampled_from([text.headings, markdown.headings]))
def test_headings_are_slices_of_whole_lines_in_order(source: str, headings: Headings) -> None:
    end = 0
    for heading in headings(source):
        assert end <= heading.start < heading.end
        end = heading.end
        assert heading.text in source[heading.start : heading.end]
        assert heading.text == heading.text.strip() != ""
        assert heading.start == 0 or source[heading.start - 1] in "\r\n"
        assert heading.end == len(source) or source[heading.end] in "\r\n"


@pytest.mark.parametrize("suffix", [".txt", ".text", ".md", ".markdown"])
def test_the_text_is_the_file(suffix: str) -> None:
    source = " \r\n# Titel\r\n\r\nÄ\u0301rzte\u00a0sagen\x0c\x1b[1m \n\n"
    assert only(load(suffix, "\ufeff" + source)).text == source


def test_a_guessed_encoding_is_noted() -> None:
    note, extracted = load(".txt", "Dose: 25 µg".encode("cp1252"))
    assert isinstance(note, Note)
    assert "windows-1252" in note.message
    assert isinstance(extracted, Extracted)
    assert extracted.text == "Dose: 25 µg"


# Plain text


def test_the_shipped_document_has_its_three_headings() -> None:
    source = Path(__file__).parent.parent / "corpus" / "ketamine-for-chronic-pain.txt"
    assert [heading.text for heading in text.headings(source.read_bytes().decode())] == [
        "Details about Ketamine Treatment for Chronic Pain",
        "Using Ketamine for Chronic Pain",
        "What makes it Special?",
    ]


@pytest.mark.parametrize(
    "line",
    ["Before your visit", "What makes it Special?", "Dose:", "2 Side effects", "副作用", "CRPS", "Éviter l’alcool"],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_heading_like_lines(line: str, newline: str) -> None:
    source = f"Some body.{newline}{newline} {line} {newline} {newline}More body.{newline}"
    assert [heading.text for heading in text.headings(source)] == [line]


@pytest.mark.parametrize(
    "line",
    [
        *("Take one tablet.", "lower case", "- Item", "• Item", "1. Item", "a) Item", "(2) Item", "Bread, milk,"),
        *("12", "* * *", "Take it or", "Nausea and", "“Quoted”", "This is what you must not do at all:", "Stop!"),
        *("A" * 81, "One two three four five six seven eight nine ten eleven twelve thirteen", "—"),
    ],
)
def test_other_lines(line: str) -> None:
    assert not list(text.headings(f"Some body.\n\n{line}\n\nMore body.\n"))


def test_plain_headings_need_a_blank_line_capitals_or_an_underline() -> None:
    assert not found(text.headings, "Not alone\nbody text.\n")
    assert not found(text.headings, "Body.\nNot alone\n\nbody text.\n")
    assert found(text.headings, "SIDE EFFECTS\nNausea is common.\n") == [(2, "SIDE EFFECTS")]
    assert found(text.headings, "Dose\n====\nOne a day.\n") == [(1, "Dose")]
    assert found(text.headings, "Dose\r\n~~~~\r\nOne a day.\r\n") == [(2, "Dose")]


def test_an_underline_belongs_to_its_heading() -> None:
    (heading,) = text.headings("Dose\n====  \nOne a day.\n")
    assert (heading.start, heading.end) == (0, 11)


def test_the_short_lines_at_the_end_of_a_letter_are_no_headings() -> None:
    source = "Dear patient\n\nPlease come at nine.\n\nThank you\n\nDr Smith\n\nPain Clinic\n"
    assert found(text.headings, source) == [(3, "Dear patient")]


# Headings of both kinds of text


@pytest.mark.parametrize(
    "unit",
    [">", ">\n", "[", "- ", "* a\n", "1. ", "# ", "#", "> - ", "<!--", "`", "a\n", "|", "\t", "- a\n\n", "[a]: b\n"],
)
@pytest.mark.parametrize("headings", [text.headings, markdown.headings])
def test_hostile_repetition_takes_linear_time(headings: Headings, unit: str) -> None:
    start = time.process_time()
    list(headings(unit * 10_000))
    assert time.process_time() - start < 3  # some 0.4; a quadratic parser takes far longer


# JSON Lines


def lines(*records: object) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def test_records() -> None:
    one, two, three = load(
        ".jsonl",
        "\ufeff"
        + lines({"_id": "a", "title": "T", "text": "x\u2028\r\ny", "metadata": {"source": "NHS", "n": 1}}).replace(
            "\n", "\r\n"
        )
        + "\n  \n"
        + lines({"_id": 7, "text": "z"}, {"_id": "c", "text": "Dose\n\nOne a day.", "title": None}).rstrip("\n"),
    )
    assert one == Extracted("x\u2028\r\ny", "a", "T", metadata={"source": "NHS"})
    assert two == Extracted("z", "7")
    assert isinstance(three, Extracted)
    assert [heading.text for heading in three.headings] == ["Dose"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"text": "x"}', "_id is missing"),
        ('{"_id": "", "text": "x"}', "_id is empty"),
        ('{"_id": true, "text": "x"}', "_id is not text"),
        ('{"_id": 1.5, "text": "x"}', "_id is not text"),
        ('{"_id": "a\\nb", "text": "x"}', "_id holds control characters"),
        ('{"_id": "a"}', "text is missing"),
        ('{"_id": "a", "text": " \\n"}', "text is empty"),
        ('{"_id": "a", "text": ["x"]}', "text is not text"),
        ('{"_id": "a", "text": "x", "title": 3}', "title is not text"),
        ('{"_id": "a", "text": "x", "metadata": []}', "metadata is not an object"),
        ('{"_id": "a", "text": "\\ud800"}', "surrogate"),
        ('{"_id": "a", "text": "x", "title": "\\udc00"}', "surrogate"),
        ('{"_id": "a", "text": "x", "metadata": {"source": "\\udc00"}}', "surrogate"),
        ("[" * 200_000, "nested too deeply"),
        ('{"_id": ' + "9" * 5000 + ', "text": "x"}', "not JSON"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_kept(line: str, reason: str) -> None:
    good = '{"_id": "g", "text": "good"}\n'
    before, bad, after = load(".jsonl", good + line + "\n" + good)
    assert before == after == Extracted("good", "g")
    assert isinstance(bad, Unreadable)
    assert bad.reason.startswith("line 2: ")
    assert reason in bad.reason


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("a b-ä.txt", True),
        ("\u05d0\u200f!", True),
        ("a\nb", False),
        ("\x1b[1m", False),
        ("\udcff", False),
        ("\u2028", False),
        ("dose\u202efdp.txt", False),
        ("\u2066a\u2069", False),
    ],
)
def test_printable(name: str, holds: bool) -> None:
    assert printable(name) is holds
