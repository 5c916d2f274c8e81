"""A change of the kind of an upstream, with a real database and a server that both kinds reach."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

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
from contract.test_discovery import Clock, no_rooms
from support.app_server_doors import TwoInterfaces
from support.records import NAMES
from support.scripted_letta_v1 import ScriptedLettaV1

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from agent_bridge.store.postgres.database import Database


@pytest.fixture
async def server() -> AsyncIterator[TwoInterfaces]:
    async with TwoInterfaces({"agent-1": "Dora", "agent-2": "Egon"}) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def discovering(
    url: str, kind: str, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> AsyncIterator[Discovery]:
    """Give the discovery of a bridge that reaches the server as *kind*."""
    config = UpstreamConfig.model_validate({"name": "up", "kind": kind, "url": url})
    async with aclosing(make_upstream(config, session, MemoryConversations())) as upstream:
        signals = Signals()
        status = UpstreamStatus(KeyValues(database), signals)
        yield Discovery(
            [(upstream, config)],
            Agents(database),
            no_rooms,
            NAMES,
            TemplatesConfig(),
            status,
            signals,
            ENGLISH,
            clock=clock,
        )


async def models(database: Database) -> dict[int, str]:
    return {each.agent.id: each.agent.model for each in await Agents(database).all()}


async def known(database: Database, server: TwoInterfaces, session: aiohttp.ClientSession, clock: Clock) -> None:
    """Let a bridge with the OpenAI API find the agents."""
    async with discovering(server.api_url, "openai", session, database, clock) as discovery:
        await discovery.sync()
    assert await models(database) == {1: "Dora", 2: "Egon"}


async def test_agents_keep_their_rows(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    before = await Agents(database).all()
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        [health] = await discovery.sync()
        assert (health.held, health.agents) == (False, 2)
        assert (health.kind, health.server) == ("letta", "App Server 0.0, protocol 1")
        assert "approvals" in health.capabilities
        after = await Agents(database).all()
        assert await models(database) == {1: "agent-1", 2: "agent-2"}
        assert [each.home for each in after] == [each.home for each in before]
        assert [each.agent.ghost for each in after] == [each.agent.ghost for each in before]
        # From now on, names are no ids: both agents get the name of the other one.
        server.by_id = {"agent-1": "Egon", "agent-2": "Dora", "agent-3": "Dora"}
        await discovery.sync()
        assert {each.agent.id: each.agent.name for each in await Agents(database).all()} == {
            1: "Egon",
            2: "Dora",
            3: "Dora",
        }
    kv = await KeyValues(database).some(KeyValues.SWITCHES, "restarts")
    assert kv[KeyValues.SWITCHES] == {"up": {"number": 1, "kind": "letta", "agents": 2}}
    assert list(kv["restarts"]) == ["up"]


async def test_the_way_back(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        await discovery.sync()
    server.by_id |= {"agent-3": "Egon"}
    async with discovering(server.api_url, "openai", session, database, clock) as discovery:
        [health] = await discovery.sync()
        # The API lists twins by their ids, which are known.
        assert await models(database) == {1: "Dora", 2: "agent-2", 3: "agent-3"}
        assert not health.held
    switches = await KeyValues(database).get(KeyValues.SWITCHES)
    assert switches["up"] == {"number": 2, "kind": "openai", "agents": 2}


async def test_agents_that_the_list_does_not_tell_are_held(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    server.by_id |= {"agent-2": "Zoe", "agent-3": "Dora"}
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        for _ in range(2):
            [health] = await discovery.sync()
            assert (health.vanished, health.appeared) == (("Dora", "Egon"), ("agent-1", "agent-2", "agent-3"))
            clock.now += 1000
        assert await models(database) == {1: "Dora", 2: "Egon"}
    # Another process leads.
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        [health] = await discovery.sync()
        assert health.vanished == ("Dora", "Egon")
        # `same Egon agent-2`
        await Agents(database).reconnect(2, "agent-2", None)
        [health] = await discovery.sync()
        assert health.vanished == ("Dora",)
        assert {each.agent.name for each in await Agents(database).all()} == {"Dora", "Zoe"}
        # The twin has another name now, and Dora's name is unique.
        server.by_id |= {"agent-3": "Theodora"}
        [health] = await discovery.sync()
        assert not health.held
        assert await models(database) == {1: "agent-1", 2: "agent-2", 3: "agent-3"}


async def test_an_operator_accepts_the_list(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    server.by_id = {"agent-1": "Dora", "agent-2": "Zoe"}
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        [health] = await discovery.sync()
        assert health.vanished == ("Egon",)
        [health] = await discovery.sync(confirmed=True)
        assert not health.held
        clock.now += 100
        await discovery.sync()
        clock.now += 100
        await discovery.sync()
    states = {each.agent.model: each.agent.state for each in await Agents(database).all()}
    assert states == {"agent-1": AgentState.ACTIVE, "Egon": AgentState.GONE, "agent-2": AgentState.ACTIVE}


async def test_the_switch_removes_no_agent(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    names, server.by_id = server.by_id, {"agent-1": "Dora"}
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        for _ in range(100):
            [health] = await discovery.sync()
            clock.now += 10
        assert health.doubted == 1
        assert {each.agent.state for each in await Agents(database).all()} == {AgentState.ACTIVE}
        server.by_id = names
        [health] = await discovery.sync()
        assert (health.doubted, await models(database)) == (0, {1: "agent-1", 2: "agent-2"})
        # After the switch, an agent that goes is gone.
        server.by_id = {"agent-1": "Dora"}
        for _ in range(10):
            await discovery.sync()
            clock.now += 10
        assert [each.agent.state for each in await Agents(database).all()] == [AgentState.ACTIVE, AgentState.GONE]


async def test_two_processes_switch_once(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    async with (
        discovering(server.url, "letta", session, database, clock) as one,
        discovering(server.url, "letta", session, database, clock) as two,
    ):
        await asyncio.gather(one.sync(), two.sync())
        assert await models(database) == {1: "agent-1", 2: "agent-2"}
    switches = await KeyValues(database).get(KeyValues.SWITCHES)
    assert switches["up"] == {"number": 1, "kind": "letta", "agents": 2}
    assert await Agents(database).switch("up", "letta", {1: "agent-9", 2: "agent-9"}) == 0


async def test_a_switch_that_fails_changes_nothing(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        # The report for the administrators cannot be stored.
        await database.execute("ALTER TABLE kv RENAME TO elsewhere")
        try:
            [health] = await discovery.sync()
        finally:
            await database.execute("ALTER TABLE elsewhere RENAME TO kv")
        assert not health.ok
        assert await models(database) == {1: "Dora", 2: "Egon"}
        [health] = await discovery.sync()
        assert health.ok
        assert await models(database) == {1: "agent-1", 2: "agent-2"}


async def test_a_process_that_is_killed_after_the_switch(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    await database.execute("UPDATE agent SET state = 'gone' WHERE id = 2")
    # The names and states of the new list are written after it.
    assert await Agents(database).switch("up", "letta", {1: "agent-1", 2: "agent-2"}) == 2
    server.by_id |= {"agent-1": "Theodora"}
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        [health] = await discovery.sync()
    assert (health.vanished, health.appeared) == ((), ())
    assert [(each.agent.model, each.agent.name, each.agent.state) for each in await Agents(database).all()] == [
        ("agent-1", "Theodora", AgentState.ACTIVE),
        # It never had a room.
        ("agent-2", "Egon", AgentState.HELD),
    ]
    switches = await KeyValues(database).get(KeyValues.SWITCHES)
    assert switches["up"]["number"] == 1


async def test_the_rest_server_knows_the_agents_by_other_ids(
    server: TwoInterfaces, session: aiohttp.ClientSession, database: Database, clock: Clock
) -> None:
    await known(database, server, session, clock)
    async with ScriptedLettaV1() as other:
        other.models = [{"id": "agent-b", "name": "Egon"}, {"id": "agent-a", "name": "Dora"}]
        async with discovering(other.url, "letta_v1", session, database, clock) as discovery:
            await discovery.sync()
            assert await models(database) == {1: "agent-a", 2: "agent-b"}


@pytest.mark.parametrize(
    ("version", "missing", "words"),
    [
        (2, (), "up speaks version 2 of the App Server protocol, and the bridge speaks version 1; "),
        (1, ("runtime_start",), "up lacks capabilities that the bridge needs: runtime_start; "),
    ],
)
async def test_an_unsuitable_server_is_logged_once(
    server: TwoInterfaces,
    session: aiohttp.ClientSession,
    database: Database,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    *,
    version: int,
    missing: tuple[str, ...],
    words: str,
) -> None:
    server.protocol_version = version
    server.capabilities |= dict.fromkeys(missing, False)
    async with discovering(server.url, "letta", session, database, clock) as discovery:
        for _ in range(3):
            [health] = await discovery.sync()
            assert str(health.error).startswith(words)
    assert capsys.readouterr().out.count(words) == 1
