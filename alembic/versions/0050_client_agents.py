"""Agents that connect themselves, and the questions that wait for them."""

from __future__ import annotations

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

_CLIENTS = """
CREATE TABLE client_agent (
    id bigint GENERATED ALWAYS AS IDENTITY,
    model text NOT NULL,
    name text NOT NULL,
    description text DEFAULT '' NOT NULL,
    ephemeral boolean DEFAULT false NOT NULL,
    owner text NOT NULL,
    request_key text,
    created_at timestamptz DEFAULT now() NOT NULL,
    seen_at timestamptz,
    CONSTRAINT client_agent_pkey PRIMARY KEY (id),
    CONSTRAINT client_agent_model_key UNIQUE (model),
    CONSTRAINT client_agent_request_key_key UNIQUE (request_key)
);
COMMENT ON TABLE client_agent IS 'agents that connect themselves';
COMMENT ON COLUMN client_agent.model IS 'its id in the list of its upstream';
COMMENT ON COLUMN client_agent.owner IS 'user id of the person who registered it';
COMMENT ON COLUMN client_agent.request_key IS 'a repeat of the registration has the same one';
COMMENT ON COLUMN client_agent.seen_at IS 'when it was connected last';
CREATE TABLE client_question (
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    turn bigint NOT NULL,
    model text NOT NULL,
    text text NOT NULL,
    asked_at timestamptz DEFAULT now() NOT NULL,
    deadline timestamptz NOT NULL,
    taken_at timestamptz,
    reply text,
    replied_at timestamptz,
    CONSTRAINT client_question_pkey PRIMARY KEY (id),
    CONSTRAINT client_question_key_key UNIQUE (key),
    CONSTRAINT client_question_turn_fkey FOREIGN KEY (turn) REFERENCES turn (id) ON DELETE CASCADE,
    CONSTRAINT client_question_model_fkey FOREIGN KEY (model) REFERENCES client_agent (model) ON DELETE CASCADE
);
COMMENT ON TABLE client_question IS 'questions that wait for the replies of agents that connect themselves';
COMMENT ON COLUMN client_question.key IS 'the same for all attempts at the same question';
COMMENT ON COLUMN client_question.text IS 'the question; empty once there is a reply';
COMMENT ON COLUMN client_question.taken_at IS 'when the agent read it first';
COMMENT ON COLUMN client_question.reply IS 'null: none yet';
CREATE INDEX client_question_turn_idx ON client_question (turn);
CREATE INDEX client_question_open_idx ON client_question (model) WHERE reply IS NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_CLIENTS)
