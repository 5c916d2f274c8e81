-- reach --
-- Note that programs may ask %(user)s.
INSERT INTO reachable_person (user_id) VALUES (%(user)s) ON CONFLICT DO NOTHING

-- unreach --
-- Note that programs may not ask %(user)s any more.
DELETE FROM reachable_person WHERE user_id = %(user)s

-- reachable --
-- Return the people whom programs may ask; %(user)s: only this one, null: all.
SELECT user_id, created_at FROM reachable_person WHERE coalesce(user_id = %(user)s::text, true) ORDER BY created_at, user_id

-- open_count --
-- Return the number of questions of %(owner)s that wait for %(person)s, but for the one of the request %(key)s.
SELECT count(*) AS questions FROM person_question
WHERE person = %(person)s AND owner = %(owner)s AND key <> %(key)s AND answer IS NULL AND deadline > now()

-- add --
-- Write the question of the request %(key)s, unless it is known.
INSERT INTO person_question (key, owner, person, room_id, thread, deadline)
VALUES (%(key)s, %(owner)s, %(person)s, %(room_id)s, %(thread)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (key) DO NOTHING

-- sent --
-- Note that the question of the request %(key)s is the event %(event_id)s.
UPDATE person_question SET event_id = %(event_id)s WHERE key = %(key)s

-- seen --
-- Note that questions of the requests %(keys)s are the %(events)s, unless their events are known.
UPDATE person_question q SET event_id = seen.event_id
FROM unnest(%(keys)s::text[], %(events)s::text[]) AS seen (key, event_id)
WHERE q.key = seen.key AND q.event_id IS NULL

-- forget --
-- Forget the question of the request %(key)s, which was not sent.
DELETE FROM person_question WHERE key = %(key)s AND event_id IS NULL

-- in_rooms --
-- Return the questions in the rooms %(rooms)s that wait for answers, the oldest first, and those that one of %(events)s answers.
SELECT id, room_id, person, thread, event_id, answer_event FROM person_question
WHERE room_id = ANY(%(rooms)s::text[])
  AND (answer IS NULL AND deadline > now() OR answer_event = ANY(%(events)s::text[]))
ORDER BY id

-- answer --
-- Store the answer to the question %(question)s, unless there is one; the programs that wait are signalled.
UPDATE person_question SET answer = %(text)s, answer_event = %(event_id)s, answered_at = now()
WHERE id = %(question)s AND answer IS NULL RETURNING pg_notify('agent_bridge', 'answers')

-- redact --
-- Forget the answer that was the event %(event_id)s of the room %(room_id)s.
UPDATE person_question SET answer = '' WHERE room_id = %(room_id)s AND answer_event = %(event_id)s
