"""From a draft to the documents that answers come from, and back to earlier ones.

Everything slow is done beside the index in use; what follows is the swap that `originals` describes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import Any

from bot import building, drafts, generations, originals
from bot.config import Config
from bot.corpus import SIDECAR, Corpus, ReadFile, read_corpus, sidecar_names
from bot.documents import Document
from bot.drafts import Change, Draft
from bot.embed import Encoder
from bot.errors import CorpusError, UsageError
from bot.generations import Publication
from bot.index import Index, differences, usable
from bot.loaders import METADATA
from bot.originals import Step, Swap
from bot.passages import cut
from bot.quality import near_duplicates
from bot.sentences import sentences

Report = Callable[[float, str], None]
"""Is told how far the work is, from 0 to 1, and what is done now. What it raises ends the work."""

MOST_ROWS = 200
"""Sentences of one document's differences that are shown."""
BEGINNING = 5000
"""Characters of a new document that are shown."""
MOST_GROUPS = 20
LONGEST = 600
"""Characters of one of these sentences, and of a passage."""


class NotAsSeen(UsageError):
    """The draft, or the corpus, changed since what it would do was looked at."""


# Looking before


def preview(draft: Draft, index: Index, encoder: Encoder, config: Config, report: Report) -> dict[str, Any]:
    """What publishing the draft would change in `index`, as JSON, remembered with the draft; docs/publishing.md
    describes it. Nothing is embedded. Raises CorpusError."""
    report(0.05, "Reading the files")
    revision = draft.revision()
    changes = draft.changes()
    with draft.staged({source.path: source for source in index.sources}) as stage:
        corpus = read_corpus(stage, config.corpus, index.documents, index.files)
    report(0.6, "Comparing the texts")
    before, after = index.documents, {document.id: document for document in corpus.documents}
    added, changed, removed = differences(before, after)
    own = {change.path for change in changes} | {change.document for change in changes}
    fresh = {
        id: [(passage.start, passage.end) for passage, _ in cut(after[id], encoder, config.passages)]
        for id in (*added, *changed)
    }
    number = Counter(passage.document for passage in index.passages)
    told: dict[str, Any] = {
        "revision": revision,
        "generation": index.generation,
        "added": [{**_about(after[id], len(fresh[id]), own), **_beginning(after[id])} for id in added],
        "changed": [
            {**_about(after[id], len(fresh[id]), own), "differences": _differences(before[id], after[id])}
            for id in changed
        ],
        "removed": [_about(before[id], number[id], own) for id in removed],
        "unchanged": len(after) - len(added) - len(changed),
        "skipped": [{"path": one.path, "reason": one.reason, "own": one.path in own} for one in corpus.skipped],
        "refused": _refused(changes, corpus),
        "warnings": _warnings(corpus, {*added, *changed}, own, after),
        "passages": sum(map(len, fresh.values())) + sum(number[id] for id in after if id not in fresh),
    }
    report(0.8, "Looking for passages that say almost the same")
    told["near_duplicates"] = list(islice(_near_duplicates(index, after, fresh), MOST_GROUPS))
    draft.remember("preview", told)
    return told


@contextmanager
def drafted(
    draft: Draft, index: Index, encoder: Encoder, config: Config, report: Report
) -> Iterator[tuple[str, Index]]:
    """The draft's revision, and the index that publishing it would put in the place of `index`, only while it is
    looked at. Raises CorpusError, UsageError for a draft that cannot be published."""
    report(0.02, "Reading the files")
    revision = draft.revision()
    with draft.staged({source.path: source for source in index.sources}) as stage:
        corpus = read_corpus(stage, config.corpus, index.documents, index.files)
        _check(draft.changes(), corpus)
        yield revision, Index.build(corpus, stage, encoder, config, index, report=_learning(report))


def _learning(report: Report) -> building.Report:
    return lambda done, passages: report(0.15 + 0.75 * done, f"Learning: {passages} passages")


def _about(document: Document, passages: int, own: set[str]) -> dict[str, Any]:
    """`own`: paths of the draft; what else changed, was changed in the folder by somebody else."""
    beside = document.source in own or any(name in own for name in sidecar_names(document.source))
    return {"document": document.id, "title": document.title, "passages": passages, "own": beside}


def _beginning(document: Document) -> dict[str, Any]:
    """Of a new document, what was read of its file."""
    return {"text": document.text[:BEGINNING], "more": len(document.text) > BEGINNING}


def _refused(changes: Sequence[Change], corpus: Corpus) -> list[dict[str, str]]:
    """What was uploaded and gives no document: it is not published."""
    used = {source.path for source in corpus.sources}
    why: dict[str, list[str]] = {}
    for skipped in corpus.skipped:
        why.setdefault(skipped.path, []).append(skipped.reason)
    return [
        {"path": change.path, "reason": "; ".join(why.get(change.path, ["nothing in it can be quoted"]))}
        for change in changes
        if change.file and change.path not in used
    ]


def _warnings(
    corpus: Corpus, touched: set[str], own: set[str], documents: Mapping[str, Document]
) -> list[dict[str, str]]:
    """What staff should look at in the files of the documents that were touched."""
    found = []
    for file in corpus.files:
        if touched.intersection(file.documents):
            found += [{"path": file.source.path, "message": message} for message in _remarks(file, documents)]
    beside = ((caution.path, caution.message) for caution in corpus.cautions if caution.path.endswith(SIDECAR))
    return found + [{"path": path, "message": message} for path, message in beside if path in own]


def _remarks(file: ReadFile, documents: Mapping[str, Document]) -> Iterator[str]:
    yield from file.cautions
    yield from file.skipped
    garbling = file.facts.get("garbling") or {}
    if garbling.get("suspected"):
        yield f"the text may be garbled: {garbling.get('reason')}"
    scanned = [page for page, why in file.unread.items() if why == "scanned"]
    if scanned:
        yield f"nothing can be quoted of pages that are pictures: {', '.join(map(str, scanned))}"
    if file.recognised:
        yield f"read by text recognition, compare every dose: pages {', '.join(map(str, file.recognised))}"
    for id in file.documents:
        if documents[id].is_overdue(date.today()):
            yield f"its review was due on {documents[id].metadata['next_review']}"


def _near_duplicates(
    index: Index, documents: Mapping[str, Document], fresh: Mapping[str, Sequence[tuple[int, int]]]
) -> Iterator[dict[str, Any]]:
    """Groups of passages that say almost the same, at least one of them in a document that was touched."""
    spans = [
        (passage.document, passage.start, passage.end)
        for passage in index.passages
        if passage.document in documents and passage.document not in fresh
    ]
    spans += [(id, start, end) for id, own in fresh.items() for start, end in own]
    for group in near_duplicates([(id, documents[id].text[start:end]) for id, start, end in spans]):
        rows = [spans[row] for row in group.rows]
        if any(id in fresh for id, _, _ in rows):
            passages = [
                {"document": id, "text": documents[id].text[start:end][:LONGEST]} for id, start, end in rows[:4]
            ]
            yield {"similarity": round(group.similarity, 3), "passages": passages}


def _differences(before: Document, after: Document) -> dict[str, Any]:
    """Sentence by sentence, each with one that stayed before and after it; and what is said about the document.

    `rows`: "same", "gone", "new" or "…" (sentences that stayed and are left out), each with its text."""
    said = [
        {"name": name, "before": old, "after": new}
        for name in METADATA
        if (old := _said(before, name)) != (new := _said(after, name))
    ]
    rows = list(islice(_rows(_sentences(before), _sentences(after)), MOST_ROWS + 1))
    return {
        "said": said,
        "rows": [{"kind": kind, "text": text[:LONGEST]} for kind, text in rows[:MOST_ROWS]],
        "more": len(rows) > MOST_ROWS,
    }


def _said(document: Document, name: str) -> str:
    return document.title if name == "title" else document.metadata.get(name, "")


def _sentences(document: Document) -> list[str]:
    return [" ".join(document.text[start:end].split()) for start, end in sentences(document.text)]


def _rows(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for at, (kind, first, end, new_first, new_end) in enumerate(blocks):
        if kind != "equal":
            yield from (("gone", text) for text in before[first:end])
            yield from (("new", text) for text in after[new_first:new_end])
            continue
        stayed = before[first:end]
        head = stayed[:1] if at > 0 else []
        tail = stayed[len(head) :][-1:] if at < len(blocks) - 1 else []
        yield from (("same", text) for text in head)
        if len(stayed) > len(head) + len(tail):
            yield "…", ""
        yield from (("same", text) for text in tail)


# Publishing


def publish(
    draft: Draft,
    encoder: Encoder,
    config: Config,
    *,
    who: str,
    revision: str,
    report: Report,
    served: Callable[[], object] = lambda: None,
) -> Publication:
    """Makes the draft, as it was seen at this `revision`, what answers come from; the draft ends with it.

    `served` is called once the new generation is current, before the files of the corpus are changed: a server that
    goes over to it then withholds nothing. Raises NotAsSeen, UsageError for a draft that changes nothing or holds a
    file that cannot be quoted, CorpusError, IndexLocked.
    """
    home = draft.home
    with generations.writing(home):
        drafts.settle(home, config.corpus)
        changes = draft.changes()
        if not changes:
            raise UsageError("there is nothing to publish", remedy="Add, replace or remove a document first.")
        if draft.revision() != revision:
            raise NotAsSeen(
                "the draft or the documents have changed since you looked", remedy="See what would change once more."
            )
        report(0.02, "Reading the files")
        known = usable(home, encoder, config)
        before = {change.path: originals.state(draft.corpus, change.path) for change in changes}
        sources = {source.path: source for source in known.sources} if known else {}
        with draft.staged(sources) as stage, building.unfinished(home) as work:
            corpus = read_corpus(stage, config.corpus, known.documents if known else None, known.files if known else ())
            _check(changes, corpus)
            built = Index.build(corpus, draft.corpus, encoder, config, known, into=work, report=_learning(report))
            about = built.publication(who, "publish", known)
            steps = tuple(
                Step(change.path, before[change.path], change.file)
                for change in changes
                if change.file or before[change.path]
            )
            originals.keep(home, stage, (step.after for step in steps if step.after))

            def ready(generation: str) -> None:
                _check_untouched(draft.corpus, steps)
                swap = Swap(replace(about, generation=generation), draft.corpus, steps, draft=True)
                originals.begin(home, swap)

            report(0.95, "Writing")
            built.publish(home, stage, about, config, ready)
        with _settled(home, config):
            served()
        return generations.publications(home)[0]


def roll_back(
    home: Path,
    corpus: Path | None,
    encoder: Encoder,
    config: Config,
    *,
    who: str,
    generation: str | None = None,
    served: Callable[[], object] = lambda: None,
) -> Publication:
    """Makes an earlier generation current again, the last one before by default, and its files those of `corpus`, by
    default the one that the index was built from.

    Raises UsageError for one that is not kept, is current, or whose files are not kept, and where files of the corpus
    are not as they were indexed; IndexStale for one of another model or other settings; IndexLocked.
    """
    with generations.writing(home):
        drafts.settle(home, config.corpus)
        current = Index.load(home, choice=config.index)
        wanted = _before(home, current.generation) if generation is None else generation
        target = Index.load(home, wanted, config.index, thorough=True)
        corpus = corpus or current.corpus
        if corpus is None or not corpus.is_dir():
            raise CorpusError("the folder of the documents is not there", remedy="Name it with --corpus.")
        if target.generation == current.generation:
            raise UsageError(f"generation {target.generation} is the one in use", remedy="Choose an earlier one.")
        target.check_made_by(encoder, config)
        originals.keep(home, corpus, (*target.sources, *current.sources))
        gone = originals.missing(home, target.sources)
        if gone:
            raise UsageError(
                f"files of generation {target.generation} are not kept: {', '.join(gone[:5])}",
                remedy="Choose another generation, or put these files back and run `bot index`.",
            )
        steps = tuple(_steps_back(corpus, current, target))
        about = replace(target.publication(who, "roll back", current), generation=target.generation or "")
        originals.begin(home, Swap(about, corpus, steps, draft=False))
        generations.go_back(home, about, keep=config.staff.generations)
        with _settled(home, config):
            served()
        return generations.publications(home)[0]


def _before(home: Path, current: str | None) -> str:
    earlier = [kept.id for kept in generations.kept(home) if current is None or kept.id < current]
    if not earlier:
        raise UsageError("there is no earlier generation", remedy="`bot generations` lists those that are kept.")
    return earlier[0]


def _steps_back(corpus: Path, current: Index, target: Index) -> Iterator[Step]:
    read = [source for file in current.files for source in (file.source, file.sidecar) if source]
    known = {source.path: source for source in (*read, *current.sources)}
    wanted = {source.path: source for source in target.sources}
    was = {source.path for source in current.sources}
    changed = []
    for path in sorted(was | wanted.keys()):
        after, before = wanted.get(path), originals.state(corpus, path)
        if (before and before.sha256) == (after and after.sha256):
            continue
        if before and (path not in known or known[path].sha256 != before.sha256):
            changed.append(path)
        yield Step(path, before, after)
    if changed:
        raise UsageError(
            f"files changed in the folder and were never indexed: {', '.join(changed[:5])}",
            remedy="Bring the index up to date first, so that they are kept too: bot index",
        )


@contextmanager
def _settled(home: Path, config: Config) -> Iterator[None]:
    """The swap of the files is finished whatever becomes of the server's going over."""
    try:
        yield
    finally:
        drafts.settle(home, config.corpus)


def _check(changes: Sequence[Change], corpus: Corpus) -> None:
    refused = _refused(changes, corpus)
    if refused:
        raise UsageError(
            f"{refused[0]['path']} cannot be published: {refused[0]['reason']}",
            remedy="Take it out of the draft, or upload a file that can be read.",
        )


def _check_untouched(corpus: Path, steps: Iterable[Step]) -> None:
    for step in steps:
        now = originals.state(corpus, step.path)
        if (now and now.sha256) != (step.before and step.before.sha256):
            raise NotAsSeen(
                f"{step.path} was changed by someone else meanwhile", remedy="See what would change once more."
            )
