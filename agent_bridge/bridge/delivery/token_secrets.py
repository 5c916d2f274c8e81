"""The secrets of tokens, which people are told once, in a chat with the bot in which nobody else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.rooms.bot_chats import private_room
from agent_bridge.core.ids import mark
from agent_bridge.core.programs import derived_token, token_hash
from agent_bridge.render.content import message
from agent_bridge.render.tokens import secret_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver

#: Part of the mark of the message; other parts are those of the command's answer.
_PART = -1


class TokenSecrets:
    """Makes and tells the secrets.

    A token derives from a random text and from *key*, the ``as_token``, until it is told: a command that runs again
    tells the same one. *url* is the base of the addresses.
    """

    def __init__(self, homeserver: Homeserver, texts: Texts, *, key: str, url: str) -> None:
        self._homeserver = homeserver
        self._texts = texts
        self._key = key
        self._url = url

    def hash_of(self, nonce: str) -> str:
        """Return the digest of the token that derives from *nonce*."""
        return token_hash(derived_token(self._key, nonce))

    async def private_room(self, user: str, rooms: Iterable[str]) -> str | None:
        """Return the first of *rooms* in which *user* and the bot are alone; None if there is none."""
        return await private_room(self._homeserver, user, rooms)

    async def tell(self, room_id: str, key: str, name: str, nonce: str, *, again: bool, since: str) -> None:
        """Tell the room the token *name* as the turn *key*: once, also if it is called *again*.

        *since*: an event of the room; without one, its whole history is searched for an earlier message.
        """
        bot, marked = self._homeserver.namespace.bot, mark(key, _PART)
        if again and await marked_events(self._homeserver, room_id, bot, {marked}, until=since):
            return
        text = secret_text(name, derived_token(self._key, nonce), self._url, self._texts)
        await self._homeserver.send(room_id, message(text, mark=marked, notice=True), txn_id=f"ab.{key}.secret")
