-- homes --
-- Return the agents whose homes are compared: all, or one. With private rooms (%(private)s) an agent needs no home, and one
-- that is gone or retired keeps the home that it has.
SELECT a.id, a.name, r.room_id FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE (a.state = 'active' AND (r.room_id IS NOT NULL OR NOT %(private)s)
       OR a.state IN ('gone', 'retired') AND r.room_id IS NOT NULL)
  AND r.status <> 'deleting' AND (%(agent)s::bigint IS NULL OR a.id = %(agent)s)
ORDER BY a.id

-- chats --
-- Return the chats that the bridge has made: all, or those with one agent.
SELECT r.id, a.name, r.number, r.room_id FROM room r JOIN agent a ON a.id = r.owner
WHERE r.kind = 'chat' AND r.person IS NOT NULL AND r.number IS NOT NULL AND r.room_id IS NOT NULL
  AND r.status IN ('active', 'archived') AND (%(agent)s::bigint IS NULL OR a.id = %(agent)s)
ORDER BY r.id
