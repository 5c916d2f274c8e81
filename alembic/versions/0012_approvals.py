"""Requests of agents for a person's decision about a tool call."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE approval (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    turn bigint NOT NULL REFERENCES turn ON DELETE CASCADE,
    number integer NOT NULL,
    ref text NOT NULL,
    call_id text NOT NULL,
    tool text NOT NULL,
    arguments text NOT NULL,
    always text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    verdict text CHECK (verdict IN ('allow', 'always', 'deny', 'expired', 'withdrawn')),
    decided_by text,
    decided_in text,
    reason text NOT NULL DEFAULT '',
    may_have_run boolean NOT NULL DEFAULT false,
    is_settled boolean NOT NULL DEFAULT false,
    UNIQUE (turn, ref),
    UNIQUE (turn, number)
);
CREATE INDEX approval_decided_in_idx ON approval (decided_in);
COMMENT ON TABLE approval IS 'requests of agents for a decision about a tool call';
COMMENT ON COLUMN approval.number IS 'position among those of the turn, from 0';
COMMENT ON COLUMN approval.ref IS 'reference of the request on the upstream';
COMMENT ON COLUMN approval.always IS 'offer to allow such calls from now on; empty: none';
COMMENT ON COLUMN approval.verdict IS 'null: undecided';
COMMENT ON COLUMN approval.decided_in IS 'event that made the decision';
COMMENT ON COLUMN approval.reason IS 'reason of a refusal';
COMMENT ON COLUMN approval.may_have_run IS 'it was decided outside of the bridge';
COMMENT ON COLUMN approval.is_settled IS 'its card shows the verdict, without reactions';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLE)
