"""Binds a room to the agent that its people have chosen, and has the agent answer the messages that waited for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.payloads import EditPayload
from agent_bridge.core.turns import Addressee, NewTurn, TurnKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.agents import Agent
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.edits import Edits
    from agent_bridge.store.intake import IntakeStore, WaitingEvent
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.rooms import Rooms

_log = structlog.stdlib.get_logger(__name__)


class WaitingEvents:
    """The messages, and edits of them, that wait in rooms without an agent: turns of the kind *choice*."""

    def __init__(self, intake_store: IntakeStore, edits: Edits) -> None:
        self._intake_store = intake_store
        self._edits = edits

    async def ask(self, connection: Connection, room_ids: Collection[str]) -> set[int]:
        """Have the chosen agents of *room_ids* asked, within the caller's transaction, which has locked the rooms.

        Rooms without an agent go on to wait. The agent is asked in the order of the events, once for each message: a
        repeat asks nothing. Return the lanes.
        """
        lanes: set[int] = set()
        for event in await self._intake_store.waiting(connection, room_ids):
            if isinstance(event.payload, EditPayload):
                noted = await self._edits.note(connection, _edit(event, event.payload))
                lanes |= {*noted.lanes}
                continue
            asked = await self._intake_store.accept(connection, [_question(event)], waited=True)
            lanes |= {lane for each in asked.values() for lane in each}
        return lanes


class Binding:
    """Binds rooms to agents."""

    def __init__(
        self,
        homeserver: Homeserver,
        database: Database,
        rooms: Rooms,
        intake_store: IntakeStore,
        waiting: WaitingEvents,
        lanes: Lanes,
    ) -> None:
        self._homeserver = homeserver
        self._database = database
        self._rooms = rooms
        self._intake_store = intake_store
        self._waiting = waiting
        self._lanes = lanes

    async def bind(self, room_id: str, agent: Agent) -> int | None:
        """Bind an unbound room to *agent*, and have it answer what waits there; a repeat changes nothing.

        The bot invites the ghost, which joins. Return the row id of the agent that the room talks with then: another
        one if that was chosen before. None: the ghost cannot enter.

        Raises:
            HomeserverUnavailable, StoreError: the room is not bound yet; a repeat continues.
        """
        room = (await self._rooms.contexts([room_id])).get(room_id)
        if room is None or not room.is_unbound:
            return None if room is None else room.owner
        ghost = self._homeserver.namespace.user_id(agent.ghost)
        if not await self._enter(room_id, agent, ghost):
            return None
        async with self._database.transaction() as connection:
            # Intake writes messages under the same lock: each is written before, or sees that the room is bound.
            await self._intake_store.lock(connection, [room_id])
            owner = await self._rooms.bind(connection, room_id, agent.id)
            await self._lanes.wake(connection, await self._waiting.ask(connection, [room_id]))
        if owner != agent.id:
            await self._homeserver.leave(room_id, "", ghost)
        return owner

    async def ask_waiting(self, room_id: str) -> None:
        """Have the first agent of a group answer the events that waited for a choice; a repeat asks nothing."""
        async with self._database.transaction() as connection:
            await self._intake_store.lock(connection, [room_id])
            await self._lanes.wake(connection, await self._waiting.ask(connection, [room_id]))

    async def _enter(self, room_id: str, agent: Agent, ghost: str) -> bool:
        if agent.displayname_applied is None:
            # Its home is being made.
            await self._homeserver.register(agent.ghost)
        try:
            await self._homeserver.invite(room_id, ghost)
        except HomeserverRefused as error:
            # The room may be open to everyone, or a person may have invited the ghost.
            _log.info("the bot cannot invite a ghost", room=room_id, user=ghost, error=str(error))
        try:
            await self._homeserver.join(room_id, ghost)
        except HomeserverRefused as error:
            _log.warning("a ghost cannot enter a room that has chosen it", room=room_id, user=ghost, error=str(error))
            return False
        return True


def _question(event: WaitingEvent) -> NewTurn:
    return NewTurn(
        event_id=event.event_id,
        room_id=event.room_id,
        kind=TurnKind.MESSAGE,
        sender=event.sender,
        payload=event.payload,
        addressees=(Addressee(event.agent, event.ghost),),
        thread=event.thread,
        said_at=event.said_at,
    )


def _edit(event: WaitingEvent, edit: EditPayload) -> ChangeRequest:
    return ChangeRequest(
        event_id=event.event_id,
        room_id=event.room_id,
        sender=event.sender,
        kind=ChangeKind.EDIT,
        target=edit.target,
        message=edit.message,
        said_at=event.said_at,
    )
