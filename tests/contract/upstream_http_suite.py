"""The part of the contract of an upstream that concerns HTTP: every kind that uses HTTP passes these tests.

A test module subclasses the classes, and gives the fixtures *kind*, *session* and *wire* (a server that replies with
any bytes).
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import (
    AnswerInterrupted,
    AnswerMissing,
    ConversationTooLong,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import RunStarted, TextDelta
from support.fault_server import FaultServer, Reply, sse
from support.upstream_kinds import DEADLINE, QUESTION, ask

if TYPE_CHECKING:
    import aiohttp

    from support.upstream_kinds import Kind

KEY = "s3cret-key"
JSON, STREAM = {"Content-Type": "application/json"}, {"Content-Type": "text/event-stream"}


class Streams:
    async def test_text_arrives_as_soon_as_its_bytes_do(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        wire.script(kind.stream("Hello", whole=False, then="hang"))
        async with asyncio.timeout(DEADLINE), aclosing(kind.connect(wire.url, session).answer(QUESTION)) as events:
            assert isinstance(await anext(events), RunStarted)
            assert await anext(events) == TextDelta("Hello")

    async def test_closing_in_mid_stream_ends_the_request(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        wire.script(kind.stream("Hello", whole=False, then="repeat", pause=0.001))
        events = kind.connect(wire.url, session).answer(QUESTION)
        while not isinstance(await anext(events), TextDelta):
            pass
        assert not wire.requests[0].over.is_set()
        await events.aclose()
        await asyncio.wait_for(wire.requests[0].over.wait(), DEADLINE)

    async def test_cancelling_in_mid_stream_ends_the_request(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        wire.script(kind.stream("Hello", whole=False, then="hang"))
        task = asyncio.create_task(ask(kind.connect(wire.url, session)))
        async with asyncio.timeout(DEADLINE):
            request = await wire.request()
            task.cancel()
            await request.over.wait()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_the_end_does_not_wait_for_the_connection(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        wire.script(kind.stream("Hello", then="hang"))
        answer = await ask(kind.connect(wire.url, session))
        assert (answer.text, answer.error) == ("Hello", None)

    async def test_a_slow_answer_is_not_a_silent_one(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        wire.script(kind.stream(*["Hello"] * 10, pause=0.1))
        answer = await ask(kind.connect(wire.url, session, idle_timeout=0.8))
        assert (answer.text, answer.error) == ("Hello" * 10, None)

    async def test_comments_keep_an_answer_alive(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        pings = (b": ping\n\n",) * 10
        wire.script(Reply(200, STREAM, (*pings, *kind.stream("Hello").pieces), pause=0.1))
        answer = await ask(kind.connect(wire.url, session, idle_timeout=0.8))
        assert (answer.text, answer.error) == ("Hello", None)

    async def test_one_byte_at_a_time(self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer) -> None:
        data = b"".join(kind.stream("🐈").pieces).replace(b"\n", b"\r\n")
        wire.script(Reply(200, STREAM, tuple(bytes([byte]) for byte in data)))
        answer = await ask(kind.connect(wire.url, session))
        assert (answer.text, answer.error) == ("🐈", None)

    async def test_a_stream_without_its_media_type(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        wire.script(kind.stream("Hello", headers={}))
        answer = await ask(kind.connect(wire.url, session))
        assert (answer.text, answer.error) == ("Hello", None)


class Interruptions:
    """The upstream's idempotency decides whether a question that perhaps arrived may be repeated."""

    @pytest.mark.parametrize(
        ("pieces", "changes", "error", "says"),
        [
            pytest.param(["Hello"], {"then": "cut"}, AnswerInterrupted, "the connection to up was lost", id="cut"),
            pytest.param(["Hello"], {"then": "hang"}, AnswerInterrupted, "up sent nothing for 0.4 s", id="silent"),
            pytest.param([], {"then": "cut"}, AnswerInterrupted, "the connection to up was lost", id="cut at once"),
            pytest.param([], {"then": "hang"}, AnswerInterrupted, "up sent nothing for 0.4 s", id="silent at once"),
        ],
    )
    async def test_in_the_stream(
        self,
        kind: Kind,
        session: aiohttp.ClientSession,
        wire: FaultServer,
        pieces: list[str],
        changes: dict[str, Any],
        error: type[UpstreamError],
        says: str,
    ) -> None:
        wire.script(kind.stream(*pieces, whole=False, **changes) if pieces else sse(**changes))
        upstream = kind.connect(wire.url, session, idle_timeout=0.4)
        answer = await ask(upstream)
        assert answer.text == "".join(pieces)
        assert type(answer.error) is error
        assert answer.error.says(ENGLISH) == says
        assert answer.error.retryable is upstream.traits.idempotent
        assert len(wire.requests) == 1

    @pytest.mark.parametrize(
        ("reply", "error", "says"),
        [
            pytest.param(
                Reply(200, JSON, (b'{"choices": ',), then="cut"),
                AnswerInterrupted,
                "the connection to up was lost",
                id="cut without a stream",
            ),
            pytest.param(
                Reply(head=False, then="hang"),
                UpstreamUnreachable,
                "up sent nothing for 0.4 s",
                id="silent without a head",
            ),
            pytest.param(
                Reply(head=False, then="cut"),
                UpstreamUnreachable,
                "up closed the connection without an answer",
                id="closed",
            ),
            pytest.param(
                Reply(head=False, pieces=(b"HTTP/1.1 200 OK\r\nContent-",), then="cut"),
                UpstreamUnreachable,
                "up closed the connection without an answer",
                id="closed within the head",
            ),
            pytest.param(Reply(500), UpstreamFailed, "up failed (500)", id="failed"),
        ],
    )
    async def test_before_the_stream(
        self,
        kind: Kind,
        session: aiohttp.ClientSession,
        wire: FaultServer,
        reply: Reply,
        error: type[UpstreamError],
        says: str,
    ) -> None:
        wire.script(reply)
        upstream = kind.connect(wire.url, session, idle_timeout=0.4)
        answer = await ask(upstream)
        assert answer.raw == []
        assert type(answer.error) is error
        assert answer.error.says(ENGLISH) == says
        assert answer.error.retryable is upstream.traits.idempotent
        assert len(wire.requests) == 1


class Responses:
    @pytest.mark.parametrize(
        ("reply", "error", "says", "retryable"),
        [
            pytest.param(Reply(429), UpstreamBusy, "up is busy (429)", True, id="busy"),
            pytest.param(Reply(502), UpstreamFailed, "up failed (502)", True, id="gateway"),
            pytest.param(Reply(400), UpstreamRefused, "up refused the request (400)", False, id="refused"),
            pytest.param(
                Reply(400, JSON, (b'{"error": {"code": "context_length_exceeded", "message": "no"}}',)),
                ConversationTooLong,
                "the conversation is too long for this agent's model: no",
                False,
                id="too long",
            ),
            pytest.param(
                Reply(head=False, pieces=(b"SSH-2.0-OpenSSH_9.2p1\r\n",), then="cut"),
                UpstreamProtocolError,
                "up does not speak HTTP",
                False,
                id="garbage",
            ),
            pytest.param(
                Reply(200, {"Content-Type": "text/html"}, (b"<html>",)),
                UpstreamProtocolError,
                "up answered with a web page: is its url correct?",
                False,
                id="web page",
            ),
            pytest.param(
                Reply(200, JSON, (b"[]",)),
                UpstreamProtocolError,
                "the response of up is not a completion",
                False,
                id="no completion",
            ),
            pytest.param(
                sse("{garbage"),
                AnswerInterrupted,
                "up sent a chunk that is not JSON",
                False,
                id="garbage in the stream",
            ),
            pytest.param(
                sse("garbage"),
                UpstreamProtocolError,
                "the response of up is not a completion: garbage",
                False,
                id="words in the stream",
            ),
            pytest.param(
                Reply(204),
                AnswerMissing,
                "up ended without an answer, as some servers do if a conversation is too long",
                False,
                id="no content",
            ),
            pytest.param(
                Reply(200, STREAM, (b"data: " + b"x" * 1_000_000,), then="repeat"),
                UpstreamProtocolError,
                "an event of the stream is larger than 8388608 bytes",
                False,
                id="an event without end",
            ),
            pytest.param(
                Reply(200, STREAM, (b'event: error\ndata: {"message": "no"}\n\n',)),
                AnswerInterrupted,
                "up reported an error: no",
                False,
                id="error event",
            ),
            pytest.param(
                Reply(307, {"Location": "/v1/elsewhere"}, (b"",)),
                UpstreamRefused,
                "up redirects to another address (307): set its url to that address",
                False,
                id="redirect",
            ),
            pytest.param(
                Reply(400, {}, (b'{"detail": "your key is s3cret-key"}',)),
                UpstreamRefused,
                "up refused the request (400): your key is [hidden]",
                False,
                id="echo of the key",
            ),
            pytest.param(
                Reply(502, {"Content-Type": "text/html"}, (b"<html><title>Bad Gateway</title>",), then="cut"),
                UpstreamFailed,
                "up failed (502): Bad Gateway",
                True,
                id="cut within an error",
            ),
            pytest.param(
                Reply(502, {}, (b"x" * 100_000,), then="repeat"),
                UpstreamFailed,
                f"up failed (502): {'x' * 299}…",
                True,
                id="an error without end",
            ),
        ],
    )
    async def test_errors(
        self,
        kind: Kind,
        session: aiohttp.ClientSession,
        wire: FaultServer,
        reply: Reply,
        error: type[UpstreamError],
        says: str,
        *,
        retryable: bool,
    ) -> None:
        # A refusal without a cause may be one of the wish for a report of tokens.
        wire.script(*[reply] * 2)
        answer = await ask(kind.connect(wire.url, session, api_key=KEY))
        assert answer.raw == []
        assert type(answer.error) is error
        assert answer.error.says(ENGLISH) == says
        assert answer.error.retryable is retryable
        assert len(wire.requests) <= (2 if reply.status == 400 else 1)

    async def test_an_answer_without_end(self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer) -> None:
        wire.script(kind.stream("x" * 100_000, whole=False, then="repeat"))
        answer = await ask(kind.connect(wire.url, session))
        assert answer.text == "x" * 1_000_000
        assert type(answer.error) is AnswerInterrupted
        assert answer.error.says(ENGLISH) == "the answer of up is longer than 1000000 characters"

    async def test_the_wait_that_a_server_wants(
        self, kind: Kind, session: aiohttp.ClientSession, wire: FaultServer
    ) -> None:
        wire.script(Reply(503, {"Retry-After": "12"}))
        answer = await ask(kind.connect(wire.url, session))
        assert answer.error is not None
        assert answer.error.retryable
        assert answer.error.retry_after == 12

    async def test_a_server_that_refuses_the_connection(self, kind: Kind, session: aiohttp.ClientSession) -> None:
        async with FaultServer() as server:
            upstream = kind.connect(server.url, session)
        answer = await ask(upstream)
        assert answer.error is not None
        assert answer.error.says(ENGLISH) == "up could not be reached: Connection refused"

    async def test_a_host_that_does_not_exist(self, kind: Kind, session: aiohttp.ClientSession) -> None:
        answer = await ask(kind.connect("http://no-such-host.invalid/v1", session))
        assert type(answer.error) is UpstreamUnreachable
        assert answer.error.retryable
        assert str(answer.error) == "up could not be reached"

    async def test_a_url_that_cannot_be_used(self, kind: Kind, session: aiohttp.ClientSession) -> None:
        answer = await ask(kind.connect("http://a:b@127.0.0.1:1/v1", session, api_key=KEY))
        assert type(answer.error) is UpstreamRefused
        assert answer.error.says(ENGLISH) == "the url or a header of up is not valid"
