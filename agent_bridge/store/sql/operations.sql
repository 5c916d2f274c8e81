-- request --
-- Write an operation, unless one with the key %(key)s is there.
INSERT INTO operation (kind, key, params, requested_by, turn)
VALUES (%(kind)s, %(key)s, %(params)s, %(by)s, %(turn)s)
ON CONFLICT (key) DO NOTHING
RETURNING pg_notify('agent_bridge', 'operations')

-- id_of --
-- Return the row id of the operation with the key %(key)s.
SELECT id FROM operation WHERE key = %(key)s

-- find --
-- Return an operation.
SELECT id, kind, params, state, cursor, done, total, found, error, tries, turn FROM operation WHERE id = %(operation)s

-- next --
-- Return the oldest operation that is not finished, but for %(others)s and those of %(kinds)s.
SELECT id, kind, params, state, cursor, done, total, found, error, tries, turn FROM operation
WHERE finished_at IS NULL AND id <> ALL(%(others)s::bigint[]) AND kind <> ALL(%(kinds)s::text[]) ORDER BY id LIMIT 1

-- progress --
-- Record the steps of an operation that are done, unless another leader has recorded some since.
UPDATE operation SET state = 'running', cursor = %(cursor)s, done = %(done)s, total = %(total)s,
       found = found || %(found)s, tries = 0
WHERE id = %(operation)s AND finished_at IS NULL AND done = %(before)s

-- failed --
-- Record a failure of an operation that goes on.
UPDATE operation SET tries = tries + 1 WHERE id = %(operation)s AND finished_at IS NULL

-- finish --
-- End an operation, which failed because of %(error)s unless that is null.
UPDATE operation SET state = CASE WHEN %(error)s::text IS NULL THEN 'done' ELSE 'failed' END, error = %(error)s,
       finished_at = now()
WHERE id = %(operation)s AND finished_at IS NULL

-- notice --
-- Return the first event of the answer to the turn %(turn)s that shows the progress of an operation, null before it was sent.
-- No row: the command was redacted, or will have no answer.
SELECT c.room_id, o.event_id, t.key, t.voice FROM turn t JOIN conversation c ON c.id = t.conversation
LEFT JOIN outbox o ON o.turn = t.id AND o.part = 0
WHERE t.id = %(turn)s AND NOT t.redacted AND (t.open OR o.event_id IS NOT NULL)

-- is_awaited --
-- Tell whether the operation with the key %(key)s may end soon: it goes on, has not failed %(tries)s times in a row, and was
-- requested less than %(seconds)s seconds ago. An operation whose position is over has done all its steps.
SELECT finished_at IS NULL AND NOT coalesce((cursor->>'over')::boolean, false) AND tries < %(tries)s
       AND created_at > now() - make_interval(secs => %(seconds)s) AS is_awaited
FROM operation WHERE key = %(key)s
