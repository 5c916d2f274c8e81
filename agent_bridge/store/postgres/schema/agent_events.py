"""Agent events that are posted, and the log channels that mirror turns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

agent_event = Table(
    "agent_event",
    metadata,
    row_id(),
    Column("key", Text, nullable=False),
    Column("room_id", Text, nullable=False),
    Column("sender", Text, nullable=False, comment="user id of the bot or of a ghost"),
    Column("content", JSONB, nullable=False, comment="empty once it is posted"),
    Column("since", Text, comment="an older event of the room; null: the event is not tried yet"),
    Column("event_id", Text),
    Column("error", Text, comment="why it cannot be posted"),
    Column("closed_at", DateTime(timezone=True), comment="when it was posted or given up; null: it waits"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    UniqueConstraint("key"),
    comment="events of agents that the leader posts",
)
Index(
    "agent_event_open_idx", agent_event.c.room_id, agent_event.c.id, postgresql_where=agent_event.c.closed_at.is_(None)
)
Index("agent_event_closed_at_idx", agent_event.c.closed_at, postgresql_where=agent_event.c.closed_at.is_not(None))

mirror = Table(
    "mirror",
    metadata,
    Column("channel", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), primary_key=True),
    Column("agents", ARRAY(BigInteger), comment="of these agents (row ids); null: of all"),
    Column("since", DateTime(timezone=True), nullable=False, server_default=now),
    Column(
        "read_until",
        DateTime(timezone=True),
        nullable=False,
        server_default=now,
        comment="the ends of turns before that are mirrored",
    ),
    comment="log channels that show when agents begin and end their turns",
)
