"""Effects of commands: what a command has done stands in its turn, so that another run of it does not act again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.core.errors import TurnLost
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.store.postgres.database import Connection

_SQL = Statements("effects")


class Effects:
    """The column ``turn.effect``."""

    async def lock(self, connection: Connection, turn: int, attempts: int) -> dict[str, Any] | None:
        """Return what the command of *turn* has done, None if nothing; no other worker changes it in the transaction.

        Raises:
            TurnLost: another worker has taken *turn* up since its claim number *attempts*.
        """
        found = await rows_of(connection, _SQL["lock"], {"turn": turn, "attempts": attempts})
        if not found:
            raise TurnLost(f"the command of turn {turn} was taken over by another worker, or is closed")
        effect: dict[str, Any] | None = found[0]["effect"]
        return effect

    async def put(self, connection: Connection, turn: int, effect: Mapping[str, Any]) -> None:
        """Record what the command of *turn*, which is locked, has done: an object of JSON."""
        await connection.execute(_SQL["put"], {"turn": turn, "effect": Jsonb(effect)})
