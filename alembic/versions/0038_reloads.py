"""Processes read their configuration again when a row asks for it, and answer with the keys that have changed."""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_RELOADS = """
CREATE TABLE reload (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT reload_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE reload IS 'requests to all processes to read their configuration again';
CREATE TABLE reload_answer (
    reload bigint NOT NULL,
    process integer NOT NULL,
    name text,
    applied text[] NOT NULL DEFAULT '{}',
    restart text[] NOT NULL DEFAULT '{}',
    fault text NOT NULL DEFAULT '',
    CONSTRAINT reload_answer_pkey PRIMARY KEY (reload, process),
    CONSTRAINT reload_answer_reload_fkey FOREIGN KEY (reload) REFERENCES reload ON DELETE CASCADE
);
COMMENT ON TABLE reload_answer IS 'answers of the processes';
COMMENT ON COLUMN reload_answer.process IS 'number of a process that was asked';
COMMENT ON COLUMN reload_answer.name IS 'its machine and process id; null: it has not answered';
COMMENT ON COLUMN reload_answer.applied IS 'paths of keys that count now';
COMMENT ON COLUMN reload_answer.restart IS 'paths of keys that need a restart';
COMMENT ON COLUMN reload_answer.fault IS 'why its file is not valid; empty: it is';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_RELOADS)
