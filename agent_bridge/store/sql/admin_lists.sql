-- agents --
-- Return %(limit)s agents behind the place (%(after_name)s, %(after_id)s), by name, whose names begin with %(begin)s, those
-- of a state and of an upstream if these are not null: with their homes, and the times of their last requests.
SELECT a.id, a.name, lower(a.name) COLLATE "C" AS sort_key, a.ghost, a.upstream, a.state, home.room_id,
       coalesce(home.problems, '{}') AS problems, (SELECT max(u.at) FROM usage u WHERE u.agent = a.id) AS used_at
FROM agent a LEFT JOIN room home ON home.owner = a.id AND home.kind = 'home'
WHERE (lower(a.name) COLLATE "C", a.id) > (%(after_name)s, %(after_id)s)
  AND lower(a.name) COLLATE "C" >= lower(%(begin)s) AND lower(a.name) COLLATE "C" < lower(%(begin)s) || U&'\+10FFFF'
  AND (%(state)s::text IS NULL OR a.state = %(state)s) AND (%(upstream)s::text IS NULL OR a.upstream = %(upstream)s)
ORDER BY lower(a.name) COLLATE "C", a.id LIMIT %(limit)s

-- lanes --
-- Return %(limit)s lanes with open turns, those that wait longest first, from the place %(offset)s on. Of very many open
-- turns the first %(most)s are looked at.
WITH open_turn AS (
    SELECT conversation, state, coalesce(retried_at, created_at) AS since, not_before, position, kind, key
    FROM turn WHERE open ORDER BY conversation, position LIMIT %(most)s
), lane AS (
    SELECT conversation, bool_or(state <> 'queued') AS is_busy, count(*) FILTER (WHERE state = 'queued') AS waiting,
           min(since) AS oldest, (array_agg(not_before ORDER BY position))[1] AS not_before,
           (array_agg(key ORDER BY position) FILTER (WHERE kind = 'message'))[1] AS head
    FROM open_turn GROUP BY conversation ORDER BY min(since), conversation OFFSET %(offset)s LIMIT %(limit)s
)
SELECT c.id, c.room_id, r.kind AS room_kind, r.number, c.thread_id <> '' AS in_thread, a.name AS agent, lane.is_busy,
       lane.waiting, lane.oldest, lane.not_before, lane.head
FROM lane JOIN conversation c ON c.id = lane.conversation LEFT JOIN room r ON r.room_id = c.room_id
     LEFT JOIN agent a ON a.id = c.agent
ORDER BY lane.oldest, c.id

-- failed --
-- Return %(limit)s turns that failed before the place (%(before)s, %(before_id)s), the newest first.
SELECT id FROM turn WHERE state = 'failed' AND (finished_at, id) < (%(before)s::timestamptz, %(before_id)s)
ORDER BY finished_at DESC, id DESC LIMIT %(limit)s

-- failing --
-- Return %(limit)s messages that have failed or wait for their upstream, and will be tried again. Of very many open turns the
-- first %(most)s are looked at.
SELECT id FROM (
    SELECT id, kind, state, failures, upstream_waits, conversation, position
    FROM turn WHERE open ORDER BY conversation, position LIMIT %(most)s
) AS open_turn
WHERE kind = 'message' AND state = 'queued' AND (failures > 0 OR upstream_waits > 0)
ORDER BY conversation, position LIMIT %(limit)s

-- overview --
-- Return the numbers of agents by state, of open turns by state (of very many the first %(most)s), and the time of the oldest
-- one that waits.
WITH open_turn AS (
    SELECT state, coalesce(retried_at, created_at) AS since FROM turn WHERE open
    ORDER BY conversation, position LIMIT %(most)s
)
SELECT (SELECT coalesce(jsonb_object_agg(state, agents), '{}')
        FROM (SELECT state, count(*) AS agents FROM agent GROUP BY state) AS by_state) AS agents,
       (SELECT coalesce(jsonb_object_agg(state, turns), '{}')
        FROM (SELECT state, count(*) AS turns FROM open_turn GROUP BY state) AS by_state) AS turns,
       (SELECT min(since) FROM open_turn WHERE state = 'queued') AS oldest

-- moments --
-- Return the changes of turns for agents since the time %(since)s, the oldest first, at most %(limit)s of each kind.
WITH moment AS (
    (SELECT id, 'queued' AS state, created_at AS at FROM turn
     WHERE created_at > %(since)s AND kind IN ('message', 'again', 'edit') ORDER BY created_at DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT id, 'running', started_at FROM turn
     WHERE open AND started_at > %(since)s ORDER BY conversation, position LIMIT %(limit)s)
    UNION ALL
    (SELECT id, state, finished_at FROM turn
     WHERE finished_at > %(since)s AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT %(limit)s)
)
SELECT t.id, t.key, t.kind, moment.state, moment.at, a.name AS agent, r.kind AS room_kind, r.number,
       CASE WHEN moment.state <> 'queued' THEN
           greatest(0, extract(epoch FROM moment.at - coalesce(t.retried_at, t.said_at)))::float END AS seconds
FROM moment JOIN turn t ON t.id = moment.id JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
     LEFT JOIN room r ON r.room_id = c.room_id
ORDER BY moment.at, t.id

-- now --
-- Return the present time.
SELECT now() AS now
