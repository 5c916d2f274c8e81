"""A room has a choice which answers are read aloud."""

from __future__ import annotations

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

_COMMENT = "which answers are read aloud; null: those to voice messages"


def upgrade() -> None:
    op.execute("ALTER TABLE room ADD COLUMN speech text")
    op.execute(f"COMMENT ON COLUMN room.speech IS '{_COMMENT}'")


def downgrade() -> None:
    op.execute("ALTER TABLE room DROP COLUMN speech")
