"""What became of turns, for people who ask; and their word on turns that failed or wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from agent_bridge.core.turns import Step, StopReason, TurnKind, TurnState

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.store.database import Connection, Database

_SELECT: LiteralString = """
SELECT t.id, t.event_id, t.conversation, c.room_id, a.name AS agent, t.kind, t.sender, t.state, t.attempts, t.failures,
       t.interruptions, t.retries, t.error, t.said_at, t.created_at, t.started_at, t.finished_at, t.steps,
       left(encode(sha256(convert_to(t.event_id, 'UTF8')), 'hex'), 16) AS key,
       (SELECT into_turn.event_id FROM turn into_turn WHERE into_turn.id = t.collected_into) AS collected_into
FROM turn t JOIN conversation c ON c.id = t.conversation
     LEFT JOIN portal p ON p.id = c.portal LEFT JOIN agent a ON a.id = p.agent
"""


@dataclass(frozen=True, slots=True)
class TurnSummary:
    """A turn, as people ask about it."""

    id: int
    #: Public name of the turn.
    key: str
    event_id: str
    #: Row id of its lane.
    conversation: int
    room_id: str
    #: The agent's name; None where people talk to the bridge bot.
    agent: str | None
    kind: TurnKind
    sender: str
    state: TurnState
    attempts: int
    failures: int
    interruptions: int
    retries: int
    error: str | None
    said_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    steps: tuple[Step, ...]
    #: Event of the turn that it was collected into.
    collected_into: str | None


def _summary(row: DictRow) -> TurnSummary:
    steps = tuple(Step(datetime.fromisoformat(step.pop("at")), step.pop("what"), step) for step in row["steps"])
    return TurnSummary(**{**row, "kind": TurnKind(row["kind"]), "state": TurnState(row["state"]), "steps": steps})


class TurnAdmin:
    """The table ``turn``, looked at from outside."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, limit: int) -> list[TurnSummary]:
        """Return the first *limit* messages that are open, by lane, in the order in which they will be taken up."""
        rows = await self._database.rows(
            _SELECT
            + """
            WHERE t.kind = 'message' AND t.state IN ('queued', 'running', 'committed')
            ORDER BY c.room_id, c.id, t.position LIMIT %s
            """,
            (limit,),
        )
        return [_summary(row) for row in rows]

    async def failed(self, limit: int) -> list[TurnSummary]:
        """Return the last *limit* turns that failed, newest first."""
        rows = await self._database.rows(
            _SELECT + "WHERE t.state = 'failed' AND t.finished_at IS NOT NULL ORDER BY t.finished_at DESC LIMIT %s",
            (limit,),
        )
        return [_summary(row) for row in rows]

    async def find(self, reference: str) -> TurnSummary | None:
        """Return the turn whose name, or the beginning of it, question or answer *reference* is; None without one."""
        rows = await self._database.rows(
            _SELECT
            + """
            WHERE t.event_id = %(reference)s
               OR t.id = (SELECT turn FROM outbox WHERE event_id = %(reference)s LIMIT 1)
               OR (length(%(reference)s) >= 4 AND starts_with(
                      left(encode(sha256(convert_to(t.event_id, 'UTF8')), 'hex'), 16), %(reference)s))
            ORDER BY t.id DESC LIMIT 2
            """,
            {"reference": reference},
        )
        return _summary(rows[0]) if len(rows) == 1 else None

    async def ignored(self, event_id: str) -> str | None:
        """Return why the message *event_id* was ignored; None when it was not, or that is forgotten.

        It is a :class:`~agent_bridge.core.turns.IgnoreReason`; an older program wrote it out in English.
        """
        row = await self._database.row("SELECT reason FROM ignored WHERE event_id = %s", (event_id,))
        return None if row is None else row["reason"]

    async def stopped_by(self, event_id: str) -> int:
        """Return how many turns the event *event_id* wanted to end."""
        row = await self._database.row("SELECT count(*) AS turns FROM turn WHERE stopped_by = %s", (event_id,))
        return 0 if row is None else int(row["turns"])

    async def retry(self, connection: Connection, turn: int, event_id: str) -> int | None:
        """Queue a closed message again, behind those that wait in its lane; return the lane, None if it is not closed.

        Within the caller's transaction. The shown answer will be edited. The turn is queued once for each request
        *event_id*: a repeated request changes nothing and returns the lane.
        """
        cursor = await connection.execute(
            """
            WITH queued AS (
                UPDATE turn SET state = 'queued', position = nextval('turn_position_seq'), failures = 0,
                       interruptions = 0, retries = retries + 1, retried_at = now(), not_before = NULL, stop = NULL,
                       stopped_by = NULL, answer = NULL, extras = '{}', error = NULL, finished_at = NULL,
                       steps = steps || jsonb_build_object('at', now(), 'what', 'retried', 'by', %(event)s::text)
                WHERE id = %(turn)s AND kind = 'message' AND state IN ('failed', 'stopped', 'done')
                  AND NOT payload ? 'redacted' AND NOT steps @> %(request)s
                RETURNING id, conversation
            ), forgotten AS (
                DELETE FROM message USING queued WHERE message.turn = queued.id
            )
            SELECT conversation FROM queued
            UNION ALL
            SELECT conversation FROM turn WHERE id = %(turn)s AND steps @> %(request)s
            """,
            {"turn": turn, "event": event_id, "request": _request("retried", event_id)},
        )
        row = await cursor.fetchone()
        return None if row is None else int(row["conversation"])

    async def drop(self, connection: Connection, turn: int, event_id: str) -> int | None:
        """Set an open message aside; return its lane, None if its state does not permit that.

        Within the caller's transaction. The turn ends at the head of its lane, where the room is told. It is set aside
        once for each request *event_id*: a repeated request changes nothing and returns the lane.
        """
        cursor = await connection.execute(
            """
            WITH stopped AS (
                UPDATE turn SET stop = %(stop)s, stopped_by = %(event)s, not_before = NULL,
                       steps = steps || jsonb_build_object('at', now(), 'what', 'dropped', 'by', %(event)s::text)
                WHERE id = %(turn)s AND kind = 'message' AND state IN ('queued', 'running')
                  AND NOT steps @> %(request)s
                RETURNING conversation, pg_notify('agent_bridge', 'stops')
            )
            SELECT conversation FROM stopped
            UNION ALL
            SELECT conversation FROM turn WHERE id = %(turn)s AND steps @> %(request)s
            """,
            {"turn": turn, "event": event_id, "stop": StopReason.DROPPED, "request": _request("dropped", event_id)},
        )
        row = await cursor.fetchone()
        return None if row is None else int(row["conversation"])


def _request(what: str, event_id: str) -> Jsonb:
    """Return what ``steps`` contains once the request *event_id* was carried out."""
    return Jsonb([{"what": what, "by": event_id}])
