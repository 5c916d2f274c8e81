"""Programs that use the API: their tokens and requests, and how far they have read."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

token = Table(
    "token",
    metadata,
    row_id(),
    Column("name", Text, nullable=False),
    Column("person", Text, index=True, comment="user id; null: it is an agent's"),
    Column("agent", BigInteger, ForeignKey("agent.id", ondelete="CASCADE"), index=True, comment="null: a person's"),
    Column("hash", Text, nullable=False, comment="SHA-256 of the token, which is not stored"),
    Column("nonce", Text, comment="from which the token derives until it is told; null: it was told"),
    Column("capabilities", ARRAY(Text), nullable=False),
    Column(
        "all_rooms",
        Boolean,
        nullable=False,
        comment="whether it counts in all rooms, and not in those of token_room alone",
    ),
    Column("made_by", Text, nullable=False, comment="user id; empty: an operator"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("expires_at", DateTime(timezone=True), comment="null: never"),
    Column("last_used_at", DateTime(timezone=True), comment="to the minute"),
    Column("revoked_at", DateTime(timezone=True), comment="null: it counts"),
    UniqueConstraint("hash"),
    CheckConstraint("(person IS NULL) <> (agent IS NULL)", name="identity"),
    comment="programs act in the name of a person or an agent",
)

token_room = Table(
    "token_room",
    metadata,
    Column("token", BigInteger, ForeignKey("token.id", ondelete="CASCADE"), primary_key=True),
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), primary_key=True, index=True),
    comment="rooms to which tokens are limited",
)

api_request = Table(
    "api_request",
    metadata,
    row_id(),
    Column("token", BigInteger, ForeignKey("token.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False, comment="Idempotency-Key"),
    Column("action", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="of method, path and body"),
    Column("handle", Text, nullable=False, comment="public name"),
    Column("name", Text, nullable=False, comment="in marks and transaction ids"),
    Column("room_id", Text, index=True),
    Column("event_id", Text, comment="the event that it has sent"),
    Column("status", Integer, comment="HTTP status; null: not finished"),
    Column("response", JSONB),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("finished_at", DateTime(timezone=True)),
    Column(
        "effect",
        JSONB,
        comment="of its first step, which is taken once; null: not taken",
    ),
    UniqueConstraint("token", "key"),
    UniqueConstraint("handle"),
    UniqueConstraint("name"),
    comment="requests of programs that change something: each acts once",
)
Index("api_request_created_at_idx", api_request.c.created_at)
Index("api_request_event_id_idx", api_request.c.event_id, postgresql_where=text("event_id IS NOT NULL"))

read_marker = Table(
    "read_marker",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("event_id", Text, nullable=False),
    Column("said_at", DateTime(timezone=True), nullable=False, comment="time of the event"),
    comment="how far programs have read for a person or an agent",
)
