-- beat --
-- Record that the leader lives, by the clock of the database. Return the sessions of the processes (the lock %(kind)s,
-- their number) that gave no sign of life for %(seconds)s seconds: each process runs a statement every few seconds. End
-- those of them that are in %(suspects)s. The process %(process)s is left out.
WITH beat AS (
    INSERT INTO kv (key, value) VALUES ('leader_beat', to_jsonb(extract(epoch FROM clock_timestamp())))
    ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value
)
SELECT held.pid, CASE WHEN held.pid = ANY(%(suspects)s::integer[]) THEN pg_terminate_backend(held.pid) ELSE false END AS ended
FROM advisory_lock held JOIN pg_stat_activity session ON session.pid = held.pid
WHERE held.kind = %(kind)s AND held.key <> %(process)s AND session.state = 'idle'
  AND session.state_change < clock_timestamp() - make_interval(secs => %(seconds)s)

-- state --
-- Return the session that holds the leader's lock (%(kind)s, 0) and the seconds for which it has done nothing, the seconds
-- since the last sign of life of a leader, and the seconds for which the longest waiting room has needed a backfill.
SELECT held.pid, CASE WHEN session.state = 'idle' THEN extract(epoch FROM clock_timestamp() - session.state_change)::float
       END AS idle,
       (SELECT extract(epoch FROM clock_timestamp())::float - value::float FROM kv
        WHERE key = 'leader_beat' AND jsonb_typeof(value) = 'number') AS silent,
       (SELECT extract(epoch FROM clock_timestamp() - min(backfill_requested_at))::float FROM room
        WHERE needs_backfill AND (kind <> 'group' OR bot_joined OR EXISTS (
            SELECT 1 FROM participant p WHERE p.room = room.id AND p.state = 'joined')))
           AS backfill_age
FROM (SELECT (SELECT pid FROM advisory_lock WHERE kind = %(kind)s AND key = 0) AS pid) held
     LEFT JOIN pg_stat_activity session ON session.pid = held.pid

-- end --
-- End the session %(pid)s if it holds the leader's lock (%(kind)s, 0).
SELECT pg_terminate_backend(pid) FROM advisory_lock WHERE kind = %(kind)s AND key = 0 AND pid = %(pid)s
