"""Agents that go: their rooms are marked, archived or deleted, and everything is undone when they return."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest

from agent_bridge.demo.account import call
from agent_bridge.matrix.admin import Deletion, delete_room, deletion
from support.aliases import forget_lobby
from support.conditions import DEADLINE, eventually
from support.harness import DOMAIN, SHARED
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream
from support.shared_bridge import UpstreamHub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.agents import AgentState
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.postgres import Server


@dataclass(frozen=True)
class Place:
    """A bridge whose upstream lists the agents of many tests."""

    harness: BridgeHarness
    running: Running
    #: The upstreams: one with ordinary agents, and one whose agents live for a short time.
    hub: UpstreamHub
    swarm: UpstreamHub

    async def agent(self, upstream: ScriptedUpstream, person: Person) -> Conversation:
        """List the agent of *upstream*, and put *person* into its room."""
        self.hub.add(upstream)
        return await self.running.join(person, upstream.names[0])

    def remove(self, upstream: ScriptedUpstream) -> None:
        """List the agents of *upstream* no more."""
        for model in upstream.models:
            self.hub.models.remove(model)

    async def state(self, name: str, state: AgentState | str) -> None:
        """Wait until the agent called *name* has *state*, and its room was told."""

        async def has_state() -> bool:
            found = [each for each in await self.running.agents.all() if each.agent.name == name]
            return any(each.agent.state == state and each.home.announced_state == state for each in found)

        await eventually(has_state, f"{name} is {state}")

    async def pass_days(self, days: float) -> None:
        """Have the agents that are gone be so for *days* more."""
        await self.running.database.execute(
            "UPDATE agent SET state_since = state_since - make_interval(secs => %(seconds)s) WHERE state = 'gone'",
            {"seconds": days * 86_400},
        )
        await self.running.database.execute("SELECT pg_notify('agent_bridge', 'agents')")

    @asynccontextmanager
    async def server_administrator(self) -> AsyncIterator[None]:
        """Make the bot a server administrator for a time."""
        bot = self.running.homeserver.namespace.bot
        token = await self.harness.synapse.register_user(f"root{uuid4().hex}", "password", admin=True)
        async with aiohttp.ClientSession(
            self.harness.synapse.url, headers={"Authorization": f"Bearer {token}"}
        ) as http:
            path = f"/_synapse/admin/v1/users/{quote(bot)}/admin"
            await call(http, "PUT", path, {"admin": True})
            try:
                yield
            finally:
                await call(http, "PUT", path, {"admin": False})

    async def room(self, name: str) -> str | None:
        """Return the room of the agent called *name*."""
        return next(each.home.room_id for each in await self.running.agents.all() if each.agent.name == name)

    async def without_room(self, name: str) -> None:
        """Wait until the agent called *name* has no room."""

        async def has_none() -> bool:
            return await self.room(name) is None

        await eventually(has_none, f"{name} has no room")

    async def in_lobby(self, user: str, membership: str) -> None:
        """Wait until *user* has a membership in the lobby."""
        homeserver = self.running.homeserver

        async def has_it() -> bool:
            lobby = await homeserver.resolve_alias(homeserver.namespace.alias("shared_~lobby"))
            return lobby is not None and await homeserver.membership(lobby, user) == membership

        await eventually(has_it, f"{user} is in the lobby: {membership}")

    async def child(self, room_id: str) -> dict[str, Any]:
        """Return the entry of the Space for a room."""
        homeserver = self.running.homeserver
        space = await homeserver.resolve_alias(homeserver.namespace.alias("sharedbridge_space"))
        event = await homeserver.state(space or "", "m.space.child", room_id)
        return {} if event is None else event["content"]


@pytest.fixture(scope="module")
async def place(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Place]:
    with postgres.migrated() as database_url:
        async with UpstreamHub() as hub, UpstreamHub() as swarm:
            upstreams: list[dict[str, Any]] = [
                {"name": "scripted", "url": hub.url},
                {"name": "swarm", "url": swarm.url, "ephemeral": True},
            ]
            config = harness.config(
                database_url,
                upstreams,
                service=SHARED,
                presence=None,
                rooms={"lobby": True},
                retire={"after_days": 10, "delete": True},
                permissions={DOMAIN: "member", "@admin:test.local": "admin", "@owner:test.local": "owner"},
                space={},
            )
            await forget_lobby(config, harness.synapse.url)
            async with harness.bridge(config) as running:
                yield Place(harness, running, hub, swarm)


@pytest.fixture(scope="module")
async def admin(harness: BridgeHarness) -> AsyncIterator[Person]:
    async with harness.person("admin") as person:
        yield person


@pytest.fixture
async def person(harness: BridgeHarness) -> AsyncIterator[Person]:
    async with harness.person() as person:
        yield person


@pytest.fixture
def agent() -> ScriptedUpstream:
    """The agent of one test: its scripts; the upstream of the place lists it."""
    return ScriptedUpstream("x")


async def test_the_room_of_a_gone_agent_is_marked_and_a_return_undoes_it(
    place: Place, person: Person, agent: ScriptedUpstream
) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    listed = await place.child(talk.room_id)
    assert listed["suggested"]
    await place.running.homeserver.presence(talk.ghost, "online")
    await person.wait_for(lambda: person.presences.get(talk.ghost, {}).get("presence") == "online")
    place.remove(agent)
    await place.state(name, "gone")
    await person.wait_for(lambda: talk.room.name == f"{name} - Letta Agent Chat (gone)")
    assert await place.child(talk.room_id) == listed | {"suggested": False}
    # The presence would lapse by itself, but later.
    await person.wait_for(lambda: person.presences.get(talk.ghost, {}).get("presence") == "offline", 15)
    assert talk.room.members() >= {person.user_id, talk.ghost}
    place.hub.add(agent)
    await place.state(name, "active")
    await person.wait_for(lambda: talk.room.name == f"{name} - Letta Agent Chat")
    assert await place.child(talk.room_id) == listed
    await talk.say("hello")
    await person.wait_for(lambda: talk.answers and talk.answers[-1].body == "Echo: hello")


async def test_a_name_that_a_person_chose_stays(place: Place, person: Person, agent: ScriptedUpstream) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    await place.running.homeserver.set_state(
        talk.room_id,
        "m.room.power_levels",
        (await place.running.homeserver.state(talk.room_id, "m.room.power_levels") or {})["content"]
        | {"events": {"m.room.name": 0}},
    )
    await person.set_state(talk.room_id, "m.room.name", {"name": "Our room"})
    place.remove(agent)
    await place.state(name, "gone")
    assert not (await place.child(talk.room_id))["suggested"]
    await person.wait_for(lambda: talk.answers)
    assert talk.room.name == "Our room"


@pytest.mark.long
async def test_a_listed_agent_is_retired_by_a_command_and_stays_so_until_the_command_brings_it_back(
    place: Place, person: Person, admin: Person, agent: ScriptedUpstream
) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    listed = await place.child(talk.room_id)
    await place.in_lobby(talk.ghost, "join")
    await place.running.homeserver.invite(talk.room_id, admin.user_id)
    await admin.join(talk.room_id)
    answer = await talk.command(f"retire {name}", admin)
    assert answer == (
        f"{name} is retired: the Space does not list its room any more. !ab retire {name} back undoes it."
    )
    await place.state(name, "retired")
    assert await place.child(talk.room_id) == {}
    await place.in_lobby(talk.ghost, "leave")
    await person.wait_for(lambda: talk.room.name == f"{name} - Letta Agent Chat (gone)")
    # Looks at the list, also an operator's, leave it so.
    await place.running.bridge.discovery.sync(confirmed=True)
    await place.state(name, "retired")
    event_id = await talk.say("hello")
    await person.wait_for(lambda: "⚠️" in talk.room.reactions_to(event_id))
    assert talk.room.members() >= {person.user_id, talk.ghost}
    assert await talk.command(f"retire {name} back", admin) == f"{name} is back."
    await place.state(name, "active")
    assert await place.child(talk.room_id) == listed
    await place.in_lobby(talk.ghost, "join")
    await person.wait_for(lambda: talk.room.name == f"{name} - Letta Agent Chat")
    assert await talk.command(f"retire {name} back", admin) == f"{name} is not retired."


@pytest.mark.long
async def test_a_state_is_told_by_the_comparison_that_marks_the_room_with_it(
    harness: BridgeHarness, database_url: str, person: Person
) -> None:
    """The agent is back while its room is marked as that of an agent that is gone."""
    async with ScriptedUpstream("x") as upstream, Proxy(harness.synapse.url) as proxy:
        behind = {"address": proxy.url, "domain": DOMAIN}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], homeserver=behind, space={})
        async with harness.bridge(config) as running:
            talk, (contact,) = await running.join(person, upstream.names[0]), await running.agents.all()
            agent = contact.agent.id
            begun, gates = ([asyncio.Event(), asyncio.Event()] for _ in range(2))
            entries = iter(zip(begun, gates, strict=True))

            def hold(_number: int, method: str, path: str) -> asyncio.Event | None:
                if method != "PUT" or "/state/m.space.child/" not in path:
                    return None
                has_begun, gate = next(entries)
                has_begun.set()
                return gate

            proxy.holds = hold
            models, upstream.models[:] = [*upstream.models], []
            await asyncio.wait_for(begun[0].wait(), DEADLINE)
            await running.database.execute("UPDATE room SET announced_state = 'retired' WHERE owner = %s", (agent,))
            upstream.models[:] = models

            async def is_active() -> bool:
                return (await running.agents.by_agent(agent)).agent.state == "active"

            await eventually(is_active, "the agent is back")
            gates[0].set()
            await asyncio.wait_for(begun[1].wait(), DEADLINE)
            assert (await running.agents.by_agent(agent)).home.announced_state != "active"
            gates[1].set()
            await Place(harness, running, UpstreamHub(), UpstreamHub()).state(upstream.names[0], "active")
            assert talk.room.members() >= {person.user_id, talk.ghost}


@pytest.mark.long
async def test_an_agent_that_its_server_does_not_list_comes_back_with_the_list(
    place: Place, person: Person, admin: Person, agent: ScriptedUpstream
) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    await place.running.homeserver.invite(talk.room_id, admin.user_id)
    await admin.join(talk.room_id)
    await talk.command(f"retire {name}", admin)
    await place.state(name, "retired")
    place.remove(agent)
    answer = await talk.command(f"retire {name} back", admin)
    assert answer.startswith(f"{name} is not retired any more, but its server does not list it.")
    await place.state(name, "gone")
    assert not (await place.child(talk.room_id))["suggested"]
    place.hub.add(agent)
    await place.state(name, "active")


async def test_a_member_retires_no_agent(place: Place, person: Person, agent: ScriptedUpstream) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    assert "admin" in await talk.command(f"retire {name}")
    await place.state(name, "active")


async def test_an_agent_that_is_gone_for_long_is_retired_and_its_room_stays_without_the_rights_to_delete_it(
    place: Place, person: Person, admin: Person, agent: ScriptedUpstream
) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    place.remove(agent)
    await place.state(name, "gone")
    await place.pass_days(9.9)
    await place.state(name, "gone")
    await place.pass_days(0.2)
    await place.state(name, "retired")
    assert await place.child(talk.room_id) == {}
    assert await place.room(name) == talk.room_id
    told = f"The room of {name} is put away, and not deleted"
    bot = place.running.homeserver.namespace.bot
    await admin.wait_for(lambda: admin.invites)
    for room_id in list(admin.invites):
        await admin.join(room_id)
    await admin.wait_for(lambda: any(told in each.body for room in admin.rooms.values() for each in room.said_by(bot)))
    place.hub.add(agent)
    await place.state(name, "active")
    assert (await place.child(talk.room_id))["suggested"]
    # One line about the absence, and one about the return.
    await person.wait_for(lambda: len(talk.answers) == 2)


async def test_a_room_that_is_deleted_is_gone_for_all_and_a_return_makes_another_one(
    place: Place, person: Person, agent: ScriptedUpstream
) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    alias = f"#{talk.ghost[1:]}"
    async with place.server_administrator():
        place.remove(agent)
        await place.state(name, "gone")
        await place.pass_days(11)
        await place.without_room(name)
    assert await place.child(talk.room_id) == {}
    homeserver = place.running.homeserver
    assert await homeserver.resolve_alias(alias) is None
    assert await homeserver.room_state(talk.room_id, talk.ghost) is None
    place.hub.add(agent)
    room_id = (await place.running.contact(name)).home.room_id or ""
    assert room_id != talk.room_id
    assert await homeserver.resolve_alias(alias) == room_id

    async def is_listed() -> bool:
        return bool((await place.child(room_id)).get("suggested"))

    await eventually(is_listed, "the Space lists the new room")


@pytest.mark.long
async def test_an_owner_confirms_the_deletion_of_a_room(place: Place, person: Person, agent: ScriptedUpstream) -> None:
    talk, name = await place.agent(agent, person), agent.names[0]
    async with place.harness.person("owner") as owner, place.server_administrator():
        await place.running.homeserver.invite(talk.room_id, owner.user_id)
        await owner.join(talk.room_id)
        asked = await talk.command(f"retire {name}", owner)
        assert asked.startswith(f"Delete the room of {name} for all, with its history? Send !ab yes or react")
        await place.state(name, "active")
        # Only the person who was asked confirms it.
        assert "nothing to confirm" in await talk.command("yes")
        answer = await talk.command("yes", owner)
        assert answer == f"The room of {name} is being deleted. !ab retire {name} back makes a new one."
        await place.without_room(name)
    # The server lists the agent, and nobody asked for it to come back.
    await place.running.bridge.discovery.sync(confirmed=True)
    assert await place.room(name) is None


async def test_a_deletion_that_runs_is_found_by_its_room(place: Place, person: Person) -> None:
    """A process that was killed before it had stored the name of the deletion: the homeserver refuses another one."""
    homeserver = place.running.homeserver
    async with place.server_administrator():
        room_id = await person.create_room()
        refs = [await delete_room(homeserver, room_id) for _ in range(3)]
        assert None not in refs

        async def done() -> bool:
            return all([await deletion(homeserver, str(ref)) is Deletion.DONE for ref in refs])

        await eventually(done, "the room is deleted")
    assert await delete_room(homeserver, room_id) is None


@pytest.mark.long
async def test_the_rooms_of_a_swarm_are_removed_after_a_time_and_many_may_go_at_once(
    place: Place, person: Person
) -> None:
    swarm = ScriptedUpstream(*(f"s{number}" for number in range(3)))
    place.swarm.add(swarm)
    names = swarm.names
    talk = await place.running.join(person, names[0])
    for name in names:
        await place.running.contact(name)
    place.swarm.models.clear()
    for name in names:
        await place.state(name, "gone")
    await place.pass_days(0.99)
    await place.pass_days(0.02)
    for name in names:
        await place.without_room(name)
    # The bridge is no server administrator: the person was removed, and nobody of the bridge is there.
    await person.wait_for(lambda: person.user_id not in talk.room.members() or talk.room_id not in person.rooms)
    homeserver = place.running.homeserver
    assert await homeserver.room_state(talk.room_id, talk.ghost) is None
    assert await homeserver.room_state(talk.room_id) is None
    assert await homeserver.resolve_alias(f"#{talk.ghost[1:]}") is None
    place.swarm.add(swarm)
    assert (await place.running.contact(names[0])).home.room_id != talk.room_id


@pytest.mark.long
async def test_many_agents_that_go_at_once_still_wait_for_a_word_elsewhere(place: Place) -> None:
    others = ScriptedUpstream("a", "b")
    place.hub.add(others)
    for name in others.names:
        await place.running.contact(name)
    place.remove(others)

    async def doubted() -> bool:
        return any(each.doubted for each in place.running.bridge.discovery.health())

    await eventually(doubted, "the upstream is doubted")
    for name in others.names:
        await place.state(name, "active")
    place.hub.add(others)


@pytest.mark.long
async def test_an_agent_that_came_back_while_its_server_could_not_be_reached_keeps_its_room(
    place: Place, person: Person, agent: ScriptedUpstream
) -> None:
    talk, name, other = await place.agent(agent, person), agent.names[0], ScriptedUpstream("s")
    place.swarm.add(other)
    await place.running.contact(other.names[0])
    place.remove(agent)
    await place.state(name, "gone")
    place.hub.status = 500

    async def is_away() -> bool:
        return not place.running.bridge.discovery.health()[0].ok

    await eventually(is_away, "the upstream is away")
    place.swarm.models.clear()
    await place.state(other.names[0], "gone")
    await place.pass_days(11)
    # The look that retires this one has left the first one out.
    await place.without_room(other.names[0])
    await place.state(name, "gone")
    place.hub.add(agent)
    place.hub.status = 200
    await place.state(name, "active")
    assert await place.room(name) == talk.room_id
