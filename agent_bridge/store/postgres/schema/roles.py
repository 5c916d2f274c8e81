"""Roles of users, and mutes."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from agent_bridge.store.postgres.schema.base import metadata, now

role_book = Table(
    "role_book",
    metadata,
    Column("version", BigInteger, Identity(always=True), primary_key=True),
    Column(
        "permissions",
        JSONB,
        nullable=False,
        comment="pairs of a key and a role, as the configuration has them, in their order",
    ),
    Column("assigned", JSONB, nullable=False, comment="roles that people gave: role, giver and time, by user id"),
    Column(
        "servers",
        JSONB,
        nullable=False,
        server_default="{}",
        comment="roles that count in one server: by its row id, then as in assigned",
    ),
    comment="the roles of all users at one time; rows do not change, and the newest counts",
)

role_assignment = Table(
    "role_assignment",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("given_at", DateTime(timezone=True), nullable=False, server_default=now),
    CheckConstraint("role IN ('none', 'agent', 'member', 'moderator', 'admin', 'owner')", name="role"),
    comment="roles that people gave by the command role",
)

mute = Table(
    "mute",
    metadata,
    Column("room_id", Text, primary_key=True, server_default="", comment="empty: all rooms"),
    Column("user_id", Text, primary_key=True),
    Column(
        "until",
        DateTime(timezone=True),
        comment="null: without an end; past: the level of the user is to be given back",
    ),
    Column("level_before", Integer, comment="power level that people had given the user; null: that of the role"),
    Column(
        "applied",
        Boolean,
        nullable=False,
        server_default="false",
        comment="whether the room has, or refused, the level of a muted user",
    ),
    comment="people of whom agents get nothing",
)

bot_budget = Table(
    "bot_budget",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("agent", BigInteger, ForeignKey("agent.id"), primary_key=True),
    Column("asked", ARRAY(DateTime(timezone=True)), nullable=False),
    comment="when accounts with the role agent have asked agents in the last minute",
)
