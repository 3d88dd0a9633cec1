"""What a text shows of how well it was read and how well it reads: facts for staff, never for patients."""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np

from bot.sentences import sentences

# Scripts that put no space between words: Thai to Myanmar, Khmer, kana, Han.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LETTERS = re.compile(rf"[^\W\d_{_UNSPACED}]+")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


# Language

_FEWEST_LETTERS = 20
_SURE = 0.6  # of openings of 80 characters of English health texts, 1 in 1,500 is then taken for another language
_ENOUGH = 20_000  # characters: more change nothing
_SHORTEST_TAG = {"kik": "ki"}  # BCP 47 wants two letters where there are two
_NO_LANGUAGE = "zxx"


def language(text: str) -> str | None:
    """The language that most of `text` is in, as a BCP 47 primary tag such as ``en``.

    None for less than 20 letters, for numbers and names, and where the model gives its best guess less than 0.6.
    """
    text = text[:_ENOUGH]
    if sum(map(str.isalpha, text)) < _FEWEST_LETTERS:
        return None
    tag, probability = _identifier().classify(text)
    return None if probability < _SURE or tag == _NO_LANGUAGE else _SHORTEST_TAG.get(tag, tag)


@cache
def _identifier() -> Any:
    """The model comes with the package; it takes half a second to load and 100 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


# Reading age

_FEWEST_WORDS = 100
_LONGEST_SENTENCE = 80  # words: what is longer is a list or a table whose lines ran together
_LIST_MARK = re.compile(r"\s*(?:[-–—*+•‣▪◦·●○■□▶➢✓✔❖◆\uf0b7\uf0a7]|\(?(?:\d{1,3}|[A-Za-z])[.)])\s+")
_STOPPED = re.compile(r"[.!?…][\"'”’»)\]*_]*\Z")
_SPELLED = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_YOUNGEST = 5.0


def reading_age(text: str, language: str | None) -> float | None:
    """The age in years from which `text` can be read: its US school grade plus 5, to a tenth, and 5 at least.

    The grade is ``0.39 × words per sentence + 11.8 × syllables per word − 15.59`` (Kincaid, Fishburne, Rogers and
    Chissom, "Derivation of new readability formulas for Navy enlisted personnel", 1975). Only full sentences and
    items of lists count, not headings, rows of tables and lines of figures. None for other languages than English,
    and where less than 100 words count.
    """
    if language is None or language.split("-")[0].lower() != "en":
        return None
    read = list(_prose(text))
    words = Counter(word.lower() for sentence in read for word in sentence)
    if words.total() < _FEWEST_WORDS:
        return None
    syllables = sum(_syllables(word) * times for word, times in words.items())
    grade = 0.39 * words.total() / len(read) + 11.8 * syllables / words.total() - 15.59
    return max(_YOUNGEST, round(grade + 5, 1))


def _prose(text: str) -> Iterator[list[str]]:
    """The words of each sentence that is one."""
    for start, end in sentences(text):
        sentence = text[start:end]
        if "|" in sentence or "\t" in sentence:
            continue
        mark = _LIST_MARK.match(sentence)
        words = _SPELLED.findall(sentence, mark.end()) if mark else _SPELLED.findall(sentence)
        figures = sum(any(map(str.isdigit, token)) for token in sentence.split())
        if (mark or _STOPPED.search(sentence)) and figures < len(words) <= _LONGEST_SENTENCE:
            yield words


def _syllables(word: str) -> int:
    import syllapy

    return sum(max(1, syllapy.count(part)) for part in word.replace("’", "'").split("-"))


# Garbling

_LONGEST_WORD = 25  # letters: medical words reach 24, few German compounds go beyond
_FEWEST_LONG = 4  # different ones, so that a long name that comes again and again is not lost spaces
_NO_WORD = 50  # letters: one is enough; the longest name of a disease has 45
_SINGLES = 5  # single letters in a row: fewer are names, vitamins, options of a question
_TOO_MUCH = 0.05  # of all letters, in over-long words or in runs of single ones
_FEWEST_SPACED = 20  # letters: one heading may be set wide
_TOO_ODD = 0.005  # of all characters but white space
_GLYPH = re.compile(r"\(cid:\d{1,6}\)")  # what a PDF's reader writes for a character that its font does not name
# The bytes of UTF-8 read one by one as Windows-1252: é, ’, and Greek, Cyrillic or Arabic words.
_FOLLOWING = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_MISREAD = re.compile(rf"[ÂÃ][{_FOLLOWING}]|â[€‚„†‡ˆ‰‹™][{_FOLLOWING}]|(?:[ÎÏÐÑØÙ][{_FOLLOWING}]){{2,}}")
_FEWEST_MISREAD = 2  # a French quotation may well end with “Â»
_PICTURE_MARK = re.compile(r"^[ \t]*[\ue000-\uf8ff](?=\s)", re.MULTILINE)  # Word's bullets, from a symbol font
_BREAKS = "\t\n\r\f\v\x1c\x1d\x1e\x85"
_ADDRESS = ("://", "www.", "@")


@dataclass(frozen=True, slots=True)
class Garbling:
    """Signs that a text is not what its file shows, each a share from 0 to 1.

    `odd_characters`: of the characters but white space, those that stand for none or for wrong ones: U+FFFD, private
    use, unassigned, controls, ``(cid:12)``, and UTF-8 read as Windows-1252. `lost_spaces`: of the letters, those in
    runs of more than 25, addresses aside. `single_letters`: of the letters, those in runs such as ``T h i s``.
    `reason` is for staff to read, empty unless `suspected`.
    """

    odd_characters: float
    lost_spaces: float
    single_letters: float
    suspected: bool
    reason: str


def garbling(text: str) -> Garbling:
    """Scripts without spaces between words are looked at for odd characters alone."""
    tokens = text.split()
    letters = sum(map(len, _LETTERS.findall(text)))
    reasons = []

    lost, misread, others = _odd_characters(text)
    written = sum(map(len, tokens))
    odd = min(1.0, (lost + misread + others) / written) if written else 0.0
    if lost:
        reasons.append(f"{_counted(lost, 'character')} could not be read")
    if misread:
        reasons.append(f"{_counted(misread, 'character')} came out wrong, as in Ã© for é")
    if others > _TOO_ODD * written:
        reasons.append(f"{_counted(others, 'character')} that no text has")

    overlong = [word for word in _long_words(tokens) if len(word) > _LONGEST_WORD]
    joined = sum(map(len, overlong)) / letters if letters else 0.0
    longest = max(overlong, key=len, default="")
    if len(longest) >= _NO_WORD or (joined > _TOO_MUCH and len(set(overlong)) >= _FEWEST_LONG):
        reasons.append(f"words run together, such as {longest[:40]}")

    runs = list(_spaced_letters(tokens))
    apart = sum(map(len, runs)) / letters if letters else 0.0
    if apart > _TOO_MUCH and sum(map(len, runs)) >= _FEWEST_SPACED:
        reasons.append(f"words are pulled apart, such as {' '.join(runs[0][:20])}")

    return Garbling(round(odd, 4), round(joined, 4), round(apart, 4), bool(reasons), "; ".join(reasons))


def _odd_characters(text: str) -> tuple[int, int, int]:
    """How many characters are lost, are misread (0 for a single one), and are odd otherwise."""
    glyphs = len(_GLYPH.findall(text))
    misread = len(_MISREAD.findall(text))
    counts = Counter(_PICTURE_MARK.sub("", _MISREAD.sub("", text)))
    others = sum(
        times
        for character, times in counts.items()
        if unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs") and character not in _BREAKS
    )
    return glyphs + counts["\ufffd"], misread if misread >= _FEWEST_MISREAD else 0, others


def _long_words(tokens: Iterable[str]) -> Iterator[str]:
    for token in tokens:
        if len(token) > _LONGEST_WORD and not any(mark in token for mark in _ADDRESS):
            yield from _LETTERS.findall(token)


def _spaced_letters(tokens: Iterable[str]) -> Iterator[str]:
    """Runs of single letters. The letters of an index are in order, the marks of a table few."""
    for single, run in groupby(tokens, key=lambda token: len(token) == 1 and _LETTERS.match(token) is not None):
        if single:
            letters = "".join(run)
            small = letters.lower()
            if len(letters) >= _SINGLES and len(set(small)) > 3 and sorted(small) != list(small):
                yield letters


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


# Near-duplicates

_SHINGLE = 4  # words
_MOST_MET = 200


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A passage and those of other documents that resemble it.

    `rows`: the one that the others resemble, then these in ascending order. `similarity`: of the one that is least
    like the first, from over 0 to 1.
    """

    similarity: float
    rows: tuple[int, ...]


def near_duplicates(passages: Sequence[tuple[str, str]], at_least: float = 0.8) -> list[NearDuplicate]:
    """Passages, each (document, text), that say almost the same in different documents; the most alike first.

    The similarity of two passages is the share of their runs of four words that both have (Jaccard), capitals and
    punctuation aside; passages of less than four words are left out. Every passage with a like in another document
    is in a group. A passage that many documents repeat makes one group, not a pair for each two of them: what is like
    several goes with the first. To keep time linear, a run of words leads to no more than 200 passages to compare.

    at_least: over 0, to 1.
    """
    documents = [document for document, _ in passages]
    sizes, held = _shingles([text for _, text in passages], documents)
    # Two passages as alike as that meet among the rarest shingles of each, however few of them these are: with one
    # more that the other has not, too many would differ. Those of one document alone are the rarest and meet nothing.
    rarest = {row: ranks[: max(0, _prefix(sizes[row], at_least) - sizes[row] + len(ranks))] for row, ranks in held}
    sets = {row: frozenset(ranks) for row, ranks in held if rarest[row]}

    def like(row: int, places: dict[int, list[int]]) -> tuple[int, float] | None:
        """The first passage that resembles this one, and how much."""
        for other in sorted({other for rank in rarest[row] for other in places.get(rank, ())}):
            common = len(sets[row] & sets[other])
            similarity = common / (sizes[row] + sizes[other] - common)
            if similarity >= at_least and documents[other] != documents[row]:
                return other, similarity
        return None

    groups: dict[int, list[tuple[int, float]]] = defaultdict(list)
    firsts: dict[int, list[int]] = defaultdict(list)
    others: dict[int, list[int]] = defaultdict(list)
    alone = []
    for row in sets:
        found = like(row, firsts)
        if found:
            groups[found[0]].append((row, found[1]))
        else:
            alone.append(row)
        places = others if found else firsts
        for rank in rarest[row]:
            if len(places[rank]) < _MOST_MET:
                places[rank].append(row)
    for row in alone:  # its like may have gone with an earlier one
        if row not in groups and (found := like(row, others)):
            groups[found[0]].append((row, found[1]))
    found_all = [
        NearDuplicate(min(similarity for _, similarity in rest), (first, *sorted(row for row, _ in rest)))
        for first, rest in groups.items()
    ]
    return sorted(found_all, key=lambda group: (-group.similarity, group.rows))


def _prefix(size: int, at_least: float) -> int:
    """How many of a passage's rarest shingles hold one of any other that is `at_least` like it."""
    return size - math.ceil(at_least * size - 1e-9) + 1


def _shingles(texts: Iterable[str], documents: Sequence[str]) -> tuple[list[int], list[tuple[int, list[int]]]]:
    """How many distinct shingles each text has; and of each with any, those that several documents have, the rarest
    first, each as its rank in rarity, from 0.
    """
    number: dict[str, int] = {}
    words = array("q")
    lengths = []
    for text in texts:
        found = _WORD.findall(text.casefold())
        words.extend(number.setdefault(word, len(number)) for word in found)
        lengths.append(len(found))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    runs = np.asarray(words, dtype=np.int64)
    for step in (1, 2):  # pairs of words, then pairs of pairs: each distinct one gets a number
        runs = np.unique(runs[:-step] * (runs.max(initial=0) + 1) + runs[step:], return_inverse=True)[1]
    inside = rows[: len(runs)] == rows[_SHINGLE - 1 :]
    rows, runs = _distinct(rows[: len(runs)][inside], runs[inside])

    numbers = {document: at for at, document in enumerate(dict.fromkeys(documents))}
    document_of = np.array([numbers[document] for document in documents], dtype=np.int64)
    spread = np.bincount(_distinct(document_of[rows], runs)[1])
    rank = np.empty(len(spread), dtype=np.int64)
    rank[np.argsort(spread, kind="stable")] = np.arange(len(spread))
    several = spread[runs] > 1
    at, ranks = _distinct(rows[several], rank[runs[several]])
    borders = np.flatnonzero(np.diff(at, prepend=-1))
    held = [(int(row), part.tolist()) for row, part in zip(at[borders], np.split(ranks, borders)[1:], strict=True)]
    return np.bincount(rows, minlength=len(lengths)).tolist(), held


def _distinct(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct pairs of two columns of numbers from 0 on, in order."""
    width = second.max(initial=0) + 1
    pairs = np.sort(first * width + second)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return pairs // width, pairs % width
