"""Requests of an App Server for a decision about a tool call, and the decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from agent_bridge.core.errors import UpstreamRefused
from agent_bridge.core.ids import short_hash
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.answer import ApprovalRequest
from agent_bridge.upstream.letta.frames import REQUEST, TIMES, Runtime
from agent_bridge.upstream.transport.error_body import parse_error
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.pieces import short_line, tool_call
from agent_bridge.upstream.transport.text import json_text

if TYPE_CHECKING:
    from agent_bridge.upstream.capabilities import Decision
    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link

#: The kind of a request that asks whether a tool may run.
_TOOL = "can_use_tool"
_DENIED = "denied"


def requests_in(event: Frame, runtime: Runtime) -> list[ApprovalRequest]:
    """Return the requests that an event of the conversation *runtime* reports as undecided."""
    if event.get("type") == REQUEST:
        reported = [event]
    else:
        status = mapping(event.get("device_status"))
        reported = objects(status.get("pending_control_requests"))
    return [found for each in reported if (found := _request(each, runtime)) is not None]


def _request(entry: Frame, runtime: Runtime) -> ApprovalRequest | None:
    request, request_id = mapping(entry.get("request")), text(entry.get("request_id"))
    if request.get("subtype") != _TOOL or not request_id:
        return None
    # The server offers one permission for calls like this one.
    offer = next(iter(objects(request.get("permission_suggestions"))), {})
    call = tool_call(text(request.get("tool_call_id")), text(request.get("tool_name")), json_text(request.get("input")))
    # The id of a request may name several ones: a decision about one command is none about another one.
    which = f"{entry.get(TIMES, 0)}-{short_hash(f'{call.name} {call.arguments}', 32)}"
    ref = " ".join((runtime.agent_id, runtime.conversation_id, quote(request_id), which, text(offer.get("id"))))
    return ApprovalRequest(ref, call, always=short_line(text(offer.get("text"))))


class LettaApprovals:
    """Sends decisions over *link*."""

    def __init__(self, link: Link, upstream: str, secrets: tuple[str, ...]) -> None:
        self._link = link
        self._upstream = upstream
        self._secrets = secrets
        #: The references of requests that people were asked about, and that have no decision on the server.
        self._open: set[str] = set()

    def open(self, ref: str) -> None:
        """Note that the agent waits for a decision about the request *ref*."""
        self._open.add(ref)

    def close(self, ref: str) -> None:
        """Note that the request *ref* is decided, or does not exist any more."""
        self._open.discard(ref)

    def is_open(self, ref: str) -> bool:
        """Tell whether the agent waits for a decision about the request *ref*."""
        return ref in self._open

    async def decide(self, ref: str, decision: Decision, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Approvals`. The server refuses a second decision."""
        agent_id, conversation_id, request_id, _, offer = ref.split(" ", 4)
        word: dict[str, Any] = {"behavior": "allow"}
        if not decision.allow:
            word = {"behavior": "deny", "message": decision.reason or _DENIED}
        elif decision.always:
            word["selected_permission_suggestion_ids"] = [offer]
        payload = {"kind": "approval_response", "request_id": unquote(request_id), "decision": word}
        runtime = Runtime(agent_id, conversation_id).as_json()
        try:
            response = await self._link.request("input", runtime=runtime, payload=payload)
        except UpstreamRefused:
            self.close(ref)
            raise
        self.close(ref)
        if response.get("accepted") is not True:
            detail = parse_error(response.get("error")).redacted(self._secrets)
            raise UpstreamRefused(Text("approval_closed", upstream=self._upstream), detail=detail)
