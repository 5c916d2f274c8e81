"""The kind ``letta_v1`` against the real, retired server: its agents, conversations, runs and errors."""

from __future__ import annotations

import asyncio
import base64
import uuid
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from agent_bridge.core.errors import AgentGone, AnswerInterrupted, UpstreamBusy, UpstreamError
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.core.upstreams import StoredConversation
from agent_bridge.upstream.answer import RunStarted, TextDelta, TextWithdrawn, ToolCall, ToolResult
from agent_bridge.upstream.base import UNCHANGED
from support.conditions import eventually
from support.letta_v1_questions import connected
from support.questions import DEADLINE, read
from support.scripted_upstream import Reasoning, Tool, says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.letta_v1.upstream import LettaV1Upstream
    from support.letta_v1_questions import Dora
    from support.letta_v1_server import LettaV1Server
    from support.severable_proxy import Piece

pytestmark = pytest.mark.letta_v1

#: One pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
async def upstream(dora: Dora) -> AsyncIterator[LettaV1Upstream]:
    async with connected(dora.url, dora.store) as found:
        yield found


# The list of agents


async def test_agents_have_lasting_ids(letta_v1: LettaV1Server, upstream: LettaV1Upstream, dora: Dora) -> None:
    async def listed() -> dict[str, tuple[str, str]]:
        agents = await upstream.agents()
        assert agents is not UNCHANGED
        assert all(each.id_lasts and not each.id_is_name for each in agents)
        return {each.model: (each.name, each.description) for each in agents}

    assert await listed() == {dora.id: ("Dora", "")}
    assert await upstream.agents() is UNCHANGED
    twin = await letta_v1.create_agent("Dora", description="Helps")
    hidden = await letta_v1.create_agent("Hidden", hidden=True)
    assert await listed() == {dora.id: ("Dora", ""), twin: ("Dora", "Helps")}
    await letta_v1.rename_agent(dora.id, "Theodora 🐈/:")
    assert await listed() == {dora.id: ("Theodora 🐈/:", ""), twin: ("Dora", "Helps")}
    for agent in (twin, hidden):
        await letta_v1.delete_agent(agent)
    assert await listed() == {dora.id: ("Theodora 🐈/:", "")}


@pytest.mark.usefixtures("dora")
async def test_agents_are_read_in_pages(letta_v1: LettaV1Server, upstream: LettaV1Upstream) -> None:
    made = [await letta_v1.create_agent(f"Agent {number}") for number in range(100)]
    try:
        agents = await upstream.agents()
        assert agents is not UNCHANGED
        assert len({each.model for each in agents}) == 101
        # The reason for the guard against a list without end: a cursor that was deleted returns the first page.
        first = await letta_v1.request("GET", "/agents/", limit="2")
        again = await letta_v1.request("GET", "/agents/", limit="2", after=f"agent-{uuid.uuid4()}")
        assert [each["id"] for each in first] == [each["id"] for each in again]
    finally:
        for each in made:
            await letta_v1.delete_agent(each)


async def test_the_version_of_the_client_changes_the_answers(letta_v1: LettaV1Server, dora: Dora) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{letta_v1.url}/v1/agents/") as response:
            assert "include_base_tools" not in await response.text()
            old = len(await response.read())
        body = {"messages": [{"role": "user", "content": "x"}], "streaming": True}
        async with session.post(f"{letta_v1.url}/v1/agents/{dora.id}/messages", json=body) as response:
            assert response.status == 422
            assert "SDK v1.0+" in await response.text()
    assert len(str(await letta_v1.request("GET", "/agents/"))) < old


# Conversations


async def test_a_lane_keeps_its_conversation(upstream: LettaV1Upstream, dora: Dora) -> None:
    assert (await read(upstream, dora.question("one")))[0] == "Echo: one"
    assert (await read(upstream, dora.question("two")))[0] == "Echo: two"
    assert (await read(upstream, dora.question("three", "!other:x")))[0] == "Echo: three"
    assert [each["summary"] for each in await dora.conversations()] == ["A title", "A title"]
    told = [said(body) for body in dora.server.llm.asked]
    assert told == [["one"], ["one", "Echo: one", "two"], ["three"]]


def said(body: dict[str, Any]) -> list[str]:
    """Return the texts of a request to the language model, except the system's."""
    return [str(each["content"]) for each in body["messages"] if each["role"] in {"user", "assistant"}]


async def test_a_lost_response_makes_no_second_conversation(upstream: LettaV1Upstream, dora: Dora) -> None:
    dora.line.spoils = lambda piece: b"HTTP" if not piece.to_target and b'"conv-' in piece.data else None
    task = asyncio.create_task(read(upstream, dora.question()))

    async def made() -> bool:
        return bool(await dora.conversations())

    await eventually(made, "the conversation is made")
    dora.line.spoils = lambda _piece: None
    assert (await task)[0] == "Echo: hello"
    assert [each["summary"] for each in await dora.conversations()] == ["A title"]


async def test_a_conversation_that_is_gone_is_replaced(upstream: LettaV1Upstream, dora: Dora) -> None:
    await read(upstream, dora.question())
    first = (await dora.conversations())[0]["id"]
    await dora.server.request("DELETE", f"/conversations/{first}")
    assert (await read(upstream, dora.question("again")))[0] == "Echo: again"
    [second] = await dora.conversations()
    assert second["id"] != first
    assert await dora.store.get(dora.id, "!room:x") == StoredConversation(second["id"])


# Questions and their runs


async def test_everything_that_an_agent_does_is_shown(upstream: LettaV1Upstream, dora: Dora) -> None:
    before = dora.server.runs("look")
    dora.server.llm.script = says(Reasoning("hm"), "I look. ", Tool("look", '{"a": 1}'), "Done.")
    text, events = await read(upstream, dora.question())
    assert text == "I look. \n\nDone."
    [call] = [each for each in events if isinstance(each, ToolCall)]
    assert (call.name, call.arguments) == ("look", '{"a": 1}')
    assert [each.output for each in events if isinstance(each, ToolResult)] == ["done"]
    assert dora.server.runs("look") == before + 1


async def test_images_arrive(upstream: LettaV1Upstream, dora: Dora) -> None:
    question = replace(dora.question(), messages=(ChatMessage("user", "look", (Image(PNG, "image/png"),)),))
    assert (await read(upstream, question))[0] == "Echo: look"
    assert base64.b64encode(PNG).decode() in str(dora.server.llm.asked[-1]["messages"][-1]["content"])


async def test_a_repeat_joins_the_same_run(upstream: LettaV1Upstream, dora: Dora) -> None:
    before = dora.server.runs("look")
    dora.server.llm.script = says("I look. ", Tool("look"), "Done.")
    question = dora.question()
    first = await read(upstream, question)
    async with connected(dora.url, dora.store) as other:
        assert await read(other, replace(question, attempt=2)) == first
    assert len(dora.asked) == 1
    assert dora.server.runs("look") == before + 1


async def test_a_lost_connection_is_resumed(upstream: LettaV1Upstream, dora: Dora) -> None:
    gate = asyncio.Event()
    dora.server.llm.script = waits_for(gate, "Half", " whole")

    def on(event: AnswerEvent) -> None:
        if event == TextDelta("Half"):
            dora.line.reset()
            gate.set()

    text, events = await read(upstream, dora.question(), on)
    assert text == "Half whole"
    assert not [each for each in events if isinstance(each, TextWithdrawn)]
    assert len(dora.asked) == 1


async def test_a_lost_question_is_asked_once(upstream: LettaV1Upstream, dora: Dora) -> None:
    await read(upstream, dora.question())
    lost: list[bytes] = []

    def spoil(piece: Piece) -> bytes | None:
        if lost or not piece.to_target or b"/messages" not in piece.data:
            return None
        lost.append(piece.data)
        # The head arrives, the body does not.
        return piece.data[:40]

    dora.line.spoils = spoil
    assert (await read(upstream, dora.question("next")))[0] == "Echo: next"
    assert lost
    assert dora.asked == ["hello", "next"]


async def test_a_busy_conversation_is_waited_for(upstream: LettaV1Upstream, dora: Dora) -> None:
    gate = asyncio.Event()
    dora.server.llm.scripts.extend([waits_for(gate, "One", "!"), says("Two")])
    started = asyncio.Event()
    first = asyncio.create_task(read(upstream, dora.question(), lambda _event: started.set()))
    await asyncio.wait_for(started.wait(), DEADLINE)
    second = asyncio.create_task(read(upstream, dora.question("second")))
    await asyncio.sleep(0.5)
    assert len(dora.asked) == 1
    gate.set()
    assert [(await each)[0] for each in (first, second)] == ["One!", "Two"]


async def test_closing_an_answer_ends_its_run(upstream: LettaV1Upstream, dora: Dora) -> None:
    dora.server.llm.script = waits_for(asyncio.Event(), "Half", "never")
    run = ""
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(dora.question())) as events:
        while not isinstance(event := await anext(events), TextDelta):
            run = event.ref.split(" ")[1] if isinstance(event, RunStarted) else run
    assert (await dora.server.request("GET", f"/runs/{run}"))["status"] == "cancelled"
    dora.server.llm.script = says("Next")
    assert (await read(upstream, dora.question("next")))[0] == "Next"


async def test_an_answer_whose_server_ended_is_given_again(dora: Dora) -> None:
    dora.server.llm.scripts.extend([waits_for(asyncio.Event(), "Half", "never"), says("Whole")])
    question = dora.question()
    # The server says every 20 s that it is there.
    async with connected(dora.url, dora.store, idle_timeout=25) as upstream:
        async with asyncio.timeout(3 * DEADLINE), aclosing(upstream.answer(question)) as events:
            while await anext(events) != TextDelta("Half"):
                pass
            await dora.server.kill()
            with pytest.raises(AnswerInterrupted) as lost:
                await anext(events)
        assert lost.value.retryable
        assert (await read(upstream, replace(question, attempt=2)))[0] == "Whole"
        assert said(dora.server.llm.asked[-1]) == ["hello"]


# Errors


async def test_a_deleted_agent_is_gone(letta_v1: LettaV1Server, upstream: LettaV1Upstream, dora: Dora) -> None:
    egon = await letta_v1.create_agent("Egon")
    question = replace(dora.question(), model=egon)
    await read(upstream, question)
    await letta_v1.delete_agent(egon)
    # Its conversation is known to the bridge, or it is not.
    for session in (question.session, "!new:x"):
        with pytest.raises(AgentGone):
            await read(upstream, replace(question, session=session, idempotency_key=uuid.uuid4().hex))


@pytest.mark.parametrize("status", [429, 500, 400])
async def test_a_failure_of_the_language_model_is_reported(upstream: LettaV1Upstream, dora: Dora, status: int) -> None:
    dora.server.llm.script = says(status)
    question = dora.question()
    with pytest.raises(UpstreamError) as found:
        await read(upstream, question)
    assert type(found.value) is (UpstreamBusy if status == 429 else AnswerInterrupted)
    assert found.value.detail is not None
    assert "scripted" in found.value.detail
    dora.server.llm.script = says("Whole")
    assert (await read(upstream, replace(question, attempt=2)))[0] == "Whole"
    # The agent does not remember the question that it did not answer.
    assert said(dora.server.llm.asked[-1]) == ["hello"]


async def test_a_failure_after_the_agent_acted_is_not_repeated(upstream: LettaV1Upstream, dora: Dora) -> None:
    before = dora.server.runs("look")
    dora.server.llm.script = says(Tool("look"), 400)
    question = dora.question()
    for attempt in (1, 2):
        with pytest.raises(AnswerInterrupted):
            await read(upstream, replace(question, attempt=attempt))
    assert dora.server.runs("look") == before + 1
