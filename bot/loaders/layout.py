"""Lines on a page → what a reader would read, in order: headings, paragraphs, list items and tables.

Coordinates are in points on the page as it is shown, x from its left and y from its top. A page's own order of lines
is kept unless it is plainly not the reader's: most programs write a page in the order in which it is read.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import NamedTuple, TypeAlias

from bot.loaders.ruled import Colour, Fill, Rule, Ruled
from bot.loaders.writing import Grid, looks_headed

MARGIN = 0.12
"""Share of a page's height, above and below, in which running heads and page numbers stand."""
MOST_RUNNING = 4
"""So many lines of a page's margin are looked at, from the edge inwards."""

# In sizes of the letters: distances on a page grow with them.
CELL_GAP = 0.85  # between words further apart stands the border of a cell or column
_NEW_BLOCK = 1.35  # times the usual distance of lines: another paragraph
_INDENT = 0.8
_OTHER_SIZE = 1.12
_HEADING_SIZE = 1.15
_COLUMN_TEXT = 22  # characters: shorter pieces side by side are cells, not columns of text
_LONGEST_HEADING = 120
_MOST_SORTED = 1000  # rows of a page
_SPACE = 0.25
_CELL_LEADING = 1.35
_TIGHT = 1.2  # times closer than others: lines of one row
_CLEAR = 0.4  # so far from other text stand running heads and page numbers
_CLEAR_OF_TABLE = 1.3
_MOST_NUMBERS = 8
_INSIDE = 0.85  # share of a drawn cell's width that words may take
_HIGHEST_ROW = 160.0  # points
_NEAR_TABLE = 2.2
_MOST_HEAD_LINES = 4
_MOST_CELL_LINES = 15  # a cell with more is a column or a box of text

MARK = re.compile(
    r"(?:[•●○◦▪■□◆❖➢►▶✓✔‣∙·\uf0b7\uf0a7\uf0d8\x84\x95]|[-–—*](?=\s)|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)](?=\s|$)|\d{1,2}(?:\.\d{1,2}){1,3}\.?(?=\s))\s*"
)
_BULLET = re.compile(r"[●○◦▪■□◆❖➢►▶✓✔‣∙·\uf0b7\uf0a7\uf0d8\x84\x95]")
_PAGE_NUMBER = re.compile(
    r"(?:page|seite|pagina|página|p\.)?[-–—|]?(?:0|(?=[ivx])x{0,3}(?:ix|iv|v?i{0,3}))[-–—|]?(?:(?:of|von|de|di|/)0)?"
)
_DIGITS = re.compile(r"[0-9]{1,9}")
_SENTENCE_END = (".", "!", "?", ":", ";", ".”", ".)", "?)", '."')


@dataclass(slots=True)
class Line:
    """Words that stand side by side. `at`: the page's index of each character of `text`, -1
    where it has none. `size`: the letters' height.
    `hyphen`: the line ends in a hyphen that may be there for the line's end alone. `parts`: its mark and its words,
    where a gap as wide as one between cells parts them."""

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
    parts: tuple[Line, Line] | None = None

    @property
    def mark(self) -> str:
        """The bullet or number of a list item that the line begins with, or nothing."""
        found = MARK.match(self.text)
        return found.group() if found and len(found.group()) < len(self.text) else ""


Span: TypeAlias = tuple[float, float]
"""From where to where on a page's x axis."""

Row = list[Line]
"""Pieces of one line of the page, from left to right."""

Cell = list[Line]


@dataclass(slots=True)
class Table:
    """`rows`: cells by row and column; None goes on with the cell to the left, a cell that spans rows stands in each.
    The first `heads` rows name the columns."""

    rows: list[list[Cell | None]]
    heads: int


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
    """The rows of one page in its own order, and what is drawn on it: grids, smallest first, other level lines, and
    coloured areas from the back to the front."""

    number: int
    width: float
    height: float
    rows: Sequence[Row]
    grids: Sequence[Ruled] = ()
    rules: Sequence[Rule] = ()
    fills: Sequence[Fill] = ()


def without_running_heads(pages: Sequence[Page]) -> list[Page]:
    """Without the rows in the margins that come again on other pages at the same height, and without page numbers.

    The numbers in such a row may go up with the page; others that differ make it another row. What follows closely
    upon other text belongs to it."""
    edges = [list(_edge_rows(page)) for page in pages]
    seen: dict[tuple[str, int], list[_Edge]] = {}
    for edge in (edge for on_page in edges for edge in on_page):
        seen.setdefault((edge.words, round(edge.top / 4)), []).append(edge)
        seen.setdefault((edge.words, round(edge.top / 4) + 1), []).append(edge)
    least = max(2, len(pages) // 4)
    running = {id(edge.row) for group in seen.values() for edge in _running(group, least)}
    running |= {id(edge.row) for on_page in edges for edge in on_page if _PAGE_NUMBER.fullmatch(edge.words)}
    return [_without(page, on_page, running) for page, on_page in zip(pages, edges, strict=True)]


@dataclass(frozen=True, slots=True)
class _Edge:
    """A row in a page's margin. `words`: without white space, "0" for each of its `numbers`."""

    row: Row
    page: int
    top: float
    words: str
    numbers: tuple[int, ...]


def _edge_rows(page: Page) -> Iterator[_Edge]:
    """The rows in the margins, those at the edges first, but none of a table that reaches out of them."""
    highest, lowest = page.height * MARGIN, page.height * (1 - MARGIN)
    tables = [grid for grid in page.grids if grid.ys[-1] > highest and grid.ys[0] < lowest]
    rows = [row for row in page.rows if not any(grid.holds(row[0].x0, _height(row[0])) for grid in tables)]
    above = sorted((row for row in rows if row[0].bottom < highest), key=lambda row: row[0].top)
    below = sorted((row for row in rows if row[0].top > lowest), key=lambda row: -row[0].top)
    for row in (*above[:MOST_RUNNING], *below[:MOST_RUNNING]):
        words = "".join(sorted(line.text for line in row)).casefold()  # left and right pages may swap them
        numbers = tuple(int(found) for found in _DIGITS.findall(words))
        yield _Edge(row, page.number, row[0].top, _DIGITS.sub("0", "".join(words.split())), numbers)


def _running(group: Sequence[_Edge], least: int) -> Iterator[_Edge]:
    """Those of equal words and height that run through the document, at least so many."""
    by_numbers: dict[tuple[int | None, tuple[int, ...]], list[_Edge]] = {}
    for edge in group:
        by_numbers.setdefault((None, edge.numbers), []).append(edge)
        for n, number in enumerate(edge.numbers[:_MOST_NUMBERS]):
            counted = (*edge.numbers[:n], number - edge.page, *edge.numbers[n + 1 :])
            by_numbers.setdefault((n, counted), []).append(edge)
    for alike in by_numbers.values():
        if len({edge.page for edge in alike}) >= least:
            yield from alike


def _without(page: Page, edges: Sequence[_Edge], running: set[int]) -> Page:
    """The page without those of its running rows that stand clear of all other rows."""
    out = {id(edge.row) for edge in edges} & running
    while out:
        kept = [row for row in page.rows if id(row) not in out]
        close = {id(edge.row) for edge in edges if id(edge.row) in out and _is_close(edge.row, kept)}
        if not close:
            break
        out -= close
    return replace(page, rows=[row for row in page.rows if id(row) not in out])


def _is_close(row: Row, others: Iterable[Row]) -> bool:
    """Whether a row follows upon other text; rows of several pieces may be a table's and stand further apart."""
    line = row[0]
    for other in others:
        near = line.size * (_CLEAR_OF_TABLE if len(row) > 1 and len(other) > 1 else _CLEAR)
        if line.top - near < other[0].bottom and other[0].top < line.bottom + near:
            return True
    return False


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
            same = last.bold == line.bold and self.level(line) == block.level
            same = not turned and (
                same or (line.text[0].islower() and self.levels.get(_rounded(line.size)) == block.level)
            )
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


@dataclass(frozen=True, slots=True)
class _Area:
    """What stands in a grid, in reading order."""

    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    found: Sequence[Line | Table]


def _reading_order(page: Page) -> Iterator[Line | Table]:
    rows: list[Row | _Area] = list(page.rows)
    for grid in (grid for grid in page.grids if len(grid.xs) > 2 and len(grid.ys) > 2):
        rows = _with_area(rows, grid, page)
    for stack in _stacks(page.rules):
        rows = _with_stack(rows, stack, page)
    yield from _read(rows, page)


def _with_area(rows: Sequence[Row | _Area], grid: Ruled, page: Page) -> list[Row | _Area]:
    """The rows with all that stands in a grid taken together, in place of the first of it."""
    kept: list[Row | _Area] = []
    inside: list[tuple[tuple[int, int], Row | _Area]] = []
    at = 0
    for row in rows:
        pieces: Sequence[Line | _Area] = row if isinstance(row, list) else [row]
        outside: Row = []
        for piece in pieces:
            x, y = (piece.x0 + piece.x1) / 2, (piece.top + piece.bottom) / 2
            if grid.holds(x, y):
                at = at if inside else len(kept)
                inside.append((grid.place(x, y), [piece] if isinstance(piece, Line) else piece))
            elif isinstance(piece, Line):
                outside.append(piece)
            else:
                kept.append(piece)
        if outside:
            kept.append(outside)
    if inside:
        kept.insert(at, _area(grid, inside, page))
    return kept


def _area(grid: Ruled, inside: Sequence[tuple[tuple[int, int], Row | _Area]], page: Page) -> _Area:
    cells: dict[int, list[Row | _Area]] = {}
    for (row, column), piece in inside:
        cells.setdefault(grid.cells[row][column], []).append(piece)
    found = _ruled_table(grid, cells, page.fills)
    if not found:
        found = [thing for number in sorted(cells) for thing in _read(_side_by_side(cells[number]), page)]
    x0, x1, top, bottom = grid.xs[0], grid.xs[-1], grid.ys[0], grid.ys[-1]
    return _Area(x0, top, x1, bottom, 1.0, found)


def _stacks(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Level lines above each other that begin and end at the same places, at least three, none far from the next."""
    by_ends: dict[tuple[int, int], list[list[Rule]]] = {}
    for rule in sorted(rules, key=lambda rule: rule[1]):
        stacks = by_ends.setdefault((round(rule[0] / 4), round(rule[2] / 4)), [])
        if stacks and rule[1] - stacks[-1][-1][1] < _HIGHEST_ROW:
            stacks[-1].append(rule)
        else:
            stacks.append([rule])
    yield from (stack for stacks in by_ends.values() for stack in stacks if len(stack) > 2)


def _with_stack(rows: Sequence[Row | _Area], stack: Sequence[Rule], page: Page) -> list[Row | _Area]:
    """The rows with the table that lines above each other part taken together; as they are where there is none."""
    x0, x1 = stack[0][0] - 2, stack[0][2] + 2
    heights = [rule[1] for rule in stack]
    within = [
        row
        for row in rows
        if heights[0] < _Place.of(row).middle < heights[-1] and _Place.of(row).x0 < x1 and _Place.of(row).x1 > x0
    ]
    lines = [line for row in within if isinstance(row, list) for line in row]
    bands: list[list[Row]] = []
    for top, bottom in pairwise(heights):
        if visual := _visual_lines([line for line in lines if top < _height(line) <= bottom]):
            bands.append(visual)
    if len(bands) < 2 or any(isinstance(row, _Area) for row in within):
        return list(rows)
    if any(line.x0 < x0 or line.x1 > x1 for line in lines):
        return list(rows)
    wide = [band for band in bands if _is_side_by_side(band)]
    columns = _columns([line for band in wide for row in band for line in row])
    if len(columns) < 2 or len(wide) < 2:
        return list(rows)
    first = Counter(_column_of(columns, line) for row in bands[0] for line in row)
    if max(first.values()) > _MOST_HEAD_LINES:  # boxes of text side by side
        return list(rows)
    columns, _ = _numbers_apart(columns, lines)
    foot = _beyond(rows, heights[-1], 1, columns)
    bands += [_visual_lines(foot)] if foot else []
    outside = foot
    top = heights[0]
    while (head := _beyond(rows, top, -1, columns)) and len(bands) < len(heights) + _MOST_HEAD_LINES:
        bands.insert(0, _visual_lines(head))
        outside = [*outside, *head]
        top = min(line.top for line in head)
    beyond = {id(line) for line in outside}
    within += [row for row in rows if isinstance(row, list) and id(row[0]) in beyond]
    tops = [row[0].top for band in bands for row in band]
    widest = max(low - high for high, low in pairwise(tops))
    table: list[list[Cell]] = []
    for number, band in enumerate(bands):
        _, lines = _numbers_apart(columns, [line for row in band for line in row])
        cells = [_by_column(columns, row) for row in _visual_lines(lines)]
        table += _rows_between_lines(cells, None, widest=widest, sure=False, heads=not number)
    taken = {id(row) for row in within}
    at = next(number for number, row in enumerate(rows) if id(row) in taken)
    found = _headed([list(row) for row in table], page.fills)
    area = _Area(x0, min(heights[0], tops[0]), x1, heights[-1], 1.0, [found])
    kept = [row for row in rows[at:] if id(row) not in taken]
    return [*rows[:at], area, *kept]


def _is_side_by_side(rows: Iterable[Row]) -> bool:
    lines = [line for row in rows for line in row]
    return max(line.x0 for line in lines) > min(line.x1 for line in lines)


def _beyond(rows: Sequence[Row | _Area], edge: float, reach: int, columns: Sequence[Span]) -> list[Line]:
    """The cells right above (`reach` -1) or below (1) a table's outermost line, if there are some in two columns."""
    lines = [line for row in rows if isinstance(row, list) for line in row if reach * (_height(line) - edge) > 0]
    cells: list[Line] = []
    for line in sorted(lines, key=lambda line: reach * line.top):
        gap = edge - line.bottom if reach < 0 else line.top - edge
        if gap > line.size * (_CLEAR if cells else _NEAR_TABLE) or len(_overlapping(columns, line)) != 1:
            break
        cells.append(line)
        edge = min(edge, line.top) if reach < 0 else max(edge, line.bottom)
    return cells if len({_column_of(columns, line) for line in cells}) > 1 else []


def _columns(lines: Sequence[Line]) -> list[Span]:
    """The columns that lines stand in: lines above each other share one."""
    columns: list[Span] = []
    for line in sorted(lines, key=lambda line: line.x0):
        if columns and line.x0 < columns[-1][1] + 1:
            columns[-1] = (columns[-1][0], max(columns[-1][1], line.x1))
        else:
            columns.append((line.x0, line.x1))
    return columns


def _side_by_side(pieces: Sequence[Row | _Area]) -> list[Row | _Area]:
    """Lines of a page with those together again that stand beside each other."""
    rows: list[Row | _Area] = []
    for piece in pieces:
        last = rows[-1] if rows else None
        if isinstance(piece, list) and isinstance(last, list) and _level(last[-1], piece[0]):
            last += piece
        else:
            rows.append(piece)
    return rows


def _level(last: Line, line: Line) -> bool:
    return abs(last.bottom - line.bottom) < 0.5 * line.size and line.x0 >= last.x1 - 1


def _read(rows: Sequence[Row | _Area], page: Page) -> Iterator[Line | Table]:
    ordered = _in_order(rows)
    at = 0
    while at < len(ordered):
        row = ordered[at]
        at += 1
        if isinstance(row, _Area):
            yield from row.found
        elif len(row) == 1:
            yield row[0]
        elif region := _Region.at(ordered, at - 1, page):
            yield from region.read()
            at = region.end
        else:
            yield joined(row)


def joined(row: Row) -> Line:
    """The pieces of a row as one line, a space between them."""
    first, last = row[0], row[-1]
    longest = max(row, key=lambda line: len(line.text))
    text, at = first.text, list(first.at)
    for line in row[1:]:
        text += f" {line.text}"
        at += [-1, *line.at]
    bold = all(line.bold for line in row)
    return replace(longest, text=text, at=at, x0=first.x0, x1=last.x1, bold=bold, hyphen=last.hyphen, parts=None)


class _Place(NamedTuple):
    """Where a row stands: from its first piece's left to its last one's right, as high as its first."""

    x0: float
    top: float
    x1: float
    bottom: float
    size: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @classmethod
    def of(cls, row: Row | _Area) -> _Place:
        if isinstance(row, _Area):
            return cls(row.x0, row.top, row.x1, row.bottom, row.size)
        return cls(row[0].x0, row[0].top, row[-1].x1, row[0].bottom, row[0].size)


def _in_order(rows: Sequence[Row | _Area]) -> list[Row | _Area]:
    """The page's own order; but where it goes back up, a row comes before the rows that stand wholly below it: a
    table or a title may be drawn last, a foot first. What stands beside others keeps its place."""
    ordered: list[tuple[_Place, Row | _Area]] = []
    at = 0  # where the next row goes; the order's end unless the page went back up
    last: _Place | None = None
    for row in rows:
        place = _Place.of(row)
        if last and place.bottom < last.top - place.size:
            at = 0
        if at < len(ordered) and len(ordered) < _MOST_SORTED:
            places = [other for other, _ in ordered]
            below = (n for n in range(at, len(places)) if _is_below(places[n], place))
            at = _block_start(places, next(below, len(places)), at, place)
        ordered.insert(at, (place, row))
        at += 1
        last = place
    return [row for _, row in ordered]


def _block_start(ordered: Sequence[_Place], at: int, least: int, row: _Place) -> int:
    """Where the lines begin that `at` is in the midst of, so that no box or table is torn apart."""
    while least < at < len(ordered):
        above, here = ordered[at - 1], ordered[at]
        if not 0 <= here.top - above.bottom < 2 * here.size or above.top < row.bottom - 1:
            break
        at -= 1
    return at


def _is_below(other: _Place, row: _Place) -> bool:
    shared = min(row.x1, other.x1) - max(row.x0, other.x0)
    narrower = min(row.x1 - row.x0, other.x1 - other.x0)
    return other.top >= row.bottom - 1 and shared > 0.1 * narrower


@dataclass(slots=True)
class _Region:
    """Neighbouring rows of several pieces that share columns, with the lines that wrap within them."""

    rows: list[Row]
    bands: list[Span]
    page: Page
    end: int

    @classmethod
    def at(cls, rows: Sequence[Row | _Area], start: int, page: Page) -> _Region | None:
        """The region that begins with ``rows[start]``; None where that row stands alone."""
        first = rows[start]
        if isinstance(first, _Area):
            return None
        region = cls([first], [(line.x0, line.x1) for line in first], page, start + 1)
        many = 1
        for row in rows[start + 1 :]:
            if isinstance(row, _Area):
                break
            if len(row) > 1 and region._fits(row):
                region._add(row)
                many += 1
            elif len(row) == 1 and region._wraps(row[0]):
                region.rows.append(row)
            else:
                break
            region.end += 1
        return region if many > 1 else None

    def _fits(self, row: Row) -> bool:
        """Whether a row's pieces stand in this region's columns, and not far below."""
        if row[0].top - max(line.bottom for line in self.rows[-1]) > 3 * row[0].size:
            return False
        if row[0].bottom < min(line.top for line in self.rows[0]):
            return False
        taken = [_overlapping(self.bands, line) for line in row]
        inside = sum(len(bands) == 1 for bands in taken)
        distinct = len({band for bands in taken for band in bands})
        return inside >= 2 or (inside >= 1 and distinct >= 2)

    def _wraps(self, line: Line) -> bool:
        """Whether a single line goes on within a cell: it stands in one column, beside or right below a row."""
        bands = _overlapping(self.bands, line)
        if len(bands) != 1:
            return False
        lines = [other for row in self.rows for other in row]
        lowest = max(lines, key=lambda other: other.bottom)
        if line.top >= min(other.top for other in lines) - 1 and line.bottom <= lowest.bottom + 1:
            return True
        if any(_height(lowest) < rule[1] < _height(line) for rule in self._across()):
            return False
        enclosed = any(_height(line) < rule[1] < line.bottom + 8 * line.size for rule in self._across())
        starts = abs(line.x0 - self.bands[bands[0]][0]) < line.size / 2 and (bands[0] > 0 or line.text[0].islower())
        return 0 <= line.top - lowest.bottom <= 0.45 * line.size and (starts or enclosed)

    def _across(self) -> list[Rule]:
        """The level lines that go over most of the region."""
        x0, x1 = self.bands[0][0], self.bands[-1][1]
        return [rule for rule in self.page.rules if min(x1, rule[2]) - max(x0, rule[0]) > 0.75 * (x1 - x0)]

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        for line in row:
            bands = _overlapping(self.bands, line)
            if not bands:
                self.bands = sorted([*self.bands, (line.x0, line.x1)])
            elif len(bands) == 1:
                x0, x1 = self.bands[bands[0]]
                self.bands[bands[0]] = (min(x0, line.x0), max(x1, line.x1))

    def read(self) -> Iterator[Line | Table]:
        if self._is_text():
            for band in range(len(self.bands)):
                for row in self.rows:
                    yield from (line for line in row if _column_of(self.bands, line) == band)
        else:
            yield self._table()

    def _is_text(self) -> bool:
        """Whether the columns are of running text, and no table."""
        lengths = [len(line.text) for row in self.rows for line in row]
        return len(self.bands) <= 3 and len(self.rows) >= 4 and median(lengths) >= _COLUMN_TEXT

    def _table(self) -> Table:
        bands, lines = _numbers_apart(self.bands, [line for row in self.rows for line in row])
        visual = _visual_lines(lines)
        bands = _finer(bands, visual)
        gaps = [low[0].top - high[0].top for high, low in pairwise(visual)]
        cells = [_by_column(bands, row) for row in visual]
        heights = [_height(row[0]) for row in visual]
        across = self._across()
        parted = [any(high < rule[1] < low for rule in across) for high, low in pairwise(heights)]
        rows: list[list[Cell]] = []
        if sum(parted) >= 2:
            start = 0
            for end in [*(n for n, border in enumerate(parted, start=1) if border), len(cells)]:
                rows += _rows_between_lines(cells[start:end], None, widest=max(gaps), sure=False, heads=not start)
                start = end
        else:
            widths = [x1 - x0 for x0, x1 in bands]
            closest = min(1.1 * min(gaps), max(gaps) / _TIGHT, _CELL_LEADING * lines[0].size) if gaps else 0.0
            for row, border, gap in zip(cells, [True, *parted], [0.0, *gaps], strict=True):
                if not border and _goes_on(rows[-1], row, widths, tight=gap <= closest):
                    rows[-1] = _with(rows[-1], row)
                else:
                    rows.append(row)
        return _headed([list(row) for row in rows], self.page.fills)


def _overlapping(bands: Sequence[Span], line: Line) -> list[int]:
    return [n for n, (x0, x1) in enumerate(bands) if line.x0 < x1 + 1 and line.x1 > x0 - 1]


def _column_of(bands: Sequence[Span], line: Line) -> int:
    return next(iter(_overlapping(bands, line)), 0)


def _by_column(bands: Sequence[Span], lines: Iterable[Line]) -> list[Cell]:
    cells: list[Cell] = [[] for _ in bands]
    for line in lines:
        cells[_column_of(bands, line)].append(line)
    return cells


def _finer(bands: list[Span], rows: Sequence[Row]) -> list[Span]:
    """The columns of the line that has most pieces, made wider by the others: a piece over several of them may have
    made them one."""
    spans = _columns(max(rows, key=len))
    if len(spans) <= len(bands):
        return bands
    for line in (line for row in rows for line in row):
        over = _overlapping(spans, line)
        if len(over) == 1:
            x0, x1 = spans[over[0]]
            spans[over[0]] = min(x0, line.x0), max(x1, line.x1)
        elif not over:
            spans = sorted([*spans, (line.x0, line.x1)])
    return spans


def _numbers_apart(bands: list[Span], lines: list[Line]) -> tuple[list[Span], list[Line]]:
    """A first column of numbers was taken for the marks of list items: as a column of its own."""
    parts = [line.parts for line in lines if line.parts and line.text[0].isalnum()]
    if not parts or max(mark.x1 for mark, _ in parts) >= min(words.x0 for _, words in parts):
        return bands, lines
    border = min(words.x0 for _, words in parts)
    apart = [part for line in lines for part in (line.parts if line.parts and line.text[0].isalnum() else (line,))]
    first = [line for line in apart if line.x0 < border - 1]
    if any(line.x1 > border for line in first):
        return bands, lines
    return [(bands[0][0], max(line.x1 for line in first)), (border, bands[0][1]), *bands[1:]], apart


def _height(line: Line) -> float:
    return (line.top + line.bottom) / 2


def _with(row: Sequence[Cell], more: Sequence[Cell]) -> list[Cell]:
    return [[*cell, *other] for cell, other in zip(row, more, strict=True)]


def _goes_on(row: Sequence[Cell], line: Sequence[Cell], widths: Sequence[float], *, tight: bool) -> bool:
    """Whether a line of a table that no lines part belongs to the row above. Cells of different rows must never be
    joined: it takes words that had to go to another line. `tight`: it follows more closely than others do."""
    lowest, highest = (
        max(other.bottom for cell in row for other in cell),
        min(other.top for cell in line for other in cell),
    )
    if lowest > highest + 0.3 * next(other.size for cell in line for other in cell):  # no rows overlap
        return True
    over = [(above, below, width) for above, below, width in zip(row, line, widths, strict=True) if below]
    if not all(above for above, _, _ in over):
        return False
    if line[0] and not tight:
        return False
    small = all(below[0].text[0].islower() for _, below, _ in over)
    return small or (not line[0] and tight and all(_must_wrap(above, below, width) for above, below, width in over))


def _runs_on(last: Line, line: Line) -> bool:
    """Whether a line can begin no cell: it goes on with a sentence or a list."""
    begins = line.text[0].islower() or (line.mark != "" and not line.text[0].isalnum())
    return begins or last.hyphen or last.text.endswith(",")


def _must_wrap(above: Cell, below: Cell, width: float) -> bool:
    """Whether a line's first word had no room in the line above, in a column so wide."""
    last, line = above[-1], below[0]
    if _runs_on(last, line):
        return True
    if line.text[0].isdigit() and above[0].text[0].isdigit():
        return False
    word = len(line.text.split()[0]) * (line.x1 - line.x0) / len(line.text)
    return last.x1 - last.x0 + word + _SPACE * line.size > width


def _rows_between_lines(
    lines: Sequence[list[Cell]],
    widths: Sequence[float] | None,
    *,
    widest: float = 0.0,
    sure: bool,
    heads: bool,
) -> list[list[Cell]]:
    """The rows of what stands between two level lines of a table: one, unless its lines are plainly rows of their own.

    `widths`: of the columns, where known, else `widest` is the widest gap between lines in the table; `sure`: every
    row of the table has its level lines; `heads`: it is the first."""
    whole = lines[0]
    for line in lines[1:]:
        whole = _with(whole, line)
    if heads and all(line.bold for cell in whole for line in cell):
        return [whole]
    if rows := _level_rows(lines, whole, widths):
        return rows
    return (
        [whole]
        if sure
        else _rows_by_first_cell(lines, widths[0] if widths else math.inf, math.inf if widths else widest)
    )


def _level_rows(lines: Sequence[list[Cell]], whole: Sequence[Cell], widths: Sequence[float] | None) -> list[list[Cell]]:
    """Lines with words in the same columns, none of which had to wrap, as rows; nothing where they are not so."""
    most = max(map(len, whole))
    full = [n for n, cell in enumerate(whole) if len(cell) == most and all(len(line[n]) < 2 for line in lines)]
    rows = [list(line) for line in lines if all(line[n] for n in full)]
    if most == 1 or len(full) < 2 or len(rows) != most or any(1 < len(cell) < most for cell in whole):
        return []
    starts = [[row[n][0] for row in rows] for n in full]
    if [all(line.bold for line in row) for row in zip(*starts, strict=True)] != [True] + [False] * (most - 1):
        counted = sum(all(line.text[0].isdigit() for line in column) for column in starts)
        cut = any(_runs_on(high, low) for column in starts for high, low in pairwise(column))
        wrap = widths and any(
            _must_wrap([high], [low], widths[n])
            for n, column in zip(full, starts, strict=True)
            for high, low in pairwise(column)
        )
        if counted < 2 and (cut or (wrap and not counted)):
            return []
    for n, cell in enumerate(whole):  # what is named once, at the left or between the rows, is said of each
        if len(cell) == 1 and (n < full[0] or not any(row[n] for row in rows)):
            for row in rows:
                row[n] = cell
    return rows


def _rows_by_first_cell(lines: Sequence[list[Cell]], width: float, widest: float) -> list[list[Cell]]:
    """A row for each line that has a first cell, unless it goes on with the words above and follows them closely."""
    rows = [lines[0]]
    for above, line in pairwise(lines):
        begins = line[0] and rows[-1][0]
        if begins and not (_must_wrap(rows[-1][0], line[0], width) and _TIGHT * (_top(line) - _top(above)) <= widest):
            rows.append(line)
        else:
            rows[-1] = _with(rows[-1], line)
    return rows


def _top(row: Sequence[Cell]) -> float:
    return min(line.top for cell in row for line in cell)


def _ruled_table(grid: Ruled, pieces: Mapping[int, Sequence[Row | _Area]], fills: Sequence[Fill]) -> list[Line | Table]:
    """The table that a grid is, below its title; nothing where it is none: a form, a box around text."""
    cells: dict[int, Cell] = {}
    for number, inside in pieces.items():
        if any(isinstance(piece, _Area) for piece in inside):
            return []
        lines = _visual_lines([line for row in inside if isinstance(row, list) for line in row])
        if len(lines) > _MOST_CELL_LINES:
            return []
        cells[number] = [line for row in lines for line in row]
    rows: list[list[Cell | None]] = []
    title: list[Line | Table] = []
    rows_of = Counter(number for row in grid.cells for number in set(row))
    for at, numbers in enumerate(grid.cells):
        above = grid.cells[at - 1] if at else ()
        if not any(number in cells for number in numbers) or list(above) == list(numbers):
            continue
        if len(set(numbers)) == 1 and not rows:
            title += cells[numbers[0]]
            continue
        rows += _rows_of(grid, at, cells, [rows_of[number] > 1 for number in numbers])
    if len(rows) < 2 or not any(sum(map(bool, row)) > 1 for row in rows):
        return []
    return [*title, _headed(rows, fills, ruled=True)]


def _rows_of(grid: Ruled, at: int, cells: Mapping[int, Cell], spans_rows: Sequence[bool]) -> list[list[Cell | None]]:
    """What stands in one row of a grid, of which some columns hold cells that span rows."""
    numbers = grid.cells[at]
    merged = [column > 0 and numbers[column - 1] == number for column, number in enumerate(numbers)]
    own = [
        [] if spans or more else cells.get(number, [])
        for number, spans, more in zip(numbers, spans_rows, merged, strict=True)
    ]
    rows: list[list[Cell]] = [own]
    if visual := _visual_lines([line for cell in own for line in cell]):
        where = {id(line): column for column, cell in enumerate(own) for line in cell}
        lines = [[[line for line in row if where[id(line)] == column] for column in range(len(own))] for row in visual]
        widths = [_INSIDE * (x1 - x0) for x0, x1 in pairwise(grid.xs)]
        rows = _rows_between_lines(lines, widths, sure=len(grid.cells) > 2, heads=not at)
    return [
        [
            None if merged[column] else cells.get(numbers[column], []) if spans_rows[column] else cell
            for column, cell in enumerate(row)
        ]
        for row in rows
    ]


def _headed(rows: list[list[Cell | None]], fills: Sequence[Fill], *, ruled: bool = False) -> Table:
    """A table with its heads: the first rows, if they alone are bold or of their colour, or what `looks_headed`. In a
    `ruled` one an empty corner shows as well that the row beside it names columns, as the one below it names rows."""
    grid: Grid = [[None if cell is None else " ".join(line.text for line in cell) for cell in row] for row in rows]
    bold = [all(line.bold for cell in row for line in cell or ()) for row in rows]
    colours = [{_colour(line, fills) for cell in row for line in cell or ()} for row in rows]
    own_colour = [None not in own and own.isdisjoint(set().union(*colours[n + 1 :])) for n, own in enumerate(colours)]
    heads = max(_leading(bold), _leading([*own_colour[:-1], False])) if sum(map(bool, grid[0])) > 1 else 0
    if heads > 1 and None not in grid[0]:
        heads = 0
    corner = ruled and len(grid[0]) > 2 and not grid[0][0] and all(grid[0][1:]) and all(row[0] for row in grid[1:])
    return Table(rows, heads or int(looks_headed(grid, bold) or corner))


def _leading(marked: Sequence[bool]) -> int:
    """How many of the first rows are marked, if no other is."""
    heads = marked.index(False) if False in marked else 0
    return 0 if any(marked[heads:]) else heads


def _colour(line: Line, fills: Sequence[Fill]) -> Colour | None:
    """What a line is written on."""
    x, y = (line.x0 + line.x1) / 2, _height(line)
    on = (colour for (x0, top, x1, bottom), colour in reversed(fills) if x0 <= x <= x1 and top <= y <= bottom)
    return next(on, None)


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
