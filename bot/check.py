"""Is the index whole, and is it of these documents, this model and these settings?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.compiled import CompiledEncoder
from bot.config import Config
from bot.corpus import read_corpus, recheck
from bot.embed import load_encoder
from bot.errors import PlainquoteError
from bot.export import Refused, compare
from bot.index import Index
from bot.passages import cut


@dataclass(frozen=True, slots=True)
class Check:
    """problems: for a person to read; none means that every quote can be shown."""

    documents: int
    passages: int
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"ok": not self.problems, **asdict(self), "problems": list(self.problems)}


def check(folder: Path, corpus: Path | None, config: Config) -> Check:
    """Loads the index (every file against its hash, every document against its own) and looks further.

    Raises IndexUnusable if it cannot be loaded at all.
    """
    index = Index.load(folder, choice=config.index, thorough=True)
    return Check(len(index.documents), len(index.passages), tuple(_problems(index, corpus or index.corpus, config)))


def _problems(index: Index, corpus: Path | None, config: Config) -> Iterator[str]:
    try:
        encoder = load_encoder(config.model)
        index.check_made_by(encoder, config)
    except PlainquoteError as error:
        yield f"{error.problem}. {error.remedy}"
    else:
        if any(
            [passage for passage, _ in cut(document, encoder, config.passages)] != list(index.passages_of(document.id))
            for document in index.documents.values()
        ):
            yield "the passages are not the ones that this version cuts from these documents"
        if index.searching != config.index.shape():
            yield "the index was built with other settings of [index]: bot index"
        if index.compiled and index.compiled.folder:
            try:
                compare(CompiledEncoder(index.compiled.folder, config.model), encoder)
            except Refused as error:
                yield f"the compiled encoder is not that of the model: {error}"
            except PlainquoteError as error:
                yield error.problem
    yield from index.engine.check()
    for source in index.sources:
        if corpus is None or not recheck(corpus, source):
            yield f"{source.path} changed or went since the index was built"
    if corpus is not None and corpus.is_dir():
        known = {source.path for source in index.sources}
        for source in read_corpus(corpus, config.corpus).sources:
            if source.path not in known:
                yield f"{source.path} came since the index was built"
    for passage in index.passages:
        document = index.documents.get(passage.document)
        if document is None or not 0 <= passage.start < passage.end <= len(document.text):
            yield f"the passage {passage.start}-{passage.end} of {passage.document} is no slice of its document"
