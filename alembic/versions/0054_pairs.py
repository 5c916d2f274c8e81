"""Direct rooms of two agents or two people, and own profiles of agents and people."""

from __future__ import annotations

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE pair (
    room bigint NOT NULL,
    low text NOT NULL,
    high text NOT NULL,
    CONSTRAINT pair_pkey PRIMARY KEY (room),
    CONSTRAINT pair_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE,
    CONSTRAINT pair_low_high_key UNIQUE (low, high)
);
COMMENT ON TABLE pair IS 'direct rooms of two agents or two people';
COMMENT ON COLUMN pair.low IS 'user id of an agent or a person; the smaller one of the two';
CREATE INDEX pair_high_idx ON pair (high);
CREATE TABLE own_profile (
    user_id text NOT NULL,
    bio text,
    status_text text,
    CONSTRAINT own_profile_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE own_profile IS 'what people tell about themselves by their programs';
COMMENT ON COLUMN own_profile.bio IS 'null: none';
COMMENT ON COLUMN own_profile.status_text IS 'null: none';
ALTER TABLE agent ADD COLUMN status_text text, ADD COLUMN away boolean DEFAULT false NOT NULL;
COMMENT ON COLUMN agent.status_text IS 'that the agent has set; null: none';
COMMENT ON COLUMN agent.away IS 'the agent has it shown as away';
DROP INDEX room_group_due_idx;
CREATE INDEX room_group_due_idx ON room (id)
    WHERE kind = ANY (ARRAY['group'::text, 'lobby'::text, 'pair'::text]) AND changes <> changes_applied;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLES)
