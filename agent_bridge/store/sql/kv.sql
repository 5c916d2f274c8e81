-- some --
-- Return those of the keys %(keys)s that have a value, with their values.
SELECT key, value FROM kv WHERE key = ANY(%(keys)s)

-- set --
-- Set the value of a key, and signal the topic %(topic)s unless it is null.
INSERT INTO kv (key, value) VALUES (%(key)s, %(value)s)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value
RETURNING CASE WHEN %(topic)s::text IS NOT NULL THEN pg_notify('agent_bridge', %(topic)s) END

-- note_restart --
-- Record that the upstream may be restarted now.
INSERT INTO kv (key, value) VALUES ('restarts', jsonb_build_object(%(upstream)s::text, now()))
ON CONFLICT (key) DO UPDATE
SET value = CASE WHEN jsonb_typeof(kv.value) = 'object' THEN kv.value ELSE '{}' END || EXCLUDED.value

-- count_up --
-- Add 1 to the number of a key, which begins at 0; signal the topic %(topic)s and return the number.
INSERT INTO kv (key, value) VALUES (%(key)s, '1')
ON CONFLICT (key) DO UPDATE
SET value = to_jsonb(CASE WHEN jsonb_typeof(kv.value) = 'number' THEN kv.value::integer ELSE 0 END + 1)
RETURNING value::integer AS number, pg_notify('agent_bridge', %(topic)s)

-- count_up_of --
-- Add 1 to the number of %(member)s in the object of a key, which begins at 0; signal the topic %(topic)s and return the
-- number. An object that cannot be read begins anew.
INSERT INTO kv (key, value) VALUES (%(key)s, jsonb_build_object(%(member)s::text, 1))
ON CONFLICT (key) DO UPDATE
SET value = CASE WHEN jsonb_typeof(kv.value) = 'object' THEN kv.value ELSE '{}' END || jsonb_build_object(
    %(member)s::text,
    CASE WHEN jsonb_typeof(kv.value -> %(member)s::text) = 'number' THEN (kv.value ->> %(member)s::text)::integer ELSE 0 END + 1)
RETURNING (value ->> %(member)s::text)::integer AS number, pg_notify('agent_bridge', %(topic)s)
