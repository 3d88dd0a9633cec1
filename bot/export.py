"""A sentence-transformers model → the files of a `CompiledEncoder`, checked against it.

Only what is sure to be the same model is exported: a transformer, the mean or the first token, dense layers and
normalisation. Everything else is refused with its reason, and stays with sentence-transformers.
"""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bot.compiled import MODEL, RECIPE, TOKENIZER, About, Compiled, CompiledEncoder
from bot.config import ModelChoice
from bot.embed import Encoder, SentenceTransformerEncoder
from bot.errors import IndexCorrupt, ModelError

logger = logging.getLogger(__name__)

MOST_APART = 1e-5
"""No number of a vector may differ by more from that of the reference encoder."""
LEAST_COSINE = 0.999999
SAMPLES = (
    "pain",
    "?",
    " ",
    "",
    "What are the side effects of ketamine?",
    "is it adictive like opiods",
    "Übelkeit und Schwindel – was tun? 頭痛がします。 боль 😀 \u200b e\u0301",
    "Take 2.5 mg/kg (max. 100 mg) at 08:00, then 1/2 tablet every 4-6 hours; don't exceed 4 tablets/24 h.",
    "Pneumonoultramicroscopicsilicovolcanoconiosis, methylenetetrahydrofolate-reductase deficiency.",
    "line one\nline two\ttabbed\r\n\r\nline three",
    "You may feel sick after the infusion. Tell the nurse, and do not drive on the same day. " * 8,
    "word " * 600,
    "x" * 3000,
)
_POOLING = {"mean", "cls"}
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Refused(Exception):
    """This model is not compiled, for this reason."""


def can(encoder: Encoder, choice: ModelChoice) -> bool:
    """Whether `encoder` is one that may be compiled, and is to be."""
    return choice.backend != "torch" and isinstance(encoder, SentenceTransformerEncoder)


@contextmanager
def compiled(encoder: Encoder, choice: ModelChoice, beside: Path) -> Iterator[Compiled | None]:
    """The compiled form of `encoder`, its files in a folder in `beside` while the context lasts; None where none is
    wanted. Raises ModelError if the model is refused and the configuration wants nothing else."""
    if choice.backend == "torch" or not isinstance(encoder, SentenceTransformerEncoder):
        yield None
        return
    with tempfile.TemporaryDirectory(dir=beside, prefix=".encoder-") as folder:
        yield _compiled(encoder, choice, Path(folder))


def _compiled(encoder: SentenceTransformerEncoder, choice: ModelChoice, folder: Path) -> Compiled:
    try:
        return Compiled(folder, {"recipe": RECIPE, **export(encoder, choice, folder)})
    except Refused as error:
        reason = str(error)
    if choice.backend == "onnx":
        raise ModelError(f"{encoder.name} cannot be compiled: {reason}", remedy='Set [model] backend = "auto".')
    logger.warning("%s is not compiled, so sentence-transformers embeds the questions: %s", encoder.name, reason)
    return Compiled(None, {"recipe": RECIPE, "refused": reason})


def export(encoder: SentenceTransformerEncoder, choice: ModelChoice, folder: Path) -> dict[str, Any]:
    """Writes the files into `folder` and compares; what the manifest says of it. Raises Refused."""
    import torch

    transformer, *after = _modules(encoder)
    _save_tokenizer(encoder, folder)
    inputs = _trace(encoder, transformer, after, folder / MODEL)
    About(
        name=encoder.name,
        weights_sha256=encoder.weights_sha256,
        dimension=encoder.dimension,
        max_tokens=encoder.longest,
        inputs=inputs,
    ).save(folder)
    try:
        made = CompiledEncoder(folder, choice)
    except IndexCorrupt as error:
        raise Refused(error.problem) from error
    return {**compare(made, encoder), "torch": torch.__version__}


def compare(made: Encoder, reference: Encoder) -> dict[str, Any]:
    """How near `made` is to `reference` over samples, short, long, empty and of any script; each alone, and all as
    passages together. Raises Refused where they are further apart than they may be."""
    if made.window != reference.window or made.count_tokens(SAMPLES) != reference.count_tokens(SAMPLES):
        raise Refused("its tokens are not those of the reference encoder")
    found, wanted = (
        np.concatenate([np.stack([one.encode_query(text) for text in SAMPLES]), one.encode_passages(SAMPLES)])
        for one in (made, reference)
    )
    apart = float(np.abs(found - wanted).max())
    cosine = float((found * wanted).sum(axis=1).min())
    if not (apart <= MOST_APART and cosine >= LEAST_COSINE):  # so that NaN fails too
        raise Refused(f"its vectors differ from the reference encoder's by {apart:.2g}, cosine {cosine:.6f}")
    return {"samples": len(found), "most_apart": apart, "least_cosine": cosine}


def _modules(encoder: SentenceTransformerEncoder) -> list[Any]:
    """The parts of the model, the transformer first, then pooling. Raises Refused for any other kind of model."""
    modules = list(encoder.model)
    kinds = [type(module).__name__ for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or not {"Dense", "Normalize"}.issuperset(kinds[2:]):
        raise Refused(f"it is made of {', '.join(kinds)}")
    pooling = modules[1].pooling_mode
    if pooling not in _POOLING or not modules[1].include_prompt:
        raise Refused(f"its pooling is {pooling}, without the prompt" if pooling in _POOLING else f"it pools {pooling}")
    return modules


def _save_tokenizer(encoder: SentenceTransformerEncoder, folder: Path) -> None:
    """Without the truncation and padding that many models' files hold, and none of which is the model's own."""
    from tokenizers import Tokenizer

    tokenizer = encoder.model.tokenizer
    if not getattr(tokenizer, "is_fast", False) or {tokenizer.padding_side, tokenizer.truncation_side} != {"right"}:
        raise Refused("its tokeniser has no form of its own, or cuts at the left")
    bare = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    bare.no_truncation()
    bare.no_padding()
    bare.save(str(folder / TOKENIZER))


def _trace(encoder: SentenceTransformerEncoder, transformer: Any, after: list[Any], path: Path) -> tuple[str, ...]:
    """Writes the graph: tokens → unit vectors; returns the names of its inputs."""
    import torch

    pooling, *rest = after

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer.auto_model
            self.rest = torch.nn.ModuleList(rest)

        def forward(self, *tokens: torch.Tensor) -> torch.Tensor:
            given = dict(zip(inputs, tokens, strict=True))
            vectors = self.transformer(**given, return_dict=True).last_hidden_state
            features = {"sentence_embedding": vectors[:, 0] if pooling.pooling_mode == "cls" else mean(vectors, given)}
            for module in self.rest:
                features = module(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=1)

    def mean(vectors: torch.Tensor, given: dict[str, torch.Tensor]) -> torch.Tensor:
        # As a product of matrices: a sum over the tokens is added up in another order for one text than for several.
        weights = given["attention_mask"].unsqueeze(1).to(vectors.dtype)
        return (weights @ vectors).squeeze(1) / weights.sum(2).clamp(min=1e-9)

    # Two texts of unlike length, so that the mask is part of what is traced.
    example = encoder.model.tokenizer(["pain after an infusion", "pain"], padding=True, return_tensors="pt")
    inputs = tuple(name for name in _INPUTS if name in example)
    graph = copy.deepcopy(Graph()).to("cpu", torch.float32).eval()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # that this export is the older one, and of what it takes as constant
            torch.onnx.export(
                graph,
                tuple(example[name] for name in inputs),
                str(path),
                input_names=list(inputs),
                output_names=["vectors"],
                dynamic_axes={**{name: {0: "texts", 1: "tokens"} for name in inputs}, "vectors": {0: "texts"}},
                opset_version=17,
                dynamo=False,
            )
    except (RuntimeError, ValueError, TypeError, AttributeError, torch.onnx.errors.OnnxExporterError) as error:
        raise Refused(f"it cannot be exported: {str(error).strip().splitlines()[0][:200]}") from error
    return inputs
