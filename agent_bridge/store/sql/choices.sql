-- show --
-- Record the list that a person is shown, in place of the one before.
INSERT INTO choice (user_id, kind, room_id, thread_id, turn, items, command, title)
VALUES (%(user_id)s, %(kind)s, %(room_id)s, %(thread)s, %(turn)s, %(items)s, %(command)s, %(title)s)
ON CONFLICT (user_id, kind) DO UPDATE
SET room_id = EXCLUDED.room_id, thread_id = EXCLUDED.thread_id, turn = EXCLUDED.turn, items = EXCLUDED.items,
    command = EXCLUDED.command, title = EXCLUDED.title,    is_open = true, shown_at = now()

-- shown --
-- Return the list that a person was shown last, if that was in the last %(fresh)s seconds.
SELECT items, command, title FROM choice
WHERE user_id = %(user_id)s AND kind = %(kind)s AND shown_at > now() - make_interval(secs => %(fresh)s)

-- close --
-- Let numbers alone of the people %(users)s in the rooms %(rooms)s (pairs) not choose from a list any more.
UPDATE choice SET is_open = false
FROM unnest(%(users)s::text[], %(rooms)s::text[]) AS asked (user_id, room_id)
WHERE choice.user_id = asked.user_id AND choice.room_id = asked.room_id AND choice.is_open

-- close_room --
-- Let numbers alone in a room not choose from a list any more.
UPDATE choice SET is_open = false WHERE room_id = %(room_id)s AND is_open
