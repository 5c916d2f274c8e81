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
SELECT id, kind, params, state, cursor, done, total, found, error, tries, turn, note,
       extract(epoch FROM now() - created_at)::float AS age
FROM operation WHERE id = %(operation)s

-- next --
-- Return the oldest operation that a runner has not finished, but for %(others)s and those of %(kinds)s.
SELECT id, kind, params, state, cursor, done, total, found, error, tries, turn, note,
       extract(epoch FROM now() - created_at)::float AS age
FROM operation
WHERE finished_at IS NULL AND NOT tracked AND id <> ALL(%(others)s::bigint[]) AND kind <> ALL(%(kinds)s::text[]) ORDER BY id LIMIT 1

-- progress --
-- Record the steps of an operation that are done, unless another leader has recorded some since.
UPDATE operation SET state = 'running', cursor = %(cursor)s, done = %(done)s, total = %(total)s,
       found = found || %(found)s, tries = 0, note = %(note)s, updated_at = now()
WHERE id = %(operation)s AND finished_at IS NULL AND done = %(before)s

-- failed --
-- Record a failure of an operation that goes on.
UPDATE operation SET tries = tries + 1, updated_at = now() WHERE id = %(operation)s AND finished_at IS NULL

-- finish --
-- End an operation, which failed because of %(error)s unless that is null.
UPDATE operation SET state = CASE WHEN %(error)s::text IS NULL THEN 'done' ELSE 'failed' END, error = %(error)s,
       updated_at = now(), finished_at = now()
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

-- entries --
-- Return the operations that go on, the newest first, and then those that ended last; %(limit)s of each.
(SELECT id, kind, state, done, total, note, error, requested_by, created_at, updated_at, finished_at
 FROM operation WHERE finished_at IS NULL ORDER BY id DESC LIMIT %(limit)s)
UNION ALL
(SELECT id, kind, state, done, total, note, error, requested_by, created_at, updated_at, finished_at
 FROM operation WHERE finished_at IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT %(limit)s)

-- running --
-- Return the operations that go on, the oldest first, at most %(limit)s.
SELECT id, kind, state, done, total, note, error, requested_by, created_at, updated_at, finished_at
FROM operation WHERE finished_at IS NULL ORDER BY id LIMIT %(limit)s

-- tracked --
-- Return the row of the work of the kind %(kind)s that is tracked and goes on.
SELECT id, done, total FROM operation WHERE kind = %(kind)s AND tracked AND finished_at IS NULL

-- track --
-- Write how far the work of the kind %(kind)s is, that other rows drive; of several rows only one goes on.
INSERT INTO operation (kind, key, params, state, done, total, note, requested_by, tracked)
VALUES (%(kind)s, %(key)s, '{}', 'running', %(done)s, %(total)s, %(note)s, '', true)
ON CONFLICT (kind) WHERE finished_at IS NULL AND tracked
DO UPDATE SET done = EXCLUDED.done, total = EXCLUDED.total, note = EXCLUDED.note, updated_at = now()
RETURNING id

-- end_tracked --
-- End the work of the kind %(kind)s, all of which is done, unless %(error)s says otherwise.
UPDATE operation SET state = CASE WHEN %(error)s::text IS NULL THEN 'done' ELSE 'failed' END, error = %(error)s,
       done = CASE WHEN %(error)s::text IS NULL THEN total ELSE done END, updated_at = now(), finished_at = now()
WHERE kind = %(kind)s AND tracked AND finished_at IS NULL

-- end_unknown --
-- End the tracked work of kinds that this program does not know: a later version wrote it.
UPDATE operation SET state = 'failed', error = 'unknown kind', updated_at = now(), finished_at = now()
WHERE tracked AND finished_at IS NULL AND kind <> ALL(%(kinds)s::text[])

-- count_deleting --
-- Return the number of those of the rooms %(rooms)s that are being deleted.
SELECT count(*) AS "left" FROM room WHERE id = ANY(%(rooms)s::bigint[]) AND status = 'deleting'
