-- page --
-- Return %(limit)s messages behind the message %(after)s of the context that goes on in the lane %(lane)s, oldest first. Others
-- than the person whose chat it is (%(own)s) get no messages of other rooms, which a loaded copy brings, but their own; and
-- none from before the time %(since)s (null: from any time).
SELECT * FROM (
    SELECT m.id, m.role, m.content, m.said_by, t.sender,
           CASE m.role WHEN 'assistant' THEN coalesce(t.finished_at, m.created_at) ELSE coalesce(t.said_at, m.created_at) END AS at
    FROM conversation c JOIN message m ON m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0)
         LEFT JOIN turn t ON t.id = m.turn LEFT JOIN conversation there ON there.id = t.conversation
         LEFT JOIN context x ON x.id = c.context
    WHERE c.id = %(lane)s AND m.id > %(after)s AND (%(own)s OR CASE
        WHEN m.turn IS NULL THEN m.event_id IS NOT NULL AND m.created_at > coalesce(x.created_at, '-infinity')
        ELSE there.room_id = c.room_id OR t.sender = %(person)s END)
) AS said
WHERE %(since)s::timestamptz IS NULL OR at >= %(since)s
ORDER BY id LIMIT %(limit)s
