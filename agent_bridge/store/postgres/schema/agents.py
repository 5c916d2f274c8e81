"""Agents, and their conversations on upstreams that keep them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Index, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from agent_bridge.store.postgres.schema.base import metadata, now, row_id

agent = Table(
    "agent",
    metadata,
    row_id(),
    Column("upstream", Text, nullable=False),
    Column("agent_id", Text, nullable=False, comment="identity within the upstream; never changes"),
    Column("model", Text, nullable=False, comment="what the upstream's API calls it today"),
    Column("name", Text, nullable=False, comment="its name upstream"),
    Column("ghost", Text, nullable=False, unique=True, comment="localpart of its ghost; never changes"),
    Column("displayname", Text, nullable=False, comment="wanted"),
    Column("displayname_applied", Text),
    Column("state", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=now),
    Column("state_since", DateTime(timezone=True), nullable=False, server_default=now),
    Column(
        "image",
        Text,
        nullable=False,
        server_default="",
        comment="address of its picture upstream; empty: the bridge draws one",
    ),
    Column("image_applied", Text, comment="image from which the avatar was made; null: there is none yet"),
    Column("avatar", Text, comment="mxc URL of the picture that was uploaded for it"),
    Column("description", Text, nullable=False, server_default="", comment="given by its upstream"),
    Column("kind", Text, nullable=False, server_default="openai", comment="kind of upstream whose list has model"),
    Column("entry", Text, unique=True, comment="id of the entry of the configuration; null: a listed agent"),
    Column("settings", JSONB, nullable=False, server_default="{}", comment="given by the entry"),
    Column("retired_by", Text, comment="user id of the person who retired it; null: nobody did"),
    Column(
        "deactivated",
        Boolean,
        nullable=False,
        server_default="false",
        comment="whether the account of its ghost was ended, which is for ever",
    ),
    Column("description_applied", Text, comment="in the profile of its ghost; null: the profile has no fields"),
    Column("activity_applied", Text, comment="in the profile of its ghost; null: none"),
    Column("status_text", Text, comment="that the agent has set; null: none"),
    Column("away", Boolean, nullable=False, server_default="false", comment="the agent has it shown as away"),
    UniqueConstraint("upstream", "agent_id"),
)

# The migration has COLLATE "C", so that it also finds names by their beginnings; alembic does not see collations.
Index("agent_name_idx", text("lower(name)"), agent.c.id)

own_profile = Table(
    "own_profile",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("bio", Text, comment="null: none"),
    Column("status_text", Text, comment="null: none"),
    comment="what people tell about themselves by their programs",
)

upstream_conversation = Table(
    "upstream_conversation",
    metadata,
    Column("upstream", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="id of the agent on the upstream"),
    Column("session", Text, primary_key=True, comment="name of the lane for upstreams"),
    Column("ref", Text, nullable=False, comment="id on the upstream; empty: the first one is being made"),
    Column(
        "marker",
        Text,
        nullable=False,
        server_default="",
        comment="word in the name of the one that is being made; empty: none",
    ),
    Column(
        "made",
        Boolean,
        nullable=False,
        server_default="false",
        comment="it is made, and its name is left to be changed",
    ),
    comment="conversations that upstreams keep for lanes",
)
