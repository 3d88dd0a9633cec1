import html
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from hypothesis import given
from hypothesis import strategies as st

from bot.answer import Answer, Place, Quote
from bot.bot import Bot
from bot.config import Answering, Clinic, Config
from bot.documents import Document, Section
from bot.errors import IndexStale, UsageError
from bot.texts import Notice, contact
from bot.ui import assets, chat, files, frontpage, headers, render
from bot.ui.server import _listen

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


def test_starters_are_headings_from_all_over_the_corpus() -> None:
    def document(id: str, headings: tuple[str, ...]) -> Document:
        sections = tuple(Section(n, n + 1, (h,) if h else ()) for n, h in enumerate(headings))
        return Document(id=id, text="x" * len(headings), title=f"Title {id}", sections=sections, source=id)

    documents = [document("a", ("One", "Two", "Three")), document("b", ("", "Four")), document("c", ("One",))]
    assert chat.starters(documents) == ("One", "Four", "Two", "Three", "Title a")
    assert chat.starters([document("a", ("x" * 90, "…"))]) == ("Title a",)


class Spoken:
    """A recorder that keeps what it is told."""

    def __init__(self, id: str | None = "i" * 22) -> None:
        self.id = id
        self.answers: list[Answer] = []
        self.faults: list[tuple[str, Exception, list[str]]] = []

    def answer(self, answer: Answer, milliseconds: float) -> str | None:
        assert milliseconds > 0
        self.answers.append(answer)
        return self.id

    def fault(self, question: str, error: Exception, milliseconds: float, notices: Sequence[Notice] = ()) -> None:
        self.faults.append((question, error, [notice.id for notice in notices]))


def test_a_fault_is_told_as_a_fault_and_logged_without_the_question(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Spoken()

    def fail(error: Exception) -> chat.Reply:
        def ask(self: Bot, question: str, history: object = (), *, own_words: bool = False) -> None:
            raise error

        monkeypatch.setattr(Bot, "ask", ask)
        return chat.reply(bot, recorder, {"question": "Is my secret safe?", "history": []})

    told = fail(ZeroDivisionError("boom"))
    assert told["html"] == ""
    assert 'data-notice="fault"' in told["problem"]
    assert "does not mean that our leaflets have no answer" in told["problem"]
    assert "ZeroDivisionError" in caplog.text
    assert (
        'data-notice="index_out_of_date"' in fail(IndexStale("a.txt is not as it was", remedy="bot index"))["problem"]
    )
    assert "secret" not in caplog.text
    assert [notices for _, _, notices in recorder.faults] == [["fault"], ["index_out_of_date"]]
    assert recorder.answers == []


@pytest.mark.parametrize(
    ("question", "id"),
    [
        ("  ", "question_empty"),
        ("pain " * 500, "question_too_long"),
        (5, "question_not_text"),
        (None, "question_not_text"),
    ],
)
def test_what_cannot_be_asked_is_told_and_not_recorded(bot: Bot, question: object, id: str) -> None:
    recorder = Spoken()
    told = chat.reply(bot, recorder, {"question": question, "history": []})
    assert told["html"] == ""
    assert f'data-notice="{id}"' in told["problem"]
    assert recorder.answers == recorder.faults == []


@pytest.mark.parametrize("history", ["what is it?", 7, None, [3], {"a": 1}])
def test_a_history_that_is_none_is_told(bot: Bot, history: object) -> None:
    assert "problem" in chat.reply(bot, Spoken(), {"question": "why?", "history": history})["problem"]


def test_an_answer_is_recorded_and_asks_whether_it_helped(bot: Bot) -> None:
    recorder = Spoken()
    question = "What are the side effects of ketamine?"
    told = chat.reply(bot, recorder, {"question": question, "history": []})
    assert told["problem"] == ""
    assert 'data-answer="iiiiiiiiiiiiiiiiiiiiii"' in told["html"]
    assert [answer.question for answer in recorder.answers] == [question]
    for asked, told_to in (("I cannot breathe", recorder), ("Hello!", recorder), (question, Spoken(id=None))):
        assert "feedback" not in chat.reply(bot, told_to, {"question": asked, "history": []})["html"], asked


def test_earlier_questions_are_handed_on(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    ask = Bot.ask
    monkeypatch.setattr(
        Bot, "ask", lambda self, asked, history, **how: seen.append(history) or ask(self, asked, history)
    )
    chat.reply(bot, Spoken(), {"question": "and then?", "history": ["first?"]})
    assert seen == [["first?"]]


# Numbers to call


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("911", "911"),
        ("1-800-222-1222 (Poison Help)", "18002221222"),
        ("+44 (0)20 7946 0000", "+442079460000"),
        ("(020) 7946 0000 ext. 12", "02079460000"),
        ("988 (Suicide and Crisis Lifeline)", "988"),
        ("", ""),
        ("ask at the desk", ""),
        ("12", ""),
        ('5550100"><script>', "5550100"),
    ],
)
def test_a_number_is_dialled_by_its_digits(written: str, dialled: str) -> None:
    assert render.dialling(written) == dialled


def test_a_card_has_a_link_for_each_number_that_it_names(bot: Bot) -> None:
    shown = render.answer(bot.ask("I took all my pills and I want to die"), Config())
    named = re.findall(r"911|988|1-800-222-1222", Shown(shown).text)
    assert re.findall(r'href="tel:(.*?)"', shown) == [number.replace("-", "") for number in dict.fromkeys(named)]
    assert named
    assert shown.index('role="alert"') < shown.index("tel:")


def test_a_refusal_says_how_to_reach_the_clinic() -> None:
    config = Config(clinic=Clinic(phone="555 010 20"))
    refusal = Answer("why?", "why?", (), "not_found", 0.0, (contact(config),), (), (), {}, None)
    assert '<a class="call" href="tel:55501020">Call us: 555 010 20</a>' in render.answer(refusal, config)
    assert "tel:" not in render.answer(refusal, Config())


# The page


def test_the_page_is_whole_before_any_script() -> None:
    config = Config(clinic=Clinic(name="A <b>clinic</b>", phone="555 010 20"))
    markup = shown_to_all(config)
    assert "<title>Ask A &lt;b&gt;clinic&lt;/b&gt;</title>" in markup
    assert '<textarea id="question"' in markup
    assert "<bdi>What helps?</bdi>" in markup
    assert 'href="tel:55501020"' in markup.partition("<noscript>")[2]
    assert 'src="logo"' not in markup
    assert markup.index('<textarea id="question"') < markup.index(files.CHAT) < markup.index("<gradio-app")
    assert "Gradio" not in re.sub(r"<(script|style).*?</\1>", "", markup, flags=re.DOTALL)
    assert "manifest" not in markup
    assert markup.index("</gradio-app>") < markup.index('"src": "./assets/a.js"')
    assert markup.index("</gradio-app>") < markup.index('"href": "./assets/a.css"')
    assert not re.findall("<script[^>]+src=", markup)
    assert '<link rel="stylesheet"' not in markup


GRADIO = """<html lang="en"><head><meta property="og:title" content="Gradio" /><meta
  name="twitter:creator" content="@Gradio" /><link rel="manifest" href="/manifest.json" />
<script type="module" crossorigin src="./assets/a.js"></script>
<link rel="stylesheet" crossorigin href="./assets/a.css"></head><body class="x"><gradio-app></gradio-app></body>"""


def shown_to_all(config: Config) -> str:
    return frontpage.around(GRADIO, config, ["What helps?"])._plain.decode()


def test_what_the_page_loads_is_packed_and_kept(site: str) -> None:
    page = httpx.get(site)
    loaded = set(re.findall(r'<(?:link|script)[^>]* (?:src|href)="([^"]+)"', page.text))
    answers = {address: httpx.get(f"{site}/{address}") for address in loaded}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert int(page.headers["content-length"]) < 16_000
    assert sum(len(answer.content) for answer in answers.values()) > 500_000
    assert sum(answer.num_bytes_downloaded for answer in answers.values()) < 300_000
    for answer in (page, *(answer for address, answer in answers.items() if not address.startswith("theme.css"))):
        lasting = "v=" in str(answer.url) or "/assets/" in str(answer.url)
        assert ("immutable" if lasting else "no-cache") in answer.headers["cache-control"]
        again = httpx.get(answer.url, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        plain = httpx.get(answer.url, headers={"accept-encoding": "gzip;q=0"})
        assert "content-encoding" not in plain.headers
        assert plain.content == answer.content
    old = httpx.get(f"{site}/source.js?v=0123456789abcdef")
    assert old.headers["cache-control"] == "no-cache", "another version than the one that is asked for is not kept"
    assert httpx.get(f"{site}/icon.svg").headers["content-security-policy"].endswith("sandbox")
    assert httpx.get(f"{site}/clinic.css").status_code == 200
    assert httpx.get(f"{site}/logo").status_code == 404


def test_modules_that_are_not_as_expected_are_not_preloaded(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<script src=x.js>")
    assert assets.found(tmp_path, ["html"]) == []
    (tmp_path / "index.html").write_text('<script type="module" crossorigin src="./assets/a.js"></script>')
    assert assets.found(tmp_path, ["html"]) == []
    (tmp_path / "assets" / "a.js").write_text('import"./b.js";import{c}from"./c.js";import{d}from"./gone.js"')
    (tmp_path / "assets" / "b.js").write_text("const __vite__mapDeps=0")
    (tmp_path / "assets" / "c.js").write_text('import"./a.js"')
    assert assets.found(tmp_path, ["html"]) == ["assets/a.js", "assets/b.js", "assets/c.js"]


# Headers


def test_every_response_forbids_what_is_foreign(site: str) -> None:
    for path in ("/", "/source", "/style.css", "/gradio_api/info", "/nothing"):
        given = httpx.get(site + path).headers
        policy = given["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http:" not in policy
        scripts = policy.split("script-src ")[1].split(";")[0]
        assert "unsafe-inline" not in scripts
        assert path == "/" or scripts == "'self'", "nothing inline, and nothing is evaluated"
        assert given["referrer-policy"] == "no-referrer"
        assert given["x-content-type-options"] == "nosniff"


def test_inline_scripts_are_allowed_by_their_hash_alone() -> None:
    page = "<script>alert(1)</script><script src=x.js></script>"
    policies = [headers.of_chat(page, "", gradio=gradio) for gradio in (False, True)]
    assert [policy.count("sha256-") for policy in policies] == [1, 1]
    assert ["unsafe-eval" in policy for policy in policies] == [False, True]
    assert "sha256-" not in headers.of_chat("<p>none</p>", "", gradio=False)


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
    shown = render.answer(answer, own.config)
    assert HOSTILE in Shown(shown).text
    assert not {"script", "img", "b"} & set(Shown(shown).tags)
