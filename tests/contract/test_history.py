"""The backfill of rooms from the homeserver's history, on a real PostgreSQL: which rooms are due, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.rooms import HistoryCursor
from agent_bridge.store.agents import Agents
from agent_bridge.store.history import Histories
from support.records import wanted
from support.turn_rows import OTHER, ROOM, accept, add_agent, finish, new, take, take_part, watch

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

INTERVAL = 600.0


@pytest.fixture
def rooms(database: Database) -> Histories:
    return Histories(database)


async def compared(database: Database, room_id: str, *, age: float | None, request_backfill: bool = False) -> None:
    """Add a room whose last backfill was *age* seconds ago; None: it had none."""
    await database.execute(
        "INSERT INTO room (room_id, kind, bot_joined, needs_backfill, backfilled_at) "
        "VALUES (%s, 'group', true, %s, now() - make_interval(secs => %s))",
        (room_id, request_backfill, age),
    )


async def due(rooms: Histories, limit: int = 100) -> list[str]:
    return [room.room_id for room in await rooms.due(INTERVAL, limit)]


async def test_a_room_is_watched_from_an_event_on(database: Database, rooms: Histories) -> None:
    await accept(database, new("$1"), new("$2"))
    place = (await database.rows("SELECT max(position) AS position FROM turn"))[0]["position"]
    assert await watch(database) == HistoryCursor(ROOM, (), None, "$seen", place)
    assert await due(rooms) == []
    await rooms.require_backfill()
    assert await rooms.due(INTERVAL, 10) == [HistoryCursor(ROOM, (), None, "$seen", place, 1)]
    # A newer position in the history keeps the request for a backfill.
    await watch(database, seen="$later")
    assert await rooms.due(INTERVAL, 10) == [HistoryCursor(ROOM, (), None, "$later", place, 1)]


async def test_an_agents_room_is_read_by_its_ghost(database: Database, rooms: Histories) -> None:
    await add_agent(database)
    await rooms.require_backfill()
    (room,) = await rooms.due(INTERVAL, 10)
    assert (room.room_id, room.ghosts, room.reader, room.last_seen) == (ROOM, ("agent_frida",), "agent_frida", None)


async def test_a_room_of_several_agents_is_read_by_the_bot_without_their_events(
    database: Database, rooms: Histories
) -> None:
    await watch(database, "!group")
    await take_part(database, "!group", await add_agent(database, "Gala"), await add_agent(database, "Frida", OTHER))
    await rooms.require_backfill()
    group = next(room for room in await rooms.due(INTERVAL, 10) if room.room_id == "!group")
    assert (group.ghosts, group.reader) == (("agent_gala", "agent_frida"), None)


async def test_the_places_that_were_given_before_are_known(database: Database) -> None:
    await accept(database, new("$before"))
    room = await watch(database, OTHER)
    await accept(database, new("$after"))
    places = {row["event_id"]: row["position"] for row in await database.rows("SELECT event_id, position FROM turn")}
    assert places["$before"] <= room.position < places["$after"]


async def test_no_place_was_given_in_a_new_database(database: Database, rooms: Histories) -> None:
    await database.execute("ALTER SEQUENCE turn_position_seq RESTART")
    first = await watch(database)
    await rooms.require_backfill()
    (second,) = await rooms.due(INTERVAL, 10)
    await accept(database, new("$1"))
    (row,) = await database.rows("SELECT position FROM turn")
    assert first.position == second.position < row["position"]


async def test_due_are_suspect_rooms_and_those_compared_long_ago(database: Database, rooms: Histories) -> None:
    await compared(database, "!fresh", age=INTERVAL - 60)
    await compared(database, "!old", age=INTERVAL + 60)
    await compared(database, "!older", age=INTERVAL * 9)
    await compared(database, "!never", age=None)
    await compared(database, "!ahead", age=-3600)
    await compared(database, "!suspect", age=1, request_backfill=True)
    assert await due(rooms) == ["!suspect", "!never", "!older", "!old", "!ahead"]


async def test_nobody_reads_a_group_without_the_bridge(database: Database, rooms: Histories) -> None:
    agent = await add_agent(database)
    await compared(database, "!left", age=None)
    await compared(database, "!with-ghost", age=None)
    await database.execute("UPDATE room SET bot_joined = false")
    await take_part(database, "!with-ghost", agent)
    assert [(room.room_id, room.reader) for room in await rooms.due(INTERVAL, 10)] == [("!with-ghost", "agent_frida")]


async def test_rooms_with_waiting_turns_are_compared_first(database: Database, rooms: Histories) -> None:
    for number in range(4):
        await compared(database, f"!{number}", age=100 - number, request_backfill=True)
    await compared(database, "!well", age=None)
    (_, closed) = await accept(database, new("$2", "!2"), new("$1", "!1"))
    await accept(database, new("$w", "!well"))
    await finish(database, await take(database, (await accept(database, new("$c", "!closed")))[0]))
    assert await due(rooms) == ["!1", "!2", "!0", "!3", "!well"]
    assert await due(rooms, 2) == ["!1", "!2"]
    assert await due(rooms, 0) == []
    await database.execute("UPDATE turn SET state = 'done' WHERE conversation = %s", (closed,))
    assert await due(rooms, 2) == ["!2", "!0"]


async def test_a_compared_room_is_not_due_and_its_lane_continues(database: Database, rooms: Histories) -> None:
    for room in (ROOM, OTHER):
        await watch(database, room, "$old")
    await rooms.require_backfill()
    watched = {room.room_id: room for room in await rooms.due(INTERVAL, 10)}
    async with database.transaction() as connection:
        await rooms.backfilled(connection, watched[ROOM], "$new")
        # Another process does not see the row before the commit.
        assert await due(rooms) == [ROOM, OTHER]
    await rooms.pass_over(watched[OTHER])
    assert await due(rooms) == []
    rows = await database.rows("SELECT room_id, last_seen, needs_backfill FROM room ORDER BY room_id DESC")
    assert [tuple(row.values()) for row in rows] == [(ROOM, "$new", False), (OTHER, "$old", False)]


async def test_a_suspicion_that_is_newer_than_the_look_stays(database: Database, rooms: Histories) -> None:
    await watch(database, seen="$old")
    await rooms.require_backfill()
    (room,) = await rooms.due(INTERVAL, 10)
    await rooms.require_backfill()
    async with database.transaction() as connection:
        await rooms.backfilled(connection, room, "$new")
    assert [(each.room_id, each.last_seen) for each in await rooms.due(INTERVAL, 10)] == [(ROOM, "$new")]
    await rooms.pass_over(room)
    (newer,) = await rooms.due(INTERVAL, 10)
    await rooms.pass_over(newer)
    assert await due(rooms) == []


async def test_a_room_that_does_not_exist_yet_is_never_due(database: Database, rooms: Histories) -> None:
    await Agents(database).add([wanted()])
    await rooms.require_backfill()
    assert await due(rooms) == []


async def test_a_new_room_needs_no_backfill_and_a_known_room_keeps_its_position(
    database: Database, rooms: Histories
) -> None:
    """The bridge bot was in the room before the bridge knew it as an agent's room."""
    await watch(database)
    agent = await add_agent(database)
    other = await add_agent(database, "Gala", OTHER)
    home = (await Agents(database).by_agent(agent)).home
    await Agents(database).room_made(home.id, ROOM, None, None, seen="$created")
    rows = await database.rows("SELECT owner, room_id, last_seen, needs_backfill FROM room ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [(agent, ROOM, "$created", False), (other, OTHER, None, False)]
    assert await due(rooms) == []
