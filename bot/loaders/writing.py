"""A text written block by block, for formats whose files hold no text that could be quoted as it is.

Paragraphs are set apart by a blank line; a list item and a table's row are lines of their own. A row names the head of
each of its cells, so that it keeps its meaning wherever it is quoted::

    Weight: 50 kg | Dose: 25 mg
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from bot.loaders import Extracted, Heading, Span

LONGEST_ROW = 600
"""Characters. The cells of a longer row stand on lines of their own, each after the row's first cell."""
CELLS = " | "

_BLANKS = re.compile(r"[ \t\r\n\f\v]+")

Part = TypeVar("Part")
Grid = Sequence[Sequence[str | None]]
"""The rows of a table. A cell that spans several rows stands in each; None goes on with the cell to the left."""


class Writer:
    """Collects the blocks of one document. Words are given without marks; runs of white space become one space, in
    paragraphs a line break stays one."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._tables: list[tuple[Span, ...]] = []
        self._last = ""  # the kind of the last block

    def heading(self, words: str, level: int) -> None:
        """`level`: 1 for the outermost."""
        words = one_line(words)
        if words:
            start = self._block(words, "heading")
            self._headings.append(Heading(start, self._length, level, words))

    def paragraph(self, words: str) -> None:
        lines = (one_line(line) for line in words.splitlines())
        if words := "\n".join(line for line in lines if line):
            self._block(words, "paragraph")

    def verbatim(self, words: str) -> None:
        """Lines whose white space has a meaning; blank ones at both ends go."""
        lines = [line.rstrip() for line in words.splitlines()]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        if lines:
            self._block("\n".join(lines), "paragraph")

    def item(self, words: str, mark: str = "•", depth: int = 0) -> None:
        """An item of a list, `depth` 0 for the outermost; `mark`: its bullet or number, such as ``2.``"""
        if words := one_line(words):
            self._block(f"{'  ' * depth}{mark} {words}", "item")

    def table(self, grid: Grid, heads: int) -> None:
        """A table whose first `heads` rows name its columns (0: none is known to do so). Heads above each other are
        joined; a row that is one cell across the whole table is written as it is."""
        spans: list[Span] = []
        for line in table_lines(grid, heads):
            start = self._block(line, "row" if spans else "table")
            spans.append((start, self._length))
        if spans:
            self._tables.append(tuple(spans))

    def extracted(self, **fields: Any) -> Extracted:
        """What was written, with the other fields of `Extracted`."""
        return Extracted("".join(self._parts), headings=tuple(self._headings), tables=tuple(self._tables), **fields)

    def _block(self, words: str, kind: str) -> int:
        """Appends a block and returns where it begins."""
        if self._parts:
            together = kind == "row" or (kind == "item" and self._last in ("item", "paragraph"))
            self._append("\n" if together else "\n\n")
        start = self._length
        self._append(words)
        self._last = "row" if kind == "table" else kind
        return start

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def one_line(words: str) -> str:
    """Runs of white space as one space. A no-break space is kept: it holds a dose and its unit together."""
    return _BLANKS.sub(" ", words).strip(" ")


def table_lines(grid: Grid, heads: int) -> Iterator[str]:
    """The lines of a table, as `Writer.table` writes them."""
    cells = [[None if cell is None else [one_line(cell)] if one_line(cell) else [] for cell in row] for row in grid]
    for line in table_rows(cells, heads, len):
        yield CELLS.join(
            f"{', '.join(' '.join(name).rstrip(': ') for name in names)}: {' '.join(cell)}" if names else " ".join(cell)
            for names, cell in line
        )


def table_rows(
    grid: Sequence[Sequence[list[Part] | None]], heads: int, length: Callable[[Part], int]
) -> Iterator[list[tuple[list[list[Part]], list[Part]]]]:
    """The lines of a table, the heads' own first: of each its cells, with the names of the columns that each stands in.

    A cell is a list of parts: words, or lines of a page; `length` of one is in characters. A cell of several columns
    stands once, with the names of all; a row that is one cell across the table has none. An empty cell is left out,
    unless no column has a name: then it keeps the place of those after it.
    """
    width = max(map(len, grid), default=0)
    rows = [[*row, *([] for _ in range(width - len(row)))] for row in grid]
    if heads >= len(rows):  # nothing but heads
        heads = 0
    names = _names(rows[:heads])
    if any(names):
        yield [([], name) for name, before in zip(names, [[], *names], strict=False) if name and name != before]
    for row in rows[heads:]:
        cells: list[tuple[list[list[Part]], list[Part]]] = []
        for number, cell in enumerate(row):
            if cell is not None or not cells:
                cells.append(([], cell or []))
            if names and names[number] not in ([], cells[-1][1], *cells[-1][0]):
                cells[-1][0].append(names[number])
        if len(cells) == 1:
            cells = [([], cells[0][1])]
        filled = [number for number, (_, cell) in enumerate(cells) if cell]
        shown = [cells[number] for number in filled] if names else cells[: filled[-1] + 1 if filled else 0]
        long = sum(length(part) for own, cell in shown for parts in (*own, cell) for part in parts) > LONGEST_ROW
        if long and len(shown) > 2:
            yield from ([shown[0], cell] for cell in shown[1:])
        elif shown:
            yield shown


def _names(heads: Sequence[Sequence[list[Part] | None]]) -> list[list[Part]]:
    """The name of each column: the parts of its heads, one after the other; a head of several columns names each."""
    names: list[list[Part]] = [[] for _ in heads[0]] if heads else []
    for row in heads:
        cell: list[Part] = []
        for column, own in enumerate(row):
            cell = cell if own is None else own
            if cell and cell[0] not in names[column]:
                names[column] = [*names[column], *cell]
    return names


def looks_headed(grid: Grid, bold: Sequence[bool] = ()) -> bool:
    """Whether the first row of a table that marks no heads names the columns.

    `bold`: of each row, whether every cell of it is bold. A wrong yes would put a value in front of another row's,
    so it takes evidence: no cell of the row is empty or repeated, and it alone is bold; or, from three columns on, it
    has no digit and there is a column with a digit in every other row.
    """
    rows = [list(map(_cell, row)) for row in grid]
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    first = rows[0]
    if not all(first) or len(set(first)) < len(first):
        return False
    if bold and bold[0] and not any(bold[1:]):
        return True
    if len(first) < 3 or len(rows) < 3 or any(_has_digit(cell) for cell in first):
        return False
    columns = zip(*(row for row in rows[1:] if len(row) == len(first)), strict=True)
    return any(all(_has_digit(cell) for cell in column) for column in columns)


def _has_digit(words: str | None) -> bool:
    return any(map(str.isdigit, words or ""))


def _cell(words: str | None) -> str | None:
    return None if words is None else one_line(words)
