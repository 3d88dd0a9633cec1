"""The web front: a chat, the pages of the documents, and named endpoints, all over one `Bot`."""

import os

# Gradio reads these when it is imported. Nothing may leave the machine.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)  # no statistics, and no pandas, after every question

from bot.ui.app import create_app, serve

__all__ = ["create_app", "serve"]
