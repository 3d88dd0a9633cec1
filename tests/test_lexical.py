import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.lexical import PAIR_WEIGHT, Lexical, Wanted, terms

TEXTS = [
    "Ketamine is a drug for pain.",
    "Pain, pain and more pain: take 2.5 mg.",
    "",
    "🙂",
    "Drugs like ketamine's relatives",
]


def scores(lexical: Lexical, question: str) -> np.ndarray:
    return lexical.scores(Wanted.of(terms(question)), np.arange(lexical.passages))


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
def test_scores_follow_the_formula_for_any_texts(texts: list[str], question: str) -> None:
    lexical = Lexical.build(texts, k1=0.9, b=0.4)
    found = scores(lexical, question)
    assert found.shape == (len(texts),)
    np.testing.assert_allclose(found, bm25(texts, question, 0.9, 0.4), rtol=1e-5, atol=1e-7)


def test_idf_is_highest_for_an_unknown_term() -> None:
    lexical = Lexical.build(TEXTS, k1=0.9, b=0.4)
    assert lexical.idf("pain") == pytest.approx(math.log(1 + 3.5 / 2.5))
    assert lexical.idf("penguin") == pytest.approx(math.log(1 + 5.5 / 0.5))


@pytest.mark.parametrize("texts", [[""], ["🙂", "🙂 🙂"], ["the of and"]])
def test_texts_without_a_single_term(texts: list[str], tmp_path: Path) -> None:
    Lexical.build(texts, k1=0.9, b=0.4).save(tmp_path)
    lexical = Lexical.load(tmp_path)
    assert lexical.known(["", "pain"]) == []
    assert scores(lexical, "").tolist() == [0.0] * len(texts)


def test_survives_the_disk(tmp_path: Path) -> None:
    lexical = Lexical.build(TEXTS, k1=0.9, b=0.4)
    lexical.save(tmp_path)
    loaded, question = Lexical.load(tmp_path), "a drug for pain"
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
