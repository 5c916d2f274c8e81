-- add_news --
-- Keep the news of the kinds %(kinds)s with the contents %(contents)s of the senders %(senders)s for the users %(users)s,
-- and wake the leader. Those about used-up keys are kept once for each user, and only for the user's device among
-- %(devices)s: Synapse counts the keys of cross-signing keys, too, as if they were devices.
WITH news AS (
    SELECT * FROM unnest(%(users)s::text[], %(kinds)s::text[], %(contents)s::text[], %(devices)s::text[], %(senders)s::text[])
         WITH ORDINALITY AS n(user_id, kind, content, device, sender, place)
), added AS (
    INSERT INTO encryption.inbox (user_id, kind, content, sender)
    SELECT n.user_id, n.kind, n.content, n.sender FROM news n
    WHERE n.kind <> 'keys'
       OR EXISTS (SELECT 1 FROM encryption.device d WHERE d.user_id = n.user_id AND d.device_id = n.device)
          AND NOT EXISTS (SELECT 1 FROM encryption.inbox i WHERE i.user_id = n.user_id AND i.kind = 'keys')
    ORDER BY n.place
)
SELECT pg_notify('agent_bridge', 'keys')

-- users --
-- Return the users for whom there is news.
SELECT user_id FROM encryption.inbox GROUP BY user_id ORDER BY min(id)

-- seal --
-- Keep the encrypted events %(events)s with the ids %(ids)s, of the rooms %(rooms)s, the senders %(senders)s and the
-- sessions %(sessions)s, unless they are kept, in their order, and wake the leader. The homeserver is asked again about
-- rooms that were not encrypted.
WITH asked_again AS (
    DELETE FROM encrypted_room WHERE room_id = ANY(%(rooms)s) AND NOT is_encrypted
), sealed AS (
    INSERT INTO sealed_event (event_id, room_id, sender, session_id, event)
    SELECT e.event_id, e.room_id, e.sender, e.session_id, e.event
    FROM unnest(%(ids)s::text[], %(rooms)s::text[], %(senders)s::text[], %(sessions)s::text[], %(events)s::text[])
         WITH ORDINALITY AS e(event_id, room_id, sender, session_id, event, place)
    ORDER BY e.place
    ON CONFLICT (event_id) DO NOTHING
)
SELECT pg_notify('agent_bridge', 'keys')

-- mark_encrypted --
-- Note that the rooms %(rooms)s are encrypted, and wake the leader, which gives devices to the bridge's users there.
WITH marked AS (
    INSERT INTO encrypted_room (room_id, is_encrypted)
    SELECT room_id, true FROM unnest(%(rooms)s::text[]) AS room_id ORDER BY room_id
    ON CONFLICT (room_id) DO UPDATE SET is_encrypted = true WHERE NOT encrypted_room.is_encrypted
)
SELECT pg_notify('agent_bridge', 'keys')

-- members_changed --
-- Note that the members of the rooms %(rooms)s changed: sessions have to be shared anew.
UPDATE encrypted_room SET version = version + 1 WHERE room_id = ANY(%(rooms)s)

-- forget --
-- Forget the events %(events)s, which were redacted, and ignore them: one may have been opened, and is to be taken in.
WITH forgotten AS (
    DELETE FROM sealed_event WHERE event_id = ANY(%(events)s) RETURNING event_id, room_id
)
INSERT INTO ignored (event_id, room_id, reason) SELECT event_id, room_id, 'redacted' FROM forgotten
ON CONFLICT (event_id) DO UPDATE SET reason = excluded.reason

-- due --
-- Return the rooms with events that may be opened, and the seconds until then: the first one of each room, and those that
-- were told of and whose keys came since.
SELECT room_id, greatest(extract(epoch FROM min(next_at) - now()), 0)::float AS wait
FROM (
    (SELECT DISTINCT ON (room_id) room_id, next_at FROM sealed_event WHERE NOT is_told ORDER BY room_id, id)
    UNION ALL
    SELECT room_id, next_at FROM sealed_event WHERE is_told AND next_at < 'infinity'
) AS each
GROUP BY room_id ORDER BY wait

-- first --
-- Return the first event of the room %(room_id)s after the row %(after)s that may be opened, or waits for its key with
-- those behind it, and its age in seconds. The room knows of it if it was told of its session, or five times in the last
-- hour of messages of its sender.
SELECT e.id, e.event, e.is_told, e.is_asked, e.next_at, e.next_at > now() AS waits,
       extract(epoch FROM now() - e.received_at)::float AS age,
       EXISTS (SELECT FROM sealed_event t WHERE t.room_id = e.room_id AND t.is_told AND t.sender = e.sender
                                            AND t.session_id = e.session_id)
       OR (SELECT count(*) >= 5 FROM sealed_event t WHERE t.room_id = e.room_id AND t.is_told AND t.sender = e.sender
                                                      AND t.received_at > now() - interval '1 hour') AS is_known
FROM sealed_event e
WHERE e.room_id = %(room_id)s AND e.id > %(after)s AND NOT (e.is_told AND e.next_at > now())
ORDER BY e.id LIMIT 1

-- heed --
-- Ignore the event %(id)s no more, whose key came.
DELETE FROM ignored i USING sealed_event e
WHERE e.id = %(id)s AND i.event_id = e.event_id AND i.reason = 'encrypted'

-- keeps --
-- Return a row if the event %(id)s is kept.
SELECT 1 FROM sealed_event WHERE id = %(id)s

-- opened --
-- Forget the event %(id)s.
DELETE FROM sealed_event WHERE id = %(id)s

-- later --
-- Try the event %(id)s again in %(seconds)s seconds; the devices of its sender were asked for the key.
UPDATE sealed_event SET is_asked = true, next_at = now() + make_interval(secs => %(seconds)s) WHERE id = %(id)s

-- told --
-- Ignore the event %(id)s, whose room knows that it cannot be read, unless its key came since it was read, with %(next_at)s.
-- It is tried again when its key comes.
WITH told AS (
    UPDATE sealed_event SET next_at = 'infinity', is_told = true WHERE id = %(id)s AND next_at = %(next_at)s
    RETURNING event_id, room_id
)
INSERT INTO ignored (event_id, room_id, reason) SELECT event_id, room_id, 'encrypted' FROM told
ON CONFLICT DO NOTHING

-- rooms_without_devices --
-- Return encrypted rooms whose users of the bridge may have no devices.
SELECT room_id FROM encrypted_room WHERE is_encrypted AND NOT has_devices ORDER BY room_id LIMIT 100

-- have_devices --
-- Note that the users of the bridge in the encrypted room %(room_id)s have devices.
UPDATE encrypted_room SET has_devices = true WHERE room_id = %(room_id)s

-- expired --
-- Forget the events that nobody could open for %(seconds)s seconds, and return how many there were.
WITH gone AS (DELETE FROM sealed_event WHERE received_at < now() - make_interval(secs => %(seconds)s) RETURNING 1)
SELECT count(*) AS number FROM gone
