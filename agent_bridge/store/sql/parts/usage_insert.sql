-- Write the entries `used` of requests that answer the turn %(turn)s (null, or a turn that is gone: none), but for those
-- of a person who was erased up to the turn from which the request comes: it ended after the erasure.
INSERT INTO usage AS known (key, turn, user_id, role, room_id, agent, upstream, model, input_tokens, output_tokens,
                            cached_tokens, is_estimated, cost, price)
SELECT new.key, (SELECT id FROM turn WHERE id = %(turn)s), new.user_id, new.role, new.room_id, new.agent, new.upstream,
       new.model, new.input_tokens, new.output_tokens, new.cached_tokens, new.is_estimated, new.cost, new.price
FROM used AS new
     JOIN (SELECT) AS once ON NOT EXISTS (
         SELECT 1 FROM operation o WHERE o.kind = 'erase' AND o.params ->> 'user' = new.user_id
                                     AND (o.cursor ->> 'until')::bigint >= new.origin)
