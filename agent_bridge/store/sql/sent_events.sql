-- unstored --
-- Return the parts of open turns that were perhaps sent into the rooms %(rooms)s and whose events are not stored, once for
-- each of the %(targets)s there that is not a stored event; and a ghost that is in the room, null: perhaps only the bot.
SELECT asked.room_id, asked.target, o.turn, o.part, t.key, coalesce(a.ghost, t.voice) AS reader
FROM unnest(%(rooms)s::text[], %(targets)s::text[]) AS asked (room_id, target)
JOIN conversation c ON c.room_id = asked.room_id
JOIN turn t ON t.conversation = c.id AND t.open
JOIN outbox o ON o.turn = t.id AND o.event_id IS NULL
LEFT JOIN agent a ON a.id = c.agent
WHERE NOT EXISTS (SELECT 1 FROM outbox sent WHERE sent.event_id = asked.target)

-- store --
-- Store the event that shows a part, unless that was done meanwhile.
UPDATE outbox SET event_id = %(event_id)s WHERE turn = %(turn)s AND part = %(part)s AND event_id IS NULL
