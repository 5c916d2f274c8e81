-- of_lane --
-- Return the last %(limit)s messages of the context that goes on in a lane, newest first.
SELECT m.role, m.content
FROM conversation c JOIN message m ON m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0)
WHERE c.id = %(lane)s ORDER BY m.id DESC LIMIT %(limit)s

-- is_forgotten --
-- Tell whether the upstream may not have the context that goes on in a lane: it may have been restarted since the last
-- message, or all messages come from a copy of which the upstream has none. Null without a message.
SELECT coalesce(
           max(m.created_at) < (SELECT (value ->> %(upstream)s)::timestamptz FROM kv WHERE key = 'restarts'), false)
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
