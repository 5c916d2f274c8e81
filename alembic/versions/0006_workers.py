"""Which process claimed a turn, and since when a room needs a backfill."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE turn ADD COLUMN worker integer;
ALTER TABLE room ADD COLUMN backfill_requested_at timestamptz;
UPDATE room SET backfill_requested_at = now() WHERE needs_backfill;
COMMENT ON COLUMN turn.worker IS 'number of the process that claimed it last';
COMMENT ON COLUMN room.backfill_requested_at IS 'since when it needs a backfill';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMNS)
