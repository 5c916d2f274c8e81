"""Turns for tests on PostgreSQL: requested, accepted, claimed, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from agent_bridge.core.payloads import (
    CommandPayload,
    InvitationPayload,
    MessagePayload,
    RefusalPayload,
    RefusalReason,
)
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import Addressee, NewTurn, TurnKind, TurnState
from agent_bridge.store.agents import Agents
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.payloads import decode
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.records import wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.core.changes import StopRequest
    from agent_bridge.core.payloads import Payload
    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

ROOM, OTHER = "!room:example.org", "!other:example.org"
BOB = "@bob:example.org"


def new(event_id: str, room_id: str = ROOM, *agents: int, **changes: Any) -> NewTurn:
    """Return a turn for each of *agents* (row ids), or one for the bridge bot."""
    kind = changes.get("kind", TurnKind.MESSAGE)
    values: dict[str, Any] = {
        "event_id": event_id,
        "room_id": room_id,
        "kind": kind,
        "sender": BOB,
        "payload": payload_of(kind, f"body of {event_id}"),
        "addressees": tuple(Addressee(agent, f"agent_{agent}") for agent in agents) or (Addressee(None, "bot"),),
    }
    return NewTurn(**(values | changes))


def payload_of(kind: TurnKind, body: str) -> Payload:
    match kind:
        case TurnKind.COMMAND:
            return CommandPayload(body)
        case TurnKind.REFUSAL:
            return RefusalPayload(RefusalReason.FULL, excerpt=body)
        case TurnKind.INVITATION:
            return InvitationPayload(body)
        case _:
            return MessagePayload(body)


async def add_agent(database: Database, name: str = "Frida", room_id: str = ROOM) -> int:
    """Add an agent called *name*, whose home is *room_id*; return its row id."""
    agents = Agents(database)
    await agents.add([wanted(name)])
    found = next(each for each in await agents.all() if each.agent.name == name)
    await agents.room_made(found.home.id, room_id, None, None)
    return found.agent.id


async def take_part(database: Database, room_id: str, *agents: int) -> None:
    """Let the ghosts of *agents* (row ids) be in a room, in this order."""
    for agent in agents:
        await database.execute(
            "INSERT INTO participant (room, agent, state) SELECT id, %s, 'joined' FROM room WHERE room_id = %s",
            (agent, room_id),
        )


async def watch(database: Database, room_id: str = ROOM, seen: str = "$seen") -> HistoryCursor:
    """Record that no event is missing in a room up to *seen*; return the room for a backfill that begins now."""
    return await Rooms(database).enter(room_id, KindName.GROUP, seen)


async def accept(database: Database, *asked: NewTurn) -> list[int]:
    """Write *asked* like intake; return the lanes of the new ones."""
    async with database.transaction() as connection:
        await IntakeStore(database).lock(connection, {new.room_id for new in asked})
        lanes = await IntakeStore(database).accept(connection, asked)
        return list(dict.fromkeys(lane for each in lanes.values() for lane in each))


async def stop(database: Database, *requests: StopRequest) -> list[int]:
    async with database.transaction() as connection:
        return await IntakeStore(database).stop(connection, requests)


async def take(database: Database, lane: int) -> Turn:
    """Claim the head of *lane*, which must be due."""
    turn = await Turns(database).take(lane)
    assert turn is not None
    return turn


async def collect(database: Database, turn: Turn) -> list[str]:
    """Collect all messages behind *turn* that are like it; return their events."""
    turns = Turns(database)
    return [each.event_id for each in await turns.collect(turn, await turns.behind(turn))]


async def finish(database: Database, turn: Turn, state: TurnState = TurnState.DONE) -> None:
    await Turns(database).finish(turn, state, {})


async def row_of(database: Database, event_id: str) -> dict[str, Any]:
    """Return the row of the turn that *event_id* started."""
    row = await database.row("SELECT * FROM turn WHERE event_id = %s", (event_id,))
    assert row is not None
    return row


def content(row: Mapping[str, Any]) -> Payload:
    """Return the payload that the row of a turn holds."""
    return decode(row["kind"], row["payload"])


async def all_rows(database: Database) -> Sequence[dict[str, Any]]:
    """Return all rows about turns."""
    return [
        *await database.rows("SELECT * FROM turn ORDER BY id"),
        *await database.rows("SELECT * FROM outbox ORDER BY turn, part"),
        *await database.rows("SELECT * FROM message ORDER BY id"),
    ]


async def order(database: Database, room_id: str = ROOM) -> list[str]:
    """Return the open turns of a room in the order of their claims."""
    rows = await database.rows(
        """
        SELECT t.event_id FROM turn t JOIN conversation c ON c.id = t.conversation
        WHERE c.room_id = %s AND t.open ORDER BY t.position
        """,
        (room_id,),
    )
    return [row["event_id"] for row in rows]


async def waiting_for_a_lock(uri: str) -> None:
    """Return once some transaction waits for another."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as observer:

        async def waits() -> bool:
            cursor = await observer.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return await cursor.fetchone() is not None

        await eventually(waits, "the second transaction waits for the first")
