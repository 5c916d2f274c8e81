"""The kind ``a2a`` with the official SDK as the server, in its streaming form, without streams, and in version 0.3."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import AnswerInterrupted
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.upstream.answer import AnswerRequest, End, FileDelta, ReasoningDelta, RunStarted, TextDelta
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.conversation_store import MemoryConversations
from support.a2a_questions import connected, question
from support.a2a_sdk_server import Agent, sdk_server
from support.upstream_kinds import DEADLINE, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.a2a.upstream import A2AUpstream


@dataclass
class Talk:
    """A lane with an agent of the SDK."""

    agent: Agent
    url: str
    upstream: A2AUpstream
    store: MemoryConversations


@pytest.fixture(scope="module", params=["streaming", "polling", "0.3"])
async def serving(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Agent, str]]:
    agent, version = Agent(), "0.3" if request.param == "0.3" else "1.0"
    async with sdk_server(agent, streaming=request.param != "polling", version=version) as url:
        yield agent, url


@pytest.fixture
async def talk(serving: tuple[Agent, str]) -> AsyncIterator[Talk]:
    agent, url = serving
    agent.forget()
    store = MemoryConversations()
    async with connected(url, store, cards=[]) as upstream:
        yield Talk(agent, url, upstream, store)


def asks(text: str, *, attempt: int = 1) -> AnswerRequest:
    return replace(question(text, attempt=attempt), model="up")


async def test_a_conversation(talk: Talk) -> None:
    agents = await talk.upstream.agents()
    assert agents is not UNCHANGED
    assert [(each.model, each.name, each.description) for each in agents] == [("up", "Echo of the SDK", "Echoes.")]
    for text in ("hello there", "again"):
        answer = await ask(talk.upstream, asks(text))
        assert (answer.text, answer.error) == (f"Echo: {text}", None)
        assert isinstance(answer.raw[0], RunStarted)
    first, second = talk.agent.asked
    assert first[1] == second[1]
    assert first[2] != second[2]


async def test_words_about_the_work(talk: Talk) -> None:
    answer = await ask(talk.upstream, asks("hello"))
    reasoning = [each for each in answer.events if isinstance(each, ReasoningDelta)]
    assert reasoning in ([], [ReasoningDelta("Working.\n\n")])


async def test_a_question_of_the_agent(talk: Talk) -> None:
    answers = [(await ask(talk.upstream, asks(text))).text for text in ("ask", "this one", "next")]
    assert answers == ["Which one?", "Echo: this one", "Echo: next"]
    (_, context, asking), (_, _, continued), (_, last_context, last) = talk.agent.asked
    assert asking == continued != last
    assert context == last_context


async def test_files_in_both_directions(talk: Talk) -> None:
    message = ChatMessage("user", "file", (Image(b"png", "image/png"),))
    answer = await ask(talk.upstream, replace(asks("file"), messages=(message,)))
    assert talk.agent.files == [b"png"]
    files = [each for each in answer.events if isinstance(each, FileDelta)]
    table = base64.b64encode(b"a,b\n1,2\n").decode()
    assert files[0] == FileDelta(f"data:text/csv;base64,{table}", "table.csv", "text/csv")
    assert (files[1].name, files[1].content_type) == ("figures.json", "application/json")
    assert answer.text == "Echo: file"


async def test_a_failure(talk: Talk) -> None:
    error = (await ask(talk.upstream, asks("fail"))).error
    assert isinstance(error, AnswerInterrupted)
    assert error.detail == "out of memory"


async def test_a_message_as_the_answer(talk: Talk) -> None:
    assert (await ask(talk.upstream, asks("reply"))).events == [TextDelta("A reply."), End("stop")]


async def test_a_stop(talk: Talk) -> None:
    async with asyncio.timeout(DEADLINE):
        async with aclosing(talk.upstream.answer(asks("slow"))) as events:
            while not isinstance(await anext(events), TextDelta):
                pass
        # The next message of the lane is answered.
        assert (await ask(talk.upstream, asks("next"))).text == "Echo: next"


async def test_a_killed_process(talk: Talk) -> None:
    events = talk.upstream.answer(asks("slow"))
    async with asyncio.timeout(DEADLINE):
        while not isinstance(await anext(events), TextDelta):
            pass
        async with connected(talk.url, talk.store, cards=[]) as other:
            again = asyncio.create_task(ask(other, asks("slow", attempt=2)))
            asyncio.get_running_loop().call_later(0.2, talk.agent.gate.set)
            assert (await again).text == "Echo: slow"
    assert len(talk.agent.asked) == 1
    await events.aclose()
