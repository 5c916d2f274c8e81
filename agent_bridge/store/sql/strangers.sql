-- lock --
-- Let nobody else decide whether a person without a role is told so until the transaction ends.
SELECT pg_advisory_xact_lock(%(kind)s, 0)

-- may_tell --
-- Return whether a person without a role may be told so by the ghost that the person has invited: the ghost did not tell
-- the person in the last day, and of all remote people at most %(most)s are told in an hour.
SELECT NOT EXISTS (
           SELECT 1 FROM turn
           WHERE kind = 'invitation' AND created_at > now() - interval '1 day' AND sender = %(sender)s
             AND payload ->> 'invited' = %(invited)s AND effect ? 'told')
       AND (%(is_local)s OR (
           SELECT count(*) FROM turn
           WHERE kind = 'invitation' AND created_at > now() - interval '1 hour' AND effect ->> 'told' = 'remote') < %(most)s)
       AS may_tell
