"""``rooms.private``: each person has a room of its own with each agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import HomeserverRefused
from support.bot_rooms import bot_chat, named_upstream
from support.chat_rooms import linked_room
from support.conditions import eventually
from support.direct_chats import DirectChat
from support.harness import DOMAIN

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Running
    from support.person import Person

#: A person of a server that the homeserver does not reach.
AWAY = "@far:elsewhere.example"


async def rooms_of(running: Running, person: Person) -> dict[str, str]:
    """Return the rooms of *person*, by the name of the agent."""
    rows = await running.database.rows(
        "SELECT a.name, r.room_id FROM room r JOIN agent a ON a.id = r.owner WHERE r.kind = 'dm' AND r.person = %s",
        (person.user_id,),
    )
    return {row["name"]: row["room_id"] for row in rows if row["room_id"] is not None}


async def both_rooms(running: Running, person: Person) -> dict[str, str]:
    """Wait until *person* has two rooms; return them by the name of the agent."""

    async def made() -> dict[str, str]:
        found = await rooms_of(running, person)
        return found if len(found) == 2 else {}

    return await eventually(made, "there are two rooms")


async def ghost_named(running: Running, name: str) -> str:
    """Wait until the agent called *name* is known; return the user id of its ghost."""

    async def known() -> str | None:
        found = {each.agent.name: each.agent.ghost for each in await running.agents.all()}
        return running.homeserver.namespace.user_id(found[name]) if name in found else None

    return await eventually(known, f"{name} is known")


async def enter(running: Running, person: Person, room_id: str, ghost: str) -> None:
    """Have *person* enter the room to which *ghost* has invited, talk there, and give a command."""
    await person.wait_for(lambda: room_id in person.invites)
    await person.join(room_id)
    chat = DirectChat(running, person, room_id, ghost)
    await person.wait_for(chat.said)
    assert "Ada" in chat.said()[0].body
    assert (await chat.ask("hello")).body == "Echo: hello"
    assert chat.room.members() == {person.user_id, ghost}
    # The bridge made the room: words behind ! are commands.
    assert "rename" in (await chat.ask("!help rename")).body


async def test_each_person_has_a_room_with_each_agent(harness: BridgeHarness, database_url: str) -> None:
    async with (
        named_upstream("Ada", "Bea") as upstream,
        harness.person() as first,
        harness.person() as second,
        harness.person("admin") as admin,
        harness.person() as stranger,
    ):
        people = [stranger.user_id, AWAY, first.user_id, second.user_id]
        rooms = {"private": True, "introduce": True, "invite": people}
        permissions = {DOMAIN: "member", admin.user_id: "admin", stranger.user_id: "none", AWAY: "member"}
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], rooms=rooms, permissions=permissions
        )
        async with harness.bridge(config) as running:
            own = [await both_rooms(running, person) for person in (first, second)]
            assert not {*own[0].values()} & {*own[1].values()}
            ghost = await ghost_named(running, "Ada")
            for person, found in zip((first, second), own, strict=True):
                await enter(running, person, found["Ada"], ghost)
            # Nobody has heard the other, and no administrator can come in.
            assert [len(each["messages"]) for each in upstream.asked] == [1, 1]
            for room_id in (*own[0].values(), *own[1].values()):
                with pytest.raises(HomeserverRefused):
                    await admin.join(room_id)
            with pytest.raises(HomeserverRefused):
                await second.join(own[0]["Ada"])
            assert not [each for each in await running.agents.all() if each.home.room_id is not None]
            # A user without a role gets no room, and one of a server that cannot be reached holds nothing up.
            assert not await rooms_of(running, stranger)
            office = await bot_chat(running, admin)
            assert f"The server of {AWAY} does not answer" in (await office.ask(f"invite Ada {AWAY}")).body
            answer = await office.ask(f"invite * {AWAY}")
            await admin.wait_for(
                lambda: "2 rooms left out, because the server" in office.room.messages[answer.event_id].body
            )
            await office.ask(f"role {stranger.user_id} member")
            await both_rooms(running, stranger)


@pytest.mark.long
async def test_others_ask_for_their_rooms(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as person, harness.person("admin") as admin:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"private": True})
        async with harness.bridge(config) as running:
            await running.agents_known(2)
            desk = await bot_chat(running, person)
            assert "you have no room with it yet" in (await desk.ask("agents")).body
            room_id = linked_room((await desk.ask("invite Ada")).html)
            await person.wait_for(lambda: room_id in person.invites)
            assert linked_room((await desk.ask("invite Ada")).html) == room_id
            await person.join(room_id)
            assert "already" in (await desk.ask("invite Ada")).body
            assert room_id in str((await desk.ask("agents")).html)
            assert "is for" in (await desk.ask(f"invite Ada {admin.user_id}")).body
            # A direct chat that the person begins is the room, too.
            ghost = await ghost_named(running, "Bea")
            chat = DirectChat(running, person, await person.create_dm(ghost), ghost)
            await person.wait_for(lambda: ghost in chat.room.members())
            assert linked_room((await desk.ask("invite Bea")).html) == chat.room_id
            # In the chat with the bot the agent does not answer.
            await person.invite(desk.room_id, ghost)
            elsewhere = DirectChat(running, person, desk.room_id, ghost)
            assert "start one with me" in (await person.wait_for(elsewhere.said))[0].body
            # An administrator may open a room for another person, and is not in it.
            office = await bot_chat(running, admin)
            assert linked_room((await office.ask(f"invite Bea {person.user_id}")).html) == chat.room_id
            assert admin.user_id not in chat.room.members()
            # A person who leaves gets another room on request only.
            await person.leave(room_id)
            again = linked_room((await desk.ask("invite Ada")).html)
            assert again != room_id
            await person.wait_for(lambda: again in person.invites)
            # It may also be the bridge that has the person leave, and all rooms may be opened at once.
            await person.join(again)
            assert "is not in that room" in (await office.ask(f"leave Ada {person.user_id}")).body
            assert (await desk.ask("leave Ada")).body.startswith(f"{person.user_id} has left Ada.")
            await person.wait_for(lambda: again not in person.rooms)
            answer = await office.ask(f"invite * {person.user_id}")

            def shown() -> str:
                return next(each.body for each in office.said() if each.event_id == answer.event_id)

            await admin.wait_for(lambda: ";" in shown())
            assert "invited to 1 room; already in 1 room, or invited." in shown()
            assert len(await both_rooms(running, person)) == 2
