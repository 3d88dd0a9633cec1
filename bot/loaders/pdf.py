"""PDF: the text layer in reading order, and where on its page every character stands.

The only module that imports pypdfium2. Nothing in the file is run and nothing outside of it is fetched: PDFium is
asked for text alone. A line's words keep the index that PDFium gives their characters (`Anchor`), so that their boxes
can be had from the file whenever a quote is to be shown in its place.
"""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

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
from bot.loaders.writing import row_parts

MOST_PAGES = 3000
MOST_CHARACTERS = 20_000_000

_PIECE = re.compile("[^\r\n\x02\ufffe]+")  # PDFium marks a hyphen at a line's end in one of two ways
_HYPHENS = "\x02\ufffe"
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LIGATURE = re.compile(f"[{''.join(_LIGATURES)}]")
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_NUMBER_WITHIN = re.compile(r"(?<=[^\s\d.,:/–-])\d+|(?<=\d)\d(?=\D|$)")
_SMALLER = 0.82
_AROUND_WORD = ".,;:!?()[]\"'“”‘’"
_BOLD = re.compile(rb"bold|black|heavy|semibold|demi", re.IGNORECASE)
_TWICE = re.compile(r"([^\W_])\1")
_BOX = struct.Struct("4f")  # left, top, right, bottom, the y axis upwards
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?")
_NO_TITLE = re.compile(
    r"(?:\(?anonymous\)?|microsoft word - .*|untitled.*|.*\.\w{2,4}|document\d*|slide \d+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, from 1: shares of the page's width and height as it is shown, from its upper left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    """Raises Unreadable for what is no PDF, is damaged, has a password or too many pages, and for scans."""
    with closing(_open(data)) as file:
        count = len(file)
        if count > MOST_PAGES:
            raise Unreadable(f"too long: {count} pages, the limit is {MOST_PAGES}; split it")
        pages: list[Page] = []
        unread: dict[int, str] = {}
        characters = 0
        for number in range(1, count + 1):
            with _OpenPage(file, number) as page:
                rows = page.rows()
                if not rows:
                    unread[number] = "scanned" if page.has_picture() else "empty"
            pages.append(Page(number, page.width, page.height, rows))
            characters += sum(len(line.text) for row in rows for line in row)
            if characters > MOST_CHARACTERS:
                raise Unreadable(f"too long: over {MOST_CHARACTERS:,} characters; split it")
        about = _metadata(file)
    if len(unread) == count:
        scanned = "scanned" in unread.values()
        raise Unreadable(f"needs OCR: none of its {count} pages has a text layer" if scanned else "empty: no text")
    if unread:
        yield Note(f"pages without text (scanned or empty): {', '.join(map(str, unread))}")
    writer = _Writer(_words(pages))
    for block in blocks(without_running_heads(pages)):
        writer.add(block)
    yield writer.extracted(count, unread, about)


def boxes(data: bytes, anchors: Iterable[Anchor]) -> list[Box]:
    """Where the text of `anchors` stands: a box for each run of characters on a line, in order."""
    found: list[Box] = []
    with closing(_open(data)) as file:
        by_page: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            by_page.setdefault(anchor.page, []).append(anchor)
        for number, on_page in by_page.items():
            with _OpenPage(file, number) as page:
                for anchor in on_page:
                    found += page.boxes(anchor.at, anchor.end - anchor.start)
    return found


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
        self._turns = pdfium.FPDFPage_GetRotation(self._page)
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

    def rows(self) -> list[Row]:
        """The page's lines, in its own order."""
        text, at = self._characters()
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
        return self._by_row(lines)

    def _by_row(self, lines: list[Line]) -> list[Row]:
        rows: list[Row] = []
        for line in lines:
            if _looks_doubled(line.text):
                self._drop_shadows(line)
            self._raise_numbers(line)
            row = self._split(line) if self._has_gap(line) else [line]
            for piece in row:
                if len(row) > 1 or may_be_heading(piece):
                    piece.bold = self._bold(piece.at[0])
            last = rows[-1][-1] if rows else None
            if last and _beside(last, line) and not last.hyphen:
                if row[0].x0 - last.x1 < last.size:
                    rows[-1][-1] = _glued(last, row.pop(0))
                rows[-1] += row
            else:
                rows.append(row)
        return rows

    def _has_gap(self, line: Line) -> bool:
        """Whether a line may have a wide gap: PDFium gives a rectangle for each of its runs of one font and place."""
        count = pdfium.FPDFText_CountRects(self._text, line.at[0], line.at[-1] - line.at[0] + 1)
        if count < 2:
            return False
        wide = CELL_GAP * line.size
        left, top, right, bottom = self._corners
        end = None
        for number in range(count):
            pdfium.FPDFText_GetRect(self._text, number, *self._into_corners)
            place = (left.value, top.value, right.value, bottom.value)
            x0, _, x1, _ = self._shown(*place) if self._turns else place
            if end is not None and x0 - end > wide:
                return True
            end = x1
        return False

    def _split(self, line: Line) -> Row:
        """A line with wide gaps as its pieces. The mark of a list item stays with its words."""
        places = self._loose_boxes(line.at)
        row: Row = []
        start = 0
        before: tuple[float, float, float, float] | None = None
        for number, box in enumerate(places):
            if line.text[number].isspace():
                continue
            if (
                before
                and box[0] - before[2] > 1.1 * line.size
                and not (not row and line.mark.strip() == line.text[:number].strip())
            ):
                row.append(_part(line, start, number, places))
                start = number
            before = box
        row.append(_part(line, start, len(places), places))
        return row

    def _drop_shadows(self, line: Line) -> None:
        """A shadow or a fake bold is drawn as a second letter over the first: one of the two is left out."""
        kept: list[int] = []
        places = self._loose_boxes(line.at)
        for number, (letter, box) in enumerate(zip(line.text, places, strict=True)):
            near = range(max(0, number - 4), number)
            twice = any(line.text[n] == letter and abs(places[n][0] - box[0]) < 0.3 * line.size for n in near)
            if letter.isspace() or not twice:
                kept.append(number)
        line.text, line.at = "".join(line.text[n] for n in kept), [line.at[n] for n in kept]

    def _raise_numbers(self, line: Line) -> None:
        """10⁶ must not be read as 106: digits that stand higher and smaller become superscript characters."""
        numbers = list(_NUMBER_WITHIN.finditer(line.text))
        if not numbers:
            return
        raised = line.text
        for found, box in zip(numbers, self._loose_boxes([line.at[n.end() - 1] for n in numbers]), strict=True):
            if box[3] - box[1] < _SMALLER * line.size and box[3] < line.bottom - 0.15 * line.size:
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
        unit = 0
        for character in text:
            index = pdfium.FPDFText_GetCharIndexFromTextIndex(self._text, unit) if units != count else unit
            at.append(max(index, at[-1] if at else 0))
            unit += 2 if character > "\uffff" else 1
        return text, at

    def _loose_boxes(self, indexes: Sequence[int]) -> list[tuple[float, float, float, float]]:
        """(x0, top, x1, bottom) of each character as the page is shown, as high as its font's letters."""
        found = (pdfium.FS_RECTF * len(indexes))()
        for number, index in enumerate(indexes):
            pdfium.FPDFText_GetLooseCharBox(self._text, index, found[number])
        return [self._shown(*box) for box in _BOX.iter_unpack(found)]

    def _shown(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        if self._turns == 0:
            return left - self._left, self._top - top, right - self._left, self._top - bottom
        if self._turns == 1:
            return bottom - self._bottom, left - self._left, top - self._bottom, right - self._left
        if self._turns == 2:
            return self._right - right, bottom - self._bottom, self._right - left, top - self._bottom
        return self._top - top, self._right - right, self._top - bottom, self._right - left

    def _bold(self, index: int) -> bool:
        name = ctypes.create_string_buffer(128)
        pdfium.FPDFText_GetFontInfo(self._text, index, name, 128, None)
        return _BOLD.search(name.value) is not None or pdfium.FPDFText_GetFontWeight(self._text, index) >= 600

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


def _looks_doubled(text: str) -> bool:
    """Whether most letters stand twice in a row, as no word of any language has them."""
    twice = len(_TWICE.findall(text))
    return twice >= 3 and twice * 2 > 0.7 * (len(text) - text.count(" "))


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
    )


def _part(line: Line, start: int, end: int, places: Sequence[tuple[float, float, float, float]]) -> Line:
    while line.text[end - 1].isspace():
        end -= 1
    return replace(
        line,
        text=line.text[start:end],
        at=line.at[start:end],
        x0=places[start][0],
        x1=places[end - 1][2],
        hyphen=line.hyphen and end == len(line.text),
    )


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

    def __init__(self, words: set[str]) -> None:
        self._known = words
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
        )

    def _table(self, table: Table) -> None:
        rows = [[_Cell(cell, self._known) for cell in row] for row in table.rows]
        spans: list[Span] = []
        for parts in row_parts(rows, table.heads):
            start = self._open("\n" if spans else "\n\n")
            for part in parts:
                if isinstance(part, _Cell):
                    for number, line in enumerate(part.lines):
                        if number:
                            self._between(part.lines[number - 1], line, line_break=False)
                        self._line(line)
                else:
                    self._append(part)
            spans.append((start, self._length))
        if spans:
            self._tables.append(tuple(spans))
        self._last = "table"

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
        breaks = () if isinstance(at, range) else (n for n in range(1, len(text)) if at[n] != at[n - 1] + 1)
        for end in (*breaks, len(text)):
            if end > begin:
                self._anchors.append(Anchor(self._length + begin, self._length + end, page, at[begin]))
                begin = end
        self._append(text)

    def _append(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)


class _Cell(str):
    """The words of a cell, with its lines."""

    lines: Sequence[Line]

    def __new__(cls, lines: Sequence[Line], known: set[str]) -> _Cell:
        made = super().__new__(cls, " ".join(line.text for line in lines))
        made.lines = lines
        return made


def _metadata(file: pypdfium2.PdfDocument) -> dict[str, str]:
    raw: dict[str, Any] = file.get_metadata_dict(skip_empty=True)
    about: dict[str, str] = {}
    title, author = (" ".join(str(raw.get(key, "")).split()) for key in ("Title", "Author"))
    if title and not _NO_TITLE.fullmatch(title):
        about["title"] = title
    if author and author.strip("()").lower() not in ("anonymous", "unknown", "unspecified"):
        about["author"] = author
    for key, name in (("created", "CreationDate"), ("modified", "ModDate")):
        if (found := _DATE.match(str(raw.get(name, "")))) and found[2] and found[3]:
            about[key] = f"{found[1]}-{found[2]}-{found[3]}"
    return about
