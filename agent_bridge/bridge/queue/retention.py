"""Housekeeping: forgets what is older than the configuration wants it kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import StoreError
from agent_bridge.store.prune import prune

if TYPE_CHECKING:
    from agent_bridge.config.model import RetentionConfig
    from agent_bridge.store.database import Database

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two times.
_INTERVAL = 600.0


class Pruner:
    """Prunes now and then."""

    def __init__(self, database: Database, retention: RetentionConfig) -> None:
        self._database = database
        self._retention = retention

    async def run(self) -> None:
        """Prune now and again and again, until cancelled."""
        while True:
            try:
                deleted = await prune(
                    self._database,
                    turns_days=self._retention.turns_days,
                    transcript_days=self._retention.transcript_days,
                )
                if deleted:
                    _log.info("forgot what is old", rows=deleted)
            except StoreError as error:
                _log.warning("cannot forget what is old", error=str(error))
            await asyncio.sleep(_INTERVAL)
