"""Homeserver monitor: has the homeserver deliver its events at once after each start, of the bridge or of its own."""

from __future__ import annotations

import asyncio
import math
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import BridgeError, HomeserverRefused, RegistrationRejected, UserNotRegistered
from agent_bridge.store.kv import KeyValues

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.bridge.inbound.intake import Intake
    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.config.model import AppServiceConfig
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Agents

_log = structlog.stdlib.get_logger(__name__)

_RETRY = Backoff(first=1, cap=30)
#: Seconds between two checks that the homeserver answers: less than it takes to start.
_LOOK = 1.0
_LOOK_AGAIN = Backoff(first=_LOOK, cap=_LOOK)
#: Rooms at most in which the bot tries to send the event that wakes the homeserver up.
_TRIED = 100
#: Seconds of an outage between two looks whether all lanes are held.
_HOLD = 5.0
#: A state event of this type makes the homeserver send to the bridge again. It means nothing to people.
STARTED = "agent_bridge.started"


class HomeserverMonitor:
    """Notices that the homeserver is away or back, and wakes it up after each start of the bridge and of its own."""

    def __init__(
        self,
        homeserver: Homeserver,
        kv: KeyValues,
        agents: Agents,
        intake: Intake,
        lanes: Lanes,
        service: AppServiceConfig,
        doubt_rooms: Callable[[], Awaitable[None]],
    ) -> None:
        self.homeserver = homeserver
        names = homeserver.namespace
        #: A user id in the name space of the ghosts; no agent has it.
        self._ghost = names.user_id(f"{names.username_prefix}registration-probe")
        self._kv = kv
        self._agents = agents
        self._intake = intake
        self._lanes = lanes
        self._service = service
        self._doubt_rooms = doubt_rooms
        self._away = False
        #: Whether the homeserver takes ghosts for the bridge's own, since its last start.
        self._knows_ghosts = False
        #: Whether the homeserver was away and the rooms do not need a backfill yet.
        self._owes_backfill = False
        #: When it was looked last whether all lanes are held, in seconds of the monotonic clock.
        self._held_at = 0.0
        self._waking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Wake the homeserver up, now and whenever it is back, until cancelled.

        Rooms in which messages wait are compared with the homeserver first: they may have changed in between.
        """
        self._away = False
        await self._agents.request_checks()
        async with asyncio.TaskGroup() as group:
            self._begin(group)
            await every(_LOOK, partial(self._look, group), name="check of the homeserver", retry=_LOOK_AGAIN)

    def _begin(self, group: asyncio.TaskGroup) -> None:
        """Wake the homeserver up from the first step."""
        if self._waking is not None:
            self._waking.cancel()
        # Synapse's sender starts with the first event after its own start; only then a ping helps.
        wake = partial(self._wake, [self._name, self._bot, self._event, self._ping])
        self._waking = group.create_task(every(math.inf, wake, name="waking the homeserver", retry=_RETRY))

    async def _wake(self, steps: list[Callable[[], Awaitable[None]]]) -> None:
        """Take *steps* in their order, and remove each that is done."""
        while steps:
            try:
                await steps[0]()
            except HomeserverRefused as error:
                # Another try would be refused too; the next step may help all the same.
                _log.warning("the homeserver refused a request of the first contact", error=str(error))
            del steps[0]

    async def _look(self, group: asyncio.TaskGroup) -> None:
        # Only as long as that is not known: the homeserver refuses and logs each request of a ghost that nobody made.
        outage = await self.homeserver.outage(None if self._knows_ghosts else self._ghost)
        self._knows_ghosts = answers = outage is None
        if outage is not None and not self._away:
            self._away = self._owes_backfill = True
            self._held_at = time.monotonic()
            if isinstance(outage, RegistrationRejected):
                remedy = "give homeserver and bridge the same registration.yaml, then restart the homeserver"
                _log.error("messages wait: the homeserver has another registration", error=str(outage), remedy=remedy)
        elif outage is not None and time.monotonic() - self._held_at >= _HOLD:
            # It may have come back between two looks, for long enough that rooms were compared.
            self._held_at = time.monotonic()
            self._owes_backfill = not await self._intake.holds_all_rooms()
        if self._owes_backfill:
            # While it is away, not after: no event that it brings may be claimed before the rooms are backfilled.
            await self._intake.request_backfill("the homeserver is away")
            self._owes_backfill = False
        if answers and self._away:
            self._away = False
            _log.info("the homeserver is back")
            self._begin(group)
            # It may have been reset, or restored from a backup.
            await self._doubt_rooms()
            await self._lanes.retry_now()

    async def _name(self) -> None:
        """Compare the domain of the configuration with the name of the homeserver, which every id ends with."""
        domain, server_name = self.homeserver.namespace.domain, await self.homeserver.server_name()
        if server_name != domain:
            remedy = f"set homeserver.domain to {server_name}, write registration.yaml again, restart the homeserver"
            _log.error("the homeserver has another name", domain=domain, server_name=server_name, remedy=remedy)

    async def _bot(self) -> None:
        bot, displayname = self.homeserver.namespace.bot, self._service.bot_displayname
        try:
            present = await self.homeserver.displayname(bot)
        except UserNotRegistered:
            present = None
        # Synapse renews the bot's membership in every one of its rooms each time, even for an unchanged name.
        if present != displayname:
            await self.homeserver.register(self._service.bot_username)
            await self.homeserver.set_displayname(bot, displayname)

    async def _event(self) -> None:
        space = await self._kv.get(KeyValues.SPACE)
        for room_id in ([] if space is None else [space]) + await self._agents.rooms_of_bot(_TRIED):
            try:
                await self.homeserver.set_state(room_id, STARTED, {"at": int(time.time() * 1000)})
            except HomeserverRefused as error:
                _log.warning("the bot cannot send messages in its room", room=room_id, error=str(error))
            else:
                return

    async def _ping(self) -> None:
        try:
            milliseconds = await self.homeserver.ping(self._service.id)
        except UserNotRegistered:
            # The homeserver made no attempt.
            raise
        except BridgeError:
            _log.error("the homeserver cannot reach the bridge", address=self._service.url)
            raise
        # While it delivers stored transactions, the homeserver measures no duration.
        measured = {} if milliseconds is None else {"milliseconds": milliseconds}
        _log.info("the homeserver reaches the bridge", **measured)
