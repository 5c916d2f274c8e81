-- lock_place --
-- Let no other transaction begin a vote in the room %(room_id)s until the caller's ends. A statement of its own: what is read
-- in it may be older than the lock.
SELECT 1 FROM room WHERE room_id = %(room_id)s FOR NO KEY UPDATE

-- place --
-- Return the room %(room_id)s: its row, the ghost that speaks for the bridge there (null: the bot), whether the agent
-- %(agent)s takes part, and the number of open votes.
SELECT r.id,
-- include room_voice --
       AS voice,
       EXISTS (SELECT 1 FROM participant p WHERE p.room = r.id AND p.agent = %(agent)s AND p.state = 'joined') AS takes_part,
       (SELECT count(*) FROM vote v WHERE v.room = r.id AND v.state = 'open') AS open
FROM room r WHERE r.room_id = %(room_id)s

-- requested --
-- Return the vote of the request with the key %(key)s.
SELECT id FROM vote WHERE key = %(key)s

-- open --
-- Write a vote; return its row id. A repeat of its request, which has the key, returns the first one.
WITH added AS (
    INSERT INTO vote (key, room, room_id, thread, voice, asked_in, creator, question, answers, quorum, ends_at)
    VALUES (%(key)s, %(room)s, %(room_id)s, %(thread)s, %(voice)s, %(asked_in)s, %(creator)s, %(question)s, %(answers)s,
            %(quorum)s, %(ends_at)s)
    ON CONFLICT (key) DO NOTHING
    RETURNING id, pg_notify('agent_bridge', 'votes')
)
SELECT id FROM added UNION ALL SELECT id FROM vote WHERE key = %(key)s

-- close --
-- Let the vote %(id)s, which is open, take no ballots any more; return it.
UPDATE vote SET state = 'closing', end_reason = %(reason)s, closed_by = %(by)s, closed_at = now()
WHERE id = %(id)s AND state = 'open'
RETURNING id, pg_notify('agent_bridge', 'votes')

-- end_poll --
-- Let the open vote whose poll %(by)s has ended take no ballots any more.
UPDATE vote SET state = 'closing', end_reason = 'person', closed_by = %(by)s, closed_at = now()
WHERE room_id = %(room_id)s AND poll = %(poll)s AND state = 'open'
RETURNING id, pg_notify('agent_bridge', 'votes')

-- replace --
-- Let the open vote that the event %(event_id)s asked for give way to another one.
UPDATE vote SET state = 'closing', end_reason = 'edit', closed_by = %(by)s, closed_at = now()
WHERE room = %(room)s AND asked_in = %(event_id)s AND creator = %(by)s AND state = 'open'
RETURNING id, pg_notify('agent_bridge', 'votes')

-- of_room --
-- Return the votes of a room: the open ones, and the last %(ended)s that ended.
WITH here AS (
    SELECT v.*, row_number() OVER (PARTITION BY v.state IN ('open', 'closing') ORDER BY v.id DESC) AS place
    FROM vote v JOIN room r ON r.id = v.room
    WHERE r.room_id = %(room_id)s AND coalesce(v.end_reason, '') NOT IN ('edit', 'redaction', 'refusal')
)
SELECT here.*, %(room_id)s AS room_now FROM here WHERE here.state IN ('open', 'closing') OR here.place <= %(ended)s ORDER BY here.id

-- find --
-- Return the vote %(id)s, the room in which the bridge goes on after an upgrade, the ghost that speaks there now (null: the
-- bot), and whether its command was redacted. The ghost that has shown the poll speaks as long as it is in the room.
SELECT v.*, r.room_id AS room_now, CASE WHEN EXISTS (
           SELECT 1 FROM participant p JOIN agent a ON a.id = p.agent
           WHERE p.room = r.id AND p.state = 'joined' AND a.ghost = v.voice) THEN v.voice ELSE
-- include room_voice --
       END AS voice_now,
       EXISTS (SELECT 1 FROM turn t WHERE t.event_id = v.asked_in AND t.redacted) AS is_withdrawn
FROM vote v JOIN room r ON r.id = v.room WHERE v.id = %(id)s

-- lock --
-- Lock and return the vote %(id)s.
SELECT v.*, NULL AS room_now FROM vote v WHERE v.id = %(id)s FOR UPDATE

-- end_due --
-- Let the votes take no ballots any more whose time has come, or whose room was upgraded.
UPDATE vote SET state = 'closing', closed_at = now(),
       end_reason = CASE WHEN vote.ends_at <= now() THEN 'time' ELSE 'upgrade' END
FROM room r
WHERE r.id = vote.room AND vote.state = 'open' AND NOT vote.is_settled
  AND (vote.ends_at <= now() OR (r.room_id <> vote.room_id AND vote.poll IS NOT NULL))

-- due --
-- Return up to %(limit)s votes with something to do, but for %(others)s, and the seconds until the next one ends.
SELECT array(
    SELECT v.id FROM vote v
    WHERE NOT v.is_settled AND v.id <> ALL(%(others)s::bigint[])
      AND (v.state <> 'open' OR v.poll IS NULL OR EXISTS (SELECT 1 FROM ballot b WHERE b.vote = v.id AND b.is_due))
    ORDER BY v.id LIMIT %(limit)s
) AS ids, (
    SELECT extract(epoch FROM min(v.ends_at) - now())::float FROM vote v WHERE NOT v.is_settled AND v.state = 'open'
) AS seconds

-- begin --
-- Record that the event %(event)s of a vote is about to be sent.
UPDATE vote SET begun = %(event)s WHERE id = %(id)s AND begun < %(event)s

-- shown --
-- Record the poll of a vote, and the room that has it.
UPDATE vote SET poll = coalesce(poll, %(poll)s), room_id = %(room_id)s WHERE id = %(id)s

-- ended --
-- Record the event that ends the poll of a vote.
UPDATE vote SET end_event = %(event_id)s WHERE id = %(id)s

-- decide --
-- Record the result of a vote, whose ballots are not needed any more; return a row if it had none.
WITH decided AS (
    UPDATE vote SET state = 'closed', result = %(result)s WHERE id = %(id)s AND state = 'closing'
    RETURNING id, creator, closed_by, end_reason
), counted AS (
    DELETE FROM ballot USING decided WHERE ballot.vote = decided.id
)
SELECT * FROM decided

-- cancel --
-- Record that a vote has no result; return a row if it was not known. An open one ends: the homeserver refused its poll.
WITH cancelled AS (
    UPDATE vote SET state = 'cancelled', end_reason = coalesce(end_reason, 'refusal'), closed_at = coalesce(closed_at, now())
    WHERE id = %(id)s AND state IN ('open', 'closing') RETURNING id
), dropped AS (
    DELETE FROM ballot USING cancelled WHERE ballot.vote = cancelled.id
)
SELECT * FROM cancelled

-- redacted --
-- Record that a poll that ends was redacted.
UPDATE vote SET end_reason = 'redaction' WHERE id = %(id)s AND state = 'closing'

-- settle --
-- Record that nothing is left to do for a vote. Who voted how stays in the room alone; of a redacted vote nothing stays.
UPDATE vote SET is_settled = true, result = result - 'by',
       question = CASE WHEN state = 'cancelled' THEN '' ELSE question END,
       answers = CASE WHEN state = 'cancelled' THEN '[]' ELSE answers END
WHERE id = %(id)s

-- take --
-- Write the responses to polls of open votes that came in rooms of the bridge. The caller tells them by their rooms; those to
-- other polls, and those after the end, are nothing to it. A repeat changes nothing.
INSERT INTO ballot (vote, voter, selections, said_at, event_id)
SELECT v.id, said.voter, said.selections, said.said_at, said.event_id
FROM unnest(%(rooms)s::text[], %(polls)s::text[], %(voters)s::text[], %(selections)s::jsonb[], %(said_at)s::bigint[],
            %(events)s::text[]) WITH ORDINALITY AS said (room_id, poll, voter, selections, said_at, event_id, place)
     JOIN vote v ON v.poll = said.poll AND v.room_id = said.room_id AND v.state = 'open'
WHERE v.ends_at IS NULL OR said.said_at <= extract(epoch FROM v.ends_at) * 1000
ORDER BY said.place
ON CONFLICT (event_id) DO NOTHING

-- withdraw --
-- Forget the ballot that the redacted event %(target)s cast; let a vote end without a result whose poll it was, or whose
-- command.
WITH dropped AS (
    DELETE FROM ballot USING vote v WHERE ballot.event_id = %(target)s AND v.id = ballot.vote AND v.room_id = %(room_id)s
)
UPDATE vote SET state = 'closing', end_reason = 'redaction', closed_by = %(sender)s, closed_at = now()
WHERE room_id = %(room_id)s AND state = 'open' AND (poll = %(target)s OR asked_in = %(target)s)
RETURNING id, pg_notify('agent_bridge', 'votes')

-- give --
-- Write a ballot that came on another way than by a response in the room. A repeat of its request changes nothing.
INSERT INTO ballot (vote, voter, selections, said_at, key, ghost, is_due)
VALUES (%(vote)s, %(voter)s, %(selections)s, (extract(epoch FROM now()) * 1000)::bigint, %(key)s, %(ghost)s,
        %(ghost)s::text IS NOT NULL)
ON CONFLICT (key) DO NOTHING
RETURNING id, pg_notify('agent_bridge', 'votes')

-- ballots --
-- Return the ballots of the votes %(votes)s in the order in which they came.
SELECT vote, voter, selections, said_at, key IS NOT NULL AS is_given FROM ballot
WHERE vote = ANY(%(votes)s::bigint[]) ORDER BY vote, id

-- unshown --
-- Return the newest ballot of each ghost that the room does not show yet.
SELECT DISTINCT ON (voter) id, key, ghost, selections FROM ballot
WHERE vote = %(vote)s AND is_due ORDER BY voter, id DESC

-- ballot_shown --
-- Record that the room shows the ballot %(id)s; earlier ones of its voter need not be shown.
UPDATE ballot SET is_due = false FROM ballot newest
WHERE newest.id = %(id)s AND ballot.vote = newest.vote AND ballot.voter = newest.voter AND ballot.id <= newest.id
