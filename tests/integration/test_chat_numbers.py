"""Numbers of chats are never used again: after a restart, after a restored backup, and with an empty database."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.matrix.rooms import CHAT
from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.chat_rooms import Chat, new_chat
from support.conditions import eventually
from support.direct_chats import begin, direct_chat

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness
    from support.postgres import Server


async def chats_of(database: Database, person: str) -> dict[str, int | None]:
    rows = await database.rows("SELECT room_id, number FROM room WHERE person = %s", (person,))
    return {row["room_id"]: row["number"] for row in rows}


async def has(database: Database, person: str, chats: dict[str, int | None]) -> bool:
    return await chats_of(database, person) == chats


@pytest.mark.long
async def test_numbers_after_a_restart_and_a_restored_backup(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "scripted", "url": upstream.url}])
        async with harness.bridge(config) as running:
            await running.contact("Ada")
            desk = await bot_chat(running, person)
            await desk.ask("agent Ada")
            first = await new_chat(desk)
        async with harness.bridge(config) as running:
            desk = BotRoom(running, person, desk.room_id)
            made = [await new_chat(desk, f"new Chat {word}") for word in ("one", "two", "three")]
            assert [each.number > first.number for each in made] == [True] * 3
            for chat in made:
                await chat.synced()
            await made[0].say("remember plum")
            await made[0].answers_of("Ada", 1)
            # A number that a person writes into an own room counts for nothing.
            forged = await person.create_room(invite=[running.homeserver.namespace.bot], preset="private_chat")
            await person.set_state(forged, CHAT, {"number": 10**9, "person": person.user_id, "agent": "@x:test.local"})
            numbers = await chats_of(running.database, person.user_id)
            # The backup is from the time before the three chats.
            await running.database.execute("DELETE FROM room WHERE room_id = ANY(%s)", ([c.room_id for c in made],))
            await running.database.execute("DELETE FROM room WHERE room_id = %s", (forged,))
            await running.database.execute("SELECT setval('conversation_number_seq', %s)", (first.number,))
        async with harness.bridge(config) as running:
            desk = BotRoom(running, person, desk.room_id)
            fourth = await new_chat(desk)
            assert made[-1].number < fourth.number < 10**9
            await eventually(
                partial(has, running.database, person.user_id, numbers | {fourth.room_id: fourth.number}),
                "the lost chats are adopted",
            )
            again = Chat(running, person, made[0].room_id, made[0].number)
            row = await again.synced()
            assert (row["name"], row["agent"], row["titled_by"]) == ("Chat one", "Ada", "made")
            # What was answered before is not answered again.
            await again.say("hello")
            assert await again.answers_of("Ada", 2) == ["Echo: remember plum", "Echo: hello"]


async def is_known(database: Database, room_id: str) -> bool:
    return await database.row("SELECT 1 FROM room WHERE room_id = %s", (room_id,)) is not None


@pytest.mark.long
async def test_numbers_and_rooms_of_people_with_an_empty_database(harness: BridgeHarness, postgres: Server) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as person, harness.person() as friend:
        there = [{"name": "scripted", "url": upstream.url}]
        with postgres.migrated() as url:
            async with harness.bridge(harness.config(url, there)) as running:
                await running.contact("Ada")
                desk = await bot_chat(running, person)
                await desk.ask("agent Ada")
                made = [await new_chat(desk) for _ in range(2)]
                for chat in made:
                    await chat.synced()
                direct = await direct_chat(running, person, "Ada")
                await direct.ask("to the first bridge")
                group = await begin(running, person, "Ada", is_direct=False, invite=[direct.ghost, friend.user_id])
                await group.say("Ada: are you there?")
                await group.answers(1)
        with postgres.migrated() as url:
            async with harness.bridge(harness.config(url, there)) as running:
                await running.contact("Ada")
                await eventually(partial(is_known, running.database, desk.room_id), "the chat with the bot is adopted")
                desk = replace(desk, running=running)
                await desk.ask("agent Ada")
                following = await new_chat(desk)
                assert following.number > made[-1].number
                numbers = {each.room_id: each.number for each in (*made, following)}
                await eventually(
                    partial(has, running.database, person.user_id, numbers | {direct.room_id: None}),
                    "the chats are adopted",
                )
                # The message to the former bridge is not answered again.
                direct = replace(direct, running=running)
                await direct.say("to the second bridge")
                assert await direct.answers(2) == ["Echo: to the first bridge", "Echo: to the second bridge"]
                await eventually(partial(is_known, running.database, group.room_id), "the group is adopted")
                group = replace(group, running=running)
                await group.say("Ada: and now?")
                answers = await group.answers(2)
                assert [answer.rpartition(": ")[2] for answer in answers] == ["are you there?", "and now?"]
