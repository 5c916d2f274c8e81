-- show --
-- Record the list that a person is shown, in place of the one before.
INSERT INTO choice (user_id, kind, room_id, thread_id, turn, items, command, title)
VALUES (%(user_id)s, %(kind)s, %(room_id)s, %(thread)s, %(turn)s, %(items)s, %(command)s, %(title)s)
ON CONFLICT (user_id, kind) DO UPDATE
SET room_id = EXCLUDED.room_id, thread_id = EXCLUDED.thread_id, turn = EXCLUDED.turn, items = EXCLUDED.items,
    command = EXCLUDED.command, title = EXCLUDED.title, shown_at = now()

-- shown --
-- Return the list that a person was shown last, if that was in the last %(fresh)s seconds.
SELECT items, room_id, command, title FROM choice
WHERE user_id = %(user_id)s AND kind = %(kind)s AND shown_at > now() - make_interval(secs => %(fresh)s)

-- open --
-- Return the lists from which a number alone chooses, and the questions that are to be confirmed, that the people %(users)s
-- were shown last in the rooms %(rooms)s: the events that show them, whether they were shown in the last %(fresh)s seconds, and whether their people have said
-- something in the room since (is_passed), or were shown their chats there since (is_covered).
SELECT DISTINCT ON (l.user_id, l.room_id, l.kind IN ('delete', 'retire', 'erase')) l.user_id, l.room_id, l.kind, l.command, jsonb_array_length(l.items) AS size,
       l.thread_id AS thread, l.shown_at > now() - make_interval(secs => %(fresh)s) AS is_fresh,
       (SELECT coalesce(array_agg(o.event_id), '{}') FROM outbox o WHERE o.turn = l.turn AND o.event_id IS NOT NULL)
           AS events,
       EXISTS (
           SELECT 1 FROM conversation c JOIN turn t ON t.conversation = c.id
           WHERE c.room_id = l.room_id AND t.sender = l.user_id AND t.created_at > l.shown_at
             AND (t.open OR t.finished_at > l.shown_at)) AS is_passed,
       EXISTS (
           SELECT 1 FROM choice n WHERE n.user_id = l.user_id AND n.room_id = l.room_id AND n.kind = 'chats'
                                    AND n.shown_at > l.shown_at) AS is_covered
FROM choice l
WHERE l.kind IN ('agents', 'saves', 'delete', 'retire', 'erase') AND l.user_id = ANY(%(users)s) AND l.room_id = ANY(%(rooms)s)
ORDER BY l.user_id, l.room_id, l.kind IN ('delete', 'retire', 'erase'), l.shown_at DESC

-- forget --
-- Forget the list of a kind that a person was shown last.
DELETE FROM choice WHERE user_id = %(user_id)s AND kind = %(kind)s
