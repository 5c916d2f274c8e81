"""Approvals of tools of MCP servers by ``/responses``: a decision is a part of the next request, and sent once."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import AnswerInterrupted, UpstreamError
from agent_bridge.upstream.answer import ApprovalAsked, ApprovalClosed, End, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.capabilities import Decision
from support.fault_server import FaultServer, sse
from support.scripted_upstream import ScriptedUpstream, Tool, says
from support.upstream_kinds import DEADLINE, QUESTION, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import Upstream

ALLOW, DENY = Decision(allow=True), Decision(allow=False, reason="too dangerous")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        running.mcp.guarded = {"Bash"}
        running.script = says("I look. ", Tool("Bash", '{"command": "ls"}'), "Done.")
        yield running


@pytest.fixture
def upstream(server: ScriptedUpstream, session: aiohttp.ClientSession) -> Upstream:
    return connect(server.url, session, api="responses")


async def read(
    upstream: Upstream, *decisions: Decision, request: AnswerRequest = QUESTION
) -> tuple[list[AnswerEvent], UpstreamError | None]:
    """Return the events of an answer, and the error that ended it; make the next of *decisions* at each request."""
    events: list[AnswerEvent] = []
    left = list(decisions)
    assert upstream.can.approvals is not None
    try:
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(request)) as answer:
            async for event in answer:
                events.append(event)
                if isinstance(event, ApprovalAsked):
                    await upstream.can.approvals.decide(event.request.ref, left.pop(0))
    except UpstreamError as error:
        return events, error
    return events, None


def text_of(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def followed(server: ScriptedUpstream) -> dict[str, Any]:
    """Return the request after the question."""
    _, body = server.asked
    return body


async def test_an_allowed_tool_runs_and_the_answer_goes_on(server: ScriptedUpstream, upstream: Upstream) -> None:
    events, error = await read(upstream, ALLOW)
    assert error is None
    assert text_of(events) == "I look. \n\nDone."
    (asked,) = [each.request for each in events if isinstance(each, ApprovalAsked)]
    assert (asked.call, asked.always) == (ToolCall("mcpr_0", "Bash", '{"command": "ls"}'), "")
    kinds = [type(each) for each in events if not isinstance(each, TextDelta)]
    assert kinds[1:] == [ApprovalAsked, ApprovalClosed, ToolCall, ToolResult, End]
    decision = {"type": "mcp_approval_response", "approval_request_id": "mcpr_0", "approve": True}
    assert followed(server)["input"] == [decision]
    assert followed(server)["previous_response_id"] == server.mcp.responses[0]


async def test_a_refused_tool_does_not_run_and_the_agent_reads_the_reason(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    events, error = await read(upstream, DENY)
    assert error is None
    assert not any(isinstance(each, ToolCall | ToolResult) for each in events)
    assert [(each["approve"], each["reason"]) for each in server.mcp.decisions] == [(False, "too dangerous")]


@pytest.mark.parametrize(("echo", "requests"), [("false", 2), ("null", 3)])
async def test_a_server_that_keeps_no_responses_gets_the_items_again(
    server: ScriptedUpstream, upstream: Upstream, echo: str, requests: int
) -> None:
    server.mcp.forgets, server.mcp.keeps = True, json.loads(echo)
    events, error = await read(upstream, ALLOW)
    assert error is None
    assert text_of(events) == "I look. \n\nDone."
    last = server.asked[-1]
    assert "previous_response_id" not in last
    assert [each["type"] for each in last["input"]] == [
        *(each["type"] for each in server.asked[0]["input"]),
        "mcp_approval_request",
        "mcp_approval_response",
    ]
    assert len(server.asked) == requests
    assert len(server.mcp.decisions) == 1


async def test_one_tool_after_the_other(server: ScriptedUpstream, upstream: Upstream) -> None:
    server.mcp.keeps, server.mcp.forgets = False, True
    server.script = says(Tool("Bash"), Tool("Bash"), "Done.")
    events, error = await read(upstream, ALLOW, DENY)
    assert error is None
    assert server.mcp.verdicts == ["allow", "deny"]
    types = [each["type"] for each in server.asked[-1]["input"]]
    pair = ["mcp_approval_request", "mcp_approval_response"]
    assert types[-5:] == [*pair, "mcp_call", *pair]
    assert events[-1] == End("stop")


async def test_an_answer_whose_text_came_before_the_tool_is_complete(
    server: ScriptedUpstream, upstream: Upstream
) -> None:
    server.script = says("I do it.", Tool("Bash"))
    events, error = await read(upstream, ALLOW)
    assert error is None
    assert (text_of(events), events[-1]) == ("I do it.", End("stop"))


async def test_several_requests_at_once_are_answered_together(
    wire: FaultServer, session: aiohttp.ClientSession
) -> None:
    items = [
        {
            "type": "mcp_approval_request",
            "id": f"mcpr_{number}",
            "server_label": "wiki",
            "name": "find",
            "arguments": "",
        }
        for number in range(2)
    ]
    done = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": items}}
    more = {"type": "response.output_text.delta", "delta": "Found."}
    end = {"type": "response.completed", "response": {"id": "resp_2", "status": "completed", "output": []}}
    wire.script(sse(json.dumps(done)), sse(json.dumps(more), json.dumps(end)))
    events, error = await read(connect(wire.url, session, api="responses"), ALLOW, DENY)
    assert error is None
    asked = [each.request.call.name for each in events if isinstance(each, ApprovalAsked)]
    assert asked == ["wiki.find", "wiki.find"]
    body = json.loads(wire.requests[-1].body)
    assert [(each["approval_request_id"], each["approve"]) for each in body["input"]] == [
        ("mcpr_0", True),
        ("mcpr_1", False),
    ]


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_decision_without_an_answer_is_not_sent_again(
    wire: FaultServer, session: aiohttp.ClientSession, status: int
) -> None:
    item = {"type": "mcp_approval_request", "id": "mcpr_0", "server_label": "", "name": "Bash", "arguments": ""}
    done = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [item]}}
    wire.script(sse(json.dumps(done)), replace(sse(), status=status))
    _, error = await read(connect(wire.url, session, api="responses"), ALLOW)
    assert type(error) is AnswerInterrupted
    assert not error.retryable
    assert len(wire.requests) == 2


async def test_an_attempt_after_an_allowed_tool_asks_nothing(server: ScriptedUpstream, upstream: Upstream) -> None:
    events, _ = await read(upstream, ALLOW)
    refs = frozenset(each.request.ref for each in events if isinstance(each, ApprovalAsked))
    again = replace(QUESTION, attempt=2, allowed=refs)
    events, error = await read(upstream, request=again)
    assert (events, type(error)) == ([], AnswerInterrupted)
    assert len(server.asked) == 2
    # A person asked for another answer.
    events, error = await read(upstream, DENY, request=replace(again, idempotency_key="another"))
    assert error is None
    assert len(server.asked) == 4
