"""Pages drawn apart: what comes back, what is kept, and what a hostile file can do."""

from __future__ import annotations

import json
import struct
import threading
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from bot import pictures
from bot.config import CorpusRules
from bot.documents import Document, sections
from bot.loaders import Anchor, Unreadable, isolated
from bot.loaders import pdf as loader
from bot.loaders.isolated import Limits, Reader
from bot.pictures import Busy, NoPicture, Pictures

WORDS = "Rest on the first day."


def pdf(size: tuple[float, float] = A4, turned: int = 0) -> bytes:
    written = BytesIO()
    canvas = Canvas(written, pagesize=size, invariant=True)
    canvas.setPageRotation(turned)
    canvas.drawString(size[0] / 4, size[1] / 2, WORDS)
    canvas.showPage()
    canvas.save()
    return written.getvalue()


def read(data: bytes) -> Document:
    found = next(item for item in loader.load(data) if isinstance(item, loader.Extracted))
    made = sections(found.text, found.headings, "T")
    return Document("a.pdf", found.text, "T", made, "a.pdf", pages=found.pages, anchors=found.anchors)


@pytest.fixture
def drawn() -> Pictures:
    return Pictures(CorpusRules())


class Drawings:
    """Counts the processes that draw."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        draw = Reader.draw

        def counted(reader: Reader, *arguments: object, **more: object) -> object:
            self.count += 1
            return draw(reader, *arguments, **more)

        monkeypatch.setattr(Reader, "draw", counted)


def test_a_page_is_drawn_once(drawn: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pdf()
    document, drawings = read(data), Drawings(monkeypatch)
    drawing = drawn.drawing(document, data, 1, (0, len(WORDS)))
    assert (round(drawing.width), round(drawing.height)) == (595, 842)
    assert len(drawing.boxes) == 1
    picture = Image.open(BytesIO(drawn.picture(document, data, 1)))
    assert picture.format == "WEBP"
    assert drawn.drawing(document, data, 1, (0, len(WORDS))) == drawing
    assert drawings.count == 1
    assert drawn.drawing(document, data, 1, (0, 4)).boxes[0].x1 < drawing.boxes[0].x1
    assert drawings.count == 2, "another quote, the same picture"


def test_another_file_with_the_same_words_is_drawn_anew(drawn: Pictures) -> None:
    one, other = pdf(), pdf(turned=180)
    document = read(one)
    assert drawn.picture(document, one, 1) != drawn.picture(document, other, 1)


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_the_box_lies_on_the_words_however_the_page_is_turned(drawn: Pictures, turned: int) -> None:
    data = pdf((300, 600), turned)
    document = read(data)
    drawing = drawn.drawing(document, data, 1, (0, len(WORDS)))
    [box] = drawing.boxes
    picture = (
        Image.open(BytesIO(drawn.picture(document, data, 1))).convert("L").point(lambda shade: 255 * (shade < 128))
    )
    left, top, right, bottom = picture.getbbox()
    assert picture.width / picture.height == pytest.approx(drawing.width / drawing.height, rel=0.01)
    assert (right - left > bottom - top) == (turned in (0, 180)), "the words run up or down where it is turned"
    assert box.x0 - 0.01 <= left / picture.width <= right / picture.width <= box.x1 + 0.01
    assert box.y0 - 0.01 <= top / picture.height <= bottom / picture.height <= box.y1 + 0.01


@pytest.mark.parametrize("size", [(10, 14_000), (14_000, 10), (14_000, 14_000), (3, 3)])
def test_a_page_of_any_size_makes_a_picture_of_a_bounded_size(drawn: Pictures, size: tuple[float, float]) -> None:
    data = pdf(size)
    document = Document("a.pdf", "x", "T", sections("x", (), "T"), "a.pdf", pages=(0,))
    picture = Image.open(BytesIO(drawn.picture(document, data, 1)))
    assert picture.width * picture.height <= 1.01 * loader.MOST_SHOWN_PIXELS
    assert max(picture.size) <= loader.LONGEST_SHOWN


@pytest.mark.parametrize("page", [0, 2, -1])
def test_a_page_that_is_not_there(drawn: Pictures, page: int) -> None:
    data = pdf()
    with pytest.raises(NoPicture, match=f"no page {page}"):
        drawn.picture(read(data), data, page)


def test_a_file_that_breaks_the_program_is_refused_once(
    drawn: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "worker.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    data = pdf()
    document, drawings = read(data), Drawings(monkeypatch)
    monkeypatch.setattr(isolated, "_WORKER", (str(script),))
    for _ in range(3):
        with pytest.raises(NoPicture, match="breaks the program"):
            drawn.picture(document, data, 1)
    assert drawings.count == 1


def test_a_page_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "worker.py"
    script.write_text("import time; time.sleep(600)")
    monkeypatch.setattr(isolated, "_WORKER", (str(script),))
    data = pdf()
    with pytest.raises(NoPicture, match="takes too long"):
        Pictures(CorpusRules(max_seconds=1)).picture(read(data), data, 1)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"size": [1.0, 1.0], "boxes": []},
        {"size": [1.0], "boxes": [], "picture": ""},
        {"size": [0.0, 1.0], "boxes": [], "picture": ""},
        {"size": ["1", 1.0], "boxes": [], "picture": ""},
        {"size": [1.0, float("inf")], "boxes": [], "picture": ""},
        {"size": [1.0, 1.0], "boxes": [[0.0, 0.0, 1.0]], "picture": ""},
        {"size": [1.0, 1.0], "boxes": [[0.0, 0.0, 1.0, 1.5]], "picture": ""},
        {"size": [1.0, 1.0], "boxes": [], "picture": "<html>"},
        {"size": [1.0, 1.0], "boxes": [], "picture": "PGh0bWw+"},
        {"size": [1.0, 1.0], "boxes": [], "picture": 3},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(
    answer: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(answer).encode()
    frame = struct.pack(">I", len(body)) + body
    script = tmp_path / "worker.py"
    script.write_text(f"import sys; sys.stdout.buffer.write({frame!r}); sys.stdout.flush(); sys.stdin.read()")
    monkeypatch.setattr(isolated, "_WORKER", (str(script),))
    with Reader(Limits()) as reader, pytest.raises(Unreadable, match="makes no sense"):
        reader.draw(b"x", 1, [], picture=True)


def test_boxes_of_words_read_off_a_picture_need_no_file() -> None:
    place = (0.1, 0.2, 0.3, 0.4)
    anchors = [Anchor(0, 4, 1, -1, place), Anchor(4, 8, 2, -1, place)]
    with Reader(Limits()) as reader:
        drawing = reader.draw(pdf(), 1, anchors, picture=False)
    assert [(box.page, box.x0, box.y0, box.x1, box.y1) for box in drawing.boxes] == [(1, *place)]
    assert drawing.picture == b""


def test_only_so_many_wait(drawn: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pdf()
    document = read(data)
    go_on, begun = threading.Event(), threading.Semaphore(0)
    draw = Reader.draw

    def slow(reader: Reader, *arguments: object, **more: object) -> object:
        begun.release()
        go_on.wait()
        return draw(reader, *arguments, **more)

    monkeypatch.setattr(Reader, "draw", slow)
    got: list[object] = []

    def ask() -> None:
        try:
            got.append(drawn.picture(document, data, 1))
        except Busy as busy:
            got.append(busy)

    threads = [threading.Thread(target=ask) for _ in range(pictures.AT_ONCE + pictures.WAITING + 3)]
    for thread in threads:
        thread.start()
    for _ in range(pictures.AT_ONCE):
        begun.acquire()
    while sum(isinstance(one, Busy) for one in got) < 3:
        threads[-1].join(0.01)
    assert not begun.acquire(blocking=False), "no more at once"
    go_on.set()
    for thread in threads:
        thread.join()
    told = [one for one in got if not isinstance(one, Busy)]
    assert len(told) == pictures.AT_ONCE + pictures.WAITING
    assert len(set(told)) == 1


def test_what_was_used_last_is_kept() -> None:
    cache = pictures._Cache[str](10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert [cache.get(key) for key in "abc"] == ["A", None, "C"]
    cache.put("d", "D", 11)
    assert cache.get("d") is None
    cache.put("a", "AA", 6)
    assert [cache.get(key) for key in "ac"] == ["AA", "C"]
