"""The rooms that programs may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import LiteralString

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("program_rooms")


@dataclass(frozen=True, slots=True)
class KnownRoom:
    """A room that exists."""

    room_id: str
    kind: str
    #: None: the bridge does not name it.
    name: str | None
    #: Localparts of the ghosts in it.
    ghosts: tuple[str, ...]


class ProgramRooms:
    """Reads the table ``room`` for programs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_agent(self, agent: int) -> list[KnownRoom]:
        """Return the rooms in which an agent (a row id) is."""
        return await self._read(_SQL["of_agent"], {"agent": agent})

    async def named(self, room_ids: Collection[str]) -> list[KnownRoom]:
        """Return those of *room_ids* that exist."""
        return await self._read(_SQL["named"], {"rooms": list(room_ids)})

    async def possible(self, user_id: str, limit: int) -> list[KnownRoom]:
        """Return up to *limit* rooms in which a person may be."""
        return await self._read(_SQL["possible"], {"user_id": user_id, "limit": limit})

    async def _read(self, query: LiteralString, values: Mapping[str, object]) -> list[KnownRoom]:
        rows = await self._database.rows(query, values)
        return [KnownRoom(**{**row, "ghosts": tuple(row["ghosts"])}) for row in rows]
