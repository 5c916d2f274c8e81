"""A person upgrades rooms: the person is the sender of the copied state, and the creator of the new room."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.bridge.rooms.power_levels import repaired_levels
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.rooms import JOIN_RULES
from agent_bridge.matrix.session import homeserver_session
from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Running
    from support.person import Person

BOT = "@agentbridge:test.local"
SPACE = "#agentbridge_space:test.local"


async def content(running: Running, room_id: str, kind: str, key: str = "") -> dict[str, Any]:
    event = await running.homeserver.state(room_id, kind, key)
    return {} if event is None else dict(event["content"])


async def only(running: Running) -> AgentRoom:
    (found,) = await running.agents.all()
    return found


async def followed(running: Running, room_id: str) -> AgentRoom | None:
    """Return the only agent, once its room *room_id* is whole."""
    found = await only(running)
    home = found.home
    whole = home.bot_joined and home.space is not None and home.check_requests == home.checked
    return found if home.room_id == room_id and whole else None


async def upgrade(admin: Person, room_id: str, *users: str, version: str = "12") -> str:
    """Upgrade a room, as Element does it, with invitations of *users*; return the new room."""
    answer = await admin.ask("POST", f"/rooms/{quote(room_id)}/upgrade", {"new_version": version})
    new = str(answer["replacement_room"])
    for user in users:
        await admin.invite(new, user)
    return new


async def test_an_upgraded_room_follows_its_agent_and_the_configuration(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("first-name") as upstream, harness.person() as person:
        here = [{"name": "u", "url": upstream.url}]
        async with harness.bridge(harness.config(database_url, here, rooms={"version": "11"}, space={})) as running:
            talk = await running.join(person, upstream.names[0])
            async with harness.person("admin") as admin:
                await running.homeserver.invite(talk.room_id, admin.user_id)
                await admin.join(talk.room_id)
            # Nothing repairs the levels before the upgrade: the bridge does not notice its own events.
            levels = await content(running, talk.room_id, "m.room.power_levels")
            levels["users"] |= {BOT: 0}
            await running.homeserver.set_state(talk.room_id, "m.room.power_levels", levels)
        async with harness.person("admin") as admin:
            new = await upgrade(admin, talk.room_id, talk.ghost, BOT)
        async with harness.bridge(harness.config(database_url, here, rooms={"version": "11"}, space={})) as running:
            found = await eventually(partial(followed, running, new), "the upgrade is followed")
            assert found.home.problems == ()
            levels = await content(running, new, "m.room.power_levels")
            assert levels["users"] == {talk.ghost: 200, BOT: 200}
            upstream.models[0]["name"] = "second-name"
            await running.database.execute("UPDATE agent SET image_applied = NULL")
            await running.bridge.discovery.sync()

            async def renamed() -> bool:
                name = await content(running, new, "m.room.name")
                topic = await content(running, new, "m.room.topic")
                avatar = await content(running, new, "m.room.avatar")
                return (name["name"], topic["topic"], avatar["url"]) == (
                    "second-name - Letta Agent Chat",
                    "Chat with second-name (Letta Agent)",
                    (await only(running)).agent.avatar,
                )

            await eventually(renamed, "the room has the new name, topic and avatar")
        restricted = {"version": "11", "join_rule": "restricted"}
        async with harness.bridge(harness.config(database_url, here, rooms=restricted, space={})) as running:

            async def is_open() -> bool:
                rule = await content(running, new, JOIN_RULES)
                return rule.get("join_rule") == "restricted"

            await eventually(is_open, "the room has the configured join rule")


@pytest.mark.long
@pytest.mark.parametrize("invited_to_all", [pytest.param(True, marks=pytest.mark.long), False])
async def test_a_room_is_upgraded_twice_while_the_bridge_is_away(
    harness: BridgeHarness,
    database_url: str,
    invited_to_all: bool,  # noqa: FBT001
) -> None:
    async with ScriptedUpstream("twice") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            async with harness.person("admin") as admin:
                await running.homeserver.invite(talk.room_id, admin.user_id)
                await admin.join(talk.room_id)
        async with harness.person("admin") as admin:
            users = (talk.ghost, BOT)
            middle = await upgrade(admin, talk.room_id, *(users if invited_to_all else ()), version="11")
            new = await upgrade(admin, middle, *users)
        async with harness.bridge(config) as running:
            await eventually(partial(followed, running, new), "both upgrades are followed")
            again = await running.join(person, upstream.names[0])
            assert again.room_id == new
            await again.say("hello")
            await person.wait_for(lambda: again.answers[-1:] and again.answers[-1].body == "Echo: hello")
            assert not any("in my own room" in each.body for each in again.answers)


@pytest.mark.long
async def test_the_space_is_upgraded(harness: BridgeHarness, database_url: str) -> None:
    """The bot accepts the invitation, and the Space has the configured name also later."""
    async with ScriptedUpstream("listed") as upstream, harness.person("admin") as admin:
        here, rooms = [{"name": "u", "url": upstream.url}], {"version": "11", "invite": [admin.user_id]}
        without = harness.config(database_url, here, rooms=rooms, space={"enabled": False})
        async with harness.bridge(without) as running:
            await forget_space(running)
        async with harness.bridge(harness.config(database_url, here, rooms=rooms, space={})) as running:
            room_id = (await running.contact(upstream.names[0])).home.room_id or ""
            space = (await eventually(partial(followed, running, room_id), "the room is listed")).home.space or ""
            await admin.wait_for(lambda: space in admin.invites)
            await admin.join(space)
            new = await upgrade(admin, space, BOT)

            async def joined() -> bool:
                return new in await running.homeserver.joined_rooms()

            await eventually(joined, "the bot is in the new Space")
        renamed = harness.config(database_url, here, rooms=rooms, space={"name": "Renamed"})
        async with harness.bridge(renamed) as running:

            async def is_followed() -> bool:
                name = await content(running, new, "m.room.name")
                return (await only(running)).home.space == new and name == {"name": "Renamed"}

            await eventually(is_followed, "the new Space lists the room and has the new name")
            await running.homeserver.leave(space, "tried")
            await forget_space(running)


async def forget_space(running: Running) -> None:
    """Have the next bridge make another Space."""
    space = await running.homeserver.resolve_alias(SPACE)
    if space is not None:
        await running.homeserver.remove_alias(SPACE)
        await running.homeserver.leave(space, "tried")


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize(
    ("ghost_level", "bot_level", "more_creators"),
    [
        pytest.param(100, 0, False, id="the ghost helps"),
        pytest.param(0, 100, False, id="the bot helps"),
        pytest.param(50, 60, False, id="neither is an administrator"),
        pytest.param(0, 0, True, id="the ghost is a creator too"),
    ],
)
async def test_the_homeserver_accepts_repaired_levels(
    harness: BridgeHarness,
    version: str,
    ghost_level: int,
    bot_level: int,
    more_creators: bool,  # noqa: FBT001
) -> None:
    """A person created the room, and is an administrator for the bridge."""
    # A bridge that runs would answer the invitations.
    config = harness.config("embedded", [{"name": "unused", "url": "http://127.0.0.1:9"}], space={})
    address, token = config.homeserver.address, config.appservice.as_token.get_secret_value()
    async with homeserver_session() as session, harness.person() as person:
        homeserver = Homeserver(address, token, config.namespace, session)
        bot, ghost = homeserver.namespace.bot, homeserver.namespace.user_id("agent_leveller")
        for localpart in (config.appservice.bot_username, "agent_leveller"):
            await homeserver.register(localpart)
        creators = {person.user_id} | ({ghost} if more_creators else set())
        listed = {ghost: ghost_level, bot: bot_level} | dict.fromkeys(creators, 100)
        room_id = await person.create_room(
            room_version=version,
            creation_content={"additional_creators": [ghost]} if more_creators else {},
            power_level_content_override={
                "users": {user: level for user, level in listed.items() if version == "11" or user not in creators},
                "invite": 0,
                "events_default": 55,
                "events": {"m.room.power_levels": 50},
            },
            invite=[ghost, bot],
        )
        for user in (ghost, bot):
            await homeserver.join(room_id, user)
        state = await homeserver.room_state(room_id)
        assert state is not None
        powers = {person.user_id: 100}
        repair = repaired_levels(state, bot, powers, ghost)
        assert repair is not None
        editor, levels = repair
        await homeserver.set_state(room_id, "m.room.power_levels", levels, as_user=editor)
        state = await homeserver.room_state(room_id)
        assert state is not None
        assert state.may_talk(ghost)
        assert state.invite_level == 50
        assert repaired_levels(state, bot, powers, ghost) is None
