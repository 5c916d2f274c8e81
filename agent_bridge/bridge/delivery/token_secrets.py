"""The secrets of tokens, which people are told once, in a chat with the bot in which nobody else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.secret_messages import SecretMessages
from agent_bridge.core.programs import derived_token, token_hash
from agent_bridge.render.tokens import secret_text

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver


class TokenSecrets(SecretMessages):
    """Makes and tells the secrets.

    A token derives from a random text and from *key*, the ``as_token``, until it is told: a command that runs again
    tells the same one. *url* is the base of the addresses.
    """

    def __init__(self, homeserver: Homeserver, texts: Texts, *, key: str, url: str) -> None:
        super().__init__(homeserver)
        self._texts = texts
        self._key = key
        self._url = url

    def hash_of(self, nonce: str) -> str:
        """Return the digest of the token that derives from *nonce*."""
        return token_hash(derived_token(self._key, nonce))

    async def tell(self, user: str, room_id: str, key: str, name: str, nonce: str, *, again: bool, since: str) -> bool:
        """Tell *user* the token *name* as the turn *key*: once, also if it is called *again*.

        False: others are in the room now, and nothing was told. *since*: an event of the room; without one, its whole
        history is searched for an earlier message.
        """
        text = secret_text(name, derived_token(self._key, nonce), self._url, self._texts)
        return await self._send(user, room_id, key, text, again=again, since=since)
