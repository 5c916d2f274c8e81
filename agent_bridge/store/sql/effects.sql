-- lock --
-- Lock the turn %(turn)s of a command; return what the command has done. No row: another worker has taken the turn up.
SELECT effect FROM turn WHERE id = %(turn)s AND attempts = %(attempts)s AND open FOR UPDATE

-- put --
-- Record what the command of the turn %(turn)s has done.
UPDATE turn SET effect = %(effect)s WHERE id = %(turn)s
