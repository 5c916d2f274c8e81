-- unshown --
-- Return up to %(limit)s messages that wait behind another one and have no reaction, the longest waiting first.
SELECT t.id, t.event_id, t.key, c.room_id, a.ghost, t.waiting_event_id,
       extract(epoch FROM now() - t.created_at)::float AS age
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE t.open AND t.state = 'queued' AND t.kind = 'message' AND t.attempts = 0 AND t.waiting_event_id IS NULL
  AND EXISTS (
      SELECT 1 FROM turn ahead
      WHERE ahead.conversation = t.conversation AND ahead.open AND ahead.position < t.position
  )
ORDER BY t.created_at, t.position LIMIT %(limit)s

-- over --
-- Return up to %(limit)s messages that do not wait any more and have, or may have, a reaction.
SELECT t.id, t.event_id, t.key, c.room_id, a.ghost, t.waiting_event_id
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE t.waiting_event_id IS NOT NULL AND (t.state <> 'queued' OR t.attempts > 0)
ORDER BY t.id LIMIT %(limit)s

-- record --
-- Record the reaction of a message: an event, null for none, or empty for one that is about to be sent.
UPDATE turn SET waiting_event_id = %(event_id)s WHERE id = %(turn)s
