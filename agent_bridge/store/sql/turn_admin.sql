-- open --
-- Return the first %(limit)s messages that are open, by lane, in the order in which they will be claimed.
SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation
WHERE t.open AND t.kind = 'message' ORDER BY c.room_id, c.id, t.position LIMIT %(limit)s

-- in_room --
-- Return the open messages of the room %(room_id)s, in the order in which they will be claimed: their senders, and their
-- places, which are the numbers of messages ahead in their lanes. Messages that are answered together have the same place.
SELECT t.sender, t.state, t.attempts, extract(epoch FROM now() - t.said_at)::float AS age,
       CASE WHEN coalesce(r.when_busy, %(when_busy)s) <> 'queue' THEN 1 ELSE greatest(1, (
           row_number() OVER (PARTITION BY c.id ORDER BY t.position) - 1)::integer) END AS place
FROM turn t JOIN conversation c ON c.id = t.conversation LEFT JOIN room r ON r.room_id = c.room_id
WHERE c.room_id = %(room_id)s AND t.open AND t.kind = 'message' ORDER BY t.position

-- failed --
-- Return the last %(limit)s turns that failed, newest first.
SELECT id FROM turn WHERE state = 'failed' AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT %(limit)s

-- find --
-- Return the turns of an event, and the turn that an event shows the answer of.
SELECT id FROM turn WHERE event_id = %(event_id)s
UNION
SELECT turn FROM outbox WHERE event_id = %(event_id)s
ORDER BY id

-- find_by_key --
-- Return two turns at most whose keys begin with %(key)s, which is hexadecimal.
SELECT id FROM turn WHERE key >= %(key)s AND key < %(key)s || 'g' LIMIT 2

-- summaries --
-- Return the turns %(turns)s as people ask about them, in this order.
SELECT t.id, t.key, t.event_id, t.conversation, c.room_id, a.name AS agent, t.kind, t.sender, t.state, t.attempts,
       t.failures, t.interruptions, t.retries, t.error, t.said_at, t.created_at, t.started_at, t.finished_at, t.steps,
       t.redacted AS is_redacted, t.input_tokens, t.output_tokens, t.cached_tokens,
       head.event_id AS collected_into, t.collected_into AS head, (
           SELECT jsonb_build_object(
               'root', ch.root, 'asker', ch.asker, 'hops', t.hops, 'stopped_by', ch.stopped_by,
               'asked_by', (SELECT name FROM agent WHERE agent.id = t.asked_by),
               'waits', EXISTS (SELECT 1 FROM chain_hold WHERE chain_hold.chain = ch.id))
           FROM chain ch WHERE ch.id = t.chain) AS chain
FROM turn t JOIN conversation c ON c.id = t.conversation LEFT JOIN agent a ON a.id = c.agent
     LEFT JOIN turn head ON head.id = t.collected_into
WHERE t.id = ANY(%(turns)s) ORDER BY array_position(%(turns)s::bigint[], t.id)

-- ignored --
-- Return why an event was ignored.
SELECT reason FROM ignored WHERE event_id = %(event_id)s

-- stopped_by --
-- Return how many turns an event has asked to end.
SELECT count(*) AS turns FROM turn WHERE stopped_by = %(event_id)s

-- retry --
-- Queue a closed message again, behind those that wait in its lane; return the lane.
WITH queued AS (
    UPDATE turn SET state = 'queued', position = nextval('turn_position_seq'), failures = 0, interruptions = 0,
           upstream_waits = 0, upstream_waited = 0, retries = retries + 1, retried_at = now(), begun_as = NULL, not_before = NULL,
           stop = NULL, stopped_by = NULL, answer = NULL,
           extras = '{}', error = NULL, finished_at = NULL,
           steps = steps || (jsonb_build_object('at', now()) || %(step)s)
    WHERE id = %(turn)s AND kind = 'message' AND state IN ('failed', 'stopped', 'done') AND NOT redacted
    RETURNING id, conversation
), forgotten AS (
    DELETE FROM message USING queued, conversation c
    WHERE message.turn = queued.id AND c.id = queued.conversation AND message.conversation = c.id
      AND coalesce(message.context, 0) = coalesce(c.context, 0)
)
SELECT conversation FROM queued

-- drop --
-- Drop an open message; return the lane. The turn ends at the head of its lane, where the room is told, unless its
-- messages or its answer were redacted: then nothing of the answer stays. The edits and the requests for another answer
-- that wait for it end too.
WITH dropped AS (
    UPDATE turn SET stop = CASE WHEN stop IN ('redacted', 'withdrawn') THEN 'withdrawn' ELSE 'dropped' END,
           stopped_by = %(event_id)s, not_before = NULL,
           steps = steps || (jsonb_build_object('at', now()) || %(step)s)
    WHERE id = %(turn)s AND kind = 'message' AND state IN ('queued', 'running')
    RETURNING id, conversation, pg_notify('agent_bridge', 'stops')
), changes AS (
    UPDATE turn SET stop = 'dropped', stopped_by = %(event_id)s
    FROM dropped JOIN turn m ON m.id = dropped.id OR m.collected_into = dropped.id
    WHERE turn.target = m.id AND turn.kind IN ('edit', 'again') AND turn.state IN ('queued', 'running')
)
SELECT conversation FROM dropped
