"""What Word and OpenDocument files share: a zip of XML parts, and the blocks that a text is made of.

The zip is read in memory, only the parts that are asked for, and nothing is ever unpacked to disk or fetched.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby, pairwise, zip_longest
from operator import itemgetter
from typing import Literal, TypeAlias

from lxml import etree

from bot.loaders import DATES, Unreadable, printable
from bot.loaders.writing import Writer, looks_headed, one_line

Element: TypeAlias = etree._Element

_MAX_ENTRIES = 5_000
_LONGEST_NAME = 60
_MAX_PART = 64 * 2**20
_MAX_TOTAL = 200 * 2**20
_MAX_RATIO = 200
_RATIO_COUNTS_FROM = 32 * 2**20
"""Bytes unpacked. Below it, a document of the same few words over and over may shrink as much as a bomb."""

_ENTRY = b"PK\x01\x02"
_OLE = b"\xd0\xcf\x11\xe0"
_OTHERS = (
    (b"%PDF-", "a PDF: name it .pdf"),
    (b"{\\rtf", "RTF: save it as .docx"),
    (b"<!doctype html", "a web page: name it .html"),
    (b"<html", "a web page: name it .html"),
    (b"<?xml", "plain XML: save it as .docx or .odt"),
)
WORD = "a Word document (.docx)"
OPEN_DOCUMENT = "an OpenDocument text (.odt)"
_KINDS = {
    "word/document.xml": WORD,
    "xl/workbook.xml": "an Excel workbook",
    "xl/workbook.bin": "an Excel workbook",
    "ppt/presentation.xml": "a PowerPoint presentation",
}
_MIMETYPES = {
    "application/vnd.oasis.opendocument.text": OPEN_DOCUMENT,
    "application/vnd.oasis.opendocument.text-template": OPEN_DOCUMENT,
    "application/vnd.oasis.opendocument.spreadsheet": "an OpenDocument spreadsheet",
    "application/vnd.oasis.opendocument.presentation": "an OpenDocument presentation",
    "application/epub+zip": "an EPUB book",
}
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError)
"""What zipfile raises on bytes that are no sound zip."""


class Archive:
    """A zip's parts by name, case ignored. Raises Unreadable for what is no zip, damaged, encrypted or made to do
    harm."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(b"PK"):
            raise Unreadable(_something_else(data))
        if data.count(_ENTRY) > _MAX_ENTRIES:  # before zipfile makes an object of each
            raise Unreadable(f"holds more than {_MAX_ENTRIES:,} parts")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGE:  # what it says may repeat much of the file
            raise Unreadable("damaged or cut short: copy it again") from None
        entries = self._zip.infolist()
        if any(entry.flag_bits & 1 for entry in entries):
            raise Unreadable("password-protected: save it without a password")
        total = sum(entry.file_size for entry in entries)
        bomb = total > _RATIO_COUNTS_FROM and total > _MAX_RATIO * len(data)
        if bomb or total > _MAX_TOTAL or any(entry.file_size > _MAX_PART for entry in entries):
            raise Unreadable(f"too large: it unpacks to {total / 2**20:,.0f} MB")
        self._entries = {_key(entry.filename): entry for entry in entries}
        if len(self._entries) < len(entries):
            raise Unreadable("damaged: it holds two parts of one name")

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._entries

    def names(self) -> Iterable[str]:
        """In lower case."""
        return self._entries

    def read(self, name: str) -> bytes:
        entry = self._entries.get(_key(name))
        if entry is None:
            raise Unreadable(f"damaged: its part {_printed(name)} is missing")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable(f"its part {_printed(name)} is packed in an unusual way: save it anew")
        try:
            with self._zip.open(entry) as part:
                # One more than declared, never all: the declared size may be a lie.
                data = part.read(entry.file_size + 1)
        except _DAMAGE:
            raise Unreadable(f"damaged: its part {_printed(name)} cannot be unpacked; copy it again") from None
        if len(data) != entry.file_size:
            raise Unreadable(f"damaged: its part {_printed(name)} is cut short")
        return data

    def xml(self, name: str) -> Element:
        """The root of a part. Entities are never expanded and nothing is fetched."""
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            root = etree.fromstring(self.read(name), parser)
        except etree.XMLSyntaxError as error:
            line, column = error.position
            raise Unreadable(f"damaged XML in {_printed(name)} (line {line}, column {column})") from None
        if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
            raise Unreadable(
                f"its part {_printed(name)} holds a document type declaration, which no Office program writes"
            )
        return root

    def mistaken(self, wanted: str) -> Unreadable:
        """Why the zip is not the kind of file that was `wanted`: `WORD` or `OPEN_DOCUMENT`."""
        kind = self._kind()
        return Unreadable("damaged: it has no main part" if kind == wanted else f"not {wanted}, but {kind}")

    def _kind(self) -> str:
        if "mimetype" in self:
            kind = self.read("mimetype")[:100].decode("ascii", "replace").strip()
            return _MIMETYPES.get(kind, f"a zip of the type {kind!r}")
        return next((kind for name, kind in _KINDS.items() if name in self), "a zip archive")


def _key(name: str) -> str:
    return name.replace("\\", "/").lower()


def _printed(name: str) -> str:
    """A part's name, which the file may have chosen, as it can stand in a sentence."""
    return name if len(name) <= _LONGEST_NAME and printable(name) else ascii(name[:_LONGEST_NAME])


def _something_else(data: bytes) -> str:
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            return "password-protected: save it without a password"
        return "an old Office file: save it as .docx"
    start = data.removeprefix(b"\xef\xbb\xbf")[:100].lstrip().lower()
    kind = next((kind for magic, kind in _OTHERS if start.startswith(magic.lower())), None)
    return kind or ("empty file" if not data else "not a Word or OpenDocument file, whatever its name says")


Raised: TypeAlias = Literal["", "super", "sub"]


@dataclass(frozen=True, slots=True)
class Look:
    """What is said of a run's looks, directly or by a style; None: nothing."""

    bold: bool | None = None
    struck: bool | None = None
    double_struck: bool | None = None
    hidden: bool | None = None
    raised: Raised | None = None
    font: str | None = None

    def over(self, other: Look) -> Look:
        return Look(
            other.bold if self.bold is None else self.bold,
            other.struck if self.struck is None else self.struck,
            other.double_struck if self.double_struck is None else self.double_struck,
            other.hidden if self.hidden is None else self.hidden,
            other.raised if self.raised is None else self.raised,
            self.font or other.font,
        )

    def toggled(self, paragraph: Look) -> Look:
        """A character style's look in a paragraph: two styles that both say bold undo each other."""
        return replace(
            self.over(paragraph),
            bold=bool(self.bold) != bool(paragraph.bold),
            struck=bool(self.struck) != bool(paragraph.struck),
            hidden=bool(self.hidden) != bool(paragraph.hidden),
        )

    @property
    def left_out(self) -> str:
        return "hidden" if self.hidden else "struck-through" if self.struck or self.double_struck else ""


_SUPER = str.maketrans("0123456789+-−–n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻ⁿ")
_SUB = str.maketrans("0123456789+-−–", "₀₁₂₃₄₅₆₇₈₉₊₋₋₋")
_EXPONENT = re.compile(r"[-+−–]?[0-9n]+[-+−–]?|[-+−–]")
_HARMLESS = re.compile(r"st|nd|rd|th|er|re|ème|TM|SM|[^\w+−–-]+|.{21,}", re.DOTALL)
"""Reads the same on the line: 1st, a trade mark, a dagger; or is too long to be an exponent."""


def superscript(words: str) -> str:
    """10 with 6 above it must not read 106: ``⁶``, or ``^(…)`` where there are no such characters."""
    return words.translate(_SUPER) if _EXPONENT.fullmatch(words) else f"^({words})"


def subscript(words: str) -> str:
    return words.translate(_SUB) if _EXPONENT.fullmatch(words) and "n" not in words else f"_({words})"


def inline(pieces: Iterable[tuple[str, Raised]]) -> str:
    """The words of a paragraph from its pieces and whether each stands above or below the line."""
    merged = [("".join(words for words, _ in group), raised) for raised, group in groupby(pieces, itemgetter(1))]
    said: list[str] = []
    for number, (words, raised) in enumerate(merged):
        core = words.strip()
        if raised == "super" and core and not _HARMLESS.fullmatch(core):
            words = words.replace(core, superscript(core), 1)
        elif raised == "sub" and core:
            before = merged[number - 1][0][-1:] if number else ""
            after = merged[number + 1][0][:1] if number + 1 < len(merged) else ""
            if _digits(before, words[0]) or _digits(words[-1], after):
                words = words.replace(core, subscript(core), 1)
        said.append(words)
    return "".join(said)


def _digits(left: str, right: str) -> bool:
    """Whether a number below the line would read as part of the one beside it; in H2O or CO2 it does not."""
    return left.isdigit() and right.isdigit()


UNKNOWN = "\ufffd"
_SYMBOL = dict(
    zip(
        [*range(0x20, 0x7F), *range(0xA0, 0xFF)],
        " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλµνοπθρστυϖωξψζ{|}∼"
        "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…│─↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪" + UNKNOWN + "⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
        strict=True,
    )
)
_WINGDINGS = dict(
    zip(
        [
            *(0x20, 0x28, 0x2A, 0x36, *range(0x4A, 0x4F), *range(0x6C, 0x78), *range(0x80, 0x96), 0x9E, 0x9F, 0xA1),
            *(0xA7, 0xA8, 0xD8, *range(0xDF, 0xE3), *range(0xE7, 0xEB), *range(0xEF, 0xF5), *range(0xFB, 0xFF)),
        ],
        " ☎✉⌛☺😐☹💣☠●❍■□□❑❒⬧⧫◆❖⬥⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿·•○▪□➢←→↑↓←→↑↓⇦⇨⇧⇩⬄⇳✗✓☒☑",
        strict=True,
    )
)
_WINGDINGS_2 = {0x20: " ", 0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "•", 0xA3: "□"}
_SYMBOL_FONTS: Mapping[str, Mapping[int, str]] = {
    "symbol": _SYMBOL,
    "wingdings": _WINGDINGS,
    "wingdings 2": _WINGDINGS_2,
    "wingdings 3": {0x20: " "},
    "webdings": {0x20: " ", 0x61: "✓", 0x63: "□", 0x72: "✗"},
}


_PRIVATE = re.compile("[\uf020-\uf0ff]")


def symbols(font: str, words: str) -> str:
    """What words show in a font, named in lower case: in one of symbols an m is a µ. `UNKNOWN` where that is not
    known."""
    signs = _SYMBOL_FONTS.get(font)
    if signs is None:
        return _PRIVATE.sub(UNKNOWN, words)
    # A µ or a ° in the font Symbol was written by a program that knows only Unicode.
    end = 0x80 if font == "symbol" else 0x100
    codes = map(ord, words)
    return "".join(
        [signs.get(code & 0xFF, UNKNOWN) if code < end or 0xF020 <= code <= 0xF0FF else chr(code) for code in codes]
    )


BULLET = "•"
_TELLING_BULLETS = frozenset("✓✔✗✘☑☒✅❌")
"""They say do or do not; other bullets are only looks."""


def bullet(shown: str) -> str:
    return shown if shown in _TELLING_BULLETS else BULLET


_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def numeral(number: int, style: str) -> str:
    """A number as Word shows it; as digits where the style is none of the usual."""
    if style == "none":
        return ""
    if style == "decimalZero":
        return f"{number:02}"
    if style in ("lowerLetter", "upperLetter") and 0 < number <= 26 * 10:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter if style == "lowerLetter" else letter.upper()
    if style in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for value, letters in _ROMAN:
            times, number = divmod(number, value)
            roman += letters * times
        return roman if style == "lowerRoman" else roman.upper()
    if style == "ordinal":
        teen = number % 100 in (11, 12, 13)
        return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
    return str(number)


@dataclass(frozen=True, slots=True)
class Block:
    """`level`: of a heading, `TITLE` for the document's title; of an item, its depth. `mark`: of an item. `bold`: all
    of its words are."""

    kind: Literal["paragraph", "heading", "item"]
    words: str
    level: int = 0
    mark: str = ""
    bold: bool = False

    def __str__(self) -> str:
        return f"{self.mark} {self.words}" if self.kind == "item" else self.words


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    blocks: tuple[Block | Table, ...]
    words: str
    bold: bool


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A cell that spans rows stands in each, the same object; None goes on with the cell to the left. `heads`: how
    many first rows the file marks as heads; `bold_head`: whether the table's style sets the first row in bold."""

    rows: Sequence[Sequence[Cell | None]]
    heads: int = 0
    bold_head: bool = False

    def __str__(self) -> str:
        return "; ".join(filter(None, (", ".join(filter(None, row)) for row in self.grid())))

    def grid(self) -> list[list[str | None]]:
        """The words of the cells, as `Writer.table` takes them."""
        grid: list[list[str | None]] = []
        above: Sequence[Cell | None] = ()
        for row in self.rows:
            pairs = zip_longest(row, above[: len(row)])
            grid.append([None if cell is None else _shown(cell, again=cell is upper) for cell, upper in pairs])
            above = row
        return grid


TITLE = 0
"""The level of a heading that is the document's title."""
MAX_NESTED = 10
"""Tables and text boxes in one another."""
MAX_COLUMNS = 250
MAX_REPEATED = 200
"""Characters that a cell may have which is repeated in other rows, as their head or because it spans them: a head
names something, and a long text many times over could fill the memory."""
_MAX_HEADING = 300
_MAX_GUESSED_HEADING = 80
_SENTENCE_END = tuple(".,;!…。，；！")


def cell(blocks: Iterable[Block | Table]) -> Cell:
    blocks = tuple(blocks)
    words = _joined(map(str, blocks))
    return Cell(blocks, words, bool(words) and all(isinstance(block, Block) and block.bold for block in blocks))


def _joined(parts: Iterable[str]) -> str:
    """Paragraphs on one line, a semicolon between two that nothing else tells apart."""
    said: list[str] = []
    for part in filter(None, map(one_line, parts)):
        if said:
            said.append(" " if said[-1][-1] in ".,:;!?…" or part[0] in "([•" else "; ")
        said.append(part)
    return "".join(said)


def write(blocks: Sequence[Block | Table]) -> Writer:
    if not any(isinstance(block, Block) and block.kind == "heading" for block in blocks):
        blocks = _with_guessed_headings(blocks)
    writer = Writer()
    has_title = any(isinstance(block, Block) and block.kind == "heading" and block.level == TITLE for block in blocks)
    _write(writer, blocks, below=int(has_title))
    return writer


def _write(writer: Writer, blocks: Iterable[Block | Table], below: int) -> None:
    for block in blocks:
        if isinstance(block, Table):
            _write_table(writer, block, below)
        elif block.kind == "heading" and len(block.words) <= _MAX_HEADING:
            writer.heading(block.words, block.level + below)
        elif block.kind == "item":
            writer.item(block.words, block.mark, block.level)
        else:
            writer.paragraph(block.words)


def _write_table(writer: Writer, table: Table, below: int) -> None:
    if _only_layout(table):
        for cell in dict.fromkeys(cell for row in table.rows for cell in row if cell):
            _write(writer, cell.blocks, below)
        return
    grid = table.grid()
    bold = [_all_bold(row) for row in table.rows]
    bold[:1] = [bold[0] or table.bold_head]
    heads = _with_all_they_span(table.rows, table.heads) or int(looks_headed(grid, bold) and not _span(table.rows, 1))
    if any(len(words or "") > MAX_REPEATED for row in grid[:heads] for words in row):
        heads = 0
    writer.table(grid, heads)


def _all_bold(row: Sequence[Cell | None]) -> bool:
    said = [cell for cell in row if cell and cell.words]
    return bool(said) and all(cell.bold for cell in said)


def _with_all_they_span(rows: Sequence[Sequence[Cell | None]], heads: int) -> int:
    while heads and _span(rows, heads):
        heads += 1
    return heads


def _span(rows: Sequence[Sequence[Cell | None]], number: int) -> bool:
    """Whether a cell of the row before goes on in this one."""
    pairs = zip(rows[number - 1], rows[number], strict=False) if number < len(rows) else ()
    return any(upper is not None and upper is lower for upper, lower in pairs)


def _shown(cell: Cell, again: bool) -> str:
    return "" if again and len(cell.words) > MAX_REPEATED else cell.words


def _only_layout(table: Table) -> bool:
    """A frame around paragraphs, or columns side by side, rather than rows that each say one thing."""
    if max(map(len, table.rows), default=0) < 2:
        return True
    cells = [cell for row in table.rows for cell in row if cell]
    if len(table.rows) == 1 and any(len(cell.blocks) > 1 for cell in cells):
        return True
    return any(isinstance(block, Block) and block.kind == "heading" for cell in cells for block in cell.blocks[:-1])


def _with_guessed_headings(blocks: Sequence[Block | Table]) -> list[Block | Table]:
    """Short lines all in bold that ordinary text follows, for a document without styled headings."""
    guessed = list(blocks)
    for number, (block, following) in enumerate(pairwise(blocks)):
        if isinstance(block, Block) and _heading_like(block) and not (isinstance(following, Block) and following.bold):
            guessed[number] = replace(block, kind="heading", level=1)
    return guessed


def _heading_like(block: Block) -> bool:
    words = block.words.strip()
    return (
        block.kind == "paragraph"
        and block.bold
        and len(words) <= _MAX_GUESSED_HEADING
        and "\n" not in words
        and (words[0].isdigit() or words[0].isupper())
        and any(map(str.isalpha, words))
        and not words.endswith(_SENTENCE_END)
    )


_REVIEW_DATE = "review date"
"""The day of the last review in some places, of the next in others."""
_CUSTOM = {
    "reviewed": "reviewed",
    "date reviewed": "reviewed",
    "last reviewed": "reviewed",
    "last review": "reviewed",
    "last review date": "reviewed",
    "next review": "next_review",
    "next review date": "next_review",
    "review due": "next_review",
    "version": "version",
    "source": "source",
    "licence": "licence",
    "license": "licence",
}
_NO_TITLE = re.compile(
    r"microsoft word - .*|.*\.(?:docx?|dotx?|rtf|odt)|word[ -]document|(?:document|dokument|untitled)[ -]*\d*"
    r"|\W*title\W*",
    re.IGNORECASE,
)


def title(own: str, blocks: Iterable[Block | Table]) -> str | None:
    """What the file calls itself, unless a program filled that in, else its first heading in the style of titles."""
    own = one_line(own)
    if own and not _NO_TITLE.fullmatch(own):
        return own
    headings = (block for block in blocks if isinstance(block, Block) and block.kind == "heading")
    return next((one_line(heading.words) for heading in headings if heading.level == TITLE), None)


def metadata(values: Mapping[str, str], custom: Mapping[str, str]) -> dict[str, str]:
    """Of `values`, by key of METADATA, and the properties that a person named, what can be read."""
    found = dict(values)
    named = {" ".join(re.split(r"[\s_-]+", name.lower())): value for name, value in custom.items()}
    found |= {_CUSTOM[name]: value for name, value in named.items() if name in _CUSTOM}
    found = {key: _day(value) if key in DATES else one_line(value) for key, value in found.items()}
    if review := _day(named.get(_REVIEW_DATE, "")):
        saved = max(found.get("created", ""), found.get("modified", ""))
        found.setdefault("next_review" if "" < saved < review else "reviewed", review)
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", found.get("language", "")):
        found.pop("language", None)
    return {key: value for key, value in found.items() if value}


def _day(value: str) -> str:
    """YYYY-MM-DD from an ISO date or time; "" where it is none."""
    try:
        return date.fromisoformat(value.strip()[:10]).isoformat()
    except ValueError:
        return ""


_LEFT_OUT = {
    "struck-through": "{count} passage{s} of struck-through text left out",
    "hidden": "{count} passage{s} of hidden text left out",
    "symbol": "{count} symbol{s} of a special font not known: shown as \ufffd, check what they should be",
    "elsewhere": "{count} other document{s} inserted in this one left out: load them as files of their own",
    "drawing": "{count} chart{s} or diagram{s} left out",
    "object": "{count} formula{s}, chart{s} or other object{s} left out",
}


def left_out_notes(counts: Mapping[str, int]) -> Iterator[str]:
    """What staff should know of what is not in the text, by the kinds above."""
    for what, message in _LEFT_OUT.items():
        if count := counts.get(what, 0):
            yield message.format(count=count, s="" if count == 1 else "s")
