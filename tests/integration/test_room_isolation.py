"""An agent receives only the messages of the room in which it is asked: secrets of all other rooms stay there."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from support.bot_rooms import BotRoom, bot_chat, named_upstream
from support.chat_rooms import Chat, new_chat
from support.conditions import eventually
from support.direct_chats import direct_chat
from support.groups import group

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream

_SECRET = re.compile(r"secret of (\w+)")


def secrets_in(request: object) -> list[str]:
    """Return the names of the rooms whose secrets a request has, in their order."""
    return _SECRET.findall(json.dumps(request, ensure_ascii=False))


async def answered(upstream: ScriptedUpstream, room: BotRoom, name: str, agent: str, times: int) -> None:
    """Wait until *agent* has answered the message with the secret of *name* for the *times*-th time."""

    async def asked() -> bool:
        found = [each for each in upstream.asked if secrets_in(each)[-1:] == [name] and each["model"].startswith(agent)]
        return len(found) >= times

    await eventually(asked, f"{agent} is asked in {name}")
    await room.settled()


async def chat_with_ada(running: Running, person: Person) -> Chat:
    desk = await bot_chat(running, person)
    await desk.ask("agent Ada")
    return await new_chat(desk)


async def test_no_request_has_a_secret_of_another_room(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as one, harness.person() as two:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}])
        async with harness.bridge(config) as running:
            homes = {name: await running.join(person, name) for name, person in (("Ada", one), ("Bea", two))}
            together = await group(running, two, "Ada", "Bea", others=(one.user_id,))
            await one.join(together.room_id)
            rooms: dict[str, tuple[str, BotRoom]] = {
                "home": ("ada", BotRoom(running, one, homes["Ada"].room_id)),
                "other_home": ("bea", BotRoom(running, two, homes["Bea"].room_id)),
                "chat": ("ada", await chat_with_ada(running, one)),
                "other_chat": ("ada", await chat_with_ada(running, two)),
                "direct": ("bea", await direct_chat(running, one, "Bea")),
            }
            thread = await rooms["home"][1].say("What about this?")
            # Each room gets its secret, and is asked again when all secrets are told.
            for times in (1, 2):
                for name, (agent, room) in rooms.items():
                    await room.say(f"{times}: the secret of {name}")
                    await answered(upstream, room, name, agent, times)
                await one.reply(homes["Ada"].room_id, thread, f"{times}: the secret of thread", thread=thread)
                await answered(upstream, rooms["home"][1], "thread", "ada", times)
                # Each agent of a group gets the words to the other one.
                for name, agent in (("Ada", "ada"), ("Bea", "bea")):
                    await together.tell(f"{times}: the secret of group", name, person=one)
                    await answered(upstream, together, "group", agent, times)
        asked = {(tuple(sorted({*secrets_in(each)})), each["model"].rstrip("0123456789")) for each in upstream.asked}
        expected: set[tuple[tuple[str, ...], str]] = {((name,), agent) for name, (agent, _) in rooms.items()}
        expected |= {(("thread",), "ada"), (("group",), "ada"), (("group",), "bea"), ((), "ada")}
        assert asked == expected
