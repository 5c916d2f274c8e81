-- select --
-- Record the agent that a person has selected.
INSERT INTO selection (user_id, agent) VALUES (%(user_id)s, %(agent)s)
ON CONFLICT (user_id) DO UPDATE SET agent = EXCLUDED.agent, changed_at = now()

-- selected --
-- Return the agent that a person has selected.
SELECT agent FROM selection WHERE user_id = %(user_id)s
