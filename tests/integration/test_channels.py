"""Servers and channels on a real homeserver: they are made, entered, talked in, changed and deleted by commands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.collaboration.threads import THREAD
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.matrix.events import content_today
from agent_bridge.matrix.rooms import CHANNEL, CHILD, JOIN_RULES, POWER_LEVELS
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.servers import Servers
from agent_bridge.store.threads import ThreadStore
from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.conditions import eventually
from support.direct_chats import upgrade
from support.harness import DOMAIN, SHARED, Conversation
from support.places import delete_places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.core.servers import Channel, Server
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server as PostgresServer

#: Localparts of admins, one for each test: a client of an earlier test knows other rooms.
ADMINS = [f"admin{number}" for number in range(9)]


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: PostgresServer) -> AsyncIterator[Running]:
    permissions = {DOMAIN: "member", f"@owner:{DOMAIN}": "owner"} | {f"@{name}:{DOMAIN}": "admin" for name in ADMINS}
    with postgres.migrated() as url:
        async with named_upstream("Ada", "Bea") as upstream:
            there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
            config = harness.config(
                url, there, service=SHARED, permissions=permissions, rooms={"join_rule": "restricted"}, space={}
            )
            async with harness.bridge(config) as running:
                for name in ("Ada", "Bea"):
                    await eventually(partial(_is_linked, running, name), f"{name} is in the Space")
                yield running
                await delete_places(running)


async def _is_linked(running: Running, name: str) -> bool:
    return (await running.contact(name)).home.space is not None


async def place(running: Running, name: str) -> Server | Channel:
    """Return the server or the channel called *name*, once its state is applied."""
    store = Servers(running.database)

    async def applied() -> Server | Channel | None:
        servers = await store.servers()
        known: list[Server | Channel] = [*servers]
        for number in (None, *(each.number for each in servers)):
            known += await store.channels(number)
        found = [each for each in known if each.name == name]
        return found[0] if found and found[0].changes == found[0].changes_applied and found[0].room_id else None

    return await eventually(applied, f"{name} is as it is to be")


async def state(running: Running, room_id: str, kind: str, key: str = "") -> dict[str, Any]:
    """Return the content of a state event of a room."""
    found = await running.homeserver.state(room_id, kind, key)
    return {} if found is None else dict(found["content"])


async def enter(running: Running, person: Person, room_id: str) -> Conversation:
    await person.join(room_id)
    await person.wait_for(lambda: room_id in person.rooms)
    return Conversation(running, person, room_id, "")


async def test_a_server_with_channels(harness: BridgeHarness, running: Running) -> None:
    async with harness.person(ADMINS[0]) as admin, harness.person() as bob:
        desk, own = await bot_chat(running, admin), await bot_chat(running, bob)
        assert "is for admins only" in (await own.ask("server new Mine")).body
        assert "There are no servers" in (await desk.ask("server")).body
        assert "is ready, and it is yours" in (await desk.ask("server new Research Lab")).body
        lab = await place(running, "Research Lab")
        room_id = lab.room_id or ""
        await admin.wait_for(lambda: room_id in admin.invites)
        # The main Space lists it before the agents.
        space = (await running.contact("Ada")).home.space or ""
        assert lab.space == space
        assert str((await state(running, space, CHILD, room_id))["order"]).startswith(" ")
        assert (await state(running, room_id, "m.room.create"))["type"] == "m.space"
        assert (await state(running, room_id, POWER_LEVELS))["users"][admin.user_id] == 150
        assert "taken" in (await desk.ask("server new research lab")).body
        assert "is ready in Research Lab" in (await desk.ask("channel new Research Lab/general")).body
        assert "is ready in Research Lab" in (await desk.ask("channel new 1/news announcement")).body
        general, news = await place(running, "general"), await place(running, "news")
        assert [each.space for each in (general, news)] == [room_id] * 2
        orders = [(await state(running, room_id, CHILD, each.room_id or ""))["order"] for each in (general, news)]
        assert orders == sorted(orders)
        rule = await state(running, general.room_id or "", JOIN_RULES)
        assert rule["allow"] == [{"type": "m.room_membership", "room_id": room_id}]
        assert (await state(running, news.room_id or "", POWER_LEVELS))["events_default"] == 100
        assert (await state(running, news.room_id or "", CHANNEL))["type"] == "announcement"
        # Agents could not answer there.
        assert "Agents cannot write in" in (await desk.ask("channel add 1/news Ada")).body
        # The last picture counts: of a person, or of a command.
        await admin.join(room_id)
        await admin.set_state(room_id, "m.room.avatar", {"url": "mxc://test.local/person"})
        for picture in ("mxc://test.local/command", ""):
            assert "picture" in (await desk.ask(f"server update 1 icon {picture}")).body
            await place(running, "Research Lab")
            assert (await state(running, room_id, "m.room.avatar")).get("url", "") == picture
        # A member is invited to the server, and enters the channels from there.
        assert "You are invited to" in (await own.ask("server join research lab")).body
        await bob.wait_for(lambda: room_id in bob.invites)
        await enter(running, bob, room_id)
        for each in (general, news):
            await enter(running, bob, each.room_id or "")
        with pytest.raises(HomeserverRefused):
            await bob.say(news.room_id or "", "I have news")
        listed = (await own.ask("channel")).body
        assert "Channels of Research Lab" in listed
        assert "news (announcements)" in listed
        assert "1 Research Lab (2 channels" in (await own.ask("server list")).body
        await _role_here(running, admin, bob, general, news)
        assert "You have left" in (await own.ask("server leave 1")).body
        await bob.wait_for(lambda: not {room_id, general.room_id, news.room_id} & set(bob.rooms))
        assert "You are not in" in (await own.ask("server leave 1")).body
        await _delete_server(running, desk, own, admin, lab)


async def _role_here(
    running: Running, admin: Person, bob: Person, general: Server | Channel, news: Server | Channel
) -> None:
    """The owner makes Bob an admin of the server alone: he may write announcements."""
    room_id = news.room_id or ""
    await admin.join(general.room_id or "")
    talk = BotRoom(running, admin, general.room_id or "")
    assert "is an admin in Research Lab now" in (await talk.ask(f"!ab role {bob.user_id} admin here")).body
    for each in (news, general):
        await eventually(
            partial(_has_level, running, each.room_id or "", bob.user_id, 100), "the level is that of the role"
        )
    await bob.say(room_id, "I have news")
    ada = (await running.contact("Ada")).home.room_id or ""
    assert not await _has_level(running, ada, bob.user_id, 100)
    # By the role in the server he makes channels there, and nowhere else.
    own = BotRoom(running, bob, general.room_id or "")
    assert "is ready in Research Lab" in (await own.ask("!ab channel new made by Bob")).body
    assert (await place(running, "made by Bob")).space == general.space
    assert "is being deleted" in (await own.ask('!ab channel delete "made by Bob" yes')).body
    assert "gave the role in this server" in (await own.ask("!ab role")).body
    await admin.wait_for(lambda: len(talk.said()) == len(own.said()))
    assert "is a member" in (await talk.ask(f"!ab role {bob.user_id} default here")).body
    await eventually(partial(_has_level, running, room_id, bob.user_id, 0), "the level is that of a member")


async def _has_level(running: Running, room_id: str, user: str, level: int) -> bool:
    return bool((await state(running, room_id, POWER_LEVELS))["users"].get(user, 0) == level)


async def _delete_server(running: Running, desk: BotRoom, own: BotRoom, admin: Person, lab: Server | Channel) -> None:
    assert "is for owners only" in (await own.ask("server delete 1 yes")).body
    assert "with 2 channels, for all people" in (await desk.ask("server delete 1")).body
    assert "are being deleted" in (await desk.ask("server delete 1 yes")).body
    store = Servers(running.database)

    async def gone() -> bool:
        return await store.find(lab.id) is None

    await eventually(gone, "the server is deleted")
    assert lab.space is not None
    assert await state(running, lab.space, CHILD, lab.room_id or "") == {}
    await admin.wait_for(lambda: lab.room_id not in admin.rooms)
    assert "There are no servers" in (await desk.ask("server")).body


@pytest.mark.long
async def test_agents_talk_in_channels_and_people_change_them(harness: BridgeHarness, running: Running) -> None:
    async with harness.person(ADMINS[1]) as admin, harness.person() as bob:
        desk = await bot_chat(running, admin)
        for name in ("talk", "agent-logs log", "later voice"):
            assert "is ready" in (await desk.ask(f"channel new {name}")).body
        talk, log = await place(running, "talk"), await place(running, "agent-logs")
        assert "is in agent-logs" in (await desk.ask("channel add agent-logs Bea")).body
        assert "is in talk" in (await desk.ask('channel add "talk" Ada')).body
        assert "No agent is called" in (await desk.ask("channel add talk Nobody")).body
        voice = (await place(running, "later")).room_id or ""
        await admin.join(voice)
        bot = running.homeserver.namespace.bot
        await admin.wait_for(lambda: [each.body for each in admin.room(voice).said_by(bot)])
        (reserved,) = admin.room(voice).said_by(bot)
        assert "reserved for voice" in reserved.body
        space = (await running.contact("Ada")).home.space or ""
        await running.homeserver.invite(space, bob.user_id)
        await enter(running, bob, space)
        room = await enter(running, bob, talk.room_id or "")
        ada = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
        await bob.say(room.room_id, "nobody is meant")
        await bob.say(room.room_id, "Ada: hello")
        await bob.wait_for(lambda: [each.body for each in bob.room(room.room_id).said_by(ada)] == ["Echo: Ada: hello"])
        # In a log, ghosts may write, and people may not.
        bea = running.homeserver.namespace.user_id((await running.contact("Bea")).agent.ghost)

        async def may_report() -> bool:
            levels = await state(running, log.room_id or "", POWER_LEVELS)
            return bool(levels["users"].get(bea) == 10)

        await eventually(may_report, "Bea may report")
        # A person renames the room in a client, and a command renames it again.
        await admin.join(room.room_id)
        await admin.set_state(room.room_id, "m.room.name", {"name": "chatter"})
        renamed = await place(running, "chatter")
        assert renamed.id == talk.id
        assert "is called plauderei now" in (await desk.ask("channel rename chatter plauderei")).body
        await bob.wait_for(lambda: bob.room(room.room_id).name == "plauderei")
        assert "The topic of" in (await desk.ask("channel topic plauderei all about <b>tea</b>")).body
        assert (await place(running, "plauderei")).topic == "all about <b>tea</b>"
        assert "has place 3 now" in (await desk.ask("channel move plauderei 3")).body
        names = [each.name for each in await Servers(running.database).channels(None)]
        assert names == ["agent-logs", "later", "plauderei"]
        assert "which has 3" in (await desk.ask("channel move plauderei 4")).body
        assert "Which place should" in (await desk.ask("channel move plauderei")).body
        # Names of people may be equal and odd: the number of the list means each of them.
        for odd in ("\u202eagent-logs", "  "):
            await admin.set_state(room.room_id, "m.room.name", {"name": odd})
            await bob.wait_for(lambda: bob.room(room.room_id).name == "agent-logs")
        assert "Several channels" in (await desk.ask("channel topic agent-logs of two")).body
        assert "is called plauderei now" in (await desk.ask("channel rename #3 plauderei")).body
        # Outside of servers a name means a channel of the main Space.
        assert "There is no channel" in (await desk.ask("channel delete nothing yes")).body
        assert "for good" in (await desk.ask("channel delete plauderei")).body
        assert "is being deleted" in (await desk.ask("channel delete plauderei yes")).body
        await bob.wait_for(lambda: room.room_id not in bob.rooms)


@pytest.mark.long
async def test_threads_have_names(harness: BridgeHarness, running: Running) -> None:
    async with harness.person(ADMINS[2]) as admin, harness.person() as bob:
        desk = await bot_chat(running, admin)
        await desk.ask("channel new threads")
        room_id = (await place(running, "threads")).room_id or ""
        await running.homeserver.invite(room_id, bob.user_id)
        for person in (admin, bob):
            await enter(running, person, room_id)
        talk, own = BotRoom(running, admin, room_id), BotRoom(running, bob, room_id)
        store = ThreadStore(running.database)

        async def seen() -> None:
            """Wait until both see the same."""
            for one, other in ((talk, own), (own, talk)):
                await one.person.wait_for(lambda one=one, other=other: len(one.said()) >= len(other.said()))  # type: ignore[misc]

        async def tell(person: BotRoom, text: str, thread: str) -> str:
            """Return the answer to a command in a thread."""
            await seen()
            before = len(person.said())
            await person.person.reply(room_id, thread, text, thread=thread)
            said = await person.person.wait_for(
                lambda: [each.body for each in person.said()[before:] if "🧵" not in each.body]
            )
            return said[0]

        async def title(event: str) -> str:
            content = content_today(await running.homeserver.event(room_id, event) or {})
            return f"{content['body']} {content[THREAD]['archived']}"

        assert "No thread has a name" in (await talk.ask("!ab thread")).body
        await own.say("!ab thread new **Trip** <b>to</b> @room")
        await bob.wait_for(lambda: len(own.said()) > 2)
        root, ready = own.said()[1:3]
        assert root.body == "🧵 **Trip** <b>to</b> @room"
        assert "is ready" in ready.body
        assert await title(root.event_id) == "🧵 **Trip** <b>to</b> @room False"
        # Anybody's next message brings it back.
        assert "is archived" in await tell(own, "!ab thread archive", root.event_id)
        assert (await title(root.event_id)).endswith("(archived) True")
        await seen()
        assert "!ab thread list archived shows 1 archived thread" in (await talk.ask("!ab thread list")).body
        await admin.reply(room_id, root.event_id, "one more thing", thread=root.event_id)

        async def is_back() -> bool:
            found = await store.of_root(room_id, root.event_id)
            return found is not None and found.archived_at is None and found.is_shown

        await eventually(is_back, "the message brings the thread back")
        assert (await title(root.event_id)).endswith("False")
        # People began this one.
        begun = await admin.say(room_id, "shall we?")
        assert "is called Plans now" in await tell(talk, "!ab thread new Plans", begun)
        assert "Only the person" in await tell(own, "!ab thread rename Mine", begun)
        assert "is called Old plans now" in await tell(talk, "!ab thread rename Old plans", begun)
        found = await store.of_root(room_id, begun)
        assert found is not None
        assert await title(found.title_event or "") == "🧵 Old plans False"
        await seen()
        listed = (await own.ask("!ab thread list")).body
        assert listed.index("Old plans") < listed.index("Trip")
        assert "Which thread?" in (await own.ask("!ab thread archive")).body


@pytest.mark.long
async def test_an_upgraded_channel_goes_on(harness: BridgeHarness, running: Running) -> None:
    # An upgrade needs an owner, from room version 12 on.
    async with harness.person("owner") as admin:
        desk = await bot_chat(running, admin)
        await desk.ask("channel new upgraded")
        await desk.ask("channel add upgraded Ada")
        old = await place(running, "upgraded")
        await enter(running, admin, old.room_id or "")
        ada = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
        # Clients invite the members. In the new room the bot, which comes from the Space, has no power.
        new = await upgrade(admin, old.room_id or "", ada)

        async def moved() -> bool:
            return (await place(running, "upgraded")).room_id == new

        await eventually(moved, "the channel goes on in the new room")
        await admin.say(new, "Ada: are you here?")
        await admin.wait_for(lambda: admin.room(new).said_by(ada))
        # The Space lists the new room in place of the old one, and the administrators know what to do.
        space = (await running.contact("Ada")).home.space or ""
        assert (await state(running, space, CHILD, new)).get("via")
        assert not (await state(running, space, CHILD, old.room_id or "")).get("via")
        told: list[str] = await KeyValues(running.database).get(KeyValues.TOLD_ADMINS) or []
        assert any(each.startswith("powerless.") for each in told)
        (answer,) = admin.room(new).said_by(ada)
        assert answer.body.endswith("Ada: are you here?")
