"""The rooms that the bridge knows, their participants and their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.errors import StoreError
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import (
    AnswerMode,
    HistoryCursor,
    KindName,
    Participant,
    ParticipantState,
    Room,
    SpeechMode,
    WhenBusy,
)
from agent_bridge.store.corruption import member_or_none, readable
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from psycopg.rows import DictRow

    from agent_bridge.core.rooms import Streaming
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("rooms")


def _room(row: DictRow) -> Room:
    participants = (
        Participant(
            agent,
            ghost,
            ParticipantState(state),
            tuple(dict.fromkeys((name, displayname))),
            is_gone,
            None if answers is None else AnswerMode(answers),
        )
        for agent, ghost, state, name, displayname, is_gone, answers in row["participants"]
    )
    when_busy = member_or_none(WhenBusy, row["when_busy"], "room", row["room_id"])
    values = {
        "kind": KindName(row["kind"]),
        "participants": tuple(participants),
        "when_busy": when_busy,
        "named_threads": frozenset(row["named_threads"]),
    }
    return Room(**{**row, **values})


@dataclass(frozen=True, slots=True)
class UndescribedRoom:
    """A room whose state lacks descriptions of commands."""

    #: Row id.
    id: int
    room_id: str
    #: Name of the descriptions that it should have.
    digest: str


class Rooms:
    """The tables ``room`` and ``participant``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def contexts(
        self,
        room_ids: Collection[str],
        *,
        events: Collection[str] = (),
        replied_to: Collection[str] = (),
        threads: Collection[str] = (),
    ) -> dict[str, Room]:
        """Return those of *room_ids* that the bridge knows.

        *events* are about to be written and do not count as waiting. For each of the events *replied_to*, and of the
        roots of *threads*, that shows an answer, the room tells which agent sent it; also which agents were asked in
        the threads, and which of them have names.
        """
        values: dict[str, object] = {"rooms": list(room_ids), "events": list(events), "threads": list(threads)}
        rows = await self._database.rows(_SQL["contexts"], values | {"replied_to": [*replied_to, *threads]})
        return {room.room_id: room for room in readable("room", rows, lambda row: row["room_id"], _room)}

    async def enter(
        self,
        room_id: str,
        kind: KindName,
        seen: str,
        connection: Connection | None = None,
        *,
        roles: int | None = None,
    ) -> HistoryCursor:
        """Record that the bridge bot has joined a room, after its invitation *seen*; return the cursor for a backfill.

        A room that is known keeps its kind, except a group that turns out to be a conversation of one person.
        *connection*: within its transaction. *roles*: the book of roles by which the bridge made the room; None: people
        made it.
        """
        values = {"room_id": room_id, "kind": kind, "seen": seen, "roles": roles}
        if connection is None:
            row = await self._database.row(_SQL["enter"], values)
        else:
            row = next(iter(await rows_of(connection, _SQL["enter"], values)), None)
        if row is None:
            raise StoreError(f"the room {room_id} was not recorded")
        return HistoryCursor(room_id, (), None, seen, row["position"], row["backfill_requests"])

    async def set_when_busy(self, room_id: str, when_busy: WhenBusy | None) -> bool:
        """Record the treatment of waiting messages in a room; tell whether the room has agents."""
        return await self._database.execute(_SQL["set_when_busy"], {"room_id": room_id, "value": when_busy}) > 0

    async def set_answers(
        self, connection: Connection, room_id: str, agents: Collection[int], answers: AnswerMode
    ) -> None:
        """Record which messages of a room *agents* answer, within the caller's transaction."""
        values = {"room_id": room_id, "agents": list(agents), "answers": answers}
        await connection.execute(_SQL["set_answers"], values)

    async def note_place_changes(self, room_ids: Collection[str]) -> None:
        """Have those of *room_ids* that are servers or channels compared with the homeserver."""
        await self._database.execute(_SQL["note_place_changes"], {"rooms": list(room_ids)})

    async def note_group_changes(self, room_ids: Collection[str]) -> None:
        """Have those of *room_ids* that are groups or lobbies compared with the homeserver; their lanes do not wait."""
        await self._database.execute(_SQL["note_group_changes"], {"rooms": list(room_ids)})

    async def guests_left(self, left: Collection[tuple[str, str]]) -> None:
        """Record that ghosts (localparts) are not in rooms any more that belong to other agents: pairs of both."""
        values: dict[str, object] = {"rooms": [room for room, _ in left], "ghosts": [ghost for _, ghost in left]}
        await self._database.execute(_SQL["guests_left"], values)

    async def set_streaming(self, room_id: str, streaming: Streaming | None) -> bool:
        """Record the display of answers in a room; tell whether the room has agents."""
        return await self._database.execute(_SQL["set_streaming"], {"room_id": room_id, "value": streaming}) > 0

    async def set_speech(self, room_id: str, speech: SpeechMode) -> bool:
        """Record which answers of a room are read aloud; tell whether the room has agents."""
        return await self._database.execute(_SQL["set_speech"], {"room_id": room_id, "value": speech}) > 0

    async def speech(self, room_id: str) -> SpeechMode:
        """Return which answers of a room are read aloud."""
        row = await self._database.row(_SQL["speech"], {"room_id": room_id})
        found = None if row is None else member_or_none(SpeechMode, row["speech"], "room", room_id)
        return found or SpeechMode.ASKED

    async def request_checks(self, room_ids: Collection[str]) -> None:
        """Have those of *room_ids* that are homes or chats compared with the homeserver, while their lanes wait.

        Lobbies are compared too, and their lanes do not wait.
        """
        await self._database.execute(_SQL["request_checks"], {"rooms": list(room_ids)})

    async def awaiting_successor(self, ghost: str) -> list[tuple[str, str]]:
        """Return the homes and chats that were upgraded and not followed yet, each with the localpart of its ghost.

        The bridge may not know yet that the room of the agent with the localpart *ghost* was upgraded.
        """
        rows = await self._database.rows(_SQL["awaiting_successor"], {"ghost": ghost})
        return [(row["room_id"], row["ghost"]) for row in rows]

    async def visited(self) -> list[str]:
        """Return the rooms of people that the bridge bot is in, but for own rooms, and groups of agents."""
        return [row["room_id"] for row in await self._database.rows(_SQL["visited"])]

    async def forget(self, room_id: str) -> None:
        """Forget a room of people."""
        await self._database.execute(_SQL["forget"], {"room_id": room_id})

    async def bind(self, connection: Connection, room_id: str, agent: int) -> int | None:
        """Make *agent*, whose ghost is in the room, the owner of an unbound room, within the caller's transaction.

        Return the owner that the room has then: another agent if people chose that one before. None: the room is not
        known any more, or has turned out to be one of several people.
        """
        await connection.execute(_SQL["bind"], {"room_id": room_id, "agent": agent})
        found = await rows_of(connection, _SQL["owner"], {"room_id": room_id})
        return found[0]["owner"] if found else None

    async def became_group(self, room_id: str) -> None:
        """Record that an unbound room has several people."""
        await self._database.execute(_SQL["became_group"], {"room_id": room_id})

    async def command_given(self, room_id: str, role: Role) -> None:
        """Record that a person with *role* gave a command in a room."""
        await self._database.execute(_SQL["command_given"], {"room_id": room_id, "role": int(role)})

    async def without_descriptions(self, wanted: Mapping[tuple[bool, Role], str]) -> UndescribedRoom | None:
        """Return a room that lacks the descriptions of commands that are *wanted* there; None if there is none.

        They are named by a digest, for the rooms with and without agents, and for the highest role of people who gave
        commands there. In a direct chat with the bot, that is at least a member.
        """
        values = {
            "has_agents": [has_agents for has_agents, _ in wanted],
            "roles": [int(role) for _, role in wanted],
            "digests": [*wanted.values()],
            "member": int(Role.MEMBER),
        }
        row = await self._database.row(_SQL["without_descriptions"], values)
        return None if row is None else UndescribedRoom(**row)

    async def described(self, room: int, digest: str) -> None:
        """Record the descriptions of commands that the room with row id *room* was given, or refused."""
        await self._database.execute(_SQL["described"], {"room": room, "digest": digest})
