"""Chats have a title after their first answer, and a time of last use."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ROOM = """
ALTER TABLE room
    ADD COLUMN used_at timestamp with time zone,
    ADD COLUMN title_turn bigint,
    ADD CONSTRAINT room_title_turn_fkey FOREIGN KEY (title_turn) REFERENCES turn (id) ON DELETE SET NULL;
COMMENT ON COLUMN room.used_at IS 'last answer in a chat, to the minute; null: none yet';
COMMENT ON COLUMN room.title_turn IS 'answered message from which the title of a chat is to be made; null: none';
CREATE INDEX room_title_turn_idx ON room (title_turn) WHERE title_turn IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_ROOM)
