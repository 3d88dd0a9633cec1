"""Lines on a page → what a reader would read, in order: headings, paragraphs, list items and tables.

Coordinates are in points on the page as it is shown, x from its left and y from its top. A page's own order of lines
is kept unless it is plainly not the reader's: most programs write a page in the order in which it is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from bot.loaders.writing import Grid, looks_headed

MARGIN = 0.12
"""Share of a page's height, above and below, in which running heads and page numbers stand."""
MOST_RUNNING = 4
"""So many lines of a page's margin are looked at, from the edge inwards."""

# In sizes of the letters: distances on a page grow with them.
CELL_GAP = 0.9  # between words further apart stands the border of a cell or column
_NEW_BLOCK = 1.35  # times the usual distance of lines: another paragraph
_INDENT = 0.8
_OTHER_SIZE = 1.12
_HEADING_SIZE = 1.15
_COLUMN_TEXT = 22  # characters: shorter pieces side by side are cells, not columns of text
_LONGEST_HEADING = 120
_MOST_SORTED = 1000  # rows of a page

MARK = re.compile(
    r"(?:[•●○◦▪■□◆❖➢►▶✓✔‣∙·\uf0b7\uf0a7\uf0d8\x84\x95]|[-–—*](?=\s)|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)](?=\s|$)|\d{1,2}(?:\.\d{1,2}){1,3}\.?(?=\s))\s*"
)
_BULLET = re.compile(r"[●○◦▪■□◆❖➢►▶✓✔‣∙·\uf0b7\uf0a7\uf0d8\x84\x95]")
_PAGE_NUMBER = re.compile(
    r"(?:page|seite|pagina|página|p\.)?\s*[-–—|]?\s*(?:\d{1,4}|[ivxlc]{1,6})\s*[-–—|]?(?:\s*(?:of|von|de|di|/)\s*\d{1,4})?",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_SENTENCE_END = (".", "!", "?", ":", ";", ".”", ".)", "?)", '."')


@dataclass(slots=True)
class Line:
    """Words that stand side by side. `at`: the page's index of each character of `text`. `size`: the letters' height.
    `hyphen`: the line ends in a hyphen that may be there for the line's end alone."""

    text: str
    at: Sequence[int]
    page: int
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    bold: bool = False
    hyphen: bool = False

    @property
    def mark(self) -> str:
        """The bullet or number of a list item that the line begins with, or nothing."""
        found = MARK.match(self.text)
        return found.group() if found and len(found.group()) < len(self.text) else ""


Row = list[Line]
"""Pieces of one line of the page, from left to right."""

Cell = list[Line]


@dataclass(slots=True)
class Table:
    """`rows`: cells by row and column. The first `heads` rows name the columns."""

    rows: list[list[Cell]]
    heads: int

    @property
    def lines(self) -> Iterator[Line]:
        return (line for row in self.rows for cell in row for line in cell)


@dataclass(slots=True)
class Block:
    """Lines that go on from one to the next. kind: ``paragraph``, ``item`` or ``heading``; `breaks`: rows of lines
    before which the line break was meant."""

    kind: str
    lines: list[Line]
    level: int = 0
    breaks: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page in its own order, running heads taken out."""

    number: int
    width: float
    height: float
    rows: Sequence[Row]


def without_running_heads(pages: Sequence[Page]) -> list[Page]:
    """Without the lines in the margins that come again on other pages, numbers aside, and without page numbers."""
    edges = [{id(row): _running_key(page, row) for row in _edge_rows(page)} for page in pages]
    seen = Counter(key for edge in edges for key in set(edge.values()))
    least = max(2, len(pages) // 4)

    def runs(key: tuple[str, bool] | None) -> bool:
        return key is not None and (seen[key] >= least or _PAGE_NUMBER.fullmatch(key[0].replace("#", "1")) is not None)

    return [
        Page(page.number, page.width, page.height, [row for row in page.rows if not runs(edge.get(id(row)))])
        for page, edge in zip(pages, edges, strict=True)
    ]


def _edge_rows(page: Page) -> Iterator[Row]:
    """The rows in the margins, those at the edges first."""
    above = sorted((row for row in page.rows if row[0].bottom < page.height * MARGIN), key=lambda row: row[0].top)
    below = sorted((row for row in page.rows if row[0].top > page.height * (1 - MARGIN)), key=lambda row: -row[0].top)
    yield from above[:MOST_RUNNING]
    yield from below[:MOST_RUNNING]


def _running_key(page: Page, row: Row) -> tuple[str, bool]:
    words = " ".join(line.text for line in row)
    return _DIGITS.sub("#", words).casefold(), row[0].top < page.height / 2


def blocks(pages: Sequence[Page]) -> Iterator[Block | Table]:
    """All that stands on the pages, in reading order; a paragraph may go on over a page's end."""
    style = _Style(pages)
    open_block: Block | None = None
    for page in pages:
        right_edges = _right_edges(page)
        for found in _reading_order(page):
            if isinstance(found, Table):
                if open_block:
                    yield open_block
                open_block = None
                yield found
                continue
            line = found
            if open_block and (join := style.joins(open_block, line, right_edges)):
                if join == "break":
                    open_block.breaks.add(len(open_block.lines))
                open_block.lines.append(line)
                continue
            if open_block:
                yield open_block
            open_block = style.begin(line)
    if open_block:
        yield open_block


class _Style:
    """What is usual in a document: the size of its letters, how far apart its lines are."""

    def __init__(self, pages: Sequence[Page]) -> None:
        sizes: Counter[float] = Counter()
        gaps: list[float] = []
        for page in pages:
            before: Line | None = None
            for row in page.rows:
                for line in row:
                    sizes[_rounded(line.size)] += len(line.text)
                line = row[0]
                if before and 0 < line.top - before.top < 3 * line.size and abs(line.size - before.size) < 0.5:
                    gaps.append((line.top - before.top) / line.size)
                before = line
        self.body = sizes.most_common(1)[0][0] if sizes else 1.0
        self.leading = min(max(median(gaps), 0.9), 1.8) if gaps else 1.2
        larger = sorted((size for size in sizes if size > self.body * _HEADING_SIZE), reverse=True)
        self.levels = {size: level for level, size in enumerate(larger, start=1)}

    def begin(self, line: Line) -> Block:
        level = self.level(line)
        if level:
            return Block("heading", [line], level)
        return Block("item" if line.mark else "paragraph", [line])

    def level(self, line: Line) -> int:
        """The level of the heading that a line looks like, 0 for other lines."""
        words = line.text
        if not may_be_heading(line):
            return 0
        if level := self.levels.get(_rounded(line.size), 0):
            return 0 if words.endswith((".", ",", ";")) and len(words) > 60 else level
        stops = words.endswith((".", ",", ";", ":"))
        return len(self.levels) + 1 if line.bold and not stops and len(words) <= 80 else 0

    def joins(self, block: Block, line: Line, right_edges: dict[int, float]) -> str:
        """How `line` goes on with a block: "" not at all, "flow", or "break" on a line of its own."""
        last = block.lines[-1]
        if not _same_size(last, line):
            return ""
        turned = line.page != last.page or line.top < last.top - last.size / 2  # another page or column
        if block.kind == "heading":
            same = last.bold == line.bold and self.level(line) == block.level and not turned
            return "flow" if same and self._near(last, line) and len(block.lines) < 4 else ""
        if last.hyphen:
            return "flow"
        if line.mark or self.level(line):
            return ""
        small = line.text[0].islower()
        if turned:
            return "flow" if small and not last.text.endswith(_SENTENCE_END) else ""
        if not self._near(last, line):
            return ""
        ended = last.text.endswith(_SENTENCE_END)
        first = block.lines[0]
        if block.kind == "item":
            # An item's lines are indented under its words; text back at its mark's edge is another paragraph.
            back = line.x0 < first.x0 + _INDENT * first.size / 2 and len(block.lines) > 0
            return "" if back and ended and not small else "flow"
        if line.x0 > last.x0 + _INDENT * line.size and ended:
            return ""
        edge = right_edges.get(_column(last), last.x1)
        room = edge - last.x1
        if small or room < 4 * last.size:
            return "flow"
        return "" if ended and room > 8 * last.size else "break" if room > 6 * last.size else "flow"

    def _near(self, last: Line, line: Line) -> bool:
        return line.top - last.top <= _NEW_BLOCK * self.leading * line.size


def may_be_heading(line: Line) -> bool:
    """Whether a line's words could be a heading, were it large or bold."""
    words = line.text
    return (
        len(words) <= _LONGEST_HEADING
        and not line.hyphen
        and not words[0].islower()
        and words[0].isalnum()
        and not words.endswith((",", ";"))
        and any(map(str.isalpha, words))
    )


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _same_size(one: Line, other: Line) -> bool:
    low, high = sorted((one.size, other.size))
    return high <= low * _OTHER_SIZE


def _column(line: Line) -> int:
    return int(line.x0 // 24)


def _right_edges(page: Page) -> dict[int, float]:
    """How far the lines that begin at about the same place reach to the right."""
    edges: dict[int, float] = {}
    for row in page.rows:
        for line in row:
            column = _column(line)
            edges[column] = max(edges.get(column, 0.0), line.x1)
    return edges


# Order, columns and tables


def _reading_order(page: Page) -> Iterator[Line | Table]:
    rows = _in_order(page.rows)
    at = 0
    while at < len(rows):
        if len(rows[at]) == 1:
            yield rows[at][0]
            at += 1
            continue
        region = _Region.at(rows, at)
        if region is None:
            yield joined(rows[at])
            at += 1
        else:
            yield from region.read()
            at = region.end


def joined(row: Row) -> Line:
    """The pieces of a row as one line, a space between them."""
    first, last = row[0], row[-1]
    longest = max(row, key=lambda line: len(line.text))
    text, at = first.text, list(first.at)
    for line in row[1:]:
        text += f" {line.text}"
        at += [line.at[0], *line.at]
    return replace(
        longest, text=text, at=at, x0=first.x0, x1=last.x1, bold=all(line.bold for line in row), hyphen=last.hyphen
    )


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """The page's own order; but where it goes back up, a row comes before the rows that stand wholly below it: a
    table or a title may be drawn last, a foot first. What stands beside others keeps its place."""
    ordered: list[Row] = []
    place = 0  # where the next row goes; the order's end unless the page went back up
    last: Row | None = None
    for row in rows:
        back_up = last is not None and row[0].bottom < last[0].top - row[0].size
        if back_up:
            place = 0
        if place < len(ordered) and len(ordered) < _MOST_SORTED:
            below = (n for n in range(place, len(ordered)) if _is_below(ordered[n], row))
            place = _block_start(ordered, next(below, len(ordered)), place, row)
        ordered.insert(place, row)
        place += 1
        last = row
    return ordered


def _block_start(ordered: Sequence[Row], place: int, least: int, row: Row) -> int:
    """Where the lines begin that `place` is in the midst of, so that no box or table is torn apart."""
    while least < place < len(ordered):
        above, here = ordered[place - 1][0], ordered[place][0]
        if not 0 <= here.top - above.bottom < 2 * here.size or above.top < row[0].bottom - 1:
            break
        place -= 1
    return place


def _is_below(other: Row, row: Row) -> bool:
    shared = min(row[-1].x1, other[-1].x1) - max(row[0].x0, other[0].x0)
    narrower = min(row[-1].x1 - row[0].x0, other[-1].x1 - other[0].x0)
    return other[0].top >= row[0].bottom - 1 and shared > 0.1 * narrower


@dataclass(slots=True)
class _Region:
    """Neighbouring rows of several pieces that share columns, with the lines that wrap within them."""

    rows: list[Row]
    bands: list[tuple[float, float]]
    end: int

    @classmethod
    def at(cls, rows: Sequence[Row], start: int) -> _Region | None:
        """The region that begins with ``rows[start]``; None where that row stands alone."""
        region = cls([rows[start]], [(line.x0, line.x1) for line in rows[start]], start + 1)
        many = 1
        at = start + 1
        while at < len(rows):
            row = rows[at]
            if len(row) > 1 and region._fits(row):
                region._add(row)
                many += 1
                at += 1
                region.end = at
            elif len(row) == 1 and region._wraps(row[0]):
                region.rows.append(row)
                at += 1
                region.end = at
            else:
                break
        return region if many > 1 else None

    def _fits(self, row: Row) -> bool:
        """Whether a row's pieces stand in this region's columns, and not far below."""
        if row[0].top - max(line.bottom for line in self.rows[-1]) > 3 * row[0].size:
            return False
        if row[0].bottom < min(line.top for line in self.rows[0]):
            return False
        taken = [self._bands_of(line) for line in row]
        inside = sum(len(bands) == 1 for bands in taken)
        distinct = len({band for bands in taken for band in bands})
        return inside >= 2 or (inside >= 1 and distinct >= 2)

    def _bands_of(self, line: Line) -> list[int]:
        return [n for n, (x0, x1) in enumerate(self.bands) if line.x0 < x1 + 1 and line.x1 > x0 - 1]

    def _wraps(self, line: Line) -> bool:
        """Whether a single line goes on within a cell: it stands in one column, beside or right below a row."""
        bands = self._bands_of(line)
        if len(bands) != 1:
            return False
        top = min(other.top for row in self.rows for other in row)
        bottom = max(other.bottom for row in self.rows for other in row)
        beside = line.top >= top - 1 and line.bottom <= bottom + 1
        starts = abs(line.x0 - self.bands[bands[0]][0]) < line.size / 2
        below = 0 <= line.top - bottom <= 0.45 * line.size and (bands[0] > 0 or line.text[0].islower()) and starts
        return beside or below

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        for line in row:
            bands = self._bands_of(line)
            if not bands:
                self.bands = sorted([*self.bands, (line.x0, line.x1)])
            elif len(bands) == 1:
                x0, x1 = self.bands[bands[0]]
                self.bands[bands[0]] = (min(x0, line.x0), max(x1, line.x1))

    def read(self) -> Iterator[Line | Table]:
        if self._is_text():
            for band in range(len(self.bands)):
                for row in self.rows:
                    yield from (line for line in row if (self._bands_of(line) or [0])[0] == band)
        else:
            yield self._table()

    def _is_text(self) -> bool:
        """Whether the columns are of running text, and no table."""
        lengths = [len(line.text) for row in self.rows for line in row]
        return len(self.bands) <= 3 and len(self.rows) >= 4 and median(lengths) >= _COLUMN_TEXT

    def _table(self) -> Table:
        visual = _visual_lines([line for row in self.rows for line in row])
        gaps = [low[0].top - high[0].top for high, low in pairwise(visual)]
        widest = max(gaps, default=0.0)
        table: list[list[Cell]] = []
        bold: list[bool] = []
        for number, lines in enumerate(visual):
            cells: list[Cell] = [[] for _ in self.bands]
            for line in lines:
                cells[(self._bands_of(line) or [0])[0]].append(line)
            if table and self._goes_on(cells, gaps[number - 1], widest):
                for cell, more in zip(table[-1], cells, strict=True):
                    cell += more
                bold[-1] = bold[-1] and all(line.bold for line in lines)
            else:
                table.append(cells)
                bold.append(all(line.bold for line in lines))
        grid: Grid = [[" ".join(line.text for line in cell) for cell in row] for row in table]
        return Table(table, 1 if looks_headed(grid, bold) else 0)

    @staticmethod
    def _goes_on(cells: Sequence[Cell], gap: float, widest: float) -> bool:
        """Whether a line of a table belongs to the row above: cells of different rows must never be joined, so it
        takes a gap that is smaller than others, or words that can begin no cell."""
        lines = [line for cell in cells for line in cell]
        small = all(line.text[0].islower() for line in lines)
        if not cells[0]:
            return small or gap * 1.2 <= widest
        return small and gap * 1.2 <= widest


def _visual_lines(lines: Iterable[Line]) -> list[list[Line]]:
    """Lines at the same height together, top to bottom, each from left to right."""
    made: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.top):
        if made and line.top - made[-1][0].top < 0.5 * line.size:
            made[-1].append(line)
        else:
            made.append([line])
    return [sorted(row, key=lambda line: line.x0) for row in made]


def bullet(mark: str) -> str:
    """The mark of a list item as it is written: one bullet for the many signs of symbol fonts."""
    return _BULLET.sub("•", mark)
