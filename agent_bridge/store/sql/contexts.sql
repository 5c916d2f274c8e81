-- lock_lane --
-- Lock the lane %(lane)s; return the context that goes on there, null: the first one.
SELECT context FROM conversation WHERE id = %(lane)s FOR UPDATE

-- keep_first --
-- Give the first context of the lane %(lane)s, which is called %(session)s on upstreams, a row; return the row.
WITH first AS (
    INSERT INTO context (conversation, agent, session, started_at, created_at)
    SELECT c.id, c.agent, %(session)s,
           coalesce((SELECT min(created_at) FROM message WHERE conversation = c.id AND context IS NULL), c.created_at),
           c.created_at
    FROM conversation c WHERE c.id = %(lane)s
    RETURNING id
), moved AS (
    UPDATE message SET context = first.id FROM first WHERE conversation = %(lane)s AND context IS NULL
)
SELECT id FROM first

-- add --
-- Add a context of the lane %(lane)s that is called %(session)s on upstreams. Its conversation began with the context
-- %(source)s, null: now.
INSERT INTO context (conversation, agent, session, upstream_ref, upstream_kind, started_at)
SELECT c.id, c.agent, %(session)s, %(upstream_ref)s, %(upstream_kind)s, coalesce(source.started_at, now())
FROM conversation c LEFT JOIN context source ON source.id = %(source)s WHERE c.id = %(lane)s
RETURNING id

-- go_on --
-- Let the lane %(lane)s go on with the context %(context)s, and note that the one before has ended.
WITH ended AS (
    UPDATE context SET ended_at = now() FROM conversation c
    WHERE c.id = %(lane)s AND context.id = c.context AND context.id <> %(context)s
), begun AS (
    UPDATE context SET ended_at = NULL WHERE id = %(context)s
)
UPDATE conversation SET context = %(context)s WHERE id = %(lane)s

-- copy --
-- Add the messages of the context %(source)s to the context %(context)s of the lane %(lane)s. They keep their turns: a
-- redaction finds each copy of a message by the turn, or by the event. For their retention, those of a saved copy (%(saved)s) have the
-- time at which they were said, and others the present time.
INSERT INTO message (conversation, context, turn, role, content, event_id, edited_in, said_by, created_at)
SELECT %(lane)s, %(context)s, turn, role, content, event_id, edited_in, said_by, CASE WHEN %(saved)s THEN created_at ELSE now() END
FROM message WHERE context = %(source)s ORDER BY id

-- is_empty --
-- Tell whether the context that goes on in the lane %(lane)s has no messages.
SELECT NOT EXISTS (
    SELECT 1 FROM message m WHERE m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0)
) AS is_empty
FROM conversation c WHERE c.id = %(lane)s

-- begun --
-- Return the number of messages of the context that goes on in the lane %(lane)s, and when its conversation began; null
-- if nothing was said in it yet.
-- It began when its first question came: the messages of a turn are recorded at its end.
SELECT coalesce(x.started_at, min(coalesce(t.created_at, m.created_at))) AS started_at, count(m.id) AS messages
FROM conversation c LEFT JOIN context x ON x.id = c.context
     LEFT JOIN message m ON m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0)
     LEFT JOIN turn t ON t.id = m.turn
WHERE c.id = %(lane)s GROUP BY x.started_at

-- instruct --
-- Record the instructions of the person %(by)s for the agent %(agent)s in a room, which the event %(event_id)s gave; empty:
-- they are taken back.
UPDATE participant SET instructions = %(instructions)s, instructed_in = %(event_id)s, instructed_by = %(by)s, instructed_at = now()
FROM room r WHERE r.id = participant.room AND r.room_id = %(room_id)s AND participant.agent = %(agent)s

-- is_instructed --
-- Tell whether the agent of the lane %(lane)s was asked there, in the context that goes on, since the room got its
-- present instructions. An answer whose question was put together before the instructions does not count.
SELECT EXISTS (
    SELECT 1 FROM message m JOIN turn t ON t.id = m.turn
    WHERE m.conversation = c.id AND coalesce(m.context, 0) = coalesce(c.context, 0) AND t.conversation = c.id
      AND t.started_at > greatest(p.instructed_at, x.created_at)
) AS is_instructed
FROM conversation c JOIN room r ON r.room_id = c.room_id JOIN participant p ON p.room = r.id AND p.agent = c.agent
     LEFT JOIN context x ON x.id = c.context
WHERE c.id = %(lane)s

-- choose_model --
-- Record the model that the agent %(agent)s is asked as in a room; null: its own.
UPDATE participant SET model = %(model)s
FROM room r WHERE r.id = participant.room AND r.room_id = %(room_id)s AND participant.agent = %(agent)s

-- save --
-- Add a copy of a context that %(owner)s saves under a name; its conversation began with the context %(source)s.
INSERT INTO context (conversation, agent, owner, name, upstream_ref, upstream_kind, started_at)
SELECT conversation, agent, %(owner)s, %(name)s, %(upstream_ref)s, %(upstream_kind)s, started_at
FROM context WHERE id = %(source)s
RETURNING id

-- names --
-- Return the names, in small letters, of the copies that %(owner)s has saved of conversations with the agent %(agent)s.
SELECT lower(name) AS name FROM context WHERE owner = %(owner)s AND agent = %(agent)s AND name IS NOT NULL

-- entries --
-- Return the contexts that %(owner)s can load in the lane %(lane)s: the copies that the person saved of conversations
-- with its agent, and those that ended there and have messages; the newest first.
SELECT x.id, x.name, x.session, x.upstream_ref, x.upstream_kind,
       coalesce(x.ended_at, x.created_at) AS at, count(m.id) AS messages
FROM conversation c JOIN context x ON x.agent = c.agent LEFT JOIN message m ON m.context = x.id
WHERE c.id = %(lane)s AND (x.owner = %(owner)s OR (x.conversation = c.id AND x.ended_at IS NOT NULL))
GROUP BY x.id HAVING x.name IS NOT NULL OR count(m.id) > 0
ORDER BY coalesce(x.ended_at, x.created_at) DESC, x.id DESC

-- entry --
-- Return the context %(context)s if %(owner)s can load it in the lane %(lane)s, or if it goes on there.
SELECT x.id, x.name, x.session, x.upstream_ref, x.upstream_kind,
       coalesce(x.ended_at, x.created_at) AS at, count(m.id) AS messages
FROM conversation c JOIN context x ON x.agent = c.agent LEFT JOIN message m ON m.context = x.id
WHERE c.id = %(lane)s AND x.id = %(context)s AND (x.owner = %(owner)s OR (x.conversation = c.id AND x.name IS NULL))
GROUP BY x.id

-- forget --
-- Delete the saved copy %(context)s of %(owner)s, with its messages.
DELETE FROM context WHERE id = %(context)s AND owner = %(owner)s
