"""Reads the configuration of a process again when that is requested. A duty of every process that has a file."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.bridge.queue.supervision import run_endless
from agent_bridge.config.live_keys import changes, with_live_keys
from agent_bridge.core.backoff import Backoff
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.results.reloads import ReloadOutcome
from agent_bridge.core.roles import Role
from agent_bridge.store.postgres.locks import RELOADS
from agent_bridge.store.postgres.signals import Topic

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.config.source import ConfigSource
    from agent_bridge.core.live import Live
    from agent_bridge.core.results.reloads import ReloadReport
    from agent_bridge.store.postgres.locks import Locks
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.store.reloads import ReloadStore

_log = structlog.stdlib.get_logger(__name__)

#: Seconds that processes have for their answer to a request, and between two looks at the answers.
PATIENCE, _LOOK = 15.0, 0.1
#: Seconds between two tries to hold the lock by which others know that this process answers.
_TRY = 1.0


class Reloader:
    """Applies the changes of the live keys in *source* to the cell *config*, all at once or none.

    *hangups* is set by SIGHUP: the process then asks all processes, this one too. A request counts for each process
    that has read its file before; one that starts later has read the file anyway. A process that was frozen, or
    without the database, reads its file when it goes on.
    """

    def __init__(
        self,
        source: ConfigSource,
        config: Live[Config],
        store: ReloadStore,
        locks: Locks,
        signals: Signals,
        hangups: asyncio.Event,
    ) -> None:
        self._source = source
        self._config = config
        self._store = store
        self._locks = locks
        self._signals = signals
        self._hangups = hangups
        self._name = f"{socket.gethostname()} {os.getpid()}"
        #: Whether all processes are to be asked.
        self._asks = False
        #: Row id of the last request that this process has seen; None: none yet.
        self._seen: int | None = None
        #: The outcome that is not recorded yet, with the last request that it answers.
        self._outcome: tuple[int, ReloadOutcome] | None = None

    async def run(self) -> None:
        """Answer requests, until cancelled."""
        answers = every(_TRY, self._answer, name="reload", retry=Backoff(first=_TRY, cap=_TRY))
        await run_endless(hangups=self._follow_hangups(), answers=answers)

    async def _follow_hangups(self) -> None:
        while True:
            await self._hangups.wait()
            self._hangups.clear()
            self._asks = True
            self._signals.send(Topic.RELOADS)

    async def _answer(self) -> None:
        """Answer requests as long as others know that this process does."""
        with self._signals.subscription(Topic.RELOADS) as wake:
            async with self._locks.hold(RELOADS, self._locks.process) as held:
                if held:
                    await every(FALLBACK, self.look, name="requests for a reload", wake=wake)

    async def look(self) -> float | None:
        """Answer the requests that are new; return 0 if there are more of them.

        Raises:
            StoreError: the next look goes on.
        """
        if self._asks:
            await self._store.request()
            self._asks = False
        newest = await self._store.newest(time.monotonic() - self._source.read_at)
        if self._seen is None:
            # Older requests were answered by reading the file at the start.
            self._seen = newest.id if newest.young == 0 else newest.young - 1
        if newest.id > self._seen and self._outcome is None:
            self._outcome = (newest.id, await self._reload())
        if self._outcome is not None:
            until, outcome = self._outcome
            await self._store.answer(self._locks.process, self._name, self._seen, until, outcome)
            self._seen, self._outcome = until, None
        return 0.0 if newest.id > self._seen else None

    async def _reload(self) -> ReloadOutcome:
        """Read the file, and apply the changes of the live keys if it is valid."""
        running = self._config.value
        try:
            new = await asyncio.to_thread(self._source.read_all)
            _keep_people(running, new, self._source.file)
        except ConfigError as error:
            _log.error("the configuration is not valid: nothing changes", faults=str(error))
            return ReloadOutcome(fault=str(error))
        found, value = await asyncio.to_thread(lambda: (changes(running, new), with_live_keys(running, new)))
        self._config.replace(value)
        self._signals.send(Topic.CONFIGURATION)
        _log.info("the configuration was read again", applied=found.live)
        if found.restart:
            _log.warning("changes of the configuration need a restart", keys=found.restart)
        return ReloadOutcome(found.live, found.restart)


def _keep_people(running: Config, new: Config, file: Path) -> None:
    """Refuse a file that gives nobody a role: the part with ``permissions`` is perhaps not written yet.

    Everybody would be removed from all rooms.

    Raises:
        ConfigError: *new* gives nobody the role of a member, and *running* does.
    """
    before, after = (max(each.permissions.values(), default=Role.NONE) for each in (running, new))
    if before >= Role.MEMBER > after:
        raise ConfigError(
            f"{file}: permissions: gives nobody a role any more; a restart applies that, a reload does not"
        )


async def answers_to(store: ReloadStore, request: int, within: float = PATIENCE) -> ReloadReport:
    """Wait up to *within* seconds for the answers of all processes to a request, and return them.

    Raises:
        StoreError: the answers cannot be read. The processes answer all the same.
    """
    deadline = time.monotonic() + within
    while True:
        report = await store.report(request, within)
        if report.is_complete or time.monotonic() >= deadline:
            return report
        await asyncio.sleep(_LOOK)
