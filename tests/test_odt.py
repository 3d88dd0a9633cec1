"""OpenDocument texts: what is text, what is left out, and what is refused."""

from __future__ import annotations

import io
import zipfile

import pytest

from bot.loaders import Extracted, Note, Unreadable
from bot.loaders.odt import load

ODF = "urn:oasis:names:tc:opendocument:xmlns"
SPACES = " ".join(
    [f'xmlns:{name}="{ODF}:{name}:1.0"' for name in ("office", "text", "table", "style", "meta", "manifest")]
    + [f'xmlns:draw="{ODF}:drawing:1.0"', f'xmlns:fo="{ODF}:xsl-fo-compatible:1.0"']
    + ['xmlns:dc="http://purl.org/dc/elements/1.1/"']
)
STYLES = """
<office:styles>
<style:default-style style:family="paragraph">
  <style:text-properties fo:language="fr" fo:country="CH"/></style:default-style>
<text:outline-style style:name="Outline">
  <text:outline-level-style text:level="1" style:num-format="1" style:num-suffix="."/>
  <text:outline-level-style text:level="2" style:num-format=""/></text:outline-style>
</office:styles>
"""


def look(name: str, properties: str, family: str = "text", parent: str = "") -> str:
    return (
        f'<style:style style:name="{name}" style:family="{family}" style:parent-style-name="{parent}">'
        f"<style:text-properties {properties}/></style:style>"
    )


AUTOMATIC = "".join(
    [
        look("Up", 'style:text-position="super 58%"'),
        look("Above", 'style:text-position="33% 58%"'),
        look("Struck", 'style:text-line-through-style="solid"'),
        look("Hidden", 'text:display="none"'),
        look("Symbol", 'style:font-name="Symbol"'),
        look("B", 'fo:font-weight="bold"', "paragraph"),
        look("P1", 'fo:color="red"', "paragraph", "Title"),
        '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1" '
        'style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" '
        'text:display-levels="2" style:num-suffix=")"/></text:list-style>',
        '<text:list-style style:name="D"><text:list-level-style-bullet text:level="1" text:bullet-char="-"/>'
        '<text:list-level-style-bullet text:level="2" text:bullet-char="✗"/></text:list-style>',
    ]
)


def odt(body: str, meta: str = "", manifest: str = "", kind: str = "text", before: str = "") -> bytes:
    parts = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": f"{before}<office:document-content {SPACES}><office:automatic-styles>{AUTOMATIC}"
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body>"
        "</office:document-content>",
        "styles.xml": f"<office:document-styles {SPACES}>{STYLES}</office:document-styles>",
        "meta.xml": f"<office:document-meta {SPACES}><office:meta>{meta}</office:meta></office:document-meta>",
        "META-INF/manifest.xml": f"<manifest:manifest {SPACES}>{manifest}</manifest:manifest>",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return data.getvalue()


def p(words: str, style: str = "") -> str:
    return f'<text:p text:style-name="{style}">{words}</text:p>'


def span(words: str, style: str) -> str:
    return f'<text:span text:style-name="{style}">{words}</text:span>'


def listed(*items: str, style: str = "L", more: str = "") -> str:
    inside = "".join(f"<text:list-item>{item}</text:list-item>" for item in items)
    return f'<text:list text:style-name="{style}" {more}>{inside}</text:list>'


def td(words: str, more: str = "") -> str:
    return f"<table:table-cell {more}>{p(words)}</table:table-cell>"


COVERED = "<table:covered-table-cell/>"


def tr(*cells: str, more: str = "") -> str:
    inside = "".join(cell if cell.startswith("<") else td(cell) for cell in cells)
    return f"<table:table-row {more}>{inside}</table:table-row>"


def tbl(*rows: str) -> str:
    return f"<table:table>{''.join(rows)}</table:table>"


def extracted(data: bytes) -> Extracted:
    (found,) = [part for part in load(data) if isinstance(part, Extracted)]
    return found


def text(body: str) -> str:
    return extracted(odt(body)).text


def refusal(data: bytes) -> str:
    with pytest.raises(Unreadable) as error:
        list(load(data))
    return error.value.reason


def test_titles_headings_and_paragraphs() -> None:
    headings = '<text:h text:outline-level="1">Dose</text:h><text:h text:outline-level="2">Adults</text:h>'
    found = extracted(odt(p("Asthma", "P1") + headings + p("Take 5 mg.")))
    assert found.text == "Asthma\n\n1. Dose\n\nAdults\n\nTake 5 mg."
    assert [(heading.level, heading.text) for heading in found.headings] == [
        (1, "Asthma"),
        (2, "1. Dose"),
        (3, "Adults"),
    ]
    assert found.title == "Asthma"


def test_bold_lines_are_headings_where_no_style_is() -> None:
    assert [heading.text for heading in extracted(odt(p("Dose", "B") + p("Take 5 mg."))).headings] == ["Dose"]


def test_blanks_tabs_breaks_and_links() -> None:
    words = 'a  <text:a>b</text:a><text:s text:c="9999999999"/>c<text:tab/>d<text:line-break/>\n e<text:s/>f\u00ad.'
    assert text(p(words)) == "a b c d\ne f."


def test_list_marks_are_counted() -> None:
    inner = listed(p("b"), p("c"))
    body = listed(p("a") + inner, p("d") + p("more"), "") + listed(p("e"))
    assert text(body) == "1. a\n  1.a) b\n  1.b) c\n2. d\n\nmore\n\n1. e".replace("more\n\n", "more\n")
    on = listed(p("a")) + p("-") + listed(p("b"), more='text:continue-numbering="true"')
    assert text(on).endswith("2. b")
    known = listed(p("a"), more='xml:id="x"') + listed(p("b")) + listed(p("c"), more='text:continue-list="x"')
    assert text(known) == "1. a\n1. b\n2. c"
    start = listed(p("a")).replace("<text:list-item>", '<text:list-item text:start-value="7">')
    assert text(start) == "7. a"


def test_bullets_are_dots_unless_they_say_do_or_do_not() -> None:
    assert text(listed(p("a") + listed(p("drive"), style="D"), style="D")) == "• a\n  ✗ drive"


def test_a_list_head_has_no_number() -> None:
    body = f'<text:list text:style-name="L"><text:list-header>{p("Head")}</text:list-header></text:list>'
    assert text(body) == "Head"


def test_tables_name_their_heads_and_follow_their_spans() -> None:
    head = tr("Weight", td("Dose", 'table:number-columns-spanned="2"'), COVERED) + tr("", "Adult", "Child")
    rows = tr(td("50 kg", 'table:number-rows-spanned="2"'), "5 mg", "2 mg") + tr(COVERED, "6 mg", "3 mg")
    found = extracted(odt(tbl(f"<table:table-header-rows>{head}</table:table-header-rows>", rows)))
    assert found.text.split("\n") == [
        "Weight | Dose Adult | Dose Child",
        "Weight: 50 kg | Dose Adult: 5 mg | Dose Child: 2 mg",
        "Weight: 50 kg | Dose Adult: 6 mg | Dose Child: 3 mg",
    ]


def test_repeated_cells_and_rows() -> None:
    assert text(tbl(tr(td("x", 'table:number-columns-repeated="2"'), "y"))) == "x | x | y"
    assert text(tbl(tr("a", "b", more='table:number-rows-repeated="2"'))) == "a | b\na | b"
    empty = '<table:table-cell table:number-columns-repeated="1000000000"/>'
    assert text(tbl(tr("a", "b", empty), tr("", "", more='table:number-rows-repeated="1000000000"'))) == "a | b"
    assert "columns" in refusal(odt(tbl(tr(td("x", 'table:number-columns-repeated="1000000000"')))))
    assert "repeats a row" in refusal(odt(tbl(tr("x", "y", more='table:number-rows-repeated="1000000000"'))))


def test_notes_and_text_boxes_follow_their_paragraph() -> None:
    body = f"<text:note-body>{p('Adults.')}</text:note-body>"
    note = f"<text:note><text:note-citation>*</text:note-citation>{body}</text:note>"
    box = f"<draw:frame><draw:text-box>{p('Boxed')}</draw:text-box></draw:frame>"
    assert text(p(f"Take 5 mg{note}{box} daily")) == "Take 5 mg[1] daily\n\n[1] Adults.\n\nBoxed"
    assert text(tbl(tr("a", f"b{note}"), tr("c", "d")) + p("x")) == "a | b[1]\nc | d\n\n[1] Adults.\n\nx"


def test_what_is_not_the_main_text_is_left_out() -> None:
    body = (
        f"<text:tracked-changes>{p('deleted')}</text:tracked-changes>"
        f"<text:table-of-content><text:index-body>{p('Dose 12')}</text:index-body></text:table-of-content>"
        + p(f"Take<office:annotation>{p('comment')}</office:annotation> 5 mg")
    )
    assert text(body) == "Take 5 mg"


def test_struck_and_hidden_words_are_left_out_and_counted() -> None:
    hidden = f'<text:section text:display="none">{p("x")}</text:section>'
    marked = p('x<text:hidden-paragraph text:is-hidden="true"/>y')
    data = odt(p(f"Take {span('50', 'Struck')} 5 mg{span(' z', 'Hidden')}") + hidden + marked)
    assert extracted(data).text == "Take 5 mg"
    assert [part.message for part in load(data) if isinstance(part, Note)] == [
        "1 passage of struck-through text left out",
        "3 passages of hidden text left out",
    ]


def test_raised_digits_and_symbols() -> None:
    assert text(p(f"10{span('6', 'Up')} m{span('2', 'Above')} 5 {span('m', 'Symbol')}g")) == "10⁶ m² 5 µg"


def test_metadata_comes_from_the_file() -> None:
    meta = (
        "<dc:title>Plan</dc:title><meta:initial-creator>Dr A</meta:initial-creator><dc:creator>Dr B</dc:creator>"
        "<meta:creation-date>2024-02-03T10:00:00.5</meta:creation-date><dc:date>2025-01-02</dc:date>"
        '<meta:user-defined meta:name="Next review">2027-01-01</meta:user-defined>'
    )
    found = extracted(odt(p("x"), meta))
    assert found.title == "Plan"
    assert dict(found.metadata) == {
        "author": "Dr A",
        "created": "2024-02-03",
        "modified": "2025-01-02",
        "language": "fr-CH",
        "next_review": "2027-01-01",
    }


def test_what_cannot_be_read_is_refused_in_words() -> None:
    locked = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    assert refusal(odt(p("x"), manifest=locked)) == "password-protected: save it without a password"
    assert refusal(odt("", kind="spreadsheet")) == "not an OpenDocument text (.odt), but an OpenDocument spreadsheet"
    assert "document type declaration" in refusal(odt(p("x"), before="<!DOCTYPE a>"))
    assert "damaged XML in content.xml" in refusal(odt("<text:p>"))
    assert "damaged XML" in refusal(odt("<text:list>" * 2000 + "</text:list>" * 2000))
    assert "OCR" in refusal(odt(p("<draw:frame><draw:image/></draw:frame>")))
    nested = p("x")
    for _ in range(20):
        nested = tbl(f"<table:table-row><table:table-cell>{nested}</table:table-cell></table:table-row>")
    assert "nested too deeply" in refusal(odt(nested))
