-- lock_messages --
-- Lock and return the turns that the redaction of the event %(target)s changes: its own turns, the messages whose edit it
-- is, and the turn whose answer it shows; but for changes, which are locked last. Also those of the agents that an answer
-- to these turns has asked, and so on.
WITH RECURSIVE meant AS (
    SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s
    UNION
    SELECT t.target FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s
    UNION
    SELECT o.turn FROM outbox o JOIN turn t ON t.id = o.turn JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND o.event_id = %(target)s
), asked AS (
    SELECT id FROM meant
    UNION
    SELECT next.id FROM asked JOIN turn t ON t.id = asked.id
         JOIN turn next ON next.asked_in = coalesce(t.collected_into, t.id)
)
SELECT t.id FROM turn t
WHERE t.kind NOT IN ('edit', 'again') AND t.id IN (SELECT id FROM asked)
ORDER BY t.id FOR UPDATE

-- note --
-- Note the redaction %(event_id)s of the event %(target)s in the open messages of the room of which a part may have been
-- sent as an event that is not known yet. The statement `sent` of the turns reads the note.
UPDATE turn SET redactions = redactions || jsonb_build_object(%(target)s::text, %(event_id)s::text)
FROM conversation c
WHERE c.id = turn.conversation AND c.room_id = %(room_id)s AND turn.open AND turn.kind = 'message'
  AND EXISTS (SELECT 1 FROM outbox o WHERE o.turn = turn.id AND o.event_id IS NULL)

-- note_heard --
-- Note the redaction %(event_id)s of the event %(target)s in the open messages of a room in which agents get the words of
-- others with their questions. The statement `commit` of the turns reads the note.
UPDATE turn SET redactions = redactions || jsonb_build_object(%(target)s::text, %(event_id)s::text)
FROM conversation c JOIN room r ON r.room_id = c.room_id
WHERE c.id = turn.conversation AND c.room_id = %(room_id)s AND turn.open AND turn.kind = 'message'
  AND r.kind IN ('group', 'lobby', 'channel', 'pair')

-- forget_heard --
-- Forget the event %(target)s in the transcripts of agents that got it with a question, in all contexts and saved copies.
DELETE FROM message WHERE event_id = %(target)s OR edited_in = %(target)s

-- lock_heads --
-- Lock the turns that the turns %(turns)s were collected into.
SELECT 1 FROM turn WHERE id IN (SELECT collected_into FROM turn WHERE id = ANY(%(turns)s)) ORDER BY id FOR UPDATE

-- lock_changes --
-- Lock and return the changes that the event %(target)s has asked for.
SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s AND t.kind IN ('edit', 'again') ORDER BY t.id FOR UPDATE OF t

-- content --
-- Return the turns of the event %(target)s that have content.
SELECT t.id, t.kind, t.payload, t.target, coalesce(t.collected_into, t.id) AS head
FROM turn t JOIN conversation c ON c.id = t.conversation
WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s AND t.kind NOT IN ('invitation', 'redaction')
  AND NOT t.redacted
ORDER BY t.id

-- asked --
-- Return the turns that have content of the agents that the answers of the turns %(heads)s have asked, and so on, as
-- `content` does; forget the agents that wait to be asked.
WITH RECURSIVE asked AS (
    SELECT unnest(%(heads)s::bigint[]) AS id
    UNION
    SELECT coalesce(next.collected_into, next.id) FROM asked JOIN turn next ON next.asked_in = asked.id
), waiting AS (
    DELETE FROM chain_hold USING asked WHERE chain_hold.asked_in = asked.id
)
SELECT t.id, t.kind, t.payload, t.target, coalesce(t.collected_into, t.id) AS head
FROM asked JOIN turn t ON t.asked_in = asked.id WHERE NOT t.redacted ORDER BY t.id

-- forget --
-- Forget the content of the turns %(turns)s and of the edits of these messages; return the lanes of the turns. The effect
-- of a command that still runs keeps its text until the command is answered. A turn
-- that waits is closed, but for a refusal, which may be told for other messages too, and for an edit whose message has to
-- be asked again: the edit has ended the answer of the message, or took the place of an edit that is left.
WITH target AS (
    SELECT t.id, emptied.payload, t.state = 'queued' AND t.attempts = 0 AND t.kind <> 'refusal' AND NOT (
               t.kind = 'edit' AND (
                   EXISTS (
                       SELECT 1 FROM turn m JOIN turn h ON h.id = coalesce(m.collected_into, m.id)
                       WHERE m.id = t.target AND h.stop = 'edited'
                   ) OR EXISTS (
                       SELECT 1 FROM turn left_over WHERE left_over.collected_into = t.id AND NOT left_over.redacted
                   )
               )
           ) AS waits
    FROM unnest(%(turns)s::bigint[], %(payloads)s::jsonb[]) AS emptied (id, payload) JOIN turn t ON t.id = emptied.id
), edits AS (
    UPDATE turn SET payload = %(emptied_edit)s FROM target WHERE turn.target = target.id AND turn.kind = 'edit'
)
UPDATE turn SET payload = target.payload, original = NULL, redacted = true,
       effect = CASE WHEN turn.open THEN turn.effect ELSE turn.effect - 'text' END,
       state = CASE WHEN waits THEN 'stopped' ELSE turn.state END,
       stop = CASE WHEN waits THEN 'redacted' ELSE turn.stop END,
       stopped_by = CASE WHEN waits THEN %(event_id)s ELSE turn.stopped_by END,
       finished_at = CASE WHEN waits THEN now() ELSE turn.finished_at END,
       steps = append_step(turn.steps, %(step)s)
FROM target WHERE turn.id = target.id
RETURNING turn.conversation, pg_notify('agent_bridge', 'waiting')

-- forget_answers --
-- Forget the answers of the turns %(heads)s, of which a message was redacted or got an earlier text (%(edited)s); return
-- the turns and the lanes. An answer that is not shown yet ends, and the messages that are left are asked again. But nothing
-- of it stays if all messages were redacted and their answer is to be redacted (%(redact_answers)s), or if a person had
-- ended it and no message got another text.
UPDATE turn SET
       answer = CASE WHEN turn.open THEN answer END,
       extras = CASE WHEN turn.open THEN extras ELSE '{}' END,
       not_before = NULL,
       stop = CASE
           WHEN NOT turn.open OR turn.kind <> 'message' OR stop = 'withdrawn' THEN stop
           WHEN is_redacted AND %(redact_answers)s THEN 'withdrawn'
           WHEN stop IN ('stopped', 'dropped') AND NOT %(edited)s THEN 'withdrawn'
           ELSE 'redacted' END,
       stopped_by = CASE WHEN turn.open AND turn.kind = 'message' THEN %(event_id)s ELSE stopped_by END
FROM (
    SELECT h.id, h.redacted AND NOT EXISTS (
               SELECT 1 FROM turn part WHERE part.collected_into = h.id AND NOT part.redacted
           ) AS is_redacted
    FROM turn h WHERE h.id = ANY(%(heads)s::bigint[])
) AS head
WHERE turn.id = head.id AND (turn.state <> 'queued' OR turn.attempts > 0)
RETURNING turn.id, turn.conversation, turn.open, is_redacted, pg_notify('agent_bridge', 'stops')

-- forget_transcript --
-- Forget the messages that the turns %(turns)s added to the transcript, in all contexts and saved copies, and the answers
-- to them in the transcripts of other agents.
DELETE FROM message WHERE turn = ANY(%(turns)s::bigint[])
   OR event_id IN (SELECT event_id FROM outbox WHERE turn = ANY(%(turns)s::bigint[]) AND event_id IS NOT NULL)

-- retitle --
-- Take the titles back that were made, or are being made, from the turns %(turns)s. Each chat gets another one from the first
-- message that is left, or after its next answer.
UPDATE room SET name = CASE WHEN titled_by = 'made' THEN NULL ELSE name END,
       name_redacted = name_redacted OR coalesce(titled_by = 'made', false), titled_by = NULL, titled_from = NULL,
       changes = changes + 1, title_turn = (
           SELECT t.id FROM conversation c JOIN turn t ON t.conversation = c.id
           WHERE c.room_id = room.room_id AND c.agent = room.owner AND t.kind = 'message' AND t.state = 'done' AND NOT t.redacted
           ORDER BY t.position LIMIT 1)
WHERE (titled_from = ANY(%(turns)s::bigint[]) AND titled_by = 'made')
   OR (title_turn = ANY(%(turns)s::bigint[]) AND titled_by IS NULL)
RETURNING pg_notify('agent_bridge', 'chats')

-- forget_approvals --
-- Forget the tool calls about which the turns %(turns)s asked people, and the questions that wait for agents which connect
-- themselves.
WITH asked AS (
    DELETE FROM client_question WHERE turn = ANY(%(turns)s::bigint[])
)
DELETE FROM approval WHERE turn = ANY(%(turns)s::bigint[])

-- forget_reason --
-- Forget the reason of a decision that the event %(target)s made.
UPDATE approval SET reason = '' FROM turn t JOIN conversation c ON c.id = t.conversation
WHERE decided_in = %(target)s AND t.id = approval.turn AND c.room_id = %(room_id)s

-- forget_instructions --
-- Take the instructions for agents back that the event %(target)s gave.
UPDATE participant SET instructions = '', instructed_by = NULL, instructed_at = now()
FROM room r WHERE r.id = participant.room AND r.room_id = %(room_id)s AND participant.instructed_in = %(target)s

-- shown --
-- Forget which events show the answers of the turns %(turns)s, and return these events.
WITH forgotten AS (
    DELETE FROM outbox WHERE turn = ANY(%(turns)s::bigint[]) RETURNING turn, part, event_id
)
SELECT f.event_id, coalesce(t.voice, a.ghost) AS ghost FROM forgotten f JOIN turn t ON t.id = f.turn JOIN conversation c ON c.id = t.conversation
     LEFT JOIN agent a ON a.id = c.agent
WHERE f.event_id IS NOT NULL ORDER BY f.turn, f.part

-- withdraw --
-- Forget the answer that the event %(target)s shows; return the turn, whether a text of the agent was redacted, the ghost
-- that sent the event (null: the bot), and the lane of an answer that is ended. An answer that is being given ends, and
-- nothing of it stays; the notice that the message waits (part %(waiting)s) is no answer. Otherwise the event is
-- forgotten too, so that another answer is sent as a new event.
WITH part AS (
    SELECT o.turn, o.part, t.open, o.part BETWEEN 0 AND %(last_text)s AS is_text, coalesce(t.voice, a.ghost) AS ghost
    FROM outbox o JOIN turn t ON t.id = o.turn JOIN conversation c ON c.id = t.conversation
         LEFT JOIN agent a ON a.id = c.agent
    WHERE c.room_id = %(room_id)s AND o.event_id = %(target)s
), ended AS (
    UPDATE turn SET stop = 'withdrawn', stopped_by = %(event_id)s, not_before = NULL
    FROM part WHERE turn.id = part.turn AND turn.open AND turn.kind = 'message' AND part.part <> %(waiting)s
    RETURNING turn.conversation, pg_notify('agent_bridge', 'stops')
), forgotten AS (
    UPDATE turn SET answer = CASE WHEN is_text THEN NULL ELSE answer END, extras = '{}',
           steps = append_step(steps, %(step)s)
    FROM part WHERE turn.id = part.turn AND NOT turn.open
), freed AS (
    DELETE FROM outbox USING part WHERE outbox.turn = part.turn AND outbox.part = part.part AND NOT part.open
)
SELECT part.turn, part.is_text, part.ghost, part.open, ended.conversation FROM part LEFT JOIN ended ON true

-- unvoice --
-- Forget which events read the answers of the turns %(turns)s aloud (parts %(last)s to %(first)s), and return these events.
WITH forgotten AS (
    DELETE FROM outbox WHERE turn = ANY(%(turns)s::bigint[]) AND part BETWEEN %(last)s AND %(first)s
    RETURNING turn, part, event_id
)
SELECT f.event_id, coalesce(t.voice, a.ghost) AS ghost
FROM forgotten f JOIN turn t ON t.id = f.turn JOIN conversation c ON c.id = t.conversation LEFT JOIN agent a ON a.id = c.agent
WHERE f.event_id IS NOT NULL ORDER BY f.turn, f.part DESC

-- edited --
-- Return the messages whose content came from the edit %(target)s, each with its original content and the newest edit
-- that is left. An edit that waits for its place in the lane is applied there.
SELECT t.id, t.kind, t.original, coalesce(t.collected_into, t.id) AS head, left_over.event_id AS edited_by,
       left_over.payload AS edit
FROM turn t JOIN conversation c ON c.id = t.conversation
     LEFT JOIN LATERAL (
         SELECT e.event_id, e.payload FROM turn e
         WHERE e.target = t.id AND e.kind = 'edit' AND NOT e.open AND NOT e.redacted AND e.event_id <> %(target)s
         ORDER BY e.said_at DESC, e.position DESC, e.id DESC LIMIT 1
     ) AS left_over ON true
WHERE c.room_id = %(room_id)s AND t.edited_by = %(target)s AND t.kind = 'message' AND NOT t.redacted
ORDER BY t.id

-- restore --
-- Give a message the content that is left after the redaction of an edit.
UPDATE turn SET payload = %(payload)s, edited_by = %(edited_by)s,
       original = CASE WHEN %(edited_by)s::text IS NOT NULL THEN original END, steps = append_step(steps, %(step)s)
WHERE id = %(turn)s

-- ask_again --
-- Queue those of the turns %(turns)s again that are closed and behind which nothing was said in their lanes, which go on
-- with the same context; return them and their lanes.
UPDATE turn SET state = 'queued', position = nextval('turn_position_seq'), failures = 0, interruptions = 0,
       upstream_waits = 0, upstream_waited = 0, retries = retries + 1, retried_at = now(), begun_as = NULL, not_before = NULL,
       stop = NULL, stopped_by = NULL, answer = NULL,
       extras = '{}', error = NULL, finished_at = NULL, steps = append_step(steps, %(step)s)
WHERE id = ANY(%(turns)s::bigint[]) AND state IN ('done', 'failed', 'stopped')
  AND NOT EXISTS (
      SELECT 1 FROM turn later
      WHERE later.conversation = turn.conversation AND later.position > turn.position
        AND (later.effect ? 'context'
             OR (later.kind = 'message' AND coalesce(later.collected_into, later.id) <> turn.id AND NOT later.redacted))
  )
RETURNING id, conversation
