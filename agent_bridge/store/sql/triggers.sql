-- lock_owner --
-- Have no other transaction count the triggers of the person %(owner)s until this one ends.
SELECT pg_advisory_xact_lock(%(kind)s, hashtext(%(owner)s))

-- owned --
-- Return the active triggers of the person %(owner)s, or of all people (null).
-- include trigger_rows --
  AND (%(owner)s::text IS NULL OR g.owner = %(owner)s) AND g.used_key IS NULL AND (g.expires_at IS NULL OR g.expires_at > now())
ORDER BY g.id

-- add --
-- Write a trigger for the agent %(agent)s in the room %(room_id)s; return its number, and its end.
INSERT INTO trigger (public_id, kind, name, owner, agent, room, token_hash, signing_key, expires_at)
SELECT %(public_id)s, %(kind)s, %(name)s, %(owner)s, %(agent)s, id, %(token_hash)s, %(signing_key)s,
       now() + make_interval(secs => %(seconds)s)
FROM room WHERE room_id = %(room_id)s
RETURNING id

-- find --
-- Return the signed trigger %(public_id)s.
-- include trigger_rows --
  AND g.kind = 'signed' AND g.public_id = %(public_id)s

-- find_callback --
-- Return the trigger whose callback URL has the token with the digest %(token_hash)s.
-- include trigger_rows --
  AND g.token_hash = %(token_hash)s

-- lock --
-- Lock the trigger %(trigger)s until the transaction ends, and return it.
-- include trigger_rows --
  AND g.id = %(trigger)s FOR UPDATE OF g

-- key --
-- Return the key of the signatures of a trigger.
SELECT signing_key FROM trigger WHERE id = %(trigger)s

-- secret --
-- Return the key and the end of the trigger %(trigger)s; no row if it was revoked.
SELECT public_id, signing_key, expires_at FROM trigger WHERE id = %(trigger)s

-- is_known --
-- Return a row if the request %(key)s of the trigger %(trigger)s was accepted.
SELECT 1 FROM trigger_request WHERE trigger = %(trigger)s AND key = %(key)s

-- recent --
-- Return the number of requests of the trigger %(trigger)s that were accepted within the last minute.
SELECT count(*) AS requests FROM trigger_request WHERE trigger = %(trigger)s AND created_at > now() - interval '1 minute'

-- note --
-- Write an accepted request down; a callback URL wakes no more.
WITH noted AS (
    INSERT INTO trigger_request (trigger, key) VALUES (%(trigger)s, %(key)s)
)
UPDATE trigger SET last_used_at = now(), used_key = CASE WHEN kind = 'callback' THEN %(key)s END WHERE id = %(trigger)s

-- revoke --
-- Delete the trigger %(trigger)s.
DELETE FROM trigger WHERE id = %(trigger)s RETURNING name

-- forget_text --
-- Forget the text of the turn %(turn)s: the message for the agent has it now.
UPDATE turn SET payload = jsonb_set(payload, '{text}', '""') WHERE id = %(turn)s

-- source --
-- Lock the turn %(turn)s, whose notice is shown, and return it; no row if another worker has taken it up. It may not wake
-- the agent if a person has redacted the notice, or if the agent has left the room.
SELECT t.payload ->> 'text' AS text, t.stopped_by IS NULL AND NOT t.redacted AND t.answer IS NOT NULL AS may_ask, EXISTS (
    SELECT 1 FROM conversation c JOIN room r ON r.room_id = c.room_id JOIN participant p ON p.room = r.id
    WHERE c.id = t.conversation AND p.agent = %(agent)s AND p.state = 'joined') AS is_present
FROM turn t WHERE t.id = %(turn)s AND t.attempts = %(attempts)s AND t.state = 'committed' FOR UPDATE OF t
