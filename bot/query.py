"""A question as it was asked → the query that is searched, with every change to it listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.config import Config
from bot.errors import QuestionError


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed in the question before it was searched.

    kind: ``follow_up``, ``spelling`` or ``synonym``.
    """

    kind: str
    before: str
    after: str

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "from": self.before, "to": self.after}


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked, and what is searched for it."""

    question: str
    searched_for: str
    changes: tuple[Change, ...] = ()


def understand(question: str, history: Sequence[str], config: Config) -> Query:
    """The query for `question`; `history` holds the earlier questions of the conversation, oldest first.

    White space around the question is dropped; nothing else is changed so far, whatever the history.
    Raises QuestionError if the question is not text, has no letter or digit, or is longer than
    ``[answer] max_question_chars``, or if `history` is not a list of texts.
    """
    if not isinstance(question, str) or not _is_text(question):
        raise QuestionError(
            "the question is not text", remedy="Give it as valid Unicode text.", text_id="question_not_text"
        )
    if isinstance(history, str) or not all(isinstance(earlier, str) for earlier in history):
        raise QuestionError(
            "the history is not a list of questions",
            remedy="Give a list of texts, oldest first.",
            text_id="question_not_text",
        )
    if not any(character.isalnum() for character in question):
        raise QuestionError("the question is empty", remedy="Ask in a few words.", text_id="question_empty")
    if len(question) > config.answer.max_question_chars:
        raise QuestionError(
            f"the question has {len(question)} characters",
            remedy=f"Ask in at most {config.answer.max_question_chars} characters.",
            text_id="question_too_long",
        )
    return Query(question, question.strip())


def _is_text(text: str) -> bool:
    """Half of a surrogate pair can arrive in JSON, but is no character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
