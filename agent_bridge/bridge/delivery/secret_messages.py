"""Messages with secrets, which people are told once, in a room in which nobody else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.rooms.bot_chats import private_room
from agent_bridge.core.ids import mark
from agent_bridge.render.content import message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.matrix.client import Homeserver

#: Part of the mark of the message; other parts are those of the command's answer.
_PART = -1


class SecretMessages:
    """Sends the messages as the bot."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver

    async def private_room(self, user: str, rooms: Iterable[str]) -> str | None:
        """Return the first of *rooms* in which *user* and the bot are alone; None if there is none."""
        return await private_room(self._homeserver, user, rooms)

    async def _send(self, user: str, room_id: str, key: str, text: str, *, again: bool, since: str) -> bool:
        """Send *user* the Markdown *text* as the turn *key*: once, also if it is called *again*.

        False: others are in the room now, who came since it was chosen, and the text was not sent.
        *since*: an event of the room; without one, its whole history is searched for an earlier message.
        """
        bot, marked = self._homeserver.namespace.bot, mark(key, _PART)
        if again and await marked_events(self._homeserver, room_id, bot, {marked}, until=since):
            return True
        if await self.private_room(user, [room_id]) is None:
            return False
        await self._homeserver.send(room_id, message(text, mark=marked, notice=True), txn_id=f"ab.{key}.secret")
        return True
