-- find --
-- Return the request %(key)s of the token %(token)s.
SELECT id, digest, handle, event_id, status, response, created_at, effect FROM api_request WHERE token = %(token)s AND key = %(key)s

-- begin --
-- Write the request %(key)s of the token %(token)s; no row if it is known.
INSERT INTO api_request (token, key, action, digest, handle, name)
VALUES (%(token)s, %(key)s, %(action)s, %(digest)s, %(handle)s, %(name)s)
ON CONFLICT (token, key) DO NOTHING
RETURNING id, digest, handle, event_id, status, response, created_at, effect

-- lock --
-- Lock the request %(request)s, and return the effect of its first step. No row: the token was erased.
SELECT effect FROM api_request WHERE id = %(request)s FOR NO KEY UPDATE

-- put --
-- Record the effect of the first step of the request %(request)s.
UPDATE api_request SET effect = %(effect)s WHERE id = %(request)s

-- sent --
-- Note that the request %(request)s has sent the event %(event_id)s in the room %(room_id)s.
UPDATE api_request SET room_id = %(room_id)s, event_id = %(event_id)s WHERE id = %(request)s

-- finish --
-- Store the response to the request %(request)s, unless there is one; return the one that counts.
UPDATE api_request SET status = coalesce(status, %(status)s), response = coalesce(response, %(response)s),
       finished_at = coalesce(finished_at, now())
WHERE id = %(request)s RETURNING status, response

-- forget --
-- Forget the request %(request)s, which had no effect.
DELETE FROM api_request WHERE id = %(request)s AND status IS NULL AND event_id IS NULL AND effect IS NULL

-- by_handle --
-- Return the request with the handle %(handle)s of a token of the same identity as %(token)s.
SELECT q.id, q.digest, q.handle, q.event_id, q.status, q.response, q.created_at, q.effect, q.room_id
FROM api_request q JOIN token theirs ON theirs.id = q.token JOIN token own ON own.id = %(token)s
WHERE q.handle = %(handle)s AND theirs.person IS NOT DISTINCT FROM own.person AND theirs.agent IS NOT DISTINCT FROM own.agent

-- sender --
-- Return the user id of the person, or the ghost of the agent, whose program sent the event %(event_id)s.
SELECT t.person, a.ghost FROM api_request q JOIN token t ON t.id = q.token LEFT JOIN agent a ON a.id = t.agent
WHERE q.event_id = %(event_id)s LIMIT 1

-- await --
-- Have the end of the open answers to the events %(events)s sent as a signal. A message that was collected is answered by
-- another turn; one that may yet be collected is open, too.
UPDATE turn SET awaited = true
WHERE NOT awaited AND open AND id = ANY(ARRAY(
    SELECT coalesce(part.collected_into, part.id) FROM turn part WHERE part.event_id = ANY(%(events)s::text[])))

-- answers --
-- Return the answers to the events %(events)s: for each agent that is asked, with the events that show the answer. A message
-- that was collected is answered by another turn. Those that wait for an agent, and refusals, are included, and so are
-- the answers of people. One whose question was edited in the meantime is open until it is asked again. One that a person has
-- ended has no answer, also while it waits for the one before it.
SELECT t.event_id, head.kind, CASE WHEN over.is_so THEN 'stopped' ELSE head.state END AS state,
       (head.open AND NOT over.is_so) OR edit.id IS NOT NULL AS open, head.stop, head.answer, head.error, a.id AS agent, a.name, a.ghost, head.awaited,
       head.id AS turn, NULL AS person, head.input_tokens, head.output_tokens, head.cached_tokens,
       head.quota_until IS NOT NULL AS is_over_quota,
       CASE WHEN isfinite(head.quota_until) THEN greatest(extract(epoch FROM head.quota_until - now()), 1)::float END AS again_in,
       ARRAY(SELECT o.event_id FROM outbox o
             WHERE o.turn = head.id AND o.event_id IS NOT NULL AND o.part >= 0 AND o.part < %(parts)s ORDER BY o.part) AS shown,
       CASE WHEN head.open THEN '{}' ELSE head.extras END AS extras
FROM turn t JOIN turn head ON head.id = coalesce(t.collected_into, t.id)
     JOIN conversation c ON c.id = head.conversation LEFT JOIN agent a ON a.id = c.agent
     LEFT JOIN LATERAL (
         SELECT e.id FROM turn e WHERE head.stop = 'edited' AND e.target = t.id AND e.kind = 'edit' AND e.open LIMIT 1
     ) edit ON true
     CROSS JOIN LATERAL (SELECT head.state = 'queued' AND coalesce(head.stop, '') IN ('stopped', 'withdrawn') AS is_so) over
WHERE t.event_id = ANY(%(events)s::text[]) AND t.kind IN ('message', 'refusal', 'choice')
UNION ALL
SELECT q.event_id, 'message', CASE WHEN q.answer IS NULL THEN 'failed' ELSE 'done' END, q.answer IS NULL AND q.deadline > now(), NULL,
       q.answer, CASE WHEN q.answer IS NULL AND q.deadline <= now() THEN 'the person did not answer in time' END, NULL, q.person, NULL,
       true, NULL, q.person, NULL, NULL, NULL, false, NULL, CASE WHEN q.answer_event IS NULL THEN '{}' ELSE ARRAY[q.answer_event] END, '{}'
FROM person_question q WHERE q.event_id = ANY(%(events)s::text[]) ORDER BY turn

-- mark_read --
-- Note that %(user_id)s has read the room %(room_id)s up to the event %(event_id)s; an earlier event changes nothing.
INSERT INTO read_marker (user_id, room, event_id, said_at)
SELECT %(user_id)s, id, %(event_id)s, to_timestamp(%(said_at)s / 1000.0) FROM room WHERE room_id = %(room_id)s
ON CONFLICT (user_id, room) DO UPDATE SET event_id = EXCLUDED.event_id, said_at = EXCLUDED.said_at
WHERE read_marker.said_at <= EXCLUDED.said_at

-- markers --
-- Return how far %(user_id)s has read the rooms %(rooms)s.
SELECT r.room_id, m.event_id, (extract(epoch FROM m.said_at) * 1000)::bigint AS said_at
FROM read_marker m JOIN room r ON r.id = m.room WHERE m.user_id = %(user_id)s AND r.room_id = ANY(%(rooms)s::text[])
