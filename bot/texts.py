"""The catalogue of fixed texts: every sentence a person can see that is not a quote.

Each has an id, a version (raised with every change of wording), a reviewer, and a text whose only
placeholders are filled from the configuration. ``bot/texts/en.toml`` holds the English ones.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from bot.config import Config
from bot.regions import lines

FOLDER = Path(__file__).parent / "texts"


@dataclass(frozen=True, slots=True)
class Notice:
    """A fixed text, ready to be shown."""

    id: str
    version: int
    text: str

    def to_dict(self) -> dict[str, str | int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Entry:
    """A fixed text as the catalogue holds it, with its placeholders open."""

    id: str
    version: int
    reviewer: str
    text: str


@cache
def catalogue(language: str = "en") -> Mapping[str, Entry]:
    with (FOLDER / f"{language}.toml").open("rb") as file:
        entries = {id: Entry(id=id, **fields) for id, fields in tomllib.load(file).items()}
    return MappingProxyType(entries)


@cache
def languages() -> Mapping[str, str]:
    """The names of languages by their tags."""
    with (FOLDER / "languages.toml").open("rb") as file:
        return MappingProxyType(tomllib.load(file))


def notice(id: str, config: Config, spoken: Sequence[str] = ()) -> Notice:
    """The text `id`, its placeholders filled from `config`, the region's numbers and the names of the languages
    `spoken` (tags), and from nothing else."""
    entry, numbers = catalogue()[id], config.numbers
    text = entry.text.format_map(
        {
            "clinic": config.clinic.name,
            "phone": config.clinic.phone,
            "hours": config.clinic.hours,
            "max_question_chars": config.answer.max_question_chars,
            "languages": ", ".join(languages().get(tag, tag) for tag in spoken),
            **lines(numbers.region, {name: number for name, number in asdict(numbers).items() if name != "region"}),
        }
    )
    return Notice(entry.id, entry.version, text)


def contact(config: Config) -> Notice:
    """How to reach the clinic, with as much as the configuration says of it."""
    if not config.clinic.phone:
        return notice("contact", config)
    return notice("contact_phone_hours" if config.clinic.hours else "contact_phone", config)
