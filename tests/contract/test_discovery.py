"""Discovery with a real database and a server that lists agents: one pass at a time."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.config.conversations import TemplatesConfig
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.agents import AgentState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from support.records import NAMES
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from agent_bridge.store.postgres.database import Database


def no_rooms(_agent: int) -> None:
    """Skip the rooms: the tests are about the tables."""


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        running.models = [{"id": "ada"}, {"id": "bob"}]
        yield running


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def discovery(server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database, clock: Clock) -> Discovery:
    return new_discovery(server, session, database, clock)


def new_discovery(
    server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database, clock: Clock, **keys: Any
) -> Discovery:
    config = UpstreamConfig.model_validate({"name": "up", "url": server.url, **keys})
    upstreams = [(make_upstream(config, session, MemoryConversations()), config)]
    signals = Signals()
    status = UpstreamStatus(KeyValues(database), signals)
    return Discovery(
        upstreams, Agents(database), no_rooms, NAMES, TemplatesConfig(), status, signals, ENGLISH, clock=clock
    )


async def states(database: Database) -> dict[str, AgentState]:
    return {each.agent.name: each.agent.state for each in await Agents(database).all()}


@asynccontextmanager
async def unusable(database: Database) -> AsyncIterator[None]:
    """Rename the table of agents during the block, so that statements fail."""
    await database.execute("ALTER TABLE agent RENAME TO elsewhere")
    try:
        yield
    finally:
        await database.execute("ALTER TABLE elsewhere RENAME TO agent")


async def test_a_list_that_could_not_be_stored_is_stored_later(discovery: Discovery, database: Database) -> None:
    async with unusable(database):
        [health] = await discovery.sync()
        assert not health.ok
    # The server reports no change.
    [health] = await discovery.sync()
    assert health.ok
    assert health.agents == 2
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.ACTIVE}


async def test_a_new_agent_counts_at_once(discovery: Discovery, server: ScriptedUpstream) -> None:
    await discovery.sync()
    server.models.append({"id": "cid", "object": "model"})
    [health] = await discovery.sync()
    assert health.agents == 3
    assert discovery.health() == [health]


async def look(discovery: Discovery, clock: Clock, *, until: float) -> None:
    """Look at the upstream every ten seconds, as the clock goes on."""
    while clock.now < until:
        clock.now += 10
        await discovery.sync()


async def test_an_agent_that_the_list_lacks_for_a_minute_is_gone(
    discovery: Discovery, server: ScriptedUpstream, database: Database, clock: Clock
) -> None:
    await discovery.sync()
    server.models.pop()
    await discovery.sync()
    await look(discovery, clock, until=50)
    assert (await states(database))["bob"] is AgentState.ACTIVE
    await look(discovery, clock, until=60)
    assert discovery.health()[0].agents == 1
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.GONE}


async def test_the_time_is_configured(
    server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    discovery = new_discovery(server, session, database, clock, gone_after=0)
    await discovery.sync()
    server.models.pop()
    await discovery.sync()
    assert (await states(database))["bob"] is AgentState.GONE


async def test_a_failure_counts_neither_for_nor_against_an_agent(
    discovery: Discovery, server: ScriptedUpstream, database: Database, clock: Clock
) -> None:
    await discovery.sync()
    server.models.pop()
    await discovery.sync()
    await look(discovery, clock, until=50)
    server.status = 500
    await look(discovery, clock, until=500)
    assert not discovery.health()[0].ok
    server.status = 200
    await discovery.sync()
    assert (await states(database))["bob"] is AgentState.ACTIVE
    await look(discovery, clock, until=510)
    assert (await states(database))["bob"] is AgentState.GONE


async def test_an_agent_that_comes_back_in_time_stays(
    discovery: Discovery, server: ScriptedUpstream, database: Database, clock: Clock
) -> None:
    await discovery.sync()
    bob = server.models.pop()
    await discovery.sync()
    await look(discovery, clock, until=50)
    server.models.append(bob)
    await look(discovery, clock, until=200)
    server.models.remove(bob)
    await look(discovery, clock, until=250)
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.ACTIVE}


@pytest.mark.parametrize(
    ("agents", "going", "held"), [(1, 1, False), (2, 1, False), (2, 2, True), (20, 2, True), (21, 2, False)]
)
async def test_many_that_go_at_once_are_held(
    discovery: Discovery,
    server: ScriptedUpstream,
    database: Database,
    clock: Clock,
    *,
    agents: int,
    going: int,
    held: bool,
) -> None:
    server.models = [{"id": f"agent {number}"} for number in range(agents)]
    await discovery.sync()
    # They go one after the other, as when a server shuts down.
    for _ in range(going):
        server.models.pop()
        clock.now += 1
        await discovery.sync()
    await look(discovery, clock, until=100)
    gone = [name for name, state in (await states(database)).items() if state is AgentState.GONE]
    assert len(gone) == (0 if held else going)
    assert discovery.health()[0].doubted == (going if held else 0)
    await discovery.sync(confirmed=True)
    gone = [name for name, state in (await states(database)).items() if state is AgentState.GONE]
    assert len(gone) == going


async def test_a_list_that_reports_a_failure_is_no_empty_list(
    discovery: Discovery, server: ScriptedUpstream, database: Database, clock: Clock
) -> None:
    await discovery.sync()
    server.list_extra = {"error": {"message": "the models are away"}}
    server.models = []
    await look(discovery, clock, until=200)
    assert discovery.health()[0].error == "up reported an error instead of its list of agents: the models are away"
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.ACTIVE}


async def test_an_operator_releases_agents_although_the_list_is_unchanged(
    server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    discovery = new_discovery(server, session, database, clock, max_new_agents=1)
    await discovery.sync()
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.HELD}
    await discovery.sync()
    assert (await states(database))["bob"] is AgentState.HELD
    await discovery.sync(confirmed=True)
    assert (await states(database))["bob"] is AgentState.ACTIVE


async def test_a_long_list_lets_other_tasks_run(
    server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    count = 6_000
    server.models = [{"id": f"agent {number}"} for number in range(count)]
    discovery = new_discovery(server, session, database, clock, max_new_agents=count)
    longest = 0.0

    async def other() -> None:
        nonlocal longest
        while True:
            # Of this thread: another program may have the processor.
            begin = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begin)

    task = asyncio.create_task(other())
    try:
        await discovery.sync()
        await discovery.sync()
    finally:
        task.cancel()
    assert longest <= 0.05
