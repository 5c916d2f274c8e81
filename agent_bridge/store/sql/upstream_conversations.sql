-- get --
-- Return the conversation that an upstream keeps for a lane.
SELECT ref, marker, made FROM upstream_conversation
WHERE upstream = %(upstream)s AND model = %(model)s AND session = %(session)s

-- put --
-- Set the conversation that an upstream keeps for a lane.
INSERT INTO upstream_conversation (upstream, model, session, ref, marker, made)
VALUES (%(upstream)s, %(model)s, %(session)s, %(ref)s, %(marker)s, %(made)s)
ON CONFLICT (upstream, model, session)
DO UPDATE SET ref = EXCLUDED.ref, marker = EXCLUDED.marker, made = EXCLUDED.made
