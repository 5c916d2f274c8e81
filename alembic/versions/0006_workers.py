"""Which process claimed a turn, since when a room needs a backfill, and the advisory locks of this database."""

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

# The advisory locks with two keys, as store/postgres/locks.py uses them.
_LOCKS = """
CREATE VIEW advisory_lock AS
    SELECT l.pid, l.classid::bigint AS kind, l.objid::bigint AS key
    FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
"""


def upgrade() -> None:
    for script in (_COLUMNS, _LOCKS):
        op.get_bind().exec_driver_sql(script)
