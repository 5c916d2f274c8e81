-- messages --
-- Delete messages of transcripts that are older than %(days)s days, at most %(batch)s, the oldest first. Those of saved
-- copies stay until their owner deletes the copy.
DELETE FROM message WHERE id IN (
    SELECT m.id FROM message m LEFT JOIN context x ON x.id = m.context
    WHERE m.created_at < now() - make_interval(secs => %(days)s * 86400.0) AND x.name IS NULL
    ORDER BY m.created_at LIMIT %(batch)s
)

-- contexts --
-- Delete contexts without messages that ended more than %(days)s days ago, at most %(batch)s: they cannot be loaded.
DELETE FROM context WHERE id IN (
    SELECT id FROM context x WHERE x.ended_at < now() - make_interval(secs => %(days)s * 86400.0)
      AND NOT EXISTS (SELECT 1 FROM message m WHERE m.context = x.id)
    ORDER BY x.ended_at LIMIT %(batch)s
)

-- turns --
-- Delete turns that were closed more than %(days)s days ago, at most %(batch)s, the oldest first. A turn that was
-- collected into an open turn stays: it is a part of the question. A turn stays as long as the transcript has a message
-- of it: a redaction finds the message by the turn.
DELETE FROM turn WHERE id IN (
    SELECT id FROM turn t WHERE t.finished_at < now() - make_interval(secs => %(days)s * 86400.0)
      AND NOT t.open
      AND NOT EXISTS (SELECT 1 FROM turn head WHERE head.id = t.collected_into AND head.finished_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM message m WHERE m.turn = coalesce(t.collected_into, t.id))
    ORDER BY t.finished_at LIMIT %(batch)s
)

-- ignored --
-- Delete notes of ignored events that are older than %(days)s days, at most %(batch)s, the oldest first.
DELETE FROM ignored WHERE event_id IN (
    SELECT event_id FROM ignored WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY created_at LIMIT %(batch)s
)

-- dead_letters --
-- Delete events that could not be stored as turns, if they are older than %(days)s days, at most %(batch)s, the oldest
-- first.
DELETE FROM dead_letter WHERE id IN (
    SELECT id FROM dead_letter WHERE created_at < now() - make_interval(secs => %(days)s * 86400.0)
    ORDER BY id LIMIT %(batch)s
)
