"""The tools `ask` and `search` for language models: MCP over streamable HTTP at ``/mcp``.

Nothing is remembered between two requests, so there is no session to take over or to fill the memory with.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from mcp.server import Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from bot.config import Web
from bot.errors import PlainquoteError
from bot.ui import models
from bot.ui.api import Busy, Service, refusal
from bot.ui.told import BUSY, FAULT

logging.getLogger("mcp").setLevel(logging.WARNING)  # it tells of its own start and of every request

INSTRUCTIONS = (
    "Plainquote answers from one clinic's own documents, word for word. Show quotes and notices exactly as they are, "
    "with title and section of each quote, and an emergency notice first. Where the outcome is not_found the documents "
    "do not say: do not answer in their name."
)
LOCAL = ("localhost", "127.0.0.1", "[::1]")
_HARMLESS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


class Tools:
    """An ASGI app; it answers while `running`. `service` answers, `web` says under which names it may be reached."""

    def __init__(self, service: Service, web: Web) -> None:
        self._service = service
        self._security = _security(web)
        self._limit = web.max_body_kb * 1024
        self._manager: StreamableHTTPSessionManager | None = None
        longest = service.bot.config.answer.max_question_chars
        self._tools = [
            Tool(
                name="ask",
                title="Ask the clinic's documents",
                description="Answers a patient's question with exact quotes of the clinic's documents, each with its "
                "source, or says that they do not answer it (outcome not_found). Emergencies are recognised and get a "
                "notice that says whom to call. History: earlier questions of the conversation, oldest first.",
                input_schema=_input(models.Ask, "question", longest),
                output_schema=models.Answer.model_json_schema(),
                annotations=_HARMLESS,
            ),
            Tool(
                name="search",
                title="Search the clinic's documents",
                description="The passages of the clinic's documents that match best, with their scores, best first. It "
                "judges nothing: a passage that is found need not answer. To answer a question use ask.",
                input_schema=_input(models.Search, "query", longest),
                output_schema=models.Hits.model_json_schema(),
                annotations=_HARMLESS,
            ),
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server: Server[dict[str, Any]] = Server(
            "plainquote",
            title="Plainquote",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        self._manager = StreamableHTTPSessionManager(
            server,
            json_response=True,
            stateless=True,
            security_settings=self._security,
            max_request_body_size=self._limit,
        )
        async with self._manager.run():
            yield
        self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # the server never speaks first, and has no session to end
            told = {"error": "this address takes another method", "remedy": "Send MCP requests with POST."}
            await JSONResponse(told, 405, {"Allow": "POST"})(scope, receive, send)
        elif self._manager is None:
            await JSONResponse({"error": FAULT.error, "remedy": FAULT.remedy}, 503)(scope, receive, send)
        else:
            await self._manager.handle_request(scope, receive, send)

    async def _list(
        self, context: ServerRequestContext[dict[str, Any]], asked: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=self._tools)

    async def _call(
        self, context: ServerRequestContext[dict[str, Any]], asked: CallToolRequestParams
    ) -> CallToolResult:
        try:
            match asked.name:
                case "ask":
                    ask = models.Ask.model_validate(asked.arguments or {})
                    found = await self._service.in_turn(self._service.ask, ask.question, ask.history, ask.own_words)
                case "search":
                    search = models.Search.model_validate(asked.arguments or {})
                    found = await self._service.in_turn(self._service.search, search.query, search.k)
                case _:
                    return _failed("there is no such tool. To fix: Use ask or search.")
        except ValidationError:
            return _failed("the arguments are not as they should be. To fix: Follow the tool's input schema.")
        except Busy:
            return _failed(BUSY.text)
        except PlainquoteError as error:
            return _failed(refusal(error).text)
        except Exception as error:  # noqa: BLE001 - it is logged there; its words are not for the other side
            return _failed(refusal(error).text)
        text = json.dumps(found, ensure_ascii=False)
        return CallToolResult(content=[TextContent(text=text)], structured_content=found)


def _failed(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def _input(model: type[BaseModel], field: str, longest: int) -> dict[str, Any]:
    schema: dict[str, Any] = model.model_json_schema()
    schema["properties"][field]["maxLength"] = longest
    return schema


def _security(web: Web) -> TransportSecuritySettings:
    """A web page that a person looks at must not reach a server of theirs under a name of its own."""
    hosts = [name for host in (*LOCAL, *web.hosts.split()) for name in (host, f"{host}:*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts],
    )
