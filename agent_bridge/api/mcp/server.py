"""The protocol, by the official SDK. Nothing imports this module before the first request to ``/mcp``."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from agent_bridge import __version__
from agent_bridge.api.bodies import parsed_values
from agent_bridge.api.endpoint import ApiCall, Responded
from agent_bridge.api.mcp.exchange import TOKEN
from agent_bridge.api.mcp.joined_tools import LONGEST_WAIT
from agent_bridge.api.mcp.tool import KEY
from agent_bridge.api.mcp.tools import all_tools
from agent_bridge.api.problems import problem_content
from agent_bridge.api.refusals import refusal
from agent_bridge.api.token_watch import require_counting
from agent_bridge.bridge.programs.requests import Call, random_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp.server.context import ServerRequestContext

    from agent_bridge.api.endpoint import Endpoint
    from agent_bridge.api.mcp.exchange import Exchange
    from agent_bridge.api.mcp.tool import Tool as Declared
    from agent_bridge.api.model import ApiModel
    from agent_bridge.api.services import ApiServices
    from agent_bridge.core.program_problems import ProgramRefused
    from agent_bridge.core.programs import Token

_INSTRUCTIONS = (
    "You act in rooms of Matrix, where people and AI agents talk. People see all that you do there. "
    "`who` lists agents and people, `ask` asks an agent and waits for its answer, `read` shows a room. "
    "Names of agents stand for their rooms. Messages are Markdown."
)


class Catalogue:
    """The tools, and their schemas, which take a while to make."""

    def __init__(self, tools: Sequence[Declared]) -> None:
        self.tools = {each.name: each for each in tools}
        self.schemas = {each.name: each.input_schema() for each in tools}
        self._structured = {name: _structured(schema) for name, schema in self.schemas.items()}
        self.listed = {each.name: _listed(each, self.schemas[each.name]) for each in tools}

    def decoded(self, tool: Declared, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return *arguments* with lists and objects in place of their JSON texts, which some clients pass."""
        names = self._structured[tool.name]
        return {
            name: _decoded(value, names[name]) if name in names and isinstance(value, str) else value
            for name, value in arguments.items()
        }

    @classmethod
    def of_all(cls) -> Catalogue:
        """Return the catalogue of all tools."""
        return cls(all_tools())


class McpServer:
    """Answers requests, each by itself: there are no sessions.

    *check*: returns if a token may be used for an endpoint, and raises ProgramRefused else.
    """

    def __init__(self, catalogue: Catalogue, services: ApiServices, check: Callable[[Endpoint, Token], None]) -> None:
        self._catalogue = catalogue
        self._services = replace(services, longest_wait=min(LONGEST_WAIT, services.longest_wait))
        self._check = check
        server: Server[Any] = Server(
            "agent_bridge",
            version=__version__,
            instructions=_INSTRUCTIONS,
            get_tool_input_schema=catalogue.schemas.get,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        # There are no traces to which its spans would belong.
        server.middleware.clear()
        self._manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        self._ending = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Be ready for requests."""
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._run(ready))
        await ready.wait()

    async def end(self) -> None:
        """End what runs for requests."""
        self._ending.set()
        if self._running is not None:
            await self._running

    async def respond(self, exchange: Exchange) -> None:
        """Respond to a request, which has a token that counts."""
        await exchange.run(self._manager.handle_request)

    async def _run(self, ready: asyncio.Event) -> None:
        async with self._manager.run():
            ready.set()
            await self._ending.wait()

    async def _list(
        self, context: ServerRequestContext[Any, Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        token = _token(context)
        role = self._services.access.role(token)
        catalogue = self._catalogue
        found = [name for name, tool in catalogue.tools.items() if tool.is_for(token, role)]
        return ListToolsResult(tools=[catalogue.listed[name] for name in found])

    async def _call(self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        tool = self._catalogue.tools.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, "There is no such tool: tools/list names those that the token can use")
        try:
            return await self._carried_out(tool, _token(context), params.arguments or {})
        except Exception as error:  # noqa: BLE001 - refusal() logs it, and a program must not read our internals
            return _refused(refusal(tool.name, error))

    async def _carried_out(self, tool: Declared, token: Token, arguments: dict[str, Any]) -> CallToolResult:
        self._check(tool.endpoint, token)
        given = parsed_values(self._catalogue.decoded(tool, arguments), tool.arguments, "arguments")
        key = getattr(given, KEY, None)
        once = Call(token, random_key() if key is None else f"given:{key}", _digest(tool, given), f"mcp {tool.name}")
        begin = time.monotonic()
        result = await tool.run(ApiCall(self._services, token, once), given)
        await require_counting(self._services.tokens, token.id, begin, waits=tool.endpoint.waits)
        responded = result if isinstance(result, Responded) else Responded(result, tool.endpoint.status)
        content = responded.model.model_dump(mode="json")
        return CallToolResult(
            content=[TextContent(type="text", text=json.dumps(content, ensure_ascii=False))],
            structured_content=content,
            _meta={"idempotentReplayed": True} if responded.is_repeat else None,
        )


def _token(context: ServerRequestContext[Any, Any]) -> Token:
    request: Any = context.request
    found: Token = request.scope[TOKEN]
    return found


def _structured(schema: dict[str, Any]) -> dict[str, type]:
    kinds = {"array": list, "object": dict}
    return {name: kinds[each["type"]] for name, each in schema["properties"].items() if each.get("type") in kinds}


def _decoded(text: str, kind: type) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, kind) else text


def _listed(tool: Declared, schema: dict[str, Any]) -> Tool:
    return Tool(
        name=tool.name,
        description=tool.description,
        input_schema=schema,
        output_schema=tool.output_schema(),
        annotations=ToolAnnotations(
            read_only_hint=not tool.endpoint.writes, destructive_hint=False, open_world_hint=False
        ),
    )


def _refused(refused: ProgramRefused) -> CallToolResult:
    """Return the problem for a model to read, and for a program to parse."""
    content = problem_content(refused.problem, refused.detail) | dict(refused.more)
    if refused.retry_after is not None:
        content["retry_after"] = refused.retry_after
    text = json.dumps(content, ensure_ascii=False)
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _digest(tool: Declared, given: ApiModel) -> str:
    text = given.model_dump_json(exclude={KEY})
    return hashlib.sha256(f"mcp {tool.name}\n{text}".encode()).hexdigest()
