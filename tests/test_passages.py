import itertools
import random

import pytest
from conftest import KETAMINE, WordEncoder
from hypothesis import given
from hypothesis import strategies as st

from bot.config import CorpusRules, PassageSize
from bot.corpus import read_corpus
from bot.documents import Document, Section
from bot.embed import Encoder
from bot.errors import ConfigError
from bot.passages import CHARS_PER_TOKEN, Passage, cut, indexed_texts

SIZE = PassageSize(max_tokens=32)

# Text as it comes: words, headings, lists, breaks of every kind, scripts, emoji, controls.
texts = st.lists(
    st.one_of(
        st.sampled_from(
            ["Dr. Lee ", "2.5 mg ", "\n\n", "\r\n", "- item\n", ". ", "? ", "\u2028", "\t", "👩‍⚕️", "é", "\x00"]
        ),
        st.text(max_size=40),
        st.text(alphabet="abc", min_size=1, max_size=300),
    ),
    max_size=30,
).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(texts.filter(lambda text: "\ud800" not in text and text.strip()))
    borders = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=3))})
    sections = tuple(Section(start, end, (draw(st.text(max_size=20)),)) for start, end in itertools.pairwise(borders))
    return Document(id="a", text=text, title=draw(st.text(max_size=60)), sections=sections, source="a", metadata={})


def check(document: Document, made: list[tuple[Passage, str]], encoder: Encoder, size: PassageSize) -> None:
    text = document.text
    covered: set[int] = set()
    end = 0
    for passage, indexed in made:
        section = document.sections[passage.section]
        assert end <= passage.start < passage.end
        assert section.start <= passage.start
        assert passage.end <= section.end
        assert text[passage.start : passage.end].strip() == text[passage.start : passage.end]
        assert indexed.endswith(text[passage.start : passage.end])
        assert passage.end - passage.start <= size.max_tokens * CHARS_PER_TOKEN
        assert encoder.count_tokens([indexed])[0] <= encoder.window
        covered.update(range(passage.start, passage.end))
        end = passage.end
    assert {at for at, character in enumerate(text) if not character.isspace()} <= covered


@given(documents())
def test_passages_are_slices_that_cover_the_text_and_fit_the_window(document: Document) -> None:
    encoder = WordEncoder()
    made = cut(document, encoder, SIZE)
    check(document, made, encoder, SIZE)
    assert indexed_texts(document, [passage for passage, _ in made], encoder, SIZE) == [text for _, text in made]


@given(documents(), st.integers(16, 80))
def test_any_size_is_kept(document: Document, max_tokens: int) -> None:
    encoder, size = WordEncoder(), PassageSize(max_tokens=max_tokens)
    check(document, cut(document, encoder, size), encoder, size)


def plain(text: str, title: str = "T") -> Document:
    return Document(id="a", text=text, title=title, sections=(Section(0, len(text), ()),), source="a", metadata={})


@pytest.mark.parametrize(
    "text",
    [
        "x" * 200_000,
        "word " * 40_000,
        "🙂" * 20_000,
        "e" + "\u0301" * 20_000,
        "مرحبا بالعالم. " * 2_000,
        "a\n\n" * 10_000,
        "." * 20_000,
        "a" + " " * 50_000 + "b",
    ],
    ids=["one word", "no sentence", "emoji", "accents", "right to left", "short lines", "full stops", "a gap"],
)
def test_pathological_text_gives_valid_passages_with_the_real_model(text: str, encoder: Encoder) -> None:
    document, size = plain(text), PassageSize()
    check(document, cut(document, encoder, size), encoder, size)


def test_the_work_grows_in_line_with_the_text() -> None:
    def counted(repeats: int) -> int:
        encoder, asked = WordEncoder(), 0
        count = encoder.count_tokens

        def spy(texts: list[str]) -> list[int]:
            nonlocal asked
            asked += sum(map(len, texts))
            return count(texts)

        encoder.count_tokens = spy  # type: ignore[method-assign, assignment]
        cut(plain("A sentence of some words. " * repeats), encoder, SIZE)
        return asked

    assert counted(800) <= 2.2 * counted(400)


def test_sentences_stay_whole_and_passages_are_of_even_length() -> None:
    random.seed(1)
    words = ["pain", "relief", "infusion", "nurse", "clinic"]
    text = " ".join(" ".join(random.choices(words, k=random.randint(3, 9))).capitalize() + "." for _ in range(60))
    encoder = WordEncoder()
    made = [text[p.start : p.end] for p, _ in cut(plain(text), encoder, SIZE)]
    assert all(passage.endswith(".") for passage in made)
    counts = encoder.count_tokens(made)
    assert min(counts) >= SIZE.max_tokens / 3


def test_a_passage_ends_with_its_paragraph_where_that_costs_little() -> None:
    first, second = "One two three. Four five six seven eight.", "Nine ten eleven twelve. Thirteen."
    document = plain(f"{first}\n\n{second}")
    made = cut(document, WordEncoder(), PassageSize(max_tokens=20))
    assert [document.text[p.start : p.end] for p, _ in made] == [first, second]


def test_a_lead_in_stays_with_its_list() -> None:
    document = plain("We are open every day of the week but Sunday. Do not take:\n\n- aspirin\n- ibuprofen")
    made = [document.text[p.start : p.end] for p, _ in cut(document, WordEncoder(), PassageSize(max_tokens=20))]
    assert any("Do not take" in passage and "aspirin" in passage for passage in made)


def test_a_list_that_fits_stays_whole_with_its_lead_in() -> None:
    items = ["aspirin every day", "any pill for the heart", "a patch on the skin"]
    listed = "Do not take it with:\n" + "\n".join(f"• {item}" for item in items)
    document = plain(
        f"We open at nine o'clock. We close at five o'clock in the evening. {listed}\n\nCall us at any time."
    )
    for most in (31, 40, 48):
        made = [document.text[p.start : p.end] for p, _ in cut(document, WordEncoder(), PassageSize(max_tokens=most))]
        assert any(listed in passage for passage in made), (most, made)


def test_a_list_that_is_too_long_is_cut_between_items() -> None:
    items = "\n".join(f"- take number {n} with food" for n in range(12))
    document = plain(f"Rules:\n{items}")
    made = [document.text[p.start : p.end] for p, _ in cut(document, WordEncoder(), SIZE)]
    assert len(made) > 1
    assert all(passage.endswith("food") for passage in made)


def with_rows(before: str, rows: list[str], after: str) -> Document:
    text, spans = before, []
    for row in rows:
        spans.append((len(text), len(text) + len(row)))
        text += f"{row}\n"
    text += after
    return Document(
        id="a", text=text, title="", sections=(Section(0, len(text), ()),), source="a", tables=(tuple(spans),)
    )


@given(
    st.text(alphabet="ab. \n", max_size=40),
    st.lists(st.text(alphabet="abc. |:", min_size=1, max_size=200).filter(str.strip).map(str.strip), min_size=1),
    st.text(alphabet="ab. \n", max_size=40),
)
def test_no_passage_has_a_part_of_a_row_beside_anything_else(before: str, rows: list[str], after: str) -> None:
    document = with_rows(f"{before}\n", rows, after)
    for passage, _ in cut(document, WordEncoder(), SIZE):
        for start, end in document.rows:
            inside = start <= passage.start and passage.end <= end
            around = passage.start <= start and end <= passage.end
            assert inside or around or passage.end <= start or end <= passage.start


def test_a_row_is_one_sentence_whatever_stands_in_it() -> None:
    document = with_rows("Doses.\n", ["Pill: A. Stop at once. | Dose: 5 mg", "Pill: B. | Dose: 7 mg"], "Ask us.")
    [(passage, _)] = cut(document, WordEncoder(), PassageSize(max_tokens=60))
    spoken = [document.text[start:end] for start, end in passage.sentences]
    assert spoken == ["Doses.", "Pill: A. Stop at once. | Dose: 5 mg", "Pill: B. | Dose: 7 mg", "Ask us."]


def test_title_and_section_are_indexed_but_not_part_of_the_passage() -> None:
    document = Document(
        id="a", text="It helps.", title="Ketamine", sections=(Section(0, 9, ("Use", "Pain")),), source="a", metadata={}
    )
    [(passage, indexed)] = cut(document, WordEncoder(), SIZE)
    assert (passage.start, passage.end) == (0, 9)
    assert indexed == "Ketamine\nUse > Pain\nIt helps."


def test_a_long_title_is_shortened_and_never_the_passage() -> None:
    text = "A sentence of some words. " * 40
    document, encoder = plain(text, title="long " * 500), WordEncoder()
    made = cut(document, encoder, SIZE)
    check(document, made, encoder, SIZE)
    assert all(indexed.startswith("long long") for _, indexed in made)


def test_the_shipped_document_is_cut_on_its_own_headings(encoder: Encoder) -> None:
    [document] = read_corpus(KETAMINE.parent, CorpusRules()).documents
    made = cut(document, encoder, PassageSize())
    check(document, made, encoder, PassageSize())
    starts = {document.sections[p.section].headings: document.text[p.start :][:24] for p, _ in reversed(made)}
    assert starts == {
        (): "Details about Ketamine T",
        ("Using Ketamine for Chronic Pain",): "Using Ketamine for Chron",
        ("What makes it Special?",): "What makes it Special?\n\n",
    }


def test_a_size_that_leaves_no_room_for_the_title_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not fit into the window") as caught:
        cut(plain("a"), WordEncoder(window=40), SIZE)
    assert caught.value.remedy == "Set it to 24 or less."
