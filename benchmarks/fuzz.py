"""Thousands of damaged files, each read as a corpus is: does any of them break, hang or bloat the reading of it?

    python benchmarks/fuzz.py [--files DIR] [--each 2000] [--seed 1] [--format pdf …] [--keep DIR]
    python benchmarks/fuzz.py --again pdf:1234 [--files DIR] [--seed 1]

Sound files (made here; those of ``--files`` too) are spoilt: bits flipped, bytes cut out, put in, doubled or taken from
another file, numbers made enormous, the end cut off; in zips also within the parts, in PDFs also within the packed
streams. What can be read must also make a sound document. Prints what came of the files by format, and every finding:
a crash, a time or memory limit met, a text whose places do not fit it, a reason that does not fit on a line. Exits
with 1 if there is any.

A file is made from the seed and its number alone: ``--again`` makes it once more and reads it in this process, for its
traceback; ``--keep`` writes the files of findings into a folder.
"""

from __future__ import annotations

import argparse
import copy
import io
import os
import random
import re
import subprocess
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from docx import Document as WordDocument
from lxml import etree
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

from bot.documents import Document, sections
from bot.loaders import LOADERS, Extracted, Note, Unreadable, printable
from bot.loaders.isolated import Limits, Reader

FORMATS = ("pdf", "docx", "odt", "html", "md", "txt", "jsonl")
ZIPS = ("docx", "odt")
TEXTS = ("html", "md", "txt", "jsonl")
LONGEST = 4 * 1024 * 1024
"""Bytes of a spoilt file: larger ones would take the time of many smaller."""
LONGEST_REASON = 300
MOST_ELEMENTS = 20_000
"""Doubled once more, they would be too many."""

BAD = {"breaks the program": "crash", "takes too long": "hang", "needs too much memory": "memory"}
NUMBERS = (b"0", b"-1", b"1", b"255", b"65536", b"2147483647", b"4294967296", b"99999999999999999999", b"1e308", b".")
_CONTROL = re.compile("[\0-\x08\x0e-\x1f]")
_NUMBER = re.compile(rb"\d+")
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)

Reading = Callable[[str, bytes], list[Extracted | Unreadable | Note]]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a file: "read", "refused", or a finding. `grown`: kilobytes that the reading process has grown by
    since its 100th file."""

    suffix: str
    number: int
    kind: str
    reason: str
    seconds: float
    grown: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="a folder of sound files to spoil as well")
    parser.add_argument("--each", type=int, default=2000, help="how many of each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--seconds", type=int, default=20, help="what one file may take")
    parser.add_argument("--megabytes", type=int, default=1024, help="what one file may take")
    parser.add_argument("--keep", type=Path, help="a folder for the files of findings")
    parser.add_argument("--again", metavar="FORMAT:NUMBER", help="read this one here")
    options = parser.parse_args()
    if options.again:
        return again(options)
    limits = Limits(options.seconds, options.megabytes)
    found = 0
    for suffix in options.format:
        fuzz = Fuzz(suffix, options.seed, sound(suffix, options.files), limits)
        results = fuzz.run(options.each)
        report(suffix, results)
        for result in results:
            if result.kind not in ("read", "refused"):
                found += 1
                about = f"{result.reason[:LONGEST_REASON]}  {why(result, options)}"
                print(f"  {result.kind}: --again {suffix}:{result.number}  {about}")
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{options.seed}-{result.number}.{suffix}").write_bytes(fuzz.file(result.number))
    print(f"{found} findings")
    return int(found > 0)


class Fuzz:
    def __init__(self, suffix: str, seed: int, seeds: list[bytes], limits: Limits) -> None:
        self.suffix = suffix
        self.seed = seed
        self.seeds = seeds
        self.limits = limits

    def file(self, number: int) -> bytes:
        rng = random.Random(f"{self.seed} {self.suffix} {number}")
        return spoilt(self.suffix, rng, self.seeds)[:LONGEST]

    def run(self, count: int) -> list[Result]:
        """One process a core, each with its share of the numbers."""
        cores = os.cpu_count() or 1
        with ThreadPoolExecutor(cores) as pool:
            shares = pool.map(self._share, [range(first, count, cores) for first in range(cores)])
        return sorted((result for share in shares for result in share), key=lambda result: result.number)

    def _share(self, numbers: Iterable[int]) -> list[Result]:
        results: list[Result] = []
        with Reader(self.limits) as reader:
            reader.load(".txt", b"start")
            since: dict[int | None, int] = {}
            base: dict[int | None, int] = {}
            for number in numbers:
                data = self.file(number)
                begun = time.perf_counter()
                kind, reason = outcome(reader.load, self.suffix, data)
                seconds = time.perf_counter() - begun
                pid = reader.pid
                since[pid] = since.get(pid, 0) + 1
                if since[pid] == 100:
                    base[pid] = resident(pid)
                grown = resident(pid) - base[pid] if pid in base and since[pid] % 20 == 0 else 0
                results.append(Result(self.suffix, number, kind, reason, seconds, grown))
        return results


def outcome(load: Reading, suffix: str, data: bytes) -> tuple[str, str]:
    try:
        found = load(f".{suffix}", data)
    except Unreadable as error:
        if not printable(error.reason) or len(error.reason) > LONGEST_REASON:
            return "reason", repr(error.reason)
        return next((kind for start, kind in BAD.items() if error.reason.startswith(start)), "refused"), error.reason
    wrong = [unsound(each) for each in found if isinstance(each, Extracted)]
    if any(wrong):
        return "unsound", next(filter(None, wrong))
    if not wrong:
        return "refused", next((each.reason for each in found if isinstance(each, Unreadable)), "nothing in it")
    return "read", ""


def unsound(found: Extracted) -> str:
    """What is wrong with a text's places; "" if nothing is."""
    text = found.text
    places = [(heading.start, heading.end) for heading in found.headings]
    lines = [span for table in found.tables for span in table]
    try:
        text.encode()
        Document("id", text, "", sections(text, found.headings, ""), "source", found.pages)
    except ValueError as error:
        return str(error)
    if any(before[1] > after[0] for before, after in [*pairwise(places), *pairwise(lines)]):
        return "headings or rows out of order"
    if any(heading.text not in text[heading.start : heading.end] for heading in found.headings):
        return "a heading's words are not its own"
    if any((start and text[start - 1] not in "\r\n") or text[end : end + 1] not in "\r\n" for start, end in lines):
        return "a row is no whole line"
    if any(anchor.page < 1 or anchor.page > len(found.pages) or anchor.at < 0 for anchor in found.anchors):
        return "an anchor on no page"
    if any(before.end > after.start for before, after in pairwise(found.anchors)):
        return "anchors out of order"
    return ""


def resident(pid: int | None) -> int:
    """Kilobytes; 0 where the system does not say."""
    try:
        return int(re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]
    except (FileNotFoundError, TypeError):
        return 0


def report(suffix: str, results: list[Result]) -> None:
    kinds = Counter(result.kind for result in results)
    slowest = max(results, key=lambda result: result.seconds)
    grown = max(result.grown for result in results) / 1024
    total = sum(result.seconds for result in results)
    print(f"{suffix}: {', '.join(f'{count} {kind}' for kind, count in kinds.most_common())}; {total:.0f} s;", end=" ")
    print(f"slowest {slowest.seconds:.2f} s (number {slowest.number}); grown by {grown:.0f} MB at most")
    reasons = Counter(re.sub(r"\(.*\)|'.*'|\d[\d,]*", "…", r.reason) for r in results if r.kind == "refused")
    for reason, count in reasons.most_common():
        print(f"  {count:6} {reason[:100]}", flush=True)


def why(result: Result, options: argparse.Namespace) -> str:
    """The last line of a crash's traceback."""
    if result.kind != "crash":
        return ""
    command = [sys.executable, __file__, "--again", f"{result.suffix}:{result.number}", "--seed", str(options.seed)]
    command += ["--files", options.files] if options.files else []
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=5 * options.seconds)
    except subprocess.TimeoutExpired:
        return "(not again)"
    places = re.findall(r'File ".*?([^/\\]+)", line (\d+)', ran.stderr)
    last = ran.stderr.strip().splitlines()[-1:] or [f"exit status {ran.returncode}"]
    return " ".join([*(":".join(place) for place in places[-1:]), last[0][:200]])


def again(options: argparse.Namespace) -> int:
    suffix, number = options.again.split(":")
    fuzz = Fuzz(suffix, options.seed, sound(suffix, options.files), Limits())
    data = fuzz.file(int(number))
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / f"{options.seed}-{number}.{suffix}").write_bytes(data)
    kind, reason = outcome(lambda suffix, data: list(LOADERS[suffix](data)), suffix, data)
    print(kind, reason)
    return int(kind not in ("read", "refused"))


# Spoiling


def spoilt(suffix: str, rng: random.Random, seeds: list[bytes]) -> bytes:
    data = rng.choice(seeds)
    other = rng.choice(seeds)
    if suffix in ZIPS and rng.random() < 0.8:
        return spoilt_within(data, other, rng)
    if suffix == "pdf" and rng.random() < 0.4:
        return spoilt_streams(data, rng)
    data = spoil(data, other, rng)
    return legible(data) if suffix in TEXTS and rng.random() < 0.7 else data


def legible(data: bytes) -> bytes:
    """What of it is UTF-8, so that more is met than the refusal of its encoding."""
    return _CONTROL.sub("", data.decode(errors="ignore")).encode()


def spoil(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few blows, most of them small."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 10, 50))):
        data = rng.choice(BLOWS)(data, other, rng)
    return data


def spoilt_within(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """The zip with one or a few of its parts spoilt, gone, or taken from the other."""
    parts, others = dict(unzipped(data)), unzipped(other)
    xml = [name for name in parts if name.endswith((".xml", ".rels"))]
    for name in rng.sample(xml, min(len(xml), rng.choice((1, 1, 2, 4)))):
        if rng.random() < 0.05:
            del parts[name]
        else:
            how = replant if rng.random() < 0.75 else spoil
            parts[name] = how(parts[name], others.get(name, parts[name]), rng)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if name in xml else zipfile.ZIP_STORED)
    return file.getvalue()


def replant(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """XML that stays well formed: elements gone, doubled, moved or exchanged, values made enormous or taken away."""
    root = etree.fromstring(data)
    guests = list(etree.fromstring(other).iter(etree.Element))
    for _ in range(rng.choice((1, 2, 3, 5, 10, 50))):
        elements = list(root.iter(etree.Element))
        if len(elements) > MOST_ELEMENTS:
            break
        at, there = rng.choice(elements), rng.choice(elements)
        match rng.randrange(5):
            case 0 if at is not root:
                at.getparent().remove(at)
            case 1:
                there.insert(rng.randrange(len(there) + 1), copy.deepcopy(at))
            case 2:
                there.append(copy.deepcopy(rng.choice(guests)))
            case 3 if at.attrib:
                name = rng.choice(list(at.attrib))
                values = [number.decode() for number in NUMBERS] + list(there.attrib.values())
                at.set(name, rng.choice(values))
            case 4:
                at.text = there.text
    return etree.tostring(root)


@cache
def unzipped(data: bytes) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def spoilt_streams(data: bytes, rng: random.Random) -> bytes:
    """One packed stream, or a few, unpacked, spoilt and packed again, as long as before where that can be had."""
    streams = [match.span(1) for match in _STREAM.finditer(data)]
    for start, end in sorted(rng.sample(streams, min(len(streams), rng.choice((1, 2, 4)))), reverse=True):
        try:
            inner = zlib.decompressobj().decompress(data[start:end], LONGEST)
        except zlib.error:
            continue
        packed = zlib.compress(spoil(inner, inner, rng), 9)
        data = data[:start] + packed.ljust(end - start) + data[end:]
    return data


def flip(data: bytes, other: bytes, rng: random.Random) -> bytes:
    at = place(data, rng)
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if data else data


def overwrite(data: bytes, other: bytes, rng: random.Random) -> bytes:
    at = place(data, rng)
    return data[:at] + rng.randbytes(size(rng)) + data[at + size(rng) :]


def cut_out(data: bytes, other: bytes, rng: random.Random) -> bytes:
    at = place(data, rng)
    return data[:at] + data[at + size(rng) :]


def double(data: bytes, other: bytes, rng: random.Random) -> bytes:
    at, length = place(data, rng), size(rng)
    times = rng.choice((1, 1, 2, 20, 1000)) if length < 200 else 1
    return data[: at + length] + data[at : at + length] * times + data[at + length :]


def splice(data: bytes, other: bytes, rng: random.Random) -> bytes:
    at, there, length = place(data, rng), place(other, rng), size(rng) * 4
    return data[:at] + other[there : there + length] + data[at + rng.choice((0, length)) :]


def swap(data: bytes, other: bytes, rng: random.Random) -> bytes:
    one, two = sorted((place(data, rng), place(data, rng)))
    length = min(size(rng), two - one)
    return (
        data[:one]
        + data[two : two + length]
        + data[one + length : two]
        + data[one : one + length]
        + data[two + length :]
    )


def truncate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    return data[: place(data, rng)] if rng.random() < 0.3 else data


def renumber(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A number near some place becomes another."""
    if found := _NUMBER.search(data, place(data, rng)):
        return data[: found.start()] + rng.choice(NUMBERS) + data[found.end() :]
    return data


BLOWS = (flip, flip, overwrite, cut_out, double, splice, swap, truncate, renumber, renumber)


def place(data: bytes, rng: random.Random) -> int:
    return rng.randrange(len(data)) if data else 0


def size(rng: random.Random) -> int:
    return rng.choice((1, 1, 2, 4, 16, 100, 1000, 10_000))


# Sound files


def sound(suffix: str, folder: Path | None) -> list[bytes]:
    own = {"pdf": pdfs, "docx": word_files, "odt": odt_files}.get(suffix, lambda: iter(PLAIN[suffix]))
    real = sorted(folder.rglob(f"*.{suffix}")) if folder else []
    files = [*own(), *(path.read_bytes() for path in real)]
    return [file for file in files if suffix not in ZIPS or zipfile.is_zipfile(io.BytesIO(file))]


ROWS = [["Weight", "Dose", "Route"], ["50 kg", "25 mg", "IV"], ["60 kg", "30 mg", "by mouth"]]
WORDS = (
    "Take one tablet in the morning with a glass of water. Do not take two tablets at once, even if you forgot one. "
)


def pdfs() -> Iterator[bytes]:
    styles = getSampleStyleSheet()
    table = Table(ROWS, style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
    page: list[Flowable] = [
        Paragraph("Before your visit", styles["Heading1"]),
        Paragraph(WORDS * 9, styles["Normal"]),
        table,
    ]
    for pages in (1, 3):
        for compressed in (0, 1):
            file = io.BytesIO()
            story = [part for _ in range(pages) for part in (*page, PageBreak())]
            SimpleDocTemplate(file, pagesize=A4, title="A leaflet", pageCompression=compressed, invariant=1).build(
                story
            )
            yield file.getvalue()


def word_files() -> Iterator[bytes]:
    for style in ("List Number", "List Bullet"):
        document = WordDocument()
        document.core_properties.title = "A leaflet"
        document.add_heading("Before your visit", 1)
        document.add_paragraph(WORDS)
        for words in ("Eat nothing.", "Drink water.", "Bring your list."):
            document.add_paragraph(words, style)
        table = document.add_table(0, 3)
        for row in ROWS:
            for cell, words in zip(table.add_row().cells, row, strict=True):
                cell.text = words
        table.cell(1, 0).merge(table.cell(2, 0))
        document.sections[0].header.paragraphs[0].text = "Clinic"
        file = io.BytesIO()
        document.save(file)
        yield repacked(file.getvalue())


def repacked(data: bytes) -> bytes:
    """Without the times of its parts, so that it is the same each day."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in unzipped(data).items():
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2025-01-31T00:00:00Z", content)
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def odt_files() -> Iterator[bytes]:
    spaces = ("office", "text", "table", "style", "meta")
    names = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in spaces)
    rows = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{words}</text:p></table:table-cell>" for words in row)
        + "</table:table-row>"
        for row in ROWS
    )
    content = f"""<?xml version="1.0"?><office:document-content {names}><office:automatic-styles>
<text:list-style style:name="L">
<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/></text:list-style>
<style:style style:name="P" style:family="paragraph"/></office:automatic-styles><office:body><office:text>
<text:h text:outline-level="1">Before your visit</text:h>
<text:p text:style-name="P">{WORDS}<text:s text:c="3"/><text:tab/>
<text:span>Never<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note</text:p>
</text:note-body></text:note></text:span><text:line-break/>twice.</text:p>
<text:list text:style-name="L"><text:list-item>
<text:p>Eat nothing.</text:p></text:list-item><text:list-item text:start-value="7"><text:p>Drink water.</text:p>
</text:list-item></text:list><table:table><table:table-column table:number-columns-repeated="3"/>{rows}</table:table>
</office:text></office:body></office:document-content>"""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/vnd.oasis.opendocument.text")
        archive.writestr(zipfile.ZipInfo("content.xml"), content)
    yield file.getvalue()


PLAIN = {
    "html": [
        f"""<!doctype html><html lang=en><head><meta charset=utf-8><title>A leaflet</title>
<meta name=author content="A">
<script type="application/ld+json">{{"dateModified": "2025-01-31"}}</script></head><body><nav><a href=/>Home</a></nav>
<main><h1>Before your visit</h1><p>{WORDS}</p>
<ol start=3 type=a><li>Eat nothing.<li value=9>Drink water.<ul><li>Tea</ul>
</ol><table><thead><tr><th>Weight<th colspan=2>Dose</thead><tr><td rowspan=2>50 kg<td>25 mg<td>IV<tr><td>30 mg<td>oral
</table><dl><dt>Dose<dd>5&nbsp;mg &lt; 10<sup>6</sup></dl><pre>a
  b</pre><p hidden>No</p><del>Never</del></main><footer>© Clinic</footer></body></html>""".encode(),
        f"<p>{WORDS}<b><i>Never</b> twice</i><table><tr><td><table><tr><td>x</table></table>µ".encode("cp1252"),
    ],
    "md": [
        f"""---
title: A leaflet
reviewed: 2025-01-31
---

# Before your visit

{WORDS}

- Eat nothing.
  1. Drink *water*.

| Weight | Dose |
|---|---|
| 50 kg | 25 mg |

Dose
----

> ## Quoted

```
# no heading
```
""".encode(),
    ],
    "txt": [
        f"BEFORE YOUR VISIT\n\n{WORDS}\n\nDose\n====\n\n- 25 mg\n".encode(),
        f"Über\r\n\r\n{WORDS} 25 µg – ½".encode("cp1252"),
        f"Dose\n\n{WORDS} 25 µg 💊".encode("utf-16"),
    ],
    "jsonl": [
        b"".join(
            b'{"_id": "d%d", "title": "Dose \\u00b5", "text": "%s", "metadata": {"author": "A"}}\n'
            % (n, WORDS.encode())
            for n in range(5)
        )
    ],
}


if __name__ == "__main__":
    sys.exit(main())
