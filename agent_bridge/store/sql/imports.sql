-- known --
-- Return those of the messages %(keys)s that a room shows, each with the operation that sent it.
SELECT key, operation FROM imported_message WHERE room_id = %(room_id)s AND key = ANY(%(keys)s)

-- add --
-- Record messages that a room shows.
INSERT INTO imported_message (room_id, key, operation)
SELECT %(room_id)s, key, %(operation)s FROM unnest(%(keys)s::text[]) AS key
ON CONFLICT DO NOTHING

-- forget --
-- Delete the messages of rooms that the bridge does not use any more.
DELETE FROM imported_message m WHERE NOT EXISTS (SELECT 1 FROM room r WHERE r.room_id = m.room_id)
