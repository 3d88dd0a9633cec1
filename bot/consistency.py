"""Sentences of different documents that say nearly the same with another number, unit, negation or opposite word.

Whether two of them contradict each other is for a person to judge; here they are found, marked and put in order.
"""

from __future__ import annotations

import hashlib
import re
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from math import log
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bot.documents import one_line
from bot.index import Index
from bot.lexical import STOP_WORDS, stem, terms
from bot.quantities import Quantity, conflicts, negated_limits, quantities
from bot.sentences import Span

Kind = Literal["number", "unit", "negation", "opposite"]
Report = Callable[[float, str], None]

NEAR = 0.7
"""The least cosine of two sentences that are compared: benchmarks/consistency.py says what that costs and misses."""
NEIGHBOURS = 30
"""Of each sentence, so many of the nearest others are compared at most."""
FOUND = 500
"""Pairs that are kept, the most suspicious ones; and of one sentence, so many:"""
FOUND_OF_ONE = 5
LEAST_SUSPICION = 0.3
_LONGEST = 500
"""Characters of a sentence; a longer one is a list or a table that was not understood."""
_FEWEST_WORDS = 3
_OPEN_FOR = 40
"""Characters behind "may not" and the like, in which nothing is denied."""
_TILE = 2048
"""Sentences that are compared with as many others at a time, to bound the memory."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is said in two ways: characters of the one document and of the other."""

    kind: Kind
    first: Span
    second: Span


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence, ``document.text[start:end]``; `sha256` is of the document's text, `also` names further documents that
    hold the same words."""

    document: str
    title: str
    section: tuple[str, ...]
    page: int | None
    start: int
    end: int
    sha256: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Two sentences that may contradict each other. `key`: of their words, so that a change makes another finding of
    them. `suspicion`: 0 to 1, for the order alone; `cosine`: of their vectors."""

    key: str
    suspicion: float
    cosine: float
    differences: tuple[Difference, ...]
    first: Place
    second: Place

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys(difference.kind for difference in self.differences))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Finding:
        places = (
            Place(**{**values[side], "section": tuple(values[side]["section"]), "also": tuple(values[side]["also"])})
            for side in ("first", "second")
        )
        differences = tuple(
            Difference(found["kind"], _span(found["first"]), _span(found["second"])) for found in values["differences"]
        )
        return cls(values["key"], values["suspicion"], values["cosine"], differences, *places)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in one generation of an index, the most suspicious first. `compared`: pairs that were looked at;
    `left_out`: findings beyond those that are kept."""

    generation: str
    at: datetime
    seconds: float
    sentences: int
    compared: int
    left_out: int
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "at": self.at.isoformat(),
            "seconds": round(self.seconds, 2),
            "sentences": self.sentences,
            "compared": self.compared,
            "left_out": self.left_out,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Survey:
        findings = tuple(map(Finding.from_dict, values["findings"]))
        return cls(**{**values, "at": datetime.fromisoformat(values["at"]), "findings": findings})


def _span(values: Sequence[int]) -> Span:
    start, end = values
    return start, end


# One sentence


@dataclass(frozen=True, slots=True)
class Word:
    """A content word at ``sentence[start:end]``; `denied_by`: the negation that it stands under."""

    stem: str
    start: int
    end: int
    denied_by: Span | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What a sentence says, as far as it is compared. words: without amounts and negations. opposites: words that have
    one, each with the sides of the pairs it is on. open: stems that are neither said nor denied, as after "may not"."""

    words: tuple[Word, ...]
    quantities: tuple[Quantity, ...]
    negations: tuple[Span, ...]
    opposites: tuple[tuple[Word, frozenset[tuple[int, int]]], ...]
    stems: frozenset[str]
    open: frozenset[str] = frozenset()


_WORD = re.compile(r"[^\W_]+(?:['’-][^\W\d_]+)*")


@cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "quantities.toml").read_text(encoding="utf-8"))


@cache
def _negations() -> tuple[frozenset[str], frozenset[str], re.Pattern[str]]:
    rules = _rules()["negations"]
    harmless = "|".join(re.escape(words).replace("'", "['’]").replace(r"\ ", r"\s+") for words in rules["harmless"])
    harmless = re.sub(r"(^|\|)not\\s", r"\1(?:not|\\w+n['’]?t)\\s", harmless)
    return (
        frozenset(rules["words"].split()),
        frozenset(rules["between"].split()),
        re.compile(rf"\b(?:{harmless})\b", re.IGNORECASE),
    )


@cache
def _opposites() -> Mapping[str, frozenset[tuple[int, int]]]:
    sides: dict[str, set[tuple[int, int]]] = {}
    for row, pair in enumerate(_rules()["opposites"]["pairs"]):
        for side, words in enumerate(pair):
            for word in words.split():
                sides.setdefault(word, set()).add((row, side))
    return {word: frozenset(found) for word, found in sides.items()}


def read(sentence: str) -> Statement:
    amounts = quantities(sentence)
    negating, between, harmless = _negations()
    taken = [(amount.start, amount.end) for amount in amounts]
    idle = [match.span() for match in harmless.finditer(sentence)] + negated_limits(sentence)
    words: list[Word] = []
    negations: list[Span] = []
    opposites = []
    open_words: set[str] = set()
    pending: Span | None = None
    held: Word | None = None  # stands between a negation and what it denies, unless nothing follows
    for match in _WORD.finditer(sentence):
        start, end = match.span()
        folded = match.group().casefold().replace("’", "'")
        if folded in negating or folded.endswith("n't"):
            if not _within(start, end, idle):
                negations.append((start, end))
                pending = None if pending else (start, end)
            continue
        sides = _opposites().get(folded)
        if _within(start, end, taken) or (folded in STOP_WORDS and sides is None):
            continue
        word = Word(stem(folded.removesuffix("'s")), start, end, pending)
        if any(last <= start and start - last < _OPEN_FOR for _, last in idle):
            open_words.add(word.stem)
        if sides is not None:
            opposites.append((word, sides))
            if folded in STOP_WORDS:
                continue
        if pending and folded in between:
            held = word
            words.append(Word(word.stem, start, end))
            continue
        words.append(word)
        pending = held = None
    if pending and held:
        words = [held if word.start == held.start else word for word in words]
    return Statement(tuple(words), amounts, tuple(negations), tuple(opposites), frozenset(word.stem for word in words))


def _within(start: int, end: int, spans: Sequence[Span]) -> bool:
    return bool(spans) and any(first < end and start < last for first, last in spans)


# Two sentences


def compare(
    first: Statement, second: Statement, weight: Callable[[str], float] = lambda stem: 1.0
) -> tuple[float, tuple[Difference, ...]]:
    """How far two sentences say the same, 0 to 1, and in what they differ; positions are in each sentence.

    weight: how much a stem says. Words that only one of them has count little, since it may say more; words in which
    each differs from the other count twice: they are likely about different things.
    """
    differences = [*_numbers(first, second), *_turned(first, second)]
    if not differences:
        return 0.0, ()
    excused = {
        stem
        for difference in differences
        if difference.kind == "opposite"
        for side, span in ((first, difference.first), (second, difference.second))
        for stem in (word.stem for word in side.words if (word.start, word.end) == span)
    }
    common = sum(map(weight, first.stems & second.stems))
    alone = sum(map(weight, first.stems - second.stems - excused))
    other = sum(map(weight, second.stems - first.stems - excused))
    total = common + 2 * min(alone, other) + 0.4 * abs(alone - other)
    return (common / total if total else 0.0), tuple(sorted(differences, key=lambda found: found.first))


def _numbers(first: Statement, second: Statement) -> Iterator[Difference]:
    for one, other in conflicts(first.quantities, second.quantities):
        same = one.written == other.written and one.unit != other.unit
        yield Difference("unit" if same else "number", (one.start, one.end), (other.start, other.end))


def _turned(first: Statement, second: Statement) -> Iterator[Difference]:
    """Negations and opposite words; one of each cancel each other out."""
    denied = next(_denied(first, second), None) or next(_denied(second, first, swapped=True), None)
    opposite = next(_opposed(first, second), None)
    if denied and not opposite:
        yield denied
    if opposite and not denied:
        yield opposite


def _denied(negative: Statement, other: Statement, *, swapped: bool = False) -> Iterator[Difference]:
    """What one sentence denies and the other, with fewer negations, does not."""
    if len(negative.negations) <= len(other.negations):
        return
    plain = {word.stem: word for word in other.words if word.denied_by is None}
    denied_too = {word.stem for word in other.words if word.denied_by is not None}
    unclear = negative.open | other.open
    said_too = {word.stem for word in negative.words if word.denied_by is None}
    for word in negative.words:
        if word.denied_by and word.stem in plain and word.stem not in denied_too | said_too | unclear:
            spans = (word.denied_by[0], word.end), (plain[word.stem].start, plain[word.stem].end)
            yield Difference("negation", *(reversed(spans) if swapped else spans))


def _opposed(first: Statement, second: Statement) -> Iterator[Difference]:
    """A word here and its opposite there, with the same word beside them, unless either sentence has both."""
    mine = frozenset(side for _, sides in first.opposites for side in sides)
    theirs = frozenset(side for _, sides in second.opposites for side in sides)
    for word, sides in first.opposites:
        for other, others in second.opposites:
            if (word.denied_by is None) != (other.denied_by is None):
                continue  # not safe, and unsafe
            for row, side in sides:
                turned = (row, 1 - side)
                alone = turned in others and turned not in mine and (row, side) not in theirs
                if alone and _beside(word, first) & _beside(other, second):
                    yield Difference("opposite", (word.start, word.end), (other.start, other.end))


def _beside(word: Word, statement: Statement) -> set[tuple[int, str]]:
    """The stems of the content words, or the kinds of the amounts, just before and behind."""
    near: set[tuple[int, str]] = set()
    around = [(one.start, one.end, one.stem) for one in statement.words if one.start != word.start]
    around += [(one.start, one.end, one.kind) for one in statement.quantities]
    before = max((one for one in around if one[1] <= word.start), default=None)
    behind = min((one for one in around if one[0] >= word.end), default=None)
    if before:
        near.add((-1, before[2]))
    if behind:
        near.add((1, behind[2]))
    return near


# All sentences


def survey(index: Index, report: Report = lambda done, words: None) -> Survey:
    """Compares every sentence of `index` with those of other documents that are near it."""
    began = time.perf_counter()
    report(0.0, "Reading the sentences")
    held = _distinct(index)
    statements = [read(sentence.text) for sentence in held]
    weight = _weights(statement.stems for statement in statements)
    titles = {document.id: frozenset(terms(document.title)) for document in index.documents.values()}
    title_weight = _weights(titles.values())
    pairs = _near(index, held, statements, lambda done: report(0.05 + 0.85 * done, "Comparing the sentences"))
    found = []
    for at, (row, other, cosine) in enumerate(pairs):
        if at % 5000 == 0:
            report(0.9 + 0.1 * at / len(pairs), "Looking at what differs")
        if not set(held[row].documents).isdisjoint(held[other].documents):
            continue  # a document that says both means both
        agreement, differences = compare(statements[row], statements[other], weight)
        if differences:
            topic = _topic(
                titles[held[row].document],
                titles[held[other].document],
                statements[row],
                statements[other],
                title_weight,
            )
            doubt = max(_doubt(one, agreement, statements[row], statements[other]) for one in differences)
            suspicion = cosine * topic * doubt
            if suspicion >= LEAST_SUSPICION:
                found.append((-round(suspicion, 4), row, other, cosine, differences))
    kept = _spread(sorted(found))
    return Survey(
        generation=index.generation or "",
        at=datetime.now(UTC).replace(microsecond=0),
        seconds=time.perf_counter() - began,
        sentences=len(held),
        compared=len(pairs),
        left_out=len(found) - len(kept),
        findings=tuple(
            _finding(index, held[row], held[other], -doubt, cosine, differences)
            for doubt, row, other, cosine, differences in kept
        ),
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """A sentence that one or several documents hold. row: its own among all sentences of the index. passage: its first
    one's number."""

    text: str
    row: int
    passage: int
    start: int
    end: int
    documents: tuple[str, ...]

    @property
    def document(self) -> str:
        return self.documents[0]


def _distinct(index: Index) -> list[_Held]:
    """Each wording once, in the order of the documents."""
    found: dict[str, _Held] = {}
    documents: dict[str, dict[str, None]] = {}
    row = 0
    for number, passage in enumerate(index.passages):
        text = index.documents[passage.document].text
        for start, end in passage.sentences:
            words = text[start:end]
            folded = one_line(words).casefold()
            if len(words) <= _LONGEST and not folded.endswith("?") and len(terms(folded)) >= _FEWEST_WORDS:
                found.setdefault(folded, _Held(words, row, number, start, end, ()))
                documents.setdefault(folded, {})[passage.document] = None
            row += 1
    return [replace(one, documents=tuple(documents[folded])) for folded, one in found.items()]


def _weights(texts: Iterable[frozenset[str]]) -> Callable[[str], float]:
    """How much a stem says: ``log(1 + texts / those that have it)``."""
    counts: Counter[str] = Counter()
    total = 0
    for stems in texts:
        counts.update(stems)
        total += 1
    weights = {word: log(1 + total / count) for word, count in counts.items()}
    return lambda word: weights.get(word, log(1 + total))


def _near(
    index: Index, held: Sequence[_Held], statements: Sequence[Statement], report: Callable[[float], None]
) -> list[tuple[int, int, float]]:
    """Pairs of sentences, by place in `held`, that are near each other and could differ in what is looked for."""
    amounts = np.array([bool(one.quantities) for one in statements], dtype=bool)
    negations = np.array([len(one.negations) for one in statements], dtype=np.int64)
    turned = np.array([bool(one.opposites) for one in statements], dtype=bool)
    vectors = _vectors(index, np.array([one.row for one in held], dtype=np.int64))
    everything = np.arange(len(held))
    # Only what could differ is multiplied: amounts with amounts, what denies with all, and so on.
    sides = [(np.flatnonzero(amounts),) * 2, (np.flatnonzero(turned),) * 2, (np.flatnonzero(negations), everything)]
    total = sum(len(rows) * len(others) for rows, others in sides)
    done, found = 0, [(everything[:0], everything[:0], np.empty(0, dtype=np.float32))]
    for rows, others in sides:
        for tile in _tiles(rows):
            report(done / total)
            done += len(tile) * len(others)
            found += [_close(vectors, tile, beside) for beside in _tiles(others)]
    here, there, cosine = (np.concatenate(part) for part in zip(*found, strict=True))
    wanted = (amounts[here] & amounts[there]) | (turned[here] & turned[there]) | (negations[here] != negations[there])
    here, there = np.minimum(here, there)[wanted], np.maximum(here, there)[wanted]
    _, first = np.unique(here * len(held) + there, return_index=True)
    here, there, cosine = here[first], there[first], cosine[wanted][first]
    order = np.lexsort((there, here, -np.round(cosine, 6)))
    met: Counter[int] = Counter()
    kept = []
    for row, other, near in zip(here[order].tolist(), there[order].tolist(), cosine[order].tolist(), strict=True):
        if met[row] < NEIGHBOURS or met[other] < NEIGHBOURS:
            met[row] += 1
            met[other] += 1
            kept.append((row, other, min(1.0, near)))
    return kept


def _vectors(index: Index, sentences: np.ndarray) -> np.ndarray:
    """(sentences, d) float32, of these sentences of the index, ascending."""
    found, before = [np.empty((0, index.model["dimension"]), dtype=np.float16)], 0
    for passages in _tiles(np.arange(len(index.passages))):
        vectors, _ = index.engine.sentences(passages)
        first, end = np.searchsorted(sentences, (before, before + len(vectors)))
        found.append(vectors[sentences[first:end] - before])
        before += len(vectors)
    return np.concatenate(found).astype(np.float32)


def _tiles(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[first : first + _TILE] for first in range(0, len(rows), _TILE)]


def _close(vectors: np.ndarray, rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of `rows` and of `others` are near each other, with their cosines."""
    cosines = vectors[rows] @ vectors[others].T
    here, there = np.nonzero(cosines >= NEAR)
    apart = rows[here] != others[there]
    return rows[here][apart], others[there][apart], cosines[here, there][apart]


def _topic(
    first: frozenset[str],
    second: frozenset[str],
    one: Statement,
    other: Statement,
    weight: Callable[[str], float],
) -> float:
    """0.3 to 1: whether the documents are about the same, as their titles and the sentences themselves tell. The same
    words about another medicine are no contradiction."""

    def shared(title: frozenset[str], there: frozenset[str]) -> float:
        total = sum(map(weight, title))
        return sum(map(weight, title & there)) / total if total else 1.0

    named = one.stems & other.stems
    share = max(shared(first, second | named), shared(second, first | named))
    return 0.3 + 0.7 * share


def _doubt(difference: Difference, agreement: float, first: Statement, second: Statement) -> float:
    """0 to 1. What is denied may be said of something else, so that its words have to agree all the more."""
    if difference.kind == "unit":
        return agreement
    if difference.kind in ("negation", "opposite"):
        return agreement**2
    one = next(amount for amount in first.quantities if amount.start == difference.first[0])
    other = next(amount for amount in second.quantities if amount.start == difference.second[0])
    if one.kind in ("calendar", "share"):  # figures of another year
        return 0.6 * agreement
    return (0.7 if one.overlaps(other) else 1.0) * agreement


def _spread(found: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The first of them, but of one sentence only a few."""
    met: Counter[int] = Counter()
    kept: list[tuple[Any, ...]] = []
    for one in found:
        _, row, other, *_ = one
        if met[row] < FOUND_OF_ONE and met[other] < FOUND_OF_ONE and len(kept) < FOUND:
            met[row] += 1
            met[other] += 1
            kept.append(one)
    return kept


def _finding(
    index: Index, first: _Held, second: _Held, suspicion: float, cosine: float, differences: Sequence[Difference]
) -> Finding:
    moved = tuple(
        Difference(
            one.kind,
            (one.first[0] + first.start, one.first[1] + first.start),
            (one.second[0] + second.start, one.second[1] + second.start),
        )
        for one in differences
    )
    key = key_of(first.text, second.text)
    return Finding(key, suspicion, round(cosine, 4), moved, _place(index, first), _place(index, second))


def _place(index: Index, held: _Held) -> Place:
    passage = index.passages[held.passage]
    document = index.documents[passage.document]
    return Place(
        document=document.id,
        title=document.title,
        section=document.sections[passage.section].headings,
        page=document.page_at(held.start),
        start=held.start,
        end=held.end,
        sha256=document.sha256,
        also=held.documents[1:],
    )


def key_of(first: str, second: str) -> str:
    """SHA-256, in hex, of two sentences' words, in whichever order."""
    hashes = sorted(hashlib.sha256(one_line(text).encode()).hexdigest() for text in (first, second))
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()
