-- Write the entries %(used_...)s of requests that answer the turn %(turn)s (null, or a turn that is gone: none), but for those
-- of a person who was erased up to the turn from which the request comes: it ended after the erasure.
INSERT INTO usage AS known (key, turn, user_id, role, room_id, agent, upstream, model, input_tokens, output_tokens,
                            cached_tokens, is_estimated, cost, price)
SELECT new.key, (SELECT id FROM turn WHERE id = %(turn)s), new.user_id, new.role, new.room_id, new.agent, new.upstream,
       new.model, new.input_tokens, new.output_tokens, new.cached_tokens, new.is_estimated, new.cost, new.price
FROM unnest(%(used_keys)s::text[], %(used_users)s::text[], %(used_roles)s::text[], %(used_rooms)s::text[],
            %(used_agents)s::bigint[], %(used_upstreams)s::text[], %(used_models)s::text[], %(used_inputs)s::bigint[],
            %(used_outputs)s::bigint[], %(used_cached)s::bigint[], %(used_estimated)s::boolean[],
            %(used_costs)s::numeric[], %(used_prices)s::text[], %(used_origins)s::bigint[])
     AS new (key, user_id, role, room_id, agent, upstream, model, input_tokens, output_tokens, cached_tokens,
             is_estimated, cost, price, origin)
     JOIN (SELECT) AS once ON NOT EXISTS (
         SELECT 1 FROM operation o WHERE o.kind = 'erase' AND o.params ->> 'user' = new.user_id
                                     AND (o.cursor ->> 'until')::bigint >= new.origin)
