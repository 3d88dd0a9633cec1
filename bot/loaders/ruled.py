"""The ruling lines of a page → the grids of cells that they draw.

Coordinates are in points on the page as it is shown, x from its left and y from its top.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TypeAlias

THICKEST = 4.0  # points: what is wider both ways is no line
SHORTEST = 6.0  # points: what is shorter both ways is no line either
_TOUCHING = 3.0
_SAME = 4.5  # lines this near each other are one border: double lines, cells with a box each
_MOST_CELLS = 5000

Rule: TypeAlias = tuple[float, float, float, float]
"""A thin rectangle: x0, top, x1, bottom."""
Colour: TypeAlias = tuple[int, int, int]
Fill: TypeAlias = tuple[Rule, Colour]
"""A rectangle and what it is filled with."""


@dataclass(frozen=True, slots=True)
class _Stroke:
    """A line `at` one height (or x), from `start` to `end` along the other axis."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Ruled:
    """A grid of at least two cells. `xs` and `ys`: the borders of its columns and rows, ascending; `cells`: by row and
    column a number, the same for the places of one merged cell."""

    xs: Sequence[float]
    ys: Sequence[float]
    cells: Sequence[Sequence[int]]

    def holds(self, x: float, y: float) -> bool:
        return self.xs[0] <= x <= self.xs[-1] and self.ys[0] <= y <= self.ys[-1]

    def place(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the cell at a point; the nearest one's where the point lies outside."""
        row = bisect_left(self.ys, y, 1, len(self.ys) - 1) - 1
        column = bisect_left(self.xs, x, 1, len(self.xs) - 1) - 1
        return row, column

    def borders(self, y: float) -> list[float]:
        """The x of each border between two cells at a height within the grid."""
        row = self.cells[self.place(0.0, y)[0]]
        return [x for x, (one, other) in zip(self.xs[1:-1], pairwise(row), strict=True) if one != other]


def grids(rules: Iterable[Rule]) -> tuple[list[Ruled], list[Rule]]:
    """The grids that touching lines make, smallest first, and the horizontal lines that are part of none."""
    across: list[_Stroke] = []
    down: list[_Stroke] = []
    for x0, top, x1, bottom in rules:
        if x1 - x0 >= max(SHORTEST, bottom - top):
            across.append(_Stroke((top + bottom) / 2, x0, x1))
        elif bottom - top >= SHORTEST:
            down.append(_Stroke((x0 + x1) / 2, top, bottom))
    across, down = _merged(across), _merged(down)
    found: list[Ruled] = []
    alone = [line for line in across if not any(_touch(line, other) for other in down)]
    for horizontal, vertical in _groups(across, down):
        grid = _grid(horizontal, vertical)
        if grid:
            found.append(grid)
        if not grid or 2 in (len(grid.xs), len(grid.ys)):  # other lines may be part of the same table
            alone += horizontal
    found.sort(key=lambda grid: (grid.xs[-1] - grid.xs[0]) * (grid.ys[-1] - grid.ys[0]))
    return found, [(line.start, line.at, line.end, line.at) for line in alone]


def _merged(lines: Iterable[_Stroke]) -> list[_Stroke]:
    """Pieces of one straight line that touch, as one."""
    made: list[_Stroke] = []
    for group in _clusters(sorted(lines, key=lambda line: line.at), 1.0):
        whole: list[_Stroke] = []
        for line in sorted(group, key=lambda line: line.start):
            if whole and line.start <= whole[-1].end + _TOUCHING:
                whole[-1] = _Stroke(whole[-1].at, whole[-1].start, max(whole[-1].end, line.end))
            else:
                whole.append(line)
        made += whole
    return made


def _clusters(lines: Iterable[_Stroke], near: float) -> list[list[_Stroke]]:
    made: list[list[_Stroke]] = []
    for line in lines:
        if made and line.at - made[-1][-1].at <= near:
            made[-1].append(line)
        else:
            made.append([line])
    return made


def _touch(across: _Stroke, down: _Stroke) -> bool:
    return (
        across.start - _TOUCHING <= down.at <= across.end + _TOUCHING
        and down.start - _TOUCHING <= across.at <= down.end + _TOUCHING
    )


def _groups(across: Sequence[_Stroke], down: Sequence[_Stroke]) -> list[tuple[list[_Stroke], list[_Stroke]]]:
    """Lines that touch each other, also by way of others."""
    found: list[tuple[list[_Stroke], list[_Stroke]]] = []
    left = list(across)
    free = list(down)
    while left:
        horizontal, vertical = [left.pop()], list[_Stroke]()
        fresh = list(horizontal)
        while fresh:
            touched = [line for line in free if any(_touch(other, line) for other in fresh)]
            free = [line for line in free if line not in touched]
            vertical += touched
            fresh = [line for line in left if any(_touch(line, other) for other in touched)]
            left = [line for line in left if line not in fresh]
            horizontal += fresh
        if vertical:
            found.append((horizontal, vertical))
    return found


def _grid(across: Sequence[_Stroke], down: Sequence[_Stroke]) -> Ruled | None:
    xs = _positions([line.at for line in down] + [end for line in across for end in (line.start, line.end)], down)
    ys = _positions([line.at for line in across] + [end for line in down for end in (line.start, line.end)], across)
    if not 1 < (len(xs) - 1) * (len(ys) - 1) <= _MOST_CELLS:
        return None
    middles = [(low + high) / 2 for low, high in pairwise(xs)], [(low + high) / 2 for low, high in pairwise(ys)]
    numbers = [[row * (len(xs) - 1) + column for column in range(len(xs) - 1)] for row in range(len(ys) - 1)]
    for row, y in enumerate(middles[1]):
        for column, x in enumerate(middles[0]):
            if column and not _is_border(down, xs[column], y):
                _merge(numbers, numbers[row][column - 1], numbers[row][column])
            if row and not _is_border(across, ys[row], x):
                _merge(numbers, numbers[row - 1][column], numbers[row][column])
    return Ruled(xs, ys, numbers) if _are_rectangles(numbers) else None


def _positions(places: Iterable[float], lines: Sequence[_Stroke]) -> list[float]:
    """Where borders stand: at the lines themselves, and where the lines across them reach furthest out."""
    drawn = [fmean(line.at for line in group) for group in _clusters(sorted(lines, key=lambda line: line.at), _SAME)]
    lowest, highest = min(places := list(places)), max(places)
    if drawn[0] - lowest > 2 * _SAME:
        drawn.insert(0, lowest)
    if highest - drawn[-1] > 2 * _SAME:
        drawn.append(highest)
    return drawn


def _is_border(lines: Iterable[_Stroke], at: float, along: float) -> bool:
    return any(abs(line.at - at) <= _SAME and line.start <= along <= line.end for line in lines)


def _merge(numbers: list[list[int]], one: int, other: int) -> None:
    for row in numbers:
        for column, number in enumerate(row):
            if number == other:
                row[column] = one


def _are_rectangles(numbers: Sequence[Sequence[int]]) -> bool:
    """Whether every merged cell is one: lines that make other shapes belong to boxes and diagrams, not to a table."""
    places: dict[int, list[tuple[int, int]]] = {}
    for y, row in enumerate(numbers):
        for x, number in enumerate(row):
            places.setdefault(number, []).append((x, y))
    for cell in places.values():
        columns, rows = ({place[axis] for place in cell} for axis in (0, 1))
        if len(columns) * len(rows) != len(cell):
            return False
    return True
