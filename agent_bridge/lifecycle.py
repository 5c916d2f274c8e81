"""The life of a process: it leads or stands by, listens, works, and finishes the running turns before it ends."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aiohttp import web

from agent_bridge.bridge.queue.periodic import every
from agent_bridge.bridge.queue.supervision import run_endless
from agent_bridge.core.errors import CannotListen
from agent_bridge.lean_structlog import structlog
from agent_bridge.matrix.appservice import GAP_LOOK
from agent_bridge.web.connections import Connections, Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from typing import Any

    from agent_bridge.bridge.agents.discovery import Discovery
    from agent_bridge.bridge.agents.provisioner import Provisioner
    from agent_bridge.bridge.answering.cancellation import Cancellations
    from agent_bridge.bridge.queue.leader import Leader
    from agent_bridge.bridge.queue.operations import Operations
    from agent_bridge.bridge.queue.reloader import Reloader
    from agent_bridge.bridge.queue.worker import Worker
    from agent_bridge.bridge.roles.refresher import RoleRefresher
    from agent_bridge.commands.trace import Traces
    from agent_bridge.config.model import Config
    from agent_bridge.core.observer import Observer
    from agent_bridge.matrix.appservice import AppServiceEndpoint
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.render.results import ResultRenderer
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.operations import OperationStore
    from agent_bridge.store.personal_data import PersonalData
    from agent_bridge.web.process_stats import ProcessStats

_log = structlog.stdlib.get_logger(__name__)

#: Connections of scrapers. A few are enough, and the others are for the homeserver and for programs.
_SCRAPES = Limits(total=32, strangers=16)
#: The line of the log about an open port, by the section of the configuration with its address.
_LISTENS = {"appservice": "listening", "api": "listening for programs", "metrics": "listening for scrapes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The applications of the listeners."""

    #: The routes for the homeserver, and those of the others that have no listener of their own.
    appservice: web.Application
    #: The routes for programs.
    api: web.Application | None
    #: The page of the metrics.
    metrics: web.Application | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """The bridge, built and not yet running."""

    config: Config
    worker: Worker
    cancellations: Cancellations
    endpoint: AppServiceEndpoint
    leader: Leader
    roles: RoleRefresher
    #: None: the bridge has no file.
    reloader: Reloader | None
    operations: Operations
    operation_store: OperationStore
    personal_data: PersonalData
    agents: Agents
    discovery: Discovery
    provisioner: Provisioner
    homeserver: Homeserver
    traces: Traces
    renderer: ResultRenderer
    process_stats: ProcessStats
    listeners: Listeners
    observer: Observer
    #: The duties of every process that the admin page needs, by name.
    admin_work: Mapping[str, Callable[[], Coroutine[Any, Any, None]]]

    async def run(self) -> None:
        """Be endpoint, worker and leader candidate until cancelled; then finish the running turns."""
        async with self._leading() as leading, self._showing_metrics(), self._listening():
            await run_endless(
                leader=leading,
                gaps=every(GAP_LOOK, self.endpoint.look_for_gap, name="search for stranded transactions"),
                worker=self.work(),
            )

    async def work_only(self) -> None:
        """Be a worker as :meth:`work` is, in a process that has no endpoint."""
        if self.config.metrics.enabled and self.listeners.metrics is None:
            _log.warning("a worker shows its metrics on a port of their own only: set metrics.port")
        async with self._showing_metrics():
            await self.work()

    async def work(self) -> None:
        """Be a worker until cancelled; then finish the running turns within the drain timeout."""
        async with self.process_stats.watchdog:
            works = {"reloader": self.reloader.run()} if self.reloader is not None else {}
            works |= {name: work() for name, work in self.admin_work.items()}
            await run_endless(
                cancellations=self.cancellations.run(), roles=self.roles.run(), worker=self.worker.run(), **works
            )

    @asynccontextmanager
    async def _leading(self) -> AsyncIterator[asyncio.Task[None]]:
        """Lead if no other process does; give the task of the leader candidate.

        A new leader pauses the lanes of all rooms that need a backfill before the endpoint starts to listen.
        """
        leading = asyncio.create_task(self.leader.run())
        settled = asyncio.create_task(self.leader.settled.wait())
        try:
            await asyncio.wait([leading, settled], return_when=asyncio.FIRST_COMPLETED)
            yield leading
        finally:
            settled.cancel()
            leading.cancel()
            await asyncio.wait([leading, settled])

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        service, api, apps = self.config.appservice, self.config.api, self.listeners
        async with AsyncExitStack() as stack:
            if apps.api is not None and api.port is not None:
                await stack.enter_async_context(_listener(apps.api, api.hostname, api.port, "api"))
            # The last one: a probe that finds this port open may use all others.
            await stack.enter_async_context(_listener(apps.appservice, service.hostname, service.port, "appservice"))
            yield

    @asynccontextmanager
    async def _showing_metrics(self) -> AsyncIterator[None]:
        metrics, app = self.config.metrics, self.listeners.metrics
        if app is None or metrics.port is None:
            yield
            return
        async with _listener(app, metrics.hostname, metrics.port, "metrics", _SCRAPES):
            yield


@asynccontextmanager
async def _listener(
    app: web.Application, hostname: str, port: int, section: str, limits: Limits | None = None
) -> AsyncIterator[None]:
    """Listen with *app*; *section*: that of the configuration with the address. *limits*: by default of the process.

    Raises:
        CannotListen: the address is in use, or is not one of this machine.
    """
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening: asyncio.Server | None = None
    try:
        connections = Connections(cast("web.Server", runner.server), limits or Limits.of_process())
        try:
            listening = await asyncio.get_running_loop().create_server(connections.accept, hostname, port)
        except (OSError, UnicodeError) as error:
            # A name that is none, such as one with an empty part, fails before it is looked up.
            where, why = f"{hostname}:{port}", getattr(error, "strerror", None) or str(error)
            raise CannotListen(f"cannot listen on {where} ({section}.hostname, port): {why}") from error
        _log.info(_LISTENS[section], address=f"http://{hostname}:{port}")
        yield
    finally:
        if listening is not None:
            listening.close()
        await runner.cleanup()
