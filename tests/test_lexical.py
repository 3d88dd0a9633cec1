import math
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.lexical import PAIR_WEIGHT, Lexical, LexicalBuilder, Wanted, pairs, terms

TEXTS = [
    "Ketamine is a drug for pain.",
    "Pain, pain and more pain: take 2.5 mg.",
    "",
    "🙂",
    "Drugs like ketamine's relatives",
]


def scores(lexical: Lexical, question: str) -> np.ndarray:
    return lexical.scores(Wanted.of(terms(question)), np.arange(lexical.passages))


def stored(texts: list[str], folder: Path) -> Lexical:
    builder = LexicalBuilder(folder, k1=0.9, b=0.4)
    builder.add([terms(text) for text in texts])
    builder.finish()
    return Lexical(folder)


def bm25(texts: list[str], question: str, k1: float, b: float) -> list[float]:
    """Lucene's BM25 written out from its formula, over the words and over pairs of neighbours."""
    words, asked = [terms(text) for text in texts], terms(question)
    pairs = [list(pairwise(document)) for document in words]
    both = zip(formula(words, asked, k1, b), formula(pairs, [*pairwise(asked)], k1, b), strict=True)
    return [word + PAIR_WEIGHT * pair for word, pair in both]


def formula(documents: list[list[Any]], query: list[Any], k1: float, b: float) -> list[float]:
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for term in set(query):
            df = sum(term in other for other in documents)
            tf = document.count(term)
            if tf:
                idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
                score += idf * tf / (tf + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.5, 0.75), (0.0, 0.0)])
def test_scores_follow_the_formula(k1: float, b: float) -> None:
    lexical = Lexical.build(TEXTS, k1=k1, b=b)
    question = "Is 2.5 mg of the drug ketamine good for pain?"
    np.testing.assert_allclose(scores(lexical, question), bm25(TEXTS, question, k1, b), rtol=1e-5)


@given(st.lists(st.text(alphabet="ab c", max_size=12), min_size=1, max_size=8), st.text(alphabet="ab c", max_size=8))
@settings(deadline=None)  # it writes files
def test_scores_follow_the_formula_for_any_texts(texts: list[str], question: str) -> None:
    lexical = Lexical.build(texts, k1=0.9, b=0.4)
    found = scores(lexical, question)
    assert found.shape == (len(texts),)
    np.testing.assert_allclose(found, bm25(texts, question, 0.9, 0.4), rtol=1e-5, atol=1e-7)


WORDS = st.sampled_from(["pain", "sickle", "cell", "mg", "2.5", "crisis", "naïve"])
PASSAGES = st.lists(st.lists(WORDS, max_size=12), min_size=1, max_size=20)


@given(PASSAGES, st.integers(1, 9), st.integers(1, 5))
@settings(deadline=None)  # it writes files
def test_postings_are_those_of_bm25s_however_few_are_sorted_at_a_time(
    passages: list[list[str]], words_at_a_time: int, passages_at_a_time: int
) -> None:
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setattr("bot.lexical._TOKENS", words_at_a_time)
        patched.setattr("bot.lexical._PASSAGES", passages_at_a_time)
        builder = LexicalBuilder(Path(folder), k1=1.2, b=0.75)
        builder.add(passages)
        lexical = builder.finish()
    for these in (passages, [pairs(passage) for passage in passages]):
        vocabulary = {term: number for number, term in enumerate(sorted(set().union(*these)))}
        if not vocabulary:
            continue
        oracle = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        oracle.index(([[vocabulary[term] for term in one] for one in these], dict(vocabulary)), show_progress=False)
        scores = oracle.scores
        for term, number in vocabulary.items():
            held_by, data = lexical._of(term)
            here = slice(scores["indptr"][number], scores["indptr"][number + 1])
            np.testing.assert_array_equal(held_by, scores["indices"][here])
            np.testing.assert_array_equal(data, scores["data"][here])


@given(PASSAGES, st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=3), st.integers(1, 25))
@settings(deadline=None)  # it writes files
def test_the_best_are_those_of_all_scores(passages: list[list[str]], asked: list[str], more: list[str], k: int) -> None:
    lexical = Lexical.build([" ".join(passage) for passage in passages], k1=1.2, b=0.75)
    wanted = Wanted.of(asked, more, 0.3)
    every = lexical.scores(wanted, np.arange(len(passages)))
    best = [row for row in np.lexsort((np.arange(len(every)), -every)).tolist() if every[row] > 0][:k]
    rows, found = lexical.best(wanted, k)
    assert rows.tolist() == best
    np.testing.assert_array_equal(found, every[best])
    odd = np.arange(1, len(passages), 2)
    assert (
        lexical.best(wanted, k, odd)[0].tolist()
        == [row for row in np.lexsort((np.arange(len(every)), -every)).tolist() if every[row] > 0 and row % 2][:k]
    )


def test_idf_is_highest_for_an_unknown_term() -> None:
    lexical = Lexical.build(TEXTS, k1=0.9, b=0.4)
    assert lexical.idf("pain") == pytest.approx(math.log(1 + 3.5 / 2.5))
    assert lexical.idf("penguin") == pytest.approx(math.log(1 + 5.5 / 0.5))


@pytest.mark.parametrize("texts", [[""], ["🙂", "🙂 🙂"], ["the of and"]])
def test_texts_without_a_single_term(texts: list[str], tmp_path: Path) -> None:
    lexical = stored(texts, tmp_path)
    assert lexical.known(["", "pain"]) == []
    assert scores(lexical, "").tolist() == [0.0] * len(texts)


def test_survives_the_disk(tmp_path: Path) -> None:
    lexical = Lexical.build(TEXTS, k1=0.9, b=0.4)
    loaded, question = stored(TEXTS, tmp_path), "a drug for pain"
    assert loaded.known(terms(question)) == lexical.known(terms(question)) == ["drug", "pain"]
    np.testing.assert_array_equal(scores(loaded, question), scores(lexical, question))


def test_neighbours_count_more_than_words_apart() -> None:
    lexical = Lexical.build(["sickle cell disease", "cell of a sickle, disease", "other"], k1=0.9, b=0.4)
    together, apart, _ = scores(lexical, "sickle cell disease")
    assert together > apart > 0


def test_terms_are_folded_stemmed_content_words() -> None:
    assert terms("What are the SIDE-EFFECTS of Ketamine’s infusions?") == ["side", "effect", "ketamin", "infus"]
    assert terms("2.5 mg at 9:30, ﬁne") == ["2.5", "mg", "9:30", "fine"]
    assert terms("isn't it?") == terms("Isn’t it?") == []


def test_holds_and_together() -> None:
    lexical = Lexical.build(["Sickle cell disease hurts.", "A nurse draws blood."], k1=1.2, b=0.75)
    assert lexical.together("sickle", "cells")
    assert not lexical.together("sickle", "nurse")
    assert lexical.holds("the nurse")
    assert lexical.holds("sickle cell")
    assert not lexical.holds("sickle blood")
    assert not lexical.holds("the")
    assert not lexical.holds("pasta")
