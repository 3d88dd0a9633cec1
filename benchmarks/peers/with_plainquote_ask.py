"""Plainquote's whole answer, `Bot.ask`: rules for emergencies, search, refusal, quotes, highlights."""

import with_plainquote


class Library(with_plainquote.Library):
    def search(self, question, k, history=()):
        self.bot.ask(question, history)
        return []
