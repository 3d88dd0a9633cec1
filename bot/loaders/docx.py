"""Word documents: what Word would print of the main text, with footnotes, text boxes and list numbers in their places.

Read from the XML itself, by names that are the same in Transitional and Strict files. Tracked changes are read as if
accepted; struck-through and hidden words are left out, and a note says so.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from bot.loaders import Extracted, Note, Unreadable
from bot.loaders.archive import (
    BULLET,
    MAX_COLUMNS,
    MAX_NESTED,
    TITLE,
    UNKNOWN,
    WORD,
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
    subscript,
    superscript,
    symbols,
    title,
    write,
)

_PREFIXES = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "w",
    "http://purl.oclc.org/ooxml/wordprocessingml/main": "w",
    "http://schemas.openxmlformats.org/officeDocument/2006/math": "m",
    "http://purl.oclc.org/ooxml/officeDocument/math": "m",
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
}
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_SKIPPED = frozenset(
    {"w:pPr", "w:rPr", "w:tblPr", "w:trPr", "w:tcPr", "w:sdtPr", "w:sectPr", "w:instrText", "w:delText", "w:rt"}
    | {"m:rPr", "m:ctrlPr", "mc:Fallback"}
)
_DELETED = frozenset({"w:del", "w:moveFrom"})
_INSERTED = frozenset({"w:ins", "w:moveTo"})
_ELSEWHERE = frozenset({"w:altChunk", "w:subDoc"})
_MARKS = {"w:tab": "\t", "w:ptab": "\t", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-"}
_CONTENTS_LINE = re.compile(r"\t\s*(?:\d+|[ivxlc]+)\s*", re.IGNORECASE)
_NO_AUTHORS = frozenset({"python-docx", "un-named", "unknown", "author", "user"})
_TEMPLATE_CREATED = "2013-12-23T23:15:00Z"
"""Of python-docx's own template, whatever is made from it."""


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    archive = Archive(data)
    package = _Package(archive)
    reader = _Reader(package)
    blocks = reader.story(package.main, 0)
    extracted = write(blocks).extracted(
        title=title(_text(package.properties, "title"), blocks), metadata=_metadata(package, reader.styles)
    )
    if not extracted.text and reader.pictures:
        raise Unreadable("needs OCR: it holds pictures and no text")
    yield from map(Note, reader.notes())
    if any(name.endswith("vbaproject.bin") for name in archive.names()):
        yield Note("holds macros: they were not run")
    yield extracted


def _metadata(package: _Package, styles: _Styles) -> dict[str, str]:
    core = package.properties
    values = {
        "author": _text(core, "creator"),
        "created": _text(core, "created"),
        "modified": _text(core, "modified"),
        "version": _text(core, "version"),
        "language": _text(core, "language") or styles.language,
    }
    if values["author"].lower() in _NO_AUTHORS:
        values["author"] = ""
    values = {key: "" if value == _TEMPLATE_CREATED else value for key, value in values.items()}
    return metadata(values, package.custom)


def _text(root: Element | None, local: str) -> str:
    found = None if root is None else root.find(f"{{*}}{local}")
    return "" if found is None else _said(found)


def _said(element: Element) -> str:
    return "".join(map(str, element.itertext())).strip()


# Names


@lru_cache(1024)
def _short(tag: str) -> str:
    uri, _, local = tag.removeprefix("{").rpartition("}")
    return f"{_PREFIXES.get(uri, '')}:{local}"


def _name(element: Element) -> str:
    """``w:p`` for a paragraph of either kind of file; ``:pic`` for names of other vocabularies."""
    return _short(str(element.tag))


def _child(element: Element | None, *path: str) -> Element | None:
    for local in path:
        element = None if element is None else next(element.iterchildren(f"{{*}}{local}"), None)
    return element


def _attribute(element: Element | None, local: str = "val") -> str:
    """An attribute of the element's own vocabulary; "" where it has none."""
    if element is None:
        return ""
    uri = str(element.tag).rpartition("}")[0]
    return str(element.get(f"{uri}}}{local}", ""))


def _number(words: str, most: int, otherwise: int = 0) -> int:
    """0 to `most`."""
    return min(int(words), most) if re.fullmatch(r"[0-9]{1,9}", words) else otherwise


def _on(element: Element | None, *path: str) -> bool | None:
    """A switch such as ``<w:b/>`` or ``<w:b w:val="0"/>``; None where it is not there."""
    found = _child(element, *path)
    return None if found is None else _attribute(found) not in ("0", "false", "off")


# The package


class _Package:
    """The parts of a Word file that are read, found by their relations."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        top = self._relations("")
        name = next((target for kind, target in top if kind == "officeDocument"), None)
        if name is None or name not in archive:
            raise archive.mistaken(WORD)
        self.main = archive.xml(name)
        if _name(self.main) != "w:document":
            raise archive.mistaken(WORD)
        self._related = dict(reversed(self._relations(name)))
        self.properties = self._part(dict(top).get("core-properties"))
        self.custom: dict[str, str] = {}
        custom = self._part(dict(top).get("custom-properties"))
        for entry in () if custom is None else custom:
            self.custom[str(entry.get("name", ""))] = _said(entry)

    def part(self, kind: str) -> Element | None:
        """Such as ``styles``; None where the document has none."""
        return self._part(self._related.get(kind))

    def children(self, kind: str) -> Sequence[Element]:
        part = self.part(kind)
        return () if part is None else list(part)

    def _part(self, name: str | None) -> Element | None:
        return self._archive.xml(name) if name and name in self._archive else None

    def _relations(self, source: str) -> list[tuple[str, str]]:
        """The kinds and names of the parts that a part refers to; what lies outside of the file is left out."""
        folder, base = posixpath.split(source)
        name = posixpath.join(folder, "_rels", f"{base}.rels")
        if name not in self._archive:
            return []
        return [
            (str(relation.get("Type", "")).rpartition("/")[2], _inside(folder, str(relation.get("Target", ""))))
            for relation in self._archive.xml(name)
            if relation.get("TargetMode") != "External"
        ]


def _inside(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


# Looks and styles


_RAISED: Mapping[str, Raised] = {"superscript": "super", "subscript": "sub", "baseline": ""}


def _look(properties: Element | None) -> Look:
    """Of an rPr."""
    if properties is None:
        return Look()
    fonts = _child(properties, "rFonts")
    return Look(
        _on(properties, "b"),
        _on(properties, "strike"),
        _on(properties, "dstrike"),
        _on(properties, "vanish"),
        _RAISED.get(_attribute(_child(properties, "vertAlign"))),
        (_attribute(fonts, "ascii") or _attribute(fonts, "hAnsi")).lower() or None,
    )


@dataclass(frozen=True, slots=True)
class _Style:
    """`level`: of a heading, from 1, `TITLE` for a title; None for other text. `list` and `depth`: its numbering.
    `bold_head`: a table's first row is in bold. `name`: in lower case, never inherited."""

    name: str = ""
    look: Look = field(default_factory=Look)
    level: int | None = None
    list: str = ""
    depth: int = 0
    bold_head: bool = False


class _Styles:
    """The styles of a document by id, each with what it takes over from those it is based on."""

    def __init__(self, root: Element | None) -> None:
        self._elements: dict[str, Element] = {}
        self._known: dict[str, _Style] = {"": _Style()}
        self.default = ""
        """The id of the style of paragraphs that name none."""
        self.language = ""
        for element in () if root is None else root:
            if _name(element) == "w:style":
                identifier = _attribute(element, "styleId")
                self._elements.setdefault(identifier, element)
                if _attribute(element, "type") == "paragraph" and _attribute(element, "default") in ("1", "true"):
                    self.default = identifier
            elif _name(element) == "w:docDefaults":
                self.language = _attribute(_child(element, "rPrDefault", "rPr", "lang"))

    def __getitem__(self, identifier: str) -> _Style:
        chain: list[str] = []
        while identifier not in self._known and identifier in self._elements and len(chain) < len(self._elements):
            chain.append(identifier)
            identifier = _attribute(_child(self._elements[identifier], "basedOn"))
        style = self._known.get(identifier, _Style())
        for identifier in reversed(chain):
            style = self._known[identifier] = _based_on(style, self._elements[identifier])
        return style


def _based_on(base: _Style, element: Element) -> _Style:
    properties = _child(element, "pPr")
    name = _attribute(_child(element, "name")).lower()
    level = base.level
    if heading := re.fullmatch(r"heading ([1-9])", name):
        level = int(heading[1])
    elif name == "title":
        level = TITLE
    numbering = _child(properties, "numPr")
    head = next(
        (part for part in element.iterfind("{*}tblStylePr") if _attribute(part, "type") == "firstRow"),
        None,
    )
    return _Style(
        name,
        _look(_child(element, "rPr")).over(base.look),
        _outline(properties, level),
        _attribute(_child(numbering, "numId")) or base.list,
        _number(_attribute(_child(numbering, "ilvl")), 8, base.depth),
        base.bold_head if head is None else bool(_on(head, "rPr", "b")),
    )


def _outline(properties: Element | None, otherwise: int | None) -> int | None:
    """The heading's level that a pPr gives, counted from 1; 10 stands for body text."""
    said = _attribute(_child(properties, "outlineLvl"))
    if not said:
        return otherwise
    level = _number(said, 9, 9) + 1
    return level if level < 10 else None


# Numbering


@dataclass(frozen=True, slots=True)
class _Level:
    """One depth of a list: `text` such as ``%1.%2.``; `restarts`: after which depth, from 1; 0: never."""

    format: str
    text: str
    start: int
    restarts: int
    style: str
    decimal: bool
    font: str

    @classmethod
    def read(cls, element: Element, depth: int) -> _Level:
        restarts = _child(element, "lvlRestart")
        return cls(
            _attribute(_child(element, "numFmt")) or "decimal",
            _attribute(_child(element, "lvlText"))[:_MAX_MARK],
            _number(_attribute(_child(element, "start")), 10**6, 0),
            depth if restarts is None else _number(_attribute(restarts), depth, depth),
            _attribute(_child(element, "pStyle")),
            bool(_on(element, "isLgl")),
            _look(_child(element, "rPr")).font or "",
        )


_MAX_MARK = 40


class _Numbering:
    """The marks of list paragraphs, counted as Word counts: lists of one definition go on with one another's count,
    unless told to start over."""

    def __init__(self, root: Element | None, styles: _Styles) -> None:
        self._definitions: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, str] = {}
        self._own: dict[str, dict[int, _Level]] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        linked: dict[str, str] = {}
        for element in () if root is None else root:
            if _name(element) == "w:abstractNum":
                identifier = _attribute(element, "abstractNumId")
                self._definitions[identifier] = _levels(element)
                if link := _attribute(_child(element, "numStyleLink")):
                    linked[identifier] = link
            elif _name(element) == "w:num":
                self._read_list(element)
        for identifier, style in linked.items():
            target = self._lists.get(styles[style].list, "")
            self._definitions[identifier] = self._definitions.get(target, {})

    def _read_list(self, element: Element) -> None:
        identifier = _attribute(element, "numId")
        self._lists[identifier] = _attribute(_child(element, "abstractNumId"))
        self._own[identifier] = {}
        for override in element.iterfind("{*}lvlOverride"):
            depth = _number(_attribute(override, "ilvl"), 8)
            if start := _attribute(_child(override, "startOverride")):
                self._starts[identifier, depth] = _number(start, 10**6)
            self._own[identifier] |= _levels(override)

    def depth_of(self, identifier: str, style: str) -> int | None:
        """The depth at which a list's definition names a paragraph style."""
        levels = self._definitions.get(self._lists.get(identifier, ""), {})
        return next((depth for depth, level in levels.items() if style and level.style == style), None)

    def mark(self, identifier: str, depth: int) -> str:
        """The next paragraph's mark, counted on; "" where it has none."""
        definition = self._lists.get(identifier, "")
        levels = {**self._definitions.get(definition, {}), **self._own.get(identifier, {})}
        level = levels.get(depth)
        if level is None:
            return ""
        counts = self._counts[definition]
        for upper in range(depth):  # a level that is skipped counts as begun
            counts.setdefault(upper, levels[upper].start if upper in levels else 1)
        start = self._starts.pop((identifier, depth), None)
        counts[depth] = start if start is not None else counts[depth] + 1 if depth in counts else level.start
        for deeper in [other for other in counts if other > depth]:
            if deeper not in levels or depth < levels[deeper].restarts:
                del counts[deeper]
        if level.format == "bullet":
            return bullet(symbols(level.font, level.text).strip())

        def shown(match: re.Match[str]) -> str:
            number = int(match[1]) - 1
            other = levels.get(number, level)
            return numeral(counts.get(number, other.start), "decimal" if level.decimal else other.format)

        return re.sub(r"%([1-9])", shown, level.text).strip()


def _levels(element: Element) -> dict[int, _Level]:
    found: dict[int, _Level] = {}
    for level in element.iterfind("{*}lvl"):
        depth = _number(_attribute(level, "ilvl"), 8)
        found[depth] = _Level.read(level, depth)
    return found


# Equations

_Linear = Callable[[Element], str]
_ATOM = re.compile(r"[0-9.,]*|[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ₀-₉]*|\([^()]*\)")
_ATOM_WITH_SCRIPTS = re.compile(rf"(?:{_ATOM.pattern})[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀-₉₊₋]*")
_ABOVE = {"∘": "°", "′": "′", "″": "″", "*": "*"}
"""What needs no sign that it stands above the line."""


def _linear(element: Element) -> str:
    """An equation on one line: ``(a+b)/2``, ``x²``, ``√(x)``, ``∑_(i=1)^(n) x``."""
    name = _name(element)
    if name in ("m:t", "w:t"):
        return element.text or ""
    if name in _SKIPPED or name in _DELETED:
        return ""
    if name == "m:r" and any(_look(properties).left_out for properties in element.iterchildren("{*}rPr")):
        return ""
    if name == "m:phant" and _on(element, "phantPr", "show") is False:
        return ""
    shape = _SHAPES.get(name)
    return shape(element) if shape else _children(element)


def _children(element: Element) -> str:
    """What it holds; a fraction beside a number is set apart, 5 1/2 being no 51/2."""
    said: list[str] = []
    last = ""
    for child in element:
        if words := _linear(child):
            fraction = "m:f" in (_name(child), last)
            said.append(f" {words}" if said and fraction and _run_on(said[-1], words) else words)
            last = _name(child)
    return "".join(said)


def _run_on(left: str, right: str) -> bool:
    return left[-1:].isalnum() and right[:1].isalnum()


def _part(element: Element, local: str) -> str:
    found = _child(element, local)
    return "" if found is None else _children(found).strip()


def _atom(words: str, pattern: re.Pattern[str] = _ATOM) -> str:
    return words if pattern.fullmatch(words) else f"({words})"


def _fraction(element: Element) -> str:
    over, under = _part(element, "num"), _part(element, "den")
    if _attribute(_child(element, "fPr", "type")) == "noBar":
        return f"({over}; {under})"
    return f"{_atom(over, _ATOM_WITH_SCRIPTS)}/{_atom(under, _ATOM_WITH_SCRIPTS)}"


def _scripts(element: Element) -> str:
    below, above = _part(element, "sub"), _part(element, "sup")
    scripts = (subscript(below) if below else "") + _above(above)
    if _name(element) == "m:sPre":
        return scripts + _atom(_part(element, "e"))
    return _atom(_part(element, "e")) + scripts


def _above(words: str) -> str:
    return _ABOVE.get(words) or (superscript(words) if words else "")


def _root(element: Element) -> str:
    return f"{_above(_part(element, 'deg'))}√({_part(element, 'e')})"


def _sum(element: Element) -> str:
    sign = _attribute(_child(element, "naryPr", "chr")) or "∫"
    below, above = _part(element, "sub"), _part(element, "sup")
    limits = (f"_({below})" if below else "") + (f"^({above})" if above else "")
    return f"{sign}{limits} {_part(element, 'e')}"


def _brackets(element: Element) -> str:
    properties = _child(element, "dPr")
    signs = {"begChr": "(", "sepChr": "|", "endChr": ")"}
    for local in signs:
        if (found := _child(properties, local)) is not None:
            signs[local] = _attribute(found)
    inner = signs["sepChr"].join(_children(part).strip() for part in element.iterfind("{*}e"))
    return signs["begChr"] + inner + signs["endChr"]


def _function(element: Element) -> str:
    words = _part(element, "e")
    return f"{_part(element, 'fName')}{words if words.startswith('(') else f' {words}'}"


def _limit(element: Element) -> str:
    return f"{_part(element, 'e')}_({_part(element, 'lim')})"


def _accent(element: Element) -> str:
    words = _part(element, "e")
    sign = _attribute(_child(element, "accPr", "chr")) or "\u0302"
    return words + sign if len(words) == 1 else words


def _rows(element: Element) -> str:
    return "; ".join(
        ", ".join(_children(part).strip() for part in row.iterfind("{*}e")) for row in element.iterfind("{*}mr")
    )


def _lines(element: Element) -> str:
    return "; ".join(_children(part).strip() for part in element.iterfind("{*}e"))


def _paragraph(element: Element) -> str:
    return "\n" + "\n".join(map(_linear, element)) + "\n"


_SHAPES: Mapping[str, _Linear] = {
    "m:f": _fraction,
    "m:sSup": _scripts,
    "m:sSub": _scripts,
    "m:sSubSup": _scripts,
    "m:sPre": _scripts,
    "m:rad": _root,
    "m:nary": _sum,
    "m:d": _brackets,
    "m:func": _function,
    "m:limLow": _limit,
    "m:limUpp": _limit,
    "m:acc": _accent,
    "m:m": _rows,
    "m:eqArr": _lines,
    "m:oMathPara": _paragraph,
}


# The text


@dataclass(slots=True)
class _Line:
    """A paragraph as it is collected. `fields`: one entry for each field begun, whether its result has begun."""

    pieces: list[tuple[str, Raised]] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)
    fields: list[bool] = field(default_factory=list)
    bold: bool = False
    plain: bool = False
    left_out: str = ""

    def words(self) -> str:
        return inline(self.pieces)


_BLOCKS = frozenset({"w:p", "w:tbl", "m:oMathPara", "m:oMath"})


class _Reader:
    """Walks the main text and what hangs on it, and counts what it leaves out."""

    def __init__(self, package: _Package) -> None:
        self.styles = _Styles(package.part("styles"))
        self.pictures = False
        self._numbering = _Numbering(package.part("numbering"), self.styles)
        self._notes = {
            (kind, _attribute(note, "id")): note
            for kind in ("footnote", "endnote")
            for note in package.children(f"{kind}s")
        }
        self._spaced = package.main.get(_SPACE) == "preserve"
        self._left_out: Counter[str] = Counter()
        self._changed = False
        self._numbers: dict[tuple[str, str], int] = {}
        self._due: list[tuple[str, str]] = []

    def notes(self) -> Iterator[str]:
        """What staff should know."""
        if self._changed:
            yield "holds tracked changes: read as if all were accepted"
        yield from left_out_notes(self._left_out)

    def story(self, container: Element, nested: int) -> list[Block | Table]:
        """The blocks of the main text (`nested` 0), of a cell, a text box or a note; those of the main text have
        the notes that they refer to behind them."""
        if nested > MAX_NESTED:
            raise Unreadable("tables or text boxes are nested too deeply")
        found: list[Block | Table] = []
        open_line = _Line()  # of paragraphs whose end was deleted: they go on in the next one
        for element in self._within(container, _BLOCKS):
            match _name(element):
                case "w:p":
                    line, open_line = open_line, _Line()
                    self._collect(element, line)
                    if self._end_deleted(element):
                        open_line = line
                        continue
                    boxes = line.boxes
                    found += self._block(element, line)
                case "w:tbl":
                    boxes = []
                    found.append(self._table(element, nested + 1))
                case _:
                    boxes = []
                    found.append(Block("paragraph", _linear(element)))
            found += self._due_notes(nested)
            for box in boxes:
                found += self.story(box, nested + 1)
                found += self._due_notes(nested)
        if open_line.pieces:
            found.append(Block("paragraph", open_line.words()))
        return found

    def _within(self, container: Element, wanted: frozenset[str]) -> Iterator[Element]:
        """The wanted elements in `container` and in what merely wraps them, in order; not those in one another."""
        stack: list[Iterator[Element]] = [iter(container)]
        while stack:
            element = next(stack[-1], None)
            if element is None:
                stack.pop()
            elif _name(element) in wanted:
                yield element
            elif inner := self._inside(element):
                stack.append(inner)

    def _inside(self, element: Element) -> Iterator[Element] | None:
        """What an element holds that is part of the text; None for what is left out."""
        name = _name(element)
        if name in _SKIPPED or (name == "w:sdt" and _on(element, "sdtPr", "showingPlcHdr")):
            return None
        if name in _DELETED:
            self._changed = True
            return None
        if name == "mc:AlternateContent":  # the same in several ways, the best first
            return iter(element[0]) if len(element) else None
        if name in _ELSEWHERE:
            self._left_out["elsewhere"] += 1
        elif name in _INSERTED:
            self._changed = True
        elif name in (":relIds", ":chart"):
            self._left_out["drawing"] += 1
        elif name in (":blip", ":imagedata"):
            self.pictures = True
        return iter(element)

    def _end_deleted(self, paragraph: Element) -> bool:
        end = _child(paragraph, "pPr", "rPr")
        deleted = any(_child(end, local) is not None for local in ("del", "moveFrom"))
        self._changed |= deleted
        return deleted

    def _collect(self, paragraph: Element, line: _Line) -> None:
        """Adds the paragraph's words, its text boxes and the numbers of its notes."""
        style = self.styles[_attribute(_child(paragraph, "pPr", "pStyle")) or self.styles.default]
        stack: list[tuple[Iterator[Element], Look]] = [(iter(paragraph), style.look)]
        line.fields.clear()
        while stack:
            children, look = stack[-1]
            element = next(children, None)
            if element is None:
                stack.pop()
                continue
            name = _name(element)
            if name == "w:r":
                stack.append((iter(element), self._run_look(element, style.look)))
            elif name == "w:t":
                self._say(line, self._shown(element, look), look)
            elif name in _MARKS:
                self._say(line, _MARKS[name], look)
            elif name == "w:sym":
                self._say(line, self._sign(element), look)
            elif name == "w:fldChar":
                self._field(line, element, look)
            elif name in ("w:footnoteReference", "w:endnoteReference"):
                self._refer(line, name[2:].removesuffix("Reference"), element, look)
            elif name in ("m:oMath", "m:oMathPara"):
                self._say_equation(line, element, look)
            elif name == "w:txbxContent":
                if not look.left_out:
                    line.boxes.append(element)
            elif inner := self._inside(element):
                stack.append((inner, look))

    def _run_look(self, run: Element, paragraph: Look) -> Look:
        properties = _child(run, "rPr")
        style = _attribute(_child(properties, "rStyle"))
        base = self.styles[style].look.toggled(paragraph) if style else paragraph
        return _look(properties).over(base)

    def _shown(self, element: Element, look: Look) -> str:
        """Word shows no soft hyphens but where a line ends, and keeps the blanks at a text's ends only if told to."""
        words = (element.text or "").replace("\u00ad", "")
        if not self._spaced and element.get(_SPACE) != "preserve":
            words = words.strip(" \t\r\n")
        return self._symbols(look.font or "", words)

    def _sign(self, element: Element) -> str:
        code = _attribute(element, "char")
        character = chr(int(code, 16)) if re.fullmatch("[0-9A-Fa-f]{4}", code) else UNKNOWN
        return self._symbols(_attribute(element, "font").lower(), character)

    def _symbols(self, font: str, words: str) -> str:
        shown = symbols(font, words)
        self._left_out["symbol"] += shown.count(UNKNOWN)
        return shown

    def _say(self, line: _Line, words: str, look: Look) -> None:
        if not all(line.fields):
            return
        if words.strip():
            if look.left_out and look.left_out != line.left_out:
                self._left_out[look.left_out] += 1
            line.left_out = look.left_out
        if look.left_out:
            return
        if words.strip():
            line.bold |= bool(look.bold)
            line.plain |= not look.bold
        line.pieces.append((words, look.raised or ""))

    def _say_equation(self, line: _Line, element: Element, look: Look) -> None:
        words = _linear(element)
        before = line.pieces[-1][0] if line.pieces else ""
        self._say(line, f" {words}" if _run_on(before, words) else words, replace(look, raised=""))

    def _field(self, line: _Line, element: Element, look: Look) -> None:
        """Of a field such as a cross-reference only the result is text, of a box to tick whether it is."""
        match _attribute(element, "fldCharType"):
            case "begin":
                if (box := _child(element, "ffData", "checkBox")) is not None:
                    ticked = _on(box, "checked")
                    self._say(line, "☒" if (_on(box, "default") if ticked is None else ticked) else "☐", look)
                line.fields.append(False)
            case "separate" if line.fields:
                line.fields[-1] = True
            case "end" if line.fields:
                line.fields.pop()

    def _refer(self, line: _Line, kind: str, element: Element, look: Look) -> None:
        key = (kind, _attribute(element, "id"))
        if look.left_out or not all(line.fields) or key not in self._notes:
            return
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers) + 1
            self._due.append(key)
        self._say(line, f"[{self._numbers[key]}]", replace(look, raised="", bold=line.bold and not line.plain))

    def _due_notes(self, nested: int) -> Iterator[Block]:
        """The notes referred to since the last time; within a table they wait for its end."""
        while self._due and not nested:
            due, self._due = self._due, []
            for key in due:
                words = "\n".join(map(str, self.story(self._notes[key], 1)))
                yield Block("paragraph", f"[{self._numbers[key]}] {words.strip()}")

    def _block(self, paragraph: Element, line: _Line) -> Iterator[Block]:
        properties = _child(paragraph, "pPr")
        identifier = _attribute(_child(properties, "pStyle")) or self.styles.default
        style = self.styles[identifier]
        words = line.words().strip()
        gone = bool(line.left_out) and not words
        mark, depth = ("", 0) if gone else self._mark(properties, identifier, style)
        level = _outline(properties, style.level)
        if not words or (style.name.startswith("toc ") and _CONTENTS_LINE.search(words)):
            return
        bold = line.bold and not line.plain
        if level is not None:
            number = "" if mark in ("", BULLET) else f"{mark} "
            yield Block("heading", number + words, level, bold=bold)
        elif mark:
            yield Block("item", words, depth, mark, bold)
        else:
            yield Block("paragraph", words, bold=bold)

    def _mark(self, properties: Element | None, identifier: str, style: _Style) -> tuple[str, int]:
        """The paragraph's number or bullet, "" for none, and its depth."""
        own = _child(properties, "numPr")
        number = _attribute(_child(own, "numId")) or style.list
        depth = self._numbering.depth_of(number, identifier)
        if depth is None:
            depth = style.depth
        depth = _number(_attribute(_child(own, "ilvl")), 8, depth)
        return self._numbering.mark(number, depth), depth

    def _table(self, table: Element, nested: int) -> Table:
        rows: list[list[Cell | None]] = []
        heads = 0
        for row in self._within(table, frozenset({"w:tr"})):
            properties = _child(row, "trPr")
            if _child(properties, "del") is not None:
                self._changed = True
            elif _on(properties, "hidden"):
                self._left_out["hidden"] += 1
            else:
                if heads == len(rows) and _on(properties, "tblHeader"):
                    heads += 1
                rows.append(self._row(row, properties, rows[-1] if rows else [], nested))
        return Table(rows, heads, self._bold_head(_child(table, "tblPr")))

    def _row(
        self, row: Element, properties: Element | None, above: list[Cell | None], nested: int
    ) -> list[Cell | None]:
        before = _number(_attribute(_child(properties, "gridBefore")), MAX_COLUMNS)
        cells: list[Cell | None] = [cell(())] * before
        for element in self._within(row, frozenset({"w:tc"})):
            own = _child(element, "tcPr")
            down = _child(own, "vMerge")
            width = _number(_attribute(_child(own, "gridSpan")), MAX_COLUMNS, 1) or 1
            goes_on = down is not None and _attribute(down) != "restart"
            upper = above[len(cells)] if goes_on and len(cells) < len(above) else None
            if _attribute(_child(own, "hMerge")) == "continue":
                cells.append(None)
                continue
            cells += [upper or cell(self.story(element, nested)), *[None] * (width - 1)]
            if len(cells) > MAX_COLUMNS:
                raise Unreadable(f"holds a table of more than {MAX_COLUMNS} columns")
        return cells

    def _bold_head(self, properties: Element | None) -> bool:
        look = _child(properties, "tblLook")
        said = _attribute(look, "firstRow")
        bits = _attribute(look)
        first = said in ("1", "true", "on") or (
            not said and re.fullmatch("[0-9A-Fa-f]{1,4}", bits) and int(bits, 16) & 0x20
        )
        return bool(first) and self.styles[_attribute(_child(properties, "tblStyle"))].bold_head
