-- open --
-- Write the room of the pair %(low)s and %(high)s, which does not exist on the homeserver yet, unless they have one. The caller
-- makes it: nothing compares it before.
WITH made AS (
    INSERT INTO room (kind, name, request_key, roles_applied)
    VALUES (%(kind)s, %(name)s, %(key)s, (SELECT max(version) FROM role_book))
    ON CONFLICT DO NOTHING
    RETURNING id
), members AS (
    INSERT INTO pair (room, low, high) SELECT id, %(low)s, %(high)s FROM made
)
INSERT INTO participant (room, agent, state) SELECT made.id, agent, 'joined' FROM made, unnest(%(agents)s::bigint[]) AS agent

-- of --
-- Return the room of the pair %(low)s and %(high)s.
SELECT r.id, r.room_id, r.status = 'ended' AS is_ended FROM pair p JOIN room r ON r.id = p.room
WHERE p.low = %(low)s AND p.high = %(high)s

-- is_known --
-- Return a row if the room %(room_id)s is known as another one than %(room)s.
SELECT 1 FROM room WHERE room_id = %(room_id)s AND id <> %(room)s

-- made --
-- Record the room of a pair, and have its messages behind the event %(seen)s taken in before its lanes go on.
UPDATE room SET room_id = %(room_id)s, name_applied = name, bot_joined = true, last_seen = %(seen)s, changes = changes + 1,
       needs_backfill = true, backfill_requests = backfill_requests + 1, backfill_requested_at = now()
WHERE id = %(room)s AND room_id IS NULL
RETURNING pg_notify('agent_bridge', 'backfill'), pg_notify('agent_bridge', 'groups')

-- drop --
-- Forget the room %(room)s of a pair: theirs is known as another one.
DELETE FROM room WHERE id = %(room)s AND room_id IS NULL

-- keep --
-- Have the known room %(room_id)s be that of the pair.
INSERT INTO pair (room, low, high) SELECT id, %(low)s, %(high)s FROM room WHERE room_id = %(room_id)s ON CONFLICT DO NOTHING

-- name --
-- Give the known room of a pair its key and its name.
UPDATE room SET request_key = coalesce(request_key, %(key)s), name = %(name)s, name_applied = %(name)s, changes = changes + 1
WHERE room_id = %(room_id)s
RETURNING pg_notify('agent_bridge', 'groups')

-- forget --
-- Forget the room of a pair, in which the bridge is not any more.
DELETE FROM room WHERE id = %(room)s AND EXISTS (SELECT 1 FROM pair WHERE pair.room = room.id)

-- listed --
-- Return the %(limit)s newest rooms of pairs, and the number of all.
SELECT r.room_id, p.low, p.high, extract(epoch FROM now() - r.created_at)::float AS age, count(*) OVER () AS number
FROM pair p JOIN room r ON r.id = p.room WHERE r.room_id IS NOT NULL AND r.status <> 'ended'
ORDER BY r.id DESC LIMIT %(limit)s
