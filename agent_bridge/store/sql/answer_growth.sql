-- announce --
-- Send %(payload)s to the sessions of all processes on the channel %(channel)s.
SELECT pg_notify(%(channel)s, %(payload)s)
