"""Calls of the tools that the bridge offers to agents of an App Server ("external tools" of the protocol)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import BridgeError
from agent_bridge.upstream.client_tools import ToolOutput
from agent_bridge.upstream.letta.connection import ConnectionEnded
from agent_bridge.upstream.transport.json_values import mapping, text

if TYPE_CHECKING:
    from agent_bridge.upstream.client_tools import Toolbox
    from agent_bridge.upstream.letta.connection import Connection
    from agent_bridge.upstream.letta.frames import Frame

#: The name of the group of the bridge's tools.
SCOPE = "agent_bridge"
#: Milliseconds that the server waits for a result.
_PATIENCE = 60_000


def definitions(toolbox: Toolbox | None) -> list[dict[str, Any]]:
    """Return the value of ``external_tools`` in the command that follows a conversation."""
    if toolbox is None:
        return []
    tools = [
        {
            "name": each.name,
            "description": each.description,
            "parameters": dict(each.parameters),
            "timeout_ms": _PATIENCE,
            "auto_background": False,
        }
        for each in toolbox.tools
    ]
    return [{"scope_id": SCOPE, "tools": tools}]


class ToolCalls:
    """The calls that run now."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, connection: Connection, request: Frame, toolbox: Toolbox | None) -> None:
        """Run the call of *request*, and send its result over *connection*."""
        task = asyncio.create_task(_run(connection, request, toolbox))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """End all calls."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))


async def _run(connection: Connection, request: Frame, toolbox: Toolbox | None) -> None:
    name, arguments = text(request.get("tool_name")), mapping(request.get("input"))
    if toolbox is None:
        output = ToolOutput("the bridge does not wait for this call any more", is_error=True)
    else:
        try:
            output = await toolbox.call(name, arguments)
        except BridgeError as error:
            # The agent would wait for a response in vain.
            output = ToolOutput(str(error), is_error=True)
    result = {"content": [{"type": "text", "text": output.text}], "is_error": output.is_error}
    with suppress(ConnectionEnded):
        await connection.send(
            type="external_tool_call_response", request_id=text(request.get("request_id")), result=result
        )
