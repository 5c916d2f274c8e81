"""Threads of programs that speak the OpenAI API, people whom programs may ask, and the questions to them."""

from __future__ import annotations

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE model_thread (
    id bigint GENERATED ALWAYS AS IDENTITY,
    owner text NOT NULL,
    target text NOT NULL,
    key text NOT NULL,
    room_id text NOT NULL,
    root text,
    begun boolean DEFAULT false NOT NULL,
    instructions text,
    created_at timestamptz DEFAULT now() NOT NULL,
    used_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT model_thread_pkey PRIMARY KEY (id),
    CONSTRAINT model_thread_owner_target_key_key UNIQUE (owner, target, key)
);
COMMENT ON TABLE model_thread IS 'threads in which programs that speak the OpenAI API talk';
COMMENT ON COLUMN model_thread.owner IS 'user id of the program''s identity';
COMMENT ON COLUMN model_thread.target IS 'user id of the agent or the person who is asked';
COMMENT ON COLUMN model_thread.key IS 'name of the conversation that the program gives';
COMMENT ON COLUMN model_thread.root IS 'event at which the thread begins; null: not sent yet';
COMMENT ON COLUMN model_thread.begun IS 'whether the first message was said, with what was said elsewhere before';
COMMENT ON COLUMN model_thread.instructions IS 'SHA-256 of the instructions that were said last; null: none';
CREATE INDEX model_thread_target_idx ON model_thread (target);
CREATE INDEX model_thread_used_at_idx ON model_thread (used_at);
CREATE TABLE reachable_person (
    user_id text NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT reachable_person_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE reachable_person IS 'people whom programs may ask';
CREATE TABLE person_question (
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    owner text NOT NULL,
    person text NOT NULL,
    room_id text NOT NULL,
    thread text NOT NULL,
    event_id text,
    asked_at timestamptz DEFAULT now() NOT NULL,
    deadline timestamptz NOT NULL,
    answer text,
    answer_event text,
    answered_at timestamptz,
    CONSTRAINT person_question_pkey PRIMARY KEY (id),
    CONSTRAINT person_question_key_key UNIQUE (key)
);
COMMENT ON TABLE person_question IS 'questions of programs to people';
COMMENT ON COLUMN person_question.key IS 'name of the request; a repeat has the same one';
COMMENT ON COLUMN person_question.owner IS 'user id of the program''s identity';
COMMENT ON COLUMN person_question.thread IS 'root of the thread';
COMMENT ON COLUMN person_question.event_id IS 'the question; null: not sent yet';
COMMENT ON COLUMN person_question.deadline IS 'an answer counts until then';
COMMENT ON COLUMN person_question.answer IS 'null: none yet';
CREATE INDEX person_question_room_id_idx ON person_question (room_id);
CREATE INDEX person_question_person_idx ON person_question (person);
CREATE INDEX person_question_owner_idx ON person_question (owner);
CREATE INDEX person_question_event_id_idx ON person_question (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX person_question_asked_at_idx ON person_question (asked_at);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_TABLES)
