-- lock --
-- Let nobody else add, rename or move servers and channels until the transaction ends.
LOCK TABLE channel IN SHARE ROW EXCLUSIVE MODE

-- add_server --
-- Write a server, which does not exist on the homeserver yet, whose owner has the role there; return the row ids.
WITH place AS (
    INSERT INTO room (kind, name, topic, request_key, changes)
    VALUES ('server', %(name)s, %(topic)s, %(key)s, 1)
    RETURNING id
), added AS (
    INSERT INTO server (room, owner) SELECT id, %(owner)s FROM place RETURNING id, room
), owned AS (
    INSERT INTO server_role (server, user_id, role, given_by) SELECT id, %(owner)s, 'owner', %(owner)s FROM added
)
SELECT id AS number, room AS id, pg_notify('agent_bridge', 'places') FROM added

-- add_channel --
-- Write a channel of the server %(server)s (null: of the main Space), which does not exist on the homeserver yet, behind the
-- others; return its row id.
WITH place AS (
    INSERT INTO room (kind, name, topic, request_key, changes)
    VALUES ('channel', %(name)s, %(topic)s, %(key)s, 1)
    RETURNING id
)
INSERT INTO channel (room, server, type, position)
SELECT id, %(server)s, %(type)s,
       1 + (SELECT coalesce(max(position), 0) FROM channel WHERE server IS NOT DISTINCT FROM %(server)s)
FROM place
RETURNING room AS id, pg_notify('agent_bridge', 'places')

-- by_key --
-- Return the server with the key %(key)s.
SELECT s.id AS number FROM server s JOIN room r ON r.id = s.room WHERE r.request_key = %(key)s

-- adopt_server --
-- Write a server whose room was found, and whose owner has the role there; return its row id.
WITH place AS (
    INSERT INTO room (kind, room_id, name, topic, name_applied, topic_applied, request_key, bot_joined, last_seen, backfilled_at,
                      levels_due, changes, avatar_applied)
    VALUES ('server', %(room_id)s, %(name)s, %(topic)s, %(name)s, %(topic)s, %(key)s, true, %(seen)s, now(), true, 1, %(icon)s)
    RETURNING id
), added AS (
    INSERT INTO server (room, owner, icon) SELECT id, %(owner)s, %(icon)s FROM place RETURNING id
), owned AS (
    INSERT INTO server_role (server, user_id, role, given_by) SELECT id, %(owner)s, 'owner', %(owner)s FROM added
)
SELECT id AS number, pg_notify('agent_bridge', 'places'), pg_notify('agent_bridge', 'roles') FROM added

-- adopt_channel --
-- Write a channel of the server %(server)s (null: of the main Space) whose room was found, unless its key is known.
WITH place AS (
    INSERT INTO room (kind, room_id, name, topic, name_applied, topic_applied, request_key, bot_joined, last_seen, backfilled_at,
                      levels_due, changes)
    VALUES ('channel', %(room_id)s, %(name)s, %(topic)s, %(name)s, %(topic)s, %(key)s, true, %(seen)s, now(), true, 1)
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO channel (room, server, type, position) SELECT id, %(server)s, %(type)s, %(position)s FROM place
RETURNING room, pg_notify('agent_bridge', 'places'), pg_notify('agent_bridge', 'roles')

-- return_ghost --
-- Have the agent of %(ghost)s, which is in the rooms %(rooms)s, take part in those that are channels and do not know it.
WITH known AS (
    SELECT r.id, a.id AS agent FROM room r, agent a
    WHERE r.kind = 'channel' AND r.room_id = ANY(%(rooms)s) AND a.ghost = %(ghost)s
      AND NOT EXISTS (SELECT 1 FROM participant p WHERE p.room = r.id AND p.agent = a.id)
), changed AS (
    UPDATE room SET changes = changes + 1 FROM known WHERE room.id = known.id
    RETURNING room.id, pg_notify('agent_bridge', 'places')
)
INSERT INTO participant (room, agent, state) SELECT known.id, known.agent, 'joined' FROM known JOIN changed USING (id)
ON CONFLICT DO NOTHING

-- servers --
-- Return the servers that are not being deleted, in the order of their making; with %(room)s: that of this room alone; with
-- %(number)s: that one, also if it is being deleted.
SELECT to_jsonb(r) AS room, s.id AS number, s.owner, s.icon
FROM server s JOIN room r ON r.id = s.room
WHERE CASE WHEN %(number)s::bigint IS NULL THEN r.status = 'active' ELSE s.id = %(number)s END
  AND (%(room)s::bigint IS NULL OR r.id = %(room)s)
ORDER BY s.id

-- channels --
-- Return the channels of the server %(server)s (null: of the main Space) that are not being deleted, in their order.
SELECT to_jsonb(r) AS room, c.server, c.type, c.position
FROM channel c JOIN room r ON r.id = c.room
WHERE c.server IS NOT DISTINCT FROM %(server)s AND r.status = 'active'
ORDER BY c.position, c.room

-- has_channels --
-- Return a row if the server %(number)s has a channel, also one that is being deleted.
SELECT 1 FROM channel WHERE server = %(number)s LIMIT 1

-- every_channel --
-- Return all channels that are not being deleted, those of the main Space first, in their order.
SELECT to_jsonb(r) AS room, c.server, c.type, c.position
FROM channel c JOIN room r ON r.id = c.room
WHERE r.status = 'active'
ORDER BY c.server NULLS FIRST, c.position, c.room

-- find --
-- Return a server or a channel, also one that is being deleted.
SELECT to_jsonb(r) AS room, s.id AS number, s.owner, s.icon, c.server, c.type, c.position
FROM room r LEFT JOIN server s ON s.room = r.id LEFT JOIN channel c ON c.room = r.id
WHERE r.kind IN ('server', 'channel') AND (r.id = %(id)s OR r.room_id = %(room_id)s)

-- due --
-- Return up to %(limit)s servers and channels that differ, on the homeserver, from their desired state, but for %(others)s:
-- servers first, for they list their channels. The command that asked for one makes its room; if it failed, this list has it.
-- Channels with a ghost whose agent was retired, or is not retired any more, differ too.
WITH wanted AS (
    SELECT r.id FROM room r
    WHERE r.kind IN ('server', 'channel') AND (r.changes <> r.changes_applied OR r.check_requests <> r.checked)
    UNION
    SELECT c.room FROM channel c JOIN participant p ON p.room = c.room JOIN agent a ON a.id = p.agent
    WHERE p.state = CASE WHEN a.state = 'retired' THEN 'joined' ELSE 'retired' END
)
SELECT r.id FROM room r JOIN wanted USING (id)
WHERE r.id <> ALL(%(others)s::bigint[])
  AND (r.room_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM turn t WHERE t.key = r.request_key AND t.open))
ORDER BY r.kind DESC, r.id
LIMIT %(limit)s

-- made --
-- Record the room of a server or a channel, which was made by the book of roles %(roles)s (null: it was found). Nothing is
-- missing in it up to the event %(seen)s. The channels of a server are listed in it. A repeat changes nothing.
WITH children AS (
    UPDATE room SET changes = room.changes + 1 FROM room place, server s, channel c
    WHERE place.id = %(id)s AND place.room_id IS NULL AND s.room = place.id AND c.server = s.id AND room.id = c.room
)
UPDATE room SET room_id = %(room_id)s, name_applied = %(name)s, topic_applied = %(topic)s, bot_joined = true,
       last_seen = %(seen)s, backfilled_at = now(), changes = changes + 1,
       roles_applied = %(roles)s, roles_compared = %(roles)s, levels_due = %(roles)s::bigint IS NULL
WHERE id = %(id)s AND room_id IS NULL
RETURNING pg_notify('agent_bridge', 'places'), pg_notify('agent_bridge', 'roles')

-- entered --
-- Record that the bot is in a room.
UPDATE room SET bot_joined = true WHERE id = %(id)s

-- named --
-- Record the name and the topic that a room has, by the bridge or by people: they are the desired ones, unless a command has
-- changed them meanwhile.
UPDATE room SET name_applied = %(name)s, topic_applied = %(topic)s,
       name = CASE WHEN name = %(old_name)s THEN %(name)s ELSE name END,
       topic = CASE WHEN topic = %(old_topic)s THEN %(topic)s ELSE topic END
WHERE id = %(id)s

-- pictured --
-- Record the picture that a server has, by the bridge or by people: it is the desired one, unless a command has changed that
-- meanwhile.
WITH applied AS (
    UPDATE room SET avatar_applied = %(icon)s WHERE id = %(id)s
)
UPDATE server SET icon = %(icon)s WHERE id = %(number)s AND icon IS NOT DISTINCT FROM %(old)s

-- listed --
-- Record the Space that lists a room; null: none does.
UPDATE room SET space = %(space)s WHERE id = %(id)s

-- opened --
-- Record the join rule that a room was given.
UPDATE room SET join_rule_applied = %(join_rule)s WHERE id = %(id)s

-- applied --
-- Record that the first %(changes)s changes of a server or a channel are applied.
UPDATE room SET changes_applied = %(changes)s, checked = check_requests WHERE id = %(id)s

-- change --
-- Give a server or a channel another name or topic (null: it stays), and have it compared with the homeserver.
UPDATE room SET name = coalesce(%(name)s, name), topic = coalesce(%(topic)s, topic), changes = changes + 1
WHERE id = %(id)s AND status = 'active'
RETURNING pg_notify('agent_bridge', 'places')

-- set_icon --
-- Give a server a picture.
UPDATE server SET icon = %(icon)s WHERE id = %(number)s

-- move --
-- Give a channel the place %(position)s among those of its server, from 1, and number them without gaps: channels between them
-- were perhaps deleted. They are compared with the homeserver, which sorts them by their places.
WITH ranked AS (
    SELECT c.room, row_number() OVER (ORDER BY c.position, c.room) AS rank
    FROM channel c JOIN room r ON r.id = c.room JOIN channel moved ON c.server IS NOT DISTINCT FROM moved.server
    WHERE r.status = 'active' AND moved.room = %(id)s
), sorted AS (
    SELECT ranked.room, row_number() OVER (
        ORDER BY CASE WHEN ranked.room = %(id)s
                      THEN 2 * %(position)s::integer + CASE WHEN %(position)s > moved.rank THEN 1 ELSE -1 END
                      ELSE 2 * ranked.rank END, ranked.room
    ) AS place
    FROM ranked JOIN ranked moved ON moved.room = %(id)s
), placed AS (
    UPDATE channel SET position = sorted.place FROM sorted
    WHERE channel.room = sorted.room AND channel.position <> sorted.place
    RETURNING channel.room
)
UPDATE room SET changes = changes + 1 FROM placed WHERE room.id = placed.room
RETURNING room.id, pg_notify('agent_bridge', 'places')

-- delete --
-- Have a channel, or a server with its channels, deleted, and close their turns.
WITH doomed AS (
    UPDATE room SET status = 'deleting', changes = changes + 1
    WHERE status = 'active' AND (id = %(id)s OR id IN (
        SELECT c.room FROM channel c JOIN server s ON s.id = c.server WHERE s.room = %(id)s))
    RETURNING id, room_id, pg_notify('agent_bridge', 'places')
), stopped AS (
    UPDATE turn SET stop = 'stopped', not_before = NULL FROM doomed, conversation c
    WHERE c.room_id = doomed.room_id AND turn.conversation = c.id AND turn.open AND turn.state IN ('queued', 'running')
      AND turn.kind IN ('message', 'edit', 'again') AND turn.key <> %(key)s
    RETURNING turn.conversation, pg_notify('agent_bridge', 'stops')
)
SELECT doomed.id, array(SELECT DISTINCT conversation FROM stopped) AS lanes FROM doomed

-- deletion_requested --
-- Record the name of the deletion of a room on the homeserver.
UPDATE room SET delete_ref = %(ref)s WHERE id = %(id)s

-- forget --
-- Forget a server or a channel whose room does not exist any more, with its transcripts but for copies that people saved;
-- close its turns: there is no room to show answers in. Channels of the server belong to the main Space then.
WITH orphaned AS (
    UPDATE channel SET server = NULL FROM server s WHERE s.room = %(id)s AND channel.server = s.id
), lost AS (
    DELETE FROM room WHERE id = %(id)s RETURNING room_id
),
-- include room_forgotten --

-- lost --
-- Have the room of a server or a channel made again, which does not exist any more on the homeserver.
UPDATE room SET room_id = NULL, bot_joined = false, space = NULL, invited = '{}', name_applied = NULL, topic_applied = NULL,
       last_seen = NULL, needs_backfill = false, join_rule_applied = NULL, avatar_applied = NULL, roles_applied = NULL, roles_compared = NULL,
       levels_due = false, commands_described = NULL, changes = changes + 1
WHERE id = %(id)s AND room_id = %(room_id)s
RETURNING pg_notify('agent_bridge', 'places')

-- ghosts --
-- Return the ghosts of agents that take part in a room, as they came, also those that are outside while their agents are
-- retired.
SELECT a.id AS agent, a.ghost, a.state = 'retired' AS is_retired, p.state = 'retired' AS rests
FROM participant p JOIN agent a ON a.id = p.agent
WHERE p.room = %(id)s AND p.state IN ('joined', 'retired')
ORDER BY p.created_at, a.id

-- rests --
-- Record that the ghost of an agent is outside of a channel while the agent is retired, or is back in it.
UPDATE participant SET state = CASE WHEN %(rests)s THEN 'retired' ELSE 'joined' END
WHERE room = %(id)s AND agent = %(agent)s AND state IN ('joined', 'retired')

-- with_rooms --
-- Return the servers and channels that have rooms, the servers first.
SELECT id, name, room_id, kind = 'server' AS is_server FROM room
WHERE kind IN ('server', 'channel') AND status = 'active' AND room_id IS NOT NULL
ORDER BY kind DESC, id

-- pending --
-- Return the names of servers and channels that differ, on the homeserver, from their desired state.
SELECT name FROM room
WHERE kind IN ('server', 'channel') AND (changes <> changes_applied OR check_requests <> checked)
ORDER BY kind DESC, id

-- left --
-- Record that ghosts are not in a channel any more, and close their turns: they cannot show an answer there.
WITH gone AS (
    UPDATE participant SET state = 'left' FROM agent a, room r
    WHERE participant.room = %(id)s AND r.id = %(id)s AND a.id = participant.agent AND a.ghost = ANY(%(ghosts)s)
    RETURNING r.room_id, a.id AS agent
)
UPDATE turn SET state = 'failed', finished_at = now(), error = coalesce(turn.error, %(why)s), answer = NULL, extras = '{}',
       steps = append_step(turn.steps, %(step)s)
FROM gone, conversation c
WHERE c.id = turn.conversation AND c.room_id = gone.room_id AND c.agent = gone.agent AND turn.open
RETURNING CASE WHEN turn.waiting_event_id IS NOT NULL THEN pg_notify('agent_bridge', 'waiting') END

-- take_part --
-- Have an agent take part in a channel, which is compared with the homeserver then: a log lets the ghost write.
WITH changed AS (
    UPDATE room SET changes = changes + 1 WHERE id = %(id)s RETURNING id, pg_notify('agent_bridge', 'places')
)
INSERT INTO participant (room, agent, state) SELECT id, %(agent)s, 'joined' FROM changed
ON CONFLICT (room, agent) DO UPDATE SET state = 'joined', created_at = now() WHERE participant.state <> 'joined'

-- takes_part --
-- Return a row if the agent %(agent)s is in a channel of the server %(server)s.
SELECT 1 FROM channel c JOIN participant p ON p.room = c.room
WHERE c.server = %(server)s AND p.agent = %(agent)s AND p.state = 'joined' LIMIT 1

-- give_role --
-- Record the role that a person gave a user in a server.
INSERT INTO server_role (server, user_id, role, given_by) VALUES (%(number)s, %(user_id)s, %(role)s, %(by)s)
ON CONFLICT (server, user_id) DO UPDATE SET role = EXCLUDED.role, given_by = EXCLUDED.given_by, given_at = now()

-- withdraw_role --
-- Forget the role that a person gave a user in a server.
DELETE FROM server_role WHERE server = %(number)s AND user_id = %(user_id)s
