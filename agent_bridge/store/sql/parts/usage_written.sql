-- Two more CTEs. `spent` writes the entries. A request with a known key is the same one: its numbers replace the earlier
-- ones, but no estimate replaces a report. `reported` is the sum of all that upstreams have reported for the turn; null:
-- nothing.
-- include usage_used --
, spent AS (
-- include usage_insert --
    ON CONFLICT (key) DO UPDATE SET
        input_tokens = EXCLUDED.input_tokens, output_tokens = EXCLUDED.output_tokens,
        cached_tokens = EXCLUDED.cached_tokens, is_estimated = EXCLUDED.is_estimated, cost = EXCLUDED.cost,
        price = EXCLUDED.price
    WHERE known.is_estimated OR NOT EXCLUDED.is_estimated
), reported AS (
    SELECT sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
           sum(cached_tokens)::bigint AS cached_tokens
    FROM (SELECT input_tokens, output_tokens, cached_tokens FROM usage
          WHERE turn = %(turn)s AND NOT is_estimated
            AND NOT EXISTS (SELECT 1 FROM used WHERE used.key = usage.key AND NOT used.is_estimated)
          UNION ALL
          SELECT input_tokens, output_tokens, cached_tokens FROM used WHERE NOT is_estimated) AS summand
)
