"""The tokens that requests to agents have used, and their cost."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, ForeignKey, Index, Numeric, Table, Text

from agent_bridge.store.postgres.schema.base import metadata, now

usage = Table(
    "usage",
    metadata,
    Column("key", Text(collation="C"), primary_key=True, comment="name of the request: a repeat replaces the row"),
    Column("turn", BigInteger, ForeignKey("turn.id", ondelete="SET NULL"), index=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=now, index=True),
    Column("user_id", Text, nullable=False, comment="the person who pays for it"),
    Column("role", Text, nullable=False, comment="role of the person at that time"),
    Column("room_id", Text, nullable=False),
    Column("agent", BigInteger, ForeignKey("agent.id"), nullable=False),
    Column("upstream", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, comment="those of input_tokens that its cache had; null: not reported"),
    Column("is_estimated", Boolean, nullable=False, comment="the upstream reported nothing"),
    Column("cost", Numeric, comment="in the configured currency; null: the price is unknown"),
    Column("price", Text, comment="the price by which the cost was computed"),
    comment="tokens of requests to agents",
)
Index("usage_user_id_at_idx", usage.c.user_id, usage.c.at)
Index("usage_agent_at_idx", usage.c.agent, usage.c.at)
Index("usage_room_id_at_idx", usage.c.room_id, usage.c.at)

usage_day = Table(
    "usage_day",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("day", Date, primary_key=True, index=True),
    Column("role", Text, primary_key=True),
    Column("room_id", Text, primary_key=True),
    Column("agent", BigInteger, ForeignKey("agent.id"), primary_key=True, autoincrement=False),
    Column("upstream", Text, primary_key=True),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", Numeric, comment="null: no price was known"),
    comment="sums of usage by ended days of the configured time zone",
)
