"""Servers with roles of their own, and channels."""

from __future__ import annotations

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_SERVERS = """
CREATE TABLE server (
    id bigint GENERATED ALWAYS AS IDENTITY,
    room bigint NOT NULL,
    owner text NOT NULL,
    icon text,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT server_pkey PRIMARY KEY (id),
    CONSTRAINT server_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE,
    CONSTRAINT server_room_key UNIQUE (room)
);
COMMENT ON TABLE server IS 'Spaces below the main one, with channels and roles of their own';
COMMENT ON COLUMN server.room IS 'its Space';
COMMENT ON COLUMN server.owner IS 'user id';
COMMENT ON COLUMN server.icon IS 'mxc URI; null: none';
CREATE TABLE server_role (
    server bigint NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    given_by text NOT NULL,
    given_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT server_role_pkey PRIMARY KEY (server, user_id),
    CONSTRAINT server_role_server_fkey FOREIGN KEY (server) REFERENCES server (id) ON DELETE CASCADE,
    CONSTRAINT server_role_role_check CHECK (role IN ('none', 'agent', 'member', 'moderator', 'admin', 'owner'))
);
COMMENT ON TABLE server_role IS 'roles that override all others in one server';
CREATE TABLE channel (
    room bigint NOT NULL,
    server bigint,
    type text NOT NULL,
    position integer NOT NULL,
    CONSTRAINT channel_pkey PRIMARY KEY (room),
    CONSTRAINT channel_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE,
    CONSTRAINT channel_server_fkey FOREIGN KEY (server) REFERENCES server (id),
    CONSTRAINT channel_type_check CHECK (type IN ('text', 'announcement', 'log', 'voice'))
);
COMMENT ON TABLE channel IS 'rooms of several agents and people that the bridge makes';
COMMENT ON COLUMN channel.server IS 'null: the main Space lists it';
COMMENT ON COLUMN channel.position IS 'among the channels of the server, from 1';
CREATE INDEX channel_server_idx ON channel (server);
CREATE INDEX room_place_due_idx ON room (id)
WHERE kind IN ('server', 'channel') AND (changes <> changes_applied OR check_requests <> checked);
ALTER TABLE role_book ADD servers jsonb DEFAULT '{}' NOT NULL;
COMMENT ON COLUMN role_book.servers IS 'roles that count in one server: by its row id, then as in assigned';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_SERVERS)
