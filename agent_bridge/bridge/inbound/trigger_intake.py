"""The intake of triggers: a request becomes a durable turn. Accepted means committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverRefused, StoreError
from agent_bridge.core.payloads import TriggerPayload
from agent_bridge.core.triggers import MOST_PER_MINUTE, TriggerKind, TriggerRefusal, source_event
from agent_bridge.core.turns import Addressee, NewTurn, TurnKind

if TYPE_CHECKING:
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.triggers import Trigger, WakeRequest
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection, Database
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.triggers import Triggers

_log = structlog.stdlib.get_logger(__name__)


class TriggerIntake:
    """Accepts the requests of triggers. *max_queued*: messages that may wait in one room."""

    def __init__(
        self,
        database: Database,
        triggers: Triggers,
        rooms: Rooms,
        intake_store: IntakeStore,
        lanes: Lanes,
        homeserver: Homeserver,
        roles: Roles,
        *,
        max_queued: int,
    ) -> None:
        self._database = database
        self._triggers = triggers
        self._rooms = rooms
        self._intake_store = intake_store
        self._lanes = lanes
        self._homeserver = homeserver
        self._roles = roles
        self._max_queued = max_queued

    async def wake(self, trigger: Trigger, request: WakeRequest) -> str | TriggerRefusal:
        """Commit the turn that wakes the agent of *trigger*; return the name of the request, or why it has no effect.

        A request that was accepted before has no further effect, and the same name. It is so although its trigger
        could not be used any more.

        Raises:
            StoreError: nothing was committed.
            HomeserverError: the homeserver does not tell whether the owner is in the room; nothing was committed.
        """
        if not await self._triggers.is_known(trigger, request.key):
            refusal = await self._refusal(trigger)
            if refusal is not None:
                return refusal
        async with self._database.transaction() as connection:
            # In the order of intake: first the room, then rows.
            await self._intake_store.lock(connection, [trigger.room_id])
            refusal, is_new = await self._decide(connection, trigger, request)
            if refusal is not None:
                return refusal
            if is_new:
                await self._accept(connection, trigger, request)
        name = request.name(trigger)
        if is_new:
            _log.info("trigger fired", trigger=trigger.id, owner=trigger.owner, room=trigger.room_id, request=name)
        return name

    async def _refusal(self, trigger: Trigger) -> TriggerRefusal | None:
        """Return why *trigger* may not wake its agent now."""
        if (spent := _spent(trigger)) is not None:
            return spent
        if not self._roles.may_ask(trigger.owner, trigger.room_id):
            return TriggerRefusal.NO_ROLE
        ghost = self._homeserver.namespace.user_id(trigger.ghost)
        try:
            membership = await self._homeserver.membership(trigger.room_id, trigger.owner, ghost)
        except HomeserverRefused as error:
            # The ghost is not in the room: its next comparison finds that.
            _log.info("the members of the room of a trigger cannot be read", room=trigger.room_id, error=str(error))
            return TriggerRefusal.AGENT_AWAY
        if membership != "join":
            return TriggerRefusal.NOT_IN_ROOM
        room = (await self._rooms.contexts([trigger.room_id])).get(trigger.room_id)
        return TriggerRefusal.FULL if room is None or room.waiting >= self._max_queued else None

    async def _decide(
        self, connection: Connection, trigger: Trigger, request: WakeRequest
    ) -> tuple[TriggerRefusal | None, bool]:
        """Lock *trigger*; return why *request* has no effect, and whether it is new."""
        present = await self._triggers.lock(connection, trigger.id)
        if present is None:
            return TriggerRefusal.UNKNOWN, False
        if present.room_id != trigger.room_id:
            # Its lock is not the one that this transaction holds.
            raise StoreError("the room of a trigger was replaced meanwhile")
        if await self._was_accepted(connection, present, request):
            return None, False
        refusal = _spent(present)
        if refusal is None and await self._triggers.recent(connection, present) >= MOST_PER_MINUTE:
            refusal = TriggerRefusal.TOO_OFTEN
        return refusal, refusal is None

    async def _was_accepted(self, connection: Connection, trigger: Trigger, request: WakeRequest) -> bool:
        if trigger.kind is TriggerKind.CALLBACK:
            return trigger.used_key == request.key and trigger.is_repeatable
        return await self._triggers.has_request(connection, trigger, request.key)

    async def _accept(self, connection: Connection, trigger: Trigger, request: WakeRequest) -> None:
        await self._triggers.note(connection, trigger, request.key)
        turn = NewTurn(
            event_id=source_event(request.name(trigger)),
            room_id=trigger.room_id,
            kind=TurnKind.TRIGGER,
            sender=trigger.owner,
            payload=TriggerPayload(trigger.agent, trigger.ghost, trigger.name, request.text),
            addressees=(Addressee(None, self._homeserver.namespace.bot_username),),
        )
        lanes = await self._intake_store.accept(connection, [turn])
        await self._lanes.wake(connection, {lane for each in lanes.values() for lane in each})


def _spent(trigger: Trigger) -> TriggerRefusal | None:
    """Return why *trigger* can wake nobody, whoever uses it."""
    if trigger.used_key is not None:
        return TriggerRefusal.USED
    if trigger.is_expired:
        return TriggerRefusal.EXPIRED
    return None if trigger.is_present else TriggerRefusal.AGENT_AWAY
