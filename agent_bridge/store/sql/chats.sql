-- lock --
-- Let no other chat of the person %(person)s be added until the transaction ends.
SELECT pg_advisory_xact_lock(%(kind)s, hashtext(%(person)s))

-- count --
-- Return the number of chats of a person.
SELECT count(*) AS chats FROM room WHERE person = %(person)s AND kind = 'chat'

-- requested --
-- Return the chat with the key %(key)s of its request.
SELECT id, number FROM room WHERE request_key = %(key)s

-- add --
-- Write a chat, which does not exist on the homeserver yet, with the next number.
WITH chat AS (
    INSERT INTO room (kind, owner, person, number, request_key, name, titled_by, first_context, changes, roles_applied)
    VALUES ('chat', %(agent)s, %(person)s, nextval('conversation_number_seq'), %(request_key)s, %(name)s, %(titled_by)s,
            %(first_context)s, 1, (SELECT max(version) FROM role_book))
    RETURNING id, owner, number
), joined AS (
    INSERT INTO participant (room, agent, state) SELECT id, owner, 'joined' FROM chat
)
SELECT id, number FROM chat

-- find --
-- Return a chat or a direct chat with its agent.
SELECT to_jsonb(a) AS agent, to_jsonb(r) AS room, coalesce(r.left_at < now() - interval '1 day', false) AS is_abandoned
FROM room r JOIN agent a ON a.id = r.owner
WHERE r.id = %(chat)s AND r.kind IN ('chat', 'dm')

-- made --
-- Record the room of a chat, and begin its conversation with the context that it has (first_context). A person may have
-- spoken in the room before: its lanes wait until its history was read.
WITH chat AS (
    UPDATE room SET room_id = %(room_id)s, name_applied = %(name)s, changes = changes + 1,
           needs_backfill = true, backfill_requests = backfill_requests + 1, backfill_requested_at = now()
    WHERE id = %(chat)s AND room_id IS NULL
    RETURNING room_id, owner, first_context, pg_notify('agent_bridge', 'backfill'), pg_notify('agent_bridge', 'chats'),
              CASE WHEN coalesce(roles_applied, 0) < (SELECT max(version) FROM role_book) THEN pg_notify('agent_bridge', 'roles') END
), lane AS (
    INSERT INTO conversation (room_id, thread_id, agent, lane_kind, context)
    SELECT room_id, '', owner, 'agent', first_context FROM chat WHERE first_context IS NOT NULL
    ON CONFLICT (room_id, thread_id, coalesce(agent, 0)) DO UPDATE SET context = EXCLUDED.context
    RETURNING id, context
), begun AS (
    UPDATE context SET conversation = lane.id FROM lane WHERE context.id = lane.context
)
UPDATE message SET conversation = lane.id FROM lane WHERE message.context = lane.context

-- due --
-- Return up to %(limit)s chats and direct chats that differ, on the homeserver, from their desired state, except those of
-- %(others)s: first those whose lanes wait. The command that asked for a chat makes its room; if it failed, this list has
-- the chat. A chat that its person has left ends after a day.
SELECT r.id FROM room r
WHERE r.kind IN ('chat', 'dm') AND r.owner IS NOT NULL
  AND (r.changes <> r.changes_applied OR r.check_requests <> r.checked OR r.left_at < now() - interval '1 day')
  AND r.id <> ALL(%(others)s::bigint[])
  AND (r.room_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM turn t WHERE t.key = r.request_key AND t.open))
ORDER BY r.check_requests = r.checked, r.id
LIMIT %(limit)s

-- relist --
-- Have the chats listed that another Space than %(space)s lists, or than that of their person (%(per_user)s).
UPDATE room SET changes = changes + 1
WHERE kind = 'chat' AND person IS NOT NULL AND room_id IS NOT NULL AND status = 'active' AND changes = changes_applied
  AND space IS DISTINCT FROM CASE
      WHEN %(per_user)s THEN coalesce((SELECT p.room_id FROM person_space p WHERE p.user_id = room.person), '')
      ELSE %(space)s END
RETURNING pg_notify('agent_bridge', 'chats')

-- entered --
-- Record whether the bridge bot is in the room of a chat.
UPDATE room SET bot_joined = %(bot_joined)s WHERE id = %(chat)s

-- named --
-- Record the name that the room of a chat was given, or was found to keep.
UPDATE room SET name_applied = %(name)s, name = coalesce(name, %(name)s), name_redacted = false WHERE id = %(chat)s

-- left --
-- Record whether the person of a chat has left it.
UPDATE room SET left_at = CASE WHEN %(is_left)s THEN coalesce(left_at, now()) END WHERE id = %(chat)s

-- put_away --
-- Record whether the conversations of a chat are archived on the upstream.
UPDATE room SET put_away = %(archived)s WHERE id = %(chat)s

-- conversations --
-- Return the conversations on the upstream that the lanes of a chat with its agent have, or had in other contexts.
SELECT DISTINCT u.model, u.ref
FROM room r JOIN agent a ON a.id = r.owner JOIN conversation c ON c.room_id = r.room_id AND c.agent = r.owner
     LEFT JOIN context x ON x.conversation = c.id AND x.session IS NOT NULL
     JOIN upstream_conversation u ON u.upstream = a.upstream AND u.ref <> ''
          AND u.session IN (x.session, c.room_id || CASE WHEN c.thread_id <> '' THEN '/' || c.thread_id ELSE '' END)
WHERE r.id = %(chat)s
ORDER BY u.model, u.ref

-- forget_conversation --
-- Forget a conversation on an upstream.
DELETE FROM upstream_conversation WHERE upstream = %(upstream)s AND model = %(model)s AND ref = %(ref)s

-- listed --
-- Record the Space that lists a chat.
UPDATE room SET space = %(space)s WHERE id = %(chat)s

-- applied --
-- Record that the first %(changes)s changes of a chat are applied, and the problems that a comparison found and could not
-- repair. It answers the first %(requests)s requests.
UPDATE room SET changes_applied = %(changes)s, checked = %(requests)s, problems = %(problems)s WHERE id = %(chat)s
RETURNING pg_notify('agent_bridge', 'lanes')

-- forget --
-- Forget a chat whose room does not exist any more, and its transcripts but for copies that people saved; close its turns: there is no room to show answers in.
-- The context of a chat that never had a room is still one of the lane from which it was copied.
WITH lost AS (
    DELETE FROM room WHERE id = %(chat)s RETURNING room_id, first_context
), unbegun AS (
    DELETE FROM context USING lost WHERE context.id = lost.first_context AND lost.room_id IS NULL
),
-- include room_forgotten --

-- in_room --
-- Return the chat or direct chat whose room is %(room_id)s.
SELECT to_jsonb(a) AS agent, to_jsonb(r) AS room, coalesce(r.left_at < now() - interval '1 day', false) AS is_abandoned
FROM room r JOIN agent a ON a.id = r.owner
WHERE r.room_id = %(room_id)s AND r.kind IN ('chat', 'dm')

-- note_changes --
-- Have those of the rooms %(rooms)s that are chats or direct chats of a person compared with the homeserver, and of the
-- rooms %(entered)s those that their people had left. Their lanes do not wait.
UPDATE room SET changes = changes + 1
WHERE (room_id = ANY(%(rooms)s) OR (room_id = ANY(%(entered)s) AND left_at IS NOT NULL)) AND person IS NOT NULL
RETURNING pg_notify('agent_bridge', 'chats')

-- named_by_person --
-- Record the name that a person gave to the room of a chat.
UPDATE room SET name = %(name)s, name_applied = %(name)s, titled_by = CASE WHEN %(name)s::text IS NOT NULL THEN 'person' END,
       title_turn = NULL, titled_from = NULL, name_redacted = false
WHERE id = %(chat)s

-- renamed --
-- Record the title that a person gave by a command, and that the room has it.
UPDATE room SET name = %(title)s, name_applied = %(title)s, titled_by = 'given', title_turn = NULL, titled_from = NULL,
       name_redacted = false, changes = changes + 1
WHERE id = %(chat)s
RETURNING pg_notify('agent_bridge', 'chats')

-- used --
-- Record that the turn %(turn)s is answered in a chat: its title can be made, and it comes out of the archive. A direct chat
-- has no title. Once a minute is enough for the time.
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE room SET used_at = now(), status = CASE WHEN status = 'archived' THEN 'active' ELSE status END,
       changes = changes + (status = 'archived')::integer, title_turn = CASE WHEN titled_by IS NULL AND kind = 'chat' THEN coalesce(title_turn, %(turn)s) END
FROM quick
WHERE room.room_id = %(room_id)s AND room.person IS NOT NULL
  AND (used_at IS NULL OR used_at < now() - interval '1 minute' OR used_at > now() OR status = 'archived'
       OR (kind = 'chat' AND titled_by IS NULL AND title_turn IS NULL))
RETURNING CASE WHEN title_turn IS NOT NULL OR changes <> changes_applied THEN pg_notify('agent_bridge', 'chats') END

-- untitled --
-- Return up to %(limit)s chats with a first answer and without a title.
SELECT r.id, r.number, coalesce(r.person, t.sender) AS person, r.room_id, to_jsonb(a) AS agent, t.id AS turn, t.kind, t.payload, t.redacted, coalesce(t.answer, '') AS answer
FROM room r JOIN agent a ON a.id = r.owner JOIN turn t ON t.id = r.title_turn
WHERE r.title_turn IS NOT NULL AND r.titled_by IS NULL
ORDER BY r.title_turn LIMIT %(limit)s

-- titled --
-- Give a chat without a title the one that was made from the turn %(turn)s; null: the next answer gives another chance. A
-- title with words of an answer (%(answer)s) or a question that was redacted meanwhile does not count.
UPDATE room SET name = coalesce(%(title)s, name), titled_by = CASE WHEN %(title)s::text IS NOT NULL THEN 'made' END,
       titled_from = CASE WHEN %(title)s::text IS NOT NULL THEN title_turn END,
       title_turn = NULL, changes = changes + (%(title)s::text IS NOT NULL)::integer
FROM turn t
WHERE room.id = %(chat)s AND titled_by IS NULL AND title_turn = %(turn)s AND t.id = title_turn
  AND (%(title)s::text IS NULL OR (NOT t.redacted AND coalesce(t.answer, '') = %(answer)s))
RETURNING pg_notify('agent_bridge', 'chats')

-- of_person --
-- Return %(limit)s chats of a person (null: of all people) from the position %(skip)s, those used last first.
SELECT r.id, r.number, r.room_id, r.person, CASE WHEN r.titled_by IS NOT NULL THEN r.name END AS title, a.name AS agent,
       extract(epoch FROM now() - coalesce(r.used_at, r.created_at))::float AS age
FROM room r JOIN agent a ON a.id = r.owner
WHERE r.kind = 'chat' AND r.room_id IS NOT NULL AND r.person IS NOT NULL AND r.status = %(status)s
  AND (%(person)s::text IS NULL OR r.person = %(person)s)
ORDER BY coalesce(r.used_at, r.created_at) DESC, r.number DESC
LIMIT %(limit)s OFFSET %(skip)s

-- number_of --
-- Return the number of chats with a room of a person (null: of all people).
SELECT count(*) AS chats FROM room
WHERE kind = 'chat' AND room_id IS NOT NULL AND person IS NOT NULL AND status = %(status)s
  AND (%(person)s::text IS NULL OR person = %(person)s)

-- set_status --
-- Record the desired status of a chat.
UPDATE room SET status = %(status)s, changes = changes + 1 WHERE id = %(chat)s AND status NOT IN ('deleting', %(status)s)
RETURNING pg_notify('agent_bridge', 'chats')

-- deletion_requested --
-- Record the name of the deletion of a chat's room on the homeserver.
UPDATE room SET delete_ref = %(ref)s WHERE id = %(chat)s

-- term --
-- Return the name of the present leadership, no row without a leader; and of the one that compared the numbers last (null:
-- none). The time tells sessions apart that have the same process id.
SELECT held.pid || ' ' || a.backend_start AS term,
       (SELECT value #>> '{}' FROM kv WHERE key = 'numbers_compared') AS compared
FROM advisory_lock held JOIN pg_stat_activity a ON a.pid = held.pid
WHERE held.kind = %(kind)s AND held.key = 0

-- compared --
-- Record that the leadership %(term)s has compared the numbers.
INSERT INTO kv (key, value) VALUES ('numbers_compared', to_jsonb(%(term)s::text))
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value

-- raise_numbers --
-- Let the next chat have a greater number than %(number)s.
SELECT setval('conversation_number_seq', %(number)s) FROM conversation_number_seq WHERE last_value < %(number)s

-- unknown --
-- Return those of the rooms %(rooms)s that the bridge does not know.
SELECT room_id FROM unnest(%(rooms)s::text[]) AS room_id WHERE room_id NOT IN (
    SELECT room.room_id FROM room WHERE room.room_id IS NOT NULL UNION SELECT person_space.room_id FROM person_space)

-- adopt --
-- Write a chat that was found on the homeserver, unless its room or its number is known; return it if its agent is known.
WITH owner AS (
    SELECT id FROM agent WHERE ghost = %(ghost)s
), chat AS (
    INSERT INTO room (kind, owner, person, number, room_id, name, name_applied, titled_by, last_seen, backfilled_at, changes)
    SELECT 'chat', id, %(person)s, %(number)s, %(room_id)s, %(name)s, %(name)s, %(titled_by)s, %(seen)s, now(), 1 FROM owner
    ON CONFLICT DO NOTHING
    RETURNING id, owner, pg_notify('agent_bridge', 'chats')
), joined AS (
    INSERT INTO participant (room, agent, state) SELECT id, owner, 'joined' FROM chat
)
SELECT id FROM owner

-- renumber --
-- Give a chat the number that the room has which it found again.
UPDATE room SET number = %(number)s WHERE id = %(chat)s
  AND NOT EXISTS (SELECT 1 FROM room other WHERE other.number = %(number)s)

-- open_command --
-- Return a row if a command that was given in the room %(room_id)s is not answered yet.
SELECT 1 FROM conversation c JOIN turn t ON t.conversation = c.id
WHERE c.room_id = %(room_id)s AND (c.lane_kind = 'bot' OR t.kind = 'command') AND t.open LIMIT 1
