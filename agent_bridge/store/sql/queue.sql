-- look --
-- Return the jobs and lanes that need attention. An orphan is a running job of the queue %(queue)s whose lane is locked
-- by no session (advisory locks whose first key is %(kind)s). A lane is idle if its head may be claimed and no job of
-- the lane exists. A lane is held back as the statement `take` of the turns holds it back, while events of its room may
-- be missing, or the room is to be compared with the homeserver. `waits_since` lies in the future only after the clock was set back: the head may then be claimed.
WITH head AS (
    SELECT DISTINCT ON (conversation) conversation, position, not_before, waits_since FROM turn
    WHERE open ORDER BY conversation, position
), lane AS (
    SELECT head.conversation AS id, head.position,
           CASE WHEN head.waits_since > now() THEN 0
                ELSE greatest(0, coalesce(extract(epoch FROM head.not_before - now()), 0)) END AS seconds
    FROM head JOIN conversation c ON c.id = head.conversation LEFT JOIN room r ON r.room_id = c.room_id
    WHERE NOT (coalesce(r.needs_backfill, false) AND (c.lane_kind = 'agent' OR r.kind = 'bot'))
      AND NOT (coalesce(r.check_requests <> r.checked, false) AND c.lane_kind = 'agent')
), job AS (
    SELECT id, lock, status, (args ->> 'lane')::bigint %% 2147483648 AS key
    FROM procrastinate_jobs WHERE queue_name = %(queue)s AND status IN ('todo', 'doing')
)
SELECT ARRAY(
           SELECT id FROM job WHERE status = 'doing' AND NOT EXISTS (
               SELECT 1 FROM advisory_lock held WHERE held.kind = %(kind)s AND held.key = job.key)
       ) AS orphans,
       ARRAY(
           SELECT id FROM lane WHERE seconds = 0 AND NOT EXISTS (SELECT 1 FROM job WHERE job.lock = 'lane-' || lane.id)
           ORDER BY position
       ) AS idle,
       EXISTS (SELECT 1 FROM job) AS busy,
       EXISTS (
           SELECT 1 FROM job WHERE status = 'todo'
             AND NOT EXISTS (SELECT 1 FROM job ahead WHERE ahead.lock = job.lock AND ahead.status = 'doing')
       ) AS startable,
       (SELECT min(seconds)::float FROM lane WHERE seconds > 0) AS due_in

-- wake --
-- Put a job for each of the lanes %(lanes)s into the queue, unless one waits there already (`queueing_lock`). The order
-- keeps two transactions that wake the same lanes from waiting for each other. procrastinate's own function fails for a
-- lane that has a job, and so needs a savepoint for each lane.
INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)
SELECT %(queue)s, %(task)s, 'lane-' || lane, 'lane-' || lane, jsonb_build_object('lane', lane)
FROM unnest(%(lanes)s::bigint[]) AS lane ORDER BY lane
ON CONFLICT DO NOTHING

-- remove --
-- Delete the jobs %(jobs)s.
DELETE FROM procrastinate_jobs WHERE id = ANY(%(jobs)s)

-- retry_now --
-- Make every open turn due that has no failure and never waited for its upstream.
UPDATE turn SET not_before = NULL
WHERE not_before IS NOT NULL AND failures = 0 AND upstream_waits = 0 AND open
RETURNING pg_notify('agent_bridge', 'lanes')
