"""Rooms of chats that people, administrators or a crash have changed: the leader repairs them, and lanes go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from agent_bridge.core.chats import NewChat
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.matrix.rooms import CHAT
from agent_bridge.store.chats import Chats
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.rooms import Rooms
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import Chat, chat_row, enter_chat, new_chat
from support.conditions import eventually
from support.harness import SHARED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.bot_rooms import BotRoom
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

#: One bridge serves all of these tests.
pytestmark = pytest.mark.xdist_group("integration/test_chat_repairs")


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        async with named_upstream("Ada") as upstream:
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
            async with harness.bridge(harness.config(url, [there], service=SHARED, space={})) as running:
                await running.contact("Ada")
                yield running


@pytest.fixture
async def desk(harness: BridgeHarness, running: Running) -> AsyncIterator[BotRoom]:
    async with harness.person() as person:
        desk = await bot_chat(running, person)
        await desk.ask("agent Ada")
        yield desk


@pytest.fixture
async def chat(desk: BotRoom) -> Chat:
    """A chat in its desired state."""
    chat = await new_chat(desk)
    await chat.synced()
    return chat


async def ghost_of(running: Running) -> str:
    return running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)


async def compare(chat: Chat) -> None:
    """Have the chat compared with the homeserver, and wait for the end of it."""
    await Rooms(chat.running.database).request_checks([chat.room_id])

    async def checked() -> bool:
        rows = await chat.running.database.rows(
            "SELECT 1 FROM room WHERE room_id = %s AND check_requests <> checked", (chat.room_id,)
        )
        return not rows

    await eventually(checked, "the chat is compared")


async def test_a_ghost_that_has_left_comes_back_and_answers(chat: Chat) -> None:
    ghost = await ghost_of(chat.running)
    await chat.running.homeserver.leave(chat.room_id, "", ghost)
    await chat.say("still there?")
    assert await chat.answers_of("Ada", 1) == ["Echo: still there?"]
    row = await chat.row()
    assert (row["check_requests"], row["problems"]) == (row["checked"], [])
    assert row["check_requests"] > 0


@pytest.mark.long
async def test_a_bot_that_has_left_comes_back(chat: Chat) -> None:
    bot = chat.running.homeserver.namespace.bot
    await chat.running.homeserver.leave(chat.room_id, "", bot)
    await compare(chat)
    await chat.person.wait_for(lambda: bot in chat.room.members())
    assert "You can use these commands" in (await chat.ask("!help")).body


@pytest.mark.long
async def test_lanes_of_a_chat_go_on_after_all_rooms_were_doubted(chat: Chat) -> None:
    await chat.say("one")
    await chat.running.bridge.provisioner.doubt_all()
    await chat.say("two")
    assert await chat.answers_of("Ada", 2) == ["Echo: one", "Echo: two"]


async def make_left_behind(desk: BotRoom, running: Running, key: str) -> tuple[str, int]:
    """Add the chat of a command that has failed, and wait for its room; return that and the number."""
    agent, chats = (await running.contact("Ada")).agent, Chats(running.database)
    async with running.database.transaction() as connection:
        wanted = NewChat(desk.person.user_id, agent.id, key, "Left behind", is_titled=True)
        chat, number = await chats.add(connection, wanted)

    async def made() -> str | None:
        found = await chats.find(chat)
        return None if found is None else found.room_id

    await running.database.execute("SELECT pg_notify('agent_bridge', 'chats')")
    return str(await eventually(made, "the room is made", 30)), number


@pytest.mark.long
async def test_a_chat_without_a_room_gets_one_when_its_command_has_failed(desk: BotRoom, running: Running) -> None:
    room_id, number = await make_left_behind(desk, running, "0" * 16)
    entered = await enter_chat(running, desk.person, room_id)
    assert (entered.number, entered.room.name) == (number, "Left behind")
    await entered.synced()


@pytest.mark.long
async def test_a_room_that_the_homeserver_left_half_made_is_completed(desk: BotRoom, running: Running) -> None:
    """Synapse makes the room and its alias first, and can die before it writes the rest of the state."""
    ghost, key = await ghost_of(running), "1" * 16
    namespace = running.homeserver.namespace
    alias = namespace.chat_alias_localpart(key)
    # It refuses levels that are no numbers, after it has made the room.
    bare = {"room_alias_name": alias, "power_level_content_override": {"users_default": "none"}}
    with pytest.raises(HomeserverRefused):
        await running.homeserver.create_room(bare, ghost)
    half_made = await running.homeserver.resolve_alias(namespace.alias(alias))
    room_id, number = await make_left_behind(desk, running, key)
    assert room_id == half_made
    await desk.person.wait_for(lambda: room_id in desk.person.invites)
    # The invitation shows the name.
    assert desk.person.invites[room_id].name == "Left behind"
    entered = await enter_chat(running, desk.person, room_id)
    await entered.synced()
    state = entered.room.state
    assert state[CHAT, ""] == {"number": number, "person": desk.person.user_id, "agent": ghost}
    assert state["m.room.join_rules", ""] == {"join_rule": "invite"}
    assert state["m.room.guest_access", ""] == {"guest_access": "forbidden"}
    assert state["m.room.power_levels", ""]["invite"] == 50


@pytest.mark.long
async def test_a_room_that_the_homeserver_left_without_members_is_replaced(desk: BotRoom, running: Running) -> None:
    """Synapse makes the alias before the membership of the creator, and can die in between."""
    ghost, key = await ghost_of(running), "2" * 16
    alias = running.homeserver.namespace.chat_alias_localpart(key)
    bare = await running.homeserver.create_room({"room_alias_name": alias, "preset": "private_chat"}, ghost)
    await running.homeserver.leave(bare.room_id, "", ghost)
    room_id, number = await make_left_behind(desk, running, key)
    assert room_id != bare.room_id
    entered = await enter_chat(running, desk.person, room_id)
    assert (entered.number, entered.room.name) == (number, "Left behind")
    await entered.synced()


async def test_a_chat_whose_room_is_gone_is_forgotten(chat: Chat) -> None:
    ghost, bot = await ghost_of(chat.running), chat.running.homeserver.namespace.bot
    space = (await chat.row())["space"]
    await chat.person.leave(chat.room_id)
    for user in (ghost, bot):
        await chat.running.homeserver.leave(chat.room_id, "", user)
    await compare(chat)
    assert await chat.running.database.rows("SELECT 1 FROM room WHERE room_id = %s", (chat.room_id,)) == []
    entry = await chat.running.homeserver.state(space, "m.space.child", chat.room_id)
    assert entry is not None
    assert entry["content"] == {}


async def test_an_upgraded_chat_goes_on_in_the_new_room(chat: Chat) -> None:
    await chat.say("before")
    assert await chat.answers_of("Ada", 1) == ["Echo: before"]
    ghost = await ghost_of(chat.running)
    new = await upgraded(chat.running, chat.room_id, ghost)
    await compare(chat)
    after = await enter_chat(chat.running, chat.person, new)
    await compare(after)
    assert after.number == chat.number
    row = await after.row()
    assert (row["person"], row["problems"]) == (chat.person.user_id, [])
    await after.say("after")
    assert await after.answers_of("Ada", 1) == ["Echo: after"]
    entry = await chat.running.homeserver.state(row["space"], "m.space.child", new)
    assert entry is not None
    assert entry["content"]["order"] == f"~{chat.number:012d}"


async def upgraded(running: Running, room_id: str, user: str) -> str:
    """Have *user* upgrade a room; return the new one."""
    answer: dict[str, Any] = await running.homeserver.request(
        "POST",  # type: ignore[arg-type]
        f"/_matrix/client/v3/rooms/{quote(room_id)}/upgrade",  # type: ignore[arg-type]
        {"new_version": "12"},
        as_user=user,
    )
    return str(answer["replacement_room"])


@pytest.mark.long
async def test_another_space_lists_the_chats(chat: Chat) -> None:
    running = chat.running
    former = str(await KeyValues(running.database).get(KeyValues.SPACE))
    alias = running.homeserver.namespace.alias(running.homeserver.namespace.space_alias_localpart)
    await running.homeserver.remove_alias(alias)
    await running.homeserver.leave(former, "")
    await running.bridge.provisioner.doubt_all()

    async def listed() -> str | None:
        row = await chat_row(running, chat.room_id)
        return row["space"] if row["space"] not in {None, former} else None

    space = str(await eventually(listed, "the new Space lists the chat", 40))
    entry = await running.homeserver.state(space, "m.space.child", chat.room_id)
    assert entry is not None
    assert entry["content"]["via"]
    parent = await running.homeserver.state(chat.room_id, "m.space.parent", space)
    assert parent is not None
