"""The parts of the measuring instrument; `bot.evaluate` is its front."""
