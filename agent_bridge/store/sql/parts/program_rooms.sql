-- The rooms that programs may use: those of agents and people that exist, without Spaces and chats with the bot.
SELECT r.room_id, r.kind, r.name, ARRAY(
    SELECT a.ghost FROM participant p JOIN agent a ON a.id = p.agent
    WHERE p.room = r.id AND p.state = 'joined' ORDER BY p.created_at, p.agent) AS ghosts
FROM room r
WHERE r.room_id IS NOT NULL AND r.status NOT IN ('deleting', 'ended') AND r.kind NOT IN ('bot', 'server')
