"""The tokens and the cost of each request to an agent, and their sums by day."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_USAGE = """
CREATE TABLE usage (
    key text COLLATE "C" NOT NULL,
    turn bigint,
    at timestamptz NOT NULL DEFAULT now(),
    user_id text NOT NULL,
    role text NOT NULL,
    room_id text NOT NULL,
    agent bigint NOT NULL,
    upstream text NOT NULL,
    model text NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint,
    is_estimated boolean NOT NULL,
    cost numeric,
    price text,
    CONSTRAINT usage_pkey PRIMARY KEY (key),
    CONSTRAINT usage_turn_fkey FOREIGN KEY (turn) REFERENCES turn ON DELETE SET NULL,
    CONSTRAINT usage_agent_fkey FOREIGN KEY (agent) REFERENCES agent
);
CREATE INDEX usage_at_idx ON usage (at);
CREATE INDEX usage_user_id_at_idx ON usage (user_id, at);
CREATE INDEX usage_agent_at_idx ON usage (agent, at);
CREATE INDEX usage_room_id_at_idx ON usage (room_id, at);
CREATE INDEX usage_turn_idx ON usage (turn);
COMMENT ON TABLE usage IS 'tokens of requests to agents';
COMMENT ON COLUMN usage.key IS 'name of the request: a repeat replaces the row';
COMMENT ON COLUMN usage.user_id IS 'the person who pays for it';
COMMENT ON COLUMN usage.role IS 'role of the person at that time';
COMMENT ON COLUMN usage.cached_tokens IS 'those of input_tokens that its cache had; null: not reported';
COMMENT ON COLUMN usage.is_estimated IS 'the upstream reported nothing';
COMMENT ON COLUMN usage.cost IS 'in the configured currency; null: the price is unknown';
COMMENT ON COLUMN usage.price IS 'the price by which the cost was computed';
"""
_DAY = """
CREATE TABLE usage_day (
    user_id text NOT NULL,
    day date NOT NULL,
    role text NOT NULL,
    room_id text NOT NULL,
    agent bigint NOT NULL,
    upstream text NOT NULL,
    tokens bigint NOT NULL,
    cost numeric,
    CONSTRAINT usage_day_pkey PRIMARY KEY (user_id, day, role, room_id, agent, upstream),
    CONSTRAINT usage_day_agent_fkey FOREIGN KEY (agent) REFERENCES agent
);
CREATE INDEX usage_day_day_idx ON usage_day (day);
COMMENT ON TABLE usage_day IS 'sums of usage by ended days of the configured time zone';
COMMENT ON COLUMN usage_day.cost IS 'null: no price was known';
"""
_TURN = """
CREATE INDEX turn_recent_idx ON turn (created_at) WHERE kind IN ('message', 'again', 'edit');
"""


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (_USAGE, _DAY, _TURN):
        bind.exec_driver_sql(statements)
