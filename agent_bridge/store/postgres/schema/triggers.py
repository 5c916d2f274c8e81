"""Triggers of people, and the requests that were accepted."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Table, Text, UniqueConstraint

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

trigger = Table(
    "trigger",
    metadata,
    row_id(),
    Column("public_id", Text, nullable=False, comment="names it in the URL of signed requests"),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False, index=True, comment="user id"),
    Column("agent", BigInteger, ForeignKey("agent.id"), nullable=False, index=True),
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("token_hash", Text, comment="SHA-256 of the token of a callback URL, which is not stored"),
    Column("signing_key", Text, comment="secret"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("expires_at", DateTime(timezone=True), comment="null: never"),
    Column("last_used_at", DateTime(timezone=True)),
    Column("used_key", Text, comment="the request that has used a callback URL up; null: none"),
    UniqueConstraint("public_id"),
    UniqueConstraint("token_hash"),
    CheckConstraint(
        "kind = 'callback' AND token_hash IS NOT NULL OR kind = 'signed' AND signing_key IS NOT NULL", name="kind"
    ),
    comment="other programs wake an agent in a room",
)

trigger_request = Table(
    "trigger_request",
    metadata,
    Column("trigger", BigInteger, ForeignKey("trigger.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True, comment="equal requests have the same"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    comment="accepted requests of triggers",
)
Index("trigger_request_created_at_idx", trigger_request.c.created_at)
