"""Answers of any size and form: the memory is bounded, and the event loop is never blocked for long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import AnswerInterrupted, FileProblem, UpstreamProtocolError
from agent_bridge.upstream.answer import FileDelta, ReasoningDelta
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.web.loop_watchdog import LoopWatchdog
from support.fault_server import FaultServer, Reply
from support.upstream_kinds import Answer, ask, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

MILLION = 1_000_000
#: Seconds of computation that block the loop; half of them are the goal, and the rest is for a slow machine.
MOST = 0.1


def chunk(content: str, finish_reason: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def document(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).encode()


END = chunk("yes", "stop")
PICTURE = "![a](data:image/png;base64,"
VALUES = b'data: {"choices":[' + b"{}," * 60_000 + b"{}]}\n\n"


async def asked(wire: FaultServer, session: aiohttp.ClientSession, *pieces: bytes) -> tuple[Answer, float]:
    """Return the answer, and the longest computation on the event loop while it arrived."""
    wire.script(Reply(200, {"Content-Type": "text/event-stream"}, pieces))
    async with LoopWatchdog(interval=0.01) as watchdog:
        answer = await ask(connect(wire.url, session))
    return answer, watchdog.take_longest().computed


# Each process that collects the tests would keep their bodies.
@pytest.mark.parametrize(
    ("body", "end"),
    [
        pytest.param(lambda: chunk("The quick, brown fox\n" * 40_000) + END, "fox\nyes", id="prose"),
        pytest.param(lambda: chunk("<" * 900_000) + END, "<yes", id="marks"),
        pytest.param(lambda: chunk("<think>" + "a b " * MILLION + "</think>") + END, "yes", id="reasoning in the text"),
        pytest.param(lambda: chunk("", reasoning_content="a b " * MILLION) + END, "yes", id="reasoning"),
        pytest.param(
            lambda: chunk('<details type="reasoning">\n' + "> a\n" * MILLION + "</details>\n") + END,
            "yes",
            id="a section",
        ),
        pytest.param(lambda: chunk(PICTURE + "QUJD" * MILLION + ") ") + END, " yes", id="a picture"),
        pytest.param(lambda: document(PICTURE + "QUJD" * 3 * MILLION + ") yes"), " yes", id="a picture in a document"),
        pytest.param(
            lambda: b"".join(chunk("fox " * 100 * n) for n in range(1, 101)) + END, "fox yes", id="cumulative"
        ),
        pytest.param(lambda: b"\n" * MILLION + END, "yes", id="blank lines"),
        pytest.param(lambda: VALUES + END, "yes", id="values"),
    ],
)
async def test_the_loop_is_not_blocked(
    wire: FaultServer, session: aiohttp.ClientSession, body: Callable[[], bytes], end: str
) -> None:
    answer, computed = await asked(wire, session, body())
    assert (answer.error, answer.text.endswith(end)) == (None, True)
    assert computed < MOST


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(lambda: b'data: {"choices":[' + b"{}," * MILLION + b"{}]}\n\n", AnswerInterrupted, id="values"),
        pytest.param(
            lambda: b'{"choices":[' + b"{}," * 4 * MILLION + b"{}]}", UpstreamProtocolError, id="values of a document"
        ),
        pytest.param(lambda: chunk("x" * 2 * MILLION) + END, AnswerInterrupted, id="text"),
        pytest.param(
            lambda: b'data: {"error":{"message":"' + b" " * MILLION + b'x"}}\n\n',
            AnswerInterrupted,
            id="a blank report",
        ),
    ],
)
async def test_the_loop_is_not_blocked_by_a_failure(
    wire: FaultServer, session: aiohttp.ClientSession, body: Callable[[], bytes], kind: type[Exception]
) -> None:
    answer, computed = await asked(wire, session, body())
    assert type(answer.error) is kind
    assert computed < MOST


async def test_a_list_of_many_agents_does_not_block_the_loop(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    entry = {"object": "model", "owned_by": "org", "created": 1, "permission": [{"a": 1, "b": [1, 2, 3]}] * 3}
    body = json.dumps({"data": [{"id": f"agent-{number}", **entry} for number in range(3_000)]}).encode()
    wire.script(Reply(200, {"Content-Type": "application/json"}, (body,)))
    async with LoopWatchdog(interval=0.01) as watchdog:
        agents = await connect(wire.url, session).agents()
    assert agents is not UNCHANGED
    assert len(agents) == 3_000
    assert watchdog.take_longest().computed < MOST


async def test_text_behind_a_file_that_is_too_large_is_shown(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    base64 = chunk("QUJD" * (MILLION // 4))
    answer, computed = await asked(wire, session, chunk(PICTURE), *[base64] * 35, chunk(")\n"), END)
    assert (answer.text, answer.error) == ("\nyes", None)
    assert [event for event in answer.events if isinstance(event, FileDelta)] == [
        FileDelta("", None, None, FileProblem.TOO_LARGE)
    ]
    assert computed < MOST


async def test_files_that_are_too_large_together_are_left_out(
    wire: FaultServer, session: aiohttp.ClientSession
) -> None:
    files = [chunk("", images=[f"data:image/png;base64,{number}{'QUJD' * MILLION}"]) for number in range(18)]
    answer, computed = await asked(wire, session, *files, END)
    assert (answer.text, answer.error) == ("yes", None)
    problems = [event.problem for event in answer.events if isinstance(event, FileDelta)]
    assert problems == [None] * 16 + [FileProblem.TOO_LARGE] * 2
    assert computed < MOST


async def test_reasoning_that_is_too_long_is_left_out(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    thoughts = [chunk("", reasoning_content="a b " * 25_000)] * 30
    answer, _ = await asked(wire, session, *thoughts, END)
    assert (answer.text, answer.error) == ("yes", None)
    thought = "".join(event.text for event in answer.events if isinstance(event, ReasoningDelta))
    assert MILLION - 100_000 <= len(thought) <= MILLION
