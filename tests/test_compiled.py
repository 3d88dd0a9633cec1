import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from conftest import CORPUS, WordEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from test_answer import ASKED, told

from bot import export
from bot.bot import Bot
from bot.check import check
from bot.compiled import ABOUT, BATCH, FOLDER, MODEL, TOKENIZER, CompiledEncoder, batches
from bot.config import Config, ModelChoice
from bot.embed import Encoder, SentenceTransformerEncoder, load_encoder
from bot.errors import IndexCorrupt, IndexStale, ModelError
from bot.export import Refused, compare
from bot.index import Index

AUTO, ONNX, TORCH = (Config(model=ModelChoice(backend=backend)) for backend in ("auto", "onnx", "torch"))


@pytest.fixture(scope="module")
def folder(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the default model."""
    folder = tmp_path_factory.mktemp("compiled")
    assert isinstance(encoder, SentenceTransformerEncoder)
    export.export(encoder, ModelChoice(), folder)
    return folder


@pytest.fixture(scope="module")
def compiled(folder: Path) -> CompiledEncoder:
    return CompiledEncoder(folder, ModelChoice())


@pytest.fixture(scope="module")
def built(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with a compiled encoder; not to be changed."""
    folder = tmp_path_factory.mktemp("built") / "index"
    Index.update(folder, CORPUS, encoder, AUTO)
    return folder


def update(folder: Path, encoder: Encoder, config: Config = AUTO) -> Index:
    index = Index.update(folder, CORPUS, encoder, config).index
    assert index is not None
    return index


# Beside the reference


def test_it_is_the_same_model(compiled: CompiledEncoder, encoder: Encoder) -> None:
    for name in ("name", "weights_sha256", "dimension", "window"):
        assert getattr(compiled, name) == getattr(encoder, name)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200))
def test_any_text_has_the_tokens_and_the_vector_of_the_reference(
    compiled: CompiledEncoder, encoder: Encoder, text: str
) -> None:
    assert compiled.count_tokens([text]) == encoder.count_tokens([text])
    found = compiled.encode_query(text)
    assert found.shape == (384,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, encoder.encode_query(text), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from(["pain", "", "take 2.5 mg ", "Übelkeit "]).map(lambda word: word * 40), max_size=40))
def test_passages_of_any_length_keep_their_order(compiled: CompiledEncoder, encoder: Encoder, texts: list[str]) -> None:
    found = compiled.encode_passages(texts)
    assert found.shape == (len(texts), 384)
    np.testing.assert_allclose(found, encoder.encode_passages(texts), rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", ["I feel sick after it. " * 200, "x" * 5000, "a " * 254, "a " * 255, "é漢 " * 300])
def test_a_long_question_is_read_in_the_same_parts(compiled: CompiledEncoder, encoder: Encoder, text: str) -> None:
    np.testing.assert_allclose(compiled.encode_query(text), encoder.encode_query(text), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.text("ab .", max_size=20), max_size=30), st.randoms(use_true_random=False))
def test_a_vector_depends_on_its_text_alone(compiled: CompiledEncoder, texts: list[str], random: Random) -> None:
    alone = {text: compiled.encode_query(text) for text in texts}
    random.shuffle(texts)
    for text, beside in zip(texts, compiled.encode_passages(texts), strict=True):
        assert np.array_equal(beside, alone[text])


@given(st.lists(st.integers(0, 600), max_size=300))
def test_a_batch_holds_texts_of_one_length(lengths: list[int]) -> None:
    made = list(batches(lengths))
    assert sorted(row for rows in made for row in rows) == list(range(len(lengths)))
    assert all(len({lengths[row] for row in rows}) == 1 for rows in made)
    assert all(len(rows) == 1 or sum(lengths[row] for row in rows) <= BATCH for rows in made)


def test_padding_does_not_count(compiled: CompiledEncoder) -> None:
    alone = compiled.encode_query("Is it safe?")
    for other in ("pain", "pain " * 200):
        beside = compiled.encode_passages([other, "Is it safe?"])[1]
        np.testing.assert_allclose(beside, alone, rtol=0, atol=1e-6)


def test_prompts_take_part(folder: Path) -> None:
    choice = ModelChoice(query_prompt="query: ", document_prompt="passage: ")
    made, reference = CompiledEncoder(folder, choice), load_encoder(choice)
    assert made.window == reference.window
    compare(made, reference)


def test_threads_do_not_disturb_each_other(compiled: CompiledEncoder) -> None:
    texts = ["Is it safe?", "pain " * 400, "Can I drive?", "?"]
    alone = [compiled.encode_query(text) for text in texts]
    same: list[bool] = []

    def ask(row: int) -> None:
        for _ in range(10):
            compiled.count_tokens(texts)
            same.append(np.array_equal(compiled.encode_query(texts[row]), alone[row]))

    threads = [threading.Thread(target=ask, args=(row,)) for row in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(same) == 40
    assert all(same)


# In an index


def test_an_index_holds_it_and_says_how_near_it_is(built: Path) -> None:
    index = Index.load(built)
    assert index.compiled is not None
    assert index.compiled.folder is not None
    assert index.compiled.facts["most_apart"] <= 1e-5
    assert index.compiled.facts["least_cosine"] >= 0.999999
    manifest = json.loads((built / "generations" / (index.generation or "") / "manifest.json").read_text())
    assert manifest["compiled"] == index.compiled.facts
    assert {f"{FOLDER}/{name}" for name in (MODEL, TOKENIZER, ABOUT)} <= set(manifest["files"])
    assert not list(built.glob(".encoder-*"))


def test_answers_are_those_of_sentence_transformers(built: Path) -> None:
    bots = [Bot.open(built, config=config) for config in (AUTO, ONNX, TORCH)]
    assert [type(bot.encoder) for bot in bots] == [CompiledEncoder, CompiledEncoder, SentenceTransformerEncoder]
    for question in ASKED:
        first, second, reference = (told(bot.ask(question)) for bot in bots)
        assert first == second == reference


def test_the_next_generation_has_the_same_files(encoder: Encoder, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("Rest after the infusion.")
    first = Index.update(tmp_path / "index", corpus, encoder, AUTO).index
    (corpus / "b.txt").write_text("Do not drive.")
    second = Index.update(tmp_path / "index", corpus, encoder, AUTO).index
    assert first
    assert first.compiled
    assert second
    assert second.compiled
    assert first.generation != second.generation
    assert first.compiled.facts == second.compiled.facts
    for name in (MODEL, TOKENIZER, ABOUT):
        assert (first.compiled.folder or tmp_path).joinpath(name).samefile(second.compiled.folder / name)


def test_an_index_without_one_is_given_one(encoder: Encoder, tmp_path: Path) -> None:
    assert update(tmp_path, encoder, TORCH).compiled is None
    assert isinstance(Bot.open(tmp_path, config=AUTO).encoder, SentenceTransformerEncoder)
    with pytest.raises(IndexStale, match="no compiled encoder"):
        Bot.open(tmp_path, config=ONNX)
    report = Index.update(tmp_path, CORPUS, encoder, ONNX)
    assert report.embedded == 0
    assert isinstance(Bot.open(tmp_path, config=ONNX).encoder, CompiledEncoder)
    again = Index.update(tmp_path, CORPUS, encoder, AUTO)
    assert again.generation == report.generation


def test_only_sentence_transformers_is_compiled(tmp_path: Path) -> None:
    assert update(tmp_path, WordEncoder(window=300)).compiled is None


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # other generations may share the file
    path.write_bytes(data)


@pytest.mark.parametrize("name", [MODEL, TOKENIZER, ABOUT])
@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_damaged_file_is_an_error(
    encoder: Encoder, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    compiled = update(tmp_path, encoder).compiled
    assert compiled
    assert compiled.folder
    damage(compiled.folder / name)
    with pytest.raises(IndexCorrupt, match=r"damaged|missing") as caught:
        Bot.open(tmp_path, config=AUTO)
    assert "bot index" in caught.value.remedy
    repaired = update(tmp_path, encoder)
    assert isinstance(Bot.open(tmp_path, config=AUTO).encoder, CompiledEncoder)
    assert repaired.compiled is not None


def test_files_that_are_no_model(folder: Path, tmp_path: Path) -> None:
    for name in (TOKENIZER, ABOUT):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / MODEL).write_bytes(b"none")
    with pytest.raises(IndexCorrupt, match="cannot be loaded"):
        CompiledEncoder(tmp_path, ModelChoice())


def test_another_model_is_not_taken_for_it(built: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model"):
        Bot.open(built, config=Config(model=ModelChoice(name="nobody/nothing")))


# Refusal


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """No vector is near enough."""

    def refuse(*_: object) -> None:
        raise Refused("its vectors differ")

    monkeypatch.setattr(export, "export", refuse)


@pytest.mark.usefixtures("strict")
def test_what_fails_is_not_used_and_the_build_says_so(
    encoder: Encoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = update(tmp_path, encoder)
    assert "sentence-transformers embeds the questions: its vectors differ" in caplog.text
    assert index.compiled is not None
    assert index.compiled.refused == "its vectors differ"
    assert index.compiled.folder is None
    assert isinstance(Bot.open(tmp_path, config=AUTO).encoder, SentenceTransformerEncoder)
    with pytest.raises(IndexStale):
        Bot.open(tmp_path, config=ONNX)
    assert update(tmp_path, encoder).generation == index.generation
    assert check(tmp_path, None, AUTO).problems == ()


@pytest.mark.usefixtures("strict")
def test_what_fails_is_an_error_where_nothing_else_is_wanted(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be compiled: its vectors differ"):
        update(tmp_path, encoder, ONNX)
    assert not (tmp_path / "CURRENT").exists()
    assert not list(tmp_path.glob(".encoder-*"))


class Off:
    """The reference, with one vector off by a little, or one token more."""

    def __init__(self, encoder: Encoder, by: float, tokens: int) -> None:
        self._encoder, self._by, self._tokens = encoder, by, tokens
        self.name, self.weights_sha256 = encoder.name, encoder.weights_sha256
        self.dimension, self.window = encoder.dimension, encoder.window
        self.encode_passages = encoder.encode_passages

    def count_tokens(self, texts: list[str]) -> list[int]:
        return [count + self._tokens for count in self._encoder.count_tokens(texts)]

    def encode_query(self, text: str) -> np.ndarray:
        vector = self._encoder.encode_query(text).copy()
        vector[7] += self._by if text == "?" else 0.0
        return vector


@pytest.mark.parametrize(("by", "tokens"), [(2e-5, 0), (-1e-2, 0), (float("nan"), 0), (0.0, 1)])
def test_a_small_difference_is_found(encoder: Encoder, by: float, tokens: int) -> None:
    with pytest.raises(Refused):
        compare(Off(encoder, by, tokens), encoder)
    compare(Off(encoder, 0.0, 0), encoder)


@pytest.mark.parametrize(
    ("pooling", "prompt", "reason"),
    [("max", True, "it pools max"), ("lasttoken", True, "pools"), ("mean", False, "prompt")],
)
def test_other_kinds_of_model_are_refused(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooling: str, prompt: bool, reason: str
) -> None:
    assert isinstance(encoder, SentenceTransformerEncoder)
    monkeypatch.setattr(encoder.model[1], "pooling_mode", pooling)
    monkeypatch.setattr(encoder.model[1], "include_prompt", prompt)
    with pytest.raises(Refused, match=reason):
        export._modules(encoder)


def test_check_compares_again(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(built, None, AUTO).problems == ()
    monkeypatch.setattr(export, "MOST_APART", -1.0)
    [problem] = check(built, None, AUTO).problems
    assert "the compiled encoder is not that of the model" in problem


# What is imported


@pytest.mark.parametrize("command", ["ask", "search"])
def test_a_question_imports_nothing_that_it_does_not_need(built: Path, command: str) -> None:
    code = (
        "import sys, bot.cli\n"
        f"code = bot.cli.main([{command!r}, 'Is it safe?', '--index', {str(built)!r}])\n"
        "print(code, *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CORPUS.parent)
    done, *imported = ran.stdout.splitlines()[-1].split()
    assert done == "0"
    assert {"numpy", "faiss", "onnxruntime", "tokenizers"} <= set(imported)
    heavy = "torch transformers sentence_transformers onnx scipy sklearn pandas bm25s gradio huggingface_hub sqlalchemy"
    heavy += " fastapi uvicorn lxml pypdfium2 selectolax PIL charset_normalizer py3langid tqdm"
    heavy += " starlette pydantic httpx argon2 watchfiles ir_measures joblib numba nltk matplotlib safetensors"
    assert set(heavy.split()).isdisjoint(imported)


def test_facts_are_frozen(built: Path) -> None:
    compiled = Index.load(built).compiled
    assert compiled
    with pytest.raises(dataclasses.FrozenInstanceError):
        compiled.folder = None  # type: ignore[misc]
