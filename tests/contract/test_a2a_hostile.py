"""The kind ``a2a`` with servers that are faulty or hostile: every answer ends, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.core.errors import (
    AnswerEmpty,
    AnswerInterrupted,
    AnswerTooLong,
    UpstreamProtocolError,
    UpstreamRefused,
)
from agent_bridge.upstream.answer import End, FileDelta, ReasoningDelta, RunStarted, TextDelta, TextWithdrawn
from support.a2a_questions import connected, question
from support.a2a_tasks import Chunk, Task
from support.scripted_a2a import ScriptedA2A, acts
from support.upstream_kinds import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.upstream.a2a.upstream import A2AUpstream

    #: Returns the pieces of the body for the JSON of a request.
    Body = Callable[[dict[str, Any]], AsyncIterator[bytes]]


class HostileA2A(ScriptedA2A):
    """Answers the methods in :attr:`bodies` with any bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: dict[str, Body] = {}

    async def _answer(self, request: web.Request, method: str, body: dict[str, Any]) -> web.StreamResponse:
        if method not in self.bodies:
            return await super()._answer(request, method, body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with suppress(ConnectionError):
            await response.prepare(request)
            async for piece in self.bodies[method](body):
                await response.write(piece)
        return response


@pytest.fixture
async def server() -> AsyncIterator[HostileA2A]:
    async with HostileA2A() as running:
        yield running


@pytest.fixture
async def upstream(server: HostileA2A) -> AsyncIterator[A2AUpstream]:
    async with connected(server.url, idle_timeout=0.5) as upstream:
        yield upstream


def event(body: dict[str, Any], result: Any, **fields: Any) -> bytes:
    response = {"jsonrpc": "2.0", "id": body["id"], "result": result, **fields}
    return b"data: " + json.dumps(response).encode() + b"\n\n"


def sends(*results: Any, **fields: Any) -> Body:
    async def stream(body: dict[str, Any]) -> AsyncIterator[bytes]:
        for each in results:
            yield each if isinstance(each, bytes) else event(body, each, **fields)

    return stream


def status(state: str, task_id: str = "t") -> dict[str, Any]:
    return {"statusUpdate": {"taskId": task_id, "contextId": "c", "status": {"state": state}}}


def chunk(text: str, task_id: str = "t", artifact: str = "a") -> dict[str, Any]:
    parts = {"artifactId": artifact, "parts": [{"text": text}]}
    return {"artifactUpdate": {"taskId": task_id, "artifact": parts, "append": True}}


TASK = {"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}}}
DONE = status("TASK_STATE_COMPLETED")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(sends(b"data: hello\n\n"), id="no JSON"),
        pytest.param(sends(b"<html><title>Hello</title>"), id="a web page"),
        pytest.param(sends(b'{"hello": "world"}'), id="another document"),
        pytest.param(sends(b"data: " + b"[" * 100_000 + b"\n\n"), id="nested"),
        pytest.param(sends(b"data: " + b"x" * (9 * 1024 * 1024)), id="a huge event"),
        pytest.param(sends({"surprise": {}}), id="an unknown object"),
        pytest.param(sends([]), id="no object"),
        pytest.param(sends({"task": {"status": {"state": "TASK_STATE_COMPLETED"}}}), id="a task without an id"),
        pytest.param(sends({"task": {"id": "a\0b", "status": {}}}), id="an id with NUL"),
        pytest.param(sends({"task": {"id": "x" * 1_000, "status": {}}}), id="a long id"),
        pytest.param(sends(TASK, DONE, id="another"), id="the response to another request"),
    ],
)
async def test_the_response_is_none_of_the_protocol(server: HostileA2A, upstream: A2AUpstream, body: Body) -> None:
    server.bodies["SendStreamingMessage"] = body
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.error, UpstreamProtocolError)
    assert answer.raw == []
    assert server.methods.count("SendStreamingMessage") == 1


async def test_nothing_is_said(server: HostileA2A, upstream: A2AUpstream) -> None:
    """A stream that ends before its first event may have brought the question to the agent."""
    server.bodies["SendStreamingMessage"] = sends()
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.error, AnswerInterrupted)
    assert not answer.error.retryable
    assert server.methods.count("SendStreamingMessage") == 1


async def test_silence_before_the_first_event(server: HostileA2A, upstream: A2AUpstream) -> None:
    async def silent(_body: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b": hello\n\n"
        await asyncio.Event().wait()

    server.bodies["SendStreamingMessage"] = silent
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.error, AnswerInterrupted)
    assert not answer.error.retryable


async def test_events_of_other_tasks_and_unknown_ones_are_ignored(server: HostileA2A, upstream: A2AUpstream) -> None:
    server.bodies["SendStreamingMessage"] = sends(
        TASK,
        chunk("Mine"),
        chunk("Yours", "other"),
        status("TASK_STATE_FAILED", "other"),
        {"task": {"id": "other", "status": {"state": "TASK_STATE_COMPLETED"}}},
        {"message": {"messageId": "m", "parts": [{"text": "A message"}]}},
        {"surprise": {}},
        status("TASK_STATE_DREAMING"),
        {"statusUpdate": []},
        {"artifactUpdate": {"taskId": "t", "artifact": {"artifactId": 7, "parts": [1, {"text": 2}, {"file": 3}]}}},
        chunk(" alone"),
        DONE,
    )
    answer = await ask(upstream, question("q"))
    assert (answer.text, answer.error) == ("Mine alone", None)


async def test_garbage_in_the_middle_is_no_end(server: HostileA2A, upstream: A2AUpstream) -> None:
    """The task is looked at instead."""
    task = Task("t", "c")
    task.add(Chunk("a", ({"text": "Whole"},)))
    task.turn("COMPLETED")
    server.tasks["t"] = task
    server.bodies["SendStreamingMessage"] = sends(TASK, chunk("Who"), b"data: {garbage\n\n")
    answer = await ask(upstream, question("q"))
    assert (answer.text, answer.error) == ("Whole", None)


async def test_a_stream_that_is_joined_without_the_whole_task_is_left(
    server: HostileA2A, upstream: A2AUpstream
) -> None:
    """Something may have happened between the look at the task and the stream."""
    task = server.tasks["t"] = Task("t", "c", "WORKING")
    task.add(Chunk("a", ({"text": "Who"},)))

    async def joined(body: dict[str, Any]) -> AsyncIterator[bytes]:
        task.add(Chunk("a", ({"text": "le"},)))
        task.turn("COMPLETED")
        yield event(body, DONE)

    server.bodies |= {"SendStreamingMessage": sends(TASK, chunk("Who")), "SubscribeToTask": joined}
    answer = await ask(upstream, question("q"))
    assert (answer.text, answer.error) == ("Whole", None)


async def test_the_stream_reports_a_failure(server: HostileA2A, upstream: A2AUpstream) -> None:
    """A server may end its stream with an error, and never end the task."""
    server.tasks["t"] = Task("t", "c", "WORKING")
    error = b'data: {"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "out of memory"}}\n\n'
    server.bodies["SendStreamingMessage"] = sends(TASK, chunk("Half"), error)
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.error, AnswerInterrupted)
    assert answer.error.detail == "out of memory"


async def test_a_stream_that_only_lives(server: HostileA2A, upstream: A2AUpstream) -> None:
    """Its task has ended, and the stream does not tell."""

    async def lives(body: dict[str, Any]) -> AsyncIterator[bytes]:
        for each in (TASK, chunk("Hello")):
            yield event(body, each)
        while True:
            yield b": I live\n\n"
            await asyncio.sleep(0.1)

    server.bodies["SendStreamingMessage"] = lives
    server.tasks["t"] = Task("t", "c", "COMPLETED")
    answer = await ask(upstream, question("q"))
    assert (answer.text, answer.error) == ("Hello", None)
    assert server.methods == ["SendStreamingMessage", "GetTask"]


@pytest.mark.parametrize("state", ["WORKING", "COMPLETED"])
async def test_a_task_without_the_artifacts_of_its_stream(
    server: HostileA2A, upstream: A2AUpstream, state: str
) -> None:
    shown = {"task": {**TASK["task"], "status": {"state": f"TASK_STATE_{state}"}}}
    server.bodies["SendStreamingMessage"] = sends(TASK, chunk("Hello "), chunk("there."), shown, DONE)
    answer = await ask(upstream, question("q"))
    assert [each.text for each in answer.raw if isinstance(each, TextDelta)] == ["Hello ", "there."]
    assert isinstance(answer.raw[-1], End)
    assert not any(isinstance(each, TextWithdrawn) for each in answer.raw)


async def test_the_whole_text_once_more(server: HostileA2A, upstream: A2AUpstream) -> None:
    """Some servers end with an artifact of all that they have sent, and with words of other white space."""
    words = {"messageId": "m", "parts": [{"text": "Hello"}, {"text": "there."}]}
    done = {"statusUpdate": {"taskId": "t", "status": {"state": "TASK_STATE_COMPLETED", "message": words}}}
    last = (chunk("Hello there.", artifact="all"), chunk("", artifact="all"))
    server.bodies["SendStreamingMessage"] = sends(TASK, chunk("Hello "), chunk("there."), *last, done)
    answer = await ask(upstream, question("q"))
    assert [each.text for each in answer.raw if isinstance(each, TextDelta)] == ["Hello ", "there."]
    assert (answer.text, answer.error) == ("Hello there.", None)
    # More text behind it makes it a text of its own.
    more = (chunk("Hello", artifact="all"), chunk(" again.", artifact="all"))
    server.bodies["SendStreamingMessage"] = sends(TASK, chunk("Hello"), *more, DONE)
    assert (await ask(upstream, question("r"))).text == "Hello\n\nHello again."


async def test_another_task_is_shown(server: HostileA2A, upstream: A2AUpstream) -> None:
    server.bodies["SendStreamingMessage"] = sends(TASK)
    server.tasks["t"] = Task("other", "c", "COMPLETED")
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.error, UpstreamProtocolError)


async def test_an_endless_text(server: HostileA2A, upstream: A2AUpstream) -> None:
    async def endless(body: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event(body, TASK)
        while True:
            yield event(body, chunk("x" * 50_000))

    server.bodies["SendStreamingMessage"] = endless
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.error, AnswerTooLong)
    assert len(answer.text) <= 1_000_000


async def test_an_endless_change_of_the_text(server: HostileA2A, upstream: A2AUpstream) -> None:
    async def endless(body: dict[str, Any]) -> AsyncIterator[bytes]:
        yield event(body, TASK)
        for number in range(10_000):
            update = chunk(f"{number}" + "x" * 5_000)
            update["artifactUpdate"]["append"] = False
            yield event(body, update)

    server.bodies["SendStreamingMessage"] = endless
    assert isinstance((await ask(upstream, question("q"))).error, AnswerTooLong)


async def test_endless_words_about_the_work(server: HostileA2A, upstream: A2AUpstream) -> None:
    server.script = acts(*({"statusUpdate": _words(number)} for number in range(300)), "Done.")
    answer = await ask(upstream, question("q"))
    assert (answer.text, answer.error) == ("Done.", None)
    told = sum(len(each.text) for each in answer.raw if isinstance(each, ReasoningDelta))
    assert 200_000 < told < 210_000


def _words(number: int) -> dict[str, Any]:
    message = {"messageId": f"m{number}", "parts": [{"text": "x" * 1_000}]}
    # The scripted server names its first task so.
    return {"taskId": "task-2", "contextId": "context-1", "status": {"state": "TASK_STATE_WORKING", "message": message}}


async def test_files_that_are_too_large_and_no_files(server: HostileA2A, upstream: A2AUpstream) -> None:
    raw = "A" * (5 * 1024 * 1024)
    large = [Chunk(f"f{number}", ({"raw": raw + f"{number:04}", "filename": f"{number}"},)) for number in range(14)]
    server.script = acts(*large, Chunk("u", ({"url": "file:///etc/passwd"}, {"url": "gopher://x"})))
    answer = await ask(upstream, question("q"))
    files = [each for each in answer.raw if isinstance(each, FileDelta)]
    assert len(files) == 14
    assert [each.problem is None for each in files] == [True] * 12 + [False] * 2
    assert isinstance(answer.raw[-1], End)


async def test_a_task_without_an_answer(server: HostileA2A, upstream: A2AUpstream) -> None:
    server.bodies["SendStreamingMessage"] = sends(TASK, DONE)
    server.tasks["t"] = Task("t", "c", "COMPLETED")
    assert type((await ask(upstream, question("q"))).error) is AnswerEmpty


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-32009, "up does not speak the version of A2A that its agent card names: no"),
        (-32005, "up does not take messages of this kind, for example with pictures: no"),
        (-32602, "up reported an error: no"),
    ],
)
@pytest.mark.parametrize("http", [200, 400])
async def test_refusals(server: HostileA2A, upstream: A2AUpstream, code: int, words: str, http: int) -> None:
    async def refuse(_request: web.Request, _method: str, body: dict[str, Any]) -> web.StreamResponse:
        error = {"code": code, "message": "no"}
        return web.json_response({"jsonrpc": "2.0", "id": body["id"], "error": error}, status=http)

    server._answer = refuse  # type: ignore[method-assign,assignment]  # the server of this test refuses everything
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.error, UpstreamRefused)
    assert f"{answer.error}: {answer.error.detail}" == words
    assert server.methods.count("SendStreamingMessage") == 1


async def test_streaming_that_the_server_lacks(server: HostileA2A, upstream: A2AUpstream) -> None:
    server.card = {"capabilities": {"streaming": True}}
    server.streams = False
    answer = await ask(upstream, question("q"))
    assert isinstance(answer.raw[0], RunStarted)
    assert (answer.text, answer.error) == ("Echo: q", None)
