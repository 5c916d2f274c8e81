"""The feed: the events that programs subscribe to."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text

from agent_bridge.store.postgres.schema.base import metadata, now

feed = Table(
    "feed",
    metadata,
    # Given under a lock: the order of the positions is that of the commits.
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("type", Text, nullable=False),
    Column("room_id", Text, comment="null: about no room"),
    Column("event_id", Text, unique=True, comment="null: no event of a room"),
    Column("sender", Text, nullable=False, comment="user id; empty: the bridge"),
    Column("user_id", Text, comment="the member, or the only reader"),
    Column("target", Text, comment="event that it edits, redacts or reacts to"),
    Column("thread", Text, nullable=False, comment="root of its thread; empty: the room itself"),
    Column("subject", BigInteger, comment="number of the task or the vote"),
    # Text: PostgreSQL's JSON has neither NUL nor half of a surrogate pair.
    Column("content", Text, nullable=False, comment="an object of JSON"),
    Column("sent_at", BigInteger, nullable=False, comment="milliseconds since 1970"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    comment="events that programs subscribe to",
)
Index("feed_target_idx", feed.c.target, postgresql_where=feed.c.target.is_not(None))
Index("feed_created_at_idx", feed.c.created_at)
Index("feed_member_idx", feed.c.user_id, feed.c.room_id, feed.c.position, postgresql_where=feed.c.user_id.is_not(None))
Index("feed_subject_idx", feed.c.subject, feed.c.type, postgresql_where=feed.c.subject.is_not(None))
