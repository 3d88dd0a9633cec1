"""What staff are told about every file after a build: the facts behind ``bot index --json`` and ``--report``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from bot.corpus import ReadFile
from bot.index import Index, Report
from bot.quality import near_duplicates

_LISTED = 20
"""Pages of a file that are named."""


def inventory(report: Report, today: date) -> dict[str, Any]:
    """The report as JSON, with `files`, one entry a file, and `near_duplicates`; docs/interfaces.md describes them.

    today: a document whose next review was due before is overdue.
    """
    index = report.index
    if index is None:
        raise ValueError("a report without its index")
    return {**report.to_dict(), "files": list(_files(report, index, today)), "near_duplicates": _duplicates(index)}


def facts(index: Index, today: date) -> Iterator[dict[str, Any]]:
    """The entries of `inventory` for the files that the index was made from: all but those that could not be read."""
    passages = Counter(index.documents[passage.document].source for passage in index.passages)
    for file in index.files:
        path = file.source.path
        common = {"path": path, "format": PurePosixPath(path).suffix.lower().lstrip(".")}
        yield {**common, **_facts(file, index, passages[path], today)}


def warnings(facts: Mapping[str, Any]) -> list[str]:
    """What of a file's entry staff should look at, each as a sentence; not whether it is overdue."""
    said = []
    for key, what in (("scanned_pages", "scanned, without text"), ("empty_pages", "empty")):
        if pages := facts.get(key):
            said.append(f"{_pages(pages)} {what}; nothing of it can be quoted.")
    if pages := facts.get("recognised_pages"):
        said.append(f"{_pages(pages)} read off a picture: compare the words with the page.")
    garbling = facts.get("garbling") or {}
    if garbling.get("suspected"):
        said.append(f"Maybe garbled: {garbling['reason']}.")
    return [*said, *facts.get("cautions", ())]


def _pages(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_LISTED])) + (f" and {len(numbers) - _LISTED} more" * (len(numbers) > _LISTED))
    return f"Page{'s' * (len(numbers) > 1)} {shown}:"


def _files(report: Report, index: Index, today: date) -> Iterator[dict[str, Any]]:
    passages = Counter(index.documents[passage.document].source for passage in index.passages)
    read = {file.source.path: file for file in index.files}
    never_read = {skipped.path: skipped.reason for skipped in report.skipped if skipped.path not in read}
    for path in sorted({*read, *never_read}):
        common = {"path": path, "format": PurePosixPath(path).suffix.lower().lstrip(".")}
        if path in read:
            yield {**common, **_facts(read[path], index, passages[path], today)}
        else:
            yield {**common, "status": "skipped", "reason": never_read[path], "bytes": None}


def _facts(file: ReadFile, index: Index, passages: int, today: date) -> dict[str, Any]:
    documents = [index.documents[id] for id in file.documents]
    [only] = documents if len(documents) == 1 else [None]
    return {
        "status": "indexed" if documents else "skipped",
        "reason": "" if documents else "; ".join(file.skipped),
        "bytes": file.source.size,
        "documents": len(documents),
        "pages": file.pages,
        "words": file.words,
        "passages": passages,
        "tables": file.tables,
        "empty_pages": [page for page, why in file.unread.items() if why == "empty"],
        "scanned_pages": [page for page, why in file.unread.items() if why == "scanned"],
        "recognised_pages": list(file.recognised),
        "garbling": file.facts.get("garbling"),
        "reading_age": file.facts.get("reading_age"),
        "language": file.facts.get("language"),
        "cautions": [*file.cautions, *(file.skipped if documents else ())],
        "metadata": {"title": only.title, **only.metadata} if only else {},
        "overdue": any(document.is_overdue(today) for document in documents),
    }


def _duplicates(index: Index) -> list[dict[str, Any]]:
    texts = [(p.document, index.documents[p.document].text[p.start : p.end]) for p in index.passages]
    return [
        {
            "similarity": round(found.similarity, 3),
            "passages": [
                {
                    "document": texts[row][0],
                    "start": index.passages[row].start,
                    "end": index.passages[row].end,
                    "text": texts[row][1],
                }
                for row in found.rows
            ],
        }
        for found in near_duplicates(texts)
    ]
