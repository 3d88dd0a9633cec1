"""A question as it was asked → the query that is searched, with every change to it listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from bot.config import Config
from bot.errors import QuestionError
from bot.followup import Topics, complete, leans
from bot.glossary import Glossary
from bot.spelling import Correction, Speller, apply

REMEMBERED = 20
"""Earlier questions that a follow-up can lean on."""


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
    """What was asked, and what is searched for it.

    text: the question, its spelling corrected. context: words of earlier questions or of what was quoted for them,
    which it refers to. completed: the text with them. expansion: other words for what it says, from the glossary.
    searched_for: all of it, as a reader is shown it.
    """

    question: str
    searched_for: str
    text: str
    completed: str
    context: str = ""
    expansion: str = ""
    changes: tuple[Change, ...] = ()

    @classmethod
    def plain(cls, question: str) -> Query:
        """The question in its own words."""
        asked = question.strip()
        return cls(question, asked, asked, asked)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What questions to one index are understood with. holds: whether the documents have all words of a text."""

    speller: Speller
    glossary: Glossary
    holds: Callable[[str], bool]
    corrections: Callable[[str], Sequence[Correction]]

    @classmethod
    def of(cls, speller: Speller, glossary: Glossary, holds: Callable[[str], bool]) -> Knowledge:
        return cls(speller, glossary, holds, speller.corrections)

    def for_one_question(self) -> Knowledge:
        """The same, but the spelling of a text is looked at once. Not for longer: no question is kept."""
        return replace(self, corrections=cache(self.speller.corrections))


def understand(
    question: str, history: Sequence[str], knowledge: Knowledge, topics: Topics, *, own_words: bool = False
) -> Query:
    """The query for `question`, which passed `check`; `history` holds the earlier questions, oldest first.

    The spelling is corrected, then what a follow-up leans on is added, then what the glossary has; with `own_words`
    nothing is. topics: title and headings of what was quoted for an earlier question.
    """
    asked = question.strip()
    if own_words:
        return Query.plain(question)
    corrections = knowledge.corrections(asked)
    text = apply(asked, corrections)
    changes = [Change("spelling", one.before, one.after) for one in corrections]
    completed, context = text, ""
    if history and leans(text):
        earlier = [apply(one, knowledge.corrections(one)) for one in history[-REMEMBERED:]]
        if completion := complete(text, earlier, topics):
            completed, context = completion.text, completion.context
            changes.append(Change("follow_up", text, completed))
    expansions = knowledge.glossary.expansions(text, knowledge.holds)
    changes += [Change("synonym", one.before, one.after) for one in expansions]
    expansion = ", ".join(dict.fromkeys(one.after for one in expansions))
    shown = f"{completed} [{expansion}]" if expansion else completed
    return Query(question, shown, text, completed, context, expansion, tuple(changes))


def check(question: object, history: object, config: Config) -> None:
    """Raises QuestionError if the question is not text, has no letter or digit, or is longer than
    ``[answer] max_question_chars``, or if `history` is not a list of texts."""
    if not isinstance(question, str) or not _is_text(question):
        raise QuestionError(
            "the question is not text", remedy="Give it as valid Unicode text.", text_id="question_not_text"
        )
    if not isinstance(history, list | tuple) or not all(isinstance(earlier, str) for earlier in history):
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


def _is_text(text: str) -> bool:
    """Half of a surrogate pair can arrive in JSON, but is no character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
