"""The errors a person can mend, each with its problem and its remedy.

    PlainquoteError
    ├── UsageError          a command, file or argument given wrongly
    │   └── QuestionError   a question that is empty, too long or not text
    ├── LoginFailed         a name and password that do not go together
    │   └── LoginLocked     too many of them
    ├── ConfigError         bot.toml or an environment variable
    ├── CorpusError         the folder of documents
    ├── ModelError          the encoder's files
    ├── IndexUnusable       the index on disk
    │   ├── IndexMissing    none there yet
    │   ├── IndexCorrupt    damaged, truncated or altered
    │   ├── IndexStale      built from other documents, settings or another model
    │   ├── IndexTooNew     written by a later version of Plainquote
    │   ├── IndexLocked     another build is writing it
    │   └── IndexUnreachable  its vectors are on a server that does not answer
    └── StoreUnavailable    the database of what was shown
        └── StoreTooNew     written by a later version of Plainquote

A fault is never a refusal: "I could not search" is one of these; "the documents don't say" is an
`Answer` with the outcome ``not_found``. Each front turns an error into text in one place.
"""


class PlainquoteError(Exception):
    """What went wrong (`problem`) and what to do about it (`remedy`), both for a person to read."""

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def to_dict(self) -> dict[str, str]:
        return {"type": type(self).__name__, "problem": self.problem, "remedy": self.remedy}


class UsageError(PlainquoteError):
    """A command, file or argument given wrongly."""


class QuestionError(UsageError):
    """A question that cannot be asked; `text_id` names the fixed text that tells a patient why."""

    def __init__(self, problem: str, *, remedy: str, text_id: str) -> None:
        super().__init__(problem, remedy=remedy)
        self.text_id = text_id


class LoginFailed(PlainquoteError):
    """No account has this name and this password."""


class LoginLocked(LoginFailed):
    """Too many wrong passwords for this name, or from this client; the right one does not help for a while."""


class ConfigError(PlainquoteError):
    """A wrong name, type or value in ``bot.toml`` or the environment."""


class CorpusError(PlainquoteError):
    """The folder of documents is missing, or holds nothing that can be indexed."""


class ModelError(PlainquoteError):
    """The encoder's files are missing, altered or unusable."""


class IndexUnusable(PlainquoteError):
    """The index on disk cannot answer."""


class IndexMissing(IndexUnusable):
    """There is no index yet."""


class IndexCorrupt(IndexUnusable):
    """A file of the index is damaged, truncated, altered or missing."""


class IndexStale(IndexUnusable):
    """The index was built from other documents, with other settings or another model."""


class IndexTooNew(IndexUnusable):
    """The index was written by a later version of Plainquote."""


class IndexLocked(IndexUnusable):
    """Another process is writing this index."""


class IndexUnreachable(IndexUnusable):
    """The server that the index is searched on does not answer, or not in time."""


class StoreUnavailable(PlainquoteError):
    """The database of what was shown cannot be read or written now, or nothing is kept."""


class StoreTooNew(StoreUnavailable):
    """The database was upgraded by a later version of Plainquote."""
