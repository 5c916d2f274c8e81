-- alone --
-- Return whether this transaction is the only one that writes sums, until it ends.
SELECT pg_try_advisory_xact_lock(%(kind)s, 0) AS is_alone

-- since --
-- Return the time from which sums are computed anew: some minutes before the last sum, because a transaction commits after
-- the times that it writes; %(days)s days ago at the earliest.
SELECT greatest(
    to_timestamp(floor(extract(epoch FROM now()) / %(step)s) * %(step)s) - make_interval(days => %(days)s),
    coalesce((SELECT max(at) FROM rollup) - make_interval(secs => 2 * %(step)s), '-infinity')) AS since

-- clear --
-- Forget the sums from the time %(since)s on, and those of more than %(days)s days ago.
DELETE FROM rollup WHERE at >= %(since)s OR at < now() - make_interval(days => %(days)s)

-- add --
-- Write the sums of each %(step)s seconds since the time %(since)s: of the messages, edits and requests for another answer that
-- agents were asked and that ended, and of the tokens. First words count if the present answer has sent its first part. The
-- buckets of times have the upper bounds %(bounds)s.
WITH closed AS (
    SELECT to_timestamp(floor(extract(epoch FROM t.finished_at) / %(step)s) * %(step)s) AS at, t.state,
           CASE WHEN t.state = 'done' AND t.kind = 'message' THEN width_bucket(
               extract(epoch FROM t.finished_at - coalesce(t.retried_at, t.said_at))::float, %(bounds)s::float[]) END AS whole,
           CASE WHEN t.state = 'done' AND t.kind = 'message' AND o.created_at >= coalesce(t.retried_at, t.said_at)
                THEN width_bucket(extract(epoch FROM o.created_at - coalesce(t.retried_at, t.said_at))::float,
                                  %(bounds)s::float[]) END AS first
    FROM turn t JOIN conversation c ON c.id = t.conversation AND c.agent IS NOT NULL
         LEFT JOIN outbox o ON o.turn = t.id AND o.part = %(part)s
    WHERE t.finished_at >= %(since)s AND t.finished_at IS NOT NULL AND t.kind IN ('message', 'again', 'edit')
      AND t.state IN ('done', 'failed', 'stopped')
), ended AS (
    SELECT at, count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state = 'stopped') AS stopped
    FROM closed GROUP BY at
), firsts AS (
    SELECT at, jsonb_object_agg(first, answers) AS first_words
    FROM (SELECT at, first, count(*) AS answers FROM closed WHERE first IS NOT NULL GROUP BY at, first) AS counted
    GROUP BY at
), wholes AS (
    SELECT at, jsonb_object_agg(whole, answers) AS whole_answer
    FROM (SELECT at, whole, count(*) AS answers FROM closed WHERE whole IS NOT NULL GROUP BY at, whole) AS counted
    GROUP BY at
), used AS (
    SELECT to_timestamp(floor(extract(epoch FROM u.at) / %(step)s) * %(step)s) AS at, sum(input_tokens) AS input_tokens,
           sum(output_tokens) AS output_tokens, sum(cost) AS cost
    FROM usage u WHERE u.at >= %(since)s GROUP BY 1
)
INSERT INTO rollup (at, done, failed, stopped, first_words, whole_answer, input_tokens, output_tokens, cost)
SELECT at, coalesce(done, 0), coalesce(failed, 0), coalesce(stopped, 0), coalesce(first_words, '{}'),
       coalesce(whole_answer, '{}'), coalesce(input_tokens, 0), coalesce(output_tokens, 0), cost
FROM ended FULL JOIN used USING (at) LEFT JOIN firsts USING (at) LEFT JOIN wholes USING (at)

-- read --
-- Return the sums since the time %(since)s, the oldest first.
SELECT at, done, failed, stopped, first_words, whole_answer, input_tokens, output_tokens, cost
FROM rollup WHERE at >= %(since)s ORDER BY at
