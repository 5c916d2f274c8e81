-- The ghost that speaks for the bridge in the room r; null: the bot does.
       CASE WHEN r.kind IN ('dm', 'group') AND NOT r.bot_joined THEN (
           SELECT a.ghost FROM participant p JOIN agent a ON a.id = p.agent
           WHERE p.room = r.id AND p.state = 'joined' ORDER BY p.created_at, p.agent LIMIT 1) END
