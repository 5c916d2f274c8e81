"""Chats can be archived and deleted; people choose from lists of chats."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_ROOM = """
ALTER TABLE room
    ADD COLUMN status text NOT NULL DEFAULT 'active',
    ADD COLUMN delete_ref text,
    ADD CONSTRAINT room_status_check CHECK (status IN ('active', 'archived', 'deleting'));
COMMENT ON COLUMN room.status IS 'of a chat';
COMMENT ON COLUMN room.delete_ref IS 'name of the deletion on the homeserver; null: not requested yet';
"""

_CHOICE = """
ALTER TABLE choice
    DROP CONSTRAINT choice_kind_check,
    ADD CONSTRAINT choice_kind_check CHECK (kind IN ('agents', 'chats', 'delete', 'saves'));
"""


def upgrade() -> None:
    for statements in (_ROOM, _CHOICE):
        op.get_bind().exec_driver_sql(statements)
