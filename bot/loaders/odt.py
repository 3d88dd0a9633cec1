"""OpenDocument texts: what would be printed of the main text, with footnotes, text boxes and list numbers in place.

Struck-through and hidden words are left out, and a note says so; tracked deletions are no part of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from lxml import etree

from bot.loaders import Extracted, Note, Unreadable
from bot.loaders.archive import (
    BULLET,
    MAX_COLUMNS,
    MAX_NESTED,
    MAX_REPEATED,
    OPEN_DOCUMENT,
    TITLE,
    UNKNOWN,
    Archive,
    Block,
    Cell,
    Element,
    Look,
    Raised,
    Table,
    bullet,
    cell,
    inline,
    left_out_notes,
    metadata,
    numeral,
    symbols,
    title,
    write,
)

_PREFIXES = {
    f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0": name
    for name in ("office", "text", "table", "style", "meta", "manifest", "drawing")
} | {
    "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0": "fo",
    "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0": "draw",
    "http://purl.org/dc/elements/1.1/": "dc",
}
_URIS = {prefix: uri for uri, prefix in _PREFIXES.items()}
_SKIPPED = frozenset(
    {"text:tracked-changes", "text:table-of-content", "text:illustration-index", "text:table-index"}
    | {"text:alphabetical-index", "text:object-index", "text:user-index", "text:sequence-decls"}
    | {"text:note-citation", "text:ruby-text", "text:number", "office:annotation", "office:forms", "text:hidden-text"}
)
_BOXES = frozenset({"draw:text-box", "draw:custom-shape", "draw:rect", "draw:ellipse", "draw:polygon", "draw:path"})
_ID = "{http://www.w3.org/XML/1998/namespace}id"
_MARKS = {"text:tab": "\t", "text:line-break": "\n", "text:s": " "}
_BLANKS = re.compile(r"[ \t\r\n]+")
_MAX_MARK = 20
_MANIFEST = "META-INF/manifest.xml"
_OUTLINE = "Outline"
"""The list style of headings."""
_MAX_SPACES = 100
_MAX_REPEATED_ROWS = 100
_FORMATS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman", "": "none"}


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    archive = Archive(data)
    manifest = archive.xml(_MANIFEST) if _MANIFEST in archive else None
    if manifest is not None and next(manifest.iter(_tag("manifest:encryption-data")), None) is not None:
        raise Unreadable("password-protected: save it without a password")
    if "content.xml" not in archive:
        raise archive.mistaken(OPEN_DOCUMENT)
    content = archive.xml("content.xml")
    body = content.find(f"{_tag('office:body')}/{_tag('office:text')}")
    if body is None:
        raise archive.mistaken(OPEN_DOCUMENT)
    styles = _Styles([archive.xml("styles.xml")] if "styles.xml" in archive else [], content)
    reader = _Reader(styles)
    blocks = reader.story(body, 0)
    meta = archive.xml("meta.xml") if "meta.xml" in archive else None
    extracted = write(blocks).extracted(title=title(_text(meta, "dc:title"), blocks), metadata=_metadata(meta, styles))
    if not extracted.text and reader.pictures:
        raise Unreadable("needs OCR: it holds pictures and no text")
    yield from map(Note, reader.notes())
    if any(name.startswith("basic/") for name in archive.names()):
        yield Note("holds macros: they were not run")
    yield extracted


def _metadata(meta: Element | None, styles: _Styles) -> dict[str, str]:
    values = {
        "author": _text(meta, "meta:initial-creator") or _text(meta, "dc:creator"),
        "created": _text(meta, "meta:creation-date"),
        "modified": _text(meta, "dc:date"),
        "language": _text(meta, "dc:language") or styles.language,
    }
    named = () if meta is None else meta.iter(_tag("meta:user-defined"))
    return metadata(values, {_attribute(entry, "meta:name"): entry.text or "" for entry in named})


def _text(root: Element | None, name: str) -> str:
    found = None if root is None else next(root.iter(_tag(name)), None)
    return "" if found is None else (found.text or "").strip()


# Names


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{_URIS[prefix]}}}{local}"


@lru_cache(1024)
def _short(tag: str) -> str:
    uri, _, local = tag.removeprefix("{").rpartition("}")
    return f"{_PREFIXES.get(uri, '')}:{local}"


def _name(element: Element) -> str:
    return _short(str(element.tag))


def _attribute(element: Element | None, name: str) -> str:
    return "" if element is None else str(element.get(_tag(name), ""))


def _number(words: str, most: int, otherwise: int) -> int:
    return min(int(words), most) if re.fullmatch("[0-9]{1,12}", words) else otherwise


# Styles


def _look(properties: Element | None) -> Look:
    """Of text-properties."""
    weight = _attribute(properties, "fo:font-weight")
    through = _attribute(properties, "style:text-line-through-style") or _attribute(
        properties, "style:text-line-through-type"
    )
    display = _attribute(properties, "text:display")
    height, *_ = _attribute(properties, "style:text-position").split() or [""]
    raised: Raised = "super" if height == "super" else "sub" if height == "sub" else ""
    if re.fullmatch(r"-?[0-9.]+%", height) and height.strip("-0.%"):
        raised = "sub" if height.startswith("-") else "super"
    return Look(
        bold=weight in ("bold", "600", "700", "800", "900") if weight else None,
        struck=through != "none" if through else None,
        hidden=display == "none" if display else None,
        raised=raised if height else None,
        font=_attribute(properties, "style:font-name").lower() or None,
    )


class _Styles:
    """Styles by name, those of the content before those of styles.xml; the counts of lists and headings."""

    def __init__(self, before: list[Element], content: Element) -> None:
        self._styles: dict[str, Element] = {}
        self._looks: dict[str, Look] = {"": Look()}
        self.lists: dict[str, dict[int, Element]] = {}
        self.language = ""
        for root in (*before, content):
            for element in root.iter(_tag("style:style"), _tag("style:default-style"), _tag("text:list-style")):
                if _name(element) == "text:list-style":
                    self.lists[_attribute(element, "style:name")] = _levels(element)
                elif _name(element) == "style:style":
                    self._styles[_attribute(element, "style:family") + ":" + _attribute(element, "style:name")] = (
                        element
                    )
                elif _attribute(element, "style:family") == "paragraph":
                    self._read_language(element)
            for element in root.iter(_tag("text:outline-style")):
                self.lists[_OUTLINE] = _levels(element)

    def _read_language(self, style: Element) -> None:
        properties = style.find(_tag("style:text-properties"))
        language, country = _attribute(properties, "fo:language"), _attribute(properties, "fo:country")
        if language not in ("", "none"):
            self.language = language if country in ("", "none") else f"{language}-{country}"

    def look(self, family: str, name: str) -> Look:
        chain: list[str] = []
        key = f"{family}:{name}"
        while key not in self._looks and key in self._styles and len(chain) < len(self._styles):
            chain.append(key)
            key = f"{family}:{_attribute(self._styles[key], 'style:parent-style-name')}"
        look = self._looks.get(key, Look())
        for key in reversed(chain):
            own = _look(self._styles[key].find(_tag("style:text-properties")))
            look = self._looks[key] = own.over(look)
        return look

    def is_title(self, name: str) -> bool:
        element = self._styles.get(f"paragraph:{name}")
        return name == "Title" or _attribute(element, "style:parent-style-name") == "Title"


def _levels(element: Element) -> dict[int, Element]:
    return {_number(_attribute(level, "text:level"), 10, 1): level for level in element}


# The text


@dataclass(slots=True)
class _Line:
    pieces: list[tuple[str, Raised]] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)
    bold: bool = False
    plain: bool = False
    left_out: str = ""


@dataclass(slots=True)
class _Item:
    """A list, or an item of it, around what is read. `counts`: by depth, from 0; shared by the lists that go on with
    one another. `marked`: whether the item's mark has been written."""

    style: str
    depth: int
    counts: dict[int, int]
    start: str = ""
    marked: bool = True


class _Reader:
    """Walks the main text and what hangs on it, and counts what it leaves out."""

    def __init__(self, styles: _Styles) -> None:
        self.pictures = False
        self._styles = styles
        self._left_out: Counter[str] = Counter()
        self._counts: dict[str, dict[int, int]] = {}  # of the last list by its style, or of a list by its id
        self._headings: dict[int, int] = {}
        self._numbered = 0
        self._due: list[tuple[int, Element]] = []

    def notes(self) -> Iterator[str]:
        """What staff should know."""
        return left_out_notes(self._left_out)

    def story(self, container: Element, nested: int) -> list[Block | Table]:
        """The blocks of the main text (`nested` 0), of a cell, a text box or a note; those of the main text have
        the notes that they refer to behind them."""
        if nested > MAX_NESTED:
            raise Unreadable("tables or text boxes are nested too deeply")
        found: list[Block | Table] = []
        stack: list[tuple[Iterator[Element], _Item | None]] = [(iter(container), None)]
        while stack:
            children, item = stack[-1]
            element = next(children, None)
            if element is None:
                stack.pop()
                continue
            name = _name(element)
            boxes: list[Element] = []
            if name in ("text:p", "text:h"):
                line = self._line(element)
                boxes = line.boxes
                found += self._block(element, line, item)
            elif name == "table:table":
                found.append(self._table(element, nested + 1))
            elif name == "text:list":
                stack.append((iter(element), self._list(element, item)))
            elif name in ("text:list-item", "text:list-header") and item:
                start = _attribute(element, "text:start-value")
                marked = name == "text:list-header"
                stack.append((iter(element), replace(item, start=start, marked=marked)))
            elif not self._skipped(element):
                stack.append((iter(element), item))
            found += self._due_notes(nested)
            for box in boxes:
                found += self.story(box, nested + 1)
                found += self._due_notes(nested)
        return found

    def _skipped(self, element: Element) -> bool:
        name = _name(element)
        self.pictures |= name == "draw:image"
        self._left_out["object"] += name in ("draw:object", "draw:object-ole")
        hidden = name == "text:section" and (
            _attribute(element, "text:display") == "none" or _attribute(element, "text:is-hidden") == "true"
        )
        self._left_out["hidden"] += hidden
        return hidden or name in _SKIPPED or name in (":title", ":desc")

    def _due_notes(self, nested: int) -> Iterator[Block]:
        """The notes referred to since the last time; within a table they wait for its end."""
        while self._due and not nested:
            due, self._due = self._due, []
            for number, body in due:
                words = "\n".join(map(str, self.story(body, 1)))
                yield Block("paragraph", f"[{number}] {words.strip()}")

    def _block(self, element: Element, line: _Line, item: _Item | None) -> Iterator[Block]:
        words = inline(line.pieces).strip()
        heading = _name(element) == "text:h"
        level = _number(_attribute(element, "text:outline-level"), 10, 1)
        mark = ""
        if line.left_out and not words:
            return
        if item and not item.marked:
            mark = self._mark(item)
            item.marked = True
        elif heading and _attribute(element, "text:is-list-header") != "true":
            mark = self._mark(_Item(_OUTLINE, level - 1, self._headings, _attribute(element, "text:start-value")))
        if not words:
            return
        bold = line.bold and not line.plain
        if heading or self._styles.is_title(_attribute(element, "text:style-name")):
            number = "" if mark in ("", BULLET) else f"{mark} "
            yield Block("heading", number + words, level if heading else TITLE, bold=bold)
        elif item and mark:
            yield Block("item", words, item.depth, mark, bold)
        else:
            yield Block("paragraph", words, bold=bold)

    def _list(self, element: Element, outer: _Item | None) -> _Item:
        style = _attribute(element, "text:style-name")
        if outer:
            return _Item(style or outer.style, outer.depth + 1, outer.counts)
        before = _attribute(element, "text:continue-list")
        if not before and _attribute(element, "text:continue-numbering") == "true":
            before = style
        counts = self._counts.get(before, {}) if before else {}
        self._counts[style] = self._counts[str(element.get(_ID, ""))] = counts
        return _Item(style, 0, counts)

    def _mark(self, item: _Item) -> str:
        """The item's number or bullet, counted on; "" where it has none."""
        levels = self._styles.lists.get(item.style)
        level = None if levels is None else levels.get(item.depth + 1)
        if level is None:
            return "" if item.style == _OUTLINE else BULLET
        if not _name(level).endswith(("-number", "outline-level-style")):
            return bullet(_attribute(level, "text:bullet-char"))
        counts = item.counts
        first = _number(_attribute(level, "text:start-value"), 10**6, 1)
        following = counts[item.depth] + 1 if item.depth in counts else first
        counts[item.depth] = _number(item.start, 10**6, following)
        for deeper in [depth for depth in counts if depth > item.depth]:
            del counts[deeper]
        shown = _number(_attribute(level, "text:display-levels"), item.depth + 1, 1)
        numerals = [self._numeral(item, depth) for depth in range(item.depth + 1 - shown, item.depth + 1)]
        if not numerals[-1]:
            return ""
        prefix, suffix = _attribute(level, "style:num-prefix"), _attribute(level, "style:num-suffix")
        return f"{prefix[:_MAX_MARK]}{'.'.join(filter(None, numerals))}{suffix[:_MAX_MARK]}".strip()

    def _numeral(self, item: _Item, depth: int) -> str:
        level = self._styles.lists[item.style].get(depth + 1)
        style = _FORMATS.get(_attribute(level, "style:num-format"), "decimal")
        return numeral(item.counts.get(depth, 1), style)

    def _line(self, paragraph: Element) -> _Line:
        line = _Line()
        looks = [self._styles.look("paragraph", _attribute(paragraph, "text:style-name"))]
        marks = paragraph.iter(_tag("text:hidden-paragraph"))
        if any(_attribute(mark, "text:is-hidden") == "true" for mark in marks):
            looks = [Look(hidden=True).over(looks[0])]
        walk = etree.iterwalk(paragraph, events=("start", "end"))
        for event, element in walk:
            name = _name(element)
            if event == "end":
                if name == "text:span":
                    looks.pop()
                if element is not paragraph:
                    self._say(line, element.tail, looks[-1])
                continue
            if name == "text:span":
                looks.append(self._styles.look("text", _attribute(element, "text:style-name")).over(looks[-1]))
            if name == "text:note":
                self._refer(line, element, looks[-1])
            elif name in _BOXES:
                line.boxes.append(element)
            elif not self._skipped(element):
                words = _MARKS.get(name) or element.text
                if name == "text:s":
                    words = " " * _number(_attribute(element, "text:c"), _MAX_SPACES, 1)
                self._say(line, words, looks[-1], as_it_is=name in _MARKS)
                continue
            walk.skip_subtree()
        return line

    def _say(self, line: _Line, words: str | None, look: Look, as_it_is: bool = False) -> None:
        if not words:
            return
        if not as_it_is:
            words = symbols(look.font or "", _BLANKS.sub(" ", words)).replace("\u00ad", "")
            self._left_out["symbol"] += words.count(UNKNOWN)
        if words.strip():
            if look.left_out and look.left_out != line.left_out:
                self._left_out[look.left_out] += 1
            line.left_out = look.left_out
            line.bold |= bool(look.bold) and not look.left_out
            line.plain |= not look.bold and not look.left_out
        if not look.left_out:
            line.pieces.append((words, look.raised or ""))

    def _refer(self, line: _Line, note: Element, look: Look) -> None:
        body = note.find(_tag("text:note-body"))
        if body is None or look.left_out:
            return
        self._numbered += 1
        self._due.append((self._numbered, body))
        line.pieces.append((f"[{self._numbered}]", ""))

    def _table(self, table: Element, nested: int) -> Table:
        rows: list[list[Cell | None]] = []
        heads = 0
        over: dict[int, tuple[Cell, int]] = {}  # by column: a cell that goes on in rows to come, and in how many
        for row, is_head in _rows(table):
            if _attribute(row, "table:visibility") in ("collapse", "filter"):
                self._left_out["hidden"] += 1
                continue
            cells = self._row(row, over, nested)
            times = _number(_attribute(row, "table:number-rows-repeated"), 10**9, 1)
            if not any(cell and cell.words for cell in cells):
                times = min(times, 1)
            if times > _MAX_REPEATED_ROWS:
                raise Unreadable(f"holds a table that repeats a row {times:,} times")
            heads += times if is_head and heads == len(rows) else 0
            rows += [cells] * times
        return Table(rows, heads)

    def _row(self, row: Element, over: dict[int, tuple[Cell, int]], nested: int) -> list[Cell | None]:
        cells: list[Cell | None] = []
        for element in row:
            name = _name(element)
            if name not in ("table:table-cell", "table:covered-table-cell"):
                continue
            times = _number(_attribute(element, "table:number-columns-repeated"), 10**9, 1)
            own = None if name == "table:covered-table-cell" else cell(self.story(element, nested))
            if own is None or not own.words:
                times = min(times, MAX_COLUMNS - len(cells))
            if len(cells) + times > MAX_COLUMNS or (times > 1 and own and len(own.words) > MAX_REPEATED):
                raise Unreadable(f"holds a table of more than {MAX_COLUMNS} columns, or that repeats a long text")
            for _ in range(times):
                column = len(cells)
                above, left = over.pop(column, (None, 0))
                cells.append(own or above)
                rows = _number(_attribute(element, "table:number-rows-spanned"), 10**6, 1) if own else left
                if (spanning := cells[column]) and rows > 1:
                    over[column] = spanning, rows - 1
        return cells


def _rows(table: Element) -> Iterator[tuple[Element, bool]]:
    """The rows and whether each is marked as a head."""
    stack = [(iter(table), False)]
    while stack:
        children, head = stack[-1]
        element = next(children, None)
        if element is None:
            stack.pop()
        elif _name(element) == "table:table-row":
            yield element, head
        elif _name(element) in ("table:table-header-rows", "table:table-row-group", "table:table-rows"):
            stack.append((iter(element), head or _name(element) == "table:table-header-rows"))
