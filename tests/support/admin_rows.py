"""Rows of a bridge that has been used for a week, for the admin page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database

_AGENTS = """
INSERT INTO agent (upstream, agent_id, model, name, ghost, displayname, state)
SELECT 'many', 'id-' || n, 'id-' || n, 'Agent ' || lpad(n::text, 5, '0'), 'many_' || n, 'Agent ' || n,
       CASE WHEN n %% 50 = 0 THEN 'gone' ELSE 'active' END
FROM generate_series(1, %(agents)s) AS n
"""
_ROOMS = """
INSERT INTO room (room_id, kind, owner, name, bot_joined)
SELECT '!room' || id || ':test.local', 'home', id, name, true FROM agent WHERE upstream = 'many'
"""
_LANES = """
INSERT INTO conversation (room_id, agent, lane_kind)
SELECT '!room' || id || ':test.local', id, 'agent' FROM agent WHERE upstream = 'many'
"""
#: Spread over a week, the newest ones a minute ago.
_TURNS = """
WITH lane AS (
    SELECT c.id, row_number() OVER (ORDER BY c.id) - 1 AS place FROM conversation c JOIN agent a ON a.id = c.agent
    WHERE a.upstream = 'many'
)
INSERT INTO turn (event_id, key, conversation, kind, sender, payload, state, error, attempts, failures, said_at,
                  created_at, started_at, finished_at, answer)
SELECT '$many' || n, lpad(to_hex(n), 16, '0'), lane.id, 'message', '@user' || n %% 97 || ':test.local',
       '{"body": "hello"}',
       CASE WHEN n %% 50 = 7 THEN 'failed' WHEN n %% 90 = 11 THEN 'stopped' ELSE 'done' END,
       CASE WHEN n %% 50 = 7 THEN 'the server of the agents answered 503' END, 1, 0,
       at, at, at + interval '0.2 s', at + make_interval(secs => 2 + n %% 13), 'answer'
FROM generate_series(1, %(turns)s) AS n JOIN lane ON lane.place = n %% %(agents)s,
     LATERAL (SELECT now() - interval '1 minute' - make_interval(secs => n * (6.9 * 86400 / %(turns)s)) AS at) AS times
"""
_PARTS = """
INSERT INTO outbox (turn, part, event_id, created_at)
SELECT id, 0, '$answer' || id, said_at + make_interval(secs => 0.5 + id %% 4) FROM turn
WHERE event_id LIKE '$many%%' AND state = 'done'
"""
_USAGE = """
INSERT INTO usage (key, turn, at, user_id, role, room_id, agent, upstream, model, input_tokens, output_tokens,
                   is_estimated, cost)
SELECT t.key || '#1', t.id, t.finished_at, t.sender, 'member', c.room_id, c.agent, 'many', 'm', 400 + t.id %% 600,
       80 + t.id %% 300, false, 0.001 * (t.id %% 7)
FROM turn t JOIN conversation c ON c.id = t.conversation WHERE t.event_id LIKE '$many%%' AND t.state <> 'failed'
"""


async def fill(database: Database, *, agents: int, turns: int) -> None:
    """Write *agents* with rooms, and *turns* of a week with their parts and their tokens."""
    values = {"agents": agents, "turns": turns}
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = '300s'")
        for statement in (_AGENTS, _ROOMS, _LANES, _TURNS, _PARTS, _USAGE):
            await connection.execute(statement, values)
    await database.execute("ANALYZE")


async def wait(database: Database, *, turns: int) -> None:
    """Write *turns* that wait, each in a lane of its own: no bridge may run."""
    await database.execute(
        """
        INSERT INTO turn (event_id, key, conversation, kind, sender, payload, failures, not_before, steps)
        SELECT '$waits' || c.id, 'f' || lpad(to_hex(c.id), 15, '0'), c.id, 'message', '@user:test.local',
               '{"body": "hello"}', 1, now() + interval '1 hour',
               '[{"at": "2026-01-01T00:00:00+00:00", "what": "retried", "error": "HTTP 503"}]'
        FROM conversation c JOIN agent a ON a.id = c.agent WHERE a.upstream = 'many' ORDER BY c.id LIMIT %(turns)s
        """,
        {"turns": turns},
    )
