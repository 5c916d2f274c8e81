"""The ghost or the bot is out of the room of an agent: the bridge goes back into the same room, if one of both can."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.core.rooms import RoomProblem
from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

BOT = "@agentbridge:test.local"
SPACE = "#agentbridge_space:test.local"


async def content(running: Running, room_id: str, kind: str) -> dict[str, Any]:
    event = await running.homeserver.state(room_id, kind)
    return {} if event is None else dict(event["content"])


async def compared(running: Running, room_id: str) -> AgentRoom | None:
    """Return the only agent, once its room *room_id* is compared and in the Space."""
    found = await running.agents.all()
    whole = [each for each in found if each.home.room_id == room_id and each.home.bot_joined and each.home.space]
    return whole[0] if whole else None


async def has_problem(running: Running, problem: RoomProblem) -> bool:
    return all(each.home.problems == (problem,) for each in await running.agents.all())


@pytest.mark.parametrize("verb", [pytest.param("kick", marks=pytest.mark.long), "ban"])
async def test_a_removed_ghost_and_a_lost_database(
    harness: BridgeHarness, database_url: str, postgres: Server, verb: str
) -> None:
    """There is one room: the bot invites the ghost back, or reports the ban."""
    async with ScriptedUpstream(f"{verb}ed") as upstream, harness.person() as person:
        here, rooms = [{"name": "u", "url": upstream.url}], {"version": "11"}
        async with harness.bridge(harness.config(database_url, here, rooms=rooms, space={})) as running:
            talk = await running.join(person, upstream.names[0])
            async with harness.person("admin") as admin:
                await running.homeserver.invite(talk.room_id, admin.user_id)
                await admin.join(talk.room_id)
            levels = await content(running, talk.room_id, "m.room.power_levels")
            levels["users"] |= {talk.ghost: 0}
            await running.homeserver.set_state(talk.room_id, "m.room.power_levels", levels, as_user=talk.ghost)
        async with harness.person("admin") as admin:
            await admin.ask("POST", f"/rooms/{quote(talk.room_id)}/{verb}", {"user_id": talk.ghost})
        with postgres.migrated() as another_url:
            async with harness.bridge(harness.config(another_url, here, rooms=rooms, space={})) as running:
                await eventually(partial(compared, running, talk.room_id), "the bridge is in the room")
                if verb == "ban":
                    await eventually(partial(has_problem, running, RoomProblem.GHOST_BANNED), "the ban is reported")
                else:
                    again = await running.join(person, upstream.names[0])
                    await again.say("hello")
                    assert [answer.body for answer in await again.wait_for_answers(1)] == ["Echo: hello"]
                    # The bot sets the state that the ghost has no power for.
                    upstream.models[0]["name"] = "another"
                    await person.wait_for(lambda: again.room.name == "another - Letta Agent Chat")
                    assert (await running.contact("another")).home.problems == ()


async def test_the_bridge_comes_back_through_the_space(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("restricted") as upstream, harness.person("admin") as admin:
        rooms = {"join_rule": "restricted"}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms=rooms, space={})
        async with harness.bridge(config) as running:
            # The homeserver lets users in only while one that may invite is in the room (spec, "Restricted rooms").
            room_id = (await running.join(admin, upstream.names[0])).room_id
            found = await eventually(partial(compared, running, room_id), "the room is in the Space")
            ghost = running.homeserver.namespace.user_id(found.agent.ghost)
            await running.homeserver.leave(room_id, "tried", ghost)
            await running.homeserver.leave(room_id, "tried", BOT)
            running.bridge.provisioner.request(found.agent.id)

            async def both_are_back() -> bool:
                rooms = [await running.homeserver.joined_rooms(user) for user in (ghost, BOT)]
                return all(room_id in each for each in rooms)

            await eventually(both_are_back, "ghost and bot are back")
            assert await running.homeserver.joined_rooms(ghost) == [room_id]


@pytest.mark.long
async def test_another_room_with_the_alias_of_the_space(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("taken") as upstream, harness.person() as person:
        here = [{"name": "u", "url": upstream.url}]
        async with harness.bridge(harness.config(database_url, here, space={"enabled": False})) as running:
            room_id = await person.create_room(preset="public_chat")
            homeserver = running.homeserver
            await homeserver.join(room_id)
            if (former := await homeserver.resolve_alias(SPACE)) is not None:
                await homeserver.remove_alias(SPACE)
                await homeserver.leave(former, "tried")
            await homeserver.add_alias(SPACE, room_id)
        async with harness.bridge(harness.config(database_url, here, space={})) as running:
            home = (await running.contact(upstream.names[0])).home
            found = await eventually(partial(compared, running, home.room_id or ""), "the room is listed")
            create = await content(running, found.home.space or "", "m.room.create")
            assert create["type"] == "m.space"
            assert await person.resolve(SPACE) == found.home.space


@pytest.mark.long
async def test_the_alias_of_the_space_is_repaired_and_a_bot_without_its_space_has_another(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("aliased") as upstream, harness.person() as person:
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], rooms={"invite": [person.user_id]}, space={}
        )
        async with harness.bridge(config) as running:
            homeserver, provisioner = running.homeserver, running.bridge.provisioner
            room_id = (await running.contact(upstream.names[0])).home.room_id or ""
            space = (await eventually(partial(compared, running, room_id), "the room is listed")).home.space or ""
            await homeserver.remove_alias(SPACE)
            await provisioner.doubt_all()

            async def has_alias() -> bool:
                return await homeserver.resolve_alias(SPACE) == space

            await eventually(has_alias, "the Space has its alias")
            # As a deactivated account does.
            await homeserver.leave(space, "tried")
            await provisioner.doubt_all()

            async def has_another() -> str | None:
                other = await homeserver.resolve_alias(SPACE)
                home = (await running.contact(upstream.names[0])).home
                return other if other not in {None, space} and home.space == other else None

            other = await eventually(has_another, "another Space lists the room")
            await person.wait_for(lambda: other in person.invites)
