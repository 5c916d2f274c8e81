"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("upstream", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False, comment="identity within the upstream; never changes"),
        sa.Column("model", sa.Text(), nullable=False, comment="what the upstream's API calls it today"),
        sa.Column("name", sa.Text(), nullable=False, comment="its name upstream"),
        sa.Column("ghost", sa.Text(), nullable=False, comment="localpart of its ghost; never changes"),
        sa.Column("displayname", sa.Text(), nullable=False, comment="wanted"),
        sa.Column("displayname_applied", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("agent_pkey")),
        sa.UniqueConstraint("ghost", name=op.f("agent_ghost_key")),
        sa.UniqueConstraint("upstream", "agent_id", name=op.f("agent_upstream_agent_id_key")),
    )
    op.create_table(
        "fact",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("fact_pkey")),
    )
    op.create_table(
        "portal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("agent", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="home", nullable=False),
        sa.Column("room_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False, comment="wanted"),
        sa.Column("name_applied", sa.Text(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False, comment="wanted"),
        sa.Column("topic_applied", sa.Text(), nullable=True),
        sa.Column("bot_joined", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("space", sa.Text(), nullable=True, comment="room id of the Space that lists the room"),
        sa.Column("invited", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("told", sa.Text(), nullable=False, comment="the agent's state that the room was last told"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["agent"], ["agent.id"], name=op.f("portal_agent_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("portal_pkey")),
        sa.UniqueConstraint("room_id", name=op.f("portal_room_id_key")),
    )
    op.create_index(op.f("portal_agent_idx"), "portal", ["agent"], unique=False)
    op.create_index("portal_home_key", "portal", ["agent"], unique=True, postgresql_where=sa.text("kind = 'home'"))
    op.create_table(
        "conversation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column(
            "thread_id",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="root event id; empty: the room itself",
        ),
        sa.Column("portal", sa.BigInteger(), nullable=True, comment="null: people talk to the bridge bot"),
        sa.Column("direct", sa.Boolean(), server_default="false", nullable=False, comment="a DM with the bridge bot"),
        sa.Column("upstream_ref", sa.Text(), nullable=True, comment="the upstream's own name of the conversation"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["portal"], ["portal.id"], name=op.f("conversation_portal_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("conversation_pkey")),
        sa.UniqueConstraint("room_id", "thread_id", name=op.f("conversation_room_id_thread_id_key")),
    )
    op.create_table(
        "turn",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("conversation", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a failed turn keeps its place until then",
        ),
        sa.Column("upstream_ref", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["conversation"], ["conversation.id"], name=op.f("turn_conversation_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("turn_pkey")),
        sa.UniqueConstraint("event_id", name=op.f("turn_event_id_key")),
    )
    op.create_index(
        "turn_open_idx",
        "turn",
        ["conversation", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running', 'answered')"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("conversation", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["conversation"], ["conversation.id"], name=op.f("message_conversation_fkey")),
        sa.ForeignKeyConstraint(["turn"], ["turn.id"], name=op.f("message_turn_fkey"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("message_pkey")),
    )
    op.create_index("message_conversation_id_idx", "message", ["conversation", "id"], unique=False)
    op.create_index(op.f("message_turn_idx"), "message", ["turn"], unique=False)
    op.create_table(
        "send",
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True, comment="null: intended, perhaps sent"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["turn"], ["turn.id"], name=op.f("send_turn_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn", "part", name=op.f("send_pkey")),
    )
