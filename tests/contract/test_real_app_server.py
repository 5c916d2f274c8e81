"""The capabilities of the upstream kind ``letta`` against the real App Server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import AnswerInterrupted
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.answer import AnswerRequest, ApprovalAsked, ApprovalClosed, RunStarted, TextDelta
from agent_bridge.upstream.capabilities import AskedQuestion, Decision, describe
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.letta.upstream import LettaUpstream
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.capabilities import Approvals, Conversations, PastMessage
    from support.letta_server import LettaServer

#: The common suite runs with a scripted server, too.
pytestmark = pytest.mark.long
DEADLINE = 30
SLOWLY = "slowly " + " ".join(map(str, range(60)))
SLEEP = 'call Bash {"command": "sleep 60", "description": "sleeps"}'


@asynccontextmanager
async def connected(letta: LettaServer) -> AsyncIterator[LettaUpstream]:
    config = UpstreamConfig.model_validate({"name": "letta", "kind": "letta", "url": letta.root})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(LettaUpstream(config, session, MemoryConversations())) as upstream,
    ):
        yield upstream


@pytest.fixture
async def upstream(letta: LettaServer) -> AsyncIterator[LettaUpstream]:
    async with connected(letta) as found:
        yield found


@pytest.fixture
async def agent(letta: LettaServer) -> str:
    return await letta.create_agent("Dora")


def question(agent: str, words: str) -> AnswerRequest:
    return AnswerRequest(agent, (ChatMessage("user", words),), "!room", words, title="A title")


async def say(upstream: LettaUpstream, agent: str, words: str) -> str:
    """Ask in the lane of these tests, and return the answer."""
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(question(agent, words))) as events:
        return await rest_of(events)


async def rest_of(events: AsyncGenerator[AnswerEvent, None]) -> str:
    """Read to the end, and return the text."""
    return "".join([each.text async for each in events if isinstance(each, TextDelta)])


async def begun(
    events: AsyncGenerator[AnswerEvent, None], *kinds: type[AnswerEvent], approvals: Approvals | None = None
) -> str:
    """Read until an event of each of *kinds* arrived, and return the reference of the run.

    With *approvals* each tool that the agent asks for is allowed.
    """
    ref, missing = "", {RunStarted, *kinds}
    while missing:
        event = await anext(events)
        missing.discard(type(event))
        if isinstance(event, ApprovalAsked) and approvals is not None:
            await approvals.decide(event.request.ref, Decision(allow=True))
        ref = event.ref if isinstance(event, RunStarted) else ref
    return ref


def conversations_of(upstream: LettaUpstream) -> Conversations:
    assert upstream.can.conversations is not None
    return upstream.can.conversations


async def read(upstream: LettaUpstream, agent: str, ref: str | None) -> list[PastMessage]:
    assert upstream.can.history is not None
    return [each async for page in upstream.can.history(agent, ref) for each in page]


async def words_in(upstream: LettaUpstream, agent: str, ref: str | None) -> list[str]:
    return [each.message.content for each in await read(upstream, agent, ref)]


def test_the_capabilities_are_named(upstream: LettaUpstream) -> None:
    names = "cancel approvals conversations branches archive history schedules commands pictures"
    assert describe(upstream.can) == tuple(names.split())


@pytest.mark.parametrize(
    ("words", "sign"),
    [(SLOWLY, TextDelta), ("touch a file", ApprovalAsked), (SLEEP, ApprovalClosed)],
    ids=["text", "approval", "tool"],
)
async def test_another_process_ends_a_turn(
    letta: LettaServer, upstream: LettaUpstream, agent: str, words: str, sign: type[AnswerEvent]
) -> None:
    assert upstream.can.cancel is not None
    await say(upstream, agent, "hello")
    async with connected(letta) as other, asyncio.timeout(DEADLINE):
        async with aclosing(upstream.answer(question(agent, words))) as events:
            ref = await begun(events, sign, approvals=upstream.can.approvals if sign is ApprovalClosed else None)
            assert other.can.cancel is not None
            await other.can.cancel(ref)
            with pytest.raises(AnswerInterrupted):
                await rest_of(events)
        # It has ended: that is no error, and no later turn ends.
        await other.can.cancel(ref)
        asked = replace(question(agent, "slowly one two three"), idempotency_key="later")
        async with aclosing(upstream.answer(asked)) as events:
            await begun(events, TextDelta)
            await other.can.cancel(ref)
            assert (await rest_of(events)).endswith("three")
    # Only a conversation whose request for approval another process ended is copied.
    found = [each.is_archived for each in await conversations_of(upstream).list(agent)]
    assert sorted(found) == ([False, True] if sign is ApprovalAsked else [False])


@pytest.mark.parametrize(
    ("words", "sign"), [(SLOWLY, TextDelta), ("touch a file", ApprovalAsked)], ids=["text", "approval"]
)
async def test_after_a_stop_the_conversation_goes_on(
    upstream: LettaUpstream, agent: str, words: str, sign: type[AnswerEvent]
) -> None:
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(question(agent, words))) as events:
        await begun(events, sign)
    assert await say(upstream, agent, "next") == "Echo: next"
    assert len(await conversations_of(upstream).list(agent)) == 1


async def test_a_command_that_was_given_up_takes_no_message_from_the_agent(
    letta: LettaServer, upstream: LettaUpstream, agent: str
) -> None:
    """The server ends no summary that it makes. At its end, the agent forgets all messages that came meanwhile."""
    assert upstream.can.commands is not None
    for words in ("slowly one", "slowly two", "slowly three"):
        await say(upstream, agent, words)
    original = await conversations_of(upstream).current(agent, "!room")
    before, asked = await remembered(letta, original), len(letta.llm.asked)
    command = asyncio.create_task(upstream.can.commands.run(agent, "!room", "A title", "compact", ""))

    async def is_made() -> bool:
        return len(letta.llm.asked) > asked

    await eventually(is_made, "the server makes a summary")
    command.cancel()
    await asyncio.wait([command])
    await say(upstream, agent, "said after the stop")

    async def is_summed_up() -> bool:
        return (await remembered(letta, original))[0] not in before

    letta.llm.pause = 0
    try:
        await eventually(is_summed_up, "the summary has replaced the messages")
    finally:
        letta.llm.pause = 0.2
    await say(upstream, agent, "next")
    known = str(letta.llm.asked[-1]["messages"])
    assert [words in known for words in ("slowly one", "said after the stop")] == [True, True]


async def test_arguments_beyond_the_limit_of_the_server_leave_a_conversation_that_goes_on(
    upstream: LettaUpstream, agent: str
) -> None:
    await say(upstream, agent, "hello")
    with pytest.raises(AnswerInterrupted, match="more than 16 MB"):
        await say(upstream, agent, "touch a file at length")
    assert await say(upstream, agent, "next") == "Echo: next"
    ref = await conversations_of(upstream).current(agent, "!room")
    assert await words_in(upstream, agent, ref) == [
        "hello",
        "Echo: hello",
        "touch a file at length",
        "next",
        "Echo: next",
    ]


async def remembered(letta: LettaServer, conversation: str | None) -> list[str]:
    """Return the ids of the messages that the agent knows."""
    found = await letta.command("conversation_retrieve", conversation_id=conversation)
    return list(found["conversation"]["in_context_message_ids"])


async def test_after_a_restart_no_turn_of_the_same_number_ends(
    letta: LettaServer, upstream: LettaUpstream, agent: str
) -> None:
    assert upstream.can.cancel is not None
    await letta.restart()
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(question(agent, "hello"))) as events:
        ref = await begun(events)
        await rest_of(events)
    await letta.restart()
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(question(agent, "slowly one two"))) as events:
        later = await begun(events, TextDelta)
        assert later.rpartition(" ")[2] == ref.rpartition(" ")[2]
        await upstream.can.cancel(ref)
        assert (await rest_of(events)).endswith("two")


async def test_conversations(upstream: LettaUpstream, agent: str) -> None:
    conversations = conversations_of(upstream)
    assert upstream.can.branches is not None
    assert upstream.can.archive is not None
    assert await conversations.list(agent) == ()
    for words in ("one", "two", "use a tool"):
        await say(upstream, agent, words)
    original = await conversations.current(agent, "!room")
    assert original is not None
    assert [(each.ref, each.name) for each in await conversations.list(agent)] == [(original, "A title")]
    saved = await conversations.fork(agent, original, "Saved")
    whole = ["one", "Echo: one", "two", "Echo: two", "use a tool", "Echo: use a tool"]
    assert await words_in(upstream, agent, original) == await words_in(upstream, agent, saved.ref) == whole
    empty = await conversations.open(agent, "Empty")
    branch = await upstream.can.branches(agent, original, AskedQuestion("two", 1), "Branch", answered=False)
    assert branch is not None
    last = await upstream.can.branches(agent, original, AskedQuestion("use a tool", 1), "Whole", answered=True)
    assert last is not None
    await conversations.rename(empty.ref, "Renamed")
    for ref, words, before in (
        (empty.ref, "a", []),
        (saved.ref, "b", whole),
        (branch.ref, "c", whole[:3]),
        (last.ref, "d", whole),
    ):
        await conversations.select(agent, "!room", ref)
        assert await say(upstream, agent, words) == f"Echo: {words}"
        assert await words_in(upstream, agent, ref) == [*before, words, f"Echo: {words}"]
    assert await words_in(upstream, agent, original) == whole
    names = ["A title Whole", "A title Branch", "A title Saved", "Renamed", "A title"]
    assert [each.name for each in await conversations.list(agent)] == names
    await upstream.can.archive(saved.ref, archived=True)
    listed = await conversations.list(agent)
    assert {each.name: each.is_archived for each in listed} == dict.fromkeys(names, False) | {"A title Saved": True}
    await upstream.can.archive(saved.ref, archived=False)
    assert not any(each.is_archived for each in await conversations.list(agent))
    assert await upstream.can.branches(agent, original, AskedQuestion("four", 1), "None", answered=True) is None


async def test_messages_of_other_clients_are_told_apart(
    letta: LettaServer, upstream: LettaUpstream, agent: str
) -> None:
    assert await read(upstream, agent, None) == []
    await say(upstream, agent, "one")
    ref = await conversations_of(upstream).current(agent, "!room")
    assert ref is not None
    await letta.say(agent, ref, "two")
    await say(upstream, agent, "three")
    found = await read(upstream, agent, ref)
    assert [(each.message.role, each.message.content, each.is_bridged) for each in found] == [
        ("user", "one", True),
        ("assistant", "Echo: one", True),
        ("user", "two", False),
        ("assistant", "Echo: two", False),
        ("user", "three", True),
        ("assistant", "Echo: three", True),
    ]
    assert [each.sent_at for each in found] == sorted(each.sent_at for each in found)
    await letta.say(agent, "default", "in the main conversation")
    assert await words_in(upstream, agent, None) == ["in the main conversation", "Echo: in the main conversation"]


async def test_schedules(letta: LettaServer, upstream: LettaUpstream, agent: str) -> None:
    assert upstream.can.schedules is not None
    assert await upstream.can.schedules(agent) == ()
    made = await letta.command(
        "cron_add",
        agent_id=agent,
        name="Daily report",
        description="A report",
        cron="0 9 * * *",
        timezone="Europe/Berlin",
        recurring=True,
        prompt="Report.",
    )
    [schedule] = await upstream.can.schedules(agent)
    assert (schedule.ref, schedule.name, schedule.cron) == (made["task"]["id"], "Daily report", "0 9 * * *")
    assert (schedule.time_zone, schedule.once_at, schedule.conversation) == ("Europe/Berlin", None, None)
    await letta.command("cron_pause", task_id=schedule.ref)
    assert [each.is_paused for each in await upstream.can.schedules(agent)] == [True]
    await letta.command("cron_delete", task_id=schedule.ref)
    assert await upstream.can.schedules(agent) == ()
