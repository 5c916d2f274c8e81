"""Sessions of other processes, which hold locks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.locks import Locks
from agent_bridge.store.postgres.session import Session
from agent_bridge.store.postgres.signals import Signals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def open_locks(uri: str, heartbeat: float = 2.0) -> AsyncIterator[Locks]:
    """Give the locks of a process on the database at *uri*, which gives a sign of life every *heartbeat* seconds."""
    async with Session(uri, Signals(), heartbeat=heartbeat) as session, Locks(session) as locks:
        yield locks
