import html
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from hypothesis import given
from hypothesis import strategies as st

from bot.answer import Place, Quote
from bot.bot import Bot
from bot.config import Answering, Config
from bot.documents import Document, Section
from bot.errors import IndexStale, UsageError
from bot.ui import chat, render
from bot.ui.app import _listen, _range
from bot.ui.headers import _script_policy

DOCUMENT = "ketamine-for-chronic-pain.txt"
HOSTILE = (
    "Hello <script>document.title='owned'</script> <img src=x onerror=\"document.title='owned'\"> "
    "![i](http://evil.example/x.png) [l](javascript:alert(1)) $\\frac{1}{2}$ ```fence``` ${1+1} {{7*7}} "
    "\u202eback\u202c \x1b[31m red & <b>bold</b> pain relief"
)
SAY = render.sayer(Config())

# Text that a browser keeps: HTML cannot write NUL, and reads half surrogates as damage.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


class Shown(HTMLParser):
    """What a browser would show: the characters, and the elements around them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def a_quote(text: str, title: str = "T", highlights: tuple[tuple[int, int], ...] = ()) -> Quote:
    return Quote(
        document="a b/ü.txt",
        title=title,
        section=(title,),
        page=None,
        start=7,
        end=7 + len(text),
        sha256="0" * 64,
        rank=1,
        text=text,
        highlights=highlights,
        score=0.5,
        metadata={},
        also_in=(),
        overdue=False,
        recognised=False,
    )


@given(texts.filter(bool), st.data())
def test_a_quote_shows_exactly_its_characters(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    shown = render.marked(text, [(start, end)])
    assert Shown(shown).text == text
    assert set(Shown(shown).tags) <= {"mark"}
    inside = shown.partition("<mark>")[2].partition("</mark>")[0]
    assert html.unescape(inside) == text[start:end]


@given(texts.filter(bool), texts)
def test_no_text_of_a_document_becomes_an_element(text: str, title: str) -> None:
    plain = Shown(render._quote(a_quote("x", "x"), SAY)).tags
    assert Shown(render._quote(a_quote(text, title), SAY)).tags == plain


def test_a_carriage_return_survives() -> None:
    assert Shown(render.escape("a\r\nb\rc")).text == "a\r\nb\rc"
    assert "\r" not in render.escape("a\r\nb")


def test_a_citation_names_all_that_is_known() -> None:
    quote = Quote(
        document="a.txt",
        title="Title",
        section=("Part", "Detail"),
        page=4,
        start=0,
        end=4,
        sha256="0" * 64,
        rank=1,
        text="Word",
        highlights=((0, 4),),
        score=0.5,
        metadata={"reviewed": "2026-01-31", "author": "Nurse Lee", "licence": "CC BY 4.0"},
        also_in=(Place("b.txt", "Other", (), None, 3, 7, "1" * 64),),
        overdue=True,
        recognised=True,
    )
    shown = Shown(render._quote(quote, SAY)).text
    for expected in ("Title", "Part › Detail", "4", "2026-01-31", "Nurse Lee", "CC BY 4.0", "Other"):
        assert expected in shown


@given(st.integers(0, 3000), st.integers(1, 200))
def test_of_a_long_document_the_surroundings_are_shown(start: int, length: int) -> None:
    text = "word " * 30_000
    start *= 30
    first, last = render.shown_part(text, start, start + length)
    assert 0 <= first <= start < start + length <= last <= len(text)
    assert last - first <= length + 2 * render.AROUND


def test_starters_are_headings_from_all_over_the_corpus() -> None:
    def document(id: str, headings: tuple[str, ...]) -> Document:
        sections = tuple(Section(n, n + 1, (h,) if h else ()) for n, h in enumerate(headings))
        return Document(id=id, text="x" * len(headings), title=f"Title {id}", sections=sections, source=id)

    documents = [document("a", ("One", "Two", "Three")), document("b", ("", "Four")), document("c", ("One",))]
    assert chat.starters(documents) == ("One", "Four", "Two", "Three", "Title a")
    assert chat.starters([document("a", ("x" * 90, "…"))]) == ("Title a",)


def said(bot: Bot, question: str) -> list[str]:
    """What the log and the line for problems hold at the end."""
    conversation = chat.Conversation(turns=[])
    problem = ""
    for turns, _, told in chat.replies(bot, question, conversation):
        conversation = turns if "turns" in turns else conversation
        problem = told
    return [*(turn["html"] for turn in conversation["turns"]), problem]


def test_a_fault_is_told_as_a_fault_and_logged_without_the_question(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: Exception) -> list[str]:
        def ask(self: Bot, question: str, history: object = (), *, own_words: bool = False) -> None:
            raise error

        monkeypatch.setattr(Bot, "ask", ask)
        return said(bot, "Is my secret safe?")

    [problem] = fail(ZeroDivisionError("boom"))
    assert 'data-notice="fault"' in problem
    assert "does not mean that our leaflets have no answer" in problem
    assert "ZeroDivisionError" in caplog.text
    [problem] = fail(IndexStale("a.txt is not as it was", remedy="bot index"))
    assert 'data-notice="index_out_of_date"' in problem
    assert "secret" not in caplog.text


@pytest.mark.parametrize(("question", "id"), [("  ", "question_empty"), ("pain " * 500, "question_too_long")])
def test_what_cannot_be_asked_is_told_and_kept_in_the_box(bot: Bot, question: str, id: str) -> None:
    [(turns, box, problem)] = chat.replies(bot, question, chat.Conversation(turns=[]))
    assert "turns" not in turns, "the conversation is left as it is"
    assert box == question
    assert f'data-notice="{id}"' in problem


def test_earlier_questions_are_handed_on(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    ask = Bot.ask
    monkeypatch.setattr(
        Bot, "ask", lambda self, asked, history, **how: seen.append(history) or ask(self, asked, history)
    )
    turns = [chat.Turn(question="first?", html="", pending=False)]
    list(chat.replies(bot, "and then?", chat.Conversation(turns=turns)))
    assert seen == [["first?"]]


# The page of a document


def source(site: str, **query: object) -> httpx.Response:
    return httpx.get(f"{site}/source?{urlencode(query)}")


def test_the_page_of_a_document_marks_the_quote(site: str, bot: Bot) -> None:
    quote = bot.ask("What are the side effects of ketamine?").quotes[0]
    place = {"document": quote.document, "start": quote.start, "end": quote.end, "sha256": quote.sha256}
    found = source(site, **place)
    assert found.status_code == 200
    marked = re.search(r'(?s)<mark id="quote">(.*?)</mark>', found.text)
    assert marked
    assert html.unescape(marked[1]) == quote.text
    assert "<script" not in found.text
    assert source(site, **{**place, "sha256": "0" * 64}).status_code == 409
    assert source(site, **{**place, "document": "other"}).status_code == 404
    for wrong in ({"start": "x"}, {"start": -1}, {"end": 10**9}, {"end": 0}, {"start": "٣"}):
        assert source(site, **{**place, **wrong}).status_code == 400
    assert source(site).status_code == 404


def test_ranges_of_a_url() -> None:
    assert _range("3", "9") == (3, 9)
    for start, end in (("9", "3"), ("3", "3"), ("-1", "4"), ("1.5", "4"), (None, "4"), ("", "4"), ("0", "9" * 20)):
        assert _range(start, end) is None


# Headers


def test_every_response_forbids_what_is_foreign(site: str) -> None:
    for path in ("/", "/source", "/style.css", "/gradio_api/info", "/nothing"):
        headers = httpx.get(site + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http:" not in policy
        assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def test_inline_scripts_are_allowed_by_their_hash_alone() -> None:
    assert _script_policy(b"<p>none</p>") == "script-src 'self'"
    policy = _script_policy(b"<script>alert(1)</script><script src=x.js></script>")
    assert policy.count("sha256-") == 1


# Endpoints


def test_endpoints_return_what_the_bot_returns(site: str, bot: Bot) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HF_HUB_OFFLINE", "1")
        client = Client(site, verbose=False)
    try:
        told = client.predict("Does it help with CRPS?", ["What is ketamine?"], api_name="/ask")
        own = bot.ask("Does it help with CRPS?", ["What is ketamine?"]).to_dict()
        for answer in (told, own):
            answer.pop("timings_ms")
        assert told == own
        found = client.predict("opioid alternatives", 3, api_name="/search")
        assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
        assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/ask", "/search"}
        for arguments, name, message in (
            (("", []), "/ask", "the question is empty"),
            (("why?", "no list"), "/ask", "the history is not a list"),
            (("why?", [1]), "/ask", "the history is not a list"),
            ((5, []), "/ask", "the question is not text"),
            (("pain", 0), "/search", "k is 0"),
            (("pain", "x"), "/search", "k is 'x'"),
        ):
            with pytest.raises(AppError, match=message) as caught:
                client.predict(*arguments, api_name=name)
            assert "To fix: " in str(caught.value)
    finally:
        client.close()


def test_an_address_that_cannot_be_had_is_a_problem_with_a_remedy() -> None:
    with _listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(UsageError, match="cannot be used") as caught:
            _listen("127.0.0.1", taken.getsockname()[1])
    assert "--port" in caught.value.remedy


def test_a_hostile_document_is_plain_text_everywhere(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HOSTILE, encoding="utf-8")
    own = Bot.from_corpus(tmp_path, config=Config(answer=Answering(answer_above=0.0)))
    answer = own.ask("pain relief")
    shown = render.answer(answer, SAY) + render.source_page(own.document("a.txt"), 0, 40, SAY)
    assert HOSTILE in Shown(shown).text
    assert not {"script", "img", "b"} & set(Shown(shown).tags)
