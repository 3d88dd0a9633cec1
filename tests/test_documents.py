"""A document, its sections, pages and tables."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.documents import Document, Section, sections
from bot.loaders import Anchor, Heading


def document(**changes: Any) -> Document:
    values: dict[str, Any] = {
        "id": "a.txt",
        "text": "Dose\n\nÄ.",
        "title": "Dose",
        "sections": (Section(0, 8, ("Dose",)),),
        "source": "a.txt",
        "pages": (0, 6),
        "metadata": {"source": "NHS"},
        "tables": (((0, 4),),),
        "anchors": (Anchor(0, 4, 1, 7), Anchor(6, 8, 2, 0)),
        "recognised": (2,),
    }
    return Document(**(values | changes))


# Document


def test_the_hash_is_of_the_text() -> None:
    assert document().sha256 == hashlib.sha256("Dose\n\nÄ.".encode()).hexdigest()


def test_a_document_survives_json() -> None:
    assert Document.from_dict(json.loads(json.dumps(document().to_dict()))) == document()
    assert len({document(), document()}) == 1


@pytest.mark.parametrize(
    "change", [{"text": "Dose\n\nB."}, {"sha256": "0" * 64}, {"sections": []}, {"sections": [1]}, {"pages": None}]
)
def test_an_altered_document_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"a\.txt|not a document"):
        Document.from_dict(document().to_dict() | change)


@pytest.mark.parametrize("key", list(document().to_dict()))
def test_a_document_without_a_field_is_refused(key: str) -> None:
    values = document().to_dict()
    del values[key]
    with pytest.raises(ValueError, match=key):
        Document.from_dict(values)


@pytest.mark.parametrize(
    "cuts", [[], [(0, 7)], [(1, 8)], [(0, 4), (5, 8)], [(0, 5), (4, 8)], [(4, 8), (0, 4)], [(0, 8), (8, 8)], [(0, 9)]]
)
def test_sections_must_partition_the_text(cuts: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="section"):
        document(sections=tuple(Section(start, end, ()) for start, end in cuts))


def test_pages_must_be_in_order_and_in_the_text() -> None:
    for pages in [(3, 1), (0, 9), (-1,)]:
        with pytest.raises(ValueError, match="pages"):
            document(pages=pages)


def test_page_at() -> None:
    assert [document().page_at(offset) for offset in (0, 5, 6, 7)] == [1, 1, 2, 2]
    assert document(pages=()).page_at(3) is None
    assert document(pages=(2, 6)).page_at(0) == 1


# Sections


def cut(text: str, *headings: tuple[str, int], title: str = "") -> list[tuple[str, tuple[str, ...]]]:
    """Each heading is a line of the text, given with its level; they are looked for in order."""
    found, at = [], 0
    for words, level in headings:
        at = text.index(words, at)
        found.append(Heading(at, at + len(words), level, words))
        at += len(words)
    return [(text[s.start : s.end], s.headings) for s in sections(text, found, title)]


def test_sections_run_from_heading_to_heading_and_nest() -> None:
    assert cut("x\nA\na\nB\nb\nC\nc", ("A", 1), ("B", 2), ("C", 1)) == [
        ("x\n", ()),
        ("A\na\n", ("A",)),
        ("B\nb\n", ("A", "B")),
        ("C\nc", ("C",)),
    ]


def test_a_heading_without_body_joins_the_section_that_follows() -> None:
    assert cut("\nA\n\nB\nb", ("A", 1), ("B", 2)) == [("\nA\n\nB\nb", ("A", "B"))]
    assert cut("x\nA\n\nB\nb", ("A", 1), ("B", 1)) == [("x\n", ()), ("A\n\nB\nb", ("B",))]


def test_a_last_heading_without_body_joins_the_section_before() -> None:
    assert cut("A\na\nB\n", ("A", 1), ("B", 1)) == [("A\na\nB\n", ("A",))]
    assert cut("A\n\nB\n", ("A", 1), ("B", 2)) == [("A\n\nB\n", ("A", "B"))]


def test_the_title_is_left_out_of_the_path() -> None:
    assert cut("The  Leaflet\na\nB\nb", ("The  Leaflet", 1), ("B", 2), title="The Leaflet ") == [
        ("The  Leaflet\na\n", ()),
        ("B\nb", ("B",)),
    ]


def test_an_empty_text_has_no_sections() -> None:
    assert sections("", (), "") == ()


@given(st.text(max_size=50), st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10), st.integers(1, 6))))
def test_sections_partition_any_text(text: str, spans: list[tuple[int, int, int]]) -> None:
    headings, at = [], 0
    for skip, length, level in spans:
        start, at = min(at + skip, len(text)), min(at + skip + length, len(text))
        if start < at:
            headings.append(Heading(start, at, level, text[start:at]))
    found = sections(text, headings, "")
    assert "".join(text[s.start : s.end] for s in found) == text
    assert all(s.start < s.end for s in found)


# Tables and places on pages


@pytest.mark.parametrize("rows", [((4, 2),), ((0, 9),), ((0, 4), (3, 6)), ((-1, 2),)])
def test_rows_must_be_in_order_and_in_the_text(rows: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="rows"):
        document(tables=(rows,))


def test_anchors_must_be_in_order_and_in_the_text() -> None:
    for anchors in ([Anchor(0, 9, 1, 0)], [Anchor(3, 5, 1, 0), Anchor(0, 2, 1, 9)]):
        with pytest.raises(ValueError, match="anchors"):
            document(anchors=tuple(anchors))


def test_the_anchors_of_a_range_are_cut_to_it() -> None:
    made = document(anchors=(Anchor(0, 3, 1, 10), Anchor(4, 8, 2, 0)))
    assert list(made.anchors_of(1, 6)) == [Anchor(1, 3, 1, 11), Anchor(4, 6, 2, 0)]
    assert list(made.anchors_of(3, 4)) == []
    assert list(made.anchors_of(0, 8)) == list(made.anchors)


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(0, 30), st.integers(0, 30))
def test_anchors_of_any_range(borders: list[int], start: int, end: int) -> None:
    spans = list(zip(sorted(borders)[::2], sorted(borders)[1::2], strict=False))
    text = "x" * 30
    made = document(
        text=text,
        sections=(Section(0, 30, ()),),
        pages=(),
        anchors=tuple(Anchor(first, last, 1, first) for first, last in spans),
    )
    wanted = {at for first, last in spans for at in range(max(first, start), min(last, end))}
    found = list(made.anchors_of(start, end))
    assert {at for anchor in found for at in range(anchor.start, anchor.end)} == wanted
    assert all(anchor.at == anchor.start for anchor in found)
