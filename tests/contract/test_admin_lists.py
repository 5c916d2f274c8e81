"""The lists of the admin page: each row once, in order, found by an index and with a limit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from agent_bridge.commands.usage import usage_parts
from agent_bridge.core.agents import AgentState
from agent_bridge.core.results.usage import UsageBy, UsedAmount
from agent_bridge.core.turns import TurnState
from agent_bridge.store.admin_lists import MOST_OPEN, AdminLists
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.statements import Statements
from agent_bridge.store.usage import UsageStore
from support.admin_rows import fill, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.postgres import Server

AGENTS, TURNS, WAITING = 300, 6000, 40
#: Tables that may be large.
LARGE = {"agent", "turn", "usage", "outbox", "conversation", "room", "admin_action"}


@pytest.fixture(scope="module")
async def filled(postgres: Server) -> AsyncIterator[Database]:
    with postgres.migrated() as url:
        async with Database(url) as database:
            await fill(database, agents=AGENTS, turns=TURNS)
            await wait(database, turns=WAITING)
            await database.execute("UPDATE agent SET name = 'Same' WHERE agent_id IN ('id-5', 'id-6', 'id-7')")
            await database.execute("VACUUM ANALYZE")
            yield database


async def test_the_pages_of_agents_have_each_once(filled: Database) -> None:
    lists, found, after = AdminLists(filled), [], ("", -1)
    while page := await lists.agents(70, after):
        found += page
        after = page[-1].sort_key, page[-1].id
    assert len(found) == len({each.id for each in found}) == AGENTS
    assert [each.sort_key for each in found] == sorted(each.sort_key for each in found)
    assert sum(each.used_at is not None for each in found) > AGENTS / 2


async def test_agents_are_found_by_the_beginning_of_the_name(filled: Database) -> None:
    lists = AdminLists(filled)
    assert [each.name for each in await lists.agents(9, begin="AGENT 0000")] == [
        f"Agent 0000{n}" for n in (1, 2, 3, 4, 8, 9)
    ]
    assert len(await lists.agents(9, begin="same")) == 3
    assert await lists.agents(9, begin="%") == []
    assert {each.state for each in await lists.agents(9, state=AgentState.GONE)} == {AgentState.GONE}
    assert await lists.agents(9, upstream="another") == []


async def test_the_pages_of_failures_have_each_once(filled: Database) -> None:
    lists, found, before = AdminLists(filled), [], None
    while page := await lists.failed(25, before):
        found += page
        row = await filled.row("SELECT finished_at, id FROM turn WHERE id = %s", (page[-1],))
        assert row is not None
        before = row["finished_at"], row["id"]
    assert len(found) == len(set(found)) == TURNS // 50


async def test_the_lane_that_waits_longest_is_first(filled: Database) -> None:
    lists = AdminLists(filled)
    await filled.execute(
        "UPDATE turn SET created_at = now() - interval '2 h'"
        " WHERE event_id = (SELECT max(event_id) FROM turn WHERE open)"
    )
    lanes = [*await lists.lanes(25), *await lists.lanes(25, 25)]
    assert len({each.id for each in lanes}) == len(lanes) == WAITING
    assert [each.oldest for each in lanes] == sorted(each.oldest for each in lanes)
    assert (lanes[0].waiting, lanes[0].is_busy, lanes[0].head is not None) == (1, False, True)
    assert len(await lists.failing(100)) == WAITING
    overview = await lists.overview()
    assert overview.turns == {"queued": WAITING}
    assert sum(overview.agents.values()) == AGENTS


async def test_moments_tell_the_ends_of_turns(filled: Database) -> None:
    found = await AdminLists(filled).moments(datetime.now(UTC) - timedelta(hours=1), 500)
    assert {each.state for each in found} >= {TurnState.QUEUED, TurnState.DONE}
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert {each.agent is not None for each in found} == {True}


@pytest.mark.parametrize("name", sorted({*Statements("admin_lists").all} - {"now", "overview"}))
async def test_every_list_uses_an_index_and_a_limit(filled: Database, name: str) -> None:
    statement = Statements("admin_lists")[name]
    assert "LIMIT %(" in statement
    values: dict[str, Any] = {
        "limit": 51, "after_name": "", "after_id": -1, "begin": "", "state": None, "upstream": None, "most": MOST_OPEN,
        "offset": 0, "before": datetime.now(UTC), "before_id": 2**62,
        "since": datetime.now(UTC) - timedelta(seconds=20),
    }  # fmt: skip
    async with await psycopg.AsyncConnection.connect(filled.uri) as connection:
        # As the pool has it: the plan for any values.
        await connection.execute("SET plan_cache_mode = 'force_generic_plan'")
        # Of small tables, PostgreSQL reads all rows although it has an index.
        await connection.execute("SET enable_seqscan = off")
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
        numbered = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", statement)
        await connection.execute(f"PREPARE listed AS {numbered}".encode())
        literals = b", ".join([psycopg.sql.Literal(values[each]).as_bytes(connection) for each in names])
        cursor = await connection.execute(b"EXPLAIN (FORMAT JSON) EXECUTE listed (" + literals + b")")
        (plan,) = await cursor.fetchone() or (None,)
    scans = [each["Relation Name"] for each in nodes(plan[0]["Plan"]) if each["Node Type"] == "Seq Scan"]
    assert LARGE.isdisjoint(scans), json.dumps(plan, indent=1)


def nodes(plan: Any) -> list[Any]:
    """Return the nodes of a plan."""
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


@pytest.mark.parametrize("by", list(UsageBy))
async def test_the_use_is_that_of_the_command(filled: Database, by: UsageBy) -> None:
    store, since = UsageStore(filled), datetime.now(UTC) - timedelta(days=5)
    expected = usage_parts(await store.use(None, since), by)
    parts, number, total = await store.parts(by, since, 20)
    assert parts == expected[:20]
    assert number == len(expected)
    assert total == sum((each.amount for each in expected), UsedAmount())
    assert await store.parts(by, datetime.now(UTC), 20) == ([], 0, UsedAmount())
