"""Schedules: agents are asked at given times."""

from __future__ import annotations

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_SCHEDULE = """
CREATE TABLE schedule (
    id bigint GENERATED ALWAYS AS IDENTITY,
    owner text NOT NULL,
    agent bigint NOT NULL,
    room bigint NOT NULL,
    expression text NOT NULL,
    rule text NOT NULL,
    zone text NOT NULL,
    prompt text NOT NULL,
    due_at timestamptz NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    problem text,
    created_at timestamptz DEFAULT now() NOT NULL,
    last_run_at timestamptz,
    CONSTRAINT schedule_pkey PRIMARY KEY (id),
    CONSTRAINT schedule_agent_fkey FOREIGN KEY (agent) REFERENCES agent,
    CONSTRAINT schedule_room_fkey FOREIGN KEY (room) REFERENCES room ON DELETE CASCADE
);
CREATE INDEX schedule_owner_idx ON schedule (owner);
CREATE INDEX schedule_agent_idx ON schedule (agent);
CREATE INDEX schedule_room_idx ON schedule (room);
CREATE INDEX schedule_due_at_idx ON schedule (due_at) WHERE NOT paused;
COMMENT ON TABLE schedule IS 'prompts for agents at given times';
COMMENT ON COLUMN schedule.owner IS 'user id';
COMMENT ON COLUMN schedule.expression IS 'the time as its owner typed it';
COMMENT ON COLUMN schedule.rule IS 'the time as programs read it';
COMMENT ON COLUMN schedule.zone IS 'time zone of the owner when it was made';
COMMENT ON COLUMN schedule.due_at IS 'the next run';
COMMENT ON COLUMN schedule.problem IS 'why the last run did not happen; null: it did, or there was none';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_SCHEDULE)
