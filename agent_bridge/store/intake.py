"""What comes in: messages become turns once, or are noted as ignored; people's wishes to end an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.core.turns import BOT_THREAD, StopReason
from agent_bridge.store.locks import ROOM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agent_bridge.core.rooms import HistoryCursor
    from agent_bridge.core.turns import Ignored, NewTurn, StopRequest
    from agent_bridge.store.database import Connection, Database

_ACCEPT = """
WITH found AS (
    SELECT id FROM conversation
    WHERE room_id = %(room_id)s AND thread_id = %(thread)s
      AND portal IS NOT DISTINCT FROM coalesce(%(portal)s, portal)
), made AS (
    INSERT INTO conversation (room_id, thread_id, portal)
    SELECT %(room_id)s, %(thread)s, %(portal)s WHERE NOT EXISTS (SELECT 1 FROM found)
    ON CONFLICT (room_id, thread_id) DO UPDATE SET portal = coalesce(EXCLUDED.portal, conversation.portal)
    RETURNING id
)
INSERT INTO turn (event_id, conversation, kind, sender, payload, said_at)
SELECT %(event_id)s, lane.id, %(kind)s, %(sender)s, %(payload)s,
       CASE WHEN %(said_at)s::bigint > 0 THEN least(now(), to_timestamp(%(said_at)s::bigint / 1000.0)) ELSE now() END
FROM (SELECT id FROM found UNION ALL SELECT id FROM made) AS lane
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id, conversation, CASE WHEN (
    -- No EXISTS: PostgreSQL would read the open turns of all lanes for each row.
    SELECT true FROM turn ahead WHERE ahead.conversation = turn.conversation
      AND ahead.state IN ('queued', 'running', 'committed') LIMIT 1
) THEN pg_notify('agent_bridge', 'waiting') END
"""

# A question that was collected into another is stopped with that one. A command stops what was said before it, and in
# its own conversation rather than in another.
_STOP = """
WITH head AS (
    SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND c.thread_id <> %(bot)s
      AND t.kind = 'message' AND t.state IN ('queued', 'running', 'committed')
      AND t.position < coalesce((SELECT position FROM turn WHERE event_id = %(event_id)s), 9223372036854775807)
    ORDER BY (c.thread_id = %(thread)s) DESC, t.position LIMIT 1
), meant AS (
    SELECT coalesce(t.collected_into, t.id) AS id FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s
    UNION
    SELECT s.turn FROM outbox s JOIN turn t ON t.id = s.turn JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND s.event_id = %(target)s
    UNION
    SELECT id FROM head WHERE %(target)s::text IS NULL
)
UPDATE turn SET stop = %(stop)s, stopped_by = %(event_id)s, not_before = NULL
WHERE id IN (SELECT id FROM meant) AND kind = 'message' AND state IN ('queued', 'running') AND stop IS NULL
RETURNING conversation, pg_notify('agent_bridge', 'stops')
"""


class IntakeStore:
    """Writes the tables ``conversation`` and ``turn`` as messages arrive, ``ignored`` and ``dead_letter``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lock(self, connection: Connection, room_ids: Collection[str], *, alone: bool = False) -> None:
        """Keep others from putting these rooms in order until the caller's transaction ends; *alone*, from any change.

        The first thing in a transaction that writes turns: places are drawn, and rows locked, behind it.
        """
        function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        # Sorted, so that two transactions never wait for each other.
        await connection.execute(
            f"SELECT {function}(%s, key) FROM (SELECT DISTINCT hashtext(room) AS key FROM unnest(%s::text[]) AS room "
            "ORDER BY key) AS keys".encode(),
            (ROOM, list(room_ids)),
        )

    async def accept(self, connection: Connection, turns: Iterable[NewTurn]) -> dict[str, int]:
        """Write *turns* in their order, within the caller's transaction; return the lane of each that is new, by event.

        An event that is known already is passed over: duplicates die here, on the event id. A lane remembers the
        portal that its room turns out to be, though an invitation into the room, say, came first.
        """
        lanes: dict[str, int] = {}
        asked = [
            {
                "room_id": new.room_id,
                "thread": new.thread,
                "portal": new.portal,
                "event_id": new.event_id,
                "kind": new.kind,
                "sender": new.sender,
                "payload": Jsonb(dict(new.payload)),
                "said_at": new.said_at,
            }
            for new in turns
        ]
        async with connection.cursor() as cursor:
            await cursor.executemany(_ACCEPT, asked, returning=True)
            async for result in cursor.results():
                lanes |= {row["event_id"]: row["conversation"] for row in await result.fetchall()}
        return lanes

    async def depths(
        self, connection: Connection, room_ids: Collection[str], *, excluding: Collection[str]
    ) -> dict[str, int]:
        """Return how many messages wait or are answered in each of *room_ids*, without *excluding* (event ids)."""
        cursor = await connection.execute(
            """
            SELECT c.room_id, count(*) AS turns FROM turn t JOIN conversation c ON c.id = t.conversation
            WHERE c.room_id = ANY(%s) AND c.thread_id <> '!' AND t.kind = 'message'
              AND t.state IN ('queued', 'running', 'committed') AND t.event_id <> ALL(%s)
            GROUP BY c.room_id
            """,
            (list(room_ids), list(excluding)),
        )
        return {row["room_id"]: row["turns"] for row in await cursor.fetchall()}

    async def known(self, event_ids: Sequence[str]) -> set[str]:
        """Return those of *event_ids* that are a turn, or were ignored."""
        rows = await self._database.rows(
            """
            SELECT event_id FROM turn WHERE event_id = ANY(%(ids)s)
            UNION SELECT event_id FROM ignored WHERE event_id = ANY(%(ids)s)
            """,
            {"ids": list(event_ids)},
        )
        return {row["event_id"] for row in rows}

    async def ignore(self, connection: Connection, ignored: Iterable[Ignored]) -> None:
        """Note messages that are no turns, and why, within the caller's transaction. What is a turn is passed over."""
        async with connection.cursor() as cursor:
            await cursor.executemany(
                """
                INSERT INTO ignored (event_id, room_id, reason)
                SELECT %(event_id)s, %(room_id)s, %(reason)s
                WHERE NOT EXISTS (SELECT 1 FROM turn WHERE event_id = %(event_id)s)
                ON CONFLICT (event_id) DO NOTHING
                """,
                [{"event_id": each.event_id, "room_id": each.room_id, "reason": each.reason} for each in ignored],
            )

    async def stop(self, connection: Connection, requests: Iterable[StopRequest]) -> list[int]:
        """Note which open turns people want to end, within the caller's transaction; return their lanes."""
        lanes: list[int] = []
        for request in requests:
            cursor = await connection.execute(
                _STOP,
                {
                    "room_id": request.room_id,
                    "target": request.target,
                    "thread": request.thread,
                    "event_id": request.event_id,
                    "bot": BOT_THREAD,
                    "stop": StopReason.STOPPED,
                },
            )
            lanes += [row["conversation"] for row in await cursor.fetchall()]
        return lanes

    async def put_in_order(self, connection: Connection, room: HistoryCursor, event_ids: Sequence[str]) -> None:
        """Give the waiting turns of *room* the order of *event_ids*, its newest events as the homeserver told them.

        A turn of another event that had its position before the request for *event_ids* is older than all of them;
        any other turn is newer. The caller's transaction has locked the room alone.
        """
        await connection.execute(
            """
            WITH waiting AS (
                SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
                WHERE c.room_id = %(room_id)s AND t.state = 'queued' AND t.attempts = 0
                ORDER BY CASE WHEN t.event_id = ANY(%(events)s::text[]) THEN 1
                              WHEN t.position <= %(position)s THEN 0 ELSE 2 END,
                         array_position(%(events)s::text[], t.event_id), t.position
            ), positioned AS (
                SELECT id, nextval('turn_position_seq') AS position FROM waiting
            )
            UPDATE turn SET position = positioned.position FROM positioned WHERE turn.id = positioned.id
            """,
            {"room_id": room.room_id, "events": list(event_ids), "position": room.position},
        )

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        """Keep what can never be taken, for an operator to look at."""
        await self._database.execute(
            "INSERT INTO dead_letter (transaction_id, reason, body) VALUES (%s, %s, %s)", (transaction_id, reason, body)
        )
