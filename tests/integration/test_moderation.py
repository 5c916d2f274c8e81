"""Mutes, pins and removals on a real homeserver."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import HomeserverRefused
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import ScriptedUpstream, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.postgres import Server

#: People with a role, one for each test: the room of the agent is the same.
MODERATORS, OWNERS = ([f"{name}{number}" for number in range(5)] for name in ("moderator", "owner"))


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("quiet") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    permissions = {DOMAIN: "member"}
    permissions |= {f"@{name}:{DOMAIN}": "moderator" for name in MODERATORS}
    permissions |= {f"@{name}:{DOMAIN}": "owner" for name in OWNERS}
    with postgres.migrated() as url:
        there = [{"name": "u", "url": upstream.url}]
        async with harness.bridge(harness.config(url, there, service=SHARED, permissions=permissions)) as running:
            yield running


async def level_of(running: Running, room_id: str, user: str) -> Any:
    event = await running.homeserver.state(room_id, "m.room.power_levels")
    return None if event is None else event["content"]["users"].get(user)


async def wait_for_level(talk: Conversation, user: str, level: int | None) -> None:
    async def has() -> bool:
        return bool(await level_of(talk.running, talk.room_id, user) == level)

    await eventually(has, f"{user} has the level {level}")


async def both(running: Running, upstream: ScriptedUpstream, bob: Person, other: Person) -> tuple[Conversation, Any]:
    """Put both people into the room of the agent; return the views of both."""
    name = upstream.names[0]
    return await running.join(bob, name), await running.join(other, name)


async def test_a_muted_person_gets_nothing_to_the_agent(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as bob, harness.person(MODERATORS[0]) as moderator:
        talk, seen = await both(running, upstream, bob, moderator)
        never = asyncio.Event()
        upstream.scripts.append(waits_for(never, "half an answer."))
        await talk.say("first")
        await bob.wait_for(lambda: talk.answers)
        await talk.say("second")
        answer = await seen.command(f"mute {bob.user_id} 1 hour")
        user = bob.user_id
        assert answer == f"{user} is muted here for 1 hour: agents get nothing of {user}. 2 messages ended."
        await talk.wait_until_idle()
        await wait_for_level(talk, bob.user_id, -1)
        with pytest.raises(HomeserverRefused):
            await talk.say("third")
        assert await seen.command(f"unmute {bob.user_id}") == f"{bob.user_id} is not muted here any more."
        await wait_for_level(talk, bob.user_id, None)
        before = len(talk.answers)
        await talk.say("fourth")
        await bob.wait_for(lambda: len(talk.answers) > before)
        assert talk.answers[-1].body == "Echo: fourth"
        assert await seen.command(f"unmute {bob.user_id}") == f"{bob.user_id} was not muted here."


async def test_a_mute_ends_by_itself_and_gives_a_level_of_people_back(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as bob, harness.person(OWNERS[0]) as owner:
        talk, seen = await both(running, upstream, bob, owner)
        levels = await running.homeserver.state(talk.room_id, "m.room.power_levels")
        assert levels is not None
        users = {**levels["content"]["users"], bob.user_id: 7}
        await owner.set_state(talk.room_id, "m.room.power_levels", {**levels["content"], "users": users})
        await seen.command(f"mute {bob.user_id} 4 s")

        async def is_over() -> bool:
            return not await running.database.rows("SELECT 1 FROM mute WHERE user_id = %s", (bob.user_id,))

        await eventually(is_over, "the mute is over")
        only = {"types": ["m.room.power_levels"]}
        events, _ = await running.homeserver.messages(talk.room_id, limit=3, only=only)
        assert [each["content"]["users"].get(bob.user_id) for each in events] == [7, -1, 7]


async def test_a_role_that_falls_during_a_mute_takes_the_level_of_people_with_it(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as bob, harness.person(OWNERS[4]) as owner:
        talk, seen = await both(running, upstream, bob, owner)
        await seen.command(f"role {bob.user_id} moderator")
        await wait_for_level(talk, bob.user_id, 50)
        levels = await running.homeserver.state(talk.room_id, "m.room.power_levels")
        assert levels is not None
        users = {**levels["content"]["users"], bob.user_id: 70}
        await owner.set_state(talk.room_id, "m.room.power_levels", {**levels["content"], "users": users})
        await seen.command(f"mute {bob.user_id}")
        await wait_for_level(talk, bob.user_id, -1)
        await seen.command(f"role {bob.user_id} member")

        async def has_newest_book() -> bool:
            query = "SELECT 1 FROM room WHERE room_id = %s AND roles_compared = (SELECT max(version) FROM role_book)"
            return bool(await running.database.rows(query, (talk.room_id,)))

        await eventually(has_newest_book, "the room follows the role")
        await seen.command(f"unmute {bob.user_id}")
        await wait_for_level(talk, bob.user_id, None)


@pytest.mark.long
async def test_nobody_is_muted_or_removed_by_an_equal(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as bob, harness.person(MODERATORS[1]) as moderator, harness.person(OWNERS[1]) as owner:
        _, seen = await both(running, upstream, bob, moderator)
        _, owned = await both(running, upstream, moderator, owner)
        for user in (owner.user_id, moderator.user_id):
            assert await seen.command(f"mute {user}") == f"{user} has your role or a higher one."
        # In a room in which those below the level of muted people may write, a mute cannot hinder that.
        levels = await running.homeserver.state(owned.room_id, "m.room.power_levels")
        assert levels is not None
        low = {**levels["content"], "events": {**levels["content"]["events"], "m.room.message": -20}}
        await running.homeserver.set_state(owned.room_id, "m.room.power_levels", low)
        assert "People still see" in await owned.command(f"mute {bob.user_id}")
        await owned.command(f"unmute {bob.user_id}")
        await running.homeserver.set_state(owned.room_id, "m.room.power_levels", levels["content"])
        # Both are in the same room.
        await owner.wait_for(lambda: len(owned.from_bot) == len(seen.from_bot))
        ghost = owned.ghost
        assert await owned.command(f"mute {ghost}") == f"{ghost} belongs to the bridge."
        misspelt = f"@bbo:{DOMAIN}"
        assert misspelt in await owned.command(f"mute {misspelt}")
        assert not await running.database.rows("SELECT 1 FROM mute WHERE user_id = %s", (misspelt,))
        await moderator.wait_for(lambda: len(owned.from_bot) == len(seen.from_bot))
        assert "is for admins only" in await seen.command(f"kick {bob.user_id}")
        await owner.wait_for(lambda: len(owned.from_bot) == len(seen.from_bot))
        assert (await owned.command(f"kick {owner.user_id}")) == f"{owner.user_id} has your role or a higher one."


async def test_a_mute_in_the_room_of_the_bot_counts_everywhere(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream
) -> None:
    async with harness.person() as bob, harness.person(MODERATORS[2]) as moderator:
        talk, _ = await both(running, upstream, bob, moderator)
        desk, own = await bot_chat(running, moderator), await bot_chat(running, bob)
        answer = (await desk.ask(f"mute {bob.user_id}")).body
        assert answer == f"{bob.user_id} is muted in all rooms: agents get nothing of {bob.user_id}."
        muted = await talk.say("hello")
        command = await own.say("help")

        async def is_ignored(event_id: str) -> bool:
            rows = await running.database.rows("SELECT reason FROM ignored WHERE event_id = %s", (event_id,))
            return bool(rows and rows[0]["reason"] == "muted")

        for event_id in (muted, command):
            await eventually(partial(is_ignored, event_id), "the event is ignored")
        assert await level_of(running, talk.room_id, bob.user_id) is None
        await desk.ask(f"unmute {bob.user_id}")
        assert (await own.ask("role")).body.startswith(f"{bob.user_id} is a member.")


async def test_a_moderator_pins_a_message(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    async with harness.person() as bob, harness.person(MODERATORS[3]) as moderator:
        talk, seen = await both(running, upstream, bob, moderator)
        said = await talk.say("remember this")
        await talk.wait_until_idle()

        async def pinned() -> Any:
            event = await running.homeserver.state(talk.room_id, "m.room.pinned_events")
            return [] if event is None else event["content"]["pinned"]

        async def reply(word: str, to: str, by: Conversation = seen) -> str:
            # The moderator has got every answer so far.
            before = len(seen.from_bot)
            await by.person.wait_for(lambda: len(by.from_bot) == before)
            await by.person.reply(talk.room_id, to, f"!ab {word}")
            await by.person.wait_for(lambda: len(by.from_bot) > before)
            return by.from_bot[before].body

        assert await reply("pin", said) == "Pinned."
        assert await reply("pin", said) == "Pinned."
        assert await pinned() == [said]
        assert await reply("unpin", said) == "Not pinned any more."
        assert await pinned() == []
        assert await seen.command("pin") == "Please reply to the message with this command."
        assert await reply("pin", "$of-another-room") == "I do not see that message in this room."
        assert "is for moderators" in await reply("pin", said, talk)
        full = [f"$pinned{number}" for number in range(50)]
        await running.homeserver.set_state(talk.room_id, "m.room.pinned_events", {"pinned": full})
        assert await reply("pin", said) == "50 messages are pinned, and more are not possible."


async def test_an_admin_removes_a_person(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    async with harness.person() as bob, harness.person(OWNERS[2]) as owner:
        talk, seen = await both(running, upstream, bob, owner)
        user = bob.user_id
        assert await seen.command(f"kick {user} off topic") == (
            f"{user} is out of this room. An invitation lets {user} in again."
        )
        await bob.wait_for(lambda: talk.room_id not in bob.rooms)
        member = await running.homeserver.state(talk.room_id, "m.room.member", user)
        assert member is not None
        assert member["content"]["reason"] == "off topic"
        # A command that runs again finds that the bridge did so.
        assert (await seen.command(f"kick {user}")).startswith(f"{user} is out of this room.")
        assert await seen.command("kick @nobody:elsewhere.example") == "@nobody:elsewhere.example is not in this room."
        desk = await bot_chat(running, owner)
        assert (await desk.ask(f"kick {user}")).body == "Please send this command in the room that you mean."
