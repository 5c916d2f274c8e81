"""Until when a quota refuses a turn: programs are told."""

from __future__ import annotations

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

_COMMENT = "when the quota that has refused it counts anew; infinity: never; null: none has refused it"


def upgrade() -> None:
    op.execute("ALTER TABLE turn ADD COLUMN quota_until timestamptz")
    op.execute(f"COMMENT ON COLUMN turn.quota_until IS '{_COMMENT}'")


def downgrade() -> None:
    op.execute("ALTER TABLE turn DROP COLUMN quota_until")
