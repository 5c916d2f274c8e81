-- add --
-- Write an event that is to be posted, unless there is one with the same key.
INSERT INTO agent_event (key, room_id, sender, content) VALUES (%(key)s, %(room_id)s, %(sender)s, %(content)s)
ON CONFLICT (key) DO NOTHING
RETURNING pg_notify('agent_bridge', 'events')

-- due --
-- Return the oldest %(limit)s events of each room that are to be posted, up to %(rooms)s rooms, but for the rooms %(others)s.
-- Events about tasks come behind the cards: events of a room wait up to a minute for the cards of tasks that are older.
WITH task_without_card AS (
    SELECT r.room_id, min(t.created_at) AS since FROM task t JOIN room r ON r.id = t.room
    WHERE t.changes <> t.shown AND t.shown = 0 AND t.created_at > now() - interval '1 minute'
    GROUP BY r.room_id
), waiting AS (
    SELECT e.room_id, min(e.id) AS first, min(t.since) AS since
    FROM agent_event e LEFT JOIN task_without_card t ON t.room_id = e.room_id
    WHERE e.closed_at IS NULL AND e.room_id <> ALL(%(others)s::text[]) AND (t.since IS NULL OR e.created_at < t.since)
    GROUP BY e.room_id ORDER BY first LIMIT %(rooms)s
)
SELECT e.id, e.key, e.room_id, e.sender, e.content, e.since
FROM waiting w CROSS JOIN LATERAL (
    SELECT * FROM agent_event
    WHERE room_id = w.room_id AND closed_at IS NULL AND (w.since IS NULL OR created_at < w.since)
    ORDER BY id LIMIT %(limit)s
) e
ORDER BY w.first, e.id

-- trying --
-- Record that the events %(ids)s are about to be posted in a room whose newest event is %(since)s.
UPDATE agent_event SET since = %(since)s WHERE id = ANY(%(ids)s) AND closed_at IS NULL

-- closed --
-- Record that an event was posted, or cannot be because of %(error)s.
UPDATE agent_event SET event_id = %(event_id)s, error = %(error)s, content = '{}', closed_at = now()
WHERE id = %(id)s AND closed_at IS NULL
RETURNING pg_notify('agent_bridge', 'events')

-- find --
-- Return the event with the key %(key)s.
SELECT event_id, error, closed_at IS NOT NULL AS is_closed FROM agent_event WHERE key = %(key)s

-- mirrors --
-- Return a row if a log channel mirrors turns.
SELECT 1 FROM mirror LIMIT 1

-- mirror_of --
-- Return the agents that the log channel %(channel)s mirrors; null: all. No row: none.
SELECT agents FROM mirror WHERE channel = %(channel)s

-- set_mirror --
-- Have a log channel mirror the turns of all agents (%(agent)s null), or also those of one. What ended before is not shown.
INSERT INTO mirror (channel, agents)
VALUES (%(channel)s, CASE WHEN %(agent)s::bigint IS NOT NULL THEN ARRAY[%(agent)s::bigint] END)
ON CONFLICT (channel) DO UPDATE
SET agents = CASE WHEN %(agent)s::bigint IS NULL THEN NULL
                  ELSE array_append(array_remove(mirror.agents, %(agent)s::bigint), %(agent)s::bigint) END
RETURNING pg_notify('agent_bridge', 'events')

-- end_mirror --
-- Have a log channel mirror no turns any more.
DELETE FROM mirror WHERE channel = %(channel)s

-- unmirrored --
-- Return the beginnings and ends of turns that log channels are to show, up to %(limit)s.
-- A log channel shows the turns in channels of its server, or, in the main Space, those in channels of it, in the homes of
-- agents and in the lobby: people of the Space can enter all of these. Turns in chats, in direct chats and in groups that
-- people made are private. A turn has one beginning and one end for each time that it was asked. The ends of the last
-- minutes are looked at again: a transaction may have lasted until now.
WITH source AS (
    SELECT m.channel, m.agents, m.since, m.read_until, log.room_id AS log, log.request_key, c.server
    FROM mirror m JOIN room log ON log.id = m.channel JOIN channel c ON c.room = m.channel
    WHERE log.room_id IS NOT NULL AND log.status = 'active'
), candidate AS (
    SELECT s.*, t.id AS turn FROM source s JOIN turn t
      ON t.open AND t.started_at >= s.since
    UNION
    SELECT s.*, t.id FROM source s JOIN turn t
      ON t.finished_at > s.read_until - interval '5 minutes' AND t.finished_at >= s.since AND t.started_at >= s.since
), shown AS (
    SELECT s.*, t.key, t.state, t.retries, t.error, t.input_tokens, t.output_tokens, t.started_at, t.finished_at,
           t.open, cv.room_id AS said_in, a.ghost, a.id AS agent_id, a.name AS agent,
           extract(epoch FROM t.finished_at - greatest(t.started_at, t.retried_at))::float AS seconds
    FROM candidate s JOIN turn t ON t.id = s.turn
         JOIN conversation cv ON cv.id = t.conversation JOIN agent a ON a.id = cv.agent
         JOIN room r ON r.room_id = cv.room_id LEFT JOIN channel rc ON rc.room = r.id
    WHERE t.kind = 'message' AND t.collected_into IS NULL AND (s.agents IS NULL OR a.id = ANY(s.agents))
      AND (rc.room IS NOT NULL AND rc.server IS NOT DISTINCT FROM s.server
           OR s.server IS NULL AND r.kind IN ('home', 'lobby'))
), step AS (
    SELECT shown.*, false AS is_end, started_at AS at FROM shown
    UNION ALL
    SELECT shown.*, true, finished_at FROM shown WHERE NOT open
), named AS (
    SELECT step.*, concat_ws('.', 'mirror', request_key, key, retries, CASE WHEN is_end THEN 'ended' ELSE 'started' END) AS name
    FROM step
)
SELECT named.* FROM named
WHERE NOT EXISTS (SELECT 1 FROM agent_event e WHERE e.key = named.name)
ORDER BY at, is_end, turn LIMIT %(limit)s

-- mirrored --
-- Record that the ends of turns up to now are mirrored, but for those of the last minutes.
UPDATE mirror SET read_until = greatest(read_until, now())
