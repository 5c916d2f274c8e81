"""Agents become contacts: ghosts, rooms and the Space on a real homeserver."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.core.agents import AgentState
from support.aliases import make_space
from support.conditions import eventually
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

SPACE = "#agentbridge_space:test.local"


async def linked(running: Running, name: str) -> AgentRoom:
    """Wait until the agent's last step is done."""

    async def settled() -> AgentRoom | None:
        contact = await running.contact(name)
        return contact if contact.home.space else None

    return await eventually(settled, f"the room of {name} is in the Space")


async def content(running: Running, room_id: str, kind: str, key: str = "") -> dict[str, Any]:
    event = await running.homeserver.state(room_id, kind, key)
    return {} if event is None else dict(event["content"])


async def test_a_room_is_whole_from_the_start(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Agent-X y") as upstream, harness.person() as guest:
        upstream.models[0]["name"] = "Ada"
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], rooms={"invite": [guest.user_id]}, space={}
        )
        async with harness.bridge(config) as running:
            contact = await linked(running, "Ada")
            room_id, space = contact.home.room_id or "", contact.home.space or ""
            ghost = f"@{contact.agent.ghost}:test.local"
            assert contact.agent.ghost.startswith("agent_x=20y")
            assert await guest.resolve(f"#{contact.agent.ghost}:test.local") == room_id
            assert await guest.resolve(SPACE) == space
            assert await guest.displayname(ghost) == "Letta Agent: Ada"
            create = await running.homeserver.state(room_id, "m.room.create")
            assert create is not None
            assert create["sender"] == ghost
            assert create["content"]["additional_creators"] == ["@agentbridge:test.local"]
            assert (await content(running, room_id, "m.room.name"))["name"] == "Ada - Letta Agent Chat"
            assert (await content(running, room_id, "m.room.topic"))["topic"] == "Chat with Ada (Letta Agent)"
            assert (await content(running, room_id, "m.room.join_rules"))["join_rule"] == "invite"
            assert (await content(running, room_id, "m.space.parent", space))["via"] == ["test.local"]
            child = await content(running, space, "m.space.child", room_id)
            assert (child["via"], child["suggested"], bool(child["order"])) == (["test.local"], True, True)
            powers = (await content(running, room_id, "m.room.power_levels"))["users"]
            assert powers == {"@admin:test.local": 100}
            await guest.wait_for(lambda: {room_id, space} <= guest.invites.keys())
            await guest.join(room_id)
            await guest.wait_for(lambda: room_id in guest.rooms)
            assert guest.room(room_id).members() == {ghost, "@agentbridge:test.local", guest.user_id}


@pytest.mark.long
async def test_in_an_older_room_version_the_bridge_is_above_admins(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("eleven") as upstream:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            contact = await linked(running, upstream.names[0])
            room_id = contact.home.room_id or ""
            levels = await content(running, room_id, "m.room.power_levels")
            ours = {f"@{contact.agent.ghost}:test.local": 200, "@agentbridge:test.local": 200}
            assert levels["users"] == ours | {"@admin:test.local": 100}
            # Nobody can take the level of a user away who has the same one.
            await running.homeserver.set_state(room_id, "m.room.power_levels", levels | {"users": ours})


async def test_a_rename_is_seen_everywhere(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("stable") as upstream, harness.talk(database_url, upstream, space={}) as talk:
        upstream.models[0]["name"] = "Grace"
        await talk.person.wait_for(
            lambda: (
                talk.room.name == "Grace - Letta Agent Chat"
                and talk.room.topic == "Chat with Grace (Letta Agent)"
                and talk.room.displayname(talk.ghost) == "Letta Agent: Grace"
            )
        )
        assert (await talk.running.contact("Grace")).home.room_id == talk.room_id


@pytest.mark.long
async def test_where_ids_are_names_one_for_one_is_a_rename(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("Dora", created=0, owned_by="letta") as upstream,
        harness.talk(database_url, upstream, space={}) as talk,
    ):
        await talk.say("before")
        await talk.wait_for_answers(1)
        upstream.models[0]["id"] = "Theodora"
        await talk.person.wait_for(lambda: talk.room.name == "Theodora - Letta Agent Chat")
        await talk.say("after")
        await talk.wait_for_answers(2)
        assert upstream.asked[-1]["model"] == "Theodora"
        assert len(await talk.running.agents.all()) == 1


@pytest.mark.long
async def test_a_name_that_a_person_chose_stays(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("pet") as upstream, harness.talk(database_url, upstream, space={}) as talk:
        powers = await content(talk.running, talk.room_id, "m.room.power_levels")
        powers["users"][talk.person.user_id] = 50
        await talk.running.homeserver.set_state(talk.room_id, "m.room.power_levels", powers, as_user=talk.ghost)
        await talk.person.wait_for(lambda: talk.room.state["m.room.power_levels", ""] == powers)
        await talk.person.set_state(talk.room_id, "m.room.name", {"name": "My pet"})
        upstream.models[0]["name"] = "Rex"
        await talk.person.wait_for(
            lambda: (
                talk.room.topic == "Chat with Rex (Letta Agent)"
                and talk.room.displayname(talk.ghost) == "Letta Agent: Rex"
            )
        )
        assert talk.room.name == "My pet"


async def test_an_agent_that_goes_and_comes_back_is_told_of(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("stay", "leaver") as upstream, harness.talk(database_url, upstream, space={}) as talk:
        kept = upstream.models.pop(0)

        def notices() -> list[str]:
            return [answer.body for answer in talk.answers if answer.content["msgtype"] == "m.notice"]

        await talk.person.wait_for(lambda: len(notices()) == 1)
        assert "no longer available" in notices()[0]
        await talk.say("anybody?")
        await talk.person.wait_for(lambda: len(notices()) == 2)
        assert "no longer available" in notices()[1]
        assert upstream.asked == []
        upstream.models.append(kept)
        await talk.person.wait_for(lambda: len(notices()) == 3)
        assert "back" in notices()[2]
        await talk.say("hello")
        await talk.person.wait_for(lambda: talk.answers[-1].body == "Echo: hello")


async def test_an_upstream_that_fails_says_nothing_about_its_agents(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("safe") as upstream, harness.talk(database_url, upstream, space={}) as talk:
        upstream.status = 500

        async def failing() -> bool:
            return not talk.running.bridge.discovery.health()[0].ok

        async def well() -> bool:
            return talk.running.bridge.discovery.health()[0].ok

        await eventually(failing, "the failure was noticed")
        for _ in range(4):
            await talk.running.bridge.discovery.sync()
        upstream.status = 200
        await eventually(well, "the upstream is asked again")
        assert (await talk.running.contact(upstream.names[0])).agent.state is AgentState.ACTIVE
        assert talk.answers == []


@pytest.mark.long
async def test_too_many_new_agents_wait_for_a_word(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("a", "b", "c", "d") as upstream:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url, "max_new_agents": 2}], space={})
        async with harness.bridge(config) as running:
            for name in upstream.names[:2]:
                await linked(running, name)
            states = [contact.agent.state for contact in await running.agents.all()]
            assert states == [AgentState.ACTIVE, AgentState.ACTIVE, AgentState.HELD, AgentState.HELD]
            await running.bridge.discovery.sync()
            assert [c.home.room_id for c in await running.agents.all() if c.agent.state is AgentState.HELD] == [
                None
            ] * 2
            await running.bridge.discovery.sync(confirmed=True)
            for name in upstream.names[2:]:
                await linked(running, name)


@pytest.mark.long
async def test_many_that_go_at_once_wait_for_a_word(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream(*"abcdef") as upstream:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], space={})
        async with harness.bridge(config) as running:
            for name in upstream.names:
                await linked(running, name)
            upstream.models = upstream.models[:1]

            async def doubted() -> bool:
                return running.bridge.discovery.health()[0].doubted == 5

            await eventually(doubted, "five agents went at once")
            assert {contact.agent.state for contact in await running.agents.all()} == {AgentState.ACTIVE}
            await running.bridge.discovery.sync(confirmed=True)
            gone = [c for c in await running.agents.all() if c.agent.state is AgentState.GONE]
            assert len(gone) == 5


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.long)])
async def test_killed_between_any_two_steps_there_is_one_room(
    harness: BridgeHarness, postgres: Server, stride: int
) -> None:
    """The homeserver carries out request number k, the bridge dies before the response, another bridge continues."""
    number, last = 1, False
    while not last:
        # Each start looks at the rooms of earlier rounds.
        await harness.clear()
        upstream, proxy = ScriptedUpstream(f"kill{number}by{stride}-"), Proxy(harness.synapse.url)
        # In the same database, the requests about the rooms of earlier rounds would be steps, too.
        with postgres.migrated() as database_url:
            async with upstream, proxy:
                proxy.loses = the_nth_step(number)
                config = harness.config(
                    database_url,
                    [{"name": f"u{number}", "url": upstream.url}],
                    homeserver={"address": proxy.url, "domain": "test.local"},
                    rooms={"invite": ["@admin:test.local"]},
                    space={},
                )
                async with harness.bridge(config) as running:
                    settled = asyncio.create_task(linked(running, upstream.names[0]))
                    lost = asyncio.create_task(proxy.lost.wait())
                    await asyncio.wait({settled, lost}, return_when=asyncio.FIRST_COMPLETED)
                    last = not lost.done()
                    settled.cancel()
                    lost.cancel()
                # The room was complete before step *number*, so a later request, perhaps of this test, would be lost.
                proxy.loses = lambda *_: False
                async with harness.bridge(config) as running:
                    contact = await linked(running, upstream.names[0])
                    room_id, ghost = contact.home.room_id or "", f"@{contact.agent.ghost}:test.local"
                    assert (await content(running, room_id, "m.room.name"))["name"] == contact.home.name
                    assert await joined_rooms(running, ghost) == [room_id], f"request {number}"
                    spaces = {c.home.space for c in await running.agents.all()}
                    assert len(spaces) == 1
                    assert len([r for r in await joined_rooms(running, None) if await is_space(running, r)]) == 1
        number += stride
    assert number > 10


def the_nth_step(number: int) -> Callable[[int, str, str], bool]:
    """Return a test of a request: whether it is step *number*. Periodic requests are no steps."""
    steps = itertools.count(1)

    def is_it(_count: int, _method: str, path: str) -> bool:
        return not path.endswith(("/versions", "/messages")) and next(steps) == number

    return is_it


async def joined_rooms(running: Running, user_id: str | None) -> list[str]:
    return await running.homeserver.joined_rooms(user_id)


async def is_space(running: Running, room_id: str) -> bool:
    return (await content(running, room_id, "m.room.create")).get("type") == "m.space"


@pytest.mark.parametrize(
    "status", [pytest.param(401, marks=pytest.mark.long), 403, pytest.param(500, marks=pytest.mark.long)]
)
async def test_an_error_is_no_reason_to_adopt(harness: BridgeHarness, database_url: str, status: int) -> None:
    async with ScriptedUpstream("refused") as upstream, Proxy(harness.synapse.url) as proxy:
        tries = 0

        def refuse(_number: int, _method: str, path: str) -> web.Response | None:
            nonlocal tries
            if not path.endswith("/createRoom") or tries == 2:
                return None
            tries += 1
            return web.json_response({"errcode": "M_UNKNOWN", "error": "scripted"}, status=status)

        proxy.refuses = refuse
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": "test.local"},
            space={"enabled": False},
        )
        async with harness.bridge(config) as running:
            await running.contact(upstream.names[0])
        assert tries == 2


async def test_without_a_space_rooms_work(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("alone") as upstream, Proxy(harness.synapse.url) as proxy:
        refused = 0

        def refuse(_number: int, method: str, path: str) -> web.Response | None:
            nonlocal refused
            if method != "GET" or "directory" not in path:
                return None
            refused += 1
            return web.json_response({"errcode": "M_FORBIDDEN", "error": "scripted"}, status=403)

        proxy.refuses = refuse
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": "test.local"},
            space={},
        )
        await make_space(config, harness.synapse.url)
        async with harness.bridge(config) as running:
            contact = await running.contact(upstream.names[0])
            assert refused
            assert contact.home.space is None


@pytest.mark.long
async def test_a_rate_limit_is_waited_out(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("limited") as upstream, Proxy(harness.synapse.url) as proxy:
        limited: list[str] = []

        def limit(_number: int, _method: str, path: str) -> web.Response | None:
            if path in limited:
                return None
            limited.append(path)
            body = {"errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 20}
            return web.json_response(body, status=429)

        proxy.refuses = limit
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": "test.local"},
            space={},
        )
        async with harness.bridge(config) as running:
            await linked(running, upstream.names[0])
        assert len(limited) > 5


@pytest.mark.long
async def test_a_space_that_failed_comes_later(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("later") as upstream, Proxy(harness.synapse.url) as proxy:
        refused = asyncio.Event()

        def refuse_once(_number: int, _method: str, path: str) -> web.Response | None:
            if "directory" in path and not refused.is_set():
                refused.set()
                return web.json_response({"errcode": "M_UNKNOWN", "error": "scripted"}, status=500)
            return None

        proxy.refuses = refuse_once
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": "test.local"},
            space={},
        )
        await make_space(config, harness.synapse.url)
        async with harness.bridge(config) as running:
            assert (await running.contact(upstream.names[0])).home.space is None
            assert refused.is_set()
            await eventually(partial(_linked_now, running), "the room is in the Space")


async def _linked_now(running: Running) -> bool:
    return all(contact.home.space for contact in await running.agents.all())


async def test_an_adopted_room_is_administered_by_the_bot(harness: BridgeHarness, database_url: str) -> None:
    bot = "@agentbridge:test.local"
    async with ScriptedUpstream("halfmade") as upstream:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            room_id = (await linked(running, upstream.names[0])).home.room_id or ""
            levels = await content(running, room_id, "m.room.power_levels")
            levels["users"] |= {bot: 0}
            await running.homeserver.set_state(room_id, "m.room.power_levels", levels)
            await running.database.execute("UPDATE room SET room_id = NULL, bot_joined = false")
            running.bridge.provisioner.request((await running.agents.all())[0].agent.id)

            async def empowered() -> bool:
                levels = await content(running, room_id, "m.room.power_levels")
                return bool(levels["users"].get(bot) == 200)

            await eventually(empowered, "the bot administers the room again")
