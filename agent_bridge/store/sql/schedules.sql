-- now --
-- Return the time of the database.
SELECT now() AS now

-- lock_owner --
-- Have no other transaction count the schedules of the person %(owner)s, or of the room %(room_id)s, until this one ends.
SELECT pg_advisory_xact_lock(%(kind)s, hashtext(name)) FROM unnest(ARRAY[%(owner)s, %(room_id)s]::text[]) AS name ORDER BY hashtext(name)

-- owned --
-- Return the schedules of the person %(owner)s, or of all people (null).
-- include schedule_rows --
  AND (%(owner)s::text IS NULL OR s.owner = %(owner)s) ORDER BY s.id

-- count --
-- Return the number of schedules of the person %(owner)s, and of the room %(room_id)s.
SELECT (SELECT count(*) FROM schedule WHERE owner = %(owner)s) AS owned,
       (SELECT count(*) FROM schedule s JOIN room r ON r.id = s.room WHERE r.room_id = %(room_id)s) AS in_room

-- add --
-- Write a schedule for the agent %(agent)s in the room %(room_id)s; return its number.
INSERT INTO schedule (owner, agent, room, expression, rule, zone, prompt, due_at)
SELECT %(owner)s, %(agent)s, id, %(expression)s, %(rule)s, %(zone)s, %(prompt)s, %(due_at)s
FROM room WHERE room_id = %(room_id)s AND status NOT IN ('deleting', 'ended')
RETURNING id, pg_notify('agent_bridge', 'schedules')

-- due --
-- Return the %(limit)s schedules that are due next, but for %(others)s, and the seconds until then.
SELECT s.id, extract(epoch FROM s.due_at - now())::float AS seconds
FROM schedule s JOIN room r ON r.id = s.room
WHERE NOT s.paused AND s.id <> ALL(%(others)s::bigint[]) AND r.room_id IS NOT NULL AND r.status NOT IN ('deleting', 'ended')
ORDER BY s.due_at, s.id LIMIT %(limit)s

-- find --
-- Return the schedule %(schedule)s.
-- include schedule_rows --
  AND s.id = %(schedule)s

-- lock --
-- Lock the schedule %(schedule)s until the transaction ends, and return it.
-- include schedule_rows --
  AND s.id = %(schedule)s FOR UPDATE OF s

-- advance --
-- Give the schedule %(schedule)s, which is locked, its next due time, after a run or a trouble (%(problem)s).
UPDATE schedule SET due_at = %(due_at)s, problem = %(problem)s,
                    last_run_at = CASE WHEN %(problem)s::text IS NULL THEN now() ELSE last_run_at END
WHERE id = %(schedule)s

-- break --
-- Pause the schedule %(schedule)s, because of the trouble %(problem)s.
UPDATE schedule SET paused = true, problem = %(problem)s WHERE id = %(schedule)s

-- pause --
-- Pause the schedule %(schedule)s.
UPDATE schedule SET paused = true WHERE id = %(schedule)s

-- resume --
-- Have the schedule %(schedule)s go on at %(due_at)s.
UPDATE schedule SET paused = false, problem = NULL, due_at = %(due_at)s WHERE id = %(schedule)s
RETURNING pg_notify('agent_bridge', 'schedules')

-- remove --
-- Delete the schedule %(schedule)s.
DELETE FROM schedule WHERE id = %(schedule)s
