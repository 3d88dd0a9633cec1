"""The compiled encoder: what an index holds so that questions need neither torch nor transformers.

    encoder/model.onnx        tokens → unit vectors: the model, its pooling and its normalisation
    encoder/tokenizer.json    without truncation and padding
    encoder/encoder.json      what else there is to know of the model

`bot.export` writes these files when an index is built. The only module that imports onnxruntime.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.config import ModelChoice
from bot.embed import in_parts, mean_of
from bot.errors import IndexCorrupt

RECIPE = 1
"""Raised when the files of a compiled encoder are made in another way."""
FOLDER = "encoder"
MODEL, TOKENIZER, ABOUT = "model.onnx", "tokenizer.json", "encoder.json"
_BATCH = 16
"""Texts at a time: of like length, so that hardly any padding is computed."""


@dataclass(frozen=True, slots=True)
class About:
    """What ``encoder.json`` says. max_tokens: of a text, special ones included. inputs: the names of the model's."""

    name: str
    weights_sha256: str
    dimension: int
    max_tokens: int
    inputs: tuple[str, ...]
    pad_id: int

    def save(self, folder: Path) -> None:
        (folder / ABOUT).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> About:
        values = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return cls(**{**values, "inputs": tuple(values["inputs"])})


@dataclass(frozen=True, slots=True)
class Compiled:
    """The compiled encoder of an index: where its files are, and how it was checked; or why there is none.

    folder: with the files; None if the model was refused. facts: what the manifest says of it.
    """

    folder: Path | None
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, generation: Path, manifest: Mapping[str, Any]) -> Compiled | None:
        """That of a generation; None if none was made, or not in the way of this version."""
        facts = manifest.get("compiled")
        if not isinstance(facts, Mapping) or facts.get("recipe") != RECIPE:
            return None
        return cls(None if "refused" in facts else generation / FOLDER, facts)

    @property
    def refused(self) -> str | None:
        """Why the model cannot be compiled."""
        return self.facts.get("refused")

    def write(self, generation: Path) -> Mapping[str, Any]:
        """Puts the files into a new generation, as links where that can be; what its manifest says of them."""
        if self.folder is not None:
            to = generation / FOLDER
            to.mkdir()
            for name in (MODEL, TOKENIZER, ABOUT):
                link(self.folder / name, to / name)
        return self.facts


def link(file: Path, to: Path) -> None:
    """Generations share one file on the disk: nothing ever writes into one that is there."""
    try:
        os.link(file, to)
    except OSError:  # a file system without links, or another one
        shutil.copyfile(file, to)


class CompiledEncoder:
    """A `bot.embed.Encoder` by ONNX Runtime. Nothing in it changes when it is used, so threads need no lock."""

    def __init__(self, folder: Path, choice: ModelChoice) -> None:
        """Raises IndexCorrupt if the files cannot be read."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import onnxruntime
        from tokenizers import Tokenizer

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        # One thread a question: threads that wait for each other are slower on shared cores.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what it would warn of are its own optimisations
        try:
            about = About.load(folder)
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise bare exceptions of their own
            raise IndexCorrupt(
                f"the compiled encoder in {folder} cannot be loaded: {error}",
                remedy='Build the index again: bot index --rebuild. Until then, set [model] backend = "torch".',
            ) from error
        self.name = about.name
        self.weights_sha256 = about.weights_sha256
        self.dimension = about.dimension
        self._about = about
        self._choice = choice
        self._room = about.max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._query_window = self._room - self._count(choice.query_prompt)
        self.window = self._room - self._count(choice.document_prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(found) for found in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        tokens = [self._tokens(self._choice.document_prompt + text) for text in texts]
        longest_first = sorted(range(len(texts)), key=lambda row: -len(tokens[row]))
        with _bar(len(texts), shown=progress) as bar:
            for at in range(0, len(texts), _BATCH):
                rows = longest_first[at : at + _BATCH]
                vectors[rows] = self._run([tokens[row] for row in rows])
                bar.update(len(rows))
        return vectors

    def encode_query(self, text: str) -> np.ndarray:
        parts = in_parts(text, self._count(text), self._query_window)
        # Each alone: a vector must not depend, even in its last digits, on what it was computed with.
        return mean_of(np.stack([self._run([self._tokens(self._choice.query_prompt + part)])[0] for part in parts]))

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _tokens(self, text: str) -> Any:
        """Its tokens, cut to the model's longest input, special ones included."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        found.truncate(self._room)
        return self._tokenizer.post_process(found)

    def _run(self, tokens: Sequence[Any]) -> np.ndarray:
        length = max(len(one) for one in tokens)
        ids = np.full((len(tokens), length), self._about.pad_id, dtype=np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for row, one in enumerate(tokens):
            ids[row, : len(one)], mask[row, : len(one)], types[row, : len(one)] = one.ids, 1, one.type_ids
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        vectors: np.ndarray = self._session.run(None, {name: given[name] for name in self._about.inputs})[0]
        return vectors


def _bar(total: int, *, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit=" texts", disable=not shown)
