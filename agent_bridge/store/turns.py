"""Turns: accepted once, taken in order, answered, done. The truth about what is still to be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.core.model import Said, Send, Turn, TurnKind, TurnState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from psycopg.rows import DictRow

    from agent_bridge.core.model import NewTurn
    from agent_bridge.store.database import Connection, Database

_ACCEPT = """
WITH found AS (
    SELECT id FROM conversation
    WHERE room_id = %(room_id)s AND thread_id = '' AND portal IS NOT DISTINCT FROM coalesce(%(portal)s, portal)
), made AS (
    INSERT INTO conversation (room_id, portal)
    SELECT %(room_id)s, %(portal)s WHERE NOT EXISTS (SELECT 1 FROM found)
    ON CONFLICT (room_id, thread_id) DO UPDATE SET portal = coalesce(EXCLUDED.portal, conversation.portal)
    RETURNING id
)
INSERT INTO turn (event_id, conversation, kind, sender, payload)
SELECT %(event_id)s, lane.id, %(kind)s, %(sender)s, %(payload)s
FROM (SELECT id FROM found UNION ALL SELECT id FROM made) AS lane
ON CONFLICT (event_id) DO NOTHING
RETURNING conversation
"""

_TAKE = """
UPDATE turn t
SET state = CASE WHEN t.state = 'answered' THEN t.state ELSE 'running' END,
    attempts = t.attempts + 1, not_before = NULL, started_at = coalesce(t.started_at, now())
FROM conversation c
WHERE c.id = t.conversation
  AND t.id = (
      SELECT id FROM turn
      WHERE conversation = %s AND state IN ('queued', 'running', 'answered')
      ORDER BY id LIMIT 1
  )
  AND (t.not_before IS NULL OR t.not_before <= now())
RETURNING t.id, t.event_id, t.conversation, c.room_id, c.portal, t.kind, t.sender, t.payload, t.state, t.attempts,
          t.failures, t.answer, t.error
"""


def _turn(row: DictRow) -> Turn:
    fields = dict(row)
    return Turn(**{**fields, "kind": TurnKind(fields["kind"]), "state": TurnState(fields["state"])})


class Turns:
    """The tables ``conversation``, ``turn``, ``send`` and ``message``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, connection: Connection, turns: Iterable[NewTurn]) -> list[int]:
        """Write *turns* in their order, within the caller's transaction; return the lanes that got one.

        An event that is known already is passed over: duplicates die here, on the event id. A lane remembers the
        portal that its room turns out to be, though an invitation into the room, say, came first.
        """
        lanes: dict[int, None] = {}
        for new in turns:
            cursor = await connection.execute(
                _ACCEPT,
                {
                    "room_id": new.room_id,
                    "portal": new.portal,
                    "event_id": new.event_id,
                    "kind": new.kind,
                    "sender": new.sender,
                    "payload": Jsonb(dict(new.payload)),
                },
            )
            row = await cursor.fetchone()
            if row is not None:
                lanes[row["conversation"]] = None
        return list(lanes)

    async def accept_alone(self, turns: Iterable[NewTurn]) -> None:
        """Write *turns* in their order, in a transaction of their own. Their lanes have to be awake already."""
        async with self._database.transaction() as connection:
            await self.accept(connection, turns)

    async def remove(self, turn: int) -> None:
        """Forget *turn*, so that its event counts as new."""
        await self._database.execute("DELETE FROM turn WHERE id = %s", (turn,))

    async def bot_rooms(self, room_ids: Sequence[str]) -> set[str]:
        """Return those of *room_ids* that are a DM with the bridge bot."""
        if not room_ids:
            return set()
        rows = await self._database.rows(
            "SELECT room_id FROM conversation WHERE room_id = ANY(%s) AND direct", (list(room_ids),)
        )
        return {row["room_id"] for row in rows}

    async def set_direct(self, lane: int) -> None:
        """Record that the lane's room is a DM with the bridge bot."""
        await self._database.execute("UPDATE conversation SET direct = true WHERE id = %s", (lane,))

    async def take(self, lane: int) -> Turn | None:
        """Take up the turn at the head of *lane*; None when there is none, or when it has to wait.

        A turn that an earlier worker had taken up and not finished is at the head still.
        """
        row = await self._database.row(_TAKE, (lane,))
        return None if row is None else _turn(row)

    async def waits_until(self, lane: int) -> datetime | None:
        """Return the time before which the turn at the head of *lane* must not be taken up.

        None when it may be taken up at any time, and when there is no open turn.
        """
        row = await self._database.row(
            """
            SELECT not_before FROM turn
            WHERE conversation = %s AND state IN ('queued', 'running', 'answered')
            ORDER BY id LIMIT 1
            """,
            (lane,),
        )
        return None if row is None else row["not_before"]

    async def count_open(self) -> dict[int | None, int]:
        """Return the number of open turns by portal (None: the bridge bot's rooms)."""
        rows = await self._database.rows(
            """
            SELECT c.portal, count(*) AS turns FROM turn t JOIN conversation c ON c.id = t.conversation
            WHERE t.state IN ('queued', 'running', 'answered') GROUP BY c.portal
            """
        )
        return {row["portal"]: row["turns"] for row in rows}

    async def put_back(self, turn: int, *, delay: float, failed: bool) -> None:
        """Let *turn* keep its place at the head of its lane, to be taken up after *delay* seconds.

        *failed* counts a failure of the upstream against it. A committed answer stays committed, and a closed turn
        closed.
        """
        await self._database.execute(
            """
            UPDATE turn SET state = CASE WHEN state = 'answered' THEN state ELSE 'queued' END,
                   failures = failures + %s, not_before = now() + make_interval(secs => %s)
            WHERE id = %s AND state IN ('queued', 'running', 'answered')
            """,
            (int(failed), delay, turn),
        )

    async def answered(
        self, turn: Turn, answer: str, *, error: str | None, parts: int, transcript: Sequence[Said] = ()
    ) -> None:
        """Commit the answer, the intention to show it in *parts* parts, and what the transcript gains.

        After this the upstream is never asked again for this turn.
        """
        await self._database.execute(
            """
            WITH answered AS (
                UPDATE turn SET state = 'answered', answer = %(answer)s, error = %(error)s WHERE id = %(turn)s
            ), intended AS (
                INSERT INTO send (turn, part) SELECT %(turn)s, generate_series(0, %(parts)s - 1)
                ON CONFLICT (turn, part) DO NOTHING
            )
            INSERT INTO message (conversation, turn, role, content)
            SELECT %(lane)s, %(turn)s, said.role, said.content
            FROM unnest(%(roles)s::text[], %(contents)s::text[]) WITH ORDINALITY AS said (role, content, position)
            ORDER BY said.position
            """,
            {
                "turn": turn.id,
                "lane": turn.conversation,
                "answer": answer,
                "error": error,
                "parts": parts,
                "roles": [said.role for said in transcript],
                "contents": [said.content for said in transcript],
            },
        )

    async def finish(self, turn: int, state: TurnState, sent: Mapping[int, str]) -> None:
        """Close *turn* as *state* (done or failed), with the events that show its parts."""
        await self._database.execute(
            """
            WITH shown AS (
                UPDATE send SET event_id = sent.event_id
                FROM unnest(%(parts)s::integer[], %(events)s::text[]) AS sent (part, event_id)
                WHERE send.turn = %(turn)s AND send.part = sent.part
            )
            UPDATE turn SET state = %(state)s, finished_at = now() WHERE id = %(turn)s
            """,
            {"turn": turn, "state": state, "parts": list(sent), "events": list(sent.values())},
        )

    async def intend(self, turn: int, part: int) -> None:
        """Write the intention to say part *part*, before the request goes out."""
        await self._database.execute(
            "INSERT INTO send (turn, part) VALUES (%s, %s) ON CONFLICT (turn, part) DO NOTHING", (turn, part)
        )

    async def sent(self, turn: int, part: int, event_id: str) -> None:
        """Record the event that shows part *part*."""
        await self._database.execute(
            "UPDATE send SET event_id = %s WHERE turn = %s AND part = %s", (event_id, turn, part)
        )

    async def sends(self, turn: int) -> list[Send]:
        """Return what was said, or may have been said, for *turn*, by part."""
        rows = await self._database.rows(
            "SELECT part, event_id, created_at FROM send WHERE turn = %s ORDER BY part", (turn,)
        )
        return [Send(**row) for row in rows]

    async def transcript(self, lane: int, limit: int) -> list[Said]:
        """Return the last *limit* messages of the lane's transcript, oldest first."""
        rows = await self._database.rows(
            "SELECT role, content FROM message WHERE conversation = %s ORDER BY id DESC LIMIT %s",
            (lane, limit),
        )
        return [Said(row["role"], row["content"]) for row in reversed(rows)]
