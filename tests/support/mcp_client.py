"""The official client of MCP, as a program with a token uses it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.api_client import Program

#: The revision without a handshake, the one with it, and the choice of the client.
MODERN, LEGACY, AUTO = "2026-07-28", "legacy", "auto"


class Tools:
    """The tools of a bridge."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def names(self) -> list[str]:
        """Return the names of the tools."""
        return [each.name for each in (await self.client.list_tools()).tools]

    async def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Return the result of a tool, which must be no problem."""
        result = await self.client.call_tool(name, arguments)
        assert isinstance(result, CallToolResult)
        assert not result.is_error, result.content
        assert isinstance(result.structured_content, dict)
        assert text_of(result) == result.structured_content
        return result.structured_content

    async def problem(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Return the problem that a tool tells."""
        result = await self.client.call_tool(name, arguments)
        assert isinstance(result, CallToolResult)
        assert result.is_error, result.content
        return text_of(result)

    async def code(self, name: str, /, **arguments: Any) -> str:
        """Return the code of the problem that a tool tells."""
        return str((await self.problem(name, **arguments))["code"])


def text_of(result: CallToolResult) -> dict[str, Any]:
    """Return the JSON text of a result."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    found: dict[str, Any] = json.loads(content.text)
    return found


@asynccontextmanager
async def tools_of(program: Program, mode: str = AUTO) -> AsyncIterator[Tools]:
    """Connect *program* with the handshake of *mode*."""
    headers = {"Authorization": f"Bearer {program.token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{program.url}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield Tools(client)
