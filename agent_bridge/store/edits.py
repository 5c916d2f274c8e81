"""What people want of earlier messages: that they say something else, are answered anew, or are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.core.errors import TurnLost
from agent_bridge.core.turns import ChangeKind, StopReason, TurnKind

if TYPE_CHECKING:
    from typing import LiteralString

    from agent_bridge.core.turns import ChangeRequest, Turn
    from agent_bridge.store.database import Connection, Database

# The change waits in the lane of what it changes. What was not taken up yet says the new text at once; an answer to the
# old text ends, unless more was said since. A question that was collected is answered by the turn that has it.
_NOTE: LiteralString = """
WITH target AS (
    SELECT t.id, t.conversation, t.sender, t.state, t.position, coalesce(t.collected_into, t.id) AS head
    FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.kind = 'message'
      AND (t.event_id = %(target)s
           OR (%(again)s AND t.id = (SELECT turn FROM outbox WHERE event_id = %(target)s LIMIT 1)))
      AND (%(again)s OR t.sender = %(sender)s) AND NOT t.payload ? 'redacted'
    FOR UPDATE OF t
), noted AS (
    INSERT INTO turn (event_id, conversation, kind, sender, payload, said_at)
    SELECT %(event_id)s, conversation, %(kind)s, %(sender)s, %(payload)s || jsonb_build_object('turn', id),
           CASE WHEN %(said_at)s::bigint > 0 THEN least(now(), to_timestamp(%(said_at)s::bigint / 1000.0))
                ELSE now() END
    FROM target
    ON CONFLICT (event_id) DO NOTHING
    RETURNING conversation
), rewritten AS (
    UPDATE turn SET payload = turn.payload || %(message)s || jsonb_build_object('edited_by', %(event_id)s::text)
    FROM target, noted
    WHERE NOT %(again)s AND turn.id = target.id
      AND (turn.state = 'queued'
           OR EXISTS (SELECT 1 FROM turn h WHERE h.id = target.head AND h.id <> turn.id AND h.state = 'queued'))
), ended AS (
    UPDATE turn SET stop = %(edited)s, stopped_by = %(event_id)s
    FROM target, noted
    WHERE NOT %(again)s AND turn.id = target.head AND turn.state = 'running' AND turn.stop IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM turn later
          WHERE later.conversation = turn.conversation AND later.kind = 'message' AND later.state = 'queued')
    RETURNING pg_notify('agent_bridge', 'stops')
)
SELECT conversation FROM noted
"""

# What is noted, or answered, meanwhile is waited for: its text is forgotten too.
_HOLD: LiteralString = "SELECT 1 FROM turn WHERE event_id = %s FOR UPDATE"
_HOLD_HEAD: LiteralString = (
    "SELECT 1 FROM turn WHERE id = (SELECT collected_into FROM turn WHERE event_id = %s) FOR UPDATE"
)

# What waits is closed at once; what is being answered ends by its worker, and one that showed something has one.
_FORGET: LiteralString = """
WITH target AS (
    SELECT t.id, t.conversation, coalesce(t.collected_into, t.id) AS head
    FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s AND t.kind = 'message' AND NOT t.payload ? 'redacted'
), forgotten AS (
    DELETE FROM message USING target WHERE message.turn = target.head
), emptied AS (
    UPDATE turn SET payload = '{"redacted": true}',
           state = CASE WHEN turn.state = 'queued' AND attempts = 0 THEN 'stopped' ELSE turn.state END,
           finished_at = CASE WHEN turn.state = 'queued' AND attempts = 0 THEN now() ELSE finished_at END,
           stop = CASE WHEN turn.state IN ('queued', 'running') THEN %(redacted)s ELSE stop END,
           stopped_by = CASE WHEN turn.state IN ('queued', 'running') THEN %(event_id)s ELSE stopped_by END,
           answer = CASE WHEN turn.state IN ('done', 'failed', 'stopped') THEN NULL ELSE answer END,
           extras = CASE WHEN turn.state IN ('done', 'failed', 'stopped') THEN '{}' ELSE extras END,
           not_before = NULL,
           steps = steps || jsonb_build_object('at', now(), 'what', 'redacted')
    FROM target WHERE turn.id = target.id
    RETURNING turn.conversation, pg_notify('agent_bridge', 'stops'), pg_notify('agent_bridge', 'waiting')
), changes AS (
    UPDATE turn SET payload = turn.payload || '{"message": {}}'
    FROM target WHERE turn.kind = 'change' AND turn.conversation = target.conversation
      AND (turn.payload->>'turn')::bigint = target.id
), refused AS (
    SELECT t.id, coalesce(t.collected_into, t.id) AS head FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s AND t.kind = 'refusal'
), refusals AS (
    UPDATE turn SET payload = turn.payload || CASE WHEN turn.id = refused.id THEN '{"body": ""}'::jsonb ELSE '{}' END,
           answer = CASE WHEN turn.state IN ('done', 'failed') THEN NULL ELSE answer END
    FROM refused WHERE turn.id IN (refused.id, refused.head)
), ended AS (
    UPDATE turn SET stop = %(redacted)s, stopped_by = %(event_id)s
    FROM target WHERE turn.id = target.head AND turn.id <> target.id AND turn.state = 'running'
    RETURNING pg_notify('agent_bridge', 'stops')
)
SELECT conversation FROM emptied
"""

# The target is locked first, here as where it is forgotten: neither waits for the other for ever.
# What it says already is known: this text, or that of a later change, which was written while it waited.
_ASK_ANEW: LiteralString = """
WITH target AS (
    SELECT t.id, greatest(t.position, h.position) AS position, h.id AS head, t.payload
    FROM turn t JOIN turn h ON h.id = coalesce(t.collected_into, t.id)
    WHERE t.id = %(target)s AND NOT t.payload ? 'redacted' FOR UPDATE OF t
), change AS (
    SELECT id, position, event_id FROM turn
    WHERE id = %(change)s AND attempts = %(attempts)s AND state = 'running' AND (SELECT count(*) FROM target) < 2
    FOR UPDATE
), verdict AS (
    SELECT CASE
        WHEN %(again)s THEN 'anew'
        WHEN EXISTS (
            SELECT 1 FROM turn applied
            WHERE applied.event_id = target.payload->>'edited_by' AND applied.position >= change.position
        ) THEN 'known'
        WHEN EXISTS (
            SELECT 1 FROM turn between_them
            WHERE between_them.conversation = %(lane)s AND between_them.kind = 'message'
              AND between_them.position > target.position AND between_them.position < change.position
              AND coalesce(between_them.collected_into, between_them.id) <> target.head
        ) THEN 'past'
        ELSE 'anew' END AS verdict
    FROM change, target
), rewritten AS (
    UPDATE turn SET payload = turn.payload || %(message)s || jsonb_build_object('edited_by', change.event_id)
    FROM change, target, verdict
    WHERE turn.id = target.id AND turn.id <> target.head AND verdict = 'anew' AND NOT %(again)s
), forgotten AS (
    DELETE FROM message USING target, verdict WHERE message.turn = target.head AND verdict = 'anew'
), asked AS (
    UPDATE turn SET state = 'queued', position = change.position, failures = 0, interruptions = 0,
           retries = retries + 1,
           retried_at = now(), not_before = NULL, stop = NULL, stopped_by = NULL, answer = NULL, extras = '{}',
           error = NULL, finished_at = NULL,
           payload = CASE WHEN turn.id = target.id AND NOT %(again)s
                          THEN turn.payload || %(message)s || jsonb_build_object('edited_by', change.event_id)
                          ELSE turn.payload END,
           steps = steps || jsonb_build_object('at', now(), 'what', %(step)s::text)
    FROM change, target, verdict
    WHERE turn.id = target.head AND turn.state IN ('done', 'failed', 'stopped') AND verdict = 'anew'
)
SELECT change.id, coalesce(verdict.verdict, 'gone') AS verdict FROM change LEFT JOIN verdict ON true
"""


class Edits:
    """Writes what changes earlier turns, in the table ``turn``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, connection: Connection, change: ChangeRequest) -> int | None:
        """Write *change* as a turn in the lane of its target, within the caller's transaction; return the lane.

        None when it is known already, or when its target is no message of the same person, or was taken back.
        """
        message = Jsonb(dict(change.payload))
        cursor = await connection.execute(
            _NOTE,
            {
                "room_id": change.room_id,
                "event_id": change.event_id,
                "sender": change.sender,
                "target": change.target,
                "kind": TurnKind.CHANGE,
                "payload": Jsonb({"wish": change.wish, "target": change.target, "message": dict(change.payload)}),
                "message": message,
                "again": change.wish is ChangeKind.AGAIN,
                "edited": StopReason.EDITED,
                "said_at": change.said_at,
            },
        )
        row = await cursor.fetchone()
        return None if row is None else int(row["conversation"])

    async def forget(self, connection: Connection, change: ChangeRequest) -> int | None:
        """Forget what the target of *change* says, within the caller's transaction; return its lane, None without one.

        What waits is closed; an answer that is on its way ends.
        """
        await connection.execute(_HOLD, (change.target,))
        await connection.execute(_HOLD_HEAD, (change.target,))
        cursor = await connection.execute(
            _FORGET,
            {
                "room_id": change.room_id,
                "target": change.target,
                "event_id": change.event_id,
                "redacted": StopReason.REDACTED,
            },
        )
        row = await cursor.fetchone()
        return None if row is None else int(row["conversation"])

    async def ask_again(self, turn: Turn) -> bool:
        """Queue the message that *turn* changes again, in its position; tell whether the change is accepted.

        A message behind which more was said stays as it is, unless just another answer is wanted.

        Raises:
            TurnLost: another worker took *turn* up since.
        """
        again = turn.payload["wish"] == ChangeKind.AGAIN
        row = await self._database.row(
            _ASK_ANEW,
            {
                "change": turn.id,
                "attempts": turn.attempts,
                "lane": turn.conversation,
                "target": turn.payload["turn"],
                "message": Jsonb(turn.payload["message"]),
                "again": again,
                "step": "again" if again else "edited",
            },
        )
        if row is None:
            raise TurnLost(f"turn {turn.key} was taken over by another worker, or is closed")
        return bool(row["verdict"] != "past")
