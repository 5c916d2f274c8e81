"""Notifications, which the bot sends to people."""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0042"
branch_labels = None
depends_on = None

_NOTIFICATIONS = """
CREATE TABLE notification (
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id text NOT NULL,
    kind text NOT NULL,
    room_id text,
    facts jsonb DEFAULT '{}' NOT NULL,
    key text,
    approval bigint,
    due_at timestamptz DEFAULT now() NOT NULL,
    message text,
    sent_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT notification_pkey PRIMARY KEY (id),
    CONSTRAINT notification_key_key UNIQUE (key),
    CONSTRAINT notification_approval_fkey FOREIGN KEY (approval) REFERENCES approval (id) ON DELETE CASCADE
);
COMMENT ON TABLE notification IS 'news for one person, which the bot tells';
COMMENT ON COLUMN notification.room_id IS 'the room that it is about; null: none';
COMMENT ON COLUMN notification.key IS 'a repeat has the same, and writes nothing; null: there is no repeat';
COMMENT ON COLUMN notification.approval IS 'without effect once this request is decided';
COMMENT ON COLUMN notification.message IS 'key of the message that tells it; null: not told yet';
CREATE INDEX notification_user_id_idx ON notification (user_id) WHERE sent_at IS NULL;
CREATE INDEX notification_created_at_idx ON notification (created_at);
CREATE INDEX notification_approval_idx ON notification (approval) WHERE approval IS NOT NULL;
CREATE TABLE notified_person (
    user_id text NOT NULL,
    is_muted boolean DEFAULT false NOT NULL,
    room_id text,
    message text,
    since text,
    CONSTRAINT notified_person_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE notified_person IS 'people with notifications, or without by their own wish';
COMMENT ON COLUMN notified_person.room_id IS 'the room of the last message';
COMMENT ON COLUMN notified_person.message IS 'key of the message that is being sent; null: none';
COMMENT ON COLUMN notified_person.since IS 'newest event of the room before that message; null: it is not tried yet';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_NOTIFICATIONS)
