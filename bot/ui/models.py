"""The JSON that programs send and get, as pydantic models: the OpenAPI document and the MCP tools are made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class _Strict(BaseModel):
    """A number is not taken for a text, nor a name that nobody knows for a wish."""

    model_config = ConfigDict(strict=True, extra="forbid")


def _whole(value: object) -> object:
    """JSON knows no kinds of numbers: 10.0 is as whole as 10."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Ask(_Strict):
    question: str = Field(
        description="The question, in the reader's own words.", examples=["What are the side effects?"]
    )
    history: list[str] = Field(
        default=[], description="Earlier questions of this conversation, oldest first; none is kept by the server."
    )
    own_words: bool = Field(
        default=False, description="Search the words as they are: no spelling, follow-up or synonyms."
    )


class Search(_Strict):
    query: str = Field(description="What to look for.", examples=["opioid alternatives"])
    k: Annotated[int, BeforeValidator(_whole)] = Field(
        default=10, ge=1, le=1000, description="At most so many passages."
    )


class Problem(_Strict):
    """What every status but 200 says."""

    error: str = Field(description="What went wrong.")
    remedy: str = Field(description="What to do about it.")


class Change(_Strict):
    kind: Literal["spelling", "follow_up", "synonym"]
    before: str = Field(alias="from")
    after: str = Field(alias="to")


class Triage(_Strict):
    level: Literal["immediate", "urgent", "ask_clinic"] | None
    category: str | None
    card: str | None = Field(description="The id of the fixed text that is shown.")
    rule: str | None
    matched: str | None = Field(description="The words that the rule was met by.")


class Notice(_Strict):
    """A fixed text of the catalogue."""

    id: str
    version: int
    text: str


class Place(_Strict):
    """Characters `start` to `end` of a document whose text has the hash `sha256`."""

    document: str
    title: str
    section: list[str] = Field(description="Headings, the outermost first.")
    page: int | None
    start: int
    end: int
    sha256: str = Field(description="Of the document's text as UTF-8, in hex.")


class Box(_Strict):
    """A part of a page, in shares of it, from its upper left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


class Quote(Place):
    rank: int
    text: str = Field(description="Exactly these characters of the document.")
    highlights: list[list[int]] = Field(description="Ranges of the document: the sentences that answer.")
    score: float
    metadata: dict[str, str]
    also_in: list[Place] = Field(description="Where else the same words stand.")
    overdue: bool = Field(description="The document is past its next review.")
    recognised: bool = Field(description="Words of the quote were read off a picture of their page.")
    boxes: list[Box] = Field(description="Where on its pages the quote stands, for a document with pages.")


class Suggestion(_Strict):
    """A heading or title, in the document's own words, that one can ask about."""

    document: str
    text: str


class Answer(_Strict):
    question: str
    searched_for: str
    changes: list[Change] = Field(description="What was done to the question before it was searched.")
    outcome: Literal["answered", "not_found", "emergency"]
    triage: Triage | None
    confidence: float = Field(description="Probability, 0 to 1, that the first quote answers.")
    notices: list[Notice]
    quotes: list[Quote]
    suggestions: list[Suggestion]
    timings_ms: dict[str, float]


class Hit(_Strict):
    rank: int
    document: str
    title: str
    section: list[str]
    page: int | None
    start: int
    end: int
    text: str
    score: float
    dense: float = Field(description="Cosine.")
    sentence: float = Field(description="Cosine of its best sentence.")
    lexical: float = Field(description="BM25.")
    dense_rank: int | None
    lexical_rank: int | None


class Hits(_Strict):
    query: str
    searched_for: str
    hits: list[Hit] = Field(description="Best first.")
    timings_ms: dict[str, float]


class Section(_Strict):
    start: int
    end: int
    headings: list[str]


class Document(_Strict):
    """A document, or the slice of it that was asked for."""

    id: str
    title: str
    sha256: str = Field(description="Of the whole text as UTF-8, in hex.")
    length: int = Field(description="Characters of the whole text.")
    start: int
    end: int
    text: str = Field(description="Characters `start` to `end` of the document.")
    sections: list[Section] = Field(description="They partition the whole text.")
    pages: list[int] = Field(description="Where each page begins; empty in a format without pages.")
    metadata: dict[str, str] = Field(description="Author, source, licence and dates (`reviewed`, `next_review`).")
    overdue: bool


class Health(_Strict):
    """The process lives."""

    status: Literal["ok"]


class Ready(_Strict):
    """The index is loaded and answers."""

    status: Literal["ready"]
    documents: int


class NotReady(Problem):
    reasons: list[Literal["no_documents", "documents_changed", "search_failed"]]
