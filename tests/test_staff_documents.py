"""The documents as staff see them: the list, a document with its passages, the file itself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from staff import a_desk, visiting
from starlette.testclient import TestClient
from test_source import pdf
from test_ui import HOSTILE

from bot.embed import Encoder
from bot.ui.staff.desk import Desk
from bot.ui.staff.documents import ROWS, number, reading

DOSE = "Take one tablet twice a day with water. Do not take more than two tablets in a day."
LONG = " ".join(
    f"Remark {n} on how to rest after the infusion, with some more words to fill the line." for n in range(900)
)


def a_library(folder: Path) -> Path:
    corpus = folder / "corpus"
    (corpus / "deep").mkdir(parents=True)
    (corpus / "dose.md").write_text(
        f"---\ntitle: Your tablets\nreviewed: 2024-03-01\nnext_review: 2999-01-01\n---\n"
        f"## How to take them\n\n{DOSE}\n\n"
        "## Table of doses\n\n| Age | Dose |\n| --- | --- |\n| 18 | 5 mg |\n| 65 | 2 mg |\n"
    )
    (corpus / "late.md").write_text(
        "---\ntitle: Getting home\nreviewed: 2019-03-01\nnext_review: 2020-01-01\n---\n"
        "Take a taxi home. Do not drive.\n"
    )
    (corpus / "long.txt").write_text(f"Resting\n\n{LONG}\n")
    (corpus / "a.pdf").write_bytes(
        pdf(["Park behind the house."], ["Bring water on the day."], title="A <b>bold</b> leaflet")
    )
    (corpus / "deep" / "<img src=x onerror=alert(1)>.txt").write_text(f"<script>alert(1)</script>\n\n{HOSTILE}\n")
    (corpus / "empty.txt").write_text("  \n")
    lines = "".join(
        f'{{"_id": "r{n}", "title": "Record {n}", "text": "Record {n} is about rest."}}\n' for n in range(60)
    )
    (corpus / "many.jsonl").write_text(lines)
    return corpus


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("documents")
    with a_desk(folder, a_library(folder), encoder) as made:
        yield made


@pytest.fixture(scope="module")
def client(desk: Desk) -> TestClient:
    return visiting(desk)


def titles(page: str) -> list[str]:
    return [html.unescape(title) for title in re.findall(r'<th scope="row">(?:<a[^>]*>)?<bdi>(.*?)</bdi>', page)]


def test_the_list_has_every_document_and_what_was_skipped(client: TestClient, desk: Desk) -> None:
    found: list[str] = []
    url: str | None = "/staff/documents"
    while url:
        page = client.get(url)
        assert page.status_code == 200
        found += titles(page.text)
        assert len(titles(page.text)) <= ROWS
        following = re.search(r'rel="next" href="([^"]*)"', page.text)
        url = html.unescape(following[1]) if following else None
    assert sorted(found) == sorted([*(d.title for d in desk.bot.documents()), "empty.txt"])


def test_it_is_filtered_by_words_and_state(client: TestClient) -> None:
    def listed(**wanted: str) -> list[str]:
        return titles(client.get(f"/staff/documents?{urlencode(wanted)}").text)

    assert listed(words="TABLETS") == ["Your tablets"]
    assert listed(words="late.md") == ["Getting home"]
    assert listed(status="overdue") == ["Getting home"]
    assert listed(status="skipped") == ["empty.txt"]
    assert listed(status="changed") == []
    assert listed(status="current", words="tablets") == ["Your tablets"]
    assert listed(words="nothing like it") == []
    assert listed(status="no such", sort="no such", page="-3", words="tablets") == ["Your tablets"]


@pytest.mark.parametrize("sort", ["title", "reviewed", "next_review", "passages", "words", "language", "warnings"])
def test_it_is_sorted_both_ways(client: TestClient, sort: str) -> None:
    there = titles(client.get(f"/staff/documents?sort={sort}&words=t").text)
    back = titles(client.get(f"/staff/documents?sort={sort}&words=t&turned=1").text)
    assert sorted(there) == sorted(back) or len(there) == ROWS
    if sort == "passages":
        assert there[0] == "Resting"
        assert back[0] != "Resting"
    if sort == "reviewed":
        assert there[:2] == ["Your tablets", "Getting home"]
        assert back[:2] == ["Getting home", "Your tablets"], "what has no date comes last"


def test_a_changed_file_is_told(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("Rest after the infusion.\n")
    with a_desk(tmp_path, corpus) as desk:
        client = visiting(desk)
        assert "Up to date" in client.get("/staff/documents?words=a.txt").text.split("<tbody>")[1]
        (corpus / "a.txt").write_text("Rest before the infusion.\n")
        assert len(titles(client.get("/staff/documents?status=changed").text)) == 1
        assert client.get("/staff/documents/file?document=a.txt").status_code == 409
        assert "Rest after the infusion." in client.get(reading("a.txt")).text, "staff see what was indexed"


def test_a_document_is_read_with_the_borders_of_its_passages(client: TestClient, desk: Desk) -> None:
    index = desk.bot.index
    for document in index.documents.values():
        text, url = "", reading(document.id)
        while url:
            page = client.get(url)
            assert page.status_code == 200
            shown = re.findall(r'<div class="passage-text[^>]*>(.*?)</div>', page.text, re.DOTALL)
            text += "".join(map(html.unescape, shown))
            following = re.search(r'rel="next" href="([^"]*)"', page.text)
            url = html.unescape(following[1]) if following else ""
        # All of it but the white space between passages, in order.
        assert "".join(text.split()) == "".join(document.text.split()), document.id
    page = client.get(reading("dose.md")).text
    numbers = [int(n) for n in re.findall(r'aria-label="Passage (\d+)"', page)]
    assert numbers == list(range(1, len(index.rows["dose.md"]) + 1))
    assert "How to take them" in page
    assert "Table 1" in page
    assert re.search(r"Pages? 1", client.get(reading("a.pdf")).text)


def test_each_passage_leads_to_the_search_and_to_why_not(client: TestClient, desk: Desk) -> None:
    page = client.get(reading("dose.md", question="How many tablets?")).text
    for row in desk.bot.index.rows["dose.md"]:
        passage = desk.bot.index.passages[row]
        wanted = {"question": "How many tablets?", "document": "dose.md", "start": passage.start, "end": passage.end}
        assert html.escape(f"/staff/check/why?{urlencode(wanted)}") in page
    links = re.findall(r'href="(/staff/check[^"]*)"', page)
    for link in links:
        assert client.get(html.unescape(link)).status_code == 200, link


def test_a_picked_range_opens_at_its_passage(client: TestClient, desk: Desk) -> None:
    text = desk.bot.document("long.txt").text
    start = text.index("Remark 700 ")
    page = client.get(reading("long.txt", start=start, end=start + 10)).text
    assert "Remark 700 " in page
    assert page.count('id="picked"') == 1
    assert "part " in page
    for wrong in ({"start": 5}, {"start": 9, "end": 2}, {"start": "x", "end": "y"}, {"start": 0, "end": 10**8}):
        assert 'id="picked"' not in client.get(reading("long.txt", **wrong)).text


def test_what_is_hostile_shows_as_text(client: TestClient) -> None:
    id = "deep/<img src=x onerror=alert(1)>.txt"
    for page in (client.get("/staff/documents?sort=path").text, client.get(reading(id)).text):
        assert "<script>alert" not in page
        assert "<img" not in page
    assert html.escape(HOSTILE, quote=False).replace("'", "&#39;").replace('"', "&#34;") in client.get(reading(id)).text
    assert "A &lt;b&gt;bold&lt;/b&gt; leaflet" in client.get("/staff/documents?words=bold").text
    for address in ("/staff/documents", "/staff/documents/read?document=dose.md"):
        joint = "&" if "?" in address else "?"
        page = client.get(f"{address}{joint}words=%22%3E%3Cscript%3E&question=%22%3E%3Cscript%3E").text
        assert "<script>" not in page


def test_the_file_is_saved_and_never_shown(client: TestClient, desk: Desk) -> None:
    for document in ("a.pdf", "deep/<img src=x onerror=alert(1)>.txt"):
        answer = client.get(f"/staff/documents/file?{urlencode({'document': document})}")
        assert answer.status_code == 200
        assert answer.content == (desk.corpus / document).read_bytes()
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
        assert quote(Path(document).name, safe="") in answer.headers["Content-Disposition"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_viewer_reads_but_has_no_files_and_no_ways_to_change(desk: Desk) -> None:
    viewer = visiting(desk, "Vic")
    page = viewer.get(reading("dose.md")).text
    assert DOSE[:20] in page
    assert "/staff/documents/file" not in page
    assert "/staff/documents/upload" not in viewer.get("/staff/documents").text
    assert viewer.get("/staff/documents/file?document=dose.md").status_code == 403
    assert visiting(desk, None).get("/staff/documents/file?document=dose.md").status_code in (303, 401)


@pytest.mark.parametrize("id", ["none", "", "../bot.toml", "a.pdf\x00", "/etc/passwd"])
def test_what_is_no_document_is_not_found(client: TestClient, id: str) -> None:
    for path in ("read", "file"):
        assert client.get(f"/staff/documents/{path}?{urlencode({'document': id})}").status_code == 404


def test_an_editor_finds_the_ways_to_change(client: TestClient) -> None:
    page = client.get("/staff/documents").text
    assert 'href="/staff/documents/upload"' in page
    assert 'href="/staff/documents/draft"' in page


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("0", 7), ("-1", 7), ("x", 7), (None, 7), ("9" * 30, 7), ("²", 7), ("1000001", 7)]
)
def test_numbers_of_addresses_are_bounded(text: str | None, value: int) -> None:
    assert number(text, 7) == value
