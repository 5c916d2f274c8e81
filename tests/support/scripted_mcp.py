"""Tools of an MCP server behind the scripted ``/responses``, which need an approval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.demo.agents.openai_server import Refusal
from support.answer_chunks import Item, Tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class McpTools:
    """The requests for approval of one server. An answer goes on when the next request has the decision."""

    def __init__(self) -> None:
        #: Names of the tools that need an approval.
        self.guarded: set[str] = set()
        #: What the server says about keeping responses; None: nothing. And whether it knows none afterwards.
        self.keeps: bool | None = None
        self.forgets = False
        #: Whether a request offers to allow calls like this one.
        self.offers_always = False
        #: The ids of the responses.
        self.responses: list[str] = []
        #: The decisions that arrived, also those that came twice.
        self.decisions: list[dict[str, Any]] = []
        self._open: dict[str, tuple[Tool, AsyncIterator[Any]]] = {}

    @property
    def verdicts(self) -> list[str]:
        """The decisions in short."""
        return ["allow" if each["approve"] else "deny" for each in self.decisions]

    async def guard(self, pieces: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield *pieces*, up to a request for approval in place of a guarded tool."""
        async for piece in pieces:
            if isinstance(piece, Tool) and piece.name in self.guarded:
                request_id = f"mcpr_{len(self._open) + len(self.decisions)}"
                self._open[request_id] = (piece, pieces)
                request = {"type": "mcp_approval_request", "id": request_id, "server_label": "", "name": piece.name}
                yield Item({**request, "arguments": piece.arguments})
                return
            yield piece

    async def go_on(self, body: Mapping[str, Any]) -> AsyncIterator[Any]:
        """Yield the pieces behind the decision in *body*."""
        items = [each for each in body["input"] if isinstance(each, dict)]
        (decision,) = [each for each in items if each["type"] == "mcp_approval_response"][-1:]
        previous, request_id = body.get("previous_response_id"), decision["approval_request_id"]
        if previous is not None and (self.forgets or previous not in self.responses):
            raise Refusal(f"Previous response with id '{previous}' not found.", 400)
        is_repeated = any(each["type"] == "mcp_approval_request" and each["id"] == request_id for each in items)
        if previous is None and not is_repeated:
            raise Refusal(f"There is no approval request '{request_id}'.", 400)
        self.decisions.append(decision)
        tool, rest = self._open.pop(request_id)
        if decision["approve"]:
            call = {"type": "mcp_call", "id": f"call_{request_id}", "approval_request_id": request_id}
            yield Item({**call, "name": tool.name, "arguments": tool.arguments, "output": tool.result or "done"})
        async for piece in rest:
            yield piece


def has_decision(body: Mapping[str, Any]) -> bool:
    """Tell whether a request ends with a decision."""
    last = body["input"][-1] if body.get("input") else {}
    return isinstance(last, dict) and last.get("type") == "mcp_approval_response"
