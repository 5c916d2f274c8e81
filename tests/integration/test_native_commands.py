"""Commands that clients know: descriptions in the state of rooms, and calls as JSON, with the clients of two people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.commands.handler import all_commands, described_commands
from agent_bridge.core.permissions import CAN
from agent_bridge.core.roles import Role
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.matrix.bot_commands import DESCRIPTION, description_key
from agent_bridge.render.command_descriptions import command_description
from support.bot_rooms import NAMES, BotRoom, bot_chat, bot_room, named_upstream
from support.conditions import eventually
from support.harness import SHARED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.i18n.catalogue import Texts
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server
    from support.scripted_upstream import ScriptedUpstream

COMMANDS = all_commands().commands
DESCRIBED = {"describe_commands": True}


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream(*NAMES) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Running]:
    there = {"name": "u", "url": upstream.url, "poll_interval": 60}
    with postgres.migrated() as url:
        async with harness.bridge(harness.config(url, [there], service=SHARED, bot=DESCRIBED)) as running:
            yield running


def expected(bot: str, role: Role, texts: Texts = ENGLISH, *, has_agents: bool = True) -> dict[str, Any]:
    """Return the descriptions of the commands for people with *role*, by state key."""
    return {
        description_key(each.usage.name, bot): command_description(each.usage, texts)
        for each in described_commands()
        if each.permission in CAN[role] and (has_agents or not each.needs_agent)
    }


async def direct_chat(running: Running, person: Person) -> BotRoom:
    """Have *person* begin a direct chat with the bot as clients do: the bot gets the power of its person."""
    return await bot_room(running, person, is_direct=True, preset="trusted_private_chat")


def described(person: Person, room_id: str) -> dict[str, Any]:
    state = person.room(room_id).state
    return {key: content for (kind, key), content in state.items() if kind == DESCRIPTION and content}


async def writes(person: Person, room_id: str) -> int:
    """Return the number of descriptions that were written into a room."""
    return sum(event["type"] == DESCRIPTION for event in await person.history(room_id))


async def call(person: Person, room_id: str, bot: str, name: str, key: str = "m.bot.command", **arguments: Any) -> str:
    """Give a command as a client writes it, with a text that is none."""
    content = {
        "msgtype": "m.text",
        "body": f"/{name} as this client writes it",
        "m.mentions": {"user_ids": [bot]},
        key: {"command": name, "arguments": arguments},
    }
    return await person.send(room_id, "m.room.message", content)


async def settled(running: Running, room_id: str) -> None:
    """Wait until the room has its descriptions."""
    query = "SELECT 1 FROM room WHERE room_id = %s AND commands_described IS NOT NULL"

    async def done() -> bool:
        return bool(await running.database.rows(query, (room_id,)))

    await eventually(done, "the commands are described in the room")


@pytest.mark.long
async def test_both_forms_are_answered_alike(harness: BridgeHarness, running: Running) -> None:
    bot = running.homeserver.namespace.bot
    pairs: list[tuple[str, dict[str, Any]]] = [
        ("agents", {}),
        ("agent", {}),
        ("agent Research", {"choice": "Research"}),
        ("agent reserch", {"choice": "reserch"}),
        ("help invite", {"command": "invite"}),
        ("chats archived", {"archived": True, "page": None}),
        ("invite", {}),
        ("invite Ada nobody", {"place": "Ada nobody"}),
        ("rename", {"title": ""}),
        ("yes", {}),
        ("status", {}),
        ("nothing", {}),
    ]
    async with harness.person() as one, harness.person() as two:
        typed, native = await bot_chat(running, one), await bot_chat(running, two)
        for number, (line, arguments) in enumerate(pairs):
            before = len(native.said())
            key = ("m.bot.command", "org.matrix.msc4391.command")[number % 2]
            await call(two, native.room_id, bot, line.split()[0], key, **arguments)
            answer = await native.answer(before)
            assert answer.body == (await typed.ask(line)).body, line
        before = len(native.said())
        for arguments in ({"choice": ["2"]}, {"choice": 2}, {"other": "x"}, {"choice": "x" * 50_000}):
            await call(two, native.room_id, bot, "agent", **arguments)
        # Another bot's command gets no answer.
        await call(two, native.room_id, "@draupnir:example.org", "ban", user="@spam:example.org")
        await native.say("agents")
        await two.wait_for(lambda: len(native.said()) == before + 5)
        faults = [message.body.partition(" Usage:")[0] for message in native.said()[before:-1]]
        assert [fault.split()[-1] for fault in faults] == ["text.", "text.", "here.", "most."], faults


@pytest.mark.long
async def test_commands_are_described_where_people_give_them(harness: BridgeHarness, running: Running) -> None:
    bot = running.homeserver.namespace.bot
    async with harness.person() as one, harness.person("admin") as admin:
        chat, talk = await direct_chat(running, one), await running.join(one, "Ada")
        # In the chat with the bot, before the first command.
        await one.wait_for(lambda: described(one, chat.room_id) == expected(bot, Role.MEMBER, has_agents=False))
        assert described(one, talk.room_id) == {}
        await call(one, talk.room_id, bot, "queue")
        await one.wait_for(lambda: described(one, talk.room_id) == expected(bot, Role.MEMBER))
        await settled(running, talk.room_id)
        assert await writes(one, talk.room_id) == len(expected(bot, Role.MEMBER))
        await talk.command("queue")
        # An administrator gets the other commands; nothing is written twice.
        await running.homeserver.invite(talk.room_id, admin.user_id)
        await admin.join(talk.room_id)
        await call(admin, talk.room_id, bot, "failed")
        await one.wait_for(lambda: described(one, talk.room_id) == expected(bot, Role.ADMIN))
        assert await writes(one, talk.room_id) == len(expected(bot, Role.ADMIN))


async def test_a_room_in_which_the_bot_has_no_power_is_told_of_once(
    harness: BridgeHarness, running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    async with harness.person() as person:
        chat = await bot_chat(running, person)
        await settled(running, chat.room_id)
        for _ in range(2):
            await chat.ask("agents")
        told = [line for line in capfd.readouterr().out.splitlines() if "commands are not described" in line]
        assert len([line for line in told if chat.room_id in line]) == 1
        assert await writes(person, chat.room_id) == 0


@pytest.mark.long
async def test_a_restart_writes_nothing_another_language_all_and_false_empties_them(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream
) -> None:
    there = [{"name": "u", "url": upstream.url}]
    async with harness.person() as person:
        async with harness.bridge(harness.config(database_url, there, bot=DESCRIBED)) as running:
            chat = await direct_chat(running, person)
            await settled(running, chat.room_id)
            bot = running.homeserver.namespace.bot
        english = expected(bot, Role.MEMBER, has_agents=False)
        assert await writes(person, chat.room_id) == len(english)
        async with harness.bridge(harness.config(database_url, there, bot=DESCRIBED)) as running:
            await replace(chat, running=running).ask("agents")
            await settled(running, chat.room_id)
        assert await writes(person, chat.room_id) == len(english)
        async with harness.bridge(harness.config(database_url, there, language="ru", bot=DESCRIBED)):
            russian = expected(bot, Role.MEMBER, RUSSIAN, has_agents=False)
            await person.wait_for(lambda: described(person, chat.room_id) == russian)
        assert await writes(person, chat.room_id) == 2 * len(english)
        async with harness.bridge(harness.config(database_url, there)):
            await person.wait_for(lambda: described(person, chat.room_id) == {})
