"""A person lists the agents, selects the second one and binds a room: a restart of the process changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.agents import Agents
from agent_bridge.store.postgres.database import Database
from support.bot_rooms import NAMES, named_upstream
from support.conditions import eventually
from support.process import BridgeProcess

if TYPE_CHECKING:
    from pathlib import Path

    from support.harness import BridgeHarness

BOT = "@agentbridge:test.local"


async def test_selection_and_binding_survive_the_process(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    async with named_upstream(*NAMES) as upstream, harness.person() as person, Database(database_url) as database:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], logging={"format": "json"})

        async def made() -> bool:
            found = await Agents(database).all()
            return len(found) == len(NAMES) and all(each.home.name_applied for each in found)

        async def ask(room_id: str, text: str) -> str:
            before = len(person.room(room_id).said_by(BOT))
            await person.say(room_id, text)
            return (await person.wait_for(lambda: person.room(room_id).said_by(BOT)[before:]))[0].body

        async def answered(room_id: str, text: str) -> None:
            await person.wait_for(lambda: text in [each.body for each in person.room(room_id).messages.values()])

        async with BridgeProcess(tmp_path, config) as process:
            await process.wait_for("listening")
            await eventually(made, "every agent has a room")
            chat = await person.create_dm(BOT)
            await person.wait_for(lambda: person.room(chat).said_by(BOT))
            assert "2. Bea" in await ask(chat, "agent")
            assert (await ask(chat, "agent 2")).startswith("You have chosen Bea")
            room = await person.create_room(preset="private_chat", invite=[BOT])
            await person.wait_for(lambda: person.room(room).said_by(BOT))
            assert (await ask(room, "first")).startswith("Which agent should answer in this room?")
            assert (await ask(room, "3")) == "Research answers in this room from now on."
            await answered(room, "Echo: first")
        async with BridgeProcess(tmp_path, config) as process:
            await process.wait_for("listening")
            # Binding a room is a choice too.
            assert "3. Research ✓" in await ask(chat, "agent")
            await person.say(room, "second")
            await answered(room, "Echo: second")
