-- ids --
-- Return the row ids of all agents: first those whose lanes wait for a comparison of their homes, then in the order in
-- which the agents were found.
SELECT a.id FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
ORDER BY r.check_requests = r.checked, a.id

-- rooms_of_bot --
-- Return up to %(limit)s homes in which the bridge bot is, the oldest first.
SELECT room_id FROM room WHERE kind = 'home' AND bot_joined AND room_id IS NOT NULL ORDER BY id LIMIT %(limit)s

-- identities --
-- Return the ids of the agents of %(upstream)s.
SELECT agent_id FROM agent WHERE upstream = %(upstream)s

-- without_room --
-- Return the row ids of the agents of %(upstream)s whose homes are not made, in the order in which they were found.
SELECT a.id FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE a.upstream = %(upstream)s AND r.room_id IS NULL
ORDER BY a.id

-- has_entries --
-- Return a row if an agent has an entry in the configuration.
SELECT 1 FROM agent WHERE entry IS NOT NULL LIMIT 1

-- count_held --
-- Return the number of agents of %(upstream)s that get no rooms before an operator's word.
SELECT count(*) AS held FROM agent WHERE upstream = %(upstream)s AND state = 'held'

-- shown --
-- Return the active agents that have rooms, with their upstreams, the status texts that they have set, and whether they are
-- shown as away; not those of the kind %(without)s.
SELECT a.ghost, a.upstream, a.status_text, a.away FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE a.state = 'active' AND r.room_id IS NOT NULL AND a.kind <> %(without)s
ORDER BY a.id

-- out_of_sync --
-- Return the agents whose ghost or home differs, on the homeserver, from its desired state. %(space)s is the Space that
-- should list the rooms, null when none should. A change that the homeserver refused waits for the next comparison. With
-- private rooms (%(private)s) an agent needs no home. A room that is being removed has no desired state, but
-- its lanes may wait.
SELECT a.id FROM agent a JOIN room r ON r.owner = a.id AND r.kind = 'home'
WHERE r.status <> 'deleting' AND (
      (a.state = 'active' AND (a.displayname_applied IS DISTINCT FROM a.displayname
          OR a.image_applied IS DISTINCT FROM a.image))
   OR (a.state = 'active' AND r.room_id IS NULL AND NOT %(private)s)
   OR (a.state = 'active' AND r.room_id IS NOT NULL AND (
          (NOT r.bot_joined AND NOT 'bot_away' = ANY(r.problems))
          OR ((r.name_applied IS DISTINCT FROM r.name OR r.topic_applied IS DISTINCT FROM r.topic
               OR NOT r.introduced OR r.avatar_applied IS DISTINCT FROM coalesce(a.avatar, r.avatar_applied))
              AND NOT r.problems && '{state_refused,successor_closed}')
          OR (r.space IS DISTINCT FROM coalesce(%(space)s, r.space) AND NOT 'not_in_space' = ANY(r.problems))))
   OR (r.room_id IS NOT NULL AND a.state <> 'held' AND r.announced_state <> a.state))
   OR (r.room_id IS NOT NULL AND r.check_requests <> r.checked)
ORDER BY a.id

-- ghosts --
-- Return the localparts of all ghosts.
SELECT ghost FROM agent

-- active --
-- Return the ghosts that answer, or have answered in the last %(seconds)s seconds, with the status texts that they have set and
-- whether they are shown as away; none with more than %(limit)s agents.
SELECT ghost, status_text, away FROM agent
WHERE state = 'active' AND (SELECT count(*) FROM agent WHERE state = 'active') <= %(limit)s AND id IN (
    SELECT c.agent FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE t.open AND t.started_at IS NOT NULL
    UNION ALL
    SELECT c.agent FROM turn t JOIN conversation c ON c.id = t.conversation
    WHERE t.finished_at > now() - make_interval(secs => %(seconds)s) AND t.started_at IS NOT NULL
)
