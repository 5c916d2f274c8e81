"""Threads that have names."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, Table, Text, text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

thread = Table(
    "thread",
    metadata,
    row_id(),
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), nullable=False),
    Column("room_id", Text, nullable=False, comment="room of its events: an upgrade leaves them behind"),
    Column("root", Text, comment="its first event; null: the bridge sends it with the name"),
    Column("title_event", Text, comment="event of the bridge that shows the name; null: not sent yet"),
    Column("name", Text, nullable=False),
    Column("creator", Text, nullable=False, comment="user id; empty: erased"),
    Column("key", Text, nullable=False, unique=True, comment="of the request that gave it a name"),
    Column("since", Text, nullable=False, server_default="", comment="event before the one with the name"),
    Column("archived_at", DateTime(timezone=True)),
    Column("said_at", DateTime(timezone=True), comment="of the newest message or command, by the homeserver's clock"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("changes", Integer, nullable=False, server_default="1", comment="of the text that shows the name"),
    Column(
        "changes_applied", Integer, nullable=False, server_default="0", comment="those that the room has or refused"
    ),
    comment="threads that have names",
)
Index("thread_root_key", thread.c.room_id, thread.c.root, unique=True, postgresql_where=text("root IS NOT NULL"))
Index("thread_room_idx", thread.c.room)
Index("thread_due_idx", thread.c.id, postgresql_where=text("changes <> changes_applied"))
Index("thread_archived_idx", thread.c.room_id, postgresql_where=text("archived_at IS NOT NULL"))
