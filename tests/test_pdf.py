"""PDF files that the tests make themselves: their words, their order, and where on its page each stands."""

from __future__ import annotations

import ctypes
import io
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.lib import pdfencrypt
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from bot.loaders import Anchor, Extracted, Note, Unreadable
from bot.loaders.isolated import Limits, Reader
from bot.loaders.pdf import MOST_PAGES, Box, boxes, load

WIDTH, HEIGHT = A4
SENTENCES = (
    "The infusion is given slowly.",
    "A nurse checks your blood pressure.",
    "Rest in a quiet room until you feel well.",
    "Do not drive for one day.",
    "Call us if you feel sick.",
    "Bring a list of your tablets.",
)


def made(*pages: Callable[[Canvas], None], **options: object) -> bytes:
    """A PDF of pages that are drawn in Helvetica of 10 points."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, **options)
    for page in pages:
        canvas.setFont("Helvetica", 10)
        page(canvas)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def written(lines: Sequence[str], x: float = 50, top: float = 750, leading: float = 13) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        for number, line in enumerate(lines):
            canvas.drawString(x, top - leading * number, line)

    return draw


def both(*drawings: Callable[[Canvas], None]) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        for drawing in drawings:
            drawing(canvas)

    return draw


def read(data: bytes) -> Extracted:
    found = [found for found in load(data) if isinstance(found, Extracted)]
    assert len(found) == 1
    return found[0]


def text(*pages: Callable[[Canvas], None]) -> str:
    return read(made(*pages)).text


def rewritten(data: bytes, change: Callable[[ctypes.c_void_p], None]) -> bytes:
    """The file after a change to its first page."""
    with pypdfium2.PdfDocument(data) as file:
        page = file[0]
        change(page.raw)
        file_out = io.BytesIO()
        page.close()
        file.save(file_out)
    return file_out.getvalue()


def hand_made(content: str, font: str, table: str = "") -> bytes:
    """A page with one font /F, which may refer to a table from its codes to characters as object 6."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R /Resources << /Font << /F 4 0 R >> >> >>",
        font,
        *(f"<< /Length {len(stream)} >> stream\n{stream}\nendstream" for stream in (content, table)),
    ]
    body = "".join(f"{number} 0 obj {content} endobj\n" for number, content in enumerate(objects, start=1))
    return f"%PDF-1.7\n{body}trailer << /Root 1 0 R >>\n%%EOF".encode()


def turned(data: bytes, turns: int) -> bytes:
    return rewritten(data, lambda page: pdfium.FPDFPage_SetRotation(page, turns))


def cropped(data: bytes, left: float, bottom: float, right: float, top: float) -> bytes:
    return rewritten(data, lambda page: pdfium.FPDFPage_SetCropBox(page, left, bottom, right, top))


# Order


def test_columns_drawn_one_after_the_other_are_read_so() -> None:
    left, right = written(SENTENCES[:3]), written(SENTENCES[3:], x=310)
    assert text(both(left, right)).split() == " ".join(SENTENCES).split()


def test_columns_drawn_line_by_line_are_read_one_after_the_other() -> None:
    left = [f"{sentence} {number}" for number, sentence in enumerate(SENTENCES)]
    right = [f"{sentence} {number}" for number, sentence in enumerate(reversed(SENTENCES), start=6)]

    def draw(canvas: Canvas) -> None:
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            canvas.drawString(50, 750 - 13 * number, one)
            canvas.drawString(310, 750 - 13 * number, other)

    assert text(draw).split() == " ".join([*left, *right]).split()


def test_a_title_that_is_drawn_last_comes_first() -> None:
    def title(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(50, 790, "Your infusion")

    found = read(made(both(written(SENTENCES, top=700), title)))
    assert found.text.startswith("Your infusion\n\nThe infusion")
    assert [heading.text for heading in found.headings] == ["Your infusion"]


def test_a_table_that_is_drawn_last_stands_in_its_place() -> None:
    def table(canvas: Canvas) -> None:
        canvas.grid([50, 150, 250], [700, 680, 660])
        for row, cells in enumerate((("Weight", "50 kg"), ("Dose", "25 mg"))):
            for column, words in enumerate(cells):
                canvas.drawString(55 + 100 * column, 686 - 20 * row, words)

    page = both(written(SENTENCES[:2]), written(["After the table."], top=600), table)
    assert text(page).split("\n\n")[1:] == ["Weight | 50 kg\nDose | 25 mg", "After the table."]


# Running heads


def running(number: int, lines: Sequence[str] = SENTENCES) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        odd = number % 2 == 1
        (canvas.drawString if odd else canvas.drawRightString)(50 if odd else WIDTH - 50, HEIGHT - 30, "Pain clinic")
        canvas.drawRightString(WIDTH - 250, HEIGHT - 30, "Version 3")
        written([f"{line} On day {number}." for line in lines])(canvas)
        (canvas.drawRightString if odd else canvas.drawString)(WIDTH - 50 if odd else 50, 25, f"Page {number} of 4")

    return draw


@pytest.mark.parametrize("count", [2, 3, 4])
def test_running_heads_and_page_numbers_are_no_text(count: int) -> None:
    found = text(*(running(number) for number in range(1, count + 1)))
    expected = [f"{line} On day {number}." for number in range(1, count + 1) for line in SENTENCES]
    assert found.split() == " ".join(expected).split()


def test_lines_in_the_margin_that_differ_in_a_number_stay() -> None:
    pages = [written([f"Dose on day {day}: {dose} mg"], top=800) for day, dose in ((1, 25), (2, 50), (3, 20))]
    found = text(*(both(page, written(SENTENCES, top=600)) for page in pages))
    assert all(f"{dose} mg" in found for dose in (25, 50, 20))


def test_a_number_that_belongs_to_the_text_stays() -> None:
    lines = [*SENTENCES, "Take this many drops:", "10"]
    assert text(written(lines, top=25 + 13 * 7)).endswith("10")


def test_a_page_number_alone_goes() -> None:
    assert text(both(written(["Call us."]), written(["- 2 -"], x=290, top=30))) == "Call us."


def test_words_that_look_like_roman_numerals_are_words() -> None:
    assert text(both(written(["You may feel"]), written(["ill"], top=30))).endswith("ill")


# Letters


def test_hyphens_at_the_ends_of_lines() -> None:
    lines = ["This medication is safe. The medi-", "cation helps. Ask for a follow-", "up visit. A follow-up is free."]
    expected = "This medication is safe. The medication helps. Ask for a follow-up visit. A follow-up is free."
    assert text(written(lines)) == expected


def test_raised_digits_are_no_part_of_the_number() -> None:
    def draw(canvas: Canvas) -> None:
        line = canvas.beginText(50, 700)
        for number, words in enumerate(("A count of 10", "6", " cells is low. See below", "2", ".")):
            raised = number % 2 == 1
            line.setRise(4 if raised else 0)
            line.setFont("Helvetica", 7 if raised else 11)
            line.textOut(words)
        canvas.drawText(line)

    assert text(draw) == "A count of 10⁶ cells is low. See below²."


DOUBLE_LETTERS = ["Allergy pill, all 100 mg", "Do not take 1100 mg at 11:11", "The committee will tell all 22 of you"]


@pytest.mark.parametrize("piece", ["letter", "word", "line"])
@pytest.mark.parametrize("offset", [0.3, 0.7, 1.5])
@pytest.mark.parametrize("size", [14, 28])
def test_shadowed_letters_stand_once_and_double_letters_twice(piece: str, offset: float, size: float) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", size)
        for number, line in enumerate(DOUBLE_LETTERS):
            x, y = 50.0, 750 - 100 * number
            pieces = {"letter": list(line), "word": re.findall(r"\S+\s*", line), "line": [line]}[piece]
            for words in pieces:
                canvas.drawString(x, y, words)
                canvas.drawString(x + offset, y, words)
                x += canvas.stringWidth(words, "Helvetica", size)

    assert text(draw).split() == " ".join(DOUBLE_LETTERS).split()


@pytest.mark.parametrize("spacing", [-0.4, 0, 2])
def test_double_letters_without_a_shadow_are_kept(spacing: float) -> None:
    def draw(canvas: Canvas) -> None:
        for number, line in enumerate([*DOUBLE_LETTERS, "AA 11 0011 2233 llll", "100"]):
            canvas.drawString(50, 750 - 30 * number, line, charSpace=spacing)

    assert text(draw).split() == [*" ".join(DOUBLE_LETTERS).split(), "AA", "11", "0011", "2233", "llll", "100"]


def test_the_letters_of_a_ligature_are_no_shadows() -> None:
    table = "begincmap 2 beginbfchar <41> <00660066> <42> <006C006C> endbfchar endcmap"
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>"
    assert read(hand_made("BT /F 12 Tf 50 700 Td (diAerent piBs) Tj ET", font, table)).text == "different pills"


def test_a_ligature_may_end_a_line_with_a_character_of_two_units() -> None:
    table = "begincmap 2 beginbfchar <41> <FB00> <42> <D83DDC8A> endbfchar endcmap"
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>"
    assert read(hand_made("BT /F 12 Tf 50 700 Td (B put it oA) Tj ET", font, table)).text == "\U0001f48a put it off"


def test_letters_whose_widths_are_wrong_are_kept() -> None:
    widths = "/FirstChar 32 /LastChar 126 /Widths [" + "1200 " * 95 + "]"
    placed = "".join(f"1 0 0 1 {50 + 7 * n} 700 Tm ({letter}) Tj " for n, letter in enumerate("Allergy100mg"))
    data = hand_made(f"BT /F 12 Tf {placed} ET", f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica {widths} >>")
    assert read(data).text == "Allergy100mg"


def test_a_title_that_ends_in_half_a_character_refuses_no_file() -> None:
    data = made(written(SENTENCES), pageCompression=0).replace(b"/Title (untitled)", b"/Title <FEFF00410042D83D>")
    assert read(data).title == "AB\ufffd"


def test_paragraphs_go_on_over_lines_and_pages() -> None:
    lines = ["You will be asked to lie down and to", "rest while the nurse looks after"]
    over = [both(written(SENTENCES), written(lines, top=90)), written(["you and your family. Then you go", "home."])]
    assert "lie down and to rest while the nurse looks after you and your family. Then you go home." in text(*over)


def test_headings_by_size_and_by_weight() -> None:
    def draw(canvas: Canvas) -> None:
        for y, font, size, words in (
            (760, "Helvetica", 20, "Ketamine"),
            (720, "Helvetica-Bold", 14, "Before you come"),
            (660, "Helvetica-Bold", 10, "Food and drink"),
        ):
            canvas.setFont(font, size)
            canvas.drawString(50, y, words)
        canvas.setFont("Helvetica", 10)
        written(SENTENCES[:2], top=700)(canvas)
        written(SENTENCES[2:], top=640)(canvas)

    found = read(made(draw))
    assert [(heading.text, heading.level) for heading in found.headings] == [
        ("Ketamine", 1),
        ("Before you come", 2),
        ("Food and drink", 3),
    ]
    assert all(found.text[heading.start : heading.end] == heading.text for heading in found.headings)


def test_list_items_are_lines_of_their_own() -> None:
    def draw(canvas: Canvas) -> None:
        for number, line in enumerate(SENTENCES[:3]):
            canvas.drawString(50, 700 - 26 * number, "•")
            canvas.drawString(62, 700 - 26 * number, line[:-1] + " and")
            canvas.drawString(62, 688 - 26 * number, "then tell us.")

    assert text(draw).splitlines() == [f"• {line[:-1]} and then tell us." for line in SENTENCES[:3]]


# Files


def test_metadata_and_titles() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setTitle("Ketamine leaflet")
        canvas.setAuthor("Pain clinic")
        written(SENTENCES)(canvas)

    found = read(made(draw))
    assert found.title == "Ketamine leaflet"
    assert found.metadata["author"] == "Pain clinic"
    assert all(len(found.metadata[name]) == 10 for name in ("created", "modified"))
    assert (
        read(
            made(both(lambda canvas: canvas.setTitle("Microsoft Word - doc1.docx"), draw_nothing, written(SENTENCES)))
        ).title
        is None
    )


def draw_nothing(canvas: Canvas) -> None:
    pass


def draw_picture(canvas: Canvas) -> None:
    canvas.rect(50, 50, 400, 600, fill=1)


def test_pages_without_text_are_told() -> None:
    found = list(load(made(written(SENTENCES), draw_nothing, draw_picture, written(SENTENCES[:1]))))
    assert isinstance(found[0], Note)
    assert isinstance(found[-1], Extracted)
    assert found[-1].unread == {2: "empty", 3: "scanned"}
    assert len(found[-1].pages) == 4


@pytest.mark.parametrize(("page", "reason"), [(draw_nothing, "empty"), (draw_picture, "needs OCR")])
def test_a_file_without_any_text_is_refused(page: Callable[[Canvas], None], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        list(load(made(page)))


def test_a_password_is_told_and_one_for_changes_alone_does_not_matter() -> None:
    with pytest.raises(Unreadable, match="password"):
        list(load(made(written(SENTENCES), encrypt=pdfencrypt.StandardEncryption("secret"))))
    for_changes = pdfencrypt.StandardEncryption("", ownerPassword="secret", canPrint=0, canCopy=0)
    assert read(made(written(SENTENCES), encrypt=for_changes)).text.startswith(SENTENCES[0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(made(written(SENTENCES), written(SENTENCES[:1])))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=40)):
        whole[at] = value
    end = data.draw(st.integers(0, len(whole)))
    try:
        found = list(load(bytes(whole[:end])))
    except Unreadable:
        return
    assert all(isinstance(thing, Extracted | Note) for thing in found)


@pytest.mark.parametrize("data", [b"", b"%PDF-", b"%PDF-1.7\n" + bytes(2000), b"PK\x03\x04 something else"])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        list(load(data))


def test_too_many_pages_are_refused() -> None:
    with pypdfium2.PdfDocument.new() as file:
        for _ in range(MOST_PAGES + 1):
            file.new_page(10, 10).close()
        made_of = io.BytesIO()
        file.save(made_of)
    with pytest.raises(Unreadable, match="too long"):
        list(load(made_of.getvalue()))


# Places


def on_page(data: bytes, anchor: Anchor) -> str:
    """What PDFium says of the characters of an anchor."""
    with pypdfium2.PdfDocument(data) as file:
        page = file[anchor.page - 1]
        textpage = page.get_textpage()
        codes = [pdfium.FPDFText_GetUnicode(textpage.raw, anchor.at + n) for n in range(anchor.end - anchor.start)]
        textpage.close()
        page.close()
    return "".join(map(chr, codes))


def check_anchors(data: bytes, found: Extracted) -> None:
    end = 0
    covered = set[int]()
    for anchor in found.anchors:
        assert end <= anchor.start < anchor.end <= len(found.text)
        assert found.text[anchor.start : anchor.end] == on_page(data, anchor)
        end = anchor.end
        covered.update(range(anchor.start, anchor.end))
    letters = {number for number, letter in enumerate(found.text) if letter.isalnum()}
    assert letters <= covered


def rendered(data: bytes, page: int = 1, scale: float = 2.0) -> np.ndarray:
    with pypdfium2.PdfDocument(data) as file:
        opened = file[page - 1]
        bitmap = opened.render(scale=scale, rev_byteorder=True)
        pixels = bitmap.to_numpy().copy()
        bitmap.close()
        opened.close()
    return pixels


def red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 150) & (pixels[..., 1] < 120) & (pixels[..., 2] < 120)


def check_boxes(data: bytes, quote: str) -> None:
    """All red on the first page lies within the boxes of the quote, which are filled well by it."""
    found = read(data)
    start = found.text.index(quote)
    parts = [part_of(anchor, start, start + len(quote)) for anchor in found.anchors]
    places = boxes(data, [part for part in parts if part])
    assert places
    ink = red(rendered(data))
    assert ink.any()
    height, width = ink.shape
    left = ink.copy()
    for box in places:
        rows = slice(int(box.y0 * height) - 2, int(box.y1 * height) + 3)
        columns = slice(int(box.x0 * width) - 2, int(box.x1 * width) + 3)
        assert ink[rows, columns].any()
        left[rows, columns] = False
    assert not left.any()
    ys, xs = np.nonzero(ink)
    drawn = (ys.max() - ys.min()) * (xs.max() - xs.min())
    assert sum((box.x1 - box.x0) * width * (box.y1 - box.y0) * height for box in places) < 3.0 * drawn


def part_of(anchor: Anchor, start: int, end: int) -> Anchor | None:
    first, last = max(anchor.start, start), min(anchor.end, end)
    return Anchor(first, last, anchor.page, anchor.at + first - anchor.start) if first < last else None


def with_red(quote: str) -> bytes:
    def draw(canvas: Canvas) -> None:
        written(SENTENCES, x=90, top=700)(canvas)
        line = canvas.beginText(90, 600)
        line.textOut("Please ")
        line.setFillColorRGB(1, 0, 0)
        line.textOut(quote)
        line.setFillColorRGB(0, 0, 0)
        line.textOut(" unless told.")
        canvas.drawText(line)
        written(SENTENCES, x=90, top=500)(canvas)

    return made(draw)


RED = "do not take more than 50 mg"


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("crop", [None, (30, 40, 560, 800), (80, 300, 400, 720)])
def test_boxes_lie_on_the_words(turns: int, crop: tuple[float, float, float, float] | None) -> None:
    data = with_red(RED)
    if crop:
        data = cropped(data, *crop)
    data = turned(data, turns)
    check_boxes(data, RED)
    check_anchors(data, read(data))


@pytest.mark.parametrize("turns", range(4))
def test_a_page_drawn_for_its_rotation_is_read_in_order(turns: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.translate(*[(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)][turns])
        canvas.rotate(90 * turns)
        written(SENTENCES, top=500)(canvas)
        canvas.setFillColorRGB(1, 0, 0)
        written([RED], top=300)(canvas)

    data = turned(made(draw), turns)
    assert read(data).text.split() == [*" ".join(SENTENCES).split(), *RED.split()]
    check_boxes(data, RED)


def test_a_crop_box_hides_nothing_of_what_is_within() -> None:
    data = cropped(made(written(SENTENCES)), 20, 500, 500, 800)
    assert read(data).text.split() == " ".join(SENTENCES).split()


def test_boxes_are_shares_of_the_page() -> None:
    data = made(written(["Call us."], x=0.5 * WIDTH, top=0.25 * HEIGHT))
    (box,) = boxes(data, read(data).anchors)
    assert isinstance(box, Box)
    assert box.page == 1
    assert box.x0 == pytest.approx(0.5, abs=0.005)
    assert box.y0 < 0.75 < box.y1
    assert box.y1 - box.y0 < 0.02


SHORT = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789.,;()-äöüßéñ€", min_size=1, max_size=12)
LINES = st.lists(st.lists(SHORT, min_size=1, max_size=7).map(" ".join), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=3), st.integers(0, 3), st.sampled_from([50, 50.5, 250]))
def test_anchors_say_where_every_letter_is(pages: list[list[str]], turns: int, x: float) -> None:
    data = turned(made(*(written(lines, x=x, top=700) for lines in pages)), turns)
    try:
        found = read(data)
    except Unreadable:
        return
    check_anchors(data, found)
    assert list(found.pages) == sorted(found.pages)
    assert found.pages[0] == 0


# Pictures


def scanned(data: bytes) -> bytes:
    """A PDF of pictures of the pages of another."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    with pypdfium2.PdfDocument(data) as original:
        for page in original:
            picture = ImageReader(page.render(scale=3, grayscale=True).to_pil())
            canvas.drawImage(picture, 0, 0, WIDTH, HEIGHT)
            canvas.showPage()
            page.close()
    canvas.save()
    return file.getvalue()


def large(lines: Sequence[str]) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 14)
        written(lines, leading=20)(canvas)

    return draw


@pytest.fixture
def tesseract() -> None:
    if not shutil.which("tesseract"):
        pytest.skip("the program tesseract is not installed")


@pytest.mark.usefixtures("tesseract")
def test_pictures_are_read_when_asked_for() -> None:
    data = made(large(SENTENCES), large(["The second page is here."]))
    with pytest.raises(Unreadable, match="needs OCR"):
        list(load(scanned(data)))
    (found,) = (found for found in load(scanned(data), ocr="eng") if isinstance(found, Extracted))
    assert found.text.split() == read(data).text.split()
    assert found.recognised == (1, 2)
    assert not found.unread


@pytest.mark.usefixtures("tesseract")
def test_words_read_off_a_picture_have_their_place() -> None:
    data = made(large(SENTENCES[:2]))
    with Reader(Limits()) as reader:
        (found,) = (found for found in reader.load(".pdf", scanned(data), ocr="eng") if isinstance(found, Extracted))
    lines = [anchor for anchor in found.anchors if anchor.at == -1]
    places = boxes(scanned(data), lines)
    originals = boxes(data, read(data).anchors)
    assert [found.text[anchor.start : anchor.end] for anchor in lines] == list(SENTENCES[:2])
    for place, original in zip(places, originals, strict=True):
        assert place.page == 1
        assert (place.x0, place.x1) == pytest.approx((original.x0, original.x1), abs=0.01)
        assert original.y0 - 0.005 < place.y0 < place.y1 < original.y1 + 0.005


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Puts another program in tesseract's place."""
    program = folder / "tesseract"
    program.write_text(f"#!/bin/sh\n/bin/cat > /dev/null\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


TSV = """level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext
1\t1\t0\t0\t0\t0\t0\t0\t2479\t3508\t-1\t
5\t1\t1\t1\t1\t1\t200\t200\t100\t40\t96.5\tTake
5\t1\t1\t1\t1\t2\t320\t200\t100\t40\t31.0\tmedi-
5\t1\t1\t1\t2\t1\t200\t260\t100\t40\t91.0\tcation.
"""


def test_uncertain_words_are_kept_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "table").write_text(TSV)
    pretend(monkeypatch, tmp_path, f"/bin/cat '{tmp_path / 'table'}'")
    found = list(load(made(draw_picture, large(SENTENCES[:1])), ocr="eng"))
    assert Note("page 1, read off its picture: 1 of 3 words uncertain") in found
    assert isinstance(found[-1], Extracted)
    assert found[-1].text.split("\n\n")[0] == "Take medication."
    assert found[-1].recognised == (1,)


def test_the_remedy_for_a_missing_program_or_language_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreadable, match="install Tesseract and its language data"):
        list(load(made(draw_picture), ocr="eng"))
    pretend(monkeypatch, tmp_path, "exit 1")
    with pytest.raises(Unreadable, match=r"'deu'.*install Tesseract and its language data"):
        list(load(made(draw_picture), ocr="deu"))
    found = list(load(made(draw_picture, written(SENTENCES)), ocr="deu"))
    assert any(isinstance(thing, Note) and "install Tesseract" in thing.message for thing in found)
    assert found[-1].unread == {1: "scanned"}


@pytest.mark.parametrize("languages", ["../eng", "eng fra", "eng+", "-l", "eng;rm"])
def test_languages_that_are_none_are_refused(languages: str) -> None:
    with pytest.raises(Unreadable, match="language codes"):
        list(load(made(written(SENTENCES)), ocr=languages))
