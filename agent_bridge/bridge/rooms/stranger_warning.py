"""Warns rooms of people and agents once that words of people without a role are not for agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.payloads import RefusalPayload, RefusalReason
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import Addressee, NewTurn, TurnKind

if TYPE_CHECKING:
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.roles import Roles
    from agent_bridge.matrix.room_state import RoomState
    from agent_bridge.store.groups import Groups
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection


class StrangerWarning:
    """Writes the turn in which the bot tells a room, because of the first of the people without a role."""

    def __init__(
        self, groups: Groups, intake_store: IntakeStore, lanes: Lanes, roles: Roles, namespace: Namespace
    ) -> None:
        self._groups = groups
        self._intake_store = intake_store
        self._lanes = lanes
        self._roles = roles
        self._namespace = namespace

    def strangers(self, state: RoomState) -> list[str]:
        """Return the people in the room that have no role."""
        people = (user for user in state.members("join") if not self._namespace.is_ours(user))
        return sorted(user for user in people if self._roles.of(user, state.room_id) < Role.AGENT)

    async def warn(self, connection: Connection, room: int, state: RoomState) -> None:
        """Have the room with row id *room* told, unless it was, within a transaction with the lock of intake."""
        event_ids = {user: state.events["m.room.member", user].get("event_id") for user in self.strangers(state)}
        stranger = next((user for user in event_ids if isinstance(event_ids[user], str)), None)
        if stranger is None or not await self._groups.warn(connection, room):
            return
        turn = NewTurn(
            event_id=str(event_ids[stranger]),
            room_id=state.room_id,
            kind=TurnKind.REFUSAL,
            sender=stranger,
            payload=RefusalPayload(RefusalReason.STRANGERS),
            addressees=(Addressee(None, self._namespace.bot_username),),
        )
        lanes = await self._intake_store.accept(connection, [turn])
        await self._lanes.wake(connection, {lane for each in lanes.values() for lane in each})
