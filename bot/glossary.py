"""What patients say ↔ what the documents say: a list that staff edit, ``glossary.toml``."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import ConfigError
from bot.lexical import stem

SHIPPED = Path(__file__).parent / "glossary.toml"
MOST_PHRASES = 3
"""Phrases of a question that are expanded."""
MOST_FORMS = 2
"""Other forms that each of them is expanded with."""
LONGEST = 100
"""Characters of a form."""

_TOKEN = re.compile(r"[^\W_]+(?:['’&][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Expansion:
    """``question[start:end]``, which is `before`, is searched as `after` too; offsets in characters."""

    start: int
    end: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Words for one thing. term: the clinic's. lay: what patients say. unless: where the words mean another thing."""

    term: str
    lay: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    @property
    def forms(self) -> tuple[str, ...]:
        return (self.term, *self.abbreviations, *self.lay)


class Glossary:
    """Entries, and a way to find them in a question."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        """Raises ConfigError if a form stands in two entries."""
        self.entries = entries
        self._forms: dict[str, list[_Form]] = {}
        seen: dict[tuple[str, ...], Entry] = {}
        for entry in entries:
            for text in entry.forms:
                form = _Form(entry, text, _stems(text), text in entry.abbreviations)
                if seen.setdefault(form.stems, entry) is not entry:
                    raise ConfigError(
                        f"the glossary has {text!r} in two entries, {seen[form.stems].term!r} and {entry.term!r}",
                        remedy="Take it out of one of them, or make them one entry.",
                    )
                self._forms.setdefault(form.stems[0], []).append(form)
            for text in entry.unless:
                self._forms.setdefault(_stems(text)[0], []).append(_Form(None, text, _stems(text), False))

    @classmethod
    def load(cls, path: Path | None = None) -> Glossary:
        """The glossary in `path`, or the one that is shipped. Raises ConfigError for a file that cannot be read, is
        not TOML, or holds something else than entries."""
        path = path or SHIPPED
        try:
            with path.open("rb") as file:
                tables = tomllib.load(file)
        except OSError as error:
            raise ConfigError(
                f"the glossary {path} cannot be read: {error.strerror}", remedy="Check [query] glossary."
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"the glossary {path} is not valid TOML: {error}", remedy="Mend that line.") from error
        return cls(tuple(_entry(path, term, table) for term, table in tables.items()))

    def expansions(self, question: str, known: Callable[[str], bool]) -> list[Expansion]:
        """What else to search for in `question`, in order: other forms of its phrases that the documents hold.

        known: whether the documents hold a phrase. The longest phrase counts, so nothing within a longer one is
        expanded; nor is a phrase that the documents hold as it is, unless it is an abbreviation, or whose other form
        stands in the question too.
        """
        tokens = [_Token(match) for match in _TOKEN.finditer(question)]
        found = [(question[start:end], start, end, form) for start, end, form in self._found(tokens, question)]
        said = {form.entry: {f.stems for _, _, _, f in found if f.entry is form.entry} for _, _, _, form in found}
        phrases: dict[tuple[str, ...], list[Expansion]] = {}
        for before, start, end, form in found:
            if form.entry is None or len(said[form.entry]) > 1 or form.stems in phrases:
                continue
            if known(before) and not form.is_abbreviation:
                continue
            others = [text for text in form.entry.forms if _stems(text) != form.stems and known(text)]
            if others and len(phrases) < MOST_PHRASES:
                phrases[form.stems] = [Expansion(start, end, before, other) for other in others[:MOST_FORMS]]
        return [expansion for expansions in phrases.values() for expansion in expansions]

    def _found(self, tokens: list[_Token], question: str) -> Iterator[tuple[int, int, _Form]]:
        shouted = question == question.upper()
        at = 0
        while at < len(tokens):
            forms = [f for f in self._forms.get(tokens[at].stem, ()) if f.is_at(tokens, at, shouted=shouted)]
            if not forms:
                at += 1
                continue
            longest = max(forms, key=lambda form: len(form.stems))
            last = at + len(longest.stems) - 1
            yield tokens[at].start, tokens[last].end, longest
            at = last + 1


class _Token:
    def __init__(self, match: re.Match[str]) -> None:
        self.start, self.end = match.span()
        self.text = match.group()
        self.stem = _stem(self.text)


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to say it. entry: None for what is no match but keeps others from matching."""

    entry: Entry | None
    text: str
    stems: tuple[str, ...]
    is_abbreviation: bool

    def is_at(self, tokens: list[_Token], at: int, *, shouted: bool) -> bool:
        here = tokens[at : at + len(self.stems)]
        if tuple(token.stem for token in here) != self.stems:
            return False
        return not self._only_as_written or (here[0].text == self.text and not shouted)

    @property
    def _only_as_written(self) -> bool:
        """Short ones mean other things in small letters, or among capitals: "ms", "it", "WHAT ER"."""
        return self.is_abbreviation and (len(self.text) < 3 or self.text.lower() in _WORDS)


_WORDS = frozenset(
    {"tens", "aids", "ace", "cat", "pet", "pad", "add", "sad", "mad", "lap", "ice", "hit", "pots", "tia"}
)
"""Abbreviations that are English words, or names, in small letters."""


def _stems(text: str) -> tuple[str, ...]:
    return tuple(_stem(token) for token in _TOKEN.findall(text))


def _stem(token: str) -> str:
    folded = unicodedata.normalize("NFKC", token).casefold().replace("’", "'")
    return stem(folded.removesuffix("'s"))


def _entry(path: Path, term: str, table: Any) -> Entry:
    if not isinstance(table, Mapping):
        raise ConfigError(
            f"{term!r} in the glossary {path} is no entry", remedy='Write ["the term"], and its lists below it.'
        )
    lists = {}
    for key, value in table.items():
        if key not in ("lay", "abbreviations", "unless"):
            raise ConfigError(
                f"the entry {term!r} of the glossary {path} has an unknown key {key!r}",
                remedy="Known are: lay, abbreviations, unless.",
            )
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ConfigError(
                f"{key} of the entry {term!r} of the glossary {path} is not a list of texts",
                remedy=f'Write {key} = ["…", "…"].',
            )
        lists[key] = tuple(value)
    entry = Entry(term, **lists)
    for text in (*entry.forms, *entry.unless):
        if not _stems(text) or len(text) > LONGEST:
            raise ConfigError(
                f"the entry {term!r} of the glossary {path} has {text[:LONGEST]!r}",
                remedy=f"Give words, of up to {LONGEST} characters together.",
            )
    return entry
