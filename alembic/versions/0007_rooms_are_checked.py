"""Rooms of agents are compared with the homeserver, and keep the problems that this finds."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROOMS = """
ALTER TABLE room
    ADD COLUMN check_requests integer NOT NULL DEFAULT 0,
    ADD COLUMN checked integer NOT NULL DEFAULT 0,
    ADD COLUMN problems text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN room.check_requests IS 'how often a comparison with the homeserver was requested';
COMMENT ON COLUMN room.checked IS 'the requests that the last comparison answered; fewer than requested: lanes wait';
COMMENT ON COLUMN room.problems IS 'those that the last comparison could not repair';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_ROOMS)
