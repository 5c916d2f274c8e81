"""Votes, and the ballots of votes that are open."""

from __future__ import annotations

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_VOTES = """
CREATE TABLE vote (
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    room bigint NOT NULL,
    room_id text NOT NULL,
    thread text DEFAULT '' NOT NULL,
    voice text,
    asked_in text,
    creator text NOT NULL,
    question text NOT NULL,
    answers jsonb NOT NULL,
    quorum integer,
    ends_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    state text DEFAULT 'open' NOT NULL,
    end_reason text,
    closed_by text,
    closed_at timestamptz,
    begun smallint DEFAULT 0 NOT NULL,
    poll text,
    end_event text,
    result jsonb,
    is_settled boolean DEFAULT false NOT NULL,
    CONSTRAINT vote_pkey PRIMARY KEY (id),
    CONSTRAINT vote_key_key UNIQUE (key),
    CONSTRAINT vote_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE,
    CONSTRAINT vote_state_check CHECK (state IN ('open', 'closing', 'closed', 'cancelled'))
);
COMMENT ON TABLE vote IS 'questions that the people and agents of a room vote on';
COMMENT ON COLUMN vote.key IS 'of the request that made it; transaction ids and marks derive from it';
COMMENT ON COLUMN vote.room_id IS 'room of the poll; the room of the row may be upgraded';
COMMENT ON COLUMN vote.thread IS 'root of the thread; empty: the room itself';
COMMENT ON COLUMN vote.voice IS 'localpart of the ghost that speaks for the bridge; null: the bot does';
COMMENT ON COLUMN vote.asked_in IS 'event of the command; null: another request';
COMMENT ON COLUMN vote.creator IS 'user id; empty: erased';
COMMENT ON COLUMN vote.answers IS 'their texts';
COMMENT ON COLUMN vote.closed_by IS 'user id; null: nobody';
COMMENT ON COLUMN vote.begun IS 'last event whose sending has begun: 1 the poll, 2 its end, 3 the result';
COMMENT ON COLUMN vote.poll IS 'event of the poll';
COMMENT ON COLUMN vote.end_event IS 'event that ends the poll';
COMMENT ON COLUMN vote.result IS 'numbers of votes, and voters until the result is shown, in the order of the answers';
COMMENT ON COLUMN vote.is_settled IS 'nothing is left to do';
CREATE INDEX vote_room_idx ON vote (room);
CREATE INDEX vote_open_idx ON vote (room_id) WHERE state = 'open';
CREATE INDEX vote_due_idx ON vote (id) WHERE NOT is_settled;
CREATE INDEX vote_closed_idx ON vote (closed_at) WHERE is_settled;
CREATE TABLE ballot (
    id bigint GENERATED ALWAYS AS IDENTITY,
    vote bigint NOT NULL,
    voter text NOT NULL,
    selections jsonb NOT NULL,
    said_at bigint NOT NULL,
    event_id text,
    key text,
    ghost text,
    is_due boolean DEFAULT false NOT NULL,
    CONSTRAINT ballot_pkey PRIMARY KEY (id),
    CONSTRAINT ballot_event_id_key UNIQUE (event_id),
    CONSTRAINT ballot_key_key UNIQUE (key),
    CONSTRAINT ballot_vote_fkey FOREIGN KEY (vote) REFERENCES vote (id) ON DELETE CASCADE
);
COMMENT ON TABLE ballot IS 'answers to votes that are open, as they were given';
COMMENT ON COLUMN ballot.voter IS 'user id';
COMMENT ON COLUMN ballot.selections IS 'ids of answers';
COMMENT ON COLUMN ballot.said_at IS 'milliseconds since 1970';
COMMENT ON COLUMN ballot.event_id IS 'response in the room; null: it came on another way';
COMMENT ON COLUMN ballot.key IS 'of the request; null: a response in the room';
COMMENT ON COLUMN ballot.ghost IS 'localpart of the ghost that shows it in the room; null: nobody does';
COMMENT ON COLUMN ballot.is_due IS 'the room does not show it yet';
CREATE INDEX ballot_vote_idx ON ballot (vote, id);
CREATE INDEX ballot_due_idx ON ballot (vote) WHERE is_due;
CREATE INDEX ballot_voter_idx ON ballot (voter);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_VOTES)
