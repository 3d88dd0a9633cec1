"""Plain text: the file as it is, its headings guessed from their looks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.loaders import Extracted, Heading, Note, Unreadable
from bot.loaders.encoding import decode, guess_note

_LINE = re.compile(r"[^\r\n]+")
_UNDERLINE = re.compile(r"={3,}|-{3,}|~{3,}")
_LIST_ITEM = re.compile(r"(?:[-*+•◦‣▪·–—]|\d{1,3}[.)]|\(?[A-Za-z]\)|\(\d{1,3}\))\s")
_MAX_CHARACTERS = 80
_MAX_WORDS = 12
_MAX_WORDS_BEFORE_COLON = 5
_NOT_AT_THE_END = tuple(".,;!…。，；！、\"'“”‘’«»")
_UNFINISHED = frozenset({"a", "an", "and", "but", "nor", "or", "the"})


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    text, encoding, guessed = decode(data)
    if guessed:
        yield guess_note(encoding)
    yield Extracted(text, headings=tuple(headings(text)))


def headings(text: str) -> Iterator[Heading]:
    """Lines that look like headings and have body text somewhere after them.

    A short line after a blank line that is no sentence and no list item, and that is underlined, followed by a
    blank line, or in capitals. Levels: 1 underlined with =, 2 underlined otherwise or in capitals, 3 the rest.
    A wrong guess moves a section's border and nothing else.
    """
    waiting: list[Heading] = []  # short lines at the end of a letter (thanks, names) are no headings
    lines = _lines_with_text(text)
    line = next(lines, None)
    while line is not None:
        start, end, blank_before = line
        line = next(lines, None)
        words = text[start:end].strip() if blank_before and end - start <= 2 * _MAX_CHARACTERS else ""
        level = None
        if words and _heading_like(words):
            underline = text[line[0] : line[1]].strip() if line and not line[2] else ""
            if line and _UNDERLINE.fullmatch(underline):
                level, end = (1 if underline[0] == "=" else 2), line[1]
                line = next(lines, None)
            elif words.isupper():
                level = 2
            elif line is None or line[2]:
                level = 3
        if level:
            waiting.append(Heading(start, end, level, words))
        else:
            yield from waiting
            waiting.clear()


def _lines_with_text(text: str) -> Iterator[tuple[int, int, bool]]:
    """Start, end and whether a blank line (or nothing) comes before, for each line that is not blank."""
    last_end = 0
    first = True
    for match in _LINE.finditer(text):
        start, end = match.span()
        if text[start:end].isspace():
            continue
        gap = text[last_end:start]
        breaks = gap.count("\n") + gap.count("\r") - gap.count("\r\n")
        yield start, end, first or breaks > 1
        last_end, first = end, False


def _heading_like(line: str) -> bool:
    words = line.split()
    first = line[0]
    return (
        len(line) <= _MAX_CHARACTERS
        and len(words) <= _MAX_WORDS
        and (first.isdigit() or (first.isalpha() and not first.islower()))
        and any(map(str.isalpha, line))
        and not line.endswith(_NOT_AT_THE_END)
        and words[-1] not in _UNFINISHED
        and (not line.endswith((":", "：")) or len(words) <= _MAX_WORDS_BEFORE_COLON)
        and not _LIST_ITEM.match(line)
    )
