"""Direct rooms of two agents or two people, in the tables ``room`` and ``pair``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.pairs import ListedPair
from agent_bridge.core.rooms import KindName
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.core.pairs import Pair
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("pairs")


@dataclass(frozen=True, slots=True)
class PairRoom:
    """The room of a pair."""

    #: Row id.
    id: int
    #: None: it does not exist yet.
    room_id: str | None
    #: Whether the bridge is about to leave it: nobody else is there.
    is_ended: bool


class Pairs:
    """Reads and writes them. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, pair: Pair) -> PairRoom | None:
        """Return the room of *pair*, which is written if there is none; the caller makes it on the homeserver.

        None: the former room is being forgotten at this moment.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["open"], _values(pair))
            # A statement of its own: it sees the row of a transaction for which the first one has waited.
            return await self._of(connection, pair)

    async def made(self, room: int, room_id: str, pair: Pair, seen: str | None) -> None:
        """Record that the room with row id *room* exists; a repeat changes nothing.

        The messages behind the event *seen* are taken in; None: all.

        A room that the bridge knows already, as one of people, is the room of the pair from then on.
        """
        values = _values(pair) | {"room": room, "room_id": room_id, "seen": seen}
        async with self._database.transaction() as connection:
            if await rows_of(connection, _SQL["is_known"], values):
                await connection.execute(_SQL["drop"], values)
                await connection.execute(_SQL["keep"], values)
                await connection.execute(_SQL["name"], values)
            else:
                await connection.execute(_SQL["made"], values)

    async def forget(self, room: int) -> None:
        """Forget the room with row id *room*, in which the bridge is not any more."""
        await self._database.execute(_SQL["forget"], {"room": room})

    async def listed(self, limit: int) -> tuple[int, list[ListedPair]]:
        """Return the number of rooms of pairs, and the *limit* newest ones."""
        rows = await self._database.rows(_SQL["listed"], {"limit": limit})
        found = [
            ListedPair(room_id=each["room_id"], low=each["low"], high=each["high"], age=each["age"]) for each in rows
        ]
        return (rows[0]["number"] if rows else 0), found

    @staticmethod
    async def _of(connection: Connection, pair: Pair) -> PairRoom | None:
        rows = await rows_of(connection, _SQL["of"], _values(pair))
        return PairRoom(**rows[0]) if rows else None


def _values(pair: Pair) -> dict[str, object]:
    return {
        "key": pair.key,
        "kind": str(KindName.PAIR if pair.is_of_agents else KindName.GROUP),
        "name": pair.room_name,
        "low": pair.low.user_id,
        "high": pair.high.user_id,
        "agents": [each.agent.id for each in pair.members if each.agent is not None],
    }
