"""Every command of the registry, given by a member, a moderator, an administrator and strangers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.commands.handler import all_commands
from agent_bridge.core.roles import Role
from agent_bridge.i18n.english import ENGLISH
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.people import TransactionSender
from support.scripted_upstream import ScriptedUpstream
from support.table_rows import changed, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

COMMANDS = all_commands().commands
#: Words that no command can use. Those that ignore words answer as without them.
WORDS = "Zzzzzzzz"
ALL = [f"{name} {WORDS}" for name in COMMANDS]
#: Commands that members use in their own chats, and moderators elsewhere.
OF_THE_ROOM = {"schedule"}
PEOPLE = {"ordinary": Role.MEMBER, "helper": Role.MODERATOR, "admin": Role.ADMIN, "boss": Role.OWNER}


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Config]:
    """A configuration in which people have different roles."""
    with postgres.migrated() as url:
        async with ScriptedUpstream("x") as upstream:
            yield harness.config(
                url,
                [{"name": "u", "url": upstream.url, "poll_interval": 60}],
                service=SHARED,
                permissions={
                    DOMAIN: "member",
                    f"@helper:{DOMAIN}": "moderator",
                    f"@admin:{DOMAIN}": "admin",
                    f"@stranger:{DOMAIN}": "none",
                    f"@robot:{DOMAIN}": "agent",
                    f"@boss:{DOMAIN}": "owner",
                },
            )


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    """A bridge with this configuration."""
    async with harness.bridge(config) as running:
        yield running


# Moderators and admins are refused less, and an owner nothing.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name in {"admin", "boss", "helper"} else ()) for name in PEOPLE],
)
async def test_a_command_is_refused_below_its_role(harness: BridgeHarness, running: Running, name: str) -> None:
    async with harness.person(name) as person:
        chat = await bot_chat(running, person)
        for command, line in zip(COMMANDS.values(), ALL, strict=True):
            answer = (await chat.ask(line)).body
            refusal = ENGLISH.commands.command_not_permitted.partition("{role}")[0].format(word=command.name)
            is_refused = answer.startswith(refusal.replace("`", ""))
            needed = Role.MODERATOR if command.name in OF_THE_ROOM else command.role
            assert is_refused is (needed > PEOPLE[name]), (line, answer)


async def of_rooms(database: Database) -> list[object]:
    """Return what commands can change of rooms."""
    query = """
        SELECT room_id, kind, owner, person, name, status, when_busy, streaming FROM room
        WHERE kind <> 'bot' ORDER BY id
    """
    return [tuple(row.values()) for row in await database.rows(query)]


async def test_strangers_give_no_command(harness: BridgeHarness, running: Running, config: Config) -> None:
    """A stranger of this homeserver, and one of another: its events are sent as the homeserver delivers them."""
    await eventually(running.agents.all, "there is an agent")
    (found,) = await running.agents.all()
    async with harness.person("stranger") as stranger, harness.person() as member:
        talk = await running.join(member, found.agent.name)
        await running.homeserver.invite(talk.room_id, stranger.user_id)
        await stranger.join(talk.room_id)
        sender = TransactionSender(config)
        before, rooms = await snapshot(running.database), await of_rooms(running.database)
        for number, line in enumerate(ALL):
            await stranger.say(talk.room_id, f"!ab {line}")
            foreign = {
                "event_id": f"$foreign-{number}",
                "room_id": talk.room_id,
                "type": "m.room.message",
                "sender": "@eve:elsewhere.example",
                "origin_server_ts": 1_700_000_000_000,
                "content": {"msgtype": "m.text", "body": f"!ab {line}"},
            }
            assert await sender.send(f"foreign-{number}", foreign) == 200
        # The homeserver delivers events in their order: the bot has all of them when it answers the member.
        await talk.say("!ab help agent")
        await talk.person.wait_for(lambda: talk.from_bot and talk.from_bot[-1].body.startswith("!ab agent"))
        await talk.wait_until_idle()
        after = await snapshot(running.database)
        # Of a room, the position in its history changes; the lane of the bot is new, and it tells a stranger why.
        # Workers and the leader give signs of life, and the job of the member's lane ends after its turn.
        alive = {"procrastinate_workers", "procrastinate_jobs", "kv"}
        assert changed(before, after) <= {"turn", "outbox", "ignored", "conversation", "room", *alive}
        assert await of_rooms(running.database) == rooms
        # The bridge tells a person whom it has invited, once.
        assert [each.body[:29] for each in talk.from_bot[:-1]] == ["You are not permitted to talk"]
        rows = await running.database.rows(
            "SELECT DISTINCT sender FROM turn WHERE kind = 'command' AND sender = ANY(%s)",
            ([stranger.user_id, "@eve:elsewhere.example"],),
        )
        assert rows == []


async def test_a_bot_is_answered_only_if_it_mentions_the_agent(harness: BridgeHarness, running: Running) -> None:
    await eventually(running.agents.all, "there is an agent")
    (found,) = await running.agents.all()
    async with harness.person("robot") as robot:
        talk = await running.join(robot, found.agent.name)
        await talk.say("hello")
        await talk.say("!ab help")
        content = {"msgtype": "m.text", "body": "are you there?", "m.mentions": {"user_ids": [talk.ghost]}}
        await robot.send(talk.room_id, "m.room.message", content)
        (answer,) = await talk.wait_for_answers(1)
        assert answer.body == "Echo: are you there?"
        # The homeserver delivers events in their order. The earlier ones asked for nothing, not even for a notice.
        rows = await running.database.rows("SELECT kind FROM turn WHERE sender = %s", (robot.user_id,))
        assert [row["kind"] for row in rows] == ["message"]
