"""Requests for a decision about tool calls, and the decisions.

The server takes the decisions about all calls of one step in one message, and it takes a second message for the same
calls as a new instruction. So this module collects the decisions, and the running answer sends them, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.answer import ApprovalRequest
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.pieces import tool_call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.upstream.answer import ToolCall
    from agent_bridge.upstream.capabilities import Decision
    from agent_bridge.upstream.letta_v1.rest import Rest

_KIND = "approval_request_message"
_DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Pending:
    """The tool calls of one step that wait for decisions."""

    #: The id of the message that asks; empty if it is not known.
    message_id: str
    #: At least one call.
    calls: tuple[ToolCall, ...]

    def has(self, call_ids: set[str]) -> bool:
        """Tell whether it has one of the calls *call_ids*."""
        return any(each.call_id in call_ids for each in self.calls)

    def message(self, otid: str, decisions: Sequence[Decision]) -> dict[str, Any]:
        """Return the message with the *decisions*, one for each call."""
        answers: list[dict[str, Any]] = []
        for call, decision in zip(self.calls, decisions, strict=True):
            answer = {"type": "approval", "tool_call_id": call.call_id, "approve": decision.allow}
            answers.append(answer if decision.allow else answer | {"reason": decision.reason or _DENIED})
        return {"type": "approval", "approvals": answers, "otid": otid}


def requests_of(conversation_id: str, pending: Pending) -> list[ApprovalRequest]:
    """Return the request for each call of *pending*. The server offers no permission for later calls."""
    common = (conversation_id, pending.message_id)
    return [ApprovalRequest(" ".join((*common, each.call_id)), each) for each in pending.calls]


async def find_pending(rest: Rest, model: str, conversation_id: str) -> list[Pending]:
    """Return the undecided requests of a conversation.

    They are its newest message. The field ``pending_approval`` of an agent is about its main conversation only.

    Raises:
        UpstreamError: the server did not tell.
    """
    path = f"/conversations/{conversation_id}/messages"
    newest = objects(await rest.request("GET", path, model=model, params={"limit": "1", "order": "desc"}))
    return [each for each in map(_pending, newest) if each is not None]


def _pending(message: Mapping[str, Any]) -> Pending | None:
    if message.get("message_type") != _KIND:
        return None
    calls = objects(message.get("tool_calls")) or [dict(mapping(message.get("tool_call")))]
    named = [each for each in calls if text(each.get("tool_call_id"))]
    if not named:
        return None
    return Pending(
        text(message.get("id")),
        tuple(tool_call(each["tool_call_id"], text(each.get("name")), text(each.get("arguments"))) for each in named),
    )
