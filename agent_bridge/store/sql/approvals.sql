-- lock --
-- Lock the turn %(turn)s, and record the kind of the upstream that has a request; return no row if another worker has
-- taken it up, or if its answer ends because of a redaction.
UPDATE turn SET begun_as = %(kind)s
WHERE id = %(turn)s AND attempts = %(attempts)s AND open AND coalesce(stop, '') NOT IN ('redacted', 'withdrawn')
RETURNING id

-- ask --
-- Add a request of the turn %(turn)s, and return its row id; a known one stays as it is, and is undecided again if it was
-- withdrawn. The caller has locked the turn: two requests at once get two numbers. A card of a request that was forgotten
-- is not used again.
INSERT INTO approval (turn, number, ref, call_id, tool, arguments, always)
SELECT %(turn)s, coalesce(max(used.number) + 1, 0), %(ref)s, %(call_id)s, %(tool)s, %(arguments)s, %(always)s
FROM (SELECT number FROM approval WHERE turn = %(turn)s
      UNION ALL
      SELECT %(cards)s - part FROM outbox WHERE turn = %(turn)s AND part BETWEEN %(last_card)s AND %(cards)s) AS used
ON CONFLICT (turn, ref) DO UPDATE
SET verdict = nullif(approval.verdict, 'withdrawn'),
    is_settled = approval.is_settled AND coalesce(approval.verdict, 'withdrawn') <> 'withdrawn'
RETURNING id

-- of_turn --
-- Return the requests of a turn in their order, with the events of their cards (the parts from %(cards)s downwards), or no
-- row if another worker has taken the turn up.
SELECT a.id, a.number, a.ref, a.call_id, a.tool, a.arguments, a.always, a.verdict, a.decided_by, a.reason, a.may_have_run,
       a.is_settled, o.event_id, o.turn IS NOT NULL AS is_sent,
       extract(epoch FROM now() - a.created_at)::float AS age
FROM approval a JOIN turn t ON t.id = a.turn LEFT JOIN outbox o ON o.turn = a.turn AND o.part = %(cards)s - a.number
WHERE a.turn = %(turn)s AND t.attempts = %(attempts)s ORDER BY a.number

-- withdrawn --
-- Return the references of the undecided requests of the lane %(lane)s whose answers people have ended.
SELECT a.ref FROM approval a JOIN turn t ON t.id = a.turn
WHERE a.verdict = 'withdrawn' AND t.state = 'stopped' AND t.conversation = %(lane)s

-- end --
-- Give those of the requests %(ids)s (null: all) of a turn a verdict that have none, unless another worker has taken the
-- turn up.
WITH head AS (
    SELECT id FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s FOR UPDATE
)
UPDATE approval SET verdict = %(verdict)s FROM head
WHERE approval.turn = head.id AND verdict IS NULL
  AND (%(ids)s::bigint[] IS NULL OR approval.id = ANY(%(ids)s::bigint[]))

-- overtaken --
-- Note that the tools of the requests %(refs)s of a turn may have run although no person allowed it here; undecided ones
-- count as withdrawn. Nothing happens if another worker has taken the turn up.
WITH head AS (
    SELECT id FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s FOR UPDATE
)
UPDATE approval SET may_have_run = true, verdict = coalesce(verdict, 'withdrawn') FROM head
WHERE approval.turn = head.id AND ref = ANY(%(refs)s)

-- sending --
-- Note that the word that allows the request %(id)s of a turn is about to be sent, and return the request; no row if
-- another worker has taken the turn up, or if the request was forgotten.
WITH head AS (
    SELECT id FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s FOR UPDATE
)
UPDATE approval SET may_have_run = true FROM head
WHERE approval.turn = head.id AND approval.id = %(id)s RETURNING approval.id

-- settled --
-- Note that the card of a request shows the verdict, and has no reactions.
UPDATE approval SET is_settled = true WHERE id = %(id)s AND verdict IS NOT NULL

-- decide --
-- Decide the request whose card (a part from %(cards)s downwards) is %(target)s; without a target, the oldest one in the
-- room, or in the thread, that waits and of which %(sender)s asked the agent, or any if the sender is an administrator. If
-- another agent asked it, the person that began their chain decides.
-- Return whether the request was found, whether the sender may decide, and whether this event decided it. A request waits
-- as long as its answer goes on. A permission for later calls is one for this call if the request offers none, or if the
-- sender is no administrator: it holds for other people's rooms, too. The reason of a redacted command is not stored.
WITH known AS (
    SELECT a.id FROM outbox o JOIN approval a ON a.turn = o.turn AND a.number = %(cards)s - o.part
    WHERE o.event_id = %(target)s
    UNION
    SELECT id FROM approval WHERE %(target)s::text IS NULL AND decided_in = %(event_id)s
    UNION
    SELECT a.id FROM conversation c JOIN turn t ON t.conversation = c.id JOIN approval a ON a.turn = t.id
         JOIN outbox o ON o.turn = a.turn AND o.part = %(cards)s - a.number
    WHERE %(target)s::text IS NULL AND c.room_id = %(room_id)s AND c.thread_id = %(thread)s AND o.event_id IS NOT NULL
      AND a.verdict IS NULL AND t.open AND t.state <> 'committed' AND t.stop IS NULL
), found AS (
    SELECT a.id, a.decided_in, t.open AND t.state <> 'committed' AND t.stop IS NULL AS waits,
           %(is_admin)s OR t.sender = %(sender)s OR EXISTS (
               SELECT 1 FROM chain WHERE chain.id = t.chain AND t.asked_by IS NOT NULL AND chain.asker = %(sender)s)
           OR EXISTS (SELECT 1 FROM turn part WHERE part.collected_into = t.id AND part.sender = %(sender)s) AS may
    FROM known JOIN approval a ON a.id = known.id JOIN turn t ON t.id = a.turn JOIN conversation c ON c.id = t.conversation
    WHERE c.room_id = %(room_id)s
    ORDER BY may DESC, a.decided_in IS NULL, a.id LIMIT 1
), decided AS (
    UPDATE approval
    SET verdict = CASE WHEN %(verdict)s = 'always' AND (always = '' OR NOT %(is_admin)s) THEN 'allow' ELSE %(verdict)s END,
        decided_by = %(sender)s, decided_in = %(event_id)s,
        reason = CASE WHEN EXISTS (SELECT 1 FROM turn WHERE event_id = %(event_id)s AND redacted) THEN ''
                 ELSE %(reason)s END
    FROM found WHERE approval.id = found.id AND found.may AND found.waits AND approval.verdict IS NULL
    RETURNING approval.id, pg_notify('agent_bridge', 'approvals')
)
SELECT found.may, EXISTS (SELECT 1 FROM decided) OR coalesce(found.decided_in = %(event_id)s, false) AS taken FROM found
