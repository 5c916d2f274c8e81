-- lock_messages --
-- Lock the messages that were collected into the turn %(head)s, and then this turn.
SELECT 1 FROM turn WHERE collected_into = %(head)s OR id = %(head)s ORDER BY id = %(head)s, id FOR UPDATE

-- unapplied --
-- Return the messages of the turn %(head)s that do not have the content of their newest edit yet, each with this edit.
-- The content is kept as it was before the first edit (original). The edits of a message come from one homeserver, whose
-- clock orders them: a backfill may find them late.
SELECT t.id, t.kind, coalesce(t.original, t.payload) AS original, newest.event_id AS edited_by, newest.payload AS edit
FROM turn t CROSS JOIN LATERAL (
    SELECT e.event_id, e.payload FROM turn e WHERE e.target = t.id AND e.kind = 'edit' AND NOT e.redacted
    ORDER BY e.said_at DESC, e.position DESC, e.id DESC LIMIT 1
) AS newest
WHERE (t.id = %(head)s OR t.collected_into = %(head)s) AND t.kind = 'message' AND NOT t.redacted
  AND t.edited_by IS DISTINCT FROM newest.event_id
ORDER BY t.id

-- rewrite --
-- Give the messages %(messages)s the content %(payloads)s of the edits %(edited_by)s.
UPDATE turn SET payload = new.payload, edited_by = new.edited_by, original = coalesce(original, turn.payload)
FROM unnest(%(messages)s::bigint[], %(payloads)s::jsonb[], %(edited_by)s::text[]) AS new (id, payload, edited_by)
WHERE turn.id = new.id
