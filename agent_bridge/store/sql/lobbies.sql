-- adopt --
-- Record that the room %(room_id)s, in which the bot is, is a lobby; no row if it belongs to an agent or a person. Nothing is
-- missing in a new room up to the event %(seen)s.
INSERT INTO room (room_id, kind, bot_joined, last_seen, backfilled_at)
VALUES (%(room_id)s, 'lobby', true, %(seen)s, now())
ON CONFLICT (room_id) DO UPDATE SET kind = 'lobby', bot_joined = true
WHERE room.owner IS NULL AND room.person IS NULL
RETURNING id, room_id, name_applied, space, invited, introduced, join_rule_applied

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

-- take_part --
-- Record whether the ghost of an agent is in a lobby.
INSERT INTO participant (room, agent, state) VALUES (%(lobby)s, %(agent)s, %(state)s)
ON CONFLICT (room, agent) DO UPDATE SET state = EXCLUDED.state WHERE participant.state <> EXCLUDED.state

-- named --
-- Record the name that a lobby was given.
UPDATE room SET name_applied = %(name)s WHERE id = %(lobby)s
