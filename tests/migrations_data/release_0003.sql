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
    state_since timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON COLUMN public.agent.agent_id IS 'identity within the upstream; never changes';

COMMENT ON COLUMN public.agent.model IS 'what the upstream''s API calls it today';

COMMENT ON COLUMN public.agent.name IS 'its name upstream';

COMMENT ON COLUMN public.agent.ghost IS 'localpart of its ghost; never changes';

COMMENT ON COLUMN public.agent.displayname IS 'wanted';

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

CREATE TABLE public.conversation (
    id bigint NOT NULL,
    room_id text NOT NULL,
    thread_id text DEFAULT ''::text NOT NULL,
    portal bigint,
    direct boolean DEFAULT false NOT NULL,
    upstream_ref text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON COLUMN public.conversation.thread_id IS 'root event id; empty: the room itself; !: the bridge bot in an agent''s room';

COMMENT ON COLUMN public.conversation.portal IS 'null: people talk to the bridge bot';

COMMENT ON COLUMN public.conversation.direct IS 'a DM with the bridge bot';

COMMENT ON COLUMN public.conversation.upstream_ref IS 'the upstream''s own name of the conversation';

ALTER TABLE public.conversation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.conversation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.fact (
    key text NOT NULL,
    value jsonb NOT NULL
);

CREATE TABLE public.ignored (
    event_id text NOT NULL,
    room_id text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.message (
    id bigint NOT NULL,
    conversation bigint NOT NULL,
    turn bigint,
    role text NOT NULL,
    content text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.portal (
    id bigint NOT NULL,
    agent bigint NOT NULL,
    kind text DEFAULT 'home'::text NOT NULL,
    room_id text,
    name text NOT NULL,
    name_applied text,
    topic text NOT NULL,
    topic_applied text,
    bot_joined boolean DEFAULT false NOT NULL,
    space text,
    invited text[] DEFAULT '{}'::text[] NOT NULL,
    told text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    busy text,
    stream text
);

COMMENT ON COLUMN public.portal.name IS 'wanted';

COMMENT ON COLUMN public.portal.topic IS 'wanted';

COMMENT ON COLUMN public.portal.space IS 'room id of the Space that lists the room';

COMMENT ON COLUMN public.portal.told IS 'the agent''s state that the room was last told';

COMMENT ON COLUMN public.portal.busy IS 'what happens to messages that wait; null: as configured';

COMMENT ON COLUMN public.portal.stream IS 'how answers are shown; null: as configured';

ALTER TABLE public.portal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.portal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
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

CREATE TABLE public.room (
    room_id text NOT NULL,
    seen text,
    suspect boolean DEFAULT true NOT NULL,
    suspicions integer DEFAULT 0 NOT NULL,
    compared_at timestamp with time zone
);

COMMENT ON COLUMN public.room.seen IS 'event up to which nothing is missed; null: the room''s beginning';

COMMENT ON COLUMN public.room.suspect IS 'something may be missed: lanes wait';

COMMENT ON COLUMN public.room.suspicions IS 'how often that was so';

COMMENT ON COLUMN public.room.compared_at IS 'with the homeserver''s history';

CREATE TABLE public.send (
    turn bigint NOT NULL,
    part integer NOT NULL,
    event_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON COLUMN public.send.event_id IS 'null: intended, perhaps sent';

CREATE TABLE public.set_aside (
    id bigint NOT NULL,
    transaction_id text NOT NULL,
    reason text NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON COLUMN public.set_aside.body IS 'what could not be taken, as far as it is text';

ALTER TABLE public.set_aside ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.set_aside_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.turn_place_seq
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
    place bigint DEFAULT nextval('public.turn_place_seq'::regclass) NOT NULL,
    interruptions integer DEFAULT 0 NOT NULL,
    retries integer DEFAULT 0 NOT NULL,
    waits_since timestamp with time zone,
    retried_at timestamp with time zone,
    stop text,
    stopped_by text,
    collected_into bigint,
    hourglass text,
    steps jsonb DEFAULT '[]'::jsonb NOT NULL,
    said_at timestamp with time zone DEFAULT now() NOT NULL,
    besides jsonb DEFAULT '{}'::jsonb NOT NULL
);

COMMENT ON COLUMN public.turn.not_before IS 'a failed turn keeps its place until then';

COMMENT ON COLUMN public.turn.place IS 'order within its lane';

COMMENT ON COLUMN public.turn.interruptions IS 'workers that died over it';

COMMENT ON COLUMN public.turn.retries IS 'how often it was asked anew';

COMMENT ON COLUMN public.turn.waits_since IS 'with not_before: a clock set back ends the waiting';

COMMENT ON COLUMN public.turn.retried_at IS 'when it was asked anew';

COMMENT ON COLUMN public.turn.stop IS 'how a person wants it to end';

COMMENT ON COLUMN public.turn.stopped_by IS 'event that asked for that';

COMMENT ON COLUMN public.turn.collected_into IS 'answered with this one';

COMMENT ON COLUMN public.turn.hourglass IS 'event that shows that it waits; empty: intended, perhaps sent';

COMMENT ON COLUMN public.turn.steps IS 'what became of it, oldest first';

COMMENT ON COLUMN public.turn.said_at IS 'by the homeserver';

COMMENT ON COLUMN public.turn.besides IS 'what is shown besides the answer';

ALTER TABLE public.turn ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.turn_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_events_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_jobs_id_seq'::regclass);

ALTER TABLE ONLY public.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('public.procrastinate_periodic_defers_id_seq'::regclass);

INSERT INTO public.agent (id, upstream, agent_id, model, name, ghost, displayname, displayname_applied, state, created_at, state_since) OVERRIDING SYSTEM VALUE VALUES (5, 'scripted', 'old-kim', 'old-kim', 'Kim', 'agent_old_kim', 'Letta Agent: Kim', NULL, 'held', '2026-11-26 01:44:10.723878+00', '2026-11-26 01:44:10.723878+00');
INSERT INTO public.agent (id, upstream, agent_id, model, name, ghost, displayname, displayname_applied, state, created_at, state_since) OVERRIDING SYSTEM VALUE VALUES (2, 'scripted', 'old-gala', 'old-gala', 'Gala', 'agent_old_gala', 'Letta Agent: Gala', 'Letta Agent: Gala', 'active', '2026-11-26 01:44:10.723878+00', '2026-11-26 01:44:10.723878+00');
INSERT INTO public.agent (id, upstream, agent_id, model, name, ghost, displayname, displayname_applied, state, created_at, state_since) OVERRIDING SYSTEM VALUE VALUES (1, 'scripted', 'old-frida', 'old-frida', 'Frida', 'agent_old_frida', 'Letta Agent: Frida', 'Letta Agent: Frida', 'active', '2026-11-26 01:44:10.723878+00', '2026-11-26 01:44:10.723878+00');
INSERT INTO public.agent (id, upstream, agent_id, model, name, ghost, displayname, displayname_applied, state, created_at, state_since) OVERRIDING SYSTEM VALUE VALUES (4, 'scripted', 'old-jana', 'old-jana', 'Jana', 'agent_old_jana', 'Letta Agent: Jana', 'Letta Agent: Jana', 'active', '2026-11-26 01:44:10.723878+00', '2026-11-26 01:44:10.723878+00');
INSERT INTO public.agent (id, upstream, agent_id, model, name, ghost, displayname, displayname_applied, state, created_at, state_since) OVERRIDING SYSTEM VALUE VALUES (3, 'scripted', 'old-hugo', 'old-hugo', 'Hugo', 'agent_old_hugo', 'Letta Agent: Hugo', 'Letta Agent: Hugo', 'gone', '2026-11-26 01:44:10.723878+00', '2026-11-26 01:44:37.271176+00');

INSERT INTO public.alembic_version (version_num) VALUES ('0003');

INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (1, '!frida', '', 1, false, NULL, '2026-11-26 01:44:15.646719+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (2, '!frida', '$hello', 1, false, NULL, '2026-11-26 01:44:24.379903+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (3, '!frida', '!', 1, false, NULL, '2026-11-26 01:44:25.100232+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (4, '!gala', '!', 2, false, NULL, '2026-11-26 01:44:29.477565+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (5, '!gala', '', 2, false, NULL, '2026-11-26 01:44:30.382635+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (6, '!dm', '', NULL, true, NULL, '2026-11-26 01:44:32.500925+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (7, '!group', '', NULL, false, NULL, '2026-11-26 01:44:33.844+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (8, '!declined', '', NULL, false, NULL, '2026-11-26 01:44:35.185079+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (9, '!admin-dm', '', NULL, true, NULL, '2026-11-26 01:44:35.79925+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (10, '!refused-dm', '', NULL, false, NULL, '2026-11-26 01:44:37.039356+00');
INSERT INTO public.conversation (id, room_id, thread_id, portal, direct, upstream_ref, created_at) OVERRIDING SYSTEM VALUE VALUES (11, '!jana', '', 4, false, NULL, '2026-11-26 01:44:53.202295+00');

INSERT INTO public.fact (key, value) VALUES ('space', '"!room-1"');
INSERT INTO public.fact (key, value) VALUES ('upstream_looks', '1');
INSERT INTO public.fact (key, value) VALUES ('upstream_looks_done', '{"looks": 1, "confirmed": 0}');
INSERT INTO public.fact (key, value) VALUES ('procrastinate_migration', '"03.04.00_50_post_add_retry_failed_job_procedure.sql"');
INSERT INTO public.fact (key, value) VALUES ('upstreams', '[{"name": "scripted", "error": null, "agents": 4, "doubted": 0}]');

INSERT INTO public.ignored (event_id, room_id, reason, created_at) VALUES ('$notice', '!frida', 'notice', '2026-11-26 01:44:26.850158+00');
INSERT INTO public.ignored (event_id, room_id, reason, created_at) VALUES ('$refused', '!frida', 'permission', '2026-11-26 01:44:26.97863+00');
INSERT INTO public.ignored (event_id, room_id, reason, created_at) VALUES ('$refused-again', '!frida', 'permission', '2026-11-26 01:44:27.138228+00');
INSERT INTO public.ignored (event_id, room_id, reason, created_at) VALUES ('$encrypted', '!frida', 'encrypted', '2026-11-26 01:44:27.507482+00');
INSERT INTO public.ignored (event_id, room_id, reason, created_at) VALUES ('$encrypted-again', '!frida', 'encrypted', '2026-11-26 01:44:27.841311+00');

INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 'user', 'hello', '2026-11-26 01:44:15.76025+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (2, 1, 1, 'assistant', 'Echo: hello', '2026-11-26 01:44:15.76025+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (5, 1, 2, 'user', 'good evening', '2026-11-26 01:44:16.729611+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (6, 1, 2, 'assistant', 'Echo: good evening', '2026-11-26 01:44:16.729611+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (9, 1, 4, 'user', 'once more', '2026-11-26 01:44:17.852468+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (10, 1, 4, 'assistant', 'Echo: once more', '2026-11-26 01:44:17.852468+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (11, 1, 8, 'user', 'think please', '2026-11-26 01:44:20.997992+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (12, 1, 8, 'assistant', 'The thoughtful answer', '2026-11-26 01:44:20.997992+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (13, 1, 9, 'user', 'long please', '2026-11-26 01:44:21.511437+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (14, 1, 9, 'assistant', 'Paragraph 0: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 1: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 2: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 3: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 4: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 5: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 6: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 7: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 8: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 9: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 10: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 11: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 12: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 13: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words', '2026-11-26 01:44:21.511437+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (15, 1, 10, 'user', 'gate one', '2026-11-26 01:44:22.829225+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (16, 1, 10, 'assistant', 'first words', '2026-11-26 01:44:22.829225+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (21, 2, 13, 'user', 'in a thread', '2026-11-26 01:44:24.51233+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (22, 2, 13, 'assistant', 'Echo: in a thread', '2026-11-26 01:44:24.51233+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (23, 1, 14, 'user', 'a reply', '2026-11-26 01:44:24.701376+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (24, 1, 14, 'assistant', 'Echo: In reply to Frida:

> Echo: hello

a reply', '2026-11-26 01:44:24.701376+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (25, 1, 23, 'user', 'File note.txt:

```
hello
```

what is in it?', '2026-11-26 01:44:29.06612+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (26, 1, 23, 'assistant', 'Echo: File note.txt:

```
hello
```

what is in it?', '2026-11-26 01:44:29.06612+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (27, 5, 28, 'user', 'gate two', '2026-11-26 01:44:31.774639+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (28, 5, 28, 'assistant', 'first words and the rest', '2026-11-26 01:44:31.774639+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (29, 5, 29, 'user', 'number 1

number 2

number 3

number 4', '2026-11-26 01:44:31.945295+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (30, 5, 29, 'assistant', 'Echo: number 1

number 2

number 3

number 4', '2026-11-26 01:44:31.945295+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (31, 1, 52, 'user', 'shown and not written down', '2026-11-26 01:44:54.907688+00');
INSERT INTO public.message (id, conversation, turn, role, content, created_at) OVERRIDING SYSTEM VALUE VALUES (32, 1, 52, 'assistant', 'Echo: shown and not written down', '2026-11-26 01:44:54.907688+00');

INSERT INTO public.portal (id, agent, kind, room_id, name, name_applied, topic, topic_applied, bot_joined, space, invited, told, created_at, busy, stream) OVERRIDING SYSTEM VALUE VALUES (5, 5, 'home', NULL, 'Kim - Letta Agent Chat', NULL, 'Chat with Kim (Letta Agent)', NULL, false, NULL, '{}', 'active', '2026-11-26 01:44:10.723878+00', NULL, NULL);
INSERT INTO public.portal (id, agent, kind, room_id, name, name_applied, topic, topic_applied, bot_joined, space, invited, told, created_at, busy, stream) OVERRIDING SYSTEM VALUE VALUES (4, 4, 'home', '!jana', 'Jana - Letta Agent Chat', 'Jana - Letta Agent Chat', 'Chat with Jana (Letta Agent)', 'Chat with Jana (Letta Agent)', true, '!room-1', '{}', 'active', '2026-11-26 01:44:10.723878+00', NULL, NULL);
INSERT INTO public.portal (id, agent, kind, room_id, name, name_applied, topic, topic_applied, bot_joined, space, invited, told, created_at, busy, stream) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'home', '!frida', 'Frida - Letta Agent Chat', 'Frida - Letta Agent Chat', 'Chat with Frida (Letta Agent)', 'Chat with Frida (Letta Agent)', true, '!room-1', '{}', 'active', '2026-11-26 01:44:10.723878+00', NULL, 'edits');
INSERT INTO public.portal (id, agent, kind, room_id, name, name_applied, topic, topic_applied, bot_joined, space, invited, told, created_at, busy, stream) OVERRIDING SYSTEM VALUE VALUES (3, 3, 'home', '!hugo', 'Hugo - Letta Agent Chat', 'Hugo - Letta Agent Chat', 'Chat with Hugo (Letta Agent)', 'Chat with Hugo (Letta Agent)', true, '!room-1', '{}', 'gone', '2026-11-26 01:44:10.723878+00', NULL, NULL);
INSERT INTO public.portal (id, agent, kind, room_id, name, name_applied, topic, topic_applied, bot_joined, space, invited, told, created_at, busy, stream) OVERRIDING SYSTEM VALUE VALUES (2, 2, 'home', '!gala', 'Gala - Letta Agent Chat', 'Gala - Letta Agent Chat', 'Chat with Gala (Letta Agent)', 'Chat with Gala (Letta Agent)', true, '!room-1', '{}', 'active', '2026-11-26 01:44:10.723878+00', 'queue', NULL);

INSERT INTO public.procrastinate_events (id, job_id, type, at) VALUES (81, 46, 'deferred', '2026-11-26 01:44:48.865716+00');
INSERT INTO public.procrastinate_events (id, job_id, type, at) VALUES (82, 46, 'started', '2026-11-26 01:44:48.889377+00');
INSERT INTO public.procrastinate_events (id, job_id, type, at) VALUES (83, 47, 'deferred', '2026-11-26 01:44:49.601671+00');
INSERT INTO public.procrastinate_events (id, job_id, type, at) VALUES (90, 55, 'deferred', '2026-11-26 01:44:54.784288+00');
INSERT INTO public.procrastinate_events (id, job_id, type, at) VALUES (91, 55, 'started', '2026-11-26 01:44:54.844844+00');

INSERT INTO public.procrastinate_jobs (id, queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts, abort_requested, worker_id) VALUES (46, 'lanes', 'lane', 0, 'lane-5', 'lane-5', '{"lane": 5}', 'doing', NULL, 0, false, 2);
INSERT INTO public.procrastinate_jobs (id, queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts, abort_requested, worker_id) VALUES (47, 'lanes', 'lane', 0, 'lane-5', 'lane-5', '{"lane": 5}', 'todo', NULL, 0, false, NULL);
INSERT INTO public.procrastinate_jobs (id, queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts, abort_requested, worker_id) VALUES (55, 'lanes', 'lane', 0, 'lane-1', 'lane-1', '{"lane": 1}', 'doing', NULL, 0, false, 2);

INSERT INTO public.procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE VALUES (2, '2026-11-26 01:44:47.604978+00');

INSERT INTO public.room (room_id, seen, suspect, suspicions, compared_at) VALUES ('!hugo', '$event-01', false, 2, '2026-11-26 01:44:47.713559+00');
INSERT INTO public.room (room_id, seen, suspect, suspicions, compared_at) VALUES ('!frida', '$drop-nothing', false, 2, '2026-11-26 01:44:47.71621+00');
INSERT INTO public.room (room_id, seen, suspect, suspicions, compared_at) VALUES ('!jana', '$event-02', false, 2, '2026-11-26 01:44:47.745216+00');
INSERT INTO public.room (room_id, seen, suspect, suspicions, compared_at) VALUES ('!gala', '$full-7', false, 2, '2026-11-26 01:44:47.761601+00');
INSERT INTO public.room (room_id, seen, suspect, suspicions, compared_at) VALUES ('!dm', '$dm-help', false, 2, '2026-11-26 01:44:47.948328+00');
INSERT INTO public.room (room_id, seen, suspect, suspicions, compared_at) VALUES ('!admin-dm', '$sync', false, 2, '2026-11-26 01:44:47.960271+00');
INSERT INTO public.room (room_id, seen, suspect, suspicions, compared_at) VALUES ('!group', '$group-command', false, 2, '2026-11-26 01:44:48.046791+00');

INSERT INTO public.send (turn, part, event_id, created_at) VALUES (1, 0, '$hello-answer', '2026-11-26 01:44:15.76025+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (2, 0, '$event-03', '2026-11-26 01:44:15.975909+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (4, 0, '$event-04', '2026-11-26 01:44:17.068628+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (6, 0, '$event-05', '2026-11-26 01:44:19.505164+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (7, 0, '$event-06', '2026-11-26 01:44:20.2069+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (7, 1, '$event-07', '2026-11-26 01:44:20.549716+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (8, -1, '$event-08', '2026-11-26 01:44:20.997992+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (8, 0, '$event-09', '2026-11-26 01:44:20.997992+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (9, 0, '$event-10', '2026-11-26 01:44:21.511437+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (9, 1, '$event-11', '2026-11-26 01:44:21.511437+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (10, 0, '$event-12', '2026-11-26 01:44:22.284416+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (11, 0, '$event-13', '2026-11-26 01:44:23.581025+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (13, 0, '$event-14', '2026-11-26 01:44:24.51233+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (14, 0, '$event-15', '2026-11-26 01:44:24.701376+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (15, 0, '$event-16', '2026-11-26 01:44:25.160433+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (16, 0, '$event-17', '2026-11-26 01:44:25.630589+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (17, 0, '$event-18', '2026-11-26 01:44:26.166416+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (18, 0, '$event-19', '2026-11-26 01:44:26.432256+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (19, 0, '$event-20', '2026-11-26 01:44:27.03163+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (21, 0, '$event-21', '2026-11-26 01:44:27.571834+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (23, 0, '$event-22', '2026-11-26 01:44:29.06612+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (25, 0, '$event-23', '2026-11-26 01:44:29.452255+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (26, 0, '$event-24', '2026-11-26 01:44:29.552523+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (27, 0, '$event-25', '2026-11-26 01:44:30.282215+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (33, 0, '$event-26', '2026-11-26 01:44:31.224262+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (34, 0, '$event-27', '2026-11-26 01:44:31.609211+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (28, 0, '$event-28', '2026-11-26 01:44:30.56075+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (35, 0, '$event-29', '2026-11-26 01:44:31.787308+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (29, 0, '$event-30', '2026-11-26 01:44:31.945295+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (36, 0, '$event-31', '2026-11-26 01:44:32.62998+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (37, 0, '$event-32', '2026-11-26 01:44:32.937107+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (38, 0, '$event-33', '2026-11-26 01:44:34.144656+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (39, 0, '$event-34', '2026-11-26 01:44:34.843402+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (41, 0, '$event-35', '2026-11-26 01:44:36.00483+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (42, 0, '$event-36', '2026-11-26 01:44:36.668209+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (44, 0, '$event-37', '2026-11-26 01:44:48.39223+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (45, 0, '$running-answer', '2026-11-26 01:44:49.038607+00');
INSERT INTO public.send (turn, part, event_id, created_at) VALUES (52, 0, NULL, '2026-11-26 01:44:54.907688+00');

INSERT INTO public.set_aside (id, transaction_id, reason, body, created_at) OVERRIDING SYSTEM VALUE VALUES (1, 'broken', 'not JSON: JSONDecodeError', '{"events": [', '2026-11-26 01:44:37.01691+00');

INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (1, '$hello', 1, 'message', '@alice:test.local', '{"body": "hello"}', 'done', 1, 0, NULL, NULL, 'Echo: hello', NULL, '2026-11-26 01:44:15.646719+00', '2026-11-26 01:44:15.715692+00', '2026-11-26 01:44:15.940003+00', 1, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:15.715692+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:15.76025+00:00", "what": "answered", "characters": 11}, {"at": "2026-11-26T01:44:15.940003+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:15.536+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (3, '$edit', 1, 'change', '@alice:test.local', '{"turn": 2, "wish": "edit", "target": "$edited", "message": {"body": "good evening"}}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:16.589222+00', '2026-11-26 01:44:16.63368+00', '2026-11-26 01:44:16.669995+00', 3, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:16.63368+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:16.669995+00:00", "what": "done", "parts": 0}]', '2026-11-26 01:44:16.4+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (2, '$edited', 1, 'message', '@alice:test.local', '{"body": "good evening", "edited_by": "$edit"}', 'done', 2, 0, NULL, NULL, 'Echo: good evening', NULL, '2026-11-26 01:44:15.818423+00', '2026-11-26 01:44:15.943653+00', '2026-11-26 01:44:17.010697+00', 3, 0, 1, NULL, '2026-11-26 01:44:16.652552+00', NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:15.943653+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:15.975909+00:00", "what": "answered", "characters": 18}, {"at": "2026-11-26T01:44:16.333335+00:00", "what": "done", "parts": 1}, {"at": "2026-11-26T01:44:16.652552+00:00", "what": "edited"}, {"at": "2026-11-26T01:44:16.675497+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:16.729611+00:00", "what": "answered", "characters": 18}, {"at": "2026-11-26T01:44:17.010697+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:15.669+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (5, '$again-reaction', 1, 'change', '@alice:test.local', '{"turn": 4, "wish": "again", "target": "$again", "message": {}}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:17.646723+00', '2026-11-26 01:44:17.702022+00', '2026-11-26 01:44:17.825418+00', 5, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:17.702022+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:17.825418+00:00", "what": "done", "parts": 0}]', '2026-11-26 01:44:17.396+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (4, '$again', 1, 'message', '@alice:test.local', '{"body": "once more"}', 'done', 2, 0, NULL, NULL, 'Echo: once more', NULL, '2026-11-26 01:44:16.892876+00', '2026-11-26 01:44:17.036971+00', '2026-11-26 01:44:18.018932+00', 5, 0, 1, NULL, '2026-11-26 01:44:17.714626+00', NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:17.036971+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:17.068628+00:00", "what": "answered", "characters": 15}, {"at": "2026-11-26T01:44:17.315171+00:00", "what": "done", "parts": 1}, {"at": "2026-11-26T01:44:17.714626+00:00", "what": "again"}, {"at": "2026-11-26T01:44:17.832576+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:17.852468+00:00", "what": "answered", "characters": 15}, {"at": "2026-11-26T01:44:18.018932+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:16.612+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (6, '$failed', 1, 'message', '@alice:test.local', '{"body": "fail please"}', 'failed', 2, 1, NULL, NULL, '', 'scripted is busy (503)', '2026-11-26 01:44:17.770638+00', '2026-11-26 01:44:18.039739+00', '2026-11-26 01:44:19.86493+00', 6, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:18.039739+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:18.055532+00:00", "why": "scripted is busy (503): scripted", "what": "put_back", "seconds": 1.0}, {"at": "2026-11-26T01:44:19.471134+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:19.505164+00:00", "what": "answered", "error": "scripted is busy (503)", "characters": 0}, {"at": "2026-11-26T01:44:19.86493+00:00", "what": "failed", "parts": 1}]', '2026-11-26 01:44:17.675+00', '{"rest": false, "files": [], "asides": [], "notice": "⚠️ No answer: scripted is busy (503). The server asks for patience: try again later.\n\n<details><summary>Details</summary>\n\n```\nscripted\n```\n\n</details>"}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (7, '$cut', 1, 'message', '@alice:test.local', '{"body": "cut please"}', 'failed', 1, 0, NULL, NULL, 'an answer that', 'the connection to scripted was cut', '2026-11-26 01:44:20.034647+00', '2026-11-26 01:44:20.0773+00', '2026-11-26 01:44:20.940862+00', 7, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:20.0773+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:20.549716+00:00", "what": "answered", "error": "the connection to scripted was cut", "characters": 14}, {"at": "2026-11-26T01:44:20.940862+00:00", "what": "failed", "parts": 2}]', '2026-11-26 01:44:19.929+00', '{"rest": false, "files": [], "asides": [], "notice": "⚠️ The answer ends here: the connection to scripted was cut. To try again, react with 🔁."}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (8, '$thought', 1, 'message', '@alice:test.local', '{"body": "think please"}', 'done', 1, 0, NULL, NULL, 'The thoughtful answer', NULL, '2026-11-26 01:44:20.153782+00', '2026-11-26 01:44:20.970912+00', '2026-11-26 01:44:21.219784+00', 8, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:20.970912+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:20.997992+00:00", "what": "answered", "characters": 21}, {"at": "2026-11-26T01:44:21.219784+00:00", "what": "done", "parts": 2}]', '2026-11-26 01:44:20.05+00', '{"rest": false, "files": [], "asides": [{"live": false, "part": -1, "text": "<details><summary>💭 Thought for 1 second · Used look_up</summary>\n\nI think about it.\n\n`look_up`\n\n```json\n{\"what\": \"it\"}\n```\n\n</details>", "plain": "💭 Thought for 1 second · Used look_up", "notice": true, "thread_of": null}], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (9, '$long', 1, 'message', '@alice:test.local', '{"body": "long please"}', 'done', 1, 0, NULL, NULL, 'Paragraph 0: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 1: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 2: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 3: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 4: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 5: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 6: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 7: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 8: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 9: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 10: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 11: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 12: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words 

Paragraph 13: words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words words', NULL, '2026-11-26 01:44:21.411952+00', '2026-11-26 01:44:21.467589+00', '2026-11-26 01:44:22.103637+00', 9, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:21.467589+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:21.511437+00:00", "what": "answered", "characters": 12811}, {"at": "2026-11-26T01:44:22.103637+00:00", "what": "done", "parts": 2}]', '2026-11-26 01:44:21.288+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (10, '$stopped', 1, 'message', '@alice:test.local', '{"body": "gate one"}', 'stopped', 1, 0, NULL, NULL, 'first words', NULL, '2026-11-26 01:44:21.544841+00', '2026-11-26 01:44:22.116225+00', '2026-11-26 01:44:23.009858+00', 10, 0, 0, NULL, NULL, 'stopped', '$stop-reaction', NULL, NULL, '[{"at": "2026-11-26T01:44:22.116225+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:22.829225+00:00", "what": "answered", "characters": 11}, {"at": "2026-11-26T01:44:23.009858+00:00", "what": "stopped", "parts": 1}]', '2026-11-26 01:44:21.452+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (11, '$redacted', 1, 'message', '@alice:test.local', '{"redacted": true}', 'done', 2, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:23.486842+00', '2026-11-26 01:44:23.544222+00', '2026-11-26 01:44:24.050254+00', 12, 0, 1, NULL, '2026-11-26 01:44:23.802009+00', NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:23.544222+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:23.581025+00:00", "what": "answered", "characters": 14}, {"at": "2026-11-26T01:44:23.785461+00:00", "what": "done", "parts": 1}, {"at": "2026-11-26T01:44:23.802009+00:00", "what": "edited"}, {"at": "2026-11-26T01:44:23.840506+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:23.904083+00:00", "what": "answered", "characters": 20}, {"at": "2026-11-26T01:44:24.050254+00:00", "what": "done", "parts": 1}, {"at": "2026-11-26T01:44:24.206994+00:00", "what": "redacted"}]', '2026-11-26 01:44:23.183+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (13, '$thread-1', 2, 'message', '@alice:test.local', '{"body": "in a thread"}', 'done', 1, 0, NULL, NULL, 'Echo: in a thread', NULL, '2026-11-26 01:44:24.379903+00', '2026-11-26 01:44:24.422157+00', '2026-11-26 01:44:24.775012+00', 13, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:24.422157+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:24.51233+00:00", "what": "answered", "characters": 17}, {"at": "2026-11-26T01:44:24.775012+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:24.269+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (15, '$help', 3, 'command', '@alice:test.local', '{"body": "help"}', 'done', 1, 0, NULL, NULL, 'I introduce you to agents. What I understand:

- `!ab help`: lists what I understand
- `!ab agents`: lists the agents and their rooms
- `!ab stop`: ends the answer that is being given in this room (or react with 🛑)', NULL, '2026-11-26 01:44:25.100232+00', '2026-11-26 01:44:25.152268+00', '2026-11-26 01:44:25.584248+00', 15, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:25.152268+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:25.160433+00:00", "what": "answered", "characters": 214}, {"at": "2026-11-26T01:44:25.584248+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:24.952+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (16, '$thread-command', 3, 'command', '@alice:test.local', '{"body": "stop", "thread": "$hello"}', 'done', 1, 0, NULL, NULL, 'Nothing is being answered in this room.', NULL, '2026-11-26 01:44:25.370596+00', '2026-11-26 01:44:25.6051+00', '2026-11-26 01:44:25.949785+00', 16, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:25.6051+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:25.630589+00:00", "what": "answered", "characters": 39}, {"at": "2026-11-26T01:44:25.949785+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:25.117+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (17, '$stream', 3, 'command', '@admin:test.local', '{"body": "stream off"}', 'done', 1, 0, NULL, NULL, 'From now on answers in this room are shown once they are whole.', NULL, '2026-11-26 01:44:26.116206+00', '2026-11-26 01:44:26.145221+00', '2026-11-26 01:44:26.352239+00', 17, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:26.145221+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:26.166416+00:00", "what": "answered", "characters": 63}, {"at": "2026-11-26T01:44:26.352239+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:26.039+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (19, 'permission:!frida:@stranger:test.local', 3, 'refusal', '@stranger:test.local', '{"reason": "permission", "event_id": "$refused"}', 'done', 1, 0, NULL, NULL, '@stranger:test.local is not permitted to talk to agents here. An operator can change that (`permissions`).', NULL, '2026-11-26 01:44:26.97863+00', '2026-11-26 01:44:27.009392+00', '2026-11-26 01:44:27.216532+00', 19, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:27.009392+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:27.03163+00:00", "what": "answered", "characters": 106}, {"at": "2026-11-26T01:44:27.216532+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:26.876+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (37, '$dm-help', 6, 'command', '@alice:test.local', '{"body": "help"}', 'done', 1, 0, NULL, NULL, 'I introduce you to agents. What I understand:

- `!ab help`: lists what I understand
- `!ab agents`: lists the agents and their rooms
- `!ab stop`: ends the answer that is being given in this room (or react with 🛑)', NULL, '2026-11-26 01:44:32.891178+00', '2026-11-26 01:44:32.932578+00', '2026-11-26 01:44:33.106403+00', 37, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:32.932578+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:32.937107+00:00", "what": "answered", "characters": 214}, {"at": "2026-11-26T01:44:33.106403+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:32.768+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (12, '$redacted-edit', 1, 'change', '@alice:test.local', '{"turn": 11, "wish": "edit", "target": "$redacted", "message": {}}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:23.565039+00', '2026-11-26 01:44:23.78896+00', '2026-11-26 01:44:23.823491+00', 12, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:23.78896+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:23.823491+00:00", "what": "done", "parts": 0}]', '2026-11-26 01:44:23.482+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (14, '$reply', 1, 'message', '@alice:test.local', '{"body": "a reply", "reply_to": "$hello-answer"}', 'done', 1, 0, NULL, NULL, 'Echo: In reply to Frida:

> Echo: hello

a reply', NULL, '2026-11-26 01:44:24.541785+00', '2026-11-26 01:44:24.613838+00', '2026-11-26 01:44:24.914491+00', 14, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:24.613838+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:24.701376+00:00", "what": "answered", "characters": 48}, {"at": "2026-11-26T01:44:24.914491+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:24.381+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (21, 'encrypted:!frida', 3, 'refusal', '@alice:test.local', '{"reason": "encrypted", "event_id": "$encrypted"}', 'done', 1, 0, NULL, NULL, 'This room has been encrypted, and I cannot read encrypted messages. Please talk to me in a room without.', NULL, '2026-11-26 01:44:27.507482+00', '2026-11-26 01:44:27.560035+00', '2026-11-26 01:44:27.868294+00', 21, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:27.560035+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:27.571834+00:00", "what": "answered", "characters": 104}, {"at": "2026-11-26T01:44:27.868294+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:27.282+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (24, '$file-text', 1, 'message', '@alice:test.local', '{"body": "what is in it?"}', 'collected', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:28.17166+00', NULL, '2026-11-26 01:44:29.023784+00', 24, 0, 0, NULL, NULL, NULL, NULL, 23, NULL, '[{"at": "2026-11-26T01:44:29.023784+00:00", "turn": "0a59046d9172134a", "what": "collected"}]', '2026-11-26 01:44:28.07+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (23, '$file', 1, 'message', '@alice:test.local', '{"body": "", "file": {"url": "mxc://test.local/file", "kind": "m.file", "name": "note.txt", "size": 5, "voice": false, "caption": null, "encrypted": false, "content_type": "text/plain"}}', 'done', 1, 0, NULL, NULL, 'Echo: File note.txt:

```
hello
```

what is in it?', NULL, '2026-11-26 01:44:28.065217+00', '2026-11-26 01:44:28.12582+00', '2026-11-26 01:44:29.26423+00', 23, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:28.12582+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:29.06612+00:00", "what": "answered", "characters": 51}, {"at": "2026-11-26T01:44:29.26423+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:27.988+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (25, '$drop-nothing', 3, 'command', '@admin:test.local', '{"body": "drop nothing"}', 'done', 1, 0, NULL, NULL, 'I know no message *nothing*, or several. `!ab queue` and `!ab failed` list them.', NULL, '2026-11-26 01:44:29.376013+00', '2026-11-26 01:44:29.431738+00', '2026-11-26 01:44:29.651165+00', 25, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:29.431738+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:29.452255+00:00", "what": "answered", "characters": 80}, {"at": "2026-11-26T01:44:29.651165+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:29.3+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (27, '$busy-2', 4, 'command', '@admin:test.local', '{"body": "busy collect"}', 'done', 1, 0, NULL, NULL, 'From now on messages that arrive while I answer are answered together.', NULL, '2026-11-26 01:44:30.234871+00', '2026-11-26 01:44:30.263937+00', '2026-11-26 01:44:30.43968+00', 27, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:30.263937+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:30.282215+00:00", "what": "answered", "characters": 70}, {"at": "2026-11-26T01:44:30.43968+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:30.104+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (33, '$full-5', 4, 'refusal', '@alice:test.local', '{"body": "number 5", "limit": 5, "reason": "full", "event_id": "$full-5"}', 'done', 1, 0, NULL, NULL, 'I did not take this: 5 messages wait here already (`max_queued_per_room`). Please say it again later.', NULL, '2026-11-26 01:44:31.172119+00', '2026-11-26 01:44:31.201785+00', '2026-11-26 01:44:31.573017+00', 33, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:31.201785+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:31.224262+00:00", "what": "answered", "characters": 101}, {"at": "2026-11-26T01:44:31.573017+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:31.062+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (30, '$full-2', 5, 'message', '@alice:test.local', '{"body": "number 2"}', 'collected', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:30.893868+00', NULL, '2026-11-26 01:44:31.889522+00', 30, 0, 0, NULL, NULL, NULL, NULL, 29, NULL, '[{"at": "2026-11-26T01:44:31.889522+00:00", "turn": "38b971986e87e361", "what": "collected"}]', '2026-11-26 01:44:30.795+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (32, '$full-4', 5, 'message', '@alice:test.local', '{"body": "number 4"}', 'collected', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:31.055283+00', NULL, '2026-11-26 01:44:31.889522+00', 32, 0, 0, NULL, NULL, NULL, NULL, 29, NULL, '[{"at": "2026-11-26T01:44:31.889522+00:00", "turn": "38b971986e87e361", "what": "collected"}]', '2026-11-26 01:44:31+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (35, '$full-7', 4, 'refusal', '@alice:test.local', '{"body": "number 7", "limit": 5, "reason": "full", "event_id": "$full-7"}', 'done', 1, 0, NULL, NULL, 'I did not take this: 5 messages wait here already (`max_queued_per_room`). Please say it again later.', NULL, '2026-11-26 01:44:31.709314+00', '2026-11-26 01:44:31.755893+00', '2026-11-26 01:44:31.909581+00', 35, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:31.755893+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:31.787308+00:00", "what": "answered", "characters": 101}, {"at": "2026-11-26T01:44:31.909581+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:31.42+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (29, '$full-1', 5, 'message', '@alice:test.local', '{"body": "number 1"}', 'done', 1, 0, NULL, NULL, 'Echo: number 1

number 2

number 3

number 4', NULL, '2026-11-26 01:44:30.80946+00', '2026-11-26 01:44:31.863554+00', '2026-11-26 01:44:32.012915+00', 29, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:31.863554+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:31.945295+00:00", "what": "answered", "characters": 44}, {"at": "2026-11-26T01:44:32.012915+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:30.751+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (18, '$stream-2', 3, 'command', '@admin:test.local', '{"body": "stream edits"}', 'done', 1, 0, NULL, NULL, 'From now on answers in this room are shown as they grow.', NULL, '2026-11-26 01:44:26.30501+00', '2026-11-26 01:44:26.361093+00', '2026-11-26 01:44:26.657273+00', 18, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:26.361093+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:26.432256+00:00", "what": "answered", "characters": 56}, {"at": "2026-11-26T01:44:26.657273+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:26.134+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (26, '$busy', 4, 'command', '@alice:test.local', '{"body": "busy collect"}', 'done', 1, 0, NULL, NULL, '`busy` is for moderators. Ask an operator (`permissions`).', NULL, '2026-11-26 01:44:29.477565+00', '2026-11-26 01:44:29.54836+00', '2026-11-26 01:44:29.954931+00', 26, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:29.54836+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:29.552523+00:00", "what": "answered", "characters": 58}, {"at": "2026-11-26T01:44:29.954931+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:29.367+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (34, '$full-6', 4, 'refusal', '@alice:test.local', '{"body": "number 6", "limit": 5, "reason": "full", "event_id": "$full-6"}', 'done', 1, 0, NULL, NULL, 'I did not take this: 5 messages wait here already (`max_queued_per_room`). Please say it again later.', NULL, '2026-11-26 01:44:31.359773+00', '2026-11-26 01:44:31.58133+00', '2026-11-26 01:44:31.740092+00', 34, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:31.58133+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:31.609211+00:00", "what": "answered", "characters": 101}, {"at": "2026-11-26T01:44:31.740092+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:31.186+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (28, '$full-0', 5, 'message', '@alice:test.local', '{"body": "gate two"}', 'done', 1, 0, NULL, NULL, 'first words and the rest', NULL, '2026-11-26 01:44:30.382635+00', '2026-11-26 01:44:30.431693+00', '2026-11-26 01:44:31.853026+00', 28, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:30.431693+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:31.774639+00:00", "what": "answered", "characters": 24}, {"at": "2026-11-26T01:44:31.853026+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:30.278+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (31, '$full-3', 5, 'message', '@alice:test.local', '{"body": "number 3"}', 'collected', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:30.996493+00', NULL, '2026-11-26 01:44:31.889522+00', 31, 0, 0, NULL, NULL, NULL, NULL, 29, NULL, '[{"at": "2026-11-26T01:44:31.889522+00:00", "turn": "38b971986e87e361", "what": "collected"}]', '2026-11-26 01:44:30.884+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (36, '$event-38', 6, 'invitation', '@alice:test.local', '{"invited": "@agentbridge:test.local"}', 'done', 1, 0, NULL, NULL, 'Hello! I am the bridge bot. Say `help` to see what I can do.', NULL, '2026-11-26 01:44:32.500925+00', '2026-11-26 01:44:32.520193+00', '2026-11-26 01:44:32.722654+00', 36, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:32.520193+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:32.62998+00:00", "what": "answered", "characters": 60}, {"at": "2026-11-26T01:44:32.722654+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:32.408+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (39, '$group-command', 7, 'command', '@alice:test.local', '{"body": "agents"}', 'done', 1, 0, NULL, NULL, '| Agent | Server | State |
|---|---|---|
| [Frida](https://matrix.to/#/!frida?via=test.local) | scripted | ready |
| [Gala](https://matrix.to/#/!gala?via=test.local) | scripted | ready |
| [Hugo](https://matrix.to/#/!hugo?via=test.local) | scripted | ready |
| [Jana](https://matrix.to/#/!jana?via=test.local) | scripted | ready |
| Kim | scripted | no room yet: too many new agents at once. `!ab sync all` makes them |', NULL, '2026-11-26 01:44:34.770411+00', '2026-11-26 01:44:34.816362+00', '2026-11-26 01:44:34.99811+00', 39, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:34.816362+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:34.843402+00:00", "what": "answered", "characters": 574}, {"at": "2026-11-26T01:44:34.99811+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:34.67+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (40, '$event-39', 8, 'invitation', '@alice:test.local', '{"invited": "@agent_old_frida:test.local"}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:35.185079+00', '2026-11-26 01:44:35.232848+00', '2026-11-26 01:44:35.609825+00', 40, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:35.232848+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:35.609825+00:00", "what": "done", "parts": 0}]', '2026-11-26 01:44:35.113+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (38, '$event-40', 7, 'invitation', '@alice:test.local', '{"invited": "@agentbridge:test.local"}', 'done', 1, 0, NULL, NULL, 'Hello! I am the bridge bot. Say `!ab help` to see what I can do.', NULL, '2026-11-26 01:44:33.844+00', '2026-11-26 01:44:33.898294+00', '2026-11-26 01:44:34.343604+00', 38, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:33.898294+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:34.144656+00:00", "what": "answered", "characters": 64}, {"at": "2026-11-26T01:44:34.343604+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:33.727+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (43, '$event-41', 10, 'invitation', '@stranger:test.local', '{"invited": "@agentbridge:test.local"}', 'done', 1, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:37.039356+00', '2026-11-26 01:44:37.09086+00', '2026-11-26 01:44:37.176133+00', 43, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:37.09086+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:37.176133+00:00", "what": "done", "parts": 0}]', '2026-11-26 01:44:36.872+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (41, '$event-42', 9, 'invitation', '@admin:test.local', '{"invited": "@agentbridge:test.local"}', 'done', 1, 0, NULL, NULL, 'Hello! I am the bridge bot. Say `help` to see what I can do.', NULL, '2026-11-26 01:44:35.79925+00', '2026-11-26 01:44:35.843976+00', '2026-11-26 01:44:36.132331+00', 41, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:35.843976+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:36.00483+00:00", "what": "answered", "characters": 60}, {"at": "2026-11-26T01:44:36.132331+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:35.73+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (42, '$sync', 9, 'command', '@admin:test.local', '{"body": "sync"}', 'done', 1, 0, NULL, NULL, '- **scripted**: 5 agents', NULL, '2026-11-26 01:44:36.379122+00', '2026-11-26 01:44:36.429112+00', '2026-11-26 01:44:36.855942+00', 42, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:36.429112+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:36.668209+00:00", "what": "answered", "characters": 24}, {"at": "2026-11-26T01:44:36.855942+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:36.193+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (45, '$running', 5, 'message', '@alice:test.local', '{"body": "slow one"}', 'running', 1, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:48.865716+00', '2026-11-26 01:44:48.90375+00', NULL, 45, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:48.90375+00:00", "what": "taken_up"}]', '2026-11-26 01:44:48.356+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (44, '$busy-3', 4, 'command', '@admin:test.local', '{"body": "busy queue"}', 'done', 1, 0, NULL, NULL, 'From now on each message gets its own answer, one after the other.', NULL, '2026-11-26 01:44:48.28822+00', '2026-11-26 01:44:48.356654+00', '2026-11-26 01:44:48.999033+00', 44, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:48.356654+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:48.39223+00:00", "what": "answered", "characters": 66}, {"at": "2026-11-26T01:44:48.999033+00:00", "what": "done", "parts": 1}]', '2026-11-26 01:44:47.6+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (46, '$waiting-1', 5, 'message', '@alice:test.local', '{"body": "wait one"}', 'queued', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:49.601671+00', NULL, NULL, 46, 0, 0, NULL, NULL, NULL, NULL, NULL, '$event-43', '[]', '2026-11-26 01:44:49.307+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (49, '$waiting-edit', 5, 'change', '@alice:test.local', '{"turn": 47, "wish": "edit", "target": "$waiting-2", "message": {"body": "wait two, please"}}', 'queued', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:52.78008+00', NULL, NULL, 49, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[]', '2026-11-26 01:44:52.484+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (47, '$waiting-2', 5, 'message', '@alice:test.local', '{"body": "wait two, please", "edited_by": "$waiting-edit"}', 'queued', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:49.961894+00', NULL, NULL, 47, 0, 0, NULL, NULL, NULL, NULL, NULL, '$event-44', '[]', '2026-11-26 01:44:49.687+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (48, '$waiting-3', 5, 'message', '@alice:test.local', '{"redacted": true}', 'stopped', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:50.256787+00', NULL, '2026-11-26 01:44:52.944247+00', 48, 0, 0, NULL, NULL, 'redacted', '$event-45', NULL, NULL, '[{"at": "2026-11-26T01:44:52.944247+00:00", "what": "redacted"}]', '2026-11-26 01:44:50.008+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (50, '$retrying', 11, 'message', '@alice:test.local', '{"body": "fail later"}', 'queued', 2, 2, '2026-11-26 01:44:56.340741+00', NULL, NULL, NULL, '2026-11-26 01:44:53.202295+00', '2026-11-26 01:44:53.23799+00', NULL, 50, 0, 0, '2026-11-26 01:44:54.340741+00', NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:53.23799+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:53.261342+00:00", "why": "scripted is busy (503): scripted", "what": "put_back", "seconds": 1.0}, {"at": "2026-11-26T01:44:54.293455+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:54.340741+00:00", "why": "scripted is busy (503): scripted", "what": "put_back", "seconds": 2.0}]', '2026-11-26 01:44:53.044+00', '{}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (52, '$committed', 1, 'message', '@alice:test.local', '{"body": "shown and not written down"}', 'answered', 1, 0, NULL, NULL, 'Echo: shown and not written down', NULL, '2026-11-26 01:44:54.784288+00', '2026-11-26 01:44:54.8593+00', NULL, 52, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, '[{"at": "2026-11-26T01:44:54.8593+00:00", "what": "taken_up"}, {"at": "2026-11-26T01:44:54.907688+00:00", "what": "answered", "characters": 32}]', '2026-11-26 01:44:54.431+00', '{"rest": false, "files": [], "asides": [], "notice": ""}');
INSERT INTO public.turn (id, event_id, conversation, kind, sender, payload, state, attempts, failures, not_before, upstream_ref, answer, error, created_at, started_at, finished_at, place, interruptions, retries, waits_since, retried_at, stop, stopped_by, collected_into, hourglass, steps, said_at, besides) OVERRIDING SYSTEM VALUE VALUES (51, '$behind', 11, 'message', '@alice:test.local', '{"body": "behind it"}', 'queued', 0, 0, NULL, NULL, NULL, NULL, '2026-11-26 01:44:53.496432+00', NULL, NULL, 51, 0, 0, NULL, NULL, NULL, NULL, NULL, '$event-46', '[]', '2026-11-26 01:44:53.224+00', '{}');

SELECT pg_catalog.setval('public.agent_id_seq', 5, true);

SELECT pg_catalog.setval('public.conversation_id_seq', 11, true);

SELECT pg_catalog.setval('public.message_id_seq', 32, true);

SELECT pg_catalog.setval('public.portal_id_seq', 5, true);

SELECT pg_catalog.setval('public.procrastinate_events_id_seq', 91, true);

SELECT pg_catalog.setval('public.procrastinate_jobs_id_seq', 55, true);

SELECT pg_catalog.setval('public.procrastinate_periodic_defers_id_seq', 1, false);

SELECT pg_catalog.setval('public.procrastinate_workers_id_seq', 2, true);

SELECT pg_catalog.setval('public.set_aside_id_seq', 1, true);

SELECT pg_catalog.setval('public.turn_id_seq', 52, true);

SELECT pg_catalog.setval('public.turn_place_seq', 52, true);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_ghost_key UNIQUE (ghost);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_upstream_agent_id_key UNIQUE (upstream, agent_id);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.conversation
    ADD CONSTRAINT conversation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.conversation
    ADD CONSTRAINT conversation_room_id_thread_id_key UNIQUE (room_id, thread_id);

ALTER TABLE ONLY public.fact
    ADD CONSTRAINT fact_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.ignored
    ADD CONSTRAINT ignored_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.portal
    ADD CONSTRAINT portal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.portal
    ADD CONSTRAINT portal_room_id_key UNIQUE (room_id);

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

ALTER TABLE ONLY public.room
    ADD CONSTRAINT room_pkey PRIMARY KEY (room_id);

ALTER TABLE ONLY public.send
    ADD CONSTRAINT send_pkey PRIMARY KEY (turn, part);

ALTER TABLE ONLY public.set_aside
    ADD CONSTRAINT set_aside_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_pkey PRIMARY KEY (id);

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON public.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::public.procrastinate_job_status));

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON public.procrastinate_workers USING btree (last_heartbeat);

CREATE INDEX ignored_created_at_idx ON public.ignored USING btree (created_at);

CREATE INDEX message_conversation_id_idx ON public.message USING btree (conversation, id);

CREATE INDEX message_created_at_idx ON public.message USING btree (created_at);

CREATE INDEX message_turn_idx ON public.message USING btree (turn);

CREATE INDEX portal_agent_idx ON public.portal USING btree (agent);

CREATE UNIQUE INDEX portal_home_key ON public.portal USING btree (agent) WHERE (kind = 'home'::text);

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON public.procrastinate_events USING btree (job_id);

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON public.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::public.procrastinate_job_status, 'doing'::public.procrastinate_job_status]));

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON public.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON public.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON public.procrastinate_jobs USING btree (queue_name);

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON public.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::public.procrastinate_job_status);

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON public.procrastinate_periodic_defers USING btree (job_id);

CREATE INDEX send_event_id_idx ON public.send USING btree (event_id);

CREATE INDEX turn_collected_idx ON public.turn USING btree (collected_into) WHERE (collected_into IS NOT NULL);

CREATE INDEX turn_finished_idx ON public.turn USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX turn_hourglass_idx ON public.turn USING btree (id) WHERE (hourglass IS NOT NULL);

CREATE INDEX turn_open_idx ON public.turn USING btree (conversation, place) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text, 'answered'::text]));

CREATE INDEX turn_stopped_by_idx ON public.turn USING btree (stopped_by) WHERE (stopped_by IS NOT NULL);

CREATE TRIGGER agent_bridge_lock_released AFTER DELETE ON public.procrastinate_jobs FOR EACH ROW WHEN (((old.status = 'doing'::public.procrastinate_job_status) AND (old.lock IS NOT NULL))) EXECUTE FUNCTION public.agent_bridge_notify_lock_released();

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_notify_queue_abort_job_v1();

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_notify_queue_job_inserted_v1();

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION public.procrastinate_trigger_abort_requested_events_procedure_v1();

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_unlink_periodic_defers_v1();

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON public.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::public.procrastinate_job_status))) EXECUTE FUNCTION public.procrastinate_trigger_function_scheduled_events_v1();

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::public.procrastinate_job_status)) EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_insert_v1();

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_trigger_function_status_events_update_v1();

ALTER TABLE ONLY public.conversation
    ADD CONSTRAINT conversation_portal_fkey FOREIGN KEY (portal) REFERENCES public.portal(id);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_conversation_fkey FOREIGN KEY (conversation) REFERENCES public.conversation(id);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.portal
    ADD CONSTRAINT portal_agent_fkey FOREIGN KEY (agent) REFERENCES public.agent(id);

ALTER TABLE ONLY public.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES public.procrastinate_workers(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.procrastinate_jobs(id);

ALTER TABLE ONLY public.send
    ADD CONSTRAINT send_turn_fkey FOREIGN KEY (turn) REFERENCES public.turn(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_collected_into_fkey FOREIGN KEY (collected_into) REFERENCES public.turn(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.turn
    ADD CONSTRAINT turn_conversation_fkey FOREIGN KEY (conversation) REFERENCES public.conversation(id);
