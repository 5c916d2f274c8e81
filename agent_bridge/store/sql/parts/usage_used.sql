-- A CTE. `used` has the entries %(used)s of requests, a JSON array as `entry_values` makes it.
used AS (
    SELECT * FROM jsonb_to_recordset(%(used)s) AS used (
        key text, user_id text, role text, room_id text, agent bigint, upstream text, model text, input_tokens bigint,
        output_tokens bigint, cached_tokens bigint, is_estimated boolean, cost numeric, price text, origin bigint)
)
