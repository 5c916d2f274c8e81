"""Texts of growing answers, and requests for them, on their way between processes. They are stored nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.postgres.signals import GROWTH_CHANNEL
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("answer_growth")
#: Bytes that a notification of PostgreSQL carries.
_LONGEST_PAYLOAD = 7_900


class GrowthSender:
    """Sends to all processes, on a *channel*."""

    def __init__(self, database: Database, channel: str = GROWTH_CHANNEL) -> None:
        self._database = database
        self._channel = channel

    async def send(self, payload: str) -> None:
        """Send *payload*, a text of up to 7,900 bytes; a longer one is lost.

        Raises:
            StoreError: it was not sent.
        """
        if len(payload.encode()) <= _LONGEST_PAYLOAD:
            await self._database.rows(_SQL["announce"], {"channel": self._channel, "payload": payload})
