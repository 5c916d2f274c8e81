"""Requests to the MCP server whose bodies or answers take a while."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.program_problems import Problem
from support.conditions import eventually
from support.mcp_scene import Scene, called, mcp_scene

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_aiohttp import AiohttpClient

    from agent_bridge.store.postgres.database import Database


@pytest.fixture
async def scene(database: Database, aiohttp_client: AiohttpClient) -> AsyncIterator[Scene]:
    async with mcp_scene(database, aiohttp_client) as scene:
        yield scene


async def in_chunks(body: bytes, gate: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """Give *body* without its length; the last bytes wait for *gate*."""
    yield body[:-20]
    if gate is not None:
        await gate.wait()
    yield body[-20:]


async def test_slow_requests_of_a_token_do_not_delay_those_of_others(scene: Scene) -> None:
    scene.functions.gate, arrives, other = asyncio.Event(), asyncio.Event(), await scene.add()
    asks = json.dumps(called("ask", {"handle": "h"})).encode()
    large = json.dumps(called()).encode() + b" " * 300_000
    asked = [asyncio.create_task(scene.post(in_chunks(asks), Mcp_Name="ask")) for _ in range(4)]
    sent = [asyncio.create_task(scene.post(in_chunks(large, arrives))) for _ in range(4)]
    await eventually(scene.functions.are_called(4), "the agent is asked")
    async with asyncio.timeout(20):
        assert (await scene.post(in_chunks(large), other))[0] == 200
    scene.functions.gate.set()
    arrives.set()
    assert [each[0] for each in await asyncio.gather(*asked, *sent)] == [200] * 8


async def test_a_token_is_revoked_while_a_body_arrives(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_bridge.api.token_watch._LONG", 0.0)
    arrives = asyncio.Event()
    body = json.dumps(called("send", {"to": "#r:x.org", "text": "x"})).encode()
    sending = asyncio.create_task(scene.post(in_chunks(body, arrives), Mcp_Name="send"))

    async def used() -> Any:
        return await scene.database.rows("SELECT id FROM token WHERE last_used_at IS NOT NULL")

    (row,) = await eventually(used, "the request has begun")
    async with scene.database.transaction() as connection:
        await scene.tokens.revoke(connection, row["id"])
    arrives.set()
    status, text, _ = await sending
    assert (status, json.loads(text)["code"]) == (401, Problem.TOKEN_INVALID)
    assert scene.functions.calls == []


async def test_a_token_is_revoked_while_a_tool_works(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_bridge.api.token_watch._LONG", 0.0)
    scene.functions.gate = asyncio.Event()
    reading = asyncio.create_task(scene.post(called("read", {"room": "!r:x.org"}), Mcp_Name="read"))
    await eventually(scene.functions.are_called(1), "the room is read")
    (row,) = await scene.database.rows("SELECT id FROM token")
    async with scene.database.transaction() as connection:
        await scene.tokens.revoke(connection, row["id"])
    scene.functions.gate.set()
    result = json.loads((await reading)[1])["result"]
    assert (result["isError"], json.loads(result["content"][0]["text"])["code"]) == (True, Problem.TOKEN_INVALID)
