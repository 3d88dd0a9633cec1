"""The page and the text that tell staff what was read."""

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import ingest_report, page

NASTY = "\u2029a<script>alert(1)</script>\n\u202efdp.exe\x1b[31m'\"&amp;\ud800.pdf"
CLEAN = {"odd_characters": 0.0, "lost_spaces": 0.0, "single_letters": 0.0, "suspected": False, "reason": ""}


def file(path: str, **facts: Any) -> dict[str, Any]:
    return {
        "path": path,
        "status": "indexed",
        "reason": "",
        "format": "pdf",
        "bytes": 84_213,
        "documents": 1,
        "pages": 4,
        "words": 1243,
        "passages": 9,
        "tables": 1,
        "empty_pages": [],
        "scanned_pages": [],
        "recognised_pages": [],
        "garbling": CLEAN,
        "reading_age": 11.3,
        "language": "en",
        "cautions": [],
        "metadata": {"title": "Going home"},
        "overdue": False,
        **facts,
    }


def group(*passages: tuple[str, str], similarity: float = 0.9) -> dict[str, Any]:
    listed = [{"document": document, "start": 0, "end": len(text), "text": text} for document, text in passages]
    return {"similarity": similarity, "passages": listed}


def report(*files: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "added": 12,
        "changed": 3,
        "removed": 1,
        "unchanged": 204,
        "skipped": [],
        "cautions": [],
        "passages": 4210,
        "embedded": 96,
        "generation": "000007",
        "seconds": 12.3,
        "files": list(files),
        "near_duplicates": [],
        "renamed": [],
        **more,
    }


def skipped(path: str, reason: str) -> dict[str, Any]:
    return file(path, status="skipped", reason=reason, pages=None, reading_age=None, language=None, metadata={})


FULL = report(
    file("fine.pdf"),
    file("scan.pdf", scanned_pages=[2, 4, 5, 6]),
    file("old.pdf", overdue=True, metadata={"title": "Old", "next_review": "2021-05-01"}),
    file("broken.pdf", garbling={**CLEAN, "suspected": True, "reason": "words run together, such as takeittwice"}),
    file("fax.pdf", recognised_pages=[1], cautions=["page 2 is turned"], empty_pages=[3]),
    skipped("locked.pdf", "is protected by a password"),
    skipped("picture.pdf", "needs OCR: none of its 3 pages has a text layer"),
    near_duplicates=[
        group(("fine.pdf", "Rest a lot today."), ("old.pdf", "Rest a lot today!"), similarity=0.99),
        group(("fine.pdf", "Take 5 mg once a day."), ("old.pdf", "Take 10 mg once a day."), similarity=0.8),
    ],
    renamed=[{"from": "before.pdf", "to": "fine.pdf"}],
    skipped=[{"path": "locked.pdf", "reason": "is protected by a password"}],
    cautions=[{"path": "notes.jsonl", "message": "line 7 has no text"}],
)


class Page(HTMLParser):
    """Checks that all that is opened is closed; gathers what is shown, and what would load or run something."""

    VOID = frozenset({"meta", "br"})
    HARMLESS = frozenset(
        "html head title style body main h1 h2 h3 p dl div dt dd article ul li span b bdi small table thead tbody tr "
        "th td blockquote cite mark details summary".split()
    )

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.suspect: list[str] = []
        self.shown = ""
        self.marked: list[str] = []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
            self.suspect += [tag] * (tag not in self.HARMLESS)
        names = {"lang", "charset", "http-equiv", "content", "name", "class", "scope", "role", "tabindex", "aria-label"}
        self.suspect += [name for name, _ in attrs if name not in names]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.shown += data
        if self.open and self.open[-1] == "mark":
            self.marked.append(data)


def test_the_page_tells_what_needs_attention_before_all_files() -> None:
    shown = Page(ingest_report.html(FULL)).shown
    order = [
        "What was read",
        "12 added",
        "What needs attention",
        "is protected by a password",
        "pages 2, 4–6",
        "words run together",
        "was due on 2021-05-01",
        "Almost the same text with another figure",
        "page 1",
        "page 2 is turned",
        "line 7 has no text",
        "page 3",
        "All files",
        "before.pdf → fine.pdf",
        "Passages that are almost the same",
        "a figure or a “not” differs",
    ]
    at = 0
    for part in order:
        assert part in shown[at:], part
        at += shown[at:].index(part)


def test_the_summary_counts_files() -> None:
    markup = ingest_report.html(FULL)
    tiles = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", markup))
    assert tiles == {
        "read": "5",
        "skipped": "2",
        "need OCR": "2",
        "past review": "1",
        "maybe garbled": "1",
        "near-duplicates": "2",
    }
    assert ingest_report.text(FULL).startswith("5 read, 2 skipped, 2 need OCR, 1 past review, 1 maybe garbled, 2 ")


def test_nothing_to_do_is_said_too() -> None:
    quiet = report(file("b.pdf"), file("a.pdf"))
    shown = Page(ingest_report.html(quiet)).shown
    assert "Nothing: every file was read" in shown
    assert shown.index("a.pdf") < shown.index("b.pdf")
    assert "almost the same" not in shown
    assert ingest_report.concerns(quiet) == []
    assert len(ingest_report.text(quiet).splitlines()) == 2


def test_an_empty_folder_has_a_page() -> None:
    assert "What was read" in Page(ingest_report.html(report())).shown
    assert ingest_report.text(report()).startswith("0 read")


def test_words_that_differ_are_marked_in_both() -> None:
    found = Page(ingest_report.html(FULL)).marked
    assert found == ["5", "10", "today.", "today!"]  # other figures come first, though they are less alike


def test_equal_passages_have_no_marks_and_no_warning() -> None:
    same = report(near_duplicates=[group(("a", "Take 5 mg."), ("b", "Take 5 mg."), similarity=1.0)])
    found = Page(ingest_report.html(same))
    assert found.marked == []
    assert "100% alike in 2 documents" in found.shown
    assert "differs" not in found.shown


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        ("Take 5 mg.", "Take 0.5 mg.", True),
        ("Ring 555 0100 and 555 0199", "Ring 555 0199 and 555 0100", True),
        ("Do not drive.", "Do drive.", True),
        ("Don’t drive.", "Drive.", True),
        ("Call us at 9:30.", "Phone us at 9:30.", False),
        ("Never smoke", "never smoke", False),
    ],
)
def test_another_figure_or_not_is_pointed_out(one: str, other: str, differs: bool) -> None:
    both = report(near_duplicates=[group(("a", one), ("b", other))])
    assert ("differs" in Page(ingest_report.html(both)).shown) == differs
    assert bool(ingest_report.concerns(both)) == differs


def test_only_what_is_wholly_alike_is_called_so() -> None:
    nearly = report(near_duplicates=[group(("a", "x y"), ("b", "x z"), similarity=0.9999)])
    assert "99% alike" in ingest_report.html(nearly)


@given(st.text(alphabet="ab5 \n.<&", max_size=60), st.text(alphabet="ab5 \n.<&", max_size=60))
@settings(deadline=None)
def test_the_passages_are_shown_word_for_word(one: str, other: str) -> None:
    both = report(near_duplicates=[group(("first", one), ("second", other))])
    shown = Page(ingest_report.html(both)).shown
    first, second = shown.split("first")[-1].split("second")
    assert first == one.lstrip()
    assert second.startswith(other.lstrip())


def test_a_large_group_names_the_other_documents() -> None:
    many = report(near_duplicates=[group(*((f"leaflet {n}.md", "The same footer.") for n in range(1000)))])
    markup = ingest_report.html(many)
    assert "in 1,000 documents" in markup
    assert "and in 996 more" in markup
    assert "and 976 more" in markup
    assert len(markup) < 20_000


def test_long_lists_are_folded_and_long_passages_cut() -> None:
    files = [skipped(f"{n:03}.pdf", "is empty") for n in range(100)]
    long = "word " * 5000
    page_of = Page(ingest_report.html(report(*files, near_duplicates=[group(("a", long), ("b", long))])))
    assert "and 80 more" in page_of.shown
    assert page_of.shown.count("word") < 2 * ingest_report.LONGEST / 4
    told = ingest_report.text(report(*files))
    assert "and 80 more" in told
    assert "050.pdf" not in told


def hostile() -> dict[str, Any]:
    told = copy.deepcopy(FULL)
    for one in told["files"]:
        one.update(path=one["path"] + NASTY, cautions=[NASTY], metadata={"title": NASTY, "next_review": NASTY})
        one.update(format=NASTY, reason=NASTY, language=NASTY, garbling={**CLEAN, "suspected": True, "reason": NASTY})
    told["near_duplicates"].append(group((NASTY, NASTY), ("other" + NASTY, NASTY * 2)))
    told["renamed"].append({"from": NASTY, "to": NASTY})
    told["cautions"].append({"path": NASTY, "message": NASTY})
    told["generation"] = NASTY
    return told


def test_hostile_names_and_texts_show_as_text() -> None:
    found = Page(ingest_report.html(hostile()))
    assert found.suspect == []
    assert "<script>alert(1)</script>↵\ufffdfdp.exe\ufffd[31m'\"&amp;\ufffd.pdf" in found.shown


def test_nothing_commands_a_browser_or_a_terminal() -> None:
    markup, told = ingest_report.html(hostile()), ingest_report.text(hostile())
    for output in (markup, told):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", output)
        output.encode()
    assert not re.search(r"https?:|url\(|@import", markup)
    assert "default-src 'none'" in markup
    assert all(line.startswith(("  ", "")) for line in told.splitlines())
    assert len(told.splitlines()) == len(told.split("\n"))


def test_equal_reports_give_equal_bytes() -> None:
    turned = {**FULL, "files": FULL["files"][::-1]}
    assert ingest_report.html(FULL) == ingest_report.html(copy.deepcopy(FULL)) == ingest_report.html(turned)
    assert ingest_report.text(FULL) == ingest_report.text(turned)


def test_the_text_names_file_fact_and_remedy() -> None:
    told = ingest_report.text(FULL)
    for part in (
        "1 renamed",
        "Files that were skipped (2)",
        "  - locked.pdf: is protected by a password",
        "  - scan.pdf: pages 2, 4–6",
        "Compare every dose",
        "  - before.pdf → fine.pdf",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [([3], "page 3"), ([1, 2], "pages 1–2"), ([9, 2, 4, 5, 6], "pages 2, 4–6, 9"), ([5, 5], "page 5")],
)
def test_page_numbers_are_grouped(numbers: list[int], shown: str) -> None:
    assert f": {shown}" in ingest_report.text(report(file("a.pdf", scanned_pages=numbers)))


@pytest.mark.parametrize(("size", "shown"), [(0, "0 B"), (999, "999 B"), (84_213, "84 kB"), (4_213_004, "4.2 MB")])
def test_sizes_are_short(size: int, shown: str) -> None:
    assert f">{shown} <" in ingest_report.html(report(file("a.pdf", bytes=size)))


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_meets_wcag_aa(scheme: str) -> None:
    style = re.search(r"<style>(.*)</style>", ingest_report.html(FULL), re.DOTALL)[1]  # type: ignore[index]
    light = dict(re.findall(r"--([\w-]+):(#\w+)", re.sub(r"@media \(prefers.*?\}\}", "", style, flags=re.DOTALL)))
    dark = dict(re.findall(r"--([\w-]+):(#\w+)", "".join(re.findall(r"@media \(prefers.*?\}\}", style, re.DOTALL))))
    assert light.keys() == dark.keys()
    colours = light if scheme == "light" else dark
    pairs = [(ink, ground) for ink in ("ink", "soft", "bad") for ground in ("paper", "card")] + [("on-hit", "hit")]
    for ink, ground in pairs:
        low, high = sorted([luminance(colours[ink]), luminance(colours[ground])])
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


@given(st.text())
def test_any_text_is_plain_on_the_page(text: str) -> None:
    assert "<" not in page.safe(text)
    assert '"' not in page.safe(text)
    assert "'" not in page.safe(text)
    assert len(page.plain(text)) == len(text)
    page.plain(text).encode()
