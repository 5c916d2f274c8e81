-- lock_identity --
-- Have no other transaction count the tokens of %(identity)s until this one ends.
SELECT pg_advisory_xact_lock(%(kind)s, hashtext(%(identity)s))

-- find --
-- Return the token with the digest %(hash)s.
-- include token_rows --
  AND t.hash = %(hash)s

-- counting --
-- Return those of the tokens %(tokens)s that count.
SELECT id FROM token WHERE id = ANY(%(tokens)s) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- used --
-- Note that the token %(token)s is used, unless that was noted within the last minute.
UPDATE token SET last_used_at = now() WHERE id = %(token)s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')

-- owned --
-- Return the tokens of the person %(person)s, of the agent %(agent)s, or of all (both null).
-- include token_rows --
  AND (%(person)s::text IS NULL OR t.person = %(person)s) AND (%(agent)s::bigint IS NULL OR t.agent = %(agent)s)
ORDER BY t.id

-- add --
-- Write a token, limited to the rooms %(rooms)s unless they are null; return its number. Processes
-- learn whether any token may subscribe.
WITH made AS (
    INSERT INTO token (name, person, agent, hash, nonce, capabilities, all_rooms, made_by, expires_at)
    VALUES (%(name)s, %(person)s, %(agent)s, %(hash)s, %(nonce)s, %(capabilities)s, %(rooms)s::text[] IS NULL, %(made_by)s,
            now() + make_interval(secs => %(seconds)s))
    RETURNING id
), limited AS (
    INSERT INTO token_room (token, room)
    SELECT made.id, room.id FROM made, room WHERE room.room_id = ANY(%(rooms)s::text[])
)
SELECT id, pg_notify('agent_bridge', 'roles') FROM made

-- nonce --
-- Return the text from which the token %(token)s derives; no row if it was revoked or told.
SELECT nonce FROM token WHERE id = %(token)s AND nonce IS NOT NULL AND revoked_at IS NULL

-- told --
-- Forget the text from which the token %(token)s derives: its owner has the token.
UPDATE token SET nonce = NULL WHERE id = %(token)s

-- revoke --
-- End the token %(token)s.
UPDATE token SET revoked_at = now(), nonce = NULL WHERE id = %(token)s AND revoked_at IS NULL

-- known_rooms --
-- Return those of the rooms %(rooms)s that the bridge knows.
SELECT room_id FROM room WHERE room_id = ANY(%(rooms)s::text[]) AND status NOT IN ('deleting', 'ended')
