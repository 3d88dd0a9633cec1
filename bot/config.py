"""One frozen `Config`, read once from ``bot.toml`` and the environment, and handed on."""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

from bot.errors import ConfigError
from bot.regions import regions

ENVIRONMENT_PREFIX = "PLAINQUOTE_"
MOST_WRONG = (1, 2, 5, 10, 20)
"""What `most_wrong` may be: the calibration has a threshold for each."""
OVERDUE = ("notice", "withhold")
BACKENDS = ("auto", "onnx", "torch")
ENGINES = ("local", "milvus")
LOG_FORMATS = ("text", "json")
RECIPE = 2
"""Raised when the code cuts passages, tokenises or prefixes in another way, so that an index made
before is known to be stale."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_ORIGIN = re.compile(r"https?://(?:\*\.)?[A-Za-z0-9.-]+(?::\d{1,5})?")
_SERVER = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}(?:/[A-Za-z0-9_]*)?")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]")
_OCR_LANGUAGES = re.compile(r"[A-Za-z_]+(?:\+[A-Za-z_]+)*")


@dataclass(frozen=True, slots=True)
class Clinic:
    """Fills the placeholders of the fixed texts; an empty phone or hours is left out of them. `language`: of the
    fixed texts, the name of a catalogue in ``bot/texts``. `logo`: a PNG, JPEG, WebP or SVG file; `colour`: the page's
    own colour, such as ``#0b5c63``, dark enough for white letters."""

    name: str = "the clinic"
    phone: str = ""
    hours: str = ""
    language: str = "en"
    logo: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Whom the cards for emergencies say to call: the lines of `region`, as ``bot/rules/regions.toml`` has them, each
    of which can be replaced. Another region needs an `emergency` number of its own; other lines fall back to it."""

    region: str = "US"
    emergency: str = ""
    crisis: str = ""
    poison: str = ""
    abuse: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class CorpusRules:
    """`max_file_mb`: a larger file is skipped. `max_seconds` and `max_memory_mb`: what reading one PDF, Word file or
    web page may take. `ocr`: Tesseract's codes of the languages, such as ``eng`` or ``eng+deu``, in which pages
    without a text layer are read off their picture; empty: they are not. `verify_sources`: withhold a quote whose
    source file is no longer as it was indexed; switch off only where the index is shipped without its corpus."""

    max_file_mb: int = 64
    max_seconds: int = 60
    max_memory_mb: int = 1024
    ocr: str = ""
    verify_sources: bool = True


@dataclass(frozen=True, slots=True)
class PassageSize:
    """`max_tokens`: of a passage in the model's own tokens, without its title and section."""

    max_tokens: int = 180


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """`name`: ``all-MiniLM-L6-v2`` (comes with a package), a folder, or a model in the local hub cache.
    Prompts are put in front of a question or a passage. `device`: ``cpu``, ``cuda``, ``mps``. `backend`: what embeds
    questions: ``onnx``, the compiled encoder that an index holds; ``torch``, sentence-transformers; ``auto``, the
    compiled one if the index has it."""

    name: str = "all-MiniLM-L6-v2"
    query_prompt: str = ""
    document_prompt: str = ""
    device: str = "cpu"
    backend: str = "auto"
    batch_size: int = 32


@dataclass(frozen=True, slots=True)
class Ranking:
    """``score = (passage + sentence_weight · best sentence) / (1 + sentence_weight)
    + lexical_weight · BM25 · min(1, lexical_terms / n)``, n the question's distinct known terms; over the best
    `candidates` by cosine and as many by BM25. `heading_weight`: how much the vector of title and section alone
    adds to a passage's vector. `k1` and `b` are BM25's own."""

    candidates: int = 100
    heading_weight: float = 0.4
    sentence_weight: float = 0.25
    lexical_weight: float = 0.03
    lexical_terms: int = 4
    k1: float = 1.2
    b: float = 0.75


@dataclass(frozen=True, slots=True)
class Searching:
    """Where and how a generation's vectors and words are searched. `engine`: ``local``, in files of the index;
    ``milvus``, in a collection of the Milvus server at `url`, such as ``https://milvus.clinic.example:19530``, or of an
    embedded one in the file `url`, which ends in ``.db``. `token`: of the server, in the environment only. `timeout`:
    seconds that a call of a search there may take.

    `exact_up_to`: with more passages than that, the nearest vectors are looked for in a part of them (an inverted
    file; in Milvus a graph), so wide that of the ten nearest on average a share of `recall` is found, measured when the
    index is built."""

    engine: str = "local"
    url: str = ""
    token: str = field(default="", repr=False)
    timeout: float = 10.0
    exact_up_to: int = 20_000
    recall: float = 0.99

    def shape(self) -> dict[str, Any]:
        """What a generation is built by; where its server is may change."""
        return {"engine": self.engine, "exact_up_to": self.exact_up_to, "recall": self.recall}


LOCAL = Searching()


@dataclass(frozen=True, slots=True)
class Asking:
    """`glossary`: the file of the clinic's own words for what patients say; empty: the one that is shipped."""

    glossary: str = ""


@dataclass(frozen=True, slots=True)
class Answering:
    """At most `quotes` quotes. `most_wrong`: of 100 questions that the documents don't answer, so many may get
    quotes: 1, 2, 5, 10 or 20; the fewer, the more good questions are refused too. `answer_above`: a threshold of
    your own for the confidence, 0 to 1; at -1 the one that `most_wrong` gives. `overdue`: a document past its next
    review is quoted with a notice ("notice") or not at all ("withhold")."""

    quotes: int = 3
    most_wrong: int = 10
    answer_above: float = -1.0
    overdue: str = "notice"
    max_question_chars: int = 2000


@dataclass(frozen=True, slots=True)
class Web:
    """`frame_ancestors`: the sites that may show the chat in a frame, such as ``https://clinic.example``, with spaces
    between; empty: none but its own. `requests_per_minute`: of one client; 0: any number. `max_body_kb`: of one
    request. `request_seconds`: within which its head, and then its body, must have come. `proxies`: how many trusted
    proxies stand before the app, each of which adds an address to ``X-Forwarded-For``. `hosts`: the names, such as
    ``chat.clinic.example``, under which programs reach ``/mcp``; with ``localhost`` they always do. `metrics`: the
    networks, such as ``127.0.0.1 10.0.0.0/8``, that may read ``/metrics``; empty: none."""

    host: str = "127.0.0.1"
    port: int = 7860
    frame_ancestors: str = ""
    requests_per_minute: int = 120
    max_body_kb: int = 256
    request_seconds: int = 30
    proxies: int = 0
    hosts: str = ""
    metrics: str = ""

    def metrics_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        return tuple(ipaddress.ip_network(network, strict=False) for network in self.metrics.split())


@dataclass(frozen=True, slots=True)
class Logging:
    """What `bot serve` logs. `format`: ``text``, or ``json``: an object a line. `requests`: also a line for each
    request, by the pattern of its address, so that nothing of what was asked is in it. `addresses`: in these lines,
    also who asked."""

    format: str = "text"
    requests: bool = False
    addresses: bool = False


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept of the answers that were given. `url`: SQLAlchemy's URL of the database; empty: nothing is kept.
    `keep_questions`: also the texts of questions, redacted. `retention_days`: after how many days a row is deleted."""

    url: str = "sqlite:///plainquote.db"
    keep_questions: bool = False
    retention_days: int = 365


@dataclass(frozen=True, slots=True)
class Staff:
    """`session_hours`: after how many hours without use a login ends. `attempts`: after so many wrong passwords a
    name is closed to a client for 15 minutes. `generations`: how many of the index are kept to go back
    to. `tests`: the folder of the test sets that staff edit and run."""

    session_hours: int = 8
    attempts: int = 5
    generations: int = 5
    tests: str = "tests/eval"


@dataclass(frozen=True, slots=True)
class Config:
    clinic: Clinic = field(default_factory=Clinic)
    numbers: Numbers = field(default_factory=Numbers)
    corpus: CorpusRules = field(default_factory=CorpusRules)
    passages: PassageSize = field(default_factory=PassageSize)
    model: ModelChoice = field(default_factory=ModelChoice)
    ranking: Ranking = field(default_factory=Ranking)
    index: Searching = field(default_factory=Searching)
    query: Asking = field(default_factory=Asking)
    answer: Answering = field(default_factory=Answering)
    web: Web = field(default_factory=Web)
    log: Logging = field(default_factory=Logging)
    store: Keeping = field(default_factory=Keeping)
    staff: Staff = field(default_factory=Staff)

    def __post_init__(self) -> None:
        _require(
            self.numbers.region in regions() or bool(self.numbers.emergency),
            "[numbers] region",
            f"one of {', '.join(regions())}, or give an emergency number of your own",
        )
        _require(self.corpus.max_file_mb >= 1, "[corpus] max_file_mb", "1 or more")
        _require(self.corpus.max_seconds >= 1, "[corpus] max_seconds", "1 or more")
        _require(self.corpus.max_memory_mb >= 256, "[corpus] max_memory_mb", "256 or more")
        _require(
            not self.corpus.ocr or _OCR_LANGUAGES.fullmatch(self.corpus.ocr) is not None,
            "[corpus] ocr",
            "Tesseract's codes of languages, such as eng or eng+deu, or leave it empty",
        )
        _require(self.passages.max_tokens >= 16, "[passages] max_tokens", "16 or more")
        _require(self.model.backend in BACKENDS, "[model] backend", "auto, onnx or torch")
        _require(self.model.batch_size >= 1, "[model] batch_size", "1 or more")
        _require(self.ranking.candidates >= 1, "[ranking] candidates", "1 or more")
        _require(0 <= self.ranking.lexical_weight < inf, "[ranking] lexical_weight", "0 or more")
        _require(self.ranking.lexical_terms >= 1, "[ranking] lexical_terms", "1 or more")
        _require(0 <= self.ranking.heading_weight < inf, "[ranking] heading_weight", "0 or more")
        _require(0 <= self.ranking.sentence_weight < inf, "[ranking] sentence_weight", "0 or more")
        _require(0 <= self.ranking.k1 < inf, "[ranking] k1", "0 or more")
        _require(0 <= self.ranking.b <= 1, "[ranking] b", "between 0 and 1")
        _require(self.index.engine in ENGINES, "[index] engine", "local or milvus")
        _require(
            self.index.engine != "milvus" or bool(self.index.url),
            "[index] url",
            "the address of the Milvus server, such as http://127.0.0.1:19530",
        )
        _require(
            not self.index.url or self.index.url.endswith(".db") or _SERVER.fullmatch(self.index.url) is not None,
            "[index] url",
            "http:// or https:// with a host and a port, without a name and password, or a file that ends in .db",
        )
        _require(0 < self.index.timeout < inf, "[index] timeout", "more than 0")
        _require(self.index.exact_up_to >= 1, "[index] exact_up_to", "1 or more")
        _require(0 < self.index.recall <= 1, "[index] recall", "above 0, 1 at most")
        _require(1 <= self.answer.quotes <= 10, "[answer] quotes", "between 1 and 10")
        above = self.answer.answer_above
        _require(0 <= above <= 1 or above == -1, "[answer] answer_above", "between 0 and 1, or to -1")
        _require(self.answer.most_wrong in MOST_WRONG, "[answer] most_wrong", "1, 2, 5, 10 or 20")
        _require(self.answer.overdue in OVERDUE, "[answer] overdue", "notice or withhold")
        _require(self.answer.max_question_chars >= 1, "[answer] max_question_chars", "1 or more")
        _require(0 <= self.web.port <= 65535, "[web] port", "between 0 and 65535")
        _require(self.web.requests_per_minute >= 0, "[web] requests_per_minute", "0 or more")
        _require(self.web.max_body_kb >= 16, "[web] max_body_kb", "16 or more")
        _require(self.web.request_seconds >= 1, "[web] request_seconds", "1 or more")
        _require(self.web.proxies >= 0, "[web] proxies", "0 or more")
        _require(
            all(_ORIGIN.fullmatch(origin) for origin in self.web.frame_ancestors.split()),
            "[web] frame_ancestors",
            "sites such as https://clinic.example, with spaces between",
        )
        _require(
            all(_HOST.fullmatch(host) for host in self.web.hosts.split()),
            "[web] hosts",
            "names such as chat.clinic.example, with spaces between",
        )
        _require(
            all(_is_network(network) for network in self.web.metrics.split()),
            "[web] metrics",
            "addresses or networks such as 127.0.0.1 or 10.0.0.0/8, with spaces between",
        )
        _require(self.log.format in LOG_FORMATS, "[log] format", "text or json")
        _require(
            not self.clinic.colour or _COLOUR.fullmatch(self.clinic.colour) is not None,
            "[clinic] colour",
            "a colour of six hexadecimal digits, such as #0b5c63",
        )
        _require(self.store.retention_days >= 1, "[store] retention_days", "1 or more")
        _require(self.staff.session_hours >= 1, "[staff] session_hours", "1 or more")
        _require(self.staff.attempts >= 1, "[staff] attempts", "1 or more")
        _require(self.staff.generations >= 2, "[staff] generations", "2 or more")

    @classmethod
    def load(cls, path: Path | str | None = None, environment: Mapping[str, str] | None = None) -> Config:
        """Reads `path` (default ``bot.toml``, which may be absent), then the environment over it.

        ``PLAINQUOTE_CLINIC_PHONE=…`` sets ``phone`` of ``[clinic]``, and so on. Raises ConfigError for a
        file that is named but absent or not TOML, an unknown name, a wrong type or a value out of range.
        """
        values = _read(Path(path)) if path is not None else _read(Path("bot.toml"), optional=True)
        if isinstance(index := values.get("index"), dict) and "token" in index:
            raise ConfigError(
                "[index] token is a secret", remedy="Take it out of the file and set PLAINQUOTE_INDEX_TOKEN instead."
            )
        for name, text in (os.environ if environment is None else environment).items():
            if name.startswith(ENVIRONMENT_PREFIX):
                section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("_")
                entries = values.setdefault(section, {})
                if isinstance(entries, dict):
                    entries[key] = _from_text(section, key, text)
        return cls.from_mapping(values)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Config:
        sections = {f.name: f.default_factory for f in fields(cls)}
        made: dict[str, Any] = {}
        for section, entries in values.items():
            if section not in sections:
                raise ConfigError(f"unknown section [{section}]", remedy=_closest(section, sections))
            if not isinstance(entries, Mapping):
                raise ConfigError(f"{section} is not a section", remedy=f"Write it as [{section}].")
            made[section] = _section(section, sections[section], entries)
        return cls(**made)

    def fingerprint(self) -> str:
        """SHA-256, in hex, of the settings that shape an index: two equal ones can share it."""
        model = {k: v for k, v in asdict(self.model).items() if k not in ("device", "backend", "batch_size")}
        shape = {
            "recipe": RECIPE,
            "passages": asdict(self.passages),
            "model": model,
            "ranking": [self.ranking.heading_weight, self.ranking.k1, self.ranking.b],
        }
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


def _read(path: Path, *, optional: bool = False) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        if optional:
            return {}
        raise ConfigError(
            f"there is no configuration file {path}", remedy="Check the path given with --config."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", remedy="Check its permissions.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", remedy="Mend that line.") from error


def _section(name: str, factory: Any, entries: Mapping[str, Any]) -> Any:
    defaults = asdict(factory())
    made: dict[str, Any] = {}
    for key, value in entries.items():
        if key not in defaults:
            raise ConfigError(f"unknown setting {key} in [{name}]", remedy=_closest(key, defaults))
        wanted = type(defaults[key])
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise ConfigError(
                f"[{name}] {key} is {value!r}", remedy=f"Give {_KINDS[wanted]}, such as {defaults[key]!r}."
            )
        made[key] = value
    return factory(**made)


_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _from_text(section: str, key: str, text: str) -> Any:
    """An environment variable's text as the type that the setting has; left as text where it does not fit,
    so that the usual message names it."""
    default = asdict(Config()).get(section, {}).get(key)
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return type(default)(text) if isinstance(default, int | float) else text
    except (KeyError, ValueError):
        return text


def _closest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(known)}."


def _require(holds: bool, setting: str, wanted: str) -> None:
    if not holds:
        raise ConfigError(f"{setting} is out of range", remedy=f"Set it to {wanted}.")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
