"""Markdown: the source as it is, marks included; headings as CommonMark defines them.

Two things differ from the file: front matter is no part of the text, and a row of a table names the head of each of its
cells, as in every format, so that it keeps its meaning where it is quoted alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.loaders import Extracted, Heading, Note, Span, Unreadable, frontmatter
from bot.loaders.encoding import decode, guess_note
from bot.loaders.writing import table_lines

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_PIPE = re.compile(r"(?<!\\)\|")
_MAX_NESTING = 40
"""Quotes and lists nested more deeply are not looked into: time grows with the depth times the lines."""
_MOST_COLUMNS = 200
_LONGEST_HEADS = 2_000
"""Characters. They are repeated in each row; a table with longer ones stays as it is."""

# Only blocks matter here: no inline markup, no link references.
_PARSER = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).disable(["inline", "reference", "text_join"])
_PARSER.enable("table")


def load(data: bytes) -> Iterator[Extracted | Unreadable | Note]:
    source, encoding, guessed = decode(data)
    if guessed:
        yield guess_note(encoding)
    front = frontmatter.read(source)
    yield from front.notes
    metadata = {key: value for key, value in front.metadata.items() if key != "title"}
    extracted = replace(_extracted(source[front.end :]), title=front.metadata.get("title"), metadata=metadata)
    yield extracted if extracted.text.strip() else Unreadable("empty")


def headings(text: str) -> Iterator[Heading]:
    """ATX and setext headings, except in quotes and lists, which are no parts of the document's outline."""
    lines = _lines(text)
    for token in _PARSER.parse(text):
        if heading := _heading(text, lines, token):
            yield heading


def _extracted(source: str) -> Extracted:
    """The source with its tables written out, and the headings and tables of what that gives."""
    lines = _lines(source)
    parts: list[str] = []
    length = copied = 0  # of the text so far; of the source that stands in it
    found: list[Heading] = []
    tables: list[tuple[Span, ...]] = []
    for token in _PARSER.parse(source):
        if heading := _heading(source, lines, token):
            moved = length - copied
            found.append(replace(heading, start=heading.start + moved, end=heading.end + moved))
        elif token.type == "table_open" and not token.level and token.map:
            first, last = lines[token.map[0]], lines[token.map[1] - 1]
            start, end = first[0], _end(source, last)
            rows = _rows([source[slice(*line)] for line in lines[token.map[0] : token.map[1]]])
            if not rows:
                continue
            parts.append(source[copied:start])
            length += start - copied
            newline = source[_end(source, first) : first[1]]
            spans: list[Span] = []
            for row in rows:
                words = newline + row if spans else row
                parts.append(words)
                length += len(words)
                spans.append((length - len(row), length))
            tables.append(tuple(spans))
            copied = end
    parts.append(source[copied:])
    return Extracted("".join(parts), headings=tuple(found), tables=tuple(tables))


def _rows(lines: Sequence[str]) -> list[str]:
    """The rows of a table's lines; none where it cannot be written out."""
    head, _, *body = map(_cells, lines)
    if max(map(len, (head, *body))) > _MOST_COLUMNS or sum(map(len, head)) > _LONGEST_HEADS:
        return []
    return list(table_lines([head, *body], heads=1))


def _cells(line: str) -> list[str]:
    """The cells as they are written, but for the backslash that keeps a | from ending one."""
    cells = _PIPE.split(line.strip())
    if len(cells) > 1 and not cells[0]:
        del cells[0]
    if len(cells) > 1 and not cells[-1]:
        del cells[-1]
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _lines(text: str) -> list[Span]:
    """The same lines as the parser's, for \\r too."""
    return [match.span() for match in _LINE.finditer(text)]


def _heading(text: str, lines: Sequence[Span], token: Token) -> Heading | None:
    """The heading that begins with this token, if one does that has words."""
    if token.type != "heading_open" or token.level or not token.map:
        return None
    first, last = token.map[0], token.map[1] - 1
    start, end = lines[first][0], _end(text, lines[last])
    if token.markup.startswith("#"):
        words = _atx_words(text[start:end])
    elif first == 1 and text[: lines[0][1]].rstrip() == "---":
        return None  # the end of a front matter block looks like an underline
    else:
        words = text[start : _end(text, lines[last - 1])].strip()
    return Heading(start, end, int(token.tag[1]), words) if words else None


def _end(text: str, line: tuple[int, int]) -> int:
    """The line's end without its break."""
    return line[0] + len(text[slice(*line)].rstrip("\r\n"))


def _atx_words(line: str) -> str:
    """``## Words ##`` without its marks; a # that touches the last word belongs to it."""
    words = line.strip().lstrip("#").strip()
    unclosed = words.rstrip("#")
    return unclosed.rstrip() if not unclosed or unclosed[-1] in " \t" else words
