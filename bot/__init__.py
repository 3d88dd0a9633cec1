"""Plainquote: answers from a clinic's own documents, word for word.

from bot import Bot
answer = Bot.open("index").ask("What are the side effects of ketamine?")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.answer import Answer, Quote
    from bot.bot import Bot
    from bot.documents import Document
    from bot.passages import Passage
    from bot.retrieve import Hit

__version__ = "0.1.0"
__all__ = ["Answer", "Bot", "Document", "Hit", "Passage", "Quote"]

_HOMES = {
    "Answer": "bot.answer",
    "Bot": "bot.bot",
    "Document": "bot.documents",
    "Hit": "bot.retrieve",
    "Passage": "bot.passages",
    "Quote": "bot.answer",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that ``bot --help`` is instant."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'bot' has no attribute {name!r}")
