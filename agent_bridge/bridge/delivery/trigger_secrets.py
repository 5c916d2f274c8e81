"""The secrets of triggers, which their owners are told once, in a room where nobody else is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.marked_events import marked_events
from agent_bridge.bridge.rooms.bot_chats import private_room
from agent_bridge.core.ids import mark
from agent_bridge.core.triggers import digest
from agent_bridge.render.content import message
from agent_bridge.render.triggers import secret_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.triggers import TriggerSecret

#: Part of the mark of the message; other parts are those of the command's answer.
_PART = -1


class TriggerSecrets:
    """Makes and tells the secrets.

    The token of a callback URL derives from the public id of its trigger and from *key*, the ``as_token``: it is stored
    nowhere, and a command that runs again tells the same one. *url* is the base of the addresses, and *expires_after*
    the seconds for which a callback URL can be used.
    """

    def __init__(self, homeserver: Homeserver, texts: Texts, *, key: str, url: str, expires_after: float) -> None:
        self._homeserver = homeserver
        self._texts = texts
        self._key = key.encode()
        self._url = url
        self.expires_after = expires_after

    def token(self, public_id: str) -> str:
        """Return the token of the callback URL of a trigger: 256 bits."""
        code = hmac.new(self._key, b"callback of the trigger " + public_id.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(code).decode().rstrip("=")

    def token_hash(self, public_id: str) -> str:
        """Return the digest of the token, which is stored."""
        return digest(self.token(public_id))

    async def private_room(self, user: str, rooms: Iterable[str]) -> str | None:
        """Return the first of *rooms* in which *user* and the bot are alone; None if there is none."""
        return await private_room(self._homeserver, user, rooms)

    async def tell(self, room_id: str, key: str, name: str, secret: TriggerSecret, *, again: bool, since: str) -> None:
        """Tell the room the *secret* of the trigger *name* as the turn *key*: once, also if it is called *again*.

        *since*: an event of the room; without one, its whole history is searched for an earlier message.
        """
        bot, marked = self._homeserver.namespace.bot, mark(key, _PART)
        if again and await marked_events(self._homeserver, room_id, bot, {marked}, until=since):
            return
        if secret.signing_key is None:
            url = f"{self._url}/v1/triggers/callback/{self.token(secret.public_id)}"
        else:
            url = f"{self._url}/v1/triggers/{secret.public_id}"
        text = secret_text(name, url, secret.signing_key, self.expires_after, self._texts)
        await self._homeserver.send(room_id, message(text, mark=marked, notice=True), txn_id=f"ab.{key}.secret")
