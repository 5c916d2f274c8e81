"""Chats of a person, as the person's client and the database show them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from support.bot_rooms import BotRoom
from support.conditions import eventually

if TYPE_CHECKING:
    from support.harness import Running
    from support.person import Person

_LINK = re.compile(r'href="https://matrix\.to/#/(?P<room>[^"?]+)')


@dataclass(frozen=True)
class Chat(BotRoom):
    """A person in the room of a chat."""

    number: int = 0

    async def row(self) -> dict[str, Any]:
        """Return the row of the chat."""
        return await chat_row(self.running, self.room_id)

    async def synced(self) -> dict[str, Any]:
        """Wait until the homeserver has the desired state of the chat; return its row."""

        async def applied() -> dict[str, Any] | None:
            row = await self.row()
            return row if row["changes"] == row["changes_applied"] and row["bot_joined"] else None

        return await eventually(applied, "the chat is in sync")


async def chat_row(running: Running, room_id: str) -> dict[str, Any]:
    """Return the row of the chat *room_id*."""
    row = await running.database.row(
        "SELECT r.*, a.name AS agent FROM room r JOIN agent a ON a.id = r.owner WHERE r.room_id = %s", (room_id,)
    )
    assert row is not None
    return row


def linked_room(html: str | None) -> str:
    """Return the room that a message links to."""
    found = _LINK.search(html or "")
    assert found is not None, html
    return unquote(found["room"])


async def new_chat(desk: BotRoom, line: str = "new") -> Chat:
    """Have the person of *desk* make a chat by the command *line*, and enter it."""
    answer = await desk.ask(line)
    return await enter_chat(desk.running, desk.person, linked_room(answer.html))


async def enter_chat(running: Running, person: Person, room_id: str) -> Chat:
    """Have *person* accept the invitation to the chat *room_id*."""
    await person.wait_for(lambda: room_id in person.invites)
    await person.join(room_id)
    await person.wait_for(lambda: room_id in person.rooms)
    return Chat(running, person, room_id, (await chat_row(running, room_id))["number"])
