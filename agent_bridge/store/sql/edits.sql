-- shared --
-- Return the thread and the first content of the message %(target)s of the person %(sender)s, which agents were asked.
SELECT c.thread_id AS thread, coalesce(t.original, t.payload) AS payload
FROM turn t JOIN conversation c ON c.id = t.conversation
WHERE c.room_id = %(room_id)s AND c.agent IS NOT NULL AND t.event_id = %(target)s AND t.kind = 'message'
  AND t.sender = %(sender)s AND t.asked_by IS NULL AND NOT t.redacted
ORDER BY t.id LIMIT 1

-- lock_targets --
-- Lock and return the messages that a change is about: those of the event %(target)s, or for another answer also the
-- one that the event answers. New content counts only from the sender of the message. A message that was collected is
-- answered by another turn (head). The message of an agent that asks another agent is no question here, but the answer.
SELECT t.id, t.conversation, coalesce(t.collected_into, t.id) AS head, a.ghost, c.agent
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE c.room_id = %(room_id)s AND t.kind = 'message' AND NOT t.redacted
  AND ((t.event_id = %(target)s AND t.asked_by IS NULL)
       OR (%(again)s AND t.id IN (SELECT turn FROM outbox WHERE event_id = %(target)s)))
  AND (%(again)s OR t.sender = %(sender)s)
ORDER BY t.id FOR UPDATE OF t

-- lock_waiting --
-- Lock and return the changes of the kind %(kind)s that wait, will be carried out and are about the same as a new one
-- (about), other than %(event_id)s: edits of the messages %(targets)s, or requests for another answer to the turns
-- %(heads)s. A change in front of an open message changes nothing: a retry has put the message behind it.
SELECT change.id, CASE WHEN change.kind = 'edit' THEN t.id ELSE head.id END AS about, change.position
FROM turn change JOIN turn t ON t.id = change.target JOIN turn head ON head.id = coalesce(t.collected_into, t.id)
WHERE (t.id = ANY(%(targets)s)
       OR (%(kind)s = 'again' AND (t.id = ANY(%(heads)s) OR t.collected_into = ANY(%(heads)s))))
  AND change.kind = %(kind)s AND change.state = 'queued' AND change.attempts = 0
  AND change.stop IS NULL AND NOT change.redacted AND change.event_id <> %(event_id)s
  AND (NOT head.open OR change.position > head.position)
ORDER BY change.position, change.id FOR UPDATE OF change

-- lock_heads --
-- Lock and return the turns %(heads)s. If a turn waits and will be answered, its messages can still get new content (due).
SELECT id, state = 'queued' AND coalesce(stop, 'redacted') = 'redacted' AS due FROM turn
WHERE id = ANY(%(heads)s) ORDER BY id FOR UPDATE

-- note --
-- Write a change as a turn in the lane of each of its targets; return these lanes. An edit of a message that waits is done
-- at once: the caller gives the message its new content. An edit takes the place of one that waits (waiting, place). An
-- answer to the old content ends, unless more was said since. A message that was collected is answered by the turn that
-- it was collected into (head).
WITH target AS (
    SELECT * FROM unnest(
        %(targets)s::bigint[], %(lanes)s::bigint[], %(heads)s::bigint[], %(keys)s::text[],
        %(waits)s::boolean[], %(waiting)s::bigint[], %(places)s::bigint[]
    ) AS target (id, conversation, head, key, waits, waiting, place)
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

-- withdraw --
-- End the answers to the messages %(targets)s, which are locked, because their edit %(event_id)s is for others; and earlier
-- edits that wait. Return the lanes. An answer to further messages goes on.
UPDATE turn SET stop = 'stopped', stopped_by = %(event_id)s, not_before = NULL
WHERE state IN ('queued', 'running') AND coalesce(stop, 'edited') IN ('edited', 'interrupted')
  AND ((id = ANY(%(targets)s::bigint[]) AND NOT EXISTS (SELECT 1 FROM turn part WHERE part.collected_into = turn.id))
       OR (kind = 'edit' AND target = ANY(%(targets)s::bigint[])))
RETURNING conversation, pg_notify('agent_bridge', 'stops')

-- target --
-- Return the message that the change %(turn)s is about, and the turn that answers it.
SELECT t.id, coalesce(t.collected_into, t.id) AS head FROM turn change JOIN turn t ON t.id = change.target
WHERE change.id = %(turn)s

-- lock_change --
-- Lock the change %(turn)s; return a row if it is this worker's.
SELECT 1 FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s AND state = 'running' FOR UPDATE

-- judge --
-- Return whether the turn %(head)s may be asked again: it is closed, it has a message that was not redacted, and no person
-- has stopped the change %(turn)s (asks). Return whether an edit has ended its answer, and it was not asked again since
-- (ended); whether the change was redacted (withdrawn); whether more was said in its lane between the message
-- %(target)s and the change (past): a message counts that an agent was or will be asked, and that was not redacted, or a
-- command after which the lane went on with another context; and whether its answer is shown once more, which comes
-- first (shown_again).
SELECT NOT head.open AND change.stop IS NULL
       AND (NOT head.redacted
            OR EXISTS (SELECT 1 FROM turn part WHERE part.collected_into = head.id AND NOT part.redacted)) AS asks,
       coalesce(head.stop, '') = 'edited' AS ended, change.redacted AS withdrawn,
       EXISTS (
           SELECT 1 FROM turn later
           WHERE later.conversation = t.conversation
             AND later.position > greatest(t.position, head.position) AND later.position < change.position
             AND (later.effect ? 'context'
                  OR (later.kind = 'message' AND coalesce(later.collected_into, later.id) <> head.id
                      AND NOT later.redacted
                      AND (later.open OR later.attempts > 0 OR later.collected_into IS NOT NULL)))
       ) AS past,
       head.state = 'committed' AND head.position < change.position AS shown_again
FROM turn head, turn t, turn change
WHERE head.id = %(head)s AND t.id = %(target)s AND change.id = %(turn)s

-- ask_again --
-- Queue the closed turn %(head)s again in the position of the change %(turn)s. Its messages leave the context that goes on
-- in its lane, to which the next answer adds others; contexts that ended and saved copies keep them.
WITH queued AS (
    UPDATE turn SET state = 'queued', position = change.position, failures = 0, interruptions = 0,
           upstream_waits = 0, upstream_waited = 0, retries = turn.retries + 1, retried_at = now(), begun_as = NULL,
           not_before = NULL, stop = NULL, stopped_by = NULL, answer = NULL, extras = '{}', error = NULL, finished_at = NULL,
           steps = append_step(turn.steps, %(step)s)
    FROM turn change
    WHERE turn.id = %(head)s AND change.id = %(turn)s
    RETURNING turn.id, turn.conversation
)
DELETE FROM message USING queued, conversation c
WHERE message.turn = queued.id AND c.id = queued.conversation AND message.conversation = c.id
  AND coalesce(message.context, 0) = coalesce(c.context, 0)
