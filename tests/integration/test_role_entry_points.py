"""Every entry point of a room of an agent and of the bot, with every role, through a real homeserver.

tests/unit/test_role_entry_points.py has the complete table of the rules; here are the rows that the bridge writes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.roles import Role
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.postgres import Server

#: Localparts of people, by the columns of the table.
PEOPLE = {role.name.lower(): f"is_{role.name.lower()}" for role in Role} | {"muted": "is_muted"}
#: The letters of the rows for an event: the kind of a turn, or why the event is ignored.
LETTERS = {"message": "a", "command": "c", "edit": "e", "again": "g", "stop": "s", "muted": "m"}
#: In the order in which they are sent. A command of settings is one for moderators.
TABLE = {
    "message": "--aaaam",
    "mention": "-aaaaam",
    "thread": "--aaaam",
    "edit": "--eeeem",
    "🔁": "--gggg-",
    "🛑": "--ssss-",
    "prefix": "--ccccm",
    "bare": "--ccccm",
    "JSON": "--ccccm",
    "bot": "--cccc-",
}


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Running]:
    permissions = {f"@{user}:{DOMAIN}": name for name, user in PEOPLE.items() if name != "muted"}
    permissions[f"@{PEOPLE['muted']}:{DOMAIN}"] = "member"
    with postgres.migrated() as url:
        async with ScriptedUpstream("x") as upstream:
            there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
            async with harness.bridge(harness.config(url, there, service=SHARED, permissions=permissions)) as running:
                yield running


async def written(database: Database, event_id: str) -> str:
    """Return the letter of the row for an event; ``-``: none, or a refusal."""
    rows = await database.rows("SELECT kind FROM turn WHERE event_id = %s", (event_id,))
    rows += [
        {"kind": row["reason"]}
        for row in await database.rows("SELECT reason FROM ignored WHERE event_id = %s", (event_id,))
    ]
    return next((LETTERS[row["kind"]] for row in rows if row["kind"] in LETTERS), "-")


def _sends(talk: Conversation, person: Person) -> dict[str, Callable[[str], Coroutine[Any, Any, str]]]:
    """Return the entry points of a room of an agent; each sends an event that may be about the message *first*."""
    room_id, bot = talk.room_id, talk.running.homeserver.namespace.bot

    def said(body: str, **more: Any) -> Callable[[str], Coroutine[Any, Any, str]]:
        content = {"msgtype": "m.text", "body": body, **more}
        return lambda _first: person.send(room_id, "m.room.message", content)

    call = {"command": "help", "arguments": {}}
    return {
        "message": said("hi"),
        "mention": said("hi", **{"m.mentions": {"user_ids": [talk.ghost]}}),
        "thread": lambda first: person.reply(room_id, first, "hi", thread=first),
        "edit": lambda first: person.edit(room_id, first, "hello"),
        "🔁": lambda first: person.react(room_id, first, "🔁"),
        "🛑": lambda first: person.react(room_id, first, "🛑"),
        "prefix": said("!ab help"),
        "bare": said("!help"),
        "JSON": said("!ab help", **{"org.matrix.msc4391.command": call, "m.mentions": {"user_ids": [bot]}}),
    }


@pytest.mark.long
async def test_what_each_role_may_do(harness: BridgeHarness, running: Running) -> None:
    await eventually(running.agents.all, "there is an agent")
    (found,) = await running.agents.all()
    table = dict.fromkeys(TABLE, "")
    async with harness.person(PEOPLE["owner"]) as owner, harness.person(PEOPLE["muted"]):
        desk = await bot_chat(running, owner)
        await desk.ask(f"mute @{PEOPLE['muted']}:{DOMAIN}")
        for user in PEOPLE.values():
            async with harness.person(user) as person:
                talk = await running.join(person, found.agent.name)
                own = await person.create_dm(running.homeserver.namespace.bot)
                first, events = "", {}
                for name, send in _sends(talk, person).items():
                    events[name] = await send(first)
                    first = first or events[name]
                    # Each message before the next event about it: an edit of a waiting one is another thing.
                    await talk.wait_until_idle()
                try:
                    await eventually(partial(_has_joined, running, own), "the bot has entered the chat", 3)
                    events["bot"] = await person.say(own, "help")
                except (TimeoutError, AssertionError, HomeserverRefused):
                    events["bot"] = ""
                # The homeserver delivers events in their order: the bot has all of them when it answers the owner.
                await desk.ask("role")
                for name, event_id in events.items():
                    table[name] += await written(running.database, event_id) if event_id else "-"
    assert table == TABLE


async def _has_joined(running: Running, room_id: str) -> bool:
    return room_id in await running.homeserver.joined_rooms()
