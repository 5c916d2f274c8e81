"""The upstream kind ``openai`` against the real Letta App Server."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.cli.probe import FoundUpstream, find_upstream
from agent_bridge.cli.remedies import remedy_for
from agent_bridge.config.conversations import TemplatesConfig
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import AgentGone, UpstreamError
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.upstream.answer import (
    AnswerEvent,
    AnswerRequest,
    End,
    ReasoningDelta,
    RunStarted,
    TextDelta,
    ToolCall,
    ToolResult,
)
from agent_bridge.upstream.base import UNCHANGED, AgentInfo
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from support.answers import joined
from support.fake_llm import ARGUMENTS, THOUGHT
from support.records import NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database
    from agent_bridge.upstream.base import Upstream
    from support.letta_server import LettaServer

DEADLINE = 30


@asynccontextmanager
async def speaking(letta: LettaServer, api: str) -> AsyncIterator[Upstream]:
    config = UpstreamConfig.model_validate(
        {
            "name": "letta",
            "url": letta.url,
            "api": api,
            "history": "server",
            "session_header": "X-Letta-Chat-Key",
            "idempotency_header": "Idempotency-Key",
        }
    )
    async with aiohttp.ClientSession() as session:
        yield make_upstream(config, session, MemoryConversations())


@pytest.fixture
async def upstream(letta: LettaServer) -> AsyncIterator[Upstream]:
    async with speaking(letta, "chat") as upstream:
        yield upstream


@pytest.fixture
async def responses(letta: LettaServer) -> AsyncIterator[Upstream]:
    async with speaking(letta, "responses") as upstream:
        yield upstream


@pytest.fixture
async def dora(letta: LettaServer) -> str:
    return await letta.create_agent("Dora")


async def answer(upstream: Upstream, text: str, *, model: str = "Dora", session: str, key: str = "") -> str:
    *told, end = await deltas(upstream, text, model=model, session=session, key=key)
    assert end == End("stop")
    return "".join(delta.text for delta in told if isinstance(delta, TextDelta))


async def deltas(
    upstream: Upstream, text: str, *, model: str = "Dora", session: str, key: str = ""
) -> list[AnswerEvent]:
    ask = AnswerRequest(model, (ChatMessage("user", text),), session=session, idempotency_key=key or uuid.uuid4().hex)
    async with asyncio.timeout(DEADLINE):
        return joined([delta async for delta in upstream.answer(ask)])


def said(question: Any) -> list[str]:
    """Return the last text of each message of a request to the language model, except the system's."""
    contents = [message["content"] for message in question["messages"] if message["role"] != "system"]
    return [content if isinstance(content, str) else content[-1]["text"] for content in contents]


def by_name(name: str) -> AgentInfo:
    return AgentInfo(name, name, id_is_name=True, id_lasts=False)


def by_id(agent: str) -> AgentInfo:
    return AgentInfo(agent, agent, id_lasts=False)


async def agents(upstream: Upstream) -> set[AgentInfo]:
    listed = await upstream.agents()
    assert listed is not UNCHANGED
    return set(listed)


@pytest.mark.usefixtures("dora")
async def test_it_streams_and_remembers(letta: LettaServer, upstream: Upstream) -> None:
    asked = len(letta.llm.asked)
    assert await answer(upstream, "one two", session="!a:hs") == "Echo: one two"
    assert await answer(upstream, "three", session="!a:hs") == "Echo: three"
    assert await answer(upstream, "four", session="!b:hs") == "Echo: four"
    assert [said(question) for question in letta.llm.asked[asked:]] == [
        ["one two"],
        ["one two", "Echo: one two", "three"],
        ["four"],
    ]


@pytest.mark.usefixtures("dora")
async def test_a_repeat_is_answered_without_acting_again(letta: LettaServer, upstream: Upstream) -> None:
    asked = len(letta.llm.asked)
    for _ in range(2):
        assert await answer(upstream, "once", session="!c:hs", key="turn-1") == "Echo: once"
    assert len(letta.llm.asked) == asked + 1


@pytest.mark.usefixtures("dora")
async def test_a_repeat_brings_the_whole_of_an_answer_that_was_cut(letta: LettaServer, upstream: Upstream) -> None:
    asked = len(letta.llm.asked)
    ask = AnswerRequest("Dora", (ChatMessage("user", "word " * 50),), session="!g:hs", idempotency_key="turn-2")
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(ask)) as told:
        assert isinstance(await anext(told), RunStarted)
        assert await anext(told) == TextDelta("Echo:")
    whole = await answer(upstream, "word " * 50, session="!g:hs", key="turn-2")
    assert whole == "Echo: " + "word " * 50
    assert len(letta.llm.asked) == asked + 1


async def test_a_rename_changes_the_model(letta: LettaServer, upstream: Upstream, dora: str) -> None:
    assert await agents(upstream) == {by_name("Dora")}
    assert await upstream.agents() is UNCHANGED
    await letta.rename_agent(dora, "Dora the Second")
    assert await agents(upstream) == {by_name("Dora the Second")}
    assert await answer(upstream, "hi", model="Dora the Second", session="!d:hs") == "Echo: hi"
    with pytest.raises(AgentGone, match=r"^letta no longer has an agent 'Dora'$"):
        await answer(upstream, "hi", model="Dora", session="!d:hs")


async def test_a_name_that_two_have_is_no_model(letta: LettaServer, upstream: Upstream, dora: str) -> None:
    assert await agents(upstream) == {by_name("Dora")}
    twin = await letta.create_agent("Dora")
    assert await agents(upstream) == {by_id(dora), by_id(twin)}
    assert await answer(upstream, "hi", model=dora, session="!e:hs") == "Echo: hi"
    await letta.delete_agent(twin)
    assert await agents(upstream) == {by_name("Dora")}
    # The id is a model all the same.
    assert await answer(upstream, "ho", model=dora, session="!e:hs") == "Echo: ho"


async def test_an_agent_without_a_name_has_its_id(letta: LettaServer, upstream: Upstream, dora: str) -> None:
    await letta.rename_agent(dora, "")
    assert await agents(upstream) == {by_id(dora)}


async def test_a_deleted_agent_is_gone(letta: LettaServer, upstream: Upstream) -> None:
    agent = await letta.create_agent("Egon")
    assert await agents(upstream) == {by_name("Egon")}
    await letta.delete_agent(agent)
    assert await upstream.agents() == ()
    with pytest.raises(UpstreamError) as caught:
        await answer(upstream, "hi", model=agent, session="!f:hs")
    assert type(caught.value) is AgentGone


@pytest.mark.usefixtures("dora")
async def test_responses_show_what_chat_completions_hide(
    letta: LettaServer, upstream: Upstream, responses: Upstream
) -> None:
    assert await deltas(upstream, "think", session="!h:hs") == [TextDelta("Echo: think"), End("stop")]
    assert await deltas(responses, "think", session="!h:hs") == [
        ReasoningDelta(THOUGHT),
        TextDelta("Echo: think"),
        End("stop"),
    ]
    assert await deltas(upstream, "use a tool", session="!i:hs") == [TextDelta("Echo: use a tool"), End("stop")]
    call_id = f"call_{letta.llm.calls + 1}"
    assert await deltas(responses, "use a tool", session="!i:hs") == [
        ToolCall(call_id, "Bash", ARGUMENTS),
        ToolResult(call_id, "done\n"),
        TextDelta("Echo: use a tool"),
        End("stop"),
    ]


@pytest.mark.usefixtures("dora")
async def test_responses_stream_and_remember(letta: LettaServer, responses: Upstream) -> None:
    asked = len(letta.llm.asked)
    assert await answer(responses, "one two", session="!j:hs") == "Echo: one two"
    assert await answer(responses, "three", session="!j:hs") == "Echo: three"
    assert [said(question) for question in letta.llm.asked[asked:]] == [
        ["one two"],
        ["one two", "Echo: one two", "three"],
    ]


@pytest.mark.usefixtures("dora")
async def test_a_repeat_at_responses_acts_again(letta: LettaServer, responses: Upstream) -> None:
    asked = len(letta.llm.asked)
    for _ in range(2):
        assert await answer(responses, "twice", session="!k:hs", key="turn-3") == "Echo: twice"
    assert len(letta.llm.asked) == asked + 2
    assert not responses.traits.idempotent


async def test_init_recognises_it(letta: LettaServer) -> None:
    config = UpstreamConfig.model_validate({"name": "u", "url": letta.url.removesuffix("/v1")})
    found = await find_upstream(config)
    assert (found.url, found.kind, found.agents) == (letta.root, "letta", 0)
    assert found.server.endswith(", protocol 1")
    assert await find_upstream(config, "openai") == FoundUpstream(letta.url, is_letta=True, agents=0)


@pytest.mark.parametrize(
    ("kind", "path", "remedy"),
    [
        ("letta", "/ui", "set url: {}"),
        ("letta_v1", "", "set kind: letta"),
        ("openai", "/ui", "set kind: letta, url: {}"),
    ],
)
async def test_the_remedy_for_another_kind_or_path(letta: LettaServer, kind: str, path: str, remedy: str) -> None:
    config = UpstreamConfig.model_validate({"name": "u", "kind": kind, "url": letta.root + path})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(make_upstream(config, session, MemoryConversations())) as upstream,
    ):
        with pytest.raises(UpstreamError) as caught:
            await upstream.agents()
    assert await remedy_for(caught.value, config) == remedy.format(letta.root)


async def test_two_renames_while_no_bridge_looks_are_held(letta: LettaServer, database: Database) -> None:
    def discovery(session: aiohttp.ClientSession) -> Discovery:
        config = UpstreamConfig.model_validate({"name": "letta", "url": letta.url})
        status, signals = UpstreamStatus(KeyValues(database), Signals()), Signals()
        upstreams = [(make_upstream(config, session, MemoryConversations()), config)]
        templates = TemplatesConfig()
        return Discovery(upstreams, Agents(database), lambda _: None, NAMES, templates, status, signals, ENGLISH)

    first, second = await letta.create_agent("Ida"), await letta.create_agent("Jan")
    async with aiohttp.ClientSession() as session:
        await discovery(session).sync()
        await letta.rename_agent(first, "Zoe")
        await letta.rename_agent(second, "Yan")
        restarted = discovery(session)
        for _ in range(5):
            [health] = await restarted.sync()
        assert (sorted(health.vanished), sorted(health.appeared)) == (["Ida", "Jan"], ["Yan", "Zoe"])
        known = [each.agent for each in await Agents(database).all()]
        assert {(each.name, each.state) for each in known} == {("Ida", AgentState.ACTIVE), ("Jan", AgentState.ACTIVE)}
        # An operator tells one of the two: the other one is a rename.
        ida = next(each for each in known if each.name == "Ida")
        await Agents(database).reconnect(ida.id, "Zoe", None)
        [health] = await restarted.sync()
        assert health.appeared == ()
        assert {each.agent.name for each in await Agents(database).all()} == {"Zoe", "Yan"}


@pytest.mark.parametrize(
    ("path", "keys", "words"),
    [
        ("", {"headers": {"Origin": "https://element.example"}}, "refuses the WebSocket (403): perhaps a proxy"),
        ("", {"query": {"channel": "control"}}, "refuses the WebSocket (426): it speaks another version"),
        ("/nowhere", {}, "has no WebSocket at /ws (404)"),
    ],
)
async def test_a_websocket_that_is_refused(letta: LettaServer, path: str, keys: dict[str, Any], words: str) -> None:
    config = UpstreamConfig.model_validate({"name": "u", "kind": "letta", "url": letta.root + path, **keys})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(make_upstream(config, session, MemoryConversations())) as upstream,
    ):
        with pytest.raises(UpstreamError) as caught:
            await upstream.agents()
    assert words in str(caught.value)
