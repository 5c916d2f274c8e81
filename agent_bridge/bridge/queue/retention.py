"""Retention: deletes the rows that are older than configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.store.prune import prune

if TYPE_CHECKING:
    from agent_bridge.config.model import RetentionConfig
    from agent_bridge.core.live import Live
    from agent_bridge.store.postgres.database import Database

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two runs.
_INTERVAL = 600.0


class Pruner:
    """Deletes old rows every ten minutes."""

    def __init__(self, database: Database, retention: Live[RetentionConfig]) -> None:
        self._database = database
        self._retention = retention

    async def run(self) -> None:
        """Prune now and every ten minutes, until cancelled."""
        await every(_INTERVAL, self.prune, name="retention")

    async def prune(self) -> None:
        """Delete what the retention does not keep now.

        Raises:
            StoreError: some of the rows may be deleted.
        """
        kept = self._retention.value
        deleted = await prune(self._database, turns_days=kept.turns_days, transcript_days=kept.transcript_days)
        if deleted:
            _log.info("deleted old rows", rows=deleted)
