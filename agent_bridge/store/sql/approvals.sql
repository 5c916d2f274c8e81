-- ask --
-- Add a request of the turn %(turn)s, and return it; a known one is returned as it is, and is undecided again if it was
-- withdrawn.
INSERT INTO approval (turn, number, ref, call_id, tool, arguments, always)
VALUES (%(turn)s, (SELECT count(*) FROM approval WHERE turn = %(turn)s), %(ref)s, %(call_id)s, %(tool)s, %(arguments)s,
        %(always)s)
ON CONFLICT (turn, ref) DO UPDATE SET verdict = nullif(approval.verdict, 'withdrawn')
RETURNING *, extract(epoch FROM now() - created_at)::float AS age

-- shown --
-- Record the event of a card.
UPDATE approval SET event_id = %(event_id)s WHERE id = %(id)s

-- of_turn --
-- Return the requests of a turn in their order.
SELECT *, extract(epoch FROM now() - created_at)::float AS age FROM approval WHERE turn = %(turn)s ORDER BY number

-- end --
-- Give those of the requests %(ids)s a verdict that have none.
UPDATE approval SET verdict = %(verdict)s WHERE id = ANY(%(ids)s) AND verdict IS NULL

-- decide --
-- Decide the request whose card is %(target)s; without a target, the oldest undecided one in the room, or in the thread,
-- of which %(sender)s asked the agent, or any if the sender is an administrator. Return whether the request was found,
-- whether the sender may decide, and whether this event decided it.
WITH found AS (
    SELECT a.id, a.verdict, a.decided_in,
           %(is_admin)s OR t.sender = %(sender)s
           OR EXISTS (SELECT 1 FROM turn part WHERE part.collected_into = t.id AND part.sender = %(sender)s) AS may
    FROM approval a JOIN turn t ON t.id = a.turn JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s AND a.event_id IS NOT NULL
      AND CASE WHEN %(target)s::text IS NULL
               THEN c.thread_id = %(thread)s AND (a.verdict IS NULL OR a.decided_in = %(event_id)s)
               ELSE a.event_id = %(target)s END
    ORDER BY may DESC, a.decided_in IS NULL, a.id LIMIT 1
), decided AS (
    UPDATE approval SET verdict = %(verdict)s, decided_by = %(sender)s, decided_in = %(event_id)s, reason = %(reason)s
    FROM found WHERE approval.id = found.id AND found.may AND approval.verdict IS NULL
    RETURNING approval.id, pg_notify('agent_bridge', 'approvals')
)
SELECT found.may, EXISTS (SELECT 1 FROM decided) OR coalesce(found.decided_in = %(event_id)s, false) AS taken FROM found
