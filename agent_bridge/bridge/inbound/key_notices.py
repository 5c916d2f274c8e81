"""Tells people that a message cannot be decrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark, short_hash
from agent_bridge.core.roles import Role
from agent_bridge.render.content import in_reply_to, message

if TYPE_CHECKING:
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.sealed import SealedEvent
    from agent_bridge.store.threads import ThreadStore

_log = structlog.stdlib.get_logger(__name__)


class KeyNotices:
    """Tells members of their messages without keys: once for each session, whose messages have one key."""

    def __init__(self, homeserver: Homeserver, threads: ThreadStore, roles: Roles, texts: Texts) -> None:
        self._homeserver = homeserver
        self._threads = threads
        self._roles = roles
        self._texts = texts

    async def tell(self, sealed: SealedEvent) -> None:
        """Tell the sender of a message; a repeat tells nothing more. Bots, and people without a role, are not told.

        Raises:
            HomeserverUnavailable, StoreError: nobody was told.
        """
        room_id, sender = str(sealed.event["room_id"]), str(sealed.event["sender"])
        namespace = self._homeserver.namespace
        if namespace.is_ours(sender) or self._roles.of(sender, room_id) < Role.MEMBER:
            return
        speaker = namespace.voice_id(await self._threads.voice(room_id))
        session = str(sealed.event["content"].get("session_id"))
        key = f"sealed.{short_hash(f'{room_id} {sender} {session}', 20)}"
        content = message(self._texts.key_missing, mark=mark(key, 0), notice=True)
        try:
            await self._homeserver.send(
                room_id, content | in_reply_to(str(sealed.event["event_id"])), txn_id=f"ab.{key}", as_user=speaker
            )
        except HomeserverRefused as error:
            _log.warning("nobody is told of a message that cannot be decrypted", room=room_id, error=str(error))
