"""Groups in a real PostgreSQL: admission, comparison, removed agents, upgrades."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.rooms import AnswerMode, KindName
from agent_bridge.store.agents import Agents
from agent_bridge.store.groups import Groups
from agent_bridge.store.history import Histories
from agent_bridge.store.rooms import Rooms
from support.turn_rows import ROOM, accept, add_agent, new, take_part

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

GROUP, SECOND = "!group:example.org", "!second:example.org"


@pytest.fixture
def groups(database: Database) -> Groups:
    return Groups(database)


async def participants(database: Database, room_id: str = GROUP) -> dict[str, str]:
    rooms = await Rooms(database).contexts([room_id])
    return {each.ghost: str(each.state) for each in rooms[room_id].participants}


async def row(database: Database, room_id: str = GROUP) -> dict[str, object]:
    found = await database.row("SELECT * FROM room WHERE room_id = %s", (room_id,))
    assert found is not None
    return found


async def note(database: Database, groups: Groups, people: int = 1, *left: int, back: tuple[int, ...] = ()) -> bool:
    """Record a comparison of the group that is due; tell whether it counts."""
    (group,) = await groups.due(10, ())
    async with database.transaction() as connection:
        if not await groups.lock(connection, group):
            return False
        await groups.take_part(connection, group, back=back, left=left, why="removed")
        await groups.compared(connection, group, people, bot_joined=False)
    return True


async def test_a_room_becomes_a_group_once(database: Database, groups: Groups) -> None:
    frida, _ = await add_agent(database), await add_agent(database, "Gala", SECOND)
    assert await groups.admit(GROUP, ["agent_frida"], 1, "$invitation")
    first = await row(database)
    assert (first["kind"], first["people"], first["last_seen"]) == ("group", 1, "$invitation")
    assert first["needs_backfill"]
    assert await groups.admit(GROUP, ["agent_frida"], 1, "$later")
    assert await row(database) == first
    assert await groups.admit(GROUP, ["agent_gala"], 2, "$second")
    # What is missing for the first one counts.
    assert ((second := await row(database))["last_seen"], second["people"]) == ("$invitation", 2)
    assert await participants(database) == {"agent_frida": "joined", "agent_gala": "joined"}
    (cursor,) = [each for each in await Histories(database).due(60, 10) if each.room_id == GROUP]
    assert cursor.reader == "agent_frida"
    assert frida in {each.agent for each in (await Rooms(database).contexts([GROUP]))[GROUP].participants}


async def test_a_room_that_is_known_keeps_its_kind(database: Database, groups: Groups) -> None:
    await add_agent(database)
    await add_agent(database, "Gala", SECOND)
    assert await groups.admit(ROOM, ["agent_gala"], 2, "$invitation")
    assert (await row(database, ROOM))["kind"] == "home"
    assert await participants(database, ROOM) == {"agent_frida": "joined", "agent_gala": "joined"}
    rooms = Rooms(database)
    await rooms.enter(GROUP, KindName.BOT, "$seen")
    assert not await groups.admit(GROUP, ["agent_gala"], 1, "$invitation")
    assert await participants(database) == {}
    await rooms.guests_left([(ROOM, "agent_gala"), (ROOM, "agent_frida")])
    assert await participants(database, ROOM) == {"agent_frida": "joined", "agent_gala": "left"}


async def test_the_messages_of_an_agent_that_was_removed_end(database: Database, groups: Groups) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", SECOND)
    await groups.admit(GROUP, ["agent_frida", "agent_gala"], 1, "$invitation")
    await accept(database, new("$1", GROUP, frida, gala), new("$2", ROOM, frida))
    assert await note(database, groups, 1, frida)
    rows = await database.rows(
        "SELECT t.event_id, c.agent, t.state FROM turn t JOIN conversation c ON c.id = t.conversation ORDER BY t.id"
    )
    assert [(each["event_id"], each["agent"], each["state"]) for each in rows] == [
        ("$1", frida, "failed"),
        ("$1", gala, "queued"),
        ("$2", frida, "queued"),
    ]
    assert await participants(database) == {"agent_frida": "left", "agent_gala": "joined"}
    assert await groups.due(10, ()) == []
    await groups.admit(GROUP, ["agent_frida"], 1, "$again")
    assert await participants(database) == {"agent_gala": "joined", "agent_frida": "joined"}


async def test_a_group_that_changed_meanwhile_is_compared_again(database: Database, groups: Groups) -> None:
    frida = await add_agent(database)
    await groups.admit(GROUP, ["agent_frida"], 1, "$invitation")
    (group,) = await groups.due(10, ())
    await Rooms(database).note_group_changes([GROUP, ROOM])
    async with database.transaction() as connection:
        assert not await groups.lock(connection, group)
    assert await note(database, groups, 3)
    assert (await row(database))["people"] == 3
    assert (await row(database, ROOM))["changes"] == 0
    assert await groups.due(10, ()) == []
    await Histories(database).require_backfill()
    assert [each.room_id for each in await groups.due(10, ())] == [GROUP]
    assert await groups.due(10, [(await groups.due(10, ()))[0].id]) == []
    assert frida


async def test_a_room_is_warned_once(database: Database, groups: Groups) -> None:
    await add_agent(database)
    await groups.admit(GROUP, ["agent_frida"], 1, "$invitation")
    (group,) = await groups.due(10, ())
    async with database.transaction() as connection:
        assert await groups.warn(connection, group.id)
    async with database.transaction() as connection:
        assert not await groups.warn(connection, group.id)
    assert (await groups.due(10, ()))[0].warned


async def test_a_group_moves_once_with_all_agents(database: Database, groups: Groups) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", SECOND)
    new_room = "!new:example.org"
    await groups.admit(GROUP, ["agent_frida"], 1, "$invitation")
    async with database.transaction() as connection:
        await Rooms(database).set_answers(connection, GROUP, [frida], AnswerMode.OFF)
    await accept(database, new("$1", GROUP, frida))
    await groups.admit(new_room, ["agent_gala"], 1, "$there")
    group = await groups.find(GROUP)
    assert group is not None
    for _ in range(2):
        await groups.unite(group, new_room)
        await Agents(database).room_moved(group.id, GROUP, new_room)
    assert await groups.find(GROUP) is None
    moved = await groups.find(new_room)
    assert moved is not None
    assert moved.id == group.id
    assert {each.agent for each in moved.agents} == {frida, gala}
    room = (await Rooms(database).contexts([new_room]))[new_room]
    assert {each.agent: each.answers for each in room.participants} == {frida: AnswerMode.OFF, gala: None}
    lanes = await database.rows("SELECT room_id FROM conversation WHERE agent = %s", (frida,))
    assert [each["room_id"] for each in lanes] == [new_room]


async def test_a_group_without_people_is_forgotten(database: Database, groups: Groups) -> None:
    frida = await add_agent(database)
    await groups.admit(GROUP, ["agent_frida"], 0, "$invitation")
    await accept(database, new("$1", GROUP, frida))
    (group,) = await groups.due(10, ())
    await groups.forget(group, "left")
    assert await groups.find(GROUP) is None
    assert [each["state"] for each in await database.rows("SELECT state FROM turn")] == ["failed"]


async def test_an_agent_that_entered_since_gets_a_message_of_others(database: Database, groups: Groups) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", SECOND)
    await groups.admit(GROUP, ["agent_frida"], 1, "$invitation")
    await accept(database, new("$1", GROUP, frida))
    # Not before it is there.
    assert await accept(database, new("$1", GROUP, frida, gala)) == []
    await groups.admit(GROUP, ["agent_gala"], 1, "$second")
    (lane,) = await accept(database, new("$1", GROUP, frida, gala))
    found = await database.row("SELECT agent FROM conversation WHERE id = %s", (lane,))
    assert found == {"agent": gala}
    assert await accept(database, new("$1", GROUP, frida, gala)) == []
    # An old message is not for it.
    await accept(database, new("$2", GROUP, frida))
    await database.execute("UPDATE turn SET created_at = now() - interval '2 hours' WHERE event_id = '$2'")
    assert await accept(database, new("$2", GROUP, frida, gala)) == []


async def test_the_bot_enters_a_group_of_agents(database: Database, groups: Groups) -> None:
    await add_agent(database)
    await groups.admit(GROUP, ["agent_frida"], 1, "$invitation")
    await Rooms(database).enter(GROUP, KindName.CHAT, "$bot")
    found = await row(database)
    assert (found["kind"], found["bot_joined"], found["last_seen"]) == ("group", True, "$invitation")
    assert await Rooms(database).visited() == []
    await Rooms(database).enter(SECOND, KindName.GROUP, "$bot")
    await take_part(database, SECOND)
    assert await Rooms(database).visited() == [SECOND]
