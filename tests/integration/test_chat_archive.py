"""The commands ``archive``, ``unarchive`` and ``delete``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import pytest

from agent_bridge.demo.account import call
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import new_chat
from support.conditions import eventually
from support.harness import SHARED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database
    from support.bot_rooms import BotRoom
    from support.chat_rooms import Chat
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

#: One bridge serves all of these tests.
pytestmark = pytest.mark.xdist_group("integration/test_chat_archive")
BOT = "@sharedbridge:test.local"


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        async with named_upstream("Ada") as upstream:
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}
            async with harness.bridge(harness.config(url, [there], service=SHARED)) as running:
                await running.contact("Ada")
                yield running


@pytest.fixture
async def desk(harness: BridgeHarness, running: Running) -> AsyncIterator[BotRoom]:
    async with harness.person() as person:
        desk = await bot_chat(running, person)
        await desk.ask("agent Ada")
        yield desk


async def is_listed(chat: Chat, space: str) -> bool:
    """Tell whether *space* lists the chat."""
    entry = await chat.running.homeserver.state(space, "m.space.child", chat.room_id)
    return entry is not None and bool(entry["content"])


async def is_gone(database: Database, room_id: str) -> bool:
    return not await database.rows("SELECT 1 FROM room WHERE room_id = %s", (room_id,))


async def set_admin(harness: BridgeHarness, user_id: str, *, is_admin: bool) -> None:
    """Make a user a server administrator, or an ordinary user."""
    token = await harness.synapse.register_user(f"root{is_admin}".lower(), "password", admin=True)
    async with aiohttp.ClientSession(harness.synapse.url, headers={"Authorization": f"Bearer {token}"}) as http:
        await call(http, "PUT", f"/_synapse/admin/v1/users/{quote(user_id)}/admin", {"admin": is_admin})


async def test_an_archived_chat_is_put_away_until_a_message_brings_it_back(desk: BotRoom) -> None:
    chat = await new_chat(desk, "new Oslo")
    space = str((await chat.synced())["space"])
    assert await is_listed(chat, space)
    assert (await chat.ask("!archive")).body.startswith("Archived.")
    await chat.synced()
    assert not await is_listed(chat, space)
    assert (await desk.ask("chats")).body == (
        "You have no chats yet. !ab new opens one.\n\nIn the archive: 1 chat (!ab chats archived)."
    )
    assert "1. Oslo with Ada" in (await desk.ask("chats archived")).body
    assert (await desk.ask("unarchive 1")).body == "Oslo is back."
    await chat.synced()
    assert await is_listed(chat, space)
    await chat.ask("!ab archive")
    await chat.synced()
    # A message is answered, and brings it back.
    await chat.say("hello")
    assert await chat.answers_of("Ada", 1) == ["Echo: hello"]
    await chat.synced()
    assert await is_listed(chat, space)
    assert "Oslo" in (await desk.ask("chats")).body


async def test_a_deletion_needs_a_confirmation(desk: BotRoom, running: Running) -> None:
    chat = await new_chat(desk, "new Oslo")
    await chat.synced()
    assert (await desk.ask("yes")).body.startswith("There is nothing to confirm.")
    assert (await desk.ask("delete Bergen")).body.startswith("None of your chats is Bergen")
    assert (await desk.ask("delete")).body.startswith("This room is none of your chats.")
    # Only in the room of the question.
    await chat.ask("!delete")
    assert (await desk.ask("yes")).body.startswith("There is nothing to confirm.")
    assert (await desk.ask("delete oslo")).body.startswith("Delete Oslo for good")
    assert (await chat.ask("!yes")).body.startswith("There is nothing to confirm.")
    await desk.age_lists()
    assert (await desk.ask("yes")).body.startswith("There is nothing to confirm.")
    assert not await is_gone(running.database, chat.room_id)


async def test_another_person_cannot_delete_a_chat(harness: BridgeHarness, desk: BotRoom, running: Running) -> None:
    chat = await new_chat(desk, "new Oslo")
    await chat.synced()
    async with harness.person("admin") as admin:
        admins = await bot_chat(running, admin)
        await admins.ask("chats all")
        assert (await admins.ask("delete 1")).body.startswith("None of your chats is 1")
        assert (await admins.ask("delete Oslo")).body.startswith("None of your chats is Oslo")
        assert (await admins.ask("yes")).body.startswith("There is nothing to confirm.")


async def test_a_server_administrator_deletes_the_room(harness: BridgeHarness, desk: BotRoom, running: Running) -> None:
    await set_admin(harness, BOT, is_admin=True)
    try:
        chat = await new_chat(desk, "new Oslo")
        space = str((await chat.synced())["space"])
        await chat.say("hello")
        await chat.answers_of("Ada", 1)
        await desk.ask("chats")
        assert (await desk.ask("delete 1")).body.startswith("Delete Oslo for good")
        assert (await desk.ask("yes")).body == "Oslo is being deleted."
        await eventually(partial(is_gone, running.database, chat.room_id), "the chat is forgotten")
        assert chat.room_id not in (await chat.person.ask("GET", "/joined_rooms"))["joined_rooms"]
        assert not await is_listed(chat, space)
        assert await running.homeserver.room_state(chat.room_id) is None
        kept = "SELECT 1 FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.room_id = %s"
        assert await running.database.rows(kept, (chat.room_id,)) == []
        assert (await desk.ask("chats")).body.startswith("You have no chats yet.")
        # In its own room, the answer comes first.
        other = await new_chat(desk, "new Bergen")
        await other.synced()
        await other.ask("!delete")
        assert (await other.ask("!yes")).body == "Bergen is being deleted."
        await eventually(partial(is_gone, running.database, other.room_id), "the chat is forgotten")
    finally:
        await set_admin(harness, BOT, is_admin=False)


async def test_without_that_the_bridge_leaves_the_room(desk: BotRoom, running: Running) -> None:
    chat = await new_chat(desk, "new Oslo")
    await chat.synced()
    await desk.ask("delete Oslo")
    await desk.ask("yes")
    await chat.person.wait_for(lambda: chat.room.members() == {chat.person.user_id})
    ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
    assert "only its administrators can delete rooms" in chat.room.said_by(ghost)[-1].body
    await eventually(partial(is_gone, running.database, chat.room_id), "the chat is forgotten")
