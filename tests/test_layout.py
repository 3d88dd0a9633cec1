"""Tables and the order of reading, on pages that the tests draw themselves."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.loaders import Extracted, layout
from bot.loaders.layout import Line, Page, blocks
from bot.loaders.pdf import load

pytest.importorskip("reportlab")
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=12)
CENTRED = ParagraphStyle("centred", parent=BODY, alignment=1)
BOLD = ("FONT", (0, 0), (-1, 0), "Helvetica-Bold")
TOP = ("VALIGN", (0, 0), (-1, -1), "TOP")
MIDDLE = ("VALIGN", (0, 0), (-1, -1), "MIDDLE")


def lines(kind: str, first: tuple[int, int] = (0, 0), last: tuple[int, int] = (-1, -1)) -> tuple[object, ...]:
    return (kind, first, last, 0.5, colors.black)


def read(data: bytes) -> Extracted:
    found = [found for found in load(data) if isinstance(found, Extracted)]
    assert len(found) == 1
    return found[0]


def flowed(*story: Flowable) -> Extracted:
    file = io.BytesIO()
    SimpleDocTemplate(file, pagesize=A4).build(list(story))
    return read(file.getvalue())


def drawn(draw: Callable[[Canvas], None]) -> Extracted:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    canvas.setFont("Helvetica", 10)
    draw(canvas)
    canvas.save()
    return read(file.getvalue())


def rows(found: Extracted) -> list[str]:
    return [found.text[start:end] for table in found.tables for start, end in table]


def wrapped(cells: Sequence[Sequence[str]], style: ParagraphStyle = BODY) -> list[list[Paragraph]]:
    return [[Paragraph(cell, style) for cell in row] for row in cells]


DOSES = [
    ["Weight", "Dose", "Route"],
    ["50 kg", "25 mg", "IV"],
    ["60 kg", "30 mg", "IV"],
    ["70 kg", "35 mg", "by mouth"],
]
DOSE_ROWS = [
    "Weight | Dose | Route",
    "Weight: 50 kg | Dose: 25 mg | Route: IV",
    "Weight: 60 kg | Dose: 30 mg | Route: IV",
    "Weight: 70 kg | Dose: 35 mg | Route: by mouth",
]
STYLES = {
    "grid": [lines("GRID")],
    "box and inner grid": [lines("BOX"), lines("INNERGRID")],
    "inner grid": [lines("INNERGRID")],
    "box": [lines("BOX")],
    "line below each row": [lines("LINEBELOW")],
    "line below the heads": [lines("LINEBELOW", (0, 0), (-1, 0))],
    "three lines": [
        lines("LINEABOVE", (0, 0), (-1, 0)),
        lines("LINEBELOW", (0, 0), (-1, 0)),
        lines("LINEBELOW", (0, -1)),
    ],
    "columns": [lines("BOX"), lines("LINEAFTER"), lines("LINEBELOW", (0, 0), (-1, 0))],
    "stripes": [("ROWBACKGROUNDS", (0, 0), (-1, -1), [colors.lightgrey, colors.white])],
    "none": [],
}


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("width", [None, 45, 100])
def test_a_table_of_doses_keeps_its_rows_in_any_style(name: str, width: int | None) -> None:
    if width is None and STYLES[name][:1] != [lines("GRID")] and name != "box and inner grid":
        width = 60  # cells that stand too near each other without a line between them
    table = Table(DOSES, colWidths=width and [width] * 3, style=TableStyle([BOLD, *STYLES[name]]))
    found = flowed(
        Paragraph("How much to give.", BODY), Spacer(1, 12), table, Spacer(1, 12), Paragraph("The end.", BODY)
    )
    assert rows(found) == DOSE_ROWS
    assert found.text.startswith("How much to give.\n\n")
    assert found.text.endswith("\n\nThe end.")


def test_heads_may_be_of_another_colour_instead_of_bold() -> None:
    cells = [["Medicine", "Taken"], ["Ketamine", "daily"], ["Lidocaine", "weekly"]]
    table = Table(cells, style=TableStyle([lines("GRID"), ("BACKGROUND", (0, 0), (-1, 0), colors.lightblue)]))
    assert rows(flowed(table)) == [
        "Medicine | Taken",
        "Medicine: Ketamine | Taken: daily",
        "Medicine: Lidocaine | Taken: weekly",
    ]


def test_stripes_are_no_heads() -> None:
    cells = [["Ketamine", "daily"], ["Lidocaine", "weekly"], ["Morphine", "never"], ["Codeine", "rarely"]]
    style = [lines("GRID"), ("ROWBACKGROUNDS", (0, 0), (-1, -1), [colors.lightgrey, colors.white])]
    assert rows(flowed(Table(cells, style=TableStyle(style)))) == [" | ".join(row) for row in cells]


WRAPPED = [
    ["<b>Medicine</b>", "<b>How to take it</b>", "<b>Do not take it if</b>"],
    ["Ketamine tablets", "Take one tablet in the morning with a full glass of water and some food", "you are pregnant"],
    ["Lidocaine patch", "Put it on dry, clean skin", "your skin is broken, or sore at the place, or you are not well"],
    ["Paracetamol and codeine together", "Do not take it", "you are under 12"],
]
WRAPPED_ROWS = [
    "Medicine | How to take it | Do not take it if",
    "Medicine: Ketamine tablets | How to take it: Take one tablet in the morning with a full glass of water and some"
    " food | Do not take it if: you are pregnant",
    "Medicine: Lidocaine patch | How to take it: Put it on dry, clean skin | Do not take it if: your skin is broken, or"
    " sore at the place, or you are not well",
    "Medicine: Paracetamol and codeine together | How to take it: Do not take it | Do not take it if: you are under 12",
]


@pytest.mark.parametrize("name", ["grid", "box and inner grid", "inner grid", "line below each row"])
@pytest.mark.parametrize("align", [TOP, MIDDLE])
@pytest.mark.parametrize("style", [BODY, CENTRED])
def test_wrapped_cells_stay_in_their_row(name: str, align: tuple[object, ...], style: ParagraphStyle) -> None:
    table = Table(wrapped(WRAPPED, style), colWidths=[90, 150, 110], style=TableStyle([align, *STYLES[name]]))
    assert rows(flowed(table)) == WRAPPED_ROWS


def test_a_cell_that_spans_columns_names_each_or_stands_once() -> None:
    cells = [["Weight", "Dose", ""], ["", "Adults", "Children"], ["50 kg", "25 mg", "5 mg"], ["60 kg", "not known", ""]]
    spans = [("SPAN", (0, 0), (0, 1)), ("SPAN", (1, 0), (2, 0)), ("SPAN", (1, 3), (2, 3))]
    style = [lines("GRID"), BOLD, ("FONT", (0, 1), (-1, 1), "Helvetica-Bold"), *spans]
    found = flowed(Table(cells, colWidths=70, style=TableStyle(style)))
    assert rows(found) == [
        "Weight | Dose Adults | Dose Children",
        "Weight: 50 kg | Dose Adults: 25 mg | Dose Children: 5 mg",
        "Weight: 60 kg | Dose Adults, Dose Children: not known",
    ]


def test_a_cell_that_spans_rows_stands_in_each() -> None:
    cells = [
        ["Who", "Weight", "Dose"],
        ["Adults", "50 kg", "25 mg"],
        ["", "60 kg", "30 mg"],
        ["Children", "10 kg", "5 mg"],
    ]
    style = [lines("GRID"), BOLD, ("SPAN", (0, 1), (0, 2)), MIDDLE]
    assert rows(flowed(Table(cells, style=TableStyle(style)))) == [
        "Who | Weight | Dose",
        "Who: Adults | Weight: 50 kg | Dose: 25 mg",
        "Who: Adults | Weight: 60 kg | Dose: 30 mg",
        "Who: Children | Weight: 10 kg | Dose: 5 mg",
    ]


def test_rows_within_one_drawn_row_are_not_joined() -> None:
    style = [BOLD, *STYLES["columns"]]
    assert rows(flowed(Table(DOSES, colWidths=60, rowHeights=14, style=TableStyle(style)))) == DOSE_ROWS
    cells = [DOSES[0], ["50 kg\n60 kg\n70 kg", "25 mg\n30 mg\n35 mg", "IV\nIV\nby mouth"]]
    grid = TableStyle([BOLD, lines("GRID")])
    assert rows(flowed(Table(cells, colWidths=60, style=grid)))[:3] == DOSE_ROWS[:3]


def test_a_row_of_empty_cells_keeps_the_place_of_the_others() -> None:
    cells = [["Ketamine", "", "yes"], ["Lidocaine", "yes", ""]]
    found = flowed(Table(cells, colWidths=60, style=TableStyle([lines("GRID")])))
    assert rows(found) == ["Ketamine |  | yes", "Lidocaine | yes"]


def test_a_number_in_a_cell_is_no_mark_of_a_list() -> None:
    cells = [["No.", "Medicine", "Dose"], ["1.", "Ketamine", "25 mg"], ["2.", "Lidocaine", "5 mg"]]
    expected = [
        "No. | Medicine | Dose",
        "No.: 1. | Medicine: Ketamine | Dose: 25 mg",
        "No.: 2. | Medicine: Lidocaine | Dose: 5 mg",
    ]
    for name in ("grid", "none", "line below each row"):
        found = flowed(Table(cells, colWidths=70, style=TableStyle([BOLD, *STYLES[name]])))
        assert [row.replace("No: ", "No.: ") for row in rows(found)] == expected, name


def test_rows_that_are_drawn_over_each_other_are_one() -> None:
    drawn_over = [
        [Line(words, range(len(words)), 1, x, 100, x + 50, 112, 12) for words, x in row]
        for row in ([("Ketamine", 50), ("daily", 200)], [("Lidocaine", 50), ("weekly", 200)])
    ]
    (table,) = blocks([Page(1, 600, 800, drawn_over)])
    assert isinstance(table, layout.Table)
    assert [[[line.text for line in cell or ()] for cell in row] for row in table.rows] == [
        [["Ketamine", "Lidocaine"], ["daily", "weekly"]]
    ]


def test_a_list_with_hanging_indents_is_no_table() -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(4):
            canvas.drawString(50, 700 - 30 * number, f"{number + 1}.")
            canvas.drawString(75, 700 - 30 * number, f"Take tablet number {number + 1} in the morning with")
            canvas.drawString(75, 688 - 30 * number, "a glass of water.")

    found = drawn(draw)
    assert not found.tables
    assert found.text.splitlines() == [
        f"{n}. Take tablet number {n} in the morning with a glass of water." for n in range(1, 5)
    ]


def test_a_table_with_all_its_cells_drawn_column_by_column() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.grid([50, 150, 250, 350], [700, 680, 660, 640, 620])
        for column in range(3):
            canvas.setFont("Helvetica-Bold", 10)
            canvas.drawString(55 + 100 * column, 685, DOSES[0][column])
            canvas.setFont("Helvetica", 10)
            for row in range(1, 4):
                canvas.drawString(55 + 100 * column, 685 - 20 * row, DOSES[row][column])

    assert rows(drawn(draw)) == DOSE_ROWS


def test_a_box_around_text_is_no_table() -> None:
    text = "Stop at once and call us if you cannot breathe well. " * 4
    found = flowed(Table([[Paragraph(text, BODY)]], style=TableStyle([lines("BOX")])))
    assert not found.tables
    assert found.text == text.strip()


def test_a_heading_row_over_a_table_is_no_head() -> None:
    cells = [["Doses by weight", "", ""], *DOSES]
    style = [lines("GRID"), ("SPAN", (0, 0), (-1, 0)), ("FONT", (0, 0), (-1, 1), "Helvetica-Bold")]
    found = flowed(Table(cells, style=TableStyle(style)))
    assert rows(found) == DOSE_ROWS
    assert found.text.startswith("Doses by weight\n\n")


def test_a_table_over_two_pages_keeps_its_repeated_heads() -> None:
    cells = [["Weight", "Dose"], *([f"{kilos} kg", f"{kilos / 2} mg"] for kilos in range(20, 90))]
    table = Table(cells, repeatRows=1, style=TableStyle([lines("GRID"), BOLD]))
    found = flowed(table)
    assert len(found.pages) == 2
    assert [found.text[slice(*table[0])] for table in found.tables] == ["Weight | Dose"] * 2
    assert [row for row in rows(found) if row != "Weight | Dose"] == [
        f"Weight: {weight} | Dose: {dose}" for weight, dose in cells[1:]
    ]


def test_rows_at_a_page_s_edge_are_no_running_heads() -> None:
    cells = [[f"{kilos} kg", f"{kilos / 2} mg"] for kilos in range(20, 140)]
    for style in ([lines("GRID")], []):
        found = flowed(Table(cells, colWidths=80, style=TableStyle(style)))
        assert len(found.pages) > 2
        assert rows(found) == [" | ".join(row) for row in cells]


WORDS = st.text("abcdefghijklmnop", min_size=1, max_size=6)
CELL = st.lists(WORDS, min_size=1, max_size=9)


@st.composite
def random_tables(draw: st.DrawFn) -> list[list[list[str]]]:
    """Cells of words of which no two are alike."""
    width, height = draw(st.integers(2, 4)), draw(st.integers(1, 5))
    cells = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=height + 1, max_size=height + 1))
    return [
        [[f"{word}{row}x{column}x{n}" for n, word in enumerate(cell)] for column, cell in enumerate(cells[row])]
        for row in range(height + 1)
    ]


@settings(max_examples=40, deadline=None)
@given(
    random_tables(),
    st.sampled_from([[lines("GRID")], [lines("INNERGRID")], [lines("BOX"), lines("INNERGRID")]]),
    st.sampled_from([TOP, MIDDLE]),
    st.randoms(use_true_random=False),
)
def test_every_cell_of_a_ruled_table_is_in_one_row(
    cells: list[list[list[str]]], style: list[tuple[object, ...]], align: tuple[object, ...], rng: random.Random
) -> None:
    shown = [[Paragraph(" ".join(cell), rng.choice([BODY, CENTRED])) for cell in row] for row in cells]
    shown[0] = [Paragraph(f"<b>{' '.join(cell)}</b>", BODY) for cell in cells[0]]
    widths = [rng.choice([90, 120, 130]) for _ in cells[0]]
    found = rows(flowed(Table(shown, colWidths=widths, style=TableStyle([align, *style]))))
    names = [" ".join(cell) for cell in cells[0]]
    expected = [[f"{name}: {' '.join(cell)}" for name, cell in zip(names, row, strict=True)] for row in cells[1:]]
    assert found[0].split() == " | ".join(names).split()
    assert [line.split() for line in found[1:]] == [
        line.split()
        for row in expected
        for line in (
            [" | ".join(row)] if len(row) < 3 or len(" | ".join(row)) <= 600 else [f"{row[0]} | {c}" for c in row[1:]]
        )
    ]


@settings(max_examples=40, deadline=None)
@given(
    random_tables(), st.sampled_from(["none", "line below each row", "three lines"]), st.randoms(use_true_random=False)
)
def test_no_row_of_a_table_without_a_grid_holds_cells_of_two_rows(
    cells: list[list[list[str]]], name: str, rng: random.Random
) -> None:
    shown = [
        [Paragraph(" ".join(word.capitalize() if rng.random() < 0.2 else word for word in cell), BODY) for cell in row]
        for row in cells
    ]
    found = flowed(Table(shown, colWidths=120, style=TableStyle([TOP, *STYLES[name]])))
    words = found.text.lower().split()
    assert sorted(word for word in words if word != "|") == sorted(
        word for row in cells for cell in row for word in cell
    )
    for line in rows(found):
        numbers = {word.rsplit("x", 2)[0][-1] for word in line.split() if "x" in word}
        assert len(numbers) == 1, line
