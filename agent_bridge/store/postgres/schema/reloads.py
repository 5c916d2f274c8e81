"""Requests to read the configuration again."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, ForeignKey, Integer, Table, Text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

reload = Table(
    "reload",
    metadata,
    row_id(),
    Column("at", DateTime(timezone=True), nullable=False, server_default=now),
    comment="requests to all processes to read their configuration again",
)

reload_answer = Table(
    "reload_answer",
    metadata,
    Column("reload", BigInteger, ForeignKey("reload.id", ondelete="CASCADE"), primary_key=True),
    Column("process", Integer, primary_key=True, autoincrement=False, comment="number of a process that was asked"),
    Column("name", Text, comment="its machine and process id; null: it has not answered"),
    Column("applied", ARRAY(Text), nullable=False, server_default="{}", comment="paths of keys that count now"),
    Column("restart", ARRAY(Text), nullable=False, server_default="{}", comment="paths of keys that need a restart"),
    Column("fault", Text, nullable=False, server_default="", comment="why its file is not valid; empty: it is"),
    comment="answers of the processes",
)
