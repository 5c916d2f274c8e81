-- lock --
-- Let nobody else write a request until the transaction ends: their numbers then have the order of their commits.
LOCK TABLE reload IN SHARE ROW EXCLUSIVE MODE

-- request --
-- Ask all processes that answer, which hold the lock of %(kind)s, to read their configuration again; delete the requests of
-- earlier days.
WITH old AS (
    DELETE FROM reload WHERE at < now() - interval '1 day'
), asked AS (
    INSERT INTO reload DEFAULT VALUES RETURNING id
), processes AS (
    INSERT INTO reload_answer (reload, process)
    SELECT asked.id, held.key FROM asked, advisory_lock held WHERE held.kind = %(kind)s
    ON CONFLICT DO NOTHING
)
SELECT id, pg_notify('agent_bridge', 'reloads') FROM asked

-- newest --
-- Return the newest request, and the newest one that is younger than %(seconds)s seconds; 0 without one.
SELECT coalesce(max(id), 0) AS newest,
       coalesce(max(id) FILTER (WHERE at > clock_timestamp() - make_interval(secs => %(seconds)s)), 0) AS young
FROM reload

-- answer --
-- Record the outcome in the process %(process)s for the requests behind %(after)s up to %(until)s.
INSERT INTO reload_answer (reload, process, name, applied, restart, fault)
SELECT id, %(process)s, %(name)s, %(applied)s::text[], %(restart)s::text[], %(fault)s
FROM reload WHERE id > %(after)s AND id <= %(until)s
ON CONFLICT (reload, process) DO UPDATE
SET name = EXCLUDED.name, applied = EXCLUDED.applied, restart = EXCLUDED.restart, fault = EXCLUDED.fault

-- answers --
-- Return the answers to the request %(request)s, and whether each process lives: it holds the lock of %(kind)s.
SELECT a.name, a.applied, a.restart, a.fault,
       EXISTS (SELECT 1 FROM advisory_lock held WHERE held.kind = %(kind)s AND held.key = a.process) AS lives
FROM reload_answer a WHERE a.reload = %(request)s ORDER BY a.name, a.process
