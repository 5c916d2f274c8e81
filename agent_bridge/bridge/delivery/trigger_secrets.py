"""The secrets of triggers, which their owners are told once, in a room where nobody else is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.secret_messages import SecretMessages
from agent_bridge.core.triggers import digest
from agent_bridge.render.triggers import secret_text

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.triggers import TriggerSecret


class TriggerSecrets(SecretMessages):
    """Makes and tells the secrets.

    The token of a callback URL derives from the public id of its trigger and from *key*, the ``as_token``: it is stored
    nowhere, and a command that runs again tells the same one. *url* is the base of the addresses, and *expires_after*
    the seconds for which a callback URL can be used.
    """

    def __init__(self, homeserver: Homeserver, texts: Texts, *, key: str, url: str, expires_after: float) -> None:
        super().__init__(homeserver)
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

    async def tell(
        self, user: str, room_id: str, key: str, name: str, secret: TriggerSecret, *, again: bool, since: str
    ) -> bool:
        """Tell *user* the *secret* of the trigger *name* as the turn *key*: once, also if it is called *again*.

        False: others are in the room now, and nothing was told. *since*: an event of the room; without one, its whole
        history is searched for an earlier message.
        """
        if secret.signing_key is None:
            url = f"{self._url}/v1/triggers/callback/{self.token(secret.public_id)}"
        else:
            url = f"{self._url}/v1/triggers/{secret.public_id}"
        text = secret_text(name, url, secret.signing_key, self.expires_after, self._texts)
        return await self._send(user, room_id, key, text, again=again, since=since)
