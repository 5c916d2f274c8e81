-- next_change --
-- Return an agent whose profile differs from the desired one, none of the agents %(without)s. An agent answers if a turn of
-- it has run for %(after)s seconds. Activities come first: they pass. Not %(shows)s: profiles are to be empty. The profile
-- of an agent that is at rest keeps its description.
WITH active AS (
    SELECT c.agent AS id, CASE WHEN bool_or(EXISTS (
        SELECT 1 FROM approval WHERE approval.turn = t.id AND approval.verdict IS NULL
    )) THEN 'asks' ELSE 'answers' END AS activity
    FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE %(shows)s AND t.open AND t.kind = 'message' AND t.state = 'running'
      AND t.started_at < now() - make_interval(secs => %(after)s)
    GROUP BY c.agent
), wanted AS (
    SELECT a.id, a.ghost, a.description_applied, a.activity_applied, active.activity,
           CASE WHEN NOT %(shows)s THEN NULL WHEN a.state = 'active' THEN a.description
                ELSE a.description_applied END AS description
    FROM agent a LEFT JOIN active ON active.id = a.id
    WHERE a.displayname_applied IS NOT NULL AND NOT a.deactivated
)
SELECT id AS agent, ghost, description, description_applied, activity, activity_applied FROM wanted
WHERE id <> ALL(%(without)s)
  AND (activity IS DISTINCT FROM activity_applied OR description IS DISTINCT FROM description_applied)
ORDER BY activity IS NOT DISTINCT FROM activity_applied, id LIMIT 1

-- description_applied --
-- Record the description in the profile of a ghost; null: the profile has none of the fields.
UPDATE agent SET description_applied = %(description)s WHERE id = %(agent)s

-- activity_applied --
-- Record the activity in the profile of a ghost; null: none.
UPDATE agent SET activity_applied = %(activity)s WHERE id = %(agent)s
