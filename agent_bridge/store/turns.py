"""Turns as they are worked off: taken in order, answered, done. The truth about what is still to be said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.core.answers import NO_EXTRAS
from agent_bridge.core.errors import TurnLost
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import QueuedMessage, Send, StopReason, Turn, TurnKind, TurnState
from agent_bridge.store.extras import extras_from_json, extras_to_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.core.answers import AnswerExtras
    from agent_bridge.store.database import Database, Params

# A story of so many steps is told; one that goes on for ever must not grow for ever.
_STEP: LiteralString = """
    CASE WHEN jsonb_array_length(turn.steps) < 100
         THEN turn.steps || (jsonb_build_object('at', now()) || %(step)s::jsonb) ELSE turn.steps END
"""

_TAKEN_BACK: LiteralString = "(turn.payload ? 'redacted' OR turn.stop IS NOT DISTINCT FROM 'redacted')"

# The state is looked at twice: the second time it is that which another worker has just committed.
# A question that is asked anew has the position of the change that wants it, which is closed first.
# `waits_since` lies in the future only if the clock was set back: then nobody knows for how long it would wait.
_TAKE: LiteralString = f"""
UPDATE turn
SET state = CASE WHEN turn.state = 'committed' THEN turn.state ELSE 'running' END,
    attempts = turn.attempts + 1,
    interruptions = turn.interruptions
        + (turn.state = 'running' OR (turn.state = 'committed' AND turn.waits_since IS NULL))::integer,
    not_before = NULL, waits_since = NULL, started_at = coalesce(turn.started_at, now()),
    steps = {_STEP}
FROM conversation c
WHERE c.id = turn.conversation
  AND turn.id = (
      SELECT id FROM turn
      WHERE conversation = %(lane)s AND state IN ('queued', 'running', 'committed')
      ORDER BY position, id DESC LIMIT 1
  )
  AND turn.state IN ('queued', 'running', 'committed')
  AND (turn.not_before IS NULL OR turn.not_before <= now() OR turn.waits_since > now())
  AND (c.thread_id = '!' OR NOT EXISTS (SELECT 1 FROM room r WHERE r.room_id = c.room_id AND r.needs_backfill))
RETURNING turn.id, turn.event_id, turn.conversation, c.room_id, c.thread_id AS thread, c.portal, turn.kind,
          turn.sender, turn.payload, turn.state, turn.attempts, turn.failures, turn.interruptions, turn.retries,
          turn.stop, turn.answer, turn.extras, turn.error,
          extract(epoch FROM now() - coalesce(turn.retried_at, turn.said_at))::float AS age,
          (SELECT coalesce(jsonb_agg(part.payload ORDER BY part.position), '[]')
           FROM turn part WHERE part.collected_into = turn.id) AS collected,
          CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END AS signal
"""


def _step(what: str, **details: Any) -> Jsonb:
    return Jsonb({"what": what} | {name: value for name, value in details.items() if value is not None})


def _turn(row: DictRow) -> Turn:
    stop, _ = row["stop"], row.pop("signal")
    return Turn(
        **{
            **row,
            "kind": TurnKind(row["kind"]),
            "state": TurnState(row["state"]),
            "stop": None if stop is None else StopReason(stop),
            "collected": tuple(row["collected"]),
            "extras": extras_from_json(row["extras"]),
        }
    )


class Turns:
    """The tables ``turn``, ``send`` and ``message``, as a worker uses them.

    What a worker commits about a turn (:meth:`collect`, :meth:`put_back`, :meth:`commit`, :meth:`finish`) counts only
    as long as it is the last who took the turn up; otherwise it raises :class:`TurnLost` and changes nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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

        A turn that an earlier worker had taken up and not finished is at the head still. A lane whose room may have
        missed something waits.
        """
        row = await self._database.row(_TAKE, {"lane": lane, "step": _step("taken_up")})
        return None if row is None else _turn(row)

    async def behind(self, turn: Turn) -> list[QueuedMessage]:
        """Return the messages like *turn* that wait behind it and were never taken up, in their order."""
        rows = await self._database.rows(
            """
            SELECT id, event_id, sender, payload, extract(epoch FROM now() - said_at)::float AS age,
                   extract(epoch FROM now() - created_at)::float AS since
            FROM turn
            WHERE conversation = %(lane)s AND kind = %(kind)s AND state = 'queued' AND attempts = 0 AND stop IS NULL
              AND payload->>'reason' IS NOT DISTINCT FROM %(reason)s::text
              AND position > (SELECT position FROM turn WHERE id = %(turn)s)
            ORDER BY position
            """,
            {
                "turn": turn.id,
                "lane": turn.conversation,
                "kind": turn.kind,
                "reason": turn.payload.get("reason"),
            },
        )
        return [QueuedMessage(**row) for row in rows]

    async def collect(self, turn: Turn, waits: Sequence[QueuedMessage]) -> list[QueuedMessage]:
        """Make *waits* a part of *turn*, those that still wait; return them."""
        rows = await self._database.rows(
            f"""
            WITH head AS (
                SELECT id FROM turn
                WHERE id = %(turn)s AND attempts = %(attempts)s AND state IN ('queued', 'running', 'committed')
                FOR UPDATE
            ), part AS (
                UPDATE turn SET state = 'collected', collected_into = %(turn)s, finished_at = now(), steps = {_STEP}
                FROM head
                WHERE turn.id = ANY(%(parts)s) AND state = 'queued' AND attempts = 0 AND stop IS NULL
                RETURNING turn.id, turn.payload,
                          CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END
            )
            SELECT part.id, part.payload FROM head LEFT JOIN part ON true
            """,
            {
                "turn": turn.id,
                "attempts": turn.attempts,
                "parts": [each.id for each in waits],
                "step": _step("collected", turn=turn.key),
            },
        )
        if not rows:
            raise self._lost(turn)
        payloads = {row["id"]: row["payload"] for row in rows}
        # What it says now: it may have been changed since it was looked at.
        return [replace(each, payload=payloads[each.id]) for each in waits if each.id in payloads]

    async def stops(self, turns: Collection[int]) -> dict[int, StopReason]:
        """Return those of *turns* that a person wants to end, and how."""
        rows = await self._database.rows(
            "SELECT id, stop FROM turn WHERE id = ANY(%s) AND stop IS NOT NULL", (list(turns),)
        )
        return {row["id"]: StopReason(row["stop"]) for row in rows}

    async def count_open(self) -> dict[int | None, int]:
        """Return the number of open turns by portal (None: the bridge bot's rooms)."""
        rows = await self._database.rows(
            """
            SELECT c.portal, count(*) AS turns FROM turn t JOIN conversation c ON c.id = t.conversation
            WHERE t.state IN ('queued', 'running', 'committed') GROUP BY c.portal
            """
        )
        return {row["portal"]: row["turns"] for row in rows}

    async def put_back(self, turn: Turn, *, delay: float, failed: bool, why: str) -> None:
        """Let *turn* keep its position at the head of its lane, to be taken up after *delay* seconds.

        *failed* counts a failure of the upstream against it. A committed answer stays committed.
        """
        await self._fenced(
            f"""
            UPDATE turn SET state = CASE WHEN state = 'committed' THEN state ELSE 'queued' END,
                   failures = failures + %(failed)s, waits_since = now(),
                   not_before = CASE WHEN stop IS NULL THEN now() + make_interval(secs => %(delay)s) END,
                   steps = {_STEP}
            WHERE id = %(turn)s AND attempts = %(attempts)s AND state IN ('queued', 'running', 'committed')
            RETURNING id, pg_notify('agent_bridge', 'lanes')
            """,
            turn,
            {"failed": int(failed), "delay": delay, "step": _step("put_back", seconds=delay, why=why)},
        )

    async def ask_the_rest(self, turn: Turn) -> bool:
        """Have *turn*, of which something was taken back, asked anew without that; tell whether anything is left.

        It keeps its position, and has an idempotency key of its own.
        """
        row = await self._database.row(
            f"""
            UPDATE turn SET state = 'queued', stop = NULL, stopped_by = NULL, not_before = NULL,
                   retries = retries + 1, retried_at = now(), steps = {_STEP}
            WHERE id = %(turn)s AND attempts = %(attempts)s AND state = 'running'
              AND (NOT payload ? 'redacted'
                   OR EXISTS (SELECT 1 FROM turn part
                              WHERE part.collected_into = turn.id AND NOT part.payload ? 'redacted'))
            RETURNING id
            """,
            {"turn": turn.id, "attempts": turn.attempts, "step": _step("again")},
        )
        return row is not None

    async def started(self, turn: Turn, ref: str) -> None:
        """Record the upstream's reference of the run that answers *turn*, unless another worker has taken it up.

        The first words of the answer wait for this, so it does not wait for the disk: a crash of PostgreSQL may lose
        the reference, a crash of the bridge may not.
        """
        await self._database.execute(
            """
            WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
            UPDATE turn SET upstream_ref = %s FROM quick WHERE turn.id = %s AND turn.attempts = %s
            """,
            (ref, turn.id, turn.attempts),
        )

    async def commit(
        self,
        turn: Turn,
        answer: str,
        *,
        error: str | None,
        parts: Collection[int],
        extras: AnswerExtras = NO_EXTRAS,
        stopped: bool = False,
        transcript: Sequence[ChatMessage] = (),
        run: str | None = None,
    ) -> None:
        """Commit the answer, what is shown *extras*, the intention to show it in *parts*, and the transcript's gain.

        *run* is the upstream's reference of the run; None keeps the stored one.
        A wish to end it counts no more, unless that *stopped* it. A question that was taken back leaves no transcript.
        The upstream is never asked again for this turn.
        """
        await self._fenced(
            f"""
            WITH answered AS (
                UPDATE turn SET state = 'committed', answer = %(answer)s, extras = %(extras)s, error = %(error)s,
                       upstream_ref = coalesce(%(run)s, upstream_ref),
                       stop = CASE WHEN %(stopped)s OR stop = 'redacted' THEN stop END, steps = {_STEP}
                WHERE id = %(turn)s AND attempts = %(attempts)s AND state IN ('queued', 'running')
                RETURNING id, stop
            ), intended AS (
                INSERT INTO outbox (turn, part) SELECT id, unnest(%(parts)s::integer[]) FROM answered
                ON CONFLICT (turn, part) DO NOTHING
            ), said AS (
                INSERT INTO message (conversation, turn, role, content)
                SELECT %(lane)s, id, said.role, said.content
                FROM answered,
                     unnest(%(roles)s::text[], %(contents)s::text[]) WITH ORDINALITY AS said (role, content, position)
                WHERE stop IS DISTINCT FROM 'redacted'
                ORDER BY said.position
            )
            SELECT id FROM answered
            """,
            turn,
            {
                "lane": turn.conversation,
                "answer": answer,
                "error": error,
                "parts": list(parts),
                "extras": Jsonb(extras_to_json(extras)),
                "stopped": stopped,
                "run": run,
                "roles": [said.role for said in transcript],
                "contents": [said.content for said in transcript],
                "step": _step("answered", characters=len(answer), error=error),
            },
        )

    async def finish(
        self,
        turn: Turn,
        state: TurnState,
        sent: Mapping[int, str],
        *,
        taken_back: Collection[int] = (),
        error: str | None = None,
    ) -> None:
        """Close *turn* as *state* (done, failed or stopped), with the events that show its parts.

        Parts that were *taken_back* are forgotten, and the answer to a question that was. *error* is why it failed,
        unless that is known.
        """
        await self._fenced(
            f"""
            WITH finished AS (
                UPDATE turn SET state = %(state)s, finished_at = now(), error = coalesce(error, %(error)s),
                       answer = CASE WHEN {_TAKEN_BACK} THEN NULL ELSE answer END,
                       extras = CASE WHEN {_TAKEN_BACK} THEN '{{}}' ELSE extras END, steps = {_STEP}
                WHERE id = %(turn)s AND attempts = %(attempts)s AND state IN ('queued', 'running', 'committed')
                RETURNING id
            ), shown AS (
                UPDATE outbox SET event_id = sent.event_id
                FROM finished, unnest(%(parts)s::integer[], %(events)s::text[]) AS sent (part, event_id)
                WHERE outbox.turn = finished.id AND outbox.part = sent.part
            ), taken_back AS (
                DELETE FROM outbox USING finished
                WHERE outbox.turn = finished.id AND outbox.part = ANY(%(taken_back)s::integer[])
            )
            SELECT id FROM finished
            """,
            turn,
            {
                "state": state,
                "parts": list(sent),
                "events": list(sent.values()),
                "taken_back": list(taken_back),
                "error": error,
                "step": _step(state, parts=len(sent), error=error),
            },
        )

    async def was_announced(self, turn: Turn, error: str, seconds: float) -> bool:
        """Tell whether people were told of the same *error* within the last *seconds*, in the lane of *turn*."""
        row = await self._database.row(
            """
            SELECT 1 FROM turn t
            WHERE t.conversation = %s AND t.id <> %s AND t.state = 'failed' AND t.error = %s
              AND t.finished_at > now() - make_interval(secs => %s) AND coalesce(t.extras->>'notice', '') <> ''
            LIMIT 1
            """,
            (turn.conversation, turn.id, error, seconds),
        )
        return row is not None

    async def room_transcript(self, room_id: str, limit: int) -> list[ChatMessage]:
        """Return the last *limit* messages of the transcript of the room itself, oldest first."""
        rows = await self._database.rows(
            """
            SELECT m.role, m.content FROM message m JOIN conversation c ON c.id = m.conversation
            WHERE c.room_id = %s AND c.thread_id = '' ORDER BY m.id DESC LIMIT %s
            """,
            (room_id, limit),
        )
        return [ChatMessage(row["role"], row["content"]) for row in reversed(rows)]

    async def intend(self, turn: int, part: int) -> None:
        """Write the intention to say part *part*, before the request goes out."""
        await self._database.execute(
            "INSERT INTO outbox (turn, part) VALUES (%s, %s) ON CONFLICT (turn, part) DO NOTHING", (turn, part)
        )

    async def sent(self, turn: int, part: int, event_id: str) -> None:
        """Record the event that shows part *part*."""
        await self._database.execute(
            "UPDATE outbox SET event_id = %s WHERE turn = %s AND part = %s", (event_id, turn, part)
        )

    async def sends(self, turn: int) -> list[Send]:
        """Return what was said, or may have been said, for *turn*, by part."""
        rows = await self._database.rows(
            "SELECT part, event_id, created_at FROM outbox WHERE turn = %s ORDER BY part", (turn,)
        )
        return [Send(**row) for row in rows]

    async def transcript(self, lane: int, limit: int) -> list[ChatMessage]:
        """Return the last *limit* messages of the lane's transcript, oldest first."""
        rows = await self._database.rows(
            "SELECT role, content FROM message WHERE conversation = %s ORDER BY id DESC LIMIT %s",
            (lane, limit),
        )
        return [ChatMessage(row["role"], row["content"]) for row in reversed(rows)]

    async def _fenced(self, query: LiteralString, turn: Turn, params: Mapping[str, Params | object]) -> None:
        row = await self._database.row(query, {**params, "turn": turn.id, "attempts": turn.attempts})
        if row is None:
            raise self._lost(turn)

    @staticmethod
    def _lost(turn: Turn) -> TurnLost:
        return TurnLost(f"turn {turn.key} was taken over by another worker, or is closed")
