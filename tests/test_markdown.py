"""Markdown: headings as CommonMark defines them, front matter, and tables whose rows name their heads."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.loaders import LOADERS, Extracted, Note, Unreadable, frontmatter, markdown

PIECES = st.sampled_from(
    [
        *("| a | b |\n|---|---|\n| 1 | 2 |\n", "a | b\r\n-|-\r\n1 | 2 | 3\r\n", "# Dose\n", "Dose\n===\n", "text\n"),
        *("\n", "\r\n", "\r", "|", "---", "> | a |\n> |---|\n", "- x\n", "```\n", "\\|", "a | b", "\u2028"),
    ]
)
LETTERS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=4)
SOURCES = st.lists(PIECES | LETTERS, max_size=20).map("".join).filter(bool)


def load(source: str) -> list[Extracted | Unreadable | Note]:
    return list(LOADERS[".md"](source.encode("utf-8", "surrogatepass")))


def only(source: str) -> Extracted:
    (extracted,) = load(source)
    assert isinstance(extracted, Extracted)
    return extracted


def rows(extracted: Extracted) -> list[list[str]]:
    return [[extracted.text[start:end] for start, end in table] for table in extracted.tables]


def found(source: str) -> list[tuple[int, str]]:
    return [(heading.level, heading.text) for heading in markdown.headings(source)]


def test_markdown_headings() -> None:
    source = "# One #\n\ntext\n\nTwo\nlines\n---\n\n```\n# code\n```\n\n    # indented\n\n### C#\n## \\# x ##y\n#no\n"
    assert found(source) == [(1, "One"), (2, "Two\nlines"), (3, "C#"), (2, "\\# x ##y")]


def test_markdown_headings_in_quotes_lists_and_html_are_not_the_outline() -> None:
    assert found("> # a\n\n- # b\n\n<pre>\n# c\n</pre>\n\n# d\n") == [(1, "d")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_markdown_offsets_hold_for_every_line_break_and_for_nul(newline: str) -> None:
    source = newline.join(["a\0b\u2028c\x85d\x0ce", "", "# One\0", "", "Two", "===", "end"])
    one, two = markdown.headings(source)
    assert source[one.start : one.end] == "# One\0"
    assert one.text == "One\0"
    assert source[two.start : two.end] == f"Two{newline}==="


def test_markdown_with_front_matter_takes_it_for_no_heading() -> None:
    assert found("---\ntitle: A leaflet\ndate: today\n---\n\n# Dose\n") == [(1, "Dose")]


def test_deeply_nested_lists_and_quotes() -> None:
    list(markdown.headings("".join("  " * depth + "- a\n" for depth in range(400))))
    list(markdown.headings(("> " * 2000 + "a\n") * 20))


# Tables


def test_a_row_names_the_head_of_each_of_its_cells() -> None:
    source = "Doses:\n\n| Weight | *Dose* |\n|:---|---:|\n| 50 kg | **25** mg |\n| 60 kg |\n\nend"
    extracted = only(source)
    assert extracted.text == "Doses:\n\nWeight | *Dose*\nWeight: 50 kg | *Dose*: **25** mg\nWeight: 60 kg\n\nend"
    assert rows(extracted) == [["Weight | *Dose*", "Weight: 50 kg | *Dose*: **25** mg", "Weight: 60 kg"]]


def test_a_cell_beyond_the_heads_is_kept_and_an_escaped_pipe_is_a_pipe() -> None:
    assert only("a | b\n-|-\n1 \\| 2 | `x\\|y` | 3").text == "a | b\na: 1 | 2 | b: `x|y` | 3"


def test_a_table_without_rows_keeps_its_heads() -> None:
    assert only("| a | b |\n|---|---|\n").text == "a | b\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_headings_after_a_table_stay_where_they_are(newline: str) -> None:
    lines = [
        "# One",
        "",
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
        "| 3 | 4 |",
        "",
        "## Two",
        "",
        "Three",
        "===",
        "end",
        "",
    ]
    extracted = only(newline.join(lines))
    assert extracted.text == newline.join([*lines[:2], "a | b", "a: 1 | b: 2", "a: 3 | b: 4", *lines[6:]])
    assert [extracted.text[h.start : h.end] for h in extracted.headings] == ["# One", "## Two", f"Three{newline}==="]


def test_tables_in_quotes_lists_and_code_stay_as_they_are() -> None:
    source = "> | a |\n> |---|\n> | 1 |\n\n- | a |\n  |---|\n  | 1 |\n\n```\n| a |\n|---|\n| 1 |\n```\n"
    assert only(source).text == source


def test_a_table_too_wide_or_with_heads_too_long_stays_as_it_is() -> None:
    wide = "|".join(["a"] * 300) + "\n" + "|".join(["-"] * 300) + "\n" + "1\n" * 5
    long = "| " + "a" * 5000 + " | b |\n|---|---|\n" + "| 1 | 2 |\n" * 5
    assert only(wide).text == wide
    assert only(long).text == long


@given(SOURCES)
def test_headings_and_rows_are_whole_lines_of_the_text(source: str) -> None:
    extracted = next((one for one in load(source) if isinstance(one, Extracted)), Extracted(""))
    text = extracted.text
    spans = [(h.start, h.end) for h in extracted.headings] + [row for table in extracted.tables for row in table]
    end = 0
    for start, stop in sorted(spans):
        assert end <= start < stop
        end = stop
        assert start == 0 or text[start - 1] in "\r\n"
        assert stop == len(text) or text[stop] in "\r\n"


@given(SOURCES.filter(lambda source: "|" not in source))
def test_without_tables_and_front_matter_the_text_is_the_file(source: str) -> None:
    texts = [one.text for one in load(source) if isinstance(one, Extracted)]
    assert all(source.endswith(text) for text in texts)


@pytest.mark.parametrize("unit", ["|", "a|", "|-", "| a |\n|---|\n", "a | b\n-|-\n1 | 2\n\n", "\\|", "---\n", "+++\n"])
def test_hostile_tables_take_linear_time(unit: str) -> None:
    start = time.process_time()
    load(unit * 10_000)
    load("a|b\n-|-\n" + unit * 10_000)
    assert time.process_time() - start < 60  # of all threads here; minutes where it is not linear


# Front matter


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_yaml_front_matter_is_metadata_and_no_text(newline: str) -> None:
    lines = ["---", 'title: "A: leaflet"', "last_reviewed: 2024-05-01", "version: 1.10", "tags: [a, b]", "lang: en-GB"]
    extracted = only(newline.join([*lines, "---", "# Dose", ""]))
    assert extracted.text == f"# Dose{newline}"
    assert extracted.title == "A: leaflet"
    assert extracted.metadata == {"reviewed": "2024-05-01", "version": "1.10", "language": "en-GB"}
    assert [(heading.start, heading.text) for heading in extracted.headings] == [(0, "Dose")]


def test_toml_front_matter_is_metadata_and_no_text() -> None:
    extracted = only("+++\ntitle = 'T'\ndate = 2024-05-01T10:00:00Z\nversion = 1.10\nurl = 'https://a.example'\n+++\nx")
    assert (extracted.text, extracted.title) == ("x", "T")
    assert extracted.metadata == {"created": "2024-05-01", "version": "1.10", "source": "https://a.example"}


@pytest.mark.parametrize(
    "source",
    [
        "---\nSome words.\n---\ntext",
        "---\n---\ntext",
        "---\n- a\n- b\n---\ntext",
        "---\ntitle: never closed\n",
        "text\n---\ntitle: x\n---\n",
        "----\na: b\n----\n",
    ],
)
def test_what_is_no_front_matter_stays_in_the_text(source: str) -> None:
    assert only(source) == Extracted(source, headings=tuple(markdown.headings(source)))


@pytest.mark.parametrize(
    "block",
    [
        "---\na: [\n---\n",
        "---\na: &x [1]\nb: [*x, *x]\n---\n",
        "---\na: " + "[" * 100 + "]" * 100 + "\n---\n",
        "---\n\ta: b\n---\n",
        "---\ntitle: a\ntitle2: b: c\n---\n",
        "+++\na = \n+++\n",
        "+++\na = " + "[" * 30_000 + "\n+++\n",
        "+++\na = " + "9" * 5000 + "\n+++\n",
    ],
)
def test_front_matter_that_is_not_valid_stays_in_the_text_and_is_noted(block: str) -> None:
    note, extracted = load(block + "text")
    assert isinstance(note, Note)
    assert "front matter is not valid" in note.message
    assert isinstance(extracted, Extracted)
    assert extracted.text == block + "text"


def test_a_date_that_is_none_is_noted_and_left_out() -> None:
    note, extracted = load("---\nreviewed: May 2024\ncreated: 2024-02-30\n---\ntext")[1:]
    assert isinstance(note, Note)
    assert "created" in note.message
    assert isinstance(extracted, Extracted)
    assert not extracted.metadata


def test_values_are_strings_however_they_look() -> None:
    front = frontmatter.read("---\nversion: 0x10\nauthor: yes\nsource: !!python/object:os.system x\ntitle: ~\n---\n")
    assert front.metadata == {"version": "0x10", "author": "yes", "source": "x"}
