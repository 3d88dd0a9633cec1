"""Misspelt words of a question → the words that were meant, where there is little doubt.

A wrong correction answers another question than the one that was asked, so a word is left alone unless it is unknown
to the documents and to English, and one word is clearly nearer than all others.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from bot.lexical import STOP_WORDS, stem

FOLDER = Path(__file__).parent / "data"

SHORTEST = 4
"""Letters of a word that may be corrected."""
LONG = 7
"""Letters from which on two errors may be mended, otherwise one."""
MOST = 20
"""Unknown words of a question that are looked at, so that a long one takes no longer."""
MARGIN = 0.35
"""How much nearer than the next word the one that is taken must be."""
DRUG_MARGIN = 0.6
"""The same between two drugs: mixing them up does the most harm."""
COMPANY = 0.4
"""How much nearer a word is taken to be that stands beside the same neighbour in the documents."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LATIN = re.compile(r"[a-z\u00df-\u017f']+")
# Part of an address, a dose ("5mg"), a code ("B12") or a compound with a number ("covid-19").
_APART = re.compile(r"://|@|www\.|\w\.(?:com|org|net|edu|gov|info|io|uk|au|eu|ie|nz|ca)\b|\d", re.IGNORECASE)
# Whoever spells the end of a term rightly has hardly made two errors before it: it is another term.
_TERM_ENDINGS = re.compile(
    r"(?:algia|a?emia|itis|osis|pathy|penia|plasia|plegia|rrh?agia|tomy|tension|thyroidism|ectasia|sclerosis|trophy"
    r"|azepam|azole|barbital|caine|cillin|codone|dipine|gabalin|gliptin|ketamine|mab|mycin|nib|olol|oxetine|oxacin"
    r"|parin|prazole|pril|profen|sartan|setron|statin|tidine|triptan|vir|zepine|zosin)s?$"
)


@dataclass(frozen=True, slots=True)
class Correction:
    """``question[start:end]``, which is `before`, was meant as `after`; offsets in characters."""

    start: int
    end: int
    before: str
    after: str


def vocabulary(texts: Iterable[str]) -> dict[str, int]:
    """Every word of `texts`, folded, with the number of its occurrences: what a `Speller` is made from."""
    written: Counter[str] = Counter()
    for text in texts:
        written.update(_WORD.findall(text))
    counts: Counter[str] = Counter()
    for word, count in written.items():
        counts[_fold(word)] += count
    return dict(counts)


def words_of(text: str) -> set[str]:
    """The distinct words of `text`, folded."""
    return {_fold(word) for word in _WORD.findall(text)}


def apply(question: str, corrections: Iterable[Correction]) -> str:
    """`question` with the corrections made; they do not overlap."""
    for one in sorted(corrections, key=lambda correction: -correction.start):
        question = question[: one.start] + one.after + question[one.end :]
    return question


_Ranked = tuple[float, float, str]
"""Distance + handicap, distance, word."""


class Speller:
    """Corrects questions to the words of one index. Safe to call from several threads.

    vocabulary: the documents' words with their counts, as `vocabulary` gives them. names: titles, headings and
    other texts whose words weigh more, drugs and conditions above all. together: whether two content words are
    neighbours in the documents, as "sickle" and "cell" are.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        names: Collection[str] = (),
        together: Callable[[str, str], bool] = lambda first, second: False,
    ) -> None:
        english = _english()
        named = set().union(*map(words_of, names))
        self._known = english.known
        self._counts = vocabulary
        self._drugs = english.drugs
        self._chosen = english.chosen
        self._together = together
        handicaps = {
            word: _handicap(count, word in named or word in english.drugs, word in english.handicaps)
            for word, count in vocabulary.items()
            if len(word) >= SHORTEST
        }
        self._lexicons = (_Lexicon(handicaps), english.lexicon)

    def corrections(self, question: str) -> list[Correction]:
        """What to correct in `question`, in order and apart from each other; empty if nothing, or all in doubt."""
        words = list(_words(question))
        unknown = [word for word in words if not self._knows(word.folded)]
        if _is_foreign(words, unknown):
            return []
        found: list[Correction] = []
        for word in unknown[:MOST]:
            if found and word.start < found[-1].end:
                continue
            correction = self._joined(word, words, question) or self._mended(word, words)
            if correction and not (found and correction.start < found[-1].end):
                found.append(correction)
        return found

    def is_foreign(self, question: str) -> bool:
        """Whether most words of `question` are neither the documents' nor English."""
        words = list(_words(question))
        return _is_foreign(words, [word for word in words if not self._knows(word.folded)])

    def _knows(self, word: str) -> bool:
        if len(word) < 3:  # the lists hold none
            return True
        return any(form in self._counts or form in self._known for form in _base_forms(word))

    def _mended(self, word: _Word, words: Sequence[_Word]) -> Correction | None:
        if (
            len(word.folded) < SHORTEST
            or word.is_abbreviation
            or "'" in word.folded
            or not _LATIN.fullmatch(word.folded)
        ):
            return None
        meant = self._nearest(word.folded, word, words) or self._plural(word, words) or self._split(word.folded)
        return Correction(word.start, word.end, word.text, _in_case_of(word.text, meant)) if meant else None

    def _plural(self, word: _Word, words: Sequence[_Word]) -> str | None:
        """Of a word that the documents have in the singular alone."""
        if not word.folded.endswith("s") or len(word.folded) <= SHORTEST:
            return None
        meant = self._nearest(word.folded[:-1], word, words)
        return f"{meant}s" if meant and meant in self._counts and not meant.endswith("s") else None

    def _nearest(self, folded: str, word: _Word, words: Sequence[_Word]) -> str | None:
        """The one word that `folded`, all or a part of `word`, stands for."""
        ranked = self._ranked(folded)
        if len(ranked) > 1:
            ranked = self._in_company(ranked, word, words)
        if not ranked:
            return None
        score, apart, best = ranked[0]
        if apart > self._limit(folded, word, best):
            return None
        for other_score, _, other in ranked[1:]:
            if other_score - score >= DRUG_MARGIN:
                break
            if stem(other) == stem(best):
                continue
            both_drugs = best in self._drugs and other in self._drugs
            if other_score - score < MARGIN or both_drugs or _opposite(best, other):
                return None
        return best

    def _ranked(self, word: str) -> list[_Ranked]:
        """The words near `word`, nearest first."""
        errors = 1 if len(word) < LONG else 2
        nearest: dict[str, _Ranked] = {}
        for lexicon in self._lexicons:
            for near, handicap in lexicon.near(word, errors):
                if near not in nearest and (apart := distance(word, near, errors)) <= errors:
                    nearest[near] = (round(apart + handicap, 6), apart, near)
        return sorted(nearest.values())

    def _limit(self, folded: str, word: _Word, best: str) -> float:
        """The greatest distance at which `folded` is corrected to `best`; below 0: it never is."""
        held = best in self._counts
        same_start = best[0] == folded[0]
        if not held and not (best in self._chosen and same_start):
            return -1.0
        if word.is_name:
            return 0.9 if held and len(folded) >= LONG else -1.0
        strict = len(folded) < LONG or not held or not same_start
        return 1.0 if strict or _TERM_ENDINGS.search(folded) else 1.4

    def _in_company(self, ranked: Sequence[_Ranked], word: _Word, words: Sequence[_Word]) -> list[_Ranked]:
        """`ranked` again, the words put forward that the documents hold beside a neighbour of `word`."""
        content = [other for other in words if other is word or other.folded not in STOP_WORDS]
        at = content.index(word)
        before, after = content[max(at - 1, 0) : at], content[at + 1 : at + 2]
        again = []
        for score, apart, near in ranked:
            usual = any(self._together(one.folded, near) for one in before)
            usual = usual or any(self._together(near, one.folded) for one in after)
            again.append((score - COMPANY if usual else score, apart, near))
        return sorted(again)

    def _split(self, word: str) -> str | None:
        """The two words that were run together, if only one way to part them gives words that go together."""
        ways = [(word[:at], word[at:]) for at in range(3, len(word) - 2)] if len(word) >= 8 else []
        held = [way for way in ways if all(self._counts.get(part, 0) > 1 for part in way)]
        usual = [way for way in held if not STOP_WORDS.isdisjoint(way) or self._together(*way)]
        return " ".join(usual[0]) if len(usual) == 1 else None

    def _joined(self, word: _Word, words: Sequence[_Word], question: str) -> Correction | None:
        """The word of the documents that `word` and a neighbour are the halves of."""
        at = words.index(word)
        for first, second in ((at - 1, at), (at, at + 1)):
            if first < 0 or second == len(words):
                continue
            left, right = words[first], words[second]
            whole = left.folded + right.folded
            if question[left.end : right.start] == " " and len(whole) >= LONG and self._counts.get(whole, 0) > 1:
                before = question[left.start : right.end]
                return Correction(left.start, right.end, before, _in_case_of(left.text, whole))
        return None


# Words of a question


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    text: str
    folded: str
    is_abbreviation: bool
    is_name: bool


def _words(question: str) -> Iterator[_Word]:
    """The words that may be looked at. In a text without small letters, or with a capital to each word, capitals
    tell nothing."""
    apart = [part.span() for part in re.finditer(r"\S+", question) if _APART.search(part.group())]
    found = list(_WORD.finditer(question))
    long = [match.group() for match in found if len(match.group()) >= SHORTEST]
    shouted = question == question.upper()
    titled = len(long) > 1 and all(word[0].isupper() for word in long)
    for match in found:
        start, end = match.span()
        if any(start < b and a < end for a, b in apart):
            continue
        text = match.group()
        if text[-2:].lower() in ("'s", "’s"):
            text, end = text[:-2], end - 2
        within = bool(re.search(r"[\w,;:)]['\"’”]?[ \t]+$", question[max(start - 4, 0) : start]))
        yield _Word(
            start,
            end,
            text,
            _fold(text),
            is_abbreviation=not text[1:].islower() and (not shouted or len(text) < 6),
            is_name=within and text[0].isupper() and not titled and not shouted,
        )


def _is_foreign(words: Sequence[_Word], unknown: Sequence[_Word]) -> bool:
    return len(unknown) > max(3, sum(len(word.folded) >= SHORTEST for word in words) / 2)


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().replace("’", "'").removesuffix("'s")


def _base_forms(word: str) -> Iterator[str]:
    """`word`, and what it may be an inflection of."""
    yield word
    for ending, instead in _INFLECTIONS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            yield word[: -len(ending)] + instead
    plain = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    if plain != word:
        yield plain
    if "'" in word:
        yield word.replace("'", "")


_INFLECTIONS = (
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ed", ""),
    ("ed", "e"),
    ("ied", "y"),
    ("ing", ""),
    ("ing", "e"),
    ("ly", ""),
    ("less", ""),
    ("like", ""),
)


def _in_case_of(text: str, word: str) -> str:
    if len(text) > 1 and text.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if text[0].isupper() else word


def _opposite(one: str, other: str) -> bool:
    return one.replace("hyper", "hypo") == other.replace("hyper", "hypo")


# The words to choose from


def _handicap(count: int, named: bool, english: bool) -> float:
    """How much nearer than a word that the titles name a word must be to be preferred."""
    if named:
        return 0.0
    if count > 2:
        return 0.1
    return 0.2 if english else 0.4


@dataclass(frozen=True)
class _English:
    """known: all its words, folded. chosen: those that a word is corrected to where the documents don't hold them.
    handicaps: of those that somebody may have meant."""

    known: frozenset[str]
    drugs: frozenset[str]
    chosen: frozenset[str]
    handicaps: Mapping[str, float]
    lexicon: _Lexicon


@cache
def _english() -> _English:
    """The word lists of ``bot/data``, read once a process."""
    lists = {path.stem: path.read_text(encoding="utf-8").split() for path in sorted(FOLDER.glob("*.txt"))}
    handicaps = {word: _ENGLISH[name] for name in _ENGLISH for word in lists[name] if len(word) >= SHORTEST}
    drugs = frozenset(lists["drugs"])
    chosen = drugs.union(lists["common"], lists["health"]).difference(lists["coarse"])
    known = frozenset().union(*lists.values())
    return _English(known, drugs, chosen, handicaps, _Lexicon(handicaps))


_ENGLISH = {"rare": 1.0, "drugs": 0.7, "usual": 0.7, "health": 0.5, "common": 0.5}
"""The handicap of a word that the documents don't hold, by its list."""


class _Lexicon:
    """Words with a handicap each, and a quick way to those that may be near another word.

    Each word is kept as a bit set of its letters (bit 2i: letter i occurs, bit 2i + 1: it occurs twice or more).
    One error takes away or adds one letter at most, so words with more letters astray are not near; nor are those
    that share none of the first two letters.
    """

    def __init__(self, handicaps: Mapping[str, float]) -> None:
        self._words = list(handicaps)
        self._handicaps = list(handicaps.values())
        self._shapes = _shapes(self._words)

    def near(self, word: str, errors: int) -> Iterator[tuple[str, float]]:
        """Words that may be within so many errors of `word`, with their handicaps; some are not."""
        (letters, lengths, starts), (wanted, length, start) = self._shapes, _shapes([word])
        # Each test is of what is left of the one before, the cheapest first.
        at = np.flatnonzero(np.abs(lengths - length) <= errors)
        at = at[np.bitwise_count(letters[at] & ~wanted) <= errors]
        at = at[np.bitwise_count(wanted & ~letters[at]) <= errors]
        at = at[((starts[at] == start) | (starts[at] == start[:, ::-1])).any(axis=1)]
        for row in at.tolist():
            yield self._words[row], self._handicaps[row]


def _shapes(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each word: the bit set of its letters (n,) uint64, in which all but a to z is left out; its length (n,);
    its first two letters (n, 2)."""
    text = np.frombuffer("\n".join([*words, ""]).encode("ascii", "replace"), dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    begins = np.concatenate([[0], ends + 1])[:-1].astype(np.int64)
    lengths = ends - begins
    letter = text.astype(np.int64) - ord("a")
    plain = (letter >= 0) & (letter < 26)
    rows = np.repeat(np.arange(len(words)), lengths + 1)
    counts = np.bincount(rows[plain] * 26 + letter[plain], minlength=26 * len(words)).reshape(-1, 26)
    once = np.left_shift(np.uint64(1), np.arange(0, 52, 2, dtype=np.uint64))
    letters = (counts > 0) @ once + (counts > 1) @ (once << np.uint64(1))
    return letters, lengths, np.stack([text[begins], text[begins + 1]], axis=1)


# How far two words are apart


def distance(word: str, meant: str, limit: float) -> float:
    """How unlikely it is that `word` was written for `meant`: about 1 an error, less for a likely one.

    The optimal string alignment distance (Damerau 1964: insertion, deletion, substitution and swap of neighbours),
    weighted: a neighbouring key, another vowel, a letter or "ph" of the same sound, a letter doubled or a double one
    written once count less, the first letter more. Above `limit` the value says no more than that.
    """
    missed = [_missed(meant, at) for at in range(len(meant))]
    before_last: list[float] = []
    last = [0.0]
    for cost in missed:
        last.append(last[-1] + cost)
    for i, a in enumerate(word):
        extra = _missed(word, i)
        row = [left := last[0] + extra]
        for j, b in enumerate(meant):
            least = last[j] if a == b else last[j] + _swapped(a, b)
            if i == j == 0 and a != b:
                least += 0.3
            least = min(least, last[j + 1] + extra, left + missed[j])
            if i and j and a != b and a == meant[j - 1] and b == word[i - 1]:
                least = min(least, before_last[j - 1] + 0.6)
            if a == "f" and b == "h" and j and meant[j - 1] == "p":
                least = min(least, last[j - 1] + 0.6)
            if b == "f" and a == "h" and i and word[i - 1] == "p":
                least = min(least, before_last[j] + 0.6)
            row.append(left := least)
        if min(row) > limit and min(last) > limit:
            return min(row)
        before_last, last = last, row
    return round(last[-1], 6)


def _missed(word: str, at: int) -> float:
    """For a letter that one of both words has and the other has not."""
    if at == 0:
        return 1.3 if word[0] in "aeiou" else 1.0  # a vowel may be a prefix: "atypical", "omental"
    return 0.5 if word[at] == word[at - 1] else 0.9


@lru_cache(maxsize=4096)
def _swapped(a: str, b: str) -> float:
    """For a letter in the place of another one."""
    if a + b in _SOUND_ALIKE:
        return 0.6
    return 0.7 if a + b in _NEIGHBOURS or (a in "aeiouy" and b in "aeiouy") else 1.0


_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> Iterator[str]:
    """Pairs of keys that touch on a QWERTY keyboard, whose lower rows begin a little further right."""
    for upper, lower in zip(_KEYS, (*_KEYS[1:], ""), strict=True):
        yield from (upper[i : i + 2] for i in range(len(upper) - 1))
        yield from (upper[i] + lower[j] for i in range(len(upper)) for j in (i - 1, i) if 0 <= j < len(lower))


_NEIGHBOURS = frozenset(pair for found in _neighbours() for pair in (found, found[::-1]))
_SOUND_ALIKE = frozenset(
    pair for found in "ck cs sz kq cq gj iy uw fv eé eè aä oö uü".split() for pair in (found, found[::-1])
)
