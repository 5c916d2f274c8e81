"""Direct chats that people begin with agents; the user that speaks for the bridge where the bot is not."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_ROOM = """
ALTER TABLE room
    DROP CONSTRAINT room_status_check,
    ADD CONSTRAINT room_status_check CHECK (status IN ('active', 'archived', 'deleting', 'ended'));
CREATE UNIQUE INDEX room_dm_key ON room (owner, person) WHERE kind = 'dm' AND status = 'active';
DROP INDEX room_chat_due_idx;
CREATE INDEX room_chat_due_idx ON room (id)
    WHERE kind IN ('chat', 'dm') AND (changes <> changes_applied OR check_requests <> checked);
COMMENT ON COLUMN room.status IS 'of a chat or a direct chat';
"""

_TURN = """
ALTER TABLE turn ADD COLUMN voice text;
COMMENT ON COLUMN turn.voice IS 'localpart of the ghost that speaks for the bridge; null: the bot does';
CREATE INDEX turn_invitation_idx ON turn (created_at) WHERE kind = 'invitation';
"""


def upgrade() -> None:
    for statements in (_ROOM, _TURN):
        op.get_bind().exec_driver_sql(statements)
