-- source --
-- Lock the turn %(turn)s, whose committed answer is about to ask other agents, and return it; no row if another worker has
-- taken it up. It may not ask (may_ask) if a person has stopped or redacted it, or asks it again.
SELECT t.id, t.event_id, t.sender, t.answer, t.chain, t.hops, t.asked_by, c.room_id, c.thread_id AS thread, c.agent, a.ghost,
       t.stop IS NULL AND t.stopped_by IS NULL AND NOT t.redacted AND t.answer IS NOT NULL AS may_ask
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE t.id = %(turn)s AND t.attempts = %(attempts)s AND t.state = 'committed' FOR UPDATE OF t

-- held_source --
-- Lock and return the turn %(turn)s, whose answer was held back, as `source` does.
SELECT t.id, t.event_id, t.sender, t.answer, t.chain, t.hops, t.asked_by, c.room_id, c.thread_id AS thread, c.agent, a.ghost,
       NOT t.redacted AND t.answer IS NOT NULL AS may_ask
FROM turn t JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE t.id = %(turn)s FOR UPDATE OF t

-- recent --
-- Return the chain in which the agent %(agent)s was asked last in the room %(room_id)s by another agent, and the hops of that
-- turn; no row if that was more than %(minutes)s minutes ago.
SELECT t.chain, t.hops FROM conversation c JOIN turn t ON t.conversation = c.id
WHERE c.room_id = %(room_id)s AND c.agent = %(agent)s AND t.chain IS NOT NULL AND t.asked_by IS NOT NULL
  AND t.created_at > now() - make_interval(mins => %(minutes)s)
ORDER BY t.id DESC LIMIT 1

-- begin --
-- Make the chain that the message %(root)s of %(asker)s begins, unless there is one; return it.
INSERT INTO chain (room_id, root, asker, hops_allowed, turns_allowed, tokens_allowed)
VALUES (%(room_id)s, %(root)s, %(asker)s, %(hops)s, %(turns)s, %(tokens)s)
ON CONFLICT (room_id, root) DO UPDATE SET root = EXCLUDED.root
RETURNING id, root, asker, hops_allowed, turns_allowed, tokens_allowed, grants, stopped_by IS NOT NULL AS is_stopped

-- join --
-- Make the answers to the message that began the chain %(chain)s a part of it.
UPDATE turn SET chain = %(chain)s FROM conversation c
WHERE c.id = turn.conversation AND c.room_id = %(room_id)s AND c.agent IS NOT NULL
  AND turn.event_id = %(root)s AND turn.kind = 'message' AND turn.chain IS NULL

-- find --
-- Return the chain %(chain)s.
SELECT id, root, asker, hops_allowed, turns_allowed, tokens_allowed, grants, stopped_by IS NOT NULL AS is_stopped
FROM chain WHERE id = %(chain)s

-- asked --
-- Return the agents that the turn %(turn)s has asked, or will ask once people let it.
SELECT c.agent FROM turn t JOIN conversation c ON c.id = t.conversation WHERE t.asked_in = %(turn)s AND NOT t.redacted
UNION
SELECT agent FROM chain_hold WHERE asked_in = %(turn)s

-- lock_pairs --
-- Lock the pairs of the agents %(low)s and %(high)s until the transaction ends: other rooms count their questions, too. In the
-- order of their keys, so that no two transactions wait for each other.
SELECT pg_advisory_xact_lock(%(kind)s, key) FROM (
    SELECT DISTINCT hashtext(low || ':' || high) AS key
    FROM unnest(%(low)s::bigint[], %(high)s::bigint[]) AS pair (low, high) ORDER BY key) AS keys

-- use --
-- Return how much the chain %(chain)s has used, and how often the agents %(low)s and %(high)s have asked each other. The
-- rows are counted, so no restart changes it.
SELECT (SELECT count(*) FROM turn t
        WHERE t.asked_by IN (%(low)s, %(high)s)
          AND t.created_at > greatest(now() - interval '1 minute', (
              SELECT since FROM pair_grant WHERE low = %(low)s AND high = %(high)s))
          AND (SELECT agent FROM conversation WHERE id = t.conversation) IN (%(low)s, %(high)s)) AS pair,
       count(*) AS turns, coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), 0)::bigint AS tokens
FROM turn WHERE chain = %(chain)s AND kind = 'message' AND collected_into IS NULL

-- ask --
-- Write the turn in which the agent %(agent)s answers the event %(event_id)s of another agent; return its lane. A known
-- turn is not written. Its time is later than that of `grant_pair` in the same transaction.
WITH lane AS (
    INSERT INTO conversation (room_id, thread_id, agent, lane_kind) VALUES (%(room_id)s, %(thread)s, %(agent)s, 'agent')
    ON CONFLICT (room_id, thread_id, coalesce(agent, 0)) DO UPDATE SET lane_kind = EXCLUDED.lane_kind
    RETURNING id
)
INSERT INTO turn (event_id, key, conversation, kind, sender, payload, chain, hops, asked_by, asked_in, created_at)
SELECT %(event_id)s, %(key)s, lane.id, 'message', %(sender)s, %(payload)s, %(chain)s, %(hops)s, %(asked_by)s, %(asked_in)s,
       clock_timestamp()
FROM lane
ON CONFLICT DO NOTHING
RETURNING conversation, CASE WHEN (
    SELECT true FROM turn ahead WHERE ahead.conversation = turn.conversation AND ahead.open LIMIT 1
) THEN pg_notify('agent_bridge', 'waiting') END

-- hold --
-- Note that an agent is asked once people let the agents of the chain go on. One that is held back once more waits for the
-- next notice.
INSERT INTO chain_hold (asked_in, agent, chain, event_id, bound, grants)
VALUES (%(asked_in)s, %(agent)s, %(chain)s, %(event_id)s, %(bound)s, %(grants)s)
ON CONFLICT (asked_in, agent) DO UPDATE SET bound = EXCLUDED.bound, grants = EXCLUDED.grants

-- tell --
-- Write the turn in which the bridge asks people whether the agents of a chain may go on, once for each grant; return its
-- lane.
WITH lane AS (
    INSERT INTO conversation (room_id, thread_id, agent, lane_kind) VALUES (%(room_id)s, '', NULL, 'bot')
    ON CONFLICT (room_id, thread_id, coalesce(agent, 0)) DO UPDATE SET lane_kind = EXCLUDED.lane_kind
    RETURNING id
)
INSERT INTO turn (event_id, key, conversation, kind, sender, payload, reason, once_key, chain)
SELECT %(event_id)s, %(key)s, lane.id, 'refusal', %(sender)s, %(payload)s, %(reason)s, %(once_key)s, %(chain)s FROM lane
ON CONFLICT DO NOTHING
RETURNING conversation

-- noticed --
-- Lock and return the chain about which the event %(target)s asks people, with the grants that it had then.
SELECT ch.id, ch.root, ch.asker, ch.hops_allowed, ch.turns_allowed, ch.tokens_allowed, ch.grants,
       ch.stopped_by IS NOT NULL AS is_stopped, split_part(t.once_key, ':', 3)::integer AS noticed
FROM outbox o JOIN turn t ON t.id = o.turn JOIN conversation c ON c.id = t.conversation JOIN chain ch ON ch.id = t.chain
WHERE o.event_id = %(target)s AND t.kind = 'refusal' AND c.room_id = %(room_id)s
FOR UPDATE OF ch

-- held --
-- Return the agents that wait for the grant %(grants)s of the chain %(chain)s, in the order in which they were mentioned.
SELECT h.asked_in, h.agent, h.event_id, h.bound, c.agent AS speaker
FROM chain_hold h JOIN turn t ON t.id = h.asked_in JOIN conversation c ON c.id = t.conversation
WHERE h.chain = %(chain)s AND h.grants = %(grants)s ORDER BY h.created_at, h.asked_in, h.agent

-- grant --
-- Let the agents of the chain %(chain)s go on.
UPDATE chain SET grants = grants + 1 WHERE id = %(chain)s

-- raise --
-- Store the limits of the chain %(chain)s.
UPDATE chain SET hops_allowed = %(hops)s, turns_allowed = %(turns)s, tokens_allowed = %(tokens)s WHERE id = %(chain)s

-- grant_pair --
-- Count the questions of the agents %(low)s and %(high)s to each other from now on.
INSERT INTO pair_grant (low, high, since) VALUES (%(low)s, %(high)s, now())
ON CONFLICT (low, high) DO UPDATE SET since = EXCLUDED.since

-- release --
-- Forget that an agent waits.
DELETE FROM chain_hold WHERE asked_in = %(asked_in)s AND agent = %(agent)s

-- notice --
-- Return the limits of the chain of the turn %(turn)s, and the limit that made it wait; no row if it does not wait.
SELECT ch.hops_allowed, ch.turns_allowed, ch.tokens_allowed, h.bound
FROM turn t JOIN chain ch ON ch.id = t.chain JOIN chain_hold h ON h.chain = ch.id
WHERE t.id = %(turn)s AND ch.stopped_by IS NULL AND h.grants = ch.grants AND ch.grants = split_part(t.once_key, ':', 3)::integer
ORDER BY h.created_at, h.asked_in, h.agent LIMIT 1
