"""A homeserver with its default rate limits, which also count for the bridge (``rate_limited: true``)."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.conditions import eventually
from support.harness import Conversation, new_harness
from support.people import echo_through
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Running
    from support.person import Person

#: Rooms into which a person is invited before the homeserver makes the person wait.
_INVITATIONS = 5


async def housed(running: Running, names: list[str], within: float) -> dict[str, AgentRoom]:
    """Wait until each of the agents has a room; return them by name."""

    async def look() -> dict[str, AgentRoom] | None:
        found = {each.agent.name: each for each in await running.agents.all() if each.home.room_id is not None}
        return found if set(names) <= found.keys() else None

    return await eventually(look, "each agent has a room", within)


async def talk(running: Running, person: Person, found: AgentRoom) -> Conversation:
    """Have the ghost let *person* in: the bot may not be in the room yet."""
    ghost, room_id = running.homeserver.namespace.user_id(found.agent.ghost), found.home.room_id or ""
    await running.homeserver.invite(room_id, person.user_id, ghost)
    await person.join(room_id)
    await person.wait_for(lambda: room_id in person.rooms)
    return Conversation(running, person, room_id, ghost)


async def ask(running: Running, person: Person, found: AgentRoom) -> float:
    """Ask an agent once, and return the seconds until its answer."""
    conversation = await talk(running, person, found)
    started = time.monotonic()
    await conversation.say("hello")
    await person.wait_for(lambda: [each.body for each in conversation.answers][-1:] == ["Echo: hello"], 60)
    return time.monotonic() - started


async def without_bot(running: Running) -> int:
    return sum(not each.home.bot_joined for each in await running.agents.all())


async def test_a_room_that_waits_for_the_bot_can_be_used(database_url: str) -> None:
    async with new_harness(limited=True) as harness:
        await _agents_answer(harness, database_url, 13, 2)


@pytest.mark.long
async def test_an_invitation_into_all_rooms_waits_and_lets_others_pass(database_url: str) -> None:
    names = [f"a{each}" for each in range(7)]
    async with (
        new_harness(limited=True) as harness,
        named_upstream(*names) as upstream,
        harness.person("admin") as admin,
        harness.person() as bob,
    ):
        there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
        async with harness.bridge(harness.config(database_url, there)) as running:
            await housed(running, names, 60)
            desk = await bot_chat(running, admin)
            await desk.ask(f"invite * {bob.user_id}")
            await bob.wait_for(lambda: len(bob.invites) == _INVITATIONS, 60)
            # The operation is not at its end, and a later one does not wait for it.
            repair = await desk.ask("repair a0")
            await admin.wait_for(lambda: "compared" in text_of(desk, repair.event_id), 60)
            expected = [("invite", "running", _INVITATIONS), ("repair", "done", 1)]

            async def repaired() -> bool:
                rows = await running.database.rows("SELECT kind, state, done FROM operation ORDER BY id")
                return [tuple(row.values()) for row in rows] == expected

            # The report is in the room before the operation is at its end.
            await eventually(repaired, "the repair is at its end and the invitation is not")


def text_of(desk: BotRoom, event_id: str) -> str:
    """Return the present text of a message of the bot."""
    return next(each.body for each in desk.said() if each.event_id == event_id)


@pytest.mark.long
async def test_a_hundred_agents(database_url: str) -> None:
    async with new_harness(limited=True) as harness:
        started = time.monotonic()
        await _agents_answer(harness, database_url, 100, 100)
        assert time.monotonic() - started < 180


async def _agents_answer(harness: BridgeHarness, database_url: str, number: int, asked: int) -> None:
    """Run *number* agents, and ask the last *asked* of them before the bot is in all rooms."""
    async with ScriptedUpstream(*(f"a{each}" for each in range(number))) as upstream, AsyncExitStack() as stack:
        upstream.script = echo_through({})
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}])
        people = [await stack.enter_async_context(harness.person()) for _ in range(-(-asked // _INVITATIONS))]
        running = await stack.enter_async_context(harness.bridge(config))
        found = await housed(running, upstream.names, 150)
        assert await without_bot(running) > 0
        last = [found[name] for name in upstream.names[-asked:]]
        waits = await asyncio.gather(*(ask(running, people[at // _INVITATIONS], each) for at, each in enumerate(last)))
        assert max(waits) < 10
