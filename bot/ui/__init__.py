"""The web front: a chat, the pages of the documents, and named endpoints, all over one `Bot`.

Importing this is cheap: what is heavy is imported while the server listens already.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# Gradio reads these when it is imported. Nothing may leave the machine.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)  # no statistics, and no pandas, after every question

if TYPE_CHECKING:
    from fastapi import FastAPI

    from bot.bot import Bot


def create_app(bot: Bot) -> FastAPI:
    """The app over `bot`. While it runs, from its startup to its shutdown, it follows the index on disk."""
    from bot.ui.app import create_app as create

    return create(bot)


__all__ = ["create_app"]
