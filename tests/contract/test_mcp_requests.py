"""Requests to the MCP server on a real PostgreSQL, without a homeserver: recognised, limited and checked, or refused."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.api.endpoints import all_endpoints
from agent_bridge.api.mcp.routes import McpRoutes
from agent_bridge.api.mcp.tools import all_tools
from agent_bridge.api.problems import STATUSES
from agent_bridge.api.routes import ApiRoutes
from agent_bridge.api.services import ApiServices
from agent_bridge.bridge.programs.access import Access
from agent_bridge.bridge.programs.names import Names
from agent_bridge.core.actors import Actor
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import ALL_CAPABILITIES, Capability, random_token, token_hash
from agent_bridge.core.results.programs import Asked
from agent_bridge.core.roles import Role, Roles
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.direct_chats import DirectChatStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.tokens import NewToken, Tokens
from support.api_client import Program
from support.mcp_client import AUTO, LEGACY, MODERN, tools_of
from support.records import NAMES
from support.turn_rows import BOB, add_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.test_utils import TestClient
    from pytest_aiohttp import AiohttpClient

    from agent_bridge.store.postgres.database import Database

PER_MINUTE = 40
BOSS = "@boss:x.org"
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
HEADERS = ACCEPT | {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "me"}


class Functions:
    """The functions behind the tools, without a homeserver."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception = ProgramRefused(Problem.ROOM_NOT_FOUND)

    async def send(self, *arguments: Any, **_: Any) -> Any:
        self.calls.append(arguments)
        raise self.error

    async def find(self, _token: Any, handle: str, seconds: float) -> Asked:
        """Wait as long as an agent works that does not answer."""
        self.calls.append((handle, seconds))
        await asyncio.sleep(0)
        return Asked(handle=handle, room_id="!r:x.org", event_id="$e", is_complete=False, answers=())


@dataclass
class Scene:
    """The routes, and a token of Bob."""

    client: TestClient[Any, Any]
    tokens: Tokens
    database: Database
    functions: Functions
    program: Program

    async def add(
        self,
        identity: Actor | None = None,
        *,
        capabilities: frozenset[Capability] = ALL_CAPABILITIES,
        seconds: float | None = None,
    ) -> Program:
        """Return a program with a new token."""
        secret = random_token()
        async with self.database.transaction() as connection:
            new = NewToken(
                name=secret[-8:],
                identity=identity or Actor(BOB),
                hash=token_hash(secret),
                nonce=None,
                capabilities=capabilities,
                rooms=None,
                made_by=BOB,
                seconds=seconds,
            )
            await self.tokens.add(connection, new)
        return Program(str(self.client.make_url("")).rstrip("/"), secret)

    async def post(
        self, body: bytes | dict[str, Any], program: Program | None = None, method: str = "POST", **headers: str
    ) -> tuple[int, str, Any]:
        """Send a request; return the status, the type and the text of its response, and its headers."""
        given = HEADERS | {"Authorization": f"Bearer {(program or self.program).token}"} | headers
        given = {key.replace("_", "-"): value for key, value in given.items() if value}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client.request(method, "/mcp", data=data, headers=given) as response:
            return response.status, await response.text(), response.headers


def called(name: str = "me", arguments: Any = None, **params: Any) -> dict[str, Any]:
    """Return the request of the current revision that calls a tool."""
    prefix = "io.modelcontextprotocol/"
    meta = {f"{prefix}protocolVersion": MODERN, f"{prefix}clientCapabilities": {}}
    given = {"name": name, "arguments": arguments or {}, "_meta": meta} | params
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": given}


@pytest.fixture
async def scene(database: Database, aiohttp_client: AiohttpClient) -> AsyncIterator[Scene]:
    tokens, functions = Tokens(database, NAMES), Functions()
    async with homeserver_session() as session:
        homeserver = Homeserver("http://127.0.0.1:9", "token", NAMES, session)
        roles = Roles.fixed({BOB: Role.MEMBER, BOSS: Role.OWNER}, NAMES)
        names = Names(Agents(database), homeserver)
        services: Any = ApiServices(
            tokens=tokens,
            access=Access(names, Rooms(database), DirectChatStore(database), roles, homeserver),
            requests=None,  # type: ignore[arg-type]
            messages=functions,  # type: ignore[arg-type]
            asks=functions,  # type: ignore[arg-type]
            reading=None,  # type: ignore[arg-type]
            directory=None,  # type: ignore[arg-type]
            places=None,  # type: ignore[arg-type]
            feed=None,  # type: ignore[arg-type]
            client_agents=None,  # type: ignore[arg-type]
            connected=None,  # type: ignore[arg-type]
        )
        api = ApiRoutes(all_endpoints(), services, requests_per_minute=PER_MINUTE)
        app = web.Application()
        McpRoutes(api, services, "http://127.0.0.1:29330").add_routes(app)
        scene = Scene(await aiohttp_client(app), tokens, database, functions, Program("", ""))
        scene.program = await scene.add()
        yield scene


def code(answer: tuple[int, str, Any], problem: Problem) -> None:
    """Check that a response tells *problem*."""
    status, text, headers = answer
    assert (status, json.loads(text)["code"]) == (STATUSES[problem][0], problem)
    assert headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("mode", [MODERN, LEGACY, AUTO])
async def test_the_official_client_calls_tools(scene: Scene, mode: str) -> None:
    async with tools_of(scene.program, mode) as tools:
        assert tools.client.protocol_version == (MODERN if mode == AUTO else tools.client.protocol_version)
        me = await tools.call("me")
        assert (me["user_id"], me["role"], me["is_agent"]) == (BOB, "member", False)
        assert await tools.names() == [each.name for each in all_tools() if each.name not in {
            "inbox", "reply", "register_agent"}]
        assert await tools.code("read", room="!x:x.org", limit=1000) == "invalid_request"
        working = await tools.call("ask_result", handle="h", wait=500)
        assert (working["is_complete"], scene.functions.calls) == (False, [("h", 50.0)])
        assert await tools.code("send", to="#r:x.org", text="x") == "room_not_found"
