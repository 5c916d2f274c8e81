"""Servers and channels beside the rest of the bridge: lost databases, repairs, retirement, people without a role."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.core.roles import Role
from agent_bridge.core.servers import Channel, ChannelType, Server
from agent_bridge.matrix.rooms import CHANNEL, CHILD, POWER_LEVELS
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.migrate import migrate
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.servers import Servers
from support.api_client import program_of
from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.places import delete_places

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream


def configured(harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, admin: str) -> Config:
    there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
    permissions = {DOMAIN: "member", f"@stranger:{DOMAIN}": "none", admin: "admin", f"@owner:{DOMAIN}": "owner"}
    return harness.config(database_url, there, permissions=permissions, rooms={"join_rule": "restricted"}, space={})


async def settled(running: Running, names: set[str]) -> dict[str, Server | Channel]:
    """Return servers and channels by name, once they have *names* and their states are applied."""
    store = Servers(running.database)

    async def applied() -> dict[str, Server | Channel] | None:
        found: list[Server | Channel] = [*await store.servers()]
        for channels in (await store.by_server()).values():
            found += channels
        is_done = all(each.changes == each.changes_applied and each.room_id and each.space for each in found)
        return {each.name: each for each in found} if is_done and {each.name for each in found} >= names else None

    return await eventually(applied, f"there are {names}")


async def test_channels_outlive_their_database(harness: BridgeHarness, database_url: str) -> None:
    async with (
        named_upstream("Ada", "Bea") as upstream,
        harness.person("admin") as admin,
        harness.person("stranger") as eve,
        harness.person("owner"),
    ):
        config = configured(harness, database_url, upstream, admin.user_id)
        async with harness.bridge(config) as running:
            await running.contact("Bea")
            desk = await bot_chat(running, admin)
            for line in ("server new Lab", "channel new 1/old", "channel new 1/logs log", "channel new news"):
                await desk.ask(line)
            await desk.ask("channel add logs Ada")
            await desk.ask("channel move logs 1")
            await desk.ask("server update 1 description all of it")
            before = await settled(running, {"Lab", "old", "logs", "news"})
            lab, old, logs = before["Lab"], before["old"], before["logs"]
            await admin.join(lab.room_id or "")
            await admin.join(old.room_id or "")
            await admin.set_state(old.room_id or "", "m.room.name", {"name": "talk"})
            await settled(running, {"Lab", "talk", "logs", "news"})
            ada_program, boss = await program_of(running, "Ada"), await program_of(running, admin.user_id)
            agents = await ada_program.post("/v1/send", to="Bea", text="before")
            people = await boss.post("/v1/direct", to=f"@owner:{DOMAIN}")
            await eventually(running.idle, "every turn is closed")
            # Nobody but the bot makes a room a channel.
            forged = await admin.create_room(invite=[running.homeserver.namespace.bot])
            await admin.set_state(forged, CHANNEL, {"type": "text", "key": "forged", "server": ""})
        async with Database(database_url) as database:
            await database.execute("DROP SCHEMA public CASCADE")
            await database.execute("CREATE SCHEMA public")
            await asyncio.to_thread(migrate, database_url)
        async with harness.bridge(config) as running:
            after = await settled(running, {"Lab", "talk", "logs", "news"})
            assert {name: each.room_id for name, each in after.items()} == {
                "Lab": lab.room_id,
                "talk": old.room_id,
                "logs": logs.room_id,
                "news": before["news"].room_id,
            }
            server, channels = after["Lab"], await Servers(running.database).channels(1)
            assert isinstance(server, Server)
            assert (server.owner, server.topic) == (admin.user_id, "all of it")
            assert [(each.name, each.type) for each in channels] == [
                ("logs", ChannelType.LOG),
                ("talk", ChannelType.TEXT),
            ]
            ada = (await running.contact("Ada")).agent.ghost

            async def is_back() -> bool:
                return [each.ghost for each in await Servers(running.database).ghosts(channels[0])] == [ada]

            await eventually(is_back, "the agent takes part again")
            await _pairs(running, {agents["room_id"], people["room_id"]})
            assert len([each for each in upstream.questions if "before" in each]) == 1
            book = (await RoleStore(running.database).current()).book
            assert book is not None
            assert book.in_server(1).role_of(admin.user_id) is Role.OWNER
            talk = BotRoom(running, admin, old.room_id or "")
            assert "Channels of Lab" in (await talk.ask("!ab channel list")).body
            await _repair(running, await bot_chat(running, admin), after)
            await _rest(running, talk, channels[0], eve)
            await delete_places(running)


async def _pairs(running: Running, rooms: set[str]) -> None:
    """The direct rooms of two agents and of two people are found, too, and agents answer nothing again."""

    async def found() -> bool:
        rows = await running.database.rows("SELECT r.room_id FROM pair p JOIN room r ON r.id = p.room")
        return {row["room_id"] for row in rows} == rooms

    await eventually(found, "the rooms of pairs are found")
    ada = await program_of(running, "Ada", name="again")
    assert (await ada.post("/v1/direct", to="Bea"))["room_id"] in rooms
    behind = "SELECT 1 FROM room WHERE room_id = ANY(%s) AND needs_backfill"

    async def is_read() -> bool:
        return not await running.database.rows(behind, (list(rooms),))

    await eventually(is_read, "the rooms were read")
    await eventually(running.idle, "every turn is closed")


async def _repair(running: Running, desk: BotRoom, places: dict[str, Server | Channel]) -> None:
    """The repair finds what is missing in channels, and a second one nothing."""
    await settled(running, set(places))
    news, bot = places["news"].room_id or "", running.homeserver.namespace.bot
    await running.homeserver.set_state(places["news"].space or "", CHILD, {}, key=news)
    await running.homeserver.set_state(news, CHANNEL, {})
    for is_damaged in (True, False):
        begun = await desk.ask("repair")
        await desk.person.wait_for(lambda: "compared" in desk.said()[-1].body)
        assert ("news" in desk.said()[-1].body) is is_damaged, begun
    assert (await running.homeserver.state(news, CHANNEL) or {})["sender"] == bot


async def _rest(running: Running, talk: BotRoom, logs: Channel, eve: Person) -> None:
    """A retired agent leaves its channels, and comes back with its power to write; strangers are told of once."""
    ada = running.homeserver.namespace.user_id((await running.contact("Ada")).agent.ghost)
    bea = running.homeserver.namespace.user_id((await running.contact("Bea")).agent.ghost)
    room_id, log = talk.room_id, logs.room_id or ""

    async def is_in(user: str, room: str, membership: str) -> bool:
        return await running.homeserver.membership(room, user) == membership

    assert "is retired" in (await talk.ask("!ab retire Ada")).body
    await eventually(partial(is_in, ada, log, "leave"), "the agent leaves the channel")
    assert "back" in (await talk.ask("!ab retire Ada back")).body
    await eventually(partial(is_in, ada, log, "join"), "the agent is in the channel again")
    levels = (await running.homeserver.state(log, POWER_LEVELS) or {})["content"]["users"]
    assert levels[ada] == 10
    assert "is in Lab/talk" in (await talk.ask("!ab channel add talk Bea")).body
    assert await is_in(bea, room_id, "join")
    await running.homeserver.invite(room_id, eve.user_id)
    await eve.join(room_id)
    await talk.person.wait_for(lambda: any("without access" in each.body for each in talk.said()))
