"""The engine on this machine: rows of some documents alone, and lists where an exact search would take too long."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import WordEncoder

from bot.bot import Bot
from bot.config import Config, PassageSize, Searching
from bot.corpus import Corpus
from bot.documents import Document, Section
from bot.errors import IndexUnusable
from bot.index import Index
from bot.lexical import Wanted, terms

EXACT = Config(passages=PassageSize(max_tokens=32))
LISTS = Config(passages=PassageSize(max_tokens=32), index=Searching(exact_up_to=100, recall=0.9))
WORDS = "pain ketamine park street nurse blood dream infusion opioid leg arm sleep drive friend hospital dose".split()


def corpus(size: int) -> Corpus:
    random = np.random.default_rng(0)
    texts = [f"{' '.join(random.choice(WORDS, 4))} {n % 7}" for n in range(size)]
    return Corpus(
        tuple(
            Document(id=str(n), text=text, title="", sections=(Section(0, len(text), ()),), source="x.jsonl")
            for n, text in enumerate(texts)
        )
    )


@pytest.fixture(scope="module")
def exact() -> Index:
    return Index.build(corpus(800), None, WordEncoder(), EXACT)


@pytest.fixture(scope="module")
def near() -> Index:
    return Index.build(corpus(800), None, WordEncoder(), LISTS)


def test_lists_find_what_an_exact_search_finds_as_often_as_was_measured(exact: Index, near: Index) -> None:
    assert exact.engine.save(Path())["near"] is None
    told = near.engine.save(Path())["near"]
    assert told["recall"] >= 0.9
    random, shares = np.random.default_rng(1), []
    for _ in range(100):
        vector = WordEncoder().encode_query(" ".join(random.choice(WORDS, 3)))
        _, cosines = exact.engine.nearest(vector, 10)
        rows, found = near.engine.nearest(vector, 10)
        np.testing.assert_array_equal(found, np.sort(found)[::-1])
        np.testing.assert_allclose(found, np.round(near.engine.vectors(rows).astype(np.float64) @ vector, 6), atol=1e-6)
        shares.append(np.mean(found >= cosines[-1]))
    assert np.mean(shares) >= 0.85


def test_scores_and_words_are_exact_with_lists_too(exact: Index, near: Index) -> None:
    vector, wanted = WordEncoder().encode_query("pain dream"), Wanted.of(terms("pain dream"))
    rows = np.array([0, 5, 799])
    for one, other in zip(exact.engine.matching(wanted, 20), near.engine.matching(wanted, 20), strict=True):
        np.testing.assert_array_equal(one, other)
    one, other = (index.engine.score(vector, wanted, rows) for index in (exact, near))
    np.testing.assert_array_equal(one.dense, other.dense)
    np.testing.assert_array_equal(one.lexical, other.lexical)


def test_equal_builds_search_alike(near: Index) -> None:
    again = Index.build(corpus(800), None, WordEncoder(), LISTS)
    vector = WordEncoder().encode_query("opioid dose")
    for one, other in zip(near.engine.nearest(vector, 50), again.engine.nearest(vector, 50), strict=True):
        np.testing.assert_array_equal(one, other)


def test_many_are_looked_for_among_all(exact: Index, near: Index) -> None:
    vector = WordEncoder().encode_query("pain")
    one, other = (index.engine.nearest(vector, 1001)[0] for index in (exact, near))
    np.testing.assert_array_equal(one, other)
    assert len(one) == 800


@pytest.mark.parametrize("which", ["exact", "near"])
def test_some_documents_can_be_searched_alone(which: str, request: pytest.FixtureRequest) -> None:
    index: Index = request.getfixturevalue(which)
    wanted = ["3", "4", "500"]
    vector, words = WordEncoder().encode_query("nurse leg"), Wanted.of(terms("nurse leg pain"))
    found = index.search(vector, words, 10, within=index.rows_of(wanted))
    assert [index.passages[row].document for row in found.rows.tolist()] == wanted
    assert sorted(found.dense_rank.tolist()) == [1, 2, 3]
    assert not len(index.search(vector, words, 10, within=index.rows_of([])).rows)


def test_a_recall_that_cannot_be_reached_is_refused_and_the_index_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [json.dumps({"_id": document.id, "text": document.text}) for document in corpus(300).documents]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    home, encoder = tmp_path / "index", WordEncoder()
    Index.update(home, folder, encoder, EXACT)
    with monkeypatch.context() as patched:
        patched.setattr("bot.vectors.Lists.search", lambda self, vector, k, probes: np.arange(5))
        with pytest.raises(IndexUnusable, match=r"less than \[index\] recall = 0.9") as caught:
            Index.update(home, folder, encoder, LISTS)
    assert "exact_up_to" in caught.value.remedy
    before = Index.load(home)
    assert before.generation == "000001"
    encoder.embedded.clear()
    report = Index.update(home, folder, encoder, LISTS)
    assert (report.generation, report.embedded, encoder.embedded) == ("000002", 0, [])
    manifest = json.loads((home / "generations" / "000002" / "manifest.json").read_text())
    assert manifest["engine"]["near"]["recall"] >= 0.9
    assert Bot(Index.load(home), encoder, LISTS).search("pain in the leg")
    assert Index.update(home, folder, encoder, LISTS).generation == "000002"
