-- point --
-- Return the message of a transcript that the event %(event_id)s of a room shows: a question to the agent %(agent)s, or an
-- answer of it. A context that goes on has precedence over one that ended. The row of the message is null if the transcript
-- does not have it: there is no answer yet, or it was redacted, or it is too old.
WITH meant AS (
    SELECT coalesce(t.collected_into, t.id) AS turn, 'user' AS role
    FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND c.agent = %(agent)s AND t.event_id = %(event_id)s AND t.kind = 'message'
    UNION
    SELECT t.id, 'assistant' FROM outbox o JOIN turn t ON t.id = o.turn JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND c.agent = %(agent)s AND o.event_id = %(event_id)s AND t.kind = 'message'
)
SELECT head.open, head.id AS turn, c.id AS lane, said.context, said.id AS message, c.thread_id AS thread,
       meant.role = 'assistant' AS is_answer, x.session, r.owner IS NOT DISTINCT FROM c.agent AS own_room, a.ghost,
       head.key, head.retries, head.attempts, head.payload,
       (SELECT coalesce(jsonb_agg(part.payload ORDER BY part.position), '[]')
        FROM turn part WHERE part.collected_into = head.id) AS collected
FROM meant JOIN turn head ON head.id = meant.turn JOIN conversation c ON c.id = head.conversation
     JOIN agent a ON a.id = c.agent JOIN room r ON r.room_id = c.room_id
     LEFT JOIN LATERAL (
         SELECT m.id, m.context FROM message m LEFT JOIN context saved ON saved.id = m.context
         WHERE m.turn = head.id AND m.conversation = c.id AND m.role = meant.role AND saved.name IS NULL
         ORDER BY coalesce(m.context, 0) = coalesce(c.context, 0) DESC, m.id DESC LIMIT 1
     ) AS said ON true
     LEFT JOIN context x ON x.id = said.context
LIMIT 1

-- begin --
-- Add a context that is called %(session)s on upstreams, for a room that does not exist yet: until then it is one of the
-- lane %(lane)s. Its conversation began with the context %(source)s of the lane.
INSERT INTO context (conversation, agent, session, upstream_ref, upstream_kind, started_at)
SELECT c.id, c.agent, %(session)s, %(upstream_ref)s, %(upstream_kind)s, coalesce(
    source.started_at, (SELECT min(m.created_at) FROM message m WHERE m.conversation = c.id AND m.context IS NULL), now())
FROM conversation c LEFT JOIN context source ON source.id = %(source)s WHERE c.id = %(lane)s
RETURNING id

-- copy --
-- Add the messages of the context %(source)s of the lane %(lane)s to the context %(context)s, up to the message %(until)s;
-- null: the context is the first one of the lane. Only those of the turn %(turn)s if that is given. They keep their turns: a
-- redaction finds each copy of a message by the turn, or by the event.
INSERT INTO message (conversation, context, turn, role, content, event_id, edited_in, said_by)
SELECT %(home)s, %(context)s, turn, role, content, event_id, edited_in, said_by
FROM message
WHERE conversation = %(lane)s AND coalesce(context, 0) = coalesce(%(source)s, 0) AND id <= %(until)s
  AND (%(turn)s::bigint IS NULL OR turn = %(turn)s)
ORDER BY id

-- count --
-- Return the number of messages of a context.
SELECT count(*) AS messages FROM message WHERE context = %(context)s
