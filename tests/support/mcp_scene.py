"""The routes of the MCP server on a real PostgreSQL, without a homeserver."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.api.endpoints import all_endpoints
from agent_bridge.api.mcp.routes import McpRoutes
from agent_bridge.api.routes import ApiRoutes
from agent_bridge.core.actors import Actor
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import ALL_CAPABILITIES, Capability
from agent_bridge.core.results.programs import Asked, MessagePage, SeenMessage
from agent_bridge.core.roles import Role, Roles
from agent_bridge.matrix.appservice import OF_PROGRAM
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.tokens import Tokens
from support.api_client import Program, new_secret
from support.api_services import api_services
from support.mcp_client import MODERN
from support.records import NAMES
from support.turn_rows import BOB

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp.test_utils import TestClient
    from aiohttp.typedefs import Handler
    from pytest_aiohttp import AiohttpClient

    from agent_bridge.store.postgres.database import Database

PER_MINUTE = 20
BOSS = "@boss:x.org"
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
#: Those of the revisions with a handshake, of which a client may send no name.
OLDER = {"MCP_Protocol_Version": "", "Mcp_Method": "", "Mcp_Name": ""}
HEADERS = ACCEPT | {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "me"}


class Functions:
    """The functions behind the tools, without a homeserver."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception = ProgramRefused(Problem.ROOM_NOT_FOUND)
        #: The agent answers nothing until then.
        self.gate: asyncio.Event | None = None

    def are_called(self, times: int) -> Callable[[], Awaitable[bool]]:
        """Return the condition that they were called so often."""

        async def look() -> bool:
            return len(self.calls) >= times

        return look

    async def addressed(self, _token: Any, to: str) -> str:
        return to

    async def send(self, *arguments: Any, **_: Any) -> Any:
        self.calls.append(arguments)
        raise self.error

    async def messages(self, _token: Any, _room: str, *, limit: int, after: str, **_: Any) -> MessagePage:
        """Return the first, or the last, messages of a room with ten long ones."""
        self.calls.append(("read",))
        await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        found = [_long_message(each) for each in range(10)]
        return MessagePage(messages=tuple(found[:limit] if after else found[-limit:]), before="b", after="$a")

    async def find(self, _token: Any, handle: str, seconds: float) -> Asked:
        """Wait as long as an agent works that does not answer."""
        self.calls.append((handle, seconds))
        await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        return Asked(handle=handle, room_id="!r:x.org", event_id="$e", is_complete=False, answers=())


def _long_message(number: int) -> SeenMessage:
    return SeenMessage(
        event_id=f"${number}",
        room_id="!r:x.org",
        sender=BOB,
        is_agent=False,
        sent_at=datetime.now(UTC),
        text="x" * 15_000,
        kind="m.text",
    )


@dataclass
class Scene:
    """The routes, and a token of Bob."""

    client: TestClient[Any, Any]
    tokens: Tokens
    database: Database
    functions: Functions
    program: Program
    #: Of each request so far: whether the connections hear that a program has sent it.
    of_programs: list[bool]

    async def add(
        self,
        identity: Actor | None = None,
        *,
        capabilities: frozenset[Capability] = ALL_CAPABILITIES,
        seconds: float | None = None,
    ) -> Program:
        """Return a program with a new token."""
        secret = await new_secret(
            self.tokens,
            self.database,
            identity or Actor(BOB),
            capabilities=capabilities,
            made_by=BOB,
            seconds=seconds,
        )
        return Program(str(self.client.make_url("")).rstrip("/"), secret)

    async def post(
        self,
        body: bytes | io.BytesIO | dict[str, Any] | AsyncIterator[bytes],
        program: Program | None = None,
        method: str = "POST",
        **headers: str,
    ) -> tuple[int, str, Any]:
        """Send a request; return the status, the type and the text of its response, and its headers."""
        own = HEADERS | {"Authorization": f"Bearer {(program or self.program).token}"}
        given = own | {key.replace("_", "-"): value for key, value in headers.items()}
        given = {key: value for key, value in given.items() if value}
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        async with self.client.request(method, "/mcp", data=data, headers=given) as response:
            return response.status, await response.text(), response.headers


def called(name: Any = "me", arguments: Any = None, **params: Any) -> dict[str, Any]:
    """Return the request of the current revision that calls a tool."""
    prefix = "io.modelcontextprotocol/"
    meta = {f"{prefix}protocolVersion": MODERN, f"{prefix}clientCapabilities": {}}
    given = {"name": name, "arguments": arguments or {}, "_meta": meta} | params
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": given}


@asynccontextmanager
async def mcp_scene(database: Database, aiohttp_client: AiohttpClient) -> AsyncIterator[Scene]:
    """Serve the routes; functions without a stand-in fail."""
    tokens, functions = Tokens(database, NAMES), Functions()
    async with homeserver_session() as session:
        homeserver = Homeserver("http://127.0.0.1:9", "token", NAMES, session)
        roles = Roles.fixed({BOB: Role.MEMBER, BOSS: Role.OWNER}, NAMES)
        services = api_services(
            database,
            homeserver,
            roles,
            **dict.fromkeys(("messages", "asks", "reading", "places", "servers", "channels", "threads"), functions),
        )
        api = ApiRoutes(all_endpoints(), services, requests_per_minute=PER_MINUTE)
        of_programs: list[bool] = []

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await handler(request)
            finally:
                of_programs.append(request.get(OF_PROGRAM, False))

        app = web.Application(middlewares=[note])
        McpRoutes(api, services, "http://127.0.0.1:29330").add_routes(app)
        scene = Scene(await aiohttp_client(app), tokens, database, functions, Program("", ""), of_programs)
        scene.program = await scene.add()
        yield scene
