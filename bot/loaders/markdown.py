"""Markdown: the source as it is, marks included; headings as CommonMark defines them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

from bot.loaders import Extracted, Heading, Note, Unreadable
from bot.loaders.encoding import decode, guess_note

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_MAX_NESTING = 40
"""Quotes and lists nested more deeply are not looked into: time grows with the depth times the lines."""

# Only blocks matter here: no inline markup, no link references.
_PARSER = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).disable(["inline", "reference", "text_join"])


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    text, encoding, guessed = decode(data)
    if guessed:
        yield guess_note(encoding)
    yield Extracted(text, headings=tuple(headings(text)))


def headings(text: str) -> Iterator[Heading]:
    """ATX and setext headings, except in quotes and lists, which are no parts of the document's outline."""
    lines = [match.span() for match in _LINE.finditer(text)]  # the same lines as the parser's, for \\r too
    for token in _PARSER.parse(text):
        if token.type != "heading_open" or token.level or not token.map:
            continue
        first, last = token.map[0], token.map[1] - 1
        start, end = lines[first][0], _end(text, lines[last])
        if token.markup.startswith("#"):
            words = _atx_words(text[start:end])
        elif first == 1 and text[: lines[0][1]].rstrip() == "---":
            continue  # the end of a front matter block looks like an underline
        else:
            words = text[start : _end(text, lines[last - 1])].strip()
        if words:
            yield Heading(start, end, int(token.tag[1]), words)


def _end(text: str, line: tuple[int, int]) -> int:
    """The line's end without its break."""
    return line[0] + len(text[slice(*line)].rstrip("\r\n"))


def _atx_words(line: str) -> str:
    """``## Words ##`` without its marks; a # that touches the last word belongs to it."""
    words = line.strip().lstrip("#").strip()
    unclosed = words.rstrip("#")
    return unclosed.rstrip() if not unclosed or unclosed[-1] in " \t" else words
