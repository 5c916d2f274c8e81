"""Reasoning and tool calls of an agent in a room: folded, in a thread or hidden, with either API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from support.people import conversations
from support.scripted_upstream import Reasoning, ScriptedUpstream, Tool, says, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Conversation
    from support.shared_bridge import SharedBridge

PIECES = (
    Reasoning("Let me **see**. "),
    Reasoning("Yes."),
    Tool("search", '{"query": "cats"}', "12 cats"),
    "Cats it is.",
)


def seen(talk: Conversation) -> list[tuple[str, str]]:
    """Return the agent's messages, each with its msgtype."""
    return [(message.content["msgtype"], message.body) for message in talk.answers]


def root_of(message: Message) -> str | None:
    """Return the root of the thread that a message is in."""
    related = message.versions[0].get("m.relates_to", {})
    return related.get("event_id") if related.get("rel_type") == "m.thread" else None


@pytest.mark.parametrize("api", ["chat", pytest.param("responses", marks=pytest.mark.long)])
async def test_folded_beside_the_answer(harness: BridgeHarness, database_url: str, api: str) -> None:
    async with ScriptedUpstream("thinker") as upstream, harness.talk(database_url, upstream, api=api) as talk:
        upstream.script = says(*PIECES)
        await talk.say("What now?")
        aside, answer = await talk.wait_for_answers(2)
        await talk.person.wait_for(lambda: "search" in aside.body)
        assert answer.body == "Cats it is."
        assert aside.content["msgtype"] == "m.notice"
        # The plain body has one line; the HTML has all of it, folded.
        assert aside.body == "💭 Thought for 1 second · Used search"
        html = aside.html or ""
        assert html.startswith("<details>\n<summary>💭 Thought for 1 second · Used search</summary>")
        assert "<strong>see</strong>" in html
        assert '<code class="language-json">{"query": "cats"}' in html
        assert ("12 cats" in html) is (api == "responses")
        assert {"/v1/chat/completions" if api == "chat" else "/v1/responses"} == set(upstream.paths)


async def test_hidden(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("secretive") as upstream,
        harness.talk(database_url, upstream, reasoning="hidden", tools="hidden") as talk,
    ):
        upstream.script = says(*PIECES)
        await talk.say("What now?")
        await talk.wait_for_answers(1)
        await talk.wait_until_idle()
        assert seen(talk) == [("m.text", "Cats it is.")]


async def test_in_a_thread(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("open") as upstream,
        harness.talk(database_url, upstream, reasoning="thread", tools="thread", api="responses") as talk,
    ):
        upstream.script = says(*PIECES)
        await talk.say("What now?")
        messages = await talk.wait_for_answers(4)
        head = messages[0]
        assert head.body == "💭 Thought for 1 second · Used search"
        inside = [message for message in messages if root_of(message) == head.event_id]
        thought, tool = inside
        assert "Let me see. Yes." in thought.body
        assert "12 cats" in tool.body
        assert all(message.content["msgtype"] == "m.notice" for message in (head, *inside))
        assert [message.body for message in messages if message not in (head, *inside)] == ["Cats it is."]


async def test_thinking_is_seen_while_it_goes_on_and_is_gone_after_a_stop(shared: SharedBridge) -> None:
    gate = asyncio.Event()
    async with ScriptedUpstream("ponderer") as upstream, shared.talk(upstream) as talk:
        upstream.script = waits_for(gate, Reasoning("hm"), "never said")
        await talk.say("What now?")
        await talk.person.wait_for(lambda: seen(talk) == [("m.notice", "💭 Thinking…")])
        assert "org.matrix.msc4357.live" in talk.answers[0].content
        await talk.person.wait_for(lambda: talk.ghost in talk.room.typing)
        await talk.person.say(talk.room_id, "!ab stop")
        await talk.person.wait_for(lambda: seen(talk) == [("m.notice", "(stopped)")])
        await talk.person.wait_for(lambda: talk.ghost not in talk.room.typing)
        gate.set()


async def test_where_responses_are_missing_chat_completions_are_asked(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("older") as upstream, harness.talk(database_url, upstream, api="responses") as talk:
        upstream.responses = False
        await talk.say("one")
        await talk.wait_for_answers(1)
        await talk.say("two")
        await talk.wait_for_answers(2)
        assert [answer.body for answer in talk.answers] == ["Echo: one", "Echo: two"]
        assert upstream.paths[-1] == "/v1/chat/completions"


async def test_first_words_do_not_wait_for_the_budget_of_edits(harness: BridgeHarness, database_url: str) -> None:
    grown, said = asyncio.Event(), asyncio.Event()

    async def growing(_question: str) -> AsyncIterator[str]:
        yield "One"
        await grown.wait()
        yield " two"
        await said.wait()

    async def script(_question: str) -> AsyncIterator[Reasoning | Tool | str]:
        yield Reasoning("hm")
        yield Tool("search", "{}", "12 cats")
        yield "Cats"
        await said.wait()
        yield " it is."

    answers = {"edits_per_second": 0.01}
    async with ScriptedUpstream("hurried", "slow") as upstream:
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}], answers=answers)
        async with harness.bridge(config) as running, conversations(harness, running, upstream.names) as (talk, other):
            # This edit uses the budget up: the next one is due after more than a minute.
            upstream.scripts.append(growing)
            await other.say("Count")
            await other.person.wait_for(lambda: seen(other) == [("m.text", "One")])
            grown.set()
            await other.person.wait_for(lambda: seen(other) == [("m.text", "One two")])
            upstream.scripts.append(script)
            await talk.say("What now?")
            await talk.person.wait_for(lambda: ("m.text", "Cats") in seen(talk))
            said.set()
            await talk.person.wait_for(lambda: ("m.text", "Cats it is.") in seen(talk))
            await talk.person.wait_for(lambda: "search" in talk.answers[0].body)
