import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CORPUS, WordEncoder
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import generations
from bot.bot import Bot
from bot.config import Config, PassageSize, Staff
from bot.corpus import read_corpus
from bot.errors import (
    CorpusError,
    IndexCorrupt,
    IndexLocked,
    IndexMissing,
    IndexStale,
    IndexTooNew,
    IndexUnusable,
)
from bot.index import Index
from bot.lexical import Wanted, terms
from bot.passages import cut

CONFIG = Config(passages=PassageSize(max_tokens=32), staff=Staff(generations=2))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("Ketamine\n\nKetamine helps with pain. It may cause dreams.", encoding="utf-8")
    (folder / "b.md").write_text("# Parking\n\nPark behind the house.\n", encoding="utf-8")
    return folder


def build(tmp_path: Path, corpus: Path, encoder: WordEncoder | None = None) -> Path:
    tmp_path.mkdir(exist_ok=True)
    Index.update(tmp_path / "index", corpus, encoder or WordEncoder(), CONFIG)
    return tmp_path / "index"


def answers(folder: Path) -> list[str]:
    """What the index says to a question, by document and range."""
    bot = Bot(Index.load(folder, choice=CONFIG.index), WordEncoder(), CONFIG)
    return [f"{hit.document} {hit.start} {hit.end} {hit.score}" for hit in bot.search("Where can I park?")]


@pytest.mark.usefixtures("engine")
def test_survives_the_disk(tmp_path: Path, corpus: Path) -> None:
    built = Index.build(read_corpus(corpus, CONFIG.corpus), corpus, WordEncoder(), CONFIG)
    loaded = Index.load(build(tmp_path, corpus), choice=CONFIG.index)
    assert loaded.documents == built.documents
    assert list(loaded.passages) == list(built.passages)
    np.testing.assert_array_equal(loaded.passages.keys.array, built.passages.keys.array)
    assert loaded.background == built.background
    rows = np.arange(len(built.passages))
    for part in (0, 1):
        np.testing.assert_array_equal(loaded.engine.sentences(rows)[part], built.engine.sentences(rows)[part])
    assert list(loaded.sources) == list(built.sources)
    assert list(loaded.files) == list(built.files)
    np.testing.assert_array_equal(loaded.engine.vectors(rows), built.engine.vectors(rows))
    assert loaded.corpus is not None
    assert loaded.corpus.resolve() == corpus.resolve()


@pytest.mark.usefixtures("engine")
def test_an_update_embeds_only_what_changed_and_says_so(tmp_path: Path, corpus: Path) -> None:
    encoder = WordEncoder()
    folder = tmp_path / "index"
    first = Index.update(folder, corpus, encoder, CONFIG)
    assert (first.added, first.changed, first.removed, first.unchanged) == (("a.txt", "b.md"), (), (), 0)
    assert first.embedded == first.passages == 2
    assert len(encoder.embedded) == 8, "each passage, heading and sentence; equal texts once"

    encoder.embedded.clear()
    again = Index.update(folder, corpus, encoder, CONFIG)
    assert (again.unchanged, again.embedded, again.generation) == (2, 0, first.generation)
    assert encoder.embedded == []

    (corpus / "b.md").write_text("# Parking\n\nPark in the street.\n", encoding="utf-8")
    (corpus / "c.txt").write_text("We open at nine.", encoding="utf-8")
    (corpus / "a.txt").unlink()
    changed = Index.update(folder, corpus, encoder, CONFIG)
    assert (changed.added, changed.changed, changed.removed) == (("c.txt",), ("b.md",), ("a.txt",))
    assert changed.embedded == 2
    assert "We open at nine." in encoder.embedded
    assert not any("dreams" in text for text in encoder.embedded)
    assert "a.txt" not in Index.load(folder, choice=CONFIG.index).documents


@pytest.mark.usefixtures("engine")
def test_an_update_is_the_same_as_a_build_from_the_start(tmp_path: Path, corpus: Path) -> None:
    folder = build(tmp_path, corpus)
    (corpus / "c.txt").write_text("Bring a friend to drive you home.", encoding="utf-8")
    Index.update(folder, corpus, WordEncoder(), CONFIG)
    other = tmp_path / "other"
    Index.update(other, corpus, WordEncoder(), CONFIG)
    assert answers(folder) == answers(other)


@pytest.mark.usefixtures("engine")
def test_a_renamed_file_keeps_its_vectors(tmp_path: Path, corpus: Path) -> None:
    folder, encoder = build(tmp_path, corpus), WordEncoder()
    (corpus / "a.txt").rename(corpus / "z.txt")
    report = Index.update(folder, corpus, encoder, CONFIG)
    assert (report.added, report.removed, report.embedded) == (("z.txt",), ("a.txt",), 0)
    assert report.renamed == (("a.txt", "z.txt"),)
    assert report.to_dict()["renamed"] == [{"from": "a.txt", "to": "z.txt"}]


@pytest.mark.usefixtures("engine")
def test_only_documents_that_changed_are_cut_again(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(tmp_path, corpus)
    (corpus / "b.md").write_text("# Parking\n\nPark in the street.\n", encoding="utf-8")
    made: list[str] = []
    monkeypatch.setattr("bot.building.cut", lambda document, *rest: (made.append(document.id), cut(document, *rest))[1])
    Index.update(folder, corpus, WordEncoder(), CONFIG)
    assert made == ["b.md"]
    assert answers(folder) == answers(build(tmp_path / "anew", corpus))


def test_a_new_file_that_cannot_be_read_is_remembered(tmp_path: Path, corpus: Path) -> None:
    folder = build(tmp_path, corpus)
    (corpus / "broken.jsonl").write_text("no", encoding="utf-8")
    before = Index.load(folder, choice=CONFIG.index).generation
    report = Index.update(folder, corpus, WordEncoder(), CONFIG)
    assert report.generation != before
    assert [file.source.path for file in Index.load(folder, choice=CONFIG.index).files] == [
        "a.txt",
        "b.md",
        "broken.jsonl",
    ]
    assert Index.update(folder, corpus, WordEncoder(), CONFIG).generation == report.generation


@pytest.mark.usefixtures("engine")
def test_an_empty_corpus_is_refused_and_the_index_stays(tmp_path: Path, corpus: Path) -> None:
    folder = build(tmp_path, corpus)
    before = answers(folder)
    for file in corpus.iterdir():
        file.unlink()
    with pytest.raises(CorpusError, match="nothing to index"):
        Index.update(folder, corpus, WordEncoder(), CONFIG)
    assert answers(folder) == before


# Search against an independent oracle


@given(
    st.lists(st.sampled_from(["pain", "ketamine pain", "park here", "pain", "park"]), min_size=1, max_size=12),
    st.integers(1, 14),
)
@settings(deadline=None)  # it writes files
def test_search_finds_what_numpy_finds(texts: list[str], k: int) -> None:
    """Many equal texts: ties, also at the border of the k best, go by row."""
    encoder = WordEncoder()
    index = index_of(texts, encoder)
    vector = encoder.encode_query("pain and ketamine")
    asked = Wanted.of(terms("pain and ketamine"))
    every = np.arange(len(texts))
    cosines = np.round(index.engine.vectors(every).astype(np.float64) @ vector.astype(np.float64), 6)
    words = index.engine.score(vector, asked, every).lexical
    nearest = sorted(range(len(texts)), key=lambda row: (-cosines[row], row))[:k]
    matching = [row for row in sorted(range(len(texts)), key=lambda row: (-words[row], row)) if words[row] > 0][:k]

    found = index.search(vector, asked, k)
    assert found.rows.tolist() == sorted({*nearest, *matching})
    np.testing.assert_allclose(found.dense, cosines[found.rows])
    best = [encoder.encode_passages([texts[row]]) @ vector for row in found.rows]  # each text is one sentence
    np.testing.assert_allclose(found.sentence, np.ravel(best), atol=2e-3)
    np.testing.assert_array_equal(found.lexical, words[found.rows])
    assert found.dense_rank.tolist() == [nearest.index(row) + 1 if row in nearest else 0 for row in found.rows]
    assert found.lexical_rank.tolist() == [matching.index(row) + 1 if row in matching else 0 for row in found.rows]


def index_of(texts: list[str], encoder: WordEncoder) -> Index:
    from bot.corpus import Corpus
    from bot.documents import Document, Section

    documents = tuple(
        Document(id=str(n), text=text, title="", sections=(Section(0, len(text), ()),), source="x.jsonl", metadata={})
        for n, text in enumerate(texts)
    )
    return Index.build(Corpus(documents), None, encoder, CONFIG)


def test_sentence_vectors_are_those_of_the_sentences(corpus: Path) -> None:
    encoder = WordEncoder()
    index = Index.build(read_corpus(corpus, CONFIG.corpus), corpus, encoder, CONFIG)
    question = encoder.encode_query("vivid dreams")
    for row, passage in enumerate(index.passages):
        text = index.documents[passage.document].text
        alone = encoder.encode_passages([text[start:end] for start, end in passage.sentences])
        np.testing.assert_allclose(index.engine.sentence_cosines(question, row), alone @ question, atol=2e-3)


# Damage


def files_of(folder: Path) -> list[Path]:
    """What an index is read from."""
    return [folder / "CURRENT", *(path for path in sorted((folder / "generations").rglob("*")) if path.is_file())]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b"\n"),
        lambda path: path.unlink(),
    ],
    ids=["flipped bit", "truncated", "emptied", "longer", "gone"],
)
def test_damage_to_any_file_is_refused_with_its_remedy(
    tmp_path: Path, corpus: Path, damage: Callable[[Path], None]
) -> None:
    folder = build(tmp_path, corpus)
    names = [path.relative_to(folder) for path in files_of(folder)]
    assert len(names) >= 10
    for name in names:
        if name.name == "CURRENT" and "longer" in os.environ["PYTEST_CURRENT_TEST"]:
            continue  # a line break more does not change what it says
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        damage(copy / name)
        with pytest.raises((IndexCorrupt, IndexMissing)) as caught:
            Index.load(copy, choice=CONFIG.index)
        assert "bot index" in caught.value.remedy, name
        shutil.rmtree(copy)


@pytest.mark.usefixtures("engine")
def test_a_damaged_index_is_built_again(tmp_path: Path, corpus: Path) -> None:
    folder = build(tmp_path, corpus)
    before = answers(folder)
    for name in [path.relative_to(folder) for path in files_of(folder)]:
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        flip(copy / name)
        report = Index.update(copy, corpus, WordEncoder(), CONFIG)
        assert report.embedded == report.passages, name
        assert answers(copy) == before
        shutil.rmtree(copy)


def test_another_model_or_other_settings_are_refused(tmp_path: Path, corpus: Path) -> None:
    index = Index.load(build(tmp_path, corpus), choice=CONFIG.index)
    other = WordEncoder()
    other.weights_sha256 = "1" * 64
    with pytest.raises(IndexStale, match="built with the model words"):
        Bot(index, other, CONFIG)
    with pytest.raises(IndexStale, match="other settings"):
        Bot(index, WordEncoder(), Config(passages=PassageSize(max_tokens=31)))


@pytest.mark.usefixtures("engine")
def test_vectors_of_another_model_are_never_reused(tmp_path: Path, corpus: Path) -> None:
    folder, other = build(tmp_path, corpus), WordEncoder()
    other.weights_sha256 = "1" * 64
    report = Index.update(folder, corpus, other, CONFIG)
    assert report.embedded == report.passages


@pytest.mark.usefixtures("engine")
def test_a_newer_format_is_refused_and_not_overwritten(tmp_path: Path, corpus: Path) -> None:
    folder = build(tmp_path, corpus)
    [manifest] = folder.rglob("manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 999}))
    for use in (
        lambda: Index.load(folder, choice=CONFIG.index),
        lambda: Index.update(folder, corpus, WordEncoder(), CONFIG),
    ):
        with pytest.raises(IndexTooNew, match="format 999") as caught:
            use()
        assert "Upgrade" in caught.value.remedy
    Index.update(folder, corpus, WordEncoder(), CONFIG, rebuild=True)
    assert answers(folder)


def test_no_index_yet(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing) as caught:
        Index.load(tmp_path)
    assert caught.value.remedy == "Build it: bot index"


# Writers and readers


def test_one_writer_at_a_time(tmp_path: Path, corpus: Path) -> None:
    folder = build(tmp_path, corpus)
    with FileLock(folder / ".lock"), pytest.raises(IndexLocked, match="another process") as caught:
        Index.update(folder, corpus, WordEncoder(), CONFIG)
    assert "Wait" in caught.value.remedy


@pytest.mark.usefixtures("engine")
def test_only_the_generation_in_use_and_the_one_before_are_kept(tmp_path: Path, corpus: Path) -> None:
    for n in range(4):
        (corpus / "n.txt").write_text(f"Note {n}.", encoding="utf-8")
        folder = build(tmp_path, corpus)
    assert sorted(path.name for path in (folder / "generations").iterdir()) == ["000003", "000004"]


def test_a_reader_whose_generation_is_swapped_away_reads_the_next(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(tmp_path, corpus)
    checked = generations._checked
    swapped = []

    def swap_first(here: Path, *how: object) -> generations.Generation:
        if not swapped:
            swapped.append(here)
            for n in range(2):
                (corpus / "n.txt").write_text(f"Note {n}.", encoding="utf-8")
                build(tmp_path, corpus)
            assert not here.exists()
        return checked(here, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(generations, "_checked", swap_first)
    assert generations.current(folder).id == "000003"


@pytest.mark.parametrize("call", ["open", "fsync", "replace", "mkdir"])
def test_a_build_that_fails_at_any_step_leaves_the_old_index_answering(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    folder = build(tmp_path, corpus)
    before = answers(folder)
    (corpus / "c.txt").write_text("Where to park: behind the house.", encoding="utf-8")
    real, failed = getattr(os, call), 0
    for step in range(1, 100):
        calls = 0

        def fail_at(*arguments: object, step: int = step, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == step:
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail_at)
            try:
                Index.update(folder, corpus, WordEncoder(), CONFIG)
            except IndexUnusable as error:
                failed += "No space left" in error.problem
            else:
                break
        if answers(folder) != before:
            break  # it failed after the swap: the new index serves, whole
    assert failed or call == "mkdir"
    Index.update(folder, corpus, WordEncoder(), CONFIG)
    assert any("c.txt" in answer for answer in answers(folder))


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from conftest import WordEncoder
from bot.config import Config, Searching, PassageSize
from bot.index import Index
print("ready", flush=True)
corpus, n = Path(sys.argv[1]), 0
config = Config(passages=PassageSize(max_tokens=32), index=Searching(sys.argv[4], sys.argv[5]))
while True:
    n += 1
    (corpus / "n.txt").write_text(f"Note {n}: park in street {n}.", encoding="utf-8")
    Index.update(Path(sys.argv[2]), corpus, WordEncoder(), config)
"""


@pytest.mark.usefixtures("engine")
def test_a_build_that_is_killed_at_any_moment_leaves_an_index_that_answers(tmp_path: Path, corpus: Path) -> None:
    folder = build(tmp_path, corpus)
    for kill in range(6):
        command = [sys.executable, "-c", KILLED, str(corpus), str(folder), str(Path(__file__).parent)]
        command += [CONFIG.index.engine, CONFIG.index.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as builder:
            assert builder.stdout is not None
            assert builder.stdout.readline() == b"ready\n"
            time.sleep(0.05 + 0.037 * kill)
            builder.send_signal(signal.SIGKILL)
        assert any(answer.startswith("b.md") for answer in answers(folder))
    assert Index.update(folder, corpus, WordEncoder(), CONFIG).generation


def test_the_shipped_corpus_is_the_operators_document_byte_for_byte() -> None:
    import hashlib

    data = (CORPUS / "ketamine-for-chronic-pain.txt").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "840fd5dbf4f3e62f5ba2438e822b06ea0e096a20ca046d00da71e76fb3a3241d"


STOPPED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from conftest import WordEncoder
from bot import building
from bot.config import Config, PassageSize
from bot.index import Index
building.BLOCK = building.AT_ONCE = 4

class Dying(WordEncoder):
    def encode_passages(self, texts, *, progress=False):
        if len(self.embedded) > int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_passages(texts)

Index.update(Path(sys.argv[2]), Path(sys.argv[1]), Dying(), Config(passages=PassageSize(max_tokens=32)))
"""


def killed_build(corpus: Path, folder: Path, after: int) -> None:
    """A build that gets SIGKILL after so many texts were embedded."""
    command = [sys.executable, "-c", STOPPED, str(corpus), str(folder), str(Path(__file__).parent), str(after)]
    assert subprocess.run(command, timeout=300).returncode == -signal.SIGKILL


def test_a_build_goes_on_where_one_was_killed(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(30):
        (corpus / f"n{n}.txt").write_text(f"Note {n}: park in street {n}. Then come in.", encoding="utf-8")
    folder = tmp_path / "index"
    for after in (25, 20):  # the second goes on from the first, and is killed later
        killed_build(corpus, folder, after)
    assert not (folder / "CURRENT").exists()
    monkeypatch.setattr("bot.building.BLOCK", 4)
    encoder, alone = WordEncoder(), WordEncoder()
    Index.update(folder, corpus, encoder, CONFIG)
    Index.update(tmp_path / "other", corpus, alone, CONFIG)
    assert len(encoder.embedded) < len(alone.embedded) - 30
    assert answers(folder) == answers(tmp_path / "other")
    for name in ("vectors.npy", "sentences.npy", "keys.npy", "bm25/words_scores.npy"):
        [mine], [other] = ((home / "generations").glob(f"*/{name}") for home in (folder, tmp_path / "other"))
        assert mine.read_bytes() == other.read_bytes()
    assert not [path for path in folder.iterdir() if path.name in (".building", ".left")]


@pytest.mark.parametrize("name", ["vectors.npy", "sentences.npy", "keys.npy", "blocks.jsonl", "about.json"])
def test_what_a_killed_build_left_is_used_only_where_it_is_whole(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for n in range(20):
        (corpus / f"n{n}.txt").write_text(f"Note {n}: park in street {n}.", encoding="utf-8")
    folder = tmp_path / "index"
    killed_build(corpus, folder, 30)
    left = folder / ".building" / name
    data = bytearray(left.read_bytes())
    data[-5] ^= 4
    left.write_bytes(data[:-1])
    monkeypatch.setattr("bot.building.BLOCK", 4)
    Index.update(folder, corpus, WordEncoder(), CONFIG)
    assert answers(folder) == answers(build(tmp_path, corpus))


def test_nothing_of_a_build_for_another_model_is_used(tmp_path: Path, corpus: Path) -> None:
    for n in range(20):
        (corpus / f"n{n}.txt").write_text(f"Note {n}: park in street {n}.", encoding="utf-8")
    killed_build(corpus, tmp_path / "index", 30)
    other = WordEncoder()
    other.weights_sha256 = "1" * 64
    Index.update(tmp_path / "index", corpus, other, CONFIG)
    again = WordEncoder()
    Index.update(tmp_path / "other", corpus, again, CONFIG)
    assert len(other.embedded) == len(again.embedded)
