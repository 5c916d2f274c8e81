-- lock_targets --
-- Lock and return the messages that a change is about: those of the event %(target)s, or for another answer also the
-- one that the event answers. New content counts only from the sender of the message. A message that waits, also as a
-- part of another turn, can still get new content (waits).
SELECT t.id, t.conversation, coalesce(t.collected_into, t.id) AS head, t.kind, t.payload, a.ghost,
       'queued' IN (t.state, (SELECT h.state FROM turn h WHERE h.id = t.collected_into)) AS waits
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE c.room_id = %(room_id)s AND t.kind = 'message' AND NOT t.redacted
  AND (t.event_id = %(target)s
       OR (%(again)s AND t.id IN (SELECT turn FROM outbox WHERE event_id = %(target)s)))
  AND (%(again)s OR t.sender = %(sender)s)
ORDER BY t.id FOR UPDATE OF t

-- lock_waiting --
-- Lock and return the changes of the kind %(kind)s of the messages %(targets)s that wait, other than %(event_id)s.
SELECT id, target, position FROM turn
WHERE target = ANY(%(targets)s) AND kind = %(kind)s AND state = 'queued' AND attempts = 0 AND event_id <> %(event_id)s
ORDER BY position, id FOR UPDATE

-- note --
-- Write a change as a turn in the lane of each of its targets; return these lanes. A message that was not claimed yet
-- gets its new content now, and the change is done. An edit takes the place of one that waits (waiting, place). An answer
-- to the old content ends, unless more was said since. A message that was collected is answered by the turn that it was
-- collected into (head).
WITH target AS (
    SELECT * FROM unnest(
        %(targets)s::bigint[], %(lanes)s::bigint[], %(heads)s::bigint[], %(keys)s::text[], %(edited)s::jsonb[],
        %(waits)s::boolean[], %(waiting)s::bigint[], %(places)s::bigint[]
    ) AS target (id, conversation, head, key, edited, waits, waiting, place)
), noted AS (
    INSERT INTO turn (event_id, key, conversation, kind, sender, payload, target, position, state, finished_at, said_at)
    SELECT %(event_id)s, key, conversation, %(kind)s, %(sender)s, %(payload)s, id,
           coalesce(place, nextval('turn_position_seq')),
           CASE WHEN %(kind)s = 'edit' AND waits THEN 'done' ELSE 'queued' END,
           CASE WHEN %(kind)s = 'edit' AND waits THEN now() END,
           CASE WHEN %(said_at)s::bigint > 0 THEN least(now(), to_timestamp(%(said_at)s::bigint / 1000.0))
                ELSE now() END
    FROM target
    ON CONFLICT (event_id, conversation) DO NOTHING
    RETURNING id, conversation
), replaced AS (
    UPDATE turn SET state = 'collected', collected_into = noted.id, finished_at = now()
    FROM target JOIN noted ON noted.conversation = target.conversation
    WHERE turn.id = target.waiting
), rewritten AS (
    UPDATE turn SET payload = target.edited, edited_by = %(event_id)s, original = coalesce(original, turn.payload)
    FROM target JOIN noted ON noted.conversation = target.conversation
    WHERE %(kind)s = 'edit' AND turn.id = target.id AND target.waits
), ended AS (
    UPDATE turn SET stop = 'edited', stopped_by = %(event_id)s
    FROM target JOIN noted ON noted.conversation = target.conversation
    WHERE %(kind)s = 'edit' AND turn.id = target.head AND turn.state = 'running' AND turn.stop IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM turn later
          WHERE later.conversation = turn.conversation AND later.open AND later.kind = 'message'
            AND later.state = 'queued'
      )
    RETURNING pg_notify('agent_bridge', 'stops')
)
SELECT conversation FROM noted

-- lock_target --
-- Lock and return the message that the change %(turn)s is about. The target is locked before the change, here as where
-- it is forgotten, so that neither waits for the other for ever.
SELECT t.id, t.kind, t.payload FROM turn t
WHERE t.id = (SELECT target FROM turn WHERE id = %(turn)s) AND NOT t.redacted FOR UPDATE

-- lock_change --
-- Lock the change %(turn)s; return a row if it is this worker's.
SELECT 1 FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s AND state = 'running' FOR UPDATE

-- judge --
-- Return whether the message %(target)s has the content of the edit %(turn)s, or of a later one, already; and whether
-- more was said in its lane between the message and the edit.
SELECT EXISTS (
           SELECT 1 FROM turn applied
           WHERE applied.event_id = t.edited_by AND applied.conversation = t.conversation
             AND applied.position >= change.position
       ) AS known,
       EXISTS (
           SELECT 1 FROM turn later
           WHERE later.conversation = t.conversation AND later.kind = 'message'
             AND later.position > greatest(t.position, head.position) AND later.position < change.position
             AND coalesce(later.collected_into, later.id) <> head.id
       ) AS past
FROM turn t JOIN turn head ON head.id = coalesce(t.collected_into, t.id), turn change
WHERE t.id = %(target)s AND change.id = %(turn)s

-- ask_again --
-- Queue the message %(target)s again in the position of the change %(turn)s, if it is closed. A new content %(edited)s
-- is applied; null: the content stays. A message that was collected is asked with the turn that it was collected into
-- (head).
WITH target AS (
    SELECT t.id, coalesce(t.collected_into, t.id) AS head FROM turn t WHERE t.id = %(target)s
), change AS (
    SELECT position, event_id FROM turn WHERE id = %(turn)s
), rewritten AS (
    UPDATE turn SET payload = %(edited)s, edited_by = change.event_id, original = coalesce(original, payload)
    FROM change, target
    WHERE turn.id = target.id AND turn.id <> target.head AND %(edited)s::jsonb IS NOT NULL
), forgotten AS (
    DELETE FROM message USING target WHERE message.turn = target.head
)
UPDATE turn SET state = 'queued', position = change.position, failures = 0, interruptions = 0,
       upstream_waits = 0, upstream_waited = 0, retries = retries + 1, retried_at = now(), not_before = NULL,
       stop = NULL, stopped_by = NULL, answer = NULL, extras = '{}', error = NULL, finished_at = NULL,
       payload = CASE WHEN turn.id = target.id THEN coalesce(%(edited)s, turn.payload) ELSE turn.payload END,
       edited_by = CASE WHEN turn.id = target.id AND %(edited)s::jsonb IS NOT NULL THEN change.event_id
                        ELSE turn.edited_by END,
       original = CASE WHEN turn.id = target.id AND %(edited)s::jsonb IS NOT NULL
                       THEN coalesce(turn.original, turn.payload) ELSE turn.original END,
       steps = append_step(turn.steps, %(step)s)
FROM change, target
WHERE turn.id = target.head AND turn.state IN ('done', 'failed', 'stopped')
