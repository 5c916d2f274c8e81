"""The commands ``archive``, ``unarchive`` and ``delete``."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import pytest

from agent_bridge.demo.account import call
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import linked_room, new_chat
from support.conditions import eventually
from support.harness import SHARED
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1

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
            async with harness.bridge(harness.config(url, [there], service=SHARED, space={})) as running:
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


@pytest.mark.long
async def test_a_reaction_of_the_person_confirms_a_deletion(
    harness: BridgeHarness, desk: BotRoom, running: Running
) -> None:
    chat = await new_chat(desk, "new Oslo")
    await chat.synced()
    kept = await new_chat(desk, "new Bergen")
    async with harness.person() as eve:
        await desk.person.invite(chat.room_id, eve.user_id)
        await eve.join(chat.room_id)
        question = await chat.ask("!delete")
        assert "react with ✅" in question.body
        # A word in another room, another one's reaction, and one to another message confirm nothing.
        assert (await desk.ask("yes")).body.startswith("There is nothing to confirm.")
        await eve.wait_for(lambda: chat.room_id in eve.rooms)
        await eve.react(chat.room_id, question.event_id, "✅")
        first = await desk.ask("delete Bergen")
        await desk.person.react(chat.room_id, question.event_id, "✅")
        second = await desk.ask("delete Oslo")
        await desk.person.react(desk.room_id, first.event_id, "✅")
        before = len(desk.said())
        await desk.person.react(desk.room_id, second.event_id, "✅")
        assert (await desk.answer(before)).body == "Oslo is being deleted."
        await eventually(partial(is_gone, running.database, chat.room_id), "the chat is forgotten")
        assert not await is_gone(running.database, kept.room_id)


@pytest.mark.long
async def test_a_room_that_is_left_cannot_be_entered_by_an_old_invitation(desk: BotRoom, running: Running) -> None:
    room_id = linked_room((await desk.ask("new Oslo")).html)
    await desk.person.wait_for(lambda: room_id in desk.person.invites)
    assert (await desk.ask("delete Oslo")).body.startswith("Delete Oslo for good")
    assert (await desk.ask("yes")).body == "Oslo is being deleted."
    await eventually(partial(is_gone, running.database, room_id), "the chat is forgotten")
    await desk.person.wait_for(lambda: room_id not in desk.person.invites, 10)


@pytest.mark.long
async def test_a_chat_that_its_person_has_left_ends_after_a_day(desk: BotRoom, running: Running) -> None:
    chat = await new_chat(desk, "new Oslo")
    space = str((await chat.synced())["space"])
    ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)

    async def is_left() -> bool:
        return (await chat.row())["left_at"] is not None

    async def is_back() -> bool:
        return not await is_left()

    await desk.person.leave(chat.room_id)
    await eventually(is_left, "the leave is noted")
    # An invitation takes the person back.
    await running.homeserver.invite(chat.room_id, desk.person.user_id, ghost)
    await desk.person.join(chat.room_id)
    await eventually(is_back, "the return is noted")
    await desk.person.leave(chat.room_id)
    await eventually(is_left, "the leave is noted")
    assert await running.homeserver.membership(chat.room_id, ghost, ghost) == "join"
    query = "UPDATE room SET left_at = now() - interval '25 hours', changes = changes + 1 WHERE room_id = %s"
    await running.database.execute(f"{query} RETURNING pg_notify('agent_bridge', 'chats')", (chat.room_id,))
    await eventually(partial(is_gone, running.database, chat.room_id), "the chat ends")
    assert chat.room_id not in await running.homeserver.joined_rooms(ghost)
    assert chat.room_id not in await running.homeserver.joined_rooms()
    assert not await is_listed(chat, space)


@pytest.mark.parametrize(
    ("kind", "make"),
    [("letta", ScriptedAppServer), pytest.param("letta_v1", ScriptedLettaV1, marks=pytest.mark.long)],
)
async def test_the_server_puts_the_conversations_of_a_chat_away(
    harness: BridgeHarness, database_url: str, kind: str, make: type[ScriptedAppServer | ScriptedLettaV1]
) -> None:
    async with make("Ada") as server, harness.person() as person:
        server.models[0] |= {"name": "Ada"}
        config = harness.config(database_url, [{"name": "scripted", "url": server.url, "kind": kind}], space={})

        def kept() -> dict[str, bool]:
            """Return the conversations, by name, and whether they are archived."""
            return {each.summary: bool(getattr(each, "archived", False)) for each in server.talks.values()}

        async def is_kept(expected: dict[str, bool]) -> bool:
            return kept() == expected

        async with harness.bridge(config) as running:
            talk = await running.join(person, server.names[0])
            desk = await bot_chat(running, person)
            await talk.say("home")
            await talk.wait_for_answers(1)
            chat = await new_chat(desk, "new @Ada Oslo")
            for number, line in enumerate(("one", "two")):
                await chat.say(line)
                await person.wait_for(lambda number=number: len(chat.room.said_by(talk.ghost)) > number)  # type: ignore[misc]
                await chat.settled()
                await chat.ask(("!ab save Copy", "!ab reset")[number])
            await chat.say("three")
            await person.wait_for(lambda: len(chat.room.said_by(talk.ghost)) > 2)
            await chat.settled()
            (last,) = [each for each in chat.room.messages.values() if each.body == "Echo: three"]
            relation = {"m.relates_to": {"m.in_reply_to": {"event_id": last.event_id}}}
            before = len(chat.said())
            await person.send(chat.room_id, "m.room.message", {"msgtype": "m.text", "body": "!fork Other"} | relation)
            await chat.answer(before)
            others = {"home": False, "Copy": False} | ({"Other": False} if kind == "letta" else {})
            puts_away = kind == "letta"
            await chat.ask("!ab archive")
            await eventually(
                partial(is_kept, others | {"one": puts_away, "three": puts_away}), "they are archived where possible"
            )
            await desk.ask("chats archived")
            await desk.ask("unarchive 1")
            await eventually(partial(is_kept, others | {"one": False, "three": False}), "they are back")
            await desk.ask("delete Oslo")
            await desk.ask("yes")
            await eventually(partial(is_gone, running.database, chat.room_id), "the chat is forgotten")
            # Saved copies, forks and other rooms keep their conversations.
            assert kept() == others | ({"one": True, "three": True} if kind == "letta" else {})
            assert "1. Copy: 2 messages, saved" in await talk.command("saves")


@pytest.mark.long
async def test_a_server_that_is_away_does_not_keep_a_chat(harness: BridgeHarness, database_url: str) -> None:
    async with AsyncExitStack() as stack, harness.person() as person:
        server = await stack.enter_async_context(ScriptedAppServer("Ada"))
        server.models[0] |= {"name": "Ada"}
        there = {"name": "scripted", "url": server.url, "kind": "letta", "gone_after": 600}
        async with harness.bridge(harness.config(database_url, [there], space={})) as running:
            await running.contact("Ada")
            chat = await new_chat(await bot_chat(running, person), "new @Ada Oslo")
            await chat.say("one")
            await chat.answers_of("Ada", 1)
            await stack.aclose()
            await chat.ask("!ab archive")
            await chat.ask("!ab delete")
            await chat.ask("!ab yes")
            await eventually(partial(is_gone, running.database, chat.room_id), "the chat is forgotten", 60)


async def test_another_person_cannot_delete_a_chat(harness: BridgeHarness, desk: BotRoom, running: Running) -> None:
    chat = await new_chat(desk, "new Oslo")
    await chat.synced()
    async with harness.person("admin") as admin:
        admins = await bot_chat(running, admin)
        await admins.ask("chats all")
        assert (await admins.ask("delete 1")).body.startswith("None of your chats is 1")
        assert (await admins.ask("delete Oslo")).body.startswith("None of your chats is Oslo")
        assert (await admins.ask("yes")).body.startswith("There is nothing to confirm.")


@pytest.mark.long
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


@pytest.mark.long
async def test_without_that_the_bridge_leaves_the_room(desk: BotRoom, running: Running) -> None:
    chat = await new_chat(desk, "new Oslo")
    await chat.synced()
    await desk.ask("delete Oslo")
    await desk.ask("yes")
    await chat.person.wait_for(lambda: chat.room.members() == {chat.person.user_id})
    ghost = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
    assert "only its administrators can delete rooms" in chat.room.said_by(ghost)[-1].body
    await eventually(partial(is_gone, running.database, chat.room_id), "the chat is forgotten")
