-- of --
-- Return the Space of a person.
SELECT room_id, listed_in FROM person_space WHERE user_id = %(user_id)s

-- set --
-- Record the Space of a person, which no other Space lists yet.
INSERT INTO person_space (user_id, room_id, roles_applied)
VALUES (%(user_id)s, %(room_id)s, (SELECT max(version) FROM role_book))
ON CONFLICT (user_id) DO UPDATE SET room_id = EXCLUDED.room_id, listed_in = NULL

-- listed --
-- Record the Space that lists the one of a person; null: none does.
UPDATE person_space SET listed_in = %(space)s WHERE user_id = %(user_id)s

-- elsewhere --
-- Return the people whose Spaces are listed in another one than %(space)s; null: in any.
SELECT user_id FROM person_space WHERE listed_in IS DISTINCT FROM %(space)s ORDER BY user_id
