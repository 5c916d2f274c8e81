"""Schedules of people: prompts for agents at given times."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Index, Table, Text, text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

schedule = Table(
    "schedule",
    metadata,
    row_id(),
    Column("owner", Text, nullable=False, index=True, comment="user id"),
    Column("agent", BigInteger, ForeignKey("agent.id"), nullable=False, index=True),
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expression", Text, nullable=False, comment="the time as its owner typed it"),
    Column("rule", Text, nullable=False, comment="the time as programs read it"),
    Column("zone", Text, nullable=False, comment="time zone of the owner when it was made"),
    Column("prompt", Text, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False, comment="the next run"),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("problem", Text, comment="why the last run did not happen; null: it did, or there was none"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("last_run_at", DateTime(timezone=True)),
    comment="prompts for agents at given times",
)
Index("schedule_due_at_idx", schedule.c.due_at, postgresql_where=text("NOT paused"))
