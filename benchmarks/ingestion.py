"""Files with a known text: how much of it is read, in order, and how much of what is read belongs to it.

    python benchmarks/ingestion.py FOLDER [--only pdf docx …]

FOLDER holds MANIFEST.tsv with the columns ``path`` and ``ground_truth`` (a file of HTML or Markdown, or empty), both
relative to it. Every file is read as a corpus is, in a process of its own. Printed for each: whether it was read, or
why not; and where there is a reference the longest common subsequence of both texts' words, as a share of the
reference's words (found) and of ours (right). Below, by format, how many were read and the medians and least shares.

A word is a run of letters and digits, in lower case; underscores and dashes are none. The words of an HTML reference
are those of every node but script, style and head, shown or not. Of a Markdown reference, comments (where images
stood), targets of links and escapes go, and entities are what they stand for; what its marks enclose stays. A file
that is refused has no words.

Our tables name their heads in every row, so their words stand in another order and some more than once. A reference
that a program made has that program's mistakes. Read the texts before believing a low share.
"""

from __future__ import annotations

import argparse
import csv
import html
import re
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from selectolax.lexbor import LexborHTMLParser

from bot.loaders import LOADERS, Extracted, Note, Unreadable
from bot.loaders.isolated import Limits, Reader

_WORD = re.compile(r"[^\W_]+")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TARGET = re.compile(r"\]\([^)\s]*\)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")

Shares = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="FORMAT", help="formats, by suffix without its dot")
    options = parser.parse_args()
    read: dict[str, list[bool]] = {}
    measured: dict[str, list[Shares]] = {}
    with (options.folder / "MANIFEST.tsv").open(newline="", encoding="utf-8") as manifest, Reader(Limits()) as reader:
        print("found  right  seconds  file: what came of it")
        for row in csv.DictReader(manifest, delimiter="\t"):
            path = options.folder / row["path"]
            kind = path.suffix.lower().removeprefix(".")
            if options.only and kind not in options.only:
                continue
            begun = time.perf_counter()
            text, said = outcome(reader, path)
            seconds = time.perf_counter() - begun
            shown = "     –      –"
            if path.suffix.lower() in LOADERS:
                read.setdefault(kind, []).append(text is not None)
                if row["ground_truth"]:
                    shares = compared(reference(options.folder / row["ground_truth"]), words(text or ""))
                    measured.setdefault(kind, []).append(shares)
                    shown = f"{shares[0]:6.3f} {shares[1]:6.3f}"
            print(f"{shown} {seconds:8.2f}  {row['path']}: {said}", flush=True)
    print("\nformat  files  read  with reference  found: median  least  right: median  least")
    for kind, outcomes in read.items():
        line = f"{kind:6} {len(outcomes):6} {sum(outcomes):5}"
        if shares_of := measured.get(kind):
            found, right = zip(*shares_of, strict=True)
            line += f" {len(found):15} {median(found):14.3f} {min(found):6.3f} {median(right):14.3f} {min(right):6.3f}"
        print(line)


def outcome(reader: Reader, path: Path) -> tuple[str | None, str]:
    """A file's text, None where it was refused, and what is to be said of it."""
    if path.suffix.lower() not in LOADERS:
        return None, "unsupported format"
    try:
        found = reader.load(path.suffix.lower(), path.read_bytes())
    except Unreadable as error:
        return None, f"refused: {error.reason}"
    texts = [each.text for each in found if isinstance(each, Extracted) and each.text.strip()]
    notes = [each.message for each in found if isinstance(each, Note)]
    notes += [each.reason for each in found if isinstance(each, Unreadable)]
    if not texts:
        return None, f"refused: {'; '.join(notes) or 'empty'}"
    return "\n".join(texts), "; ".join(["read", *notes])


def reference(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        tree = LexborHTMLParser(text)
        for node in tree.css("script, style, head"):
            node.decompose()
        return words(tree.body.text(separator=" ") if tree.body else "")
    text = _TARGET.sub("]", _COMMENT.sub(" ", text))
    return words(html.unescape(_ESCAPE.sub(r"\1", text)))


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def compared(expected: Sequence[str], ours: Sequence[str]) -> Shares:
    """The longest common subsequence as a share of either; 1 of nothing."""
    common = common_words(expected, ours)
    return (common / len(expected) if expected else 1.0, common / len(ours) if ours else 1.0)


def common_words(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence: Hyyrö's bit-parallel form of Allison and Dix, 1986."""
    places: dict[str, int] = {}
    for number, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << number
    everywhere = (1 << len(one)) - 1
    row = everywhere
    for word in other:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & everywhere
    return len(one) - row.bit_count()


if __name__ == "__main__":
    main()
