"""The values of the database that a scrape of the metrics shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("metrics")


@dataclass(frozen=True, slots=True)
class UpstreamFigures:
    """The status of an upstream, as the leader saw it last."""

    name: str
    is_up: bool
    agents: int


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """The values, all of the same moment."""

    #: Numbers of open turns, by state.
    open_turns: Mapping[str, int]
    #: Age of the oldest turn that waits, in seconds; 0 if none does.
    oldest_waiting: float
    #: Numbers of agents, by state.
    agents: Mapping[str, int]
    upstreams: tuple[UpstreamFigures, ...]


class MetricsStore:
    """Reads the values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> DatabaseFigures:
        """Return the values, which one statement reads.

        Raises:
            StoreError: the database does not answer.
        """
        row = await self._database.row(_SQL["read"], {"upstreams": KeyValues.UPSTREAMS}) or {}
        listed = row.get("upstreams")
        return DatabaseFigures(
            open_turns=row.get("turns", {}),
            oldest_waiting=row.get("oldest_waiting", 0.0),
            agents=row.get("agents", {}),
            upstreams=tuple(_upstream(each) for each in (listed if isinstance(listed, list) else ()) if _fits(each)),
        )


def _fits(value: object) -> bool:
    """Tell whether *value* is the status of an upstream. A program of another version may have written it."""
    return isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("agents"), int)


def _upstream(value: Mapping[str, Any]) -> UpstreamFigures:
    # The error is empty before the first request, and null after one that succeeded.
    return UpstreamFigures(value["name"], value.get("error", "") is None, value["agents"])
