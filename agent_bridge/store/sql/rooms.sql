-- contexts --
-- Return those of the rooms %(rooms)s that the bridge knows: their participants, how many messages, changes and requests of triggers wait and
-- how many commands and refusals of each sender (those of the events %(events)s are not counted), which agents sent the events
-- %(replied_to)s, which were asked in the threads %(threads)s, which of these threads have names, whether votes are open, whether
-- there are tasks, and whether programs have asked people there.
SELECT r.room_id, r.kind, r.owner, r.person, r.when_busy, r.request_key IS NOT NULL AS is_ours, r.people,
       EXISTS (SELECT 1 FROM vote v WHERE v.room_id = r.room_id AND v.state = 'open') AS has_votes,
       EXISTS (SELECT 1 FROM task k WHERE k.room = r.id) AS has_tasks,
       EXISTS (SELECT 1 FROM person_question q WHERE q.room_id = r.room_id) AS has_questions,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(p.agent, a.ghost, p.state, a.name, a.displayname, a.state IN ('gone', 'retired'),
                                                    p.answers) ORDER BY p.created_at, p.agent), '[]')
        FROM participant p JOIN agent a ON a.id = p.agent WHERE p.room = r.id) AS participants,
       (SELECT count(*) FROM conversation c JOIN turn t ON t.conversation = c.id
        WHERE c.room_id = r.room_id AND t.open AND t.kind IN ('message', 'edit', 'again', 'trigger')
          AND t.event_id <> ALL(%(events)s)) AS waiting,
       (SELECT coalesce(jsonb_object_agg(sender, number), '{}') FROM (
             SELECT t.sender, count(*) AS number FROM conversation c JOIN turn t ON t.conversation = c.id
             WHERE c.room_id = r.room_id AND t.open
               AND (c.lane_kind = 'bot' AND t.kind NOT IN ('redaction', 'choice', 'trigger') OR t.kind = 'command')
               AND t.event_id <> ALL(%(events)s)
             GROUP BY t.sender) AS by_sender) AS commands,
       (SELECT coalesce(jsonb_object_agg(event_id, agent), '{}') FROM (
             SELECT o.event_id, c.agent FROM outbox o JOIN turn t ON t.id = o.turn JOIN conversation c ON c.id = t.conversation
             WHERE o.event_id = ANY(%(replied_to)s) AND c.room_id = r.room_id AND c.agent IS NOT NULL
             UNION ALL
             SELECT q.event_id, k.agent FROM api_request q JOIN token k ON k.id = q.token
             WHERE q.event_id = ANY(%(replied_to)s) AND q.room_id = r.room_id AND k.agent IS NOT NULL) AS said) AS answered_by,
       (SELECT coalesce(jsonb_object_agg(thread_id, agents), '{}') FROM (
             SELECT c.thread_id, jsonb_agg(c.agent ORDER BY c.id) AS agents FROM conversation c
             WHERE c.room_id = r.room_id AND c.thread_id = ANY(%(threads)s) AND c.agent IS NOT NULL
             GROUP BY c.thread_id) AS by_thread) AS thread_agents,
       (SELECT coalesce(jsonb_agg(h.root), '[]') FROM thread h
        WHERE h.room_id = r.room_id AND h.root = ANY(%(threads)s)) AS named_threads
FROM room r WHERE r.room_id = ANY(%(rooms)s)

-- enter --
-- Record that the bridge bot is in a room of kind %(kind)s, and that nothing is missing up to the event %(seen)s. A
-- group without agents may turn out to be a conversation of one person; other kinds of rooms keep their kind, and a room
-- that a ghost has read goes on with what it has not. A room that the bridge made has the levels by the book %(roles)s.
INSERT INTO room (room_id, kind, bot_joined, last_seen, backfilled_at, changes, roles_applied, roles_compared)
VALUES (%(room_id)s, %(kind)s, true, %(seen)s, now(), (%(kind)s = 'group')::integer, %(roles)s, %(roles)s)
ON CONFLICT (room_id) DO UPDATE
SET kind = CASE WHEN room.kind = 'group' AND NOT EXISTS (SELECT 1 FROM participant p WHERE p.room = room.id AND p.state = 'joined')
                THEN EXCLUDED.kind ELSE room.kind END,
    last_seen = CASE WHEN room.kind = 'group' AND EXISTS (SELECT 1 FROM participant p WHERE p.room = room.id AND p.state = 'joined')
                     THEN room.last_seen ELSE EXCLUDED.last_seen END,
    bot_joined = true, commands_described = NULL, changes = room.changes + (room.kind = 'group')::integer
RETURNING pg_notify('agent_bridge', 'entered'), pg_notify('agent_bridge', 'groups'), backfill_requests, (SELECT last_value - (NOT is_called)::integer FROM turn_position_seq) AS position

-- set_when_busy --
-- Record what happens to messages that wait in a room with agents.
UPDATE room SET when_busy = %(value)s
WHERE room_id = %(room_id)s AND EXISTS (SELECT 1 FROM participant WHERE participant.room = room.id)

-- set_answers --
-- Record which messages of a room agents answer.
UPDATE participant SET answers = %(answers)s FROM room
WHERE room.id = participant.room AND room.room_id = %(room_id)s AND participant.agent = ANY(%(agents)s)

-- note_group_changes --
-- Have those of the rooms %(rooms)s that are groups, lobbies or rooms of pairs compared with the homeserver.
UPDATE room SET changes = changes + 1 WHERE room_id = ANY(%(rooms)s) AND kind IN ('group', 'lobby', 'pair')
RETURNING pg_notify('agent_bridge', 'groups')

-- note_place_changes --
-- Have those of the rooms %(rooms)s that are servers or channels compared with the homeserver.
UPDATE room SET changes = changes + 1 WHERE room_id = ANY(%(rooms)s) AND kind IN ('server', 'channel')
RETURNING pg_notify('agent_bridge', 'places')

-- guests_left --
-- Record that the ghosts %(ghosts)s are not in the own rooms %(rooms)s of other agents any more, and close their turns there.
WITH gone AS (
    UPDATE participant SET state = 'left'
    FROM unnest(%(rooms)s::text[], %(ghosts)s::text[]) AS out (room_id, ghost)
         JOIN room r ON r.room_id = out.room_id JOIN agent a ON a.ghost = out.ghost
    WHERE participant.room = r.id AND participant.agent = a.id AND r.kind IN ('home', 'chat', 'dm') AND r.owner <> a.id
    RETURNING r.room_id, a.id AS agent
)
UPDATE turn SET state = 'failed', finished_at = now(), error = coalesce(turn.error, 'the agent left the room'), answer = NULL, extras = '{}'
FROM gone, conversation c
WHERE c.id = turn.conversation AND c.room_id = gone.room_id AND c.agent = gone.agent AND turn.open
RETURNING CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END

-- speech --
-- Return which answers of a room are read aloud.
SELECT speech FROM room WHERE room_id = %(room_id)s

-- set_speech --
-- Record which answers of a room are read aloud.
UPDATE room SET speech = %(value)s
WHERE room_id = %(room_id)s AND EXISTS (SELECT 1 FROM participant WHERE participant.room = room.id)

-- set_streaming --
-- Record how answers are shown in a room with agents.
UPDATE room SET streaming = %(value)s
WHERE room_id = %(room_id)s AND EXISTS (SELECT 1 FROM participant WHERE participant.room = room.id)

-- request_checks --
-- Have those of the rooms %(rooms)s that are homes, chats or direct chats of agents compared with the homeserver. Their
-- lanes wait until then. Lobbies are compared too, and no lane waits for that.
WITH asked AS (
    UPDATE room SET check_requests = check_requests + 1
    WHERE room_id = ANY(%(rooms)s) AND owner IS NOT NULL AND kind IN ('home', 'chat', 'dm')
    RETURNING pg_notify('agent_bridge', CASE kind WHEN 'home' THEN 'agents' ELSE 'chats' END)
)
SELECT pg_notify('agent_bridge', 'lobby') FROM room WHERE room_id = ANY(%(rooms)s) AND kind = 'lobby'

-- awaiting_successor --
-- Return the own rooms of agents that were upgraded, or may have been upgraded a moment ago, and the home of the agent with
-- the ghost %(ghost)s; and the ghosts of their owners.
SELECT r.room_id, a.ghost FROM room r JOIN agent a ON a.id = r.owner
WHERE r.room_id IS NOT NULL AND r.kind IN ('home', 'chat', 'dm')
  AND ('successor_closed' = ANY(r.problems) OR r.check_requests <> r.checked OR (r.kind = 'home' AND a.ghost = %(ghost)s))
ORDER BY r.id

-- visited --
-- Return the rooms of people that the bridge bot is in, but for groups of agents.
SELECT room_id FROM room
WHERE kind NOT IN ('home', 'lobby', 'server', 'channel', 'pair') AND person IS NULL AND bot_joined
  AND NOT (kind = 'group' AND EXISTS (SELECT 1 FROM participant p WHERE p.room = room.id AND p.state = 'joined'))
ORDER BY id

-- forget --
-- Forget a room of people.
DELETE FROM room WHERE room_id = %(room_id)s AND kind NOT IN ('home', 'lobby', 'server', 'channel', 'pair') AND person IS NULL

-- bind --
-- Make the agent %(agent)s the owner of a room whose people have chosen it, unless the room has an owner.
WITH bound AS (
    UPDATE room SET owner = %(agent)s WHERE room_id = %(room_id)s AND kind = 'chat' AND owner IS NULL RETURNING id
)
INSERT INTO participant (room, agent, state) SELECT id, %(agent)s, 'joined' FROM bound
ON CONFLICT (room, agent) DO UPDATE SET state = EXCLUDED.state

-- owner --
-- Return the owner of a room; no row if the room is not known.
SELECT owner FROM room WHERE room_id = %(room_id)s

-- became_group --
-- Record that a room without an agent has several people.
UPDATE room SET kind = 'group', changes = changes + 1 WHERE room_id = %(room_id)s AND kind = 'chat' AND owner IS NULL
RETURNING pg_notify('agent_bridge', 'groups')

-- command_given --
-- Record the role of a person who gave a command in a room, if it is the highest so far.
UPDATE room SET command_role = %(role)s
WHERE room_id = %(room_id)s AND bot_joined AND coalesce(command_role, 0) < %(role)s
RETURNING pg_notify('agent_bridge', 'commands')

-- without_descriptions --
-- Return a room in which people gave commands, or a direct chat with the bot, that lacks the descriptions of commands for
-- the highest role of these people.
SELECT r.id, r.room_id, wanted.digest
FROM room r JOIN unnest(%(has_agents)s::boolean[], %(roles)s::integer[], %(digests)s::text[]) AS wanted (has_agents, role, digest)
  ON wanted.role = coalesce(r.command_role, %(member)s)
 AND wanted.has_agents = EXISTS (SELECT 1 FROM participant WHERE room = r.id)
WHERE (r.command_role IS NOT NULL OR r.kind = 'bot') AND r.room_id IS NOT NULL AND r.bot_joined
  AND r.status NOT IN ('deleting', 'ended') AND r.commands_described IS DISTINCT FROM wanted.digest
ORDER BY r.command_role IS NULL, r.id
LIMIT 1

-- described --
-- Record the descriptions of commands that a room was given.
UPDATE room SET commands_described = %(digest)s WHERE id = %(room)s
