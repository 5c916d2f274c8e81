-- adopt --
-- Record that the room %(room_id)s, in which the bot is, is a lobby; no row if it belongs to an agent or a person. Nothing is
-- missing in a new room up to the event %(seen)s. A room that the bridge made has the levels by the book %(roles)s; another
-- one gets them.
INSERT INTO room (room_id, kind, bot_joined, last_seen, backfilled_at, roles_applied, roles_compared)
VALUES (%(room_id)s, 'lobby', true, %(seen)s, now(), %(roles)s, %(roles)s)
ON CONFLICT (room_id) DO UPDATE SET kind = 'lobby', bot_joined = true
WHERE room.owner IS NULL AND room.person IS NULL
RETURNING id, room_id, name_applied, space, invited, introduced, join_rule_applied,
          CASE WHEN coalesce(roles_applied, 0) < (SELECT max(version) FROM role_book) THEN pg_notify('agent_bridge', 'roles') END AS signal

-- by_room --
-- Return the lobby %(room_id)s.
SELECT id, room_id, name_applied, space, invited, introduced, join_rule_applied FROM room
WHERE room_id = %(room_id)s AND kind = 'lobby'

-- agents --
-- Return the active agents whose ghosts exist, and whether each is in the lobby %(lobby)s.
SELECT a.id AS agent, a.ghost, p.state
FROM agent a LEFT JOIN participant p ON p.agent = a.id AND p.room = %(lobby)s
WHERE a.state = 'active' AND a.displayname_applied IS NOT NULL
ORDER BY a.id

-- missing --
-- Return up to %(limit)s active agents, but for %(but)s, whose ghosts exist and never were in the lobby %(lobby)s.
SELECT a.id AS agent, a.ghost FROM agent a
WHERE a.state = 'active' AND a.displayname_applied IS NOT NULL AND a.id <> ALL(%(but)s)
  AND NOT EXISTS (SELECT 1 FROM participant p WHERE p.room = %(lobby)s AND p.agent = a.id)
ORDER BY a.id
LIMIT %(limit)s

-- retired --
-- Return the retired agents whose ghosts are in the lobby %(lobby)s.
SELECT a.id AS agent, a.ghost, p.state FROM participant p JOIN agent a ON a.id = p.agent
WHERE p.room = %(lobby)s AND p.state = 'joined' AND a.state = 'retired'
ORDER BY a.id

-- forget --
-- Forget that the ghost of an agent was in a lobby: it comes back with the agent.
DELETE FROM participant WHERE room = %(lobby)s AND agent = %(agent)s

-- take_part --
-- Record whether the ghost of an agent is in a lobby.
INSERT INTO participant (room, agent, state) VALUES (%(lobby)s, %(agent)s, %(state)s)
ON CONFLICT (room, agent) DO UPDATE SET state = EXCLUDED.state WHERE participant.state <> EXCLUDED.state

-- named --
-- Record the name that a lobby was given.
UPDATE room SET name_applied = %(name)s WHERE id = %(lobby)s
