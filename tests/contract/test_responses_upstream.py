"""The upstream kind ``openai``: its requests to ``/responses``, and to the other path if this one is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import (
    AgentGone,
    AnswerInterrupted,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamRefused,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import (
    AnswerEvent,
    AnswerRequest,
    End,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.openai.upstream import OpenAIUpstream
from support.fault_server import FaultServer, Reply, sse, transcript
from support.scripted_upstream import ScriptedUpstream, Tool, says
from support.upstream_kinds import QUESTION, ask
from support.upstream_kinds import connect as connect_any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from agent_bridge.upstream.base import Upstream

HELLO = json.dumps({"type": "response.output_text.delta", "delta": "Hello"})
HM = json.dumps({"type": "response.reasoning_summary_text.delta", "delta": "Hm"})
DONE = json.dumps({"type": "response.completed", "response": {"status": "completed", "output": []}})
FAILED = json.dumps({"type": "response.failed", "response": {"status": "failed", "error": {"message": "no"}}})
CHAT = sse(json.dumps({"choices": [{"delta": {"content": "Chat"}, "finish_reason": "stop"}]}))
RESPONSES, COMPLETIONS = "/v1/responses", "/v1/chat/completions"


def connect(wire: FaultServer, session: aiohttp.ClientSession, **keys: Any) -> Upstream:
    return connect_any(wire.url, session, api="responses", **keys)


async def answer(
    upstream: Upstream, question: AnswerRequest = QUESTION
) -> tuple[list[AnswerEvent], UpstreamError | None]:
    """Return the events of an answer, and the error that ended it."""
    found = await ask(upstream, question)
    return found.events, found.error


def paths(wire: FaultServer) -> list[str]:
    return [request.path for request in wire.requests]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("responses-stream", [ReasoningDelta("Let me think."), TextDelta("Echo: think hard"), End("stop")]),
        (
            "responses-tool-stream",
            [
                TextDelta("Calling it. "),
                ToolCall("call_1", "Bash", '{"command":"echo done","description":"x"}'),
                ToolResult("call_1", "done\n"),
                TextDelta("\n\nEcho: use tool"),
                End("stop"),
            ],
        ),
        ("responses", [TextDelta("Echo: three"), End("stop")]),
    ],
)
async def test_recorded(
    wire: FaultServer, session: aiohttp.ClientSession, name: str, expected: list[AnswerEvent]
) -> None:
    wire.script(transcript(f"letta-code/{name}"))
    assert await answer(connect(wire, session)) == (expected, None)
    assert paths(wire) == [RESPONSES]


async def test_the_question_of_a_server_that_forgets(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(sse(HELLO, DONE))
    found = await ask(connect(wire, session), replace(QUESTION, system_prompt="Be kind.", temperature=0.5))
    assert (found.events, found.error) == ([TextDelta("Hello"), End("stop")], None)
    [request] = wire.requests
    assert request.json == {
        "model": "Dora",
        "instructions": "Be kind.",
        "temperature": 0.5,
        "input": [
            {"type": "message", "role": "user", "content": "one"},
            {"type": "message", "role": "assistant", "content": "two"},
            {"type": "message", "role": "user", "content": "three"},
        ],
        "stream": True,
        "store": False,
    }


async def test_the_question_of_a_server_that_remembers(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(sse(HELLO, DONE))
    keys = {"session_header": "X-Letta-Chat-Key", "idempotency_header": "Idempotency-Key"}
    asked = connect(wire, session, history="server", **keys)
    found = await ask(asked, replace(QUESTION, system_prompt="Be kind."))
    assert (found.events, found.error) == ([TextDelta("Hello"), End("stop")], None)
    assert not asked.traits.idempotent
    [request] = wire.requests
    assert request.json == {
        "model": "Dora",
        "input": [{"type": "message", "role": "user", "content": "three"}],
        "stream": True,
        "store": False,
    }
    assert request.headers["X-Letta-Chat-Key"] == "!room:example.org"
    assert request.headers["Idempotency-Key"] == "0123456789abcdef"


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_without_the_path_it_asks_by_chat_completions_from_then_on(
    wire: FaultServer, session: aiohttp.ClientSession, status: int
) -> None:
    wire.script(Reply(status, {}, (b'{"detail": "Not Found"}',)), CHAT, CHAT)
    asked = connect(wire, session)
    with capture_logs() as logs:
        for _ in range(2):
            assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    assert paths(wire) == [RESPONSES, COMPLETIONS, COMPLETIONS]
    assert [(log["log_level"], log["upstream"]) for log in logs] == [("warning", "up")]


async def test_a_path_that_was_missing_is_looked_for_again_in_time(
    wire: FaultServer, session: aiohttp.ClientSession
) -> None:
    wire.script(Reply(404), CHAT, CHAT, sse(HELLO, DONE))
    now = 0.0
    config = UpstreamConfig.model_validate({"name": "up", "url": wire.url, "api": "responses"})
    asked = OpenAIUpstream(config, session, clock=lambda: now)
    assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    now = 3500.0
    assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    now = 3600.0
    assert await answer(asked) == ([TextDelta("Hello"), End("stop")], None)
    assert paths(wire) == [RESPONSES, COMPLETIONS, COMPLETIONS, RESPONSES]


async def test_an_agent_that_is_gone_does_not_mean_that_the_path_is_missing(
    wire: FaultServer, session: aiohttp.ClientSession
) -> None:
    wire.script(transcript("letta-code/unknown-model"), Reply(404), Reply(404), sse(HELLO, DONE))
    asked = connect(wire, session)
    for kind in (AgentGone, UpstreamFailed):
        told, error = await answer(asked)
        assert told == []
        assert type(error) is kind
    assert await answer(asked) == ([TextDelta("Hello"), End("stop")], None)
    assert paths(wire) == [RESPONSES, RESPONSES, COMPLETIONS, RESPONSES]


async def test_a_failure_of_the_other_way_is_the_failure(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(Reply(404), Reply(429), Reply(404), CHAT)
    asked = connect(wire, session)
    told, error = await answer(asked)
    assert told == []
    assert type(error) is UpstreamBusy
    assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    assert paths(wire) == [RESPONSES, COMPLETIONS] * 2


async def test_a_failed_response(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(sse(HM, FAILED))
    heard, error = await answer(connect(wire, session))
    assert heard == [ReasoningDelta("Hm")]
    assert type(error) is AnswerInterrupted
    assert error.says(ENGLISH) == "up reported an error: no"
    assert not error.retryable
    assert paths(wire) == [RESPONSES]


async def test_a_failure_does_not_lead_to_the_other_path(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(Reply(429), Reply(502), Reply(500), Reply(400))
    asked = connect(wire, session)
    for kind in (UpstreamBusy, UpstreamFailed, UpstreamFailed, UpstreamRefused):
        told, error = await answer(asked)
        assert told == []
        assert type(error) is kind
    assert paths(wire) == [RESPONSES] * 4


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("dora") as server:
        yield server


async def test_a_tool_that_the_server_runs(scripted: ScriptedUpstream, session: aiohttp.ClientSession) -> None:
    scripted.script = says(Tool("look", result="seen"), "so")
    (call, result, *rest), _ = await answer(connect_any(scripted.url, session, api="responses"))
    assert isinstance(call, ToolCall)
    assert result == ToolResult(call.call_id, "seen")
    assert rest == [TextDelta("so"), End("stop")]


async def test_a_scripted_server_without_the_path(scripted: ScriptedUpstream, session: aiohttp.ClientSession) -> None:
    scripted.responses = False
    scripted.script = says("so")
    asked = connect_any(scripted.url, session, api="responses")
    assert await answer(asked) == ([TextDelta("so"), End("stop")], None)
    assert scripted.paths == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    "missing",
    [
        Reply(404),
        Reply(400, {}, (b'{"error": {"message": "Unknown request URL: POST /v1/responses"}}',)),
        Reply(500, {}, (b'{"error": "not implemented"}',)),
        Reply(200, {}, (b'{"error": "Unexpected endpoint or method. (POST /v1/responses)"}',)),
    ],
)
async def test_a_server_without_the_path_says_so_in_many_ways(
    wire: FaultServer, session: aiohttp.ClientSession, missing: Reply
) -> None:
    wire.script(missing, CHAT, CHAT)
    asked = connect(wire, session)
    for _ in range(2):
        assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    assert paths(wire) == [RESPONSES, COMPLETIONS, COMPLETIONS]
