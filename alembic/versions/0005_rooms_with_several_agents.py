"""A room may have several agents, and an event one turn for each of them; payloads get a version."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_APPEND_STEP = """
CREATE FUNCTION append_step(steps jsonb, step jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN jsonb_array_length(steps) < 100
                THEN steps || (jsonb_build_object('at', now()) || step) ELSE steps END
$$
"""

# The home of each agent, and what was known of the history of rooms, become one table. A room without an agent is a
# direct conversation with the bridge bot, or a room of people.
_ROOMS = """
ALTER TABLE room RENAME TO history;
ALTER TABLE history RENAME CONSTRAINT room_pkey TO history_pkey;
ALTER TABLE portal RENAME TO room;
ALTER TABLE room RENAME COLUMN agent TO owner;
ALTER TABLE room RENAME CONSTRAINT portal_pkey TO room_pkey;
ALTER TABLE room RENAME CONSTRAINT portal_room_id_key TO room_room_id_key;
ALTER TABLE room RENAME CONSTRAINT portal_agent_fkey TO room_owner_fkey;
ALTER SEQUENCE portal_id_seq RENAME TO room_id_seq;
ALTER INDEX portal_home_key RENAME TO room_home_key;
DROP INDEX portal_agent_idx;
CREATE INDEX room_owner_idx ON room (owner) WHERE owner IS NOT NULL;
ALTER TABLE room
    ALTER COLUMN kind DROP DEFAULT,
    ALTER COLUMN owner DROP NOT NULL,
    ALTER COLUMN name DROP NOT NULL,
    ALTER COLUMN topic DROP NOT NULL,
    ALTER COLUMN announced_state DROP NOT NULL,
    ADD COLUMN last_seen text,
    ADD COLUMN needs_backfill boolean NOT NULL DEFAULT false,
    ADD COLUMN backfill_requests integer NOT NULL DEFAULT 0,
    ADD COLUMN backfilled_at timestamptz;
UPDATE room SET last_seen = h.last_seen, needs_backfill = h.needs_backfill, backfill_requests = h.backfill_requests,
       backfilled_at = h.backfilled_at
FROM history h WHERE h.room_id = room.room_id;
INSERT INTO room (room_id, kind, bot_joined, last_seen, needs_backfill, backfill_requests, backfilled_at)
SELECT h.room_id,
       CASE WHEN EXISTS (SELECT 1 FROM conversation c WHERE c.room_id = h.room_id AND c.direct) THEN 'bot'
            ELSE 'group' END,
       true, h.last_seen, h.needs_backfill, h.backfill_requests, h.backfilled_at
FROM history h WHERE NOT EXISTS (SELECT 1 FROM room WHERE room.room_id = h.room_id)
ORDER BY h.room_id;
DROP TABLE history;
CREATE TABLE participant (
    room bigint NOT NULL,
    agent bigint NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT participant_pkey PRIMARY KEY (room, agent),
    CONSTRAINT participant_room_fkey FOREIGN KEY (room) REFERENCES room (id) ON DELETE CASCADE,
    CONSTRAINT participant_agent_fkey FOREIGN KEY (agent) REFERENCES agent (id)
);
CREATE INDEX participant_agent_idx ON participant (agent);
INSERT INTO participant (room, agent, state, created_at)
SELECT id, owner, 'joined', created_at FROM room WHERE owner IS NOT NULL;
"""

# The bot's lane in an agent's room was the thread "!". A lane that began with an invitation may not have known yet that
# its room is an agent's.
_LANES = """
ALTER TABLE conversation
    DROP CONSTRAINT conversation_room_id_thread_id_key,
    ADD COLUMN agent bigint,
    ADD COLUMN lane_kind text;
UPDATE conversation SET agent = room.owner FROM room
WHERE room.room_id = conversation.room_id AND conversation.thread_id <> '!';
UPDATE conversation SET lane_kind = CASE WHEN agent IS NULL THEN 'bot' ELSE 'agent' END,
       thread_id = CASE WHEN agent IS NULL THEN '' ELSE thread_id END;
ALTER TABLE conversation
    DROP COLUMN portal,
    DROP COLUMN direct,
    ALTER COLUMN lane_kind SET NOT NULL,
    ADD CONSTRAINT conversation_agent_fkey FOREIGN KEY (agent) REFERENCES agent (id),
    ADD CONSTRAINT conversation_lane_kind_check CHECK ((lane_kind = 'bot') = (agent IS NULL));
CREATE INDEX conversation_agent_idx ON conversation (agent);
CREATE UNIQUE INDEX conversation_lane_key ON conversation (room_id, thread_id, coalesce(agent, 0));
"""

# A turn keeps the key that its messages and transaction ids have: it derived from the event alone. A refusal that is
# told once had an event id of its own making; its event stands in its payload.
_TURNS = """
ALTER TABLE turn
    ADD COLUMN key text COLLATE "C",
    ADD COLUMN redacted boolean NOT NULL DEFAULT false,
    ADD COLUMN edited_by text,
    ADD COLUMN target bigint,
    ADD COLUMN reason text,
    ADD COLUMN once_key text;
UPDATE turn SET key = left(encode(sha256(convert_to(event_id, 'UTF8')), 'hex'), 16), redacted = payload ? 'redacted',
       edited_by = payload->>'edited_by',
       target = (SELECT t.id FROM turn t WHERE t.id = (turn.payload->>'turn')::bigint),
       reason = CASE WHEN kind = 'refusal' THEN payload->>'reason' END,
       once_key = CASE WHEN kind = 'refusal' AND event_id NOT LIKE '$%%' THEN event_id END;
ALTER TABLE turn DROP CONSTRAINT turn_event_id_key;
UPDATE turn SET event_id = payload->>'event_id' WHERE once_key IS NOT NULL AND payload ? 'event_id';
DELETE FROM ignored USING turn WHERE ignored.event_id = turn.event_id AND turn.once_key IS NOT NULL;
UPDATE turn SET kind = payload->>'wish' WHERE kind = 'change';
UPDATE turn SET payload = jsonb_build_object('v', 1) || CASE kind
    WHEN 'message' THEN jsonb_strip_nulls(jsonb_build_object(
        'body', coalesce(payload->>'body', ''), 'reply_to', payload->>'reply_to'))
        || CASE WHEN payload ? 'file' THEN jsonb_build_object('file', payload->'file') ELSE '{}' END
    WHEN 'command' THEN jsonb_build_object(
        'body', coalesce(payload->>'body', ''), 'thread', coalesce(payload->>'thread', ''))
    WHEN 'refusal' THEN jsonb_build_object(
        'reason', payload->>'reason', 'thread', coalesce(payload->>'thread', ''),
        'excerpt', coalesce(payload->>'body', ''), 'limit', coalesce((payload->>'limit')::integer, 0))
    WHEN 'invitation' THEN jsonb_build_object('invited', payload->>'invited')
    WHEN 'edit' THEN jsonb_build_object(
        'target', payload->>'target',
        'message', jsonb_build_object(
            'body', coalesce(payload->'message'->>'body', ''), 'file', payload->'message'->'file', 'reply_to', NULL))
    ELSE jsonb_build_object('target', payload->>'target')
END;
ALTER TABLE turn
    ALTER COLUMN key SET NOT NULL,
    ADD COLUMN open boolean GENERATED ALWAYS AS (state IN ('queued', 'running', 'committed')) STORED,
    ADD CONSTRAINT turn_key_key UNIQUE (key),
    ADD CONSTRAINT turn_event_id_conversation_key UNIQUE (event_id, conversation),
    ADD CONSTRAINT turn_target_fkey FOREIGN KEY (target) REFERENCES turn (id) ON DELETE SET NULL;
DROP INDEX turn_open_idx;
CREATE INDEX turn_open_idx ON turn (conversation, position) WHERE open;
CREATE UNIQUE INDEX turn_once_key_idx ON turn (once_key) WHERE once_key IS NOT NULL;
CREATE INDEX turn_target_idx ON turn (target) WHERE target IS NOT NULL;
"""

_COMMENTS = """
COMMENT ON COLUMN room.room_id IS 'null: it does not exist yet';
COMMENT ON COLUMN room.kind IS 'a row of bridge/rooms/kinds.py';
COMMENT ON COLUMN room.owner IS 'the agent whose own room it is; null: nobody''s';
COMMENT ON COLUMN room.name IS 'desired; null: the bridge does not name it';
COMMENT ON COLUMN room.topic IS 'desired; null: the bridge does not choose it';
COMMENT ON COLUMN room.invited IS 'by the bridge';
COMMENT ON COLUMN room.announced_state IS 'the owner''s state that the room was told last';
COMMENT ON COLUMN room.last_seen IS 'event up to which nothing is missing; null: the room''s beginning';
COMMENT ON COLUMN room.needs_backfill IS 'events may be missing: lanes wait';
COMMENT ON COLUMN participant.state IS 'whether the agent''s ghost is in the room';
COMMENT ON COLUMN conversation.thread_id IS 'root event of the thread; empty: the room itself';
COMMENT ON COLUMN conversation.agent IS 'null: the bridge bot';
COMMENT ON COLUMN turn.key IS 'public name, in marks and transaction ids';
COMMENT ON COLUMN turn.redacted IS 'its content is forgotten';
COMMENT ON COLUMN turn.edited_by IS 'event of the edit whose content it has';
COMMENT ON COLUMN turn.target IS 'the message that a change is about';
COMMENT ON COLUMN turn.reason IS 'why a message is refused';
COMMENT ON COLUMN turn.once_key IS 'of the turns with the same value only the first is written';
COMMENT ON COLUMN turn.retries IS 'how often it was asked again';
COMMENT ON COLUMN turn.stop IS 'why it has to end early';
COMMENT ON COLUMN turn.waiting_event_id IS 'reaction that shows that it waits; empty: intended, perhaps sent';
COMMENT ON COLUMN turn.retried_at IS 'when it was asked again';
"""


def upgrade() -> None:
    for script in (_APPEND_STEP, _ROOMS, _LANES, _TURNS, _COMMENTS):
        op.get_bind().exec_driver_sql(script)
