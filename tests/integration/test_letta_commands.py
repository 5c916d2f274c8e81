"""The commands of the real App Server of Letta, the pictures and the tokens of its agents, in a room."""

from __future__ import annotations

import asyncio
import io
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from support.conditions import eventually
from support.scripted_app_server import ScriptedAppServer
from support.scripted_upstream import says, waits_for

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Running
    from support.letta_server import LettaServer


def picture(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (300, 300), colour).save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize("by_reaction", [True, False], ids=["reaction", "command"])
async def test_a_stop_ends_a_command_of_the_server(
    harness: BridgeHarness, database_url: str, *, by_reaction: bool
) -> None:
    async with ScriptedAppServer("Dora") as server, harness.person("admin") as admin:
        server.asking, server.script = {"init"}, waits_for(asyncio.Event(), "So")
        config = harness.config(database_url, [{"name": "letta", "kind": "letta", "url": server.url}])
        async with harness.bridge(config) as running:
            talk = await running.join(admin, server.names[0])
            asked = await talk.say("!ab letta init")

            async def begun() -> bool:
                return bool(server.asked)

            await eventually(begun, "the agent works on the command")
            await talk.say("and then?")
            if by_reaction:
                await admin.react(talk.room_id, asked, "🛑")
            else:
                await talk.say("!ab stop")
            # The message that waits behind the command is answered.
            server.script = says("Then.")
            await talk.wait_for_answers(1)
            assert [each.body for each in talk.answers] == ["Then."]
            told = ["letta init is stopped."] if by_reaction else ["Stopping.", "letta init is stopped."]
            assert sorted(each.body for each in talk.from_bot) == sorted(told)
            assert [each["type"] for each in server.commands].count("abort_message") == 1
            assert "stopped" in await talk.command(f"why {asked}")


async def test_a_command_that_is_stopped_while_it_waits_never_runs(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedAppServer("Dora") as server, harness.person("admin") as admin:
        gate = asyncio.Event()
        server.script = waits_for(gate, "The", " end.")
        config = harness.config(database_url, [{"name": "letta", "kind": "letta", "url": server.url}])
        async with harness.bridge(config) as running:
            talk = await running.join(admin, server.names[0])
            await talk.say("a question")
            asked = await talk.say("!ab letta init")
            await admin.react(talk.room_id, asked, "🛑")
            await eventually(lambda: _is_stopped(running, asked), "the command has to end")
            gate.set()
            await talk.wait_for_answers(1)
            await admin.wait_for(lambda: bool(talk.from_bot))
            assert [each.body for each in talk.answers + talk.from_bot] == ["The end.", "letta init is stopped."]
            assert "execute_command" not in {each["type"] for each in server.commands}


async def _is_stopped(running: Running, event_id: str) -> bool:
    row = await running.database.row("SELECT stop FROM turn WHERE event_id = %s", (event_id,))
    return row is not None and row["stop"] is not None


@pytest.mark.long  # short: tests/contract/test_letta_commands.py, with a scripted server
async def test_an_administrator_gives_commands_of_the_server(
    harness: BridgeHarness, database_url: str, letta: LettaServer
) -> None:
    async with AsyncExitStack() as stack:
        dora = await letta.create_agent("Dora")
        await letta.write_memory(dora, "profile.png", picture("red"))
        config = harness.config(database_url, [{"name": "letta", "kind": "letta", "url": letta.root}])
        admin = await stack.enter_async_context(harness.person("admin"))
        bob = await stack.enter_async_context(harness.person())
        running = await stack.enter_async_context(harness.bridge(config))
        talk = await running.join(admin, "Dora")

        async def coloured() -> bytes:
            contact = await running.contact("Dora")
            same = contact.agent.image and contact.agent.image_applied == contact.agent.image
            return await admin.download(contact.agent.avatar or "") if same else b""

        shown = Image.open(io.BytesIO(await eventually(coloured, "the ghost has the picture")))
        red, green, _ = shown.convert("RGB").getpixel((20, 20))  # type: ignore[misc]
        assert (red > 200, green < 50) == (True, True)

        question = await talk.say("hello")
        await talk.wait_for_answers(1)
        assert "tokens: 100 read (40 of them from the cache), 5 written" in await talk.command(f"why {question}")
        listed = await talk.command("letta")
        assert "letta compact: replaces the conversation so far" in listed
        assert "upgrade" not in listed
        assert "There is no" not in await talk.command("letta reload")
        assert "Did you mean !ab letta compact?" in await talk.command("letta compct")
        assert "restarts the server" in await talk.command("letta upgrade-letta-code")
        await running.homeserver.invite(talk.room_id, bob.user_id, talk.ghost)
        await bob.join(talk.room_id)
        await bob.wait_for(lambda: talk.room_id in bob.rooms)
        assert "for admins only" in await talk.command("letta compact", by=bob)

        # A new conversation forgets; it is the room's from now on.
        assert await talk.command("letta clear") == "/clear is done."
        await talk.say("and now?")
        await talk.wait_for_answers(2)
        said = [str(each["content"]) for each in letta.llm.asked[-1]["messages"] if each["role"] == "user"]
        assert [sum(word in text for text in said) for word in ("hello", "and now?")] == [0, 1]

        # A command waits for the answer before it, and a message for the command.
        await talk.say("slowly one two three four")
        await admin.say(talk.room_id, "!ab letta reload")
        await talk.say("and then?")
        await talk.wait_for_answers(4)
        seen = [each.body for each in talk.room.messages.values()]
        words = ("Echo: slowly one two three four", "/reload is done", "Echo: and then?")
        places = [max(at for at, body in enumerate(seen) if body.startswith(word)) for word in words]
        assert places == sorted(places)
