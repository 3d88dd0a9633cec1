"""The compiled encoder: what an index holds so that questions need neither torch nor transformers.

    encoder/model.onnx        tokens → unit vectors: the model, its pooling and its normalisation
    encoder/tokenizer.json    without truncation and padding
    encoder/encoder.json      what else there is to know of the model

`bot.export` writes these files when an index is built. The only module that imports onnxruntime.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.config import ModelChoice
from bot.embed import in_parts, mean_of
from bot.errors import IndexCorrupt

RECIPE = 2
"""Raised when the files of a compiled encoder are made in another way."""
FOLDER = "encoder"
MODEL, TOKENIZER, ABOUT = "model.onnx", "tokenizer.json", "encoder.json"
_BLOCK = 256
"""Texts that are cut into tokens at a time."""
BATCH = 256
"""Tokens that are embedded at a time, of one text or of several that have equally many: with more, what is computed
from no longer fits into a core's own cache; with fewer, the weights are read more often than they need be."""


@dataclass(frozen=True, slots=True)
class About:
    """What ``encoder.json`` says. max_tokens: of a text, special ones included. inputs: the names of the model's."""

    name: str
    weights_sha256: str
    dimension: int
    max_tokens: int
    inputs: tuple[str, ...]

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
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        blocks = [texts[at : at + _BLOCK] for at in range(0, len(texts), _BLOCK)]
        # ONNX Runtime and the tokeniser leave Python's lock to others while they compute.
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            tokens = [one for block in workers.map(self._tokens_of_passages, blocks) for one in block]

            def embed(rows: Sequence[int]) -> int:
                vectors[rows] = self._run([tokens[row] for row in rows])
                return sum(tokens[row].shape[1] for row in rows)

            lengths = [one.shape[1] for one in tokens]
            with _bar(sum(lengths), f"{len(texts):,} texts", shown=progress) as bar:
                for done in workers.map(embed, batches(lengths)):
                    bar.update(done)
        return vectors

    def encode_query(self, text: str) -> np.ndarray:
        parts = in_parts(text, self._count(text), self._query_window)
        return mean_of(np.concatenate([self._run([self._tokens(self._choice.query_prompt + part)]) for part in parts]))

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _tokens(self, text: str) -> np.ndarray:
        return self._cut(self._tokenizer.encode(text, add_special_tokens=False))

    def _tokens_of_passages(self, texts: Sequence[str]) -> list[np.ndarray]:
        prompted = [self._choice.document_prompt + text for text in texts]
        return [self._cut(one) for one in self._tokenizer.encode_batch(prompted, add_special_tokens=False)]

    def _cut(self, found: Any) -> np.ndarray:
        """(2, n) int32, ids and types of a text's tokens: cut to the model's longest input, special ones included."""
        found.truncate(self._room)
        whole = self._tokenizer.post_process(found)
        return np.array([whole.ids, whole.type_ids], dtype=np.int32)

    def _run(self, tokens: Sequence[np.ndarray]) -> np.ndarray:
        """(texts, d) float32, of texts with equally many tokens: so nothing is computed for padding, and the bits of a
        text's vector do not depend on what it is embedded with."""
        ids, types = np.stack(tokens, axis=1).astype(np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
        vectors: np.ndarray = self._session.run(None, {name: given[name] for name in self._about.inputs})[0]
        return vectors


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The rows of texts with so many tokens each, in batches of equally many, the longest first."""
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    for length, alike in itertools.groupby(rows, key=lengths.__getitem__):
        group = list(alike)
        size = max(1, BATCH // max(1, length))
        yield from (group[at : at + size] for at in range(0, len(group), size))


def _bar(tokens: int, what: str, *, shown: bool) -> Any:
    """Of tokens: a rate of texts would fall and rise with their lengths, and the time left with it."""
    from tqdm import tqdm

    return tqdm(total=tokens, desc=what, unit=" tokens", unit_scale=True, disable=not shown)
