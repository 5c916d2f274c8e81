-- require_backfill --
-- Hold the lanes of all rooms until the rooms are compared with the homeserver's history. Groups may have other members, too.
UPDATE room SET needs_backfill = true, backfill_requests = backfill_requests + 1,
       backfill_requested_at = CASE WHEN needs_backfill THEN backfill_requested_at ELSE now() END,
       changes = changes + (kind IN ('group', 'lobby', 'pair'))::integer
WHERE room_id IS NOT NULL
RETURNING pg_notify('agent_bridge', 'backfill'), CASE WHEN kind IN ('group', 'lobby', 'pair') THEN pg_notify('agent_bridge', 'groups') END

-- not_held --
-- Return a room whose lanes are not held.
SELECT 1 FROM room WHERE room_id IS NOT NULL AND NOT needs_backfill LIMIT 1

-- require_backfill_of --
-- Hold the lanes of the room %(room_id)s until it is compared with the homeserver's history; return it if it is known.
UPDATE room SET needs_backfill = true, backfill_requests = backfill_requests + 1,
       backfill_requested_at = CASE WHEN needs_backfill THEN backfill_requested_at ELSE now() END
WHERE room_id = %(room_id)s
RETURNING room_id, pg_notify('agent_bridge', 'backfill')

-- schedule_backfill --
-- Have all rooms compared next, without holding their lanes.
UPDATE room SET backfilled_at = NULL WHERE backfilled_at IS NOT NULL
RETURNING pg_notify('agent_bridge', 'backfill')

-- due --
-- Return up to %(limit)s rooms to compare: first those whose lanes are held, of these first those with open turns; then
-- those that were not compared for %(interval)s seconds, or, if they are chats, for a quarter of the time since their last
-- use and at most a day. A time in the future means that the clock was set back. Also return the last position that was
-- given: a sequence that has given none yet holds the first one that it will give. The ghost reads the history of its home,
-- of its direct chats and of the chats that the bridge made; the bot that of other rooms, or the ghost that came first where
-- the bot is not. Nobody reads a group that all of them were removed from. In rooms with events of programs (has_programs), those of the bridge
-- may be such events.
SELECT r.room_id, r.last_seen, r.backfill_requests,
       CASE WHEN r.kind = 'home' OR r.person IS NOT NULL THEN owner.ghost
            WHEN NOT r.bot_joined THEN (
                SELECT a.ghost FROM participant p JOIN agent a ON a.id = p.agent
                WHERE p.room = r.id AND p.state = 'joined' ORDER BY p.created_at, p.agent LIMIT 1) END AS reader,
       (SELECT coalesce(array_agg(a.ghost ORDER BY a.id <> coalesce(r.owner, 0), p.created_at, a.id), '{}')
        FROM participant p JOIN agent a ON a.id = p.agent WHERE p.room = r.id) AS ghosts,
       (SELECT last_value - (NOT is_called)::integer FROM turn_position_seq) AS position,
       EXISTS (SELECT 1 FROM api_request q WHERE q.room_id = r.room_id) AS has_programs
FROM room r LEFT JOIN agent owner ON owner.id = r.owner
WHERE r.room_id IS NOT NULL
  AND (r.kind <> 'group' OR r.bot_joined OR EXISTS (SELECT 1 FROM participant p WHERE p.room = r.id AND p.state = 'joined'))
  AND (r.needs_backfill OR r.backfilled_at IS NULL OR r.backfilled_at > now()
       OR r.backfilled_at < now() - make_interval(secs => CASE
           WHEN r.person IS NULL THEN %(interval)s
           ELSE greatest(%(interval)s, least(86400, extract(epoch FROM now() - coalesce(r.used_at, r.created_at)) / 4)) END))
ORDER BY r.needs_backfill DESC, r.needs_backfill AND EXISTS (
    SELECT 1 FROM conversation c JOIN turn t ON t.conversation = c.id WHERE c.room_id = r.room_id AND t.open
) DESC, r.backfilled_at NULLS FIRST
LIMIT %(limit)s

-- backfilled --
-- Record that nothing is missing in a room up to the event %(seen)s. Its lanes go on, and workers are told so, unless
-- another backfill was requested since the comparison began.
UPDATE room SET last_seen = %(seen)s,
       needs_backfill = room.needs_backfill AND room.backfill_requests <> %(requests)s, backfilled_at = now(),
       backfill_requested_at = CASE WHEN room.backfill_requests <> %(requests)s THEN room.backfill_requested_at END
FROM (SELECT id, needs_backfill FROM room WHERE room_id = %(room_id)s FOR UPDATE) AS before
WHERE room.id = before.id
RETURNING CASE WHEN before.needs_backfill AND NOT room.needs_backfill THEN pg_notify('agent_bridge', 'lanes') END

-- pass_over --
-- Let the lanes of a room go on whose history cannot be read, unless another backfill was requested since. The own room
-- of an agent is compared with the homeserver first: perhaps it does not exist any more.
UPDATE room SET needs_backfill = room.needs_backfill AND room.backfill_requests <> %(requests)s, backfilled_at = now(),
       backfill_requested_at = CASE WHEN room.backfill_requests <> %(requests)s THEN room.backfill_requested_at END,
       check_requests = room.check_requests + (room.owner IS NOT NULL AND room.kind IN ('home', 'chat', 'dm'))::integer
FROM (SELECT id, needs_backfill FROM room WHERE room_id = %(room_id)s FOR UPDATE) AS before
WHERE room.id = before.id
RETURNING CASE WHEN before.needs_backfill AND NOT room.needs_backfill THEN pg_notify('agent_bridge', 'lanes') END,
          CASE WHEN room.kind = 'home' THEN pg_notify('agent_bridge', 'agents')
               WHEN room.kind IN ('chat', 'dm') AND room.owner IS NOT NULL THEN pg_notify('agent_bridge', 'chats') END
