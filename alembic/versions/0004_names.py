"""Tables and columns get the standard terms of the field."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = {"send": "outbox", "set_aside": "dead_letter", "fact": "kv"}
_COLUMNS = (
    ("turn", "place", "position"),
    ("turn", "hourglass", "waiting_event_id"),
    ("turn", "besides", "extras"),
    ("room", "seen", "last_seen"),
    ("room", "suspect", "needs_backfill"),
    ("room", "suspicions", "backfill_requests"),
    ("room", "compared_at", "backfilled_at"),
    ("portal", "told", "announced_state"),
    ("portal", "busy", "when_busy"),
    ("portal", "stream", "streaming"),
)
_INDEXES = {
    "send_event_id_idx": "outbox_event_id_idx",
    "turn_hourglass_idx": "turn_waiting_event_id_idx",
}
_CONSTRAINTS = (
    ("outbox", "send_pkey", "outbox_pkey"),
    ("outbox", "send_turn_fkey", "outbox_turn_fkey"),
    ("dead_letter", "set_aside_pkey", "dead_letter_pkey"),
    ("kv", "fact_pkey", "kv_pkey"),
)


def upgrade() -> None:
    for old, new in _TABLES.items():
        op.rename_table(old, new)
    for table, old, new in _COLUMNS:
        op.alter_column(table, old, new_column_name=new)
    for old, new in _INDEXES.items():
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    for table, old, new in _CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
    op.execute("ALTER SEQUENCE turn_place_seq RENAME TO turn_position_seq")
    op.execute("ALTER SEQUENCE set_aside_id_seq RENAME TO dead_letter_id_seq")
    op.drop_index("turn_open_idx", table_name="turn")
    op.execute("UPDATE turn SET state = 'committed' WHERE state = 'answered'")
    op.create_index(
        "turn_open_idx",
        "turn",
        ["conversation", "position"],
        postgresql_where=sa.text("state IN ('queued', 'running', 'committed')"),
    )
    op.execute(
        "UPDATE turn SET extras = extras - 'asides' || jsonb_build_object('activity', extras -> 'asides') "
        "WHERE extras ? 'asides'"
    )
    op.execute("UPDATE ignored SET reason = 'dead_letter' WHERE reason = 'set_aside'")
    op.execute(
        "UPDATE kv SET value = jsonb_build_object('requested', value -> 'looks', 'confirmed', value -> 'confirmed') "
        "WHERE key = 'upstream_looks_done' AND value ? 'looks'"
    )
