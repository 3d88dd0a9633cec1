import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from bot.config import ModelChoice
from bot.embed import DEFAULT_WEIGHTS_SHA256, Encoder, find_model, hash_weights, load_encoder
from bot.errors import ModelError


def test_the_default_model_is_the_published_one(encoder: Encoder) -> None:
    assert encoder.weights_sha256 == DEFAULT_WEIGHTS_SHA256
    assert (encoder.dimension, encoder.window) == (384, 254)


def test_it_is_loaded_once_a_process(encoder: Encoder) -> None:
    assert load_encoder(ModelChoice()) is encoder


def test_vectors_have_unit_length_and_keep_their_order(encoder: Encoder) -> None:
    texts = ["pain " * 100, "a", "Ketamine helps with pain."]
    vectors = encoder.encode_passages(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(vector, encoder.encode_passages([text])[0], atol=1e-5)


def test_meaning_counts_not_words(encoder: Encoder) -> None:
    question = encoder.encode_query("bad dreams")
    near, far = encoder.encode_passages(["It can cause nightmares.", "Bring your parking ticket."])
    assert question @ near > question @ far + 0.2


def test_no_part_of_a_long_question_is_dropped(encoder: Encoder) -> None:
    filler = "I have been coming here for years. " * 40
    assert encoder.count_tokens([filler])[0] > encoder.window
    with_end = encoder.encode_query(filler + "Does ketamine cause nightmares?")
    assert not np.allclose(with_end, encoder.encode_query(filler), atol=1e-3)
    assert np.linalg.norm(with_end) == pytest.approx(1, abs=1e-5)


def test_tokens_are_counted_without_special_ones_and_without_a_limit(encoder: Encoder) -> None:
    assert encoder.count_tokens(["", "pain", "pain " * 1000]) == [0, 1, 1000]
    assert encoder.count_tokens([]) == []


def test_prompts_take_part(encoder: Encoder) -> None:
    prompted = load_encoder(ModelChoice(query_prompt="query: ", document_prompt="passage: "))
    np.testing.assert_allclose(prompted.encode_query("pain"), encoder.encode_query("query: pain"), atol=1e-5)
    np.testing.assert_allclose(
        prompted.encode_passages(["pain"]), encoder.encode_passages(["passage: pain"]), atol=1e-5
    )
    assert prompted.window < encoder.window


def test_several_threads_may_ask_at_once(encoder: Encoder) -> None:
    alone = encoder.encode_query("Is it safe?")
    found: list[bool] = []

    def ask() -> None:
        for _ in range(5):
            encoder.count_tokens(["some words " * 50])
            found.append(np.array_equal(encoder.encode_query("Is it safe?"), alone))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(found)


def test_a_model_in_a_folder(tmp_path: Path) -> None:
    folder = find_model("all-MiniLM-L6-v2")
    link = tmp_path / "model"
    link.symlink_to(folder)
    assert hash_weights(find_model(str(link))) == DEFAULT_WEIGHTS_SHA256


def test_a_model_that_is_not_here_is_not_fetched() -> None:
    with pytest.raises(ModelError, match="no model 'nobody/nothing' on this machine") as caught:
        load_encoder(ModelChoice(name="nobody/nothing"))
    assert "nothing is downloaded" in caught.value.remedy


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no weights in the safetensors format"):
        load_encoder(ModelChoice(name=str(tmp_path)))
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(ModelChoice(name=str(tmp_path)))


def test_altered_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.embed.hash_weights", lambda folder: "0" * 64)
    with pytest.raises(ModelError, match="not the ones that were published"):
        load_encoder(ModelChoice(batch_size=7))


@pytest.mark.parametrize("module", ["bot.cli", "bot.config", "bot.documents", "bot.texts", "bot.triage"])
def test_light_modules_import_nothing_heavy(module: str) -> None:
    heavy = {"torch", "transformers", "sentence_transformers", "faiss", "gradio", "numpy", "scipy"}
    code = f"import sys, {module}; print(*{heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
