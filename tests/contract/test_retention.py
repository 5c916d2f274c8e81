"""Retention on a real PostgreSQL: only closed and old rows are deleted."""

from __future__ import annotations

import asyncio

import pytest

from agent_bridge.bridge.queue.retention import Pruner
from agent_bridge.config.model import RetentionConfig
from agent_bridge.core.errors import StoreError
from agent_bridge.core.live import Live
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import Ignored, IgnoreReason, TurnState
from agent_bridge.core.upstreams import StoredConversation
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.prune import prune
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.turns import Turns
from agent_bridge.store.upstream_conversations import UpstreamConversations
from support.turn_rows import ROOM, accept, add_agent, collect, finish, new, take, waiting_for_a_lock


async def age(database: Database, days: float) -> None:
    """Make every row *days* days older."""
    await database.execute("UPDATE turn SET finished_at = finished_at - %s * interval '1 day'", (days,))
    await database.execute("UPDATE message SET created_at = created_at - %s * interval '1 day'", (days,))
    await database.execute("UPDATE ignored SET created_at = created_at - %s * interval '1 day'", (days,))


async def events(database: Database) -> list[str]:
    return [row["event_id"] for row in await database.rows("SELECT event_id FROM turn ORDER BY id")]


@pytest.mark.parametrize("state", [TurnState.DONE, TurnState.FAILED, TurnState.STOPPED])
async def test_a_closed_turn_is_forgotten_when_it_is_old(database: Database, state: TurnState) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"), new("$3"))
    turns, turn = Turns(database), await take(database, lane)
    await collect(database, turn)
    await turns.commit(turn, "x", error=None, parts=range(2))
    await turns.finish(turn, state, {0: "$a0", 1: "$a1"})
    await accept(database, new("$4"))
    await age(database, 29.9)
    assert await prune(database, turns_days=30, transcript_days=180) == 0
    await age(database, 0.2)
    assert await prune(database, turns_days=30, transcript_days=180) == 3
    assert await events(database) == ["$4"]
    assert await turns.sends(turn.id) == []


async def test_a_shorter_retention_counts_at_the_next_look(database: Database) -> None:
    (lane,) = await accept(database, new("$1"))
    turns, turn = Turns(database), await take(database, lane)
    await turns.finish(turn, TurnState.FAILED, {})
    await age(database, 40)
    retention = Live(RetentionConfig(turns_days=50))
    pruner = Pruner(database, retention)
    await pruner.prune()
    assert await events(database) == ["$1"]
    retention.replace(RetentionConfig(turns_days=30))
    await pruner.prune()
    assert await events(database) == []


async def test_messages_in_the_history_can_be_redacted(database: Database) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turns, turn = Turns(database), await take(database, lane)
    await collect(database, turn)
    said = [ChatMessage("user", "hi"), ChatMessage("assistant", "x")]
    await turns.commit(turn, "x", error=None, parts=range(1), transcript=said)
    await turns.finish(turn, TurnState.DONE, {0: "$a0"})
    await age(database, 179)
    assert await prune(database, turns_days=30, transcript_days=180) == 0
    assert await Transcripts(database).of_lane(lane, 10) == said
    await age(database, 2)
    assert await prune(database, turns_days=30, transcript_days=180) == 4
    assert await events(database) == []
    assert await Transcripts(database).of_lane(lane, 10) == []


async def test_open_turns_are_never_pruned(database: Database) -> None:
    lanes = await accept(database, *(new(f"${number}", f"!{number}") for number in range(4)), new("$5", "!3"))
    turns = Turns(database)
    await take(database, lanes[0])
    await turns.commit(await take(database, lanes[1]), "x", error=None, parts=range(1))
    await turns.put_back(await take(database, lanes[2]), delay=60, failed=True, why="the upstream is away")
    await collect(database, await take(database, lanes[3]))
    await age(database, 4000)
    # A message that an open turn collected is a part of its question.
    await prune(database, turns_days=1, transcript_days=1)
    assert await events(database) == ["$0", "$1", "$2", "$3", "$5"]


async def test_old_ignored_events_are_pruned_and_dead_letters_are_not(database: Database) -> None:
    intake_store = IntakeStore(database)
    async with database.transaction() as connection:
        await intake_store.ignore(connection, [Ignored("$old", ROOM, IgnoreReason.NOTICE)])
    await intake_store.add_dead_letter("txn", "too deep", "[[")
    await age(database, 31)
    async with database.transaction() as connection:
        await intake_store.ignore(connection, [Ignored("$new", ROOM, IgnoreReason.NOTICE)])
    assert await prune(database, turns_days=30, transcript_days=180) == 1
    assert await intake_store.known(["$old", "$new"]) == {"$new"}
    assert len(await database.rows("SELECT id FROM dead_letter")) == 1


async def talk(database: Database, name: str, state: str) -> int:
    """Add an agent with a *state* and with two conversations on its upstream ``up``; return its row id."""
    agent = await add_agent(database, name, f"!{name}")
    store = UpstreamConversations(database, "up")
    for session in (f"!{name}", f"!{name}/$thread"):
        await store.put(name, session, StoredConversation(f"conversation of {session}"))
    values = (name, state, agent)
    await database.execute("UPDATE agent SET upstream = 'up', model = %s, state = %s WHERE id = %s", values)
    return agent


async def models(database: Database) -> list[str]:
    return [each["model"] for each in await database.rows("SELECT model FROM upstream_conversation ORDER BY model")]


async def test_conversations_of_agents_that_are_gone_for_long_are_forgotten(database: Database) -> None:
    for name, state in (("active", "active"), ("gone", "gone"), ("held", "held")):
        await talk(database, name, state)
    asked = await talk(database, "asked", "gone")
    await database.execute("UPDATE agent SET state_since = now() - interval '179.9 days'")
    assert await prune(database, turns_days=30, transcript_days=180) == 0
    await database.execute("UPDATE agent SET state_since = now() - interval '180.1 days'")
    # Its upstream may be answering a message.
    (lane,) = await accept(database, new("$1", "!asked", asked))
    assert await prune(database, turns_days=30, transcript_days=180) == 2
    assert await models(database) == ["active"] * 2 + ["asked"] * 2 + ["held"] * 2
    await finish(database, await take(database, lane))
    assert await prune(database, turns_days=30, transcript_days=180) == 2


async def test_an_agent_that_comes_back_keeps_its_conversations(database: Database) -> None:
    """Its state may change while the rows are looked for."""
    agent = await talk(database, "back", "gone")
    await database.execute("UPDATE agent SET state_since = now() - interval '200 days'")
    async with database.transaction() as connection:
        await connection.execute("UPDATE agent SET state = 'active' WHERE id = %s", (agent,))
        pruning = asyncio.create_task(prune(database, turns_days=30, transcript_days=180))
        await waiting_for_a_lock(database.uri)
    assert await pruning == 0
    assert await models(database) == ["back"] * 2


@pytest.mark.parametrize("statistics", [pytest.param("none", marks=pytest.mark.long), "of empty tables"])
async def test_a_large_backlog_is_forgotten_whole(
    store_url: str, monkeypatch: pytest.MonkeyPatch, statistics: str
) -> None:
    """In several batches, of each table, also if the planner believes that the tables are empty."""
    monkeypatch.setattr("agent_bridge.store.postgres.database._STATEMENT_TIMEOUT", 8)
    async with Database(store_url) as database:
        await _forget_a_backlog(database, statistics)


async def _forget_a_backlog(database: Database, statistics: str) -> None:
    (lane,) = await accept(database, new("$first"))
    await finish(database, await take(database, lane))
    if statistics == "of empty tables":
        await database.execute("ANALYZE turn, ignored, message, context")
    await database.execute(
        """
        INSERT INTO turn (event_id, key, conversation, kind, sender, payload, state, finished_at)
        SELECT '$' || number, number, %s, 'message', '@b:hs', '{}', 'done', now()
        FROM generate_series(1, 20500) AS number
        """,
        (lane,),
    )
    await database.execute(
        "INSERT INTO ignored (event_id, room_id, reason) SELECT '$' || n, '!r', 'x' FROM generate_series(1, 5000) AS n"
    )
    await database.execute(
        "INSERT INTO message (conversation, role, content) SELECT %s, 'user', 'x' FROM generate_series(1, 5001)",
        (lane,),
    )
    await accept(database, new("$open"))
    await age(database, 2)
    assert await prune(database, turns_days=1, transcript_days=1) == 20_501 + 5000 + 5001
    assert await events(database) == ["$open"]
    assert await prune(database, turns_days=1, transcript_days=1) == 0


async def test_a_database_that_is_away_is_an_error(store_url: str) -> None:
    async with Database(store_url) as database:
        pass
    with pytest.raises(StoreError):
        await prune(database, turns_days=1, transcript_days=1)
