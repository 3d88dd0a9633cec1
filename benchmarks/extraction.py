"""How fast PDFs become text: our reading order, tables and places against the bare text of the library.

    python benchmarks/extraction.py [--files DIR] [--rounds 5] [--pages 80]

The bare text is what PDFium gives for a page and nothing more: open it, take its text, close it. Both ways take turns
in one process, and the best round of each counts (CPU time). Then the same files are read as those of a corpus are: in
as many processes as there are cores (wall time), with the time that these need to start and without. Without
``--files`` the documents are made here: in one column, in two, and with tables, each of ``--pages`` pages.
"""

from __future__ import annotations

import argparse
import io
import os
import queue
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pypdfium2
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageBreak, PageTemplate, Paragraph, Table, TableStyle

from bot.loaders import Unreadable
from bot.loaders.isolated import Limits, Reader
from bot.loaders.pdf import load

WORDS = """the infusion is given slowly by a nurse who checks your blood pressure and breathing every fifteen minutes
while you rest in a quiet room with treatment medication appointment information""".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="a folder of PDFs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pages", type=int, default=80, help="of each document that is made here")
    options = parser.parse_args()
    if options.files:
        sets = {"files": [path.read_bytes() for path in sorted(options.files.rglob("*.pdf"))]}
    else:
        sets = {name: [make(options.pages)] for name, make in MADE.items()}
    sets = {name: list(filter(opens, files)) for name, files in sets.items()}
    print("| one process, CPU time | pages | bare, pages/s | ours, pages/s | ours / bare |\n|---|---|---|---|---|")
    everything = [file for files in sets.values() for file in files]
    for name, files in {**sets, "all": everything}.items() if len(sets) > 1 else sets.items():
        pages = sum(map(bare, files))
        bare_best, ours_best = in_turns(files, options.rounds)
        speeds = f"{pages / bare_best:.0f} | {pages / ours_best:.0f} | {bare_best / ours_best:.2f}"
        print(f"| {name} | {pages} | {speeds} |", flush=True)
    processes = os.cpu_count() or 1
    copies = everything * max(1, 4 * processes // len(everything))
    pages = sum(map(bare, copies))
    print(f"\n| {processes} processes, wall time | files | pages | seconds | pages/s |\n|---|---|---|---|---|")
    timed = [as_a_corpus(copies, processes) for _ in range(options.rounds)]
    for name, seconds in (
        ("their start apart", min(reading for _, reading in timed)),
        ("their start included", min(map(sum, timed))),
    ):
        print(f"| {name} | {len(copies)} | {pages} | {seconds:.2f} | {pages / seconds:.0f} |")


def opens(data: bytes) -> bool:
    try:
        pypdfium2.PdfDocument(data).close()
    except pypdfium2.PdfiumError:
        return False
    return True


def bare(data: bytes) -> int:
    """The text of every page; returns how many there are."""
    with closing(pypdfium2.PdfDocument(data)) as file:
        for page in file:
            with closing(page), closing(page.get_textpage()) as text:
                text.get_text_range()
        return len(file)


def ours(data: bytes) -> None:
    with suppress(Unreadable):  # a scan: every page was looked at
        list(load(data))


def in_turns(files: Sequence[bytes], rounds: int) -> tuple[float, float]:
    """Seconds of CPU time, the best of all rounds: bare, ours."""
    best = {bare: float("inf"), ours: float("inf")}
    for _ in range(rounds):
        for way in (bare, ours):
            begun = time.process_time()
            for file in files:
                way(file)
            best[way] = min(best[way], time.process_time() - begun)
    return best[bare], best[ours]


def as_a_corpus(files: Sequence[bytes], processes: int) -> tuple[float, float]:
    """Seconds of wall time: until every process has read a first page, and from there until all files are read."""
    first = one_column(1)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for file in files:
        waiting.put(file)

    def work(reader: Reader) -> None:
        while True:
            try:
                reader.load(".pdf", waiting.get_nowait())
            except Unreadable:
                continue
            except queue.Empty:
                return

    with ExitStack() as opened:
        pool = opened.enter_context(ThreadPoolExecutor(processes))
        readers = [opened.enter_context(Reader(Limits())) for _ in range(processes)]
        begun = time.perf_counter()
        list(pool.map(lambda reader: reader.load(".pdf", first), readers))
        started = time.perf_counter()
        list(pool.map(work, readers))
        return started - begun, time.perf_counter() - started


# Documents


def one_column(pages: int) -> bytes:
    return built(pages, [Frame(50, 50, 495, 740)], lambda rng: texts(rng, 5, 90))


def two_columns(pages: int) -> bytes:
    return built(pages, [Frame(50, 50, 240, 740), Frame(305, 50, 240, 740)], lambda rng: texts(rng, 6, 70))


def tables(pages: int) -> bytes:
    def page(rng: random.Random) -> Iterator[Flowable]:
        yield from texts(rng, 2, 60)
        rows = [["Weight", "Dose", "Route", "How often"]]
        rows += [[f"{w} kg", f"{w // 2} mg", rng.choice(WORDS), f"{w % 4} a day"] for w in range(40, 60)]
        yield Table(rows, style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))

    return built(pages, [Frame(50, 50, 495, 740)], page)


MADE: dict[str, Callable[[int], bytes]] = {"one column": one_column, "two columns": two_columns, "tables": tables}


def texts(rng: random.Random, sections: int, length: int) -> Iterator[Flowable]:
    styles = getSampleStyleSheet()
    for _ in range(sections):
        yield Paragraph(" ".join(rng.choices(WORDS, k=4)).capitalize(), styles["Heading2"])
        yield Paragraph(" ".join(rng.choices(WORDS, k=length)).capitalize() + ".", styles["Normal"])


def built(pages: int, frames: list[Frame], page: Callable[[random.Random], Iterator[Flowable]]) -> bytes:
    """A document of so many times what `page` gives, each on a page of its own."""
    rng = random.Random(1)
    story = [part for _ in range(pages) for part in (*page(rng), PageBreak())]
    file = io.BytesIO()
    document = BaseDocTemplate(file, pagesize=A4, invariant=1)
    document.addPageTemplates([PageTemplate(frames=frames)])
    document.build(story)
    return file.getvalue()


if __name__ == "__main__":
    main()
