"""The upstream kind ``openai`` against a server that behaves well, and badly in every way that was seen."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.config.model import UpstreamConfig
from agent_bridge.core.errors import (
    AgentGone,
    AnswerEmpty,
    AnswerInterrupted,
    ConversationTooLong,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.base import UNCHANGED, AgentInfo, AnswerRequest, End, TextDelta
from agent_bridge.upstream.registry import make_upstream
from support.fault_server import FaultServer, Reply, sse, transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.base import Upstream

KEY = "s3cret-key"
DEADLINE = 10
ASK = AnswerRequest(
    model="Dora",
    messages=(ChatMessage("user", "one"), ChatMessage("assistant", "two"), ChatMessage("user", "three")),
    session="!room:example.org",
    idempotency_key="0123456789abcdef",
)
HELLO = json.dumps({"choices": [{"delta": {"content": "Hello"}}]})
STOP = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


def upstream(server: FaultServer, session: aiohttp.ClientSession, **keys: Any) -> Upstream:
    return make_upstream(UpstreamConfig.model_validate({"name": "up", "url": server.url, **keys}), session)


async def answer(upstream: Upstream) -> tuple[str, str | UpstreamError]:
    """Return the text of an answer, and its finish reason or what went wrong."""
    text = ""
    try:
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(ASK)) as deltas:
            async for delta in deltas:
                if isinstance(delta, End):
                    return text, delta.finish_reason
                if isinstance(delta, TextDelta):
                    text += delta.text
    except UpstreamError as error:
        return text, error
    raise AssertionError("neither an end nor an error")


async def failure(upstream: Upstream) -> UpstreamError:
    text, error = await answer(upstream)
    assert text == ""
    assert isinstance(error, UpstreamError)
    return error


class TestAnswers:
    @pytest.mark.parametrize(
        ("name", "text", "reason"),
        [
            ("letta-code/chat-stream", "Echo: hello think ", "stop"),
            ("letta-code/replay-stream", "Echo: hello think ", "stop"),
            ("letta-code/chat", "Echo: hello ", "stop"),
            ("llama-cpp/chat-stream", "Say hello in one short sentence. například\n- Say hi", "length"),
            ("llama-server/chat-stream", "Say hello. mendatangUser\n", "length"),
            (
                "llama-server/chat",
                "You are a pirate.\nYou are a pirate.\nSay hello in one short sentence. berharap",
                "length",
            ),
            ("litellm/chat-stream", "Echo: hello think", "stop"),
        ],
    )
    async def test_recorded(
        self, server: FaultServer, session: aiohttp.ClientSession, name: str, text: str, reason: str
    ) -> None:
        server.script(transcript(name))
        assert await answer(upstream(server, session)) == (text, reason)

    async def test_the_question_of_a_server_that_forgets(
        self, server: FaultServer, session: aiohttp.ClientSession
    ) -> None:
        server.script(sse(HELLO, STOP))
        asked = upstream(server, session, api_key=KEY, system_prompt="Be kind.", headers={"X-Team": "blue"})
        assert await answer(asked) == ("Hello", "stop")
        assert not asked.traits.stateful
        assert not asked.traits.idempotent
        (request,) = server.requests
        assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", {})
        assert request.json == {
            "model": "Dora",
            "stream": True,
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": "two"},
                {"role": "user", "content": "three"},
            ],
        }
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["X-Team"] == "blue"

    async def test_the_question_of_a_server_that_remembers(
        self, server: FaultServer, session: aiohttp.ClientSession
    ) -> None:
        server.script(sse(HELLO, STOP))
        asked = upstream(
            server,
            session,
            history="server",
            system_prompt="Be kind.",
            session_header="X-Letta-Chat-Key",
            idempotency_header="Idempotency-Key",
            headers={"authorization": "Basic abc"},
            api_key=KEY,
        )
        assert await answer(asked) == ("Hello", "stop")
        assert asked.traits.stateful
        assert asked.traits.idempotent
        (request,) = server.requests
        assert request.json["messages"] == [{"role": "user", "content": "three"}]
        assert request.headers["X-Letta-Chat-Key"] == "!room:example.org"
        assert request.headers["Idempotency-Key"] == "0123456789abcdef"
        assert request.headers["Authorization"] == "Basic abc"

    async def test_text_arrives_while_the_agent_still_talks(
        self, server: FaultServer, session: aiohttp.ClientSession
    ) -> None:
        server.script(sse(HELLO, then="hang"))
        async with asyncio.timeout(DEADLINE), aclosing(upstream(server, session).answer(ASK)) as deltas:
            assert await anext(deltas) == TextDelta("Hello")

    async def test_closing_ends_the_request(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        server.script(sse(HELLO, then="repeat", pause=0.001))
        deltas = upstream(server, session).answer(ASK)
        assert await anext(deltas) == TextDelta("Hello")
        assert not server.requests[0].over.is_set()
        await deltas.aclose()
        await asyncio.wait_for(server.requests[0].over.wait(), DEADLINE)

    async def test_cancelling_ends_the_request(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        server.script(sse(HELLO, then="hang"))
        task = asyncio.create_task(answer(upstream(server, session)))
        async with asyncio.timeout(DEADLINE):
            request = await server.request()
            task.cancel()
            await request.over.wait()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_the_end_does_not_wait_for_the_connection(
        self, server: FaultServer, session: aiohttp.ClientSession
    ) -> None:
        server.script(sse(HELLO, STOP, then="hang"))
        assert await answer(upstream(server, session)) == ("Hello", "stop")

    async def test_a_slow_answer_is_no_silent_one(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        server.script(sse(*[HELLO] * 10, STOP, pause=0.1))
        assert await answer(upstream(server, session, idle_timeout=0.8)) == ("Hello" * 10, "stop")

    async def test_comments_keep_an_answer_alive(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        pings = (b": ping\n\n",) * 10
        reply = sse(HELLO, STOP, pause=0.1)
        server.script(Reply(200, reply.headers, (*pings, *reply.pieces), pause=0.1))
        assert await answer(upstream(server, session, idle_timeout=0.8)) == ("Hello", "stop")

    async def test_one_byte_at_a_time(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        stream = "data: {'choices': [{'delta': {'content': '🐈'}, 'finish_reason': 'stop'}]}\r\n\r\n"
        data = stream.replace("'", '"').encode()
        server.script(Reply(200, {"Content-Type": "text/event-stream"}, tuple(bytes([byte]) for byte in data)))
        assert await answer(upstream(server, session)) == ("🐈", "stop")

    async def test_a_stream_that_does_not_say_so(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        server.script(sse(HELLO, STOP, headers={}))
        assert await answer(upstream(server, session)) == ("Hello", "stop")


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "text", "kind", "says"),
        [
            ("letta-code/boom-stream", "", AnswerInterrupted, "up reported a failure: fake exploded"),
            ("letta-code/boom", "", UpstreamFailed, "up failed (500): fake exploded"),
            ("letta-code/die-stream", "Echo: die " * 4, AnswerInterrupted, "up reported a failure: terminated"),
            ("letta-code/empty-stream", "", AnswerEmpty, "up gave an empty answer"),
            (
                "letta-code/context-stream",
                "",
                ConversationTooLong,
                (
                    "the conversation is too long for this agent's model: "
                    "This model's maximum context length is 32768 tokens."
                ),
            ),
            (
                "letta-code/context",
                "",
                ConversationTooLong,
                (
                    "the conversation is too long for this agent's model: "
                    "This model's maximum context length is 32768 tokens."
                ),
            ),
            (
                "letta-code/unknown-model",
                "",
                AgentGone,
                (
                    "up has no agent 'Dora' any more: "
                    "The model 'Nobody' does not exist. Use GET /v1/models to list available agents."
                ),
            ),
            (
                "letta-code/bad-key",
                "",
                UpstreamRefused,
                "up does not accept the api_key (401): invalid websocket bearer token",
            ),
            (
                "llama-cpp/context-stream",
                "",
                AnswerEmpty,
                "up ended without an answer, as some servers do when a conversation is too long",
            ),
            (
                "llama-cpp/context",
                "",
                ConversationTooLong,
                (
                    "the conversation is too long for this agent's model: This model's maximum context length is 2048 "
                    "tokens. However, you requested 5015 tokens (5010 in the messages, 5 in the completion). Please "
                    "reduce the length of the messages or completion."
                ),
            ),
            ("llama-cpp/bad-json", "", UpstreamFailed, "up failed (500): Internal Server Error"),
            (
                "llama-server/context",
                "",
                ConversationTooLong,
                (
                    "the conversation is too long for this agent's model: request (9009 tokens) exceeds the available "
                    "context size (4096 tokens), try increasing it"
                ),
            ),
            ("llama-server/no-key", "", UpstreamRefused, "up does not accept the api_key (401): Invalid API Key"),
            (
                "litellm/boom-stream",
                "",
                UpstreamFailed,
                (
                    "up failed (500): litellm.InternalServerError: InternalServerError: OpenAIException - fake "
                    "exploded LiteLLM: model group 'fake-chat' failed with the error above. No fallback was attempted."
                ),
            ),
            (
                "litellm/limit-stream",
                "",
                UpstreamBusy,
                (
                    "up is busy (429): litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached "
                    "LiteLLM: model group 'fake-chat' failed with the error above. No fallback was attempted."
                ),
            ),
            (
                "litellm/context-stream",
                "",
                ConversationTooLong,
                (
                    "the conversation is too long for this agent's model: litellm.ContextWindowExceededError: "
                    "litellm.BadRequestError: ContextWindowExceededError: OpenAIException - This model's maximum "
                    "context length is 32768 tokens. model=fake-chat. context_window_fallbacks=None. fallbacks=None. "
                    "Set 'context_window_fallback' - https://docs.litellm.ai/docs/routing#fallba…"
                ),
            ),
            (
                "litellm/unknown-model",
                "",
                UpstreamRefused,
                (
                    "up refused the request (400): /chat/completions: Invalid model name passed in model=nope. "
                    "Call `/v1/models` to view available models for your key."
                ),
            ),
        ],
    )
    async def test_recorded(
        self,
        server: FaultServer,
        session: aiohttp.ClientSession,
        name: str,
        text: str,
        kind: type[UpstreamError],
        says: str,
    ) -> None:
        server.script(transcript(name))
        said, error = await answer(upstream(server, session))
        assert said == text
        assert type(error) is kind
        assert error.says(ENGLISH) == says

    async def test_an_interrupted_answer(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        server.script(transcript("llama-cpp/interrupted-stream"))
        text, error = await answer(upstream(server, session))
        assert text.startswith("Write a story about a dog.")
        assert type(error) is AnswerInterrupted
        assert error.says(ENGLISH) == "up broke off in the middle of the answer"

    @pytest.mark.parametrize("idempotent", [False, True])
    @pytest.mark.parametrize(
        ("reply", "text", "kind", "says"),
        [
            pytest.param(
                sse(HELLO, then="cut"), "Hello", AnswerInterrupted, "the connection to up was cut", id="cut midway"
            ),
            pytest.param(sse(then="cut"), "", AnswerInterrupted, "the connection to up was cut", id="cut at once"),
            pytest.param(
                transcript("letta-code/chat", then="cut", headers={"Content-Type": "application/json"}),
                "",
                AnswerInterrupted,
                "the connection to up was cut",
                id="cut without a stream",
            ),
            pytest.param(
                sse(HELLO, then="hang"), "Hello", AnswerInterrupted, "up was silent for 0.4 s", id="silent midway"
            ),
            pytest.param(sse(then="hang"), "", AnswerInterrupted, "up was silent for 0.4 s", id="silent at once"),
            pytest.param(
                Reply(head=False, then="hang"), "", UpstreamUnreachable, "up was silent for 0.4 s", id="no head"
            ),
            pytest.param(
                Reply(head=False, then="cut"),
                "",
                UpstreamUnreachable,
                "up closed the connection before it answered",
                id="closed",
            ),
            pytest.param(
                Reply(head=False, pieces=(b"HTTP/1.1 200 OK\r\nContent-",), then="cut"),
                "",
                UpstreamUnreachable,
                "up closed the connection before it answered",
                id="closed within the head",
            ),
        ],
    )
    async def test_what_may_be_asked_again_only_when_a_repeat_is_harmless(
        self,
        server: FaultServer,
        session: aiohttp.ClientSession,
        reply: Reply,
        text: str,
        kind: type[UpstreamError],
        says: str,
        *,
        idempotent: bool,
    ) -> None:
        server.script(reply)
        header = "Idempotency-Key" if idempotent else None
        said, error = await answer(upstream(server, session, idle_timeout=0.4, idempotency_header=header))
        assert said == text
        assert type(error) is kind
        assert error.says(ENGLISH) == says
        assert error.retryable is idempotent
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("reply", "kind", "says"),
        [
            pytest.param(
                Reply(head=False, pieces=(b"SSH-2.0-OpenSSH_9.2p1\r\n",), then="cut"),
                UpstreamProtocolError,
                "up does not speak HTTP",
                id="garbage",
            ),
            pytest.param(
                Reply(200, {"Content-Type": "text/html"}, (b"<html>",)),
                UpstreamProtocolError,
                "up answered with a web page: is its url right?",
                id="web page",
            ),
            pytest.param(
                Reply(200, {"Content-Type": "application/json"}, (b"[]",)),
                UpstreamProtocolError,
                "up answered with something that is no completion",
                id="no completion",
            ),
            pytest.param(
                sse("garbage"), AnswerInterrupted, "up sent a chunk that is not JSON", id="garbage in the stream"
            ),
            pytest.param(
                Reply(204),
                AnswerEmpty,
                "up ended without an answer, as some servers do when a conversation is too long",
                id="no content",
            ),
            pytest.param(
                Reply(200, {"Content-Type": "text/event-stream"}, (b"data: " + b"x" * 1_000_000,), then="repeat"),
                UpstreamProtocolError,
                "an event of the stream is longer than 8388608 bytes",
                id="an event without end",
            ),
            pytest.param(
                Reply(307, {"Location": "/v1/elsewhere"}, (b"",)),
                UpstreamRefused,
                "up answered with a redirect (307): configure the url that it leads to",
                id="redirect",
            ),
            pytest.param(
                Reply(400, {}, (b'{"detail": "your key is s3cret-key"}',)),
                UpstreamRefused,
                "up refused the request (400): your key is [hidden]",
                id="echo of the key",
            ),
            pytest.param(
                Reply(502, {"Content-Type": "text/html"}, (b"<html><title>Bad Gateway</title>",), then="cut"),
                UpstreamFailed,
                "up failed (502): Bad Gateway",
                id="cut within an error",
            ),
            pytest.param(
                Reply(500, {}, (b"x" * 100_000,), then="repeat"),
                UpstreamFailed,
                f"up failed (500): {'x' * 299}…",
                id="an error without end",
            ),
        ],
    )
    async def test_other_failures(
        self,
        server: FaultServer,
        session: aiohttp.ClientSession,
        reply: Reply,
        kind: type[UpstreamError],
        says: str,
    ) -> None:
        server.script(reply)
        error = await failure(upstream(server, session, api_key=KEY))
        assert type(error) is kind
        assert error.says(ENGLISH) == says
        assert len(server.requests) <= 1

    async def test_an_answer_without_end(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        chunk = json.dumps({"choices": [{"delta": {"content": "x" * 100_000}}]})
        server.script(sse(chunk, then="repeat"))
        text, error = await answer(upstream(server, session))
        assert text == "x" * 1_000_000
        assert type(error) is AnswerInterrupted
        assert error.says(ENGLISH) == "up answered with more than 1000000 characters"

    async def test_when_to_ask_again(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        server.script(Reply(503, {"Retry-After": "12"}))
        error = await failure(upstream(server, session))
        assert error.retryable
        assert error.retry_after == 12

    async def test_nobody_listens(self, session: aiohttp.ClientSession) -> None:
        async with FaultServer() as server:
            asked = upstream(server, session)
        error = await failure(asked)
        assert type(error) is UpstreamUnreachable
        assert error.retryable
        assert error.says(ENGLISH) == "up could not be reached: Connection refused"
        with pytest.raises(UpstreamUnreachable):
            await asked.agents()

    async def test_no_such_host(self, session: aiohttp.ClientSession) -> None:
        config = UpstreamConfig(name="up", url="http://no-such-host.invalid/v1")
        error = await failure(make_upstream(config, session))
        assert type(error) is UpstreamUnreachable
        assert error.retryable
        assert str(error) == "up could not be reached"

    @pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://[::/v1", "http://a:b@127.0.0.1:1/v1"])
    async def test_a_url_that_cannot_be_used(self, session: aiohttp.ClientSession, url: str) -> None:
        error = await failure(make_upstream(UpstreamConfig(name="up", url=url, api_key=KEY), session))
        assert type(error) is UpstreamRefused
        assert error.says(ENGLISH) == "the url or a header of up cannot be used"


def models(*ids: str, **rest: Any) -> Reply:
    body = {"object": "list", "data": [{"id": name, "owned_by": "letta"} for name in ids], **rest}
    return Reply(200, {"Content-Type": "application/json"}, (json.dumps(body).encode(),))


def id_is_name(*ids: str) -> tuple[AgentInfo, ...]:
    return tuple(AgentInfo(name, name, id_is_name=True) for name in ids)


class TestLists:
    @pytest.mark.parametrize(
        ("name", "agents"),
        [
            ("letta-code/models", id_is_name("Egon", "Dora")),
            ("llama-cpp/models", (AgentInfo("gemma-3-270m", "gemma-3-270m"),)),
            ("llama-server/models", (AgentInfo("gemma-3-270m", "gemma-3-270m"),)),
            ("litellm/models", (AgentInfo("fake-chat", "fake-chat"),)),
        ],
    )
    async def test_recorded(
        self, server: FaultServer, session: aiohttp.ClientSession, name: str, agents: tuple[AgentInfo, ...]
    ) -> None:
        server.script(transcript(name), transcript(name))
        asked = upstream(server, session, api_key=KEY)
        assert await asked.agents() == agents
        assert await asked.agents() is UNCHANGED
        first, _ = server.requests
        assert (first.method, first.path, first.query) == ("GET", "/v1/models", {})
        assert first.headers["Authorization"] == f"Bearer {KEY}"

    async def test_news_only(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        asked = upstream(server, session, exclude=["x*"])
        server.script(models("a"), models("a"), models("a", created=1), models("a", "x1"), models("a", "b"))
        assert await asked.agents() == id_is_name("a")
        assert await asked.agents() is UNCHANGED
        assert await asked.agents() is UNCHANGED
        assert await asked.agents() is UNCHANGED
        assert await asked.agents() == id_is_name("a", "b")

    async def test_a_failure_changes_nothing(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        asked = upstream(server, session)
        server.script(models("a"), Reply(500), models("a"), Reply(200, {}, (b"{}",)), models())
        assert await asked.agents() == id_is_name("a")
        with pytest.raises(UpstreamFailed):
            await asked.agents()
        assert await asked.agents() is UNCHANGED
        with pytest.raises(UpstreamProtocolError):
            await asked.agents()
        assert await asked.agents() == ()

    async def test_pages(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        asked = upstream(server, session)
        pages = [
            models("a", "b", has_more=True, last_id="b"),
            models("b", "c", has_more=True),
            models("d", links={"next": "/v1/models?offset=4"}),
            models(),
        ]
        server.script(*pages, *pages, *pages[:2], models("e"))
        assert await asked.agents() == id_is_name("a", "b", "c", "d")
        queries = [{}, {"after": "b"}, {"after": "c"}, {"offset": "4"}]
        assert [request.query for request in server.requests] == queries
        assert await asked.agents() is UNCHANGED
        assert len(server.requests) == 8
        assert await asked.agents() == id_is_name("a", "b", "c", "e")

    @pytest.mark.parametrize(
        "pages",
        [
            pytest.param([models("a", has_more=True)] * 2, id="the first page for ever"),
            pytest.param([models("a", has_more=True), models(has_more=True)], id="an empty page before the last"),
            pytest.param([models(has_more=True)], id="nothing and more of it"),
        ],
    )
    async def test_pages_that_lead_nowhere(
        self, server: FaultServer, session: aiohttp.ClientSession, pages: list[Reply]
    ) -> None:
        server.script(*pages)
        with pytest.raises(UpstreamProtocolError, match=r"^up lists the same agents on every page$"):
            await upstream(server, session).agents()
        assert len(server.requests) == len(pages)

    async def test_pages_without_end(self, server: FaultServer, session: aiohttp.ClientSession) -> None:
        server.script(*[models(f"a{number}", has_more=True) for number in range(300)])
        with pytest.raises(UpstreamProtocolError, match=r"^up lists its agents on more than 200 pages$"):
            await upstream(server, session).agents()
        assert len(server.requests) == 200

    @pytest.mark.parametrize(
        ("reply", "kind", "says"),
        [
            (
                transcript("llama-cpp/not-found"),
                UpstreamRefused,
                "up has no list of agents (404): is its url right? It usually ends in /v1: Not Found",
            ),
            (
                transcript("llama-server/no-key"),
                UpstreamRefused,
                "up does not accept the api_key (401): Invalid API Key",
            ),
            (transcript("litellm/no-key"), UpstreamFailed, "up failed (500): Internal Server Error"),
            (transcript("letta-code/models", then="cut"), AnswerInterrupted, "the connection to up was cut"),
            (
                Reply(200, {}, (b"x" * 4_000_000,), then="repeat"),
                UpstreamProtocolError,
                "up answered with more than 33554432 bytes",
            ),
            (
                Reply(301, {"Location": "/v2/models"}),
                UpstreamRefused,
                "up answered with a redirect (301): configure the url that it leads to",
            ),
        ],
    )
    async def test_failures(
        self,
        server: FaultServer,
        session: aiohttp.ClientSession,
        reply: Reply,
        kind: type[UpstreamError],
        says: str,
    ) -> None:
        server.script(reply)
        with pytest.raises(UpstreamError) as caught:
            await upstream(server, session).agents()
        assert type(caught.value) is kind
        assert caught.value.says(ENGLISH) == says
