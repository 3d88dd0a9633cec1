"""Folders of questions with known answers: BEIR's layout, labelled sentences, and staff's own test sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

from bot.documents import Document
from bot.errors import UsageError

LAYOUT = (
    "A dataset folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv, or questions.jsonl (your own test set), "
    "or spans.jsonl."
)
CHANGED = "The document changed: look up the sentence and mend the question, or take it out."


@dataclass(frozen=True, slots=True)
class Question:
    """history: the earlier questions, oldest first. kind: why it cannot be answered, or how it is worded."""

    id: str
    text: str
    history: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """Characters `start` to `end` of a document's text."""

    document: str
    start: int
    end: int


class Slice(Protocol):
    """A hit, a quote, or another place where a quote's words stand."""

    @property
    def document(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Gold:
    """Where an own question is answered, as its file says: a range, or a sentence to be found. `sha256` is
    of the document's text as it was then, if the file has it."""

    document: str
    start: int | None
    end: int | None
    quote: str | None
    sha256: str | None

    def resolve(self, question: str, documents: Mapping[str, Document]) -> Range:
        """The range in the documents as they are now; UsageError names the question if it is not there."""
        document = documents.get(self.document)
        if document is None:
            raise UsageError(
                f"question {question}: there is no document {self.document!r}",
                remedy="Give the path in the corpus, and the corpus with --corpus.",
            )
        if self.sha256 is not None and self.sha256 != document.sha256:
            raise UsageError(f"question {question}: {self.document} is not the one it was written for", remedy=CHANGED)
        if self.quote is not None:
            return self._find(question, document, self.quote)
        assert self.start is not None  # noqa: S101 - `_gold` saw to it
        assert self.end is not None  # noqa: S101
        if self.end > len(document.text):
            raise UsageError(
                f"question {question}: {self.document} has only {len(document.text)} characters", remedy=CHANGED
            )
        return Range(self.document, self.start, self.end)

    def _find(self, question: str, document: Document, quote: str) -> Range:
        start = document.text.find(quote)
        if start < 0:
            raise UsageError(f"question {question}: its quote is not in {self.document}", remedy=CHANGED)
        if document.text.find(quote, start + 1) >= 0:
            raise UsageError(
                f"question {question}: its quote is in {self.document} more than once",
                remedy='Quote more of the text, or give "start" and "end".',
            )
        return Range(self.document, start, start + len(quote))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A context whose answer is marked. sentences: their borders, None where the file has none. answers:
    ranges, in characters of the context; a sentence that overlaps one is right."""

    id: str
    question: str
    context: str
    answers: tuple[tuple[int, int], ...]
    sentences: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True)
class Dataset:
    """Questions and what answers them.

    A ranking is of *items*. Over a dataset's own corpus an item is a document. In an own test set it is a
    passage, named ``document:start-end``, except that the passages which overlap the question's gold
    ranges are one item, the gold; so a figure does not depend on how documents were cut.

    corpus: the corpus.jsonl, None where the ordinary corpus is asked. judgements: question id → item →
    grade; over 0 is relevant. gold: of an own test set as it stands in the file; `resolve` turns it into
    `ranges` and `judgements`. unjudged: questions left out since nothing is judged for them.
    """

    name: str
    corpus: Path | None = None
    questions: tuple[Question, ...] = ()
    judgements: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    gold: Mapping[str, tuple[Gold, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    unanswerable: tuple[Question, ...] = ()
    labelled: tuple[Labelled, ...] = ()
    unjudged: int = 0

    def item(self, question: str, found: Slice) -> str:
        """The item that a passage or a quote is, or belongs to."""
        if not self.gold:
            return found.document
        ranges = self.ranges.get(question, ())
        if any(_overlap(found, gold) for gold in ranges):
            return _name(ranges[0])
        return _name(found)

    def relevant(self, question: str, found: Slice) -> bool:
        """Whether a passage or quote comes from what is judged to answer the question."""
        return self.judgements.get(question, {}).get(self.item(question, found), 0) > 0

    def resolve(self, documents: Mapping[str, Document]) -> Dataset:
        """This dataset over these documents. Raises UsageError for a judged document that the corpus does
        not hold, or a question whose document changed."""
        if self.corpus is not None:
            self._check_documents(documents, self.corpus)
            return self
        ranges = {id: tuple(gold.resolve(id, documents) for gold in golds) for id, golds in self.gold.items()}
        return replace(self, ranges=ranges, judgements={id: {_name(found[0]): 1} for id, found in ranges.items()})

    def _check_documents(self, documents: Mapping[str, Document], corpus: Path) -> None:
        missing = {item: id for id, judged in self.judgements.items() for item in judged if item not in documents}
        if missing:  # a record without text is no document, but may be judged all the same
            for _, record in records(corpus):
                missing.pop(str(record.get("_id")), None)
        for item, id in missing.items():
            raise UsageError(
                f"the judgements of question {id} name the document {item!r}, which {corpus} does not hold",
                remedy="Give corpus.jsonl and qrels/test.tsv of the same dataset.",
            )


def _overlap(one: Slice, other: Slice) -> bool:
    return one.document == other.document and one.start < other.end and other.start < one.end


def _name(found: Slice) -> str:
    return f"{found.document}:{found.start}-{found.end}"


def read_dataset(path: Path, *, queries: Path | None = None, unanswerable: Sequence[Path] = ()) -> Dataset:
    """The dataset in a folder, or the own test set in a file.

    queries: other questions with the same ids. unanswerable: more questions that the corpus cannot answer.
    Raises UsageError for a file that is missing or malformed, an id given twice or not known.
    """
    dataset = _read(path, queries)
    more = [question for file in unanswerable for question in read_questions(file)]
    return replace(dataset, unanswerable=(*dataset.unanswerable, *more))


def _read(path: Path, queries: Path | None) -> Dataset:
    name = path.resolve().name
    if not path.exists():
        raise UsageError(f"there is no dataset {path}", remedy=f"Check the path. {LAYOUT}")
    if path.is_file():
        return _own(name, path, queries)
    if (path / "queries.jsonl").exists() or (path / "corpus.jsonl").exists():
        return _beir(name, path, queries)
    if (path / "questions.jsonl").exists():
        return _own(name, path / "questions.jsonl", queries)
    if queries is None and (path / "spans.jsonl").exists():
        return Dataset(name, labelled=_labelled(path / "spans.jsonl"))
    raise UsageError(f"{path} is no dataset", remedy=LAYOUT)


def _beir(name: str, folder: Path, queries: Path | None) -> Dataset:
    corpus, qrels = folder / "corpus.jsonl", folder / "qrels" / "test.tsv"
    for file in (corpus, folder / "queries.jsonl", qrels):
        if not file.is_file():
            raise UsageError(f"{file} is missing", remedy=LAYOUT)
    questions = read_questions(queries or folder / "queries.jsonl")
    judgements = _judgements(qrels)
    known = {question.id for question in questions}
    for id in judgements:
        if id not in known:
            raise UsageError(
                f"{qrels} judges the question {id!r}, which {queries or folder / 'queries.jsonl'} does not hold",
                remedy="Give questions and judgements with the same ids.",
            )
    if not judgements:
        raise UsageError(f"{qrels} holds no judgement", remedy="Give lines of: query-id, tab, corpus-id, tab, score.")
    judged = tuple(question for question in questions if question.id in judgements)
    hopeless, spans = folder / "queries_unanswerable.jsonl", folder / "spans.jsonl"
    return Dataset(
        name,
        corpus=corpus,
        questions=judged,
        judgements=judgements,
        unanswerable=read_questions(hopeless) if hopeless.exists() else (),
        labelled=_labelled(spans) if spans.exists() else (),
        unjudged=len(questions) - len(judged),
    )


def _own(name: str, file: Path, queries: Path | None) -> Dataset:
    if queries is not None:
        raise UsageError(
            "--queries does not go with an own test set", remedy="Its questions stand in questions.jsonl itself."
        )
    answerable, unanswerable, gold = [], [], {}
    for where, record, question in _questions(file):
        hopeless = record.get("unanswerable", False)
        if not isinstance(hopeless, bool):
            _malformed(where, '"unanswerable" is neither true nor false')
        if hopeless:
            unanswerable.append(question)
        else:
            answerable.append(question)
            gold[question.id] = _golds(where, record)
    if not gold:
        raise UsageError(f"{file} holds no question with an answer", remedy='Give each its "document" and "quote".')
    return Dataset(name, questions=tuple(answerable), gold=gold, unanswerable=tuple(unanswerable))


def _golds(where: str, record: Mapping[str, Any]) -> tuple[Gold, ...]:
    """The record's own place, and those in its list "also": any one of them is the answer."""
    also = record.get("also", [])
    if not isinstance(also, list) or not all(isinstance(place, dict) for place in also):
        _malformed(where, '"also" is not a list of further places')
    return tuple(_gold(where, place) for place in (record, *also))


def _gold(where: str, place: Mapping[str, Any]) -> Gold:
    document, quote, sha256 = place.get("document"), place.get("quote"), place.get("sha256")
    start, end = place.get("start"), place.get("end")
    if not isinstance(document, str):
        _malformed(where, 'it names no "document", and is not marked "unanswerable": true')
    if not (sha256 is None or isinstance(sha256, str)):
        _malformed(where, '"sha256" is not text')
    if quote is not None:
        if not isinstance(quote, str) or not quote.strip() or start is not None or end is not None:
            _malformed(where, 'it needs either a "quote" or "start" and "end"')
    elif type(start) is not int or type(end) is not int or not 0 <= start < end:
        _malformed(where, 'it needs a "quote", or "start" and "end" with 0 ≤ start < end')
    return Gold(document, start, end, quote, sha256)


def read_questions(file: Path) -> tuple[Question, ...]:
    """JSON Lines of `_id` and `text` (or `question`), with `history` and `kind` where known."""
    found = tuple(question for _, _, question in _questions(file))
    if not found:
        raise UsageError(f"{file} holds no question", remedy='Write one a line: {"_id": "1", "text": "…"}.')
    return found


def _questions(file: Path) -> Iterator[tuple[str, Mapping[str, Any], Question]]:
    seen = set()
    for where, record in records(file):
        id = _id(where, record)
        if id in seen:
            raise UsageError(f"{where}: the id {id!r} is taken already", remedy="Give each question its own id.")
        seen.add(id)
        text = record.get("text", record.get("question"))
        if not isinstance(text, str) or not text.strip():
            _malformed(where, 'it has no "text"')
        history, kind = record.get("history") or [], record.get("kind") or ""
        if not isinstance(history, list) or not all(isinstance(earlier, str) for earlier in history):
            _malformed(where, '"history" is not a list of questions')
        if not isinstance(kind, str):
            _malformed(where, '"kind" is not text')
        yield where, record, Question(id, text, tuple(history), kind)


def _judgements(file: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_lines(file), start=1):
        parts = line.rstrip("\r\n").split("\t")
        if not line.strip() or (number == 1 and parts[0] == "query-id"):
            continue
        where = f"{file} line {number}"
        try:
            query, document, grade = parts[0], parts[1], int(parts[2])
        except (IndexError, ValueError):
            _malformed(where, "it is not: query-id, tab, corpus-id, tab, score (a whole number)")
        if judged.setdefault(query, {}).setdefault(document, grade) != grade:
            _malformed(where, f"{document!r} has two different grades for {query!r}")
    return judged


def _labelled(file: Path) -> tuple[Labelled, ...]:
    """The questions that have an answer in their context."""
    return tuple(found for where, record in records(file) if (found := _label(where, record)) is not None)


def _label(where: str, record: Mapping[str, Any]) -> Labelled | None:
    id, question, context = _id(where, record), record.get("question"), record.get("context")
    if not isinstance(question, str) or not isinstance(context, str) or not context.strip():
        _malformed(where, 'it needs "question" and "context"')
    try:
        answers = [(answer["start"], answer["start"] + len(answer["text"])) for answer in record["answers"]]
        texts = [answer["text"] for answer in record["answers"]]
        sentences = [(s["start"], s["end"]) for s in record["sentences"]] if "sentences" in record else None
        marked = [(s["start"], s["end"]) for s in record.get("sentences", ()) if s.get("label")]
    except (KeyError, TypeError):
        _malformed(where, '"answers" are {"text", "start"}, "sentences" {"start", "end", "label"}')
    if any(context[start:end] != text for (start, end), text in zip(answers, texts, strict=True)):
        _malformed(where, "an answer does not stand at its start")
    if any(not 0 <= start < end <= len(context) for start, end in sentences or ()):
        _malformed(where, "a sentence is outside the context")
    if record.get("is_impossible") or not (answers or marked):
        return None
    return Labelled(id, question, context, (*answers, *marked), tuple(sentences) if sentences else None)


def _id(where: str, record: Mapping[str, Any]) -> str:
    id = record.get("_id", record.get("id"))
    if not isinstance(id, str | int) or isinstance(id, bool) or not str(id).strip():
        _malformed(where, 'it has no "_id"')
    return str(id)


def records(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each line's place and its object; empty lines are passed over."""
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        where = f"{file} line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            _malformed(where, f"it is not JSON ({error})")
        if not isinstance(record, dict):
            _malformed(where, "it is not a JSON object")
        yield where, record


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="\n") as opened:
            yield from opened
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: {error}", remedy="Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", remedy=f"Check the path. {LAYOUT}") from error


def _malformed(where: str, problem: str) -> NoReturn:
    raise UsageError(f"{where} is malformed: {problem}", remedy="Mend that line; docs/evaluation.md has the format.")
