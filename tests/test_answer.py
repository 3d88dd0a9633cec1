import dataclasses
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from conftest import KETAMINE, ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reportlab.pdfgen import canvas

from bot.answer import Answer, Quote, answer
from bot.bot import Bot
from bot.confidence import shipped
from bot.config import Answering, Config, CorpusRules
from bot.corpus import Corpus, read_corpus
from bot.documents import Document, Section
from bot.embed import Encoder
from bot.errors import IndexCorrupt, IndexStale, QuestionError, UsageError
from bot.index import Index

GOLDEN = Path(__file__).parent / "data" / "answers.json"
ASKED = [
    "What are the side effects of ketamine?",
    "Which conditions can it be used for?",
    "How long does the relief last?",
    "is it adictive like opiods",
    "How do I cook pasta?",
    "Does my insurance cover it?",
    "What is the capital of France?",
]


def told(answer: Answer) -> dict[str, object]:
    """An answer without what differs from one machine to the next: times and the last digits of scores."""
    made = answer.to_dict()
    del made["timings_ms"]
    made["confidence"] = round(made["confidence"], 2)
    for quote in made["quotes"]:
        quote["score"] = round(quote["score"], 3)
    return made


def test_golden_answers(bot: Bot) -> None:
    """To renew them after an intended change: python tests/test_answer.py, then read the difference."""
    assert [told(bot.ask(question)) for question in ASKED] == json.loads(GOLDEN.read_text(encoding="utf-8"))


def highlighted(answer: Answer) -> str:
    text = KETAMINE.read_bytes().decode()
    return " ".join(text[start:end] for quote in answer.quotes for start, end in quote.highlights)


def test_side_effects_are_answered_with_the_sentence_that_names_them(bot: Bot) -> None:
    answer = bot.ask("What are the side effects of ketamine?")
    assert answer.outcome == "answered"
    assert "hallucinations, vivid dreams" in highlighted(answer)
    assert [notice.id for notice in answer.notices] == ["sources_only"]


def test_conditions_are_answered(bot: Bot) -> None:
    answer = bot.ask("Which conditions can it be used for?")
    assert "CRPS" in answer.quotes[0].text
    assert "sickle cell disease" in answer.quotes[0].text


@pytest.mark.parametrize("question", ["How do I cook pasta?", "Does my insurance cover it?", "?? penguin"])
def test_what_the_documents_do_not_say_is_refused(bot: Bot, question: str) -> None:
    answer = bot.ask(question)
    assert answer.outcome == "not_found"
    assert answer.quotes == ()
    assert [notice.id for notice in answer.notices] == ["not_found", "contact"]
    assert answer.suggestions
    text = KETAMINE.read_bytes().decode()
    assert all(suggestion.text in text for suggestion in answer.suggestions)


def test_two_askings_give_the_same_bytes(bot: Bot) -> None:
    first, second = (told(bot.ask("Does it help with nerve pain?")) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.text(min_size=1, max_size=80) | st.sampled_from(KETAMINE.read_bytes().decode().split(". ")))
def test_every_quote_of_any_question_is_a_slice(bot: Bot, question: str) -> None:
    try:
        answer = bot.ask(question)
    except QuestionError:
        return
    text = KETAMINE.read_bytes().decode()
    assert answer.quotes or answer.outcome != "answered"
    assert not answer.quotes or answer.outcome != "not_found"
    assert 0 <= answer.confidence <= 1
    end = {-1}
    for quote in answer.quotes:
        assert quote.text == text[quote.start : quote.end]
        assert quote.highlights
        assert all(quote.start <= s < e <= quote.end for s, e in quote.highlights)
        assert end.isdisjoint(range(quote.start, quote.end)), "two quotes overlap"
        end.update(range(quote.start, quote.end))


@pytest.mark.parametrize(
    ("question", "text_id"),
    [
        ("", "question_empty"),
        ("  \n", "question_empty"),
        ("?!", "question_empty"),
        ("pain " * 401, "question_too_long"),
        ("half \ud800", "question_not_text"),
        (None, "question_not_text"),
        (5, "question_not_text"),
    ],
)
def test_what_cannot_be_asked_is_an_error_and_no_refusal(bot: Bot, question: str, text_id: str) -> None:
    with pytest.raises(QuestionError) as caught:
        bot.ask(question)
    assert caught.value.text_id == text_id


def test_the_history_must_be_a_list_of_questions(bot: Bot) -> None:
    for history in ("why?", [1], [None]):
        with pytest.raises(QuestionError, match="history"):
            bot.ask("why?", history)  # type: ignore[arg-type]


# Several documents

NAUSEA = "Nausea after an infusion is common. Sit upright and sip cold water. It goes within two hours."
FILLER = "The clinic has a garden. Visitors may sit there at any time of the day. There are benches and a pond."


@pytest.fixture
def make(tmp_path: Path, bot: Bot) -> Callable[..., Bot]:
    """A bot over files that the test writes; the real model."""

    def made(config: Config | None = None, **files: str) -> Bot:
        for name, text in files.items():
            (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
        return Bot.from_corpus(tmp_path, config=config or Config())

    return made


def test_the_same_words_in_two_documents_are_one_quote_that_names_both(make: Callable[..., Bot]) -> None:
    care = f"After care\n\n{NAUSEA}"
    bot = make(a=f"Leaflet A\n\n{FILLER}\n\n{care}", b=f"Leaflet B\n\nWe wish you well.\n\n{care}", c=FILLER)
    answer = bot.ask("What can I do about nausea after an infusion?")
    saying = [quote for quote in answer.quotes if NAUSEA in quote.text]
    assert len(saying) == 1
    [also] = saying[0].also_in
    assert {saying[0].document, also.document} == {"a.txt", "b.txt"}
    for place in (saying[0], also):
        document = bot.document(place.document)
        assert document.text[place.start : place.end] == saying[0].text
        assert document.sha256 == place.sha256


def test_neighbouring_passages_of_a_section_become_one_quote(make: Callable[..., Bot]) -> None:
    sentences = [f"Nausea after infusion number {n} can be eased with cold water and fresh air." for n in range(30)]
    text = "After care\n\n" + " ".join(sentences)
    bot = make(Config(answer=Answering(answer_above=0.0)), a=text)
    answer = bot.ask("How can nausea be eased after an infusion?")
    assert len(bot.index.passages) == 3
    assert [(quote.start, quote.end) for quote in answer.quotes] == [(0, len(text))]


def test_passages_of_two_sections_stay_two_quotes(make: Callable[..., Bot]) -> None:
    bot = make(Config(answer=Answering(answer_above=0.0)), a=f"Before\n\n{NAUSEA}\n\nAfter\n\n{NAUSEA} Sleep.")
    assert len(bot.ask("nausea after an infusion").quotes) == 2


def test_at_most_as_many_quotes_as_the_configuration_says(make: Callable[..., Bot]) -> None:
    files = {f"d{n}": f"Note {n}\n\nNausea number {n} passes after {n} hours." for n in range(6)}
    for quotes in (1, 3):
        bot = make(Config(answer=Answering(answer_above=0.0, quotes=quotes)), **files)
        assert len(bot.ask("How long does nausea last?").quotes) == quotes


# A source that changed


def test_a_changed_source_is_not_quoted(make: Callable[..., Bot], tmp_path: Path) -> None:
    bot = make(a=NAUSEA, b=FILLER)
    question = "What can I do about nausea after an infusion?"
    assert bot.ask(question).outcome == "answered"
    (tmp_path / "a.txt").write_text(NAUSEA.replace("cold", "warm"), encoding="utf-8")
    with pytest.raises(IndexStale, match=r"a\.txt is not as it was") as caught:
        bot.ask(question)
    assert caught.value.remedy.endswith("bot index")
    assert not bot.is_current(bot.document("a.txt"))
    assert bot.is_current(bot.document("b.txt"))


def test_a_source_that_went_is_not_quoted_unless_the_configuration_says_so(
    make: Callable[..., Bot], tmp_path: Path
) -> None:
    bot = make(a=NAUSEA)
    shipped_alone = Bot(bot.index, bot.encoder, Config(corpus=CorpusRules(verify_sources=False)))
    (tmp_path / "a.txt").unlink()
    with pytest.raises(IndexStale):
        bot.ask("nausea after an infusion")
    assert shipped_alone.ask("nausea after an infusion").quotes


def test_a_touched_source_is_still_the_same(make: Callable[..., Bot], tmp_path: Path) -> None:
    bot = make(a=NAUSEA)
    (tmp_path / "a.txt").write_text(NAUSEA, encoding="utf-8")
    assert bot.ask("nausea after an infusion").quotes


def test_when_a_lesser_source_changed_the_reader_is_told(make: Callable[..., Bot], tmp_path: Path) -> None:
    bot = make(Config(answer=Answering(answer_above=0.0)), a=NAUSEA, b=f"Nausea\n\n{FILLER}")
    (tmp_path / "b.txt").write_text("Nothing now.", encoding="utf-8")
    answer = bot.ask("What can I do about nausea after an infusion?")
    assert [notice.id for notice in answer.notices] == ["out_of_date", "sources_only"]
    assert {quote.document for quote in answer.quotes} == {"a.txt"}


def test_a_text_that_does_not_match_its_hash_is_not_quoted(make: Callable[..., Bot]) -> None:
    bot = make(a=NAUSEA)
    object.__setattr__(bot.document("a.txt"), "sha256", "0" * 64)
    with pytest.raises(IndexCorrupt, match="does not match its hash"):
        bot.ask("What can I do about nausea after an infusion?")


# Documents past their next review, and those read off a picture

DUE = date(2026, 6, 30)


def overdue(config: Config, make: Callable[..., Bot], tmp_path: Path, today: date, **files: str) -> Answer:
    (tmp_path / "a.txt.meta.toml").write_text(f"next_review = {DUE}\n", encoding="utf-8")
    bot = make(config, **files)
    hits = bot.search("What can I do about nausea after an infusion?", config.ranking.candidates)
    return answer(hits, bot.index, bot.encoder, config, shipped(), today)


def test_a_document_past_its_next_review_is_quoted_with_a_notice(make: Callable[..., Bot], tmp_path: Path) -> None:
    in_time = overdue(Config(), make, tmp_path, DUE, a=NAUSEA)
    assert [notice.id for notice in in_time.notices] == ["sources_only"]
    assert not in_time.quotes[0].overdue
    late = overdue(Config(), make, tmp_path, DUE + timedelta(days=1), a=NAUSEA)
    assert [notice.id for notice in late.notices] == ["overdue", "sources_only"]
    assert [quote.overdue for quote in late.quotes] == [True]
    assert late.quotes[0].text == in_time.quotes[0].text


def test_or_it_is_withheld_if_the_configuration_says_so(make: Callable[..., Bot], tmp_path: Path) -> None:
    config = Config(answer=Answering(overdue="withhold"))
    assert overdue(config, make, tmp_path, DUE, a=NAUSEA).outcome == "answered"
    late = overdue(config, make, tmp_path, DUE + timedelta(days=1), a=NAUSEA)
    assert late.outcome == "not_found"
    assert late.quotes == ()
    assert late.notices[0].id == "overdue_withheld"


def test_a_withheld_document_leaves_the_others(make: Callable[..., Bot], tmp_path: Path) -> None:
    config = Config(answer=Answering(overdue="withhold", answer_above=0.0))
    late = overdue(config, make, tmp_path, DUE + timedelta(days=1), a=NAUSEA, b=f"Nausea\n\n{FILLER}")
    assert {quote.document for quote in late.quotes} == {"b.txt"}
    assert [notice.id for notice in late.notices] == ["overdue_withheld", "sources_only"]


def test_words_read_off_a_picture_are_marked(make: Callable[..., Bot]) -> None:
    bot = make(a=NAUSEA)
    document = bot.document("a.txt")
    object.__setattr__(document, "pages", (0,))
    assert not bot.ask("What can I do about nausea after an infusion?").quotes[0].recognised
    object.__setattr__(document, "recognised", (1,))
    marked = bot.ask("What can I do about nausea after an infusion?")
    assert [quote.recognised for quote in marked.quotes] == [True]
    assert [notice.id for notice in marked.notices] == ["recognised", "sources_only"]


# Places on pages


def test_a_quote_of_a_pdf_names_its_page_and_its_place(
    tmp_path_factory: pytest.TempPathFactory, encoder: Encoder
) -> None:
    folder = tmp_path_factory.mktemp("pdf")
    page = canvas.Canvas(str(folder / "leaflet.pdf"), pagesize=(400, 400))
    for number, line in enumerate(("Parking", "Park behind the house. Visitors use the blue spaces near the gate.")):
        if number:
            page.showPage()
        page.drawString(40, 300, line)
    page.save()
    config = Config(answer=Answering(answer_above=0.0))
    bot = Bot(Index.build(read_corpus(folder, config.corpus), folder, encoder, config), encoder, config)
    [quote] = bot.ask("Where can visitors park?").quotes
    assert quote.page == 1
    assert [box.page for box in quote.boxes] == [1, 2]
    [_, second] = quote.to_dict()["boxes"]
    assert second["x0"] == pytest.approx(40 / 400, abs=0.01)
    assert second["y0"] < 1 - 300 / 400 < second["y1"]
    (folder / "leaflet.pdf").write_bytes(b"gone")
    assert bot.index.boxes(bot.document("leaflet.pdf"), quote.start, quote.end) == ()


# Rows of tables


def test_a_part_of_a_row_is_never_joined_with_another_row(make: Callable[..., Bot]) -> None:
    long = " ".join(f"nausea word{n} after infusion" for n in range(80))
    bot = make(Config(answer=Answering(answer_above=0.0, quotes=10)), a=NAUSEA)
    text = f"{long}\nnausea after an infusion"
    rows = ((0, len(long)), (len(long) + 1, len(text)))
    document = Document(id="t", text=text, title="", sections=(Section(0, len(text), ()),), source="t", tables=(rows,))
    index = Index.build(Corpus((document,)), None, bot.encoder, bot.config)
    config = dataclasses.replace(bot.config, corpus=CorpusRules(verify_sources=False))
    quotes = Bot(index, bot.encoder, config).ask("nausea after an infusion").quotes
    assert quotes
    assert all(quote.end <= len(long) or quote.start > len(long) for quote in quotes)


# Values


def test_metadata_travels_to_the_citation(make: Callable[..., Bot], tmp_path: Path) -> None:
    sidecar = 'title = "Feeling sick"\nreviewed = 2026-01-31\nauthor = "Nurse Lee"\n'
    (tmp_path / "a.txt.meta.toml").write_text(sidecar, encoding="utf-8")
    [quote] = make(a=NAUSEA).ask("What can I do about nausea after an infusion?").quotes
    assert quote.title == "Feeling sick"
    assert quote.metadata == {"reviewed": "2026-01-31", "author": "Nurse Lee"}


def test_a_quote_cannot_be_invalid(bot: Bot) -> None:
    [quote, *_] = bot.ask("What are the side effects of ketamine?").quotes
    with pytest.raises(ValueError, match="as long as its range"):
        dataclasses.replace(quote, text=quote.text + " ")
    with pytest.raises(ValueError, match="out of order or outside"):
        dataclasses.replace(quote, highlights=((quote.start, quote.end + 1),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        quote.text = "x"  # type: ignore[misc]
    assert isinstance(quote, Quote)


def test_search_never_refuses_and_shows_every_score(bot: Bot) -> None:
    found = bot.search("How do I cook pasta?", k=3)
    assert [hit.rank for hit in found] == [1, 2, 3]
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    made = found.to_dict()
    assert list(made) == ["query", "searched_for", "hits", "timings_ms"]
    names = ["rank", "document", "title", "section", "page", "start", "end", "text"]
    assert list(made["hits"][0]) == [*names, "score", "dense", "sentence", "lexical", "dense_rank", "lexical_rank"]


@pytest.mark.parametrize("k", [0, -1, 1001, True, "3", None])
def test_search_refuses_a_wrong_k(bot: Bot, k: int) -> None:
    with pytest.raises(UsageError, match="k is"):
        bot.search("pain", k=k)


if __name__ == "__main__":
    made = [told(Bot.from_corpus(ROOT / "corpus", config=Config()).ask(question)) for question in ASKED]
    GOLDEN.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
