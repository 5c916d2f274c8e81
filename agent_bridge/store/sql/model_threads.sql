-- find --
-- Return the thread of the conversation %(key)s of %(owner)s with %(target)s, and note that it is used.
UPDATE model_thread SET used_at = now() WHERE owner = %(owner)s AND target = %(target)s AND key = %(key)s
RETURNING id, room_id, root, begun, instructions, created_at

-- add --
-- Write the thread of a conversation in the room %(room_id)s; no row if it is known.
INSERT INTO model_thread (owner, target, key, room_id) VALUES (%(owner)s, %(target)s, %(key)s, %(room_id)s)
ON CONFLICT (owner, target, key) DO NOTHING
RETURNING id, room_id, root, begun, instructions, created_at

-- rooted --
-- Store the event at which the thread %(thread)s begins, unless there is one; return the one that counts.
UPDATE model_thread SET root = coalesce(root, %(root)s) WHERE id = %(thread)s RETURNING root

-- said --
-- Note that the thread %(thread)s has what was said before, and the instructions with the SHA-256 %(instructions)s (null: no
-- other ones).
UPDATE model_thread SET begun = true, instructions = coalesce(%(instructions)s, instructions) WHERE id = %(thread)s

-- forget --
-- Forget the thread %(thread)s: its room is gone, or the identity is not there any more.
DELETE FROM model_thread WHERE id = %(thread)s
