"""Phrases found in a text as people type it: misspelt, in capitals, in leetspeak, with words between.

A phrase is written as ``{cannot} ... breathe|take_a_breath``: words, alternatives (``_`` joins the words of one), named
lists of phrases in braces, ``...`` for up to four other words, and ``?`` after what may be missing. All phrases are one
trie, and a text is read once from left to right by a chart parser over it, so the time grows with the length of the
text and with nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, product
from typing import NamedTuple

GAP = 4
"""How many words ``...`` may stand for."""

_SHORTEST_MISSPELT = 5  # letters: shorter words have too many neighbours of another meaning
_LONGEST_MISSPELT = 24
_REMEMBERED = 20_000  # words
_LONGEST_JOINED = 80
_SHORTEST_PART = 4  # of words written as one, but for _SHORT_WORDS
_LONGEST_PART = 14
_SHORTEST_SENTENCE = 12  # of more than two words written as one
_SHORT_WORDS = frozenset(
    "a i am is it in on of to my me he she her his him the and but not can cant dont do how die end all now out who mum"
    " dad son".split()
)

_CHUNK = re.compile(r"\S+")
_PIECE = re.compile(r"\d++[.,]\d++[^\W\d_]*+|[$@]?[^\W_]++(?:['’‘`´ʼ$@!*|][^\W_]++)*+|[.!?;…]++|[,:()–—-]")
_APOSTROPHE = re.compile(r"['’‘`´ʼ]")
_SYMBOL = re.compile(r"[$@!*|]")
_NUMBER = re.compile(r"(\d+(?:[.,]\d+)?)([^\W\d_]*)")
_FIGURE = re.compile(r"[0-9]{1,9}(?:[.,][0-9]{1,9})?")
_RUN = re.compile(r"(.)\1+")
_LONG_RUN = re.compile(r"(.)\1\1")
_LEET = [str.maketrans("013457$@!|", f"o{one}eastsai{one}") for one in "il"]
_LEET_ALONE = {"1": "i", "2": "to", "4": "for"}
_MIXED = re.compile(r"[a-z][0-9]|[0-9][a-z]")
_STOPS = frozenset(".!?;…\n")
_MARKS = _STOPS | frozenset(",:()–—-")


_Element = tuple[tuple[str, ...], ...]
"""One place of a phrase: the words of each option, a list in braces being one word."""
_ANYTHING = "..."

Piece = tuple[str, int, int]
"""A word or mark in plain lower-case letters, with its start and end in the characters of the text."""


class Match(NamedTuple):
    """The phrase list `name` in ``words[start:end]``."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Words:
    """A text as the phrases see it.

    words: normalised. places: (start, end) of each in the characters of the text. stops: for each word, and for the
    end, how many words there are up to the end of its sentence. clauses: the number of each word's clause, ascending.
    """

    words: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    stops: tuple[int, ...]
    clauses: tuple[int, ...]


class Spelling:
    """What a typed word stands for, among the words that the phrases know.

    known: those words. written: ways to write one or several words, such as ``gonna``. real: words of their own that
    must not be taken for a misspelling.
    """

    def __init__(self, known: Iterable[str], written: Mapping[str, Sequence[str]], real: frozenset[str]) -> None:
        self._known = frozenset(known)
        self._written = {word: tuple(meant) for word, meant in written.items()}
        self._real = real
        self._drawn_out = {_RUN.sub(r"\1", word): word for word in sorted({*self._known, *self._written}, reverse=True)}
        self._near: dict[str, list[str]] = {}
        self._sounds: dict[str, list[str]] = {}
        for word in sorted(self._known):
            if len(word) >= _SHORTEST_MISSPELT:
                for part in (word, *_deletions(word)):
                    self._near.setdefault(part, []).append(word)
                self._sounds.setdefault(_sound(word), []).append(word)
        self._remembered = lru_cache(_REMEMBERED)(self._read)

    def knows(self, word: str) -> bool:
        return word in self._known or word in self._written

    def read(self, typed: str) -> tuple[str, ...]:
        """The words for one typed in lower case."""
        return self._remembered(typed) if len(typed) <= _LONGEST_MISSPELT else self._read(typed)

    def _read(self, typed: str) -> tuple[str, ...]:
        if not typed.isalnum() and (bare := _APOSTROPHE.sub("", typed)) != typed:
            plain = _APOSTROPHE.sub("'", typed)
            ways = (plain, *(plain.translate(table) for table in _LEET))
            return next((self._written[way] for way in ways if way in self._written), ()) or self.read(bare)
        if found := self._exactly(typed):
            return found
        if found := self._from_leet(typed):
            return found
        if number := _NUMBER.fullmatch(typed):
            figure, unit = number.groups()
            return (figure, *self.read(unit)) if unit else (figure,)
        if _SYMBOL.search(typed):
            return tuple(word for part in _SYMBOL.split(typed) if part for word in self.read(part))
        if _LONG_RUN.search(typed) and (drawn := self._drawn_out.get(_RUN.sub(r"\1", typed))):
            return self._exactly(drawn)
        if typed in self._real or not _SHORTEST_MISSPELT <= len(typed) <= _LONGEST_JOINED:
            return (typed,)
        if len(typed) > _LONGEST_MISSPELT:
            return self._joined(typed) or (typed,)
        if found := self._exactly(typed + "g"):
            return found
        return self._misspelt(typed) or self._joined(typed) or (typed,)

    def is_leet(self, typed: str) -> bool:
        """Whether digits or signs stand for letters of a known word."""
        return bool(self._from_leet(typed))

    def _from_leet(self, typed: str) -> tuple[str, ...]:
        if typed.isalpha() or typed.isdecimal():
            return ()
        return next((found for table in _LEET if (found := self._exactly(typed.translate(table)))), ())

    def _exactly(self, typed: str) -> tuple[str, ...]:
        if typed in self._written:
            return self._written[typed]
        return (typed,) if typed in self._known else ()

    def _misspelt(self, typed: str) -> tuple[str, ...]:
        near = [
            word for part in (typed, *_deletions(typed)) for word in self._near.get(part, ()) if _alike(typed, word)
        ]
        if not near:
            near = [
                word for word in self._sounds.get(_sound(typed), ()) if word[0] == typed[0] and _edits(typed, word) < 3
            ]
        bare = _RUN.sub(r"\1", typed)
        best = min(
            near,
            key=lambda word: (_RUN.sub(r"\1", word) != bare, word[0] != typed[0], _edits(typed, word), word),
            default="",
        )
        return (best,) if best else ()

    def _joined(self, typed: str) -> tuple[str, ...]:
        """The fewest known words that spell `typed`: two of four letters or more, or several that are shorter."""
        fewest: list[tuple[str, ...] | None] = [(), *(None for _ in typed)]
        for end in range(1, len(typed) + 1):
            for start in range(max(0, end - _LONGEST_PART), end):
                before, part = fewest[start], typed[start:end]
                if before is None or (len(part) < _SHORTEST_PART and part not in _SHORT_WORDS) or not self.knows(part):
                    continue
                made = (*before, part)
                best = fewest[end]
                if best is None or len(made) < len(best):
                    fewest[end] = made
        parts = fewest[-1] or ()
        plain = len(parts) == 2 and all(len(part) >= _SHORTEST_PART for part in parts)
        if not plain and (len(parts) < 3 or len(typed) < _SHORTEST_SENTENCE):
            return ()
        return tuple(word for part in parts for word in self._exactly(part))


def _deletions(word: str) -> list[str]:
    return [word[:at] + word[at + 1 :] for at in range(len(word))]


def _alike(typed: str, word: str) -> bool:
    """Whether one letter more, less or other, or two swapped, makes one of the other (Damerau, 1964)."""
    if abs(len(typed) - len(word)) > 1:
        return False
    start = 0
    while start < min(len(typed), len(word)) and typed[start] == word[start]:
        start += 1
    a, b = typed[start:], word[start:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _edits(a: str, b: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


_SOUNDS = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        ("ph", "f"), ("ght", "t"), ("[ts]ion|shon|shun|tian", "xn"), ("sh|ch", "x"), ("ck|q|c(?![eiy])", "k"),
        ("[cz]", "s"), ("wr", "r"), ("kn", "n"), ("mb$", "m"), ("(?<=.)[aeiouyhw]", ""), (r"(.)\1+", r"\1"),
    )
]  # fmt: skip


def _sound(word: str) -> str:
    """A coarse key: words that sound alike share it."""
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word


class Phrases:
    """Named lists of phrases, compiled.

    lists: each name's phrases; a phrase may name other lists in braces, but no list may hold itself. fillers: words
    that are passed over, in phrases and texts alike. numbers: for each name the (lowest, highest) figure that
    ``{name}`` stands for. further: words to know that are in no phrase. Raises ValueError if a phrase names an
    unknown list or has nothing to match.
    """

    def __init__(
        self,
        lists: Mapping[str, Sequence[str]],
        written: Mapping[str, str],
        fillers: Iterable[str] = (),
        numbers: Mapping[str, tuple[float, float]] | None = None,
        real: frozenset[str] = frozenset(),
        further: Iterable[str] = (),
    ) -> None:
        self._numbers = dict(numbers or {})
        self._fillers = frozenset(fillers)
        plain = Spelling((), {word: meant.split() for word, meant in written.items()}, frozenset())
        known = {*lists, *self._numbers}
        self._within: set[str] = set()
        self._after: dict[str, dict[int, list[int]]] = {}  # by label, the nodes that it leads to from others
        self._names: list[list[str]] = [[]]
        made: dict[tuple[int, _Element], int] = {}
        words = {*self._fillers, *further}
        for name, phrases in lists.items():
            for phrase in phrases:
                for elements in self._elements(phrase, plain):
                    if not elements or ((_ANYTHING,),) in (elements[0], elements[-1]):
                        raise ValueError(f"{name}: {phrase!r} must begin and end with a word")
                    named = {word for element in elements for option in element for word in option}
                    if unknown := {word for word in named if word[0] == "{" and word[1:-1] not in known}:
                        raise ValueError(f"{name}: {phrase!r} names an unknown list {sorted(unknown)}")
                    self._within |= {word[1:-1] for word in named if word[0] == "{"}
                    words |= {word for word in named if word[0] not in "{."}
                    self._add(name, elements, made)
        self._gaps = self._after.pop(_ANYTHING, {})
        self._goes_on = {node for after in (self._gaps, *self._after.values()) for node in after}
        self.spelling = Spelling(words, {word: meant.split() for word, meant in written.items()}, real)

    def _elements(self, phrase: str, spelling: Spelling) -> Iterator[tuple[_Element, ...]]:
        """The phrase with and without what may be missing."""
        choices: list[list[tuple[_Element, ...]]] = []
        for element in phrase.split():
            options = tuple(self._kept(spelling, option) for option in element.removesuffix("?").split("|"))
            kept = tuple(option for option in options if option)
            choices.append([(kept,), ()] if kept and element.endswith("?") else [(kept,)] if kept else [()])
        for row in product(*choices):
            yield tuple(element for elements in row for element in elements)

    def _kept(self, spelling: Spelling, typed: str) -> tuple[str, ...]:
        if typed == _ANYTHING or typed.startswith("{"):
            return (typed,)
        read = (word for part in typed.split("_") for word in spelling.read(part.casefold()))
        return tuple(word for word in read if word not in self._fillers)

    def _add(self, name: str, elements: Sequence[_Element], made: dict[tuple[int, _Element], int]) -> None:
        node = 0
        for element in elements:
            node = self._led(node, element, made)
        if name not in self._names[node]:
            self._names[node].append(name)

    def _led(self, node: int, element: _Element, made: dict[tuple[int, _Element], int]) -> int:
        """The node that every option of the element leads to."""
        if (node, element) not in made:
            after = made[node, element] = len(self._names)
            self._names.append([])
            for option in element:
                at = node
                for word in option[:-1]:
                    at = self._led(at, ((word,),), made)
                self._after.setdefault(option[-1], {}).setdefault(at, []).append(after)
        return made[node, element]

    def words(self, text: str) -> Words:
        """The text as its words, in the order of the text. Of a word that stands for two, both have its place."""
        words: list[str] = []
        places: list[tuple[int, int]] = []
        clauses: list[int] = []
        ends: list[int] = []
        clause = 0
        pieces = list(self._letters_joined(_pieces(text)))
        alone = (
            _LEET_ALONE if any(_MIXED.search(typed) and self.spelling.is_leet(typed) for typed, _, _ in pieces) else {}
        )
        for typed, start, end in pieces:
            typed = alone.get(typed, typed)
            if typed[0] in _MARKS:
                clause += 1
                if typed[0] in _STOPS:
                    ends.append(len(words))
                continue
            for word in self.spelling.read(typed):
                if word not in self._fillers:
                    words.append(word)
                    places.append((start, end))
                    clauses.append(clause)
        return Words(tuple(words), tuple(places), _stops(ends, len(words)), tuple(clauses))

    def _letters_joined(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Single letters in a row as the word that they spell, if it is known."""
        for alone, group in groupby(pieces, key=_is_letter):
            if not alone:
                yield from group
                continue
            run = list(group)
            joined = "".join(letter for letter, _, _ in run)
            at = 0
            while at < len(run):
                longest = min(len(joined), at + _LONGEST_MISSPELT)
                to = next((to for to in range(longest, at + 3, -1) if self.spelling.knows(joined[at:to])), at + 1)
                yield joined[at:to], run[at][1], run[to - 1][2]
                at = to

    def find(self, text: Words) -> list[Match]:
        """Every list's phrases in the text, each within one sentence; of those that begin with other words and end
        alike, the shortest. Ordered by end, then as found."""
        waiting: list[dict[int, int]] = [{0: at} for at in range(len(text.words) + GAP + 1)]
        found: dict[Match, None] = {}
        for end, word in enumerate(text.words, start=1):
            stop = text.stops[end - 1]
            edges = [(word, end - 1), *self._figures(word, end)]
            for label, begin in edges:
                after = self._after.get(label)
                if after is None:
                    continue
                here = waiting[begin]
                for node in sorted(here.keys() & after.keys()):
                    start = here[node]
                    for reached in after[node]:
                        for name in self._names[reached]:
                            if (match := Match(name, start, end)) not in found:
                                found[match] = None
                                if name in self._within:
                                    edges.append((f"{{{name}}}", start))
                        if end < stop and reached in self._goes_on:
                            self._wait(waiting, reached, start, end, stop)
        return list(found)

    def _wait(self, waiting: list[dict[int, int]], node: int, start: int, end: int, stop: int) -> None:
        here = waiting[end]
        here[node] = max(start, here.get(node, start))
        for gap in self._gaps.get(node, ()):
            for later in waiting[end : min(end + GAP + 1, stop)]:
                later[gap] = max(start, later.get(gap, start))

    def _figures(self, word: str, end: int) -> Iterator[tuple[str, int]]:
        if _FIGURE.fullmatch(word):
            value = float(word.replace(",", "."))
            for name, (lowest, highest) in self._numbers.items():
                if lowest <= value <= highest:
                    yield f"{{{name}}}", end - 1


def _is_letter(piece: Piece) -> bool:
    return len(piece[0]) == 1 and piece[0].isalpha()


def _pieces(text: str) -> Iterator[Piece]:
    """The words and marks of a text in plain lower-case letters, each with its place; a line's end is a mark."""
    before = 0
    for chunk in _CHUNK.finditer(text):
        start, end = chunk.span()
        if "\n" in text[before:start]:
            yield "\n", before, start
        before = end
        raw = chunk.group()
        plain = raw.casefold() if raw.isascii() else _plain(raw)
        exact = len(plain) == len(raw)
        for piece in _PIECE.finditer(plain):
            place = (start + piece.start(), start + piece.end()) if exact else (start, end)
            yield piece.group(), *place


def _plain(text: str) -> str:
    """Without accents and invisible characters, compatible forms made plain."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in parts if unicodedata.category(character) not in ("Mn", "Cf"))


def _stops(ends: Sequence[int], count: int) -> tuple[int, ...]:
    """For each word the number of words up to the end of its sentence; `ends` ascends."""
    stops: list[int] = []
    for end in (*ends, count):
        stops.extend([end] * (end - len(stops)))
    return (*stops, count)
