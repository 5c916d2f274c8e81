-- unshown --
-- Return up to %(limit)s messages that wait behind another one and have no reaction, the longest waiting first. The place
-- is the number of messages ahead, at most %(last)s; messages that are answered together have the same one.
SELECT t.id, t.event_id, t.key, c.room_id, a.ghost, t.waiting_event_id, t.waiting_place AS shown_place,
       CASE WHEN coalesce(r.when_busy, %(when_busy)s) <> 'queue' THEN 1 ELSE (
           SELECT greatest(1, count(*))::integer FROM (
               SELECT 1 FROM turn ahead
               WHERE ahead.conversation = t.conversation AND ahead.open AND ahead.kind = 'message'
                 AND ahead.position < t.position
               LIMIT %(last)s) AS ahead) END AS place,
       extract(epoch FROM now() - t.created_at)::float AS age
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
     LEFT JOIN room r ON r.room_id = c.room_id
WHERE t.open AND t.state = 'queued' AND t.kind = 'message' AND t.attempts = 0 AND t.waiting_event_id IS NULL
  AND EXISTS (
      SELECT 1 FROM turn ahead
      WHERE ahead.conversation = t.conversation AND ahead.open AND ahead.position < t.position
  )
ORDER BY t.created_at, t.position LIMIT %(limit)s

-- moved --
-- Return up to %(limit)s messages that wait and whose reaction shows a later place than theirs, or may not have been sent,
-- the longest unchanged one first. An earlier place is not replaced by a later one: the transaction id of each place is
-- used once.
SELECT * FROM (
    SELECT t.id, t.event_id, t.key, c.room_id, a.ghost, t.waiting_event_id, t.waiting_place AS shown_place,
           least(t.waiting_place, CASE WHEN coalesce(r.when_busy, %(when_busy)s) <> 'queue' THEN 1 ELSE (
               SELECT greatest(1, count(*))::integer FROM (
                   SELECT 1 FROM turn ahead
                   WHERE ahead.conversation = t.conversation AND ahead.open AND ahead.kind = 'message'
                     AND ahead.position < t.position
                   LIMIT %(last)s) AS ahead) END) AS place,
           extract(epoch FROM now() - t.waiting_shown_at)::float AS age
    FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
         LEFT JOIN room r ON r.room_id = c.room_id
    WHERE t.waiting_event_id IS NOT NULL AND t.state = 'queued' AND t.attempts = 0 AND t.waiting_shown_at IS NOT NULL
      AND (t.waiting_place > 1 OR t.waiting_event_id = '')
) AS waiting
WHERE place < shown_place OR waiting_event_id = '' ORDER BY age DESC, id LIMIT %(limit)s

-- over --
-- Return up to %(limit)s messages that do not wait any more and have, or may have, a reaction.
SELECT t.id, t.event_id, t.key, c.room_id, a.ghost, t.waiting_event_id, t.waiting_place AS shown_place,
       t.waiting_place AS place
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE t.waiting_event_id IS NOT NULL AND (t.state <> 'queued' OR t.attempts > 0)
ORDER BY t.id LIMIT %(limit)s

-- intend --
-- Record that a reaction with the place %(place)s is about to be sent.
UPDATE turn SET waiting_event_id = '', waiting_place = %(place)s, waiting_shown_at = now() WHERE id = %(turn)s

-- record --
-- Record the reaction of a message: an event, or null for none.
UPDATE turn SET waiting_event_id = %(event_id)s WHERE id = %(turn)s

-- refuse --
-- Record that the homeserver refused the reaction of a message: it is not sent again.
UPDATE turn SET waiting_shown_at = NULL WHERE id = %(turn)s
