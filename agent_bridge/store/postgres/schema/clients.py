"""Agents that connect themselves, and the questions that wait for their replies."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Index, Table, Text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

client_agent = Table(
    "client_agent",
    metadata,
    row_id(),
    Column("model", Text, nullable=False, unique=True, comment="its id in the list of its upstream"),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("ephemeral", Boolean, nullable=False, server_default="false"),
    Column("owner", Text, nullable=False, comment="user id of the person who registered it"),
    Column("request_key", Text, unique=True, comment="a repeat of the registration has the same one"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("seen_at", DateTime(timezone=True), comment="when it was connected last"),
    comment="agents that connect themselves",
)

client_question = Table(
    "client_question",
    metadata,
    row_id(),
    Column("key", Text, nullable=False, unique=True, comment="the same for all attempts at the same question"),
    Column("turn", BigInteger, ForeignKey("turn.id", ondelete="CASCADE"), nullable=False),
    Column("model", Text, ForeignKey("client_agent.model", ondelete="CASCADE"), nullable=False),
    Column("text", Text, nullable=False, comment="the question; empty once there is a reply"),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("deadline", DateTime(timezone=True), nullable=False),
    Column("taken_at", DateTime(timezone=True), comment="when the agent read it first"),
    Column("reply", Text, comment="null: none yet"),
    Column("replied_at", DateTime(timezone=True)),
    comment="questions that wait for the replies of agents that connect themselves",
)
Index("client_question_turn_idx", client_question.c.turn)
Index("client_question_open_idx", client_question.c.model, postgresql_where=client_question.c.reply.is_(None))
