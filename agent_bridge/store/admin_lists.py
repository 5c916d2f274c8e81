"""The lists of the admin page, page by page. Each statement finds its rows by an index, and has a limit."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.core.admin import AgentRow, LaneRow, TurnMoment
from agent_bridge.core.agents import AgentState
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("admin_lists")
#: Open turns that are looked at.
MOST_OPEN = 20_000
#: Later than every time of the database.
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Overview:
    """Numbers of agents and of open turns, by state."""

    agents: Mapping[str, int]
    turns: Mapping[str, int]
    #: Time of the oldest turn that waits; None: none does.
    oldest: datetime | None


class AdminLists:
    """Reads the lists. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agents(
        self,
        limit: int,
        after: tuple[str, int] = ("", -1),
        *,
        begin: str = "",
        state: AgentState | None = None,
        upstream: str | None = None,
    ) -> list[AgentRow]:
        """Return *limit* agents by name, behind the sort key and row id *after*, whose names begin with *begin*."""
        values = {
            "limit": limit,
            "after_name": after[0],
            "after_id": after[1],
            "begin": begin,
            "state": state,
            "upstream": upstream,
        }
        rows = await self._database.rows(_SQL["agents"], values)
        return [
            AgentRow(**{**row, "state": AgentState(row["state"]), "problems": tuple(row["problems"])}) for row in rows
        ]

    async def lanes(self, limit: int, offset: int = 0) -> list[LaneRow]:
        """Return *limit* lanes with open turns from a place on, those that wait longest first."""
        values = {"limit": limit, "offset": offset, "most": MOST_OPEN}
        return [
            LaneRow(**{**row, "room_kind": _kind(row["room_kind"])})
            for row in await self._database.rows(_SQL["lanes"], values)
        ]

    async def failed(self, limit: int, before: tuple[datetime, int] | None = None) -> list[int]:
        """Return the row ids of *limit* turns that failed before a time and a row id, the newest first."""
        at, number = (_LAST, sys.maxsize) if before is None else before
        rows = await self._database.rows(_SQL["failed"], {"limit": limit, "before": at, "before_id": number})
        return [row["id"] for row in rows]

    async def failing(self, limit: int) -> list[int]:
        """Return the row ids of *limit* messages that have failed, and will be tried again."""
        return [row["id"] for row in await self._database.rows(_SQL["failing"], {"limit": limit, "most": MOST_OPEN})]

    async def overview(self) -> Overview:
        """Return the numbers. Of very many open turns the first ones are counted."""
        row = await self._database.row(_SQL["overview"], {"most": MOST_OPEN})
        return Overview({}, {}, None) if row is None else Overview(row["agents"], row["turns"], row["oldest"])

    async def moments(self, since: datetime, limit: int) -> list[TurnMoment]:
        """Return the changes of turns for agents since a time, the oldest first, at most *limit* of each kind."""
        rows = await self._database.rows(_SQL["moments"], {"since": since, "limit": limit})
        return [
            TurnMoment(
                **{
                    **row,
                    "kind": TurnKind(row["kind"]),
                    "state": TurnState(row["state"]),
                    "room_kind": _kind(row["room_kind"]),
                }
            )
            for row in rows
        ]

    async def now(self) -> datetime:
        """Return the time of the database."""
        row = await self._database.row(_SQL["now"])
        return datetime.now(UTC) if row is None else row["now"]


def _kind(name: str | None) -> KindName | None:
    # Another version of the bridge may know further kinds.
    return KindName(name) if name in set(KindName) else None
