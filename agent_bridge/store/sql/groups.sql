-- enter --
-- Write the room %(room_id)s, into which people have invited ghosts, as a group, unless it is known.
INSERT INTO room (room_id, kind) VALUES (%(room_id)s, 'group') ON CONFLICT DO NOTHING

-- join --
-- Have those of the agents with the ghosts %(ghosts)s take part in a room that do not yet; return them.
INSERT INTO participant (room, agent, state)
SELECT room.id, agent.id, 'joined' FROM room, agent
WHERE room.room_id = %(room_id)s AND room.kind <> 'bot' AND agent.ghost = ANY(%(ghosts)s) AND agent.state = 'active'
ORDER BY array_position(%(ghosts)s::text[], agent.ghost)
ON CONFLICT (room, agent) DO UPDATE SET state = 'joined', created_at = now() WHERE participant.state <> 'joined'
RETURNING agent

-- joined --
-- Have a room of new agents compared with the homeserver, its people (%(people)s) counted, and its messages taken in behind
-- the event %(seen)s. If another user of the bridge has read it, nothing that may be missing for that one is left out. Lanes
-- wait until then.
UPDATE room SET kind = CASE WHEN kind = 'chat' AND owner IS NULL THEN 'group' ELSE kind END, people = %(people)s,
       changes = changes + (kind IN ('group', 'lobby', 'pair') OR (kind = 'chat' AND owner IS NULL))::integer,
       last_seen = CASE WHEN needs_backfill AND (bot_joined OR EXISTS (
           SELECT 1 FROM participant p WHERE p.room = room.id AND p.state = 'joined' AND p.agent <> ALL(%(agents)s)
       )) THEN last_seen ELSE %(seen)s END,
       needs_backfill = true, backfill_requests = backfill_requests + 1,
       backfill_requested_at = CASE WHEN needs_backfill THEN backfill_requested_at ELSE now() END
WHERE room_id = %(room_id)s
RETURNING pg_notify('agent_bridge', 'backfill'), pg_notify('agent_bridge', 'groups')

-- is_bots --
-- Return a row if a room is a chat with the bot.
SELECT 1 FROM room WHERE room_id = %(room_id)s AND kind = 'bot'

-- find --
-- Return the group %(room_id)s, with its agents.
SELECT r.id, r.room_id, r.kind, r.bot_joined, r.changes, r.warned, r.status = 'ended' AS is_ended,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(p.agent, a.ghost, p.state) ORDER BY p.created_at, p.agent), '[]')
        FROM participant p JOIN agent a ON a.id = p.agent WHERE p.room = r.id) AS agents
FROM room r WHERE r.room_id = %(room_id)s AND r.kind = 'group'

-- due --
-- Return up to %(limit)s groups, lobbies and rooms of pairs that changed since they were compared with the homeserver, but for %(others)s.
SELECT r.id, r.room_id, r.kind, r.bot_joined, r.changes, r.warned, r.status = 'ended' AS is_ended,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(p.agent, a.ghost, p.state) ORDER BY p.created_at, p.agent), '[]')
        FROM participant p JOIN agent a ON a.id = p.agent WHERE p.room = r.id) AS agents
FROM room r
WHERE r.kind IN ('group', 'lobby', 'pair') AND r.changes <> r.changes_applied AND r.room_id IS NOT NULL
  AND r.id <> ALL(%(others)s::bigint[])
ORDER BY r.id
LIMIT %(limit)s

-- lock --
-- Lock a room; return a row if nothing changed in it since the change %(changes)s.
SELECT 1 FROM room WHERE id = %(room)s AND changes = %(changes)s FOR UPDATE

-- back --
-- Record that ghosts are in a room again.
UPDATE participant SET state = 'joined' WHERE room = %(room)s AND agent = ANY(%(agents)s)

-- left --
-- Record that ghosts are not in a room any more, and close their turns: they cannot show an answer there.
WITH gone AS (
    UPDATE participant SET state = 'left' WHERE room = %(room)s AND agent = ANY(%(agents)s) RETURNING agent
)
UPDATE turn SET state = 'failed', finished_at = now(), error = coalesce(turn.error, %(why)s), answer = NULL, extras = '{}',
       steps = append_step(turn.steps, %(step)s)
FROM gone, conversation c
WHERE c.id = turn.conversation AND c.room_id = %(room_id)s AND c.agent = gone.agent AND turn.open
RETURNING CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END

-- compared --
-- Record the members of a room, and that its first %(changes)s changes are applied.
UPDATE room SET changes_applied = %(changes)s, people = %(people)s,
       bot_joined = CASE WHEN kind = 'group' THEN %(bot_joined)s ELSE bot_joined END
WHERE id = %(room)s

-- warn --
-- Record that a room is warned; return a row unless it was.
UPDATE room SET warned = true WHERE id = %(room)s AND NOT warned RETURNING id

-- unite --
-- Have the agents that take part in the room %(new)s take part in the room %(room)s, which is about to continue there, and
-- is compared with the homeserver then.
WITH changed AS (
    UPDATE room SET changes = changes + 1 WHERE id = %(room)s RETURNING pg_notify('agent_bridge', 'groups')
)
INSERT INTO participant (room, agent, state, created_at, answers)
SELECT %(room)s, p.agent, 'joined', p.created_at, p.answers FROM participant p JOIN room r ON r.id = p.room
WHERE r.room_id = %(new)s AND r.id <> %(room)s AND p.state = 'joined'
ON CONFLICT (room, agent) DO UPDATE SET state = 'joined'

-- end --
-- Record that all people have left a group.
UPDATE room SET status = 'ended' WHERE id = %(room)s

-- forget --
-- Forget a group that all people have left, and close its turns. Its transcripts go, but for copies that people saved.
WITH lost AS (
    DELETE FROM room WHERE id = %(room)s RETURNING room_id
),
-- include room_forgotten --
