"""Erasures on a real PostgreSQL: a room that is never removed does not hold up other operations."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.lifecycle.erasure import ERASE, Erasure, report_of
from agent_bridge.bridge.rooms.removal import RoomRemoval
from agent_bridge.core.feed import FeedType, NewEntry
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.feed import Feed
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from support.records import NAMES
from support.turn_rows import BOB, add_agent

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database
    from support.fault_server import FaultServer


CHAT, SPACE, SHARED = "!chat:example.org", "!space:example.org", "!shared:example.org"


async def test_events_that_arrive_behind_an_erasure_name_nobody(database: Database, wire: FaultServer) -> None:
    async def gone(_chat: int, _gives_up: bool) -> bool:  # noqa: FBT001  # as the reconciler's step
        return True

    def late(number: int, room_id: str, **changes: Any) -> NewEntry:
        values: dict[str, Any] = {"room_id": room_id, "event_id": f"${number}", "sender": NAMES.bot, "sent_at": 5}
        return NewEntry(**({"type": FeedType.EDIT, "content": json.dumps({"body": f"for {BOB}"})} | values | changes))

    agent = await add_agent(database)
    await database.execute(
        "INSERT INTO room (room_id, kind, owner, person, number) VALUES (%s, 'chat', %s, %s, 1)", (CHAT, agent, BOB)
    )
    await database.execute("INSERT INTO person_space (user_id, room_id) VALUES (%s, %s)", (BOB, SPACE))
    store = PersonalData(database, Redactions("bot", redact_answers=False), Queue(database))
    operations, feed = OperationStore(database), Feed(database)
    operation = await operations.find(await operations.request_alone(ERASE, "test", {"user": BOB}))
    assert operation is not None
    async with homeserver_session() as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        steps = Erasure(homeserver, store, {}, gone, RoomRemoval(homeserver)).run(operation)
        async with aclosing(steps):
            await operations.progress(operation, await anext(steps))
    left = {"type": FeedType.LEAVE, "user_id": BOB}
    await feed.add([late(1, CHAT, **left), late(2, SHARED)])
    await operations.finish(operation.id)
    await feed.add([late(3, CHAT, **left), late(4, SPACE, **left), late(5, CHAT), late(6, SHARED)])
    assert [(each.event_id, each.content) for each in await feed.after(0, most=9)] == [("$2", "{}"), ("$6", "{}")]
    # Later events are taken as usual, and so are those of the person that were not taken before.
    later = late(7, SHARED, sent_at=int(time.time() * 1000) + 120_000)
    await feed.add([later, late(8, SHARED, sender=BOB, content='{"body": "x"}')])
    assert [each.content for each in await feed.after(0, most=9)][2:] == [later.content, '{"body": "x"}']


async def test_a_room_that_is_not_removed_in_time_is_reported(database: Database, wire: FaultServer) -> None:
    async def runs(_chat: int, _gives_up: bool) -> bool:  # noqa: FBT001  # as the reconciler's step
        return False

    agent = await add_agent(database)
    await database.execute(
        "INSERT INTO room (room_id, kind, owner, person, number) VALUES ('!chat:example.org', 'chat', %s, %s, 1)",
        (agent, BOB),
    )
    store, operations = (
        PersonalData(database, Redactions("bot", redact_answers=False), Queue(database)),
        OperationStore(database),
    )
    number = await operations.request_alone(ERASE, "test", {"user": BOB})
    operation = await operations.find(number)
    assert operation is not None
    async with homeserver_session() as session:
        homeserver = Homeserver(wire.url.removesuffix("/v1"), "token", NAMES, session)
        erasure = Erasure(homeserver, store, {}, runs, RoomRemoval(homeserver), patience=0, longest=0.5)
        async for progress in erasure.run(operation):
            operation = operation.after(progress)
    assert report_of(operation).rooms == ("!chat:example.org",)
