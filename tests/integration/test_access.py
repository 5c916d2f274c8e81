"""Join rules, invitations and introductions on a real homeserver."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from aiohttp import web

from agent_bridge.cli.room_checks import compare_rooms
from agent_bridge.matrix.rooms import FUNCTIONAL, JOIN_RULES
from support.conditions import eventually
from support.harness import DOMAIN
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Running
    from support.person import Person

BOT = "@agentbridge:test.local"


async def content(running: Running, room_id: str, kind: str, key: str = "") -> dict[str, Any]:
    event = await running.homeserver.state(room_id, kind, key)
    return {} if event is None else dict(event["content"])


async def opened(running: Running, name: str, rule: str = "restricted") -> AgentRoom | None:
    found = await running.contact(name)
    home = found.home
    applied = (home.join_rule_applied or "invite").partition(" ")[0] == rule
    return found if applied and home.space is not None and home.introduced else None


async def test_members_of_the_space_enter_rooms_and_the_agent_introduces_itself(
    harness: BridgeHarness, database_url: str
) -> None:
    async with ScriptedUpstream("zoe", "Ada", "bob") as upstream, harness.person() as guest:
        for model, name in zip(upstream.models, ["Zoe", "ada", "Bob"], strict=True):
            model["name"] = name
        upstream.models[0]["description"] = "an owl of *few* words"
        rooms = {"invite": [guest.user_id], "join_rule": "restricted", "introduce": True}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms=rooms, space={})
        async with harness.bridge(config) as running:
            found = [
                await eventually(partial(opened, running, name), f"{name} is in the Space") for name in upstream.names
            ]
            space, room_id = found[0].home.space or "", found[0].home.room_id or ""
            orders = [
                (await content(running, space, "m.space.child", each.home.room_id or ""))["order"] for each in found
            ]
            assert orders[1] < orders[2] < orders[0]
            rule = await content(running, room_id, JOIN_RULES)
            assert rule == {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
            assert await content(running, room_id, FUNCTIONAL) == {"service_members": [BOT]}
            await guest.wait_for(lambda: space in guest.invites)
            assert set(guest.invites) == {space}
            await guest.join(space)
            await guest.join(room_id)
            await guest.wait_for(lambda: room_id in guest.rooms)
            ghost = running.homeserver.namespace.user_id(found[0].agent.ghost)
            (introduction,) = await guest.wait_for(lambda: guest.room(room_id).said_by(ghost))
            assert introduction.body.startswith("I am Zoe: an owl of *few* words\n")
            assert introduction.content["msgtype"] == "m.notice"


async def told(running: Running) -> list[str]:
    (row,) = await running.database.rows("SELECT value FROM kv WHERE key = 'told_admins'") or [{"value": []}]
    return list(row["value"])


@pytest.mark.long
async def test_existing_rooms_are_converted_and_the_administrators_are_told_once(
    harness: BridgeHarness, database_url: str
) -> None:
    async with (
        ScriptedUpstream("first", "second") as upstream,
        harness.person("admin") as admin,
        harness.person("stranger") as stranger,
    ):
        there = [{"name": "u", "url": upstream.url}]

        def configured(rule: str) -> Config:
            rooms = {"join_rule": rule, "introduce": True}
            return harness.config(database_url, there, rooms=rooms, space={})

        async with harness.bridge(configured("invite")) as running:
            for name in upstream.names:
                await eventually(partial(opened, running, name, "invite"), f"{name} has a room")
            space = (await running.contact(upstream.names[0])).home.space or ""
            await running.homeserver.invite(space, stranger.user_id)
            await stranger.join(space)
        # A Space with a member without a role opens no room.
        config = configured("restricted")
        async with harness.bridge(config) as running:
            await eventually(partial(told, running), "the administrators are told of the stranger")
            _, problems = await compare_rooms(config, running.homeserver)
            assert problems == [f"the Space has a member without a role: {stranger.user_id}"]
            found = await eventually(partial(opened, running, upstream.names[0], "invite"), "the room is compared")
            assert (await content(running, found.home.room_id or "", JOIN_RULES))["join_rule"] == "invite"
        await stranger.leave(space)
        for rule in ("restricted", "invite"):
            async with harness.bridge(configured(rule)) as running:
                for name in upstream.names:
                    found = await eventually(partial(opened, running, name, rule), f"{name}'s room is converted")
                    room_id = found.home.room_id or ""
                    assert (await content(running, room_id, JOIN_RULES))["join_rule"] == rule
                (row,) = await running.database.rows("SELECT value FROM kv WHERE key = 'admin_room'")
        room_id = row["value"]
        await admin.wait_for(lambda: room_id in admin.invites)
        await admin.join(room_id)
        await admin.wait_for(lambda: room_id in admin.rooms and len(admin.room(room_id).said_by(BOT)) == 3)
        strangers, opened_, closed = (message.body for message in admin.room(room_id).said_by(BOT))
        assert f"without a role: {stranger.user_id}." in strangers
        assert "can now enter" in opened_
        assert "by invitation only" in closed


@pytest.mark.long
async def test_a_ghost_invites_to_a_direct_conversation(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("direct") as upstream, harness.person("admin") as admin, harness.person() as guest:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], space={})
        async with harness.bridge(config) as running:
            found = await running.contact(upstream.names[0])
            ghost, room_id = running.homeserver.namespace.user_id(found.agent.ghost), found.home.room_id or ""
            dm = await admin.create_dm(BOT)
            await admin.wait_for(lambda: admin.room(dm).said_by(BOT))
            await admin.say(dm, f"invite {upstream.names[0]} {guest.user_id}")
            await guest.wait_for(lambda: room_id in guest.invites)
            member = await running.homeserver.state(room_id, "m.room.member", guest.user_id)
            assert member is not None
            assert (member["sender"], member["content"]["is_direct"]) == (ghost, True)
            await guest.join(room_id)
            await admin.wait_for(lambda: len(admin.room(dm).said_by(BOT)) == 2)
            await admin.say(dm, f"invite {upstream.names[0]} {guest.user_id}")
            await admin.wait_for(lambda: len(admin.room(dm).said_by(BOT)) == 3)
            assert "already" in admin.room(dm).said_by(BOT)[2].body


async def test_a_person_who_declined_the_space_is_invited_on_request(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("open") as upstream, harness.person() as guest, harness.person() as other:
        rooms = {"invite": [guest.user_id], "join_rule": "restricted"}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms=rooms, space={})
        async with harness.bridge(config) as running:
            found = await eventually(partial(linked, running, upstream.names[0]), "the room is in the Space")
            room_id, space = found.home.room_id or "", found.home.space or ""
            ghost = running.homeserver.namespace.user_id(found.agent.ghost)
            await guest.wait_for(lambda: space in guest.invites)
            await guest.leave(space)
            chats = {person: await person.create_dm(BOT) for person in (guest, other)}

            async def said(person: Person, by: str, chat: str, count: int) -> str:
                return (await person.wait_for(lambda: person.room(chat).said_by(by)[count:]))[0].body

            for person, chat in chats.items():
                await said(person, BOT, chat, 0)
                await person.say(chat, f"invite {upstream.names[0]}")
            assert "Invited" in await said(guest, BOT, chats[guest], 1)
            assert "is for" in await said(other, BOT, chats[other], 1)
            await guest.wait_for(lambda: room_id in guest.invites)
            await guest.leave(room_id)
            # The agent does not stay in a chat with the bot: an invitation there is a request too.
            for person, chat in chats.items():
                await person.invite(chat, ghost)
            assert "You have an invitation" in await said(guest, ghost, chats[guest], 0)
            assert "ask " in await said(other, ghost, chats[other], 0)
            await guest.wait_for(lambda: room_id in guest.invites)
            member = await running.homeserver.state(room_id, "m.room.member", guest.user_id)
            assert member is not None
            assert (member["sender"], member["content"]["is_direct"]) == (ghost, True)
            await guest.leave(room_id)
            await running.homeserver.set_state(space, "m.room.member", {"membership": "ban"}, key=guest.user_id)
            await guest.say(chats[guest], f"invite {upstream.names[0]}")
            assert "is for" in await said(guest, BOT, chats[guest], 2)


@pytest.mark.long
async def test_a_room_that_an_administrator_closed_stays_closed(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("shut") as upstream, harness.person("admin") as admin, harness.person() as guest:
        rooms = {"invite": [admin.user_id, guest.user_id], "join_rule": "restricted"}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms=rooms, space={})
        async with harness.bridge(config) as running:
            home = (await eventually(partial(linked, running, upstream.names[0]), "the room is in the Space")).home
            room_id, space = home.room_id or "", home.space or ""
            for person in (admin, guest):
                await person.wait_for(partial(is_invited, person, space))
                await person.join(space)
            await admin.join(room_id)
            chats = {person: await person.create_dm(BOT) for person in (admin, guest)}

            async def reply(person: Person, text: str) -> str:
                chat = chats[person]
                await person.wait_for(lambda: person.room(chat).said_by(BOT))
                before = len(person.room(chat).said_by(BOT))
                await person.say(chat, text)
                await person.wait_for(lambda: len(person.room(chat).said_by(BOT)) > before)
                return person.room(chat).said_by(BOT)[before].body

            # A member of the Space may enter, and come back.
            assert "Invited" in await reply(guest, f"invite {upstream.names[0]}")
            await guest.join(room_id)
            await guest.leave(room_id)
            await admin.set_state(room_id, JOIN_RULES, {"join_rule": "invite"})
            assert "is for" in await reply(guest, f"invite {upstream.names[0]}")
            # An invitation of an administrator counts, until an administrator removes the person.
            assert "Invited" in await reply(admin, f"invite {upstream.names[0]} {guest.user_id}")
            await guest.join(room_id)
            await guest.leave(room_id)
            assert "Invited" in await reply(guest, f"invite {upstream.names[0]}")
            await admin.ask("POST", f"/rooms/{quote(room_id)}/kick", {"user_id": guest.user_id})
            assert "is for" in await reply(guest, f"invite {upstream.names[0]}")
            assert await content(running, room_id, JOIN_RULES) == {"join_rule": "invite"}


def is_invited(person: Person, room_id: str) -> bool:
    return room_id in person.invites


async def linked(running: Running, name: str) -> AgentRoom | None:
    found = await running.contact(name)
    return found if found.home.space is not None else None


async def test_a_failed_look_at_the_space_closes_no_room(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("kept-open") as upstream,
        harness.person() as guest,
        Proxy(harness.synapse.url) as proxy,
    ):
        config = harness.config(
            database_url,
            [{"name": "u", "url": upstream.url}],
            homeserver={"address": proxy.url, "domain": DOMAIN},
            rooms={"invite": [guest.user_id], "join_rule": "restricted", "introduce": True},
            space={},
        )
        async with harness.bridge(config) as running:
            home = (await eventually(partial(opened, running, upstream.names[0]), "it is in the Space")).home
            room_id, space = home.room_id or "", home.space or ""
            refused = asyncio.Event()

            def refuse(_number: int, _method: str, path: str) -> web.Response | None:
                if space not in unquote(path):
                    return None
                refused.set()
                return web.Response(status=502)

            proxy.refuses = refuse
            await running.bridge.provisioner.doubt_all()

            async def compared() -> bool:
                now = (await running.contact(upstream.names[0])).home
                return refused.is_set() and now.checked == now.check_requests

            await eventually(compared, "the room is compared")
            proxy.refuses = lambda *_: None
            rule = await content(running, room_id, JOIN_RULES)
            assert rule == {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
            assert room_id not in guest.invites
