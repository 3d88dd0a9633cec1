"""HTML: the main content of a page as blocks, and nothing that the page hides, struck out or only navigates with."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.loaders import LOADERS, Extracted, Note, Unreadable

PROSE = "Take one tablet each morning with a glass of water, and do not take a second one if you forget. " * 3
PIECES = st.sampled_from(
    [
        *("<p>", "</p>", "<div>", "</div>", "<ul>", "<li>", "</ul>", "<ol start=3>", "<table>", "<tr>", "<td>", "<th>"),
        *("</table>", "<dl>", "<dt>", "<dd>", "</dl>", "<h1>", "</h1>", "<h2>", "<pre>", "</pre>", "<sup>", "</sup>"),
        *(
            "<sub>",
            "<br>",
            "<hr>",
            "<s>",
            "</s>",
            "<nav>",
            "<main>",
            "<thead>",
            "<td colspan=3 rowspan=9>",
            "<caption>",
        ),
        *("10", "<q>", "</q>", "dose", " ", "\n", "&nbsp;", "<b>", "</b>", "<a href=x>", "</a>", "<svg>", "<template>"),
        *(
            "<button>",
            "<input type=checkbox>",
            "<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>",
            "<header>",
            "<aside>",
        ),
    ]
)


def load(source: str | bytes) -> list[Extracted | Unreadable | Note]:
    return list(LOADERS[".html"](source.encode() if isinstance(source, str) else source))


def only(source: str | bytes) -> Extracted:
    (extracted,) = load(source)
    assert isinstance(extracted, Extracted)
    return extracted


def text(source: str | bytes) -> str:
    return only(source).text


def refusal(source: str | bytes) -> str:
    with pytest.raises(Unreadable) as raised:
        load(source)
    return raised.value.reason


# Encoding


@pytest.mark.parametrize(
    ("declaration", "codec"),
    [
        ('<meta charset="iso-8859-1">', "cp1252"),
        ("<META CHARSET=Windows-1252>", "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">', "iso8859-2"),
        ('<?xml version="1.0" encoding="windows-1250"?>', "cp1250"),
        ("<meta charset=shift_jis>", "cp932"),
        ("<meta charset=utf-8>", "utf-8"),
        ("<meta charset=iso-8859-1>", "utf-8"),  # declared wrongly, as is often the case
        ("<meta charset=utf-8>", "utf-16"),
        ("", "utf-8-sig"),
    ],
)
def test_the_declared_encoding_is_read_unless_the_bytes_speak_against_it(declaration: str, codec: str) -> None:
    words = "副作用" if codec == "cp932" else "Ä Dose: 25 é" if codec == "iso8859-2" else "Ä Dose: 25 µg"
    assert text(f"{declaration}<p>{words}</p>".encode(codec)) == words


def test_latin_1_means_windows_1252_as_in_browsers() -> None:
    assert text("<meta charset=latin1><p>“10 mg” – €5</p>".encode("cp1252")) == "“10 mg” – €5"


@pytest.mark.parametrize("name", ["unicode_escape", "rot13", "idna", "utf-7", "nonsense", "hex"])
def test_an_encoding_that_is_none_for_pages_is_not_believed(name: str) -> None:
    assert text(f"<meta charset={name}><p>C:\\new \\x41 +AGE-</p>") == "C:\\new \\x41 +AGE-"


def test_a_guessed_encoding_is_noted() -> None:
    note, extracted = load("<p>Dose: 25 µg</p>".encode("cp1252"))
    assert isinstance(note, Note)
    assert "windows-1252" in note.message
    assert isinstance(extracted, Extracted)
    assert extracted.text == "Dose: 25 µg"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7 <p>x</p>", "binary (PDF)"),
        (b"PK\x03\x04 <meta charset=utf-8>", "binary (ZIP"),
        (b"<p>a\0\0\0\0</p>", "binary"),
        (b"", "no text"),
        (b"<html><body><img src=x></body></html>", "no text"),
        (b"<script>alert(1)</script>", "no text"),
    ],
)
def test_what_is_no_page_is_refused(data: bytes, reason: str) -> None:
    assert reason in refusal(data)


# Blocks


def test_headings_paragraphs_and_breaks() -> None:
    extracted = only(
        "<h1>A <em>leaf</em>let</h1><p>One<br>two\n three</p>four<hr>five<div role=heading aria-level=3>Six</div>7"
    )
    assert extracted.text == "A leaflet\n\nOne\ntwo three\n\nfour\n\nfive\n\nSix\n\n7"
    assert [(h.level, h.text, h.start) for h in extracted.headings] == [(1, "A leaflet", 0), (3, "Six", 38)]


def test_white_space() -> None:
    assert text("<p> a \n <b> b</b>c&nbsp;mg di&shy;a<wbr>betes </p>") == "a bc\u00a0mg diabetes"
    blank = "<p>a</p><p>&nbsp;</p><h2>&nbsp;b</h2>&nbsp;<table><tr><td>c<td>&nbsp;<td>d</table>"
    assert text(blank) == "a\n\nb\n\nc |  | d"
    assert text("<pre>\n a\n   b<br>c  \n</pre>") == " a\n   b\nc"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("10<sup>6</sup> cells", "10⁶ cells"),
        ("10<sup>-6</sup>", "10⁻⁶"),
        ("10<sup>x+1</sup>", "10^(x+1)"),
        ("10<sup>6–8</sup>", "10^(6–8)"),
        ("mg/m<sup>2</sup>", "mg/m²"),
        ("on the 1<sup>st</sup> day", "on the 1st day"),
        ("Ca<sup>2+</sup>", "Ca²⁺"),
        ("aspirin<sup>1,2</sup>", "aspirin¹,²"),
        ("5<sup>1,2</sup> mg", "5^(1,2) mg"),
        ("5 mg<sup>a</sup>", "5 mgᵃ"),
        ('5<sup><a href="#r">[2]</a></sup>', "5[2]"),
        ("Brand<sup>TM</sup>", "BrandTM"),
        ("H<sub>2</sub>O and B<sub>12</sub>", "H2O and B12"),
        ("log<sub>10</sub>5", "log₁₀5"),
        ("5<sub>2</sub>", "5₂"),
        ("<sup>1</sup>/<sub>2</sub> tablet", "¹/₂ tablet"),
        ("<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math> tablet", "1/2 tablet"),
        ("<math><mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mn>2</mn></mfrac></math>", "(a+1)/2"),
        ("<math><msup><mn>10</mn><mn>6</mn></msup></math>", "10⁶"),
        ("she said <q>no</q>", "she said “no”"),
    ],
)
def test_what_is_raised_or_lowered_cannot_be_read_as_another_number(source: str, expected: str) -> None:
    assert text(f"<p>{source}</p>") == expected
    assert text(f"<table><tr><th>a<th>b<tr><td>x<td>{source}</table>") == f"a | b\na: x | b: {expected}"


@pytest.mark.parametrize("struck", ["<del>50</del>", "<s>50</s>", "<strike>50</strike>"])
def test_struck_text_is_left_out_and_noted(struck: str) -> None:
    note, extracted = load(f"<p>Take {struck} <ins>25</ins> mg</p><p>{struck}</p>")
    assert isinstance(note, Note)
    assert "2 times" in note.message
    assert isinstance(extracted, Extracted)
    assert extracted.text == "Take 25 mg"


def test_text_struck_by_a_style_is_left_out_too() -> None:
    assert load('<p>a <span style="text-decoration: line-through">b</span> c</p>')[1] == Extracted("a c")


# Lists


def test_lists_nest() -> None:
    assert text("<ul><li>a<ul><li>b<ol><li>c</ol></ul><li>d</ul>") == "• a\n  • b\n    1. c\n• d"


@pytest.mark.parametrize(
    ("attributes", "marks"),
    [
        ("", ["1.", "2.", "7.", "8."]),
        ("start=0", ["0.", "1.", "7.", "8."]),
        ("start=-1", ["-1.", "0.", "7.", "8."]),
        ("type=a start=26", ["z.", "aa.", "g.", "h."]),
        ("type=I", ["I.", "II.", "VII.", "VIII."]),
        ('style="list-style-type: lower-roman"', ["i.", "ii.", "vii.", "viii."]),
        ("reversed", ["4.", "3.", "7.", "6."]),
        ("start=no", ["1.", "2.", "7.", "8."]),
    ],
)
def test_items_are_numbered_as_shown(attributes: str, marks: list[str]) -> None:
    lines = text(f"<ol {attributes}><li>x<li>x<li value=7>x<li>x</ol>").splitlines()
    assert lines == [f"{mark} x" for mark in marks]


def test_an_item_of_several_blocks_has_one_mark() -> None:
    assert text("<ol><li><p>a</p><p>b</p><li><h3>c</h3><p>d</p></ol>") == "1. a\n\nb\n\n2. c\n\nd"


def test_a_definition_keeps_its_terms() -> None:
    source = "<dl><dt>Dose<dd>5 mg<dd>10 mg<dt>A<dt>B:<dd><p>x</p><p>y</p><dt>Why?<dd>So.<dt>alone</dl>"
    assert text(source) == "• Dose: 5 mg\n• Dose: 10 mg\n• A, B: x\n\ny\n• Why? So.\n• alone"


def test_a_term_too_long_to_repeat_is_written_once() -> None:
    term = "long " * 200
    assert text(f"<dl><dt>{term}<dd>a<dd>b</dl>").count("long") == 200


# Tables


def test_rows_name_their_heads() -> None:
    source = "<table><caption>Doses</caption><thead><tr><th>Weight<th>Dose</thead>"
    source += "<tr><th>50 kg<td>25 mg<tr><td>60 kg<td></table>"
    extracted = only(source)
    assert extracted.text == "Doses\n\nWeight | Dose\nWeight: 50 kg | Dose: 25 mg\nWeight: 60 kg"
    assert [[extracted.text[start:end] for start, end in rows] for rows in extracted.tables] == [
        ["Weight | Dose", "Weight: 50 kg | Dose: 25 mg", "Weight: 60 kg"]
    ]


def test_cells_that_span() -> None:
    source = """<table><tr><th rowspan=2>Drug<th colspan=2>Dose<tr><th>adult<th>child
        <tr><td rowspan=2>A<td>1<td>2<tr><td colspan=2>3<tr><td colspan=3>Others<tr><td>B<td>4<td>5</table>"""
    assert text(source).splitlines() == [
        "Drug | Dose adult | Dose child",
        "Drug: A | Dose adult: 1 | Dose child: 2",
        "Drug: A | Dose adult, Dose child: 3",
        "Others",
        "Drug: B | Dose adult: 4 | Dose child: 5",
    ]


def test_heads_further_down_name_the_columns_anew() -> None:
    source = "<table><tr><th colspan=2>Title<tr><th>a<th>b<tr><td>1<td>2<tr><th>c<th>d<tr><td>3<td>4</table>"
    assert text(source) == "Title\n\na | b\na: 1 | b: 2\n\nc | d\nc: 3 | d: 4"


def test_a_first_row_in_bold_names_the_columns() -> None:
    assert text("<table><tr><td><b>a</b><td><strong>b</strong><tr><td>1<td>2</table>") == "a | b\na: 1 | b: 2"


def test_heads_of_rows_are_their_first_cells() -> None:
    assert text("<table><tr><th>Name<td>A<tr><th>Dose<td>5 mg</table>") == "Name | A\nDose | 5 mg"


@pytest.mark.parametrize(
    "table",
    [
        "<table role=presentation><tr><td>a<td>b</table>",
        "<table><tr><td>a<tr><td>b</table>",
        "<table><tr><td>a<td><table><tr><td>b</table></table>",
        f"<table><tr><td>a<td>{PROSE * 5}</table>",
    ],
)
def test_a_table_for_the_looks_is_read_block_by_block(table: str) -> None:
    extracted = only(table)
    assert not extracted.tables
    assert extracted.text.startswith("a\n\n")


def test_a_heading_in_a_table_for_the_looks_is_a_heading() -> None:
    assert [heading.text for heading in only("<table><tr><td><h2>a</h2>text<td>b</table>").headings] == ["a"]


# What is content


@pytest.mark.parametrize(
    "part",
    [
        "<nav><a href=x>STRAY</a> of the menu</nav>",
        "<footer>STRAY ©</footer>",
        "<script>STRAY</script><style>STRAY</style><noscript>STRAY</noscript><template>STRAY</template>",
        "<iframe>STRAY</iframe><svg><text>STRAY</text></svg><canvas>STRAY</canvas><video>STRAY</video>",
        "<audio>STRAY</audio><dialog open>STRAY</dialog><menu><li>STRAY</menu><button>STRAY</button>",
        "<select><option>STRAY</select><textarea>STRAY</textarea>",
        "<p hidden>STRAY</p><p aria-hidden=true>STRAY</p>",
        '<p style="display: none">STRAY</p><p style="color:red;visibility:hidden">STRAY</p>',
        "<div role=navigation>STRAY</div><div role=search>STRAY</div><div role=alertdialog>STRAY</div>",
        "<header><a href=/>STRAY</a> <a href=x>STRAY</a></header>",
        "<div id=cookie-banner>STRAY We use cookies. <a href=x>Settings</a></div>",
        '<div class="consent-manager">STRAY This site sets a Cookie.</div>',
        "<div id=onetrust-consent-sdk>STRAY cookies</div>",
        '<ul class="social-links"><li><a href=x>STRAY</a></ul>',
        '<div class="related-articles"><a href=x>STRAY one</a> <a href=y>STRAY two</a></div>',
        "<div class=newsletter-signup>STRAY <input type=email></div>",
        '<ol class="breadcrumb"><li><a href=x>STRAY</a></ol>',
        '<div class="adsbygoogle">STRAY</div><div class="advert">STRAY</div>',
        "<div id=comments><p>STRAY remark that somebody made</p></div>",
        "<a href=#main>Skip to STRAY</a>",
        '<div class="pagination"><a href=x>STRAY</a></div>',
        "<aside><a href=x>STRAY</a></aside>",
        '<span class="mw-editsection">[<a href=x>STRAY</a>]</span>',
        '<div class="navbox">STRAY</div><div class="hatnote">STRAY</div>',
        "<ul><li><a href=x>STRAY</a><li><a href=y>STRAY</a></ul>",
    ],
)
def test_what_is_no_content_is_left_out(part: str) -> None:
    assert text(f"<body>{part}<h1>Dose</h1><p>{PROSE}</p></body>") == f"Dose\n\n{PROSE.strip()}"


@pytest.mark.parametrize(
    "part",
    [
        '<section id="consent"><h2>KEPT</h2><p>You give your consent before the operation.</p></section>',
        '<p class="social-care">KEPT social care helps you at home.</p>',
        '<p class="menu">KEPT The menu of the ward.</p>',
        '<p id="skip-dose">KEPT Do not skip a dose.</p>',
        '<p class="more">KEPT Call 111.</p>',
        "<aside>KEPT Do not drive.</aside>",
        "<header>KEPT Pain Clinic, 1 High Street</header>",
        "<form><fieldset><legend>KEPT</legend><label>I have asthma</label><input></fieldset></form>",
        "<details><summary>KEPT</summary>More.</details>",
        "<figure><img src=x><figcaption>KEPT</figcaption></figure>",
        "<h2><button>KEPT</button></h2>",
        "<button aria-controls=p>x</button><div id=p hidden>KEPT</div>",
        "<p class=visually-hidden>KEPT</p>",
        "<p>I agree to cookies: KEPT</p>",
        "<ul><li><a href=x>KEPT</a><li><a href=y>a leaflet</a></ul>",
    ],
)
def test_what_may_be_content_stays(part: str) -> None:
    assert "KEPT" in text(f"<body><h1>Dose</h1>{part}<p>{PROSE}</p></body>")


def test_main_is_the_content_and_the_heading_above_it_goes_along() -> None:
    page = (
        f"<body><header><h1>Dose</h1><nav>menu</nav></header><p>stray</p><main><p>{PROSE}</p></main><p>stray</p></body>"
    )
    assert text(page) == f"Dose\n\n{PROSE.strip()}"


def test_a_main_without_the_text_is_not_believed() -> None:
    assert PROSE.strip() in text(f"<main>Loading</main><div><p>{PROSE}</p></div>")


def test_all_articles_of_a_page_are_content() -> None:
    assert text(f"<article><p>A {PROSE}</p></article><article><p>B {PROSE}</p></article>").count(PROSE.strip()) == 2


def test_text_beside_an_article_stays_unless_it_is_little() -> None:
    assert "Do not drive" in text(f"<article>{PROSE}</article><p>Do not drive {'at all ' * 20}</p>")


def test_a_page_of_links_keeps_them() -> None:
    assert text("<ul class=nav><li><a href=x>Leaflet</a></ul>") == "• Leaflet"


def test_a_page_saved_under_a_dialog_is_read() -> None:
    assert text(f"<body><div aria-hidden=true><p>{PROSE}</p></div><div role=dialog>STRAY</div></body>") == PROSE.strip()


def test_boxes_show_whether_they_are_ticked() -> None:
    source = "<ul><li><input type=checkbox checked> eat<li><input type=checkbox> drink</ul><input type=checkbox>"
    assert text(source) == "• ☑ eat\n• ☐ drink"


def test_xhtml_may_close_elements_at_once() -> None:
    source = '<?xml version="1.0"?><html><head><title>T</title><script src="x"/></head>'
    source += '<body><a id="x"/><div/>a<br/>b</body></html>'
    assert only(source) == Extracted("a\nb", title="T")


# Title and metadata


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title> Dose\n | The clinic</title><h1>Dose</h1>", "Dose"),
        ("<title>Dose – The clinic</title><h1>Dose</h1>", "Dose"),
        ("<title>Dose - children</title><h1>The dose</h1>", "Dose - children"),
        ("<title>Doses</title><h1>Dose</h1>", "Doses"),
        ("<h1>Dose</h1>", "Dose"),
        ("<title></title><p>text</p>", None),
        ("<p>text</p><svg><title>Logo</title></svg>", None),
    ],
)
def test_title(head: str, title: str | None) -> None:
    assert only(f"{head}<p>{PROSE}</p>").title == title


def test_metadata_from_the_head() -> None:
    source = """<html lang="en-GB"><head><meta name=author content=" A.  Smith "><meta name=version content=2.1>
        <meta property="article:published_time" content="2024-05-01T10:00:00Z">
        <meta name=dcterms.modified content=2024-06-01>
        <meta name=last-reviewed content=2024-07-01><meta name=next-review content=2026-07-01>
        <link rel=canonical href="https://clinic.example/dose"><link rel=license href="https://licence.example">
        </head><p>text"""
    assert only(source).metadata == {
        "language": "en-GB",
        "author": "A. Smith",
        "version": "2.1",
        "created": "2024-05-01",
        "modified": "2024-06-01",
        "reviewed": "2024-07-01",
        "next_review": "2026-07-01",
        "source": "https://clinic.example/dose",
        "licence": "https://licence.example",
    }


def test_metadata_from_linked_data() -> None:
    record = {
        "@graph": [
            {"@type": "Organization", "author": "nobody", "version": "9"},
            {"@type": ["MedicalWebPage"], "lastReviewed": "2024-05-01", "author": [{"name": "B"}], "inLanguage": "de"},
        ]
    }
    source = f'<script type="application/ld+json">{json.dumps(record)}</script><p>text'
    assert only(source).metadata == {"reviewed": "2024-05-01", "author": "B", "language": "de"}


@pytest.mark.parametrize(
    "head",
    [
        '<link rel=canonical href="javascript:alert(1)">',
        '<meta property="og:url" content="/dose">',
        "<meta name=date content=2024-02-30>",
        "<meta name=date content=yesterday>",
        '<html lang="not a tag">',
        f"<meta name=author content={'x' * 1000}>",
        "<meta name=author content='a&#1;b'>",
        '<script type="application/ld+json">{"@type": "Article", "author": {"name": {"name": 1}}}</script>',
        '<script type="application/ld+json">not json</script>',
        f'<script type="application/ld+json">{"[" * 100_000}</script>',
    ],
)
def test_metadata_that_is_none_is_passed_over(head: str) -> None:
    assert only(f"{head}<p>text</p>").metadata == {}


# Any input


@given(st.lists(PIECES, max_size=40).map("".join))
def test_headings_and_rows_are_whole_lines(source: str) -> None:
    try:
        extracted = next((one for one in load(source) if isinstance(one, Extracted)), Extracted(""))
    except Unreadable:
        return
    written = extracted.text
    spans = [(h.start, h.end) for h in extracted.headings] + [row for table in extracted.tables for row in table]
    end = 0
    for start, stop in sorted(spans):
        assert end <= start < stop
        end = stop
        assert start == 0 or written[start - 1] == "\n"
        assert stop == len(written) or written[stop] == "\n"
    assert written.strip()


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * 100_000 + "x",
        "<ul><li>a" * 20_000,
        "<table><tr><td>a" * 20_000,
        "<sup>a" * 4000,
        "<p " + " ".join(f"a{n}=1" for n in range(100_000)) + ">x",
        "<p class='" + "nav " * 500_000 + "'>x",
    ],
    ids=lambda source: source[:12],
)
def test_deep_nesting_and_many_attributes_take_linear_time(source: str) -> None:
    start = time.process_time()
    try:
        reason = str(len(load(source)))
    except Unreadable as error:
        reason = error.reason
    assert reason in ("1", "its elements are nested too deeply", "an element with too many attributes")
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    "source",
    [
        "<table>" + "<tr><td colspan=1000000000>a<td rowspan=1000000000>b" * 5000,
        "<table><tr><td rowspan=60000>" + "x" * 100_000 + "<td>a" + "<tr><td>b" * 5000,
        "<table><tr><th>" + "x" * 100_000 + "<th>a" + "<tr><td>b<td>c" * 5000,
        "&amp;&lt;&#x41;&nope;" * 50_000,
        "<!--" * 50_000 + "x",
        "<" * 300_000,
        "<meta " * 50_000 + "<p>x",
        "<dl>" + "<dt>a" * 2000 + "<dd>b" * 2000,
        "<del>x<b>" * 3000 + "</del>y",
        "<ol start=99999999999999999999><li value=99999999999999999>" * 500,
        "<script>" * 50_000,
    ],
    ids=lambda source: source[:12],
)
def test_hostile_pages_give_little_text_in_little_time(source: str) -> None:
    start = time.process_time()
    try:
        found = load(source)
    except Unreadable:
        found = []
    assert time.process_time() - start < 5
    assert all(len(one.text) <= 2 * len(source) for one in found if isinstance(one, Extracted))
