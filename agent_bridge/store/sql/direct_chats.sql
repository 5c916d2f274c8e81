-- admit --
-- Write the room %(room_id)s, into which a person has invited a ghost, as the direct chat of the two, unless they have one,
-- or the room is known. Nothing is missing in it before the invitation %(seen)s; its lanes wait until the messages behind
-- the invitation are taken in.
WITH chat AS (
    INSERT INTO room (kind, owner, person, room_id, last_seen, changes, needs_backfill, backfill_requests,
                      backfill_requested_at)
    VALUES ('dm', %(agent)s, %(person)s, %(room_id)s, %(seen)s, 1, true, 1, now())
    ON CONFLICT DO NOTHING
    RETURNING id, owner, pg_notify('agent_bridge', 'backfill'), pg_notify('agent_bridge', 'chats')
)
INSERT INTO participant (room, agent, state) SELECT id, owner, 'joined' FROM chat

-- open --
-- Write a direct chat that does not exist on the homeserver yet, unless the person and the agent have one. The former one
-- that the bridge has made is perhaps not forgotten yet. The caller makes the room: the reconciler does not know it before.
WITH chat AS (
    INSERT INTO room (kind, owner, person, request_key, roles_applied)
    VALUES ('dm', %(agent)s, %(person)s, %(key)s, (SELECT max(version) FROM role_book))
    ON CONFLICT DO NOTHING
    RETURNING id, owner
)
INSERT INTO participant (room, agent, state) SELECT id, owner, 'joined' FROM chat

-- adopt --
-- Write a direct chat that was found on the homeserver, unless its room is known or the two have another one.
WITH chat AS (
    INSERT INTO room (kind, owner, person, room_id, last_seen, backfilled_at, changes, introduced)
    SELECT 'dm', id, %(person)s, %(room_id)s, %(seen)s, now(), 1, true FROM agent WHERE ghost = %(ghost)s
    ON CONFLICT DO NOTHING
    RETURNING id, owner, pg_notify('agent_bridge', 'chats')
)
INSERT INTO participant (room, agent, state) SELECT id, owner, 'joined' FROM chat

-- of_pair --
-- Return the direct chat of a person and an agent.
SELECT id, room_id FROM room WHERE kind = 'dm' AND status = 'active' AND owner = %(agent)s AND person = %(person)s

-- end --
-- Have the ghost leave a direct chat, which does not count any more.
WITH ended AS (
    UPDATE room SET status = 'ended', changes = changes + 1 WHERE id = %(chat)s AND status = 'active'
    RETURNING id, pg_notify('agent_bridge', 'chats')
)
UPDATE participant SET state = 'left' FROM ended WHERE participant.room = ended.id

-- introduced --
-- Record that the agent has introduced itself in a direct chat.
UPDATE room SET introduced = true WHERE id = %(chat)s

-- rooms_of --
-- Return the rooms of the direct chats of a person, with their agents.
SELECT owner, room_id FROM room
WHERE kind = 'dm' AND status = 'active' AND person = %(person)s AND room_id IS NOT NULL
