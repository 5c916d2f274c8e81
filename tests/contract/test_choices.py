"""Rooms that wait for the choice of an agent, on a real PostgreSQL: nothing is lost, and each message is asked once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.chats.binding import WaitingEvents
from agent_bridge.core.errors import StoreError
from agent_bridge.core.rooms import ChoiceKind, KindName
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.matrix.events import parse_event
from agent_bridge.store.agents import Agents
from agent_bridge.store.chats import Chats
from agent_bridge.store.choices import Choices
from agent_bridge.store.edits import Edits
from agent_bridge.store.history import Histories
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turns import Turns
from support.appservice_client import real_intake
from support.jobs import woken
from support.turn_rows import BOB, OTHER, ROOM, add_agent, content, take, waiting_for_a_lock

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Connection, Database

#: The room that replaces the room of the tests.
NEW = "!new:example.org"


@pytest.fixture
async def ada(database: Database) -> int:
    """An agent, and a room that has none."""
    await Rooms(database).enter(ROOM, KindName.CHAT, "$seen")
    return await add_agent(database, "Ada", OTHER)


def event(event_id: str, text: str, *, kind: str = "m.room.message", **more: Any) -> RoomEvent:
    raw = {"event_id": event_id, "room_id": ROOM, "type": kind, "sender": BOB, "origin_server_ts": 1_700_000_000_000}
    parsed = parse_event(raw | {"content": {"msgtype": "m.text", "body": text, **more}})
    assert parsed is not None
    return parsed


def edit(event_id: str, target: str, text: str) -> RoomEvent:
    relation = {"rel_type": "m.replace", "event_id": target}
    more: dict[str, Any] = {"m.new_content": {"msgtype": "m.text", "body": text}, "m.relates_to": relation}
    return event(event_id, f"* {text}", **more)


def redaction(event_id: str, target: str) -> RoomEvent:
    return event(event_id, "", kind="m.room.redaction", redacts=target)


async def bind(database: Database, connection: Connection, agent: int) -> set[int]:
    """Bind the room as the command does, within a transaction that has locked it; return the woken lanes."""
    await Rooms(database).bind(connection, ROOM, agent)
    return await WaitingEvents(IntakeStore(database), Edits(database)).ask(connection, [ROOM])


async def bound(database: Database, agent: int) -> set[int]:
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM])
        return await bind(database, connection, agent)


async def asked(database: Database) -> list[tuple[str, object]]:
    """Return the events that the agent is asked about, in their order, and their contents."""
    rows = await database.rows(
        """
        SELECT t.event_id, t.kind, t.payload FROM turn t JOIN conversation c ON c.id = t.conversation
        WHERE c.agent IS NOT NULL AND t.kind = 'message' AND NOT t.redacted ORDER BY t.position
        """
    )
    return [(row["event_id"], getattr(content(row), "body", None)) for row in rows]


async def test_messages_are_asked_once_in_their_order_with_their_edits(database: Database, ada: int) -> None:
    intake = real_intake(database)
    await intake.take("1", [event("$1", "one"), event("$2", "two"), edit("$e1", "$1", "eins")])
    await intake.take("2", [event("$3", "secret"), edit("$e2", "$2", "draft"), edit("$e3", "$2", "zwei")])
    await intake.take("3", [redaction("$r1", "$3"), redaction("$r2", "$e3")])
    assert await asked(database) == []
    lanes = await bound(database, ada)
    expected = [("$1", "eins"), ("$2", "draft")]
    assert await asked(database) == expected
    assert len(lanes) == 1
    # A repeat asks nothing, and neither does a repeated transaction of the homeserver.
    assert await bound(database, ada) == set()
    await intake.take("4", [event("$1", "one"), event("$3", "secret")])
    assert await asked(database) == expected
    # The edits count as edits of messages: what they replaced comes back.
    await intake.take("5", [redaction("$r3", "$e2")])
    assert await asked(database) == [("$1", "eins"), ("$2", "two")]
    row = await database.row("SELECT said_at FROM turn WHERE event_id = '$1' AND kind = 'message'")
    assert row is not None
    assert row["said_at"].timestamp() == 1_700_000_000


async def test_a_message_that_crosses_the_choice_is_asked_too(database: Database, ada: int) -> None:
    """Intake has read that the room has no agent, and waits for its lock while another process binds the room."""
    intake = real_intake(database)
    await intake.take("1", [event("$1", "one")])
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM])
        crossing = asyncio.create_task(intake.take("2", [event("$2", "two")]))
        await waiting_for_a_lock(database.uri)
        await bind(database, connection, ada)
    await crossing
    await intake.take("3", [event("$3", "three")])
    assert await asked(database) == [("$1", "one"), ("$2", "two"), ("$3", "three")]
    lane = await database.row("SELECT id FROM conversation WHERE agent IS NOT NULL")
    assert lane is not None
    assert lane["id"] in await woken(database)


async def shown(database: Database, turn: int, size: int = 3) -> None:
    """Show the person a list of *size* agents in the room."""
    async with database.transaction() as connection:
        await Choices(database).show(
            connection, BOB, ChoiceKind.AGENTS, [*range(size)], room_id=ROOM, thread="", turn=turn
        )


async def list_of(database: Database) -> list[int] | None:
    async with database.transaction() as connection:
        found = await Choices(database).shown(connection, BOB, ChoiceKind.AGENTS)
    return None if found is None else found.items


async def lists_turn(database: Database, intake: Intake) -> int:
    """Take a command, and return its turn."""
    await intake.take("c", [event("$command", "!ab agent")])
    lane = await database.row("SELECT conversation FROM turn WHERE event_id = '$command'")
    assert lane is not None
    return (await take(database, lane["conversation"])).id


async def moved(database: Database) -> set[int]:
    """Have the waiting events of the room go on in its successor, as the bot enters that; return the lane."""
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, [ROOM, NEW])
        await Rooms(database).enter(NEW, KindName.CHAT, "$seen", connection)
        return await IntakeStore(database).move_waiting(connection, ROOM, NEW)


async def test_waiting_messages_move_to_the_room_that_replaces_theirs(database: Database, ada: int) -> None:
    """A worker shows the list in the old room: the newest message shows it again, and that worker loses its turn."""
    intake = real_intake(database)
    await intake.take("1", [event("$1", "one"), event("$2", "two"), edit("$e1", "$1", "eins"), event("$3", "secret")])
    row = await database.row("SELECT conversation AS lane FROM turn WHERE event_id = '$1'")
    assert row is not None
    turns = Turns(database)
    while (shows := await take(database, row["lane"])).event_id != "$e1":
        await turns.finish(shows, TurnState.DONE, {})
    await shown(database, shows.id)
    await intake.take("2", [redaction("$r1", "$3"), event("$c", "!ab agent 2")])
    (lane,) = await moved(database)
    with pytest.raises(StoreError):
        await turns.finish(shows, TurnState.DONE, {})
    # A repeat moves nothing.
    assert await moved(database) == set()
    open_ = await database.rows(
        """SELECT t.event_id, c.room_id FROM turn t JOIN conversation c ON c.id = t.conversation
        WHERE t.open AND t.kind <> 'redact' ORDER BY t.position"""
    )
    assert [(each["event_id"], each["room_id"]) for each in open_] == [
        ("$2", NEW),
        ("$e1", NEW),
        ("$c", NEW),
    ]
    assert (await take(database, lane)).room_id == NEW
    ((_, room_id, choice),) = await Choices(database).open([BOB], [ROOM, NEW])
    assert (room_id, choice.events) == (NEW, frozenset())
    async with database.transaction() as connection:
        await Rooms(database).bind(connection, NEW, ada)
        await WaitingEvents(IntakeStore(database), Edits(database)).ask(connection, [ROOM, NEW])
    assert await asked(database) == [("$1", "eins"), ("$2", "two")]


async def test_nothing_moves_from_a_room_that_has_an_agent(database: Database, ada: int) -> None:
    await real_intake(database).take("1", [event("$1", "one")])
    await bound(database, ada)
    assert await moved(database) == set()
    assert await asked(database) == [("$1", "one")]


@pytest.mark.usefixtures("ada")
async def test_numbers_count_for_ten_minutes_by_the_clock_of_the_database(database: Database) -> None:
    turn = await lists_turn(database, real_intake(database))
    assert await list_of(database) is None
    await shown(database, turn)
    for seconds, items in ((0, [0, 1, 2]), (590, [0, 1, 2]), (20, None)):
        await database.execute("UPDATE choice SET shown_at = shown_at - make_interval(secs => %s)", (seconds,))
        assert await list_of(database) == items
        ((_, _, choice),) = await Choices(database).open([BOB], [ROOM, OTHER])
        assert (choice.is_fresh, choice.size) == (items is not None, 3)
    await shown(database, turn, 2)
    assert await list_of(database) == [0, 1]


async def test_the_next_message_beside_an_agent_closes_the_list(database: Database, ada: int) -> None:
    intake = real_intake(database)
    await bound(database, ada)
    turn = await lists_turn(database, intake)
    await shown(database, turn)
    # Both are in one transaction: the first one is the next message.
    await intake.take("1", [event("$1", "hello"), event("$2", "2")])
    assert await asked(database) == [("$1", "hello"), ("$2", "2")]
    await intake.take("2", [event("$3", "3")])
    assert [event_id for event_id, _ in await asked(database)] == ["$1", "$2", "$3"]
    await shown(database, turn)
    # A repeat of an earlier transaction closes no newer list.
    await intake.take("1", [event("$1", "hello")])
    await intake.take("3", [event("$4", "3")])
    rows = await database.rows("SELECT kind, payload FROM turn WHERE event_id = '$4'")
    assert [(row["kind"], row["payload"]["body"]) for row in rows] == [(TurnKind.COMMAND, "agent 3")]
    # The number of the list still counts in a command.
    assert await list_of(database) == [0, 1, 2]


async def test_a_room_is_compared_with_its_desired_state_once_it_is_bound(database: Database, ada: int) -> None:
    """Nothing compares an unbound room: its lanes would wait for ever."""
    intake, rooms = real_intake(database), Rooms(database)
    await intake.take("1", [event("$1", "one")])
    await rooms.request_checks([ROOM, OTHER])
    await Agents(database).request_checks()
    assert await rooms.awaiting_successor("agent_ada") == [(OTHER, "agent_ada")]
    (lane,) = await bound(database, ada)
    turn = await take(database, lane)
    await Turns(database).put_back(turn, delay=0, failed=False, why="refused", doubted=True)
    rows = await database.rows("SELECT room_id, check_requests FROM room ORDER BY room_id")
    assert {row["room_id"]: row["check_requests"] for row in rows} == {ROOM: 1, OTHER: 1}
    assert await Turns(database).take(lane) is None
    (chat,) = await Chats(database).due(9, ())
    found = await Chats(database).find(chat)
    assert found is not None
    await Chats(database).applied(found, ())
    assert (await take(database, lane)).event_id == "$1"
    assert await Rooms(database).visited() == [ROOM]
    # The bot reads the history of a room that people made: the ghost came later.
    (cursor,) = [each for each in await Histories(database).due(0, 9) if each.room_id == ROOM]
    assert cursor.reader is None
