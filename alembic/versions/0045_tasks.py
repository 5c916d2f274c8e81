"""Tasks of people and agents."""

from __future__ import annotations

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_TASKS = """
CREATE TABLE task (
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    room bigint NOT NULL,
    parent bigint,
    title text NOT NULL,
    state text DEFAULT 'submitted' NOT NULL,
    creator text NOT NULL,
    assignee text,
    percent integer DEFAULT 0 NOT NULL,
    note text DEFAULT '' NOT NULL,
    deadline timestamptz,
    changes integer DEFAULT 1 NOT NULL,
    shown integer DEFAULT 0 NOT NULL,
    card text,
    card_room text,
    since text,
    created_at timestamptz DEFAULT now() NOT NULL,
    closed_at timestamptz,
    CONSTRAINT task_pkey PRIMARY KEY (id),
    CONSTRAINT task_key_key UNIQUE (key),
    CONSTRAINT task_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE,
    CONSTRAINT task_parent_fkey FOREIGN KEY (parent) REFERENCES task (id) ON DELETE CASCADE,
    CONSTRAINT task_state_check CHECK (state IN (
        'submitted', 'working', 'input-required', 'auth-required', 'completed', 'failed', 'canceled', 'rejected'))
);
COMMENT ON TABLE task IS 'work that people and agents take on';
COMMENT ON COLUMN task.key IS 'name of the request that made it';
COMMENT ON COLUMN task.creator IS 'user id';
COMMENT ON COLUMN task.assignee IS 'user id; null: nobody';
COMMENT ON COLUMN task.percent IS 'with subtasks: the mean of them';
COMMENT ON COLUMN task.deadline IS 'end of the claim without further progress; null: no claim';
COMMENT ON COLUMN task.changes IS 'how often the desired card changed';
COMMENT ON COLUMN task.shown IS 'the changes that the card shows';
COMMENT ON COLUMN task.card IS 'event of the card; null: none is known';
COMMENT ON COLUMN task.card_room IS 'room id of the card';
COMMENT ON COLUMN task.since IS 'an older event of the room; null: no card was tried yet';
CREATE INDEX task_room_idx ON task (room, id);
CREATE INDEX task_parent_idx ON task (parent) WHERE parent IS NOT NULL;
CREATE INDEX task_assignee_idx ON task (assignee) WHERE closed_at IS NULL;
CREATE INDEX task_unshown_idx ON task (id) WHERE changes <> shown;
CREATE INDEX task_deadline_idx ON task (deadline) WHERE state = 'working';
CREATE INDEX task_card_idx ON task (card) WHERE card IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TASKS)
