"""The rooms of a person with the bridge bot, and the processes of the bridge, of which one dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crash.doomed_process import DoomedProcess
from support.process import BridgeProcess
from support.turns import until_no_turn_is_open

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.store.postgres.database import Database
    from support.person import Person

BOT = "@agentbridge:test.local"


class BotRooms:
    """A person's rooms with the bot, and the processes of the bridge."""

    def __init__(self, folder: Path, config: Config, person: Person, database: Database) -> None:
        self.folder = folder
        self.config = config
        self.person = person
        self.database = database

    def process(self) -> BridgeProcess:
        """Return an ordinary process."""
        return BridgeProcess(self.folder, self.config)

    def said(self, room_id: str) -> list[str]:
        """Return the messages of the bot."""
        return [message.body for message in self.person.room(room_id).said_by(BOT)]

    async def told(self, room_id: str, count: int) -> None:
        """Wait until the bot has said *count* messages."""
        await self.person.wait_for(lambda: len(self.said(room_id)) >= count)

    async def make(self) -> str:
        """Make a room with the bot, and wait for the greeting."""
        room_id = await self.person.create_room(preset="private_chat", invite=[BOT])
        await self.told(room_id, 1)
        return room_id

    async def doom(self, point: str, text: str, act: Awaitable[object]) -> int | None:
        """Run a process that dies at *point* of the event with *text*, which *act* sends; return its exit code."""
        async with DoomedProcess(self.folder, self.config, point, text) as process:
            await process.wait_for("listening")
            await act
            return await process.death()

    async def closed(self) -> None:
        """Wait until no turn is open."""
        await until_no_turn_is_open(self.database, 120)
