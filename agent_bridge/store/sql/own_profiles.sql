-- of --
-- Return the texts that the people %(users)s have set.
SELECT user_id, bio, status_text FROM own_profile WHERE user_id = ANY(%(users)s::text[])

-- set --
-- Store the texts of a person. Null: as before; an empty one: none.
INSERT INTO own_profile (user_id, bio, status_text)
VALUES (%(user)s, nullif(%(bio)s::text, ''), nullif(%(status_text)s::text, ''))
ON CONFLICT (user_id) DO UPDATE
SET bio = CASE WHEN %(bio)s::text IS NULL THEN own_profile.bio ELSE EXCLUDED.bio END,
    status_text = CASE WHEN %(status_text)s::text IS NULL THEN own_profile.status_text ELSE EXCLUDED.status_text END

-- set_of_agent --
-- Store the status text of an agent, and whether it is shown as away. Null: as before; an empty text: none.
UPDATE agent
SET status_text = CASE WHEN %(status_text)s::text IS NULL THEN status_text ELSE nullif(%(status_text)s, '') END,
    away = coalesce(%(away)s::boolean, away)
WHERE id = %(agent)s
RETURNING pg_notify('agent_bridge', 'agents')

-- set_avatar --
-- Store the avatar that an agent has set, which its rooms get, too.
UPDATE agent SET image_applied = image, avatar = %(avatar)s WHERE id = %(agent)s
RETURNING pg_notify('agent_bridge', 'agents')
