"""Agent events on a real PostgreSQL: rows that are posted once, and the turns that a log channel mirrors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.servers import ChannelType, NewPlace
from agent_bridge.core.tasks import NewTask
from agent_bridge.core.turns import TurnState
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.servers import Servers
from agent_bridge.store.tasks import Tasks
from support.turn_rows import BOB, accept, add_agent, finish, new, take, take_part

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

BOT = "@bot:example.org"


async def test_an_event_is_written_once_and_closed_once(database: Database) -> None:
    store = AgentEventStore(database)
    async with database.transaction() as connection:
        assert await store.add(connection, "a", "!r", BOT, {"body": "one"})
        assert not await store.add(connection, "a", "!r", BOT, {"body": "other"})
        assert await store.add(connection, "b", "!r", BOT, {"body": "two"})
        assert await store.add(connection, "c", "!s", BOT, {"body": "three"})
    due = await store.due(9, 9, [])
    assert [(each.key, each.content["body"], each.since) for each in due] == [
        ("a", "one", None),
        ("b", "two", None),
        ("c", "three", None),
    ]
    assert [each.key for each in await store.due(9, 1, ["!s"])] == ["a"]
    await store.trying(due[:2], "$newest")
    assert [each.since for each in await store.due(9, 9, [])] == ["$newest", "$newest", None]
    await store.closed(due[0], "$event")
    await store.closed(due[0], "$late")
    await store.closed(due[2], None, "refused")
    state, given_up = await store.find("a"), await store.find("c")
    assert state is not None
    assert (state.event_id, state.error, state.is_closed) == ("$event", None, True)
    assert given_up is not None
    assert (given_up.event_id, given_up.error) == (None, "refused")
    assert await store.find("z") is None
    rows = await database.rows("SELECT content FROM agent_event WHERE key = 'a'")
    assert rows == [{"content": {}}]


async def test_events_of_a_room_come_behind_the_cards_of_older_tasks(database: Database) -> None:
    store, tasks = AgentEventStore(database), Tasks(database)
    await add_room(database, "swarm", ChannelType.TEXT)

    async def post(*names: str) -> None:
        for each in names:
            async with database.transaction() as connection:
                await store.add(connection, each, f"!{each.rstrip('0123456789')}", BOT, {})

    async def due() -> list[str]:
        return [each.key for each in await store.due(1, 9, [])]

    await post("swarm1")
    async with database.transaction() as connection:
        await tasks.add(connection, NewTask("t", "!swarm", "surface codes", BOB))
    await post("swarm2", "other1")
    (unshown,) = await tasks.unshown(9, [])
    assert await due() == ["swarm1"]
    await store.closed((await store.due(1, 9, []))[0], "$event")
    assert await due() == ["other1"], "a room that waits takes no place of another one"
    await tasks.shown(unshown.task, "$card")
    assert await due() == ["swarm2"]
    # A later change of the card is nothing to wait for, nor is a card that cannot be sent.
    await database.execute("UPDATE task SET changes = changes + 1")
    assert await due() == ["swarm2"]
    await database.execute("UPDATE task SET shown = 0, created_at = created_at - interval '2 minutes'")
    assert await due() == ["swarm2"]


async def add_room(database: Database, name: str, kind: ChannelType, server: int | None = None) -> int:
    """Add a channel with the room id ``!name``; return the row id of its room."""
    async with database.transaction() as connection:
        place = await Servers(database).add_channel(connection, NewPlace(f"key{name}", name), server, kind)
    await database.execute("UPDATE room SET room_id = %s WHERE id = %s", (f"!{name}", place))
    return place


async def steps(database: Database) -> list[tuple[str, str, bool, str]]:
    """Return the steps that are not mirrored: log, room, whether it is an end, and state."""
    found = await AgentEventStore(database).unmirrored(99)
    return [(each.log, each.room_id, each.is_end, each.state) for each in found]


async def test_a_log_mirrors_the_turns_of_rooms_that_its_people_can_enter(database: Database) -> None:
    store = AgentEventStore(database)
    async with database.transaction() as connection:
        lab = await Servers(database).add_server(connection, NewPlace("lab", "Lab"), BOB)
    logs = [await add_room(database, "log", ChannelType.LOG), await add_room(database, "lablog", ChannelType.LOG, lab)]
    for name, server in (("talk", None), ("labtalk", lab)):
        await add_room(database, name, ChannelType.TEXT, server)
    ada = await add_agent(database, "Ada", "!home")
    bea = await add_agent(database, "Bea", "!other")
    for room_id in ("!chat", "!dm", "!group"):
        await database.execute(
            "INSERT INTO room (room_id, kind, owner, person) VALUES (%s, %s, %s, %s)",
            (room_id, room_id[1:], ada if room_id != "!group" else None, BOB if room_id != "!group" else None),
        )
    rooms = ("!home", "!talk", "!labtalk", "!chat", "!dm", "!group")
    for room_id in rooms[1:]:
        await take_part(database, room_id, ada)
    assert not await store.has_mirrors()
    async with database.transaction() as connection:
        for log in logs:
            await store.mirror(connection, log, None)
    assert await store.has_mirrors()
    turns = []
    for room_id in rooms:
        (lane,) = await accept(database, new(f"${room_id}", room_id, ada))
        turns.append(await take(database, lane))
    assert await steps(database) == [
        ("!log", "!home", False, "running"),
        ("!log", "!talk", False, "running"),
        ("!lablog", "!labtalk", False, "running"),
    ]
    await finish(database, turns[0])
    await finish(database, turns[2], TurnState.FAILED)
    found = await store.unmirrored(99)
    assert {(each.log, each.room_id, each.is_end, each.state) for each in found} == {
        ("!log", "!home", False, "done"),
        ("!log", "!home", True, "done"),
        ("!log", "!talk", False, "running"),
        ("!lablog", "!labtalk", False, "failed"),
        ("!lablog", "!labtalk", True, "failed"),
    }
    assert all((each.seconds is not None and each.seconds >= 0) == (each.state != "running") for each in found)
    async with database.transaction() as connection:
        for each in found:
            await store.add(connection, each.key, each.log, BOT, {})
    assert await steps(database) == []
    await store.mirrored()
    assert await steps(database) == []
    # The turn is asked again: it has another beginning and another end.
    await database.execute(
        "UPDATE turn SET retries = 1, retried_at = now(), finished_at = now() WHERE id = %s", (turns[0].id,)
    )
    assert await steps(database) == [("!log", "!home", False, "done"), ("!log", "!home", True, "done")]
    # Only the agents that people named, and none.
    async with database.transaction() as connection:
        await store.end_mirror(connection, logs[0])
        await store.mirror(connection, logs[0], bea)
        await store.mirror(connection, logs[0], bea)
    assert await store.mirrored_agents(logs[0]) == [bea]
    assert await store.mirrored_agents(logs[1]) is None
    assert await steps(database) == []
    async with database.transaction() as connection:
        for log in logs:
            await store.end_mirror(connection, log)
    assert await store.mirrored_agents(logs[0]) == []
    assert not await store.has_mirrors()
