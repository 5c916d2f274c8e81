"""Erasures on a real PostgreSQL: a room that is never removed does not hold up other operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.lifecycle.erasure import ERASE, Erasure, report_of
from agent_bridge.bridge.rooms.removal import RoomRemoval
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from support.records import NAMES
from support.turn_rows import BOB, add_agent

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database
    from support.fault_server import FaultServer


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
