"""What a build of the index tells staff about each file: as one HTML page that loads nothing, and as plain text.

Both take what ``bot index --json`` prints; a file's facts are those of `bot.quality` and of its loader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any, NamedTuple

from bot.page import page, plain, safe, short, table

MOST_GROUPS = 100
"""Groups of near-duplicates that the page shows in full."""
MOST_TEXTS = 4
"""Passages of a group whose text is shown; of the others the documents are named."""
LONGEST = 2_000
"""Characters of a passage that are shown."""

File = Mapping[str, Any]
Report = Mapping[str, Any]

_LISTED = 20
"""Files of a concern that are listed at once."""


class Concern(NamedTuple):
    """Something that needs a person: in which files, with what to say of each; and how to mend it."""

    title: str
    remedy: str
    files: list[tuple[str, str]]


def _skipped(report: Report) -> Iterator[tuple[str, str]]:
    yield from sorted(
        {(one["path"], one["reason"]) for one in (*_files(report, "skipped"), *report.get("skipped", ()))}
    )


def _scanned(report: Report) -> Iterator[tuple[str, str]]:
    for file in _files(report, "indexed"):
        if file.get("scanned_pages"):
            yield file["path"], _pages(file["scanned_pages"])


def _recognised(report: Report) -> Iterator[tuple[str, str]]:
    for file in _files(report, "indexed"):
        if file.get("recognised_pages"):
            yield file["path"], _pages(file["recognised_pages"])


def _garbled(report: Report) -> Iterator[tuple[str, str]]:
    for file in _files(report, "indexed"):
        if _is_garbled(file):
            yield file["path"], file["garbling"]["reason"]


def _overdue(report: Report) -> Iterator[tuple[str, str]]:
    for file in _files(report, "indexed"):
        if file.get("overdue"):
            due = file.get("metadata", {}).get("next_review")
            yield file["path"], f"was due on {due}" if due else "review is overdue"


def _contradicting(report: Report) -> Iterator[tuple[str, str]]:
    for group in _duplicates(report):
        if _sense_differs(group["passages"]):
            others = ", ".join(_documents(group["passages"][1:])[:MOST_TEXTS])
            yield group["passages"][0]["document"], f"and {others}"


def _cautioned(report: Report) -> Iterator[tuple[str, str]]:
    own = ((file["path"], caution) for file in _files(report, "indexed") for caution in file.get("cautions", ()))
    yield from sorted({*own, *((one["path"], one["message"]) for one in report.get("cautions", ()))})


def _blank(report: Report) -> Iterator[tuple[str, str]]:
    for file in _files(report, "indexed"):
        if file.get("empty_pages"):
            yield file["path"], _pages(file["empty_pages"])


_CONCERNS: Sequence[tuple[str, str, Callable[[Report], Iterable[tuple[str, str]]]]] = (
    (
        "Files that were skipped",
        "Nothing in these files can be quoted. Mend the file as its reason says, or take it out of the folder.",
        _skipped,
    ),
    (
        "Pages that are pictures",
        "Nothing on these pages can be quoted. Use the document that was scanned, or scan it again with text "
        "recognition (OCR).",
        _scanned,
    ),
    (
        "Text that may be garbled",
        "Quotes from these files may be wrong. Compare some with the file; if they differ, save the file again from "
        "the program that made it, or take it out of the folder.",
        _garbled,
    ),
    (
        "Past their review date",
        "These are still quoted. Ask the person in charge to review the content, then give the new date in the file "
        "or beside it.",
        _overdue,
    ),
    (
        "Almost the same text with another figure or a “not”",
        "Two documents may give different doses, times or phone numbers. Compare them and correct the one that "
        "is wrong.",
        _contradicting,
    ),
    (
        "Pages read by text recognition",
        "Text recognition can mistake a figure or a unit. Compare every dose on these pages with the picture.",
        _recognised,
    ),
    ("Other remarks", "These files were read all the same. See whether the remark matters.", _cautioned),
    ("Pages without text", "Nothing to do if these pages are blank in the file too.", _blank),
)


def concerns(report: Report) -> list[Concern]:
    """What needs attention, the gravest first."""
    found = (Concern(title, remedy, list(files(report))) for title, remedy, files in _CONCERNS)
    return [concern for concern in found if concern.files]


def _files(report: Report, status: str) -> list[File]:
    return sorted((file for file in report["files"] if file["status"] == status), key=lambda file: str(file["path"]))


def _needs_ocr(file: File) -> bool:
    return bool(file.get("scanned_pages")) or file["reason"].startswith("needs OCR")


def _is_garbled(file: File) -> bool:
    return bool((file.get("garbling") or {}).get("suspected"))


def _duplicates(report: Report) -> list[Mapping[str, Any]]:
    """Those with another figure or "not" come first, then the most alike."""
    found = [group for group in report.get("near_duplicates", ()) if group["passages"]]
    return sorted(found, key=lambda group: (not _sense_differs(group["passages"]), -group["similarity"]))


def _documents(passages: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(passage["document"] for passage in passages))


_TELLING = re.compile(r"\d+(?:[.,:/]\d+)*|\b(?:not?|never|none|without|cannot|\w+n['’]t)\b")


def _sense_differs(passages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a figure or an English "not" is other in one of them."""
    return len({tuple(_TELLING.findall(passage["text"].lower())) for passage in passages}) > 1


def _summary(report: Report) -> list[tuple[str, int]]:
    indexed = _files(report, "indexed")
    return [
        ("read", len(indexed)),
        ("skipped", len(list(_skipped(report)))),
        ("need OCR", sum(_needs_ocr(file) for file in report["files"])),
        ("past review", len(list(_overdue(report)))),
        ("maybe garbled", len(list(_garbled(report)))),
        ("near-duplicates", len(_duplicates(report))),
    ]


def _pages(numbers: Sequence[int]) -> str:
    """``pages 2, 4–6``"""
    runs = []
    for _, run in groupby(enumerate(sorted(set(numbers))), key=lambda at: at[1] - at[0]):
        first, *rest = (number for _, number in run)
        runs.append(f"{first}–{rest[-1]}" if rest else f"{first}")
    return f"page{'s' if len(set(numbers)) > 1 else ''} {', '.join(runs)}"


def _changes(report: Report) -> str:
    counts = [f"{report[name]:,} {name}" for name in ("added", "changed", "removed", "unchanged")]
    if renamed := report.get("renamed"):
        counts.insert(3, f"{len(renamed):,} renamed")
    return f"Documents: {', '.join(counts)} · {report['passages']:,} passages · generation {report['generation']}"


# Plain text


def text(report: Report) -> str:
    """The counts, what needs attention, and in which files; one line a fact."""
    return "\n".join(plain(" ".join(line.splitlines())).rstrip() for line in _text(report))


def _text(report: Report) -> Iterator[str]:
    yield ", ".join(f"{number:,} {what}" for what, number in _summary(report))
    yield _changes(report)
    for title, remedy, files in concerns(report):
        yield ""
        yield f"{title} ({len(files):,})"
        yield f"  {remedy}"
        yield from (f"  - {path}: {said}" for path, said in files[:_LISTED])
        if len(files) > _LISTED:
            yield f"  and {len(files) - _LISTED:,} more"
    if renamed := report.get("renamed"):
        yield ""
        yield f"Renamed ({len(renamed):,})"
        yield from (f"  - {one['from']} → {one['to']}" for one in renamed)


# HTML


def html(report: Report) -> str:
    """The page. No script, and nothing remote; file names and texts show as text. Equal reports give equal bytes."""
    body = "\n".join(part for section in _SECTIONS for part in section(report))
    return page("What was read", body, _STYLE)


def _head(report: Report) -> Iterator[str]:
    yield "<h1>What was read</h1>"
    yield f"<p class=about>{safe(_changes(report))}</p>"
    tiles = (
        f"<div{' class=look' if number and what != 'read' else ''}><dt>{what}</dt><dd>{number:,}</dd></div>"
        for what, number in _summary(report)
    )
    yield f"<dl class=tiles>{''.join(tiles)}</dl>"


def _attention(report: Report) -> Iterator[str]:
    yield "<h2>What needs attention</h2>"
    found = concerns(report)
    if not found:
        yield "<p>Nothing: every file was read as it should be.</p>"
    for title, remedy, files in found:
        count = f"<span class=count>{len(files):,}</span>"
        listed = _list(files[:_LISTED])
        if len(files) > _LISTED:
            more = f"<summary>and {len(files) - _LISTED:,} more</summary>{_list(files[_LISTED:])}"
            listed += f"<details>{more}</details>"
        yield f"<article class=concern><h3>{title} {count}</h3><p>{remedy}</p>{listed}</article>"


def _list(files: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<li>{_name(path)} <span>{safe(said)}</span></li>" for path, said in files)
    return f"<ul>{items}</ul>"


_COLUMNS = ("File", "Status", "Size", "Pages", "Words", "Passages", "Tables", "Reading age", "Language", "Next review")


def _every_file(report: Report) -> Iterator[str]:
    yield "<h2>All files</h2>"
    files = sorted(report["files"], key=lambda file: str(file["path"]))
    yield table(_COLUMNS, map(_row, files), numbers=(*range(2, 8), 9), name="All files")
    yield (
        "<p class=about>Reading age: from which age in years the text can be read, by its lengths of sentences and "
        "words. For patients, aim for 9 to 11.</p>"
    )
    if renamed := report.get("renamed"):
        yield "<h3>Renamed</h3><ul>"
        yield from (f"<li>{_name(one['from'])} → {_name(one['to'])}</li>" for one in renamed)
        yield "</ul>"


def _row(file: File) -> list[str]:
    about = file.get("metadata", {})
    title = f"<small>{safe(short(about['title'], 120))}</small>" if about.get("title") else ""
    age = file.get("reading_age")
    return [
        f"{_name(file['path'])}{title}",
        _status(file),
        f"{_size(file['bytes'])} <small>{safe(file['format'])}</small>",
        *(_count(file.get(what)) for what in ("pages", "words", "passages", "tables")),
        "–" if age is None else f"{age:.0f}",
        safe(file.get("language") or "–"),
        safe(about.get("next_review", "–")),
    ]


def _status(file: File) -> str:
    if file["status"] == "skipped":
        return "<b class=bad>skipped</b>"
    remarks = [
        remark
        for remark, holds in (
            ("needs OCR", file.get("scanned_pages")),
            ("maybe garbled", _is_garbled(file)),
            ("past review", file.get("overdue")),
            ("read by OCR", file.get("recognised_pages")),
        )
        if holds
    ]
    return "<br>".join(f"<b class=bad>{remark}</b>" for remark in remarks) or "read"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _size(size: int | None) -> str:
    """Decimal units, as file managers show."""
    if size is None:
        return "–"
    if size < 1_000:
        return f"{size} B"
    return f"{size / 1_000:,.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"


def _alike(report: Report) -> Iterator[str]:
    groups = _duplicates(report)
    if not groups:
        return
    yield "<h2>Passages that are almost the same</h2>"
    yield (
        "<p class=about>A question may be answered from either. Words that differ from the first are marked; "
        "those with another figure or a “not” come first.</p>"
    )
    yield from map(_group, groups[:MOST_GROUPS])
    if len(groups) > MOST_GROUPS:
        yield f"<p>and {len(groups) - MOST_GROUPS:,} more</p>"


def _group(group: Mapping[str, Any]) -> str:
    passages = group["passages"]
    shown, others = passages[:MOST_TEXTS], passages[MOST_TEXTS:]
    texts = [_words(passage["text"]) for passage in shown]
    marked = [_marked(texts[0], texts[min(1, len(texts) - 1)]), *(_marked(words, texts[0]) for words in texts[1:])]
    blocks = "".join(
        f"<blockquote><cite>{_name(passage['document'])}</cite>{words}</blockquote>"
        for passage, words in zip(shown, marked, strict=True)
    )
    warning = " <b class=bad>a figure or a “not” differs</b>" if _sense_differs(passages) else ""
    more = ""
    if others:
        names = _documents(others)
        listed = ", ".join(map(_name, names[:20])) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")
        more = f"<details><summary>and in {len(names):,} more</summary><p>{listed}</p></details>"
    documents = len(_documents(passages))
    # Rounded down, so that only what is wholly alike is called so.
    title = f"{int(100 * group['similarity'])}% alike in {documents:,} documents"
    return f"<article><h3>{title}{warning}</h3><div class=pair>{blocks}</div>{more}</article>"


def _words(text: str) -> list[str]:
    """Each with the white space after it."""
    return re.findall(r"\S+\s*", text if len(text) <= LONGEST else text[:LONGEST] + "…")


def _marked(words: Sequence[str], other: Sequence[str]) -> str:
    """The words, with those marked that `other` has not in this place."""
    parts = []
    matcher = SequenceMatcher(None, [*map(str.strip, words)], [*map(str.strip, other)], autojunk=False)
    for kind, start, end, _, _ in matcher.get_opcodes():
        run = "".join(words[start:end])
        if kind in ("delete", "replace"):
            inner = run.rstrip()
            parts.append(f"<mark>{safe(inner)}</mark>{safe(run[len(inner) :])}")
        else:
            parts.append(safe(run))
    return "".join(parts)


def _name(path: str) -> str:
    """A file's name or a document's id, on one line and apart from the direction of the text around it."""
    return f"<bdi class=name>{safe(path.translate(_NEWLINES))}</bdi>"


_NEWLINES = dict.fromkeys(map(ord, "\n\r\u2028\u2029"), "↵")

_SECTIONS = (_head, _attention, _every_file, _alike)

_STYLE = """
:root{--bad:#9a3412;--edge:#c2763f;--hit:#fdeaa0;--on-hit:#1b2527}
@media (prefers-color-scheme:dark){:root{--bad:#f5b27a;--edge:#b9743d;--hit:#66530f;--on-hit:#fff8dd}}
main{max-width:76rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;margin:1.5rem 0 0}
.tiles div{display:flex;flex-direction:column-reverse;background:var(--card);border-radius:.5rem;padding:.75rem 1rem}
.tiles dt{color:var(--soft);font-size:.875rem}.tiles dd{margin:0;font-size:1.6rem;line-height:1.2;font-weight:600}
.tiles .look{box-shadow:inset 0 3px var(--edge)}.look dd,.bad{color:var(--bad)}
.concern p{margin:0 0 .5rem}.count{font-weight:400;color:var(--soft)}
.concern ul{margin:0;padding-left:1.1rem}li{margin:.2rem 0;overflow-wrap:anywhere}li span{color:var(--soft)}
.name{font-weight:600;overflow-wrap:anywhere}td .name{display:block;min-width:12rem;max-width:24rem}
td{font-size:.925rem}td .bad{white-space:nowrap}
blockquote{white-space:pre-wrap}blockquote cite{margin-bottom:.25rem}cite .name{font-weight:400}
mark{background:var(--hit);color:var(--on-hit);text-decoration:underline;border-radius:.15rem}
summary{cursor:pointer;color:var(--soft);font-size:.875rem}
:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
@media print{main{max-width:none;padding:0}h2,h3{break-after:avoid}.scroll{overflow:visible}
td,td small,thead th{font-size:8pt}td,th{padding-right:.5rem}td .name{min-width:11rem}
tr,li{break-inside:avoid}mark{print-color-adjust:exact}}
"""
