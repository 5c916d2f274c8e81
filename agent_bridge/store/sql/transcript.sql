-- of_lane --
-- Return the last %(limit)s messages of the context that goes on in a lane, newest first.
SELECT m.role, m.content
FROM conversation c JOIN message m ON m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0)
WHERE c.id = %(lane)s ORDER BY m.id DESC LIMIT %(limit)s

-- is_forgotten --
-- Tell whether the upstream may not have the context that goes on in a lane: it may have been restarted since the last
-- message, or all messages come from a copy of which the upstream has none. Null without a message.
SELECT coalesce(
           max(m.created_at) < (SELECT (value ->> %(upstream)s)::timestamptz FROM kv
                                WHERE key = 'restarts' AND value ->> %(upstream)s ~ '^\d{4}-\d\d-\d\dT'), false)
       OR (x.upstream_ref IS NULL AND max(m.created_at) <= x.created_at) AS forgotten
FROM conversation c JOIN message m ON m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0)
     LEFT JOIN context x ON x.id = c.context
WHERE c.id = %(lane)s GROUP BY x.id

-- of_room --
-- Return the last %(limit)s messages of the context that goes on in the room itself, outside of threads, with the agent of
-- the lane %(lane)s, newest first.
SELECT m.role, m.content
FROM conversation thread
     JOIN conversation c ON c.room_id = thread.room_id AND c.thread_id = ''
                        AND coalesce(c.agent, 0) = coalesce(thread.agent, 0)
     JOIN message m ON m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0)
WHERE thread.id = %(lane)s ORDER BY m.id DESC LIMIT %(limit)s

-- caught_up --
-- Return the event up to which the agent of the lane %(lane)s has the messages of the room; null: it has none.
SELECT caught_up FROM conversation WHERE id = %(lane)s

-- room_kind --
-- Return the kind of the room of the lane %(lane)s.
SELECT r.kind FROM conversation c JOIN room r ON r.room_id = c.room_id WHERE c.id = %(lane)s

-- agents --
-- Return the names of the agents that are, or were, in a room.
SELECT a.ghost, a.name FROM participant p JOIN room r ON r.id = p.room JOIN agent a ON a.id = p.agent
WHERE r.room_id = %(room_id)s

-- not_heard --
-- Return those of %(events)s that the agent of the lane %(lane)s does not get as messages to others: questions to it,
-- commands, messages that were redacted, those that the lane has, and parts of an answer that has asked it.
SELECT said.event_id FROM unnest(%(events)s::text[]) AS said (event_id)
WHERE EXISTS (
    SELECT 1 FROM turn t
    WHERE t.event_id = said.event_id AND (t.conversation = %(lane)s OR t.kind IN ('command', 'choice') OR t.redacted)
) OR EXISTS (
    SELECT 1 FROM message m WHERE m.event_id = said.event_id AND m.conversation = %(lane)s
) OR EXISTS (
    SELECT 1 FROM outbox o JOIN turn asked ON asked.asked_in = o.turn
    WHERE o.event_id = said.event_id AND asked.conversation = %(lane)s
)

-- erased --
-- Return those of the users %(users)s whose data were, or are being, erased, and since when: what they said before stays
-- forgotten.
SELECT params ->> 'user' AS user_id, extract(epoch FROM max(created_at))::float * 1000 AS at FROM operation
WHERE kind = 'erase' AND params ->> 'user' = ANY(%(users)s) GROUP BY 1
