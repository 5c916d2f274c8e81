"""Waits for an upstream are no failures; offers to stop, replaced parts and early redactions survive a kill."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE turn
    ADD COLUMN upstream_waits integer NOT NULL DEFAULT 0,
    ADD COLUMN upstream_waited double precision NOT NULL DEFAULT 0,
    ADD COLUMN stop_offer text,
    ADD COLUMN redactions jsonb NOT NULL DEFAULT '{}';
ALTER TABLE outbox ADD COLUMN generation integer NOT NULL DEFAULT 0;
-- An earlier version counted waits as failures, and stored no offers.
UPDATE turn SET upstream_waits = failures, failures = 0, stop_offer = ''
WHERE open AND kind = 'message' AND attempts > 0;
COMMENT ON COLUMN turn.upstream_waits IS 'how often it was put back because its upstream was away';
COMMENT ON COLUMN turn.upstream_waited IS 'seconds of these waits, and of the attempts before them';
COMMENT ON COLUMN turn.stop_offer IS 'reaction that offers to stop it; empty: intended, perhaps sent';
COMMENT ON COLUMN turn.redactions IS 'redactions, by redacted event, of events that may be its parts';
COMMENT ON COLUMN outbox.generation IS 'how many events of this part were redacted to be sent again';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMNS)
