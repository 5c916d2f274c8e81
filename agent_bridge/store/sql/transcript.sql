-- of_lane --
-- Return the last %(limit)s messages of the transcript of a lane, newest first.
SELECT role, content FROM message WHERE conversation = %(lane)s ORDER BY id DESC LIMIT %(limit)s

-- is_forgotten --
-- Tell whether the upstream may have been restarted since the last message of the lane; null without a message.
SELECT max(created_at) < (SELECT (value ->> %(upstream)s)::timestamptz FROM kv WHERE key = 'restarts') AS forgotten
FROM message WHERE conversation = %(lane)s

-- of_room --
-- Return the last %(limit)s messages of the transcript that the agent of the lane %(lane)s has of the room itself,
-- outside of threads, newest first.
SELECT m.role, m.content
FROM conversation thread
     JOIN conversation c ON c.room_id = thread.room_id AND c.thread_id = ''
                        AND coalesce(c.agent, 0) = coalesce(thread.agent, 0)
     JOIN message m ON m.conversation = c.id
WHERE thread.id = %(lane)s ORDER BY m.id DESC LIMIT %(limit)s
