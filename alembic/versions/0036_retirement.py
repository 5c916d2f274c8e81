"""Agents that people retire, the question whether the room of one is to be deleted, and ghosts that are deactivated."""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_RETIREMENT = """
ALTER TABLE agent ADD COLUMN retired_by text, ADD COLUMN deactivated boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN agent.deactivated IS 'whether the account of its ghost was ended, which is for ever';
COMMENT ON COLUMN agent.retired_by IS 'user id of the person who retired it; null: nobody did';
ALTER TABLE choice
    DROP CONSTRAINT choice_kind_check,
    ADD CONSTRAINT choice_kind_check CHECK (kind IN ('agents', 'chats', 'delete', 'retire', 'saves'));
COMMENT ON COLUMN room.status IS 'of a chat, a direct chat or a home';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_RETIREMENT)
