"""Incoming events: each becomes its turns once, or is noted as ignored. Also requests to end answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.core.ids import turn_key
from agent_bridge.core.payloads import RefusalPayload
from agent_bridge.core.rooms import FILES_TOGETHER
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.payloads import decode, encode, encode_step
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import ROOM
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agent_bridge.core.changes import StopRequest
    from agent_bridge.core.payloads import Payload
    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.core.turns import Addressee, Ignored, NewTurn
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("intake")


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """A message, or an edit, from the time before the people of its room chose an agent."""

    event_id: str
    room_id: str
    #: Root of its thread; empty: the room itself.
    thread: str
    sender: str
    payload: Payload
    #: Row id of the chosen agent, and localpart of its ghost.
    agent: int
    ghost: str
    #: Time of the event, in milliseconds since 1970.
    said_at: int


class IntakeStore:
    """Writes the tables ``conversation`` and ``turn`` as events arrive, ``ignored`` and ``dead_letter``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lock(self, connection: Connection, room_ids: Collection[str]) -> None:
        """Let no other transaction write or reorder turns of these rooms until the caller's transaction ends.

        The first statement of a transaction that writes turns: it draws positions, and locks rows, afterwards.
        """
        await connection.execute(_SQL["lock"], {"kind": ROOM, "rooms": list(room_ids)})

    async def accept(
        self, connection: Connection, turns: Iterable[NewTurn], *, waited: bool = False, shared: bool = False
    ) -> dict[str, list[int]]:
        """Write *turns* in their order, within the caller's transaction, which has locked their rooms.

        Return the lanes of the turns that are new, by event. An event that has a turn already, or was ignored, is
        skipped; so is a turn whose ``once_key`` an earlier turn has. *waited*: the events come from :meth:`waiting`.
        *shared*: the messages have turns of other agents.
        """
        wanted: dict[str, NewTurn] = {}
        for new in turns:
            wanted.setdefault(new.once_key or new.event_id, new)
        rows = [(new, addressee) for new in wanted.values() for addressee in new.addressees]
        if not rows:
            return {}
        values = {"turns": Jsonb([_row(*row) for row in rows]), "waited": waited, "shared": shared}
        cursor = await connection.execute(_SQL["accept"], values)
        lanes: dict[str, list[int]] = {}
        for row in await cursor.fetchall():
            lanes.setdefault(row["event_id"], []).append(row["conversation"])
        return lanes

    async def take_budget(self, connection: Connection, bot: str, agent: int, most: int) -> bool:
        """Count that the account *bot* asks the agent with row id *agent*, within the caller's transaction.

        Return False if it has asked *most* times in the last minute.
        """
        values = {"user_id": bot, "agent": agent, "most": most}
        return bool(await rows_of(connection, _SQL["take_budget"], values))

    async def interrupt(self, connection: Connection, event_ids: Collection[str], lanes: Collection[int]) -> None:
        """End the answers that are given in *lanes*, because of the new messages *event_ids* there.

        Within the caller's transaction, which has written the messages. Files that one person sends together do not
        interrupt each other.
        """
        values = {
            "events": list(event_ids),
            "lanes": list(lanes),
            "together": FILES_TOGETHER,
            "step": encode_step("interrupted"),
        }
        await connection.execute(_SQL["interrupt"], values)

    async def count_waiting(self, room_ids: Collection[str], events: Collection[str]) -> dict[str, int]:
        """Return how many messages and edits, besides *events*, wait in *room_ids* for the choice of an agent."""
        rows = await self._database.rows(_SQL["count_waiting"], {"rooms": list(room_ids), "events": list(events)})
        return {row["room_id"]: row["number"] for row in rows}

    async def waiting(self, connection: Connection, room_ids: Collection[str]) -> list[WaitingEvent]:
        """Return the events that wait in those of *room_ids* that have an agent by now, in their order."""
        found = await rows_of(connection, _SQL["waiting"], {"rooms": list(room_ids)})
        return [WaitingEvent(**{**row, "payload": decode(TurnKind.CHOICE, row["payload"])}) for row in found]

    async def move_waiting(self, connection: Connection, old: str, new: str) -> set[int]:
        """Have the events that wait in the room *old* go on to wait in *new*; return the lane if any does.

        Within the caller's transaction, which has locked both rooms. Both have yet to get an agent, else nothing
        changes. The next turn of the lane shows the list of agents in *new*. A list that was shown in *old* counts
        there, and commands that are not answered yet are answered there.
        """
        rows = await rows_of(connection, _SQL["move_waiting"], {"old": old, "new": new})
        return {row["conversation"] for row in rows}

    async def known(self, event_ids: Collection[str], connection: Connection | None = None) -> set[str]:
        """Return those of *event_ids* that have a turn or were ignored; *connection*: as its transaction sees them."""
        values = {"events": list(event_ids)}
        if connection is None:
            rows = await self._database.rows(_SQL["known"], values)
        else:
            rows = await (await connection.execute(_SQL["known"], values)).fetchall()
        return {row["event_id"] for row in rows}

    async def vouched(self, relayed: Collection[tuple[str, str, str]]) -> set[str]:
        """Return the ids of those *relayed* events (id, mark, person) that programs of the people have asked for."""
        values = {
            "events": [event_id for event_id, _, _ in relayed],
            "marks": [mark for _, mark, _ in relayed],
            "people": [person for _, _, person in relayed],
        }
        return {row["event_id"] for row in await self._database.rows(_SQL["vouched"], values)}

    async def overheard(self, event_ids: Collection[str]) -> set[str]:
        """Return those of *event_ids* that other agents got a moment before another one entered the room."""
        rows = await self._database.rows(_SQL["overheard"], {"events": list(event_ids)})
        return {row["event_id"] for row in rows}

    async def ignore(self, connection: Connection, ignored: Sequence[Ignored]) -> None:
        """Note events that have no turn, and why, within the caller's transaction; skip those that have one."""
        if ignored:
            await connection.execute(
                _SQL["ignore"],
                {
                    "events": [each.event_id for each in ignored],
                    "rooms": [each.room_id for each in ignored],
                    "reasons": [each.reason for each in ignored],
                },
            )

    async def stop(self, connection: Connection, requests: Iterable[StopRequest]) -> list[int]:
        """Note which answers people want to end, within the caller's transaction; return the lanes of these answers."""
        lanes: list[int] = []
        for request in requests:
            about = {"room_id": request.room_id, "target": request.target}
            if request.target is not None:
                await connection.execute(_SQL["lock_target"], about)
            values = about | {"thread": request.thread, "event_id": request.event_id}
            cursor = await connection.execute(_SQL["stop"], values)
            lanes += [row["conversation"] for row in await cursor.fetchall()]
        return lanes

    async def put_in_order(self, connection: Connection, room: HistoryCursor, event_ids: Sequence[str]) -> None:
        """Give the waiting turns of *room* the order of *event_ids*, its newest events by the homeserver's history.

        A turn of another event that had its position before the request for *event_ids* is older than all of them; any
        other turn is newer. The caller's transaction has locked the room.
        """
        await connection.execute(
            _SQL["put_in_order"],
            {"room_id": room.room_id, "events": list(event_ids), "position": room.position},
        )

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        """Store an event or a transaction that can never be accepted, for an operator."""
        await self._database.execute(
            _SQL["add_dead_letter"], {"transaction": transaction_id, "reason": reason, "body": body}
        )


def _row(new: NewTurn, addressee: Addressee) -> dict[str, Any]:
    """Return the turn of *new* for *addressee*, as the statement ``accept`` reads it."""
    return {
        "event_id": new.event_id,
        "room_id": new.room_id,
        "thread_id": new.thread,
        "agent": addressee.agent,
        "key": turn_key(new.event_id, addressee.localpart),
        "kind": new.kind,
        "sender": new.sender,
        "payload": encode(new.payload).obj,
        "reason": new.payload.reason if isinstance(new.payload, RefusalPayload) else None,
        "once_key": new.once_key,
        "said_at": new.said_at,
    }
