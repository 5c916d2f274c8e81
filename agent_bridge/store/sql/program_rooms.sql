-- of_agent --
-- Return the rooms in which the agent %(agent)s is.
-- include program_rooms --
  AND EXISTS (SELECT 1 FROM participant own WHERE own.room = r.id AND own.agent = %(agent)s AND own.state = 'joined')
ORDER BY r.used_at DESC NULLS LAST, r.id

-- named --
-- Return the rooms %(rooms)s.
-- include program_rooms --
  AND r.room_id = ANY(%(rooms)s::text[])
ORDER BY r.used_at DESC NULLS LAST, r.id

-- possible --
-- Return up to %(limit)s rooms in which the person %(user_id)s may be: first the own ones, then those in which the person has
-- said something, then those that were used last.
-- include program_rooms --
  AND (r.person IS NULL OR r.person = %(user_id)s) AND r.kind <> 'pair'
ORDER BY r.person IS NULL AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.room = r.id AND %(user_id)s IN (pair.low, pair.high)),
NOT EXISTS (
    SELECT 1 FROM conversation c JOIN turn t ON t.conversation = c.id WHERE c.room_id = r.room_id AND t.sender = %(user_id)s
), r.used_at DESC NULLS LAST, r.id LIMIT %(limit)s
