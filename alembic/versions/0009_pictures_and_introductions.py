"""Pictures and descriptions of agents, and the rooms that were introduced, and changed to the configured join rule."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE agent
    ADD COLUMN image text NOT NULL DEFAULT '',
    ADD COLUMN image_applied text,
    ADD COLUMN avatar text,
    ADD COLUMN description text NOT NULL DEFAULT '';
ALTER TABLE room
    ADD COLUMN avatar_applied text,
    ADD COLUMN introduced boolean NOT NULL DEFAULT false,
    ADD COLUMN join_rule_applied text;
-- A room with messages needs no introduction.
UPDATE room SET introduced = true WHERE room_id IS NOT NULL;
-- The Space lists the rooms in another order now.
UPDATE room SET space = NULL WHERE kind = 'home';
COMMENT ON COLUMN agent.image IS 'address of its picture upstream; empty: the bridge draws one';
COMMENT ON COLUMN agent.image_applied IS 'image from which the avatar was made; null: there is none yet';
COMMENT ON COLUMN agent.avatar IS 'mxc URL of the picture that was uploaded for it';
COMMENT ON COLUMN agent.description IS 'given by its upstream';
COMMENT ON COLUMN room.avatar_applied IS 'avatar that the room was given, or was found to replace';
COMMENT ON COLUMN room.introduced IS 'whether the agent has introduced itself';
COMMENT ON COLUMN room.join_rule_applied IS 'join rule that the room was given; null: invite, by an earlier version';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_COLUMNS)
