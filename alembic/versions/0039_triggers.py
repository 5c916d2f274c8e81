"""Triggers: other programs wake an agent in a room."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_TRIGGER = """
CREATE TABLE trigger (
    id bigint GENERATED ALWAYS AS IDENTITY,
    public_id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    agent bigint NOT NULL,
    room bigint NOT NULL,
    token_hash text,
    signing_key text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    used_key text,
    CONSTRAINT trigger_pkey PRIMARY KEY (id),
    CONSTRAINT trigger_public_id_key UNIQUE (public_id),
    CONSTRAINT trigger_token_hash_key UNIQUE (token_hash),
    CONSTRAINT trigger_agent_fkey FOREIGN KEY (agent) REFERENCES agent,
    CONSTRAINT trigger_room_fkey FOREIGN KEY (room) REFERENCES room ON DELETE CASCADE,
    CONSTRAINT trigger_kind_check CHECK (
        kind = 'callback' AND token_hash IS NOT NULL OR kind = 'signed' AND signing_key IS NOT NULL)
);
CREATE INDEX trigger_owner_idx ON trigger (owner);
CREATE INDEX trigger_agent_idx ON trigger (agent);
CREATE INDEX trigger_room_idx ON trigger (room);
COMMENT ON TABLE trigger IS 'other programs wake an agent in a room';
COMMENT ON COLUMN trigger.public_id IS 'names it in the URL of signed requests';
COMMENT ON COLUMN trigger.owner IS 'user id';
COMMENT ON COLUMN trigger.token_hash IS 'SHA-256 of the token of a callback URL, which is not stored';
COMMENT ON COLUMN trigger.signing_key IS 'secret';
COMMENT ON COLUMN trigger.expires_at IS 'null: never';
COMMENT ON COLUMN trigger.used_key IS 'the request that has used a callback URL up; null: none';
"""
_REQUEST = """
CREATE TABLE trigger_request (
    trigger bigint NOT NULL,
    key text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT trigger_request_pkey PRIMARY KEY (trigger, key),
    CONSTRAINT trigger_request_trigger_fkey FOREIGN KEY (trigger) REFERENCES trigger ON DELETE CASCADE
);
CREATE INDEX trigger_request_created_at_idx ON trigger_request (created_at);
COMMENT ON TABLE trigger_request IS 'accepted requests of triggers';
COMMENT ON COLUMN trigger_request.key IS 'equal requests have the same';
"""


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (_TRIGGER, _REQUEST):
        bind.exec_driver_sql(statements)
