"""Thousands of agents in the tables, on a real PostgreSQL."""

from __future__ import annotations

import tracemalloc
from contextlib import aclosing
from typing import TYPE_CHECKING

import psycopg
import pytest

from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import StoreError
from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.statements import Statements
from support.records import wanted

if TYPE_CHECKING:
    from support.postgres import Cluster


@pytest.mark.parametrize("statement", ["home", "home_of_ghost"])
async def test_one_agent_is_found_by_an_index(database: Database, statement: str) -> None:
    """The bridge reads an agent several times for each of its steps: a look at all of them would take too long."""
    query = Statements("agents")[statement].replace("%(agent)s", "$1").replace("%(ghost)s", "$1")
    async with database.transaction() as connection:
        # The plan is the one for any value, as for the connections of the bridge.
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute(f"PREPARE found AS {query}".encode())
        plan = await (await connection.execute("EXPLAIN EXECUTE found(NULL)")).fetchall()
        await connection.execute("DEALLOCATE found")
    assert not [row["QUERY PLAN"] for row in plan if "Seq Scan" in row["QUERY PLAN"]]


async def test_many_agents_need_few_statements(cluster: Cluster) -> None:
    """One statement for each would take minutes with a database at some distance, and a transaction has 90 s."""
    count = 1_000
    names = [f"Agent {number}" for number in range(count)]
    with cluster.migrated() as url:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} SET log_statement = 'all'".encode())
        async with Database(url) as database:
            agents = Agents(database)
            await agents.add(wanted(name, ghost=f"agent_{number}") for number, name in enumerate(names))
            found = [each.agent for each in await agents.all()]
            assert [agent.name for agent in found] == names
            await agents.update({agent.id: wanted(f"New {agent.name}") for agent in found})
            await agents.describe({agent.id: (f"{agent.id}.png", f"The agent {agent.id}") for agent in found})
            changed = await agents.all()
    assert [(each.agent.name, each.home.name) for each in changed] == [
        (f"New {name}", f"New {name} - Chat") for name in names
    ]
    assert all(each.agent.image == f"{each.agent.id}.png" for each in changed)
    logged = cluster.log.read_text("utf-8")
    assert count / 200 <= logged.count("INSERT INTO agent") <= count / 100
    assert count / 200 <= logged.count("SET model") <= count / 100
    assert count / 200 <= logged.count("SET image") <= count / 100


async def test_the_rows_of_all_agents_are_never_together_in_memory(database: Database) -> None:
    """The rows of an agent take six times the memory of the agent."""
    agents, count = Agents(database), 2_000
    await agents.add(wanted(f"Agent {number}", ghost=f"agent_{number}") for number in range(count))
    await agents.all()
    tracemalloc.start()
    try:
        found = await agents.all()
        kept, highest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == count
    # A slice, and the one that is being decoded.
    assert highest - kept < 5_000_000


async def test_a_reader_that_leaves_early_leaves_a_connection_that_works(database: Database) -> None:
    async with aclosing(database.slices("SELECT generate_series(1, 100000) AS number")) as slices:
        async for rows in slices:
            assert rows[0] == {"number": 1}
            break
    assert await database.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_an_error_in_the_middle_is_one_of_the_store(database: Database) -> None:
    async def read() -> None:
        async for rows in database.slices("SELECT 1 / (1000 - generate_series(1, 2000)) AS number"):
            assert rows

    with pytest.raises(StoreError):
        await read()
    assert await database.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_the_lists_of_agents_are_those_of_all_agents(database: Database) -> None:
    agents = Agents(database)
    await agents.add(
        [
            wanted("Ada"),
            wanted("Bob", state=AgentState.HELD),
            wanted("Cid", upstream="other", kind="client"),
            wanted("Dan", entry="dan"),
            wanted("Eve"),
        ]
    )
    ada, bob, cid, dan, eve = [each.agent.id for each in await agents.all()]
    for number, each in enumerate(await agents.all()):
        if each.agent.name != "Bob":
            await agents.room_made(each.home.id, f"!{number}", None, None)
    await agents.bot_joined((await agents.by_agent(dan)).home.id)
    await database.execute("UPDATE room SET check_requests = 1 WHERE owner = %s", (eve,))
    # Those whose lanes wait come first.
    assert await agents.ids() == [eve, ada, bob, cid, dan]
    assert await agents.rooms_of_bot(9) == ["!3"]
    assert await agents.identities("up") == {"Ada", "Bob", "Dan", "Eve"}
    assert await agents.without_room("up") == [bob]
    assert await agents.count_held("up") == 1
    assert await agents.have_entries()
    assert [each.agent.id for each in await agents.with_entry("up")] == [dan]
    assert [each.ghost for each in await agents.shown(without="client")] == ["agent_ada", "agent_dan", "agent_eve"]
