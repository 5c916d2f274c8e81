-- register --
-- Register the agent %(model)s, once for each %(request_key)s; return it, also if it was registered before. No row if there
-- are %(most)s agents already.
WITH known AS (
    SELECT * FROM client_agent WHERE request_key = %(request_key)s
), added AS (
    INSERT INTO client_agent (model, name, description, ephemeral, owner, request_key)
    SELECT %(model)s, %(name)s, %(description)s, %(ephemeral)s, %(owner)s, %(request_key)s
    WHERE NOT EXISTS (SELECT 1 FROM known) AND (SELECT count(*) FROM client_agent) < %(most)s
    RETURNING *
)
SELECT * FROM known UNION ALL SELECT * FROM added

-- lock --
-- Let nobody else register agents until the transaction ends.
LOCK TABLE client_agent IN SHARE ROW EXCLUSIVE MODE

-- agents --
-- Return the agents, ephemeral ones or the others, in the order of their registration. With %(until)s: of the ephemeral ones,
-- those that were registered or connected within so many seconds.
SELECT * FROM client_agent
WHERE ephemeral = %(ephemeral)s
  AND (%(until)s::float IS NULL OR greatest(created_at, seen_at) > now() - make_interval(secs => %(until)s))
ORDER BY id

-- by_name --
-- Return the agents called %(name)s, in upper or lower case.
SELECT * FROM client_agent WHERE lower(name) = lower(%(name)s) ORDER BY id

-- find --
-- Return the agent %(model)s.
SELECT * FROM client_agent WHERE model = %(model)s

-- change --
-- Give the agent %(model)s another name and another description (null: as before); return it.
UPDATE client_agent SET name = coalesce(%(name)s, name), description = coalesce(%(description)s, description)
WHERE model = %(model)s RETURNING *

-- remove --
-- Remove the agent %(model)s, and have the turns go on that wait for it. Return it; no row if there is none.
WITH waiting AS (
    UPDATE turn SET not_before = NULL FROM client_question q
    WHERE q.turn = turn.id AND q.model = %(model)s AND turn.open
    RETURNING pg_notify('agent_bridge', 'lanes')
), over AS (
    SELECT count(*) FROM waiting
)
DELETE FROM client_agent USING over WHERE model = %(model)s RETURNING model

-- seen --
-- Note that the agent %(model)s is connected, at most once in %(every)s seconds.
UPDATE client_agent SET seen_at = now()
WHERE model = %(model)s AND (seen_at IS NULL OR seen_at < now() - make_interval(secs => %(every)s))

-- ask --
-- Have the question %(key)s of the turn %(turn)s wait for a reply, for %(seconds)s seconds; a known one stays as it is.
-- Return the reply (null: none yet) and the seconds that are left. No row if the agent %(model)s does not exist any more.
-- Earlier questions of the agent whose turns are closed, or were asked again in other words, are forgotten; those that were
-- replied to after %(repeats)s seconds, so that the same reply again changes nothing.
WITH over AS (
    DELETE FROM client_question q USING turn t
    WHERE q.model = %(model)s AND t.id = q.turn AND q.key <> %(key)s
      AND (t.id = %(turn)s OR NOT t.open AND (q.reply IS NULL OR q.replied_at < now() - make_interval(secs => %(repeats)s)))
), asked AS (
    INSERT INTO client_question (key, turn, model, text, deadline)
    SELECT %(key)s, %(turn)s, model, %(text)s, now() + make_interval(secs => %(seconds)s)
    FROM client_agent WHERE model = %(model)s
    ON CONFLICT (key) DO UPDATE SET key = client_question.key
    RETURNING id, reply, deadline
)
SELECT id, reply, extract(epoch FROM deadline - now())::float AS left, pg_notify('agent_bridge', 'questions')
FROM asked

-- forget --
-- Forget the question %(id)s: its answer has ended.
DELETE FROM client_question WHERE id = %(id)s

-- open --
-- Return the questions that wait for the agent %(model)s, oldest first, at most %(most)s after the question %(after)s.
-- %(rooms)s: only those from these rooms; null: all.
WITH waiting AS (
    SELECT q.id FROM client_question q JOIN turn t ON t.id = q.turn JOIN conversation c ON c.id = t.conversation
    WHERE (%(rooms)s::text[] IS NULL OR c.room_id = ANY(%(rooms)s::text[])) AND q.model = %(model)s AND q.reply IS NULL AND q.id > %(after)s AND q.deadline > now() AND t.open AND t.stop IS NULL
    ORDER BY q.id LIMIT %(most)s
), taken AS (
    UPDATE client_question q SET taken_at = now() FROM waiting WHERE q.id = waiting.id AND q.taken_at IS NULL
)
SELECT q.id, t.key, c.room_id, t.event_id, c.thread_id AS thread, t.sender, q.text, q.asked_at, q.deadline
FROM waiting w JOIN client_question q ON q.id = w.id JOIN turn t ON t.id = q.turn
     JOIN conversation c ON c.id = t.conversation
ORDER BY q.id

-- reply --
-- Store the reply of the agent %(model)s to the question %(id)s, and have its turn go on. Return whether it is new; no row
-- if the question does not wait any more, or comes from another room than %(rooms)s (null: all). The same reply again changes
-- nothing.
WITH question AS (
    SELECT q.id, q.turn, q.reply FROM client_question q JOIN turn t ON t.id = q.turn
         JOIN conversation c ON c.id = t.conversation
    WHERE q.id = %(id)s AND q.model = %(model)s AND (%(rooms)s::text[] IS NULL OR c.room_id = ANY(%(rooms)s::text[]))
      AND (q.reply = %(reply)s OR (q.reply IS NULL AND q.deadline > now() AND t.open AND t.stop IS NULL))
    FOR UPDATE OF q
), stored AS (
    UPDATE client_question q SET reply = %(reply)s, replied_at = now(), text = ''
    FROM question WHERE q.id = question.id AND question.reply IS NULL
)
SELECT turn, reply IS NULL AS is_new FROM question

-- was_asked --
-- Tell whether the question %(id)s has been asked: those that ended long ago are forgotten.
SELECT coalesce(%(id)s BETWEEN 1 AND pg_sequence_last_value(pg_get_serial_sequence('client_question', 'id')), false) AS was_asked

-- resume --
-- Have the turn %(turn)s, which waits for a reply, go on if there is one, or if there will be none: the agent is at rest, or
-- was removed, with its questions.
UPDATE turn SET not_before = NULL FROM conversation c JOIN agent a ON a.id = c.agent
WHERE turn.id = %(turn)s AND turn.open AND turn.not_before IS NOT NULL AND c.id = turn.conversation
  AND (a.state IN ('gone', 'retired')
       OR NOT EXISTS (SELECT 1 FROM client_question q WHERE q.turn = turn.id AND q.reply IS NULL))
RETURNING pg_notify('agent_bridge', 'lanes')
