-- retire --
-- Retire the agent %(agent)s because %(by)s asks for it; its room is removed if %(deletes)s. Questions that wait for its reply
-- go on, and end.
WITH waiting AS (
    UPDATE turn SET not_before = NULL FROM conversation c
    WHERE c.id = turn.conversation AND c.agent = %(agent)s AND turn.open AND turn.not_before IS NOT NULL
      AND EXISTS (SELECT 1 FROM client_question q WHERE q.turn = turn.id)
    RETURNING pg_notify('agent_bridge', 'lanes')
), over AS (
    SELECT count(*) FROM waiting
), retired AS (
    UPDATE agent SET state = 'retired', retired_by = %(by)s,
           state_since = CASE WHEN state = 'retired' THEN state_since ELSE now() END
    FROM over WHERE id = %(agent)s
    RETURNING id, pg_notify('agent_bridge', 'agents'), pg_notify('agent_bridge', 'places')
)
UPDATE room SET status = 'deleting' FROM retired
WHERE room.owner = retired.id AND room.kind = 'home' AND room.room_id IS NOT NULL AND %(deletes)s

-- back --
-- Take the agent %(agent)s out of its retirement. One that its upstream lists is gone until the next look at the list.
UPDATE agent SET retired_by = NULL, state = CASE WHEN entry IS NULL THEN 'gone' ELSE 'active' END, state_since = now()
WHERE id = %(agent)s AND state = 'retired'
RETURNING id, pg_notify('agent_bridge', 'agents'), pg_notify('agent_bridge', 'places')

-- upstreams_due --
-- Return the upstreams with agents that have been gone for the seconds of their upstreams.
SELECT DISTINCT agent.upstream
FROM agent JOIN unnest(%(upstreams)s::text[], %(seconds)s::float[]) AS rule (upstream, seconds) USING (upstream)
WHERE agent.state = 'gone' AND agent.state_since < now() - make_interval(secs => rule.seconds)

-- due --
-- Retire the agents that have been gone for the seconds of their upstreams, and have the rooms removed of those whose
-- upstreams say so; return them.
WITH due AS (
    UPDATE agent SET state = 'retired', state_since = now()
    FROM unnest(%(upstreams)s::text[], %(seconds)s::float[], %(deletes)s::boolean[]) AS rule (upstream, seconds, deletes)
    WHERE agent.upstream = rule.upstream AND agent.state = 'gone'
      AND agent.state_since < now() - make_interval(secs => rule.seconds)
    RETURNING agent.id, agent.name, agent.upstream, rule.deletes, pg_notify('agent_bridge', 'agents'),
              pg_notify('agent_bridge', 'places')
), removed AS (
    UPDATE room SET status = 'deleting' FROM due
    WHERE room.owner = due.id AND room.kind = 'home' AND room.room_id IS NOT NULL AND due.deletes
)
SELECT name, upstream, deletes FROM due

-- removed --
-- Return homes that are being removed.
SELECT r.id, r.room_id, r.delete_ref, r.space, a.name AS agent, a.ghost, a.upstream
FROM room r JOIN agent a ON a.id = r.owner
WHERE r.kind = 'home' AND r.status = 'deleting' AND r.room_id IS NOT NULL
ORDER BY r.id

-- deletion_requested --
-- Record the name of the deletion on the homeserver.
UPDATE room SET delete_ref = %(ref)s WHERE id = %(room)s

-- kept --
-- Record that the room of a home stays: the bridge may not delete it.
UPDATE room SET status = 'active', delete_ref = NULL WHERE id = %(room)s
RETURNING pg_notify('agent_bridge', 'agents')

-- ghosts --
-- Return the localparts of the ghosts whose accounts were not ended.
SELECT ghost FROM agent WHERE NOT deactivated ORDER BY id

-- made --
-- Return the rooms that belong to the bridge, with their kinds. The room of two people belongs to them.
SELECT room_id, kind FROM room WHERE room_id IS NOT NULL AND (kind = 'home' OR (request_key IS NOT NULL AND kind <> 'group'))
UNION ALL
SELECT room_id, 'space' FROM person_space

-- deactivated --
-- Record that the account of a ghost was ended.
UPDATE agent SET deactivated = true WHERE ghost = %(ghost)s
