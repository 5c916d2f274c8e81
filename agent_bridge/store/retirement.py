"""The retirement of agents: their states, and their rooms that are being removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.retirement import RetirementRule
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("retirement")


@dataclass(frozen=True, slots=True)
class RemovedHome:
    """A home that is being removed."""

    #: Row id.
    id: int
    room_id: str
    #: Name of the deletion on the homeserver; None before it is requested.
    delete_ref: str | None
    #: Room id of the Space that lists the room, None when none does.
    space: str | None
    #: Name, localpart of the ghost, and upstream of its agent.
    agent: str
    ghost: str
    upstream: str


class RetirementStore:
    """Retires agents. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def retire(self, connection: Connection, agent: int, by: str, *, deletes: bool = False) -> None:
        """Retire an agent because the user *by* asks for it, within the caller's transaction.

        *deletes*: its room is removed. Running twice has no other effect.
        """
        await connection.execute(_SQL["retire"], {"agent": agent, "by": by, "deletes": deletes})

    async def back(self, connection: Connection, agent: int) -> bool:
        """Take an agent out of its retirement, within the caller's transaction; tell whether it was retired.

        An agent without an entry counts as gone until the next look at the list of its upstream.
        """
        return (await connection.execute(_SQL["back"], {"agent": agent})).rowcount > 0

    async def upstreams_due(self, rules: Sequence[RetirementRule]) -> set[str]:
        """Return the upstreams with agents that are due by *rules*."""
        return {row["upstream"] for row in await self._database.rows(_SQL["upstreams_due"], _values(rules))}

    async def retire_due(self, rules: Sequence[RetirementRule]) -> list[tuple[str, str, bool]]:
        """Retire the agents that are due by *rules*; return names, upstreams, and whether their rooms are removed."""
        rows = await self._database.rows(_SQL["due"], _values(rules))
        return [(row["name"], row["upstream"], row["deletes"]) for row in rows]

    async def removed(self) -> list[RemovedHome]:
        """Return the homes that are being removed."""
        return [RemovedHome(**row) for row in await self._database.rows(_SQL["removed"])]

    async def deletion_requested(self, room: int, ref: str) -> None:
        """Record the name of the deletion of a home on the homeserver."""
        await self._database.execute(_SQL["deletion_requested"], {"room": room, "ref": ref})

    async def kept(self, room: int) -> None:
        """Record that a home is not removed after all."""
        await self._database.execute(_SQL["kept"], {"room": room})

    async def ghosts(self) -> list[str]:
        """Return the localparts of the ghosts whose accounts were not ended."""
        return [row["ghost"] for row in await self._database.rows(_SQL["ghosts"])]

    async def made(self) -> dict[str, str]:
        """Return the kinds of the rooms that belong to the bridge, by room id; ``space``: the Space of a person."""
        return {row["room_id"]: row["kind"] for row in await self._database.rows(_SQL["made"])}

    async def deactivated(self, ghost: str) -> None:
        """Record that the account of a ghost was ended."""
        await self._database.execute(_SQL["deactivated"], {"ghost": ghost})


def _values(rules: Sequence[RetirementRule]) -> dict[str, object]:
    return {
        "upstreams": [each.upstream for each in rules],
        "seconds": [float(each.seconds) for each in rules],
        "deletes": [each.deletes for each in rules],
    }
