"""Agents and their portals on a real PostgreSQL: what should be, and how far it is made so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import StoreError
from agent_bridge.store.agents import Contact, Contacts
from support.records import wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.store.database import Database


@pytest.fixture
def contacts(database: Database) -> Contacts:
    return Contacts(database)


@pytest.fixture
async def frida(contacts: Contacts) -> Contact:
    await contacts.add([wanted()])
    (contact,) = await contacts.all()
    return contact


async def test_a_new_agent_has_an_unmade_home(frida: Contact) -> None:
    agent, portal = frida.agent, frida.portal
    assert (agent.upstream, agent.agent_id, agent.model, agent.name) == ("up", "Frida", "Frida", "Frida")
    assert (agent.ghost, agent.displayname, agent.displayname_applied) == ("agent_frida", "Agent Frida", None)
    assert agent.state is AgentState.ACTIVE
    assert timedelta(0) <= datetime.now(UTC) - agent.state_since < timedelta(seconds=10)
    assert portal.agent == agent.id
    assert (portal.room_id, portal.name, portal.topic) == (None, "Frida - Chat", "Chat with Frida")
    assert (portal.name_applied, portal.topic_applied) == (None, None)
    assert (portal.bot_joined, portal.space, portal.invited) == (False, None, frozenset())
    assert portal.told is AgentState.ACTIVE


async def test_a_contact_is_found_by_what_is_known_of_it(contacts: Contacts, frida: Contact) -> None:
    assert await contacts.by_agent(frida.agent.id) == frida
    assert await contacts.by_portal(frida.portal.id) == frida
    with pytest.raises(LookupError):
        await contacts.by_agent(frida.agent.id + 1)
    with pytest.raises(LookupError):
        await contacts.by_portal(frida.portal.id + 1)


async def test_contacts_come_in_the_order_in_which_they_were_seen(contacts: Contacts) -> None:
    await contacts.add([wanted("Zoe"), wanted("Ann")])
    await contacts.add([wanted("Mia", upstream="other")])
    await contacts.add([wanted("Bea", state=AgentState.HELD)])
    assert [contact.agent.name for contact in await contacts.all()] == ["Zoe", "Ann", "Mia", "Bea"]
    assert [contact.agent.name for contact in await contacts.of_upstream("up")] == ["Zoe", "Ann", "Bea"]
    assert await contacts.of_upstream("unknown") == []
    assert await contacts.ghosts() == {"agent_zoe", "agent_ann", "agent_mia", "agent_bea"}


async def test_adding_again_changes_nothing(contacts: Contacts, frida: Contact) -> None:
    await contacts.add([wanted(name="Other", agent_id="Frida", ghost="agent_other", state=AgentState.GONE)])
    assert await contacts.all() == [frida]


async def test_the_same_id_of_another_upstream_is_another_agent(contacts: Contacts, frida: Contact) -> None:
    await contacts.add([wanted(upstream="other", ghost="agent_frida_2")])
    assert [contact.agent.upstream for contact in await contacts.all()] == ["up", "other"]
    assert await contacts.of_upstream("up") == [frida]


async def test_agents_are_added_all_or_none(contacts: Contacts, frida: Contact) -> None:
    with pytest.raises(StoreError, match="duplicate key"):
        await contacts.add([wanted("Ann"), wanted("Bea", ghost="agent_frida")])
    assert await contacts.all() == [frida]


async def test_two_that_add_at_once_add_one(contacts: Contacts) -> None:
    await asyncio.gather(*(contacts.add([wanted("Ann"), wanted("Bea")]) for _ in range(8)))
    assert [contact.agent.name for contact in await contacts.all()] == ["Ann", "Bea"]


async def test_an_update_writes_wishes_only(contacts: Contacts, frida: Contact) -> None:
    await contacts.displayname_applied(frida.agent.id, "Agent Frida")
    await contacts.room_made(frida.portal.id, "!r", "Frida - Chat", "Chat with Frida")
    changed = wanted("Ann", agent_id="new id", ghost="agent_new", upstream="new", state=AgentState.GONE)
    await contacts.update(frida.agent.id, changed)
    after = await contacts.by_agent(frida.agent.id)
    assert (after.agent.upstream, after.agent.agent_id, after.agent.ghost) == ("up", "Frida", "agent_frida")
    assert (after.agent.model, after.agent.name, after.agent.state) == ("Ann", "Ann", AgentState.GONE)
    assert (after.agent.displayname, after.agent.displayname_applied) == ("Agent Ann", "Agent Frida")
    assert (after.portal.name, after.portal.name_applied) == ("Ann - Chat", "Frida - Chat")
    assert (after.portal.topic, after.portal.topic_applied) == ("Chat with Ann", "Chat with Frida")
    assert after.portal.told is AgentState.ACTIVE
    assert after.agent.state_since > frida.agent.state_since


async def test_a_state_that_stays_keeps_its_time(contacts: Contacts, frida: Contact) -> None:
    await contacts.update(frida.agent.id, wanted("Ann"))
    assert (await contacts.by_agent(frida.agent.id)).agent.state_since == frida.agent.state_since


async def test_an_update_is_of_one_agent(contacts: Contacts, frida: Contact) -> None:
    await contacts.add([wanted("Ann")])
    await contacts.update(frida.agent.id, wanted("Bea"))
    ann = (await contacts.all())[1]
    assert (ann.agent.name, ann.portal.name, ann.portal.topic) == ("Ann", "Ann - Chat", "Chat with Ann")


@pytest.mark.parametrize(
    ("rung", "fields"),
    [
        (lambda c, at: c.room_made(at, "!r", "N", "T"), {"room_id": "!r", "name_applied": "N", "topic_applied": "T"}),
        (lambda c, at: c.room_made(at, "!r", None, None), {"room_id": "!r", "name_applied": None}),
        (lambda c, at: c.bot_joined(at), {"bot_joined": True}),
        (lambda c, at: c.linked(at, "!space"), {"space": "!space"}),
        (lambda c, at: c.invited(at, "@bob:hs"), {"invited": frozenset({"@bob:hs"})}),
        (lambda c, at: c.name_applied(at, "N"), {"name_applied": "N", "name": "Frida - Chat"}),
        (lambda c, at: c.topic_applied(at, "T"), {"topic_applied": "T", "topic": "Chat with Frida"}),
        (lambda c, at: c.told(at, AgentState.GONE), {"told": AgentState.GONE}),
    ],
    ids=["room", "room found", "bot", "space", "invited", "name", "topic", "told"],
)
async def test_each_rung_is_written_down_alone(
    contacts: Contacts, frida: Contact, rung: Callable[[Contacts, int], Awaitable[None]], fields: dict[str, Any]
) -> None:
    await contacts.add([wanted("Ann")])
    ann = (await contacts.all())[1]
    for _ in range(2):  # a crash in between makes it happen again
        await rung(contacts, frida.portal.id)
    after = await contacts.by_agent(frida.agent.id)
    assert {key: getattr(after.portal, key) for key in fields} == fields
    changed = {key for key in type(after.portal).__slots__ if getattr(after.portal, key) != getattr(frida.portal, key)}
    assert changed <= fields.keys()
    assert after.agent == frida.agent
    assert await contacts.by_agent(ann.agent.id) == ann


async def settle(contacts: Contacts, contact: Contact, space: str | None = "!space") -> None:
    """Write down that *contact* is what it should be, its room listed by *space*."""
    agent, portal = contact.agent, contact.portal
    await contacts.displayname_applied(agent.id, agent.displayname)
    await contacts.room_made(portal.id, f"!{agent.id}", portal.name, portal.topic)
    await contacts.bot_joined(portal.id)
    if space is not None:
        await contacts.linked(portal.id, space)


async def test_a_settled_agent_is_not_unsettled(contacts: Contacts, frida: Contact) -> None:
    assert await contacts.unsettled("!space") == [frida.agent.id]
    await settle(contacts, frida)
    assert await contacts.unsettled("!space") == []
    assert await contacts.unsettled(None) == []
    assert await contacts.unsettled("!another") == [frida.agent.id]


@pytest.mark.parametrize(
    ("space", "unsettled"), [(None, False), ("!space", True)], ids=["there is no Space", "the Space came later"]
)
async def test_a_room_without_a_space_is_settled_while_there_is_none(
    contacts: Contacts,
    frida: Contact,
    space: str | None,
    unsettled: bool,  # noqa: FBT001
) -> None:
    await settle(contacts, frida, space=None)
    assert bool(await contacts.unsettled(space)) is unsettled


@pytest.mark.parametrize(
    ("change", "unsettled"),
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
async def test_what_is_wanted_and_not_applied_is_unsettled(
    contacts: Contacts,
    frida: Contact,
    change: dict[str, Any],
    unsettled: bool,  # noqa: FBT001
) -> None:
    await settle(contacts, frida)
    await contacts.update(frida.agent.id, wanted(**change))
    assert await contacts.unsettled("!space") == ([frida.agent.id] if unsettled else [])


async def test_who_is_gone_is_settled_when_the_room_was_told(contacts: Contacts, frida: Contact) -> None:
    await settle(contacts, frida)
    gone = wanted(state=AgentState.GONE, displayname="another")
    await contacts.update(frida.agent.id, gone)
    await contacts.told(frida.portal.id, AgentState.GONE)
    assert await contacts.unsettled("!space") == []
    await contacts.update(frida.agent.id, wanted())
    assert await contacts.unsettled("!space") == [frida.agent.id]


async def test_who_went_without_a_room_is_settled(contacts: Contacts, frida: Contact) -> None:
    await contacts.update(frida.agent.id, wanted(state=AgentState.GONE))
    assert await contacts.unsettled("!space") == []


async def test_everybody_who_was_invited_is_remembered(contacts: Contacts, frida: Contact) -> None:
    for who in ("@a:hs", "@b:hs"):
        await contacts.invited(frida.portal.id, who)
    assert (await contacts.by_agent(frida.agent.id)).portal.invited == {"@a:hs", "@b:hs"}


async def test_portals_are_found_by_their_rooms(contacts: Contacts, frida: Contact) -> None:
    assert await contacts.portals_in([]) == {}
    assert await contacts.portals_in(["!r"]) == {}
    await contacts.room_made(frida.portal.id, "!r", None, None)
    assert await contacts.portals_in(["!r", "!unknown", "!r"]) == {"!r": frida.portal.id}


async def test_a_room_is_one_agents(contacts: Contacts, frida: Contact) -> None:
    await contacts.add([wanted("Ann")])
    ann = (await contacts.all())[1]
    await contacts.room_made(frida.portal.id, "!r", None, None)
    with pytest.raises(StoreError, match="duplicate key"):
        await contacts.room_made(ann.portal.id, "!r", None, None)
