"""What the fronts hand to the store: each answer that was given, each fault, and what readers thought of it.

Nothing here may stop or slow an answer: the store writes on its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bot.answer import Answer
from bot.bot import Bot
from bot.errors import StoreUnavailable, UsageError
from bot.store import Store
from bot.texts import Notice
from bot.ui.metrics import Metrics

log = logging.getLogger(__name__)


class Recorder:
    """Hands on what `bot` has answered, and counts it. One for all fronts."""

    def __init__(self, store: Store, bot: Bot, metrics: Metrics | None = None) -> None:
        self._store = store
        self._bot = bot
        self._metrics = metrics or Metrics(bot, store)

    def answer(self, answer: Answer, milliseconds: float) -> str | None:
        """The id under which a reader can say what they think of it; None where nothing is kept."""
        self._metrics.answer(answer, milliseconds)
        id = self._store.record(answer, generation=self._generation(), milliseconds=milliseconds)
        return None if self._store.status().state == "off" else id

    def fault(self, question: str, error: Exception, milliseconds: float, notices: Sequence[Notice] = ()) -> None:
        """A question that could not be answered; `notices`: what its reader was told."""
        self._metrics.fault(error, milliseconds)
        self._store.record_fault(
            question, error, generation=self._generation(), milliseconds=milliseconds, notices=notices
        )

    def feedback(self, id: object, helped: object, reason: object = None) -> str:
        """Keeps it, in place of what was said before; the id of the fixed text that tells what came of it."""
        try:
            self._store.feedback(id, helped, reason)  # type: ignore[arg-type]  # it looks at what it is given
        except StoreUnavailable as error:
            log.warning("feedback was not kept: %s", error.problem)
            return "feedback_fault"
        except UsageError:  # of an answer that is kept no longer, or made up
            return "feedback_fault"
        self._metrics.feedback(bool(helped), None if reason is None else str(reason))
        return "feedback_thanks"

    def _generation(self) -> str:
        return self._bot.index.generation or ""
