"""The wish for a report of tokens at ``/chat/completions``: servers that grant, ignore or refuse it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import ConversationTooLong, UpstreamBusy, UpstreamFailed, UpstreamRefused
from agent_bridge.core.usage import Usage
from agent_bridge.upstream.answer import End, TextDelta
from support.fault_server import FaultServer, Reply, sse
from support.upstream_kinds import QUESTION, ask, connect

if TYPE_CHECKING:
    import aiohttp

HELLO = json.dumps({"choices": [{"delta": {"content": "Hello"}}]})
STOP = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})
REPORT = json.dumps({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 6}})
JSON = {"Content-Type": "application/json"}
ANSWER = [TextDelta("Hello"), End("stop")]


def refusal(status: int, body: str) -> Reply:
    return Reply(status, JSON, (body.encode(),))


def wishes(wire: FaultServer) -> list[bool]:
    """Tell for each request whether it had the wish."""
    return [request.json.get("stream_options") == {"include_usage": True} for request in wire.requests]


NAMED = [
    pytest.param(400, '{"error": {"message": "Unknown parameter: stream_options", "code": "x"}}', id="openai"),
    pytest.param(
        422,
        '{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]}',
        id="pydantic",
    ),
    pytest.param(404, "include_usage is not supported", id="another status"),
]


async def test_a_report_behind_the_answer_is_read(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(sse(HELLO, STOP, REPORT, "[DONE]"), sse(HELLO, STOP, REPORT))
    upstream = connect(wire.url, session)
    for _ in range(2):
        assert (await ask(upstream)).raw == [TextDelta("Hello"), Usage(12, 6), End("stop")]
    assert wishes(wire) == [True, True]


@pytest.mark.parametrize(("status", "body"), NAMED)
async def test_a_server_that_refuses_the_wish_is_asked_without_it(
    wire: FaultServer, session: aiohttp.ClientSession, status: int, body: str
) -> None:
    wire.script(refusal(status, body), sse(HELLO, STOP), sse(HELLO, STOP))
    upstream = connect(wire.url, session)
    assert (await ask(upstream)).events == ANSWER
    # That is remembered, for this model.
    assert (await ask(upstream)).events == ANSWER
    assert wishes(wire) == [True, False, False]
    wire.script(sse(HELLO, STOP))
    await ask(upstream, replace(QUESTION, model="Emma"))
    assert wishes(wire)[-1]


async def test_a_server_that_tells_no_reason_is_asked_without_it(
    wire: FaultServer, session: aiohttp.ClientSession
) -> None:
    wire.script(Reply(400), sse(HELLO, STOP), sse(HELLO, STOP))
    upstream = connect(wire.url, session)
    assert (await ask(upstream)).events == ANSWER
    assert (await ask(upstream)).events == ANSWER
    assert wishes(wire) == [True, False, False]


async def test_a_refusal_inside_the_stream_counts(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    error = json.dumps({"error": {"message": "stream_options: not supported"}})
    wire.script(sse(error), sse(HELLO, STOP))
    assert (await ask(connect(wire.url, session))).events == ANSWER
    assert wishes(wire) == [True, False]


async def test_a_refusal_of_the_question_is_no_refusal_of_the_wish(
    wire: FaultServer, session: aiohttp.ClientSession
) -> None:
    wire.script(Reply(400), Reply(400), sse(HELLO, STOP, REPORT))
    upstream = connect(wire.url, session)
    assert isinstance((await ask(upstream)).error, UpstreamRefused)
    # The wish was not the reason, so the next question has it.
    assert Usage(12, 6) in (await ask(upstream)).raw
    # The server has granted it once: it is not asked twice any more.
    wire.script(Reply(400))
    assert isinstance((await ask(upstream)).error, UpstreamRefused)
    assert wishes(wire) == [True, False, True, True]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        pytest.param(refusal(500, "stream_options crashed me"), UpstreamFailed, id="a failure may follow an act"),
        pytest.param(Reply(503), UpstreamBusy, id="busy"),
        pytest.param(
            refusal(400, '{"error": {"code": "context_length_exceeded", "message": "no"}}'),
            ConversationTooLong,
            id="too long",
        ),
        pytest.param(Reply(401), UpstreamRefused, id="key"),
    ],
)
async def test_other_failures_are_not_repeated(
    wire: FaultServer, session: aiohttp.ClientSession, reply: Reply, kind: type[Exception]
) -> None:
    wire.script(reply)
    assert isinstance((await ask(connect(wire.url, session))).error, kind)
    assert len(wire.requests) == 1


async def test_an_answer_that_has_begun_is_not_asked_again(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(sse(HELLO, json.dumps({"error": {"message": "stream_options"}})))
    answer = await ask(connect(wire.url, session))
    assert answer.text == "Hello"
    assert answer.error is not None
    assert len(wire.requests) == 1


async def test_an_operator_may_switch_the_wish_off(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(sse(HELLO, STOP))
    assert (await ask(connect(wire.url, session, report_usage=False))).events == ANSWER
    assert wishes(wire) == [False]
