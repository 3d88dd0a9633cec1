"""Words read off the picture of a page by the program ``tesseract``, where it is installed.

It gets the picture through a pipe and answers through one: nothing is written to disk. It may be wrong about any
word, so each comes with how sure it is.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from bot.loaders import Unreadable

DOTS_PER_INCH = 300
MOST_PIXELS = 25_000_000
SECONDS = 60
"""For one page."""

_LANGUAGES = re.compile(r"[a-z_]+(?:\+[a-z_]+)*", re.IGNORECASE)
_COLUMNS = 12
_REMEDY = "install Tesseract and its language data"


@dataclass(frozen=True, slots=True)
class Picture:
    """A page in shades of grey, a byte a pixel, row by row from its upper left."""

    width: int
    height: int
    dots_per_inch: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class Word:
    """`line`: equal for words of one line. `x0` to `bottom` in pixels of the picture from its upper left;
    `confidence` from 0 to 100."""

    text: str
    line: tuple[int, int, int]
    x0: int
    top: int
    x1: int
    bottom: int
    confidence: float


def check_languages(languages: str) -> None:
    """Raises Unreadable unless `languages` are codes as Tesseract has them, such as ``eng`` or ``deu+fra``."""
    if not _LANGUAGES.fullmatch(languages):
        raise Unreadable(f"cannot be read off its pictures: {languages!r} are no language codes such as eng or deu+fra")


def read(picture: Picture, languages: str) -> list[Word]:
    """The words on a picture, in reading order. Raises Unreadable without the program or a language, and where it
    fails or takes too long."""
    command = [
        "tesseract",
        "stdin",
        "stdout",
        "-l",
        languages,
        "--dpi",
        str(picture.dots_per_inch),
        "--psm",
        "3",
        "tsv",
    ]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the languages are checked
            command,
            input=b"P5 %d %d 255\n" % (picture.width, picture.height) + picture.pixels,
            capture_output=True,
            timeout=SECONDS,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            check=False,
        )
    except FileNotFoundError:
        raise Unreadable(f"needs OCR, and the program tesseract is not there: {_REMEDY}") from None
    except subprocess.TimeoutExpired:
        raise Unreadable(f"needs OCR, and that takes too long: the limit is {SECONDS} s a page") from None
    if done.returncode:
        raise Unreadable(f"needs OCR, and tesseract failed for the language {languages!r}: {_REMEDY}")
    return list(_words(done.stdout.decode(errors="replace")))


def _words(table: str) -> Iterator[Word]:
    for row in table.split("\n")[1:]:
        cells = row.rstrip("\r").split("\t")
        if len(cells) == _COLUMNS and cells[0] == "5" and cells[-1].strip():
            block, paragraph, line, _, left, top, width, height = map(int, cells[2:10])
            where = (block, paragraph, line)
            yield Word(cells[-1].strip(), where, left, top, left + width, top + height, float(cells[10]))
