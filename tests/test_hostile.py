"""Files made to do harm: each is read or refused with a reason, in bounded time and memory, and the rest goes on."""

from __future__ import annotations

import io
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pytest
from docx import Document as WordDocument
from reportlab.lib import pdfencrypt
from reportlab.pdfgen.canvas import Canvas

from bot.config import CorpusRules
from bot.corpus import read_corpus
from bot.loaders import LOADERS, Extracted, Note, Unreadable, printable
from bot.loaders.isolated import Limits, Reader

MB = 2**20
WORDS = "Take one tablet of 25 mg in the morning, never two."
BY_A_LIMIT = ("takes too long", "needs too much memory", "breaks the program")

Bytes = bytes | Iterator[bytes]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(Limits(seconds=120, megabytes=1024)) as opened:
        yield opened


def outcome(reader: Reader, suffix: str, data: bytes) -> str:
    """A file's text, or why it is refused: by the loader itself, not because a limit was met or a process died."""
    try:
        found = reader.load(suffix, data)
    except Unreadable as error:
        found = [error]
    said = [each.text if isinstance(each, Extracted) else each.reason for each in found if not isinstance(each, Note)]
    assert not [reason for reason in said if reason.startswith(BY_A_LIMIT)]
    reasons = [each.reason for each in found if isinstance(each, Unreadable)]
    assert not [reason for reason in reasons if not printable(reason) or len(reason) > 300]
    return "\n".join(said) or "empty"


# Sound files, to be spoilt


def zipped(parts: Mapping[str, Bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            with archive.open(zipfile.ZipInfo(name) if name == "mimetype" else name, "w", force_zip64=True) as part:
                for piece in [content] if isinstance(content, bytes) else content:
                    part.write(piece)
    return file.getvalue()


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
ODF = " ".join(f'xmlns:{name}="{OFFICE}:{name}:1.0"' for name in ("office", "text", "table", "style"))
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = f"""<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="{RELATION}/officeDocument" Target="word/document.xml"/></Relationships>"""
OF_THE_DOCUMENT = f"""<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="{RELATION}/styles" Target="styles.xml"/>
<Relationship Id="r2" Type="{RELATION}/numbering" Target="numbering.xml"/>
<Relationship Id="r3" Type="{RELATION}/footnotes" Target="footnotes.xml"/></Relationships>"""
TYPES = """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/word/document.xml"
 ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""


def docx(body: Bytes | str, before: str = "", more: Mapping[str, bytes] | None = None, **parts: Bytes | str) -> bytes:
    """`before`: a document type declaration. A body that is no str is the whole part. `parts` by their names' stems,
    `more` by their whole names."""
    if isinstance(body, str):
        body = f'<?xml version="1.0"?>{before}<w:document {W}><w:body>{body}</w:body></w:document>'.encode()
    about = {"[Content_Types].xml": TYPES, "_rels/.rels": RELATIONS, "word/_rels/document.xml.rels": OF_THE_DOCUMENT}
    others = {f"word/{name}.xml": part for name, part in parts.items()}
    everything = about | {"word/document.xml": body} | others | (more or {})
    return zipped({name: part.encode() if isinstance(part, str) else part for name, part in everything.items()})


def odt(body: Bytes | str, before: str = "", styles: str = "") -> bytes:
    if isinstance(body, str):
        body = (
            f'<?xml version="1.0"?>{before}<office:document-content {ODF}><office:automatic-styles>{styles}'
            f"</office:automatic-styles><office:body><office:text>{body}</office:text></office:body>"
            "</office:document-content>"
        ).encode()
    return zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": body})


def paragraph(words: str, about: str = "") -> str:
    return f"<w:p><w:pPr>{about}</w:pPr><w:r><w:t>{words}</w:t></w:r></w:p>"


def pdf(*objects: bytes | str, root: int = 1, trailer: str = "") -> bytes:
    """Objects from number 1 on, with their table."""
    file = io.BytesIO()
    file.write(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, content if isinstance(content, bytes) else content.encode()))
    table = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    file.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    file.write(f"trailer << /Size {len(objects) + 1} /Root {root} 0 R {trailer} >>\nstartxref\n{table}\n%%EOF".encode())
    return file.getvalue()


def stream(content: bytes, about: str = "") -> bytes:
    return f"<< /Length {len(content)} {about} >>\nstream\n".encode() + content + b"\nendstream"


def page(content: bytes | str, *more: bytes | str, about: str = "", catalog: str = "") -> bytes:
    """A file of one page. Its objects: 1 catalog, 2 pages, 3 page, 4 font, 5 the content, from 6 on `more`."""
    body = content if isinstance(content, bytes) else stream(content.encode())
    return pdf(
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R {about or FONT} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        body,
        *more,
    )


FONT = "/Resources << /Font << /F 4 0 R >> >>"
SHOWN = f"BT /F 12 Tf 50 700 Td ({WORDS}) Tj ET"


def canvas(words: str = WORDS, **options: object) -> bytes:
    file = io.BytesIO()
    drawn = Canvas(file, **options)
    drawn.drawString(50, 700, words)
    drawn.save()
    return file.getvalue()


def word(words: str = WORDS) -> bytes:
    file = io.BytesIO()
    document = WordDocument()
    document.add_heading("Before your visit", 1)
    document.add_paragraph(words)
    table = document.add_table(2, 3)
    for cell, said in zip(table._cells, ("Weight", "Dose", "Route", "50 kg", "25 mg", "by mouth"), strict=True):
        cell.text = said
    document.save(file)
    return file.getvalue()


def sound(words: str = WORDS) -> dict[str, bytes]:
    return {
        ".txt": words.encode(),
        ".md": f"# Before your visit\n\n{words}\n".encode(),
        ".jsonl": b'{"_id": "1", "text": "%s"}\n' % words.encode(),
        ".html": f"<!doctype html><title>Visit</title><h1>Before</h1><p>{words}</p>".encode(),
        ".xhtml": f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{words}</body></html>'.encode(),
        ".docx": word(words),
        ".odt": odt(f"<text:p>{words}</text:p>"),
        ".pdf": canvas(words),
    }


@pytest.mark.parametrize("suffix", sound())
def test_a_sound_file_is_read(reader: Reader, suffix: str) -> None:
    assert WORDS in outcome(reader, suffix, sound()[suffix])


def test_the_files_built_here_are_sound(reader: Reader) -> None:
    assert outcome(reader, ".docx", docx(paragraph(WORDS))) == WORDS
    assert outcome(reader, ".pdf", page(SHOWN)) == WORDS


# Archives


def zeros(megabytes: int) -> Iterator[bytes]:
    return (bytes(16 * MB) for _ in range(megabytes // 16))


@pytest.mark.parametrize("suffix", [".docx", ".odt"])
def test_a_part_of_a_gigabyte_is_refused(reader: Reader, suffix: str) -> None:
    data = {".docx": docx, ".odt": odt}[suffix](zeros(1024))
    assert "too large: it unpacks to 1,024 MB" in outcome(reader, suffix, data)


@pytest.mark.parametrize("declared", [1, 1000, 2**32 - 2])
def test_a_part_that_lies_about_its_size_is_refused(reader: Reader, declared: int) -> None:
    honest = docx(zeros(160))
    for suffix, data in ((".docx", honest), (".odt", odt(zeros(160)))):
        lying = data.replace(struct.pack("<I", 160 * MB), struct.pack("<I", declared))
        assert lying != data
        assert outcome(reader, suffix, lying).startswith(("damaged", "too large"))


def test_many_parts_that_are_large_together_are_refused(reader: Reader) -> None:
    data = docx(paragraph(WORDS), **{f"header{number}": zeros(48) for number in range(8)})
    assert "too large" in outcome(reader, ".docx", data)


def test_parts_that_share_their_bytes_are_refused(reader: Reader) -> None:
    """One packed part that many names point at: small, and large once it is unpacked."""
    data = docx(zeros(48))
    directory = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    record = data[data.rindex(b"PK\x01\x02") : end]
    records = b"".join(record.replace(b"word/document", b"word/d%07d" % n) for n in range(100))
    count = data.count(b"PK\x01\x02") + 100
    tail = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, end - directory + len(records), directory, 0)
    assert "too large" in outcome(reader, ".docx", data[:end] + records + tail)


def test_an_archive_within_an_archive_is_not_opened(reader: Reader) -> None:
    inner = b"x"
    for depth in range(100):
        inner = zipped({f"{depth}.docx": inner})
    text = outcome(reader, ".docx", docx(paragraph(WORDS), more={"word/embeddings/inner.docx": inner}))
    assert text == WORDS
    assert outcome(reader, ".docx", inner).endswith("but a zip archive")


def test_a_hundred_thousand_parts_are_refused(reader: Reader) -> None:
    data = docx(paragraph(WORDS), more={f"x/{number}": b"" for number in range(100_000)})
    assert outcome(reader, ".docx", data) == "holds more than 5,000 parts"


def test_names_that_lead_out_of_an_archive_lead_nowhere(reader: Reader, tmp_path: Path) -> None:
    outside = tmp_path / "outside.xml"
    data = docx(paragraph(WORDS), more={f"../../../../..{outside}": b"written", "a\\..\\b": b"", "/etc/passwd": b""})
    assert outcome(reader, ".docx", data) == WORDS
    assert not outside.exists()


@pytest.mark.parametrize("suffix", [".docx", ".odt"])
def test_an_archive_with_a_password_is_refused(reader: Reader, suffix: str) -> None:
    data = bytearray(sound()[suffix])
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # the flag of an encrypted part
    assert "password" in outcome(reader, suffix, bytes(data))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le"), "password"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "old Office file"),
    ],
)
def test_other_office_files_are_refused(reader: Reader, content: bytes, reason: str) -> None:
    for suffix in LOADERS:
        refused = outcome(reader, suffix, content)
        assert reason in refused or "binary" in refused or "whatever its name says" in refused or "not JSON" in refused


# XML


def laughs(depth: int = 10, width: int = 10) -> str:
    """Entities that expand to `width` to the power of `depth` words."""
    lines = ['<!ENTITY l0 "ha">']
    lines += [f'<!ENTITY l{n} "{f"&l{n - 1};" * width}">' for n in range(1, depth + 1)]
    return f"<!DOCTYPE x [{''.join(lines)}]>"


def blowup() -> str:
    return f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]>'


def parameters() -> str:
    lines = ['<!ENTITY % p0 "ha">', *(f'<!ENTITY % p{n} "{f"&#37;p{n - 1};" * 10}">' for n in range(1, 12)), "%p11;"]
    return f"<!DOCTYPE x [{''.join(lines)}]>"


LONG = "x" * 1000


def attribute_defaults() -> str:
    defaults = (f"a{n} CDATA '{LONG}'" for n in range(1000))
    return f"<!DOCTYPE x [<!ATTLIST w:p {' '.join(defaults)}>]>"


XML = {
    ".docx": lambda words, before="": docx(paragraph(words), before),
    ".odt": lambda words, before="": odt(f"<text:p>{words}</text:p>", before),
    ".xhtml": lambda words, before="": (
        f'<?xml version="1.0"?>{before}<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{words}</p></body></html>'
    ).encode(),
}


@pytest.mark.parametrize("suffix", XML)
@pytest.mark.parametrize(
    ("before", "words"),
    [(laughs(), "&l10;"), (laughs(3, 5), "&l3;"), (blowup(), "&a;" * 100_000), (parameters(), "x")],
    ids=["a billion laughs", "a few laughs", "quadratic", "parameters"],
)
def test_entities_are_not_expanded(reader: Reader, suffix: str, before: str, words: str) -> None:
    text = outcome(reader, suffix, XML[suffix](f"Dose {words}", before))
    assert "haha" not in text
    assert "a" * 1000 not in text
    assert suffix == ".xhtml" or "document type declaration" in text or "damaged XML" in text


def test_attributes_that_a_document_type_adds_are_refused(reader: Reader) -> None:
    data = docx(paragraph("x") * 10_000, attribute_defaults())
    assert "damaged XML" in (text := outcome(reader, ".docx", data)) or "document type declaration" in text


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Takes connections; there shall be none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text("SECRET-OF-THE-CLINIC")
    return path


@pytest.mark.parametrize("suffix", XML)
@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x SYSTEM "{uri}">',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "{uri}">]>',
        '<!DOCTYPE x [<!ENTITY e PUBLIC "-//W3C//TEXT x//" "{uri}">]>',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "{uri}"> %p;]>',
        '<?xml-stylesheet type="text/xsl" href="{uri}"?>',
    ],
)
def test_what_an_xml_file_refers_to_is_not_fetched(
    reader: Reader, listening: socket.socket, secret: Path, suffix: str, declaration: str
) -> None:
    web = f"http://127.0.0.1:{listening.getsockname()[1]}/x.dtd"
    for uri in (web, secret.as_uri(), str(secret)):
        for words in ("Dose &e; 5 mg", "Dose 5 mg"):
            assert "SECRET" not in outcome(reader, suffix, XML[suffix](words, declaration.format(uri=uri)))
        include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{uri}" parse="text"/>'
        assert "SECRET" not in outcome(reader, suffix, XML[suffix](f"Dose {include}"))


def test_what_a_word_file_refers_to_is_not_fetched(reader: Reader, listening: socket.socket, secret: Path) -> None:
    for uri in (f"http://127.0.0.1:{listening.getsockname()[1]}/x", secret.as_uri()):
        kinds = ("attachedTemplate", "image", "footnotes", "styles", "header", "aFChunk", "subDocument")
        relations = "".join(
            f'<Relationship Id="r{n}" Type="{RELATION}/{kind}" Target="{uri}" TargetMode="External"/>'
            for n, kind in enumerate(kinds)
        )
        whole = f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}'
        used = "".join(f'<w:altChunk r:id="r{n}" xmlns:r="{RELATION}"/>' for n in range(len(kinds)))
        about = {"word/_rels/document.xml.rels": f"{whole}</Relationships>".encode()}
        assert "SECRET" not in outcome(reader, ".docx", docx(paragraph(WORDS) + used, more=about))


@pytest.mark.parametrize("suffix", [".html", ".xhtml", ".md"])
def test_what_a_page_refers_to_is_not_fetched(
    reader: Reader, listening: socket.socket, secret: Path, suffix: str
) -> None:
    for uri in (f"http://127.0.0.1:{listening.getsockname()[1]}/x", secret.as_uri()):
        source = f"""<!doctype html><html manifest="{uri}"><head><base href="{uri}"><link rel=stylesheet href="{uri}">
        <meta http-equiv=refresh content="0;url={uri}"><script src="{uri}"></script>
        <style>@import url({uri})</style></head><body onload="fetch('{uri}')"><p>{WORDS}</p><img src="{uri}">
        <iframe src="{uri}"></iframe><object data="{uri}"></object><embed src="{uri}"><link rel=import href="{uri}">
        <svg><use href="{uri}"/></svg><video src="{uri}" poster="{uri}"></video></body></html>"""
        text = outcome(reader, suffix, source.encode())
        assert WORDS in text
        assert "SECRET" not in text


def test_what_a_pdf_refers_to_is_neither_fetched_nor_run(
    reader: Reader, listening: socket.socket, secret: Path
) -> None:
    for uri in (f"http://127.0.0.1:{listening.getsockname()[1]}/x", str(secret)):
        outside = stream(b"", f"/F << /FS /URL /F ({uri}) >>")
        actions = f"""<< /S /URI /URI ({uri}) /Next [<< /S /Launch /F ({uri}) >> << /S /GoToR /F ({uri}) /D [0 /Fit] >>
        << /S /SubmitForm /F ({uri}) >> << /S /ImportData /F ({uri}) >>
        << /S /JavaScript /JS (app.launchURL\\("{uri}"\\);) >>] >>"""
        pages = page(stream(SHOWN.encode()), outside, actions, catalog="/OpenAction 7 0 R /AA << /WC 7 0 R >>")
        assert outcome(reader, ".pdf", pages) == WORDS
        shown = page(outside)
        assert "SECRET" not in outcome(reader, ".pdf", shown)


# Word and OpenDocument


def nested_tables(depth: int) -> str:
    return "<w:tbl><w:tr><w:tc>" * depth + paragraph(WORDS) + "</w:tc></w:tr></w:tbl>" * depth


def word_table(cells: str, rows: int) -> str:
    return f"<w:tbl>{f'<w:tr>{cells}</w:tr>' * rows}</w:tbl>"


def numbering(kind: str, start: int) -> str:
    level = f'<w:lvl w:ilvl="0"><w:start w:val="{start}"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="%1."/></w:lvl>'
    return (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="0">{level}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )


IN_A_LIST = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
CELL = "<w:tc><w:tcPr>{about}</w:tcPr>" + paragraph("{words}") + "</w:tc>"
A_STYLE = '<w:style w:type="paragraph" w:styleId="{id}"><w:basedOn w:val="{base}"/></w:style>'

WORD_FILES = {
    "no body": lambda: docx(f"<w:document {W}/>".encode()),
    "a long name of a space": lambda: docx(f"<w:document {W} xmlns:b='{'y z' * 2000}'/>".encode()),
    "empty parts": lambda: docx(paragraph(WORDS), styles="", numbering="", footnotes=""),
    "parts that are no XML": lambda: docx(paragraph(WORDS), styles="\0", numbering="<a", footnotes="<a></b>"),
    "30,000 paragraphs": lambda: docx(paragraph("x") * 30_000),
    "30 MB in a word": lambda: docx(paragraph("x" * 30 * MB)),
    "200,000 runs": lambda: docx(f"<w:p>{'<w:r><w:t>x</w:t></w:r>' * 200_000}</w:p>"),
    "200,000 nested elements": lambda: docx("<w:p>" * 200_000 + "</w:p>" * 200_000),
    "80 nested tables": lambda: docx(nested_tables(80)),
    "9 nested tables of four": lambda: docx(
        "<w:tbl><w:tr>" + ("<w:tc>" + nested_tables(8) + paragraph("x") + "</w:tc>") * 4 + "</w:tr></w:tbl>"
    ),
    "a cell across 10⁹ columns": lambda: docx(
        word_table(CELL.format(about='<w:gridSpan w:val="1000000000"/>', words=WORDS), 3)
    ),
    "a cell across -1 columns": lambda: docx(
        word_table(CELL.format(about='<w:gridSpan w:val="-1"/>', words="x") * 2, 3)
    ),
    "200 columns, 100 rows, long heads": lambda: docx(
        "<w:tbl>"
        + f"<w:tr><w:trPr><w:tblHeader/></w:trPr>{CELL.format(about='', words='y' * 190) * 200}</w:tr>"
        + f"<w:tr>{CELL.format(about='', words='x') * 200}</w:tr>" * 100
        + "</w:tbl>"
    ),
    "100 columns before each row": lambda: docx(
        word_table('<w:trPr><w:gridBefore w:val="1000000000"/></w:trPr>' + CELL.format(about="", words="x"), 3)
    ),
    "a style based on itself": lambda: docx(
        paragraph(WORDS, '<w:pStyle w:val="a"/>'),
        styles=f"<w:styles {W}>{A_STYLE.format(id='a', base='b')}{A_STYLE.format(id='b', base='a')}</w:styles>",
    ),
    "10,000 styles in a row": lambda: docx(
        paragraph(WORDS, '<w:pStyle w:val="s0"/>') * 100,
        styles=f"<w:styles {W}>"
        + "".join(A_STYLE.format(id=f"s{n}", base=f"s{n + 1}") for n in range(10_000))
        + "</w:styles>",
    ),
    "a footnote in itself": lambda: docx(
        paragraph(WORDS) + '<w:p><w:r><w:t>x</w:t><w:footnoteReference w:id="2"/></w:r></w:p>',
        footnotes=f'<w:footnotes {W}><w:footnote w:id="2"><w:p><w:r><w:t>y</w:t><w:footnoteReference w:id="2"/></w:r>'
        "</w:p></w:footnote></w:footnotes>",
    ),
    "20,000 references to a long footnote": lambda: docx(
        '<w:p><w:r><w:t>x</w:t><w:footnoteReference w:id="2"/></w:r></w:p>' * 20_000,
        footnotes=f'<w:footnotes {W}><w:footnote w:id="2">{paragraph("y" * 100_000)}</w:footnote></w:footnotes>',
    ),
    **{
        f"a list that starts at {start} in {kind}": lambda kind=kind, start=start: docx(
            paragraph(WORDS, IN_A_LIST), numbering=numbering(kind, start)
        )
        for kind, start in product(
            ("decimal", "upperRoman", "lowerLetter", "ordinal", "chicago", "decimalZero", "none", "?"),
            (-1, 0, 10**9, 10**30),
        )
    },
    "numbers that are none": lambda: docx(
        paragraph(WORDS, '<w:outlineLvl w:val="x"/><w:numPr><w:ilvl w:val="99999"/><w:numId w:val="9e9"/></w:numPr>')
        + word_table(CELL.format(about='<w:gridSpan w:val="²"/>', words=WORDS), 2)
    ),
}


@pytest.mark.parametrize("name", WORD_FILES)
def test_a_word_file_made_to_do_harm_is_read_or_refused(reader: Reader, name: str) -> None:
    assert outcome(reader, ".docx", WORD_FILES[name]())


def test_a_macro_is_not_run(reader: Reader) -> None:
    macro = 'Sub AutoOpen()\nShell "touch /tmp/run"\nEnd Sub'.encode("utf-16-le")
    data = docx(paragraph(WORDS), more={"word/vbaProject.bin": macro, "word/vbaData.xml": macro})
    assert outcome(reader, ".docx", data) == WORDS


ODT_TABLE = "<table:table>{}</table:table>"
ODT_CELL = "<table:table-cell {about}><text:p>x</text:p></table:table-cell>"
ODT_ROW = "<table:table-row {about}>" + ODT_CELL.format(about="") * 2 + "</table:table-row>"
ODT_LIST = '<text:list text:style-name="L"><text:list-item {about}><text:p>x</text:p></text:list-item></text:list>'

ODT_FILES = {
    "no body": lambda: odt(f"<office:document-content {ODF}/>".encode()),
    "10⁹ spaces": lambda: odt(f'<text:p>{WORDS}<text:s text:c="1000000000"/>x</text:p>'),
    "many spaces many times": lambda: odt("<text:p>" + '<text:s text:c="100000"/>' * 100_000 + "x</text:p>"),
    "spaces that are no number": lambda: odt(f'<text:p>{WORDS}<text:s text:c="x"/><text:s text:c="-5"/></text:p>'),
    "10⁹ equal rows": lambda: odt(ODT_TABLE.format(ODT_ROW.format(about='table:number-rows-repeated="1000000000"'))),
    "10⁹ equal cells": lambda: odt(
        ODT_TABLE.format(
            "<table:table-row>"
            + ODT_CELL.format(about='table:number-columns-repeated="1000000000"')
            + "</table:table-row>"
        )
    ),
    "cells across everything": lambda: odt(
        ODT_TABLE.format(
            "<table:table-row>"
            + ODT_CELL.format(about='table:number-columns-spanned="1000000000" table:number-rows-spanned="1000000000"')
            + "</table:table-row>"
        )
    ),
    "repeated rows of repeated cells": lambda: odt(
        ODT_TABLE.format(
            '<table:table-row table:number-rows-repeated="1000">'
            + ODT_CELL.format(about='table:number-columns-repeated="200"')
            + "</table:table-row>"
        )
        * 50
    ),
    "80 nested tables": lambda: odt(
        "<table:table><table:table-row><table:table-cell>" * 80
        + "<text:p>x</text:p>"
        + "</table:table-cell></table:table-row></table:table>" * 80
    ),
    "120 nested lists": lambda: odt(
        "<text:list><text:list-item>" * 120 + "<text:p>x</text:p>" + "</text:list-item></text:list>" * 120
    ),
    "200 nested spans": lambda: odt(f"<text:p>{'<text:span>' * 200}{WORDS}{'</text:span>' * 200}</text:p>"),
    "a style that is its own parent": lambda: odt(
        '<text:p text:style-name="a">x</text:p><text:h text:style-name="b" text:outline-level="1000000000">y</text:h>',
        styles='<style:style style:name="a" style:parent-style-name="b" style:family="paragraph"/>'
        '<style:style style:name="b" style:parent-style-name="a" style:family="paragraph"/>',
    ),
    "notes in each other": lambda: odt(
        "<text:p>x"
        + "<text:note><text:note-body><text:p>y" * 40
        + "</text:p></text:note-body></text:note>" * 40
        + "</text:p>"
    ),
    **{
        f"a list that starts at {start} in {kind}": lambda kind=kind, start=start: odt(
            ODT_LIST.format(about=f'text:start-value="{start}"'),
            styles='<text:list-style style:name="L"><text:list-level-style-number text:level="1" '
            f'style:num-format="{kind}" style:num-suffix="." text:start-value="{start}"/></text:list-style>',
        )
        for kind, start in product(("1", "i", "a", "", "?"), (-1, 0, 10**9, 10**30, "x"))
    },
}


@pytest.mark.parametrize("name", ODT_FILES)
def test_an_opendocument_file_made_to_do_harm_is_read_or_refused(reader: Reader, name: str) -> None:
    assert outcome(reader, ".odt", ODT_FILES[name]())


# Web pages and plain texts

PAGES = {
    **{
        f"200,000 nested {tag}": lambda tag=tag: f"<{tag}>" * 200_000 + WORDS
        for tag in ("div", "b", "table", "ul><li", "a", "font", "svg", "math", "select", "template", "blockquote", "x")
    },
    "200,000 closed ones": lambda: "<div>" * 200_000 + WORDS + "</div>" * 200_000,
    "50,000 misnested ones": lambda: "<b><p></b>" * 50_000 + WORDS,
    "200,000 wrong ends": lambda: "</p></b></div>" * 200_000 + WORDS,
    "misnested formats in tables": lambda: "<table><b><i><a>" * 30_000 + WORDS,
    "a cell across 10⁹ columns": lambda: f"<table><tr><td colspan=1000000000>{WORDS}<td rowspan=1000000000>x</table>",
    "cells across many columns and rows": lambda: (
        f"<table>{('<tr>' + '<td colspan=1000 rowspan=65534>x' * 200) * 200}</table>{WORDS}"
    ),
    "20,000 cells in a row": lambda: f"<table><tr>{'<td>x' * 20_000}</table>{WORDS}",
    "20,000 rows with long heads": lambda: (
        f"<table><tr><th>{LONG * 5}<th>{LONG * 5}{'<tr><td>1<td>2' * 20_000}</table>{WORDS}"
    ),
    "50 tables in each other": lambda: "<table><tr><td>" * 50 + WORDS,
    "a list from 10⁹ in Roman numerals": lambda: f"<ol type=I start=1000000000><li>{WORDS}</ol>",
    "a list from 10⁹ in letters": lambda: f"<ol type=a start=999999999><li value=-5>x<li>{WORDS}</ol>",
    "a list from a number too large": lambda: f"<ol start={'9' * 5000}><li>{WORDS}</ol>",
    "a list from no number": lambda: f"<ol start=²><li value='１２'>{WORDS}</ol><table><td colspan=²>x</table>",
    "an attribute of 20 MB": lambda: f'<p title="{"x" * 20 * MB}">{WORDS}</p>',
    "an attribute without its end": lambda: f'<p>{WORDS}</p><p title="{"x" * 5 * MB}',
    "100,000 attributes": lambda: f"<p {' '.join(f'a{n}=x' for n in range(100_000))}>{WORDS}</p>",
    "100,000 classes": lambda: f'<p class="{" ".join(f"menu{n}" for n in range(100_000))}">{WORDS}</p>',
    "a tag's name of 5 MB": lambda: f"<{'x' * 5 * MB}>{WORDS}",
    "comments without their end": lambda: f"<p>{WORDS}</p>{'<!--' * 500_000}",
    "sections without their end": lambda: f"<p>{WORDS}</p>{'<![CDATA[<?' * 300_000}",
    "scripts without their end": lambda: f"<p>{WORDS}</p>{'<script>' * 300_000}",
    "signs alone": lambda: WORDS + "<" * 2_000_000,
    "slashes alone": lambda: WORDS + "</" * 1_000_000,
    "bangs alone": lambda: WORDS + "<!" * 1_000_000,
    "amps alone": lambda: WORDS + "&" * 2_000_000,
    "entities without their end": lambda: WORDS + "&am" * 700_000,
    "characters that are none": lambda: f"<p>{WORDS}</p>&#0; &#x110000; &#xD800; &#99999999999999; &NotANumber;",
    "white space": lambda: WORDS + " \n" * 500_000 + "x",
    "no white space": lambda: f"<p>{'x' * 20 * MB}</p>{WORDS}",
    "50,000 paragraphs": lambda: "<p>x" * 50_000 + WORDS,
    "50,000 breaks": lambda: "<br>" * 50_000 + WORDS,
    "60,000 headings": lambda: "<h1>Dose</h1><h6>x</h6>" * 30_000 + WORDS,
    "metadata without an end": lambda: f"{'<meta name=dc.title content=x>' * 100_000}<p>{WORDS}",
    "facts nested too deeply": lambda: f'<script type="application/ld+json">{"[" * 200_000}</script><p>{WORDS}',
    "declared as UTF-7": lambda: f"<meta charset=utf-7><p>{WORDS}+ADw-script+AD4-",
    "declared as Python's escapes": lambda: f"<meta charset=unicode_escape><p>{WORDS}\\x41",
    "declared as base64": lambda: f"<meta charset=base64><p>{WORDS}",
    "declared as itself": lambda: f'<meta charset="{"x" * 100_000}"><p>{WORDS}',
}


REFUSED_PAGES = ("its elements are nested too deeply", "an element with too many attributes", "no text")


@pytest.mark.parametrize("suffix", [".html", ".md"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_to_do_harm_is_read_or_refused(reader: Reader, name: str, suffix: str) -> None:
    text = outcome(reader, suffix, PAGES[name]().encode())
    assert WORDS in text or text in REFUSED_PAGES


PLAIN = {
    "one line": lambda: "word " * 4_000_000,
    "no line": lambda: "x" * 20 * MB,
    "empty lines": lambda: "\n" * 1_000_000,
    "mixed breaks": lambda: "x\r\r\n\n" * 30_000,
    "short lines": lambda: "Dose\n\n" * 30_000,
    "quotes in quotes": lambda: "> " * 100_000 + "x",
    "lines of quotes in quotes": lambda: (">" * 500 + "x\n") * 5_000,
    "lists in lists": lambda: "- " * 100_000 + "x",
    "lists in lists, line by line": lambda: "\n".join(" " * 2 * n + "- x" for n in range(3_000)),
    "brackets": lambda: "[" * 1_000_000,
    "links": lambda: "[a](" * 200_000 + "\n\n" + "![[](" * 200_000,
    "stars": lambda: "*a_ " * 500_000,
    "backticks": lambda: "".join("`" * n + " " for n in range(2_000)),
    "references": lambda: "".join(f"[{n}]: x\n" for n in range(50_000)) + "[1]" * 50_000,
    "tables": lambda: "|" * 1_000_000 + "\n" + "|-" * 500_000 + "\n" + "|" * 1_000_000,
    "underlines": lambda: "a\n-\n" * 50_000,
    "front matter without an end": lambda: "---\n" + "a: b\n" * 50_000,
    "front matter of aliases": lambda: (
        "---\na0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 12)) + "---\n\nDose"
    ),
    "front matter nested too deeply": lambda: f"---\ntitle: {'[' * 50_000}\n---\n\nDose 5 mg",
    "front matter that names a class": lambda: '---\ntitle: !!python/object/apply:os.system ["x"]\n---\n\nDose 5 mg',
    "fences": lambda: "```\n" * 50_000,
    "comments": lambda: "<!-- " * 500_000,
    "records": lambda: '{"_id": "a", "text": "x"}\n' * 10_000,
    "a record nested too deeply": lambda: '{"text": ' + "[" * 500_000,
    "a record of a large number": lambda: '{"text": "x", "_id": ' + "9" * 500_000 + "}",
}


@pytest.mark.parametrize("suffix", [".txt", ".md", ".jsonl"])
@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_text_made_to_do_harm_is_read_or_refused(reader: Reader, name: str, suffix: str) -> None:
    assert outcome(reader, suffix, PLAIN[name]().encode())


# PDF


@pytest.mark.parametrize("strength", [40, 128])
def test_a_pdf_with_a_password_is_refused(reader: Reader, strength: int) -> None:
    data = canvas(encrypt=pdfencrypt.StandardEncryption("secret", "owner", strength=strength))
    assert outcome(reader, ".pdf", data) == "password-protected: save it without a password"


def test_a_pdf_that_only_its_owner_may_change_is_read(reader: Reader) -> None:
    data = canvas(encrypt=pdfencrypt.StandardEncryption("", "owner", canModify=0, strength=128))
    assert outcome(reader, ".pdf", data) == WORDS


def tree(kids: str, count: object = 1, *more: str) -> bytes:
    return pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R {FONT} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        stream(SHOWN.encode()),
        *more,
    )


def forms(depth: int, width: int) -> bytes:
    """A page that shows a form that shows `width` forms that show as many … `depth` deep."""
    resources = "/Resources << /XObject << /X {} 0 R >> /Font << /F 4 0 R >> >>"
    more = [
        stream(b"/X Do " * width, f"/Type /XObject /Subtype /Form /BBox [0 0 600 800] {resources.format(7 + n)}")
        for n in range(depth)
    ]
    last = stream(SHOWN.encode(), f"/Type /XObject /Subtype /Form /BBox [0 0 600 800] {FONT}")
    return page("/X Do", *more, last, about=resources.format(6))


def packed(content: bytes | Iterator[bytes], times: int = 1) -> bytes:
    for _ in range(times):
        packing = zlib.compressobj()
        pieces = [content] if isinstance(content, bytes) else content
        content = b"".join([packing.compress(piece) for piece in pieces]) + packing.flush()
    assert isinstance(content, bytes)
    return stream(content, f"/Filter [{'/FlateDecode ' * times}]")


def cmap(ranges: str) -> tuple[str, bytes]:
    """The resources of a font with a table from its codes to characters, object 6, and the table, object 7."""
    table = f"/CIDInit /ProcSet findresource begin begincmap {ranges} endcmap end"
    return (
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 7 0 R >>",
        stream(table.encode()),
    )


PDFS = {
    "a page tree that is its own branch": lambda: tree("2 0 R 3 0 R", 5),
    "page trees in each other": lambda: tree(
        "6 0 R", 9, "<< /Type /Pages /Kids [7 0 R] /Count 9 >>", "<< /Type /Pages /Kids [6 0 R 3 0 R] /Count 9 >>"
    ),
    "2,000 page trees in a row": lambda: tree(
        "6 0 R", 1, *(f"<< /Type /Pages /Kids [{7 + n} 0 R] /Count 1 >>" for n in range(2_000)), "<< /Type /Page >>"
    ),
    "a page many times": lambda: tree("3 0 R " * 1000, 1000),
    "10⁹ pages by its word": lambda: tree("3 0 R", 10**9),
    "more pages than numbers": lambda: tree("3 0 R", 10**30),
    "fewer pages than none": lambda: tree("3 0 R", -5),
    "100,000 pages": lambda: tree(
        " ".join(f"{n + 6} 0 R" for n in range(100_000)), 100_000, *["<< /Type /Page /Parent 2 0 R >>"] * 100_000
    ),
    "no pages": lambda: pdf("<< /Type /Catalog >>"),
    "no catalog": lambda: pdf("null"),
    "a catalog that is not there": lambda: pdf("<< >>", root=99),
    "a table that comes before itself": lambda: page(SHOWN).replace(b"/Root", b"/Prev 9 /Root"),
    "100,000 nested arrays": lambda: page(SHOWN, "[" * 100_000 + "]" * 100_000, catalog="/X 6 0 R"),
    "100,000 nested arrays in the catalog": lambda: page(SHOWN, catalog="/X " + "[" * 100_000 + "]" * 100_000),
    "100,000 nested dictionaries": lambda: page(SHOWN, catalog="/X " + "<< /X " * 100_000 + ">> " * 100_000),
    "100,000 nested arrays shown": lambda: page("[" * 100_000 + SHOWN),
    "a reference to itself": lambda: page("", "6 0 R", about="/Contents 6 0 R /Resources 6 0 R"),
    "references in a ring": lambda: page(SHOWN, "7 0 R", "6 0 R", about="/Rotate 6 0 R /Resources 7 0 R"),
    "content of a length that is itself": lambda: page(b"<< /Length 5 0 R >>\nstream\nBT ET\nendstream"),
    "content longer than the file": lambda: page(f"<< /Length 4000000000 >>\nstream\n{SHOWN}\nendstream".encode()),
    "content many times": lambda: page(SHOWN, about=f"/Contents [{'5 0 R ' * 2_000}] {FONT}"),
    "200 MB of zeros": lambda: page(packed(zeros(208))),
    "208 MB of zeros, packed twice": lambda: page(packed(zeros(208), 2)),
    "packed 200 times": lambda: page(packed(SHOWN.encode(), 200)),
    "unknown ways to pack": lambda: page(stream(SHOWN.encode(), "/Filter [/LZWDecode /JBIG2Decode /Crypt /DCTDecode]")),
    "a form in itself": lambda: page(
        "/X Do",
        stream(b"/X Do", "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>"),
        about="/Resources << /XObject << /X 6 0 R >> >>",
    ),
    "a form 5,000 times": lambda: forms(1, 5_000),
    "a million saved states": lambda: page("q " * 1_000_000 + SHOWN),
    "no size": lambda: page(SHOWN, about=f"/MediaBox [0 0 0 0] {FONT}"),
    "a size below zero": lambda: page(SHOWN, about=f"/MediaBox [600 800 -600 -800] /CropBox [5 5 5 5] {FONT}"),
    "a size beyond measure": lambda: page(SHOWN, about=f"/MediaBox [0 0 1e38 1e38] /UserUnit 1e38 {FONT}"),
    "a size that is no number": lambda: page(SHOWN, about=f"/MediaBox [(a) /b null 1e999] /Rotate (x) {FONT}"),
    "turned by 45 degrees": lambda: page(SHOWN, about=f"/Rotate 45 {FONT}"),
    "letters without a height": lambda: page(f"BT /F 0 Tf 50 700 Td ({WORDS}) Tj ET"),
    "letters beyond measure": lambda: page(f"BT /F 1e38 Tf 1e38 0 0 1e38 1e38 1e38 Tm ({WORDS}) Tj ET"),
    "letters upside down": lambda: page(f"BT /F -12 Tf -1 0 0 -1 300 300 Tm ({WORDS}) Tj ET"),
    "letters askew": lambda: page("".join(f"BT /F 12 Tf .7 .7 -.7 .7 {n} 300 Tm (Dose) Tj ET " for n in range(500))),
    "letters on one spot": lambda: page(f"BT /F 12 Tf 50 700 Td {'(Dose 5 mg) Tj 0 0 Td ' * 20_000} ET"),
    "a line of 300,000 letters": lambda: page(f"BT /F 1 Tf 50 700 Td ({'dose ' * 60_000}) Tj ET"),
    "20,000 lines": lambda: page(
        "BT /F 1 Tf " + "".join(f"1 0 0 1 50 {800 - n * 0.035:.3f} Tm (Dose {n} mg) Tj " for n in range(20_000)) + "ET"
    ),
    "50,000 words scattered": lambda: page(
        "BT /F 5 Tf "
        + "".join(f"1 0 0 1 {n * 7919 % 600} {n * 104729 % 800} Tm (w{n}) Tj " for n in range(50_000))
        + "ET"
    ),
    "5,000 rows of three": lambda: page(
        "BT /F 1 Tf "
        + "".join(f"1 0 0 1 {x} {800 - n * 0.16:.2f} Tm (c{n}) Tj " for n, x in product(range(5_000), (50, 250, 450)))
        + "ET"
    ),
    "a table of all characters": lambda: page(
        "BT /G 12 Tf 50 700 Td (Dose) Tj ET",
        *cmap(
            "1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <00000000> <ffffffff> <0000> endbfrange"
        ),
        about="/Resources << /Font << /G 6 0 R >> >>",
    ),
    "letters that are half of a pair": lambda: page(
        "BT /G 12 Tf 50 700 Td (Dose DDD) Tj ET",
        *cmap("2 beginbfchar <44> <D83D> <6f> <0000> endbfchar"),
        about="/Resources << /Font << /G 6 0 R >> >>",
    ),
    "facts that are no text": lambda: page(SHOWN, "<< /Title [1 2] /Author 6 0 R /ModDate (D:99999999) >>").replace(
        b"/Root", b"/Info 6 0 R /Root"
    ),
    "a title that is half of a pair": lambda: page(SHOWN, "<< /Title <FEFF00410042D83D> >>").replace(
        b"/Root", b"/Info 6 0 R /Root"
    ),
    "a title of 10 MB": lambda: page(SHOWN, f"<< /Title ({'x' * 10 * MB}) >>").replace(b"/Root", b"/Info 6 0 R /Root"),
}


@pytest.mark.parametrize("name", PDFS)
def test_a_pdf_made_to_do_harm_is_read_or_refused(reader: Reader, name: str) -> None:
    assert outcome(reader, ".pdf", PDFS[name]())


ENDLESS = {
    "10¹² forms": lambda: forms(12, 10),
    "1 GB of zeros, packed twice": lambda: page(packed(zeros(1024), 2)),
    "300,000 marks in each other": lambda: page("/P BMC " * 300_000 + SHOWN),
    "a letter of 100,000 letters": lambda: page(
        f"BT /G 12 Tf 50 700 Td ({'D' * 200}) Tj ET",
        *cmap(f"1 beginbfchar <44> <{'0041' * 100_000}> endbfchar"),
        about="/Resources << /Font << /G 6 0 R >> >>",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_pdf_is_ended_at_a_limit(name: str) -> None:
    with Reader(Limits(seconds=5, megabytes=512)) as strict:
        with pytest.raises(Unreadable):
            strict.load(".pdf", ENDLESS[name]())
        assert strict.load(".txt", b"Dose") == [Extracted("Dose")]


# Damaged files, wrong names and whole folders


@pytest.mark.parametrize("suffix", sound())
def test_a_file_cut_short_anywhere_is_read_or_refused(reader: Reader, suffix: str) -> None:
    whole = sound()[suffix]
    for length in {*range(1, len(whole), max(1, len(whole) // 60)), *range(len(whole) - 30, len(whole))}:
        outcome(reader, suffix, whole[:length])


@pytest.mark.parametrize(("suffix", "other"), list(product(LOADERS, sound())))
def test_a_file_under_a_wrong_name_is_read_or_refused(reader: Reader, suffix: str, other: str) -> None:
    said = outcome(reader, suffix, sound()[other])
    if other in (".docx", ".odt", ".pdf") and suffix != other:
        assert WORDS not in said
        assert said


NAMES = [
    *(
        "-rf.txt",
        "--help.txt",
        "a..txt",
        "a\\..\\..\\up.txt",
        "~root.txt",
        "$(id).txt",
        "%s%n.txt",
        "con.txt",
        "a;b|c.txt",
    ),
    *(
        "e\u0301.txt",
        "é.txt",
        "\U0001f48a.txt",
        "x" * 251 + ".txt",
        "<b>.txt",
        "'\".txt",
    ),
]
REFUSED_NAMES = [
    "a\nb.txt",
    "a\rb.txt",
    "\x1b[2J.txt",
    "a\tb.txt",
    "a\x7f.txt",
    "a\x85b.txt",
    "a\u2028b.txt",
    "\u202egnp.txt",
    "a\u2066b.txt",
    b"\xff.txt",
]


def test_a_corpus_of_odd_names_is_read(tmp_path: Path) -> None:
    for number, name in enumerate([*NAMES, *REFUSED_NAMES]):
        (tmp_path / os.fsdecode(name)).write_text(f"{WORDS} Number {number}.")
    corpus = read_corpus(tmp_path, CorpusRules())
    assert {document.id for document in corpus.documents} == set(NAMES)
    assert len(corpus.skipped) == len(REFUSED_NAMES)
    assert all("its name holds control characters" in skipped.reason for skipped in corpus.skipped)
    assert all(printable(skipped.path) for skipped in corpus.skipped)


def test_hostile_files_do_not_keep_a_corpus_from_being_read(tmp_path: Path) -> None:
    hostile = {
        "bomb.docx": docx(zeros(160)),
        "laughs.docx": XML[".docx"]("&l10;", laughs()),
        "laughs.odt": XML[".odt"]("&l10;", laughs()),
        "password.pdf": canvas(encrypt=pdfencrypt.StandardEncryption("secret", "owner")),
        "endless.pdf": forms(12, 10),
        "cut.pdf": canvas()[:300],
        "deep.html": ("<x>" * 200_000).encode(),
        "wrong.txt": word(),
        "nothing.pdf": b"",
    }
    for name, data in hostile.items():
        (tmp_path / name).write_bytes(data)
    for suffix in sound():
        (tmp_path / f"sound{suffix}").write_bytes(sound(f"{WORDS} This is {suffix}.")[suffix])
    corpus = read_corpus(tmp_path, CorpusRules(max_seconds=20))
    read = {document.source for document in corpus.documents}
    assert {skipped.path for skipped in corpus.skipped} == set(hostile)
    assert all(skipped.reason for skipped in corpus.skipped)
    assert read == {f"sound{suffix}" for suffix in sound()}
