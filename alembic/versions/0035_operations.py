"""Long work of the leader is a row: its progress survives a kill, and every process sees it."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_OPERATION = """
CREATE TABLE operation (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    key text NOT NULL,
    params jsonb NOT NULL,
    state text NOT NULL DEFAULT 'queued',
    cursor jsonb,
    done integer NOT NULL DEFAULT 0,
    total integer,
    found jsonb NOT NULL DEFAULT '[]',
    error text,
    tries integer NOT NULL DEFAULT 0,
    requested_by text NOT NULL,
    turn bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT operation_pkey PRIMARY KEY (id),
    CONSTRAINT operation_key_key UNIQUE (key),
    CONSTRAINT operation_turn_fkey FOREIGN KEY (turn) REFERENCES turn ON DELETE SET NULL,
    CONSTRAINT operation_state_check CHECK (state IN ('queued', 'running', 'done', 'failed'))
);
CREATE INDEX operation_open_idx ON operation (id) WHERE finished_at IS NULL;
CREATE INDEX operation_finished_at_idx ON operation (finished_at);
CREATE INDEX operation_turn_idx ON operation (turn);
COMMENT ON TABLE operation IS 'long work of the leader, one piece after the other';
COMMENT ON COLUMN operation.key IS 'of equal requests only the first is written';
COMMENT ON COLUMN operation.cursor IS 'the position from which the work goes on; null: its beginning';
COMMENT ON COLUMN operation.total IS 'null: not known yet';
COMMENT ON COLUMN operation.found IS 'the results of the steps up to the cursor';
COMMENT ON COLUMN operation.tries IS 'failures since the last progress';
COMMENT ON COLUMN operation.requested_by IS 'user id; the operator of the command line: empty';
COMMENT ON COLUMN operation.turn IS 'the command whose answer shows the progress';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_OPERATION)
