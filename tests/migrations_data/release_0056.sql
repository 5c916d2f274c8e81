SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;

CREATE TYPE public.procrastinate_job_event_type AS ENUM (
    'deferred',
    'started',
    'deferred_for_retry',
    'failed',
    'succeeded',
    'cancelled',
    'abort_requested',
    'aborted',
    'scheduled',
    'retried'
);

CREATE TYPE public.procrastinate_job_status AS ENUM (
    'todo',
    'doing',
    'succeeded',
    'failed',
    'cancelled',
    'aborting',
    'aborted'
);

CREATE TYPE public.procrastinate_job_to_defer_v1 AS (
	queue_name character varying,
	task_name character varying,
	priority integer,
	lock text,
	queueing_lock text,
	args jsonb,
	scheduled_at timestamp with time zone
);

CREATE FUNCTION public.agent_bridge_feed(entry_type text, entry_room text, reader text, about text, root text, number bigint, facts jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(15, 0);
    INSERT INTO feed (type, room_id, sender, user_id, target, thread, subject, content, sent_at)
    VALUES (entry_type, entry_room, '', reader, about, root, number, jsonb_strip_nulls(facts)::text,
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    PERFORM pg_notify('agent_bridge', 'feed');
END;
$$;

CREATE TABLE public.room (
    id bigint CONSTRAINT portal_id_not_null NOT NULL,
    owner bigint,
    kind text CONSTRAINT portal_kind_not_null NOT NULL,
    room_id text,
    name text,
    name_applied text,
    topic text,
    topic_applied text,
    bot_joined boolean DEFAULT false CONSTRAINT portal_bot_joined_not_null NOT NULL,
    space text,
    invited text[] DEFAULT '{}'::text[] CONSTRAINT portal_invited_not_null NOT NULL,
    announced_state text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT portal_created_at_not_null NOT NULL,
    when_busy text,
    streaming text,
    last_seen text,
    needs_backfill boolean DEFAULT false NOT NULL,
    backfill_requests integer DEFAULT 0 NOT NULL,
    backfilled_at timestamp with time zone,
    backfill_requested_at timestamp with time zone,
    check_requests integer DEFAULT 0 NOT NULL,
    checked integer DEFAULT 0 NOT NULL,
    problems text[] DEFAULT '{}'::text[] NOT NULL,
    avatar_applied text,
    introduced boolean DEFAULT false NOT NULL,
    join_rule_applied text,
    person text,
    number bigint,
    request_key text,
    titled_by text,
    changes integer DEFAULT 0 NOT NULL,
    changes_applied integer DEFAULT 0 NOT NULL,
    used_at timestamp with time zone,
    title_turn bigint,
    status text DEFAULT 'active'::text NOT NULL,
    delete_ref text,
    first_context bigint,
    left_at timestamp with time zone,
    put_away boolean DEFAULT false NOT NULL,
    titled_from bigint,
    name_redacted boolean DEFAULT false NOT NULL,
    command_role integer,
    commands_described text,
    people integer,
    warned boolean DEFAULT false NOT NULL,
    roles_applied bigint,
    roles_compared bigint,
    levels_due boolean DEFAULT false NOT NULL,
    CONSTRAINT room_status_check CHECK ((status = ANY (ARRAY['active'::text, 'archived'::text, 'deleting'::text, 'ended'::text]))),
    CONSTRAINT room_titled_by_check CHECK ((titled_by = ANY (ARRAY['given'::text, 'made'::text, 'person'::text])))
);

CREATE FUNCTION public.agent_bridge_feed_channel(entry_type text, place public.room) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.agent_bridge_feed_channel_room() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.agent_bridge_feed_channel_row() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.agent_bridge_feed_erased() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM erased) THEN
        PERFORM pg_notify('agent_bridge', 'feed_erased');
    END IF;
    RETURN NULL;
END;
$$;

CREATE FUNCTION public.agent_bridge_feed_notification() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF agent_bridge_is_fed() THEN
        PERFORM agent_bridge_feed('notification', NEW.room_id, NEW.user_id, NULL, '', NULL,
            jsonb_build_object('kind', NEW.kind, 'room_id', NEW.room_id, 'values', NEW.facts));
    END IF;
    RETURN NULL;
END;
$$;

CREATE FUNCTION public.agent_bridge_feed_task() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.agent_bridge_feed_vote() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.agent_bridge_is_fed() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT EXISTS (SELECT 1 FROM token WHERE 'subscribe' = ANY(capabilities) AND revoked_at IS NULL
                   AND (expires_at IS NULL OR expires_at > now()))
$$;

CREATE FUNCTION public.agent_bridge_notify_answer() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_notify('agent_bridge', 'answers');
    RETURN NULL;
END;
$$;

CREATE FUNCTION public.agent_bridge_notify_lock_released() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM procrastinate_jobs WHERE lock = OLD.lock AND status = 'todo') THEN
        PERFORM pg_notify('procrastinate_queue_v1#' || OLD.queue_name, '{"type": "job_inserted", "job_id": 0}');
    END IF;
    RETURN NULL;
END;
$$;

CREATE FUNCTION public.append_step(steps jsonb, step jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    SELECT CASE WHEN jsonb_array_length(steps) < 100
                THEN steps || (jsonb_build_object('at', now()) || step) ELSE steps END
$$;

CREATE FUNCTION public.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;

CREATE FUNCTION public.procrastinate_defer_jobs_v1(jobs public.procrastinate_job_to_defer_v1[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;

CREATE FUNCTION public.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;

CREATE TABLE public.procrastinate_jobs (
    id bigint NOT NULL,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    lock text,
    queueing_lock text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    status public.procrastinate_job_status DEFAULT 'todo'::public.procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint,
    CONSTRAINT check_not_todo_abort_requested CHECK ((NOT ((status = 'todo'::public.procrastinate_job_status) AND (abort_requested = true))))
);

CREATE FUNCTION public.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) RETURNS public.procrastinate_jobs
    LANGUAGE plpgsql
    AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;

CREATE FUNCTION public.procrastinate_finish_job_v1(job_id bigint, end_status public.procrastinate_job_status, delete_job boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION public.procrastinate_notify_queue_abort_job_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;

CREATE FUNCTION public.procrastinate_register_worker_v1() RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;

CREATE FUNCTION public.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;

CREATE FUNCTION public.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;

CREATE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_trigger_function_status_events_update_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;

CREATE FUNCTION public.procrastinate_unlink_periodic_defers_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;

CREATE FUNCTION public.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;

CREATE FUNCTION public.procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;

CREATE VIEW public.advisory_lock AS
 SELECT l.pid,
    (l.classid)::bigint AS kind,
    (l.objid)::bigint AS key
   FROM (pg_locks l
     JOIN pg_database d ON ((d.oid = l.database)))
  WHERE ((d.datname = current_database()) AND (l.locktype = 'advisory'::text) AND l.granted AND (l.objsubid = 2));

CREATE TABLE public.agent (
    id bigint NOT NULL,
    upstream text NOT NULL,
    agent_id text NOT NULL,
    model text NOT NULL,
    name text NOT NULL,
    ghost text NOT NULL,
    displayname text NOT NULL,
    displayname_applied text,
    state text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    state_since timestamp with time zone DEFAULT now() NOT NULL,
    image text DEFAULT ''::text NOT NULL,
    image_applied text,
    avatar text,
    description text DEFAULT ''::text NOT NULL,
    kind text DEFAULT 'openai'::text NOT NULL,
    entry text,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    retired_by text,
    deactivated boolean DEFAULT false NOT NULL,
    description_applied text,
    activity_applied text,
    status_text text,
    away boolean DEFAULT false NOT NULL
);

CREATE TABLE public.agent_event (
    id bigint NOT NULL,
    key text NOT NULL,
    room_id text NOT NULL,
    sender text NOT NULL,
    content jsonb NOT NULL,
    since text,
    event_id text,
    error text,
    closed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.agent_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.agent_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.agent ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.agent_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.api_request (
    id bigint NOT NULL,
    token bigint NOT NULL,
    key text NOT NULL,
    action text NOT NULL,
    digest text NOT NULL,
    handle text NOT NULL,
    name text NOT NULL,
    room_id text,
    event_id text,
    status integer,
    response jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    effect jsonb
);

ALTER TABLE public.api_request ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.approval (
    id bigint NOT NULL,
    turn bigint NOT NULL,
    number integer NOT NULL,
    ref text NOT NULL,
    call_id text NOT NULL,
    tool text NOT NULL,
    arguments text NOT NULL,
    always text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    verdict text,
    decided_by text,
    decided_in text,
    reason text DEFAULT ''::text NOT NULL,
    may_have_run boolean DEFAULT false NOT NULL,
    is_settled boolean DEFAULT false NOT NULL,
    CONSTRAINT approval_verdict_check CHECK ((verdict = ANY (ARRAY['allow'::text, 'always'::text, 'deny'::text, 'expired'::text, 'withdrawn'::text])))
);

ALTER TABLE public.approval ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.approval_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ballot (
    id bigint NOT NULL,
    vote bigint NOT NULL,
    voter text NOT NULL,
    selections jsonb NOT NULL,
    said_at bigint NOT NULL,
    event_id text,
    key text,
    ghost text,
    is_due boolean DEFAULT false NOT NULL
);

ALTER TABLE public.ballot ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ballot_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.bot_budget (
    user_id text NOT NULL,
    agent bigint NOT NULL,
    asked timestamp with time zone[] NOT NULL
);

CREATE TABLE public.chain (
    id bigint NOT NULL,
    room_id text NOT NULL,
    root text NOT NULL,
    asker text NOT NULL,
    hops_allowed integer NOT NULL,
    turns_allowed integer NOT NULL,
    tokens_allowed bigint,
    grants integer DEFAULT 0 NOT NULL,
    stopped_by text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.chain_hold (
    asked_in bigint NOT NULL,
    agent bigint NOT NULL,
    chain bigint NOT NULL,
    event_id text NOT NULL,
    bound text NOT NULL,
    grants integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.chain ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.chain_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.channel (
    room bigint NOT NULL,
    server bigint,
    type text NOT NULL,
    "position" integer NOT NULL,
    CONSTRAINT channel_type_check CHECK ((type = ANY (ARRAY['text'::text, 'announcement'::text, 'log'::text, 'voice'::text])))
);

CREATE TABLE public.choice (
    user_id text NOT NULL,
    kind text NOT NULL,
    room_id text NOT NULL,
    thread_id text DEFAULT ''::text NOT NULL,
    turn bigint,
    items jsonb NOT NULL,
    shown_at timestamp with time zone DEFAULT now() NOT NULL,
    command text DEFAULT 'agent'::text NOT NULL,
    title text,
    CONSTRAINT choice_kind_check CHECK ((kind = ANY (ARRAY['agents'::text, 'chats'::text, 'delete'::text, 'erase'::text, 'retire'::text, 'saves'::text])))
);

CREATE TABLE public.client_agent (
    id bigint NOT NULL,
    model text NOT NULL,
    name text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    ephemeral boolean DEFAULT false NOT NULL,
    owner text NOT NULL,
    request_key text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone
);

ALTER TABLE public.client_agent ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.client_agent_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.client_question (
    id bigint NOT NULL,
    key text NOT NULL,
    turn bigint NOT NULL,
    model text NOT NULL,
    text text NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    deadline timestamp with time zone NOT NULL,
    taken_at timestamp with time zone,
    reply text,
    replied_at timestamp with time zone
);

ALTER TABLE public.client_question ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.client_question_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.context (
    id bigint NOT NULL,
    conversation bigint NOT NULL,
    agent bigint NOT NULL,
    session text,
    owner text,
    name text,
    upstream_ref text,
    upstream_kind text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT context_saved_check CHECK ((((owner IS NULL) = (name IS NULL)) AND ((name IS NULL) <> (session IS NULL))))
);

ALTER TABLE public.context ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.context_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.conversation (
    id bigint NOT NULL,
    room_id text NOT NULL,
    thread_id text DEFAULT ''::text NOT NULL,
    upstream_ref text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    agent bigint,
    lane_kind text NOT NULL,
    context bigint,
    caught_up text,
    CONSTRAINT conversation_lane_kind_check CHECK (((lane_kind = 'bot'::text) = (agent IS NULL)))
);

ALTER TABLE public.conversation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.conversation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.conversation_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.dead_letter (
    id bigint CONSTRAINT set_aside_id_not_null NOT NULL,
    transaction_id text CONSTRAINT set_aside_transaction_id_not_null NOT NULL,
    reason text CONSTRAINT set_aside_reason_not_null NOT NULL,
    body text CONSTRAINT set_aside_body_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT set_aside_created_at_not_null NOT NULL
);

ALTER TABLE public.dead_letter ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.feed (
    "position" bigint NOT NULL,
    type text NOT NULL,
    room_id text,
    event_id text,
    sender text NOT NULL,
    user_id text,
    target text,
    thread text NOT NULL,
    content text NOT NULL,
    sent_at bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    subject bigint
);

ALTER TABLE public.feed ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.feed_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ignored (
    event_id text NOT NULL,
    room_id text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.imported_message (
    room_id text NOT NULL,
    key text NOT NULL,
    operation bigint NOT NULL
);

CREATE TABLE public.kv (
    key text CONSTRAINT fact_key_not_null NOT NULL,
    value jsonb CONSTRAINT fact_value_not_null NOT NULL
);

CREATE TABLE public.message (
    id bigint NOT NULL,
    conversation bigint NOT NULL,
    turn bigint,
    role text NOT NULL,
    content text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    context bigint,
    event_id text,
    edited_in text,
    said_by text
);

ALTER TABLE public.message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.mirror (
    channel bigint NOT NULL,
    agents bigint[],
    since timestamp with time zone DEFAULT now() NOT NULL,
    read_until timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.model_thread (
    id bigint NOT NULL,
    owner text NOT NULL,
    target text NOT NULL,
    key text NOT NULL,
    room_id text NOT NULL,
    root text,
    begun boolean DEFAULT false NOT NULL,
    instructions text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.model_thread ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.model_thread_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.mute (
    room_id text DEFAULT ''::text NOT NULL,
    user_id text NOT NULL,
    until timestamp with time zone,
    level_before integer,
    applied boolean DEFAULT false NOT NULL
);

CREATE TABLE public.notification (
    id bigint NOT NULL,
    user_id text NOT NULL,
    kind text NOT NULL,
    room_id text,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    key text,
    approval bigint,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    message text,
    sent_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.notification ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.notified_person (
    user_id text NOT NULL,
    is_muted boolean DEFAULT false NOT NULL,
    room_id text,
    message text,
    since text
);

CREATE TABLE public.operation (
    id bigint NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    params jsonb NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    cursor jsonb,
    done integer DEFAULT 0 NOT NULL,
    total integer,
    found jsonb DEFAULT '[]'::jsonb NOT NULL,
    error text,
    tries integer DEFAULT 0 NOT NULL,
    requested_by text NOT NULL,
    turn bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT operation_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text])))
);

ALTER TABLE public.operation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.operation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.outbox (
    turn bigint CONSTRAINT send_turn_not_null NOT NULL,
    part integer CONSTRAINT send_part_not_null NOT NULL,
    event_id text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT send_created_at_not_null NOT NULL,
    generation integer DEFAULT 0 NOT NULL
);

CREATE TABLE public.own_profile (
    user_id text NOT NULL,
    bio text,
    status_text text
);

CREATE TABLE public.pair (
    room bigint NOT NULL,
    low text NOT NULL,
    high text NOT NULL
);

CREATE TABLE public.pair_grant (
    low bigint NOT NULL,
    high bigint NOT NULL,
    since timestamp with time zone NOT NULL
);

CREATE TABLE public.participant (
    room bigint NOT NULL,
    agent bigint NOT NULL,
    state text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    instructions text,
    instructed_in text,
    instructed_at timestamp with time zone,
    model text,
    answers text,
    instructed_by text,
    CONSTRAINT participant_answers_check CHECK ((answers = ANY (ARRAY['always'::text, 'mention'::text, 'off'::text])))
);

CREATE TABLE public.person_question (
    id bigint NOT NULL,
    key text NOT NULL,
    owner text NOT NULL,
    person text NOT NULL,
    room_id text NOT NULL,
    thread text NOT NULL,
    event_id text,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    deadline timestamp with time zone NOT NULL,
    answer text,
    answer_event text,
    answered_at timestamp with time zone
);

ALTER TABLE public.person_question ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.person_question_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.person_space (
    user_id text NOT NULL,
    room_id text NOT NULL,
    listed_in text,
    roles_applied bigint
);

CREATE TABLE public.procrastinate_events (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    type public.procrastinate_job_event_type,
    at timestamp with time zone DEFAULT now()
);

CREATE SEQUENCE public.procrastinate_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_events_id_seq OWNED BY public.procrastinate_events.id;

CREATE SEQUENCE public.procrastinate_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_jobs_id_seq OWNED BY public.procrastinate_jobs.id;

CREATE TABLE public.procrastinate_periodic_defers (
    id bigint NOT NULL,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint,
    periodic_id character varying(128) DEFAULT ''::character varying NOT NULL
);

CREATE SEQUENCE public.procrastinate_periodic_defers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.procrastinate_periodic_defers_id_seq OWNED BY public.procrastinate_periodic_defers.id;

CREATE TABLE public.procrastinate_workers (
    id bigint NOT NULL,
    last_heartbeat timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.procrastinate_workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.procrastinate_workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.reachable_person (
    user_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.read_marker (
    user_id text NOT NULL,
    room bigint NOT NULL,
    event_id text NOT NULL,
    said_at timestamp with time zone NOT NULL
);

CREATE TABLE public.reload (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.reload_answer (
    reload bigint NOT NULL,
    process integer NOT NULL,
    name text,
    applied text[] DEFAULT '{}'::text[] NOT NULL,
    restart text[] DEFAULT '{}'::text[] NOT NULL,
    fault text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.reload ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.reload_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.role_assignment (
    user_id text NOT NULL,
    role text NOT NULL,
    given_by text NOT NULL,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT role_assignment_role_check CHECK ((role = ANY (ARRAY['none'::text, 'agent'::text, 'member'::text, 'moderator'::text, 'admin'::text, 'owner'::text])))
);

CREATE TABLE public.role_book (
    version bigint NOT NULL,
    permissions jsonb NOT NULL,
    assigned jsonb NOT NULL,
    servers jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE public.role_book ALTER COLUMN version ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.role_book_version_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.room ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.room_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schedule (
    id bigint NOT NULL,
    owner text NOT NULL,
    agent bigint NOT NULL,
    room bigint NOT NULL,
    expression text NOT NULL,
    rule text NOT NULL,
    zone text NOT NULL,
    prompt text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_run_at timestamp with time zone
);

ALTER TABLE public.schedule ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.schedule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.selection (
    user_id text NOT NULL,
    agent bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.server (
    id bigint NOT NULL,
    room bigint NOT NULL,
    owner text NOT NULL,
    icon text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.server ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.server_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.server_role (
    server bigint NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    given_by text NOT NULL,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT server_role_role_check CHECK ((role = ANY (ARRAY['none'::text, 'agent'::text, 'member'::text, 'moderator'::text, 'admin'::text, 'owner'::text])))
);

CREATE TABLE public.task (
    id bigint NOT NULL,
    key text NOT NULL,
    room bigint NOT NULL,
    parent bigint,
    title text NOT NULL,
    state text DEFAULT 'submitted'::text NOT NULL,
    creator text NOT NULL,
    assignee text,
    percent integer DEFAULT 0 NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    deadline timestamp with time zone,
    changes integer DEFAULT 1 NOT NULL,
    shown integer DEFAULT 0 NOT NULL,
    card text,
    card_room text,
    since text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    closed_at timestamp with time zone,
    withdrawn boolean DEFAULT false NOT NULL,
    note_by text,
    CONSTRAINT task_state_check CHECK ((state = ANY (ARRAY['submitted'::text, 'working'::text, 'input-required'::text, 'auth-required'::text, 'completed'::text, 'failed'::text, 'canceled'::text, 'rejected'::text])))
);

ALTER TABLE public.task ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.thread (
    id bigint NOT NULL,
    room bigint NOT NULL,
    room_id text NOT NULL,
    root text,
    title_event text,
    name text NOT NULL,
    creator text NOT NULL,
    key text NOT NULL,
    since text DEFAULT ''::text NOT NULL,
    archived_at timestamp with time zone,
    said_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    changes integer DEFAULT 1 NOT NULL,
    changes_applied integer DEFAULT 0 NOT NULL
);

ALTER TABLE public.thread ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.thread_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.token (
    id bigint NOT NULL,
    name text NOT NULL,
    person text,
    agent bigint,
    hash text NOT NULL,
    nonce text,
    capabilities text[] NOT NULL,
    all_rooms boolean NOT NULL,
    made_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT token_identity_check CHECK (((person IS NULL) <> (agent IS NULL)))
);

ALTER TABLE public.token ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.token_room (
    token bigint NOT NULL,
    room bigint NOT NULL
);

CREATE TABLE public.trigger (
    id bigint NOT NULL,
    public_id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    agent bigint NOT NULL,
    room bigint NOT NULL,
    token_hash text,
    signing_key text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    used_key text,
    CONSTRAINT trigger_kind_check CHECK ((((kind = 'callback'::text) AND (token_hash IS NOT NULL)) OR ((kind = 'signed'::text) AND (signing_key IS NOT NULL))))
);

ALTER TABLE public.trigger ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.trigger_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.trigger_request (
    trigger bigint NOT NULL,
    key text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE public.turn_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.turn (
    id bigint NOT NULL,
    event_id text NOT NULL,
    conversation bigint NOT NULL,
    kind text NOT NULL,
    sender text NOT NULL,
    payload jsonb NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone,
    upstream_ref text,
    answer text,
    error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    "position" bigint DEFAULT nextval('public.turn_position_seq'::regclass) CONSTRAINT turn_place_not_null NOT NULL,
    interruptions integer DEFAULT 0 NOT NULL,
    retries integer DEFAULT 0 NOT NULL,
    waits_since timestamp with time zone,
    retried_at timestamp with time zone,
    stop text,
    stopped_by text,
    collected_into bigint,
    waiting_event_id text,
    steps jsonb DEFAULT '[]'::jsonb NOT NULL,
    said_at timestamp with time zone DEFAULT now() NOT NULL,
    extras jsonb DEFAULT '{}'::jsonb CONSTRAINT turn_besides_not_null NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    redacted boolean DEFAULT false NOT NULL,
    edited_by text,
    target bigint,
    reason text,
    once_key text,
    open boolean GENERATED ALWAYS AS ((state = ANY (ARRAY['queued'::text, 'running'::text, 'committed'::text]))) STORED,
    worker integer,
    original jsonb,
    upstream_waits integer DEFAULT 0 NOT NULL,
    upstream_waited double precision DEFAULT 0 NOT NULL,
    stop_offer text,
    redactions jsonb DEFAULT '{}'::jsonb NOT NULL,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    begun_as text,
    waiting_place integer,
    waiting_shown_at timestamp with time zone,
    effect jsonb,
    voice text,
    chain bigint,
    hops integer DEFAULT 0 NOT NULL,
    asked_by bigint,
    asked_in bigint,
    awaited boolean DEFAULT false NOT NULL,
    quota_until timestamp with time zone
);

ALTER TABLE public.turn ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.turn_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.upstream_conversation (
    upstream text NOT NULL,
    model text NOT NULL,
    session text NOT NULL,
    ref text NOT NULL,
    marker text DEFAULT ''::text NOT NULL,
    made boolean DEFAULT false NOT NULL
);

CREATE TABLE public.usage (
    key text NOT NULL COLLATE pg_catalog."C",
    turn bigint,
    at timestamp with time zone DEFAULT now() NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    room_id text NOT NULL,
    agent bigint NOT NULL,
    upstream text NOT NULL,
    model text NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_tokens bigint,
    is_estimated boolean NOT NULL,
    cost numeric,
    price text
);

CREATE TABLE public.usage_day (
    user_id text NOT NULL,
    day date NOT NULL,
    role text NOT NULL,
    room_id text NOT NULL,
    agent bigint NOT NULL,
    upstream text NOT NULL,
    tokens bigint NOT NULL,
    cost numeric
);

CREATE TABLE public.vote (
    id bigint NOT NULL,
    key text NOT NULL,
    room bigint NOT NULL,
    room_id text NOT NULL,
    thread text DEFAULT ''::text NOT NULL,
    voice text,
    asked_in text,
    creator text NOT NULL,
    question text NOT NULL,
    answers jsonb NOT NULL,
    quorum integer,
    ends_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    end_reason text,
    closed_by text,
    closed_at timestamp with time zone,
    begun smallint DEFAULT 0 NOT NULL,
    poll text,
    end_event text,
    result jsonb,
    is_settled boolean DEFAULT false NOT NULL,
    CONSTRAINT vote_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closing'::text, 'closed'::text, 'cancelled'::text])))
);

ALTER TABLE public.vote ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.vote_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_events_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_jobs_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_periodic_defers_id_seq'::regclass);

INSERT INTO public.agent OVERRIDING SYSTEM VALUE VALUES
	(2, 'scripted', 'ada1', 'ada1', 'Ada', 'agent_ada1', 'Letta Agent: Ada', 'Letta Agent: Ada', 'active', '2026-11-29 04:54:24.485475+00', '2026-11-29 04:54:24.485475+00', '', '', 'mxc://test.local/CKdtWQRjWQrLJkLwvGmvwnKq', 'knows all about Ada', 'openai', NULL, '{}', NULL, false, NULL, NULL, NULL, false),
	(3, 'scripted', 'bea1', 'bea1', 'Bea', 'agent_bea1', 'Letta Agent: Bea', 'Letta Agent: Bea', 'active', '2026-11-29 04:54:24.485475+00', '2026-11-29 04:54:24.485475+00', '', '', 'mxc://test.local/OsLnWIbjPOHtZyEPIkrFLnGS', 'knows all about Bea', 'openai', NULL, '{}', NULL, false, NULL, NULL, NULL, false),
	(1, 'scripted', 'poet', 'ada', 'Poet', 'agent_poet', 'Letta Agent: Poet', 'Letta Agent: Poet', 'active', '2026-11-29 04:54:24.378485+00', '2026-11-29 04:54:24.378485+00', '', '', 'mxc://test.local/pSrbYSfmSzwaBfBZHaZrHJWQ', '', 'openai', 'poet', '{"system_prompt": "In verse."}', NULL, false, NULL, NULL, NULL, false),
	(4, 'client', 'client-6d5673f512b6', 'client-6d5673f512b6', 'Client', 'agent_client_6d5673f512b6', 'Letta Agent: Client', 'Letta Agent: Client', 'active', '2026-11-29 04:54:32.346303+00', '2026-11-29 04:54:32.346303+00', '', '', 'mxc://test.local/dTCZjXKfgLzBckXgxDxPceLG', '', 'client', NULL, '{}', NULL, false, NULL, NULL, NULL, false);

INSERT INTO public.agent_event OVERRIDING SYSTEM VALUE VALUES
	(4, 'mirror.06e346db7412018d.6a60c63b8489650e.0.started', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '@agentbridge:test.local', '{}', '$dZxsG9KAq6O_VXypcbzbAQTFmlCKR5x_Ju32M5i_PK4', '$GIL-POspU-nGj5M_5khZH01YPkWA805VHmysdGLGgg4', NULL, '2026-11-29 04:54:33.485709+00', '2026-11-29 04:54:33.456873+00'),
	(1, 'command.f6850c7d114d96bc', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '@agentbridge:test.local', '{}', '$Yp9t5_LOBDszBr8vggBaKLPlGCaNFioZU_yZUZVgoaQ', '$uQYBZvcVpwt2OUuVDCl4VF5LOmgHXiJosh-drrvmLfU', NULL, '2026-11-29 04:54:28.524049+00', '2026-11-29 04:54:28.411811+00'),
	(2, 'mirror.06e346db7412018d.a72d31f92f9ce9b5.0.started', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '@agentbridge:test.local', '{}', '$uEwA1FSvFhWzKaonTtoxTbndc7g6mywbF54eg3ShGyQ', '$sZnbeHMLBv-pMwuog4Ob-6FZsmTWWe-YBs5it0sfLtQ', NULL, '2026-11-29 04:54:32.481673+00', '2026-11-29 04:54:32.433735+00'),
	(3, 'mirror.06e346db7412018d.a72d31f92f9ce9b5.0.ended', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '@agentbridge:test.local', '{}', '$uEwA1FSvFhWzKaonTtoxTbndc7g6mywbF54eg3ShGyQ', '$dZxsG9KAq6O_VXypcbzbAQTFmlCKR5x_Ju32M5i_PK4', NULL, '2026-11-29 04:54:32.498622+00', '2026-11-29 04:54:32.433735+00'),
	(5, 'mirror.06e346db7412018d.9bcc13e2c6584880.0.started', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '@agentbridge:test.local', '{}', '$dZxsG9KAq6O_VXypcbzbAQTFmlCKR5x_Ju32M5i_PK4', '$pdPU6ZdMPngUmjVrgd5yGr3dQmzz-qVStPlbxnpXKVI', NULL, '2026-11-29 04:54:33.501275+00', '2026-11-29 04:54:33.456873+00');

INSERT INTO public.alembic_version VALUES
	('0056');

INSERT INTO public.api_request OVERRIDING SYSTEM VALUE VALUES
	(1, 2, 'given:a key', 'send_message', '53a475707eba3730a5ab8f4a023d5b252589a70e3025c682468e04f32c650270', 'r1wxbahWGIzIyVRRmYueWA', 'apib9924ec47542f285b4f363d9', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$04s-TBw2fGMX6zSZQSws2Q6o8ns3MLCSZ2f5vkgaKno', 200, '{"room_id": "!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU", "event_id": "$04s-TBw2fGMX6zSZQSws2Q6o8ns3MLCSZ2f5vkgaKno"}', '2026-11-29 04:54:31.516055+00', '2026-11-29 04:54:31.660176+00', NULL),
	(2, 3, 'random:D9kzeCVacqTv7ZFc4qUEVL3KylrSqolf', 'direct_chat', 'cb78dc6710c93881108a486be9f0e2b28aea58d1ed4b6b85401db05f4cac9521', 'wyQfoVwqBfSTxQEc03Gb5w', 'apieef2372f13df995748ebc58d', NULL, NULL, 200, '{"name": "Bea", "room_id": "!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY", "user_id": "@agent_bea1:test.local"}', '2026-11-29 04:54:31.82889+00', '2026-11-29 04:54:32.181106+00', NULL),
	(3, 3, 'random:bdzc19GmyyBoUii-JpEh0jsvW5eE3Rg-', 'send_message', 'de3eff4e6db19b1dd33078a814080fa70c2d34552639936fa9d40d4e1e4ac723', '8R9VJXHfOaMH6BUxYendYg', 'apie0f4aab722cca915004fff0f', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk', 200, '{"room_id": "!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY", "event_id": "$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk"}', '2026-11-29 04:54:32.186768+00', '2026-11-29 04:54:32.219545+00', NULL),
	(4, 2, 'random:MmVuPyMKyfelNyY4W5LOGpLxQZwwyNHj', 'direct_chat', '33739070df38c959cbe4704cf238f33a72ab72660dcd5b5946385004f9c8210d', 'd7o7m4XpKpjeah72nOfeEA', 'api558debfc65e10d4f3a05b258', NULL, NULL, 200, '{"name": "guest", "room_id": "!z273tpEU9kUByqN5pfdj98YXdtZGU6Z_4vcXe-fDWOY", "user_id": "@guest:test.local"}', '2026-11-29 04:54:32.222117+00', '2026-11-29 04:54:32.32+00', NULL),
	(5, 2, 'random:OHeqlPQ_z7JJoftoA69FdhDUqI7uU7Zz', 'register_agent', '3380eb929af19813ce1efa2d9520c0c75bc26b28ad02aa2271b8cd6db01e93f7', 'Yn47jRz-uGL7uy0FjGVXdw', 'api719cd1981f84b84c231943ee', NULL, NULL, 201, '{"name": "Client", "room_id": "!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8", "user_id": "@agent_client_6d5673f512b6:test.local", "ephemeral": false}', '2026-11-29 04:54:32.330281+00', '2026-11-29 04:54:32.450156+00', NULL),
	(6, 2, 'random:YTrZiPLcWxyw6Do_iCj_5xTlqeWYSjKV', 'ask', '4cf20929151cc7e73ebf7b9dcceb53ca9718734acb12485a25bdecba80ad6e8b', 'rCL59JwTgHbkjDAkG_kzwA', 'apic26ebf8c33b6dd919b8c54a1', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$CrSVFzAk7AQ7VQL4zbWEJZIXSuSYWY10jZDjx1LUV10', 200, '{"room_id": "!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8", "event_id": "$CrSVFzAk7AQ7VQL4zbWEJZIXSuSYWY10jZDjx1LUV10"}', '2026-11-29 04:54:32.611951+00', '2026-11-29 04:54:32.652128+00', NULL);

INSERT INTO public.ballot OVERRIDING SYSTEM VALUE VALUES
	(1, 1, '@boss:test.local', '["1"]', 1795928068188, NULL, '654a47446a394964', NULL, false);

INSERT INTO public.chain OVERRIDING SYSTEM VALUE VALUES
	(1, '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk', '@agent_ada1:test.local', 4, 20, NULL, 0, NULL, '2026-11-29 04:54:32.213882+00');

INSERT INTO public.channel VALUES
	(9, 1, 'announcement', 1),
	(10, NULL, 'log', 1);

INSERT INTO public.choice VALUES
	('@boss:test.local', 'agents', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '', 25, '[2, 3, 1]', '2026-11-29 04:54:28.898955+00', 'agent', NULL);

INSERT INTO public.client_agent OVERRIDING SYSTEM VALUE VALUES
	(1, 'client-6d5673f512b6', 'Client', '', false, '@boss:test.local', 'api719cd1981f84b84c231943ee', '2026-11-29 04:54:32.335122+00', NULL);

INSERT INTO public.client_question OVERRIDING SYSTEM VALUE VALUES
	(1, '6a60c63b8489650e.0.a9a719a8', 44, 'client-6d5673f512b6', 'Are you there?', '2026-11-29 04:54:32.658119+00', '2026-11-29 05:54:32.658119+00', NULL, NULL, NULL);

INSERT INTO public.context OVERRIDING SYSTEM VALUE VALUES
	(2, 1, 2, NULL, '@boss:test.local', 'before the reset', NULL, NULL, '2026-11-29 04:54:25.859568+00', '2026-11-29 04:54:27.028032+00', NULL),
	(3, 1, 2, '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU~e6e6af563fb13519', NULL, NULL, NULL, NULL, '2026-11-29 04:54:27.146148+00', '2026-11-29 04:54:27.146148+00', NULL),
	(1, 1, 2, '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', NULL, NULL, NULL, NULL, '2026-11-29 04:54:25.859568+00', '2026-11-29 04:54:25.644788+00', '2026-11-29 04:54:27.146148+00');

INSERT INTO public.conversation OVERRIDING SYSTEM VALUE VALUES
	(2, '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$m-4sciFkTestl5hMqPe3hTTZfEmja_qVW6bH9yBNXwA', NULL, '2026-11-29 04:54:26.118104+00', 2, 'agent', NULL, NULL),
	(3, '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '', NULL, '2026-11-29 04:54:26.855207+00', NULL, 'bot', NULL, NULL),
	(1, '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '', NULL, '2026-11-29 04:54:25.644788+00', 2, 'agent', 3, NULL),
	(4, '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '', NULL, '2026-11-29 04:54:28.540436+00', NULL, 'bot', NULL, NULL),
	(5, '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '', NULL, '2026-11-29 04:54:32.213882+00', 3, 'agent', NULL, '$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk'),
	(6, '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '', NULL, '2026-11-29 04:54:32.645493+00', 4, 'agent', NULL, NULL);

INSERT INTO public.feed OVERRIDING SYSTEM VALUE VALUES
	(1, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$mpRTpwBVRUEzmE4Kz3YmhdBr66s3a0ojAjH6slIJk9k', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"9e9255df846a9406.-1","body":"The token laptop. A program that has it can do everything that the token permits. It is not shown again: keep it in a file that only you can read, and redact this message.\n\nAGENT_BRIDGE_URL=http://127.0.0.1:60737\nAGENT_BRIDGE_TOKEN=ab_DVhdHljR1AbsF3ZgSrpi_EUh5TvRIc5XmMjpRLx5buU\ncurl -H \"Authorization: Bearer $AGENT_BRIDGE_TOKEN\" \"$AGENT_BRIDGE_URL/v1/me\"","format":"org.matrix.custom.html","formatted_body":"<p>The token <em>laptop</em>. A program that has it can do everything that the token permits. It is not shown again: keep it in a file that only you can read, and redact this message.</p>\n<pre><code class=\"language-sh\">AGENT_BRIDGE_URL=http://127.0.0.1:60737\nAGENT_BRIDGE_TOKEN=ab_DVhdHljR1AbsF3ZgSrpi_EUh5TvRIc5XmMjpRLx5buU\ncurl -H \"Authorization: Bearer $AGENT_BRIDGE_TOKEN\" \"$AGENT_BRIDGE_URL/v1/me\"\n</code></pre>","m.mentions":{},"msgtype":"m.notice"}', 1795928070655, '2026-11-29 04:54:30.703038+00', NULL),
	(2, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$AAxTLKL7eySgh99iQxwZ7cP9kcMJyZvFAqB4l9sdRWo', '@boss:test.local', NULL, NULL, '', '{"body":"trigger new @Ada deploy","msgtype":"m.text"}', 1795928070706, '2026-11-29 04:54:30.738477+00', NULL),
	(3, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$c5x_kcG3Z_rtd7Sk6AlQfWBpeZbMg--UPiAyMwNYkiI', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"9e9255df846a9406.0","body":"Token 1 (laptop) acts as @boss:test.local. It is in your chat with me.","format":"org.matrix.custom.html","formatted_body":"Token <strong>1</strong> (<em>laptop</em>) acts as <em>@boss:test.local</em>. It is in your chat with me.","m.mentions":{},"msgtype":"m.notice"}', 1795928070708, '2026-11-29 04:54:30.772773+00', NULL),
	(4, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$IMP3rMMHOJTOKA1ilB4EAbOvyuzYWuxU9CjtpDOY_Fc', '@boss:test.local', NULL, NULL, '', '{"body":"schedule \"every day 9:00\" Ada What is new?","msgtype":"m.text"}', 1795928070805, '2026-11-29 04:54:30.843195+00', NULL),
	(5, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$TOFzeueEApkGpR_LAG4yxg8_QPaKDUyA0mit0beOk1s', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"8ebfd2c9959a55cc.-1","body":"The address of the trigger deploy. Whoever knows it can wake the agent, once, within 1 day. It is not shown again.\n\ncurl -X POST -H ''Content-Type: text/plain'' --data-binary ''The job is done.'' \\\n  ''http://127.0.0.1:60737/v1/triggers/callback/RSEJCq45HPo_t0i6xn_jjYRUEgRanS1RUF4j3G4nZIc''","format":"org.matrix.custom.html","formatted_body":"<p>The address of the trigger <em>deploy</em>. Whoever knows it can wake the agent, once, within 1 day. It is not shown again.</p>\n<pre><code class=\"language-sh\">curl -X POST -H ''Content-Type: text/plain'' --data-binary ''The job is done.'' \\\n  ''http://127.0.0.1:60737/v1/triggers/callback/RSEJCq45HPo_t0i6xn_jjYRUEgRanS1RUF4j3G4nZIc''\n</code></pre>","m.mentions":{},"msgtype":"m.notice"}', 1795928070823, '2026-11-29 04:54:30.898618+00', NULL),
	(6, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$R8ljqv_ixG9aXKxbShLoHClmlJtWBpGsGYFfr7b6vyo', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"8ebfd2c9959a55cc.0","body":"Trigger 1 (deploy) wakes Ada once. Its address is in your chat with me.","format":"org.matrix.custom.html","formatted_body":"Trigger <strong>1</strong> (<em>deploy</em>) wakes <em>Ada</em> once. Its address is in your chat with me.","m.mentions":{},"msgtype":"m.notice"}', 1795928070886, '2026-11-29 04:54:30.926157+00', NULL),
	(7, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$zwJjdDobGP4DDOMrhzVU5emQhZ7CPtaI21GqnBUN00M', '@boss:test.local', NULL, NULL, '', '{"body":"schedule \"in 20 hours\" Bea Water the plants","msgtype":"m.text"}', 1795928070915, '2026-11-29 04:54:30.958515+00', NULL),
	(8, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$UaB6H2GT8jY0T1Wdh6HHsaBKq6FvMqOVJZ3NnaX3dSk', '@boss:test.local', NULL, NULL, '', '{"body":"pause 2","msgtype":"m.text"}', 1795928070968, '2026-11-29 04:54:30.988636+00', NULL),
	(9, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$JkDudPCExHKuIhSZPJkUN64l7JEVPF40Dy0O4Vfodls', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"dd895388058c0826.0","body":"Schedule 1 (every day 9:00): Ada is asked at 2026-11-29 09:00 (UTC). !ab unschedule 1 ends it.","format":"org.matrix.custom.html","formatted_body":"Schedule <strong>1</strong> (every day 9:00): <em>Ada</em> is asked at 2026-11-29 09:00 (UTC). <code>!ab unschedule 1</code> ends it.","m.mentions":{},"msgtype":"m.notice"}', 1795928070971, '2026-11-29 04:54:31.01342+00', NULL),
	(10, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$UTGp2tsngqamxPtScFpHYTw87nljTxkIGo0E_ANtFlo', '@boss:test.local', NULL, NULL, '', '{"body":"notify on","msgtype":"m.text"}', 1795928071026, '2026-11-29 04:54:31.045076+00', NULL),
	(11, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$iCjWIoXVHP8_ANG2mh2KJiYV3jrmkFtlbG4TfURnd_U', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"490e60f7830282dc.0","body":"You are not in the room of Bea.","format":"org.matrix.custom.html","formatted_body":"You are not in the room of <em>Bea</em>.","m.mentions":{},"msgtype":"m.notice"}', 1795928071038, '2026-11-29 04:54:31.0716+00', NULL),
	(12, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$v1xSdc4wUH03dynmmYuQNX4RnX6CSjbdRxmjFmvco6E', '@boss:test.local', NULL, NULL, '', '{"body":"usage","msgtype":"m.text"}', 1795928071085, '2026-11-29 04:54:31.103194+00', NULL),
	(13, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$v7lKhnhoJuOOomJ8D2MtsXzssIZJq-XaIZ8hmxkyHfo', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"fafcb02d81563906.0","body":"You have no schedule 2. !ab schedules lists yours.","format":"org.matrix.custom.html","formatted_body":"You have no schedule 2. <code>!ab schedules</code> lists yours.","m.mentions":{},"msgtype":"m.notice"}', 1795928071090, '2026-11-29 04:54:31.1258+00', NULL),
	(14, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$E1DRNjVULTj686lTyJ3AoB9hrDG8CZVXkDoLDSaPSCM', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"697eecda95010990.0","body":"I tell you in our chat of tasks, votes, schedules, decisions that wait for you, and limits.","m.mentions":{},"msgtype":"m.notice"}', 1795928071139, '2026-11-29 04:54:31.163125+00', NULL),
	(15, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$xJ683VaSTJL28ai51xrwIHQEPiSdg1pSgKead6Yjkb8', '@boss:test.local', NULL, NULL, '', '{"body":"reachable on","msgtype":"m.text"}', 1795928071142, '2026-11-29 04:54:31.169808+00', NULL),
	(16, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$jIl_FQPVohy6fb_UbrMKl9r73RB0HKyohXMyFWjmf6Y', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"2778b3e674848816.0","body":"You, today: 8 requests, 114 tokens, 0.00015 USD\n\n1. Ada: 8 requests, 114 tokens, 0.00015 USD\n\n\u2248 Servers reported no tokens of 1 request: they are estimated.","format":"org.matrix.custom.html","formatted_body":"<p>You, today: 8 requests, 114 tokens, 0.00015 USD</p>\n<ol>\n<li><em>Ada</em>: 8 requests, 114 tokens, 0.00015 USD</li>\n</ol>\n<p>\u2248 Servers reported no tokens of 1 request: they are estimated.</p>","m.mentions":{},"msgtype":"m.notice"}', 1795928071194, '2026-11-29 04:54:31.222574+00', NULL),
	(17, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$stU2l5mUvomBDLg-Akq8Qh9he9RYoBikOVW8VV-h8zk', '@boss:test.local', NULL, NULL, '', '{"body":"channel new activity log","msgtype":"m.text"}', 1795928071191, '2026-11-29 04:54:31.228755+00', NULL),
	(18, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$bnKERqbbbFGplbfUI8Lsdd1hiBZOk7lWpuedU_cQFdk', '@boss:test.local', NULL, NULL, '', '{"body":"channel mirror activity on","msgtype":"m.text"}', 1795928071213, '2026-11-29 04:54:31.228755+00', NULL),
	(21, 'join', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '$ks9H7FmL5ELc_4CPIzA_HQVLRqvvH7VJM6TT_ssu7jg', '@agentbridge:test.local', '@agentbridge:test.local', NULL, '', '{"avatar_url":"mxc://test.local/arkyZlFEiSQHkhmrNizGPluq","displayname":"Agent Bridge","membership":"join"}', 1795928071282, '2026-11-29 04:54:31.305729+00', NULL),
	(19, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$sSuxqfFd2U-O0LBLRo_HdxdCZawz-EwSlsIAHwnFShE', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"8211de3133ecca60.0","body":"Programs may ask you now, in a chat with me or with their agents. Everybody with a token sees your user id in their list. !ab reachable off undoes it.","format":"org.matrix.custom.html","formatted_body":"Programs may ask you now, in a chat with me or with their agents. Everybody with a token sees your user id in their list. <code>!ab reachable off</code> undoes it.","m.mentions":{},"msgtype":"m.notice"}', 1795928071240, '2026-11-29 04:54:31.264894+00', NULL),
	(20, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$sHpatcbQrAjSzmnc6SA6_aNjTDS4zC1uzSCvpnf-sRQ', '@boss:test.local', NULL, NULL, '', '{"body":"invite * @guest:test.local","msgtype":"m.text"}', 1795928071253, '2026-11-29 04:54:31.264894+00', NULL),
	(30, 'invite', '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '$Dw10d-HCylKdrrImtOQs0UuMK1qJPMnfeyheMhOJjJg', '@agentbridge:test.local', '@guest:test.local', NULL, '', '{"displayname":"guest","membership":"invite","org.agent_bridge.request":"708d2eb0b17abf0e"}', 1795928071596, '2026-11-29 04:54:31.735336+00', NULL),
	(31, 'invite', '!HkIw1MUxYPGdVzZ9-DcN0IyxCRzJtd0qawv56mq0WbQ', '$7oQmKTWDGgnC2_L_3s3T5tt0i-ruMTzT8UhOXjzg_50', '@agent_poet:test.local', '@guest:test.local', NULL, '', '{"displayname":"guest","is_direct":true,"membership":"invite","org.agent_bridge.request":"708d2eb0b17abf0e"}', 1795928071676, '2026-11-29 04:54:31.735336+00', NULL),
	(32, 'invite', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$GsbtC7mlauWOj7lL8lcO9uf8uxJ5Toq1vOWwF-CV4jI', '@agent_ada1:test.local', '@guest:test.local', NULL, '', '{"displayname":"guest","is_direct":true,"membership":"invite","org.agent_bridge.request":"708d2eb0b17abf0e"}', 1795928071700, '2026-11-29 04:54:31.735336+00', NULL),
	(41, 'invite', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$RqWoww1iiAVcD3r79_kmU0qBmn2LtiuiY_TGYnaE6FU', '@agentbridge:test.local', '@agent_bea1:test.local', NULL, '', '{"avatar_url":"mxc://test.local/OsLnWIbjPOHtZyEPIkrFLnGS","displayname":"Letta Agent: Bea","membership":"invite"}', 1795928072099, '2026-11-29 04:54:32.116798+00', NULL),
	(51, 'message', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '$sZnbeHMLBv-pMwuog4Ob-6FZsmTWWe-YBs5it0sfLtQ', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"event.e87d97ab2880174c.0","body":"\u25b6\ufe0f Ada answers in the room","format":"org.matrix.custom.html","formatted_body":"\u25b6\ufe0f <em>Ada</em> answers in the <a href=\"https://matrix.to/#/!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU?via=test.local\">room</a>","m.mentions":{},"msgtype":"m.notice","org.agent_bridge.event":{"agent":"@agent_ada1:test.local","data":{"room":"!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU"},"kind":"started","turn":"a72d31f92f9ce9b5"}}', 1795928072470, '2026-11-29 04:54:32.484212+00', NULL),
	(53, 'message', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '$dZxsG9KAq6O_VXypcbzbAQTFmlCKR5x_Ju32M5i_PK4', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"event.dea63c4f1a05eb35.0","body":"\u2705 Ada has answered in the room (0.0 s, 15 tokens)","format":"org.matrix.custom.html","formatted_body":"\u2705 <em>Ada</em> has answered in the <a href=\"https://matrix.to/#/!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU?via=test.local\">room</a> (0.0 s, 15 tokens)","m.mentions":{},"msgtype":"m.notice","org.agent_bridge.event":{"agent":"@agent_ada1:test.local","data":{"room":"!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU","seconds":"0.044","state":"done","tokens":{"input":10,"output":5}},"kind":"result","numbers":["/seconds"],"turn":"a72d31f92f9ce9b5"}}', 1795928072489, '2026-11-29 04:54:32.500333+00', NULL),
	(57, 'message', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$CrSVFzAk7AQ7VQL4zbWEJZIXSuSYWY10jZDjx1LUV10', '@boss:test.local', NULL, NULL, '', '{"agent_bridge.turn":"apic26ebf8c33b6dd919b8c54a1.0","body":"Are you there?","com.beeper.per_message_profile":{"displayname":"boss","has_fallback":true,"id":"@boss:test.local"},"m.mentions":{"user_ids":["@agent_client_6d5673f512b6:test.local"]},"msgtype":"m.text","org.agent_bridge.said_by":"@boss:test.local"}', 1795928072633, '2026-11-29 04:54:32.64516+00', NULL),
	(58, 'message', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$_0JxPQhPYunHeoZPle-k4VCNkj7_HYpglSZA-oHdxj8', '@boss:test.local', NULL, NULL, '', '{"body":"a long answer","msgtype":"m.text"}', 1795928072673, '2026-11-29 04:54:32.683489+00', NULL),
	(59, 'invite', '!HvUUwy3gPXON1uLHaGhqEwTqXhe1mpGgUN09kJVHZ6U', '$2OFnf5eyMkNQrunJ17YW6yq-gldNAa5JA6vyl6-CmM4', '@agentbridge:test.local', '@agent_client_6d5673f512b6:test.local', NULL, '', '{"avatar_url":"mxc://test.local/dTCZjXKfgLzBckXgxDxPceLG","displayname":"Letta Agent: Client","membership":"invite"}', 1795928072897, '2026-11-29 04:54:32.922696+00', NULL),
	(61, 'message', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '$GIL-POspU-nGj5M_5khZH01YPkWA805VHmysdGLGgg4', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"event.778523fc5e48faeb.0","body":"\u25b6\ufe0f Client answers in the room","format":"org.matrix.custom.html","formatted_body":"\u25b6\ufe0f <em>Client</em> answers in the <a href=\"https://matrix.to/#/!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8?via=test.local\">room</a>","m.mentions":{},"msgtype":"m.notice","org.agent_bridge.event":{"agent":"@agent_client_6d5673f512b6:test.local","data":{"room":"!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8"},"kind":"started","turn":"6a60c63b8489650e"}}', 1795928073474, '2026-11-29 04:54:33.486354+00', NULL),
	(22, 'channel_created', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', NULL, '', NULL, NULL, '', '{"name": "activity", "type": "log", "position": 1}', 1795928071325, '2026-11-29 04:54:31.323743+00', NULL),
	(39, 'edit', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$kQrg8uGFaQU7u-fcpV3H5tqCDKfGPrVIH2n--35U1-I', '@agentbridge:test.local', NULL, '$3BUEvWnE6FRlNwO4u0joTVRnznPiwJmZ5lM2SZa9piQ', '', '{"agent_bridge.turn":"708d2eb0b17abf0e.0","body":"* @guest:test.local: invited to the Space; invited to 4 rooms.","m.mentions":{},"m.new_content":{"body":"@guest:test.local: invited to the Space; invited to 4 rooms.","m.mentions":{},"msgtype":"m.notice"},"m.relates_to":{"event_id":"$3BUEvWnE6FRlNwO4u0joTVRnznPiwJmZ5lM2SZa9piQ","rel_type":"m.replace"},"msgtype":"m.notice"}', 1795928072003, '2026-11-29 04:54:32.055985+00', NULL),
	(43, 'join', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$zcf-zOt9wpcN9pJHjJMwf0Bg4WIfNVn9YSWzZV13ex4', '@agent_bea1:test.local', '@agent_bea1:test.local', NULL, '', '{"avatar_url":"mxc://test.local/OsLnWIbjPOHtZyEPIkrFLnGS","displayname":"Letta Agent: Bea","membership":"join"}', 1795928072162, '2026-11-29 04:54:32.180634+00', NULL),
	(44, 'message', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk', '@agent_ada1:test.local', NULL, NULL, '', '{"agent_bridge.turn":"apie0f4aab722cca915004fff0f.0","body":"A question of one agent to the other","m.mentions":{},"msgtype":"m.text","org.agent_bridge.api":true}', 1795928072202, '2026-11-29 04:54:32.212319+00', NULL),
	(45, 'join', '!z273tpEU9kUByqN5pfdj98YXdtZGU6Z_4vcXe-fDWOY', '$-L8Lj_nFMN3HyMGlGyUfKc5IAPOfBrqqJQw5wL9u-yo', '@agentbridge:test.local', '@agentbridge:test.local', NULL, '', '{"avatar_url":"mxc://test.local/arkyZlFEiSQHkhmrNizGPluq","displayname":"Agent Bridge","membership":"join"}', 1795928072248, '2026-11-29 04:54:32.278381+00', NULL),
	(48, 'message', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$G5wa8W9ZvHiAc4XfD9I_Hhuuaxjsh7r86V-DPSgJ-NY', '@agent_bea1:test.local', NULL, NULL, '', '{"agent_bridge.turn":"a6e1aeb61e135051.0","body":"Echo: Ada: A question of one agent to the other","m.mentions":{},"m.relates_to":{"m.in_reply_to":{"event_id":"$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk"}},"msgtype":"m.text","org.agent_bridge.chain":{"asker":"@agent_ada1:test.local","hops":1,"root":"$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk"}}', 1795928072326, '2026-11-29 04:54:32.33771+00', NULL),
	(50, 'invite', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$_27MSoUXNYcHv30RwPabyMEtw_tTwE2WnAynzBn46wY', '@agent_client_6d5673f512b6:test.local', '@agentbridge:test.local', NULL, '', '{"avatar_url":"mxc://test.local/arkyZlFEiSQHkhmrNizGPluq","displayname":"Agent Bridge","membership":"invite"}', 1795928072426, '2026-11-29 04:54:32.452171+00', NULL),
	(23, 'invite', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '$uEwA1FSvFhWzKaonTtoxTbndc7g6mywbF54eg3ShGyQ', '@agentbridge:test.local', '@boss:test.local', NULL, '', '{"displayname":"boss","membership":"invite"}', 1795928071340, '2026-11-29 04:54:31.35722+00', NULL),
	(25, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$lQQ399bR-LtHfqFMZcBSIwezRWWQw2rJYuAmqhdWask', '@boss:test.local', NULL, NULL, '', '{"body":"task new Read the figures","msgtype":"m.text"}', 1795928071399, '2026-11-29 04:54:31.425545+00', NULL),
	(26, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$B8rYn8GdNXMEp3ZfndEQnnDua2qdYV0paJMyCAX0SJs', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"aab9c186a394a8e7.0","body":"activity shows when agents begin and end their turns.","format":"org.matrix.custom.html","formatted_body":"<em>activity</em> shows when agents begin and end their turns.","m.mentions":{},"msgtype":"m.notice"}', 1795928071425, '2026-11-29 04:54:31.442538+00', NULL),
	(34, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$dhpImyKq-FXDh0oG3mLoOcqREFGyV0IK9Tz028l2eG4', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"da55271e44a6e9c0.0","body":"Task 2 is made.","format":"org.matrix.custom.html","formatted_body":"Task <strong>2</strong> is made.","m.mentions":{},"msgtype":"m.notice"}', 1795928071762, '2026-11-29 04:54:31.804863+00', NULL),
	(42, 'join', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$cKGDVgVwGW7eNZWIyON9-8NOSEBqxoR6UUX6f2lQlrQ', '@agent_ada1:test.local', '@agent_ada1:test.local', NULL, '', '{"avatar_url":"mxc://test.local/CKdtWQRjWQrLJkLwvGmvwnKq","displayname":"Letta Agent: Ada","membership":"join"}', 1795928072132, '2026-11-29 04:54:32.177136+00', NULL),
	(52, 'join', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$fWcsSyZXC97NveitpQEQZycVxfb64CMxQsX-ROtb7XQ', '@agentbridge:test.local', '@agentbridge:test.local', NULL, '', '{"avatar_url":"mxc://test.local/arkyZlFEiSQHkhmrNizGPluq","displayname":"Agent Bridge","membership":"join"}', 1795928072475, '2026-11-29 04:54:32.493538+00', NULL),
	(63, 'message', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$1Hq8ROar6ifaLp4O148Ahroh2LYUSww7IhZKGUXsE90', '@agent_ada1:test.local', NULL, NULL, '', '{"agent_bridge.turn":"9bcc13e2c6584880.0","body":"The beginning of","m.mentions":{},"msgtype":"m.text","org.matrix.msc4357.live":{}}', 1795928073706, '2026-11-29 04:54:33.875808+00', NULL),
	(24, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$2vsmveciPVZGbWOcrBsdx6qSa9LnOt__kqoaX-VJzPs', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"06e346db7412018d.0","body":"The channel activity is ready.","format":"org.matrix.custom.html","formatted_body":"The channel <a href=\"https://matrix.to/#/!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU?via=test.local\">activity</a> is ready.","m.mentions":{},"msgtype":"m.notice"}', 1795928071362, '2026-11-29 04:54:31.382636+00', NULL),
	(28, 'message', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$04s-TBw2fGMX6zSZQSws2Q6o8ns3MLCSZ2f5vkgaKno', '@boss:test.local', NULL, NULL, '', '{"agent_bridge.turn":"apib9924ec47542f285b4f363d9.0","body":"from a program","com.beeper.per_message_profile":{"displayname":"boss","has_fallback":true,"id":"@boss:test.local"},"m.mentions":{},"msgtype":"m.text","org.agent_bridge.said_by":"@boss:test.local"}', 1795928071608, '2026-11-29 04:54:31.656016+00', NULL),
	(37, 'join', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$FUbvMfD6zO1L1zj0CcnVEMwZo05SYtx4s66dEGng-2w', '@agentbridge:test.local', '@agentbridge:test.local', NULL, '', '{"avatar_url":"mxc://test.local/arkyZlFEiSQHkhmrNizGPluq","displayname":"Agent Bridge","membership":"join"}', 1795928071961, '2026-11-29 04:54:31.985966+00', NULL),
	(38, 'invite', '!HvUUwy3gPXON1uLHaGhqEwTqXhe1mpGgUN09kJVHZ6U', '$c-mgJbW3FIq_JEuo9NDj_e81cMKLfiuaubnHUkrXl0Q', '@agentbridge:test.local', '@guest:test.local', NULL, '', '{"displayname":"guest","membership":"invite","org.agent_bridge.request":"708d2eb0b17abf0e"}', 1795928071962, '2026-11-29 04:54:31.985966+00', NULL),
	(40, 'invite', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', '$ciakv33lY4t7zEVPJ_zf8GRqDie4M2zX3T5LOC0jQ5Q', '@agentbridge:test.local', '@agent_ada1:test.local', NULL, '', '{"avatar_url":"mxc://test.local/CKdtWQRjWQrLJkLwvGmvwnKq","displayname":"Letta Agent: Ada","membership":"invite"}', 1795928072071, '2026-11-29 04:54:32.096681+00', NULL);
INSERT INTO public.feed OVERRIDING SYSTEM VALUE VALUES
	(46, 'invite', '!z273tpEU9kUByqN5pfdj98YXdtZGU6Z_4vcXe-fDWOY', '$-BBbEHfeNyqVtrn6AV5Hfsi81qRFCz7tvIxF9JY2oyc', '@agentbridge:test.local', '@boss:test.local', NULL, '', '{"displayname":"boss","membership":"invite"}', 1795928072294, '2026-11-29 04:54:32.30649+00', NULL),
	(49, 'join', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$KGr9GWV0CzdwCDcNLsVmYaGzOZEh3xyRLvNQnxuZXto', '@agent_client_6d5673f512b6:test.local', '@agent_client_6d5673f512b6:test.local', NULL, '', '{"avatar_url":"mxc://test.local/dTCZjXKfgLzBckXgxDxPceLG","displayname":"Letta Agent: Client","membership":"join"}', 1795928072395, '2026-11-29 04:54:32.431741+00', NULL),
	(54, 'message', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$Gv34xAFNYnjXJs-yI3swFmxAkipAnnCBBfgeKAgsDA4', '@agent_client_6d5673f512b6:test.local', NULL, NULL, '', '{"agent_bridge.turn":"agent_client_6d5673f512b6.introduction.df56917f.0","body":"I am Client.\n\nEdit your message to change the question. React with \ud83d\udd01 for another answer, and with \ud83d\uded1 to stop one. All members of this room can read the conversation.","format":"org.matrix.custom.html","formatted_body":"<p>I am <strong>Client</strong>.</p>\n<p>Edit your message to change the question. React with \ud83d\udd01 for another answer, and with \ud83d\uded1 to stop one. All members of this room can read the conversation.</p>","m.mentions":{},"msgtype":"m.notice"}', 1795928072502, '2026-11-29 04:54:32.513534+00', NULL),
	(56, 'join', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$oDsPO-rsSq5BBIYz1NLUl6hzKaICqRKQgIuQWvKsSfA', '@boss:test.local', '@boss:test.local', NULL, '', '{"displayname":"boss","membership":"join"}', 1795928072574, '2026-11-29 04:54:32.597753+00', NULL),
	(62, 'message', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', '$pdPU6ZdMPngUmjVrgd5yGr3dQmzz-qVStPlbxnpXKVI', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"event.f5e14bf84150d567.0","body":"\u25b6\ufe0f Ada answers in the room","format":"org.matrix.custom.html","formatted_body":"\u25b6\ufe0f <em>Ada</em> answers in the <a href=\"https://matrix.to/#/!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU?via=test.local\">room</a>","m.mentions":{},"msgtype":"m.notice","org.agent_bridge.event":{"agent":"@agent_ada1:test.local","data":{"room":"!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU"},"kind":"started","turn":"9bcc13e2c6584880"}}', 1795928073492, '2026-11-29 04:54:33.504805+00', NULL),
	(64, 'message', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$sNVGRTpldJ5FwknVmNR_K3Wtv1WP9-PtvWpWEjsoq64', '@boss:test.local', NULL, NULL, '', '{"body":"behind it","msgtype":"m.text"}', 1795928073861, '2026-11-29 04:54:33.88697+00', NULL),
	(27, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$3BUEvWnE6FRlNwO4u0joTVRnznPiwJmZ5lM2SZa9piQ', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"708d2eb0b17abf0e.0","body":"@guest:test.local is being invited into the Space, and into the rooms that cannot be entered from there.","m.mentions":{},"msgtype":"m.notice"}', 1795928071481, '2026-11-29 04:54:31.516535+00', NULL),
	(36, 'invite', '!XusGP33lNOoLxvd1m7C3JUEjW4QrXCld1peNlBRCB_A', '$Dr9QLxtJkxoewrRut_9j5rsX8LjPPPv1d-r38F2F1c0', '@agent_bea1:test.local', '@guest:test.local', NULL, '', '{"displayname":"guest","is_direct":true,"membership":"invite","org.agent_bridge.request":"708d2eb0b17abf0e"}', 1795928071829, '2026-11-29 04:54:31.944659+00', NULL),
	(47, 'invite', '!z273tpEU9kUByqN5pfdj98YXdtZGU6Z_4vcXe-fDWOY', '$ZkrSjCJmxJhGcRFHd8_UyCVntiRrcr-N1zvtcBnEAxk', '@agentbridge:test.local', '@guest:test.local', NULL, '', '{"displayname":"guest","membership":"invite"}', 1795928072301, '2026-11-29 04:54:32.316945+00', NULL),
	(55, 'invite', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', '$M4prkehLCwjkALjUpaKyXaSoyY6onvGiH5W3zovyxYA', '@agentbridge:test.local', '@boss:test.local', NULL, '', '{"displayname":"boss","membership":"invite"}', 1795928072531, '2026-11-29 04:54:32.571693+00', NULL),
	(60, 'join', '!HvUUwy3gPXON1uLHaGhqEwTqXhe1mpGgUN09kJVHZ6U', '$jrrBhdLP3V9EkgBtKdIUot0HXt9ik4SQaqb_OIUZCOw', '@agent_client_6d5673f512b6:test.local', '@agent_client_6d5673f512b6:test.local', NULL, '', '{"avatar_url":"mxc://test.local/dTCZjXKfgLzBckXgxDxPceLG","displayname":"Letta Agent: Client","membership":"join"}', 1795928072946, '2026-11-29 04:54:32.95706+00', NULL),
	(29, 'task', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', NULL, '', NULL, NULL, '', '{"id": 2, "state": "submitted", "title": "Read the figures", "creator": "@boss:test.local", "progress": 0, "revision": 1}', 1795928071699, '2026-11-29 04:54:31.615945+00', 2),
	(33, 'message', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$5etGBVs6ZSA_KuFHRp6hcprwwTddvezbmP7lMlHOXB8', '@agent_ada1:test.local', NULL, NULL, '', '{"agent_bridge.turn":"a72d31f92f9ce9b5.0","body":"Echo: from a program","m.mentions":{},"msgtype":"m.text"}', 1795928071728, '2026-11-29 04:54:31.775753+00', NULL),
	(35, 'message', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$d1sSi2Ebl72-gM1pfEe2lVDOZa7QFuSvXigIMgnMGoA', '@agentbridge:test.local', NULL, NULL, '', '{"agent_bridge.turn":"task.a32a3b5eebf15816.0","body":"\ud83d\udccb Task 2: Read the figures\n\n\u26aa open, from @boss:test.local\n\nClaim it with \u270b or !ab task claim 2.","format":"org.matrix.custom.html","formatted_body":"<p>\ud83d\udccb Task <strong>2</strong>: Read the figures</p>\n<p>\u26aa open, from <a href=\"https://matrix.to/#/@boss:test.local\">@boss:test.local</a></p>\n<p>Claim it with \u270b or <code>!ab task claim 2</code>.</p>","m.mentions":{},"msgtype":"m.notice","org.agent_bridge.task":{"creator":"@boss:test.local","id":2,"progress":0,"revision":1,"state":"submitted","title":"Read the figures"}}', 1795928071847, '2026-11-29 04:54:31.90656+00', NULL);

INSERT INTO public.kv VALUES
	('procrastinate_migration', '"03.04.00_50_post_add_retry_failed_job_procedure.sql"'),
	('numbers_compared', '"22892 2026-11-29 04:54:24.173523+00"'),
	('avatar_bot', '"mxc://test.local/arkyZlFEiSQHkhmrNizGPluq"'),
	('space', '"!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU"'),
	('space_names', '{"name": "Letta Agents", "topic": "All Letta AI agent conversations"}'),
	('avatar_space', '"mxc://test.local/pIQzJKJjvgLzamJgKUOpZWFE"'),
	('lobby', '{"room": "!HvUUwy3gPXON1uLHaGhqEwTqXhe1mpGgUN09kJVHZ6U", "target": null, "reference": "True"}'),
	('space_roles', '{"room": "!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU", "applied": 3, "compared": 3}'),
	('leader_beat', '1795928071.788639'),
	('upstream_looks_of', '{"client": 1}'),
	('upstreams', '[{"kind": "openai", "name": "scripted", "error": null, "agents": 2, "server": "", "doubted": 0, "waiting": 0, "appeared": [], "vanished": [], "capabilities": [], "appeared_names": []}, {"kind": "client", "name": "client", "error": null, "agents": 1, "server": "", "doubted": 0, "waiting": 0, "appeared": [], "vanished": [], "capabilities": ["cancel"], "appeared_names": []}]'),
	('upstream_looked', '{"client": 1}');

INSERT INTO public.message OVERRIDING SYSTEM VALUE VALUES
	(7, 2, 4, 'user', 'in a thread', '2026-11-29 04:54:26.264915+00', NULL, NULL, NULL, NULL),
	(8, 2, 4, 'assistant', 'Echo: hello

in a thread', '2026-11-29 04:54:26.264915+00', NULL, NULL, NULL, NULL),
	(3, 1, 2, 'user', 'think', '2026-11-29 04:54:25.859568+00', 1, NULL, NULL, NULL),
	(4, 1, 2, 'assistant', 'partly', '2026-11-29 04:54:25.859568+00', 1, NULL, NULL, NULL),
	(5, 1, 3, 'user', 'this one fails', '2026-11-29 04:54:26.146482+00', 1, NULL, NULL, NULL),
	(6, 1, 3, 'assistant', 'Echo: this one fails', '2026-11-29 04:54:26.146482+00', 1, NULL, NULL, NULL),
	(11, 1, 5, 'user', 'edited', '2026-11-29 04:54:26.548429+00', 1, NULL, NULL, NULL),
	(12, 1, 5, 'assistant', 'Echo: edited', '2026-11-29 04:54:26.548429+00', 1, NULL, NULL, NULL),
	(13, 1, 1, 'user', 'hello', '2026-11-29 04:54:26.659686+00', 1, NULL, NULL, NULL),
	(14, 1, 1, 'assistant', 'Echo: hello', '2026-11-29 04:54:26.659686+00', 1, NULL, NULL, NULL),
	(17, 1, 2, 'user', 'think', '2026-11-29 04:54:25.859568+00', 2, NULL, NULL, NULL),
	(18, 1, 2, 'assistant', 'partly', '2026-11-29 04:54:25.859568+00', 2, NULL, NULL, NULL),
	(19, 1, 3, 'user', 'this one fails', '2026-11-29 04:54:26.146482+00', 2, NULL, NULL, NULL),
	(20, 1, 3, 'assistant', 'Echo: this one fails', '2026-11-29 04:54:26.146482+00', 2, NULL, NULL, NULL),
	(21, 1, 5, 'user', 'edited', '2026-11-29 04:54:26.548429+00', 2, NULL, NULL, NULL),
	(22, 1, 5, 'assistant', 'Echo: edited', '2026-11-29 04:54:26.548429+00', 2, NULL, NULL, NULL),
	(23, 1, 1, 'user', 'hello', '2026-11-29 04:54:26.659686+00', 2, NULL, NULL, NULL),
	(24, 1, 1, 'assistant', 'Echo: hello', '2026-11-29 04:54:26.659686+00', 2, NULL, NULL, NULL),
	(25, 1, 42, 'user', 'from a program', '2026-11-29 04:54:31.69795+00', 3, NULL, NULL, NULL),
	(26, 1, 42, 'assistant', 'Echo: from a program', '2026-11-29 04:54:31.69795+00', 3, NULL, NULL, NULL),
	(27, 5, 43, 'user', 'Ada: A question of one agent to the other', '2026-11-29 04:54:32.320333+00', NULL, NULL, NULL, NULL),
	(28, 5, 43, 'assistant', 'Echo: Ada: A question of one agent to the other', '2026-11-29 04:54:32.320333+00', NULL, NULL, NULL, NULL);

INSERT INTO public.mirror VALUES
	(10, NULL, '2026-11-29 04:54:31.402295+00', '2026-11-29 04:54:31.402295+00');

INSERT INTO public.mute VALUES
	('!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '@guest:test.local', '2026-11-29 05:24:28.563821+00', NULL, true);

INSERT INTO public.notified_person VALUES
	('@boss:test.local', false, NULL, NULL, NULL);

INSERT INTO public.operation OVERRIDING SYSTEM VALUE VALUES
	(1, 'invite', '708d2eb0b17abf0e', '{"by": "@boss:test.local", "key": "708d2eb0b17abf0e", "user": "@guest:test.local"}', 'done', '[2, 0]', 5, 5, '[{"rooms": {"invited": 4}, "space": "invited"}]', NULL, 0, '@boss:test.local', 40, '2026-11-29 04:54:31.467701+00', '2026-11-29 04:54:32.050851+00');

INSERT INTO public.outbox VALUES
	(41, 0, '$dhpImyKq-FXDh0oG3mLoOcqREFGyV0IK9Tz028l2eG4', '2026-11-29 04:54:31.73803+00', 0),
	(2, 0, '$9X2joQk-MdNQtSYxV65f1fX9kTvCqVp8vQ7DYuSvjmA', '2026-11-29 04:54:25.859568+00', 0),
	(2, 1, '$xfnKXfcR7DkDEiVzYAaVDjs3BtpeFxCBpes8PvNBxd4', '2026-11-29 04:54:25.859568+00', 0),
	(3, 0, '$fypqrUHQ54zPsgzkIVl2L7wJJdp2IJYVbsy-CaW3678', '2026-11-29 04:54:26.146482+00', 0),
	(4, 0, '$SRLqllIHp_7T6d1xVptfTal4CnfHBJoVBe_FwPxxjc4', '2026-11-29 04:54:26.264915+00', 0),
	(5, 0, '$hRY6poHdlcifHCCByVNx6NUfLhHiGavpgbvWgOk41-o', '2026-11-29 04:54:26.269596+00', 0),
	(1, 0, '$74Vw_Vlrg-iVwdEieWVvWdQ44LwNjqEJuYACRreQcdg', '2026-11-29 04:54:25.734233+00', 0),
	(10, 0, '$dOwZUKvU7HvZDrOZwn_7tP5NsdxsFwQO0H7Y1cnl8m4', '2026-11-29 04:54:26.969088+00', 0),
	(11, 0, '$r_mW_OfXyYhEk-99VmuI8k4kIjvojnaMSmE3pyHWShs', '2026-11-29 04:54:27.033359+00', 0),
	(12, 0, '$L1VG5a_99LtIBP9OiCMkadCMKQI343YJMeBxYH32A4E', '2026-11-29 04:54:27.201768+00', 0),
	(13, 0, '$YOvi4PnujLrvha6mCa-VLTvGL4ekjQqKosjgvHrO_2Q', '2026-11-29 04:54:27.318759+00', 0),
	(14, 0, '$ee68GgEc4JLjjE0ObWmz1VrT5WmNw_GuiDW4-gMWEaE', '2026-11-29 04:54:27.456644+00', 0),
	(15, 0, '$lPjUS_ivCABQyu8SJg597GIoAUdoyicI7138guBPPlc', '2026-11-29 04:54:27.631057+00', 0),
	(16, 0, '$8DtpgKdP8tB1LaTBlPT0xrXY77Y27xtdGM7ZeLFe6mU', '2026-11-29 04:54:27.888866+00', 0),
	(17, 0, '$veQ6rJXClJJfFwvDYt59KSp_SBrN6ZrhIVOhkDA6j3c', '2026-11-29 04:54:27.983319+00', 0),
	(18, 0, '$vT1kGyiw1NkPny4bkXR95LoTquMWCQ3M3z5V--V702k', '2026-11-29 04:54:28.137407+00', 0),
	(19, 0, '$Rtj3urGYlH_RzaIshoAyoko8DmjDjg2ypKJThD7IYa8', '2026-11-29 04:54:28.212266+00', 0),
	(20, 0, '$ZUdMBc3mIyYzMa-GR5o9Xf1R5DHLr2wBsZM8VGsUu9I', '2026-11-29 04:54:28.315673+00', 0),
	(21, 0, '$b8ZHieBubRsxG1eBtYp0l02D1HPvOuA5XNzzp4kWcg4', '2026-11-29 04:54:28.425687+00', 0),
	(22, 0, '$8FiwSO0dJZ1VqFJAQipColivwMZdU-_Qdo9iy8ZlLYI', '2026-11-29 04:54:28.59952+00', 0),
	(23, 0, '$PcLDuspBkbs-p6AaIHVOxIrByl6BAwkrpAh-NYDJsdQ', '2026-11-29 04:54:28.670789+00', 0),
	(24, 0, '$EjCYKa0KUZfawtVbSLNlIVqsLgx0lh6oqNZqCJrmBig', '2026-11-29 04:54:28.804142+00', 0),
	(25, 0, '$6nrRcHN-M6fizORJYlPTONajlSZBBtI1L_FN1jfUGko', '2026-11-29 04:54:28.903042+00', 0),
	(26, 0, '$dkKqtQ0V-USoLaIIEsU3f-6xQ4XDdszolixXO9Qr1qs', '2026-11-29 04:54:29.259716+00', 0),
	(27, 0, '$0p_eXbVuPyuvFwOvMIbTSBWynOMKqLRjfvYNLaQh3-w', '2026-11-29 04:54:29.835178+00', 0),
	(28, 0, '$HbGkklA_w9UWKZUz_zXLYtuRDHnr6EiSxKwjOL-ysfA', '2026-11-29 04:54:30.242313+00', 0),
	(29, 0, '$C0H6WX27pidu8p4mht6SBO640HL0-W0FELWDAiugfpI', '2026-11-29 04:54:30.334758+00', 0),
	(30, 0, '$c5x_kcG3Z_rtd7Sk6AlQfWBpeZbMg--UPiAyMwNYkiI', '2026-11-29 04:54:30.695733+00', 0),
	(31, 0, '$R8ljqv_ixG9aXKxbShLoHClmlJtWBpGsGYFfr7b6vyo', '2026-11-29 04:54:30.865742+00', 0),
	(32, 0, '$JkDudPCExHKuIhSZPJkUN64l7JEVPF40Dy0O4Vfodls', '2026-11-29 04:54:30.957488+00', 0),
	(33, 0, '$iCjWIoXVHP8_ANG2mh2KJiYV3jrmkFtlbG4TfURnd_U', '2026-11-29 04:54:31.024937+00', 0),
	(34, 0, '$v7lKhnhoJuOOomJ8D2MtsXzssIZJq-XaIZ8hmxkyHfo', '2026-11-29 04:54:31.082635+00', 0),
	(35, 0, '$E1DRNjVULTj686lTyJ3AoB9hrDG8CZVXkDoLDSaPSCM', '2026-11-29 04:54:31.13243+00', 0),
	(36, 0, '$jIl_FQPVohy6fb_UbrMKl9r73RB0HKyohXMyFWjmf6Y', '2026-11-29 04:54:31.173539+00', 0),
	(37, 0, '$sSuxqfFd2U-O0LBLRo_HdxdCZawz-EwSlsIAHwnFShE', '2026-11-29 04:54:31.235866+00', 0),
	(38, 0, '$2vsmveciPVZGbWOcrBsdx6qSa9LnOt__kqoaX-VJzPs', '2026-11-29 04:54:31.352879+00', 0),
	(39, 0, '$B8rYn8GdNXMEp3ZfndEQnnDua2qdYV0paJMyCAX0SJs', '2026-11-29 04:54:31.411348+00', 0),
	(40, 0, '$3BUEvWnE6FRlNwO4u0joTVRnznPiwJmZ5lM2SZa9piQ', '2026-11-29 04:54:31.47186+00', 0),
	(42, 0, '$5etGBVs6ZSA_KuFHRp6hcprwwTddvezbmP7lMlHOXB8', '2026-11-29 04:54:31.69795+00', 0),
	(43, 0, '$G5wa8W9ZvHiAc4XfD9I_Hhuuaxjsh7r86V-DPSgJ-NY', '2026-11-29 04:54:32.320333+00', 0),
	(45, 0, '$1Hq8ROar6ifaLp4O148Ahroh2LYUSww7IhZKGUXsE90', '2026-11-29 04:54:33.701979+00', 0);

INSERT INTO public.pair VALUES
	(11, '@agent_ada1:test.local', '@agent_bea1:test.local'),
	(12, '@boss:test.local', '@guest:test.local');

INSERT INTO public.participant VALUES
	(1, 1, 'joined', '2026-11-29 04:54:24.378485+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(3, 3, 'joined', '2026-11-29 04:54:24.485475+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(4, 1, 'joined', '2026-11-29 04:54:25.618888+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(4, 2, 'joined', '2026-11-29 04:54:25.623093+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(4, 3, 'joined', '2026-11-29 04:54:25.625271+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(2, 2, 'joined', '2026-11-29 04:54:24.485475+00', 'Answer briefly.', '$RljV2u1g9i1LU118aNZe2IUyms9MC-w0DixTzmS_tqs', '2026-11-29 04:54:26.936817+00', NULL, 'always', '@boss:test.local'),
	(7, 2, 'joined', '2026-11-29 04:54:29.057217+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(11, 2, 'joined', '2026-11-29 04:54:31.839126+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(11, 3, 'joined', '2026-11-29 04:54:31.839126+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(13, 4, 'joined', '2026-11-29 04:54:32.346303+00', NULL, NULL, NULL, NULL, NULL, NULL),
	(4, 4, 'joined', '2026-11-29 04:54:32.96313+00', NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO public.procrastinate_jobs VALUES
	(46, 'lanes', 'lane', 0, 'lane-1', 'lane-1', '{"lane": 1}', 'todo', NULL, 0, false, NULL);

INSERT INTO public.reachable_person VALUES
	('@boss:test.local', '2026-11-29 04:54:31.229906+00');

INSERT INTO public.read_marker VALUES
	('@boss:test.local', 2, '$04s-TBw2fGMX6zSZQSws2Q6o8ns3MLCSZ2f5vkgaKno', '2026-11-29 04:54:31.542+00');

INSERT INTO public.role_assignment VALUES
	('@guest:test.local', 'moderator', '@boss:test.local', '2026-11-29 04:54:30.322495+00');

INSERT INTO public.role_book OVERRIDING SYSTEM VALUE VALUES
	(3, '[["test.local", "member"], ["@boss:test.local", "owner"]]', '{"@guest:test.local": ["moderator", "@boss:test.local", "2026-11-29T04:54:30.322495+00:00"]}', '{"1": {"@boss:test.local": ["owner", "@boss:test.local", "2026-11-29T04:54:29.418876+00:00"]}}');

INSERT INTO public.room OVERRIDING SYSTEM VALUE VALUES
	(9, NULL, 'channel', '!c-TcD8r_zsIMvUrnVgU-aRwcG1HeSfTnffufWUENMv8', 'results', 'results', '', '', true, '!b5hb-pMMcRndxbfxbYgGizVCD_wD6nrELJl307_WSzk', '{}', NULL, '2026-11-29 04:54:29.98726+00', NULL, NULL, NULL, false, 0, '2026-11-29 04:54:30.18058+00', NULL, 0, 0, '{}', NULL, false, 'restricted !b5hb-pMMcRndxbfxbYgGizVCD_wD6nrELJl307_WSzk', NULL, NULL, '98ed731d47cd9d10', NULL, 2, 2, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, false, 3, 3, false),
	(8, NULL, 'server', '!b5hb-pMMcRndxbfxbYgGizVCD_wD6nrELJl307_WSzk', 'Lab', 'Lab', '', '', true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{}', NULL, '2026-11-29 04:54:29.418876+00', NULL, NULL, NULL, false, 0, '2026-11-29 04:54:29.50607+00', NULL, 0, 0, '{}', NULL, false, 'invite', NULL, NULL, 'cb25e35b3279681a', NULL, 2, 2, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, false, 3, 3, false),
	(7, 2, 'chat', '!yLOXsLdy7-hrnYI5gJMuLyTlLCZ6645OZErXvcHKt40', 'A title', 'A title', NULL, NULL, true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{}', NULL, '2026-11-29 04:54:29.057217+00', NULL, NULL, NULL, false, 1, '2026-11-29 04:54:29.403962+00', NULL, 0, 0, '{}', NULL, false, NULL, '@boss:test.local', 1, '5100da3678a3a707', 'given', 2, 2, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, false, 3, 3, false),
	(11, NULL, 'pair', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', 'Ada, Bea', 'Ada, Bea', NULL, NULL, true, NULL, '{}', NULL, '2026-11-29 04:54:31.839126+00', NULL, NULL, '$zcf-zOt9wpcN9pJHjJMwf0Bg4WIfNVn9YSWzZV13ex4', false, 1, '2026-11-29 04:54:32.19488+00', NULL, 0, 0, '{}', NULL, false, NULL, NULL, NULL, 'pair.c99402e482d9ed57', NULL, 2, 2, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, 0, false, 3, NULL, false),
	(5, NULL, 'bot', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', NULL, NULL, NULL, NULL, true, NULL, '{}', NULL, '2026-11-29 04:54:28.636794+00', NULL, NULL, '$sZzp3eWD8VE_QAWludJeD3-G0fCZvGczkyGK-ix_LiU', false, 0, '2026-11-29 04:54:28.668805+00', NULL, 0, 0, '{}', NULL, false, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, 5, '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', NULL, false, NULL, NULL, false),
	(10, NULL, 'channel', '!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU', 'activity', 'activity', '', '', true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{}', NULL, '2026-11-29 04:54:31.266126+00', NULL, NULL, NULL, false, 0, '2026-11-29 04:54:31.323743+00', NULL, 0, 0, '{}', NULL, false, 'invite', NULL, NULL, '06e346db7412018d', NULL, 2, 2, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, false, 3, 3, false),
	(1, 1, 'home', '!HkIw1MUxYPGdVzZ9-DcN0IyxCRzJtd0qawv56mq0WbQ', 'Poet - Letta Agent Chat', 'Poet - Letta Agent Chat', 'Chat with Poet (Letta Agent)', 'Chat with Poet (Letta Agent)', true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{@guest:test.local}', 'active', '2026-11-29 04:54:24.378485+00', NULL, NULL, NULL, false, 0, '2026-11-29 04:54:24.941032+00', NULL, 0, 0, '{}', 'mxc://test.local/pSrbYSfmSzwaBfBZHaZrHJWQ', true, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, false, 3, 3, false),
	(2, 2, 'home', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 'Ada - Letta Agent Chat', 'Ada - Letta Agent Chat', 'Chat with Ada (Letta Agent)', 'Chat with Ada (Letta Agent)', true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{@guest:test.local}', 'active', '2026-11-29 04:54:24.485475+00', 'collect', NULL, NULL, false, 0, '2026-11-29 04:54:24.939874+00', NULL, 0, 0, '{}', 'mxc://test.local/CKdtWQRjWQrLJkLwvGmvwnKq', true, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, 5, '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', NULL, false, 3, 3, false),
	(3, 3, 'home', '!XusGP33lNOoLxvd1m7C3JUEjW4QrXCld1peNlBRCB_A', 'Bea - Letta Agent Chat', 'Bea - Letta Agent Chat', 'Chat with Bea (Letta Agent)', 'Chat with Bea (Letta Agent)', true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{@guest:test.local}', 'active', '2026-11-29 04:54:24.485475+00', NULL, NULL, NULL, false, 0, '2026-11-29 04:54:24.940993+00', NULL, 0, 0, '{}', 'mxc://test.local/OsLnWIbjPOHtZyEPIkrFLnGS', true, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, false, 3, 3, false),
	(4, NULL, 'lobby', '!HvUUwy3gPXON1uLHaGhqEwTqXhe1mpGgUN09kJVHZ6U', NULL, 'Lobby', NULL, NULL, true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{}', NULL, '2026-11-29 04:54:24.849997+00', NULL, NULL, NULL, false, 0, '2026-11-29 04:54:24.849997+00', NULL, 0, 0, '{}', NULL, true, NULL, NULL, NULL, NULL, NULL, 3, 3, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, 0, false, 3, 3, false),
	(13, 4, 'home', '!CFf3TNtBKmLmjs9Vy18rom_AQbAFBBR3aOXYR0IhZI8', 'Client - Letta Agent Chat', 'Client - Letta Agent Chat', 'Chat with Client (Letta Agent)', 'Chat with Client (Letta Agent)', true, '!4xk3v4yzaIia6XMUg2iit9u2kviZAg6MYNwVMIEcZRU', '{}', 'active', '2026-11-29 04:54:32.346303+00', NULL, NULL, NULL, false, 0, '2026-11-29 04:54:32.432436+00', NULL, 0, 0, '{}', 'mxc://test.local/dTCZjXKfgLzBckXgxDxPceLG', true, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, NULL, false, 3, 3, false),
	(12, NULL, 'group', '!z273tpEU9kUByqN5pfdj98YXdtZGU6Z_4vcXe-fDWOY', 'boss, guest', 'boss, guest', NULL, NULL, true, NULL, '{}', NULL, '2026-11-29 04:54:32.228436+00', NULL, NULL, '$ZkrSjCJmxJhGcRFHd8_UyCVntiRrcr-N1zvtcBnEAxk', false, 1, '2026-11-29 04:54:32.339924+00', NULL, 0, 0, '{}', NULL, false, NULL, NULL, NULL, 'pair.beb6efddcc4ac3dc', NULL, 1, 1, NULL, NULL, 'active', NULL, NULL, NULL, false, NULL, false, NULL, NULL, 0, false, 3, NULL, false);

INSERT INTO public.schedule OVERRIDING SYSTEM VALUE VALUES
	(1, '@boss:test.local', 2, 2, 'every day 9:00', 'cron 0 9 * * *', 'UTC', 'What is new?', '2026-11-29 09:00:00+00', false, NULL, '2026-11-29 04:54:30.938782+00', NULL);

INSERT INTO public.selection VALUES
	('@boss:test.local', 2, '2026-11-29 04:54:29.057217+00');

INSERT INTO public.server OVERRIDING SYSTEM VALUE VALUES
	(1, 8, '@boss:test.local', NULL, '2026-11-29 04:54:29.418876+00');

INSERT INTO public.server_role VALUES
	(1, '@boss:test.local', 'owner', '@boss:test.local', '2026-11-29 04:54:29.418876+00');

INSERT INTO public.task OVERRIDING SYSTEM VALUE VALUES
	(1, 'command.716fca31cbe900f2', 2, NULL, 'Collect the figures', 'working', '@boss:test.local', '@boss:test.local', 50, 'half of them', '2026-11-29 05:09:27.959231+00', 3, 3, '$N0o-wBbXBjITn2WlHa3fNOwpeLFhT5mLIMdwqrbW58E', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$fdJOKgczH9P_gslFvNaaumjQ0v10cvNNSUJq9m1q5Mg', '2026-11-29 04:54:27.623796+00', NULL, false, '@boss:test.local'),
	(2, 'command.da55271e44a6e9c0', 5, NULL, 'Read the figures', 'submitted', '@boss:test.local', NULL, 0, '', NULL, 1, 1, '$d1sSi2Ebl72-gM1pfEe2lVDOZa7QFuSvXigIMgnMGoA', '!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI', '$dhpImyKq-FXDh0oG3mLoOcqREFGyV0IK9Tz028l2eG4', '2026-11-29 04:54:31.615945+00', NULL, false, NULL);

INSERT INTO public.thread OVERRIDING SYSTEM VALUE VALUES
	(1, 2, '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '$CfqncWM5OC8srIjg756JJtaweHv-YSEGFt4ixGq2DDg', '$CfqncWM5OC8srIjg756JJtaweHv-YSEGFt4ixGq2DDg', 'Ideas', '@boss:test.local', 'e56e1779af82c932', '$CTHLOabFGKXQT8pkGbcyhfzdAEMjLm5fO0MWZSHdHIA', NULL, '2026-11-29 04:54:28.176+00', '2026-11-29 04:54:28.256251+00', 1, 1);

INSERT INTO public.token OVERRIDING SYSTEM VALUE VALUES
	(1, 'laptop', '@boss:test.local', NULL, '93f274321b09595d2ddfd2b5d1210a865416643fe4e9c67252e55daa9e46cddf', NULL, '{ask,create,react,read,register,send,subscribe}', true, '@boss:test.local', '2026-11-29 04:54:30.619057+00', NULL, NULL, NULL),
	(2, 'test', '@boss:test.local', NULL, 'df68d65e683de25e8a98817516d3cf9e97669579002a6acaa7dcae3c5f057c67', NULL, '{ask,create,react,read,register,send,subscribe}', true, '', '2026-11-29 04:54:31.443204+00', NULL, '2026-11-29 04:54:31.491078+00', NULL),
	(3, 'test', NULL, 2, 'a847e7724ab1b2e9684e2e740a0aff8b3a6f1318f39767365868f1ca32b79bb3', NULL, '{ask,create,react,read,register,send,subscribe}', true, '', '2026-11-29 04:54:31.446348+00', NULL, '2026-11-29 04:54:31.815988+00', NULL),
	(4, 'registration', NULL, 4, 'af786dae11a8134ec2ddaf648413046c94cad917cd037e7dea17cce115471316', NULL, '{ask,create,react,read,send,subscribe}', true, '@boss:test.local', '2026-11-29 04:54:32.414584+00', NULL, NULL, NULL);

INSERT INTO public.trigger OVERRIDING SYSTEM VALUE VALUES
	(1, '41T5WbtMgavid752FiHTTg', 'callback', 'deploy', '@boss:test.local', 2, 2, 'ac00046e0a7d9f01cf3c987f1d69e884680e3beca6c4af68b32a479e1f70c47c', NULL, '2026-11-29 04:54:30.794428+00', '2026-11-30 04:54:30.794428+00', NULL, NULL);

INSERT INTO public.turn OVERRIDING SYSTEM VALUE VALUES
	(3, '$iUqpFKnWkyvKM_u20-7d7EQt7KANxaI77IRcpflgcgw', 1, 'message', '@boss:test.local', '{"v": 1, "body": "this one fails", "form": "", "others": [], "trigger": ""}', 'done', 1, 0, NULL, 'chatcmpl-d89f19644bc641529a3d2fafb58e7447', 'Echo: this one fails', NULL, '2026-11-29 04:54:26.009425+00', '2026-11-29 04:54:26.114542+00', '2026-11-29 04:54:26.227428+00', 3, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.114542+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.146482+00:00", "what": "answered", "characters": 20}, {"at": "2026-11-29T04:54:26.227428+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:25.979+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '9ece0862d8258da2', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', 10, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(2, '$dNRJ0R_k-RhzXjiG2UBBo2ykGGOKpqsT0xkc-Z7o61A', 1, 'message', '@boss:test.local', '{"v": 1, "body": "think", "form": "", "others": [], "trigger": ""}', 'failed', 1, 0, NULL, 'chatcmpl-b1c85805091641f1aea7d88548f78bc5', 'partly', 'the connection to scripted was lost', '2026-11-29 04:54:25.707325+00', '2026-11-29 04:54:25.83191+00', '2026-11-29 04:54:25.939091+00', 2, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:25.83191+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:25.859568+00:00", "what": "answered", "error": "the connection to scripted was lost", "characters": 6}, {"at": "2026-11-29T04:54:25.939091+00:00", "what": "failed", "parts": 2}]', '2026-11-29 04:54:25.652+00', '{"rest": false, "files": [], "notice": {"detail": "", "summary": "⚠️ The answer ends here: the connection to the server of Ada was lost. To try again, react with 🔁."}, "activity": [], "mentions": []}', 'b7d772a8037908ba', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(6, '$f042gNBW7JJZtJvPWXnjT43ExxSrjPCKI_-XvosB_NA', 1, 'edit', '@boss:test.local', '{"v": 1, "target": "$9MYBFzunl7PcCiaHveENkee-m_eF319hGTpnBk8iUIU", "message": {"body": "edited", "file": null, "form": "", "late": null, "others": [], "trigger": "", "reply_to": null, "schedule": null}}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-29 04:54:26.453883+00', '2026-11-29 04:54:26.464398+00', '2026-11-29 04:54:26.496572+00', 6, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.464398+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.496572+00:00", "what": "done", "parts": 0}]', '2026-11-29 04:54:26.411+00', '{}', 'bce0ff114b2c2dee', false, NULL, 5, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(4, '$AeG4tA5Jxq0fGF3HUkA28SrBiknfu24io4qOyuMJ_o4', 2, 'message', '@boss:test.local', '{"v": 1, "body": "in a thread", "form": "", "others": [], "trigger": ""}', 'done', 1, 0, NULL, 'chatcmpl-654b4aa4a9014da0b196d89731acc59c', 'Echo: hello

in a thread', NULL, '2026-11-29 04:54:26.118104+00', '2026-11-29 04:54:26.175585+00', '2026-11-29 04:54:26.360328+00', 4, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.175585+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.264915+00:00", "what": "answered", "characters": 24}, {"at": "2026-11-29T04:54:26.360328+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:26.017+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'f75782bb77fe4cc6', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', 10, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(5, '$9MYBFzunl7PcCiaHveENkee-m_eF319hGTpnBk8iUIU', 1, 'message', '@boss:test.local', '{"v": 1, "body": "edited", "form": "", "others": [], "trigger": ""}', 'done', 2, 0, NULL, 'chatcmpl-76a7ca3cd97e43c3bebf01ab2f8183ff', 'Echo: edited', NULL, '2026-11-29 04:54:26.118104+00', '2026-11-29 04:54:26.228964+00', '2026-11-29 04:54:26.608333+00', 6, 0, 1, NULL, '2026-11-29 04:54:26.486882+00', NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.228964+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.269596+00:00", "what": "answered", "characters": 13}, {"at": "2026-11-29T04:54:26.325958+00:00", "what": "done", "parts": 1}, {"at": "2026-11-29T04:54:26.486882+00:00", "what": "edited"}, {"at": "2026-11-29T04:54:26.500751+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.548429+00:00", "what": "answered", "characters": 12}, {"at": "2026-11-29T04:54:26.608333+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:26.085+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '47137af2c31c58e7', false, '$f042gNBW7JJZtJvPWXnjT43ExxSrjPCKI_-XvosB_NA', NULL, NULL, NULL, DEFAULT, 542664102, '{"v": 1, "body": "edit me", "form": "", "others": [], "trigger": ""}', 0, 0, NULL, '{}', 20, 10, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(1, '$m-4sciFkTestl5hMqPe3hTTZfEmja_qVW6bH9yBNXwA', 1, 'message', '@boss:test.local', '{"v": 1, "body": "hello", "form": "", "others": [], "trigger": ""}', 'done', 2, 0, NULL, 'chatcmpl-37679b5aa3794025b96875fb6044d5f8', 'Echo: hello', NULL, '2026-11-29 04:54:25.644788+00', '2026-11-29 04:54:25.674326+00', '2026-11-29 04:54:26.733932+00', 7, 0, 1, NULL, '2026-11-29 04:54:26.619546+00', NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:25.674326+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:25.734233+00:00", "what": "answered", "characters": 10}, {"at": "2026-11-29T04:54:25.823951+00:00", "what": "done", "parts": 2}, {"at": "2026-11-29T04:54:26.619546+00:00", "what": "again"}, {"at": "2026-11-29T04:54:26.647783+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.659686+00:00", "what": "answered", "characters": 11}, {"at": "2026-11-29T04:54:26.733932+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:25.617+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '4150c49419e5bed5', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', 20, 10, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(7, '$F7Hv9I92fwlQO-fUCjgV9NEjQKEaZ1MUV0f0p5-Pk9Q', 1, 'again', '@boss:test.local', '{"v": 1, "target": "$m-4sciFkTestl5hMqPe3hTTZfEmja_qVW6bH9yBNXwA"}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-29 04:54:26.543693+00', '2026-11-29 04:54:26.611029+00', '2026-11-29 04:54:26.645372+00', 7, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.611029+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.645372+00:00", "what": "done", "parts": 0}]', '2026-11-29 04:54:26.464+00', '{}', '2d023ca9bf24cd8e', false, NULL, 1, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(11, '$UDvhFXtFiwC810dY3cUak8sxLUblMb-b9J4wg7uNK8c', 1, 'command', '@boss:test.local', '{"v": 1, "body": "save before the reset", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Saved as *before the reset*. `!ab load` brings it back.', NULL, '2026-11-29 04:54:27.003655+00', '2026-11-29 04:54:27.015807+00', '2026-11-29 04:54:27.065252+00', 11, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:27.015807+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:27.033359+00:00", "what": "answered", "characters": 55}, {"at": "2026-11-29T04:54:27.065252+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:26.992+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '60eff8d2c3551efb', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"ref": null, "text": "before the reset", "saved": 2}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(8, '$ZTmgGIlP_TZEOBsWkEbZSSyljl9eQKgeC3VLYLhcJfQ', 1, 'message', '@boss:test.local', '{"v": 1, "body": "", "form": "", "others": [], "trigger": ""}', 'done', 1, 0, NULL, 'chatcmpl-60fb178c66014fdca3e9df2c6a61f5ab', NULL, NULL, '2026-11-29 04:54:26.595361+00', '2026-11-29 04:54:26.740565+00', '2026-11-29 04:54:26.798903+00', 8, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.740565+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.760703+00:00", "what": "answered", "characters": 17}, {"at": "2026-11-29T04:54:26.798903+00:00", "what": "done", "parts": 1}, {"at": "2026-11-29T04:54:26.855207+00:00", "what": "redacted"}]', '2026-11-29 04:54:26.536+00', '{}', '208fb5f57fd1cdd4', true, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', 10, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(15, '$fdJOKgczH9P_gslFvNaaumjQ0v10cvNNSUJq9m1q5Mg', 3, 'command', '@boss:test.local', '{"v": 1, "body": "task new Collect the figures", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Task **1** is made.', NULL, '2026-11-29 04:54:27.611399+00', '2026-11-29 04:54:27.616678+00', '2026-11-29 04:54:27.697011+00', 15, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:27.616678+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:27.631057+00:00", "what": "answered", "characters": 19}, {"at": "2026-11-29T04:54:27.697011+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:27.585+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '716fca31cbe900f2', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"task": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(9, '$lhgTuBOfz6Oa69bXCRZkxDVK64AW96y9Q7VIC7Ofp6g', 3, 'redaction', '@boss:test.local', '{"v": 1, "events": [{"sender": "agent_ada1", "event_id": "$C78BHL_jWO94-fl5ppSJCVtQhs52--woKTCcWcwtetY"}]}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-29 04:54:26.855207+00', '2026-11-29 04:54:26.912775+00', '2026-11-29 04:54:26.95679+00', 9, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.912775+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.95679+00:00", "what": "done", "parts": 0}]', '2026-11-29 04:54:26.821+00', '{}', 'af4ddadba69731c7', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(17, '$_spPpGX-zlmEBVU9Z2KtmzDAaaC6LSOclRaPuKgpE_w', 3, 'command', '@boss:test.local', '{"v": 1, "body": "task progress 1 50% half of them", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Task **1**: 50 %.', NULL, '2026-11-29 04:54:27.832264+00', '2026-11-29 04:54:27.948176+00', '2026-11-29 04:54:28.064286+00', 17, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:27.948176+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:27.983319+00:00", "what": "answered", "characters": 17}, {"at": "2026-11-29T04:54:28.064286+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:27.816+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '28c13c5ae6d6e1c8', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"task": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(10, '$RljV2u1g9i1LU118aNZe2IUyms9MC-w0DixTzmS_tqs', 1, 'command', '@boss:test.local', '{"v": 1, "body": "instructions Answer briefly.", "thread": ""}', 'done', 1, 0, NULL, NULL, '**Ada** follows these instructions here from now on.', NULL, '2026-11-29 04:54:26.911933+00', '2026-11-29 04:54:26.927979+00', '2026-11-29 04:54:27.000821+00', 10, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:26.927979+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:26.969088+00:00", "what": "answered", "characters": 52}, {"at": "2026-11-29T04:54:27.000821+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:26.863+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '51331b685bbd526c', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"instructed": true}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(12, '$RyBWxwg0gacSkKVaCinPTRSZJFVUg_mbUtDIG5dGHPg', 1, 'command', '@boss:test.local', '{"v": 1, "body": "reset", "thread": ""}', 'done', 1, 0, NULL, NULL, '**Ada** starts afresh. `!ab load` brings the earlier conversation back.', NULL, '2026-11-29 04:54:27.132865+00', '2026-11-29 04:54:27.140685+00', '2026-11-29 04:54:27.229113+00', 12, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:27.140685+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:27.201768+00:00", "what": "answered", "characters": 71}, {"at": "2026-11-29T04:54:27.229113+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:27.098+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'e6e6af563fb13519', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"context": 3}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(14, '$zIglG1HdXkCdUT7FyCjCGQowrL8tHAKH7tf3vb5QmnI', 3, 'command', '@boss:test.local', '{"v": 1, "body": "answer always", "thread": ""}', 'done', 1, 0, NULL, NULL, '**Ada** answers every message here that is not for others.', NULL, '2026-11-29 04:54:27.415835+00', '2026-11-29 04:54:27.433419+00', '2026-11-29 04:54:27.555067+00', 14, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:27.433419+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:27.456644+00:00", "what": "answered", "characters": 58}, {"at": "2026-11-29T04:54:27.555067+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:27.359+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '82a2afb3b9f9800a', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"agent": "Ada"}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(13, '$3zL7jMjMJyTMEqIH3uxj4vQMzVT3drneqBznhrt2KtY', 3, 'command', '@boss:test.local', '{"v": 1, "body": "busy collect", "thread": ""}', 'done', 1, 0, NULL, NULL, 'From now on, messages that arrive during an answer get one answer together.', NULL, '2026-11-29 04:54:27.290642+00', '2026-11-29 04:54:27.296727+00', '2026-11-29 04:54:27.343092+00', 13, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:27.296727+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:27.318759+00:00", "what": "answered", "characters": 75}, {"at": "2026-11-29T04:54:27.343092+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:27.245+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '7597f62382a11d8b', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(19, '$gcxtLrAyO0cpyJqj0p3rcX6WHDwzk1JDhvU-VTM_640', 3, 'command', '@boss:test.local', '{"v": 1, "body": "vote for pizza", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Your vote in vote 1: *pizza*.', NULL, '2026-11-29 04:54:28.11352+00', '2026-11-29 04:54:28.182604+00', '2026-11-29 04:54:28.230979+00', 19, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.182604+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.212266+00:00", "what": "answered", "characters": 29}, {"at": "2026-11-29T04:54:28.230979+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.093+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '654a47446a394964', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"answer": "pizza", "number": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(20, '$CTHLOabFGKXQT8pkGbcyhfzdAEMjLm5fO0MWZSHdHIA', 3, 'command', '@boss:test.local', '{"v": 1, "body": "thread new Ideas", "thread": ""}', 'done', 1, 0, NULL, NULL, 'The thread [Ideas](https://matrix.to/#/!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU/$CfqncWM5OC8srIjg756JJtaweHv-YSEGFt4ixGq2DDg?via=test.local) is ready.', NULL, '2026-11-29 04:54:28.188094+00', '2026-11-29 04:54:28.245637+00', '2026-11-29 04:54:28.366714+00', 20, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.245637+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.315673+00:00", "what": "answered", "characters": 154}, {"at": "2026-11-29T04:54:28.366714+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.176+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'e56e1779af82c932', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"change": "made", "thread": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(16, '$Ia8j2GUfsZ5F9mn2iz2E3GtBSnP9T9LjMBH5O0WvhqA', 3, 'command', '@boss:test.local', '{"v": 1, "body": "task claim 1", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Task **1** is yours: *Collect the figures*', NULL, '2026-11-29 04:54:27.804026+00', '2026-11-29 04:54:27.825777+00', '2026-11-29 04:54:27.946141+00', 16, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:27.825777+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:27.888866+00:00", "what": "answered", "characters": 42}, {"at": "2026-11-29T04:54:27.946141+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:27.765+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '7d2cc2389850f0ed', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"task": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(29, '$GeuWoU_3ew6ZCWGRt7jb32iMfVst7Tt8sURKlcgkaoo', 4, 'command', '@boss:test.local', '{"v": 1, "body": "role @guest:test.local moderator", "thread": ""}', 'done', 1, 0, NULL, NULL, '@guest:test.local is a moderator now. All rooms follow within seconds.', NULL, '2026-11-29 04:54:30.291118+00', '2026-11-29 04:54:30.309941+00', '2026-11-29 04:54:30.359323+00', 29, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:30.309941+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:30.334758+00:00", "what": "answered", "characters": 70}, {"at": "2026-11-29T04:54:30.359323+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:30.264+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '989b204a33a22046', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"role": 3}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(18, '$hK2J1ek0yaqBA-YSJrBpJWeF-8-hARVinhqkeMkUZhY', 3, 'command', '@boss:test.local', '{"v": 1, "body": "vote new \"Lunch?\" pizza | pasta until 18:00", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Vote **1** has begun. It ends at 18:00 (UTC), or earlier with `!ab vote close 1`. Clients that show no polls: `!ab vote for <answer>`.', NULL, '2026-11-29 04:54:28.014342+00', '2026-11-29 04:54:28.069986+00', '2026-11-29 04:54:28.168098+00', 18, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.069986+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.137407+00:00", "what": "answered", "characters": 134}, {"at": "2026-11-29T04:54:28.168098+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:27.979+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '4764e33da119678a', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"number": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(22, '$Yp9t5_LOBDszBr8vggBaKLPlGCaNFioZU_yZUZVgoaQ', 3, 'command', '@boss:test.local', '{"v": 1, "body": "mute @guest:test.local 30 min", "thread": ""}', 'done', 1, 0, NULL, NULL, '@guest:test.local is muted here for 30 minutes: agents get nothing of @guest:test.local.', NULL, '2026-11-29 04:54:28.433573+00', '2026-11-29 04:54:28.542557+00', '2026-11-29 04:54:28.629652+00', 22, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.542557+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.59952+00:00", "what": "answered", "characters": 88}, {"at": "2026-11-29T04:54:28.629652+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.369+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '8a7e1aad5142b0e7', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"turns": 0}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(28, '$PDhfCgvwsE94o5CdjK85IQVpwWilW2aNlj6K2SXDDmc', 4, 'command', '@boss:test.local', '{"v": 1, "body": "channel new Lab/results announcement", "thread": ""}', 'done', 1, 0, NULL, NULL, 'The channel [results](https://matrix.to/#/!c-TcD8r_zsIMvUrnVgU-aRwcG1HeSfTnffufWUENMv8?via=test.local) is ready in *Lab*.', NULL, '2026-11-29 04:54:29.96649+00', '2026-11-29 04:54:29.97433+00', '2026-11-29 04:54:30.270959+00', 28, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:29.97433+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:30.242313+00:00", "what": "answered", "characters": 121}, {"at": "2026-11-29T04:54:30.270959+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:29.935+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '98ed731d47cd9d10', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"channel": 9}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(21, '$bvsxXOkaFLpH5zTvVL-EEf6KbJIU0QWYkfFuW-Tb5kU', 3, 'command', '@boss:test.local', '{"v": 1, "body": "event research_complete {subtask: 1, confidence: 0.5}", "thread": ""}', 'done', 1, 0, NULL, NULL, 'The event `research_complete` is posted.', NULL, '2026-11-29 04:54:28.255764+00', '2026-11-29 04:54:28.369226+00', '2026-11-29 04:54:28.540046+00', 21, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.369226+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.425687+00:00", "what": "answered", "characters": 40}, {"at": "2026-11-29T04:54:28.540046+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.238+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'f6850c7d114d96bc', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"kind": "research_complete"}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(24, '$3c1dmf8hWxiOsv8fGGOa0MGmvCywBTeCtbxar-qSRJ8', 4, 'command', '@boss:test.local', '{"v": 1, "body": "agents", "thread": ""}', 'done', 1, 0, NULL, NULL, '| Agent | Server | State |
|---|---|---|
| [Ada](https://matrix.to/#/!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU?via=test.local) | scripted | ready |
| [Bea](https://matrix.to/#/!XusGP33lNOoLxvd1m7C3JUEjW4QrXCld1peNlBRCB_A?via=test.local) | scripted | ready |
| [Poet](https://matrix.to/#/!HkIw1MUxYPGdVzZ9-DcN0IyxCRzJtd0qawv56mq0WbQ?via=test.local) | scripted | ready |', NULL, '2026-11-29 04:54:28.793576+00', '2026-11-29 04:54:28.800583+00', '2026-11-29 04:54:28.837382+00', 24, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.800583+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.804142+00:00", "what": "answered", "characters": 371}, {"at": "2026-11-29T04:54:28.837382+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.753+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'b5be4c206521aa93', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(39, '$bnKERqbbbFGplbfUI8Lsdd1hiBZOk7lWpuedU_cQFdk', 4, 'command', '@boss:test.local', '{"v": 1, "body": "channel mirror activity on", "thread": ""}', 'done', 1, 0, NULL, NULL, '*activity* shows when agents begin and end their turns.', NULL, '2026-11-29 04:54:31.235342+00', '2026-11-29 04:54:31.394836+00', '2026-11-29 04:54:31.44223+00', 39, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.394836+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.411348+00:00", "what": "answered", "characters": 55}, {"at": "2026-11-29T04:54:31.44223+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.213+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'aab9c186a394a8e7', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"mirror": "on"}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(38, '$stU2l5mUvomBDLg-Akq8Qh9he9RYoBikOVW8VV-h8zk', 4, 'command', '@boss:test.local', '{"v": 1, "body": "channel new activity log", "thread": ""}', 'done', 1, 0, NULL, NULL, 'The channel [activity](https://matrix.to/#/!Ukt0yi78SuViVFov0fcWiHNOV7CvbmiQ2EiH4ZwWyUU?via=test.local) is ready.', NULL, '2026-11-29 04:54:31.235342+00', '2026-11-29 04:54:31.262603+00', '2026-11-29 04:54:31.384209+00', 38, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.262603+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.352879+00:00", "what": "answered", "characters": 113}, {"at": "2026-11-29T04:54:31.384209+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.191+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '06e346db7412018d', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"channel": 10}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(35, '$UTGp2tsngqamxPtScFpHYTw87nljTxkIGo0E_ANtFlo', 4, 'command', '@boss:test.local', '{"v": 1, "body": "notify on", "thread": ""}', 'done', 1, 0, NULL, NULL, 'I tell you in our chat of tasks, votes, schedules, decisions that wait for you, and limits.', NULL, '2026-11-29 04:54:31.048135+00', '2026-11-29 04:54:31.123302+00', '2026-11-29 04:54:31.152075+00', 35, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.123302+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.13243+00:00", "what": "answered", "characters": 91}, {"at": "2026-11-29T04:54:31.152075+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.026+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '697eecda95010990', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"is_on": true}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(36, '$v1xSdc4wUH03dynmmYuQNX4RnX6CSjbdRxmjFmvco6E', 4, 'command', '@boss:test.local', '{"v": 1, "body": "usage", "thread": ""}', 'done', 1, 0, NULL, NULL, 'You, today: 8 requests, 114 tokens, 0.00015 USD

1. *Ada*: 8 requests, 114 tokens, 0.00015 USD

≈ Servers reported no tokens of 1 request: they are estimated.', NULL, '2026-11-29 04:54:31.106873+00', '2026-11-29 04:54:31.157948+00', '2026-11-29 04:54:31.209853+00', 36, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.157948+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.173539+00:00", "what": "answered", "characters": 158}, {"at": "2026-11-29T04:54:31.209853+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.085+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '2778b3e674848816', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(37, '$xJ683VaSTJL28ai51xrwIHQEPiSdg1pSgKead6Yjkb8', 4, 'command', '@boss:test.local', '{"v": 1, "body": "reachable on", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Programs may ask you now, in a chat with me or with their agents. Everybody with a token sees your user id in their list. `!ab reachable off` undoes it.', NULL, '2026-11-29 04:54:31.174622+00', '2026-11-29 04:54:31.223922+00', '2026-11-29 04:54:31.259429+00', 37, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.223922+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.235866+00:00", "what": "answered", "characters": 152}, {"at": "2026-11-29T04:54:31.259429+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.142+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '8211de3133ecca60', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"is_on": true}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(41, '$lQQ399bR-LtHfqFMZcBSIwezRWWQw2rJYuAmqhdWask', 4, 'command', '@boss:test.local', '{"v": 1, "body": "task new Read the figures", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Task **2** is made.', NULL, '2026-11-29 04:54:31.428927+00', '2026-11-29 04:54:31.532136+00', '2026-11-29 04:54:31.795234+00', 41, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.532136+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.73803+00:00", "what": "answered", "characters": 19}, {"at": "2026-11-29T04:54:31.795234+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.399+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'da55271e44a6e9c0', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"task": 2}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(46, '$sNVGRTpldJ5FwknVmNR_K3Wtv1WP9-PtvWpWEjsoq64', 1, 'message', '@boss:test.local', '{"v": 1, "body": "behind it", "form": "", "others": [], "trigger": ""}', 'queued', 0, 0, NULL, NULL, NULL, NULL, '2026-11-29 04:54:33.888914+00', NULL, NULL, 46, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[]', '2026-11-29 04:54:33.861+00', '{}', 'c8aee57c67efd946', false, NULL, NULL, NULL, NULL, DEFAULT, NULL, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(23, '$sZzp3eWD8VE_QAWludJeD3-G0fCZvGczkyGK-ix_LiU', 4, 'invitation', '@boss:test.local', '{"v": 1, "invited": "@agentbridge:test.local", "is_direct": true}', 'done', 1, 0, NULL, NULL, 'Hello! I am the bridge bot. Send `help` to see my commands.', NULL, '2026-11-29 04:54:28.540436+00', '2026-11-29 04:54:28.552605+00', '2026-11-29 04:54:28.731334+00', 23, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.552605+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.670789+00:00", "what": "answered", "characters": 59}, {"at": "2026-11-29T04:54:28.731334+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.504+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'bb5d9098dd23be88', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(25, '$VtF7TRFIcL6G6VHvtz6F8gc62UoIqjjN7DyJwcp7GTM', 4, 'command', '@boss:test.local', '{"v": 1, "body": "agent", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Agents:

1. **Ada**: knows all about Ada
2. **Bea**: knows all about Bea
3. **Poet**

Send a number to choose, or `!ab agent` and a name.', NULL, '2026-11-29 04:54:28.878411+00', '2026-11-29 04:54:28.888578+00', '2026-11-29 04:54:28.943626+00', 25, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:28.888578+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:28.903042+00:00", "what": "answered", "characters": 137}, {"at": "2026-11-29T04:54:28.943626+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.853+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'b5d69d42daad5365', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"for": "agent", "page": 1, "binds": false, "listed": [2, 3, 1], "renewed": false}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(26, '$MtZWzuzxLOETO3u0cn1mlj4V21RRbdWraAWLmOIFQQ0', 4, 'command', '@boss:test.local', '{"v": 1, "body": "new @Ada A title", "thread": ""}', 'done', 1, 0, NULL, NULL, 'The chat *A title* with *Ada* is ready: [open it](https://matrix.to/#/!yLOXsLdy7-hrnYI5gJMuLyTlLCZ6645OZErXvcHKt40?via=test.local)', NULL, '2026-11-29 04:54:29.026285+00', '2026-11-29 04:54:29.0539+00', '2026-11-29 04:54:29.370908+00', 26, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:29.0539+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:29.259716+00:00", "what": "answered", "characters": 130}, {"at": "2026-11-29T04:54:29.370908+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:28.96+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '5100da3678a3a707', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"chat": 7, "title": "A title", "number": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(42, '$04s-TBw2fGMX6zSZQSws2Q6o8ns3MLCSZ2f5vkgaKno', 1, 'message', '@boss:test.local', '{"v": 1, "body": "from a program", "form": "", "others": [], "trigger": ""}', 'done', 1, 0, NULL, 'chatcmpl-7b0594f1d02942d9964e9ef4ac669436', 'Echo: from a program', NULL, '2026-11-29 04:54:31.63337+00', '2026-11-29 04:54:31.692151+00', '2026-11-29 04:54:31.735966+00', 42, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.692151+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.69795+00:00", "what": "answered", "characters": 20}, {"at": "2026-11-29T04:54:31.735966+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.628+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'a72d31f92f9ce9b5', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', 10, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(32, '$IMP3rMMHOJTOKA1ilB4EAbOvyuzYWuxU9CjtpDOY_Fc', 4, 'command', '@boss:test.local', '{"v": 1, "body": "schedule \"every day 9:00\" Ada What is new?", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Schedule **1** (every day 9:00): *Ada* is asked at 2026-11-29 09:00 (UTC). `!ab unschedule 1` ends it.', NULL, '2026-11-29 04:54:30.859486+00', '2026-11-29 04:54:30.921989+00', '2026-11-29 04:54:31.00877+00', 32, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:30.921989+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:30.957488+00:00", "what": "answered", "characters": 102}, {"at": "2026-11-29T04:54:31.00877+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:30.805+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'dd895388058c0826', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"zone": "UTC", "agent": "Ada", "due_at": "2026-11-29T09:00:00+00:00", "number": 1, "expression": "every day 9:00"}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(45, '$_0JxPQhPYunHeoZPle-k4VCNkj7_HYpglSZA-oHdxj8', 1, 'message', '@boss:test.local', '{"v": 1, "body": "a long answer", "form": "", "others": [], "trigger": ""}', 'running', 1, 0, NULL, NULL, NULL, NULL, '2026-11-29 04:54:32.689391+00', '2026-11-29 04:54:32.695386+00', NULL, 45, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:32.695386+00:00", "what": "taken_up"}]', '2026-11-29 04:54:32.673+00', '{}', '9bcc13e2c6584880', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(43, '$XwLvIGlOID1DvMai5rWaUL-O74544tIP7_NII450JWk', 5, 'message', '@agent_ada1:test.local', '{"v": 1, "body": "A question of one agent to the other", "form": "", "others": [], "trigger": ""}', 'done', 1, 0, NULL, 'chatcmpl-34775050af4e402ab165a43f32c62234', 'Echo: Ada: A question of one agent to the other', NULL, '2026-11-29 04:54:32.217376+00', '2026-11-29 04:54:32.224542+00', '2026-11-29 04:54:32.33802+00', 43, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:32.224542+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:32.320333+00:00", "what": "answered", "characters": 47}, {"at": "2026-11-29T04:54:32.33802+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:32.213882+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'a6e1aeb61e135051', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', 10, 5, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1, 2, NULL, false, NULL),
	(44, '$CrSVFzAk7AQ7VQL4zbWEJZIXSuSYWY10jZDjx1LUV10', 6, 'message', '@boss:test.local', '{"v": 1, "body": "Are you there?", "form": "", "others": [], "trigger": ""}', 'queued', 1, 0, '2026-11-29 05:54:32.660624+00', '1', NULL, NULL, '2026-11-29 04:54:32.645493+00', '2026-11-29 04:54:32.654554+00', NULL, 44, 0, 0, '2026-11-29 04:54:32.660624+00', NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:32.654554+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:32.660624+00:00", "why": "the reply of the agent is awaited", "what": "put_back", "seconds": 3600.0}]', '2026-11-29 04:54:32.644+00', '{}', '6a60c63b8489650e', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, 'client', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(27, '$gVJeud7SpgetRO822ruRiFIodFwYhCWh2h6Gbm_OqvM', 4, 'command', '@boss:test.local', '{"v": 1, "body": "server new Lab", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Server **1** [Lab](https://matrix.to/#/!b5hb-pMMcRndxbfxbYgGizVCD_wD6nrELJl307_WSzk?via=test.local) is ready, and it is yours. `!ab channel new 1/name` makes a channel.', NULL, '2026-11-29 04:54:29.406908+00', '2026-11-29 04:54:29.416352+00', '2026-11-29 04:54:29.931371+00', 27, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:29.416352+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:29.835178+00:00", "what": "answered", "characters": 168}, {"at": "2026-11-29T04:54:29.931371+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:29.384+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'cb25e35b3279681a', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"number": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(33, '$zwJjdDobGP4DDOMrhzVU5emQhZ7CPtaI21GqnBUN00M', 4, 'command', '@boss:test.local', '{"v": 1, "body": "schedule \"in 20 hours\" Bea Water the plants", "thread": ""}', 'done', 1, 0, NULL, NULL, 'You are not in the room of *Bea*.', NULL, '2026-11-29 04:54:30.961103+00', '2026-11-29 04:54:31.009607+00', '2026-11-29 04:54:31.061418+00', 33, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.009607+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.024937+00:00", "what": "answered", "characters": 33}, {"at": "2026-11-29T04:54:31.061418+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:30.915+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '490e60f7830282dc', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, false, NULL),
	(30, '$cUen7ufpKfaAZC9hYkTVLkkDctYlWDVT079SdbTPeUw', 4, 'command', '@boss:test.local', '{"v": 1, "body": "token new laptop", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Token **1** (*laptop*) acts as *@boss:test.local*. It is in your chat with me.', NULL, '2026-11-29 04:54:30.587104+00', '2026-11-29 04:54:30.601203+00', '2026-11-29 04:54:30.767055+00', 30, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:30.601203+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:30.695733+00:00", "what": "answered", "characters": 78}, {"at": "2026-11-29T04:54:30.767055+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:30.473+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '9e9255df846a9406', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"chat": "!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI", "name": "laptop", "token": 1, "identity": "@boss:test.local"}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(31, '$AAxTLKL7eySgh99iQxwZ7cP9kcMJyZvFAqB4l9sdRWo', 4, 'command', '@boss:test.local', '{"v": 1, "body": "trigger new @Ada deploy", "thread": ""}', 'done', 1, 0, NULL, NULL, 'Trigger **1** (*deploy*) wakes *Ada* once. Its address is in your chat with me.', NULL, '2026-11-29 04:54:30.743941+00', '2026-11-29 04:54:30.769725+00', '2026-11-29 04:54:30.921248+00', 31, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:30.769725+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:30.865742+00:00", "what": "answered", "characters": 79}, {"at": "2026-11-29T04:54:30.921248+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:30.706+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '8ebfd2c9959a55cc', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"chat": "!3Eg4xON12JdCtn6C38AKf6NDqkAadS_ROCNaHH8UzPI", "name": "deploy", "trigger": 1}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(40, '$sHpatcbQrAjSzmnc6SA6_aNjTDS4zC1uzSCvpnf-sRQ', 4, 'command', '@boss:test.local', '{"v": 1, "body": "invite * @guest:test.local", "thread": ""}', 'done', 1, 0, NULL, NULL, '@guest:test.local is being invited into the Space, and into the rooms that cannot be entered from there.', NULL, '2026-11-29 04:54:31.299029+00', '2026-11-29 04:54:31.444813+00', '2026-11-29 04:54:31.523321+00', 40, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.444813+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.47186+00:00", "what": "answered", "characters": 104}, {"at": "2026-11-29T04:54:31.523321+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:31.253+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', '708d2eb0b17abf0e', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"user": "@guest:test.local"}', NULL, NULL, 0, NULL, NULL, false, NULL),
	(34, '$UaB6H2GT8jY0T1Wdh6HHsaBKq6FvMqOVJZ3NnaX3dSk', 4, 'command', '@boss:test.local', '{"v": 1, "body": "pause 2", "thread": ""}', 'done', 1, 0, NULL, NULL, 'You have no schedule 2. `!ab schedules` lists yours.', NULL, '2026-11-29 04:54:30.991472+00', '2026-11-29 04:54:31.069141+00', '2026-11-29 04:54:31.120288+00', 34, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-29T04:54:31.069141+00:00", "what": "taken_up"}, {"at": "2026-11-29T04:54:31.082635+00:00", "what": "answered", "characters": 52}, {"at": "2026-11-29T04:54:31.120288+00:00", "what": "done", "parts": 1}]', '2026-11-29 04:54:30.968+00', '{"rest": false, "files": [], "notice": null, "activity": [], "mentions": []}', 'fafcb02d81563906', false, NULL, NULL, NULL, NULL, DEFAULT, 542664102, NULL, 0, 0, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, '{"most": 0, "name": "2", "problem": "unknown"}', NULL, NULL, 0, NULL, NULL, false, NULL);

INSERT INTO public.usage VALUES
	('4150c49419e5bed5.0.e78c5baf#1', 1, '2026-11-29 04:54:25.734233+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('b7d772a8037908ba.0.b62b09d5#1', 2, '2026-11-29 04:54:25.859568+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 7, 2, NULL, true, 0.000011, 'input 1, output 2'),
	('9ece0862d8258da2.0.21faea86#1', 3, '2026-11-29 04:54:26.146482+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('f75782bb77fe4cc6.0.52faea29#1', 4, '2026-11-29 04:54:26.264915+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('47137af2c31c58e7.0.cb515fe5#1', 5, '2026-11-29 04:54:26.269596+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('47137af2c31c58e7.1.8a58e457#2', 5, '2026-11-29 04:54:26.548429+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('4150c49419e5bed5.1.e78c5baf#2', 1, '2026-11-29 04:54:26.659686+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('208fb5f57fd1cdd4.0.b2c6b695#1', 8, '2026-11-29 04:54:26.760703+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('a72d31f92f9ce9b5.0.6a4d1790#1', 42, '2026-11-29 04:54:31.69795+00', '@boss:test.local', 'owner', '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', 2, 'scripted', 'ada1', 10, 5, NULL, false, 0.00002, 'input 1, output 2'),
	('a6e1aeb61e135051.0.0bfcb761#1', 43, '2026-11-29 04:54:32.320333+00', '@agent_ada1:test.local', 'member', '!fB1AkdT9JTtEQ41pgiblCsVBF4a_44oRPPYnhM3dKjY', 3, 'scripted', 'bea1', 10, 5, NULL, false, 0.00002, 'input 1, output 2');

INSERT INTO public.vote OVERRIDING SYSTEM VALUE VALUES
	(1, '4764e33da119678a', 2, '!RXB7g0rQM0enUQnQMZp4zmcCgKpipxyLr-BEnBz_GnU', '', NULL, '$hK2J1ek0yaqBA-YSJrBpJWeF-8-hARVinhqkeMkUZhY', '@boss:test.local', 'Lunch?', '["pizza", "pasta"]', NULL, '2026-11-29 18:00:00+00', '2026-11-29 04:54:28.102094+00', 'open', NULL, NULL, NULL, 1, '$mcaHEwZff1iMuX4k5_PbCdrMFucLnLfmSwCmuY3y2cQ', NULL, NULL, false);

SELECT pg_catalog.setval('public.agent_event_id_seq', 5, true);

SELECT pg_catalog.setval('public.agent_id_seq', 4, true);

SELECT pg_catalog.setval('public.api_request_id_seq', 6, true);

SELECT pg_catalog.setval('public.approval_id_seq', 1, false);

SELECT pg_catalog.setval('public.ballot_id_seq', 1, true);

SELECT pg_catalog.setval('public.chain_id_seq', 1, true);

SELECT pg_catalog.setval('public.client_agent_id_seq', 1, true);

SELECT pg_catalog.setval('public.client_question_id_seq', 1, true);

SELECT pg_catalog.setval('public.context_id_seq', 3, true);

SELECT pg_catalog.setval('public.conversation_id_seq', 6, true);

SELECT pg_catalog.setval('public.conversation_number_seq', 1, true);

SELECT pg_catalog.setval('public.dead_letter_id_seq', 1, false);

SELECT pg_catalog.setval('public.feed_position_seq', 64, true);

SELECT pg_catalog.setval('public.message_id_seq', 28, true);

SELECT pg_catalog.setval('public.model_thread_id_seq', 1, false);

SELECT pg_catalog.setval('public.notification_id_seq', 1, false);

SELECT pg_catalog.setval('public.operation_id_seq', 1, true);

SELECT pg_catalog.setval('public.person_question_id_seq', 1, false);

SELECT pg_catalog.setval('public.procrastinate_events_id_seq', 1, false);

SELECT pg_catalog.setval('public.procrastinate_jobs_id_seq', 46, true);

SELECT pg_catalog.setval('public.procrastinate_periodic_defers_id_seq', 1, false);

SELECT pg_catalog.setval('public.procrastinate_workers_id_seq', 1, true);

SELECT pg_catalog.setval('public.reload_id_seq', 1, false);

SELECT pg_catalog.setval('public.role_book_version_seq', 3, true);

SELECT pg_catalog.setval('public.room_id_seq', 13, true);

SELECT pg_catalog.setval('public.schedule_id_seq', 1, true);

SELECT pg_catalog.setval('public.server_id_seq', 1, true);

SELECT pg_catalog.setval('public.task_id_seq', 2, true);

SELECT pg_catalog.setval('public.thread_id_seq', 1, true);

SELECT pg_catalog.setval('public.token_id_seq', 4, true);

SELECT pg_catalog.setval('public.trigger_id_seq', 1, true);

SELECT pg_catalog.setval('public.turn_id_seq', 46, true);

SELECT pg_catalog.setval('public.turn_position_seq', 46, true);

SELECT pg_catalog.setval('public.vote_id_seq', 1, true);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_entry_key UNIQUE (entry);

ALTER TABLE ONLY public.agent_event
    ADD CONSTRAINT agent_event_key_key UNIQUE (key);

ALTER TABLE ONLY public.agent_event
    ADD CONSTRAINT agent_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_ghost_key UNIQUE (ghost);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_upstream_agent_id_key UNIQUE (upstream, agent_id);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.api_request
    ADD CONSTRAINT api_request_handle_key UNIQUE (handle);

ALTER TABLE ONLY public.api_request
    ADD CONSTRAINT api_request_name_key UNIQUE (name);

ALTER TABLE ONLY public.api_request
    ADD CONSTRAINT api_request_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_request
    ADD CONSTRAINT api_request_token_key_key UNIQUE (token, key);

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_turn_number_key UNIQUE (turn, number);

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_turn_ref_key UNIQUE (turn, ref);

ALTER TABLE ONLY public.ballot
    ADD CONSTRAINT ballot_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY public.ballot
    ADD CONSTRAINT ballot_key_key UNIQUE (key);

ALTER TABLE ONLY public.ballot
    ADD CONSTRAINT ballot_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.bot_budget
    ADD CONSTRAINT bot_budget_pkey PRIMARY KEY (user_id, agent);

ALTER TABLE ONLY public.chain_hold
    ADD CONSTRAINT chain_hold_pkey PRIMARY KEY (asked_in, agent);

ALTER TABLE ONLY public.chain
    ADD CONSTRAINT chain_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.chain
    ADD CONSTRAINT chain_room_id_root_key UNIQUE (room_id, root);

ALTER TABLE ONLY public.channel
    ADD CONSTRAINT channel_pkey PRIMARY KEY (room);

ALTER TABLE ONLY public.choice
    ADD CONSTRAINT choice_pkey PRIMARY KEY (user_id, kind);

ALTER TABLE ONLY public.client_agent
    ADD CONSTRAINT client_agent_model_key UNIQUE (model);

ALTER TABLE ONLY public.client_agent
    ADD CONSTRAINT client_agent_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.client_agent
    ADD CONSTRAINT client_agent_request_key_key UNIQUE (request_key);

ALTER TABLE ONLY public.client_question
    ADD CONSTRAINT client_question_key_key UNIQUE (key);

ALTER TABLE ONLY public.client_question
    ADD CONSTRAINT client_question_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.context
    ADD CONSTRAINT context_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.conversation
    ADD CONSTRAINT conversation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.feed
    ADD CONSTRAINT feed_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY public.feed
    ADD CONSTRAINT feed_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.ignored
    ADD CONSTRAINT ignored_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.imported_message
    ADD CONSTRAINT imported_message_pkey PRIMARY KEY (room_id, key);

ALTER TABLE ONLY public.kv
    ADD CONSTRAINT kv_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.mirror
    ADD CONSTRAINT mirror_pkey PRIMARY KEY (channel);

ALTER TABLE ONLY public.model_thread
    ADD CONSTRAINT model_thread_owner_target_key_key UNIQUE (owner, target, key);

ALTER TABLE ONLY public.model_thread
    ADD CONSTRAINT model_thread_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.mute
    ADD CONSTRAINT mute_pkey PRIMARY KEY (room_id, user_id);

ALTER TABLE ONLY public.notification
    ADD CONSTRAINT notification_key_key UNIQUE (key);

ALTER TABLE ONLY public.notification
    ADD CONSTRAINT notification_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notified_person
    ADD CONSTRAINT notified_person_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.operation
    ADD CONSTRAINT operation_key_key UNIQUE (key);

ALTER TABLE ONLY public.operation
    ADD CONSTRAINT operation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (turn, part);

ALTER TABLE ONLY public.own_profile
    ADD CONSTRAINT own_profile_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.pair_grant
    ADD CONSTRAINT pair_grant_pkey PRIMARY KEY (low, high);

ALTER TABLE ONLY public.pair
    ADD CONSTRAINT pair_low_high_key UNIQUE (low, high);

ALTER TABLE ONLY public.pair
    ADD CONSTRAINT pair_pkey PRIMARY KEY (room);

ALTER TABLE ONLY public.participant
    ADD CONSTRAINT participant_pkey PRIMARY KEY (room, agent);

ALTER TABLE ONLY public.person_question
    ADD CONSTRAINT person_question_key_key UNIQUE (key);

ALTER TABLE ONLY public.person_question
    ADD CONSTRAINT person_question_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.person_space
    ADD CONSTRAINT person_space_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp);

ALTER TABLE ONLY public.procrastinate_workers
    ADD CONSTRAINT procrastinate_workers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.reachable_person
    ADD CONSTRAINT reachable_person_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.read_marker
    ADD CONSTRAINT read_marker_pkey PRIMARY KEY (user_id, room);

ALTER TABLE ONLY public.reload_answer
    ADD CONSTRAINT reload_answer_pkey PRIMARY KEY (reload, process);

ALTER TABLE ONLY public.reload
    ADD CONSTRAINT reload_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.role_assignment
    ADD CONSTRAINT role_assignment_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.role_book
    ADD CONSTRAINT role_book_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_number_key UNIQUE (number);

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_request_key_key UNIQUE (request_key);

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_room_id_key UNIQUE (room_id);

ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.selection
    ADD CONSTRAINT selection_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.server
    ADD CONSTRAINT server_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.server_role
    ADD CONSTRAINT server_role_pkey PRIMARY KEY (server, user_id);

ALTER TABLE ONLY public.server
    ADD CONSTRAINT server_room_key UNIQUE (room);

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_key_key UNIQUE (key);

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.thread
    ADD CONSTRAINT thread_key_key UNIQUE (key);

ALTER TABLE ONLY public.thread
    ADD CONSTRAINT thread_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.token_room
    ADD CONSTRAINT token_room_pkey PRIMARY KEY (token, room);

ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT trigger_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT trigger_public_id_key UNIQUE (public_id);

ALTER TABLE ONLY public.trigger_request
    ADD CONSTRAINT trigger_request_pkey PRIMARY KEY (trigger, key);

ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT trigger_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_event_id_conversation_key UNIQUE (event_id, conversation);

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_key_key UNIQUE (key);

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.upstream_conversation
    ADD CONSTRAINT upstream_conversation_pkey PRIMARY KEY (upstream, model, session);

ALTER TABLE ONLY public.usage_day
    ADD CONSTRAINT usage_day_pkey PRIMARY KEY (user_id, day, role, room_id, agent, upstream);

ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.vote
    ADD CONSTRAINT vote_key_key UNIQUE (key);

ALTER TABLE ONLY public.vote
    ADD CONSTRAINT vote_pkey PRIMARY KEY (id);

CREATE INDEX agent_event_closed_at_idx ON public.agent_event USING btree (closed_at) WHERE (closed_at IS NOT NULL);

CREATE INDEX agent_event_open_idx ON public.agent_event USING btree (room_id, id) WHERE (closed_at IS NULL);

CREATE INDEX api_request_created_at_idx ON public.api_request USING btree (created_at);

CREATE INDEX api_request_event_id_idx ON public.api_request USING btree (event_id) WHERE (event_id IS NOT NULL);

CREATE INDEX api_request_room_id_idx ON public.api_request USING btree (room_id);

CREATE INDEX approval_decided_in_idx ON public.approval USING btree (decided_in);

CREATE INDEX approval_withdrawn_idx ON public.approval USING btree (turn) WHERE (verdict = 'withdrawn'::text);

CREATE INDEX ballot_due_idx ON public.ballot USING btree (vote) WHERE is_due;

CREATE INDEX ballot_vote_idx ON public.ballot USING btree (vote, id);

CREATE INDEX ballot_voter_idx ON public.ballot USING btree (voter);

CREATE INDEX chain_created_at_idx ON public.chain USING btree (created_at);

CREATE INDEX chain_hold_chain_idx ON public.chain_hold USING btree (chain);

CREATE INDEX channel_server_idx ON public.channel USING btree (server);

CREATE INDEX choice_turn_idx ON public.choice USING btree (turn);

CREATE INDEX client_question_open_idx ON public.client_question USING btree (model) WHERE (reply IS NULL);

CREATE INDEX client_question_turn_idx ON public.client_question USING btree (turn);

CREATE INDEX context_agent_idx ON public.context USING btree (agent);

CREATE INDEX context_conversation_idx ON public.context USING btree (conversation);

CREATE UNIQUE INDEX context_name_key ON public.context USING btree (owner, agent, lower(name)) WHERE (name IS NOT NULL);

CREATE INDEX conversation_agent_idx ON public.conversation USING btree (agent);

CREATE INDEX conversation_context_idx ON public.conversation USING btree (context) WHERE (context IS NOT NULL);

CREATE UNIQUE INDEX conversation_lane_key ON public.conversation USING btree (room_id, thread_id, COALESCE(agent, (0)::bigint));

CREATE INDEX feed_created_at_idx ON public.feed USING btree (created_at);

CREATE INDEX feed_member_idx ON public.feed USING btree (user_id, room_id, "position") WHERE (user_id IS NOT NULL);

CREATE INDEX feed_subject_idx ON public.feed USING btree (subject, type) WHERE (subject IS NOT NULL);

CREATE INDEX feed_target_idx ON public.feed USING btree (target) WHERE (target IS NOT NULL);

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON public.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::public.procrastinate_job_status));

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON public.procrastinate_workers USING btree (last_heartbeat);

CREATE INDEX ignored_created_at_idx ON public.ignored USING btree (created_at);

CREATE INDEX message_context_idx ON public.message USING btree (context) WHERE (context IS NOT NULL);

CREATE INDEX message_created_at_idx ON public.message USING btree (created_at);

CREATE INDEX message_edited_in_idx ON public.message USING btree (edited_in) WHERE (edited_in IS NOT NULL);

CREATE INDEX message_event_id_idx ON public.message USING btree (event_id) WHERE (event_id IS NOT NULL);

CREATE INDEX message_lane_idx ON public.message USING btree (conversation, COALESCE(context, (0)::bigint), id);

CREATE INDEX message_said_by_idx ON public.message USING btree (said_by) WHERE (said_by IS NOT NULL);

CREATE INDEX message_turn_idx ON public.message USING btree (turn);

CREATE INDEX model_thread_target_idx ON public.model_thread USING btree (target);

CREATE INDEX model_thread_used_at_idx ON public.model_thread USING btree (used_at);

CREATE INDEX notification_approval_idx ON public.notification USING btree (approval) WHERE (approval IS NOT NULL);

CREATE INDEX notification_created_at_idx ON public.notification USING btree (created_at);

CREATE INDEX notification_user_id_idx ON public.notification USING btree (user_id) WHERE (sent_at IS NULL);

CREATE INDEX operation_finished_at_idx ON public.operation USING btree (finished_at);

CREATE INDEX operation_open_idx ON public.operation USING btree (id) WHERE (finished_at IS NULL);

CREATE INDEX operation_turn_idx ON public.operation USING btree (turn);

CREATE INDEX outbox_event_id_idx ON public.outbox USING btree (event_id);

CREATE INDEX pair_high_idx ON public.pair USING btree (high);

CREATE INDEX participant_agent_idx ON public.participant USING btree (agent);

CREATE INDEX person_question_asked_at_idx ON public.person_question USING btree (asked_at);

CREATE INDEX person_question_event_id_idx ON public.person_question USING btree (event_id) WHERE (event_id IS NOT NULL);

CREATE INDEX person_question_owner_idx ON public.person_question USING btree (owner);

CREATE INDEX person_question_person_idx ON public.person_question USING btree (person);

CREATE INDEX person_question_room_id_idx ON public.person_question USING btree (room_id);

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON public.procrastinate_events USING btree (job_id);

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON public.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::public.procrastinate_job_status, 'doing'::public.procrastinate_job_status]));

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON public.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON public.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON public.procrastinate_jobs USING btree (queue_name);

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON public.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON public.procrastinate_periodic_defers USING btree (job_id);

CREATE INDEX read_marker_room_idx ON public.read_marker USING btree (room);

CREATE INDEX room_chat_due_idx ON public.room USING btree (id) WHERE ((kind = ANY (ARRAY['chat'::text, 'dm'::text])) AND ((changes <> changes_applied) OR (check_requests <> checked)));

CREATE UNIQUE INDEX room_dm_key ON public.room USING btree (owner, person) WHERE ((kind = 'dm'::text) AND (status = 'active'::text));

CREATE INDEX room_first_context_idx ON public.room USING btree (first_context) WHERE (first_context IS NOT NULL);

CREATE INDEX room_group_due_idx ON public.room USING btree (id) WHERE ((kind = ANY (ARRAY['group'::text, 'lobby'::text, 'pair'::text])) AND (changes <> changes_applied));

CREATE UNIQUE INDEX room_home_key ON public.room USING btree (owner) WHERE (kind = 'home'::text);

CREATE INDEX room_left_at_idx ON public.room USING btree (left_at) WHERE (left_at IS NOT NULL);

CREATE INDEX room_owner_idx ON public.room USING btree (owner) WHERE (owner IS NOT NULL);

CREATE INDEX room_person_idx ON public.room USING btree (person) WHERE (person IS NOT NULL);

CREATE INDEX room_place_due_idx ON public.room USING btree (id) WHERE ((kind = ANY (ARRAY['server'::text, 'channel'::text])) AND ((changes <> changes_applied) OR (check_requests <> checked)));

CREATE INDEX room_title_turn_idx ON public.room USING btree (title_turn) WHERE (title_turn IS NOT NULL);

CREATE INDEX room_titled_from_idx ON public.room USING btree (titled_from) WHERE (titled_from IS NOT NULL);

CREATE INDEX schedule_agent_idx ON public.schedule USING btree (agent);

CREATE INDEX schedule_due_at_idx ON public.schedule USING btree (due_at) WHERE (NOT paused);

CREATE INDEX schedule_owner_idx ON public.schedule USING btree (owner);

CREATE INDEX schedule_room_idx ON public.schedule USING btree (room);

CREATE INDEX task_assignee_idx ON public.task USING btree (assignee) WHERE (closed_at IS NULL);

CREATE INDEX task_card_idx ON public.task USING btree (card) WHERE (card IS NOT NULL);

CREATE INDEX task_deadline_idx ON public.task USING btree (deadline) WHERE (state = 'working'::text);

CREATE INDEX task_parent_idx ON public.task USING btree (parent) WHERE (parent IS NOT NULL);

CREATE INDEX task_room_idx ON public.task USING btree (room, id);

CREATE INDEX task_unshown_idx ON public.task USING btree (id) WHERE (changes <> shown);

CREATE INDEX thread_archived_idx ON public.thread USING btree (room_id) WHERE (archived_at IS NOT NULL);

CREATE INDEX thread_due_idx ON public.thread USING btree (id) WHERE (changes <> changes_applied);

CREATE INDEX thread_room_idx ON public.thread USING btree (room);

CREATE UNIQUE INDEX thread_root_key ON public.thread USING btree (room_id, root) WHERE (root IS NOT NULL);

CREATE INDEX token_agent_idx ON public.token USING btree (agent);

CREATE INDEX token_person_idx ON public.token USING btree (person);

CREATE INDEX token_room_room_idx ON public.token_room USING btree (room);

CREATE INDEX trigger_agent_idx ON public.trigger USING btree (agent);

CREATE INDEX trigger_owner_idx ON public.trigger USING btree (owner);

CREATE INDEX trigger_request_created_at_idx ON public.trigger_request USING btree (created_at);

CREATE INDEX trigger_room_idx ON public.trigger USING btree (room);

CREATE INDEX turn_asked_by_idx ON public.turn USING btree (asked_by, created_at) WHERE (asked_by IS NOT NULL);

CREATE INDEX turn_asked_in_idx ON public.turn USING btree (asked_in) WHERE (asked_in IS NOT NULL);

CREATE INDEX turn_chain_idx ON public.turn USING btree (chain) WHERE (chain IS NOT NULL);

CREATE INDEX turn_choice_idx ON public.turn USING btree (conversation) WHERE (kind = 'choice'::text);

CREATE INDEX turn_collected_idx ON public.turn USING btree (collected_into) WHERE (collected_into IS NOT NULL);

CREATE INDEX turn_finished_idx ON public.turn USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX turn_invitation_idx ON public.turn USING btree (created_at) WHERE (kind = 'invitation'::text);

CREATE UNIQUE INDEX turn_once_key_idx ON public.turn USING btree (once_key) WHERE (once_key IS NOT NULL);

CREATE INDEX turn_open_idx ON public.turn USING btree (conversation, "position") WHERE open;

CREATE INDEX turn_recent_idx ON public.turn USING btree (created_at) WHERE (kind = ANY (ARRAY['message'::text, 'again'::text, 'edit'::text]));

CREATE INDEX turn_stopped_by_idx ON public.turn USING btree (stopped_by) WHERE (stopped_by IS NOT NULL);

CREATE INDEX turn_target_idx ON public.turn USING btree (target) WHERE (target IS NOT NULL);

CREATE INDEX turn_waiting_event_id_idx ON public.turn USING btree (id) WHERE (waiting_event_id IS NOT NULL);

CREATE INDEX usage_agent_at_idx ON public.usage USING btree (agent, at);

CREATE INDEX usage_at_idx ON public.usage USING btree (at);

CREATE INDEX usage_day_day_idx ON public.usage_day USING btree (day);

CREATE INDEX usage_room_id_at_idx ON public.usage USING btree (room_id, at);

CREATE INDEX usage_turn_idx ON public.usage USING btree (turn);

CREATE INDEX usage_user_id_at_idx ON public.usage USING btree (user_id, at);

CREATE INDEX vote_closed_idx ON public.vote USING btree (closed_at) WHERE is_settled;

CREATE INDEX vote_due_idx ON public.vote USING btree (id) WHERE (NOT is_settled);

CREATE INDEX vote_open_idx ON public.vote USING btree (room_id) WHERE (state = 'open'::text);

CREATE INDEX vote_room_idx ON public.vote USING btree (room);

CREATE TRIGGER agent_bridge_lock_released AFTER DELETE ON public.procrastinate_jobs FOR EACH ROW WHEN (((old.status = 'doing'::public.procrastinate_job_status) AND (old.lock IS NOT NULL))) EXECUTE FUNCTION public.agent_bridge_notify_lock_released();

CREATE CONSTRAINT TRIGGER channel_changed AFTER UPDATE OF server, type, "position" ON public.channel DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((((old.server IS DISTINCT FROM new.server) OR (old.type IS DISTINCT FROM new.type)) OR (old."position" IS DISTINCT FROM new."position"))) EXECUTE FUNCTION public.agent_bridge_feed_channel_row();

CREATE CONSTRAINT TRIGGER channel_made AFTER INSERT ON public.channel DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.agent_bridge_feed_channel_row();

CREATE CONSTRAINT TRIGGER channel_room_changed AFTER UPDATE OF room_id, name, topic, status ON public.room DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.kind = 'channel'::text) AND ((((old.room_id IS DISTINCT FROM new.room_id) OR (old.name IS DISTINCT FROM new.name)) OR (old.topic IS DISTINCT FROM new.topic)) OR (old.status IS DISTINCT FROM new.status)))) EXECUTE FUNCTION public.agent_bridge_feed_channel_room();

CREATE TRIGGER feed_deleted AFTER DELETE ON public.feed REFERENCING OLD TABLE AS erased FOR EACH STATEMENT EXECUTE FUNCTION public.agent_bridge_feed_erased();

CREATE TRIGGER feed_emptied AFTER UPDATE ON public.feed REFERENCING OLD TABLE AS erased FOR EACH STATEMENT EXECUTE FUNCTION public.agent_bridge_feed_erased();

CREATE CONSTRAINT TRIGGER notification_written AFTER INSERT ON public.notification DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.agent_bridge_feed_notification();

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_notify_queue_abort_job_v1();

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_notify_queue_job_inserted_v1();

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1();

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_unlink_periodic_defers_v1();

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON public.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1();

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1();

ALTER TABLE public.procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_insert_v1;

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_update_v1();

ALTER TABLE public.procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_update_v1;

CREATE CONSTRAINT TRIGGER task_changed AFTER UPDATE OF state, assignee, percent, note, title ON public.task DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((((((old.state IS DISTINCT FROM new.state) OR (old.assignee IS DISTINCT FROM new.assignee)) OR (old.percent IS DISTINCT FROM new.percent)) OR (old.note IS DISTINCT FROM new.note)) OR (old.title IS DISTINCT FROM new.title))) EXECUTE FUNCTION public.agent_bridge_feed_task();

CREATE CONSTRAINT TRIGGER task_made AFTER INSERT ON public.task DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.agent_bridge_feed_task();

CREATE TRIGGER turn_deleted AFTER DELETE ON public.turn FOR EACH ROW WHEN (old.awaited) EXECUTE FUNCTION public.agent_bridge_notify_answer();

CREATE TRIGGER turn_ended AFTER UPDATE ON public.turn FOR EACH ROW WHEN ((new.awaited AND old.open AND (NOT new.open))) EXECUTE FUNCTION public.agent_bridge_notify_answer();

CREATE CONSTRAINT TRIGGER vote_ended AFTER UPDATE OF state ON public.vote DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((old.state <> new.state) AND (new.state = ANY (ARRAY['closed'::text, 'cancelled'::text])))) EXECUTE FUNCTION public.agent_bridge_feed_vote();

CREATE CONSTRAINT TRIGGER vote_opened AFTER INSERT ON public.vote DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.agent_bridge_feed_vote();

ALTER TABLE ONLY public.api_request
    ADD CONSTRAINT api_request_token_fkey FOREIGN KEY (token) REFERENCES public.token(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.approval
    ADD CONSTRAINT approval_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ballot
    ADD CONSTRAINT ballot_vote_fkey FOREIGN KEY (vote) REFERENCES public.vote(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.bot_budget
    ADD CONSTRAINT bot_budget_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.chain_hold
    ADD CONSTRAINT chain_hold_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.chain_hold
    ADD CONSTRAINT chain_hold_asked_in_fkey FOREIGN KEY (asked_in) REFERENCES public.turn(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chain_hold
    ADD CONSTRAINT chain_hold_chain_fkey FOREIGN KEY (chain) REFERENCES public.chain(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.channel
    ADD CONSTRAINT channel_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.channel
    ADD CONSTRAINT channel_server_fkey FOREIGN KEY (server) REFERENCES public.server(id);

ALTER TABLE ONLY public.choice
    ADD CONSTRAINT choice_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.client_question
    ADD CONSTRAINT client_question_model_fkey FOREIGN KEY (model) REFERENCES public.client_agent(model) ON DELETE CASCADE;

ALTER TABLE ONLY public.client_question
    ADD CONSTRAINT client_question_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.context
    ADD CONSTRAINT context_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.context
    ADD CONSTRAINT context_conversation_fkey FOREIGN KEY (conversation) REFERENCES public.conversation(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.conversation
    ADD CONSTRAINT conversation_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.conversation
    ADD CONSTRAINT conversation_context_fkey FOREIGN KEY (context) REFERENCES public.context(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_context_fkey FOREIGN KEY (context) REFERENCES public.context(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_conversation_fkey FOREIGN KEY (conversation) REFERENCES public.conversation(id);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.mirror
    ADD CONSTRAINT mirror_channel_fkey FOREIGN KEY (channel) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.notification
    ADD CONSTRAINT notification_approval_fkey FOREIGN KEY (approval) REFERENCES public.approval(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.operation
    ADD CONSTRAINT operation_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.pair
    ADD CONSTRAINT pair_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.participant
    ADD CONSTRAINT participant_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.participant
    ADD CONSTRAINT participant_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.procrastinate_workers(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id);

ALTER TABLE ONLY public.read_marker
    ADD CONSTRAINT read_marker_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.reload_answer
    ADD CONSTRAINT reload_answer_reload_fkey FOREIGN KEY (reload) REFERENCES public.reload(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_first_context_fkey FOREIGN KEY (first_context) REFERENCES public.context(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_owner_fkey FOREIGN KEY (owner) REFERENCES public.agent(id);

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_title_turn_fkey FOREIGN KEY (title_turn) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_titled_from_fkey FOREIGN KEY (titled_from) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.selection
    ADD CONSTRAINT selection_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.server_role
    ADD CONSTRAINT server_role_server_fkey FOREIGN KEY (server) REFERENCES public.server(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.server
    ADD CONSTRAINT server_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_parent_fkey FOREIGN KEY (parent) REFERENCES public.task(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.thread
    ADD CONSTRAINT thread_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.token_room
    ADD CONSTRAINT token_room_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.token_room
    ADD CONSTRAINT token_room_token_fkey FOREIGN KEY (token) REFERENCES public.token(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT trigger_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.trigger_request
    ADD CONSTRAINT trigger_request_trigger_fkey FOREIGN KEY (trigger) REFERENCES public.trigger(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT trigger_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_asked_by_fkey FOREIGN KEY (asked_by) REFERENCES public.agent(id);

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_asked_in_fkey FOREIGN KEY (asked_in) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_chain_fkey FOREIGN KEY (chain) REFERENCES public.chain(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_collected_into_fkey FOREIGN KEY (collected_into) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_conversation_fkey FOREIGN KEY (conversation) REFERENCES public.conversation(id);

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_target_fkey FOREIGN KEY (target) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.usage_day
    ADD CONSTRAINT usage_day_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.vote
    ADD CONSTRAINT vote_room_fkey FOREIGN KEY (room) REFERENCES public.room(id) ON DELETE CASCADE;

