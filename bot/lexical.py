"""Words: tokenising, and BM25 over them."""

from __future__ import annotations

import json
import re
import tempfile
import unicodedata
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bot.tables import Rows, Strings, mapped

_WORD = re.compile(r"\d+(?:[.,:/]\d+)+|[^\W_]+(?:['’][^\W\d_]+)?")

STOP_WORDS = frozenset(
    """
    a about after again all also am an and any anyone are aren't as at be because been before being between both
    but by can can't cannot could couldn't did didn't do does doesn't doing don't during each else ever few for
    from further get gets getting give go goes going got had has hasn't have haven't having he he's her here hers
    herself him himself his how how's however i i'd i'll i'm i've if in into is isn't it it's its itself just let
    like may maybe me might mine more most much must my myself no nor not now of off on once one only or other our
    ours out over own please rather really same shall she she's should shouldn't so some something such than that
    that's the their theirs them themselves then there there's these they they're thing things this those through
    to too under until up us very was wasn't way we were weren't what what's when where which while who whom whose
    why will with won't would wouldn't yes yet you you're your yours yourself

    ask asking find happen happened happening happens help helped helping helps information know mean meaning means
    need needed needs question tell use used uses using want wanted wants work working works
    """.split()
)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english", 0)  # `stem` keeps what it found


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The English stem of a folded word (Snowball)."""
    stemmed: str = _stemmer().stemWord(word)
    return stemmed


def content_words(text: str) -> list[str]:
    """The words and numbers of `text` that are no stop words, in order, repeats kept.

    Compatibility forms and case are folded (NFKC, casefold), a possessive 's goes; "2.5" stays one word.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return [word.removesuffix("'s") for word in _WORD.findall(folded) if word not in STOP_WORDS]


def terms(text: str) -> list[str]:
    """The stems of the content words of `text`, in order, repeats kept."""
    return [stem(word) for word in content_words(text)]


PAIR_WEIGHT = 0.5
"""How much two neighbouring words count, when a passage has them as neighbours too, beside the words themselves."""


def pairs(words: Sequence[str]) -> list[str]:
    """Each two neighbours as one term, with a space between, repeats kept."""
    return [f"{first} {second}" for first, second in pairwise(words)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: terms, each with its weight. A term is a word or, with a space in it, a pair of neighbours."""

    weights: Mapping[str, float]

    @classmethod
    def of(cls, words: Sequence[str], more: Sequence[str] = (), share: float = 0.0) -> Wanted:
        """The words of a question in order, with their pairs; repeats count once. `more`: other words for the same,
        which count `share` of its own; those that are its own already are left out."""
        others = [word for word in more if word not in words]
        weights = dict.fromkeys(pairs(others), share * PAIR_WEIGHT) | dict.fromkeys(others, share)
        return cls(weights | dict.fromkeys(pairs(words), PAIR_WEIGHT) | dict.fromkeys(words, 1.0))

    def groups(self) -> list[tuple[float, list[str]]]:
        """The terms of each weight, in their own order, the highest weight first: sums over them are the same every
        time."""
        ordered = sorted(self.weights.items(), key=lambda item: (-item[1], item[0]))
        return [(weight, [term for term, _ in items]) for weight, items in groupby(ordered, lambda item: item[1])]


class Words(ABC):
    """In how many passages of an index each term is, and what follows from that."""

    passages: int

    @abstractmethod
    def holders(self, terms: Sequence[str]) -> list[int]:
        """In how many passages each of these terms is: words, and pairs as two words with a space between."""

    def known(self, query: Sequence[str]) -> list[str]:
        """The distinct terms of `query` that some passage holds, sorted."""
        distinct = sorted(set(query))
        return [term for term, count in zip(distinct, self.holders(distinct), strict=True) if count]

    def holds(self, text: str) -> bool:
        """Whether `text` has content words, and passages have each of them and each two that are neighbours."""
        wanted = terms(text)
        return bool(wanted) and all(self.holders([*wanted, *pairs(wanted)]))

    def together(self, first: str, second: str) -> bool:
        """Whether two content words are neighbours in some passage."""
        return any(self.holders(pairs([*terms(first), *terms(second)])))

    def idf(self, term: str) -> float:
        """Inverse document frequency; a term in no passage has the highest, ``ln(1 + 2N + 1)``."""
        return self.weights([term])[term]

    def weights(self, query: Sequence[str]) -> dict[str, float]:
        """The idf of each distinct term of `query`, in the terms' own order so that sums are the same every time."""
        distinct = sorted(set(query))
        counts = self.holders(distinct)
        return {term: idf(count, self.passages) for term, count in zip(distinct, counts, strict=True)}


def idf(holders: int, passages: int) -> float:
    """``ln(1 + (N - df + 0.5) / (df + 0.5))``, of a term in `holders` of the `passages`."""
    return float(np.log1p((passages - holders + 0.5) / (holders + 0.5)))


POSTINGS = tuple(f"{name}_{part}.npy" for name in ("words", "pairs") for part in ("passages", "scores"))
"""The files of a `Lexical` that its `Terms` do without."""


class Terms(Words):
    """The words and pairs of an index in a folder: `words.bin`, `pairs.npy` and of each how many passages hold it, see
    `Lexical`."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError, KeyError or ValueError for files that are not as they were written."""
        self._words = Strings(folder, "words")
        self._pairs = mapped(folder / "pairs.npy")
        self._begin = {name: mapped(folder / f"{name}_postings_at.npy") for name in ("words", "pairs")}
        self.passages = int(json.loads((folder / "words.json").read_text(encoding="utf-8"))["passages"])
        if any(
            len(terms) != len(self._begin[name]) - 1 for name, terms in (("words", self._words), ("pairs", self._pairs))
        ):
            raise ValueError("the terms and their postings do not belong together")

    def holders(self, terms: Sequence[str]) -> list[int]:
        found = []
        for term in terms:
            name, row = self._find(term)
            found.append(0 if row < 0 else int(self._begin[name][row + 1] - self._begin[name][row]))
        return found

    def place(self, term: str) -> int:
        """Where a term stands: words in order, then pairs, from 0; -1 for one that no passage holds."""
        name, row = self._find(term)
        return row if row < 0 or name == "words" else len(self._words) + row

    def _find(self, term: str) -> tuple[str, int]:
        """Among the words or the pairs the row of a term, -1 if there is none."""
        first, _, second = term.partition(" ")
        row = self._words.find(first)
        if not second or row < 0:
            return "words", row
        key = np.uint64(row << 32 | max(self._words.find(second), 0))
        at = int(np.searchsorted(self._pairs, key))
        is_held = self._words.find(second) >= 0 and at < len(self._pairs) and self._pairs[at] == key
        return "pairs", at if is_held else -1


class Lexical(Terms):
    """BM25 over the words of passages, and with a lower weight over their pairs of neighbouring words.

    Lucene's form: ``idf · tf / (tf + k1 · (1 - b + b · length / mean length))`` with
    ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``. Source: Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020.
    Scores are 0 or more; 0 where no word is shared. A length is a number of words, for a pair one of pairs.

    In files, each of them mapped:

        words.bin, words_at.npy    the words, in order
        pairs.npy                  (pairs,) uint64, ascending: the rows of both words, the first one's times 2 ** 32
        words_postings_at.npy, words_passages.npy, words_scores.npy; pairs_…
                                   where each term's postings begin; the passages that hold it, ascending, int32; what
                                   it adds to the score of each, float32
        words.json                 how many passages there are
    """

    def __init__(self, folder: Path) -> None:
        """Raises OSError, KeyError or ValueError for files that are not as they were written."""
        super().__init__(folder)
        self._postings = {name: Postings.load(folder, name, at) for name, at in self._begin.items()}
        self._lately: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @classmethod
    def build(cls, texts: Iterable[str], *, k1: float, b: float) -> Lexical:
        """In memory."""
        with tempfile.TemporaryDirectory() as folder:
            builder = LexicalBuilder(Path(folder), k1=k1, b=b)
            builder.add([terms(text) for text in texts])
            return builder.finish()

    def postings(self) -> Iterator[tuple[int, Postings]]:
        """Those of the words and those of the pairs, with the place of the first one."""
        yield 0, self._postings["words"]
        yield len(self._words), self._postings["pairs"]

    def best(self, wanted: Wanted, k: int, within: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The `k` passages with the highest scores over 0 and these scores, best first, equal ones by row; fewer if
        there are not as many. within: of these rows alone, int64, ascending."""
        rows = self._promising(wanted, k) if within is None else within
        scores = self.scores(wanted, rows)
        rows, scores = rows[scores > 0], scores[scores > 0]
        if len(rows) > k:
            least = np.partition(scores, len(scores) - k)[len(scores) - k]
            rows, scores = rows[scores >= least], scores[scores >= least]
        order = np.argsort(-scores, kind="stable")[:k]
        return rows[order], scores[order]

    def _promising(self, wanted: Wanted, k: int) -> np.ndarray:
        """Rows, ascending: all that can be among the best `k`, and few others.

        The terms are taken in the order of the most that they can add. Once what the rest can add together is less
        than the `k`-th best has already, no other passage can come in: the frequent words, which add least, are hardly
        ever read as a whole (Turtle and Flood 1995, "MaxScore").
        """
        held = self._held(wanted)
        most = {term: weight * float(data.max()) for term, weight, _, data in held}
        rest, least = sum(most.values()), 0.0
        scores = np.zeros(self.passages, dtype=np.float32)
        read = [np.empty(0, dtype=np.int32)]
        for term, weight, passages, data in sorted(held, key=lambda one: -most[one[0]]):
            if rest * _MARGIN < least:
                break
            scores[passages] += np.float32(weight) * data
            rest = max(0.0, rest - most[term])
            read.append(passages)
            if len(passages) >= k:
                own = scores[passages]
                least = max(least, float(np.partition(own, len(own) - k)[len(own) - k]))
        enough = [passages[(scores[passages] + rest) * _MARGIN >= least] for passages in read]
        return np.unique(np.concatenate(enough)).astype(np.int64)

    def scores(self, wanted: Wanted, rows: np.ndarray) -> np.ndarray:
        """(rows,) float32: the scores of these passages."""
        scores = np.zeros(len(rows), dtype=np.float32)
        for weight, group in wanted.groups():
            own = np.zeros(len(rows), dtype=np.float32)
            for term in group:
                own += self._at(term, rows)
            scores += np.float32(weight) * own
        return scores

    def parts(self, wanted: Wanted, row: int) -> dict[str, float]:
        """What the score of a passage is the sum of: each of the terms that it holds."""
        rows = np.array([row])
        parts = {t: weight * float(self._at(t, rows)[0]) for weight, group in wanted.groups() for t in group}
        return {term: part for term, part in parts.items() if part > 0}

    def _at(self, term: str, rows: np.ndarray) -> np.ndarray:
        """(rows,) float32: what a term adds, before its weight, to the scores of these passages."""
        passages, data = self._of(term)
        if not len(passages):
            return np.zeros(len(rows), dtype=np.float32)
        at = np.minimum(np.searchsorted(passages, rows.astype(np.int32)), len(passages) - 1)
        found: np.ndarray = np.where(passages[at] == rows, data[at], np.float32(0))
        return found

    def _held(self, wanted: Wanted) -> list[tuple[str, float, np.ndarray, np.ndarray]]:
        """The terms that some passage holds, with their weights and postings, in their own order."""
        found = ((term, weight, *self._of(term)) for weight, group in wanted.groups() for term in group)
        return [(term, weight, passages, data) for term, weight, passages, data in found if len(passages)]

    def _of(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """The passages that hold a term, ascending, and what it adds to the score of each."""
        if (found := self._lately.get(term)) is None:
            if len(self._lately) >= _LATELY:
                self._lately.clear()
            name, row = self._find(term)
            found = self._lately[term] = self._postings[name].of(row)
        return found


_LATELY = 4096
"""Terms whose place is remembered: a question asks for each of its own several times."""
_MARGIN = 1.0001
"""What is added in another order may be off in its last digits."""


@dataclass(frozen=True, slots=True)
class Postings:
    """at: (terms + 1,) int64, where those of each begin. passages: int32, ascending for a term. scores: float32."""

    at: np.ndarray
    passages: np.ndarray
    scores: np.ndarray

    @classmethod
    def load(cls, folder: Path, name: str, at: np.ndarray) -> Postings:
        made = cls(at, *(mapped(folder / f"{name}_{part}.npy") for part in ("passages", "scores")))
        if not len(made.passages) == len(made.scores) == made.at[-1]:
            raise ValueError(f"the postings of {name} do not belong together")
        return made

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Those of a term; none for -1."""
        here = slice(0, 0) if row < 0 else slice(int(self.at[row]), int(self.at[row + 1]))
        return self.passages[here], self.scores[here]


_TOKENS = 1 << 22
"""Words that are sorted at a time when postings are made: what a build needs of memory, about 200 MB at most."""
_PASSAGES = 1 << 14
"""Passages whose words are read at a time."""


class LexicalBuilder:
    """Makes the files of a `Lexical` in `folder`, in little memory: words are numbered and written down as they come,
    then counted in ranges of the vocabulary, each sorted on its own."""

    def __init__(self, folder: Path, *, k1: float, b: float) -> None:
        self._folder = folder
        self._k1, self._b = k1, b
        self._numbers: dict[str, int] = {}
        self._lengths = array("i")
        folder.mkdir(exist_ok=True)
        self._tokens = Rows(folder / "tokens.npy", np.int32)

    def add(self, passages: Iterable[Sequence[str]]) -> None:
        """The `terms` of the next passages."""
        for passage in passages:
            numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in passage]
            self._tokens.add(np.array(numbers, dtype=np.int32))
            self._lengths.append(len(numbers))

    def close(self) -> None:
        self._tokens.close()

    def finish(self) -> Lexical:
        self.close()
        tokens, lengths = mapped(self._folder / "tokens.npy"), np.frombuffer(self._lengths, dtype=np.int32)
        words = sorted((word.encode(), number) for word, number in self._numbers.items())
        self._numbers = {}
        Strings.write(self._folder, "words", (word for word, _ in words))
        row_of = np.empty(len(words), dtype=np.int64)
        row_of[[number for _, number in words]] = np.arange(len(words))
        of_words = _Counted(self._folder, "words", len(lengths), self._k1, self._b, lengths)
        of_pairs = _Counted(self._folder, "pairs", len(lengths), self._k1, self._b, np.maximum(lengths - 1, 0))
        pairs = Rows(self._folder / "pairs.npy", np.uint64)
        for first, end in _ranges(row_of, tokens):
            found = list(_entries(tokens, lengths, row_of, first, end))
            of_words.add(*(np.concatenate(part) for part in zip(*(words for words, _ in found), strict=True)))
            held = of_pairs.add(*(np.concatenate(part) for part in zip(*(both for _, both in found), strict=True)))
            pairs.add(held.astype(np.uint64))
        for writer in (of_words, of_pairs, pairs):
            writer.close()
        (self._folder / "words.json").write_text(json.dumps({"passages": len(lengths)}), encoding="utf-8")
        del tokens
        (self._folder / "tokens.npy").unlink()
        return Lexical(self._folder)


def _ranges(row_of: np.ndarray, tokens: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of words, each of about `_TOKENS` occurrences or of one word."""
    occurrences = np.zeros(len(row_of), dtype=np.int64)
    for at in range(0, len(tokens), _TOKENS):
        occurrences += np.bincount(row_of[tokens[at : at + _TOKENS]], minlength=len(row_of))
    up_to, first = np.cumsum(occurrences), 0
    while first < len(row_of):
        before = up_to[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(up_to, before + _TOKENS, side="right")))
        yield first, end
        first = end


_Entries = tuple[np.ndarray, np.ndarray]
"""Terms and the passages that they occur in, an entry an occurrence, the passages ascending."""


def _entries(
    tokens: np.ndarray, lengths: np.ndarray, row_of: np.ndarray, first: int, end: int
) -> Iterator[tuple[_Entries, _Entries]]:
    """The words from row `first` to `end` and the pairs that begin with them, some passages at a time."""
    at = 0
    for passage in range(0, len(lengths), _PASSAGES):
        own = lengths[passage : passage + _PASSAGES]
        rows = row_of[tokens[at : at + own.sum()]]
        at += int(own.sum())
        numbers = np.repeat(np.arange(passage, passage + len(own)), own)
        here = np.flatnonzero((rows >= first) & (rows < end))
        followed = here[here + 1 < len(rows)]
        followed = followed[numbers[followed] == numbers[followed + 1]]
        yield (rows[here], numbers[here]), (rows[followed] << 32 | rows[followed + 1], numbers[followed])


class _Counted:
    """Writes the postings of terms that come in ascending order."""

    def __init__(self, folder: Path, name: str, passages: int, k1: float, b: float, lengths: np.ndarray) -> None:
        self._passages = passages
        mean = lengths.mean() if lengths.any() else 1.0
        self._saturation = k1 * ((1 - b) + b * lengths / mean)
        self._at = Rows(folder / f"{name}_postings_at.npy", np.int64)
        self._held_by = Rows(folder / f"{name}_passages.npy", np.int32)
        self._scores = Rows(folder / f"{name}_scores.npy", np.float32)
        self._written = 0
        self._at.add(np.zeros(1))

    def add(self, terms: np.ndarray, passages: np.ndarray) -> np.ndarray:
        """The distinct terms, ascending. Those of several calls ascend too."""
        order = np.argsort(terms, kind="stable")
        terms, passages = terms[order], passages[order]
        new = np.flatnonzero(np.diff(terms, prepend=-1) | np.diff(passages, prepend=-1))
        frequency = np.diff(new, append=len(terms))
        terms, passages = terms[new], passages[new]
        first = np.flatnonzero(np.diff(terms, prepend=-1))
        holders = np.diff(first, append=len(terms))
        rarity = np.log(1 + (self._passages - holders + 0.5) / (holders + 0.5)).astype(np.float32)
        share = frequency / (self._saturation[passages] + frequency)
        self._scores.add(np.repeat(rarity, holders) * share)
        self._held_by.add(passages)
        self._at.add(self._written + np.cumsum(holders))
        self._written += len(passages)
        return terms[first]

    def close(self) -> None:
        for writer in (self._at, self._held_by, self._scores):
            writer.close()
