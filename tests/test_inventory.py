"""What staff are told about each file."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from conftest import WordEncoder

from bot import ingest_report
from bot.config import Config, PassageSize
from bot.index import Index
from bot.inventory import inventory

CONFIG = Config(passages=PassageSize(max_tokens=64))
TODAY = date(2026, 6, 30)
REST = "Rest for two days after the infusion and drink more water than on other days, and do not drive at all."


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.md").write_text(
        f"# After care\n\n{REST}\n\n| Weight | Dose |\n|---|---|\n| 50 kg | 5 mg |\n", encoding="utf-8"
    )
    (folder / "a.md.meta.toml").write_text("next_review = 2026-06-29\n", encoding="utf-8")
    (folder / "b.txt").write_text(f"Leaflet\n\n{REST}\n\n\ufffd\ufffd", encoding="utf-8")
    (folder / "r.jsonl").write_text('{"_id": "x", "text": "Park behind the house."}\nno\n', encoding="utf-8")
    (folder / "empty.md").write_text("", encoding="utf-8")
    (folder / "song.mp3").write_bytes(b"ID3")
    return folder


@pytest.fixture
def made(tmp_path: Path, corpus: Path) -> dict[str, object]:
    return inventory(Index.update(tmp_path / "index", corpus, WordEncoder(), CONFIG), TODAY)


def test_every_file_has_its_status_and_a_reason_where_it_is_skipped(made: dict) -> None:
    told = {file["path"]: (file["format"], file["status"], file["reason"]) for file in made["files"]}
    assert told == {
        "a.md": ("md", "indexed", ""),
        "b.txt": ("txt", "indexed", ""),
        "empty.md": ("md", "skipped", "empty"),
        "r.jsonl": ("jsonl", "indexed", ""),
        "song.mp3": ("mp3", "skipped", "unsupported format (.mp3)"),
    }


def test_the_facts_of_a_file(made: dict) -> None:
    files = {file["path"]: file for file in made["files"]}
    leaflet = files["a.md"]
    assert (leaflet["documents"], leaflet["passages"], leaflet["tables"], leaflet["pages"]) == (1, 1, 1, None)
    assert (leaflet["overdue"], leaflet["metadata"]["next_review"]) == (True, "2026-06-29")
    assert leaflet["metadata"]["title"] == "After care"
    assert not leaflet["garbling"]["suspected"]
    assert files["b.txt"]["garbling"]["suspected"]
    assert not files["b.txt"]["overdue"]
    assert any("line 2" in caution for caution in files["r.jsonl"]["cautions"])
    assert files["song.mp3"]["bytes"] is None


def test_passages_that_say_the_same_are_named(made: dict, tmp_path: Path) -> None:
    assert made["near_duplicates"] == []  # the rows and signs set them apart
    corpus = tmp_path / "corpus"
    for name, days in (("c.txt", "ten"), ("d.txt", "six")):
        text = f"Call\n\nA nurse calls you after {days} days to hear how you slept and what you could eat since then."
        more = "She also asks for your pain score on the scale from none to ten, so please write it down each evening."
        (corpus / name).write_text(f"{text} {REST[:40]} {more}")
    again = inventory(Index.update(tmp_path / "index", corpus, WordEncoder(), CONFIG), TODAY)
    [group] = again["near_duplicates"]
    assert [passage["document"] for passage in group["passages"]] == ["c.txt", "d.txt"]
    for passage in group["passages"]:
        text = (corpus / passage["document"]).read_text(encoding="utf-8")
        assert passage["text"] == text[passage["start"] : passage["end"]]


def test_the_same_facts_come_from_the_index_when_nothing_changed(made: dict, tmp_path: Path, corpus: Path) -> None:
    again = inventory(Index.update(tmp_path / "index", corpus, WordEncoder(), CONFIG), TODAY)
    assert again["files"] == made["files"]


def test_it_is_json_and_becomes_a_page(made: dict) -> None:
    json.dumps(made)
    page = ingest_report.html(made)
    for name in ("a.md", "song.mp3", "unsupported format"):
        assert name in page
