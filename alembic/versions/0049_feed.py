"""The feed: the events that programs subscribe to."""

from __future__ import annotations

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_FEED = """
CREATE TABLE feed (
    position bigint GENERATED ALWAYS AS IDENTITY,
    type text NOT NULL,
    room_id text,
    event_id text,
    sender text NOT NULL,
    user_id text,
    target text,
    thread text NOT NULL,
    content text NOT NULL,
    sent_at bigint NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT feed_pkey PRIMARY KEY (position),
    CONSTRAINT feed_event_id_key UNIQUE (event_id)
);
COMMENT ON TABLE feed IS 'events that programs subscribe to';
COMMENT ON COLUMN feed.room_id IS 'null: about no room';
COMMENT ON COLUMN feed.event_id IS 'null: no event of a room';
COMMENT ON COLUMN feed.sender IS 'user id; empty: the bridge';
COMMENT ON COLUMN feed.user_id IS 'the member, or the only reader';
COMMENT ON COLUMN feed.target IS 'event that it edits, redacts or reacts to';
COMMENT ON COLUMN feed.thread IS 'root of its thread; empty: the room itself';
COMMENT ON COLUMN feed.content IS 'an object of JSON';
COMMENT ON COLUMN feed.sent_at IS 'milliseconds since 1970';
CREATE INDEX feed_target_idx ON feed (target) WHERE target IS NOT NULL;
CREATE INDEX feed_created_at_idx ON feed (created_at);
CREATE INDEX feed_member_idx ON feed (user_id, room_id, position) WHERE user_id IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_FEED)
