"""Work of the leader's duties has a row too, as long as it takes long; each row tells when it changed last."""

from __future__ import annotations

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

_CHANGES = """
ALTER TABLE operation
    ADD COLUMN tracked boolean NOT NULL DEFAULT false,
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
CREATE UNIQUE INDEX operation_tracked_idx ON operation (kind) WHERE finished_at IS NULL AND tracked;
COMMENT ON COLUMN operation.tracked IS 'other rows drive the work, and this one tells how far it is';
COMMENT ON COLUMN operation.note IS 'the name of the subject at work; no words of people';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_CHANGES)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("ALTER TABLE operation DROP COLUMN tracked, DROP COLUMN note, DROP COLUMN updated_at")
