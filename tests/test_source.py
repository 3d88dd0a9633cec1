"""The pages of documents: their text, their pages as pictures, and what is not shown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from conftest import WordEncoder
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from starlette.testclient import TestClient
from test_ui import HOSTILE, Shown

from bot import texts
from bot.bot import Bot
from bot.config import Clinic, Config, CorpusRules
from bot.corpus import read_corpus
from bot.documents import Document, Section
from bot.index import Index
from bot.pictures import Busy, NoPicture
from bot.ui import files, source

WORDS = "Rest on the first day."
OTHER = "Call us if you feel sick."


def pdf(*pages: list[str], title: str = "A leaflet") -> bytes:
    """A4 pages with these lines, 100 points from the left, from 700 points above the foot down."""
    written = BytesIO()
    canvas = Canvas(written, pagesize=A4, invariant=True)
    canvas.setTitle(title)
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.drawString(100, 700 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return written.getvalue()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(pdf(["Before the infusion eat nothing.", WORDS], [OTHER, "Drink water and sleep."]))
    (folder / "home.md").write_text(
        "---\ntitle: Going home\nreviewed: 2020-03-01\nnext_review: 2021-01-01\nauthor: Nurse Lee\n"
        "language: en-GB\n---\n"
        "# Going home\n\nSomeone must take you home.\n\n## What to do\n\n"
        + WORDS
        + "\n\n### At night\n\n"
        + OTHER
        + "\n"
    )
    (folder / "es.txt").write_text(
        "Descanse el primer día y beba agua. No conduzca hasta el día siguiente, por favor.\n"
    )
    (folder / "hostile.txt").write_bytes(HOSTILE.encode())
    return folder


def a_bot(corpus: Path, config: Config | None = None) -> Bot:
    config, encoder = config or Config(), WordEncoder(window=256)
    return Bot(Index.build(read_corpus(corpus, config.corpus), corpus, encoder, config), encoder, config)


def visiting(bot: Bot) -> TestClient:
    app = FastAPI()
    files.add_routes(app, bot.config)
    source.add_routes(app, bot)
    return TestClient(app, raise_server_exceptions=True)


@pytest.fixture
def own(corpus: Path) -> Bot:
    return a_bot(corpus)


@pytest.fixture
def visit(own: Bot) -> Iterator[TestClient]:
    with visiting(own) as client:
        yield client


def place(bot: Bot, id: str, words: str, **more: object) -> dict[str, object]:
    document = bot.document(id)
    start = document.text.index(words)
    return {"document": id, "start": start, "end": start + len(words), "sha256": document.sha256} | more


def url(**query: object) -> str:
    return f"/source?{urlencode(query)}"


def quoted(page: str) -> str:
    """What the page marks, as a browser would show it."""
    marked = re.search(r'(?s)<mark id="quote"[^>]*>(.*?)</mark>', page)
    assert marked
    return Shown(marked[1]).text


# Text


def test_the_quote_is_marked_in_its_document(visit: TestClient, own: Bot) -> None:
    got = visit.get(url(**place(own, "home.md", WORDS)))
    assert got.status_code == 200
    assert quoted(got.text) == WORDS
    page = Shown(got.text)
    assert page.tags.count("h1") == 1
    assert page.tags.count("main") == 1
    for known in (
        "Going home",
        "What to do",
        "2020-03-01",
        "2021-01-01",
        "Nurse Lee",
        "should have been checked again",
    ):
        assert known in page.text
    assert own.document("home.md").text in page.text, "every character is there"
    assert 'class="document" dir="auto" lang="en-GB"' in got.text
    assert '<html lang="en" dir="ltr">' in got.text


def test_headings_are_headings(visit: TestClient, own: Bot) -> None:
    page = visit.get(url(**place(own, "home.md", WORDS))).text
    found = re.findall(r'<span role="heading" aria-level="(\d)"[^>]*>(.*?)</span>', page)
    assert found == [("2", "What to do"), ("3", "At night")]


def test_a_whole_document_can_be_read(visit: TestClient, own: Bot) -> None:
    got = visit.get(url(document="home.md"))
    assert got.status_code == 200
    assert "<mark" not in got.text
    assert own.document("home.md").text in Shown(got.text).text
    assert visit.get(url(document="home.md", sha256=own.document("home.md").sha256)).status_code == 200


def test_in_a_panel_there_is_no_way_to_other_pages(visit: TestClient, own: Bot) -> None:
    asked = place(own, "home.md", WORDS)
    assert "<header" in visit.get(url(**asked)).text
    panel = visit.get(url(**asked, panel=1)).text
    assert "<header" not in panel
    assert "Back to the questions" not in panel
    assert Shown(panel).tags.count("h1") == 1


def test_a_link_names_document_range_and_hash(visit: TestClient, own: Bot) -> None:
    asked = place(own, "home.md", WORDS)
    page = visit.get(url(**asked, panel=1)).text
    link = re.search(r'data-link="([^"]*)"', page)
    assert link
    assert html.unescape(link[1]) == f"source?{urlencode(asked)}#quote"
    assert f"http://testserver/source?{urlencode(asked)}" in Shown(page).text, "for paper"
    assert asked["sha256"] in Shown(page).text


def test_the_language_is_the_documents_own_or_told_from_its_text(own: Bot) -> None:
    assert source.language_of(own, "home.md") == "en-GB"
    assert source.language_of(own, "es.txt") == "es"
    assert source.language_of(own, "gone") is None


def test_a_language_that_is_none_is_left_out(own: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bot, "language", lambda self, id: '"><script>')
    assert source.language_of(own, "home.md") is None


# What is not shown


def test_what_cannot_be_shown_is_told(visit: TestClient, own: Bot) -> None:
    asked = place(own, "home.md", WORDS)
    changed = visit.get(url(**{**asked, "sha256": "0" * 64}))
    assert changed.status_code == 409
    assert "was changed since it was quoted" in changed.text
    assert WORDS not in changed.text
    assert 'href="source?document=home.md"' in changed.text, "as it is now"
    assert visit.get(url(**{**asked, "document": "other"})).status_code == 404
    assert visit.get("/source").status_code == 404
    assert visit.get(url(document="home.md", sha256="0")).status_code == 409
    without_hash = {name: value for name, value in asked.items() if name != "sha256"}
    assert visit.get(url(**without_hash)).status_code == 409
    for wrong in ({"start": "x"}, {"start": -1}, {"end": 10**9}, {"end": 0}, {"start": "٣"}, {"at": "x"}, {"page": 1}):
        refused = visit.get(url(**{**asked, **wrong}))
        assert refused.status_code == 400
        assert WORDS not in refused.text


def test_a_document_whose_file_changed_is_not_shown(visit: TestClient, own: Bot, corpus: Path) -> None:
    asked = place(own, "a.pdf", WORDS)
    assert visit.get(url(**asked)).status_code == 200
    (corpus / "a.pdf").write_bytes(pdf(["Run."]))
    got = visit.get(url(**asked))
    assert got.status_code == 409
    assert "as it is now" not in got.text
    assert visit.get(picture(own, 1)).status_code == 409
    assert visit.get(url(document="a.pdf")).status_code == 409


@pytest.mark.parametrize("id", ["../bot.toml", "/etc/passwd", "a.pdf/../home.md", "./home.md", "HOME.MD", "home.md\0"])
def test_only_ids_of_the_index_are_documents(visit: TestClient, id: str) -> None:
    for path in ("/source", "/page"):
        got = visit.get(f"{path}?{urlencode({'document': id, 'page': 1})}")
        assert got.status_code == 404
        assert id not in got.text


def test_ranges_of_a_url() -> None:
    assert source._range("3", "9") == (3, 9)
    for start, end in (("9", "3"), ("3", "3"), ("-1", "4"), ("1.5", "4"), (None, "4"), ("", "4"), ("0", "9" * 20)):
        assert source._range(start, end) is None


# Hostile texts


def test_a_hostile_document_is_plain_text(corpus: Path) -> None:
    bad = "<img src=x onerror=alert(1)>"
    (corpus / f"{bad}.md").write_text(
        f"---\ntitle: '{bad}'\nauthor: '{bad}'\nversion: '\"><script>'\nreviewed: 2020-01-01\n---\n"
        f"## {bad}\n\n{HOSTILE}\n\n## </span></mark><script>alert(2)</script>\n\nMore.\n"
    )
    (corpus / "b.pdf").write_bytes(pdf([bad, "</span></mark><script>x</script>"], title=bad))
    own = a_bot(corpus)
    plain = {"html", "head", "meta", "title", "link", "script", "body", "a", "header", "nav", "main", "h1", "p", "dl"}
    plain |= {
        "div",
        "dt",
        "dd",
        "bdi",
        "time",
        "details",
        "summary",
        "button",
        "span",
        "input",
        "mark",
        "footer",
        "img",
    }
    with visiting(own) as client:
        for document in own.documents():
            asked = {"document": document.id, "start": 0, "end": len(document.text), "sha256": document.sha256}
            for more in ({}, {"view": "text"}, {"panel": 1}):
                page = client.get(url(**asked, **more)).text
                shown = Shown(page)
                assert set(shown.tags) <= plain
                assert shown.tags.count("script") == 1, "our own"
                assert shown.tags.count("img") == (document.id.endswith(".pdf") and "view" not in more)
                assert document.text in shown.text
                assert document.title in shown.text


texts_of_documents = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


@given(st.lists(st.tuples(texts_of_documents, texts_of_documents), min_size=1, max_size=4), st.data())
def test_every_character_is_shown_as_it_is(parts: list[tuple[str, str]], data: st.DataObject) -> None:
    sections, at = [], 0
    for heading, body in parts:
        end = at + len(heading) + len(body)
        sections.append(Section(at, end, (heading,)))
        at = end
    text = "".join(heading + body for heading, body in parts)
    document = Document("d", text, "T", tuple(sections), "d")
    first = data.draw(st.integers(0, len(text) - 1))
    last = data.draw(st.integers(first + 1, len(text)))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    markup = source.marked(document, source.headings(document), (first, last), (start, end))
    shown = Shown(markup)
    assert shown.text == text[first:last]
    assert set(shown.tags) <= {"mark", "span"}
    assert markup.count("<span") == markup.count("</span>")
    if max(first, start) < min(last, end):
        assert quoted(markup) == text[max(first, start) : min(last, end)]


@given(st.integers(0, 3000), st.integers(1, 200))
def test_of_a_long_document_the_surroundings_are_shown(start: int, length: int) -> None:
    text = "word " * 30_000
    start *= 30
    first, last = source.shown_part(text, start, start + length)
    assert 0 <= first <= start < start + length <= last <= len(text)
    assert last - first <= length + 2 * source.AROUND


def test_a_long_document_is_read_in_parts_and_has_contents(corpus: Path) -> None:
    (corpus / "long.md").write_text(
        "".join(f"# Part {n}\n\n{'The nurse will check you. ' * 100}\n\n" for n in range(50))
    )
    own = a_bot(corpus)
    text = own.document("long.md").text
    seen = set()
    with visiting(own) as client:
        links = ["source?document=long.md"]
        while links:
            page = client.get("/" + links.pop()).text
            shown = Shown(page).text
            seen |= {n for n in range(1, 50) if f"Part {n}\n" in shown}
            assert len(shown) < 3 * source.AROUND
            following = re.search(r'<a href="([^"]*)#text">Next part', page)
            links += [html.unescape(following[1])] if following else []
        assert seen == set(range(1, 50))
        page = client.get("/source?document=long.md").text
        contents = re.findall(r'<li class="d1"><a href="([^"]*)"><bdi[^>]*>(Part \d+)<', page)
        assert len(contents) >= 49
        far, name = html.unescape(contents[-1][0]), contents[-1][1]
        opened = client.get("/" + far.partition("#")[0]).text
        assert re.search(rf'id="{far.partition("#")[2]}">{name}</span>', opened)
        assert f"Part 49\n\n{'The nurse' in text and 'The nurse'}" in Shown(opened).text


# Pages as pictures


def picture(bot: Bot, page: object, id: str = "a.pdf") -> str:
    return f"/page?{urlencode({'document': id, 'page': page, 'sha256': bot.document(id).sha256})}"


def test_a_page_is_shown_as_a_picture(visit: TestClient, own: Bot) -> None:
    got = visit.get(picture(own, 1))
    assert got.status_code == 200
    assert got.headers["content-type"] == "image/webp"
    drawn = Image.open(BytesIO(got.content))
    assert drawn.width == 1400
    assert abs(drawn.height / drawn.width - A4[1] / A4[0]) < 0.01
    darkest, lightest = drawn.convert("L").getextrema()
    assert darkest < 60
    assert lightest > 240


def test_boxes_lie_on_the_words(visit: TestClient, own: Bot) -> None:
    page = visit.get(url(**place(own, "a.pdf", WORDS))).text
    assert quoted(page) == WORDS
    [style] = re.findall(r'class="box" style="([^"]*)"', page)
    left, top, width, height = (float(part.split(":")[1].rstrip("%")) / 100 for part in style.split(";"))
    drawn = np.asarray(Image.open(BytesIO(visit.get(picture(own, 1)).content)).convert("L"))
    line = drawn[int(top * len(drawn)) : int((top + height) * len(drawn))]
    dark = np.nonzero((line < 128).any(axis=0))[0] / drawn.shape[1]
    assert len(dark) > 100
    assert left - 0.005 <= dark.min() <= dark.max() <= left + width + 0.005
    assert abs(left - 100 / A4[0]) < 0.005


def test_pages_are_turned(visit: TestClient, own: Bot) -> None:
    asked = place(own, "a.pdf", WORDS)
    first = visit.get(url(**asked)).text
    assert "Page 1 / 2" in Shown(first).text
    after = re.search(r'href="([^"]*)">Next page', first)
    assert after
    second = visit.get("/" + html.unescape(after[1])).text
    assert "Page 2 / 2" in Shown(second).text
    assert "<mark" not in second
    assert "Back to the marked words" in second
    assert "Next page" not in second
    as_text = visit.get(url(**asked, view="text")).text
    assert "<img" not in as_text
    assert quoted(as_text) == WORDS
    assert visit.get(url(**asked, page=3)).status_code == 400


@pytest.mark.parametrize("page", [0, 3, -1, "x", "", 10**30])
def test_a_page_that_is_not_there(visit: TestClient, own: Bot, page: object) -> None:
    assert visit.get(picture(own, page)).status_code == 400


def test_there_is_no_picture_of_a_text(visit: TestClient, own: Bot) -> None:
    assert visit.get(picture(own, 1, "home.md")).status_code in (400, 404)
    assert visit.get(picture(own, 1).replace(own.document("a.pdf").sha256, "0")).status_code == 409


def test_a_page_that_cannot_be_drawn_is_shown_as_text(
    visit: TestClient, own: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise NoPicture("breaks the program")

    monkeypatch.setattr(source.Pictures, "_draw", fail)
    page = visit.get(url(**place(own, "a.pdf", WORDS))).text
    assert "cannot show this page as a picture" in page
    assert quoted(page) == WORDS
    assert "breaks the program" in caplog.text
    assert visit.get(picture(own, 1)).status_code == 404


def test_when_too_many_pages_are_drawn_one_is_told_to_wait(
    visit: TestClient, own: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Busy

    monkeypatch.setattr(source.Pictures, "_draw", fail)
    assert quoted(visit.get(url(**place(own, "a.pdf", WORDS))).text) == WORDS
    got = visit.get(picture(own, 1))
    assert got.status_code == 503
    assert got.headers["retry-after"]


def test_pages_read_off_their_picture_say_so(own: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    document = replace(own.document("a.pdf"), recognised=(1,))
    monkeypatch.setattr(own, "document", lambda _: document)
    with visiting(own) as client:
        assert "read from a picture" in client.get(url(**place(own, "a.pdf", WORDS))).text
        assert "read from a picture" not in client.get(url(**place(own, "a.pdf", OTHER))).text


# Languages


def test_every_page_is_in_the_language_of_the_catalogue(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    english = (texts.FOLDER / "en.toml").read_text(encoding="utf-8")
    (folder / "en.toml").write_text(english, encoding="utf-8")
    other = re.sub(r'(?m)^text = "', 'text = "@', english)
    (folder / "ar.toml").write_text(other, encoding="utf-8")
    monkeypatch.setattr(texts, "FOLDER", folder)
    own = a_bot(corpus, Config(clinic=Clinic(language="ar")))
    with visiting(own) as client:
        for address in (
            url(**place(own, "home.md", WORDS)),
            url(**place(own, "a.pdf", WORDS)),
            url(document="home.md", sha256="0"),
            url(document="nothing"),
        ):
            page = client.get(address).text
            assert '<html lang="ar" dir="rtl">' in page
            ours = re.sub(
                r'(?s)<(h1|bdi|dd|mark|time|footer)\b.*?</\1>|<div id="text" class="document".*?</div>', "", page
            )
            ours = re.sub(r"(?s)<head>.*?</head>", "", ours)
            told = [*re.findall(r">([^<>]+)<", ours), *re.findall(r'(?:aria-label|data-done|alt)="([^"]*)"', ours)]
            assert told
            assert [words for words in told if words.strip() and not words.startswith("@")] == []


def test_the_rules_of_the_corpus_limit_the_drawing(corpus: Path) -> None:
    pictures = source.Pictures(CorpusRules(max_seconds=7, max_memory_mb=512))
    assert (pictures._limits.seconds, pictures._limits.megabytes) == (7, 512)
