"""Word documents: what is text, what is left out, and what is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress

import pytest
from docx import Document

from bot.loaders import Extracted, Note, Unreadable, archive
from bot.loaders.docx import load

TRANSITIONAL = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
MATH = f"{OFFICE}/math"
KINDS = ("styles", "numbering", "footnotes", "endnotes")

STYLES = """
<w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="de-CH"/></w:rPr></w:rPrDefault></w:docDefaults>
<w:style w:type="paragraph" w:default="1" w:styleId="N"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="T"><w:name w:val="Title"/><w:rPr><w:b/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="H2"><w:name w:val="heading 2"/><w:basedOn w:val="H1"/></w:style>
<w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="H2"/></w:style>
<w:style w:type="paragraph" w:styleId="C"><w:name w:val="toc 1"/></w:style>
<w:style w:type="paragraph" w:styleId="L"><w:name w:val="List"/>
  <w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
<w:style w:type="character" w:styleId="Gone"><w:name w:val="Gone"/><w:rPr><w:vanish/></w:rPr></w:style>
<w:style w:type="character" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>
<w:style w:type="table" w:styleId="Grid"><w:name w:val="Grid"/>
  <w:tblStylePr w:type="firstRow"><w:rPr><w:b/></w:rPr></w:tblStylePr></w:style>
"""


def level(depth: int, form: str, text: str, extra: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{text}"/>{extra}</w:lvl>'
    )


def numbering(*levels: str, lists: str = '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>') -> str:
    return f'<w:abstractNum w:abstractNumId="0">{"".join(levels)}</w:abstractNum>{lists}'


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return data.getvalue()


def word(body: str, uri: str = TRANSITIONAL, extra: Mapping[str, str | bytes] | None = None, **parts: str) -> bytes:
    """A Word file of XML strings; `parts`: the insides of styles, numbering, footnotes, endnotes."""
    spaces = (
        f'xmlns:w="{uri}" xmlns:m="{MATH}" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:wps="urn:wps"'
    )
    relations = "".join(f'<Relationship Id="{k}" Type="{OFFICE}/relationships/{k}" Target="{k}.xml"/>' for k in parts)
    top = (
        f'<Relationship Id="a" Type="{OFFICE}/relationships/officeDocument" Target="word/document.xml"/>'
        '<Relationship Id="b" Type="x/metadata/core-properties" Target="docProps/core.xml"/>'
        f'<Relationship Id="c" Type="{OFFICE}/relationships/custom-properties" Target="/docProps/custom.xml"/>'
    )
    files: dict[str, str | bytes] = {
        "_rels/.rels": f"<Relationships>{top}</Relationships>",
        "word/document.xml": f"<w:document {spaces}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": f"<Relationships>{relations}</Relationships>",
    }
    files |= {f"word/{kind}.xml": f"<w:{kind} {spaces}>{content}</w:{kind}>" for kind, content in parts.items()}
    return zipped(files | dict(extra or {}))


def p(*runs: str, style: str = "", more: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{more}</w:pPr>{''.join(runs)}</w:p>"


def r(words: str, looks: str = "") -> str:
    return f'<w:r><w:rPr>{looks}</w:rPr><w:t xml:space="preserve">{words}</w:t></w:r>'


def item(words: str, depth: int = 0, number: int = 1) -> str:
    return p(r(words), more=f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>')


def tc(*blocks: str, more: str = "") -> str:
    return f"<w:tc><w:tcPr>{more}</w:tcPr>{''.join(blocks)}</w:tc>"


def tr(*cells: str, more: str = "") -> str:
    inside = "".join(cell if cell.startswith("<") else tc(p(r(cell))) for cell in cells)
    return f"<w:tr><w:trPr>{more}</w:trPr>{inside}</w:tr>"


def tbl(*rows: str, more: str = "") -> str:
    return f"<w:tbl><w:tblPr>{more}</w:tblPr>{''.join(rows)}</w:tbl>"


def extracted(data: bytes) -> Extracted:
    (found,) = [part for part in load(data) if isinstance(part, Extracted)]
    return found


def text(body: str, **parts: str) -> str:
    return extracted(word(body, **parts)).text


def notes(data: bytes) -> list[str]:
    return [part.message for part in load(data) if isinstance(part, Note)]


def refusal(data: bytes) -> str:
    with pytest.raises(Unreadable) as error:
        list(load(data))
    return error.value.reason


def made(document: object) -> bytes:
    data = io.BytesIO()
    document.save(data)  # type: ignore[attr-defined]
    return data.getvalue()


def test_a_document_by_an_office_program_is_read() -> None:
    document = Document()
    document.add_heading("Amoxicillin", 0)
    document.add_heading("Dose", 1)
    document.add_paragraph("Take 500 mg.")
    document.add_paragraph("With food", style="List Bullet")
    document.add_paragraph("First", style="List Number")
    table = document.add_table(2, 2)
    for cell, words in zip(table._cells, ["Weight", "Dose", "50 kg", "25 mg"], strict=True):
        cell.paragraphs[0].add_run(words).bold = words in ("Weight", "Dose")
    found = extracted(made(document))
    assert found.text == (
        "Amoxicillin\n\nDose\n\nTake 500 mg.\n• With food\n1. First\n\nWeight | Dose\nWeight: 50 kg | Dose: 25 mg"
    )
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "Amoxicillin"), (2, "Dose")]
    assert found.title == "Amoxicillin"
    assert dict(found.metadata).keys() <= {"language"}


def test_strict_files_are_read_alike() -> None:
    body = p(r("Dose"), style="H1") + p(r("Take "), r("5 mg", "<w:b/>"))
    assert text(body, styles=STYLES) == extracted(word(body, STRICT, styles=STYLES)).text == "Dose\n\nTake 5 mg"


def test_headings_come_from_styles_what_they_are_based_on_and_outline_levels() -> None:
    body = (
        p(r("A"), style="H1")
        + p(r("B"), style="Mine")
        + p(r("C"), more='<w:outlineLvl w:val="2"/>')
        + p(r("D"), style="H1", more='<w:outlineLvl w:val="9"/>')
        + p(r("Long " * 100), style="H1")
    )
    found = extracted(word(body, styles=STYLES))
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "A"), (2, "B"), (3, "C")]


def test_bold_lines_are_headings_only_where_no_style_is() -> None:
    bold = p(r("What it is", "<w:b/>")) + p(r("A medicine.")) + p(r("Never take two.", "<w:b/>")) + p(r("End."))
    assert [heading.text for heading in extracted(word(bold)).headings] == ["What it is"]
    styled = bold + p(r("Dose"), style="H1")
    assert [heading.text for heading in extracted(word(styled, styles=STYLES)).headings] == ["Dose"]


def test_list_numbers_are_those_that_word_shows() -> None:
    levels = (level(0, "decimal", "%1."), level(1, "lowerLetter", "%2)"), level(2, "decimal", "%1.%3"))
    body = "".join([item("a"), item("b", 1), item("c", 1), item("d", 2), item("e"), item("f", 1), p(r("-")), item("g")])
    assert text(body, numbering=numbering(*levels)).split("\n") == (
        ["1. a", "  a) b", "  b) c", "    1.1 d", "2. e", "  a) f", "", "-", "3. g"]
    )


def test_a_list_starts_over_only_where_told() -> None:
    lists = "".join(
        f'<w:num w:numId="{n}"><w:abstractNumId w:val="0"/>{override}</w:num>'
        for n, override in (
            (1, ""),
            (2, ""),
            (3, '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride>'),
        )
    )
    body = "".join(item("x", number=number) for number in (1, 2, 3, 3, 1))
    shown = text(body, numbering=numbering(level(0, "upperRoman", "%1."), lists=lists))
    assert shown.split("\n") == ["I. x", "II. x", "VII. x", "VIII. x", "IX. x"]


def test_levels_restart_and_are_skipped_as_in_word() -> None:
    levels = (level(0, "decimal", "%1"), level(1, "decimal", "%1.%2", '<w:lvlRestart w:val="0"/>'))
    levels += (level(2, "decimal", "%1.%2.%3"),)
    body = "".join([item("a"), item("b", 1), item("c"), item("d", 1), item("e", 2), item("f", 1)])
    assert text(body, numbering=numbering(*levels)).split() == (
        ["1", "a", "1.1", "b", "2", "c", "2.2", "d", "2.2.1", "e", "2.3", "f"]
    )
    skipped = "".join([item("a"), item("b", 2), item("c", 1)])
    assert text(skipped, numbering=numbering(*levels)).split() == ["1", "a", "1.1.1", "b", "1.2", "c"]


@pytest.mark.parametrize(
    ("form", "shown"),
    [("upperLetter", "AB"), ("lowerRoman", "xxviii"), ("decimalZero", "28"), ("ordinal", "28th"), ("other", "28")],
)
def test_numerals(form: str, shown: str) -> None:
    expected = {"AB": "BB"}.get(shown, shown)
    assert archive.numeral(28, form) == expected
    assert archive.numeral(10**6, form).startswith("1000000")


def test_bullets_are_dots_unless_they_say_do_or_do_not() -> None:
    wingdings = '<w:rPr><w:rFonts w:ascii="Wingdings" w:hAnsi="Wingdings"/></w:rPr>'
    levels = (level(0, "bullet", "\uf0b7"), level(1, "bullet", "\uf0fb", wingdings), level(2, "none", ""))
    body = item("a") + item("drive", 1) + item("plain", 2)
    assert text(body, numbering=numbering(*levels)) == "• a\n  ✗ drive\n\nplain"


def test_numbers_come_from_styles_and_stand_before_headings() -> None:
    assert text(p(r("a"), style="L"), styles=STYLES, numbering=numbering(level(0, "decimal", "(%1)"))) == "(1) a"
    off = p(r("a"), style="L", more='<w:numPr><w:numId w:val="0"/></w:numPr>')
    assert text(off, styles=STYLES, numbering=numbering(level(0, "decimal", "(%1)"))) == "a"
    more = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
    heading = p(r("Dose"), style="H1", more=more)
    found = extracted(word(heading, styles=STYLES, numbering=numbering(level(0, "decimal", "%1."))))
    assert (found.text, found.headings[0].text) == ("1. Dose", "1. Dose")


def test_tables_name_their_heads_and_follow_their_spans() -> None:
    table = tbl(
        tr("Weight", tc(p(r("Dose")), more='<w:gridSpan w:val="2"/>'), more="<w:tblHeader/>"),
        tr("", "Adult", "Child", more="<w:tblHeader/>"),
        tr(tc(p(r("50 kg")), more='<w:vMerge w:val="restart"/>'), "5 mg", "2 mg"),
        tr(tc(p(), more="<w:vMerge/>"), "6 mg", "3 mg"),
        tr("1 g", more='<w:gridBefore w:val="2"/>'),
    )
    found = extracted(word(table))
    assert found.text.split("\n") == [
        "Weight | Dose Adult | Dose Child",
        "Weight: 50 kg | Dose Adult: 5 mg | Dose Child: 2 mg",
        "Weight: 50 kg | Dose Adult: 6 mg | Dose Child: 3 mg",
        "Dose Child: 1 g",
    ]
    assert [len(rows) for rows in found.tables] == [4]


def test_a_head_that_goes_on_below_takes_the_next_row_along() -> None:
    table = tbl(
        tr(tc(p(r("Weight")), more='<w:vMerge w:val="restart"/>'), "Dose", more="<w:tblHeader/>"),
        tr(tc(p(), more="<w:vMerge/>"), "in mg"),
        tr("50 kg", "5"),
    )
    assert text(table) == "Weight | Dose in mg\nWeight: 50 kg | Dose in mg: 5"


def test_the_style_of_a_table_may_set_its_head_in_bold() -> None:
    rows = tr("Name", "Use") + tr("Aspirin", "pain")
    look = '<w:tblStyle w:val="Grid"/><w:tblLook w:firstRow="{}"/>'
    assert text(tbl(rows, more=look.format(1)), styles=STYLES) == "Name | Use\nName: Aspirin | Use: pain"
    assert text(tbl(rows, more=look.format(0)), styles=STYLES) == "Name | Use\nAspirin | pain"
    known = '<w:tblStyle w:val="Grid"/><w:tblLook w:val="04A0"/>'
    assert text(tbl(rows, more=known), styles=STYLES) == "Name | Use\nName: Aspirin | Use: pain"


def test_a_cell_is_one_line_with_what_it_holds_in_order() -> None:
    inner = tbl(tr("a", "5 mg", "5 mg"), tr("c", "d"))
    table = tbl(tr("x", tc(p(r("First")), p(r("Second.")), inner, p())), tr("y", "z"))
    assert text(table) == "x | First; Second. a, 5 mg, 5 mg; c, d\ny | z"


def test_layout_tables_are_ordinary_blocks() -> None:
    one = tbl(tr(tc(p(r("Dose"), style="H1"), p(r("5 mg")))), tr("More"))
    assert text(one, styles=STYLES) == "Dose\n\n5 mg\n\nMore"
    row = tbl(tr(tc(p(r("Left")), p(r("below"))), "Right"))
    assert text(row) == "Left\n\nbelow\n\nRight"
    assert text(tbl(tr("Weight", "50 kg"))) == "Weight | 50 kg"


def test_long_text_is_not_repeated_for_the_rows_that_it_spans() -> None:
    long = "word " * 100
    first = tr(tc(p(r(long)), more='<w:vMerge w:val="restart"/>'), "1", "a")
    table = tbl(first, *[tr(tc(p(), more="<w:vMerge/>"), "2", "b")] * 50)
    assert text(table).count("word") == 100


def test_marks_within_a_run() -> None:
    run = (
        "<w:r><w:t>one</w:t><w:tab/><w:t>two</w:t><w:br/><w:t>anti</w:t><w:noBreakHyphen/><w:t>D</w:t>"
        "<w:softHyphen/><w:t>par\u00ada</w:t><w:lastRenderedPageBreak/></w:r>"
    )
    assert text(p(run)) == "one two\nanti-Dpara"


def test_blanks_count_only_where_they_are_kept() -> None:
    assert text("<w:p><w:r><w:t>1 </w:t></w:r><w:r><w:t>\n 0 mg</w:t></w:r></w:p>") == "10 mg"


def test_symbols_are_written_as_what_they_show() -> None:
    signs = [("Symbol", "F0B3"), ("Symbol", "F06D"), ("Symbol", "00B0"), ("Wingdings", "F0FC"), ("Wingdings 2", "F0A3")]
    body = p(*(f'<w:r><w:sym w:font="{font}" w:char="{code}"/></w:r>' for font, code in signs))
    assert text(body) == "≥µ°✓□"
    assert text(p(r("m", '<w:rFonts w:ascii="Symbol"/>'), r("g"))) == "µg"
    assert text(p(r("µ°", '<w:rFonts w:ascii="Symbol"/>'))) == "µ°"
    assert text(p(r("\uf0a3", '<w:rFonts w:hAnsi="Symbol"/>'), r("5"))) == "≤5"


def test_unknown_symbols_stay_visible_and_are_noted() -> None:
    data = word(p(r("5 "), '<w:r><w:sym w:font="Ours" w:char="F041"/></w:r>', r("\uf041 mg")))
    assert extracted(data).text == "5 \ufffd\ufffd mg"
    assert "2 symbols" in notes(data)[0]


def test_fields_links_controls_and_tags_give_their_words() -> None:
    field = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    code = "<w:r><w:instrText>IF 1 = 2 no</w:instrText></w:r>"
    inner = field.format("begin") + code + field.format("separate") + r("never") + field.format("end")
    complex_field = field.format("begin") + code + inner + field.format("separate") + r("yes ") + field.format("end")
    simple = f'<w:fldSimple w:instr="DATE">{r("today ")}</w:fldSimple>'
    link = f"<w:hyperlink>{r('link ')}</w:hyperlink><w:smartTag>{r('tag ')}</w:smartTag>"
    control = f"<w:sdt><w:sdtPr/><w:sdtContent>{r('☒ control')}</w:sdtContent></w:sdt>"
    empty = f"<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{r('Click')}</w:sdtContent></w:sdt>"
    assert text(p(complex_field, simple, link, control, empty)) == "yes today link tag ☒ control"
    assert text(p(field.format("begin"), code) + p(r("goes on"))) == "goes on"


@pytest.mark.parametrize(("box", "sign"), [("<w:default/>", "☒"), ('<w:checked w:val="0"/>', "☐"), ("", "☐")])
def test_boxes_to_tick(box: str, sign: str) -> None:
    begin = f'<w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox>{box}</w:checkBox></w:ffData></w:fldChar>'
    assert text(p(f'<w:r>{begin}</w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>', r(" Allergy"))) == f"{sign} Allergy"


def test_tracked_changes_are_read_as_accepted() -> None:
    deleted = "<w:del><w:r><w:delText>50</w:delText></w:r></w:del>"
    moved = f"<w:moveFrom>{r('away')}</w:moveFrom><w:moveTo>{r('here ')}</w:moveTo>"
    data = word(
        p(r("Take "), deleted, f"<w:ins>{r('5 ')}</w:ins>", moved) + tbl(tr("a", "b", more="<w:del/>"), tr("c", "d"))
    )
    assert extracted(data).text == "Take 5 here\n\nc | d"
    assert notes(data) == ["holds tracked changes: read as if all were accepted"]


def test_a_deleted_paragraph_end_joins_what_it_parted() -> None:
    assert text(p(r("Take 5 "), more="<w:rPr><w:del/></w:rPr>") + p(r("mg"))) == "Take 5 mg"
    assert text(p(r("Take 5"), more="<w:rPr><w:del/></w:rPr>")) == "Take 5"


def test_struck_and_hidden_words_are_left_out_and_counted() -> None:
    body = p(
        r("Take "),
        r("5", "<w:strike/>"),
        r("0 ", "<w:dstrike/>"),
        r("10 mg", '<w:strike w:val="0"/>'),
        r(" x", '<w:rStyle w:val="Gone"/>'),
        r(" twice", '<w:rStyle w:val="Loop"/>'),
        r("!", "<w:strike/>"),
    )
    data = word(body, styles=STYLES)
    assert extracted(data).text == "Take 10 mg twice"
    assert notes(data) == ["2 passages of struck-through text left out", "1 passage of hidden text left out"]


@pytest.mark.parametrize(
    ("words", "raised", "shown"),
    [
        ("10", "6", "10⁶"),
        ("10", "-3", "10⁻³"),
        ("m", "2", "m²"),
        ("2", "0.5", "2^(0.5)"),
        ("25 mg", "a", "25 mg^(a)"),
        ("1", "st", "1st"),
        ("Brand", "TM", "BrandTM"),
        ("10", "*", "10*"),
    ],
)
def test_raised_words_do_not_run_into_a_number(words: str, raised: str, shown: str) -> None:
    assert text(p(r(words), r(raised, '<w:vertAlign w:val="superscript"/>'))) == shown


def test_lowered_digits_are_plain_unless_a_digit_stands_beside_them() -> None:
    low = '<w:vertAlign w:val="subscript"/>'
    assert text(p(r("H"), r("2", low), r("O, log"), r("1", low), r("0", low), r("5"))) == "H2O, log₁₀5"


def test_notes_follow_what_refers_to_them() -> None:
    footnotes = (
        '<w:footnote w:id="0" w:type="separator"><w:p/></w:footnote>'
        f'<w:footnote w:id="2">{p("<w:r><w:footnoteRef/></w:r>", r(" Only adults."))}{p(r("Ask."))}</w:footnote>'
    )
    endnotes = f'<w:endnote w:id="2">{p(r("Source."))}</w:endnote>'
    first, last = '<w:r><w:footnoteReference w:id="2"/></w:r>', '<w:r><w:endnoteReference w:id="2"/></w:r>'
    body = p(r("Take 5 mg"), first, r(".")) + tbl(tr("a", tc(p(r("b"), last))), tr("c", "d")) + p(r("Again"), first)
    assert text(body, footnotes=footnotes, endnotes=endnotes) == (
        "Take 5 mg[1].\n\n[1] Only adults.\nAsk.\n\na | b[2]\nc | d\n\n[2] Source.\n\nAgain[1]"
    )


def test_text_boxes_follow_their_anchor_once() -> None:
    box = f"<w:txbxContent>{p(r('In the box'))}</w:txbxContent>"
    both = (
        f'<mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing></mc:Choice>'
        f"<mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent>"
    )
    assert text(p(r("Before "), f"<w:r>{both}</w:r>", r("after"))) == "Before after\n\nIn the box"
    old = f"<w:r><w:pict><v:textbox>{box}</v:textbox></w:pict></w:r>"
    assert text(p(r("Anchor"), old)) == "Anchor\n\nIn the box"


def m(words: str) -> str:
    return f"<m:r><m:t>{words}</m:t></m:r>"


@pytest.mark.parametrize(
    ("equation", "shown"),
    [
        (f"<m:f><m:num>{m('a+b')}</m:num><m:den>{m('2')}</m:den></m:f>", "(a+b)/2"),
        (f"{m('5')}<m:f><m:num>{m('1')}</m:num><m:den>{m('2')}</m:den></m:f>{m('h')}", "5 1/2 h"),
        (f"<m:f><m:num>{m('1')}</m:num><m:den>{m('2x')}</m:den></m:f>", "1/(2x)"),
        (f"<m:sSup><m:e>{m('10')}</m:e><m:sup>{m('-3')}</m:sup></m:sSup>", "10⁻³"),
        (f"<m:sSup><m:e>{m('2x')}</m:e><m:sup>{m('n+1')}</m:sup></m:sSup>", "(2x)^(n+1)"),
        (f"<m:sSub><m:e>{m('C')}</m:e><m:sub>{m('max')}</m:sub></m:sSub>", "C_(max)"),
        (f"<m:rad><m:deg>{m('3')}</m:deg><m:e>{m('x')}</m:e></m:rad>", "³√(x)"),
        (
            f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{m("i=1")}</m:sub><m:sup>{m("n")}</m:sup>'
            f"<m:e>{m('i')}</m:e></m:nary>",
            "∑_(i=1)^(n) i",
        ),
        (f'<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val="]"/></m:dPr><m:e>{m("x")}</m:e></m:d>', "[x]"),
        (f"<m:func><m:fName>{m('ln')}</m:fName><m:e>{m('x')}</m:e></m:func>", "ln x"),
        (f"<m:m><m:mr><m:e>{m('a')}</m:e><m:e>{m('b')}</m:e></m:mr><m:mr><m:e>{m('c')}</m:e></m:mr></m:m>", "a, b; c"),
        (m("5") + "<m:r><m:rPr/><w:rPr><w:strike/></w:rPr><m:t>0</m:t></m:r>", "5"),
        (f"<m:acc><m:e>{m('x')}</m:e></m:acc>", "x\u0302"),
    ],
)
def test_equations_stand_on_one_line(equation: str, shown: str) -> None:
    assert text(p(f"<m:oMath>{equation}</m:oMath>")) == shown


def test_lines_of_contents_and_what_is_not_the_main_text_are_left_out() -> None:
    contents = p("<w:r><w:t>Dose</w:t><w:tab/><w:t>12</w:t></w:r>", style="C")
    comment = '<w:r><w:commentReference w:id="0"/></w:r>'
    assert text(contents + p(r("Body"), comment), styles=STYLES) == "Body"


def test_what_is_not_read_or_run_is_noted() -> None:
    data = word(p(r("x")) + '<w:altChunk r:id="rId1" xmlns:r="urn:r"/>', extra={"word/vbaProject.bin": b"\0"})
    assert notes(data) == [
        "1 other document inserted in this one left out: load them as files of their own",
        "holds macros: they were not run",
    ]


def test_metadata_comes_from_the_properties() -> None:
    core = (
        '<c:coreProperties xmlns:c="urn:c" xmlns:dc="urn:dc" xmlns:t="urn:t"><dc:title> Asthma  plan </dc:title>'
        "<dc:creator>Dr A</dc:creator><t:created>2024-02-03T10:00:00Z</t:created><t:modified>soon</t:modified>"
        "<c:version>3</c:version><dc:language>en-GB</dc:language></c:coreProperties>"
    )
    custom = "".join(
        f'<property name="{name}"><v>{value}</v></property>'
        for name, value in (("Next Review Date", "2027-01-01"), ("reviewed", "x"), ("Licence", "CC0"), ("Other", "y"))
    )
    extra = {"docProps/core.xml": core, "docProps/custom.xml": f"<Properties>{custom}</Properties>"}
    found = extracted(word(p(r("Title"), style="T"), extra=extra, styles=STYLES))
    assert found.title == "Asthma plan"
    assert dict(found.metadata) == {
        "author": "Dr A",
        "created": "2024-02-03",
        "version": "3",
        "language": "en-GB",
        "next_review": "2027-01-01",
        "licence": "CC0",
    }


@pytest.mark.parametrize("title", ["Word Document", "Microsoft Word - x.doc", "Document1", "leaflet.docx", " "])
def test_what_a_program_filled_in_is_no_title(title: str) -> None:
    core = f'<c xmlns:dc="urn:dc"><dc:title>{title}</dc:title></c>'
    found = extracted(word(p(r("Asthma"), style="T"), extra={"docProps/core.xml": core}, styles=STYLES))
    assert found.title == "Asthma"
    assert dict(found.metadata) == {"language": "de-CH"}


@pytest.mark.parametrize(("day", "key"), [("2024-01-01", "reviewed"), ("2026-01-01", "next_review")])
def test_a_review_date_is_the_next_one_if_it_was_to_come_when_the_file_was_saved(day: str, key: str) -> None:
    found = archive.metadata({"modified": "2025-01-01T00:00:00Z"}, {"Review date": day})
    assert found == {"modified": "2025-01-01", key: day}


# Refusals

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (OLE, "an old Office file: save it as .docx"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "password-protected"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html><p>", "a web page"),
        (b"plain words", "not a Word or OpenDocument file"),
        (word(p(r("words")))[:300], "damaged or cut short"),
        (zipped({"xl/workbook.xml": "<x/>"}), "an Excel workbook"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), r"an OpenDocument text \(.odt\)"),
        (zipped({"a.txt": "words"}), "a zip archive"),
        (word("")[:-1], "damaged or cut short"),
    ],
)
def test_what_is_no_word_document_is_refused_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        list(load(data))


def test_missing_and_wrong_main_parts_are_refused() -> None:
    top = '<Relationships><Relationship Type="x/officeDocument" Target="{}"/></Relationships>'
    assert (
        refusal(zipped({"_rels/.rels": top.format("word/document.xml")}))
        == "not a Word document (.docx), but a zip archive"
    )
    wrong = {"_rels/.rels": top.format("word/document.xml"), "word/document.xml": "<document/>"}
    assert refusal(zipped(wrong)) == "damaged: it has no main part"
    other = {"_rels/.rels": top.format("xl/workbook.xml"), "xl/workbook.xml": "<workbook/>"}
    assert "an Excel workbook" in refusal(zipped(other))


def test_damaged_xml_is_refused() -> None:
    for part in ("word/document.xml", "docProps/core.xml"):
        assert f"damaged XML in {part}" in refusal(word(p(r("x")), extra={part: "<a><b></a>"}))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("doctype", ["<!DOCTYPE a>", '<!DOCTYPE a SYSTEM "file:///etc/passwd">'])
def test_document_types_are_refused(doctype: str, encoding: str) -> None:
    part = f"{doctype}<a/>".encode(encoding)
    assert "document type declaration" in refusal(word("", extra={"word/document.xml": part}))


def test_entities_never_expand() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><a b="&e11;">&e11;</a>'
    assert "word/document.xml" in refusal(word("", extra={"word/document.xml": bomb}))


def test_deeply_nested_xml_is_refused() -> None:
    assert "damaged XML" in refusal(word("<w:sdt>" * 5000 + "</w:sdt>" * 5000))
    table = p(r("x"))
    for _ in range(20):
        table = tbl(tr(tc(table)))
    assert refusal(word(table)) == "tables or text boxes are nested too deeply"
    equation = "<m:e>" * 200 + "</m:e>" * 200
    assert text(p(f"<m:oMath>{equation}</m:oMath>", r("x"))) == "x"


def test_tables_of_absurd_width_are_refused() -> None:
    assert "columns" in refusal(word(tbl(tr(*["x"] * 300))))
    wide = tbl(tr(tc(p(r("x")), more='<w:gridSpan w:val="999999999"/>'), "y"))
    assert "columns" in refusal(word(wide))


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    assert "unpacks to 60 MB" in refusal(word("", extra={"a": b"\0" * (60 * 2**20)}))
    assert "parts" in refusal(zipped({str(number): "" for number in range(6000)}))


def test_a_lie_about_the_size_is_refused() -> None:
    data = bytearray(word("", extra={"word/document.xml": b"<a>" + b" " * 10_000_000 + b"</a>"}))
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"word/document.xml"))
    data[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    assert "damaged" in refusal(bytes(data))


def test_encrypted_entries_are_refused() -> None:
    data = bytearray(word(p(r("x"))))
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1
    assert refusal(bytes(data)) == "password-protected: save it without a password"


def test_any_damage_is_refused_or_harmless() -> None:
    whole = word(p(r("Take 5 mg")), styles=STYLES)
    for at in range(0, len(whole), 7):
        for damaged in (whole[:at], whole[:at] + b"\xff\xff" + whole[at + 2 :]):
            with suppress(Unreadable):
                list(load(damaged))


def test_pictures_without_text_need_ocr() -> None:
    picture = '<w:r><w:drawing><a:blip xmlns:a="urn:a"/></w:drawing></w:r>'
    assert refusal(word(p(picture))) == "needs OCR: it holds pictures and no text"
    assert text(p(picture, r("x"))) == "x"


def test_names_that_climb_out_of_the_folder_are_harmless() -> None:
    assert extracted(word(p(r("x")), extra={"../../etc/passwd": "y"})).text == "x"
