-- messages --
-- Delete messages of transcripts that are older than %(days)s days, at most %(batch)s, the oldest first. Those of saved
-- copies stay until their owner deletes the copy. Here and below the ids are an array: in place of a join, for which
-- PostgreSQL reads the whole table for each id if its statistics are those of an empty table.
DELETE FROM message WHERE id = ANY(ARRAY(
    SELECT m.id FROM message m LEFT JOIN context x ON x.id = m.context
    WHERE m.created_at < now() - make_interval(secs => %(days)s * 86400.0) AND x.name IS NULL
    ORDER BY m.created_at LIMIT %(batch)s
))

-- contexts --
-- Delete contexts without messages that ended more than %(days)s days ago, at most %(batch)s: they cannot be loaded.
DELETE FROM context WHERE id = ANY(ARRAY(
    SELECT id FROM context x WHERE x.ended_at < now() - make_interval(secs => %(days)s * 86400.0)
      AND NOT EXISTS (SELECT 1 FROM message m WHERE m.context = x.id)
    ORDER BY x.ended_at LIMIT %(batch)s
))

-- turns --
-- Delete turns that were closed more than %(days)s days ago, at most %(batch)s, the oldest first. A turn that was
-- collected into an open turn stays: it is a part of the question. A turn stays as long as the transcript has a message
-- of it: a redaction finds the message by the turn. OFFSET 0: PostgreSQL looks for each turn alone, by an index.
DELETE FROM turn WHERE id = ANY(ARRAY(
    SELECT id FROM turn t WHERE t.finished_at < now() - make_interval(secs => %(days)s * 86400.0)
      AND NOT t.open
      AND NOT EXISTS (SELECT 1 FROM turn head WHERE head.id = t.collected_into AND head.finished_at IS NULL OFFSET 0)
      AND NOT EXISTS (SELECT 1 FROM message m WHERE m.turn = coalesce(t.collected_into, t.id) OFFSET 0)
    ORDER BY t.finished_at LIMIT %(batch)s
))

-- chains --
-- Delete chains without turns that began more than %(days)s days ago, at most %(batch)s.
DELETE FROM chain WHERE id = ANY(ARRAY(
    SELECT id FROM chain ch WHERE ch.created_at < now() - make_interval(secs => %(days)s * 86400.0)
      AND NOT EXISTS (SELECT 1 FROM turn t WHERE t.chain = ch.id)
    ORDER BY ch.created_at LIMIT %(batch)s
))

-- ignored --
-- Delete notes of ignored events that are older than %(days)s days, at most %(batch)s, the oldest first.
DELETE FROM ignored WHERE event_id = ANY(ARRAY(
    SELECT event_id FROM ignored WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY created_at LIMIT %(batch)s
))

-- dead_letters --
-- Delete events that could not be stored as turns, if they are older than %(days)s days, at most %(batch)s, the oldest
-- first.
DELETE FROM dead_letter WHERE id = ANY(ARRAY(
    SELECT id FROM dead_letter WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY id LIMIT %(batch)s
))

-- trigger_requests --
-- Delete accepted requests of triggers that are older than %(days)s days, at most %(batch)s.
DELETE FROM trigger_request WHERE (trigger, key) IN (
    SELECT trigger, key FROM trigger_request WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY created_at LIMIT %(batch)s
)

-- triggers --
-- Delete callback URLs that were used, or have expired, more than %(days)s days ago, at most %(batch)s.
DELETE FROM trigger WHERE id = ANY(ARRAY(
    SELECT id FROM trigger
    WHERE kind = 'callback'
      AND CASE WHEN used_key IS NULL THEN expires_at ELSE last_used_at END < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY id LIMIT %(batch)s
))

-- notifications --
-- Delete notifications that are older than %(days)s days, at most %(batch)s.
DELETE FROM notification WHERE id = ANY(ARRAY(
    SELECT id FROM notification WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY created_at LIMIT %(batch)s
))

-- agent_events --
-- Delete agent events that were posted or given up more than %(days)s days ago, at most %(batch)s.
DELETE FROM agent_event WHERE id = ANY(ARRAY(
    SELECT id FROM agent_event WHERE closed_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY closed_at LIMIT %(batch)s
))

-- people_questions --
-- Delete questions to people that are older than %(days)s days, at most %(batch)s.
DELETE FROM person_question WHERE id = ANY(ARRAY(
    SELECT id FROM person_question WHERE asked_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY asked_at LIMIT %(batch)s
))

-- model_threads --
-- Delete the names of conversations that were not used for %(days)s days, at most %(batch)s.
DELETE FROM model_thread WHERE id = ANY(ARRAY(
    SELECT id FROM model_thread WHERE used_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY used_at LIMIT %(batch)s
))

-- program_requests --
-- Delete requests of programs that are older than %(days)s days, at most %(batch)s.
DELETE FROM api_request WHERE id = ANY(ARRAY(
    SELECT id FROM api_request WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY created_at LIMIT %(batch)s
))

-- feed --
-- Delete entries of the feed that are older than %(days)s days, at most %(batch)s, the oldest first, and note the position up
-- to which they are gone. While no token may subscribe, all are deleted: nobody erases redacted ones.
WITH gone AS (
    DELETE FROM feed WHERE position = ANY(ARRAY(
        SELECT position FROM feed
        WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
           OR NOT EXISTS (SELECT 1 FROM token WHERE 'subscribe' = ANY(capabilities) AND revoked_at IS NULL
                          AND (expires_at IS NULL OR expires_at > now()))
        ORDER BY created_at LIMIT %(batch)s))
    RETURNING position
)
UPDATE kv SET value = jsonb_set(value, '{pruned}', to_jsonb(greatest((value ->> 'pruned')::bigint, g.position)))
FROM (SELECT max(position) AS position FROM gone) AS g WHERE kv.key = 'feed' AND g.position IS NOT NULL

-- tokens --
-- Delete tokens that were revoked, or have expired, more than %(days)s days ago, at most %(batch)s.
DELETE FROM token WHERE id = ANY(ARRAY(
    SELECT id FROM token WHERE least(revoked_at, expires_at) < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY id LIMIT %(batch)s
))

-- operations --
-- Delete operations that ended more than %(days)s days ago, at most %(batch)s.
DELETE FROM operation WHERE id = ANY(ARRAY(
    SELECT id FROM operation WHERE finished_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY finished_at LIMIT %(batch)s
))

-- votes --
-- Delete votes that ended more than %(days)s days ago, at most %(batch)s.
DELETE FROM vote WHERE id = ANY(ARRAY(
    SELECT id FROM vote WHERE is_settled AND closed_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY closed_at LIMIT %(batch)s
))

-- conversations --
-- Delete the links of lanes to conversations on upstreams, of agents that have been gone for %(days)s days, at most
-- %(batch)s. The agent is not asked while it is gone. The lock has it stay gone until the rows are deleted: an agent that
-- comes back at the same moment keeps its rows, or finds none at its first question.
WITH gone AS MATERIALIZED (
    SELECT a.upstream, a.model FROM agent a
    WHERE a.state IN ('gone', 'retired') AND a.state_since < now() - make_interval(secs => %(days)s * 86400.0)
      AND EXISTS (SELECT 1 FROM upstream_conversation u WHERE u.upstream = a.upstream AND u.model = a.model)
      AND NOT EXISTS (
          SELECT 1 FROM agent other WHERE other.upstream = a.upstream AND other.model = a.model AND other.state NOT IN ('gone', 'retired')
      )
      AND NOT EXISTS (SELECT 1 FROM turn t JOIN conversation c ON c.id = t.conversation WHERE c.agent = a.id AND t.open)
    ORDER BY a.id FOR NO KEY UPDATE OF a
), forgotten AS (
    SELECT u.upstream, u.model, u.session FROM upstream_conversation u JOIN gone USING (upstream, model)
    ORDER BY u.upstream, u.model, u.session LIMIT %(batch)s
)
DELETE FROM upstream_conversation u USING forgotten f
WHERE u.upstream = f.upstream AND u.model = f.model AND u.session = f.session
