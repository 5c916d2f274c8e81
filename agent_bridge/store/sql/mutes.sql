-- put --
-- Mute a user in a room (empty: in all rooms) for %(seconds)s seconds, null: without an end. A mute that lasts gets another
-- end. In all rooms the user keeps the level.
INSERT INTO mute AS known (room_id, user_id, until, applied)
VALUES (%(room_id)s, %(user_id)s, now() + make_interval(secs => %(seconds)s), %(room_id)s = '')
ON CONFLICT (room_id, user_id) DO UPDATE SET until = EXCLUDED.until
RETURNING until, pg_notify('agent_bridge', 'roles')

-- end --
-- End the mute of a user in a room (empty: in all rooms); return a row if it lasted. The level of the user is yet to be
-- given back.
UPDATE mute SET until = now()
WHERE room_id = %(room_id)s AND user_id = %(user_id)s AND (until IS NULL OR until > now())
RETURNING pg_notify('agent_bridge', 'roles')

-- over --
-- Forget the mutes in all rooms that are over.
DELETE FROM mute WHERE until <= now() AND room_id = ''

-- due --
-- Return the mutes whose level is to be set (has_ended false) or given back, with the ghost that owns the room. A level may
-- have been set just before the bridge was killed, so each mute that is over is one.
SELECT m.room_id, m.user_id, m.level_before, coalesce(m.until <= now(), false) AS has_ended, a.ghost
FROM mute m LEFT JOIN room r ON r.room_id = m.room_id LEFT JOIN agent a ON a.id = r.owner
WHERE m.room_id <> '' AND (NOT m.applied OR m.until <= now())
ORDER BY m.room_id, m.user_id

-- level_before --
-- Record the level of a user before the mute (null: that of the role), before the room has the level of a muted user.
UPDATE mute SET level_before = %(level)s WHERE room_id = %(room_id)s AND user_id = %(user_id)s AND NOT applied

-- lower_level --
-- Give a user the level of the role after the mute, if the one before it is above %(most)s: the role has fallen since.
UPDATE mute SET level_before = NULL WHERE room_id = %(room_id)s AND user_id = %(user_id)s AND level_before > %(most)s

-- applied --
-- Record that a room has, or refused, the level of a muted user.
UPDATE mute SET applied = true WHERE room_id = %(room_id)s AND user_id = %(user_id)s

-- lifted --
-- Forget a mute that is over. A user that was muted again meanwhile lacks the level of a muted user.
WITH over AS (
    DELETE FROM mute WHERE room_id = %(room_id)s AND user_id = %(user_id)s AND until <= now()
)
UPDATE mute SET applied = false
WHERE room_id = %(room_id)s AND user_id = %(user_id)s AND (until IS NULL OR until > now())
