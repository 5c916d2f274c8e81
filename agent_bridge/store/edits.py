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
from agent_bridge.core.payloads import AgainPayload, EditPayload
from agent_bridge.core.turns import NewTurn, TurnKind
from agent_bridge.store.contents import apply_edits, has_new_edit, lock_messages
from agent_bridge.store.payloads import decode, encode, encode_step
from agent_bridge.store.postgres.database import rows_of
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
    #: The new content is for others than the agents that have the message.
    FOR_OTHERS = "for_others"


@dataclass(frozen=True, slots=True)
class Noted:
    """The result of a change."""

    #: The lanes in which it waits, whose waiting message it has changed, or whose answer it has ended.
    lanes: Sequence[int] = ()
    refusal: ChangeRefusal | None = None


class Edits:
    """Writes changes of earlier turns, in the table ``turn``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def shared(self, connection: Connection, change: ChangeRequest) -> NewTurn | None:
        """Return the turns of the message that the edit *change* addresses to agents, with its first content.

        Some of these agents may have the message already. None: no agent has it, or another person sent it.
        """
        values = {"room_id": change.room_id, "target": change.target, "sender": change.sender}
        rows = await rows_of(connection, _SQL["shared"], values)
        if not (rows and change.addressees):
            return None
        return NewTurn(
            event_id=change.target,
            room_id=change.room_id,
            kind=TurnKind.MESSAGE,
            sender=change.sender,
            payload=decode(TurnKind.MESSAGE, rows[0]["payload"]),
            addressees=change.addressees,
            thread=rows[0]["thread"],
            said_at=change.said_at,
        )

    async def note(self, connection: Connection, change: ChangeRequest, *, may_wait: bool = True) -> Noted:
        """Write an edit or a request for another answer, within the caller's transaction.

        A message that waits gets its new content now. An edit takes the place of an edit that waits. Unless it
        *may_wait*, the change is refused where it needs a further place in the queue. A known change is not written.
        The agents that new content does not address, if it addresses any, keep the message as it was; their answers
        that are not complete yet end.
        """
        again = change.kind is ChangeKind.AGAIN
        kind = TurnKind.AGAIN if again else TurnKind.EDIT
        values = {"room_id": change.room_id, "target": change.target, "sender": change.sender, "again": again}
        targets = await rows_of(connection, _SQL["lock_targets"], values)
        if not targets:
            return Noted(refusal=ChangeRefusal.UNKNOWN)
        withdrawn: list[int] = []
        if change.addressees is not None:
            agents = {each.agent for each in change.addressees}
            if not may_wait and agents - {row["agent"] for row in targets}:
                return Noted(refusal=ChangeRefusal.FULL)
            withdrawn = await self._withdraw(connection, change, [row for row in targets if row["agent"] not in agents])
            targets = [row for row in targets if row["agent"] in agents]
            if not targets:
                return Noted(withdrawn, ChangeRefusal.FOR_OTHERS)
        heads = [row["head"] for row in targets]
        locked = await rows_of(connection, _SQL["lock_heads"], {"heads": heads})
        due = {row["id"] for row in locked if row["due"]}
        equal = {"targets": [row["id"] for row in targets], "heads": heads, "kind": kind, "event_id": change.event_id}
        found = await rows_of(connection, _SQL["lock_waiting"], equal)
        waiting = {row["about"]: row for row in reversed(found)}
        if again:
            targets = [row for row in targets if row["head"] not in waiting]
            if not targets:
                return Noted(refusal=ChangeRefusal.MERGED)
        if not may_wait and any(again or not (row["head"] in due or row["id"] in waiting) for row in targets):
            return Noted(refusal=ChangeRefusal.FULL)
        payload = AgainPayload(change.target) if again else EditPayload(change.target, change.message)
        replaced = [waiting.get(row["id"], {}) for row in targets]
        noted = await rows_of(
            connection,
            _SQL["note"],
            {
                "targets": [row["id"] for row in targets],
                "lanes": [row["conversation"] for row in targets],
                "heads": [row["head"] for row in targets],
                "keys": [turn_key(change.event_id, row["ghost"]) for row in targets],
                "waits": [row["head"] in due for row in targets],
                "waiting": [row.get("id") for row in replaced],
                "places": [row.get("position") for row in replaced],
                "event_id": change.event_id,
                "kind": kind,
                "sender": change.sender,
                "payload": encode(payload),
                "said_at": change.said_at,
            },
        )
        for head in () if again else sorted(due):
            await apply_edits(connection, head)
        return Noted([*withdrawn, *(row["conversation"] for row in noted)])

    async def _withdraw(self, connection: Connection, change: ChangeRequest, targets: Sequence[DictRow]) -> list[int]:
        """End the answers to the messages *targets*, which *change* takes from their agents; return the lanes."""
        values = {"targets": [row["id"] for row in targets], "event_id": change.event_id}
        return [row["conversation"] for row in await rows_of(connection, _SQL["withdraw"], values)]

    async def ask_again(self, turn: Turn) -> bool:
        """Queue the message that *turn* changes again, in the position of *turn*; tell whether the change is accepted.

        The message gets the content of its newest edit. An edit of a message behind which more was said is not
        accepted. A message stays as it is if it has that content already, if it is open, if it was redacted, or if
        *turn* was stopped. But an answer that an edit has ended is given again, also if the edit was redacted.

        Raises:
            TurnLost: another worker has taken *turn* up since, or the answer is shown once more before it.
        """
        values = {"turn": turn.id, "attempts": turn.attempts}
        async with self._database.transaction() as connection:
            targets = await rows_of(connection, _SQL["target"], values)
            for target in targets:
                await lock_messages(connection, target["head"])
            changes = await rows_of(connection, _SQL["lock_change"], values)
            if not changes:
                raise TurnLost(f"turn {turn.key} was taken over by another worker, or is closed")
            for target in targets:
                about = {"turn": turn.id, "target": target["id"], "head": target["head"]}
                (verdict,) = await rows_of(connection, _SQL["judge"], about)
                if verdict["shown_again"]:
                    raise TurnLost(f"turn {turn.key} waits for an answer that is shown once more")
                is_edit, ended = turn.kind is TurnKind.EDIT, bool(verdict["ended"])
                is_new = not (is_edit or verdict["withdrawn"]) or await has_new_edit(connection, target["head"])
                if is_edit and is_new and verdict["past"] and not ended:
                    return False
                if verdict["asks"] and (is_new or ended):
                    await apply_edits(connection, target["head"])
                    step = encode_step("edited" if is_edit else "again")
                    await connection.execute(_SQL["ask_again"], about | {"step": step})
        return True
