"""The state of rooms in which nothing may grow (MSC4357)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from agent_bridge.core.errors import BridgeError
from agent_bridge.matrix.event_streams import LIVE_MESSAGING

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver

_log = logging.getLogger(__name__)

#: Seconds for which the state of a room is known, rooms whose state is, and seconds that the homeserver has to tell it.
_KNOWN, _ROOMS, _PATIENCE = 30.0, 1_000, 5.0


class LiveMessaging:
    """Tells where messages may grow. The state of a room counts within 30 seconds."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        #: The end of the time for which the state of a room is known, and whether it allows messages that grow.
        self._known: dict[str, tuple[float, bool]] = {}

    async def is_allowed(self, room_id: str, user_id: str) -> bool:
        """Tell whether the messages of *user_id* may grow in a room.

        While the homeserver does not tell, the last state counts, and they may without one.
        """
        now = time.monotonic()
        until, allowed = self._known.get(room_id, (0.0, True))
        if now < until:
            return allowed
        try:
            async with asyncio.timeout(_PATIENCE):
                event = await self._homeserver.state(room_id, LIVE_MESSAGING, as_user=user_id)
        except (BridgeError, TimeoutError) as error:
            _log.info("a room does not tell whether messages may grow: %s", error or type(error).__name__)
        else:
            content = (event or {}).get("content")
            allowed = not (isinstance(content, dict) and content.get("enabled") is False)
        if len(self._known) >= _ROOMS:
            self._known.clear()
        # A homeserver that does not answer is asked as rarely: growing messages wait for it.
        self._known[room_id] = time.monotonic() + _KNOWN, allowed
        return allowed
