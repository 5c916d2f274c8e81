"""Changes of tasks, votes, notifications and channels become entries of the feed, in their transactions."""

from __future__ import annotations

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# The triggers are deferred: they run when the transaction commits, so the lock of the feed is its last one. A migration
# that changes rows of these tables, and then the tables, runs SET CONSTRAINTS ALL IMMEDIATE between the two.
_FEED = """
ALTER TABLE feed ADD subject bigint;
COMMENT ON COLUMN feed.subject IS 'number of the task or the vote';
CREATE INDEX feed_subject_idx ON feed (subject, type) WHERE subject IS NOT NULL;
ALTER TABLE task ADD withdrawn boolean DEFAULT false NOT NULL;
COMMENT ON COLUMN task.withdrawn IS 'whether its card, or the command that made it, was redacted';
COMMENT ON COLUMN notification.message IS 'key of the message that tells it; null: not told yet; empty: none tells it';

CREATE FUNCTION agent_bridge_is_fed() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM token WHERE 'subscribe' = ANY(capabilities) AND revoked_at IS NULL
                   AND (expires_at IS NULL OR expires_at > now()))
$$;

CREATE FUNCTION agent_bridge_feed(
    entry_type text, entry_room text, reader text, about text, root text, number bigint, facts jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(15, 0);
    INSERT INTO feed (type, room_id, sender, user_id, target, thread, subject, content, sent_at)
    VALUES (entry_type, entry_room, '', reader, about, root, number, jsonb_strip_nulls(facts)::text,
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    PERFORM pg_notify('agent_bridge', 'feed');
END;
$$;

CREATE FUNCTION agent_bridge_feed_task() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_is record;
BEGIN
    IF NOT agent_bridge_is_fed() THEN
        RETURN NULL;
    END IF;
    SELECT r.room_id, t.withdrawn, t.changes INTO now_is FROM task t JOIN room r ON r.id = t.room WHERE t.id = NEW.id;
    -- A transaction that withdraws a task has changed it before, when it still had its words.
    IF now_is.room_id IS NOT NULL AND (NOT now_is.withdrawn OR NEW.changes = now_is.changes) THEN
        PERFORM agent_bridge_feed('task', now_is.room_id, NULL,
            CASE WHEN NEW.card_room = now_is.room_id THEN NEW.card END, '', NEW.id,
            jsonb_build_object(
                'id', NEW.id, 'state', NEW.state, 'title', NEW.title, 'creator', NEW.creator, 'assignee', NEW.assignee,
                'progress', NEW.percent, 'note', nullif(NEW.note, ''), 'parent', NEW.parent, 'revision', NEW.changes));
    END IF;
    RETURN NULL;
END;
$$;
CREATE CONSTRAINT TRIGGER task_made AFTER INSERT ON task DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION agent_bridge_feed_task();
CREATE CONSTRAINT TRIGGER task_changed AFTER UPDATE OF state, assignee, percent, note, title ON task
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN ((OLD.state, OLD.assignee, OLD.percent, OLD.note, OLD.title)
      IS DISTINCT FROM (NEW.state, NEW.assignee, NEW.percent, NEW.note, NEW.title))
EXECUTE FUNCTION agent_bridge_feed_task();

CREATE FUNCTION agent_bridge_feed_vote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place text;
    facts jsonb;
    most integer;
    voters integer;
BEGIN
    IF NOT agent_bridge_is_fed() THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(room_id, NEW.room_id) INTO place FROM room WHERE id = NEW.room;
    facts := jsonb_build_object('id', NEW.id, 'state', NEW.state, 'creator', NEW.creator, 'ended_by', NEW.end_reason,
                                'poll', NEW.poll);
    IF NEW.state = 'cancelled' AND NEW.end_reason = 'redaction' THEN
        UPDATE feed SET content = '{}' WHERE type = 'vote' AND subject = NEW.id;
    ELSE
        facts := facts || jsonb_build_object('question', NEW.question, 'quorum', NEW.quorum,
                                             'ends_at', (extract(epoch FROM NEW.ends_at) * 1000)::bigint);
    END IF;
    IF NEW.state = 'open' THEN
        facts := facts || jsonb_build_object('answers', (
            SELECT jsonb_agg(jsonb_build_object('id', number::text, 'text', answer) ORDER BY number)
            FROM jsonb_array_elements(NEW.answers) WITH ORDINALITY AS each (answer, number)));
    ELSIF NEW.state = 'closed' THEN
        SELECT max(count::integer), sum(count::integer) INTO most, voters
        FROM jsonb_array_elements_text(NEW.result -> 'votes') AS each (count);
        -- Who voted how stays in the room alone.
        facts := facts || (
            SELECT jsonb_build_object(
                'voters', voters, 'quorum_reached', NEW.quorum IS NULL OR voters >= NEW.quorum,
                'winners', coalesce(jsonb_agg(number::text ORDER BY number) FILTER (WHERE count = most AND most > 0),
                                    '[]'),
                'answers', jsonb_agg(jsonb_build_object('id', number::text, 'text', answer, 'votes', count)
                                     ORDER BY number))
            FROM (SELECT answer, number, (NEW.result -> 'votes' ->> (number - 1)::integer)::integer AS count
                  FROM jsonb_array_elements(NEW.answers) WITH ORDINALITY AS each (answer, number)) AS counted);
    END IF;
    PERFORM agent_bridge_feed('vote', place, NULL, NEW.poll, NEW.thread, NEW.id, facts);
    RETURN NULL;
END;
$$;
CREATE CONSTRAINT TRIGGER vote_opened AFTER INSERT ON vote DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION agent_bridge_feed_vote();
CREATE CONSTRAINT TRIGGER vote_ended AFTER UPDATE OF state ON vote DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.state <> NEW.state AND NEW.state IN ('closed', 'cancelled')) EXECUTE FUNCTION agent_bridge_feed_vote();

CREATE FUNCTION agent_bridge_feed_notification() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF agent_bridge_is_fed() THEN
        PERFORM agent_bridge_feed('notification', NEW.room_id, NEW.user_id, NULL, '', NULL,
            jsonb_build_object('kind', NEW.kind, 'room_id', NEW.room_id, 'values', NEW.facts));
    END IF;
    RETURN NULL;
END;
$$;
CREATE CONSTRAINT TRIGGER notification_written AFTER INSERT ON notification DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION agent_bridge_feed_notification();

CREATE FUNCTION agent_bridge_feed_channel(entry_type text, place room) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    listed record;
BEGIN
    SELECT c.type, c.position, s.id AS server, r.name AS server_name INTO listed
    FROM channel c LEFT JOIN server s ON s.id = c.server LEFT JOIN room r ON r.id = s.room WHERE c.room = place.id;
    PERFORM agent_bridge_feed(entry_type, place.room_id, NULL, NULL, '', NULL, jsonb_build_object(
        'name', place.name, 'topic', nullif(place.topic, ''), 'type', listed.type,
        'server', CASE WHEN listed.server IS NOT NULL
                       THEN jsonb_build_object('number', listed.server, 'name', listed.server_name) END,
        'position', CASE WHEN entry_type <> 'channel_deleted' THEN (
            SELECT count(*) FROM channel c JOIN room r ON r.id = c.room
            WHERE c.server IS NOT DISTINCT FROM listed.server AND r.status = 'active'
              AND (c.position, c.room) <= (listed.position, place.id)) END));
END;
$$;
CREATE FUNCTION agent_bridge_feed_channel_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT agent_bridge_is_fed() THEN
        RETURN NULL;
    END IF;
    -- A channel whose room was never made is known to nobody.
    IF NEW.status <> 'active' THEN
        IF OLD.status = 'active' AND (NEW.room_id IS NOT NULL OR NEW.changes_applied > 0) THEN
            PERFORM agent_bridge_feed_channel('channel_deleted', NEW);
        END IF;
    ELSIF NEW.room_id IS NOT NULL THEN
        PERFORM agent_bridge_feed_channel(
            CASE WHEN OLD.room_id IS NULL AND NEW.changes_applied = 0 THEN 'channel_created' ELSE 'channel_changed' END,
            NEW);
    END IF;
    RETURN NULL;
END;
$$;
CREATE CONSTRAINT TRIGGER channel_room_changed AFTER UPDATE OF room_id, name, topic, status ON room
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.kind = 'channel' AND (OLD.room_id, OLD.name, OLD.topic, OLD.status)
      IS DISTINCT FROM (NEW.room_id, NEW.name, NEW.topic, NEW.status))
EXECUTE FUNCTION agent_bridge_feed_channel_room();
CREATE FUNCTION agent_bridge_feed_channel_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place room;
BEGIN
    IF NOT agent_bridge_is_fed() THEN
        RETURN NULL;
    END IF;
    SELECT * INTO place FROM room WHERE id = NEW.room AND status = 'active' AND room_id IS NOT NULL;
    IF FOUND THEN
        PERFORM agent_bridge_feed_channel(
            CASE WHEN TG_OP = 'INSERT' THEN 'channel_created' ELSE 'channel_changed' END, place);
    END IF;
    RETURN NULL;
END;
$$;
CREATE CONSTRAINT TRIGGER channel_made AFTER INSERT ON channel DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION agent_bridge_feed_channel_row();
CREATE CONSTRAINT TRIGGER channel_changed AFTER UPDATE OF server, type, position ON channel
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN ((OLD.server, OLD.type, OLD.position) IS DISTINCT FROM (NEW.server, NEW.type, NEW.position))
EXECUTE FUNCTION agent_bridge_feed_channel_row();

CREATE FUNCTION agent_bridge_feed_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM erased) THEN
        PERFORM pg_notify('agent_bridge', 'feed_erased');
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER feed_emptied AFTER UPDATE ON feed REFERENCING OLD TABLE AS erased FOR EACH STATEMENT
EXECUTE FUNCTION agent_bridge_feed_erased();
CREATE TRIGGER feed_deleted AFTER DELETE ON feed REFERENCING OLD TABLE AS erased FOR EACH STATEMENT
EXECUTE FUNCTION agent_bridge_feed_erased();
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(_FEED)
