"""Turns keep the effect of their command. People select agents from lists, for which messages may wait."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_EFFECT = """
ALTER TABLE turn ADD COLUMN effect jsonb;
COMMENT ON COLUMN turn.effect IS 'what its command has done; null: nothing yet';
CREATE INDEX turn_choice_idx ON turn (conversation) WHERE kind = 'choice';
"""

_SELECTION = """
CREATE TABLE selection (
    user_id text NOT NULL,
    agent bigint NOT NULL,
    changed_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT selection_pkey PRIMARY KEY (user_id),
    CONSTRAINT selection_agent_fkey FOREIGN KEY (agent) REFERENCES agent (id)
);
COMMENT ON TABLE selection IS 'agents that people have chosen';
"""

_CHOICE = """
CREATE TABLE choice (
    user_id text NOT NULL,
    kind text NOT NULL,
    room_id text NOT NULL,
    thread_id text NOT NULL DEFAULT '',
    turn bigint,
    items jsonb NOT NULL,
    shown_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT choice_pkey PRIMARY KEY (user_id, kind),
    CONSTRAINT choice_turn_fkey FOREIGN KEY (turn) REFERENCES turn (id) ON DELETE SET NULL,
    CONSTRAINT choice_kind_check CHECK (kind = 'agents')
);
COMMENT ON TABLE choice IS 'the list of a kind that a person was shown last';
COMMENT ON COLUMN choice.turn IS 'its events show the list';
COMMENT ON COLUMN choice.items IS 'row ids in the order of the list';
CREATE INDEX choice_turn_idx ON choice (turn);
"""


def upgrade() -> None:
    for statements in (_EFFECT, _SELECTION, _CHOICE):
        op.get_bind().exec_driver_sql(statements)
