-- take --
-- Claim the turn at the head of the lane %(lane)s, unless it has to wait; return it with its agent and its room. The
-- condition on `open` stands there twice: the second one is evaluated again if another worker has just closed the turn.
-- A turn that is asked again has the position of the change that asked for it, which is closed first. A value of
-- `waits_since` in the future means that the clock was set back, and ends the waiting. A lane is held while its room
-- needs a backfill or a comparison with the homeserver. The bot's lane beside agents is not held: a command must not wait there.
-- But the messages of a room wait in it until the room has an agent.
-- The first attempt does not wait for the disk: a crash of PostgreSQL may lose it, if it has written nothing since. A
-- later attempt waits, because its number is in transaction ids.
-- The first attempt also decides which ghost speaks for the bridge in a room without the bot: the first one that came. The
-- bot may come later, and must not repeat the ghost's words.
-- A turn that its worker left is interrupted if the worker's process, which holds the advisory lock (%(kind)s, its
-- number), has ended. A process that only lost the database goes on, and does not count.
UPDATE turn
SET state = CASE WHEN turn.state = 'committed' THEN turn.state ELSE 'running' END,
    attempts = turn.attempts + 1,
    interruptions = turn.interruptions + (
        (turn.state = 'running' OR (turn.state = 'committed' AND turn.waits_since IS NULL))
        AND NOT EXISTS (
            SELECT 1 FROM advisory_lock held WHERE held.kind = %(kind)s AND held.key = turn.worker)
    )::integer,
    voice = CASE WHEN turn.attempts > 0 THEN turn.voice WHEN r.kind IN ('dm', 'group') AND NOT r.bot_joined
                      AND (c.lane_kind = 'bot' OR turn.kind = 'command') THEN (
        SELECT ghost.ghost FROM participant present JOIN agent ghost ON ghost.id = present.agent
        WHERE present.room = r.id AND present.state = 'joined' ORDER BY present.created_at, present.agent LIMIT 1) END,
    not_before = NULL, waits_since = NULL, worker = %(process)s, started_at = coalesce(turn.started_at, now()),
    steps = append_step(turn.steps, %(step)s)
FROM conversation c LEFT JOIN room r ON r.room_id = c.room_id LEFT JOIN agent a ON a.id = c.agent
     LEFT JOIN context x ON x.id = c.context LEFT JOIN participant p ON p.room = r.id AND p.agent = c.agent
WHERE c.id = turn.conversation
  AND turn.id = (SELECT id FROM turn WHERE conversation = %(lane)s AND open ORDER BY position, id DESC LIMIT 1)
  AND turn.open
  AND (turn.not_before IS NULL OR turn.not_before <= now() OR turn.waits_since > now())
  AND NOT (coalesce(r.needs_backfill, false) AND (c.lane_kind = 'agent' OR r.kind = 'bot' OR (r.kind = 'chat' AND r.owner IS NULL)))
  AND NOT (coalesce(r.check_requests <> r.checked, false) AND c.lane_kind = 'agent')
RETURNING turn.id, turn.event_id, turn.key, turn.conversation, c.room_id, c.thread_id AS thread, to_jsonb(a) AS agent,
          r.owner IS NOT DISTINCT FROM c.agent AS own_room, coalesce(r.person = turn.sender, false) AS in_own_chat,
          r.person IS NOT NULL AS in_chat, turn.voice, r.kind AS room_kind,
          EXISTS (SELECT 1 FROM participant WHERE room = r.id) AS in_agent_room, r.when_busy, r.streaming, r.speech,
          x.session AS context_session, p.instructions, p.model AS chosen_model,
          CASE WHEN r.owner = c.agent THEN r.problems END AS problems,
          turn.kind, turn.sender, turn.payload, turn.state, turn.attempts, turn.failures, turn.interruptions,
          turn.upstream_waits, turn.upstream_waited, turn.retries,
          extract(epoch FROM now() - coalesce(turn.retried_at, turn.said_at))::float AS age, turn.stop,
          (SELECT coalesce(jsonb_agg(part.payload ORDER BY part.position), '[]')
           FROM turn part WHERE part.collected_into = turn.id) AS collected,
          turn.answer, turn.extras, turn.error, turn.upstream_ref AS run, turn.begun_as,
          CASE WHEN turn.attempts > 1 THEN turn.steps ELSE '[]' END AS steps,
          CASE WHEN turn.chain IS NOT NULL THEN (
              SELECT jsonb_build_object('root', chain.root, 'asker', chain.asker, 'hops', turn.hops, 'speaker', (
                  SELECT name FROM agent WHERE agent.id = turn.asked_by))
              FROM chain WHERE chain.id = turn.chain) END AS chain,
          CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END AS signal,
          CASE WHEN turn.attempts = 1 THEN set_config('synchronous_commit', 'off', true) END AS synchronous_commit

-- collected --
-- Return the contents of the messages that a turn answers besides its own, as of now: the statement that claimed the turn
-- may have waited for a change of them.
SELECT coalesce(jsonb_agg(payload ORDER BY position), '[]') AS collected FROM turn WHERE collected_into = %(turn)s

-- dismiss --
-- Replace a turn by a note that its event is ignored.
WITH dismissed AS (
    DELETE FROM turn WHERE id = %(turn)s RETURNING event_id
)
INSERT INTO ignored (event_id, room_id, reason) SELECT event_id, %(room_id)s, %(reason)s FROM dismissed
ON CONFLICT (event_id) DO NOTHING

-- behind --
-- Return the turns behind the turn %(turn)s in its lane that ask for the same and were never claimed, in their order. The
-- question of an agent is answered alone: the answer belongs to its chain.
SELECT t.id, t.event_id, t.sender, t.payload, t.kind, extract(epoch FROM now() - t.said_at)::float AS age,
       extract(epoch FROM now() - t.created_at)::float AS since
FROM turn head JOIN turn t ON t.conversation = head.conversation
WHERE head.id = %(turn)s AND t.open AND t.state = 'queued' AND t.attempts = 0 AND t.stop IS NULL
  AND t.kind = head.kind AND t.reason IS NOT DISTINCT FROM head.reason AND t.position > head.position
  AND t.asked_by IS NULL AND head.asked_by IS NULL
ORDER BY t.position

-- collect --
-- Make those of the turns %(parts)s that still wait a part of the turn %(turn)s, unless that has to end early. Return
-- them with their payloads; return one row of nulls if none waits, and no row if another worker has taken the turn up.
WITH head AS (
    SELECT id, stop FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s AND open FOR UPDATE
), part AS (
    UPDATE turn SET state = 'collected', collected_into = %(turn)s, finished_at = now(),
           steps = append_step(turn.steps, %(step)s)
    FROM head
    WHERE head.stop IS NULL
      AND turn.id = ANY(%(parts)s) AND turn.state = 'queued' AND turn.attempts = 0 AND turn.stop IS NULL
    RETURNING turn.id, turn.kind, turn.payload,
              CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END
)
SELECT part.id, part.kind, part.payload FROM head LEFT JOIN part ON true

-- join --
-- Make the messages that wait behind the turn %(turn)s parts of it (%(collects)s), and forget that they interrupt it: the
-- agent has not begun to answer. The caller has locked the turn before this statement, so that it sees each message whose
-- transaction has interrupted the turn. The question of an agent stays alone, as in `behind`. Return all of its messages in
-- their order; no row if it has to end early for another reason, or if another worker has taken it up.
WITH head AS (
    UPDATE turn SET stop = NULL, stopped_by = NULL
    WHERE id = %(turn)s AND attempts = %(attempts)s AND state = 'running'
      AND coalesce(stop, 'interrupted') = 'interrupted'
    RETURNING id, conversation, position, event_id, kind, payload, asked_by
), part AS (
    UPDATE turn SET state = 'collected', collected_into = head.id, finished_at = now(),
           steps = append_step(turn.steps, %(step)s)
    FROM head
    WHERE %(collects)s AND turn.conversation = head.conversation AND turn.position > head.position AND turn.open
      AND turn.kind = 'message' AND turn.state = 'queued' AND turn.attempts = 0 AND turn.stop IS NULL
      AND turn.asked_by IS NULL AND head.asked_by IS NULL
    RETURNING turn.event_id, turn.kind, turn.payload, turn.position,
              CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END
)
SELECT event_id, kind, payload FROM (
    SELECT 0 AS rank, position, event_id, kind, payload FROM head
    UNION ALL
    SELECT 1, turn.position, turn.event_id, turn.kind, turn.payload
    FROM head JOIN turn ON turn.collected_into = head.id AND turn.kind = 'message'
    UNION ALL
    SELECT 1, position, event_id, kind, payload FROM part
) AS messages ORDER BY rank, position

-- senders --
-- Return the people whose messages the turn %(turn)s answers. An agent asks for the person that began its chain.
SELECT DISTINCT CASE WHEN t.asked_by IS NULL THEN t.sender ELSE coalesce(chain.asker, t.sender) END AS sender
FROM turn t LEFT JOIN chain ON chain.id = t.chain WHERE t.id = %(turn)s OR t.collected_into = %(turn)s ORDER BY sender

-- speakers --
-- Return the senders of the messages that the turn %(turn)s answers, in their order.
SELECT sender FROM turn WHERE id = %(turn)s OR collected_into = %(turn)s ORDER BY id <> %(turn)s, position

-- stops --
-- Return those of the turns %(turns)s that have to end early, and why. An answer that is read aloud is not stopped any more,
-- but its voice is.
SELECT id, coalesce(stop, 'stopped') AS stop FROM turn
WHERE id = ANY(%(turns)s) AND (stop IS NOT NULL OR (state = 'committed' AND extras #>> '{speech,stopped}' = 'true'))

-- count_open --
-- Return the number of open turns of each agent; null: of the bridge bot.
SELECT c.agent, count(*) AS turns FROM turn t JOIN conversation c ON c.id = t.conversation WHERE t.open GROUP BY c.agent

-- put_back --
-- Let a turn wait for %(delay)s seconds at the head of its lane; not at all if it has to end early, for another reason
-- than %(stop)s, which its worker knows. A committed answer stays committed. A wait for an upstream adds %(waited)s
-- seconds. If the turn is %(doubted)s and its room is an agent's own one, that is compared with the homeserver first.
WITH doubted AS (
    UPDATE room SET check_requests = check_requests + 1
    FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE %(doubted)s AND t.id = %(turn)s AND room.room_id = c.room_id AND room.owner IS NOT NULL
      AND room.kind IN ('home', 'chat', 'dm')
    RETURNING pg_notify('agent_bridge', CASE room.kind WHEN 'home' THEN 'agents' ELSE 'chats' END)
)
UPDATE turn SET state = CASE WHEN state = 'committed' THEN state ELSE 'queued' END, failures = failures + %(failed)s,
       upstream_waits = upstream_waits + (%(waited)s > 0)::integer, upstream_waited = upstream_waited + %(waited)s,
       waits_since = now(), steps = append_step(turn.steps, %(step)s),
       not_before = CASE WHEN stop IS NOT DISTINCT FROM %(stop)s THEN now() + make_interval(secs => %(delay)s) END
WHERE id = %(turn)s AND attempts = %(attempts)s AND open
RETURNING id, pg_notify('agent_bridge', 'lanes')

-- ask_the_rest --
-- Queue a turn again of which a part or an edit was redacted, if a message is left; forget its parts that were redacted.
WITH forgotten AS (
    DELETE FROM outbox USING turn t
    WHERE outbox.turn = %(turn)s AND outbox.part = ANY(%(redacted)s::integer[]) AND t.id = outbox.turn
      AND t.attempts = %(attempts)s
)
UPDATE turn SET state = 'queued', stop = NULL, stopped_by = NULL, not_before = NULL, retries = retries + 1,
       upstream_waits = 0, upstream_waited = 0, retried_at = now(), begun_as = NULL, answer = NULL, extras = '{}',
       error = NULL, steps = append_step(turn.steps, %(step)s)
WHERE id = %(turn)s AND attempts = %(attempts)s AND state IN ('running', 'committed') AND stop = 'redacted'
  AND (NOT redacted OR EXISTS (SELECT 1 FROM turn part WHERE part.collected_into = turn.id AND NOT part.redacted))
RETURNING id

-- rehearse --
-- Write rows as large as those that an answer to the turn %(turn)s needs: 8 kB that cannot be compressed. The caller
-- takes them back.
WITH said AS (
    INSERT INTO message (conversation, turn, role, content)
    SELECT %(lane)s, %(turn)s, 'assistant', string_agg(md5(random()::text), '') FROM generate_series(1, 256)
)
INSERT INTO outbox (turn, part) VALUES (%(turn)s, 2147483647)

-- show_again --
-- Have a turn shown once more that another worker has ended, as done, failed or stopped: this one may have edited its
-- messages after that. The end is shown in any case if the turn is open. A message without an answer (its worker gave it
-- up, or the answer is forgotten) ends once more, and its messages stop to grow.
UPDATE turn SET state = 'committed', finished_at = NULL, waits_since = now(), steps = append_step(turn.steps, %(step)s)
WHERE id = %(turn)s AND attempts > %(attempts)s AND state IN ('done', 'failed', 'stopped')
  AND (answer IS NOT NULL OR kind = 'message')
RETURNING id, pg_notify('agent_bridge', 'lanes')

-- started --
-- Record the upstream's reference of the run that answers a turn, and the kind of the upstream, unless another worker has taken the turn up since.
-- The first words of the answer wait for this statement, so it does not wait for the disk: a crash of PostgreSQL may
-- lose the reference, a crash of the bridge may not.
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE turn SET upstream_ref = %(ref)s, begun_as = %(kind)s FROM quick WHERE turn.id = %(turn)s AND turn.attempts = %(attempts)s

-- commit --
-- Commit an answer, everything that is shown with it, the intention to show it in the parts %(parts)s, and the messages
-- that it adds to the context that goes on in its lane (%(said)s, a JSON array): first those that others said in the room (with the events that
-- they come from), unless they were redacted meanwhile, which belong to no turn; the agent has them up to the event
-- %(until)s. A request to stop it does not count any more, unless it was stopped (%(stopped)s). If a
-- question or the answer was redacted meanwhile, nothing is committed, unless the redaction ended it. Return why nothing
-- is committed; null if it is. The tokens of its requests are written in any case, as by `usage.record`: they were used.
WITH head AS (
    SELECT id, stop, redactions FROM turn
    WHERE id = %(turn)s AND attempts = %(attempts)s AND state IN ('queued', 'running') FOR UPDATE
),
-- include usage_written --
, answered AS (
    UPDATE turn SET state = 'committed', answer = %(answer)s, extras = %(extras)s, error = %(error)s,
           quota_until = %(quota_until)s::timestamptz, upstream_ref = coalesce(%(run)s, upstream_ref),
           input_tokens = coalesce(reported.input_tokens, turn.input_tokens),
           output_tokens = coalesce(reported.output_tokens, turn.output_tokens),
           cached_tokens = coalesce(reported.cached_tokens, turn.cached_tokens),
           stop = CASE WHEN %(stopped)s::text IS NOT NULL THEN head.stop END, steps = append_step(turn.steps, %(step)s)
    FROM head, reported
    WHERE turn.id = head.id
      AND (coalesce(head.stop, '') NOT IN ('redacted', 'withdrawn') OR head.stop = %(stopped)s::text)
    RETURNING turn.id, turn.stop, head.redactions
), intended AS (
    INSERT INTO outbox (turn, part) SELECT id, unnest(%(parts)s::integer[]) FROM answered
    ON CONFLICT (turn, part) DO NOTHING
), said AS (
    INSERT INTO message (conversation, context, turn, role, content, event_id, edited_in, said_by)
    SELECT c.id, c.context, CASE WHEN said.event_id IS NULL THEN answered.id END, said.role, said.content, said.event_id,
           said.edited_in, said.said_by
    FROM answered, conversation c,
         ROWS FROM (jsonb_to_recordset(%(said)s) AS (role text, content text, event_id text, edited_in text, said_by text))
             WITH ORDINALITY AS said (role, content, event_id, edited_in, said_by, position)
    WHERE c.id = %(lane)s AND coalesce(answered.stop, '') NOT IN ('redacted', 'withdrawn')
      AND NOT answered.redactions ?| array_remove(ARRAY[said.event_id, said.edited_in, said.said_by], NULL)
    ORDER BY said.position
), caught_up AS (
    UPDATE conversation SET caught_up = %(until)s::text FROM answered
    WHERE %(until)s::text IS NOT NULL AND conversation.id = %(lane)s
      AND coalesce(answered.stop, '') NOT IN ('redacted', 'withdrawn')
)
SELECT CASE WHEN answered.id IS NULL THEN head.stop END AS stop FROM head LEFT JOIN answered ON true

-- spoken --
-- Record how far the committed answer to a turn is read aloud. A request to stop that stays.
UPDATE turn SET extras = jsonb_set(extras, '{speech}', extras -> 'speech' || %(speech)s)
WHERE id = %(turn)s AND attempts = %(attempts)s AND state = 'committed' AND extras ? 'speech'
RETURNING id

-- finish --
-- Close a turn as %(state)s; record the events that show its parts, and forget the parts that were redacted. A question
-- that was redacted keeps no answer. Return whether the turn was the last open one of its lane. The turn stays open
-- (is_closed) for its next attempt if its answer was withdrawn and events show it: they have to be redacted; or if a
-- question of the committed answer was redacted, and others are left to be asked, unless the turn is given up
-- (%(error)s). An answer is also withdrawn by the redaction of an event before its id was stored, as in `sent`. The room
-- shows the answer already, so the statement does not wait for the disk: after a crash of PostgreSQL, as after one of the
-- bridge, the next attempt finds the events and closes the turn. A command that did not succeed may leave a chat, a place or
-- a thread without a room.
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true)), head AS (
    SELECT id, kind, state, answer IS NOT NULL AS has_answer, coalesce(stop, '') AS stop, redacted AND NOT EXISTS (
               SELECT 1 FROM turn part WHERE part.collected_into = turn.id AND NOT part.redacted) AS is_empty, (
               SELECT min(redactions ->> sent.event_id)
               FROM unnest(%(parts)s::integer[], %(events)s::text[]) AS sent (part, event_id)
               WHERE sent.part <> %(waiting)s) AS redacted_by
    FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s AND open FOR UPDATE
), withdrawn AS (
    UPDATE turn SET stop = 'withdrawn', stopped_by = head.redacted_by
    FROM head WHERE turn.id = head.id AND head.redacted_by IS NOT NULL
    RETURNING turn.id
), unsaid AS (
    DELETE FROM message USING withdrawn WHERE message.turn = withdrawn.id
), unasked AS (
    DELETE FROM approval USING withdrawn WHERE approval.turn = withdrawn.id
), finished AS (
    UPDATE turn SET state = %(state)s, finished_at = now(), error = coalesce(error, %(error)s), redactions = '{}',
           answer = CASE WHEN NOT is_empty AND head.stop NOT IN ('redacted', 'withdrawn') THEN answer END,
           extras = CASE WHEN NOT is_empty AND head.stop NOT IN ('redacted', 'withdrawn') THEN extras ELSE '{}' END,
           effect = CASE WHEN is_empty THEN turn.effect - 'text' ELSE turn.effect END,
           steps = append_step(turn.steps, %(step)s)
    FROM quick, head
    WHERE turn.id = head.id AND head.redacted_by IS NULL AND CASE
              WHEN head.kind <> 'message' THEN true
              WHEN head.stop = 'withdrawn' THEN cardinality(%(parts)s::integer[]) = 0
              WHEN head.stop = 'redacted' THEN
                  is_empty OR head.state <> 'committed' OR NOT has_answer OR %(error)s::text IS NOT NULL
              ELSE true END
    RETURNING turn.id, conversation, CASE WHEN head.kind = 'command' AND %(state)s <> 'done' THEN (
        SELECT count(pg_notify('agent_bridge', topic)) FROM unnest('{chats,places,threads}'::text[]) AS topic) END
), shown AS (
    UPDATE outbox SET event_id = sent.event_id
    FROM head, unnest(%(parts)s::integer[], %(events)s::text[]) AS sent (part, event_id)
    WHERE outbox.turn = head.id AND outbox.part = sent.part
), forgotten AS (
    DELETE FROM outbox USING head WHERE outbox.turn = head.id AND outbox.part = ANY(%(redacted)s::integer[])
)
SELECT finished.id IS NOT NULL AS is_closed, (
    SELECT true FROM turn other WHERE other.conversation = finished.conversation AND other.open AND other.id <> finished.id
    LIMIT 1
) IS NULL AS is_last FROM head LEFT JOIN finished ON true

-- was_announced --
-- Return a row if another turn of the same lane failed with the same error within the last %(seconds)s seconds, and the
-- room was told of it.
SELECT 1 FROM turn
WHERE conversation = %(lane)s AND id <> %(turn)s AND state = 'failed' AND error = %(error)s
  AND finished_at > now() - make_interval(secs => %(seconds)s) AND coalesce(extras->>'notice', '') <> ''
LIMIT 1

-- claim --
-- Make the turn %(turn)s the one that tells of %(what)s, today (%(is_daily)s) or for good, if no other turn does; return a
-- row if it is the one. The key of a day has its number, as those of refusals.
UPDATE turn SET once_key = wanted.once_key
FROM (SELECT %(what)s || CASE WHEN %(is_daily)s THEN ':' || floor(extract(epoch FROM now()) / 86400) ELSE '' END AS once_key)
     AS wanted
WHERE id = %(turn)s AND attempts = %(attempts)s
  AND NOT EXISTS (SELECT 1 FROM turn other WHERE other.once_key = wanted.once_key AND other.id <> %(turn)s)
RETURNING id

-- intend --
-- Write the intention to send a part.
INSERT INTO outbox (turn, part) VALUES (%(turn)s, %(part)s) ON CONFLICT (turn, part) DO NOTHING

-- sent --
-- Record the event that shows a part. If a person redacted the event before, the answer is withdrawn: return a row. The
-- notice that the message waits (part %(waiting)s) is no answer. Nothing happens if another worker has taken the turn up.
WITH head AS (
    SELECT id, CASE WHEN %(part)s::integer <> %(waiting)s THEN redactions ->> %(event_id)s END AS redacted_by
    FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s FOR UPDATE
), shown AS (
    UPDATE outbox SET event_id = %(event_id)s FROM head WHERE outbox.turn = head.id AND outbox.part = %(part)s::integer
), withdrawn AS (
    UPDATE turn SET stop = 'withdrawn', stopped_by = head.redacted_by, not_before = NULL
    FROM head WHERE turn.id = head.id AND turn.open AND head.redacted_by IS NOT NULL
    RETURNING turn.id, pg_notify('agent_bridge', 'stops')
), unsaid AS (
    DELETE FROM message USING withdrawn WHERE message.turn = withdrawn.id
), unasked AS (
    DELETE FROM approval USING withdrawn WHERE approval.turn = withdrawn.id
)
SELECT id FROM withdrawn

-- replace --
-- Forget the events of the parts %(parts)s, which are redacted, and note that each part is sent again as the
-- generation %(generations)s; return the turn. Return no row if another worker has taken the turn up since.
WITH head AS (
    SELECT id FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s AND open FOR UPDATE
), replaced AS (
    UPDATE outbox SET event_id = NULL, generation = part.generation
    FROM head, unnest(%(parts)s::integer[], %(generations)s::integer[]) AS part (number, generation)
    WHERE outbox.turn = head.id AND outbox.part = part.number
)
SELECT id FROM head

-- sends --
-- Return the parts that were sent, or may have been sent, for a turn.
SELECT o.part, o.event_id, o.generation, o.created_at, coalesce(o.created_at < t.retried_at, false) AS is_earlier
FROM outbox o JOIN turn t ON t.id = o.turn WHERE o.turn = %(turn)s ORDER BY o.part

-- stop_offer --
-- Return the reaction that offers to stop a turn.
SELECT stop_offer FROM turn WHERE id = %(turn)s

-- intend_offer --
-- Record the intention to offer to stop a turn, unless it is over or another worker has taken it up.
UPDATE turn SET stop_offer = '' WHERE id = %(turn)s AND attempts = %(attempts)s AND open RETURNING id

-- offer_stop --
-- Record the reaction that offers to stop a turn.
UPDATE turn SET stop_offer = %(event_id)s WHERE id = %(turn)s
