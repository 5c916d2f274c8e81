"""The reaction of a message that waits shows its place in the queue."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE turn ADD COLUMN waiting_place integer, ADD COLUMN waiting_shown_at timestamptz;
COMMENT ON COLUMN turn.waiting_place IS 'place in its lane that this reaction shows';
COMMENT ON COLUMN turn.waiting_shown_at IS 'when this reaction was intended';
UPDATE turn SET waiting_place = 1, waiting_shown_at = now() WHERE waiting_event_id IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMNS)
