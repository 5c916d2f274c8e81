"""Deletes rows that are older than configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import LiteralString

    from agent_bridge.store.database import Database

#: Rows of one statement: a large backlog must not hold the table for long.
_BATCH = 5000

# A turn that was collected into an open one is a part of its question. A turn stays as long as its messages in the
# transcript: a redaction finds both by it.
_TURNS: LiteralString = """
DELETE FROM turn WHERE id IN (
    SELECT id FROM turn t WHERE t.finished_at < now() - make_interval(secs => %s * 86400.0)
      AND t.state IN ('done', 'failed', 'stopped', 'collected')
      AND NOT EXISTS (SELECT 1 FROM turn head WHERE head.id = t.collected_into AND head.finished_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM message m WHERE m.turn = coalesce(t.collected_into, t.id))
    ORDER BY t.finished_at LIMIT %s
)
"""
_MESSAGES: LiteralString = """
DELETE FROM message WHERE id IN (
    SELECT id FROM message WHERE created_at < now() - make_interval(secs => %s * 86400.0) ORDER BY created_at LIMIT %s
)
"""
_IGNORED: LiteralString = """
DELETE FROM ignored WHERE event_id IN (
    SELECT event_id FROM ignored WHERE created_at < now() - make_interval(secs => %s * 86400.0)
    ORDER BY created_at LIMIT %s
)
"""
_DEAD_LETTERS: LiteralString = """
DELETE FROM dead_letter WHERE id IN (
    SELECT id FROM dead_letter WHERE created_at < now() - make_interval(secs => %s * 86400.0) ORDER BY id LIMIT %s
)
"""


async def prune(database: Database, *, turns_days: float, transcript_days: float) -> int:
    """Delete old closed turns, messages of transcripts, notes of ignored events and dead letters; return the row count.

    Raises:
        StoreError: some of the rows may be deleted.
    """
    deleted = 0
    everything = (
        (_MESSAGES, transcript_days),
        (_TURNS, turns_days),
        (_IGNORED, turns_days),
        (_DEAD_LETTERS, turns_days),
    )
    for statement, days in everything:
        while (rows := await database.execute(statement, (days, _BATCH))) > 0:
            deleted += rows
    return deleted
