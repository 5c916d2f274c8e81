"""The upstream kind ``openai``: its requests to ``/chat/completions`` and ``/models``, and recorded responses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import (
    AgentGone,
    AnswerEmpty,
    AnswerInterrupted,
    AnswerMissing,
    ConversationTooLong,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamProtocolError,
    UpstreamRefused,
)
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.answer import End, TextDelta
from agent_bridge.upstream.base import UNCHANGED, AgentInfo
from support.fault_server import FaultServer, Reply, sse, transcript
from support.upstream_kinds import QUESTION, ask, connect

if TYPE_CHECKING:
    import aiohttp

KEY = "s3cret-key"
HELLO = json.dumps({"choices": [{"delta": {"content": "Hello"}}]})
STOP = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})


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
        self, wire: FaultServer, session: aiohttp.ClientSession, name: str, text: str, reason: str
    ) -> None:
        wire.script(transcript(name))
        answer = await ask(connect(wire.url, session))
        assert (answer.text, answer.error) == (text, None)
        assert answer.events[-1] == End(reason)

    async def test_the_question_of_a_server_that_forgets(
        self, wire: FaultServer, session: aiohttp.ClientSession
    ) -> None:
        wire.script(sse(HELLO, STOP))
        asked = connect(wire.url, session, api_key=KEY, headers={"X-Team": "blue"})
        question = replace(QUESTION, system_prompt="Be kind.", temperature=0.0)
        assert (await ask(asked, question)).events == [TextDelta("Hello"), End("stop")]
        assert not asked.traits.stateful
        assert not asked.traits.idempotent
        (request,) = wire.requests
        assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", {})
        assert request.json == {
            "model": "Dora",
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.0,
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
        self, wire: FaultServer, session: aiohttp.ClientSession
    ) -> None:
        wire.script(sse(HELLO, STOP))
        asked = connect(
            wire.url,
            session,
            history="server",
            session_header="X-Letta-Chat-Key",
            idempotency_header="Idempotency-Key",
            headers={"authorization": "Basic abc"},
            api_key=KEY,
        )
        question = replace(QUESTION, system_prompt="Be kind.")
        assert (await ask(asked, question)).events == [TextDelta("Hello"), End("stop")]
        assert asked.traits.stateful
        assert asked.traits.idempotent
        (request,) = wire.requests
        assert request.json["messages"] == [{"role": "user", "content": "three"}]
        assert request.headers["X-Letta-Chat-Key"] == "!room:example.org"
        assert request.headers["Idempotency-Key"] == "0123456789abcdef"
        assert request.headers["Authorization"] == "Basic abc"


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "text", "kind", "says"),
        [
            ("letta-code/boom-stream", "", AnswerInterrupted, "up reported an error: fake exploded"),
            ("letta-code/boom", "", UpstreamFailed, "up failed (500): fake exploded"),
            ("letta-code/die-stream", "Echo: die " * 4, AnswerInterrupted, "up reported an error: terminated"),
            ("letta-code/empty-stream", "", AnswerEmpty, "the answer of up is empty"),
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
                    "up no longer has an agent 'Dora': "
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
                AnswerMissing,
                "up ended without an answer, as some servers do if a conversation is too long",
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
                AgentGone,
                (
                    "up no longer has an agent 'Dora': /chat/completions: Invalid model name passed in model=nope. "
                    "Call `/v1/models` to view available models for your key."
                ),
            ),
        ],
    )
    async def test_recorded(
        self,
        wire: FaultServer,
        session: aiohttp.ClientSession,
        name: str,
        text: str,
        kind: type[UpstreamError],
        says: str,
    ) -> None:
        wire.script(transcript(name))
        answer = await ask(connect(wire.url, session))
        assert answer.text == text
        assert type(answer.error) is kind
        assert answer.error.says(ENGLISH) == says

    async def test_an_interrupted_answer(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        wire.script(
            transcript("llama-cpp/interrupted-stream"), sse(HELLO, STOP), transcript("llama-cpp/interrupted-stream")
        )
        upstream = connect(wire.url, session)
        # The server may be one that gives no finish reasons.
        assert (await ask(upstream)).error is None
        assert (await ask(upstream)).error is None
        answer = await ask(upstream)
        assert answer.text.startswith("Write a story about a dog.")
        assert type(answer.error) is AnswerInterrupted
        assert answer.error.says(ENGLISH) == "up broke off the answer"


async def test_an_unchanged_list_is_not_sent_again(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    listed = models("Dora")
    tagged = replace(listed, headers={**listed.headers, "ETag": '"1"'})
    wire.script(tagged, Reply(304, {"ETag": '"1"'}), replace(models("Egon"), headers={"ETag": '"2"'}), Reply(304))
    upstream = connect(wire.url, session)
    assert await upstream.agents() == (AgentInfo("Dora", "Dora", id_is_name=True, id_lasts=False),)
    assert await upstream.agents() is UNCHANGED
    assert await upstream.agents() == (AgentInfo("Egon", "Egon", id_is_name=True, id_lasts=False),)
    assert await upstream.agents() is UNCHANGED
    assert [request.headers.get("If-None-Match") for request in wire.requests] == [None, '"1"', '"1"', '"2"']


def models(*ids: str, **rest: Any) -> Reply:
    body = {"object": "list", "data": [{"id": name, "owned_by": "letta"} for name in ids], **rest}
    return Reply(200, {"Content-Type": "application/json"}, (json.dumps(body).encode(),))


def id_is_name(*ids: str) -> tuple[AgentInfo, ...]:
    return tuple(AgentInfo(name, name, id_is_name=True, id_lasts=False) for name in ids)


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
        self, wire: FaultServer, session: aiohttp.ClientSession, name: str, agents: tuple[AgentInfo, ...]
    ) -> None:
        wire.script(transcript(name), transcript(name))
        asked = connect(wire.url, session, api_key=KEY)
        assert await asked.agents() == agents
        assert await asked.agents() is UNCHANGED
        first, _ = wire.requests
        assert (first.method, first.path, first.query) == ("GET", "/v1/models", {})
        assert first.headers["Authorization"] == f"Bearer {KEY}"

    async def test_news_only(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        asked = connect(wire.url, session, exclude=["x*"])
        wire.script(models("a"), models("a"), models("a", created=1), models("a", "x1"), models("a", "b"))
        assert await asked.agents() == id_is_name("a")
        assert await asked.agents() is UNCHANGED
        assert await asked.agents() is UNCHANGED
        assert await asked.agents() is UNCHANGED
        assert await asked.agents() == id_is_name("a", "b")

    async def test_a_failure_changes_nothing(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        asked = connect(wire.url, session)
        wire.script(models("a"), Reply(500), models("a"), Reply(200, {}, (b"{}",)), models())
        assert await asked.agents() == id_is_name("a")
        with pytest.raises(UpstreamFailed):
            await asked.agents()
        assert await asked.agents() is UNCHANGED
        with pytest.raises(UpstreamProtocolError):
            await asked.agents()
        assert await asked.agents() == ()

    async def test_pages(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        asked = connect(wire.url, session)
        pages = [
            models("a", "b", has_more=True, last_id="b"),
            models("b", "c", has_more=True),
            models("d", links={"next": "/v1/models?offset=4"}),
            models(),
        ]
        wire.script(*pages, *pages, *pages[:2], models("e"))
        assert await asked.agents() == id_is_name("a", "b", "c", "d")
        queries = [{}, {"after": "b"}, {"after": "c"}, {"offset": "4"}]
        assert [request.query for request in wire.requests] == queries
        assert await asked.agents() is UNCHANGED
        assert len(wire.requests) == 8
        assert await asked.agents() == id_is_name("a", "b", "c", "e")

    @pytest.mark.parametrize(("second", "agents"), [("b", ("a", "b")), ("a", ("a",))])
    async def test_pages_with_numbers(
        self, wire: FaultServer, session: aiohttp.ClientSession, second: str, agents: tuple[str, ...]
    ) -> None:
        wire.script(models("a", page=1, total=2), models(second, page=2, total=2))
        assert await connect(wire.url, session).agents() == id_is_name(*agents)
        assert [request.query for request in wire.requests] == [{}, {"page": "2"}]

    @pytest.mark.parametrize(
        "pages",
        [
            pytest.param([models("a", has_more=True)] * 2, id="the first page for ever"),
            pytest.param([models("a", has_more=True), models(has_more=True)], id="an empty page before the last"),
            pytest.param([models(has_more=True)], id="nothing and more of it"),
        ],
    )
    async def test_pages_that_lead_nowhere(
        self, wire: FaultServer, session: aiohttp.ClientSession, pages: list[Reply]
    ) -> None:
        wire.script(*pages)
        with pytest.raises(UpstreamProtocolError, match=r"^up lists the same agents on every page$"):
            await connect(wire.url, session).agents()
        assert len(wire.requests) == len(pages)

    async def test_pages_without_end(self, wire: FaultServer, session: aiohttp.ClientSession) -> None:
        wire.script(*[models(f"a{number}", has_more=True) for number in range(300)])
        with pytest.raises(UpstreamProtocolError, match=r"^up lists its agents on more than 200 pages$"):
            await connect(wire.url, session).agents()
        assert len(wire.requests) == 200

    @pytest.mark.parametrize(
        ("reply", "kind", "says"),
        [
            (
                transcript("llama-cpp/not-found"),
                UpstreamRefused,
                "up has no list of agents (404): is its url correct? It usually ends in /v1: Not Found",
            ),
            (
                transcript("llama-server/no-key"),
                UpstreamRefused,
                "up does not accept the api_key (401): Invalid API Key",
            ),
            (transcript("litellm/no-key"), UpstreamFailed, "up failed (500): Internal Server Error"),
            (transcript("letta-code/models", then="cut"), AnswerInterrupted, "the connection to up was lost"),
            (
                Reply(200, {}, (b"x" * 4_000_000,), then="repeat"),
                UpstreamProtocolError,
                "the response of up is larger than 16777216 bytes",
            ),
            (
                Reply(301, {"Location": "/v2/models"}),
                UpstreamRefused,
                "up redirects to another address (301): set its url to that address",
            ),
        ],
    )
    async def test_failures(
        self,
        wire: FaultServer,
        session: aiohttp.ClientSession,
        reply: Reply,
        kind: type[UpstreamError],
        says: str,
    ) -> None:
        wire.script(reply)
        with pytest.raises(UpstreamError) as caught:
            await connect(wire.url, session).agents()
        assert type(caught.value) is kind
        assert caught.value.says(ENGLISH) == says
