"""PDF: the text layer in reading order, and where on its page every character stands.

The only module that imports pypdfium2. Nothing in the file is run and nothing outside of it is fetched: PDFium is
asked for text alone. A line's words keep the index that PDFium gives their characters (`Anchor`), so that their boxes
can be had from the file whenever a quote is to be shown in its place.
"""

from __future__ import annotations

import ctypes
import io
import math
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import compress, count, groupby, pairwise
from operator import eq
from statistics import median
from typing import Any, TypeAlias

import pypdfium2
import pypdfium2.raw as pdfium

from bot.loaders import Anchor, Extracted, Heading, Note, Span, Unreadable
from bot.loaders.layout import (
    CELL_GAP,
    Block,
    Line,
    Page,
    Row,
    Table,
    blocks,
    bullet,
    joined,
    may_be_heading,
    without_running_heads,
)
from bot.loaders.ocr import DOTS_PER_INCH, MOST_PIXELS, Picture, Word, check_languages
from bot.loaders.ocr import read as recognise
from bot.loaders.ruled import SHORTEST, THICKEST, Colour, Fill, Rule, Ruled, grids
from bot.loaders.writing import CELLS, table_rows

MOST_PAGES = 3000
MOST_CHARACTERS = 20_000_000
SHOWN_PIXELS_ACROSS = 1400
MOST_SHOWN_PIXELS = 4_000_000
LONGEST_SHOWN = 12_000  # pixels: a WebP may have 16,383

_PIECE = re.compile("[^\x00-\x08\n-\x1f\ufffe]+")
_HYPHENS = "\x02\ufffe"  # PDFium marks a hyphen at a line's end in one of two ways
_NAMELESS = re.compile("[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\ufffd]")
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LIGATURE = re.compile(f"[{''.join(_LIGATURES)}]")
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_NUMBER_WITHIN = re.compile(r"(?<=[^\s\d.,:/–-])\d+|(?<=\d)\d(?=\D|$)")
_SMALLER = 0.82
_AROUND_WORD = ".,;:!?()[]\"'“”‘’"
_BOLD = re.compile(rb"bold|black|heavy|semibold|demi", re.IGNORECASE)
_LEADERS = " \t\xa0._-…"  # stand many times in a row without being shadows
_DIGIT = re.compile(r"\d")
_MAY_BE_CELLS = 0.4
"""A gap between words, in sizes of their letters, from which on lines are looked for that may part cells."""
_SHORT = 40  # characters: longer lines side by side are columns of text
_WIDEST_LETTER = 0.6
_MOST_OBJECTS = 2000
_MOST_STROKES = 4000
_WITHIN_WORD = 0.1
_WHITE = 245
_MOST_OF_PAGE = 0.85  # a larger grid is the page's frame
_BOX = struct.Struct("4f")  # left, top, right, bottom, the y axis upwards
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?")
_NO_TITLE = re.compile(
    r"(?:\(?anonymous\)?|microsoft word - .*|untitled.*|.*\.\w{2,4}|document\d*|slide \d+)", re.IGNORECASE
)


_POINTS_PER_INCH = 72
_SURE = 50.0
"""Words that Tesseract is less confident of are told to staff."""
_WORD_GAP = 2.0  # between words read off a picture, in their usual height: further apart are cells
_LARGE = 1.5
Place: TypeAlias = tuple[float, float, float, float]
"""x0, top, x1, bottom: points on a page as it is shown."""
Share: TypeAlias = tuple[float, float, float, float]
"""x0, y0, x1, y1: shares of a page's width and height as it is shown, from its upper left."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, from 1: shares of the page's width and height as it is shown, from its upper left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """A page as it is shown: `width` and `height` in points, the `boxes` of a text on it, and its picture, a WebP; b""
    where none was wanted."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    picture: bytes


def load(data: bytes, ocr: str = "") -> Iterator[Extracted | Unreadable | Note]:
    """Raises Unreadable for what is no PDF, is damaged, has a password or too many pages, and for scans.

    `ocr`: Tesseract's codes of languages, such as ``eng`` or ``deu+eng``; pages without a text layer are then read off
    their picture, as `Note`s say.
    """
    if ocr:
        check_languages(ocr)
    with closing(_open(data)) as file:
        count = len(file)
        if count > MOST_PAGES:
            raise Unreadable(f"too long: {count} pages, the limit is {MOST_PAGES}; split it")
        pages: list[Page] = []
        unread: dict[int, str] = {}
        recognised: dict[int, Sequence[Share]] = {}
        nameless: list[int] = []
        characters = 0
        failed = ""  # why pages cannot be read off their pictures
        for number in range(1, count + 1):
            with _OpenPage(file, number) as page:
                read = page.read()
                if not read.rows:
                    unread[number] = "scanned" if page.has_picture() else "empty"
                if page.nameless:
                    nameless.append(number)
                if ocr and not failed and unread.get(number) == "scanned":
                    picture = page.picture()
                    try:
                        words = recognise(picture, ocr)
                    except Unreadable as error:
                        failed = error.reason
                        words = []
                    if words:
                        del unread[number]
                        read, recognised[number] = _off_picture(read, picture, words)
                        if doubts := sum(word.confidence < _SURE for word in words):
                            yield Note(f"page {number}, read off its picture: {doubts} of {len(words)} words uncertain")
            pages.append(read)
            characters += sum(len(line.text) for row in read.rows for line in row)
            if characters > MOST_CHARACTERS:
                raise Unreadable(f"too long: over {MOST_CHARACTERS:,} characters; split it")
        about = _metadata(file)
    if len(unread) == count:
        scanned = "scanned" in unread.values()
        needs = failed or f"needs OCR: none of its {count} pages has a text layer"
        raise Unreadable(needs if scanned else "empty: no text")
    if unread:
        yield Note(f"pages without text (scanned or empty): {', '.join(map(str, unread))}")
    if failed:
        yield Note(f"pages that were not read: {failed}")
    if nameless:
        yield Note(f"pages with signs whose meaning the file does not tell: {', '.join(map(str, nameless))}")
    cut = any(line.hyphen for page in pages for row in page.rows for line in row)
    writer = _Writer(_words(pages) if cut else set(), recognised)
    for block in blocks(without_running_heads(pages)):
        writer.add(block)
    yield writer.extracted(count, unread, about)


def boxes(data: bytes, anchors: Iterable[Anchor]) -> list[Box]:
    """Where the text of `anchors` stands: a box for each run of characters on a line, in order."""
    found: list[Box] = []
    with closing(_open(data)) as file:
        by_page: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            if anchor.box:
                found.append(Box(anchor.page, *anchor.box))
            else:
                by_page.setdefault(anchor.page, []).append(anchor)
        for number, on_page in by_page.items():
            with _OpenPage(file, number) as page:
                for anchor in on_page:
                    found += page.boxes(anchor.at, anchor.end - anchor.start)
    return found


def draw(data: bytes, number: int, anchors: Iterable[Anchor], *, picture: bool) -> Drawing:
    """The page `number`, from 1, with the boxes of those of `anchors` that are on it; and, with `picture`, as a WebP.

    Raises Unreadable for a page that is not there or cannot be shown.
    """
    with closing(_open(data)) as file:
        if not 1 <= number <= len(file):
            raise Unreadable(f"no page {number}: it has {len(file)}")
        with _OpenPage(file, number) as page:
            if not (page.width >= 1 and page.height >= 1):
                raise Unreadable(f"page {number} has no size")
            found: list[Box] = []
            for anchor in anchors:
                if anchor.page == number and anchor.box:
                    found.append(Box(number, *anchor.box))
                elif anchor.page == number:
                    found += page.boxes(anchor.at, anchor.end - anchor.start)
            return Drawing(page.width, page.height, tuple(found), page.coloured() if picture else b"")


def _open(data: bytes) -> pypdfium2.PdfDocument:
    if b"%PDF-" not in data[:1024]:
        raise Unreadable("not a PDF, whatever its name says")
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("password-protected: save it without a password") from None
        raise Unreadable("damaged: it cannot be opened as a PDF") from None


class _OpenPage:
    """A page of an open file. Closes what PDFium holds for it."""

    def __init__(self, file: pypdfium2.PdfDocument, number: int) -> None:
        self.number = number
        self._page = pdfium.FPDF_LoadPage(file.raw, number - 1)
        if not self._page:
            raise Unreadable(f"damaged: page {number} cannot be read")
        self._text = pdfium.FPDFText_LoadPage(self._page)
        if not self._text:
            pdfium.FPDF_ClosePage(self._page)
            raise Unreadable(f"damaged: page {number} cannot be read")
        self.width = pdfium.FPDF_GetPageWidthF(self._page)
        self.height = pdfium.FPDF_GetPageHeightF(self._page)
        self.nameless = False  # whether some of its characters have no meaning that the file tells
        self._turns = pdfium.FPDFPage_GetRotation(self._page)
        self._font = ctypes.create_string_buffer(128)
        self._corners = tuple(ctypes.c_double() for _ in range(4))
        self._into_corners = tuple(map(ctypes.byref, self._corners))
        seen = pdfium.FS_RECTF()
        pdfium.FPDF_GetPageBoundingBox(self._page, seen)
        self._left, self._top, self._right, self._bottom = seen.left, seen.top, seen.right, seen.bottom

    def __enter__(self) -> _OpenPage:
        return self

    def __exit__(self, *_: object) -> None:
        pdfium.FPDFText_ClosePage(self._text)
        pdfium.FPDF_ClosePage(self._page)

    def read(self) -> Page:
        """The page's lines, in its own order, and the lines drawn around them."""
        lines = self._lines()
        gaps = [self._widest_gap(line) for line in lines]
        ruled: list[Ruled] = []
        rules: list[Rule] = []
        lined: list[Rule] = []
        filled: list[Fill] = []
        if _may_hold_table(lines, gaps):
            lined, filled = self._shapes()
            ruled, rules = grids(lined)
            most = _MOST_OF_PAGE * self.width * self.height
            ruled = [g for g in ruled if (g.xs[-1] - g.xs[0]) * (g.ys[-1] - g.ys[0]) < most]
        return Page(
            self.number,
            self.width,
            self.height,
            self._by_row(lines, gaps, ruled, drawn=bool(lined)),
            ruled,
            rules,
            filled,
        )

    def _lines(self) -> list[Line]:
        text, at = self._characters()
        self.nameless = _NAMELESS.search(text) is not None
        pieces: list[tuple[str, Sequence[int], bool]] = []
        for found in _PIECE.finditer(text):
            words = found.group()
            start, end = found.start() + len(words) - len(words.lstrip()), found.start() + len(words.rstrip())
            if start < end:
                hyphen = text[found.end() : found.end() + 1] in _HYPHENS and found.end() < len(text)
                pieces.append((text[start:end], at[start:end], hyphen))
        ends = self._loose_boxes([index for _, indexes, _ in pieces for index in (indexes[0], indexes[-1])])
        lines = []
        for (words, indexes, hyphen), first, last in zip(pieces, ends[::2], ends[1::2], strict=True):
            line = Line(words, indexes, self.number, first[0], first[1], last[2], first[3], first[3] - first[1])
            if line.mark:  # a bullet is often of another size
                line.top, line.bottom, line.size = last[1], last[3], last[3] - last[1]
            line.hyphen = hyphen
            if line.size > 0:
                lines.append(line)
        return lines

    def _by_row(
        self, lines: Sequence[Line], gaps: Sequence[float], ruled: Sequence[Ruled], *, drawn: bool
    ) -> list[Row]:
        """`drawn`: lines are, so that any piece may be a table's head."""
        rows: list[Row] = []
        for line, gap in zip(lines, gaps, strict=True):
            self._drop_shadows(line)
            self._raise_numbers(line)
            borders = _borders(line, ruled)
            crossed = any(line.x0 < border < line.x1 for border in borders)
            row = self._split(line, borders) if crossed or gap > CELL_GAP * line.size else [line]
            for piece in row:
                if len(row) > 1 or drawn or may_be_heading(piece):
                    piece.bold = self._bold(piece.at[0])
            for number, piece in enumerate(row):
                last = rows[-1][-1] if rows else None
                if not last or not _beside(last, piece) or last.hyphen:
                    rows.append([piece])
                elif (
                    number
                    or piece.x0 - last.x1 >= last.size
                    or any(last.x1 - 1 <= border <= piece.x0 + 1 for border in borders)
                ):
                    rows[-1].append(piece)
                else:
                    rows[-1][-1] = _glued(last, piece)
        return rows

    def _widest_gap(self, line: Line) -> float:
        """About how wide the widest gap in a line is: PDFium gives a rectangle for each of its runs of one font and
        place, and a run that is too wide for its letters may hold one."""
        width = line.x1 - line.x0
        widest = line.size if width > _WIDEST_LETTER * line.size * len(line.text) else 0.0
        runs = pdfium.FPDFText_CountRects(self._text, line.at[0], line.at[-1] - line.at[0] + 1)
        left, top, right, bottom = self._corners
        end = None
        for number in range(runs if runs > 1 else 0):
            pdfium.FPDFText_GetRect(self._text, number, *self._into_corners)
            if self._turns:
                x0, _, x1, _ = self._shown(left.value, top.value, right.value, bottom.value)
            else:
                x0, x1 = left.value, right.value
            if end is not None:
                widest = max(widest, x0 - end, end - x0 - line.size)  # it may also go back to the left
            end = x1
        return widest

    def _split(self, line: Line, borders: Sequence[float]) -> Row:
        """A line with wide gaps or across the borders of cells as its pieces. The mark of a list item stays with its
        words unless a border parts them."""
        places = self._loose_boxes(line.at)
        mark = line.mark.rstrip()
        row: Row = []
        start = words = 0
        before: Place | None = None
        for number, box in enumerate(places):
            if line.text[number].isspace():
                continue
            if before:
                gap = box[0] - before[2]
                wide = not -1.5 * line.size < gap < CELL_GAP * line.size
                parted = gap > _WITHIN_WORD * line.size or line.text[number - 1].isspace()
                if parted and any(_middle(before) < border < _middle(box) for border in borders):
                    wide = True
                elif wide and not start and mark == line.text[:number].rstrip():
                    wide, words = False, number
                if wide:
                    row.append(_part(line, start, number, places, words))
                    start, words = number, 0
            before = box
        row.append(_part(line, start, len(places), places, words))
        return row

    def _shapes(self) -> tuple[list[Rule], list[Fill]]:
        """The lines that are drawn straight down or across the page, as thin shapes or as the edges of boxes, and the
        coloured areas."""
        rules: list[Rule] = []
        fills: list[Fill] = []
        budget = _MOST_STROKES
        colours = _Colours()
        left, bottom, right, top = (ctypes.c_float() for _ in range(4))
        for number in range(min(pdfium.FPDFPage_CountObjects(self._page), _MOST_OBJECTS)):
            shape = pdfium.FPDFPage_GetObject(self._page, number)
            if pdfium.FPDFPageObj_GetType(shape) != pdfium.FPDF_PAGEOBJ_PATH:
                continue
            if not pdfium.FPDFPageObj_GetBounds(shape, left, bottom, right, top):
                continue
            place = self._shown(left.value, top.value, right.value, bottom.value)
            across, down = place[2] - place[0], place[3] - place[1]
            if across < SHORTEST > down:
                continue
            fill, stroke = colours.of(shape)
            if fill is stroke is None:
                continue
            if min(across, down) <= THICKEST:
                rules.append(place)
                continue
            if fill is not None:
                fills.append((place, fill))
            budget -= pdfium.FPDFPath_CountSegments(shape)
            if budget < 0:
                break
            rules += (self._shown(*edge) for edge in _edges(shape))
        return rules, fills

    def _drop_shadows(self, line: Line) -> None:
        """A shadow or a fake bold is drawn as a second letter over the first: one of the two is left out. Letters that
        stand side by side hardly overlap; where others do as well, the file's widths are wrong and all are kept."""
        doubled = [n for n in compress(count(), map(eq, line.text, line.text[1:])) if line.text[n] not in _LEADERS]
        if not doubled:
            return
        ends = self._loose_boxes([line.at[at] for n in doubled for at in (n, n + 1)])
        if not any(map(_lies_over, ends[::2], ends[1::2])):
            return
        places = self._loose_boxes(line.at)
        kept: list[int] = []
        for number, (letter, box) in enumerate(zip(line.text, places, strict=True)):
            if not any(line.text[n] == letter and _lies_over(box, places[n]) for n in kept[-4:]):
                kept.append(number)
        if not any(_lies_over(places[n], places[m]) for n, m in pairwise(kept)):
            line.text, line.at = "".join(line.text[n] for n in kept), [line.at[n] for n in kept]

    def _raise_numbers(self, line: Line) -> None:
        """10⁶ must not be read as 106: digits that stand higher and smaller become superscript characters."""
        numbers = list(_NUMBER_WITHIN.finditer(line.text)) if _DIGIT.search(line.text) else []
        if not numbers:
            return
        raised = line.text
        ends = self._loose_boxes([line.at[at] for found in numbers for at in (found.start() - 1, found.end() - 1)])
        for found, before, box in zip(numbers, ends[::2], ends[1::2], strict=True):
            small = box[3] - box[1] < _SMALLER * line.size and box[3] < line.bottom - 0.15 * line.size
            if small and box[0] > _middle(before):  # text that runs up or down the page has other heights
                raised = raised[: found.start()] + found.group().translate(_RAISED) + raised[found.end() :]
        line.text = raised

    def _characters(self) -> tuple[str, Sequence[int]]:
        """The page's text, and PDFium's index of each character."""
        count = pdfium.FPDFText_CountChars(self._text)
        if count <= 0:
            return "", ()
        buffer = (ctypes.c_ushort * (2 * count + 2))()
        units = pdfium.FPDFText_GetText(self._text, 0, count, buffer) - 1
        text = bytes(memoryview(buffer).cast("B")[: 2 * units]).decode("utf-16-le", errors="replace")
        if units == count == len(text):
            return text, range(count)
        at: list[int] = []
        unit = last = 0
        for character in text:
            index = pdfium.FPDFText_GetCharIndexFromTextIndex(self._text, unit) if units != count else unit
            last = index if index > last else last
            at.append(last)
            unit += 2 if character > "\uffff" else 1
        return text, at

    def _loose_boxes(self, indexes: Sequence[int]) -> list[Place]:
        """(x0, top, x1, bottom) of each character as the page is shown, as high as its font's letters."""
        found = (pdfium.FS_RECTF * len(indexes))()
        for index, place in zip(indexes, found, strict=True):
            pdfium.FPDFText_GetLooseCharBox(self._text, index, place)
        if self._turns:
            return [self._shown(*box) for box in _BOX.iter_unpack(found)]
        x, y = self._left, self._top
        return [(left - x, y - top, right - x, y - bottom) for left, top, right, bottom in _BOX.iter_unpack(found)]

    def _shown(self, left: float, top: float, right: float, bottom: float) -> Place:
        if self._turns == 0:
            return left - self._left, self._top - top, right - self._left, self._top - bottom
        if self._turns == 1:
            return bottom - self._bottom, left - self._left, top - self._bottom, right - self._left
        if self._turns == 2:
            return self._right - right, bottom - self._bottom, self._right - left, top - self._bottom
        return self._top - top, self._right - right, self._top - bottom, self._right - left

    def _bold(self, index: int) -> bool:
        length = pdfium.FPDFText_GetFontInfo(self._text, index, self._font, len(self._font), None)
        name = self._font.value if 0 < length <= len(self._font) else b""
        return _BOLD.search(name) is not None or pdfium.FPDFText_GetFontWeight(self._text, index) >= 600

    def picture(self) -> Picture:
        """The page as it is shown, in shades of grey."""
        scale = min(DOTS_PER_INCH / _POINTS_PER_INCH, math.sqrt(MOST_PIXELS / (self.width * self.height)))
        width, height = max(1, int(self.width * scale)), max(1, int(self.height * scale))
        bitmap = pypdfium2.PdfBitmap.new_native(width, height, pdfium.FPDFBitmap_Gray)
        bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
        flags = pdfium.FPDF_GRAYSCALE | pdfium.FPDF_ANNOT
        pdfium.FPDF_RenderPageBitmap(bitmap.raw, self._page, 0, 0, width, height, 0, flags)
        pixels, stride = bytes(bitmap.buffer), bitmap.stride
        bitmap.close()
        rows = (pixels[at : at + width] for at in range(0, stride * height, stride))
        return Picture(width, height, round(scale * _POINTS_PER_INCH), b"".join(rows))

    def coloured(self) -> bytes:
        """The page as it is shown, as a WebP."""
        longest = max(self.width, self.height)
        scale = min(SHOWN_PIXELS_ACROSS / self.width, math.sqrt(MOST_SHOWN_PIXELS / (self.width * self.height)))
        scale = min(scale, LONGEST_SHOWN / longest)
        width, height = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        bitmap = pypdfium2.PdfBitmap.new_native(width, height, pdfium.FPDFBitmap_BGR)
        bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
        pdfium.FPDF_RenderPageBitmap(bitmap.raw, self._page, 0, 0, width, height, 0, pdfium.FPDF_ANNOT)
        written = io.BytesIO()
        bitmap.to_pil().save(written, "WEBP", quality=80, method=2)
        bitmap.close()
        return written.getvalue()

    def has_picture(self) -> bool:
        for number in range(min(pdfium.FPDFPage_CountObjects(self._page), 1000)):
            kind = pdfium.FPDFPageObj_GetType(pdfium.FPDFPage_GetObject(self._page, number))
            if kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM, pdfium.FPDF_PAGEOBJ_PATH):
                return True
        return False

    def boxes(self, start: int, count: int) -> Iterator[Box]:
        places = [box for box in self._loose_boxes(range(start, start + count)) if box[2] > box[0]]
        if places:
            yield Box(
                self.number,
                max(0.0, min(box[0] for box in places) / self.width),
                max(0.0, min(box[1] for box in places) / self.height),
                min(1.0, max(box[2] for box in places) / self.width),
                min(1.0, max(box[3] for box in places) / self.height),
            )


class _Colours:
    """Asks for the colours of paths."""

    def __init__(self) -> None:
        self._modes = ctypes.c_int(), ctypes.c_int()
        self._parts = tuple(ctypes.c_uint() for _ in range(4))

    def of(self, shape: Any) -> tuple[Colour | None, Colour | None]:
        """What a path is filled and stroked with; None for nothing, or for white, which shows on no page."""
        fills, strokes = self._modes
        pdfium.FPDFPath_GetDrawMode(shape, fills, strokes)
        fill = self._colour(pdfium.FPDFPageObj_GetFillColor, shape) if fills.value else None
        return fill, self._colour(pdfium.FPDFPageObj_GetStrokeColor, shape) if strokes.value else None

    def _colour(self, ask: Callable[..., int], shape: Any) -> Colour | None:
        if not ask(shape, *self._parts):
            return None
        red, green, blue, alpha = (part.value for part in self._parts)
        return (red, green, blue) if alpha > 0 and min(red, green, blue) < _WHITE else None


def _edges(shape: Any) -> Iterator[tuple[float, float, float, float]]:
    """(left, top, right, bottom) of the straight lines of a path that are not aslant."""
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(shape, matrix)
    x, y = ctypes.c_float(), ctypes.c_float()
    first = last = None
    for number in range(pdfium.FPDFPath_CountSegments(shape)):
        segment = pdfium.FPDFPath_GetPathSegment(shape, number)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        kind = pdfium.FPDFPathSegment_GetType(segment)
        ends = [(last, point)] if last and kind == pdfium.FPDF_SEGMENT_LINETO else []
        first = point if kind == pdfium.FPDF_SEGMENT_MOVETO else first
        if first and pdfium.FPDFPathSegment_GetClose(segment):
            ends.append((point, first))
        for one, other in ends:
            if min(abs(one[0] - other[0]), abs(one[1] - other[1])) < 1:
                yield min(one[0], other[0]), max(one[1], other[1]), max(one[0], other[0]), min(one[1], other[1])
        last = point


def _may_hold_table(lines: Sequence[Line], gaps: Sequence[float]) -> bool:
    """Whether two or more lines have gaps or stand beside the one before: to fetch the lines that are drawn on a page
    costs as much as its text, and running text needs none."""
    wide = sum(gap > _MAY_BE_CELLS * line.size for gap, line in zip(gaps, lines, strict=True))
    beside = sum(line.top < last.bottom - last.size / 2 and len(line.text) < _SHORT for last, line in pairwise(lines))
    return wide + beside >= 2


def _borders(line: Line, ruled: Iterable[Ruled]) -> Sequence[float]:
    """The x of the borders between cells at a line's height, of the smallest grid that holds it."""
    x, y = (line.x0 + line.x1) / 2, (line.top + line.bottom) / 2
    return next((grid.borders(y) for grid in ruled if grid.holds(x, y)), ())


def _middle(box: Place) -> float:
    return (box[0] + box[2]) / 2


def _lies_over(one: Place, other: Place) -> bool:
    """Whether two characters were drawn over each other. The letters of a ligature have one place, which is none."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    narrow, low = min(one[2] - one[0], other[2] - other[0]), min(one[3] - one[1], other[3] - other[1])
    return one != other and across > 0.3 * narrow and down > 0.7 * low


def _beside(last: Line, line: Line) -> bool:
    """Whether a piece goes on to the right of the one before, on the same line of the page."""
    shared = min(last.bottom, line.bottom) - max(last.top, line.top)
    return shared > 0.5 * min(last.size, line.size) and line.x0 >= last.x1 - 0.3 * last.size


def _glued(last: Line, line: Line) -> Line:
    """Two pieces of one line: a change of font or height set them apart."""
    if line.x0 - last.x1 > 0.15 * last.size:
        return joined([last, line])
    longest = max(last, line, key=lambda piece: len(piece.text))
    return replace(
        longest,
        text=last.text + line.text,
        at=[*last.at, *line.at],
        x0=last.x0,
        x1=line.x1,
        bold=last.bold,
        hyphen=line.hyphen,
        parts=None,
    )


def _part(line: Line, start: int, end: int, places: Sequence[Place], words: int = 0) -> Line:
    """``line[start:end]``; `words`: where its words begin, if a wide gap sets its mark apart."""
    while line.text[end - 1].isspace():
        end -= 1
    top, bottom = max(((box[1], box[3]) for box in places[start:end]), key=lambda span: span[1] - span[0])
    return replace(
        line,
        text=line.text[start:end],
        at=line.at[start:end],
        top=top,
        bottom=bottom,
        x0=places[start][0],
        x1=places[end - 1][2],
        hyphen=line.hyphen and end == len(line.text),
        parts=(_part(line, start, words, places), _part(line, words, end, places)) if words else None,
    )


def _off_picture(page: Page, picture: Picture, words: Sequence[Word]) -> tuple[Page, list[Share]]:
    """A page of the words that were read off its picture, and where each of their characters stands: as its word does,
    a space as the word before it."""
    across, down = page.width / picture.width, page.height / picture.height
    usual = median(word.bottom - word.top for word in words) * down
    places: list[Share] = []
    rows: list[Row] = []
    for _, line in groupby(words, key=lambda word: word.line):
        row: Row = []
        for word in line:
            x0, top, x1, bottom = word.x0 * across, word.top * down, word.x1 * across, word.bottom * down
            share = (x0 / page.width, top / page.height, x1 / page.width, bottom / page.height)
            if row and x0 - row[-1].x1 < _WORD_GAP * usual:
                last, text = row[-1], f"{row[-1].text} {word.text}"
                at = range(last.at[0], last.at[0] + len(text))
                places += [places[-1], *[share] * len(word.text)]
                row[-1] = replace(
                    last, text=text, at=at, x1=x1, top=min(last.top, top), bottom=max(last.bottom, bottom)
                )
            else:
                at = range(len(places), len(places) + len(word.text))
                places += [share] * len(word.text)
                row.append(Line(word.text, at, page.number, x0, top, x1, bottom, usual))
        for piece in row:
            if piece.bottom - piece.top > _LARGE * usual:
                piece.size = piece.bottom - piece.top
        if row[-1].text.endswith("-") and row[-1].text[-2:-1].isalpha():
            row[-1] = replace(row[-1], text=row[-1].text[:-1], at=row[-1].at[:-1], hyphen=True)
        rows.append(row)
    return replace(page, rows=rows), places


def _words(pages: Iterable[Page]) -> set[str]:
    """The whole words of the lines, in lower case, to tell how a word that a line's end cut is written."""
    words: set[str] = set()
    cut = False
    for line in (line for page in pages for row in page.rows for line in row):
        whole = line.text.lower().split()
        words.update(word.strip(_AROUND_WORD) for word in whole[cut : len(whole) - line.hyphen])
        cut = line.hyphen
    return words


class _Writer:
    """Puts the lines of blocks together, each with its anchor."""

    def __init__(self, words: set[str], recognised: Mapping[int, Sequence[Share]]) -> None:
        self._known = words
        self._recognised = recognised
        self._parts: list[str] = []
        self._length = 0
        self._anchors: list[Anchor] = []
        self._headings: list[Heading] = []
        self._tables: list[tuple[Span, ...]] = []
        self._begins: dict[int, int] = {}  # page: the offset of its first text
        self._last = ""

    def add(self, block: Block | Table) -> None:
        if isinstance(block, Table):
            self._table(block)
            return
        together = block.kind == "item" and self._last in ("item", "paragraph")
        start = self._open("\n" if together else "\n\n")
        for number, line in enumerate(block.lines):
            if number:
                self._between(block.lines[number - 1], line, line_break=number in block.breaks)
            self._line(line, marked=block.kind == "item" and not number)
        if block.kind == "heading":
            self._headings.append(Heading(start, self._length, block.level, self._since(start)))
        self._last = block.kind

    def extracted(self, count: int, unread: dict[int, str], about: dict[str, str]) -> Extracted:
        text = "".join(self._parts)
        begins, offset = [], len(text)
        for page in range(count, 0, -1):
            offset = min(offset, self._begins.get(page, offset))
            begins.append(offset)
        begins[-1] = 0
        return Extracted(
            text,
            title=about.pop("title", None),
            headings=tuple(self._headings),
            pages=tuple(reversed(begins)),
            metadata=about,
            tables=tuple(self._tables),
            anchors=tuple(self._anchors),
            unread=unread,
            recognised=tuple(self._recognised),
        )

    def _table(self, table: Table) -> None:
        spans: list[Span] = []
        for cells in table_rows(table.rows, table.heads, lambda line: len(line.text)):
            start = self._open("\n" if spans else "\n\n")
            for number, (names, cell) in enumerate(cells):
                if number:
                    self._append(CELLS)
                for other, name in enumerate(names):
                    if other:
                        self._append(", ")
                    self._cell(name, strip=": ")
                if names:
                    self._append(": ")
                self._cell(cell)
            spans.append((start, self._length))
        if spans:
            self._tables.append(tuple(spans))
        self._last = "table"

    def _cell(self, lines: Sequence[Line], strip: str = "") -> None:
        for number, line in enumerate(lines):
            if number:
                self._between(lines[number - 1], line, line_break=False)
            text = line.text if number < len(lines) - 1 else line.text.rstrip(strip)
            self._line(line if len(text) == len(line.text) else replace(line, text=text, at=line.at[: len(text)]))

    def _open(self, gap: str) -> int:
        if self._parts:
            self._append(gap)
        return self._length

    def _since(self, start: int) -> str:
        return "".join(self._parts)[start:]

    def _between(self, last: Line, line: Line, *, line_break: bool) -> None:
        if line_break:
            self._append("\n")
        elif last.hyphen:
            self._append(self._hyphen(last, line))
        elif not last.text.endswith(("-", "–", "/")) or last.text.endswith((" -", " –")):
            self._append(" ")

    def _hyphen(self, last: Line, line: Line) -> str:
        """Whether a word that a line's end cut has a hyphen of its own: as it is written elsewhere in the document,
        else it has one if both parts are words there."""
        head = last.text.split()[-1].lower().strip(_AROUND_WORD)
        tail = line.text.split()[0].lower().strip(_AROUND_WORD)
        if head + tail in self._known:
            return ""
        if f"{head}-{tail}" in self._known or (head in self._known and tail in self._known and len(head) > 2):
            return "-"
        return "" if tail[:1].islower() else "-"

    def _line(self, line: Line, *, marked: bool = False) -> None:
        self._begins.setdefault(line.page, self._length)
        text, at = line.text, line.at
        if marked and (mark := line.mark):
            self._anchored(bullet(mark.strip()), at, line.page)
            self._append(" ")
            text, at = text[len(mark) :], at[len(mark) :]
        start = 0
        for found in _LIGATURE.finditer(text):
            self._anchored(text[start : found.start()], at[start:], line.page)
            for letter in _LIGATURES[found.group()]:
                self._anchored(letter, at[found.start() :], line.page)
            start = found.end()
        self._anchored(text[start:], at[start:], line.page)

    def _anchored(self, text: str, at: Sequence[int], page: int) -> None:
        """Appends text whose characters have these indexes; runs of indexes become anchors."""
        begin = 0
        broken: list[int] = []
        if text and not isinstance(at, range) and at[: len(text)] != list(range(at[0], at[0] + len(text))):
            broken = [n for n in range(1, len(text)) if at[n] != at[n - 1] + 1 or not at[n]]
        for end in (*broken, len(text)):
            if end > begin and at[begin] >= 0:
                self._anchors.append(self._anchor(begin, end, page, at[begin]))
            begin = end
        self._append(text)

    def _anchor(self, begin: int, end: int, page: int, at: int) -> Anchor:
        """Of what is about to be appended, from one offset in it to another."""
        start, stop = self._length + begin, self._length + end
        if page not in self._recognised:
            return Anchor(start, stop, page, at)
        x0, y0, x1, y1 = zip(*self._recognised[page][at : at + end - begin], strict=True)
        return Anchor(start, stop, page, -1, (min(x0), min(y0), max(x1), max(y1)))

    def _append(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)


def _fact(file: pypdfium2.PdfDocument, key: str) -> str:
    """What the file says of itself; "" where it says nothing. It may hold halves of characters."""
    name = key.encode("ascii") + b"\0"
    size = pdfium.FPDF_GetMetaText(file.raw, name, None, 0)
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDF_GetMetaText(file.raw, name, buffer, size)
    return buffer.raw[:-2].decode("utf-16-le", errors="replace")


def _metadata(file: pypdfium2.PdfDocument) -> dict[str, str]:
    about: dict[str, str] = {}
    title, author = (" ".join(_fact(file, key).split()) for key in ("Title", "Author"))
    if title and not _NO_TITLE.fullmatch(title):
        about["title"] = title
    if author and author.strip("()").lower() not in ("anonymous", "unknown", "unspecified"):
        about["author"] = author
    for key, name in (("created", "CreationDate"), ("modified", "ModDate")):
        if (found := _DATE.match(_fact(file, name))) and found[2] and found[3]:
            about[key] = f"{found[1]}-{found[2]}-{found[3]}"
    return about
