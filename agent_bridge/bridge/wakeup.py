"""After a start: the bot is made, and the homeserver is made to deliver at once what it kept."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.store.facts import Facts

if TYPE_CHECKING:
    from agent_bridge.config.model import AppService
    from agent_bridge.matrix.homeserver import Homeserver
    from agent_bridge.store.contacts import Contacts

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=30)
#: A state event of this type tells the homeserver, and nobody else, that the bridge is there again.
STARTED = "agent_bridge.started"


class WakeUp:
    """What has to be said to the homeserver once after every start."""

    def __init__(self, homeserver: Homeserver, facts: Facts, contacts: Contacts, service: AppService) -> None:
        self.homeserver = homeserver
        self._facts = facts
        self._contacts = contacts
        self._service = service

    async def run(self) -> None:
        """Take the steps in their order, each until it is done."""
        # Synapse's sender starts with the first event after its own start; only then a ping helps.
        steps = [self._bot, self._event, self._ping]
        failures = 0
        while steps:
            try:
                await steps[0]()
            except BridgeError as error:
                failures += 1
                _log.warning("the homeserver is not awake yet", error=str(error), seconds=_RETRY.delay(failures))
                await asyncio.sleep(_RETRY.delay(failures))
            else:
                del steps[0]

    async def _bot(self) -> None:
        await self.homeserver.register(self._service.bot_username)
        await self.homeserver.set_displayname(self.homeserver.names.bot, self._service.bot_displayname)

    async def _event(self) -> None:
        rooms = [contact.portal.room_id for contact in await self._contacts.all() if contact.portal.bot_joined]
        for room_id in (await self._facts.get(Facts.SPACE), *rooms):
            if room_id is None:
                continue
            try:
                await self.homeserver.set_state(room_id, STARTED, {"at": int(time.time() * 1000)})
            except HomeserverRefused as error:
                _log.warning("the bot cannot speak in its room", room=room_id, error=str(error))
            else:
                return

    async def _ping(self) -> None:
        try:
            milliseconds = await self.homeserver.ping(self._service.id)
        except BridgeError as error:
            if "AlreadyCancelled" in str(error):
                # Synapse says so when it is delivering what it kept already.
                return
            _log.error("the homeserver cannot reach the bridge", address=self._service.url)
            raise
        _log.info("the homeserver reaches the bridge", milliseconds=milliseconds)
