"""Servers, their roles, and channels. Their rooms are in the table ``room``."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, Table, Text

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

server = Table(
    "server",
    metadata,
    row_id(),
    Column(
        "room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), nullable=False, unique=True, comment="its Space"
    ),
    Column("owner", Text, nullable=False, comment="user id"),
    Column("icon", Text, comment="mxc URI; null: none"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    comment="Spaces below the main one, with channels and roles of their own",
)

server_role = Table(
    "server_role",
    metadata,
    Column("server", BigInteger, ForeignKey("server.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("given_at", DateTime(timezone=True), nullable=False, server_default=now),
    CheckConstraint("role IN ('none', 'agent', 'member', 'moderator', 'admin', 'owner')", name="role"),
    comment="roles that override all others in one server",
)

channel = Table(
    "channel",
    metadata,
    Column("room", BigInteger, ForeignKey("room.id", ondelete="CASCADE"), primary_key=True),
    Column("server", BigInteger, ForeignKey("server.id"), comment="null: the main Space lists it"),
    Column("type", Text, nullable=False),
    Column("position", Integer, nullable=False, comment="among the channels of the server, from 1"),
    CheckConstraint("type IN ('text', 'announcement', 'log', 'voice')", name="type"),
    comment="rooms of several agents and people that the bridge makes",
)
Index("channel_server_idx", channel.c.server)
