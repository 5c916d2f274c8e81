"""Looks after the homeserver: makes it deliver at once what it kept, after every start of the bridge or of its own."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.config.model import AppServiceConfig
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=30)
#: Seconds between two looks whether the homeserver is there: less than it takes to start.
_LOOK = 1.0
#: A state event of this type tells the homeserver, and nobody else, that the bridge is there again.
STARTED = "agent_bridge.started"


class HomeserverMonitor:
    """What has to be said to the homeserver once after every start, of the bridge and of the homeserver."""

    def __init__(
        self,
        homeserver: Homeserver,
        kv: KeyValues,
        agents: Agents,
        intake: Intake,
        lanes: Lanes,
        service: AppServiceConfig,
    ) -> None:
        self.homeserver = homeserver
        self._kv = kv
        self._agents = agents
        self._intake = intake
        self._lanes = lanes
        self._service = service

    async def run(self) -> None:
        """Wake the homeserver up, now and whenever it is back, until cancelled."""
        while True:
            async with asyncio.TaskGroup() as group:
                waking = group.create_task(self._wake())
                await self._look_until(away=True)
                await self._request_backfill()
                await self._look_until(away=False)
                waking.cancel()
            _log.info("the homeserver is back")
            await self._lanes.retry_now()

    async def _wake(self) -> None:
        """Take the steps in their order, each until it is done."""
        # Synapse's sender starts with the first event after its own start; only then a ping helps.
        steps = [self._bot, self._event, self._ping]
        failures = 0
        while steps:
            try:
                await steps[0]()
            except HomeserverRefused as error:
                # It will not do this, however often: the next step may help all the same.
                _log.warning("the homeserver refused a part of its waking up", error=str(error))
                del steps[0]
            except BridgeError as error:
                failures += 1
                _log.warning("the homeserver is not awake yet", error=str(error), seconds=_RETRY.delay(failures))
                await asyncio.sleep(_RETRY.delay(failures))
            else:
                del steps[0]

    async def _look_until(self, *, away: bool) -> None:
        while True:
            if await self.homeserver.answers() is not away:
                return
            await asyncio.sleep(_LOOK)

    async def _request_backfill(self) -> None:
        # While it is away, not after: nothing that it brings may be taken up before the rooms are compared.
        while True:
            try:
                await self._intake.request_backfill("the homeserver is away")
            except BridgeError as error:
                _log.warning("cannot hold the lanes", error=str(error))
                await asyncio.sleep(_LOOK)
            else:
                return

    async def _bot(self) -> None:
        await self.homeserver.register(self._service.bot_username)
        await self.homeserver.set_displayname(self.homeserver.namespace.bot, self._service.bot_displayname)

    async def _event(self) -> None:
        rooms = [agent_room.home.room_id for agent_room in await self._agents.all() if agent_room.home.bot_joined]
        for room_id in (await self._kv.get(KeyValues.SPACE), *rooms):
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
        except BridgeError:
            _log.error("the homeserver cannot reach the bridge", address=self._service.url)
            raise
        if milliseconds is not None:
            _log.info("the homeserver reaches the bridge", milliseconds=milliseconds)
