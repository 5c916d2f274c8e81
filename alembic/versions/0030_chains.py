"""Agents ask each other, in chains with budgets."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_CHAIN = """
CREATE TABLE chain (
    id bigint GENERATED ALWAYS AS IDENTITY,
    room_id text NOT NULL,
    root text NOT NULL,
    asker text NOT NULL,
    hops_allowed integer NOT NULL,
    turns_allowed integer NOT NULL,
    tokens_allowed bigint,
    grants integer NOT NULL DEFAULT 0,
    stopped_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chain_pkey PRIMARY KEY (id),
    CONSTRAINT chain_room_id_root_key UNIQUE (room_id, root)
);
CREATE INDEX chain_created_at_idx ON chain (created_at);
COMMENT ON TABLE chain IS 'answers of agents to agents that one message of a person began';
COMMENT ON COLUMN chain.root IS 'event of that message';
COMMENT ON COLUMN chain.asker IS 'its sender';
COMMENT ON COLUMN chain.tokens_allowed IS 'null: no limit';
COMMENT ON COLUMN chain.grants IS 'how often people let the agents go on';
COMMENT ON COLUMN chain.stopped_by IS 'event that ended the chain; null: it may go on';
"""
_HOLD = """
CREATE TABLE chain_hold (
    asked_in bigint NOT NULL,
    agent bigint NOT NULL,
    chain bigint NOT NULL,
    event_id text NOT NULL,
    bound text NOT NULL,
    grants integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chain_hold_pkey PRIMARY KEY (asked_in, agent),
    CONSTRAINT chain_hold_asked_in_fkey FOREIGN KEY (asked_in) REFERENCES turn ON DELETE CASCADE,
    CONSTRAINT chain_hold_agent_fkey FOREIGN KEY (agent) REFERENCES agent,
    CONSTRAINT chain_hold_chain_fkey FOREIGN KEY (chain) REFERENCES chain ON DELETE CASCADE
);
CREATE INDEX chain_hold_chain_idx ON chain_hold (chain);
COMMENT ON TABLE chain_hold IS 'agents that are asked once people let the agents of a chain go on';
COMMENT ON COLUMN chain_hold.asked_in IS 'the turn whose answer mentions the agent';
COMMENT ON COLUMN chain_hold.event_id IS 'event of that answer';
COMMENT ON COLUMN chain_hold.bound IS 'the limit that was reached';
COMMENT ON COLUMN chain_hold.grants IS 'grants of the chain by then';
"""
_PAIR = """
CREATE TABLE pair_grant (
    low bigint NOT NULL,
    high bigint NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT pair_grant_pkey PRIMARY KEY (low, high)
);
COMMENT ON TABLE pair_grant IS 'times from which questions of two agents to each other are counted';
"""
_TURN = """
ALTER TABLE turn
    ADD COLUMN chain bigint,
    ADD COLUMN hops integer NOT NULL DEFAULT 0,
    ADD COLUMN asked_by bigint,
    ADD COLUMN asked_in bigint,
    ADD CONSTRAINT turn_chain_fkey FOREIGN KEY (chain) REFERENCES chain ON DELETE SET NULL,
    ADD CONSTRAINT turn_asked_by_fkey FOREIGN KEY (asked_by) REFERENCES agent,
    ADD CONSTRAINT turn_asked_in_fkey FOREIGN KEY (asked_in) REFERENCES turn ON DELETE SET NULL;
CREATE INDEX turn_chain_idx ON turn (chain) WHERE chain IS NOT NULL;
CREATE INDEX turn_asked_by_idx ON turn (asked_by, created_at) WHERE asked_by IS NOT NULL;
CREATE INDEX turn_asked_in_idx ON turn (asked_in) WHERE asked_in IS NOT NULL;
COMMENT ON COLUMN turn.hops IS 'number of agents that asked one another before it';
COMMENT ON COLUMN turn.asked_by IS 'the agent whose message asks; null: a person asks';
COMMENT ON COLUMN turn.asked_in IS 'the turn whose answer asks';
"""


def upgrade() -> None:
    bind = op.get_bind()
    for statements in (_CHAIN, _HOLD, _PAIR, _TURN):
        bind.exec_driver_sql(statements)
