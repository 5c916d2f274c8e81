"""Reactions to messages of the bridge whose ids are not stored yet, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.inbound.unstored_messages import UnstoredMessages
from agent_bridge.core.ids import MARK, mark
from agent_bridge.core.turns import StopReason
from agent_bridge.matrix.events import parse_event
from agent_bridge.store.sent_events import SentEvents
from agent_bridge.store.turns import Turns
from support.appservice_client import real_intake
from support.records import NAMES
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, new, row_of, take

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Database
    from support.fake_room import FakeRoom


@pytest.fixture
async def turn(database: Database) -> Turn:
    """A turn whose answer was sent, perhaps."""
    agent = await add_agent(database)
    (lane,) = await accept(database, new("$question", ROOM, agent))
    turn = await take(database, lane)
    await Turns(database).intend(turn.id, 0)
    return turn


def related(kind: str, relation: dict[str, Any], room_id: str = ROOM) -> RoomEvent:
    content = {"body": "x", "msgtype": "m.text", "m.relates_to": relation}
    event = {"event_id": "$new", "room_id": room_id, "type": kind, "sender": BOB, "origin_server_ts": 1}
    parsed = parse_event(event | {"content": content})
    assert parsed is not None
    return parsed


def stop(room_id: str = ROOM) -> RoomEvent:
    return related("m.reaction", {"rel_type": "m.annotation", "event_id": "$shown", "key": "🛑"}, room_id)


def shown(room: FakeRoom, turn: Turn, ghost: str, **more: Any) -> None:
    """Have the answer of *turn* appear in the room, sent by *ghost*."""
    content = {"body": "An answer", "msgtype": "m.text", MARK: mark(turn.key, 0)} | more
    room.events.append({"event_id": "$shown", "type": "m.room.message", "sender": ghost, "content": content})


async def ghost_of(database: Database) -> str:
    row = await database.row("SELECT ghost FROM agent")
    return NAMES.user_id(row["ghost"]) if row else ""


async def stored(database: Database) -> list[str | None]:
    return [row["event_id"] for row in await database.rows("SELECT event_id FROM outbox ORDER BY part")]


def unstored(database: Database, homeserver: Homeserver, patience: float = 5.0) -> UnstoredMessages:
    return UnstoredMessages(SentEvents(database), NAMES, homeserver.event, patience=patience)


async def test_a_stop_on_an_answer_of_unknown_id_ends_it(
    database: Database, room: FakeRoom, homeserver: Homeserver, turn: Turn
) -> None:
    shown(room, turn, await ghost_of(database))
    await real_intake(database, event_of=homeserver.event).take("t1", [stop()])
    assert await stored(database) == ["$shown"]
    assert (await row_of(database, "$question"))["stop"] == StopReason.STOPPED


async def test_a_reply_is_to_the_answer_too(
    database: Database, room: FakeRoom, homeserver: Homeserver, turn: Turn
) -> None:
    shown(room, turn, await ghost_of(database))
    await unstored(database, homeserver).store([related("m.room.message", {"m.in_reply_to": {"event_id": "$shown"}})])
    assert await stored(database) == ["$shown"]


async def test_events_of_others_and_edits_are_not_the_answer(
    database: Database, room: FakeRoom, homeserver: Homeserver, turn: Turn
) -> None:
    messages, ghost = unstored(database, homeserver), await ghost_of(database)
    cases: list[tuple[str, dict[str, Any]]] = [
        (BOB, {}),
        (ghost, {MARK: mark(turn.key, 1)}),
        (ghost, {MARK: {"x": 1}}),
        (ghost, {"m.new_content": {"body": "An answer"}}),
    ]
    for sender, more in cases:
        room.events.clear()
        shown(room, turn, sender, **more)
        await messages.store([stop()])
        assert await stored(database) == [None]
    room.events.clear()
    await messages.store([stop()])
    assert await stored(database) == [None]


async def test_other_rooms_and_known_events_are_not_looked_up(database: Database, turn: Turn) -> None:
    async def event_of(*asked: object) -> None:
        pytest.fail(f"asked for {asked}")

    messages = UnstoredMessages(SentEvents(database), NAMES, event_of)
    await messages.store([stop(OTHER), related("m.room.message", {})])
    await Turns(database).intend(turn.id, 1)
    await database.execute("UPDATE outbox SET event_id = '$shown' WHERE part = 0")
    await messages.store([stop()])
    assert await stored(database) == ["$shown", None]


async def test_a_silent_homeserver_holds_no_transaction(
    database: Database, room: FakeRoom, homeserver: Homeserver, turn: Turn
) -> None:
    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    began = time.monotonic()
    await UnstoredMessages(SentEvents(database), NAMES, silent, patience=0.2).store([stop()])
    assert time.monotonic() - began < 2
    assert await stored(database) == [None]
    # A later reaction is found.
    shown(room, turn, await ghost_of(database))
    await unstored(database, homeserver).store([stop()])
    assert await stored(database) == ["$shown"]
