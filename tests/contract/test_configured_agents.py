"""Agents of the configuration in the tables, beside those that an upstream lists."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.agents.configured import ConfiguredAgents
from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.entries import Entry, changes
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.bridge.rooms.admin_room import AdminRoom
from agent_bridge.config.agents import AgentConfig
from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.config.conversations import TemplatesConfig
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.config.validation import config_from
from agent_bridge.core.agents import AgentSettings, AgentState
from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.roles import Roles
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents, EntryChanges
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.rooms import Rooms
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from support.records import NAMES, wanted
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import aiohttp

    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.postgres.database import Database

TEMPLATES = TemplatesConfig(displayname="{name}", room_name="{name} of {upstream}", room_topic="{id}")
OTHER = UpstreamConfig(name="other", url="http://127.0.0.1:9")


def no_rooms(_agent: int) -> None:
    """Skip the rooms: the tests are about the tables."""


class Bridge:
    """The part of a bridge that fills the tables of agents: a discovery, and entries of the configuration."""

    def __init__(self, server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database) -> None:
        self.agents = Agents(database)
        self.up = UpstreamConfig(name="up", url=server.url, gone_after=0)
        self._session, self._signals = session, Signals()
        self._status = UpstreamStatus(KeyValues(database), self._signals)
        self.start()

    def start(self) -> None:
        """Begin to lead: nothing is known of the upstream."""
        upstreams = [(make_upstream(self.up, self._session, MemoryConversations()), self.up)]
        self.discovery = Discovery(
            upstreams, self.agents, no_rooms, NAMES, TEMPLATES, self._status, self._signals, ENGLISH
        )

    async def configure(self, *entries: Entry) -> EntryChanges:
        plan = partial(changes, entries, lists=self.discovery.lists, templates=TEMPLATES, namespace=NAMES)
        made = await self.agents.configure(plan)
        self.discovery.look_again()
        return made

    def entry(self, key: str, label: str = "", *, upstream: UpstreamConfig | None = None, **keys: Any) -> Entry:
        image = keys.pop("image", "")
        return Entry(AgentConfig(id=key, label=label or key.title(), **keys), upstream or self.up, image)

    async def one(self, agent_id: str, upstream: str = "up") -> AgentRoom:
        found = [each for each in await self.agents.of_upstream(upstream) if each.agent.agent_id == agent_id]
        assert len(found) == 1
        return found[0]

    async def states(self) -> dict[str, tuple[str, AgentState]]:
        return {each.agent.agent_id: (each.agent.name, each.agent.state) for each in await self.agents.all()}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        running.models = [{"id": "ada"}, {"id": "bob"}]
        yield running


@pytest.fixture
def bridge(server: ScriptedUpstream, session: aiohttp.ClientSession, database: Database) -> Bridge:
    return Bridge(server, session, database)


ACTIVE, GONE = AgentState.ACTIVE, AgentState.GONE


async def test_a_new_entry_is_an_agent_with_a_home(bridge: Bridge) -> None:
    keys: dict[str, Any] = {
        "model": "gpt",
        "system_prompt": "Be kind.",
        "temperature": 0.0,
        "greeting": "Hi",
        "description": "is kind",
    }
    await bridge.configure(bridge.entry("Kind-One", "Kind One", image="file:0:/kind.png", **keys))
    found = await bridge.one("Kind-One")
    agent, home = found.agent, found.home
    assert (agent.ghost, agent.model, agent.name, agent.displayname) == (
        "agent_kind_one",
        "gpt",
        "Kind One",
        "Kind One",
    )
    assert (agent.entry, agent.state, agent.kind) == ("Kind-One", ACTIVE, "openai")
    assert (agent.image, agent.description) == ("file:0:/kind.png", "is kind")
    assert agent.settings == AgentSettings("Be kind.", 0.0, "Hi", "file:0:/kind.png", "is kind")
    assert (home.name, home.topic, home.room_id) == ("Kind One of up", "Kind-One", None)
    # The same again is no change.
    entry = bridge.entry("Kind-One", "Kind One", image="file:0:/kind.png", **keys)
    assert not await bridge.configure(entry)


async def test_listed_agents_and_entries_live_side_by_side(bridge: Bridge) -> None:
    await bridge.configure(bridge.entry("one", model="ada"), bridge.entry("two", model="ada"))
    await bridge.discovery.sync()
    assert await bridge.states() == {
        "one": ("One", ACTIVE), "two": ("Two", ACTIVE), "ada": ("ada", ACTIVE), "bob": ("bob", ACTIVE)
    }  # fmt: skip
    assert bridge.discovery.health()[0].agents == 2


@pytest.mark.parametrize("listed_first", [True, False])
async def test_an_entry_with_the_id_of_a_listed_agent_is_this_agent(
    bridge: Bridge, server: ScriptedUpstream, *, listed_first: bool
) -> None:
    server.models[0] |= {"description": "by the server", "image_url": "https://example.org/ada.png"}
    if listed_first:
        await bridge.discovery.sync()
    await bridge.configure(bridge.entry("ada", "Dr Ada", model="gpt"))
    await bridge.discovery.sync()
    agent = (await bridge.one("ada")).agent
    assert (agent.name, agent.model, agent.entry) == ("Dr Ada", "gpt", "ada")
    assert (agent.description, agent.image) == ("by the server", "https://example.org/ada.png")
    # Its own picture and description go before, until they are removed.
    await bridge.configure(bridge.entry("ada", image="https://example.org/own.png", description="by the entry"))
    await bridge.discovery.sync()
    agent = (await bridge.one("ada")).agent
    assert (agent.description, agent.image) == ("by the entry", "https://example.org/own.png")
    await bridge.configure(bridge.entry("ada"))
    await bridge.discovery.sync()
    agent = (await bridge.one("ada")).agent
    assert (agent.description, agent.image) == ("by the server", "https://example.org/ada.png")
    # The list gets it back, at once and without a time in which it is gone.
    await bridge.configure()
    agent = (await bridge.one("ada")).agent
    assert (agent.state, agent.entry, agent.settings) == (ACTIVE, None, AgentSettings())
    await bridge.discovery.sync()
    agent = (await bridge.one("ada")).agent
    assert (agent.name, agent.model, agent.description) == ("ada", "ada", "by the server")


async def test_an_entry_keeps_its_agent_whatever_the_list_says(bridge: Bridge, server: ScriptedUpstream) -> None:
    await bridge.configure(bridge.entry("ada"))
    server.models = []
    await bridge.discovery.sync(confirmed=True)
    await bridge.discovery.sync(confirmed=True)
    assert await bridge.states() == {"ada": ("Ada", ACTIVE)}


async def test_a_removed_entry_that_is_not_listed_is_gone_at_once(bridge: Bridge) -> None:
    await bridge.configure(bridge.entry("one", model="ada"), bridge.entry("two", model="ada"))
    await bridge.discovery.sync()
    before = await bridge.one("two")
    await bridge.configure(bridge.entry("one", model="ada"))
    assert (await bridge.one("two")).agent.state is GONE
    await bridge.discovery.sync()
    assert (await bridge.one("two")).agent.state is GONE
    # It comes back as the same agent.
    await bridge.configure(bridge.entry("one", model="ada"), bridge.entry("two", "Zwei", model="bob"))
    after = await bridge.one("two")
    assert (after.agent.id, after.agent.ghost, after.home.id) == (before.agent.id, before.agent.ghost, before.home.id)
    assert (after.agent.state, after.agent.name) == (ACTIVE, "Zwei")


async def test_an_entry_that_was_removed_while_the_bridge_was_away_waits_for_the_list(bridge: Bridge) -> None:
    """An agent that the upstream lists must not be gone in between: its room would be told."""
    await bridge.discovery.sync()
    await bridge.configure(bridge.entry("ada"), bridge.entry("one", model="ada"))
    bridge.start()
    assert bridge.discovery.lists("up", "ada") is None
    assert not await bridge.configure()
    await bridge.discovery.sync()
    made = await bridge.configure()
    assert sorted(is_listed for _, is_listed in made.released) == [False, True]
    assert await bridge.states() == {"ada": ("Ada", ACTIVE), "bob": ("bob", ACTIVE), "one": ("One", GONE)}


async def test_an_entry_may_move_to_another_upstream(bridge: Bridge) -> None:
    await bridge.configure(bridge.entry("one"), bridge.entry("bob"))
    one = await bridge.one("one")
    await bridge.configure(bridge.entry("one", upstream=OTHER), bridge.entry("bob"))
    moved = await bridge.one("one", "other")
    assert (moved.agent.id, moved.home.id, moved.home.name) == (one.agent.id, one.home.id, "One of other")
    # An agent of the other upstream that has the id goes before.
    await bridge.agents.add([wanted("bob", upstream="other", ghost="agent_bob_other")])
    await bridge.discovery.sync()
    await bridge.configure(bridge.entry("one", upstream=OTHER), bridge.entry("bob", upstream=OTHER))
    taken = await bridge.one("bob", "other")
    assert (taken.agent.ghost, taken.agent.entry) == ("agent_bob_other", "bob")
    assert (await bridge.one("bob")).agent.entry is None
    assert (await bridge.one("bob")).agent.state is ACTIVE


async def test_an_agent_that_was_renamed_is_found_by_its_present_id(bridge: Bridge, server: ScriptedUpstream) -> None:
    server.models = [{"id": "ada", "owned_by": "letta", "created": 0}]
    await bridge.discovery.sync()
    server.models[0]["id"] = "zoe"
    await bridge.discovery.sync()
    await bridge.configure(bridge.entry("zoe", "Dr Zoe"))
    agent = (await bridge.one("ada")).agent
    assert (agent.name, agent.entry, agent.model) == ("Dr Zoe", "zoe", "zoe")
    # Another agent that the list has by the first name gets an identity of its own.
    server.models.append({"id": "ada", "owned_by": "letta", "created": 0})
    await bridge.discovery.sync(confirmed=True)
    assert await bridge.states() == {"ada": ("Dr Zoe", ACTIVE), "ada~2": ("ada", ACTIVE)}


async def test_a_discovery_that_read_the_tables_before_changes_no_entry(bridge: Bridge) -> None:
    """Both write the same rows, and the entry is the operator's word."""
    await bridge.discovery.sync()
    ada = await bridge.one("ada")
    await bridge.configure(bridge.entry("ada", "Dr Ada", model="gpt", description="by the entry"))
    await bridge.agents.update({ada.agent.id: wanted("ada", state=GONE)})
    await bridge.agents.describe({ada.agent.id: ("https://example.org/ada.png", "by the server")})
    await bridge.agents.reconnect(ada.agent.id, "bob", ada.agent.id)
    assert await bridge.agents.switch("up", "letta", {ada.agent.id: "agent-1"}) == 0
    after = await bridge.one("ada")
    assert (after.agent.name, after.agent.model, after.agent.state) == ("Dr Ada", "gpt", ACTIVE)
    assert (after.agent.description, after.home.name) == ("by the entry", "Dr Ada of up")


async def test_an_upstream_of_another_kind_keeps_the_agents_of_entries(bridge: Bridge) -> None:
    await bridge.configure(bridge.entry("one", model="ada"))
    letta = bridge.up.model_copy(update={"kind": "letta"})
    await bridge.configure(bridge.entry("one", model="agent-1", upstream=letta))
    agent = (await bridge.one("one")).agent
    assert (agent.kind, agent.model) == ("letta", "agent-1")


async def test_two_leaders_make_one_agent(bridge: Bridge) -> None:
    """A leader that lost its lock may still write."""
    entries = [bridge.entry("one", model="ada"), bridge.entry("two", model="ada")]
    await asyncio.gather(*(bridge.configure(*entries) for _ in range(4)), bridge.discovery.sync())
    assert sorted(await bridge.states()) == ["ada", "bob", "one", "two"]


async def names(agents: Agents) -> list[str]:
    return [each.agent.name for each in await agents.all() if each.agent.entry is not None]


async def test_a_file_counts_when_it_is_complete_and_a_fault_is_told_until_the_homeserver_takes_it(
    bridge: Bridge, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text("agents:\n  - {id: one, label: One}\n")
    config = config_from(
        {
            "homeserver": {"address": "http://127.0.0.1:9", "domain": "example.org"},
            "appservice": {"as_token": "a", "hs_token": "h"},
            "upstreams": [{"name": "up", "url": "http://127.0.0.1:9"}],
            "permissions": {"@admin:example.org": "admin"},
            "agents_file": str(file),
        }
    )
    await bridge.discovery.sync()
    async with homeserver_session() as session:
        homeserver = Homeserver(config.homeserver.address, "a", NAMES, session)
        roles = Roles.fixed(config.permissions, NAMES)
        admin_room = AdminRoom(homeserver, KeyValues(database), Rooms(database), config, roles, ENGLISH)
        source = AgentsSource(config, None)
        configured = ConfiguredAgents(source, bridge.agents, bridge.discovery, admin_room, config, ENGLISH)
        await configured._look()
        assert await names(bridge.agents) == ["One"]
        # An editor writes the file piece by piece.
        for text in ("", "agents:\n  - {id: one", "agents:\n  - {id: one, label: Two}\n"):
            file.write_text(text)
            await configured._look()
            assert await names(bridge.agents) == ["One"]
        await configured._look()
        assert await names(bridge.agents) == ["Two"]
        file.write_text("agents: []\n")
        await configured._look()
        for _ in range(2):
            with pytest.raises(HomeserverUnavailable):
                await configured._look()
        file.write_text("agents:\n  - {id: one, label: Three}\n")
        await configured._look()
        await configured._look()
        assert await names(bridge.agents) == ["Three"]
