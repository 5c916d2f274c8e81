"""Nothing lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE turn_place_seq")
    op.create_table(
        "ignored",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("ignored_pkey")),
    )
    op.create_index(op.f("ignored_created_at_idx"), "ignored", ["created_at"], unique=False)
    op.create_table(
        "room",
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column(
            "seen", sa.Text(), nullable=True, comment="event up to which nothing is missed; null: the room's beginning"
        ),
        sa.Column(
            "suspect",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="something may be missed: lanes wait",
        ),
        sa.Column("suspicions", sa.Integer(), server_default="0", nullable=False, comment="how often that was so"),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True, comment="with the homeserver's history"),
        sa.PrimaryKeyConstraint("room_id", name=op.f("room_pkey")),
    )
    op.create_table(
        "set_aside",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="what could not be taken, as far as it is text"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("set_aside_pkey")),
    )
    op.alter_column(
        "conversation",
        "thread_id",
        existing_type=sa.TEXT(),
        comment="root event id; empty: the room itself; !: the bridge bot in an agent's room",
        existing_comment="root event id; empty: the room itself",
        existing_nullable=False,
        existing_server_default=sa.text("''::text"),
    )
    op.create_index(op.f("message_created_at_idx"), "message", ["created_at"], unique=False)
    op.add_column(
        "portal",
        sa.Column("busy", sa.Text(), nullable=True, comment="what happens to messages that wait; null: as configured"),
    )
    op.add_column(
        "turn",
        sa.Column(
            "place",
            sa.BigInteger(),
            server_default=sa.text("nextval('turn_place_seq')"),
            nullable=False,
            comment="order within its lane",
        ),
    )
    op.add_column(
        "turn",
        sa.Column(
            "interruptions", sa.Integer(), server_default="0", nullable=False, comment="workers that died over it"
        ),
    )
    op.add_column(
        "turn",
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False, comment="how often it was asked anew"),
    )
    op.add_column(
        "turn",
        sa.Column(
            "waits_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="with not_before: a clock set back ends the waiting",
        ),
    )
    op.add_column(
        "turn",
        sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True, comment="when it was asked anew"),
    )
    op.add_column("turn", sa.Column("stop", sa.Text(), nullable=True, comment="how a person wants it to end"))
    op.add_column("turn", sa.Column("stopped_by", sa.Text(), nullable=True, comment="event that asked for that"))
    op.add_column("turn", sa.Column("collected_into", sa.BigInteger(), nullable=True, comment="answered with this one"))
    op.add_column(
        "turn",
        sa.Column(
            "hourglass",
            sa.Text(),
            nullable=True,
            comment="event that shows that it waits; empty: intended, perhaps sent",
        ),
    )
    op.add_column(
        "turn",
        sa.Column(
            "steps",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="what became of it, oldest first",
        ),
    )
    op.add_column(
        "turn",
        sa.Column(
            "said_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="by the homeserver",
        ),
    )
    op.drop_index(
        op.f("turn_open_idx"),
        table_name="turn",
        postgresql_where="(state = ANY (ARRAY['queued'::text, 'running'::text, 'answered'::text]))",
    )
    op.create_index(
        "turn_open_idx",
        "turn",
        ["conversation", "place"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running', 'answered')"),
    )
    op.create_index(
        "turn_stopped_by_idx",
        "turn",
        ["stopped_by"],
        unique=False,
        postgresql_where=sa.text("stopped_by IS NOT NULL"),
    )
    op.create_index(op.f("send_event_id_idx"), "send", ["event_id"], unique=False)
    op.create_index(
        "turn_collected_idx",
        "turn",
        ["collected_into"],
        unique=False,
        postgresql_where=sa.text("collected_into IS NOT NULL"),
    )
    op.create_index(
        "turn_finished_idx", "turn", ["finished_at"], unique=False, postgresql_where=sa.text("finished_at IS NOT NULL")
    )
    op.create_index(
        "turn_hourglass_idx", "turn", ["id"], unique=False, postgresql_where=sa.text("hourglass IS NOT NULL")
    )
    op.create_foreign_key(
        op.f("turn_collected_into_fkey"), "turn", "turn", ["collected_into"], ["id"], ondelete="SET NULL"
    )
    # What is there keeps its order and its age, and what the bridge took last is what it has seen.
    op.execute("UPDATE turn SET place = id, said_at = created_at")
    op.execute("SELECT setval('turn_place_seq', coalesce(max(id), 0) + 1, false) FROM turn")
    op.execute(
        """
        INSERT INTO room (room_id, seen)
        SELECT DISTINCT ON (c.room_id) c.room_id, t.event_id
        FROM conversation c LEFT JOIN turn t ON t.conversation = c.id AND t.event_id LIKE '$%'
        WHERE c.portal IS NOT NULL OR c.direct
        ORDER BY c.room_id, t.id DESC NULLS LAST
        """
    )
    op.execute(
        """
        INSERT INTO room (room_id) SELECT room_id FROM portal WHERE room_id IS NOT NULL ON CONFLICT (room_id) DO NOTHING
        """
    )
