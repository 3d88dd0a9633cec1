"""A document cut into passages: slices on sentence borders, never across a section."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from bot.config import PassageSize
from bot.documents import Document, Section
from bot.embed import Encoder
from bot.errors import ConfigError
from bot.sentences import sentences

CHARS_PER_TOKEN = 12
"""A passage has at most this many characters for each token it may have: a tokeniser can make one
token of a word of any length, and nobody can read such a quote."""
WORD_CHARS = 32
"""A longer run without white space is cut, where its sentence has to be."""
PARTS = 8
"""A sentence over ``max_tokens`` is cut into parts of about this share of them, between words."""
LEAST_PREFIX = 16
"""Tokens that must be left in the model's window for title and section."""

# What a cut costs, beside the square of a passage's relative distance from the even length.
_AT_PARAGRAPH = 0.0
_AT_SENTENCE = 0.1
_AFTER_LEAD_IN = 0.5
_IN_LIST = 0.7
_IN_SENTENCE = 1.0

_ITEM = re.compile(r"(?:[-–—*+•‣▪◦·●○■□▶➢✓✔]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})[.)])\s")
_LINE_BREAK = re.compile("[\r\n]")
_DEEPEST = 80  # white space in front of a list item


@dataclass(frozen=True, slots=True)
class Passage:
    """A verbatim slice of a document: ``document.text[start:end]``, offsets in characters.

    section: the row of its section in ``document.sections``. sentences: (start, end) of each in the document, in
    order; a part of one, where a sentence is longer than a passage may be.
    """

    document: str
    start: int
    end: int
    section: int
    sentences: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is never cut again: a sentence, or a part of one that is too long. `cost`: of a cut after it."""

    start: int
    end: int
    tokens: int
    cost: float


def cut(document: Document, encoder: Encoder, size: PassageSize) -> list[tuple[Passage, str]]:
    """The passages of `document` in its order, each with the text that is embedded and indexed for it:
    title, section and the passage's own text, a line break between them.

    Every non-space character of the document is in exactly one passage. A passage has at most
    ``size.max_tokens`` tokens, and its indexed text at most ``encoder.window``: where title and section leave
    too little room, they are shortened, never the passage. Passages of a section are of even length, and
    end with a paragraph where that costs little. Linear in the length of the document.

    Raises ConfigError if the model's window is too small for ``size.max_tokens``.
    """
    if encoder.window - size.max_tokens < LEAST_PREFIX:
        raise ConfigError(
            f"[passages] max_tokens = {size.max_tokens} does not fit into the window of {encoder.name}, "
            f"{encoder.window} tokens",
            remedy=f"Set it to {encoder.window - LEAST_PREFIX} or less.",
        )
    passages = []
    for row, section in enumerate(document.sections):
        prefix = _prefix(document, section, encoder, encoder.window - size.max_tokens)
        stretches = _stretches(document, section, encoder, size)
        for pieces in (group for stretch in stretches for group in _pack(stretch, size)):
            for fitting in _fit(document.text, pieces, prefix, encoder):
                spans = tuple((piece.start, piece.end) for piece in fitting)
                passage = Passage(document.id, spans[0][0], spans[-1][1], row, spans)
                passages.append((passage, prefix + document.text[passage.start : passage.end]))
    return passages


def indexed_texts(document: Document, passages: Sequence[Passage], encoder: Encoder, size: PassageSize) -> list[str]:
    """The text that `cut` gives with each of these passages of `document`."""
    prefixes = {
        row: _prefix(document, document.sections[row], encoder, encoder.window - size.max_tokens)
        for row in {passage.section for passage in passages}
    }
    return [prefixes[passage.section] + document.text[passage.start : passage.end] for passage in passages]


def _prefix(document: Document, section: Section, encoder: Encoder, room: int) -> str:
    lines = [line for line in (document.title, " > ".join(section.headings)) if line.strip()]
    prefix = "".join(f"{line}\n" for line in lines)
    if len(prefix) <= room * CHARS_PER_TOKEN and encoder.count_tokens([prefix])[0] <= room:
        return prefix
    words = prefix[: room * CHARS_PER_TOKEN].split()
    kept, tokens = 0, 0
    for count in encoder.count_tokens(words):
        tokens += count
        if tokens > room:
            break
        kept += 1
    return " ".join(words[:kept]) + "\n" if kept else ""


def _stretches(document: Document, section: Section, encoder: Encoder, size: PassageSize) -> Iterator[Sequence[_Piece]]:
    """The pieces of a section; those of a table's row that is too long apart from all others, so that no passage has
    a part of it beside a part of another row."""
    text = document.text
    spans = list(_units(document, section))
    counts = encoder.count_tokens([text[start:end] for start, end, _ in spans])
    following = [*(start for start, _, _ in spans), section.end][1:]
    stretch: list[_Piece] = []
    for (start, end, is_row), tokens, after in zip(spans, counts, following, strict=True):
        cost = _cost(text, end, after)
        if tokens <= size.max_tokens and end - start <= size.max_tokens * CHARS_PER_TOKEN:
            stretch.append(_Piece(start, end, max(tokens, 1), cost))
            continue
        parts = [
            _Piece(*part, cost if part[1] == end else _IN_SENTENCE)
            for part in _parts(text, start, end, encoder, size.max_tokens // PARTS)
        ]
        if is_row:
            yield _with_lists(text, stretch, size)
            yield parts
            stretch = []
        else:
            stretch += parts
    yield _with_lists(text, stretch, size)


def _units(document: Document, section: Section) -> Iterator[tuple[int, int, bool]]:
    """The sentences and the rows of tables in a section, and which is a row."""
    at = section.start
    first = bisect_left(document.rows, (section.start, section.start))
    for start, end in document.rows[first:]:
        if start >= section.end:
            break
        yield from ((*span, False) for span in sentences(document.text, at, start))
        yield start, end, True
        at = end
    yield from ((*span, False) for span in sentences(document.text, at, section.end))


def _with_lists(text: str, pieces: Sequence[_Piece], size: PassageSize) -> Sequence[_Piece]:
    """A list that fits into a passage together with the sentence that leads to it is cut only at a high cost."""
    made = list(pieces)
    items = [_is_item(text, piece.start) for piece in pieces]
    first = 0  # the sentence before a list
    while first + 1 < len(pieces):
        last = first + 1
        while (
            items[first + 1] and last < len(pieces) and (items[last] or _same_line(text, *pieces[last - 1 : last + 1]))
        ):
            last += 1
        if last > first + 1 and sum(piece.tokens for piece in pieces[first:last]) <= size.max_tokens:
            made[first : last - 1] = [replace(piece, cost=_IN_LIST) for piece in pieces[first : last - 1]]
        first = last
    return made


def _is_item(text: str, start: int) -> bool:
    line = text[max(0, start - _DEEPEST) : start].rsplit("\n", 1)[-1]
    return not line.strip() and _ITEM.match(text, start) is not None


def _same_line(text: str, before: _Piece, piece: _Piece) -> bool:
    return not _LINE_BREAK.search(text, before.end, piece.start)


def _cost(text: str, end: int, after: int) -> float:
    if text[end - 1] in ":：":
        return _AFTER_LEAD_IN
    return _AT_PARAGRAPH if len(text[end:after].splitlines()) > 2 else _AT_SENTENCE


def _parts(text: str, start: int, end: int, encoder: Encoder, enough: int) -> Iterator[tuple[int, int, int]]:
    """A sentence that is too long as (start, end, tokens): neighbouring words of about `enough` tokens."""
    words = list(_words(text, start, end))
    part: tuple[int, int, int] | None = None
    for (first, last), counted in zip(words, encoder.count_tokens([text[s:e] for s, e in words]), strict=True):
        tokens = max(counted, 1)
        if part and part[2] + tokens <= enough and last - part[0] <= enough * CHARS_PER_TOKEN:
            part = (part[0], last, part[2] + tokens)
            continue
        if part:
            yield part
        part = (first, last, tokens)
    if part:
        yield part


def _words(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of the words of ``text[start:end]``, those over `WORD_CHARS` cut between whole characters."""
    word = start
    for at in range(start, end + 1):
        if at == end or text[at].isspace():
            if at > word:
                yield word, at
            word = at + 1
        elif at - word >= WORD_CHARS and (at - word >= 2 * WORD_CHARS or not _joins(text, at)):
            yield word, at
            word = at


def _joins(text: str, at: int) -> bool:
    """Whether the character at `at` is drawn as one with the one before it: accents, emoji sequences."""
    return (
        unicodedata.category(text[at]) in ("Mn", "Me", "Mc")
        or text[at] in "\u200d\ufe0e\ufe0f"
        or text[at - 1] == "\u200d"
        or 0x1F3FB <= ord(text[at]) <= 0x1F3FF
    )


def _pack(pieces: Sequence[_Piece], size: PassageSize) -> Iterator[Sequence[_Piece]]:
    """Groups of neighbouring pieces, at the least total cost (shortest path over the cuts)."""
    total = sum(piece.tokens for piece in pieces)
    even = max(total / max(1, -(-total // size.max_tokens)), 1)
    best = [0.0] + [float("inf")] * len(pieces)
    origin = [0] * (len(pieces) + 1)
    for first in range(len(pieces)):
        tokens = 0
        for last in range(first, len(pieces)):
            tokens += pieces[last].tokens
            chars = pieces[last].end - pieces[first].start
            if last > first and (tokens > size.max_tokens or chars > size.max_tokens * CHARS_PER_TOKEN):
                break
            cost = best[first] + (tokens / even - 1) ** 2 + pieces[last].cost
            if cost < best[last + 1]:
                best[last + 1], origin[last + 1] = cost, first
    cuts = [len(pieces)]
    while cuts[-1]:
        cuts.append(origin[cuts[-1]])
    for first, last in pairwise(reversed(cuts)):
        yield pieces[first:last]


def _fit(text: str, pieces: Sequence[_Piece], prefix: str, encoder: Encoder) -> Iterator[Sequence[_Piece]]:
    """`pieces` as one group, or halved until each fits: a tokeniser may make more tokens of a whole than
    of its parts."""
    indexed = prefix + text[pieces[0].start : pieces[-1].end]
    if encoder.count_tokens([indexed])[0] <= encoder.window:
        yield pieces
        return
    halve = partial(_fit, text, prefix=prefix, encoder=encoder)
    if len(pieces) > 1:
        half = len(pieces) // 2
        yield from halve(pieces[:half])
        yield from halve(pieces[half:])
        return
    piece = pieces[0]
    if piece.end - piece.start == 1:
        yield pieces
        return
    middle = (piece.start + piece.end) // 2
    yield from halve([_Piece(piece.start, middle, 0, 0.0)])
    yield from halve([_Piece(middle, piece.end, 0, 0.0)])
