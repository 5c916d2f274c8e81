-- The schedules of rooms that exist, with their agents.
SELECT s.id, s.owner, s.agent, a.name AS agent_name, a.ghost, r.room_id,
       coalesce(p.state = 'joined', false) AND a.state NOT IN ('gone', 'retired') AS is_present,
       s.expression, s.rule, s.zone, s.prompt, s.due_at, s.paused, s.problem, s.created_at, s.last_run_at, now() AS now
FROM schedule s JOIN agent a ON a.id = s.agent JOIN room r ON r.id = s.room
     LEFT JOIN participant p ON p.room = s.room AND p.agent = s.agent
WHERE r.room_id IS NOT NULL AND r.status NOT IN ('deleting', 'ended')
