"""Checking what the materials say: a question, a phrase, why, and why not."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from staff import a_desk, visiting
from starlette.testclient import TestClient
from test_staff_documents import DOSE, a_library

from bot.embed import Encoder
from bot.ui.staff.desk import Desk
from bot.ui.staff.search import Wanted

ASKED = "How many tablets may I take in a day?"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("search")
    with a_desk(folder, a_library(folder), encoder) as made:
        yield made


@pytest.fixture(scope="module")
def client(desk: Desk) -> TestClient:
    return visiting(desk)


def check(client: TestClient, status: int = 200, **wanted: object) -> str:
    answer = client.get(f"/staff/check?{urlencode(wanted)}")
    assert answer.status_code == status, answer.text
    return answer.text


def why(client: TestClient, status: int = 200, **wanted: object) -> str:
    answer = client.get(f"/staff/check/why?{urlencode(wanted)}")
    assert answer.status_code == status, answer.text
    return answer.text


def passages(page: str) -> list[tuple[str, bool]]:
    """The text of each passage that is shown, and whether it is said to be quoted."""
    articles = re.findall(r"<article.*?</article>", page, re.DOTALL)
    shown = []
    for article in articles:
        [text] = re.findall(r"<blockquote[^>]*>(.*?)</blockquote>", article, re.DOTALL)
        shown.append((html.unescape(re.sub(r"<[^>]*>", "", text)), 'class="check-yes"' in article))
    return shown


def test_the_page_opens_without_a_question(client: TestClient) -> None:
    page = check(client)
    assert 'name="question"' in page
    assert "<article" not in page


@pytest.mark.parametrize("question", [ASKED, "How do I get home?", "What is the capital of France?", "rest"])
def test_it_says_what_is_quoted_as_it_is(client: TestClient, desk: Desk, question: str) -> None:
    page = check(client, question=question)
    answer = desk.bot.ask(question)
    texts = [text for text, quoted in passages(page) if quoted]
    assert all(any(text in quote.text for quote in answer.quotes) for text in texts)
    assert all(any(text in quote.text for text in texts) for quote in answer.quotes)
    assert ("A patient is shown quotes" in page) == bool(answer.quotes)
    hits = desk.bot.search(question, 10)
    assert [text for text, _ in passages(page)] == [hit.text for hit in hits]
    for hit in hits:
        assert f"{hit.score:.4f}" in page
        assert f"cosine {hit.dense:.4f}" in page
        assert f"BM25 {hit.lexical:.2f}" in page


def test_the_best_sentences_and_the_words_are_marked(client: TestClient, desk: Desk) -> None:
    page = check(client, question=ASKED)
    [first, *_] = re.findall(r"<blockquote[^>]*>(.*?)</blockquote>", page, re.DOTALL)
    marked = html.unescape(re.sub(r"</?b>", "", "".join(re.findall(r"<mark>(.*?)</mark>", first, re.DOTALL))))
    quote = desk.bot.ask(ASKED).quotes[0]
    document = desk.bot.document(quote.document)
    assert any(document.text[start:end] in marked for start, end in quote.highlights)
    assert "<b>tablets</b>" in first


def test_changes_and_the_question_in_its_own_words_are_shown(client: TestClient) -> None:
    page = check(client, question="How many tabletts may I take?")
    assert "Spelling" in page
    assert "<del>tabletts</del> → <ins>tablets</ins>" in page
    assert "In its own words" in page
    own = check(client, question="How many tabletts may I take?", own="1")
    assert "<ins>tablets</ins>" not in own
    follow = check(client, question="And how often?", history="How many tablets may I take?")
    assert "Follow-up" in follow


def test_an_emergency_is_told(client: TestClient) -> None:
    page = check(client, question="I took all my tablets at once and can't stay awake")
    assert "emergency card, and nothing else" in page
    assert "immediate" in page
    assert 'class="check-yes"' not in page


@pytest.mark.parametrize(
    ("wanted", "documents"),
    [
        ({"document": "TABLETS"}, {"dose.md"}),
        ({"document": "late.md"}, {"late.md"}),
        ({"section": "how to take"}, {"dose.md"}),
        ({"since": "2020-01-01"}, {"dose.md"}),
        ({"until": "2020-01-01"}, {"late.md"}),
        ({"since": "2019-03-01", "until": "2024-03-01"}, {"dose.md", "late.md"}),
        ({"document": "no such"}, set()),
    ],
)
def test_results_are_filtered(client: TestClient, wanted: dict[str, str], documents: set[str]) -> None:
    page = check(client, question="Should I take it?", **wanted)
    found = set(re.findall(r"<h3>.*?<small>(.*?), \d+–\d+</small>", page, re.DOTALL))
    assert found == documents


def test_a_phrase_beside_a_question_must_be_in_the_passage(client: TestClient) -> None:
    page = check(client, question='how often "TWICE a day"')
    shown = passages(page)
    assert len(shown) == 1
    assert DOSE in shown[0][0]
    assert passages(check(client, question='how often "TWICE a day"', case="1")) == []


def test_a_phrase_alone_is_found_wherever_it_stands(client: TestClient, desk: Desk) -> None:
    page = check(client, question='"how to rest"')
    text = desk.bot.document("long.txt").text
    assert f"{text.count('how to rest')} places in 1 document" in page.replace("\u202f", "")
    assert page.count("<mark>how to rest</mark>") == 25
    later = check(client, question='"how to rest"', page=2)
    assert 'start="26"' in later
    assert "Remark 25 " in later
    assert "stand nowhere" in check(client, question='"no such words"')
    assert "1 place in 1 document" in check(client, question='"TWICE A DAY"')
    assert "stand nowhere" in check(client, question='"TWICE A DAY"', case="1")
    assert "1 place in" in check(client, question="“twice a day”")
    assert "1 place in" in check(client, question='"twice a day" "do not take"')
    assert "stand nowhere" in check(client, question='"twice a day" "taxi"')
    assert "60 places in 60 documents" in check(client, question='"is about rest"', document="Record")
    for link in re.findall(r'<a href="(/staff/documents/read[^"]*)"', page)[:3]:
        assert 'id="picked"' in client.get(html.unescape(link)).text


@pytest.mark.parametrize(
    "wanted", [{"question": "?!"}, {"question": "pain " * 500}, {"question": "pain", "since": "yesterday"}]
)
def test_what_cannot_be_asked_is_told(client: TestClient, wanted: dict[str, str]) -> None:
    page = check(client, 422, **wanted)
    assert 'class="problem"' in page


@pytest.mark.parametrize(
    "wanted", [{"k": "9999999999999999"}, {"k": "x"}, {"page": "-1"}, {"own": "?"}, {"history": "\n\n"}]
)
def test_odd_parameters_are_put_right(client: TestClient, wanted: dict[str, str]) -> None:
    check(client, question=ASKED, **wanted)


# Why not


def test_a_picked_passage_is_told_why_it_is_not_quoted(client: TestClient, desk: Desk) -> None:
    passage = desk.bot.index.passages[desk.bot.index.rows["late.md"][0]]
    page = why(client, question=ASKED, document="late.md", start=passage.start, end=passage.end)
    assert "Not quoted" in page
    assert "below the threshold" in page
    assert re.search(r"number \d+ of all passages", page)
    [(text, quoted)] = passages(page)
    assert text == desk.bot.document("late.md").text[passage.start : passage.end]
    assert not quoted


def test_every_passage_is_told_as_the_answer_is(client: TestClient, desk: Desk) -> None:
    answer = desk.bot.ask(ASKED)
    index = desk.bot.index
    for id in ("dose.md", "late.md", "a.pdf"):
        for row in index.rows[id]:
            passage = index.passages[row]
            page = why(client, question=ASKED, document=id, start=passage.start, end=passage.end)
            inside = any(q.document == id and q.start <= passage.start < q.end for q in answer.quotes)
            assert passages(page)[0][1] == inside


def test_a_pasted_passage_is_found(client: TestClient) -> None:
    page = why(client, question=ASKED, text="take ONE tablet\ntwice a day")
    assert "in no document" not in page
    assert DOSE in passages(page)[0][0]


def test_one_that_is_nowhere_is_compared_with_the_nearest(client: TestClient) -> None:
    page = why(client, question=ASKED, text=DOSE.replace("two tablets", "nine tablets"))
    assert "in no document" in page
    assert "<del>two </del><ins>nine </ins>" in page
    assert len(passages(page)) == 1


def test_without_a_question_or_a_passage_it_asks_for_them(client: TestClient) -> None:
    assert passages(why(client)) == []
    assert "Paste a passage" in why(client, question=ASKED)
    assert passages(why(client, document="dose.md", start=0, end=10)) == []


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (404, {"document": "none", "start": 0, "end": 5}),
        (422, {"document": "dose.md"}),
        (422, {"document": "dose.md", "start": 5, "end": 5}),
        (422, {"document": "dose.md", "start": 0, "end": 10**7}),
        (422, {"document": "dose.md", "start": "²", "end": "x"}),
        (422, {"text": "!?"}),
    ],
)
def test_what_is_no_passage_is_told(client: TestClient, status: int, wanted: dict[str, object]) -> None:
    why(client, status, question=ASKED, **wanted)


def test_what_is_hostile_shows_as_text(client: TestClient) -> None:
    attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    pages = [
        check(client, question=f"take {attack}", document=attack, section=attack, history=attack),
        check(client, 422, question="take", since=attack),
        check(client, question='"<script>"'),
        check(client, question="script alert"),
        why(client, question=f"take {attack}", text=f"{DOSE} {attack}"),
    ]
    for page in pages:
        assert "<script>" not in page
        assert "<img" not in page
    assert "&lt;script&gt;" in pages[2]


def test_only_staff_come_in(desk: Desk) -> None:
    stranger = visiting(desk, None)
    for path in ("/staff/check", "/staff/check/why"):
        assert stranger.get(path).status_code == 303
    assert visiting(desk, "Vic").get(f"/staff/check?{urlencode({'question': ASKED})}").status_code == 200


@pytest.mark.parametrize(
    ("question", "words", "phrases"),
    [
        ("how often", "how often", ()),
        ('"twice a day"', "", ("twice a day",)),
        ('how "twice a day" then', "how twice a day then", ("twice a day",)),
        ('“one” ?! "two"', "", ("one", "two")),
        ('""', "", ()),
        ('5" wide', '5" wide', ()),
    ],
)
def test_phrases_are_what_stands_in_quotation_marks(question: str, words: str, phrases: tuple[str, ...]) -> None:
    wanted = Wanted.read({"question": question})
    assert (wanted.words.strip(), wanted.phrases) == (words, phrases)
