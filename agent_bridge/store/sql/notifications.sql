-- add --
-- Write a notification, unless there is one with the same key. The bot tells the person %(user_id)s nothing who wants none: then
-- it is written for programs that subscribe alone, and counts as told.
INSERT INTO notification (user_id, kind, room_id, facts, key, approval, due_at, message, sent_at)
SELECT %(user_id)s, %(kind)s, %(room_id)s, %(facts)s, %(key)s, %(approval)s, now() + make_interval(secs => %(delay)s),
       CASE WHEN is_muted THEN '' END, CASE WHEN is_muted THEN now() END
FROM (SELECT EXISTS (SELECT 1 FROM notified_person WHERE user_id = %(user_id)s AND is_muted) AS is_muted) AS person
WHERE NOT is_muted OR agent_bridge_is_fed()
ON CONFLICT (key) DO NOTHING
RETURNING pg_notify('agent_bridge', 'notifications')

-- due --
-- Return up to %(limit)s people, but for %(others)s, with notifications that are not told, and the seconds until the first
-- of each person has waited for %(gather)s seconds: those first whose time has come.
SELECT user_id, greatest(0, extract(epoch FROM min(due_at) - now()) + %(gather)s)::float AS wait
FROM notification WHERE sent_at IS NULL AND user_id <> ALL(%(others)s::text[])
GROUP BY user_id ORDER BY wait, user_id LIMIT %(limit)s

-- lock --
-- Lock the row of a person, which is written if there is none, and return it.
INSERT INTO notified_person (user_id) VALUES (%(user_id)s)
ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
RETURNING room_id, message, since

-- outdated --
-- Delete the notifications of a person that are not told, about requests that are decided: nobody needs to know of them.
DELETE FROM notification USING approval a
WHERE a.id = notification.approval AND a.verdict IS NOT NULL
  AND notification.user_id = %(user_id)s AND notification.message IS NULL

-- gather --
-- Give the notifications of a person that are due one message, up to %(limit)s of the oldest, and return its key. The key
-- derives from the rows and from their time, so no other database has it.
WITH due AS (
    SELECT id, created_at FROM notification
    WHERE user_id = %(user_id)s AND message IS NULL AND due_at <= now()
    ORDER BY id LIMIT %(limit)s
), named AS (
    SELECT left(encode(sha256(convert_to(concat_ws(' ', %(user_id)s::text, id, extract(epoch FROM created_at)), 'UTF8')), 'hex'), 16)
           AS key
    FROM due ORDER BY id LIMIT 1
), told AS (
    UPDATE notification SET message = named.key FROM due, named WHERE notification.id = due.id
)
UPDATE notified_person SET message = named.key, since = NULL FROM named WHERE user_id = %(user_id)s RETURNING message

-- told --
-- Return the notifications of a message in their order.
SELECT kind, room_id, facts FROM notification WHERE user_id = %(user_id)s AND message = %(message)s ORDER BY id

-- aim --
-- Record the room in which a message is about to be sent, and its newest event; return a row unless it is dropped.
UPDATE notified_person SET room_id = %(room_id)s, since = %(since)s
WHERE user_id = %(user_id)s AND message = %(message)s RETURNING 1

-- sent --
-- Record that a message was sent.
WITH person AS (
    UPDATE notified_person SET message = NULL, since = NULL WHERE user_id = %(user_id)s AND message = %(message)s
)
UPDATE notification SET sent_at = now() WHERE user_id = %(user_id)s AND message = %(message)s AND sent_at IS NULL

-- drop --
-- Delete the notifications of a person that are not told.
WITH person AS (
    UPDATE notified_person SET message = NULL, since = NULL WHERE user_id = %(user_id)s
)
DELETE FROM notification WHERE user_id = %(user_id)s AND sent_at IS NULL

-- mute --
-- Record whether a person wants no notifications.
INSERT INTO notified_person (user_id, is_muted) VALUES (%(user_id)s, %(is_muted)s)
ON CONFLICT (user_id) DO UPDATE SET is_muted = excluded.is_muted

-- muted --
-- Return a row if a person wants no notifications.
SELECT 1 FROM notified_person WHERE user_id = %(user_id)s AND is_muted
