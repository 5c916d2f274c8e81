"""Groups: rooms of people with agents, in the tables ``room`` and ``participant``. Lobbies are compared like them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.rooms import KindName, ParticipantState
from agent_bridge.store.corruption import read_one, readable
from agent_bridge.store.payloads import encode_step
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from psycopg.rows import DictRow

from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("groups")


@dataclass(frozen=True, slots=True)
class GroupAgent:
    """An agent of a group."""

    #: Row id.
    agent: int
    #: Localpart.
    ghost: str
    state: ParticipantState


@dataclass(frozen=True, slots=True)
class GroupRoom:
    """A group or a lobby, as of its last comparison with the homeserver."""

    #: Row id.
    id: int
    room_id: str
    kind: KindName
    bot_joined: bool
    #: In the order in which they came.
    agents: tuple[GroupAgent, ...]
    #: The number of its changes.
    changes: int
    #: Whether it was told that it has people without a role.
    warned: bool
    #: Whether all people have left it: the bridge leaves it.
    is_ended: bool


def _group(row: DictRow) -> GroupRoom:
    agents = tuple(GroupAgent(agent, ghost, ParticipantState(state)) for agent, ghost, state in row["agents"])
    return GroupRoom(**{**row, "kind": KindName(row["kind"]), "agents": agents})


class Groups:
    """Reads and writes groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(self, room_id: str, ghosts: Sequence[str], people: int, seen: str) -> bool:
        """Have the active agents with *ghosts*, which are in the room, take part in it; a repeat changes nothing.

        A room that the bridge does not know becomes a group of *people*. The messages behind the event *seen* are taken
        in before its lanes go on. False: the room is a chat with the bot, in which all messages are commands.
        """
        values: dict[str, object] = {"room_id": room_id, "ghosts": list(ghosts), "people": people, "seen": seen}
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["enter"], values)
            rows = await rows_of(connection, _SQL["join"], values)
            if rows:
                await connection.execute(_SQL["joined"], values | {"agents": [row["agent"] for row in rows]})
                return True
            return not await rows_of(connection, _SQL["is_bots"], values)

    async def find(self, room_id: str) -> GroupRoom | None:
        """Return the group *room_id*; None if that is no group."""
        row = await self._database.row(_SQL["find"], {"room_id": room_id})
        return None if row is None else read_one("room", row["id"], lambda: _group(row))

    async def due(self, limit: int, others: Collection[int]) -> list[GroupRoom]:
        """Return up to *limit* groups and lobbies to compare with the homeserver, but for *others*."""
        rows = await self._database.rows(_SQL["due"], {"limit": limit, "others": list(others)})
        return readable("room", rows, lambda row: row["id"], _group)

    async def lock(self, connection: Connection, group: GroupRoom) -> bool:
        """Lock *group* until the transaction ends; False: it changed since it was read."""
        return bool(await rows_of(connection, _SQL["lock"], {"room": group.id, "changes": group.changes}))

    async def take_part(
        self, connection: Connection, group: GroupRoom, *, back: Collection[int], left: Collection[int], why: str
    ) -> None:
        """Record which agents are in *group* again, and which are not any more: their turns fail because of *why*."""
        values = {"room": group.id, "room_id": group.room_id, "why": why}
        if back:
            await connection.execute(_SQL["back"], values | {"agents": list(back)})
        if left:
            step = encode_step("failed", parts=0, error=why)
            await connection.execute(_SQL["left"], values | {"agents": list(left), "step": step})

    async def compared(self, connection: Connection, group: GroupRoom, people: int, *, bot_joined: bool) -> None:
        """Record that *group* was compared with the homeserver, and who is there."""
        values = {"room": group.id, "changes": group.changes, "people": people, "bot_joined": bot_joined}
        await connection.execute(_SQL["compared"], values)

    async def warn(self, connection: Connection, room: int) -> bool:
        """Record that the room with row id *room* is warned of people without a role; False: it was before."""
        return bool(await rows_of(connection, _SQL["warn"], {"room": room}))

    async def unite(self, group: GroupRoom, new: str) -> None:
        """Have *group* compared, and take over the agents of the room *new*, in which it is about to continue."""
        await self._database.execute(_SQL["unite"], {"room": group.id, "new": new})

    async def end(self, group: GroupRoom) -> None:
        """Record that all people have left *group*, before the bridge leaves it."""
        await self._database.execute(_SQL["end"], {"room": group.id})

    async def forget(self, group: GroupRoom, why: str) -> None:
        """Forget *group*, and close its open turns because of *why*."""
        values = {"room": group.id, "why": why, "step": encode_step("failed", parts=0, error=why)}
        await self._database.execute(_SQL["forget"], values)
