"""Words: tokenising, and BM25 over them."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
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


_ARRAYS = ("data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy")
_VOCABULARY, _PARAMETERS = "vocab.index.json", "params.index.json"

PAIR_WEIGHT = 0.5
"""How much two neighbouring words count, when a passage has them as neighbours too, beside the words themselves."""


class Lexical:
    """BM25 over the words of passages, and with a lower weight over their pairs of neighbouring words.

    Lucene's form: ``idf · tf / (tf + k1 · (1 - b + b · length / mean length))`` with
    ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``. Source: Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020.
    Scores are 0 or more; 0 where no word is shared.
    """

    def __init__(self, words: _Bm25, pairs: _Bm25) -> None:
        if words.passages != pairs.passages:
            raise ValueError(f"{words.passages} passages of words and {pairs.passages} of pairs")
        self._words = words
        self._pairs = pairs
        self.passages = words.passages

    @classmethod
    def build(cls, texts: Iterable[str], *, k1: float, b: float) -> Lexical:
        passages = [terms(text) for text in texts]
        return cls(_Bm25.build(passages, k1=k1, b=b), _Bm25.build([_pairs(p) for p in passages], k1=k1, b=b))

    def save(self, folder: Path) -> None:
        self._words.save(folder / "words")
        self._pairs.save(folder / "pairs")

    @classmethod
    def load(cls, folder: Path) -> Lexical:
        return cls(_Bm25.load(folder / "words"), _Bm25.load(folder / "pairs"))

    def known(self, query: Sequence[str]) -> list[str]:
        """The distinct terms of `query` that some passage holds, sorted."""
        return self._words.known(query)

    def holds(self, text: str) -> bool:
        """Whether `text` has content words, and passages have each of them and each two that are neighbours."""
        wanted = terms(text)
        pairs = _pairs(wanted)
        return bool(wanted) and all(
            len(part.known(these)) == len(set(these)) for part, these in ((self._words, wanted), (self._pairs, pairs))
        )

    def together(self, first: str, second: str) -> bool:
        """Whether two content words are neighbours in some passage."""
        return bool(self._pairs.known(_pairs([*terms(first), *terms(second)])))

    def idf(self, term: str) -> float:
        """Inverse document frequency; a term in no passage has the highest, ``ln(1 + 2N + 1)``."""
        return self._words.idf(term)

    def weights(self, query: Sequence[str]) -> dict[str, float]:
        """The idf of each distinct term of `query`, in the terms' own order so that sums are the same every time."""
        return {term: self.idf(term) for term in sorted(set(query))}

    def scores(self, query: Sequence[str]) -> np.ndarray:
        """(passages,) float32: the score of each passage for `query`, its terms in order; repeats count once."""
        scores: np.ndarray = self._words.scores(query) + np.float32(PAIR_WEIGHT) * self._pairs.scores(_pairs(query))
        return scores

    def parts(self, query: Sequence[str]) -> dict[str, np.ndarray]:
        """What `scores` is the sum of: (passages,) float32 for each known term, and for each pair of neighbours as
        two terms with a space between."""
        words = {term: self._words.scores([term]) for term in self._words.known(query)}
        pairs = self._pairs.known(_pairs(query))
        return words | {pair: np.float32(PAIR_WEIGHT) * self._pairs.scores([pair]) for pair in pairs}


def _pairs(passage: Sequence[str]) -> list[str]:
    return [f"{first} {second}" for first, second in pairwise(passage)]


@dataclass(frozen=True, slots=True)
class _Bm25:
    """An index over lists of terms: what bm25s computes, as sparse columns. Importing bm25s takes longer than
    answering a question, so only a build does.

    rows: the place of each term. data, passage: its scores, and which passages have them: those of the term at `row`
    from ``starts[row]`` to ``starts[row + 1]``, each passage once.
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

    def known(self, query: Sequence[str]) -> list[str]:
        return sorted({term for term in query if term and term in self.rows})

    def idf(self, term: str) -> float:
        row = self.rows.get(term) if term else None
        df = 0 if row is None else int(self.starts[row + 1] - self.starts[row])
        return float(np.log1p((self.passages - df + 0.5) / (df + 0.5)))

    def scores(self, query: Sequence[str]) -> np.ndarray:
        scores = np.zeros(self.passages, dtype=np.float32)
        for term in self.known(query):
            row = self.rows[term]
            here = slice(self.starts[row], self.starts[row + 1])
            scores[self.passage[here]] += self.data[here]
        return scores
