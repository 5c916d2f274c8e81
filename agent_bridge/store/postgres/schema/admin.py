"""The admin page: links and sessions of administrators, their actions, and the sums that its plots show."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Integer, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

admin_link = Table(
    "admin_link",
    metadata,
    row_id(),
    Column("hash", Text(collation="C"), nullable=False, unique=True, comment="SHA-256 of the secret in the link"),
    Column("user_id", Text, nullable=False, index=True),
    Column("nonce", Text, comment="from which the secret derives; null: it was told"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    comment="one-time links to the admin page that were not used",
)

admin_session = Table(
    "admin_session",
    metadata,
    Column("hash", Text(collation="C"), primary_key=True, comment="SHA-256 of the secret in the cookie"),
    Column("user_id", Text, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
    comment="people who are signed in to the admin page",
)

admin_action = Table(
    "admin_action",
    metadata,
    row_id(),
    Column("at", DateTime(timezone=True), nullable=False, server_default=now, index=True),
    Column("user_id", Text, nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default="", comment="public name of a turn; empty: none"),
    comment="changes and sign-ins by the admin page",
)

rollup = Table(
    "rollup",
    metadata,
    Column("at", DateTime(timezone=True), primary_key=True, comment="the beginning of the five minutes"),
    Column("done", Integer, nullable=False, comment="requests to agents that ended with an answer"),
    Column("failed", Integer, nullable=False),
    Column("stopped", Integer, nullable=False),
    Column("first_words", JSONB, nullable=False, comment="numbers of answers by bucket of seconds"),
    Column("whole_answer", JSONB, nullable=False, comment="likewise"),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost", Numeric, comment="null: no price was known"),
    comment="sums of five minutes each, for the plots of the admin page",
)
