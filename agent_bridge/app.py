"""The composition root: the one file that knows all names."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import structlog
from aiohttp import web

from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.presence import Presence
from agent_bridge.bridge.agents.provisioner import Provisioner, RoomDefaults
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.bridge.answering.batching import Batching
from agent_bridge.bridge.answering.cancellation import Cancellations
from agent_bridge.bridge.answering.edit_handler import EditHandler
from agent_bridge.bridge.answering.generation import Generation
from agent_bridge.bridge.answering.incoming_files import IncomingFiles
from agent_bridge.bridge.answering.message_handler import MessageHandler
from agent_bridge.bridge.answering.question import Questions
from agent_bridge.bridge.delivery.edit_budget import EditBudget
from agent_bridge.bridge.delivery.outbox import Outboxes
from agent_bridge.bridge.delivery.receipts import Receipts
from agent_bridge.bridge.delivery.status_reactions import StatusReactions
from agent_bridge.bridge.delivery.uploads import Uploads
from agent_bridge.bridge.delivery.waiting_reactions import WaitingReactions
from agent_bridge.bridge.inbound.backfill import Backfill
from agent_bridge.bridge.inbound.homeserver_monitor import HomeserverMonitor
from agent_bridge.bridge.inbound.intake import Intake
from agent_bridge.bridge.inbound.invites import InviteHandler
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.bridge.queue.lanes import Lanes
from agent_bridge.bridge.queue.leader import Leader
from agent_bridge.bridge.queue.periodic import every
from agent_bridge.bridge.queue.retention import Pruner
from agent_bridge.bridge.queue.worker import Handler, Worker
from agent_bridge.bridge.rooms.space import Space
from agent_bridge.commands.handler import CommandHandler, all_commands
from agent_bridge.commands.registry import CommandServices
from agent_bridge.commands.trace import Traces
from agent_bridge.core.errors import CannotListen
from agent_bridge.core.turns import TurnKind
from agent_bridge.i18n import texts_in
from agent_bridge.matrix.appservice import GAP_LOOK, MAX_BODY, AppServiceEndpoint
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.media import Media
from agent_bridge.matrix.session import READ_TIMEOUT, homeserver_session
from agent_bridge.render.results import ResultRenderer
from agent_bridge.store import migrate
from agent_bridge.store.agents import Agents
from agent_bridge.store.database import POOL_TIMEOUT, Database
from agent_bridge.store.edits import Edits
from agent_bridge.store.embedded import embedded_postgres
from agent_bridge.store.history import Histories
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.locks import Locks
from agent_bridge.store.queue import Queue
from agent_bridge.store.session import Session
from agent_bridge.store.signals import Signals
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from agent_bridge.store.waiting_reactions import WaitingMessages
from agent_bridge.upstream.download.fetch import Fetcher
from agent_bridge.upstream.registry import make_upstream
from agent_bridge.web.health import HealthPages
from agent_bridge.web.process_stats import ProcessStats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bridge:
    """The bridge, built and not yet running."""

    config: Config
    worker: Worker
    stops: Cancellations
    door: AppServiceEndpoint
    leader: Leader
    discovery: Discovery
    provisioner: Provisioner
    homeserver: Homeserver
    traces: Traces
    renderer: ResultRenderer
    process_stats: ProcessStats
    web: web.Application

    async def run(self) -> None:
        """Be door and worker, and leader while no other process is, until cancelled; then finish what runs."""
        async with self._leading() as leading, self._listening(), asyncio.TaskGroup() as group:
            group.create_task(_ending(leading))
            group.create_task(every(GAP_LOOK, self.door.look_for_gap, name="search for stranded transactions"))
            group.create_task(self.work())

    async def work(self) -> None:
        """Be a worker only, until cancelled; then finish what runs, within the drain timeout."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.stops.run())
            group.create_task(self.worker.run())

    @asynccontextmanager
    async def _leading(self) -> AsyncIterator[asyncio.Task[None]]:
        """Lead, if no other process does; give the task that does it.

        Whoever leads first holds the lanes of rooms that have to be compared; only then may anything come in.
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
        service = self.config.appservice
        # A homeserver compresses nothing: what claims to be compressed can only be broken, or a bomb.
        runner = web.AppRunner(self.web, access_log=None, auto_decompress=False)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, service.hostname, service.port).start()
            except OSError as error:
                where = f"{service.hostname}:{service.port}"
                raise CannotListen(f"cannot listen on {where} (appservice.hostname, port): {error.strerror}") from error
            _log.info("listening", address=f"http://{service.hostname}:{service.port}")
            yield
        finally:
            await runner.cleanup()


async def _ending(task: asyncio.Task[None]) -> None:
    await task


@asynccontextmanager
async def database_uri(config: Config) -> AsyncIterator[str]:
    """Give the URI of the configured database, starting the embedded one."""
    if not config.database.embedded:
        yield config.database.url
        return
    async with embedded_postgres(config.database.data_dir / "postgres") as uri:
        yield uri


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds after which a server that does not respond counts as unavailable."""

    #: To get a connection to the database.
    database: float = POOL_TIMEOUT
    #: From one byte of the homeserver's response to the next.
    homeserver: float = READ_TIMEOUT


_TIMEOUTS = Timeouts()


@asynccontextmanager
async def build(config: Config, timeouts: Timeouts = _TIMEOUTS) -> AsyncIterator[Bridge]:
    """Open what the bridge stands on and put it together.

    Raises:
        StoreError: the database cannot be used, or its schema is not this program's.
    """
    namespace, permissions, prefix = config.namespace, config.permissions, config.bot.prefix
    texts = texts_in(config.language)
    async with AsyncExitStack() as stack:
        uri = await stack.enter_async_context(database_uri(config))
        await asyncio.to_thread(migrate.migrate if config.database.migrate else migrate.check, uri)
        database = await stack.enter_async_context(
            Database(uri, pool_size=config.database.pool_size, pool_timeout=timeouts.database)
        )
        signals = Signals()
        locks = await stack.enter_async_context(Locks(await stack.enter_async_context(Session(uri, signals))))
        matrix_session = await stack.enter_async_context(homeserver_session(read_timeout=timeouts.homeserver))
        upstream_session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        agents, turns, kv = Agents(database), Turns(database), KeyValues(database)
        homeserver = Homeserver(
            config.homeserver.address, config.appservice.as_token.get_secret_value(), namespace, matrix_session
        )
        upstreams = [(make_upstream(each, upstream_session), each) for each in config.upstreams]
        for server, _ in upstreams:
            stack.push_async_callback(server.aclose)
        rules, defaults = Rules(namespace, permissions, prefix), RoomDefaults(config.rooms, permissions)
        stops, upstream_status = Cancellations(turns, signals), UpstreamStatus(kv, signals)
        rooms, turn_admin, edits = Histories(database), TurnAdmin(database), Edits(database)
        queue = Queue(database)
        lanes = await stack.enter_async_context(Lanes(database, queue, signals))
        intake = Intake(
            database,
            agents,
            turns,
            IntakeStore(database),
            edits,
            rooms,
            lanes,
            rules,
            max_queued=config.lanes.max_queued_per_room,
        )
        backfill = Backfill(
            homeserver,
            rooms,
            intake,
            signals,
            interval=config.homeserver.backfill_interval,
            horizon=config.retention.turns_days * 86400,
        )
        traces, renderer = Traces(turn_admin, turns, agents, homeserver, rules), ResultRenderer(texts, prefix)
        services = CommandServices(
            database=database,
            agents=agents,
            turns=turns,
            turn_admin=turn_admin,
            lanes=lanes,
            traces=traces,
            upstream_status=upstream_status,
            homeserver=homeserver,
            namespace=namespace,
            permissions=permissions,
        )
        invites = InviteHandler(homeserver, turns, rooms, backfill, rules, texts)
        media = Media(
            config.homeserver.address, config.appservice.as_token.get_secret_value(), namespace, matrix_session
        )
        fetcher = await stack.enter_async_context(Fetcher())
        incoming_files = IncomingFiles(media, config.files, texts)
        generation = Generation(
            Questions(homeserver, namespace, turns, incoming_files, config.threads, texts),
            turns,
            upstreams,
            stops,
            Uploads(media, fetcher, config.files, texts),
            EditBudget(config.answers.edits_per_second),
            config.answers,
            texts,
        )
        outboxes = Outboxes(homeserver, turns, agents)
        handlers: dict[TurnKind, Handler] = {
            TurnKind.MESSAGE: MessageHandler(
                outboxes,
                turns,
                Batching(turns, config.lanes),
                generation,
                Receipts(homeserver),
                StatusReactions(homeserver),
                config.lanes,
                config.answers,
                config.bot,
                texts,
            ),
            TurnKind.CHANGE: EditHandler(homeserver, outboxes, turns, edits, texts),
            TurnKind.COMMAND: CommandHandler(services, all_commands(), renderer, texts),
            TurnKind.REFUSAL: invites,
            TurnKind.INVITATION: invites,
        }
        worker = Worker(lanes, database, turns, locks, queue, signals, handlers, config.lanes, texts)
        space = Space(
            homeserver,
            namespace,
            kv,
            config.space,
            invite=config.rooms.invite,
            powers=defaults.powers(namespace.bot),
            version=config.rooms.version,
        )
        provisioner = Provisioner(homeserver, namespace, agents, space, defaults, signals, texts)
        discovery = Discovery(
            upstreams, agents, provisioner.request, namespace, config.templates, upstream_status, signals, texts
        )
        duties = [
            provisioner.run,
            HomeserverMonitor(homeserver, kv, agents, intake, lanes, config.appservice).run,
            discovery.run,
            backfill.run,
            Pruner(database, config.retention).run,
        ]
        if config.lanes.show_waiting:
            duties.append(WaitingReactions(homeserver, WaitingMessages(database), signals).run)
        if config.presence:
            duties.append(Presence(homeserver, upstream_status, agents, signals, texts).run)
        leader = Leader(locks, partial(intake.request_backfill, "the bridge was away"), duties)
        app = web.Application(client_max_size=MAX_BODY + 1)
        door = AppServiceEndpoint(config.appservice.hs_token.get_secret_value(), intake)
        door.add_routes(app)
        checks = {"database": database.ping, "homeserver": homeserver.versions}
        HealthPages(checks, upstream_status.read).add_routes(app)
        yield Bridge(
            config,
            worker,
            stops,
            door,
            leader,
            discovery,
            provisioner,
            homeserver,
            traces,
            renderer,
            ProcessStats(database),
            app,
        )
