"""The engine on a Milvus server: the same answers as the local one, and what happens when the server is not there."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import CORPUS, ROOT, MilvusServer, WordEncoder, milvus_serving

from bot import generations, milvus
from bot.bot import Bot
from bot.check import check
from bot.config import Answering, Config, PassageSize, Searching, Staff
from bot.corpus import Corpus
from bot.documents import Document, Section
from bot.embed import Encoder
from bot.errors import ConfigError, IndexCorrupt, IndexUnreachable, IndexUnusable, PlainquoteError
from bot.index import Index
from bot.lexical import Wanted, terms
from bot.milvus import Milvus, MilvusEngine
from bot.texts import notice
from bot.ui import api, chat

CONFIG = Config(passages=PassageSize(max_tokens=32), answer=Answering(answer_above=0.0), staff=Staff(generations=2))
QUESTIONS = [
    "Will ketamine help with my pain?",
    "What are the side effects?",
    "ketamine ketamine infusion dose",
    "Where can I park?",
    "zzz",
    "x",
]


def on(url: str, **settings: object) -> Config:
    """`CONFIG` with this server, or file."""
    return dataclasses.replace(CONFIG, index=Searching(engine="milvus", url=url, **settings))  # type: ignore[arg-type]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("Ketamine\n\nKetamine helps with pain. It may cause dreams.", encoding="utf-8")
    (folder / "b.md").write_text("# Parking\n\nPark behind the house.\n\n🙂 🙂\n", encoding="utf-8")
    return folder


def answers(folder: Path, config: Config, *questions: str) -> list[str]:
    """What is found and said, byte for byte, without how long it took."""
    bot = Bot(Index.load(folder, choice=config.index), WordEncoder(), config)
    found = []
    for question in questions or QUESTIONS:
        for told in (bot.search(question, k=20), bot.ask(question)):
            said = told.to_dict()
            said.pop("timings_ms", None)
            found.append(json.dumps(said, sort_keys=True, default=str))
    return found


def collections(url: str, home: Path) -> set[str]:
    """Those on the server that were begun for this index."""
    noted = json.loads((home / "collections.json").read_text())["collections"]
    return set(noted) & set(Milvus(Searching(url=url)).connect().list_collections())


# The same as the local engine


def test_answers_are_those_of_the_local_engine(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    shutil.copy(CORPUS / "ketamine-for-chronic-pain.txt", corpus)
    for name, config in (("local", CONFIG), ("milvus", on(milvus_url))):
        Index.update(tmp_path / name, corpus, WordEncoder(), config)
    assert answers(tmp_path / "milvus", on(milvus_url)) == answers(tmp_path / "local", CONFIG)


def test_answers_of_the_shipped_corpus_are_the_same_with_the_real_model(
    encoder: Encoder, tmp_path: Path, milvus_url: str
) -> None:
    bots = []
    for name, config in (("local", Config()), ("milvus", Config(index=Searching(engine="milvus", url=milvus_url)))):
        Index.update(tmp_path / name, CORPUS, encoder, config)
        bots.append(Bot(Index.load(tmp_path / name, choice=config.index), encoder, config))

    def said(by: Bot, question: str, history: tuple[str, ...] = ()) -> str:
        found = by.ask(question, history).to_dict()
        return json.dumps({k: v for k, v in found.items() if k != "timings_ms"}, sort_keys=True, default=str)

    local, other = bots
    for question in QUESTIONS:
        assert said(other, question) == said(local, question)
    follow_up = ("for how long?", ("does it help with pain",))
    assert said(other, *follow_up) == said(local, *follow_up)


@pytest.mark.parametrize("kind", ["server", "file"])
def test_every_number_is_the_local_engines(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Many equal texts, one without a word; ties, also at the border of the k best, go by row."""
    url = request.getfixturevalue("milvus_url") if kind == "server" else str(tmp_path / "own.db")
    encoder = WordEncoder()
    texts = ["pain", "ketamine pain. Pain again.", "park here", "pain", "🙂", "park", "pain", "Ketamine pain helps"] * 6
    index = index_of(texts, encoder)
    local = index.engine
    engine = written(texts, encoder, tmp_path, Searching(engine="milvus", url=url))
    every = np.arange(len(texts))
    np.testing.assert_array_equal(engine.vectors(every), local.vectors(every))
    for own, other in zip(engine.sentences(every), local.sentences(every), strict=True):
        np.testing.assert_array_equal(own, other)
    for asked in ("pain and ketamine", "park", "ketamine pain helps", "zzz"):
        vector, wanted = encoder.encode_query(asked), Wanted.of(terms(asked), ["park"], 0.3)
        scores, others = engine.score(vector, wanted, every), local.score(vector, wanted, every)
        for name in ("dense", "sentence", "lexical"):
            np.testing.assert_array_equal(getattr(scores, name), getattr(others, name), name)
        for within in (None, [range(2, 5), range(7, 20)]):
            for k in (1, 3, 7, 100):
                for find, what in (("nearest", vector), ("matching", wanted)):
                    rows, found = getattr(engine, find)(what, k, within)
                    expected, numbers = getattr(local, find)(what, k, within)
                    assert rows.tolist() == expected.tolist(), (asked, find, k, within)
                    np.testing.assert_allclose(found, numbers, atol=2e-6)
        for row in (0, 1, 4):
            assert engine.parts(wanted, row) == local.parts(wanted, row)
            np.testing.assert_array_equal(engine.sentence_cosines(vector, row), local.sentence_cosines(vector, row))
        assert engine.words.weights(terms(asked)) == local.words.weights(terms(asked))
        assert engine.words.holds(asked) == local.words.holds(asked)
    nothing = engine.score(vector, wanted, np.array([], dtype=np.int64))
    assert [len(part) for part in (nothing.dense, nothing.sentence, nothing.lexical)] == [0, 0, 0]


def index_of(texts: list[str], encoder: WordEncoder) -> Index:
    documents = tuple(
        Document(id=str(n), text=text, title="", sections=(Section(0, len(text), ()),), source="x.jsonl", metadata={})
        for n, text in enumerate(texts)
    )
    return Index.build(Corpus(documents), None, encoder, CONFIG)


def written(texts: list[str], encoder: WordEncoder, home: Path, choice: Searching) -> MilvusEngine:
    index, generation = index_of(texts, encoder), home / "000001"
    shutil.copytree(index.files_in, generation)
    said = milvus.write(index.engine, home, generation, choice)  # type: ignore[arg-type]
    return MilvusEngine.load(generation, said, choice)


# Generations


def add(corpus: Path, n: int) -> None:
    (corpus / "n.txt").write_text(f"Note {n}: park in street {n}.", encoding="utf-8")


def test_each_generation_has_a_collection_which_goes_with_it(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    home, config = tmp_path / "index", on(milvus_url)
    for n in range(4):
        add(corpus, n)
        Index.update(home, corpus, WordEncoder(), config)
    kept = {generation.manifest["engine"]["place"]["collection"] for generation in generations.kept(home)}
    assert len(kept) == 2
    assert collections(milvus_url, home) == kept
    assert Index.load(home, "000003", config.index).engine.passages


def test_only_two_generations_fill_the_servers_memory_and_any_can_be_gone_back_to(
    tmp_path: Path, corpus: Path, milvus_url: str
) -> None:
    home = tmp_path / "index"
    config = dataclasses.replace(on(milvus_url), staff=Staff(generations=4))
    for n in range(4):
        add(corpus, n)
        Index.update(home, corpus, WordEncoder(), config)
    client = Milvus(config.index).connect()
    kept = [generation.manifest["engine"]["place"]["collection"] for generation in generations.kept(home)]
    loaded = [client.get_load_state(collection)["state"].name for collection in kept]
    assert loaded == ["Loaded", "Loaded", "NotLoad", "NotLoad"]
    oldest = Bot(Index.load(home, "000001", config.index), WordEncoder(), config)
    assert {hit.text for hit in oldest.search("Note: park in street", k=20)} >= {"Note 0: park in street 0."}


def test_a_reader_goes_on_with_the_collection_that_it_opened(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    home, config = tmp_path / "index", on(milvus_url)
    Index.update(home, corpus, WordEncoder(), config)
    bot = Bot(Index.load(home, choice=config.index), WordEncoder(), config)
    before = [hit.text for hit in bot.search("Where can I park?", k=20)]
    (corpus / "b.md").unlink()
    Index.update(home, corpus, WordEncoder(), config)
    assert [hit.text for hit in bot.search("Where can I park?", k=20)] == before


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import WordEncoder
from bot import milvus
from bot.index import Index
from test_milvus import on
milvus.Milvus.load = lambda *arguments: os._exit(9)
Index.update(Path(sys.argv[2]), Path(sys.argv[3]), WordEncoder(), on(sys.argv[4]))
"""


def test_what_a_build_that_died_left_is_dropped_by_the_next(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    home, config = tmp_path / "index", on(milvus_url)
    Index.update(home, corpus, WordEncoder(), config)
    before = answers(home, config, "pain")
    add(corpus, 1)
    arguments = [str(Path(__file__).parent), str(home), str(corpus), milvus_url]
    assert subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False).returncode == 9
    assert len(collections(milvus_url, home)) == 2, "one of them is of no use"
    assert answers(home, config, "pain") == before
    Index.update(home, corpus, WordEncoder(), config)
    kept = {generation.manifest["engine"]["place"]["collection"] for generation in generations.kept(home)}
    assert collections(milvus_url, home) == kept


def test_a_generation_that_did_not_arrive_is_not_published(
    tmp_path: Path, corpus: Path, milvus_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, config = tmp_path / "index", on(milvus_url)
    Index.update(home, corpus, WordEncoder(), config)
    before = answers(home, config, "pain")
    add(corpus, 1)
    count = Milvus.count
    with monkeypatch.context() as patched:
        patched.setattr(Milvus, "count", lambda self, name: min(2, count(self, name)))
        with pytest.raises(IndexUnusable, match="2 of 3 passages arrived") as caught:
            Index.update(home, corpus, WordEncoder(), config)
    assert "bot index" in caught.value.remedy
    assert answers(home, config, "pain") == before
    assert len(collections(milvus_url, home)) == 1


def test_a_copy_of_the_folder_takes_nothing_from_the_original(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    home, config = tmp_path / "index", on(milvus_url)
    Index.update(home, corpus, WordEncoder(), config)
    before = answers(home, config, "pain")
    shutil.copytree(home, tmp_path / "copy")
    for n in range(4):
        add(corpus, n)
        Index.update(tmp_path / "copy", corpus, WordEncoder(), config)
    assert answers(home, config, "pain") == before


def test_an_index_moves_to_a_server_and_back_without_embedding(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    home, encoder = tmp_path / "index", WordEncoder()
    Index.update(home, corpus, encoder, CONFIG)
    here = answers(home, CONFIG, *QUESTIONS)
    encoder.embedded.clear()
    there = on(milvus_url)
    report = Index.update(home, corpus, encoder, there)
    assert (report.generation, report.embedded, encoder.embedded) == ("000002", 0, [])
    assert answers(home, there, *QUESTIONS) == here
    back = dataclasses.replace(there, index=dataclasses.replace(there.index, engine="local"))
    assert Index.update(home, corpus, encoder, back).generation == "000003"
    assert answers(home, CONFIG, *QUESTIONS) == here
    assert encoder.embedded == []
    add(corpus, 1)
    Index.update(home, corpus, encoder, back)
    add(corpus, 2)
    Index.update(home, corpus, encoder, back)
    assert collections(milvus_url, home) == set(), "no generation that is kept has one"


def test_an_approximate_index_finds_what_it_promises(
    tmp_path: Path, milvus_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = WordEncoder()
    texts = [f"ketamine {n} helps pain {n % 7} in {n * n % 31} days" for n in range(300)]
    choice = Searching(engine="milvus", url=milvus_url, exact_up_to=100)
    engine, index = written(texts, encoder, tmp_path, choice), index_of(texts, encoder)
    vector = encoder.encode_query("ketamine 12 pain")
    found, expected = engine.nearest(vector, 10)[0].tolist(), index.engine.nearest(vector, 10)[0].tolist()
    assert len({*found} & {*expected}) >= 9
    (tmp_path / "other").mkdir()
    monkeypatch.setattr(milvus, "_EFFORTS", ())
    with pytest.raises(IndexUnusable, match=r"only 0\.0% are found") as caught:
        written(texts, encoder, tmp_path / "other", choice)
    assert "exact_up_to" in caught.value.remedy
    assert collections(milvus_url, tmp_path / "other") == set()


# Faults


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MilvusServer]:
    """One that a test may end."""
    with milvus_serving(tmp_path / "data") as server:
        yield server


def test_a_server_that_is_killed_is_an_error_and_never_a_refusal(
    tmp_path: Path, corpus: Path, server: MilvusServer, caplog: pytest.LogCaptureFixture
) -> None:
    home, config = tmp_path / "index", on(server.url)
    Index.update(home, corpus, WordEncoder(), config)
    before = answers(home, config)
    bot = Bot(Index.load(home, choice=config.index), WordEncoder(), config)
    assert bot.ask("Where can I park?").outcome == "answered"

    server.stop()
    with pytest.raises(IndexUnreachable, match="cannot be asked") as caught:
        bot.ask("Does it cause dreams?")
    assert "Check that Milvus runs" in caught.value.remedy
    assert bot.ask("I took too many pills and can't breathe").outcome == "emergency"
    encoder = WordEncoder()
    for rebuild in (False, True):
        with pytest.raises(IndexUnreachable):
            Index.update(home, corpus, encoder, config, rebuild=rebuild)
    assert encoder.embedded == [], "it is asked before all the work"
    caplog.clear()
    began = Bot(Index.load(home, choice=config.index), WordEncoder(), config)
    assert "cannot be asked" in caplog.text
    assert began.ask("I took too many pills and can't breathe").outcome == "emergency"
    with pytest.raises(IndexUnreachable):
        began.ask("Does it cause dreams?")

    server.start()
    assert began.ask("Does it cause dreams?").outcome == bot.ask("Does it cause dreams?").outcome == "answered"
    assert answers(home, config) == before


def test_a_server_that_hangs_is_an_error_in_time(tmp_path: Path, corpus: Path, server: MilvusServer) -> None:
    home, config = tmp_path / "index", on(server.url)
    Index.update(home, corpus, WordEncoder(), config)
    bot = Bot(Index.load(home, choice=on(server.url, timeout=0.5).index), WordEncoder(), config)
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    with pytest.raises(IndexUnreachable):
        bot.ask("Where can I park?")
    server.process.send_signal(signal.SIGCONT)
    patient = Bot(Index.load(home, choice=config.index), WordEncoder(), config)
    assert patient.ask("Where can I park?").outcome == "answered"


def test_a_server_that_dies_while_an_index_is_written_leaves_the_old_one(
    tmp_path: Path, corpus: Path, server: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, config = tmp_path / "index", on(server.url)
    Index.update(home, corpus, WordEncoder(), config)
    before = answers(home, config)
    add(corpus, 1)
    load = Milvus.load
    with monkeypatch.context() as patched:
        patched.setattr(Milvus, "load", lambda self, *arguments: (server.stop(), load(self, *arguments)))
        with pytest.raises(IndexUnreachable):
            Index.update(home, corpus, WordEncoder(), config)
    assert [path.name for path in (home / "generations").iterdir()] == ["000001"]
    server.start()
    assert answers(home, config) == before
    Index.update(home, corpus, WordEncoder(), config)
    kept = {generation.manifest["engine"]["place"]["collection"] for generation in generations.kept(home)}
    assert collections(server.url, home) == kept


def test_a_collection_that_is_gone_or_not_whole_is_damage(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    home, config = tmp_path / "index", on(milvus_url)
    Index.update(home, corpus, WordEncoder(), config)
    before = answers(home, config)
    client = Milvus(config.index).connect()
    [name] = collections(milvus_url, home)
    client.delete(name, ids=[0])
    with pytest.raises(IndexCorrupt, match="1 of 2 passages are in Milvus"):
        Index.load(home, choice=config.index)
    client.drop_collection(name)
    with pytest.raises(IndexCorrupt, match="not in Milvus") as caught:
        Index.load(home, choice=config.index)
    assert "bot index" in caught.value.remedy
    Index.update(home, corpus, WordEncoder(), config)
    assert answers(home, config) == before


def test_a_row_that_was_altered_is_found_by_the_check(tmp_path: Path, milvus_url: str) -> None:
    encoder = WordEncoder()
    texts = [f"pain {n}" for n in range(1200)]
    engine = written(texts, encoder, tmp_path, Searching(engine="milvus", url=milvus_url))
    assert list(engine.check()) == []
    [name] = collections(milvus_url, tmp_path)
    client = Milvus(Searching(url=milvus_url)).connect()
    [row] = client.get(name, [600], output_fields=["*"])
    client.upsert(name, [{**row, "sentences": row["sentences"][:1] * 2}])
    assert list(engine.check()) == ["the passages 512 to 1023 in Milvus are not what was written"]


def test_bot_check_looks_at_the_server(
    tmp_path: Path, milvus_url: str, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(index=Searching(engine="milvus", url=milvus_url))
    Index.update(tmp_path / "index", CORPUS, encoder, config)
    assert check(tmp_path / "index", None, config).problems == ()
    monkeypatch.setattr(milvus, "_hash", lambda rows: "0" * 64)
    [problem] = check(tmp_path / "index", None, config).problems
    assert "in Milvus are not what was written" in problem


def test_a_server_of_another_kind_is_told(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(IndexUnreachable, match="cannot be asked"):
            Milvus(Searching(engine="milvus", url=url, timeout=0.5)).reach()


def test_without_its_client_or_address_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no server is named") as caught:
        Milvus(Searching())
    assert "[index] url" in caught.value.remedy
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        Milvus(Searching(url="http://127.0.0.1:1"))
    assert "plainquote[milvus]" in caught.value.remedy


def test_the_token_is_told_to_nobody(tmp_path: Path) -> None:
    config = Config.load(
        environment={
            "PLAINQUOTE_INDEX_ENGINE": "milvus",
            "PLAINQUOTE_INDEX_URL": "http://127.0.0.1:1",
            "PLAINQUOTE_INDEX_TOKEN": "ann:secret",
            "PLAINQUOTE_INDEX_TIMEOUT": "0.2",
        }
    )
    assert config.index.token == "ann:secret"
    assert "secret" not in repr(config)
    with pytest.raises(IndexUnreachable) as caught:
        Milvus(config.index).connect()
    assert "secret" not in f"{caught.value} {caught.value.remedy}"
    (tmp_path / "bot.toml").write_text('[index]\ntoken = "x"\n')
    for values in (lambda: Config.load(tmp_path / "bot.toml"), lambda: on("http://ann:secret@host:19530")):
        with pytest.raises(PlainquoteError) as refused:
            values()
        assert "secret" not in f"{refused.value}".replace("is a secret", "")


def test_the_client_is_imported_only_where_it_is_used() -> None:
    code = "import sys, bot.bot, bot.check, bot.cli, bot.index; sys.exit('pymilvus' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_clients_own_log_is_silent(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """It would log each fault with a traceback, in its own format."""
    with pytest.raises(IndexUnreachable), caplog.at_level(logging.INFO):
        Milvus(Searching(url="http://127.0.0.1:1", timeout=0.2)).connect()
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


def test_a_reader_and_a_program_are_told_of_a_fault() -> None:
    error = IndexUnreachable("the index at h:1 cannot be asked: no", remedy="Check it.")
    assert chat._fault(error) == "fault"
    assert "This does not mean that our leaflets have no answer" in notice("fault", CONFIG).text
    assert api.refusal(error).status == 503


def test_no_proxy_of_the_environment_is_used(
    tmp_path: Path, corpus: Path, milvus_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    config = on(milvus_url.replace("127.0.0.1", "localhost"))  # a connection of its own
    Index.update(tmp_path / "index", corpus, WordEncoder(), config)
    assert answers(tmp_path / "index", config, "pain")


def test_the_token_is_in_no_file_of_the_index(tmp_path: Path, corpus: Path, milvus_url: str) -> None:
    Index.update(tmp_path / "index", corpus, WordEncoder(), on(milvus_url, token="ann:secret"))
    for file in (tmp_path / "index").rglob("*"):
        assert not file.is_file() or b"ann:secret" not in file.read_bytes(), file
