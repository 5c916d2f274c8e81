-- The triggers of rooms that exist, with their agents. The sender of a callback may repeat its request for %(window)s seconds.
SELECT g.id, g.public_id, g.kind, g.name, g.owner, g.agent, a.name AS agent_name, a.ghost, r.room_id, r.name AS room_name,
       coalesce(p.state = 'joined', false) AND a.state NOT IN ('gone', 'retired') AS is_present,
       g.created_at, g.last_used_at, g.expires_at, coalesce(g.expires_at <= now(), false) AS is_expired, g.used_key,
       g.used_key IS NOT NULL AND g.last_used_at > now() - make_interval(secs => %(window)s) AS is_repeatable
FROM trigger g JOIN agent a ON a.id = g.agent JOIN room r ON r.id = g.room
     LEFT JOIN participant p ON p.room = g.room AND p.agent = g.agent
WHERE r.room_id IS NOT NULL AND r.status NOT IN ('deleting', 'ended')
