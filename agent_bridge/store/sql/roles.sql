-- lock --
-- Let nobody else write a book of roles until the transaction ends: versions then have the order of their commits.
LOCK TABLE role_book IN SHARE ROW EXCLUSIVE MODE

-- newest --
-- Return the newest book of roles; no row if there is none.
SELECT version, permissions, assigned, servers FROM role_book ORDER BY version DESC LIMIT 1

-- current --
-- Return the newest book of roles, nulls if there is none, the mutes that last, the rooms of servers, whether a token
-- may subscribe to the feed, and the rooms with archived threads.
SELECT b.version, b.permissions, b.assigned, b.servers,
       (SELECT coalesce(jsonb_object_agg(r.room_id, x.server), '{}')
        FROM (SELECT room, id AS server FROM server UNION ALL SELECT room, server FROM channel WHERE server IS NOT NULL) AS x
             JOIN room r ON r.id = x.room
        WHERE r.room_id IS NOT NULL) AS rooms,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(m.room_id, m.user_id, m.until)), '[]') FROM mute m
        WHERE m.until IS NULL OR m.until > now()) AS mutes,
       EXISTS (SELECT 1 FROM token WHERE 'subscribe' = ANY(capabilities) AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > now())) AS is_fed,
       (SELECT coalesce(jsonb_agg(DISTINCT h.room_id), '[]') FROM thread h WHERE h.archived_at IS NOT NULL) AS archived
FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM role_book ORDER BY version DESC LIMIT 1) AS b ON true

-- book --
-- Return a book of roles.
SELECT version, permissions, assigned, servers FROM role_book WHERE version = %(version)s

-- add --
-- Write a book with the roles that people gave, and return it.
INSERT INTO role_book (permissions, assigned, servers)
SELECT %(permissions)s::jsonb, coalesce(
           jsonb_object_agg(user_id, jsonb_build_array(role, given_by, given_at)) FILTER (WHERE user_id IS NOT NULL), '{}'),
       (SELECT coalesce(jsonb_object_agg(server, given), '{}') FROM (
             SELECT server, jsonb_object_agg(user_id, jsonb_build_array(role, given_by, given_at)) AS given
             FROM server_role GROUP BY server) AS by_server)
FROM role_assignment
RETURNING version, permissions, assigned, servers, pg_notify('agent_bridge', 'roles')

-- assign --
-- Record the role that a person gave a user.
INSERT INTO role_assignment (user_id, role, given_by) VALUES (%(user_id)s, %(role)s, %(by)s)
ON CONFLICT (user_id) DO UPDATE SET role = EXCLUDED.role, given_by = EXCLUDED.given_by, given_at = now()

-- withdraw --
-- Forget the role that a person gave a user.
DELETE FROM role_assignment WHERE user_id = %(user_id)s

-- due --
-- Return up to %(limit)s rooms of the bridge that are behind the book %(version)s, but for %(others)s, those with open turns
-- first: homes, the lobby if the bridge made it (%(lobby)s), the room of the administrators, servers and channels.
SELECT r.id, r.room_id, r.kind, r.roles_applied AS applied, a.ghost, coalesce(s.id, c.server) AS server
FROM room r LEFT JOIN agent a ON a.id = r.owner LEFT JOIN server s ON s.room = r.id LEFT JOIN channel c ON c.room = r.id
-- include rooms_behind_book --
ORDER BY EXISTS (
    SELECT 1 FROM conversation c JOIN turn t ON t.conversation = c.id WHERE c.room_id = r.room_id AND t.open
) DESC, r.id
LIMIT %(limit)s

-- count_due --
-- Return the number of rooms that are behind the book %(version)s, but for %(others)s.
SELECT count(*) AS "left" FROM room r
-- include rooms_behind_book --

-- compared --
-- Record that a room was compared with the book %(version)s; and, unless a change was refused (%(is_refused)s), that it has
-- the levels and members by that book. A newer book meanwhile leaves the room due. Where a change is refused the next
-- comparison of the room with its desired state has its levels compared again.
UPDATE room SET roles_compared = %(version)s, levels_due = false,
       roles_applied = CASE WHEN %(is_refused)s THEN roles_applied ELSE %(version)s END,
       problems = CASE WHEN %(is_refused)s AND kind = 'home' THEN array_append(array_remove(problems, 'level_stuck'), 'level_stuck')
                       ELSE array_remove(problems, 'level_stuck') END
WHERE id = %(room)s

-- note_levels_due --
-- Have the levels of those of the rooms %(rooms)s compared that have levels of roles.
UPDATE room SET levels_due = true WHERE room_id = ANY(%(rooms)s) AND kind IN ('home', 'lobby', 'server', 'channel')
RETURNING pg_notify('agent_bridge', 'roles')

-- persons --
-- Return the people with chats, direct chats or own Spaces behind the book %(version)s, and the books that these have.
SELECT DISTINCT person, applied FROM (
    SELECT person, roles_applied AS applied FROM room WHERE person IS NOT NULL AND status IN ('active', 'archived')
    UNION ALL
    SELECT user_id, roles_applied FROM person_space
) AS own WHERE coalesce(applied, 0) < %(version)s

-- persons_compared --
-- Record that chats, direct chats and own Spaces have the members by the book %(version)s, but for those of %(others)s.
WITH spaces AS (
    UPDATE person_space SET roles_applied = %(version)s
    WHERE coalesce(roles_applied, 0) < %(version)s AND user_id <> ALL(%(others)s::text[])
)
UPDATE room SET roles_applied = %(version)s, roles_compared = %(version)s
WHERE person IS NOT NULL AND coalesce(roles_applied, 0) < %(version)s AND person <> ALL(%(others)s::text[])

-- rooms_of --
-- Return the chats and the direct chats of a person that the bridge made, and the own Space, in the order in which a
-- person leaves them.
SELECT room_id, ghost FROM (
    SELECT r.room_id, a.ghost, r.id, 0 AS place FROM room r JOIN agent a ON a.id = r.owner
    WHERE r.person = %(person)s AND r.room_id IS NOT NULL AND r.status IN ('active', 'archived')
      AND (r.kind = 'chat' OR (r.kind = 'dm' AND r.request_key IS NOT NULL))
    UNION ALL
    SELECT room_id, NULL, 0, 1 FROM person_space WHERE user_id = %(person)s
) AS own ORDER BY place, id

-- bot_rooms --
-- Return the chats with the bot in which the user %(user_id)s has given commands, but for the room of the administrators.
SELECT r.room_id FROM room r
WHERE r.kind = 'bot' AND r.room_id <> coalesce((SELECT value #>> '{}' FROM kv WHERE key = 'admin_room'), '')
  AND EXISTS (SELECT 1 FROM conversation c JOIN turn t ON t.conversation = c.id
              WHERE c.room_id = r.room_id AND t.sender = %(user_id)s)
ORDER BY r.id

-- archive --
-- Put the chats of a person away, who may not enter them any more.
UPDATE room SET status = 'archived', changes = changes + 1 WHERE person = %(person)s AND kind = 'chat' AND status = 'active'
RETURNING pg_notify('agent_bridge', 'chats')

-- drop --
-- End the open turns of the user %(user_id)s in the room %(room_id)s (null: in all rooms), and those of agents that ask each
-- other because of the user, because of the event %(event_id)s (null: of none), as 🛑 does, and return their lanes. An answer
-- that is just being shown is shown.
UPDATE turn SET stop = CASE WHEN stop = 'redacted' THEN 'withdrawn' ELSE 'stopped' END, not_before = NULL,
       stopped_by = coalesce(%(event_id)s, stopped_by)
FROM conversation c
WHERE c.id = turn.conversation AND turn.open AND turn.state IN ('queued', 'running')
  AND (turn.sender = %(user_id)s OR turn.chain IN (SELECT id FROM chain WHERE asker = %(user_id)s))
  AND (%(room_id)s::text IS NULL OR c.room_id = %(room_id)s)
  AND turn.kind IN ('message', 'edit', 'again') AND coalesce(turn.stop, 'edited') IN ('edited', 'redacted', 'interrupted')
RETURNING turn.conversation, pg_notify('agent_bridge', 'stops')

-- prune --
-- Delete the books that no room has, but for the newest one and %(kept)s.
DELETE FROM role_book b
WHERE b.version < (SELECT max(version) FROM role_book) AND b.version <> ALL(%(kept)s::bigint[])
  AND NOT EXISTS (SELECT 1 FROM room r WHERE r.roles_applied = b.version)
  AND NOT EXISTS (SELECT 1 FROM person_space p WHERE p.roles_applied = b.version)
