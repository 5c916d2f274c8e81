"""The intake of ``agent-bridge doctor``, while it listens in the place of the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.cli.encryption_check import Arrivals
    from agent_bridge.matrix.events import RoomEvent


class RejectingIntake:
    """The intake of the doctor's endpoint: stores nothing, so that the homeserver sends its events again later."""

    def __init__(self, arrivals: Arrivals | None) -> None:
        self._arrivals = arrivals

    async def take(self, _transaction_id: str, events: Sequence[RoomEvent]) -> None:
        """Refuse events."""
        if events:
            if self._arrivals is not None:
                self._arrivals.has_refused = True
            raise StoreError("agent-bridge doctor stores no events")

    async def add_dead_letter(self, _transaction_id: str, _reason: str, _body: str) -> None:
        """Refuse a dead letter."""
        raise StoreError("agent-bridge doctor stores no dead letters")

    async def request_backfill(self, _reason: str) -> None:
        """Refuse a backfill."""
        raise StoreError("agent-bridge doctor requests no backfill")

    async def schedule_backfill(self) -> None:
        """Refuse a backfill."""
        raise StoreError("agent-bridge doctor schedules no backfill")
