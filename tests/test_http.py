"""HTTP, MCP and headers: what programs get, and what nobody gets."""

import asyncio
import contextlib
import json
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import httpx2
import hypothesis
import pytest
import schemathesis
from conftest import CORPUS
from fastapi import FastAPI
from fastapi.routing import APIRoute
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient

from bot.bot import Bot
from bot.config import Answering, Config, Keeping, Web
from bot.errors import IndexCorrupt, IndexStale
from bot.store import Store
from bot.ui import chat, create_app, models
from bot.ui.api import Service
from bot.ui.blocks import Made, create_blocks
from bot.ui.feedback import Recorder
from bot.ui.gate import INPUTS, Gate, _names_a_file
from bot.ui.headers import _closed
from bot.ui.http import Beside, create_api

DOCUMENT = "ketamine-for-chronic-pain.txt"
LOCAL = "http://localhost:7860"
QUESTIONS = (
    "What are the side effects of ketamine?",
    "Does it help with CRPS?",
    "Which conditions can it be used for?",
    "How is ketamine given?",
    "Is ketamine addictive?",
)
NOTHING_KEPT = Keeping(url="")


def app_over(bot: Bot, **web: Any) -> FastAPI:
    config = Config(web=Web(**{"requests_per_minute": 0, **web}), store=NOTHING_KEPT, answer=bot.config.answer)
    return create_app(Bot(bot.index, bot.encoder, config))


@pytest.fixture(scope="module")
def app(bot: Bot) -> FastAPI:
    return app_over(bot)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Apart from the time it took."""
    return {**one, "timings_ms": None} == {**other, "timings_ms": None}


# The answers


@pytest.mark.parametrize("question", [*QUESTIONS, "Who won the world cup in 1998?", "I took too many pills", "thanks!"])
def test_an_answer_over_http_is_the_one_in_process(client: TestClient, bot: Bot, question: str) -> None:
    told = client.post("/api/ask", json={"question": question})
    assert told.status_code == 200
    assert same(told.json(), bot.ask(question).to_dict())
    models.Answer.model_validate(told.json())


def test_history_and_own_words_are_handed_on(client: TestClient, bot: Bot) -> None:
    history = ["What is ketamine?"]
    told = client.post("/api/ask", json={"question": "does it help with crps", "history": history}).json()
    assert same(told, bot.ask("does it help with crps", history).to_dict())
    own = client.post("/api/ask", json={"question": "is it adictive", "own_words": True}).json()
    assert same(own, bot.ask("is it adictive", own_words=True).to_dict())
    assert own["changes"] == []


def test_a_search_over_http_is_the_one_in_process(client: TestClient, bot: Bot) -> None:
    told = client.post("/api/search", json={"query": "opioid alternatives", "k": 3}).json()
    assert same(told, bot.search("opioid alternatives", 3).to_dict())
    models.Hits.model_validate(told)
    assert client.post("/api/search", json={"query": "pain", "k": 2.0}).status_code == 200, (
        "JSON has one kind of number"
    )


def test_a_document_and_its_slices_are_as_indexed(client: TestClient, bot: Bot) -> None:
    document = bot.document(DOCUMENT)
    whole = client.get(f"/api/documents/{DOCUMENT}").json()
    assert (whole["text"], whole["sha256"]) == (document.text, document.sha256)
    assert [tuple(section["headings"]) for section in whole["sections"]] == [s.headings for s in document.sections]
    models.Document.model_validate(whole)
    for own in client.post("/api/ask", json={"question": QUESTIONS[0]}).json()["quotes"]:
        place = {"start": own["start"], "end": own["end"]}
        part = client.get(f"/api/documents/{own['document']}", params=place).json()
        assert (part["text"], part["start"], part["end"]) == (own["text"], *place.values())
    assert client.get(f"/api/documents/{DOCUMENT}?start=5&end=5").json()["text"] == ""
    for wrong in ("start=9&end=5", f"end={len(document.text) + 1}"):
        assert client.get(f"/api/documents/{DOCUMENT}?{wrong}").status_code == 404


def test_ids_may_hold_anything_a_file_name_may(tmp_path: Path, bot: Bot) -> None:
    names = ("a b/ü.txt", "<img src=x onerror=alert(1)>.txt", "100%.txt", "q?x#y.txt")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"Pain relief of {name[0]} takes an hour.", encoding="utf-8")
    own = Bot.from_corpus(tmp_path, config=Config(answer=Answering(answer_above=0.0), store=NOTHING_KEPT))
    with TestClient(create_api(Service(own))) as client:
        for name in names:
            found = client.get(f"/api/documents/{quote(name)}")
            assert found.json()["id"] == name
        assert {hit["document"] for hit in client.post("/api/search", json={"query": "pain"}).json()["hits"]} == {
            *names
        }


def test_a_document_that_changed_is_withheld(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Pain relief takes an hour.", encoding="utf-8")
    own = Bot.from_corpus(tmp_path, config=Config(store=NOTHING_KEPT))
    with TestClient(create_api(Service(own))) as client:
        assert client.get("/api/documents/a.txt").status_code == 200
        assert client.get("/ready").json() == {"status": "ready", "documents": 1}
        (tmp_path / "a.txt").write_text("Pain relief takes a day.", encoding="utf-8")
        found = client.get("/api/documents/a.txt")
        assert found.status_code == 409
        assert "hour" not in found.text
    with TestClient(create_api(Service(own))) as client:
        told = client.get("/ready")
        assert (told.status_code, told.json()["reasons"]) == (503, ["documents_changed"])
        models.NotReady.model_validate(told.json())
        assert client.get("/health").json() == {"status": "ok"}


# What goes wrong


def test_every_problem_has_one_shape(client: TestClient) -> None:
    asked: list[tuple[int, str, str, dict[str, Any]]] = [
        (404, "GET", "/api/other", {}),
        (404, "GET", "/other", {}),
        (404, "GET", "/api/documents/other", {}),
        (405, "GET", "/api/ask", {}),
        (405, "DELETE", "/health", {}),
        (405, "POST", "/api", {}),
        (405, "GET", "/mcp", {}),
        (413, "POST", "/api/ask", {"content": b"x" * 300_000}),
        (422, "POST", "/api/ask", {}),
        (422, "POST", "/api/ask", {"json": {}}),
        (422, "POST", "/api/ask", {"json": {"question": "?!"}}),
        (422, "POST", "/api/ask", {"json": {"question": "pain " * 500}}),
        (422, "POST", "/api/ask", {"json": {"question": 5}}),
        (422, "POST", "/api/ask", {"json": {"question": "pain", "histroy": []}}),
        (422, "POST", "/api/ask", {"json": {"question": "pain", "history": "one"}}),
        (422, "POST", "/api/ask", {"json": {"question": "pain", "own_words": "yes"}}),
        (422, "POST", "/api/search", {"json": {"query": "pain", "k": 0}}),
        (422, "POST", "/api/search", {"json": {"query": "pain", "k": "5"}}),
        (422, "POST", "/api/search", {"json": {"query": "pain", "k": True}}),
        (422, "GET", f"/api/documents/{DOCUMENT}?start=-1", {}),
        (422, "GET", f"/api/documents/{DOCUMENT}?start=x", {}),
        (422, "POST", "/api/ask", {"content": b"{", "headers": {"content-type": "application/json"}}),
        (400, "POST", "/api/ask", {"content": b"[" * 99_999, "headers": {"content-type": "application/json"}}),
    ]
    for status, method, path, sent in asked:
        told = client.request(method, path, **sent)
        assert told.status_code == status, (method, path, sent)
        models.Problem.model_validate(told.json())
        assert told.headers["content-type"] == "application/json"
        assert_says_nothing_of_the_server(told.text)


HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_person_is_told_on_a_page(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.ui.about.about_page", lambda *_: 1 / 0)
    with TestClient(app_over(bot, requests_per_minute=9), base_url=LOCAL, raise_server_exceptions=False) as client:
        told = [
            (client.get("/nothing", headers=HTML), 404, "There is no page here."),
            (client.get("/a/b/c?d=e", headers=HTML), 404, '<base href="../../">'),
            (client.get("/gradio_api/upload", headers=HTML), 404, "There is no page here."),
            (client.post("/about", headers=HTML), 405, "this cannot be done here"),
            (client.post("/about", content=b"x" * 300_000, headers=HTML), 413, "this cannot be done here"),
            (client.get("/about", headers=HTML), 500, "this page did not work"),
            ([client.get("/source", headers=HTML) for _ in range(10)][-1], 429, "Too many pages were opened"),
        ]
        for page, status, words in told:
            assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
            assert words in page.text
            assert "Back to the questions" in page.text
            assert page.headers["x-content-type-options"] == "nosniff"
            assert_says_nothing_of_the_server(page.text.replace(".js", ""))
        assert told[3][0].headers["allow"] == "GET"
        assert int(told[-1][0].headers["retry-after"]) > 0
        assert client.get("/nothing", headers={"accept": "application/json"}).json()["error"]


def test_the_script_of_the_page_is_answered_as_json(client: TestClient) -> None:
    [part] = [one["id"] for one in client.get("/config").json()["components"] if one["type"] == "html"]
    asked = call("ask", {"question": QUESTIONS[0], "history": []}, part)
    assert "hallucinations" in client.post(CALLED, json=asked).json()["html"]
    for content, kind in (("{", "application/json"), ("[]", "application/json"), (json.dumps(asked), "text/plain")):
        told = client.post(CALLED, content=content, headers={"content-type": kind})
        assert told.status_code == 400, "another site's form cannot say that it is JSON"
    assert client.post(CALLED, json=call("feedback", {"id": 5}, part)).json()["text"].startswith("Sorry")


CALLED = "/gradio_api/component_server/"


def call(name: str, given: Any, part: Any) -> dict[str, Any]:
    """What Gradio's part of the page sends."""
    return {"session_hash": "x", "component_id": part, "fn_name": name, "data": given}


def assert_says_nothing_of_the_server(text: str) -> None:
    for secret in (str(Path.cwd()), "site-packages", "Traceback", "uvicorn", "pydantic", "errors.pydantic.dev", ".py"):
        assert secret not in text


def test_another_sites_form_cannot_ask(client: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        told = client.post("/api/ask", content='{"question": "pain"}', headers={"content-type": kind})
        assert told.status_code == 422


def test_a_fault_says_nothing_of_the_server_and_is_logged_without_the_question(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "/srv/clinic/index/documents.jsonl"
    for error, status in (
        (IndexStale(f"{secret} changed", remedy=f"look at {secret}"), 503),
        (IndexCorrupt(f"{secret} is damaged", remedy="bot index --rebuild"), 503),
        (ZeroDivisionError(secret), 500),
    ):

        def fail(self: Bot, *_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(Bot, "ask", fail)
        told = client.post("/api/ask", json={"question": "Is my wife's diagnosis safe?"})
        assert told.status_code == status
        models.Problem.model_validate(told.json())
        assert "srv" not in told.text
        assert told.headers["x-content-type-options"] == "nosniff"
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(logging.getLogger("gradio"), "disabled", True)
            failed = call_gradio(client, "ask", ["Is my wife's diagnosis safe?", [], False])
        assert "srv" not in failed
    assert "documents.jsonl" in caplog.text
    assert "wife" not in caplog.text


def test_half_a_character_is_no_fault(client: TestClient) -> None:
    for body in ('{"question": "pain \\ud800"}', '{"question": "why?", "history": ["\\ud800 pain"]}'):
        told = client.post("/api/ask", content=body, headers={"content-type": "application/json"})
        assert told.status_code in (200, 422)


def test_too_many_at_once_are_told_so(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.ui.api.WAITING", 0)
    with TestClient(create_api(Service(bot))) as client:
        told = client.post("/api/ask", json={"question": "pain"})
    assert (told.status_code, told.headers["retry-after"]) == (503, "5")


# The description


def test_the_schema_names_every_address_and_status(client: TestClient) -> None:
    schema = client.get("/api/openapi.json").json()
    assert {path: list(methods) for path, methods in schema["paths"].items()} == {
        "/api/ask": ["post"],
        "/api/search": ["post"],
        "/api/documents/{id}": ["get"],
        "/health": ["get"],
        "/ready": ["get"],
    }
    page = client.get("/api").text
    assert "<script" not in page
    for path in schema["paths"]:
        assert path in page
    for target in re.findall(r'href="#(\w+)"', page):
        assert f'id="{target}"' in page


def operations(app: FastAPI) -> list[Any]:
    return [found.ok() for found in schemathesis.openapi.from_asgi("/api/openapi.json", app).get_all_operations()]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("label", ["POST /api/ask", "POST /api/search", "GET /api/documents/{id}"])
def test_what_comes_is_what_the_schema_says(app: FastAPI, label: str, mode: schemathesis.GenerationMode) -> None:
    [operation] = [one for one in operations(app) if one.label == label]

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=[*hypothesis.HealthCheck]
    )
    def check(case: schemathesis.Case) -> None:
        if mode is schemathesis.GenerationMode.NEGATIVE and isinstance(case.body, dict):
            # Schemathesis takes fewer characters for \p{L} than there are, and so their texts for wrong ones.
            words = (case.body.get(name) for name in ("question", "query"))
            hypothesis.assume(all(word.isascii() for word in words if isinstance(word, str)))
        case.call_and_validate()

    check()


# Tools for language models


def over_mcp(bot: Bot, what: Callable[[Client], Awaitable[Any]], mode: str = "auto") -> Any:
    """What `what` gives with the protocol's own client, over the whole app, in process."""
    app = app_over(bot)

    async def run() -> Any:
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http,
            Client(streamable_http_client(f"{LOCAL}/mcp", http_client=http), mode=mode) as client,
        ):
            return await what(client)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_both_tools_answer_as_the_bot_does(bot: Bot, mode: str) -> None:
    async def use(client: Client) -> Any:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool("ask", {"question": QUESTIONS[1], "history": ["What is ketamine?"]})
        hits = await client.call_tool("search", {"query": "opioid alternatives", "k": 3})
        return tools, answer, hits, client.server_capabilities

    tools, answer, hits, can = over_mcp(bot, use, mode)
    assert [tool.name for tool in tools] == ["ask", "search"]
    for tool in tools:
        assert tool.description
        assert tool.annotations.read_only_hint
        assert tool.input_schema["additionalProperties"] is False
    assert tools[0].input_schema["required"] == ["question"]
    assert (can.prompts, can.resources) == (None, None)
    assert not answer.is_error
    own = bot.ask(QUESTIONS[1], ["What is ketamine?"]).to_dict()
    assert same(answer.structured_content, own)
    assert same(json.loads(answer.content[0].text), own)
    assert same(hits.structured_content, bot.search("opioid alternatives", 3).to_dict())


def test_a_tool_that_cannot_be_used_says_why(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(client: Client) -> list[Any]:
        asked: list[tuple[str, dict[str, Any]]] = [
            ("ask", {"question": "?"}),
            ("ask", {"question": 5}),
            ("ask", {}),
            ("search", {"query": "pain", "k": 0}),
            ("read_file", {"path": "/etc/passwd"}),
        ]
        return [await client.session.call_tool(*one) for one in asked]

    told = over_mcp(bot, use)
    assert all(one.is_error and "To fix: " in one.content[0].text for one in told)

    def fail(self: Bot, *_: object, **__: object) -> None:
        raise IndexStale("/srv/index changed", remedy="bot index")

    monkeypatch.setattr(Bot, "ask", fail)

    async def fault(client: Client) -> Any:
        return await client.call_tool("ask", {"question": "pain"})

    told = over_mcp(bot, fault)
    assert told.is_error
    assert "srv" not in told.content[0].text


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
MCP = {"accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "127.0.0.1:9"}, 200),
        ({"host": "chat.clinic.example"}, 200),
        ({"origin": "https://chat.clinic.example"}, 200),
        ({"host": "evil.example"}, 421),
        ({"host": "localhost.evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 400),
    ],
)
def test_mcp_is_reached_under_the_servers_own_names_alone(bot: Bot, headers: dict[str, str], status: int) -> None:
    with TestClient(app_over(bot, hosts="chat.clinic.example"), base_url=LOCAL) as client:
        assert client.post("/mcp", json=PING, headers=MCP | headers).status_code == status
        assert client.post("/health", headers=headers).status_code == 405, "the rest is as before"


# Many at once


def test_each_gets_its_own_answer(client: TestClient, bot: Bot) -> None:
    """Twenty conversations at once: nobody gets what another one asked or was told."""
    talks = [
        [QUESTIONS[n % len(QUESTIONS)], f"and what about {word}?", f"{word} and ketamine {n}?"]
        for n, word in enumerate(("sleep", "children", "infusions", "addiction", "doctors") * 4)
    ]

    def hold(talk: list[str]) -> list[dict[str, Any]]:
        return [
            client.post("/api/ask", json={"question": question, "history": talk[:n]}).json()
            for n, question in enumerate(talk)
        ]

    with ThreadPoolExecutor(20) as people:
        told = list(people.map(hold, talks))
    for talk, answers in zip(talks, told, strict=True):
        for n, (question, answer) in enumerate(zip(talk, answers, strict=True)):
            assert same(answer, bot.ask(question, talk[:n]).to_dict())


# Headers


ADDRESSES = ("/", "/api", "/api/openapi.json", "/health", "/source", "/style.css", "/nothing", "/mcp", "/config")


def test_every_response_is_closed_to_other_sites(client: TestClient) -> None:
    for path in ADDRESSES:
        for origin in ({}, {"origin": "https://evil.example"}, {"origin": "null"}):
            headers = client.get(path, headers=origin).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "camera=()" in headers["permissions-policy"]
            assert "default-src 'self'" in headers["content-security-policy"]
            assert "http:" not in headers["content-security-policy"]
            assert not [name for name in headers if name.startswith("access-control-")]
            assert "server" not in headers
            assert "set-cookie" not in headers, "nothing needs one"
    preflight = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for path in ("/api/ask", "/gradio_api/queue/join", "/mcp"):
        told = client.options(path, headers=preflight)
        assert not [name for name in told.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("sites", "policy", "old"),
    [
        ("", "frame-ancestors 'self'", "SAMEORIGIN"),
        ("https://clinic.example", "frame-ancestors 'self' https://clinic.example", None),
        (
            "https://clinic.example  http://localhost:8000",
            "frame-ancestors 'self' https://clinic.example http://localhost:8000",
            None,
        ),
    ],
)
def test_a_frame_is_for_the_configured_sites_alone(bot: Bot, sites: str, policy: str, old: str | None) -> None:
    with TestClient(app_over(bot, frame_ancestors=sites), base_url=LOCAL) as client:
        for path in ("/", "/source", "/api", "/nothing"):
            headers = client.get(path).headers
            assert policy in headers["content-security-policy"].split("; ")
            assert headers.get("x-frame-options") == old


def test_a_cookie_stays_with_its_site() -> None:
    assert _closed("a=b; Path=/; SameSite=none; Secure") == "a=b; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert _closed("a=b; HttpOnly") == "a=b; HttpOnly; SameSite=Lax"


# What is served at all


def test_every_route_of_the_app_is_known(app: FastAPI) -> None:
    """A new one belongs here once it is clear that it hands out nothing it should not."""
    known = {route.path for route in app.routes if isinstance(route, APIRoute)}
    files = {"/style.css", "/pages.css", "/clinic.css", "/source.js", "/icon.svg"}
    assert known == {"/", "/source", "/page", "/about"} | files
    beside = [path for route in app.routes if isinstance(route, Beside) for path in route.paths]
    gradios = ["/config", "/theme.css", "/gradio_api/", "/assets/", "/static/"]
    assert beside == ["/api", "/api/", "/health", "/ready", "/mcp", *gradios, "/staff", "/staff/"]
    assert {type(route) for route in app.routes} == {APIRoute, Beside}


GRADIOS = {
    "GET": {
        "/config",
        "/theme.css",
        "/assets/{path:path}",
        "/static/{path:path}",
        "/gradio_api/info",
        "/gradio_api/queue/data",
        "/gradio_api/queue/status",
        "/gradio_api/heartbeat/{session_hash}",
    },
    "POST": {"/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset"},
}


FUNCTIONS = frozenset({"ask", "feedback"})


@pytest.fixture(scope="module")
def made(bot: Bot) -> Made:
    return create_blocks(Service(bot), chat.functions(bot, Recorder(Store.open(Keeping(url="")), bot)))


def test_of_gradios_routes_only_those_are_open_that_are_needed(made: Made) -> None:
    [gradio] = [route.app for route in made.app.routes if isinstance(route, Mount)]
    reached: list[str] = []

    async def note(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await PlainTextResponse("")(scope, receive, send)

    client = TestClient(ExceptionMiddleware(Gate(note, made.part, FUNCTIONS)))
    every = [one for route in gradio.routes for one in getattr(route, "original_router", gradio).routes]
    paths = {path for route in every if (path := getattr(route, "path", None))}
    assert paths >= {*GRADIOS["GET"], *GRADIOS["POST"], "/gradio_api/upload", "/gradio_api/component_server", "/config"}
    for path in sorted(paths):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            reached.clear()
            client.request(method, re.sub(r"{[^}]*}", "x", path), json={"fn_index": 1, "data": ["pain", 3]})
            assert bool(reached) == (path in GRADIOS.get(method, set())), (method, path)
    for name, inputs in INPUTS.items():
        reached.clear()
        client.post(f"/gradio_api/call/{name}", json={"data": ["pain"] * inputs})
        client.get(f"/gradio_api/call/{name}/x")
        assert len(reached) == 2
    for body, reaches in (
        (call("ask", {"question": "pain"}, made.part), True),
        (call("feedback", {}, made.part), True),
        (call("preprocess", {}, made.part), False),
        (call("ask", {}, made.part + 1), False),
        (call("ask", {}, True), False),
        (call("ask", ["pain"], made.part), False),
        ({}, False),
    ):
        reached.clear()
        client.post(CALLED, json=body)
        assert bool(reached) == reaches, body


UNSERVED = [
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", f"/gradio_api/file={CORPUS / DOCUMENT}"),
    ("GET", "/gradio_api/file=bot.toml"),
    ("GET", "/gradio_api/file=http://example.com/"),
    ("GET", "/gradio_api/file/bot.toml"),
    ("GET", "/file=/etc/passwd"),
    ("GET", "/gradio_api/proxy=http://example.com/"),
    ("HEAD", "/gradio_api/proxy=http://example.com/"),
    ("GET", "/gradio_api/custom_component/x/client/y/z"),
    ("GET", "/gradio_api/stream/a/b/1/playlist-file"),
    ("POST", "/gradio_api/upload"),
    ("GET", "/gradio_api/upload_progress?upload_id=x"),
    ("POST", "/gradio_api/process_recording"),
    ("POST", "/gradio_api/component_server"),
    ("GET", "/gradio_api/app_id"),
    ("GET", "/gradio_api/startup-events"),
    ("GET", "/static/../index.html"),
    ("GET", "/assets/..%2f..%2f..%2froutes.py"),
    ("POST", "/gradio_api/vibe-edit"),
    ("GET", "/gradio_api/vibe-code"),
    ("GET", "/gradio_api/dev/reload"),
    ("GET", "/gradio_api/deep_link?session_hash=x"),
    ("POST", "/gradio_api/run/ask"),
    ("POST", "/gradio_api/api/ask"),
    ("POST", "/gradio_api/call/chat"),
    ("GET", "/gradio_api/openapi.json"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/redoc"),
    ("GET", "/monitoring"),
    ("GET", "/gradio_api/runs"),
    ("POST", "/login"),
    ("GET", "/logout"),
    ("GET", "/gradio_api/token"),
    ("GET", "/bot.toml"),
    ("GET", f"/{DOCUMENT}"),
    ("GET", f"/corpus/{DOCUMENT}"),
    ("GET", "/static/../../../../bot.toml"),
    ("GET", "/static/%2e%2e/%2e%2e/routes.py"),
    ("GET", "/assets/..%2f..%2f..%2froutes.py"),
    ("GET", "/assets//etc/passwd"),
    ("GET", "/svelte/..%2f..%2froutes.py"),
    ("GET", "/api/documents//etc/passwd"),
    ("GET", f"/api/documents/{CORPUS / DOCUMENT}"),
    ("GET", f"/api/documents/../corpus/{DOCUMENT}"),
    ("GET", f"/api/documents/%2e%2e%2fcorpus%2f{DOCUMENT}"),
    ("GET", "/api/documents/bot.toml"),
    ("GET", "/api/documents/a%00b"),
    ("PUT", f"/api/documents/{DOCUMENT}"),
]


@pytest.mark.parametrize(("method", "path"), UNSERVED)
def test_no_file_of_the_server_is_served(client: TestClient, method: str, path: str) -> None:
    told = client.request(method, path)
    assert told.status_code in (403, 404, 405), told.text
    assert "root:" not in told.text
    assert "Ketamine Treatment" not in told.text
    assert_says_nothing_of_the_server(told.text.replace(path, ""))


def call_gradio(client: TestClient, name: str, data: list[Any]) -> str:
    event = client.post(f"/gradio_api/call/{name}", json={"data": data}).json()["event_id"]
    return client.get(f"/gradio_api/call/{name}/{event}").text


def test_gradios_endpoints_answer_through_the_gate(client: TestClient, bot: Bot) -> None:
    told = call_gradio(client, "ask", [QUESTIONS[0], [], False])
    [answer] = json.loads(told.partition("data: ")[2])
    assert same(answer, bot.ask(QUESTIONS[0]).to_dict())


def test_nobody_has_gradio_fetch_or_read_a_file(client: TestClient) -> None:
    for path in ("http://example.com/a.png", "/etc/passwd", str(CORPUS / DOCUMENT)):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        escaped = json.dumps({"data": [[file], [], False]}).replace("path", "p\\u0061th")
        for address in ("/gradio_api/call/ask", CALLED, "/gradio_api/cancel"):
            told = client.post(address, content=escaped, headers={"content-type": "application/json"})
            assert told.status_code == 400
    assert not _names_a_file({"data": ["path", ["a", {"question": "gradio.FileData"}], None, 5]})
    for broken in ("{", "[" * 99_999, ""):
        assert client.post("/gradio_api/queue/join", content=broken).status_code == 400


def test_the_gate_knows_the_endpoints(made: Made) -> None:
    [gradio] = [route.app for route in made.app.routes if isinstance(route, Mount)]
    endpoints = gradio.get_blocks().config["dependencies"]
    assert {one["api_name"]: len(one["inputs"]) for one in endpoints} == INPUTS
    assert [one["id"] for one in endpoints] == [*range(len(INPUTS))]


SECRET = "my wife's diagnosis"


@pytest.mark.parametrize(
    "body",
    [
        {"fn_index": 99, "data": [SECRET, [], False], "session_hash": "x"},
        {"fn_index": -1, "data": [SECRET, [], False], "session_hash": "x"},
        {"fn_index": True, "data": [SECRET, 10], "session_hash": "x"},
        {"fn_index": "0", "data": [SECRET, [], False], "session_hash": "x"},
        {"fn_index": 0, "data": [SECRET], "session_hash": "x"},
        {"fn_index": 0, "data": {"question": SECRET}, "session_hash": "x"},
        {"fn_index": 0, "session_hash": "x"},
        {"component_id": 1, "fn_name": "ask", "data": [SECRET]},
        {"component_id": 99, "fn_name": "ask", "data": {"question": SECRET}, "session_hash": "x"},
        {"component_id": 1, "fn_name": "none", "data": {"question": SECRET}, "session_hash": "x"},
        {"component_id": 1, "fn_name": "ask", "data": {"question": SECRET}},
        {},
        [SECRET],
    ],
)
def test_what_gradio_cannot_take_is_refused_without_a_word_in_the_log(
    client: TestClient, body: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert client.post("/gradio_api/queue/join", json=body).status_code == 400
    assert client.post("/gradio_api/call/ask", json={"data": [body]}).status_code == 400
    assert client.post("/gradio_api/call/none", json=body).status_code == 404
    assert client.post(CALLED, json=body).status_code == 400
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert SECRET not in "".join(capfd.readouterr())


def test_a_client_that_asks_too_often_waits(bot: Bot) -> None:
    with TestClient(app_over(bot, requests_per_minute=3), base_url=LOCAL) as client:
        told = [client.post("/api/search", json={"query": "pain", "k": 1}) for _ in range(5)]
        assert [one.status_code for one in told] == [200, 200, 200, 429, 429]
        assert 1 <= int(told[-1].headers["retry-after"]) <= 20
        models.Problem.model_validate(told[-1].json())
        assert told[-1].headers["x-content-type-options"] == "nosniff"
        assert client.post("/gradio_api/queue/join", json={}).status_code == 429
        assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("Content-Length: 17", b'{"query": "pain"}', b"200"),
        ("Content-Length: 999999999", b"x", b"413"),
        ("Transfer-Encoding: chunked", b"40000\r\n" + b"x" * 0x40000 + b"\r\n5\r\nxxxxx\r\n0\r\n\r\n", b"413"),
        ("Content-Length: 5", b'{"query": "pain"}', b"422"),
        ("Content-Length: -5", b"x", b"400"),
        ("Content-Length: 5\r\nContent-Length: 6", b"xxxxxx", b"400"),
    ],
)
def test_a_length_that_lies_gains_nothing(site: str, head: str, body: bytes, status: bytes) -> None:
    url = httpx.URL(site)
    with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
        connection.sendall(
            f"POST /api/search HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\n{head}\r\n\r\n".encode()
        )
        with contextlib.suppress(ConnectionError):  # it need not listen to the end
            connection.sendall(body)
        assert connection.recv(100).split()[1] == status
    assert httpx.get(f"{site}/health").status_code == 200


# Text of others


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202e{{7*7}} ${1+1} pain relief"


def test_markup_stays_text_in_json(tmp_path: Path) -> None:
    (tmp_path / "<b>x<b>.txt").write_text(HOSTILE, encoding="utf-8")
    (tmp_path / "<b>x<b>.txt.meta.toml").write_text(f"title = {json.dumps(HOSTILE)}\nauthor = '<i>me</i>'\n")
    own = Bot.from_corpus(tmp_path, config=Config(answer=Answering(answer_above=0.0), store=NOTHING_KEPT))
    with TestClient(create_app(own), base_url=LOCAL) as client:
        asked = f"pain relief {HOSTILE}"
        told = client.post("/api/ask", json={"question": asked, "own_words": True})
        assert told.headers["content-type"] == "application/json"
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.json()["question"] == asked
        [found] = told.json()["quotes"]
        assert HOSTILE in found["text"]
        assert found["metadata"]["author"] == "<i>me</i>"
        for path in ("<script>alert(1)</script>", "%3Cscript%3Ealert(1)%3C/script%3E"):
            for start in ("/api/documents/", "/", "/source?document="):
                assert "<script>alert(1)" not in client.get(start + path).text
        assert client.get("/api/documents/<b>x<b>.txt").headers["content-type"] == "application/json"
