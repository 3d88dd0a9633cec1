"""Bar charts as inline SVG, made on the server: no script, no picture to load, and a table of the same beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LOWEST = 1.5
"""Of a bar that is not empty, in the units of the picture."""
_WIDTH, _HEIGHT = 480, 150
_LEFT, _TOP, _BOTTOM = 60, 12, 24
_GAP = 0.2
"""Of a bar's share of the width."""


@dataclass(frozen=True, slots=True)
class Bar:
    """label: what it stands for, in full; tick: the same, short, for the axis."""

    label: str
    tick: str
    value: int


def bars(id: str, title: str, bars: Sequence[Bar]) -> str:
    """An ``<svg>``, from 0 up to a round number over the highest bar. `id`: unique on the page, a name.

    Its colours are those of the page's style, by class: ``chart``, ``grid``, ``bar``. To a screen reader it is one
    picture with a name and a summary; the numbers belong into a table beside it.
    """
    top = ceiling(max((bar.value for bar in bars), default=0))
    height, base = _HEIGHT - _TOP - _BOTTOM, _HEIGHT - _BOTTOM
    step = (_WIDTH - _LEFT) / max(len(bars), 1)
    shapes = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y}" y2="{y}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{value:,}</text>'
        for value, y in ((top, _TOP), (0, base))
    ]
    for at, bar in enumerate(bars):
        tall = height * bar.value / top
        if bar.value:  # what is rare must still be seen beside what is frequent
            tall = max(tall, LOWEST)
        shapes.append(
            f'<rect class="bar" x="{_LEFT + step * (at + _GAP / 2):.2f}" y="{base - tall:.2f}" '
            f'width="{step * (1 - _GAP):.2f}" height="{tall:.2f}">'
            f"<title>{escape(bar.label)}: {bar.value:,}</title></rect>"
        )
    for at, anchor in _ticks(len(bars)):
        x = {"start": _LEFT, "middle": _LEFT + step * (at + 0.5), "end": _WIDTH}[anchor]
        tick = escape(bars[at].tick)
        shapes.append(f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - 5}" text-anchor="{anchor}">{tick}</text>')
    return (
        f'<svg class="chart" role="img" aria-labelledby="{id}-title {id}-desc" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<title id="{id}-title">{escape(title)}</title><desc id="{id}-desc">{escape(_summary(bars))}</desc>'
        f"{''.join(shapes)}</svg>"
    )


def ceiling(value: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50, … that is not below `value`."""
    scale = 1
    while True:
        for step in (1, 2, 5):
            if value <= step * scale:
                return step * scale
        scale *= 10


def _ticks(count: int) -> list[tuple[int, str]]:
    """Which bars are named on the axis, and how each name stands to its place."""
    if count == 1:
        return [(0, "middle")]
    ends = [(0, "start"), (count - 1, "end")][: min(count, 2)]
    return [*ends, (count // 2, "middle")] if count > 4 else ends


def _summary(bars: Sequence[Bar]) -> str:
    total = sum(bar.value for bar in bars)
    if not total:
        return "None."
    most = max(bars, key=lambda bar: bar.value)
    return f"{total:,} in all, from {bars[0].label} to {bars[-1].label}. Most: {most.value:,}, {most.label}."
