"""Agent events that are to be posted, and the turns that log channels mirror."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("agent_events")


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event that is to be posted."""

    #: Row id.
    id: int
    #: Name, from which its transaction id and its mark derive.
    key: str
    room_id: str
    #: User id of the bot or of a ghost.
    sender: str
    content: Mapping[str, Any]
    #: An event of the room which is older than this one, if it may have been posted; None: it was not.
    since: str | None


@dataclass(frozen=True, slots=True)
class EventState:
    """What became of an event."""

    event_id: str | None
    #: Why it cannot be posted; None: it can be.
    error: str | None
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MirroredStep:
    """The beginning or the end of a turn that a log channel shows."""

    #: Key of the event that shows it.
    key: str
    #: Room id of the log channel.
    log: str
    #: Name of the turn, and the room in which it was asked.
    turn: str
    room_id: str
    #: Row id of the agent, localpart of its ghost, and its name.
    agent_id: int
    ghost: str
    agent: str
    is_end: bool
    #: State of the turn (see :class:`~agent_bridge.core.turns.TurnState`).
    state: str
    #: The seconds from its claim to its end; None at its beginning.
    seconds: float | None
    #: As they were reported.
    input_tokens: int | None
    output_tokens: int | None
    error: str | None


class AgentEventStore:
    """The tables ``agent_event`` and ``mirror``. Every method raises :class:`StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, connection: Connection, key: str, room_id: str, sender: str, content: Mapping[str, Any]
    ) -> bool:
        """Have *sender* post an event with *content*; tell whether there is none with the same *key* yet."""
        values = {"key": key, "room_id": room_id, "sender": sender, "content": Jsonb(dict(content))}
        return bool(await rows_of(connection, _SQL["add"], values))

    async def due(self, rooms: int, limit: int, others: Collection[str]) -> list[WaitingEvent]:
        """Return the oldest *limit* events of up to *rooms* rooms, but for *others*, by their rooms and in order."""
        values = {"rooms": rooms, "limit": limit, "others": list(others)}
        return [WaitingEvent(**row) for row in await self._database.rows(_SQL["due"], values)]

    async def trying(self, events: Sequence[WaitingEvent], since: str) -> None:
        """Record that *events* of one room, whose newest event is *since*, are about to be posted."""
        await self._database.execute(_SQL["trying"], {"ids": [each.id for each in events], "since": since})

    async def closed(self, event: WaitingEvent, event_id: str | None, error: str | None = None) -> None:
        """Record that *event* was posted as *event_id*, or cannot be because of *error*."""
        await self._database.execute(_SQL["closed"], {"id": event.id, "event_id": event_id, "error": error})

    async def find(self, key: str) -> EventState | None:
        """Return what became of the event *key*; None: there is none."""
        row = await self._database.row(_SQL["find"], {"key": key})
        return None if row is None else EventState(**row)

    async def has_mirrors(self) -> bool:
        """Tell whether a log channel mirrors turns."""
        return await self._database.row(_SQL["mirrors"]) is not None

    async def mirrored_agents(self, channel: int) -> list[int] | None:
        """Return the agents (row ids) whose turns the channel with the room *channel* mirrors; None: those of all."""
        row = await self._database.row(_SQL["mirror_of"], {"channel": channel})
        return [] if row is None else row["agents"]

    async def mirror(self, connection: Connection, channel: int, agent: int | None) -> None:
        """Have the channel with the room *channel* mirror the turns of all agents (None), or also those of one."""
        await connection.execute(_SQL["set_mirror"], {"channel": channel, "agent": agent})

    async def end_mirror(self, connection: Connection, channel: int) -> None:
        """Have the channel with the room *channel* mirror no turns any more."""
        await connection.execute(_SQL["end_mirror"], {"channel": channel})

    async def unmirrored(self, limit: int) -> list[MirroredStep]:
        """Return up to *limit* beginnings and ends of turns that log channels do not show yet, in their order."""
        rows = await self._database.rows(_SQL["unmirrored"], {"limit": limit})
        return [
            MirroredStep(
                key=row["name"],
                log=row["log"],
                turn=row["key"],
                room_id=row["said_in"],
                agent_id=row["agent_id"],
                ghost=row["ghost"],
                agent=row["agent"],
                is_end=row["is_end"],
                state=row["state"],
                seconds=row["seconds"],
                input_tokens=row["input_tokens"],
                output_tokens=row["output_tokens"],
                error=row["error"],
            )
            for row in rows
        ]

    async def mirrored(self) -> None:
        """Record that everything up to now is mirrored, but for the last minutes."""
        await self._database.execute(_SQL["mirrored"])
