"""Tokens of programs, their requests, and how far people have read."""

from __future__ import annotations

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_TOKENS = """
CREATE TABLE token (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    person text,
    agent bigint,
    hash text NOT NULL,
    nonce text,
    capabilities text[] NOT NULL,
    all_rooms boolean NOT NULL,
    made_by text NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT token_pkey PRIMARY KEY (id),
    CONSTRAINT token_agent_fkey FOREIGN KEY (agent) REFERENCES agent (id) ON DELETE CASCADE,
    CONSTRAINT token_hash_key UNIQUE (hash),
    CONSTRAINT token_identity_check CHECK ((person IS NULL) <> (agent IS NULL))
);
COMMENT ON TABLE token IS 'programs act in the name of a person or an agent';
COMMENT ON COLUMN token.person IS 'user id; null: it is an agent''s';
COMMENT ON COLUMN token.agent IS 'null: a person''s';
COMMENT ON COLUMN token.hash IS 'SHA-256 of the token, which is not stored';
COMMENT ON COLUMN token.nonce IS 'from which the token derives until it is told; null: it was told';
COMMENT ON COLUMN token.all_rooms IS 'whether it counts in all rooms, and not in those of token_room alone';
COMMENT ON COLUMN token.made_by IS 'user id; empty: an operator';
COMMENT ON COLUMN token.expires_at IS 'null: never';
COMMENT ON COLUMN token.last_used_at IS 'to the minute';
COMMENT ON COLUMN token.revoked_at IS 'null: it counts';
CREATE INDEX token_person_idx ON token (person);
CREATE INDEX token_agent_idx ON token (agent);
CREATE TABLE token_room (
    token bigint NOT NULL,
    room bigint NOT NULL,
    CONSTRAINT token_room_pkey PRIMARY KEY (token, room),
    CONSTRAINT token_room_token_fkey FOREIGN KEY (token) REFERENCES token (id) ON DELETE CASCADE,
    CONSTRAINT token_room_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE
);
COMMENT ON TABLE token_room IS 'rooms to which tokens are limited';
CREATE INDEX token_room_room_idx ON token_room (room);
CREATE TABLE api_request (
    id bigint GENERATED ALWAYS AS IDENTITY,
    token bigint NOT NULL,
    key text NOT NULL,
    action text NOT NULL,
    digest text NOT NULL,
    handle text NOT NULL,
    name text NOT NULL,
    room_id text,
    event_id text,
    status integer,
    response jsonb,
    created_at timestamptz DEFAULT now() NOT NULL,
    finished_at timestamptz,
    CONSTRAINT api_request_pkey PRIMARY KEY (id),
    CONSTRAINT api_request_token_fkey FOREIGN KEY (token) REFERENCES token (id) ON DELETE CASCADE,
    CONSTRAINT api_request_token_key_key UNIQUE (token, key),
    CONSTRAINT api_request_handle_key UNIQUE (handle),
    CONSTRAINT api_request_name_key UNIQUE (name)
);
COMMENT ON TABLE api_request IS 'requests of programs that change something: each acts once';
COMMENT ON COLUMN api_request.key IS 'Idempotency-Key';
COMMENT ON COLUMN api_request.digest IS 'of method, path and body';
COMMENT ON COLUMN api_request.handle IS 'public name';
COMMENT ON COLUMN api_request.name IS 'in marks and transaction ids';
COMMENT ON COLUMN api_request.event_id IS 'the event that it has sent';
COMMENT ON COLUMN api_request.status IS 'HTTP status; null: not finished';
CREATE INDEX api_request_created_at_idx ON api_request (created_at);
CREATE INDEX api_request_room_id_idx ON api_request (room_id);
CREATE INDEX api_request_event_id_idx ON api_request (event_id) WHERE event_id IS NOT NULL;
CREATE TABLE read_marker (
    user_id text NOT NULL,
    room bigint NOT NULL,
    event_id text NOT NULL,
    said_at timestamptz NOT NULL,
    CONSTRAINT read_marker_pkey PRIMARY KEY (user_id, room),
    CONSTRAINT read_marker_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE
);
COMMENT ON TABLE read_marker IS 'how far programs have read for a person or an agent';
COMMENT ON COLUMN read_marker.said_at IS 'time of the event';
CREATE INDEX read_marker_room_idx ON read_marker (room);
ALTER TABLE turn ADD awaited boolean DEFAULT false NOT NULL;
COMMENT ON COLUMN turn.awaited IS 'whether a program waits for its end';
CREATE FUNCTION agent_bridge_notify_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_bridge', 'answers');
    RETURN NULL;
END;
$$;
CREATE TRIGGER turn_ended AFTER UPDATE ON turn FOR EACH ROW
WHEN (NEW.awaited AND OLD.open AND NOT NEW.open) EXECUTE FUNCTION agent_bridge_notify_answer();
CREATE TRIGGER turn_deleted AFTER DELETE ON turn FOR EACH ROW
WHEN (OLD.awaited) EXECUTE FUNCTION agent_bridge_notify_answer();
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TOKENS)
