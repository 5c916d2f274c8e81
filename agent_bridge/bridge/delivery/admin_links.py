"""One-time links to the admin page, which people are told in a chat with the bot in which nobody else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.secret_messages import SecretMessages
from agent_bridge.core.admin import LINK_PATH, LINK_SECONDS, link_secret, secret_hash

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.admin_sessions import AdminSessions
    from agent_bridge.store.postgres.database import Connection

_MINUTE = 60


class AdminLinks(SecretMessages):
    """Makes and tells the links.

    The secret of a link derives from a random text and from *key*, the ``as_token``, until it is told: a command that
    runs again tells the same one. *url* is the base of the addresses.
    """

    def __init__(self, homeserver: Homeserver, sessions: AdminSessions, texts: Texts, *, key: str, url: str) -> None:
        super().__init__(homeserver)
        self._sessions = sessions
        self._texts = texts
        self._key = key
        self._url = url

    async def add(self, connection: Connection, user: str, nonce: str) -> int:
        """Write the link of *nonce* for *user*, in place of earlier ones, within the transaction; return its id."""
        return await self._sessions.add_link(connection, user, secret_hash(link_secret(self._key, nonce)), nonce)

    async def tell(self, link: int, user: str, room_id: str, key: str, *, again: bool, since: str) -> bool:
        """Tell *user* the *link* as the turn *key*: once, also if it is called *again*; a used link is not.

        False: others are in the room now, and nothing was told. *since*: an event of the room; without one, its whole
        history is searched for an earlier message.
        """
        nonce = await self._sessions.nonce(link)
        if nonce is None:
            return True
        url = f"{self._url}{LINK_PATH}{link_secret(self._key, nonce)}"
        text = self._texts.admin.link.format(url=url, minutes=LINK_SECONDS // _MINUTE)
        if not await self._send(user, room_id, key, text, again=again, since=since):
            return False
        await self._sessions.told(link)
        return True

    async def withdraw(self, connection: Connection, link: int) -> None:
        """Let a link not count any more, within the caller's transaction."""
        await self._sessions.withdraw(connection, link)
