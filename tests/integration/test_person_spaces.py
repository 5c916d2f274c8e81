"""``space.per_user``: the chats of each person are listed in a Space of the person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.store.kv import KeyValues
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import chat_row, new_chat
from support.conditions import eventually

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from support.chat_rooms import Chat
    from support.harness import BridgeHarness, Running
    from support.person import Person


async def space_of(running: Running, *members: Person) -> str:
    """Wait for the Space of the bridge, and have *members* enter it; return its id."""
    space = str(await eventually(lambda: KeyValues(running.database).get(KeyValues.SPACE), "there is a Space"))
    for person in members:
        await running.homeserver.invite(space, person.user_id)
        await person.join(space)
    return space


async def listed(person: Person, space: str) -> dict[str, str]:
    """Return the names of the rooms that *space* lists to a person, by their ids."""
    return {each["room_id"]: str(each.get("name")) for each in await person.hierarchy(space)}


async def moved(running: Running, chat: Chat, space: str) -> None:
    """Wait until *space*, and no other one, lists a chat."""

    async def is_there() -> bool:
        return bool((await chat_row(running, chat.room_id))["space"] == space)

    await eventually(is_there, "the chat is moved", 30)
    (row,) = await running.database.rows("SELECT * FROM person_space")
    for each in {row["room_id"], await space_of(running)}:
        entry = await running.homeserver.state(each, "m.space.child", chat.room_id)
        assert bool(entry and entry["content"]) is (each == space)
        parent = await running.homeserver.state(chat.room_id, "m.space.parent", each)
        assert bool(parent and parent["content"]) is (each == space)


async def test_others_see_neither_the_chats_of_a_person_nor_their_space(
    harness: BridgeHarness, database_url: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as bob, harness.person() as eve:
        there = {"name": "scripted", "url": upstream.url, "poll_interval": 60}

        def config(*, per_user: bool) -> Config:
            return harness.config(database_url, [there], space={"per_user": per_user})

        async with harness.bridge(config(per_user=True)) as running:
            space = await space_of(running, bob, eve)
            await running.contact("Ada")
            desk = await bot_chat(running, bob)
            await desk.ask("agent Ada")
            chats = [await new_chat(desk, "new Secret plan"), await new_chat(desk, "new Another")]
            rows = [await each.synced() for each in chats]
            # Both of them made one Space.
            own = str(rows[0]["space"])
            assert rows[1]["space"] == own != space
            await bob.wait_for(lambda: own in bob.invites)
            await bob.join(own)
            assert {own: "My chats", chats[0].room_id: "Secret plan"}.items() <= (await listed(bob, space)).items()
            seen = await listed(eve, space)
            assert space in seen
            assert not seen.keys() & {own, *(each.room_id for each in chats)}
            state: list[dict[str, Any]] = [dict(event) for event in await eve.state(space)]
            (entry,) = [each for each in state if each.get("state_key") == own]
            assert entry["content"] == {"via": ["test.local"], "suggested": False, "order": "~"}
            await moved(running, chats[0], own)
        async with harness.bridge(config(per_user=False)) as running:
            await moved(running, chats[0], space)
            assert own not in await listed(bob, space)
        async with harness.bridge(config(per_user=True)) as running:
            await moved(running, chats[0], own)
            assert own in await listed(bob, space)
            # A person who left it is not invited again.
            await bob.leave(own)
            third = await new_chat(await bot_chat(running, bob), "new @Ada Third")
            assert (await third.synced())["space"] == own
            assert own not in bob.invites
        async with harness.bridge(config(per_user=True)) as running:
            # Without its row, it is found by its alias.
            await running.database.execute("DELETE FROM person_space")
            fourth = await new_chat(await bot_chat(running, bob), "new @Ada Fourth")
            assert (await fourth.synced())["space"] == own
