"""Requests that change earlier messages: new content, another answer, or that a message is forgotten.

A message may have several turns, one for each agent that answers it. A change is about all of them, and waits in the
lane of each one as a turn of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.core.changes import ChangeKind
from agent_bridge.core.errors import TurnLost
from agent_bridge.core.ids import turn_key
from agent_bridge.core.payloads import AgainPayload, EditPayload, MessagePayload, RefusalPayload
from agent_bridge.core.turns import TurnKind
from agent_bridge.store.payloads import decode, encode, encode_step
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from psycopg.rows import DictRow

    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.core.payloads import Payload
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("edits")


class Edits:
    """Writes changes of earlier turns, in the table ``turn``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, connection: Connection, change: ChangeRequest) -> list[int]:
        """Write an edit or a request for another answer, within the caller's transaction; return the lanes it waits in.

        It waits in none if it is known already, or if its target is no message of the same person, or was redacted.
        """
        again = change.kind is ChangeKind.AGAIN
        values = {"room_id": change.room_id, "target": change.target, "sender": change.sender, "again": again}
        targets = await (await connection.execute(_SQL["lock_targets"], values)).fetchall()
        if not targets:
            return []
        payload = AgainPayload(change.target) if again else EditPayload(change.target, change.message)
        cursor = await connection.execute(
            _SQL["note"],
            {
                "targets": [row["id"] for row in targets],
                "lanes": [row["conversation"] for row in targets],
                "heads": [row["head"] for row in targets],
                "keys": [turn_key(change.event_id, row["ghost"]) for row in targets],
                "edited": [encode(_message(row).edited(change.message)) for row in targets],
                "event_id": change.event_id,
                "kind": TurnKind.AGAIN if again else TurnKind.EDIT,
                "sender": change.sender,
                "payload": encode(payload),
                "said_at": change.said_at,
            },
        )
        return [row["conversation"] for row in await cursor.fetchall()]

    async def forget(self, connection: Connection, change: ChangeRequest) -> list[int]:
        """Forget the content of a redacted message, within the caller's transaction; return the lanes of its turns.

        Messages that wait are closed; answers that are being given end.
        """
        values = {"room_id": change.room_id, "target": change.target}
        rows = await (await connection.execute(_SQL["lock_redacted"], values)).fetchall()
        if not rows:
            return []
        turns = [row["id"] for row in rows]
        await connection.execute(_SQL["lock_heads"], {"turns": turns})
        cursor = await connection.execute(
            _SQL["forget"],
            {
                "turns": turns,
                "payloads": [encode(_emptied(decode(row["kind"], row["payload"]))) for row in rows],
                "emptied_edit": encode(EditPayload(change.target, MessagePayload())),
                "event_id": change.event_id,
                "step": encode_step("redacted"),
            },
        )
        return [row["conversation"] for row in await cursor.fetchall()]

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


def _emptied(payload: Payload) -> Payload:
    """Return *payload* without any of its content."""
    return replace(payload, excerpt="") if isinstance(payload, RefusalPayload) else MessagePayload()
