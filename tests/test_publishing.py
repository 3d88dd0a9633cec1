"""From a draft to a new generation and back, over real files, with answers going on all the while."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import WordEncoder
from filelock import FileLock

from bot import bot as bots
from bot import generations, originals, publishing
from bot.bot import Bot
from bot.cli import main
from bot.config import Answering, Config, PassageSize, Staff
from bot.corpus import SIDECAR
from bot.drafts import Draft
from bot.errors import CorpusError, IndexLocked, IndexStale, UsageError
from bot.generations import Publication
from bot.index import Index

CONFIG = Config(passages=PassageSize(60), answer=Answering(answer_above=0.0), staff=Staff(generations=3))
TOPICS = ("infusion", "nausea", "driving", "sleep", "pain")
QUESTIONS = [f"What about {topic}?" for topic in TOPICS]


def said(topic: str, version: int) -> str:
    return f"# About {topic}\n\nThe {topic} is told in version {version}.\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "more").mkdir(parents=True)
    for topic in TOPICS:
        (folder / f"{topic}.txt").write_text(said(topic, 1))
    (folder / "more" / "parking.txt").write_text("Park behind the house. It costs 2 dollars an hour.")
    (folder / f"more/parking.txt{SIDECAR}").write_text('title = "Where to park"\n')
    return folder


@pytest.fixture
def home(tmp_path: Path, corpus: Path, words: WordEncoder, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bots, "load_encoder", lambda choice: words)
    Index.update(tmp_path / "index", corpus, words, CONFIG)
    return tmp_path / "index"


@pytest.fixture
def draft(home: Path, corpus: Path) -> Draft:
    return Draft(home, corpus, CONFIG.corpus)


def quiet(done: float, what: str) -> None:
    assert 0 <= done <= 1
    assert what


def publish(draft: Draft, served: Callable[[], object] = lambda: None, **more: Any) -> Publication:
    return publishing.publish(
        draft,
        WordEncoder(),
        CONFIG,
        who="Ann",
        revision=more.get("revision") or draft.revision(),
        report=more.get("report", quiet),
        served=served,
    )


def back(home: Path, corpus: Path, generation: str | None = None, served: Callable[[], object] = lambda: None) -> None:
    publishing.roll_back(home, corpus, WordEncoder(), CONFIG, who="Ben", generation=generation, served=served)


def files(corpus: Path) -> dict[str, bytes]:
    return {str(path.relative_to(corpus)): path.read_bytes() for path in corpus.rglob("*") if path.is_file()}


def answers(home: Path) -> list[str]:
    """All answers, byte for byte but for their timings; raises where one is withheld."""
    asked = Bot.open(home, config=CONFIG)
    return [json.dumps({**asked.ask(question).to_dict(), "timings_ms": None}) for question in QUESTIONS]


def everything(draft: Draft, version: int) -> None:
    """Changes of every kind."""
    draft.replace("infusion.txt", "new.txt", io.BytesIO(said("infusion", version).encode()), "Ann")
    if "nausea.txt" in draft.paths():
        draft.remove("nausea.txt", "Ann")
    if f"sheet{version}.txt" not in draft.paths():
        draft.add(f"sheet{version}.txt", "more", io.BytesIO(f"A sheet of version {version}.".encode()), "Ann")
    draft.describe("pain.txt", {"title": f"Pain {version}", "reviewed": "2026-01-02"}, "Ann")


@pytest.mark.usefixtures("engine")
def test_publishing_changes_index_and_corpus_and_ends_the_draft(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)
    before = files(corpus)
    made = publish(draft)
    assert (made.kind, made.who, made.generation, made.before) == ("publish", "Ann", "000002", "000001")
    assert (made.added, made.changed, made.removed) == (
        ("more/sheet2.txt",),
        ("infusion.txt", "pain.txt"),
        ("nausea.txt",),
    )
    assert made.counts == {"added": 1, "changed": 2, "removed": 1, "documents": 6}
    now = files(corpus)
    assert now.keys() - before.keys() == {"more/sheet2.txt", f"pain.txt{SIDECAR}"}
    assert before.keys() - now.keys() == {"nausea.txt"}
    assert now["infusion.txt"].decode() == said("infusion", 2)
    index = Index.load(home, choice=CONFIG.index)
    assert index.document("pain.txt").title == "Pain 2"
    assert all(index.is_current(document) for document in index.documents.values())
    assert draft.changes() == ()
    assert not (home / "draft").exists()
    assert not (home / "SWAP").exists()
    report = Index.update(home, corpus, WordEncoder(), CONFIG)
    assert (report.generation, report.unchanged, report.embedded) == ("000002", 6, 0)


@pytest.mark.usefixtures("engine")
def test_going_back_restores_answers_and_files_byte_for_byte(draft: Draft, home: Path, corpus: Path) -> None:
    first, then = answers(home), files(corpus)
    everything(draft, 2)
    publish(draft)
    second, later = answers(home), files(corpus)
    assert second != first
    back(home, corpus)
    assert answers(home) == first
    assert files(corpus) == then
    assert [one.id for one in generations.kept(home)] == ["000002", "000001"]
    back(home, corpus, "000002")
    assert answers(home) == second
    assert files(corpus) == later
    recorded = [(one.kind, one.who, one.generation, one.before) for one in generations.publications(home)]
    assert recorded == [
        ("roll back", "Ben", "000002", "000001"),
        ("roll back", "Ben", "000001", "000002"),
        ("publish", "Ann", "000002", "000001"),
        ("build", "command line", "000001", None),
    ]


def test_what_the_command_line_built_can_be_gone_back_to(home: Path, corpus: Path) -> None:
    first, then = answers(home), files(corpus)
    (corpus / "pain.txt").write_text(said("pain", 9))
    (corpus / "sleep.txt").unlink()
    Index.update(home, corpus, WordEncoder(), CONFIG)
    back(home, corpus, "000001")
    assert answers(home) == first
    assert files(corpus) == then


def test_a_generation_after_going_back_has_a_new_number(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)
    publish(draft)
    back(home, corpus)
    everything(draft, 3)
    assert publish(draft).generation == "000003"


@pytest.mark.usefixtures("engine")
def test_only_the_newest_are_kept_and_no_file_of_others(draft: Draft, home: Path, corpus: Path) -> None:
    for version in range(2, 7):
        everything(draft, version)
        publish(draft)
    assert [one.id for one in generations.kept(home)] == ["000006", "000005", "000004"]
    assert sorted(path.name for path in (home / "generations").iterdir()) == ["000004", "000005", "000006"]
    kept = {path.name for path in (home / "files").iterdir()}
    assert kept == {
        source.sha256 for id in ("000004", "000005", "000006") for source in Index.load(home, id, CONFIG.index).sources
    }
    with pytest.raises(UsageError, match="no generation"):
        back(home, corpus, "000001")


def test_the_generation_in_use_is_kept_however_old(draft: Draft, home: Path, corpus: Path) -> None:
    for version in (2, 3):
        everything(draft, version)
        publish(draft)
    back(home, corpus, "000001")
    everything(draft, 4)
    publish(draft)
    assert "000001" in {path.name for path in (home / "generations").iterdir()}
    back(home, corpus, "000003")


# Answers go on


def test_no_question_fails_while_documents_are_published(draft: Draft, home: Path, corpus: Path) -> None:
    """Ten people ask while publications and roll-backs come; one reader follows by itself, one is told."""
    told, follows = Bot.open(home, config=CONFIG), Bot.open(home, config=CONFIG)
    done = threading.Event()
    sees: dict[str, set[tuple[str, str]]] = {}

    def remember(generation: str | None) -> None:
        index = Index.load(home, generation)
        sees[index.generation or ""] = {(d.id, d.sha256) for d in index.documents.values()}

    def ask(asked: Bot) -> list[frozenset[tuple[str, str]]]:
        found = []
        while not done.wait(0.01):
            for question in QUESTIONS:
                answer = asked.ask(question)
                assert answer.outcome == "answered"
                assert "out_of_date" not in {notice.id for notice in answer.notices}
                places = [
                    (place.document, place.sha256) for quote in answer.quotes for place in (quote, *quote.also_in)
                ]
                found.append(frozenset(places))
        return found

    remember(None)
    with ThreadPoolExecutor(10) as people:
        asked = [people.submit(ask, told if number % 2 else follows) for number in range(10)]
        try:
            for version in (2, 3):
                everything(draft, version)
                publish(draft, told.refresh)
                remember(None)
            back(home, corpus, "000002", told.refresh)
            back(home, corpus, "000003", told.refresh)
        finally:
            done.set()
        answered = [places for future in asked for places in future.result(60)]
    assert len(sees) == 3
    assert len(answered) > 50
    for places in answered:
        assert any(places <= documents for documents in sees.values())


@pytest.mark.parametrize("refreshes", [True, False])
def test_an_answer_that_began_before_the_swap_is_given_from_one_generation(
    draft: Draft, home: Path, monkeypatch: pytest.MonkeyPatch, refreshes: bool
) -> None:
    asked = Bot.open(home, config=CONFIG)
    everything(draft, 2)
    retrieve = bots.retrieve

    def with_a_publication_after_it(*arguments: Any) -> Any:
        hits = retrieve(*arguments)
        monkeypatch.setattr(bots, "retrieve", retrieve)
        publish(draft, asked.refresh if refreshes else lambda: None)
        return hits

    monkeypatch.setattr(bots, "retrieve", with_a_publication_after_it)
    answer = asked.ask("What about infusion?")
    assert answer.quotes[0].text.rstrip().endswith("version 2.")
    assert asked.index.generation == "000002"


def test_what_somebody_else_changed_is_withheld_as_ever(draft: Draft, home: Path, corpus: Path) -> None:
    asked = Bot.open(home, config=CONFIG)
    everything(draft, 2)

    def meddle() -> None:
        """After the new generation is current, before its files are in the corpus."""
        asked.refresh()
        assert "version 2" in asked.ask("What about infusion?").quotes[0].text
        (corpus / "infusion.txt").write_text("Never take this.")
        assert not asked.is_current(asked.document("infusion.txt"))
        assert asked.file_of(asked.document("infusion.txt")) is None

    publish(draft, meddle)
    assert (corpus / "infusion.txt").read_text() == "Never take this."
    assert not asked.is_current(asked.document("infusion.txt"))
    with pytest.raises(IndexStale):
        Bot.open(home, config=dataclasses.replace(CONFIG, answer=Answering(1, answer_above=0.0))).ask("infusion")


def test_files_and_boxes_come_from_the_copy_until_the_corpus_has_them(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)
    seen: list[bytes | None] = []

    def look() -> None:
        index = Index.load(home, choice=CONFIG.index)
        assert (corpus / "infusion.txt").read_text() == said("infusion", 1)
        seen.append(index.file_of(index.document("infusion.txt")))
        assert index.boxes(index.document("infusion.txt"), 0, 5) == ()

    publish(draft, look)
    assert seen == [said("infusion", 2).encode()]


# Interrupted


class Killer:
    """Ends the process, as a kill does, at the `step`th call of one of the functions that change a disk."""

    CALLS = ("replace", "unlink", "link", "mkdir", "fsync", "utime", "rmdir")

    def __init__(self, step: int, patch: pytest.MonkeyPatch) -> None:
        self.left = step
        for name in self.CALLS:
            patch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                os._exit(9)
            return real(*arguments, **options)

        return call


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Does `work` in a process of its own; whether it came to its end before the step."""
    child = os.fork()
    if child == 0:
        try:
            with pytest.MonkeyPatch.context() as patch:
                Killer(step, patch)
                work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 9)
    return os.waitstatus_to_exitcode(status) == 0


def each_step(work: Callable[[], object], home: Path, look: Callable[[int], None]) -> int:
    """Does `work` over a copy of all there is, killed a little later each time, and looks; how many steps it has.

    While a generation is written beside the one in use every fifth step is tried, of the swap every one.
    """
    folder = home.parent
    saved = folder.parent / "saved"
    shutil.copytree(folder, saved, symlinks=True)
    step = 1
    while not killed_at(step, work):
        step += 1 if (home / "SWAP").exists() else 5
        look(step)
        shutil.rmtree(folder)
        shutil.copytree(saved, folder, symlinks=True)
    look(step)
    return step


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One level deeper, so that what is in it can be put back as a whole."""
    folder = tmp_path_factory.mktemp("all") / "clinic"
    folder.mkdir()
    return folder


def test_a_publication_that_is_killed_at_any_step_answers_from_old_or_new(
    draft: Draft, home: Path, corpus: Path
) -> None:
    everything(draft, 2)
    old, changes, revision = answers(home), draft.changes(), draft.revision()
    generations_seen = set()

    def look(step: int) -> None:
        now = answers(home)  # nothing is withheld
        in_use = generations.in_use_now(home)
        generations_seen.add(in_use)
        if in_use == "000001":
            assert now == old
            assert draft.changes() == changes
            assert draft.revision() == revision
            publish(draft)
        else:
            assert now != old
            Index.update(home, corpus, WordEncoder(), CONFIG)  # whoever writes next ends it
        assert draft.changes() == ()
        new = generations.in_use_now(home)
        assert files(corpus)["infusion.txt"].decode() == said("infusion", 2)
        assert "nausea.txt" not in files(corpus)
        assert answers(home) != old
        recorded = [(one.kind, one.generation) for one in generations.publications(home)]
        assert recorded == [("publish", new), ("build", "000001")]
        assert sorted(path.name for path in (home / "generations").iterdir()) == ["000001", new]
        assert not [path for path in corpus.rglob("*") if path.name.startswith(".")]

    assert each_step(lambda: publish(draft), home, look) > 20
    assert generations_seen == {"000001", "000002"}


def test_going_back_that_is_killed_at_any_step_answers_from_old_or_new(draft: Draft, home: Path, corpus: Path) -> None:
    first, then = answers(home), files(corpus)
    everything(draft, 2)
    publish(draft)
    second = answers(home)

    def look(step: int) -> None:
        in_use = generations.in_use_now(home)
        assert answers(home) == {"000001": first, "000002": second}[in_use or ""]
        if in_use == "000002":
            back(home, corpus)
        else:
            Index.update(home, corpus, WordEncoder(), CONFIG)
        assert answers(home) == first
        assert files(corpus) == then
        assert [one.kind for one in generations.publications(home)] == ["roll back", "publish", "build"]

    assert each_step(lambda: back(home, corpus), home, look) > 10


@pytest.mark.parametrize("stopped", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_publication_that_fails_leaves_all_as_it_was(
    draft: Draft, home: Path, corpus: Path, stopped: BaseException
) -> None:
    everything(draft, 2)
    before, answered, changes = files(corpus), answers(home), draft.changes()

    def report(done: float, what: str) -> None:
        if done > 0.9:
            raise stopped

    with pytest.raises((KeyboardInterrupt, Exception)):
        publish(draft, report=report)
    assert files(corpus) == before
    assert answers(home) == answered
    assert draft.changes() == changes
    assert publish(draft).generation == "000002"


# What is refused


def test_one_writer_at_a_time(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)
    with FileLock(home / ".lock"):
        with pytest.raises(IndexLocked, match="another process"):
            publish(draft)
        with pytest.raises(IndexLocked, match="another process"):
            back(home, corpus)

    def build(done: float, what: str) -> None:
        with pytest.raises(IndexLocked, match="another process"):
            Index.update(home, corpus, WordEncoder(), CONFIG)

    publish(draft, report=build)


def test_only_what_was_seen_is_published(draft: Draft, corpus: Path) -> None:
    everything(draft, 2)
    seen = draft.revision()
    draft.remove("sleep.txt", "Ben")
    with pytest.raises(publishing.NotAsSeen):
        publish(draft, revision=seen)
    seen = draft.revision()
    (corpus / "driving.txt").write_text(said("driving", 5))
    with pytest.raises(publishing.NotAsSeen):
        publish(draft, revision=seen)
    publish(draft)


def test_a_file_that_changes_while_it_is_published_is_not_overwritten(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)

    def meddle(done: float, what: str) -> None:
        if what == "Writing":
            (corpus / "infusion.txt").write_text("Other.")

    with pytest.raises(publishing.NotAsSeen, match=r"infusion\.txt was changed"):
        publish(draft, report=meddle)
    assert generations.in_use_now(home) == "000001"
    assert (corpus / "infusion.txt").read_text() == "Other."
    assert draft.changes()


def test_a_change_that_is_made_meanwhile_stays_in_the_draft(draft: Draft) -> None:
    everything(draft, 2)

    def change(done: float, what: str) -> None:
        if what == "Writing":
            draft.remove("sleep.txt", "Ben")
            draft.replace("infusion.txt", "i.txt", io.BytesIO(b"Newer still."), "Ben")

    publish(draft, report=change)
    assert [(change.path, change.kind) for change in draft.changes()] == [
        ("infusion.txt", "replace"),
        ("sleep.txt", "remove"),
    ]
    assert set(publish(draft).removed) == {"sleep.txt"}


def test_nothing_to_publish(draft: Draft) -> None:
    with pytest.raises(UsageError, match="nothing to publish"):
        publish(draft)


def test_not_every_document_can_be_removed(draft: Draft, home: Path, corpus: Path) -> None:
    before = files(corpus)
    for path in (*(f"{topic}.txt" for topic in TOPICS), "more/parking.txt"):
        draft.remove(path, "Ann")
    with pytest.raises(CorpusError, match="nothing to index"):
        publish(draft)
    assert files(corpus) == before
    assert generations.in_use_now(home) == "000001"


def test_a_file_that_cannot_be_quoted_is_not_published(draft: Draft, home: Path) -> None:
    draft.add("broken.pdf", "", io.BytesIO(b"no PDF"), "Ann")
    draft.add("z.txt", "", io.BytesIO(said("pain", 1).encode()), "Ann")
    seen = publishing.preview(draft, Index.load(home, choice=CONFIG.index), WordEncoder(), CONFIG, quiet)
    assert {one["path"] for one in seen["refused"]} == {"broken.pdf", "z.txt"}
    assert {one["path"]: one["reason"] for one in seen["refused"]}["z.txt"] == "duplicate of pain.txt"
    assert all(one["own"] for one in seen["skipped"])
    with pytest.raises(UsageError, match=r"broken\.pdf cannot be published"):
        publish(draft)


def test_an_upload_is_refused_for_the_reason_that_the_command_line_gives(
    draft: Draft, home: Path, tmp_path: Path
) -> None:
    hostile = {"broken.pdf": b"no PDF", "broken.docx": b"PK\3\4rest", "zeros.txt": b"\0" * 500, "lines.jsonl": b"no"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "good.txt").write_text("Rest after it.")
    for name, data in hostile.items():
        (elsewhere / name).write_bytes(data)
        draft.add(name, "", io.BytesIO(data), "Ann")
    seen = publishing.preview(draft, Index.load(home, choice=CONFIG.index), WordEncoder(), CONFIG, quiet)
    report = Index.update(tmp_path / "other", elsewhere, WordEncoder(), CONFIG)
    assert len(seen["refused"]) == len(hostile)
    reasons: dict[str, list[str]] = {}
    for skipped in report.skipped:
        reasons.setdefault(skipped.path, []).append(skipped.reason)
    assert {one["path"]: one["reason"] for one in seen["refused"]} == {
        path: "; ".join(found) for path, found in reasons.items()
    }


def test_what_cannot_be_gone_back_to(draft: Draft, home: Path, corpus: Path) -> None:
    with pytest.raises(UsageError, match="no earlier generation"):
        back(home, corpus)
    with pytest.raises(UsageError, match="the one in use"):
        back(home, corpus, "000001")
    for odd in ("000099", "", "../000001", "x\0"):
        with pytest.raises(UsageError, match=r"no generation|no earlier"):
            back(home, corpus, odd)
    everything(draft, 2)
    publish(draft)
    [source] = [source for source in Index.load(home, "000001").sources if source.path == "nausea.txt"]
    (home / "files" / source.sha256).write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"not kept: nausea\.txt"):
        back(home, corpus)
    assert generations.in_use_now(home) == "000002"


def test_going_back_overwrites_nothing_that_was_never_indexed(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)
    publish(draft)
    (corpus / "infusion.txt").write_text("Written a minute ago.")
    with pytest.raises(UsageError, match=r"never indexed: infusion\.txt"):
        back(home, corpus)
    assert (corpus / "infusion.txt").read_text() == "Written a minute ago."


def test_a_generation_of_other_settings_is_not_gone_back_to(home: Path, corpus: Path) -> None:
    other = dataclasses.replace(CONFIG, passages=PassageSize(50))
    Index.update(home, corpus, WordEncoder(), other)
    with pytest.raises(IndexStale):
        publishing.roll_back(home, corpus, WordEncoder(), other, who="Ben", generation="000001")
    assert generations.in_use_now(home) == "000002"


# Looking before


def test_the_preview_says_what_publishing_does(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)
    (corpus / "driving.txt").write_text(said("driving", 7))
    encoder = WordEncoder()
    seen = publishing.preview(draft, Index.load(home, choice=CONFIG.index), encoder, CONFIG, quiet)
    assert encoder.embedded == []
    assert draft.remembered("preview") == seen
    assert [one["document"] for one in seen["changed"] if not one["own"]] == ["driving.txt"]
    made = publish(draft)
    assert tuple(one["document"] for one in seen["added"]) == made.added
    assert tuple(one["document"] for one in seen["changed"]) == made.changed
    assert tuple(one["document"] for one in seen["removed"]) == made.removed
    index = Index.load(home, choice=CONFIG.index)
    assert seen["passages"] == len(index.passages)
    assert seen["unchanged"] + len(made.added) + len(made.changed) == len(index.documents)


def test_the_preview_shows_what_changed_in_a_text(draft: Draft, home: Path) -> None:
    text = "# About pain\n\nRest first. Take one tablet. Drink water.\n"
    draft.replace("pain.txt", "pain.txt", io.BytesIO(text.encode()), "Ann")
    draft.describe("pain.txt", {"next_review": "2027-01-01"}, "Ann")
    publish(draft)
    draft.replace("pain.txt", "pain.txt", io.BytesIO(text.replace("one tablet", "two tablets").encode()), "Ann")
    yesterday = (date.today() - timedelta(days=1)).isoformat()
    draft.describe("pain.txt", {"next_review": yesterday}, "Ann")
    [changed] = publishing.preview(draft, Index.load(home, choice=CONFIG.index), WordEncoder(), CONFIG, quiet)[
        "changed"
    ]
    assert changed["differences"]["said"] == [{"name": "next_review", "before": "2027-01-01", "after": yesterday}]
    rows = [(row["kind"], row["text"]) for row in changed["differences"]["rows"]]
    assert ("gone", "Take one tablet.") in rows
    assert ("new", "Take two tablets.") in rows
    assert ("same", "Drink water.") in rows
    assert {one["message"] for one in (draft.remembered("preview") or {})["warnings"]} == {
        f"its review was due on {yesterday}"
    }


def test_the_preview_finds_almost_the_same_text_elsewhere(draft: Draft, home: Path) -> None:
    words = " ".join(f"word{number}" for number in range(30))
    draft.add("one.txt", "", io.BytesIO(f"{words} take one tablet.".encode()), "Ann")
    draft.add("two.txt", "", io.BytesIO(f"{words} take two tablets.".encode()), "Ann")
    [group] = publishing.preview(draft, Index.load(home, choice=CONFIG.index), WordEncoder(), CONFIG, quiet)[
        "near_duplicates"
    ]
    assert {passage["document"] for passage in group["passages"]} == {"one.txt", "two.txt"}


def test_a_preview_counts_for_what_it_has_seen(draft: Draft, home: Path, corpus: Path) -> None:
    everything(draft, 2)
    publishing.preview(draft, Index.load(home, choice=CONFIG.index), WordEncoder(), CONFIG, quiet)
    assert draft.remembered("preview")
    (corpus / "driving.txt").write_text(said("driving", 7))
    assert draft.remembered("preview") is None
    publishing.preview(draft, Index.load(home, choice=CONFIG.index), WordEncoder(), CONFIG, quiet)
    draft.undo("nausea.txt")
    assert draft.remembered("preview") is None


def test_links_in_the_corpus_are_what_they_were(draft: Draft, home: Path, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("Not ours.")
    (corpus / "inside.txt").symlink_to("pain.txt")
    (corpus / "absolute.txt").symlink_to(corpus / "more" / "parking.txt")
    (corpus / "out.txt").symlink_to(tmp_path / "outside.txt")
    report = Index.update(home, corpus, WordEncoder(), CONFIG)
    draft.remove("nausea.txt", "Ann")
    seen = publishing.preview(draft, Index.load(home, choice=CONFIG.index), WordEncoder(), CONFIG, quiet)
    assert [(one["path"], one["reason"]) for one in seen["skipped"]] == [(s.path, s.reason) for s in report.skipped]
    assert (len(seen["changed"]), len(seen["added"])) == (0, 0)


def test_a_swap_whose_generation_never_came_counts_for_nothing(home: Path, corpus: Path) -> None:
    source = Index.load(home, choice=CONFIG.index).sources[0]
    about = Publication.of("Ann", "publish", [], [], [], 1)
    swap = originals.Swap(
        dataclasses.replace(about, generation="000002"), corpus, (originals.Step(source.path, source, None),), False
    )
    originals.begin(home, swap)
    assert originals.under_way(home) == dataclasses.replace(swap, corpus=home / "../corpus")
    before = files(corpus)
    Index.update(home, corpus, WordEncoder(), CONFIG)
    assert files(corpus) == before
    assert originals.under_way(home) is None


def test_the_commands_list_generations_and_go_back(
    draft: Draft,
    home: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("bot.embed.load_encoder", lambda choice: WordEncoder())
    (tmp_path / "bot.toml").write_text("[passages]\nmax_tokens = 60\n")
    common = ["--index", str(home), "--config", str(tmp_path / "bot.toml")]
    then = files(corpus)
    everything(draft, 2)
    publish(draft)
    capsys.readouterr()
    assert main(["generations", *common]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["* 000002  6 documents", "  000001  6 documents"]
    assert lines[0].endswith("by Ann")
    assert main(["rollback", *common, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["generation"], record["who"]) == ("roll back", "000001", "command line")
    assert files(corpus) == then
    assert main(["generations", *common, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["generations"]
    assert [(one["generation"], one["current"]) for one in listed] == [("000002", False), ("000001", True)]
    assert main(["rollback", "000009", *common]) == 2
    assert "no generation '000009'" in capsys.readouterr().err
