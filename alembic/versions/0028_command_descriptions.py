"""The commands of the bot are described in the state of rooms."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_ROOM = """
ALTER TABLE room
    ADD COLUMN command_role integer,
    ADD COLUMN commands_described text;
COMMENT ON COLUMN room.command_role IS 'highest role of people who gave commands there; null: none did';
COMMENT ON COLUMN room.commands_described
    IS 'digest of the descriptions of commands that the room was given, or refused';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_ROOM)
