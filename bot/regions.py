"""The numbers to call in a region: emergency, crisis, poison, abuse and medical advice lines."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

FILE = Path(__file__).parent / "rules" / "regions.toml"
LINES = ("emergency", "crisis", "poison", "abuse", "advice")


@cache
def regions() -> tuple[str, ...]:
    """The regions that are shipped."""
    return tuple(_table())


def lines(region: str, own: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """What each of LINES is filled with in a text, such as ``988 (Suicide and Crisis Lifeline)``.

    own: texts of the clinic's own by line; empty ones are passed over. A line that neither has is the emergency number.
    Raises ValueError for a region that is not shipped unless `own` has an emergency number, and for an unknown line.
    """
    if unknown := set(own) - set(LINES):
        raise ValueError(f"unknown lines {sorted(unknown)}")
    shipped = _table().get(region, {})
    filled = {line: own.get(line) or shipped.get(line, "") for line in LINES}
    if not filled["emergency"]:
        raise ValueError(f"no emergency number for the region {region!r}")
    return {line: text or filled["emergency"] for line, text in filled.items()}


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    with FILE.open("rb") as file:
        table = {region: entries for region, entries in tomllib.load(file).items() if isinstance(entries, dict)}
    return {region: {line: _text(**entry) for line, entry in entries.items()} for region, entries in table.items()}


def _text(number: str, name: str) -> str:
    return f"{number} ({name})" if name else number
