-- The tokens that count, with their identities and the rooms to which they are limited (null: to none).
SELECT t.id, t.name, t.person, t.agent, a.name AS agent_name, a.ghost, coalesce(a.state IN ('gone', 'retired'), false) AS is_at_rest,
       t.capabilities, CASE WHEN NOT t.all_rooms THEN ARRAY(
           SELECT r.room_id FROM token_room l JOIN room r ON r.id = l.room WHERE l.token = t.id AND r.room_id IS NOT NULL) END AS rooms,
       t.made_by, t.created_at, t.last_used_at, t.expires_at
FROM token t LEFT JOIN agent a ON a.id = t.agent
WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
