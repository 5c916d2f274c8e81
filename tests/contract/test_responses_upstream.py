"""The upstream kind ``openai`` by way of ``/responses``, and back to ``/chat/completions`` where that is missing."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from agent_bridge.config.model import UpstreamConfig
from agent_bridge.core.errors import (
    AgentGone,
    AnswerInterrupted,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.base import AnswerEvent, AnswerRequest, End, ReasoningDelta, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.openai.upstream import OpenAIUpstream
from agent_bridge.upstream.registry import make_upstream
from support.answers import joined
from support.fault_server import FaultServer, Reply, sse, transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.base import Upstream

DEADLINE = 10
ASK = AnswerRequest(
    model="Dora",
    messages=(ChatMessage("user", "one"), ChatMessage("assistant", "two"), ChatMessage("user", "three")),
    session="!room:example.org",
    idempotency_key="0123456789abcdef",
)
HELLO = json.dumps({"type": "response.output_text.delta", "delta": "Hello"})
HM = json.dumps({"type": "response.reasoning_summary_text.delta", "delta": "Hm"})
DONE = json.dumps({"type": "response.completed", "response": {"status": "completed", "output": []}})
FAILED = json.dumps({"type": "response.failed", "response": {"status": "failed", "error": {"message": "no"}}})
CHAT = sse(json.dumps({"choices": [{"delta": {"content": "Chat"}, "finish_reason": "stop"}]}))
RESPONSES, COMPLETIONS = "/v1/responses", "/v1/chat/completions"


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


def upstream(server: FaultServer, session: aiohttp.ClientSession, **keys: Any) -> Upstream:
    config = {"name": "up", "url": server.url, "api": "responses", **keys}
    return make_upstream(UpstreamConfig.model_validate(config), session)


async def answer(upstream: Upstream) -> tuple[list[AnswerEvent], UpstreamError | None]:
    """Return the deltas of an answer, and what went wrong."""
    told: list[AnswerEvent] = []
    try:
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(ASK)) as deltas:
            async for delta in deltas:
                told += [delta]
    except UpstreamError as error:
        return joined(told), error
    return joined(told), None


def paths(server: FaultServer) -> list[str]:
    return [request.path for request in server.requests]


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
    server: FaultServer, session: aiohttp.ClientSession, name: str, expected: list[AnswerEvent]
) -> None:
    server.script(transcript(f"letta-code/{name}"))
    assert await answer(upstream(server, session)) == (expected, None)
    assert paths(server) == [RESPONSES]


async def test_the_question_of_a_server_that_forgets(server: FaultServer, session: aiohttp.ClientSession) -> None:
    server.script(sse(HELLO, DONE))
    asked = upstream(server, session, system_prompt="Be kind.")
    assert await answer(asked) == ([TextDelta("Hello"), End("stop")], None)
    [request] = server.requests
    assert request.json == {
        "model": "Dora",
        "instructions": "Be kind.",
        "input": [
            {"type": "message", "role": "user", "content": "one"},
            {"type": "message", "role": "assistant", "content": "two"},
            {"type": "message", "role": "user", "content": "three"},
        ],
        "stream": True,
        "store": False,
    }


async def test_the_question_of_a_server_that_remembers(server: FaultServer, session: aiohttp.ClientSession) -> None:
    server.script(sse(HELLO, DONE))
    keys = {"session_header": "X-Letta-Chat-Key", "idempotency_header": "Idempotency-Key"}
    asked = upstream(server, session, history="server", system_prompt="Be kind.", **keys)
    assert await answer(asked) == ([TextDelta("Hello"), End("stop")], None)
    assert not asked.traits.idempotent
    [request] = server.requests
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
    server: FaultServer, session: aiohttp.ClientSession, status: int
) -> None:
    server.script(Reply(status, {}, (b'{"detail": "Not Found"}',)), CHAT, CHAT)
    asked = upstream(server, session)
    with capture_logs() as logs:
        for _ in range(2):
            assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    assert paths(server) == [RESPONSES, COMPLETIONS, COMPLETIONS]
    assert [(log["log_level"], log["upstream"]) for log in logs] == [("warning", "up")]


async def test_a_path_that_was_missing_is_looked_for_again_in_time(
    server: FaultServer, session: aiohttp.ClientSession
) -> None:
    server.script(Reply(404), CHAT, CHAT, sse(HELLO, DONE))
    now = 0.0
    config = UpstreamConfig.model_validate({"name": "up", "url": server.url, "api": "responses"})
    asked = OpenAIUpstream(config, session, clock=lambda: now)
    assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    now = 3500.0
    assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    now = 3600.0
    assert await answer(asked) == ([TextDelta("Hello"), End("stop")], None)
    assert paths(server) == [RESPONSES, COMPLETIONS, COMPLETIONS, RESPONSES]


async def test_an_agent_that_is_gone_does_not_mean_that_the_path_is_missing(
    server: FaultServer, session: aiohttp.ClientSession
) -> None:
    server.script(transcript("letta-code/unknown-model"), Reply(404), Reply(404), sse(HELLO, DONE))
    asked = upstream(server, session)
    for _ in range(2):
        told, error = await answer(asked)
        assert told == []
        assert type(error) is AgentGone
    assert await answer(asked) == ([TextDelta("Hello"), End("stop")], None)
    assert paths(server) == [RESPONSES, RESPONSES, COMPLETIONS, RESPONSES]


async def test_a_failure_of_the_other_way_is_the_failure(server: FaultServer, session: aiohttp.ClientSession) -> None:
    server.script(Reply(404), Reply(429), Reply(404), CHAT)
    asked = upstream(server, session)
    told, error = await answer(asked)
    assert told == []
    assert type(error) is UpstreamBusy
    assert await answer(asked) == ([TextDelta("Chat"), End("stop")], None)
    assert paths(server) == [RESPONSES, COMPLETIONS] * 2


@pytest.mark.parametrize("key", [None, "Idempotency-Key"])
@pytest.mark.parametrize(
    ("reply", "told", "kind", "says", "retryable"),
    [
        pytest.param(Reply(429), [], UpstreamBusy, "up is busy (429)", True, id="busy"),
        pytest.param(Reply(502), [], UpstreamFailed, "up failed (502)", True, id="gateway"),
        pytest.param(Reply(500), [], UpstreamFailed, "up failed (500)", False, id="failed"),
        pytest.param(Reply(400), [], UpstreamRefused, "up refused the request (400)", False, id="refused"),
        pytest.param(
            sse(HM, then="cut"),
            [ReasoningDelta("Hm")],
            AnswerInterrupted,
            "the connection to up was cut",
            False,
            id="cut",
        ),
        pytest.param(sse(then="cut"), [], AnswerInterrupted, "the connection to up was cut", False, id="cut at once"),
        pytest.param(
            sse(HELLO, then="hang"),
            [TextDelta("Hello")],
            AnswerInterrupted,
            "up was silent for 0.4 s",
            False,
            id="silent",
        ),
        pytest.param(
            Reply(head=False, then="cut"),
            [],
            UpstreamUnreachable,
            "up closed the connection before it answered",
            False,
            id="closed",
        ),
        pytest.param(
            sse(HM, FAILED), [ReasoningDelta("Hm")], AnswerInterrupted, "up reported a failure: no", False, id="failure"
        ),
        pytest.param(
            Reply(200, {"Content-Type": "text/event-stream"}, (b'event: error\ndata: {"message": "no"}\n\n',)),
            [],
            AnswerInterrupted,
            "up reported a failure: no",
            False,
            id="error event",
        ),
    ],
)
async def test_failures(
    server: FaultServer,
    session: aiohttp.ClientSession,
    reply: Reply,
    told: list[AnswerEvent],
    kind: type[UpstreamError],
    says: str,
    key: str | None,
    *,
    retryable: bool,
) -> None:
    server.script(reply)
    heard, error = await answer(upstream(server, session, idle_timeout=0.4, idempotency_header=key))
    assert heard == told
    assert type(error) is kind
    assert error.says(ENGLISH) == says
    assert error.retryable is retryable
    assert paths(server) == [RESPONSES]


async def test_closing_ends_the_request(server: FaultServer, session: aiohttp.ClientSession) -> None:
    server.script(sse(HM, then="repeat", pause=0.001))
    deltas = upstream(server, session).answer(ASK)
    assert await anext(deltas) == ReasoningDelta("Hm")
    await deltas.aclose()
    await asyncio.wait_for(server.requests[0].over.wait(), DEADLINE)
