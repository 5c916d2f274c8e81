"""Agents that ask each other."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Integer, Table, Text, UniqueConstraint

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

chain = Table(
    "chain",
    metadata,
    row_id(),
    Column("room_id", Text, nullable=False),
    Column("root", Text, nullable=False, comment="event of that message"),
    Column("asker", Text, nullable=False, comment="its sender"),
    Column("hops_allowed", Integer, nullable=False),
    Column("turns_allowed", Integer, nullable=False),
    Column("tokens_allowed", BigInteger, comment="null: no limit"),
    Column("grants", Integer, nullable=False, server_default="0", comment="how often people let the agents go on"),
    Column("stopped_by", Text, comment="event that ended the chain; null: it may go on"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now, index=True),
    UniqueConstraint("room_id", "root"),
    comment="answers of agents to agents that one message of a person began",
)

chain_hold = Table(
    "chain_hold",
    metadata,
    Column(
        "asked_in",
        BigInteger,
        ForeignKey("turn.id", ondelete="CASCADE"),
        primary_key=True,
        comment="the turn whose answer mentions the agent",
    ),
    Column("agent", BigInteger, ForeignKey("agent.id"), primary_key=True),
    Column("chain", BigInteger, ForeignKey("chain.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("event_id", Text, nullable=False, comment="event of that answer"),
    Column("bound", Text, nullable=False, comment="the limit that was reached"),
    Column("grants", Integer, nullable=False, comment="grants of the chain by then"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    comment="agents that are asked once people let the agents of a chain go on",
)

pair_grant = Table(
    "pair_grant",
    metadata,
    Column("low", BigInteger, primary_key=True, autoincrement=False),
    Column("high", BigInteger, primary_key=True, autoincrement=False),
    Column("since", DateTime(timezone=True), nullable=False),
    comment="times from which questions of two agents to each other are counted",
)
