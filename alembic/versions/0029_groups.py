"""Groups: which messages their agents answer, and how far they are compared with the homeserver."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_ROOM = """
ALTER TABLE room
    ADD COLUMN people integer,
    ADD COLUMN warned boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN room.people IS 'joined people of a group; null: not counted yet';
COMMENT ON COLUMN room.warned IS 'whether a group was told that it has people without a role';
CREATE INDEX room_group_due_idx ON room (id) WHERE kind IN ('group', 'lobby') AND changes <> changes_applied;
UPDATE room SET changes = changes + 1 WHERE kind IN ('group', 'lobby');
"""
_PARTICIPANT = """
ALTER TABLE participant
    ADD COLUMN answers text,
    ADD CONSTRAINT participant_answers_check CHECK (answers IN ('always', 'mention', 'off'));
COMMENT ON COLUMN participant.answers IS 'which messages it answers; null: not set by people';
"""


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (_ROOM, _PARTICIPANT):
        bind.exec_driver_sql(statements)
