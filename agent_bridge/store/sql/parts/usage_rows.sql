-- The columns of the use of people, by person, agent and room.
SELECT u.user_id, a.name AS agent, u.room_id, r.number AS chat, count(*) AS requests,
       count(*) FILTER (WHERE u.is_estimated) AS estimated,
       sum(u.input_tokens + u.output_tokens)::numeric AS tokens, sum(u.cost) AS cost
FROM usage u JOIN agent a ON a.id = u.agent LEFT JOIN room r ON r.room_id = u.room_id
