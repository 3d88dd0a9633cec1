import asyncio
from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from bot.ui.http import Beside
from bot.ui.served import Served, Watched, current


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("x")(scope, receive, send)


@pytest.fixture
def told() -> list[Served]:
    return []


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    staff = APIRouter(prefix="/staff")

    @staff.get("/rows/{id}")
    def row(id: str) -> str | None:
        return current.get()

    @app.get("/fails")
    def fails() -> None:
        raise ZeroDivisionError

    app.include_router(staff)
    app.router.routes.append(Beside(plain, "/mcp"))
    return app


@pytest.fixture
def client(app: FastAPI, told: list[Served]) -> Iterator[TestClient]:
    with TestClient(Watched(app, 0, told.append), client=("9.9.9.9", 1), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("GET", "/staff/rows/secret?question=secret", ("GET", "/staff/rows/{id}", 200)),
        ("GET", "/mcp", ("GET", "/mcp", 200)),
        ("GET", "/secret", ("GET", "other", 404)),
        ("GET", "/fails", ("GET", "/fails", 500)),
        ("POST", "/staff/rows/secret", ("POST", "/staff/rows/{id}", 405)),
        ("SECRET", "/secret", ("other", "other", 404)),
    ],
)
def test_a_request_is_told_by_its_pattern(
    client: TestClient, told: list[Served], method: str, path: str, what: tuple[str, str, int]
) -> None:
    client.request(method, path)
    [served] = told
    assert (served.method, served.route, served.status) == what
    assert served.seconds > 0
    assert served.client == "9.9.9.9"
    assert "secret" not in repr(served).lower()


def test_each_request_has_an_id_of_its_own_that_the_response_names(client: TestClient, told: list[Served]) -> None:
    first, second = client.get("/staff/rows/1"), client.get("/staff/rows/1")
    ids = [served.id for served in told]
    assert [first.headers["x-request-id"], second.headers["x-request-id"]] == ids
    assert [first.json(), second.json()] == ids, "it is known in the thread that answers"
    assert len(set(ids)) == 2
    assert current.get() is None


def test_only_a_proxy_may_name_a_request(app: FastAPI) -> None:
    def id_of(proxies: int, given: str) -> str:
        told: list[Served] = []
        TestClient(Watched(app, proxies, told.append)).get("/mcp", headers={"X-Request-ID": given})
        return told[0].id

    assert id_of(0, "mine") != "mine"
    assert id_of(1, "mine") == "mine"
    for unfit in ("a b", "x" * 65, '"}', ""):
        assert id_of(1, unfit) != unfit


def test_a_failure_is_still_of_its_request_where_it_is_logged(told: list[Served]) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def server() -> str | None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": None}
        with pytest.raises(ZeroDivisionError):
            await Watched(fails, 0, told.append)(scope, nothing, nothing)
        return current.get()

    assert asyncio.run(server()) == told[0].id
    assert told[0].status == 500


async def nothing(message: object = None) -> dict[str, str]:
    return {}


def test_what_is_no_request_passes_by(told: list[Served]) -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(Watched(inner, 0, told.append)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
    assert told == []
