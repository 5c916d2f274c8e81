"""Requests that change earlier messages: new content, or another answer.

A message may have several turns, one for each agent that answers it. A change is about all of them, and waits in the
lane of each one as a turn of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind
from agent_bridge.core.errors import TurnLost
from agent_bridge.core.ids import turn_key
from agent_bridge.core.payloads import AgainPayload, EditPayload, MessagePayload
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.payloads import decode, encode, encode_step
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.rows import DictRow

    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("edits")


class ChangeRefusal(StrEnum):
    """Why a change is not written."""

    #: No agent was asked the message, another person sent it, or the bridge does not know it any more.
    UNKNOWN = "unknown"
    #: An equal request waits already.
    MERGED = "merged"
    #: As many messages and changes wait in the room as are allowed.
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Noted:
    """The result of a change."""

    #: The lanes in which it waits, or whose waiting message it has changed.
    lanes: Sequence[int] = ()
    refusal: ChangeRefusal | None = None


class Edits:
    """Writes changes of earlier turns, in the table ``turn``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, connection: Connection, change: ChangeRequest, *, may_wait: bool = True) -> Noted:
        """Write an edit or a request for another answer, within the caller's transaction.

        A message that waits gets its new content now. An edit takes the place of an edit that waits. Unless it
        *may_wait*, the change is refused where it needs a further place in the queue. A known change is not written.
        """
        again = change.kind is ChangeKind.AGAIN
        kind = TurnKind.AGAIN if again else TurnKind.EDIT
        values = {"room_id": change.room_id, "target": change.target, "sender": change.sender, "again": again}
        targets = await (await connection.execute(_SQL["lock_targets"], values)).fetchall()
        if not targets:
            return Noted(refusal=ChangeRefusal.UNKNOWN)
        equal = {"targets": [row["id"] for row in targets], "kind": kind, "event_id": change.event_id}
        found = await (await connection.execute(_SQL["lock_waiting"], equal)).fetchall()
        waiting = {row["target"]: row for row in reversed(found)}
        if again and len(waiting) == len(targets):
            return Noted(refusal=ChangeRefusal.MERGED)
        targets = [row for row in targets if not (again and row["id"] in waiting)]
        if not may_wait and any(again or not (row["waits"] or row["id"] in waiting) for row in targets):
            return Noted(refusal=ChangeRefusal.FULL)
        payload = AgainPayload(change.target) if again else EditPayload(change.target, change.message)
        replaced = [waiting.get(row["id"], {}) for row in targets]
        cursor = await connection.execute(
            _SQL["note"],
            {
                "targets": [row["id"] for row in targets],
                "lanes": [row["conversation"] for row in targets],
                "heads": [row["head"] for row in targets],
                "keys": [turn_key(change.event_id, row["ghost"]) for row in targets],
                "edited": [encode(_message(row).edited(change.message)) for row in targets],
                "waits": [row["waits"] for row in targets],
                "waiting": [row.get("id") for row in replaced],
                "places": [row.get("position") for row in replaced],
                "event_id": change.event_id,
                "kind": kind,
                "sender": change.sender,
                "payload": encode(payload),
                "said_at": change.said_at,
            },
        )
        return Noted([row["conversation"] for row in await cursor.fetchall()])

    async def ask_again(self, turn: Turn) -> bool:
        """Queue the message that *turn* changes again, in the position of *turn*; tell whether the change is accepted.

        An edit of a message behind which more was said is not accepted. A message that has the content of the edit
        already, that was redacted, or that is open, stays as it is.

        Raises:
            TurnLost: another worker has taken *turn* up since.
        """
        values = {"turn": turn.id, "attempts": turn.attempts}
        async with self._database.transaction() as connection:
            target = await (await connection.execute(_SQL["lock_target"], values)).fetchone()
            if await (await connection.execute(_SQL["lock_change"], values)).fetchone() is None:
                raise TurnLost(f"turn {turn.key} was taken over by another worker, or is closed")
            if target is None:
                return True
            about = {"turn": turn.id, "target": target["id"]}
            edited = None
            if isinstance(turn.payload, EditPayload):
                verdict = await (await connection.execute(_SQL["judge"], about)).fetchone()
                if verdict is None or verdict["known"] or verdict["past"]:
                    return verdict is None or bool(verdict["known"])
                edited = encode(_message(target).edited(turn.payload.message))
            step = encode_step("again" if edited is None else "edited")
            await connection.execute(_SQL["ask_again"], about | {"edited": edited, "step": step})
        return True


def _message(row: DictRow) -> MessagePayload:
    payload = decode(row["kind"], row["payload"])
    if not isinstance(payload, MessagePayload):
        raise TypeError(f"turn {row['id']} is not a message")
    return payload
