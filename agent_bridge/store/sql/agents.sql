-- homes --
-- Return the agents with their homes, in the order in which the agents were found: all, or those of one upstream.
SELECT to_jsonb(a) AS agent, to_jsonb(r) AS room
FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE %(upstream)s::text IS NULL OR a.upstream = %(upstream)s
ORDER BY a.id

-- homes_with_entry --
-- Return the agents of %(upstream)s that have an entry in the configuration, with their homes, in that order.
SELECT to_jsonb(a) AS agent, to_jsonb(r) AS room
FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE a.upstream = %(upstream)s AND a.entry IS NOT NULL
ORDER BY a.id

-- home --
-- Return the agent %(agent)s with its home.
SELECT to_jsonb(a) AS agent, to_jsonb(r) AS room
FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE a.id = %(agent)s

-- home_of_ghost --
-- Return the agent whose ghost has the localpart %(ghost)s, with its home.
SELECT to_jsonb(a) AS agent, to_jsonb(r) AS room
FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE a.ghost = %(ghost)s

-- lock --
-- Let nobody else add agents until the transaction ends: of two that add the same agent at once, one could fail on the
-- ghost, which is not a conflict to skip.
LOCK TABLE agent IN SHARE ROW EXCLUSIVE MODE

-- add --
-- Write the agents %(agents)s (a JSON array) in their order, each with a home that does not exist on the homeserver yet.
-- Those that are there already stay.
WITH new AS (
    SELECT * FROM ROWS FROM (jsonb_to_recordset(%(agents)s) AS (
        upstream text, agent_id text, model text, name text, ghost text, displayname text, state text, image text,
        description text, kind text, entry text, settings jsonb, room_name text, room_topic text)) WITH ORDINALITY
        AS new (upstream, agent_id, model, name, ghost, displayname, state, image, description, kind, entry, settings,
                room_name, room_topic, place)
), added AS (
    INSERT INTO agent (upstream, agent_id, model, name, ghost, displayname, state, image, description, kind, entry, settings)
    SELECT upstream, agent_id, model, name, ghost, displayname, state, image, description, kind, entry, settings
    FROM new ORDER BY place
    ON CONFLICT (upstream, agent_id) DO NOTHING
    RETURNING id, upstream, agent_id
), home AS (
    INSERT INTO room (kind, owner, name, topic, announced_state)
    SELECT 'home', added.id, new.room_name, new.room_topic, 'active'
    FROM added JOIN new USING (upstream, agent_id) ORDER BY added.id
    RETURNING id, owner
)
INSERT INTO participant (room, agent, state) SELECT id, owner, 'joined' FROM home
RETURNING pg_notify('agent_bridge', 'agents')

-- update --
-- Write the desired state of the agents %(agents)s (a JSON array) without an entry, and of their homes. Identity and ghost
-- stay. One that a person retired meanwhile stays retired.
WITH changed AS (
    UPDATE agent SET model = wanted.model, name = wanted.name, displayname = wanted.displayname,
           state = CASE WHEN retired_by IS NULL THEN wanted.state ELSE agent.state END,
           state_since = CASE WHEN agent.state = wanted.state OR retired_by IS NOT NULL THEN state_since ELSE now() END
    FROM jsonb_to_recordset(%(agents)s) AS wanted (
        id bigint, model text, name text, displayname text, state text, room_name text, room_topic text)
    WHERE agent.id = wanted.id AND agent.entry IS NULL
    RETURNING agent.id, wanted.room_name, wanted.room_topic
)
UPDATE room SET name = changed.room_name, topic = changed.room_topic FROM changed
WHERE room.owner = changed.id AND room.kind = 'home'
RETURNING pg_notify('agent_bridge', 'agents')

-- configure --
-- Write the desired state of an agent that has the entry %(entry)s now, and of its home. Identity and ghost stay. One that a
-- person retired meanwhile stays retired.
WITH changed AS (
    UPDATE agent SET upstream = %(upstream)s, model = %(model)s, kind = %(kind)s, name = %(name)s,
           displayname = %(displayname)s, image = %(image)s, description = %(description)s, entry = %(entry)s,
           settings = %(settings)s, state = CASE WHEN retired_by IS NULL THEN %(state)s ELSE state END,
           state_since = CASE WHEN state = %(state)s OR retired_by IS NOT NULL THEN state_since ELSE now() END
    WHERE id = %(agent)s
)
UPDATE room SET name = %(room_name)s, topic = %(room_topic)s WHERE owner = %(agent)s AND kind = 'home'
RETURNING pg_notify('agent_bridge', 'agents')

-- release --
-- Take the entry from an agent: it is the one that its upstream lists by the id of the entry, or is gone.
UPDATE agent SET model = entry, entry = NULL, settings = '{}',
       image = CASE WHEN image = settings ->> 'image' THEN '' ELSE image END,
       description = CASE WHEN description = settings ->> 'description' THEN '' ELSE description END,
       state = CASE WHEN %(listed)s OR state = 'retired' THEN state ELSE 'gone' END,
       state_since = CASE WHEN %(listed)s OR state IN ('gone', 'retired') THEN state_since ELSE now() END
WHERE id = %(agent)s
RETURNING pg_notify('agent_bridge', 'agents')

-- displace --
-- Count the agent, whose id in its upstream's list belongs to another agent now, as gone.
UPDATE agent SET state = 'gone', state_since = now()
WHERE id = %(agent)s AND state NOT IN ('gone', 'retired') AND entry IS NULL

-- reconnect --
-- Give the agent the id by which its upstream lists it now.
UPDATE agent SET model = %(model)s, state = 'active', retired_by = NULL,
       state_since = CASE WHEN state = 'active' THEN state_since ELSE now() END
WHERE id = %(agent)s AND entry IS NULL
RETURNING pg_notify('agent_bridge', 'agents')

-- switch --
-- Give the agents %(agents)s the ids %(models)s by which their upstream lists them as another kind; return their number.
-- An agent that has an id of that kind keeps it. The first such change stores its number, for one report, and that the
-- conversations on the upstream begin again.
WITH listed AS (
    SELECT * FROM unnest(%(agents)s::bigint[], %(models)s::text[]) AS listed (agent, model)
), changed AS (
    UPDATE agent SET model = listed.model, kind = %(kind)s FROM listed
    WHERE agent.id = listed.agent AND agent.upstream = %(upstream)s AND agent.kind <> %(kind)s AND agent.entry IS NULL
    RETURNING agent.id, pg_notify('agent_bridge', 'upstreams')
), summary AS (
    SELECT count(*) AS changed FROM changed
), report AS (
    INSERT INTO kv AS known (key, value)
    SELECT 'switches', jsonb_build_object(
        %(upstream)s::text, jsonb_build_object('number', 1, 'kind', %(kind)s::text, 'agents', changed))
    FROM summary WHERE changed > 0
    ON CONFLICT (key) DO UPDATE SET value = known.value || jsonb_build_object(
        %(upstream)s::text,
        (EXCLUDED.value -> %(upstream)s) || jsonb_build_object(
            'number', coalesce((known.value -> %(upstream)s ->> 'number')::integer, 0) + 1))
    WHERE known.value -> %(upstream)s ->> 'kind' IS DISTINCT FROM %(kind)s
    RETURNING known.key
), restart AS (
    INSERT INTO kv AS known (key, value)
    SELECT 'restarts', jsonb_build_object(%(upstream)s::text, now()) FROM report
    ON CONFLICT (key) DO UPDATE SET value = known.value || EXCLUDED.value
)
SELECT changed FROM summary

-- describe --
-- Write the pictures and the descriptions of the agents %(agents)s that their upstream gives, unless an agent's entry has
-- its own.
UPDATE agent SET image = coalesce(settings ->> 'image', given.image),
       description = coalesce(settings ->> 'description', given.description)
FROM unnest(%(agents)s::bigint[], %(images)s::text[], %(descriptions)s::text[]) AS given (agent, image, description)
WHERE agent.id = given.agent
RETURNING pg_notify('agent_bridge', 'agents')

-- image_applied --
-- Record the image from which the avatar of the ghost was made, and the avatar.
UPDATE agent SET image_applied = %(image)s, avatar = %(avatar)s WHERE id = %(agent)s

-- avatar_applied --
-- Record the avatar that the room was given, or was found to replace by another one.
UPDATE room SET avatar_applied = %(avatar)s WHERE id = %(room)s

-- introduced --
-- Record that the agent has introduced itself in the room.
UPDATE room SET introduced = true WHERE id = %(room)s

-- join_rule_applied --
-- Record the join rule that the room was given.
UPDATE room SET join_rule_applied = %(join_rule)s WHERE id = %(room)s

-- displayname_applied --
-- Record the display name that the ghost was given.
UPDATE agent SET displayname_applied = %(displayname)s WHERE id = %(agent)s

-- forget_namesake --
-- Forget the room %(room_id)s that the bridge bot entered before it became the home %(room)s; return how far it was
-- compared.
DELETE FROM room WHERE room_id = %(room_id)s AND kind <> 'home' AND id <> %(room)s RETURNING last_seen, needs_backfill

-- room_made --
-- Record the room of a home, the name and the topic that it has, the book of roles by which it was made, and how far it is
-- compared.
UPDATE room SET room_id = %(room_id)s, name_applied = %(name)s, topic_applied = %(topic)s, last_seen = %(last_seen)s,
       roles_applied = %(roles)s, roles_compared = %(roles)s, levels_due = %(roles)s::bigint IS NULL,
       needs_backfill = %(needs_backfill)s, backfilled_at = now()
WHERE id = %(room)s
RETURNING pg_notify('agent_bridge', 'rooms'),
          CASE WHEN coalesce(roles_applied, 0) < (SELECT max(version) FROM role_book) THEN pg_notify('agent_bridge', 'roles') END

-- bot_joined --
-- Record that the bridge bot is in the room.
UPDATE room SET bot_joined = true WHERE id = %(room)s

-- linked --
-- Record the Space that lists the room.
UPDATE room SET space = %(space)s WHERE id = %(room)s

-- invited --
-- Record that the bridge invited a person.
UPDATE room SET invited = array_append(invited, %(user_id)s) WHERE id = %(room)s

-- name_applied --
-- Record the name that the room was given, or was found to keep.
UPDATE room SET name_applied = %(name)s WHERE id = %(room)s

-- topic_applied --
-- Record the topic that the room was given, or was found to keep.
UPDATE room SET topic_applied = %(topic)s WHERE id = %(room)s

-- room_moved --
-- Record that the room of a home continues in %(room_id)s: its conversations and its waiting turns with it, except those
-- that the new room has already. The events of open turns stay behind. The homeserver copies the names, the avatar and
-- the join rule: what the bridge applied last shows later whether a person changed them. It does not copy who was removed:
-- the people %(removed)s count as never invited. The channels of a server are listed in its new Space. A repeat changes nothing.
WITH moved AS (
    UPDATE room SET room_id = %(room_id)s, bot_joined = false, space = NULL, last_seen = NULL, needs_backfill = true,
           commands_described = NULL, levels_due = true,
           invited = ARRAY(SELECT person FROM unnest(invited) AS person WHERE person <> ALL(%(removed)s::text[])),
           backfill_requests = backfill_requests + 1, backfilled_at = NULL
    WHERE id = %(room)s AND room_id = %(old)s
    RETURNING id, pg_notify('agent_bridge', 'rooms'), pg_notify('agent_bridge', 'agents'), pg_notify('agent_bridge', 'backfill'),
              pg_notify('agent_bridge', 'roles'), pg_notify('agent_bridge', 'votes')
), children AS (
    UPDATE room SET changes = room.changes + 1 FROM moved, server s, channel c
    WHERE s.room = moved.id AND c.server = s.id AND room.id = c.room
    RETURNING pg_notify('agent_bridge', 'places')
), left_behind AS (
    UPDATE outbox SET event_id = NULL FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE outbox.turn = t.id AND t.open AND c.room_id = %(old)s
), due AS (
    UPDATE turn SET not_before = NULL FROM conversation c
    WHERE c.id = turn.conversation AND turn.open AND c.room_id = %(old)s
    RETURNING pg_notify('agent_bridge', 'lanes')
)
UPDATE conversation SET room_id = %(room_id)s FROM moved
WHERE conversation.room_id = %(old)s AND NOT EXISTS (
    SELECT 1 FROM conversation other WHERE other.room_id = %(room_id)s AND other.thread_id = conversation.thread_id
      AND other.agent IS NOT DISTINCT FROM conversation.agent)

-- room_lost --
-- Record that the room of a home does not exist any more, and close its turns: there is no room to show answers in. Its
-- triggers are revoked, and its schedules deleted.
WITH lost AS (
    UPDATE room SET room_id = NULL, bot_joined = false, space = NULL, invited = '{}', name_applied = NULL,
           commands_described = NULL,
           topic_applied = NULL, last_seen = NULL, needs_backfill = false, problems = '{}', checked = check_requests,
           avatar_applied = NULL, introduced = false, join_rule_applied = NULL,
           roles_applied = NULL, roles_compared = NULL, levels_due = false, status = 'active', delete_ref = NULL
    WHERE id = %(room)s AND room_id = %(room_id)s
    RETURNING id, pg_notify('agent_bridge', 'agents')
), revoked AS (
    DELETE FROM trigger USING lost WHERE trigger.room = lost.id
), unscheduled AS (
    DELETE FROM schedule USING lost WHERE schedule.room = lost.id
)
UPDATE turn SET state = 'failed', finished_at = now(), error = coalesce(turn.error, %(why)s), answer = NULL, extras = '{}',
       steps = append_step(turn.steps, %(step)s)
FROM lost, conversation c
WHERE c.id = turn.conversation AND c.room_id = %(room_id)s AND turn.open
RETURNING CASE WHEN turn.kind = 'command' THEN (
    SELECT count(pg_notify('agent_bridge', topic)) FROM unnest('{chats,places,threads}'::text[]) AS topic) END

-- request_checks --
-- Have the own rooms of agents with open turns compared with the homeserver. Their lanes wait until then.
UPDATE room SET check_requests = check_requests + 1
WHERE owner IS NOT NULL AND kind IN ('home', 'chat', 'dm') AND EXISTS (
    SELECT 1 FROM conversation c JOIN turn t ON t.conversation = c.id WHERE c.room_id = room.room_id AND t.open)
RETURNING pg_notify('agent_bridge', CASE kind WHEN 'home' THEN 'agents' ELSE 'chats' END)

-- checked --
-- Record the problems of a room that a comparison found and could not repair. It answers the first %(requests)s requests.
-- Levels of roles that were refused are tried again, for people may have changed the room.
UPDATE room SET checked = %(requests)s, levels_due = levels_due OR roles_applied IS DISTINCT FROM roles_compared,
       problems = CASE WHEN roles_applied IS DISTINCT FROM roles_compared THEN array_append(array_remove(%(problems)s::text[], 'level_stuck'), 'level_stuck')
                       ELSE array_remove(%(problems)s::text[], 'level_stuck') END
WHERE id = %(room)s
RETURNING pg_notify('agent_bridge', 'lanes'), CASE WHEN levels_due THEN pg_notify('agent_bridge', 'roles') END

-- accept --
-- Give an agent that is held its room.
UPDATE agent SET state = 'active', state_since = now() WHERE id = %(agent)s AND state = 'held'
RETURNING pg_notify('agent_bridge', 'agents')

-- names_lost --
-- Have the display name, the avatar and the profile of a ghost set again.
UPDATE agent SET displayname_applied = NULL, image_applied = NULL, avatar = NULL, description_applied = NULL,
       activity_applied = NULL
WHERE id = %(agent)s

-- refused_names_lost --
-- Have the display names and the avatars of the ghosts set again whose names the homeserver refused.
UPDATE agent SET displayname_applied = NULL, image_applied = NULL, avatar = NULL
FROM room r WHERE r.owner = agent.id AND r.kind = 'home' AND 'no_displayname' = ANY(r.problems)

-- bot_left --
-- Record that the bridge bot is not in the room.
UPDATE room SET bot_joined = false WHERE id = %(room)s

-- announced --
-- Record the agent's state that the room was told.
UPDATE room SET announced_state = %(state)s WHERE id = %(room)s
