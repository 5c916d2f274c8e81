-- now --
-- Return the newest turn, up to which a person is erased.
SELECT coalesce(max(id), 0) AS until FROM turn

-- own_rooms --
-- Return the chats and direct chats of the person %(user)s.
SELECT r.id, r.room_id, r.kind, a.upstream, a.name AS agent FROM room r JOIN agent a ON a.id = r.owner
WHERE r.person = %(user)s AND r.kind IN ('chat', 'dm') ORDER BY r.id

-- end_rooms --
-- Have the chats and direct chats %(chats)s deleted, and close their turns: nobody waits for an answer there.
WITH ended AS (
    UPDATE room SET status = 'deleting', changes = changes + 1 WHERE id = ANY(%(chats)s)
    RETURNING room_id, pg_notify('agent_bridge', 'chats')
)
UPDATE turn SET state = 'stopped', stop = 'withdrawn', finished_at = now(), answer = NULL, extras = '{}'
FROM ended JOIN conversation c ON c.room_id = ended.room_id
WHERE turn.conversation = c.id AND turn.open
RETURNING turn.id, pg_notify('agent_bridge', 'stops'), CASE WHEN turn.kind = 'command' THEN (
    SELECT count(pg_notify('agent_bridge', topic)) FROM unnest('{chats,places,threads}'::text[]) AS topic) END

-- upstreams --
-- Return the conversations on upstreams of the lanes in rooms in which the person %(user)s was heard; ref is null if an agent
-- was asked, and no conversation is known. is_own: the room is one of %(rooms)s.
WITH heard AS (
    SELECT c.room_id FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE t.sender = %(user)s AND t.kind IN ('message', 'edit', 'again')
    UNION
    SELECT c.room_id FROM message m JOIN conversation c ON c.id = m.conversation WHERE m.said_by = %(user)s
    UNION
    SELECT unnest(%(rooms)s::text[])
)
SELECT DISTINCT a.upstream, a.name AS agent, a.model, u.ref, c.room_id = ANY(%(rooms)s::text[]) AS is_own
FROM heard JOIN conversation c ON c.room_id = heard.room_id JOIN agent a ON a.id = c.agent
     LEFT JOIN context x ON x.conversation = c.id AND x.session IS NOT NULL
     LEFT JOIN upstream_conversation u ON u.upstream = a.upstream AND u.ref <> ''
          AND u.session IN (x.session, c.room_id || CASE WHEN c.thread_id <> '' THEN '/' || c.thread_id ELSE '' END)
ORDER BY a.upstream, a.name, u.ref

-- forget_copies --
-- Forget the messages that were said in the room %(room_id)s, wherever they were copied to.
DELETE FROM message USING turn t, conversation c
WHERE message.turn = t.id AND t.conversation = c.id AND c.room_id = %(room_id)s

-- forget_feed --
-- Forget the events of the room %(room_id)s in the feed.
DELETE FROM feed WHERE room_id = %(room_id)s

-- forget_messages --
-- Forget the transcripts of the lanes of the room %(room_id)s.
DELETE FROM message USING conversation c WHERE message.conversation = c.id AND c.room_id = %(room_id)s

-- forget_contexts --
-- Forget the contexts of the lanes of the room %(room_id)s, and the copies of them.
DELETE FROM context USING conversation c WHERE context.conversation = c.id AND c.room_id = %(room_id)s

-- forget_turns --
-- Forget the turns of the room %(room_id)s, and return their number.
DELETE FROM turn USING conversation c WHERE turn.conversation = c.id AND c.room_id = %(room_id)s

-- forget_room --
-- Forget what is left of the room %(room_id)s, which does not exist any more.
WITH chains AS (
    DELETE FROM chain WHERE room_id = %(room_id)s
), notes AS (
    DELETE FROM ignored WHERE room_id = %(room_id)s
), upstreams AS (
    DELETE FROM upstream_conversation
    WHERE session = %(room_id)s OR starts_with(session, %(room_id)s || '/') OR starts_with(session, %(room_id)s || '~')
)
DELETE FROM conversation WHERE room_id = %(room_id)s

-- events --
-- Return the next events of the person %(user)s behind the turn %(after)s that are not forgotten yet, up to the turn
-- %(until)s, but for the turn %(own)s.
SELECT t.id, t.event_id, c.room_id FROM turn t JOIN conversation c ON c.id = t.conversation
WHERE t.sender = %(user)s AND t.id > %(after)s AND t.id <= %(until)s AND t.id IS DISTINCT FROM %(own)s::bigint
  AND NOT t.redacted AND t.kind NOT IN ('invitation', 'redaction')
ORDER BY t.id LIMIT %(limit)s

-- note --
-- Note in the open messages of rooms of several that the words of the person %(user)s are forgotten. The statement `commit` of
-- the turns reads the note.
UPDATE turn SET redactions = redactions || jsonb_build_object(%(user)s::text, 'erased')
FROM conversation c JOIN room r ON r.room_id = c.room_id
WHERE c.id = turn.conversation AND turn.open AND turn.kind = 'message' AND r.kind IN ('group', 'lobby', 'channel', 'pair')

-- forget_heard --
-- Forget what the person %(user)s has said to others.
DELETE FROM message WHERE said_by = %(user)s

-- heard_unknown --
-- Return the events whose speaker an earlier program did not record, each with an agent that has heard it.
SELECT DISTINCT ON (m.event_id) m.event_id, c.room_id, a.ghost
FROM message m JOIN conversation c ON c.id = m.conversation JOIN agent a ON a.id = c.agent
WHERE m.event_id > %(after)s AND m.event_id IS NOT NULL AND m.said_by IS NULL ORDER BY m.event_id, m.id LIMIT %(limit)s

-- heard_by --
-- Record the speaker of a message that was said to others.
UPDATE message SET said_by = %(user)s WHERE event_id = %(event_id)s AND said_by IS NULL

-- saved --
-- Return the copies that the person %(user)s has saved, and those of conversations in the rooms %(rooms)s.
SELECT x.id, x.upstream_ref AS ref, x.upstream_kind AS kind, a.upstream, a.name AS agent, a.kind AS present_kind
FROM context x JOIN agent a ON a.id = x.agent JOIN conversation c ON c.id = x.conversation
WHERE x.name IS NOT NULL AND (x.owner = %(user)s OR c.room_id = ANY(%(rooms)s::text[])) ORDER BY x.id

-- forget_saved --
-- Forget the copy %(context)s.
DELETE FROM context WHERE id = %(context)s

-- space --
-- Return the Space of the person %(user)s.
SELECT room_id, listed_in FROM person_space WHERE user_id = %(user)s

-- forget_space --
-- Forget the Space of the person %(user)s.
DELETE FROM person_space WHERE user_id = %(user)s

-- choices --
-- Forget the agent and the entries of lists that the person %(user)s has chosen.
WITH chosen AS (DELETE FROM selection WHERE user_id = %(user)s RETURNING 1), listed AS (
    DELETE FROM choice WHERE user_id = %(user)s RETURNING 1
)
SELECT (SELECT count(*) FROM chosen) + (SELECT count(*) FROM listed) AS number

-- instructions --
-- Take the instructions back that the person %(user)s has given.
UPDATE participant SET instructions = '', instructed_in = NULL, instructed_by = NULL, instructed_at = now()
WHERE instructed_by = %(user)s AND instructions <> ''

-- threads --
-- Forget that the person %(user)s has named threads.
UPDATE thread SET creator = '' WHERE creator = %(user)s

-- triggers --
-- Revoke the triggers of the person %(user)s.
DELETE FROM trigger WHERE owner = %(user)s

-- schedules --
-- Delete the schedules of the person %(user)s.
DELETE FROM schedule WHERE owner = %(user)s

-- end_schedules --
-- Have the schedules of the person %(user)s not run any more.
UPDATE schedule SET paused = true WHERE owner = %(user)s

-- tokens --
-- Forget the tokens of programs of the person %(user)s, with their requests.
DELETE FROM token WHERE person = %(user)s

-- end_tokens --
-- End the tokens of programs of the person %(user)s.
UPDATE token SET revoked_at = now(), nonce = NULL WHERE person = %(user)s AND revoked_at IS NULL

-- admin --
-- Forget that the person %(user)s has used the admin page, and end the sessions there.
WITH links AS (DELETE FROM admin_link WHERE user_id = %(user)s), sessions AS (
    DELETE FROM admin_session WHERE user_id = %(user)s
)
DELETE FROM admin_action WHERE user_id = %(user)s

-- tasks --
-- Forget the person %(user)s in tasks: others can take those that the person worked on. The claims of others end as before. The
-- notes of the person go, also where somebody else works on by now; an earlier program did not record the authors.
UPDATE task SET creator = CASE WHEN creator = %(user)s THEN '' ELSE creator END, assignee = nullif(assignee, %(user)s),
       note = CASE WHEN %(user)s IN (assignee, note_by) THEN '' ELSE note END, note_by = nullif(note_by, %(user)s),
       changes = changes + 1,
       state = CASE WHEN assignee = %(user)s AND closed_at IS NULL THEN 'submitted' ELSE state END,
       deadline = CASE WHEN assignee = %(user)s THEN NULL ELSE deadline END
WHERE %(user)s IN (creator, assignee, note_by)
RETURNING pg_notify('agent_bridge', 'tasks')

-- notifications --
-- Forget the notifications of the person %(user)s.
DELETE FROM notification WHERE user_id = %(user)s

-- notified_by --
-- Forget the person %(user)s in the notifications of others.
UPDATE notification SET facts = facts - 'by' WHERE facts ->> 'by' = %(user)s

-- quoted --
-- Forget the contents of entries of the feed that name the person %(user)s, and of those in rooms where the person has said
-- something: answers and other words may repeat those of the person. So may tasks with a note of the person. Programs read them in
-- the room. The statement `feed` deletes the others.
UPDATE feed SET content = '{}'
WHERE sender <> %(user)s AND NOT starts_with(type, 'channel_')
  AND (strpos(content, %(user)s) > 0 OR room_id IN (SELECT said.room_id FROM feed said WHERE said.sender = %(user)s)
       OR (type = 'task' AND subject IN (SELECT id FROM task WHERE note_by = %(user)s)))
  AND NOT ((subject IS NOT NULL OR type = 'notification') AND strpos(content, to_json(%(user)s::text)::text) > 0)

-- feed --
-- Forget the entries of the feed about the person %(user)s, and those of tasks, votes and notifications that name the person.
DELETE FROM feed
WHERE sender = %(user)s OR user_id = %(user)s
   OR (subject IS NOT NULL OR type = 'notification') AND strpos(content, to_json(%(user)s::text)::text) > 0

-- usage --
-- Forget the tokens of requests for the person %(user)s, but for those behind the turn %(until)s.
DELETE FROM usage WHERE user_id = %(user)s AND (turn IS NULL OR turn <= %(until)s)

-- usage_days --
-- Forget the sums of these tokens.
DELETE FROM usage_day WHERE user_id = %(user)s

-- dead_letters --
-- Forget the events of the person %(user)s that could not be taken.
DELETE FROM dead_letter WHERE strpos(body, to_json(%(user)s::text)::text) > 0

-- traces --
-- Forget the person %(user)s as the one who asked for something that stays, the own votes, and the encrypted messages from
-- before the erasure that wait for their keys.
WITH sealed AS (
    DELETE FROM sealed_event WHERE sender = %(user)s AND received_at <= (
        SELECT max(created_at) FROM operation WHERE kind = 'erase' AND params ->> 'user' = %(user)s)
    RETURNING event_id, room_id
), unread AS (
    INSERT INTO ignored (event_id, room_id, reason) SELECT event_id, room_id, 'erased' FROM sealed
    ON CONFLICT (event_id) DO UPDATE SET reason = excluded.reason
), asked AS (
    UPDATE operation SET requested_by = '' WHERE requested_by = %(user)s AND finished_at IS NOT NULL AND kind <> 'erase'
), decided AS (
    UPDATE approval SET decided_by = NULL, reason = '' WHERE decided_by = %(user)s
), retired AS (
    UPDATE agent SET retired_by = '' WHERE retired_by = %(user)s
), instructed AS (
    UPDATE participant SET instructed_by = NULL WHERE instructed_by = %(user)s
), unpaired AS (
    UPDATE room SET request_key = NULL, name = NULL, name_applied = NULL FROM pair
    WHERE pair.room = room.id AND %(user)s IN (pair.low, pair.high)
), pairs AS (
    DELETE FROM pair WHERE %(user)s IN (low, high)
), profile AS (
    DELETE FROM own_profile WHERE user_id = %(user)s
), notified AS (
    DELETE FROM notified_person WHERE user_id = %(user)s
), reachable AS (
    DELETE FROM reachable_person WHERE user_id = %(user)s
), asked_people AS (
    DELETE FROM person_question WHERE person = %(user)s OR owner = %(user)s
), model_threads AS (
    DELETE FROM model_thread WHERE target = %(user)s OR owner = %(user)s
), budget AS (
    DELETE FROM bot_budget WHERE user_id = %(user)s
), ballots AS (
    DELETE FROM ballot WHERE voter = %(user)s
), ended AS (
    DELETE FROM vote WHERE creator = %(user)s AND is_settled
), asked_them AS (
    UPDATE vote SET creator = '' WHERE creator = %(user)s AND NOT is_settled
), closed AS (
    UPDATE vote SET closed_by = NULL WHERE closed_by = %(user)s AND creator <> %(user)s
), made AS (
    UPDATE token SET made_by = '' WHERE made_by = %(user)s
), registered AS (
    UPDATE client_agent SET owner = '' WHERE owner = %(user)s
), markers AS (
    DELETE FROM read_marker WHERE user_id = %(user)s
)
DELETE FROM chain WHERE asker = %(user)s AND NOT EXISTS (SELECT 1 FROM turn t WHERE t.chain = chain.id AND t.open)

-- open --
-- Return the number of open turns of the person %(user)s up to the turn %(until)s, but for the turn %(own)s.
SELECT count(*) AS number FROM turn
WHERE sender = %(user)s AND open AND id <= %(until)s AND id IS DISTINCT FROM %(own)s::bigint

-- drop --
-- Forget up to %(limit)s turns of the person %(user)s up to the turn %(until)s, but for the turn %(own)s, and note their events as
-- ignored: a backfill does not take them again. Of the open turns (%(all)s) those stay that have a message of another person.
WITH dropped AS (
    DELETE FROM turn USING conversation c
    WHERE c.id = turn.conversation AND turn.id = ANY(ARRAY(
        SELECT t.id FROM turn t
        WHERE t.sender = %(user)s AND t.id <= %(until)s AND t.id IS DISTINCT FROM %(own)s::bigint
          AND (NOT t.open OR (%(all)s AND NOT EXISTS (
              SELECT 1 FROM turn part WHERE part.collected_into = t.id AND part.sender <> t.sender)))
        ORDER BY t.id LIMIT %(limit)s))
    RETURNING turn.event_id, c.room_id
), noted AS (
    INSERT INTO ignored (event_id, room_id, reason) SELECT DISTINCT event_id, room_id, 'erased' FROM dropped
    ON CONFLICT (event_id) DO NOTHING
)
SELECT count(*) AS number FROM dropped

-- count --
-- Return how much there is of the person %(user)s. Triggers, schedules, tasks and entries of the feed in own rooms go with these.
SELECT (SELECT count(*) FROM room WHERE person = %(user)s AND kind = 'chat') AS chats,
       (SELECT count(*) FROM room WHERE person = %(user)s AND kind = 'dm') AS direct_chats,
       (SELECT count(*) FROM turn WHERE sender = %(user)s) AS messages,
       (SELECT count(*) FROM message WHERE said_by = %(user)s) AS heard,
       (SELECT count(*) FROM context WHERE owner = %(user)s) AS saved,
       (SELECT count(*) FROM person_space WHERE user_id = %(user)s) AS spaces,
       (SELECT count(*) FROM selection WHERE user_id = %(user)s)
           + (SELECT count(*) FROM choice WHERE user_id = %(user)s) AS choices,
       (SELECT count(*) FROM participant WHERE instructed_by = %(user)s AND instructions <> '') AS instructions,
       (SELECT count(*) FROM trigger t JOIN room r ON r.id = t.room
        WHERE t.owner = %(user)s AND r.person IS DISTINCT FROM %(user)s) AS triggers,
       (SELECT count(*) FROM schedule s JOIN room r ON r.id = s.room
        WHERE s.owner = %(user)s AND r.person IS DISTINCT FROM %(user)s) AS schedules,
       (SELECT count(*) FROM token WHERE person = %(user)s) AS tokens,
       (SELECT count(*) FROM task t JOIN room r ON r.id = t.room
        WHERE %(user)s IN (t.creator, t.assignee, t.note_by) AND r.person IS DISTINCT FROM %(user)s) AS tasks,
       (SELECT count(*) FROM notification WHERE user_id = %(user)s) AS notifications,
       (SELECT count(*) FROM feed f WHERE (
            sender = %(user)s OR user_id = %(user)s
            OR (subject IS NOT NULL OR type = 'notification') AND strpos(content, to_json(%(user)s::text)::text) > 0
        ) AND NOT EXISTS (SELECT 1 FROM room r WHERE r.room_id = f.room_id AND r.person = %(user)s)) AS feed,
       (SELECT count(*) FROM usage WHERE user_id = %(user)s)
           + (SELECT count(*) FROM usage_day WHERE user_id = %(user)s) AS usage,
       (SELECT count(*) FROM dead_letter WHERE strpos(body, to_json(%(user)s::text)::text) > 0) AS dead_letters

-- last --
-- Return the seconds since the person %(user)s was erased last; null: never.
SELECT extract(epoch FROM now() - max(created_at))::float AS seconds FROM operation
WHERE kind = 'erase' AND params ->> 'user' = %(user)s AND state <> 'failed'
