"""Words: tokenising, and BM25 over them."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

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


def _bm25s() -> Any:
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # importing it sets it to DEBUG
    return bm25s


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


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


_ARRAYS = ("data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy")
_VOCABULARY, _PARAMETERS = "vocab.index.json", "params.index.json"


class Lexical(Words):
    """BM25 over the words of passages, and with a lower weight over their pairs of neighbouring words.

    Lucene's form: ``idf · tf / (tf + k1 · (1 - b + b · length / mean length))`` with
    ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``. Source: Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020.
    Scores are 0 or more; 0 where no word is shared. A length is a number of words, for a pair one of pairs.
    """

    def __init__(self, words: _Bm25, pairs: _Bm25) -> None:
        if words.passages != pairs.passages:
            raise ValueError(f"{words.passages} passages of words and {pairs.passages} of pairs")
        self._words = words
        self._pairs = pairs
        self.passages = words.passages

    @classmethod
    def build(cls, texts: Iterable[str], *, k1: float, b: float) -> Lexical:
        return cls.of_words([terms(text) for text in texts], k1=k1, b=b)

    @classmethod
    def of_words(cls, passages: Sequence[list[str]], *, k1: float, b: float) -> Lexical:
        """passages: the `terms` of each, in order."""
        return cls(_Bm25.build(passages, k1=k1, b=b), _Bm25.build([pairs(p) for p in passages], k1=k1, b=b))

    def save(self, folder: Path) -> None:
        self._words.save(folder / "words")
        self._pairs.save(folder / "pairs")

    @classmethod
    def load(cls, folder: Path) -> Lexical:
        return cls(_Bm25.load(folder / "words"), _Bm25.load(folder / "pairs"))

    def holders(self, terms: Sequence[str]) -> list[int]:
        return [len(self._postings(term)[0]) for term in terms]

    def postings(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Each term that a passage holds, in the order of their UTF-8, with these passages, ascending, and what it adds
        to the score of each."""
        for term in sorted([*self._words.rows, *self._pairs.rows], key=str.encode):
            if term:
                yield term, *self._postings(term)

    def best(self, wanted: Wanted, k: int, within: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The `k` passages with the highest scores over 0 and these scores, best first, equal ones by row; fewer if
        there are not as many. within: of these rows alone, int64, ascending."""
        if within is None:
            scores = np.zeros(self.passages, dtype=np.float32)
            for weight, group in wanted.groups():
                own = np.zeros(self.passages, dtype=np.float32)
                for term in group:
                    passage, data = self._postings(term)
                    own[passage] += data
                scores += np.float32(weight) * own
            rows = np.flatnonzero(scores > 0)
            scores = scores[rows]
        else:
            scores = self.scores(wanted, within)
            rows, scores = within[scores > 0], scores[scores > 0]
        if len(rows) > k:
            least = np.partition(scores, len(scores) - k)[len(scores) - k]
            rows, scores = rows[scores >= least], scores[scores >= least]
        order = np.argsort(-scores, kind="stable")[:k]
        return rows[order], scores[order]

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
        passage, data = self._postings(term)
        if not len(passage):
            return np.zeros(len(rows), dtype=np.float32)
        at = np.minimum(np.searchsorted(passage, rows), len(passage) - 1)
        found: np.ndarray = np.where(passage[at] == rows, data[at], np.float32(0))
        return found

    def _postings(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """The passages that hold a term, ascending, and what it adds to the score of each."""
        return (self._pairs if " " in term else self._words).postings(term)


@dataclass(frozen=True, slots=True)
class _Bm25:
    """An index over lists of terms: what bm25s computes, as sparse columns. Importing bm25s takes longer than
    answering a question, so only a build does.

    rows: the place of each term. data, passage: its scores, and which passages have them, ascending: those of the term
    at `row` from ``starts[row]`` to ``starts[row + 1]``, each passage once.
    """

    rows: Mapping[str, int]
    data: np.ndarray
    passage: np.ndarray
    starts: np.ndarray
    passages: int

    @classmethod
    def build(cls, passages: Sequence[list[str]], *, k1: float, b: float) -> _Bm25:
        if not any(passages):  # nothing but emoji, say: bm25s needs one term, and nobody asks for ""
            passages = [[""]] * len(passages)
        vocabulary = {term: row for row, term in enumerate(sorted(set().union(*passages)))}
        bm25 = _bm25s().BM25(method="lucene", k1=k1, b=b)
        bm25.index(([[vocabulary[t] for t in p] for p in passages], vocabulary), show_progress=False)
        scores = bm25.scores
        return cls(vocabulary, scores["data"], scores["indices"], scores["indptr"], len(passages))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in zip(_ARRAYS, (self.data, self.passage, self.starts), strict=True):
            np.save(folder / name, array, allow_pickle=False)
        (folder / _VOCABULARY).write_text(json.dumps(self.rows), encoding="utf-8")
        (folder / _PARAMETERS).write_text(json.dumps({"num_docs": self.passages}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> _Bm25:
        rows = json.loads((folder / _VOCABULARY).read_text(encoding="utf-8"))
        parameters = json.loads((folder / _PARAMETERS).read_text(encoding="utf-8"))
        data, passage, starts = (
            np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False)) for name in _ARRAYS
        )
        return cls(rows, data, passage, starts, int(parameters["num_docs"]))

    def postings(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        row = self.rows.get(term) if term else None
        here = slice(0, 0) if row is None else slice(self.starts[row], self.starts[row + 1])
        return self.passage[here], self.data[here]
