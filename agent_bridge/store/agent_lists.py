"""Lists of agents with the few values that a part needs: there may be thousands, and a whole agent has fifty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.agents import presence_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("agent_lists")


@dataclass(frozen=True, slots=True)
class ShownAgent:
    """The part of an agent that its presence shows."""

    #: Localpart.
    ghost: str
    upstream: str
    #: The text that the agent has set.
    status_text: str | None
    away: bool


class AgentLists:
    """The part of :class:`~agent_bridge.store.agents.Agents` that reads lists. Raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def out_of_sync(self, space: str | None, *, private: bool = False) -> list[int]:
        """Return the row ids of the agents whose ghost or home differs from the desired state on the homeserver.

        *space* is the room id of the Space that should list their rooms, None when none should. *private*: an agent
        needs no home.
        """
        values = {"space": space, "private": private}
        return [row["id"] for row in await self._database.rows(_SQL["out_of_sync"], values)]

    async def ids(self) -> list[int]:
        """Return the row ids of all agents: first those whose lanes wait for a comparison of their homes."""
        return [row["id"] for row in await self._database.rows(_SQL["ids"])]

    async def rooms_of_bot(self, limit: int) -> list[str]:
        """Return the room ids of up to *limit* homes in which the bridge bot is."""
        return [row["room_id"] for row in await self._database.rows(_SQL["rooms_of_bot"], {"limit": limit})]

    async def identities(self, upstream: str) -> set[str]:
        """Return the ids of the agents of *upstream*."""
        return {row["agent_id"] for row in await self._database.rows(_SQL["identities"], {"upstream": upstream})}

    async def without_room(self, upstream: str) -> list[int]:
        """Return the row ids of the agents of *upstream* whose homes are not made, in the order of :meth:`all`."""
        return [row["id"] for row in await self._database.rows(_SQL["without_room"], {"upstream": upstream})]

    async def have_entries(self) -> bool:
        """Tell whether an agent has an entry in the configuration."""
        return await self._database.row(_SQL["has_entries"]) is not None

    async def count_held(self, upstream: str) -> int:
        """Return the number of agents of *upstream* that get no rooms before an operator's word."""
        row = await self._database.row(_SQL["count_held"], {"upstream": upstream})
        return 0 if row is None else int(row["held"])

    async def shown(self, without: str) -> list[ShownAgent]:
        """Return the active agents that have rooms, but for those of the kind *without*."""
        rows = await self._database.rows(_SQL["shown"], {"without": without})
        return [ShownAgent(row["ghost"], row["upstream"], row["status_text"], row["away"]) for row in rows]

    async def ghosts(self) -> set[str]:
        """Return the localparts of all ghosts."""
        return {row["ghost"] for row in await self._database.rows(_SQL["ghosts"])}

    async def active(self, seconds: float, limit: int) -> dict[str, tuple[str, str | None]]:
        """Return the presences of the ghosts that answer a message, or have done so in the last *seconds*.

        By their localparts: the ``presence`` of the Matrix spec, and the status text that the agent has set. With more
        than *limit* agents there are none.
        """
        rows = await self._database.rows(_SQL["active"], {"seconds": seconds, "limit": limit})
        return {row["ghost"]: (presence_of(away=row["away"]), row["status_text"]) for row in rows}
