"""Bar charts: well formed, to scale, and with a name and a summary for those who don't see them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.charts import LOWEST, Bar, bars, ceiling

SVG = "{http://www.w3.org/2000/svg}"
VALUES = st.lists(st.integers(0, 10**9), max_size=70)


def drawn(values: list[int], title: str = "Answered by day") -> ElementTree.Element:
    svg = bars("plot", title, [Bar(f"day {at}", f"{at}", value) for at, value in enumerate(values)])
    return ElementTree.fromstring(svg.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))


@given(VALUES)
def test_bars_stand_side_by_side_within_the_picture_and_are_to_scale(values: list[int]) -> None:
    svg = drawn(values)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    shapes = [
        {name: float(rect.attrib[name]) for name in ("x", "y", "width", "height")} for rect in svg.iter(f"{SVG}rect")
    ]
    assert len(shapes) == len(values)
    right = 0.0
    for shape in shapes:
        assert right <= shape["x"]
        right = shape["x"] + shape["width"]
        assert 0 <= shape["y"] <= shape["y"] + shape["height"] <= height
    assert right <= width
    for value, shape in zip(values, shapes, strict=True):
        assert (value == 0) == (shape["height"] == 0)
        if value:
            full = shapes[values.index(max(values))]["height"]
            assert shape["height"] == pytest.approx(max(LOWEST, full * value / max(values)), abs=0.02)


@given(st.integers(0, 10**12))
def test_the_axis_ends_at_a_round_number(value: int) -> None:
    top = ceiling(value)
    assert value <= top
    assert top == 1 or top < 2.51 * value
    assert str(top).rstrip("0") in ("1", "2", "5")


def test_it_has_a_name_and_a_summary() -> None:
    svg = drawn([3, 1200, 0])
    named = {element.attrib["id"]: element.text for element in svg.iter() if "id" in element.attrib}
    assert svg.attrib["role"] == "img"
    assert [named[id] for id in svg.attrib["aria-labelledby"].split()] == [
        "Answered by day",
        "1,203 in all, from day 0 to day 2. Most: 1,200, day 1.",
    ]
    assert [text.text for text in svg.iter(f"{SVG}text")] == ["2,000", "0", "0", "2"]


def test_nothing_is_told_as_nothing() -> None:
    for values in ([], [0], [0, 0]):
        assert [element.text for element in drawn(values).iter(f"{SVG}desc")] == ["None."]


def test_names_are_text() -> None:
    svg = drawn([1], "<script>alert(1)</script>")
    assert next(element.text for element in svg.iter(f"{SVG}title")) == "<script>alert(1)</script>"
    assert not list(svg.iter(f"{SVG}script"))
