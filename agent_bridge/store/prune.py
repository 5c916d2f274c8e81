"""Deletion of rows whose retention time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("prune")
#: Rows of one statement: the deletion of many rows must not lock the table for long.
_BATCH = 5000
#: Days for which the feed keeps its entries: a program that was away for longer begins anew.
FEED_DAYS = 7.0


async def prune(database: Database, *, turns_days: float, transcript_days: float) -> int:
    """Delete the rows whose retention time is over, and return their number.

    Messages of transcripts, but for those that people saved, and threads of programs stay for *transcript_days*;
    closed turns, notes of ignored events, dead letters, finished operations, notifications, posted agent events,
    accepted requests of triggers and of programs, questions to people, spent callback URLs, tokens and votes that
    ended stay for *turns_days*, entries of the feed for a week at most. Links to conversations on upstreams stay as
    long as their agent: a person may go on with one after any time. They are deleted when the agent has been gone
    for *transcript_days* and no turn of it is open. So their number is bounded by that of the lanes of the agents
    that are left, and of the kinds that their upstreams had.

    Raises:
        StoreError: some of the rows may be deleted.
    """
    deleted = 0
    retention = {
        "messages": transcript_days,
        "contexts": transcript_days,
        "turns": turns_days,
        "chains": turns_days,
        "ignored": turns_days,
        "dead_letters": turns_days,
        "trigger_requests": turns_days,
        "triggers": turns_days,
        "notifications": turns_days,
        "agent_events": turns_days,
        "program_requests": turns_days,
        "people_questions": turns_days,
        "model_threads": transcript_days,
        "feed": min(turns_days, FEED_DAYS),
        "tokens": turns_days,
        "operations": turns_days,
        "votes": turns_days,
        "conversations": transcript_days,
    }
    for statement, days in retention.items():
        values = {"days": days, "batch": _BATCH}
        while (rows := await database.execute(_SQL[statement], values)) > 0:
            deleted += rows
    return deleted
