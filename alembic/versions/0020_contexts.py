"""Lanes have several contexts: a person begins a new one, saves one under a name, and returns to one."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_CONTEXT = """
CREATE TABLE context (
    id bigint GENERATED ALWAYS AS IDENTITY,
    conversation bigint NOT NULL,
    agent bigint NOT NULL,
    session text,
    owner text,
    name text,
    upstream_ref text,
    upstream_kind text,
    started_at timestamp with time zone NOT NULL DEFAULT now(),
    created_at timestamp with time zone NOT NULL DEFAULT now(),
    ended_at timestamp with time zone,
    CONSTRAINT context_pkey PRIMARY KEY (id),
    CONSTRAINT context_conversation_fkey FOREIGN KEY (conversation) REFERENCES conversation (id) ON DELETE CASCADE,
    CONSTRAINT context_agent_fkey FOREIGN KEY (agent) REFERENCES agent (id),
    CONSTRAINT context_saved_check CHECK ((owner IS NULL) = (name IS NULL) AND (name IS NULL) <> (session IS NULL))
);
COMMENT ON TABLE context IS 'conversations of lanes besides the first one, and copies that people saved';
COMMENT ON COLUMN context.session IS 'name of the conversation for upstreams; null: a saved copy';
COMMENT ON COLUMN context.owner IS 'the person who saved it; null: no saved copy';
COMMENT ON COLUMN context.upstream_ref IS 'copy on the upstream from which it can go on; null: there is none';
COMMENT ON COLUMN context.upstream_kind IS 'kind of the upstream that has the copy';
COMMENT ON COLUMN context.started_at IS 'when its conversation began, perhaps in another context';
COMMENT ON COLUMN context.ended_at IS 'when its lane went on with another one; null: never, or a saved copy';
CREATE UNIQUE INDEX context_name_key ON context (owner, agent, lower(name)) WHERE name IS NOT NULL;
CREATE INDEX context_conversation_idx ON context (conversation);
CREATE INDEX context_agent_idx ON context (agent);
"""

_LANE = """
ALTER TABLE conversation ADD COLUMN context bigint;
ALTER TABLE conversation ADD CONSTRAINT conversation_context_fkey
    FOREIGN KEY (context) REFERENCES context (id) ON DELETE SET NULL;
COMMENT ON COLUMN conversation.context IS 'the one that goes on; null: the first';
CREATE INDEX conversation_context_idx ON conversation (context) WHERE context IS NOT NULL;
"""

_MESSAGE = """
ALTER TABLE message ADD COLUMN context bigint;
ALTER TABLE message ADD CONSTRAINT message_context_fkey
    FOREIGN KEY (context) REFERENCES context (id) ON DELETE CASCADE;
COMMENT ON COLUMN message.context IS 'null: the first one of its lane';
DROP INDEX message_conversation_id_idx;
CREATE INDEX message_context_idx ON message (context) WHERE context IS NOT NULL;
CREATE INDEX message_lane_idx ON message (conversation, coalesce(context, 0), id);
"""

_PARTICIPANT = """
ALTER TABLE participant ADD COLUMN instructions text;
COMMENT ON COLUMN participant.instructions IS 'of people, for this room; empty: taken back';
ALTER TABLE participant ADD COLUMN instructed_in text;
COMMENT ON COLUMN participant.instructed_in IS 'event that gave them';
ALTER TABLE participant ADD COLUMN instructed_at timestamp with time zone;
ALTER TABLE participant ADD COLUMN model text;
COMMENT ON COLUMN participant.model IS 'the one that people chose for this room; null: that of the agent';
"""

_CHOICE = """
ALTER TABLE choice DROP CONSTRAINT choice_kind_check;
ALTER TABLE choice ADD CONSTRAINT choice_kind_check CHECK (kind IN ('agents', 'saves'));
"""


def upgrade() -> None:
    for statements in (_CONTEXT, _LANE, _MESSAGE, _PARTICIPANT, _CHOICE):
        op.get_bind().exec_driver_sql(statements)
