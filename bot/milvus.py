"""The engine of an index that has outgrown one machine: vectors and words in a collection of Milvus. The only module
that imports pymilvus, and only where it is used.

Each generation has a collection of its own, with a row a passage, that does not change once it is written:

    row        int64, primary key: the passage's row in the index
    vector     (d,) float32, unit length
    sentences  array of texts: the vector of each sentence in order, float16, little-endian, as base64
    words      sparse float32: what BM25 adds for each term that the passage holds, at the term's place in `Terms` + 1

In the generation's folder are

    bm25/        the words and pairs of all passages: `bot.lexical.Terms`
    rows.sha256  a hash a line for each `_BLOCK` rows in order, to compare the collection with what was written

and in the index's folder

    collections.json  the names of all collections that were begun for it and not dropped yet, and the folder's inode: a
                      copy of the folder drops nothing that the original may still need

What Milvus finds by its own arithmetic is scored again here, exactly as the local engine scores it, and ordered by
that. Rows that were read are kept for a while: they cannot change.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from bot.config import Searching
from bot.engine import DECIMALS, Scores, Within
from bot.errors import ConfigError, IndexCorrupt, IndexUnreachable, IndexUnusable
from bot.generations import REBUILD
from bot.lexical import Lexical, Terms, Wanted
from bot.local import WORDS, LocalEngine, strip
from bot.tables import Recent

logger = logging.getLogger(__name__)

_PREFIX = "plainquote_"

_BLOCK = 512
"""Rows that are written or read in one call: a call may not hold more than 64 MB."""

_MOST = 16384
"""Rows that Milvus finds at most in one search."""

_RANKED = 2048
"""Rows that are read and scored exactly in one search, at most but for ties."""

_MEMORY = 32 << 20
"""Bytes of rows that are kept in memory."""

_LOADED = 2
"""Generations that stay in the memory of the server: the one in use, and the one that is being left."""

_CHECKED = 1000
"""Blocks that are compared with what was written, at most."""

_WRITING = 24 * 3600
"""Seconds that indexing and loading a collection may take. A server that is gone is noticed at once."""

_SPARE = 1e-5
"""How far Milvus's score of a passage may be from the exact one, relative to it or to 1."""

_NO_COLLECTION, _NOT_LOADED = 100, 101
"""Milvus's codes of errors. A server that starts again may have forgotten what was loaded."""

_VECTOR, _SENTENCES, _WORDS, _ROW = "vector", "sentences", "words", "row"
_HASHES, _COLLECTIONS = "rows.sha256", "collections.json"

_LINKS = {"M": 32, "efConstruction": 200}
_EFFORTS = (128, 256, 512, 1024, 2048)
"""How many neighbours an approximate search looks at, from the least effort to the most."""

_POSTINGS = 1 << 22
"""Terms of passages that are sorted at a time."""

_SAMPLED, _COMPARED = 200, 65536
"""Passages whose nearest ones are looked for, and those that they are compared with at a time."""


class Milvus:
    """A connection to the server that the settings name, made when it is first needed. Safe to use from several
    threads."""

    def __init__(self, choice: Searching) -> None:
        """Raises ConfigError if pymilvus is not installed or no server is named."""
        if not choice.url:
            raise ConfigError("the index is kept in Milvus, and no server is named", remedy="Set [index] url.")
        self._choice = choice
        self._pymilvus = _pymilvus()
        self._made: Any = None
        self._making = threading.Lock()

    def connect(self) -> Any:
        """The client. Raises IndexUnreachable."""
        # What is asked goes to the server and nowhere else: a proxy of the environment is not used. A server that came
        # back is found at once, and not after the delays that all channels of the process share.
        options = {"grpc.enable_http_proxy": 0, "grpc.use_local_subchannel_pool": 1}
        with self._making:
            if self._made is None:
                with self._faults():
                    self._made = self._pymilvus.MilvusClient(
                        self._choice.url, token=self._choice.token, timeout=self._choice.timeout, grpc_options=options
                    )
            return self._made

    def call(self, method: str, collection: str, *arguments: Any, seconds: float | None = None, **options: Any) -> Any:
        """What the client's `method` says of the collection; `seconds` instead of those of the settings.

        Raises IndexUnreachable, or IndexCorrupt if there is no such collection.
        """
        client = self.connect()
        do, limit = getattr(client, method), seconds or self._choice.timeout
        with self._faults():
            try:
                return do(collection, *arguments, timeout=limit, **options)
            except self._pymilvus.MilvusException as error:
                if error.code != _NOT_LOADED:
                    raise
            client.load_collection(collection, timeout=limit)
            return do(collection, *arguments, timeout=limit, **options)

    def reach(self) -> None:
        """Raises IndexUnreachable if the server does not answer."""
        self.call("has_collection", _PREFIX)

    def create(self, collection: str, dimension: int) -> None:
        kinds = self._pymilvus.DataType
        schema = self._pymilvus.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(_ROW, kinds.INT64, is_primary=True)
        schema.add_field(_VECTOR, kinds.FLOAT_VECTOR, dim=dimension)
        schema.add_field(_WORDS, kinds.SPARSE_FLOAT_VECTOR)
        schema.add_field(  # by far the largest, and read for the best passages alone: it may stay on the disk
            _SENTENCES,
            kinds.ARRAY,
            element_type=kinds.VARCHAR,
            max_capacity=4096,
            max_length=len(_text(np.zeros(dimension, dtype=np.float16))),
            mmap_enabled=True,
        )
        # Nothing changes once it is counted, so no search has to wait for the latest.
        self.call("create_collection", collection, schema=schema, consistency_level="Eventually")

    def load(self, collection: str, kind: str) -> None:
        """Indexes what was written, by `kind`, and has it searched from now on."""
        made = self._pymilvus.MilvusClient.prepare_index_params()
        made.add_index(_VECTOR, index_type=kind, metric_type="IP", params=_LINKS if kind == "HNSW" else {})
        made.add_index(_WORDS, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
        self.call("flush", collection, seconds=_WRITING)
        self.call("create_index", collection, made, seconds=_WRITING)
        self.call("load_collection", collection, seconds=_WRITING)

    def count(self, collection: str) -> int:
        [found] = self.call("query", collection, output_fields=["count(*)"], consistency_level="Strong")
        return int(found["count(*)"])

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        from grpc import RpcError

        try:
            yield
        except self._pymilvus.MilvusException as error:
            if error.code == _NO_COLLECTION:
                raise IndexCorrupt("the collection of the index is not in Milvus", remedy=REBUILD) from error
            raise self._unreachable(str(error.message)) from error
        except RpcError as error:
            raise self._unreachable(str(error.details())) from error

    def _unreachable(self, reason: str) -> IndexUnreachable:
        return IndexUnreachable(
            f"the index at {_place(self._choice.url)} cannot be asked: {reason.partition(chr(10))[0][:200]}",
            remedy="Check that Milvus runs there and can be reached from here, [index] url and PLAINQUOTE_INDEX_TOKEN.",
        )


def _place(url: str) -> str:
    """Without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.hostname else url


def _pymilvus() -> Any:
    # It would read a file .env of any folder above into the environment.
    os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")
    try:
        import pymilvus
    except ImportError as error:
        raise ConfigError(
            "the index is kept in Milvus, and its client is not installed", remedy="pip install 'plainquote[milvus]'"
        ) from error
    own = logging.getLogger("pymilvus")
    own.handlers.clear()  # it logs each fault with all calls that led to it; ours says what to do
    own.setLevel(logging.CRITICAL)
    return pymilvus


@dataclass(frozen=True, slots=True)
class _Row:
    """What is kept of a passage. vector: (d,) float32. sentences: (n, d) float16. terms: their places + 1, ascending,
    int64; weights: (terms,) float32."""

    vector: np.ndarray
    sentences: np.ndarray
    terms: np.ndarray
    weights: np.ndarray

    @classmethod
    def read(cls, found: dict[str, Any]) -> _Row:
        """What Milvus sends."""
        vector = np.array(found[_VECTOR], dtype=np.float32)
        sentences = b"".join(base64.b64decode(text) for text in found[_SENTENCES])
        terms = np.fromiter(found[_WORDS].keys(), dtype=np.int64)
        weights = np.fromiter(found[_WORDS].values(), dtype=np.float32)
        order = np.argsort(terms)[int(0 in found[_WORDS]) :]  # 0 stands for a passage without any
        return cls(vector, np.frombuffer(sentences, dtype="<f2").reshape(-1, len(vector)), terms[order], weights[order])

    def write(self, row: int) -> dict[str, Any]:
        """What is sent to Milvus."""
        words = dict(zip(self.terms.tolist(), self.weights.tolist(), strict=True))
        return {
            _ROW: row,
            _VECTOR: self.vector,
            _SENTENCES: [_text(sentence) for sentence in self.sentences],
            _WORDS: words or {0: 1.0},  # an empty one cannot be written
        }

    def to_bytes(self) -> bytes:
        """What a change of any of it changes."""
        counts = np.array([len(self.sentences), len(self.terms)])
        parts = (counts, self.vector, self.sentences, self.terms, self.weights)
        return b"".join(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in parts)


def _text(sentence: np.ndarray) -> str:
    return base64.b64encode(sentence.astype("<f2").tobytes()).decode()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a generation's rows are. kind: ``FLAT``, exact, or ``HNSW``; effort: how many neighbours such a search
    looks at. recall: the share of the ten nearest that it finds, 0 to 1."""

    collection: str
    passages: int
    kind: str
    effort: int
    recall: float

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "milvus", "place": asdict(self)}

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Place:
        """The inverse. Raises KeyError or TypeError."""
        return cls(**manifest["place"])


def write(engine: LocalEngine, home: Path, generation: Path, choice: Searching) -> dict[str, Any]:
    """Puts all that `engine` searches into a collection for a new generation of the index in `home`, and the rest into
    the generation's folder; what the manifest says of it. A collection that is not finished is dropped, now or by
    `tidy`.

    Raises IndexUnreachable, or IndexUnusable if not all arrived or too few of the nearest are found.
    """
    milvus = Milvus(choice)
    collection = f"{_PREFIX}{uuid.uuid4().hex[:12]}_{generation.name}"
    _note(home, [*_noted(home), collection])
    try:
        return _write(engine, generation, milvus, collection, choice).to_dict()
    except BaseException:
        with contextlib.suppress(IndexUnusable):
            milvus.call("drop_collection", collection)
        raise


def _write(engine: LocalEngine, generation: Path, milvus: Milvus, collection: str, choice: Searching) -> Place:
    passages = engine.passages
    milvus.create(collection, engine.vectors(np.array([0])).shape[1])
    with (
        tempfile.TemporaryDirectory(dir=generation) as folder,
        (generation / _HASHES).open("w", encoding="ascii") as hashes,
    ):
        words = _ByPassage(engine.words, Path(folder))
        for first in range(0, passages, _BLOCK):
            rows = np.arange(first, min(first + _BLOCK, passages))
            block = list(_rows_of(engine, words, rows))
            milvus.call("insert", collection, [row.write(at) for at, row in zip(rows.tolist(), block, strict=True)])
            hashes.write(_hash(block) + "\n")
    kind = "FLAT" if passages <= choice.exact_up_to else "HNSW"
    milvus.load(collection, kind)
    strip(generation)
    found = milvus.count(collection)
    if found != passages:
        raise IndexUnusable(f"{found} of {passages} passages arrived in Milvus", remedy="Try again: bot index")
    if kind == "FLAT":
        return Place(collection, passages, kind, effort=0, recall=1.0)
    return _with_least_effort(engine, milvus, collection, choice.recall)


def _with_least_effort(engine: LocalEngine, milvus: Milvus, collection: str, wanted: float) -> Place:
    """How hard to look for the nearest passages: so that of the ten nearest of sampled passages enough are found."""
    own = np.unique(np.linspace(0, engine.passages - 1, _SAMPLED).astype(np.int64))
    sample = engine.vectors(own)
    nearest = min(10, engine.passages - 1)
    least = _least(engine, sample, nearest)
    recall = 0.0
    for effort in _EFFORTS:
        place = Place(collection, engine.passages, "HNSW", effort, recall)
        found = 0
        for row, vector, enough in zip(own, sample, least, strict=True):
            rows, _ = _search(milvus, place, _VECTOR, vector, nearest + 1, None)
            others = np.sort(rows[rows != row][:nearest])
            found += int((engine.vectors(others) @ vector >= enough - _SPARE).sum())
        recall = found / (len(sample) * nearest)
        if recall >= wanted:
            return replace(place, recall=round(recall, 4))
    raise IndexUnusable(
        f"of the ten nearest passages only {recall:.1%} are found",
        remedy="Set [index] exact_up_to above the number of passages, or recall lower.",
    )


def _least(engine: LocalEngine, sample: np.ndarray, nearest: int) -> np.ndarray:
    """(sample,) float32: the cosine of each of these passages with the last of the nearest ones, itself left out."""
    best = np.full((len(sample), nearest + 1), -np.inf, dtype=np.float32)
    for first in range(0, engine.passages, _COMPARED):
        rows = np.arange(first, min(first + _COMPARED, engine.passages))
        both = np.concatenate([best, sample @ engine.vectors(rows).T], axis=1)
        best = np.partition(both, -best.shape[1], axis=1)[:, -best.shape[1] :]
    least: np.ndarray = best.min(axis=1)
    return least


def _rows_of(engine: LocalEngine, words: _ByPassage, rows: np.ndarray) -> Iterator[_Row]:
    vectors = engine.vectors(rows)
    sentences, counts = engine.sentences(rows)
    for at, vector, own in zip(rows.tolist(), vectors, np.split(sentences, np.cumsum(counts)[:-1]), strict=True):
        yield _Row(vector, own, *words.of(at))


class _ByPassage:
    """The terms of each passage with what they add, from the passages of each term. They are in files."""

    def __init__(self, words: Lexical, folder: Path) -> None:
        counts = np.zeros(words.passages, dtype=np.int64)
        for _, postings in words.postings():
            for at in range(0, len(postings.passages), _POSTINGS):
                counts += np.bincount(postings.passages[at : at + _POSTINGS], minlength=words.passages)
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        total = max(int(self._ends[-1]), 1)
        self._terms = np.lib.format.open_memmap(folder / "terms.npy", "w+", np.uint32, (total,))
        self._weights = np.lib.format.open_memmap(folder / "weights.npy", "w+", np.float32, (total,))
        free = self._starts.copy()
        for first, postings in words.postings():
            for at in range(0, len(postings.passages), _POSTINGS):
                held_by = postings.passages[at : at + _POSTINGS]
                terms = np.searchsorted(postings.at, np.arange(at, at + len(held_by)), side="right") + first
                order = np.argsort(held_by, kind="stable")
                held_by = held_by[order]
                new = np.flatnonzero(np.diff(held_by, prepend=-1))
                lengths = np.diff(new, append=len(held_by))
                to = free[held_by] + np.arange(len(held_by)) - np.repeat(new, lengths)
                self._terms[to] = terms[order]
                self._weights[to] = postings.scores[at : at + _POSTINGS][order]
                free[held_by[new]] += lengths

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """(terms,) int64, ascending, and float32, as `_Row` has them."""
        own = slice(self._starts[row], self._ends[row])
        return self._terms[own].astype(np.int64), np.array(self._weights[own])


def tidy(home: Path, kept: Sequence[Mapping[str, Any]], choice: Searching) -> None:
    """Drops the collections that were begun for the index in `home` and that none of its `kept` generations is in, and
    has the memory of the server let go of all but the first `_LOADED` of these; one that is opened is loaded again.
    kept: what their manifests say of the engine. What cannot be done now is left for the next time."""
    noted = _noted(home)
    used = [Place.of(engine).collection for engine in kept if engine["kind"] == "milvus"]
    if noted:
        try:
            milvus = Milvus(choice)
            for collection in noted:
                if collection not in used:
                    milvus.call("drop_collection", collection)
                elif collection not in used[:_LOADED]:
                    milvus.call("release_collection", collection)
        except (ConfigError, IndexUnreachable) as error:
            logger.warning("collections that are not used any more are still in Milvus: %s", error.problem)
        else:
            _note(home, [collection for collection in noted if collection in used])


def _noted(home: Path) -> list[str]:
    """The collections that were begun here; none in a copy of the folder. Raises IndexCorrupt."""
    try:
        noted = json.loads((home / _COLLECTIONS).read_text(encoding="utf-8"))
        return [str(name) for name in noted["collections"]] if noted["inode"] == home.stat().st_ino else []
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise IndexCorrupt(
            f"{home / _COLLECTIONS} is damaged",
            remedy=f"Delete it, and in Milvus the collections {_PREFIX}… that no generation's manifest names.",
        ) from error


def _note(home: Path, collections: Sequence[str]) -> None:
    """On the disk before anything is begun in Milvus."""
    temporary = home / f"{_COLLECTIONS}.new"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"inode": home.stat().st_ino, "collections": collections}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(home / _COLLECTIONS)


class MilvusEngine:
    """A `bot.engine.Engine`. Whatever is asked of it raises IndexUnreachable, or IndexCorrupt if the collection is not
    what was written. Of each list at most `_RANKED` passages are ranked."""

    kind = "milvus"

    def __init__(self, milvus: Milvus, place: Place, words: Terms, hashes: Sequence[str]) -> None:
        """hashes: of each `_BLOCK` rows, as `rows.sha256` has them."""
        self._milvus = milvus
        self._place = place
        self._hashes = hashes
        self._kept: Recent[int, _Row] = Recent(_MEMORY)
        self._counted = False
        self.words = words
        self.passages = place.passages
        self.recall = place.recall

    @classmethod
    def load(cls, generation: Path, manifest: Mapping[str, Any], choice: Searching) -> MilvusEngine:
        """manifest: of the generation, what `write` said. Where the server does not answer now, it is asked again with
        the first search, so that a chat can start, and knows emergencies.

        Raises KeyError, TypeError, ValueError or OSError for files that cannot be read, ConfigError, and IndexCorrupt
        if not all rows are there."""
        place = Place.of(manifest)
        words = Terms(generation / WORDS)
        hashes = (generation / _HASHES).read_text(encoding="ascii").splitlines()
        engine = cls(Milvus(choice), place, words, hashes)
        try:
            engine._checked()
        except IndexUnreachable as error:
            logger.warning("%s. To fix: %s", error.problem, error.remedy)
        return engine

    def _checked(self) -> Milvus:
        """The connection, once all rows were found to be there."""
        if not self._counted:
            found = self._milvus.count(self._place.collection)
            if not found == self.passages == self.words.passages:
                raise IndexCorrupt(f"{found} of {self.passages} passages are in Milvus", remedy=REBUILD)
            self._counted = True
        return self._milvus

    # Searching

    def nearest(self, vector: np.ndarray, k: int, within: Within | None = None) -> tuple[np.ndarray, np.ndarray]:
        return self._best(_VECTOR, vector, k, within, lambda rows: self._cosines(vector, rows))

    def matching(self, wanted: Wanted, k: int, within: Within | None = None) -> tuple[np.ndarray, np.ndarray]:
        places = ((self.words.place(term), weight) for term, weight in wanted.weights.items())
        sought = {place + 1: weight for place, weight in places if place >= 0}
        if not sought:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        return self._best(_WORDS, sought, k, within, lambda rows: self._lexical(wanted, self._rows(rows)))

    def _best(
        self,
        field: str,
        sought: Any,
        k: int,
        within: Within | None,
        exact: Callable[[np.ndarray], np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the best `k` with their exact scores. Reads on while the last may be tied."""
        wanted = min(k, self.passages, _RANKED)
        asked = min(wanted + 1, _MOST)
        while True:
            rows, scores = _search(self._checked(), self._place, field, sought, asked, within)
            if len(rows) < asked or asked == _MOST:
                break
            border = scores[wanted - 1]
            if scores[-1] < border - _SPARE * max(1.0, abs(border)):
                break
            asked = min(asked * 2, _MOST)
        found = exact(rows)
        order = np.lexsort((rows, -found))[:wanted]
        return rows[order], found[order]

    def score(self, vector: np.ndarray, wanted: Wanted, rows: np.ndarray) -> Scores:
        kept = self._rows(rows)
        return Scores(self._cosines(vector, rows), _best_sentences(vector, kept), self._lexical(wanted, kept))

    def parts(self, wanted: Wanted, row: int) -> dict[str, float]:
        [kept] = self._rows(np.array([row]))
        weights = dict(zip(kept.terms.tolist(), kept.weights.tolist(), strict=True))
        places = {term: self.words.place(term) for _, group in wanted.groups() for term in group}
        return {
            term: wanted.weights[term] * weights[place + 1] for term, place in places.items() if place + 1 in weights
        }

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([row.vector for row in self._rows(rows)])

    def sentences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = [row.sentences for row in self._rows(rows)]
        return np.concatenate(own), np.array([len(sentences) for sentences in own])

    def sentence_cosines(self, vector: np.ndarray, row: int) -> np.ndarray:
        [kept] = self._rows(np.array([row]))
        cosines: np.ndarray = kept.sentences.astype(np.float64) @ vector.astype(np.float64)
        return np.round(cosines, DECIMALS)

    def _cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if not len(rows):
            return np.empty(0)
        cosines: np.ndarray = self.vectors(rows).astype(np.float64) @ vector.astype(np.float64)
        return np.round(cosines, DECIMALS)

    def _lexical(self, wanted: Wanted, kept: Sequence[_Row]) -> np.ndarray:
        """(rows,) float32: the sums of `bot.lexical.Lexical.scores`, in the same order."""
        if not kept:
            return np.empty(0, dtype=np.float32)
        terms = np.concatenate([row.terms for row in kept])
        weights = np.concatenate([row.weights for row in kept])
        at = np.repeat(np.arange(len(kept)), [len(row.terms) for row in kept])
        scores = np.zeros(len(kept), dtype=np.float32)
        for weight, group in wanted.groups():
            own = np.zeros(len(kept), dtype=np.float32)
            for term in group:
                here = terms == self.words.place(term) + 1
                own[at[here]] += weights[here]
            scores += np.float32(weight) * own
        return scores

    # Reading

    def _rows(self, rows: np.ndarray) -> list[_Row]:
        """These passages, in this order."""
        found = {row: kept for row in rows.tolist() if (kept := self._kept.get(row))}
        missing = [row for row in rows.tolist() if row not in found]
        for at in range(0, len(missing), _BLOCK):
            for row, read in self._read(missing[at : at + _BLOCK]).items():
                found[row] = read
                self._kept.put(row, read, read.vector.nbytes + read.sentences.nbytes + 3 * read.weights.nbytes)
        return [found[row] for row in rows.tolist()]

    def _read(self, rows: list[int]) -> dict[int, _Row]:
        fields = [_ROW, _VECTOR, _SENTENCES, _WORDS]
        sent = self._checked().call("get", self._place.collection, rows, output_fields=fields)
        found = {one[_ROW]: _Row.read(one) for one in sent}
        if found.keys() != set(rows):
            raise IndexCorrupt(
                f"{len(found)} of {len(rows)} passages that were looked up are in Milvus", remedy=REBUILD
            )
        return found

    def save(self, generation: Path) -> dict[str, Any]:
        raise TypeError("a collection belongs to the generation that it was written for")

    def check(self) -> Iterator[str]:
        """Of many blocks of rows, `_CHECKED` are looked at."""
        blocks = len(self._hashes)
        for block in sorted(set(np.linspace(0, blocks - 1, min(blocks, _CHECKED)).astype(int).tolist())):
            rows = range(block * _BLOCK, min((block + 1) * _BLOCK, self.passages))
            found = self._read(list(rows))
            if _hash(found[row] for row in rows) != self._hashes[block]:
                yield f"the passages {rows.start} to {rows.stop - 1} in Milvus are not what was written"


def _search(
    milvus: Milvus, place: Place, field: str, sought: Any, k: int, within: Within | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that Milvus finds, and its own scores, best first."""
    params = {"ef": max(k, place.effort)} if field == _VECTOR and place.kind == "HNSW" else {}
    [hits] = milvus.call(
        "search",
        place.collection,
        [sought],
        anns_field=field,
        limit=k,
        output_fields=[_ROW],
        search_params={"metric_type": "IP", "params": params},
        filter="" if within is None else _filter(within),
    )
    return (
        np.array([hit[_ROW] for hit in hits], dtype=np.int64),
        np.array([hit["distance"] for hit in hits], dtype=np.float64),
    )


def _best_sentences(vector: np.ndarray, kept: Sequence[_Row]) -> np.ndarray:
    if not kept:
        return np.empty(0)
    own = np.concatenate([row.sentences for row in kept]).astype(np.float64) @ vector.astype(np.float64)
    counts = np.array([len(row.sentences) for row in kept])
    best: np.ndarray = np.maximum.reduceat(own, np.cumsum(counts) - counts)
    return np.round(best, DECIMALS)


def _filter(within: Within) -> str:
    """The rows as an expression of Milvus."""
    return " or ".join(f"({_ROW} >= {rows.start} and {_ROW} < {rows.stop})" for rows in within)


def _hash(rows: Iterable[_Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row.to_bytes())
    return digest.hexdigest()
