"""Calls of the tools of the bridge: the agent gets a response to each, or it would wait for one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent_bridge.core.errors import HomeserverUnavailable, StoreError, TurnLost
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.client_tools import ClientTool, ToolOutput
from agent_bridge.upstream.letta.tool_calls import ToolCalls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.upstream.letta.connection import Connection


class Wire:
    """A connection whose frames the test reads."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(self, **frame: Any) -> None:
        await self.sent.put(frame)


class Box:
    """A toolbox whose tool fails, or has an output."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure

    @property
    def tools(self) -> Sequence[ClientTool]:
        return ()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolOutput:
        if self._failure is not None:
            raise self._failure
        return ToolOutput(f"{name} {dict(arguments)}")


FAILURES = [StoreError("away"), TurnLost("lost"), HomeserverUnavailable(Text("homeserver_refused", said="away"))]


@pytest.mark.parametrize("box", [None, Box(), *map(Box, FAILURES)])
async def test_each_call_has_a_response(box: Box | None) -> None:
    wire, calls = Wire(), ToolCalls()
    request = {"request_id": "r", "tool_name": "look", "input": {"at": 1}}
    calls.start(cast("Connection", wire), request, box)
    async with asyncio.timeout(5):
        frame = await wire.sent.get()
    assert (frame["type"], frame["request_id"]) == ("external_tool_call_response", "r")
    result = frame["result"]
    works = isinstance(box, Box) and box._failure is None
    assert result["is_error"] is not works
    assert result["content"][0]["text"]
    await calls.aclose()
