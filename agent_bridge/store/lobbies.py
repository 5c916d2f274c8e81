"""Lobbies: the rooms of all agents, in the tables ``room`` and ``participant``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from agent_bridge.core.rooms import ParticipantState
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Database

_SQL = Statements("lobbies")


@dataclass(frozen=True, slots=True)
class Lobby:
    """A lobby, and the state that was applied to it."""

    #: Row id.
    id: int
    room_id: str
    name_applied: str | None
    #: Room id of the Space that lists it.
    space: str | None
    #: User ids that the bridge has invited.
    invited: frozenset[str]
    #: Whether the bot has greeted it.
    introduced: bool
    join_rule_applied: str | None


@dataclass(frozen=True, slots=True)
class LobbyAgent:
    """An active agent whose ghost exists, and whether it is in a lobby."""

    agent: int
    #: Localpart.
    ghost: str
    #: None: it never was.
    state: ParticipantState | None


class Lobbies:
    """Reads and writes lobbies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def adopt(self, room_id: str, seen: str | None, roles: int | None = None) -> Lobby | None:
        """Record that a room, which the bot has joined, is a lobby; a repeat changes nothing.

        *roles*: the book of roles by which the bridge made it just now; None: it existed.

        Nothing is missing in a room that is new to the bridge up to the event *seen*. None: the room belongs to an
        agent or to the chats of a person.
        """
        row = await self._database.row(_SQL["adopt"], {"room_id": room_id, "seen": seen, "roles": roles})
        return None if row is None else _lobby(row)

    async def by_room(self, room_id: str) -> Lobby | None:
        """Return the lobby *room_id*; None if the room is none."""
        row = await self._database.row(_SQL["by_room"], {"room_id": room_id})
        return None if row is None else _lobby(row)

    async def agents(self, lobby: int) -> list[LobbyAgent]:
        """Return the active agents, in the order in which they were found."""
        rows = await self._database.rows(_SQL["agents"], {"lobby": lobby})
        return [
            LobbyAgent(row["agent"], row["ghost"], None if row["state"] is None else ParticipantState(row["state"]))
            for row in rows
        ]

    async def missing(self, lobby: int, but: Collection[int], limit: int) -> list[LobbyAgent]:
        """Return up to *limit* active agents that never were in the lobby, without those in *but*."""
        rows = await self._database.rows(_SQL["missing"], {"lobby": lobby, "but": list(but), "limit": limit})
        return [LobbyAgent(row["agent"], row["ghost"], None) for row in rows]

    async def retired(self, lobby: int) -> list[LobbyAgent]:
        """Return the retired agents whose ghosts are in the lobby."""
        rows = await self._database.rows(_SQL["retired"], {"lobby": lobby})
        return [LobbyAgent(row["agent"], row["ghost"], ParticipantState(row["state"])) for row in rows]

    async def forget(self, lobby: int, agent: int) -> None:
        """Forget that the ghost of an agent was in the lobby: it comes back with the agent."""
        await self._database.execute(_SQL["forget"], {"lobby": lobby, "agent": agent})

    async def take_part(self, lobby: int, agent: int, state: ParticipantState) -> None:
        """Record whether the ghost of an agent is in the lobby."""
        await self._database.execute(_SQL["take_part"], {"lobby": lobby, "agent": agent, "state": state})

    async def named(self, lobby: int, name: str) -> None:
        """Record the name that the lobby was given."""
        await self._database.execute(_SQL["named"], {"lobby": lobby, "name": name})


def _lobby(row: DictRow) -> Lobby:
    known = {each.name: row[each.name] for each in fields(Lobby)}
    return Lobby(**{**known, "invited": frozenset(row["invited"])})
