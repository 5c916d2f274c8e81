"""Agents and their portals on a real PostgreSQL: the wanted state, and the state that is applied."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import StoreError
from agent_bridge.store.agents import AgentRoom, Agents
from support.records import wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.store.postgres.database import Database


@pytest.fixture
def agents(database: Database) -> Agents:
    return Agents(database)


@pytest.fixture
async def frida(agents: Agents) -> AgentRoom:
    await agents.add([wanted()])
    (contact,) = await agents.all()
    return contact


async def test_a_new_agent_has_an_unmade_home(frida: AgentRoom) -> None:
    agent, home = frida.agent, frida.home
    assert (agent.upstream, agent.agent_id, agent.model, agent.name) == ("up", "Frida", "Frida", "Frida")
    assert (agent.ghost, agent.displayname, agent.displayname_applied) == ("agent_frida", "Agent Frida", None)
    assert agent.state is AgentState.ACTIVE
    assert timedelta(0) <= datetime.now(UTC) - agent.state_since < timedelta(seconds=10)
    assert (home.room_id, home.name, home.topic) == (None, "Frida - Chat", "Chat with Frida")
    assert (home.name_applied, home.topic_applied) == (None, None)
    assert (home.bot_joined, home.space, home.invited) == (False, None, frozenset())
    assert home.announced_state is AgentState.ACTIVE


async def test_an_agent_is_found_by_each_of_its_keys(agents: Agents, frida: AgentRoom) -> None:
    assert await agents.by_agent(frida.agent.id) == frida
    with pytest.raises(LookupError):
        await agents.by_agent(frida.agent.id + 1)


async def test_contacts_come_in_the_order_in_which_they_were_seen(agents: Agents) -> None:
    await agents.add([wanted("Zoe"), wanted("Ann")])
    await agents.add([wanted("Mia", upstream="other")])
    await agents.add([wanted("Bea", state=AgentState.HELD)])
    assert [contact.agent.name for contact in await agents.all()] == ["Zoe", "Ann", "Mia", "Bea"]
    assert [contact.agent.name for contact in await agents.of_upstream("up")] == ["Zoe", "Ann", "Bea"]
    assert await agents.of_upstream("unknown") == []
    assert await agents.ghosts() == {"agent_zoe", "agent_ann", "agent_mia", "agent_bea"}


async def test_adding_again_changes_nothing(agents: Agents, frida: AgentRoom) -> None:
    await agents.add([wanted(name="Other", agent_id="Frida", ghost="agent_other", state=AgentState.GONE)])
    assert await agents.all() == [frida]


async def test_the_same_id_of_another_upstream_is_another_agent(agents: Agents, frida: AgentRoom) -> None:
    await agents.add([wanted(upstream="other", ghost="agent_frida_2")])
    assert [contact.agent.upstream for contact in await agents.all()] == ["up", "other"]
    assert await agents.of_upstream("up") == [frida]


async def test_agents_are_added_all_or_none(agents: Agents, frida: AgentRoom) -> None:
    with pytest.raises(StoreError, match="duplicate key"):
        await agents.add([wanted("Ann"), wanted("Bea", ghost="agent_frida")])
    assert await agents.all() == [frida]


async def test_two_that_add_at_once_add_one(agents: Agents) -> None:
    await asyncio.gather(*(agents.add([wanted("Ann"), wanted("Bea")]) for _ in range(8)))
    assert [contact.agent.name for contact in await agents.all()] == ["Ann", "Bea"]


async def test_an_update_writes_wishes_only(agents: Agents, frida: AgentRoom) -> None:
    await agents.displayname_applied(frida.agent.id, "Agent Frida")
    await agents.room_made(frida.home.id, "!r", "Frida - Chat", "Chat with Frida")
    changed = wanted("Ann", agent_id="new id", ghost="agent_new", upstream="new", state=AgentState.GONE)
    await agents.update({frida.agent.id: changed})
    after = await agents.by_agent(frida.agent.id)
    assert (after.agent.upstream, after.agent.agent_id, after.agent.ghost) == ("up", "Frida", "agent_frida")
    assert (after.agent.model, after.agent.name, after.agent.state) == ("Ann", "Ann", AgentState.GONE)
    assert (after.agent.displayname, after.agent.displayname_applied) == ("Agent Ann", "Agent Frida")
    assert (after.home.name, after.home.name_applied) == ("Ann - Chat", "Frida - Chat")
    assert (after.home.topic, after.home.topic_applied) == ("Chat with Ann", "Chat with Frida")
    assert after.home.announced_state is AgentState.ACTIVE
    assert after.agent.state_since > frida.agent.state_since


async def test_a_state_that_stays_keeps_its_time(agents: Agents, frida: AgentRoom) -> None:
    await agents.update({frida.agent.id: wanted("Ann")})
    assert (await agents.by_agent(frida.agent.id)).agent.state_since == frida.agent.state_since


async def test_an_update_is_of_one_agent(agents: Agents, frida: AgentRoom) -> None:
    await agents.add([wanted("Ann")])
    await agents.update({frida.agent.id: wanted("Bea")})
    ann = (await agents.all())[1]
    assert (ann.agent.name, ann.home.name, ann.home.topic) == ("Ann", "Ann - Chat", "Chat with Ann")


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        (lambda c, at: c.room_made(at, "!r", "N", "T"), {"room_id": "!r", "name_applied": "N", "topic_applied": "T"}),
        (lambda c, at: c.room_made(at, "!r", None, None), {"room_id": "!r", "name_applied": None}),
        (lambda c, at: c.bot_joined(at), {"bot_joined": True}),
        (lambda c, at: c.linked(at, "!space"), {"space": "!space"}),
        (lambda c, at: c.invited(at, "@bob:hs"), {"invited": frozenset({"@bob:hs"})}),
        (lambda c, at: c.name_applied(at, "N"), {"name_applied": "N", "name": "Frida - Chat"}),
        (lambda c, at: c.topic_applied(at, "T"), {"topic_applied": "T", "topic": "Chat with Frida"}),
        (lambda c, at: c.announced(at, AgentState.GONE), {"announced_state": AgentState.GONE}),
    ],
    ids=["room", "room found", "bot", "space", "invited", "name", "topic", "told"],
)
async def test_each_rung_is_written_down_alone(
    agents: Agents, frida: AgentRoom, step: Callable[[Agents, int], Awaitable[None]], fields: dict[str, Any]
) -> None:
    await agents.add([wanted("Ann")])
    ann = (await agents.all())[1]
    for _ in range(2):  # a crash in between repeats the step
        await step(agents, frida.home.id)
    after = await agents.by_agent(frida.agent.id)
    assert {key: getattr(after.home, key) for key in fields} == fields
    changed = {key for key in type(after.home).__slots__ if getattr(after.home, key) != getattr(frida.home, key)}
    assert changed <= fields.keys()
    assert after.agent == frida.agent
    assert await agents.by_agent(ann.agent.id) == ann


async def settle(agents: Agents, contact: AgentRoom, space: str | None = "!space") -> None:
    """Record that the ghost and the room of *contact* are up to date, and that *space* lists the room."""
    agent, home = contact.agent, contact.home
    await agents.displayname_applied(agent.id, agent.displayname)
    await agents.image_applied(agent.id, agent.image, "mxc://test.local/avatar")
    await agents.avatar_applied(contact.home.id, "mxc://test.local/avatar")
    await agents.room_made(home.id, f"!{agent.id}", home.name, home.topic)
    await agents.bot_joined(home.id)
    await agents.introduced(home.id)
    if space is not None:
        await agents.linked(home.id, space)


async def test_an_applied_agent_is_not_out_of_sync(agents: Agents, frida: AgentRoom) -> None:
    assert await agents.out_of_sync("!space") == [frida.agent.id]
    await settle(agents, frida)
    assert await agents.out_of_sync("!space") == []
    assert await agents.out_of_sync(None) == []
    assert await agents.out_of_sync("!another") == [frida.agent.id]


@pytest.mark.parametrize(
    ("space", "out_of_sync"), [(None, False), ("!space", True)], ids=["there is no Space", "the Space came later"]
)
async def test_a_room_without_a_space_is_settled_while_there_is_none(
    agents: Agents,
    frida: AgentRoom,
    space: str | None,
    out_of_sync: bool,  # noqa: FBT001
) -> None:
    await settle(agents, frida, space=None)
    assert bool(await agents.out_of_sync(space)) is out_of_sync


@pytest.mark.parametrize(
    ("change", "out_of_sync"),
    [
        ({}, False),
        ({"displayname": "Agent Ann"}, True),
        ({"room_name": "Ann - Chat"}, True),
        ({"room_topic": "Chat with Ann"}, True),
        ({"model": "new", "name": "new"}, False),
        ({"state": AgentState.GONE}, True),
        ({"state": AgentState.HELD, "displayname": "Agent Ann"}, False),
    ],
    ids=str,
)
async def test_agents_with_changes_to_apply_are_out_of_sync(
    agents: Agents,
    frida: AgentRoom,
    change: dict[str, Any],
    out_of_sync: bool,  # noqa: FBT001
) -> None:
    await settle(agents, frida)
    await agents.update({frida.agent.id: wanted(**change)})
    assert await agents.out_of_sync("!space") == ([frida.agent.id] if out_of_sync else [])


async def test_a_gone_agent_is_settled_when_its_room_was_told(agents: Agents, frida: AgentRoom) -> None:
    await settle(agents, frida)
    gone = wanted(state=AgentState.GONE, displayname="another")
    await agents.update({frida.agent.id: gone})
    await agents.announced(frida.home.id, AgentState.GONE)
    assert await agents.out_of_sync("!space") == []
    await agents.update({frida.agent.id: wanted()})
    assert await agents.out_of_sync("!space") == [frida.agent.id]


async def test_a_gone_agent_without_a_room_is_settled(agents: Agents, frida: AgentRoom) -> None:
    await agents.update({frida.agent.id: wanted(state=AgentState.GONE)})
    assert await agents.out_of_sync("!space") == []


async def test_invitations_are_remembered(agents: Agents, frida: AgentRoom) -> None:
    for who in ("@a:hs", "@b:hs"):
        await agents.invited(frida.home.id, who)
    assert (await agents.by_agent(frida.agent.id)).home.invited == {"@a:hs", "@b:hs"}


async def test_a_room_is_one_agents(agents: Agents, frida: AgentRoom) -> None:
    await agents.add([wanted("Ann")])
    ann = (await agents.all())[1]
    await agents.room_made(frida.home.id, "!r", None, None)
    with pytest.raises(StoreError, match="duplicate key"):
        await agents.room_made(ann.home.id, "!r", None, None)
