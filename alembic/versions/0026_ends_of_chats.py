"""Chats end when their person has left, are put away on servers too, and take titles back whose words were redacted."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_ROOM = """
ALTER TABLE room
    ADD COLUMN left_at timestamp with time zone,
    ADD COLUMN put_away boolean NOT NULL DEFAULT false,
    ADD COLUMN titled_from bigint,
    ADD COLUMN name_redacted boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT room_titled_from_fkey FOREIGN KEY (titled_from) REFERENCES turn (id) ON DELETE SET NULL;
COMMENT ON COLUMN room.left_at IS 'since when the person of a chat has left; null: not';
COMMENT ON COLUMN room.put_away IS 'whether the conversations of a chat are archived on the upstream';
COMMENT ON COLUMN room.titled_from IS 'message from which the title of a chat was made; null: from none that is known';
COMMENT ON COLUMN room.name_redacted IS 'whether the name that a chat was given last has words that were redacted';
CREATE INDEX room_left_at_idx ON room (left_at) WHERE left_at IS NOT NULL;
CREATE INDEX room_titled_from_idx ON room (titled_from) WHERE titled_from IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_ROOM)
