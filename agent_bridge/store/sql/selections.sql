-- select --
-- Record the agent that a person has selected.
INSERT INTO selection (user_id, agent) VALUES (%(user_id)s, %(agent)s)
ON CONFLICT (user_id) DO UPDATE SET agent = EXCLUDED.agent, changed_at = now()

-- selected --
-- Return the agents that the people %(users)s have selected.
SELECT user_id, agent FROM selection WHERE user_id = ANY(%(users)s)
