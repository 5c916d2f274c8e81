"""The authors of the notes of tasks: an erasure of the person forgets the notes."""

from __future__ import annotations

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

_COMMENT = "user id that wrote the note; null: nobody, or an earlier program"


def upgrade() -> None:
    op.execute("ALTER TABLE task ADD COLUMN note_by text")
    op.execute(f"COMMENT ON COLUMN task.note_by IS '{_COMMENT}'")


def downgrade() -> None:
    op.execute("ALTER TABLE task DROP COLUMN note_by")
