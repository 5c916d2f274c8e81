"""The conversation of a chat can begin with a copy of another one."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_ROOM = """
ALTER TABLE room ADD COLUMN first_context bigint,
    ADD CONSTRAINT room_first_context_fkey FOREIGN KEY (first_context) REFERENCES context (id) ON DELETE SET NULL;
COMMENT ON COLUMN room.first_context IS 'context with which the conversation of a chat begins; null: an empty one';
CREATE INDEX room_first_context_idx ON room (first_context) WHERE first_context IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_ROOM)
