"""The catalogue of fixed texts: every sentence a person can see that is not a quote.

Each has an id, a version (raised with every change of wording), a reviewer, and a text whose only
placeholders are filled from the configuration. ``bot/texts/en.toml`` holds the English ones; another language is
one more file like it, with the same ids and the same placeholders in each text.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.config import Config
from bot.errors import ConfigError
from bot.regions import lines

FOLDER = Path(__file__).parent / "texts"
LANGUAGE = "en"
"""Its catalogue says which texts there are, and with which placeholders."""
TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""Of a language: BCP 47, as far as it is used here."""


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


def catalogue(language: str = LANGUAGE) -> Mapping[str, Entry]:
    """The texts of a language by id. Raises ConfigError where there are none, or not the ones that there must be."""
    return _catalogue(FOLDER, language)


@cache
def _catalogue(folder: Path, language: str) -> Mapping[str, Entry]:
    path = folder / f"{language}.toml"
    if not TAG.fullmatch(language) or not path.is_file():
        there = sorted(file.stem for file in folder.glob("*.toml") if TAG.fullmatch(file.stem))
        raise ConfigError(
            f"there are no texts in the language {language!r}",
            remedy=f"Set [clinic] language to one of: {', '.join(there)}; or write {language}.toml as en.toml is.",
        )
    try:
        with path.open("rb") as file:
            entries = {id: _entry(id, fields) for id, fields in tomllib.load(file).items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{path.name} is no catalogue of texts: {error}", remedy="Mend that entry.") from error
    if language != LANGUAGE:
        _compare(path.name, entries, _catalogue(folder, LANGUAGE))
    return MappingProxyType(entries)


def _entry(id: str, fields: Any) -> Entry:
    """Raises ValueError for what is no entry."""
    if not isinstance(fields, dict) or set(fields) != {"version", "reviewer", "text"}:
        raise ValueError(f"[{id}] does not have just version, reviewer and text")
    if type(fields["version"]) is not int or not all(
        isinstance(fields[name], str) and fields[name].strip() for name in ("reviewer", "text")
    ):
        raise ValueError(f"[{id}] has no whole number as its version, or an empty reviewer or text")
    try:
        placeholders(fields["text"])
    except ValueError as error:
        raise ValueError(f"[{id}] {error}") from None
    return Entry(id=id, **fields)


def placeholders(text: str) -> frozenset[str]:
    """The names in braces. Raises ValueError for braces that hold anything but a name."""
    found = set()
    for _, name, how, conversion in string.Formatter().parse(text):
        if name is not None:
            if not name.isidentifier() or how or conversion:
                raise ValueError(f"has braces around {name!r}, which is no placeholder's name")
            found.add(name)
    return frozenset(found)


def _compare(name: str, entries: Mapping[str, Entry], reference: Mapping[str, Entry]) -> None:
    """Raises ConfigError unless both have the same ids, and each text the same placeholders."""
    wrong = [f"lacks [{id}]" for id in reference if id not in entries]
    wrong += [f"has [{id}], which is no text of ours" for id in entries if id not in reference]
    for id in sorted(reference.keys() & entries.keys()):
        wanted, found = placeholders(reference[id].text), placeholders(entries[id].text)
        wrong += [f"has {{{more}}} in [{id}], which does not belong there" for more in sorted(found - wanted)]
        wrong += [f"lacks {{{less}}} in [{id}]" for less in sorted(wanted - found)]
    if wrong:
        raise ConfigError(
            f"the texts in {name} are not those of {LANGUAGE}.toml: it {'; '.join(wrong[:5])}"
            + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""),
            remedy=f"Make the ids, and the placeholders of each text, those of {LANGUAGE}.toml.",
        )


@cache
def languages() -> Mapping[str, str]:
    """The names of languages by their tags."""
    with (FOLDER / "languages.toml").open("rb") as file:
        return MappingProxyType(tomllib.load(file))


def notice(id: str, config: Config, spoken: Sequence[str] = ()) -> Notice:
    """The text `id`, its placeholders filled from `config`, the region's numbers and the names of the languages
    `spoken` (tags), and from nothing else."""
    entry, numbers = catalogue(config.clinic.language)[id], config.numbers
    text = entry.text.format_map(
        {
            "clinic": config.clinic.name,
            "phone": config.clinic.phone,
            "hours": config.clinic.hours,
            "retention_days": config.store.retention_days,
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
