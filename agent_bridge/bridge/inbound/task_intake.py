"""The part of intake that takes tasks: reactions that claim one, and redactions of cards and of their commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind, ChangeRequest
from agent_bridge.core.turns import Ignored, IgnoreReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.bridge.collaboration.tasks import TaskService
    from agent_bridge.core.rooms import Room
    from agent_bridge.core.tasks import CardClaim
    from agent_bridge.core.turns import NewTurn
    from agent_bridge.store.intake import IntakeStore
    from agent_bridge.store.postgres.database import Connection


class TaskIntake:
    """Carries out what events ask for about tasks. Nothing is written, nor read, for rooms without one."""

    def __init__(self, tasks: TaskService | None, intake_store: IntakeStore) -> None:
        self._tasks = tasks
        self._intake_store = intake_store

    async def write(
        self,
        connection: Connection,
        claims: Sequence[CardClaim],
        new: Iterable[NewTurn | ChangeRequest],
        rooms: Mapping[str, Room],
    ) -> list[Ignored]:
        """Carry *claims* out, unless they were taken before, and withdraw the tasks that *new* redactions concern.

        Within the caller's transaction. Return the notes about claims, none for a reaction to no card.

        Raises:
            StoreError: nothing was written.
        """
        if self._tasks is None:
            return []
        noted: list[Ignored] = []
        for claim in claims:
            if await self._intake_store.known([claim.event_id], connection):
                continue
            if await self._tasks.claim_card(connection, claim):
                noted.append(Ignored(claim.event_id, claim.room_id, IgnoreReason.CLAIM))
        for each in new:
            if isinstance(each, ChangeRequest) and each.kind is ChangeKind.REDACT:
                room = rooms.get(each.room_id)
                if room is not None and room.has_tasks:
                    await self._tasks.withdraw(connection, each.room_id, each.target)
        return noted
