-- add --
-- Write a task in the room %(room_id)s; a repeat writes nothing. Return its number.
WITH added AS (
    INSERT INTO task (key, room, parent, title, creator)
    SELECT %(key)s, r.id, %(parent)s, %(title)s, %(creator)s FROM room r WHERE r.room_id = %(room_id)s
    ON CONFLICT (key) DO NOTHING
    RETURNING id, pg_notify('agent_bridge', 'tasks')
)
SELECT id FROM added UNION ALL SELECT id FROM task WHERE key = %(key)s LIMIT 1

-- requested --
-- Return the number of the task of the request with the key %(key)s.
SELECT id AS number FROM task WHERE key = %(key)s

-- count_open --
-- Return the number of open tasks of the room %(room_id)s, and let no other transaction add any until this one ends.
SELECT (SELECT count(*) FROM task t WHERE t.room = r.id AND t.closed_at IS NULL) AS number
FROM room r WHERE r.room_id = %(room_id)s FOR NO KEY UPDATE

-- family --
-- Return the ids of the task %(number)s and of those of which it is a part; with %(below)s also of its subtasks, and theirs.
WITH RECURSIVE up AS (
    SELECT id, parent FROM task WHERE id = %(number)s
    UNION ALL
    SELECT t.id, t.parent FROM up JOIN task t ON t.id = up.parent
), down AS (
    SELECT id FROM task WHERE parent = %(number)s AND %(below)s
    UNION ALL
    SELECT t.id FROM down JOIN task t ON t.parent = down.id
)
SELECT id FROM up UNION SELECT id FROM down

-- lock --
-- Lock the tasks %(ids)s in the order of their ids, which all transactions have, and return them.
SELECT
-- include task_columns --
FROM task t JOIN room r ON r.id = t.room WHERE t.id = ANY(%(ids)s) ORDER BY t.id FOR UPDATE OF t

-- save --
-- Write the changed task %(number)s. %(seconds)s: until its claim ends; null: it has none, or it goes on as before (%(keeps)s).
UPDATE task SET state = %(state)s, assignee = %(assignee)s, percent = %(percent)s, note = %(note)s, changes = changes + 1,
       deadline = CASE WHEN %(keeps)s THEN deadline ELSE now() + make_interval(secs => %(seconds)s::float) END,
       closed_at = CASE WHEN %(is_open)s THEN NULL ELSE coalesce(closed_at, now()) END
WHERE id = %(number)s
RETURNING pg_notify('agent_bridge', 'tasks')

-- noted --
-- Record that %(user)s has written the note of the task %(number)s.
UPDATE task SET note_by = %(user)s WHERE id = %(number)s

-- subtasks --
-- Return the subtasks of the task %(number)s, in their order.
SELECT
-- include task_columns --
FROM task t JOIN room r ON r.id = t.room WHERE t.parent = %(number)s ORDER BY t.id

-- find --
-- Return the task %(number)s.
SELECT
-- include task_columns --
FROM task t JOIN room r ON r.id = t.room WHERE t.id = %(number)s

-- by_card --
-- Return the number of the task whose card is the event %(event_id)s in the room %(room_id)s.
SELECT t.id AS number FROM task t WHERE t.card = %(event_id)s AND t.card_room = %(room_id)s

-- in_room --
-- Return a page of the tasks of the room %(room_id)s, the open ones or all (%(closed)s), and their number.
WITH RECURSIVE placed AS (
    SELECT t.id, ARRAY[t.id] AS place FROM task t JOIN room r ON r.id = t.room
    WHERE r.room_id = %(room_id)s AND t.parent IS NULL
    UNION ALL
    SELECT t.id, placed.place || t.id FROM placed JOIN task t ON t.parent = placed.id
)
SELECT count(*) OVER () AS total,
-- include task_columns --
FROM placed p JOIN task t ON t.id = p.id JOIN room r ON r.id = t.room
WHERE %(closed)s OR t.closed_at IS NULL
ORDER BY p.place LIMIT %(limit)s OFFSET %(offset)s

-- of_person --
-- Return a page of the tasks that are assigned to %(user_id)s, the open ones or all (%(closed)s), and their number.
SELECT count(*) OVER () AS total,
-- include task_columns --
FROM task t JOIN room r ON r.id = t.room
WHERE t.assignee = %(user_id)s AND (%(closed)s OR t.closed_at IS NULL)
ORDER BY t.id LIMIT %(limit)s OFFSET %(offset)s

-- unshown --
-- Return up to %(limit)s tasks whose cards do not show them as they are, but for %(others)s, in their order, with the events
-- of the cards. A card in another room than that of the task is none: the room was replaced.
SELECT
-- include task_columns --
       , CASE WHEN t.card_room = r.room_id THEN t.card END AS card, CASE WHEN t.card_room = r.room_id THEN t.since END AS since,
       t.withdrawn
FROM task t JOIN room r ON r.id = t.room
WHERE t.changes <> t.shown AND r.room_id IS NOT NULL AND t.id <> ALL(%(others)s::bigint[])
ORDER BY t.id LIMIT %(limit)s

-- follow_rooms --
-- Have the cards of open tasks shown in the rooms that replace those of the cards.
UPDATE task SET changes = task.changes + 1 FROM room r
WHERE r.id = task.room AND task.closed_at IS NULL AND task.changes = task.shown AND task.card_room <> r.room_id

-- assigned --
-- Return up to %(limit)s users to whom open tasks are assigned, by the rooms, with the numbers of the tasks. Of more, each look
-- returns others.
SELECT r.room_id, t.assignee, array_agg(t.id ORDER BY t.id) AS numbers
FROM task t JOIN room r ON r.id = t.room
WHERE t.closed_at IS NULL AND t.assignee IS NOT NULL AND r.room_id IS NOT NULL
GROUP BY r.room_id, t.assignee ORDER BY random() LIMIT %(limit)s

-- trying --
-- Record that the card of a task is about to be sent to a room whose newest event is %(since)s.
UPDATE task SET card = NULL, card_room = %(room_id)s, since = %(since)s WHERE id = %(number)s

-- shown --
-- Record that the card %(event_id)s shows the first %(changes)s changes of a task; null: the room refuses a card.
UPDATE task SET card = coalesce(%(event_id)s, card), shown = %(changes)s WHERE id = %(number)s

-- withdrawn --
-- Return the numbers of the tasks whose card is the redacted event %(target)s in the room %(room_id)s, or whose keys are those of
-- the redacted command, %(keys)s.
SELECT t.id AS number FROM task t
WHERE (t.card = %(target)s AND t.card_room = %(room_id)s) OR t.key = ANY(%(keys)s) ORDER BY t.id

-- withdraw --
-- Forget the words of the task %(number)s, also in the feed; a repeat changes nothing. Its card is gone if that is the redacted
-- event %(target)s, else it is to be redacted.
WITH withdrawn AS (
    UPDATE task SET title = %(title)s, note = '', note_by = NULL, withdrawn = true, changes = changes + 1,
           shown = CASE WHEN card = %(target)s THEN changes + 1 ELSE shown END
    WHERE id = %(number)s AND NOT withdrawn
    RETURNING id, pg_notify('agent_bridge', 'tasks')
)
UPDATE feed SET content = '{}' FROM withdrawn WHERE feed.type = 'task' AND feed.subject = withdrawn.id

-- expired --
-- Return up to %(limit)s tasks whose claims are to end next, and the seconds until then.
SELECT id AS number, greatest(0, extract(epoch FROM deadline - now()))::float AS wait
FROM task WHERE state = 'working' AND deadline IS NOT NULL ORDER BY deadline LIMIT %(limit)s

-- is_late --
-- Return a row if the claim of the task %(number)s, which is locked, has ended.
SELECT 1 FROM task WHERE id = %(number)s AND state = 'working' AND deadline <= now()

-- names --
-- Return the names of the agents whose ghosts have the localparts %(ghosts)s.
SELECT ghost, name FROM agent WHERE ghost = ANY(%(ghosts)s)
