-- add_link --
-- Write a link for the person %(user)s with the digest %(hash)s, in place of earlier ones; return its row id.
WITH earlier AS (
    DELETE FROM admin_link WHERE user_id = %(user)s
)
INSERT INTO admin_link (hash, user_id, nonce, expires_at)
VALUES (%(hash)s, %(user)s, %(nonce)s, now() + make_interval(secs => %(seconds)s))
RETURNING id

-- nonce --
-- Return the text from which the secret of the link %(link)s derives; no row if it was told or used.
SELECT nonce FROM admin_link WHERE id = %(link)s AND nonce IS NOT NULL

-- told --
-- Forget the text from which the secret of the link %(link)s derives: its person has the link.
UPDATE admin_link SET nonce = NULL WHERE id = %(link)s

-- withdraw --
-- Delete the link %(link)s.
DELETE FROM admin_link WHERE id = %(link)s

-- use_link --
-- Use up the link with the digest %(hash)s; return its person if it still counts. Of several at once, one gets a row.
WITH used AS (
    DELETE FROM admin_link WHERE hash = %(hash)s RETURNING user_id, expires_at
)
SELECT user_id FROM used WHERE expires_at > now()

-- add_session --
-- Write a session of the person %(user)s with the digest %(hash)s, and forget those that have ended. The person keeps the
-- newest %(most)s others.
WITH ended AS (
    DELETE FROM admin_session WHERE expires_at <= now()
), further AS (
    DELETE FROM admin_session WHERE hash IN (
        SELECT hash FROM admin_session WHERE user_id = %(user)s ORDER BY created_at DESC OFFSET %(most)s)
)
INSERT INTO admin_session (hash, user_id, expires_at)
VALUES (%(hash)s, %(user)s, now() + make_interval(secs => %(seconds)s))

-- find --
-- Return the person of the session with the digest %(hash)s.
SELECT user_id FROM admin_session WHERE hash = %(hash)s AND expires_at > now()

-- alive --
-- Return those of the sessions with the digests %(hashes)s that count.
SELECT hash FROM admin_session WHERE hash = ANY(%(hashes)s) AND expires_at > now()

-- end --
-- End the session with the digest %(hash)s.
DELETE FROM admin_session WHERE hash = %(hash)s

-- people --
-- Return the people with a session or a link.
SELECT user_id FROM admin_session UNION SELECT user_id FROM admin_link

-- end_of --
-- End the sessions of the people %(users)s, and their links.
WITH links AS (
    DELETE FROM admin_link WHERE user_id = ANY(%(users)s)
)
DELETE FROM admin_session WHERE user_id = ANY(%(users)s)

-- note --
-- Write that the person %(user)s took the action %(action)s, and forget actions of more than %(days)s days ago.
WITH earlier AS (
    DELETE FROM admin_action WHERE at < now() - make_interval(days => %(days)s)
)
INSERT INTO admin_action (user_id, action, subject) VALUES (%(user)s, %(action)s, %(subject)s)

-- actions --
-- Return %(limit)s actions before the row id %(before)s, the newest first.
SELECT id, at, user_id, action, subject FROM admin_action WHERE id < %(before)s ORDER BY id DESC LIMIT %(limit)s
