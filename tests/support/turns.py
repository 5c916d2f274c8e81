"""Conditions about the turns of a bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.conditions import DEADLINE, eventually

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database


async def until_no_turn_is_open(database: Database, within: float = DEADLINE) -> None:
    """Wait until every turn that is known is closed, for *within* seconds at most.

    Raises:
        AssertionError: some are still open.
    """

    async def closed() -> bool:
        return not await database.rows("SELECT 1 FROM turn WHERE open")

    await eventually(closed, "every turn is closed", within)
