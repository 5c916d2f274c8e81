"""Reactions by which people claim tasks, in the transaction that takes the reactions in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.turns import Ignored, IgnoreReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.bridge.inbound.rules import Rules
    from agent_bridge.core.tasks import CardClaim
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection


class TaskClaims:
    """Claims the tasks to whose cards people react. Other events cost no statement."""

    def __init__(self, tasks: TaskService, intake_store: IntakeStore, rules: Rules) -> None:
        self._tasks = tasks
        self._intake_store = intake_store
        self._rules = rules

    def asked(self, events: Sequence[RoomEvent]) -> list[CardClaim]:
        """Return the claims that *events* may be."""
        return [claim for event in events if (claim := self._rules.claim(event)) is not None]

    async def take(self, connection: Connection, claims: Iterable[CardClaim]) -> list[Ignored]:
        """Carry *claims* out that were not taken before; return the notes about them. Other reactions have none."""
        noted: list[Ignored] = []
        for claim in claims:
            is_known = await self._intake_store.known([claim.event_id], connection)
            if not is_known and await self._tasks.claim_card(connection, claim):
                noted.append(Ignored(claim.event_id, claim.room_id, IgnoreReason.CLAIM))
        return noted
