-- read --
-- Return the numbers of open turns by state, the age of the oldest one that waits in seconds (0: none does), the numbers
-- of agents by state, and the status of the upstreams (the value of the key %(upstreams)s). A turn that waits for the
-- reply of an agent that connects itself has a question without a reply, and does not count as waiting, nor do those
-- behind it. A committed turn waits if the homeserver did not take its answer.
WITH asked_lane AS (
    SELECT head.conversation FROM client_question q JOIN turn head ON head.id = q.turn WHERE q.reply IS NULL AND head.open
), open_turn AS (
    SELECT state, extract(epoch FROM now() - coalesce(retried_at, created_at))::float AS age,
           (state = 'queued' OR (state = 'committed' AND waits_since IS NOT NULL))
               AND conversation NOT IN (SELECT conversation FROM asked_lane) AS waits
    FROM turn WHERE open
), state_of_turns AS (
    SELECT state, count(*) AS turns FROM open_turn GROUP BY state
), state_of_agents AS (
    SELECT state, count(*) AS agents FROM agent GROUP BY state
)
SELECT (SELECT coalesce(jsonb_object_agg(state, turns), '{}') FROM state_of_turns) AS turns,
       (SELECT greatest(0, coalesce(max(age) FILTER (WHERE waits), 0)) FROM open_turn) AS oldest_waiting,
       (SELECT coalesce(jsonb_object_agg(state, agents), '{}') FROM state_of_agents) AS agents,
       (SELECT value FROM kv WHERE key = %(upstreams)s) AS upstreams
