import dataclasses
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from conftest import CORPUS, ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import cli
from bot.bot import Bot
from bot.config import Answering, Config, CorpusRules
from bot.errors import IndexStale, QuestionError, UsageError
from bot.explain import Explanation, explain, find, matched, nearest, rows_at

QUESTIONS = [
    json.loads(line)["question"]
    for line in (ROOT / "tests" / "eval" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
NAUSEA = "Nausea after an infusion is common. Sit upright and sip cold water. It goes within two hours."
FILLER = "The clinic has a garden. Visitors may sit there at any time of the day. There are benches and a pond."
ASKED = "What can I do about nausea after an infusion?"


@pytest.fixture
def make(tmp_path: Path, bot: Bot) -> Callable[..., Bot]:
    """A bot over files that the test writes; the real model."""

    def made(config: Config | None = None, **files: str) -> Bot:
        for name, text in files.items():
            (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
        return Bot.from_corpus(tmp_path, config=config or Config())

    return made


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, bot: Bot) -> dict[str, Bot]:
    """Bots of several settings over many short documents: copies, late reviews, long sections, lists."""
    folder = tmp_path_factory.mktemp("library")
    subjects = ["nausea", "vivid dreams", "high blood pressure", "dizziness", "headache", "itching", "low mood"]
    for n, subject in enumerate(subjects * 4):
        steps = " ".join(
            f"Step {step} against {subject} takes {step + n} minutes of rest." for step in range(2 + n % 5)
        )
        care = f"If you have {subject} after an infusion, tell the nurse. {steps}"
        text = f"Leaflet {n % 9}\n\n{FILLER}\n\nAbout {subject}\n\n{care}\n"
        (folder / f"d{n:02}.txt").write_text(text, encoding="utf-8")
        if n % 3 == 0:
            due = "2020-01-01" if n % 2 else "2999-01-01"
            (folder / f"d{n:02}.txt.meta.toml").write_text(f"next_review = {due}\n", encoding="utf-8")
    settings = {
        "plain": Config(),
        "withhold": Config(answer=Answering(overdue="withhold")),
        "all": Config(answer=Answering(answer_above=0.0, quotes=10)),
        "few": Config(ranking=dataclasses.replace(Config().ranking, candidates=4)),
    }
    first = Bot.from_corpus(folder, config=Config())
    return {name: Bot(first.index, first.encoder, config) for name, config in settings.items()}


def ranges(spans: set[tuple[str, int, int]]) -> set[tuple[str, int]]:
    return {(document, at) for document, start, end in spans for at in range(start, end)}


def said_to_be_quoted(found: Explanation) -> set[tuple[str, int, int]]:
    rows = range(len(found.index.passages))
    why = [found.why(row) for row in rows]
    for one in why:
        assert one.is_quoted == (not one.reasons), one
    return {(one.hit.document, one.hit.start, one.hit.end) for one in why if one.is_quoted}


def agree(bot: Bot, question: str, history: list[str] | None = None, own_words: bool = False) -> None:
    """Whether what is said to be quoted is what `ask` quotes, with what is said of it."""
    answer = bot.ask(question, history or [], own_words=own_words)
    found = explain(bot, question, history or [], own_words=own_words)
    quoted = said_to_be_quoted(found)
    # Quotes join neighbouring passages, and the white space between those is of none.
    held = {(quote.document, at) for quote in answer.quotes for at in range(quote.start, quote.end)}
    said = ranges(quoted)
    assert said <= held
    for document, at in held - said:
        assert bot.document(document).text[at].isspace()
    assert (found.shown == "quotes") == bool(answer.quotes)
    for row in range(len(found.index.passages)):
        why = found.why(row)
        if why.is_quoted:
            [quote] = [q for q in answer.quotes if q.document == why.hit.document and q.start <= why.hit.start < q.end]
            assert quote.rank == why.quote
            assert set(why.highlights) <= set(quote.highlights)
            assert (why.joined is not None) == ((quote.start, quote.end) != (why.hit.start, why.hit.end))
            assert why.margin >= 0
    if found.shown == "quotes":
        first = max(
            (why for why in map(found.why, range(len(found.index.passages))) if why.rank), key=lambda w: -w.rank
        )
        assert first.rank == 1
    assert found.query.changes == (answer.changes if found.shown in ("quotes", "not_found") else found.query.changes)


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_said_to_be_quoted_is_quoted(bot: Bot, question: str) -> None:
    agree(bot, question)


@pytest.mark.parametrize("setting", ["plain", "withhold", "all", "few"])
@pytest.mark.parametrize(
    ("question", "history"),
    [
        (ASKED, []),
        ("How long does step 3 against dizziness take?", []),
        ("is it comon to have hedaches after the infusion?", []),
        ("And itching?", ["What can I do about nausea after an infusion?"]),
        ("why?", ["Is a low mood common after an infusion?"]),
        ("How do I cook pasta?", []),
        ("I can't breathe and my lips are blue", []),
        ("Should I stop my tablets because of vivid dreams?", []),
        ("thank you", []),
        ("Where is the garden?", []),
    ],
)
def test_nor_does_it_differ_with_many_documents(
    library: dict[str, Bot], setting: str, question: str, history: list[str]
) -> None:
    for own_words in (False, True):
        agree(library[setting], question, history, own_words)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(" ".join(QUESTIONS).split()), min_size=1, max_size=8).map(" ".join))
def test_nor_for_any_other_words(library: dict[str, Bot], question: str) -> None:
    try:
        agree(library["few"], question)
    except QuestionError:
        with pytest.raises(QuestionError):
            explain(library["few"], question)


def test_the_ranks_are_those_of_all_passages(library: dict[str, Bot]) -> None:
    bot = library["few"]
    found = explain(bot, ASKED)
    every = found.trace.every
    assert every is not None
    assert sorted(hit.row for hit in every) == list(range(len(bot.index.passages)))
    assert [hit.score for hit in every] == sorted((hit.score for hit in every), reverse=True)
    # An oracle without the code that ranks: the order of all cosines with the question's vector.
    vectors = bot.index.engine.vectors(np.arange(len(bot.index.passages))).astype(np.float64)
    cosines = np.round(vectors @ found.trace.hits.vector.astype(np.float64), 6)
    order = [int(row) for row in np.lexsort((np.arange(len(cosines)), -cosines))]
    assert [hit.row for hit in sorted(every, key=lambda hit: hit.dense_rank or 0)] == order
    for hit in found.trace.hits:
        same = next(one for one in every if one.row == hit.row)
        assert (same.score, same.dense, same.sentence, same.lexical) == (
            hit.score,
            hit.dense,
            hit.sentence,
            hit.lexical,
        )


@pytest.mark.parametrize(
    ("question", "history"), [(ASKED, []), ("how long for dizzyness?", [ASKED]), ("why?", [ASKED])]
)
def test_the_words_shares_add_up_to_the_score(library: dict[str, Bot], question: str, history: list[str]) -> None:
    for own_words in (False, True):
        found = explain(library["plain"], question, history, own_words=own_words)
        for row in range(len(found.index.passages)):
            why = found.why(row)
            assert sum(word.share for word in why.words) == pytest.approx(why.hit.lexical, abs=2e-3)


def test_a_passage_below_the_threshold_is_told_its_margin(bot: Bot) -> None:
    found = explain(bot, "How do I cook pasta?")
    why = found.why(0)
    assert found.shown == "not_found"
    assert [reason.kind for reason in why.reasons] == ["unlikely"]
    assert why.margin < 0
    assert f"{-why.margin:.3f}" in why.reasons[0].text
    assert why.lacking == ("cook", "pasta")


def test_a_passage_that_is_no_candidate_is_told_its_ranks(library: dict[str, Bot]) -> None:
    found = explain(library["few"], ASKED)
    out = [why for why in map(found.why, range(len(found.index.passages))) if why.rank is None]
    assert out
    for why in out:
        assert why.reasons[0].kind == "not_candidate"
        assert f"number {why.hit.dense_rank} by meaning" in why.reasons[0].text
        assert (why.hit.dense_rank or 0) > 4
        assert why.place is not None


def test_one_beyond_the_best_is_not_considered(library: dict[str, Bot]) -> None:
    found = explain(library["all"], ASKED)
    kinds = {why.rank: [r.kind for r in why.reasons] for why in found.best(30)}
    assert kinds[11][0] == "not_considered"
    assert kinds[1] == []


def test_more_than_the_settings_allow(library: dict[str, Bot]) -> None:
    bot = Bot(library["all"].index, library["all"].encoder, Config(answer=Answering(answer_above=0.0, quotes=1)))
    found = explain(bot, ASKED)
    assert "enough" in {reason.kind for why in found.best(10) for reason in why.reasons}
    agree(bot, ASKED)


def test_a_copy_is_told_which_one_is_quoted(make: Callable[..., Bot]) -> None:
    care = f"After care\n\n{NAUSEA}"
    bot = make(a=f"Leaflet A\n\n{FILLER}\n\n{care}", b=f"Leaflet B\n\nWe wish you well.\n\n{care}")
    found = explain(bot, ASKED)
    [copy] = [why for why in found.best(10) if [r.kind for r in why.reasons] == ["copy"]]
    [quote] = [quote for quote in bot.ask(ASKED).quotes if NAUSEA in quote.text]
    assert quote.document in copy.reasons[0].text
    assert copy.hit.document == quote.also_in[0].document


def test_an_overdue_document_is_withheld_and_its_copy_is_quoted(make: Callable[..., Bot], tmp_path: Path) -> None:
    yesterday = date.today() - timedelta(days=1)
    (tmp_path / "a.txt.meta.toml").write_text(f"next_review = {yesterday}\n", encoding="utf-8")
    care = f"After care\n\n{NAUSEA}"
    late_one, other = f"Nausea\n\n{FILLER}\n\n{care}", f"Leaflet B\n\nWe wish you well.\n\n{care}"
    bot = make(Config(answer=Answering(overdue="withhold")), a=late_one, b=other)
    agree(bot, ASKED)
    assert bot.search(ASKED)[0].document == "a.txt"
    [quote] = bot.ask(ASKED).quotes
    assert (quote.document, quote.also_in) == ("b.txt", ())
    late = next(why for why in explain(bot, ASKED).best(5) if why.hit.document == "a.txt")
    assert [reason.kind for reason in late.reasons] == ["overdue"]
    assert str(yesterday) in late.reasons[0].text


def test_a_changed_file_is_named(make: Callable[..., Bot], tmp_path: Path) -> None:
    bot = make(Config(answer=Answering(answer_above=0.0)), a=NAUSEA, b=f"Nausea\n\n{FILLER}")
    (tmp_path / "b.txt").write_text("Nothing now.", encoding="utf-8")
    agree(bot, ASKED)
    changed = next(why for why in explain(bot, ASKED).best(5) if why.hit.document == "b.txt")
    assert [reason.kind for reason in changed.reasons] == ["changed"]
    (tmp_path / "a.txt").write_text("Nothing here.", encoding="utf-8")
    with pytest.raises(IndexStale):
        bot.ask(ASKED)
    found = explain(bot, ASKED)
    assert found.shown == "fault"
    assert all("fault" in [reason.kind for reason in why.reasons] for why in found.best(5))
    unchecked = Bot(bot.index, bot.encoder, Config(corpus=CorpusRules(verify_sources=False)))
    agree(unchecked, ASKED)


def test_an_emergency_is_told_to_be_a_card_alone(bot: Bot) -> None:
    found = explain(bot, "I took a whole bottle of ketamine and can't stay awake")
    assert found.shown == "card"
    assert {why.reasons[0].kind for why in found.best(3)} == {"not_searched"}


def test_without_every_passage_only_candidates_are_told_of(library: dict[str, Bot]) -> None:
    found = explain(library["few"], ASKED, every=False)
    assert all(why.rank and why.place is None for why in found.best(100))
    missing = next(row for row in range(len(found.index.passages)) if row not in {h.row for h in found.trace.hits})
    with pytest.raises(UsageError):
        found.why(missing)


# Places


def test_a_phrase_is_found_word_for_word(bot: Bot) -> None:
    text = bot.document("ketamine-for-chronic-pain.txt").text
    places = list(find(bot.documents(), "vivid  dreams"))
    assert places
    assert all(document.text[start:end] == "vivid dreams" for document, start, end in places)
    assert len(places) == text.count("vivid dreams")
    assert list(find(bot.documents(), "Vivid Dreams")) == []
    assert len(list(find(bot.documents(), "VIVID dreams", ignore_case=True))) == len(places)
    assert list(find(bot.documents(), " ")) == []
    assert list(find(bot.documents(), ".*")) == []


def test_a_range_has_its_passages(library: dict[str, Bot]) -> None:
    index = library["plain"].index
    for row, passage in enumerate(index.passages):
        assert rows_at(index, passage.document, passage.start, passage.end) == [row]
    document = index.documents["d00.txt"]
    assert list(rows_at(index, "d00.txt", 0, len(document.text))) == list(index.rows["d00.txt"])
    assert rows_at(index, "d00.txt", len(document.text), len(document.text)) == [index.rows["d00.txt"][-1]]
    assert rows_at(index, "none", 0, 10) == []


def test_a_text_that_is_nowhere_is_compared_with_the_nearest(make: Callable[..., Bot]) -> None:
    bot = make(a=NAUSEA, b=FILLER)
    near = nearest(bot, bot.index, NAUSEA.replace("cold", "warm").replace("two", "three"))
    assert bot.index.passages[near.row].document == "a.txt"
    assert 0.8 < near.likeness < 1
    assert [piece for piece in near.differences if piece[0] != "both"] == [
        ("passage", "cold "),
        ("pasted", "warm "),
        ("passage", "two "),
        ("pasted", "three "),
    ]
    assert "".join(text for kind, text in near.differences if kind != "pasted") == NAUSEA


def test_matched_words_are_ranges(bot: Bot) -> None:
    why = explain(bot, "What are the side effects of ketamine?").best(1)[0]
    words = {why.hit.text[start:end].lower() for start, end in matched(why.hit.text, why.words)}
    assert words
    assert words <= {"side", "effects", "effect", "ketamine"}


# The command


def test_the_command_says_why(capsys: pytest.CaptureFixture[str], tmp_path: Path, bot: Bot) -> None:
    assert cli.main(["index", "--corpus", str(CORPUS), "--index", str(tmp_path)]) == 0
    capsys.readouterr()
    asked = ["why", "What are the side effects of ketamine?", "--index", str(tmp_path)]
    assert cli.main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    answer = bot.ask(asked[1])
    assert told["shown"] == "quotes"
    quoted = {one["quote"] for one in told["passages"] if one["quoted"]}
    assert quoted == {quote.rank for quote in answer.quotes}
    [passage] = [p for p in bot.index.passages if p.start == 0]
    place = ["--document", passage.document, "--start", str(passage.start), "--end", str(passage.end)]
    assert cli.main([*asked, *place, "--json"]) == 0
    [one] = json.loads(capsys.readouterr().out)["passages"]
    assert (one["start"], one["end"]) == (passage.start, passage.end)
    assert one["quoted"] or one["reasons"]
    assert cli.main([*asked, *place]) == 0
    shown = capsys.readouterr().out
    assert f"[{passage.document} {passage.start}-{passage.end}]" in shown
    assert "threshold" in shown


@pytest.mark.parametrize(
    "wrong", [["--start", "3"], ["--document", "none"], ["--document", CORPUS.name, "--start", "9", "--end", "2"]]
)
def test_the_command_refuses_what_is_nowhere(
    wrong: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["index", "--corpus", str(CORPUS), "--index", str(tmp_path)]) == 0
    assert cli.main(["why", "What is it?", *wrong, "--index", str(tmp_path)]) == 2
    assert "to fix:" in capsys.readouterr().err
