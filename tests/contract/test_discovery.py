"""Discovery with a real database and a server that lists agents: one pass at a time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.agents.discovery import GONE_AFTER, Discovery
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.config.conversations import TemplatesConfig
from agent_bridge.config.model import UpstreamConfig
from agent_bridge.core.agents import AgentState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Signals
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


@pytest.fixture
def discovery(server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database) -> Discovery:
    return new_discovery(server, session, database)


def new_discovery(
    server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database, **keys: Any
) -> Discovery:
    config = UpstreamConfig.model_validate({"name": "up", "url": server.url, **keys})
    upstreams = [(make_upstream(config, session), config)]
    signals = Signals()
    status = UpstreamStatus(KeyValues(database), signals)
    return Discovery(upstreams, Agents(database), no_rooms, NAMES, TemplatesConfig(), status, signals, ENGLISH)


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


async def test_an_agent_that_the_list_lacks_for_some_passes_is_gone(
    discovery: Discovery, server: ScriptedUpstream, database: Database
) -> None:
    await discovery.sync()
    server.models.pop()
    for _ in range(GONE_AFTER - 1):
        await discovery.sync()
        assert (await states(database))["bob"] is AgentState.ACTIVE
    [health] = await discovery.sync()
    assert health.agents == 1
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.GONE}


async def test_a_failure_counts_neither_for_nor_against_an_agent(
    discovery: Discovery, server: ScriptedUpstream, database: Database
) -> None:
    await discovery.sync()
    server.models.pop()
    for _ in range(GONE_AFTER - 1):
        await discovery.sync()
    server.status = 500
    [health] = await discovery.sync()
    assert not health.ok
    assert (await states(database))["bob"] is AgentState.ACTIVE
    server.status = 200
    await discovery.sync()
    assert (await states(database))["bob"] is AgentState.GONE


async def test_an_agent_that_comes_back_in_time_stays(
    discovery: Discovery, server: ScriptedUpstream, database: Database
) -> None:
    await discovery.sync()
    bob = server.models.pop()
    for _ in range(GONE_AFTER - 1):
        await discovery.sync()
    server.models.append(bob)
    for _ in range(GONE_AFTER):
        await discovery.sync()
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.ACTIVE}


async def test_an_operator_releases_agents_although_the_list_is_unchanged(
    server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database
) -> None:
    discovery = new_discovery(server, session, database, max_new_agents=1)
    await discovery.sync()
    assert await states(database) == {"ada": AgentState.ACTIVE, "bob": AgentState.HELD}
    await discovery.sync()
    assert (await states(database))["bob"] is AgentState.HELD
    await discovery.sync(confirmed=True)
    assert (await states(database))["bob"] is AgentState.ACTIVE
