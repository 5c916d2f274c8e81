"""Notifications of people, and the state of their delivery."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Index, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

notification = Table(
    "notification",
    metadata,
    row_id(),
    Column("user_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("room_id", Text, comment="the room that it is about; null: none"),
    Column("facts", JSONB, nullable=False, server_default=text("'{}'")),
    Column("key", Text, comment="a repeat has the same, and writes nothing; null: there is no repeat"),
    Column(
        "approval",
        BigInteger,
        ForeignKey("approval.id", ondelete="CASCADE"),
        comment="without effect once this request is decided",
    ),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("message", Text, comment="key of the message that tells it; null: not told yet; empty: none tells it"),
    Column("sent_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    UniqueConstraint("key"),
    comment="news for one person, which the bot tells",
)
Index("notification_user_id_idx", notification.c.user_id, postgresql_where=notification.c.sent_at.is_(None))
Index("notification_created_at_idx", notification.c.created_at)
Index("notification_approval_idx", notification.c.approval, postgresql_where=notification.c.approval.is_not(None))

notified_person = Table(
    "notified_person",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("is_muted", Boolean, nullable=False, server_default=text("false")),
    Column("room_id", Text, comment="the room of the last message"),
    Column("message", Text, comment="key of the message that is being sent; null: none"),
    Column("since", Text, comment="newest event of the room before that message; null: it is not tried yet"),
    comment="people with notifications, or without by their own wish",
)
