-- record --
-- Write the tokens of requests that answer the turn %(turn)s (null: none), and have the turn keep the sum of all that
-- upstreams reported for it. `turns.commit` does the same. The statement does not wait for the disk.
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true)),
-- include usage_written --
, kept AS (
    UPDATE turn SET input_tokens = coalesce(reported.input_tokens, turn.input_tokens),
           output_tokens = coalesce(reported.output_tokens, turn.output_tokens),
           cached_tokens = coalesce(reported.cached_tokens, turn.cached_tokens)
    FROM reported WHERE turn.id = %(turn)s AND reported.input_tokens IS NOT NULL
)
SELECT FROM quick

-- left --
-- Write the estimated tokens of requests whose processes ended before they wrote any. The number of the attempt stands
-- behind the # of a key: an attempt that has tokens is left alone.
WITH
-- include usage_used --
-- include usage_insert --
WHERE NOT EXISTS (
    SELECT 1 FROM usage known WHERE known.turn = %(turn)s AND split_part(known.key, '#', 2) = split_part(new.key, '#', 2))
ON CONFLICT (key) DO NOTHING

-- recent --
-- Return the number of messages and requests for another answer of the minute of the turn %(turn)s, up to this turn in the
-- order of their arrival, by sender, room and agent.
SELECT t.sender, c.room_id, c.agent, a.upstream, count(*) AS messages
FROM turn me JOIN turn t ON t.kind IN ('message', 'again', 'edit') AND t.created_at >= date_trunc('minute', me.created_at)
                            AND (t.created_at, t.id) <= (me.created_at, me.id)
     JOIN conversation c ON c.id = t.conversation JOIN agent a ON a.id = c.agent
WHERE me.id = %(turn)s
GROUP BY t.sender, c.room_id, c.agent, a.upstream

-- sums --
-- Return the tokens and the cost since the times %(since)s, on the days from %(first)s, of the subjects %(keys)s of the
-- kinds %(kinds)s, in their order. Ended days of the time zone %(zone)s that were added up come from there.
WITH wanted AS (
    SELECT w.number, w.kind, w.key, w.first_day, greatest(w.since, rolled.since) AS since, rolled.until
    FROM unnest(%(kinds)s::text[], %(keys)s::text[], %(since)s::timestamptz[], %(first)s::date[])
             WITH ORDINALITY AS w (kind, key, since, first_day, number)
    LEFT JOIN (SELECT (value ->> 'until')::date AS until, (value ->> 'since')::timestamptz AS since
               FROM kv WHERE key = 'usage_days' AND value ->> 'zone' = %(zone)s) AS rolled ON true
)
SELECT coalesce(sum(used.tokens), 0)::numeric AS tokens, coalesce(sum(used.cost), 0) AS cost
FROM wanted w LEFT JOIN LATERAL (
    SELECT input_tokens + output_tokens AS tokens, cost FROM usage u
    WHERE w.kind = 'user' AND u.user_id = w.key AND u.at >= w.since
    UNION ALL
    SELECT input_tokens + output_tokens, cost FROM usage u WHERE w.kind = 'role' AND u.role = w.key AND u.at >= w.since
    UNION ALL
    SELECT input_tokens + output_tokens, cost FROM usage u
    WHERE w.kind = 'room' AND u.room_id = w.key AND u.at >= w.since
    UNION ALL
    SELECT input_tokens + output_tokens, cost FROM usage u
    WHERE w.kind = 'agent' AND u.agent = CASE WHEN w.kind = 'agent' THEN w.key::bigint END AND u.at >= w.since
    UNION ALL
    SELECT input_tokens + output_tokens, cost FROM usage u
    WHERE w.kind = 'upstream' AND u.upstream = w.key AND u.at >= w.since
    UNION ALL
    SELECT tokens, cost FROM usage_day d
    WHERE d.day >= w.first_day AND d.day < w.until AND CASE w.kind
              WHEN 'user' THEN d.user_id = w.key WHEN 'role' THEN d.role = w.key WHEN 'room' THEN d.room_id = w.key
              WHEN 'agent' THEN d.agent::text = w.key ELSE d.upstream = w.key END
) AS used ON true
GROUP BY w.number ORDER BY w.number

-- of_user --
-- Return the use of the person %(user)s since a time, by agent and room.
-- include usage_rows --
WHERE u.user_id = %(user)s AND u.at >= %(since)s GROUP BY u.user_id, a.name, u.room_id, r.number

-- of_all --
-- Return the use of all people since a time, by person, agent and room.
-- include usage_rows --
WHERE u.at >= %(since)s GROUP BY u.user_id, a.name, u.room_id, r.number

-- parts --
-- Return the %(limit)s largest parts of the use of all people since a time, by user, room or agent (%(by)s), with the sums of
-- all parts. A room has the names of its agents.
WITH part AS (
    SELECT CASE %(by)s WHEN 'user' THEN u.user_id WHEN 'room' THEN u.room_id ELSE a.name END AS key, count(*) AS requests,
           count(*) FILTER (WHERE u.is_estimated) AS estimated, sum(u.input_tokens + u.output_tokens)::numeric AS tokens,
           sum(u.cost) AS cost
    FROM usage u JOIN agent a ON a.id = u.agent WHERE u.at >= %(since)s GROUP BY 1
), largest AS (
    SELECT part.*, count(*) OVER () AS parts, sum(requests) OVER () AS all_requests, sum(estimated) OVER () AS all_estimated,
           sum(tokens) OVER () AS all_tokens, sum(cost) OVER () AS all_cost
    FROM part ORDER BY tokens DESC, key LIMIT %(limit)s
)
SELECT l.*, r.number AS chat, agents.names AS agents
FROM largest l LEFT JOIN room r ON %(by)s = 'room' AND r.room_id = l.key LEFT JOIN LATERAL (
    SELECT string_agg(DISTINCT a.name, ', ' ORDER BY a.name) AS names FROM usage u JOIN agent a ON a.id = u.agent
    WHERE u.room_id = l.key AND u.at >= %(since)s) AS agents ON %(by)s = 'room'
ORDER BY l.tokens DESC, l.key

-- rolled --
-- Return the day after the last one that is added up (null: none of the time zone %(zone)s is), and whether there are
-- requests between it and the time %(today)s.
SELECT rolled.until, EXISTS (
    SELECT 1 FROM usage WHERE at < %(today)s AND at >= coalesce(rolled.since, '-infinity')) AS has_more
FROM (SELECT) AS once LEFT JOIN (
    SELECT (value ->> 'until')::date AS until, (value ->> 'since')::timestamptz AS since
    FROM kv WHERE key = 'usage_days' AND value ->> 'zone' = %(zone)s) AS rolled ON true

-- clear_days --
-- Delete the sums of the days from %(first)s.
DELETE FROM usage_day WHERE day >= %(first)s

-- add_day --
-- Add up the use of the day %(day)s, which lasts from the time %(start)s to %(end)s, and note that the days of the time zone
-- %(zone)s before %(until)s, the next one, are added up.
WITH added AS (
    INSERT INTO usage_day (user_id, day, role, room_id, agent, upstream, tokens, cost)
    SELECT u.user_id, %(day)s, u.role, u.room_id, u.agent, u.upstream, sum(u.input_tokens + u.output_tokens), sum(u.cost)
    FROM usage u WHERE u.at >= %(start)s AND u.at < %(end)s
    GROUP BY u.user_id, u.role, u.room_id, u.agent, u.upstream
)
INSERT INTO kv (key, value)
SELECT 'usage_days', jsonb_build_object('zone', %(zone)s::text, 'until', %(until)s::date, 'since', %(end)s::timestamptz)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value

-- prune --
-- Delete the rows of requests before the time %(before)s, at most %(batch)s, the oldest first.
DELETE FROM usage WHERE key IN (SELECT key FROM usage WHERE at < %(before)s ORDER BY at LIMIT %(batch)s)

-- prune_days --
-- Delete the sums of the days before %(before)s.
DELETE FROM usage_day WHERE day < %(before)s
