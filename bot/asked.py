"""What patients ask: how it went over time, what was asked in vain, and what was shown for it."""

from __future__ import annotations

import csv
import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from math import inf

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from bot import generations
from bot.bot import Bot
from bot.config import Config
from bot.documents import Document
from bot.embed import Encoder
from bot.errors import IndexCorrupt, QuestionError
from bot.index import documents_in
from bot.redact import MARKS
from bot.retrieve import Hit
from bot.shown import Kept, Shown, ShownNotice, ShownQuote
from bot.store import Asked, Store
from bot.texts import catalogue, notice

log = logging.getLogger(__name__)

NEWEST = 1000
"""Questions that are put into groups, at most: the newest."""
APART = 0.45
"""Groups are this far from each other: 1 − the mean cosine of their questions. At less, questions about one medicine
fall apart; at more, questions about several are thrown together."""
_MOST_PERIODS = 62
_DAYS = (1, 7, 28, 91, 364)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula."""
_REMEMBERED = 4 * NEWEST


# Over time


@dataclass(frozen=True, slots=True)
class Period:
    """What came of the questions from one day to another, both included. turns: greetings and the like, which are
    neither answered nor refused."""

    since: date
    until: date
    answered: int = 0
    refused: int = 0
    emergencies: int = 0
    faults: int = 0
    turns: int = 0

    @property
    def label(self) -> str:
        return self.since.isoformat() if self.since == self.until else f"{self.since} to {self.until}"


def over_time(store: Store, since: date, until: date) -> list[Period]:
    """Each day or, where these would be too many to look at, as many days together as need be."""
    counts: Counter[tuple[date, str]] = Counter()
    for one in store.outcomes(since, until):
        counts[one.day, one.outcome] += one.count
    for day, count in store.turns(since, until).items():
        counts[day, "turn"] += count
        counts[day, "not_found"] -= count
    made = []
    for first, last in _periods(since, until):
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        total = Counter({what: sum(counts[day, what] for day in days) for what in _OUTCOMES})
        made.append(Period(first, last, *(total[what] for what in _OUTCOMES)))
    return made


_OUTCOMES = ("answered", "not_found", "emergency", "fault", "turn")


def _periods(since: date, until: date) -> list[tuple[date, date]]:
    """All are of the same length but the first, which may be shorter."""
    days = (until - since).days + 1
    length = next((length for length in _DAYS if days <= length * _MOST_PERIODS), _DAYS[-1])
    ends = [until - timedelta(days=n) for n in range(0, days, length)]
    return [(max(since, end - timedelta(days=length - 1)), end) for end in reversed(ends)]


# In vain


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that are near to each other, newest first. typical: the words of the one in their middle."""

    typical: str
    questions: tuple[Asked, ...]

    @property
    def wordings(self) -> list[tuple[Asked, int]]:
        """The newest question in each wording, and how many there are in it."""
        counts = Counter(one.text for one in self.questions)
        newest = {one.text: one for one in reversed(self.questions)}
        return [(newest[text], count) for text, count in counts.items()]


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest group first. waiting: questions that were not compared yet. wordless: those of which redaction left
    nothing that could be compared."""

    groups: tuple[Group, ...]
    waiting: tuple[Asked, ...]
    wordless: int


@dataclass
class Vectors:
    """Of questions, by their words: computed once, since an encoder takes some milliseconds for each. One question
    is embedded at a time, so that no patient waits for more than one."""

    encoder: Encoder
    _known: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # oldest first
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def of(self, texts: Iterable[str], seconds: float = inf) -> dict[str, np.ndarray]:
        """Those that are known or can be computed in so much time."""
        end = time.monotonic() + seconds
        found: dict[str, np.ndarray] = {}
        for text in dict.fromkeys(texts):
            vector = self._known.get(text)
            if vector is None and time.monotonic() < end:
                vector = self.encoder.encode_query(text)
                with self._lock:
                    self._known[text] = vector
                    while len(self._known) > _REMEMBERED:
                        del self._known[next(iter(self._known))]
            if vector is not None:
                found[text] = vector
        return found


def words_of(text: str) -> str:
    """What redaction left of a question."""
    for mark in MARKS:
        text = text.replace(mark, " ")
    kept = " ".join(text.split())
    return kept if any(map(str.isalnum, kept)) else ""


def grouped(questions: Sequence[Asked], vectors: Vectors, seconds: float = inf) -> Groups:
    """Average linkage (Sokal and Michener 1958) of the questions' vectors, cut at `APART`. The same questions give
    the same groups. `seconds`: for vectors that are not known yet; the newest questions come first."""
    texts = {one.id: words_of(one.text) for one in questions}
    known = vectors.of((text for text in texts.values() if text), seconds)
    waiting = tuple(one for one in questions if texts[one.id] and texts[one.id] not in known)
    wordless = sum(not text for text in texts.values())
    distinct = sorted(known)
    if not distinct:
        return Groups((), waiting, wordless)
    matrix = np.array([known[text] for text in distinct], dtype=np.float64)
    number = dict(zip(distinct, _clusters(matrix), strict=True))
    row = {text: at for at, text in enumerate(distinct)}
    members: dict[int, list[Asked]] = {}
    for one in questions:
        if texts[one.id] in number:
            members.setdefault(number[texts[one.id]], []).append(one)
    groups = []
    for found in members.values():
        counts = Counter(texts[one.id] for one in found)
        own = sorted(counts)
        own_matrix = matrix[[row[text] for text in own]]
        middle = np.round(own_matrix @ (np.array([counts[text] for text in own]) @ own_matrix), 6)
        central = own[int(np.argmax(middle))]
        typical = next(one.text for one in found if texts[one.id] == central)
        groups.append(Group(typical, tuple(found)))
    groups.sort(key=lambda group: (-len(group.questions), -group.questions[0].at.timestamp(), group.typical))
    return Groups(tuple(groups), waiting, wordless)


def _clusters(matrix: np.ndarray) -> list[int]:
    """The number of the cluster of each row."""
    if len(matrix) == 1:
        return [1]
    distances = np.round(np.clip(1 - matrix @ matrix.T, 0, 2), 6)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), method="average")
    numbers: list[int] = fcluster(tree, APART, criterion="distance").tolist()
    return numbers


@dataclass(frozen=True, slots=True)
class Near:
    """A passage that is near to a question, and how likely it answers."""

    hit: Hit
    confidence: float


@dataclass(frozen=True, slots=True)
class Nearest:
    """The passages nearest to a question, best first. confidence: the highest of any passage that was considered.
    threshold: what it takes to be quoted. is_answered: some passage would be quoted now."""

    passages: tuple[Near, ...]
    confidence: float
    threshold: float
    is_answered: bool

    @property
    def margin(self) -> float:
        return self.confidence - self.threshold


def nearest(bot: Bot, text: str, k: int = 3) -> Nearest | None:
    """Found and weighed as for an answer; None for a text that cannot be asked."""
    try:
        trace = bot.trace(words_of(text))
    except QuestionError:
        return None
    choice = trace.choice
    passages = tuple(Near(hit, confidence) for hit, confidence in zip(trace.hits, choice.confidences, strict=False))
    return Nearest(passages[:k], max(choice.confidences, default=0.0), choice.threshold, bool(choice.sure))


# As it was shown


@dataclass(frozen=True, slots=True)
class QuoteAgain:
    """A quote as it was shown. document: the one it is a slice of, None where no generation that is kept has that text,
    so that the words are not to be had. generation: from which it is taken, None for the one in use. pieces: its words,
    and of each piece whether it was highlighted."""

    shown: ShownQuote
    document: Document | None
    generation: str | None = None
    section: tuple[str, ...] = ()
    page: int | None = None
    pieces: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeAgain:
    """now: the version in the catalogue, None where there is no such text. text: None unless it is the version that
    was shown; what it says of the clinic is what the settings say now."""

    shown: ShownNotice
    now: int | None
    text: str | None


def quotes_again(answers: Sequence[Shown], bot: Bot) -> list[list[QuoteAgain]]:
    """Of each answer: from the documents in use or, where a text has changed since, from a generation that is kept."""
    held = {(document.id, document.sha256): (document, None) for document in bot.index.documents.values()}
    missing = [
        (shown.generation, _key(quote)) for shown in answers for quote in shown.quotes if _key(quote) not in held
    ]
    found = {**_earlier(missing, bot), **held}
    return [[_again(quote, *found.get(_key(quote), (None, None))) for quote in shown.quotes] for shown in answers]


def _earlier(missing: Sequence[tuple[str, tuple[str, str]]], bot: Bot) -> dict[tuple[str, str], tuple[Document, str]]:
    """Documents by id and hash, and the generation that has them: the one named with them, if it is kept."""
    found: dict[tuple[str, str], tuple[Document, str]] = {}
    named, wanted = {generation for generation, _ in missing}, {key for _, key in missing}
    kept = generations.kept(bot.folder) if bot.folder and wanted else []
    for generation in sorted(kept, key=lambda one: one.id not in named):  # and of the others the newest first
        left = wanted - found.keys()
        if not left:
            break
        try:
            documents = documents_in(generation, {id for id, _ in left})
        except IndexCorrupt as error:
            log.warning("%s", error.problem)
            continue
        for document in documents.values():
            if (document.id, document.sha256) in left:
                found[document.id, document.sha256] = (document, generation.id)
    return found


def _key(quote: ShownQuote) -> tuple[str, str]:
    return quote.document, quote.sha256


def _again(shown: ShownQuote, document: Document | None, generation: str | None) -> QuoteAgain:
    if document is None or not 0 <= shown.start <= shown.end <= len(document.text):
        return QuoteAgain(shown, None)
    section = next((part.headings for part in document.sections if part.start <= shown.start < part.end), ())
    borders = [shown.start, *(at for highlight in shown.highlights for at in highlight), shown.end]
    pieces = [(document.text[start:end], bool(at % 2)) for at, (start, end) in enumerate(pairwise(borders))]
    words = tuple(piece for piece in pieces if piece[0])
    return QuoteAgain(shown, document, generation, section, document.page_at(shown.start), words)


def notices_again(shown: Sequence[ShownNotice], config: Config) -> list[NoticeAgain]:
    entries = catalogue(config.clinic.language)
    made = []
    for one in shown:
        now = entries[one.id].version if one.id in entries else None
        # Which languages it named is not kept.
        text = notice(one.id, config, ("…",)).text if now == one.version else None
        made.append(NoticeAgain(one, now, text))
    return made


# To take along

COLUMNS = (
    "id",
    "time",
    "outcome",
    "category",
    "level",
    "confidence",
    "generation",
    "milliseconds",
    "question",
    "quotes",
    "notices",
    "fault",
    "helped",
    "reason",
    "feedback_time",
)


def as_csv(rows: Iterable[Kept]) -> Iterator[str]:
    """Lines of CSV (RFC 4180) that spreadsheets open as UTF-8, and in which nothing is a formula."""
    yield "\ufeff" + _line(COLUMNS)
    for row in rows:
        shown, told = row.shown, row.feedback
        yield _line(
            (
                shown.id,
                shown.at.isoformat(),
                shown.outcome,
                shown.category,
                shown.level,
                shown.confidence,
                shown.generation,
                round(shown.milliseconds, 1),
                shown.question,
                "; ".join(f"{quote.document} {quote.start}-{quote.end} {quote.sha256}" for quote in shown.quotes),
                "; ".join(f"{one.id} {one.version}" for one in shown.notices),
                shown.fault,
                {True: "yes", False: "no"}[told.helped] if told else None,
                told.reason if told else None,
                told.at.isoformat() if told else None,
            )
        )


def _line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: object) -> object:
    """A text that a spreadsheet would compute is shown as text by the apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA) else cell
