-- lock --
-- Let nobody else add threads to the room %(room_id)s until the transaction ends; return its row id.
SELECT id FROM room WHERE room_id = %(room_id)s FOR NO KEY UPDATE

-- count --
-- Return how many threads of the room %(room_id)s have names: those that are archived, and the others.
SELECT count(*) FILTER (WHERE h.archived_at IS NOT NULL) AS archived, count(*) FILTER (WHERE h.archived_at IS NULL) AS open
FROM thread h JOIN room r ON r.id = h.room
WHERE r.room_id = %(room_id)s AND h.room_id = %(room_id)s

-- find --
-- Return the thread %(id)s, or the one that begins with the event %(root)s in the room %(room_id)s, and the user that speaks
-- for the bridge there.
SELECT to_jsonb(h) AS thread,
-- include room_voice --
       AS voice
FROM thread h JOIN room r ON r.id = h.room
WHERE h.id = %(id)s OR (h.root = %(root)s AND h.room_id = %(room_id)s AND r.room_id = %(room_id)s)

-- voice --
-- Return the ghost that speaks for the bridge in the room %(room_id)s; null: the bot does.
SELECT
-- include room_voice --
       AS voice
FROM room r WHERE r.room_id = %(room_id)s

-- listed --
-- Return the threads of the room %(room_id)s that are archived, or are not, the last used first.
SELECT to_jsonb(h) AS thread, NULL AS voice
FROM thread h JOIN room r ON r.id = h.room
WHERE r.room_id = %(room_id)s AND h.room_id = %(room_id)s AND (h.archived_at IS NOT NULL) = %(archived)s
ORDER BY coalesce(h.said_at, h.created_at) DESC, h.id DESC
LIMIT %(limit)s OFFSET %(offset)s

-- add --
-- Write a thread of the room %(room_id)s, whose name is to be shown; return its row id. The request has its time. A
-- repeat of the request finds it.
INSERT INTO thread (room, room_id, root, name, creator, key, since, said_at)
SELECT r.id, r.room_id, %(root)s, %(name)s, %(creator)s, %(key)s, %(since)s,
       coalesce((SELECT max(t.said_at) FROM turn t WHERE t.key = %(key)s), (SELECT q.created_at FROM api_request q WHERE q.name = %(key)s))
FROM room r WHERE r.room_id = %(room_id)s
ON CONFLICT (key) DO UPDATE SET key = EXCLUDED.key
RETURNING id, pg_notify('agent_bridge', 'threads')

-- rename --
-- Give the thread %(id)s another name.
UPDATE thread SET name = %(name)s, changes = changes + 1 WHERE id = %(id)s AND name <> %(name)s
RETURNING id, pg_notify('agent_bridge', 'threads')

-- archive --
-- Archive the thread %(id)s because of the request %(key)s, and return it, unless somebody wrote in it after the request.
WITH request AS (
    SELECT coalesce((SELECT max(t.said_at) FROM turn t WHERE t.key = %(key)s),
                    (SELECT q.created_at FROM api_request q WHERE q.name = %(key)s)) AS at
)
UPDATE thread SET archived_at = coalesce(archived_at, now()), said_at = greatest(said_at, request.at),
       changes = changes + (archived_at IS NULL)::integer
FROM request
WHERE thread.id = %(id)s AND NOT coalesce(thread.said_at > request.at, false)
RETURNING thread.id, pg_notify('agent_bridge', 'threads'), pg_notify('agent_bridge', 'roles')

-- reopen --
-- Take the thread %(id)s out of the archive.
UPDATE thread SET archived_at = NULL, changes = changes + 1 WHERE id = %(id)s AND archived_at IS NOT NULL
RETURNING id, pg_notify('agent_bridge', 'threads'), pg_notify('agent_bridge', 'roles')

-- heard --
-- Note the newest messages of threads, which are not archived any more then. A message that is known already, or is older than
-- another one, changes nothing. A clock that is ahead does not count.
UPDATE thread SET said_at = heard.at, archived_at = NULL, changes = changes + (archived_at IS NOT NULL)::integer
FROM (
    SELECT room_id, root, least(now(), to_timestamp(max(at) / 1000.0)) AS at
    FROM unnest(%(rooms)s::text[], %(roots)s::text[], %(times)s::bigint[]) AS said (room_id, root, at)
    GROUP BY room_id, root
) AS heard
WHERE thread.room_id = heard.room_id AND thread.root = heard.root AND coalesce(heard.at > thread.said_at, true)
RETURNING CASE WHEN changes <> changes_applied THEN pg_notify('agent_bridge', 'threads') END,
          CASE WHEN changes <> changes_applied THEN pg_notify('agent_bridge', 'roles') END

-- said_by_agents --
-- Take the threads out of the archive to which messages of agents belong: each has a root, or ends the answer that it edits. One that
-- was said before the request to archive the thread changes nothing.
UPDATE thread SET said_at = heard.at, archived_at = NULL, changes = changes + 1
FROM (
    SELECT said.room_id, coalesce(said.root, c.thread_id) AS root, least(now(), to_timestamp(max(said.at) / 1000.0)) AS at
    FROM unnest(%(rooms)s::text[], %(roots)s::text[], %(targets)s::text[], %(times)s::bigint[]) AS said (room_id, root, target, at)
         LEFT JOIN outbox o ON o.event_id = said.target
         LEFT JOIN turn t ON t.id = o.turn
         LEFT JOIN conversation c ON c.id = t.conversation
    GROUP BY said.room_id, coalesce(said.root, c.thread_id)
) AS heard
WHERE thread.room_id = heard.room_id AND thread.root = heard.root AND thread.archived_at IS NOT NULL
  AND coalesce(heard.at > thread.said_at, true)
RETURNING pg_notify('agent_bridge', 'threads'), pg_notify('agent_bridge', 'roles')

-- due --
-- Return up to %(limit)s threads whose rooms do not show their names yet, but for %(others)s. The command that made one sends
-- the first event; if it failed, this list has it.
SELECT h.id FROM thread h
WHERE h.changes <> h.changes_applied AND h.id <> ALL(%(others)s::bigint[])
  AND (h.title_event IS NOT NULL OR NOT EXISTS (SELECT 1 FROM turn t WHERE t.key = h.key AND t.open))
ORDER BY h.id
LIMIT %(limit)s

-- shown --
-- Record that the room has the first %(changes)s changes of the thread %(id)s, in the event %(event)s (null: it refused them).
UPDATE thread SET changes_applied = greatest(changes_applied, %(changes)s), title_event = coalesce(title_event, %(event)s),
       root = coalesce(root, %(event)s)
WHERE id = %(id)s
