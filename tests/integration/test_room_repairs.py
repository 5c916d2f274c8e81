"""The homeserver's rooms differ from the tables: the bridge repairs them, or reports the difference."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from agent_bridge.bridge.rooms.visited_rooms import VisitedRooms
from agent_bridge.cli.room_checks import compare_rooms
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import short_hash
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.demo.account import call
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.rooms import Rooms
from support.conditions import DEADLINE, eventually
from support.people import TransactionSender, echo_through
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.postgres import Server
    from support.shared_bridge import SharedBridge

BOT = "@sharedbridge:test.local"


async def home_of(talk: Conversation) -> AgentRoom:
    """Return the agent of *talk*, with its room as the tables have it now."""
    return next(each for each in await talk.running.agents.all() if talk.ghost.startswith(f"@{each.agent.ghost}:"))


async def compared(talk: Conversation) -> None:
    """Wait until the room of *talk* is compared with the homeserver."""

    async def done() -> bool:
        home = (await home_of(talk)).home
        return home.check_requests == home.checked

    await eventually(done, "the room is compared")


async def content(running: Running, room_id: str, kind: str, key: str = "") -> dict[str, Any]:
    event = await running.homeserver.state(room_id, kind, key)
    return {} if event is None else dict(event["content"])


@asynccontextmanager
async def server_admin(harness: BridgeHarness) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session of an administrator of the homeserver."""
    token = await harness.synapse.register_user(f"root{uuid4().hex}", "password", admin=True)
    async with aiohttp.ClientSession(harness.synapse.url, headers={"Authorization": f"Bearer {token}"}) as http:
        yield http


async def delete_room(http: aiohttp.ClientSession, room_id: str) -> None:
    await call(http, "DELETE", f"/_synapse/admin/v2/rooms/{quote(room_id)}", {"purge": True})


@asynccontextmanager
async def admin_of(talk: Conversation, harness: BridgeHarness) -> AsyncIterator[Person]:
    """Give an administrator of the room of *talk*."""
    async with harness.person("admin") as admin:
        await talk.running.homeserver.invite(talk.room_id, admin.user_id)
        await admin.join(talk.room_id)
        yield admin


async def test_a_deleted_room_is_made_again(shared: SharedBridge) -> None:
    async with ScriptedUpstream("deleted") as upstream, shared.talk(upstream) as talk:
        await eventually(partial(_all_linked, talk.running), "the room is listed")
        space = (await home_of(talk)).home.space or ""
        async with server_admin(shared.harness) as http:
            await delete_room(http, talk.room_id)

        async def another() -> str | None:
            home = (await home_of(talk)).home
            return home.room_id if home.room_id != talk.room_id and home.bot_joined else None

        room_id = await eventually(another, "there is another room")
        assert await talk.person.resolve(f"#{(await home_of(talk)).agent.ghost}:test.local") == room_id
        assert await content(talk.running, space, "m.space.child", talk.room_id) == {}
        again = await talk.running.join(talk.person, upstream.names[0])
        await again.say("hello")
        assert [answer.body for answer in await again.wait_for_answers(1)] == ["Echo: hello"]


@pytest.mark.parametrize("which", ["ghost", "bot"])
async def test_a_missing_member_comes_back(shared: SharedBridge, which: str) -> None:
    async with ScriptedUpstream(f"missing{which}") as upstream, shared.talk(upstream) as talk:
        user = talk.ghost if which == "ghost" else BOT
        await talk.running.homeserver.leave(talk.room_id, "tried", user)
        await talk.person.wait_for(lambda: user not in talk.room.members())
        await talk.say("hello")
        assert [answer.body for answer in await talk.wait_for_answers(1)] == ["Echo: hello"]
        assert len(upstream.asked) == 1
        await talk.person.wait_for(lambda: {talk.ghost, BOT} <= talk.room.members())


@pytest.mark.long
async def test_nobody_of_the_bridge_is_left(shared: SharedBridge) -> None:
    """The room has people, but neither ghost nor bot can come back: there is another room, with the same alias."""
    async with ScriptedUpstream("nobody") as upstream, shared.talk(upstream) as talk:
        await talk.running.database.execute("UPDATE room SET bot_joined = true WHERE room_id = %s", (talk.room_id,))

        async def whole() -> bool:
            home = (await home_of(talk)).home
            if home.room_id == talk.room_id:
                # The user that leaves first may be back before the other one leaves.
                for user in (BOT, talk.ghost):
                    with suppress(HomeserverRefused):
                        await talk.running.homeserver.leave(talk.room_id, "tried", user)
            is_new = home.room_id not in {None, talk.room_id}
            return is_new and home.bot_joined and home.check_requests == home.checked

        await eventually(whole, "there is another room")
        told = await KeyValues(talk.running.database).get(KeyValues.TOLD_ADMINS)
        assert f"replaced.{short_hash(talk.room_id)}" in told
        again = await talk.running.join(talk.person, upstream.names[0])
        await again.say("hello")
        assert [answer.body for answer in await again.wait_for_answers(1)] == ["Echo: hello"]


@pytest.mark.long
async def test_a_change_during_a_comparison_is_compared_too(harness: BridgeHarness, database_url: str) -> None:
    """The bot has left, and while the ghost invites it, the ghost leaves, too."""
    async with ScriptedUpstream("during") as upstream, Proxy(harness.synapse.url) as proxy:
        homeserver = {"address": proxy.url, "domain": "test.local"}
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], homeserver=homeserver, space={})
        async with harness.bridge(config) as running:
            contact = await running.contact(upstream.names[0])
            room_id, ghost = contact.home.room_id or "", f"@{contact.agent.ghost}:test.local"
            asked, go_on = asyncio.Event(), asyncio.Event()

            def hold(_number: int, _method: str, path: str) -> asyncio.Event | None:
                if not path.endswith("/invite"):
                    return None
                asked.set()
                return go_on

            proxy.holds = hold
            await running.homeserver.leave(room_id, "tried", running.homeserver.namespace.bot)
            await asyncio.wait_for(asked.wait(), DEADLINE)
            before = (await running.contact(upstream.names[0])).home.check_requests
            await running.homeserver.leave(room_id, "tried", ghost)

            async def requested() -> bool:
                return (await running.contact(upstream.names[0])).home.check_requests > before

            await eventually(requested, "the bridge knows that the ghost has left")
            go_on.set()

            async def replaced() -> bool:
                home = (await running.agents.all())[0].home
                return home.room_id not in {None, room_id}

            await eventually(replaced, "there is another room")


async def test_members_invite_nobody(shared: SharedBridge) -> None:
    async with ScriptedUpstream("closed") as upstream, shared.talk(upstream) as talk:
        levels = await content(talk.running, talk.room_id, "m.room.power_levels")
        assert (levels["invite"], levels["events"]["m.room.encryption"]) == (50, 151)
        assert await content(talk.running, talk.room_id, "m.room.guest_access") == {"guest_access": "forbidden"}
        open_ = {"invite": 0, "events": levels["events"] | {"m.room.encryption": 100}}
        homeserver = talk.running.homeserver

        async def reported() -> list[str]:
            # The bridge may compare the room by itself between these requests, and close it.
            await homeserver.set_state(talk.room_id, "m.room.power_levels", levels | open_, as_user=talk.ghost)
            await homeserver.set_state(talk.room_id, "m.room.guest_access", {"guest_access": "can_join"})
            _, lines = await compare_rooms(talk.running.bridge.config, homeserver)
            return [line for line in lines if upstream.names[0] in line]

        assert await eventually(reported, "the open room is reported") == [
            f"the room of {upstream.names[0]} {ENGLISH.room_problems[RoomProblem.OPEN_DOOR]}"
        ]
        talk.running.bridge.provisioner.request((await home_of(talk)).agent.id)
        await talk.person.wait_for(lambda: talk.room.state["m.room.power_levels", ""] == levels)
        await talk.person.wait_for(lambda: talk.room.state["m.room.guest_access", ""] == {"guest_access": "forbidden"})


@pytest.mark.long
async def test_a_muted_ghost_gets_its_power_back(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("muted") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            bot, homeserver = running.homeserver.namespace.bot, running.homeserver
            levels = await content(running, talk.room_id, "m.room.power_levels")

            async def lower(user: str, level: int, **changes: Any) -> dict[str, Any]:
                # Nobody else may lower a user of the same level.
                now = await content(running, talk.room_id, "m.room.power_levels")
                now |= {"users": now["users"] | {user: level}, **changes}
                await homeserver.set_state(talk.room_id, "m.room.power_levels", now, as_user=user)
                return now

            async with admin_of(talk, harness) as admin:
                muted = await lower(talk.ghost, 0, events_default=50)
                await admin.set_state(talk.room_id, "m.room.power_levels", muted | {"kick": 51})
                await admin.say(talk.room_id, "hello?")
                await person.wait_for(lambda: [answer.body for answer in talk.answers] == ["Echo: hello?"])
                assert (await content(running, talk.room_id, "m.room.power_levels"))["users"] == levels["users"]
                # The bot cannot help any more.
                await lower(bot, 50)
                muted = await lower(talk.ghost, 0)
                await admin.set_state(talk.room_id, "m.room.power_levels", muted | {"kick": 52})
                await admin.say(talk.room_id, "and now?")
                await person.wait_for(lambda: len(talk.from_bot) == 2)
                assert "has no power to send messages here" in talk.from_bot[0].body
                assert "no power to send messages" in talk.from_bot[1].body
                assert (await home_of(talk)).home.problems == (RoomProblem.GHOST_MUTED, RoomProblem.STATE_REFUSED)
                assert len(upstream.asked) == 1


async def test_an_upgrade_is_followed(harness: BridgeHarness, database_url: str) -> None:
    go = asyncio.Event()
    script = echo_through({"first": go})
    async with ScriptedUpstream("upgraded") as upstream, harness.person() as person:
        upstream.script = script
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            bot, old = running.homeserver.namespace.bot, talk.room_id
            async with admin_of(talk, harness) as admin:
                await talk.say("first")
                await talk.say("second")
                await eventually(partial(_asked, upstream, 1), "the agent is asked")
                answer = await admin.ask("POST", f"/rooms/{quote(old)}/upgrade", {"new_version": "12"})
                new = answer["replacement_room"]
                await person.wait_for(lambda: any("was upgraded" in each.body for each in talk.from_bot))
                assert (await home_of(talk)).home.room_id == old
                # The homeserver hands over no message from before the ghost enters.
                await admin.say(new, "early")
                await admin.invite(new, talk.ghost)
                await admin.invite(new, bot)
                go.set()
                await person.wait_for(lambda: new in person.invites)
                await person.join(new)
                await person.wait_for(lambda: new in person.rooms)
                moved = type(talk)(running, person, new, talk.ghost)
                await moved.say("third")
                await person.wait_for(lambda: moved.answers[-1:] and moved.answers[-1].body == "Echo: third")
                await moved.wait_until_idle()
                notice, *answers = await said(admin, new, talk.ghost)
                assert "The conversation continues here." in notice
                assert answers == ["Echo: second", "Echo: early", "Echo: third"]
                assert (await said(admin, old, talk.ghost))[-1].endswith("Echo: first")
                assert moved.from_bot == []
                space = (await home_of(talk)).home.space or ""
                assert await content(running, space, "m.space.child", old) == {}
                assert (await content(running, space, "m.space.child", new))["via"] == ["test.local"]


async def said(reader: Person, room_id: str, user_id: str) -> list[str]:
    """Return the bodies of the messages of a user, with their edits, oldest first."""
    events = await reader.history(room_id)
    return [
        event["content"]["body"]
        for event in events
        if event["type"] == "m.room.message" and event["sender"] == user_id and "body" in event["content"]
    ]


async def _asked(upstream: ScriptedUpstream, times: int) -> bool:
    return len(upstream.asked) >= times


@pytest.mark.long
async def test_a_foreign_successor_is_left(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("foreign") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            async with admin_of(talk, harness) as admin:
                other = await admin.create_room(preset="public_chat")
                tombstone = {"body": "gone", "replacement_room": other}
                await admin.set_state(talk.room_id, "m.room.tombstone", tombstone)
                await person.wait_for(lambda: any("was upgraded" in each.body for each in talk.from_bot))

                async def is_known() -> bool:
                    home = (await home_of(talk)).home
                    return (home.room_id, home.problems) == (talk.room_id, (RoomProblem.SUCCESSOR_CLOSED,))

                await eventually(is_known, "the problem is recorded")
                assert talk.ghost not in {
                    event["state_key"]
                    for event in await admin.state(other)
                    if event["type"] == "m.room.member" and event["content"]["membership"] == "join"
                }


@pytest.mark.long
async def test_a_room_that_a_tombstone_names_wrongly_is_not_left(harness: BridgeHarness, database_url: str) -> None:
    """The Space, or the room of another agent: ghost or bot were members before."""
    async with ScriptedUpstream("first", "second") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            await eventually(partial(_all_linked, running), "the rooms are listed")
            talk, other = [await running.join(person, name) for name in upstream.names]
            space = (await home_of(talk)).home.space or ""
            async with admin_of(talk, harness) as admin:
                for number, room_id in enumerate((space, other.room_id)):
                    tombstone = {"body": f"gone {number}", "replacement_room": room_id}
                    await admin.set_state(talk.room_id, "m.room.tombstone", tombstone)
                    await compared(talk)
            await other.say("are you there?")
            await person.wait_for(partial(has_answered, other))
            assert await running.homeserver.room_state(space) is not None


def has_answered(conversation: Conversation) -> bool:
    return "Echo: are you there?" in [answer.body for answer in conversation.answers]


@pytest.mark.long
async def test_without_its_space_a_new_agent_is_reachable(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("first-of-two") as upstream, harness.person() as guest:
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], rooms={"invite": [guest.user_id]}, space={}
        )
        async with harness.bridge(config) as running:
            await eventually(partial(_all_linked, running), "the first room is listed")
            lost = (await running.agents.all())[0].home.space or ""
            async with server_admin(harness) as http:
                await delete_room(http, lost)
            upstream.models.append({"id": "second-of-two", "object": "model"})
            contact = await running.contact("second-of-two")
            await guest.wait_for(lambda: contact.home.room_id in guest.invites)
            await eventually(partial(_all_linked, running, lost), "both rooms are in another Space")


@pytest.mark.long
async def test_a_room_that_its_space_never_listed(harness: BridgeHarness, database_url: str) -> None:
    """The table says that it is listed: the homeserver was restored from an older backup."""
    async with ScriptedUpstream("listed") as upstream:
        here = [{"name": "u", "url": upstream.url}]
        async with harness.bridge(harness.config(database_url, here, space={})) as running:
            await eventually(partial(_all_linked, running), "the room is listed")
            space = (await running.contact(upstream.names[0])).home.space or ""
        upstream.models.append({"id": "unlisted", "object": "model"})
        async with harness.bridge(harness.config(database_url, here, space={"enabled": False})) as running:
            room_id = (await running.contact("unlisted")).home.room_id or ""
            await running.database.execute("UPDATE room SET space = %s WHERE room_id = %s", (space, room_id))
        async with harness.bridge(harness.config(database_url, here, space={})) as running:

            async def is_listed() -> bool:
                return bool((await content(running, space, "m.space.child", room_id)).get("via"))

            await eventually(is_listed, "the room is listed")


async def _all_linked(running: Running, lost: str = "") -> bool:
    found = await running.agents.all()
    return bool(found) and all(each.home.space and each.home.space != lost for each in found)


async def test_profile_and_alias_are_repaired(shared: SharedBridge) -> None:
    async with ScriptedUpstream("renamed") as upstream, shared.talk(upstream) as talk:
        agent = (await home_of(talk)).agent
        async with server_admin(shared.harness) as http:
            await call(http, "PUT", f"/_synapse/admin/v2/users/{quote(talk.ghost)}", {"displayname": "Mallory"})
        await talk.person.wait_for(lambda: talk.room.displayname(talk.ghost) == "Mallory")
        await talk.running.homeserver.remove_alias(f"#{agent.ghost}:test.local")
        talk.running.bridge.provisioner.request(agent.id)
        await talk.person.wait_for(lambda: talk.room.displayname(talk.ghost) == agent.displayname)

        async def resolved() -> bool:
            return await talk.person.resolve(f"#{agent.ghost}:test.local") == talk.room_id

        await eventually(resolved, "the alias exists again")


@pytest.mark.long
async def test_held_agents_with_a_room_are_not_new(harness: BridgeHarness, database_url: str, postgres: Server) -> None:
    """The database is lost: agents whose rooms exist are adopted, however many they are."""
    async with ScriptedUpstream("kept1", "kept2", "kept3") as upstream, harness.person() as person:
        async with harness.bridge(
            harness.config(database_url, [{"name": "u", "url": upstream.url}], space={})
        ) as running:
            rooms = {name: (await running.contact(name)).home.room_id for name in upstream.names}
        with postgres.migrated() as another_url:
            few = harness.config(another_url, [{"name": "u", "url": upstream.url, "max_new_agents": 1}], space={})
            async with harness.bridge(few) as running:
                assert {name: (await running.contact(name)).home.room_id for name in upstream.names} == rooms
                talk = await running.join(person, upstream.names[2])
                await talk.say("hello")
                assert [answer.body for answer in await talk.wait_for_answers(1)] == ["Echo: hello"]


@pytest.mark.long
async def test_a_thread_that_the_homeserver_does_not_accept(shared: SharedBridge) -> None:
    """The answers are replies of the room: another homeserver has accepted roots that this one refuses."""
    async with ScriptedUpstream("rootless") as upstream, shared.talk(upstream) as talk:
        elsewhere = await talk.person.say(await talk.person.create_room(), "in another room")
        first = await talk.say("first")
        related = {
            "msgtype": "m.text",
            "body": "related",
            "m.relates_to": {"rel_type": "m.reference", "event_id": first},
        }
        path = f"/rooms/{quote(talk.room_id)}/send/m.room.message/{uuid4().hex}"
        unfit = str((await talk.person.ask("PUT", path, related))["event_id"])
        await talk.wait_for_answers(2)
        for number, root in enumerate(["$unknown", elsewhere, unfit], 1):
            relation = {"rel_type": "m.thread", "event_id": root}
            event = {
                "event_id": f"$from-another-server{number}",
                "room_id": talk.room_id,
                "type": "m.room.message",
                "sender": talk.person.user_id,
                "content": {"msgtype": "m.text", "body": f"hello {number}", "m.relates_to": relation},
                "origin_server_ts": int(time.time() * 1000),
            }
            sender = TransactionSender(shared.running.bridge.config)
            assert await sender.send(uuid4().hex, event) == HTTPStatus.OK
            answer = (await talk.wait_for_answers(2 + number))[-1]
            assert answer.body.endswith(f"hello {number}")
            assert answer.content["m.relates_to"] == {"m.in_reply_to": {"event_id": event["event_id"]}}


@pytest.mark.long
async def test_a_member_comes_back_alone(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("own", "foreign") as upstream, harness.person() as guest:
        config = harness.config(
            database_url, [{"name": "u", "url": upstream.url}], rooms={"invite": [guest.user_id]}, space={}
        )
        async with harness.bridge(config) as running:
            home = (await running.contact(upstream.names[0])).home
            room_id = home.room_id or ""
            await guest.wait_for(lambda: room_id in guest.invites)
            await guest.leave(room_id)
            chat = await guest.create_dm(running.homeserver.namespace.bot)
            await guest.wait_for(lambda: running.homeserver.namespace.bot in guest.room(chat).members())
            await guest.wait_for(lambda: room_id not in guest.invites)
            await guest.say(chat, f"invite {upstream.names[0]}")
            await guest.wait_for(lambda: room_id in guest.invites)
            await guest.say(chat, f"invite {upstream.names[1]} @another:test.local")
            bot = running.homeserver.namespace.bot
            await guest.wait_for(lambda: "is for" in guest.room(chat).said_by(bot)[-1].body)


async def test_the_bot_stays_out_of_spaces(shared: SharedBridge) -> None:
    async with shared.harness.person() as person:
        space = await person.create_room(creation_content={"type": "m.space"}, invite=[BOT])
        await person.wait_for(lambda: space in person.rooms)

        async def left() -> bool:
            states = {
                event["state_key"]: event["content"]
                for event in await person.state(space)
                if event["type"] == "m.room.member"
            }
            return bool(states[BOT]["membership"] == "leave")

        await eventually(left, "the bot left the Space")
        assert not [event for event in await person.history(space) if event["type"] == "m.room.message"]


async def test_an_empty_room_is_left(shared: SharedBridge) -> None:
    homeserver = shared.running.homeserver
    rooms = Rooms(shared.running.database)
    async with shared.harness.person() as person:
        chat = await person.create_dm(BOT)
        await person.wait_for(lambda: shared_bot_spoke(person, chat))
        await VisitedRooms(homeserver, rooms).leave_empty()
        assert chat in await rooms.visited()
        await person.leave(chat)
        await VisitedRooms(homeserver, rooms).leave_empty()
        assert chat not in await rooms.visited()
        assert chat not in await homeserver.joined_rooms()


def shared_bot_spoke(person: Person, room_id: str) -> bool:
    return room_id in person.rooms and bool(person.room(room_id).said_by(BOT))


async def test_a_deactivated_ghost_comes_back(shared: SharedBridge) -> None:
    """The application service may act for it all the same."""
    async with (
        ScriptedUpstream("deactivated") as upstream,
        shared.talk(upstream) as talk,
        server_admin(shared.harness) as http,
    ):
        await call(http, "POST", f"/_synapse/admin/v1/deactivate/{quote(talk.ghost)}", {"erase": False})
        await talk.person.wait_for(lambda: talk.ghost in talk.room.members())
        await talk.say("hello")
        assert [answer.body for answer in await talk.wait_for_answers(1)] == ["Echo: hello"]
        await compared(talk)
        displayname = (await home_of(talk)).agent.displayname
        await talk.person.wait_for(lambda: talk.room.displayname(talk.ghost) == displayname)


def was_told(talk: Conversation, text: str) -> bool:
    return any(text in each.body for each in talk.from_bot)


@pytest.mark.long
async def test_a_suspended_ghost_is_asked_once(shared: SharedBridge) -> None:
    async with (
        ScriptedUpstream("suspended") as upstream,
        shared.talk(upstream) as talk,
        server_admin(shared.harness) as http,
    ):
        account = f"/_synapse/admin/v1/suspend/{quote(talk.ghost)}"
        await call(http, "PUT", account, {"suspend": True})
        asked = [await talk.say(text) for text in ("hello", "again")]
        await talk.person.wait_for(lambda: all("⚠️" in talk.room.reactions_to(each) for each in asked))
        assert upstream.questions == ["hello"]
        await talk.say("!ab agents")
        for text in ("The account of", "(its account is suspended)"):
            await talk.person.wait_for(partial(was_told, talk, text))
        await call(http, "PUT", account, {"suspend": False})
        await Rooms(shared.running.database).request_checks([talk.room_id])
        await talk.say("at last")
        await talk.person.wait_for(lambda: "Echo: at last" in [answer.body for answer in talk.answers])


async def test_a_ban_is_respected_and_reported(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("banned") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": "11"}, space={})
        async with harness.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            async with admin_of(talk, harness) as admin:
                levels = await content(running, talk.room_id, "m.room.power_levels")
                levels["users"] |= {talk.ghost: 0}
                await running.homeserver.set_state(talk.room_id, "m.room.power_levels", levels, as_user=talk.ghost)
                banned = {"user_id": talk.ghost}
                await admin.ask("POST", f"/rooms/{quote(talk.room_id)}/ban", banned)
                await talk.say("hello")
                await person.wait_for(lambda: len(talk.from_bot) == 2)
                assert all("banned from this room" in each.body for each in talk.from_bot)
                assert "has banned its ghost" in await talk.command("status", by=admin)
                assert upstream.asked == []
                await admin.ask("POST", f"/rooms/{quote(talk.room_id)}/unban", banned)
                await person.wait_for(lambda: talk.ghost in talk.room.members())
                await talk.say("again")
                await person.wait_for(lambda: [answer.body for answer in talk.answers] == ["Echo: again"])
                assert (await home_of(talk)).home.problems == ()


@pytest.mark.long
async def test_a_room_that_cannot_be_compared_is_not_held_for_ever(harness: BridgeHarness, database_url: str) -> None:
    async with (
        Proxy(harness.synapse.url) as proxy,
        ScriptedUpstream("unreadable") as upstream,
        harness.talk(database_url, upstream, {"address": proxy.url, "domain": "test.local"}, space={}) as talk,
    ):
        proxy.refuses = lambda _number, _method, path: (
            web.json_response({"errcode": "M_UNKNOWN"}, status=500) if path.endswith("/state") else None
        )
        await Rooms(talk.running.database).request_checks([talk.room_id])
        await talk.say("hello")
        assert [answer.body for answer in await talk.wait_for_answers(1)] == ["Echo: hello"]
