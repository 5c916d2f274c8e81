-- lock --
-- Lock the rooms %(rooms)s until the transaction ends. In the order of their keys, so that no two transactions wait for
-- each other.
SELECT pg_advisory_xact_lock(%(kind)s, key)
FROM (SELECT DISTINCT hashtext(room) AS key FROM unnest(%(rooms)s::text[]) AS room ORDER BY key) AS keys

-- accept --
-- Write the turns of the JSON array %(turns)s and the lanes that they need, both in the order of the turns. An event that has a turn already or was ignored,
-- and a turn whose once_key is taken, are skipped: the sender of an ignored event was perhaps muted then, and is not now.
-- The turns of events that waited for the choice of an agent (%(waited)s) come beside those in which they waited, and those
-- of a message that gets further agents (%(shared)s) beside those that it has. A message that others got a moment before its
-- agent entered the room is for it, too. Return the event and the lane of each turn that was written.
WITH asked AS MATERIALIZED (
    SELECT * FROM ROWS FROM (jsonb_to_recordset(%(turns)s) AS (
        event_id text, room_id text, thread_id text, agent bigint, key text, kind text, sender text, payload jsonb,
        reason text, once_key text, said_at bigint
    )) WITH ORDINALITY AS asked (
        event_id, room_id, thread_id, agent, key, kind, sender, payload, reason, once_key, said_at, number
    )
    WHERE NOT EXISTS (
        SELECT 1 FROM turn WHERE turn.event_id = asked.event_id AND NOT (%(waited)s AND turn.kind = 'choice')
          AND NOT (%(shared)s AND turn.kind = 'message')
          AND NOT (asked.kind = 'message' AND turn.kind = 'message' AND turn.created_at > now() - interval '1 hour' AND EXISTS (
              SELECT 1 FROM participant p JOIN room r ON r.id = p.room
              WHERE r.room_id = asked.room_id AND p.agent = asked.agent AND p.created_at > turn.created_at)))
      AND NOT EXISTS (SELECT 1 FROM ignored WHERE ignored.event_id = asked.event_id)
      AND NOT EXISTS (SELECT 1 FROM turn WHERE turn.once_key = asked.once_key)
), lane_wanted AS (
    SELECT room_id, thread_id, agent, min(number) AS number, count(*) AS turns FROM asked GROUP BY room_id, thread_id, agent
), lane_found AS (
    SELECT c.id, c.room_id, c.thread_id, c.agent
    FROM lane_wanted w JOIN conversation c
      ON c.room_id = w.room_id AND c.thread_id = w.thread_id AND coalesce(c.agent, 0) = coalesce(w.agent, 0)
), lane_made AS (
    INSERT INTO conversation (room_id, thread_id, agent, lane_kind)
    SELECT room_id, thread_id, agent, CASE WHEN agent IS NULL THEN 'bot' ELSE 'agent' END FROM lane_wanted w
    WHERE NOT EXISTS (
        SELECT 1 FROM lane_found f
        WHERE f.room_id = w.room_id AND f.thread_id = w.thread_id AND coalesce(f.agent, 0) = coalesce(w.agent, 0)
    )
    ORDER BY number
    ON CONFLICT (room_id, thread_id, coalesce(agent, 0)) DO UPDATE SET lane_kind = EXCLUDED.lane_kind
    RETURNING id, room_id, thread_id, agent
), lane AS (
    SELECT * FROM lane_found UNION ALL SELECT * FROM lane_made
)
INSERT INTO turn (event_id, key, conversation, kind, sender, payload, reason, once_key, said_at)
SELECT a.event_id, a.key, lane.id, a.kind, a.sender, a.payload, a.reason, a.once_key,
       CASE WHEN a.said_at > 0 THEN least(now(), to_timestamp(a.said_at / 1000.0)) ELSE now() END
FROM asked a JOIN lane
  ON lane.room_id = a.room_id AND lane.thread_id = a.thread_id AND coalesce(lane.agent, 0) = coalesce(a.agent, 0)
ORDER BY a.number
ON CONFLICT (event_id, conversation) DO NOTHING
RETURNING event_id, conversation, CASE WHEN (
    -- No EXISTS: PostgreSQL would read the open turns of all lanes for each row.
    SELECT true FROM turn ahead WHERE ahead.conversation = turn.conversation AND ahead.open LIMIT 1
) OR (
    -- The statement does not see the other turns that it writes.
    SELECT w.turns > 1 FROM lane JOIN lane_wanted w
      ON lane.room_id = w.room_id AND lane.thread_id = w.thread_id AND coalesce(lane.agent, 0) = coalesce(w.agent, 0)
    WHERE lane.id = turn.conversation
) THEN pg_notify('agent_bridge', 'waiting') END

-- take_budget --
-- Note that the bot %(user_id)s asks the agent %(agent)s now, and return a row, if it has asked less than %(most)s times in
-- the last minute. The row stays locked, so that other processes count it.
INSERT INTO bot_budget AS known (user_id, agent, asked) VALUES (%(user_id)s, %(agent)s, ARRAY[now()])
ON CONFLICT (user_id, agent) DO UPDATE
SET asked = ARRAY(SELECT at FROM unnest(known.asked) AS at WHERE at > now() - interval '1 minute') || now()
WHERE (SELECT count(*) FROM unnest(known.asked) AS at WHERE at > now() - interval '1 minute') < %(most)s
RETURNING agent

-- interrupt --
-- End the answers that are given in the lanes %(lanes)s because of the new messages %(events)s there; not because of one
-- that the same transaction has redacted. A message that waits for its next attempt is not being answered. Several files
-- that one person sends within %(together)s seconds of each other are one question, and do not interrupt each other; a
-- voice message is a question by itself. An answer that was interrupted already is written again: its worker may be about
-- to forget that, with a lock on it (see `join`).
WITH new AS (
    SELECT id, event_id, conversation, sender, said_at, position,
           payload ? 'file' AND NOT (payload -> 'file' ->> 'voice')::boolean AS is_file
    FROM turn WHERE conversation = ANY(%(lanes)s) AND event_id = ANY(%(events)s) AND kind = 'message'
      AND state = 'queued' AND stop IS NULL
), ended AS (
    SELECT DISTINCT ON (head.id) head.id, new.event_id
    FROM new JOIN turn head ON head.conversation = new.conversation AND head.open AND head.position < new.position
    WHERE head.kind = 'message' AND head.state = 'running'
      AND NOT (
          new.is_file AND head.sender = new.sender
          AND head.payload ? 'file' AND NOT (head.payload -> 'file' ->> 'voice')::boolean
          AND new.said_at <= make_interval(secs => %(together)s) + (
              SELECT max(part.said_at) FROM turn part WHERE part.id = head.id OR part.collected_into = head.id)
      )
    ORDER BY head.id, new.position DESC
)
UPDATE turn SET stop = 'interrupted', stopped_by = ended.event_id,
       steps = CASE WHEN turn.stop IS NULL
                    THEN append_step(turn.steps, %(step)s || jsonb_build_object('by', ended.event_id)) ELSE turn.steps END
FROM ended
WHERE turn.id = ended.id AND turn.state = 'running' AND coalesce(turn.stop, 'interrupted') = 'interrupted'
RETURNING pg_notify('agent_bridge', 'stops')

-- count_waiting --
-- Return how many messages and edits, but for the events %(events)s, wait for the choice of an agent in each of the rooms
-- %(rooms)s.
SELECT c.room_id, count(*) AS number FROM conversation c JOIN turn t ON t.conversation = c.id
WHERE c.room_id = ANY(%(rooms)s) AND t.kind = 'choice' AND NOT t.redacted AND t.event_id <> ALL(%(events)s)
GROUP BY c.room_id

-- waiting --
-- Return the messages and the edits that wait in those of the rooms %(rooms)s whose people have chosen an agent by now, in
-- their order, with the agent: in a group, into which they have invited agents, the one that came first. An event that the
-- agent was asked about waits no more. A message that was edited into a command does not wait, unless it was edited into a
-- message again.
SELECT t.event_id, t.sender, t.payload, c.room_id, c.thread_id AS thread, a.id AS agent, a.ghost,
       (extract(epoch FROM t.said_at) * 1000)::bigint AS said_at
FROM room r JOIN agent a ON a.id = CASE r.kind WHEN 'chat' THEN r.owner WHEN 'group' THEN (
         SELECT p.agent FROM participant p WHERE p.room = r.id AND p.state = 'joined' ORDER BY p.created_at, p.agent LIMIT 1
     ) END
     JOIN conversation c ON c.room_id = r.room_id JOIN turn t ON t.conversation = c.id
WHERE r.room_id = ANY(%(rooms)s) AND t.kind = 'choice' AND NOT t.redacted
  AND NOT EXISTS (SELECT 1 FROM turn asked WHERE asked.event_id = t.event_id AND asked.kind <> 'choice')
  AND NOT EXISTS (
      SELECT 1 FROM conversation lane JOIN turn command ON command.conversation = lane.id
      WHERE lane.room_id = c.room_id AND command.kind = 'command' AND NOT command.redacted AND command.sender = t.sender
        AND command.payload ->> 'target' = coalesce(t.payload ->> 'target', t.event_id)
        AND NOT EXISTS (
            SELECT 1 FROM turn later
            WHERE later.conversation = t.conversation AND later.kind = 'choice' AND NOT later.redacted
              AND later.sender = t.sender AND later.position > command.position
              AND later.payload ->> 'target' = command.payload ->> 'target'
        )
  )
ORDER BY t.position

-- move_waiting --
-- Have the events that wait for the choice of an agent in the room %(old)s wait in %(new)s, in the bot's lane, if
-- neither has an agent: the threads stay behind. Commands that are not answered yet come along, and those that withdraw
-- messages. The newest message shows the list again. More attempts than before end the work on a turn that has begun in
-- the old room, and its events stay behind. A list that was shown in the old room counts in the new one. A repeat
-- changes nothing.
WITH lane AS (
    INSERT INTO conversation (room_id, thread_id, lane_kind)
    SELECT n.room_id, '', 'bot' FROM room o, room n
    WHERE o.room_id = %(old)s AND o.kind = 'chat' AND o.owner IS NULL
      AND n.room_id = %(new)s AND n.kind = 'chat' AND n.owner IS NULL
    ON CONFLICT (room_id, thread_id, coalesce(agent, 0)) DO UPDATE SET lane_kind = EXCLUDED.lane_kind
    RETURNING id
), moving AS (
    SELECT t.id, t.kind, t.open OR t.id = (
               SELECT w.id FROM turn w JOIN conversation l ON l.id = w.conversation
               WHERE l.room_id = %(old)s AND w.kind = 'choice' AND NOT w.redacted AND NOT w.payload ? 'target'
               ORDER BY w.position DESC LIMIT 1) AS goes_on
    FROM conversation c JOIN turn t ON t.conversation = c.id
    WHERE c.room_id = %(old)s AND c.agent IS NULL
      AND (t.kind = 'choice' OR (t.kind = 'command' AND (t.open OR t.payload ->> 'target' IS NOT NULL)))
), left_behind AS (
    UPDATE outbox SET event_id = NULL FROM moving, lane WHERE outbox.turn = moving.id AND (moving.kind = 'choice' OR moving.goes_on)
), listed AS (
    UPDATE choice SET room_id = %(new)s, thread_id = '' FROM lane WHERE choice.room_id = %(old)s AND kind = 'agents'
)
UPDATE turn SET conversation = lane.id, attempts = attempts + goes_on::integer,
       state = CASE WHEN NOT goes_on OR (turn.kind = 'command' AND state = 'committed') THEN state ELSE 'queued' END,
       answer = CASE WHEN goes_on AND turn.kind = 'choice' THEN NULL ELSE answer END,
       effect = CASE WHEN goes_on AND turn.kind = 'choice' THEN NULL ELSE effect END,
       not_before = CASE WHEN NOT goes_on THEN not_before END, finished_at = CASE WHEN NOT goes_on THEN finished_at END
FROM moving, lane WHERE turn.id = moving.id
RETURNING turn.conversation

-- known --
-- Return those of the events %(events)s that have a turn or were ignored.
SELECT event_id FROM turn WHERE event_id = ANY(%(events)s)
UNION
SELECT event_id FROM ignored WHERE event_id = ANY(%(events)s)

-- vouched --
-- Return those of the events %(events)s with the marks %(marks)s that programs of the people %(people)s have asked for. The
-- request of a program is written before its event is sent, and has one event.
SELECT asked.event_id
FROM unnest(%(events)s::text[], %(marks)s::text[], %(people)s::text[]) AS asked (event_id, mark, person)
     JOIN api_request q ON q.name = split_part(asked.mark, '.', 1) JOIN token t ON t.id = q.token
WHERE t.person = asked.person AND (q.event_id IS NULL OR q.event_id = asked.event_id)

-- overheard --
-- Return those of the events %(events)s that others got a moment before an agent entered the room, which has no turn for
-- them: they are perhaps for it, too.
SELECT DISTINCT t.event_id
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN room r ON r.room_id = c.room_id
     JOIN participant p ON p.room = r.id
WHERE t.event_id = ANY(%(events)s) AND t.kind = 'message' AND t.created_at > now() - interval '1 hour'
  AND p.state = 'joined' AND t.created_at < p.created_at
  AND NOT EXISTS (SELECT 1 FROM turn own JOIN conversation lane ON lane.id = own.conversation
                  WHERE own.event_id = t.event_id AND lane.agent = p.agent)

-- ignore --
-- Note why events have no turn. Events that have one, or that were noted before, are skipped.
INSERT INTO ignored (event_id, room_id, reason)
SELECT event_id, room_id, reason
FROM unnest(%(events)s::text[], %(rooms)s::text[], %(reasons)s::text[]) WITH ORDINALITY
     AS asked (event_id, room_id, reason, number)
WHERE NOT EXISTS (SELECT 1 FROM turn WHERE turn.event_id = asked.event_id)
ORDER BY number
ON CONFLICT (event_id) DO NOTHING

-- lock_target --
-- Lock the messages of the event %(target)s. A worker may be collecting one into another turn: the next statement then sees
-- that turn.
SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s AND t.kind = 'message' ORDER BY t.id FOR UPDATE OF t

-- stop --
-- Note that people want answers to end; return the lanes of these answers. The target %(target)s is a question, which
-- means each of its answers, or an event of an answer. Without a target the request means the answers that are given in
-- its own thread; if there are none, those in the thread with the oldest message. It means no message that was said
-- after it. A question that was collected is answered by the turn that it was collected into. The request also means the
-- edits and the requests for another answer that wait for these answers. If the other messages of an answer were to be
-- asked again after a redaction, they are not, and nothing of the answer stays. A command in the lane of an agent ends
-- like an answer. If an answer, or the event that is meant, belongs to a chain of agents that ask each other, the chain
-- ends with all its answers. An answer that is just being shown is shown, and
-- asks no agent any more; if it is read aloud, its voice ends.
WITH head AS (
    SELECT DISTINCT ON (t.conversation) coalesce(m.collected_into, m.id) AS id, t.position, c.thread_id
    FROM turn t JOIN conversation c ON c.id = t.conversation
         JOIN turn m ON m.id = CASE WHEN t.kind IN ('message', 'command') THEN t.id ELSE t.target END
    WHERE %(target)s::text IS NULL AND c.room_id = %(room_id)s AND c.lane_kind = 'agent'
      AND t.kind IN ('message', 'command', 'edit', 'again') AND t.open
      AND t.position < coalesce((SELECT min(position) FROM turn WHERE event_id = %(event_id)s), 9223372036854775807)
    ORDER BY t.conversation, t.position
), meant AS (
    SELECT coalesce(t.collected_into, t.id) AS id FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.event_id = %(target)s
    UNION
    SELECT o.turn FROM outbox o JOIN turn t ON t.id = o.turn JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND o.event_id = %(target)s
    UNION
    SELECT id FROM head
    WHERE thread_id = (SELECT thread_id FROM head ORDER BY (thread_id = %(thread)s) DESC, position LIMIT 1)
), chains AS (
    UPDATE chain SET stopped_by = %(event_id)s
    WHERE id IN (SELECT t.chain FROM turn t WHERE t.id IN (SELECT id FROM meant)) AND stopped_by IS NULL
    RETURNING id
), released AS (
    DELETE FROM chain_hold USING chains WHERE chain_hold.chain = chains.id
), ending AS (
    SELECT id FROM meant
    UNION
    SELECT t.id FROM chains JOIN turn t ON t.chain = chains.id WHERE t.open
), answered AS MATERIALIZED (
    SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE t.id IN (SELECT id FROM ending) AND (t.kind = 'message' OR (t.kind = 'command' AND c.lane_kind = 'agent'))
    ORDER BY t.id FOR UPDATE OF t
), change AS (
    SELECT change.id FROM answered JOIN turn m ON m.id = answered.id OR m.collected_into = answered.id
         JOIN turn change ON change.target = m.id
    WHERE change.kind IN ('edit', 'again') AND change.stop IS NULL
), shown AS (
    UPDATE turn SET stopped_by = %(event_id)s, extras = CASE
        WHEN turn.extras ? 'speech' THEN jsonb_set(turn.extras, '{speech,stopped}', 'true') ELSE turn.extras END
    FROM answered WHERE turn.id = answered.id AND turn.state = 'committed'
    RETURNING CASE WHEN turn.extras ? 'speech' THEN pg_notify('agent_bridge', 'stops') END
)
UPDATE turn SET stop = CASE WHEN stop = 'redacted' THEN 'withdrawn' ELSE 'stopped' END,
       stopped_by = %(event_id)s, not_before = NULL
FROM (SELECT id FROM answered UNION SELECT id FROM change) AS ended
WHERE turn.id = ended.id AND turn.state IN ('queued', 'running') AND coalesce(stop, 'edited') IN ('edited', 'redacted', 'interrupted')
RETURNING conversation, pg_notify('agent_bridge', 'stops')

-- put_in_order --
-- Give the waiting turns of a room the order of %(events)s, the newest events of the room. A turn of another event that
-- had its position (%(position)s or less) before these events were requested is older than all of them; any other turn
-- is newer.
WITH waiting AS (
    SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND t.open AND t.state = 'queued' AND t.attempts = 0
    ORDER BY CASE WHEN t.event_id = ANY(%(events)s::text[]) THEN 1 WHEN t.position <= %(position)s THEN 0 ELSE 2 END,
             array_position(%(events)s::text[], t.event_id), t.position
), positioned AS (
    SELECT id, nextval('turn_position_seq') AS position FROM waiting
)
UPDATE turn SET position = positioned.position FROM positioned WHERE turn.id = positioned.id

-- add_dead_letter --
-- Keep what the database can never take.
INSERT INTO dead_letter (transaction_id, reason, body) VALUES (%(transaction)s, %(reason)s, %(body)s)
