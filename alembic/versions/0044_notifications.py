"""Notifications, which the bot sends to people, and agent events."""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0043"
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

_EVENTS = """
CREATE TABLE agent_event (
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    room_id text NOT NULL,
    sender text NOT NULL,
    content jsonb NOT NULL,
    since text,
    event_id text,
    error text,
    closed_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT agent_event_pkey PRIMARY KEY (id),
    CONSTRAINT agent_event_key_key UNIQUE (key)
);
COMMENT ON TABLE agent_event IS 'events of agents that the leader posts';
COMMENT ON COLUMN agent_event.sender IS 'user id of the bot or of a ghost';
COMMENT ON COLUMN agent_event.content IS 'empty once it is posted';
COMMENT ON COLUMN agent_event.since IS 'an older event of the room; null: the event is not tried yet';
COMMENT ON COLUMN agent_event.error IS 'why it cannot be posted';
COMMENT ON COLUMN agent_event.closed_at IS 'when it was posted or given up; null: it waits';
CREATE INDEX agent_event_open_idx ON agent_event (room_id, id) WHERE closed_at IS NULL;
CREATE INDEX agent_event_closed_at_idx ON agent_event (closed_at) WHERE closed_at IS NOT NULL;
CREATE TABLE mirror (
    channel bigint NOT NULL,
    agents bigint[],
    since timestamptz DEFAULT now() NOT NULL,
    read_until timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT mirror_pkey PRIMARY KEY (channel),
    CONSTRAINT mirror_channel_fkey FOREIGN KEY (channel) REFERENCES room (id) ON DELETE CASCADE
);
COMMENT ON TABLE mirror IS 'log channels that show when agents begin and end their turns';
COMMENT ON COLUMN mirror.agents IS 'of these agents (row ids); null: of all';
COMMENT ON COLUMN mirror.read_until IS 'the ends of turns before that are mirrored';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_NOTIFICATIONS)
    op.get_bind().exec_driver_sql(_EVENTS)
