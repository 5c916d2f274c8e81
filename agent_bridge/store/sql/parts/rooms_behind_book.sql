-- The rooms, as r, whose roles are older than the book %(version)s or whose levels are due, but for %(others)s.
WHERE r.room_id IS NOT NULL AND r.id <> ALL(%(others)s::bigint[])
  AND (coalesce(r.roles_compared, 0) < %(version)s OR r.levels_due)
  AND (r.kind = 'home' OR (r.kind IN ('server', 'channel') AND r.status = 'active') OR (r.kind = 'lobby' AND %(lobby)s)
       OR (r.kind = 'bot' AND r.room_id = (SELECT value #>> '{}' FROM kv WHERE key = 'admin_room')))
