-- Ends a statement with a CTE `lost` (room_id): forget the transcripts of the room but for copies that people saved, and close
-- its turns, because of %(why)s: there is no room to show answers in.
forgotten AS (
    DELETE FROM message USING lost, conversation c
    WHERE message.conversation = c.id AND c.room_id = lost.room_id
      AND NOT EXISTS (SELECT 1 FROM context x WHERE x.id = message.context AND x.name IS NOT NULL)
)
UPDATE turn SET state = 'failed', finished_at = now(), error = coalesce(turn.error, %(why)s), answer = NULL, extras = '{}',
       steps = append_step(turn.steps, %(step)s)
FROM lost, conversation c
WHERE c.id = turn.conversation AND c.room_id = lost.room_id AND turn.open
