"""One-time links to the admin page, which people are told in a chat with the bot in which nobody else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.rooms.bot_chats import private_room
from agent_bridge.core.admin import LINK_PATH, LINK_SECONDS, link_secret, secret_hash
from agent_bridge.core.ids import mark
from agent_bridge.render.content import message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.admin_sessions import AdminSessions
    from agent_bridge.store.postgres.database import Connection

#: Part of the mark of the message; other parts are those of the command's answer.
_PART = -1
_MINUTE = 60


class AdminLinks:
    """Makes and tells the links.

    The secret of a link derives from a random text and from *key*, the ``as_token``, until it is told: a command that
    runs again tells the same one. *url* is the base of the addresses.
    """

    def __init__(self, homeserver: Homeserver, sessions: AdminSessions, texts: Texts, *, key: str, url: str) -> None:
        self._homeserver = homeserver
        self._sessions = sessions
        self._texts = texts
        self._key = key
        self._url = url

    async def private_room(self, user: str, rooms: Iterable[str]) -> str | None:
        """Return the first of *rooms* in which *user* and the bot are alone; None if there is none."""
        return await private_room(self._homeserver, user, rooms)

    async def add(self, connection: Connection, user: str, nonce: str) -> int:
        """Write the link of *nonce* for *user*, in place of earlier ones, within the transaction; return its id."""
        return await self._sessions.add_link(connection, user, secret_hash(link_secret(self._key, nonce)), nonce)

    async def tell(self, link: int, user: str, room_id: str, key: str, *, again: bool, since: str) -> bool:
        """Tell the room the *link* of *user* as the turn *key*: once, also if it is called *again*; a used link is not.

        False: called *again*, it finds others in the room, who came meanwhile. Then the link does not count any more.
        *since*: an event of the room; without one, its whole history is searched for an earlier message.
        """
        if again and await self.private_room(user, [room_id]) is None:
            await self._sessions.withdraw(link)
            return False
        nonce = await self._sessions.nonce(link)
        if nonce is None:
            return True
        bot, marked = self._homeserver.namespace.bot, mark(key, _PART)
        if not (again and await marked_events(self._homeserver, room_id, bot, {marked}, until=since)):
            url = f"{self._url}{LINK_PATH}{link_secret(self._key, nonce)}"
            text = self._texts.admin.link.format(url=url, minutes=LINK_SECONDS // _MINUTE)
            await self._homeserver.send(room_id, message(text, mark=marked, notice=True), txn_id=f"ab.{key}.secret")
        await self._sessions.told(link)
        return True
