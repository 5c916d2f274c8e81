-- add --
-- Write entries in their order, behind all others, and wake the readers. The lock (%(kind)s) lasts until the transaction
-- ends, so a reader that sees an entry sees all entries before it. The entry of an event that has one is skipped. So is that of
-- a room that the erasure of a person deletes. An event that was sent before the end of an erasure, or a minute later by another
-- clock, and names the person loses its contents: the erasure has done the same with the entries that came in time.
WITH erasure AS MATERIALIZED (
    SELECT params ->> 'user' AS user_id, cursor,
           coalesce((extract(epoch FROM finished_at) * 1000)::bigint + 60000, 9223372036854775807) AS until
    FROM operation WHERE kind = 'erase' AND cursor IS NOT NULL
), alone AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(%(kind)s, 0)
), entry AS (
    SELECT * FROM unnest(
        %(types)s::text[], %(rooms)s::text[], %(events)s::text[], %(senders)s::text[], %(users)s::text[], %(targets)s::text[],
        %(threads)s::text[], %(contents)s::text[], %(sent_at)s::bigint[]
    ) WITH ORDINALITY AS entry (
        type, room_id, event_id, sender, user_id, target, thread, content, sent_at, number
    )
), added AS (
    INSERT INTO feed (type, room_id, event_id, sender, user_id, target, thread, content, sent_at)
    SELECT type, room_id, event_id, sender, user_id, target, thread,
           CASE WHEN EXISTS (
               SELECT 1 FROM erasure e
               WHERE sender <> e.user_id AND sent_at <= e.until AND strpos(content, e.user_id) > 0
           ) THEN '{}' ELSE content END,
           sent_at
    FROM alone, entry
    WHERE NOT EXISTS (
        SELECT 1 FROM erasure e
        WHERE room_id = e.cursor ->> 'space' OR e.cursor -> 'rooms' @> jsonb_build_array(jsonb_build_array(room_id)))
    ORDER BY number
    ON CONFLICT (event_id) DO NOTHING
    RETURNING position
)
SELECT pg_notify('agent_bridge', 'feed') FROM (SELECT max(position) AS position FROM added) AS newest
WHERE position IS NOT NULL

-- erase --
-- Forget the content of the events %(events)s, which were redacted, of their edits, and of the votes whose polls they are.
UPDATE feed SET content = '{}'
WHERE event_id = ANY(%(events)s::text[]) OR (target = ANY(%(events)s::text[]) AND type = 'edit')
   OR (type = 'vote' AND strpos(content, '"question"') > 0 AND subject IN (
       SELECT poll.subject FROM feed poll WHERE poll.target = ANY(%(events)s::text[]) AND poll.type = 'vote'))

-- after --
-- Return the entries behind %(position)s, in their order, at most %(most)s.
SELECT position, type, room_id, event_id, sender, user_id, target, thread, content, sent_at
FROM feed WHERE position > %(position)s ORDER BY position LIMIT %(most)s

-- begin --
-- Give the feed an epoch, if it has none.
INSERT INTO kv (key, value) VALUES ('feed', jsonb_build_object('epoch', %(epoch)s::text, 'pruned', 0))
ON CONFLICT (key) DO NOTHING

-- bounds --
-- Return the epoch, the position up to which entries were deleted, and that of the newest one.
SELECT value ->> 'epoch' AS epoch, (value ->> 'pruned')::bigint AS pruned,
       greatest((value ->> 'pruned')::bigint, (SELECT max(position) FROM feed)) AS newest
FROM kv WHERE key = 'feed'

-- was_inside --
-- Return whether %(user)s was in the room %(room)s at %(position)s, by the entry before it, else by the one behind it; no row
-- if the feed does not tell.
SELECT type = 'join' AS inside FROM (
    (SELECT type, 0 AS number FROM feed WHERE user_id = %(user)s AND room_id = %(room)s AND type IN ('join', 'leave')
     AND position <= %(position)s ORDER BY position DESC LIMIT 1)
    UNION ALL
    (SELECT CASE type WHEN 'join' THEN 'leave' ELSE 'join' END, 1 FROM feed
     WHERE user_id = %(user)s AND room_id = %(room)s AND type IN ('join', 'leave')
     AND position > %(position)s ORDER BY position LIMIT 1)
) AS found ORDER BY number LIMIT 1

-- announce --
-- Send a payload to the sessions that listen.
SELECT pg_notify(%(channel)s, %(payload)s)
