"""Threads that have names."""

from __future__ import annotations

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_THREADS = """
CREATE TABLE thread (
    id bigint GENERATED ALWAYS AS IDENTITY,
    room bigint NOT NULL,
    room_id text NOT NULL,
    root text,
    title_event text,
    name text NOT NULL,
    creator text NOT NULL,
    key text NOT NULL,
    since text DEFAULT '' NOT NULL,
    archived_at timestamptz,
    said_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    changes integer DEFAULT 1 NOT NULL,
    changes_applied integer DEFAULT 0 NOT NULL,
    CONSTRAINT thread_pkey PRIMARY KEY (id),
    CONSTRAINT thread_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE,
    CONSTRAINT thread_key_key UNIQUE (key)
);
COMMENT ON TABLE thread IS 'threads that have names';
COMMENT ON COLUMN thread.room_id IS 'room of its events: an upgrade leaves them behind';
COMMENT ON COLUMN thread.root IS 'its first event; null: the bridge sends it with the name';
COMMENT ON COLUMN thread.title_event IS 'event of the bridge that shows the name; null: not sent yet';
COMMENT ON COLUMN thread.creator IS 'user id; empty: erased';
COMMENT ON COLUMN thread.key IS 'of the request that gave it a name';
COMMENT ON COLUMN thread.since IS 'event before the one with the name';
COMMENT ON COLUMN thread.said_at IS 'of the newest message or command, by the homeserver''s clock';
COMMENT ON COLUMN thread.changes IS 'of the text that shows the name';
COMMENT ON COLUMN thread.changes_applied IS 'those that the room has or refused';
CREATE UNIQUE INDEX thread_root_key ON thread (room_id, root) WHERE root IS NOT NULL;
CREATE INDEX thread_room_idx ON thread (room);
CREATE INDEX thread_due_idx ON thread (id) WHERE changes <> changes_applied;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_THREADS)
